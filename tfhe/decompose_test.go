package tfhe

import (
	"slices"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/fft"

	"testing"

	"pgregory.net/rapid"
)

// recompose returns sum_j digit_j q/B^(j+1).
func recompose(digits []int64, g GadgetParams) (x uint64) {
	for j, d := range digits {
		x += uint64(d) << (64 - g.BaseLog*(j+1))
	}
	return x
}

// digitSums accumulates digits exactly.
type digitSums struct{ sum, squares, count int64 }

func (s *digitSums) add(d int64) {
	s.sum += d
	s.squares += d * d
	s.count++
}

// check compares with a mean of exactly 0 and a mean square of exactly B^2/12 + 1/6, or more by more/12 in the sum.
func (s *digitSums) check(t *testing.T, name string, g GadgetParams, j int, more int64) {
	t.Helper()
	base := int64(1) << g.BaseLog
	if s.sum != 0 {
		t.Errorf("%s %v: digits %d sum to %d, want no mean", name, g, j, s.sum)
	}
	if 12*s.squares != s.count*(base*base+2)+more {
		t.Errorf("%s %v: mean square of digits %d is %g, want B^2/12 + 1/6 = %g",
			name, g, j, float64(s.squares)/float64(s.count), float64(base*base+2)/12)
	}
}

// smallGadgets are those whose digits and first rounded bits can be enumerated.
var smallGadgets = []GadgetParams{{1, 1}, {1, 4}, {1, 9}, {2, 1}, {2, 4}, {2, 5}, {3, 3}, {4, 2}, {5, 2}, {12, 1}}

// TestDecomposeExhaustively runs through the leading B^l * 4 values of a word and the words just above and below each. Digits of x and -x cancel; only q/2,
// which is -q/2, has no partner: its first digit is B/2 and not -B/2.
func TestDecomposeExhaustively(t *testing.T) {
	for _, g := range smallGadgets {
		digits := make([]int64, g.Levels)
		sums := make([]digitSums, g.Levels)
		half := int64(1) << (g.BaseLog - 1)
		bound := int64(1) << (63 - g.BaseLog*g.Levels)
		free := 62 - g.BaseLog*g.Levels // two rounded bits are enumerated
		var errors int64
		for v := range uint64(1) << (64 - free) {
			for _, low := range []uint64{0, 1, ^uint64(0)} {
				x := v<<free + low
				decompose(digits, []uint64{x}, g)
				positive, turn := int64(x) >= 0, x == 1<<63
				for j, d := range digits {
					if low == 0 && !turn {
						sums[j].add(d)
					}
					// Close to q/2 the first digit of a positive word wraps to -B/2, and the others follow.
					if d < -half || d > half || positive && d == half || !positive && d == -half {
						t.Fatalf("%v: digit %d of %#x is %d", g, j, x, d)
					}
				}
				e := int64(x - recompose(digits, g))
				if e < -bound || e > bound {
					t.Fatalf("%v: %#x recomposes with error %d, above %d", g, x, e, bound)
				}
				if low == 0 {
					errors += e >> free
				}
				if low == 0 && turn {
					for j, d := range digits {
						if want := map[bool]int64{true: half}[j == 0]; d != want {
							t.Errorf("%v: digit %d of q/2 is %d", g, j, d)
						}
						sums[j].add(0)
						sums[j].squares += d * d
					}
				}
			}
		}
		for j := range sums {
			more := int64(0)
			if j == 0 {
				// Of the steps from one multiple of q/B to the next, carries make the first digit larger from this one on:
				base, steps := int64(1)<<g.BaseLog, int64(4)
				carry := int64(2)
				for range g.Levels - 1 {
					carry += steps * (half - 1)
					steps *= base
				}
				more = 3 * base * base * (steps - 2*carry + 1)
			}
			sums[j].check(t, "decompose", g, j, more)
		}
		if errors != 0 {
			t.Errorf("%v: rounding errors sum to %d, want no mean", g, errors)
		}
	}
}

// TestKeySwitchDigitsExhaustively runs through the leading B^t * 4 values of a word: the digits, the rounding bit and the bit that breaks ties. The
// bits below are zero, as in words that come from a Fourier transform.
func TestKeySwitchDigitsExhaustively(t *testing.T) {
	for _, g := range smallGadgets {
		raw, digits := make([]int32, g.Levels), make([]int64, g.Levels)
		sums := make([]digitSums, g.Levels)
		half := int64(1) << (g.BaseLog - 1)
		bound := int64(1) << (63 - g.BaseLog*g.Levels)
		free := 62 - g.BaseLog*g.Levels
		ties := make([][2]int, g.Levels)
		for v := range uint64(1) << (64 - free) {
			x := v << free
			e := keySwitchDigits(raw, x, g)
			for j, d := range raw {
				digits[j] = int64(d)
			}
			for j, d := range digits {
				sums[j].add(d)
				switch d {
				case half:
					ties[j][0]++
				case -half:
					ties[j][1]++
				}
				if d < -half || d > half {
					t.Fatalf("%v: digit %d of %#x is %d", g, j, x, d)
				}
			}
			if got := int64(x - recompose(digits, g)); got != e || e < -bound || e > bound {
				t.Fatalf("%v: %#x recomposes with error %d, reported %d, bound %d", g, x, got, e, bound)
			}
		}
		for j := range sums {
			sums[j].check(t, "key switch", g, j, 0)
			if ties[j][0] != ties[j][1] || ties[j][0] == 0 {
				t.Errorf("%v: digit %d is B/2 %d times and -B/2 %d times", g, j, ties[j][0], ties[j][1])
			}
		}
	}
}

// TestDecomposeLarge checks bound, range and the opposite digits of opposite words for every admitted gadget.
func TestDecomposeLarge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := GadgetParams{BaseLog: rapid.IntRange(1, 30).Draw(t, "b"), Levels: rapid.IntRange(1, 16).Draw(t, "l")}
		if checkGadget("", g) != nil {
			t.Skip()
		}
		x := rapid.Uint64().Draw(t, "x")
		half := int64(1) << (g.BaseLog - 1)
		bound := int64(1) << (63 - g.BaseLog*g.Levels)
		digits := make([]int64, 4*g.Levels)
		decompose(digits, []uint64{x, -x, -x, x}, g)
		for c, v := range []uint64{x, -x, -x, x} {
			var row []int64
			for j := range g.Levels {
				d := digits[4*j+c]
				if d < -half || d > half {
					t.Fatalf("%v: digit %d", g, d)
				}
				if d != -digits[4*j+(c^1)] && v != 1<<63 {
					t.Fatalf("%v: digits of %#x and of %#x are not opposite", g, v, -v)
				}
				row = append(row, d)
			}
			if e := int64(v - recompose(row, g)); e < -bound || e > bound {
				t.Fatalf("%v: %#x recomposes with error %d", g, v, e)
			}
		}
		raw, row := make([]int32, g.Levels), make([]int64, g.Levels)
		e := keySwitchDigits(raw, x, g)
		for j, d := range raw {
			row[j] = int64(d)
		}
		if e != int64(x-recompose(row, g)) || e < -bound || e > bound {
			t.Fatalf("%v: key-switch digits of %#x have error %d", g, x, e)
		}
	})
}

// TestDigitNorm measures the squared norm of digits of uniform words against GadgetParams.SignedDigitNorm.
func TestDigitNorm(t *testing.T) {
	for _, g := range []GadgetParams{{23, 1}, {14, 2}, {10, 3}, {4, 7}} {
		const n = 1 << 14
		digits := make([]int64, g.Levels*n)
		src := randomWords(n)
		decompose(digits, src, g)
		var m, e moments
		for _, d := range digits {
			m.add(float64(d))
		}
		for c, x := range src {
			var row []int64
			for j := range g.Levels {
				row = append(row, digits[j*n+c])
			}
			e.add(torus(x - recompose(row, g)))
		}
		// Squares of uniform digits have a relative deviation of 0.9: the mean of 2^14 is known to 0.35% of the deviation; 3% is 8 of it.
		checkNoise(t, "digits of "+g.String(), &m, g.SignedDigitNorm(1)/float64(g.Levels), 0.97, 1.03, 1)
		checkNoise(t, "rounding of "+g.String(), &e, g.RoundingVariance(), 0.97, 1.03, 1)
	}
}

// TestForwardDigits compares the digits that are cut out inside the transform with the plain loop.
func TestForwardDigits(t *testing.T) {
	for _, g := range []GadgetParams{{23, 1}, {14, 2}, {9, 5}, {3, 7}} {
		for _, n := range []int{256, 2048} {
			plan := fft.For(n)
			src := randomWords(n)
			copy(src, []uint64{0, 1, ^uint64(0), 1 << 63, 1<<63 - 1, 1 << 40, ^uint64(1<<40) + 1})
			got, want := make([]float64, g.Levels*n), make([]float64, g.Levels*n)
			for j := range g.Levels {
				forwardDigit(plan, got[j*n:(j+1)*n], src, g, digitOffset(g), j)
			}
			digits := make([]int64, g.Levels*n)
			decompose(digits, src, g)
			for j := range g.Levels {
				plan.ForwardInt64(want[j*n:(j+1)*n], digits[j*n:(j+1)*n])
			}
			if !slices.Equal(got, want) {
				t.Errorf("%v, N=%d: transforms differ", g, n)
			}
		}
	}
}

// decompose writes the l signed digits of every word of src into digits (l rows of len(src)): src = sum_j digit_j q/B^(j+1) + e with
// |e| <= q/(2 B^l) and digits in [-B/2, B/2].
//
// Words of [0, q/2] use [-B/2, B/2) and round ties up, their negatives the mirror image (-B/2, B/2] and down. The digits of random words then have no mean,
// and neither have the rounding errors of coarse ones (an inverse FFT makes multiples of 2^29 to 2^38, many of them halfway between two multiples of
// q/B^l). A mean in all coefficients, or one of either sign by their parity, multiplies one value of the spectrum of the key row. Rows that a scheme switch made
// are products with the key: there that is one value of the key's spectrum for all selectors of a circuit, and few keys had far more noise than others.
func decompose(digits []int64, src []uint64, g GadgetParams) {
	n := len(src)
	b, l := g.BaseLog, g.Levels
	mask := uint64(1)<<b - 1
	half := int64(1) << (b - 1)
	// Adding B/2 to every digit makes all digits non-negative, so that they can be cut out by shift and mask.
	offset := uint64(1) << (63 - b*l)
	for j := 1; j <= l; j++ {
		offset += uint64(half) << (64 - b*j)
	}
	for j := range l {
		row := digits[j*n:][:n]
		shift := 64 - b*(j+1)
		for c, x := range src {
			if int64(x) >= 0 {
				row[c] = int64((x+offset)>>shift&mask) - half
			} else {
				row[c] = half - int64((offset-x)>>shift&mask)
			}
		}
	}
}
