//go:build !purego

package fft

import "golang.org/x/sys/cpu"

//go:generate go -C _asm run . -isa avx512 -out ../avx512_amd64.s -stubs ../avx512_amd64.go -pkg fft
//go:generate go -C _asm run . -isa avx2 -out ../avx2_amd64.s -stubs ../avx2_amd64.go -pkg fft

// The instruction sets that kernels exist for.
const (
	pureGo = iota
	avx2   // AVX2 and FMA
	avx512 // AVX-512 F, DQ, BW and VL
)

// best is the most of them that this machine has.
var best = func() int {
	switch x := &cpu.X86; {
	case x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512BW && x.HasAVX512VL:
		return avx512
	case x.HasAVX2 && x.HasFMA:
		return avx2
	}
	return pureGo
}()

// level is the instruction set in use. Tests change it; each kernel has one switch on it, and any mixture of levels works on the same data.
var level = best

func (p *Plan) foldInt64(dst []float64, src []int64) {
	switch level {
	case avx512:
		foldInt64AVX512(&dst[0], &src[0], &p.first.re1, p.n)
	case avx2:
		foldInt64AVX2(&dst[0], &src[0], &p.first.re1, p.n)
	default:
		fold(dst, src, &p.first)
	}
}

func (p *Plan) foldDigit(dst []float64, src []uint64, offset uint64, shift uint, mask, half uint64) {
	switch level {
	case avx512:
		foldDigitAVX512(&dst[0], &src[0], &p.first.re1, p.n, offset, uint64(shift), mask, half)
	case avx2:
		foldDigitAVX2(&dst[0], &src[0], &p.first.re1, p.n, offset, uint64(shift), mask, half)
	default:
		foldDigit(dst, src, &p.first, offset, shift, mask, half)
	}
}

// descend runs the passes after the first one.
func (p *Plan) descend(x []float64, a *request) {
	switch level {
	case avx512:
		size := p.n / 4
		for _, pass := range p.outer {
			at, lines := a.next(p.n/64, 1)
			descend4AVX512(&x[0], &pass[0].re1, len(pass), size, at, lines)
			size /= 4
		}
		at, lines := a.next(p.n/128, 2)
		if p.sixteen {
			leaves64AVX512(&x[0], &p.group8[0], &p.lane8[0], p.n/128, at, lines)
		} else {
			leaves32AVX512(&x[0], &p.group[0].re1, &p.lane8[0], p.n/128, at, lines)
		}
	case avx2:
		size := p.n / 4
		for _, pass := range p.outer {
			at, lines := a.next(p.n/64, 1)
			descend4AVX2(&x[0], &pass[0].re1, len(pass), size, at, lines)
			size /= 4
		}
		at, lines := a.next(p.n/128, 2)
		if p.sixteen {
			leaves64AVX2(&x[0], &p.group8[0], &p.lane8[0], p.n/128, at, lines)
		} else {
			leaves32AVX2(&x[0], &p.group[0].re1, &p.lane8[0], p.n/128, at, lines)
		}
	default:
		p.descendGo(x)
	}
}

// ascend runs the passes before the last one.
func (p *Plan) ascend(x []float64, a *request) {
	switch level {
	case avx512:
		at, lines := a.next(p.n/128, 2)
		if p.sixteen {
			join64AVX512(&x[0], &p.group8[0], &p.lane8[0], p.n/128, at, lines)
		} else {
			join32AVX512(&x[0], &p.group[0].re1, &p.lane8[0], p.n/128, at, lines)
		}
		for k := len(p.outer) - 1; k >= 0; k-- {
			pass := p.outer[k]
			at, lines := a.next(p.n/64, 1)
			ascend4AVX512(&x[0], &pass[0].re1, len(pass), p.n/len(pass), at, lines)
		}
	case avx2:
		at, lines := a.next(p.n/128, 2)
		if p.sixteen {
			join64AVX2(&x[0], &p.group8[0], &p.lane8[0], p.n/128, at, lines)
		} else {
			join32AVX2(&x[0], &p.group[0].re1, &p.lane8[0], p.n/128, at, lines)
		}
		for k := len(p.outer) - 1; k >= 0; k-- {
			pass := p.outer[k]
			at, lines := a.next(p.n/64, 1)
			ascend4AVX2(&x[0], &pass[0].re1, len(pass), p.n/len(pass), at, lines)
		}
	default:
		p.ascendGo(x)
	}
}

// unfold is the last pass: unfold of the file inverse.go.
func (p *Plan) unfold(dst []uint64, src []float64, add bool) {
	switch level {
	case avx512:
		if add {
			unfoldAddAVX512(&dst[0], &src[0], &p.unfirst.re1, p.n, p.scale)
		} else {
			unfoldSetAVX512(&dst[0], &src[0], &p.unfirst.re1, p.n, p.scale)
		}
	case avx2:
		if add {
			unfoldAddAVX2(&dst[0], &src[0], &p.unfirst.re1, p.n, p.scale)
		} else {
			unfoldSetAVX2(&dst[0], &src[0], &p.unfirst.re1, p.n, p.scale)
		}
	default:
		unfold(dst, src, &p.unfirst, p.scale, add)
	}
}

func (p *Plan) foldRound(dst, src []float64, magic, before float64, later bool, a *request) {
	at, lines := a.next(p.n/64, 1)
	switch {
	case level == avx512 && later:
		foldRoundNextAVX512(&dst[0], &src[0], &p.first.re1, p.n, magic, before, at, lines)
	case level == avx512:
		foldRoundAVX512(&dst[0], &src[0], &p.first.re1, p.n, magic, before, at, lines)
	case level == avx2 && later:
		foldRoundNextAVX2(&dst[0], &src[0], &p.first.re1, p.n, magic, before, at, lines)
	case level == avx2:
		foldRoundAVX2(&dst[0], &src[0], &p.first.re1, p.n, magic, before, at, lines)
	default:
		foldRoundGo(dst, src, &p.first, magic, before, later)
	}
}

func (p *Plan) unfoldTurn(acc, src []float64, a *request) {
	at, lines := a.next(p.n/64, 1)
	switch level {
	case avx512:
		unfoldTurnAVX512(&acc[0], &src[0], &p.first.re1, p.n, at, lines)
	case avx2:
		unfoldTurnAVX2(&acc[0], &src[0], &p.first.re1, p.n, at, lines)
	default:
		unfoldTurnGo(acc, src, &p.first)
	}
}

func (p *Plan) mulXaAdd(acc, x []float64, a int, l *[16]float64, minusOne bool) {
	if level == pureGo {
		p.mulXaAddGo(acc, x, a, l, minusOne)
		return
	}
	t := p.leaves(a)
	switch {
	case level == avx512 && minusOne:
		mulXaMinus1AddAVX512(&acc[0], &x[0], &p.monomial[0], 2*p.n-1, &p.exponent[0], a, &l[0], &t[0], p.n/128)
	case level == avx512 && !minusOne:
		mulXaAddAVX512(&acc[0], &x[0], &p.monomial[0], 2*p.n-1, &p.exponent[0], a, &l[0], &t[0], p.n/128)
	case level == avx2 && minusOne:
		mulXaMinus1AddAVX2(&acc[0], &x[0], &p.monomial[0], 2*p.n-1, &p.exponent[0], a, &l[0], &t[0], p.n/128)
	case level == avx2 && !minusOne:
		mulXaAddAVX2(&acc[0], &x[0], &p.monomial[0], 2*p.n-1, &p.exponent[0], a, &l[0], &t[0], p.n/128)
	}
}

func mul(acc, a, b []float64) {
	switch level {
	case avx512:
		mulAVX512(&acc[0], &a[0], &b[0], len(acc)/16)
	case avx2:
		mulAVX2(&acc[0], &a[0], &b[0], len(acc)/16)
	default:
		mulGo(acc, a, b)
	}
}

func mulAdd(acc, a, b []float64) {
	switch level {
	case avx512:
		mulAddAVX512(&acc[0], &a[0], &b[0], len(acc)/16)
	case avx2:
		mulAddAVX2(&acc[0], &a[0], &b[0], len(acc)/16)
	default:
		mulAddGo(acc, a, b)
	}
}

func mulAdd2(acc0, acc1, a, b0, b1 []float64) {
	switch level {
	case avx512:
		mulAdd2AVX512(&acc0[0], &acc1[0], &a[0], &b0[0], &b1[0], len(acc0)/16)
	case avx2:
		mulAdd2AVX2(&acc0[0], &acc1[0], &a[0], &b0[0], &b1[0], len(acc0)/16)
	default:
		mulAdd2Go(acc0, acc1, a, b0, b1)
	}
}

func sub(dst, x []float64) {
	switch level {
	case avx512:
		subAVX512(&dst[0], &x[0], len(dst)/16)
	case avx2:
		subAVX2(&dst[0], &x[0], len(dst)/16)
	default:
		subGo(dst, x)
	}
}

func add(dst, x []float64) {
	switch level {
	case avx512:
		addAVX512(&dst[0], &x[0], len(dst)/16)
	case avx2:
		addAVX2(&dst[0], &x[0], len(dst)/16)
	default:
		addGo(dst, x)
	}
}

func mulRows2(acc0, acc1 []float64, d [][]float64, key []float64, add bool) {
	switch {
	case level == avx512 && add:
		mulAddRows2AVX512(&acc0[0], &acc1[0], &d[0], &key[0], len(d), len(acc0)/16)
	case level == avx512 && !add:
		mulRows2AVX512(&acc0[0], &acc1[0], &d[0], &key[0], len(d), len(acc0)/16)
	case level == avx2 && add:
		mulAddRows2AVX2(&acc0[0], &acc1[0], &d[0], &key[0], len(d), len(acc0)/16)
	case level == avx2 && !add:
		mulRows2AVX2(&acc0[0], &acc1[0], &d[0], &key[0], len(d), len(acc0)/16)
	default:
		mulRows2Go(acc0, acc1, d, key, add)
	}
}
