package onnx

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/models"
)

// TestConvolutionsKeepTheirStructure: what a file has as convolution is one in the model, so that its integer weights are shared.
func TestConvolutionsKeepTheirStructure(t *testing.T) {
	count := 0
	files, _ := filepath.Glob("testdata/torch_cnn*.onnx")
	for _, path := range files {
		m, report, err := Import(read(t, path), "testdata")
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		want, got := 0, 0
		for _, n := range report.Nodes {
			if n.Op == "Conv" {
				want++
			}
		}
		for _, l := range m.(*models.Network).Layers {
			if l.Conv != nil {
				got++
			}
		}
		if strings.Contains(path, "depthwise") {
			want = 1 // two convolutions without anything between are one
		}
		if got != want {
			t.Errorf("%s: %d convolutional layers of %d convolutions", strings.TrimPrefix(path, "testdata/"), got, want)
		}
		count += got
	}
	if count < 4 {
		t.Fatalf("only %d convolutions", count)
	}
}
