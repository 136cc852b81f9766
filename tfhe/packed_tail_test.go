package tfhe

import (
	"math"
	"testing"
)

// mixtureTail integrates P(|X| > x) over the variance rest + weight * chi-square numerically.
func mixtureTail(x, rest, weight, degrees float64) float64 {
	lg, _ := math.Lgamma(degrees / 2)
	logs := []float64{}
	const step = 0.002
	for y := -12.0; y < 9; y += step { // u = e^y
		u := math.Exp(y)
		density := (degrees/2-1)*y - u/2 - degrees/2*math.Ln2 - lg + y
		logs = append(logs, Log2PFailGap(x, rest+weight*u)+(density+math.Log(step))/math.Ln2)
	}
	return Log2SumExp2(logs...)
}

// TestTailExcess compares the first-order tail with integrals of mixtures.
func TestTailExcess(t *testing.T) {
	for _, c := range []struct{ share, degrees float64 }{{0.5, 2}, {0.5, 16}, {0.5, 64}, {0.9, 32}, {0.2, 8}, {0.5, 1024}, {0, 1}} {
		for _, log2p := range []float64{-40, -64, -128} {
			variance := 1.0
			x := math.Ldexp(1, -2) / math.Sqrt(MaxVariance(0, log2p)) // erfc(x/sqrt2) = 2^log2p
			w := c.share / c.degrees
			want := mixtureTail(x, 1-c.share, w, c.degrees)
			got := Log2PFailGap(x, variance)
			if c.share > 0 {
				got += tailExcess(x, variance, []chiSquares{{w, c.degrees}}) / math.Ln2
			}
			t.Logf("share %.1f in %4.0f: Gaussian 2^%.0f, mixture 2^%.2f, first order 2^%.2f", c.share, c.degrees, log2p, want, got)
			// The factor before the exponent is left out: a few bits where the mixture is far from Gaussian.
			if tolerance := 0.3 + 0.06*math.Abs(want-log2p); math.Abs(got-want) > tolerance {
				t.Errorf("share %g in %g degrees: 2^%.2f, want 2^%.2f", c.share, c.degrees, got, want)
			}
		}
	}
	if e := tailExcess(0, 1, nil); e != 0 {
		t.Errorf("no gap, but an excess of %g", e)
	}
	v := NewPackedNoise(2048, 1365, -50.1)
	for _, pp := range []PackedParams{packed7, packed11} {
		gap := math.Sqrt(v.Select(pp).Paths(pp.Select, 6, 1)) * 13.15
		t.Logf("L=%d, one path of 6 at 13.15 deviations: Gaussian 2^%.1f, mixture 2^%.1f", pp.Log2Slots,
			Log2PFailGap(gap, v.Select(pp).Paths(pp.Select, 6, 1)), v.Log2PFail(pp, gap, 6, 1, 1))
		gap = math.Sqrt(v.Select(pp).Paths(pp.Select, 3, 50)) * 13.15
		t.Logf("L=%d, 50 paths of 3: Gaussian 2^%.1f, mixture 2^%.1f, each selector 10 times 2^%.1f", pp.Log2Slots,
			Log2PFailGap(gap, v.Select(pp).Paths(pp.Select, 3, 50)), v.Log2PFail(pp, gap, 3, 50, 1), v.Log2PFail(pp, gap, 3, 50, 10))
	}
}

// TestSelectorSpread measures how much the variance of an external product differs from selector to selector, against the model behind Log2PFail.
func TestSelectorSpread(t *testing.T) {
	for _, pp := range []PackedParams{packed11, packed7} {
		var sum, squares, n, predicted float64
		for range samples(2, 10) {
			k := packedKeys(t, ternarySet, pp)
			bits := make([]int64, 1<<pp.Log2Slots/pp.Select.Levels) // all 0: no rounding
			selectors := make([]*FourierGGSW, 8)
			for first := 0; first+8 <= min(len(bits), 128); first += 8 {
				k.x.Selectors(selectors, k.query(t, bits), first)
				for _, s := range selectors {
					// Several products with one selector: 2048 coefficients of one are few samples where its noise is coloured.
					var m moments
					for range 4 {
						dst := NewGLWE(k.p)
						k.ev.ExternalProductAdd(dst, s, k.randomGLWE())
						m.addDifference(k.phase(dst), make([]uint64, k.p.N()))
					}
					sum, squares, n = sum+m.variance(), squares+m.variance()*m.variance(), n+1
				}
			}
			v := k.noise()
			for _, c := range v.spread(pp, 1, 1) {
				predicted += 2 * c.weight * c.weight * c.degrees / float64(samples(2, 10))
			}
		}
		mean := sum / n
		measured, want := math.Sqrt(squares/n-mean*mean)/mean, math.Sqrt(predicted)/mean
		t.Logf("L=%d: the variance of a product varies by %.3f of it, model %.3f (%.0f selectors)", pp.Log2Slots, measured, want, n)
		// The samples of one selector, less than independent, add some hundredths.
		if measured < 0.6*want || measured > math.Hypot(1.5*want, 0.06) {
			t.Errorf("L=%d: the variance of a product varies by %.3f of it, model %.3f", pp.Log2Slots, measured, want)
		}
	}
}
