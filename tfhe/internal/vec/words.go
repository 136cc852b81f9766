package vec

import "math/bits"

// The arguments of a call have the same length, and a destination is either the same slice as an operand or does not overlap it.

// AddSub64 sets sum to x + y and diff to x - y. sum is neither x nor y; diff may also start some words before x in the same array: words are read
// before those behind them are written.
func AddSub64(sum, diff, x, y []uint64) {
	sum, diff, y = sum[:len(x)], diff[:len(x)], y[:len(x)]
	for i := addSub64(sum, diff, x, y); i < len(x); i++ {
		sum[i], diff[i] = x[i]+y[i], x[i]-y[i]
	}
}

// Sub64 sets dst to x - y. dst may also start some words before x in the same array.
func Sub64(dst, x, y []uint64) {
	dst, y = dst[:len(x)], y[:len(x)]
	for i := sub64(dst, x, y); i < len(x); i++ {
		dst[i] = x[i] - y[i]
	}
}

// Add64 adds x to dst.
func Add64(dst, x []uint64) {
	dst = dst[:len(x)]
	for i := add64(dst, x); i < len(x); i++ {
		dst[i] += x[i]
	}
}

// MulAdd64 adds k x to dst, for a k of either sign in two's complement.
func MulAdd64(dst, x []uint64, k uint64) {
	dst = dst[:len(x)]
	for i := mulAdd64(dst, x, k); i < len(x); i++ {
		dst[i] += k * x[i]
	}
}

// Automorphism64 sets dst to src(X^g) in Z[X]/(X^n+1) for an odd g in [1, 2n), n a power of two: coefficient j moves to j g mod 2n, where X^n = -1. dst
// is not src.
func Automorphism64(dst, src []uint64, g int) {
	n := len(src)
	log := bits.TrailingZeros(uint(n))
	if n != 1<<log || g < 1 || g >= 2*n || g%2 == 0 {
		panic("vec: not an automorphism of a ring of degree a power of two")
	}
	dst = dst[:n]
	if automorphism64(dst, src, g, log) {
		return
	}
	to := 0 // j g, below 2^31
	for _, v := range src {
		sign := -uint64(to >> log & 1) // all ones where the exponent modulo 2n is n or more
		dst[to&(n-1)] = (v ^ sign) - sign
		to += g
	}
}
