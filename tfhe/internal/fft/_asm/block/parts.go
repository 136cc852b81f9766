package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// partsKernel is what the pieces of the kernel for extended accumulators share.
//
// Parts are the outer loop and terms the inner one, so that the sums of a part stay in registers. The digits of a vector are copied to
// scratch memory before the product replaces them: those of the next vector between the products of this one, to the other half of the
// scratch memory, since reading them takes the second-level cache.
type partsKernel struct {
	width
	terms, levels     int          // 0 is any number
	base, end, stride reg.Register // half of the scratch memory with the digits of the vector, its end, bytes of a polynomial
	fac               reg.Register // factors: per term, not wrapped and wrapped
	partBytes         reg.Register
	states            Mem // records of the terms
	flip              Mem // what leads to the other half of the scratch memory
	ask               Mem // what to ask for next
}

// Records of the terms.
const (
	statePart   = 0  // address of the part that moves to the current one, or the end of the scratch memory, which is part 0 without a wrap
	stateFactor = 8  // address of the factor
	stateFirst  = 16 // address of the factor that is not wrapped
	stateSize   = 24
)

func (w width) blockParts() {
	for levels := range 3 {
		terms := maxTerms
		if levels == 0 {
			terms = 0
		}
		w.blockPartsOf(terms, levels)
	}
}

func (w width) blockPartsOf(terms, levels int) {
	name, of := "blockParts", ""
	if terms > 0 {
		name += "Full" + string(rune('0'+levels))
		of = " BlockTerms terms and levels = " + string(rune('0'+levels)) + ","
	}
	// Not NOSPLIT: the frame is larger than what such functions may use.
	TEXT(name+w.name, 0, "func(d, key *float64, roots *complex128, mask int, exponent *uint32, turns *int, stride, terms, levels, parts, count int, scratch, ahead *float64, lines, step int)")
	Pragma("noescape")
	Doc(name+w.name+" is blockProductPartsGo for"+of+" count > 0 vectors, in registers of "+map[int]string{8: "8", 4: "4"}[w.lanes]+" float64: d, key and exponent are those of the first",
		"vector, turns is turns[0].power of the rotation, mask is 2N-1, and stride is 8N. With count > 1 it uses twice the scratch memory.",
		"Of memory, "+aheadDoc+".")
	k := partsKernel{width: w, terms: terms, levels: levels}
	const head = 16 + stateSize*maxTerms
	local := AllocLocal(head + 64 + 256*maxTerms)
	k.flip, k.ask, k.states = local, local.Offset(8), local.Offset(16)
	k.fac, k.partBytes, k.end = GP64(), GP64(), GP64()
	LEAQ(local.Offset(head+63), k.fac)
	ANDQ(I8(-64), k.fac)
	k.stride, k.base = Load(Param("stride"), GP64()), Load(Param("scratch"), GP64())
	MOVQ(param("levels"), k.partBytes)
	SHLQ(Imm(8), k.partBytes)
	MOVQ(param("parts"), k.end)
	IMULQ(k.partBytes, k.end)
	MOVQ(k.end, k.flip)
	ADDQ(k.base, k.end)
	{
		from, to := GP64(), GP64()
		MOVQ(param("d"), from)
		MOVQ(k.base, to)
		loop(func() {
			k.copyVector(from, to)
			CMPQ(to, k.end)
		})
	}
	loop(func() {
		MOVQ(startAhead(), k.ask)
		k.factors()
		for half := range w.halves() {
			k.products(half)
		}
		x := GP64()
		MOVQ(param("levels"), x)
		IMULQ(param("terms"), x)
		SHLQ(Imm(9), x)
		ADDQ(x, param("key"))
		MOVQ(k.flip, x)
		ADDQ(x, k.base)
		ADDQ(x, k.end)
		NEGQ(k.flip)
		ADDQ(U32(128), param("d"))
		ADDQ(Imm(4), param("exponent"))
		DECQ(param("count"))
	})
	w.end()
}

// digitsAhead is how many vectors ahead of their use digits are asked for: where several cores share a lookup, another one's cache has them.
const digitsAhead = 4

// copyVector copies 8 points of a polynomial and advances both addresses to the next polynomial.
func (k *partsKernel) copyVector(from, to reg.Register) {
	for i := range 2 {
		PREFETCHT0(Mem{Base: from, Disp: digitsAhead*128 + 64*i})
	}
	for i := range 16 / k.lanes {
		x := k.vec()
		VMOVUPD(Mem{Base: from, Disp: k.bytes() * i}, x)
		VMOVUPD(x, Mem{Base: to, Disp: k.bytes() * i})
	}
	ADDQ(k.stride, from)
	ADDQ(U32(128), to)
}

// factors computes the factors of all terms.
func (k *partsKernel) factors() {
	e, x, t, f := GP64(), GP64(), GP64(), GP64()
	roots := GP64()
	MOVQ(param("exponent"), e)
	MOVL(Mem{Base: e}, e.As32())
	MOVQ(param("roots"), roots)
	MOVQ(param("turns"), t)
	MOVQ(k.fac, f)
	repeat(k.terms, "terms", func(i int) {
		for wrap := range 2 {
			rootOf(x, e, roots, Mem{Base: t, Disp: turnSize*i + turnPower + 8*wrap})
			for half := range k.halves() {
				off := 128*wrap + half*k.bytes()
				k.factor(Mem{Base: x}, Mem{Base: t, Disp: turnSize*i + turnLanes + off}, nil).store(Mem{Base: f, Disp: 256*i + off})
			}
		}
	}, func() {
		ADDQ(U32(256), f)
		ADDQ(U32(turnSize), t)
	})
}

// products emits the products of the vector, or of one half of it.
func (k *partsKernel) products(half int) {
	off := half * k.bytes()
	k.start()
	dst, q := GP64(), GP64()
	MOVQ(param("d"), dst)
	MOVQ(k.base, q)
	loop(func() {
		out := [2]cx{k.zero(), k.zero()}
		key, row, state := GP64(), GP64(), GP64()
		MOVQ(param("key"), key)
		LEAQ(k.states, state)
		repeat(k.terms, "terms", func(i int) {
			k.term(i, out, key, row, state, q, off)
		}, func() {
			ADDQ(Imm(stateSize), state)
		})
		out[0].store(Mem{Base: dst, Disp: off})
		out[1].store(Mem{Base: dst, Index: k.stride, Scale: 1, Disp: off})
		n := GP64()
		MOVQ(param("levels"), n)
		ADDQ(n, n)
		if half == 0 {
			to := GP64()
			CMPQ(param("count"), Imm(1))
			JE(LabelRef("last"))
			MOVQ(k.flip, to)
			ADDQ(q, to)
			ADDQ(U32(128), dst)
			loop(func() {
				k.copyVector(dst, to)
				DECQ(n)
			})
			SUBQ(U32(128), dst)
			JMP(LabelRef("copied"))
			Label("last")
		}
		IMULQ(k.stride, n)
		ADDQ(n, dst)
		if half == 0 {
			Label("copied")
		}
		MOVQ(row, q)
		CMPQ(q, k.end)
	})
}

// start sets the records of the terms for part 0, where part -shift wraps around to part m - shift.
func (k *partsKernel) start() {
	state, t, f, s, x := GP64(), GP64(), GP64(), GP64(), GP64()
	MOVQ(param("turns"), t)
	MOVQ(k.fac, f)
	LEAQ(k.states, state)
	repeat(k.terms, "terms", func(i int) {
		MOVQ(Mem{Base: t, Disp: turnSize*i + turnShift}, x)
		IMULQ(k.partBytes, x)
		MOVQ(k.end, s)
		SUBQ(x, s)
		MOVQ(s, Mem{Base: state, Disp: stateSize*i + statePart})
		LEAQ(Mem{Base: f, Disp: 256 * i}, x)
		MOVQ(x, Mem{Base: state, Disp: stateSize*i + stateFirst})
		ADDQ(U32(128), x)
		MOVQ(x, Mem{Base: state, Disp: stateSize*i + stateFactor})
	}, func() {
		ADDQ(U32(256), f)
		ADDQ(Imm(stateSize), state)
		ADDQ(U32(turnSize), t)
	})
}

// term adds the products of all rows of one term to out, and advances key over them. q is the part in the scratch memory, and row becomes the next
// one.
func (k *partsKernel) term(i int, out [2]cx, key, row, state, q reg.Register, off int) {
	if off == 0 {
		a := GP64()
		MOVQ(k.ask, a)
		askAhead(a)
		MOVQ(a, k.ask)
	}
	s, f := GP64(), GP64()
	at := Mem{Base: state, Disp: stateSize * i}
	MOVQ(at.Offset(statePart), s)
	MOVQ(at.Offset(stateFactor), f)
	CMPQ(s, k.end)
	CMOVQEQ(k.base, s)
	CMOVQEQ(at.Offset(stateFirst), f)
	MOVQ(f, at.Offset(stateFactor))
	factor := k.load(Mem{Base: f, Disp: off})
	MOVQ(q, row)
	advance := func() {
		ADDQ(U32(256), s)
		ADDQ(U32(256), row)
		ADDQ(U32(512), key)
	}
	repeat(k.levels, "levels", func(level int) {
		for r := range 2 {
			x, e := k.load(Mem{Base: s, Disp: 128*r + off}), k.load(Mem{Base: row, Disp: 128*r + off})
			VFMSUB231PD(factor.re, x.re, e.re)
			VFMSUB231PD(factor.re, x.im, e.im)
			VFNMADD231PD(factor.im, x.im, e.re)
			VFMADD231PD(factor.im, x.re, e.im)
			for o := range 2 {
				k.mulAdd(out[o], e, k.load(Mem{Base: key, Disp: (2*r+o)*128 + off}))
			}
		}
		if k.levels > 0 {
			advance()
		}
	}, advance)
	MOVQ(s, at.Offset(statePart))
}
