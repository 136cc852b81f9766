package compiler_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// additiveGraph is a sum of a table of each code for every output; fn gives the table of code c and output o at v.
func additiveGraph(g *compiler.Graph, x *compiler.Node, outputs int, fn func(o, c int, v int64) int64) {
	var table compiler.Table
	for o := range outputs {
		for c := range x.Size() {
			table.Lo = append(table.Lo, x.Lo[c])
			row := make([]int64, x.Hi[c]-x.Lo[c]+1)
			for v := range row {
				row[v] = fn(o, c, x.Lo[c]+int64(v))
			}
			table.Values = append(table.Values, row)
		}
	}
	all := x
	if outputs > 1 {
		nodes := make([]*compiler.Node, outputs)
		for o := range nodes {
			nodes[o] = x
		}
		all = g.Concatenate(0, nodes...)
	}
	g.Output(g.Sum(g.Reshape(g.Lookup(all, table), outputs, x.Size()), 1))
}

// checkAdditive fails unless the circuit is products with packed ciphertexts alone.
func (h *harness) checkAdditive(columns, ciphertexts int) {
	h.t.Helper()
	s := &h.circuit.Spec
	if len(s.Selectors) > 0 || h.circuit.Costs.Lookups > 0 || h.server.NeedsKey() {
		h.t.Fatalf("%d selectors, %d lookups", len(s.Selectors), h.circuit.Costs.Lookups)
	}
	if n := len(s.Packed) + len(s.Columns); n > columns || s.PackedCiphertexts() > ciphertexts {
		h.t.Fatalf("%d codes and columns in %d ciphertexts, want at most %d in %d", n, s.PackedCiphertexts(), columns, ciphertexts)
	}
}

// TestEncryptedAdditive runs sums of functions of single codes: any, smooth, quadratic and linear ones; of one output and many; of scores wider than the noise
// allows; of more values than a ciphertext has coefficients.
func TestEncryptedAdditive(t *testing.T) {
	for _, c := range []struct {
		name                    string
		codes                   int
		levels                  int64
		outputs, columns, polys int
		fn                      func(r *rand.Rand) func(o, c int, v int64) int64
		fewest                  bool // least upload instead of balanced
	}{
		{"any", 10, 16, 1, 150, 1, func(r *rand.Rand) func(o, c int, v int64) int64 {
			return func(int, int, int64) int64 { return r.Int64N(1 << 20) }
		}, false},
		{"smooth", 12, 128, 3, 12 * 127, 2, func(r *rand.Rand) func(o, c int, v int64) int64 {
			return func(o, c int, v int64) int64 {
				return int64(1e5 * math.Sin(float64(v+int64(o))/(20+float64(c))))
			}
		}, false},
		{"quadratic", 30, 128, 4, 90, 1, func(r *rand.Rand) func(o, c int, v int64) int64 {
			k := randomArray(r, -1<<12, 1<<12, 4, 30).Data
			return func(o, c int, v int64) int64 { return v * (20*k[o*30+c] + v*k[c+(o*7+c)%30]) }
		}, false},
		{"linear", 30, 100, 2, 30, 1, func(r *rand.Rand) func(o, c int, v int64) int64 {
			k := randomArray(r, -1<<12, 1<<12, 2, 30).Data
			return func(o, c int, v int64) int64 { return 5 + v*k[o*30+c] }
		}, false},
		{"wide", 6, 20, 2, 114, 1, func(r *rand.Rand) func(o, c int, v int64) int64 {
			return func(int, int, int64) int64 { return r.Int64N(1<<42) - 1<<41 }
		}, false},
		{"several ciphertexts", 40, 100, 2, 40 * 99, 40, func(r *rand.Rand) func(o, c int, v int64) int64 {
			return func(int, int, int64) int64 { return r.Int64N(1 << 16) }
		}, false},
		{"fewest ciphertexts", 30, 100, 3, 30 * 99, 2, func(r *rand.Rand) func(o, c int, v int64) int64 {
			return func(int, int, int64) int64 { return r.Int64N(1 << 16) }
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(21, 90))
			g := compiler.NewGraph()
			x := g.Input("x", []int{c.codes}, []int64{0}, []int64{c.levels - 1})
			additiveGraph(g, x, c.outputs, c.fn(r))
			opts := compiler.CompileOptions{}
			if c.fewest {
				opts = compiler.CompileOptions{Prefer: compiler.PreferUpload, Lowering: compiler.LowerAffine}
			}
			h := newHarness(t, g, opts)
			h.checkAdditive(c.columns, c.polys)
			h.check(x.Lo)
			h.check(x.Hi)
			for range 6 {
				h.check(randomRow(r, x))
			}
			t.Logf("%d codes, %d columns, %d ciphertexts, %d responses, largest noise %.2f of the gap", len(h.circuit.Spec.Packed), len(h.circuit.Spec.Columns),
				h.circuit.Spec.PackedCiphertexts(), len(h.circuit.Spec.Items), h.noise)
		})
	}
}

// TestEncryptedStumps: trees that each test one feature are a sum of functions of single codes, however they are written; other trees beside them stay trees.
func TestEncryptedStumps(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 91))
	for _, outputs := range []int{1, 3} {
		g := compiler.NewGraph()
		x := g.Input("x", []int{8}, []int64{-3}, []int64{30})
		sum := g.Constant(randomArray(r, -1000, 1000, outputs))
		leaf := func() *compiler.Node { return g.Constant(randomArray(r, -1<<20, 1<<20, outputs)) }
		for i := range 60 {
			code := g.GetItem(x, i%8)
			tree := g.Where(g.LessEqual(code, g.Scalar(r.Int64N(30))), leaf(), leaf())
			if i%3 == 0 { // two tests of one feature
				tree = g.Where(g.Greater(code, g.Scalar(r.Int64N(30))), tree, leaf())
			}
			sum = g.Add(sum, tree)
		}
		for i := range 3 { // a test as such
			sum = g.Add(sum, g.Multiply(g.LessEqual(g.GetItem(x, i), g.Scalar(4)), g.Scalar(100)))
		}
		g.Output(sum)
		h := newHarness(t, g, compiler.CompileOptions{})
		h.checkAdditive(8*33, 1)
		for range 6 {
			h.check(randomRow(r, x))
		}
	}
}

// TestAdditiveNoise: the predicted noise of products with packed functions is that measured, to a tenth. It does not depend on the row. Every result has the
// noise of the largest product: the products here are alike.
func TestAdditiveNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 92))
	for name, build := range map[string]func(g *compiler.Graph) *compiler.Node{
		"tests": func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{10}, []int64{0}, []int64{15})
			additiveGraph(g, x, 12, func(int, int, int64) int64 { return r.Int64N(1 << 18) })
			return x
		},
		"squares": func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{30}, []int64{0}, []int64{127})
			additiveGraph(g, x, 20, func(o, c int, v int64) int64 { return v * (v - int64(c)) })
			return x
		},
		"two ciphertexts": func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{24}, []int64{0}, []int64{99})
			additiveGraph(g, x, 1, func(int, int, int64) int64 { return r.Int64N(1 << 16) })
			return x
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := compiler.NewGraph()
			x := build(g)
			h := newHarness(t, g, compiler.CompileOptions{})
			rows := 2400 // results of one row share much of their noise where their weights are alike: rows are what is independent
			got, samples := h.deviation(rows, func() []int64 { return x.Hi })
			want := h.circuit.Costs.Log2Noise
			t.Logf("deviation 2^%.2f measured from %d samples, 2^%.2f predicted (ratio %.3f)", got, samples, want, math.Exp2(got-want))
			// 2400 rows give a deviation to 1.5%: a tenth is over 6 of those.
			if ratio := math.Exp2(got - want); ratio > 1.1 || ratio < 0.9 {
				t.Errorf("deviation 2^%.2f measured, 2^%.2f predicted", got, want)
			}
		})
	}
}

// TestEncryptedAdditiveProperties adds functions of single codes to all else that a graph may hold.
func TestEncryptedAdditiveProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := seeded(t)
		g := compiler.NewGraph()
		x := drawInput(r, g, 1<<(1+r.IntN(7)))
		outputs := 1 + r.IntN(3)
		sum := part(r, g, x, outputs)
		for range r.IntN(3) {
			table := randomTable(r, x, -1<<r.IntN(30), 1<<r.IntN(30))
			sum = g.Add(sum, g.MatMul(g.Lookup(x, table), g.Constant(randomArray(r, -3, 3, x.Size(), outputs))))
		}
		g.Output(sum)
		h := newHarness(t, g, compiler.CompileOptions{Prefer: preferences[r.IntN(3)], Log2PFail: []float64{0, -40, -128}[r.IntN(3)]})
		h.check(x.Lo)
		h.check(x.Hi)
		h.check(randomRow(r, x))
	})
}
