package fft

import (
	"fmt"
	"math"
	"testing"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

// compactBase is the gadget base of the tests' keys.
const compactBase = 20

// compactKey returns the numbers of a random block key of so many polynomials, its compact storage between bands, and what that expands to.
func compactKey(s *rng.Source, p *Plan, terms, polys int) (key []float64, compact guarded[uint64], expanded []float64) {
	key = make([]float64, p.ModuleBlockLen(terms, polys))
	bound := math.Ldexp(compactRange(p.n)*p.RowScale(compactBase, 0), 64)
	for i := range key {
		key[i] = float64(int64(s.Uint64())) * 0x1p-63 * bound
	}
	words := make([]uint64, CompactLen(len(key))+CompactPad)
	p.Compact(words[:len(words)-CompactPad], key, compactBase)
	expanded = make([]float64, len(key))
	expand(expanded, words)
	return key, guard(words), expanded
}

// Numbers are rounded to the nearest multiple of 2^-47 of the range, which is that of 48 bits with a sign; larger ones become the bound and nothing becomes the number 0.
func TestCompactNumbers(t *testing.T) {
	for _, n := range degrees {
		p := For(n)
		key, _, expanded := compactKey(source(60), p, 4, 2)
		bound := math.Ldexp(compactRange(n)*p.RowScale(compactBase, 0), 64)
		step := math.Ldexp(bound, -47)
		for i, x := range key {
			if got := expanded[i] * p.compactUnit(compactBase); math.Abs(got-x) > step/2 && math.Abs(x) < bound-step || math.Mod(got, step) != 0 {
				t.Fatalf("degree %d: %g became %g, in steps of %g", n, x, got, step)
			}
		}
		extremes := []float64{0, bound, -bound, 3 * bound, math.Inf(1), math.Inf(-1), math.NaN(), step, -step, step / 2, 1.5 * step, -step / 2, bound - step, -bound + step, bound / 2, -bound / 2}
		want := []float64{0, bound - step, -bound + step, bound - step, bound - step, -bound + step, 0, step, -step, 0, 2 * step, 0, bound - step, -bound + step, bound / 2, -bound / 2}
		words, got := make([]uint64, CompactLen(16)), make([]float64, 16)
		p.Compact(words, extremes, compactBase)
		expand(got, words)
		for i := range got {
			if got[i] *= p.compactUnit(compactBase); got[i] != want[i] {
				t.Errorf("degree %d: %g became %g, want %g", n, extremes[i], got[i], want[i])
			}
		}
	}
}

// Transforms of uniform words stay in the range, by far, and what compact storage changes in the polynomials is what CompactVariance says.
func TestCompactVariance(t *testing.T) {
	for _, n := range degrees {
		p, s := For(n), source(61)
		scale := p.RowScale(compactBase, 0)
		var sum, largest float64
		count := 0
		row, words, before, after := make([]float64, n), make([]uint64, CompactLen(n)), make([]float64, n), make([]float64, n)
		for range 1 << 18 / n {
			p.ForwardTorus(row, uniform(s, n))
			for i := range row {
				largest = max(largest, math.Abs(row[i])*0x1p-64)
				row[i] *= scale
			}
			p.Compact(words, row, compactBase)
			expand(after, words)
			for i := range after {
				after[i] = after[i]*p.compactUnit(compactBase) - row[i]
			}
			clear(before)
			p.InverseAddTurn(before, after, nil) // of the difference: what rounding changes, times B
			for _, x := range before {
				sum += x * x
				count++
			}
		}
		got, want := sum/float64(count)*math.Ldexp(1, -2*compactBase), CompactVariance(n)
		if ratio := got / want; ratio < 0.97 || ratio > 1.03 { // 2^18 values: one in 10^20 is further away than this
			t.Errorf("degree %d: variance %g, CompactVariance is %g", n, got, want)
		}
		if largest > 0.7*compactRange(n) {
			t.Errorf("degree %d: a transform has %g turns, the range is %g", n, largest, compactRange(n))
		}
	}
}

// uniform returns n uniform words.
func uniform(s *rng.Source, n int) []uint64 {
	w := make([]uint64, n)
	s.Uniform(w)
	return w
}

// TestCompactProducts compares products with a compact key with those of the pure Go kernels and the key's expanded numbers: every instruction set, all numbers of terms and
// of polynomials, extreme exponents, a part of the vectors, bands around every slice.
func TestCompactProducts(t *testing.T) {
	s := source(62)
	for l, levelName := range levelNames {
		for _, n := range []int{256, 512, 1024, 2048} {
			for polys := 2; polys <= maxModulePolys; polys++ {
				for terms := 1; terms <= BlockTerms; terms++ {
					for round := range 2 {
						p := For(n)
						name := fmt.Sprintf("%s, degree %d, %d polynomials, %d terms", levelName, n, polys, terms)
						_, compact, expanded := compactKey(s, p, terms, polys)
						key := compact.x()[:len(compact.x())-CompactPad]
						before := append([]uint64(nil), compact.x()...)
						from := int(s.Uint64n(uint64(n / 16)))
						to := from + int(s.Uint64n(uint64(n/16-from+1)))
						if round == 0 {
							from, to = 0, n/16
						}
						var d, want [2][]float64
						var got [2]guarded[float64]
						var b [2]BlockRotation
						stride := n + 32*round
						restore := setLevel(0)
						for c := range d {
							d[c] = make([]float64, polys*stride)
							for i := range d[c] {
								d[c][i] = float64(int64(s.Uint64())) * 0x1p-63
							}
							exponents := blockExponents(s, n, 1, terms, round)
							p.SetRotation(&b[c], exponents, 1)
							want[c] = append([]float64(nil), d[c]...)
							p.ModuleBlockProduct(want[c], expanded, &b[c], polys, from, to, nil)
							for o := range polys {
								for i := 16 * from; i < 16*to; i++ {
									want[c][o*stride+i] *= p.compactUnit(compactBase)
								}
							}
							p.SetCompactRotation(&b[c], exponents, compactBase)
						}
						restore()
						bound := math.Ldexp(compactRange(n)*p.RowScale(compactBase, 0), 64)
						tolerance := 0x1p-52 * 8 * float64(polys*terms) * 4 * bound
						ahead := Ahead(key)[:s.Uint64n(uint64(len(key)))]
						check := func(kind string, count int) {
							t.Helper()
							for c := range count {
								near(t, name+", "+kind, got[c].x(), want[c], tolerance)
								got[c].check(t, name+", "+kind)
							}
							unchanged(t, name+", "+kind, compact, before)
						}
						reset := func() {
							for c := range got {
								got[c] = guard(d[c])
							}
						}
						restore = setLevel(l)
						reset()
						p.CompactModuleProduct(got[0].x(), key, &b[0], polys, from, to, ahead)
						check("one", 1)
						reset()
						p.CompactModuleProductPair(got[0].x(), got[1].x(), key, &b[0], &b[1], polys, from, to, ahead)
						check("pair", 2)
						if polys == 2 {
							ordered := guard(make([]uint64, len(compact.x())))
							reorder(p, ordered.x(), expanded, terms) // the order of BlockProduct
							key := ordered.x()[:len(key)]
							for count := 1; count <= 2; count++ {
								reset()
								keep := guard(make([]float64, BatchKeepLen(terms)))
								x := []BlockOperand{{got[0].x(), &b[0]}, {got[1].x(), &b[1]}}[:count]
								p.CompactBlockProducts(x, key, from, to, keep.x(), round == 0)
								check(fmt.Sprintf("batch of %d", count), count)
								keep.check(t, name)
							}
						}
						restore()
					}
				}
			}
		}
	}
}

// reorder compacts a key in the order of PackModuleBlock in that of PackBlock.
func reorder(p *Plan, dst []uint64, expanded []float64, terms int) {
	in := vectors(expanded)
	key := make([]float64, len(expanded))
	out := vectors(key)
	for i := range p.n / 16 {
		for j := range terms {
			for r := range 2 {
				for o := range 2 {
					v := &out[((i*terms+j)*2+r)*2+o]
					*v = in[((i*2+o)*terms+j)*2+r]
					for u := range v {
						v[u] *= p.compactUnit(compactBase)
					}
				}
			}
		}
	}
	p.Compact(dst[:len(dst)-CompactPad], key, compactBase)
}

// The bounds of products with a compact key are checked before a kernel, which checks nothing.
func TestCompactPanics(t *testing.T) {
	p := For(256)
	var b, parts, unset BlockRotation
	p.SetCompactRotation(&b, []int{1, 2}, compactBase)
	p.SetRotation(&parts, []int{1, 2}, 3)
	d, words := make([]float64, 512), make([]uint64, CompactLen(p.BlockKeyLen(2, 1))+CompactPad)
	key := words[:len(words)-CompactPad]
	keep := make([]float64, BatchKeepLen(2))
	products := func(d []float64, key []uint64, b *BlockRotation, from, to int, keep []float64) {
		p.CompactBlockProducts([]BlockOperand{{d, b}}, key, from, to, keep, false)
	}
	for name, call := range map[string]func(){
		"digits": func() { products(d[:511], key, &b, 0, 16, keep) },
		"key":    func() { products(d, key[:len(key)-1], &b, 0, 16, keep) },
		"no pad": func() { products(d, key[:len(key):len(key)+1], &b, 0, 16, keep) },
		"keep":   func() { products(d, key, &b, 0, 16, keep[1:]) },
		"to":     func() { products(d, key, &b, 0, 17, keep) },
		"unset":  func() { products(d, key, &unset, 0, 16, keep) },
		"parts":  func() { products(d, key, &parts, 0, 16, keep) },
		"two lengths": func() {
			p.CompactBlockProducts([]BlockOperand{{d, &b}, {make([]float64, 1024), &b}}, key, 0, 16, keep, false)
		},
		"module key":     func() { p.CompactModuleProduct(d, key[1:], &b, 2, 0, 16, nil) },
		"module polys":   func() { p.CompactModuleProduct(d, key, &b, 6, 0, 16, nil) },
		"pair":           func() { p.CompactModuleProductPair(d, d[:480], key, &b, &b, 2, 0, 16, nil) },
		"compact":        func() { p.Compact(key, keep[1:], compactBase) },
		"many terms":     func() { p.SetCompactRotation(&unset, make([]int, BlockTerms+1), compactBase) },
		"large exponent": func() { p.SetCompactRotation(&unset, []int{512}, compactBase) },
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
