package fft

// The product of a block for a module of more than two polynomials: GLWE ciphertexts with k >= 2 masks, in one part and with one level. Rings of degree 512 and
// 1024 with three and two masks are as secure as one of degree 2048 with one, and their transforms are shorter.

// ModuleBlockLen returns the length of a packed block key of GLWE ciphertexts of so many polynomials: terms GGSW ciphertexts of polys rows of polys polynomials.
func (p *Plan) ModuleBlockLen(terms, polys int) int { return terms * polys * polys * p.n }

// PackModuleBlock copies GGSW rows into the order in which ModuleBlockProduct reads them, vector by vector: [N/16][output][term][row][16]. rows holds one
// ciphertext after the other, each as [row][output][N].
func (p *Plan) PackModuleBlock(dst, rows []float64, terms, polys int) {
	p.checkLen(len(dst), p.ModuleBlockLen(terms, polys))
	p.checkLen(len(rows), len(dst))
	out, in := vectors(dst), vectors(rows)
	vecs := p.n / 16
	at := 0
	for i := range vecs {
		for o := range polys {
			for row := range terms * polys {
				out[at] = in[(row*polys+o)*vecs+i]
				at++
			}
		}
	}
}

// ModuleBlockProduct is BlockProduct for GLWE ciphertexts of polys >= 2 polynomials and one level: for the vectors from <= i < to it sets
// out_o = sum_r d_r sum_j (X^a_j - 1) K_j,r,o for the polys polynomials of d, which it replaces. key is packed by PackModuleBlock; b is set with one part.
func (p *Plan) ModuleBlockProduct(d, key []float64, b *BlockRotation, polys, from, to int, ahead []float64) {
	if polys < 2 || b.terms < 1 || b.parts != 1 || from < 0 || from > to || to > p.n/16 {
		panic("fft: module product without polynomials or rotation, of several parts, or of vectors that a polynomial does not have")
	}
	if stride := len(d) / polys; len(d)%polys != 0 || stride < p.n || stride%16 != 0 {
		panic("fft: module operand has the wrong length")
	}
	p.checkLen(len(key), p.ModuleBlockLen(b.terms, polys))
	if from < to {
		p.moduleBlockProduct(d, key, b, polys, from, to, ahead)
	}
}

// maxModulePolys bounds the polynomials that moduleBlockProductGo takes together: k + 1 for the largest k of a parameter set.
const maxModulePolys = 8

func (p *Plan) moduleBlockProductGo(d, key []float64, b *BlockRotation, polys, from, to int) {
	if polys > maxModulePolys {
		panic("fft: module of too many polynomials")
	}
	stride := len(d) / polys / 16
	dv, kv := vectors(d), vectors(key)
	for i := from; i < to; i++ {
		var out [maxModulePolys]vector
		var factors [BlockTerms]vector
		for j := range b.terms {
			t := &b.turns[j]
			factors[j] = p.factor(i, t.power[0], &t.lanes[0])
			for u := range 8 {
				factors[j][u]--
			}
		}
		at := kv[i*b.terms*polys*polys:][:b.terms*polys*polys]
		for o := range polys {
			var sums [maxModulePolys]vector
			for j := range b.terms {
				for r := range polys {
					mulAddVector(&sums[r], &factors[j], &at[(o*b.terms+j)*polys+r])
				}
			}
			for r := range polys {
				mulAddVector(&out[o], &sums[r], &dv[r*stride+i])
			}
		}
		for o := range polys {
			dv[o*stride+i] = out[o]
		}
	}
}
