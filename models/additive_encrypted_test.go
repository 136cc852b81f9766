package models_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/datasets"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// halves loads a data set: even rows to train on, odd ones to test, with their targets.
func halves(t *testing.T, name string) (d *datasets.Dataset, train [][]float64, y []float64, test [][]float64, want []float64) {
	t.Helper()
	d, err := datasets.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range d.X {
		if i%2 == 0 {
			train, y = append(train, row), append(y, d.Target[i])
		} else {
			test, want = append(test, row), append(want, d.Target[i])
		}
	}
	return d, train, y, test, want
}

// encrypted predicts the rows encrypted: every score equals the quantized model's. It returns the circuit for a look at its shape.
func encrypted(t *testing.T, m models.Model, prefer compiler.Prefer, calibration, rows [][]float64) *models.Compiled {
	t.Helper()
	c, err := models.Compile(m, models.CompileOptions{Prefer: prefer}, calibration)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.NewSession(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := models.NewPredictor(c.Quantized)
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		want, err := p.Predict(row)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := s.Predict(context.Background(), row)
		if err != nil {
			t.Fatal(err)
		}
		if got.Class != want.Class || !slices.Equal(got.Scores, want.Scores) {
			t.Fatalf("row %d: encrypted %v, quantized %v", i, got, want)
		}
	}
	return c
}

// packedOnly fails unless the model is products with packed ciphertexts, without any evaluation key.
func packedOnly(t *testing.T, c *models.Compiled) {
	t.Helper()
	s := c.Summary()
	if s.Selectors > 0 || s.Selects > 0 || s.Lookups > 0 || s.EvaluationKeyBytes > 1000 {
		t.Errorf("%d selectors, %d selects, %d lookups, a key of %d bytes", s.Selectors, s.Selects, s.Lookups, s.EvaluationKeyBytes)
	}
	spec := &c.Circuit.Spec
	t.Logf("%d codes and %d functions of codes in %d ciphertexts; request %d bytes, response %d bytes; %.3g ms estimated", len(spec.Packed), len(spec.Columns),
		spec.PackedCiphertexts(), s.RequestBytes, s.ResponseBytes, s.EstimatedMs)
}

// TestNaiveBayesEncrypted predicts 100 rows with every kind of naive Bayes classifier.
func TestNaiveBayesEncrypted(t *testing.T) {
	for _, b := range bayesFixtures(t) {
		t.Run(b.Name, func(t *testing.T) {
			rows := b.odd[:min(100, len(b.odd))]
			if testing.Short() {
				rows = rows[:20]
			}
			packedOnly(t, encrypted(t, b.model, compiler.PreferBalanced, b.calibration, rows))
		})
	}
}

// stump is a tree of one test: x[feature] <= threshold gives yes, else no.
type stump struct {
	feature            int
	threshold, yes, no float64
}

// boost fits stumps to a label of 0 or 1 by gradient boosting of the logistic loss, over 16 thresholds a feature.
func boost(x [][]float64, y []float64, rounds int, rate float64) (stumps []stump) {
	thresholds := make([][]float64, len(x[0]))
	for f := range thresholds {
		values := make([]float64, len(x))
		for i, row := range x {
			values[i] = row[f]
		}
		slices.Sort(values)
		for q := 1; q <= 16; q++ {
			thresholds[f] = append(thresholds[f], values[q*(len(values)-1)/17])
		}
		thresholds[f] = slices.Compact(thresholds[f])
	}
	score := make([]float64, len(x))
	for range rounds {
		gradient := make([]float64, len(x))
		for i := range x {
			gradient[i] = y[i] - quantize.Sigmoid(score[i])
		}
		var best stump
		gain := -1.0
		for f, ts := range thresholds {
			for _, threshold := range ts {
				var sum, count [2]float64
				for i, row := range x {
					side := 0
					if row[f] <= threshold {
						side = 1
					}
					sum[side] += gradient[i]
					count[side]++
				}
				if count[0] == 0 || count[1] == 0 {
					continue
				}
				if g := sum[0]*sum[0]/count[0] + sum[1]*sum[1]/count[1]; g > gain {
					gain, best = g, stump{f, threshold, 4 * rate * sum[1] / count[1], 4 * rate * sum[0] / count[0]}
				}
			}
		}
		stumps = append(stumps, best)
		for i, row := range x {
			if row[best.feature] <= best.threshold {
				score[i] += best.yes
			} else {
				score[i] += best.no
			}
		}
	}
	return stumps
}

// TestBoostedStumps: boosted stumps are the same model as trees and as steps, and as either compile to one packed product.
func TestBoostedStumps(t *testing.T) {
	d, train, y, test, want := halves(t, "breast_cancer")
	info := models.Info{Features: d.Columns, Named: true, Post: quantize.Postprocessing{Task: quantize.Classify, Link: quantize.LinkSigmoid,
		Pair: quantize.PairComplement, Classes: quantize.IntLabels(2), Outputs: 1}}
	trees := &models.TreeEnsemble{Info: info, Base: []float64{0.1}}
	steps := &models.Additive{Info: info, Bias: []float64{0.1}}
	for _, s := range boost(train, y, 100, 0.3) {
		trees.Trees = append(trees.Trees, models.Tree{Nodes: []models.TreeNode{{Feature: s.feature, Threshold: s.threshold, True: ^0, False: ^1}},
			Leaves: [][]float64{{s.yes}, {s.no}}})
		steps.Terms = append(steps.Terms, models.Term{Feature: s.feature, Points: []float64{s.threshold}, Scores: [][]float64{{s.yes}, {s.no}}})
	}
	right := 0
	for i, row := range test {
		a, b := trees.Raw(nil, row)[0], steps.Raw(nil, row)[0]
		if math.Abs(a-b) > 1e-12*math.Max(1, math.Abs(a)) {
			t.Fatalf("row %d: %g as trees, %g as steps", i, a, b)
		}
		if (a > 0) == (want[i] == 1) {
			right++
		}
	}
	if accuracy := float64(right) / float64(len(test)); accuracy < 0.93 {
		t.Errorf("accuracy %.3f", accuracy)
	}
	for _, m := range []models.Model{trees, steps} {
		for _, prefer := range []compiler.Prefer{compiler.PreferTime, compiler.PreferUpload} {
			c := encrypted(t, m, prefer, nil, test[:100])
			packedOnly(t, c)
			for i, row := range test { // quantized labels are the float model's
				pred, err := c.Quantized.Predict(row)
				if err != nil {
					t.Fatal(err)
				}
				if raw := steps.Raw(nil, row)[0]; (pred.Class == 1) != (raw > 0) {
					t.Errorf("row %d: class %d of a score of %g", i, pred.Class, raw)
				}
			}
		}
	}
}

// TestSplineModel fits a generalized additive model of piecewise linear functions by backfitting, and predicts 100 rows encrypted.
func TestSplineModel(t *testing.T) {
	d, train, y, test, want := halves(t, "diabetes")
	m := &models.Additive{Info: models.Info{Features: d.Columns, Named: true, Post: quantize.Postprocessing{Task: quantize.Regress, Outputs: 1}}, Bias: []float64{0}}
	for _, v := range y {
		m.Bias[0] += v / float64(len(y))
	}
	for f := range d.Columns {
		values := make([]float64, len(train))
		for i, row := range train {
			values[i] = row[f]
		}
		slices.Sort(values)
		term := models.Term{Feature: f, Shape: models.TermCurve}
		for q := range 5 {
			term.Points = append(term.Points, values[(2*q+1)*len(values)/10])
		}
		term.Points = slices.Compact(term.Points)
		for range term.Points {
			term.Scores = append(term.Scores, []float64{0})
		}
		m.Terms = append(m.Terms, term)
	}
	residual := func() (r []float64) {
		for i, row := range train {
			r = append(r, y[i]-m.Raw(nil, row)[0])
		}
		return r
	}
	for range 20 { // each point moves towards the mean residual of the rows near it
		for f := range m.Terms {
			term := &m.Terms[f]
			sum, count := make([]float64, len(term.Points)), make([]float64, len(term.Points))
			for i, r := range residual() {
				near := 0
				for p, at := range term.Points {
					if math.Abs(train[i][f]-at) < math.Abs(train[i][f]-term.Points[near]) {
						near = p
					}
				}
				sum[near] += r
				count[near]++
			}
			for p := range sum {
				term.Scores[p][0] += 0.3 * sum[p] / (count[p] + 5)
			}
		}
	}
	c := encrypted(t, m, compiler.PreferBalanced, train, test[:100])
	packedOnly(t, c)
	var mean, res, float, tot float64
	for _, v := range want {
		mean += v / float64(len(want))
	}
	for i, row := range test {
		pred, err := c.Quantized.Predict(row)
		if err != nil {
			t.Fatal(err)
		}
		res += (pred.Scores[0] - want[i]) * (pred.Scores[0] - want[i])
		float += (m.Raw(nil, row)[0] - want[i]) * (m.Raw(nil, row)[0] - want[i])
		tot += (want[i] - mean) * (want[i] - mean)
	}
	t.Logf("R^2 %.4f quantized, %.4f in floating point", 1-res/tot, 1-float/tot)
	if r2 := 1 - float/tot; r2 < 0.3 || math.Abs(res-float) > 0.01*tot {
		t.Errorf("R^2 %.4f quantized, %.4f in floating point", 1-res/tot, r2)
	}
}
