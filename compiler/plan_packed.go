package compiler

import (
	"fmt"
	"math/bits"
)

// packedPlan lays out linear outputs as products of one packed ciphertext with weight polynomials.
type packedPlan struct {
	codes []int32 // codes in the order of the packed coefficients
	width int
	steps []PackedStep
	rows  []packedRow
}

// packedRow is one output's digit: coefficient index at of product step.
type packedRow struct {
	output, step, at int
	weight, lo       int64
}

// layPacked puts code i in coefficient i of the packed input. With F codes, output number c of a product has its weights reversed in the segment that starts at c F: its sum
// appears at coefficient c F + F - 1, and no other output's products fall there.
func (p *plan) layPacked(outputs []form) error {
	pp := &packedPlan{}
	place := map[int32]int{}
	for _, f := range outputs {
		for _, t := range f.terms {
			if _, ok := place[t.a]; !ok {
				place[t.a] = len(pp.codes)
				pp.codes = append(pp.codes, t.a)
			}
		}
	}
	if len(pp.codes) == 0 {
		pp.codes = []int32{0}
	}
	f, n := len(pp.codes), p.l.degree
	if f > n {
		return fmt.Errorf("compiler: %d inputs do not fit the %d coefficients of a packed ciphertext", f, n)
	}
	for o, out := range outputs {
		if len(out.terms) == 0 && out.c == 0 && len(p.outputs[o].terms) > 0 {
			continue // this output has no linear part
		}
		planes := splitWeights(out.terms, p.weightDigit)
		if len(planes) == 0 {
			planes = [][]term{nil} // a constant
		}
		for d, terms := range planes {
			p.packedOutput(pp, o, d, terms, out.c, place, f, n)
		}
	}
	// Codes fill only the first F coefficients, but noise is in all N of them: every result collects that of the weights of all results of its product.
	worst := 0.0
	for i := range pp.steps {
		pp.steps[i].Width = pp.width
		norm := 0.0
		for _, w := range pp.steps[i].Weights {
			norm += sq(float64(w))
		}
		worst = max(worst, norm)
	}
	p.packed = pp
	p.affines += len(pp.rows)
	p.events = append(p.events, event{log2Gap: -float64(pp.width + 1), noise: noise{fresh: worst}, count: len(pp.rows), width: pp.width})
	return nil
}

func (p *plan) packedOutput(pp *packedPlan, o, d int, terms []term, c int64, place map[int32]int, f, n int) {
	perStep := n / f
	if len(pp.steps) == 0 || len(pp.steps[len(pp.steps)-1].Coeffs) == perStep {
		pp.steps = append(pp.steps, PackedStep{})
	}
	st := &pp.steps[len(pp.steps)-1]
	at := len(st.Coeffs)
	st.Weights = append(st.Weights, make([]int64, f)...)
	lo, hi := int64(0), int64(0)
	for _, t := range terms {
		st.Weights[at*f+f-1-place[t.a]] = t.w
		a, b := t.w*p.l.lo[t.a], t.w*p.l.hi[t.a]
		lo, hi = lo+min(a, b), hi+max(a, b)
	}
	if d > 0 {
		c = 0
	}
	st.Coeffs = append(st.Coeffs, int32(at*f+f-1))
	st.Bias = append(st.Bias, c)
	pp.width = max(pp.width, bits.Len64(uint64(hi-lo)), 1)
	pp.rows = append(pp.rows, packedRow{output: o, step: len(pp.steps) - 1, at: at, weight: 1 << (d * p.weightDigit), lo: lo + c})
}
