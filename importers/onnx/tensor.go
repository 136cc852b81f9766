package onnx

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Element types of TensorProto.
const (
	typeFloat    = 1
	typeUint8    = 2
	typeInt8     = 3
	typeUint16   = 4
	typeInt16    = 5
	typeInt32    = 6
	typeInt64    = 7
	typeString   = 8
	typeBool     = 9
	typeFloat16  = 10
	typeDouble   = 11
	typeUint32   = 12
	typeUint64   = 13
	typeBfloat16 = 16
)

var typeNames = map[int]string{
	typeFloat: "float", typeUint8: "uint8", typeInt8: "int8", typeUint16: "uint16", typeInt16: "int16", typeInt32: "int32",
	typeInt64: "int64", typeString: "string", typeBool: "bool", typeFloat16: "float16", typeDouble: "double",
	typeUint32: "uint32", typeUint64: "uint64", typeBfloat16: "bfloat16", 14: "complex64", 15: "complex128",
}

func typeName(t int) string {
	if s, ok := typeNames[t]; ok {
		return s
	}
	return "type " + strconv.Itoa(t)
}

// elementSize is the width in bytes of one element in raw_data; 0 for the types that have none here.
func elementSize(t int) int {
	switch t {
	case typeUint8, typeInt8, typeBool:
		return 1
	case typeUint16, typeInt16, typeFloat16, typeBfloat16:
		return 2
	case typeFloat, typeInt32, typeUint32:
		return 4
	case typeDouble, typeInt64, typeUint64:
		return 8
	}
	return 0
}

func isIntegerType(t int) bool {
	switch t {
	case typeUint8, typeInt8, typeUint16, typeInt16, typeInt32, typeInt64, typeBool, typeUint32, typeUint64:
		return true
	}
	return false
}

// fileTensor is a TensorProto. After resolve, exactly one of f32 (float), f64 (double, and float16 and bfloat16
// widened), i64 (all integers and bool) or strs holds count() elements.
type fileTensor struct {
	name string
	dims []int64
	typ  int

	raw      []byte
	hasRaw   bool
	f32      []float32
	f64      []float64
	i32      []int64
	i64      []int64
	u64      []int64
	strs     []string
	external map[string]string
	isExt    bool
	segment  bool
}

func (m *fileModel) parseTensor(x *fileTensor, b []byte) error {
	return fields(b, func(f protowire.Number, t protowire.Type, num uint64, val []byte) (err error) {
		switch f {
		case 1:
			x.dims, err = appendVarints(x.dims, t, num, val)
			if err == nil && len(x.dims) > maxRank {
				err = fmt.Errorf("more than %d dimensions", maxRank)
			}
		case 2:
			x.typ = int(num)
		case 3:
			x.segment = true
		case 4:
			x.f32, err = appendFloats(x.f32, t, num, val)
		case 5:
			if t == protowire.VarintType {
				x.i32 = unpacked(x.i32, b, f)
			}
			x.i32, err = appendVarints(x.i32, t, num, val)
		case 6:
			if err = m.count(); err == nil {
				x.strs = append(unpacked(x.strs, b, f), m.shared(val))
			}
		case 7:
			if t == protowire.VarintType {
				x.i64 = unpacked(x.i64, b, f)
			}
			x.i64, err = appendVarints(x.i64, t, num, val)
		case 8:
			x.name, err = text(val)
		case 9:
			x.raw, x.hasRaw = val, true
		case 10:
			x.f64, err = appendDoubles(x.f64, t, num, val)
		case 11:
			if t == protowire.VarintType {
				x.u64 = unpacked(x.u64, b, f)
			}
			x.u64, err = appendVarints(x.u64, t, num, val)
		case 13:
			var k, v string
			if k, v, err = parseEntry(val); err == nil {
				if x.external == nil {
					x.external = map[string]string{}
				}
				if len(x.external) < 16 {
					x.external[k] = v
				}
			}
		case 14:
			x.isExt = num == 1
		}
		return err
	})
}

// count returns the number of elements that the dimensions declare; an error when it cannot be a real tensor.
func (x *fileTensor) count() (int, error) {
	n := int64(1)
	for _, d := range x.dims {
		if d < 0 {
			return 0, fmt.Errorf("dimension %d is negative", d)
		}
		if d != 0 && n > math.MaxInt32/d {
			return 0, fmt.Errorf("dimensions %v declare more elements than a file can hold", x.dims)
		}
		n *= d
	}
	return int(n), nil
}

// resolve checks the declared size against the bytes present and decodes the elements. dir is the folder that
// external data may lie in; "" allows none.
func (x *fileTensor) resolve(dir string) error {
	n, err := x.count()
	if err != nil {
		return err
	}
	if x.segment {
		return fmt.Errorf("segmented tensors are not supported")
	}
	if x.typ != typeString && elementSize(x.typ) == 0 {
		return fmt.Errorf("elements of %s are not supported", typeName(x.typ))
	}
	if x.isExt {
		if x.raw, err = readExternal(dir, x.external, int64(n)*int64(elementSize(x.typ))); err != nil {
			return err
		}
		x.hasRaw = true
	}
	if x.typ == typeString {
		if len(x.strs) != n {
			return fmt.Errorf("dimensions %v need %d elements, the file has %d", x.dims, n, len(x.strs))
		}
		return nil
	}
	if x.hasRaw && (len(x.raw) > 0 || n == 0) {
		size := elementSize(x.typ)
		if len(x.raw) != n*size {
			return fmt.Errorf("dimensions %v of %s need %d bytes, the file has %d", x.dims, typeName(x.typ), n*size, len(x.raw))
		}
		x.decodeRaw(n)
		x.raw = nil
		return nil
	}
	return x.decodeTyped(n)
}

func (x *fileTensor) decodeRaw(n int) {
	x.f32, x.f64, x.i64 = nil, nil, nil
	b := x.raw
	le := binary.LittleEndian
	switch x.typ {
	case typeFloat:
		x.f32 = make([]float32, n)
		for i := range x.f32 {
			x.f32[i] = math.Float32frombits(le.Uint32(b[4*i:]))
		}
		return
	case typeDouble, typeFloat16, typeBfloat16:
		x.f64 = make([]float64, n)
		for i := range x.f64 {
			switch x.typ {
			case typeDouble:
				x.f64[i] = math.Float64frombits(le.Uint64(b[8*i:]))
			case typeFloat16:
				x.f64[i] = float16(le.Uint16(b[2*i:]))
			default:
				x.f64[i] = bfloat16(le.Uint16(b[2*i:]))
			}
		}
		return
	}
	x.i64 = make([]int64, n)
	for i := range x.i64 {
		switch x.typ {
		case typeUint8:
			x.i64[i] = int64(b[i])
		case typeBool:
			if b[i] != 0 {
				x.i64[i] = 1
			}
		case typeInt8:
			x.i64[i] = int64(int8(b[i]))
		case typeUint16:
			x.i64[i] = int64(le.Uint16(b[2*i:]))
		case typeInt16:
			x.i64[i] = int64(int16(le.Uint16(b[2*i:])))
		case typeInt32:
			x.i64[i] = int64(int32(le.Uint32(b[4*i:])))
		case typeUint32:
			x.i64[i] = int64(le.Uint32(b[4*i:]))
		default:
			x.i64[i] = int64(le.Uint64(b[8*i:]))
		}
	}
}

func (x *fileTensor) decodeTyped(n int) error {
	have := 0
	switch x.typ {
	case typeFloat:
		have = len(x.f32)
		x.f64, x.i64 = nil, nil
	case typeDouble:
		have = len(x.f64)
		x.f32, x.i64 = nil, nil
	case typeInt64:
		have = len(x.i64)
		x.f32, x.f64 = nil, nil
	case typeUint32, typeUint64:
		have = len(x.u64)
		x.f32, x.f64, x.i64 = nil, nil, x.u64
	default:
		have = len(x.i32)
		x.f32, x.f64, x.i64 = nil, nil, nil
		if x.typ == typeFloat16 || x.typ == typeBfloat16 {
			x.f64 = make([]float64, have)
			for i, v := range x.i32 {
				if x.typ == typeFloat16 {
					x.f64[i] = float16(uint16(v))
				} else {
					x.f64[i] = bfloat16(uint16(v))
				}
			}
		} else {
			x.i64 = x.i32
			for i, v := range x.i64 {
				x.i64[i] = int64(int32(v))
			}
		}
	}
	if have != n {
		return fmt.Errorf("dimensions %v of %s need %d elements, the file has %d", x.dims, typeName(x.typ), n, have)
	}
	return nil
}

// float16 widens an IEEE 754 half.
func float16(h uint16) float64 {
	sign := 1.0
	if h>>15 != 0 {
		sign = -1
	}
	e, f := int(h>>10)&31, float64(h&1023)
	switch e {
	case 0:
		return sign * math.Ldexp(f, -24)
	case 31:
		if f != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(f+1024, e-25)
}

// bfloat16 widens the upper half of a float32.
func bfloat16(h uint16) float64 { return float64(math.Float32frombits(uint32(h) << 16)) }

// maxExternal bounds what one tensor may read from beside the model.
const maxExternal = 1 << 30

// readExternal reads size bytes of external tensor data. The location must be a plain relative path that stays
// inside dir, symbolic links included (os.Root).
func readExternal(dir string, entries map[string]string, size int64) ([]byte, error) {
	loc := entries["location"]
	if dir == "" {
		return nil, fmt.Errorf("its data is in another file (%q), which is only read beside a model opened by path", loc)
	}
	if loc == "" || !filepath.IsLocal(filepath.FromSlash(loc)) {
		return nil, fmt.Errorf("external data %q is not inside the model's folder; export the model with its data beside it", loc)
	}
	offset := int64(0)
	if s, ok := entries["offset"]; ok {
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil || v < 0 {
			return nil, fmt.Errorf("external data %q: offset %q is not a byte position", loc, s)
		}
		offset = v
	}
	if s, ok := entries["length"]; ok {
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil || v != size {
			return nil, fmt.Errorf("external data %q: length %q, the tensor needs %d bytes", loc, s, size)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("external data %q: %w", loc, err)
	}
	defer root.Close()
	f, err := root.Open(filepath.FromSlash(loc))
	if err != nil {
		return nil, fmt.Errorf("external data: %w (copy the file beside the model)", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return nil, fmt.Errorf("external data %q is not a regular file", loc)
	}
	if size > maxExternal || offset > st.Size() || size > st.Size()-offset {
		return nil, fmt.Errorf("external data %q has %d bytes, the tensor needs %d from byte %d", loc, st.Size(), size, offset)
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, offset); err != nil && err != io.EOF {
		return nil, fmt.Errorf("external data %q: %w", loc, err)
	}
	return b, nil
}
