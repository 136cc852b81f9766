package main

import (
	"fmt"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// words emits the loops over torus words of 8 bytes.
func (w width) words() {
	w.loop64("addSub64", "sum, diff, x, y", "sum[i], diff[i] = x[i]+y[i], x[i]-y[i]", func(m []Mem) {
		x, y, s := w.vec(), w.vec(), w.vec()
		w.load(m[2], x)
		w.load(m[3], y)
		VPADDQ(x, y, s)
		VPSUBQ(y, x, x)
		w.store(s, m[0])
		w.store(x, m[1])
	}, nil)
	w.loop64("sub64", "dst, x, y", "dst[i] = x[i] - y[i]", func(m []Mem) {
		x, y := w.vec(), w.vec()
		w.load(m[1], x)
		w.load(m[2], y)
		VPSUBQ(y, x, x)
		w.store(x, m[0])
	}, nil)
	w.loop64("add64", "dst, x", "dst[i] += x[i]", func(m []Mem) {
		x, y := w.vec(), w.vec()
		w.load(m[0], x)
		w.load(m[1], y)
		VPADDQ(y, x, x)
		w.store(x, m[0])
	}, nil)
	var k, high reg.VecVirtual
	w.loop64("mulAdd64", "dst, x", "dst[i] += k * x[i]", func(m []Mem) {
		d, x := w.vec(), w.vec()
		w.load(m[0], d)
		w.load(m[1], x)
		if w.wide() {
			VPMULLQ(k, x, x)
		} else {
			// (x1 2^32 + x0)(k1 2^32 + k0) = x0 k0 + 2^32 (x1 k0 + x0 k1) modulo 2^64
			low, cross, t := w.vec(), w.vec(), w.vec()
			VPMULUDQ(k, x, low)
			VPMULUDQ(high, x, cross)
			VPSRLQ(Imm(32), x, t)
			VPMULUDQ(k, t, t)
			VPADDQ(t, cross, cross)
			VPSLLQ(Imm(32), cross, cross)
			VPADDQ(low, cross, x)
		}
		VPADDQ(x, d, d)
		w.store(d, m[0])
	}, func() {
		k = w.vec()
		w.broadcast(Load(Param("k"), GP64()), k)
		if !w.wide() {
			high = w.vec()
			VPSRLQ(Imm(32), k, high)
		}
	})
}

// loop64 emits a loop over registers of the named arrays. prepare, if there is one, loads the parameter k.
func (w width) loop64(name, arrays, doc string, body func(m []Mem), prepare func()) {
	params := arrays + " *uint64, "
	if prepare != nil {
		params += "k uint64, "
	}
	TEXT(name+w.name, attr.NOSPLIT, "func("+params+"n int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s%s is, for n words, a positive multiple of %d:", name, w.name, w.bytes/8), "",
		"for i := range n {", "	"+doc, "}")
	var p []reg.Register
	for _, a := range strings.Split(arrays, ", ") {
		p = append(p, Load(Param(a), GP64()))
	}
	if prepare != nil {
		prepare()
	}
	n, off := Load(Param("n"), GP64()), GP64()
	SHLQ(Imm(3), n) // to bytes
	XORQ(off, off)
	Label("words")
	var m []Mem
	for _, base := range p {
		m = append(m, Mem{Base: base, Index: off, Scale: 1})
	}
	body(m)
	ADDQ(U32(uint32(w.bytes)), off)
	CMPQ(off, n)
	JLT(LabelRef("words"))
	VZEROUPPER()
	RET()
}

// broadcast puts a word into all lanes.
func (w width) broadcast(word reg.Register, v reg.VecVirtual) {
	if w.wide() {
		VPBROADCASTQ(word, v)
		return
	}
	x := XMM()
	VMOVQ(word, x)
	VPBROADCASTQ(x, v)
}

// automorphism emits the permutation of coefficients with signs, which no vector instruction helps.
func (w width) automorphism() {
	TEXT("automorphism64"+w.name, attr.NOSPLIT, "func(dst, src *uint64, step, log, n int)")
	Pragma("noescape")
	Doc("automorphism64"+w.name+" is, for n = 1<<log words, a positive multiple of 4:", "",
		"to := 0", "for i := range n {", "	sign := -uint64(to >> log & 1)", "	dst[to&(n-1)] = (src[i] ^ sign) - sign", "	to += step", "}")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	step, n := Load(Param("step"), GP64()), Load(Param("n"), GP64())
	mask, shift := GP64(), GP64()
	Load(Param("log"), shift)
	// The bit of the sign goes to the top: a shift to the left by 63 - log.
	NEGQ(shift)
	ADDQ(Imm(63), shift)
	MOVQ(n, mask)
	DECQ(mask)
	to := GP64()
	XORQ(to, to)
	Label("coefficients")
	for u := range 4 {
		v, at, sign := GP64(), GP64(), GP64()
		MOVQ(Mem{Base: src, Disp: 8 * u}, v)
		MOVQ(to, at)
		ANDQ(mask, at)
		SHLXQ(shift, to, sign)
		SARQ(Imm(63), sign)
		XORQ(sign, v)
		SUBQ(sign, v)
		MOVQ(v, Mem{Base: dst, Index: at, Scale: 8})
		ADDQ(step, to)
	}
	ADDQ(Imm(32), src)
	SUBQ(Imm(4), n)
	JNZ(LabelRef("coefficients"))
	RET()
}
