package compiler_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// explained are graphs of every lowering.
func explained(t *testing.T) map[string]*compiler.Graph {
	t.Helper()
	out := map[string]*compiler.Graph{}
	r := rand.New(rand.NewPCG(8, 6))
	for range 40 {
		g := compiler.NewGraph()
		_, name, _ := smallModel(r, g)
		if out[name] == nil {
			out[name] = g
		}
	}
	for _, most := range []int64{300, 5000} {
		g := compiler.NewGraph()
		x, z := wideValue(r, g, 0, most)
		y := g.Lookup(z, randomTable(r, g.Reshape(z, 1), 0, 40))
		g.Output(g.Lookup(g.Add(y, g.GetItem(x, 0)), compiler.Table{Lo: []int64{0}, Values: [][]int64{randomArray(r, 0, 9, 56).Data}}))
		g.Output(g.GreaterEqual(z, g.Scalar(77)))
		out[fmt.Sprint("wide ", most)] = g
	}
	return out
}

// TestExplainAddsUp: the times by kind add up to the estimate that the compiler wrote into the circuit, the lookups of the nodes to its count, and the
// failure of lookups stays below that of the whole circuit.
func TestExplainAddsUp(t *testing.T) {
	for name, g := range explained(t) {
		for prefer := compiler.PreferBalanced; prefer <= compiler.PreferUpload; prefer++ {
			for how := compiler.LowerAuto; how <= compiler.LowerLookup; how++ {
				c, err := compiler.Compile(g, compiler.CompileOptions{Log2PFail: -40, Prefer: prefer, Lowering: how})
				if err != nil {
					continue // not every graph has every lowering
				}
				e, err := compiler.Explain(g, c)
				if err != nil {
					t.Fatal(err)
				}
				if !e.Laid {
					t.Errorf("%s, prefer %d, %v: the layout was not found again: %+v", name, prefer, how, c.Choices)
					continue
				}
				ms, lookups := 0.0, 0
				for _, k := range e.Times {
					ms += k.Ms
				}
				for i, f := range e.Nodes {
					lookups += f.Lookups
					if f.Lookups > 0 && !(f.Log2PFail <= c.Spec.Log2PFail+1e-6 && f.Margin > 4) {
						t.Errorf("%s, %v: node %%%d fails with 2^%g, margin %g; the circuit with 2^%g", name, how, i, f.Log2PFail, f.Margin, c.Spec.Log2PFail)
					}
				}
				if math.Abs(ms-c.Costs.EstimatedMs) > 1e-9*c.Costs.EstimatedMs {
					t.Errorf("%s, %v: times add up to %g ms, the circuit's estimate is %g", name, how, ms, c.Costs.EstimatedMs)
				}
				if lookups != c.Costs.Lookups {
					t.Errorf("%s, %v: %d lookups at nodes, %d in the circuit", name, how, lookups, c.Costs.Lookups)
				}
				if deviation := math.Exp2(c.Costs.Log2Noise); !(e.Margin*deviation < 0.5) && c.Costs.Log2Noise > -64 {
					t.Errorf("%s, %v: margin %g of deviation %g is over half of the range", name, how, e.Margin, deviation)
				}
			}
		}
	}
}
