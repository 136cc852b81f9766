package tfhe

import "github.com/fhe-ml/fhe-ml/tfhe/internal/ring"

// MulPlainAdd sets dst to dst + w * ct for a clear polynomial w of at most N integer coefficients (missing ones are zero) whose
// absolute values sum to at most 2^56, exactly modulo 2^64: noise grows by the 2-norm of w and by nothing else.
func MulPlainAdd(p Parameters, dst, ct GLWECiphertext, w []int64) {
	n := p.N()
	r := ring.For(n)
	padded := make([]int64, n)
	copy(padded, w)
	small := r.Prepare(padded)
	for i := 0; i < len(ct.Mask); i += n {
		r.MulAdd(dst.Mask[i:i+n], ct.Mask[i:i+n], small)
	}
	r.MulAdd(dst.Body, ct.Body, small)
}

// PlainPolynomial is a clear polynomial, prepared for products with ciphertexts. It is immutable.
type PlainPolynomial struct{ small *ring.Small }

// NewPlainPolynomial prepares at most N integer coefficients (missing ones are zero) whose absolute values sum to at most 2^56.
func NewPlainPolynomial(p Parameters, w []int64) *PlainPolynomial {
	padded := make([]int64, p.N())
	copy(padded, w)
	return &PlainPolynomial{ring.For(p.N()).Prepare(padded)}
}

// PreparedGLWE is a ciphertext, prepared for products with clear polynomials. It is immutable.
type PreparedGLWE struct{ polys []*ring.Transformed } // masks, body

// Prepare prepares polynomial i of a ciphertext, 0 <= i < k for the masks and k for the body: each may have a goroutine of its own.
func (x *PreparedGLWE) Prepare(p Parameters, ct GLWECiphertext, i int) {
	n := p.N()
	words := ct.Body
	if i < p.K() {
		words = ct.Mask[i*n : (i+1)*n]
	}
	x.polys[i] = ring.For(n).Transform(words)
}

// NewPreparedGLWE returns a ciphertext whose polynomials are yet to be prepared.
func NewPreparedGLWE(p Parameters) *PreparedGLWE {
	return &PreparedGLWE{make([]*ring.Transformed, p.K()+1)}
}

// MulPlainSum adds to polynomial i of dst (0 <= i < k: masks, k: body) that of the sum of all w[j] * ct[j], exactly modulo 2^64. The absolute values of the
// coefficients of all w together sum to at most 2^56. Noise grows by the 2-norms of w and by nothing else.
func MulPlainSum(p Parameters, dst GLWECiphertext, ct []*PreparedGLWE, w []*PlainPolynomial, i int) {
	n := p.N()
	words := dst.Body
	if i < p.K() {
		words = dst.Mask[i*n : (i+1)*n]
	}
	polys, smalls := make([]*ring.Transformed, len(ct)), make([]*ring.Small, len(w))
	for j := range ct {
		polys[j], smalls[j] = ct[j].polys[i], w[j].small
	}
	ring.For(n).MulSum(words, polys, smalls)
}

// EmbedLWE returns the GLWE mask (kN words) of a ciphertext whose coefficient 0 is ct (dimension kN): the inverse of
// [SampleExtract] at 0 on the mask.
func EmbedLWE(p Parameters, ct *LWECiphertext) []uint64 {
	n := p.N()
	mask := make([]uint64, len(ct.Mask))
	for i := 0; i < len(mask); i += n {
		mask[i] = ct.Mask[i]
		for j := 1; j < n; j++ {
			mask[i+n-j] = -ct.Mask[i+j]
		}
	}
	return mask
}
