package onnx

import (
	"maps"
	"math"
	"slices"
	"sync"
)

// programOps lists the operators of programs.
func programOps() map[opKey]programOp {
	programOnce.Do(func() { programTable = newProgramOps() })
	return programTable
}

var (
	programOnce  sync.Once
	programTable map[opKey]programOp
)

func newProgramOps() map[opKey]programOp {
	ops := map[string]programOp{
		"Identity": programIdentity, "Dropout": programIdentity, "Cast": programCast, "CastLike": castLike,

		"Floor": integral(math.Floor), "Ceil": integral(math.Ceil), "Round": integral(math.RoundToEven),
		"Abs": named("absolute", math.Abs), "Neg": named("negative", func(x float64) float64 { return -x }), "Sign": named("sign", signOf),
		"Relu": func(p *program, o *operation, in []*array) []*array { return []*array{p.relu(operands(in, 1, 1)[0])} }, "PRelu": programPRelu, "HardSigmoid": hardSigmoid,
		"IsNaN": predicateOf(func(_ *operation, x float64) bool { return math.IsNaN(x) }), "IsInf": predicateOf(isInf),

		"Add": two("add", sumOf), "Sub": two("subtract", differenceOf), "Mul": programMul, "Div": divide, "Mod": mod, "Pow": programPow,
		"Sum": folded("add", sumOf, 1), "Mean": average, "Max": folded("maximum", largerOf, 1), "Min": folded("minimum", smallerOf, 1),
		"Equal": comparison("equal"), "Less": comparison("less"), "LessOrEqual": comparison("less_equal"), "Greater": comparison("greater"),
		"GreaterOrEqual": comparison("greater_equal"), "Where": programWhere, "Clip": programClip, "OneHot": oneHot,
		"And": logic("logical_and", 2), "Or": logic("logical_or", 2), "Xor": logic("logical_xor", 2), "Not": logic("logical_not", 1),
		"BitwiseAnd": bitwise("bitwise_and"), "BitwiseOr": bitwise("bitwise_or"), "BitwiseXor": bitwise("bitwise_xor"), "BitwiseNot": bitwiseNot,
		"BitShift": bitShift,

		"Constant": programConstant, "ConstantOfShape": programConstantOfShape, "Range": programRange, "Shape": programShape, "Size": programSize,
		"Reshape": programReshape, "Flatten": programFlatten, "Squeeze": programSqueeze, "Unsqueeze": programUnsqueeze, "Transpose": programTranspose,
		"Expand": expand, "Tile": tile, "Concat": programConcat, "Split": split, "Slice": programSlice, "Gather": programGather,
		"GatherElements": gatherElements, "GatherND": gatherND, "ScatterND": scatterND, "ScatterElements": scatterElements,
		"Pad": programPad, "Trilu": triangle, "DepthToSpace": depthToSpace, "SpaceToDepth": spaceToDepth,

		"ReduceSum": reduction(nil, nil), "ReduceL1": reduction(absolutes, nil), "ReduceSumSquare": reduction(squares, nil),
		"ReduceMean":   reduction(nil, func(p *program, x *array, n int) *array { return p.quotient(x, p.number(int64(n), x.typ), x.typ) }),
		"ReduceL2":     reduction(squares, func(p *program, x *array, _ int) *array { return p.derived("Sqrt", x) }),
		"ReduceLogSum": reduction(nil, func(p *program, x *array, _ int) *array { return p.derived("Log", x) }),
		"ReduceMax":    extremes("max"), "ReduceMin": extremes("min"), "ReduceProd": extremes("prod"), "ArgMax": argExtreme("argmax"), "ArgMin": argExtreme("argmin"),
		"CumSum": cumulative, "MatMul": programMatMul, "Gemm": programGemm, "Conv": programConv, "MaxPool": programMaxPool,
		"AveragePool": programAveragePool, "GlobalAveragePool": globalPool(true), "GlobalMaxPool": globalPool(false), "BatchNormalization": batchNorm,

		"QuantizeLinear": quantizeLinear, "DequantizeLinear": dequantizeLinear, "MatMulInteger": matMulInteger, "ConvInteger": convInteger,
		"QLinearMatMul": qLinearMatMul, "QLinearConv": qLinearConv,
	}
	for name, f := range programActivations() {
		ops[name] = elementwise(f)
	}
	out := map[opKey]programOp{}
	for name, f := range ops {
		out[opKey{"", name}] = f
	}
	return out
}

// ProgramOperators returns the operators of the domain ai.onnx that ImportProgram takes, sorted.
func ProgramOperators() []string {
	var names []string
	for _, k := range slices.Collect(maps.Keys(programOps())) {
		names = append(names, k.op)
	}
	slices.Sort(names)
	return names
}

func signOf(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x
}
