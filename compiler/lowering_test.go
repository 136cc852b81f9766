package compiler_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhe-ml/fhe-ml/compiler"
)

var allLowerings = []compiler.Lowering{compiler.LowerAuto, compiler.LowerAffine, compiler.LowerSelect, compiler.LowerRotate, compiler.LowerLookup}

// smallModel is a random small ensemble, network, or function of inputs, small enough for lookups. It says which lowerings must be possible.
func smallModel(r *rand.Rand, g *compiler.Graph) (x *compiler.Node, name string, possible []compiler.Lowering) {
	f := 1 + r.IntN(3)
	lo, hi := make([]int64, f), make([]int64, f)
	for i := range lo {
		lo[i] = r.Int64N(7) - 3
		hi[i] = lo[i] + 1 + r.Int64N(7)
	}
	x = g.Input("x", []int{f}, lo, hi)
	outputs := 1 + r.IntN(2)
	leaf := func() *compiler.Node { return g.Constant(randomArray(r, -1<<r.IntN(16), 1<<r.IntN(16), outputs)) }
	all := []compiler.Lowering{compiler.LowerAffine, compiler.LowerSelect, compiler.LowerRotate, compiler.LowerLookup}
	switch r.IntN(6) {
	case 0: // an ensemble
		var made []*compiler.Node
		sum := leaf()
		for range 1 + r.IntN(3) {
			sum = g.Add(sum, diagram(r, g, x, 2, outputs, &made))
		}
		g.Output(sum)
		return x, "ensemble", all[1:]
	case 1: // stumps and a linear part
		sum := g.MatMul(x, g.Constant(randomArray(r, -99, 99, f, outputs)))
		for range 1 + r.IntN(3) {
			sum = g.Add(sum, g.Where(predicate(r, g, x), leaf(), leaf()))
		}
		g.Output(sum)
		return x, "stumps", all
	case 2: // a network of one hidden layer
		b, n := unsigned(g, x)
		z := g.Add(g.MatMul(b, g.Constant(randomArray(r, -5, 5, n, 2))), g.Constant(randomArray(r, -9, 9, 2)))
		g.Output(g.MatMul(g.Lookup(z, randomTable(r, z, -50, 50)), g.Constant(randomArray(r, -9, 9, 2, outputs))))
		return x, "network", all[1:]
	case 3: // a function of each input, as tanh is
		g.Output(g.MatMul(g.Lookup(x, randomTable(r, x, -500, 500)), g.Constant(randomArray(r, -9, 9, f, outputs))))
		return x, "functions", all
	case 4: // a function of a weighted sum of inputs, as a square is
		z := g.MatMul(x, g.Constant(randomArray(r, -3, 3, f)))
		g.Output(g.Lookup(z, randomTable(r, z, -500, 500)))
		return x, "sum", all[1:]
	}
	// Tests of inputs and of a weighted sum of them.
	z := g.MatMul(x, g.Constant(randomArray(r, -2, 2, f)))
	g.Output(g.Add(g.Greater(z, g.Scalar(1)), g.Multiply(g.LessEqual(g.GetItem(x, 0), g.Scalar(lo[0])), g.Scalar(5))))
	return x, "tests", all[1:]
}

// TestLoweringsAgree holds every lowering of random small models, encrypted, to the graph's own run: exactly. Lookups take seconds a model, and run for some
// of them only.
func TestLoweringsAgree(t *testing.T) {
	ran := map[compiler.Lowering]int{}
	models := map[string]bool{}
	check := func(t tester, r *rand.Rand, lookups bool) {
		g := compiler.NewGraph()
		x, name, possible := smallModel(r, g)
		rows := [][]int64{x.Lo, x.Hi, randomRow(r, x), randomRow(r, x)}
		for _, how := range allLowerings {
			if how == compiler.LowerLookup && !lookups {
				continue
			}
			opts := compiler.CompileOptions{Log2PFail: -40, Lowering: how, Prefer: preferences[r.IntN(3)]}
			if _, err := compiler.Compile(g, opts); err != nil {
				var impossible *compiler.LowerError
				if !errors.As(err, &impossible) || slices.Contains(possible, how) || how == compiler.LowerAuto {
					t.Fatalf("%s by %s: %v", name, how, err)
				}
				continue
			}
			h := newHarness(t, g, opts)
			for _, c := range h.circuit.Choices {
				linear := how == compiler.LowerLookup && c.Lowering == compiler.LowerAffine
				if how != compiler.LowerAuto && (c.Lowering != how && !linear || !c.Forced || len(c.Alternatives) > 0) {
					t.Fatalf("%s by %s: %+v", name, how, c)
				}
			}
			if len(h.circuit.Choices) > 0 {
				ran[how]++
				models[name] = true
			}
			for _, row := range rows {
				h.check(row)
			}
			if h.noise > 0.9 {
				t.Fatalf("%s by %s: noise is at %.2f of the gap", name, how, h.noise)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) { check(t, seeded(t), false) })
	lookups := 4
	if long() {
		lookups = 200
	}
	for i := range lookups {
		check(t, rand.New(rand.NewPCG(uint64(i), 31)), true)
	}
	for _, how := range allLowerings {
		if ran[how] < 3 {
			t.Errorf("%s ran %d times: the test tests nothing", how, ran[how])
		}
	}
	if len(models) < 5 {
		t.Errorf("only the models %v ran", models)
	}
}

// TestLookedUpTrees looks up tests and leaves of trees: of a code of two values, which is its own test, before codes of more; under a table, too.
func TestLookedUpTrees(t *testing.T) {
	g := compiler.NewGraph()
	x := g.Input("x", []int{4}, []int64{0, 5, -2, 0}, []int64{1, 6, 4, 7})
	leaf := func(v int64) *compiler.Node { return g.Scalar(v) }
	test := func(f int, at int64) *compiler.Node { return g.LessEqual(g.GetItem(x, f), g.Scalar(at)) }
	two := g.Where(test(0, 0), g.Where(test(1, 5), leaf(3), leaf(40)), leaf(-1000))
	more := g.Where(test(2, 1), g.Where(test(3, 4), g.Where(test(2, -1), leaf(7), leaf(8)), leaf(9)), leaf(70))
	g.Output(g.Add(two, more))
	inner := g.Add(g.Where(test(3, 2), g.Where(test(0, 0), leaf(0), leaf(3)), leaf(9)), g.GetItem(x, 2))
	g.Output(g.Lookup(inner, randomTable(rand.New(rand.NewPCG(5, 32)), inner, -99, 99)))
	h := newHarness(t, g, compiler.CompileOptions{Lowering: compiler.LowerLookup, Log2PFail: -40})
	if k := h.circuit.Costs; k.Selects > 0 || k.Lookups == 0 {
		t.Errorf("%d selects, %d lookups", k.Selects, k.Lookups)
	}
	for _, row := range [][]int64{{0, 5, -2, 0}, {1, 6, 4, 7}, {0, 6, 1, 4}, {0, 5, 1, 5}, {1, 5, -1, 3}, {0, 6, 2, 2}} {
		h.check(row)
	}
	if h = newHarness(t, g, compiler.CompileOptions{Log2PFail: -40}); len(h.circuit.Choices) < 3 {
		t.Errorf("choices %+v", h.circuit.Choices)
	}
	h.check([]int64{0, 6, 1, 4})
	h.check([]int64{1, 5, 4, 1})
}
