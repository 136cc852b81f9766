package models

import (
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/quantize"
)

// FunctionOp is one operation of a [Function].
type FunctionOp string

// The operations: two that push a number, then those of one operand, of two (the upper one of the stack is the right one), and of three.
const (
	FnX        FunctionOp = "x"     // the argument
	FnConstant FunctionOp = "const" // Value

	FnNegative FunctionOp = "negative"
	FnAbs      FunctionOp = "abs"
	FnExp      FunctionOp = "exp"
	FnExpm1    FunctionOp = "expm1"
	FnLog      FunctionOp = "log"
	FnSqrt     FunctionOp = "sqrt"
	FnErf      FunctionOp = "erf"
	FnTanh     FunctionOp = "tanh"
	FnSigmoid  FunctionOp = "sigmoid"
	FnSoftplus FunctionOp = "softplus" // log(1 + exp(x))
	FnSign     FunctionOp = "sign"

	FnAdd      FunctionOp = "add"
	FnSubtract FunctionOp = "subtract"
	FnMultiply FunctionOp = "multiply"
	FnDivide   FunctionOp = "divide"
	FnPower    FunctionOp = "power"
	FnMaximum  FunctionOp = "maximum"
	FnMinimum  FunctionOp = "minimum"

	FnGreater      FunctionOp = "greater"       // 1 where x > y, else 0
	FnGreaterEqual FunctionOp = "greater_equal" // 1 where x >= y, else 0
	FnEqual        FunctionOp = "equal"         // 1 where x == y, else 0

	FnWhere FunctionOp = "where" // the second operand where the first is not 0, else the third
)

var unaryFunctions = map[FunctionOp]func(float64) float64{
	FnNegative: func(x float64) float64 { return -x }, FnAbs: math.Abs, FnExp: math.Exp, FnExpm1: math.Expm1, FnLog: math.Log, FnSqrt: math.Sqrt,
	FnErf: math.Erf, FnTanh: math.Tanh, FnSigmoid: quantize.Sigmoid,
	FnSoftplus: func(x float64) float64 { return math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) },
	FnSign: func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return x
	},
}

var binaryFunctions = map[FunctionOp]func(x, y float64) float64{
	FnAdd:      func(x, y float64) float64 { return x + y },
	FnSubtract: func(x, y float64) float64 { return x - y },
	FnMultiply: func(x, y float64) float64 { return float64(x * y) },
	FnDivide:   func(x, y float64) float64 { return x / y },
	FnPower:    math.Pow, FnMaximum: math.Max, FnMinimum: math.Min,
	FnGreater:      func(x, y float64) float64 { return truth(x > y) },
	FnGreaterEqual: func(x, y float64) float64 { return truth(x >= y) },
	FnEqual:        func(x, y float64) float64 { return truth(x == y) },
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Instruction is one step of a [Function].
type Instruction struct {
	Op    FunctionOp `cbor:"o"`
	Value float64    `cbor:"v,omitempty"` // of FnConstant
}

// Function is a function of one number in postfix order, in float64: x const(3) add pushes x, then 3, and adds them. It carries the
// activations that have parameters or that exporters write in several operators (LeakyRelu, Gelu, HardSwish, Mish ...).
type Function []Instruction

// Limits of a Function.
const (
	MaxFunction   = 256 // instructions
	functionDepth = 64  // numbers on the stack
)

// X is the identity.
func X() Function { return Function{{Op: FnX}} }

// Number is the constant function v.
func Number(v float64) Function { return Function{{Op: FnConstant, Value: v}} }

// Call returns op of the functions args: as many as op has operands.
func Call(op FunctionOp, args ...Function) Function {
	var f Function
	for _, a := range args {
		f = append(f, a...)
	}
	return append(f, Instruction{Op: op})
}

// Of returns the function f(g(x)).
func (f Function) Of(g Function) Function {
	if len(g) == 1 && g[0].Op == FnX {
		return f
	}
	var out Function
	for _, in := range f {
		if in.Op == FnX {
			out = append(out, g...)
			continue
		}
		out = append(out, in)
	}
	return out
}

// Validate reports what is wrong with f: unknown operations, constants that are not finite, a stack that does not come out at one number.
func (f Function) Validate() error {
	if len(f) == 0 || len(f) > MaxFunction {
		return fmt.Errorf("models: a function of %d instructions, want 1..%d", len(f), MaxFunction)
	}
	depth := 0
	for i, in := range f {
		need := 0
		if _, ok := unaryFunctions[in.Op]; ok {
			need = 1
		} else if _, ok := binaryFunctions[in.Op]; ok {
			need = 2
		} else if in.Op == FnWhere {
			need = 3
		} else if in.Op != FnX && in.Op != FnConstant {
			return fmt.Errorf("models: a function has an unknown operation %q", string(in.Op))
		}
		if in.Op == FnConstant && (math.IsNaN(in.Value) || math.IsInf(in.Value, 0)) {
			return fmt.Errorf("models: instruction %d of a function is not a finite number", i)
		}
		if depth < need {
			return fmt.Errorf("models: instruction %d of a function (%s) lacks an operand", i, in.Op)
		}
		depth += 1 - need
		if depth > functionDepth {
			return fmt.Errorf("models: a function nests deeper than %d", functionDepth)
		}
	}
	if depth != 1 {
		return fmt.Errorf("models: a function leaves %d numbers, want 1", depth)
	}
	return nil
}

// Apply returns f(x) of a valid f. It is not finite where the mathematical function is not.
func (f Function) Apply(x float64) float64 {
	var stack [functionDepth]float64
	n := 0
	for _, in := range f {
		switch in.Op {
		case FnX:
			stack[n] = x
			n++
		case FnConstant:
			stack[n] = in.Value
			n++
		case FnWhere:
			n -= 2
			if stack[n-1] != 0 {
				stack[n-1] = stack[n]
			} else {
				stack[n-1] = stack[n+1]
			}
		default:
			if g := unaryFunctions[in.Op]; g != nil {
				stack[n-1] = g(stack[n-1])
				continue
			}
			n--
			stack[n-1] = binaryFunctions[in.Op](stack[n-1], stack[n])
		}
	}
	return stack[0]
}
