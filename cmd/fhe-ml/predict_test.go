package main

import (
	"bytes"
	"math"
	"testing"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// TestExpected: 58 MB of key take twice the 0.8 s of 29 MB; 1 MiB of request takes 64 times 0.2 ms, shared by four cores; the server adds its own.
func TestExpected(t *testing.T) {
	keys, row := expected(&models.Summary{EvaluationKeyBytes: 58_000_000, RequestBytes: 1 << 20, EstimatedMs: 100}, 4)
	if math.Abs(keys-1600) > 1e-9 || math.Abs(row-103.2) > 1e-9 {
		t.Errorf("%g %g", keys, row)
	}
}

// TestWriteCSV holds the columns of every kind of prediction.
func TestWriteCSV(t *testing.T) {
	classes := []quantize.Label{{Text: "no"}, {Text: "yes, surely"}}
	for _, c := range []struct {
		post   quantize.Postprocessing
		scores []float64
		want   string
	}{
		{quantize.Postprocessing{Task: quantize.Regress, Outputs: 1}, []float64{1e-7}, "prediction\n1e-07\n"},
		{quantize.Postprocessing{Task: quantize.Regress, Outputs: 2}, []float64{0.1, 1e21}, "prediction_0,prediction_1\n0.1,1e+21\n"},
		{quantize.Postprocessing{Classes: classes, Outputs: 2}, []float64{0.5, 0.25}, "label,score_no,\"score_yes, surely\"\nno,0.5,0.25\n"},
		{quantize.Postprocessing{Classes: classes, Outputs: 1, Pair: quantize.PairComplement}, []float64{1, 0}, "label,score_no,\"score_yes, surely\"\nno,1,0\n"},
		{quantize.Postprocessing{Classes: classes, Outputs: 1}, []float64{0.75}, "label,\"score_yes, surely\"\nno,0.75\n"},
	} {
		var b bytes.Buffer
		p := quantize.Prediction{Scores: c.scores}
		if c.post.Task == quantize.Classify {
			p.Label = classes[0]
		}
		if err := writeCSV(&b, &c.post, []quantize.Prediction{p}); err != nil || b.String() != c.want {
			t.Errorf("%q, want %q (%v)", b.String(), c.want, err)
		}
	}
}
