package compiler_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// deviation returns the root mean square of the noise of all decoded coefficients over runs of rows, as log2 relative to q. It reads the
// phases itself and compares them with the exact results only by their distance to the nearest multiple of the item's step.
func (h *harness) deviation(rows int, row func() []int64) (log2 float64, samples int) {
	h.t.Helper()
	p := h.keys.Secret.Parameters()
	dec := tfhe.NewDecryptor(h.keys.Secret)
	product := make([]uint64, p.N())
	sum, count := 0.0, 0
	for range rows {
		res := h.run(row())
		for i, it := range res.Items {
			dec.MaskProduct(product, it.Mask)
			spec := h.circuit.Spec.Items[i]
			step := uint64(1) << (64 - spec.Width)
			for j, c := range spec.Coeffs {
				e := int64(it.Bodies[j] - product[c])
				e = int64(uint64(e)+step/2)&int64(step-1) - int64(step/2)
				sum += math.Ldexp(float64(e), -64) * math.Ldexp(float64(e), -64)
				count++
			}
		}
	}
	return math.Log2(sum/float64(count)) / 2, count
}

// TestNoisePrediction compares the measured noise of every lowering with the prediction that parameters are chosen by: never above it, and not so far
// below that the prediction costs speed for nothing. Stumps are an exception: what clear leaves leave is bounded by the largest digits, and is far below
// any other noise.
func TestNoisePrediction(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 90))
	stumps := func(g *compiler.Graph, count, features int) *compiler.Node {
		x := g.Input("x", []int{features}, []int64{0}, []int64{12})
		var sum *compiler.Node
		for i := range count {
			tree := g.Where(g.LessEqual(g.GetItem(x, i%features), g.Scalar(5)), g.Scalar(r.Int64N(1<<16)), g.Scalar(r.Int64N(1<<16)))
			if sum == nil {
				sum = tree
			} else {
				sum = g.Add(sum, tree)
			}
		}
		g.Output(sum)
		return x
	}
	for _, c := range []struct {
		name  string
		rows  int
		slack float64 // how far below the prediction the noise may be, as a factor
		how   compiler.Lowering
		build func(g *compiler.Graph) *compiler.Node
	}{
		{"packed", 60, 1.5, compiler.LowerAffine, func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{30}, []int64{0}, []int64{127})
			// All results have the same norm, as the prediction is that of the largest.
			w := randomArray(r, 500, 1000, 30, 4)
			g.Output(g.MatMul(x, g.Constant(w)))
			return x
		}},
		{"trees", 12, 4, compiler.LowerSelect, func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{5}, []int64{0}, []int64{12})
			sum := fullTree(r, g, x, 6)
			for range 7 {
				sum = g.Add(sum, fullTree(r, g, x, 6))
			}
			g.Output(sum)
			return x
		}},
		{"oblivious trees", 12, 6, compiler.LowerSelect, func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{12}, []int64{0}, []int64{12})
			var sum *compiler.Node
			for i := range 10 {
				tree := obliviousTree(r, g, randomTests(r, g, x, 6, false), 1, 1<<16)
				if i == 0 {
					sum = tree
				} else {
					sum = g.Add(sum, tree)
				}
			}
			g.Output(sum)
			return x
		}},
		{"stumps", 20, 64, compiler.LowerSelect, func(g *compiler.Graph) *compiler.Node { return stumps(g, 40, 40) }},
		{"stumps on one test", 20, 512, compiler.LowerSelect, func(g *compiler.Graph) *compiler.Node { return stumps(g, 60, 1) }},
		{"shared lowest tests", 20, 4, compiler.LowerSelect, func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{20}, []int64{0}, []int64{12})
			var sum *compiler.Node
			for i := range 40 {
				leaf := func() *compiler.Node { return g.Scalar(r.Int64N(1 << 16)) }
				low := g.LessEqual(g.GetItem(x, 0), g.Scalar(5))
				tree := g.Where(g.LessEqual(g.GetItem(x, 1+i%19), g.Scalar(int64(5+i/19))), g.Where(low, leaf(), leaf()), g.Where(low, leaf(), leaf()))
				if sum == nil {
					sum = tree
				} else {
					sum = g.Add(sum, tree)
				}
			}
			g.Output(sum)
			return x
		}},
		{"shared subtrees", 20, 6, compiler.LowerSelect, func(g *compiler.Graph) *compiler.Node {
			// Trees that share a subtree carry the same noise where they take it.
			x := g.Input("x", []int{20}, []int64{0}, []int64{12})
			shared := fullTree(r, g, x, 4)
			var sum *compiler.Node
			for i := range 40 {
				tree := g.Where(g.LessEqual(g.GetItem(x, i%20), g.Scalar(int64(10+i/20))), shared, g.Scalar(r.Int64N(1<<16)))
				if sum == nil {
					sum = tree
				} else {
					sum = g.Add(sum, tree)
				}
			}
			g.Output(sum)
			return x
		}},
		{"rotate", 20, 4, compiler.LowerRotate, func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{6}, []int64{0}, []int64{15})
			z := g.MatMul(g.Reshape(g.Bits(x, 4), 24), g.Constant(randomArray(r, -60, 60, 24, 8)))
			g.Output(g.SumAll(g.Lookup(z, randomTable(r, z, -1<<16, 1<<16))))
			return x
		}},
		{"rotate of alike units", 8, 4, compiler.LowerRotate, func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{6}, []int64{0}, []int64{15})
			w := randomArray(r, -60, 60, 24, 1)
			all := compiler.Array{Shape: []int{24, 16}}
			for _, v := range w.Data {
				for range 16 {
					all.Data = append(all.Data, v)
				}
			}
			z := g.MatMul(g.Reshape(g.Bits(x, 4), 24), g.Constant(all))
			table := compiler.Table{}
			for h := range 16 {
				table.Lo = append(table.Lo, z.Lo[h])
				row := make([]int64, z.Hi[h]-z.Lo[h]+1)
				for i := range row {
					row[i] = max(0, (z.Lo[h]+int64(i))*16+int64(h))
				}
				table.Values = append(table.Values, row)
			}
			g.Output(g.SumAll(g.Lookup(z, table)))
			return x
		}},
		{"lookup", 5, 4, compiler.LowerAuto, func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{2}, []int64{0}, []int64{15})
			z := g.Lookup(x, randomTable(r, x, 0, 15))
			a := g.MatMul(z, g.Constant(compiler.Array{Shape: []int{2, 8}, Data: []int64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}}))
			g.Output(g.Lookup(a, randomTable(r, a, 0, 31)))
			return x
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := compiler.NewGraph()
			x := c.build(g)
			for _, prefer := range []compiler.Prefer{compiler.PreferTime, compiler.PreferUpload} {
				h := newHarness(t, g, compiler.CompileOptions{Prefer: prefer, Lowering: c.how})
				rows := c.rows
				if long() {
					rows *= 12
				}
				got, samples := h.deviation(rows, func() []int64 { return randomRow(r, x) })
				want := h.circuit.Costs.Log2Noise
				t.Logf("deviation 2^%.2f measured, 2^%.2f predicted (ratio %.2f)", got, want, math.Exp2(got-want))
				// The estimate of a deviation from n samples has a relative error of 1/sqrt(2n).
				if got > want+math.Log2(1.1+4/math.Sqrt(2*float64(samples))) || got < want-math.Log2(c.slack) {
					t.Errorf("deviation 2^%.2f measured, 2^%.2f predicted", got, want)
				}
			}
		})
	}
}

// TestLoweringNoise measures each lowering on the row for which the prediction is meant, that where all bits of the client are 1: it must hold to a tenth,
// besides what an estimate from so few samples is off (4 of its deviations). The prediction counts on the heaviest key, some hundredths above the average.
func TestLoweringNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 91))
	for _, c := range []struct {
		name    string
		rows    int // for 2000 samples and more
		how     compiler.Lowering
		prefers []compiler.Prefer
		build   func(g *compiler.Graph) *compiler.Node
	}{
		{"affine", 1500, compiler.LowerAffine, []compiler.Prefer{compiler.PreferBalanced}, func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{30}, []int64{0}, []int64{127})
			w := randomArray(r, 500, 1000, 30, 1) // all products alike: the prediction is that of the largest
			all := compiler.Array{Shape: []int{30, 20}}
			for _, v := range w.Data {
				for o := range 20 {
					all.Data = append(all.Data, v+int64(o))
				}
			}
			g.Output(g.MatMul(x, g.Constant(all)))
			return x
		}},
		{"rotate", 36, compiler.LowerRotate, preferences, func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{6}, []int64{0}, []int64{15})
			z := g.MatMul(g.Reshape(g.Bits(x, 4), 24), g.Constant(randomArray(r, 1, 80, 24, 60)))
			g.Output(g.Lookup(z, randomTable(r, z, -1<<12, 1<<12)))
			return x
		}},
		{"select", 18, compiler.LowerSelect, preferences, func(g *compiler.Graph) *compiler.Node {
			// Tests of features of their own on each level: the path of a row above all thresholds has no other bit than 1.
			x := g.Input("x", []int{40}, []int64{0}, []int64{12})
			sum := g.Constant(randomArray(r, 0, 1, 60))
			for k := range 8 {
				tree := g.Constant(randomArray(r, 0, 1<<12, 60))
				for d := range 5 {
					tree = g.Where(g.Greater(g.GetItem(x, 5*k+d), g.Scalar(5)), tree, g.Constant(randomArray(r, 0, 1<<12, 60)))
				}
				sum = g.Add(sum, tree)
			}
			g.Output(sum)
			return x
		}},
		{"complete trees", 18, compiler.LowerSelect, preferences, func(g *compiler.Graph) *compiler.Node {
			// Both branches of a node have products, which are transformed back together. Each node tests a feature of its own.
			x := g.Input("x", []int{124}, []int64{0}, []int64{12})
			sum, feature := g.Constant(randomArray(r, 0, 1, 60)), 0
			var grow func(depth int) *compiler.Node
			grow = func(depth int) *compiler.Node {
				if depth == 0 {
					return g.Constant(randomArray(r, 0, 1<<12, 60))
				}
				test := g.Greater(g.GetItem(x, feature), g.Scalar(5))
				feature++
				return g.Where(test, grow(depth-1), grow(depth-1))
			}
			for range 4 {
				sum = g.Add(sum, grow(5))
			}
			g.Output(sum)
			return x
		}},
		{"lookup", 40, compiler.LowerLookup, []compiler.Prefer{compiler.PreferTime}, func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{60}, []int64{0}, []int64{3})
			g.Output(g.Lookup(x, randomTable(r, x, -1<<12, 1<<12)))
			return x
		}},
	} {
		for _, prefer := range c.prefers {
			g := compiler.NewGraph()
			x := c.build(g)
			h := newHarness(t, g, compiler.CompileOptions{Prefer: prefer, Lowering: c.how})
			if len(h.circuit.Spec.Selectors) > 0 {
				h.checkUpload(prefer)
			}
			rows := c.rows
			if c.how == compiler.LowerSelect && prefer == compiler.PreferTime {
				rows = 60 // the digits of clear tables are far from white, so that neighbours of one row share noise: few samples of a row are independent
			}
			if long() {
				rows *= 6
			}
			got, samples := h.deviation(rows, func() []int64 { return x.Hi })
			want := h.circuit.Costs.Log2Noise
			ratio, allowed := math.Exp2(got-want), 0.1+4/math.Sqrt(2*float64(samples))
			t.Logf("%s, %d: deviation 2^%.2f measured from %d samples, 2^%.2f predicted (ratio %.3f)", c.name, prefer, got, samples, want, ratio)
			if samples < 2000 || ratio > 1+allowed || ratio < 1-allowed {
				t.Errorf("%s: deviation 2^%.2f measured from %d samples, 2^%.2f predicted", c.name, got, samples, want)
			}
		}
	}
}

// fullTree is a complete tree of random tests.
func fullTree(r *rand.Rand, g *compiler.Graph, x *compiler.Node, depth int) *compiler.Node {
	if depth == 0 {
		return g.Scalar(r.Int64N(1 << 16))
	}
	cond := g.LessEqual(g.GetItem(x, r.IntN(x.Size())), g.Scalar(r.Int64N(12)))
	return g.Where(cond, fullTree(r, g, x, depth-1), fullTree(r, g, x, depth-1))
}
