package rng

import (
	"math"
	"math/bits"
)

// coarse bounds log2 of the deviation of the part of a noise that comes from a floating-point normal. At 2^44 a normal of 53 bits
// within 10 deviations is known to 2^(44+3.4-53) < 1/16 of the rounding step, so all bits of the rounded value are random.
const coarse = 44

// Gaussian adds to every word of dst an independent rounded normal of mean 0 and standard deviation 2^log2Sigma relative to the torus,
// that is round(2^(64+log2Sigma) g) in units of 2^-64. log2Sigma is at most -2 (there the noise wraps around the torus
// at two deviations); at -69 and below, -Inf included, nothing is added: half a word is 16 deviations. It panics if log2Sigma is above -2 or NaN.
//
// The normal g has the precision of a float64 at every scale, tails included, and where 2^(64+log2Sigma) exceeds 2^44 the bits below its
// resolution are filled with uniform ones, a change of the variance by less than 2^-88. A sampler of coarser granularity would leave
// low bits of the noise constant, and low bits without noise are linear equations in the key.
func (s *Source) Gaussian(dst []uint64, log2Sigma float64) {
	if !(log2Sigma <= -2) {
		panic("rng: standard deviation is not below 1/4 of the torus")
	}
	logDeviation := 64 + log2Sigma
	fill := uint(0)
	if logDeviation > coarse {
		fill = uint(math.Ceil(logDeviation - coarse))
	}
	deviation := math.Exp2(logDeviation - float64(fill))
	var mask, half uint64
	if fill > 0 {
		mask, half = 1<<fill-1, 1<<(fill-1)
	}
	add := func(p *uint64, g float64) {
		// |deviation*g| < 2^(44+5): the conversion is exact.
		v := uint64(int64(math.RoundToEven(deviation*g))) << fill
		if fill > 0 {
			v += s.Uint64()&mask - half
		}
		*p += v
	}
	for i := 0; i+1 < len(dst); i += 2 {
		g0, g1 := s.normals()
		add(&dst[i], g0)
		add(&dst[i+1], g1)
	}
	if len(dst)%2 == 1 {
		g, _ := s.normals()
		add(&dst[len(dst)-1], g)
	}
}

// normals returns two independent standard normals (Box and Muller, Ann. Math. Statist. 29, 1958).
func (s *Source) normals() (float64, float64) {
	radius := math.Sqrt(-2 * math.Log(s.unit()))
	sin, cos := math.Sincos(2 * math.Pi * (float64(s.Uint64()>>11) * 0x1p-53))
	return radius * cos, radius * sin
}

// unit returns a uniform number of (0, 1) with 53 significant bits at every scale: a mantissa of 52 random bits and an exponent with
// the geometric distribution. The smallest value is far below 2^-64, so that normals has the right tail beyond 9 deviations.
func (s *Source) unit() float64 {
	w := s.Uint64()
	mantissa := w >> 12
	exponent := 1
	if low := w & 0xfff; low != 0 {
		exponent += bits.TrailingZeros64(low)
	} else {
		exponent += 12
		for {
			w = s.Uint64()
			if w != 0 {
				break
			}
			exponent += 64 // a word of zeros: probability 2^-64
		}
		exponent += bits.TrailingZeros64(w)
	}
	return math.Ldexp(1+float64(mantissa)*0x1p-52, -min(exponent, 1000))
}
