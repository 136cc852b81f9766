package compiler

import (
	"errors"
	"math/bits"
)

// Prefer says what a compilation minimises.
type Prefer int

// The choices of --prefer.
const (
	PreferBalanced Prefer = iota // time plus upload at 10 MB/s, the evaluation key's shared by a hundred rows
	PreferTime                   // server time of one row
	PreferUpload                 // request bytes, then those of the evaluation key and time
)

// CompileOptions steer [Compile]. The zero value is the default.
type CompileOptions struct {
	Log2PFail float64 // log2 of the failure probability of one inference; 0 means -128
	Prefer    Prefer
	// AllDigits lets requests carry every binary digit of every input code, and nothing else, whichever the program reads: a client does not learn which. Other
	// tests of codes are errors.
	AllDigits bool
	Lowering  Lowering // LowerAuto chooses for each part of the graph; another one is used for all, and where it is impossible compiling fails
}

// polyDegree is N of every circuit: rotated tables have up to 2048 entries.
const polyDegree = 2048

// maxPlanWidth bounds the width of a decoded value: enough for any noise budget.
const maxPlanWidth = 58

// search prices the candidates: one way of splitting at a time, digits from wide to narrow.
func search(l *lowerer, outputs []form, opts CompileOptions, chosen candidate) (*plan, candidate, error) {
	var best *plan
	var firstErr error
	try := func(leaf, table, weight int) {
		p, err := newPlan(l, outputs, opts, leaf, table, weight)
		if err == nil {
			var c candidate
			if c, err = p.price(chosen.cost); err == nil && c.cost < chosen.cost {
				best, chosen = p, c
			}
		}
		if err != nil && firstErr == nil {
			firstErr = err
		}
	}
	try(0, 0, 0)
	p, err := newPlan(l, outputs, opts, 0, 0, 0)
	if err != nil {
		return nil, candidate{}, err
	}
	if p.selected != nil {
		for d := min(16, p.selected.step.Width-1); d >= 1; d-- {
			try(d, 0, 0)
		}
	}
	if len(p.rows) > 0 || p.packed != nil {
		most := 12
		if p.packed != nil {
			most = 20
		}
		for d := most; d >= 1; d-- {
			try(min(d, 3), 0, d)
		}
	}
	if len(p.rows) > 0 && p.tablesSplit() {
		for d := 12; d >= 1; d-- {
			try(min(d, 3), d, 0)
		}
	}
	if best == nil {
		if firstErr == nil {
			firstErr = errors.New("compiler: a cheaper lowering was found")
		}
		return nil, candidate{}, firstErr
	}
	return best, chosen, nil
}

// tablesSplit tells whether all vectors in the results are used by results only, so that their tables may be cut into digits.
func (p *plan) tablesSplit() bool {
	inner := map[int32]bool{}
	for _, vp := range p.vectors {
		for _, terms := range vp.srcs {
			for _, t := range terms {
				if t.kind == atomValue {
					inner[t.a] = true
				}
			}
		}
	}
	for _, r := range p.rows {
		for _, t := range r.terms {
			if inner[t.vec] {
				return false
			}
		}
	}
	return true
}

// build writes the circuit of a priced plan.
func (p *plan) build(c candidate) *Circuit {
	// Results that are constants have no noise. JSON knows no infinity, and noise below the last bit or a probability below 2^-65536 says nothing.
	out := &Circuit{Costs: Costs{Affines: p.affines, Selects: p.cmux + len(p.bottoms) + p.rotations, Lookups: p.lookups, EstimatedMs: c.ms, Log2Noise: max(c.log2Noise, -64)}}
	s := &out.Spec
	s.Params = c.params
	s.Log2PFail = max(c.log2PFail, -1<<16)
	s.Lo, s.Hi = p.l.lo, p.l.hi
	for _, sel := range p.selectors {
		s.Selectors = append(s.Selectors, p.l.selectors[sel])
	}
	if s.Singles = len(p.selectors) - p.products; s.Singles > 0 {
		s.SingleWidth = p.selected.step.Width
	}
	s.Outputs = make([]Output, len(p.outputs))
	if p.packed != nil {
		p.buildPacked(out)
	}
	if p.packed != nil && len(p.packed.looked) > 0 {
		p.packed.codesStep = int32(len(out.Steps))
		st := &CodesStep{}
		for i := range p.packed.looked {
			st.Codes = append(st.Codes, int32(i))
		}
		out.Steps = append(out.Steps, Step{Codes: st})
	}
	if p.selected != nil {
		p.buildSelect(out)
	}
	p.buildVectors(out)
	p.rounds(out)
	return out
}

func (p *plan) buildPacked(c *Circuit) {
	pp := p.packed
	c.Spec.Packed, c.Spec.Columns, c.Spec.PackedWidth = pp.codes, pp.columns, pp.inputWidth
	if pp.polys > 1 {
		c.Spec.PerPacked = pp.perPoly
	}
	first := len(c.Spec.Items)
	for i := range pp.steps {
		st := pp.steps[i]
		c.Results = append(c.Results, Result{Step: int32(len(c.Steps)), Element: -1})
		c.Spec.Items = append(c.Spec.Items, Item{Coeffs: st.Coeffs, Width: st.Width})
		c.Steps = append(c.Steps, Step{Packed: &st})
	}
	for _, r := range pp.rows {
		o := &c.Spec.Outputs[r.output]
		o.Digits = append(o.Digits, Digit{Item: int32(first + r.step), Coeff: int32(r.at), Lo: r.lo, Weight: r.weight})
	}
}

func (p *plan) buildSelect(c *Circuit) {
	sp := p.selected
	item := int32(len(c.Spec.Items))
	var coeffs []int32
	for o := range p.outputs {
		for d := range sp.digits {
			c.Spec.Outputs[o].Digits = append(c.Spec.Outputs[o].Digits,
				Digit{Item: item, Coeff: int32(len(coeffs)), Lo: sp.lo[o][d], Weight: 1 << (d * p.leafDigit)})
			coeffs = append(coeffs, int32(len(coeffs)))
		}
	}
	c.Spec.Items = append(c.Spec.Items, Item{Coeffs: coeffs, Width: sp.step.Width})
	c.Results = append(c.Results, Result{Step: int32(len(c.Steps)), Element: -1})
	c.Steps = append(c.Steps, Step{Select: &sp.step})
}

// buildVectors writes rotations, lookups with their affine inputs and rounds, and the combinations that are results.
func (p *plan) buildVectors(c *Circuit) {
	steps := map[[2]int32]int32{} // (vector, digit) to step
	for _, vp := range p.vectors {
		for d := range vp.digits {
			tables := vp.plane(d, p.tableDigit)
			key := [2]int32{vp.v.id, int32(d)}
			if vp.inputs {
				st := &RotateStep{Width: vp.width}
				for i, u := range vp.units {
					u.Table = tables[i]
					if u.From > 0 {
						u.From = steps[[2]int32{vp.v.elems[i].extraction.vec.id, 0}] + 1
					}
					st.Units = append(st.Units, u)
				}
				steps[key] = int32(len(c.Steps))
				c.Steps = append(c.Steps, Step{Rotate: st})
				continue
			}
			source := p.buildLookupInput(c, vp, d, steps)
			steps[key] = int32(len(c.Steps))
			if vp.extract {
				st := &ExtractStep{Source: source, Count: len(vp.rows), Bits: vp.bits, From: vp.from}
				if vp.valued {
					st.Width = vp.width
				}
				c.Steps = append(c.Steps, Step{Extract: st})
				continue
			}
			st := &LookupStep{Source: source, Bits: vp.bits, Tables: tables, Width: vp.width}
			if vp.approx {
				st.Drop = vp.drop
			}
			c.Steps = append(c.Steps, Step{Lookup: st})
		}
	}
	if len(p.rows) == 0 {
		return
	}
	st := &AffineStep{Width: p.rowWidth}
	step := int32(len(c.Steps))
	for i, r := range p.rows {
		row := AffineRow{Bias: r.bias}
		for _, t := range r.terms {
			row.Refs = append(row.Refs, Ref{Step: steps[[2]int32{t.vec, int32(t.digit)}], Element: t.elem})
			row.Weights = append(row.Weights, t.w<<(p.byVector[t.vec].width-p.rowWidth))
		}
		st.Rows = append(st.Rows, row)
		item := int32(len(c.Spec.Items))
		c.Spec.Items = append(c.Spec.Items, Item{Coeffs: []int32{0}, Width: p.rowWidth})
		c.Results = append(c.Results, Result{Step: step, Element: int32(i)})
		c.Spec.Outputs[r.output].Digits = append(c.Spec.Outputs[r.output].Digits, Digit{Item: item, Lo: r.lo, Weight: r.weight})
	}
	c.Steps = append(c.Steps, Step{Affine: st})
}

// buildLookupInput writes the affine rows of a lookup and the round of their low bits, once for all digit planes.
func (p *plan) buildLookupInput(c *Circuit, vp *vectorPlan, digit int, steps map[[2]int32]int32) Ref {
	key := [2]int32{vp.v.id, -1}
	if digit > 0 {
		return Ref{Step: steps[key]}
	}
	width := vp.inputWidth()
	st := &AffineStep{Width: width}
	for i, terms := range vp.srcs {
		row := AffineRow{Bias: vp.rows[i].Bias}
		for _, t := range terms {
			ref, from := Ref{Step: steps[[2]int32{t.a, 0}], Element: t.b}, 0
			if t.kind == atomCode {
				ref, from = Ref{Step: p.packed.codesStep, Element: p.packed.at[t.a]}, p.packed.inputWidth
			} else {
				from = p.byVector[t.a].width
			}
			row.Refs = append(row.Refs, ref)
			row.Weights = append(row.Weights, t.w<<(from-width))
		}
		st.Rows = append(st.Rows, row)
	}
	if vp.approx { // half a unit more: see log2Gap
		st.Width++
		for i := range st.Rows {
			st.Rows[i].Bias = 2*st.Rows[i].Bias + 1
		}
	}
	c.Steps = append(c.Steps, Step{Affine: st})
	if vp.rounds() > 0 {
		source := Ref{Step: int32(len(c.Steps) - 1)}
		c.Steps = append(c.Steps, Step{Round: &RoundStep{Source: source, Count: len(st.Rows), Drop: vp.drop, Width: width}})
	}
	steps[key] = int32(len(c.Steps) - 1)
	return Ref{Step: steps[key]}
}

// InputBits is the largest number of bits that any input code of the specification has.
func (s *ClientSpec) InputBits() int {
	most := 0
	for i := range s.Lo {
		most = max(most, bits.Len64(uint64(s.Hi[i]-s.Lo[i])))
	}
	return most
}
