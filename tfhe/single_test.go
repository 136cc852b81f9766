package tfhe

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestMixedQuery packs bits and single rows: bits give what they give without singles, singles their own message, in any range.
func TestMixedQuery(t *testing.T) {
	for _, slots := range []int{0, 2, 5, 8} {
		pp := toyPacked
		pp.Log2Slots = slots
		if slots == 0 {
			pp.Expand = GadgetParams{}
		}
		k := packedKeys(t, toyTernary, pp)
		n, l := k.p.N(), pp.Select.Levels
		bound := 8 * math.Sqrt(k.noise().RowPeak(pp))
		rapid.Check(t, func(rt *rapid.T) {
			bits := rapid.SliceOfN(rapid.Int64Range(0, 1), 0, 12).Draw(rt, "bits")
			singles := rapid.SliceOfN(rapid.Int64Range(-3, 3), 0, 20).Draw(rt, "singles")
			width := rapid.IntRange(1, 20).Draw(rt, "width")
			rows := len(bits)*l + len(singles)
			bodies := make([]uint64, pp.CiphertextsOf(rows)*n)
			enc := NewEncryptor(k.sk)
			enc.PackQuery(bodies, bits, singles, width, pp)
			q, err := NewMixedQuery(k.p, pp, len(bits), len(singles), bodies, NewMaskReader(enc.Seed()))
			if err != nil {
				rt.Fatal(err)
			}
			if q.Rows() != rows || q.Bits() != len(bits) || q.Singles() != len(singles) {
				rt.Fatalf("%d rows, %d bits, %d singles", q.Rows(), q.Bits(), q.Singles())
			}
			k.x.Rows(q, 0, len(bits)*l, func(r int, ct GLWECiphertext) {
				checkConstant(rt, k, ct, uint64(bits[r/l])<<(64-pp.Select.BaseLog*(r%l+1)), bound)
			})
			first := rapid.IntRange(0, len(singles)).Draw(rt, "first")
			got := make([]GLWECiphertext, rapid.IntRange(0, len(singles)-first).Draw(rt, "count"))
			k.x.Singles(got, q, first)
			for i, ct := range got {
				checkConstant(rt, k, ct, uint64(singles[first+i])<<(64-width), bound)
			}
			if _, err := NewMixedQuery(k.p, pp, len(bits), len(singles)+1<<slots, bodies, NewMaskReader(enc.Seed())); err == nil {
				rt.Fatal("a query of the wrong length is read")
			}
		})
	}
}

// checkConstant makes sure that ct encrypts a constant polynomial within bound.
func checkConstant(t *rapid.T, k packedSet, ct GLWECiphertext, want uint64, bound float64) {
	for i, v := range k.phase(ct) {
		if i == 0 {
			v -= want
		}
		if e := math.Abs(torus(v)); e > bound {
			t.Fatalf("coefficient %d is off by %g, bound %g", i, e, bound)
		}
	}
}

// TestAddMonomial compares with the definition of a product with a monomial.
func TestAddMonomial(t *testing.T) {
	k := keysOf(t, toyTernary)
	n := k.p.N()
	rapid.Check(t, func(rt *rapid.T) {
		dst, src := k.randomGLWE(), k.randomGLWE()
		d, c := rapid.Int64().Draw(rt, "k"), rapid.IntRange(0, n-1).Draw(rt, "c")
		x := make([]uint64, n)
		want := k.phase(dst)
		mulXa(x, k.phase(src), c)
		for i, v := range x {
			want[i] += uint64(d) * v
		}
		AddMonomial(dst, src, d, c)
		for i, v := range k.phase(dst) {
			if v != want[i] {
				rt.Fatalf("coefficient %d differs", i)
			}
		}
	})
}

// TestAddProduct compares a product with a polynomial of few integers with the sum of its monomials, to within the FFT's error.
func TestAddProduct(t *testing.T) {
	for _, lit := range []ParametersLiteral{toyTernary, ternarySet} {
		k := keysOf(t, lit)
		ev := k.evaluator(GadgetParams{9, 2})
		n := k.p.N()
		for _, terms := range []int{0, 1, 30} {
			dst, src, want := k.randomGLWE(), k.randomGLWE(), NewGLWE(k.p)
			want.Copy(dst)
			factors := make([]int64, n)
			norm := 0.0
			for i, w := range randomWords(terms) {
				c := int(w>>32) % n
				d := int64(w%512) - 256
				factors[c] += d
				norm += float64(d * d)
				AddMonomial(want, src, d, (i+c)%n)
				factors[c] -= d
				factors[(i+c)%n] += d
			}
			ev.AddProduct(dst, src, factors)
			exact := k.phase(want)
			bound := 10 * math.Sqrt(DefaultFFTVariance*norm*float64(terms)*(1+k.weight()))
			for i, v := range k.phase(dst) {
				if e := math.Abs(torus(v - exact[i])); e > bound {
					t.Fatalf("N = %d, %d terms: coefficient %d is off by %g, bound %g", n, terms, i, e, bound)
				}
			}
		}
	}
}

// TestAddClear multiplies bits by clear integers through the rows of GGSW ciphertexts, loaded and expanded, with gadgets that reach the integers' lowest bit and one that
// does not; the error is that of the digits, and of the rounding.
func TestAddClear(t *testing.T) {
	for _, gadget := range []GadgetParams{{22, 1}, {9, 2}, {6, 4}, {3, 3}} {
		pp := toyPacked
		pp.Select = gadget
		k := packedKeys(t, toyTernary, pp)
		loaded, expanded := NewFourierGGSW(k.p, gadget), NewFourierGGSW(k.p, gadget)
		rapid.Check(t, func(rt *rapid.T) {
			bit := rapid.Int64Range(0, 1).Draw(rt, "bit")
			width := rapid.IntRange(2, 14).Draw(rt, "width")
			loaded.KeepRows(NewGLWEs(k.p, ClearRows(gadget, width)))
			expanded.KeepRows(NewGLWEs(k.p, ClearRows(gadget, width)))
			d := rapid.Int64Range(-1<<width+1, 1<<width-1).Draw(rt, "d")
			c := rapid.IntRange(0, k.p.N()-1).Draw(rt, "c")
			enc := NewEncryptor(k.sk)
			bodies := make([]uint64, 2*gadget.Levels*k.p.N())
			enc.GGSW(bodies, bit, gadget)
			k.ev.LoadGGSW(loaded, bodies, NewMaskReader(enc.Seed()))
			k.x.Selectors([]*FourierGGSW{expanded}, k.query(rt, []int64{bit}), 0)
			for i, g := range []*FourierGGSW{loaded, expanded} {
				row := math.Exp2(2 * k.p.lit.Log2SigmaGLWE)
				if i == 1 {
					row = k.noise().RowPeak(pp)
				}
				bound := 8 * math.Sqrt(float64(gadget.Levels)*row) * math.Exp2(float64(gadget.BaseLog-1))
				if width > gadget.BaseLog*gadget.Levels {
					bound += math.Exp2(float64(-1 - gadget.BaseLog*gadget.Levels))
				}
				out := k.randomGLWE()
				want := k.phase(out)
				want[c] += uint64(bit*d) << (64 - width)
				g.AddClear(out, d, width, c)
				for j, v := range k.phase(out) {
					if e := math.Abs(torus(v - want[j])); e > bound {
						rt.Fatalf("%v, expanded %d: coefficient %d is off by %g, bound %g", gadget, i, j, e, bound)
					}
				}
			}
		})
	}
}
