package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// joins emits the first passes of the inverse transform.
func (w width) joins() {
	w.beginFrame("join64", "x, group, lane *float64, groups int"+aheadArgs, "the inverse of leaves64 without its factor 1/64.", aheadDoc)
	w.joinLoop(112, func(in func(k int) [4]cx, group Mem, out func(v int, c cx), spill *Mem) {
		w.radix8Inverse(in, func(j int) cx { return w.broadcast(group.Offset(16 * (j - 1))) }, spill, out)
	})
	w.beginFrame("join32", "x, group, lane *float64, groups int"+aheadArgs, "the inverse of leaves32 without its factor 1/32.", aheadDoc)
	w.joinLoop(96, func(in func(k int) [4]cx, group Mem, out func(v int, c cx), spill *Mem) {
		for k := range 2 {
			w.radix4Inverse(in(k), func(j int, c cx) {
				if j > 0 {
					c = w.mulConj(c, w.broadcast(group.Offset(48*k+16*(j-1))))
				}
				out(4*k+j, c)
			})
		}
	})
}

func (w width) joinLoop(groupBytes uint64, join func(in func(k int) [4]cx, group Mem, out func(v int, c cx), spill *Mem)) {
	x, group, lane := Load(Param("x"), GP64()), Load(Param("group"), GP64()), Load(Param("lane"), GP64())
	groups := Load(Param("groups"), GP64())
	ask := asks()
	vector := func(v, half int) cmem { return at(Mem{Base: x, Disp: 128*v + half*w.bytes()}) }
	leaves := func(half int) func(k int) [4]cx {
		return func(k int) (c [4]cx) {
			for i := range c {
				c[i] = w.load(vector(4*k+i, half))
			}
			return c
		}
	}
	twiddle := func(half int) func(j int) cx {
		return func(j int) cx { return w.load(at(Mem{Base: lane, Disp: 128*(j-1) + half*w.bytes()})) }
	}
	step := func() {
		ADDQ(U32(8*128), x)
		ADDQ(U32(groupBytes), group)
		ADDQ(U32(7*128), lane)
	}
	if w.wide() {
		ones = w.loaded("one")
		loop(groups, func() {
			ask()
			var rows [8]cx
			w.radix8Inverse(leaves(0), twiddle(0), nil, func(j int, c cx) { rows[j] = c })
			nodes := transposeCx8(rows)
			join(func(k int) [4]cx { return [4]cx(nodes[4*k:]) }, Mem{Base: group}, func(v int, c cx) { c.store(vector(v, 0)) }, nil)
			step()
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
			w.radix8Inverse(leaves(half), twiddle(half), &spill, func(j int, c cx) { c.store(row(j, half)) })
		}
		for half := range 2 {
			join(func(k int) (c [4]cx) {
				for i := range c {
					c[i] = w.load(row(4*half+i, k))
				}
				return transposeCx4(c)
			}, Mem{Base: group}, func(v int, c cx) { c.store(vector(v, half)) }, &spill)
		}
		step()
	})
	w.end()
}

// ascend4 emits a pass that joins the children of nodes of at least 32 points.
func (w width) ascend4() {
	w.begin("ascend4", "x *float64, w *float64, nodes, size int"+aheadArgs,
		"for i := range nodes {",
		"	ascend4(vectors(x[i*size:(i+1)*size]), &w[i])",
		"}", aheadDoc)
	w.pass(func(q [4]Mem, roots [4]cx) {
		var p [4]cx
		for j := range p {
			p[j] = w.load(at(q[j]))
		}
		w.radix4Inverse(p, func(j int, c cx) {
			if j > 0 {
				c = w.mulConj(c, roots[j])
			}
			c.store(at(q[j]))
		})
	})
}

// unfolds emits the last pass: join of the root, scaling, rounding, and the imaginary parts to the upper half of dst.
func (w width) unfolds() {
	for _, add := range []bool{true, false} {
		name := map[bool]string{true: "unfoldAdd", false: "unfoldSet"}[add]
		w.begin(name, "dst *uint64, src *float64, w *float64, n int, scale float64",
			"unfold(dst[:n], src[:n], w, scale, "+map[bool]string{true: "true", false: "false"}[add]+") // but src stays")
		dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
		roots := w.roots4(Mem{Base: Load(Param("w"), GP64())})
		stride := Load(Param("n"), GP64()) // bytes of an eighth of dst, half those of a quarter of src
		var scale Op
		if s := param("scale"); w.wide() {
			v := w.vec()
			VBROADCASTSD(s, v)
			scale = v
		} else {
			v := w.vec()
			frame := local(w.bytes())
			VBROADCASTSD(s, v)
			VMOVUPD(v, frame)
			scale = frame
		}
		round := w.torus(add)
		three, upper, count := GP64(), GP64(), GP64()
		LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, three)
		LEAQ(Mem{Base: dst, Index: stride, Scale: 4}, upper)
		MOVQ(stride, count)
		SHRQ(Imm(6), count)
		loop(count, func() {
			for half := range w.halves() {
				re, im := quarters(dst, stride, three, 1, half*w.bytes()), quarters(upper, stride, three, 1, half*w.bytes())
				in := quarters(src, stride, three, 2, half*w.bytes())
				var p [4]cx
				for j := range p {
					p[j] = w.load(at(in[j]))
				}
				w.radix4Inverse(p, func(j int, c cx) {
					if j > 0 {
						c = w.mulConj(c, roots[j])
					} else {
						VMULPD(scale, c.re, c.re)
						VMULPD(scale, c.im, c.im)
					}
					round(c.re, re[j])
					round(c.im, im[j])
				})
			}
			ADDQ(Imm(64), dst)
			ADDQ(Imm(64), upper)
			ADDQ(U32(128), src)
		})
		w.end()
	}
}

// unfoldTurn emits the last pass into an accumulator: join of the root, sum, and the difference to the nearest whole number.
func (w width) unfoldTurn() {
	w.begin("unfoldTurn", "dst, src, w *float64, n int"+aheadArgs, "unfoldTurnGo(dst[:n], src[:n], w) // but src stays", aheadDoc)
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	roots := w.roots4(Mem{Base: Load(Param("w"), GP64())})
	stride := Load(Param("n"), GP64()) // bytes of an eighth of dst, half those of a quarter of src
	ask := asks()
	three, upper, count := GP64(), GP64(), GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, three)
	LEAQ(Mem{Base: dst, Index: stride, Scale: 4}, upper)
	MOVQ(stride, count)
	SHRQ(Imm(6), count)
	add := func(x reg.VecVirtual, m Mem) {
		VADDPD(m, x, x)
		if w.wide() {
			VREDUCEPD(Imm(0), x, x) // x - round(x)
		} else {
			whole := w.vec()
			VROUNDPD(Imm(8), x, whole) // to the nearest, ties to even
			VSUBPD(whole, x, x)
		}
		VMOVUPD(x, m)
	}
	loop(count, func() {
		ask()
		for half := range w.halves() {
			re, im := quarters(dst, stride, three, 1, half*w.bytes()), quarters(upper, stride, three, 1, half*w.bytes())
			in := quarters(src, stride, three, 2, half*w.bytes())
			var p [4]cx
			for j := range p {
				p[j] = w.load(at(in[j]))
			}
			w.radix4Inverse(p, func(j int, c cx) {
				if j > 0 {
					c = w.mulConj(c, roots[j])
				}
				add(c.re, re[j])
				add(c.im, im[j])
			})
		}
		ADDQ(Imm(64), dst)
		ADDQ(Imm(64), upper)
		ADDQ(U32(128), src)
	})
	w.end()
}

// torus stores the words nearest to 2^64 x modulo 2^64, or adds them to what is there.
func (w width) torus(add bool) func(x reg.VecVirtual, m Mem) {
	if w.wide() {
		toWord := w.loaded("toWord")
		return func(x reg.VecVirtual, m Mem) {
			VREDUCEPD(Imm(0), x, x) // x - round(x), exact. A half of either sign becomes the word 2^63.
			VMULPD(toWord, x, x)
			VCVTPD2QQ(x, x)
			if add {
				VPADDQ(m, x, x)
			}
			VMOVDQU64(x, m)
		}
	}
	return func(x reg.VecVirtual, m Mem) {
		high, t := w.vec(), w.vec()
		VADDPD(data["toHigh"], x, high)
		VSUBPD(data["toHigh"], high, t)
		VSUBPD(t, x, x)
		VADDPD(data["toLow"], x, x)
		VPSLLQ(Imm(52), high, high)
		VPSUBQ(data["lowOne"], x, x)
		VPADDQ(high, x, x)
		if add {
			VPADDQ(m, x, x)
		}
		VMOVDQU(x, m)
	}
}
