package models_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// TestEstimate: trees get their own circuit, a linear model one of the same sizes as from real rows.
func TestEstimate(t *testing.T) {
	info := models.Info{Features: []string{"a", "b"}, Post: quantize.Postprocessing{Task: quantize.Regress, Outputs: 1}}
	tree := &models.TreeEnsemble{Info: info, Base: []float64{0}, Trees: []models.Tree{{
		Nodes: []models.TreeNode{{Feature: 0, Threshold: 1, True: -1, False: 1}, {Feature: 1, Threshold: -2, True: -2, False: -3}}, Leaves: [][]float64{{1}, {2.5}, {-7}}}}}
	var files [2]bytes.Buffer
	for i, compile := range []func() (*models.Compiled, error){
		func() (*models.Compiled, error) { return models.Estimate(tree, models.CompileOptions{}) },
		func() (*models.Compiled, error) { return models.Compile(tree, models.CompileOptions{}, nil) },
	} {
		c, err := compile()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.WriteTo(&files[i]); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0].Bytes(), files[1].Bytes()) {
		t.Error("the estimate of a tree is another circuit")
	}
	linear := &models.Linear{Info: info, Weights: [][]float64{{1, -3}}, Bias: []float64{0.5}}
	c, err := models.Estimate(linear, models.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Summary(); s.Affines == 0 || s.RequestBytes == 0 || s.InputBits < 2 {
		t.Errorf("%+v", s)
	}
	// The codes cover normal numbers: three deviations and not thirty.
	for i, x := range []float64{3, -3} {
		q, err := c.Quantized.Predict([]float64{x, 0})
		if err != nil || math.Abs(q.Scores[0]-(x+0.5)) > 1.2 {
			t.Errorf("%d: %v %v", i, q.Scores, err)
		}
	}
	linear.Weights[0][0] = math.NaN()
	if _, err := models.Estimate(linear, models.CompileOptions{}); err == nil {
		t.Error("an invalid model was estimated")
	}
}
