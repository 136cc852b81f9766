package fft

// A block is what a blind rotation does for up to four coordinates of a block-binary key at once (eprint 2023/958): the
// digits of the accumulator, transformed, are multiplied by sum_j (X^a_j - 1) K_j, where K_j is the GGSW ciphertext of coordinate j with k = 1. One pass
// over the vectors reads every key word once, in order.

// BlockTerms is how many coordinates a block may have.
const BlockTerms = 4

// BlockKeyLen returns the length of a packed block key: terms GGSW ciphertexts of 2 levels rows of 2 polynomials.
func (p *Plan) BlockKeyLen(terms, levels int) int { return terms * 2 * levels * 2 * p.n }

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

// BlockRotation holds the factors of one block for one ciphertext: powers of X at the lanes of a vector. Set it by SetRotation.
type BlockRotation struct {
	terms, parts int
	exponents    [BlockTerms]int    // of Y, in [0, 2mN)
	power        [BlockTerms][2]int // of X: a div m, and one more where Y^a wraps
	lanes        [BlockTerms][2][16]float64
}

// SetRotation prepares the factors Y^a - 1 for exponents a in [0, 2mN) of Y, with Y^m = X.
func (p *Plan) SetRotation(b *BlockRotation, exponents []int, parts int) {
	b.terms, b.parts = len(exponents), parts
	for j, a := range exponents {
		b.exponents[j] = a
		b.power[j] = [2]int{a / parts, (a/parts + 1) % (2 * p.n)}
		b.lanes[j][0] = p.lanes(b.power[j][0])
		if parts > 1 {
			b.lanes[j][1] = p.lanes(b.power[j][1])
		}
	}
}

// BlockProduct sets, for the vectors from <= i < to, the first two polynomials of d to the external product of its rows with
// the bundled key of a block: out_o = sum_r d_r sum_j (X^a_j - 1) K_j,r,o. d holds 2 levels polynomials of N; key is packed by PackBlock; b is set
// with one part. Results replace d_0 and d_1; the other rows are left as they are.
func (p *Plan) BlockProduct(d, key []float64, b *BlockRotation, levels, from, to int) {
	rows, vecs := 2*levels, p.n/16
	p.checkLen(len(d), rows*p.n)
	p.checkLen(len(key), p.BlockKeyLen(b.terms, levels))
	dv, kv := vectors(d), vectors(key)
	for i := from; i < to; i++ {
		var out [2]vector
		at := kv[i*b.terms*rows*2:][:b.terms*rows*2]
		for j := range b.terms {
			if b.exponents[j] == 0 {
				continue
			}
			f := p.factor(i, b.power[j][0], &b.lanes[j][0])
			for u := range 8 {
				f[u]--
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
// all parts, [m][2 levels][N]. Part q of the product is
//
//	sum_j sum_r (Y^a_j d - d)_q,r K_j,r,o
//
// where Y^a moves part s to part s + a mod m and multiplies it by X^(a div m), once more by X where it wraps. Results replace the first two
// polynomials of each part. scratch holds m * 2 levels vectors (16 elements each).
func (p *Plan) BlockProductParts(d, key []float64, b *BlockRotation, levels, from, to int, scratch []float64) {
	rows, vecs, parts := 2*levels, p.n/16, b.parts
	p.checkLen(len(d), parts*rows*p.n)
	p.checkLen(len(key), p.BlockKeyLen(b.terms, levels))
	p.checkLen(len(scratch), parts*rows*16)
	dv, kv, sv := vectors(d), vectors(key), vectors(scratch)
	for i := from; i < to; i++ {
		for q := range parts * rows {
			sv[q] = dv[q*vecs+i]
		}
		at := kv[i*b.terms*rows*2:][:b.terms*rows*2]
		var factors [BlockTerms][2]vector
		for j := range b.terms {
			for w := range 2 {
				factors[j][w] = p.factor(i, b.power[j][w], &b.lanes[j][w])
			}
		}
		for q := range parts {
			var out [2]vector
			for j := range b.terms {
				if b.exponents[j] == 0 {
					continue
				}
				s, w := q-b.exponents[j]%parts, 0
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
