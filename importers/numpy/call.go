package numpy

import (
	"slices"
	"strings"
)

// call is one call of a function by name.
type call struct {
	b    *Builder
	in   *interp // nil for programs built in Go
	name string
	args []any
	kw   map[string]any
}

// impl is a function of the subset: its parameters by name, of which those after need may be left out, and what it does.
type impl struct {
	params []string
	need   int
	run    func(c *call) (any, *Error)
}

// run binds the arguments to parameters and executes the function.
func (c *call) run(f impl) (any, *Error) {
	if len(c.args) > len(f.params) {
		return nil, fail("", "%s takes at most %d arguments, not %d", c.name, len(f.params), len(c.args))
	}
	bound := map[string]any{}
	for i, a := range c.args {
		bound[f.params[i]] = a
	}
	for k, v := range c.kw {
		if !slices.Contains(f.params, k) {
			return nil, fail("its parameters are "+strings.Join(f.params, ", "), "%s has no parameter %s here", c.name, k)
		}
		if _, twice := bound[k]; twice {
			return nil, fail("", "%s gets %s twice", c.name, k)
		}
		bound[k] = v
	}
	for _, p := range f.params[:f.need] {
		if _, ok := bound[p]; !ok {
			return nil, fail("", "%s needs its argument %s", c.name, p)
		}
	}
	c.kw = bound
	var given []any // what the type of the result depends on
	for _, p := range f.params {
		if x, ok := bound[p]; ok && !layoutParameters[p] {
			given = append(given, x)
		}
	}
	out, err := f.run(c)
	if err != nil {
		return nil, err
	}
	return c.b.typed(c.name, out, given)
}

// has reports whether an argument is given and not None.
func (c *call) has(name string) bool {
	v, ok := c.kw[name]
	return ok && v != nil
}

// value returns an argument as an array.
func (c *call) value(name string) (*Value, *Error) { return c.b.value(c.kw[name]) }

// integer returns an argument as a constant integer.
func (c *call) integer(name string, preset int64) (int64, *Error) {
	if !c.has(name) {
		return preset, nil
	}
	v, err := c.value(name)
	if err != nil {
		return 0, err
	}
	if v.Encrypted() || v.kind == kindFloat || v.size() != 1 {
		return 0, fail("", "%s must be a constant integer, not %s", name, describe(c.kw[name]))
	}
	return v.ints[0], nil
}

// flag returns an argument as a constant bool.
func (c *call) flag(name string) (bool, *Error) {
	v, ok := c.kw[name]
	if !ok {
		return false, nil
	}
	return truthOf(v)
}

// integers returns an argument as a list of constant integers: one integer, or several.
func (c *call) integers(name string) ([]int64, *Error) {
	if !c.has(name) {
		return nil, nil
	}
	if v, ok := c.kw[name].(*Value); !ok || len(v.shape) > 0 {
		if _, single := c.kw[name].(int64); !single {
			items, err := c.b.iterate(c.kw[name])
			if err != nil {
				return nil, err
			}
			out := make([]int64, len(items))
			for i, x := range items {
				if v, ok := x.(*Value); ok {
					x = simplify(v)
				}
				n, ok := x.(int64)
				if !ok {
					return nil, fail("", "%s must be constant integers, not %s", name, describe(x))
				}
				out[i] = n
			}
			return out, nil
		}
	}
	n, err := c.integer(name, 0)
	return []int64{n}, err
}

// reduction reads axis and keepdims for an array.
func (c *call) reduction(v *Value) (reduction, *Error) {
	r := reduction{}
	var err *Error
	if r.keep, err = c.flag("keepdims"); err != nil {
		return r, err
	}
	axes, err := c.integers("axis")
	if err != nil {
		return r, err
	}
	if !c.has("axis") {
		r.axes = sequence(len(v.shape))
		return r, nil
	}
	for _, a := range axes {
		i, err := axisOf(a, len(v.shape))
		if err != nil {
			return r, err
		}
		if slices.Contains(r.axes, i) {
			return r, fail("", "axis %d twice", a)
		}
		r.axes = append(r.axes, i)
	}
	slices.Sort(r.axes)
	return r, nil
}

// iterate returns the items of a sequence: what a loop runs over.
func (b *Builder) iterate(x any) ([]any, *Error) {
	switch v := x.(type) {
	case tuple:
		return v, nil
	case *list:
		return v.items, nil
	case string:
		return nil, fail("", "a loop over the characters of a string")
	case *Value:
		if len(v.shape) == 0 {
			if v.Encrypted() {
				return nil, fail("loop a constant number of times, and choose with np.where", "a loop over an encrypted scalar")
			}
			return nil, fail("use range(n)", "a loop over a number")
		}
		out := make([]any, v.shape[0])
		step := v.size() / v.shape[0]
		for i := range out {
			idx := make([]int, step)
			for j := range idx {
				idx[j] = i*step + j
			}
			item := b.moved(v, idx, v.shape[1:])
			item.view, v.viewed = len(item.shape) > 0, v.viewed || len(item.shape) > 0
			out[i] = item
		}
		return out, nil
	case int64, float64, bool:
		return nil, fail("use range(n)", "a loop over a number")
	}
	return nil, fail("", "a loop over %s", describe(x))
}

// value turns numbers, lists and tuples into arrays.
func (b *Builder) value(x any) (*Value, *Error) {
	switch v := x.(type) {
	case *Value:
		if v == nil {
			return nil, fail("", "a value that an earlier call did not make")
		}
		return v, nil
	case bool:
		return boolScalar(v), nil
	case int64:
		return intScalar(v), nil
	case float64:
		return floatScalar(v), nil
	case tuple:
		return b.arrayOf(v, 0)
	case *list:
		return b.arrayOf(v.items, 0)
	}
	return nil, fail("", "%s where an array or a number is expected", describe(x))
}

// arrayOf stacks the items of a list.
func (b *Builder) arrayOf(items []any, depth int) (*Value, *Error) {
	if len(items) == 0 {
		return nil, fail("arrays have at least one element here", "an empty array")
	}
	if depth >= maxAxes {
		return nil, fail("", "lists nest more than %d deep", maxAxes)
	}
	parts := make([]*Value, len(items))
	numbers := true
	for i, x := range items {
		var err *Error
		switch v := x.(type) {
		case *list:
			parts[i], err = b.arrayOf(v.items, depth+1)
		case tuple:
			parts[i], err = b.arrayOf(v, depth+1)
		default:
			parts[i], err = b.value(x)
		}
		if err != nil {
			return nil, err
		}
		numbers = numbers && !parts[i].Encrypted() && len(parts[i].shape) == 0
		if !slices.Equal(parts[i].shape, parts[0].shape) {
			return nil, fail("all rows must be as long", "a list of arrays of shapes %s and %s", shapeText(parts[0].shape), shapeText(parts[i].shape))
		}
	}
	b.spend(16 * len(items)) // an item of a list costs far more than an element of an array
	if numbers {             // the usual case, at once
		out := &Value{shape: []int{len(parts)}}
		for _, p := range parts {
			out.kind = max(out.kind, p.kind)
		}
		for _, p := range parts {
			if out.kind == kindFloat {
				out.data = append(out.data, p.at(0))
			} else {
				out.ints = append(out.ints, p.ints[0])
			}
		}
		return out, nil
	}
	return b.stack(parts, 0)
}

// stack joins arrays of one shape along a new axis.
func (b *Builder) stack(values []*Value, axis int64) (*Value, *Error) {
	parts := make([]*Value, len(values))
	for i, v := range values {
		var err *Error
		if parts[i], err = b.expandDims(v, axis); err != nil {
			return nil, err
		}
	}
	return b.join(parts, axis)
}

// attribute is Python's x.name.
func (b *Builder) attribute(x any, name string) (any, *Error) {
	switch v := x.(type) {
	case module:
		return imported(v.name + "." + name)
	case *Value:
		switch name {
		case "T":
			out, err := b.transpose(v, nil)
			if err == nil {
				out.view, v.viewed = true, true
			}
			return out, err
		case "shape":
			out := make(tuple, len(v.shape))
			for i, d := range v.shape {
				out[i] = int64(d)
			}
			return out, nil
		case "ndim":
			return int64(len(v.shape)), nil
		case "size":
			return int64(v.size()), nil
		case "dtype":
			return dtype{v.kind, v.typ}, nil
		}
		if _, ok := lookupFunction("method." + name); ok {
			return method{v, "method." + name}, nil
		}
		return nil, fail("", "arrays have no attribute %s here", name)
	case *list:
		if name == "append" {
			return method{v, "method.append"}, nil
		}
	}
	return nil, fail("", "%s has no attribute %s here", describe(x), name)
}
