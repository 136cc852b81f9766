package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// radix4 splits a node modulo X^4h - w^4: c returns coefficient j times w^j, and the results are the coefficients of the children,
// in binary order, modulo X^h - w, X^h + w, X^h - iw, X^h + iw.
func (w width) radix4(c func(j int) cx) [4]cx {
	s13, d13 := w.sumDiff(c(1), c(3))
	c2 := c(2)
	s02, d02 := w.sumDiff(c(0), c2)
	p0, p1 := w.sumDiff(s02, s13)
	p2, p3 := w.sumDiffI(d02, d13)
	return [4]cx{p0, p1, p2, p3}
}

// radix4Inverse is the inverse of radix4 without the factor 1/4: it passes coefficient j, still to be multiplied by w^-j, to out.
func (w width) radix4Inverse(p [4]cx, out func(j int, c cx)) {
	s02, s13 := w.sumDiff(p[0], p[1])
	d02, id13 := w.sumDiff(p[2], p[3]) // 2 d02, 2 i d13
	c0, c2 := w.sumDiff(s02, d02)
	c3, c1 := w.sumDiffI(s13, id13) // s13 + d13, where d13 = -i id13
	out(0, c0)
	out(1, c1)
	out(2, c2)
	out(3, c3)
}

// radix8 splits a node modulo X^8h - w^8. in returns coefficient j, twiddle w^j, and out takes the children 4k..4k+3 in binary order.
// spill, with registers of 4 lanes, is where half of the intermediate values wait: sixteen registers do not hold them all.
func (w width) radix8(in func(j int) cx, twiddle func(j int) cx, spill *Mem, out func(k int, c [4]cx)) {
	var s, d [4]cx
	for j := range 4 {
		a := in(j)
		if j > 0 {
			a = w.mul(a, twiddle(j))
		}
		s[j], d[j] = w.sumDiff(a, w.mul(in(j+4), twiddle(j+4)))
		if spill != nil {
			d[j].store(w.slot(*spill, j))
		}
	}
	e0, f0 := w.sumDiffEven(s[0], s[2])
	e1, f1 := w.sumDiffEven(s[1], s[3])
	p0, p1 := w.sumDiffEven(e0, e1)
	p2, p3 := w.sumDiffIEven(f0, f1)
	out(0, [4]cx{p0, p1, p2, p3})
	if spill != nil {
		for j := range 4 {
			d[j] = w.load(w.slot(*spill, j))
		}
	}
	e0, f0 = w.sumDiffIEven(d[0], d[2])
	e1, f1 = w.sumDiffIEven(d[1], d[3])
	half := w.loaded("rootHalf")
	// e1 times (1+i)/sqrt 2, f1 times (-1+i)/sqrt 2
	ediff, esum := w.vec(), w.vec()
	VSUBPD(e1.im, e1.re, ediff)
	VADDPD(e1.im, e1.re, esum)
	p4, p5 := w.sumDiffScaled(e0, ediff, esum, half)
	fdiff, fsum := w.vec(), w.vec()
	VSUBPD(f1.im, f1.re, fdiff)
	VADDPD(f1.im, f1.re, fsum)
	p7re, p6re := w.scaled(f0.re, fsum, half)
	p6im, p7im := w.scaled(f0.im, fdiff, half)
	out(1, [4]cx{p4, p5, {p6re, p6im}, {p7re, p7im}})
}

// scaled returns a + kb and a - kb and ends the life of a.
func (w width) scaled(a, b, k reg.VecVirtual) (s, d reg.VecVirtual) {
	s = w.vec()
	VMOVAPD(a, s)
	VFMADD231PD(k, b, s)
	VFNMADD231PD(k, b, a)
	return s, a
}

func (w width) sumDiffScaled(a cx, re, im, k reg.VecVirtual) (s, d cx) {
	s.re, d.re = w.scaled(a.re, re, k)
	s.im, d.im = w.scaled(a.im, im, k)
	return s, d
}

// slot is the j-th complex register of scratch memory.
func (w width) slot(m Mem, j int) cmem {
	n := 2 * w.bytes() * j
	return cmem{m.Offset(n), m.Offset(n + w.bytes())}
}

// radix8Inverse is the inverse of radix8 without the factor 1/8: in returns children 4k..4k+3, out takes coefficient j times w^-j.
func (w width) radix8Inverse(in func(k int) [4]cx, twiddle func(j int) cx, spill *Mem, out func(j int, c cx)) {
	p := in(1)
	e0, e1 := w.sumDiffEven(p[0], p[1]) // e1 still times (1-i)/sqrt 2, and f1 times -i(1-i)/sqrt 2
	f0, f1 := w.sumDiffEven(p[2], p[3])
	var s, d [4]cx
	d[0], d[2] = w.sumDiffEven(e0, f0) // d[2] still times -i
	d[3], d[1] = w.sumDiffIEven(e1, f1)
	// d[1] is still to be multiplied by (1-i)/sqrt 2, d[3] by -i(1-i)/sqrt 2 = -(1+i)/sqrt 2; here the multiplication by 1-i and by -1-i.
	u, v := w.vec(), w.vec()
	VADDPD(d[1].im, d[1].re, u)
	VSUBPD(d[1].re, d[1].im, v)
	d[1] = cx{u, v}
	u, v = w.vec(), w.vec()
	VSUBPD(d[3].re, d[3].im, u) // re of (1+i)(-z) = im - re
	VADDPD(d[3].im, d[3].re, v) // minus the imaginary part
	d[3] = cx{u, v}
	if spill != nil {
		for j := range 4 {
			d[j].store(w.slot(*spill, j))
		}
	}
	p = in(0)
	e0, e1 = w.sumDiffEven(p[0], p[1])
	f0, f1 = w.sumDiffEven(p[2], p[3])
	s[0], s[2] = w.sumDiffEven(e0, f0)
	s[3], s[1] = w.sumDiffIEven(e1, f1) // s1 = e1 - i f1
	half := w.loaded("rootHalf")
	for j := range 4 {
		dj := d[j]
		if spill != nil {
			dj = w.load(w.slot(*spill, j))
		}
		var a, b cx
		switch j {
		case 0:
			a, b = w.sumDiff(s[0], dj)
		case 2:
			b, a = w.sumDiffI(s[2], dj)
		case 1:
			a, b = w.sumDiffScaled(s[1], dj.re, dj.im, half)
		case 3:
			a.re, b.re = w.scaled(s[3].re, dj.re, half)
			b.im, a.im = w.scaled(s[3].im, dj.im, half)
		}
		if j > 0 {
			a = w.mulConj(a, twiddle(j))
		}
		out(j, a)
		out(j+4, w.mulConj(b, twiddle(j+4)))
	}
}

// transpose8 transposes 8 registers of 8 lanes.
func transpose8(a [8]reg.VecVirtual) (b [8]reg.VecVirtual) {
	var t [8]reg.VecVirtual
	for i := 0; i < 8; i += 2 {
		t[i], t[i+1] = ZMM(), ZMM()
		VUNPCKLPD(a[i+1], a[i], t[i])
		VUNPCKHPD(a[i+1], a[i], t[i+1])
	}
	shuffle := func(x, y reg.VecVirtual) (even, odd reg.VecVirtual) { // 128-bit lanes 0, 2 and 1, 3 of both
		even, odd = ZMM(), ZMM()
		VSHUFF64X2(Imm(0x88), y, x, even)
		VSHUFF64X2(Imm(0xdd), y, x, odd)
		return even, odd
	}
	for i := range 2 {
		u0, u1 := shuffle(t[i], t[i+2])
		u2, u3 := shuffle(t[i+4], t[i+6])
		b[i], b[i+4] = shuffle(u0, u2)
		b[i+2], b[i+6] = shuffle(u1, u3)
	}
	return b
}

// transpose4 transposes 4 registers of 4 lanes.
func transpose4(a [4]reg.VecVirtual) (b [4]reg.VecVirtual) {
	var t [4]reg.VecVirtual
	for i := 0; i < 4; i += 2 {
		t[i], t[i+1] = YMM(), YMM()
		VUNPCKLPD(a[i+1], a[i], t[i])
		VUNPCKHPD(a[i+1], a[i], t[i+1])
	}
	for i := range 2 {
		b[i], b[i+2] = YMM(), YMM()
		VPERM2F128(Imm(0x20), t[i+2], t[i], b[i])
		VPERM2F128(Imm(0x31), t[i+2], t[i], b[i+2])
	}
	return b
}

func transposeCx4(a [4]cx) (b [4]cx) {
	re := transpose4([4]reg.VecVirtual{a[0].re, a[1].re, a[2].re, a[3].re})
	im := transpose4([4]reg.VecVirtual{a[0].im, a[1].im, a[2].im, a[3].im})
	for i := range b {
		b[i] = cx{re[i], im[i]}
	}
	return b
}

func transposeCx8(a [8]cx) (b [8]cx) {
	var x, y [8]reg.VecVirtual
	for i := range a {
		x[i], y[i] = a[i].re, a[i].im
	}
	x, y = transpose8(x), transpose8(y)
	for i := range b {
		b[i] = cx{x[i], y[i]}
	}
	return b
}
