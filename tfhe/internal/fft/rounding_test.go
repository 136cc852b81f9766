package fft

import (
	"math"
	"math/big"
	"testing"
)

// nearest returns 2^64 x rounded half to even, modulo 2^64.
func nearest(x float64) uint64 {
	modulus := new(big.Int).Lsh(big.NewInt(1), 64)
	v := new(big.Rat).SetFloat64(x)
	v.Mul(v, new(big.Rat).SetInt(modulus))
	q, r := new(big.Int), new(big.Int)
	q.DivMod(v.Num(), v.Denom(), r)
	switch r.Lsh(r, 1).Cmp(v.Denom()) {
	case 1:
		q.Add(q, big.NewInt(1))
	case 0:
		if q.Bit(0) == 1 {
			q.Add(q, big.NewInt(1))
		}
	}
	return q.Mod(q, modulus).Uint64()
}

// Words nearest to real values, ties to even, against big floats.
func TestTorusRounding(t *testing.T) {
	values := roundingValues()
	for _, x := range values {
		if got, want := torus(x), nearest(x); got != want {
			t.Errorf("%g (%x) of the torus: %#x, want %#x", x, x, got, want)
		}
	}
	// The last pass joins four equal quarters to their sum and zeros.
	eachLevel(t, func(t *testing.T) {
		const n = 2048
		p := For(n)
		for ; len(values) >= 0; values = values[min(len(values), n/8):] {
			src, dst := make([]float64, n), make([]uint64, n)
			for i, x := range values[:min(len(values), n/8)] {
				for q := range 4 {
					src[q*n/4+i/8*16+i%8] = x / 4 / p.scale
					src[q*n/4+i/8*16+i%8+8] = -x / 4 / p.scale
				}
			}
			p.unfold(dst, src, false)
			for i, x := range values[:min(len(values), n/8)] {
				if got, want := dst[i], nearest(x/4*4); got != want {
					t.Errorf("%g (%x) of the torus: %#x, want %#x", x, x, got, want)
				}
				if got, want := dst[n/2+i], nearest(-(x / 4 * 4)); got != want {
					t.Errorf("%g (%x) of the torus: %#x, want %#x", -x, -x, got, want)
				}
			}
			if len(values) == 0 {
				break
			}
		}
		values = roundingValues()
	})
}

func roundingValues() []float64 {
	values := []float64{0, 0.5, -0.5, 1.5, -1.5, 0.25, 0x1p-64, 0x1p-65, 3 * 0x1p-65, -0x1p-65, 5 * 0x1p-66, 0.5 - 0x1p-54, -0.5 + 0x1p-54, 1 << 39, -1 << 39, 1<<38 + 0.5, 0x1p-13, -0x1p-13, 3 * 0x1p-13, 0x1p-13 + 0x1p-65, -0x1p-13 - 0x1p-65,
		0x1p-33, -0x1p-33, 0x1p-33 + 0x1p-65, 0x1p-1000, 0x1.fffffffffffffp-2, 5e-324, 123456789.123456789}
	s := source(10)
	for range 2000 {
		values = append(values, math.Ldexp(float64(int64(s.Uint64())), -int(s.Uint64n(100))-24))
	}
	return values
}

// Every root is the float64 nearest to the true value, by big floats: roots of one are repeated square roots, z -> sqrt(z), and
// products of these.
func TestUnitRoots(t *testing.T) {
	const precision = 200
	newFloat := func(v float64) *big.Float { return new(big.Float).SetPrec(precision).SetFloat64(v) }
	mul := func(a, b *big.Float) *big.Float { return newFloat(0).Mul(a, b) }
	const n = MaxN
	re, im := newFloat(0), newFloat(1) // i
	var powers [][2]*big.Float         // exp(i pi/2 / 2^j)
	for step := n / 2; step >= 1; step /= 2 {
		powers = append(powers, [2]*big.Float{re, im})
		// Half of the angle in [0, pi/2]: cos' = sqrt((1+cos)/2), sin' = sin/(2 cos').
		half := newFloat(0).Quo(newFloat(0).Add(newFloat(1), re), newFloat(2))
		c := newFloat(0).Sqrt(half)
		re, im = c, newFloat(0).Quo(im, mul(newFloat(2), c))
	}
	got := unitRoots(n)
	for k := 0; k < 2*n; k += 1 + k%7 {
		re, im := newFloat(1), newFloat(0)
		for j, w := range powers { // angle n/2 >> j
			bit := k % n / (n / 2 >> j) & 1
			if bit == 1 {
				re, im = newFloat(0).Sub(mul(re, w[0]), mul(im, w[1])), newFloat(0).Add(mul(re, w[1]), mul(im, w[0]))
			}
		}
		if k >= n {
			re, im = re.Neg(re), im.Neg(im)
		}
		wr, _ := re.Float64()
		wi, _ := im.Float64()
		if math.Abs(wr) < 1e-50 {
			wr = 0
		}
		if math.Abs(wi) < 1e-50 {
			wi = 0
		}
		if real(got[k]) != wr || imag(got[k]) != wi {
			t.Errorf("exp(i pi %d/%d): %v, want %v", k, n, got[k], complex(wr, wi))
		}
	}
	for _, m := range degrees { // smaller tables are parts of the largest
		for k, z := range unitRoots(m) {
			if z != got[k*n/m] {
				t.Errorf("exp(i pi %d/%d) depends on the table: %v and %v", k, m, z, got[k*n/m])
			}
		}
	}
}
