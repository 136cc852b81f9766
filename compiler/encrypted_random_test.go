package compiler_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// TestEncryptedToys: whatever graph is drawn, what is decrypted equals Eval exactly, or compiling says why there is no encrypted form. FHEML_LONG=1 takes
// hundreds of graphs, or as many as FHEML_TOYS says.
func TestEncryptedToys(t *testing.T) {
	graphs, rows := 12, 3
	if testing.Short() {
		graphs = 6
	}
	if long() {
		graphs, rows = 400, 4
	}
	if n, err := strconv.Atoi(os.Getenv("FHEML_TOYS")); err == nil {
		graphs = n
	}
	first, _ := strconv.Atoi(os.Getenv("FHEML_TOY"))
	toys := rapid.Custom(compiler.DrawToy)
	refused, ops := map[string]int{}, map[compiler.Op]int{}
	ran := 0
	for seed := first; seed < first+graphs; seed++ {
		g := toys.Example(seed)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			joined, err := g.Join()
			if err != nil {
				t.Fatal(err)
			}
			opts := compiler.CompileOptions{Prefer: preferences[seed%3]}
			var lower *compiler.LowerError
			circuit, err := compiler.Compile(joined, opts)
			if errors.As(err, &lower) {
				refused[lower.Reason]++
				t.Skip(err)
			} else if err != nil {
				t.Fatalf("%v\n%s", err, g)
			}
			ran++
			for _, n := range g.Nodes {
				ops[n.Op]++
			}
			h := newHarnessBy(t, joined, opts, func(*compiler.Graph, compiler.CompileOptions) (*compiler.Circuit, error) { return circuit, nil })
			r := rand.New(rand.NewPCG(uint64(seed), 7))
			for range rows {
				x := randomRow(r, joined.Inputs()[0])
				checkJoined(t, g, joined, x)
				h.check(x)
			}
			if t.Failed() {
				t.Logf("%s", g)
			}
		})
	}
	t.Logf("%d of %d graphs ran encrypted; refused: %v; operations %v", ran, graphs, refused, ops)
	if ran < graphs/2 {
		t.Errorf("only %d of %d graphs have an encrypted form: %v", ran, graphs, refused)
	}
}

// checkJoined compares a graph with what Join makes of it, for codes x.
func checkJoined(t *testing.T, g, joined *compiler.Graph, x []int64) {
	t.Helper()
	got, err := joined.Eval(map[string][]int64{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	inputs, at := map[string][]int64{}, 0
	for _, n := range g.Inputs() {
		v := slices.Clone(n.Lo)
		for i := range v {
			v[i] += x[at+i]
		}
		at += len(v)
		inputs[n.Name] = v
	}
	want, err := g.Eval(inputs)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got[0], slices.Concat(want...)) {
		t.Fatalf("joined %v, apart %v for %v", got, want, inputs)
	}
}

// TestEncryptedComputedBits takes bits of an input code, of a sum of codes, and of a computed value.
func TestEncryptedComputedBits(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 8))
	g := compiler.NewGraph()
	x := g.Input("x", []int{3}, []int64{0}, []int64{7})
	computed := g.Lookup(g.SumAll(g.Lookup(x, randomTable(r, x, 0, 5))), compiler.TableOf(0, 15, func(v int64) int64 { return v * v % 13 }))
	for _, n := range []*compiler.Node{x, g.SumAll(x), computed} {
		g.Output(g.MatMul(g.Bits(n, 5), g.Constant(randomArray(r, -9, 9, 5))))
	}
	h := newHarness(t, g, compiler.CompileOptions{})
	for range 6 {
		h.check(randomRow(r, x))
	}
}
