package fft

import "math"

// InverseAddTorus adds the polynomial that src is the transform of to dst, modulo 2^64. src is overwritten. Both have N elements.
//
// The real result, in units of a torus word, may be up to 2^103 in magnitude: more than any product of digits below 2^27 with a
// key row at N = 4096, by far more than typical sums of many. It is rounded to the nearest word modulo 2^64, ties to even, which
// has no mean: always rounding ties upwards would be an offset common to all products. (Results above 2^53 are whole
// multiples of a power of two and are only reduced.)
func (p *Plan) InverseAddTorus(dst []uint64, src []float64) {
	p.check(len(dst), len(src))
	p.ascend(src, &request{})
	p.unfold(dst, src, true)
}

// InverseTorus is InverseAddTorus to a dst of zeros: it overwrites dst.
func (p *Plan) InverseTorus(dst []uint64, src []float64) {
	p.check(len(dst), len(src))
	p.ascend(src, &request{})
	p.unfold(dst, src, false)
}

// Adding 1.5*2^(52-s) to a float64 of magnitude at most 2^(51-s) leaves round(2^s x) in the low bits of the representation.
const (
	toHigh = 1.5 * (1 << 40) // s = 12
	toLow  = 1.5 / (1 << 12) // s = 64
	lowOne = 0x3f38 << 48    // bits of toLow
)

// torus returns the word nearest to 2^64 x modulo 2^64, for |x| <= 2^39: 12 bits of the fraction from one sum, whose upper bits (the integer part)
// are shifted out, and 52 from another. Both sums round to even and the differences are exact.
func torus(x float64) uint64 {
	high := x + toHigh
	low := x - (high - toHigh) // in [-2^-13, 2^-13]
	return math.Float64bits(high)<<52 + math.Float64bits(low+toLow) - lowOne
}

// unfold is the last pass: it joins the four nodes under the root of the tree, scales, rounds and stores the imaginary parts in the upper
// half of dst. w has the scale in it.
func unfold(dst []uint64, src []float64, w *roots4, scale float64, add bool) {
	in, out := vectors(src), octets(dst)
	h := len(in) / 4
	ascend4(in, w)
	real, imag := out[:len(in)], out[len(in):][:len(in)]
	for j := range in {
		v, d, e := &in[j], &real[j], &imag[j]
		if j < h { // the terms that ascend4 does not multiply
			for u := range v {
				v[u] *= scale
			}
		}
		if !add {
			*d, *e = [8]uint64{}, [8]uint64{}
		}
		for u := range 8 {
			d[u] += torus(v[u])
			e[u] += torus(v[u+8])
		}
	}
}

// ascendGo runs the passes before the last one.
func (p *Plan) ascendGo(x []float64) {
	if p.sixteen {
		p.join64(x)
	} else {
		p.join32(x)
	}
	v := vectors(x)
	for k := len(p.outer) - 1; k >= 0; k-- {
		pass := p.outer[k]
		size := len(v) / len(pass)
		for i := range pass {
			ascend4(v[i*size:(i+1)*size], &pass[i])
		}
	}
}

// ascend4 joins the four children of a node of at least 32 points in place, without the factor 1/4.
func ascend4(x []vector, w *roots4) {
	h := len(x) / 4
	x0, x1, x2, x3 := x[:h], x[h:][:h], x[2*h:][:h], x[3*h:][:h]
	re1, im1, re2, im2, re3, im3 := w.re1, w.im1, w.re2, w.im2, w.re3, w.im3
	for j := range x0 {
		d0, d1, d2, d3 := &x0[j], &x1[j], &x2[j], &x3[j]
		for u := range 8 {
			sr13, sq13, dr13, dq13 := d2[u]+d3[u], d2[u+8]+d3[u+8], d2[u]-d3[u], d2[u+8]-d3[u+8]
			sr02, sq02, dr02, dq02 := d0[u]+d1[u], d0[u+8]+d1[u+8], d0[u]-d1[u], d0[u+8]-d1[u+8]
			d0[u], d0[u+8] = sr02+sr13, sq02+sq13
			x, y := sr02-sr13, sq02-sq13
			d2[u], d2[u+8] = x*re2+y*im2, y*re2-x*im2
			x, y = dr02+dq13, dq02-dr13
			d1[u], d1[u+8] = x*re1+y*im1, y*re1-x*im1
			x, y = dr02-dq13, dq02+dr13
			d3[u], d3[u+8] = x*re3+y*im3, y*re3-x*im3
		}
	}
}

// join64 is the inverse of leaves64, without its factor.
func (p *Plan) join64(x []float64) {
	var a [4][32]float64
	var b quads
	for g := range p.group {
		group := (*[128]float64)(x[128*g:])
		join4(group, &b, (*[16]roots4)(p.last[16*g:]))
		mid := (*[4]roots4)(p.mid4[4*g:])
		for s := range 4 {
			w, out := &mid[s], &a[s]
			for u := range 4 {
				in := (*[20]float64)(b[u][4*s:])
				sr13, sq13, dr13, dq13 := in[2]+in[3], in[18]+in[19], in[2]-in[3], in[18]-in[19]
				sr02, sq02, dr02, dq02 := in[0]+in[1], in[16]+in[17], in[0]-in[1], in[16]-in[17]
				out[u], out[u+16] = sr02+sr13, sq02+sq13
				x, y := sr02-sr13, sq02-sq13
				out[u+8], out[u+24] = x*w.re2+y*w.im2, y*w.re2-x*w.im2
				x, y = dr02+dq13, dq02-dr13
				out[u+4], out[u+20] = x*w.re1+y*w.im1, y*w.re1-x*w.im1
				x, y = dr02-dq13, dq02+dr13
				out[u+12], out[u+28] = x*w.re3+y*w.im3, y*w.re3-x*w.im3
			}
		}
		w := &p.group[g]
		re1, im1, re2, im2, re3, im3 := w.re1, w.im1, w.re2, w.im2, w.re3, w.im3
		for half := range 2 {
			d0, d1, d2, d3 := (*[16]float64)(group[16*half:]), (*[16]float64)(group[32+16*half:]), (*[16]float64)(group[64+16*half:]), (*[16]float64)(group[96+16*half:])
			o0, o1, o2, o3 := (*[24]float64)(a[0][8*half:]), (*[24]float64)(a[1][8*half:]), (*[24]float64)(a[2][8*half:]), (*[24]float64)(a[3][8*half:])
			for u := range 8 {
				sr13, sq13, dr13, dq13 := o2[u]+o3[u], o2[u+16]+o3[u+16], o2[u]-o3[u], o2[u+16]-o3[u+16]
				sr02, sq02, dr02, dq02 := o0[u]+o1[u], o0[u+16]+o1[u+16], o0[u]-o1[u], o0[u+16]-o1[u+16]
				d0[u], d0[u+8] = sr02+sr13, sq02+sq13
				x, y := sr02-sr13, sq02-sq13
				d2[u], d2[u+8] = x*re2+y*im2, y*re2-x*im2
				x, y = dr02+dq13, dq02-dr13
				d1[u], d1[u+8] = x*re1+y*im1, y*re1-x*im1
				x, y = dr02-dq13, dq02+dr13
				d3[u], d3[u+8] = x*re3+y*im3, y*re3-x*im3
			}
		}
	}
}

// join32 is the inverse of leaves32, without its factor.
func (p *Plan) join32(x []float64) {
	var a [8][16]float64
	var b quads
	for g := range len(x) / 128 {
		group := (*[128]float64)(x[128*g:])
		join4(group, &b, (*[16]roots4)(p.last[16*g:]))
		mid := (*[8][2]float64)(p.mid2[8*g:])
		for s := range 8 {
			re, im, out := mid[s][0], mid[s][1], &a[s]
			for u := range 4 {
				in := (*[18]float64)(b[u][2*s:])
				x, y := in[0]-in[1], in[16]-in[17]
				out[u], out[u+8] = in[0]+in[1], in[16]+in[17]
				out[u+4], out[u+12] = x*re+y*im, y*re-x*im
			}
		}
		for half := range 2 {
			w := &p.group[2*g+half]
			re1, im1, re2, im2, re3, im3 := w.re1, w.im1, w.re2, w.im2, w.re3, w.im3
			d := (*[64]float64)(group[64*half:])
			o := (*[4][16]float64)(a[4*half:])
			for u := range 8 {
				sr13, sq13, dr13, dq13 := o[2][u]+o[3][u], o[2][u+8]+o[3][u+8], o[2][u]-o[3][u], o[2][u+8]-o[3][u+8]
				sr02, sq02, dr02, dq02 := o[0][u]+o[1][u], o[0][u+8]+o[1][u+8], o[0][u]-o[1][u], o[0][u+8]-o[1][u+8]
				d[u], d[u+8] = sr02+sr13, sq02+sq13
				x, y := sr02-sr13, sq02-sq13
				d[u+32], d[u+40] = x*re2+y*im2, y*re2-x*im2
				x, y = dr02+dq13, dq02-dr13
				d[u+16], d[u+24] = x*re1+y*im1, y*re1-x*im1
				x, y = dr02-dq13, dq02+dr13
				d[u+48], d[u+56] = x*re3+y*im3, y*re3-x*im3
			}
		}
	}
}

// join4 is the inverse of leaves4, without the factor 1/4.
func join4(group *[128]float64, b *quads, w *[16]roots4) {
	b0, b1, b2, b3 := &b[0], &b[1], &b[2], &b[3]
	for v := range 8 {
		in := (*[121]float64)(group[v:])
		for odd := range 2 {
			c := (2*v + odd) & 15
			w := &w[c]
			o := (*[57]float64)(in[64*odd:])
			sr13, sq13, dr13, dq13 := o[32]+o[48], o[40]+o[56], o[32]-o[48], o[40]-o[56]
			sr02, sq02, dr02, dq02 := o[0]+o[16], o[8]+o[24], o[0]-o[16], o[8]-o[24]
			b0[c], b0[c+16] = sr02+sr13, sq02+sq13
			x, y := sr02-sr13, sq02-sq13
			b2[c], b2[c+16] = x*w.re2+y*w.im2, y*w.re2-x*w.im2
			x, y = dr02+dq13, dq02-dr13
			b1[c], b1[c+16] = x*w.re1+y*w.im1, y*w.re1-x*w.im1
			x, y = dr02-dq13, dq02+dr13
			b3[c], b3[c+16] = x*w.re3+y*w.im3, y*w.re3-x*w.im3
		}
	}
}
