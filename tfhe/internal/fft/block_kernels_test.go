package fft

import (
	"fmt"
	"testing"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

// blockExponents returns exponents in [0, 2mN), of which round says how extreme they are.
func blockExponents(s *rng.Source, n, parts, terms, round int) []int {
	total := 2 * n * parts
	extremes := []int{0, 1, total - 1, total / 2, total/2 - 1, parts, parts - 1, total - parts}
	e := make([]int, terms)
	for j := range e {
		e[j] = int(s.Uint64n(uint64(total)))
		if round > 0 {
			e[j] = extremes[s.Uint64n(uint64(len(extremes)))]
		}
	}
	return e
}

// blockOperands returns digits and a key of random numbers in (-1, 1).
func blockOperands(s *rng.Source, p *Plan, parts, levels, terms int) (d, key []float64) {
	random := func(n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = float64(int64(s.Uint64())) * 0x1p-63
		}
		return x
	}
	return random(parts * 2 * levels * p.n), random(p.BlockKeyLen(terms, levels))
}

// Every kernel of the block products against the Go loops: extreme exponents, parts of the range of vectors, bands around every
// slice, and no alignment.
func TestBlockKernels(t *testing.T) {
	for l, levelName := range levelNames {
		for _, n := range degrees {
			p, s := For(n), source(90)
			vecs := n / 16
			for _, levels := range []int{1, 2, 3, 5} {
				for _, parts := range []int{1, 2, 5} {
					for terms := 1; terms <= BlockTerms; terms++ {
						if n > 512 && (levels > 2 || parts == 5) && terms < BlockTerms {
							continue
						}
						round := int(s.Uint64n(3))
						name := fmt.Sprintf("%s, degree %d, %d levels, %d parts, %d terms", levelName, n, levels, parts, terms)
						d, key := blockOperands(s, p, parts, levels, terms)
						var b BlockRotation
						p.SetRotation(&b, blockExponents(s, n, parts, terms, round), parts)
						from := int(s.Uint64n(uint64(vecs)))
						to := from + int(s.Uint64n(uint64(vecs-from+1)))
						want := append([]float64(nil), d...)
						// Sums of products of a digit, a number of at most 2 and one of the key; complex ones.
						tolerance := 0x1p-52 * 8 * float64(2*levels*terms) * 4
						minScratch := make([]float64, parts*2*levels*16)
						p.blockProductPartsGo(want, key, &b, levels, from, to, minScratch)
						restore := setLevel(l)
						for _, size := range []int{len(minScratch), p.BlockScratchLen(parts, levels)} {
							got, in, scratch := guard(d), guard(key), guard(make([]float64, size))
							p.BlockProductParts(got.x(), in.x(), &b, levels, from, to, scratch.x(), in.x()[:s.Uint64n(uint64(len(key)))])
							near(t, name+", parts", got.x(), want, tolerance)
							got.check(t, name)
							scratch.check(t, name)
							unchanged(t, name, in, key)
							onlyVectors(t, name, got.x(), d, n, 2*levels, from, to)
						}
						if parts == 1 {
							got, in := guard(d), guard(key)
							p.BlockProduct(got.x(), in.x(), &b, levels, from, to, in.x()[:s.Uint64n(uint64(len(key)))])
							near(t, name, got.x(), want, tolerance)
							got.check(t, name)
							unchanged(t, name, in, key)
							onlyVectors(t, name, got.x(), d, n, 2*levels, from, to)
						}
						restore()
					}
				}
			}
		}
	}
}

// onlyVectors checks that nothing changed but the vectors from <= i < to of the first two polynomials of each part.
func onlyVectors(t *testing.T, name string, got, before []float64, n, rows, from, to int) {
	t.Helper()
	for i := range got {
		poly, vec := i/n, i%n/16
		if (poly%rows > 1 || vec < from || vec >= to) && got[i] != before[i] {
			t.Fatalf("%s: polynomial %d, vector %d changed, outside of vectors %d to %d of the first two", name, poly, vec, from, to)
		}
	}
}

// A block that turns nothing has the product 0, exactly.
func TestBlockOfZeros(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, parts := range []int{1, 3} {
			p, s := For(512), source(91)
			d, key := blockOperands(s, p, parts, 1, 4)
			var b BlockRotation
			p.SetRotation(&b, make([]int, 4), parts)
			p.BlockProductParts(d, key, &b, 1, 0, 32, make([]float64, p.BlockScratchLen(parts, 1)), nil)
			for i, v := range d {
				if v != 0 {
					t.Fatalf("%d parts: element %d is %g", parts, i, v)
				}
			}
		}
		p, s := For(512), source(92)
		d, key := blockOperands(s, p, 1, 1, 4)
		var b BlockRotation
		p.SetRotation(&b, make([]int, 4), 1)
		p.BlockProduct(d, key, &b, 1, 0, 32, nil)
		for i, v := range d {
			if v != 0 {
				t.Fatalf("element %d is %g", i, v)
			}
		}
	})
}

// The bounds of a block product are checked before a kernel, which checks nothing.
func TestBlockPanics(t *testing.T) {
	p := For(256)
	var b, parts, unset BlockRotation
	p.SetRotation(&b, []int{1, 2}, 1)
	p.SetRotation(&parts, []int{1, 2}, 3)
	d, key, scratch := make([]float64, 3*512), make([]float64, p.BlockKeyLen(2, 1)), make([]float64, p.BlockScratchLen(3, 1))
	for name, call := range map[string]func(){
		"digits":         func() { p.BlockProduct(d[:511], key, &b, 1, 0, 16, nil) },
		"key":            func() { p.BlockProduct(d[:512], key[:len(key)-1], &b, 1, 0, 16, nil) },
		"from":           func() { p.BlockProduct(d[:512], key, &b, 1, -1, 16, nil) },
		"to":             func() { p.BlockProduct(d[:512], key, &b, 1, 0, 17, nil) },
		"reversed":       func() { p.BlockProduct(d[:512], key, &b, 1, 3, 2, nil) },
		"levels":         func() { p.BlockProduct(nil, nil, &b, 0, 0, 16, nil) },
		"unset":          func() { p.BlockProduct(d[:512], nil, &unset, 1, 0, 16, nil) },
		"parts":          func() { p.BlockProduct(d, key, &parts, 1, 0, 16, nil) },
		"digits, parts":  func() { p.BlockProductParts(d[:1024], key, &parts, 1, 0, 16, scratch, nil) },
		"scratch":        func() { p.BlockProductParts(d, key, &parts, 1, 0, 16, scratch[:95], nil) },
		"no terms":       func() { p.SetRotation(&unset, nil, 1) },
		"too many terms": func() { p.SetRotation(&unset, make([]int, BlockTerms+1), 1) },
		"no parts":       func() { p.SetRotation(&unset, []int{1}, 0) },
		"large exponent": func() { p.SetRotation(&unset, []int{3 * 512}, 3) },
		"negative":       func() { p.SetRotation(&unset, []int{-1}, 3) },
		"pack":           func() { p.PackBlock(key, key[1:], 2, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}

func TestBlockAllocations(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		p, s := For(1024), source(93)
		exponents := []int{1, 2, 3, 4}
		for levels := 1; levels <= 3; levels++ {
			d, key := blockOperands(s, p, 2, levels, 4)
			scratch := make([]float64, p.BlockScratchLen(2, levels))
			var one, two BlockRotation
			if count := testing.AllocsPerRun(10, func() {
				p.SetRotation(&one, exponents, 1)
				p.SetRotation(&two, exponents, 2)
				p.BlockProduct(d[:len(d)/2], key, &one, levels, 0, 64, key)
				p.BlockProductParts(d, key, &two, levels, 0, 64, scratch, key)
			}); count != 0 {
				t.Errorf("%d levels: %g allocations", levels, count)
			}
		}
	})
}

// Two parts: every pattern of terms that leave parts where they are and terms that do not, against the Go loop.
func TestBlockTwoParts(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, n := range []int{256, 2048} {
			p, s := For(n), source(94)
			for pattern := range 1 << BlockTerms {
				d, key := blockOperands(s, p, 2, 1, BlockTerms)
				exponents := blockExponents(s, n, 2, BlockTerms, pattern%3)
				for j := range exponents {
					exponents[j] = exponents[j]&^1 | pattern>>j&1
				}
				var b BlockRotation
				p.SetRotation(&b, exponents, 2)
				want, scratch := append([]float64(nil), d...), make([]float64, p.BlockScratchLen(2, 1))
				p.blockProductPartsGo(want, key, &b, 1, 0, n/16, scratch)
				got := guard(d)
				p.BlockProductParts(got.x(), key, &b, 1, 0, n/16, scratch, nil)
				got.check(t, "two parts")
				near(t, fmt.Sprintf("degree %d, pattern %04b", n, pattern), got.x(), want, 0x1p-52*8*8*4)
			}
		}
	})
}
