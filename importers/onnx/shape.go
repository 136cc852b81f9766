package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/quantize"
)

// constantOp is the operator Constant in its forms value, value_float(s), value_int(s), value_string(s).
func constantOp(t *translator, o *operation, in []value) ([]value, error) {
	if c, ok := o.attributes["value"].(*constant); ok {
		return one(c), nil
	}
	switch {
	case o.attributes["value_float"] != nil:
		return one(&constant{typ: typeFloat, data: []float64{o.float("value_float", 0)}}), nil
	case o.attributes["value_int"] != nil:
		v := o.int("value_int", 0)
		return one(&constant{typ: typeInt64, data: []float64{float64(v)}, ints: []int64{v}}), nil
	case o.attributes["value_floats"] != nil:
		d := o.floats("value_floats")
		return one(&constant{typ: typeFloat, shape: []int{len(d)}, data: d}), nil
	case o.attributes["value_ints"] != nil:
		v := o.ints("value_ints")
		return one(integerConstant(v, []int{len(v)})), nil
	case o.attributes["value_strings"] != nil:
		s := o.texts("value_strings")
		return one(&constant{typ: typeString, shape: []int{len(s)}, data: make([]float64, len(s)), text: s}), nil
	}
	return nil, fmt.Errorf("a dense tensor as value")
}

func integerConstant(v []int64, shape []int) *constant {
	c := &constant{typ: typeInt64, shape: shape, ints: v, data: make([]float64, len(v))}
	for i, x := range v {
		c.data[i] = float64(x)
	}
	return c
}

// identity passes its first input on.
func identity(t *translator, o *operation, in []value) ([]value, error) {
	if len(in) == 0 || in[0] == nil {
		return nil, malformed("no input")
	}
	return one(in[0]), nil
}

func cast(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	to := int(o.int("to", 0))
	switch v := in[0].(type) {
	case *constant:
		c, err := v.cast(to)
		return one(c), err
	case *labels:
		if to == typeString {
			out := make([]quantize.Label, len(v.classes))
			for i, c := range v.classes {
				out[i] = quantize.Label{Text: c.String()}
			}
			return one(&labels{v.scores, out, v.votes}), nil
		}
		if !isIntegerType(to) && to != typeFloat && to != typeDouble || !allIntegers(v.classes) {
			return nil, fmt.Errorf("a cast of labels to integers or texts, not to %s", typeName(to))
		}
		if to == typeBool {
			out := make([]quantize.Label, len(v.classes))
			for i, c := range v.classes {
				out[i].IsInt = true
				if c.Int != 0 {
					out[i].Int = 1
				}
			}
			return one(&labels{v.scores, out, v.votes}), nil
		}
		return one(v), nil
	case *vector:
		if to == typeBool && v.positive(true) {
			c := &constant{typ: typeBool, shape: []int{1}, data: []float64{1}, ints: []int64{1}}
			return one(c), nil // a guard against division by zero
		}
		if isIntegerType(to) && to != typeBool && v.positive(true) {
			return one(v), nil // likewise: AdaBoost compares the integer part of a sum of exponentials, at least one, with zero
		}
		if to != typeFloat && to != typeDouble {
			return t.castClear(v, to)
		}
		if to == typeFloat && v.base.kind == basisFeatures {
			t.single = true
		}
		if v.integer {
			c := *v
			c.integer = false
			return one(&c), nil
		}
		return one(v), nil
	}
	return nil, malformed("no value")
}

// castClear casts single columns of the features to integers (without their fraction), flags (not zero) or texts (which
// they must be).
func (t *translator) castClear(v *vector, to int) ([]value, error) {
	if v.flags && isIntegerType(to) {
		return one(v), nil
	}
	if v.open || !t.isClear(v) || to != typeString && !isIntegerType(to) {
		return nil, fmt.Errorf("a cast to float or double, not to %s", typeName(to))
	}
	slots, err := t.slotsOf(v)
	if err != nil {
		return nil, err
	}
	whole, texts := true, true
	for _, k := range slots {
		whole = whole && t.clear.slots[k].integer
		texts = texts && t.clear.slots[k].text
	}
	switch {
	case to == typeString && texts, to != typeString && to != typeBool && whole:
		return one(v), nil
	case to == typeString:
		return nil, fmt.Errorf("texts to cast to texts")
	}
	out, err := t.each(v, true, func(_, k int) quantize.Step {
		if to == typeBool {
			return quantize.Step{Kind: quantize.StepMap, In: []int{k}, Args: []float64{0, 0, 1}}
		}
		return quantize.Step{Kind: quantize.StepTruncate, In: []int{k}}
	})
	if err != nil {
		return nil, err
	}
	out.flags = to == typeBool
	return one(out), nil
}

func allIntegers(ls []quantize.Label) bool {
	for _, l := range ls {
		if !l.IsInt {
			return false
		}
	}
	return true
}

func transpose(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	perm := o.ints("perm")
	if c, ok := in[0].(*constant); ok {
		r, err := c.transpose(perm)
		if err != nil {
			return nil, malformed("%v", err)
		}
		return one(r), nil
	}
	if v, ok := in[0].(*vector); ok && v.lead > 0 && len(v.shape) == 0 && len(perm) == 2 && perm[0] == 1 && perm[1] == 0 {
		out := v.reshaped([]int{v.lead})
		out.lead = 0
		return one(out), nil
	}
	if v, ok := in[0].(*vector); ok && !v.open && v.lead == 0 && perm != nil && len(perm) == len(v.shape)+1 && perm[0] == 0 {
		if slices.IsSorted(perm) {
			return one(v), nil
		}
		inner := make([]int64, len(v.shape))
		for i, p := range perm[1:] {
			inner[i] = p - 1
		}
		places, err := v.places().transpose(inner)
		if err != nil {
			return nil, malformed("%v", err)
		}
		return one(v.arranged(places)), nil
	}
	return nil, fmt.Errorf("a constant, or an order of the axes that keeps the rows first")
}

// places holds the number of each column in the shape of a row: what moves them moves the columns.
func (v *vector) places() *constant {
	ints := make([]int64, len(v.cols))
	for i := range ints {
		ints[i] = int64(i)
	}
	return integerConstant(ints, v.shape)
}

// arranged takes the columns at the places that c holds.
func (v *vector) arranged(c *constant) *vector {
	index := make([]int, len(c.ints))
	for i, k := range c.ints {
		index[i] = int(k)
	}
	return v.pick(index, c.shape)
}

// target resolves the shape that Reshape asks for, of n elements whose present shape is old.
func target(want []int64, old []int, n int) ([]int, error) {
	shape := make([]int, len(want))
	rest, unknown := 1, -1
	for i, d := range want {
		switch {
		case d == -1 && unknown < 0:
			unknown = i
			continue
		case d == 0 && i < len(old):
			shape[i] = old[i]
		case d > 0 && d <= math.MaxInt32:
			shape[i] = int(d)
		default:
			return nil, fmt.Errorf("shape %v", want)
		}
		if shape[i] > 0 && rest > math.MaxInt32/shape[i] {
			return nil, fmt.Errorf("shape %v", want)
		}
		rest *= shape[i]
	}
	if unknown >= 0 {
		if rest == 0 || n%rest != 0 {
			return nil, fmt.Errorf("shape %v for %d elements", want, n)
		}
		shape[unknown] = n / rest
	} else if rest != n {
		return nil, fmt.Errorf("shape %v for %d elements", want, n)
	}
	return shape, nil
}

func reshape(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 2)
	if err != nil {
		return nil, err
	}
	want := o.ints("shape") // opset 1
	if s, ok := in[1].(*constant); ok {
		if want, err = s.integers(); err != nil {
			return nil, malformed("%v", err)
		}
	} else if in[1] != nil {
		return nil, fmt.Errorf("a constant shape")
	}
	if len(want) > maxRank {
		return nil, malformed("more than %d dimensions", maxRank)
	}
	switch v := in[0].(type) {
	case *constant:
		shape, err := target(want, v.shape, len(v.data))
		if err != nil {
			return nil, malformed("%v", err)
		}
		c, err := v.reshaped(shape)
		return one(c), err
	case *labels:
		return one(v), nil
	case *vector:
		if v.open {
			return one(v), nil
		}
		if len(want) > 2 && want[0] == 1 && want[1] == -1 && !t.fixedRows(1) { // an axis before the rows, as for bagging
			shape, err := target(want[2:], v.shape, len(v.cols))
			if err != nil {
				return nil, fmt.Errorf("a shape that keeps the rows apart: %w", err)
			}
			out := v.reshaped(shape)
			out.lead = 1
			return one(out), nil
		}
		if len(want) > 1 && want[0] > 0 && slices.Contains(want[1:], -1) && !t.fixedRows(want[0]) {
			return nil, fmt.Errorf("a shape that keeps the rows apart, not %v", want)
		}
		return reshapeVector(v, want)
	}
	return nil, malformed("no value")
}

// fixedRows reports whether the file was exported for exactly n rows, as PyTorch does without dynamic axes; a shape that
// starts with that number still means one entry per row.
func (t *translator) fixedRows(n int64) bool {
	for _, v := range t.file.inputs {
		if t.rec.constants[v.name] == nil && (len(v.dims) == 0 || !v.dims[0].known || v.dims[0].size != n) {
			return false
		}
	}
	return true
}

// reshapeVector keeps the first axis as rows: every further reading would mix rows.
func reshapeVector(v *vector, want []int64) ([]value, error) {
	if len(want) == 0 {
		return nil, fmt.Errorf("a shape that keeps the rows apart")
	}
	n := len(v.cols)
	if len(want) == 1 {
		if n != 1 {
			return nil, fmt.Errorf("a shape that keeps the rows apart, not %v for %d columns", want, n)
		}
		return one(v.reshaped(nil)), nil
	}
	shape, err := target(want[1:], v.shape, n)
	if err != nil {
		return nil, fmt.Errorf("a shape that keeps the rows apart: %w", err)
	}
	return one(v.reshaped(shape)), nil
}

func (v *vector) reshaped(shape []int) *vector {
	c := *v
	c.shape = shape
	return &c
}

func flatten(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	axis := o.int("axis", 1)
	switch v := in[0].(type) {
	case *labels:
		return one(v), nil
	case *vector:
		if v.open {
			return one(v), nil
		}
		if axis == 1 || axis < 0 && int(axis)+len(v.shape)+1 == 1 {
			return one(v.reshaped([]int{len(v.cols)})), nil
		}
	}
	return nil, fmt.Errorf("axis 1 of computed values")
}

// withAxes reads an operand and its axes, from the attribute (before opset 13) or from a second input.
func withAxes(o *operation, in []value) ([]value, []int64, error) {
	in, err := arity(in, 1, 2)
	if err != nil {
		return nil, nil, err
	}
	if in[1] == nil {
		return in, o.ints("axes"), nil
	}
	c, ok := in[1].(*constant)
	if !ok {
		return nil, nil, fmt.Errorf("constant axes")
	}
	axes, err := c.integers()
	if err != nil {
		return nil, nil, malformed("%v", err)
	}
	return in, axes, nil
}

// place is the position of an axis in a shape of which the first skip axes are not written (the rows), of rank axes behind these; negative axes count
// from the end.
func place(axis int64, rank, skip int) (int, bool) {
	if axis < 0 {
		axis += int64(rank + skip)
	}
	axis -= int64(skip)
	return int(axis), axis >= 0 && axis < int64(rank)
}

// reshapedBy is what squeeze and unsqueeze do with a value, given the result's shape for one of which skip axes are not written.
func reshapedBy(in value, shape func(shape []int, skip int) ([]int, error)) ([]value, error) {
	switch v := in.(type) {
	case *constant:
		s, err := shape(v.shape, 0)
		if err != nil {
			return nil, err
		}
		c, err := v.reshaped(s)
		return one(c), err
	case *labels:
		return one(v), nil
	case *vector:
		if v.open {
			return nil, fmt.Errorf("an input with a fixed number of columns")
		}
		s, err := shape(v.shape, 1)
		if err != nil {
			return nil, err
		}
		return one(v.reshaped(s)), nil
	}
	return nil, malformed("no value")
}

func squeeze(t *translator, o *operation, in []value) ([]value, error) {
	in, axes, err := withAxes(o, in)
	if err != nil {
		return nil, err
	}
	drop := func(shape []int, skip int) ([]int, error) { // skip: axes before shape (the rows)
		gone := make([]bool, len(shape))
		for _, a := range axes {
			i, ok := place(a, len(shape), skip)
			if !ok || shape[i] != 1 {
				return nil, fmt.Errorf("axes %v of length 1", axes)
			}
			gone[i] = true
		}
		var out []int
		for i, d := range shape {
			if !gone[i] && (len(axes) > 0 || d != 1) {
				out = append(out, d)
			}
		}
		return out, nil
	}
	return reshapedBy(in[0], drop)
}

func unsqueeze(t *translator, o *operation, in []value) ([]value, error) {
	in, axes, err := withAxes(o, in)
	if err != nil {
		return nil, err
	}
	grow := func(shape []int, skip int) ([]int, error) {
		r := len(shape) + len(axes)
		if r > maxRank {
			return nil, malformed("more than %d dimensions", maxRank)
		}
		isNew := make([]bool, r)
		for _, a := range axes {
			i, ok := place(a, r, skip)
			if !ok || isNew[i] {
				return nil, fmt.Errorf("axes %v behind the rows", axes)
			}
			isNew[i] = true
		}
		out := make([]int, 0, r)
		k := 0
		for i := range r {
			if isNew[i] {
				out = append(out, 1)
			} else {
				out = append(out, shape[k])
				k++
			}
		}
		return out, nil
	}
	return reshapedBy(in[0], grow)
}

// shapeOp gives -1 for the number of rows, which Reshape reads as "the rest".
func shapeOp(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	var dims []int64
	switch v := in[0].(type) {
	case *constant:
		for _, d := range v.shape {
			dims = append(dims, int64(d))
		}
	case *vector:
		if v.open {
			return nil, fmt.Errorf("an input with a fixed number of columns")
		}
		dims = append(dims, -1)
		for _, d := range v.shape {
			dims = append(dims, int64(d))
		}
	default:
		return nil, fmt.Errorf("a tensor of numbers")
	}
	start, end := bound(o.int("start", 0), len(dims)), bound(o.int("end", int64(len(dims))), len(dims))
	dims = dims[min(start, end):end]
	return one(integerConstant(dims, []int{len(dims)})), nil
}

// bound maps a start or end of a slice of n elements to 0..n.
func bound(k int64, n int) int {
	if k < 0 {
		k += int64(n)
	}
	return int(min(max(k, 0), int64(n)))
}
