package compiler

import "slices"

// tableBits is the widest table for a computed value: one programmable bootstrap of 8 bits. Wider values pass a round.
const tableBits = 8

// univariate applies fn(i) to element i of x. drop > 0 says that fn is a round by so many bits.
func (l *lowerer) univariate(n, x *Node, fn func(i int) func(int64) int64, drop int) ([]*elem, error) {
	out := make([]*elem, x.Size())
	for i, e := range l.elems[x.ID] {
		f := fn(i)
		r, err := l.apply(n, e, f, x.Lo[i], x.Hi[i], drop)
		if err != nil {
			return nil, err
		}
		out[i] = r
	}
	l.group(n, out)
	return out, nil
}

// group puts the elements that are functions into vectors of n. A vector is computed by one step: elements of inputs, computed ones, and those rounded by
// different numbers of bits go to vectors of their own.
func (l *lowerer) group(n *Node, elems []*elem) {
	type group struct {
		inputs bool
		drop   int
		approx bool
	}
	vectors := map[group]*vector{}
	for _, e := range elems {
		if e.fn == nil {
			continue
		}
		k := e.form.kinds()
		key := group{!k[atomValue] && !k[atomSelect] && !k[atomHot], e.drop, e.approx}
		vec := vectors[key]
		if vec == nil {
			vec = &vector{node: n, inputs: key.inputs}
			vectors[key] = vec
		}
		e.vec = vec
		vec.elems = append(vec.elems, e)
	}
}

// apply returns f of one element, computed at once where it stays affine: on constants, on single bits, and, as a new bit, on single codes where f is 0 or 1.
func (l *lowerer) apply(n *Node, e *elem, f func(int64) int64, lo, hi int64, drop int) (*elem, error) {
	if e.fn != nil && e.drop > 0 && drop > 0 {
		return nil, l.fail(n, "a computed value is rounded twice: round it once by the sum of the bits")
	}
	if e.fn != nil { // compose; the domain stays that of the inner function
		inner := e.fn
		return l.simplify(&elem{form: e.form, lo: e.lo, hi: e.hi, drop: e.drop, approx: e.approx, fn: func(x int64) int64 { return f(inner(x)) }}), nil
	}
	r := &elem{form: e.form, lo: lo, hi: hi, fn: f}
	if k := e.form.kinds(); drop > 0 && (k[atomValue] || k[atomSelect]) {
		r.drop, r.approx = drop, n.Op == OpRoundApproximate
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
	wide := l.hi[code]-l.lo[code] > 127
	sel := Selector{Code: code}
	ones, first, last := int64(0), int64(-1), int64(-1)
	for v := range l.hi[code] - l.lo[code] + 1 {
		y := fn(f.c + t.w*(v+l.lo[code]))
		if y != 0 && y != 1 {
			return form{}, false
		}
		ones += y
		if y == 1 {
			if first < 0 {
				first = v
			}
			last = v
		}
		if !wide {
			sel.Set[v>>6] |= uint64(y) << (v & 63)
		}
	}
	if wide && ones > 0 { // the client sends tests of wide codes where they are one range of values, or all but one
		if last-first+1 != ones {
			if first != 0 || last != l.hi[code]-l.lo[code] {
				return form{}, false
			}
			g, ok := l.predicate(f, func(x int64) int64 { return 1 - fn(x) })
			return sumForms(1, []form{g}, []int64{-1}), ok
		}
		sel.Form, sel.Set = SelectRange, [2]uint64{uint64(first), uint64(last)}
	}
	if ones == 0 || ones == l.hi[code]-l.lo[code]+1 {
		return constForm(min(ones, 1)), true
	}
	return atomForm(atomBit, l.selector(sel), 0), true
}

// digitSelectors returns the binary digits of all input codes.
func (l *lowerer) digitSelectors() (out []int32) {
	for code := range l.lo {
		for _, s := range digitsOf(code, l.lo[code], l.hi[code]) {
			out = append(out, l.selector(s))
		}
	}
	return out
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

// bits of a constant are constants, those of an input code are bits that the client sends, and those of anything else are tables.
func (l *lowerer) bits(n *Node) ([]*elem, error) {
	count, x := int(n.Ints[0]), n.Args[0]
	out := make([]*elem, 0, n.Size())
	for i, e := range l.elems[x.ID] {
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
			r, err := l.apply(n, e, bit, x.Lo[i], x.Hi[i], 0)
			if err != nil {
				return nil, err
			}
			out = append(out, r)
		}
	}
	l.group(n, out)
	return out, nil
}

// comparison handles operations of two arguments of which one is known.
func (l *lowerer) comparison(n *Node) ([]*elem, error) {
	x, c := n.Args[0], n.Args[1]
	if !x.Known() && !c.Known() {
		return l.twoValues(n)
	}
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
