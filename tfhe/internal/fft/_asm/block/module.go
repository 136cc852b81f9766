package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// modules emits the products of blocks of maxTerms terms for 3 and 4 polynomials.
func (w width) modules() {
	for _, polys := range []int{3, 4} {
		w.module(polys, whole)
		if w.wide() {
			w.module(polys, compact)
		}
	}
}

// module keeps the factors, the sums of one output's key and the outputs in registers; registers of 4 lanes are too few, and factors and outputs wait on the stack.
func (w width) module(polys int, form keyForm) {
	digit := string(rune('0' + polys))
	name := "moduleProduct" + digit + form.name()
	args := "d *float64, key " + form.args() + ", roots *complex128, mask int, exponent *uint32, turns *int, stride, count int, ahead *float64, lines, step int"
	w.begin(name, args,
		form.doc("// stride is the bytes of a polynomial of d, mask is 2N-1, and turns is turns[0].power of the rotation; "+aheadDoc),
		"for i := range count {",
		"	for o := range "+digit+" {",
		"		var k ["+digit+"]vector // complex numbers",
		"		for j := range BlockTerms {",
		"			w := roots[exponent[i]*turns[j].power[0]&mask]",
		"			for r := range k {",
		"				k[r] += (w*turns[j].lanes[0] - turns[j].unit) * key[((i*"+digit+"+o)*BlockTerms+j)*"+digit+"+r]",
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
		one = w.unit(turns)
	}
	load := w.keyLoader(form)
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
					o = w.unit(turns)
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
						k := load(key, (o*maxTerms+j)*polys+r, off)
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
		ADDQ(U32(uint32(polys*polys*maxTerms*form.bytes())), key)
		ADDQ(U32(128), d)
		ADDQ(Imm(4), exponent)
		DECQ(param("count"))
	})
	w.end()
}

// modulePairs emits the products of two ciphertexts with one key, for registers of 8 lanes: there are enough of them for both sums.
func (w width) modulePairs() {
	for _, polys := range []int{3, 4} {
		w.modulePair(polys, whole)
		w.modulePair(polys, compact)
	}
}

// modulePair loads each word of the key once for two ciphertexts, whose factors wait on the stack, as do the outputs where there are too many of them.
func (w width) modulePair(polys int, form keyForm) {
	digit := string(rune('0' + polys))
	args := "d0, d1 *float64, key " + form.args() + ", roots *complex128, mask int, exponent *uint32, turns0, turns1 *int, stride, count int, ahead *float64, lines, step int"
	w.begin("modulePair"+digit+form.name(), args,
		"// as moduleProduct"+digit+form.name()+" with d0 and turns0, and with d1 and turns1",
		"for c, d := range [2]*float64{d0, d1} {",
		"	moduleProduct"+digit+form.name()+"(d, key, roots, mask, exponent, [2]*int{turns0, turns1}[c], stride, count, ahead, lines, step)",
		"}")
	Attributes(0) // the frame is larger than what functions without a check of the stack may have
	d := [2]reg.Register{Load(Param("d0"), GP64()), Load(Param("d1"), GP64())}
	key := Load(Param("key"), GP64())
	roots := Load(Param("roots"), GP64()).(reg.GPVirtual)
	exponent := Load(Param("exponent"), GP64())
	turns := [2]reg.Register{Load(Param("turns0"), GP64()), Load(Param("turns1"), GP64())}
	stride := Load(Param("stride"), GP64())
	e, x, p := GP64(), GP64(), GP64()
	local := AllocLocal(2*(maxTerms+polys)*128 + 64)
	frame := GP64()
	LEAQ(local.Offset(63), frame)
	ANDQ(I8(-64), frame)
	factor := func(c, j int) Mem { return Mem{Base: frame, Disp: 128 * (2*j + c)} }
	output := func(c, o int) Mem { return Mem{Base: frame, Disp: 128 * (2*(maxTerms+o) + c)} }
	load := w.keyLoader(form)
	loop(func() {
		MOVL(Mem{Base: exponent}, e.As32())
		ahead := startAhead()
		one := w.unit(turns[0])
		for j := range maxTerms {
			for c := range d {
				turn := Mem{Base: turns[c], Disp: turnSize * j}
				rootOf(x, e, roots, turn.Offset(turnPower))
				w.factor(Mem{Base: x}, turn.Offset(turnLanes), one).store(factor(c, j))
			}
		}
		var out [2][]cx
		for o := range polys {
			var sums [2][4]cx
			for j := range maxTerms {
				askAhead(ahead)
				f := [2]cx{w.load(factor(0, j)), w.load(factor(1, j))}
				for r := range polys {
					k := load(key, (o*maxTerms+j)*polys+r, 0)
					for c := range f {
						if j == 0 {
							sums[c][r] = w.mul(f[c], k)
						} else {
							w.mulAdd(sums[c][r], f[c], k)
						}
					}
				}
			}
			for c := range d {
				MOVQ(d[c], p)
				var sum cx
				for r := range polys {
					digits := w.load(Mem{Base: p})
					if r == 0 {
						sum = w.mul(sums[c][r], digits)
					} else {
						w.mulAdd(sum, sums[c][r], digits)
					}
					if r < polys-1 {
						ADDQ(stride, p)
					}
				}
				if polys > 3 {
					sum.store(output(c, o))
				}
				out[c] = append(out[c], sum)
			}
		}
		for c := range d {
			MOVQ(d[c], p)
			for o := range polys {
				if polys > 3 {
					out[c][o] = w.load(output(c, o))
				}
				out[c][o].store(Mem{Base: p})
				if o < polys-1 {
					ADDQ(stride, p)
				}
			}
		}
		ADDQ(U32(uint32(polys*polys*maxTerms*form.bytes())), key)
		ADDQ(U32(128), d[0])
		ADDQ(U32(128), d[1])
		ADDQ(Imm(4), exponent)
		DECQ(param("count"))
	})
	w.end()
}
