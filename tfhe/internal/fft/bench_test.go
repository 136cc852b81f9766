package fft

import (
	"fmt"
	"testing"
)

// benchmark runs f at each degree and level.
func benchmark(b *testing.B, f func(b *testing.B, n int)) {
	for _, n := range degrees {
		for l, name := range levelNames {
			b.Run(fmt.Sprintf("N=%d/%s", n, name), func(b *testing.B) {
				defer setLevel(l)()
				f(b, n)
			})
		}
	}
}

// polynomials returns count polynomials of small values, far enough apart not to share cache sets.
func polynomials(n, count int) [][]float64 {
	all := make([]float64, count*(n+96))
	v := make([][]float64, count)
	for i := range v {
		v[i] = all[i*(n+96):][:n]
	}
	return v
}

func BenchmarkForwardDigit(b *testing.B) {
	benchmark(b, func(b *testing.B, n int) {
		p, x, w := For(n), make([]float64, n), words(source(0), n)
		for b.Loop() {
			p.ForwardDigit(x, w, 1<<40, 41, 23)
		}
	})
}

func BenchmarkForwardTorus(b *testing.B) {
	benchmark(b, func(b *testing.B, n int) {
		p, x, w := For(n), make([]float64, n), words(source(0), n)
		for b.Loop() {
			p.ForwardTorus(x, w)
		}
	})
}

func BenchmarkInverseAddTorus(b *testing.B) {
	benchmark(b, func(b *testing.B, n int) {
		p, x, dst := For(n), make([]float64, n), make([]uint64, n) // of zeros: other values would grow without bound
		for b.Loop() {
			p.InverseAddTorus(dst, x)
		}
	})
}

func BenchmarkMul(b *testing.B) {
	benchmark(b, func(b *testing.B, n int) {
		v := polynomials(n, 3)
		for b.Loop() {
			Mul(v[0], v[1], v[2])
		}
	})
}

func BenchmarkMulAdd(b *testing.B) {
	benchmark(b, func(b *testing.B, n int) {
		v := polynomials(n, 3)
		for b.Loop() {
			MulAdd(v[0], v[1], v[2])
		}
	})
}

func BenchmarkMulAdd2(b *testing.B) {
	benchmark(b, func(b *testing.B, n int) {
		v := polynomials(n, 5)
		for b.Loop() {
			MulAdd2(v[0], v[1], v[2], v[3], v[4])
		}
	})
}

func BenchmarkMulRows2(b *testing.B) {
	for _, rows := range []int{2, 4} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			benchmark(b, func(b *testing.B, n int) {
				v, key := polynomials(n, 2+rows), make([]float64, 2*rows*n)
				for b.Loop() {
					MulRows2(v[0], v[1], v[2:], key)
				}
			})
		})
	}
}

func BenchmarkMulXaMinus1Add(b *testing.B) {
	benchmark(b, func(b *testing.B, n int) {
		p, v := For(n), polynomials(n, 2)
		for b.Loop() {
			p.MulXaMinus1Add(v[0], v[1], 235)
		}
	})
}

func BenchmarkSub(b *testing.B) {
	benchmark(b, func(b *testing.B, n int) {
		v := polynomials(n, 2)
		for b.Loop() {
			Sub(v[0], v[1])
		}
	})
}
