package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/quantize"
)

// columnsAxis checks that axis is the only one behind the rows.
func columnsAxis(v *vector, axis int64) error {
	if len(v.shape) != 1 || axis != 1 && axis != -1 {
		return fmt.Errorf("axis 1 of a value with one axis behind the rows, not axis %d of shape %v", axis, v.shape)
	}
	return nil
}

func gather(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 2, 2)
	if err != nil {
		return nil, err
	}
	axis := o.int("axis", 0)
	if l, ok := in[1].(*labels); ok {
		return mapLabels(in[0], l, axis == 0)
	}
	idx, ok := in[1].(*constant)
	if !ok {
		return nil, fmt.Errorf("constant indices")
	}
	index, err := idx.integers()
	if err != nil {
		return nil, malformed("%v", err)
	}
	switch v := in[0].(type) {
	case *constant:
		if axis < 0 {
			axis += int64(len(v.shape))
		}
		if axis < 0 || axis >= int64(len(v.shape)) {
			return nil, malformed("axis %d of shape %v", axis, v.shape)
		}
		c, err := v.gather(int(axis), index, idx.shape)
		if err != nil {
			return nil, malformed("%v", err)
		}
		return one(c), nil
	case *vector:
		if v.open {
			return nil, fmt.Errorf("an input with a fixed number of columns")
		}
		if len(v.shape) == 1 {
			if err := columnsAxis(v, axis); err != nil {
				return nil, err
			}
			return pickColumns(v, index, idx.shape)
		}
		return gatherAxis(v, axis, index, idx.shape)
	}
	return nil, fmt.Errorf("a tensor of numbers")
}

// gatherAxis selects along any axis behind the rows.
func gatherAxis(v *vector, axis int64, index []int64, indexShape []int) ([]value, error) {
	k, err := axisBehindRows(v, axis)
	if err != nil {
		return nil, err
	}
	n := v.shape[k]
	outer, inner := product(v.shape[:k]), product(v.shape[k+1:])
	if len(index) > maxFeatures || outer*inner*len(index) > maxFeatures {
		return nil, malformed("more than %d columns", maxFeatures)
	}
	var pos []int
	for o := range outer {
		for _, x := range index {
			if x < 0 {
				x += int64(n)
			}
			if x < 0 || x >= int64(n) {
				return nil, malformed("index %d of %d", x, n)
			}
			for i := range inner {
				pos = append(pos, (o*n+int(x))*inner+i)
			}
		}
	}
	return one(v.pick(pos, slices.Concat(v.shape[:k], indexShape, v.shape[k+1:]))), nil
}

// pickColumns selects columns of v by index (negative ones count from the end).
func pickColumns(v *vector, index []int64, shape []int) ([]value, error) {
	if len(index) == 0 || len(index) > maxFeatures {
		return nil, malformed("%d columns", len(index))
	}
	pos := make([]int, len(index))
	for i, k := range index {
		if k < 0 {
			k += int64(len(v.cols))
		}
		if k < 0 || k >= int64(len(v.cols)) {
			return nil, malformed("column %d of %d", k, len(v.cols))
		}
		pos[i] = int(k)
	}
	return one(v.pick(pos, shape)), nil
}

// mapLabels replaces the labels, which must be 0, 1, ..., by the elements of a constant.
func mapLabels(classes value, l *labels, axisOK bool) ([]value, error) {
	c, ok := classes.(*constant)
	if !ok || !axisOK {
		return nil, fmt.Errorf("a constant list of classes")
	}
	names, err := c.labels()
	if err != nil {
		return nil, malformed("classes: %v", err)
	}
	out := make([]quantize.Label, len(l.classes))
	for i, k := range l.classes {
		if !k.IsInt || k.Int < 0 || k.Int >= int64(len(names)) {
			return nil, malformed("label %s of %d classes", k, len(names))
		}
		out[i] = names[k.Int]
	}
	return one(&labels{l.scores, out, l.votes}), nil
}

func arrayFeatureExtractor(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 2, 2)
	if err != nil {
		return nil, err
	}
	if l, ok := in[1].(*labels); ok {
		return mapLabels(in[0], l, true)
	}
	if c, ok := in[0].(*constant); ok {
		if v, ok := in[1].(*vector); ok {
			return t.tableOf(c, v)
		}
	}
	idx, ok := in[1].(*constant)
	if !ok {
		return nil, fmt.Errorf("constant indices")
	}
	index, err := idx.integers()
	if err != nil {
		return nil, malformed("%v", err)
	}
	switch v := in[0].(type) {
	case *vector:
		if v.open {
			return nil, fmt.Errorf("an input with a fixed number of columns")
		}
		if len(v.shape) != 1 {
			return nil, fmt.Errorf("a value with one axis behind the rows")
		}
		return pickColumns(v, index, []int{len(index)})
	case *constant:
		if len(v.shape) == 0 {
			return nil, malformed("a scalar input")
		}
		c, err := v.gather(len(v.shape)-1, index, []int{len(index)})
		if err != nil {
			return nil, malformed("%v", err)
		}
		return one(c), nil
	}
	return nil, fmt.Errorf("a tensor of numbers")
}

// tableOf picks the column of a constant that a feature numbers, as categorical naive Bayes does: the client says which
// number it is (one flag each), the numbers of the table become weights. The rows are the last axis of the result.
func (t *translator) tableOf(c *constant, v *vector) ([]value, error) {
	if len(c.shape) != 2 || c.text != nil || len(v.cols) != 1 || v.open || !t.isClear(v) {
		return nil, fmt.Errorf("constant indices, or a table that one column of the features numbers")
	}
	if err := finite("number", c.data); err != nil {
		return nil, err
	}
	n, k := c.shape[0], c.shape[1]
	slots, err := t.slotsOf(v)
	if err != nil {
		return nil, err
	}
	if err := t.numeric(slots); err != nil {
		return nil, err
	}
	if n == 0 || k == 0 || n > maxFeatures || k > maxFeatures {
		return nil, malformed("a table of shape %v", c.shape)
	}
	s := quantize.Step{Kind: quantize.StepMap, In: slots, Strict: true}
	for j := range k {
		s.Args = append(s.Args, float64(j), float64(j))
	}
	s.Args = append(s.Args, 0)
	at, err := t.step(s, true)
	if err != nil {
		return nil, err
	}
	if err := t.spend(n*k, n*k); err != nil {
		return nil, err
	}
	out := v.with(make([]column, n), nil)
	out.lead = n
	for j := range k {
		flag, err := t.step(quantize.Step{Kind: quantize.StepMap, In: []int{at}, Args: []float64{float64(j), 1, 0}}, true,
			fmt.Sprintf("%s=%d", t.clear.slots[at].name, j))
		if err != nil {
			return nil, err
		}
		for i := range out.cols {
			if w := c.data[i*k+j]; w != 0 {
				out.cols[i].idx, out.cols[i].w = append(out.cols[i].idx, int32(flag)), append(out.cols[i].w, w)
			}
		}
	}
	return one(out), nil
}

// slice handles the forms of every opset: starts, ends, axes, steps as attributes or inputs.
func slice(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 5)
	if err != nil {
		return nil, err
	}
	part := func(k int, name string) ([]int64, error) {
		if in[k] == nil {
			return o.ints(name), nil
		}
		c, ok := in[k].(*constant)
		if !ok {
			return nil, fmt.Errorf("constant bounds")
		}
		return c.integers()
	}
	var p [4][]int64
	for k, name := range []string{"starts", "ends", "axes", "steps"} {
		if p[k], err = part(k+1, name); err != nil {
			return nil, err
		}
	}
	if n := len(p[0]); n > 1 && n <= maxRank && len(p[1]) == n && (len(p[2]) == 0 || len(p[2]) == n) && (len(p[3]) == 0 || len(p[3]) == n) {
		return sliceEach(t, o, in[0], p)
	}
	if len(p[0]) != 1 || len(p[1]) != 1 || len(p[2]) > 1 || len(p[3]) > 1 {
		return nil, fmt.Errorf("starts, ends, axes and steps of one length")
	}
	axis, step := int64(0), int64(1)
	if len(p[2]) == 1 {
		axis = p[2][0]
	}
	if len(p[3]) == 1 {
		step = p[3][0]
	}
	if step < 1 {
		return nil, fmt.Errorf("a positive step")
	}
	index := func(n int) []int64 {
		var out []int64
		for k := int64(bound(p[0][0], n)); k < int64(bound(p[1][0], n)); k += min(step, int64(n)) {
			out = append(out, k)
		}
		return out
	}
	switch v := in[0].(type) {
	case *constant:
		if axis < 0 {
			axis += int64(len(v.shape))
		}
		if axis < 0 || axis >= int64(len(v.shape)) {
			return nil, malformed("axis %d of shape %v", axis, v.shape)
		}
		k := index(v.shape[axis])
		c, err := v.gather(int(axis), k, []int{len(k)})
		if err != nil {
			return nil, malformed("%v", err)
		}
		return one(c), nil
	case *vector:
		if v.open {
			return nil, fmt.Errorf("an input with a fixed number of columns")
		}
		if (axis == 0 || axis == -int64(len(v.shape))-1) && p[0][0] == 0 && p[1][0] >= math.MaxInt32 && step == 1 {
			return one(v), nil // all rows
		}
		if len(v.shape) != 1 {
			a, err := axisBehindRows(v, axis)
			if err != nil {
				return nil, err
			}
			k := index(v.shape[a])
			return gatherAxis(v, axis, k, []int{len(k)})
		}
		if err := columnsAxis(v, axis); err != nil {
			return nil, err
		}
		k := index(len(v.cols))
		return pickColumns(v, k, []int{len(k)})
	}
	return nil, fmt.Errorf("a tensor of numbers")
}

// sliceEach slices several axes, one after the other.
func sliceEach(t *translator, o *operation, x value, p [4][]int64) ([]value, error) {
	for i := range p[0] {
		axis, step := int64(i), int64(1)
		if len(p[2]) > 0 {
			axis = p[2][i]
		}
		if len(p[3]) > 0 {
			step = p[3][i]
		}
		arg := []value{x}
		for _, k := range []int64{p[0][i], p[1][i], axis, step} {
			arg = append(arg, integerConstant([]int64{k}, []int{1}))
		}
		out, err := slice(t, o, arg)
		if err != nil {
			return nil, err
		}
		x = out[0]
	}
	return one(x), nil
}
