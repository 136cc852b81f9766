package compiler

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPasses: each pass alone, and Optimize, keep the function, the inputs and validity, and leave their argument alone.
func TestPasses(t *testing.T) {
	check := func(name string, run func(*Graph) (*Graph, error)) {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				g := drawGraph(t)
				for i, n := range g.Nodes {
					n.Origin = i + 1
				}
				before := g.String()
				h, err := run(g)
				if err != nil {
					t.Fatalf("%v\n%s", err, g)
				}
				if g.String() != before {
					t.Fatal("the argument changed")
				}
				if len(h.Inputs()) != len(g.Inputs()) {
					t.Fatalf("%d inputs of %d are left", len(h.Inputs()), len(g.Inputs()))
				}
				checkSame(t, g, h) // includes Verify
				for _, n := range h.Nodes {
					if n.Origin < 1 || n.Origin > len(g.Nodes) || n.Op == OpInput && g.Nodes[n.Origin-1].Name != n.Name {
						t.Fatalf("node %%%d comes from %d\n%s\n%s", n.ID, n.Origin, g, h)
					}
				}
				for i, o := range h.Outputs {
					old := g.Outputs[i]
					if !slices.Equal(o.Shape, old.Shape) {
						t.Fatalf("output %d has shape %v, was %v", i, o.Shape, old.Shape)
					}
					for j := range o.Lo {
						if o.Lo[j] < old.Lo[j] || o.Hi[j] > old.Hi[j] {
							t.Fatalf("output %d: bounds got wider", i)
						}
					}
				}
			})
		})
	}
	for _, p := range passes {
		check(p.name, func(g *Graph) (*Graph, error) {
			h, changed := p.run(g)
			if !changed && h.String() != g.String() {
				t.Errorf("a change was not reported")
			}
			return h, nil
		})
	}
	check("optimize", (*Graph).Optimize)
	check("optimize twice", func(g *Graph) (*Graph, error) {
		h, err := g.Optimize()
		if err != nil {
			return nil, err
		}
		again, err := h.Optimize()
		if err == nil && again.String() != h.String() {
			t.Errorf("not a fixed point:\n%s\n%s", h, again)
		}
		return again, err
	})
}

// TestOptimizeForms gives graphs and what is left of them.
func TestOptimizeForms(t *testing.T) {
	const x = "%0 = input \"x\" shape=[2] lo=[0] hi=[3]\n"
	for name, c := range map[string][2]string{
		"chain": {x + `%1 = constant shape=[] data=[2]
%2 = multiply %0 %1
%3 = constant shape=[2] data=[-3 -3]
%4 = add %2 %3
%5 = negative %4
%6 = clip %5 range=[-2 9]
%7 = maximum %6 %1
%8 = less_equal %7 %1
%9 = lookup %8 table=[0: 5 8]
%10 = lookup %6 table=[-2: 4 0 1 2 3 0]
output %10 %9
`, x + `%1 = lookup %0 table=[0: 5 8 8 8] # [2] 5..8
%2 = lookup %0 table=[0: 0 2 0 4] # [2] 0..4
output %2 %1
`},
		"affine with another user": {x + `%1 = constant shape=[] data=[2]
%2 = add %0 %1
%3 = clip %2 range=[3 4]
output %3 %2
`, x + `%1 = constant shape=[] data=[2]
%2 = add %0 %1 # [2] 2..5
%3 = lookup %2 table=[2: 3 3 4 4] # [2] 3..4
output %3 %2
`},
		"rows": {x + `%1 = constant shape=[2] data=[1 2]
%2 = less_equal %0 %1
output %2
`, x + `%1 = lookup %0 table=[0: 1 1 0 0][0: 1 1 1 0] # [2] 0..1
output %1
`},
		"not across round": {x + `%1 = round %0 d=[1]
%2 = clip %1 range=[0 1]
output %2
`, x + `%1 = round %0 d=[1] # [2] 0..2
%2 = lookup %1 table=[0: 0 1 1] # [2] 0..1
output %2
`},
		"too wide": {`%0 = input "x" shape=[] lo=[0] hi=[8192]
%1 = clip %0 range=[0 1]
output %1
`, `%0 = input "x" shape=[] lo=[0] hi=[8192]
%1 = clip %0 range=[0 1] # [] 0..1
output %1
`},
		"share": {x + `%1 = constant shape=[] data=[2]
%2 = constant shape=[] data=[2]
%3 = add %0 %1
%4 = add %2 %0
%5 = subtract %3 %4
%6 = negative %4
%7 = reshape %6 shape=[2]
output %3 %4 %7
`, x + `%1 = constant shape=[] data=[2]
%2 = add %0 %1 # [2] 2..5
%3 = negative %2 # [2] -5..-2
output %2 %2 %3
`},
		"narrower bounds": {x + `%1 = lookup %0 table=[0: 1 3 1 3]
%2 = lookup %1 table=[1: 5 0 6]
%3 = negative %2
output %3
`, x + `%1 = lookup %0 table=[0: 5 6 5 6] # [2] 5..6
%2 = negative %1 # [2] -6..-5
output %2
`},
		"order and shape": {x + `%1 = negative %0
%2 = subtract %0 %1
%3 = subtract %1 %0
%4 = constant shape=[2] data=[1 2]
%5 = constant shape=[1 2] data=[1 2]
%6 = add %2 %4
%7 = add %3 %5
output %6 %7
`, x + `%1 = negative %0 # [2] -3..0
%2 = subtract %0 %1 # [2] 0..6
%3 = subtract %1 %0 # [2] -6..0
%4 = constant shape=[2] data=[1 2]
%5 = constant shape=[1 2] data=[1 2]
%6 = add %2 %4 # [2] 1..8
%7 = add %3 %5 # [1 2] -5..2
output %6 %7
`},
		"items": {x + `%1 = input "y" shape=[3] lo=[-1] hi=[1]
%2 = concatenate %0 %1 axis=[0]
%3 = getitem %2 index=[1]
%4 = getitem %2 index=[3]
output %3 %4
`, x + `%1 = input "y" shape=[3] lo=[-1] hi=[1]
%2 = getitem %0 index=[1] # [] 0..3
%3 = getitem %1 index=[1] # [] -1..1
output %2 %3
`},
		"where": {x + `%1 = constant shape=[] data=[1]
%2 = less %0 %1
%3 = negative %0
%4 = where %2 %3 %0
output %4
`, x + `%1 = lookup %0 table=[0: 1 0 0 0] # [2] 0..1
%2 = negative %0 # [2] -3..0
%3 = where %1 %2 %0 # [2] -3..3
output %3
`},
		"branches": {x + `%1 = constant shape=[] data=[3]
%2 = less_equal %0 %1
%3 = negative %0
%4 = where %2 %3 %0
%5 = negative %4
output %5
`, x + "output %0\n"},
		"narrow": {x + `%1 = lookup %0 table=[-2: 9 9 1 0 1 0 9 9]
%2 = lookup %0 table=[-1: 9 0 1 2 3 9]
output %1 %2
`, x + `%1 = lookup %0 table=[0: 1 0 1 0] # [2] 0..1
output %1 %0
`},
	} {
		g, err := Parse(strings.NewReader(c[0]))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		g, err = g.Optimize()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := g.String(); got != c[1] {
			t.Errorf("%s:\n%swant\n%s", name, got, c[1])
		}
	}
}

// TestOptimizeTrees keeps the form that the lowering knows: where nests on lookups of items of the input.
func TestOptimizeTrees(t *testing.T) {
	g := treeGraph(3, 4, 5)
	h, err := g.Optimize()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range h.Nodes {
		switch n.Op {
		case OpInput, OpConstant, OpAdd:
		case OpGetItem:
			if n.Args[0].Op != OpInput {
				t.Errorf("getitem of %s", n.Args[0].Op)
			}
		case OpLookup:
			if n.Args[0].Op != OpGetItem || n.Lo[0] != 0 || n.Hi[0] != 1 {
				t.Errorf("lookup of %s in %d..%d", n.Args[0].Op, n.Lo[0], n.Hi[0])
			}
		case OpWhere:
			if n.Args[0].Op != OpLookup {
				t.Errorf("where on %s", n.Args[0].Op)
			}
		default:
			t.Errorf("%s is left", n.Op)
		}
	}
	if len(h.Nodes) >= len(g.Nodes) {
		t.Errorf("%d nodes of %d are left", len(h.Nodes), len(g.Nodes))
	}
}

func BenchmarkOptimizeTrees(b *testing.B) {
	g := treeGraph(80, 6, 30) // 25000 nodes
	b.ReportMetric(float64(len(g.Nodes)), "nodes")
	for b.Loop() {
		if _, err := g.Optimize(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOptimizeLayers(b *testing.B) {
	g := NewGraph()
	x := g.Input("x", []int{64}, []int64{0}, []int64{127})
	n := g.Reshape(g.Bits(x, 7), -1)
	for range 2 {
		shape := []int{n.Size(), 2048}
		c := g.Constant(Array{Shape: shape, Data: make([]int64, shape[0]*shape[1])})
		for i := range c.Value.Data {
			c.Value.Data[i] = int64(i%7 - 3)
		}
		n = g.MatMul(n, c)
		n = g.Round(n, 8)
		lo, hi := n.Range()
		n = g.Lookup(n, TableOf(lo, hi, func(x int64) int64 { return max(0, min(x, 7)) }))
	}
	g.Output(n)
	b.ResetTimer()
	for b.Loop() {
		if _, err := g.Optimize(); err != nil {
			b.Fatal(err)
		}
	}
}
