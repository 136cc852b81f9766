package tfhe

import (
	"fmt"
	"math"
	"math/bits"
	"testing"
)

// TestKeySwitchNoise switches uniform ciphertexts of a real set to the small key: what is added has the deviation of the formula, and no mean, for
// one key. 400 samples give the deviation to 3.5%: 10% is 2.8 of that, hence the wider bound of the short run (15%, false failure 2e-5).
func TestKeySwitchNoise(t *testing.T) {
	lits := []ParametersLiteral{set4}
	if long() {
		other := set4
		other.KeySwitch = GadgetParams{2, 8}
		lits = append(lits, set4, set5, other)
	}
	tolerance := 0.15
	if long() {
		tolerance = 0.1
	}
	for _, lit := range lits {
		k := keysOf(t, lit)
		model, shape := k.model()
		var m moments
		out := NewLWE(lit.SmallDimension)
		for range samples(400, 3000) {
			in := LWECiphertext{Mask: randomWords(k.p.BigDimension()), Body: randomWords(1)[0]}
			k.ev.KeySwitch(&out, &in)
			m.add(torus(lwePhase(k.sk, out.Mask, out.Body) - lwePhase(k.sk, in.Mask, in.Body)))
		}
		checkNoise(t, "key switch, "+describe(lit), &m, model.Bootstrap(shape, 4, 1, 0).Ks, 1-tolerance, 1+tolerance, 1)
	}
}

// TestKeySwitchRounding leaves the rounding alone: coarse digits under a key-switching key almost without noise.
func TestKeySwitchRounding(t *testing.T) {
	for _, lit := range []ParametersLiteral{toy, toyTwo} {
		lit.KeySwitch, lit.Log2SigmaLWE = GadgetParams{3, 3}, -60
		k := keysOf(t, lit)
		model, shape := k.model()
		var m moments
		out := NewLWE(lit.SmallDimension)
		for range samples(5000, 40000) {
			in := LWECiphertext{Mask: randomWords(k.p.BigDimension()), Body: randomWords(1)[0]}
			k.ev.KeySwitch(&out, &in)
			m.add(torus(lwePhase(k.sk, out.Mask, out.Body) - lwePhase(k.sk, in.Mask, in.Body)))
		}
		// 5000 samples give the deviation to 1%.
		checkNoise(t, "key switch, rounding, "+describe(lit), &m, model.Bootstrap(shape, 4, 1, 0).Ks, 0.94, 1.06, 1)
	}
}

// TestDigitsOfLookupOutputs: the words of a lookup's output, whose low bits are zero since a float64 holds no more, have digits without a mean
// and of the expected norm, too. 12288 words give a mean to 0.02 (B = 8) and a mean square to 0.8%.
func TestDigitsOfLookupOutputs(t *testing.T) {
	k := keysOf(t, set4)
	g := k.p.lit.KeySwitch
	sums := make([]moments, g.Levels)
	digits := make([]int64, g.Levels)
	low := uint64(0)
	ahat := make([]int, k.p.lit.SmallDimension)
	for range 6 {
		for i, w := range randomWords(len(ahat)) {
			ahat[i] = int(w % 4096)
		}
		k.ev.blindRotate(ahat, 0, &LookupTable{words: randomWords(2048)})
		for _, w := range k.ev.boot.acc[0].Mask {
			low |= w
			keySwitchDigits(digits, w, g)
			for j, d := range digits {
				sums[j].add(float64(d))
			}
		}
	}
	t.Logf("all words are multiples of 2^%d", bits.TrailingZeros64(low))
	for j := range sums {
		checkNoise(t, fmt.Sprintf("digit %d of a lookup's output", j), &sums[j], g.DigitNorm(1)/float64(g.Levels), 0.97, 1.03, 1)
	}
}

// TestKeySwitchPrefix: ciphertexts whose mask lies in the prefix are passed through exactly.
func TestKeySwitchPrefix(t *testing.T) {
	k := keysOf(t, toy)
	n := k.p.lit.SmallDimension
	in := NewLWE(k.p.BigDimension())
	copy(in.Mask, randomWords(n))
	in.Body = 12345
	out := NewLWE(n)
	k.ev.KeySwitch(&out, &in)
	for i, a := range out.Mask {
		if a != in.Mask[i] {
			t.Fatalf("coefficient %d of the prefix changed", i)
		}
	}
	if out.Body != in.Body {
		t.Fatal("body changed")
	}
}

// switched returns bhat - sum ahat_i |s_i| mod 2mN: the slot that the blind rotation reads, computed in the clear.
func (k keySet) switched(ahat []int, bhat int) int {
	z := bhat
	for i, a := range ahat {
		if k.sk.coeffs()[i] != 0 {
			z -= a
		}
	}
	return mod(z, 2*k.p.lit.Parts*k.p.N())
}

// TestModulusSwitchNoise compares the slot with the phase of uniform ciphertexts: the difference has no mean and the deviation of the formula for
// this key's weight. The body is floored, which adds 1/12 of a slot^2 that belongs to the boxes and is taken off. 20000 samples give the deviation
// to 0.5%.
func TestModulusSwitchNoise(t *testing.T) {
	three := realLookupSet(884, 3, GadgetParams{22, 1}, GadgetParams{3, 5})
	for _, lit := range []ParametersLiteral{set4, set5, three, toy, toyParts, toyTwo} {
		p := parametersOf(t, lit)
		sk, err := GenerateSecretKey(p)
		if err != nil {
			t.Fatal(err)
		}
		k := keySet{p: p, sk: sk, ev: NewEvaluator(p, nil)}
		k.ev.key = &ServerKey{params: p, signs: p.Signs()} // all that a modulus switch needs
		model, shape := k.model()
		slots := 2 * float64(lit.Parts) * float64(lit.PolyDegree)
		var m moments
		ahat := make([]int, lit.SmallDimension)
		shift := uint64(1) << 57
		for range 20000 {
			in := LWECiphertext{Mask: randomWords(lit.SmallDimension), Body: randomWords(1)[0]}
			z := k.switched(ahat, k.ev.modulusSwitch(ahat, &in, shift))
			phase := lwePhase(sk, in.Mask, in.Body) + shift
			e := (float64(z)+0.5)/slots - float64(phase)*0x1p-64
			m.add(e - math.Round(e))
		}
		floor := 1 / (12 * slots * slots)
		want := model.Bootstrap(shape, 4, 1, 0).Ms
		checkNoise(t, "modulus switch and floor, "+describe(lit), &m, want+floor, 0.96, 1.04, 1)
		ratio := math.Sqrt((m.variance() - floor) / want)
		t.Logf("modulus switch alone: measured 2^%.3f, formula 2^%.3f, ratio of deviations %.4f",
			math.Log2(m.variance()-floor)/2, math.Log2(want)/2, ratio)
		if ratio < 0.95 || ratio > 1.05 {
			t.Errorf("ratio of deviations %.4f", ratio)
		}
	}
}

// TestModulusSwitchEdges: mask words near the ends and near ties keep all slots in range.
func TestModulusSwitchEdges(t *testing.T) {
	k := keysOf(t, toyParts)
	limit := 2 * k.p.lit.Parts * k.p.N()
	ahat := make([]int, k.p.lit.SmallDimension)
	for _, a := range []uint64{0, 1, 1 << 63, 1<<63 - 1, ^uint64(0), ^uint64(0) / 1536, 1 << 54, 1<<54 - 1} {
		in := NewLWE(len(ahat))
		for i := range in.Mask {
			in.Mask[i] = a
		}
		for _, in.Body = range []uint64{0, 1, 1 << 63, ^uint64(0)} {
			bhat := k.ev.modulusSwitch(ahat, &in, 1<<60)
			if bhat < 0 || bhat >= limit {
				t.Fatalf("body in slot %d of %d", bhat, limit)
			}
			for _, v := range ahat {
				if v < 0 || v >= limit {
					t.Fatalf("mask word %#x in slot %d of %d", a, v, limit)
				}
			}
		}
	}
}
