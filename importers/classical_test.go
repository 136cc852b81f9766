package importers_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/importers"
	"github.com/fhe-ml/fhe-ml/models"
)

// classicalRows reads a table as rows of the model's columns, texts as the pipeline's numbers.
func classicalRows(t *testing.T, path string, info *models.Info) [][]float64 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows := make([][]float64, len(records)-1)
	for r, record := range records[1:] {
		rows[r] = make([]float64, len(record))
		for i, cell := range record {
			switch {
			case info.Pipeline != nil && info.Pipeline.Inputs[i].Text:
				rows[r][i], _ = info.Pipeline.Word(i, cell)
			case cell == "":
				rows[r][i] = math.NaN()
			default:
				if rows[r][i], err = strconv.ParseFloat(cell, 64); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return rows
}

// TestClassicalEncrypted takes every file of onnx/testdata/classical to ciphertexts: quantized labels are the float model's
// but for two rows (trees: on every row), and encrypted predictions equal quantized ones exactly.
func TestClassicalEncrypted(t *testing.T) {
	files, err := filepath.Glob("onnx/testdata/classical/*.onnx")
	if err != nil || len(files) < 35 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".onnx")
		t.Run(name, func(t *testing.T) {
			c, rows := compileClassical(t, file)
			checkClassical(t, c, rows)
		})
	}
}

func compileClassical(t *testing.T, file string) (*models.Compiled, [][]float64) {
	t.Helper()
	m, _, err := importers.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	var about struct {
		Data string `json:"data"`
	}
	data, err := os.ReadFile(strings.TrimSuffix(file, ".onnx") + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &about); err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(filepath.Dir(file), about.Data)
	var calibration [][]float64
	if models.NeedsCalibration(m) {
		calibration = classicalRows(t, table+".calib.csv", m.Meta())
	}
	c, err := models.Compile(m, models.CompileOptions{}, calibration)
	if err != nil {
		t.Fatal(err)
	}
	return c, classicalRows(t, table+".csv", m.Meta())
}

func checkClassical(t *testing.T, c *models.Compiled, rows [][]float64) {
	t.Helper()
	_, tree := c.Model.(*models.TreeEnsemble)
	predictor, err := models.NewPredictor(c.Quantized)
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i, row := range rows {
		f, err := models.Predict(c.Model, row)
		if err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		q, err := predictor.Predict(row)
		if err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		if f.Label != q.Label {
			wrong++
		}
		if tree && f.Label != q.Label {
			t.Errorf("row %d: label %v quantized, %v float", i, q.Label, f.Label)
		}
	}
	if wrong > 2 {
		t.Errorf("%d of %d labels change by quantization", wrong, len(rows))
	}
	s, err := c.NewSession(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var ms float64
	for i, row := range rows[:2] {
		want, err := predictor.Predict(row)
		if err != nil {
			t.Fatal(err)
		}
		got, timing, err := s.Predict(context.Background(), row)
		if err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		ms += float64(timing.Run.Microseconds()) / 2000
		if got.Label != want.Label || !slices.Equal(got.Scores, want.Scores) {
			t.Fatalf("row %d: %v encrypted, %v quantized", i, got, want)
		}
	}
	sum := c.Summary()
	t.Logf("%s: %d lookups, %d selects, keys %s, %.1f ms a row", sum.Kind, sum.Lookups, sum.Selects, s.KeyGen+s.KeyLoad, ms)
}
