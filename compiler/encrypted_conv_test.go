package compiler_test

import (
	"math/rand/v2"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// TestEncryptedConv runs convolutions of inputs, of input bits into tables, and of computed values: encrypted equals Eval.
func TestEncryptedConv(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 11))
	random := func(shape []int, most int64) compiler.Array { return randomArray(rng, -most, most, shape...) }
	cases := map[string]func(g *compiler.Graph, x *compiler.Node) *compiler.Node{
		"inputs": func(g *compiler.Graph, x *compiler.Node) *compiler.Node {
			return g.Conv(x, g.Constant(random([]int{2, 1, 2, 2}, 9)), compiler.Window{Before: []int{1, 0}, Strides: []int{2, 1}})
		},
		"first layer": func(g *compiler.Graph, x *compiler.Node) *compiler.Node {
			bits := g.Reshape(g.Transpose(g.Bits(x, 3), 0, 3, 1, 2), 3, 4, 4)
			z := g.Conv(bits, g.Constant(random([]int{2, 3, 3, 3}, 6)), compiler.Window{Strides: []int{2, 2}, Before: []int{1, 1}})
			lo, hi := z.Range()
			return g.Lookup(z, compiler.TableOf(lo, hi, func(v int64) int64 { return max(v, 0) >> 2 }))
		},
		"two layers": func(g *compiler.Graph, x *compiler.Node) *compiler.Node {
			bits := g.Reshape(g.Transpose(g.Bits(x, 3), 0, 3, 1, 2), 3, 4, 4)
			z := g.Conv(bits, g.Constant(random([]int{2, 3, 2, 2}, 4)), compiler.Window{Strides: []int{2, 2}})
			lo, hi := z.Range()
			a := g.Lookup(z, compiler.TableOf(lo, hi, func(v int64) int64 { return min(max(v, 0), 7) }))
			z = g.Conv(a, g.Constant(random([]int{2, 2, 2, 2}, 1)), compiler.Window{})
			lo, hi = z.Range()
			return g.Lookup(z, compiler.TableOf(lo, hi, func(v int64) int64 { return v * v }))
		},
	}
	for name, build := range cases {
		t.Run(name, func(t *testing.T) {
			g := compiler.NewGraph()
			x := g.Input("x", []int{1, 4, 4}, []int64{0}, []int64{7})
			g.Output(build(g, x))
			h := newHarness(t, g, compiler.CompileOptions{})
			for range 3 {
				h.check(randomRow(rng, x))
			}
		})
	}
}
