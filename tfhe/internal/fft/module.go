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
	p.checkModule(d, key, b, polys, from, to)
	if from < to {
		p.moduleBlockProduct(d, key, b, polys, from, to, ahead)
	}
}

// ModuleBlockProductPair is ModuleBlockProduct for d0 with b0 and for d1 with b1, of equal lengths, terms and vectors, and one key: it reads each word of the key once
// for both, which is faster with AVX-512.
func (p *Plan) ModuleBlockProductPair(d0, d1, key []float64, b0, b1 *BlockRotation, polys, from, to int, ahead []float64) {
	p.checkModule(d0, key, b0, polys, from, to)
	p.checkModule(d1, key, b1, polys, from, to)
	if len(d0) != len(d1) {
		panic("fft: a pair of module operands of different lengths")
	}
	if from < to {
		p.moduleBlockProductPair(d0, d1, key, b0, b1, polys, from, to, ahead)
	}
}

// checkModule panics unless the operands of a module product have the right sizes: the kernels check nothing.
func (p *Plan) checkModule(d, key []float64, b *BlockRotation, polys, from, to int) {
	p.checkModuleShape(len(d), b, polys, from, to)
	p.checkLen(len(key), p.ModuleBlockLen(b.terms, polys))
}

func (p *Plan) checkModuleShape(size int, b *BlockRotation, polys, from, to int) {
	if polys < 2 || polys > maxModulePolys || b.terms < 1 || b.parts != 1 || from < 0 || from > to || to > p.n/16 {
		panic("fft: module product without polynomials or rotation, of several parts, or of vectors that a polynomial does not have")
	}
	if stride := size / polys; size%polys != 0 || stride < p.n || stride%16 != 0 {
		panic("fft: module operand has the wrong length")
	}
}

// maxModulePolys bounds the polynomials that moduleBlockProductGo takes together: k + 1 for the largest k of a parameter set.
const maxModulePolys = 5

func (p *Plan) moduleBlockProductGo(d, key []float64, b *BlockRotation, polys, from, to int) {
	kv, each := vectors(key), b.terms*polys*polys
	for i := from; i < to; i++ {
		p.moduleVector(vectors(d), kv[i*each:][:each], b, polys, len(d)/polys/16, i)
	}
}

// moduleVector is the product at vector i of polynomials that are stride vectors apart, with the vectors of the key there.
func (p *Plan) moduleVector(dv, key []vector, b *BlockRotation, polys, stride, i int) {
	if polys > maxModulePolys {
		panic("fft: module of too many polynomials")
	}
	var out [maxModulePolys]vector
	var factors [BlockTerms]vector
	for j := range b.terms {
		t := &b.turns[j]
		factors[j] = p.factor(i, t.power[0], &t.lanes[0])
		for u := range 8 {
			factors[j][u] -= t.unit
		}
	}
	for o := range polys {
		for r := range polys {
			row := key[o*b.terms*polys+r:] // one term every polys vectors
			if b.terms == BlockTerms {
				mulAddBundle(&out[o], &dv[r*stride+i], &factors, &row[0], &row[polys], &row[2*polys], &row[3*polys])
				continue
			}
			var sum vector
			for j := range b.terms {
				mulAddVector(&sum, &factors[j], &row[j*polys])
			}
			mulAddVector(&out[o], &sum, &dv[r*stride+i])
		}
	}
	for o := range polys {
		dv[o*stride+i] = out[o]
	}
}

// mulAddBundle adds d times the sum of f_j k_j to out.
func mulAddBundle(out, d *vector, f *[BlockTerms]vector, k0, k1, k2, k3 *vector) {
	f0, f1, f2, f3 := &f[0], &f[1], &f[2], &f[3]
	for u := range 8 {
		re := f0[u]*k0[u] - f0[u+8]*k0[u+8] + f1[u]*k1[u] - f1[u+8]*k1[u+8] + f2[u]*k2[u] - f2[u+8]*k2[u+8] + f3[u]*k3[u] - f3[u+8]*k3[u+8]
		im := f0[u]*k0[u+8] + f0[u+8]*k0[u] + f1[u]*k1[u+8] + f1[u+8]*k1[u] + f2[u]*k2[u+8] + f2[u+8]*k2[u] + f3[u]*k3[u+8] + f3[u+8]*k3[u]
		x, y := d[u], d[u+8]
		out[u] += re*x - im*y
		out[u+8] += re*y + im*x
	}
}
