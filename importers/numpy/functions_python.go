package numpy

import (
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// pythonBuiltin returns what a name means that the program does not define.
func pythonBuiltin(name string) (any, bool) {
	if _, ok := lookupFunction("python." + name); ok {
		return builtin{"python." + name}, true
	}
	return nil, false
}

// pythonFunctions are Python's own functions.
func pythonFunctions() map[string]impl {
	conversion := func(k kind) impl {
		return impl{[]string{"x"}, 1, func(c *call) (any, *Error) {
			r, err := c.b.convert(c.kw["x"], k)
			if v, ok := r.(*Value); ok && err == nil { // a number of Python, which has no width
				if v, err = c.b.cast(v, nil); err != nil {
					return nil, err
				}
				return simplify(v), nil
			}
			return r, err
		}}
	}
	sequenceOf := func(f func(items []any) any) impl {
		return impl{[]string{"x"}, 1, func(c *call) (any, *Error) {
			items, err := c.b.iterate(c.kw["x"])
			if err != nil {
				return nil, err
			}
			c.b.spend(len(items))
			return f(slices.Clone(items)), nil
		}}
	}
	best := func(name string) impl {
		return impl{[]string{"a", "b", "c", "d"}, 1, func(c *call) (any, *Error) {
			var items []any
			if _, more := c.kw["b"]; more {
				for _, p := range []string{"a", "b", "c", "d"} {
					if v, ok := c.kw[p]; ok {
						items = append(items, v)
					}
				}
			} else {
				var err *Error
				if items, err = c.b.iterate(c.kw["a"]); err != nil {
					return nil, err
				}
			}
			if slices.ContainsFunc(items, isSequence) {
				return nil, fail("make arrays of them first, with np.array, and use np.maximum or np.minimum", "the order of lists")
			}
			return c.fold(name, items, nil)
		}}
	}
	absolute := ofUfunc("absolute", ufuncs["absolute"])
	return map[string]impl{
		"python.range": {[]string{"start", "stop", "step"}, 1, pythonRange},
		"python.len": {[]string{"x"}, 1, func(c *call) (any, *Error) {
			switch v := c.kw["x"].(type) {
			case tuple:
				return int64(len(v)), nil
			case *list:
				return int64(len(v.items)), nil
			case *Value:
				if len(v.shape) > 0 {
					return int64(v.shape[0]), nil
				}
			case table:
				return int64(v.rows.shape[0]), nil
			}
			return nil, fail("", "%s has no length", describe(c.kw["x"]))
		}},
		"python.abs": {absolute.params, 1, func(c *call) (any, *Error) {
			v, err := absolute.run(c)
			if _, array := c.kw["x"].(*Value); array || err != nil {
				return v, err
			}
			return simplify(v.(*Value)), nil
		}},
		"python.min": best("minimum"), "python.max": best("maximum"),
		"python.sum": {[]string{"x", "start"}, 1, func(c *call) (any, *Error) {
			items, err := c.b.iterate(c.kw["x"])
			if err != nil {
				return nil, err
			}
			start := c.kw["start"]
			if start == nil {
				start = int64(0)
			}
			return c.fold("+", items, start)
		}},
		"python.int": conversion(kindInt), "python.float": conversion(kindFloat), "python.bool": conversion(kindBool),
		"python.round": {[]string{"x", "ndigits"}, 1, func(c *call) (any, *Error) {
			v, err := c.value("x")
			if err != nil {
				return nil, err
			}
			c.kw["a"], c.kw["decimals"] = v, c.kw["ndigits"]
			out, err := roundImpl.run(c)
			if err != nil || c.has("ndigits") {
				return out, err
			}
			return c.b.convert(simplify(out.(*Value)), kindInt)
		}},
		"python.list": sequenceOf(func(items []any) any { return &list{items} }), "python.tuple": sequenceOf(func(items []any) any { return tuple(items) }),
		"python.reversed": sequenceOf(func(items []any) any { slices.Reverse(items); return &list{items} }),
		"python.enumerate": {[]string{"x", "start"}, 1, func(c *call) (any, *Error) {
			items, err := c.b.iterate(c.kw["x"])
			if err != nil {
				return nil, err
			}
			start, err := c.integer("start", 0)
			if err != nil {
				return nil, err
			}
			out := &list{}
			for i, x := range items {
				out.items = append(out.items, tuple{start + int64(i), x})
			}
			return out, nil
		}},
		"python.zip": {[]string{"a", "b", "c", "d"}, 1, func(c *call) (any, *Error) {
			var all [][]any
			n := math.MaxInt
			for _, p := range []string{"a", "b", "c", "d"} {
				x, ok := c.kw[p]
				if !ok {
					break
				}
				items, err := c.b.iterate(x)
				if err != nil {
					return nil, err
				}
				all, n = append(all, items), min(n, len(items))
			}
			out := &list{}
			for i := range n {
				t := make(tuple, len(all))
				for j := range all {
					t[j] = all[j][i]
				}
				out.items = append(out.items, t)
			}
			return out, nil
		}},
		"method.append": {[]string{"l", "x"}, 2, func(c *call) (any, *Error) {
			l, ok := c.kw["l"].(*list)
			if !ok {
				return nil, fail("", "%s has no append", describe(c.kw["l"]))
			}
			if len(l.items) >= maxItems {
				return nil, fail("", "a list of more than %d items", maxItems)
			}
			l.items = append(l.items, c.kw["x"])
			return nil, nil
		}},
		"python.print": {[]string{"a", "b", "c", "d", "e", "f"}, 0, func(c *call) (any, *Error) {
			return nil, fail("remove it", "print inside an encrypted program shows nothing")
		}},
	}
}

// fold combines items in a tree with an operator ("+", from a start) or a ufunc.
func (c *call) fold(op string, items []any, start any) (any, *Error) {
	if op == "+" {
		acc := start
		for _, x := range items {
			var err *Error
			if acc, err = c.b.operate("+", acc, x); err != nil {
				return nil, err
			}
		}
		return acc, nil
	}
	if len(items) == 0 {
		return nil, fail("", "the extreme of nothing")
	}
	arrays := false
	values := make([]*Value, len(items))
	for i, x := range items {
		_, array := x.(*Value)
		arrays = arrays || array
		var err *Error
		if values[i], err = c.b.value(x); err != nil {
			return nil, err
		}
	}
	out, err := pairwise(values, func(x, y *Value) (*Value, *Error) { return c.b.call2(op, x, y) })
	if err != nil || arrays {
		return out, err
	}
	return simplify(out), nil
}

func pythonRange(c *call) (any, *Error) {
	for _, p := range []string{"start", "stop", "step"} {
		if v, ok := c.kw[p].(*Value); ok && v.Encrypted() {
			return nil, fail("loop a constant number of times, the most that can be, and choose with np.where inside", "the range of a loop depends on an encrypted value")
		}
	}
	start, err := c.integer("start", 0)
	if err != nil {
		return nil, err
	}
	stop, err := c.integer("stop", 0)
	if err != nil {
		return nil, err
	}
	if !c.has("stop") {
		start, stop = 0, start
	}
	step, err := c.integer("step", 1)
	if err != nil {
		return nil, err
	}
	if step == 0 {
		return nil, fail("", "a range with step 0")
	}
	out := &list{}
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if len(out.items) >= maxItems {
			return nil, fail("", "a range of more than %d numbers", maxItems)
		}
		out.items = append(out.items, i)
		if i > math.MaxInt64-step && step > 0 || i < math.MinInt64-step && step < 0 {
			break
		}
	}
	return out, nil
}

// fheFunctions are those that numpy has no name for: tables, convolution, pools and rounding of low bits.
func fheFunctions() map[string]impl {
	return map[string]impl{
		"fhe.LookupTable": {[]string{"values"}, 1, func(c *call) (any, *Error) {
			v, err := c.value("values")
			if err != nil {
				return nil, err
			}
			if v.Encrypted() || len(v.shape) != 1 || v.kind == kindFloat {
				return nil, fail("give a list of integers", "a lookup table of %s", v.describe())
			}
			return table{v}, nil
		}},
		"fhe.round_bit_pattern": {[]string{"x", "lsbs_to_remove", "approximate"}, 2, roundBits},
		"round_bits":            {[]string{"x", "lsbs_to_remove", "approximate"}, 2, roundBits},
		"fhe.conv":              convImpl, "conv": convImpl,
		"fhe.maxpool": poolImpl("maximum"), "maxpool": poolImpl("maximum"), "fhe.avgpool": poolImpl("add"), "avgpool": poolImpl("add"),
		"fhe.zeros": filled(0, false), "fhe.ones": filled(1, false),
		"fhe.array": {[]string{"object"}, 1, func(c *call) (any, *Error) { return c.value("object") }},
		"fhe.relu": one(func(b *Builder, v *Value) (*Value, *Error) {
			return b.call2("maximum", v, intScalar(0))
		}),
		"fhe.if_then_else": {whereImpl.params, 3, whereImpl.run},
	}
}

// roundBits rounds to a multiple of 2^n, ties up: what makes a wide value fit a table. Approximately, encrypted values may give the other multiple next to them near
// a tie: see compiler.Graph.RoundApproximate.
func roundBits(c *call) (any, *Error) {
	v, err := c.value("x")
	if err != nil {
		return nil, err
	}
	n, err := c.integer("lsbs_to_remove", 0)
	if err != nil {
		return nil, err
	}
	if n < 0 || n > 61 {
		return nil, fail("", "rounding of %d bits", n)
	}
	approximate, err := c.flag("approximate")
	if err != nil {
		return nil, err
	}
	if v.kind == kindFloat {
		return nil, fail("convert it with .astype(np.int64)", "bits of floating point")
	}
	v = plainInts(v)
	if n == 0 {
		return ptr(*v), nil
	}
	if !v.Encrypted() {
		out := &Value{shape: v.shape, kind: kindInt}
		for _, x := range v.ints {
			s, err := add(x, 1<<(n-1))
			if err != nil {
				return nil, err
			}
			out.ints = append(out.ints, s>>n<<n)
		}
		return out, nil
	}
	var node *compiler.Node
	err = guarded(func() {
		if node = v.node; approximate {
			node = c.b.g.RoundApproximate(node, int(n))
		} else {
			node = c.b.g.Round(node, int(n))
		}
		node = c.b.g.Multiply(node, c.b.g.Scalar(1<<n))
	})
	if err != nil {
		return nil, err
	}
	return rooted(node, kindInt), nil
}
