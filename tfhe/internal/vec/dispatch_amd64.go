//go:build !purego

package vec

import "golang.org/x/sys/cpu"

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

// hasVNNI tells whether a machine with AVX-512 multiplies bytes: all but the first of them do. Products of bytes have AVX2 kernels without.
var hasVNNI = cpu.X86.HasAVX512VNNI

// level is the instruction set in use. Tests change it.
var level = best

// subMulBytes does all of it, or nothing.
func subMulBytes(dst [][]uint32, digits [][]int8, key []byte, shift uint, bound int, ahead []byte) (done bool) {
	if level == pureGo {
		return false
	}
	quads, count := len(digits[0])/4, len(dst)
	if quads == 0 {
		return true
	}
	// Two products of a digit and a byte are added up to 16 bits for each quad.
	wide, flush := level == avx512 && hasVNNI, (1<<15-1)/(2*255*bound)
	for q := 0; q < count; {
		size := 4
		for q+size > count {
			size /= 2
		}
		// Each call asks for its share of the lines.
		from, to := len(ahead)/64*q/count, len(ahead)/64*(q+size)/count
		next, lines := &key[0], 0
		if to > from {
			next, lines = &ahead[64*from], to-from
		}
		out, in := &dst[q], &digits[q]
		switch {
		case wide && size == 4:
			subMulBytesx4AVX512(out, in, &key[0], quads, uint64(shift), next, lines)
		case wide && size == 2:
			subMulBytesx2AVX512(out, in, &key[0], quads, uint64(shift), next, lines)
		case wide:
			subMulBytesx1AVX512(out, in, &key[0], quads, uint64(shift), next, lines)
		case size == 4:
			subMulBytesx4AVX2(out, in, &key[0], quads, uint64(shift), next, lines, flush)
		case size == 2:
			subMulBytesx2AVX2(out, in, &key[0], quads, uint64(shift), next, lines, flush)
		default:
			subMulBytesx1AVX2(out, in, &key[0], quads, uint64(shift), next, lines, flush)
		}
		q += size
	}
	return true
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
