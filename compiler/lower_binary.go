package compiler

import (
	"math/bits"
	"slices"
)

// Operations of two values that both depend on inputs become tables of one value: of their difference (comparisons, maximum, minimum), of both side by
// side, or of their sum and difference (products). The numbers of values of the arguments decide.

// lookupCosts are relative times of a lookup by the bits of its argument: what the choice between forms of a product goes by.
var lookupCosts = [tableBits + 1]float64{1, 3.4, 3.7, 3.8, 4.4, 7.6, 12, 23, 60}

// neverCost is that of what one table cannot do.
const neverCost = 1e9

// pairs are the arguments of an elementwise operation, element by element of its result.
type pairs struct {
	x, y   []form
	xl, xh []int64 // bounds
	yl, yh []int64
}

// pairsOf reads the forms of two arguments of n; functions that are not computed yet become vectors.
func (l *lowerer) pairsOf(n, x, y *Node) (p pairs, err error) {
	fx, err := l.forms(x)
	if err != nil {
		return p, err
	}
	fy, err := l.forms(y)
	if err != nil {
		return p, err
	}
	ix, iy := broadcast(n.Shape, x.Shape), broadcast(n.Shape, y.Shape)
	for i := range n.Size() {
		p.x, p.y = append(p.x, fx[ix[i]]), append(p.y, fy[iy[i]])
		p.xl, p.xh = append(p.xl, x.Lo[ix[i]]), append(p.xh, x.Hi[ix[i]])
		p.yl, p.yh = append(p.yl, y.Lo[iy[i]]), append(p.yh, y.Hi[iy[i]])
	}
	return p, nil
}

// difference returns x-y of pair i with its bounds.
func (p *pairs) difference(i int) (f form, lo, hi int64) {
	return sumForms(0, []form{p.x[i], p.y[i]}, []int64{1, -1}), p.xl[i] - p.yh[i], p.xh[i] - p.yl[i]
}

// tableCost is the cost of a table of f, which has so many values.
func (l *lowerer) tableCost(f form, values int64) float64 {
	k := f.kinds()
	limit := int64(1) << tableBits
	if !k[atomValue] && !k[atomSelect] && !k[atomHot] { // inputs alone: turned by bits, which costs much less
		if limit = int64(l.degree); values <= limit {
			return float64(bits.Len64(uint64(values-1))) / 100
		}
	}
	if values > limit {
		return neverCost
	}
	return lookupCosts[min(bits.Len64(uint64(values-1)), tableBits)]
}

// twoValues lowers an elementwise operation of two arguments that both depend on inputs.
func (l *lowerer) twoValues(n *Node) ([]*elem, error) {
	p, err := l.pairsOf(n, n.Args[0], n.Args[1])
	if err != nil {
		return nil, err
	}
	switch n.Op {
	case OpMultiply:
		return l.products(n, p)
	case OpMaximum, OpMinimum:
		over := make([]*elem, len(p.x))
		for i := range over {
			f, lo, hi := p.difference(i)
			if over[i], err = l.apply(n, &elem{form: f}, func(d int64) int64 { return max(d, 0) }, lo, hi, 0); err != nil {
				return nil, err
			}
		}
		values, err := l.computed(n, over)
		if err != nil {
			return nil, err
		}
		out := make([]form, len(values))
		for i, v := range values { // max(x,y) = y + max(x-y,0), min(x,y) = x - max(x-y,0)
			if n.Op == OpMaximum {
				out[i] = sumForms(0, []form{p.y[i], v}, []int64{1, 1})
			} else {
				out[i] = sumForms(0, []form{p.x[i], v}, []int64{1, -1})
			}
		}
		return plain(out), nil
	}
	out := make([]*elem, len(p.x)) // comparisons
	for i := range out {
		f, lo, hi := p.difference(i)
		if out[i], err = l.apply(n, &elem{form: f}, func(d int64) int64 { return binaryValue(n.Op, d, 0) }, lo, hi, 0); err != nil {
			return nil, err
		}
	}
	l.group(n, out)
	return out, nil
}

// computed returns elements as forms, after their functions have become vectors of n.
func (l *lowerer) computed(n *Node, elems []*elem) ([]form, error) {
	l.group(n, elems)
	out := make([]form, len(elems))
	for i, e := range elems {
		if e.fn == nil {
			out[i] = e.form
			continue
		}
		if err := l.compute(e.vec); err != nil {
			return nil, err
		}
		out[i] = e.value
	}
	return out, nil
}

// quarterSquare returns the function that is floor((s-from)^2/4).
func quarterSquare(from int64) func(int64) int64 {
	return func(s int64) int64 { return (s - from) * (s - from) >> 2 }
}

// products multiplies pairs.
func (l *lowerer) products(n *Node, p pairs) ([]*elem, error) {
	square := n.Args[0] == n.Args[1]
	var tables []*elem
	type parts struct {
		first, count int
		rest         form // added to two tables
	}
	at := make([]parts, len(p.x))
	add := func(f form, lo, hi int64, fn func(int64) int64) error {
		e, err := l.apply(n, &elem{form: f}, fn, lo, hi, 0)
		tables = append(tables, e)
		return err
	}
	for i := range p.x {
		at[i].first = len(tables)
		var err error
		if square || slices.Equal(p.x[i].terms, p.y[i].terms) && p.x[i].c == p.y[i].c {
			err = add(p.x[i], p.xl[i], p.xh[i], func(x int64) int64 { return x * x })
			at[i].count = 1
		} else if fb, lo, hi, ok := p.beside(i); ok && l.tableCost(fb, hi-lo+1) <= l.sumsCost(p, i) {
			ny, xl, yl := p.yh[i]-p.yl[i]+1, p.xl[i], p.yl[i]
			err = add(fb, lo, hi, func(k int64) int64 { return (xl + k/ny) * (yl + k%ny) })
			at[i].count = 1
		} else {
			// x*y = floor((x+y)^2/4) - floor((x-y)^2/4), exact since the sum and the difference have one parity. Values so far from zero that squares
			// overflow count from their bounds: x*y = (x-a)(y-b) + b x + a y - a b.
			var a, b int64
			if max(abs(p.xl[i]), abs(p.xh[i]), abs(p.yl[i]), abs(p.yh[i])) >= 1<<30 {
				a, b = p.xl[i], p.yl[i]
				at[i].rest = sumForms(-a*b, []form{p.x[i], p.y[i]}, []int64{b, a})
			}
			err = add(sumForms(0, []form{p.x[i], p.y[i]}, []int64{1, 1}), p.xl[i]+p.yl[i], p.xh[i]+p.yh[i], quarterSquare(a+b))
			if err == nil {
				f, lo, hi := p.difference(i)
				err = add(f, lo, hi, quarterSquare(a-b))
			}
			at[i].count = 2
		}
		if err != nil {
			return nil, err
		}
	}
	values, err := l.computed(n, tables)
	if err != nil {
		return nil, err
	}
	out := make([]form, len(p.x))
	for i, a := range at {
		if out[i] = values[a.first]; a.count == 2 {
			out[i] = sumForms(0, []form{values[a.first], values[a.first+1], a.rest}, []int64{1, -1, 1})
		}
	}
	return plain(out), nil
}

// maxBeside bounds the values of two arguments side by side: far above all tables, and far below what overflows.
const maxBeside = 1 << 20

// beside returns (x - lo) * values(y) + (y - lo) of pair i, with its bounds.
func (p *pairs) beside(i int) (f form, lo, hi int64, ok bool) {
	nx, ny := p.xh[i]-p.xl[i]+1, p.yh[i]-p.yl[i]+1
	size, fits := product(nx, ny)
	if !fits || size > maxBeside {
		return form{}, 0, 0, false
	}
	return sumForms(-p.xl[i]*ny-p.yl[i], []form{p.x[i], p.y[i]}, []int64{ny, 1}), 0, size - 1, true
}

// sumsCost is the cost of a product by tables of the sum and the difference.
func (l *lowerer) sumsCost(p pairs, i int) float64 {
	f, lo, hi := p.difference(i)
	return 2 * l.tableCost(f, hi-lo+1)
}

// whereValues lowers a where that is no decision diagram: y + condition*(x-y), where a difference of constants makes it affine and anything else one table
// of condition and difference side by side, or a product.
func (l *lowerer) whereValues(n *Node) ([]*elem, error) {
	cond := n.Args[0]
	p, err := l.pairsOf(n, n.Args[1], n.Args[2])
	if err != nil {
		return nil, err
	}
	conds, err := l.forms(cond)
	if err != nil {
		return nil, err
	}
	ic := broadcast(n.Shape, cond.Shape)
	out := make([]form, len(p.x))
	var tables []*elem
	var of []int
	for i := range out {
		c := conds[ic[i]]
		d, lo, hi := p.difference(i)
		if len(d.terms) == 0 {
			out[i] = sumForms(0, []form{p.y[i], c}, []int64{1, d.c})
			continue
		}
		if uint64(hi-lo) >= maxBeside {
			return nil, l.fail(n, "the values to choose from differ by %d..%d; a table of their difference has at most %d values", lo, hi, maxBeside)
		}
		m := hi - lo + 1
		e, err := l.apply(n, &elem{form: sumForms(-lo, []form{c, d}, []int64{m, 1})}, func(k int64) int64 {
			if k < m {
				return 0
			}
			return k - m + lo
		}, 0, 2*m-1, 0)
		if err != nil {
			return nil, err
		}
		tables, of = append(tables, e), append(of, i)
	}
	values, err := l.computed(n, tables)
	if err != nil {
		return nil, err
	}
	for j, i := range of {
		out[i] = sumForms(0, []form{p.y[i], values[j]}, []int64{1, 1})
	}
	return plain(out), nil
}
