package fft

import (
	"fmt"
	"math/bits"
)

// A monomial X^a has the value zeta^(a e) at the root zeta^e. The exponent e of a point is that of its vector plus that of its lane, so
// zeta^(a e) is the product of two entries of the table of roots, whose indices are exact integers modulo 2N.

// lanes returns the values of X^a at lanes 0..7 relative to lane 0, and the index step: real parts, imaginary parts.
func (p *Plan) lanes(a int) (l [16]float64) {
	if uint(a) >= uint(2*p.n) {
		panic(fmt.Sprintf("fft: exponent %d of a monomial is not in [0, %d)", a, 2*p.n))
	}
	for v, e := range p.lane {
		w := p.root(a * int(e))
		l[v], l[v+8] = real(w), imag(w)
	}
	return l
}

// Monomial sets dst, N elements, to the transform of X^a, a in [0, 2N).
func (p *Plan) Monomial(dst []float64, a int) {
	p.check(len(dst), len(dst))
	l := p.lanes(a)
	out := vectors(dst)[:len(p.exponent)]
	for i, e := range p.exponent {
		w := p.root(a * int(e))
		wr, wi := real(w), imag(w)
		d := &out[i]
		for u := range 8 {
			d[u], d[u+8] = wr*l[u]-wi*l[u+8], wr*l[u+8]+wi*l[u]
		}
	}
}

// MulXaAdd sets acc += X^a * x in the Fourier domain, a in [0, 2N). acc and x have N elements and may be the same slice.
func (p *Plan) MulXaAdd(acc, x []float64, a int) {
	p.check(len(acc), len(x))
	l := p.lanes(a)
	p.mulXaAdd(acc, x, a, &l, false)
}

// MulXaMinus1Add sets acc += (X^a - 1) * x in the Fourier domain, a in [0, 2N). acc and x have N elements and may be the same slice.
func (p *Plan) MulXaMinus1Add(acc, x []float64, a int) {
	p.check(len(acc), len(x))
	if a == 0 {
		return
	}
	l := p.lanes(a)
	p.mulXaAdd(acc, x, a, &l, true)
}

// leaves returns the values of X^a at leaves 0..7 of a node of 8 relative to leaf 0, eighth roots of one: real and imaginary parts in turn.
func (p *Plan) leaves(a int) (t [16]float64) {
	for r := range 8 {
		w := p.root(a * int(bits.Reverse8(uint8(r))>>5) * (p.n / 4))
		t[2*r], t[2*r+1] = real(w), imag(w)
	}
	return t
}

// mulXaAddGo sets acc += (X^a - c) * x, with c = 1 if minusOne is set and 0 otherwise. l is lanes(a).
func (p *Plan) mulXaAddGo(acc, x []float64, a int, l *[16]float64, minusOne bool) {
	c := 0.
	if minusOne {
		c = 1
	}
	out, in := vectors(acc)[:len(p.exponent)], vectors(x)[:len(p.exponent)]
	for i, e := range p.exponent {
		w := p.root(a * int(e))
		wr, wi := real(w), imag(w)
		d, s := &out[i], &in[i]
		for u := range 8 {
			fr, fi := wr*l[u]-wi*l[u+8]-c, wr*l[u+8]+wi*l[u]
			xr, xi := s[u], s[u+8]
			d[u] += xr*fr - xi*fi
			d[u+8] += xr*fi + xi*fr
		}
	}
}
