package compiler

import (
	"math/bits"
	"slices"
)

// splitWeights writes every weight in signed digits of the given number of bits, lowest first: w = sum_d 2^(d bits) w_d with |w_d| <= 2^(bits-1), and returns
// the terms of each digit. bits = 0 does not split.
func splitWeights(terms []term, digit int) [][]term {
	if digit == 0 {
		return [][]term{terms}
	}
	rest := make([]int64, len(terms))
	for i, t := range terms {
		rest[i] = t.w
	}
	var planes [][]term
	for !all(rest, func(w int64) bool { return w == 0 }) {
		var plane []term
		for i, w := range rest {
			d := (w+1<<(digit-1))&(1<<digit-1) - 1<<(digit-1)
			if digit == 1 {
				d = w & 1 // one bit has no signed form: digits 0 and 1, the sign in the last plane
				if w < 0 {
					d = -(w & 1)
				}
			}
			rest[i] = (w - d) >> digit
			if d != 0 {
				plane = append(plane, term{terms[i].atom, d})
			}
		}
		planes = append(planes, plane)
	}
	return planes
}

// splitTables gives every digit of the tables of the vectors that an output adds a row of its own.
func (p *plan) splitTables(o int, f form) {
	digits := 1
	bias := f.c
	for _, t := range f.terms {
		vp := p.byVector[t.a]
		vp.split(p.tableDigit)
		digits = max(digits, vp.digits)
		bias += t.w * vp.shift[t.b]
	}
	for d := range digits {
		row := outputRow{output: o, weight: 1 << (d * p.tableDigit)}
		for _, t := range f.terms {
			if d < p.byVector[t.a].digits {
				row.terms = append(row.terms, rowTerm{vec: t.a, elem: t.b, digit: d, w: t.w})
			}
		}
		if d == 0 {
			row.bias = bias
		}
		p.rows = append(p.rows, row)
	}
}

// split prepares digit planes: tables are shifted to start at zero and cut into digits of the given bits.
func (vp *vectorPlan) split(digit int) {
	if vp.shift != nil {
		return
	}
	var most int64
	for _, t := range vp.baseTables() {
		lo := slices.Min(t)
		vp.shift = append(vp.shift, lo)
		most = max(most, slices.Max(t)-lo)
	}
	vp.digits = max(1, (bits.Len64(uint64(most))+digit-1)/digit)
}

func (vp *vectorPlan) baseTables() [][]int64 {
	if !vp.inputs {
		return vp.tables
	}
	var t [][]int64
	for _, u := range vp.units {
		t = append(t, u.Table)
	}
	return t
}

// plane returns the tables of digit d.
func (vp *vectorPlan) plane(d, digit int) [][]int64 {
	if vp.planes == nil {
		vp.planes = make([][][]int64, vp.digits)
		for d := range vp.planes {
			vp.planes[d] = vp.cut(d, digit)
		}
	}
	return vp.planes[d]
}

func (vp *vectorPlan) cut(d, digit int) [][]int64 {
	base := vp.baseTables()
	if vp.shift == nil {
		return base
	}
	out := make([][]int64, len(base))
	for i, t := range base {
		for _, y := range t {
			out[i] = append(out[i], (y-vp.shift[i])>>(d*digit)&(1<<digit-1))
		}
	}
	return out
}
