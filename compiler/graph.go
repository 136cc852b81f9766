package compiler

import "slices"

// Op names an operation of a [Graph], with numpy's name and numpy's meaning on int64 where numpy has it.
type Op string

// The operations. Attributes are held in [Node.Ints].
const (
	OpInput        Op = "input"         // no arguments; Name, and Lo and Hi as the promise of who calls Eval
	OpConstant     Op = "constant"      // no arguments; Value
	OpAdd          Op = "add"           // a + b, broadcast
	OpSubtract     Op = "subtract"      // a - b, broadcast
	OpNegative     Op = "negative"      // -a
	OpMultiply     Op = "multiply"      // a * b, broadcast
	OpMatMul       Op = "matmul"        // a @ b for ranks 1 and 2, one of them known (of two encrypted: multiply and sum)
	OpConv         Op = "conv"          // convolution with a known kernel; Ints: groups, then strides, paddings before and after, dilations per axis
	OpSum          Op = "sum"           // Ints: the axis, or empty for the sum of all elements
	OpReshape      Op = "reshape"       // Ints: the new shape
	OpTranspose    Op = "transpose"     // Ints: axis i of the result is axis Ints[i] of the argument
	OpConcatenate  Op = "concatenate"   // Ints: the axis; one or more arguments
	OpGetItem      Op = "getitem"       // Ints: the index on axis 0, which disappears
	OpTake         Op = "take"          // Ints: rank r, the r axes of the result, then for each of its elements an index into the argument in row-major order
	OpLookup       Op = "lookup"        // Table
	OpWhere        Op = "where"         // condition (0 or 1), value for 1, value for 0; broadcast
	OpLessEqual    Op = "less_equal"    // 1 where a <= b, else 0; broadcast
	OpLess         Op = "less"          // 1 where a < b, else 0
	OpGreater      Op = "greater"       // 1 where a > b, else 0
	OpGreaterEqual Op = "greater_equal" // 1 where a >= b, else 0
	OpEqual        Op = "equal"         // 1 where a == b, else 0
	OpNotEqual     Op = "not_equal"     // 1 where a != b, else 0
	OpMaximum      Op = "maximum"       // the larger one, broadcast
	OpMinimum      Op = "minimum"       // the smaller one, broadcast
	OpClip         Op = "clip"          // Ints: the limits lo <= hi
	OpBits         Op = "bits"          // Ints: n; a new last axis with the n low bits of an a in 0..2^n-1, low bit first
	OpRound        Op = "round"         // Ints: d; (a + 2^(d-1)) >> d, so ties go up
	// OpRoundApproximate is round, which on ciphertexts may give the other of the two multiples next to a value near a tie: see Graph.RoundApproximate.
	OpRoundApproximate Op = "round_approximate"
)

// Node is one value of a [Graph]. Its fields are read-only once the node is in a graph: graphs made by passes share them.
type Node struct {
	// ID is the node's index in Graph.Nodes.
	ID int
	// Op is the operation; it decides which of the following fields are set.
	Op Op
	// Args are the arguments, all earlier in the same graph.
	Args []*Node
	// Name is an input's name, unique and not empty.
	Name string
	// Value is a constant's value.
	Value *Array
	// Table is a lookup's table.
	Table *Table
	// Ints are the attributes of the operation; see the Op constants. Axes and indices are not negative here.
	Ints []int64
	// Shape is the shape of the value; no axes is a scalar.
	Shape []int
	// Lo and Hi bound each element in row-major order, both inclusive and below 2^62 in magnitude. They are exact for
	// every operation on its own, taking its arguments' elements as independent.
	Lo, Hi []int64
	// Origin says where the node comes from, in a numbering of whoever built the graph (see Graph.Origin); 0 where that is not known. Passes keep it,
	// errors name it, and it means nothing else: it is not printed.
	Origin int
}

// Size returns the number of elements of the value.
func (n *Node) Size() int {
	size := 1
	for _, d := range n.Shape {
		size *= d
	}
	return size
}

// Known reports whether the bounds leave one value per element, as those of a constant do; that value is then Lo.
func (n *Node) Known() bool {
	return n.Op == OpConstant || slices.Equal(n.Lo, n.Hi)
}

// Range returns the smallest lower and the largest upper bound of all elements.
func (n *Node) Range() (lo, hi int64) {
	return slices.Min(n.Lo), slices.Max(n.Hi)
}

// Graph is an integer function: what a quantized model computes. The zero Graph is empty and ready for use. A Graph that
// is not being built may be read by several goroutines at once.
type Graph struct {
	// Nodes are in topological order and Nodes[i].ID == i.
	Nodes []*Node
	// Outputs are the results, in the order of the calls of Output.
	Outputs []*Node
	// Origin is that of the nodes that are added next: who builds a graph from a text, say, sets it to the number of a line.
	Origin int
}

// NewGraph returns an empty graph.
func NewGraph() *Graph {
	return &Graph{}
}

// Inputs returns the input nodes in the order of their creation.
func (g *Graph) Inputs() []*Node {
	var inputs []*Node
	for _, n := range g.Nodes {
		if n.Op == OpInput {
			inputs = append(inputs, n)
		}
	}
	return inputs
}

// Clone returns a deep copy that shares no memory with g.
func (g *Graph) Clone() *Graph {
	c := &Graph{Nodes: make([]*Node, len(g.Nodes))}
	for i, n := range g.Nodes {
		m := *n
		m.Args = make([]*Node, len(n.Args))
		for j, a := range n.Args {
			m.Args[j] = c.Nodes[a.ID]
		}
		if n.Value != nil {
			m.Value = &Array{Shape: slices.Clone(n.Value.Shape), Data: slices.Clone(n.Value.Data)}
		}
		if n.Table != nil {
			m.Table = n.Table.clone()
		}
		m.Ints, m.Shape = slices.Clone(n.Ints), slices.Clone(n.Shape)
		m.Lo, m.Hi = slices.Clone(n.Lo), slices.Clone(n.Hi)
		c.Nodes[i] = &m
	}
	for _, o := range g.Outputs {
		c.Outputs = append(c.Outputs, c.Nodes[o.ID])
	}
	return c
}

// reachable marks by ID the nodes that an output depends on.
func (g *Graph) reachable() []bool {
	live := make([]bool, len(g.Nodes))
	for _, o := range g.Outputs {
		live[o.ID] = true
	}
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		if live[i] {
			for _, a := range g.Nodes[i].Args {
				live[a.ID] = true
			}
		}
	}
	return live
}
