// Command asm generates the assembly kernels of package vec: see README.md.
package main

import (
	"flag"
	"fmt"
	"log"

	"github.com/mmcloughlin/avo/attr"
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
		w.subMul(count)
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

// tile is how many registers of columns are worked on at a time, for count ciphertexts: the accumulators take at most half of
// sixteen registers.
func (w width) tile(count int) int {
	if !w.wide() && count == 4 {
		return 2
	}
	return 4
}

// subMul emits the product of digits of count ciphertexts with rows of words of 4 bytes. Accumulators stay in registers for all rows of a
// tile of columns.
func (w width) subMul(count int) {
	name := fmt.Sprintf("subMul32x%d%s", count, w.name)
	TEXT(name, attr.NOSPLIT, "func(dst *[]uint32, digits *[]int32, rows *uint32, stride, first, last, columns int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is, for columns that are a positive multiple of %d, at least one row, and a stride in words:", name, w.bytes/4), "",
		fmt.Sprintf("for q := range %d {", count),
		"	for r := first; r < last; r++ {",
		"		for c := range columns {",
		"			dst[q][c] -= uint32(digits[q][r]) * rows[(r-first)*stride+c]",
		"		}",
		"	}",
		"}")
	dst, headers := Load(Param("dst"), GP64()), Load(Param("digits"), GP64())
	digits := make([]reg.Register, count)
	for q := range digits {
		digits[q] = GP64()
		MOVQ(Mem{Base: headers, Disp: 24 * q}, digits[q])
	}
	rows, stride := Load(Param("rows"), GP64()), Load(Param("stride"), GP64())
	columns := Load(Param("columns"), GP64())
	SHLQ(Imm(2), stride) // to bytes
	off := GP64()
	XORQ(off, off)
	SHRQ(Imm(map[int]uint64{16: 4, 8: 3}[w.bytes/4]), columns) // to registers
	for _, tile := range tiles(w.tile(count)) {
		start, done := fmt.Sprintf("tile%d", tile), fmt.Sprintf("done%d", tile)
		Label(start)
		CMPQ(columns, Imm(uint64(tile)))
		JLT(LabelRef(done))
		var acc [4][4]reg.VecVirtual
		p := GP64()
		for q := range count {
			MOVQ(Mem{Base: dst, Disp: 24 * q}, p)
			for v := range tile {
				acc[q][v] = w.vec()
				w.load(Mem{Base: p, Index: off, Scale: 1, Disp: v * w.bytes}, acc[q][v])
			}
		}
		row, r, n := GP64(), GP64(), GP64()
		MOVQ(rows, row)
		Load(Param("first"), r)
		Load(Param("last"), n)
		loop := fmt.Sprintf("rows%d", tile)
		Label(loop)
		var x [4]reg.VecVirtual
		for v := range tile {
			x[v] = w.vec()
			w.load(Mem{Base: row, Disp: v * w.bytes}, x[v])
		}
		for q := range count {
			d, t := w.vec(), w.vec()
			VPBROADCASTD(Mem{Base: digits[q], Index: r, Scale: 4}, d)
			for v := range tile {
				VPMULLD(x[v], d, t)
				VPSUBD(t, acc[q][v], acc[q][v])
			}
		}
		ADDQ(stride, row)
		INCQ(r)
		CMPQ(r, n)
		JLT(LabelRef(loop))
		for q := range count {
			MOVQ(Mem{Base: dst, Disp: 24 * q}, p)
			for v := range tile {
				w.store(acc[q][v], Mem{Base: p, Index: off, Scale: 1, Disp: v * w.bytes})
			}
		}
		ADDQ(U32(uint32(tile*w.bytes)), off)
		ADDQ(U32(uint32(tile*w.bytes)), rows)
		SUBQ(Imm(uint64(tile)), columns)
		JMP(LabelRef(start))
		Label(done)
	}
	VZEROUPPER()
	RET()
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

// tiles are the sizes of tiles that cover any number of registers.
func tiles(size int) []int { return []int{size, 1} }
