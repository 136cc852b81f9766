package onnx

import (
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/quantize"
)

// clearInput returns the operand of an encoder: columns of the features, not weighted sums of several.
func (t *translator) clearInput(in []value, columns int) (*vector, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	v, ok, err := t.numbers(in[0])
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("columns of the features")
	}
	if v.base.kind != basisFeatures {
		return nil, fmt.Errorf("to come before the model, on columns of the features")
	}
	if v.open && columns > 0 {
		if err := t.widen(v, columns); err != nil {
			return nil, err
		}
	}
	if !t.isClear(v) {
		return nil, fmt.Errorf("single columns of the features; it reads weighted sums of them")
	}
	return v, nil
}

// clearSlots is clearInput with the slots that hold its columns.
func (t *translator) clearSlots(in []value) (*vector, []int, error) {
	v, err := t.clearInput(in, 0)
	if err != nil {
		return nil, nil, err
	}
	slots, err := t.slotsOf(v)
	return v, slots, err
}

// imputer fills missing values; replaced_value other than NaN names the value that stands for them.
func imputer(t *translator, o *operation, in []value) ([]value, error) {
	fill, replaced := o.floats("imputed_value_floats"), o.float("replaced_value_float", math.NaN())
	if _, ok := o.attributes["replaced_value_float"]; !ok {
		replaced = 0 // the operator's default
	}
	if ints := o.ints("imputed_value_int64s"); len(fill) == 0 && len(ints) > 0 {
		for _, v := range ints {
			fill = append(fill, float64(v))
		}
		replaced = float64(o.int("replaced_value_int64", 0))
	}
	v, err := t.clearInput(in, len(fill))
	if err != nil {
		return nil, err
	}
	if len(fill) != 1 && len(fill) != len(v.cols) {
		return nil, malformed("%d fill values for %d columns", len(fill), len(v.cols))
	}
	if err := finiteConstant(fill...); err != nil {
		return nil, err
	}
	if math.IsInf(replaced, 0) {
		return nil, fmt.Errorf("a finite value, or NaN, to replace")
	}
	out, err := t.each(v, false, func(i, k int) quantize.Step {
		s := quantize.Step{Kind: quantize.StepFill, In: []int{k}, Args: []float64{fill[min(i, len(fill)-1)]}}
		if !math.IsNaN(replaced) {
			s.Args = append(s.Args, replaced)
		}
		return s
	})
	return one(out), err
}

// binarizer is 1 above the threshold, else 0.
func binarizer(t *translator, o *operation, in []value) ([]value, error) {
	v, err := t.clearInput(in, 0)
	if err != nil {
		return nil, err
	}
	threshold := o.float("threshold", 0)
	if err := finiteConstant(threshold); err != nil {
		return nil, err
	}
	out, err := t.each(v, true, func(_, k int) quantize.Step {
		return quantize.Step{Kind: quantize.StepAbove, In: []int{k}, Args: []float64{threshold}}
	})
	if err != nil {
		return nil, err
	}
	out.flags = true
	return one(out), nil
}

// keys returns the numbers that stand for categories in slot k: integers or floats, or the numbers of texts.
func (t *translator) keys(k int, ints []int64, floats []float64, texts []string) ([]float64, error) {
	s := t.clear.slots[k]
	var out []float64
	switch {
	case len(texts) > 0 && s.text:
		for _, w := range texts {
			out = append(out, t.word(k, w))
		}
	case s.text || len(texts) > 0:
		return nil, malformed("categories of another type than column %q", s.name)
	case len(ints) > 0:
		for _, v := range ints {
			out = append(out, float64(v))
		}
	default:
		out = floats
	}
	if len(out) == 0 {
		return nil, malformed("no categories")
	}
	return out, finiteConstant(out...)
}

// oneHotEncoder gives every column as many columns as there are categories. An unknown category has zeros everywhere, or
// is an error where the attribute zeros is 0.
func oneHotEncoder(t *translator, o *operation, in []value) ([]value, error) {
	v, slots, err := t.clearSlots(in)
	if err != nil {
		return nil, err
	}
	ints, texts := o.ints("cats_int64s"), o.texts("cats_strings")
	strict := o.int("zeros", 1) == 0
	n := max(len(ints), len(texts))
	if n > maxFeatures/max(1, len(slots)) {
		return nil, fmt.Errorf("at most %d columns", maxFeatures)
	}
	out := v.with(nil, append(append([]int(nil), v.shape...), n))
	for _, k := range slots {
		keys, err := t.keys(k, ints, nil, texts)
		if err != nil {
			return nil, err
		}
		name := t.clear.slots[k].name
		if !t.clear.slots[k].text && !t.clear.slots[k].integer { // the operator casts to an integer
			if k, err = t.step(quantize.Step{Kind: quantize.StepTruncate, In: []int{k}}, true); err != nil {
				return nil, err
			}
		}
		if strict {
			s := quantize.Step{Kind: quantize.StepMap, In: []int{k}, Strict: true}
			for i, key := range keys {
				s.Args = append(s.Args, key, float64(i))
				keys[i] = float64(i)
			}
			s.Args = append(s.Args, 0)
			if k, err = t.step(s, true); err != nil {
				return nil, err
			}
		}
		for i, key := range keys {
			label := fmt.Sprint(key)
			if len(texts) > 0 {
				label = texts[i]
			} else if len(ints) > 0 {
				label = fmt.Sprint(ints[i])
			}
			at, err := t.step(quantize.Step{Kind: quantize.StepMap, In: []int{k}, Args: []float64{key, 1, 0}}, true, name+"="+label)
			if err != nil {
				return nil, err
			}
			out.cols = append(out.cols, slotColumn(at))
		}
	}
	out.flags = true
	return one(out), nil
}

// encodeColumn is LabelEncoder on columns of the features: categories become numbers.
func (t *translator) encodeColumn(o *operation, in []value) ([]value, error) {
	v, slots, err := t.clearSlots(in)
	if err != nil {
		return nil, err
	}
	list := func(name string) (ints []int64, floats []float64, texts []string) {
		if c, ok := o.attributes[name+"_tensor"].(*constant); ok {
			if c.text != nil {
				return nil, nil, c.text
			}
			return nil, c.data, nil
		}
		return o.ints(name + "_int64s"), o.floats(name + "_floats"), o.texts(name + "_strings")
	}
	vi, vf, vt := list("values")
	if len(vt) > 0 {
		return nil, fmt.Errorf("numbers as values")
	}
	def := 0.0
	switch {
	case len(vi) > 0:
		def = float64(o.int("default_int64", -1))
		for _, x := range vi {
			vf = append(vf, float64(x))
		}
	default:
		def = o.float("default_float", 0)
	}
	if c, ok := o.attributes["default_tensor"].(*constant); ok && len(c.data) == 1 {
		def = c.data[0]
	}
	if math.IsNaN(def) || math.IsInf(def, 0) {
		return nil, fmt.Errorf("a finite number for unknown categories")
	}
	if err := finiteConstant(vf...); err != nil {
		return nil, err
	}
	out := v.with(make([]column, len(slots)), v.shape)
	for i, k := range slots {
		ki, kf, kt := list("keys")
		keys, err := t.keys(k, ki, kf, kt)
		if err != nil {
			return nil, err
		}
		if len(keys) != len(vf) {
			return nil, malformed("%d keys and %d values", len(keys), len(vf))
		}
		s := quantize.Step{Kind: quantize.StepMap, In: []int{k}}
		for j, key := range keys {
			s.Args = append(s.Args, key, vf[j])
		}
		s.Args = append(s.Args, def)
		at, err := t.step(s, len(vi) > 0)
		if err != nil {
			return nil, err
		}
		out.cols[i] = slotColumn(at)
	}
	return one(out), nil
}

// normsOf maps the norm of a Normalizer to its step.
var normsOf = map[string]quantize.StepKind{"L1": quantize.StepNormL1, "L2": quantize.StepNormL2, "MAX": quantize.StepNormMax}

// normalizeRows divides rows of features by their norm.
func (t *translator) normalizeRows(v *vector, kind quantize.StepKind) ([]value, error) {
	if v.open || len(v.shape) != 1 || !t.isClear(v) {
		return nil, fmt.Errorf("single columns of the features, in a fixed number, or probabilities")
	}
	slots, err := t.slotsOf(v)
	if err != nil {
		return nil, err
	}
	if err := t.numeric(slots); err != nil {
		return nil, err
	}
	names := make([]string, len(slots))
	for i, k := range slots {
		names[i] = t.clear.slots[k].name
	}
	at, err := t.step(quantize.Step{Kind: kind, In: slots}, false, names...)
	if err != nil {
		return nil, err
	}
	out := v.with(make([]column, len(slots)), v.shape)
	for i := range out.cols {
		out.cols[i] = slotColumn(at + i)
	}
	return one(out), nil
}

// featureVectorizer joins its inputs.
func featureVectorizer(t *translator, o *operation, in []value) ([]value, error) {
	return concat(t, &operation{fileNode: o.fileNode, attributes: map[string]any{"axis": int64(1)}}, in)
}
