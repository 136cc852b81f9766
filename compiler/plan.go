package compiler

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// A plan is one way to lay a lowered graph out in ciphertexts: how results are split into digits, which width every vector has, what noise reaches every
// place where a value is decoded. Plans are cheap to make; the search prices each and builds the circuit of the best.

// noise is a variance in units of its sources: fresh ciphertexts, CMUX on ciphertexts, lowest CMUX of a tree on clear leaves, bootstraps. uses is
// the largest part of cmux that the products with one selector make, or a bound on it.
type noise struct{ fresh, cmux, bottom, br, uses float64 }

func (x noise) plus(y noise, scale float64) noise {
	return noise{x.fresh + scale*y.fresh, x.cmux + scale*y.cmux, x.bottom + scale*y.bottom, x.br + scale*y.br, x.uses + scale*y.uses}
}

// most returns the largest of each part.
func (x noise) most(y noise) noise {
	return noise{max(x.fresh, y.fresh), max(x.cmux, y.cmux), max(x.bottom, y.bottom), max(x.br, y.br), max(x.uses, y.uses)}
}

// event is a place where count values are decoded with the same gap and noise: by the client, or by a lookup, which adds key switch and modulus switch.
type event struct {
	log2Gap float64 // log2 of the distance from a value to the nearest wrong one
	noise   noise
	lookup  bool
	count   int
	width   int
	digits  int // coefficients of a tree's leaves
}

// plan is one candidate.
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
	cmux      int // CMUX of one row
	bottoms   int // those on clear leaves, which cost half
	lookups   int
	affines   int
	selectors []int32 // used ones, in order
	selUsed   map[int32]int32
}

// vectorPlan lays out one vector, or one digit of each of its tables.
type vectorPlan struct {
	v      *vector
	width  int
	bits   int // table bits of a lookup
	drop   int
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
	uses   int         // width asked for by consumers so far
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
	if err := p.layVectors(); err != nil {
		return nil, err
	}
	if err := p.layOutputs(); err != nil {
		return nil, err
	}
	p.layWidths()
	p.layClasses()
	p.layNoise()
	p.mergeEvents()
	return p, nil
}

// mergeEvents counts equal events as one.
func (p *plan) mergeEvents() {
	at := map[event]int{}
	merged := p.events[:0]
	for _, e := range p.events {
		count := e.count
		e.count = 0
		i, ok := at[e]
		if !ok {
			i = len(merged)
			at[e] = i
			merged = append(merged, e)
		}
		merged[i].count += count
	}
	p.events = merged
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
		vp := &vectorPlan{v: v, digits: 1}
		k := v.elems[0].form.kinds()
		vp.inputs = k[atomCode] || k[atomBit]
		p.vectors = append(p.vectors, vp)
		p.byVector[v.id] = vp
		if vp.inputs {
			for _, e := range v.elems {
				u, err := p.unit(v.node, e)
				if err != nil {
					return err
				}
				vp.units = append(vp.units, u)
			}
			continue
		}
		p.lookupInputs(vp)
	}
	return nil
}

// unit makes the rotation that looks e's function up at a sum of client bits. Codes are read by their binary digits.
func (p *plan) unit(n *Node, e *elem) (RotateUnit, error) {
	start := e.form.c
	weights := map[int32]int64{}
	var order []int32
	addBit := func(sel int32, w int64) {
		if _, ok := weights[sel]; !ok {
			order = append(order, sel)
		}
		weights[sel] += w
	}
	for _, t := range e.form.terms {
		if t.kind == atomBit {
			addBit(t.a, t.w)
			continue
		}
		lo, hi := p.l.lo[t.a], p.l.hi[t.a]
		if hi-lo > 127 {
			return RotateUnit{}, p.l.fail(n, "input code %d has %d values; at most 128 can be sent as bits", t.a, hi-lo+1)
		}
		start += t.w * lo
		for b := range bits.Len64(uint64(hi - lo)) {
			set := Selector{Code: t.a}
			for v := int64(0); v <= hi-lo; v++ {
				set.Set[v>>6] |= uint64(v>>b&1) << (v & 63)
			}
			addBit(p.l.selector(set), t.w<<b)
		}
	}
	zlo, zhi := start, start
	for _, w := range weights {
		zlo, zhi = zlo+min(w, 0), zhi+max(w, 0)
	}
	if zhi-zlo+1 > int64(p.l.degree) {
		return RotateUnit{}, p.l.fail(n, "the argument has %d values; a table rotated by input bits has at most %d: use a coarser grid", zhi-zlo+1, p.l.degree)
	}
	u := RotateUnit{Start: int32(start - zlo)}
	for _, sel := range order {
		if w := weights[sel]; w != 0 {
			u.Selectors = append(u.Selectors, p.use(sel))
			u.Weights = append(u.Weights, int32(w))
		}
	}
	for z := zlo; z <= zhi; z++ {
		u.Table = append(u.Table, e.fn(min(max(z, e.lo), e.hi)))
	}
	return u, nil
}

// lookupInputs lays out the input rows and tables of a lookup of computed values: values are shifted to start at zero.
func (p *plan) lookupInputs(vp *vectorPlan) {
	vp.drop = vp.v.elems[0].drop
	for _, e := range vp.v.elems {
		lo, hi := roundShiftIf(e.lo, e.drop), roundShiftIf(e.hi, e.drop)
		vp.bits = max(vp.bits, bits.Len64(uint64(hi-lo)), 1)
	}
	for _, e := range vp.v.elems {
		lo, hi := roundShiftIf(e.lo, e.drop), roundShiftIf(e.hi, e.drop)
		bias := e.form.c - lo<<e.drop
		if e.drop > 0 {
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

// inputWidth is the width of a lookup's input: table bits, dropped bits, padding.
func (vp *vectorPlan) inputWidth() int { return vp.bits + vp.drop + 1 }

// layOutputs sorts the terms of every output into the packed product, the trees and the combinations of vectors.
func (p *plan) layOutputs() error {
	var packed, trees []form
	for o, f := range p.outputs {
		var parts [4]form
		for _, t := range f.terms {
			parts[t.kind].terms = append(parts[t.kind].terms, t)
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
	if !all(packed, func(f form) bool { return constant(f) && f.c == 0 }) || p.selected == nil && len(p.rows) == 0 {
		return p.layPacked(packed)
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
				src := p.byVector[t.a]
				src.width = max(src.width, vp.inputWidth())
			}
		}
	}
}

// layClasses finds elements that are computed from the same sources with the same table: units of a layer whose tables agree in a digit, say. They are
// the same ciphertext, bit for bit.
func (p *plan) layClasses() {
	type member struct {
		table []int64
		class int32
	}
	groups := map[string][]member{}
	next := int32(0)
	for _, vp := range p.vectors {
		vp.class = make([][]int32, vp.digits)
		for d := range vp.class {
			for i, table := range vp.plane(d, p.tableDigit) {
				var key string
				if vp.inputs {
					u := vp.units[i]
					key = fmt.Sprint("rotate", vp.width, u.Selectors, u.Weights, u.Start)
				} else {
					key = fmt.Sprint("lookup", vp.width, vp.bits, vp.drop, vp.rows[i].Bias, vp.srcs[i])
				}
				class := int32(-1)
				for _, m := range groups[key] {
					if slices.Equal(m.table, table) {
						class = m.class
					}
				}
				if class < 0 {
					class = next
					next++
					groups[key] = append(groups[key], member{table, class})
				}
				vp.class[d] = append(vp.class[d], class)
			}
		}
	}
}

// sumNoise is the noise of a combination of elements in a row of the given width: that of different ciphertexts is independent, that of the same one adds
// up with its weights.
func (p *plan) sumNoise(terms []rowTerm, width int) noise {
	at := map[int32]int{}
	var weights []float64
	var sources []noise
	var units []*RotateUnit // of the sources that are rotated by client bits
	for _, t := range terms {
		src := p.byVector[t.vec]
		class := src.class[t.digit][t.elem]
		i, ok := at[class]
		if !ok {
			i = len(weights)
			at[class] = i
			weights = append(weights, 0)
			sources = append(sources, src.noise[t.elem])
			var unit *RotateUnit
			if src.inputs {
				unit = &src.units[t.elem]
			}
			units = append(units, unit)
		}
		weights[i] += float64(t.w) * math.Exp2(float64(src.width-width))
	}
	var sum noise
	uses := make([]float64, len(p.selectors))
	for i, w := range weights {
		sum = sum.plus(sources[i], sq(w))
		if units[i] != nil {
			for _, s := range units[i].Selectors {
				uses[s] += sq(w)
			}
		}
	}
	sum.uses = 0
	if len(uses) > 0 {
		sum.uses = slices.Max(uses)
	}
	return sum
}

// mapTerms writes terms over vectors as terms of a row.
func mapTerms(terms []term) []rowTerm {
	out := make([]rowTerm, len(terms))
	for i, t := range terms {
		out[i] = rowTerm{vec: t.a, elem: t.b, w: t.w}
	}
	return out
}

// layNoise follows the noise from its sources to every place where a value is decoded, and counts operations.
func (p *plan) layNoise() {
	for _, vp := range p.vectors {
		if vp.width == 0 {
			vp.width = 1 // computed but not used by any output
		}
		planes := vp.digits
		if vp.inputs {
			for _, u := range vp.units {
				vp.noise = append(vp.noise, noise{cmux: float64(len(u.Selectors)), uses: 1})
				p.cmux += planes * len(u.Selectors)
			}
			continue
		}
		p.affines += len(vp.rows)
		p.lookups += len(vp.rows) * (planes + vp.drop)
		w := vp.inputWidth()
		var worst noise
		for _, terms := range vp.srcs {
			in := p.sumNoise(mapTerms(terms), w)
			vp.noise = append(vp.noise, noise{br: 1})
			worst = worst.most(in)
		}
		for b := range vp.drop {
			// The bit goes to the top: noise is multiplied by 2^(w-1-b); the b bits cleared before left their own noise.
			at := noise{}.plus(worst.plus(noise{br: 1}, float64(b)), math.Exp2(2*float64(w-1-b)))
			p.events = append(p.events, event{log2Gap: -2, noise: at, lookup: true, count: len(vp.rows), width: 1})
		}
		p.events = append(p.events, event{log2Gap: -float64(vp.bits + 2), noise: worst.plus(noise{br: 1}, float64(vp.drop)), lookup: true, count: planes * len(vp.rows), width: vp.bits + 1})
	}
	for _, r := range p.rows {
		n := p.sumNoise(r.terms, p.rowWidth)
		p.affines++
		p.events = append(p.events, event{log2Gap: -float64(p.rowWidth + 1), noise: n, count: 1, width: p.rowWidth})
	}
}

func sq(x float64) float64 { return x * x }
