package models_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/datasets"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// bayes is a classifier that scikit-learn trained on the even rows of a data set, with its answers on the odd ones (testdata/make_bayes.py).
type bayes struct {
	Name, Dataset    string
	Labels           []int
	Joint            [][]float64
	ClassPrior       []float64       `json:"class_prior_"`
	Theta            [][]float64     `json:"theta_"`
	Var              [][]float64     `json:"var_"`
	ClassLogPrior    []float64       `json:"class_log_prior_"`
	FeatureLogProb   json.RawMessage `json:"feature_log_prob_"`
	Binarize         float64
	calibration, odd [][]float64
	model            models.Model
}

func bayesFixtures(t testing.TB) []bayes {
	t.Helper()
	data, err := os.ReadFile("testdata/bayes.json")
	if err != nil {
		t.Fatal(err)
	}
	var fs []bayes
	if err := json.Unmarshal(data, &fs); err != nil {
		t.Fatal(err)
	}
	for i := range fs {
		fs[i].load(t)
	}
	return fs
}

// load reads the data set and makes the model by its constructor.
func (b *bayes) load(t testing.TB) {
	t.Helper()
	d, err := datasets.Load(b.Dataset)
	if err != nil {
		t.Fatal(err)
	}
	columns := d.Columns
	for i, row := range d.X {
		if b.Name == "categorical_digits" { // as in make_bayes.py
			row = slices.Clone(row[16:40])
			for j := range row {
				row[j] = math.Floor(row[j] / 2)
			}
			columns = d.Columns[16:40]
		}
		if i%2 == 0 {
			b.calibration = append(b.calibration, row)
		} else {
			b.odd = append(b.odd, row)
		}
	}
	info := models.Info{Features: columns, Named: true}
	var logs [][]float64
	var categories [][][]float64
	if b.FeatureLogProb != nil {
		var into any = &logs
		if b.Name == "categorical_digits" {
			into = &categories
		}
		if err := json.Unmarshal(b.FeatureLogProb, into); err != nil {
			t.Fatal(err)
		}
	}
	switch b.Name {
	case "bernoulli_digits":
		b.model, err = models.NewBernoulliNaiveBayes(info, b.ClassLogPrior, logs, b.Binarize)
	case "multinomial_digits":
		b.model, err = models.NewMultinomialNaiveBayes(info, b.ClassLogPrior, logs)
	case "complement_digits":
		b.model, err = models.NewMultinomialNaiveBayes(info, make([]float64, len(b.ClassLogPrior)), logs)
	case "categorical_digits":
		b.model, err = models.NewCategoricalNaiveBayes(info, b.ClassLogPrior, categories)
	default:
		b.model, err = models.NewGaussianNaiveBayes(info, b.ClassPrior, b.Theta, b.Var)
	}
	if err != nil {
		t.Fatalf("%s: %v", b.Name, err)
	}
}

// TestNaiveBayes compares float and quantized naive Bayes classifiers with scikit-learn.
func TestNaiveBayes(t *testing.T) {
	for _, b := range bayesFixtures(t) {
		t.Run(b.Name, func(t *testing.T) {
			for r, want := range b.Joint {
				for k, got := range b.model.Raw(nil, b.odd[r]) {
					// Differences of 1e9 come from features that never varied in a class.
					if math.Abs(got-want[k]) > 1e-7*math.Max(1, math.Abs(want[k])) {
						t.Fatalf("row %d: log-likelihood %d is %g, want %g", r, k, got, want[k])
					}
				}
			}
			q, err := b.model.Quantize(models.Options{}, b.calibration)
			if err != nil {
				t.Fatal(err)
			}
			p, err := models.NewPredictor(q)
			if err != nil {
				t.Fatal(err)
			}
			same := 0
			for r, row := range b.odd {
				pred, err := models.Predict(b.model, row)
				if err != nil {
					t.Fatal(err)
				}
				if pred.Class != b.Labels[r] {
					t.Fatalf("row %d: class %d, want %d", r, pred.Class, b.Labels[r])
				}
				if pred, err = p.Predict(row); err != nil {
					t.Fatal(err)
				}
				if pred.Class == b.Labels[r] {
					same++
				}
			}
			t.Logf("%d of %d labels are scikit-learn's; notes %q", same, len(b.odd), q.Notes)
			if float64(same) < 0.98*float64(len(b.odd)) {
				t.Errorf("%d of %d labels are scikit-learn's", same, len(b.odd))
			}
		})
	}
}

// additive returns a random model of steps, and with curves of other terms too. Features have several terms.
func additive(r *rand.Rand, features, outputs, terms int, curves bool) *models.Additive {
	post := quantize.Postprocessing{Task: quantize.Regress, Outputs: outputs}
	m := &models.Additive{Info: models.Info{Post: post}}
	for f := range features {
		m.Features = append(m.Features, string(rune('a'+f)))
	}
	row := func() []float64 {
		s := make([]float64, outputs)
		for o := range s {
			s[o] = r.NormFloat64()
		}
		return s
	}
	m.Bias = row()
	missing := make([]bool, features)
	for f := range missing {
		missing[f] = !curves && r.IntN(3) == 0
	}
	for range terms {
		t := models.Term{Feature: r.IntN(features)}
		if curves {
			t.Shape = models.TermShape(r.IntN(3))
		}
		count := r.IntN(8)
		if r.IntN(4) == 0 {
			count = r.IntN(100)
		}
		switch t.Shape {
		case models.TermPolynomial:
			count = 2
		case models.TermCurve:
			count++
		}
		for range count {
			t.Points = append(t.Points, math.Round(r.NormFloat64()*64)/32)
		}
		slices.Sort(t.Points)
		t.Points = slices.Compact(t.Points)
		rows := len(t.Points)
		switch t.Shape {
		case models.TermSteps:
			rows++
			if missing[t.Feature] {
				t.Missing = row()
			}
		case models.TermPolynomial:
			t.Points, rows = nil, 3
		}
		for range rows {
			t.Scores = append(t.Scores, row())
		}
		m.Terms = append(m.Terms, t)
	}
	return m
}

// randomRows are near the thresholds, on them, and missing where the model allows that.
func randomRows(r *rand.Rand, m models.Model, n int) [][]float64 {
	rows := make([][]float64, n)
	for i := range rows {
		for f := range m.Meta().Features {
			v := math.Round(r.NormFloat64()*64) / 32
			if r.IntN(3) == 0 {
				v += 1.0 / 64
			}
			if r.IntN(5) == 0 && models.AllowsMissing(m, f) {
				v = math.NaN()
			}
			rows[i] = append(rows[i], v)
		}
	}
	return rows
}

// TestAdditiveSteps: the scores of quantized steps are the float model's but for rounding, also with many thresholds and missing values.
func TestAdditiveSteps(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 60))
	for i := range 60 {
		outputs := 1 + i%3
		m := additive(r, 1+r.IntN(4), outputs, r.IntN(30), false)
		if models.NeedsCalibration(m) {
			t.Fatal("steps need no calibration rows")
		}
		q, err := m.Quantize(models.Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range randomRows(r, m, 40) {
			want, err := models.Predict(m, row)
			if err != nil {
				t.Fatal(err)
			}
			got, err := q.Predict(row)
			if err != nil {
				t.Fatal(err)
			}
			for o := range outputs {
				// Half a unit for each code: a score spans at most some hundreds, 2^-26 of which is a unit.
				if math.Abs(got.Scores[o]-want.Scores[o]) > 1e-4 {
					t.Fatalf("model %d, row %v: score %d is %g quantized and %g in floating point", i, row, o, got.Scores[o], want.Scores[o])
				}
			}
		}
	}
}

// TestAdditiveCurves: at the values of the codes, quantized curves and polynomials are the float model's but for rounding.
func TestAdditiveCurves(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 61))
	for i := range 40 {
		outputs := 1 + i%2
		m := additive(r, 1+r.IntN(4), outputs, 1+r.IntN(12), true)
		calibration := randomRows(r, m, 60)
		q, err := m.Quantize(models.Options{}, calibration)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range randomRows(r, m, 40) {
			for _, c := range q.Pre.Coders { // move to the value of the nearest code
				if c.Kind == quantize.Affine {
					code, _ := c.Code(row[c.Feature])
					row[c.Feature] = c.Value(code)
				}
			}
			want, got := m.Raw(nil, row), []float64(nil)
			codes := make([]int64, len(q.Pre.Coders))
			if _, err := q.Pre.Encode(codes, row); err != nil {
				t.Fatal(err)
			}
			ints, err := q.Graph.Eval(map[string][]int64{"x": codes})
			if err != nil {
				t.Fatal(err)
			}
			got = q.Post.Raw(got, ints[0])
			for o := range outputs {
				// Coefficients of squares are rounded at 2^-30 of the span and multiplied by up to 2^13.
				if tol := 1e-4 + q.Post.Scale[o]*(1<<13)*float64(len(codes)); math.Abs(got[o]-want[o]) > tol {
					t.Fatalf("model %d, row %v: score %d is %g quantized and %g in floating point", i, row, o, got[o], want[o])
				}
			}
		}
	}
}

// TestAdditiveFile: a model reads back from its file, and answers encrypted as it did.
func TestAdditiveFile(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 62))
	m := additive(r, 3, 2, 6, true)
	rows := randomRows(r, m, 30)
	c, err := models.Compile(m, models.CompileOptions{}, rows)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := c.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	back, err := models.ReadCompiled(&file)
	if err != nil {
		t.Fatal(err)
	}
	if kind := models.Kind(back.Model); kind != "additive" {
		t.Errorf("kind %q", kind)
	}
	s, err := back.NewSession(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[:5] {
		want, err := c.Quantized.Predict(row)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := s.Predict(context.Background(), row)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Scores, want.Scores) {
			t.Fatalf("encrypted %v, quantized %v", got.Scores, want.Scores)
		}
	}
}

// TestAdditiveErrors: models that make no sense are refused, and so are rows.
func TestAdditiveErrors(t *testing.T) {
	good := func() *models.Additive { return additive(rand.New(rand.NewPCG(4, 63)), 2, 2, 4, false) }
	for name, spoil := range map[string]func(m *models.Additive){
		"feature":    func(m *models.Additive) { m.Terms[0].Feature = 2 },
		"bins":       func(m *models.Additive) { m.Terms[0].Scores = m.Terms[0].Scores[1:] },
		"outputs":    func(m *models.Additive) { m.Terms[0].Scores[0] = []float64{1} },
		"not finite": func(m *models.Additive) { m.Terms[0].Scores[0][1] = math.Inf(1) },
		"order": func(m *models.Additive) {
			m.Terms[0].Points = []float64{1, 1}
			m.Terms[0].Scores = make([][]float64, 3)
		},
		"bias":      func(m *models.Additive) { m.Bias = nil },
		"shape":     func(m *models.Additive) { m.Terms[0].Shape = 7 },
		"no points": func(m *models.Additive) { m.Terms[0] = models.Term{Shape: models.TermCurve} },
		"powers": func(m *models.Additive) {
			m.Terms[0] = models.Term{Shape: models.TermPolynomial, Scores: [][]float64{{0, 0}, {0, 0}, {0, 0}, {1, 1}}}
		},
		"missing": func(m *models.Additive) {
			m.Terms[1].Feature, m.Terms[0].Missing, m.Terms[1].Missing = m.Terms[0].Feature, nil, []float64{1, 1}
		},
	} {
		m := good()
		spoil(m)
		if err := m.Validate(); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := models.Compile(m, models.CompileOptions{}, nil); err == nil {
			t.Errorf("%s: no error of Compile", name)
		}
	}
	info := models.Info{Features: []string{"a", "b"}}
	two := [][]float64{{-1, -1}, {-2, -1}}
	for name, err := range map[string]error{
		"classes":     fails(models.NewBernoulliNaiveBayes(info, []float64{0}, two, 0)),
		"columns":     fails(models.NewBernoulliNaiveBayes(info, []float64{-1, -1}, [][]float64{{-1}, {-1}}, 0)),
		"probability": fails(models.NewBernoulliNaiveBayes(info, []float64{-1, -1}, [][]float64{{-1, 1}, {-1, -1}}, 0)),
		"variance":    fails(models.NewGaussianNaiveBayes(info, []float64{0.5, 0.5}, two, [][]float64{{1, 1}, {0, 1}})),
		"prior":       fails(models.NewGaussianNaiveBayes(info, []float64{0.5, -0.5}, two, [][]float64{{1, 1}, {1, 1}})),
		"not numbers": fails(models.NewMultinomialNaiveBayes(info, []float64{-1, -1}, [][]float64{{-1, math.NaN()}, {-1, -1}})),
		"categories":  fails(models.NewCategoricalNaiveBayes(info, []float64{-1, -1}, [][][]float64{{{-1, -1}, {-1, -1}}, {{-1, -1}, {-1}}})),
		"none":        fails(models.NewCategoricalNaiveBayes(info, []float64{-1, -1}, [][][]float64{{{}, {}}, {{}, {}}})),
	} {
		if err == nil {
			t.Errorf("naive Bayes, %s: no error", name)
		}
	}
}

func fails[M any](_ M, err error) error { return err }

// TestNaiveBayesImpossible: a probability of zero, whose logarithm is minus infinity, weighs as much as is finite; one above 1 is refused.
func TestNaiveBayesImpossible(t *testing.T) {
	info := models.Info{Features: []string{"a", "b"}, Named: true}
	never := math.Inf(-1)
	m, err := models.NewMultinomialNaiveBayes(info, []float64{0, never}, [][]float64{{never, 0}, {-1, -1}})
	if err != nil {
		t.Fatal(err)
	}
	if s := m.Raw(nil, []float64{1, 2}); s[0] != -1e4 || s[1] != -1e4-3 {
		t.Errorf("scores %v", s)
	}
	if _, err := models.NewMultinomialNaiveBayes(info, []float64{-1, -1}, [][]float64{{math.Inf(1), 0}, {-1, -1}}); err == nil || !strings.Contains(err.Error(), "not a logarithm") {
		t.Errorf("error %v", err)
	}
}
