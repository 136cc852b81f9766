package compiler_test

import (
	"errors"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// TestUnusualGraphs compiles graphs whose parts do not fit together in the usual ways: they are computed exactly or refused, under every lowering.
func TestUnusualGraphs(t *testing.T) {
	for _, c := range []struct {
		name  string
		ways  int // how many of the lowerings, with auto, are possible
		build func(g *compiler.Graph)
	}{
		{"a tree takes a part of another one", 3, func(g *compiler.Graph) {
			x := g.Input("x", []int{3}, []int64{0}, []int64{3})
			test := func(i int) *compiler.Node { return g.Greater(g.GetItem(x, i), g.Scalar(1)) }
			vec := func(v ...int64) *compiler.Node {
				return g.Constant(compiler.Array{Shape: []int{len(v)}, Data: v})
			}
			a := g.Where(test(0), g.Where(test(1), vec(1, 2, 3), vec(4, 5, 6)), vec(7, 8, 9))
			b := g.Where(test(2), g.Take(a, []int{0, 1}, 2), vec(3, 1))
			g.Output(g.Lookup(g.SumAll(b), compiler.Table{Lo: []int64{2}, Values: [][]int64{{7, 7, 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8}}}))
		}},
		{"a tree takes a part of another one, and results are its parts", 4, func(g *compiler.Graph) {
			x := g.Input("x", []int{3}, []int64{0}, []int64{3})
			test := func(i int) *compiler.Node { return g.Greater(g.GetItem(x, i), g.Scalar(1)) }
			vec := func(v ...int64) *compiler.Node {
				return g.Constant(compiler.Array{Shape: []int{len(v)}, Data: v})
			}
			a := g.Where(test(0), g.Where(test(1), vec(1, 2, 3), vec(4, 5, 6)), vec(7, 8, 9))
			g.Output(g.Where(test(2), vec(3, 1), g.Take(a, []int{0, 1}, 2)))
		}},
		{"a product of values far from zero", 4, func(g *compiler.Graph) {
			x := g.Input("x", []int{2}, []int64{0}, []int64{63})
			a := g.Add(g.GetItem(x, 0), g.Scalar(1<<33))
			g.Output(g.Subtract(g.Multiply(a, g.GetItem(x, 1)), g.Multiply(g.GetItem(x, 1), g.Scalar(1<<33))))
		}},
		{"a choice of values far apart", 0, func(g *compiler.Graph) {
			x := g.Input("x", []int{3}, []int64{0}, []int64{3})
			cond := g.LessEqual(g.GetItem(x, 0), g.GetItem(x, 1))
			a := g.Multiply(g.GetItem(x, 2), g.Scalar(1<<59))
			g.Output(g.Where(cond, a, g.Negative(a)))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ways := 0
			for how := compiler.LowerAuto; how <= compiler.LowerLookup; how++ {
				g := compiler.NewGraph()
				c.build(g)
				if err := g.Verify(); err != nil {
					t.Fatal(err)
				}
				_, err := compiler.Compile(g, compiler.CompileOptions{Lowering: how, Prefer: compiler.PreferTime})
				if err != nil {
					if lower := (*compiler.LowerError)(nil); !errors.As(err, &lower) {
						t.Errorf("%v: %v", how, err)
					}
					continue
				}
				ways++
				h := newHarness(t, g, compiler.CompileOptions{Lowering: how, Prefer: compiler.PreferTime})
				x := g.Inputs()[0]
				row := make([]int64, x.Size())
				for n := range 6 {
					for i := range row {
						row[i] = x.Hi[i] * int64(n*(i+3)%7) / 6
					}
					h.check(row)
				}
			}
			if ways != c.ways {
				t.Errorf("%d lowerings are possible, not %d", ways, c.ways)
			}
		})
	}
}
