package compiler

import (
	"errors"
	"math/bits"
	"slices"
)

// plan is one way to lay a lowered graph out in ciphertexts: how results are split into digits, which width every vector has, what noise reaches every
// place where a value is decoded. Plans are cheap to make; the search prices each and builds the circuit of the best.
type plan struct {
	l       *lowerer
	outputs []form
	opts    CompileOptions

	leafDigit, tableDigit, weightDigit int // bits of a digit; 0: not split

	selected  *selectPlan
	packed    *packedPlan
	vectors   []*vectorPlan // in the order of computation
	byVector  map[int32]*vectorPlan
	rows      []outputRow // affine rows that the client decodes
	rowWidth  int
	events    []event
	cmux      int           // CMUX of one row
	wideCMUX  int           // those of them by computed bits
	computed  int           // bits that become selectors
	streamed  int           // those of trees, each of which reads its selector from memory
	summed    int           // those of trees that need no inverse transform of their own
	bottoms   []clearSelect // those on clear leaves
	rotations int           // rotations of clear tables by one bit, which cost half a CMUX
	lookups   int
	affines   int
	selectors []int32 // used ones, in order: those that become GGSW ciphertexts, then those that are single rows
	products  int     // how many of them become GGSW ciphertexts
	selUsed   map[int32]int32
}

// vectorPlan lays out one vector, or one digit of each of its tables.
type vectorPlan struct {
	v      *vector
	width  int
	bits   int // table bits of a lookup
	drop   int
	approx bool // of a lookup: the dropped bits stay in its input
	inputs bool // rotated by client bits
	units  []RotateUnit
	rows   []AffineRow // of a lookup's input; refs are filled in when steps are numbered
	srcs   [][]term
	tables [][]int64
	planes [][][]int64 // the tables of each digit
	class  [][]int32   // [digit][element]: equal numbers are the same ciphertext, whose noise adds up in step
	noise  []noise     // of each element
	shift  []int64     // what a digit-split table had subtracted
	digits int         // number of digit planes (1: not split)

	extract bool    // elements are the bits of values: those of one after the other
	from    int     // the first bit that becomes a selector
	valued  bool    // bits are used as values, too
	events  []event // those of a lookup's input
}

// outputRow is one affine combination that the client decodes.
type outputRow struct {
	output int
	weight int64 // of the decoded value in the output
	terms  []rowTerm
	bias   int64
	lo, hi int64
}

type rowTerm struct {
	vec   int32
	elem  int32
	digit int
	w     int64
}

// newPlan lays out one candidate. The error says what does not fit; other candidates may.
func newPlan(l *lowerer, outputs []form, opts CompileOptions, leafDigit, tableDigit, weightDigit int) (*plan, error) {
	p := &plan{l: l, outputs: outputs, opts: opts, leafDigit: leafDigit, tableDigit: tableDigit, weightDigit: weightDigit,
		byVector: map[int32]*vectorPlan{}, selUsed: map[int32]int32{}}
	if opts.AllDigits {
		for _, s := range l.digitSelectors() {
			p.use(s)
		}
	}
	digits := len(p.selectors)
	if err := p.layVectors(); err != nil {
		return nil, err
	}
	if err := p.layOutputs(); err != nil {
		return nil, err
	}
	if opts.AllDigits && (len(p.selectors) > digits || p.packed != nil) {
		return nil, errors.New("compiler: the program reads more of its inputs than their binary digits")
	}
	if p.selected == nil {
		p.products = len(p.selectors)
	}
	p.layWidths()
	p.layClasses()
	p.layNoise()
	p.mergeEvents()
	return p, nil
}

// use marks a selector as sent and returns its number in the request.
func (p *plan) use(s int32) int32 {
	if i, ok := p.selUsed[s]; ok {
		return i
	}
	i := int32(len(p.selectors))
	p.selUsed[s] = i
	p.selectors = append(p.selectors, s)
	return i
}

// layVectors reads the vectors: rotations get their units, lookups their input rows and tables.
func (p *plan) layVectors() error {
	for _, v := range p.l.vectors {
		vp := &vectorPlan{v: v, digits: 1, inputs: v.rotate, extract: v.extract > 0}
		p.vectors = append(p.vectors, vp)
		p.byVector[v.id] = vp
		if vp.inputs {
			for _, e := range v.elems {
				if v.computed {
					vp.units = append(vp.units, p.turnedUnit(e))
					continue
				}
				u, err := p.unit(v.node, e)
				if err != nil {
					return err
				}
				vp.units = append(vp.units, u)
			}
			continue
		}
		if vp.extract {
			p.extractInputs(vp)
			continue
		}
		p.lookupInputs(vp)
	}
	return nil
}

// unit makes the rotation that looks e's function up at a sum of client bits. Codes are read by their binary digits.
func (p *plan) unit(n *Node, e *elem) (RotateUnit, error) {
	r, err := p.l.rotation(n, e)
	if err != nil {
		return RotateUnit{}, err
	}
	u := RotateUnit{Start: int32(r.start - r.lo)}
	for i, sel := range r.selectors {
		u.Selectors = append(u.Selectors, p.use(sel))
		u.Weights = append(u.Weights, int32(r.weights[i]))
	}
	size := r.hi - r.lo + 1
	if r.scale != 1 || size > int64(p.l.degree) {
		size, u.Start = 1<<len(r.selectors), 0
	}
	for z := range size {
		u.Table = append(u.Table, e.at(r.lo+z*r.scale))
	}
	return u, nil
}

// lookupInputs lays out the input rows and tables of a lookup of computed values: values are shifted to start at zero.
func (p *plan) lookupInputs(vp *vectorPlan) {
	vp.drop, vp.approx = vp.v.elems[0].drop, vp.v.elems[0].approx
	for _, e := range vp.v.elems {
		lo, hi := e.domain()
		vp.bits = max(vp.bits, bits.Len64(uint64(hi-lo)), 1)
	}
	for _, e := range vp.v.elems {
		lo, hi := e.domain()
		bias := e.form.c - lo<<e.drop
		if e.drop > 0 && !e.approx { // bits are cleared from below; a table takes the nearest entry by itself
			bias += 1 << (e.drop - 1)
		}
		vp.rows = append(vp.rows, AffineRow{Bias: bias})
		vp.srcs = append(vp.srcs, e.form.terms)
		table := make([]int64, 1<<vp.bits)
		for i := range table {
			r := min(lo+int64(i), hi)
			// Any argument that rounds to r gives the same result; the one nearest inside the bounds is always defined.
			table[i] = e.fn(min(max(r<<e.drop, e.lo), e.hi))
		}
		vp.tables = append(vp.tables, table)
	}
}

// inputWidth is the width of a lookup's input: table bits, dropped bits, padding. What is taken apart has no padding.
func (vp *vectorPlan) inputWidth() int {
	if vp.extract {
		return vp.bits
	}
	return vp.bits + vp.drop + 1
}

// rounds is the number of bits that are cleared before the lookup, by a lookup each.
func (vp *vectorPlan) rounds() int {
	if vp.approx {
		return 0
	}
	return vp.drop
}

// layOutputs sorts the terms of every output into the packed product, the trees and the combinations of vectors.
func (p *plan) layOutputs() error {
	var packed, trees []form
	for o, f := range p.outputs {
		var parts [5]form
		for _, t := range f.terms {
			kind := t.kind
			if kind == atomHot {
				kind = atomCode
			}
			parts[kind].terms = append(parts[kind].terms, t)
		}
		// The constant goes where ciphertexts are; a result that is constant altogether rides on the packed input.
		switch {
		case len(parts[atomSelect].terms) > 0:
			parts[atomSelect].c = f.c
		case len(parts[atomValue].terms) > 0:
			parts[atomValue].c = f.c
		default:
			parts[atomCode].c = f.c
		}
		packed = append(packed, parts[atomCode])
		trees = append(trees, parts[atomSelect])
		if len(parts[atomValue].terms) > 0 {
			p.valueRows(o, parts[atomValue])
		}
	}
	constant := func(f form) bool { return len(f.terms) == 0 }
	if !all(trees, constant) {
		if err := p.laySelect(trees); err != nil {
			return err
		}
	}
	lookedUp := p.lookedUpCodes()
	if !all(packed, func(f form) bool { return constant(f) && f.c == 0 }) || p.selected == nil && len(p.rows) == 0 || len(lookedUp) > 0 {
		return p.layPacked(packed, lookedUp)
	}
	return nil
}

func all[T any](xs []T, ok func(T) bool) bool {
	return !slices.ContainsFunc(xs, func(x T) bool { return !ok(x) })
}

// valueRows makes the affine rows of one output: one for each digit of the tables, or of the weights.
func (p *plan) valueRows(o int, f form) {
	if p.tableDigit > 0 {
		p.splitTables(o, f)
		return
	}
	planes := splitWeights(f.terms, p.weightDigit)
	for d, terms := range planes {
		row := outputRow{output: o, weight: 1 << (d * p.weightDigit)}
		for _, t := range terms {
			row.terms = append(row.terms, rowTerm{vec: t.a, elem: t.b, w: t.w})
		}
		if d == 0 {
			row.bias = f.c
		}
		p.rows = append(p.rows, row)
	}
}

// layWidths gives every vector the widest width that a consumer asks for; the others multiply by a power of two.
func (p *plan) layWidths() {
	for i := range p.rows {
		r := &p.rows[i]
		r.lo, r.hi = r.bias, r.bias
		for _, t := range r.terms {
			vp := p.byVector[t.vec]
			table := vp.plane(t.digit, p.tableDigit)[t.elem]
			a, b := t.w*slices.Min(table), t.w*slices.Max(table)
			r.lo, r.hi = r.lo+min(a, b), r.hi+max(a, b)
		}
		p.rowWidth = max(p.rowWidth, bits.Len64(uint64(r.hi-r.lo)), 1)
	}
	for _, r := range p.rows {
		for _, t := range r.terms {
			vp := p.byVector[t.vec]
			vp.width = max(vp.width, p.rowWidth)
		}
	}
	for _, vp := range p.vectors {
		for _, terms := range vp.srcs {
			for _, t := range terms {
				if src := p.byVector[t.a]; t.kind == atomValue {
					src.width = max(src.width, vp.inputWidth())
				}
			}
		}
	}
}
