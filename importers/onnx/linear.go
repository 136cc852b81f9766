package onnx

import (
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/quantize"
)

// arithmetic is Add, Sub, Mul, Div: at most one operand is computed, except for sums and for x/ReduceSum(x).
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
			return t.reciprocalOf(o, ca, vb)
		}
		v, err := t.elementwise(o.op, vb, ca, true)
		return one(v), err
	case aVec && bVec && !va.open && !vb.open:
		switch o.op {
		case "Add":
			v, err := t.addVectors(va, vb, 1)
			return one(v), err
		case "Sub":
			if vb.isIdentity() && vb.base.kind == basisLogSumExp && sameVector(vb.base.arg, va, 0) {
				return one(newVector(&basis{kind: basisLogSoftmax, n: len(va.cols), arg: va, node: o})), nil
			}
			v, err := t.addVectors(va, vb, -1)
			return one(v), err
		case "Mul":
			v, err := t.multiplyColumns(va, vb)
			return one(v), err
		case "Div":
			return t.divideBySum(o, va, vb)
		}
	}
	return nil, fmt.Errorf("a constant operand")
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

func matmulOp(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 2, 2)
	if err != nil {
		return nil, err
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
	if !ok || v.open || len(v.shape) != 1 || o.int("training_mode", 0) != 0 {
		return nil, fmt.Errorf("rows of numbers and fixed statistics (export the model in evaluation mode)")
	}
	var p [4][]float64
	for i := range p {
		c, ok := in[i+1].(*constant)
		if !ok {
			return nil, fmt.Errorf("constant statistics")
		}
		if len(c.data) != len(v.cols) {
			return nil, malformed("%d statistics for %d columns", len(c.data), len(v.cols))
		}
		if err := finite("statistic", c.data); err != nil {
			return nil, err
		}
		p[i] = c.data
	}
	eps := o.float("epsilon", float64(float32(1e-5)))
	out := v.with(make([]column, len(v.cols)), v.shape)
	for i, x := range v.cols {
		if p[3][i]+eps <= 0 {
			return nil, malformed("variance %v of column %d", p[3][i], i)
		}
		if err := t.spend(len(x.idx), len(x.idx)); err != nil {
			return nil, err
		}
		f := p[0][i] / math.Sqrt(p[3][i]+eps)
		out.cols[i] = x.scaled(f, p[1][i]-float64(f*p[2][i]))
	}
	return one(out), nil
}

// scaler is (x-offset)*scale per column.
func scaler(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	v, ok := in[0].(*vector)
	if !ok {
		return nil, fmt.Errorf("computed numbers")
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

// linear reads coefficients and intercepts of LinearRegressor and LinearClassifier: rows of weights over v.
func (t *translator) linear(o *operation, v *vector, rows int) (*vector, error) {
	coef := o.floats("coefficients")
	if rows < 1 || len(coef) == 0 || len(coef)%rows != 0 {
		return nil, malformed("%d coefficients for %d outputs", len(coef), rows)
	}
	k := len(coef) / rows
	if err := t.widen(v, k); err != nil {
		return nil, err
	}
	if len(v.cols) != k {
		return nil, malformed("%d coefficients for %d outputs of %d features", len(coef), rows, len(v.cols))
	}
	bias := o.floats("intercepts")
	if len(bias) == 0 {
		bias = nil
	} else if len(bias) != rows {
		return nil, malformed("%d intercepts for %d outputs", len(bias), rows)
	}
	if err := finite("coefficient", coef); err != nil {
		return nil, err
	}
	if err := finite("intercept", bias); err != nil {
		return nil, err
	}
	w := make([]float64, len(coef)) // [k][rows]
	for r := range rows {
		for i := range k {
			w[i*rows+r] = coef[r*k+i]
		}
	}
	return t.matmul(v, w, rows, bias)
}

func linearRegressor(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	v, ok := in[0].(*vector)
	if !ok {
		return nil, fmt.Errorf("computed numbers")
	}
	n := o.int("targets", 1)
	if n < 1 || n > maxFeatures {
		return nil, malformed("%d targets", n)
	}
	raw, err := t.linear(o, v, int(n))
	if err != nil {
		return nil, err
	}
	t.regress = true
	out, err := t.postTransform(o, raw)
	return one(out), err
}

// linearClassifier: as many rows of coefficients as classes, or one row for two classes, whose score is the one of the
// second class (onnxruntime: [-s, s] without a transform, [1-p, p] with LOGISTIC).
func linearClassifier(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	v, ok := in[0].(*vector)
	if !ok {
		return nil, fmt.Errorf("computed numbers")
	}
	classes, err := classLabels(o, "classlabels_ints")
	if err != nil {
		return nil, err
	}
	rows := len(classes)
	coef := len(o.floats("coefficients"))
	if rows == 2 && (v.open && len(o.floats("intercepts")) == 1 || !v.open && coef == len(v.cols)) {
		rows = 1
	}
	raw, err := t.linear(o, v, rows)
	if err != nil {
		return nil, err
	}
	if rows == 1 {
		c := raw.cols[0]
		raw = raw.with([]column{c.scaled(-1, 0), c}, []int{2})
	}
	scores, err := t.postTransform(o, raw)
	return []value{&labels{raw, classes, false}, scores}, err
}

// classLabels reads the class list; ints names the attribute of the integer form.
func classLabels(o *operation, ints string) ([]quantize.Label, error) {
	if n := max(len(o.texts("classlabels_strings")), len(o.ints(ints))); n > quantize.MaxClasses {
		return nil, malformed("%d class labels, want 2 to %d", n, quantize.MaxClasses)
	}
	var out []quantize.Label
	if s := o.texts("classlabels_strings"); len(s) > 0 {
		for _, x := range s {
			out = append(out, quantize.Label{Text: x})
		}
	} else {
		for _, x := range o.ints(ints) {
			out = append(out, quantize.Label{Int: x, IsInt: true})
		}
	}
	if len(out) < 2 || len(out) > quantize.MaxClasses {
		return nil, malformed("%d class labels, want 2 to %d", len(out), quantize.MaxClasses)
	}
	return out, nil
}

// postTransform applies the attribute post_transform.
func (t *translator) postTransform(o *operation, raw *vector) (*vector, error) {
	return t.transformed(o, raw, o.string("post_transform", "NONE"))
}

// transformed applies a transform by its name. (onnxruntime applies none but PROBIT to a single target of a regressor; this
// importer follows the specification.)
func (t *translator) transformed(o *operation, raw *vector, p string) (*vector, error) {
	switch p {
	case "NONE":
		return raw, nil
	case "LOGISTIC":
		return newVector(&basis{kind: basisFunction, fn: "Sigmoid", n: len(raw.cols), arg: raw, node: o}), nil
	case "SOFTMAX":
		return newVector(&basis{kind: basisSoftmax, n: len(raw.cols), arg: raw, node: o}), nil
	case "PROBIT":
		return newVector(&basis{kind: basisFunction, fn: "Probit", n: len(raw.cols), arg: raw, node: o}), nil
	case "SOFTMAX_ZERO":
		return newVector(&basis{kind: basisSoftmaxZero, n: len(raw.cols), arg: raw, node: o}), nil
	}
	return nil, malformed("post_transform %q", p)
}
