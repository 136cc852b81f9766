package tfhe

import "github.com/fhe-ml/fhe-ml/tfhe/internal/fft"

// MaxSumTerms bounds the external products of a [FourierSum]. Values in a sum are not reduced modulo 1: the error of its inverse transform is that of so many
// ([SelectNoise.Inverse]), and additions round to the larger values, which makes the FFT's error in a sum of r products of l levels up to
// 1 + (k+1) l r/128 times as large (see [fft.ErrorVariance]). With 4 products that is at most 1% of the variance of a CMUX for one level and 5% for 6.
const MaxSumTerms = 4

// FourierSum is a sum of external products in the Fourier domain: one inverse transform of k+1 polynomials does for all of them.
type FourierSum struct {
	polys [][]float64 // k+1
	terms int
}

// NewFourierSum returns an empty sum.
func NewFourierSum(p Parameters) *FourierSum {
	n, k1 := p.N(), p.K()+1
	all := make([]float64, k1*n)
	s := &FourierSum{polys: make([][]float64, k1)}
	for i := range s.polys {
		s.polys[i] = all[i*n:][:n:n]
	}
	return s
}

// Terms is how many products the sum holds.
func (s *FourierSum) Terms() int { return s.terms }

// Clear empties the sum.
func (s *FourierSum) Clear() { s.terms = 0 }

// Copy makes s a copy of x.
func (s *FourierSum) Copy(x *FourierSum) {
	if s.terms = x.terms; s.terms > 0 {
		for i := range s.polys {
			copy(s.polys[i], x.polys[i])
		}
	}
}

// Add adds x, which together with s holds at most MaxSumTerms products.
func (s *FourierSum) Add(x *FourierSum) {
	if s.terms == 0 {
		s.Copy(x)
		return
	}
	if x.terms == 0 {
		return
	}
	for i := range s.polys {
		fft.Add(s.polys[i], x.polys[i])
	}
	s.grow(x.terms)
}

// Sub subtracts x from s, at most 2 MaxSumTerms products together. The result is for [Evaluator.AddSum] alone.
func (s *FourierSum) Sub(x *FourierSum) {
	if x.terms == 0 {
		return
	}
	if s.terms == 0 {
		for _, p := range s.polys {
			clear(p)
		}
	}
	for i := range s.polys {
		fft.Sub(s.polys[i], x.polys[i])
	}
	s.terms += x.terms
}

func (s *FourierSum) grow(terms int) {
	if s.terms += terms; s.terms > MaxSumTerms {
		panic("tfhe: too many products in a Fourier sum")
	}
}

// ExternalProductSum adds g [.] ct to a sum, as [Evaluator.ExternalProductAdd] adds it to a ciphertext.
func (ev *Evaluator) ExternalProductSum(s *FourierSum, g *FourierGGSW, ct GLWECiphertext) {
	if ev.externalProduct(s.polys, g, ct, s.terms == 0) {
		s.grow(1)
	}
}

// AddSum adds a sum to dst and empties it.
func (ev *Evaluator) AddSum(dst GLWECiphertext, s *FourierSum) {
	if s.terms == 0 {
		return
	}
	ev.inverseAdd(dst, s.polys)
	s.terms = 0
}

// RotateSum sets acc and a sum, together, to what [Evaluator.Rotate] makes of acc: the product is in the sum.
func (ev *Evaluator) RotateSum(s *FourierSum, acc GLWECiphertext, bit *FourierGGSW, a int) {
	if a = mod(a, 2*ev.p.N()); a != 0 {
		ev.turned(acc, a)
		ev.ExternalProductSum(s, bit, ev.diff)
	}
}
