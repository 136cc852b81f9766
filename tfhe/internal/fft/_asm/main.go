// Command asm generates the assembly kernels of package fft: see README.md.
package main

import (
	"flag"
	"log"

	. "github.com/mmcloughlin/avo/build"
)

func main() {
	isa := flag.String("isa", "", "avx512 or avx2")
	flag.Parse()
	ConstraintExpr("!purego")
	var w width
	switch *isa {
	case "avx512":
		w = width{name: "AVX512", lanes: 8}
	case "avx2":
		w = width{name: "AVX2", lanes: 4}
	default:
		log.Fatal("asm: -isa is avx512 or avx2")
	}
	w.constants()
	w.folds()
	w.descend4()
	w.leaves()
	w.joins()
	w.ascend4()
	w.unfolds()
	w.unfoldTurn()
	w.pointwise()
	w.monomial()
	Generate()
}
