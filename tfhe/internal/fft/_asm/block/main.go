// Command blockasm generates the assembly kernels of the block products of package fft.
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
		log.Fatal("blockasm: -isa is avx512 or avx2")
	}
	w.constants()
	w.blockProducts()
	w.blockParts()
	w.modules()
	if w.wide() {
		w.modulePairs()
		for crossed := range maxTerms + 1 {
			w.blockTwo(crossed)
		}
	}
	Generate()
}
