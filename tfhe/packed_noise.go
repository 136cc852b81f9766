package tfhe

import "math"

// PackedNoise predicts the noise of packed queries, their expansion and the GGSW ciphertexts made of them (k = 1). Variances are relative to
// q^2, as everywhere in this package; V_d(g) = [GadgetParams.SignedDigitNorm] is l N (B^2/12 + 1/6) + N B/(4(B-1)).
type PackedNoise struct {
	// N is the ring degree.
	N int
	// KeyWeight is |s|^2, SquareWeight is |s^2|^2: the squared norm of the product of the key with itself in the ring.
	KeyWeight, SquareWeight float64
	// RequestVariance and KeyVariance are the fresh noise of the packed ciphertexts and of the rows of the expansion key: sigma^2, unless the
	// low bits of bodies are dropped.
	RequestVariance, KeyVariance float64
	// FFTVariance is the FFT's error per product, as DefaultFFTVariance.
	FFTVariance float64
}

// fusedForming is the share of the FFT's error that a fused scheme switch meets when it forms a row, which is without an inverse transform; the
// other, whole, is that of the products with the row, whose values are as large as the digits of the switch make them.
const fusedForming = 0.5

// NewPackedNoise describes packed queries under a key of squared norm keyWeight, and noise of deviation 2^log2Sigma in queries and keys. SquareWeight is
// [SquareWeight] of it.
func NewPackedNoise(n int, keyWeight, log2Sigma float64) PackedNoise {
	v := math.Exp2(2 * log2Sigma)
	return PackedNoise{N: n, KeyWeight: keyWeight, SquareWeight: SquareWeight(keyWeight), RequestVariance: v, KeyVariance: v, FFTVariance: DefaultFFTVariance}
}

// SquareWeight returns the mean of |s^2|^2 over keys of zero mean and weight |s|^2: 2 |s|^4, since the values of s at the roots of X^N+1 are
// nearly complex Gaussian. That of one key deviates from it by sqrt(2/N) of it, 3% at N = 2048 (1.5% of a standard deviation).
func SquareWeight(keyWeight float64) float64 { return 2 * keyWeight * keyWeight }

// WorstSquareWeight returns SquareWeight plus two deviations: what a budget for every key assumes. WorstSquareWeight(n, p.WorstKeyWeight())
// counts the key's weight at its worst, too.
func WorstSquareWeight(n int, keyWeight float64) float64 {
	return SquareWeight(keyWeight) * (1 + 2*math.Sqrt(2/float64(n)))
}

// Automorphism returns the variance V_E that an automorphism and its key switch add:
// V_d (sigma^2 + F) + |s|^2 B^(-2l)/12. The mask is split, so that F is not multiplied by the key.
func (v PackedNoise) Automorphism(g GadgetParams) float64 {
	return g.SignedDigitNorm(v.N)*(v.KeyVariance+v.FFTVariance) + v.KeyWeight*g.RoundingVariance()
}

// Row returns the variance V_m of an expanded row, averaged over its coefficients: 2^L sigma^2 + (2^L - 1) V_E. It is the noise of a row as part
// of an external product. A ciphertext that is not full may be expanded over fewer levels, with less noise.
func (v PackedNoise) Row(pp PackedParams) float64 {
	if pp.Log2Slots == 0 {
		return v.RequestVariance
	}
	slots := math.Ldexp(1, pp.Log2Slots)
	return slots*v.RequestVariance + (slots-1)*v.Automorphism(pp.Expand)
}

// RowPeak returns the variance of the coefficients 0, 2^L, 2*2^L .. of an expanded row: 4^L sigma^2 + (4^L - 1)/3 V_E. The noise of the query is in
// these alone. It is the noise of a row that is multiplied by a clear integer and read at coefficient 0.
func (v PackedNoise) RowPeak(pp PackedParams) float64 {
	if pp.Log2Slots == 0 {
		return v.RequestVariance
	}
	squares := math.Ldexp(1, 2*pp.Log2Slots)
	return squares*v.RequestVariance + (squares-1)/3*v.Automorphism(pp.Expand)
}

// SwitchedRow returns the variance V_s of a row that carries -s m, made of an expanded row:
// |s|^2 V_m + V_d (sigma^2 + F*) + |s^2|^2 B^(-2l)/12, where F* is F (1 + |s|^2), or F with [SwitchSplit]. For [SwitchFused] it includes what
// products with the row lose later, as [SelectNoise] counts it.
func (v PackedNoise) SwitchedRow(pp PackedParams) float64 {
	fft := v.FFTVariance * (1 + v.KeyWeight)
	switch pp.Form {
	case SwitchSplit:
		fft = v.FFTVariance
	case SwitchFused:
		fft *= 1 + fusedForming
	}
	return v.KeyWeight*v.Row(pp) + pp.Switch.SignedDigitNorm(v.N)*(v.KeyVariance+fft) + v.SquareWeight*pp.Switch.RoundingVariance()
}

// Select describes external products with the GGSW ciphertexts that come out of a packed query.
func (v PackedNoise) Select(pp PackedParams) SelectNoise {
	return SelectNoise{N: v.N, K: 1, KeyWeight: v.KeyWeight, MaskRowVariance: v.SwitchedRow(pp), BodyRowVariance: v.Row(pp), FFTVariance: v.FFTVariance}
}
