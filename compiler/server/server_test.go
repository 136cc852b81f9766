package server_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/client"
	"github.com/fhe-ml/fhe-ml/compiler/server"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// ends are both ends of a compiled graph, and the graph's own answers.
type ends struct {
	graph   *compiler.Graph
	circuit *compiler.Circuit
	keys    *client.Keys
	client  *client.Client
	server  *server.Server
}

func newEnds(t *testing.T, g *compiler.Graph, prefer compiler.Prefer) *ends {
	t.Helper()
	c, err := compiler.Compile(g, compiler.CompileOptions{Log2PFail: -40, Prefer: prefer})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := client.GenerateKeys(t.Context(), &c.Spec, nil)
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
	return &ends{graph: g, circuit: c, keys: keys, client: cl, server: s}
}

func (e *ends) encrypt(t *testing.T, x ...int64) *compiler.Request {
	t.Helper()
	req, err := e.client.Encrypt(e.row(x))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// row gives the codes that a test leaves out the value 200.
func (e *ends) row(x []int64) []int64 {
	for len(x) < len(e.circuit.Spec.Lo) {
		x = append(x, 200)
	}
	return x
}

// check runs a row and compares with the graph; errors only, so that goroutines may call it.
func (e *ends) check(t *testing.T, x ...int64) {
	x = e.row(x)
	want, err := e.graph.Eval(map[string][]int64{"x": x})
	if err != nil {
		t.Error(err)
		return
	}
	req, err := e.client.Encrypt(x)
	if err != nil {
		t.Error(err)
		return
	}
	res, err := e.server.Run(t.Context(), req)
	if err != nil {
		t.Error(err)
		return
	}
	got, err := e.client.Decrypt(res, req)
	if err != nil || !slices.Equal(got, want[0]) {
		t.Errorf("x = %v: %v encrypted, %v in the clear (%v)", x, got, want[0], err)
	}
}

// leveled mixes a linear part, a tree and a table of inputs. Its third code has too many values to be sent as bits.
func leveled() *compiler.Graph {
	g := compiler.NewGraph()
	x := g.Input("x", []int{3}, []int64{0, 0, 0}, []int64{7, 7, 1 << 17})
	sum := g.MatMul(x, g.Constant(compiler.Array{Shape: []int{3, 1}, Data: []int64{11, -7, 2}}))
	tree := g.Where(g.LessEqual(g.GetItem(x, 0), g.Scalar(3)), g.Where(g.Greater(g.GetItem(x, 1), g.Scalar(5)), g.Scalar(100), g.Scalar(-200)), g.Scalar(40))
	square := make([]int64, 15)
	for i := range square {
		square[i] = int64(i * i)
	}
	table := g.Lookup(g.Add(g.GetItem(x, 0), g.GetItem(x, 1)), compiler.Table{Lo: []int64{0}, Values: [][]int64{square}})
	g.Output(g.Add(sum, g.Reshape(g.Add(tree, table), 1)))
	return g
}

// bootstrapped looks count computed values up.
func bootstrapped(count int) *compiler.Graph {
	g := compiler.NewGraph()
	x := g.Input("x", []int{2}, []int64{0}, []int64{7})
	row := []int64{3, 1, 0, 2, 1, 3, 3, 0}
	a := g.Lookup(x, compiler.Table{Lo: []int64{0}, Values: [][]int64{row}})
	w := compiler.Array{Shape: []int{2, count}, Data: make([]int64, 2*count)}
	for i := range w.Data {
		w.Data[i] = 1
	}
	z := g.MatMul(a, g.Constant(w))
	var tables compiler.Table
	for i := range count {
		tables.Lo = append(tables.Lo, 0)
		tables.Values = append(tables.Values, []int64{5, int64(i), 7, -1, 2, 2, 9})
	}
	g.Output(g.Lookup(z, tables))
	return g
}

func TestServerErrors(t *testing.T) {
	for _, prefer := range []compiler.Prefer{compiler.PreferTime, compiler.PreferUpload} {
		serverErrors(t, prefer)
	}
}

func serverErrors(t *testing.T, prefer compiler.Prefer) {
	e := newEnds(t, leveled(), prefer)
	if packed := prefer == compiler.PreferUpload; e.circuit.Spec.Params.Packed != (tfhe.PackedParams{}) != packed || e.server.NeedsKey() != packed {
		t.Fatalf("packed queries with preference %d", prefer)
	} else if !packed {
		e.check(t, 3, 4) // a circuit without lookups and packed queries runs without an evaluation key
	} else if _, err := e.server.Run(t.Context(), e.encrypt(t, 3, 4)); !errors.Is(err, server.ErrNoKey) {
		t.Errorf("without the expansion key: %v", err)
	}
	if err := e.server.LoadKey(t.Context(), e.keys.Evaluation, nil); err != nil {
		t.Fatal(err)
	}
	e.check(t, 7, 0)

	other := newEnds(t, leveled(), prefer) // the same circuit, another key
	if _, err := e.server.Run(t.Context(), other.encrypt(t, 1, 2)); !errors.Is(err, tfhe.ErrMismatch) {
		t.Errorf("request under another key: %v", err)
	}
	g := compiler.NewGraph()
	g.Output(g.SumAll(g.Input("x", []int{2}, []int64{0}, []int64{255}))) // affine: too many values for bits
	another := newEnds(t, g, prefer)
	if _, err := e.server.Run(t.Context(), another.encrypt(t, 1, 2)); !errors.Is(err, tfhe.ErrMismatch) {
		t.Errorf("another model's request: %v", err)
	}
	if err := e.server.LoadKey(t.Context(), another.keys.Evaluation, nil); !errors.Is(err, tfhe.ErrMismatch) {
		t.Errorf("evaluation key for other parameters: %v", err)
	}
	for name, damage := range map[string]func(r *compiler.Request){
		"no packed words": func(r *compiler.Request) { r.Packed = nil },
		"more packed":     func(r *compiler.Request) { r.Packed = append(r.Packed, 1) },
		"no selectors":    func(r *compiler.Request) { r.Selectors = nil },
		"fewer selectors": func(r *compiler.Request) { r.Selectors = r.Selectors[1:] },
		"more selectors":  func(r *compiler.Request) { r.Selectors = append(r.Selectors, 1) },
	} {
		req := e.encrypt(t, 1, 2)
		damage(req)
		if _, err := e.server.Run(t.Context(), req); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	e.check(t, 0, 7)
	bad := *e.circuit
	bad.Results = nil
	if _, err := server.New(&bad); err == nil {
		t.Error("an invalid circuit is taken")
	}
}

func TestMissingKeyAndCancellation(t *testing.T) {
	e := newEnds(t, bootstrapped(100), compiler.PreferBalanced)
	if !e.server.NeedsKey() {
		t.Fatal("the circuit needs no evaluation key")
	}
	req := e.encrypt(t, 1, 2)
	if _, err := e.server.Run(t.Context(), req); !errors.Is(err, server.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.server.LoadKey(ctx, e.keys.Evaluation, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("loading under a cancelled context: %v", err)
	}
	if _, err := e.server.Run(t.Context(), req); !errors.Is(err, server.ErrNoKey) {
		t.Errorf("after a cancelled load: %v", err)
	}
	if err := e.server.LoadKey(t.Context(), e.keys.Evaluation, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := e.server.Run(ctx, req); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	// 100 bootstraps take seconds; cancelled after a moment, the run ends long before them.
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := e.server.Run(ctx, req); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled in the run: %v", err)
	}
	if testing.Short() {
		return
	}
	small := newEnds(t, bootstrapped(3), compiler.PreferTime)
	if err := small.server.LoadKey(t.Context(), small.keys.Evaluation, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	small.server.Run(ctx, small.encrypt(t, 7, 7))
	small.check(t, 3, 4) // usable after a cancelled run
}

// TestConcurrentRuns runs rows at once on one server while the key is loaded again; the race detector watches.
func TestConcurrentRuns(t *testing.T) {
	for _, prefer := range []compiler.Prefer{compiler.PreferTime, compiler.PreferUpload} {
		e := newEnds(t, leveled(), prefer)
		if err := e.server.LoadKey(t.Context(), e.keys.Evaluation, nil); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for i := range int64(4) {
			group.Go(func() {
				for j := range int64(4) {
					e.check(t, i, j+i)
				}
			})
		}
		group.Go(func() {
			for range 3 {
				if err := e.server.LoadKey(t.Context(), e.keys.Evaluation, nil); err != nil {
					t.Error(err)
				}
			}
		})
		group.Wait()
	}
}

// TestThreads gives the same answers with any number of goroutines.
func TestThreads(t *testing.T) {
	for _, prefer := range []compiler.Prefer{compiler.PreferTime, compiler.PreferUpload} {
		e := newEnds(t, leveled(), prefer)
		if err := e.server.LoadKey(t.Context(), e.keys.Evaluation, nil); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 3, 0} {
			e.server.SetThreads(n)
			e.check(t, 5, 6)
			e.check(t, 2, 6)
		}
	}
}

// TestThreadsSumAlike: sums in floating point depend on their order, and still a request has one response, whatever the number of goroutines and whichever
// of them is faster.
func TestThreadsSumAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 17))
	g := compiler.NewGraph()
	x := g.Input("x", []int{6}, []int64{0}, []int64{12})
	var grow func(depth int) *compiler.Node
	grow = func(depth int) *compiler.Node {
		if depth == 0 {
			return g.Scalar(r.Int64N(1 << 12))
		}
		return g.Where(g.LessEqual(g.GetItem(x, r.IntN(6)), g.Scalar(r.Int64N(12))), grow(depth-1), grow(depth-1))
	}
	sum := grow(4)
	for i := range 40 {
		sum = g.Add(sum, grow(1+i%4))
	}
	g.Output(sum)
	for _, prefer := range []compiler.Prefer{compiler.PreferTime, compiler.PreferUpload} {
		e := newEnds(t, g, prefer)
		if err := e.server.LoadKey(t.Context(), e.keys.Evaluation, nil); err != nil {
			t.Fatal(err)
		}
		req := e.encrypt(t, 1, 11, 3, 8, 5, 6)
		var first *compiler.Response
		for _, n := range []int{1, 2, 3, 8, 8, 8} {
			e.server.SetThreads(n)
			res, err := e.server.Run(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = res
			}
			for i, it := range res.Items {
				if !slices.Equal(it.Mask, first.Items[i].Mask) || !slices.Equal(it.Bodies, first.Items[i].Bodies) {
					t.Fatalf("item %d differs on %d threads", i, n)
				}
			}
			e.check(t, 1, 11, 3, 8, 5, 6)
		}
	}
}

// TestCancelledExpansion stops a packed query's expansion, and the server goes on.
func TestCancelledExpansion(t *testing.T) {
	e := newEnds(t, leveled(), compiler.PreferUpload)
	if err := e.server.LoadKey(t.Context(), e.keys.Evaluation, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		if _, err := e.server.Run(ctx, e.encrypt(t, 1, 2)); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled before: %v", err)
		}
		e.check(t, 3, 4)
	}
}

// TestRunTimed: a timed row has the answer of any other, and parts for what the circuit does, which together take no longer than the row.
func TestRunTimed(t *testing.T) {
	e := newEnds(t, leveled(), compiler.PreferUpload)
	if err := e.server.LoadKey(t.Context(), e.keys.Evaluation, nil); err != nil {
		t.Fatal(err)
	}
	req := e.encrypt(t, 3, 6)
	start := time.Now()
	res, parts, err := e.server.RunTimed(t.Context(), req)
	took := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.client.Decrypt(res, req)
	want, evalErr := e.graph.Eval(map[string][]int64{"x": e.row([]int64{3, 6})})
	if err != nil || evalErr != nil || !slices.Equal(got, want[0]) {
		t.Errorf("%v, want %v (%v, %v)", got, want, err, evalErr)
	}
	sum, names := time.Duration(0), map[string]bool{}
	for _, p := range parts {
		if p.Duration < 0 || names[p.Name] {
			t.Errorf("part %v", p)
		}
		names[p.Name] = true
		sum += p.Duration
	}
	if sum > took || len(parts) < 2 || parts[0].Name != "client bits" {
		t.Errorf("parts %v of %v", parts, took)
	}
}
