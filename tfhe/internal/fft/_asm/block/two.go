package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// blockTwo emits the product of an extended accumulator of two parts, one level and maxTerms terms, the last crossed of which, in the order given, move a part to
// the other one. With two parts the key is summed first, like that of one: with the sums S of the factors that leave parts where they are, minus all, and C
// of those that do not,
//
//	out_1 = S d_1 + C d_0,  out_0 = S d_0 + X C d_1
//
// take 64 fused operations for both sums and 64 for the products, where factors on the digits take 192 in all.
func (w width) blockTwo(crossed int) {
	digit := string(rune('0' + crossed))
	w.begin("blockTwo"+digit, "d, key *float64, roots *complex128, mask int, exponent *uint32, turns, order *int, monomial *float64, stride, count int, ahead *float64, lines, step int",
		"// stride is 8N, mask is 2N-1, turns is turns[0].power of the rotation and monomial the transform of X; "+aheadDoc,
		"for i := range count {",
		"	var s, c [2][2]vector // complex numbers",
		"	for n := range BlockTerms {",
		"		t, k := turns + order[2*n], key[(512*BlockTerms*i + order[2*n+1])/8:] // offsets of a term in bytes",
		"		w := roots[exponent[i]*t.power[0]&mask]",
		"		for r := range 2 {",
		"			for o := range 2 {",
		"				if n < BlockTerms-"+digit+" {",
		"					s[r][o] += (w*t.lanes[0] - 1) * k[2*r+o]",
		"				} else {",
		"					c[r][o] += w*t.lanes[0] * k[2*r+o]",
		"					s[r][o] -= k[2*r+o]",
		"				}",
		"			}",
		"		}",
		"	}",
		"	for o := range 2 {",
		"		out[0][o] = sum over r of s[r][o]*d[r*stride/128+i] + monomial[i]*c[r][o]*d[(2+r)*stride/128+i]",
		"		out[1][o] = sum over r of s[r][o]*d[(2+r)*stride/128+i] + c[r][o]*d[r*stride/128+i]",
		"	}",
		"	d[(2*q+o)*stride/128+i] = out[q][o] for all q, o",
		"}")
	d, key := Load(Param("d"), GP64()), Load(Param("key"), GP64())
	roots := Load(Param("roots"), GP64()).(reg.GPVirtual)
	turns, order := Load(Param("turns"), GP64()), Load(Param("order"), GP64())
	stride := Load(Param("stride"), GP64())
	three := GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, three)
	polys := [4]Mem{{Base: d}, {Base: d, Index: stride, Scale: 1}, {Base: d, Index: stride, Scale: 2}, {Base: d, Index: three, Scale: 1}}
	one := w.unit(turns)
	e, x, t, k := GP64(), GP64(), GP64(), GP64()
	loop(func() {
		MOVQ(param("exponent"), x)
		MOVL(Mem{Base: x}, e.As32())
		ADDQ(Imm(4), param("exponent"))
		ahead := startAhead()
		var same, cross [2][2]cx
		// sum adds f k to a sum, or starts it.
		sum := func(c *cx, started bool, f, k cx) {
			if started {
				w.mulAdd(*c, f, k)
			} else {
				*c = w.mul(f, k)
			}
		}
		for n := range maxTerms {
			askAhead(ahead)
			MOVQ(Mem{Base: order, Disp: 16 * n}, t)
			ADDQ(turns, t)
			MOVQ(Mem{Base: order, Disp: 16*n + 8}, k)
			ADDQ(key, k)
			rootOf(x, e, roots, Mem{Base: t, Disp: turnPower})
			stays := n < maxTerms-crossed
			unit := one
			if !stays {
				unit = nil
			}
			f := w.factor(Mem{Base: x}, Mem{Base: t, Disp: turnLanes}, unit)
			for r := range 2 {
				for o := range 2 {
					c := w.load(Mem{Base: k, Disp: (2*r + o) * 128})
					if stays {
						sum(&same[r][o], n > 0, f, c)
						continue
					}
					if n == 0 {
						same[r][o] = w.zero()
					}
					VSUBPD(c.re, same[r][o].re, same[r][o].re)
					VSUBPD(c.im, same[r][o].im, same[r][o].im)
					sum(&cross[r][o], n > maxTerms-crossed, f, c)
				}
			}
		}
		for i := range polys {
			PREFETCHT0(polys[i].Offset(digitsAhead * 128))
			PREFETCHT0(polys[i].Offset(digitsAhead*128 + 64))
		}
		// digits[q][r]; the other part's product by C comes first.
		digits := [2][2]cx{{w.load(polys[0]), w.load(polys[1])}, {w.load(polys[2]), w.load(polys[3])}}
		var monomial cx
		if crossed > 0 {
			MOVQ(param("monomial"), x)
			ADDQ(U32(128), param("monomial"))
			monomial = w.load(Mem{Base: x})
		}
		for q := range 2 {
			for o := range 2 {
				var out cx
				for r := range 2 {
					if crossed > 0 {
						sum(&out, r > 0, cross[r][o], digits[1-q][r])
					}
				}
				if crossed > 0 && q == 0 {
					out = w.mul(out, monomial)
				}
				for r := range 2 {
					sum(&out, crossed > 0 || r > 0, same[r][o], digits[q][r])
				}
				out.store(polys[2*q+o])
			}
		}
		ADDQ(U32(512*maxTerms), key)
		ADDQ(U32(128), d)
		DECQ(param("count"))
	})
	w.end()
}
