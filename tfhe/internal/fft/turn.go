package fft

import "fmt"

// Accumulators of blind rotations are polynomials of float64 in turns, the torus being one turn: what is rounded off at 2^-54 of a turn is far below the
// rounding of a transform, and neither digits nor sums need a conversion.

// ForwardRound transforms a polynomial of signed gadget digits of an accumulator into dst. Both have N elements. acc has values in [-1/2, 1/2]; with B = 2^baseLog
// digit number level, from 0, of a coefficient x is
//
//	round(x, B^-(level+1)) - round(x, B^-level),
//
// where round(x, u) is the multiple of u next to x, ties to even, and there is no second term at level 0: digits come in turns, as multiples of B^-(level+1), and
// their sum over the levels is x rounded to the last one. Ties to even leave no mean. Key rows take the factor B^(level+1) (see RowScale). It
// panics unless baseLog >= 1, level >= 0 and the last digit is at 2^-51 or above.
//
// ahead is as in BlockProduct; a piece of it is asked for with every step.
func (p *Plan) ForwardRound(dst, acc []float64, baseLog, level int, ahead []float64) {
	p.check(len(dst), len(acc))
	if baseLog < 1 || level < 0 || baseLog*(level+1) > 51 {
		panic(fmt.Sprintf("fft: no digits of %d bits at level %d", baseLog, level))
	}
	a := p.request(ahead)
	p.foldRound(dst, acc, roundTo(baseLog*(level+1)), roundTo(baseLog*level), level > 0, &a)
	p.descend(dst, &a)
}

// InverseAddTurn adds the polynomial that src is the transform of to acc, in turns, and takes off whole turns: values are in [-1/2, 1/2] afterwards. src is
// overwritten. Both have N elements. Sums may be up to 2^50 turns in magnitude. It does not scale: that is in the key (RowScale). ahead is as in BlockProduct.
func (p *Plan) InverseAddTurn(acc, src, ahead []float64) {
	p.check(len(acc), len(src))
	a := p.request(ahead)
	p.ascend(src, &a)
	p.unfoldTurn(acc, src, &a)
}

// RowScale is what a transformed key row of torus words is multiplied by for digits of ForwardRound and sums of InverseAddTurn: a power of two.
func (p *Plan) RowScale(baseLog, level int) float64 {
	scale := p.scale
	for range baseLog * (level + 1) {
		scale *= 2
	}
	return scale
}

// roundTo is 1.5*2^(52-bits): adding and subtracting it rounds numbers of magnitude below 2^(50-bits) to multiples of 2^-bits, ties to even.
func roundTo(bits int) float64 {
	m := 1.5 * (1 << 52)
	for range bits {
		m /= 2
	}
	return m
}

// request is memory that the passes of a transform ask for, lines of 64 bytes with every step of theirs.
type request struct {
	memory []float64
	lines  int
}

// request spreads memory over the steps of a transform: N/64 of each pass above groups of 64 points, and N/128 groups, which take twice as long.
func (p *Plan) request(memory []float64) request {
	if len(memory) == 0 {
		return request{}
	}
	steps := (p.n / 64) * (2 + len(p.outer))
	return request{memory, (len(memory)/8 + steps - 1) / steps}
}

// next returns what a pass of so many steps asks for: the address of its first line, and the lines with every step.
func (a *request) next(steps, weight int) (at *float64, lines int) {
	if len(a.memory) == 0 {
		return nil, 0
	}
	at, lines = &a.memory[0], a.lines*weight
	a.memory = a.memory[min(len(a.memory), 8*lines*steps):]
	return at, lines
}

// foldRoundGo is fold of the digits of ForwardRound: magic and before are roundTo of their level and of the one before it.
func foldRoundGo(dst, src []float64, w *roots4, magic, before float64, later bool) {
	out, in := vectors(dst), octets(src)
	real, imag := in[:len(out)], in[len(out):][:len(out)]
	h := len(out) / 4
	for j := range h {
		d := [4]*vector{&out[j], &out[j+h], &out[j+2*h], &out[j+3*h]}
		for u := range 8 {
			var re, im [4]float64
			for q := range 4 {
				x, y := real[j+q*h][u], imag[j+q*h][u]
				re[q], im[q] = (x+magic)-magic, (y+magic)-magic
				if later {
					re[q] -= (x + before) - before
					im[q] -= (y + before) - before
				}
			}
			r1, q1 := re[1]*w.re1-im[1]*w.im1, re[1]*w.im1+im[1]*w.re1
			r2, q2 := re[2]*w.re2-im[2]*w.im2, re[2]*w.im2+im[2]*w.re2
			r3, q3 := re[3]*w.re3-im[3]*w.im3, re[3]*w.im3+im[3]*w.re3
			sr13, sq13, dr13, dq13 := r1+r3, q1+q3, r1-r3, q1-q3
			sr02, sq02, dr02, dq02 := re[0]+r2, im[0]+q2, re[0]-r2, im[0]-q2
			d[0][u], d[0][u+8] = sr02+sr13, sq02+sq13
			d[1][u], d[1][u+8] = sr02-sr13, sq02-sq13
			d[2][u], d[2][u+8] = dr02-dq13, dq02+dr13
			d[3][u], d[3][u+8] = dr02+dq13, dq02-dr13
		}
	}
}

// unfoldTurnGo is the last pass: it joins the four nodes under the root of the tree, adds and takes off whole turns.
func unfoldTurnGo(acc, src []float64, w *roots4) {
	in, out := vectors(src), octets(acc)
	ascend4(in, w)
	real, imag := out[:len(in)], out[len(in):][:len(in)]
	const whole = 1.5 * (1 << 52)
	for j := range in {
		v, d, e := &in[j], &real[j], &imag[j]
		for u := range 8 {
			x, y := d[u]+v[u], e[u]+v[u+8]
			d[u], e[u] = x-((x+whole)-whole), y-((y+whole)-whole)
		}
	}
}
