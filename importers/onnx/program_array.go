package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/importers/numpy"
)

// maxProgramElements bounds one array of a program.
const maxProgramElements = 1 << 22

// isFloating reports whether a type is one of the floating-point types that programs compute in.
func isFloating(typ int) bool { return typ == typeFloat || typ == typeDouble }

// wholeLimit is the largest integer that a floating-point type holds with all below it.
func wholeLimit(typ int) int64 {
	if typ == typeFloat {
		return 1 << 24
	}
	return 1 << 53
}

// typeRange returns the integers that a type holds without gaps, as far as int64 reaches; ok is false for types that programs do not have.
func typeRange(typ int) (lo, hi int64, ok bool) {
	switch typ {
	case typeBool:
		return 0, 1, true
	case typeInt8, typeInt16, typeInt32:
		bits := 8 * elementSize(typ)
		return -1 << (bits - 1), 1<<(bits-1) - 1, true
	case typeUint8, typeUint16, typeUint32:
		return 0, 1<<(8*elementSize(typ)) - 1, true
	case typeInt64:
		return math.MinInt64, math.MaxInt64, true
	case typeUint64:
		return 0, math.MaxInt64, true
	case typeFloat, typeDouble:
		return -wholeLimit(typ), wholeLimit(typ), true
	}
	return 0, 0, false
}

// isUnsigned reports whether a type of integers has no negative ones.
func isUnsigned(typ int) bool {
	lo, _, ok := typeRange(typ)
	return ok && lo == 0 && typ != typeBool
}

// arrayOf returns a constant of the file.
func (p *program) arrayOf(c *constant) (*array, error) {
	a := &array{typ: c.typ, shape: c.shape}
	n := product(c.shape)
	switch {
	case c.typ == typeString:
		return nil, fmt.Errorf("texts")
	case n == 0:
		return a, nil
	case n > maxProgramElements:
		return nil, fmt.Errorf("a constant of %d elements, more than %d", n, maxProgramElements)
	case isIntegerType(c.typ):
		if c.typ == typeUint64 && slices.Min(c.ints) < 0 {
			return nil, fmt.Errorf("integers beyond 2^63")
		}
		a.v = numpy.Array(c.shape, c.ints)
		if c.typ == typeBool {
			a.v = p.b.Call("method.astype", a.v, "bool")
		}
	default:
		a.v = numpy.FloatArray(c.shape, c.data)
		if isFloating(c.typ) && a.v.Whole(wholeLimit(c.typ)) {
			a.v = p.b.Call("method.astype", a.v, "int")
		}
	}
	if err := p.b.Err(); err != nil {
		return nil, fmt.Errorf("%s", plainWords(err))
	}
	return a, nil
}

// must returns what a call of the Builder gave, or ends the operator with its error.
func (p *program) must(v *numpy.Value) *numpy.Value {
	if err := p.b.Err(); err != nil {
		refuse("%s", plainWords(err))
	}
	return v
}

// call applies numpy's function of that name.
func (p *program) call(name string, args ...any) *numpy.Value { return p.must(p.b.Call(name, args...)) }

// pick rearranges.
func (p *program) pick(v *numpy.Value, idx, shape []int) *numpy.Value {
	p.sized(shape)
	return p.must(p.b.Pick(v, idx, shape))
}

// sized refuses shapes of too many elements, before anything is made of them, and those without elements; it returns their number.
func (p *program) sized(shape []int) int {
	n := 1
	for _, d := range shape {
		if d < 1 {
			refuse("it makes an array of shape %v, without elements; export the graph without it", shape)
		}
		if d > maxProgramElements/n {
			refuse("it makes an array of shape %v, of more than %d elements; use smaller arrays", shape, maxProgramElements)
		}
		n *= d
	}
	if len(shape) > maxRank {
		refuse("it makes an array of %d axes, more than %d; use fewer", len(shape), maxRank)
	}
	return n
}

// counting returns 0 .. n-1.
func counting(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// reshaped returns v in another shape of as many elements.
func (p *program) reshaped(v *numpy.Value, shape []int) *numpy.Value {
	return p.pick(v, counting(product(shape)), shape)
}

// rounded is f with its result rounded to a floating-point type.
func rounded(typ int, f func(a, b float64) float64) func(a, b float64) float64 {
	if typ != typeFloat {
		return f
	}
	return func(a, b float64) float64 { return float64(float32(f(a, b))) }
}

// result makes a value an array of a type: whole numbers of floating-point types become integers, and integers that do not fit are refused.
func (p *program) result(v *numpy.Value, typ int) *array {
	a := &array{v: v, typ: typ, shape: v.Shape()}
	lo, hi, ok := typeRange(typ)
	switch {
	case !ok:
		refuse("it computes in %s; export the graph in float, or Cast to float before", typeName(typ))
	case typ == typeBool:
		if !v.Bool() {
			a.v = p.call("method.astype", v, "bool")
		}
		return a
	case isFloating(typ) && v.Floating():
		if v.Whole(wholeLimit(typ)) {
			a.v = p.call("method.astype", v, "int")
		}
		return a
	case v.Floating():
		refuse("it computes in floating point for a result of %s; Cast its operands", typeName(typ))
	case v.Bool():
		a.v = p.call("method.astype", v, "int")
		return a
	}
	if low, high := v.Bounds(); low < lo || high > hi {
		if isFloating(typ) {
			refuse("its result is between %d and %d, and %s holds whole numbers up to %d without gaps; export the graph in double or int64", low, high, typeName(typ), hi)
		}
		refuse("its result is between %d and %d, and %s, which holds %d to %d, wraps around; Cast to a wider type before", low, high, typeName(typ), lo, hi)
	}
	return a
}

// exact refuses sums in floating point of which a part may be rounded.
func exact(typ int, size float64) {
	if isFloating(typ) && size > float64(wholeLimit(typ)) {
		refuse("its sums reach %.0f, and %s holds whole numbers up to %d without gaps; export the graph in double", size, typeName(typ), wholeLimit(typ))
	}
}

// magnitude is the largest absolute value that an element of integers can take.
func magnitude(v *numpy.Value) float64 {
	lo, hi := v.Bounds()
	return max(math.Abs(float64(lo)), math.Abs(float64(hi)))
}

// operands checks the number of inputs, of which the first least must be there, and that these have elements; those that are absent are nil.
func operands(in []*array, least, most int) []*array {
	if len(in) < least || len(in) > most {
		refuse("it has %d inputs, want %d to %d; export the graph again", len(in), least, most)
	}
	out := make([]*array, most)
	for i, a := range in {
		if i < least && (a == nil || a.v == nil) {
			refuse("its input %d is missing or has no elements; export the graph again", i)
		}
		out[i] = a
	}
	return out
}

// constants returns an operand that must be constant integers: axes, shapes, indices. An absent one gives nil.
func (a *array) constants(what string) []int64 {
	switch {
	case a == nil || a.v == nil:
		return nil
	case a.encrypted():
		refuse("its %s depend on encrypted numbers, and must be constant; export the graph with constants there", what)
	case a.ints() == nil:
		refuse("its %s are no integers; export the graph again", what)
	}
	return a.v.Ints()
}

// axesOf reads axes from the input at, as newer operator sets have them, or else from an attribute; nil when there are none. They are counted from 0, sorted.
func axesOf(o *operation, in []*array, at, rank int) []int {
	list := o.ints("axes")
	if list == nil && at < len(in) && in[at] != nil {
		list = in[at].constants("axes")
	}
	var out []int
	for _, a := range list {
		k := axisOf(a, rank)
		if slices.Contains(out, k) {
			refuse("axis %d occurs twice; export the graph again", a)
		}
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// axisOf counts an axis from 0.
func axisOf(a int64, rank int) int {
	k, ok := place(a, rank, 0)
	if !ok {
		refuse("axis %d of an array of %d axes; export the graph again", a, rank)
	}
	return k
}

// stridesOf returns how far neighbours along each axis lie apart.
func stridesOf(shape []int) []int {
	out := make([]int, len(shape))
	s := 1
	for i := len(shape) - 1; i >= 0; i-- {
		out[i] = s
		s *= shape[i]
	}
	return out
}

// eachPlace calls f with every position of a shape in row-major order; f must not keep it.
func eachPlace(shape []int, f func(i int, at []int)) {
	at := make([]int, len(shape))
	for i := range product(shape) {
		f(i, at)
		for d := len(at) - 1; d >= 0; d-- {
			if at[d]++; at[d] < shape[d] {
				break
			}
			at[d] = 0
		}
	}
}

// spread returns a in a shape that it broadcasts to.
func (p *program) spread(a *numpy.Value, shape []int) *numpy.Value {
	if slices.Equal(a.Shape(), shape) {
		return a
	}
	p.sized(shape)
	return p.pick(a, broadcastIndex(a.Shape(), shape), shape)
}

// common returns the shape that arrays broadcast to.
func (p *program) common(shapes ...[]int) []int {
	var out []int
	for _, s := range shapes {
		next := make([]int, max(len(out), len(s)))
		for i := range next {
			x, y := 1, 1
			if k := i - (len(next) - len(out)); k >= 0 {
				x = out[k]
			}
			if k := i - (len(next) - len(s)); k >= 0 {
				y = s[k]
			}
			if x != y && x != 1 && y != 1 {
				refuse("shapes %v do not fit each other; export the graph again", shapes)
			}
			if next[i] = x; x == 1 {
				next[i] = y
			}
		}
		out = next
	}
	p.sized(out)
	return out
}
