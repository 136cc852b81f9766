package compiler_test

import (
	"math/rand/v2"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// TestTwoValues runs every operation of two values that depend on inputs on ciphertexts, for inputs, for computed values, and for one of each, against
// Graph.Eval.
func TestTwoValues(t *testing.T) {
	ops := map[string]func(g *compiler.Graph, a, b *compiler.Node) *compiler.Node{
		"multiply": (*compiler.Graph).Multiply, "maximum": (*compiler.Graph).Maximum, "minimum": (*compiler.Graph).Minimum, "less": (*compiler.Graph).Less,
		"equal": (*compiler.Graph).Equal, "square": func(g *compiler.Graph, a, _ *compiler.Node) *compiler.Node { return g.Multiply(a, a) },
		"where": func(g *compiler.Graph, a, b *compiler.Node) *compiler.Node {
			return g.Where(g.Less(a, b), g.Add(a, b), b)
		},
		"either": func(g *compiler.Graph, a, b *compiler.Node) *compiler.Node {
			return g.Where(g.GreaterEqual(b, g.Scalar(1)), g.Scalar(5), g.Scalar(-7))
		},
	}
	r := rand.New(rand.NewPCG(5, 6))
	for name, op := range ops {
		for _, mixed := range []bool{false, true} {
			t.Logf("%s, mixed %t", name, mixed)
			g := compiler.NewGraph()
			x := g.Input("x", []int{4}, []int64{0}, []int64{7})
			a, b := g.Take(x, []int{0, 1}, 2), g.Subtract(g.Take(x, []int{2, 3}, 2), g.Scalar(3))
			if mixed { // b becomes a value that a bootstrap or a rotation has computed
				b = g.Subtract(g.Lookup(g.Add(b, a), compiler.TableOf(-3, 11, func(v int64) int64 { return v * v % 5 })), g.Scalar(2))
			}
			g.Output(op(g, a, b))
			if !long() && mixed && name != "multiply" && name != "maximum" && name != "where" {
				continue
			}
			h := newHarness(t, g, compiler.CompileOptions{Log2PFail: -40})
			for range 3 {
				h.check(randomRow(r, g.Inputs()[0]))
			}
		}
	}
}

// TestWhereValues: a where that is no decision diagram is computed from its condition and the difference of its branches.
func TestWhereValues(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 83))
	input := func(g *compiler.Graph) *compiler.Node { return g.Input("x", []int{4}, []int64{0}, []int64{63}) }
	computed := func(g *compiler.Graph, x *compiler.Node) *compiler.Node {
		return g.Lookup(x, randomTable(r, x, 0, 31))
	}
	for name, build := range map[string]func(g *compiler.Graph){
		"where on a computed condition": func(g *compiler.Graph) {
			a := computed(g, input(g))
			g.Output(g.Where(g.LessEqual(g.Add(g.GetItem(a, 0), g.GetItem(a, 1)), g.Scalar(9)), g.Scalar(3), g.Scalar(4)))
		},
		"where on two codes": func(g *compiler.Graph) {
			x := input(g)
			g.Output(g.Where(g.LessEqual(g.Add(g.GetItem(x, 0), g.GetItem(x, 1)), g.Scalar(9)), g.Scalar(3), g.Scalar(4)))
		},
		"where of computed branches": func(g *compiler.Graph) {
			x := input(g)
			g.Output(g.Where(g.LessEqual(g.GetItem(x, 0), g.Scalar(9)), g.GetItem(x, 1), g.GetItem(x, 2)))
		},
		"where of a vector condition": func(g *compiler.Graph) {
			x := input(g)
			g.Output(g.Where(g.LessEqual(x, g.Scalar(9)), g.Scalar(1), g.Scalar(5)))
		},
	} {
		g := compiler.NewGraph()
		build(g)
		h := newHarness(t, g, compiler.CompileOptions{Log2PFail: -40})
		t.Log(name)
		for range 3 {
			h.check(randomRow(r, g.Inputs()[0]))
		}
	}
}
