package fft

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

// accumulatorValues returns n values in [-1/2, 1/2] of an accumulator: random ones, ties between multiples of 2^-bits, and extremes.
func accumulatorValues(s *rng.Source, n, bits int) []float64 {
	x := make([]float64, n)
	unit := math.Ldexp(1, -bits)
	for i := range x {
		x[i] = float64(int64(s.Uint64())) * 0x1p-64
		switch s.Uint64n(6) {
		case 0: // half a unit more than a multiple
			x[i] = math.Floor(x[i]/unit)*unit + unit/2
			x[i] = math.Max(-0.5, math.Min(0.5, x[i]))
		case 1:
			x[i] = []float64{0, 0.5, -0.5, unit, -unit, unit / 2, -unit / 2, 0x1p-54, 0.5 - 0x1p-54, math.Copysign(0, -1)}[s.Uint64n(10)]
		}
	}
	return x
}

// roundedTo is the multiple of 2^-bits next to x, ties to even: by exact arithmetic.
func roundedTo(x float64, bits int) float64 {
	f := new(big.Float).SetPrec(200).SetMantExp(big.NewFloat(x), bits)
	twice, _ := new(big.Float).SetPrec(200).Add(new(big.Float).Mul(f, big.NewFloat(2)), big.NewFloat(1)).Int(nil) // towards zero
	floor := new(big.Int).Rsh(twice, 1)
	if new(big.Float).SetPrec(200).SetInt(floor).Cmp(new(big.Float).SetPrec(200).Add(f, big.NewFloat(0.5))) > 0 {
		floor.Sub(floor, big.NewInt(1))
	}
	if new(big.Float).SetPrec(200).Add(f, big.NewFloat(0.5)).IsInt() && floor.Bit(0) == 1 {
		floor.Sub(floor, big.NewInt(1)) // a tie
	}
	r, _ := new(big.Float).SetMantExp(new(big.Float).SetInt(floor), -bits).Float64()
	return r
}

// ForwardRound transforms exactly the digits of its definition: they are compared, through the transform of integers, with digits from exact arithmetic.
func TestForwardRound(t *testing.T) {
	for l, levelName := range levelNames {
		for _, n := range degrees {
			for _, g := range []struct{ base, levels int }{{1, 3}, {4, 4}, {16, 1}, {22, 1}, {10, 3}, {25, 2}} {
				p, s := For(n), source(96)
				acc := accumulatorValues(s, n, g.base*g.levels)
				sums := make([]float64, n)
				for level := range g.levels {
					name := fmt.Sprintf("%s, degree %d, base 2^%d, level %d", levelName, n, g.base, level)
					digits := make([]int64, n)
					limit := math.Ldexp(1, g.base-1)
					for i, x := range acc {
						d := roundedTo(x, g.base*(level+1))
						if level > 0 {
							d -= roundedTo(x, g.base*level)
						}
						sums[i] += d
						d = math.Ldexp(d, g.base*(level+1))
						if math.Abs(d) > limit || d != math.Trunc(d) {
							t.Fatalf("%s: digit %g of %g", name, d, x)
						}
						digits[i] = int64(d)
					}
					want := make([]float64, n)
					fold(want, digits, &p.first)
					p.descendGo(want)
					for i := range want {
						want[i] = math.Ldexp(want[i], -g.base*(level+1))
					}
					in, got := guard(acc), guard(make([]float64, n))
					restore := setLevel(l)
					p.ForwardRound(got.x(), in.x(), g.base, level, acc[:s.Uint64n(uint64(n))])
					restore()
					near(t, name, got.x(), want, float64(n)*math.Ldexp(limit, -g.base*(level+1)-50))
					got.check(t, name)
					unchanged(t, name, in, acc)
				}
				for i, x := range acc {
					if sums[i] != roundedTo(x, g.base*g.levels) {
						t.Fatalf("digits of %g sum up to %g", x, sums[i])
					}
				}
			}
		}
	}
}

// InverseAddTurn adds what InverseAddTorus adds, with the scale taken out, and leaves values within half a turn.
func TestInverseAddTurn(t *testing.T) {
	for l, levelName := range levelNames {
		for _, n := range degrees {
			p, s := For(n), source(97)
			name := fmt.Sprintf("%s, degree %d", levelName, n)
			src, acc := make([]float64, n), accumulatorValues(s, n, 20)
			words := make([]uint64, n)
			for i := range src {
				src[i] = float64(int64(s.Uint64())) * 0x1p-63 // sums of up to sqrt(N) turns
				words[i] = uint64(int64(acc[i]*0x1p63)) << 1
			}
			scaled := make([]float64, n)
			for i, x := range src {
				scaled[i] = x / p.scale
			}
			p.ascendGo(scaled)
			unfold(words, scaled, &p.unfirst, p.scale, true)
			got, in := guard(acc), guard(src)
			restore := setLevel(l)
			p.InverseAddTurn(got.x(), in.x(), acc[:s.Uint64n(uint64(n))])
			restore()
			got.check(t, name)
			in.check(t, name)
			for i, x := range got.x() {
				e := x - float64(int64(words[i]))*0x1p-64
				if e -= math.RoundToEven(e); math.Abs(e) > float64(n)*0x1p-50 || !(math.Abs(x) <= 0.5) {
					t.Fatalf("%s: coefficient %d is %g, want %g", name, i, x, float64(int64(words[i]))*0x1p-64)
				}
			}
		}
	}
}

// RowScale is exact: digits in turns and rows times it are digits and rows times the scale of InverseTorus.
func TestRowScale(t *testing.T) {
	for _, n := range degrees {
		for _, g := range []struct{ base, level int }{{22, 0}, {1, 0}, {10, 2}, {4, 4}} {
			if got, want := For(n).RowScale(g.base, g.level), math.Ldexp(1, g.base*(g.level+1)-64)/float64(n/2); got != want {
				t.Errorf("degree %d, base 2^%d, level %d: %g, want %g", n, g.base, g.level, got, want)
			}
		}
	}
}

func TestTurnMisuse(t *testing.T) {
	p, x := For(256), make([]float64, 256)
	for name, call := range map[string]func(){
		"short":     func() { p.ForwardRound(x[:255], x, 4, 0, nil) },
		"short acc": func() { p.InverseAddTurn(x[:255], x, nil) },
		"no base":   func() { p.ForwardRound(x, x, 0, 0, nil) },
		"level":     func() { p.ForwardRound(x, x, 4, -1, nil) },
		"too fine":  func() { p.ForwardRound(x, x, 26, 1, nil) },
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
	eachLevel(t, func(t *testing.T) {
		if count := testing.AllocsPerRun(10, func() {
			p.ForwardRound(x, x, 4, 1, x)
			p.InverseAddTurn(x, x, x)
		}); count != 0 {
			t.Errorf("%g allocations", count)
		}
	})
}

func BenchmarkForwardRound(b *testing.B) {
	benchmark(b, func(b *testing.B, n int) {
		p, x, acc := For(n), make([]float64, n), accumulatorValues(source(0), n, 22)
		for b.Loop() {
			p.ForwardRound(x, acc, 22, 0, nil)
		}
	})
}

func BenchmarkInverseAddTurn(b *testing.B) {
	benchmark(b, func(b *testing.B, n int) {
		p, x, acc := For(n), make([]float64, n), make([]float64, n) // of zeros: other values would grow without bound
		for b.Loop() {
			p.InverseAddTurn(acc, x, nil)
		}
	})
}
