package onnx

import (
	"fmt"
	"math"
)

// Typed access to attributes. A wrong type counts as absent where there is a default: onnx-go has checked the encoding,
// and operators validate what they need.

func (o *operation) int(name string, def int64) int64 {
	if v, ok := o.attributes[name].(int64); ok {
		return v
	}
	return def
}

func (o *operation) float(name string, def float64) float64 {
	if v, ok := o.attributes[name].(float32); ok {
		return float64(v)
	}
	return def
}

func (o *operation) string(name, def string) string {
	if v, ok := o.attributes[name].(string); ok && v != "" {
		return v
	}
	return def
}

func (o *operation) ints(name string) []int64 {
	v, _ := o.attributes[name].([]int64)
	return v
}

func (o *operation) texts(name string) []string {
	v, _ := o.attributes[name].([]string)
	return v
}

// floats returns a list of numbers, from the attribute of that name or from its double form NAME_as_tensor.
func (o *operation) floats(name string) []float64 {
	if c, ok := o.attributes[name+"_as_tensor"].(*constant); ok && len(c.data) > 0 {
		return c.data
	}
	v, _ := o.attributes[name].([]float32)
	if v == nil {
		return nil
	}
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// finite checks a list of weights.
func finite(what string, vs []float64) error {
	for i, v := range vs {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return malformed("%s %d is %v, not a finite number", what, i, v)
		}
	}
	return nil
}

// operands of fixed number; absent trailing ones are nil.
func arity(in []value, least, most int) ([]value, error) {
	if len(in) < least || len(in) > most {
		return nil, malformed("%d inputs, want %d to %d", len(in), least, most)
	}
	for i := range least {
		if in[i] == nil {
			return nil, malformed("input %d is missing", i)
		}
	}
	out := make([]value, most)
	copy(out, in)
	return out, nil
}

// computed is the one operand of an operator that takes computed numbers.
func computed(in []value) (*vector, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	v, ok := in[0].(*vector)
	if !ok {
		return nil, fmt.Errorf("computed numbers")
	}
	return v, nil
}

func one(v value) []value { return []value{v} }
