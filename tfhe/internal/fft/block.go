package fft

import "unsafe"

// A block is what a blind rotation does for up to four coordinates of a block-binary key at once (eprint 2023/958): the
// digits of the accumulator, transformed, are multiplied by sum_j (X^a_j - 1) K_j, where K_j is the GGSW ciphertext of coordinate j with k = 1. One pass
// over the vectors reads every key word once, in order.

// BlockTerms is how many coordinates a block may have.
const BlockTerms = 4

// BlockKeyLen returns the length of a packed block key: terms GGSW ciphertexts of 2 levels rows of 2 polynomials.
func (p *Plan) BlockKeyLen(terms, levels int) int { return terms * 2 * levels * 2 * p.n }

// BlockScratchLen returns the length of the scratch memory with which BlockProductParts is fastest: the digits of two vectors.
func (p *Plan) BlockScratchLen(parts, levels int) int { return 2 * parts * 2 * levels * 16 }

// PackBlock copies GGSW rows into the order in which BlockProduct reads them, vector by vector: [N/16][term][row][output][16]. rows holds one
// ciphertext after the other, each as [2 levels][2][N].
func (p *Plan) PackBlock(dst, rows []float64, terms, levels int) {
	count := terms * 2 * levels * 2
	p.checkLen(len(dst), count*p.n)
	p.checkLen(len(rows), count*p.n)
	out, in := vectors(dst), vectors(rows)
	vecs := p.n / 16
	for i := range vecs {
		for r := range count {
			out[i*count+r] = in[r*vecs+i]
		}
	}
}

func (p *Plan) checkLen(got, want int) {
	if got != want {
		panic("fft: block operand has the wrong length")
	}
}

// factor returns X^a at vector i, given the lanes of X^a.
func (p *Plan) factor(i, a int, l *[16]float64) (f vector) {
	w := p.root(a * int(p.exponent[i]))
	wr, wi := real(w), imag(w)
	for u := range 8 {
		f[u], f[u+8] = wr*l[u]-wi*l[u+8], wr*l[u+8]+wi*l[u]
	}
	return f
}

// BlockRotation holds the factors of one block for one ciphertext: powers of X at the lanes of a vector. Set it by SetRotation, whose first call
// allocates its memory; a copy shares that memory. Products only read it, and several goroutines may do so at a time.
type BlockRotation struct {
	terms, parts int
	turns        []turn // BlockTerms of them
	// With two parts, the order of the terms for kernels: first those that leave each part where it is, then those that do not, crossed of them. An entry has
	// the offsets in bytes of a term among the turns and in the key of a vector with one level.
	order   [2 * BlockTerms]int
	crossed int
}

// turn is one factor Y^a - 1: Y^a moves part s to part s + shift, and multiplies it by a power of X. Assembly knows this layout, and its
// registers are faster when lanes do not cross cache lines: the size is a multiple of 64. Powers and the 1 are multiplied by unit: that of a compact key.
// Vector r of a group of eight has the power of the group's first times the eighth root of one number slots[r] / 128.
type turn struct {
	power [2]int // of X: a div m, and one more where Y^a wraps
	shift int    // a mod m
	unit  float64
	slots [8]uint32
	lanes [2][16]float64
}

// SetRotation prepares the factors Y^a - 1 for exponents a in [0, 2mN) of Y, with Y^m = X.
func (p *Plan) SetRotation(b *BlockRotation, exponents []int, parts int) {
	p.setRotation(b, exponents, parts, 1)
}

func (p *Plan) setRotation(b *BlockRotation, exponents []int, parts int, unit float64) {
	if len(exponents) == 0 || len(exponents) > BlockTerms || parts < 1 {
		panic("fft: block without terms or parts, or with too many terms")
	}
	if b.turns == nil {
		b.turns = make([]turn, BlockTerms)
	}
	b.terms, b.parts, b.crossed = len(exponents), parts, 0
	for j, a := range exponents {
		if uint(a) >= uint(2*parts*p.n) {
			panic("fft: exponent of a block is not in [0, 2mN)")
		}
		t := &b.turns[j]
		t.shift = a % parts
		t.power = [2]int{a / parts, (a/parts + 1) % (2 * p.n)}
		t.unit, t.lanes[0] = unit, p.lanes(t.power[0])
		if unit != 1 {
			for u := range t.lanes[0] {
				t.lanes[0][u] *= unit
			}
		}
		for r := range t.slots {
			t.slots[r] = 128 * (uint32(t.power[0]) * p.eighths[r] % 8)
		}
		if parts == 2 {
			at := j - b.crossed
			if t.shift == 1 {
				b.crossed++
				at = b.terms - b.crossed
			}
			b.order[2*at], b.order[2*at+1] = j*int(unsafe.Sizeof(*t)), j*512
		}
		if parts > 1 {
			t.lanes[1] = p.lanes(t.power[1])
		}
	}
}

// checkBlock panics unless the operands of a block product have the right sizes: the kernels check nothing.
func (p *Plan) checkBlock(d, key []float64, b *BlockRotation, levels, from, to int) {
	if levels < 1 || b.terms < 1 || from < 0 || from > to || to > p.n/16 {
		panic("fft: block product without levels or rotation, or of vectors that a polynomial does not have")
	}
	polys := b.parts * 2 * levels
	if stride := len(d) / polys; len(d)%polys != 0 || stride < p.n || stride%16 != 0 {
		panic("fft: block operand has the wrong length")
	}
	p.checkLen(len(key), p.BlockKeyLen(b.terms, levels))
}

// BlockStride is the best distance between the polynomials of an accumulator and of a block product's operand. They are in different pages of memory, a page
// apart: where several cores share a lookup, each polynomial belongs to one, and a processor that reads a stream also fetches what follows it in the page, away
// from the core that works on it. And they are no power of two from each other, which would put them into the same places of a cache.
func (p *Plan) BlockStride() int { return p.n + 2*pageWords + 96 }

const pageWords = 4096 / 8

// BlockProduct sets, for the vectors from <= i < to, the first two polynomials of d to the external product of its rows with
// the bundled key of a block: out_o = sum_r d_r sum_j (X^a_j - 1) K_j,r,o. d holds 2 levels polynomials, its
// length says how far apart (N or more, as BlockStride); key is packed by PackBlock; b is set
// with one part. Results replace d_0 and d_1; the other rows are left as they are. Slices are best at multiples of 64 bytes.
//
// ahead is memory to be read soon, the key of a later product: while it multiplies, the processor is asked to bring it to its second-level cache, an equal piece with
// every vector. It may be empty. Where there is more arithmetic than memory, several ciphertexts for one key or several parts, that takes most of the waiting
// away. A single product in one part is faster without, since the processor sees by itself that it reads in sequence, and stops when asked for more than
// it can follow. On machines without assembly it does nothing.
func (p *Plan) BlockProduct(d, key []float64, b *BlockRotation, levels, from, to int, ahead []float64) {
	p.checkBlock(d, key, b, levels, from, to)
	if b.parts != 1 {
		panic("fft: rotation of several parts in a product of one")
	}
	if from < to {
		p.blockProduct(d, key[from*b.terms*levels*64:], b, levels, from, to, ahead)
	}
}

// blockProductGo takes the key from vector from on.
func (p *Plan) blockProductGo(d, key []float64, b *BlockRotation, levels, from, to int) {
	rows := 2 * levels
	vecs := len(d) / rows / 16
	dv, kv := vectors(d), vectors(key)
	for i := from; i < to; i++ {
		var out [2]vector
		at := kv[(i-from)*b.terms*rows*2:][:b.terms*rows*2]
		for j := range b.terms {
			t := &b.turns[j]
			f := p.factor(i, t.power[0], &t.lanes[0])
			for u := range 8 {
				f[u] -= t.unit
			}
			for r := range rows {
				var e vector
				mulVector(&e, &f, &dv[r*vecs+i])
				mulAddVector(&out[0], &e, &at[(j*rows+r)*2])
				mulAddVector(&out[1], &e, &at[(j*rows+r)*2+1])
			}
		}
		dv[i], dv[vecs+i] = out[0], out[1]
	}
}

// BlockProductParts is BlockProduct for an accumulator of m parts of an extended bootstrap (eprint 2023/402): d holds the digit polynomials of
// all parts, [m][2 levels], as far apart as its length says. Part q of the product is
//
//	sum_j sum_r (Y^a_j d - d)_q,r K_j,r,o
//
// where Y^a moves part s to part s + a mod m and multiplies it by X^(a div m), once more by X where it wraps. Results replace the first two
// polynomials of each part. ahead is as in BlockProduct. scratch holds at least m * 2 levels vectors (16 elements each); it is faster with BlockScratchLen.
func (p *Plan) BlockProductParts(d, key []float64, b *BlockRotation, levels, from, to int, scratch, ahead []float64) {
	p.checkBlock(d, key, b, levels, from, to)
	if len(scratch) < b.parts*2*levels*16 {
		panic("fft: too little scratch memory for a block product")
	}
	if from < to {
		p.blockProductParts(d, key, b, levels, from, to, scratch, ahead)
	}
}

func (p *Plan) blockProductPartsGo(d, key []float64, b *BlockRotation, levels, from, to int, scratch []float64) {
	rows, parts := 2*levels, b.parts
	vecs := len(d) / (parts * rows) / 16
	dv, kv, sv := vectors(d), vectors(key), vectors(scratch)
	for i := from; i < to; i++ {
		for q := range parts * rows {
			sv[q] = dv[q*vecs+i]
		}
		at := kv[i*b.terms*rows*2:][:b.terms*rows*2]
		var factors [BlockTerms][2]vector
		for j := range b.terms {
			t := &b.turns[j]
			for w := range 2 {
				factors[j][w] = p.factor(i, t.power[w], &t.lanes[w])
			}
		}
		for q := range parts {
			var out [2]vector
			for j := range b.terms {
				s, w := q-b.turns[j].shift, 0
				if s < 0 {
					s, w = s+parts, 1
				}
				for r := range rows {
					var e vector
					mulVector(&e, &factors[j][w], &sv[s*rows+r])
					for u := range e {
						e[u] -= sv[q*rows+r][u]
					}
					mulAddVector(&out[0], &e, &at[(j*rows+r)*2])
					mulAddVector(&out[1], &e, &at[(j*rows+r)*2+1])
				}
			}
			dv[q*rows*vecs+i], dv[(q*rows+1)*vecs+i] = out[0], out[1]
		}
	}
}

func mulVector(c, x, y *vector) {
	for u := range 8 {
		c[u], c[u+8] = x[u]*y[u]-x[u+8]*y[u+8], x[u]*y[u+8]+x[u+8]*y[u]
	}
}

func mulAddVector(c, x, y *vector) {
	for u := range 8 {
		c[u] += x[u]*y[u] - x[u+8]*y[u+8]
		c[u+8] += x[u]*y[u+8] + x[u+8]*y[u]
	}
}
