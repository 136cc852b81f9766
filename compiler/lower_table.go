package compiler

import (
	"math/bits"
	"slices"
)

// compute makes a vector part of the circuit: its elements get values.
func (l *lowerer) compute(v *vector) error {
	if v.done {
		return nil
	}
	v.done = true
	if v.inputs {
		return l.computeInputs(v)
	}
	def := LowerLookup
	if slices.ContainsFunc(v.elems, (*elem).wide) {
		def = LowerRotate
	}
	how := l.pick(partComputed, v.node, len(v.elems), def)
	l.part(partComputed, v.node).widest(v.elems)
	switch how {
	case LowerLookup:
	case LowerRotate:
		return l.byBits(v)
	default:
		return l.impossible(v.node, how, "the argument of the table is computed by the server, not sent by the client")
	}
	for _, e := range v.elems {
		var err error
		if e.form, err = l.values(v.node, e.form); err != nil {
			return err
		}
	}
	return l.lookUp(v)
}

// computeInputs lowers tables of inputs.
func (l *lowerer) computeInputs(v *vector) error {
	how := l.pick(partTable, v.node, len(v.elems), LowerAuto)
	if how != LowerAuto {
		return l.computeBy(v, how)
	}
	if err := l.computeBy(v, LowerRotate); err != nil {
		if err := l.computeBy(v, LowerLookup); err != nil { // what takes wider values says what to do
			return err
		}
		l.settle(partTable, v.node, LowerLookup)
		return nil
	}
	l.settle(partTable, v.node, LowerRotate)
	return nil
}

func (l *lowerer) computeBy(v *vector, how Lowering) error {
	switch how {
	case LowerAffine:
		for _, e := range v.elems {
			if len(e.form.terms) != 1 || e.form.terms[0].kind != atomCode {
				return l.impossible(v.node, how, notAffine)
			}
			t, c := e.form.terms[0], e.form.c
			f, ok := l.hot(t.a, func(x int64) int64 { return e.fn(c + t.w*x) })
			if !ok {
				return l.manyValues(v.node, t.a)
			}
			e.value = f
		}
		return nil
	case LowerSelect:
		for _, e := range v.elems {
			var err error
			if e.value, err = l.tableDiagram(v.node, e); err != nil {
				return err
			}
		}
		return nil
	case LowerRotate:
		for _, e := range v.elems {
			if _, err := l.rotation(v.node, e); err != nil {
				return err
			}
		}
		v.rotate = true
		l.add(v)
		return nil
	case LowerLookup:
		saved := slices.Clone(v.elems)
		for i, e := range v.elems {
			c := *e
			var err error
			if c.form, err = l.replace(e.form, func(t term) (form, error) {
				if t.kind == atomBit {
					return l.test(v.node, t.a, LowerLookup), nil
				}
				return atomForm(t.kind, t.a, t.b), nil
			}); err != nil {
				return err
			}
			saved[i] = &c
		}
		w := &vector{node: v.node, elems: saved}
		if slices.ContainsFunc(v.elems, (*elem).wide) {
			if err := l.byBits(w); err != nil {
				return err
			}
		} else if err := l.lookUp(w); err != nil {
			return err
		}
		for i, e := range v.elems {
			e.value = saved[i].value
		}
		return nil
	}
	panic("compiler: internal error: no lowering of a table")
}

// lookUp adds a vector whose elements are looked up by bootstraps, which bounds the values of their arguments.
func (l *lowerer) lookUp(v *vector) error {
	for _, e := range v.elems {
		lo, hi := e.domain()
		if uint64(hi-lo) >= 1<<tableBits { // the difference of two values may have 2^63 values
			return l.fail(v.node, "the argument has %d values; a table that is looked up has at most %d: round it by more bits first", uint64(hi-lo)+1, 1<<tableBits)
		}
	}
	l.add(v)
	return nil
}

// add numbers a vector and gives its elements their values.
func (l *lowerer) add(v *vector) {
	v.id, v.done = int32(len(l.vectors)), true
	l.vectors = append(l.vectors, v)
	for i, e := range v.elems {
		e.vec, e.value = v, atomForm(atomValue, v.id, int32(i))
	}
}

// replace returns f with every atom replaced by a form.
func (l *lowerer) replace(f form, by func(t term) (form, error)) (form, error) {
	parts, weights := make([]form, len(f.terms)), make([]int64, len(f.terms))
	for i, t := range f.terms {
		var err error
		if parts[i], err = by(t); err != nil {
			return form{}, err
		}
		weights[i] = t.w
	}
	return sumForms(f.c, parts, weights), nil
}

// values makes a sum of inputs, tests, trees and computed values one of input codes and computed values, which an affine step can add.
func (l *lowerer) values(n *Node, f form) (form, error) {
	return l.replace(f, func(t term) (form, error) {
		switch t.kind {
		case atomValue:
			if t.a >= wideVectors {
				return l.refresh(l.wides[t.a-wideVectors]), nil
			}
		case atomHot:
			return form{}, l.impossible(n, LowerAffine, "a table takes the value of another one or of a test")
		case atomBit, atomSelect:
			if t.a >= tableDiagrams {
				return form{}, l.impossible(n, LowerSelect, "a table takes the value of another one, and selects give results only")
			}
			how := l.pick(partInner, n, 0, LowerAuto)
			either := how == LowerAuto
			if either {
				how = LowerRotate
				l.settle(partInner, n, how)
			}
			if how != LowerRotate && how != LowerLookup {
				return form{}, l.impossible(n, how, "a table takes the value of a tree or test: it has to be rotated or looked up")
			}
			if p := l.part(partInner, n); !p.met[atom{t.kind, t.a, 0}] {
				p.met[atom{t.kind, t.a, 0}] = true
				p.count++
			}
			if t.kind == atomBit {
				return l.test(n, t.a, how), nil
			}
			return l.treeValue(n, t.a, int(t.b), how, either)
		}
		return atomForm(t.kind, t.a, t.b), nil
	})
}

// grownKey names a vector that grows as values are needed: of tests, codes, trees or leaf indicators.
type grownKey struct {
	what grownKind
	how  Lowering
}

type grownKind uint8

const (
	grownTests grownKind = iota
	grownCodes
	grownTrees
	grownLeaves
)

// grow appends an element to such a vector and returns its value.
func (l *lowerer) grow(key grownKey, n *Node, e *elem) form {
	v := l.grown[key]
	if v == nil {
		v = &vector{node: n, rotate: key.how == LowerRotate}
		l.grown[key] = v
		l.add(v)
		if key.what == grownTests { // they read inputs alone, and what is there already may read tests that come later
			n := len(l.vectors) - 1
			copy(l.vectors[1:], l.vectors[:n])
			l.vectors[0] = v
		}
	}
	e.vec, e.value = v, atomForm(atomValue, v.id, int32(len(v.elems)))
	v.elems = append(v.elems, e)
	return e.value
}

type testKey struct {
	selector int32
	how      Lowering
}

// test returns a client's bit as a value: rotated by the bit, or looked up at its code.
func (l *lowerer) test(n *Node, sel int32, how Lowering) form {
	key := testKey{sel, how}
	if f, ok := l.testForms[key]; ok {
		return f
	}
	s := l.selectors[sel]
	lo, hi := l.lo[s.Code], l.hi[s.Code]
	if hi-lo >= 1<<tableBits {
		how = LowerRotate // the code has too many values to be looked up
	}
	var f form
	switch {
	case how == LowerRotate:
		f = l.grow(grownKey{grownTests, how}, n, &elem{form: atomForm(atomBit, sel, 0), hi: 1, fn: func(x int64) int64 { return x }})
	case hi-lo == 1: // a code of two values is its own test
		at0 := s.Bit(0)
		f = sumForms(at0-(s.Bit(1)-at0)*lo, []form{atomForm(atomCode, s.Code, 0)}, []int64{s.Bit(1) - at0})
	default:
		f = l.grow(grownKey{grownTests, how}, n, &elem{form: atomForm(atomCode, s.Code, 0), lo: lo, hi: hi, fn: func(x int64) int64 { return s.Bit(x - lo) }})
	}
	l.testForms[key] = f
	return f
}

// digits returns a code as a sum of the client's bits: its binary digits.
func (l *lowerer) digits(n *Node, code int32) (form, error) {
	lo, hi := l.lo[code], l.hi[code]
	if hi-lo >= 1<<maxWideBits {
		return form{}, l.fail(n, "input code %d has %d values; at most %d can be sent as bits", code, hi-lo+1, 1<<maxWideBits)
	}
	f := constForm(lo)
	for b, s := range digitsOf(int(code), lo, hi) {
		f.terms = append(f.terms, term{atom{atomBit, l.selector(s), 0}, 1 << b})
	}
	return sumForms(0, []form{f}, []int64{1}), nil
}

// rotation is a sum of client bits at which a table is rotated: start + sum of weights[i] * bit_(selectors[i]), within lo..hi.
type rotation struct {
	selectors     []int32
	weights       []int64
	start, lo, hi int64
	scale         int64 // entry i of the table is for lo + scale i
}

// bitSum writes a sum of codes and bits as one of bits alone. Codes are read by their binary digits.
func (l *lowerer) bitSum(n *Node, f form) (form, error) {
	return l.replace(f, func(t term) (form, error) {
		if t.kind == atomCode {
			return l.digits(n, t.a)
		}
		return atomForm(t.kind, t.a, t.b), nil
	})
}

// rotation lays out the argument of e's function.
func (l *lowerer) rotation(n *Node, e *elem) (rotation, error) {
	f, err := l.bitSum(n, e.form)
	if err != nil {
		return rotation{}, err
	}
	r := rotation{start: f.c, lo: f.c, hi: f.c, scale: 1}
	if len(e.form.terms) == 1 && e.form.terms[0].kind == atomCode && len(f.terms) > bits.Len(uint(l.degree-1)) { // the digits of one code
		slices.SortFunc(f.terms, func(a, b term) int { return int(min(max(abs(a.w)-abs(b.w), -1), 1)) })
		r.scale, r.hi = e.form.terms[0].w, f.c
		for i, t := range f.terms {
			r.selectors, r.weights = append(r.selectors, t.a), append(r.weights, 1<<i)
			r.hi += t.w
		}
		return r, nil
	}
	for _, t := range f.terms {
		r.lo, r.hi = r.lo+min(t.w, 0), r.hi+max(t.w, 0)
		r.selectors, r.weights = append(r.selectors, t.a), append(r.weights, t.w)
	}
	if uint64(r.hi-r.lo) >= uint64(l.degree) {
		return rotation{}, l.fail(n, "the argument has %d values; a table rotated by input bits has at most %d: use a coarser grid", uint64(r.hi-r.lo)+1, l.degree)
	}
	return r, nil
}

// maxTableNodes bounds the diagram of one table.
const maxTableNodes = 1 << 14

// tableDiagram returns the function of a sum of inputs as a decision diagram over the client's bits, heaviest first: a state is a bit and the sum so
// far, and states with equal branches are one. A function of one code with few steps compares the code with them instead.
func (l *lowerer) tableDiagram(n *Node, e *elem) (form, error) {
	if c, ok := l.steps(e); ok {
		return l.diagramForm(c), nil
	}
	f, err := l.bitSum(n, e.form)
	if err != nil {
		return form{}, err
	}
	slices.SortStableFunc(f.terms, func(a, b term) int { return int(min(max(abs(b.w)-abs(a.w), -1), 1)) })
	type state struct {
		level int
		sum   int64
	}
	type triple struct {
		sel, hi, lo int32
		hiLeaf      int64
		loLeaf      int64
	}
	memo, unique := map[state]whereChild{}, map[triple]int32{}
	var build func(s state) (whereChild, error)
	build = func(s state) (whereChild, error) {
		if s.level == len(f.terms) {
			return leafChild(e.fn(min(max(s.sum, e.lo), e.hi))), nil // sums outside the bounds do not occur
		}
		if c, ok := memo[s]; ok {
			return c, nil
		}
		t := f.terms[s.level]
		lo, err := build(state{s.level + 1, s.sum})
		if err != nil {
			return lo, err
		}
		hi, err := build(state{s.level + 1, s.sum + t.w})
		if err != nil {
			return hi, err
		}
		c := lo
		if !equalChild(lo, hi) {
			key := triple{sel: t.a, hi: hi.node, lo: lo.node}
			if hi.node < 0 {
				key.hiLeaf = hi.leaf[0]
			}
			if lo.node < 0 {
				key.loLeaf = lo.leaf[0]
			}
			id, ok := unique[key]
			if !ok {
				if len(unique) == maxTableNodes {
					return c, l.impossible(n, LowerSelect, "its decision diagram has more than %d nodes", maxTableNodes)
				}
				id = l.newDiagram(t.a, hi, lo)
				unique[key] = id
			}
			c = whereChild{node: id}
		}
		memo[s] = c
		return c, nil
	}
	c, err := build(state{0, f.c})
	if err != nil {
		return form{}, err
	}
	return l.diagramForm(c), nil
}

// steps returns a function of one code that has fewer steps than the code has digits as a balanced tree of comparisons with them.
func (l *lowerer) steps(e *elem) (whereChild, bool) {
	if len(e.form.terms) != 1 || e.form.terms[0].kind != atomCode {
		return whereChild{}, false
	}
	t := e.form.terms[0]
	lo, hi := l.lo[t.a], l.hi[t.a]
	if hi-lo > 127 {
		return whereChild{}, false
	}
	at := func(v int64) int64 { return e.fn(e.form.c + t.w*v) }
	starts := []int64{lo} // of the intervals on which the function is constant
	for v := lo + 1; v <= hi; v++ {
		if at(v) != at(v-1) {
			starts = append(starts, v)
		}
	}
	if len(starts)-1 >= bits.Len64(uint64(hi-lo)) {
		return whereChild{}, false
	}
	var build func(a, b int) whereChild
	build = func(a, b int) whereChild {
		if b-a == 1 {
			return leafChild(at(starts[a]))
		}
		m := (a + b) / 2
		s := Selector{Code: t.a}
		for v := lo; v < starts[m]; v++ {
			s.Set[(v-lo)>>6] |= 1 << ((v - lo) & 63)
		}
		return whereChild{node: l.newDiagram(l.selector(s), build(a, m), build(m, b))}
	}
	return build(0, len(starts)), true
}

// tableDiagrams is the number of the first diagram that stands for a table: those of the graph's where nodes and of tests are below.
const tableDiagrams = 1 << 28

func (l *lowerer) newDiagram(sel int32, hi, lo whereChild) int32 {
	id := tableDiagrams + l.tables
	l.tables++
	l.diagrams[id] = &whereNode{selector: sel, hi: hi, lo: lo, size: 1}
	return id
}

func leafChild(y int64) whereChild { return whereChild{node: -1, leaf: []int64{y}} }

func equalChild(a, b whereChild) bool { return a.node == b.node && slices.Equal(a.leaf, b.leaf) }

func (l *lowerer) diagramForm(c whereChild) form {
	if c.node < 0 {
		return constForm(c.leaf[0])
	}
	return atomForm(atomSelect, c.node, 0)
}

func abs(x int64) int64 { return max(x, -x) }
