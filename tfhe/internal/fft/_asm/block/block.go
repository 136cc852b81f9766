package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Layout of struct turn.
const (
	turnPower = 0 // of wrap 0 and 1
	turnShift = 16
	turnUnit  = 24 // what is subtracted from the powers of X
	turnLanes = 64 // of wrap 0 and 1, 128 bytes each
	turnSize  = 320
)

// rootOf sets x to the address of the root of X^power at the vector whose exponent is e.
func rootOf(x, e, roots reg.GPVirtual, power Mem) {
	MOVL(power, x.As32())
	IMULL(e.As32(), x.As32())
	ANDQ(param("mask"), x)
	SHLQ(Imm(4), x)
	ADDQ(roots, x)
}

// factor returns root * lanes, or root * lanes - one.
func (w width) factor(root, lanes Mem, one reg.VecVirtual) cx {
	l, f := w.load(lanes), w.cx()
	wr, wi := w.vec(), w.vec()
	VBROADCASTSD(root, wr)
	VBROADCASTSD(root.Offset(8), wi)
	VMULPD(l.im, wr, f.im)
	if one != nil {
		VMOVAPD(l.re, f.re)
		VFMSUB132PD(wr, one, f.re)
	} else {
		VMULPD(l.re, wr, f.re)
	}
	VFMADD231PD(l.re, wi, f.im)
	VFNMADD231PD(l.im, wi, f.re)
	return f
}

// unit loads what is subtracted from the powers of X.
func (w width) unit(turns reg.Register) reg.VecVirtual {
	one := w.vec()
	VBROADCASTSD(Mem{Base: turns, Disp: turnUnit}, one)
	return one
}

// blockProducts emits the products of a block with as many rows of the key as there are registers for their sums.
func (w width) blockProducts() {
	for _, terms := range []int{0, maxTerms} {
		w.blockProduct(2, terms)
		if w.wide() {
			w.blockProduct(4, terms)
		}
	}
	if w.wide() {
		for _, form := range []keyForm{whole, compact, kept} {
			w.blockBatch(form)
		}
	}
	w.blockProductRows(0, 0)
	if !w.wide() {
		w.blockProductRows(maxTerms, 2)
	}
}

// blockProductRows emits the product of a block of any number of rows, for which there are no registers for the sums of the key: the factors go
// to the digits. terms and levels 0 are any number.
func (w width) blockProductRows(terms, levels int) {
	name, of := "blockProductRows", ""
	if terms > 0 {
		name += "Full" + string(rune('0'+levels))
		of = "; terms is BlockTerms and levels is " + string(rune('0'+levels))
	}
	w.begin(name, "d, key *float64, roots *complex128, mask int, exponent *uint32, turns *int, stride, terms, levels, count int, ahead *float64, lines, step int",
		"// stride is 8N, mask is 2N-1, and turns is turns[0].power of the rotation; "+aheadDoc+of,
		"for i := range count {",
		"	var out [2]vector // complex numbers",
		"	for j := range terms {",
		"		w := roots[exponent[i]*turns[j].power[0]&mask]",
		"		for r := range 2*levels {",
		"			e := (w*turns[j].lanes[0] - turns[j].unit) * d[r*stride/128+i]",
		"			for o := range 2 {",
		"				out[o] += e * key[((i*terms+j)*2*levels+r)*2+o]",
		"			}",
		"		}",
		"	}",
		"	d[i], d[stride/128+i] = out[0], out[1]",
		"}")
	d, key := Load(Param("d"), GP64()), Load(Param("key"), GP64())
	roots := Load(Param("roots"), GP64()).(reg.GPVirtual)
	exponent, turns := Load(Param("exponent"), GP64()), Load(Param("turns"), GP64())
	stride := Load(Param("stride"), GP64())
	one := w.unit(turns)
	e, x, termKey, t, p := GP64(), GP64(), GP64(), GP64(), GP64()
	loop(func() {
		MOVL(Mem{Base: exponent}, e.As32())
		ahead := startAhead()
		for half := range w.halves() {
			off := half * w.bytes()
			out := [2]cx{w.zero(), w.zero()}
			MOVQ(key, termKey)
			MOVQ(turns, t)
			repeat(terms, "terms", func(i int) {
				if half == 0 {
					askAhead(ahead)
				}
				turn := Mem{Base: t, Disp: turnSize * i}
				rootOf(x, e, roots, turn.Offset(turnPower))
				f := w.factor(Mem{Base: x}, turn.Offset(turnLanes+off), one)
				MOVQ(d, p)
				body := func(int) {
					for r := range 2 {
						digits := w.mul(f, w.load(Mem{Base: p, Disp: off}))
						for o := range 2 {
							w.mulAdd(out[o], digits, w.load(Mem{Base: termKey, Disp: (2*r+o)*128 + off}))
						}
						ADDQ(stride, p)
					}
					ADDQ(U32(512), termKey)
				}
				repeat(levels, "levels", body, func() {})
			}, func() {
				ADDQ(U32(turnSize), t)
			})
			out[0].store(Mem{Base: d, Disp: off})
			out[1].store(Mem{Base: d, Index: stride, Scale: 1, Disp: off})
		}
		MOVQ(termKey, key)
		ADDQ(U32(128), d)
		ADDQ(Imm(4), exponent)
		DECQ(param("count"))
	})
	w.end()
}

// maxTerms is BlockTerms.
const maxTerms = 4

// terms 0 is any number.
func (w width) blockProduct(rows, terms int) {
	digit := string(rune('0' + rows))
	w.begin("blockProduct"+digit+map[int]string{0: "", maxTerms: "Full"}[terms], "d, key *float64, roots *complex128, mask int, exponent *uint32, turns *int, stride, terms, count int, ahead *float64, lines, step int",
		"// stride is 8N, mask is 2N-1, and turns is turns[0].power of the rotation; "+aheadDoc+map[int]string{0: "", maxTerms: "; terms is BlockTerms"}[terms],
		"for i := range count {",
		"	for o := range 2 {",
		"		var k ["+digit+"]vector // complex numbers",
		"		for j := range terms {",
		"			w := roots[exponent[i]*turns[j].power[0]&mask]",
		"			for r := range k {",
		"				k[r] += (w*turns[j].lanes[0] - turns[j].unit) * key[((i*terms+j)*"+digit+"+r)*2+o]",
		"			}",
		"		}",
		"		out[o] = sum over r of k[r] * d[r*stride/128+i]",
		"	}",
		"	d[i], d[stride/128+i] = out[0], out[1]",
		"}")
	d, key := Load(Param("d"), GP64()), Load(Param("key"), GP64())
	roots := Load(Param("roots"), GP64()).(reg.GPVirtual)
	exponent, turns := Load(Param("exponent"), GP64()), Load(Param("turns"), GP64())
	stride := Load(Param("stride"), GP64())
	one := w.unit(turns)
	e, x, termKey, t, p := GP64(), GP64(), GP64(), GP64(), GP64()
	loop(func() {
		MOVL(Mem{Base: exponent}, e.As32())
		ahead := startAhead()
		for half := range w.halves() {
			off := half * w.bytes()
			var k [4][2]cx
			for r := range rows {
				for o := range 2 {
					k[r][o] = w.zero()
				}
			}
			MOVQ(key, termKey)
			if terms == 0 {
				MOVQ(turns, t)
			}
			repeat(terms, "terms", func(i int) {
				turn := Mem{Base: t}
				if terms > 0 {
					turn = Mem{Base: turns, Disp: turnSize * i}
				}
				if half == 0 {
					askAhead(ahead)
				}
				rootOf(x, e, roots, turn.Offset(turnPower))
				f := w.factor(Mem{Base: x}, turn.Offset(turnLanes+off), one)
				for r := range rows {
					for o := range 2 {
						w.mulAdd(k[r][o], f, w.load(Mem{Base: termKey, Disp: 256*rows*i + (2*r+o)*128 + off}))
					}
				}
			}, func() {
				ADDQ(U32(uint32(256*rows)), termKey)
				ADDQ(U32(turnSize), t)
			})
			var out [2]cx
			MOVQ(d, p)
			for r := range rows {
				if half == 0 {
					PREFETCHT0(Mem{Base: p, Disp: digitsAhead * 128})
					PREFETCHT0(Mem{Base: p, Disp: digitsAhead*128 + 64})
				}
				x := w.load(Mem{Base: p, Disp: off})
				for o := range 2 {
					if r == 0 {
						out[o] = w.mul(k[r][o], x)
					} else {
						w.mulAdd(out[o], k[r][o], x)
					}
				}
				if r < rows-1 {
					ADDQ(stride, p)
				}
			}
			out[0].store(Mem{Base: d, Disp: off})
			out[1].store(Mem{Base: d, Index: stride, Scale: 1, Disp: off})
		}
		if terms > 0 {
			ADDQ(U32(uint32(256*rows*terms)), termKey)
		}
		MOVQ(termKey, key)
		ADDQ(U32(128), d)
		ADDQ(Imm(4), exponent)
		DECQ(param("count"))
	})
	w.end()
}

// aheadDoc says what the last arguments of all kernels are for.
const aheadDoc = "lines of 64 bytes from ahead on are asked for with every term (and part), ahead moves by step bytes a vector"

// startAhead returns the address to ask for first in this vector, and moves the argument on to that of the next.
func startAhead() reg.GPVirtual {
	a, step := GP64(), GP64()
	MOVQ(param("ahead"), a)
	MOVQ(param("step"), step)
	ADDQ(a, step)
	MOVQ(step, param("ahead"))
	return a
}

// askAhead asks for the next lines, and moves a past them.
func askAhead(a reg.Register) {
	n := GP64()
	loops++
	l := "ahead" + string(rune('a'+loops/26%26)) + string(rune('a'+loops%26))
	MOVQ(param("lines"), n)
	TESTQ(n, n)
	JZ(LabelRef(l + "none"))
	Label(l)
	PREFETCHT1(Mem{Base: a})
	ADDQ(Imm(64), a)
	DECQ(n)
	JNZ(LabelRef(l))
	Label(l + "none")
}
