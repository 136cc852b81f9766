//go:build !amd64 || purego

package fft

// Without assembly the passes are the ones in Go.

func (p *Plan) foldInt64(dst []float64, src []int64) { fold(dst, src, &p.first) }

func (p *Plan) foldDigit(dst []float64, src []uint64, offset uint64, shift uint, mask, half uint64) {
	foldDigit(dst, src, &p.first, offset, shift, mask, half)
}

func (p *Plan) descend(x []float64, _ *request) { p.descendGo(x) }

func (p *Plan) ascend(x []float64, _ *request) { p.ascendGo(x) }

func (p *Plan) unfold(dst []uint64, src []float64, add bool) {
	unfold(dst, src, &p.unfirst, p.scale, add)
}

func (p *Plan) foldRound(dst, src []float64, magic, before float64, later bool, _ *request) {
	foldRoundGo(dst, src, &p.first, magic, before, later)
}

func (p *Plan) unfoldTurn(acc, src []float64, _ *request) { unfoldTurnGo(acc, src, &p.first) }

func (p *Plan) mulXaAdd(acc, x []float64, a int, l *[16]float64, minusOne bool) {
	p.mulXaAddGo(acc, x, a, l, minusOne)
}

func mul(acc, a, b []float64) { mulGo(acc, a, b) }

func mulAdd(acc, a, b []float64) { mulAddGo(acc, a, b) }

func mulAdd2(acc0, acc1, a, b0, b1 []float64) { mulAdd2Go(acc0, acc1, a, b0, b1) }

func mulRows2(acc0, acc1 []float64, d [][]float64, key []float64, add bool) {
	mulRows2Go(acc0, acc1, d, key, add)
}

func sub(dst, x []float64) { subGo(dst, x) }

func add(dst, x []float64) { addGo(dst, x) }
