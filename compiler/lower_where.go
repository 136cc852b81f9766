package compiler

import "slices"

// whereNode is a where of the graph with a scalar client bit as condition: a node of a decision diagram.
type whereNode struct {
	selector int32
	hi, lo   whereChild // value for bit 1, for bit 0
	size     int        // components of the value; a branch may have more, of which the first ones count
}

// whereChild is another where node (node >= 0) or constants.
type whereChild struct {
	node int32
	leaf []int64
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
	w := &whereNode{size: n.Size()}
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
