package tfhe

import (
	"math"
	"testing"
)

// computedSets are lookups of two and three levels with an expansion key of all automorphisms.
var computedSets = []ParametersLiteral{
	withPacked(realLookupSet(884, 1, GadgetParams{15, 2}, GadgetParams{3, 5}),
		PackedParams{Log2Slots: 11, Expand: GadgetParams{8, 6}, Switch: GadgetParams{11, 3}, Select: GadgetParams{6, 3}}),
	withPacked(realLookupSet(884, 2, GadgetParams{11, 3}, GadgetParams{3, 5}),
		PackedParams{Log2Slots: 11, Expand: GadgetParams{7, 7}, Switch: GadgetParams{12, 3}, Select: GadgetParams{5, 4}, Form: SwitchSplit}),
}

// TestComputedSelector makes GGSW ciphertexts of bits that are only known as LWE ciphertexts, and measures the noise of a CMUX with them against the
// prediction for the heaviest key. Every row has noise in one coefficient, so that only as many samples are independent as there are rows.
func TestComputedSelector(t *testing.T) {
	for _, lit := range computedSets {
		k := keysOf(t, lit)
		pp := k.p.Packed()
		l := pp.Select.Levels
		ones := []uint64{1 << 50} // a result at another scale beside the rows
		for j := range l {
			ones = append(ones, 1<<(64-pp.Select.BaseLog*(j+1)))
		}
		table := NewSignTables(k.p, ones)
		if want := 4 << (l / 4); table.Outputs() != want {
			t.Fatalf("%d outputs for %d results, want %d", table.Outputs(), len(ones), want)
		}
		x, b := NewExpander(k.server.Expansion()), NewBootstrapper(k.p, k.server, 2)
		ev := k.evaluator(pp.Select)
		var m, side [2]moments
		bits := randomBits(samples(48, 400))
		selector, dst := NewFourierGGSW(k.p, pp.Select), NewGLWE(k.p)
		for _, bit := range bits {
			out := make([]LWECiphertext, table.Outputs())
			for i := range out {
				out[i] = NewLWE(k.p.BigDimension())
			}
			b.Run(out, []LWECiphertext{k.encryptLWE(uint64(bit) << 63)}, []*LookupTable{table})
			for i, one := range ones {
				out[i].Body += one >> 1
			}
			side[bit].addDifference([]uint64{k.dec.LWE(&out[0])}, []uint64{uint64(bit) << 50})
			x.ComputedSelector(selector, out[1:][:l])
			for range 4 {
				lo, hi := k.randomGLWE(), k.randomGLWE()
				want := k.phase(lo)
				if bit == 1 {
					want = k.phase(hi)
				}
				ev.CMUX(dst, selector, lo, hi)
				m[bit].addDifference(k.phase(dst), want)
			}
		}
		b.Close()
		br := WorstBlockNoiseModel(k.p.N(), lit.SmallDimension, lit.BlockLength, DefaultFFTVariance).BlindRotation(BootstrapShape{N: k.p.N(), K: 1, SmallDim: lit.SmallDimension,
			BR: lit.BlindRotate, VarianceGLWE: math.Exp2(2 * lit.Log2SigmaGLWE)})
		noise := packedSet{keySet: k, pp: pp}.noise().Computed(br).Select(pp)
		for bit, predicted := range []float64{noise.ExternalProduct(pp.Select), noise.CMUX(pp.Select)} {
			got, result := math.Sqrt(m[bit].variance()), math.Sqrt(side[bit].variance())
			t.Logf("%v, bit %d: CMUX deviation 2^%.2f measured, 2^%.2f predicted (ratio %.3f); result 2^%.2f, predicted 2^%.2f", lit.BlindRotate, bit,
				math.Log2(got), math.Log2(predicted)/2, got/math.Sqrt(predicted), math.Log2(result), math.Log2(br)/2)
			// Half of the bits have l rows each: a relative error of 1/sqrt(2 rows) in a deviation, of which 5.5 are allowed.
			allowed := 5.5 / math.Sqrt(float64(len(bits)*l)*0.7)
			if ratio := got / math.Sqrt(predicted); ratio > 1.05+allowed || ratio < 0.9-allowed {
				t.Errorf("%v, bit %d: CMUX deviation is %.3f of the predicted one", lit.BlindRotate, bit, ratio)
			}
			if ratio := result / math.Sqrt(br); ratio > 2.5 {
				t.Errorf("%v, bit %d: result's deviation is %.3f of the predicted one", lit.BlindRotate, bit, ratio)
			}
		}
	}
}

// TestComputedSelectorRefuses what has no meaning.
func TestComputedSelectorRefuses(t *testing.T) {
	k := packedKeys(t, toyTernary, toyPacked)
	for name, f := range map[string]func(){
		"slots": func() {
			k.x.ComputedSelector(NewFourierGGSW(k.p, k.pp.Select), make([]LWECiphertext, k.pp.Select.Levels))
		},
		"results": func() { NewSignTables(parametersOf(t, toy), nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
