package onnx

import (
	"fmt"
	"math"
	"slices"
)

// axisBehindRows returns the position in a row's shape of an axis of the whole value.
func axisBehindRows(v *vector, axis int64) (int, error) {
	i, ok := place(axis, len(v.shape), 1)
	if !ok {
		return 0, fmt.Errorf("an axis behind the rows, not axis %d of shape %v", axis, v.shape)
	}
	return i, nil
}

// reduce is ReduceSum and ReduceMean over axes behind the rows, ReduceProd and ReduceLogSumExp over one.
func reduce(t *translator, o *operation, in []value) ([]value, error) {
	in, axes, err := withAxes(o, in)
	if err != nil {
		return nil, err
	}
	if c, ok := in[0].(*constant); ok {
		r, err := c.reduce(o.op, axes, o.int("keepdims", 1) != 0)
		if err != nil {
			return nil, err
		}
		return one(r), nil
	}
	v, ok := in[0].(*vector)
	if ok && !v.open && v.lead == 0 && (o.op == "ReduceSum" || o.op == "ReduceMean") {
		return t.reduceAxes(o, v, axes)
	}
	if !ok || v.open || len(axes) != 1 {
		return nil, fmt.Errorf("one axis of computed numbers")
	}
	keep := o.int("keepdims", 1) != 0
	if v.lead > 0 {
		return t.reduceLead(o, v, axes[0], keep)
	}
	k, err := axisBehindRows(v, axes[0])
	if err != nil {
		return nil, err
	}
	shape := slices.Clone(v.shape)
	n, inner := shape[k], product(shape[k+1:])
	if shape[k] = 1; !keep {
		shape = slices.Delete(shape, k, k+1)
	}
	group := func(i int) []column {
		out := make([]column, n)
		for j := range out {
			out[j] = v.cols[(i/inner*n+j)*inner+i%inner]
		}
		return out
	}
	switch o.op {
	case "ReduceProd":
		if !t.isClear(v) {
			return nil, fmt.Errorf("single columns of the features")
		}
		out, err := t.products(shape, func(i int) ([]int, error) { return t.slotsOf(v.with(group(i), []int{n})) })
		return one(out), err
	case "ReduceLogSumExp":
		if len(v.shape) != 1 {
			return nil, fmt.Errorf("rows of numbers")
		}
		return one(newVector(&basis{kind: basisLogSumExp, n: 1, arg: v, node: o}).reshaped(shape)), nil
	}
	return nil, fmt.Errorf("another reduction")
}

// reduceAxes sums or averages over axes behind the rows.
func (t *translator) reduceAxes(o *operation, v *vector, axes []int64) ([]value, error) {
	r := len(v.shape)
	over := make([]bool, r)
	if len(axes) == 0 && o.int("noop_with_empty_axes", 0) != 0 {
		return one(v), nil
	}
	if len(axes) == 0 {
		return nil, fmt.Errorf("axes behind the rows: over all axes rows would be mixed")
	}
	count := 1
	for _, a := range axes {
		i, ok := place(a, r, 1)
		if !ok || over[i] {
			return nil, fmt.Errorf("axes behind the rows, each once, not %v of shape %v", axes, v.shape)
		}
		over[i] = true
		count *= v.shape[i]
	}
	// The place of each element in the result.
	keep := make([]int, r)
	for i, d := range v.shape {
		if keep[i] = d; over[i] {
			keep[i] = 1
		}
	}
	groups := make([][]int, product(keep))
	for e, g := range broadcastIndex(keep, v.shape) {
		groups[g] = append(groups[g], e)
	}
	w := 1.0
	if o.op == "ReduceMean" {
		w = 1 / float64(count)
	}
	out, err := t.sparse(v, len(groups), nil, func(j int, add func(k int, w float64)) {
		for _, e := range groups[j] {
			add(e, w)
		}
	})
	if err != nil {
		return nil, err
	}
	if o.int("keepdims", 1) == 0 {
		var dropped []int
		for i, d := range v.shape {
			if !over[i] {
				dropped = append(dropped, d)
			}
		}
		keep = slices.Clip(dropped)
	}
	return one(out.reshaped(keep)), nil
}

// reduceLead sums or averages over the axis before the rows, as bagging does.
func (t *translator) reduceLead(o *operation, v *vector, axis int64, keep bool) ([]value, error) {
	if axis != 0 || keep || o.op != "ReduceSum" && o.op != "ReduceMean" {
		return nil, fmt.Errorf("the sum or mean over the first axis")
	}
	n := len(v.cols) / v.lead
	f := 1.0
	if o.op == "ReduceMean" {
		f = 1 / float64(v.lead)
	}
	out := v.with(make([]column, n), v.shape)
	for i := range out.cols {
		group := make([]column, v.lead)
		for j := range group {
			group[j] = v.cols[j*n+i]
		}
		var err error
		if out.cols[i], err = t.total(v.base, group, f); err != nil {
			return nil, err
		}
	}
	return one(out), nil
}

// concatLead joins values along the axis before the rows.
func (t *translator) concatLead(vecs []*vector) ([]value, error) {
	acc := vecs[0]
	for _, v := range vecs[1:] {
		if v.lead == 0 || !slices.Equal(v.shape, acc.shape) {
			return nil, malformed("shapes %v and %v", acc.shape, v.shape)
		}
		if len(acc.cols)+len(v.cols) > maxFeatures {
			return nil, fmt.Errorf("at most %d columns", maxFeatures)
		}
		a, b, err := t.common(acc, v)
		if err != nil {
			return nil, err
		}
		next := a.with(slices.Concat(a.cols, b.cols), acc.shape)
		next.lead = acc.lead + v.lead
		acc = next
	}
	return one(acc), nil
}

// reduce reduces a constant over axes (none: all).
func (c *constant) reduce(op string, axes []int64, keep bool) (*constant, error) {
	if c.text != nil {
		return nil, malformed("arithmetic on texts")
	}
	gone := make([]bool, len(c.shape))
	for _, a := range axes {
		i, ok := place(a, len(c.shape), 0)
		if !ok {
			return nil, malformed("axis %d of shape %v", a, c.shape)
		}
		gone[i] = true
	}
	full := make([]int, len(c.shape)) // the result's shape with axes of length 1
	var shape []int
	n := 1
	for i, d := range c.shape {
		full[i] = d
		if gone[i] || len(axes) == 0 {
			full[i] = 1
			n *= d
			if keep {
				shape = append(shape, 1)
			}
		} else {
			shape = append(shape, d)
		}
	}
	start := 0.0
	if op == "ReduceProd" {
		start = 1
	}
	out := &constant{typ: c.typ, shape: shape, data: make([]float64, product(full))}
	for i := range out.data {
		out.data[i] = start
	}
	for i, k := range broadcastIndex(full, c.shape) {
		switch op {
		case "ReduceProd":
			out.data[k] *= c.data[i]
		case "ReduceLogSumExp":
			out.data[k] += math.Exp(c.data[i])
		default:
			out.data[k] += c.data[i]
		}
	}
	for i := range out.data {
		switch op {
		case "ReduceMean":
			out.data[i] /= float64(n)
		case "ReduceLogSumExp":
			out.data[i] = math.Log(out.data[i])
		}
	}
	if c.ints != nil {
		out.ints = make([]int64, len(out.data))
		for i, v := range out.data {
			if math.Abs(v) > 1<<53 {
				return nil, malformed("an integer beyond 2^53")
			}
			out.ints[i] = int64(v)
			out.data[i] = float64(out.ints[i])
		}
	}
	return out, nil
}

// constantOfShape fills a shape; the axis of rows (-1) becomes one row, the same for all.
func constantOfShape(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	s, ok := in[0].(*constant)
	if !ok {
		return nil, fmt.Errorf("a constant shape")
	}
	dims, err := s.integers()
	if err != nil {
		return nil, malformed("%v", err)
	}
	if len(dims) > maxRank {
		return nil, malformed("more than %d dimensions", maxRank)
	}
	out := &constant{typ: typeFloat, shape: make([]int, len(dims))}
	fill := &constant{typ: typeFloat, data: []float64{0}}
	if c, ok := o.attributes["value"].(*constant); ok && len(c.data) == 1 && c.text == nil {
		fill = c
	}
	n := 1
	for i, d := range dims {
		if d == -1 && i == 0 {
			d, out.rows = 1, true
		}
		if d < 0 || d > 0 && n > t.maxConstant()/int(min(d, math.MaxInt32)) {
			return nil, malformed("shape %v", dims)
		}
		out.shape[i] = int(d)
		n *= int(d)
	}
	out.typ = fill.typ
	out.data = make([]float64, n)
	for i := range out.data {
		out.data[i] = fill.data[0]
	}
	if fill.ints != nil {
		out.ints = make([]int64, n)
		for i := range out.ints {
			out.ints[i] = fill.ints[0]
		}
	}
	return one(out), nil
}
