//go:build !amd64 || purego

package fft

func (p *Plan) blockProduct(d, key []float64, b *BlockRotation, levels, from, to int) {
	p.blockProductGo(d, key, b, levels, from, to)
}

func (p *Plan) blockProductParts(d, key []float64, b *BlockRotation, levels, from, to int, scratch []float64) {
	p.blockProductPartsGo(d, key, b, levels, from, to, scratch)
}

func prefetchLines([]float64) {}
