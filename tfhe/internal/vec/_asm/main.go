// Command asm generates the assembly kernels of package vec: see README.md.
package main

import (
	"flag"
	"log"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	isa := flag.String("isa", "", "avx512 or avx2")
	flag.Parse()
	ConstraintExpr("!purego")
	var w width
	switch *isa {
	case "avx512":
		w = width{name: "AVX512", bytes: 64}
	case "avx2":
		w = width{name: "AVX2", bytes: 32}
	default:
		log.Fatal("asm: -isa is avx512 or avx2")
	}
	for _, count := range []int{1, 2, 4} {
		if w.wide() {
			w.subMulBytesVNNI(count)
		} else {
			w.subMulBytes16(count)
		}
	}
	w.words()
	w.automorphism()
	Generate()
}

// width is an instruction set, with the size of a register.
type width struct {
	name  string
	bytes int
}

func (w width) wide() bool { return w.bytes == 64 }

func (w width) vec() reg.VecVirtual {
	if w.wide() {
		return ZMM()
	}
	return YMM()
}

func (w width) load(m Mem, v reg.VecVirtual) {
	if w.wide() {
		VMOVDQU64(m, v)
		return
	}
	VMOVDQU(m, v)
}

func (w width) store(v reg.VecVirtual, m Mem) {
	if w.wide() {
		VMOVDQU64(v, m)
		return
	}
	VMOVDQU(v, m)
}
