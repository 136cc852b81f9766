package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
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
	v, err := computed(in)
	if err != nil {
		return nil, err
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
	v, err := computed(in)
	if err != nil {
		return nil, err
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
