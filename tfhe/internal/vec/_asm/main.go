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
	for _, word := range []int{4, 8} {
		for _, count := range []int{1, 2, 4} {
			w.subMul(word, count)
		}
	}
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
func (w width) tile(word, count int) int {
	switch {
	case w.split(word):
		return 4 / count
	case !w.wide() && count == 4:
		return 2
	}
	return 4
}

// split tells whether products of 64 bits are made from those of 32. With x = xl + 2^32 xh the product is
//
//	x d = xl dl + 2^32 (xl dh + xh dl)   modulo 2^64,
//
// and the two terms in brackets are summed over the rows in accumulators of their own, as the halves of one register.
func (w width) split(word int) bool { return word == 8 && !w.wide() }

// subMul emits the product of digits of count ciphertexts with rows of words of 4 or 8 bytes. Accumulators stay in registers for all rows of a
// tile of columns.
func (w width) subMul(word, count int) {
	bits := 8 * word
	name := fmt.Sprintf("subMul%dx%d%s", bits, count, w.name)
	TEXT(name, attr.NOSPLIT, fmt.Sprintf("func(dst *[]uint%d, digits *[]int%d, rows *uint%d, stride, first, last, columns int)", bits, bits, bits))
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is, for columns that are a positive multiple of %d, at least one row, and a stride in words:", name, w.bytes/word), "",
		fmt.Sprintf("for q := range %d {", count),
		"	for r := first; r < last; r++ {",
		"		for c := range columns {",
		fmt.Sprintf("			dst[q][c] -= uint%d(digits[q][r]) * rows[(r-first)*stride+c]", bits),
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
	SHLQ(Imm(map[int]uint64{4: 2, 8: 3}[word]), stride) // to bytes
	off := GP64()
	XORQ(off, off)
	SHRQ(Imm(map[int]uint64{16: 4, 8: 3, 4: 2}[w.bytes/word]), columns) // to registers
	for _, tile := range tiles(w.tile(word, count)) {
		start, done := fmt.Sprintf("tile%d", tile), fmt.Sprintf("done%d", tile)
		Label(start)
		CMPQ(columns, Imm(uint64(tile)))
		JLT(LabelRef(done))
		var acc, cross [4][4]reg.VecVirtual
		p := GP64()
		for q := range count {
			MOVQ(Mem{Base: dst, Disp: 24 * q}, p)
			for v := range tile {
				acc[q][v] = w.vec()
				w.load(Mem{Base: p, Index: off, Scale: 1, Disp: v * w.bytes}, acc[q][v])
				if w.split(word) {
					cross[q][v] = w.vec()
					VPXOR(cross[q][v], cross[q][v], cross[q][v])
				}
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
			d, swapped, t := w.vec(), w.vec(), w.vec()
			m := Mem{Base: digits[q], Index: r, Scale: uint8(word)}
			if word == 4 {
				VPBROADCASTD(m, d)
			} else {
				VPBROADCASTQ(m, d)
			}
			if w.split(word) {
				VPSHUFD(Imm(0xb1), d, swapped)
			}
			for v := range tile {
				switch {
				case word == 4:
					VPMULLD(x[v], d, t)
					VPSUBD(t, acc[q][v], acc[q][v])
				case w.wide():
					VPMULLQ(x[v], d, t)
					VPSUBQ(t, acc[q][v], acc[q][v])
				default:
					VPMULLD(x[v], swapped, t)
					VPSUBD(t, cross[q][v], cross[q][v])
					VPMULUDQ(x[v], d, t)
					VPSUBQ(t, acc[q][v], acc[q][v])
				}
			}
		}
		ADDQ(stride, row)
		INCQ(r)
		CMPQ(r, n)
		JLT(LabelRef(loop))
		for q := range count {
			MOVQ(Mem{Base: dst, Disp: 24 * q}, p)
			for v := range tile {
				if c := cross[q][v]; w.split(word) {
					t := w.vec()
					VPSRLQ(Imm(32), c, t)
					VPADDQ(t, c, c) // the sum of both halves, in the lower one
					VPSLLQ(Imm(32), c, c)
					VPADDQ(c, acc[q][v], acc[q][v])
				}
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
func tiles(size int) []int {
	if size == 1 {
		return []int{1}
	}
	return []int{size, 1}
}
