package tfhe

import (
	"fmt"
	"math"
	"testing"
)

// TestSwitchedNoise measures switched rows, in torus words, against the prediction: fresh rows (no expansion), so that the switch itself decides, and
// expanded ones.
func TestSwitchedNoise(t *testing.T) {
	for _, c := range []struct {
		lit ParametersLiteral
		pp  PackedParams
	}{
		{ternarySet, PackedParams{Switch: GadgetParams{8, 6}, Select: GadgetParams{17, 1}}},
		{ternarySet, PackedParams{Switch: GadgetParams{12, 4}, Select: GadgetParams{11, 2}}},
		{ternarySet, PackedParams{Switch: GadgetParams{12, 4}, Select: GadgetParams{11, 2}, Form: SwitchSplit}},
		{ternarySet, PackedParams{Switch: GadgetParams{9, 3}, Select: GadgetParams{11, 2}}},
		{ternarySet, packed7},
		{ternarySet, packed11},
		{ternarySet, withForm(packed11, SwitchSplit)},
		{set4, PackedParams{Log2Slots: 7, Expand: GadgetParams{8, 5}, Switch: GadgetParams{11, 4}, Select: GadgetParams{9, 2}}},
	} {
		var m moments
		var v PackedNoise
		for range samples(2, 10) {
			k := packedKeys(t, c.lit, c.pp)
			v = k.noise()
			n, l := k.p.N(), c.pp.Select.Levels
			rows := min(1<<c.pp.Log2Slots, 64*l) / l * l
			bits := randomBits(max(1<<c.pp.Log2Slots, 32*l) / l)
			if c.pp.Log2Slots == 0 {
				rows = len(bits) * l
			}
			dst, want := NewGLWE(k.p), make([]uint64, n)
			k.x.Rows(k.query(t, bits), 0, rows, func(r int, ct GLWECiphertext) {
				k.x.switchRow(dst, ct)
				scale := uint64(bits[r/l]) << (64 - c.pp.Select.BaseLog*(r%l+1))
				for i, s := range k.sk.coeffs() {
					want[i] = -scale * uint64(s)
				}
				m.addDifference(k.phase(dst), want)
			})
		}
		name := fmt.Sprintf("switched row, L=%d, %v, %v", c.pp.Log2Slots, c.pp.Switch, c.pp.Form)
		checkNoise(t, name, &m, v.SwitchedRow(c.pp), fftLow, 1.12, 20)
	}
}

// TestSelectorNoise measures one CMUX with selectors of each form against the prediction. In the sets with a fine expansion, fused forms are where
// the FFT's error shows.
func TestSelectorNoise(t *testing.T) {
	direct := PackedParams{Switch: GadgetParams{12, 4}, Select: GadgetParams{11, 2}}
	coarse := PackedParams{Switch: GadgetParams{16, 3}, Select: GadgetParams{9, 3}}
	for _, pp := range []PackedParams{
		packed7, withForm(packed7, SwitchSplit), withForm(packed7, SwitchFused),
		packed11, withForm(packed11, SwitchSplit), withForm(packed11, SwitchFused),
		direct, withForm(direct, SwitchSplit), withForm(direct, SwitchFused),
		coarse, withForm(coarse, SwitchSplit), withForm(coarse, SwitchFused),
	} {
		var m [2]moments
		var v PackedNoise
		for range samples(2, 8) {
			k := packedKeys(t, ternarySet, pp)
			v = k.noise()
			bits := randomBits(max(1<<pp.Log2Slots/pp.Select.Levels, 16))
			selectors := make([]*FourierGGSW, min(len(bits), samples(32, 64)))
			k.x.Selectors(selectors, k.query(t, bits), 0)
			dst := NewGLWE(k.p)
			for i, s := range selectors {
				lo, hi := k.randomGLWE(), k.randomGLWE()
				want := k.phase(lo)
				if bits[i] == 1 {
					want = k.phase(hi)
				}
				k.ev.CMUX(dst, s, lo, hi)
				m[bits[i]].addDifference(k.phase(dst), want)
			}
		}
		name := fmt.Sprintf("selector, L=%d, %v, %v", pp.Log2Slots, pp.Switch, pp.Form)
		noise := v.Select(pp)
		checkNoise(t, name+", bit 0", &m[0], noise.ExternalProduct(pp.Select), fftLow, 1.15, 6)
		checkNoise(t, name+", bit 1", &m[1], noise.CMUX(pp.Select), fftLow, 1.15, 6)
	}
}

// TestSquareWeight: the mean of |s^2|^2 over keys, and its deviation. Public signs cost a block-prefix key no more than the tolerance: its prefix is
// sparser than its rest.
func TestSquareWeight(t *testing.T) {
	for _, lit := range []ParametersLiteral{ternarySet, set4} {
		p := parametersOf(t, lit)
		var ratio, square float64
		const count = 30
		for range count {
			sk, err := GenerateSecretKey(p)
			if err != nil {
				t.Fatal(err)
			}
			k := packedSet{keySet: keySet{p: p, sk: sk}}
			r := k.noise().SquareWeight / SquareWeight(k.weight())
			ratio += r / count
			square += r * r / count
		}
		deviation := math.Sqrt(square - ratio*ratio)
		t.Logf("%v: |s^2|^2 is %.4f +- %.4f of 2|s|^4", lit.Key, ratio, deviation)
		if math.Abs(ratio-1) > 5*0.03125/math.Sqrt(count)+0.005 || deviation > 0.07 || deviation < 0.013 {
			t.Errorf("%v: |s^2|^2 is %.4f +- %.4f of 2|s|^4, want 1 +- 0.031", lit.Key, ratio, deviation)
		}
	}
	if w := WorstSquareWeight(2048, 1000); math.Abs(w/2e6-1.0625) > 1e-12 {
		t.Errorf("worst weight is %g", w)
	}
}
