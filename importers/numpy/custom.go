package numpy

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// Func is an elementwise function of one or two arguments that numpy has no name for, for [Builder.Apply].
type Func struct {
	// Name is that of the function in messages. It must not be one of numpy's.
	Name string
	// Ints is the function of integers and bools. Where it is nil these count as floating point.
	Ints func(a, b int64) (int64, error)
	// Floats is the function of floating point; nil refuses that.
	Floats func(a, b float64) float64
	// Bools says that the result is a bool: 0 or 1 of Ints and Floats.
	Bools bool
}

// Apply computes f elementwise on one or two values, after broadcasting. Errors are those of [Builder.Call]; of two encrypted values that do not depend on
// the same element f must have Ints, and few pairs of values.
func (b *Builder) Apply(f Func, args ...*Value) *Value {
	u := ufunc{args: len(args), floats: f.Floats, bools: f.Bools}
	if f.Ints != nil {
		u.ints = func(p, q int64) (int64, *Error) {
			r, err := f.Ints(p, q)
			if err != nil {
				return 0, fail("", "%v", err)
			}
			return r, nil
		}
	}
	return b.attempt(f.Name, func() (any, *Error) {
		switch len(args) {
		case 1:
			return b.unary(f.Name, &u, args[0])
		case 2:
			return b.binary(f.Name, &u, args[0], args[1])
		}
		panic(fmt.Sprintf("numpy: %s of %d arguments, want 1 or 2", f.Name, len(args)))
	})
}

// Pick returns the elements idx of v, counted in row-major order, in a shape: every operation that only rearranges or repeats. It panics on an index outside
// v, and when their number is not that of the shape.
func (b *Builder) Pick(v *Value, idx []int, shape []int) *Value {
	return b.attempt("Pick", func() (any, *Error) {
		if len(idx) != sizeOf(shape) {
			panic(fmt.Sprintf("numpy: %d elements for shape %s", len(idx), shapeText(shape)))
		}
		for _, i := range idx {
			if i < 0 || i >= v.size() {
				panic(fmt.Sprintf("numpy: element %d of %s", i, v.describe()))
			}
		}
		if n, ok := sizeWithin(shape); !ok {
			return nil, fail("", "an array of shape %s, which has %s elements", shapeText(shape), n)
		}
		return b.moved(v, slices.Clone(idx), slices.Clone(shape)), nil
	})
}

// Lookup returns table[index] for a constant table of one axis, which index, an array of integers, may be encrypted. Negative indices count from the end.
func (b *Builder) Lookup(table, index *Value) *Value {
	return b.attempt("Lookup", func() (any, *Error) { return b.tableItem(table, index) })
}

// attempt runs one call unless an earlier one failed, and keeps its error.
func (b *Builder) attempt(name string, f func() (any, *Error)) *Value {
	if b.err != nil {
		return nil
	}
	out, err := protect(f)
	if err != nil {
		b.err = fmt.Errorf("numpy: %s: %w", name, err)
		return nil
	}
	v, ok := out.(*Value)
	if !ok {
		b.err = fmt.Errorf("numpy: %s does not return an array", name)
	}
	return v
}

// Err returns the first error of the Builder's calls, after which they do nothing.
func (b *Builder) Err() error { return b.err }

// Mark gives the nodes that are recorded from here on an origin, which errors of compiling them name: [compiler.LowerError].
func (b *Builder) Mark(origin int) { b.g.Origin = origin }

// Limit bounds the elements that the program may touch in all, constants and tables included, to fewer than the default of 2^28.
func (b *Builder) Limit(elements int) { b.work = max(b.work, maxWork-elements) }

// Ops returns the operations that have been recorded since the first n.
func (b *Builder) Ops(n int) []compiler.Op {
	var out []compiler.Op
	for _, node := range b.g.Nodes[min(n, len(b.g.Nodes)):] {
		out = append(out, node.Op)
	}
	return out
}

// Floating reports whether v is in floating point.
func (v *Value) Floating() bool { return v.kind == kindFloat }

// Bool reports whether v is an array of bools.
func (v *Value) Bool() bool { return v.kind == kindBool }

// Ints returns the elements of a constant of integers or bools, and nil for other values. The caller must not change them.
func (v *Value) Ints() []int64 { return v.ints }

// Floats returns the elements of a constant in floating point, and nil for other values. The caller must not change them.
func (v *Value) Floats() []float64 { return v.data }

// Whole reports whether every value that an element can take is a whole number of at most limit in magnitude.
func (v *Value) Whole(limit int64) bool {
	if v.kind != kindFloat {
		lo, hi := v.Bounds()
		return lo >= -limit && hi <= limit
	}
	whole := func(x float64) bool { return x == math.Trunc(x) && math.Abs(x) <= float64(limit) }
	if v.data != nil {
		return !slices.ContainsFunc(v.data, func(x float64) bool { return !whole(x) })
	}
	seen := map[*float64]bool{}
	for _, row := range v.rows {
		if seen[&row[0]] {
			continue
		}
		seen[&row[0]] = true
		if slices.ContainsFunc(row, func(x float64) bool { return !whole(x) }) {
			return false
		}
	}
	return true
}

// Finite reports whether every value that an element can take is a finite number.
func (v *Value) Finite() bool {
	for _, row := range append(slices.Clone(v.rows), v.data) {
		if slices.ContainsFunc(row, func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }) {
			return false
		}
	}
	return true
}

// Refusal returns what err says of a program built in Go, without the names of packages and functions, and the way out, which may be empty; ok is false
// for errors that are none of this package.
func Refusal(err error) (message, hint string, ok bool) {
	var e *Error
	if !errors.As(err, &e) {
		return "", "", false
	}
	return e.Message, e.Hint, true
}
