//go:build !purego

package fft

import "unsafe"

//go:generate go -C _asm/block run . -isa avx512 -out ../../block_avx512_amd64.s -stubs ../../block_avx512_amd64.go -pkg fft
//go:generate go -C _asm/block run . -isa avx2 -out ../../block_avx2_amd64.s -stubs ../../block_avx2_amd64.go -pkg fft

func (p *Plan) blockProduct(d, key []float64, b *BlockRotation, levels, from, to int, ahead []float64) {
	x, k, e, turns := &d[from*16], &key[0], &p.exponent[from], &b.turns[0].power[0]
	roots, mask, stride, terms, count := &p.monomial[0], 2*p.n-1, 8*(len(d)/(2*levels)), b.terms, to-from
	ask, lines, step := asking(ahead, count, terms)
	full := terms == BlockTerms
	switch {
	case level == avx512 && levels == 1 && full:
		blockProduct2FullAVX512(x, k, roots, mask, e, turns, stride, terms, count, ask, lines, step)
	case level == avx512 && levels == 1:
		blockProduct2AVX512(x, k, roots, mask, e, turns, stride, terms, count, ask, lines, step)
	case level == avx512 && levels == 2 && full:
		blockProduct4FullAVX512(x, k, roots, mask, e, turns, stride, terms, count, ask, lines, step)
	case level == avx512 && levels == 2:
		blockProduct4AVX512(x, k, roots, mask, e, turns, stride, terms, count, ask, lines, step)
	case level == avx512:
		blockProductRowsAVX512(x, k, roots, mask, e, turns, stride, terms, levels, count, ask, lines, step)
	case level == avx2 && levels == 1 && full:
		blockProduct2FullAVX2(x, k, roots, mask, e, turns, stride, terms, count, ask, lines, step)
	case level == avx2 && levels == 1:
		blockProduct2AVX2(x, k, roots, mask, e, turns, stride, terms, count, ask, lines, step)
	case level == avx2 && levels == 2 && full:
		blockProductRowsFull2AVX2(x, k, roots, mask, e, turns, stride, terms, levels, count, ask, lines, step)
	case level == avx2:
		blockProductRowsAVX2(x, k, roots, mask, e, turns, stride, terms, levels, count, ask, lines, step)
	default:
		p.blockProductGo(d, key, b, levels, from, to)
	}
}

func (p *Plan) blockProductParts(d, key []float64, b *BlockRotation, levels, from, to int, scratch, ahead []float64) {
	if level == avx512 && levels == 1 && b.parts == 2 && b.terms == BlockTerms {
		p.blockTwo(d, key, b, from, to, ahead)
		return
	}
	chunk := to - from
	if len(scratch) < p.BlockScratchLen(b.parts, levels) {
		chunk = 1 // no place for the digits of the next vector
	}
	roots, mask, stride, terms, parts, turns, digits := &p.monomial[0], 2*p.n-1, 8*(len(d)/(2*levels*b.parts)), b.terms, b.parts, &b.turns[0].power[0], &scratch[0]
	full := terms == BlockTerms
	for i := from; i < to; i += chunk {
		ask, lines, step := asking(share(ahead, i-from, i-from+chunk, to-from), chunk, terms*parts)
		x, k, e := &d[i*16], &key[i*terms*levels*64], &p.exponent[i]
		switch {
		case level == avx512 && levels == 1 && full:
			blockPartsFull1AVX512(x, k, roots, mask, e, turns, stride, terms, levels, parts, chunk, digits, ask, lines, step)
		case level == avx512 && levels == 2 && full:
			blockPartsFull2AVX512(x, k, roots, mask, e, turns, stride, terms, levels, parts, chunk, digits, ask, lines, step)
		case level == avx512:
			blockPartsAVX512(x, k, roots, mask, e, turns, stride, terms, levels, parts, chunk, digits, ask, lines, step)
		case level == avx2 && levels == 1 && full:
			blockPartsFull1AVX2(x, k, roots, mask, e, turns, stride, terms, levels, parts, chunk, digits, ask, lines, step)
		case level == avx2 && levels == 2 && full:
			blockPartsFull2AVX2(x, k, roots, mask, e, turns, stride, terms, levels, parts, chunk, digits, ask, lines, step)
		case level == avx2:
			blockPartsAVX2(x, k, roots, mask, e, turns, stride, terms, levels, parts, chunk, digits, ask, lines, step)
		default:
			p.blockProductPartsGo(d, key, b, levels, i, i+chunk, scratch)
		}
	}
}

// blockTwo is blockProductParts for two parts, one level and BlockTerms terms.
func (p *Plan) blockTwo(d, key []float64, b *BlockRotation, from, to int, ahead []float64) {
	x, k, e, turns, order, monomial := &d[from*16], &key[from*BlockTerms*64], &p.exponent[from], &b.turns[0].power[0], &b.order[0], &p.one[from*16]
	roots, mask, stride, count := &p.monomial[0], 2*p.n-1, 8*(len(d)/4), to-from
	ask, lines, step := asking(ahead, count, BlockTerms)
	switch b.crossed {
	case 0:
		blockTwo0AVX512(x, k, roots, mask, e, turns, order, monomial, stride, count, ask, lines, step)
	case 1:
		blockTwo1AVX512(x, k, roots, mask, e, turns, order, monomial, stride, count, ask, lines, step)
	case 2:
		blockTwo2AVX512(x, k, roots, mask, e, turns, order, monomial, stride, count, ask, lines, step)
	case 3:
		blockTwo3AVX512(x, k, roots, mask, e, turns, order, monomial, stride, count, ask, lines, step)
	default:
		blockTwo4AVX512(x, k, roots, mask, e, turns, order, monomial, stride, count, ask, lines, step)
	}
}

func (p *Plan) moduleBlockProduct(d, key []float64, b *BlockRotation, polys, from, to int, ahead []float64) {
	if level == pureGo || polys < 3 || polys > 4 || b.terms != BlockTerms {
		p.moduleBlockProductGo(d, key, b, polys, from, to)
		return
	}
	x, k, e, turns := &d[from*16], &key[from*b.terms*polys*polys*16], &p.exponent[from], &b.turns[0].power[0]
	roots, mask, stride, count := &p.monomial[0], 2*p.n-1, 8*(len(d)/polys), to-from
	ask, lines, step := asking(ahead, count, b.terms*polys)
	switch {
	case level == avx512 && polys == 3:
		moduleProduct3AVX512(x, k, roots, mask, e, turns, stride, count, ask, lines, step)
	case level == avx512:
		moduleProduct4AVX512(x, k, roots, mask, e, turns, stride, count, ask, lines, step)
	case polys == 3:
		moduleProduct3AVX2(x, k, roots, mask, e, turns, stride, count, ask, lines, step)
	default:
		moduleProduct4AVX2(x, k, roots, mask, e, turns, stride, count, ask, lines, step)
	}
}

func (p *Plan) moduleBlockProductPair(d0, d1, key []float64, b0, b1 *BlockRotation, polys, from, to int, ahead []float64) {
	if level != avx512 || polys < 3 || polys > 4 || b0.terms != BlockTerms {
		p.moduleBlockProduct(d0, key, b0, polys, from, to, share(ahead, 0, 1, 2))
		p.moduleBlockProduct(d1, key, b1, polys, from, to, share(ahead, 1, 2, 2))
		return
	}
	x, y, k, e := &d0[from*16], &d1[from*16], &key[from*b0.terms*polys*polys*16], &p.exponent[from]
	turns0, turns1 := &b0.turns[0].power[0], &b1.turns[0].power[0]
	roots, mask, stride, count := &p.monomial[0], 2*p.n-1, 8*(len(d0)/polys), to-from
	ask, lines, step := asking(ahead, count, b0.terms*polys)
	if polys == 3 {
		modulePair3AVX512(x, y, k, roots, mask, e, turns0, turns1, stride, count, ask, lines, step)
	} else {
		modulePair4AVX512(x, y, k, roots, mask, e, turns0, turns1, stride, count, ask, lines, step)
	}
}

// compactKernels tells whether there are kernels for compact keys.
func compactKernels() bool { return level == avx512 }

// batchItem is an operand as kernels know it: its digits at the first vector, and turns[0].power of its rotation.
type batchItem struct {
	digits *float64
	turns  *int
}

// maxBatch is how many operands a kernel takes.
const maxBatch = 8

// batchKernels tells whether there are kernels for a batch of so many terms: they take whole groups of vectors.
func batchKernels(terms, from, to int) bool {
	return level == avx512 && terms == BlockTerms && from%batchVectors == 0 && to%batchVectors == 0
}

// batch sets items to the operands from vector from on, and returns how many there are, and the lines that each asks for with every vector, for the key of a group.
func batch(items *[maxBatch]batchItem, x []BlockOperand, from, groupBytes int, ask bool) (first *int, count, lines int) {
	count = min(len(x), maxBatch)
	for c, o := range x[:count] {
		items[c] = batchItem{&o.Digits[from*16], &o.Rotation.turns[0].power[0]}
	}
	if ask {
		steps := 64 * batchVectors * count
		lines = (groupBytes + steps - 1) / steps
	}
	return (*int)(unsafe.Pointer(items)), count, lines
}

func (p *Plan) blockProducts(x []BlockOperand, key []float64, from, to int, ask bool) {
	terms := x[0].Rotation.terms
	if !batchKernels(terms, from, to) {
		p.blockProductsEach(x, key, from, to, ask)
		return
	}
	k, roots, mask, e, stride := &key[from*terms*64], &p.monomial[0], 2*p.n-1, &p.exponent[from], 8*(len(x[0].Digits)/2)
	for len(x) > 0 {
		var items [maxBatch]batchItem
		first, count, lines := batch(&items, x, from, BatchKeepLen(terms)*8, ask)
		blockBatchAVX512(first, count, k, roots, mask, e, stride, (to-from)/batchVectors, lines)
		x = x[count:]
	}
}

func (p *Plan) compactBlockProducts(x []BlockOperand, key []uint64, from, to int, keep []float64, ask bool) {
	terms := x[0].Rotation.terms
	if !batchKernels(terms, from, to) {
		p.compactBlockProductsEach(x, key, from, to, keep)
		return
	}
	k, roots, mask, e, stride := &key[from*terms*48], &p.monomial[0], 2*p.n-1, &p.exponent[from], 8*(len(x[0].Digits)/2)
	for len(x) > 0 {
		var items [maxBatch]batchItem
		first, count, lines := batch(&items, x, from, BatchKeepLen(terms)*6, ask)
		if count == 1 {
			blockBatchCompactAVX512(first, count, k, roots, mask, e, stride, (to-from)/batchVectors, lines)
		} else {
			blockBatchKeptAVX512(first, count, k, &keep[0], roots, mask, e, stride, (to-from)/batchVectors, lines)
		}
		x = x[count:]
	}
}

func (p *Plan) compactModuleProduct(d []float64, key []uint64, b *BlockRotation, polys, from, to int, ahead []float64) {
	if !compactKernels() || polys < 3 || polys > 4 || b.terms != BlockTerms {
		p.compactModuleProductGo(d, key, b, polys, from, to)
		return
	}
	x, k, e, turns := &d[from*16], &key[from*b.terms*polys*polys*12], &p.exponent[from], &b.turns[0].power[0]
	roots, mask, stride, count := &p.monomial[0], 2*p.n-1, 8*(len(d)/polys), to-from
	ask, lines, step := asking(ahead, count, b.terms*polys)
	if polys == 3 {
		moduleProduct3CompactAVX512(x, k, roots, mask, e, turns, stride, count, ask, lines, step)
	} else {
		moduleProduct4CompactAVX512(x, k, roots, mask, e, turns, stride, count, ask, lines, step)
	}
}

func (p *Plan) compactModuleProductPair(d0, d1 []float64, key []uint64, b0, b1 *BlockRotation, polys, from, to int, ahead []float64) {
	if !compactKernels() || polys < 3 || polys > 4 || b0.terms != BlockTerms {
		p.compactModuleProductGo(d0, key, b0, polys, from, to)
		p.compactModuleProductGo(d1, key, b1, polys, from, to)
		return
	}
	x, y, k, e := &d0[from*16], &d1[from*16], &key[from*b0.terms*polys*polys*12], &p.exponent[from]
	turns0, turns1 := &b0.turns[0].power[0], &b1.turns[0].power[0]
	roots, mask, stride, count := &p.monomial[0], 2*p.n-1, 8*(len(d0)/polys), to-from
	ask, lines, step := asking(ahead, count, b0.terms*polys)
	if polys == 3 {
		modulePair3CompactAVX512(x, y, k, roots, mask, e, turns0, turns1, stride, count, ask, lines, step)
	} else {
		modulePair4CompactAVX512(x, y, k, roots, mask, e, turns0, turns1, stride, count, ask, lines, step)
	}
}

// asking returns what kernels want to know to ask for x: its address, the lines with each of so many steps a vector, and the bytes from one vector
// to the next. It may come to more lines than x has, and no address of them is read.
func asking(x []float64, vectors, steps int) (at *float64, lines, bytes int) {
	if len(x) == 0 {
		return nil, 0, 0
	}
	bytes = (len(x)*8/vectors + 63) &^ 63
	return &x[0], (bytes/64 + steps - 1) / steps, bytes
}
