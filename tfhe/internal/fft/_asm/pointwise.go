package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// mulAdd adds a*b to c: with one rounding at the size of c, where fused operations straight into c would have two, and a shorter
// chain of dependent operations. (Additions have units of their own on many processors.)
func (w width) mulAdd(c, a, b cx) {
	p := w.mul(a, b)
	VADDPD(p.re, c.re, c.re)
	VADDPD(p.im, c.im, c.im)
}

// each runs body over all registers of the polynomials that the named parameters point to.
func (w width) each(names []string, body func(m []cmem)) {
	var p []reg.Register
	for _, name := range names {
		p = append(p, Load(Param(name), GP64()))
	}
	n, off := Load(Param("n"), GP64()), GP64()
	XORQ(off, off)
	loop(n, func() {
		for half := range w.halves() {
			var m []cmem
			for _, base := range p {
				m = append(m, at(Mem{Base: base, Index: off, Scale: 1, Disp: half * w.bytes()}))
			}
			body(m)
		}
		ADDQ(U32(128), off)
	})
	w.end()
}

func (w width) pointwise() {
	w.begin("mul", "acc, a, b *float64, n int", "mulGo(acc, a, b) // of 16*n elements")
	w.each([]string{"acc", "a", "b"}, func(m []cmem) {
		w.mul(w.load(m[1]), w.load(m[2])).store(m[0])
	})
	w.begin("mulAdd", "acc, a, b *float64, n int", "mulAddGo(acc, a, b) // of 16*n elements")
	w.each([]string{"acc", "a", "b"}, func(m []cmem) {
		c := w.load(m[0])
		w.mulAdd(c, w.load(m[1]), w.load(m[2]))
		c.store(m[0])
	})
	w.begin("mulAdd2", "acc0, acc1, a, b0, b1 *float64, n int", "mulAdd2Go(acc0, acc1, a, b0, b1) // of 16*n elements")
	w.each([]string{"acc0", "acc1", "a", "b0", "b1"}, func(m []cmem) {
		// Factors are loaded before the first store: an accumulator may be the other's factor.
		c, d, x := w.load(m[0]), w.load(m[1]), w.load(m[2])
		w.mulAdd(c, x, w.load(m[3]))
		w.mulAdd(d, x, w.load(m[4]))
		c.store(m[0])
		d.store(m[1])
	})
	for _, op := range []string{"add", "sub"} {
		w.begin(op, "dst, x *float64, n int", op+"Go(dst, x) // of 16*n elements")
		w.each([]string{"dst", "x"}, func(m []cmem) {
			c := w.load(m[0])
			if op == "add" {
				VADDPD(m[1].re, c.re, c.re)
				VADDPD(m[1].im, c.im, c.im)
			} else {
				VSUBPD(m[1].re, c.re, c.re)
				VSUBPD(m[1].im, c.im, c.im)
			}
			c.store(m[0])
		})
	}
	for _, add := range []bool{false, true} {
		name := map[bool]string{false: "mulRows2", true: "mulAddRows2"}[add]
		w.begin(name, "acc0, acc1 *float64, d *[]float64, key *float64, rows, n int",
			"mulRows2Go(acc0, acc1, d[:rows], key, "+map[bool]string{true: "true", false: "false"}[add]+") // of 16*n elements")
		w.rows2(add)
	}
}

func (w width) rows2(add bool) {
	acc0, acc1 := Load(Param("acc0"), GP64()), Load(Param("acc1"), GP64())
	d, key := Load(Param("d"), GP64()), Load(Param("key"), GP64())
	rows, n := Load(Param("rows"), GP64()), Load(Param("n"), GP64())
	off, keyStep := GP64(), GP64()
	XORQ(off, off)
	MOVQ(rows, keyStep)
	SHLQ(Imm(8), keyStep)
	loop(n, func() {
		for half := range w.halves() {
			m0, m1 := at(Mem{Base: acc0, Index: off, Scale: 1, Disp: half * w.bytes()}), at(Mem{Base: acc1, Index: off, Scale: 1, Disp: half * w.bytes()})
			var a, b cx
			if add {
				a, b = w.load(m0), w.load(m1)
			} else {
				a, b = w.cx(), w.cx()
				for _, v := range []reg.VecVirtual{a.re, a.im, b.re, b.im} {
					if w.wide() {
						VPXORQ(v, v, v)
					} else {
						VXORPD(v, v, v)
					}
				}
			}
			row, digits, k, p := GP64(), GP64(), GP64(), GP64()
			MOVQ(rows, row)
			MOVQ(d, digits)
			MOVQ(key, k)
			loop(row, func() {
				MOVQ(Mem{Base: digits}, p)
				x := w.load(at(Mem{Base: p, Index: off, Scale: 1, Disp: half * w.bytes()}))
				y := w.load(at(Mem{Base: k, Disp: half * w.bytes()}))
				w.mulAdd(a, x, y)
				y = w.load(at(Mem{Base: k, Disp: 128 + half*w.bytes()}))
				w.mulAdd(b, x, y)
				ADDQ(Imm(24), digits)
				ADDQ(U32(256), k)
			})
			a.store(m0)
			b.store(m1)
		}
		ADDQ(keyStep, key)
		ADDQ(U32(128), off)
	})
	w.end()
}

// monomial emits the products with X^a and X^a - 1. Of the eight leaves of one lane of a group of 64 points, leaf r has the
// value of leaf 0 times an eighth root of one.
func (w width) monomial() {
	for _, minus := range []bool{false, true} {
		name := map[bool]string{false: "mulXaAdd", true: "mulXaMinus1Add"}[minus]
		w.begin(name, "acc, x *float64, roots *complex128, mask int, exponent *uint32, a int, lanes, leaves *float64, groups int",
			"for g := range groups {",
			"	w := roots[a*exponent[8*g]&mask] // of lane 0 of vector 8g",
			"	for r := range 8 {",
			"		for v := range 8 {",
			"			acc[64*g+8*r+v] += (w*lanes[v]*leaves[r] - "+map[bool]string{true: "1", false: "0"}[minus]+") * x[64*g+8*r+v]",
			"		}",
			"	}",
			"}")
		acc, x := Load(Param("acc"), GP64()), Load(Param("x"), GP64())
		roots, mask := Load(Param("roots"), GP64()), Load(Param("mask"), GP64())
		exponent, a := Load(Param("exponent"), GP64()), Load(Param("a"), GP64())
		lanes, leaves := Load(Param("lanes"), GP64()), Load(Param("leaves"), GP64())
		groups, e := Load(Param("groups"), GP64()), GP64()
		var one reg.VecVirtual
		var t [8]cx
		if w.wide() {
			for r := range t {
				t[r] = w.broadcast(Mem{Base: leaves, Disp: 16 * r})
			}
		}
		one = w.loaded("one")
		loop(groups, func() {
			MOVL(Mem{Base: exponent}, e.As32())
			IMULQ(a, e)
			ANDQ(mask, e)
			SHLQ(Imm(4), e)
			for half := range w.halves() {
				f := w.mul(w.load(at(Mem{Base: lanes, Disp: half * w.bytes()})), w.broadcast(Mem{Base: roots, Index: e, Scale: 1}))
				for r := range 8 {
					leaf := t[r]
					if !w.wide() {
						leaf = w.broadcast(Mem{Base: leaves, Disp: 16 * r})
					}
					k := f
					if r > 0 {
						k = w.mul(f, leaf)
					}
					if minus {
						v := w.vec()
						VSUBPD(one, k.re, v)
						k.re = v
					}
					m := at(Mem{Base: acc, Disp: 128*r + half*w.bytes()})
					c := w.load(m)
					w.mulAdd(c, w.load(at(Mem{Base: x, Disp: 128*r + half*w.bytes()})), k)
					c.store(m)
				}
			}
			ADDQ(U32(8*128), acc)
			ADDQ(U32(8*128), x)
			ADDQ(Imm(32), exponent)
		})
		w.end()
	}
}
