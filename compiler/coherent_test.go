package compiler_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// TestCoherentNoise measures sums whose summands carry the same noise: what is multiplied by the rows of one selector with the same digits.
func TestCoherentNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 92))
	for _, c := range []struct {
		name    string
		rows    int
		how     compiler.Lowering
		prefers []compiler.Prefer
		row     int64 // every code, at most
		build   func(g *compiler.Graph) *compiler.Node
	}{
		{"units of one argument", 40, compiler.LowerRotate, []compiler.Prefer{compiler.PreferTime}, 0, func(g *compiler.Graph) *compiler.Node {
			// Tables that are nearly the same: the first rotation multiplies the same digits by the rows of one selector.
			const units, most = 200, 1 << 10
			x := g.Input("x", []int{2}, []int64{0}, []int64{1})
			z := g.MatMul(x, g.Constant(compiler.Array{Shape: []int{2, units}, Data: slices.Concat(slices.Repeat([]int64{510}, units), slices.Repeat([]int64{513}, units))}))
			common := randomArray(r, 0, most-1, 1024).Data
			table := compiler.Table{Lo: make([]int64, units)}
			for i := range units {
				row := slices.Clone(common)
				row[100+i] = r.Int64N(most)
				table.Values = append(table.Values, row)
			}
			g.Output(g.SumAll(g.Lookup(z, table)))
			return x
		}},
		{"lookups of equal sums", 24, compiler.LowerLookup, []compiler.Prefer{compiler.PreferTime}, 1, func(g *compiler.Graph) *compiler.Node {
			// Units of a first layer that are equal, and units of a second one that read different ones of them: all of the second layer are equal.
			const units = 12
			x := g.Input("x", []int{2}, []int64{0}, []int64{3})
			twice := func(w []int64, rows int) *compiler.Node { // rows x units, all rows alike
				return g.Constant(compiler.Array{Shape: []int{rows, units}, Data: slices.Concat(slices.Repeat([][]int64{w}, rows)...)})
			}
			first := g.MatMul(x, twice(slices.Repeat([]int64{1}, units), 2))
			values := []int64{1, 0, 2, 1, 3, 2, 0}
			a := g.Lookup(first, compiler.Table{Lo: []int64{0}, Values: [][]int64{values}})
			second := make([]int64, units*units)
			for i := range units {
				second[i*units+i], second[(i+1)%units*units+i] = 1, 1
			}
			b := g.MatMul(a, g.Constant(compiler.Array{Shape: []int{units, units}, Data: second}))
			g.Output(g.SumAll(g.Lookup(b, compiler.Table{Lo: []int64{0}, Values: [][]int64{{5, 9, 1, 12, 3, 8, 2}}})))
			return x
		}},
		{"subtrees of the other sign", 24, compiler.LowerSelect, []compiler.Prefer{compiler.PreferTime, compiler.PreferUpload}, 12, func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{42}, []int64{0}, []int64{12})
			test := func(i, v int64) *compiler.Node { return g.Greater(g.GetItem(x, int(i)), g.Scalar(v)) }
			sum := g.Scalar(0)
			for i := range int64(40) {
				mid := g.Where(test(1, 5), g.Where(test(0, 5), g.Scalar(900+i), g.Scalar(i)), g.Scalar(7*i*i%1000))
				if i%2 == 1 {
					mid = g.Where(test(1, 5), g.Scalar(7*i*i%1000), g.Where(test(0, 5), g.Scalar(i), g.Scalar(900+i)))
				}
				sum = g.Add(sum, g.Where(test(2+i, 5), mid, g.Scalar(i*i)))
			}
			g.Output(sum)
			return x
		}},
		{"subtrees up to constants", 24, compiler.LowerSelect, []compiler.Prefer{compiler.PreferTime, compiler.PreferUpload}, 12, func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{42}, []int64{0}, []int64{12})
			test := func(i, v int64) *compiler.Node { return g.Greater(g.GetItem(x, int(i)), g.Scalar(v)) }
			sum := g.Scalar(0)
			for i := range int64(40) {
				low := g.Where(test(0, 5), g.Scalar(900+i), g.Scalar(i))
				mid := g.Where(test(1, 5), low, g.Scalar(7*i*i%1000))
				sum = g.Add(sum, g.Where(test(2+i, 5), mid, g.Scalar(i*i)))
			}
			g.Output(sum)
			return x
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, prefer := range c.prefers {
				g := compiler.NewGraph()
				x := c.build(g)
				h := newHarness(t, g, compiler.CompileOptions{Prefer: prefer, Lowering: c.how})
				row := make([]int64, x.Size())
				for i := range row {
					row[i] = min(c.row, x.Hi[i])
				}
				got, samples := h.deviation(c.rows, func() []int64 { return row })
				want := h.circuit.Costs.Log2Noise
				t.Logf("deviation 2^%.2f measured from %d samples, 2^%.2f predicted (ratio %.3f)", got, samples, want, math.Exp2(got-want))
				if got > want+math.Log2(1.1+5/math.Sqrt(2*float64(samples))) {
					t.Errorf("deviation 2^%.2f measured, 2^%.2f predicted", got, want)
				}
			}
		})
	}
}
