package datasets

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"codeberg.org/sbinet/npyio/npy"
	"codeberg.org/sbinet/npyio/npy/float16"
)

// ReadNPY reads a 2-D NumPy array (format versions 1 to 3; float16 to float64, any integer type or bool; C or Fortran order) as a Table
// without column names. name goes into the errors, usually a path. NaN is a missing cell; an infinity is an error, and so is an integer that
// a float64 cannot hold. Refused as well: no rows or no columns, any other number of dimensions, and a length that is not the shape's.
func ReadNPY(r io.Reader, name string) (*Table, error) {
	a, err := readNPY(r, name)
	if err != nil {
		return nil, err
	}
	if len(a.shape) != 2 {
		return nil, fmt.Errorf("datasets: %s: the array has shape %s; a table needs two dimensions, rows and columns", name, a.shape)
	}
	rows, width := a.shape[0], a.shape[1]
	t := &Table{name: name, columns: make([]column, width), rows: rows, width: width, cells: a.values}
	for j := range t.columns {
		t.columns[j].index = j
	}
	if a.fortran {
		t.cells = make([]float64, len(a.values))
		for k, v := range a.values {
			t.cells[k%rows*width+k/rows] = v
		}
	}
	for k, v := range t.cells {
		if math.IsInf(v, 0) {
			return nil, fmt.Errorf("datasets: %s: row %d, column %d (from 0): infinity is not a finite number", name, k/width, k%width)
		}
	}
	return t, nil
}

// ReadNPYVector reads a NumPy array of one value per row, shape (n,) or (n, 1), under the same rules as ReadNPY.
func ReadNPYVector(r io.Reader, name string) ([]float64, error) {
	a, err := readNPY(r, name)
	if err != nil {
		return nil, err
	}
	if len(a.shape) != 1 && !(len(a.shape) == 2 && a.shape[1] == 1) {
		return nil, fmt.Errorf("datasets: %s: the array has shape %s; one value per row is needed, shape (n,)", name, a.shape)
	}
	for i, v := range a.values {
		if math.IsInf(v, 0) {
			return nil, fmt.Errorf("datasets: %s: row %d (from 0): infinity is not a finite number", name, i)
		}
	}
	return a.values, nil
}

// NPYArray is a NumPy array of any shape: Values in row-major order.
type NPYArray struct {
	Shape   []int
	Integer bool   // the elements are integers or bool
	Type    string // of the elements, by numpy's name: float16 to float64, int8 to int64, uint8 to uint64, bool
	Values  []float64
}

// ReadNPYArray reads a NumPy array of any number of dimensions, under the same rules as ReadNPY but for infinities, which it keeps.
func ReadNPYArray(r io.Reader, name string) (*NPYArray, error) {
	a, err := readNPY(r, name)
	if err != nil {
		return nil, err
	}
	out := &NPYArray{Shape: a.shape, Integer: a.integer, Type: a.typ, Values: a.values}
	if !a.fortran || len(a.shape) < 2 {
		return out, nil
	}
	out.Values = make([]float64, len(a.values))
	for k, v := range a.values { // the first axis varies fastest
		at, stride := 0, len(a.values)
		for _, d := range a.shape {
			stride /= d
			at += k % d * stride
			k /= d
		}
		out.Values[at] = v
	}
	return out, nil
}

// array is a decoded file: product(shape) > 0 values in the order of the file.
type array struct {
	shape   shape
	fortran bool
	integer bool   // or bool
	typ     string // numpy's name of the type
	values  []float64
}

// shape prints like Python's tuple.
type shape []int

func (s shape) String() string {
	parts := make([]string, len(s))
	for i, d := range s {
		parts[i] = strconv.Itoa(d)
	}
	if len(s) == 1 {
		return "(" + parts[0] + ",)"
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// The header is a Python dictionary literal with these three keys, NEP 1; numpy writes them sorted, other programs need not.
var (
	descrKey   = regexp.MustCompile(`['"]descr['"]\s*:\s*(?:'([^']*)'|"([^"]*)"|\[)`)
	fortranKey = regexp.MustCompile(`['"]fortran_order['"]\s*:\s*(True|False)`)
	shapeKey   = regexp.MustCompile(`['"]shape['"]\s*:\s*\(([0-9\s,]*)\)`)
	dtypes     = regexp.MustCompile(`^[<>|=]?(f[248]|[iu][1248]|b1)$`)
)

// readNPY checks everything that the file claims against the bytes that are there, then lets npyio decode them. npyio itself would
// allocate what the shape says, and panics on some damaged headers; so it only ever sees a header written here, and a recover stands behind.
func readNPY(r io.Reader, name string) (a array, err error) {
	raw, err := readBounded(r, name)
	if err != nil {
		return array{}, err
	}
	defer func() {
		if p := recover(); p != nil {
			a, err = array{}, fmt.Errorf("datasets: %s: damaged .npy file: %v", name, p)
		}
	}()
	head, data, err := splitNPY(raw)
	if err != nil {
		return array{}, fmt.Errorf("datasets: %s: %w", name, err)
	}
	descr, order, dims := descrKey.FindStringSubmatch(head), fortranKey.FindStringSubmatch(head), shapeKey.FindStringSubmatch(head)
	if descr == nil || order == nil || dims == nil {
		return array{}, fmt.Errorf("datasets: %s: damaged .npy file: its header lacks descr, fortran_order or shape", name)
	}
	dtype := descr[1] + descr[2]
	if !dtypes.MatchString(dtype) {
		return array{}, fmt.Errorf("datasets: %s: unsupported element type %s; save the array as numbers, e.g. with astype('float64')", name, shorten(dtype))
	}
	a.fortran = order[1] == "True"
	a.integer = !strings.Contains(dtype, "f")
	a.typ = typeName(dtype)
	if a.shape, err = parseShape(dims[1], int(dtype[len(dtype)-1]-'0'), len(data)); err != nil {
		return array{}, fmt.Errorf("datasets: %s: %w", name, err)
	}
	if a.values, err = decodeNPY(dtype, data); err != nil {
		return array{}, fmt.Errorf("datasets: %s: %w", name, err)
	}
	return a, nil
}

// typeName is numpy's name of a dtype that dtypes matches.
func typeName(dtype string) string {
	kind, bytes := dtype[len(dtype)-2], int(dtype[len(dtype)-1]-'0')
	switch kind {
	case 'b':
		return "bool"
	case 'i':
		return fmt.Sprintf("int%d", 8*bytes)
	case 'u':
		return fmt.Sprintf("uint%d", 8*bytes)
	}
	return fmt.Sprintf("float%d", 8*bytes)
}

// splitNPY parts a file into its header dictionary and its data.
func splitNPY(raw []byte) (head string, data []byte, err error) {
	const magic = "\x93NUMPY"
	if !bytes.HasPrefix(raw, []byte(magic)) {
		return "", nil, fmt.Errorf("not a .npy file (numpy.save writes one)")
	}
	rest := raw[len(magic):]
	if len(rest) < 4 {
		return "", nil, fmt.Errorf("truncated .npy file: it ends in the header")
	}
	var length uint32 // 16 bits in version 1, 32 later
	switch major := rest[0]; {
	case major == 1:
		length, rest = uint32(binary.LittleEndian.Uint16(rest[2:])), rest[4:]
	case (major == 2 || major == 3) && len(rest) >= 6:
		length, rest = binary.LittleEndian.Uint32(rest[2:]), rest[6:]
	default:
		return "", nil, fmt.Errorf("unknown .npy version %d.%d", rest[0], rest[1])
	}
	if uint64(length) > uint64(len(rest)) {
		return "", nil, fmt.Errorf("truncated .npy file: it ends in the header")
	}
	return string(rest[:length]), rest[length:], nil
}

// parseShape reads the inside of a tuple and checks that so many elements of size bytes are what the file holds.
func parseShape(tuple string, size, have int) (shape, error) {
	var dims shape
	need := uint64(size)
	for part := range strings.SplitSeq(tuple, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue // after the last comma
		}
		d, err := strconv.ParseUint(part, 10, 62)
		if err != nil || d > maxBytes || need*d > maxBytes { // both factors are at most 2^30
			return nil, fmt.Errorf("the shape (%s) needs more than the %d bytes of data in the file", strings.Trim(shorten(tuple), `"`), have)
		}
		if need *= d; d == 0 {
			return nil, fmt.Errorf("the array is empty: shape (%s)", strings.Trim(shorten(tuple), `"`))
		}
		dims = append(dims, int(d))
	}
	switch {
	case len(dims) > 32:
		return nil, fmt.Errorf("the array has %d dimensions", len(dims))
	case need > uint64(have):
		return nil, fmt.Errorf("truncated .npy file: shape %s needs %d bytes of data, the file has %d", dims, need, have)
	case need < uint64(have):
		return nil, fmt.Errorf("damaged .npy file: shape %s needs %d bytes of data, the file has %d", dims, need, have)
	}
	return dims, nil
}

// decodeNPY decodes all of data as elements of dtype, which dtypes matches.
func decodeNPY(dtype string, data []byte) ([]float64, error) {
	n := len(data) / int(dtype[len(dtype)-1]-'0')
	// Version 1 and the keys in numpy's order, as npyio wants it; flat, for the order is our business.
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%d,), }\n", dtype, n)
	file := append([]byte("\x93NUMPY\x01\x00"), byte(len(head)), 0)
	r := io.MultiReader(bytes.NewReader(append(file, head...)), bytes.NewReader(data))
	switch dtype[len(dtype)-2:] {
	case "f2":
		return decode(r, n, func(v float16.Num) float64 { return float64(v.Float32()) })
	case "f4":
		return decode(r, n, func(v float32) float64 { return float64(v) })
	case "f8":
		return decode(r, n, func(v float64) float64 { return v })
	case "i1":
		return decode(r, n, func(v int8) float64 { return float64(v) })
	case "i2":
		return decode(r, n, func(v int16) float64 { return float64(v) })
	case "i4":
		return decode(r, n, func(v int32) float64 { return float64(v) })
	case "i8":
		return exact(r, n, func(v int64) bool { return -1<<53 <= v && v <= 1<<53 })
	case "u1":
		return decode(r, n, func(v uint8) float64 { return float64(v) })
	case "u2":
		return decode(r, n, func(v uint16) float64 { return float64(v) })
	case "u4":
		return decode(r, n, func(v uint32) float64 { return float64(v) })
	case "u8":
		return exact(r, n, func(v uint64) bool { return v <= 1<<53 })
	default: // b1
		return decode(r, n, func(v bool) float64 {
			if v {
				return 1
			}
			return 0
		})
	}
}

func decode[T any](r io.Reader, n int, convert func(T) float64) ([]float64, error) {
	var values []T
	if err := npy.Read(r, &values); err != nil {
		return nil, err
	}
	if len(values) != n {
		return nil, fmt.Errorf("damaged .npy file: %d of %d elements decode", len(values), n)
	}
	out := make([]float64, n)
	for i, v := range values {
		out[i] = convert(v)
	}
	return out, nil
}

// exact decodes 64-bit integers, refusing those that a float64 may not hold: an identifier rounded in silence would be another one.
func exact[T int64 | uint64](r io.Reader, n int, fits func(T) bool) ([]float64, error) {
	at, first := -1, T(0)
	i := -1
	out, err := decode(r, n, func(v T) float64 {
		if i++; at < 0 && !fits(v) {
			at, first = i, v
		}
		return float64(v)
	})
	if err == nil && at >= 0 {
		err = fmt.Errorf("element %d, %d, is beyond 2^53 and has no exact float64", at, first)
	}
	return out, err
}
