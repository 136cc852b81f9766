package compiler

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// attempt runs a builder call and reports whether it was accepted. Refusals must be the documented ones.
func attempt(build func()) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			s, isString := r.(string)
			if !isString || !strings.HasPrefix(s, "compiler: ") || strings.Contains(s, "internal error") {
				panic(r)
			}
			ok = false
		}
	}()
	build()
	return true
}

var graphShapes = [][]int{{}, {1}, {3}, {4}, {2, 3}, {1, 3}, {2, 1}, {3, 3}, {2, 2, 3}}

// drawConstant draws a constant of some shape.
func drawConstant(t *rapid.T, g *Graph, shape []int) *Node {
	size, _ := shapeSize(shape)
	data := make([]int64, size)
	equal := rapid.Bool().Draw(t, "equal")
	for i := range data {
		if data[i] = rapid.Int64Range(-9, 9).Draw(t, "value"); equal {
			data[i] = data[0]
		}
	}
	return g.Constant(Array{Shape: shape, Data: data})
}

// drawTable draws a table for a, or false if a is too wide.
func drawTable(t *rapid.T, a *Node) (Table, bool) {
	lo, hi := a.Range()
	if hi-lo > 300 {
		return Table{}, false
	}
	tab := Table{}
	rows := 1
	if rapid.Bool().Draw(t, "rows") {
		rows = a.Size()
	}
	scale := rapid.Int64Range(-3, 3).Draw(t, "scale")
	for r := range rows {
		first := lo - rapid.Int64Range(0, 3).Draw(t, "first")
		row := make([]int64, hi-first+1)
		for i := range row {
			row[i] = scale*int64(i) + int64(r*i)%7 + rapid.Int64Range(0, 3).Draw(t, "entry")
		}
		tab.Lo, tab.Values = append(tab.Lo, first), append(tab.Values, row)
	}
	return tab, true
}

// uniform draws from 0..n-1 without rapid's preference for small values, which would leave most graphs trivial.
func uniform(t *rapid.T, n int, label string) int {
	return int(rapid.Uint64().Draw(t, label) * 0x9e3779b97f4a7c15 >> 33 % uint64(n))
}

// drawStep tries to add one random operation.
func drawStep(t *rapid.T, g *Graph) {
	var open []*Node // those that depend on an input
	for _, n := range g.Nodes {
		if !n.Known() {
			open = append(open, n)
		}
	}
	pick := func() *Node { // often the last one
		if uniform(t, 8, "any") == 0 || len(open) == 0 {
			return g.Nodes[uniform(t, len(g.Nodes), "node")]
		}
		return open[max(uniform(t, 2*len(open), "node")-len(open), 0, len(open)-1-uniform(t, 4, "back"))]
	}
	a := pick()
	dim := func() int { return rapid.IntRange(-3, 3).Draw(t, "int") }
	operand := func() *Node {
		switch uniform(t, 5, "operand") {
		case 0:
			return pick()
		case 1:
			return drawConstant(t, g, rapid.SampledFrom(graphShapes).Draw(t, "shape"))
		case 2:
			return drawConstant(t, g, a.Shape)
		case 3:
			return g.Scalar(int64(uniform(t, 19, "scalar") - 9))
		default: // another value of the same shape
			var same []*Node
			for _, n := range g.Nodes {
				if slices.Equal(n.Shape, a.Shape) {
					same = append(same, n)
				}
			}
			return same[uniform(t, len(same), "same")]
		}
	}
	pairs := []func(a, b *Node) *Node{g.Add, g.Subtract, g.Multiply, g.MatMul, g.LessEqual, g.Less, g.Greater,
		g.GreaterEqual, g.Equal, g.NotEqual, g.Maximum, g.Minimum}
	attempt(func() {
		switch k := uniform(t, 28, "op"); k {
		case 12:
			g.Negative(a)
		case 13:
			g.Sum(a, dim())
		case 14:
			g.SumAll(a)
		case 15:
			g.Reshape(a, rapid.SliceOfN(rapid.SampledFrom([]int{-1, 1, 2, 3}), 0, 3).Draw(t, "shape")...)
		case 16:
			perm := rapid.Permutation([]int{0, 1, 2}[:min(3, len(a.Shape))]).Draw(t, "perm")
			g.Transpose(a, perm...)
		case 17:
			if n := g.Concatenate(dim(), a, operand(), a); rapid.Bool().Draw(t, "item") {
				g.GetItem(n, rapid.IntRange(0, n.Shape[0]-1).Draw(t, "index"))
			}
		case 18:
			g.GetItem(a, dim())
		case 19, 20:
			if tab, ok := drawTable(t, a); ok {
				g.Lookup(a, tab)
			}
		case 21:
			g.Where(g.Less(operand(), a), operand(), a)
		case 27:
			size := a.Size()
			index := make([]int, 4)
			for i := range index {
				index[i] = uniform(t, size+1, "index") // one too many is refused
			}
			g.Take(g.Take(a, index, 2, 2), []int{3, 1, 1}, 3)
		case 26:
			drawConv(t, g, a)
		case 25:
			g.Where(pick(), a, operand())
		case 22:
			lo := rapid.Int64Range(-20, 20).Draw(t, "lo")
			g.Clip(a, lo, lo+rapid.Int64Range(0, 20).Draw(t, "width"))
		case 23:
			g.Bits(a, rapid.IntRange(1, 8).Draw(t, "n"))
		case 24:
			if d := rapid.IntRange(1, 4).Draw(t, "d"); rapid.Bool().Draw(t, "approximate") {
				g.RoundApproximate(a, d)
			} else {
				g.Round(a, d)
			}
		default:
			b := operand()
			if rapid.Bool().Draw(t, "swap") {
				a, b = b, a
			}
			pairs[k](a, b)
		}
	})
	if n := g.Nodes[len(g.Nodes)-1]; n.Size() > 500 { // keep it small
		g.SumAll(n)
	}
}

// drawGraph draws a graph with one to three outputs.
func drawGraph(t *rapid.T) *Graph {
	g := NewGraph()
	for i := range rapid.IntRange(1, 3).Draw(t, "inputs") {
		shape := graphShapes[uniform(t, len(graphShapes), "shape")]
		size, _ := shapeSize(shape)
		lo, hi := make([]int64, size), make([]int64, size)
		for j := range lo {
			lo[j] = rapid.Int64Range(-8, 8).Draw(t, "lo")
			hi[j] = lo[j] + int64(uniform(t, 10, "width"))
		}
		if rapid.Bool().Draw(t, "one bound") {
			lo, hi = lo[:1], hi[:1]
		}
		g.Input(fmt.Sprintf("x# %d\"\n", i), shape, lo, hi)
	}
	for range 1 + uniform(t, 40, "steps") {
		drawStep(t, g)
	}
	for range 1 + uniform(t, 3, "outputs") {
		back := uniform(t, min(12, len(g.Nodes)), "output")
		for back < len(g.Nodes)-1 && g.Nodes[len(g.Nodes)-1-back].Known() {
			back++
		}
		g.Output(g.Nodes[len(g.Nodes)-1-back])
	}
	return g
}

// drawInputs draws values within the bounds of the inputs.
func drawInputs(t *rapid.T, g *Graph) map[string][]int64 {
	inputs := make(map[string][]int64)
	for _, n := range g.Inputs() {
		x := make([]int64, n.Size())
		for i := range x {
			x[i] = rapid.Int64Range(n.Lo[i], n.Hi[i]).Draw(t, "x")
		}
		inputs[n.Name] = x
	}
	return inputs
}

// TestGraphProperties: what builders make passes Verify; a clone is equal; every value stays within its bounds.
func TestGraphProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGraph(t)
		if err := g.Verify(); err != nil {
			t.Fatalf("%v\n%s", err, g)
		}
		c := g.Clone()
		if err := c.Verify(); err != nil || c.String() != g.String() {
			t.Fatalf("the clone differs: %v", err)
		}
		c.Outputs = c.Nodes // look at every node
		it, err := NewInterpreter(c)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			values, err := it.Run(drawInputs(t, g))
			if err != nil {
				t.Fatal(err)
			}
			for i, n := range c.Nodes {
				for j, v := range values[i] {
					if v < n.Lo[j] || v > n.Hi[j] {
						t.Fatalf("node %%%d element %d is %d, outside %d..%d\n%s", i, j, v, n.Lo[j], n.Hi[j], g)
					}
				}
			}
		}
	})
}

// TestExactBounds evaluates single operations on every input: each bound must be attained.
func TestExactBounds(t *testing.T) {
	scalar := func(f func(g *Graph, x *Node) *Node) func(g *Graph) *Node {
		return func(g *Graph) *Node { return f(g, g.Input("x", []int{3}, []int64{-3, 0, 2}, []int64{2, 4, 2})) }
	}
	three := func(g *Graph) *Node { return g.Constant(Array{Shape: []int{3}, Data: []int64{-2, 0, 3}}) }
	cases := map[string]func(g *Graph) *Node{
		"add":      scalar(func(g *Graph, x *Node) *Node { return g.Add(x, three(g)) }),
		"add 2":    scalar(func(g *Graph, x *Node) *Node { return g.Add(x, g.Input("y", nil, []int64{-1}, []int64{2})) }),
		"subtract": scalar(func(g *Graph, x *Node) *Node { return g.Subtract(three(g), x) }),
		"multiply": scalar(func(g *Graph, x *Node) *Node { return g.Multiply(x, three(g)) }),
		"negative": scalar(func(g *Graph, x *Node) *Node { return g.Negative(x) }),
		"matmul":   scalar(func(g *Graph, x *Node) *Node { return g.MatMul(x, three(g)) }),
		"matmul 2": scalar(func(g *Graph, x *Node) *Node { return g.MatMul(g.Reshape(three(g), 3, 1), g.Reshape(x, 1, 3)) }),
		"matmul 3": scalar(func(g *Graph, x *Node) *Node { return g.MatMul(g.Reshape(x, 3, 1), g.Reshape(three(g), 1, 3)) }),
		"conv": scalar(func(g *Graph, x *Node) *Node {
			return g.Conv(g.Reshape(x, 1, 3), g.Constant(Array{Shape: []int{2, 1, 2}, Data: []int64{-2, 3, 1, 0}}), Window{Before: []int{1}, After: []int{1}})
		}),
		"sum":     scalar(func(g *Graph, x *Node) *Node { return g.SumAll(x) }),
		"bits":    scalar(func(g *Graph, x *Node) *Node { return g.Bits(g.Add(x, g.Scalar(3)), 4) }),
		"round":   scalar(func(g *Graph, x *Node) *Node { return g.Round(x, 1) }),
		"clip":    scalar(func(g *Graph, x *Node) *Node { return g.Clip(x, -1, 1) }),
		"maximum": scalar(func(g *Graph, x *Node) *Node { return g.Maximum(x, three(g)) }),
		"minimum": scalar(func(g *Graph, x *Node) *Node { return g.Minimum(three(g), x) }),
		"where": scalar(func(g *Graph, x *Node) *Node {
			return g.Where(g.Input("c", []int{3}, []int64{0, 0, 1}, []int64{1, 0, 1}), x, three(g))
		}),
		"lookup": scalar(func(g *Graph, x *Node) *Node {
			return g.Lookup(x, TableOf(-3, 4, func(x int64) int64 { return (x*x*5 + x) % 7 }))
		}),
		"getitem":   scalar(func(g *Graph, x *Node) *Node { return g.GetItem(x, -2) }),
		"take":      scalar(func(g *Graph, x *Node) *Node { return g.Take(x, []int{2, 0, 2, 1}, 2, 2) }),
		"transpose": scalar(func(g *Graph, x *Node) *Node { return g.Transpose(g.Reshape(x, 3, 1)) }),
	}
	for name, op := range map[string]func(g *Graph, a, b *Node) *Node{
		"less_equal": (*Graph).LessEqual, "less": (*Graph).Less, "greater": (*Graph).Greater,
		"greater_equal": (*Graph).GreaterEqual, "equal": (*Graph).Equal, "not_equal": (*Graph).NotEqual,
	} {
		for c := int64(-4); c <= 5; c++ {
			cases[fmt.Sprint(name, c)] = scalar(func(g *Graph, x *Node) *Node { return op(g, x, g.Scalar(c)) })
			cases[fmt.Sprint("swapped ", name, c)] = scalar(func(g *Graph, x *Node) *Node { return op(g, g.Scalar(c), x) })
		}
	}
	for name, build := range cases {
		g := NewGraph()
		n := build(g)
		g.Output(n)
		it, err := NewInterpreter(g)
		if err != nil {
			t.Fatal(name, err)
		}
		var lo, hi []int64
		everyInput(g.Inputs(), map[string][]int64{}, func(inputs map[string][]int64) {
			out, err := it.Run(inputs)
			if err != nil {
				t.Fatal(name, err)
			}
			if lo == nil {
				lo, hi = slices.Clone(out[0]), slices.Clone(out[0])
			}
			for i, v := range out[0] {
				lo[i], hi[i] = min(lo[i], v), max(hi[i], v)
			}
		})
		if !slices.Equal(lo, n.Lo) || !slices.Equal(hi, n.Hi) {
			t.Errorf("%s: bounds %v..%v, values %v..%v", name, n.Lo, n.Hi, lo, hi)
		}
	}
}

// everyInput calls f with every assignment of the inputs.
func everyInput(inputs []*Node, chosen map[string][]int64, f func(map[string][]int64)) {
	if len(inputs) == 0 {
		f(chosen)
		return
	}
	n := inputs[0]
	x := slices.Clone(n.Lo)
	chosen[n.Name] = x
	for {
		everyInput(inputs[1:], chosen, f)
		i := 0
		for ; i < len(x); i++ {
			if x[i]++; x[i] <= n.Hi[i] {
				break
			}
			x[i] = n.Lo[i]
		}
		if i == len(x) {
			return
		}
	}
}

// TestBuilderRefusals: a caller's mistakes panic with the package's prefix and leave the graph as it was.
func TestBuilderRefusals(t *testing.T) {
	const big = int64(1) << 61
	kernel := func(g *Graph, k int) *Node { return g.Constant(Array{Shape: []int{1, 1, k}, Data: make([]int64, k)}) }
	cases := map[string]func(g *Graph, x, y *Node){
		"shapes":           func(g *Graph, x, y *Node) { g.Add(x, y) },
		"unknown matmul":   func(g *Graph, x, _ *Node) { g.MatMul(x, x) },
		"matmul axes":      func(g *Graph, x, y *Node) { g.MatMul(g.Constant(Array{Shape: []int{4}, Data: make([]int64, 4)}), x) },
		"overflow":         func(g *Graph, x, _ *Node) { g.Multiply(x, g.Scalar(big)) },
		"constant":         func(g *Graph, x, _ *Node) { g.Scalar(1 << 62) },
		"most negative":    func(g *Graph, x, _ *Node) { g.Scalar(-1 << 63) },
		"constant size":    func(g *Graph, x, _ *Node) { g.Constant(Array{Shape: []int{2}, Data: []int64{1}}) },
		"empty axis":       func(g *Graph, x, _ *Node) { g.Input("z", []int{0}, []int64{0}, []int64{1}) },
		"input twice":      func(g *Graph, x, _ *Node) { g.Input("x", nil, []int64{0}, []int64{1}) },
		"input unnamed":    func(g *Graph, x, _ *Node) { g.Input("", nil, []int64{0}, []int64{1}) },
		"input bounds":     func(g *Graph, x, _ *Node) { g.Input("z", nil, []int64{2}, []int64{1}) },
		"axis":             func(g *Graph, x, _ *Node) { g.Sum(x, 1) },
		"index":            func(g *Graph, x, _ *Node) { g.GetItem(x, -4) },
		"reshape":          func(g *Graph, x, _ *Node) { g.Reshape(x, 2) },
		"reshape free":     func(g *Graph, x, _ *Node) { g.Reshape(x, 2, -1) },
		"reshape two free": func(g *Graph, x, _ *Node) { g.Reshape(x, -1, -1) },
		"transpose":        func(g *Graph, x, _ *Node) { g.Transpose(x, 0, 0) },
		"take index":       func(g *Graph, x, _ *Node) { g.Take(x, []int{3}, 1) },
		"take shape":       func(g *Graph, x, _ *Node) { g.Take(x, []int{1}, 2) },
		"take axis":        func(g *Graph, x, _ *Node) { g.Take(x, nil, 0) },
		"no parts":         func(g *Graph, x, _ *Node) { g.Concatenate(0) },
		"table":            func(g *Graph, x, _ *Node) { g.Lookup(x, TableOf(0, 6, func(x int64) int64 { return x })) },
		"no rows":          func(g *Graph, x, _ *Node) { g.Lookup(x, Table{}) },
		"condition":        func(g *Graph, x, _ *Node) { g.Where(x, x, x) },
		"conv axes":        func(g *Graph, x, _ *Node) { g.Conv(x, g.Scalar(1), Window{}) },
		"conv long":        func(g *Graph, x, y *Node) { g.Conv(g.Reshape(x, 1, 3), kernel(g, 4), Window{}) },
		"conv stride":      func(g *Graph, x, y *Node) { g.Conv(g.Reshape(x, 1, 3), kernel(g, 2), Window{Strides: []int{0}}) },
		"conv padding":     func(g *Graph, x, y *Node) { g.Conv(g.Reshape(x, 1, 3), kernel(g, 2), Window{Before: []int{-1}}) },
		"conv groups":      func(g *Graph, x, y *Node) { g.Conv(g.Reshape(x, 3, 1), kernel(g, 1), Window{Groups: 2}) },
		"conv window":      func(g *Graph, x, y *Node) { g.Conv(g.Reshape(x, 1, 3), kernel(g, 2), Window{After: []int{1, 1}}) },
		"unknown conv":     func(g *Graph, x, y *Node) { g.Conv(g.Reshape(x, 1, 3), g.Reshape(x, 1, 1, 3), Window{}) },
		"sum pool":         func(g *Graph, x, y *Node) { g.SumPool(g.Reshape(x, 1, 3), []int{0}, Window{}) },
		"clip":             func(g *Graph, x, _ *Node) { g.Clip(x, 1, 0) },
		"bits":             func(g *Graph, x, _ *Node) { g.Bits(x, 2) },
		"round":            func(g *Graph, x, _ *Node) { g.Round(x, 0) },
		"foreign":          func(g *Graph, x, _ *Node) { g.Add(x, NewGraph().Scalar(0)) },
		"nil":              func(g *Graph, x, _ *Node) { g.Negative(nil) },
		"output":           func(g *Graph, x, _ *Node) { g.Output(NewGraph().Scalar(0)) },
	}
	for name, mistake := range cases {
		g := NewGraph()
		x := g.Input("x", []int{3}, []int64{0}, []int64{7})
		y := g.Input("y", []int{2}, []int64{0}, []int64{7})
		if attempt(func() { mistake(g, x, y) }) {
			t.Errorf("%s: accepted", name)
		}
		g.Output(x)
		if err := g.Verify(); err != nil {
			t.Errorf("%s: the graph is broken: %v", name, err)
		}
	}
}

// TestVerifyRefusals breaks a valid graph in every field.
func TestVerifyRefusals(t *testing.T) {
	cases := map[string]func(g *Graph){
		"id":            func(g *Graph) { g.Nodes[1].ID = 0 },
		"order":         func(g *Graph) { g.Nodes[0], g.Nodes[1] = g.Nodes[1], g.Nodes[0] },
		"nil":           func(g *Graph) { g.Nodes[1] = nil },
		"nil argument":  func(g *Graph) { g.Nodes[2].Args[0] = nil },
		"self argument": func(g *Graph) { g.Nodes[2].Args[0] = g.Nodes[2] },
		"arguments":     func(g *Graph) { g.Nodes[2].Args = g.Nodes[2].Args[:1] },
		"op":            func(g *Graph) { g.Nodes[2].Op = "power" },
		"shape":         func(g *Graph) { g.Nodes[2].Shape = []int{1, 3} },
		"bounds":        func(g *Graph) { g.Nodes[2].Hi[0]++ },
		"no bounds":     func(g *Graph) { g.Nodes[0].Lo = nil },
		"attributes":    func(g *Graph) { g.Nodes[2].Ints = []int64{1} },
		"value":         func(g *Graph) { g.Nodes[1].Value = nil },
		"value size":    func(g *Graph) { g.Nodes[1].Value.Data = nil },
		"table":         func(g *Graph) { g.Nodes[3].Table = nil },
		"table rows":    func(g *Graph) { g.Nodes[3].Table.Lo = nil },
		"short table":   func(g *Graph) { g.Nodes[3].Table.Values[0] = g.Nodes[3].Table.Values[0][:3] },
		"name":          func(g *Graph) { g.Nodes[0].Name = "" },
		"outputs":       func(g *Graph) { g.Outputs = nil },
		"output":        func(g *Graph) { g.Outputs[0] = NewGraph().Scalar(0) },
		"input twice":   func(g *Graph) { g.Nodes[4].Name = "x" },
	}
	for name, damage := range cases {
		g := NewGraph()
		x := g.Input("x", []int{3}, []int64{0}, []int64{7})
		s := g.Add(x, g.Scalar(1))
		g.Output(g.Lookup(s, TableOf(0, 8, func(x int64) int64 { return x * x })))
		g.Input("y", nil, []int64{0}, []int64{1})
		if err := g.Verify(); err != nil {
			t.Fatal(err)
		}
		damage(g)
		if err := g.Verify(); err == nil || !strings.HasPrefix(err.Error(), "compiler: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
