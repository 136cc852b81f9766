package compiler

import "math"

// extractInputs lays out the values that are taken apart. Their bits are elements with the table 0, 1.
func (p *plan) extractInputs(vp *vectorPlan) {
	vp.bits, vp.from = vp.v.extract, vp.v.from
	for _, e := range vp.v.elems {
		vp.rows = append(vp.rows, AffineRow{Bias: e.form.c})
		vp.srcs = append(vp.srcs, e.form.terms)
		for range vp.bits {
			vp.tables = append(vp.tables, []int64{0, 1})
		}
	}
	p.computed += (vp.bits - vp.from) * len(vp.rows)
}

// turnedUnit is a table that is turned by bits of a computed value. Its selectors are elements of the vector that takes it apart, whose step is not known yet.
func (p *plan) turnedUnit(e *elem) RotateUnit {
	u := RotateUnit{Table: e.table, From: 1}
	for b := e.first; b < e.extraction.width; b++ {
		u.Selectors = append(u.Selectors, e.extraction.at+int32(b))
		u.Weights = append(u.Weights, 1<<(b-e.first))
	}
	return u
}

// layExtract counts the lookups of values that are taken apart, and notes where their bits are decoded: bit b at the top, with 2^(w-1-b) times the
// noise of the value and of the b bits that were subtracted before.
func (p *plan) layExtract(vp *vectorPlan, turned int) {
	w := vp.inputWidth()
	p.affines += len(vp.rows)
	p.lookups += len(vp.rows) * vp.bits
	var worst noise
	for _, terms := range vp.srcs {
		worst = worst.most(p.inputNoise(terms, w))
	}
	for range vp.tables {
		vp.noise = append(vp.noise, noise{br: 1})
	}
	results := extractBits
	if vp.from < vp.bits {
		results = extractSelectors
	}
	first := len(p.events)
	for b := range vp.bits {
		at := noise{}.plus(worst.plus(noise{br: 1}, float64(b)), math.Exp2(2*float64(w-1-b)))
		p.events = append(p.events, event{log2Gap: -2, noise: at, lookup: true, results: results, count: len(vp.rows), width: 1, digits: turned, ggsw: true, node: vp.v.node})
	}
	vp.events = append([]event(nil), p.events[first:]...)
}

// How many results a lookup has: one, the bit as a number and as what is subtracted, or these and the rows of a GGSW ciphertext.
const (
	extractNone = iota
	extractBits
	extractSelectors
)

// results is the number of results of a lookup with a gadget of so many levels, by which the steps of its modulus switch are coarser.
func (e event) resultsOf(levels int) float64 {
	switch e.results {
	case extractBits:
		return 2
	case extractSelectors:
		s := ExtractStep{Bits: 1, Width: 1}
		return float64(s.Outputs(levels))
	}
	return 1
}
