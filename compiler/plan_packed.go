package compiler

import (
	"errors"
	"fmt"
	"slices"
)

// packedPlan lays out linear outputs as products of packed ciphertexts with weight polynomials.
type packedPlan struct {
	groups  []*columnGroup
	codes   []int32  // codes that have a column of their own, in the order of the packed coefficients
	columns []Column // columns after those
	perPoly int      // columns of a ciphertext
	polys   int      // ciphertexts of a request
	width   int      // of the products
	steps   []PackedStep
	rows    []packedRow

	looked     []int32         // codes that lookups read by affine combinations: the first ones
	at         map[int32]int32 // their places
	inputWidth int             // of the input: the largest width that a reader asks for
	codesStep  int32           // number of the step that takes them out
}

// lookedUpCodes lists the codes that lookups read by affine combinations.
func (p *plan) lookedUpCodes() []int32 {
	var codes []int32
	seen := map[int32]bool{}
	for _, vp := range p.vectors {
		for _, terms := range vp.srcs {
			for _, t := range terms {
				if t.kind == atomCode && !seen[t.a] {
					seen[t.a] = true
					codes = append(codes, t.a)
				}
			}
		}
	}
	return codes
}

// packedRow is one output's digit: coefficient index at of product step.
type packedRow struct {
	output, step, at int
	weight, lo       int64
}

// digitRow is one output's digit before it has a place: weights of all columns, in the groups' order, and the sum's bounds without bias.
type digitRow struct {
	output       int
	weight       int64
	bias, lo, hi int64
	terms        []term // atoms hold the column's number
}

// maxWeights is what the absolute values of a product's weights sum to at most: see [tfhe.MulPlainSum].
const maxWeights = 1 << 56

// layPacked puts the columns that the outputs need (see columnGroup) into the coefficients of one ciphertext or several. With F columns a ciphertext, output number c
// of a product has its weights reversed in the segment that starts at c F: its sum appears at coefficient c F + F - 1, and no other output's products fall there. Codes that lookups read come first.
func (p *plan) layPacked(outputs []form, looked []int32) error {
	if p.l.groups == nil {
		p.l.groups = p.l.columnGroups(outputs)
	}
	pp := &packedPlan{groups: p.l.groups, looked: looked, codes: slices.Clone(looked), at: map[int32]int32{}}
	for i, c := range looked {
		pp.at[c] = int32(i)
	}
	// Codes first, then the other columns. place is where a column of a group is.
	place := map[int]int{}
	total := 0
	for _, g := range pp.groups {
		if g.kind == basisCode || g.kind == basisSquare {
			i, ok := pp.at[g.code]
			if !ok {
				i = int32(len(pp.codes))
				pp.codes = append(pp.codes, g.code)
			}
			place[g.first] = int(i)
		}
		total += len(g.columns)
	}
	total += len(pp.codes)
	if total == 0 { // constants alone
		pp.codes, total = []int32{0}, 1
	}
	for _, g := range pp.groups {
		for i := range g.columns {
			place[g.first+g.size()-len(g.columns)+i] = len(pp.codes) + len(pp.columns)
			pp.columns = append(pp.columns, g.columns[i])
		}
	}
	if total > maxCodes {
		return fmt.Errorf("compiler: the inputs' functions take %d coefficients of packed ciphertexts, at most %d", total, maxCodes)
	}
	var rows []digitRow
	for o, out := range outputs {
		if len(out.terms) == 0 && out.c == 0 && (len(p.outputs[o].terms) > 0 || len(looked) > 0) {
			continue // this output has no linear part
		}
		rows = append(rows, p.digitRows(pp, o, out.c)...)
	}
	p.layPolys(pp, total, len(rows))
	for _, r := range rows {
		p.packedRow(pp, r, place)
	}
	// Columns fill only the first coefficients, but noise is in all N of them: every result collects that of the weights of all results of its product.
	pp.inputWidth = max(pp.width, 1)
	for _, vp := range p.vectors {
		if slices.ContainsFunc(vp.srcs, func(terms []term) bool { return form{terms: terms}.kinds()[atomCode] }) {
			pp.inputWidth = max(pp.inputWidth, vp.inputWidth())
		}
	}
	if pp.inputWidth > maxPlanWidth {
		return fmt.Errorf("compiler: packed codes of %d bits are wider than %d", pp.inputWidth, maxPlanWidth)
	}
	worst, heaviest := 0.0, 0
	for i := range pp.steps {
		pp.steps[i].Width = pp.width
		norm, sum := 0.0, 0.0
		for j, w := range pp.steps[i].Weights {
			if max(w, -w) > maxWeights>>(pp.inputWidth-pp.width) {
				return errors.New("compiler: the weights of a product are too large")
			}
			w <<= pp.inputWidth - pp.width
			pp.steps[i].Weights[j] = w
			norm += sq(float64(w))
			sum += max(float64(w), -float64(w))
		}
		if sum > maxWeights {
			return errors.New("compiler: the weights of a product are too large")
		}
		if norm > worst {
			worst, heaviest = norm, i
		}
	}
	p.packed = pp
	if len(pp.rows) == 0 {
		return nil
	}
	p.affines += len(pp.rows)
	row := slices.IndexFunc(pp.rows, func(r packedRow) bool { return r.step == heaviest })
	p.events = append(p.events, event{log2Gap: -float64(pp.width + 1), noise: noise{fresh: worst}, count: len(pp.rows), width: pp.width,
		node: p.l.resultNode(pp.rows[row].output)})
	return nil
}

// digitRows cuts the weights of an output into digits.
func (p *plan) digitRows(pp *packedPlan, o int, c int64) []digitRow {
	var terms []term
	for _, g := range pp.groups {
		c += g.offset[o]
		for i, w := range g.weights[o] {
			if w != 0 {
				terms = append(terms, term{atom{atomCode, int32(g.first + i), 0}, w})
			}
		}
	}
	planes := splitWeights(terms, p.weightDigit)
	if len(planes) == 0 {
		planes = [][]term{nil} // a constant
	}
	rows := make([]digitRow, len(planes))
	for d, plane := range planes {
		r := digitRow{output: o, weight: 1 << (d * p.weightDigit), terms: plane}
		if d == 0 {
			r.bias = c
		}
		next := 0
		for _, g := range pp.groups {
			w := make([]int64, g.size())
			for ; next < len(plane) && int(plane[next].a) < g.first+len(w); next++ {
				w[int(plane[next].a)-g.first] = plane[next].w
			}
			lo, hi := g.bounds(w)
			r.lo, r.hi = r.lo+lo, r.hi+hi
		}
		rows[d] = r
	}
	return rows
}

// layPolys chooses how many ciphertexts the columns are spread over: fewer columns each leave room for more results of a product, so that fewer products, and
// responses, are needed.
func (p *plan) layPolys(pp *packedPlan, columns, rows int) {
	n := p.l.degree
	best := 0.0
	for polys := (columns + n - 1) / n; ; polys++ {
		per := (columns + polys - 1) / polys
		steps := max(1, (rows+n/per-1)/(n/per))
		if cost := p.packedCost(polys, steps); pp.polys == 0 || cost < best {
			best, pp.polys, pp.perPoly = cost, polys, per
		}
		if steps == 1 || polys >= columns {
			return
		}
	}
}

// packedRow gives a digit of an output its place.
func (p *plan) packedRow(pp *packedPlan, r digitRow, place map[int]int) {
	n, f := p.l.degree, pp.perPoly
	if len(pp.steps) == 0 || len(pp.steps[len(pp.steps)-1].Coeffs) == n/f {
		pp.steps = append(pp.steps, PackedStep{Weights: make([]int64, (pp.polys-1)*n+f*min(n/f, 1))})
	}
	st := &pp.steps[len(pp.steps)-1]
	at := len(st.Coeffs)
	if size := (pp.polys-1)*n + (at+1)*f; len(st.Weights) < size {
		st.Weights = append(st.Weights, make([]int64, size-len(st.Weights))...)
	}
	for _, t := range r.terms {
		col := place[int(t.a)]
		st.Weights[col/f*n+at*f+f-1-col%f] = t.w
	}
	st.Coeffs = append(st.Coeffs, int32(at*f+f-1))
	st.Bias = append(st.Bias, r.bias)
	pp.width = max(pp.width, width(r.lo, r.hi))
	pp.rows = append(pp.rows, packedRow{output: r.output, step: len(pp.steps) - 1, at: at, weight: r.weight, lo: r.lo + r.bias})
}
