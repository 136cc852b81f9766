package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// TestExplainGraph: the graph that explain prints reads back, and is the same function as the file's.
func TestExplainGraph(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "m")
	for _, args := range [][]string{
		{"../../importers/numpy/testdata/programs/network.py", "--input", "x: uint4[6]"},
		{"../../importers/numpy/testdata/programs/neighbour.py", "--input", "x: uint3[2]"},
		{"../../importers/onnx/testdata/tree_iris.onnx"},
	} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), append([]string{"convert", "--quiet", "-o", name}, args...), &stdout, &stderr); status != exitDone {
			t.Fatalf("%s: %s", args[0], &stderr)
		}
		stdout.Reset()
		if status := run(t.Context(), []string{"explain", name + modelExt, "--format", "graph"}, &stdout, &stderr); status != exitDone {
			t.Fatalf("%s: %s", args[0], &stderr)
		}
		got, err := compiler.Parse(&stdout)
		if err != nil {
			t.Fatalf("%s: %v", args[0], err)
		}
		model, err := openModel(name + modelExt)
		if err != nil {
			t.Fatal(err)
		}
		want := model.Quantized.Graph
		r := rand.New(rand.NewPCG(6, 8))
		for range 50 {
			in := map[string][]int64{}
			for _, n := range want.Inputs() {
				x := make([]int64, n.Size())
				for i := range x {
					x[i] = n.Lo[i] + r.Int64N(n.Hi[i]-n.Lo[i]+1)
				}
				in[n.Name] = x
			}
			a, err := got.Eval(in)
			if err != nil {
				t.Fatal(err)
			}
			b, err := want.Eval(in)
			if err != nil {
				t.Fatal(err)
			}
			for i := range b {
				if !slices.Equal(a[i], b[i]) {
					t.Fatalf("%s: the printed graph gives %v, the file's %v", args[0], a[i], b[i])
				}
			}
		}
		if err := os.Remove(name + modelExt); err != nil {
			t.Fatal(err)
		}
	}
}
