package golearn_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sjwhitworth/golearn/base"
	"github.com/sjwhitworth/golearn/meta"
	"github.com/sjwhitworth/golearn/neural"
	"github.com/sjwhitworth/golearn/trees"
	"gonum.org/v1/gonum/mat"

	"github.com/fhe-ml/fhe-ml/importers/golearn"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

const irisPath = "testdata/iris.csv"

// iris reads golearn's iris as golearn does.
func iris(t testing.TB) *base.DenseInstances {
	t.Helper()
	g, err := base.ParseCSVToInstances(irisPath, true)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// numericIris has the classes 0, 1, 2 as numbers, or 1 for Iris-setosa and 0 for the others.
func numericIris(t testing.TB, binary bool) *base.DenseInstances {
	t.Helper()
	b, err := os.ReadFile(irisPath)
	if err != nil {
		t.Fatal(err)
	}
	to := []string{"Iris-setosa", "0.0", "Iris-versicolor", "1.0", "Iris-virginica", "2.0"}
	if binary {
		to = []string{"Iris-setosa", "1.0", "Iris-versicolor", "0.0", "Iris-virginica", "0.0"}
	}
	return parse(t, strings.NewReplacer(to...).Replace(string(b)))
}

func parse(t testing.TB, csv string) *base.DenseInstances {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data.csv")
	if err := os.WriteFile(path, []byte(csv), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := base.ParseCSVToInstances(path, true)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// columns are the names of the float attributes that are no class, in the grid's order.
func columns(g base.FixedDataGrid) (names []string) {
	for _, a := range base.NonClassFloatAttributes(g) {
		names = append(names, a.GetName())
	}
	return names
}

// table returns the named columns of a grid, by golearn's own access.
func table(t testing.TB, g base.FixedDataGrid, names []string) [][]float64 {
	t.Helper()
	_, n := g.Size()
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = make([]float64, len(names))
	}
	for j, name := range names {
		found := false
		for _, a := range g.AllAttributes() {
			if a.GetName() != name {
				continue
			}
			spec, err := g.GetAttribute(a)
			if err != nil {
				t.Fatal(err)
			}
			found = true
			for i := range rows {
				rows[i][j] = base.UnpackBytesToFloat(g.Get(spec, i))
			}
		}
		if !found {
			t.Fatalf("no attribute %q", name)
		}
	}
	return rows
}

// said are the classes that golearn predicts.
func said(t testing.TB, c interface {
	Predict(base.FixedDataGrid) (base.FixedDataGrid, error)
}, g base.FixedDataGrid) []string {
	t.Helper()
	p, err := c.Predict(g)
	if err != nil {
		t.Fatal(err)
	}
	_, n := g.Size()
	out := make([]string, n)
	for i := range out {
		out[i] = base.GetClass(p, i)
	}
	return out
}

func mustImport(t testing.TB, model any, opt golearn.Options) (models.Model, *golearn.Report) {
	t.Helper()
	m, r, err := golearn.Import(model, opt)
	if err != nil {
		t.Fatal(err)
	}
	return m, r
}

// agree compares labels of the float and of the quantized model with golearn's, and the first rows encrypted with the quantized ones.
func agree(t *testing.T, m models.Model, rows [][]float64, want []string, encrypted int) {
	t.Helper()
	c, err := models.Compile(m, models.CompileOptions{}, rows)
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		p, err := models.Predict(m, row)
		if err != nil {
			t.Fatal(err)
		}
		if p.Label.String() != want[i] {
			t.Fatalf("row %d: %v, golearn says %v", i, p.Label, want[i])
		}
		q, err := c.Quantized.Predict(row)
		if err != nil {
			t.Fatal(err)
		}
		if q.Label != p.Label {
			t.Fatalf("row %d: quantized %v, float %v", i, q.Label, p.Label)
		}
	}
	sameEncrypted(t, c, rows, encrypted)
}

// sameEncrypted compares encrypted predictions of every k-th row with quantized ones, exactly.
func sameEncrypted(t *testing.T, c *models.Compiled, rows [][]float64, n int) {
	t.Helper()
	s, err := c.NewSession(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(rows); i += max(1, len(rows)/n) {
		q, err := c.Quantized.Predict(rows[i])
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := s.Predict(context.Background(), rows[i])
		if err != nil {
			t.Fatal(err)
		}
		if p.Label != q.Label || p.Class != q.Class {
			t.Fatalf("row %d: encrypted %v, quantized %v", i, p.Label, q.Label)
		}
		for k := range p.Scores {
			if p.Scores[k] != q.Scores[k] {
				t.Fatalf("row %d: score %d is %v encrypted, %v quantized", i, k, p.Scores[k], q.Scores[k])
			}
		}
	}
}

func TestTrees(t *testing.T) {
	g := iris(t)
	for name, tree := range map[string]base.Classifier{"id3": trees.NewID3DecisionTree(0), "random": trees.NewRandomTree(2)} {
		t.Run(name, func(t *testing.T) {
			if err := tree.Fit(g); err != nil {
				t.Fatal(err)
			}
			m, _ := mustImport(t, tree, golearn.Options{Columns: columns(g)})
			agree(t, m, table(t, g, columns(g)), said(t, tree, g), 10)
			// Without columns the features are those that splits read.
			m, _ = mustImport(t, tree, golearn.Options{})
			agree(t, m, table(t, g, m.Meta().Features), said(t, tree, g), 1)
		})
	}
	t.Run("node", func(t *testing.T) {
		tree := trees.NewID3DecisionTree(0)
		if err := tree.Fit(g); err != nil {
			t.Fatal(err)
		}
		m, r := mustImport(t, tree.Root, golearn.Options{})
		if r.Model != "trees.DecisionTreeNode" || !m.Meta().Named {
			t.Errorf("%+v", r)
		}
	})
}

// TestPruned: pruning leaves the type of a node and takes its children.
func TestPruned(t *testing.T) {
	g := iris(t)
	tree := trees.NewID3DecisionTree(0)
	if err := tree.Fit(g); err != nil {
		t.Fatal(err)
	}
	for _, c := range tree.Root.Children {
		if c.Children != nil {
			c.Children = nil
		}
	}
	m, _ := mustImport(t, tree, golearn.Options{Columns: columns(g)})
	agree(t, m, table(t, g, columns(g)), said(t, tree, g), 2)
}

// vote predicts the majority of the members' own predictions; ties go to the class that is first in the attribute's order.
func vote(t *testing.T, members []base.Classifier, g base.FixedDataGrid) []string {
	t.Helper()
	order := g.AllClassAttributes()[0].(*base.CategoricalAttribute).GetValues()
	_, n := g.Size()
	count := make([]map[string]int, n)
	for _, c := range members {
		for i, class := range said(t, c, g) {
			if count[i] == nil {
				count[i] = map[string]int{}
			}
			count[i][class]++
		}
	}
	out := make([]string, n)
	for i := range out {
		for _, class := range order {
			if out[i] == "" || count[i][class] > count[i][out[i]] {
				out[i] = class
			}
		}
	}
	return out
}

// ties reports rows where the largest number of votes is not alone: golearn's Predict is random there.
func ties(m models.Model, row []float64) bool {
	raw := m.Raw(nil, row)
	best, n := math.Inf(-1), 0
	for _, v := range raw {
		if v > best {
			best, n = v, 0
		}
		if v == best {
			n++
		}
	}
	return n > 1
}

func TestBaggedModel(t *testing.T) {
	g := iris(t)
	bag := new(meta.BaggedModel)
	for range 7 {
		bag.AddModel(trees.NewID3DecisionTree(0))
	}
	bag.Fit(g)
	m, r := mustImport(t, bag, golearn.Options{Columns: columns(g)})
	rows := table(t, g, columns(g))
	agree(t, m, rows, vote(t, bag.Models, g), 10)
	own := said(t, bag, g)
	for i, row := range rows {
		p, err := models.Predict(m, row)
		if err != nil {
			t.Fatal(err)
		}
		if !ties(m, row) && p.Label.String() != own[i] {
			t.Errorf("row %d: %v, golearn says %v", i, p.Label, own[i])
		}
	}
	if len(r.Warnings) == 0 {
		t.Error("no word about ties")
	}
	bag.Models[3] = trees.NewID3DecisionTree(0)
	if _, _, err := golearn.Import(bag, golearn.Options{}); err == nil || !strings.Contains(err.Error(), "fit the model first") {
		t.Errorf("%v", err)
	}
}

// TestCategorical: splits on texts become comparisons of their numbers.
func TestCategorical(t *testing.T) {
	g := parse(t, `outlook,temperature,windy,play
sunny,30.5,no,stay
sunny,28.0,yes,stay
overcast,29.0,no,go
rainy,21.0,no,go
rainy,15.0,no,go
rainy,14.0,yes,stay
overcast,13.0,yes,go
sunny,22.0,no,stay
sunny,16.0,no,go
rainy,21.5,no,go
overcast,27.0,no,go
rainy,20.5,yes,stay
`)
	if err := g.AddClassAttribute(base.GetAttributeByName(g, "play")); err != nil {
		g.RemoveClassAttribute(g.AllClassAttributes()[0])
		g.AddClassAttribute(base.GetAttributeByName(g, "play"))
	}
	tree := trees.NewID3DecisionTree(0)
	if err := tree.Fit(g); err != nil {
		t.Fatal(err)
	}
	m, r := mustImport(t, tree, golearn.Options{Columns: []string{"outlook", "temperature", "windy"}})
	_, n := g.Size()
	rows := make([][]float64, n)
	for i := range rows {
		for _, name := range []string{"outlook", "temperature", "windy"} {
			a := base.GetAttributeByName(g, name)
			spec, _ := g.GetAttribute(a)
			if _, ok := a.(*base.FloatAttribute); ok {
				rows[i] = append(rows[i], base.UnpackBytesToFloat(g.Get(spec, i)))
			} else {
				rows[i] = append(rows[i], float64(base.UnpackBytesToU64(g.Get(spec, i))))
			}
		}
	}
	agree(t, m, rows, said(t, tree, g), 4)
	if !strings.Contains(strings.Join(r.Warnings, "\n"), `column "outlook" is not a number in golearn: give its values as numbers: 0 for sunny, 1 for overcast, 2 for rainy`) {
		t.Errorf("%q", r.Warnings)
	}
}

func TestCART(t *testing.T) {
	g := numericIris(t, false)
	names := columns(g)
	rows := table(t, g, names)
	tree := trees.NewDecisionTreeClassifier("gini", 4, []int64{0, 1, 2})
	if err := tree.Fit(g); err != nil {
		t.Fatal(err)
	}
	m, _ := mustImport(t, tree, golearn.Options{Columns: names})
	var want []string
	for _, l := range tree.Predict(g) {
		want = append(want, quantize.Label{Int: l, IsInt: true}.String())
	}
	agree(t, m, rows, want, 10)
	// A value that is the threshold goes right.
	for _, n := range m.(*models.TreeEnsemble).Trees[0].Nodes {
		if next := math.Nextafter(n.Threshold, math.Inf(1)); math.Abs(next-math.Round(next*100)/100) > 1e-9 {
			t.Errorf("threshold %v is none of golearn's", next)
		}
	}

	number := trees.NewDecisionTreeRegressor("mse", 4)
	if err := number.Fit(g); err != nil {
		t.Fatal(err)
	}
	m, r := mustImport(t, number, golearn.Options{})
	if m.Meta().Named || len(r.Warnings) != 1 {
		t.Errorf("%+v", r)
	}
	rows = table(t, g, names[:len(m.Meta().Features)])
	for i, y := range number.Predict(g) {
		if got := m.Raw(nil, rows[i])[0]; got != y {
			t.Fatalf("row %d: %v, golearn says %v", i, got, y)
		}
	}
	c, err := models.Compile(m, models.CompileOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sameEncrypted(t, c, rows, 5)
}

// TestNetwork compares with golearn's Predict on a class that is a number: there it reads the outputs.
func TestNetwork(t *testing.T) {
	for _, hidden := range [][]int{{}, {5}, {5, 4}} {
		g := numericIris(t, true)
		net := neural.NewMultiLayerNet(hidden)
		net.MaxIterations = 30
		net.Fit(g)
		p := net.Predict(g)
		spec, err := p.GetAttribute(p.AllClassAttributes()[0])
		if err != nil {
			t.Fatal(err)
		}
		names := columns(g)
		rows := table(t, g, names)
		m, _ := mustImport(t, net, golearn.Options{Columns: names})
		for i, row := range rows {
			got, err := models.Predict(m, row)
			if err != nil {
				t.Fatal(err)
			}
			if want := base.UnpackBytesToFloat(p.Get(spec, i)); math.Abs(got.Scores[0]-want) > 1e-9 {
				t.Fatalf("%v hidden: row %d: %v, golearn says %v", hidden, i, got.Scores[0], want)
			}
		}
		if _, linear := m.(*models.Linear); linear != (len(hidden) == 0) {
			t.Errorf("%v hidden: a %s", hidden, models.Kind(m))
		}
		m, _ = mustImport(t, net, golearn.Options{Columns: names, Classes: []string{"other", "setosa"}})
		c, err := models.Compile(m, models.CompileOptions{}, rows)
		if err != nil {
			t.Fatal(err)
		}
		sameEncrypted(t, c, rows, 3)
	}
}

// TestNetworkClasses: with a categorical class golearn's Predict reads the wrong neurons. The oracle is golearn's Activate, with inputs and outputs found by name.
func TestNetworkClasses(t *testing.T) {
	g := iris(t)
	net := neural.NewMultiLayerNet([]int{6, 5})
	net.MaxIterations = 20
	net.LearningRate = 0.1
	net.Fit(g)
	m, r := mustImport(t, net, golearn.Options{})
	v := reflect.ValueOf(net).Elem()
	inner := (*neural.Network)(v.FieldByName("network").UnsafePointer())
	place := map[string]int{}
	for it := v.FieldByName("attrs").MapRange(); it.Next(); {
		place[it.Key().Elem().Elem().FieldByName("Name").String()] = int(it.Value().Int())
	}
	classes := m.Meta().Post.Classes
	if len(classes) != 3 || len(r.Warnings) == 0 {
		t.Fatalf("classes %q, warnings %q", classes, r.Warnings)
	}
	rows := table(t, g, m.Meta().Features)
	for i, row := range rows {
		p, err := models.Predict(m, row)
		if err != nil {
			t.Fatal(err)
		}
		a := mat.NewDense(4+6+5+3, 1, nil)
		for f, name := range m.Meta().Features {
			a.Set(place[name], 0, row[f])
		}
		inner.Activate(a, 4)
		for k, class := range classes {
			at, ok := place["Species_"+class.Text]
			if want := a.At(at, 0); !ok || math.Abs(p.Scores[k]-want) > 1e-9 {
				t.Fatalf("row %d: class %q has %v, the network says %v", i, class, p.Scores[k], want)
			}
		}
	}
	m, _ = mustImport(t, net, golearn.Options{Class: "Species"})
	if c := m.Meta().Post.Classes[0].Text; !strings.HasPrefix(c, "Iris-") {
		t.Errorf("class %q", c)
	}
	m, _ = mustImport(t, net, golearn.Options{Task: golearn.TaskRegress})
	if m.Meta().Post.Task != quantize.Regress {
		t.Error("not a regressor")
	}
}

func TestImportErrors(t *testing.T) {
	g := iris(t)
	fitted := trees.NewID3DecisionTree(0)
	if err := fitted.Fit(g); err != nil {
		t.Fatal(err)
	}
	var nilTree *trees.ID3DecisionTree
	for _, c := range []struct {
		model any
		opt   golearn.Options
		want  string
	}{
		{nil, golearn.Options{}, "cannot import a <nil>"},
		{3, golearn.Options{}, "cannot import a int"},
		{nilTree, golearn.Options{}, "cannot import a *trees.ID3DecisionTree"},
		{&struct{}{}, golearn.Options{}, "is not supported"},
		{trees.NewID3DecisionTree(0), golearn.Options{}, "Root is nil; fit the model first"},
		{trees.NewDecisionTreeClassifier("gini", 3, nil), golearn.Options{}, "RootNode is nil; fit the model first"},
		{new(meta.BaggedModel), golearn.Options{}, "it has no trees; fit the model first"},
		{neural.NewMultiLayerNet(nil), golearn.Options{}, "network is nil; fit the model first"},
		{meta.NewOneVsAllModel(nil), golearn.Options{}, "one classifier per class"},
		{fitted, golearn.Options{Columns: []string{"a"}}, "which is none of the columns"},
		{fitted, golearn.Options{Task: golearn.TaskRegress}, "classes, not numbers"},
	} {
		_, _, err := golearn.Import(c.model, c.opt)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "golearn: ") {
			t.Errorf("%T: %v, want %q", c.model, err, c.want)
		}
	}
}
