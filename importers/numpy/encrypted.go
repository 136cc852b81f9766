package numpy

import (
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// ranges returns the bounds over all elements and how many values they span.
func ranges(v *Value) (lo, hi, count int64) {
	lo, hi = v.node.Range()
	return lo, hi, hi - lo + 1
}

// twoEncrypted applies an integer ufunc, one that the graph has no operation for, to two encrypted values of one shape: a table of both values side by
// side, over (x - lo) * values(y) + (y - lo).
func (b *Builder) twoEncrypted(name string, u *ufunc, k kind, x, y *Value) (*Value, *Error) {
	lx, _, nx := ranges(x)
	ly, _, ny := ranges(y)
	if pair, err := multiply(nx, ny); err != nil || pair > maxBeside {
		return nil, fail(fmt.Sprintf("make the values narrower: the product of their numbers of values must be at most %d", maxBeside),
			"np.%s of two encrypted values of %d and %d values", name, nx, ny)
	}
	g := b.g
	key := g.Add(g.Multiply(g.Subtract(x.node, g.Scalar(lx)), g.Scalar(ny)), g.Subtract(y.node, g.Scalar(ly)))
	var err *Error
	table := compiler.TableOf(0, nx*ny-1, func(i int64) int64 {
		r, e := u.ints(lx+i/ny, ly+i%ny)
		if e != nil && err == nil {
			err = e
		}
		return r
	})
	if err != nil {
		return nil, err
	}
	return rooted(g.Lookup(key, table), k), nil
}

// maxBeside is the largest number of pairs of values in one table.
const maxBeside = 2048

// where is numpy's: elements of x where the condition holds, of y elsewhere.
func (b *Builder) where(cond, x, y *Value) (*Value, *Error) {
	if cond.kind != kindBool {
		var err *Error
		if cond, err = b.binary("not_equal", ptr(ufuncs["not_equal"]), cond, intScalar(0)); err != nil {
			return nil, err
		}
	}
	shape, err := broadcastShapes(cond, x, y)
	if err != nil {
		return nil, err
	}
	k := max(x.kind, y.kind)
	c, v, w := spread(cond, shape), spread(x, shape), spread(y, shape)
	// Elementwise where one root does for everything: in floating point this is the only way.
	root, one := c, true
	for _, a := range []*Value{v, w} {
		if a.Encrypted() {
			if root.Encrypted() && !sameRoot(root, a) {
				one = false
			} else if !root.Encrypted() {
				root = a
			}
		}
	}
	if !root.Encrypted() {
		return whereConstant(c, v, w, shape, k), nil
	}
	branches := x.Encrypted() || y.Encrypted()
	if one && (k == kindFloat || branches && root.tabulable() == nil) {
		if err := root.tabulable(); err != nil {
			return nil, err
		}
		rows := make([][]float64, len(root.idx))
		for i := range rows {
			p, q, r := c.row(i), v.row(i), w.row(i)
			rows[i] = make([]float64, max(len(p), len(q), len(r)))
			for j := range rows[i] {
				rows[i][j] = r[min(j, len(r)-1)]
				if p[min(j, len(p)-1)] != 0 {
					rows[i][j] = q[min(j, len(q)-1)]
				}
			}
		}
		return b.fromRows(root, rows, k)
	}
	if k == kindFloat {
		return nil, fail("round the branches to integers with .astype(np.int64) first", "np.where in floating point of two encrypted values")
	}
	if !cond.Encrypted() { // a mask of constants: affine
		mask := spreadNode(b, cond, shape)
		inverse := &Value{shape: shape, kind: kindInt, ints: make([]int64, len(mask.ints))}
		for i, m := range mask.ints {
			inverse.ints[i] = 1 - m
		}
		mask.kind = kindInt
		g := b.g
		return rooted(g.Add(g.Multiply(b.nodeOf(x), b.nodeOf(mask)), g.Multiply(b.nodeOf(y), b.nodeOf(inverse))), k), nil
	}
	var n *compiler.Node
	if err := guarded(func() { n = b.g.Where(b.nodeOf(cond), b.nodeOf(x), b.nodeOf(y)) }); err != nil {
		return nil, err
	}
	return rooted(n, k), nil
}

func whereConstant(c, v, w *Value, shape []int, k kind) *Value {
	out := &Value{shape: shape, kind: k}
	for i := range sizeOf(shape) {
		from := w
		if c.ints[i] != 0 {
			from = v
		}
		if k == kindFloat {
			out.data = append(out.data, from.at(i))
		} else {
			out.ints = append(out.ints, from.ints[i])
		}
	}
	return out
}

// astype converts to integers (truncating, as numpy does), bool or floating point.
func (b *Builder) astype(v *Value, k kind) (*Value, *Error) {
	switch {
	case v.kind == k:
		return ptr(*v), nil
	case k == kindFloat:
		if !v.Encrypted() {
			out := &Value{shape: v.shape, kind: k, data: make([]float64, v.size())}
			for i := range out.data {
				out.data[i] = v.at(i)
			}
			return out, nil
		}
		if err := v.tabulable(); err != nil {
			return nil, err
		}
		rows := make([][]float64, len(v.idx))
		for i := range rows {
			rows[i] = v.row(i)
		}
		return &Value{shape: v.shape, kind: k, root: v.root, idx: v.idx, rows: rows}, nil
	case k == kindBool:
		return b.binary("not_equal", ptr(ufuncs["not_equal"]), v, intScalar(0))
	case v.kind == kindBool:
		out := *v
		out.kind = kindInt
		return &out, nil
	}
	whole := func(x float64, where func() string) (float64, *Error) {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return 0, fail("keep such values out of the bounds, or replace them with np.where", "the value is %v%s, which is no integer", x, where())
		}
		if math.Abs(x) > maxExact {
			return 0, fail("use smaller values", "the value is %g%s, beyond 2^53", x, where())
		}
		return math.Trunc(x) + 0, nil // + 0: no negative zero
	}
	if !v.Encrypted() {
		out := &Value{shape: v.shape, kind: k, ints: make([]int64, v.size())}
		for i, x := range v.data {
			r, err := whole(x, func() string { return "" })
			if err != nil {
				return nil, err
			}
			out.ints[i] = int64(r)
		}
		return out, nil
	}
	rows := make([][]float64, len(v.rows))
	for i, row := range v.rows {
		lo, _ := v.span(i)
		rows[i] = make([]float64, len(row))
		for j, x := range row {
			var err *Error
			if rows[i][j], err = whole(x, func() string { return " at " + b.rootName(v) + " = " + itoa(lo+int64(j)) }); err != nil {
				return nil, err
			}
		}
	}
	return b.table(v, rows, k)
}
