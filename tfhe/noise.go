package tfhe

import (
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/fft"
)

// All variances of this file are relative to q^2 (the torus has length 1), and all functions are pure. Key weights are squared 2-norms.
// Terms of the order q^-2 = 2^-128 are left out: they lie 2^30 and more below every budget that decrypts.

const (
	// DefaultFFTVariance is the error variance of one coefficient of a Fourier-domain product of a digit polynomial and a polynomial of
	// 64-bit torus elements in float64 arithmetic, divided by the squared norm of the digit polynomial: the constant measured on this
	// package's own transforms for digits of 4 to 28 bits.
	DefaultFFTVariance = fft.ErrorVariance
	// TFHErsFFTConstant is the leading constant of the fit of tfhe-rs to its own FFT (core_crypto/commons/noise_formulas).
	TFHErsFFTConstant = 0.00705
)

// GadgetParams is a signed balanced decomposition into Levels digits of base B = 2^BaseLog, from the most significant downwards.
type GadgetParams struct {
	BaseLog, Levels int
}

// String writes base and levels as 2^22x1.
func (g GadgetParams) String() string { return fmt.Sprintf("2^%dx%d", g.BaseLog, g.Levels) }

// DigitNorm returns the expected squared norm of the digits of n coefficients: l n (B^2/12 + 1/6). It is the variance that a key's noise gets
// multiplied by if the digits have no mean, that is if ties between B/2 and -B/2 are broken evenly: with a mean, one key's noise also shifts.
func (g GadgetParams) DigitNorm(n int) float64 {
	return float64(g.Levels) * float64(n) * (math.Ldexp(1, 2*g.BaseLog)/12 + 1./6)
}

// SignedDigitNorm is DigitNorm for the digits of external products and of key switches in a ring, those of |x| with the sign of x: carries then make the first
// digit larger, and its mean square by B/(4(B-1)).
func (g GadgetParams) SignedDigitNorm(n int) float64 {
	base := math.Ldexp(1, g.BaseLog)
	return g.DigitNorm(n) + float64(n)*base/(4*(base-1))
}

// RoundingVariance returns the variance of what the decomposition of one coefficient drops: B^(-2l)/12.
func (g GadgetParams) RoundingVariance() float64 {
	return math.Ldexp(1, -2*g.BaseLog*g.Levels) / 12
}

// SelectNoise describes external products with GGSW ciphertexts of bits in a circuit without blind rotation.
type SelectNoise struct {
	// N and K are the ring degree and the number of mask polynomials.
	N, K int
	// KeyWeight is the squared norm |s|^2 of the GLWE key: at most WorstTernaryWeight(kN), say.
	KeyWeight float64
	// MaskRowVariance and BodyRowVariance are the variances of the GGSW rows that carry -s*m (K per level) and m (one per level). Both are
	// sigma^2 in a fresh ciphertext.
	MaskRowVariance, BodyRowVariance float64
	// FFTVariance is the FFT's error per product, as DefaultFFTVariance.
	FFTVariance float64
	// SplitMask says that the mask half of the rows is kept as high and low parts, so that the FFT's error in it is not multiplied by the key.
	SplitMask bool
}

// FreshSelect describes external products with fresh GGSW ciphertexts of deviation 2^log2Sigma.
func FreshSelect(n, k int, keyWeight, log2Sigma float64) SelectNoise {
	v := math.Exp2(2 * log2Sigma)
	return SelectNoise{N: n, K: k, KeyWeight: keyWeight, MaskRowVariance: v, BodyRowVariance: v, FFTVariance: DefaultFFTVariance}
}

// ExternalProduct returns the variance that one external product adds, without the rounding of the decomposition: the noise of the rows and
// of the FFT under the digits of k+1 polynomials. A GGSW ciphertext of the bit 0 adds no more than this.
func (s SelectNoise) ExternalProduct(g GadgetParams) float64 {
	fft := s.FFTVariance
	if !s.SplitMask {
		fft *= 1 + s.KeyWeight
	}
	k := float64(s.K)
	return g.SignedDigitNorm(s.N) * (k*s.MaskRowVariance + s.BodyRowVariance + (k+1)*fft)
}

// inverseShare is the part of the FFT's error that the inverse transform makes: the largest measured of all kernels (TestFourierSumNoise).
const inverseShare = 0.23

// Inverse returns the variance of the error of one more inverse transform of an external product's result, beside that of [SelectNoise.ExternalProduct]: that of
// a sum of r products, as [FourierSum] holds it, is r times as large.
func (s SelectNoise) Inverse(g GadgetParams) float64 {
	fft := s.FFTVariance
	if !s.SplitMask {
		fft *= 1 + s.KeyWeight
	}
	return inverseShare * g.SignedDigitNorm(s.N) * float64(s.K+1) * fft
}

// CMUX returns the variance that one CMUX adds to the selected branch when its bit is 1, the worst case: the external product and the rounding
// of the decomposition, (1 + |s|^2) B^(-2l)/12. What the branches carried themselves comes on top.
func (s SelectNoise) CMUX(g GadgetParams) float64 {
	return s.ExternalProduct(g) + (1+s.KeyWeight)*g.RoundingVariance()
}

// Paths returns the variance of a sum of count results, each of which went through depth CMUX with all bits 1. In a tree of binary decisions
// whose lowest nodes have clear leaves, depth is one less than the tree's depth; a rotation by input bits has count 1 and one CMUX a bit.
func (s SelectNoise) Paths(g GadgetParams, depth, count int) float64 {
	return float64(depth) * float64(count) * s.CMUX(g)
}

// RotationForm says how a blind rotation multiplies the accumulator by a monomial under an encrypted key coordinate, which decides its noise.
type RotationForm int

const (
	// BlockRotation is acc += sum_j (X^{a_j} - 1) BSK_j [.] acc over the coordinates of a block. The factor X^a - 1 doubles the noise of the
	// key and of the FFT, for every coordinate; the rounding of the decomposition enters, doubled, where the coordinate is 1.
	BlockRotation RotationForm = iota
	// TFHErsRotation is one CMUX a coordinate, with the variance and FFT term of tfhe-rs 1.7 (lwe_programmable_bootstrap.rs).
	TFHErsRotation
)

// KeyMoments are the mean and the variance of one key coordinate, or of the coordinates of one given key: (Mean, mean of (s_i - Mean)^2).
// A public sign per coordinate, which its ciphertext coefficient takes over, changes neither.
type KeyMoments struct {
	Mean, Variance float64
}

// SecondMoment returns the mean of the squared coordinates.
func (k KeyMoments) SecondMoment() float64 { return float64(k.Mean*k.Mean) + k.Variance }

// KeySwitchVariance returns the variance that a key switch of dim coordinates adds, with a key-switching key of noise variance v over a
// modulus of 2^modulusLog: t dim v (B^2/12 + 1/6), the rounding of the decomposition, and the rounding to the modulus, 2^(-2 modulusLog)/12
// (1 + smallWeight). The rounding of the decomposition is dim B^(-2t)/12 times the second moment of the coordinates, or their variance if
// centred: if the mean times the sum of the rounding errors, which is public, is added to the body.
func KeySwitchVariance(dim int, g GadgetParams, v float64, key KeyMoments, centred bool, modulusLog int, smallWeight float64) float64 {
	moment := key.SecondMoment()
	if centred {
		moment = key.Variance
	}
	return g.DigitNorm(dim)*v + float64(dim)*moment*g.RoundingVariance() +
		math.Ldexp(1+smallWeight, -2*modulusLog)/12
}

// ModulusSwitchVariance returns the variance that rounding an LWE ciphertext of dimension n to multiples of 1/slots adds; slots is 2N for a
// table in one polynomial and 2mN for one in m polynomials. If centred, the mean of the key times the sum of the rounding errors is
// added to the body and half a step shifts its cells onto the table's, so that n coordinates of the key's variance remain: n Var/12 / slots^2.
func ModulusSwitchVariance(n int, key KeyMoments, centred bool, slots float64) float64 {
	v := float64(n) * key.SecondMoment()
	if centred {
		v = float64(n) * key.Variance
	} else {
		v++ // the body's own rounding
	}
	return v / 12 / (slots * slots)
}

// NoiseModel is what the noise of a lookup depends on besides its parameters: the key, the form of the rotation and the FFT.
type NoiseModel struct {
	// Form of the blind rotation.
	Form RotationForm
	// SmallKey are the moments of the small key's coordinates about the mean that the modulus switch compensates; SwitchedKey those of the
	// coordinates that the key switch removes.
	SmallKey, SwitchedKey KeyMoments
	// SmallWeight and KeyWeight are the weights |s|^2 of the small key and of the whole GLWE key.
	SmallWeight, KeyWeight float64
	// FFTConstant is the FFT's error per product as DefaultFFTVariance, or for TFHErsRotation the constant of their fit.
	FFTConstant float64
	// CompactKey says that the bootstrapping key of a BlockRotation is kept in 48 bits a number wherever that is possible: see compactShape.
	CompactKey bool
	// CentredKeySwitch and CentredModulusSwitch say that public mean errors are compensated.
	CentredKeySwitch, CentredModulusSwitch bool
}

// BlockNoiseModel is the model of this package's lookups: a GLWE key whose first n coordinates are a small key of weight smallWeight
// in blocks of blockLength, and whose others are uniform binary of weight restWeight.
func BlockNoiseModel(n, blockLength int, smallWeight, restWeight, fftVariance float64) NoiseModel {
	p := 1 / float64(blockLength+1)
	return NoiseModel{
		Form: BlockRotation,
		// The coordinates of this key are 1 in smallWeight places and else 0.
		SmallKey:             KeyMoments{Mean: p, Variance: smallWeight/float64(n)*(1-2*p) + p*p},
		SwitchedKey:          KeyMoments{Mean: 0.5, Variance: 0.25},
		SmallWeight:          smallWeight,
		KeyWeight:            smallWeight + restWeight,
		FFTConstant:          fftVariance,
		CompactKey:           blockLength == fft.BlockTerms,
		CentredKeySwitch:     true,
		CentredModulusSwitch: true,
	}
}

// WorstBlockNoiseModel is BlockNoiseModel for the heaviest keys that key generation accepts: WorstBlockWeight in the small key and
// WorstBlockPrefixWeight in the whole.
func WorstBlockNoiseModel(dim, n, blockLength int, fftVariance float64) NoiseModel {
	small := WorstBlockWeight(n, blockLength)
	return BlockNoiseModel(n, blockLength, small, WorstBlockPrefixWeight(dim, n, blockLength)-small, fftVariance)
}

// TFHErsNoiseModel is the model of tfhe-rs 1.4 to 1.7: uniform binary keys of average weight, one CMUX a coordinate, plain key switch, centred
// modulus switch. dim is kN.
func TFHErsNoiseModel(dim, n int) NoiseModel {
	return NoiseModel{
		Form:                 TFHErsRotation,
		SmallKey:             KeyMoments{0.5, 0.25},
		SwitchedKey:          KeyMoments{0.5, 0.25},
		SmallWeight:          float64(n) / 2,
		KeyWeight:            float64(dim) / 2,
		FFTConstant:          TFHErsFFTConstant,
		CentredModulusSwitch: true,
	}
}

// BootstrapShape are the parameters of one lookup: key switch, modulus switch and blind rotation.
type BootstrapShape struct {
	// N and K are ring degree and mask polynomials, Parts the number m of polynomials that the table is spread over (1, unless extended).
	N, K, Parts int
	// SmallDim is the dimension n of the small key.
	SmallDim int
	// BR and KS are the gadgets of blind rotation and key switch.
	BR, KS GadgetParams
	// VarianceGLWE and VarianceLWE are the noise variances of the bootstrapping and of the key-switching key.
	VarianceGLWE, VarianceLWE float64
	// PrefixKey says that the small key is the prefix of the GLWE key, so that kN-n coordinates instead of kN are switched.
	PrefixKey bool
	// SmallModulusLog is log2 of the modulus of the key-switching key: 64, or 32.
	SmallModulusLog int
}

// BootstrapNoise is the noise budget of a lookup.
type BootstrapNoise struct {
	// Br is the variance of a lookup's output; Ks and Ms are what key switch and modulus switch add in front of a lookup.
	Br, Ks, Ms float64
	// Total is the variance at the table of the next lookup: nu^2 Br + Ks + Ms and the input's own.
	Total float64
	// Log2PFail is log2 of the probability that the next lookup takes a wrong entry.
	Log2PFail float64
}

// Bootstrap returns the noise of a lookup of the given shape, and the failure probability of one whose input of bits message bits (and a
// padding bit) is a combination of other lookups' outputs with weights of squared 2-norm nu2, plus independent noise of variance input.
func (m NoiseModel) Bootstrap(s BootstrapShape, bits int, nu2, input float64) BootstrapNoise {
	dim := s.N * s.K
	if s.PrefixKey {
		dim -= s.SmallDim
	}
	b := BootstrapNoise{
		Br: m.BlindRotation(s),
		Ks: KeySwitchVariance(dim, s.KS, s.VarianceLWE, m.SwitchedKey, m.CentredKeySwitch, s.SmallModulusLog, m.SmallWeight),
		Ms: ModulusSwitchVariance(s.SmallDim, m.SmallKey, m.CentredModulusSwitch, 2*float64(s.Parts)*float64(s.N)),
	}
	b.Total = float64(nu2*b.Br) + input + b.Ks + b.Ms
	b.Log2PFail = Log2PFail(bits, b.Total)
	return b
}

// BlindRotation returns the variance of a blind rotation's output; it does not depend on the number of parts.
//
//	BlockRotation:  2n l(k+1)N (B^2/12 + 1/6) (sigma^2 + (F + C) (1+|s|^2)) + 2 hw B^(-2l)/12 (1 + |s|^2)
//	TFHErsRotation: n (l(k+1)N (B^2/12 + 1/6) sigma^2 + B^(-2l)/24 (1 + |s|^2) + c 2^-106 B^2 l^1.01827 k^1.22003 N^2.22003 (k+1)^1.01827)
//
// with hw the small key's weight. In the first the FFT's error in the mask is multiplied by the key, which is where the exponent of N in the
// second comes from. C is fft.CompactVariance for a key that may be kept in compact storage, and 0 for others.
func (m NoiseModel) BlindRotation(s BootstrapShape) float64 {
	n, k := float64(s.SmallDim), float64(s.K)
	rows := (k + 1) * s.BR.DigitNorm(s.N)
	masked := m.FFTConstant
	if m.CompactKey && compactShape(s.Parts, s.BR) {
		masked += fft.CompactVariance(s.N)
	}
	switch m.Form {
	case BlockRotation:
		return 2*n*rows*(s.VarianceGLWE+masked*(1+m.KeyWeight)) +
			2*m.SmallWeight*s.BR.RoundingVariance()*(1+m.KeyWeight)
	case TFHErsRotation:
		fft := m.FFTConstant * math.Ldexp(1, 2*s.BR.BaseLog-106) *
			math.Pow(float64(s.BR.Levels), 1.01827) * math.Pow(k, 1.22003) * math.Pow(float64(s.N), 2.22003) * math.Pow(k+1, 1.01827)
		return n * (rows*s.VarianceGLWE + s.BR.RoundingVariance()/2*(1+m.KeyWeight) + fft)
	}
	panic(fmt.Sprintf("tfhe: unknown rotation form %d", int(m.Form)))
}

// maxCompactBaseLog is the largest gadget base with compact keys: the error of their numbers grows with the base, and the rounding of digits falls.
const maxCompactBaseLog = 20

// compactShape tells for which lookups the bootstrapping key is kept in 48 bits a number, on machines with kernels for it: tables in one part and one level, whose lookups
// wait for memory, with digits that its rounding leaves room for.
func compactShape(parts int, br GadgetParams) bool {
	return parts == 1 && br.Levels == 1 && br.BaseLog <= maxCompactBaseLog
}

// Log2PFail returns log2 of the probability that noise of the given variance moves a message of bits bits, below one padding bit, out of its
// box: log2 erfc(2^-(bits+2) / sqrt(2V)).
func Log2PFail(bits int, variance float64) float64 {
	return Log2PFailGap(math.Ldexp(1, -bits-2), variance)
}

// Log2PFailGap returns log2 of the probability that Gaussian noise of the given variance exceeds halfGap in absolute value. It is accurate to
// 1e-12 of its value far beyond the range of float64 probabilities; 0 without a gap, and -Inf without noise.
func Log2PFailGap(halfGap, variance float64) float64 {
	switch {
	case math.IsNaN(halfGap) || math.IsNaN(variance):
		return math.NaN()
	case halfGap <= 0:
		return 0
	case variance <= 0:
		return math.Inf(-1)
	}
	return log2Erfc(halfGap / math.Sqrt(2*variance))
}

// MaxVariance returns the largest variance for which Log2PFail(bits, variance) is at most log2PFail, to 1e-12 of it and never above;
// log2PFail is negative.
func MaxVariance(bits int, log2PFail float64) float64 {
	if !(log2PFail < 0) || math.IsInf(log2PFail, -1) {
		panic(fmt.Sprintf("tfhe: %v is no log2 of a probability between 0 and 1", log2PFail))
	}
	// erfc(x) < exp(-x^2) gives the upper end of x = gap/sqrt(2V).
	low, high := 0.0, math.Sqrt(-log2PFail*math.Ln2)+1
	for range 100 {
		if mid := (low + high) / 2; log2Erfc(mid) > log2PFail {
			low = mid
		} else {
			high = mid
		}
	}
	gap := math.Ldexp(1, -bits-2) / high
	return gap * gap / 2 * (1 - 1e-13)
}

// log2Erfc returns log2 erfc(x), x >= 0.
func log2Erfc(x float64) float64 {
	if x < 20 {
		return math.Log2(math.Erfc(x))
	}
	if math.IsInf(x, 1) {
		return math.Inf(-1)
	}
	// erfc(x) = exp(-x^2)/sqrt(pi) / (x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))) (Abramowitz and Stegun 7.1.14): from x = 20 on ten terms
	// leave an error below 1e-17.
	f := x
	for i := 20; i > 0; i-- {
		f = x + float64(i)/2/f
	}
	return -float64(x*x)*math.Log2E - math.Log2(f) - math.Log2(math.Pi)/2
}

// Log2SumExp2 returns log2 of the sum of 2^a over its arguments: the union bound over failure probabilities. It is -Inf for none.
func Log2SumExp2(a ...float64) float64 {
	most := math.Inf(-1)
	for _, x := range a {
		most = math.Max(most, x)
	}
	if math.IsInf(most, 0) || math.IsNaN(most) {
		return most
	}
	sum := 0.0
	for _, x := range a {
		sum += math.Exp2(x - most)
	}
	return most + math.Log2(sum)
}
