package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// begin starts a function of the given arguments, whose documentation is its loop in Go.
func (w width) begin(name, args string, doc ...string) {
	TEXT(name+w.name, attr.NOSPLIT, "func("+args+")")
	Pragma("noescape")
	Doc(append([]string{name + w.name + " is, in registers of " + map[int]string{8: "8", 4: "4"}[w.lanes] + " float64:", ""}, doc...)...)
}

// beginFrame is begin for functions with more local memory than functions that do not check the stack may have.
func (w width) beginFrame(name, args string, doc ...string) {
	w.begin(name, args, doc...)
	if !w.wide() {
		Attributes(0)
	}
}

// local reserves aligned memory of n bytes on the stack.
func local(n int) Mem {
	m := AllocLocal(n + 32)
	p := GP64()
	LEAQ(m.Offset(31), p)
	ANDQ(I8(-32), p)
	return Mem{Base: p}
}

func (w width) end() {
	VZEROUPPER()
	RET()
}

// loop runs body n times, n > 0 in a register.
var loops int

func loop(n reg.Register, body func()) {
	loops++
	l := "loop" + string(rune('a'+loops/26%26)) + string(rune('a'+loops%26))
	Label(l)
	body()
	DECQ(n)
	JNZ(LabelRef(l))
}

// quarters returns the addresses of four streams from base on, one stride apart, in units of scale; three holds 3 strides.
func quarters(base, stride, three reg.Register, scale uint8, offset int) [4]Mem {
	return [4]Mem{
		{Base: base, Disp: offset},
		{Base: base, Index: stride, Scale: scale, Disp: offset},
		{Base: base, Index: stride, Scale: 2 * scale, Disp: offset},
		{Base: base, Index: three, Scale: scale, Disp: offset},
	}
}

// roots4 loads w, w^2, w^3 from a struct of that type.
func (w width) roots4(m Mem) [4]cx {
	return [4]cx{{}, w.broadcast(m), w.broadcast(m.Offset(16)), w.broadcast(m.Offset(32))}
}

// toFloat loads int64 and converts them.
func (w width) toFloat() func(m Mem) reg.VecVirtual {
	return func(m Mem) reg.VecVirtual {
		v := w.vec()
		if w.wide() {
			VCVTQQ2PD(m, v)
			return v
		}
		// The lower and the upper 32 bits become mantissas, of 2^52 + low and of 2^84 + 2^63 + 2^32 high: the difference is exact and the
		// sum rounds.
		low := w.vec()
		VMOVDQU(m, v)
		VPBLENDD(Imm(0xaa), data["magic"], v, low)
		VPSRLQ(Imm(32), v, v)
		VPXOR(data["magicHigh"], v, v)
		VSUBPD(data["magicBoth"], v, v)
		VADDPD(low, v, v)
		return v
	}
}

func param(name string) Mem {
	b, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// toDigit loads torus words and extracts a gadget digit: the field of the absolute value, which is its digit + B/2, becomes the mantissa of 2^52 + field;
// the sign comes last.
func (w width) toDigit() func(m Mem) reg.VecVirtual {
	offset, mask, bias := w.vec(), w.vec(), w.vec()
	shift := XMM()
	VPBROADCASTQ(param("offset"), offset)
	VPBROADCASTQ(param("mask"), mask)
	VPBROADCASTQ(param("half"), bias)
	VMOVQ(param("shift"), shift)
	if w.wide() {
		sign, magic := w.loaded("signBit"), w.loaded("magic")
		VPORQ(magic, bias, bias)
		return func(m Mem) reg.VecVirtual {
			v := w.vec()
			VPABSQ(m, v)
			VPADDQ(offset, v, v)
			VPSRLQ(shift, v, v)
			VPTERNLOGQ(Imm(0xea), magic, mask, v) // v & mask | magic
			VSUBPD(bias, v, v)
			VPTERNLOGQ(Imm(0x78), m, sign, v) // v ^ sign & word
			return v
		}
	}
	VPOR(data["magic"], bias, bias)
	frame := local(3 * w.bytes())
	VMOVDQU(offset, frame)
	VMOVDQU(mask, frame.Offset(w.bytes()))
	VMOVUPD(bias, frame.Offset(2*w.bytes()))
	return func(m Mem) reg.VecVirtual {
		v, negative := w.vec(), w.vec()
		VPXOR(negative, negative, negative)
		VPCMPGTQ(m, negative, negative)
		VPXOR(m, negative, v)
		VPSUBQ(negative, v, v) // -x is ^x + 1
		VPADDQ(frame, v, v)
		VPSRLQ(shift, v, v)
		VPAND(frame.Offset(w.bytes()), v, v)
		VPOR(data["magic"], v, v)
		VSUBPD(frame.Offset(2*w.bytes()), v, v)
		VANDPD(data["signBit"], negative, negative)
		VXORPD(negative, v, v)
		return v
	}
}

// folds emits the first passes: conversion, fold and the split of the root of the tree.
func (w width) folds() {
	w.begin("foldInt64", "dst *float64, src *int64, w *float64, n int",
		"fold(dst[:n], src[:n], w)")
	w.fold(w.toFloat(), nil)
	w.begin("foldDigit", "dst *float64, src *uint64, w *float64, n int, offset, shift, mask, half uint64",
		"foldDigit(dst[:n], src[:n], w, offset, shift, mask, half)")
	w.fold(w.toDigit(), nil)
	for _, later := range []bool{false, true} {
		name := map[bool]string{false: "foldRound", true: "foldRoundNext"}[later]
		w.begin(name, "dst, src, w *float64, n int, magic, before float64"+aheadArgs,
			"foldRoundGo(dst[:n], src[:n], w, magic, before, "+map[bool]string{false: "false", true: "true"}[later]+")", aheadDoc)
		w.fold(w.toRound(later), asks())
	}
}

// toRound loads accumulator values and rounds them to a level, or to the difference of two levels.
func (w width) toRound(later bool) func(m Mem) reg.VecVirtual {
	magic, before := w.vec(), w.vec()
	VBROADCASTSD(param("magic"), magic)
	VBROADCASTSD(param("before"), before)
	var one reg.VecVirtual
	if w.wide() {
		one = w.loaded("one")
	}
	round := func(m Mem, magic reg.VecVirtual) reg.VecVirtual {
		v := w.vec()
		VADDPD(m, magic, v)
		if w.wide() {
			VFMSUB213PD(magic, one, v) // the units that multiply have less to do
		} else {
			VSUBPD(magic, v, v)
		}
		return v
	}
	return func(m Mem) reg.VecVirtual {
		v := round(m, magic)
		if later {
			VSUBPD(round(m, before), v, v)
		}
		return v
	}
}

func (w width) fold(convert func(m Mem) reg.VecVirtual, ask func()) {
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	roots := w.roots4(Mem{Base: Load(Param("w"), GP64())})
	stride := Load(Param("n"), GP64()) // bytes of an eighth of src, half those of a quarter of dst
	three, upper, count := GP64(), GP64(), GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, three)
	LEAQ(Mem{Base: src, Index: stride, Scale: 4}, upper)
	MOVQ(stride, count)
	SHRQ(Imm(6), count)
	loop(count, func() {
		if ask != nil {
			ask()
		}
		for half := range w.halves() {
			re, im := quarters(src, stride, three, 1, half*w.bytes()), quarters(upper, stride, three, 1, half*w.bytes())
			out := quarters(dst, stride, three, 2, half*w.bytes())
			p := w.radix4(func(j int) cx {
				c := cx{convert(re[j]), convert(im[j])}
				if j > 0 {
					c = w.mul(c, roots[j])
				}
				return c
			})
			for j, c := range p {
				c.store(at(out[j]))
			}
		}
		ADDQ(Imm(64), src)
		ADDQ(Imm(64), upper)
		ADDQ(U32(128), dst)
	})
	w.end()
}

// descend4 emits a pass that splits nodes of at least 32 points.
func (w width) descend4() {
	w.begin("descend4", "x *float64, w *float64, nodes, size int"+aheadArgs,
		"for i := range nodes {",
		"	descend4(vectors(x[i*size:(i+1)*size]), &w[i])",
		"}", aheadDoc)
	w.pass(func(q [4]Mem, roots [4]cx) {
		p := w.radix4(func(j int) cx {
			c := w.load(at(q[j]))
			if j > 0 {
				c = w.mul(c, roots[j])
			}
			return c
		})
		for j, c := range p {
			c.store(at(q[j]))
		}
	})
}

// pass emits a function whose body joins or splits corresponding registers of the four quarters of nodes, in place.
func (w width) pass(body func(q [4]Mem, roots [4]cx)) {
	x, r := Load(Param("x"), GP64()), Load(Param("w"), GP64())
	nodes, stride := Load(Param("nodes"), GP64()), Load(Param("size"), GP64())
	three, six := GP64(), GP64()
	SHLQ(Imm(1), stride) // bytes of a quarter
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, three)
	ask := asks()
	LEAQ(Mem{Base: three, Index: stride, Scale: 1}, six)
	SUBQ(stride, six) // three quarters
	loop(nodes, func() {
		roots := w.roots4(Mem{Base: r})
		count := GP64()
		MOVQ(stride, count)
		SHRQ(Imm(7), count)
		loop(count, func() {
			ask()
			for half := range w.halves() {
				body(quarters(x, stride, three, 1, half*w.bytes()), roots)
			}
			ADDQ(U32(128), x)
		})
		ADDQ(six, x)
		ADDQ(Imm(48), r)
	})
	w.end()
}

// leavesDoc is the loop of leaves64 and leaves32, in terms of the functions of kernels_test.go.
func leavesDoc(split ...string) []string {
	return append(append([]string{"for g := range groups {", "	v := (*[8]vector)(x[128*g:])"}, split...),
		"	transpose(v)", "	splitVectors(v[:], lane[112*g:], 8) // eight nodes of 8", "}", "",
		aheadDoc[3:]+"; splitVectors replaces coefficients by remainders in every lane and transpose exchanges lanes and vectors (see the tests).")
}

// leaves emits the last passes of the forward transform, for groups of 64 points that are one node, or two.
func (w width) leaves() {
	w.beginFrame("leaves64", "x, group, lane *float64, groups int"+aheadArgs, leavesDoc("	splitVectors(v[:], group[14*g:], 1) // the node of 64")...)
	w.leavesLoop(112, func(in func(v int) cx, group Mem, out func(k int, c [4]cx), spill *Mem) {
		w.radix8(in, func(j int) cx { return w.broadcast(group.Offset(16 * (j - 1))) }, spill, out)
	})
	w.beginFrame("leaves32", "x, group, lane *float64, groups int"+aheadArgs, leavesDoc("	splitVectors(v[:4], group[12*g:], 1) // the nodes of 32",
		"	splitVectors(v[4:], group[12*g+6:], 1)")...)
	w.leavesLoop(96, func(in func(v int) cx, group Mem, out func(k int, c [4]cx), spill *Mem) {
		for k := range 2 {
			out(k, w.radix4(func(j int) cx {
				c := in(4*k + j)
				if j > 0 {
					c = w.mul(c, w.broadcast(group.Offset(48*k+16*(j-1))))
				}
				return c
			}))
		}
	})
}

func (w width) leavesLoop(groupBytes uint64, split func(in func(v int) cx, group Mem, out func(k int, c [4]cx), spill *Mem)) {
	x, group, lane := Load(Param("x"), GP64()), Load(Param("group"), GP64()), Load(Param("lane"), GP64())
	groups := Load(Param("groups"), GP64())
	ask := asks()
	vector := func(v, half int) cmem { return at(Mem{Base: x, Disp: 128*v + half*w.bytes()}) }
	twiddle := func(half int) func(j int) cx {
		return func(j int) cx { return w.load(at(Mem{Base: lane, Disp: 128*(j-1) + half*w.bytes()})) }
	}
	if w.wide() {
		ones = w.loaded("one")
		loop(groups, func() {
			ask()
			var nodes [8]cx
			split(func(v int) cx { return w.load(vector(v, 0)) }, Mem{Base: group}, func(k int, c [4]cx) { copy(nodes[4*k:], c[:]) }, nil)
			rows := transposeCx8(nodes)
			w.radix8(func(j int) cx { return rows[j] }, twiddle(0), nil, func(k int, c [4]cx) {
				for i := range c {
					c[i].store(vector(4*k+i, 0))
				}
			})
			ADDQ(U32(8*128), x)
			ADDQ(U32(groupBytes), group)
			ADDQ(U32(7*128), lane)
		})
		w.end()
		return
	}
	spill := local(4*2*w.bytes() + 8*128)
	scratch := spill.Offset(4 * 2 * w.bytes())
	row := func(r, half int) cmem { return at(scratch.Offset(128*r + half*w.bytes())) }
	loop(groups, func() {
		ask()
		for half := range 2 {
			split(func(v int) cx { return w.load(vector(v, half)) }, Mem{Base: group}, func(k int, c [4]cx) {
				for r, t := range transposeCx4(c) {
					t.store(row(4*half+r, k))
				}
			}, &spill)
		}
		for half := range 2 {
			w.radix8(func(j int) cx { return w.load(row(j, half)) }, twiddle(half), &spill, func(k int, c [4]cx) {
				for i := range c {
					c[i].store(vector(4*k+i, half))
				}
			})
		}
		ADDQ(U32(8*128), x)
		ADDQ(U32(groupBytes), group)
		ADDQ(U32(7*128), lane)
	})
	w.end()
}
