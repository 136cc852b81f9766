package onnx

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// A small writer of ONNX files, independent of the reader.

type msg []byte

func (m msg) bytes(f protowire.Number, b []byte) msg {
	return protowire.AppendBytes(protowire.AppendTag(m, f, protowire.BytesType), b)
}
func (m msg) str(f protowire.Number, s string) msg { return m.bytes(f, []byte(s)) }
func (m msg) num(f protowire.Number, v int64) msg {
	return protowire.AppendVarint(protowire.AppendTag(m, f, protowire.VarintType), uint64(v))
}

func attrOf(name string, v any) msg {
	m := msg{}.str(1, name)
	switch v := v.(type) {
	case int:
		m = m.num(3, int64(v)).num(20, attrInt)
	case float32:
		m = protowire.AppendFixed32(protowire.AppendTag(m, 2, protowire.Fixed32Type), math.Float32bits(v))
		m = m.num(20, attrFloat)
	case string:
		m = m.str(4, v).num(20, attrString)
	case []float32:
		for _, x := range v { // unpacked, as onnx writes it
			m = protowire.AppendFixed32(protowire.AppendTag(m, 7, protowire.Fixed32Type), math.Float32bits(x))
		}
		m = m.num(20, attrFloats)
	case []int64:
		for _, x := range v {
			m = m.num(8, x)
		}
		m = m.num(20, attrInts)
	case []string:
		for _, x := range v {
			m = m.str(9, x)
		}
		m = m.num(20, attrStrings)
	default:
		panic("attribute type")
	}
	return m
}

type attrList map[string]any

func nodeOf(op, domain string, in, out []string, attrs attrList) msg {
	var m msg
	for _, s := range in {
		m = m.str(1, s)
	}
	for _, s := range out {
		m = m.str(2, s)
	}
	m = m.str(3, "the_"+op).str(4, op).str(7, domain)
	for name, v := range attrs {
		m = m.bytes(5, attrOf(name, v))
	}
	return m
}

func rawTensor(name string, typ int, dims []int64, raw []byte) msg {
	m := msg{}
	for _, d := range dims {
		m = m.num(1, d)
	}
	return m.num(2, int64(typ)).str(8, name).bytes(9, raw)
}

func floatTensor(name string, dims []int64, v ...float32) msg {
	var raw []byte
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return rawTensor(name, typeFloat, dims, raw)
}

func inputOf(name string, elem int, dims ...int64) msg {
	var shape msg
	for _, d := range dims {
		if d < 0 {
			shape = shape.bytes(1, msg{}.str(2, "N"))
		} else {
			shape = shape.bytes(1, msg{}.num(1, d))
		}
	}
	return msg{}.str(1, name).bytes(2, msg{}.bytes(1, msg{}.num(1, int64(elem)).bytes(2, shape)))
}

// modelOf builds a file. outputs are names; inits tensors.
func modelOf(nodes []msg, inputs []msg, inits []msg, outputs ...string) []byte {
	var g msg
	for _, n := range nodes {
		g = g.bytes(1, n)
	}
	for _, x := range inits {
		g = g.bytes(5, x)
	}
	for _, x := range inputs {
		g = g.bytes(11, x)
	}
	for _, o := range outputs {
		g = g.bytes(12, msg{}.str(1, o))
	}
	m := msg{}.num(1, 8).bytes(7, g)
	return m.bytes(8, msg{}.str(1, "").num(2, 17)).bytes(8, msg{}.str(1, domainML).num(2, 3))
}
