package onnx

import (
	"fmt"
	"slices"
)

func concat(t *translator, o *operation, in []value) ([]value, error) {
	if len(in) == 0 {
		return nil, malformed("no inputs")
	}
	axis := o.int("axis", 1)
	var vecs []*vector
	var consts []*constant
	for _, x := range in {
		switch x := x.(type) {
		case *labels: // the bin of a column
			v, ok, err := t.numbers(x)
			if err != nil {
				return nil, err
			}
			if ok {
				vecs = append(vecs, v)
			}
		case *vector:
			vecs = append(vecs, x)
		case *constant:
			consts = append(consts, x)
		}
	}
	if len(consts) == len(in) {
		return t.concatConstants(consts, axis)
	}
	if len(consts) > 0 && len(vecs) > 0 && vecs[0].lead == 0 { // constants per row become columns without a variable
		vecs = vecs[:0]
		var base *basis
		for _, x := range in {
			if v, ok := x.(*vector); ok {
				base = v.base
			}
		}
		for _, x := range in {
			switch x := x.(type) {
			case *vector:
				vecs = append(vecs, x)
			case *constant:
				if v := constantColumns(base, x); base != nil && v != nil {
					vecs = append(vecs, v)
				}
			}
		}
	}
	if len(vecs) != len(in) {
		return nil, fmt.Errorf("either constants or computed numbers, not both")
	}
	acc := vecs[0]
	if acc.lead > 0 && axis == 0 {
		return t.concatLead(vecs)
	}
	for i, v := range vecs {
		if v.open || v.lead > 0 {
			return nil, fmt.Errorf("inputs with a fixed number of columns")
		}
		k, err := axisBehindRows(v, axis)
		if err != nil {
			return nil, err
		}
		if len(v.shape) != len(acc.shape) || !slices.Equal(v.shape[k+1:], acc.shape[k+1:]) || k >= len(acc.shape) || !slices.Equal(v.shape[:k], acc.shape[:k]) {
			return nil, fmt.Errorf("values that join at one axis behind the rows, not of shapes %v and %v", acc.shape, v.shape)
		}
		vecs[i] = v
	}
	at, err := axisBehindRows(acc, axis)
	if err != nil {
		return nil, err
	}
	if product(acc.shape[:at]) != 1 {
		return t.concatPlaces(vecs, at)
	}
	// The joined columns carry a scaler only when all do; parts is rebuilt after each change of basis.
	for _, v := range vecs[1:] {
		if len(acc.cols)+len(v.cols) > maxFeatures {
			return nil, fmt.Errorf("at most %d columns", maxFeatures)
		}
		a, b, err := t.join(acc, v)
		if err != nil {
			return nil, err
		}
		if err := t.spend(0, len(a.cols)+len(b.cols)); err != nil {
			return nil, err
		}
		cols := slices.Concat(a.cols, b.cols)
		shape := slices.Clone(acc.shape)
		shape[at] += v.shape[at]
		next := a.with(cols, shape)
		next.integer = a.integer && b.integer
		next.flags = a.flags && b.flags
		if a.scale != nil && b.scale != nil {
			next.offset, next.scale = slices.Concat(a.offset, b.offset), slices.Concat(a.scale, b.scale)
		}
		acc = next
	}
	return one(acc), nil
}

// concatPlaces joins rows at an inner axis.
func (t *translator) concatPlaces(vecs []*vector, at int) ([]value, error) {
	acc := vecs[0]
	places := []*constant{acc.places()}
	for _, v := range vecs[1:] {
		n := int64(len(acc.cols))
		p, q, err := t.join(acc.reshaped([]int{len(acc.cols)}), v.reshaped([]int{len(v.cols)}))
		if err != nil {
			return nil, fmt.Errorf("values of one layer: %w", err)
		}
		if len(p.cols)+len(q.cols) > maxFeatures {
			return nil, fmt.Errorf("at most %d columns", maxFeatures)
		}
		if err := t.spend(0, len(p.cols)+len(q.cols)); err != nil {
			return nil, err
		}
		acc = p.with(slices.Concat(p.cols, q.cols), []int{len(p.cols) + len(q.cols)})
		c := v.places()
		for i := range c.ints {
			c.ints[i] += n
			c.data[i] += float64(n)
		}
		places = append(places, c)
	}
	out, err := t.concatConstants(places, int64(at))
	if err != nil {
		return nil, err
	}
	return one(acc.arranged(out[0].(*constant))), nil
}

// constantColumns is a constant of one row as columns; nil when it has several rows, or texts.
func constantColumns(b *basis, c *constant) *vector {
	if c.text != nil || !c.rows || len(c.shape) < 2 || c.shape[0] != 1 {
		return nil
	}
	v := &vector{base: b, shape: c.shape[1:], cols: make([]column, len(c.data))}
	for i, x := range c.data {
		v.cols[i] = column{b: x}
	}
	return v
}

func (t *translator) concatConstants(cs []*constant, axis int64) ([]value, error) {
	r := len(cs[0].shape)
	if axis < 0 {
		axis += int64(r)
	}
	if axis < 0 || axis >= int64(r) {
		return nil, malformed("axis %d of shape %v", axis, cs[0].shape)
	}
	k := int(axis)
	outer := product(cs[0].shape[:k])
	shape := slices.Clone(cs[0].shape)
	shape[k] = 0
	integer, texts := true, true
	for _, c := range cs {
		if len(c.shape) != r || !slices.Equal(c.shape[:k], shape[:k]) || !slices.Equal(c.shape[k+1:], shape[k+1:]) {
			return nil, malformed("shapes %v and %v", cs[0].shape, c.shape)
		}
		shape[k] += c.shape[k]
		integer = integer && c.ints != nil
		texts = texts && c.text != nil
	}
	if shape[k] > t.maxConstant() || shape[k] > 0 && product(shape)/shape[k] > t.maxConstant()/shape[k] {
		return nil, errBudget
	}
	out := &constant{typ: cs[0].typ, shape: shape}
	for i := range outer {
		for _, c := range cs {
			n := len(c.data) / outer
			out.data = append(out.data, c.data[i*n:(i+1)*n]...)
			if integer {
				out.ints = append(out.ints, c.ints[i*n:(i+1)*n]...)
			}
			if texts {
				out.text = append(out.text, c.text[i*n:(i+1)*n]...)
			}
		}
	}
	if len(out.data) != product(shape) {
		return nil, malformed("shapes that do not join")
	}
	return one(out), nil
}
