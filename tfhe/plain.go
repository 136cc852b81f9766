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
