package numpy

import (
	"fmt"
	"math"
	"strings"
)

// intType is a narrow integer type of numpy, in which numpy wraps around. Nothing wraps around here: a result that would is refused. int64 is nil.
type intType struct {
	name   string
	bits   int
	signed bool
	lo, hi int64 // of uint64 as far as int64 reaches
}

var intTypes = []*intType{
	{"int8", 8, true, math.MinInt8, math.MaxInt8}, {"uint8", 8, false, 0, math.MaxUint8},
	{"int16", 16, true, math.MinInt16, math.MaxInt16}, {"uint16", 16, false, 0, math.MaxUint16},
	{"int32", 32, true, math.MinInt32, math.MaxInt32}, {"uint32", 32, false, 0, math.MaxUint32},
	{"uint64", 64, false, 0, math.MaxInt64},
}

// intTypeNames are numpy's other names for types of integers; "" is int64.
var intTypeNames = map[string]string{"int64": "", "int_": "", "intp": "", "longlong": "", "long": "", "integer": "", "signedinteger": "", "byte": "int8", "ubyte": "uint8",
	"short": "int16", "ushort": "uint16", "intc": "int32", "uintc": "uint32", "uint": "uint64", "uintp": "uint64", "ulong": "uint64", "ulonglong": "uint64"}

// intTypeNamed returns the type of that name in numpy; ok is false where there is none.
func intTypeNamed(name string) (t *intType, ok bool) {
	if of, alias := intTypeNames[name]; alias {
		if of == "" {
			return nil, true
		}
		name = of
	}
	for _, t := range intTypes {
		if t.name == name {
			return t, true
		}
	}
	return nil, false
}

// promote returns the type of a result of two types, by numpy's table. uint64 with a signed type is floating point there: ok is false.
func promote(a, b *intType) (t *intType, ok bool) {
	bitsOf := func(t *intType) (int, bool) {
		if t == nil {
			return 64, true
		}
		return t.bits, t.signed
	}
	x, xs := bitsOf(a)
	y, ys := bitsOf(b)
	bits, signed := max(x, y), xs || ys
	if xs != ys {
		if xs && x > y || ys && y > x {
			bits = max(x, y)
		} else if bits *= 2; bits > 64 {
			return nil, false
		}
	}
	for _, t := range intTypes {
		if t.bits == bits && t.signed == signed {
			return t, true
		}
	}
	return nil, true
}

// cast gives an integer value a type, whose bounds it must be within.
func (b *Builder) cast(v *Value, t *intType) (*Value, *Error) {
	if v.kind != kindInt || v.typ == t {
		return v, nil
	}
	if t != nil {
		if lo, hi := v.Bounds(); lo < t.lo || hi > t.hi {
			return nil, fail("convert to np.int64 first, which is wide enough, with .astype(np.int64)", "values of %d to %d in an array of np.%s, which holds %d to %d: numpy wraps around there",
				lo, hi, t.name, t.lo, t.hi)
		}
	}
	out := *v
	out.typ = t
	return &out, nil
}

// TypedArray is [Array] with the type of its elements by numpy's name: bool, int64, or a narrow one such as uint8, in which numpy calculates (a result that
// would wrap around is refused). A value outside of the type or beyond 2^53, and a name of no such type, are errors.
func TypedArray(shape []int, values []int64, name string) (*Value, error) {
	v := Array(shape, values)
	lo, hi := int64(-maxExact), int64(maxExact)
	t, ok := intTypeNamed(name)
	switch {
	case name == "bool":
		v.kind, lo, hi = kindBool, 0, 1
	case !ok:
		return nil, fmt.Errorf("numpy: arrays of %s are not supported; save integers, bool or floating point", name)
	case t != nil:
		lo, hi = max(lo, t.lo), min(hi, t.hi)
	}
	for i, x := range values {
		if x < lo || x > hi {
			return nil, fmt.Errorf("numpy: element %d of an array of %s is %d, outside %d..%d", i, name, x, lo, hi)
		}
	}
	v.typ = t
	return v, nil
}

// argumentType returns the promoted type of the integer arrays among arguments; numbers of Python do not count unless inside a list, as in numpy. found
// is false where there are none.
func argumentType(args []any, inside bool) (t *intType, found bool, err *Error) {
	for _, a := range args {
		var of *intType
		some := true
		switch v := a.(type) {
		case *Value:
			if some = v != nil && v.kind == kindInt; some {
				of = v.typ
			}
		case int64:
			some = inside
		case *list:
			of, some, err = argumentType(v.items, true)
		case tuple:
			of, some, err = argumentType(v, true)
		default:
			some = false
		}
		if err != nil {
			return nil, false, err
		}
		if !some {
			continue
		}
		if !found {
			t, found = of, true
			continue
		}
		p, ok := promote(t, of)
		if !ok {
			return nil, false, fail("use np.int64", "np.uint64 with signed integers, which numpy turns into floating point")
		}
		t = p
	}
	return t, found, nil
}

// typed gives the result of a function the type that numpy would, and refuses what would wrap around there.
func (b *Builder) typed(name string, out any, args []any) (any, *Error) {
	v, ok := out.(*Value)
	if !ok || v == nil || strings.HasPrefix(name, "fhe.") || untyped[name] {
		return out, nil
	}
	t, found, err := argumentType(args, false)
	switch {
	case v.kind == kindBool: // comparisons are exact for all types
		return out, nil
	case err != nil || !found:
		return out, err
	case t == nil:
		return b.cast(v, nil)
	}
	if v.kind == kindFloat && t.bits <= 16 && name != "true_divide" && name != "/" {
		if u, ok := ufuncs[name]; ok && u.ints == nil {
			return nil, fail("convert the argument first, with .astype(np.int64)", "np.%s of np.%s is less precise than float64 in numpy", name, t.name)
		}
	}
	switch strings.TrimPrefix(name, "method.") {
	case "sum", "prod": // numpy widens these
		if t.signed {
			return out, nil
		}
		t, _ = intTypeNamed("uint64")
	}
	return b.cast(v, t)
}

// layoutParameters are those that say where, not what.
var layoutParameters = map[string]bool{"shape": true, "axis": true, "axes": true, "axis1": true, "axis2": true, "keepdims": true, "dtype": true, "repeats": true,
	"decimals": true, "ndigits": true, "condition": true, "lsbs_to_remove": true,
	"1": true, "2": true, "3": true, "4": true, "5": true, "6": true, "7": true}

// untyped are functions whose results have a type of their own.
var untyped = map[string]bool{"argmax": true, "argmin": true, "method.argmax": true, "method.argmin": true, "method.astype": true, "array": true, "asarray": true,
	"full": true, "zeros": true, "ones": true, "arange": true, "linspace": true, "eye": true, "load": true, "python.len": true, "python.int": true, "count_nonzero": true}
