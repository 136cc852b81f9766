package onnx

import (
	"fmt"

	"github.com/fhe-ml/fhe-ml/models"
)

// arithmetic is Add, Sub, Mul, Div: at most one operand is computed, except for sums, for x/ReduceSum(x), and where both are functions of the same value.
func arithmetic(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 2, 2)
	if err != nil {
		return nil, err
	}
	ca, aConst := in[0].(*constant)
	cb, bConst := in[1].(*constant)
	if aConst && bConst {
		c, err := combine(o.op, ca, cb)
		if err != nil {
			return nil, malformed("%v", err)
		}
		return one(c), nil
	}
	for k, x := range in { // bins of columns are numbers here
		if _, ok := x.(*labels); ok {
			if v, ok, err := t.numbers(x); err != nil {
				return nil, err
			} else if ok {
				in[k] = v
			}
		}
	}
	va, aVec := in[0].(*vector)
	vb, bVec := in[1].(*vector)
	switch {
	case aVec && bConst:
		v, err := t.elementwise(o.op, va, cb, false)
		return one(v), err
	case aConst && bVec:
		if o.op == "Div" {
			if out, err := t.reciprocalOf(o, ca, vb); err == nil || vb.open {
				return out, err
			}
			if v, ok := t.fuseConstant(o, models.FnDivide, ca, vb); ok {
				return one(v), nil
			}
			return nil, fmt.Errorf("a constant divisor, or the form 1/(1+exp(-s)) of a sigmoid")
		}
		v, err := t.elementwise(o.op, vb, ca, true)
		return one(v), err
	case aVec && bVec && !va.open && !vb.open:
		return t.combineVectors(o, va, vb)
	}
	return nil, fmt.Errorf("a constant operand")
}

// combineVectors is an operator of two computed values. Sums of the same layer stay affine; then come functions of the same values, and last, for
// sums, branches of different layers.
func (t *translator) combineVectors(o *operation, a, b *vector) ([]value, error) {
	f := 1.0
	switch o.op {
	case "Sub":
		if b.isIdentity() && b.base.kind == basisLogSumExp && sameVector(b.base.arg, a, 0) {
			return one(newVector(&basis{kind: basisLogSoftmax, n: len(a.cols), arg: a, node: o})), nil
		}
		f = -1
		fallthrough
	case "Add":
		v, err := t.addVectors(a, b, f, t.common)
		if err == nil {
			return one(v), nil
		}
		op := map[string]models.FunctionOp{"Add": models.FnAdd, "Sub": models.FnSubtract}[o.op]
		if v, ok := t.fuse(o, op, a, b); ok {
			return one(v), nil
		}
		if v, e := t.addVectors(a, b, f, t.join); e == nil {
			return one(v), nil
		}
		return nil, err
	case "Div":
		out, err := t.divideBySum(o, a, b)
		if err == nil {
			return out, nil
		}
		if v, ok := t.fuse(o, models.FnDivide, a, b); ok {
			return one(v), nil
		}
		return nil, err
	case "Mul":
		if t.isClear(a) && t.isClear(b) {
			v, err := t.multiplyColumns(a, b)
			return one(v), err
		}
		if v, ok := t.fuse(o, models.FnMultiply, a, b); ok {
			return one(v), nil
		}
		return nil, fmt.Errorf("a constant operand, or two functions of the same value: the product of two encrypted values is not supported")
	}
	return nil, fmt.Errorf("a constant operand")
}

// fuseConstant is c op v with a function.
func (t *translator) fuseConstant(o *operation, op models.FunctionOp, c *constant, v *vector) (*vector, bool) {
	index, err := rowsOf(c, v.shape)
	if err != nil || c.text != nil || finite("constant", c.data) != nil {
		return nil, false
	}
	return applied(o, v, func(i int) models.Function { return fnCall(op, fnNum(c.data[index[i]]), fnX) }), true
}

// sum is the variadic Sum.
func sum(t *translator, o *operation, in []value) ([]value, error) {
	if len(in) == 0 || in[0] == nil {
		return nil, malformed("no inputs")
	}
	acc := in[0]
	add := &operation{fileNode: &fileNode{index: o.index, name: o.name, op: "Add", outputs: o.outputs}, attributes: o.attributes}
	for _, x := range in[1:] {
		out, err := arithmetic(t, add, []value{acc, x})
		if err != nil {
			return nil, err
		}
		acc = out[0]
	}
	return one(acc), nil
}

func negate(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	mul := &operation{fileNode: &fileNode{index: o.index, name: o.name, op: "Mul", outputs: o.outputs}, attributes: o.attributes}
	return arithmetic(t, mul, []value{in[0], &constant{typ: typeFloat, data: []float64{-1}}})
}
