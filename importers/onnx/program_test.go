package onnx

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/importers/numpy"
	"github.com/fhe-ml/fhe-ml/models"
)

// programCase is a graph and what onnxruntime computes with it (make_programs.py).
type programCase struct {
	Name   string
	Model  []byte
	Inputs []string
	Rows   []struct {
		Inputs  map[string][]float64
		Outputs [][]float64
	}
}

func (c *programCase) inputs(t testing.TB) []numpy.Input {
	t.Helper()
	var out []numpy.Input
	for _, text := range c.Inputs {
		in, err := numpy.ParseInput(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, in)
	}
	return out
}

// row returns the features of a row, in the order of the inputs: all values of the only one where the file leaves them out.
func (c *programCase) row(t testing.TB, i int) []float64 {
	t.Helper()
	var x []float64
	for _, in := range c.inputs(t) {
		v, ok := c.Rows[i].Inputs[in.Name]
		for k := in.Lo; !ok && k <= in.Hi; k++ {
			v = append(v, float64(k))
		}
		x = append(x, v...)
	}
	return x
}

func operatorCases(t testing.TB) []programCase {
	t.Helper()
	var cases []programCase
	if err := json.Unmarshal(read(t, "testdata/programs/operators.json"), &cases); err != nil || len(cases) < 250 {
		t.Fatalf("%d operators: %v", len(cases), err)
	}
	return cases
}

// graphCases are the whole graphs.
func graphCases(t testing.TB) []programCase {
	t.Helper()
	files, err := filepath.Glob("testdata/programs/*.onnx")
	if err != nil || len(files) < 20 {
		t.Fatalf("only %d graphs (%v)", len(files), err)
	}
	var cases []programCase
	for _, f := range files {
		stem := strings.TrimSuffix(f, ".onnx")
		var c programCase
		if err := json.Unmarshal(read(t, stem+".json"), &c); err != nil || len(c.Rows) == 0 {
			t.Fatalf("%s: %v", f, err)
		}
		c.Name, c.Model = filepath.Base(stem), read(t, f)
		cases = append(cases, c)
	}
	return cases
}

// check compares a program with onnxruntime, exactly.
func (c *programCase) check(t *testing.T) *models.Program {
	m, _, err := ImportProgram(c.Model, "", c.inputs(t))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range c.Rows {
		x := c.row(t, i)
		got := m.Raw(nil, x)
		want := slices.Concat(r.Outputs...)
		if len(got) != len(want) {
			t.Fatalf("%d results, want %d", len(got), len(want))
		}
		for k := range want {
			if got[k] != want[k] {
				t.Fatalf("row %d, result %d is %v, onnxruntime says %v\ninputs %v\ngot  %v\nwant %v", i, k, got[k], want[k], x, got, want)
			}
		}
	}
	return m
}

// TestOperatorsEqualOnnxruntime compares every operator, over all values of its inputs where it works elementwise.
func TestOperatorsEqualOnnxruntime(t *testing.T) {
	for _, c := range operatorCases(t) {
		t.Run(c.Name, func(t *testing.T) { c.check(t) })
	}
}

// TestGraphsEqualOnnxruntime compares whole graphs, several of them written by PyTorch.
func TestGraphsEqualOnnxruntime(t *testing.T) {
	for _, c := range graphCases(t) {
		if c.Name == "torch_mean" { // refused: see TestProgramRefusals
			continue
		}
		t.Run(c.Name, func(t *testing.T) { c.check(t) })
	}
}
