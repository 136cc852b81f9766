package importers_test

import (
	"context"
	"math"
	"os"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/datasets"
	"github.com/fhe-ml/fhe-ml/models"
)

// ensembleCase is a model of trees with rows to predict.
type ensembleCase struct {
	name   string
	make   func(tb testing.TB) (models.Model, models.CompileOptions, [][]float64)
	data   string // rows of an embedded table instead
	prefer compiler.Prefer
	rows   int // of the short test
}

// TestEnsemblesEncrypted predicts 100 rows of every kind of tree ensemble (fewer in the short test): encrypted equals quantized, bit for bit, without
// retries, and the quantized score is that of the float model to within its rounded leaves.
func TestEnsemblesEncrypted(t *testing.T) {
	for _, c := range []ensembleCase{
		{name: "one tree of depth 8", rows: 20, make: func(testing.TB) (models.Model, models.CompileOptions, [][]float64) {
			return randomForest(forestShape{trees: 1, depth: 8, features: 10, thresholds: 150, leafBits: 12})
		}},
		{name: "random forest, digits, 10 classes", rows: 4, make: fixtureModel("forest_digits"), data: "digits"},
		{name: "boosted, 50 trees of depth 4", rows: 6, make: func(testing.TB) (models.Model, models.CompileOptions, [][]float64) {
			return randomForest(forestShape{trees: 50, depth: 4, features: 30, thresholds: 400, leafBits: 20})
		}},
		{name: "random forest, digits, 10 classes, time", rows: 4, make: fixtureModel("forest_digits"), data: "digits", prefer: compiler.PreferTime},
		{name: "boosted, 50 trees of depth 4, time", rows: 10, prefer: compiler.PreferTime, make: func(testing.TB) (models.Model, models.CompileOptions, [][]float64) {
			return randomForest(forestShape{trees: 50, depth: 4, features: 30, thresholds: 400, leafBits: 20})
		}},
		{name: "gradient boosting, breast cancer", rows: 20, make: fixtureModel("gb_breast_cancer"), data: "breast_cancer"},
		{name: "gradient boosting, breast cancer, time", rows: 20, make: fixtureModel("gb_breast_cancer"), data: "breast_cancer", prefer: compiler.PreferTime},
		{name: "regression forest, diabetes", rows: 10, make: fixtureModel("forest_regressor_diabetes"), data: "diabetes"},
		{name: "oblivious, 30 trees of depth 6", rows: 5, make: func(testing.TB) (models.Model, models.CompileOptions, [][]float64) {
			return randomForest(forestShape{trees: 30, depth: 6, features: 20, thresholds: 100, leafBits: 20, oblivious: true})
		}},
		{name: "missing values", rows: 10, make: func(testing.TB) (models.Model, models.CompileOptions, [][]float64) {
			return randomForest(forestShape{trees: 20, depth: 4, features: 6, thresholds: 40, leafBits: 16, missing: true})
		}},
		{name: "100 trees", rows: 2, make: func(testing.TB) (models.Model, models.CompileOptions, [][]float64) {
			return randomForest(forestShape{trees: 100, depth: 5, features: 8, thresholds: 120, leafBits: 24})
		}},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t) })
	}
}

func (c ensembleCase) check(t *testing.T) {
	m, opt, rows := c.make(t)
	if c.data != "" {
		d, err := datasets.Load(c.data)
		if err != nil {
			t.Fatal(err)
		}
		rows = d.X
	}
	count := c.rows
	if os.Getenv("FHEML_LONG") != "" {
		count = 100
	}
	opt.Prefer = c.prefer
	compiled, err := models.Compile(m, opt, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := compiled.NewSession(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	predictor, err := models.NewPredictor(compiled.Quantized)
	if err != nil {
		t.Fatal(err)
	}
	if p := compiled.Circuit.Spec.Log2PFail; p > -128 {
		t.Errorf("failure probability 2^%.1f", p)
	}
	distinct := map[int64]bool{}
	for i := range count {
		row := rows[i*7%len(rows)]
		req, _, err := s.Client.Encrypt(row)
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Server.Run(context.Background(), req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Client.Decrypt(res, req)
		if err != nil {
			t.Fatal(err)
		}
		ints, err := predictor.Integers(row)
		if err != nil {
			t.Fatal(err)
		}
		want := compiled.Quantized.Post.Integer(ints)
		raw := m.Raw(nil, row)
		exact := compiled.Quantized.Post.Raw(nil, ints)
		for o, v := range want.Scores {
			if got.Scores[o] != v || got.Label != want.Label {
				t.Fatalf("row %d: score %d is %v encrypted, %v quantized", i, o, got.Scores[o], v)
			}
		}
		for o, v := range raw {
			if math.Abs(exact[o]-v) > 1e-5*math.Max(1, math.Abs(v)) {
				t.Fatalf("row %d: raw score %d is %v quantized, %v in floating point", i, o, exact[o], v)
			}
			distinct[ints[o]] = true
		}
	}
	if len(distinct) < 2 {
		t.Error("all rows get the same score")
	}
	digits := len(compiled.Circuit.Spec.Outputs[0].Digits)
	t.Logf("%d rows, scores of %d digits, failure 2^%.0f", count, digits, compiled.Circuit.Spec.Log2PFail)
}
