package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// modules emits the products of blocks of maxTerms terms for 3 and 4 polynomials.
func (w width) modules() {
	for _, polys := range []int{3, 4} {
		w.module(polys)
	}
}

// module keeps the factors, the sums of one output's key and the outputs in registers; registers of 4 lanes are too few, and factors and outputs wait on the stack.
func (w width) module(polys int) {
	digit := string(rune('0' + polys))
	name := "moduleProduct" + digit
	args := "d, key *float64, roots *complex128, mask int, exponent *uint32, turns *int, stride, count int, ahead *float64, lines, step int"
	w.begin(name, args,
		"// stride is the bytes of a polynomial of d, mask is 2N-1, and turns is turns[0].power of the rotation; "+aheadDoc,
		"for i := range count {",
		"	for o := range "+digit+" {",
		"		var k ["+digit+"]vector // complex numbers",
		"		for j := range BlockTerms {",
		"			w := roots[exponent[i]*turns[j].power[0]&mask]",
		"			for r := range k {",
		"				k[r] += (w*turns[j].lanes[0] - 1) * key[((i*"+digit+"+o)*BlockTerms+j)*"+digit+"+r]",
		"			}",
		"		}",
		"		out[o] = sum over r of k[r] * d[r*stride/128+i]",
		"	}",
		"	for o := range "+digit+" {",
		"		d[o*stride/128+i] = out[o]",
		"	}",
		"}")
	if !w.wide() {
		Attributes(0) // the frame is larger than what functions without a check of the stack may have
	}
	d, key := Load(Param("d"), GP64()), Load(Param("key"), GP64())
	roots := Load(Param("roots"), GP64()).(reg.GPVirtual)
	exponent, turns := Load(Param("exponent"), GP64()), Load(Param("turns"), GP64())
	stride := Load(Param("stride"), GP64())
	e, x, p := GP64(), GP64(), GP64()
	var frame Mem
	if !w.wide() {
		local := AllocLocal((maxTerms+polys)*2*w.bytes() + 32)
		base := GP64()
		LEAQ(local.Offset(31), base)
		ANDQ(I8(-32), base)
		frame = Mem{Base: base}
	}
	slot := func(i int) [2]Mem {
		n := 2 * w.bytes() * i
		return [2]Mem{frame.Offset(n), frame.Offset(n + w.bytes())}
	}
	put := func(i int, c cx) cx {
		if !w.wide() {
			VMOVUPD(c.re, slot(i)[0])
			VMOVUPD(c.im, slot(i)[1])
		}
		return c
	}
	get := func(i int, c cx) cx {
		if !w.wide() {
			c = w.cx()
			VMOVUPD(slot(i)[0], c.re)
			VMOVUPD(slot(i)[1], c.im)
		}
		return c
	}
	var one reg.VecVirtual
	if w.wide() {
		one = w.vec()
		VMOVUPD(ones, one)
	}
	loop(func() {
		MOVL(Mem{Base: exponent}, e.As32())
		ahead := startAhead()
		for half := range w.halves() {
			off := half * w.bytes()
			factors, out := make([]cx, maxTerms), make([]cx, polys)
			for j := range factors {
				turn := Mem{Base: turns, Disp: turnSize * j}
				rootOf(x, e, roots, turn.Offset(turnPower))
				o := one
				if o == nil {
					o = w.vec()
					VMOVUPD(ones, o)
				}
				factors[j] = put(j, w.factor(Mem{Base: x}, turn.Offset(turnLanes+off), o))
			}
			for o := range polys {
				sums := make([]cx, polys)
				for j := range maxTerms {
					if half == 0 {
						askAhead(ahead)
					}
					f := get(j, factors[j])
					for r := range polys {
						k := w.load(Mem{Base: key, Disp: ((o*maxTerms+j)*polys+r)*128 + off})
						if j == 0 {
							sums[r] = w.mul(f, k)
						} else {
							w.mulAdd(sums[r], f, k)
						}
					}
				}
				MOVQ(d, p)
				for r := range polys {
					digits := w.load(Mem{Base: p, Disp: off})
					if r == 0 {
						out[o] = w.mul(sums[r], digits)
					} else {
						w.mulAdd(out[o], sums[r], digits)
					}
					if r < polys-1 {
						ADDQ(stride, p)
					}
				}
				put(maxTerms+o, out[o])
			}
			MOVQ(d, p)
			for o := range polys {
				get(maxTerms+o, out[o]).store(Mem{Base: p, Disp: off})
				if o < polys-1 {
					ADDQ(stride, p)
				}
			}
		}
		ADDQ(U32(uint32(polys*polys*maxTerms*128)), key)
		ADDQ(U32(128), d)
		ADDQ(Imm(4), exponent)
		DECQ(param("count"))
	})
	w.end()
}
