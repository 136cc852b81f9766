package tfhe

import "github.com/fhe-ml/fhe-ml/tfhe/internal/vec"

// GLWECiphertext is k mask polynomials and one body polynomial, each of N torus words: phase = body - sum_i mask_i s_i mod (2^64, X^N+1).
type GLWECiphertext struct {
	Mask []uint64 // k*N words
	Body []uint64 // N words
}

// NewGLWE returns the encryption of zero without noise (all words zero), the neutral element of the addition.
func NewGLWE(p Parameters) GLWECiphertext {
	words := make([]uint64, (p.K()+1)*p.N())
	return GLWECiphertext{Mask: words[: p.K()*p.N() : p.K()*p.N()], Body: words[p.K()*p.N():]}
}

// Copy sets ct to a copy of x.
func (ct GLWECiphertext) Copy(x GLWECiphertext) {
	copy(ct.Mask, x.Mask)
	copy(ct.Body, x.Body)
}

// Add sets ct to ct + x.
func (ct GLWECiphertext) Add(x GLWECiphertext) {
	addWords(ct.Mask, x.Mask)
	addWords(ct.Body, x.Body)
}

// Sub subtracts x from ct.
func (ct GLWECiphertext) Sub(x GLWECiphertext) {
	subWords(ct.Mask, ct.Mask, x.Mask)
	subWords(ct.Body, ct.Body, x.Body)
}

// Clear sets ct to zero.
func (ct GLWECiphertext) Clear() {
	clear(ct.Mask)
	clear(ct.Body)
}

// LWECiphertext is a mask of d torus words and a body: phase = body - <mask, s>. d is kN (the big key) or n (the small one).
type LWECiphertext struct {
	Mask []uint64
	Body uint64
}

// NewLWE returns the noiseless encryption of zero of dimension d.
func NewLWE(d int) LWECiphertext { return LWECiphertext{Mask: make([]uint64, d)} }

// AddScaled sets ct to ct + w*x for a clear integer weight w. Noise grows by |w|.
func (ct *LWECiphertext) AddScaled(w int64, x *LWECiphertext) {
	if len(ct.Mask) != len(x.Mask) {
		panic("tfhe: LWE dimensions differ")
	}
	u := uint64(w)
	vec.MulAdd64(ct.Mask, x.Mask, u)
	ct.Body += u * x.Body
}

// Clear sets ct to zero.
func (ct *LWECiphertext) Clear() {
	clear(ct.Mask)
	ct.Body = 0
}

// Copy sets ct to a copy of x, which has the same dimension.
func (ct *LWECiphertext) Copy(x *LWECiphertext) {
	copy(ct.Mask, x.Mask)
	ct.Body = x.Body
}

// SampleExtract sets dst (dimension kN) to the LWE encryption of coefficient i of ct's phase.
func SampleExtract(p Parameters, dst *LWECiphertext, ct GLWECiphertext, i int) {
	n := p.N()
	for j := range p.K() {
		extractMask(dst.Mask[j*n:(j+1)*n], ct.Mask[j*n:(j+1)*n], i)
	}
	dst.Body = ct.Body[i]
}

// extractMask writes the LWE mask of coefficient i of a*s: out_j = a_(i-j), negated where i-j wraps below zero.
func extractMask(out, a []uint64, i int) {
	for j := range i + 1 {
		out[j] = a[i-j]
	}
	for j := i + 1; j < len(a); j++ {
		out[j] = -a[len(a)+i-j]
	}
}

func addWords(dst, x []uint64) { vec.Add64(dst, x) }
