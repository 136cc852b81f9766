package ring

import (
	"math"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// schoolbook adds a*s to dst by the definition, which is exact in wrapping arithmetic.
func schoolbook(dst, a []uint64, s []int64) {
	n := len(dst)
	for i, c := range s {
		if c == 0 {
			continue
		}
		for j, w := range a {
			if i+j < n {
				dst[i+j] += uint64(c) * w
			} else {
				dst[i+j-n] -= uint64(c) * w
			}
		}
	}
}

func TestMulAddSchoolbook(t *testing.T) {
	words := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, math.MaxUint64, 1 << 63, 1<<63 - 1, prime0, prime0 - 1, prime1, prime1 + 1}))
	rapid.Check(t, func(t *rapid.T) {
		n := 1 << rapid.IntRange(4, 8).Draw(t, "log n")
		bound := int64(1) << rapid.IntRange(0, 47).Draw(t, "log bound")
		coefficients := rapid.OneOf(rapid.Int64Range(-bound, bound), rapid.SampledFrom([]int64{0, bound, -bound}))
		a := rapid.SliceOfN(words, n, n).Draw(t, "a")
		s := rapid.SliceOfN(coefficients, n, n).Draw(t, "s")
		dst := rapid.SliceOfN(words, n, n).Draw(t, "dst")
		compare(t, dst, a, s)
	})
}

// Extreme inputs at every degree in use: the largest products of both signs that MaxNorm allows.
func TestMulAddExtremes(t *testing.T) {
	for n := 256; n <= MaxN; n *= 2 {
		for _, word := range []uint64{math.MaxUint64, 1 << 63, 1<<63 - 1} {
			for _, coefficient := range []int64{1, -1, 1 << 20, -1 << 20, MaxNorm / int64(n), -MaxNorm / int64(n)} {
				if n > 1024 && word != math.MaxUint64 {
					continue
				}
				a, s, dst := make([]uint64, n), make([]int64, n), make([]uint64, n)
				for i := range a {
					a[i], s[i], dst[i] = word, coefficient, uint64(i)<<50
				}
				compare(t, dst, a, s)
			}
		}
	}
}

func compare(t interface {
	Helper()
	Fatalf(string, ...any)
}, dst, a []uint64, s []int64) {
	t.Helper()
	r := For(len(a))
	want := append([]uint64(nil), dst...)
	schoolbook(want, a, s)
	r.MulAdd(dst, a, r.Prepare(s))
	for i := range dst {
		if dst[i] != want[i] {
			t.Fatalf("degree %d, coefficient %d: %#x, schoolbook %#x", len(a), i, dst[i], want[i])
		}
	}
}

// TestMulSum compares sums of products with the schoolbook's, with words and coefficients at their limits.
func TestMulSum(t *testing.T) {
	const n = 64
	r := For(n)
	for _, count := range []int{0, 1, 2, 5} {
		for _, extreme := range []bool{false, true} {
			dst, want := make([]uint64, n), make([]uint64, n)
			for i := range dst {
				dst[i] = uint64(i) << 50
				want[i] = dst[i]
			}
			var as []*Transformed
			var ss []*Small
			for k := range count {
				a, s := make([]uint64, n), make([]int64, n)
				for i := range a {
					a[i], s[i] = uint64(i+k)*0x9e3779b97f4a7c15, int64((i*k)%7-3)
					if extreme { // all of MaxNorm together
						a[i], s[i] = math.MaxUint64, MaxNorm/n/int64(count)*int64(1-2*(k%2))
					}
				}
				schoolbook(want, a, s)
				as, ss = append(as, r.Transform(a)), append(ss, r.Prepare(s))
			}
			r.MulSum(dst, as, ss)
			for i := range dst {
				if dst[i] != want[i] {
					t.Fatalf("%d products, coefficient %d: %#x, schoolbook %#x", count, i, dst[i], want[i])
				}
			}
		}
	}
}

func TestMulAddInPlace(t *testing.T) {
	const n = 64
	a, s := make([]uint64, n), make([]int64, n)
	for i := range a {
		a[i], s[i] = uint64(i)*0x9e3779b97f4a7c15, int64(i%3)-1
	}
	want := append([]uint64(nil), a...)
	schoolbook(want, a, s)
	For(n).MulAdd(a, a, For(n).Prepare(s))
	for i := range a {
		if a[i] != want[i] {
			t.Fatalf("coefficient %d: %#x, schoolbook %#x", i, a[i], want[i])
		}
	}
}

func TestMulAddConcurrent(t *testing.T) {
	const n = 256
	a, s, want := make([]uint64, n), make([]int64, n), make([]uint64, n)
	for i := range a {
		a[i], s[i] = uint64(i)*0x9e3779b97f4a7c15, int64(i%2)
	}
	schoolbook(want, a, s)
	small := For(n).Prepare(s)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 20 {
				dst := make([]uint64, n)
				For(n).MulAdd(dst, a, small)
				for i := range dst {
					if dst[i] != want[i] {
						t.Errorf("coefficient %d: %#x, schoolbook %#x", i, dst[i], want[i])
						return
					}
				}
			}
		})
	}
	wait.Wait()
}

func TestLimits(t *testing.T) {
	for _, n := range []int{-1, 0, 8, 100, 2 * MaxN} {
		if _, err := New(n); err == nil {
			t.Errorf("New(%d) succeeds", n)
		}
	}
	for name, call := range map[string]func(){
		"one coefficient too large":   func() { For(16).Prepare(append(make([]int64, 15), MaxNorm+1)) },
		"smallest integer":            func() { For(16).Prepare(append(make([]int64, 15), math.MinInt64)) },
		"sum too large":               func() { For(16).Prepare(append(make([]int64, 14), MaxNorm, -1)) },
		"wrong length":                func() { For(16).Prepare(make([]int64, 17)) },
		"operands of another degree":  func() { For(16).MulAdd(make([]uint64, 16), make([]uint64, 16), For(32).Prepare(make([]int64, 32))) },
		"destination of other length": func() { For(16).MulAdd(make([]uint64, 8), make([]uint64, 16), For(16).Prepare(make([]int64, 16))) },
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

func BenchmarkMulAdd(b *testing.B) {
	const n = 2048
	r := For(n)
	a, s, dst := make([]uint64, n), make([]int64, n), make([]uint64, n)
	for i := range a {
		a[i], s[i] = uint64(i)*0x9e3779b97f4a7c15, int64(i%2)
	}
	small := r.Prepare(s)
	for b.Loop() {
		r.MulAdd(dst, a, small)
	}
}
