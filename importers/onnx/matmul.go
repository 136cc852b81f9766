package onnx

import (
	"fmt"
	"math"
	"slices"
)

func matmulOp(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 2, 2)
	if err != nil {
		return nil, err
	}
	if w, ok := in[0].(*constant); ok {
		return t.matmulLeft(w, in[1])
	}
	v, ok := in[0].(*vector)
	w, ok2 := in[1].(*constant)
	if !ok || !ok2 || w.text != nil {
		return nil, fmt.Errorf("computed rows times a constant matrix")
	}
	h := 1
	shape := []int(nil)
	switch len(w.shape) {
	case 1:
	case 2:
		h = w.shape[1]
		shape = []int{h}
	default:
		return nil, fmt.Errorf("a matrix of one or two axes, not of shape %v", w.shape)
	}
	k := w.shape[0]
	if len(v.shape) > 1 && !v.open {
		return t.matmulLast(v, w, k, h, shape)
	}
	if err := t.multiplicand(v, k); err != nil {
		return nil, err
	}
	if err := finite("weight", w.data); err != nil {
		return nil, err
	}
	out, err := t.matmul(v, w.data, h, nil)
	if err != nil {
		return nil, err
	}
	return one(out.reshaped(shape)), nil
}

// matmulLast multiplies along the last axis of rows that have several.
func (t *translator) matmulLast(v *vector, w *constant, k, h int, shape []int) ([]value, error) {
	outer := v.shape[:len(v.shape)-1]
	if v.shape[len(v.shape)-1] != k {
		return nil, malformed("rows of shape %v times weights for %d", v.shape, k)
	}
	if err := finite("weight", w.data); err != nil {
		return nil, err
	}
	n := product(outer)
	if h > maxFeatures/n {
		return nil, fmt.Errorf("at most %d columns", maxFeatures)
	}
	out, err := t.sparse(v, n*h, nil, func(j int, add func(k int, w float64)) {
		for i := range k {
			if f := w.data[i*h+j%h]; f != 0 {
				add(j/h*k+i, f)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return one(out.reshaped(slices.Concat(outer, shape))), nil
}

// matmulLeft is a constant matrix times rows that are matrices.
func (t *translator) matmulLeft(w *constant, x value) ([]value, error) {
	v, ok := x.(*vector)
	if !ok || v.open || len(v.shape) != 2 || len(w.shape) != 2 || w.text != nil {
		return nil, fmt.Errorf("computed rows times a constant matrix")
	}
	h, k, n := w.shape[0], w.shape[1], v.shape[1]
	if v.shape[0] != k {
		return nil, malformed("weights for %d times rows of shape %v", k, v.shape)
	}
	if err := finite("weight", w.data); err != nil {
		return nil, err
	}
	if h > maxFeatures/n {
		return nil, fmt.Errorf("at most %d columns", maxFeatures)
	}
	out, err := t.sparse(v, h*n, nil, func(j int, add func(k int, w float64)) {
		for i := range k {
			if f := w.data[j/n*k+i]; f != 0 {
				add(i*n+j%n, f)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return one(out.reshaped([]int{h, n})), nil
}

// multiplicand checks that v has rows of k numbers.
func (t *translator) multiplicand(v *vector, k int) error {
	if err := t.widen(v, k); err != nil {
		return err
	}
	if len(v.shape) != 1 {
		return fmt.Errorf("rows of numbers, not values of shape %v per row", v.shape)
	}
	if v.shape[0] != k {
		return malformed("rows of %d numbers times weights for %d", v.shape[0], k)
	}
	return nil
}

// gemm is alpha*A*B + beta*C with A computed.
func gemm(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 2, 3)
	if err != nil {
		return nil, err
	}
	v, ok := in[0].(*vector)
	w, ok2 := in[1].(*constant)
	if !ok || !ok2 || o.int("transA", 0) != 0 {
		return nil, fmt.Errorf("computed rows times a constant matrix")
	}
	if len(w.shape) != 2 || w.text != nil {
		return nil, malformed("a matrix of shape %v", w.shape)
	}
	if o.int("transB", 0) != 0 {
		if w, err = w.transpose(nil); err != nil {
			return nil, err
		}
	}
	if err := t.multiplicand(v, w.shape[0]); err != nil {
		return nil, err
	}
	if err := finite("weight", w.data); err != nil {
		return nil, err
	}
	data := w.data
	if alpha := o.float("alpha", 1); alpha != 1 {
		data = make([]float64, len(w.data))
		for i, x := range w.data {
			data[i] = float64(alpha * x)
		}
	}
	out, err := t.matmul(v, data, w.shape[1], nil)
	if err != nil || in[2] == nil {
		return one(out), err
	}
	c, ok := in[2].(*constant)
	if !ok {
		return nil, fmt.Errorf("a constant bias")
	}
	if beta := o.float("beta", 1); beta != 1 {
		b := &constant{typ: typeDouble, shape: c.shape, data: make([]float64, len(c.data))}
		for i, x := range c.data {
			b.data[i] = float64(beta * x)
		}
		c = b
	}
	out, err = t.elementwise("Add", out, c, false)
	return one(out), err
}

// batchNormalization with fixed statistics is (x-mean)*scale/sqrt(var+epsilon) + bias per column.
func batchNormalization(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 5, 5)
	if err != nil {
		return nil, err
	}
	v, ok := in[0].(*vector)
	if !ok || v.open || len(v.shape) == 0 || o.int("training_mode", 0) != 0 {
		return nil, fmt.Errorf("rows of numbers and fixed statistics (export the model in evaluation mode)")
	}
	// One set of statistics per channel, the first axis of a row.
	per := len(v.cols) / v.shape[0]
	var p [4][]float64
	for i := range p {
		c, ok := in[i+1].(*constant)
		if !ok {
			return nil, fmt.Errorf("constant statistics")
		}
		if len(c.data) != v.shape[0] {
			return nil, malformed("%d statistics for %d channels", len(c.data), v.shape[0])
		}
		if err := finite("statistic", c.data); err != nil {
			return nil, err
		}
		p[i] = c.data
	}
	eps := o.float("epsilon", float64(float32(1e-5)))
	out := v.with(make([]column, len(v.cols)), v.shape)
	out.geo = v.geo
	for k, x := range v.cols {
		i := k / per
		if p[3][i]+eps <= 0 {
			return nil, malformed("variance %v of channel %d", p[3][i], i)
		}
		if err := t.spend(len(x.idx), len(x.idx)); err != nil {
			return nil, err
		}
		f := p[0][i] / math.Sqrt(p[3][i]+eps)
		out.cols[k] = x.scaled(f, p[1][i]-float64(f*p[2][i]))
	}
	return one(out), nil
}

// scaler is (x-offset)*scale per column.
func scaler(t *translator, o *operation, in []value) ([]value, error) {
	v, err := computed(in)
	if err != nil {
		return nil, err
	}
	offset, scale := o.floats("offset"), o.floats("scale")
	if err := t.widen(v, max(len(offset), len(scale))); err != nil {
		return nil, err
	}
	n := len(v.cols)
	spread := func(x []float64, def float64) ([]float64, error) {
		switch len(x) {
		case n:
			return x, finite("scaler constant", x)
		case 0, 1:
			if len(x) == 1 {
				def = x[0]
			}
			out := make([]float64, n)
			for i := range out {
				out[i] = def
			}
			return out, finite("scaler constant", out)
		}
		return nil, malformed("%d scaler constants for %d columns", len(x), n)
	}
	if offset, err = spread(offset, 0); err != nil {
		return nil, err
	}
	if scale, err = spread(scale, 1); err != nil {
		return nil, err
	}
	out := v.with(make([]column, n), v.shape)
	for i, x := range v.cols {
		if err := t.spend(len(x.idx), len(x.idx)); err != nil {
			return nil, err
		}
		out.cols[i] = x.scaled(scale[i], -float64(offset[i]*scale[i]))
	}
	if v.base.kind == basisFeatures && v.scale == nil && v.unscaled() {
		out.offset, out.scale = offset, scale
	}
	return one(out), nil
}

// unscaled reports whether every column is a raw feature.
func (v *vector) unscaled() bool {
	for _, c := range v.cols {
		if len(c.idx) != 1 || c.w[0] != 1 || c.b != 0 {
			return false
		}
	}
	return true
}
