package onnx

import (
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// unary is Log, Sqrt, Exp and Abs: of constants; of what one tree gives; Log, Sqrt and Abs also of single columns of the
// features.
func unary(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	fn := map[string]func(float64) float64{"Log": math.Log, "Sqrt": math.Sqrt, "Exp": math.Exp, "Abs": math.Abs}[o.op]
	switch v := in[0].(type) {
	case *constant:
		if v.text != nil {
			return nil, malformed("a function of texts")
		}
		c, err := zip(v, &constant{typ: v.typ, data: []float64{0}}, func(x, _ float64) float64 { return fn(x) })
		if err != nil {
			return nil, malformed("%v", err)
		}
		return one(c), nil
	case *vector:
		if v.open {
			break
		}
		if tree, ok := t.singleTree(v); ok && o.op != "Exp" {
			out, err := t.mapTree(tree, v.shape, func(x, y []float64) {
				for i := range y {
					y[i] = fn(x[i])
				}
			})
			return one(out), err
		}
		kinds := map[string]quantize.StepKind{"Log": quantize.StepLog, "Sqrt": quantize.StepSqrt, "Abs": quantize.StepAbs}
		if kind, ok := kinds[o.op]; ok && t.isClear(v) {
			out, err := t.each(v, false, func(_, k int) quantize.Step { return quantize.Step{Kind: kind, In: []int{k}} })
			return one(out), err
		}
		switch o.op {
		case "Exp":
			return expOp(t, o, v)
		case "Abs":
			if out, err := abs(t, o, in); err == nil {
				return out, nil
			}
			return one(applied(o, v, func(int) models.Function { return fnCall(models.FnAbs, fnX) })), nil
		case "Log":
			return logarithm(t, o, in)
		case "Sqrt":
			return one(applied(o, v, func(int) models.Function { return fnCall(models.FnSqrt, fnX) })), nil
		}
	}
	return nil, fmt.Errorf("constants, or single columns of the features")
}

// pow of constants, and of single columns of the features: a square stays a polynomial, so that a sum of squares (Gaussian
// naive Bayes) can be an additive model.
func pow(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 2, 2)
	if err != nil {
		return nil, err
	}
	e, ok := in[1].(*constant)
	if !ok || e.text != nil {
		return nil, fmt.Errorf("a constant exponent")
	}
	if c, ok := in[0].(*constant); ok {
		r, err := zip(c, e, math.Pow)
		if err != nil {
			return nil, malformed("%v", err)
		}
		return one(r), nil
	}
	v, ok := in[0].(*vector)
	if !ok || !t.isClear(v) {
		return power(t, o, in)
	}
	if err := finiteConstant(e.data...); err != nil {
		return nil, err
	}
	shape, iv, ie, err := t.spread(v, e)
	if err != nil {
		return nil, err
	}
	out := v.with(make([]column, len(iv)), shape)
	for i, k := range iv {
		switch x := e.data[ie[i]]; {
		case x == 1:
			out.cols[i] = v.cols[k]
		case x == 2 && len(v.cols[k].idx) == 1:
			if out.cols[i], err = t.squared(v.cols[k]); err != nil {
				return nil, err
			}
		default:
			at, err := t.slotOf(v, k, -1)
			if err != nil {
				return nil, err
			}
			if err := t.numeric([]int{at}); err != nil {
				return nil, err
			}
			if at, err = t.step(quantize.Step{Kind: quantize.StepPower, In: []int{at}, Args: []float64{x}}, false); err != nil {
				return nil, err
			}
			out.cols[i] = slotColumn(at)
		}
	}
	return one(out), nil
}

// squared returns (w*x+b)^2 as a combination of x and its square.
func (t *translator) squared(c column) (column, error) {
	k := int(c.idx[0])
	if err := t.numeric([]int{k}); err != nil {
		return c, err
	}
	sq, err := t.square(k)
	if err != nil {
		return c, err
	}
	w := c.w[0]
	out := column{idx: []int32{int32(k), int32(sq)}, w: []float64{2 * w * c.b, float64(w * w)}, b: float64(c.b * c.b)}
	if out.w[0] == 0 {
		out.idx, out.w = out.idx[1:], out.w[1:]
	}
	return out, nil
}

// multiplyColumns is the product of two vectors of clear columns, or of what one tree gives.
func (t *translator) multiplyColumns(a, b *vector) (*vector, error) {
	shape, err := broadcastShape(a.shape, b.shape)
	if err != nil {
		return nil, malformed("%v", err)
	}
	if product(shape) > maxFeatures {
		return nil, fmt.Errorf("at most %d columns", maxFeatures)
	}
	if !t.isClear(a) || !t.isClear(b) {
		return nil, fmt.Errorf("a constant operand")
	}
	ia, ib := broadcastIndex(a.shape, shape), broadcastIndex(b.shape, shape)
	return t.products(shape, func(i int) ([]int, error) {
		x, err := t.slotOf(a, ia[i], -1)
		if err != nil {
			return nil, err
		}
		y, err := t.slotOf(b, ib[i], -1)
		return []int{x, y}, err
	})
}

// products makes a step for the product of the slots of each column.
func (t *translator) products(shape []int, factors func(i int) ([]int, error)) (*vector, error) {
	n := product(shape)
	out := &vector{base: t.clear.base, cols: make([]column, n), shape: shape}
	for i := range n {
		in, err := factors(i)
		if err != nil {
			return nil, err
		}
		if err := t.numeric(in); err != nil {
			return nil, err
		}
		at := 0
		switch {
		case len(in) == 1:
			at = in[0]
		case len(in) == 2 && in[0] == in[1]:
			at, err = t.square(in[0])
		default:
			name := ""
			for j, k := range in {
				if j > 0 {
					name += "*"
				}
				name += t.clear.slots[k].name
			}
			at, err = t.step(quantize.Step{Kind: quantize.StepProduct, In: in}, false, name)
		}
		if err != nil {
			return nil, err
		}
		out.cols[i] = slotColumn(at)
	}
	return out, nil
}
