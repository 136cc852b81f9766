package onnx

import (
	"fmt"

	"github.com/fhe-ml/fhe-ml/quantize"
)

// holds applies a comparison operator.
func holds(op string, x, y float64) bool {
	switch op {
	case "Less":
		return x < y
	case "LessOrEqual":
		return x <= y
	case "Greater":
		return x > y
	case "GreaterOrEqual":
		return x >= y
	}
	return x == y
}

// mirrored is the operator with its operands exchanged.
var mirrored = map[string]string{"Less": "Greater", "LessOrEqual": "GreaterOrEqual", "Greater": "Less", "GreaterOrEqual": "LessOrEqual", "Equal": "Equal"}

// compare is Less, Greater, Equal and their like: of constants; of single columns of the features with constants, which
// the client does; of what one tree gives, where it is a property of the leaf; of labels with constants likewise.
func compare(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 2, 2)
	if err != nil {
		return nil, err
	}
	op := o.op
	ca, aConst := in[0].(*constant)
	cb, bConst := in[1].(*constant)
	if aConst && bConst {
		c, err := zip(ca, cb, func(x, y float64) float64 { return truth(holds(op, x, y)) })
		if err != nil {
			return nil, malformed("%v", err)
		}
		return one(boolConstant(c.shape, c.data)), nil
	}
	x := in[0]
	if aConst {
		x, cb, op = in[1], ca, mirrored[op]
	} else if !bConst {
		return nil, fmt.Errorf("a constant to compare with")
	}
	if cb.text != nil {
		return nil, fmt.Errorf("numbers")
	}
	if l, ok := x.(*labels); ok {
		if v, ok := t.singleTree(l.scores); ok {
			return t.compareLabels(op, v, l, cb)
		}
	}
	v, ok, err := t.numbers(x)
	if err != nil {
		return nil, err
	}
	if !ok || v.open {
		return nil, fmt.Errorf("computed numbers and a constant")
	}
	if v.positive(true) && allZero(cb) { // a guard against division by zero
		return one(boolConstant([]int{1}, []float64{truth(holds(op, 1, 0))})), nil
	}
	shape, ia, ib, err := t.spread(v, cb)
	if err != nil {
		return nil, err
	}
	if tree, ok := t.singleTree(v); ok {
		out, err := t.mapTree(tree, shape, func(x, y []float64) {
			for i := range y {
				y[i] = truth(holds(op, x[ia[i]], cb.data[ib[i]]))
			}
		})
		if err != nil {
			return nil, err
		}
		out.flags = true
		return one(out), nil
	}
	if !t.isClear(v) {
		out, err := t.compareFunction(o, op, v.pick(ia, shape), ib, cb)
		return one(out), err
	}
	if err := finiteConstant(cb.data...); err != nil {
		return nil, err
	}
	out := v.pick(ia, shape)
	kind, negative := quantize.StepAbove, false
	switch op {
	case "LessOrEqual":
		negative = true
	case "GreaterOrEqual", "Less":
		kind, negative = quantize.StepAtLeast, op == "Less"
	}
	out, err = t.each(out, true, func(i, k int) quantize.Step {
		if op == "Equal" {
			return quantize.Step{Kind: quantize.StepMap, In: []int{k}, Args: []float64{cb.data[ib[i]], 1, 0}}
		}
		return quantize.Step{Kind: kind, In: []int{k}, Args: []float64{cb.data[ib[i]]}}
	})
	if err != nil {
		return nil, err
	}
	if negative {
		out = out.complemented()
	}
	out.flags = true
	return one(out), nil
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// complemented returns 1 - x of every column.
func (v *vector) complemented() *vector {
	out := v.with(make([]column, len(v.cols)), v.shape)
	for i, c := range v.cols {
		out.cols[i] = c.scaled(-1, 1)
	}
	out.flags = v.flags
	return out
}

// spread broadcasts a vector's row with a constant of one row: the shape, and the position in either of every element.
func (t *translator) spread(v *vector, c *constant) (shape, iv, ic []int, err error) {
	cs := c.shape
	for len(cs) > len(v.shape) && cs[0] == 1 {
		cs = cs[1:]
	}
	if len(cs) > len(v.shape) {
		return nil, nil, nil, fmt.Errorf("a constant that is the same for all rows, not of shape %v", c.shape)
	}
	if shape, err = broadcastShape(v.shape, cs); err != nil {
		return nil, nil, nil, malformed("%v", err)
	}
	if product(shape) > maxFeatures {
		return nil, nil, nil, fmt.Errorf("at most %d columns", maxFeatures)
	}
	return shape, broadcastIndex(v.shape, shape), broadcastIndex(cs, shape), nil
}

// compareLabels compares the label that one tree decides with constants.
func (t *translator) compareLabels(op string, v *vector, l *labels, c *constant) ([]value, error) {
	if !allIntegers(l.classes) {
		return nil, fmt.Errorf("integer labels")
	}
	label := v.with(nil, []int{1})
	shape, _, ic, err := t.spread(label, c)
	if err != nil {
		return nil, err
	}
	out, err := t.mapTree(v, shape, func(x, y []float64) {
		best := 0
		for i, s := range x {
			if s > x[best] {
				best = i
			}
		}
		for i := range y {
			y[i] = truth(holds(op, float64(l.classes[best].Int), c.data[ic[i]]))
		}
	})
	if err != nil {
		return nil, err
	}
	out.flags = true
	return one(out), nil
}

// where chooses between constants by flags: b + (a-b)*flag.
func where(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 3, 3)
	if err != nil {
		return nil, err
	}
	a, ok1 := in[1].(*constant)
	b, ok2 := in[2].(*constant)
	if c, ok := in[0].(*vector); ok && !c.open && (c.base.kind == basisFunction || !ok1 || !ok2) {
		return t.whereFunction(o, c, in[1], in[2])
	}
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("constants to choose from")
	}
	switch c := in[0].(type) {
	case *constant:
		x, err := zip(a, b, func(x, _ float64) float64 { return x })
		if err != nil {
			return nil, malformed("%v", err)
		}
		y, err := zip(b, a, func(x, _ float64) float64 { return x })
		if err != nil {
			return nil, malformed("%v", err)
		}
		for _, k := range c.data {
			if k != c.data[0] {
				return nil, fmt.Errorf("one condition")
			}
		}
		if len(c.data) > 0 && c.data[0] == 0 {
			x = y
		}
		return one(x), nil
	case *vector:
		if !c.flags {
			return nil, fmt.Errorf("a condition that is a comparison")
		}
		d, err := zip(a, b, func(x, y float64) float64 { return x - y })
		if err != nil {
			return nil, malformed("%v", err)
		}
		out, err := t.elementwise("Mul", c, d, false)
		if err != nil {
			return nil, err
		}
		out, err = t.elementwise("Add", out, b, false)
		return one(out), err
	}
	return nil, fmt.Errorf("a condition that is a comparison")
}
