package onnx

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// answers is what onnxruntime says of a fixture (make_fixtures.py).
type answers struct {
	Task    string      `json:"task"`
	Classes []string    `json:"classes"`
	Labels  []string    `json:"labels"`
	Scores  [][]float64 `json:"scores"`
}

func fixtures(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.onnx")
	if err != nil || len(files) < 12 {
		t.Fatalf("only %d fixtures (%v)", len(files), err)
	}
	return files
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readAnswers(t testing.TB, path string) answers {
	t.Helper()
	var a answers
	if err := json.Unmarshal(read(t, path), &a); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return a
}

// readRows reads a table of numbers, "" for one that is missing.
func readRows(t testing.TB, path string) [][]float64 {
	t.Helper()
	return readTable(t, path, nil)
}

// readTable reads a table as rows of a model's columns: texts become the numbers that the pipeline (nil: none) gives them.
func readTable(t testing.TB, path string, pipeline *quantize.Pipeline) [][]float64 {
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
			case pipeline != nil && pipeline.Inputs[i].Text:
				row[i], _ = pipeline.Word(i, s)
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

// TestFixturesEqualOnnxruntime compares float predictions with the recorded answers: every label, scores to 1e-4 of
// max(1, |score|).
func TestFixturesEqualOnnxruntime(t *testing.T) {
	for _, path := range fixtures(t) {
		name := strings.TrimSuffix(filepath.Base(path), ".onnx")
		t.Run(name, func(t *testing.T) {
			m, report, err := Import(read(t, path), "testdata")
			if err != nil {
				t.Fatal(err)
			}
			stem := strings.TrimSuffix(path, ".onnx")
			want := readAnswers(t, stem+".json")
			rows := readRows(t, stem+".csv")
			if len(rows) != len(want.Scores) || len(rows) < 10 {
				t.Fatalf("%d rows, %d answers", len(rows), len(want.Scores))
			}
			if report.Task != want.Task {
				t.Errorf("task %q, want %q", report.Task, want.Task)
			}
			if len(want.Classes) != len(report.Classes) {
				t.Errorf("classes %v, want %v", report.Classes, want.Classes)
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
			}
		})
	}
}

func compareScores(t *testing.T, row int, got, want []float64) {
	t.Helper()
	if len(got) == 2 && len(want) == 1 {
		got = got[1:] // a torch file gives p, this package [1-p, p]
	}
	if len(got) != len(want) {
		t.Fatalf("row %d: scores %v, want %v", row, got, want)
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= 1e-4*math.Max(1, math.Abs(want[i]))) {
			t.Errorf("row %d, score %d: %v, onnxruntime says %v", row, i, got[i], want[i])
		}
	}
}

// TestBrokenFiles checks that every broken file gives one clear line.
func TestBrokenFiles(t *testing.T) {
	words := map[string]string{ // what the message must name
		"cycle": "cycle", "self_loop": "cycle", "duplicate_output": "twice", "unknown_input": "nothing defines",
		"empty": "empty", "no_nodes": "no nodes", "negative_dims": "negative", "huge_dims": "65536",
		"dims_lie": "dimensions", "external_outside": "model's folder", "nan_weight": "finite",
		"tree_cycle": "cycle", "tree_feature_range": "feature", "tree_lengths": "elements", "tree_missing_child": "does not exist",
		"unsupported_domain": "domain", "unsupported_op": "not supported", "unsupported_knn": "not supported",
		"not_onnx": "not a whole ONNX file", "text": "not a whole ONNX file", "truncated": "truncated",
	}
	files, _ := filepath.Glob("testdata/broken/*")
	if len(files) < 10 {
		t.Fatalf("only %d broken files", len(files))
	}
	for _, path := range files {
		_, _, err := Import(read(t, path), filepath.Dir(path))
		if err == nil {
			t.Errorf("%s: imported", path)
			continue
		}
		msg := err.Error()
		t.Logf("%s: %s", filepath.Base(path), msg)
		if strings.ContainsAny(msg, "\n\r") || !strings.HasPrefix(msg, "onnx: ") || len(msg) > 400 {
			t.Errorf("%s: %q is not one clear line", path, msg)
		}
		if !strings.Contains(msg, "export") && !strings.Contains(msg, "only feed-forward") && !strings.Contains(msg, "recurrent") {
			t.Errorf("%s: %q names no way out", path, msg)
		}
		if w := words[strings.TrimSuffix(filepath.Base(path), ".onnx")]; !strings.Contains(msg, w) {
			t.Errorf("%s: %q does not say %q", path, msg, w)
		}
	}
}

func TestUnsupportedNamesTheNode(t *testing.T) {
	_, report, err := Import(read(t, "testdata/broken/unsupported_knn.onnx"), "")
	var u *UnsupportedError
	if !errors.As(err, &u) || u.Op == "" || u.Node == "" || u.Hint == "" {
		t.Fatalf("error %v", err)
	}
	if report == nil || len(report.Nodes) == 0 {
		t.Fatal("no report beside the error")
	}
}
