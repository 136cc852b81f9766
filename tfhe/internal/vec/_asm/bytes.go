package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// tileColumns is the width of a tile of key bytes: four bytes, one of each row of a quad, for each column.
const tileColumns = 64

// askedLines is how many lines of 64 bytes a quad asks for at most: half of its own size, so that two calls ask for as much as they read.
const askedLines = 2

func (w width) beginBytes(count int, more, about string) {
	name := fmt.Sprintf("subMulBytesx%d%s", count, w.name)
	TEXT(name, attr.NOSPLIT, "func(dst *[]uint32, digits *[]int8, key *byte, quads int, shift uint64, ahead *byte, lines int"+more+")")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is, for at least one quad%s:", name, about), "",
		fmt.Sprintf("for q := range %d {", count),
		"	for r := range 4 * quads {",
		"		for c := range Columns {",
		"			dst[q][c] -= uint32(digits[q][r]) * uint32(key[(r/4*Columns+c)*4+r%4]) << shift",
		"		}",
		"	}",
		"}",
		"// so many lines of 64 bytes from ahead on are asked for, up to two a quad")
}

// asks loads what is to be asked for, and returns what a quad does. The second line may be one too many, which is harmless.
func asks() func() {
	ahead, lines := Load(Param("ahead"), GP64()), Load(Param("lines"), GP64())
	return func() {
		TESTQ(lines, lines)
		JLE(LabelRef("asked"))
		for i := range askedLines {
			PREFETCHT1(Mem{Base: ahead, Disp: 64 * i})
		}
		ADDQ(U32(64*askedLines), ahead)
		SUBQ(Imm(askedLines), lines)
		Label("asked")
	}
}

func loadDigits(count int) []reg.Register {
	headers := Load(Param("digits"), GP64())
	digits := make([]reg.Register, count)
	for q := range digits {
		digits[q] = GP64()
		MOVQ(Mem{Base: headers, Disp: 24 * q}, digits[q])
	}
	return digits
}

// subMulBytesVNNI emits the product with VPDPBUSD, which adds up four products of bytes to a word, that is a quad of rows.
func (w width) subMulBytesVNNI(count int) {
	w.beginBytes(count, "", "")
	dst, digits := Load(Param("dst"), GP64()), loadDigits(count)
	key, quads := Load(Param("key"), GP64()), Load(Param("quads"), GP64())
	ask := asks()
	const vectors = tileColumns / 16
	var acc [4][vectors]reg.VecVirtual
	for q := range count {
		for v := range vectors {
			acc[q][v] = ZMM()
			VPXORD(acc[q][v], acc[q][v], acc[q][v])
		}
	}
	r := GP64()
	XORQ(r, r)
	Label("rows")
	var x [vectors]reg.VecVirtual
	for v := range vectors {
		x[v] = ZMM()
		VMOVDQU64(Mem{Base: key, Disp: 64 * v}, x[v])
	}
	for q := range count {
		d := ZMM()
		VPBROADCASTD(Mem{Base: digits[q], Index: r, Scale: 4}, d)
		for v := range vectors {
			VPDPBUSD(d, x[v], acc[q][v])
		}
	}
	ask()
	ADDQ(U32(4*tileColumns), key)
	INCQ(r)
	CMPQ(r, quads)
	JLT(LabelRef("rows"))
	shift := XMM()
	VMOVQ(Load(Param("shift"), GP64()), shift)
	p := GP64()
	for q := range count {
		MOVQ(Mem{Base: dst, Disp: 24 * q}, p)
		for v := range vectors {
			m := Mem{Base: p, Disp: 64 * v}
			VPSLLD(shift, acc[q][v], acc[q][v])
			old := ZMM()
			VMOVDQU64(m, old)
			VPSUBD(acc[q][v], old, old)
			VMOVDQU64(old, m)
		}
	}
	VZEROUPPER()
	RET()
}

// subMulBytes16 emits the product with VPMADDUBSW, which adds up two products of bytes to 16 bits. Sums stay there for as many quads as they fit, flush;
// then those of both halves of a quad are added up to a word. Columns are taken by as many as fit the registers.
func (w width) subMulBytes16(count int) {
	w.beginBytes(count, ", flush int", " and flush >= 1 of them whose sums of products stay below 2^15")
	dst, digits := Load(Param("dst"), GP64()), loadDigits(count)
	key := Load(Param("key"), GP64())
	ask := asks()
	vectors := map[int]int{1: 8, 2: 4, 4: 2}[count]
	ones, shift := YMM(), XMM()
	VPCMPEQW(ones, ones, ones)
	VPSRLW(Imm(15), ones, ones)
	VMOVQ(Load(Param("shift"), GP64()), shift)
	off := GP64() // of the columns in bytes
	XORQ(off, off)
	Label("columns")
	row, r, n := GP64(), GP64(), GP64()
	MOVQ(key, row)
	XORQ(r, r)
	Label("sums")
	acc := make([][]reg.VecVirtual, count)
	for q := range acc {
		for range vectors {
			a := YMM()
			VPXOR(a, a, a)
			acc[q] = append(acc[q], a)
		}
	}
	// The next flush quads, or those that are left.
	Load(Param("flush"), n)
	ADDQ(r, n)
	left := GP64()
	Load(Param("quads"), left)
	CMPQ(n, left)
	CMOVQGT(left, n)
	Label("rows")
	x := make([]reg.VecVirtual, vectors)
	if count > 1 {
		for v := range x {
			x[v] = YMM()
			VMOVDQU(Mem{Base: row, Index: off, Scale: 1, Disp: 32 * v}, x[v])
		}
	}
	for q := range count {
		d, t := YMM(), YMM()
		VPBROADCASTD(Mem{Base: digits[q], Index: r, Scale: 4}, d)
		for v := range x {
			if count == 1 {
				x[v] = YMM()
				VMOVDQU(Mem{Base: row, Index: off, Scale: 1, Disp: 32 * v}, x[v])
			}
			VPMADDUBSW(d, x[v], t)
			VPADDW(t, acc[q][v], acc[q][v])
		}
	}
	ask()
	ADDQ(U32(4*tileColumns), row)
	INCQ(r)
	CMPQ(r, n)
	JLT(LabelRef("rows"))
	p, t := GP64(), YMM()
	for q := range count {
		MOVQ(Mem{Base: dst, Disp: 24 * q}, p)
		for v := range vectors {
			m := Mem{Base: p, Index: off, Scale: 1, Disp: 32 * v}
			a := acc[q][v]
			VPMADDWD(ones, a, a)
			VPSLLD(shift, a, a)
			VMOVDQU(m, t)
			VPSUBD(a, t, t)
			VMOVDQU(t, m)
		}
	}
	Load(Param("quads"), left)
	CMPQ(r, left)
	JLT(LabelRef("sums"))
	ADDQ(U32(uint32(32*vectors)), off)
	CMPQ(off, U32(4*tileColumns))
	JLT(LabelRef("columns"))
	VZEROUPPER()
	RET()
}
