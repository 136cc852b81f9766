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
