package onnx

import (
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/importers/numpy"
)

// ranked gives the parameters of a quantization the shape in which they broadcast to x: a number, or one for each place of an axis.
func (p *program) ranked(a *array, x *array, axis int64) *array {
	if product(a.shape) == 1 {
		return &array{v: p.reshaped(a.v, []int{}), typ: a.typ, shape: []int{}}
	}
	k := axisOf(axis, len(x.shape))
	if len(a.shape) != 1 || a.shape[0] != x.shape[k] {
		refuse("its scale or zero point of shape %v does not fit axis %d of shape %v; export the graph again", a.shape, k, x.shape)
	}
	shape := slices.Repeat([]int{1}, len(x.shape))
	shape[k] = a.shape[0]
	return &array{v: p.reshaped(a.v, shape), typ: a.typ, shape: shape}
}

// zeroPoint is an optional operand: zero of a type where it is absent.
func (p *program) zeroPoint(a *array, typ int) *array {
	if a == nil || a.v == nil {
		return p.number(0, typ)
	}
	return a
}

// saturated is round(x) + zero, limited to the type of zero.
func (p *program) saturated(x, zero *array) *array {
	lo, hi, _ := typeRange(zero.typ)
	if !isIntegerType(zero.typ) || zero.typ == typeBool {
		refuse("it quantizes to %s; use int8 or uint8", typeName(zero.typ))
	}
	v := p.must(p.b.Apply(numpy.Func{Name: "QuantizeLinear", Floats: func(a, b float64) float64 {
		if math.IsNaN(a) {
			return a
		}
		return min(max(math.RoundToEven(a)+b, float64(lo)), float64(hi))
	}}, x.v, zero.v))
	return p.result(p.call("method.astype", v, "int"), zero.typ)
}

// quantizeLinear is round(x / scale) + zero, saturated.
func quantizeLinear(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 3)
	typ := typeUint8
	if to := int(o.int("output_dtype", 0)); to != 0 {
		typ = to
	}
	axis := o.int("axis", 1)
	scale, zero := p.ranked(in[1], in[0], axis), p.ranked(p.zeroPoint(in[2], typ), in[0], axis)
	x := &array{v: in[0].v, typ: scale.typ, shape: in[0].shape}
	return []*array{p.saturated(p.quotient(x, scale, scale.typ), zero)}
}

// dequantizeLinear is (x - zero) * scale.
func dequantizeLinear(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 3)
	axis := o.int("axis", 1)
	scale, zero := p.ranked(in[1], in[0], axis), p.ranked(p.zeroPoint(in[2], in[0].typ), in[0], axis)
	return []*array{p.scaled(p.centred(in[0], zero), scale)}
}

// centred is x - zero as int32.
func (p *program) centred(x, zero *array) *array {
	return p.result(p.call("subtract", x.v, zero.v), typeInt32)
}

// scaled is x times a scale, in the type of the scale.
func (p *program) scaled(x, scale *array) *array {
	if !isFloating(scale.typ) {
		refuse("its scale is %s; export the graph with float", typeName(scale.typ))
	}
	return p.result(p.arithmetic("multiply", scale.typ, productOf, x, scale), scale.typ)
}

// matMulInteger is the product of integers of 8 bits less their zero points.
func matMulInteger(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 4)
	x, y := p.integerFactors(in[0], in[1], in[2], in[3])
	return []*array{p.product(x, y, typeInt32)}
}

// integerFactors are the factors of a product less their zero points: one for all, for each row of the first, or for each column of the second.
func (p *program) integerFactors(x, y, zx, zy *array) (*array, *array) {
	zx, zy = p.zeroPoint(zx, x.typ), p.zeroPoint(zy, y.typ)
	return p.centred(x, p.ranked(zx, x, -2)), p.centred(y, p.ranked(zy, y, -1))
}

// convInteger is the convolution of integers of 8 bits less their zero points.
func convInteger(p *program, o *operation, in []*array) []*array {
	in = operands(in, 2, 4)
	x := p.centred(in[0], p.ranked(p.zeroPoint(in[2], in[0].typ), in[0], 1))
	w := p.centred(in[1], p.ranked(p.zeroPoint(in[3], in[1].typ), in[1], 0))
	return []*array{p.convolve(o, x, w, nil, typeInt32)}
}

// requantized is round(sum * xScale * wScale / yScale) + zero, saturated.
func (p *program) requantized(sum, xScale, wScale, yScale, zero *array, axis int64) *array {
	typ := xScale.typ
	factor := p.result(p.arithmetic("multiply", typ, productOf, p.ranked(xScale, sum, axis), p.ranked(wScale, sum, axis)), typ)
	factor = p.quotient(factor, p.ranked(yScale, sum, axis), typ)
	return p.saturated(p.scaled(sum, factor), p.ranked(zero, sum, axis))
}

// qLinearMatMul is the product of quantized matrices, quantized.
func qLinearMatMul(p *program, o *operation, in []*array) []*array {
	in = operands(in, 8, 8)
	x, y := p.integerFactors(in[0], in[3], in[2], in[5])
	return []*array{p.requantized(p.product(x, y, typeInt32), in[1], in[4], in[6], in[7], -1)}
}

// qLinearConv is the convolution of quantized arrays, quantized.
func qLinearConv(p *program, o *operation, in []*array) []*array {
	in = operands(in, 8, 9)
	x := p.centred(in[0], p.ranked(in[2], in[0], 1))
	w := p.centred(in[3], p.ranked(in[5], in[3], 0))
	return []*array{p.requantized(p.convolve(o, x, w, in[8], typeInt32), in[1], in[4], in[6], in[7], 1)}
}
