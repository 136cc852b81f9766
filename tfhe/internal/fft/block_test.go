package fft

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestBlockProduct compares the bundled product with one monomial and one row at a time.
func TestBlockProduct(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		for _, n := range []int{256, 512, 2048} {
			for _, levels := range []int{1, 2, 3} {
				for _, parts := range []int{1, 2, 3, 7} {
					for _, terms := range []int{1, 2, 3, 4} {
						t.Run(fmt.Sprintf("N=%d/l=%d/m=%d/b=%d", n, levels, parts, terms), func(t *testing.T) { checkBlockProduct(t, r, n, levels, parts, terms) })
					}
				}
			}
		}
	})
}

func checkBlockProduct(t *testing.T, r *rand.Rand, n, levels, parts, terms int) {
	p := For(n)
	rows := 2 * levels
	random := func(size int) []float64 {
		x := make([]float64, size)
		for i := range x {
			x[i] = r.NormFloat64()
		}
		return x
	}
	exponents := make([]int, terms)
	for j := range exponents {
		exponents[j] = r.IntN(2 * n * parts)
	}
	if r.IntN(2) == 0 {
		exponents[0] = []int{0, 2*n*parts - 1, n * parts, 1}[r.IntN(4)]
	}
	keys := random(p.BlockKeyLen(terms, levels))
	d := random(parts * rows * n)
	want := make([][]float64, parts*2)
	for i := range want {
		want[i] = make([]float64, n)
	}
	for j, a := range exponents {
		for s := range parts {
			for row := range rows {
				digit := d[(s*rows+row)*n:][:n]
				to, rot := s+a%parts, a/parts
				if to >= parts {
					to, rot = to-parts, (rot+1)%(2*n)
				}
				for o := range 2 {
					prod := make([]float64, n)
					Mul(prod, digit, keys[((j*rows+row)*2+o)*n:][:n])
					p.MulXaAdd(want[to*2+o], prod, rot)
					Sub(want[s*2+o], prod)
				}
			}
		}
	}
	packed := make([]float64, len(keys))
	p.PackBlock(packed, keys, terms, levels)
	var b BlockRotation
	p.SetRotation(&b, exponents, parts)
	check := func(name string, got []float64) {
		t.Helper()
		for q := range parts {
			for o := range 2 {
				for i, w := range want[q*2+o] {
					if g := got[(q*rows+o)*n+i]; math.Abs(g-w) > 1e-12*float64(terms*rows) {
						t.Fatalf("%s: part %d output %d element %d is %g, want %g", name, q, o, i, g, w)
					}
				}
			}
		}
	}
	mid := n / 16 / 3
	got := append([]float64(nil), d...)
	scratch := make([]float64, 2*parts*rows*16)
	p.BlockProductParts(got, packed, &b, levels, 0, mid, scratch, nil)
	p.BlockProductParts(got, packed, &b, levels, mid, n/16, scratch, nil)
	check("parts", got)
	if parts == 1 {
		got := append([]float64(nil), d...)
		p.BlockProduct(got, packed, &b, levels, 0, mid, nil)
		p.BlockProduct(got, packed, &b, levels, mid, n/16, nil)
		check("one part", got)
	}
}
