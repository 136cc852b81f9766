package numpy

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// bigExp is e^x in 300 bits, by the series of x/2^40.
func bigExp(x *big.Float) *big.Float {
	r := new(big.Float).SetPrec(300).SetMantExp(x, -40)
	sum, term := new(big.Float).SetPrec(300).SetInt64(1), new(big.Float).SetPrec(300).SetInt64(1)
	for n := int64(1); n < 40; n++ {
		term.Mul(term, r)
		term.Quo(term, new(big.Float).SetPrec(300).SetInt64(n))
		sum.Add(sum, term)
	}
	for range 40 {
		sum.Mul(sum, sum)
	}
	return sum
}

// TestPrecisePowers compares powers with rational exponents with integer arithmetic: x**(p/2^q), whose exact value y fulfils y^(2^q) = x^p.
func TestPrecisePowers(t *testing.T) {
	for _, c := range []struct{ x, y, want float64 }{ // exact, and numpy's
		{8, 1.0 / 3, 2}, {64, 1.5, 512}, {27, 1.0 / 3, 3}, {0.3, 3, 0.026999999999999996}, {10, -3, 0.001}, {-2, 3, -8}, {2, 0.5, math.Sqrt2}, {81, 0.25, 3}, {10, 15, 1e15},
	} {
		if got := pow(c.x, c.y); got != c.want {
			t.Errorf("%v ** %v = %v, want %v", c.x, c.y, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(1e-3, 1e3).Draw(t, "x")
		p, q := rapid.IntRange(-30, 30).Draw(t, "p"), rapid.IntRange(0, 4).Draw(t, "q")
		exact := new(big.Float).SetPrec(400).SetInt64(1)
		for range max(p, -p) {
			exact.Mul(exact, new(big.Float).SetPrec(400).SetFloat64(x))
		}
		for range q {
			exact.Sqrt(exact)
		}
		if p < 0 {
			exact.Quo(new(big.Float).SetPrec(400).SetInt64(1), exact)
		}
		want, _ := exact.Float64()
		got := pow(x, math.Ldexp(float64(p), -q))
		if got != want {
			t.Fatalf("%v ** (%d/2^%d) = %v, want %v", x, p, q, got, want)
		}
	})
}

// TestPreciseTanh compares with 300 bits.
func TestPreciseTanh(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(-21, 21).Draw(t, "x")
		if rapid.Bool().Draw(t, "small") {
			x = math.Ldexp(x, -rapid.IntRange(0, 60).Draw(t, "shift"))
		}
		if math.Abs(x) < 0x1p-80 {
			t.Skip("e^x - 1 cancels too many of the 300 bits")
		}
		e := bigExp(new(big.Float).SetPrec(300).SetFloat64(2 * x))
		one := new(big.Float).SetPrec(300).SetInt64(1)
		exact := new(big.Float).SetPrec(300).Quo(new(big.Float).SetPrec(300).Sub(e, one), new(big.Float).SetPrec(300).Add(e, one))
		want, _ := exact.Float64()
		if got := tanh(x); got != want {
			t.Fatalf("tanh(%v) = %v, want %v", x, got, want)
		}
	})
}
