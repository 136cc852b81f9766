package onnx

import (
	"errors"
	"math"

	"github.com/fhe-ml/fhe-ml/importers/numpy"
)

// elementwise computes a function of one argument in floating point, rounded to the type of its argument.
func elementwise(f func(o *operation) func(x float64) float64) programOp {
	return func(p *program, o *operation, in []*array) []*array {
		x := operands(in, 1, 1)[0]
		if !isFloating(x.typ) {
			refuse("it computes on %s; Cast to float before", typeName(x.typ))
		}
		g := f(o)
		v := p.must(p.b.Apply(numpy.Func{Name: o.op, Floats: rounded(x.typ, func(a, _ float64) float64 { return g(a) })}, x.v))
		return []*array{p.result(v, x.typ)}
	}
}

func plain(f func(float64) float64) func(*operation) func(float64) float64 {
	return func(*operation) func(float64) float64 { return f }
}

// integral is a function that does nothing to whole numbers: Floor, Ceil, Round.
func integral(f func(float64) float64) programOp {
	g := elementwise(plain(f))
	return func(p *program, o *operation, in []*array) []*array {
		if x := operands(in, 1, 1)[0]; x.ints() != nil {
			return []*array{x}
		}
		return g(p, o, in)
	}
}

// named is numpy's function of that name on whole numbers, and f on others.
func named(name string, f func(float64) float64) programOp {
	g := elementwise(plain(f))
	return func(p *program, o *operation, in []*array) []*array {
		x := operands(in, 1, 1)[0]
		if x.ints() == nil {
			return g(p, o, in)
		}
		if x.typ == typeBool {
			refuse("it computes on bool; Cast to int64 before")
		}
		return []*array{p.result(p.call(name, x.v), x.typ)}
	}
}

// programActivations are the functions of ONNX with attributes, of one argument.
func programActivations() map[string]func(o *operation) func(x float64) float64 {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	softplus := func(x float64) float64 { return math.Log1p(math.Exp(-math.Abs(x))) + max(x, 0) }
	elu := func(x, alpha float64) float64 {
		if x >= 0 {
			return x
		}
		return float64(alpha * math.Expm1(x))
	}
	return map[string]func(o *operation) func(x float64) float64{
		"Sqrt": plain(math.Sqrt), "Exp": plain(math.Exp), "Log": plain(math.Log), "Sin": plain(math.Sin), "Cos": plain(math.Cos), "Tan": plain(math.Tan),
		"Asin": plain(math.Asin), "Acos": plain(math.Acos), "Atan": plain(math.Atan), "Sinh": plain(math.Sinh), "Cosh": plain(math.Cosh), "Tanh": plain(math.Tanh),
		"Asinh": plain(math.Asinh), "Acosh": plain(math.Acosh), "Atanh": plain(math.Atanh), "Erf": plain(math.Erf), "Sigmoid": plain(sigmoid), "Softplus": plain(softplus),
		"Reciprocal": plain(func(x float64) float64 { return 1 / x }),
		"Softsign":   plain(func(x float64) float64 { return x / (1 + math.Abs(x)) }),
		"HardSwish":  plain(func(x float64) float64 { return x * min(max(x/6+0.5, 0), 1) }),
		"Mish":       plain(func(x float64) float64 { return x * math.Tanh(softplus(x)) }),
		"Elu": func(o *operation) func(float64) float64 {
			alpha := o.float("alpha", 1)
			return func(x float64) float64 { return elu(x, alpha) }
		},
		"Celu": func(o *operation) func(float64) float64 {
			alpha := o.float("alpha", 1)
			return func(x float64) float64 {
				if x >= 0 {
					return x
				}
				return float64(alpha * math.Expm1(x/alpha))
			}
		},
		"Selu": func(o *operation) func(float64) float64 {
			alpha, gamma := o.float("alpha", 1.67326319217681884765625), o.float("gamma", 1.05070102214813232421875)
			return func(x float64) float64 { return gamma * elu(x, alpha) }
		},
		"LeakyRelu": func(o *operation) func(float64) float64 {
			alpha := o.float("alpha", float64(float32(0.01)))
			return func(x float64) float64 {
				if x >= 0 {
					return x
				}
				return alpha * x
			}
		},
		"ThresholdedRelu": func(o *operation) func(float64) float64 {
			alpha := o.float("alpha", 1)
			return func(x float64) float64 {
				if x > alpha {
					return x
				}
				return 0
			}
		},
		"Shrink": func(o *operation) func(float64) float64 {
			bias, lambd := o.float("bias", 0), o.float("lambd", 0.5)
			return func(x float64) float64 {
				switch {
				case x < -lambd:
					return x + bias
				case x > lambd:
					return x - bias
				}
				return 0
			}
		},
		"Gelu": func(o *operation) func(float64) float64 {
			if o.string("approximate", "none") == "tanh" {
				return func(x float64) float64 {
					return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+float64(0.044715*x*x*x))))
				}
			}
			return func(x float64) float64 { return 0.5 * x * (1 + math.Erf(x/math.Sqrt2)) }
		},
	}
}

// hardSigmoid is alpha * x + beta, rounded after each step as onnxruntime does, within 0 and 1.
func hardSigmoid(p *program, o *operation, in []*array) []*array {
	x := operands(in, 1, 1)[0]
	typ := sameType([]*array{x})
	if !isFloating(typ) {
		refuse("it computes on %s; Cast to float before", typeName(typ))
	}
	alpha, beta := o.float("alpha", float64(float32(0.2))), o.float("beta", 0.5)
	times, plus := rounded(typ, productOf), rounded(typ, sumOf)
	v := p.must(p.b.Apply(numpy.Func{Name: o.op, Floats: func(a, _ float64) float64 { return min(max(plus(times(a, alpha), beta), 0), 1) }}, x.v))
	return []*array{p.result(v, typ)}
}

// relu is max(x, 0).
func (p *program) relu(x *array) *array {
	if v := x.ints(); v != nil {
		return p.result(p.call("maximum", v, 0), x.typ)
	}
	return p.result(p.must(p.b.Apply(numpy.Func{Name: "Relu", Floats: func(a, _ float64) float64 { return max(a, 0) }}, x.v)), x.typ)
}

// programPRelu is x where x is positive, and slope * x elsewhere.
func programPRelu(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 2)
	x := in[0]
	scaled := p.arithmetic("multiply", x.typ, func(a, b float64) float64 { return a * b }, x, in[1])
	return []*array{p.where(p.compare("less", x, p.number(0, x.typ)), p.result(scaled, x.typ), x)}
}

// number is a scalar of a type.
func (p *program) number(n int64, typ int) *array {
	return &array{v: numpy.Array(nil, []int64{n}), typ: typ, shape: []int{}}
}

// predicateOf is a function whose result is bool: IsNaN and IsInf.
func predicateOf(f func(o *operation, x float64) bool) programOp {
	return func(p *program, o *operation, in []*array) []*array {
		x := operands(in, 1, 1)[0]
		v := p.must(p.b.Apply(numpy.Func{Name: o.op, Bools: true, Floats: func(a, _ float64) float64 {
			if f(o, a) {
				return 1
			}
			return 0
		}}, x.v))
		return []*array{p.result(v, typeBool)}
	}
}

func isInf(o *operation, x float64) bool {
	return math.IsInf(x, 1) && o.int("detect_positive", 1) != 0 || math.IsInf(x, -1) && o.int("detect_negative", 1) != 0
}

// programCast converts to the type of attribute "to", truncating as C does.
func programCast(p *program, o *operation, in []*array) []*array {
	x := operands(in, 1, 1)[0]
	return []*array{p.cast(x, int(o.int("to", 0)))}
}

func castLike(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 2)
	return []*array{p.cast(in[0], in[1].typ)}
}

func (p *program) cast(x *array, to int) *array {
	v := x.v
	_, _, ok := typeRange(to)
	switch {
	case !ok:
		refuse("it converts to %s; programs have float, double, bool and integers", typeName(to))
	case to == typeBool:
	case isFloating(to):
		if v.Floating() || to == typeFloat && v.Encrypted() && !v.Whole(wholeLimit(to)) || !v.Encrypted() {
			v = p.must(p.b.Apply(numpy.Func{Name: o32, Floats: rounded(to, func(a, _ float64) float64 { return a })}, v))
		}
	default:
		v = p.call("method.astype", v, "int")
	}
	return p.result(v, to)
}

const o32 = "Cast"

// logic is And, Or, Xor, Not.
func logic(name string, n int) programOp {
	return func(p *program, o *operation, in []*array) []*array {
		in = operands(in, n, n)
		args := make([]any, n)
		for i, a := range in {
			if a.typ != typeBool {
				refuse("it takes bool, not %s; export the graph again", typeName(a.typ))
			}
			args[i] = a.v
		}
		return []*array{p.result(p.call(name, args...), typeBool)}
	}
}

// integersOnly checks the operands of an operator of integers: n of one type.
func integersOnly(in []*array, n int) []*array {
	in = operands(in, n, n)
	for _, a := range in {
		if !isIntegerType(a.typ) || a.typ == typeBool || a.typ != in[0].typ {
			refuse("it takes integers of one type, not %s and %s; export the graph again", typeName(in[0].typ), typeName(a.typ))
		}
	}
	return in
}

func bitwise(name string) programOp {
	return func(p *program, o *operation, in []*array) []*array {
		in = integersOnly(in, 2)
		return []*array{p.result(p.call(name, in[0].v, in[1].v), in[0].typ)}
	}
}

// bitwiseNot is ~x in the type of x.
func bitwiseNot(p *program, o *operation, in []*array) []*array {
	x := integersOnly(in, 1)[0]
	_, hi, _ := typeRange(x.typ)
	top := int64(-1)
	if isUnsigned(x.typ) {
		if x.typ == typeUint64 {
			refuse("its results are beyond 2^63; Cast to a narrower type before")
		}
		top = hi
	}
	return []*array{p.result(p.call("subtract", top, x.v), x.typ)}
}

// bitShift shifts unsigned integers.
func bitShift(p *program, o *operation, in []*array) []*array {
	in = integersOnly(in, 2)
	if !isUnsigned(in[0].typ) {
		refuse("it shifts %s, and only unsigned integers can be; export the graph again", typeName(in[0].typ))
	}
	name := map[string]string{"LEFT": "left_shift", "RIGHT": "right_shift"}[o.string("direction", "")]
	if name == "" {
		refuse("its direction is neither LEFT nor RIGHT; export the graph again")
	}
	return []*array{p.result(p.call(name, in[0].v, in[1].v), in[0].typ)}
}

var errZero = errors.New("division by zero inside the bounds: keep 0 out of the bounds of the divisor, for example with Max(x, 1)")
