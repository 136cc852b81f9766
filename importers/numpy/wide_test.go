package numpy_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/importers/numpy"
	"github.com/fhe-ml/fhe-ml/models"
)

// TestWidePrograms runs programs with values of 12 and 16 bits, inputs and computed ones, on ciphertexts.
func TestWidePrograms(t *testing.T) {
	integers := func(xs ...int64) (out []float64) {
		for _, x := range xs {
			out = append(out, float64(x))
		}
		return out
	}
	for name, c := range map[string]struct {
		source string
		hi     int64
		rows   [][]int64
		want   func(x []int64) []float64
		note   string
	}{
		"inputs": {"import numpy as np\ndef f(x):\n    return np.where(x[0] > 1000, 3, -2), x[1] // 256, np.sqrt(x[0]).astype(int), x[0] > x[1]\n", 4095,
			[][]int64{{0, 0}, {4095, 4094}, {1000, 1001}, {1001, 255}}, func(x []int64) []float64 {
				first, more := int64(-2), int64(0)
				if x[0] > 1000 {
					first = 3
				}
				if x[0] > x[1] {
					more = 1
				}
				return integers(first, x[1]/256, int64(math.Sqrt(float64(x[0]))), more)
			}, ""},
		"computed": {"import numpy as np\ndef f(x):\n    s = x[0] * x[1]\n    return np.sqrt(s).astype(int), s // 16, s > 1000\n", 63,
			[][]int64{{0, 0}, {63, 63}, {25, 40}, {33, 31}}, func(x []int64) []float64 {
				s, more := x[0]*x[1], int64(0)
				if s > 1000 {
					more = 1
				}
				return integers(int64(math.Sqrt(float64(s))), s/16, more)
			}, "a value of 12 bits is taken apart bit by bit"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := numpy.ParseFile("f.py", c.source, numpy.Options{Function: "f", Inputs: []numpy.Input{{Name: "x", Shape: []int{2}, Hi: c.hi}}})
			if err != nil {
				t.Fatal(err)
			}
			m, err := models.NewProgram(p.Graph, "test")
			if err != nil {
				t.Fatal(err)
			}
			compiled, err := models.Compile(m, models.CompileOptions{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if notes := strings.Join(compiled.Quantized.Notes, "\n"); !strings.Contains(notes, c.note) {
				t.Errorf("notes: %s", notes)
			}
			s, err := compiled.NewSession(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range c.rows {
				got, _, err := s.Predict(context.Background(), integers(x...))
				if err != nil {
					t.Fatal(err)
				}
				if want := c.want(x); !slices.Equal(got.Scores, want) {
					t.Errorf("x = %v: encrypted %v, numpy %v", x, got.Scores, want)
				}
			}
			sum := compiled.Summary()
			t.Logf("%d lookups, %.1f ms estimated, notes %q", sum.Lookups, sum.EstimatedMs, compiled.Quantized.Notes)
		})
	}
}
