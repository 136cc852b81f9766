package compiler_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// approximateGraph rounds sums of looked-up values by drop bits. Outputs are the rounded values, which tell which multiple was taken.
func approximateGraph(r *rand.Rand, drop int, approximate bool) (*compiler.Graph, *compiler.Node) {
	g := compiler.NewGraph()
	x := g.Input("x", []int{4}, []int64{0}, []int64{15})
	most := int64(1)<<(drop+1) - 1
	a := g.Lookup(x, randomTable(r, x, -most, most))
	z := g.Add(g.MatMul(a, g.Constant(randomArray(r, -2, 2, 4, 6))), g.Constant(randomArray(r, -9, 9, 6)))
	if approximate {
		z = g.RoundApproximate(z, drop)
	} else {
		z = g.Round(z, drop)
	}
	g.Output(g.Multiply(z, g.Scalar(3)))
	return g, x
}

// roundedValues computes what is rounded, by hand: the graph without its round.
func roundedValues(t *testing.T, g *compiler.Graph, x []int64) []int64 {
	t.Helper()
	h := g.Clone()
	for _, n := range h.Nodes {
		if n.Op == compiler.OpRoundApproximate {
			h.Outputs = []*compiler.Node{n.Args[0]}
		}
	}
	out, err := h.Eval(map[string][]int64{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

// approximateCounts counts, in so many rows of f, values that differ from an exact round, and how many differed were expected for these values with the noise at hand.
func approximateCounts(t *testing.T, g *compiler.Graph, drop int, rows [][]int64, f func(x []int64) []int64) (differ, values int) {
	t.Helper()
	for _, x := range rows {
		got := f(x)
		for i, z := range roundedValues(t, g, x) {
			exact := (z + 1<<(drop-1)) >> drop
			floor := z >> drop
			ceil := -(-z >> drop)
			if got[i]%3 != 0 || got[i]/3 != floor && got[i]/3 != ceil {
				t.Fatalf("%d is rounded to %d/3 multiples of 2^%d", z, got[i], drop)
			}
			if got[i]/3 != exact {
				differ++
			}
			values++
		}
	}
	return differ, values
}

// TestApproximateRound: encrypted and simulated results are one of the two multiples next to the value, and differ from an exact round equally often; the
// graph's Eval is exact; lookups of single bits are gone; at a failure probability of 2^-128.
func TestApproximateRound(t *testing.T) {
	for _, drop := range []int{1, 3, 6} {
		r := rand.New(rand.NewPCG(41, uint64(drop)))
		g, x := approximateGraph(r, drop, true)
		exact, _ := approximateGraph(rand.New(rand.NewPCG(41, uint64(drop))), drop, false)
		h := newHarness(t, g, compiler.CompileOptions{Prefer: compiler.PreferTime})
		plain, err := compiler.Compile(exact, compiler.CompileOptions{Prefer: compiler.PreferTime})
		if err != nil {
			t.Fatal(err)
		}
		if a, b := h.circuit.Costs.Lookups, plain.Costs.Lookups; a != 6 || b != 6*(1+drop) || len(plain.Rounds) > 0 || len(h.circuit.Rounds) != 1 {
			t.Fatalf("%d lookups with %v, exactly %d with %v", a, h.circuit.Rounds, b, plain.Rounds)
		}
		if p := h.circuit.Spec.Log2PFail; p > -128 {
			t.Errorf("failure probability 2^%g", p)
		}
		round := h.circuit.Rounds[0]
		if round.Drop != drop || round.Values != 6 || round.Bits < 2 {
			t.Errorf("%+v", round)
		}
		count := 12
		if drop == 6 {
			count = 60 // a tie is rare
		}
		if long() {
			count = 200
		}
		var some, many [][]int64
		for range 4000 {
			many = append(many, randomRow(r, x))
		}
		some = many[:count]
		for _, x := range some {
			a, err := g.Eval(map[string][]int64{"x": x})
			if err != nil {
				t.Fatal(err)
			}
			for i, z := range roundedValues(t, g, x) {
				if want := 3 * int64(math.Floor(float64(z)/math.Exp2(float64(drop))+0.5)); a[0][i] != want {
					t.Fatalf("Eval rounds %d to %d, want %d", z, a[0][i], want)
				}
			}
		}
		s, err := compiler.NewSimulator(h.circuit, compiler.SimulateOptions{Seed: 3, AverageKey: true})
		if err != nil {
			t.Fatal(err)
		}
		differ, values := approximateCounts(t, g, drop, many, simulated(t, s))
		rate := float64(differ) / float64(values)
		wrong, of := approximateCounts(t, g, drop, some, func(x []int64) []int64 {
			out, _, err := h.client.Open(h.run(x))
			if err != nil {
				t.Fatal(err)
			}
			return out
		})
		lo, hi := failureRate(wrong, of)
		t.Logf("drop %d: predicted %.3f%%, at a tie %.3f%%; %.3f%% simulated, %d of %d encrypted (%.2f%% to %.2f%%)", drop, 100*round.Differ, 100*round.AtTie, 100*rate, wrong, of, 100*lo, 100*hi)
		if rate*1.25 < lo || rate*0.75 > hi {
			t.Errorf("drop %d: %.3f%% of values differ simulated, but %d of %d encrypted", drop, 100*rate, wrong, of)
		}
		// The low bits of these sums are about equally likely.
		if drop >= 3 && (rate > 1.2*round.Differ || rate < 0.6*round.Differ) {
			t.Errorf("drop %d: %.3f%% of values differ, predicted %.3f%%", drop, 100*rate, 100*round.Differ)
		}
	}
}

// TestApproximateEdges: the smallest and the largest value, on a tie, are not taken for the other end.
func TestApproximateEdges(t *testing.T) {
	g := compiler.NewGraph()
	x := g.Input("x", []int{2}, []int64{0}, []int64{3})
	// Sums of -12, -4 ... 12 by 8: with d = 3 both ends are ties.
	a := g.Lookup(x, compiler.Table{Lo: []int64{0}, Values: [][]int64{{-6, -2, 2, 6}}})
	g.Output(g.RoundApproximate(g.SumAll(a), 3))
	circuit, err := compiler.Compile(g, compiler.CompileOptions{Lowering: compiler.LowerAuto})
	if err != nil {
		t.Fatal(err)
	}
	s, err := compiler.NewSimulator(circuit, compiler.SimulateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2000 {
		for _, row := range [][]int64{{0, 0}, {3, 3}, {1, 2}, {3, 2}} {
			out, _, err := s.Run(row)
			if err != nil {
				t.Fatal(err)
			}
			z := 4*row[0] - 6 + 4*row[1] - 6
			if out[0] != z>>3 && out[0] != -(-z>>3) {
				t.Fatalf("%d is rounded to %d", z, out[0])
			}
		}
	}
}

// TestApproximateInputs: rounds of the client's inputs are exact, and no round is left in the circuit.
func TestApproximateInputs(t *testing.T) {
	g := compiler.NewGraph()
	x := g.Input("x", []int{2}, []int64{0}, []int64{15})
	g.Output(g.RoundApproximate(g.MatMul(x, g.Constant(compiler.Array{Shape: []int{2}, Data: []int64{3, 5}})), 2))
	c, err := compiler.Compile(g, compiler.CompileOptions{Lowering: compiler.LowerRotate})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Rounds) > 0 || c.Costs.Lookups > 0 {
		t.Errorf("%+v", c.Costs)
	}
}
