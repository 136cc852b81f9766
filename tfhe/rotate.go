package tfhe

import "github.com/fhe-ml/fhe-ml/tfhe/internal/fft"

// rotation is the state of one ciphertext in a lookup: its key-switched words and its accumulator.
type rotation struct {
	small smallLWE
	ahat  []int     // [n]
	acc   []uint64  // [m][2][N] accumulator: mask and body of every part
	d     []float64 // [m][2 l][fft.Plan.BlockStride] its digits, transformed; then the product
	block fft.BlockRotation
}

func newRotation(p Parameters) *rotation {
	lit := p.lit
	return &rotation{small: newSmallLWE(lit.SmallDimension), ahat: make([]int, lit.SmallDimension),
		acc: make([]uint64, lit.Parts*2*p.N()), d: make([]float64, lit.Parts*2*lit.BlindRotate.Levels*fft.For(p.N()).BlockStride())}
}

// start sets the accumulator to Y^-bhat times the table: with Y^m = X the table is m polynomials in X, part r holding the coefficients of Y^(m i + r).
func (s *rotation) start(p Parameters, bhat int, table *LookupTable) {
	m, n := p.lit.Parts, p.N()
	total := m * n
	clear(s.acc)
	for r := range m {
		body := s.acc[(2*r+1)*n:][:n]
		z := mod(r+bhat, 2*total)
		for i := range body {
			if z < total {
				body[i] = table.words[z]
			} else {
				body[i] = -table.words[z-total]
			}
			if z += m; z >= 2*total {
				z -= 2 * total
			}
		}
	}
}

// extract sets dst to the LWE encryption of the coefficient of Y^i, which is coefficient i div m of part i mod m.
func (s *rotation) extract(p Parameters, dst *LWECiphertext, i int) {
	n, m := p.N(), p.lit.Parts
	part := s.acc[i%m*2*n:][:2*n]
	extractMask(dst.Mask, part[:n], i/m)
	dst.Body = part[n+i/m]
}

// results extracts a table's outputs to the first of dst and returns the others.
func (s *rotation) results(p Parameters, dst []LWECiphertext, table *LookupTable) []LWECiphertext {
	for o := range table.outputs {
		s.extract(p, &dst[o], o)
	}
	return dst[table.outputs:]
}

// setBlock prepares the factors of the block of key coordinates that starts at first, and tells whether any of them turns the accumulator.
func (s *rotation) setBlock(plan *fft.Plan, first, length, parts int) (turns bool) {
	a := s.ahat[first : first+length]
	for _, v := range a {
		turns = turns || v != 0
	}
	if turns {
		plan.SetRotation(&s.block, a, parts)
	}
	return turns
}

// rotator computes on rotations; it holds scratch memory for one goroutine.
type rotator struct {
	p       Parameters
	plan    *fft.Plan
	key     *ServerKey
	scratch []float64
	live    []*rotation
	ks      keySwitcher
}

func newRotator(p Parameters, key *ServerKey) *rotator {
	l := p.lit.BlindRotate.Levels
	return &rotator{p: p, plan: fft.For(p.N()), key: key, scratch: make([]float64, fft.For(p.N()).BlockScratchLen(p.lit.Parts, l)),
		live: make([]*rotation, 0, maxGroup), ks: newKeySwitcher(p)}
}

// transform decomposes and transforms the polynomials from <= poly < to of the accumulator; part q has polynomials 2q and 2q+1.
func (w *rotator) transform(s *rotation, from, to int) {
	n, stride, g := w.p.N(), w.plan.BlockStride(), w.p.lit.BlindRotate
	offset := digitOffset(g)
	for poly := from; poly < to; poly++ {
		for j := range g.Levels {
			forwardDigit(w.plan, s.d[(poly*g.Levels+j)*stride:][:n], s.acc[poly*n:(poly+1)*n], g, offset, j)
		}
	}
}

// multiply forms the product with a block's key over the vectors from <= i < to.
func (w *rotator) multiply(s *rotation, key []float64, from, to int) {
	l := w.p.lit.BlindRotate.Levels
	if w.p.lit.Parts == 1 {
		w.plan.BlockProduct(s.d, key, &s.block, l, from, to)
		return
	}
	w.plan.BlockProductParts(s.d, key, &s.block, l, from, to, w.scratch)
}

// accumulate adds the product to the polynomials from <= poly < to of the accumulator.
func (w *rotator) accumulate(s *rotation, from, to int) {
	n, stride, l := w.p.N(), w.plan.BlockStride(), w.p.lit.BlindRotate.Levels
	for poly := from; poly < to; poly++ {
		w.plan.InverseAddTorus(s.acc[poly*n:][:n], s.d[(poly/2*2*l+poly%2)*stride:][:n])
	}
}

// tileVectors is how many vectors of a block's key are used on all ciphertexts of a group before the next: 16 KB of key a level, which stays in the first-level cache.
const tileVectors = 8

// rotate turns every accumulator of the group by Y^(sum ahat_i s_i). Blocks of the key are the outer loop and the group is the inner one: memory
// gives each block once, however many ciphertexts there are. A block has at most one 1: acc += sum_j (Y^ahat_j - 1) BSK_j [.] acc (eprint 2023/958).
func (w *rotator) rotate(group []*rotation, pace *pace, id int) {
	lit := w.p.lit
	polys := 2 * lit.Parts
	for first := 0; first < lit.SmallDimension; first += lit.BlockLength {
		w.live = w.live[:0]
		for _, s := range group {
			if s.setBlock(w.plan, first, lit.BlockLength, lit.Parts) {
				w.transform(s, 0, polys)
				w.live = append(w.live, s)
			}
		}
		w.product(w.key.block(first / lit.BlockLength))
		for _, s := range w.live {
			w.accumulate(s, 0, polys)
		}
		pace.step(id, first)
	}
}

// product multiplies all ciphertexts that turn by a block's key, tile by tile. With each of them an equal piece of the next tile is prefetched; a
// single one is faster without, since the processor sees for itself that it reads in sequence.
func (w *rotator) product(key []float64) {
	vecs := w.p.N() / 16
	tile := len(key) / vecs * tileVectors
	piece := 0
	if len(w.live) >= 4 {
		piece = (tile/len(w.live) + 7) / 8 * 8
	}
	for i := 0; i < vecs; i += tileVectors {
		ahead := key[min(len(key), (i/tileVectors+1)*tile):min(len(key), (i/tileVectors+2)*tile)]
		for _, s := range w.live {
			w.multiply(s, key, i, i+tileVectors)
			n := min(piece, len(ahead))
			fft.Prefetch(ahead[:n])
			ahead = ahead[n:]
		}
	}
}

// lookups runs a group of lookups on one goroutine.
func (w *rotator) lookups(dst, src []LWECiphertext, tables []*LookupTable, states []*rotation, pace *pace, id int) {
	w.prepare(src, tables, states)
	w.rotate(states, pace, id)
	for i, s := range states {
		dst = s.results(w.p, dst, tables[i])
	}
}

// prepare switches the inputs to the small key and to the exponents of Y, and starts the accumulators.
func (w *rotator) prepare(src []LWECiphertext, tables []*LookupTable, states []*rotation) {
	w.ks.keySwitch(w.key, states, src)
	for i, s := range states {
		s.start(w.p, w.key.modulusSwitch(s.ahat, &s.small, tables[i]), tables[i])
	}
}
