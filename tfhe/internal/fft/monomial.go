package fft

import "fmt"

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
func (p *Plan) MulXaAdd(acc, x []float64, a int) { p.mulXaAdd(acc, x, a, 0) }

// MulXaMinus1Add sets acc += (X^a - 1) * x in the Fourier domain, a in [0, 2N). acc and x have N elements and may be the same slice.
func (p *Plan) MulXaMinus1Add(acc, x []float64, a int) {
	if a == 0 {
		p.check(len(acc), len(x))
		return
	}
	p.mulXaAdd(acc, x, a, 1)
}

// mulXaAdd sets acc += (X^a - c) * x.
func (p *Plan) mulXaAdd(acc, x []float64, a int, c float64) {
	p.check(len(acc), len(x))
	l := p.lanes(a)
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
