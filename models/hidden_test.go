package models_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// TestHiddenThresholdsEncrypted predicts 100 rows of trees with hidden thresholds: encrypted answers are the quantized ones, and labels nearly always the float
// model's.
func TestHiddenThresholdsEncrypted(t *testing.T) {
	d, train, y, test, _ := halves(t, "breast_cancer")
	trees := &models.TreeEnsemble{Info: models.Info{Features: d.Columns, Named: true, Post: quantize.Postprocessing{Task: quantize.Classify, Link: quantize.LinkSigmoid,
		Pair: quantize.PairComplement, Classes: quantize.IntLabels(2), Outputs: 1}}, Base: []float64{0.1}, Missing: true}
	stumps := boost(train, y, 30, 0.3)
	for i, s := range stumps[:15] { // pairs of stumps as one tree of depth 2
		u := stumps[15+i]
		trees.Trees = append(trees.Trees, models.Tree{Nodes: []models.TreeNode{{Feature: s.feature, Threshold: s.threshold, True: 1, False: 2},
			{Feature: u.feature, Threshold: u.threshold, True: ^0, False: ^1}, {Feature: u.feature, Threshold: u.threshold, MissingTrue: true, True: ^2, False: ^3}},
			Leaves: [][]float64{{s.yes + u.yes}, {s.yes + u.no}, {s.no + u.yes}, {s.no + u.no}}})
	}
	c, err := models.Compile(trees, models.CompileOptions{HideThresholds: true}, train)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Circuit.Spec.AllDigits() || !c.HidesThresholds() {
		t.Error("requests do not carry all digits of all columns")
	}
	ctx := context.Background()
	s, err := c.NewSession(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows, differ := test[:100], 0
	for i, row := range rows {
		if i%10 == 3 {
			row = slices.Clone(row)
			row[i%len(row)] = math.NaN()
		}
		want, err := c.Quantized.Predict(row)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := s.Predict(ctx, row)
		if err != nil {
			t.Fatal(err)
		}
		if got.Class != want.Class || !slices.Equal(got.Scores, want.Scores) {
			t.Fatalf("row %d: encrypted %v, quantized %v", i, got, want)
		}
		float, err := models.Predict(trees, row)
		if err != nil {
			t.Fatal(err)
		}
		if float.Class != want.Class {
			differ++
		}
	}
	if differ > 4 {
		t.Errorf("%d of %d labels differ from the float model's", differ, len(rows))
	}
}
