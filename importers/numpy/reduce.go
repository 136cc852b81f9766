package numpy

import (
	"slices"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// flatNode returns an integer value as a node of one axis, as a list of one for concatenations.
func (b *Builder) flatNode(v *Value) []*compiler.Node {
	return []*compiler.Node{b.g.Reshape(b.nodeOf(v), v.size())}
}

// reduction is one of the functions over axes: an axis (or several, or all), keepdims.
type reduction struct {
	axes []int // sorted, not negative
	keep bool
}

// layout returns v with the reduced axes last, joined into one, and the shape of the result.
func (b *Builder) layout(v *Value, r reduction) (*Value, []int) {
	perm, result := []int64{}, []int{}
	count := 1
	for i, d := range v.shape {
		if slices.Contains(r.axes, i) {
			count *= d
			if r.keep {
				result = append(result, 1)
			}
			continue
		}
		perm = append(perm, int64(i))
		result = append(result, d)
	}
	for _, a := range r.axes {
		perm = append(perm, int64(a))
	}
	moved, _ := b.transpose(v, perm) // a permutation by construction
	return b.moved(moved, sequence(v.size()), []int{v.size() / count, count}), result
}

// sum adds over axes.
func (b *Builder) sum(v *Value, r reduction) (*Value, *Error) {
	if len(r.axes) == 0 {
		return ptr(*v), nil
	}
	m, result := b.layout(v, r)
	rows, cols := m.shape[0], m.shape[1]
	if !v.Encrypted() {
		out := &Value{shape: result, kind: max(v.kind, kindInt)}
		if v.kind == kindFloat {
			out.data = make([]float64, rows)
			for i, x := range m.data {
				out.data[i/cols] += x
			}
			return out, nil
		}
		out.ints = make([]int64, rows)
		for i, x := range m.ints {
			var err *Error
			if out.ints[i/cols], err = add(out.ints[i/cols], x); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	if v.kind == kindFloat {
		if cols == 1 {
			return b.moved(m, sequence(rows), result), nil
		}
		return nil, fail("round each to integers with .astype(np.int64), or sum the integers first and apply the function to the sum",
			"a sum in floating point of several encrypted values")
	}
	var n *compiler.Node
	if err := guarded(func() { n = b.g.Reshape(b.g.Sum(b.nodeOf(m), 1), result...) }); err != nil {
		return nil, err
	}
	return rooted(n, kindInt), nil
}

// mean is the sum divided by the number of elements: in floating point, and so a table.
func (b *Builder) mean(v *Value, r reduction) (*Value, *Error) {
	s, err := b.sum(v, r)
	if err != nil {
		return nil, err
	}
	count := 1
	for _, a := range r.axes {
		count *= v.shape[a]
	}
	return b.binary("true_divide", ptr(ufuncs["true_divide"]), s, intScalar(int64(count)))
}

// pairwise reduces a list of columns with f, in a tree, so that the depth is logarithmic.
func pairwise[T any](cols []T, f func(a, b T) (T, *Error)) (T, *Error) {
	for len(cols) > 1 {
		var next []T
		for i := 0; i+1 < len(cols); i += 2 {
			v, err := f(cols[i], cols[i+1])
			if err != nil {
				return cols[0], err
			}
			next = append(next, v)
		}
		if len(cols)%2 == 1 {
			next = append(next, cols[len(cols)-1])
		}
		cols = next
	}
	return cols[0], nil
}

// columns returns the columns of a matrix [rows, cols] as values of shape [rows].
func (b *Builder) columns(m *Value) []*Value {
	rows, cols := m.shape[0], m.shape[1]
	out := make([]*Value, cols)
	for c := range out {
		idx := make([]int, rows)
		for r := range idx {
			idx[r] = r*cols + c
		}
		out[c] = b.moved(m, idx, []int{rows})
	}
	return out
}

// extreme is max, min, any, all or prod over axes: a ufunc between pairs.
func (b *Builder) extreme(name string, v *Value, r reduction) (*Value, *Error) {
	if len(r.axes) == 0 {
		return ptr(*v), nil
	}
	u := ufuncs[name]
	m, result := b.layout(v, r)
	out, err := pairwise(b.columns(m), func(x, y *Value) (*Value, *Error) { return b.binary(name, &u, x, y) })
	if err != nil {
		return nil, err
	}
	return b.moved(out, sequence(out.size()), result), nil
}

// candidate is a winner so far of argmax or argmin.
type candidate struct{ value, index *Value }

// argExtreme is argmax (or argmin) over one axis, or over all elements. Of equal values the first wins. A round compares pairs of neighbours: where the
// later one is strictly better its value and index are taken.
func (b *Builder) argExtreme(greatest bool, v *Value, r reduction) (*Value, *Error) {
	if v.kind == kindFloat && v.Encrypted() {
		return nil, fail("round to integers first, with .astype(np.int64)", "an argmax in floating point of encrypted values")
	}
	m, result := b.layout(v, r)
	rows, cols := m.shape[0], m.shape[1]
	if !v.Encrypted() {
		out := &Value{shape: result, kind: kindInt, ints: make([]int64, rows)}
		for i := range rows {
			best := 0
			for c := 1; c < cols; c++ {
				x, y := m.at(i*cols+c), m.at(i*cols+best)
				if greatest && x > y || !greatest && x < y {
					best = c
				}
			}
			out.ints[i] = int64(best)
		}
		return out, nil
	}
	if rows == 1 {
		if v, ok := b.argAffine(greatest, b.moved(m, sequence(cols), []int{cols})); ok {
			out := b.moved(v, []int{0}, result)
			out.hot = v.hot
			return out, nil
		}
	}
	var all []candidate
	for c, col := range b.columns(m) {
		all = append(all, candidate{col, intScalar(int64(c))})
	}
	name := "less"
	if greatest {
		name = "greater"
	}
	best, err := pairwise(all, func(x, y candidate) (candidate, *Error) {
		better, err := b.call2(name, y.value, x.value)
		if err != nil {
			return x, err
		}
		value, err := b.call2(map[bool]string{true: "maximum", false: "minimum"}[greatest], x.value, y.value)
		if err != nil {
			return x, err
		}
		index, err := b.where(better, y.index, x.index)
		return candidate{value, index}, err
	})
	if err != nil {
		return nil, err
	}
	return b.moved(spreadNode(b, best.index, []int{rows}), sequence(rows), result), nil
}

func (b *Builder) call2(name string, x, y *Value) (*Value, *Error) {
	u := ufuncs[name]
	return b.binary(name, &u, x, y)
}

// matmul is numpy's for arrays of one or two axes (and stacks of matrices times one matrix).
func (b *Builder) matmul(x, y *Value) (*Value, *Error) {
	if len(x.shape) == 0 || len(y.shape) == 0 {
		return nil, fail("use *", "a matrix product with a scalar")
	}
	if len(x.shape) > 2 && len(y.shape) <= 2 { // a stack of matrices: its leading axes count as rows
		k := x.shape[len(x.shape)-1]
		flat := b.moved(x, sequence(x.size()), []int{x.size() / k, k})
		out, err := b.matmul(flat, y)
		if err != nil {
			return nil, err
		}
		shape := slices.Clone(x.shape[:len(x.shape)-1])
		if len(y.shape) == 2 {
			shape = append(shape, y.shape[1])
		}
		return b.moved(out, sequence(out.size()), shape), nil
	}
	if len(x.shape) > 2 || len(y.shape) > 2 {
		return nil, fail("reshape to two axes", "a matrix product of shapes %s and %s", shapeText(x.shape), shapeText(y.shape))
	}
	if x.shape[len(x.shape)-1] != y.shape[0] {
		return nil, fail("the last axis of the first must be as long as the first axis of the second", "a matrix product of shapes %s and %s", shapeText(x.shape), shapeText(y.shape))
	}
	switch {
	case !x.Encrypted() && !y.Encrypted():
		return b.matmulConstant(x, y)
	case x.kind == kindFloat || y.kind == kindFloat:
		return nil, fail("quantize the weights to integers first, for example np.rint(w * 32).astype(np.int64)", "a matrix product in floating point of encrypted values")
	case x.Encrypted() && y.Encrypted():
		return b.matmulEncrypted(x, y)
	}
	var n *compiler.Node
	if err := guarded(func() { n = b.g.MatMul(b.nodeOf(x), b.nodeOf(y)) }); err != nil {
		return nil, err
	}
	return rooted(n, kindInt), nil
}

// matmulDims returns the sizes of a product and the shape of its result.
func matmulDims(x, y *Value) (m, k, n int, shape []int) {
	m, k, n = 1, y.shape[0], 1
	if len(x.shape) == 2 {
		m = x.shape[0]
		shape = append(shape, m)
	}
	if len(y.shape) == 2 {
		n = y.shape[1]
		shape = append(shape, n)
	}
	return m, k, n, shape
}

func (b *Builder) matmulConstant(x, y *Value) (*Value, *Error) {
	m, k, n, shape := matmulDims(x, y)
	b.spend(m * n * k)
	out := &Value{shape: shape, kind: max(x.kind, y.kind)}
	for i := range m {
		for j := range n {
			if out.kind == kindFloat {
				s := 0.0
				for l := range k {
					s += x.at(i*k+l) * y.at(l*n+j)
				}
				out.data = append(out.data, s)
				continue
			}
			s := int64(0)
			for l := range k {
				p, err := multiply(x.ints[i*k+l], y.ints[l*n+j])
				if err == nil {
					s, err = add(s, p)
				}
				if err != nil {
					return nil, err
				}
			}
			out.ints = append(out.ints, s)
		}
	}
	return out, nil
}

// matmulEncrypted multiplies two encrypted arrays: elementwise products, summed.
func (b *Builder) matmulEncrypted(x, y *Value) (*Value, *Error) {
	m, k, n, shape := matmulDims(x, y)
	b.spend(m * n * k)
	left, right := make([]int, 0, m*n*k), make([]int, 0, m*n*k)
	for i := range m {
		for j := range n {
			for l := range k {
				left, right = append(left, i*k+l), append(right, l*n+j)
			}
		}
	}
	p, err := b.call2("multiply", b.moved(x, left, []int{m * n, k}), b.moved(y, right, []int{m * n, k}))
	if err != nil {
		return nil, err
	}
	s, err := b.sum(p, reduction{axes: []int{1}})
	if err != nil {
		return nil, err
	}
	return b.moved(s, sequence(m*n), shape), nil
}
