package numpy

import (
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
)

// one returns an impl of a function of one array.
func one(f func(b *Builder, v *Value) (*Value, *Error)) impl {
	return impl{[]string{"a"}, 1, func(c *call) (any, *Error) {
		v, err := c.value("a")
		if err != nil {
			return nil, err
		}
		return f(c.b, v)
	}}
}

func two(f func(b *Builder, x, y *Value) (*Value, *Error)) impl {
	return impl{[]string{"a", "b"}, 2, func(c *call) (any, *Error) {
		x, err := c.value("a")
		if err != nil {
			return nil, err
		}
		y, err := c.value("b")
		if err != nil {
			return nil, err
		}
		return f(c.b, x, y)
	}}
}

// overAxes returns an impl of a reduction.
func overAxes(f func(b *Builder, v *Value, r reduction) (*Value, *Error)) impl {
	return impl{[]string{"a", "axis", "keepdims"}, 1, func(c *call) (any, *Error) {
		v, err := c.value("a")
		if err != nil {
			return nil, err
		}
		r, err := c.reduction(v)
		if err != nil {
			return nil, err
		}
		return f(c.b, v, r)
	}}
}

// view marks an array that shares memory with another one in numpy.
func view(f func(c *call, v *Value) (*Value, *Error), params ...string) impl {
	return impl{append([]string{"a"}, params...), 1, func(c *call) (any, *Error) {
		v, err := c.value("a")
		if err != nil {
			return nil, err
		}
		out, err := f(c, v)
		if err == nil && out != v {
			out.view, v.viewed = true, true
		}
		return out, err
	}}
}

// ofUfunc returns an elementwise function as an impl.
func ofUfunc(name string, u ufunc) impl {
	if u.args == 1 {
		return impl{[]string{"x"}, 1, func(c *call) (any, *Error) {
			v, err := c.value("x")
			if err != nil {
				return nil, err
			}
			return c.b.unary(name, &u, v)
		}}
	}
	return impl{[]string{"x1", "x2"}, 2, func(c *call) (any, *Error) {
		x, err := c.value("x1")
		if err != nil {
			return nil, err
		}
		y, err := c.value("x2")
		if err != nil {
			return nil, err
		}
		return c.b.binary(name, &u, x, y)
	}}
}

func extreme(name string) impl {
	return overAxes(func(b *Builder, v *Value, r reduction) (*Value, *Error) { return b.extreme(name, v, r) })
}

// argOver reads an axis, which alone or not at all is given, for argmax and argmin.
func argOver(greatest bool) impl {
	return overAxes(func(b *Builder, v *Value, r reduction) (*Value, *Error) {
		if len(r.axes) > 1 && len(r.axes) < len(v.shape) {
			return nil, fail("name one axis, or none for all elements", "argmax and argmin over %d axes", len(r.axes))
		}
		return b.argExtreme(greatest, v, r)
	})
}

// functions returns every function of the subset by name: numpy's by theirs, the others with a prefix.
func functions() map[string]impl {
	functionOnce.Do(func() { functionTable = buildFunctions() })
	return functionTable
}

var (
	functionOnce  sync.Once
	functionTable map[string]impl
)

func buildFunctions() map[string]impl {
	out := map[string]impl{}
	for name, u := range ufuncs {
		out[name] = ofUfunc(name, u)
	}
	for name, of := range aliases {
		out[name] = ofUfunc(of, ufuncs[of])
	}
	maps.Copy(out, map[string]impl{
		"matmul": two((*Builder).matmul), "sum": overAxes((*Builder).sum), "mean": overAxes((*Builder).mean),
		"max": extreme("maximum"), "amax": extreme("maximum"), "min": extreme("minimum"), "amin": extreme("minimum"), "prod": extreme("multiply"),
		"any": extreme("logical_or"), "all": extreme("logical_and"), "argmax": argOver(true), "argmin": argOver(false),
		"dot": two((*Builder).dot), "vdot": two((*Builder).dot), "inner": two((*Builder).dot), "outer": two((*Builder).outer), "clip": clipImpl, "where": whereImpl,
		"round": roundImpl, "around": roundImpl,
	})
	maps.Copy(out, shapeFunctions())
	maps.Copy(out, creators())
	maps.Copy(out, fheFunctions())
	maps.Copy(out, pythonFunctions())
	for name, of := range map[string]string{"method.sum": "sum", "method.mean": "mean", "method.max": "max", "method.min": "min", "method.prod": "prod",
		"method.any": "any", "method.all": "all", "method.argmax": "argmax", "method.argmin": "argmin", "method.dot": "dot", "method.clip": "clip",
		"method.round": "round", "method.ravel": "ravel", "method.squeeze": "squeeze", "method.repeat": "repeat", "method.copy": "copy",
		"method.swapaxes": "swapaxes"} {
		out[name] = out[of]
	}
	for name, of := range map[string]string{"exp": "exp", "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p", "expm1": "expm1", "sqrt": "sqrt",
		"sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "sinh": "sinh", "cosh": "cosh",
		"tanh": "tanh", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "fabs": "fabs", "pow": "float_power", "hypot": "hypot", "gcd": "gcd",
		"copysign": "copysign", "isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite", "degrees": "degrees", "radians": "radians"} {
		out["math."+name] = mathFunction(of, ufuncs[of])
	}
	return out
}

// mathFunction is one of Python's math module: numbers only.
func mathFunction(name string, u ufunc) impl {
	f := ofUfunc(name, u)
	return impl{f.params, f.need, func(c *call) (any, *Error) {
		for _, p := range f.params {
			if v, ok := c.kw[p].(*Value); ok && (v.Encrypted() || len(v.shape) > 0) {
				return nil, fail("use np."+name, "math functions take numbers, not %s", v.describe())
			}
		}
		out, err := f.run(c)
		if err != nil {
			return nil, err
		}
		x := simplify(out.(*Value))
		if v, ok := x.(float64); ok && (name == "floor" || name == "ceil" || name == "trunc") && math.Abs(v) < maxExact {
			return int64(v), nil
		}
		return x, nil
	}}
}

func lookupFunction(name string) (impl, bool) {
	f, ok := functions()[strings.TrimPrefix(name, "numpy.")]
	return f, ok
}

// imported returns what a dotted name of a module is.
func imported(name string) (any, *Error) {
	switch name {
	case "numpy", "math", "concrete", "fhe", "typing", "__future__", "numpy.typing":
		return module{name}, nil
	case "concrete.fhe":
		return module{"fhe"}, nil
	case "numpy.pi", "math.pi":
		return math.Pi, nil
	case "numpy.e", "math.e":
		return math.E, nil
	case "numpy.inf", "math.inf":
		return math.Inf(1), nil
	case "numpy.nan", "math.nan":
		return math.NaN(), nil
	case "numpy.newaxis":
		return nil, nil
	case "numpy.bool_", "numpy.bool":
		return dtype{kind: kindBool}, nil
	case "numpy.float64", "numpy.double", "numpy.floating":
		return dtype{kind: kindFloat}, nil
	case "numpy.float32", "numpy.float16", "numpy.single", "numpy.half":
		return nil, fail("use np.float64: functions are evaluated in double precision", "%s", name)
	case "fhe.LookupTable":
		return builtin{"fhe.LookupTable"}, nil
	}
	if t, ok := intTypeNamed(strings.TrimPrefix(name, "numpy.")); ok && strings.HasPrefix(name, "numpy.") {
		return dtype{kindInt, t}, nil
	}
	if name == "numpy.int" || name == "numpy.float" {
		return nil, fail("use "+strings.TrimPrefix(name, "numpy.")+" or "+name+"64", "numpy has no %s any more", name)
	}
	if strings.HasPrefix(name, "typing.") || strings.HasPrefix(name, "__future__.") || strings.HasPrefix(name, "numpy.typing.") {
		return module{name}, nil // only ever part of an annotation
	}
	full := name
	if strings.HasPrefix(name, "numpy.") {
		full = strings.TrimPrefix(name, "numpy.")
		if strings.Contains(full, ".") {
			return nil, fail("", "there is no %s here", name)
		}
	}
	if _, ok := lookupFunction(full); ok {
		return builtin{full}, nil
	}
	return nil, fail(suggestion(full), "there is no %s here", name)
}

// suggestion names the function of the nearest name.
func suggestion(name string) string {
	name = strings.TrimPrefix(name, "numpy.")
	best, least := "", min(3, (len(name)+1)/2) // of short names fewer letters may differ
	for _, f := range slices.Sorted(maps.Keys(functions())) {
		if d := editDistance(name, f, least); d < least {
			best, least = f, d
		}
	}
	if best == "" {
		return ""
	}
	return "is " + best + " meant?"
}

// editDistance is Levenshtein's, for distances below limit.
func editDistance(a, b string, limit int) int {
	if len(a) > 64 || max(len(a), len(b))-min(len(a), len(b)) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

var clipImpl = impl{[]string{"a", "a_min", "a_max"}, 3, func(c *call) (any, *Error) {
	v, err := c.value("a")
	if err != nil {
		return nil, err
	}
	if c.has("a_min") {
		lo, err := c.value("a_min")
		if err == nil {
			v, err = c.b.call2("maximum", v, lo)
		}
		if err != nil {
			return nil, err
		}
	}
	if c.has("a_max") {
		hi, err := c.value("a_max")
		if err == nil {
			v, err = c.b.call2("minimum", v, hi)
		}
		if err != nil {
			return nil, err
		}
	}
	return v, nil
}}

var whereImpl = impl{[]string{"condition", "x", "y"}, 3, func(c *call) (any, *Error) {
	var v [3]*Value
	for i, p := range []string{"condition", "x", "y"} {
		var err *Error
		if v[i], err = c.value(p); err != nil {
			return nil, err
		}
	}
	return c.b.where(v[0], v[1], v[2])
}}

// roundImpl is np.round: to decimals after the point, ties to even.
var roundImpl = impl{[]string{"a", "decimals"}, 1, func(c *call) (any, *Error) {
	v, err := c.value("a")
	if err != nil {
		return nil, err
	}
	d, err := c.integer("decimals", 0)
	if err != nil {
		return nil, err
	}
	if d < -18 || d > 18 {
		return nil, fail("", "rounding to %d decimals", d)
	}
	if v.kind != kindFloat {
		if d >= 0 {
			return ptr(*v), nil
		}
		return nil, fail("divide first", "integers rounded to tens or hundreds")
	}
	scale := pow(10, math.Abs(float64(d)))
	u := ufunc{args: 1, floats: func(x, _ float64) float64 {
		if d < 0 {
			return math.RoundToEven(x/scale) * scale
		}
		return math.RoundToEven(x*scale) / scale
	}}
	return c.b.unary("round", &u, v)
}}

// dot is numpy's for scalars, and matmul otherwise.
func (b *Builder) dot(x, y *Value) (*Value, *Error) {
	if len(x.shape) == 0 || len(y.shape) == 0 {
		return b.call2("multiply", x, y)
	}
	return b.matmul(x, y)
}

func (b *Builder) outer(x, y *Value) (*Value, *Error) {
	return b.call2("multiply", b.moved(x, sequence(x.size()), []int{x.size(), 1}), b.moved(y, sequence(y.size()), []int{1, y.size()}))
}
