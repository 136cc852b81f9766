package tfhe

import (
	"fmt"
	"math"
	"testing"
)

// TestFourierSum: a sum of products is what products one by one add, up to their noise, for both bits, empty sums, differences and rotations.
func TestFourierSum(t *testing.T) {
	for _, lit := range []ParametersLiteral{toySelect, toy} {
		k := keysOf(t, lit)
		g := lit.Select
		bits := []*FourierGGSW{k.encryptBit(0, g), k.encryptBit(1, g)}
		noise := k.selectNoise()
		check := func(name string, got, want GLWECiphertext, products float64) {
			t.Helper()
			bound := 8 * math.Sqrt(products*(noise.CMUX(g)+noise.Inverse(g)))
			a, b := k.phase(got), k.phase(want)
			for i := range a {
				if e := math.Abs(torus(a[i] - b[i])); e > bound {
					t.Fatalf("%s: coefficient %d is off by %g, bound %g", name, i, e, bound)
				}
			}
		}
		sum, other, got, want := NewFourierSum(k.p), NewFourierSum(k.p), NewGLWE(k.p), NewGLWE(k.p)
		k.ev.AddSum(got, sum)
		check("empty", got, want, 0)
		k.ev.ExternalProductSum(sum, bits[1], want)
		if sum.Terms() != 0 {
			t.Fatal("a product with zero counts")
		}
		for i := range MaxSumTerms {
			ct := k.randomGLWE()
			k.ev.ExternalProductSum(sum, bits[i%2], ct)
			if i%2 == 1 {
				want.Add(ct)
			}
		}
		other.Copy(sum)
		k.ev.AddSum(got, sum)
		check("sum", got, want, MaxSumTerms)
		if sum.Terms() != 0 || other.Terms() != MaxSumTerms {
			t.Fatal("sums hold the wrong numbers of products")
		}
		if try(func() { k.ev.ExternalProductSum(other, bits[1], k.randomGLWE()) }) == nil {
			t.Fatal("a sum took more products than it has room for")
		}
		other.Clear()
		// x - y and 0 - y for sums of one and two products, then x + y and 0 + x.
		x, y := k.randomGLWE(), k.randomGLWE()
		one := func() *FourierSum {
			s := NewFourierSum(k.p)
			k.ev.ExternalProductSum(s, bits[1], x)
			return s
		}
		two := func() *FourierSum {
			s := NewFourierSum(k.p)
			k.ev.ExternalProductSum(s, bits[1], y)
			k.ev.ExternalProductSum(s, bits[1], y)
			return s
		}
		for _, c := range []struct {
			name string
			sum  func() *FourierSum
			want [2]int // times x and y
		}{
			{"difference", func() *FourierSum { s := one(); s.Sub(two()); return s }, [2]int{1, -2}},
			{"negative", func() *FourierSum { s := NewFourierSum(k.p); s.Sub(two()); return s }, [2]int{0, -2}},
			{"less nothing", func() *FourierSum { s := one(); s.Sub(NewFourierSum(k.p)); return s }, [2]int{1, 0}},
			{"both", func() *FourierSum { s := one(); s.Add(two()); return s }, [2]int{1, 2}},
			{"and nothing", func() *FourierSum { s := one(); s.Add(NewFourierSum(k.p)); return s }, [2]int{1, 0}},
			{"nothing and", func() *FourierSum { s := NewFourierSum(k.p); s.Add(two()); return s }, [2]int{0, 2}},
		} {
			got, want := NewGLWE(k.p), NewGLWE(k.p)
			for range c.want[0] {
				want.Add(x)
			}
			for range c.want[1] {
				want.Add(y)
			}
			for range -c.want[1] {
				want.Sub(y)
			}
			k.ev.AddSum(got, c.sum())
			check(c.name, got, want, 5) // twice the same product counts four times
		}
		for _, a := range []int{0, 1, -5, k.p.N(), 3 * k.p.N()} {
			for _, bit := range bits {
				acc := k.randomGLWE()
				want := NewGLWE(k.p)
				want.Copy(acc)
				k.ev.Rotate(want, bit, a)
				k.ev.RotateSum(sum, acc, bit, a)
				k.ev.AddSum(acc, sum)
				check(fmt.Sprint("rotation by ", a), acc, want, 0)
			}
		}
	}
}

// try returns what f panics with.
func try(f func()) (err any) {
	defer func() { err = recover() }()
	f()
	return nil
}

// TestFourierSumNoise measures what the FFT leaves, with a key noise of 2^-62 and bits 0 as TestFFTConstant: in sums of as many products as they take, and in
// inverse transforms alone: of three, of two sums and of their difference, which together is zero but for the errors of the three.
func TestFourierSumNoise(t *testing.T) {
	lit := ternarySet
	lit.Log2SigmaGLWE = -62
	k := keysOf(t, lit)
	noise := k.selectNoise()
	for _, g := range []GadgetParams{{28, 1}, {23, 1}, {14, 2}, {10, 3}, {4, 6}} {
		ev := k.evaluator(g)
		var sums moments
		var inverse [2]moments
		terms := []int{1, MaxSumTerms}
		for range samples(6, 30) {
			made := func(terms int) *FourierSum {
				s := NewFourierSum(k.p)
				for range terms {
					ev.ExternalProductSum(s, k.encryptBit(0, g), k.randomGLWE())
				}
				return s
			}
			dst := NewGLWE(k.p)
			ev.AddSum(dst, made(MaxSumTerms))
			sums.addDifference(k.phase(dst), make([]uint64, k.p.N()))
			for i, r := range terms {
				x, y, d := made(r), made(r), NewFourierSum(k.p)
				d.Copy(x)
				d.Sub(y)
				dst, minus := NewGLWE(k.p), NewGLWE(k.p)
				ev.AddSum(dst, x)
				ev.AddSum(minus, y)
				ev.AddSum(minus, d)
				dst.Sub(minus)
				inverse[i].addDifference(k.phase(dst), make([]uint64, k.p.N()))
			}
		}
		long := math.Sqrt(1 + 2*float64(g.Levels)*MaxSumTerms/128) // see MaxSumTerms
		checkNoise(t, "sum, "+g.String(), &sums, MaxSumTerms*noise.ExternalProduct(g), fftLow, 1.1*long, 6)
		for i, r := range terms {
			checkNoise(t, fmt.Sprintf("inverse of %d, %v", r, g), &inverse[i], 4*float64(r)*noise.Inverse(g), fftLow, 1.15, 6)
		}
	}
}
