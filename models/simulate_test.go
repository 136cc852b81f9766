package models_test

import (
	"errors"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// What encrypted rows would give, without encrypting any.
func ExampleSimulator() {
	m, calibration := dose()
	c, err := models.Compile(m, models.CompileOptions{Log2PFail: -40}, calibration)
	if err != nil {
		log.Fatal(err)
	}
	sim, err := c.NewSimulator(compiler.SimulateOptions{})
	if err != nil {
		log.Fatal(err)
	}
	wrong := 0
	for _, row := range calibration {
		s, err := sim.Predict(row)
		if err != nil {
			log.Fatal(err)
		}
		if s.Differs {
			wrong++
		}
	}
	fmt.Println(wrong, "rows differ")
	// Output:
	// 0 rows differ
}

// TestSimulator: rows of a circuit with ever more noise go wrong ever more often, the quantized answer beside them never does, the same seed gives the same rows,
// and a missing value is the column's error.
func TestSimulator(t *testing.T) {
	m, calibration := dose()
	c, err := models.Compile(m, models.CompileOptions{}, calibration)
	if err != nil {
		t.Fatal(err)
	}
	q := *c
	circuit := *c.Circuit
	q.Circuit = &circuit
	r := rand.New(rand.NewPCG(5, 6))
	last := -1
	for _, more := range []float64{0, 20, 44} {
		circuit.Spec.Params.Log2SigmaGLWE = c.Circuit.Spec.Params.Log2SigmaGLWE + more
		var sims [2]*models.Simulator
		for i := range sims {
			if sims[i], err = q.NewSimulator(compiler.SimulateOptions{Seed: 9}); err != nil {
				t.Fatal(err)
			}
		}
		wrong := 0
		for range 300 {
			row := []float64{20 + 70*r.Float64(), 50 + 60*r.Float64()}
			s, err := sims[0].Predict(row)
			if err != nil {
				t.Fatal(err)
			}
			again, _ := sims[1].Predict(row)
			want, err := c.Quantized.Predict(row)
			if err != nil || !slices.Equal(s.Quantized.Scores, want.Scores) || !slices.Equal(s.Prediction.Scores, again.Prediction.Scores) || s.Noise != again.Noise {
				t.Fatalf("%v: %v, again %v; quantized %v, %v", row, s, again, want, err)
			}
			if s.Differs == slices.Equal(s.Prediction.Scores, want.Scores) {
				t.Fatalf("%v: differs is %t", row, s.Differs)
			}
			if s.Differs {
				wrong++
			}
		}
		if more == 0 && wrong > 0 || more > 40 && wrong < 100 || wrong < last {
			t.Errorf("%d of 300 rows differ with noise 2^%g larger", wrong, more)
		}
		last = wrong
	}
	sim, err := c.NewSimulator(compiler.SimulateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Predict([]float64{1, math.NaN()}); !errors.Is(err, quantize.ErrMissing) {
		t.Errorf("missing value: %v", err)
	}
}
