package onnx

import (
	"fmt"
)

// activation is an elementwise function; whether it ends a layer or is the link of the outputs shows at the end.
func activation(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	if c, ok := in[0].(*constant); ok && c.text == nil {
		return one(c.apply(namedFunctions[o.op])), nil
	}
	v, ok := in[0].(*vector)
	if !ok || v.open {
		return nil, fmt.Errorf("computed numbers")
	}
	return one(elementwiseFunction(o, o.op, v)), nil
}

func elementwiseFunction(o *operation, fn string, v *vector) *vector {
	out := newVector(&basis{kind: basisFunction, fn: fn, n: len(v.cols), arg: v, node: o})
	out.shape = v.shape
	return out
}

func softmax(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	v, ok := in[0].(*vector)
	if !ok || v.open {
		return nil, fmt.Errorf("computed numbers")
	}
	def := int64(-1)
	if s := t.file.opset(""); s > 0 && s < 13 {
		def = 1 // before opset 13 the axes from 1 on are taken together
	}
	if err := columnsAxis(v, o.int("axis", def)); err != nil {
		return nil, err
	}
	kind := basisSoftmax
	if o.op == "LogSoftmax" {
		kind = basisLogSoftmax
	}
	return one(newVector(&basis{kind: kind, n: len(v.cols), arg: v, node: o})), nil
}

// reciprocal and reciprocalOf recognise 1/(1+exp(-s)), the sigmoid that skl2onnx writes for SGDClassifier.
func reciprocal(t *translator, o *operation, in []value) ([]value, error) {
	v, err := computed(in)
	if err != nil {
		return nil, err
	}
	return t.reciprocalOf(o, &constant{typ: typeFloat, data: []float64{1}}, v)
}

func (t *translator) reciprocalOf(o *operation, c *constant, v *vector) ([]value, error) {
	bad := fmt.Errorf("the form 1/(1+exp(-s)) of a sigmoid")
	if v.open || v.base.kind != basisFunction || v.base.fn != "Exp" {
		return nil, bad
	}
	for _, x := range c.data {
		if x != 1 {
			return nil, bad
		}
	}
	arg := v.base.arg
	out := arg.with(make([]column, len(v.cols)), v.shape)
	for i, x := range v.cols {
		if len(x.idx) != 1 || x.w[0] != 1 || x.b != 1 {
			return nil, bad
		}
		y := arg.cols[x.idx[0]]
		if err := t.spend(len(y.idx), len(y.idx)); err != nil {
			return nil, err
		}
		out.cols[i] = y.scaled(-1, 0)
	}
	return one(elementwiseFunction(o, "Sigmoid", out)), nil
}

// expOp is an activation, but the exponential of the logarithm of a softmax is that softmax.
func expOp(t *translator, o *operation, v *vector) ([]value, error) {
	if v.base.kind == basisLogSoftmax && v.isIdentity() {
		return one(newVector(&basis{kind: basisSoftmax, n: len(v.cols), arg: v.base.arg, node: o})), nil
	}
	return one(elementwiseFunction(o, "Exp", v)), nil
}

// divideBySum recognises x/ReduceSum(x).
func (t *translator) divideBySum(o *operation, a, b *vector) ([]value, error) {
	bad := fmt.Errorf("a constant divisor, or the sum of the dividend's columns")
	if len(b.cols) != 1 || len(a.shape) != 1 || !sameBasis(a.base, b.base, 0) {
		return nil, bad
	}
	w := make([]float64, len(a.cols))
	for i := range w {
		w[i] = 1
	}
	s, err := t.matmul(a, w, 1, nil)
	if err != nil {
		return nil, err
	}
	if !s.cols[0].equal(b.cols[0]) {
		return nil, bad
	}
	return t.normalized(o, a)
}

// normalizer with norm L1 divides scores by the sum of their magnitudes. Scores of probabilities alone: on features it
// is no affine function.
func normalizer(t *translator, o *operation, in []value) ([]value, error) {
	v, err := computed(in)
	if err != nil {
		return nil, err
	}
	norm := o.string("norm", "MAX")
	kind, known := normsOf[norm]
	if !known {
		return nil, malformed("norm %q", norm)
	}
	if v.base.kind == basisFeatures && t.isClear(v) {
		return t.normalizeRows(v, kind)
	}
	if norm != "L1" {
		return nil, fmt.Errorf("norm L1 behind the scores, not %q", norm)
	}
	return t.normalized(o, v)
}

// lpNormalization with p 1 is the Normalizer of the default domain.
func lpNormalization(t *translator, o *operation, in []value) ([]value, error) {
	v, err := computed(in)
	if err != nil {
		return nil, err
	}
	if err := columnsAxis(v, o.int("axis", -1)); err != nil {
		return nil, err
	}
	p := o.int("p", 2)
	if v.base.kind == basisFeatures && t.isClear(v) && (p == 1 || p == 2) {
		return t.normalizeRows(v, normsOf[fmt.Sprintf("L%d", p)])
	}
	if p != 1 {
		return nil, fmt.Errorf("p 1 behind the scores, not %d", p)
	}
	return t.normalized(o, v)
}

// normalized divides non-negative scores by their sum.
func (t *translator) normalized(o *operation, v *vector) ([]value, error) {
	if len(v.cols) == 2 && v.base.kind == basisFunction && v.base.fn == "Sigmoid" && complement(v.cols[0], v.cols[1]) {
		return one(v), nil
	}
	if v.base.kind == basisTrees && !v.isIdentity() { // single outputs, in any choice
		var err error
		if v, err = t.identityTrees(v); err != nil {
			return nil, err
		}
	}
	v = compact(v)
	if v.isIdentity() {
		switch v.base.kind {
		case basisSoftmax, basisNormalize:
			return one(v), nil // sums to one already
		case basisFunction:
			switch v.base.fn {
			case "Sigmoid":
				return one(newVector(&basis{kind: basisNormalize, n: len(v.cols), arg: v, node: o})), nil
			case "Exp":
				return one(newVector(&basis{kind: basisSoftmax, n: len(v.cols), arg: v.base.arg, node: o})), nil
			}
		case basisTrees:
			if v.base.trees.distribution() {
				return one(v), nil
			}
			if v.base.trees.nonNegative() {
				return one(newVector(&basis{kind: basisNormalize, n: len(v.cols), arg: v, node: o})), nil
			}
		}
	}
	return nil, fmt.Errorf("probabilities (outputs of a sigmoid or softmax) to normalise")
}

// compact rewrites columns that are single outputs of an elementwise function, in any choice and order, as all outputs
// of that function on the chosen columns.
func compact(v *vector) *vector {
	if v.base.kind != basisFunction || v.base.fns != nil || v.isIdentity() {
		return v
	}
	index := make([]int, len(v.cols))
	for i, c := range v.cols {
		if len(c.idx) != 1 || c.w[0] != 1 || c.b != 0 {
			return v
		}
		index[i] = int(c.idx[0])
	}
	out := elementwiseFunction(v.base.node, v.base.fn, v.base.arg.pick(index, []int{len(index)}))
	out.shape = v.shape
	return out
}

// positive reports whether every column is >= 0, with strict > 0, by its form: a non-negative combination of outputs of
// functions that have only such values.
func (v *vector) positive(strict bool) bool {
	switch {
	case v.base.kind == basisSoftmax, v.base.kind == basisNormalize:
	case v.base.kind == basisFunction && (v.base.fn == "Sigmoid" || v.base.fn == "Exp"):
	default:
		return false
	}
	for _, c := range v.cols {
		if c.b < 0 || strict && c.b == 0 && len(c.w) == 0 {
			return false
		}
		for _, w := range c.w {
			if !(w > 0) {
				return false
			}
		}
	}
	return true
}

// abs changes nothing on probabilities.
func abs(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	if v, ok := in[0].(*vector); ok && v.positive(false) {
		return one(v), nil
	}
	return nil, fmt.Errorf("probabilities, of which it changes nothing")
}

// not of a constant.
func not(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	if v, ok := in[0].(*vector); ok && v.flags {
		return one(v.complemented()), nil
	}
	c, ok := in[0].(*constant)
	if !ok || c.ints == nil {
		return nil, fmt.Errorf("a comparison, or a constant")
	}
	out := &constant{typ: typeBool, shape: c.shape, data: make([]float64, len(c.ints)), ints: make([]int64, len(c.ints))}
	for i, v := range c.ints {
		if v == 0 {
			out.data[i], out.ints[i] = 1, 1
		}
	}
	return one(out), nil
}

// complement reports whether the columns are 1-p and p.
func complement(x, y column) bool {
	return len(y.idx) == 1 && y.w[0] == 1 && y.b == 0 && len(x.idx) == 1 && x.idx[0] == y.idx[0] && x.w[0] == -1 && x.b == 1
}
