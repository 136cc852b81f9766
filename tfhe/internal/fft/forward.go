package fft

import (
	"fmt"
	"unsafe"
)

// ForwardInt64 transforms a polynomial of integers (gadget digits, tables, clear weights) into dst. Both have N elements.
// Integers of up to 53 bits are taken exactly.
func (p *Plan) ForwardInt64(dst []float64, src []int64) {
	p.check(len(dst), len(src))
	p.foldInt64(dst, src)
	p.descend(dst, &request{})
}

// ForwardTorus transforms a polynomial of torus words, read as centred integers in [-2^63, 2^63) and rounded to float64, into dst.
// Both have N elements.
func (p *Plan) ForwardTorus(dst []float64, src []uint64) {
	p.check(len(dst), len(src))
	p.foldInt64(dst, unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(src))), len(src)))
	p.descend(dst, &request{})
}

// ForwardDigit transforms a polynomial of signed gadget digits, cut out of torus words as they are loaded, into dst. Both have N elements.
// With B = 2^baseLog the digit of a coefficient 0 <= x <= q/2 is
//
//	(x+offset)>>shift mod B - B/2,
//
// and that of -x minus the same: digits of words of either sign have no mean, and ties go away from zero. Digit j of l in base B has shift 64-(j+1) baseLog, and
// offset the half unit of the last digit, which rounds, plus B/2 at the place of each digit, which keeps the fields from borrowing
// from one another. It panics unless 1 <= baseLog <= 51 and shift <= 63.
func (p *Plan) ForwardDigit(dst []float64, src []uint64, offset uint64, shift, baseLog uint) {
	p.check(len(dst), len(src))
	if baseLog < 1 || baseLog > 51 || shift > 63 {
		panic(fmt.Sprintf("fft: no digits of %d bits at bit %d", baseLog, shift))
	}
	p.foldDigit(dst, src, offset, shift, uint64(1)<<baseLog-1, uint64(1)<<(baseLog-1))
	p.descend(dst, &request{})
}

// foldDigit is fold of the digits of src.
func foldDigit(dst []float64, src []uint64, w *roots4, offset uint64, shift uint, mask, half uint64) {
	out, in := vectors(dst), octets(src)
	real, imag := in[:len(out)], in[len(out):][:len(out)]
	shift &= 63
	for j := range out {
		x, y, d := &real[j], &imag[j], &out[j]
		for u := range 8 {
			s, t := uint64(int64(x[u])>>63), uint64(int64(y[u])>>63) // -1 if negative: -x is x^s - s
			d[u] = float64(int64((((x[u]^s)-s+offset)>>shift&mask - half) ^ s - s))
			d[u+8] = float64(int64((((y[u]^t)-t+offset)>>shift&mask - half) ^ t - t))
		}
	}
	descend4(out, w)
}

// fold is the first pass: conversion, fold of the upper half of src into imaginary parts, and the split of the root of the tree.
func fold(dst []float64, src []int64, w *roots4) {
	in, out := octets(src), vectors(dst)
	h := len(out) / 4
	s0, s1, s2, s3 := in[:h], in[h:][:h], in[2*h:][:h], in[3*h:][:h]
	in = in[4*h:]
	t0, t1, t2, t3 := in[:h], in[h:][:h], in[2*h:][:h], in[3*h:][:h]
	o0, o1, o2, o3 := out[:h], out[h:][:h], out[2*h:][:h], out[3*h:][:h]
	re1, im1, re2, im2, re3, im3 := w.re1, w.im1, w.re2, w.im2, w.re3, w.im3
	for j := range o0 {
		s0, s1, s2, s3 := &s0[j], &s1[j], &s2[j], &s3[j]
		i0, i1, i2, i3 := &t0[j], &t1[j], &t2[j], &t3[j]
		d0, d1, d2, d3 := &o0[j], &o1[j], &o2[j], &o3[j]
		for u := range 8 {
			x, y := float64(s1[u]), float64(i1[u])
			r1, q1 := x*re1-y*im1, x*im1+y*re1
			x, y = float64(s3[u]), float64(i3[u])
			r3, q3 := x*re3-y*im3, x*im3+y*re3
			sr13, sq13, dr13, dq13 := r1+r3, q1+q3, r1-r3, q1-q3
			x, y = float64(s2[u]), float64(i2[u])
			r2, q2 := x*re2-y*im2, x*im2+y*re2
			r0, q0 := float64(s0[u]), float64(i0[u])
			sr02, sq02, dr02, dq02 := r0+r2, q0+q2, r0-r2, q0-q2
			d0[u], d0[u+8] = sr02+sr13, sq02+sq13
			d1[u], d1[u+8] = sr02-sr13, sq02-sq13
			d2[u], d2[u+8] = dr02-dq13, dq02+dr13
			d3[u], d3[u+8] = dr02+dq13, dq02-dr13
		}
	}
}

// descendGo runs the passes after the first one.
func (p *Plan) descendGo(x []float64) {
	v := vectors(x)
	size := len(v) / 4 // of a node
	for _, pass := range p.outer {
		for i := range pass {
			descend4(v[i*size:(i+1)*size], &pass[i])
		}
		size /= 4
	}
	if p.sixteen {
		p.leaves64(x)
	} else {
		p.leaves32(x)
	}
}

// descend4 splits one node of at least 32 points in place.
func descend4(x []vector, w *roots4) {
	h := len(x) / 4
	x0, x1, x2, x3 := x[:h], x[h:][:h], x[2*h:][:h], x[3*h:][:h]
	re1, im1, re2, im2, re3, im3 := w.re1, w.im1, w.re2, w.im2, w.re3, w.im3
	for j := range x0 {
		d0, d1, d2, d3 := &x0[j], &x1[j], &x2[j], &x3[j]
		for u := range 8 {
			x, y := d1[u], d1[u+8]
			r1, q1 := x*re1-y*im1, x*im1+y*re1
			x, y = d3[u], d3[u+8]
			r3, q3 := x*re3-y*im3, x*im3+y*re3
			sr13, sq13, dr13, dq13 := r1+r3, q1+q3, r1-r3, q1-q3
			x, y = d2[u], d2[u+8]
			r2, q2 := x*re2-y*im2, x*im2+y*re2
			r0, q0 := d0[u], d0[u+8]
			sr02, sq02, dr02, dq02 := r0+r2, q0+q2, r0-r2, q0-q2
			d0[u], d0[u+8] = sr02+sr13, sq02+sq13
			d1[u], d1[u+8] = sr02-sr13, sq02-sq13
			d2[u], d2[u+8] = dr02-dq13, dq02+dr13
			d3[u], d3[u+8] = dr02+dq13, dq02-dr13
		}
	}
}

// quads holds 64 points as 16 nodes of 4: coefficient p of node c at [p][c] and [p][c+16].
type quads [4][32]float64

// leaves64 runs the last six levels where groups of 64 points are one node.
func (p *Plan) leaves64(x []float64) {
	var a [4][32]float64 // four nodes of 16: real parts, imaginary parts
	var b quads
	for g := range p.group {
		group := (*[128]float64)(x[128*g:])
		w := &p.group[g]
		re1, im1, re2, im2, re3, im3 := w.re1, w.im1, w.re2, w.im2, w.re3, w.im3
		for half := range 2 { // points 0..7, 8..15 of each quarter
			d0, d1, d2, d3 := (*[16]float64)(group[16*half:]), (*[16]float64)(group[32+16*half:]), (*[16]float64)(group[64+16*half:]), (*[16]float64)(group[96+16*half:])
			o0, o1, o2, o3 := (*[24]float64)(a[0][8*half:]), (*[24]float64)(a[1][8*half:]), (*[24]float64)(a[2][8*half:]), (*[24]float64)(a[3][8*half:])
			for u := range 8 {
				x, y := d1[u], d1[u+8]
				r1, q1 := x*re1-y*im1, x*im1+y*re1
				x, y = d3[u], d3[u+8]
				r3, q3 := x*re3-y*im3, x*im3+y*re3
				sr13, sq13, dr13, dq13 := r1+r3, q1+q3, r1-r3, q1-q3
				x, y = d2[u], d2[u+8]
				r2, q2 := x*re2-y*im2, x*im2+y*re2
				r0, q0 := d0[u], d0[u+8]
				sr02, sq02, dr02, dq02 := r0+r2, q0+q2, r0-r2, q0-q2
				o0[u], o0[u+16] = sr02+sr13, sq02+sq13
				o1[u], o1[u+16] = sr02-sr13, sq02-sq13
				o2[u], o2[u+16] = dr02-dq13, dq02+dr13
				o3[u], o3[u+16] = dr02+dq13, dq02-dr13
			}
		}
		mid := (*[4]roots4)(p.mid4[4*g:])
		for s := range 4 {
			w, in := &mid[s], &a[s]
			for u := range 4 {
				x, y := in[u+4], in[u+20]
				r1, q1 := x*w.re1-y*w.im1, x*w.im1+y*w.re1
				x, y = in[u+12], in[u+28]
				r3, q3 := x*w.re3-y*w.im3, x*w.im3+y*w.re3
				sr13, sq13, dr13, dq13 := r1+r3, q1+q3, r1-r3, q1-q3
				x, y = in[u+8], in[u+24]
				r2, q2 := x*w.re2-y*w.im2, x*w.im2+y*w.re2
				r0, q0 := in[u], in[u+16]
				sr02, sq02, dr02, dq02 := r0+r2, q0+q2, r0-r2, q0-q2
				out := (*[20]float64)(b[u][4*s:])
				out[0], out[16] = sr02+sr13, sq02+sq13
				out[1], out[17] = sr02-sr13, sq02-sq13
				out[2], out[18] = dr02-dq13, dq02+dr13
				out[3], out[19] = dr02+dq13, dq02-dr13
			}
		}
		leaves4(group, &b, (*[16]roots4)(p.last[16*g:]))
	}
}

// leaves32 runs the last five levels where groups of 64 points are two nodes.
func (p *Plan) leaves32(x []float64) {
	var a [8][16]float64 // eight nodes of 8
	var b quads
	for g := range len(x) / 128 {
		group := (*[128]float64)(x[128*g:])
		for half := range 2 {
			w := &p.group[2*g+half]
			re1, im1, re2, im2, re3, im3 := w.re1, w.im1, w.re2, w.im2, w.re3, w.im3
			d := (*[64]float64)(group[64*half:])
			o := (*[4][16]float64)(a[4*half:])
			for u := range 8 {
				x, y := d[u+16], d[u+24]
				r1, q1 := x*re1-y*im1, x*im1+y*re1
				x, y = d[u+48], d[u+56]
				r3, q3 := x*re3-y*im3, x*im3+y*re3
				sr13, sq13, dr13, dq13 := r1+r3, q1+q3, r1-r3, q1-q3
				x, y = d[u+32], d[u+40]
				r2, q2 := x*re2-y*im2, x*im2+y*re2
				r0, q0 := d[u], d[u+8]
				sr02, sq02, dr02, dq02 := r0+r2, q0+q2, r0-r2, q0-q2
				o[0][u], o[0][u+8] = sr02+sr13, sq02+sq13
				o[1][u], o[1][u+8] = sr02-sr13, sq02-sq13
				o[2][u], o[2][u+8] = dr02-dq13, dq02+dr13
				o[3][u], o[3][u+8] = dr02+dq13, dq02-dr13
			}
		}
		mid := (*[8][2]float64)(p.mid2[8*g:])
		for s := range 8 {
			re, im, in := mid[s][0], mid[s][1], &a[s]
			for u := range 4 {
				x, y := in[u+4], in[u+12]
				r1, q1 := x*re-y*im, x*im+y*re
				r0, q0 := in[u], in[u+8]
				out := (*[18]float64)(b[u][2*s:])
				out[0], out[16] = r0+r1, q0+q1
				out[1], out[17] = r0-r1, q0-q1
			}
		}
		leaves4(group, &b, (*[16]roots4)(p.last[16*g:]))
	}
}

// leaves4 splits 16 nodes of 4 points and stores the leaves transposed: leaf q of node c is lane c/2 of vector 4(c%2)+q.
func leaves4(group *[128]float64, b *quads, w *[16]roots4) {
	b0, b1, b2, b3 := &b[0], &b[1], &b[2], &b[3]
	for v := range 8 {
		out := (*[121]float64)(group[v:])
		for odd := range 2 {
			c := 2*v + odd
			w := &w[c&15]
			c &= 15
			x, y := b1[c], b1[c+16]
			r1, q1 := x*w.re1-y*w.im1, x*w.im1+y*w.re1
			x, y = b3[c], b3[c+16]
			r3, q3 := x*w.re3-y*w.im3, x*w.im3+y*w.re3
			sr13, sq13, dr13, dq13 := r1+r3, q1+q3, r1-r3, q1-q3
			x, y = b2[c], b2[c+16]
			r2, q2 := x*w.re2-y*w.im2, x*w.im2+y*w.re2
			r0, q0 := b0[c], b0[c+16]
			sr02, sq02, dr02, dq02 := r0+r2, q0+q2, r0-r2, q0-q2
			o := (*[57]float64)(out[64*odd:])
			o[0], o[8] = sr02+sr13, sq02+sq13
			o[16], o[24] = sr02-sr13, sq02-sq13
			o[32], o[40] = dr02-dq13, dq02+dr13
			o[48], o[56] = dr02+dq13, dq02-dr13
		}
	}
}
