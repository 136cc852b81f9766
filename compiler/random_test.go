package compiler

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Limits of toy graphs: those that an encrypted run of a second or two can check.
const (
	toyNodes    = 30
	toyElements = 6
	toyValues   = 32 // of an element that may meet others
)

// toyShapes are those of inputs.
var toyShapes = [][]int{{}, {1}, {2}, {3}, {2, 2}, {1, 3}}

// DrawToy draws a graph of up to 30 nodes with every kind of operation on values so narrow that most of them have an encrypted form. It has one to three
// outputs that depend on an input.
func DrawToy(t *rapid.T) *Graph {
	g := NewGraph()
	for i := range 1 + uniform(t, 2, "inputs") {
		shape := toyShapes[uniform(t, len(toyShapes), "shape")]
		size, _ := shapeSize(shape)
		lo, hi := make([]int64, size), make([]int64, size)
		for j := range lo {
			lo[j] = int64(uniform(t, 5, "lo")) - 3
			hi[j] = lo[j] + int64(1+uniform(t, 7, "width"))
		}
		g.Input(fmt.Sprintf("x%d", i), shape, lo, hi)
	}
	most := 8 + uniform(t, toyNodes-7, "nodes")
	for tries := 0; len(g.Nodes) < most && tries < 100; tries++ {
		drawToyStep(t, g, most)
	}
	for range 1 + uniform(t, 3, "outputs") {
		if open := openNodes(g); len(open) > 0 {
			g.Output(open[len(open)-1-uniform(t, min(4, len(open)), "output")])
		}
	}
	return g
}

// openNodes are the nodes that depend on an input, as far as bounds tell.
func openNodes(g *Graph) []*Node {
	var open []*Node
	for _, n := range g.Nodes {
		if !n.Known() {
			open = append(open, n)
		}
	}
	return open
}

// toyTable draws a table over the bounds of a with small values.
func toyTable(t *rapid.T, a *Node) Table {
	tab, rows, most := Table{}, 1, 1+uniform(t, 8, "most")
	if uniform(t, 2, "rows") == 0 {
		rows = a.Size()
	}
	lo, hi := a.Range()
	for r := range rows {
		if rows > 1 {
			lo, hi = a.Lo[r], a.Hi[r]
		}
		row := make([]int64, hi-lo+1)
		for i := range row {
			row[i] = int64(uniform(t, most+1, "entry")) - int64(most/3)
		}
		tab.Lo, tab.Values = append(tab.Lo, lo), append(tab.Values, row)
	}
	return tab
}

// drawToyStep tries to add an operation, with the constants it takes and, where its values are too many for others to come, a table that makes them fewer.
func drawToyStep(t *rapid.T, g *Graph, most int) {
	open := openNodes(g)
	pick := func() *Node { return open[len(open)-1-uniform(t, min(8, len(open)), "node")] }
	a := pick()
	constant := func(shape []int) *Node {
		size, _ := shapeSize(shape)
		data := make([]int64, size)
		for i := range data {
			data[i] = int64(uniform(t, 9, "value")) - 4
		}
		return g.Constant(Array{Shape: shape, Data: data})
	}
	operand := func() *Node { // of a's shape, or a scalar, or whatever broadcasts
		switch uniform(t, 4, "operand") {
		case 0:
			return constant(a.Shape)
		case 1:
			return g.Scalar(int64(uniform(t, 9, "scalar")) - 4)
		case 2:
			return pick()
		}
		same := slices.DeleteFunc(slices.Clone(open), func(n *Node) bool { return !slices.Equal(n.Shape, a.Shape) })
		return same[uniform(t, len(same), "same")]
	}
	pairs := []func(a, b *Node) *Node{g.Add, g.Subtract, g.Multiply, g.LessEqual, g.Less, g.Greater, g.GreaterEqual, g.Equal, g.NotEqual, g.Maximum, g.Minimum}
	before := len(g.Nodes)
	var n *Node
	ok := attempt(func() {
		switch k := uniform(t, len(pairs)+20, "op") - len(pairs); k {
		case 0:
			n = g.Negative(a)
		case 1:
			n = g.Sum(a, uniform(t, len(a.Shape)+1, "axis"))
		case 2:
			n = g.SumAll(a)
		case 3:
			n = g.Reshape(a, [][]int{{-1}, {1, -1}, {-1, 1}, {2, -1}}[uniform(t, 4, "shape")]...)
		case 4:
			n = g.Transpose(a)
		case 5:
			n = g.Concatenate(uniform(t, 2, "axis"), a, operand())
		case 6:
			n = g.GetItem(a, uniform(t, 3, "index"))
		case 7:
			index := make([]int, 4)
			for i := range index {
				index[i] = uniform(t, a.Size(), "index")
			}
			n = g.Take(a, index, 2, 2)
		case 8, 9, 16, 17:
			n = g.Lookup(a, toyTable(t, a))
		case 10, 18:
			n = g.Where(g.LessEqual(operand(), a), operand(), operand())
		case 11, 19:
			n = g.Where(g.LessEqual(g.SumAll(a), g.Scalar(int64(uniform(t, 9, "threshold")))), operand(), operand())
		case 12:
			n = g.Clip(a, int64(uniform(t, 4, "lo"))-3, int64(uniform(t, 6, "hi")))
		case 13:
			n = g.Bits(a, 3)
		case 14:
			n = g.Round(a, 1+uniform(t, 3, "d"))
		case 15:
			if n = a; len(a.Shape) == 2 {
				n = g.Conv(g.Reshape(a, 1, a.Shape[0], a.Shape[1]), constant([]int{2, 1, 1 + uniform(t, 2, "high"), 2}), Window{Before: []int{0, 1}})
			} else {
				n = g.MatMul(g.Reshape(a, -1), constant([]int{a.Size(), 2}))
			}
		default:
			b := operand()
			if uniform(t, 2, "swap") == 0 {
				a, b = b, a
			}
			n = pairs[k+len(pairs)](a, b)
		}
	})
	if !ok || n.Known() || n.Size() > 3*toyElements || len(g.Nodes) > most {
		g.Nodes = g.Nodes[:before] // nothing else holds what is dropped
		return
	}
	if n.Size() > toyElements && len(g.Nodes) < most {
		n = g.Take(n, []int{n.Size() - 1, 0, 2}, 3)
	}
	if widest(n) > toyValues && len(g.Nodes) < most {
		if lo, hi := n.Range(); hi-lo < 1<<tableBits {
			g.Lookup(n, toyTable(t, n))
		} else {
			g.Clip(n, -5, 6)
		}
	}
}

// TestToyGraphs: what is drawn for encrypted runs is valid, prints and parses to itself, and keeps its values through every pass and as a model.
func TestToyGraphs(t *testing.T) {
	met := map[Op]bool{}
	rapid.Check(t, func(t *rapid.T) {
		g := DrawToy(t)
		if len(g.Outputs) == 0 || len(g.Nodes) > toyNodes {
			t.Fatalf("%d outputs, %d nodes", len(g.Outputs), len(g.Nodes))
		}
		if err := g.Verify(); err != nil {
			t.Fatalf("%v\n%s", err, g)
		}
		text := g.String()
		p, err := Parse(strings.NewReader(text))
		if err != nil || p.String() != text {
			t.Fatalf("%v\n%s\n%s", err, text, p)
		}
		checkSame(t, g, p)
		for _, pass := range passes {
			h, _ := pass.run(g)
			checkSame(t, g, h)
		}
		h, err := g.Optimize()
		if err != nil {
			t.Fatalf("%v\n%s", err, g)
		}
		checkSame(t, g, h)
		for _, n := range g.Nodes {
			met[n.Op] = true
		}
	})
	for op := range opNames() {
		if !met[op] && !testing.Short() {
			t.Errorf("no %s was drawn", op)
		}
	}
}

// opNames are all operations.
func opNames() map[Op]bool {
	names := map[Op]bool{}
	for _, op := range []Op{OpInput, OpConstant, OpAdd, OpSubtract, OpNegative, OpMultiply, OpMatMul, OpConv, OpSum, OpReshape, OpTranspose, OpConcatenate, OpGetItem, OpTake,
		OpLookup, OpWhere, OpLessEqual, OpLess, OpGreater, OpGreaterEqual, OpEqual, OpNotEqual, OpMaximum, OpMinimum, OpClip, OpBits, OpRound} {
		names[op] = true
	}
	return names
}
