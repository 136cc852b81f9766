package compiler

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// fixtureNode is a node of testdata/graph/fixtures.json.
type fixtureNode struct {
	Op    string          `json:"op"`
	Args  []int           `json:"args"`
	Name  string          `json:"name"`
	Shape []int           `json:"shape"`
	Ints  []int           `json:"ints"`
	Data  []int64         `json:"data"`
	Lo    json.RawMessage `json:"lo"` // input: one bound; lookup: one per row
	Hi    int64           `json:"hi"`
	Rows  [][]int64       `json:"rows"`
}

// build adds the node with the builder of its operation.
func (f *fixtureNode) build(g *Graph) error {
	args := make([]*Node, len(f.Args))
	for i, a := range f.Args {
		args[i] = g.Nodes[a]
	}
	pairs := map[string]func(a, b *Node) *Node{"add": g.Add, "subtract": g.Subtract, "multiply": g.Multiply,
		"matmul": g.MatMul, "less_equal": g.LessEqual, "less": g.Less, "greater": g.Greater, "greater_equal": g.GreaterEqual,
		"equal": g.Equal, "not_equal": g.NotEqual, "maximum": g.Maximum, "minimum": g.Minimum}
	if op, ok := pairs[f.Op]; ok {
		op(args[0], args[1])
		return nil
	}
	switch f.Op {
	case "input":
		var lo int64
		if err := json.Unmarshal(f.Lo, &lo); err != nil {
			return err
		}
		g.Input(f.Name, f.Shape, []int64{lo}, []int64{f.Hi})
	case "constant":
		g.Constant(Array{Shape: f.Shape, Data: f.Data})
	case "negative":
		g.Negative(args[0])
	case "sum":
		if len(f.Ints) == 0 {
			g.SumAll(args[0])
		} else {
			g.Sum(args[0], f.Ints[0])
		}
	case "reshape":
		g.Reshape(args[0], f.Ints...)
	case "transpose":
		g.Transpose(args[0], f.Ints...)
	case "concatenate":
		g.Concatenate(f.Ints[0], args...)
	case "getitem":
		g.GetItem(args[0], f.Ints[0])
	case "take":
		rank := f.Ints[0]
		g.Take(args[0], f.Ints[1+rank:], f.Ints[1:1+rank]...)
	case "lookup":
		var lo []int64
		if err := json.Unmarshal(f.Lo, &lo); err != nil {
			return err
		}
		g.Lookup(args[0], Table{Lo: lo, Values: f.Rows})
	case "where":
		g.Where(args[0], args[1], args[2])
	case "clip":
		g.Clip(args[0], int64(f.Ints[0]), int64(f.Ints[1]))
	case "conv":
		k := f.Ints[1:]
		r := len(k) / 4
		g.Conv(args[0], args[1], Window{Groups: f.Ints[0], Strides: k[:r], Before: k[r : 2*r], After: k[2*r : 3*r], Dilations: k[3*r:]})
	case "bits":
		g.Bits(args[0], f.Ints[0])
	case "round":
		g.Round(args[0], f.Ints[0])
	default:
		return fmt.Errorf("unknown operation %q", f.Op)
	}
	return nil
}

// TestNumpyFixtures replays programs that numpy has computed, before and after Optimize.
func TestNumpyFixtures(t *testing.T) {
	data, err := os.ReadFile("testdata/graph/fixtures.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Programs []struct {
			Nodes   []fixtureNode `json:"nodes"`
			Outputs []int         `json:"outputs"`
			Shapes  [][]int       `json:"shapes"`
			Cases   []struct {
				Inputs  map[string][]int64 `json:"inputs"`
				Outputs [][]int64          `json:"outputs"`
			} `json:"cases"`
		} `json:"programs"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	seen := make(map[Op]bool)
	for i, p := range file.Programs {
		g := NewGraph()
		for j := range p.Nodes {
			if err := p.Nodes[j].build(g); err != nil {
				t.Fatalf("program %d node %d: %v", i, j, err)
			}
			seen[g.Nodes[j].Op] = true
		}
		for j, o := range p.Outputs {
			g.Output(g.Nodes[o])
			if !slices.Equal(g.Nodes[o].Shape, p.Shapes[j]) {
				t.Errorf("program %d: shape %v, numpy %v\n%s", i, g.Nodes[o].Shape, p.Shapes[j], g)
			}
		}
		optimized, err := g.Optimize()
		if err != nil {
			t.Fatalf("program %d: %v\n%s", i, err, g)
		}
		approximate := g.ApproximateRounds() // in the clear it is the same
		for _, n := range approximate.Nodes {
			seen[n.Op] = true
		}
		for _, c := range p.Cases {
			for _, form := range []*Graph{g, optimized, approximate} {
				got, err := form.Eval(c.Inputs)
				if err != nil {
					t.Fatalf("program %d: %v", i, err)
				}
				if !slices.EqualFunc(got, c.Outputs, slices.Equal[[]int64]) {
					t.Fatalf("program %d: %v, numpy %v\n%s", i, got, c.Outputs, form)
				}
			}
		}
	}
	if len(file.Programs) < 300 || len(seen) != len(forms) {
		t.Errorf("%d programs with %d of %d operations", len(file.Programs), len(seen), len(forms))
	}
}

// TestEvalInputs: what does not fit the inputs is refused, and the error does not tell the value.
func TestEvalInputs(t *testing.T) {
	g := NewGraph()
	g.Output(g.Negative(g.Input("age", []int{2}, []int64{0}, []int64{99})))
	for name, inputs := range map[string]map[string][]int64{
		"missing": {}, "length": {"age": {1}}, "below": {"age": {0, -1337}}, "above": {"age": {1337, 0}},
		"extra": {"age": {1, 2}, "size": {3}},
	} {
		_, err := g.Eval(inputs)
		if err == nil || !strings.HasPrefix(err.Error(), "compiler: ") || strings.Contains(err.Error(), "1337") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestInterpreterReuse: rows do not disturb each other, and results do not alias the graph.
func TestInterpreterReuse(t *testing.T) {
	g := NewGraph()
	x := g.Input("x", []int{2}, []int64{-5}, []int64{5})
	c := g.Constant(Array{Shape: []int{2}, Data: []int64{7, 8}})
	g.Output(c)
	g.Output(x)
	g.Output(g.GetItem(g.MatMul(g.Reshape(x, 1, 2), g.Reshape(c, 2, 1)), 0))
	it, err := NewInterpreter(g)
	if err != nil {
		t.Fatal(err)
	}
	for v := int64(-5); v <= 5; v++ {
		out, err := it.Run(map[string][]int64{"x": {v, 1}})
		if err != nil {
			t.Fatal(err)
		}
		if want := [][]int64{{7, 8}, {v, 1}, {7*v + 8}}; !slices.EqualFunc(out, want, slices.Equal[[]int64]) {
			t.Fatalf("%v, want %v", out, want)
		}
		out[0][0], out[1][0] = 99, 99
	}
}

// treeGraph is a sum of complete trees of nested wheres over features codes of 7 bits.
func treeGraph(trees, depth, features int) *Graph {
	rng := rand.New(rand.NewPCG(1, 2))
	g := NewGraph()
	x := g.Input("x", []int{features}, []int64{0}, []int64{127})
	var nest func(d int) *Node
	nest = func(d int) *Node {
		if d == 0 {
			return g.Constant(Array{Shape: []int{1}, Data: []int64{rng.Int64N(1 << 16)}})
		}
		cond := g.LessEqual(g.GetItem(x, rng.IntN(features)), g.Scalar(rng.Int64N(127)))
		return g.Where(cond, nest(d-1), nest(d-1))
	}
	sum := nest(depth)
	for range trees - 1 {
		sum = g.Add(sum, nest(depth))
	}
	g.Output(sum)
	return g
}

func BenchmarkInterpreterTrees(b *testing.B) {
	g, err := treeGraph(20, 6, 30).Optimize()
	if err != nil {
		b.Fatal(err)
	}
	it, err := NewInterpreter(g)
	if err != nil {
		b.Fatal(err)
	}
	inputs := map[string][]int64{"x": make([]int64, 30)}
	for b.Loop() {
		if _, err := it.Run(inputs); err != nil {
			b.Fatal(err)
		}
	}
}
