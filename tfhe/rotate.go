package tfhe

import "github.com/fhe-ml/fhe-ml/tfhe/internal/fft"

// rotation is the state of one ciphertext in a lookup: its exponents and its accumulator.
type rotation struct {
	ahat  []int     // [n]
	acc   []float64 // [m][k+1][fft.Plan.BlockStride] accumulator, in turns of the torus: masks and body of every part
	d     []float64 // [m][(k+1) l][fft.Plan.BlockStride] its digits, transformed; then the product
	block fft.BlockRotation
}

func newRotation(p Parameters) *rotation {
	lit := p.lit
	words := p.accumulators() * fft.For(p.N()).BlockStride()
	return &rotation{ahat: make([]int, lit.SmallDimension), acc: make([]float64, words), d: make([]float64, words*lit.BlindRotate.Levels)}
}

// accumulators is the number of polynomials of an accumulator: masks and body of every part of the table.
func (p Parameters) accumulators() int { return p.lit.Parts * (p.K() + 1) }

// poly is polynomial q of the accumulator; part r has polynomials (k+1) r to (k+1) r + k, the last of which is its body.
func (s *rotation) poly(p Parameters, q int) []float64 {
	return s.acc[q*fft.For(p.N()).BlockStride():][:p.N()]
}

// start sets the accumulator to Y^-bhat times the table: with Y^m = X the table is m polynomials in X, part r holding the coefficients of Y^(m i + r).
func (s *rotation) start(p Parameters, bhat int, table *LookupTable) {
	m := p.lit.Parts
	total := m * p.N()
	clear(s.acc)
	for r := range m {
		body := s.poly(p, r*(p.K()+1)+p.K())
		z := mod(r+bhat, 2*total)
		for i := range body {
			if z < total {
				body[i] = turns(table.words[z])
			} else {
				body[i] = -turns(table.words[z-total])
			}
			if z += m; z >= 2*total {
				z -= 2 * total
			}
		}
	}
}

// extract sets dst to the LWE encryption of the coefficient of Y^i, which is coefficient i div m of part i mod m.
func (s *rotation) extract(p Parameters, dst *LWECiphertext, i int) {
	n, m, k := p.N(), p.lit.Parts, p.K()
	part := i % m * (k + 1)
	for j := range k {
		// As extractMask.
		out, a := dst.Mask[j*n:(j+1)*n], s.poly(p, part+j)
		for z := range i/m + 1 {
			out[z] = word(a[i/m-z])
		}
		for z := i/m + 1; z < n; z++ {
			out[z] = -word(a[n+i/m-z])
		}
	}
	dst.Body = word(s.poly(p, part+k)[i/m])
}

// turns is the torus word x as a number of turns in [-1/2, 1/2].
func turns(x uint64) float64 { return float64(int64(x)) * 0x1p-64 }

// word is the torus word of x turns, in [-1/2, 1/2]. Float64 has 53 bits: far more than noise leaves.
func word(x float64) uint64 { return uint64(int64(x*0x1p63)) << 1 }

// results extracts a table's outputs to the first of dst and returns the others.
func (s *rotation) results(p Parameters, dst []LWECiphertext, table *LookupTable) []LWECiphertext {
	for o := range table.outputs {
		s.extract(p, &dst[o], o)
	}
	return dst[table.outputs:]
}

// setBlock prepares the factors of the block of key coordinates that starts at first, and tells whether any of them turns the accumulator.
func (w *rotator) setBlock(s *rotation, first int) (turns bool) {
	lit := w.p.lit
	a := s.ahat[first : first+lit.BlockLength]
	switch {
	case allZeroInts(a):
		return false
	case w.key.compact != nil:
		w.plan.SetCompactRotation(&s.block, a, lit.BlindRotate.BaseLog)
	default:
		w.plan.SetRotation(&s.block, a, lit.Parts)
	}
	return true
}

// rotator computes on rotations; it holds scratch memory for one goroutine.
type rotator struct {
	p        Parameters
	plan     *fft.Plan
	key      *ServerKey
	scratch  []float64
	kept     []float64 // a tile of a compact key
	live     []*rotation
	operands []fft.BlockOperand // of a batch, at most as many as a group
	ks       keySwitcher
	coming   []float64 // key that the next transforms ask for, a piece each
	piece    int
}

// newRotator returns a rotator that switches the keys of count ciphertexts at a time.
func newRotator(p Parameters, key *ServerKey, count int) *rotator {
	l := p.lit.BlindRotate.Levels
	return &rotator{p: p, plan: fft.For(p.N()), key: key, scratch: make([]float64, fft.For(p.N()).BlockScratchLen(p.lit.Parts, l)),
		kept: make([]float64, fft.BatchKeepLen(p.lit.BlockLength)), operands: make([]fft.BlockOperand, 0, maxGroup), live: make([]*rotation, 0, maxGroup), ks: newKeySwitcher(p, count)}
}

// transform decomposes and transforms the polynomials from <= poly < to of the accumulator to d, which is laid out as s.d.
func (w *rotator) transform(s *rotation, d []float64, from, to int) {
	n, stride, g := w.p.N(), w.plan.BlockStride(), w.p.lit.BlindRotate
	for poly := from; poly < to; poly++ {
		for j := range g.Levels {
			w.plan.ForwardRound(d[(poly*g.Levels+j)*stride:][:n], s.poly(w.p, poly), g.BaseLog, j, w.take())
		}
	}
}

// blockKey is the key of a block as the server keeps it.
type blockKey struct {
	whole   []float64
	compact []uint64
}

// memory is what can be asked for of it, from vector from of count to vector to.
func (k blockKey) memory(from, to, count int) []float64 {
	m := k.whole
	if k.compact != nil {
		m = fft.Ahead(k.compact)
	}
	return m[len(m)*from/count : len(m)*to/count]
}

// multiply forms the products of all live ciphertexts with a block's key over the vectors from <= i < to, for tables in several parts, several levels or several masks.
func (w *rotator) multiply(key blockKey, from, to int, ahead []float64) {
	l, count := w.p.lit.BlindRotate.Levels, len(w.live)
	for c, s := range w.live {
		ask := ahead[len(ahead)*c/count : len(ahead)*(c+1)/count]
		switch {
		case w.p.K() > 1:
			w.multiplyModule(w.live[c:c+1], [2][]float64{s.d}, key, from, to, ask)
		case w.p.lit.Parts > 1:
			w.plan.BlockProductParts(s.d, key.whole, &s.block, l, from, to, w.scratch, ask)
		default:
			w.plan.BlockProduct(s.d, key.whole, &s.block, l, from, to, ask)
		}
	}
}

// multiplyBatch is multiply for one mask, one part and one level. With ask it asks for the key that comes next.
func (w *rotator) multiplyBatch(key blockKey, from, to int, ask bool) {
	w.operands = w.operands[:0]
	for _, s := range w.live {
		w.operands = append(w.operands, fft.BlockOperand{Digits: s.d, Rotation: &s.block})
	}
	if key.compact != nil {
		w.plan.CompactBlockProducts(w.operands, key.compact, from, to, w.kept, ask)
	} else {
		w.plan.BlockProducts(w.operands, key.whole, from, to, ask)
	}
}

// multiplyModule forms the products of one or two ciphertexts with several masks, whose digits are in d.
func (w *rotator) multiplyModule(group []*rotation, d [2][]float64, key blockKey, from, to int, ahead []float64) {
	polys := w.p.K() + 1
	switch {
	case len(group) == 1 && key.compact != nil:
		w.plan.CompactModuleProduct(d[0], key.compact, &group[0].block, polys, from, to, ahead)
	case len(group) == 1:
		w.plan.ModuleBlockProduct(d[0], key.whole, &group[0].block, polys, from, to, ahead)
	case key.compact != nil:
		w.plan.CompactModuleProductPair(d[0], d[1], key.compact, &group[0].block, &group[1].block, polys, from, to, ahead)
	default:
		w.plan.ModuleBlockProductPair(d[0], d[1], key.whole, &group[0].block, &group[1].block, polys, from, to, ahead)
	}
}

// accumulate adds the product in d to the polynomials from <= poly < to of the accumulator.
func (w *rotator) accumulate(s *rotation, d []float64, from, to int) {
	n, stride, l, part := w.p.N(), w.plan.BlockStride(), w.p.lit.BlindRotate.Levels, w.p.K()+1
	for poly := from; poly < to; poly++ {
		w.plan.InverseAddTurn(s.poly(w.p, poly), d[(poly/part*part*l+poly%part)*stride:][:n], w.take())
	}
}

// tileVectors is how many vectors of a block's key are used on all ciphertexts of a group before the next: 16 KB of key a level, which stays in the first-level cache.
const tileVectors = 8

// rotate turns every accumulator of the group by Y^(sum ahat_i s_i). Blocks of the key are the outer loop and the group is the inner one: memory
// gives each block once, however many ciphertexts there are. A block has at most one 1: acc += sum_j (Y^ahat_j - 1) BSK_j [.] acc (eprint 2023/958).
func (w *rotator) rotate(group []*rotation, pace *pace, id int) {
	lit := w.p.lit
	polys := w.p.accumulators()
	if w.p.K() > 1 && len(group) > 1 {
		w.rotatePairs(group, pace, id)
		return
	}
	for first := 0; first < lit.SmallDimension; first += lit.BlockLength {
		w.live = w.live[:0]
		for _, s := range group {
			if w.setBlock(s, first) {
				w.transform(s, s.d, 0, polys)
				w.live = append(w.live, s)
			}
		}
		w.product(first/lit.BlockLength, 0, w.p.N()/16, 2*polys)
		for _, s := range w.live {
			w.accumulate(s, s.d, 0, polys)
		}
		pace.step(id, first)
	}
}

// rotatePairs is rotate with several masks. Their products do more arithmetic for each word of the key, and one reads the key for two ciphertexts: it keeps up with the
// second-level cache, so that a pair goes through a whole block before the next. Digits of one pair at a time stay in the first-level cache,
// in the memory of the group's first two. Meanwhile each pair asks for its share of the next block.
func (w *rotator) rotatePairs(group []*rotation, pace *pace, id int) {
	lit := w.p.lit
	polys := w.p.accumulators()
	for first := 0; first < lit.SmallDimension; first += lit.BlockLength {
		w.live = w.live[:0]
		for _, s := range group {
			if w.setBlock(s, first) {
				w.live = append(w.live, s)
			}
		}
		key, next := w.keys(first / lit.BlockLength)
		for c, count := 0, len(w.live); c < count; c += 2 {
			end := min(c+2, count)
			pair, d := w.live[c:end], [2][]float64{group[0].d, group[1].d}
			for i, s := range pair {
				w.transform(s, d[i], 0, polys)
			}
			w.multiplyModule(pair, d, key, 0, w.p.N()/16, next.memory(c, end, count))
			for i, s := range pair {
				w.accumulate(s, d[i], 0, polys)
			}
		}
		pace.step(id, first)
	}
}

// keys returns block number b of the key and the next one, which is empty after the last.
func (w *rotator) keys(b int) (key, next blockKey) {
	if (b+1)*w.p.lit.BlockLength < w.p.lit.SmallDimension {
		next = w.blockKey(b + 1)
	}
	return w.blockKey(b), next
}

func (w *rotator) blockKey(b int) blockKey {
	if w.key.compact != nil {
		return blockKey{compact: w.key.compactBlock(b)}
	}
	return blockKey{whole: w.key.block(b)}
}

// product multiplies all ciphertexts that turn by the vectors from <= i < to of block number b of the key, tile by tile. Meanwhile it asks for the next tile, in equal
// pieces with each ciphertext, and at the end for the first tile of the next block.
//
// Of a single ciphertext and a table in one part the product takes no longer than its key takes to arrive: the processor sees for itself that it reads in
// sequence, and only stops when it is asked for more. What is asked for is some of the next block's key in the transforms between the two
// products, of which there are so many.
func (w *rotator) product(b, from, to, transforms int) {
	key, next := w.keys(b)
	vecs, lit := w.p.N()/16, w.p.lit
	asks := len(w.live)*lit.Parts > 1
	if w.p.K() == 1 && lit.Parts == 1 && lit.BlindRotate.Levels == 1 {
		w.multiplyBatch(key, from, to, asks)
	} else {
		tile := to - from
		if asks {
			tile = tileVectors
		}
		for i := from; i < to; i += tile {
			end := min(i+tile, to)
			var ahead []float64
			if asks && end < to {
				ahead = key.memory(end, min(end+tile, to), vecs)
			} else if asks {
				ahead = next.memory(from, min(from+tile, to), vecs)
			}
			w.multiply(key, i, end, ahead)
		}
	}
	w.coming = nil
	if !asks {
		m := next.memory(from, to, vecs)
		w.coming = m[:len(m)*comingShare/16]
		w.piece = len(w.coming) / transforms
	}
}

// comingShare is how many sixteenths of a block's key transforms ask for: what memory gives while they run.
const comingShare = 5

// take returns what the next transform asks for.
func (w *rotator) take() []float64 {
	n := min(w.piece, len(w.coming))
	x := w.coming[:n]
	w.coming = w.coming[n:]
	return x
}

// lookups runs a share of a batch on one goroutine: one key switch of all ciphertexts, and their rotations in even groups.
func (w *rotator) lookups(dst, src []LWECiphertext, tables []*LookupTable, states []*rotation, groups int, pace *pace, id int) {
	w.ks.keySwitch(w.key, src, pace, id)
	for g, done := 0, 0; g < groups; g++ {
		end := len(src) * (g + 1) / groups
		if w.p.K() > 1 {
			end = min(end+end%2, len(src)) // pairs
		}
		if end == done {
			continue
		}
		group, tables := states[:end-done], tables[done:end]
		w.start(w.ks.small[done:end], tables, group)
		w.rotate(group, pace, id)
		for i, s := range group {
			dst = s.results(w.p, dst, tables[i])
		}
		pace.next(id, w.p.lit.SmallDimension)
		done = end
	}
}

// start switches ciphertexts under the small key to the exponents of Y, and starts the accumulators.
func (w *rotator) start(small []smallLWE, tables []*LookupTable, states []*rotation) {
	for i, s := range states {
		s.start(w.p, w.key.modulusSwitch(s.ahat, &small[i], tables[i]), tables[i])
	}
}
