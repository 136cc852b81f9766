package onnx

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/models"
)

// sklearnAnswers is what onnxruntime says of a fixture of testdata/sklearn (make_sklearn.py).
type sklearnAnswers struct {
	answers
	Data     string `json:"data"`
	Producer string `json:"producer"`
	Note     string `json:"note"`
}

func sklearnFixtures(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/sklearn/*.onnx")
	if err != nil || len(files) < 35 {
		t.Fatalf("only %d fixtures (%v)", len(files), err)
	}
	return files
}

// sklearnRows reads a table as rows of the model's columns: texts become the numbers that the pipeline gives them.
func sklearnRows(t testing.TB, path string, info *models.Info) [][]float64 {
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
	var rows [][]float64
	for _, rec := range records[1:] {
		row := make([]float64, len(rec))
		for i, s := range rec {
			switch {
			case info.Pipeline != nil && info.Pipeline.Inputs[i].Text:
				row[i], _ = info.Pipeline.Word(i, s)
			case s == "":
				row[i] = math.NaN()
			default:
				if row[i], err = strconv.ParseFloat(s, 64); err != nil {
					t.Fatal(err)
				}
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// TestSklearnEqualsOnnxruntime compares the float predictions of every file with the recorded answers: all labels, and
// scores to 1e-4 of max(1, |score|).
func TestSklearnEqualsOnnxruntime(t *testing.T) {
	versions := map[string]int{}
	for _, path := range sklearnFixtures(t) {
		name := strings.TrimSuffix(filepath.Base(path), ".onnx")
		t.Run(name, func(t *testing.T) {
			m, report, err := Import(read(t, path), "testdata/sklearn")
			if err != nil {
				t.Fatal(err)
			}
			var want sklearnAnswers
			if err := json.Unmarshal(read(t, strings.TrimSuffix(path, ".onnx")+".json"), &want); err != nil {
				t.Fatal(err)
			}
			versions[strings.Split(want.Producer, ",")[0]]++
			rows := sklearnRows(t, "testdata/sklearn/"+want.Data+".csv", m.Meta())
			if len(rows) != len(want.Scores) || len(rows) < 10 {
				t.Fatalf("%d rows, %d answers", len(rows), len(want.Scores))
			}
			if report.Task != want.Task || strings.Join(report.Classes, " ") != strings.Join(want.Classes, " ") {
				t.Errorf("task %s and classes %v, want %s and %v", report.Task, report.Classes, want.Task, want.Classes)
			}
			for _, n := range report.Nodes {
				if strings.HasPrefix(n.Use, "not") {
					t.Errorf("node %s (%s) is reported as %q", n.Name, n.Op, n.Use)
				}
			}
			for r, row := range rows {
				got, err := models.Predict(m, row)
				if err != nil {
					t.Fatalf("row %d: %v", r, err)
				}
				if want.Task == "classify" && got.Label.String() != want.Labels[r] {
					t.Errorf("row %d: label %s, onnxruntime says %s (scores %v, %v)", r, got.Label, want.Labels[r], got.Scores, want.Scores[r])
				}
				compareScores(t, r, got.Scores, want.Scores[r])
				if t.Failed() {
					break
				}
			}
		})
	}
	if !t.Failed() && len(versions) < 3 {
		t.Errorf("producers %v", versions)
	}
}
