package importers_test

import (
	"context"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/fhe-ml/fhe-ml/models"
)

// TestHundredRows: encrypted equals quantized, exactly and without retries, on 100 rows each (FHEML_LONG=1; 2 otherwise) of a logistic regression and of
// networks of one and two hidden layers with every activation. Ensembles are in TestEnsemblesEncrypted, additive models in package models.
func TestHundredRows(t *testing.T) {
	network := func(activation models.Activation, hidden ...int) func(testing.TB) (models.Model, models.CompileOptions, [][]float64) {
		return func(testing.TB) (models.Model, models.CompileOptions, [][]float64) {
			r := rand.New(rand.NewPCG(uint64(activation), uint64(len(hidden))))
			m := &models.Network{Info: benchInfo(4, 3)}
			in := 4
			for i, out := range append(hidden, 3) {
				l := models.Layer{}
				if i < len(hidden) {
					l.Activation = activation
				}
				for range out {
					w := make([]float64, in)
					for j := range w {
						w[j] = r.NormFloat64()
					}
					l.Weights, l.Bias = append(l.Weights, w), append(l.Bias, r.NormFloat64())
				}
				m.Layers = append(m.Layers, l)
				in = out
			}
			rows := make([][]float64, 300)
			for i := range rows {
				for range 4 {
					rows[i] = append(rows[i], r.NormFloat64())
				}
			}
			return m, models.CompileOptions{}, rows
		}
	}
	for name, make := range map[string]func(testing.TB) (models.Model, models.CompileOptions, [][]float64){
		"logistic regression": fixtureModel("logreg_breast_cancer"),
		"one layer, relu":     network(models.ActReLU, 8),
		"one layer, tanh":     network(models.ActTanh, 8),
		"one layer, sigmoid":  network(models.ActSigmoid, 8),
		"two layers, relu":    network(models.ActReLU, 8, 6),
		"two layers, tanh":    network(models.ActTanh, 8, 6),
		"two layers, sigmoid": network(models.ActSigmoid, 8, 6),
	} {
		t.Run(name, func(t *testing.T) {
			long := os.Getenv("FHEML_LONG") != ""
			if !long && (name == "two layers, tanh" || name == "two layers, sigmoid") {
				t.Skip("two layers with ReLU stand for them; with FHEML_LONG=1")
			}
			m, opt, rows := make(t)
			c, err := models.Compile(m, opt, rows)
			if err != nil {
				t.Fatal(err)
			}
			if p := c.Circuit.Spec.Log2PFail; p > -128 {
				t.Errorf("failure probability 2^%.1f", p)
			}
			s, err := c.NewSession(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			count := 2
			if long {
				count = 100
			}
			for i := range count {
				row := rows[i*3%len(rows)]
				got, _, err := s.Predict(context.Background(), row)
				if err != nil {
					t.Fatal(err)
				}
				want, err := c.Quantized.Predict(row)
				if err != nil {
					t.Fatal(err)
				}
				for o, v := range want.Scores {
					if got.Scores[o] != v || got.Label != want.Label {
						t.Fatalf("row %d: score %d is %v encrypted, %v quantized", i, o, got.Scores[o], v)
					}
				}
			}
			t.Logf("%d rows, %d lookups each", count, c.Summary().Lookups)
		})
	}
}
