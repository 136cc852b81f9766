//go:build cgo

package golearn_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/sjwhitworth/golearn/base"
	"github.com/sjwhitworth/golearn/ensemble"
	"github.com/sjwhitworth/golearn/linear_models"
	"github.com/sjwhitworth/golearn/trees"

	"github.com/fhe-ml/fhe-ml/importers/golearn"
	"github.com/fhe-ml/fhe-ml/models"
)

// golearn's packages ensemble and linear_models need cgo.

func TestRandomForest(t *testing.T) {
	g := iris(t)
	f := ensemble.NewRandomForest(9, 4)
	if _, _, err := golearn.Import(f, golearn.Options{}); err == nil || !strings.Contains(err.Error(), "fit the model first") {
		t.Errorf("%v", err)
	}
	if err := f.Fit(g); err != nil {
		t.Fatal(err)
	}
	m, _ := mustImport(t, f, golearn.Options{Columns: columns(g)})
	agree(t, m, table(t, g, columns(g)), vote(t, f.Model.Models, g), 10)

	path := t.TempDir() + "/forest"
	if err := f.Save(path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	saved, _, err := golearn.Read(data, golearn.Options{Columns: columns(g)})
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range table(t, g, columns(g)) {
		a, b := m.Raw(nil, row), saved.Raw(nil, row)
		for k := range a {
			if a[k] != b[k] {
				t.Fatalf("row %d: %v from memory, %v from the file", i, a, b)
			}
		}
	}
}

// TestLinearRegression: coefficients find their columns, with as many of these as make golearn sort them.
func TestLinearRegression(t *testing.T) {
	const features, n = 20, 60
	rng := rand.New(rand.NewPCG(1, 2))
	var csv strings.Builder
	for j := range features {
		fmt.Fprintf(&csv, "c%d,", j)
	}
	csv.WriteString("y\n")
	for range n {
		y := 0.5
		for j := range features {
			x := math.Round(rng.NormFloat64()*100) / 100
			y += x * float64(j+1)
			fmt.Fprintf(&csv, "%.2f,", x)
		}
		fmt.Fprintf(&csv, "%.4f\n", y+rng.NormFloat64())
	}
	g := parse(t, csv.String())
	lr := linear_models.NewLinearRegression()
	if _, _, err := golearn.Import(lr, golearn.Options{}); err == nil || !strings.Contains(err.Error(), "fit the model first") {
		t.Errorf("%v", err)
	}
	if err := lr.Fit(g); err != nil {
		t.Fatal(err)
	}
	p, err := lr.Predict(g)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := p.GetAttribute(p.AllClassAttributes()[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, names := range [][]string{columns(g), nil} {
		m, _ := mustImport(t, lr, golearn.Options{Columns: names})
		rows := table(t, g, m.Meta().Features)
		for i, row := range rows {
			want := base.UnpackBytesToFloat(p.Get(spec, i))
			if got := m.Raw(nil, row)[0]; math.Abs(got-want) > 1e-9*math.Max(1, math.Abs(want)) {
				t.Fatalf("row %d: %v, golearn says %v", i, got, want)
			}
		}
		c, err := models.Compile(m, models.CompileOptions{}, rows)
		if err != nil {
			t.Fatal(err)
		}
		sameEncrypted(t, c, rows, 5)
	}
}

// TestSavedUpdate makes the files of trees again; package liblinear makes the other one.
func TestSavedUpdate(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	g := iris(t)
	tree := trees.NewID3DecisionTree(0)
	forest := ensemble.NewRandomForest(5, 4)
	for name, m := range map[string]interface {
		Fit(base.FixedDataGrid) error
		Save(string) error
		Predict(base.FixedDataGrid) (base.FixedDataGrid, error)
	}{"id3": tree, "forest": forest} {
		if err := m.Fit(g); err != nil {
			t.Fatal(err)
		}
		if err := m.Save("testdata/" + name + ".golearn"); err != nil {
			t.Fatal(err)
		}
		answers := said(t, m, g)
		if name == "forest" {
			answers = vote(t, forest.Model.Models, g) // its own are random at ties
		}
		b, _ := json.Marshal(answers)
		if err := os.WriteFile("testdata/"+name+".json", append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
