package onnx

import (
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/importers/numpy"
)

// arranged makes an array of a's elements: element i of the result is element idx[i].
func (p *program) arranged(a *array, idx, shape []int) []*array {
	if product(shape) == 0 { // what exporters leave in computations of shapes
		return []*array{{typ: a.typ, shape: shape}}
	}
	return []*array{{v: p.pick(a.v, idx, shape), typ: a.typ, shape: shape}}
}

// arrange is arranged for a function from places of the result to elements of a.
func (p *program) arrange(a *array, shape []int, from func(at []int) int) []*array {
	if product(shape) == 0 {
		return p.arranged(a, nil, shape)
	}
	idx := make([]int, p.sized(shape))
	eachPlace(shape, func(i int, at []int) { idx[i] = from(at) })
	return p.arranged(a, idx, shape)
}

// constantOf makes an array of int64.
func (p *program) constantOf(ints []int64, shape []int) []*array {
	a := &array{typ: typeInt64, shape: shape}
	if len(ints) > 0 {
		a.v = numpy.Array(shape, ints)
	}
	return []*array{a}
}

func programIdentity(p *program, o *operation, in []*array) []*array {
	if len(in) == 0 || in[0] == nil {
		refuse("its input is missing; export the graph again")
	}
	if o.op == "Dropout" && len(in) > 2 && in[2] != nil && in[2].v != nil && (in[2].encrypted() || number(in[2].v) != 0) {
		refuse("it drops values at random, in training; export the model for inference")
	}
	return in[:1]
}

func programConstant(p *program, o *operation, in []*array) []*array {
	out, err := constantOp(nil, o, nil)
	if err != nil {
		refuse("its value is none that programs have: %v; export the graph again", err)
	}
	a, err := p.arrayOf(out[0].(*constant))
	if err != nil {
		refuse("its value is none that programs have: %v; export the graph again", err)
	}
	return []*array{a}
}

// programConstantOfShape repeats one number.
func programConstantOfShape(p *program, o *operation, in []*array) []*array {
	in = operands(in, 0, 1)
	shape := sizes(in[0].constants("sizes"))
	value := &constant{typ: typeFloat, data: []float64{0}, shape: []int{1}}
	if c, ok := o.attributes["value"].(*constant); ok {
		value = c
	}
	a, err := p.arrayOf(value)
	if err != nil || product(value.shape) != 1 {
		refuse("its value is no number; export the graph again")
	}
	return p.arranged(a, make([]int, p.sized(shape)), shape)
}

// sizes are lengths of axes.
func sizes(ints []int64) []int {
	out := make([]int, len(ints))
	for i, d := range ints {
		if d < 0 || d > maxProgramElements {
			refuse("an axis has length %d, want 1 to %d", d, maxProgramElements)
		}
		out[i] = int(d)
	}
	return out
}

// programRange counts from a start to a limit.
func programRange(p *program, o *operation, in []*array) []*array {
	in = operands(in, 3, 3)
	typ := sameType(in)
	var x [3]float64
	for i, a := range in {
		if a.encrypted() || product(a.shape) != 1 {
			refuse("its limits depend on encrypted numbers, and must be constant; export the graph with constants there")
		}
		x[i] = number(a.v)
	}
	n := max(0, math.Ceil((x[1]-x[0])/x[2]))
	if !(n >= 1 && n <= maxProgramElements) {
		refuse("it counts from %v to %v by %v; use 1 to %d numbers", x[0], x[1], x[2], maxProgramElements)
	}
	c := &constant{typ: typ, shape: []int{int(n)}, data: make([]float64, int(n))}
	for i := range c.data { // adding up, as onnxruntime
		if c.data[i] = x[0]; i > 0 {
			c.data[i] = rounded(typ, sumOf)(c.data[i-1], x[2])
		}
		c.ints = append(c.ints, int64(c.data[i]))
	}
	a, err := p.arrayOf(c)
	if err != nil {
		refuse("%v", err)
	}
	return []*array{a}
}

// programShape is the shape of an array, or a part of it.
func programShape(p *program, o *operation, in []*array) []*array {
	in = operands(in, 1, 1)
	shape := in[0].shape
	from, to := bound(o.int("start", 0), len(shape)), bound(o.int("end", int64(len(shape))), len(shape))
	var ints []int64
	for i := from; i < to; i++ {
		ints = append(ints, int64(shape[i]))
	}
	return p.constantOf(ints, []int{len(ints)})
}

func programSize(p *program, o *operation, in []*array) []*array {
	return p.constantOf([]int64{int64(product(operands(in, 1, 1)[0].shape))}, []int{})
}

func programReshape(p *program, o *operation, in []*array) []*array {
	x := operands(in, 1, 2)[0]
	want := o.ints("shape")
	if len(in) > 1 {
		want = slices.Clone(in[1].constants("sizes"))
	}
	if len(want) > maxRank {
		refuse("it makes an array of %d axes, more than %d; use fewer", len(want), maxRank)
	}
	if o.int("allowzero", 0) != 0 && slices.Contains(want, 0) {
		refuse("it makes an array without elements; export the graph without it")
	}
	shape, err := target(want, x.shape, product(x.shape))
	if err != nil {
		refuse("%v; export the graph again", err)
	}
	return p.arranged(x, counting(product(x.shape)), shape)
}

func programFlatten(p *program, o *operation, in []*array) []*array {
	x := operands(in, 1, 1)[0]
	axis := o.int("axis", 1)
	if axis < 0 {
		axis += int64(len(x.shape))
	}
	if axis < 0 || axis > int64(len(x.shape)) {
		refuse("axis %d of an array of %d axes; export the graph again", axis, len(x.shape))
	}
	return p.arranged(x, counting(product(x.shape)), []int{product(x.shape[:axis]), product(x.shape[axis:])})
}

func programSqueeze(p *program, o *operation, in []*array) []*array {
	x := operands(in, 1, 2)[0]
	axes := axesOf(o, in, 1, len(x.shape))
	shape := []int{}
	for i, d := range x.shape {
		switch {
		case axes == nil && d == 1:
		case slices.Contains(axes, i):
			if d != 1 {
				refuse("it removes axis %d, which has length %d; export the graph again", i, d)
			}
		default:
			shape = append(shape, d)
		}
	}
	return p.arranged(x, counting(product(x.shape)), shape)
}

func programUnsqueeze(p *program, o *operation, in []*array) []*array {
	x := operands(in, 1, 2)[0]
	n := len(o.ints("axes"))
	if len(in) > 1 && in[1] != nil {
		n = len(in[1].constants("axes"))
	}
	shape := slices.Clone(x.shape)
	for _, a := range axesOf(o, in, 1, len(x.shape)+n) {
		shape = slices.Insert(shape, a, 1)
	}
	return p.arranged(x, counting(product(x.shape)), shape)
}

func programTranspose(p *program, o *operation, in []*array) []*array {
	x := operands(in, 1, 1)[0]
	return p.transposed(x, o.ints("perm"))
}

// transposed exchanges axes; without perm it reverses them.
func (p *program) transposed(x *array, perm []int64) []*array {
	rank := len(x.shape)
	if perm == nil {
		for i := range rank {
			perm = append(perm, int64(rank-1-i))
		}
	}
	if len(perm) != rank {
		refuse("it names %d of %d axes; export the graph again", len(perm), rank)
	}
	stride := stridesOf(x.shape)
	shape, step := make([]int, rank), make([]int, rank)
	seen := make([]bool, rank)
	for i, a := range perm {
		k := axisOf(a, rank)
		if seen[k] {
			refuse("axis %d occurs twice; export the graph again", a)
		}
		seen[k], shape[i], step[i] = true, x.shape[k], stride[k]
	}
	return p.arrange(x, shape, func(at []int) int { return dotOf(at, step) })
}

func dotOf(at, step []int) int {
	s := 0
	for i, a := range at {
		s += a * step[i]
	}
	return s
}

// expand broadcasts to a shape, in which an axis of length 1 keeps that of the array.
func expand(p *program, o *operation, in []*array) []*array {
	in = operands(in, 1, 2)
	shape := p.common(in[0].shape, sizes(in[1].constants("sizes")))
	return p.arranged(in[0], broadcastIndex(in[0].shape, shape), shape)
}

func tile(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 2)
	x, times := in[0], sizes(in[1].constants("repeats"))
	if len(times) != len(x.shape) {
		refuse("it repeats %d of %d axes; export the graph again", len(times), len(x.shape))
	}
	shape := make([]int, len(times))
	for i, t := range times {
		shape[i] = x.shape[i] * t
	}
	step := stridesOf(x.shape)
	return p.arrange(x, shape, func(at []int) int {
		s := 0
		for i, a := range at {
			s += a % x.shape[i] * step[i]
		}
		return s
	})
}

func programConcat(p *program, o *operation, in []*array) []*array {
	var parts []*array
	for _, a := range in {
		if a == nil {
			refuse("one of its inputs is missing; export the graph again")
		}
		if a.v != nil {
			parts = append(parts, a)
		}
	}
	if len(parts) == 0 {
		refuse("it makes an array without elements; export the graph without it")
	}
	return []*array{p.concat(parts, o.int("axis", 0))}
}

// concat joins arrays of one type along an axis.
func (p *program) concat(parts []*array, axis int64) *array {
	at := axisOf(axis, len(parts[0].shape))
	values := make([]*numpy.Value, len(parts))
	shape := slices.Clone(parts[0].shape)
	for i, a := range parts {
		if a.typ != parts[0].typ {
			sameType(parts)
		}
		if i > 0 && len(a.shape) == len(shape) {
			shape[at] += a.shape[at]
		}
		values[i] = a.v
	}
	p.sized(shape)
	return p.result(p.call("concatenate", values, numpy.Keywords{"axis": at}), parts[0].typ)
}

// split cuts along an axis.
func split(p *program, o *operation, in []*array) []*array {
	in = operands(in, 1, 2)
	x := in[0]
	axis := axisOf(o.int("axis", 0), len(x.shape))
	n := len(o.outputs)
	lengths := o.ints("split")
	if in[1] != nil && in[1].v != nil {
		lengths = in[1].constants("lengths")
	}
	if lengths == nil {
		each := (x.shape[axis] + n - 1) / n
		for left := x.shape[axis]; len(lengths) < n; left -= each {
			lengths = append(lengths, int64(max(0, min(each, left))))
		}
	}
	if len(lengths) != n {
		refuse("it has %d lengths for %d parts; export the graph again", len(lengths), n)
	}
	var out []*array
	start := 0
	step := stridesOf(x.shape)
	for _, l := range sizes(lengths) {
		if start+l > x.shape[axis] {
			refuse("its parts are longer than the axis; export the graph again")
		}
		shape := slices.Clone(x.shape)
		shape[axis] = l
		from := start
		out = append(out, p.arrange(x, shape, func(at []int) int { return dotOf(at, step) + from*step[axis] })...)
		start += l
	}
	if start != x.shape[axis] {
		refuse("its parts are shorter than the axis; export the graph again")
	}
	return out
}

// programSlice takes ranges of axes, with steps.
func programSlice(p *program, o *operation, in []*array) []*array {
	x := operands(in, 1, 5)[0]
	part := func(name string, at int) []int64 {
		if at < len(in) && in[at] != nil {
			return in[at].constants(name)
		}
		return o.ints(name)
	}
	starts, ends, axes, steps := part("starts", 1), part("ends", 2), part("axes", 3), part("steps", 4)
	if axes == nil {
		for i := range starts {
			axes = append(axes, int64(i))
		}
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || steps != nil && len(steps) != len(starts) {
		refuse("it has %d starts, %d ends, %d axes and %d steps; export the graph again", len(starts), len(ends), len(axes), len(steps))
	}
	shape := slices.Clone(x.shape)
	stride := stridesOf(x.shape)
	first, step := 0, slices.Clone(stride)
	seen := make([]bool, len(shape))
	for i, s := range starts {
		k := axisOf(axes[i], len(shape))
		if seen[k] {
			refuse("axis %d occurs twice; export the graph again", axes[i])
		}
		seen[k] = true
		n := int64(x.shape[k])
		by := int64(1)
		if steps != nil {
			by = steps[i]
		}
		clamp := func(v, lo, hi int64) int64 {
			if v < 0 {
				v += n
			}
			return min(max(v, lo), hi)
		}
		var from, count int64
		switch {
		case by > 0:
			from = clamp(s, 0, n)
			if to := clamp(ends[i], 0, n); to > from {
				count = (to-from-1)/by + 1
			}
		case by < 0 && by > math.MinInt64:
			from = clamp(s, 0, n-1)
			if to := clamp(ends[i], -1, n-1); to < from {
				count = (from-to-1)/-by + 1
			}
		default:
			refuse("it has step %d; export the graph again", by)
		}
		shape[k] = int(count)
		if count > 1 { // so |by| < n
			step[k] = stride[k] * int(by)
		}
		first += stride[k] * int(min(from, n-1))
	}
	return p.arrange(x, shape, func(at []int) int { return first + dotOf(at, step) })
}

// wrapped counts an index from 0.
func wrapped(i int64, n int) int {
	if i < 0 {
		i += int64(n)
	}
	if i < 0 || i >= int64(n) {
		refuse("index %d of an axis of %d; export the graph again", i, n)
	}
	return int(i)
}

// flat is an array as one axis.
func (p *program) flat(a *array) *array {
	shape := []int{product(a.shape)}
	return &array{v: p.reshaped(a.v, shape), typ: a.typ, shape: shape}
}

// programPad adds elements around an array, or removes some.
func programPad(p *program, o *operation, in []*array) []*array {
	x := operands(in, 1, 4)[0]
	pads := o.ints("pads")
	if len(in) > 1 && in[1] != nil {
		pads = in[1].constants("lengths")
	}
	rank := len(x.shape)
	axes := counting(rank)
	if len(in) > 3 && in[3] != nil {
		axes = nil
		for _, a := range in[3].constants("axes") {
			axes = append(axes, axisOf(a, rank))
		}
	}
	if len(pads) != 2*len(axes) {
		refuse("it has %d lengths for %d axes; export the graph again", len(pads), len(axes))
	}
	before := make([]int, rank)
	shape := slices.Clone(x.shape)
	for i, a := range axes {
		for _, n := range []int64{pads[i], pads[i+len(axes)]} {
			if n < -maxProgramElements || n > maxProgramElements {
				refuse("it adds %d elements; use smaller arrays", n)
			}
			shape[a] += int(n)
		}
		before[a] = int(pads[i])
	}
	mode := o.string("mode", "constant")
	fill := &constant{typ: typeFloat, data: []float64{o.float("value", 0)}, shape: []int{}}
	value, err := p.arrayOf(fill)
	if err != nil {
		refuse("%v", err)
	}
	value.typ = x.typ
	if len(in) > 2 && in[2] != nil && in[2].v != nil {
		value = &array{v: p.pick(in[2].v, []int{0}, []int{}), typ: in[2].typ}
	}
	all := p.flat(x)
	filler := product(x.shape)
	if mode == "constant" {
		if value.v = p.reshaped(value.v, []int{1}); x.typ == typeBool && !value.v.Bool() {
			value.v = p.call("method.astype", value.v, "bool")
		}
		value.shape = []int{1}
		all = p.concat([]*array{all, value}, 0)
	}
	step := stridesOf(x.shape)
	return p.arrange(all, shape, func(at []int) int {
		s := 0
		for d, c := range at {
			n := x.shape[d]
			c -= before[d]
			switch {
			case c >= 0 && c < n:
			case mode == "constant":
				return filler
			case mode == "edge":
				c = min(max(c, 0), n-1)
			case mode == "wrap":
				c = ((c % n) + n) % n
			case mode == "reflect" && c < 0 && -c < n:
				c = -c
			case mode == "reflect" && c >= n && 2*(n-1)-c >= 0:
				c = 2*(n-1) - c
			default:
				refuse("it pads by mode %q, farther than the array reaches; export the graph again", mode)
			}
			s += c * step[d]
		}
		return s
	})
}

// triangle keeps the elements of the upper or the lower triangle of matrices.
func triangle(p *program, o *operation, in []*array) []*array {
	in = operands(in, 1, 2)
	x := in[0]
	rank := len(x.shape)
	if rank < 2 {
		refuse("it takes a triangle of an array of %d axes; export the graph again", rank)
	}
	k := int64(0)
	if c := in[1].constants("diagonal"); c != nil {
		k = min(max(c[0], -maxProgramElements), maxProgramElements)
	}
	upper := o.int("upper", 1) != 0
	all := p.concat([]*array{p.flat(x), {v: p.zero(x), typ: x.typ, shape: []int{1}}}, 0)
	step := stridesOf(x.shape)
	return p.arrange(all, x.shape, func(at []int) int {
		if d := int64(at[rank-1] - at[rank-2]); upper && d < k || !upper && d > k {
			return product(x.shape)
		}
		return dotOf(at, step)
	})
}

// zero is one 0 of the type of x, as one axis.
func (p *program) zero(x *array) *numpy.Value {
	v := numpy.Array([]int{1}, []int64{0})
	if x.typ == typeBool {
		v = p.call("method.astype", v, "bool")
	}
	return v
}

// depthToSpace moves channels into blocks of pixels.
func depthToSpace(p *program, o *operation, in []*array) []*array {
	x := operands(in, 1, 1)[0]
	n := o.int("blocksize", 0)
	if len(x.shape) != 4 || n < 1 || n > maxFeatures || x.shape[1]%int(n*n) != 0 {
		refuse("blocks of %d of an array of shape %v; export the graph again", n, x.shape)
	}
	b, c := int(n), x.shape[1]/int(n*n)
	step := stridesOf(x.shape)
	crd := o.string("mode", "DCR") == "CRD"
	return p.arrange(x, []int{x.shape[0], c, x.shape[2] * b, x.shape[3] * b}, func(at []int) int {
		block := at[2]%b*b + at[3]%b
		channel := block*c + at[1]
		if crd {
			channel = at[1]*b*b + block
		}
		return dotOf([]int{at[0], channel, at[2] / b, at[3] / b}, step)
	})
}

// spaceToDepth moves blocks of pixels into channels.
func spaceToDepth(p *program, o *operation, in []*array) []*array {
	x := operands(in, 1, 1)[0]
	n := o.int("blocksize", 0)
	if len(x.shape) != 4 || n < 1 || n > maxFeatures || x.shape[2]%int(n) != 0 || x.shape[3]%int(n) != 0 {
		refuse("blocks of %d of an array of shape %v; export the graph again", n, x.shape)
	}
	b, c := int(n), x.shape[1]
	step := stridesOf(x.shape)
	return p.arrange(x, []int{x.shape[0], c * b * b, x.shape[2] / b, x.shape[3] / b}, func(at []int) int {
		block := at[1] / c
		return dotOf([]int{at[0], at[1] % c, at[2]*b + block/b, at[3]*b + block%b}, step)
	})
}
