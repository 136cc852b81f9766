//go:build !amd64 || purego

package fft

func (p *Plan) blockProduct(d, key []float64, b *BlockRotation, levels, from, to int, _ []float64) {
	p.blockProductGo(d, key, b, levels, from, to)
}

func (p *Plan) blockProductParts(d, key []float64, b *BlockRotation, levels, from, to int, scratch, _ []float64) {
	p.blockProductPartsGo(d, key, b, levels, from, to, scratch)
}

func (p *Plan) moduleBlockProduct(d, key []float64, b *BlockRotation, polys, from, to int, _ []float64) {
	p.moduleBlockProductGo(d, key, b, polys, from, to)
}

func (p *Plan) moduleBlockProductPair(d0, d1, key []float64, b0, b1 *BlockRotation, polys, from, to int, _ []float64) {
	p.moduleBlockProductGo(d0, key, b0, polys, from, to)
	p.moduleBlockProductGo(d1, key, b1, polys, from, to)
}

func compactKernels() bool { return false }

func (p *Plan) blockProducts(x []BlockOperand, key []float64, from, to int, ask bool) {
	p.blockProductsEach(x, key, from, to, ask)
}

func (p *Plan) compactBlockProducts(x []BlockOperand, key []uint64, from, to int, keep []float64, _ bool) {
	p.compactBlockProductsEach(x, key, from, to, keep)
}

func (p *Plan) compactModuleProduct(d []float64, key []uint64, b *BlockRotation, polys, from, to int, _ []float64) {
	p.compactModuleProductGo(d, key, b, polys, from, to)
}

func (p *Plan) compactModuleProductPair(d0, d1 []float64, key []uint64, b0, b1 *BlockRotation, polys, from, to int, _ []float64) {
	p.compactModuleProductGo(d0, key, b0, polys, from, to)
	p.compactModuleProductGo(d1, key, b1, polys, from, to)
}
