package numpy

import (
	"math"
	"math/bits"
)

// ufunc is an elementwise function of one or two arguments. Integers go through ints where it is set, and through floats otherwise; a function without
// floats is one of integers alone. Functions of one argument ignore the second.
type ufunc struct {
	args   int
	ints   func(a, b int64) (int64, *Error)
	floats func(a, b float64) float64
	bools  bool // the result is bool whatever the arguments are
}

var (
	errDivide   = fail("keep 0 out of the bounds of the divisor, for example with np.maximum(x, 1)", "division by zero inside the bounds")
	errExponent = fail("use np.float_power, or a floating-point base", "integers to negative powers are not allowed")
	errOverflow = fail("use smaller values", "an integer does not fit 64 bits")
	errShift    = fail("shift by 0 to 62 bits", "a shift by a negative number of bits, or by more than 62")
)

func exactly(f func(a, b int64) int64) func(a, b int64) (int64, *Error) {
	return func(a, b int64) (int64, *Error) { return f(a, b), nil }
}

func unaryFloat(f func(float64) float64) ufunc {
	return ufunc{args: 1, floats: func(a, _ float64) float64 { return f(a) }}
}

func predicate(f func(float64) bool) ufunc {
	return ufunc{args: 1, bools: true, floats: func(a, _ float64) float64 { return float64(b2i(f(a))) }}
}

func comparison(ints func(a, b int64) bool, floats func(a, b float64) bool) ufunc {
	return ufunc{args: 2, bools: true,
		ints:   exactly(func(a, b int64) int64 { return b2i(ints(a, b)) }),
		floats: func(a, b float64) float64 { return float64(b2i(floats(a, b))) }}
}

// integral is a rounding function: the identity on integers.
func integral(f func(float64) float64) ufunc {
	u := unaryFloat(f)
	u.ints = exactly(func(a, _ int64) int64 { return a })
	return u
}

func integers(f func(a, b int64) (int64, *Error)) ufunc { return ufunc{args: 2, ints: f} }

// ufuncs are numpy's elementwise functions by name. Their float64 results are those of the Go library, which are within a few units in the last place of
// numpy's.
var ufuncs = map[string]ufunc{
	"absolute": {args: 1, ints: exactly(func(a, _ int64) int64 { return max(a, -a) }), floats: func(a, _ float64) float64 { return math.Abs(a) }},
	"arccos":   unaryFloat(math.Acos), "arccosh": unaryFloat(math.Acosh), "arcsin": unaryFloat(math.Asin), "arcsinh": unaryFloat(math.Asinh),
	"arctan": unaryFloat(math.Atan), "arctanh": unaryFloat(math.Atanh), "cbrt": unaryFloat(math.Cbrt), "ceil": integral(math.Ceil),
	"cos": unaryFloat(math.Cos), "cosh": unaryFloat(math.Cosh), "deg2rad": unaryFloat(radians), "degrees": unaryFloat(degrees),
	"exp": unaryFloat(math.Exp), "exp2": unaryFloat(math.Exp2), "expm1": unaryFloat(math.Expm1), "fabs": unaryFloat(math.Abs),
	"floor":    integral(math.Floor),
	"isfinite": predicate(func(x float64) bool { return !math.IsInf(x, 0) && !math.IsNaN(x) }),
	"isinf":    predicate(func(x float64) bool { return math.IsInf(x, 0) }),
	"isnan":    predicate(math.IsNaN),
	"log":      unaryFloat(math.Log), "log10": unaryFloat(math.Log10), "log1p": unaryFloat(math.Log1p), "log2": unaryFloat(math.Log2),
	"logical_not": predicate(func(x float64) bool { return x == 0 }),
	"negative":    {args: 1, ints: exactly(func(a, _ int64) int64 { return -a }), floats: func(a, _ float64) float64 { return -a }},
	"positive":    {args: 1, ints: exactly(func(a, _ int64) int64 { return a }), floats: func(a, _ float64) float64 { return a }},
	"rad2deg":     unaryFloat(degrees), "radians": unaryFloat(radians),
	"reciprocal": {args: 1, ints: func(a, _ int64) (int64, *Error) {
		if a == 0 {
			return 0, errDivide
		}
		return 1 / a, nil // numpy keeps integers, and truncates
	}, floats: func(a, _ float64) float64 { return 1 / a }},
	"rint":    unaryFloat(math.RoundToEven),
	"sign":    {args: 1, ints: exactly(func(a, _ int64) int64 { return b2i(a > 0) - b2i(a < 0) }), floats: sign},
	"signbit": predicate(math.Signbit),
	"sin":     unaryFloat(math.Sin), "sinh": unaryFloat(math.Sinh), "spacing": unaryFloat(spacing), "sqrt": unaryFloat(math.Sqrt),
	"square": {args: 1, ints: func(a, _ int64) (int64, *Error) { return multiply(a, a) }, floats: func(a, _ float64) float64 { return a * a }},
	"tan":    unaryFloat(math.Tan), "tanh": unaryFloat(tanh), "trunc": integral(math.Trunc),
	"invert": {args: 1, ints: exactly(func(a, _ int64) int64 { return ^a })},

	"add":         {args: 2, ints: add, floats: func(a, b float64) float64 { return a + b }},
	"subtract":    {args: 2, ints: func(a, b int64) (int64, *Error) { return add(a, -b) }, floats: func(a, b float64) float64 { return a - b }},
	"multiply":    {args: 2, ints: multiply, floats: func(a, b float64) float64 { return a * b }},
	"arctan2":     {args: 2, floats: math.Atan2},
	"bitwise_and": integers(exactly(func(a, b int64) int64 { return a & b })), "bitwise_or": integers(exactly(func(a, b int64) int64 { return a | b })),
	"bitwise_xor":   integers(exactly(func(a, b int64) int64 { return a ^ b })),
	"copysign":      {args: 2, floats: math.Copysign},
	"equal":         comparison(func(a, b int64) bool { return a == b }, func(a, b float64) bool { return a == b }),
	"not_equal":     comparison(func(a, b int64) bool { return a != b }, func(a, b float64) bool { return a != b }),
	"greater":       comparison(func(a, b int64) bool { return a > b }, func(a, b float64) bool { return a > b }),
	"greater_equal": comparison(func(a, b int64) bool { return a >= b }, func(a, b float64) bool { return a >= b }),
	"less":          comparison(func(a, b int64) bool { return a < b }, func(a, b float64) bool { return a < b }),
	"less_equal":    comparison(func(a, b int64) bool { return a <= b }, func(a, b float64) bool { return a <= b }),
	"float_power":   {args: 2, floats: pow},
	"floor_divide":  {args: 2, ints: floorDivide, floats: func(a, b float64) float64 { q, _ := divmod(a, b); return q }},
	"fmax":          {args: 2, ints: exactly(func(a, b int64) int64 { return max(a, b) }), floats: fmax},
	"fmin":          {args: 2, ints: exactly(func(a, b int64) int64 { return min(a, b) }), floats: func(a, b float64) float64 { return -fmax(-a, -b) }},
	"fmod": {args: 2, ints: func(a, b int64) (int64, *Error) {
		if b == 0 {
			return 0, errDivide
		}
		return a % b, nil
	}, floats: math.Mod},
	"gcd":       integers(exactly(gcd)),
	"heaviside": {args: 2, floats: heaviside},
	"hypot":     {args: 2, floats: math.Hypot},
	"lcm": integers(func(a, b int64) (int64, *Error) {
		if a == 0 || b == 0 {
			return 0, nil
		}
		p, err := multiply(a/gcd(a, b), b)
		return max(p, -p), err
	}),
	"ldexp":      {args: 2, floats: func(a, b float64) float64 { return math.Ldexp(a, int(max(min(b, 4096), -4096))) }},
	"left_shift": integers(leftShift),
	"logaddexp":  {args: 2, floats: func(a, b float64) float64 { return logAdd(a, b, math.Exp, math.Log1p, math.Ln2) }},
	"logaddexp2": {args: 2, floats: func(a, b float64) float64 {
		return logAdd(a, b, math.Exp2, func(x float64) float64 { return math.Log1p(x) * math.Log2E }, 1)
	}},
	"logical_and": logical(func(a, b bool) bool { return a && b }), "logical_or": logical(func(a, b bool) bool { return a || b }),
	"logical_xor": logical(func(a, b bool) bool { return a != b }),
	"maximum":     {args: 2, ints: exactly(func(a, b int64) int64 { return max(a, b) }), floats: func(a, b float64) float64 { return max(a, b) }},
	"minimum":     {args: 2, ints: exactly(func(a, b int64) int64 { return min(a, b) }), floats: func(a, b float64) float64 { return min(a, b) }},
	"nextafter":   {args: 2, floats: math.Nextafter},
	"power":       {args: 2, ints: power, floats: pow},
	"remainder":   {args: 2, ints: remainder, floats: func(a, b float64) float64 { _, r := divmod(a, b); return r }},
	"right_shift": integers(func(a, b int64) (int64, *Error) {
		if b < 0 || b > 62 {
			return 0, errShift
		}
		return a >> b, nil
	}),
	"true_divide": {args: 2, floats: func(a, b float64) float64 { return a / b }},
}

// aliases are other names of ufuncs.
var aliases = map[string]string{"abs": "absolute", "divide": "true_divide", "mod": "remainder", "bitwise_not": "invert", "pow": "power",
	"acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan", "atanh": "arctanh", "atan2": "arctan2"}

func radians(x float64) float64 { return x * (math.Pi / 180) }
func degrees(x float64) float64 { return x * (180 / math.Pi) }

func sign(a, _ float64) float64 {
	switch {
	case a > 0:
		return 1
	case a < 0:
		return -1
	}
	return a // zeros and NaN
}

// spacing is the distance to the next float64 away from zero, with the sign of x.
func spacing(x float64) float64 {
	return math.Copysign(math.Nextafter(math.Abs(x), math.Inf(1))-math.Abs(x), x)
}

func add(a, b int64) (int64, *Error) {
	s := a + b
	if (s > a) != (b > 0) && b != 0 {
		return 0, errOverflow
	}
	return s, nil
}

func multiply(a, b int64) (int64, *Error) {
	hi, lo := bits.Mul64(uint64(max(a, -a)), uint64(max(b, -b)))
	if hi != 0 || lo >= 1<<63 || a == math.MinInt64 || b == math.MinInt64 {
		return 0, errOverflow
	}
	return a * b, nil
}

func floorDivide(a, b int64) (int64, *Error) {
	if b == 0 {
		return 0, errDivide
	}
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q, nil
}

func remainder(a, b int64) (int64, *Error) {
	if b == 0 {
		return 0, errDivide
	}
	r := a % b
	if r != 0 && (r < 0) != (b < 0) {
		r += b
	}
	return r, nil
}

// divmod is numpy's: the quotient is rounded down, the remainder has the sign of b, and both come from one fmod.
func divmod(a, b float64) (q, r float64) {
	r = math.Mod(a, b)
	if b == 0 {
		return a / b, r
	}
	q = (a - r) / b
	if r != 0 {
		if (b < 0) != (r < 0) {
			r += b
			q--
		}
	} else {
		r = math.Copysign(0, b)
	}
	if q != 0 {
		floor := math.Floor(q)
		if q-floor > 0.5 {
			floor++
		}
		return floor, r
	}
	return math.Copysign(0, a/b), r
}

func fmax(a, b float64) float64 {
	if math.IsNaN(a) {
		return b
	}
	if math.IsNaN(b) {
		return a
	}
	return max(a, b)
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return max(a, -a)
}

func heaviside(a, b float64) float64 {
	switch {
	case math.IsNaN(a):
		return a
	case a < 0:
		return 0
	case a > 0:
		return 1
	}
	return b
}

func leftShift(a, b int64) (int64, *Error) {
	if b < 0 || b > 62 {
		return 0, errShift
	}
	return multiply(a, 1<<b)
}

// logAdd is log(exp(a)+exp(b)) without overflow.
func logAdd(a, b float64, exp, log1p func(float64) float64, log2 float64) float64 {
	switch d := a - b; {
	case a == b:
		return a + log2
	case d > 0:
		return a + log1p(exp(-d))
	case d <= 0:
		return b + log1p(exp(d))
	default:
		return d // NaN
	}
}

func logical(f func(a, b bool) bool) ufunc {
	return comparison(func(a, b int64) bool { return f(a != 0, b != 0) }, func(a, b float64) bool { return f(a != 0, b != 0) })
}

func power(a, b int64) (int64, *Error) {
	if b < 0 {
		return 0, errExponent
	}
	r := int64(1)
	for {
		var err *Error
		if b&1 == 1 {
			if r, err = multiply(r, a); err != nil {
				return 0, err
			}
		}
		if b >>= 1; b == 0 {
			return r, nil
		}
		if a, err = multiply(a, a); err != nil {
			return 0, err
		}
	}
}
