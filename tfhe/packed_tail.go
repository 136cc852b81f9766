package tfhe

import "math"

// The noise of a selector is a fixed polynomial, drawn once for a query: an external product multiplies it by fresh digits, and the variance of the
// result is proportional to its squared norm. In an expanded row half of that norm, on average, is in N/2^(L-1) coefficients, a quarter in
// twice as many, and so on: for L = log2 N half of it rests on two coefficients. Far in the tail of the result it is these that fail, not the
// digits, and a Gaussian of the average variance would promise too little: of 128 bits it
// takes 20 for one path of 6 selectors with L = 11 and 3 with L = 7, and less the more rows a result rests on.

// Log2PFail returns log2 of the probability that a sum of count results, each of which went through depth CMUX with selectors of a packed
// query and all bits 1, is off by more than halfGap (relative to the torus), when each selector occurs at most uses times in the sum. The mixture
// over queries is taken into account to first order: the exponent of the Chernoff bound of the mixture replaces that of the Gaussian in
// [Log2PFailGap].
func (v PackedNoise) Log2PFail(pp PackedParams, halfGap float64, depth, count, uses int) float64 {
	variance := v.Select(pp).Paths(pp.Select, depth, count)
	return v.Log2PFailMixed(pp, halfGap, variance, float64(depth*count), float64(uses))
}

// Log2PFailMixed is [PackedNoise.Log2PFail] for any sum of the given variance. cmux of it, in units of the variance of one CMUX with all bits 1, come through
// selectors of a packed query, and no selector's products make more than uses of these units.
func (v PackedNoise) Log2PFailMixed(pp PackedParams, halfGap, variance, cmux, uses float64) float64 {
	return Log2PFailParts(halfGap, variance, SelectPart{v, pp, cmux, uses})
}

// SelectPart is the part of a variance that comes through selectors of one kind: CMUX units of the variance of one CMUX with all bits 1, of which no selector's
// products make more than Uses.
type SelectPart struct {
	Noise      PackedNoise
	Packed     PackedParams
	CMUX, Uses float64
}

// Log2PFailParts is [PackedNoise.Log2PFailMixed] for a sum with selectors of several kinds.
func Log2PFailParts(halfGap, variance float64, parts ...SelectPart) float64 {
	p := Log2PFailGap(halfGap, variance)
	var terms []chiSquares
	for _, s := range parts {
		if s.CMUX > 0 {
			terms = append(terms, s.Noise.spread(s.Packed, s.CMUX, s.Uses)...)
		}
	}
	if len(terms) == 0 {
		return p
	}
	return p + tailExcess(halfGap, variance, terms)/math.Ln2
}

// chiSquares is a part of a variance that is weight times a chi-square variable of degrees degrees of freedom.
type chiSquares struct{ weight, degrees float64 }

// spread returns the parts of the variance of cmux > 0 external products that vary with the query, if each selector is used at most uses times. Level i
// of an expansion leaves 4^(L-1-i) V_E in N/2^(L-1-i) coefficients of a row, and the query itself 4^L sigma^2 in N/2^L. A row's error e
// enters two rows of the GGSW ciphertext, as e and as s e. The rounding error r of the scheme switch enters one as r s^2, whose squared norm is the
// sum of that of r's N/2 complex values with weights |s|^4, fourth powers of Gaussians: as uneven as N/6 equal real ones.
func (v PackedNoise) spread(pp PackedParams, cmux, uses float64) []chiSquares {
	if !(uses > 0 && uses <= cmux) {
		uses = cmux
	}
	rows := cmux / uses * float64(pp.Select.Levels)
	n := float64(v.N)
	digit := pp.Select.SignedDigitNorm(v.N) / float64(pp.Select.Levels) * uses // of one row
	scale := digit * (1 + v.KeyWeight) / n
	terms := []chiSquares{
		{digit * v.SquareWeight * pp.Switch.RoundingVariance() * 6 / n, rows * n / 6},
		{scale * math.Ldexp(v.RequestVariance, 2*pp.Log2Slots), rows * math.Ldexp(n, -pp.Log2Slots)},
	}
	ve := v.Automorphism(pp.Expand)
	for i := range pp.Log2Slots {
		terms = append(terms, chiSquares{scale * math.Ldexp(ve, 2*(pp.Log2Slots-1-i)), rows * math.Ldexp(n, -(pp.Log2Slots-1-i))})
	}
	return terms
}

// tailExcess returns the difference, in nats and not negative, between the exponents of the Chernoff bounds of P(|X| > x) for X that is
// Gaussian given its variance, which is partly the sum of the terms, and for a Gaussian X of the same total variance:
//
//	x^2/(2V) + min_t [-t x + t^2 (V - sum_i d_i w_i)/2 - sum_i d_i/2 log(1 - t^2 w_i)].
func tailExcess(x, variance float64, terms []chiSquares) float64 {
	if !(x > 0) || !(variance > 0) {
		return 0
	}
	rest, limit := variance, math.Inf(1)
	for _, c := range terms {
		rest -= c.weight * c.degrees
		limit = math.Min(limit, 1/math.Sqrt(c.weight))
	}
	rest = math.Max(rest, 0)
	// The derivative, -x + t (rest + sum_i d_i w_i/(1 - t^2 w_i)), grows with t: bisect for its zero, at most x/V.
	low, high := 0.0, math.Min(x/variance, limit)
	for range 100 {
		t := (low + high) / 2
		slope := rest
		for _, c := range terms {
			slope += c.degrees * c.weight / (1 - t*t*c.weight)
		}
		if t*slope < x {
			low = t
		} else {
			high = t
		}
	}
	t := low
	exponent := x*x/(2*variance) - t*x + t*t*rest/2
	for _, c := range terms {
		exponent -= c.degrees / 2 * math.Log1p(-t*t*c.weight)
	}
	return math.Max(exponent, 0)
}
