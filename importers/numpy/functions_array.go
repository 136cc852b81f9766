package numpy

import (
	"math"
	"slices"
)

// arrays returns an argument that is a list of arrays.
func (c *call) arrays(name string) ([]*Value, *Error) {
	items, err := c.b.iterate(c.kw[name])
	if err != nil {
		return nil, err
	}
	out := make([]*Value, len(items))
	for i, x := range items {
		if out[i], err = c.b.value(x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// joined returns an impl that joins a list of arrays after shaping each.
func joined(axis int64, withAxis bool, shape func(b *Builder, v *Value) (*Value, *Error), join func(b *Builder, values []*Value, axis int64) (*Value, *Error)) impl {
	params := []string{"arrays"}
	if withAxis {
		params = append(params, "axis")
	}
	return impl{params, 1, func(c *call) (any, *Error) {
		values, err := c.arrays("arrays")
		if err != nil {
			return nil, err
		}
		at, err := c.integer("axis", axis)
		if err != nil {
			return nil, err
		}
		for i, v := range values {
			if shape != nil {
				if values[i], err = shape(c.b, v); err != nil {
					return nil, err
				}
			}
		}
		if len(values) == 0 {
			return nil, fail("", "an empty list of arrays")
		}
		return join(c.b, values, at)
	}}
}

func atLeast(n int, before bool) func(b *Builder, v *Value) (*Value, *Error) {
	return func(b *Builder, v *Value) (*Value, *Error) {
		shape := slices.Clone(v.shape)
		for len(shape) < n {
			if before {
				shape = append([]int{1}, shape...)
			} else {
				shape = append(shape, 1)
			}
		}
		return b.moved(v, sequence(v.size()), shape), nil
	}
}

// shapeFunctions rearrange arrays.
func shapeFunctions() map[string]impl {
	flatten := func(c *call, v *Value) (*Value, *Error) { return c.b.reshape(v, []int64{-1}) }
	reshape := func(c *call, v *Value) (*Value, *Error) {
		shape, err := c.integers("shape")
		if err != nil {
			return nil, err
		}
		return c.b.reshape(v, shape)
	}
	transpose := func(c *call, v *Value) (*Value, *Error) {
		axes, err := c.integers("axes")
		if err != nil {
			return nil, err
		}
		return c.b.transpose(v, axes)
	}
	swap := view(func(c *call, v *Value) (*Value, *Error) {
		axes := make([]int64, len(v.shape))
		for i := range axes {
			axes[i] = int64(i)
		}
		var at [2]int
		for i, name := range []string{"axis1", "axis2"} {
			a, err := c.integer(name, 0)
			if err != nil {
				return nil, err
			}
			if at[i], err = axisOf(a, len(v.shape)); err != nil {
				return nil, err
			}
		}
		axes[at[0]], axes[at[1]] = axes[at[1]], axes[at[0]]
		return c.b.transpose(v, axes)
	}, "axis1", "axis2")
	// several reads method calls whose list is given as several arguments: x.reshape(2, 3).
	several := func(name string, f func(c *call, v *Value) (*Value, *Error)) impl {
		g := view(f, name)
		params := []string{"a", name, "1", "2", "3", "4", "5", "6", "7"}
		return impl{params, 1, func(c *call) (any, *Error) {
			if _, more := c.kw["1"]; more {
				all := tuple{c.kw[name]}
				for _, p := range params[2:] {
					if v, ok := c.kw[p]; ok {
						all = append(all, v)
					}
				}
				c.kw[name] = all
			}
			return g.run(c)
		}}
	}
	needed := view(reshape, "shape")
	needed.need = 2
	return map[string]impl{
		"reshape": needed, "transpose": view(transpose, "axes"), "permute_dims": view(transpose, "axes"), "ravel": view(flatten),
		"method.flatten": one(func(b *Builder, v *Value) (*Value, *Error) { return b.reshape(v, []int64{-1}) }),
		"method.reshape": several("shape", reshape), "method.transpose": several("axes", transpose), "swapaxes": swap,
		"squeeze": view(func(c *call, v *Value) (*Value, *Error) {
			axes, err := c.integers("axis")
			if err != nil {
				return nil, err
			}
			return c.b.squeeze(v, axes)
		}, "axis"),
		"expand_dims": view(func(c *call, v *Value) (*Value, *Error) {
			axis, err := c.integer("axis", 0)
			if err != nil {
				return nil, err
			}
			return c.b.expandDims(v, axis)
		}, "axis"),
		"broadcast_to": view(func(c *call, v *Value) (*Value, *Error) {
			to, err := c.integers("shape")
			if err != nil {
				return nil, err
			}
			shape, err := shapeFrom(to)
			if err != nil {
				return nil, err
			}
			if got, err := broadcastShapes(v, &Value{shape: shape}); err != nil || !slices.Equal(got, shape) {
				return nil, fail("", "%s does not broadcast to shape %s", v.describe(), shapeText(shape))
			}
			return c.b.moved(v, broadcastIndex(v.shape, shape), shape), nil
		}, "shape"),
		"flip": view(func(c *call, v *Value) (*Value, *Error) {
			r, err := c.reduction(v)
			if err != nil {
				return nil, err
			}
			index := make(tuple, len(v.shape))
			for i := range index {
				index[i] = slice{}
				if slices.Contains(r.axes, i) {
					index[i] = slice{step: int64(-1)}
				}
			}
			sel, err := c.b.selectItems(v.shape, index)
			if err != nil {
				return nil, err
			}
			return c.b.moved(v, sel.idx, sel.shape), nil
		}, "axis"),
		"concatenate": joined(0, true, nil, (*Builder).join), "stack": joined(0, true, nil, (*Builder).stack),
		"vstack":       joined(0, false, atLeast(2, true), (*Builder).join),
		"column_stack": joined(1, false, atLeast(2, false), (*Builder).join),
		"hstack": joined(-1, false, atLeast(1, true), func(b *Builder, values []*Value, _ int64) (*Value, *Error) {
			return b.join(values, int64(min(1, len(values[0].shape)-1)))
		}),
		"repeat": {[]string{"a", "repeats", "axis"}, 2, func(c *call) (any, *Error) {
			v, err := c.value("a")
			if err != nil {
				return nil, err
			}
			n, err := c.integer("repeats", 1)
			if err != nil {
				return nil, err
			}
			axis, err := c.integer("axis", 0)
			if err != nil {
				return nil, err
			}
			if !c.has("axis") {
				v = c.b.moved(v, sequence(v.size()), []int{v.size()})
			}
			at, err := axisOf(axis, len(v.shape))
			if err != nil {
				return nil, err
			}
			if n < 1 || n > maxElements {
				return nil, fail("arrays have at least one element here", "%d repetitions", n)
			}
			var index []int64
			for i := range v.shape[at] * int(n) {
				index = append(index, int64(i)/n)
			}
			parts := make(tuple, at+1)
			for i := range at {
				parts[i] = slice{}
			}
			parts[at] = &Value{shape: []int{len(index)}, kind: kindInt, ints: index}
			return c.b.item(v, parts)
		}},
		"copy": one(func(b *Builder, v *Value) (*Value, *Error) {
			out := *v
			out.view, out.viewed = false, false
			return &out, nil
		}),
	}
}

// shapeFrom checks the shape of a new array.
func shapeFrom(ints []int64) ([]int, *Error) {
	out := make([]int, len(ints))
	for i, d := range ints {
		if d < 1 || d > maxElements {
			return nil, fail("every axis has at least one element here", "an axis of %d elements", d)
		}
		out[i] = int(d)
	}
	if n, ok := sizeWithin(out); !ok {
		return nil, fail("", "an array of %s elements, more than %d", n, maxElements)
	}
	return out, nil
}

// dtypeArgument reads dtype=, by type or by name.
func (c *call) dtypeArgument(preset dtype) (dtype, *Error) {
	if !c.has("dtype") {
		return preset, nil
	}
	switch d := c.kw["dtype"].(type) {
	case dtype:
		return d, nil
	case builtin:
		if t, ok := map[string]kind{"python.int": kindInt, "python.float": kindFloat, "python.bool": kindBool}[d.name]; ok {
			return dtype{kind: t}, nil
		}
	case string:
		if v, err := imported("numpy." + d); err == nil {
			if t, ok := v.(dtype); ok {
				return t, nil
			}
		}
		if t, ok := map[string]kind{"int": kindInt, "float": kindFloat, "bool": kindBool}[d]; ok {
			return dtype{kind: t}, nil
		}
	}
	return dtype{}, fail("use np.int64, np.float64 or bool", "%s is no type", describe(c.kw["dtype"]))
}

// filled returns an impl that makes an array of one number.
func filled(x float64, like bool) impl {
	return impl{[]string{"shape", "dtype"}, 1, func(c *call) (any, *Error) {
		preset := dtype{kind: kindFloat}
		var ints []int64
		var err *Error
		if like {
			v, err := c.value("shape")
			if err != nil {
				return nil, err
			}
			preset = dtype{v.kind, v.typ}
			ints = v.shapeInts()
		} else if ints, err = c.integers("shape"); err != nil {
			return nil, err
		}
		return c.full(ints, floatScalar(x), preset)
	}}
}

// as converts to a type.
func (b *Builder) as(v *Value, t dtype) (*Value, *Error) {
	out, err := b.astype(v, t.kind)
	if err != nil {
		return nil, err
	}
	return b.cast(out, t.typ)
}

// typeOf returns the type that an array made of arguments has without dtype=.
func (c *call) typeOf(v *Value, names ...string) dtype {
	var args []any
	for _, n := range names {
		args = append(args, c.kw[n])
	}
	t, _, err := argumentType(args, false)
	if err != nil {
		t = nil
	}
	return dtype{v.kind, t}
}

// full makes an array of one value.
func (c *call) full(ints []int64, x *Value, preset dtype) (any, *Error) {
	shape, err := shapeFrom(ints)
	if err != nil {
		return nil, err
	}
	k, err := c.dtypeArgument(preset)
	if err != nil {
		return nil, err
	}
	if x, err = c.b.as(x, k); err != nil {
		return nil, err
	}
	if len(x.shape) != 0 {
		return nil, fail("", "an array is filled with %s", x.describe())
	}
	return c.b.moved(x, make([]int, sizeOf(shape)), shape), nil
}

// shapeInts returns the shape as the integers of an argument.
func (v *Value) shapeInts() []int64 {
	out := make([]int64, len(v.shape))
	for i, d := range v.shape {
		out[i] = int64(d)
	}
	return out
}

// converted returns an impl that takes an array, named by its first parameter, and a dtype, of which need must be given.
func converted(name string, need int) impl {
	return impl{[]string{name, "dtype"}, need, func(c *call) (any, *Error) {
		v, err := c.value(name)
		if err != nil {
			return nil, err
		}
		k, err := c.dtypeArgument(c.typeOf(v, name))
		if err != nil {
			return nil, err
		}
		return c.b.as(v, k)
	}}
}

// creators make arrays.
func creators() map[string]impl {
	array := converted("object", 1)
	fullLike := func(c *call) (any, *Error) {
		v, err := c.value("a")
		if err != nil {
			return nil, err
		}
		x, err := c.value("fill_value")
		if err != nil {
			return nil, err
		}
		ints := v.shapeInts()
		return c.full(ints, x, dtype{v.kind, v.typ})
	}
	return map[string]impl{
		"array": array, "asarray": array, "zeros": filled(0, false), "ones": filled(1, false), "zeros_like": filled(0, true), "ones_like": filled(1, true),
		"full_like": {[]string{"a", "fill_value", "dtype"}, 2, fullLike},
		"full": {[]string{"shape", "fill_value", "dtype"}, 2, func(c *call) (any, *Error) {
			x, err := c.value("fill_value")
			if err != nil {
				return nil, err
			}
			shape, err := c.integers("shape")
			if err != nil {
				return nil, err
			}
			return c.full(shape, x, dtype{x.kind, x.typ})
		}},
		"arange":   {[]string{"start", "stop", "step", "dtype"}, 1, arange},
		"linspace": {[]string{"start", "stop", "num"}, 2, linspace},
		"eye": {[]string{"N", "M", "k", "dtype"}, 1, func(c *call) (any, *Error) {
			n, err := c.integer("N", 1)
			if err != nil {
				return nil, err
			}
			m, err := c.integer("M", n)
			if err != nil {
				return nil, err
			}
			k, err := c.integer("k", 0)
			if err != nil {
				return nil, err
			}
			t, err := c.dtypeArgument(dtype{kind: kindFloat})
			if err != nil {
				return nil, err
			}
			shape, err := shapeFrom([]int64{n, m})
			if err != nil {
				return nil, err
			}
			out := &Value{shape: shape, kind: kindInt, ints: make([]int64, n*m)}
			for i := range n {
				if j := i + k; j >= 0 && j < m {
					out.ints[i*m+j] = 1
				}
			}
			return c.b.as(out, t)
		}},
		"load": {[]string{"file"}, 1, func(c *call) (any, *Error) {
			name, ok := c.kw["file"].(string)
			if !ok || c.in == nil || c.in.load == nil {
				return nil, fail("", "np.load takes the name of a file beside the program")
			}
			v, err := c.in.load(name)
			if err != nil {
				return nil, fail("", "%v", err)
			}
			return v, nil
		}},
		"method.astype": converted("a", 2),
		"method.tolist": one1(func(b *Builder, v *Value) (any, *Error) {
			if v.Encrypted() {
				return nil, fail("keep it an array", "the list of an encrypted array")
			}
			return b.listOf(v)
		}),
		"method.item": one1(func(b *Builder, v *Value) (any, *Error) {
			if v.size() != 1 {
				return nil, fail("index it", "the item of an array of %d", v.size())
			}
			return simplify(b.moved(v, []int{0}, nil)), nil
		}),
	}
}

func one1(f func(b *Builder, v *Value) (any, *Error)) impl {
	return impl{[]string{"a"}, 1, func(c *call) (any, *Error) {
		v, err := c.value("a")
		if err != nil {
			return nil, err
		}
		return f(c.b, v)
	}}
}

func (b *Builder) listOf(v *Value) (any, *Error) {
	if len(v.shape) == 0 {
		return simplify(v), nil
	}
	items, err := b.iterate(v)
	if err != nil {
		return nil, err
	}
	out := &list{}
	for _, x := range items {
		y, err := b.listOf(x.(*Value))
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, y)
	}
	return out, nil
}

// number returns an argument as a constant number.
func (c *call) number(name string, preset float64) (x float64, isInt bool, err *Error) {
	if !c.has(name) {
		return preset, preset == math.Trunc(preset), nil
	}
	v, err := c.value(name)
	if err != nil {
		return 0, false, err
	}
	if v.Encrypted() || v.size() != 1 {
		return 0, false, fail("", "%s must be a constant number", name)
	}
	return v.at(0), v.kind != kindFloat, nil
}

func arange(c *call) (any, *Error) {
	start, i0, err := c.number("start", 0)
	if err != nil {
		return nil, err
	}
	stop, i1, err := c.number("stop", 0)
	if err != nil {
		return nil, err
	}
	if !c.has("stop") {
		start, stop, i1 = 0, start, i0
	}
	step, i2, err := c.number("step", 1)
	if err != nil {
		return nil, err
	}
	preset := kindFloat
	if i0 && i1 && i2 {
		preset = kindInt
	}
	k, err := c.dtypeArgument(dtype{kind: preset})
	if err != nil {
		return nil, err
	}
	n := math.Ceil((stop - start) / step)
	if step == 0 || math.IsNaN(n) || n < 1 || n > maxElements {
		return nil, fail("arrays have at least one element here", "a range from %v to %v in steps of %v", start, stop, step)
	}
	out := &Value{shape: []int{int(n)}, kind: preset}
	for i := range int(n) {
		x := start + float64(i)*step
		if preset == kindInt {
			out.ints = append(out.ints, int64(x))
		} else {
			out.data = append(out.data, x)
		}
	}
	return c.b.as(out, k)
}

func linspace(c *call) (any, *Error) {
	start, _, err := c.number("start", 0)
	if err != nil {
		return nil, err
	}
	stop, _, err := c.number("stop", 0)
	if err != nil {
		return nil, err
	}
	n, err := c.integer("num", 50)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > maxElements {
		return nil, fail("", "%d numbers", n)
	}
	out := &Value{shape: []int{int(n)}, kind: kindFloat, data: make([]float64, n)}
	step := (stop - start) / float64(max(n-1, 1))
	for i := range out.data {
		out.data[i] = float64(float64(i)*step) + start
	}
	if n > 1 {
		out.data[n-1] = stop
	}
	return out, nil
}
