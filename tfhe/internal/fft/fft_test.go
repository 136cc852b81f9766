package fft

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/ring"
	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

var degrees = []int{256, 512, 1024, 2048, 4096}

// source is a deterministic source of test inputs.
func source(stream byte) *rng.Source { return rng.NewSeeded([32]byte{1, 2, 3, stream}) }

// digits returns uniform integers in [-bound, bound].
func digits(s *rng.Source, n int, bound int64) []int64 {
	d := make([]int64, n)
	for i := range d {
		d[i] = int64(s.Uint64n(uint64(2*bound+1))) - bound
	}
	return d
}

func words(s *rng.Source, n int) []uint64 {
	w := make([]uint64, n)
	s.Uniform(w)
	return w
}

// product returns d*k by this package.
func product(d []int64, k []uint64) []uint64 {
	p := For(len(d))
	a, b, dst := make([]float64, len(d)), make([]float64, len(d)), make([]uint64, len(d))
	p.ForwardInt64(a, d)
	p.ForwardTorus(b, k)
	Mul(a, a, b)
	p.InverseAddTorus(dst, a)
	return dst
}

// exact returns d*k by number theoretic transforms.
func exact(d []int64, k []uint64) []uint64 {
	r := ring.For(len(d))
	dst := make([]uint64, len(d))
	r.MulAdd(dst, k, r.Prepare(d))
	return dst
}

// deviation returns the mean and the mean square of got-want relative to the torus.
func deviation(got, want []uint64) (mean, square float64) {
	for i := range got {
		e := float64(int64(got[i]-want[i])) * 0x1p-64
		mean += e
		square += e * e
	}
	n := float64(len(got))
	return mean / n, square / n
}

// The definition: the value of the polynomial at the roots that Monomial says the points stand for.
func TestForwardDefinition(t *testing.T) { eachLevel(t, testForwardDefinition) }

func testForwardDefinition(t *testing.T) {
	for _, n := range degrees {
		p := For(n)
		x := make([]float64, n)
		p.Monomial(x, 1)
		d := digits(source(0), n, 100)
		y := make([]float64, n)
		p.ForwardInt64(y, d)
		seen := make(map[int]bool)
		for _, point := range []int{0, 1, 7, 8, 15, 16, 63, 64, n/2 - 1, n / 3} {
			i := point/8*16 + point%8
			root := math.Atan2(x[i+8], x[i]) / math.Pi * float64(n)
			e := int(math.Round(root))
			if math.Abs(root-float64(e)) > 1e-9 || (e-1)%4 != 0 {
				t.Fatalf("degree %d, point %d: X is at zeta^%g, not a 4k+1", n, point, root)
			}
			seen[e] = true
			var re, im float64
			for j, c := range d {
				sin, cos := math.Sincos(math.Pi * float64(e*j%(2*n)) / float64(n))
				re += float64(c) * cos
				im += float64(c) * sin
			}
			if math.Hypot(re-y[i], im-y[i+8]) > 1e-6 {
				t.Errorf("degree %d, root %d: %g + %gi, definition %g + %gi", n, e, y[i], y[i+8], re, im)
			}
		}
		if len(seen) < 9 {
			t.Errorf("degree %d: points share roots: %v", n, seen)
		}
	}
}

func TestRootsDistinct(t *testing.T) {
	for _, n := range degrees {
		p := For(n)
		seen := make(map[uint32]bool)
		for _, v := range p.exponent {
			for _, l := range p.lane {
				e := (v + l) % uint32(2*n)
				if e%4 != 1 || seen[e] {
					t.Fatalf("degree %d: exponent %d is repeated or not 4k+1", n, e)
				}
				seen[e] = true
			}
		}
	}
}

// Small products are exact: their true error is far below half a word.
func TestProductExact(t *testing.T) { eachLevel(t, testProductExact) }

func testProductExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom(degrees[:3]).Draw(t, "n")
		dBound := rapid.Int64Range(0, 1<<16).Draw(t, "digit bound")
		kBound := rapid.Int64Range(0, 1<<16).Draw(t, "word bound")
		s := rng.NewSeeded([32]byte{rapid.Byte().Draw(t, "seed")})
		d := digits(s, n, dBound)
		k := make([]uint64, n)
		for i, c := range digits(s, n, kBound) {
			k[i] = uint64(c)
		}
		got, want := product(d, k), exact(d, k)
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("degree %d, coefficient %d: %d, exact %d", n, i, int64(got[i]), int64(want[i]))
			}
		}
	})
}

// Extreme inputs: the largest digits and words, all of one sign or alternating, where sums are largest and wrap most often.
func TestProductExtremes(t *testing.T) { eachLevel(t, testProductExtremes) }

func testProductExtremes(t *testing.T) {
	for _, n := range degrees {
		for _, digit := range []int64{1, -1, 1 << 22, -1 << 22, 1 << 27} {
			for _, word := range []uint64{1 << 63, 1<<63 - 1, math.MaxUint64, 1 << 62} {
				for _, alternate := range []bool{false, true} {
					d, k := make([]int64, n), make([]uint64, n)
					for i := range d {
						d[i], k[i] = digit, word
						if alternate && i%2 == 1 {
							k[i] = -word
						}
					}
					// The worst case of the rounding error: every term of it at its bound.
					bound := math.Abs(float64(digit)) * float64(n) * math.Abs(float64(int64(word))) * 0x1p-64 * 0x1p-48
					got, want := product(d, k), exact(d, k)
					for i := range got {
						if e := math.Abs(float64(int64(got[i]-want[i])) * 0x1p-64); e > bound {
							t.Fatalf("degree %d, digits %d, words %#x, coefficient %d: error 2^%.1f of the torus", n, digit, word, i, math.Log2(e))
						}
					}
				}
			}
		}
	}
}

// measureError returns the error variance per unit of rows products summed before one inverse transform, over at least 16384
// coefficients, and the mean error in deviations of a mean of that many.
func measureError(n, logBase, rows int) (constant, mean float64) {
	p, r, s := For(n), ring.For(n), source(byte(logBase))
	bound := int64(1) << (logBase - 1)
	var square float64
	repeats := 16384 / n
	for range repeats {
		a, b, acc := make([]float64, n), make([]float64, n), make([]float64, n)
		got, want := make([]uint64, n), make([]uint64, n)
		for range rows {
			d, k := digits(s, n, bound), words(s, n)
			p.ForwardInt64(a, d)
			p.ForwardTorus(b, k)
			MulAdd(acc, a, b)
			r.MulAdd(want, k, r.Prepare(d))
		}
		p.InverseTorus(got, acc)
		m, v := deviation(got, want)
		mean += m / float64(repeats)
		square += v / float64(repeats)
	}
	meanSquare := float64(bound) * float64(bound+1) / 3
	return square / (float64(rows*n) * meanSquare), mean / math.Sqrt(square/float64(repeats*n))
}

// ErrorVariance is an upper bound within a factor 2 of what is measured at every degree and base, and errors have no mean.
func TestErrorVariance(t *testing.T) { eachLevel(t, testErrorVariance) }

func testErrorVariance(t *testing.T) {
	for _, n := range degrees {
		for _, logBase := range []int{4, 8, 12, 16, 20, 22, 24, 28} {
			for _, rows := range []int{1, 6} {
				if testing.Short() && rows > 1 {
					continue
				}
				c, mean := measureError(n, logBase, rows)
				t.Logf("N = %4d, B = 2^%-2d, %d rows: 2^%.2f, mean %.1f deviations", n, logBase, rows, math.Log2(c), mean)
				if c > ErrorVariance || c < ErrorVariance/2 {
					t.Errorf("N = %d, B = 2^%d, %d rows: error variance 2^%.2f per unit, constant 2^%.2f", n, logBase, rows, math.Log2(c), math.Log2(ErrorVariance))
				}
				// 5 deviations: 6e-7 per setting, from a fixed seed.
				if math.Abs(mean) > 5 {
					t.Errorf("N = %d, B = 2^%d, %d rows: the mean error is %.1f deviations from 0", n, logBase, rows, mean)
				}
			}
		}
	}
}

// Long sums in the Fourier domain keep to the growth that ErrorVariance states.
func TestErrorVarianceLongSum(t *testing.T) { eachLevel(t, testErrorVarianceLongSum) }

func testErrorVarianceLongSum(t *testing.T) {
	const rows = 64
	c, _ := measureError(2048, 22, rows)
	t.Logf("%d rows: 2^%.2f", rows, math.Log2(c))
	if limit := ErrorVariance * (1 + rows/128.); c > limit || c < limit/2 {
		t.Errorf("%d rows: error variance 2^%.2f per unit, stated 2^%.2f", rows, math.Log2(c), math.Log2(limit))
	}
}

func TestRoundTrip(t *testing.T) { eachLevel(t, testRoundTrip) }

func testRoundTrip(t *testing.T) {
	for _, n := range degrees {
		p := For(n)
		x, dst := make([]float64, n), make([]uint64, n)
		d := digits(source(7), n, 1<<45)
		p.ForwardInt64(x, d)
		p.InverseTorus(dst, x)
		for i := range d {
			if dst[i] != uint64(d[i]) {
				t.Fatalf("degree %d, coefficient %d: %d returns as %d", n, i, d[i], int64(dst[i]))
			}
		}
		// Adding: twice on top of what is there.
		for i := range dst {
			dst[i] = uint64(i) << 55
		}
		for range 2 {
			p.ForwardInt64(x, d)
			p.InverseAddTorus(dst, x)
		}
		for i := range d {
			if want := uint64(i)<<55 + 2*uint64(d[i]); dst[i] != want {
				t.Fatalf("degree %d, coefficient %d: %#x, want %#x", n, i, dst[i], want)
			}
		}
	}
}

// Words as large as the torus come back to within the conversion to float64 and the transform.
func TestRoundTripTorus(t *testing.T) { eachLevel(t, testRoundTripTorus) }

func testRoundTripTorus(t *testing.T) {
	for _, n := range degrees {
		p := For(n)
		k := words(source(8), n)
		copy(k, []uint64{0, 1, math.MaxUint64, 1 << 63, 1<<63 - 1, 1<<63 + 1, 1 << 62})
		x, dst := make([]float64, n), make([]uint64, n)
		p.ForwardTorus(x, k)
		p.InverseTorus(dst, x)
		for i := range k {
			if e := int64(dst[i] - k[i]); e > 1<<15 || e < -1<<15 {
				t.Fatalf("degree %d, coefficient %d: %#x returns as %#x", n, i, k[i], dst[i])
			}
		}
	}
}

func TestLinearity(t *testing.T) { eachLevel(t, testLinearity) }

func testLinearity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom(degrees).Draw(t, "n")
		s := rng.NewSeeded([32]byte{rapid.Byte().Draw(t, "seed"), 1})
		p := For(n)
		a, b := digits(s, n, 1<<20), digits(s, n, 1<<20)
		sum := make([]int64, n)
		for i := range sum {
			sum[i] = a[i] - b[i]
		}
		x, y, z := make([]float64, n), make([]float64, n), make([]float64, n)
		p.ForwardInt64(x, a)
		p.ForwardInt64(y, b)
		p.ForwardInt64(z, sum)
		Sub(x, y)
		for i := range x {
			if math.Abs(x[i]-z[i]) > 1e-5 {
				t.Fatalf("degree %d, element %d: %g, transform of the difference %g", n, i, x[i], z[i])
			}
		}
		Add(x, y)
		p.ForwardInt64(z, a)
		for i := range x {
			if math.Abs(x[i]-z[i]) > 1e-5 {
				t.Fatalf("degree %d, element %d: %g, want %g", n, i, x[i], z[i])
			}
		}
	})
}

// shift returns X^a * k by moving coefficients.
func shift(k []uint64, a int) []uint64 {
	n := len(k)
	out := make([]uint64, n)
	for i, c := range k {
		j := (i + a) % (2 * n)
		if j < n {
			out[j] = c
		} else {
			out[j-n] = -c
		}
	}
	return out
}

func TestMonomial(t *testing.T) {
	for _, n := range degrees {
		p := For(n)
		for _, a := range []int{0, 1, 2, 3, n / 2, n - 1, n, n + 1, 3*n/2 + 5, 2*n - 1} {
			one, x, y := make([]int64, n), make([]float64, n), make([]float64, n)
			if a < n {
				one[a] = 1
			} else {
				one[a-n] = -1
			}
			p.Monomial(x, a)
			p.ForwardInt64(y, one)
			for i := range x {
				if math.Abs(x[i]-y[i]) > 0x1p-50 {
					t.Fatalf("degree %d, X^%d, element %d: %g, transform %g", n, a, i, x[i], y[i])
				}
			}
		}
	}
}

func TestMulXa(t *testing.T) { eachLevel(t, testMulXa) }

func testMulXa(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom(degrees).Draw(t, "n")
		a := rapid.IntRange(0, 2*n-1).Draw(t, "a")
		s := rng.NewSeeded([32]byte{rapid.Byte().Draw(t, "seed"), 2})
		p := For(n)
		k, start := make([]uint64, n), make([]uint64, n)
		for i := range k {
			k[i], start[i] = s.Uint64()>>24-1<<39, s.Uint64()>>24-1<<39 // 40 bits: exact
		}
		for _, minus := range []bool{false, true} {
			x, acc, got := make([]float64, n), make([]float64, n), make([]uint64, n)
			p.ForwardTorus(x, k)
			p.ForwardTorus(acc, start)
			want := shift(k, a)
			for i := range want {
				want[i] += start[i]
				if minus {
					want[i] -= k[i]
				}
			}
			if minus {
				p.MulXaMinus1Add(acc, x, a)
			} else {
				p.MulXaAdd(acc, x, a)
			}
			p.InverseTorus(got, acc)
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("degree %d, X^%d, minus one %t, coefficient %d: %d, want %d", n, a, minus, i, int64(got[i]), int64(want[i]))
				}
			}
		}
	})
}

// Pointwise operations against complex128, with destinations of their own and in place.
func TestPointwise(t *testing.T) { eachLevel(t, testPointwise) }

func testPointwise(t *testing.T) {
	const n = 256
	s := source(9)
	vec := func() []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = float64(int64(s.Uint64()>>40) - 1<<23)
		}
		return v
	}
	at := func(v []float64, point int) complex128 { i := point/8*16 + point%8; return complex(v[i], v[i+8]) }
	clone := func(v []float64) []float64 { return append([]float64(nil), v...) }
	a, b0, b1, c0, c1 := vec(), vec(), vec(), vec(), vec()
	mul, mulAdd, two0, two1, square, onA := clone(c0), clone(c0), clone(c0), clone(c1), clone(a), clone(a)
	Mul(mul, a, b0)
	MulAdd(mulAdd, a, b0)
	MulAdd2(two0, two1, a, b0, b1)
	swap0, swap1 := clone(b1), clone(b0) // each destination is the other's factor
	MulAdd2(swap0, swap1, a, swap1, swap0)
	Mul(square, square, square)
	MulAdd(onA, onA, onA)
	for i := range n / 2 {
		z, y0, y1, w0, w1 := at(a, i), at(b0, i), at(b1, i), at(c0, i), at(c1, i)
		for name, pair := range map[string][2]complex128{
			"Mul": {at(mul, i), z * y0}, "MulAdd": {at(mulAdd, i), w0 + z*y0}, "MulAdd2 first": {at(two0, i), w0 + z*y0},
			"MulAdd2 second": {at(two1, i), w1 + z*y1}, "MulAdd2 swapped, first": {at(swap0, i), y1 + z*y0}, "MulAdd2 swapped, second": {at(swap1, i), y0 + z*y1}, "Mul in place": {at(square, i), z * z}, "MulAdd in place": {at(onA, i), z + z*z},
		} {
			if pair[0] != pair[1] { // all values are integers below 2^53
				t.Fatalf("%s, point %d: %v, want %v", name, i, pair[0], pair[1])
			}
		}
	}
}

func TestMisuse(t *testing.T) {
	p, x := For(256), make([]float64, 256)
	for name, call := range map[string]func(){
		"degree too small":  func() { For(128) },
		"not a power":       func() { NewPlan(768) },
		"degree too large":  func() { For(8192) },
		"short destination": func() { p.ForwardInt64(x[:240], make([]int64, 256)) },
		"long source":       func() { p.ForwardTorus(x, make([]uint64, 512)) },
		"inverse":           func() { p.InverseTorus(make([]uint64, 512), x) },
		"inverse add":       func() { p.InverseAddTorus(make([]uint64, 256), x[:128]) },
		"negative monomial": func() { p.Monomial(x, -1) },
		"large monomial":    func() { p.MulXaAdd(x, x, 512) },
		"lengths":           func() { MulAdd(x, x, x[:128]) },
		"no digits":         func() { p.ForwardDigit(x, make([]uint64, 256), 0, 60, 0) },
		"wide digits":       func() { p.ForwardDigit(x, make([]uint64, 256), 0, 12, 52) },
		"digit shift":       func() { p.ForwardDigit(x, make([]uint64, 256), 0, 64, 4) },
		"digit source":      func() { p.ForwardDigit(x, make([]uint64, 255), 0, 60, 4) },
		"no rows":           func() { MulRows2(x[:64], x[64:128], nil, nil) },
		"row lengths":       func() { MulRows2(x[:64], x[64:128], [][]float64{x[128:160]}, make([]float64, 128)) },
		"key rows":          func() { MulAddRows2(x[:64], x[64:128], [][]float64{x[128:192]}, make([]float64, 112)) },
		"half rows":         func() { InterleaveRows2(x[:64], x[64:128], 64) },
		"empty":             func() { Mul(nil, nil, nil) },
		"zero shift":        func() { p.MulXaMinus1Add(x, x[:16], 0) },
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
	if For(1024) != For(1024) || For(1024).N() != 1024 {
		t.Error("plans are not shared")
	}
}
