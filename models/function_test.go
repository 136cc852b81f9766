package models

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestFunctionByHand compares programs with the formulas of the ONNX specification, written out in Go.
func TestFunctionByHand(t *testing.T) {
	x := X()
	c := Number
	hardSigmoid := Call(FnMinimum, Call(FnMaximum, Call(FnAdd, Call(FnDivide, x, c(6)), c(0.5)), c(0)), c(1))
	for name, k := range map[string]struct {
		f    Function
		want func(x float64) float64
	}{
		"leaky": {Call(FnAdd, Call(FnMaximum, x, c(0)), Call(FnMultiply, c(0.1), Call(FnMinimum, x, c(0)))), func(x float64) float64 {
			if x < 0 {
				return 0.1 * x
			}
			return x
		}},
		"hardswish": {Call(FnMultiply, x, hardSigmoid), func(x float64) float64 { return x * math.Max(0, math.Min(1, x/6+0.5)) }},
		"gelu":      {Call(FnMultiply, Call(FnMultiply, x, c(0.5)), Call(FnAdd, c(1), Call(FnErf, Call(FnDivide, x, c(math.Sqrt2))))), func(x float64) float64 { return x * (1 + math.Erf(x/math.Sqrt2)) / 2 }},
		"mish":      {Call(FnMultiply, x, Call(FnTanh, Call(FnSoftplus, x))), func(x float64) float64 { return x * math.Tanh(math.Log(1+math.Exp(x))) }},
		"silu":      {Call(FnMultiply, x, Call(FnSigmoid, x)), func(x float64) float64 { return x / (1 + math.Exp(-x)) }},
		"softsign":  {Call(FnDivide, x, Call(FnAdd, c(1), Call(FnAbs, x))), func(x float64) float64 { return x / (1 + math.Abs(x)) }},
		"cube":      {Call(FnPower, x, c(3)), func(x float64) float64 { return x * x * x }},
		"elu":       {Call(FnAdd, Call(FnMaximum, x, c(0)), Call(FnExpm1, Call(FnMinimum, x, c(0)))), func(x float64) float64 { return math.Max(x, 0) + math.Exp(math.Min(x, 0)) - 1 }},
		"of":        {Call(FnSubtract, Call(FnNegative, x), x).Of(Call(FnSign, x)), func(x float64) float64 { return -2 * math.Copysign(1, x) }},
		"threshold": {Call(FnWhere, Call(FnGreater, x, c(1)), c(7), Call(FnEqual, x, c(-2))), func(x float64) float64 {
			switch {
			case x > 1:
				return 7
			case x == -2:
				return 1
			}
			return 0
		}},
		"step": {Call(FnGreaterEqual, x, c(1)), func(x float64) float64 { return float64(int(math.Copysign(1, x-1)+1) / 2) }},
		"log":  {Call(FnLog, Call(FnSqrt, Call(FnExp, x))), func(x float64) float64 { return x / 2 }},
	} {
		if err := k.f.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, v := range []float64{-7.5, -2, -0.3, 0.2, 1, 3.75, 20} {
			if got, want := k.f.Apply(v), k.want(v); math.Abs(got-want) > 1e-12*math.Max(1, math.Abs(want)) {
				t.Errorf("%s(%g) = %g, want %g", name, v, got, want)
			}
		}
	}
	if got := Call(FnSoftplus, X()).Apply(800); got != 800 {
		t.Errorf("softplus(800) = %g", got)
	}
}

func TestFunctionRefusals(t *testing.T) {
	for want, f := range map[string]Function{
		"0 instructions":  nil,
		"unknown":         {{Op: FnX}, {Op: "sinh"}},
		"lacks":           {{Op: FnX}, {Op: FnAdd}},
		"leaves 2":        {{Op: FnX}, {Op: FnX}},
		"not a finite":    Number(math.Inf(1)),
		"deeper":          make(Function, 65),
		"257 instruction": make(Function, 257),
	} {
		for i := range f {
			if f[i].Op == "" {
				f[i].Op = FnX
			}
		}
		if err := f.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestFunctionRandom: whatever passes Validate applies without a panic.
func TestFunctionRandom(t *testing.T) {
	ops := []FunctionOp{FnX, FnConstant, FnWhere}
	for op := range unaryFunctions {
		ops = append(ops, op)
	}
	for op := range binaryFunctions {
		ops = append(ops, op)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := Function(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Instruction {
			return Instruction{Op: ops[rapid.IntRange(0, len(ops)-1).Draw(t, "op")], Value: rapid.Float64().Draw(t, "value")}
		}), 1, 12).Draw(t, "function"))
		if f.Validate() == nil {
			f.Apply(rapid.Float64().Draw(t, "x"))
		}
	})
}
