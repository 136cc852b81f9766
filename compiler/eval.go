package compiler

import (
	"fmt"
	"slices"
)

// Eval runs g on integers: inputs holds the elements of each input by name, in row-major order, and the result has one
// slice per output. This run is the quantized model. It checks g and the inputs; the error for an input outside its
// bounds names the input and the element but not the value. For many rows use an [Interpreter].
func (g *Graph) Eval(inputs map[string][]int64) ([][]int64, error) {
	it, err := NewInterpreter(g)
	if err != nil {
		return nil, err
	}
	return it.Run(inputs)
}

// Interpreter runs one graph on many rows. It owns its buffers: use one per goroutine.
type Interpreter struct {
	inputs  []*Node
	values  [][]int64 // by node ID; nil for nodes that no output needs
	steps   []step
	outputs []*Node
	results [][]int64
}

// step computes one node into a buffer.
type step struct {
	node    *Node
	out     []int64
	args    [3][]int64 // the arguments' buffers; concatenate uses parts
	spreads [3]spread  // for the broadcast operations
	parts   [][]int64
	index   []int        // for transpose and take
	conv    *convolution // for conv
}

// NewInterpreter checks g with Verify and prepares its evaluation. g must not change while the Interpreter is in use.
func NewInterpreter(g *Graph) (*Interpreter, error) {
	if err := g.Verify(); err != nil {
		return nil, err
	}
	it := &Interpreter{inputs: g.Inputs(), values: make([][]int64, len(g.Nodes)), outputs: g.Outputs}
	live := g.reachable()
	for _, n := range g.Nodes {
		if live[n.ID] {
			it.prepare(n)
		}
	}
	for _, o := range g.Outputs {
		it.results = append(it.results, make([]int64, len(it.values[o.ID])))
	}
	return it, nil
}

// prepare gives n its buffer, and a step unless the buffer is a view of what another node computes.
func (it *Interpreter) prepare(n *Node) {
	if n.Known() && n.Op != OpInput { // its value does not depend on the inputs
		it.values[n.ID] = n.Lo
		return
	}
	view := func(a *Node) []int64 { return it.values[a.ID] }
	switch n.Op {
	case OpInput:
		it.values[n.ID] = make([]int64, n.Size())
		return
	case OpReshape, OpGetItem:
		it.values[n.ID] = moveElements(n, view)
		return
	}
	s := step{node: n, out: make([]int64, n.Size())}
	switch n.Op {
	case OpConcatenate:
		for _, a := range n.Args {
			s.parts = append(s.parts, view(a))
		}
	case OpConv:
		s.conv = convolutionOf(n)
	case OpTake:
		for _, j := range takeIndex(n) {
			s.index = append(s.index, int(j))
		}
	case OpTranspose:
		s.index = transposeIndex(n.Args[0].Shape, n.Ints)
	}
	for i, a := range n.Args {
		if i < len(s.args) {
			s.args[i] = view(a)
			if len(n.Args) > 1 && n.Op != OpMatMul && n.Op != OpConv && n.Op != OpConcatenate {
				s.spreads[i] = spreadTo(a.Shape, n.Shape)
			}
		}
	}
	it.values[n.ID] = s.out
	it.steps = append(it.steps, s)
}

// Run evaluates one row as [Graph.Eval] does. The returned slices are valid until the next call.
func (it *Interpreter) Run(inputs map[string][]int64) ([][]int64, error) {
	for _, n := range it.inputs {
		x, ok := inputs[n.Name]
		if !ok {
			return nil, fmt.Errorf("compiler: input %q is missing", n.Name)
		}
		if len(x) != len(n.Lo) {
			return nil, fmt.Errorf("compiler: input %q has %d elements, want %d", n.Name, len(x), len(n.Lo))
		}
		for i, v := range x {
			if v < n.Lo[i] || v > n.Hi[i] {
				return nil, fmt.Errorf("compiler: input %q: element %d is outside its bounds %d..%d", n.Name, i, n.Lo[i], n.Hi[i])
			}
		}
		copy(it.values[n.ID], x)
	}
	if len(inputs) != len(it.inputs) {
		for name := range inputs {
			if !slices.ContainsFunc(it.inputs, func(n *Node) bool { return n.Name == name }) {
				return nil, fmt.Errorf("compiler: the graph has no input %q", name)
			}
		}
	}
	for i := range it.steps {
		it.steps[i].run()
	}
	for i, o := range it.outputs {
		copy(it.results[i], it.values[o.ID])
	}
	return it.results, nil
}

// run computes the step's node. Verify has shown that no operation overflows, except in partial sums, where wrapping
// around is harmless.
func (s *step) run() {
	n, a := s.node, s.args[0]
	switch n.Op {
	case OpMatMul:
		m, k, cols := matMulDims(n.Args[0].Shape, n.Args[1].Shape)
		matMul(s.out, a, s.args[1], m, k, cols)
	case OpConv:
		s.conv.eval(s.out, a, s.args[1])
	case OpSum:
		s.sum(a)
	case OpTranspose, OpTake:
		for i, j := range s.index {
			s.out[i] = a[j]
		}
	case OpConcatenate:
		outer, _, _ := splitAxis(n.Shape, int(n.Ints[0]))
		at := 0
		for o := range outer {
			for _, p := range s.parts {
				chunk := len(p) / outer
				at += copy(s.out[at:], p[o*chunk:(o+1)*chunk])
			}
		}
	case OpNegative, OpRound, OpRoundApproximate, OpClip:
		for i, x := range a {
			s.out[i] = unary(n, x)
		}
	case OpLookup:
		for i, x := range a {
			lo, row := n.Table.Row(i)
			s.out[i] = row[x-lo]
		}
	case OpBits:
		bits := int(n.Ints[0])
		for i, x := range a {
			for b := range bits {
				s.out[i*bits+b] = x >> b & 1
			}
		}
	case OpWhere:
		for i := range s.out {
			if a[s.spreads[0].at(i)] != 0 {
				s.out[i] = s.args[1][s.spreads[1].at(i)]
			} else {
				s.out[i] = s.args[2][s.spreads[2].at(i)]
			}
		}
	default:
		for i := range s.out {
			s.out[i] = binaryValue(n.Op, a[s.spreads[0].at(i)], s.args[1][s.spreads[1].at(i)])
		}
	}
}

// sum adds over one axis or all.
func (s *step) sum(a []int64) {
	n := s.node
	outer, size, inner := 1, len(a), 1
	if len(n.Ints) == 1 {
		outer, size, inner = splitAxis(n.Args[0].Shape, int(n.Ints[0]))
	}
	clear(s.out)
	for o := range outer {
		for j := range size {
			for i, v := range a[(o*size+j)*inner : (o*size+j+1)*inner] {
				s.out[o*inner+i] += v
			}
		}
	}
}

// matMul computes out = a @ b for [m,k] @ [k,cols], skipping zeros of a, of which bits have many.
func matMul(out, a, b []int64, m, k, cols int) {
	clear(out)
	for i := range m {
		row := out[i*cols : (i+1)*cols]
		for j, x := range a[i*k : (i+1)*k] {
			if x == 0 {
				continue
			}
			for c, w := range b[j*cols : (j+1)*cols] {
				row[c] += x * w
			}
		}
	}
}
