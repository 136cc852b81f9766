package compiler_test

import (
	"math/rand/v2"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"pgregory.net/rapid"
)

// obliviousTree makes a complete tree with one test a level.
func obliviousTree(r *rand.Rand, g *compiler.Graph, tests []*compiler.Node, outputs int, most int64) *compiler.Node {
	if len(tests) == 0 {
		return g.Constant(randomArray(r, -most, most, outputs))
	}
	return g.Where(tests[0], obliviousTree(r, g, tests[1:], outputs, most), obliviousTree(r, g, tests[1:], outputs, most))
}

// randomTests draws tests of input codes: thresholds, and sets of codes that imply no other.
func randomTests(r *rand.Rand, g *compiler.Graph, x *compiler.Node, count int, sets bool) []*compiler.Node {
	var tests []*compiler.Node
	for range count {
		f := r.IntN(x.Size())
		if sets && r.IntN(3) == 0 {
			row := make([]int64, x.Hi[f]+1)
			for i := range row {
				row[i] = r.Int64N(2)
			}
			tests = append(tests, g.Lookup(g.GetItem(x, f), compiler.Table{Lo: []int64{0}, Values: [][]int64{row}}))
			continue
		}
		tests = append(tests, g.LessEqual(g.GetItem(x, f), g.Scalar(r.Int64N(x.Hi[f]))))
	}
	return tests
}

func tables(c *compiler.Circuit) (tables, roots int) {
	for _, st := range c.Steps {
		if st.Select != nil {
			tables += len(st.Select.Tables)
			roots += len(st.Select.Roots)
		}
	}
	return tables, roots
}

// TestEncryptedOblivious evaluates trees of few tests: as tables where that is cheaper, mixed with others, several of them on the same tests.
func TestEncryptedOblivious(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 6))
	for _, c := range []struct{ trees, depth, outputs int }{{1, 6, 1}, {8, 6, 1}, {4, 5, 3}, {3, 8, 1}, {2, 9, 2}} {
		g := compiler.NewGraph()
		x := g.Input("x", []int{8}, []int64{0}, []int64{12})
		var sum *compiler.Node
		add := func(tree *compiler.Node) {
			if sum == nil {
				sum = tree
			} else {
				sum = g.Add(sum, tree)
			}
		}
		var tests []*compiler.Node
		for i := range c.trees {
			if i%4 != 3 {
				tests = randomTests(r, g, x, c.depth, true)
			} // else on the tests of the last tree
			add(obliviousTree(r, g, tests, c.outputs, 1<<16))
		}
		add(randomTree(r, g, x, 4, c.outputs))
		g.Output(sum)
		for _, prefer := range preferences {
			h := newHarness(t, g, compiler.CompileOptions{Prefer: prefer})
			n, roots := tables(h.circuit)
			// Trees 3 and 7 have the tests of their neighbours. Many narrow digits may leave no room for all leaves of deeper trees.
			if fits := c.depth == 6; fits && (n != c.trees-c.trees/4 || h.circuit.Costs.Selects > c.trees*c.depth+15) {
				t.Errorf("%d trees of depth %d: %d tables, %d roots, %d selects", c.trees, c.depth, n, roots, h.circuit.Costs.Selects)
			}
			for range 5 {
				h.check(randomRow(r, x))
			}
			t.Logf("%d tables, largest noise %.2f of the gap", n, h.noise)
		}
	}
}

// TestEncryptedFewTests draws trees over pools of few tests, so that some become tables of counted outcomes.
func TestEncryptedFewTests(t *testing.T) {
	some := 0
	rapid.Check(t, func(rt *rapid.T) {
		r := seeded(rt)
		g := compiler.NewGraph()
		x := g.Input("x", []int{1 + r.IntN(3)}, []int64{0}, []int64{20})
		var pool []*compiler.Node
		pool = randomTests(r, g, x, 2+r.IntN(7), r.IntN(2) == 0)
		outputs := 1 + r.IntN(3)
		var grow func(depth int) *compiler.Node
		grow = func(depth int) *compiler.Node {
			if depth == 0 || r.IntN(12) == 0 {
				return g.Constant(randomArray(r, -500, 500, outputs))
			}
			return g.Where(pool[r.IntN(len(pool))], grow(depth-1), grow(depth-1))
		}
		sum := grow(6)
		for range r.IntN(3) {
			sum = g.Add(sum, grow(6))
		}
		g.Output(sum)
		h := newHarness(rt, g, compiler.CompileOptions{Prefer: preferences[r.IntN(3)]})
		n, _ := tables(h.circuit)
		some += n
		for range 3 {
			h.check(randomRow(r, x))
		}
	})
	if some == 0 {
		t.Error("no tree became a table")
	}
}

// TestSelectTableErrors: a table that would reach outside of its numbers, or that rotates by a single row, is refused.
func TestSelectTableErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 6))
	g := compiler.NewGraph()
	x := g.Input("x", []int{8}, []int64{0}, []int64{12})
	g.Output(g.Add(obliviousTree(r, g, randomTests(r, g, x, 6, false), 1, 100), randomTree(r, g, x, 3, 1)))
	find := func(c *compiler.Circuit) *compiler.SelectTable {
		for _, st := range c.Steps {
			if st.Select != nil && len(st.Select.Tables) > 0 {
				return &st.Select.Tables[0]
			}
		}
		t.Fatal("no table")
		return nil
	}
	for name, damage := range map[string]func(c *compiler.Circuit, tb *compiler.SelectTable){
		"short":         func(_ *compiler.Circuit, tb *compiler.SelectTable) { tb.Table = tb.Table[1:] },
		"long":          func(_ *compiler.Circuit, tb *compiler.SelectTable) { tb.Table = make([]int64, 2049) },
		"weight 0":      func(_ *compiler.Circuit, tb *compiler.SelectTable) { tb.Weights[0] = 0 },
		"fewer weights": func(_ *compiler.Circuit, tb *compiler.SelectTable) { tb.Weights = tb.Weights[1:] },
		"no selector":   func(c *compiler.Circuit, tb *compiler.SelectTable) { tb.Selectors[0] = int32(len(c.Spec.Selectors)) },
		"single row":    func(c *compiler.Circuit, tb *compiler.SelectTable) { tb.Selectors[0] = int32(c.Spec.Products()) },
	} {
		c := compile(t, g)
		damage(c, find(c))
		if err := c.Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
