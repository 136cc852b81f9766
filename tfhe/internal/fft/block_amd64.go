//go:build !purego

package fft

//go:generate go -C _blockasm run . -isa avx512 -out ../block_avx512_amd64.s -stubs ../block_avx512_amd64.go -pkg fft
//go:generate go -C _blockasm run . -isa avx2 -out ../block_avx2_amd64.s -stubs ../block_avx2_amd64.go -pkg fft

// productChunk is how many vectors a product of several passes over the key does at a time.
const productChunk = 4

func (p *Plan) blockProduct(d, key []float64, b *BlockRotation, levels, from, to int) {
	// Kernels take the key two rows at a time, or four; the first pass sets the result and the others add to it.
	first, further, rows := blockProduct2AVX512, blockProductAdd2AVX512, 2
	switch {
	case level == avx512 && levels == 2:
		first, rows = blockProduct4AVX512, 4
	case level == avx512:
	case level == avx2:
		first, further = blockProduct2AVX2, blockProductAdd2AVX2
	default:
		p.blockProductGo(d, key, b, levels, from, to)
		return
	}
	chunk := to - from
	if rows < 2*levels {
		chunk = productChunk
	}
	for i := from; i < to; i += chunk {
		kernel, count := first, min(chunk, to-i)
		for r := 0; r < 2*levels; r += rows {
			kernel(&d[i*16], &d[r*p.n+i*16], &key[(i*b.terms*levels*4+r*2)*16], &p.monomial[0], 2*p.n-1, &p.exponent[i], &b.turns[0].power[0], 8*p.n, b.terms, levels, count)
			kernel = further
		}
	}
}

func (p *Plan) blockProductParts(d, key []float64, b *BlockRotation, levels, from, to int, scratch []float64) {
	kernel := blockPartsAVX512
	switch level {
	case avx512:
	case avx2:
		kernel = blockPartsAVX2
	default:
		p.blockProductPartsGo(d, key, b, levels, from, to, scratch)
		return
	}
	chunk := to - from
	if len(scratch) < p.BlockScratchLen(b.parts, levels) {
		chunk = 1 // no place for the digits of the next vector
	}
	for i := from; i < to; i += chunk {
		kernel(&d[i*16], &key[i*b.terms*levels*64], &p.monomial[0], 2*p.n-1, &p.exponent[i], &b.turns[0].power[0], 8*p.n, b.terms, levels, b.parts, chunk, &scratch[0])
	}
}

// prefetchLines is one instruction a line, of the instructions that every amd64 has.
func prefetchLines(x []float64) { prefetch(&x[0], (len(x)+7)/8) }
