package numpy

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// broadcastShapes returns the shape of an elementwise result, by numpy's rule.
func broadcastShapes(values ...*Value) ([]int, *Error) {
	var out []int
	for _, v := range values {
		if len(v.shape) > len(out) {
			out = append(slices.Repeat([]int{1}, len(v.shape)-len(out)), out...)
		}
		for i, d := range v.shape {
			at := len(out) - len(v.shape) + i
			switch {
			case out[at] == 1:
				out[at] = d
			case d != 1 && d != out[at]:
				var shapes []string
				for _, w := range values {
					shapes = append(shapes, shapeText(w.shape))
				}
				return nil, fail("their axes, counted from the last, must be equal or 1", "operands of shapes %v do not fit each other", shapes)
			}
		}
	}
	if n, ok := sizeWithin(out); !ok {
		return nil, fail("", "an array of shape %s, which has more than %d elements", n, maxElements)
	}
	return out, nil
}

// sizeWithin reports whether a shape is one that arrays may have, and its size for messages.
func sizeWithin(shape []int) (string, bool) {
	n := 1
	for _, d := range shape {
		if d < 1 || d > maxElements/n {
			return strings.Trim(fmt.Sprint(shape), "[]"), false
		}
		n *= d
	}
	return itoa(int64(n)), len(shape) <= maxAxes
}

// broadcastIndex returns, for each element of shape to, the element of shape from that it is.
func broadcastIndex(from, to []int) []int {
	out := make([]int, sizeOf(to))
	stride := make([]int, len(to))
	s := 1
	for i := len(from) - 1; i >= 0; i-- {
		if from[i] != 1 {
			stride[len(to)-len(from)+i] = s
		}
		s *= from[i]
	}
	walk(to, func(i int, at []int) {
		for d, a := range at {
			out[i] += a * stride[d]
		}
	})
	return out
}

// walk calls f with each position of a shape in row-major order. f must not keep at.
func walk(shape []int, f func(i int, at []int)) {
	at := make([]int, len(shape))
	for i := range sizeOf(shape) {
		f(i, at)
		for d := len(at) - 1; d >= 0; d-- {
			if at[d]++; at[d] < shape[d] {
				break
			}
			at[d] = 0
		}
	}
}

// spread returns v broadcast to a shape, without a node: for operations on rows.
func spread(v *Value, shape []int) *Value {
	if slices.Equal(v.shape, shape) {
		return v
	}
	idx := broadcastIndex(v.shape, shape)
	out := &Value{shape: shape, kind: v.kind, typ: v.typ, root: v.root}
	switch {
	case v.data != nil:
		out.data = pick(v.data, idx)
	case v.ints != nil:
		out.ints = pick(v.ints, idx)
	default:
		out.idx = pick(v.idx, idx)
		if v.rows != nil {
			out.rows = pick(v.rows, idx)
		}
	}
	return out
}

// resultKind returns the kind of a ufunc's result and whether it works on integers.
func (u *ufunc) resultKind(name string, args []*Value) (k kind, ints bool, err *Error) {
	for _, a := range args {
		k = max(k, a.kind)
	}
	ints = u.ints != nil && k != kindFloat
	switch {
	case u.ints != nil && u.floats == nil && k == kindFloat:
		return 0, false, fail("convert it first, with .astype(np.int64)", "np.%s takes integers, not floating point", name)
	case u.bools:
		return kindBool, ints, nil
	case !ints:
		return kindFloat, false, nil
	}
	return k, ints, nil
}

// apply evaluates the function on one pair.
func (u *ufunc) apply(ints bool, a, b float64) (float64, *Error) {
	if !ints {
		return u.floats(a, b), nil
	}
	r, err := u.ints(int64(a), int64(b))
	if err == nil && (r > maxExact || r < -maxExact) {
		return math.Inf(1), nil // kept as not exact; whoever needs it as an integer refuses it
	}
	return float64(r), err
}

// unary applies a ufunc of one argument.
func (b *Builder) unary(name string, u *ufunc, v *Value) (*Value, *Error) {
	if v.kind == kindBool {
		switch name {
		case "negative":
			return nil, fail("use ~x or np.logical_not", "numpy has no negative of bool")
		case "invert":
			return b.unary("logical_not", ptr(ufuncs["logical_not"]), v)
		case "absolute", "positive":
			return ptr(*v), nil
		case "sign":
			return nil, fail("convert it first, with .astype(np.int64)", "numpy has no sign of bool")
		}
	}
	k, ints, err := u.resultKind(name, []*Value{v})
	if err != nil {
		return nil, err
	}
	if !v.Encrypted() {
		return b.constantResult(u, k, ints, v.shape, v, v)
	}
	if ints && name == "positive" {
		return ptr(*v), nil
	}
	rows, err := b.mapRows(u, ints, v, nil)
	if ints && name == "negative" {
		if err != nil {
			rows = nil
		}
		return tracked(b.g.Negative(v.node), k, v, rows), nil
	}
	if err != nil {
		return nil, err
	}
	return b.fromRows(v, rows, k)
}

func ptr[T any](x T) *T { return &x }

// fromRows returns the value with these rows over the domain of v.
func (b *Builder) fromRows(v *Value, rows [][]float64, k kind) (*Value, *Error) {
	if k == kindFloat {
		return &Value{shape: v.shape, kind: k, root: v.root, idx: v.idx, rows: rows}, nil
	}
	return b.table(v, rows, k)
}

// mapRows applies u to each entry of v's rows and, where w is set, of w's: a constant, or a value with the same root elements.
func (b *Builder) mapRows(u *ufunc, ints bool, v, w *Value) ([][]float64, *Error) {
	root := v
	if !v.Encrypted() {
		root = w
	}
	if err := root.tabulable(); err != nil {
		return nil, err
	}
	total, _ := root.entries()
	b.spend(int(total))
	rows := make([][]float64, len(root.idx))
	type pair struct{ a, b *float64 }
	seen := map[pair][]float64{} // rows that elements share stay shared
	for i := range rows {
		x := v.row(i)
		var y []float64
		if w != nil {
			y = w.row(i)
		}
		key := pair{a: &x[0]}
		if w != nil {
			key.b = &y[0]
		}
		if r, ok := seen[key]; ok && v.Encrypted() && v.rows != nil && (w == nil || w.Encrypted() && w.rows != nil) {
			rows[i] = r
			continue
		}
		out := make([]float64, max(len(x), len(y)))
		for j := range out {
			p, q := x[min(j, len(x)-1)], 0.0
			if w != nil {
				q = y[min(j, len(y)-1)]
			}
			var err *Error
			if out[j], err = u.apply(ints, p, q); err != nil {
				return nil, err
			}
		}
		rows[i], seen[key] = out, out
	}
	return rows, nil
}

// constantResult applies u to constants of one shape after broadcasting.
func (b *Builder) constantResult(u *ufunc, k kind, ints bool, shape []int, a, w *Value) (*Value, *Error) {
	a, w = spread(a, shape), spread(w, shape)
	out := &Value{shape: shape, kind: k}
	n := sizeOf(shape)
	b.spend(n)
	if k == kindFloat {
		out.data = make([]float64, n)
		for i := range out.data {
			out.data[i] = u.floats(a.at(i), w.at(i))
		}
		return out, nil
	}
	out.ints = make([]int64, n)
	for i := range out.ints {
		if !ints { // a predicate of floating point
			out.ints[i] = int64(u.floats(a.at(i), w.at(i)))
			continue
		}
		var err *Error
		if out.ints[i], err = u.ints(a.ints[i], w.ints[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// binary applies a ufunc of two arguments.
func (b *Builder) binary(name string, u *ufunc, x, y *Value) (*Value, *Error) {
	if x.kind == kindBool && y.kind == kindBool { // numpy's arithmetic of bools is logic
		switch name {
		case "add", "bitwise_or", "maximum", "fmax":
			name, u = "logical_or", ptr(ufuncs["logical_or"])
		case "multiply", "bitwise_and", "minimum", "fmin":
			name, u = "logical_and", ptr(ufuncs["logical_and"])
		case "bitwise_xor":
			name, u = "logical_xor", ptr(ufuncs["logical_xor"])
		case "subtract":
			return nil, fail("use ^ or np.logical_xor", "numpy has no difference of bools")
		}
	}
	k, ints, err := u.resultKind(name, []*Value{x, y})
	if err != nil {
		return nil, err
	}
	shape, err := broadcastShapes(x, y)
	if err != nil {
		return nil, err
	}
	if !x.Encrypted() && !y.Encrypted() {
		return b.constantResult(u, k, ints, shape, x, y)
	}
	v, w := spread(x, shape), spread(y, shape)
	one := !v.Encrypted() || !w.Encrypted() || sameRoot(v, w)
	var rows [][]float64
	var unable *Error
	if one {
		if rows, unable = b.mapRows(u, ints, v, w); unable != nil {
			rows = nil
		}
	}
	root := v
	if !v.Encrypted() {
		root = w
	}
	if ints {
		n, err := b.native(name, x, y)
		if err != nil {
			return nil, err
		}
		if n != nil {
			return tracked(n, k, root, rows), nil
		}
	}
	if rows != nil {
		return b.fromRows(root, rows, k)
	}
	if one {
		if ints {
			if out, err := b.wideShift(name, x, y); out != nil || err != nil {
				return out, err
			}
		}
		return nil, unable
	}
	if !ints || k == kindFloat || x.kind == kindFloat || y.kind == kindFloat {
		return nil, fail("combine the values as integers first, for example ((x + y) * 0.5) in place of (x * 0.5 + y * 0.5), or round each to integers with .astype(np.int64)",
			"np.%s in floating point of two encrypted values", name)
	}
	return b.twoEncrypted(name, u, k, spreadNode(b, x, shape), spreadNode(b, y, shape))
}

// spreadNode returns an encrypted integer broadcast, with its node.
func spreadNode(b *Builder, v *Value, shape []int) *Value {
	if slices.Equal(v.shape, shape) {
		return v
	}
	return b.moved(v, broadcastIndex(v.shape, shape), shape)
}

// native returns the graph's own operation for integers, or nil where it has none.
func (b *Builder) native(name string, x, y *Value) (n *compiler.Node, err *Error) {
	ops := map[string]func(a, b *compiler.Node) *compiler.Node{
		"add": b.g.Add, "subtract": b.g.Subtract, "multiply": b.g.Multiply, "maximum": b.g.Maximum, "minimum": b.g.Minimum, "fmax": b.g.Maximum,
		"fmin": b.g.Minimum, "equal": b.g.Equal, "not_equal": b.g.NotEqual, "less": b.g.Less, "less_equal": b.g.LessEqual, "greater": b.g.Greater,
		"greater_equal": b.g.GreaterEqual,
	}
	op := ops[name]
	if op == nil {
		return nil, nil
	}
	if shape, _ := broadcastShapes(x, y); name != "add" && name != "subtract" && name != "multiply" {
		x, y = encryptedSpread(b, x, shape), encryptedSpread(b, y, shape) // an encrypted value is as large as the result, by the lowering's rule
	}
	err = guarded(func() { n = op(b.nodeOf(x), b.nodeOf(y)) })
	return n, err
}

func encryptedSpread(b *Builder, v *Value, shape []int) *Value {
	if !v.Encrypted() {
		return v
	}
	return spreadNode(b, v, shape)
}

// guarded runs a builder of the graph, whose only refusal of valid shapes is that a value could reach 2^62.
func guarded(f func()) (err *Error) {
	defer func() {
		if r := recover(); r != nil {
			text, ok := r.(string)
			if !ok {
				panic(r)
			}
			err = fail("use smaller values", "%s", strings.TrimPrefix(text, "compiler: "))
		}
	}()
	f()
	return nil
}

// wideShift divides by a power of two, rounding down, without a table: for values that are too wide for one.
func (b *Builder) wideShift(name string, x, y *Value) (*Value, *Error) {
	if !x.Encrypted() || y.Encrypted() || len(y.ints) != 1 {
		return nil, nil
	}
	bits := 0
	switch d := y.ints[0]; {
	case name == "right_shift" && d > 0 && d < 62:
		bits = int(d)
	case name == "floor_divide" && d > 1 && d&(d-1) == 0:
		for 1<<bits < d {
			bits++
		}
	default:
		return nil, nil
	}
	shape, err := broadcastShapes(x, y)
	if err != nil {
		return nil, err
	}
	return rooted(b.g.Round(b.g.Subtract(b.nodeOf(spreadNode(b, x, shape)), b.g.Scalar(1<<(bits-1))), bits), kindInt), nil
}
