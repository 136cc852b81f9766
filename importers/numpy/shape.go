package numpy

import (
	"slices"
	"strconv"
)

func itoa(x int64) string { return strconv.FormatInt(x, 10) }

// axisOf returns a numpy axis as an index, negative ones counted from the end.
func axisOf(axis int64, rank int) (int, *Error) {
	if axis < -int64(rank) || axis >= int64(rank) {
		return 0, fail("axes are "+itoa(-int64(rank))+" to "+itoa(int64(rank)-1), "axis %d of an array of %d axes", axis, rank)
	}
	if axis < 0 {
		axis += int64(rank)
	}
	return int(axis), nil
}

func (b *Builder) reshape(v *Value, shape []int64) (*Value, *Error) {
	out := make([]int, len(shape))
	free, rest := -1, 1
	for i, d := range shape {
		switch {
		case d == -1 && free < 0:
			free = i
		case d < 1 || int64(rest)*d > int64(v.size()):
			return nil, fail("", "cannot reshape %s to %v", v.describe(), shape)
		default:
			out[i], rest = int(d), rest*int(d)
		}
	}
	if free >= 0 {
		if v.size()%rest != 0 {
			return nil, fail("", "cannot reshape %s to %v", v.describe(), shape)
		}
		out[free] = v.size() / rest
		rest = v.size()
	}
	if rest != v.size() {
		return nil, fail("", "cannot reshape %s to %v", v.describe(), shape)
	}
	return b.moved(v, sequence(v.size()), out), nil
}

func sequence(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func (b *Builder) transpose(v *Value, axes []int64) (*Value, *Error) {
	rank := len(v.shape)
	perm := make([]int, 0, rank)
	if axes == nil {
		for i := range rank {
			perm = append(perm, rank-1-i)
		}
	}
	for _, a := range axes {
		i, err := axisOf(a, rank)
		if err != nil {
			return nil, err
		}
		if slices.Contains(perm, i) {
			return nil, fail("name each axis once", "axis %d twice in a transpose", a)
		}
		perm = append(perm, i)
	}
	if len(perm) != rank {
		return nil, fail("name each axis once", "%d axes for an array of %d", len(perm), rank)
	}
	strides := stridesOf(v.shape)
	shape := make([]int, rank)
	for i, p := range perm {
		shape[i] = v.shape[p]
	}
	idx := make([]int, v.size())
	walk(shape, func(i int, at []int) {
		for d, a := range at {
			idx[i] += a * strides[perm[d]]
		}
	})
	return b.moved(v, idx, shape), nil
}

func stridesOf(shape []int) []int {
	out := make([]int, len(shape))
	s := 1
	for i := len(shape) - 1; i >= 0; i-- {
		out[i] = s
		s *= shape[i]
	}
	return out
}

// join concatenates along an axis; constants among encrypted values become constants of the graph.
func (b *Builder) join(values []*Value, axis int64) (*Value, *Error) {
	if len(values) == 0 {
		return nil, fail("give a list of arrays", "nothing to concatenate")
	}
	first := values[0]
	at, err := axisOf(axis, len(first.shape))
	if err != nil {
		return nil, err
	}
	shape := slices.Clone(first.shape)
	k, encrypted := first.kind, first.Encrypted()
	for _, v := range values[1:] {
		if len(v.shape) != len(shape) {
			return nil, fail("", "cannot concatenate shapes %s and %s", shapeText(first.shape), shapeText(v.shape))
		}
		for d := range shape {
			if d == at {
				shape[d] += v.shape[d]
			} else if v.shape[d] != shape[d] {
				return nil, fail("all axes but the one of concatenation must be equal", "cannot concatenate shapes %s and %s on axis %d", shapeText(first.shape), shapeText(v.shape), axis)
			}
		}
		k, encrypted = max(k, v.kind), encrypted || v.Encrypted()
	}
	if encrypted && k == kindFloat {
		return b.joinFloats(values, shape, at)
	}
	// The elements of all values one after the other, then put in order.
	starts, size := make([]int, len(values)), 0
	for i, v := range values {
		starts[i] = size
		size += v.size()
	}
	idx := joinIndex(values, shape, at, starts)
	out := &Value{shape: shape, kind: k}
	if !encrypted {
		for _, v := range values {
			for i := range v.size() {
				if k == kindFloat {
					out.data = append(out.data, v.at(i))
				} else {
					out.ints = append(out.ints, v.ints[i])
				}
			}
		}
		if k == kindFloat {
			out.data = pick(out.data, idx)
		} else {
			out.ints = pick(out.ints, idx)
		}
		return out, nil
	}
	all := b.nodeOf(first)
	if len(values) > 1 {
		flat := b.flatNode(first)
		parts := append(flat[:0:0], flat...)
		for _, v := range values[1:] {
			parts = append(parts, b.flatNode(v)...)
		}
		all = b.g.Concatenate(0, parts...)
	}
	out = rooted(b.take(all, idx, shape), k)
	return out, nil
}

// joinFloats concatenates values in floating point that share one root.
func (b *Builder) joinFloats(values []*Value, shape []int, at int) (*Value, *Error) {
	out := &Value{shape: shape, kind: kindFloat}
	starts, size := make([]int, len(values)), 0
	for i, v := range values {
		if !v.Encrypted() || out.root != nil && v.root != out.root {
			return nil, fail("convert them to integers first, with .astype(np.int64)", "floating-point functions of different values cannot be concatenated")
		}
		out.root, starts[i] = v.root, size
		size += v.size()
		out.idx = append(out.idx, v.idx...)
		for j := range v.size() {
			out.rows = append(out.rows, v.row(j))
		}
	}
	idx := joinIndex(values, shape, at, starts)
	out.idx, out.rows = pick(out.idx, idx), pick(out.rows, idx)
	return out, nil
}

// joinIndex returns, for each element of the result, its place in the sequence of all values.
func joinIndex(values []*Value, shape []int, axis int, starts []int) []int {
	idx := make([]int, sizeOf(shape))
	strides := make([][]int, len(values))
	for i, v := range values {
		strides[i] = stridesOf(v.shape)
	}
	walk(shape, func(i int, at []int) {
		v, offset := 0, at[axis]
		for offset >= values[v].shape[axis] {
			offset -= values[v].shape[axis]
			v++
		}
		idx[i] = starts[v]
		for d, a := range at {
			if d == axis {
				a = offset
			}
			idx[i] += a * strides[v][d]
		}
	})
	return idx
}

// expandDims returns v with a new axis of length 1.
func (b *Builder) expandDims(v *Value, axis int64) (*Value, *Error) {
	at, err := axisOf(axis, len(v.shape)+1)
	if err != nil {
		return nil, err
	}
	return b.moved(v, sequence(v.size()), slices.Insert(slices.Clone(v.shape), at, 1)), nil
}

// squeeze drops axes of length 1: the given ones, or all.
func (b *Builder) squeeze(v *Value, axes []int64) (*Value, *Error) {
	drop := make([]bool, len(v.shape))
	for i, d := range v.shape {
		drop[i] = axes == nil && d == 1
	}
	for _, a := range axes {
		i, err := axisOf(a, len(v.shape))
		if err != nil {
			return nil, err
		}
		if v.shape[i] != 1 {
			return nil, fail("only axes of length 1 can be squeezed", "axis %d has length %d", a, v.shape[i])
		}
		drop[i] = true
	}
	shape := []int{}
	for i, d := range v.shape {
		if !drop[i] {
			shape = append(shape, d)
		}
	}
	return b.moved(v, sequence(v.size()), shape), nil
}
