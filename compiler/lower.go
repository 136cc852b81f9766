package compiler

import (
	"fmt"
	"slices"
)

// tableBits is the widest table for a computed value: one programmable bootstrap of 8 bits. Wider values pass a round.
const tableBits = 8

// LowerError says which node of a graph has no encrypted form yet, and the way out.
type LowerError struct {
	Node   int // ID in the optimised graph
	Op     Op
	Reason string
}

// Error returns one line.
func (e *LowerError) Error() string {
	return fmt.Sprintf("compiler: node %%%d (%s): %s", e.Node, e.Op, e.Reason)
}

// lowerer turns an optimised graph into elements, selectors and vectors; a plan then gives them widths and parameters.
type lowerer struct {
	g         *Graph
	degree    int // N: the longest table of a rotation
	lo, hi    []int64
	selectors []Selector
	selIndex  map[Selector]int32
	elems     [][]*elem // by node ID
	vectors   []*vector // in the order of computation
	diagrams  map[int32]*whereNode
	forest    *forest // the diagrams of all outputs, once a plan needs them

	// What pricing computes once for all plans: bootstraps by table bits, gadgets of packed queries by key and shape.
	tries    map[int][]lookupTry
	families map[familyKey]packedFamily
}

// whereNode is a where of the graph with a scalar client bit as condition: a node of a decision diagram.
type whereNode struct {
	selector int32
	hi, lo   whereChild // value for bit 1, for bit 0
}

// whereChild is another where node (node >= 0) or constants.
type whereChild struct {
	node int32
	leaf []int64
}

func newLowerer(g *Graph, degree int) *lowerer {
	return &lowerer{g: g, degree: degree, selIndex: map[Selector]int32{}, elems: make([][]*elem, len(g.Nodes)), diagrams: map[int32]*whereNode{}}
}

// run reads all nodes that an output needs and returns the forms of all output elements, outputs after one another.
func (l *lowerer) run() ([]form, error) {
	live := l.g.reachable()
	for _, n := range l.g.Nodes {
		if !live[n.ID] && n.Op != OpInput {
			continue
		}
		elems, err := l.node(n)
		if err != nil {
			return nil, err
		}
		l.elems[n.ID] = elems
	}
	var out []form
	for _, o := range l.g.Outputs {
		forms, err := l.forms(o)
		if err != nil {
			return nil, err
		}
		for _, f := range forms {
			out = append(out, l.selectTests(f))
		}
	}
	return out, nil
}

// selectTests replaces the client bits of a result by selects between 1 and 0, as trees of one node: a bit alone is not a ciphertext that can be added.
// They are numbered after the nodes of the graph.
func (l *lowerer) selectTests(f form) form {
	if !f.kinds()[atomBit] {
		return f
	}
	parts, weights := make([]form, len(f.terms)), make([]int64, len(f.terms))
	for i, t := range f.terms {
		weights[i] = t.w
		parts[i] = atomForm(t.kind, t.a, t.b)
		if t.kind == atomBit {
			id := int32(len(l.g.Nodes)) + t.a
			l.diagrams[id] = &whereNode{selector: t.a, hi: whereChild{node: -1, leaf: []int64{1}}, lo: whereChild{node: -1, leaf: []int64{0}}}
			parts[i] = atomForm(atomSelect, id, 0)
		}
	}
	return sumForms(f.c, parts, weights)
}

func (l *lowerer) fail(n *Node, format string, args ...any) error {
	return &LowerError{Node: n.ID, Op: n.Op, Reason: fmt.Sprintf(format, args...)}
}

// node returns the elements of one node.
func (l *lowerer) node(n *Node) ([]*elem, error) {
	if n.Known() && n.Op != OpInput {
		return plain(mapInts(n.Lo, constForm)), nil
	}
	switch n.Op {
	case OpInput:
		out := make([]form, n.Size())
		for i := range out {
			out[i] = atomForm(atomCode, int32(len(l.lo)), 0)
			l.lo, l.hi = append(l.lo, n.Lo[i]), append(l.hi, n.Hi[i])
		}
		return plain(out), nil
	case OpReshape, OpTranspose, OpConcatenate, OpGetItem:
		return l.moved(n), nil
	case OpBits:
		return l.bits(n)
	case OpWhere:
		return l.where(n)
	case OpRound:
		d := int(n.Ints[0])
		return l.univariate(n, n.Args[0], func(int) func(int64) int64 { return func(x int64) int64 { return unary(n, x) } }, d)
	case OpLookup:
		return l.univariate(n, n.Args[0], func(i int) func(int64) int64 { return tableRow(n.Table, i) }, 0)
	case OpClip:
		return l.univariate(n, n.Args[0], func(int) func(int64) int64 { return func(x int64) int64 { return unary(n, x) } }, 0)
	case OpLess, OpLessEqual, OpGreater, OpGreaterEqual, OpEqual, OpNotEqual, OpMaximum, OpMinimum:
		return l.comparison(n)
	case OpAdd, OpSubtract, OpNegative, OpMultiply, OpMatMul, OpSum:
		forms, err := l.affine(n)
		return plain(forms), err
	}
	return nil, l.fail(n, "operation has no encrypted form")
}

func plain(forms []form) []*elem {
	out := make([]*elem, len(forms))
	for i, f := range forms {
		out[i] = &elem{form: f}
	}
	return out
}

func mapInts[T any](xs []int64, f func(int64) T) []T {
	out := make([]T, len(xs))
	for i, x := range xs {
		out[i] = f(x)
	}
	return out
}

// moved handles operations that only rearrange elements.
func (l *lowerer) moved(n *Node) []*elem {
	var all []*elem
	starts := map[*Node]int64{}
	for _, a := range n.Args {
		if _, ok := starts[a]; !ok {
			starts[a] = int64(len(all))
			all = append(all, l.elems[a.ID]...)
		}
	}
	index := moveElements(n, func(a *Node) []int64 {
		seq := make([]int64, a.Size())
		for i := range seq {
			seq[i] = starts[a] + int64(i)
		}
		return seq
	})
	return mapInts(index, func(i int64) *elem { return all[i] })
}

// forms returns the elements of n as forms; functions that are not computed yet become vectors of the circuit.
func (l *lowerer) forms(n *Node) ([]form, error) {
	out := make([]form, 0, n.Size())
	for _, e := range l.elems[n.ID] {
		if e.fn != nil {
			if err := l.compute(e.vec); err != nil {
				return nil, err
			}
			out = append(out, atomForm(atomValue, e.vec.id, e.index))
			continue
		}
		out = append(out, e.form)
	}
	return out, nil
}

func (l *lowerer) affine(n *Node) ([]form, error) {
	args := make([][]form, len(n.Args))
	for i, a := range n.Args {
		var err error
		if args[i], err = l.forms(a); err != nil {
			return nil, err
		}
	}
	out := make([]form, n.Size())
	switch n.Op {
	case OpNegative:
		for i, f := range args[0] {
			out[i] = sumForms(0, []form{f}, []int64{-1})
		}
	case OpAdd, OpSubtract:
		ia, ib := broadcast(n.Shape, n.Args[0].Shape), broadcast(n.Shape, n.Args[1].Shape)
		sign := int64(1)
		if n.Op == OpSubtract {
			sign = -1
		}
		for i := range out {
			out[i] = sumForms(0, []form{args[0][ia[i]], args[1][ib[i]]}, []int64{1, sign})
		}
	case OpMultiply:
		x, c := 0, 1
		if n.Args[0].Known() {
			x, c = 1, 0
		}
		ix, ic := broadcast(n.Shape, n.Args[x].Shape), broadcast(n.Shape, n.Args[c].Shape)
		for i := range out {
			out[i] = sumForms(0, []form{args[x][ix[i]]}, []int64{n.Args[c].Lo[ic[i]]})
		}
	case OpMatMul:
		l.matMul(n, args, out)
	case OpSum:
		groups := sumGroups(n)
		for i, g := range groups {
			parts := make([]form, len(g))
			ones := make([]int64, len(g))
			for j, e := range g {
				parts[j], ones[j] = args[0][e], 1
			}
			out[i] = sumForms(0, parts, ones)
		}
	}
	return out, nil
}

func (l *lowerer) matMul(n *Node, args [][]form, out []form) {
	a, b := n.Args[0], n.Args[1]
	m, k, w := matMulDims(a.Shape, b.Shape)
	for i := range m {
		for j := range w {
			parts, weights := make([]form, k), make([]int64, k)
			for t := range k {
				if b.Known() {
					parts[t], weights[t] = args[0][i*k+t], b.Lo[t*w+j]
				} else {
					parts[t], weights[t] = args[1][t*w+j], a.Lo[i*k+t]
				}
			}
			out[i*w+j] = sumForms(0, parts, weights)
		}
	}
}

// sumGroups returns for every element of a sum the elements of the argument that it adds.
func sumGroups(n *Node) [][]int {
	shape := n.Args[0].Shape
	if len(n.Ints) == 0 {
		all := make([]int, n.Args[0].Size())
		for i := range all {
			all[i] = i
		}
		return [][]int{all}
	}
	axis := int(n.Ints[0])
	inner := 1
	for _, d := range shape[axis+1:] {
		inner *= d
	}
	groups := make([][]int, n.Size())
	for e := range n.Args[0].Size() {
		to := e/(inner*shape[axis])*inner + e%inner
		groups[to] = append(groups[to], e)
	}
	return groups
}

// tableRow returns the function that row i of a table (or its only row) is.
func tableRow(t *Table, i int) func(int64) int64 {
	row := 0
	if len(t.Values) > 1 {
		row = i
	}
	lo, values := t.Lo[0], t.Values[row]
	if len(t.Lo) > 1 {
		lo = t.Lo[row]
	}
	return func(x int64) int64 { return values[x-lo] }
}

// comparison handles operations of two arguments of which one is known.
func (l *lowerer) comparison(n *Node) ([]*elem, error) {
	x, c := n.Args[0], n.Args[1]
	swap := x.Known()
	if swap {
		x, c = c, x
	}
	if slices.Equal(x.Shape, n.Shape) {
		ic := broadcast(n.Shape, c.Shape)
		return l.univariate(n, x, func(i int) func(int64) int64 {
			k := c.Lo[ic[i]]
			if swap {
				return func(v int64) int64 { return binaryValue(n.Op, k, v) }
			}
			return func(v int64) int64 { return binaryValue(n.Op, v, k) }
		}, 0)
	}
	return nil, l.fail(n, "an encrypted value is compared with a constant of a larger shape: broadcast the value first")
}

// univariate applies fn(i) to element i of x. drop > 0 says that fn is a round by so many bits.
func (l *lowerer) univariate(n, x *Node, fn func(i int) func(int64) int64, drop int) ([]*elem, error) {
	// A vector is computed by one step: elements of inputs, computed ones, and those rounded by different numbers of bits go to vectors of their own.
	type group struct {
		inputs bool
		drop   int
	}
	vectors := map[group]*vector{}
	out := make([]*elem, x.Size())
	for i, e := range l.elems[x.ID] {
		f := fn(i)
		r, err := l.apply(n, e, f, x.Lo[i], x.Hi[i], drop)
		if err != nil {
			return nil, err
		}
		if r.fn != nil {
			k := r.form.kinds()
			key := group{k[atomCode] || k[atomBit], r.drop}
			vec := vectors[key]
			if vec == nil {
				vec = &vector{node: n}
				vectors[key] = vec
			}
			r.vec, r.index = vec, int32(len(vec.elems))
			vec.elems = append(vec.elems, r)
		}
		out[i] = r
	}
	return out, nil
}

// apply returns f of one element, computed at once where it stays affine: on constants, on single bits, and, as a new bit, on single codes where f is 0 or 1.
func (l *lowerer) apply(n *Node, e *elem, f func(int64) int64, lo, hi int64, drop int) (*elem, error) {
	if e.fn != nil && e.drop > 0 && drop > 0 {
		return nil, l.fail(n, "a computed value is rounded twice: round it once by the sum of the bits")
	}
	if e.fn != nil { // compose; the domain stays that of the inner function
		inner := e.fn
		return l.simplify(&elem{form: e.form, lo: e.lo, hi: e.hi, drop: e.drop, fn: func(x int64) int64 { return f(inner(x)) }}), nil
	}
	r := &elem{form: e.form, lo: lo, hi: hi, fn: f}
	if k := e.form.kinds(); drop > 0 && (k[atomValue] || k[atomSelect]) {
		r.drop = drop
	}
	return l.simplify(r), nil
}

func (l *lowerer) simplify(e *elem) *elem {
	f := e.form
	switch {
	case len(f.terms) == 0:
		return &elem{form: constForm(e.fn(f.c))}
	case len(f.terms) > 1:
		return e
	case f.terms[0].kind == atomBit:
		at0 := e.fn(f.c)
		slope := e.fn(f.c+f.terms[0].w) - at0
		return &elem{form: sumForms(at0, []form{atomForm(atomBit, f.terms[0].a, 0)}, []int64{slope})}
	case f.terms[0].kind == atomCode:
		if sel, ok := l.predicate(f, e.fn); ok {
			return &elem{form: sel}
		}
	}
	return e
}

// predicate returns the bit that fn of a single code is, if it is 0 or 1 everywhere.
func (l *lowerer) predicate(f form, fn func(int64) int64) (form, bool) {
	t := f.terms[0]
	code := t.a
	if l.hi[code]-l.lo[code] > 127 {
		return form{}, false
	}
	sel := Selector{Code: code}
	ones := int64(0)
	for v := l.lo[code]; v <= l.hi[code]; v++ {
		y := fn(f.c + t.w*v)
		if y != 0 && y != 1 {
			return form{}, false
		}
		ones += y
		sel.Set[(v-l.lo[code])>>6] |= uint64(y) << ((v - l.lo[code]) & 63)
	}
	if ones == 0 || ones == l.hi[code]-l.lo[code]+1 {
		return constForm(min(ones, 1)), true
	}
	return atomForm(atomBit, l.selector(sel), 0), true
}

// selector returns the number of a client bit; equal bits are sent once. A bit and its complement share a ciphertext only where a where node can swap its branches.
func (l *lowerer) selector(s Selector) int32 {
	if i, ok := l.selIndex[s]; ok {
		return i
	}
	i := int32(len(l.selectors))
	l.selIndex[s] = i
	l.selectors = append(l.selectors, s)
	return i
}

func (l *lowerer) bits(n *Node) ([]*elem, error) {
	count := int(n.Ints[0])
	out := make([]*elem, 0, n.Size())
	for _, e := range l.elems[n.Args[0].ID] {
		for b := range count {
			bit := func(x int64) int64 { return x >> b & 1 }
			switch {
			case e.fn == nil && len(e.form.terms) == 0:
				out = append(out, &elem{form: constForm(bit(e.form.c))})
				continue
			case e.fn == nil && len(e.form.terms) == 1 && e.form.terms[0].kind == atomCode:
				if f, ok := l.predicate(e.form, bit); ok {
					out = append(out, &elem{form: f})
					continue
				}
			}
			return nil, l.fail(n, "bits are those of input codes of at most 7 bits; use a lookup to take bits of a computed value")
		}
	}
	return out, nil
}

// where makes a node of a decision diagram.
func (l *lowerer) where(n *Node) ([]*elem, error) {
	cond, hi, lo := n.Args[0], n.Args[1], n.Args[2]
	if cond.Size() != 1 {
		return nil, l.fail(n, "the condition is not one scalar: select each element by its own where")
	}
	ce := l.elems[cond.ID][0]
	if ce.fn == nil && len(ce.form.terms) == 1 && ce.form.terms[0].kind == atomCode { // a code of two values is its own test
		if f, ok := l.predicate(ce.form, func(x int64) int64 { return x }); ok {
			ce = &elem{form: f}
		}
	}
	if ce.fn != nil || len(ce.form.terms) > 1 || len(ce.form.terms) == 1 && ce.form.terms[0].kind != atomBit {
		return nil, l.fail(n, "the condition is a computed value, not a test of one input code")
	}
	w := &whereNode{}
	var err error
	if w.hi, err = l.child(n, hi); err != nil {
		return nil, err
	}
	if w.lo, err = l.child(n, lo); err != nil {
		return nil, err
	}
	f := ce.form
	if len(f.terms) == 1 && f.c == 1 && f.terms[0].w == -1 { // the complement of a bit
		w.hi, w.lo = w.lo, w.hi
		f = form{terms: []term{{f.terms[0].atom, 1}}}
	}
	switch {
	case len(f.terms) == 0 && f.c == 1:
		return l.whole(n, w.hi), nil
	case len(f.terms) == 0:
		return l.whole(n, w.lo), nil
	case w.hi.node >= 0 && w.hi.node == w.lo.node || w.hi.node < 0 && w.lo.node < 0 && slices.Equal(w.hi.leaf, w.lo.leaf):
		return l.whole(n, w.hi), nil
	case f.c != 0 || f.terms[0].w != 1:
		return nil, l.fail(n, "the condition is not 0 or 1")
	}
	w.selector = f.terms[0].a
	l.diagrams[int32(n.ID)] = w
	return l.whole(n, whereChild{node: int32(n.ID)}), nil
}

// child reads a branch: constants, or exactly the value of another where.
func (l *lowerer) child(n, a *Node) (whereChild, error) {
	elems := l.elems[a.ID]
	index := broadcast(n.Shape, a.Shape)
	c := whereChild{node: -1}
	for i, j := range index {
		e := elems[j]
		if e.fn != nil {
			return c, l.fail(n, "a branch is a looked-up value: branches are constants or other selects")
		}
		f := e.form
		switch {
		case len(f.terms) == 0 && c.node < 0:
			c.leaf = append(c.leaf, f.c)
			continue
		case len(f.terms) == 1 && f.c == 0 && f.terms[0].w == 1 && f.terms[0].kind == atomSelect && int(f.terms[0].b) == i && len(c.leaf) == 0 &&
			(i == 0 || c.node == f.terms[0].a):
			c.node = f.terms[0].a
			continue
		}
		return c, l.fail(n, "a branch is a sum or a part of other values: branches are constants or other selects")
	}
	return c, nil
}

// whole returns the elements of a diagram node or of constants, in the shape of n.
func (l *lowerer) whole(n *Node, c whereChild) []*elem {
	out := make([]form, n.Size())
	for i := range out {
		if c.node < 0 {
			out[i] = constForm(c.leaf[i])
		} else {
			out[i] = atomForm(atomSelect, c.node, int32(i))
		}
	}
	return plain(out)
}

// compute makes a vector part of the circuit: its elements become atoms.
func (l *lowerer) compute(v *vector) error {
	if v.done {
		return nil
	}
	v.done = true
	for _, e := range v.elems {
		kinds := e.form.kinds()
		inputs, computed := kinds[atomCode] || kinds[atomBit], kinds[atomValue] || kinds[atomSelect]
		switch {
		case kinds[atomSelect]:
			return l.fail(v.node, "a table of a tree's result is not supported yet: return the result and apply the function after decryption")
		case inputs && computed:
			return l.fail(v.node, "a table of a sum of inputs and computed values is not supported yet")
		case inputs:
			if size := e.hi - e.lo + 1; size > int64(l.degree) {
				return l.fail(v.node, "the argument has %d values; a table rotated by input bits has at most %d: use a coarser grid", size, l.degree)
			}
		default:
			lo, hi := roundShiftIf(e.lo, e.drop), roundShiftIf(e.hi, e.drop)
			if hi-lo+1 > 1<<tableBits {
				return l.fail(v.node, "the argument has %d values; a table of a computed value has at most %d: round it by more bits first", hi-lo+1, 1<<tableBits)
			}
		}
	}
	v.id = int32(len(l.vectors))
	l.vectors = append(l.vectors, v)
	return nil
}

func roundShiftIf(x int64, drop int) int64 {
	if drop == 0 {
		return x
	}
	return roundShift(x, uint(drop))
}
