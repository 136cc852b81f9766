package importers_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/datasets"
	"github.com/fhe-ml/fhe-ml/importers"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// answers are what onnxruntime said of a fixture's rows; see onnx/testdata/README.md.
type answers struct {
	Task   string      `json:"task"`
	Labels []string    `json:"labels"`
	Scores [][]float64 `json:"scores"`
	Y      []any       `json:"y"`
}

func readRows(t testing.TB, path string) [][]float64 {
	t.Helper()
	table, err := datasets.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := table.Rows()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// slowRows are encrypted rows of a fixture whose server time is large; all others take encryptedRows.
var slowRows = map[string]int{"torch_cnn_digits": 2, "torch_cnn_digits_two": 1, "torch_cnn_two_small": 2, "torch_mlp_residual": 2,
	"torch_cnn_small_dynamo": 3, "torch_cnn_depthwise_dynamo": 3, "torch_cnn_mean_dynamo": 3, "torch_cnn_nhwc": 3, "torch_conv1d_selu_dynamo": 3}

const encryptedRows = 10

// TestFixturesEncrypted takes every committed model through the whole path: file, float model, quantized model, ciphertexts and back.
//
// Float agrees with onnxruntime, quantized trees with float ones, and what comes back from the ciphertexts is the quantized answer exactly, on
// every row, without retries: at failure probability 2^-128 a mismatch is a defect.
func TestFixturesEncrypted(t *testing.T) {
	files, err := filepath.Glob("onnx/testdata/*.onnx")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".onnx")
		t.Run(name, func(t *testing.T) {
			if name == "torch_cnn_digits_two" && os.Getenv("FHEML_LONG") == "" {
				t.Skip("torch_cnn_two_small has its layers; with FHEML_LONG=1")
			}
			checkFixture(t, strings.TrimSuffix(file, ".onnx"))
		})
	}
}

func checkFixture(t *testing.T, base string) {
	m, _, err := importers.Open(base + ".onnx")
	if err != nil {
		t.Fatal(err)
	}
	rows := readRows(t, base+".csv")
	var want answers
	data, err := os.ReadFile(base + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	var calibration [][]float64
	if _, tree := m.(*models.TreeEnsemble); !tree {
		calibration = readRows(t, base+".calib.csv")
	}
	c, err := models.Compile(m, models.CompileOptions{}, calibration)
	if err != nil {
		t.Fatal(err)
	}
	quantized := checkClear(t, c, rows, &want)
	s, err := c.NewSession(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Summary(); got.FailureLog2 > -128 || got.SecurityBits < 128 {
		t.Errorf("failure 2^%g, security %d bits", got.FailureLog2, got.SecurityBits)
	}
	n := encryptedRows
	if k, ok := slowRows[filepath.Base(base)]; ok {
		n = k
	}
	var ms float64
	for i, row := range rows[:n] {
		got, timing, err := s.Predict(context.Background(), row)
		if err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		ms += float64(timing.Run.Microseconds()) / 1000 / float64(n)
		if got.Label != quantized[i].Label || got.Class != quantized[i].Class {
			t.Fatalf("row %d: label %v encrypted, %v quantized", i, got.Label, quantized[i].Label)
		}
		for k, v := range got.Scores {
			if v != quantized[i].Scores[k] {
				t.Fatalf("row %d: score %d is %v encrypted, %v quantized", i, k, v, quantized[i].Scores[k])
			}
		}
	}
	sum := c.Summary()
	t.Logf("%d lookups, %d selects, request %d KB, response %d KB, evaluation key %d KB, 2^%.0f; %.1f ms a row, predicted %.1f on one core", sum.Lookups, sum.Selects,
		sum.RequestBytes>>10, sum.ResponseBytes>>10, sum.EvaluationKeyBytes>>10, sum.FailureLog2, ms, sum.EstimatedMs)
}

// checkClear compares float with onnxruntime and quantized with float, and returns the quantized predictions.
func checkClear(t *testing.T, c *models.Compiled, rows [][]float64, want *answers) []quantize.Prediction {
	t.Helper()
	_, tree := c.Model.(*models.TreeEnsemble)
	var out []quantize.Prediction
	var floatRight, quantizedRight int
	var worst, spread float64
	for i, row := range rows {
		f, err := models.Predict(c.Model, row)
		if err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		q, err := c.Quantized.Predict(row)
		if err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		out = append(out, q)
		truth := want.Scores[i]
		for k, v := range f.Scores {
			ref := truth[min(k, len(truth)-1)]
			if len(truth) == 1 && len(f.Scores) == 2 && k == 0 {
				ref = 1 - ref // a network with one sigmoid output: onnxruntime gives p alone
			}
			if math.Abs(v-ref) > 1e-4*math.Max(1, math.Abs(ref)) {
				t.Fatalf("row %d: float score %d is %v, onnxruntime says %v", i, k, v, ref)
			}
			d := math.Abs(q.Scores[k] - v)
			if tree && d > 1e-4*math.Max(1, math.Abs(v)) {
				t.Fatalf("row %d: quantized score %d is %v, float %v", i, k, q.Scores[k], v)
			}
			worst, spread = math.Max(worst, d), math.Max(spread, math.Abs(v))
		}
		if want.Task == "classify" {
			if f.Label.String() != want.Labels[i] {
				t.Fatalf("row %d: float label %v, onnxruntime says %v", i, f.Label, want.Labels[i])
			}
			if tree && q.Label != f.Label {
				t.Fatalf("row %d: quantized label %v, float %v", i, q.Label, f.Label)
			}
			if f.Label == q.Label {
				quantizedRight++
			}
			floatRight++
		}
	}
	if want.Task == "classify" && !tree {
		if loss := float64(floatRight-quantizedRight) / float64(len(rows)); loss > 0.04 {
			t.Errorf("quantized labels differ from float ones on %.0f%% of the rows", 100*loss)
		}
	}
	t.Logf("largest difference of scores %.3g, of scores up to %.3g", worst, spread)
	return out
}
