package onnx

import (
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// clipColumns cuts single columns of the features, or what one tree gives; everything else is an activation.
func clipColumns(t *translator, o *operation, in []value) ([]value, error) {
	v, ok := in0(in).(*vector)
	if !ok || v.open {
		return clip(t, o, in)
	}
	if out, ok, err := t.unitClip(o, v, in); ok || err != nil {
		return one(out), err
	}
	_, tree := t.singleTree(v)
	if !tree && (v.base.kind != basisFeatures || !t.isClear(v) || !distinctColumns(v)) {
		return clip(t, o, in)
	}
	lo, hi, err := clipBounds(o, in)
	if err != nil {
		return nil, err
	}
	if tree {
		out, err := t.mapTree(v, v.shape, func(x, y []float64) {
			for i := range y {
				y[i] = math.Min(math.Max(x[i], lo), hi)
			}
		})
		return one(out), err
	}
	lo, hi = math.Max(lo, -math.MaxFloat32), math.Min(hi, math.MaxFloat32)
	out, err := t.each(v, false, func(_, k int) quantize.Step {
		return quantize.Step{Kind: quantize.StepClip, In: []int{k}, Args: []float64{lo, hi}}
	})
	return one(out), err
}

// clip is Relu when it only cuts below zero, nothing when it has no bounds, and a function else.
func clip(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 3)
	if err != nil {
		return nil, err
	}
	v, ok := in[0].(*vector)
	if !ok || v.open {
		return nil, fmt.Errorf("computed numbers")
	}
	lo, hi, err := clipBounds(o, in)
	if err != nil {
		return nil, err
	}
	if math.IsNaN(lo) || math.IsNaN(hi) {
		return nil, malformed("bounds %v and %v", lo, hi)
	}
	f := fnX
	switch {
	case lo <= -math.MaxFloat32 && hi >= math.MaxFloat32:
		return one(v), nil
	case lo == 0 && hi >= math.MaxFloat32:
		return one(elementwiseFunction(o, "Relu", v)), nil
	case lo > -math.MaxFloat32:
		f = fnCall(models.FnMaximum, f, fnNum(min(lo, math.MaxFloat32)))
	}
	if hi < math.MaxFloat32 { // the upper bound wins, as in numpy
		f = fnCall(models.FnMinimum, f, fnNum(max(hi, -math.MaxFloat32)))
	}
	return one(applied(o, v, func(int) models.Function { return f })), nil
}

// unitClip recognises (clip(s, -1, 1) + 1) / 2, which skl2onnx writes for SGDClassifier(loss="modified_huber"): the score
// (s+1)/2 cut to 0..1.
func (t *translator) unitClip(o *operation, v *vector, in []value) (*vector, bool, error) {
	lo, hi, err := clipBounds(o, in)
	if err != nil || lo != -1 || hi != 1 {
		return nil, false, nil
	}
	next := func(name, op string, c float64) (string, bool) {
		if t.spend(0, len(t.rec.ops)) != nil { // the budget's end shows at the next operator
			return "", false
		}
		users := t.users(name)
		if len(users) != 1 || users[0].op != op || len(users[0].inputs) != 2 || users[0].inputs[0] != name {
			return "", false
		}
		k, ok := t.values[users[0].inputs[1]].(*constant)
		return users[0].outputs[0], ok && len(k.data) == 1 && k.data[0] == c
	}
	added, ok := next(o.outputs[0], "Add", 1)
	if !ok {
		return nil, false, nil
	}
	if _, ok = next(added, "Div", 2); !ok {
		return nil, false, nil
	}
	half := v.with(make([]column, len(v.cols)), v.shape)
	if err := t.spend(v.weights(), v.weights()); err != nil {
		return nil, false, err
	}
	for i, c := range v.cols {
		half.cols[i] = c.scaled(0.5, 0.5)
	}
	u := elementwiseFunction(o, "Unit", half)
	for i, c := range u.cols {
		u.cols[i] = c.scaled(2, -1)
	}
	return u, true, nil
}

// users returns the operators that read a value.
func (t *translator) users(name string) []*operation {
	var out []*operation
	for _, o := range t.rec.ops {
		for _, in := range o.inputs {
			if in == name {
				out = append(out, o)
				break
			}
		}
	}
	return out
}

func in0(in []value) value {
	if len(in) == 0 {
		return nil
	}
	return in[0]
}

// distinctColumns reports whether no two columns read the same feature, as the units of a layer would.
func distinctColumns(v *vector) bool {
	seen := map[int32]bool{}
	for _, c := range v.cols {
		for _, k := range c.idx {
			if seen[k] {
				return false
			}
			seen[k] = true
		}
	}
	return true
}

// clipBounds reads the bounds of a Clip from its inputs or attributes.
func clipBounds(o *operation, in []value) (lo, hi float64, err error) {
	limit := func(k int, name string, def float64) (float64, error) {
		if k >= len(in) || in[k] == nil {
			return o.float(name, def), nil
		}
		c, ok := in[k].(*constant)
		if !ok || len(c.data) != 1 || math.IsNaN(c.data[0]) {
			return 0, fmt.Errorf("constant bounds")
		}
		return c.data[0], nil
	}
	if lo, err = limit(1, "min", math.Inf(-1)); err != nil {
		return 0, 0, err
	}
	hi, err = limit(2, "max", math.Inf(1))
	return lo, hi, err
}
