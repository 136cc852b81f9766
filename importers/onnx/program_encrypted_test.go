package onnx

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/fhe-ml/fhe-ml/models"
)

// quickGraphs are those that every run computes on ciphertexts; FHEML_LONG=1 takes all.
var quickGraphs = map[string]bool{"torch_where": true, "torch_argmax": true, "torch_cnn": true, "torch_rules": true, "torch_table": true, "torch_edges": true,
	"torch_floats": true, "torch_where_batch": true, "dynamo_bits": true, "dynamo_layer": true, "sorted": true, "votes": true, "histogram": true, "quantized_conv": true,
	"quantized_layer": true, "MatMul_encrypted": true, "Less_wide": true}

// TestEncryptedGraphs computes graphs on ciphertexts: what comes back is what onnxruntime computed, exactly.
func TestEncryptedGraphs(t *testing.T) {
	long := os.Getenv("FHEML_LONG") == "1"
	for _, c := range append(graphCases(t), operatorCases(t)...) {
		if !long && !quickGraphs[c.Name] || c.Name == "torch_mean" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			m, _, err := ImportProgram(c.Model, "", c.inputs(t))
			if err != nil {
				t.Fatal(err)
			}
			compiled, err := models.Compile(m, models.CompileOptions{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			summary := compiled.Summary()
			t.Logf("%d affines, %d selects, %d lookups, %.1f ms estimated", summary.Affines, summary.Selects, summary.Lookups, summary.EstimatedMs)
			s, err := compiled.NewSession(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range min(len(c.Rows), 3) {
				got, _, err := s.Predict(context.Background(), c.row(t, i))
				if err != nil {
					t.Fatal(err)
				}
				if want := slices.Concat(c.Rows[i].Outputs...); !slices.Equal(got.Scores, want) {
					t.Fatalf("row %d: encrypted %v, onnxruntime %v", i, got.Scores, want)
				}
			}
		})
	}
}
