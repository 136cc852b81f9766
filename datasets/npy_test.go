package datasets_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/datasets"
)

// TestReadNPYMatchesNumpy reads arrays that numpy wrote: every dtype, both byte orders, C and Fortran order.
func TestReadNPYMatchesNumpy(t *testing.T) {
	want := readJSON[map[string][][]float64](t, "testdata/npy.json")
	if len(want) < 30 {
		t.Fatalf("only %d arrays", len(want))
	}
	want["version3.npy"] = [][]float64{{1.5, 2.5}}
	for file, rows := range want {
		table, err := datasets.Open(filepath.Join("testdata", file))
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := table.Rows()
		if err != nil || !sameRows(got, rows) || table.Columns() != nil || table.NumColumns() != len(rows[0]) {
			t.Errorf("%s: got %v %v, want %v", file, got, err, rows)
		}
	}
}

func TestOpenVector(t *testing.T) {
	for file, want := range map[string][]float64{"vector_i8.npy": {3, -1, 2}, "vector_column.npy": {0.5, 1.5}} {
		got, err := datasets.OpenVector("testdata/" + file)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v %v", file, got, err)
		}
	}
	for file, want := range map[string]string{
		"testdata/npy_le_f8_C.npy": "the array has shape (2, 3); one value per row is needed, shape (n,)",
		"testdata/text.npy":        `unsupported element type "<U1"; save the array as numbers, e.g. with astype('float64')`,
		"testdata/npy.json":        "unknown kind of vector; give a .npy file",
	} {
		if _, err := datasets.OpenVector(file); err == nil || err.Error() != "datasets: "+file+": "+want {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// npyFile writes a file of version 1 by hand, true or not.
func npyFile(header string, data []byte) []byte {
	out := []byte("\x93NUMPY\x01\x00")
	out = append(out, byte(len(header)), byte(len(header)>>8))
	return append(append(out, header...), data...)
}

func TestReadNPYRefuses(t *testing.T) {
	header := func(dtype, shape string) string {
		return fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", dtype, shape)
	}
	tests := []struct {
		file []byte
		want string
	}{
		{nil, "the file is empty"},
		{[]byte("a,b\n1,2\n"), "not a .npy file (numpy.save writes one)"},
		{[]byte("\x93NUMPY\x01"), "truncated .npy file: it ends in the header"},
		{[]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{"), "truncated .npy file: it ends in the header"},
		{[]byte("\x93NUMPY\x09\x00\x00\x00"), "unknown .npy version 9.0"},
		{npyFile("{}\n", nil), "damaged .npy file: its header lacks descr, fortran_order or shape"},
		{npyFile(header("<f8", "(1000000, 1000000)"), make([]byte, 64)), "the shape (1000000, 1000000) needs more than the 64 bytes of data in the file"},
		{npyFile(header("<f8", "(4294967296, 4294967296)"), make([]byte, 64)), "the shape (4294967296, 4294967296) needs more than the 64 bytes of data in the file"},
		{npyFile(header("<f8", "(3, 3)"), make([]byte, 64)), "truncated .npy file: shape (3, 3) needs 72 bytes of data, the file has 64"},
		{npyFile(header("<f8", "(2, 3)"), make([]byte, 64)), "damaged .npy file: shape (2, 3) needs 48 bytes of data, the file has 64"},
		{npyFile(header("<f8", "(0, 3)"), nil), "the array is empty: shape (0, 3)"},
		{npyFile(header("<f8", "(3, 0)"), nil), "the array is empty: shape (3, 0)"},
		{npyFile(header("<f8", "()"), make([]byte, 8)), "the array has shape (); a table needs two dimensions, rows and columns"},
		{npyFile(header("<f8", "(3,)"), make([]byte, 24)), "the array has shape (3,); a table needs two dimensions, rows and columns"},
		{npyFile(header("<f8", "(1, 1, 1)"), make([]byte, 8)), "the array has shape (1, 1, 1); a table needs two dimensions, rows and columns"},
		{npyFile(header("<c16", "(1, 1)"), make([]byte, 16)), `unsupported element type "<c16"; save the array as numbers, e.g. with astype('float64')`},
		{npyFile(header("|O", "(1, 1)"), make([]byte, 16)), `unsupported element type "|O"; save the array as numbers, e.g. with astype('float64')`},
		{npyFile(header("<f4", "(1, 2)"), []byte{0, 0, 0, 0, 0, 0, 0x80, 0x7f}), "row 0, column 1 (from 0): infinity is not a finite number"},
		{npyFile(header("<i8", "(1, 1)"), []byte{1, 0, 0, 0, 0, 0, 0x20, 0}), "element 0, 9007199254740993, is beyond 2^53 and has no exact float64"},
	}
	for _, test := range tests {
		_, err := datasets.ReadNPY(bytes.NewReader(test.file), "t.npy")
		if err == nil || err.Error() != "datasets: t.npy: "+test.want {
			t.Errorf("got %v\nwant datasets: t.npy: %s", err, test.want)
		}
	}
	table, err := datasets.Open("testdata/npy_le_f8_C.npy")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.Select([]string{"a"}); err == nil || !strings.Contains(err.Error(), "has no column names") {
		t.Errorf("a named column of an array: %v", err)
	}
}

// TestReadNPYOtherWriters: key order, quotes and spacing are free in NEP 1.
func TestReadNPYOtherWriters(t *testing.T) {
	file := npyFile(`{"shape":(1,2),"fortran_order":True,"descr":"|u1"}`, []byte{7, 9})
	table, err := datasets.ReadNPY(bytes.NewReader(file), "t.npy")
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := table.Rows(); err != nil || !sameRows(rows, [][]float64{{7, 9}}) {
		t.Errorf("got %v %v", rows, err)
	}
}

// FuzzReadNPY: no input panics or allocates more than a multiple of its size.
func FuzzReadNPY(f *testing.F) {
	files, err := filepath.Glob("testdata/*.npy")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(npyFile("{'descr': '<f8', 'fortran_order': True, 'shape': (999999999, 999999999), }\n", nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		table, err := datasets.ReadNPY(bytes.NewReader(data), "t.npy")
		_, err2 := datasets.ReadNPYVector(bytes.NewReader(data), "t.npy")
		runtime.ReadMemStats(&after)
		// 8 bytes of float64, copies and the reader's buffers per input byte, for both calls; the rest is the fuzzing engine's.
		if used := after.TotalAlloc - before.TotalAlloc; used > 200*uint64(len(data))+8<<20 {
			t.Fatalf("%d bytes allocated for an input of %d", used, len(data))
		}
		for _, err := range []error{err, err2} {
			if err != nil && !strings.HasPrefix(err.Error(), "datasets: t.npy: ") {
				t.Fatalf("the error names no file: %v", err)
			}
		}
		if err != nil {
			return
		}
		rows, err := table.Rows()
		if err != nil || len(rows) != table.NumRows() || len(rows) < 1 || len(rows)*len(rows[0]) > len(data) {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
	})
}

// TestReadNPYArray: any rank, in both orders, as numpy wrote them.
func TestReadNPYArray(t *testing.T) {
	values := make([]int16, 24)
	for i := range values {
		values[i] = int16(i)
	}
	file := func(order string, data []int16) []byte {
		head := fmt.Sprintf("{'descr': '<i2', 'fortran_order': %s, 'shape': (2, 3, 4), }\n", order)
		b := append([]byte("\x93NUMPY\x01\x00"), byte(len(head)), 0)
		b = append(b, head...)
		for _, v := range data {
			b = binary.LittleEndian.AppendUint16(b, uint16(v))
		}
		return b
	}
	fortran := make([]int16, 0, 24)
	for k := range 4 {
		for j := range 3 {
			for i := range 2 {
				fortran = append(fortran, values[(i*3+j)*4+k])
			}
		}
	}
	for order, data := range map[string][]int16{"False": values, "True": fortran} {
		a, err := datasets.ReadNPYArray(bytes.NewReader(file(order, data)), "a.npy")
		if err != nil {
			t.Fatal(err)
		}
		if !a.Integer || !slices.Equal(a.Shape, []int{2, 3, 4}) {
			t.Errorf("%v", a)
		}
		for i, v := range a.Values {
			if v != float64(i) {
				t.Fatalf("fortran %s: element %d is %v", order, i, v)
			}
		}
	}
}
