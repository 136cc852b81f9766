package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/quantize"
)

// constant is a tensor that is known at import: row-major data as float64 (exact for every type but 64-bit integers
// beyond 2^53), the integers themselves for integer types, and the texts for strings. A shape tensor read from a value
// with a batch axis holds -1 for it.
type constant struct {
	typ   int
	shape []int
	data  []float64
	ints  []int64
	text  []string
	rows  bool // its first axis, of length 1, stands for the rows
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// integers returns the elements as integers.
func (c *constant) integers() ([]int64, error) {
	if c.ints != nil || len(c.data) == 0 {
		return c.ints, nil
	}
	if c.text != nil {
		return nil, fmt.Errorf("texts where integers are expected")
	}
	out := make([]int64, len(c.data))
	for i, v := range c.data {
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return nil, fmt.Errorf("%v where an integer is expected", v)
		}
		out[i] = int64(v)
	}
	return out, nil
}

// labels returns the elements as class labels.
func (c *constant) labels() ([]quantize.Label, error) {
	if len(c.data) > maxKeys {
		return nil, fmt.Errorf("%d labels, more than %d", len(c.data), maxKeys)
	}
	out := make([]quantize.Label, len(c.data))
	if c.text != nil {
		for i, s := range c.text {
			out[i].Text = s
		}
		return out, nil
	}
	ints, err := c.integers()
	if err != nil {
		return nil, err
	}
	for i, v := range ints {
		out[i] = quantize.Label{Int: v, IsInt: true}
	}
	return out, nil
}

// pick builds the constant of the elements at index, in the given shape.
func (c *constant) pick(shape []int, index []int) *constant {
	out := &constant{typ: c.typ, shape: shape, data: make([]float64, len(index))}
	if c.ints != nil {
		out.ints = make([]int64, len(index))
	}
	if c.text != nil {
		out.text = make([]string, len(index))
	}
	for i, k := range index {
		out.data[i] = c.data[k]
		if c.ints != nil {
			out.ints[i] = c.ints[k]
		}
		if c.text != nil {
			out.text[i] = c.text[k]
		}
	}
	return out
}

// reshaped shares the elements under another shape.
func (c *constant) reshaped(shape []int) (*constant, error) {
	if product(shape) != len(c.data) {
		return nil, fmt.Errorf("%d elements cannot take shape %v", len(c.data), shape)
	}
	out := *c
	out.shape = shape
	return &out, nil
}

// cast converts the elements to another type.
func (c *constant) cast(typ int) (*constant, error) {
	out := &constant{typ: typ, shape: c.shape}
	switch {
	case c.text != nil || typ == typeString:
		if c.text != nil && typ == typeString {
			return c, nil
		}
		return nil, fmt.Errorf("a cast from %s to %s", typeName(c.typ), typeName(typ))
	case isIntegerType(typ):
		out.ints = make([]int64, len(c.data))
		for i, v := range c.data {
			switch {
			case c.ints != nil:
				out.ints[i] = c.ints[i]
			case math.Abs(v) < 1<<62: // false for NaN
				out.ints[i] = int64(v)
			default:
				return nil, fmt.Errorf("a cast of %v to %s", v, typeName(typ))
			}
			if typ == typeBool && v != 0 {
				out.ints[i] = 1
			}
		}
		out.data = make([]float64, len(c.data))
		for i, v := range out.ints {
			out.data[i] = float64(v)
		}
	case typ == typeFloat:
		out.data = make([]float64, len(c.data))
		for i, v := range c.data {
			out.data[i] = float64(float32(v))
		}
	case typ == typeDouble:
		out.data = c.data
	default:
		return nil, fmt.Errorf("a cast to %s", typeName(typ))
	}
	return out, nil
}

// transpose permutes the axes.
func (c *constant) transpose(perm []int64) (*constant, error) {
	r := len(c.shape)
	p := make([]int, r)
	seen := make([]bool, r)
	for i := range p {
		p[i] = r - 1 - i
		if perm != nil {
			if len(perm) != r || perm[i] < 0 || perm[i] >= int64(r) {
				return nil, fmt.Errorf("a permutation %v of %d axes", perm, r)
			}
			p[i] = int(perm[i])
		}
		if seen[p[i]] {
			return nil, fmt.Errorf("a permutation %v that repeats an axis", perm)
		}
		seen[p[i]] = true
	}
	stride := make([]int, r)
	s := 1
	for i := r - 1; i >= 0; i-- {
		stride[i] = s
		s *= c.shape[i]
	}
	shape := make([]int, r)
	step := make([]int, r)
	for i, a := range p {
		shape[i], step[i] = c.shape[a], stride[a]
	}
	index := make([]int, len(c.data))
	at := make([]int, r)
	pos := 0
	for i := range index {
		index[i] = pos
		for a := r - 1; a >= 0; a-- {
			at[a]++
			pos += step[a]
			if at[a] < shape[a] {
				break
			}
			pos -= at[a] * step[a]
			at[a] = 0
		}
	}
	return c.pick(shape, index), nil
}

// gather takes slices along an axis, as the Gather operator does.
func (c *constant) gather(axis int, index []int64, indexShape []int) (*constant, error) {
	n := c.shape[axis]
	outer, inner := product(c.shape[:axis]), product(c.shape[axis+1:])
	if len(index) > 0 && outer*inner > expansion(len(c.data)+len(index))/len(index) {
		return nil, fmt.Errorf("far more elements than its inputs hold")
	}
	pos := make([]int, 0, outer*len(index)*inner)
	for o := range outer {
		for _, k := range index {
			if k < 0 {
				k += int64(n)
			}
			if k < 0 || k >= int64(n) {
				return nil, fmt.Errorf("index %d of %d", k, n)
			}
			for i := range inner {
				pos = append(pos, (o*n+int(k))*inner+i)
			}
		}
	}
	shape := slices.Concat(c.shape[:axis], indexShape, c.shape[axis+1:])
	return c.pick(shape, pos), nil
}

// broadcastShape is numpy's rule.
func broadcastShape(a, b []int) ([]int, error) {
	r := max(len(a), len(b))
	out := make([]int, r)
	for i := range out {
		x, y := 1, 1
		if k := i - (r - len(a)); k >= 0 {
			x = a[k]
		}
		if k := i - (r - len(b)); k >= 0 {
			y = b[k]
		}
		switch {
		case x == y || y == 1:
			out[i] = x
		case x == 1:
			out[i] = y
		default:
			return nil, fmt.Errorf("shapes %v and %v do not broadcast", a, b)
		}
	}
	n, limit := 1, expansion(product(a)+product(b))
	for _, d := range out {
		if d > 0 && n > limit/d {
			return nil, fmt.Errorf("shapes %v and %v broadcast to far more elements than they hold", a, b)
		}
		n *= d
	}
	return out, nil
}

// expansion bounds the elements that an operator may make of n.
func expansion(n int) int { return max(1<<17, n) }

// broadcastIndex returns, for every element of out (row-major), the position of its element in an array of shape in.
func broadcastIndex(in, out []int) []int {
	r := len(out)
	step := make([]int, r)
	s := 1
	for i := r - 1; i >= 0; i-- {
		if k := i - (r - len(in)); k >= 0 {
			if in[k] > 1 {
				step[i] = s
			}
			s *= in[k]
		}
	}
	index := make([]int, product(out))
	at := make([]int, r)
	pos := 0
	for i := range index {
		index[i] = pos
		for a := r - 1; a >= 0; a-- {
			at[a]++
			pos += step[a]
			if at[a] < out[a] {
				break
			}
			pos -= at[a] * step[a]
			at[a] = 0
		}
	}
	return index
}

// paired broadcasts two constants of numbers as numpy does: the shape, and the position in either of every element.
func paired(a, b *constant) (shape, ia, ib []int, err error) {
	if a.text != nil || b.text != nil {
		return nil, nil, nil, fmt.Errorf("arithmetic on texts")
	}
	if shape, err = broadcastShape(a.shape, b.shape); err != nil {
		return nil, nil, nil, err
	}
	return shape, broadcastIndex(a.shape, shape), broadcastIndex(b.shape, shape), nil
}

// combine applies an elementwise operator to two constants.
func combine(op string, a, b *constant) (*constant, error) {
	shape, ia, ib, err := paired(a, b)
	if err != nil {
		return nil, err
	}
	integer := a.ints != nil && b.ints != nil
	out := &constant{typ: a.typ, shape: shape, data: make([]float64, len(ia))}
	for i := range out.data {
		x, y := a.data[ia[i]], b.data[ib[i]]
		var v float64
		switch op {
		case "Add":
			v = x + y
		case "Sub":
			v = x - y
		case "Mul":
			v = x * y
		case "Div":
			if integer && y == 0 {
				return nil, fmt.Errorf("an integer division by zero")
			}
			v = x / y
			if integer {
				v = math.Trunc(v)
			}
		default:
			return nil, fmt.Errorf("operator %s on constants", op)
		}
		if a.typ == typeFloat && b.typ == typeFloat {
			v = float64(float32(v)) // as the producer's runtime folds it
		}
		out.data[i] = v
	}
	if integer {
		out.ints = make([]int64, len(out.data))
		for i, v := range out.data {
			if math.Abs(v) > 1<<53 {
				return nil, fmt.Errorf("an integer beyond 2^53")
			}
			out.ints[i] = int64(v)
		}
	}
	return out, nil
}

func boolConstant(shape []int, v []float64) *constant {
	c := &constant{typ: typeBool, shape: shape, data: v, ints: make([]int64, len(v))}
	for i, x := range v {
		c.ints[i] = int64(x)
	}
	return c
}

func allZero(c *constant) bool {
	for _, x := range c.data {
		if x != 0 {
			return false
		}
	}
	return true
}

// zip applies a function to two constants with numpy's broadcasting.
func zip(a, b *constant, f func(x, y float64) float64) (*constant, error) {
	shape, ia, ib, err := paired(a, b)
	if err != nil {
		return nil, err
	}
	out := &constant{typ: a.typ, shape: shape, data: make([]float64, len(ia))}
	for i := range out.data {
		out.data[i] = f(a.data[ia[i]], b.data[ib[i]])
		if a.typ == typeFloat {
			out.data[i] = float64(float32(out.data[i]))
		}
	}
	return out, nil
}
