package compiler

import "slices"

// The lowering reads a graph element by element. Every element is an integer combination of atoms: things a circuit has as ciphertexts.

// atomKind orders the kinds of atom.
type atomKind uint8

const (
	atomCode   atomKind = iota // an input code: a is its number
	atomBit                    // a client bit: a is its selector
	atomValue                  // an element of a computed vector: a is the vector, b the element
	atomSelect                 // a component of a where node: a is the node's ID, b the component
	atomHot                    // the test of an input code for one value: a is the code's number, b the value less the smallest
)

type atom struct {
	kind atomKind
	a, b int32
}

func (x atom) compare(y atom) int {
	if x.kind != y.kind {
		return int(x.kind) - int(y.kind)
	}
	if x.a != y.a {
		return int(x.a) - int(y.a)
	}
	return int(x.b) - int(y.b)
}

type term struct {
	atom
	w int64
}

// form is c + sum of w * atom, with distinct atoms in order and no zero weights.
type form struct {
	c     int64
	terms []term
}

func constForm(c int64) form { return form{c: c} }

func atomForm(kind atomKind, a, b int32) form { return form{terms: []term{{atom{kind, a, b}, 1}}} }

// sumForms returns c + sum of weights[i] * forms[i]. Graph.Verify has bounded every sum below 2^62.
func sumForms(c int64, forms []form, weights []int64) form {
	count := 0
	for _, f := range forms {
		count += len(f.terms)
	}
	out := form{c: c, terms: make([]term, 0, count)}
	for i, f := range forms {
		w := weights[i]
		if w == 0 {
			continue
		}
		out.c += w * f.c
		for _, t := range f.terms {
			out.terms = append(out.terms, term{t.atom, w * t.w})
		}
	}
	slices.SortStableFunc(out.terms, func(x, y term) int { return x.compare(y.atom) })
	merged := out.terms[:0]
	for _, t := range out.terms {
		if n := len(merged); n > 0 && merged[n-1].atom == t.atom {
			merged[n-1].w += t.w
			continue
		}
		merged = append(merged, t)
	}
	out.terms = slices.DeleteFunc(merged, func(t term) bool { return t.w == 0 })
	return out
}

// kinds tells which kinds of atom the form has.
func (f form) kinds() (mask [5]bool) {
	for _, t := range f.terms {
		mask[t.kind] = true
	}
	return mask
}

// elem is one element of a node's value: a form, or a univariate function of one that is not computed yet. Functions are
// composed as long as possible, so that chains of tables become one.
type elem struct {
	form   form
	fn     func(int64) int64 // nil: the element is the form itself
	lo, hi int64             // bounds of the form where fn is set: the domain of fn
	drop   int               // low bits rounded away before fn sees the value (a computed value only)
	approx bool              // they stay in place: the round is approximate
	vec    *vector           // the vector that the element is computed in, once a sum needs it
	value  form              // what the element is once that is computed

	// A table that is turned by the bits of a computed value: entry i is that of bits first.. of the extraction.
	extraction *extraction
	first      int
	table      []int64
}

// domain is the range of what a table of e is looked up at: values of the form without the bits that are dropped. An approximate round gives either multiple
// next to a value.
func (e *elem) domain() (lo, hi int64) {
	switch {
	case e.drop == 0:
		return e.lo, e.hi
	case e.approx:
		return e.lo >> e.drop, -(-e.hi >> e.drop)
	}
	return roundShift(e.lo, uint(e.drop)), roundShift(e.hi, uint(e.drop))
}

// vector is a group of elements that one node of the graph defines and one step of the circuit computes.
type vector struct {
	id     int32
	node   *Node
	elems  []*elem
	inputs bool // elements are functions of inputs alone
	rotate bool // tables are turned by client bits; else elements are looked up
	done   bool // the vector is computed: its elements have values now

	computed bool // with rotate: the bits are those of computed values
	extract  int  // not 0: elements are values of so many bits, which are taken apart
	from     int  // with extract: bits from this one on become selectors
	refresh  bool // elements are digits of tables that were turned by computed bits
}

// broadcast returns for every element of shape out the index of the element of shape in that numpy pairs it with.
func broadcast(out, in []int) []int32 {
	size := 1
	for _, d := range out {
		size *= d
	}
	index := make([]int32, size)
	strides := make([]int, len(out))
	step := 1
	for i := len(in) - 1; i >= 0; i-- {
		if in[i] > 1 {
			strides[len(out)-len(in)+i] = step
		}
		step *= in[i]
	}
	counter := make([]int, len(out))
	at := 0
	for i := range index {
		index[i] = int32(at)
		for d := len(out) - 1; d >= 0; d-- {
			counter[d]++
			at += strides[d]
			if counter[d] < out[d] {
				break
			}
			at -= strides[d] * out[d]
			counter[d] = 0
		}
	}
	return index
}

func roundShiftIf(x int64, drop int) int64 {
	if drop == 0 {
		return x
	}
	return roundShift(x, uint(drop))
}
