//go:build !purego

package fft

//go:generate go -C _asm/block run . -isa avx512 -out ../../block_avx512_amd64.s -stubs ../../block_avx512_amd64.go -pkg fft
//go:generate go -C _asm/block run . -isa avx2 -out ../../block_avx2_amd64.s -stubs ../../block_avx2_amd64.go -pkg fft

func (p *Plan) blockProduct(d, key []float64, b *BlockRotation, levels, from, to int) {
	x, k, e, turns := &d[from*16], &key[from*b.terms*levels*64], &p.exponent[from], &b.turns[0].power[0]
	roots, mask, stride, terms, count := &p.monomial[0], 2*p.n-1, 8*(len(d)/(2*levels)), b.terms, to-from
	full := terms == BlockTerms
	switch {
	case level == avx512 && levels == 1 && full:
		blockProduct2FullAVX512(x, k, roots, mask, e, turns, stride, terms, count)
	case level == avx512 && levels == 1:
		blockProduct2AVX512(x, k, roots, mask, e, turns, stride, terms, count)
	case level == avx512 && levels == 2 && full:
		blockProduct4FullAVX512(x, k, roots, mask, e, turns, stride, terms, count)
	case level == avx512 && levels == 2:
		blockProduct4AVX512(x, k, roots, mask, e, turns, stride, terms, count)
	case level == avx512:
		blockProductRowsAVX512(x, k, roots, mask, e, turns, stride, terms, levels, count)
	case level == avx2 && levels == 1 && full:
		blockProduct2FullAVX2(x, k, roots, mask, e, turns, stride, terms, count)
	case level == avx2 && levels == 1:
		blockProduct2AVX2(x, k, roots, mask, e, turns, stride, terms, count)
	case level == avx2 && levels == 2 && full:
		blockProductRowsFull2AVX2(x, k, roots, mask, e, turns, stride, terms, levels, count)
	case level == avx2:
		blockProductRowsAVX2(x, k, roots, mask, e, turns, stride, terms, levels, count)
	default:
		p.blockProductGo(d, key, b, levels, from, to)
	}
}

func (p *Plan) blockProductParts(d, key []float64, b *BlockRotation, levels, from, to int, scratch []float64) {
	chunk := to - from
	if len(scratch) < p.BlockScratchLen(b.parts, levels) {
		chunk = 1 // no place for the digits of the next vector
	}
	roots, mask, stride, terms, parts, turns, digits := &p.monomial[0], 2*p.n-1, 8*(len(d)/(2*levels*b.parts)), b.terms, b.parts, &b.turns[0].power[0], &scratch[0]
	full := terms == BlockTerms
	for i := from; i < to; i += chunk {
		x, k, e := &d[i*16], &key[i*terms*levels*64], &p.exponent[i]
		switch {
		case level == avx512 && levels == 1 && full:
			blockPartsFull1AVX512(x, k, roots, mask, e, turns, stride, terms, levels, parts, chunk, digits)
		case level == avx512 && levels == 2 && full:
			blockPartsFull2AVX512(x, k, roots, mask, e, turns, stride, terms, levels, parts, chunk, digits)
		case level == avx512:
			blockPartsAVX512(x, k, roots, mask, e, turns, stride, terms, levels, parts, chunk, digits)
		case level == avx2 && levels == 1 && full:
			blockPartsFull1AVX2(x, k, roots, mask, e, turns, stride, terms, levels, parts, chunk, digits)
		case level == avx2 && levels == 2 && full:
			blockPartsFull2AVX2(x, k, roots, mask, e, turns, stride, terms, levels, parts, chunk, digits)
		case level == avx2:
			blockPartsAVX2(x, k, roots, mask, e, turns, stride, terms, levels, parts, chunk, digits)
		default:
			p.blockProductPartsGo(d, key, b, levels, i, i+chunk, scratch)
		}
	}
}

// prefetchLines is one instruction a line, of the instructions that every amd64 has.
func prefetchLines(x []float64) { prefetch(&x[0], (len(x)+7)/8) }
