package main

import (
	"math"
	"testing"

	"github.com/fhe-ml/fhe-ml/models"
)

// TestReferences: each kind of work has a circuit that is of it, and whose time by the program's costs is known.
func TestReferences(t *testing.T) {
	for _, kind := range kinds {
		c, err := referenceCircuit(kind)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if ms := c.Costs.EstimatedMs; !(ms > 0 && ms < 1000) || kind == "lookup" && c.Costs.Lookups < referenceLookups {
			t.Errorf("%s: %g ms, %d lookups", kind, ms, c.Costs.Lookups)
		}
	}
}

// TestLocalEstimate: a model's estimate is multiplied by the factor of its kind, and by nothing where there is no measurement.
func TestLocalEstimate(t *testing.T) {
	c := compileDemo(t, "gboost.onnx")
	plain := &app{calibrationRead: true}
	slow := &app{calibrationRead: true, calibration: &calibration{Factors: map[string]float64{"lookup": 7, "rotate": 5, "select": 3, "product": 2}}}
	if got, want := slow.summary(c).EstimatedMs, 3*plain.summary(c).EstimatedMs; math.Abs(got-want) > 1e-9*want {
		t.Errorf("estimate %g, want %g", got, want)
	}
	if plain.summary(c).EstimatedMs != c.Circuit.Costs.EstimatedMs {
		t.Error("without a measurement the estimate is not the circuit's")
	}
}

func compileDemo(t *testing.T, file string) *models.Compiled {
	t.Helper()
	m, _, rows, err := loadDemo(file, 1)
	if err != nil {
		t.Fatal(err)
	}
	c, err := models.Compile(m, models.CompileOptions{}, rows)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
