package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// encodings are 1, 2 and -3 (unsigned: 3) as elements of every numeric type, raw and typed.
func encodings() map[string][2]msg {
	le := binary.LittleEndian
	out := map[string][2]msg{}
	tensor := func(typ int) msg { return msg{}.num(1, 3).num(2, int64(typ)).str(8, "T") }
	packed := func(m msg, f protowire.Number, v ...int64) msg {
		var p []byte
		for _, x := range v {
			p = protowire.AppendVarint(p, uint64(x))
		}
		return m.bytes(f, p)
	}
	var f32, f64, typed32, typed64 []byte
	for _, x := range []float64{1, 2, -3} {
		f32 = le.AppendUint32(f32, math.Float32bits(float32(x)))
		f64 = le.AppendUint64(f64, math.Float64bits(x))
	}
	typed32, typed64 = f32, f64
	out["float"] = [2]msg{tensor(typeFloat).bytes(9, f32), tensor(typeFloat).bytes(4, typed32)}
	out["double"] = [2]msg{tensor(typeDouble).bytes(9, f64), tensor(typeDouble).bytes(10, typed64)}
	half, bf := []uint16{0x3c00, 0x4000, 0xc200}, []uint16{0x3f80, 0x4000, 0xc040}
	for name, v := range map[string]struct {
		typ  int
		bits []uint16
	}{"float16": {typeFloat16, half}, "bfloat16": {typeBfloat16, bf}} {
		var raw []byte
		var typed []int64
		for _, x := range v.bits {
			raw = le.AppendUint16(raw, x)
			typed = append(typed, int64(x))
		}
		out[name] = [2]msg{tensor(v.typ).bytes(9, raw), packed(tensor(v.typ), 5, typed...)}
	}
	for _, v := range []struct {
		name   string
		typ    int
		width  int
		signed bool
		field  protowire.Number
	}{{"int8", typeInt8, 1, true, 5}, {"uint8", typeUint8, 1, false, 5}, {"int16", typeInt16, 2, true, 5}, {"uint16", typeUint16, 2, false, 5},
		{"int32", typeInt32, 4, true, 5}, {"uint32", typeUint32, 4, false, 11}, {"int64", typeInt64, 8, true, 7}, {"uint64", typeUint64, 8, false, 11}} {
		vals := []int64{1, 2, 3}
		if v.signed {
			vals[2] = -3
		}
		var raw []byte
		for _, x := range vals {
			b := le.AppendUint64(nil, uint64(x))
			raw = append(raw, b[:v.width]...)
		}
		out[v.name] = [2]msg{tensor(v.typ).bytes(9, raw), packed(tensor(v.typ), v.field, vals...)}
	}
	return out
}

// TestTensorTypes: weights of every numeric type, as raw bytes and as typed elements, mean the same numbers.
func TestTensorTypes(t *testing.T) {
	for name, forms := range encodings() {
		for form, tensor := range map[string]msg{"raw": forms[0], "typed": forms[1]} {
			b := modelOf([]msg{nodeOf("Cast", "", []string{"T"}, []string{"W"}, attrList{"to": typeFloat}), nodeOf("MatMul", "", []string{"X", "W"}, []string{"Y"}, nil)},
				xInput(3), []msg{tensor}, "Y")
			m, _, err := Import(b, "")
			if err != nil {
				t.Errorf("%s, %s: %v", name, form, err)
				continue
			}
			last := -3.0
			if strings.HasPrefix(name, "u") {
				last = 3
			}
			if got := m.Raw(nil, []float64{100, 10, 1})[0]; got != 120+last {
				t.Errorf("%s, %s: %v", name, form, got)
			}
		}
	}
}

// TestOpsetsAndVersions: IR versions 3 to 10 with initializers among the inputs, absent or repeated opsets of the default
// domain, its second name, sequence outputs, symbolic dimensions, empty optional inputs.
func TestOpsetsAndVersions(t *testing.T) {
	graph := func() msg {
		var g msg
		g = g.bytes(1, nodeOf("Clip", "ai.onnx", []string{"X", "", "hi"}, []string{"C"}, nil))
		g = g.bytes(1, nodeOf("LinearClassifier", domainML, []string{"C"}, []string{"L", "P"}, attrList{"coefficients": []float32{-1, -2, 1, 2}, "classlabels_ints": []int64{0, 1}}))
		g = g.bytes(1, nodeOf("ZipMap", domainML, []string{"P"}, []string{"M"}, attrList{"classlabels_int64s": []int64{0, 1}}))
		g = g.bytes(5, floatTensor("hi", nil, 10))
		g = g.bytes(11, inputOf("X", typeFloat, -1, 2)).bytes(11, inputOf("hi", typeFloat))
		sequence := msg{}.bytes(4, msg{}.bytes(1, msg{}.bytes(5, msg{}.num(1, typeInt64).bytes(2, msg{}.bytes(1, msg{}.num(1, typeFloat))))))
		return g.bytes(12, msg{}.str(1, "L").bytes(2, msg{}.bytes(1, msg{}.num(1, typeInt64)))).bytes(12, msg{}.str(1, "M").bytes(2, sequence))
	}
	opset := func(d string, v int64) msg { return msg{}.str(1, d).num(2, v) }
	for ir := int64(3); ir <= 10; ir++ {
		for name, sets := range map[string][]msg{
			"both": {opset("", 17), opset(domainML, 3)}, "ml only": {opset(domainML, 1)}, "repeated": {opset("", 9), opset("", 17), opset(domainML, 1), opset(domainML, 3)},
			"second name": {opset("ai.onnx", 17), opset(domainML, 3)}, "no name": {msg{}.num(2, 17), opset(domainML, 3)},
		} {
			b := msg{}.num(1, ir).bytes(7, graph())
			for _, s := range sets {
				b = b.bytes(8, s)
			}
			m, r, err := Import(b, "")
			if err != nil {
				t.Errorf("IR %d, %s: %v", ir, name, err)
				continue
			}
			if got := m.Raw(nil, []float64{3, 4})[0]; math.Abs(got) != 11 || len(r.Inputs) != 1 || r.Outputs[1].Type != "sequence" {
				t.Errorf("IR %d, %s: %v, report %+v", ir, name, got, r)
			}
			if name == "repeated" && fmt.Sprint(r.Opsets) != "[{ 17} {ai.onnx.ml 3}]" {
				t.Errorf("opsets %v", r.Opsets)
			}
		}
	}
}
