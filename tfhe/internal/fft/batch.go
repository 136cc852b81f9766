package fft

// Products of several ciphertexts with the key of one block, k = 1, one part and one level: the loop of a batched blind rotation. Keys are the outer loop, in groups of
// eight vectors that stay in the first-level cache, and ciphertexts the inner one.

// batchVectors is how many vectors of the key are used on all ciphertexts before the next: 16 KB.
const batchVectors = 8

// BlockOperand is one ciphertext of such a product.
type BlockOperand struct {
	// Digits are its two polynomials of digits, as BlockProduct takes them, which the product replaces. All operands have the same length.
	Digits []float64
	// Rotation is set by SetRotation in one part, or by SetCompactRotation, for as many exponents as the others.
	Rotation *BlockRotation
}

// BatchKeepLen is the length of the scratch memory of CompactBlockProducts for a block of terms.
func BatchKeepLen(terms int) int { return batchVectors * terms * 64 }

// BlockProducts is BlockProduct of one level for each operand with the same key. With ask, it asks for the key of the vectors that come next, through the end of the key and
// into what follows it in memory.
func (p *Plan) BlockProducts(x []BlockOperand, key []float64, from, to int, ask bool) {
	if len(x) == 0 || from == to {
		return
	}
	for _, o := range x {
		p.checkBlock(o.Digits, key, o.Rotation, 1, from, to)
		p.checkOperand(o, x[0])
	}
	p.blockProducts(x, key, from, to, ask)
}

// CompactBlockProducts is BlockProducts with a compact key and rotations set by SetCompactRotation. keep is scratch memory of BatchKeepLen.
func (p *Plan) CompactBlockProducts(x []BlockOperand, key []uint64, from, to int, keep []float64, ask bool) {
	if len(x) == 0 || from == to {
		return
	}
	for _, o := range x {
		p.checkCompact(o.Digits, key, o.Rotation, 2, from, to)
		p.checkOperand(o, x[0])
	}
	p.checkLen(len(keep), BatchKeepLen(x[0].Rotation.terms))
	p.compactBlockProducts(x, key, from, to, keep, ask)
}

func (p *Plan) checkOperand(o, first BlockOperand) {
	if o.Rotation.parts != 1 || o.Rotation.terms != first.Rotation.terms || len(o.Digits) != len(first.Digits) {
		panic("fft: operands of a batch of several parts, or of different lengths or numbers of terms")
	}
}

// tiles calls f for the vectors from <= i < to, batchVectors at a time.
func tiles(from, to int, f func(from, to int)) {
	for i := from; i < to; i += batchVectors {
		f(i, min(i+batchVectors, to))
	}
}

// blockProductsEach is BlockProducts by one product for each operand and tile, which asks for its share of the next tile.
func (p *Plan) blockProductsEach(x []BlockOperand, key []float64, from, to int, ask bool) {
	each := x[0].Rotation.terms * 64
	tiles(from, to, func(i, end int) {
		next := key[end*each : min(end+batchVectors, to)*each]
		if !ask {
			next = nil
		}
		for c, o := range x {
			p.blockProduct(o.Digits, key[i*each:], o.Rotation, 1, i, end, share(next, c, c+1, len(x)))
		}
	})
}

// compactBlockProductsEach is CompactBlockProducts with products of the key's numbers, which it keeps.
func (p *Plan) compactBlockProductsEach(x []BlockOperand, key []uint64, from, to int, keep []float64) {
	each := x[0].Rotation.terms * 64
	tiles(from, to, func(i, end int) {
		kept := keep[:(end-i)*each]
		expand(kept, key[CompactLen(i*each):])
		for _, o := range x {
			p.blockProduct(o.Digits, kept, o.Rotation, 1, i, end, nil)
		}
	})
}

// share is the piece of x that goes with vectors from to to of count.
func share(x []float64, from, to, count int) []float64 { return x[len(x)*from/count : len(x)*to/count] }
