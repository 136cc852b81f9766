package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/models"
)

// hinge is w*min(x, 0) + max(x, 0).
func hinge(w float64) models.Function {
	return fnCall(models.FnAdd, fnCall(models.FnMaximum, fnX, fnNum(0)), fnCall(models.FnMultiply, fnNum(w), fnCall(models.FnMinimum, fnX, fnNum(0))))
}

// exponential is gamma * (max(x, 0) + alpha*(exp(min(x, 0)/scale) - 1)).
func exponential(gamma, alpha, scale float64) models.Function {
	e := fnCall(models.FnExpm1, fnCall(models.FnDivide, fnCall(models.FnMinimum, fnX, fnNum(0)), fnNum(scale)))
	f := fnCall(models.FnAdd, fnCall(models.FnMaximum, fnX, fnNum(0)), fnCall(models.FnMultiply, fnNum(alpha), e))
	return fnCall(models.FnMultiply, fnNum(gamma), f)
}

// hardSigmoidOf is max(0, min(1, alpha*x + beta)).
func hardSigmoidOf(alpha, beta float64) models.Function {
	return fnCall(models.FnMaximum, fnNum(0), fnCall(models.FnMinimum, fnNum(1), affineOf(alpha, beta)))
}

// activationHandlers are the operators that are functions of one number, as https://onnx.ai/onnx/operators/ defines them.
func activationHandlers() map[string]handler {
	return map[string]handler{
		"LeakyRelu": functionOp(func(o *operation) (models.Function, error) {
			return hinge(o.float("alpha", float64(float32(0.01)))), nil
		}),
		"Elu": functionOp(func(o *operation) (models.Function, error) { return exponential(1, o.float("alpha", 1), 1), nil }),
		"Celu": functionOp(func(o *operation) (models.Function, error) {
			a := o.float("alpha", 1)
			return exponential(1, a, a), nil
		}),
		"Selu": functionOp(func(o *operation) (models.Function, error) {
			return exponential(o.float("gamma", 1.05070102214813232421875), o.float("alpha", 1.67326319217681884765625), 1), nil
		}),
		"ThresholdedRelu": functionOp(func(o *operation) (models.Function, error) {
			// x where x > alpha, else 0
			a := o.float("alpha", 1)
			over := fnCall(models.FnMaximum, fnNum(0), fnCall(models.FnSign, fnCall(models.FnSubtract, fnX, fnNum(a))))
			return fnCall(models.FnMultiply, fnX, over), nil
		}),
		"HardSigmoid": functionOp(func(o *operation) (models.Function, error) {
			return hardSigmoidOf(o.float("alpha", float64(float32(0.2))), o.float("beta", 0.5)), nil
		}),
		"HardSwish": plainFunction(fnCall(models.FnMultiply, fnX, hardSigmoidOf(1.0/6, 0.5))),
		"Mish":      plainFunction(fnCall(models.FnMultiply, fnX, fnCall(models.FnTanh, fnCall(models.FnSoftplus, fnX)))),
		"Gelu": functionOp(func(o *operation) (models.Function, error) {
			half := fnCall(models.FnMultiply, fnNum(0.5), fnX)
			switch how := o.string("approximate", "none"); how {
			case "none":
				erf := fnCall(models.FnErf, fnCall(models.FnDivide, fnX, fnNum(math.Sqrt2)))
				return fnCall(models.FnMultiply, half, fnCall(models.FnAdd, fnNum(1), erf)), nil
			case "tanh":
				inner := fnCall(models.FnAdd, fnX, fnCall(models.FnMultiply, fnNum(0.044715), fnCall(models.FnPower, fnX, fnNum(3))))
				tanh := fnCall(models.FnTanh, fnCall(models.FnMultiply, fnNum(math.Sqrt(2/math.Pi)), inner))
				return fnCall(models.FnMultiply, half, fnCall(models.FnAdd, fnNum(1), tanh)), nil
			default:
				return nil, fmt.Errorf("approximate none or tanh, not %q", how)
			}
		}),
		"Swish": functionOp(func(o *operation) (models.Function, error) {
			return fnCall(models.FnMultiply, fnX, fnCall(models.FnSigmoid, affineOf(o.float("alpha", 1), 0))), nil
		}),
		"Softplus": plainFunction(fnCall(models.FnSoftplus, fnX)),
		"Softsign": plainFunction(fnCall(models.FnDivide, fnX, fnCall(models.FnAdd, fnNum(1), fnCall(models.FnAbs, fnX)))),
		"Erf":      plainFunction(fnCall(models.FnErf, fnX)),
		"Sign":     plainFunction(fnCall(models.FnSign, fnX)),
	}
}

// prelu has a slope per channel, or per element.
func prelu(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 2, 2)
	if err != nil {
		return nil, err
	}
	v, ok := in[0].(*vector)
	c, ok2 := in[1].(*constant)
	if !ok || !ok2 || v.open || c.text != nil {
		return nil, fmt.Errorf("computed numbers and constant slopes")
	}
	if err := finite("slope", c.data); err != nil {
		return nil, err
	}
	index, err := rowsOf(c, v.shape)
	if err != nil {
		return nil, err
	}
	if err := t.spend(functionWeights(8*len(v.cols)), 8*len(v.cols)); err != nil {
		return nil, err
	}
	return one(applied(o, v, func(i int) models.Function { return hinge(c.data[index[i]]) })), nil
}

// rowsOf returns for each element of a row of the given shape the element of c that numpy pairs it with; c may not vary over the rows.
func rowsOf(c *constant, shape []int) ([]int, error) {
	cs := c.shape
	if len(cs) > len(shape) {
		if product(cs[:len(cs)-len(shape)]) != 1 {
			return nil, fmt.Errorf("constants that are the same for all rows, not of shape %v", c.shape)
		}
		cs = cs[len(cs)-len(shape):]
	}
	out, err := broadcastShape(shape, cs)
	if err != nil {
		return nil, malformed("%v", err)
	}
	if !slices.Equal(out, shape) {
		return nil, fmt.Errorf("constants of the shape of a row, not %v", c.shape)
	}
	return broadcastIndex(cs, shape), nil
}

// power is x to a constant.
func power(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 2, 2)
	if err != nil {
		return nil, err
	}
	c, ok := in[1].(*constant)
	if !ok || len(c.data) != 1 || c.text != nil {
		return nil, fmt.Errorf("one constant exponent")
	}
	if err := finite("exponent", c.data); err != nil {
		return nil, err
	}
	f := fnCall(models.FnPower, fnX, fnNum(c.data[0]))
	switch v := in[0].(type) {
	case *constant:
		if v.text == nil {
			return one(v.apply(f)), nil
		}
	case *vector:
		if v.open {
			break
		}
		if c.data[0] == 1 {
			return one(v), nil
		}
		return one(applied(o, v, func(int) models.Function { return f })), nil
	}
	return nil, fmt.Errorf("computed numbers")
}

// extreme is Max or Min of one computed value and constants.
func extreme(t *translator, o *operation, in []value) ([]value, error) {
	op := models.FnMaximum
	if o.op == "Min" {
		op = models.FnMinimum
	}
	if len(in) == 0 {
		return nil, malformed("no inputs")
	}
	var acc *vector
	for _, x := range in {
		if v, ok := x.(*vector); ok && !v.open {
			if acc == nil {
				acc = v
				continue
			}
			f, ok := t.fuse(o, op, acc, v)
			if !ok {
				return nil, fmt.Errorf("one computed value and constants: comparing two encrypted values is not supported; use a sum or an average instead")
			}
			acc = f
		}
	}
	if acc == nil {
		return nil, fmt.Errorf("computed numbers")
	}
	for _, x := range in {
		c, ok := x.(*constant)
		if !ok {
			continue
		}
		if c.text != nil {
			return nil, fmt.Errorf("numbers")
		}
		if err := finite("limit", c.data); err != nil {
			return nil, err
		}
		index, err := rowsOf(c, acc.shape)
		if err != nil {
			return nil, err
		}
		zero := op == models.FnMaximum
		for _, k := range c.data {
			zero = zero && k == 0
		}
		if zero {
			acc = elementwiseFunction(o, "Relu", acc)
			continue
		}
		acc = applied(o, acc, func(i int) models.Function { return fnCall(op, fnX, fnNum(c.data[index[i]])) })
	}
	return one(acc), nil
}

// logarithm of a softmax is the link of that name, else a function.
func logarithm(t *translator, o *operation, in []value) ([]value, error) {
	if len(in) == 1 {
		if v, ok := in[0].(*vector); ok && v.base.kind == basisSoftmax && v.isIdentity() {
			return one(newVector(&basis{kind: basisLogSoftmax, n: len(v.cols), arg: v.base.arg, node: o})), nil
		}
	}
	return plainFunction(fnCall(models.FnLog, fnX))(t, o, in)
}
