package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/importers/numpy"
)

// sameType returns the type of operands that must have one.
func sameType(in []*array) int {
	for _, a := range in[1:] {
		if a.typ != in[0].typ {
			refuse("its operands are %s and %s; export the graph again", typeName(in[0].typ), typeName(a.typ))
		}
	}
	if in[0].typ == typeBool {
		refuse("it computes on bool; Cast to int64 before")
	}
	return in[0].typ
}

// arithmetic computes numpy's function of that name on whole numbers, and f, rounded to the type, on others and on constants in floating point.
func (p *program) arithmetic(name string, typ int, f func(a, b float64) float64, x, y *array) *numpy.Value {
	a, b := x.ints(), y.ints()
	if a != nil && b != nil && (!isFloating(typ) || a.Encrypted() || b.Encrypted()) {
		return p.call(name, a, b)
	}
	return p.must(p.b.Apply(numpy.Func{Name: name, Floats: rounded(typ, f)}, x.v, y.v))
}

// folded applies a function of two operands to several, from the left.
func folded(name string, f func(a, b float64) float64, least int) programOp {
	return func(p *program, o *operation, in []*array) []*array {
		in = operands(in, max(least, len(in)), max(least, len(in)))
		typ := sameType(in)
		out := in[0]
		for _, a := range in[1:] {
			out = p.result(p.arithmetic(name, typ, f, out, a), typ)
		}
		return []*array{out}
	}
}

func sumOf(a, b float64) float64        { return a + b }
func differenceOf(a, b float64) float64 { return a - b }
func productOf(a, b float64) float64    { return float64(a * b) }
func quotientOf(a, b float64) float64   { return a / b }
func largerOf(a, b float64) float64     { return max(a, b) }
func smallerOf(a, b float64) float64    { return min(a, b) }

// multiplied is the product. That of a number with itself is a table, whose bounds are those of squares.
func (p *program) multiplied(x, y *array, typ int) *array {
	if v := x.ints(); v != nil && x.v == y.v && v.Encrypted() {
		if lo, hi := v.Bounds(); hi-lo < 1<<12 {
			return p.result(p.call("square", v), typ)
		}
	}
	return p.result(p.arithmetic("multiply", typ, productOf, x, y), typ)
}

func programMul(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 2)
	return []*array{p.multiplied(in[0], in[1], sameType(in))}
}

// two is folded for exactly two operands.
func two(name string, f func(a, b float64) float64) programOp {
	g := folded(name, f, 2)
	return func(p *program, o *operation, in []*array) []*array { return g(p, o, operands(in, 2, 2)) }
}

// divide is Div: in floating point, or of integers, truncated towards zero.
func divide(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 2)
	return []*array{p.quotient(in[0], in[1], sameType(in))}
}

func (p *program) quotient(x, y *array, typ int) *array {
	if isFloating(typ) {
		return p.result(p.must(p.b.Apply(numpy.Func{Name: "Div", Floats: rounded(typ, quotientOf)}, x.v, y.v)), typ)
	}
	xl, _ := x.v.Bounds()
	if yl, _ := y.v.Bounds(); xl >= 0 && yl > 0 { // rounding down is the same, and has a way for wide values
		return p.result(p.call("floor_divide", x.v, y.v), typ)
	}
	return p.result(p.must(p.b.Apply(numpy.Func{Name: "Div", Ints: func(a, b int64) (int64, error) {
		if b == 0 {
			return 0, errZero
		}
		if a == math.MinInt64 && b == -1 {
			return 0, errWide
		}
		return a / b, nil
	}}, x.v, y.v)), typ)
}

var errWide = errors.New("an integer does not fit 64 bits; use smaller values")

// mod is the remainder: with the sign of the divisor, or as C's fmod with the sign of the dividend.
func mod(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 2)
	typ := sameType(in)
	c := o.int("fmod", 0) != 0
	if isFloating(typ) && !c {
		refuse("it takes the remainder of %s without fmod=1, which ONNX does not define; export the graph again", typeName(typ))
	}
	if in[0].ints() == nil || in[1].ints() == nil {
		return []*array{p.result(p.must(p.b.Apply(numpy.Func{Name: "Mod", Floats: math.Mod}, in[0].v, in[1].v)), typ)}
	}
	if !c {
		return []*array{p.result(p.call("remainder", in[0].v, in[1].v), typ)}
	}
	return []*array{p.result(p.must(p.b.Apply(numpy.Func{Name: "Mod", Ints: func(a, b int64) (int64, error) {
		if b == 0 {
			return 0, errZero
		}
		if b == -1 {
			return 0, nil
		}
		return a % b, nil
	}}, in[0].v, in[1].v)), typ)}
}

// programPow is Pow, whose result has the type of the base.
func programPow(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 2)
	x, y := in[0], in[1]
	if x.typ == typeBool || y.typ == typeBool {
		refuse("it computes on bool; Cast to int64 before")
	}
	if x.ints() != nil && y.ints() != nil && (x.encrypted() || y.encrypted() || !isFloating(x.typ)) {
		if lo, _ := y.v.Bounds(); lo >= 0 {
			return []*array{p.result(p.call("power", x.v, y.v), x.typ)}
		}
	}
	raise := func(a, b float64) float64 {
		switch b { // as onnxruntime
		case 2:
			return a * a
		case 3:
			return rounded(x.typ, productOf)(rounded(x.typ, productOf)(a, a), a)
		}
		return math.Pow(a, b)
	}
	if isFloating(x.typ) {
		return []*array{p.result(p.must(p.b.Apply(numpy.Func{Name: "Pow", Floats: rounded(x.typ, raise)}, x.v, y.v)), x.typ)}
	}
	truncated := func(a, b float64) (int64, error) {
		r := math.Trunc(math.Pow(a, b))
		if !(math.Abs(r) <= 1<<53) {
			return 0, fmt.Errorf("%v to the power of %v is no integer of at most 53 bits: keep it out of the bounds, or Cast to float before", a, b)
		}
		return int64(r), nil
	}
	if y.ints() != nil {
		return []*array{p.result(p.must(p.b.Apply(numpy.Func{Name: "Pow", Ints: func(a, b int64) (int64, error) { return truncated(float64(a), float64(b)) }}, x.v, y.v)), x.typ)}
	}
	return []*array{p.result(p.call("method.astype", p.must(p.b.Apply(numpy.Func{Name: "Pow", Floats: math.Pow}, x.v, y.v)), "int"), x.typ)}
}

// average is Mean of several operands.
func average(p *program, o *operation, in []*array) []*array {
	out := folded("add", sumOf, 1)(p, o, in)[0]
	return []*array{p.quotient(out, p.number(int64(len(in)), out.typ), out.typ)}
}

// exchanged are the comparisons with their operands exchanged.
var exchanged = map[string]string{"less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal", "equal": "equal"}

func comparison(name string) programOp {
	return func(p *program, o *operation, in []*array) []*array {
		in = operands(in, 2, 2)
		if in[0].typ != in[1].typ {
			sameType(in)
		}
		return []*array{p.compare(name, in[0], in[1])}
	}
}

// compare is numpy's comparison. One of encrypted whole numbers with constants that are not whole becomes one with whole ones, so that sums of any width can
// be compared.
func (p *program) compare(name string, x, y *array) *array {
	if x.ints() == nil && !x.encrypted() && y.ints() != nil && y.encrypted() {
		name, x, y = exchanged[name], y, x
	}
	other := y.v
	if x.ints() != nil && x.encrypted() && y.ints() == nil && !y.encrypted() {
		lo, hi := x.v.Bounds()
		ints := make([]int64, len(y.v.Floats()))
		for i, c := range y.v.Floats() {
			whole := c == math.Trunc(c)
			switch {
			case math.IsNaN(c) && (name == "greater" || name == "greater_equal"):
				c = math.Inf(1)
			case math.IsNaN(c) || !whole && name == "equal":
				c = math.Inf(-1) // never
			case name == "less" || name == "greater_equal":
				c = math.Ceil(c)
			default:
				c = math.Floor(c)
			}
			switch {
			case c > float64(hi):
				ints[i] = hi + 1
			case c < float64(lo):
				ints[i] = lo - 1
			default:
				ints[i] = int64(c)
			}
		}
		other = numpy.Array(y.v.Shape(), ints)
	}
	return p.result(p.call(name, x.v, other), typeBool)
}

func programWhere(p *program, o *operation, in []*array) []*array {
	in = operands(in, 3, 3)
	if in[0].typ != typeBool {
		refuse("its condition is %s, not bool; export the graph again", typeName(in[0].typ))
	}
	if in[1].typ != in[2].typ {
		sameType(in[1:])
	}
	return []*array{p.where(in[0], in[1], in[2])}
}

func (p *program) where(cond, x, y *array) *array {
	return p.result(p.call("where", cond.v, x.v, y.v), x.typ)
}

// programClip limits to bounds, which are attributes in old operator sets.
func programClip(p *program, o *operation, in []*array) []*array {
	in = operands(in, 1, 3)
	x := in[0]
	limit := func(at int, attribute string) *array {
		if f, ok := o.attributes[attribute].(float32); ok {
			a, err := p.arrayOf(&constant{typ: typeFloat, data: []float64{float64(f)}, shape: []int{}})
			if err != nil {
				refuse("%v", err)
			}
			a.typ = x.typ
			return a
		}
		if a := in[at]; a != nil && a.v != nil {
			if product(a.shape) != 1 {
				refuse("its bounds are no numbers; export the graph again")
			}
			return &array{v: p.reshaped(a.v, []int{}), typ: a.typ, shape: []int{}}
		}
		return nil
	}
	out := x
	for i, f := range []struct {
		bound *array
		name  string
		op    func(a, b float64) float64
	}{{limit(1, "min"), "maximum", largerOf}, {limit(2, "max"), "minimum", smallerOf}} {
		if f.bound == nil {
			continue
		}
		sameType([]*array{x, f.bound})
		if out.ints() != nil && !f.bound.encrypted() { // a bound beyond all values does nothing
			lo, hi := out.v.Bounds()
			b := number(f.bound.v)
			if i == 0 && b <= float64(lo) || i == 1 && b >= float64(hi) {
				continue
			}
		}
		out = p.result(p.arithmetic(f.name, x.typ, f.op, out, f.bound), x.typ)
	}
	return []*array{out}
}

// number returns a constant of one element.
func number(v *numpy.Value) float64 {
	if f := v.Floats(); f != nil {
		return f[0]
	}
	return float64(v.Ints()[0])
}

// oneHot writes indices as rows of a table of two values.
func oneHot(p *program, o *operation, in []*array) []*array {
	in = operands(in, 3, 3)
	if in[1].encrypted() || in[0].ints() == nil || product(in[1].shape) != 1 || product(in[2].shape) != 2 {
		refuse("its indices are no integers, or its depth and values no constants; export the graph again")
	}
	depth := number(in[1].v)
	if depth != math.Trunc(depth) || depth < 1 || depth > maxFeatures {
		refuse("its depth is %v, want a whole number of 1 to %d", depth, maxFeatures)
	}
	n := int(depth)
	axis := axisOf(o.int("axis", -1), len(in[0].shape)+1)
	shape := slices.Insert(slices.Clone(in[0].shape), axis, n)
	p.sized(shape)
	from := slices.Insert(slices.Clone(in[0].shape), axis, 1)
	class := make([]int, len(shape))
	for i := range class {
		class[i] = 1
	}
	class[axis] = n
	ints := make([]int64, n)
	for i := range ints {
		ints[i] = int64(i)
	}
	hot := p.must(p.b.Apply(numpy.Func{Name: "OneHot", Bools: true, Ints: func(a, b int64) (int64, error) {
		if a == b || a+int64(n) == b {
			return 1, nil
		}
		return 0, nil
	}}, p.spread(p.reshaped(in[0].v, from), shape), numpy.Array(class, ints)))
	cond := &array{v: hot, typ: typeBool, shape: shape}
	value := func(i int) *array {
		return &array{v: p.pick(in[2].v, []int{i}, []int{}), typ: in[2].typ, shape: []int{}}
	}
	return []*array{p.where(cond, value(1), value(0))}
}
