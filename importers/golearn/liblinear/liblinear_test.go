//go:build cgo

package liblinear_test

import (
	"context"
	"encoding/json"
	"flag"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sjwhitworth/golearn/base"
	"github.com/sjwhitworth/golearn/linear_models"
	"github.com/sjwhitworth/golearn/trees"

	"github.com/fhe-ml/fhe-ml/importers/golearn"
	"github.com/fhe-ml/fhe-ml/importers/golearn/liblinear"
	"github.com/fhe-ml/fhe-ml/models"
)

var update = flag.Bool("update", false, "train and save the model of testdata again")

// TestMain starts the tests in an environment where golearn can fit: see the package's description.
func TestMain(m *testing.M) {
	if os.Getenv("GODEBUG") == "cgocheck=0" {
		os.Exit(m.Run())
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), "GODEBUG=cgocheck=0")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		os.Exit(1)
	}
}

// iris reads golearn's iris with Iris-setosa as 1.0 and the others as 0.0, or with negated features, or with three classes.
func iris(t *testing.T, sign string, classes ...string) (g *base.DenseInstances, names []string, rows [][]float64) {
	t.Helper()
	b, err := os.ReadFile("../testdata/iris.csv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	for i, line := range lines[1:] {
		fields := strings.Split(line, ",")
		for j := range 4 {
			fields[j] = sign + fields[j]
		}
		lines[i+1] = strings.NewReplacer("Iris-setosa", classes[0], "Iris-versicolor", classes[1], "Iris-virginica", classes[2]).Replace(strings.Join(fields, ","))
	}
	path := t.TempDir() + "/iris.csv"
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if g, err = base.ParseCSVToInstances(path, true); err != nil {
		t.Fatal(err)
	}
	attrs := base.NonClassFloatAttributes(g)
	_, n := g.Size()
	rows = make([][]float64, n)
	for _, a := range attrs {
		names = append(names, a.GetName())
		spec, err := g.GetAttribute(a)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			rows[i] = append(rows[i], base.UnpackBytesToFloat(g.Get(spec, i)))
		}
	}
	return g, names, rows
}

type classifier interface {
	Fit(base.FixedDataGrid) error
	Predict(base.FixedDataGrid) (base.FixedDataGrid, error)
}

func logistic(t *testing.T) *linear_models.LogisticRegression {
	lr, err := linear_models.NewLogisticRegression("l2", 1, 1e-6)
	if err != nil {
		t.Fatal(err)
	}
	return lr
}

func svc(t *testing.T) *linear_models.LinearSVC {
	s, err := linear_models.NewLinearSVC("l2", "l2", false, 1, 1e-6)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// predicted are golearn's own labels.
func predicted(t *testing.T, c classifier, g base.FixedDataGrid) []float64 {
	t.Helper()
	p, err := c.Predict(g)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := p.GetAttribute(p.AllClassAttributes()[0])
	if err != nil {
		t.Fatal(err)
	}
	_, n := g.Size()
	out := make([]float64, n)
	for i := range out {
		out[i] = base.UnpackBytesToFloat(p.Get(spec, i))
	}
	return out
}

// decision reads a decision value from golearn's model with its own Predict: a row of one feature at a time gives signs only, so weights are compared by an own pass
// over liblinear's text, which the test reads itself.
func decision(t *testing.T, c classifier, rows [][]float64) (values [][]float64, labels []string) {
	t.Helper()
	s, ok := c.(*linear_models.LinearSVC)
	if !ok {
		return nil, nil
	}
	path := t.TempDir() + "/svc"
	if err := s.Save(path); err != nil {
		t.Fatal(err)
	}
	d, err := base.ReadSerializedClassifierStub(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := d.GetStringForKey("MODEL")
	if err != nil {
		t.Fatal(err)
	}
	head, tail, _ := strings.Cut(text, "\nw\n")
	for _, line := range strings.Split(head, "\n") {
		if l, ok := strings.CutPrefix(line, "label "); ok {
			labels = strings.Fields(l)
		}
	}
	var w [][]float64
	for _, line := range strings.Split(strings.TrimSpace(tail), "\n") {
		var row []float64
		if err := json.Unmarshal([]byte("["+strings.Join(strings.Fields(line), ",")+"]"), &row); err != nil {
			t.Fatal(err)
		}
		w = append(w, row)
	}
	for _, row := range rows {
		sum := make([]float64, len(w[0]))
		for f, x := range row {
			for k := range sum {
				sum[k] += w[f][k] * x
			}
		}
		values = append(values, sum)
	}
	return values, labels
}

func TestImport(t *testing.T) {
	for name, c := range map[string]classifier{"logistic": logistic(t), "svc": svc(t)} {
		for kind, classes := range map[string][]string{"two": {"1.0", "0.0", "0.0"}, "swapped": {"0.0", "1.0", "1.0"}, "three": {"0.0", "1.0", "2.0"}} {
			if name == "svc" && kind == "three" {
				continue // golearn's LinearSVC weighs two classes
			}
			t.Run(name+" "+kind, func(t *testing.T) {
				g, names, rows := iris(t, "", classes...)
				if err := c.Fit(g); err != nil {
					t.Fatal(err)
				}
				m, r, err := liblinear.Import(c, golearn.Options{Columns: names})
				if err != nil {
					t.Fatal(err)
				}
				if len(m.Meta().Features) != 4 || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "zero or negative") {
					t.Errorf("%v %q", m.Meta().Features, r.Warnings)
				}
				own := predicted(t, c, g)
				values, labels := decision(t, c, rows)
				comp, err := models.Compile(m, models.CompileOptions{}, rows)
				if err != nil {
					t.Fatal(err)
				}
				s, err := comp.NewSession(context.Background(), nil)
				if err != nil {
					t.Fatal(err)
				}
				for i, row := range rows {
					p, err := models.Predict(m, row)
					if err != nil {
						t.Fatal(err)
					}
					if float64(p.Label.Int) != own[i] { // all features of iris are positive
						t.Fatalf("row %d: %v, golearn says %v", i, p.Label, own[i])
					}
					if values != nil {
						score := m.Raw(nil, row)[0]
						if math.Abs(score-values[i][0]) > 1e-9 {
							t.Fatalf("row %d: decision value %v, the weights say %v", i, score, values[i][0])
						}
						if first := labels[0] == p.Label.String(); first != (values[i][0] > 0) {
							t.Fatalf("row %d: label %v for %v, labels %v", i, p.Label, values[i][0], labels)
						}
					}
					if i%15 > 0 {
						continue
					}
					q, err := comp.Quantized.Predict(row)
					if err != nil {
						t.Fatal(err)
					}
					e, _, err := s.Predict(context.Background(), row)
					if err != nil {
						t.Fatal(err)
					}
					for k := range q.Scores {
						if e.Label != q.Label || e.Scores[k] != q.Scores[k] {
							t.Fatalf("row %d: %v encrypted, %v quantized", i, e, q)
						}
					}
				}
			})
		}
	}
}

// TestNegative: golearn's Predict leaves out negative features; the import does not.
func TestNegative(t *testing.T) {
	g, names, rows := iris(t, "-", "1.0", "0.0", "0.0")
	lr := logistic(t)
	if err := lr.Fit(g); err != nil {
		t.Fatal(err)
	}
	m, _, err := liblinear.Import(lr, golearn.Options{Columns: names})
	if err != nil {
		t.Fatal(err)
	}
	wrong, right := 0, 0
	own := predicted(t, lr, g)
	for i, row := range rows {
		p, err := models.Predict(m, row)
		if err != nil {
			t.Fatal(err)
		}
		truth := int64(0)
		if strings.Contains(base.GetClass(g, i), "1") {
			truth = 1
		}
		if p.Label.Int == truth {
			right++
		}
		if own[i] != float64(truth) {
			wrong++
		}
	}
	if right != 150 || wrong == 0 {
		t.Errorf("%d of 150 right, golearn has %d wrong", right, wrong)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		model any
		want  string
	}{{nil, "cannot import a <nil>"}, {trees.NewRandomTree(1), "cannot import a *trees.RandomTree"}, {logistic(t), "not fitted"}, {svc(t), "not fitted"}} {
		if _, _, err := liblinear.Import(c.model, golearn.Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	// The other package sends here.
	if _, _, err := golearn.Import(svc(t), golearn.Options{}); err == nil || !strings.Contains(err.Error(), "importers/golearn/liblinear") {
		t.Errorf("%v", err)
	}
}

// TestSaved makes the file of testdata with -update, and reads what LinearSVC saves.
func TestSaved(t *testing.T) {
	g, names, rows := iris(t, "", "1.0", "0.0", "0.0")
	s := svc(t)
	if err := s.Fit(g); err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/svc"
	if *update {
		path = "../testdata/svc.golearn"
	}
	if err := s.Save(path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	saved, r, err := golearn.Read(data, golearn.Options{Columns: names})
	if err != nil || r.Model != "linear_models.LinearSVC" {
		t.Fatalf("%+v %v", r, err)
	}
	m, _, err := liblinear.Import(s, golearn.Options{Columns: names})
	if err != nil {
		t.Fatal(err)
	}
	own := predicted(t, s, g)
	var answers []string
	for i, row := range rows {
		a, _ := models.Predict(m, row)
		b, _ := models.Predict(saved, row)
		if a.Label != b.Label || a.Scores[1] != b.Scores[1] || float64(a.Label.Int) != own[i] {
			t.Fatalf("row %d: %v from memory, %v from the file, golearn says %v", i, a, b, own[i])
		}
		answers = append(answers, a.Label.String())
	}
	if *update {
		b, _ := json.Marshal(answers)
		if err := os.WriteFile("../testdata/svc.json", append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
