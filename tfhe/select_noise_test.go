package tfhe

import (
	"math"
	"testing"
)

// selectCases are the keys and gadgets of circuits without lookups and of leveled steps before lookups.
var selectCases = []struct {
	name    string
	lit     ParametersLiteral
	gadgets []GadgetParams
}{
	{"ternary key", ternarySet, []GadgetParams{{23, 1}, {22, 1}, {14, 2}, {10, 3}}},
	{"block-prefix key", set4, []GadgetParams{{22, 1}, {14, 2}, {10, 3}}},
	{"ternary key, k=2, N=256", toySelect, []GadgetParams{{20, 1}, {14, 2}}},
}

// randomGLWE returns uniform words, whose phase is uniform too.
func (k keySet) randomGLWE() GLWECiphertext {
	ct := NewGLWE(k.p)
	copy(ct.Mask, randomWords(len(ct.Mask)))
	copy(ct.Body, randomWords(len(ct.Body)))
	return ct
}

func (k keySet) phase(ct GLWECiphertext) []uint64 {
	phase := make([]uint64, k.p.N())
	k.dec.GLWE(phase, ct)
	return phase
}

// selectNoise is the noise model of k's own key.
func (k keySet) selectNoise() SelectNoise {
	return FreshSelect(k.p.N(), k.p.K(), k.weight(), k.p.lit.Log2SigmaGLWE)
}

// TestCMUXNoise measures what a CMUX adds to the branch that it selects, for both bits, against SelectNoise with the key's real weight. Coefficients
// of one product share the spectrum of a key row or of the key, so that 2048 of them count like a few hundred samples: 60 products give the
// deviation to about 0.5%, and 10% is far outside. Where the FFT's error rules (bit 0 under a ternary key) the formula may be up to 14% above, since
// its constant bounds all degrees; the small degree of the last case gets its own, as package fft documents it.
func TestCMUXNoise(t *testing.T) {
	low := [2]float64{0.86, 0.9}
	for _, c := range selectCases {
		k := keysOf(t, c.lit)
		noise := k.selectNoise()
		if k.p.N() == 256 {
			noise.FFTVariance = math.Exp2(-106.3)
		}
		for _, g := range c.gadgets {
			for bit, variance := range []float64{noise.ExternalProduct(g), noise.CMUX(g)} {
				var m, product moments
				for range samples(15, 60) * 2048 / k.p.N() {
					ggsw := k.encryptBit(int64(bit), g)
					ev := k.evaluator(g)
					for range 4 {
						lo, hi := k.randomGLWE(), k.randomGLWE()
						want := k.phase(lo)
						if bit == 1 {
							want = k.phase(hi)
						}
						// The external product alone, added to a ciphertext.
						sum := NewGLWE(k.p)
						ev.ExternalProductAdd(sum, ggsw, hi)
						got := k.phase(sum)
						if bit == 1 {
							product.addDifference(got, want)
						} else {
							product.addDifference(got, make([]uint64, len(got)))
						}
						dst := NewGLWE(k.p)
						ev.CMUX(dst, ggsw, lo, hi)
						m.addDifference(k.phase(dst), want)
						// In place of either branch the words are the same.
						ev.CMUX(lo, ggsw, lo, hi)
						m.addDifference(k.phase(lo), want)
					}
				}
				name := c.name + ", " + g.String() + [2]string{", bit 0", ", bit 1"}[bit]
				checkNoise(t, "CMUX, "+name, &m, variance, low[bit], 1.1, 6)
				checkNoise(t, "external product, "+name, &product, variance, low[bit], 1.1, 6)
			}
		}
	}
}

// evaluator returns one with room for the digits of g, whatever the set's own gadgets are.
func (k keySet) evaluator(g GadgetParams) *Evaluator {
	lit := k.p.lit
	lit.Select = g
	return NewEvaluator(Parameters{lit: lit, insecure: k.p.insecure}, nil)
}

// TestFFTConstant measures the FFT's own error in an external product: with a key noise of 2^-62 and the bit 0, which leaves no rounding,
// it is what remains.
func TestFFTConstant(t *testing.T) {
	lit := ternarySet
	lit.Log2SigmaGLWE = -62
	k := keysOf(t, lit)
	for _, g := range []GadgetParams{{23, 1}, {14, 2}, {10, 3}, {4, 6}} {
		ev := k.evaluator(g)
		var m moments
		for range samples(10, 50) {
			ggsw := k.encryptBit(0, g)
			for range 4 {
				dst := NewGLWE(k.p)
				ev.ExternalProductAdd(dst, ggsw, k.randomGLWE())
				m.addDifference(k.phase(dst), make([]uint64, k.p.N()))
			}
		}
		fresh := g.DigitNorm(k.p.N()) * 2 * math.Exp2(2*lit.Log2SigmaGLWE)
		constant := (m.variance() - fresh) / (g.DigitNorm(k.p.N()) * 2 * (1 + k.weight()))
		t.Logf("%v: FFT constant 2^%.3f", g, math.Log2(constant))
		noise := k.selectNoise()
		checkNoise(t, "FFT, "+g.String(), &m, noise.ExternalProduct(g), fftLow, 1.1, 6)
	}
}

// TestTies: rounding errors of products add up like independent ones even where the words are so coarse that many lie halfway between two multiples. 64
// chains of four selects, of which the first is of clear words and adds next to nothing, are summed.
func TestTies(t *testing.T) {
	const sums, depth = 64, 4
	for _, g := range []GadgetParams{{23, 1}, {16, 2}} {
		var m moments
		for range samples(4, 16) {
			k := newKeySet(t, parametersOf(t, ternarySet))
			ev := k.evaluator(g)
			total, want := NewGLWE(k.p), make([]uint64, k.p.N())
			for range sums {
				clear := func() GLWECiphertext {
					ct := NewGLWE(k.p)
					copy(ct.Body, randomWords(120))
					return ct
				}
				ct := clear()
				for i, w := range ct.Body {
					want[i] += w
				}
				for range depth {
					ev.CMUX(ct, k.encryptBit(1, g), clear(), ct)
				}
				for i, w := range ct.Mask {
					total.Mask[i] += w
				}
				for i, w := range ct.Body {
					total.Body[i] += w
				}
			}
			m.addDifference(k.phase(total), want)
		}
		checkNoise(t, "64 chains of selects, "+g.String(), &m, sums*(depth-1)*FreshSelect(2048, 1, 1365, ternarySet.Log2SigmaGLWE).CMUX(g), fftLow, 1.12, 6)
	}
}

// TestDigitMean sums 256 selects by one GGSW ciphertext, whose noise rules: a mean of the digits would add up, and more than double the variance.
func TestDigitMean(t *testing.T) {
	const count = 256
	lit := ternarySet
	lit.Log2SigmaGLWE = -30
	k := keysOf(t, lit)
	g := GadgetParams{5, 5}
	ev := k.evaluator(g)
	var m moments
	for range samples(24, 100) {
		bit := k.encryptBit(1, g)
		total, in := NewGLWE(k.p), NewGLWE(k.p)
		for range count {
			hi, dst := k.randomGLWE(), NewGLWE(k.p)
			ev.CMUX(dst, bit, NewGLWE(k.p), hi)
			total.Add(dst)
			in.Add(hi)
		}
		m.addDifference(k.phase(total), k.phase(in))
	}
	noise := k.selectNoise()
	checkNoise(t, "256 selects by one ciphertext", &m, count*noise.CMUX(g), 0.9, 1.1, 40)
}

// TestRotateChain turns a ciphertext by 100 encrypted bits, all of them 1, and measures the sum of the noise.
func TestRotateChain(t *testing.T) {
	const depth = 100
	for _, c := range selectCases[:2] {
		k := keysOf(t, c.lit)
		for _, g := range c.gadgets[1:3] {
			ev := k.evaluator(g)
			var m moments
			for range samples(2, 10) {
				acc := k.randomGLWE()
				start := k.phase(acc)
				total := 0
				for i := range depth {
					a := int(randomWords(1)[0] % 8192)
					if i%2 == 1 {
						a = -a
					}
					ev.Rotate(acc, k.encryptBit(1, g), a)
					total += a
				}
				want := make([]uint64, len(start))
				for i, v := range start {
					if to := mod(i+total, 2*len(start)); to < len(start) {
						want[to] = v
					} else {
						want[to-len(start)] = -v
					}
				}
				m.addDifference(k.phase(acc), want)
			}
			// The coefficients of 100 products with 100 keys are as good as independent but for the key's own spectrum.
			checkNoise(t, "100 rotations, "+c.name+", "+g.String(), &m, k.selectNoise().Paths(g, depth, 1), 0.88, 1.12, 6)
		}
	}
}

// TestRotate checks every class of exponents for both bits, and that a rotation by nothing changes nothing.
func TestRotate(t *testing.T) {
	for _, lit := range []ParametersLiteral{toySelect, toy} {
		k := keysOf(t, lit)
		n := k.p.N()
		g := lit.Select
		bits := []*FourierGGSW{k.encryptBit(0, g), k.encryptBit(1, g)}
		bound := 8 * math.Sqrt(k.selectNoise().CMUX(g))
		for _, a := range []int{0, 1, -1, n - 1, n, n + 1, 2*n - 1, 2 * n, -2 * n, 3*n + 5, -7 * n} {
			for bit, ggsw := range bits {
				acc := k.randomGLWE()
				want := k.phase(acc)
				if bit == 1 {
					moved := make([]uint64, n)
					for i, v := range want {
						if to := mod(i+a, 2*n); to < n {
							moved[to] = v
						} else {
							moved[to-n] = -v
						}
					}
					want = moved
				}
				k.ev.Rotate(acc, ggsw, a)
				for i, v := range k.phase(acc) {
					if e := math.Abs(torus(v - want[i])); e > bound || a%(2*n) == 0 && e != 0 {
						t.Fatalf("rotation by %d with bit %d: coefficient %d is off by %g", a, bit, i, e)
					}
				}
			}
		}
	}
}

// TestExternalProductOfTrivial: polynomials that are all zero add nothing, and the product with an integer other than a bit is that integer's.
func TestExternalProductOfTrivial(t *testing.T) {
	k := keysOf(t, toySelect)
	g := GadgetParams{14, 2}
	three := k.encryptBit(-3, g)
	zero, dst := NewGLWE(k.p), k.randomGLWE()
	before := NewGLWE(k.p)
	before.Copy(dst)
	k.ev.ExternalProductAdd(dst, three, zero)
	for i := range dst.Body {
		if dst.Body[i] != before.Body[i] {
			t.Fatal("a product with zero changed the sum")
		}
	}
	ct := NewGLWE(k.p)
	copy(ct.Body, randomWords(k.p.N()))
	dst.Clear()
	k.ev.ExternalProductAdd(dst, three, ct)
	noise := k.selectNoise()
	// A zero mask leaves the body's digits only; the rounding of the body is multiplied by 3.
	bound := 8 * math.Sqrt(noise.ExternalProduct(g)+9*g.RoundingVariance())
	for i, v := range k.phase(dst) {
		if e := math.Abs(torus(v + 3*ct.Body[i])); e > bound {
			t.Fatalf("coefficient %d of -3 times a trivial ciphertext is off by %g, bound %g", i, e, bound)
		}
	}
	// In place: ct + g [.] ct.
	x := k.randomGLWE()
	want := k.phase(x)
	k.ev.ExternalProductAdd(x, three, x)
	bound = 8 * math.Sqrt(noise.ExternalProduct(g)+9*(1+noise.KeyWeight)*g.RoundingVariance())
	for i, v := range k.phase(x) {
		if e := math.Abs(torus(v + 2*want[i])); e > bound {
			t.Fatalf("coefficient %d of x - 3x is off by %g, bound %g", i, e, bound)
		}
	}
}
