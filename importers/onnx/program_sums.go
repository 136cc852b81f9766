package onnx

import (
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/importers/numpy"
	"github.com/fhe-ml/fhe-ml/models"
)

// reductionOf reads the axes of a reduction (nil of a number, or with noop_with_empty_axes) and keepdims.
func reductionOf(o *operation, in []*array) (x *array, axes []int, keep bool) {
	x = operands(in, 1, 2)[0]
	rank := len(x.shape)
	if axes = axesOf(o, in, 1, rank); axes == nil && o.int("noop_with_empty_axes", 0) == 0 {
		axes = counting(rank)
	}
	return x, axes, o.int("keepdims", 1) != 0
}

// over applies one of numpy's reductions.
func (p *program) over(name string, v *numpy.Value, axes []int, keep bool) *numpy.Value {
	if len(axes) == 0 {
		return v
	}
	return p.call(name, v, numpy.Keywords{"axis": axes, "keepdims": keep})
}

// extent is the number of elements that a reduction makes one of.
func extent(shape, axes []int) int {
	n := 1
	for _, a := range axes {
		n *= shape[a]
	}
	return n
}

// total adds over axes, to an array of the same type.
func (p *program) total(x *array, axes []int, keep bool) *array {
	if x.typ == typeBool {
		refuse("it adds bool; Cast to int64 before")
	}
	if v := x.ints(); v != nil {
		exact(x.typ, magnitude(v)*float64(extent(x.shape, axes)))
	}
	v := p.over("sum", x.v, axes, keep)
	if v.Floating() {
		v = p.must(p.b.Apply(numpy.Func{Name: "Sum", Floats: rounded(x.typ, func(a, _ float64) float64 { return a })}, v))
	}
	return p.result(v, x.typ)
}

// reduction is the reduction of that name of what before makes of its operand, and after of its result; these may be nil.
func reduction(before func(p *program, x *array) *array, after func(p *program, x *array, n int) *array) programOp {
	return func(p *program, o *operation, in []*array) []*array {
		x, axes, keep := reductionOf(o, in)
		if before != nil {
			x = before(p, x)
		}
		out := p.total(x, axes, keep)
		if after != nil {
			out = after(p, out, extent(x.shape, axes))
		}
		return []*array{out}
	}
}

func absolutes(p *program, x *array) *array {
	return p.derived("Abs", x)
}

func squares(p *program, x *array) *array {
	return p.multiplied(x, x, x.typ)
}

// derived applies another operator of one argument.
func (p *program) derived(op string, x *array) *array {
	return programOps()[opKey{"", op}](p, &operation{fileNode: &fileNode{op: op}}, []*array{x})[0]
}

// extremes is ReduceMax, ReduceMin and ReduceProd.
func extremes(name string) programOp {
	return func(p *program, o *operation, in []*array) []*array {
		x, axes, keep := reductionOf(o, in)
		if name == "prod" && x.typ == typeBool {
			refuse("it multiplies bool; Cast to int64 before")
		}
		if name == "prod" && x.v.Floating() && !x.encrypted() {
			refuse("it multiplies constants in floating point; export the graph with the product as a constant")
		}
		v := p.over(name, x.v, axes, keep)
		return []*array{p.result(v, x.typ)}
	}
}

// argExtreme is ArgMax and ArgMin: of equal elements the first wins, or the last.
func argExtreme(name string) programOp {
	return func(p *program, o *operation, in []*array) []*array {
		x := operands(in, 1, 1)[0]
		if len(x.shape) == 0 {
			refuse("it searches in a number; export the graph again")
		}
		axis := axisOf(o.int("axis", 0), len(x.shape))
		n := x.shape[axis]
		last := o.int("select_last_index", 0) != 0
		v := x.v
		if last {
			step := stridesOf(x.shape)
			v = p.arrange(x, x.shape, func(at []int) int { return dotOf(at, step) + (n-1-2*at[axis])*step[axis] })[0].v
		}
		v = p.call(name, v, numpy.Keywords{"axis": axis, "keepdims": o.int("keepdims", 1) != 0})
		if last {
			v = p.call("subtract", n-1, v)
		}
		return []*array{p.result(v, typeInt64)}
	}
}

// cumulative adds along an axis up to each place.
func cumulative(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 2)
	x := in[0]
	at := in[1].constants("axis")
	if len(at) != 1 || x.typ == typeBool {
		refuse("its axis is no number, or it adds bool; export the graph again")
	}
	rank := len(x.shape)
	axis := axisOf(at[0], rank)
	n := x.shape[axis]
	p.sized([]int{n, n})
	reverse, exclusive := o.int("reverse", 0) != 0, o.int("exclusive", 0) != 0
	ones := make([]int64, n*n) // [from, to]
	for i := range n {
		for j := range n {
			if from, to := i, j; from == to && !exclusive || from < to && !reverse || from > to && reverse {
				ones[i*n+j] = 1
			}
		}
	}
	perm := make([]int64, 0, rank)
	for i := range rank {
		if i != axis {
			perm = append(perm, int64(i))
		}
	}
	perm = append(perm, int64(axis))
	back := make([]int64, rank)
	for i, a := range perm {
		back[a] = int64(i)
	}
	moved := p.transposed(x, perm)[0]
	sum := p.product(moved, &array{v: numpy.Array([]int{n, n}, ones), typ: x.typ, shape: []int{n, n}}, x.typ)
	return p.transposed(sum, back)
}

// programMatMul is a product of matrices, or of stacks of them.
func programMatMul(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 2)
	return []*array{p.product(in[0], in[1], sameType(in))}
}

// product is numpy's matmul, in a type of the result.
func (p *program) product(x, y *array, typ int) *array {
	if len(x.shape) == 0 || len(y.shape) == 0 {
		refuse("it multiplies matrices with a number; export the graph again")
	}
	if (x.ints() == nil || y.ints() == nil) && (x.encrypted() || y.encrypted()) {
		refuseWeights(x, y)
	}
	k := x.shape[len(x.shape)-1]
	if x.ints() != nil && y.ints() != nil {
		exact(typ, float64(k)*magnitude(x.v)*magnitude(y.v))
	}
	done := func(v *numpy.Value) *array {
		if v.Floating() {
			v = p.must(p.b.Apply(numpy.Func{Name: "MatMul", Floats: rounded(typ, func(a, _ float64) float64 { return a })}, v))
		}
		return p.result(v, typ)
	}
	if len(y.shape) <= 2 {
		return done(p.call("matmul", x.v, y.v))
	}
	// Stacks: one product for each place of the leading axes.
	a, b := x, y
	if len(a.shape) == 1 {
		a = &array{v: p.reshaped(a.v, []int{1, k}), typ: a.typ, shape: []int{1, k}}
	}
	ra, rb := len(a.shape), len(b.shape)
	lead := p.common(a.shape[:ra-2], b.shape[:rb-2])
	m, n := a.shape[ra-2], b.shape[rb-1]
	p.sized(slices.Concat(lead, []int{m, n}))
	ia, ib := broadcastIndex(a.shape[:ra-2], lead), broadcastIndex(b.shape[:rb-2], lead)
	matrix := func(a *array, i int) *numpy.Value {
		shape := a.shape[len(a.shape)-2:]
		idx := make([]int, product(shape))
		for j := range idx {
			idx[j] = i*len(idx) + j
		}
		return p.pick(a.v, idx, shape)
	}
	var parts []*numpy.Value
	for i := range ia {
		parts = append(parts, p.call("matmul", matrix(a, ia[i]), matrix(b, ib[i])))
	}
	shape := append(slices.Clone(lead), m, n)
	if len(x.shape) == 1 {
		shape = append(slices.Clone(lead), n)
	}
	return done(p.reshaped(p.call("concatenate", parts, numpy.Keywords{"axis": 0}), shape))
}

// refuseWeights refuses a sum of products in floating point.
func refuseWeights(x, y *array) {
	for _, a := range []*array{x, y} {
		if a.ints() == nil && !a.encrypted() {
			refuse("its weights are not whole numbers: multiply them by a scale and round, before the export, and divide after decryption")
		}
	}
	refuse("it adds encrypted numbers in floating point: Round them to whole numbers first, after Mul with a scale")
}

// programGemm is alpha * x * y + beta * c, with x and y transposed where the attributes say so.
func programGemm(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 3)
	x, y, c := in[0], in[1], in[2]
	typ := sameType(in[:2])
	if len(x.shape) != 2 || len(y.shape) != 2 {
		refuse("it multiplies arrays of shapes %v and %v, want matrices; export the graph again", x.shape, y.shape)
	}
	if o.int("transA", 0) != 0 {
		x = p.transposed(x, nil)[0]
	}
	if o.int("transB", 0) != 0 {
		y = p.transposed(y, nil)[0]
	}
	scaled := func(a *array, f float64) *array {
		if f == 1 {
			return a
		}
		s, err := p.arrayOf(&constant{typ: typ, data: []float64{f}, ints: []int64{int64(f)}, shape: []int{}})
		if err != nil {
			refuse("%v", err)
		}
		return p.result(p.arithmetic("multiply", typ, productOf, a, s), typ)
	}
	alpha, beta := o.float("alpha", 1), o.float("beta", 1)
	if !isFloating(typ) && (alpha != math.Trunc(alpha) || beta != math.Trunc(beta)) {
		refuse("it scales %s by %v and %v; export the graph in float", typeName(typ), alpha, beta)
	}
	if y.encrypted() {
		x = scaled(x, alpha)
	} else {
		y = scaled(y, alpha)
	}
	out := p.product(x, y, typ)
	if c == nil || c.v == nil || beta == 0 {
		return []*array{out}
	}
	sameType([]*array{x, c})
	return []*array{p.result(p.arithmetic("add", typ, sumOf, out, scaled(c, beta)), typ)}
}

// geometryFor reads the windows of a convolution or a pool over x [N, C, ...]; kernel is the shape of the weights' windows, nil for the attribute.
func geometryFor(o *operation, x *array, kernel []int) (w *models.Conv, axes []int) {
	if len(x.shape) < 3 {
		refuse("it works on an array of shape %v, want [rows, channels, height, width] or [rows, channels, length]; export the graph again", x.shape)
	}
	w, err := window(o, x.shape[2:], kernel, o.int("ceil_mode", 0) != 0)
	if err != nil {
		refuse("it needs %v; export the graph again", err)
	}
	return w, positions(w, len(x.shape)-2)
}

// maxTaps bounds the products of a convolution, and the elements that a pool reads.
const maxTaps = 1 << 26

// convolve is the convolution of whole numbers.
func (p *program) convolve(o *operation, x, kernel, bias *array, typ int) *array {
	if len(kernel.shape) != len(x.shape) || len(kernel.shape) < 3 {
		refuse("its kernel has shape %v for an array of shape %v; export the graph again", kernel.shape, x.shape)
	}
	if kernel.encrypted() {
		refuse("its kernel depends on encrypted numbers, and must be constant; export the graph with a constant there")
	}
	if x.ints() == nil || kernel.ints() == nil {
		refuseWeights(kernel, x)
	}
	c, axes := geometryFor(o, x, kernel.shape[2:])
	groups := o.int("group", 1)
	if groups < 1 || groups > maxFeatures || kernel.shape[1]*int(groups) != x.shape[1] || kernel.shape[0]%int(groups) != 0 {
		refuse("its kernel of shape %v in %d groups does not fit an array of shape %v; export the graph again", kernel.shape, groups, x.shape)
	}
	taps := product(kernel.shape[1:])
	if out := p.sized(append([]int{x.shape[0], kernel.shape[0]}, axes...)); out > maxTaps/taps {
		refuse("it takes more than %d products; use smaller arrays", maxTaps)
	}
	exact(typ, float64(taps)*magnitude(x.v)*magnitude(kernel.v))
	rank := len(axes)
	kw := numpy.Keywords{"group": int(groups), "strides": c.Stride[2-rank:], "dilations": c.Dilation[2-rank:], "pads": slices.Concat(c.Before[2-rank:], c.After[2-rank:])}
	out := p.result(p.call("conv", x.v, kernel.v, kw), typ)
	if bias == nil || bias.v == nil {
		return out
	}
	if len(bias.shape) != 1 || bias.shape[0] != kernel.shape[0] {
		refuse("its bias of shape %v does not fit %d outputs; export the graph again", bias.shape, kernel.shape[0])
	}
	shape := slices.Repeat([]int{1}, len(x.shape)-1)
	shape[0] = bias.shape[0]
	b := &array{v: p.reshaped(bias.v, shape), typ: typ, shape: shape}
	return p.result(p.arithmetic("add", typ, sumOf, out, b), typ)
}

func programConv(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 3)
	return []*array{p.convolve(o, in[0], in[1], in[2], sameType(in[:2]))}
}

// gathered returns, for each place in a window, the elements of all windows there; outside holds what stands for padding, in all windows where fill is set, and
// otherwise each window repeats one of its own.
func (p *program) gathered(x *array, w *models.Conv, axes []int, fill bool) (parts []*numpy.Value, counts []int64) {
	rank := len(axes)
	shape := append([]int{x.shape[0], x.shape[1]}, axes...)
	n := p.sized(shape)
	size, stride, dilation, before := w.Size[2-rank:], w.Stride[2-rank:], w.Dilation[2-rank:], w.Before[2-rank:]
	kernel := w.KernelSize[2-rank:]
	taps := product(kernel)
	if n > maxTaps/max(taps, 1) {
		refuse("it reads more than %d elements; use smaller windows", maxTaps)
	}
	all := p.flat(x)
	if fill {
		all = p.concat([]*array{all, {v: p.zero(x), typ: x.typ, shape: []int{1}}}, 0)
	}
	step := stridesOf(x.shape)
	valid := make([][]int, taps) // of each place, the element that each window has there, or -1
	first := slices.Repeat([]int{-1}, n)
	counts = make([]int64, n)
	place := 0
	eachPlace(kernel, func(_ int, k []int) {
		idx := make([]int, n)
		eachPlace(shape, func(i int, at []int) {
			s := at[0]*step[0] + at[1]*step[1]
			for d := range rank {
				c := at[2+d]*stride[d] + k[d]*dilation[d] - before[d]
				if c < 0 || c >= size[d] {
					idx[i] = -1
					return
				}
				s += c * step[2+d]
			}
			idx[i] = s
			counts[i]++
			if first[i] < 0 {
				first[i] = s
			}
		})
		valid[place] = idx
		place++
	})
	for _, idx := range valid {
		for i, s := range idx {
			switch {
			case s >= 0:
			case fill:
				idx[i] = product(x.shape)
			case first[i] < 0:
				refuse("one of its windows lies in the padding; export the graph with less padding")
			default:
				idx[i] = first[i]
			}
		}
		parts = append(parts, p.pick(all.v, idx, shape))
	}
	return parts, counts
}

// inPairs combines values in a tree.
func inPairs[T any](values []T, f func(a, b T) T) T {
	for len(values) > 1 {
		var next []T
		for i := 0; i+1 < len(values); i += 2 {
			next = append(next, f(values[i], values[i+1]))
		}
		if len(values)%2 == 1 {
			next = append(next, values[len(values)-1])
		}
		values = next
	}
	return values[0]
}

func programMaxPool(p *program, o *operation, in []*array) []*array {
	x := operands(in, 1, 1)[0]
	if len(o.outputs) > 1 && o.outputs[1] != "" {
		refuse("it returns the places of the largest elements; export the graph without them")
	}
	if x.ints() == nil {
		refuse("it compares encrypted numbers in floating point: Round them to whole numbers first, after Mul with a scale")
	}
	w, axes := geometryFor(o, x, nil)
	parts, _ := p.gathered(x, w, axes, false)
	return []*array{p.result(inPairs(parts, func(a, b *numpy.Value) *numpy.Value { return p.call("maximum", a, b) }), x.typ)}
}

func programAveragePool(p *program, o *operation, in []*array) []*array {
	x := operands(in, 1, 1)[0]
	if x.ints() == nil {
		refuse("it adds encrypted numbers in floating point: Round them to whole numbers first, after Mul with a scale")
	}
	w, axes := geometryFor(o, x, nil)
	parts, counts := p.gathered(x, w, axes, true)
	taps := product(w.KernelSize[:])
	exact(x.typ, float64(taps)*magnitude(x.v))
	if o.int("count_include_pad", 0) != 0 {
		counts = slices.Repeat([]int64{int64(taps)}, len(counts))
	}
	shape := append([]int{x.shape[0], x.shape[1]}, axes...)
	if slices.Contains(counts, 0) {
		refuse("one of its windows lies in the padding; export the graph with less padding")
	}
	sum := p.result(inPairs(parts, func(a, b *numpy.Value) *numpy.Value { return p.call("add", a, b) }), x.typ)
	return []*array{p.quotient(sum, &array{v: numpy.Array(shape, counts), typ: x.typ, shape: shape}, x.typ)}
}

// globalPool reduces all axes behind the channels.
func globalPool(mean bool) programOp {
	return func(p *program, o *operation, in []*array) []*array {
		x := operands(in, 1, 1)[0]
		if len(x.shape) < 3 {
			refuse("it works on an array of shape %v, want [rows, channels, height, width]; export the graph again", x.shape)
		}
		axes := counting(len(x.shape))[2:]
		if !mean {
			return []*array{p.result(p.over("max", x.v, axes, true), x.typ)}
		}
		return []*array{p.quotient(p.total(x, axes, true), p.number(int64(extent(x.shape, axes)), x.typ), x.typ)}
	}
}

// batchNorm scales channels by their training statistics.
func batchNorm(p *program, o *operation, in []*array) []*array {
	in = operands(in, 5, 5)
	x := in[0]
	if o.int("training_mode", 0) != 0 || len(x.shape) < 2 {
		refuse("it is in training mode, or of an array without channels; export the model for inference")
	}
	shape := slices.Repeat([]int{1}, len(x.shape)-1)
	shape[0] = x.shape[1]
	round := rounded(x.typ, func(a, _ float64) float64 { return a })
	var c [4]func(i int) float64 // scale, offset, mean, variance
	for k, a := range in[1:] {
		if a.encrypted() || len(a.shape) != 1 || a.shape[0] != x.shape[1] {
			refuse("its parameters of shape %v do not fit %d channels; export the graph again", a.shape, x.shape[1])
		}
		c[k] = func(i int) float64 {
			if f := a.v.Floats(); f != nil {
				return f[i]
			}
			return float64(a.v.Ints()[i])
		}
	}
	scale := &constant{typ: x.typ, shape: shape, data: make([]float64, x.shape[1])}
	offset := &constant{typ: x.typ, shape: shape, data: make([]float64, x.shape[1])}
	for i := range scale.data { // in onnxruntime's order
		scale.data[i] = round(c[0](i)/round(math.Sqrt(round(c[3](i)+o.float("epsilon", float64(float32(1e-5))), 0)), 0), 0)
		offset.data[i] = round(c[1](i)-round(c[2](i)*scale.data[i], 0), 0)
	}
	s, err := p.arrayOf(scale)
	if err != nil {
		refuse("%v", err)
	}
	b, err := p.arrayOf(offset)
	if err != nil {
		refuse("%v", err)
	}
	scaled := p.result(p.arithmetic("multiply", x.typ, productOf, x, s), x.typ)
	return []*array{p.result(p.arithmetic("add", x.typ, sumOf, scaled, b), x.typ)}
}
