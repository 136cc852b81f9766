package onnx

import (
	"slices"
)

// programGather takes slices along an axis at constant indices, or looks encrypted indices up in a constant table.
func programGather(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 2)
	x, index := in[0], in[1]
	if len(x.shape) == 0 {
		refuse("it indexes a number; export the graph again")
	}
	axis := axisOf(o.int("axis", 0), len(x.shape))
	if index.encrypted() {
		return []*array{p.lookup(x, index, axis)}
	}
	at := index.constants("indices")
	outer, inner, n := product(x.shape[:axis]), product(x.shape[axis+1:]), x.shape[axis]
	shape := slices.Concat(x.shape[:axis], index.shape, x.shape[axis+1:])
	idx := make([]int, 0, p.sized(shape))
	for a := range outer {
		for _, k := range at {
			for b := range inner {
				idx = append(idx, (a*n+wrapped(k, n))*inner+b)
			}
		}
	}
	return p.arranged(x, idx, shape)
}

// lookup is a constant table at encrypted indices: one table for each place of the other axes.
func (p *program) lookup(x, index *array, axis int) *array {
	if x.encrypted() {
		refuse("an encrypted number picks from encrypted ones: use Where with a comparison for each index")
	}
	if index.ints() == nil {
		refuse("its indices are no integers; export the graph again")
	}
	outer, inner, n := product(x.shape[:axis]), product(x.shape[axis+1:]), x.shape[axis]
	shape := slices.Concat(x.shape[:axis], index.shape, x.shape[axis+1:])
	p.sized(shape)
	if lo, hi := index.v.Bounds(); lo < -int64(n) || hi >= int64(n) {
		refuse("an index of %d to %d into a table of %d: Clip it first, or describe narrower inputs", lo, hi, n)
	}
	m := product(index.shape)
	var parts []*array
	for a := range outer {
		for b := range inner {
			column := make([]int, n)
			for k := range column {
				column[k] = (a*n+k)*inner + b
			}
			v := p.must(p.b.Lookup(p.pick(x.v, column, []int{n}), p.reshaped(index.v, []int{m})))
			parts = append(parts, &array{v: p.reshaped(v, []int{m, 1}), typ: x.typ, shape: []int{m, 1}})
		}
	}
	all := p.concat(parts, 1) // [index, outer*inner]
	return p.arrange(all, shape, func(at []int) int {
		o, i, k := 0, 0, 0
		for d, c := range at {
			switch {
			case d < axis:
				o = o*shape[d] + c
			case d < axis+len(index.shape):
				k = k*shape[d] + c
			default:
				i = i*shape[d] + c
			}
		}
		return k*(outer*inner) + o*inner + i
	})[0]
}

// gatherElements takes, for each place of constant indices, the element at that index of an axis.
func gatherElements(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 2)
	x, at := in[0], in[1].constants("indices")
	axis := axisOf(o.int("axis", 0), len(x.shape))
	shape := in[1].shape
	if len(shape) != len(x.shape) {
		refuse("its indices have %d axes for an array of %d; export the graph again", len(shape), len(x.shape))
	}
	for d, n := range shape {
		if d != axis && n > x.shape[d] {
			refuse("its indices of shape %v do not fit an array of shape %v; export the graph again", shape, x.shape)
		}
	}
	step := stridesOf(x.shape)
	i := -1
	return p.arrange(x, shape, func(place []int) int {
		i++
		return dotOf(place, step) + (wrapped(at[i], x.shape[axis])-place[axis])*step[axis]
	})
}

// gatherND takes slices at constant positions of the first axes.
func gatherND(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 2)
	if o.int("batch_dims", 0) != 0 {
		refuse("it has batch dimensions; use Gather")
	}
	x, at := in[0], in[1].constants("indices")
	starts, k, shape := slicesOf(x, in[1].shape, at)
	inner := product(x.shape[k:])
	shape = slices.Concat(shape, x.shape[k:])
	idx := make([]int, 0, p.sized(shape))
	for _, s := range starts {
		for b := range inner {
			idx = append(idx, s+b)
		}
	}
	return p.arranged(x, idx, shape)
}

// slicesOf reads positions [..., k] of the first k axes of x: the first element of each slice, k, and the axes before the last.
func slicesOf(x *array, shape []int, at []int64) (starts []int, k int, outer []int) {
	if len(shape) == 0 || shape[len(shape)-1] > len(x.shape) {
		refuse("its indices of shape %v do not fit an array of shape %v; export the graph again", shape, x.shape)
	}
	k = shape[len(shape)-1]
	step := stridesOf(x.shape)
	for i := 0; i+k <= len(at); i += k {
		s := 0
		for d := range k {
			s += wrapped(at[i+d], x.shape[d]) * step[d]
		}
		starts = append(starts, s)
	}
	return starts, k, shape[:len(shape)-1]
}

// scatterND replaces slices at constant positions: what x[i] = y of PyTorch becomes.
func scatterND(p *program, o *operation, in []*array) []*array {
	in = operands(in, 3, 3)
	if o.string("reduction", "none") != "none" {
		refuse("it combines values by %s; use the arithmetic operators", o.string("reduction", ""))
	}
	x, y := in[0], in[2]
	starts, k, outer := slicesOf(x, in[1].shape, in[1].constants("indices"))
	inner := product(x.shape[k:])
	if !slices.Equal(slices.Concat(outer, x.shape[k:]), y.shape) {
		refuse("it puts an array of shape %v where one of shape %v is expected; export the graph again", y.shape, slices.Concat(outer, x.shape[k:]))
	}
	idx := counting(product(x.shape))
	for i, s := range starts {
		for b := range inner {
			idx[s+b] = len(idx) + i*inner + b
		}
	}
	return p.arranged(p.concat([]*array{p.flat(x), p.flat(y)}, 0), idx, x.shape)
}

// scatterElements replaces single elements at constant indices of an axis.
func scatterElements(p *program, o *operation, in []*array) []*array {
	in = operands(in, 3, 3)
	if o.string("reduction", "none") != "none" {
		refuse("it combines values by %s; use the arithmetic operators", o.string("reduction", ""))
	}
	x, y, at := in[0], in[2], in[1].constants("indices")
	axis := axisOf(o.int("axis", 0), len(x.shape))
	shape := in[1].shape
	if !slices.Equal(shape, y.shape) || len(shape) != len(x.shape) {
		refuse("its indices of shape %v do not fit values of shape %v; export the graph again", shape, y.shape)
	}
	step := stridesOf(x.shape)
	idx := counting(product(x.shape))
	eachPlace(shape, func(i int, place []int) {
		for d, c := range place {
			if d != axis && c >= x.shape[d] {
				refuse("its indices of shape %v do not fit an array of shape %v; export the graph again", shape, x.shape)
			}
		}
		idx[dotOf(place, step)+(wrapped(at[i], x.shape[axis])-place[axis])*step[axis]] = len(idx) + i
	})
	return p.arranged(p.concat([]*array{p.flat(x), p.flat(y)}, 0), idx, x.shape)
}
