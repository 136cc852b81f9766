package onnx

import (
	"encoding/json"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/models"
)

// classicalAnswers is what onnxruntime says of a fixture of testdata/classical (make_classical.py).
type classicalAnswers struct {
	answers
	Data     string `json:"data"`
	Producer string `json:"producer"`
	Note     string `json:"note"`
}

func classicalFixtures(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/classical/*.onnx")
	if err != nil || len(files) < 35 {
		t.Fatalf("only %d fixtures (%v)", len(files), err)
	}
	return files
}

// quirks are the files where onnxruntime's answers are not taken as they are, and why.
var quirks = map[string]struct {
	why       string
	sign      float64 // of its scores
	tolerance float64
}{
	"svc_linear":              {"the scores of SVC with two classes have the sign opposite to its label", -1, 1e-4},
	"svc_linear_19":           {"as svc_linear", -1, 1e-4},
	"nusvc_linear_19":         {"as svc_linear", -1, 1e-4},
	"linear_probit":           {"its inverse error function is an approximation", 1, 5e-4},
	"linear_probit_19":        {"as linear_probit", 1, 5e-4},
	"regressor_two_probit":    {"as linear_probit", 1, 5e-4},
	"regressor_two_probit_19": {"as linear_probit", 1, 5e-4},
	"svc_linear_proba":        {"Platt's probabilities come from an iteration that stops within 0.0025", 1, 2.5e-3},
}

// TestClassicalEqualsOnnxruntime compares the float predictions of every file with the recorded answers: all labels, and
// scores to 1e-4 of max(1, |score|).
func TestClassicalEqualsOnnxruntime(t *testing.T) {
	versions := map[string]int{}
	for _, path := range classicalFixtures(t) {
		name := strings.TrimSuffix(filepath.Base(path), ".onnx")
		t.Run(name, func(t *testing.T) {
			m, report, err := Import(read(t, path), "testdata/classical")
			if err != nil {
				t.Fatal(err)
			}
			var want classicalAnswers
			if err := json.Unmarshal(read(t, strings.TrimSuffix(path, ".onnx")+".json"), &want); err != nil {
				t.Fatal(err)
			}
			versions[strings.Split(want.Producer, ",")[0]]++
			rows := readTable(t, "testdata/classical/"+want.Data+".csv", m.Meta().Pipeline)
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
				scores := want.Scores[r]
				if q, ok := quirks[name]; ok {
					compareTo(t, r, got.Scores, scores, q.sign, q.tolerance)
				} else {
					compareTo(t, r, got.Scores, scores, 1, 1e-4)
				}
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

func compareTo(t *testing.T, row int, got, want []float64, sign, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("row %d: scores %v, want %v", row, got, want)
	}
	for i := range want {
		if !(math.Abs(got[i]-sign*want[i]) <= tolerance*math.Max(1, math.Abs(want[i]))) {
			t.Errorf("row %d, score %d: %v, onnxruntime says %v", row, i, got[i], want[i])
		}
	}
}

// TestRefused: what cannot be evaluated encrypted is refused in one line that names the node, the operator with its domain
// and opset, why, and the way out.
func TestRefused(t *testing.T) {
	for name, words := range map[string][]string{
		"bagging_logreg":     {"Concat", "combines softmax", "export"},
		"calibrated":         {"Sum", "combines", "export"},
		"gaussian_process":   {"Scan", "Gaussian processes", "train"},
		"gru":                {`node "the_gru"`, "operator GRU (domain ai.onnx, opset 17)", "recurrent", "train"},
		"if":                 {`node "choose"`, "operator If", "control flow", "export"},
		"isolation_forest":   {"operator", "export"},
		"kmeans":             {"operator", "export"},
		"knn":                {"operator Scan (domain ai.onnx, opset 17)", "nearest neighbours", "train"},
		"local_function":     {`node "twice"`, "operator Twice (domain local, opset 1)", "function local", "inlined"},
		"one_class":          {"operator", "export"},
		"qda":                {"operator", "export"},
		"svc_probabilities":  {`node "SVMc"`, "operator SVMClassifier (domain ai.onnx.ml, opset 1)", "probability=False"},
		"svc_rbf":            {`node "SVMc"`, "kernel RBF", `kernel="linear"`},
		"svr_poly":           {"operator SVMRegressor", "kernel POLY", "train"},
		"texts_unencoded":    {`column "x0"`, "texts", "OneHotEncoder"},
		"tfidf":              {`node "words"`, "TfIdfVectorizer", "before the model", "export"},
		"tree_max":           {`node "trees"`, "aggregate_function", "export"},
		"voting_hard":        {"operator", "export"},
		"voting_soft_linear": {"Sum", "combines", "export"},
	} {
		_, report, err := Import(read(t, "testdata/classical/refused/"+name+".onnx"), "")
		if err == nil || report == nil {
			t.Errorf("%s: imported", name)
			continue
		}
		msg := err.Error()
		if strings.ContainsAny(msg, "\n\r") || !strings.HasPrefix(msg, "onnx: ") || len(msg) > 420 {
			t.Errorf("%s: %q is not one clear line", name, msg)
		}
		for _, w := range words {
			if !strings.Contains(msg, w) {
				t.Errorf("%s: %q does not say %q", name, msg, w)
			}
		}
	}
	files, _ := filepath.Glob("testdata/classical/refused/*.onnx")
	if len(files) != 19 {
		t.Errorf("%d refused files", len(files))
	}
}
