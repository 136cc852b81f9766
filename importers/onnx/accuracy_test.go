package onnx

import (
	"encoding/json"
	"testing"

	"github.com/fhe-ml/fhe-ml/models"
)

// TestConvolutionalAccuracy holds the accuracy of quantized convolutional networks on 300 rows of digits that they were not trained on to within two
// points of the float model's.
func TestConvolutionalAccuracy(t *testing.T) {
	for _, name := range []string{"torch_cnn_digits", "torch_cnn_digits_two"} {
		m, _, err := Import(read(t, "testdata/"+name+".onnx"), "testdata")
		if err != nil {
			t.Fatal(err)
		}
		var truth struct {
			Y []string `json:"y"`
		}
		if err := json.Unmarshal(read(t, "testdata/"+name+".json"), &truth); err != nil {
			t.Fatal(err)
		}
		rows := readRows(t, "testdata/"+name+".csv")
		q, err := m.Quantize(models.Options{}, readRows(t, "testdata/"+name+".calib.csv"))
		if err != nil {
			t.Fatal(err)
		}
		if q.Bits > 7 {
			t.Errorf("%s: codes of %d bits", name, q.Bits)
		}
		p, err := models.NewPredictor(q)
		if err != nil {
			t.Fatal(err)
		}
		float, quantized, differ := 0, 0, 0
		for r, row := range rows {
			a, err := models.Predict(m, row)
			if err != nil {
				t.Fatal(err)
			}
			b, err := p.Predict(row)
			if err != nil {
				t.Fatal(err)
			}
			if a.Label.String() == truth.Y[r] {
				float++
			}
			if b.Label.String() == truth.Y[r] {
				quantized++
			}
			if a.Class != b.Class {
				differ++
			}
		}
		n := float64(len(rows))
		t.Logf("%s: %d rows, accuracy %.1f %% float and %.1f %% quantized, %d labels differ; %v", name, len(rows), 100*float64(float)/n, 100*float64(quantized)/n, differ, q.Notes)
		if float64(float-quantized)/n > 0.02 {
			t.Errorf("%s: the quantized model is right on %d rows, the float model on %d of %d", name, quantized, float, len(rows))
		}
	}
}
