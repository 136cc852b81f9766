package fft

import (
	"fmt"
	"math"
	"math/bits"
	"testing"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

// eachLevel runs a test with every instruction set of the machine.
func eachLevel(t *testing.T, f func(t *testing.T)) {
	for l, name := range levelNames {
		t.Run(name, func(t *testing.T) {
			defer setLevel(l)()
			f(t)
		})
	}
}

// guarded is a slice between bands that nothing may write to, at no particular alignment.
type guarded[T int64 | uint64 | float64] struct {
	all []T
	n   int
}

const band = 19

func guard[T int64 | uint64 | float64](x []T) guarded[T] {
	g := guarded[T]{make([]T, len(x)+2*band), len(x)}
	for i := range g.all {
		g.all[i] = T(77 + i)
	}
	copy(g.all[band:], x)
	return g
}

func (g guarded[T]) x() []T { return g.all[band : band+g.n : band+g.n] }

func (g guarded[T]) check(t *testing.T, name string) {
	t.Helper()
	for i, v := range g.all {
		if (i < band || i >= band+g.n) && v != T(77+i) {
			t.Fatalf("%s: written at %d, outside of %d elements", name, i-band, g.n)
		}
	}
}

// unchanged checks the bands and that a source is as it was.
func unchanged[T int64 | uint64 | float64](t *testing.T, name string, g guarded[T], x []T) {
	t.Helper()
	g.check(t, name)
	for i, v := range g.x() {
		if v != x[i] {
			t.Fatalf("%s: element %d of a source changed", name, i)
		}
	}
}

// weird are words that conversions and carries may get wrong.
var weird = []uint64{0, 1, math.MaxUint64, 1<<63 - 1, 1 << 63, 1<<63 + 1, 1 << 62, 1<<53 + 1, 1 << 53, 1<<52 - 1, 1 << 52, 1 << 51, 1<<32 - 1, 1 << 32, 1 << 31, 1<<31 - 1,
	0x8000000080000000, 0x7fffffff80000000, 0x7fffffffffffffff - 1<<10, 0xffffffff00000000, 0xfffffffffffff800, 0x5555555555555555, 0xaaaaaaaaaaaaaaaa}

// weirdWords returns n words, weird ones where choose says so and random ones elsewhere.
func weirdWords(s *rng.Source, n int, every uint64) []uint64 {
	w := words(s, n)
	for i := range w {
		if s.Uint64n(every) == 0 {
			w[i] = weird[s.Uint64n(uint64(len(weird)))]
		}
	}
	return w
}

// near checks got against want up to an absolute error.
func near(t *testing.T, name string, got, want []float64, tolerance float64) {
	t.Helper()
	for i := range got {
		if !(math.Abs(got[i]-want[i]) <= tolerance) {
			t.Fatalf("%s, element %d of %d: %g, pure Go %g, tolerance %g", name, i, len(got), got[i], want[i], tolerance)
		}
	}
}

// Every kernel of the transforms against the Go loops: random and weird words, bands around every slice.
func TestTransformKernels(t *testing.T) {
	for l, name := range levelNames {
		for _, n := range degrees {
			for round := range 6 {
				p, s := For(n), source(byte(20+round))
				src := weirdWords(s, n, []uint64{1, 2, 50}[round%3])
				ints := make([]int64, n)
				for i, v := range src {
					ints[i] = int64(v)
				}
				name := fmt.Sprintf("%s, degree %d", name, n)
				// Sums of N words of up to 2^63; one part in 2^50 covers a dozen roundings.
				tolerance := 0x1p63 * float64(n) * 0x1p-50
				dst, want := guard(make([]float64, n)), make([]float64, n)
				in, inInts := guard(src), guard(ints)
				fold(want, ints, &p.first)
				p.descendGo(want)
				restore := setLevel(l)
				p.ForwardTorus(dst.x(), in.x())
				near(t, name+", ForwardTorus", dst.x(), want, tolerance)
				unchanged(t, name+", ForwardTorus", in, src)
				dst.check(t, name+", ForwardTorus")
				p.ForwardInt64(dst.x(), inInts.x())
				near(t, name+", ForwardInt64", dst.x(), want, tolerance)
				unchanged(t, name+", ForwardInt64", inInts, ints)
				dst.check(t, name+", ForwardInt64")

				// Inverse of the same values, into words that are there and over them.
				x, out := guard(want), guard(src)
				wantWords := append([]uint64(nil), src...)
				y := append([]float64(nil), want...)
				p.ascendGo(y)
				unfold(wantWords, append([]float64(nil), y...), &p.unfirst, p.scale, true)
				p.InverseAddTorus(out.x(), x.x())
				compareWords(t, name+", InverseAddTorus", out.x(), wantWords)
				out.check(t, name+", InverseAddTorus")
				x.check(t, name+", InverseAddTorus")
				x, out = guard(want), guard(src)
				unfold(wantWords, y, &p.unfirst, p.scale, false)
				p.InverseTorus(out.x(), x.x())
				compareWords(t, name+", InverseTorus", out.x(), wantWords)
				out.check(t, name+", InverseTorus")
				x.check(t, name+", InverseTorus")
				restore()
			}
		}
	}
}

// compareWords allows for different roundings of values of the torus's size.
func compareWords(t *testing.T, name string, got, want []uint64) {
	t.Helper()
	for i := range got {
		if e := int64(got[i] - want[i]); e > 1<<14 || e < -1<<14 {
			t.Fatalf("%s, coefficient %d of %d: %#x, pure Go %#x", name, i, len(got), got[i], want[i])
		}
	}
}

// splitVectors replaces the coefficients c_0 .. c_(k-1) of a node modulo X^k - w^k, k = 4 or 8, of each lane of v by its values at the
// k roots, in binary order. Lane l has w^j, j = 1..k-1, at w[step*2*(j-1)+l] and step elements on; step 1 is one constant for all lanes.
func splitVectors(v []vector, w []float64, step int) {
	k := len(v)
	for l := range 8 {
		c, out := make([]complex128, k), make([]complex128, k)
		for j := range c {
			c[j] = complex(v[j][l], v[j][l+8])
			if j > 0 {
				at := 2*step*(j-1) + l%step
				c[j] *= complex(w[at], w[at+step])
			}
		}
		for r := range out {
			root := bits.Reverse8(uint8(r)) >> 5 // the r-th root is w exp(2 pi i root/8)
			for j := range c {
				sin, cos := math.Sincos(2 * math.Pi * float64(int(root)*j%8) / 8)
				out[r] += c[j] * complex(cos, sin)
			}
			v[r][l], v[r][l+8] = real(out[r]), imag(out[r])
		}
	}
}

// transpose exchanges lanes and vectors.
func transpose(v *[8]vector) {
	w := *v
	for i := range v {
		for l := range 8 {
			v[i][l], v[i][l+8] = w[l][i], w[l][i+8]
		}
	}
}

// The passes within groups of 64 points, in Go and in assembly, against the definition with the constants of the assembly.
func TestLeaves(t *testing.T) {
	for l, name := range levelNames {
		for _, n := range degrees {
			p, s := For(n), source(80)
			x, want := guard(make([]float64, n)), make([]float64, n)
			for i := range want {
				want[i] = float64(int64(s.Uint64()))
				x.x()[i] = want[i]
			}
			for g := range n / 128 {
				v := (*[8]vector)(vectors(want)[8*g:])
				if p.sixteen {
					splitVectors(v[:], p.group8[14*g:], 1)
				} else {
					for half := range 2 {
						w := &p.group[2*g+half]
						splitVectors(v[4*half:4*half+4], []float64{w.re1, w.im1, w.re2, w.im2, w.re3, w.im3}, 1)
					}
				}
				transpose(v)
				splitVectors(v[:], p.lane8[112*g:], 8)
			}
			inner := *p
			inner.outer = nil
			restore := setLevel(l)
			inner.descend(x.x(), &request{})
			near(t, fmt.Sprintf("%s, degree %d", name, n), x.x(), want, 0x1p63*0x1p-43)
			x.check(t, name)
			inner.ascend(x.x(), &request{})
			restore()
			s = source(80)
			for i := range want {
				want[i] = float64(int64(s.Uint64())) * map[bool]float64{true: 64, false: 32}[p.sixteen]
			}
			near(t, fmt.Sprintf("%s, degree %d, inverse", name, n), x.x(), want, 0x1p63*0x1p-41)
		}
	}
}

// gadgetDigits returns the digits of x in base 2^b, l of them, from the definition: the nearest multiple of q/B^l, ties up, in digits of
// [-B/2, B/2), least significant first with carries; odd coefficients are minus those of -x.
func gadgetDigits(x uint64, b, l uint) []int64 {
	negative := int64(x) < 0
	if negative {
		x = -x
	}
	drop := 64 - b*l
	v := x >> drop
	if drop > 0 {
		v += x >> (drop - 1) & 1
	}
	d := make([]int64, l)
	for j := int(l) - 1; j >= 0; j-- {
		d[j] = int64(v & (1<<b - 1))
		v >>= b
		if d[j] >= 1<<(b-1) {
			d[j] -= 1 << b
			v++
		}
		if negative {
			d[j] = -d[j]
		}
	}
	return d
}

// Fused digits are the digits of the definition: their transforms are the same to the last bit.
func TestForwardDigit(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, n := range degrees {
			for _, g := range []struct{ b, l uint }{{1, 1}, {2, 12}, {4, 5}, {7, 9}, {8, 3}, {15, 2}, {21, 3}, {22, 1}, {23, 2}, {31, 2}, {44, 1}, {51, 1}} {
				p, s := For(n), source(byte(40+g.b))
				src := weirdWords(s, n, 2)
				offset := uint64(1) << (63 - g.b*g.l)
				for j := uint(1); j <= g.l; j++ {
					offset += 1 << (g.b - 1) << (64 - g.b*j)
				}
				digits := make([][]int64, g.l)
				for i, x := range src {
					// Words beside the ties of the last digit.
					if i%5 == 0 {
						src[i] = x>>(64-g.b*g.l)<<(64-g.b*g.l) + 1<<(63-g.b*g.l) + uint64(i%3) - 1
					}
					for j, d := range gadgetDigits(src[i], g.b, g.l) {
						digits[j] = append(digits[j], d)
					}
				}
				in, got, want := guard(src), guard(make([]float64, n)), make([]float64, n)
				for j := range g.l {
					p.ForwardDigit(got.x(), in.x(), offset, 64-g.b*(j+1), g.b)
					p.ForwardInt64(want, digits[j])
					near(t, fmt.Sprintf("degree %d, base 2^%d, digit %d of %d", n, g.b, j, g.l), got.x(), want, 0)
				}
				unchanged(t, "ForwardDigit", in, src)
				got.check(t, "ForwardDigit")
			}
		}
	})
}

// A digit polynomial by one instruction set, a key row by another, the inverse by a third: one layout.
func TestMixedLevels(t *testing.T) {
	for _, n := range degrees {
		s := source(60)
		p, d, k := For(n), digits(s, n, 1<<10), words(s, n)
		want := exact(d, k)
		for a := range levelNames {
			for b := range levelNames {
				for c := range levelNames {
					x, y, got := make([]float64, n), make([]float64, n), make([]uint64, n)
					restore := setLevel(a)
					p.ForwardInt64(x, d)
					setLevel(b)
					p.ForwardTorus(y, k)
					setLevel(c)
					Mul(x, x, y)
					p.InverseTorus(got, x)
					restore()
					_, square := deviation(got, want)
					if limit := 4 * float64(n) * (1 << 20) / 3 * ErrorVariance; square > limit {
						t.Errorf("degree %d, %s, %s, %s: error variance 2^%.1f", n, levelNames[a], levelNames[b], levelNames[c], math.Log2(square))
					}
				}
			}
		}
	}
}

// values returns n float64 that pointwise operations may get wrong: integers below 2^20, zeros of both signs, very small and large values.
func values(s *rng.Source, n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = float64(int64(s.Uint64()>>43) - 1<<20)
		if s.Uint64n(4) == 0 {
			v[i] = []float64{0, math.Copysign(0, -1), 1, -1, 5e-324, 0x1p-1022, 0x1p100, -0x1p100, 0.5}[s.Uint64n(9)]
		}
	}
	return v
}

// Every pointwise kernel against the Go loops, for all lengths, with bands, and in place as documented.
func TestPointwiseKernels(t *testing.T) {
	type call struct {
		name         string
		kernel, loop func(v [5][]float64)
		alias        [][2]int // pairs of arguments that may be one slice
	}
	rows := func(v [5][]float64) (d [][]float64, key []float64) {
		d = [][]float64{v[2], v[3], v[4]}
		for range 2 * len(d) {
			key = append(key, v[3]...)
		}
		for i := range key {
			key[i] += float64(i % 11)
		}
		return d, key
	}
	calls := []call{
		{"Mul", func(v [5][]float64) { Mul(v[0], v[2], v[3]) }, func(v [5][]float64) { mulGo(v[0], v[2], v[3]) }, [][2]int{{0, 2}, {0, 3}, {2, 3}}},
		{"MulAdd", func(v [5][]float64) { MulAdd(v[0], v[2], v[3]) }, func(v [5][]float64) { mulAddGo(v[0], v[2], v[3]) }, [][2]int{{0, 2}, {0, 3}, {2, 3}}},
		{"MulAdd2", func(v [5][]float64) { MulAdd2(v[0], v[1], v[2], v[3], v[4]) }, func(v [5][]float64) { mulAdd2Go(v[0], v[1], v[2], v[3], v[4]) },
			[][2]int{{0, 2}, {1, 2}, {0, 3}, {0, 4}, {1, 3}, {1, 4}, {2, 3}, {3, 4}}},
		{"Add", func(v [5][]float64) { Add(v[0], v[2]) }, func(v [5][]float64) { addGo(v[0], v[2]) }, [][2]int{{0, 2}}},
		{"Sub", func(v [5][]float64) { Sub(v[0], v[2]) }, func(v [5][]float64) { subGo(v[0], v[2]) }, [][2]int{{0, 2}}},
		{"MulRows2", func(v [5][]float64) { d, key := rows(v); MulRows2(v[0], v[1], d, key) }, func(v [5][]float64) { d, key := rows(v); mulRows2Go(v[0], v[1], d, key, false) }, nil},
		{"MulAddRows2", func(v [5][]float64) { d, key := rows(v); MulAddRows2(v[0], v[1], d[:2], key[:4*len(v[0])]) }, func(v [5][]float64) {
			d, key := rows(v)
			mulRows2Go(v[0], v[1], d[:2], key[:4*len(v[0])], true)
		}, nil},
	}
	eachLevel(t, func(t *testing.T) {
		for _, c := range calls {
			for _, n := range []int{16, 32, 48, 256, 2048, 4096} {
				for _, alias := range append([][2]int{{0, 0}}, c.alias...) {
					s := source(byte(n / 16))
					var got, want [5][]float64
					var bands [5]guarded[float64]
					for i := range got {
						v := values(s, n)
						bands[i] = guard(v)
						got[i], want[i] = bands[i].x(), v
					}
					got[alias[1]], want[alias[1]] = got[alias[0]], want[alias[0]]
					c.kernel(got)
					c.loop(want)
					for i := range got {
						bands[i].check(t, c.name)
						for j := range got[i] {
							if g, w := got[i][j], want[i][j]; !(math.Abs(g-w) <= 0x1p-50*products(bands, j)) {
								t.Fatalf("%s, length %d, arguments %v the same: element %d of argument %d is %g, in pure Go %g", c.name, n, alias, j, i, g, w)
							}
						}
					}
				}
			}
		}
	})
}

// products bounds the sum of the products that meet in the point of element j: roundings are relative to it.
func products(v [5]guarded[float64], j int) float64 {
	m := 11.
	for i := range v {
		point := j&^15 + j%8
		m = max(m, math.Abs(v[i].x()[point]), math.Abs(v[i].x()[point+8]))
	}
	return 12 * m * m
}

// Products with monomials against the Go loops, at even and odd, small and large exponents, in place and not.
func TestMonomialKernels(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, n := range degrees {
			p, s := For(n), source(70)
			for _, a := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, n / 2, n - 1, n, n + 1, 2*n - 4, 2*n - 1, int(s.Uint64n(uint64(2 * n)))} {
				for _, minusOne := range []bool{false, true} {
					for _, inPlace := range []bool{false, true} {
						c, v := make([]float64, n), make([]float64, n)
						for i := range v {
							c[i], v[i] = float64(int64(s.Uint64()))*0x1p-63, float64(int64(s.Uint64()))*0x1p-63
						}
						acc, x := guard(c), guard(v)
						if inPlace {
							acc, c = x, v
						}
						if minusOne {
							p.MulXaMinus1Add(acc.x(), x.x(), a)
						} else {
							p.MulXaAdd(acc.x(), x.x(), a)
						}
						if !inPlace {
							unchanged(t, "monomial", x, v)
						}
						acc.check(t, "monomial")
						l := p.lanes(a)
						p.mulXaAddGo(c, v, a, &l, minusOne)
						near(t, fmt.Sprintf("degree %d, X^%d, minus one %t, in place %t", n, a, minusOne, inPlace), acc.x(), c, 0x1p-49)
					}
				}
			}
		}
	})
}

// No operation allocates.
func TestAllocations(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, n := range []int{1024, 2048} {
			p, w, v, key := For(n), make([]uint64, n), polynomials(n, 5), make([]float64, 4*n)
			if count := testing.AllocsPerRun(10, func() {
				p.ForwardDigit(v[0], w, 1<<40, 41, 23)
				p.ForwardTorus(v[1], w)
				Mul(v[2], v[0], v[1])
				MulAdd2(v[2], v[3], v[4], v[0], v[1])
				MulRows2(v[2], v[3], v[:2], key)
				p.MulXaMinus1Add(v[2], v[3], 99)
				Sub(v[2], v[3])
				p.InverseAddTorus(w, v[2])
			}); count != 0 {
				t.Errorf("degree %d: %g allocations", n, count)
			}
		}
	})
}
