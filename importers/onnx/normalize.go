package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// normalize writes the checked model again for onnx-go v0.5.0. What that version cannot read is left out or replaced,
// and put back by record from the pre-pass:
//
//   - the types of inputs and outputs (it fails on sequences and maps, and allocates what dimensions declare);
//   - tensors of types other than float, double, int64: integers and bool become int64, half floats double, strings the
//     indices 0, 1, ...; scalars become one element, empty tensors are left out;
//   - empty output names (it would merge them with empty inputs);
//   - lists and tensors of more than maxPassed elements, which would be copied several times on their way through it.
func (m *fileModel) normalize() []byte {
	g := make([]byte, 0, 1<<12)
	for _, n := range m.nodes {
		g = appendMessage(g, 1, encodeNode(n))
	}
	g = appendString(g, 2, "g")
	for _, x := range m.inits {
		if t := encodeTensor(x, x.name); t != nil {
			g = appendMessage(g, 5, t)
		}
	}
	for _, v := range m.inputs {
		g = appendMessage(g, 11, appendString(nil, 1, v.name))
	}
	for _, v := range m.outputs {
		g = appendMessage(g, 12, appendString(nil, 1, v.name))
	}
	var b []byte
	b = protowire.AppendTag(b, 1, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(m.ir))
	return appendMessage(b, 7, g)
}

func appendMessage(b []byte, f protowire.Number, msg []byte) []byte {
	b = protowire.AppendTag(b, f, protowire.BytesType)
	return protowire.AppendBytes(b, msg)
}

func appendString(b []byte, f protowire.Number, s string) []byte {
	b = protowire.AppendTag(b, f, protowire.BytesType)
	return protowire.AppendString(b, s)
}

func appendUvarint(b []byte, f protowire.Number, v uint64) []byte {
	b = protowire.AppendTag(b, f, protowire.VarintType)
	return protowire.AppendVarint(b, v)
}

// hiddenName is the name of a value that the file leaves nameless. No name of the file equals it: text fields of the
// file are UTF-8, and a NUL in them is never written by a producer; a clash is caught by record's comparison.
func hiddenName(node, output int) string { return fmt.Sprintf("\x00%d.%d", node, output) }

func encodeNode(n *fileNode) []byte {
	var b []byte
	for _, s := range n.inputs {
		b = appendString(b, 1, s)
	}
	for i, s := range n.outputs {
		if s == "" {
			s = hiddenName(n.index, i)
		}
		b = appendString(b, 2, s)
	}
	// onnx-go gives a node without inputs the input "<name>/input".
	b = appendString(b, 3, hiddenName(n.index, -1))
	b = appendString(b, 4, n.op)
	for _, a := range n.attrs {
		if msg := encodeAttr(a); msg != nil {
			b = appendMessage(b, 5, msg)
		}
	}
	return b
}

// maxPassed bounds the elements of a list or a tensor that goes through onnx-go; the pre-pass puts longer ones back.
const maxPassed = 64

// passed reports whether the attribute goes through onnx-go.
func (a *fileAttr) passed() bool {
	return len(a.floats) <= maxPassed && len(a.ints) <= maxPassed && len(a.strings) <= maxPassed
}

func encodeAttr(a *fileAttr) []byte {
	if !a.passed() {
		return nil
	}
	b := appendString(nil, 1, a.name)
	b = appendUvarint(b, 20, uint64(a.typ))
	switch a.typ {
	case attrFloat:
		b = protowire.AppendTag(b, 2, protowire.Fixed32Type)
		b = protowire.AppendFixed32(b, math.Float32bits(a.f))
	case attrInt:
		b = appendUvarint(b, 3, uint64(a.i))
	case attrString:
		b = appendMessage(b, 4, a.s)
	case attrTensor:
		t := encodeTensor(a.t, "")
		if t == nil {
			return nil
		}
		b = appendMessage(b, 5, t)
	case attrFloats:
		p := make([]byte, 0, 4*len(a.floats))
		for _, v := range a.floats {
			p = binary.LittleEndian.AppendUint32(p, math.Float32bits(v))
		}
		b = appendMessage(b, 7, p)
	case attrInts:
		var p []byte
		for _, v := range a.ints {
			p = protowire.AppendVarint(p, uint64(v))
		}
		b = appendMessage(b, 8, p)
	case attrStrings:
		for _, s := range a.strings {
			b = appendString(b, 9, s)
		}
	}
	return b
}

// encodeTensor returns nil for a tensor without elements, and for one that does not go through onnx-go.
func encodeTensor(x *fileTensor, name string) []byte {
	n, _ := x.count() // checked by resolve
	if n == 0 || n > maxPassed {
		return nil
	}
	var b []byte
	if len(x.dims) == 0 {
		b = appendUvarint(b, 1, 1)
	}
	for _, d := range x.dims {
		b = appendUvarint(b, 1, uint64(d))
	}
	if name != "" {
		b = appendString(b, 8, name)
	}
	switch {
	case x.typ == typeString:
		var p []byte
		for i := range x.strs {
			p = protowire.AppendVarint(p, uint64(i))
		}
		b = appendUvarint(b, 2, typeInt64)
		b = appendMessage(b, 7, p)
	case x.f32 != nil:
		p := make([]byte, 0, 4*n)
		for _, v := range x.f32 {
			p = binary.LittleEndian.AppendUint32(p, math.Float32bits(v))
		}
		b = appendUvarint(b, 2, typeFloat)
		b = appendMessage(b, 9, p)
	case x.f64 != nil:
		p := make([]byte, 0, 8*n)
		for _, v := range x.f64 {
			p = binary.LittleEndian.AppendUint64(p, math.Float64bits(v))
		}
		b = appendUvarint(b, 2, typeDouble)
		b = appendMessage(b, 9, p)
	default:
		var p []byte
		for _, v := range x.i64 {
			p = protowire.AppendVarint(p, uint64(v))
		}
		b = appendUvarint(b, 2, typeInt64)
		b = appendMessage(b, 7, p)
	}
	return b
}
