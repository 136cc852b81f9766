package models

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/quantize"
	"pgregory.net/rapid"
)

// TestLinearBound holds the error of quantized scores to the bound of its parts: half a step per feature, plus the rounding of
// weights.
func TestLinearBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		features, outputs := rapid.IntRange(1, 12).Draw(t, "features"), rapid.IntRange(1, 4).Draw(t, "outputs")
		m := &Linear{Info: classifier(features, outputs), Bias: make([]float64, outputs)}
		m.Float32 = false
		for o := range outputs {
			m.Bias[o] = rapid.Float64Range(-5, 5).Draw(t, "bias")
			w := make([]float64, features)
			for f := range w {
				w[f] = rapid.Float64Range(-10, 10).Draw(t, "weight")
			}
			m.Weights = append(m.Weights, w)
		}
		rows := make([][]float64, 10)
		for r := range rows {
			rows[r] = make([]float64, features)
			for f := range rows[r] {
				rows[r][f] = rapid.Float64Range(-100, 100).Draw(t, "x")
			}
		}
		q, err := m.Quantize(Options{Bits: rapid.IntRange(0, 7).Draw(t, "bits")}, rows)
		if err != nil {
			t.Fatal(err)
		}
		if lo, hi := q.Graph.Outputs[0].Range(); hi-lo > 1<<linearScoreBits {
			t.Fatalf("scores from %d to %d", lo, hi)
		}
		codes := make([]int64, len(q.Pre.Coders))
		for _, row := range rows {
			if _, err := q.Pre.Encode(codes, row); err != nil {
				t.Fatal(err)
			}
			got, err := q.Graph.Eval(map[string][]int64{"x": codes})
			if err != nil {
				t.Fatal(err)
			}
			raw := q.Post.Raw(nil, got[0])
			for o, w := range m.Weights {
				want, bound := m.Bias[o], 1e-9
				for f, x := range row {
					want += w[f] * x
				}
				for i, c := range q.Pre.Coders {
					bound += math.Abs(w[c.Feature]*(row[c.Feature]-c.Value(codes[i]))) + q.Post.Scale[o]/2*float64(codes[i])
				}
				if math.Abs(raw[o]-want) > bound {
					t.Fatalf("score %g, want %g within %g", raw[o], want, bound)
				}
			}
		}
	})
}

// TestNetworkByHand checks Raw on numbers that are easy by hand, and that layers without activation fold away.
func TestNetworkByHand(t *testing.T) {
	m := &Network{Info: classifier(2, 1), Layers: []Layer{
		{Weights: [][]float64{{1, 2}, {3, -4}}, Bias: []float64{1, 0}, Activation: ActReLU},
		{Weights: [][]float64{{1, 1}, {2, 0}}, Bias: []float64{0, -1}},
		{Weights: [][]float64{{1, -1}}, Bias: []float64{0.5}},
	}}
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	// x = (1, 1): hidden (4, 0); then (4, 7); then -2.5.
	if got := m.Raw(nil, []float64{1, 1}); got[0] != -2.5 {
		t.Errorf("Raw = %v, want -2.5", got)
	}
	folded := foldIdentity(m.Layers, len(m.Features))
	// (a+b) - (2a-1) + 0.5 = -a + b + 1.5
	if len(folded) != 2 || folded[1].Weights[0][0] != -1 || folded[1].Weights[0][1] != 1 || folded[1].Bias[0] != 1.5 {
		t.Errorf("folded to %+v", folded)
	}
	for a, want := range map[Activation]float64{ActIdentity: -1, ActReLU: 0, ActSigmoid: 1 / (1 + math.E), ActTanh: (1 - math.E*math.E) / (1 + math.E*math.E)} {
		if got := a.Apply(-1); math.Abs(got-want) > 1e-15 {
			t.Errorf("%s(-1) = %g, want %g", a, got, want)
		}
	}
	linear := &Network{Info: m.Info, Layers: []Layer{{Weights: [][]float64{{1, 2}, {3, -4}}, Bias: []float64{1, 0}}, {Weights: [][]float64{{1, -1}}, Bias: []float64{0.5}}}}
	q := quantizeModel(t, linear, 0, [][]float64{{0, 0}, {1, 5}, {0.3, 2}})
	checkForm(t, q)
	if p, err := q.Predict([]float64{0.3, 2}); err != nil || math.Abs(p.Scores[0]-(1.5-2*0.3+6*2)) > 0.2 {
		t.Errorf("folded linear model: %v, %v", p, err)
	}
}

// TestNetworkRandom quantizes random networks: whatever they are, graphs have the lowered form, tables fit, and scores of calibration
// rows are near the float model's.
func TestNetworkRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		features, outputs := rapid.IntRange(1, 6).Draw(t, "features"), rapid.IntRange(1, 3).Draw(t, "outputs")
		m := &Network{Info: classifier(features, outputs)}
		m.Post.Task, m.Post.Classes = quantize.Regress, nil
		weight := rapid.Float64Range(-2, 2)
		in := features
		hidden := rapid.IntRange(1, 3).Draw(t, "hidden layers")
		for l := range hidden + 1 {
			units := rapid.IntRange(1, 5).Draw(t, "units")
			layer := Layer{Activation: Activation(rapid.IntRange(1, 3).Draw(t, "activation"))}
			if l == hidden {
				units, layer.Activation = outputs, ActIdentity
			}
			for range units {
				layer.Bias = append(layer.Bias, weight.Draw(t, "bias"))
				layer.Weights = append(layer.Weights, rapid.SliceOfN(weight, in, in).Draw(t, "weights"))
			}
			m.Layers = append(m.Layers, layer)
			in = units
		}
		rows := make([][]float64, rapid.IntRange(1, 12).Draw(t, "rows"))
		for r := range rows {
			rows[r] = rapid.SliceOfN(rapid.Float64Range(-10, 10), features, features).Draw(t, "row")
		}
		q, err := m.Quantize(Options{Bits: rapid.IntRange(0, 7).Draw(t, "bits")}, rows)
		if err != nil {
			t.Fatal(err)
		}
		checkForm(t, q)
		checkFar(t, q, features)
		if hidden > 1 {
			return // middle layers of 5 bits promise nothing in the worst case
		}
		// What an input's code misses moves a pre-activation by its weight, a rounded weight by its part of the grid, and no
		// activation is steeper than 1. Corrections by mean errors may double that, first for units and then for scores.
		// On top come the steps of activation codes (7 bits), of weights (8 bits) or of a table of scores (13 bits).
		first, last := m.Layers[0], m.Layers[1]
		codes := make([]int64, len(q.Pre.Coders))
		miss := make([]float64, len(first.Weights)) // worst error of a pre-activation
		span := make([]float64, len(first.Weights)) // of an activation
		low, high := make([]float64, len(miss)), make([]float64, len(miss))
		for r, row := range rows {
			if _, err := q.Pre.Encode(codes, row); err != nil {
				t.Fatal(err)
			}
			for h, w := range first.Weights {
				var sum, worstCase float64
				for i, c := range q.Pre.Coders {
					x := float64(float32(row[c.Feature]))
					sum += math.Abs(w[c.Feature] * (x - c.Value(codes[i])))
					worstCase += math.Abs(w[c.Feature]) * c.Step * 128
				}
				miss[h] = math.Max(miss[h], sum+2*float64(7*len(codes))*worstCase/(firstEntries/2))
				v := first.forward(row)[h]
				if r == 0 {
					low[h], high[h] = v, v
				}
				low[h], high[h] = math.Min(low[h], v), math.Max(high[h], v)
				span[h] = high[h] - low[h]
			}
		}
		for o := range outputs {
			bound := 1e-6
			var top float64
			for h, w := range last.Weights[o] {
				bound += 4 * math.Abs(w) * (miss[h] + span[h]/64)
				top = math.Max(top, math.Abs(w)*span[h])
			}
			bound += 4 * float64(len(miss)) * top / 127
			checkNear(t, m, q, rows, o, bound)
		}
	})
}

// checkNear checks that the quantized score o of every row is near the float model's.
func checkNear(t *rapid.T, m Model, q *Quantized, rows [][]float64, o int, bound float64) {
	t.Helper()
	for _, row := range rows {
		p, err := q.Predict(row)
		if err != nil {
			t.Fatal(err)
		}
		if want := m.Raw(nil, row)[o]; math.Abs(p.Scores[o]-want) > bound {
			t.Fatalf("score %d is %g, want %g within %g", o, p.Scores[o], want, bound)
		}
	}
}

// checkFar checks that the graph evaluates far outside the calibrated range: it cannot leave its tables.
func checkFar(t *rapid.T, q *Quantized, features int) {
	t.Helper()
	for _, x := range []float64{-1e30, 1e30} {
		if _, err := q.Predict(slices.Repeat([]float64{x}, features)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRefusals checks the errors that a user sees.
func TestRefusals(t *testing.T) {
	lin := &Linear{Info: classifier(2, 1), Weights: [][]float64{{1, 2}}, Bias: []float64{0}}
	net := &Network{Info: classifier(2, 1), Layers: []Layer{{Weights: [][]float64{{1, 2}}, Bias: []float64{0}, Activation: ActReLU}, {Weights: [][]float64{{1}}, Bias: []float64{0}}}}
	lin.Features = []string{"age", "height"}
	net.Features = lin.Features
	rows := [][]float64{{1, 2}, {3, 4}}
	for _, m := range []Model{lin, net} {
		for want, try := range map[string]func() error{
			"--calibration":                 func() error { _, err := m.Quantize(Options{}, nil); return err },
			"row 2 has 3 values, the model": func() error { _, err := m.Quantize(Options{}, [][]float64{{1, 2}, {1, 2, 3}}); return err },
			`row 1, column "height"`:        func() error { _, err := m.Quantize(Options{}, [][]float64{{1, math.NaN()}}); return err },
			"8 bits":                        func() error { _, err := m.Quantize(Options{Bits: 8}, rows); return err },
			`"age"`:                         func() error { _, err := Predict(m, []float64{math.NaN(), 1}); return err },
			"3 values":                      func() error { _, err := Predict(m, []float64{1, 2, 3}); return err },
			`column "height" holds`: func() error {
				q, err := m.Quantize(Options{}, rows)
				if err != nil {
					return nil
				}
				_, err = q.Predict([]float64{1, math.NaN()})
				return err
			},
		} {
			if err := try(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%T: error %v, want one with %q", m, err, want)
			}
		}
	}
	bad := *net
	bad.Layers = []Layer{net.Layers[0]}
	for want, m := range map[string]Model{
		"last layer":     &bad,
		"0 layers":       &Network{Info: classifier(1, 1)},
		"1 numbers":      &Linear{Info: classifier(2, 1), Weights: [][]float64{{1}}, Bias: []float64{0}},
		"not finite":     &Linear{Info: classifier(1, 1), Weights: [][]float64{{math.NaN()}}, Bias: []float64{0}},
		"weights for":    &Linear{Info: classifier(1, 1), Bias: []float64{0}},
		"2 outputs for":  &Network{Info: classifier(1, 1), Layers: []Layer{{Weights: [][]float64{{1}, {2}}, Bias: []float64{0, 0}}}},
		"unknown activa": &Network{Info: classifier(1, 1), Layers: []Layer{{Weights: [][]float64{{1}}, Bias: []float64{0}, Activation: 12}}},
	} {
		if err := m.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
