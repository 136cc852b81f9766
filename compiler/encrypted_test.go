package compiler_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/client"
	"github.com/fhe-ml/fhe-ml/compiler/server"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// tester is what tests and property tests have in common.
type tester interface {
	Context() context.Context
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// long tells whether the long variants of the tests run.
func long() bool { return os.Getenv("FHEML_LONG") != "" }

// harness holds both ends of one compiled graph.
type harness struct {
	t       tester
	graph   *compiler.Graph
	circuit *compiler.Circuit
	keys    *client.Keys
	client  *client.Client
	server  *server.Server
	noise   float64
}

// preferences are all of them.
var preferences = []compiler.Prefer{compiler.PreferTime, compiler.PreferBalanced, compiler.PreferUpload}

// checkUpload makes sure that selectors are uploaded directly where time alone counts, and packed where bytes do.
func (h *harness) checkUpload(prefer compiler.Prefer) {
	h.t.Helper()
	if len(h.circuit.Spec.Selectors) == 1 && h.circuit.Spec.Singles == 1 {
		prefer = compiler.PreferTime // one ciphertext either way
	}
	if packed := h.circuit.Spec.Params.Packed != (tfhe.PackedParams{}); packed != (prefer != compiler.PreferTime) || h.server.NeedsKey() != (packed || h.circuit.Costs.Lookups > 0) {
		h.t.Fatalf("preference %d gives packed selectors: %t", prefer, packed)
	}
}

func newHarness(t tester, g *compiler.Graph, opts compiler.CompileOptions) *harness {
	t.Helper()
	return newHarnessBy(t, g, opts, compiler.Compile)
}

func newHarnessBy(t tester, g *compiler.Graph, opts compiler.CompileOptions, compile func(*compiler.Graph, compiler.CompileOptions) (*compiler.Circuit, error)) *harness {
	t.Helper()
	if err := g.Verify(); err != nil {
		t.Fatal(err)
	}
	c, err := compile(g, opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	keys, err := client.GenerateKeys(ctx, &c.Spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := client.New(&c.Spec, keys.Secret)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.LoadKey(ctx, keys.Evaluation, nil); err != nil {
		t.Fatal(err)
	}
	t.Logf("p_fail 2^%.1f, noise 2^%.2f, selectors %d, costs %+v, params %+v", c.Spec.Log2PFail, c.Costs.Log2Noise, len(c.Spec.Selectors), c.Costs, c.Spec.Params)
	return &harness{t: t, graph: g, circuit: c, keys: keys, client: cl, server: s}
}

// check runs one row encrypted and in the clear and compares exactly.
func (h *harness) check(x []int64) {
	h.t.Helper()
	want, err := h.graph.Eval(map[string][]int64{"x": x})
	if err != nil {
		h.t.Fatal(err)
	}
	got, noise, err := h.client.Open(h.run(x))
	if err != nil {
		h.t.Fatal(err)
	}
	h.noise = max(h.noise, noise)
	i := 0
	for _, o := range want {
		for _, v := range o {
			if i >= len(got) {
				h.t.Fatalf("%d results are too few", len(got))
			}
			if got[i] != v {
				h.t.Fatalf("x = %v: output %d is %d encrypted and %d in the clear", x, i, got[i], v)
			}
			i++
		}
	}
	if i != len(got) {
		h.t.Fatalf("%d results where the graph has %d", len(got), i)
	}
}

// run encrypts one row and returns the server's response, by way of the bytes that both send.
func (h *harness) run(x []int64) *compiler.Response {
	h.t.Helper()
	req, err := h.client.Encrypt(x)
	if err != nil {
		h.t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := req.WriteTo(&file); err != nil {
		h.t.Fatal(err)
	}
	if req, err = compiler.ReadRequest(&file, &h.circuit.Spec); err != nil {
		h.t.Fatal(err)
	}
	res, err := h.server.Run(context.Background(), req)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := res.WriteTo(&file); err != nil {
		h.t.Fatal(err)
	}
	if res, err = compiler.ReadResponse(&file, &h.circuit.Spec); err != nil {
		h.t.Fatal(err)
	}
	return res
}

func randomRow(r *rand.Rand, n *compiler.Node) []int64 {
	x := make([]int64, n.Size())
	for i := range x {
		x[i] = n.Lo[i] + r.Int64N(n.Hi[i]-n.Lo[i]+1)
	}
	return x
}

func randomArray(r *rand.Rand, lo, hi int64, shape ...int) compiler.Array {
	size := 1
	for _, d := range shape {
		size *= d
	}
	a := compiler.Array{Shape: shape, Data: make([]int64, size)}
	for i := range a.Data {
		a.Data[i] = lo + r.Int64N(hi-lo+1)
	}
	return a
}

func TestEncryptedLinear(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][2]int{{1, 1}, {30, 1}, {4, 3}, {64, 10}, {300, 10}} {
		g := compiler.NewGraph()
		x := g.Input("x", []int{shape[0]}, []int64{0}, []int64{127})
		y := g.MatMul(x, g.Constant(randomArray(r, -1<<13, 1<<13, shape[0], shape[1])))
		y = g.Add(y, g.Constant(randomArray(r, -1<<20, 1<<20, shape[1])))
		g.Output(y)
		h := newHarness(t, g, compiler.CompileOptions{})
		for range 5 {
			h.check(randomRow(r, x))
		}
		if h.circuit.Spec.Params.SmallDimension != 0 || len(h.circuit.Spec.Selectors) != 0 {
			t.Errorf("a linear model takes an evaluation key or selectors")
		}
	}
}

// randomTree makes a nest of where over thresholds of x.
func randomTree(r *rand.Rand, g *compiler.Graph, x *compiler.Node, depth, outputs int) *compiler.Node {
	if depth == 0 || r.IntN(8) == 0 {
		return g.Constant(randomArray(r, -1<<20, 1<<20, outputs))
	}
	f := r.IntN(x.Size())
	cond := g.LessEqual(g.GetItem(x, f), g.Scalar(r.Int64N(12)))
	return g.Where(cond, randomTree(r, g, x, depth-1, outputs), randomTree(r, g, x, depth-1, outputs))
}

func TestEncryptedTrees(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct{ trees, depth, outputs int }{{1, 1, 1}, {1, 8, 3}, {20, 3, 1}, {10, 5, 10}} {
		g := compiler.NewGraph()
		x := g.Input("x", []int{5}, []int64{0}, []int64{12})
		sum := randomTree(r, g, x, c.depth, c.outputs)
		for range c.trees - 1 {
			sum = g.Add(sum, randomTree(r, g, x, c.depth, c.outputs))
		}
		g.Output(g.Add(sum, g.Constant(randomArray(r, -100, 100, c.outputs))))
		for _, prefer := range preferences {
			h := newHarnessBy(t, g, compiler.CompileOptions{Prefer: prefer}, compiler.CompileDiagrams)
			h.checkUpload(prefer)
			for range 6 {
				h.check(randomRow(r, x))
			}
			t.Logf("largest noise %.2f of the gap", h.noise)
		}
	}
}

func TestEncryptedFirstLayer(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	g := compiler.NewGraph()
	x := g.Input("x", []int{6}, []int64{0}, []int64{15})
	z := g.MatMul(g.Reshape(g.Bits(x, 4), 24), g.Constant(randomArray(r, -60, 60, 24, 5)))
	z = g.Add(z, g.Constant(randomArray(r, -30, 30, 5)))
	table := compiler.Table{}
	for h := range 5 {
		table.Lo = append(table.Lo, z.Lo[h])
		row := make([]int64, z.Hi[h]-z.Lo[h]+1)
		for i := range row {
			row[i] = max(0, z.Lo[h]+int64(i)) * r.Int64N(3)
		}
		table.Values = append(table.Values, row)
	}
	g.Output(g.SumAll(g.Lookup(z, table)))
	for _, prefer := range preferences {
		h := newHarness(t, g, compiler.CompileOptions{Prefer: prefer})
		h.checkUpload(prefer)
		for range 6 {
			h.check(randomRow(r, x))
		}
		ones := []int64{15, 15, 15, 15, 15, 15}
		h.check(ones)
		t.Logf("largest noise %.2f of the gap", h.noise)
	}
}

func TestEncryptedDeepNetwork(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	g := compiler.NewGraph()
	x := g.Input("x", []int{4}, []int64{0}, []int64{15})
	z := g.MatMul(g.Reshape(g.Bits(x, 4), 16), g.Constant(randomArray(r, -20, 20, 16, 5)))
	relu := func(z *compiler.Node, levels int64) *compiler.Node {
		table := compiler.Table{}
		for h := range z.Size() {
			table.Lo = append(table.Lo, z.Lo[h])
			row := make([]int64, z.Hi[h]-z.Lo[h]+1)
			for i := range row {
				row[i] = max(0, z.Lo[h]+int64(i)) * levels / max(1, z.Hi[h]+1)
			}
			table.Values = append(table.Values, row)
		}
		return g.Lookup(z, table)
	}
	a := relu(z, 16)
	z2 := g.MatMul(a, g.Constant(randomArray(r, -5, 5, 5, 4)))
	d := 1
	for (z2.Hi[0]-z2.Lo[0])>>d > 24 || (z2.Hi[1]-z2.Lo[1])>>d > 24 || (z2.Hi[2]-z2.Lo[2])>>d > 24 || (z2.Hi[3]-z2.Lo[3])>>d > 24 {
		d++
	}
	a2 := relu(g.Round(z2, d), 16)
	g.Output(g.Add(g.MatMul(a2, g.Constant(randomArray(r, -50, 50, 4, 3))), g.Constant(randomArray(r, -9, 9, 3))))
	for _, prefer := range preferences {
		h := newHarness(t, g, compiler.CompileOptions{Prefer: prefer})
		h.checkUpload(prefer)
		for range 4 {
			h.check(randomRow(r, x))
		}
		t.Logf("largest noise %.2f of the gap", h.noise)
	}
}

// TestEncryptedComputedTables looks computed values of 6 and 7 bits up, in the long run of 8.
func TestEncryptedComputedTables(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	widest := 7
	if os.Getenv("FHEML_LONG") == "1" {
		widest = 8
	}
	for bits := 6; bits <= widest; bits++ {
		g := compiler.NewGraph()
		x := g.Input("x", []int{2}, []int64{0}, []int64{7})
		// Two tables of 0..2^(bits-1)-1 each: their sum has the wanted width.
		a := g.Lookup(x, randomTable(r, x, 0, 1<<(bits-1)-1))
		z := g.SumAll(a)
		g.Output(g.Lookup(z, randomTable(r, z, -500, 500)))
		h := newHarness(t, g, compiler.CompileOptions{})
		for range 4 {
			h.check(randomRow(r, x))
		}
		t.Logf("%d bits: %d parts, largest noise %.2f of the gap", bits, h.circuit.Spec.Params.Parts, h.noise)
	}
}

// TestEncryptedOneByOne is a program that names its values one by one: lookups of different widths and tables, several after each sum, that run as one batch,
// some of whose results are needed much later.
func TestEncryptedOneByOne(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 31))
	g := compiler.NewGraph()
	x := g.Input("x", []int{6}, []int64{0, 0, 0, 0, 0, 0}, []int64{1, 1, 3, 3, 1, 1})
	var values []*compiler.Node
	for i := range 6 {
		values = append(values, g.Take(x, []int{i}))
	}
	for range 3 {
		var next []*compiler.Node
		for i := range values {
			sum := g.Add(values[i], values[(i+1)%len(values)])
			_, hi := sum.Range()
			table := compiler.TableOf(0, hi, func(v int64) int64 { return r.Int64N(int64(2 + i%3)) })
			next = append(next, g.Lookup(sum, table))
		}
		g.Output(next[2])
		values = next
	}
	for _, v := range values {
		g.Output(v)
	}
	joined, err := g.Join()
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []compiler.Lowering{compiler.LowerAuto, compiler.LowerLookup} {
		h := newHarness(t, joined, compiler.CompileOptions{Lowering: how})
		steps := 0
		for _, st := range h.circuit.Steps {
			if st.Lookup != nil {
				steps++
			}
		}
		if steps < 9 {
			t.Fatalf("%d steps of lookups: none to put together", steps)
		}
		for range 4 {
			row := randomRow(r, joined.Inputs()[0])
			checkJoined(t, g, joined, row)
			h.check(row)
		}
	}
}
