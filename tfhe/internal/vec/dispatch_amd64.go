//go:build !purego

package vec

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

//go:generate go -C _asm run . -isa avx512 -out ../avx512_amd64.s -stubs ../avx512_amd64.go -pkg vec
//go:generate go -C _asm run . -isa avx2 -out ../avx2_amd64.s -stubs ../avx2_amd64.go -pkg vec

// The instruction sets that kernels exist for.
const (
	pureGo = iota
	avx2   // AVX2 and BMI2
	avx512 // AVX-512 F and DQ, BMI2
)

// best is the most of them that this machine has.
var best = func() int {
	switch x := &cpu.X86; {
	case x.HasAVX512F && x.HasAVX512DQ && x.HasBMI2:
		return avx512
	case x.HasAVX2 && x.HasBMI2:
		return avx2
	}
	return pureGo
}()

// level is the instruction set in use. Tests change it.
var level = best

// subMul32 does the columns that fill registers and returns how many.
func subMul32(dst [][]uint32, digits [][]int32, rows []uint32, stride int) (done int) {
	if len(dst) == 0 || len(digits[0]) == 0 {
		return 0
	}
	switch level {
	case avx512:
		done = len(dst[0]) &^ 15
	case avx2:
		done = len(dst[0]) &^ 7
	}
	if done == 0 {
		return 0
	}
	// Rows by blocks that the first-level cache holds: all tiles of columns and all ciphertexts are served from there.
	n := len(digits[0])
	block := max(16, 16<<10/(4*done))
	for first := 0; first < n; first += block {
		last, key := min(first+block, n), &rows[first*stride]
		if level == avx2 {
			touch(rows[first*stride : (last-1)*stride+done])
		}
		for q := 0; q < len(dst); {
			left, out, in := len(dst)-q, &dst[q], &digits[q]
			switch {
			case level == avx512 && left >= 4:
				subMul32x4AVX512(out, in, key, stride, first, last, done)
				q += 4
			case level == avx512 && left >= 2:
				subMul32x2AVX512(out, in, key, stride, first, last, done)
				q += 2
			case level == avx512:
				subMul32x1AVX512(out, in, key, stride, first, last, done)
				q++
			case level == avx2 && left >= 4:
				subMul32x4AVX2(out, in, key, stride, first, last, done)
				q += 4
			case level == avx2 && left >= 2:
				subMul32x2AVX2(out, in, key, stride, first, last, done)
				q += 2
			case level == avx2:
				subMul32x1AVX2(out, in, key, stride, first, last, done)
				q++
			}
		}
	}
	return done
}

// touch reads a block of rows in sequence. Registers of AVX2 take a row in several passes over the block, and the first one would miss the
// caches in leaps, which processors foresee less well.
func touch(x []uint32) {
	var sum uint32
	for i := 0; i < len(x); i += 8 {
		sum += x[i]
	}
	runtime.KeepAlive(sum)
}

// whole returns how many of n words fill registers.
func whole(n int) int {
	switch level {
	case avx512:
		return n &^ 7
	case avx2:
		return n &^ 3
	}
	return 0
}

func addSub64(sum, diff, x, y []uint64) (done int) {
	if done = whole(len(x)); done == 0 {
		return 0
	}
	if level == avx512 {
		addSub64AVX512(&sum[0], &diff[0], &x[0], &y[0], done)
	} else {
		addSub64AVX2(&sum[0], &diff[0], &x[0], &y[0], done)
	}
	return done
}

func sub64(dst, x, y []uint64) (done int) {
	if done = whole(len(x)); done == 0 {
		return 0
	}
	if level == avx512 {
		sub64AVX512(&dst[0], &x[0], &y[0], done)
	} else {
		sub64AVX2(&dst[0], &x[0], &y[0], done)
	}
	return done
}

func add64(dst, x []uint64) (done int) {
	if done = whole(len(x)); done == 0 {
		return 0
	}
	if level == avx512 {
		add64AVX512(&dst[0], &x[0], done)
	} else {
		add64AVX2(&dst[0], &x[0], done)
	}
	return done
}

func mulAdd64(dst, x []uint64, k uint64) (done int) {
	if done = whole(len(x)); done == 0 {
		return 0
	}
	if level == avx512 {
		mulAdd64AVX512(&dst[0], &x[0], k, done)
	} else {
		mulAdd64AVX2(&dst[0], &x[0], k, done)
	}
	return done
}

func automorphism64(dst, src []uint64, g, log int) (done bool) {
	switch {
	case len(src)%4 != 0 || level == pureGo:
		return false
	case level == avx512:
		automorphism64AVX512(&dst[0], &src[0], g, log, len(src))
	default:
		automorphism64AVX2(&dst[0], &src[0], g, log, len(src))
	}
	return true
}
