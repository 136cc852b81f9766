package models

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// TestApproximateRounding: a network of three layers takes fewer lookups; simulated rows differ from the quantized ones now and then, where those of exact
// rounding never do; a neighbour of the largest value is in the table, so that the table has no more bits; files keep what is known.
func TestApproximateRounding(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 9))
	layer := func(in, out int, a Activation) Layer {
		l := Layer{Activation: a}
		for range out {
			w := make([]float64, in)
			for i := range w {
				w[i] = r.NormFloat64()
			}
			l.Weights, l.Bias = append(l.Weights, w), append(l.Bias, r.NormFloat64()/2)
		}
		return l
	}
	m := &Network{Info: classifier(4, 3), Layers: []Layer{layer(4, 8, ActReLU), layer(8, 6, ActReLU), layer(6, 3, ActIdentity)}}
	rows := make([][]float64, 400)
	for i := range rows {
		rows[i] = []float64{r.NormFloat64(), r.NormFloat64(), r.NormFloat64(), r.NormFloat64()}
	}
	var lookups [2]int
	for i, rounding := range []Rounding{RoundExact, RoundApproximate} {
		c, err := Compile(m, CompileOptions{Bits: 5, Rounding: rounding}, rows)
		if err != nil {
			t.Fatal(err)
		}
		lookups[i] = c.Circuit.Costs.Lookups
		var file bytes.Buffer
		if _, err := c.WriteTo(&file); err != nil {
			t.Fatal(err)
		}
		again, err := ReadCompiled(&file)
		if err != nil {
			t.Fatal(err)
		}
		if rounds := again.Summary().ApproximateRounds; !slices.Equal(rounds, c.Circuit.Rounds) || (len(rounds) > 0) != (i == 1) {
			t.Fatalf("rounds %v, %v in the file", c.Circuit.Rounds, rounds)
		}
		for _, st := range c.Circuit.Steps {
			if st.Lookup != nil && st.Lookup.Bits > 7 {
				t.Errorf("a table of %d bits", st.Lookup.Bits)
			}
		}
		sim, err := again.NewSimulator(compiler.SimulateOptions{Seed: 4})
		if err != nil {
			t.Fatal(err)
		}
		differ, labels := 0, 0
		for range 5 {
			for _, row := range rows {
				s, err := sim.Predict(row)
				if err != nil {
					t.Fatal(err)
				}
				if s.Differs {
					differ++
				}
				if s.Prediction.Label != s.Quantized.Label {
					labels++
				}
			}
		}
		t.Logf("rounding %d: %d lookups, %d of %d rows differ, %d labels; %+v", rounding, lookups[i], differ, 5*len(rows), labels, c.Circuit.Rounds)
		if i == 0 && differ > 0 || i == 1 && (differ == 0 || labels > 5*len(rows)/20) {
			t.Errorf("rounding %d: %d of %d rows differ, %d labels", rounding, differ, 5*len(rows), labels)
		}
	}
	if lookups[1] != 6 || lookups[0] < 12 {
		t.Errorf("%d lookups with exact rounding, %d with approximate", lookups[0], lookups[1])
	}
}
