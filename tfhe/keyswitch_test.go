package tfhe

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
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
		for range samples(1200, 4000) {
			in := LWECiphertext{Mask: randomWords(k.p.BigDimension()), Body: randomWords(1)[0]}
			out := k.keySwitch(&in)
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
		for range samples(5000, 40000) {
			in := LWECiphertext{Mask: randomWords(k.p.BigDimension()), Body: randomWords(1)[0]}
			out := k.keySwitch(&in)
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
	digits := make([]int32, g.Levels)
	low := uint64(0)
	ahat := make([]int, k.p.lit.SmallDimension)
	for range 6 {
		for i, w := range randomWords(len(ahat)) {
			ahat[i] = int(w % 4096)
		}
		for _, w := range k.blindRotate(ahat, 0, &LookupTable{words: randomWords(2048)})[0].Mask {
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

// TestKeySwitchWords compares every word of several ciphertexts with the sum of digits times rows, for digits of one to five limbs and keys of three and four bytes.
func TestKeySwitchWords(t *testing.T) {
	for _, g := range []GadgetParams{{1, 16}, {4, 5}, {7, 2}, {8, 3}, {14, 2}, {15, 2}, {30, 2}} {
		for _, sigma := range []float64{-19, -30} {
			lit := toyTwo
			lit.KeySwitch, lit.Log2SigmaLWE = g, sigma
			k := newKeySet(t, parametersOf(t, lit))
			n := lit.SmallDimension
			var src []LWECiphertext
			for range 7 {
				src = append(src, LWECiphertext{Mask: randomWords(k.p.BigDimension()), Body: randomWords(1)[0]})
			}
			ks := newKeySwitcher(k.p, len(src))
			ks.keySwitch(k.server, src, nil, 0)
			signs := k.p.Signs()
			digits := make([]int32, g.Levels)
			for i, small := range ks.small {
				want := make([]uint32, n+1)
				mean := int64(0) // of the rounding errors under a key of mean sign/2
				for c := range n {
					want[c] = round32(src[i].Mask[c])
				}
				for c, a := range src[i].Mask[n:] {
					mean += signs[n+c] * (keySwitchDigits(digits, a, g) >> 8)
					for j, d := range digits {
						for w, x := range k.server.switchRow(c*g.Levels + j) {
							want[w] -= uint32(d) * x
						}
					}
				}
				want[n] += round32(src[i].Body - uint64(mean)<<7)
				if !slices.Equal(small.words[:n+1], want) {
					t.Fatalf("gadget %v, deviation 2^%g: the words of ciphertext %d differ", g, sigma, i)
				}
			}
		}
	}
}

// TestKeySwitchPrefix: ciphertexts whose mask lies in the prefix are passed through exactly.
func TestKeySwitchPrefix(t *testing.T) {
	k := keysOf(t, toy)
	n := k.p.lit.SmallDimension
	in := NewLWE(k.p.BigDimension())
	copy(in.Mask, randomWords(n))
	in.Body = 12345
	in.Body = 12345 << 40
	out := k.keySwitch(&in)
	for i, a := range out.Mask {
		if a != uint64(round32(in.Mask[i]))<<32 {
			t.Fatalf("coefficient %d of the prefix changed", i)
		}
	}
	if out.Body != in.Body {
		t.Fatal("body changed")
	}
}

// keySwitch switches one ciphertext and returns it with words of 64 bits.
func (k keySet) keySwitch(in *LWECiphertext) LWECiphertext {
	k.ev.boot.ks.keySwitch(k.server, []LWECiphertext{*in}, nil, 0)
	return k.ev.boot.ks.small[0].wide()
}

func (ct smallLWE) wide() LWECiphertext {
	out := NewLWE(ct.n)
	for i, a := range ct.mask() {
		out.Mask[i] = uint64(a) << 32
	}
	out.Body = uint64(*ct.body()) << 32
	return out
}

// randomSmall returns a uniform ciphertext modulo 2^32, also in words of 64 bits.
func randomSmall(n int) (LWECiphertext, smallLWE) {
	small := newSmallLWE(n)
	for i, w := range randomWords(n) {
		small.words[i] = uint32(w)
	}
	*small.body() = uint32(randomWords(1)[0])
	return small.wide(), small
}

// blindRotate returns the accumulator's parts after a rotation of the table.
func (k keySet) blindRotate(ahat []int, bhat int, table *LookupTable) []GLWECiphertext {
	s := k.ev.state[0]
	copy(s.ahat, ahat)
	s.start(k.p, bhat, table)
	k.ev.boot.rotate(k.ev.state, nil, 0)
	var parts []GLWECiphertext
	for r := range k.p.lit.Parts {
		var words []uint64
		for j := range k.p.K() + 1 {
			for _, x := range s.poly(k.p, r*(k.p.K()+1)+j) {
				words = append(words, word(x))
			}
		}
		parts = append(parts, GLWECiphertext{Mask: words[:k.p.BigDimension()], Body: words[k.p.BigDimension():]})
	}
	return parts
}

// switchRow gathers row r of the key-switching key: n mask words and the body.
func (key *ServerKey) switchRow(r int) []uint32 {
	n, planes, size := key.params.lit.SmallDimension, key.params.kskBytes(), 64*4*((key.params.kskRows()+3)/4)
	row := make([]uint32, n+1)
	for c := range row {
		for b := range planes {
			row[c] |= uint32(key.ksk[(c/64*planes+b)*size+(r/4*64+c%64)*4+r%4]) << (8 * (4 - planes + b))
		}
	}
	return row
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
		k := keySet{p: p, sk: sk}
		key := &ServerKey{params: p, signs: p.Signs()} // all that a modulus switch needs
		model, shape := k.model()
		slots := 2 * float64(lit.Parts) * float64(lit.PolyDegree)
		var m moments
		ahat := make([]int, lit.SmallDimension)
		shift := uint64(1) << 57
		for range 20000 {
			in, small := randomSmall(lit.SmallDimension)
			z := k.switched(ahat, key.modulusSwitch(ahat, &small, &LookupTable{shift: shift, outputs: 1}))
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
	for _, a := range []uint32{0, 1, 1 << 31, 1<<31 - 1, ^uint32(0), ^uint32(0) / 1536, 1 << 22, 1<<22 - 1} {
		in := newSmallLWE(len(ahat))
		for i := range in.mask() {
			in.words[i] = a
		}
		for _, *in.body() = range []uint32{0, 1, 1 << 31, ^uint32(0)} {
			bhat := k.server.modulusSwitch(ahat, &in, &LookupTable{shift: 1 << 60, outputs: 1})
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
