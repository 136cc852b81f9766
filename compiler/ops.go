package compiler

import (
	"fmt"
	"slices"
)

// add infers shape and bounds of n and appends it. It leaves g as it was when that fails.
func (g *Graph) add(n *Node) error {
	for _, a := range n.Args {
		if a == nil || a.ID < 0 || a.ID >= len(g.Nodes) || g.Nodes[a.ID] != a {
			return fmt.Errorf("%s: an argument is not a node of this graph", n.Op)
		}
	}
	shape, err := inferShape(n)
	if err != nil {
		return fmt.Errorf("%s: %w", n.Op, err)
	}
	n.Shape = shape
	if n.Lo, n.Hi, err = inferBounds(n); err != nil {
		return fmt.Errorf("%s: %w", n.Op, err)
	}
	n.ID = len(g.Nodes)
	if n.Origin == 0 {
		n.Origin = g.Origin
	}
	g.Nodes = append(g.Nodes, n)
	return nil
}

// build is add for the builders: what fails there is the caller's bug.
func (g *Graph) build(n *Node) *Node {
	if err := g.add(n); err != nil {
		panic("compiler: " + err.Error())
	}
	return n
}

// expand returns bounds as one value per element of a shape.
func expand(bounds []int64, size int) []int64 {
	if len(bounds) == 1 && size > 1 {
		return slices.Repeat(bounds, size)
	}
	return slices.Clone(bounds)
}

// Input adds an input of the given shape. lo and hi bound its elements, inclusively: one value for all elements or one
// for each. Eval refuses values outside. The name must be new in g and not empty.
func (g *Graph) Input(name string, shape []int, lo, hi []int64) *Node {
	size, err := shapeSize(shape)
	if err != nil {
		panic(fmt.Sprintf("compiler: input %q: %v", name, err))
	}
	for _, n := range g.Nodes {
		if n.Op == OpInput && n.Name == name {
			panic(fmt.Sprintf("compiler: input %q exists already", name))
		}
	}
	return g.build(&Node{Op: OpInput, Name: name, Shape: slices.Clone(shape), Lo: expand(lo, size), Hi: expand(hi, size)})
}

// Constant adds a constant array. The graph keeps its own copy.
func (g *Graph) Constant(a Array) *Node {
	return g.build(&Node{Op: OpConstant, Value: &Array{Shape: slices.Clone(a.Shape), Data: slices.Clone(a.Data)}})
}

// Scalar adds a constant without axes.
func (g *Graph) Scalar(v int64) *Node {
	return g.Constant(Array{Data: []int64{v}})
}

// Add adds a + b, broadcast.
func (g *Graph) Add(a, b *Node) *Node { return g.build(&Node{Op: OpAdd, Args: []*Node{a, b}}) }

// Subtract adds a - b, broadcast.
func (g *Graph) Subtract(a, b *Node) *Node {
	return g.build(&Node{Op: OpSubtract, Args: []*Node{a, b}})
}

// Negative adds -a.
func (g *Graph) Negative(a *Node) *Node { return g.build(&Node{Op: OpNegative, Args: []*Node{a}}) }

// Multiply adds a * b, broadcast. A product of two values that both depend on inputs costs one or two lookups per element.
func (g *Graph) Multiply(a, b *Node) *Node {
	return g.build(&Node{Op: OpMultiply, Args: []*Node{a, b}})
}

// MatMul adds a @ b, where a or b is a constant (or has one possible value per element) and both have one or two axes:
// [K]@[K] is a scalar, [K]@[K,N] is [N], [M,K]@[K] is [M] and [M,K]@[K,N] is [M,N].
func (g *Graph) MatMul(a, b *Node) *Node { return g.build(&Node{Op: OpMatMul, Args: []*Node{a, b}}) }

// Sum adds the sum of a over one axis, which disappears. A negative axis counts from the last.
func (g *Graph) Sum(a *Node, axis int) *Node {
	if axis < 0 {
		axis += len(a.Shape)
	}
	return g.build(&Node{Op: OpSum, Args: []*Node{a}, Ints: []int64{int64(axis)}})
}

// SumAll adds the sum of all elements of a, a scalar.
func (g *Graph) SumAll(a *Node) *Node { return g.build(&Node{Op: OpSum, Args: []*Node{a}}) }

// Reshape adds a with the same elements, in the same row-major order, in another shape. One axis may be -1: it takes what
// the others leave.
func (g *Graph) Reshape(a *Node, shape ...int) *Node {
	ints := make([]int64, len(shape))
	free, rest := -1, 1
	for i, d := range shape {
		ints[i] = int64(d)
		if d == -1 && free < 0 {
			free = i
		} else if d > 0 && d <= maxElements/rest {
			rest *= d
		} // anything else is refused by inferShape
	}
	if free >= 0 {
		ints[free] = int64(a.Size() / rest)
	}
	return g.build(&Node{Op: OpReshape, Args: []*Node{a}, Ints: ints})
}

// Transpose adds a with its axes permuted: axis i of the result is axis perm[i] of a. Without perm the axes are reversed.
func (g *Graph) Transpose(a *Node, perm ...int) *Node {
	ints := make([]int64, len(a.Shape))
	for i := range ints {
		ints[i] = int64(len(ints) - 1 - i)
	}
	if len(perm) > 0 {
		ints = ints[:0]
		for _, p := range perm {
			if p < 0 {
				p += len(a.Shape)
			}
			ints = append(ints, int64(p))
		}
	}
	return g.build(&Node{Op: OpTranspose, Args: []*Node{a}, Ints: ints})
}

// Concatenate adds the nodes joined along an axis, on which alone their shapes may differ. A negative axis counts from
// the last.
func (g *Graph) Concatenate(axis int, nodes ...*Node) *Node {
	if axis < 0 && len(nodes) > 0 {
		axis += len(nodes[0].Shape)
	}
	return g.build(&Node{Op: OpConcatenate, Args: slices.Clone(nodes), Ints: []int64{int64(axis)}})
}

// GetItem adds a[i] on axis 0, which disappears. A negative index counts from the end.
func (g *Graph) GetItem(a *Node, i int) *Node {
	if i < 0 && len(a.Shape) > 0 {
		i += a.Shape[0]
	}
	return g.build(&Node{Op: OpGetItem, Args: []*Node{a}, Ints: []int64{int64(i)}})
}

// Take adds the elements of a, read in row-major order, at the given indices, as an array of the given shape: numpy's
// a.ravel()[index].reshape(shape). It expresses every slice, broadcast and fancy index with constants. Indices lie in
// 0..size-1.
func (g *Graph) Take(a *Node, index []int, shape ...int) *Node {
	ints := make([]int64, 1, 1+len(shape)+len(index))
	ints[0] = int64(len(shape))
	for _, d := range shape {
		ints = append(ints, int64(d))
	}
	for _, i := range index {
		ints = append(ints, int64(i))
	}
	return g.build(&Node{Op: OpTake, Args: []*Node{a}, Ints: ints})
}

// Lookup adds t applied to each element of a. The rows of t must cover the bounds of a. The graph keeps its own copy.
func (g *Graph) Lookup(a *Node, t Table) *Node {
	return g.build(&Node{Op: OpLookup, Args: []*Node{a}, Table: t.clone()})
}

// Where adds a where cond is 1 and b where it is 0, broadcast. The bounds of cond must lie in 0..1.
func (g *Graph) Where(cond, a, b *Node) *Node {
	return g.build(&Node{Op: OpWhere, Args: []*Node{cond, a, b}})
}

// LessEqual adds a <= b as 0 or 1, broadcast. As for all comparisons, and for maximum and minimum, both may depend
// on inputs: that costs a lookup of the difference per element.
func (g *Graph) LessEqual(a, b *Node) *Node {
	return g.build(&Node{Op: OpLessEqual, Args: []*Node{a, b}})
}

// Less adds a < b as 0 or 1.
func (g *Graph) Less(a, b *Node) *Node { return g.build(&Node{Op: OpLess, Args: []*Node{a, b}}) }

// Greater adds a > b as 0 or 1.
func (g *Graph) Greater(a, b *Node) *Node { return g.build(&Node{Op: OpGreater, Args: []*Node{a, b}}) }

// GreaterEqual adds a >= b as 0 or 1.
func (g *Graph) GreaterEqual(a, b *Node) *Node {
	return g.build(&Node{Op: OpGreaterEqual, Args: []*Node{a, b}})
}

// Equal adds a == b as 0 or 1.
func (g *Graph) Equal(a, b *Node) *Node { return g.build(&Node{Op: OpEqual, Args: []*Node{a, b}}) }

// NotEqual adds a != b as 0 or 1.
func (g *Graph) NotEqual(a, b *Node) *Node {
	return g.build(&Node{Op: OpNotEqual, Args: []*Node{a, b}})
}

// Maximum adds the larger of a and b, broadcast.
func (g *Graph) Maximum(a, b *Node) *Node { return g.build(&Node{Op: OpMaximum, Args: []*Node{a, b}}) }

// Minimum adds the smaller of a and b, broadcast.
func (g *Graph) Minimum(a, b *Node) *Node { return g.build(&Node{Op: OpMinimum, Args: []*Node{a, b}}) }

// Clip adds a limited to lo..hi, where lo <= hi.
func (g *Graph) Clip(a *Node, lo, hi int64) *Node {
	return g.build(&Node{Op: OpClip, Args: []*Node{a}, Ints: []int64{lo, hi}})
}

// Bits adds the n low bits of a as a new last axis, least significant first: a of shape [F] gives [F,n]. The bounds of a
// must lie in 0..2^n-1, and n in 1..62.
func (g *Graph) Bits(a *Node, n int) *Node {
	return g.build(&Node{Op: OpBits, Args: []*Node{a}, Ints: []int64{int64(n)}})
}

// Round adds (a + 2^(d-1)) >> d with an arithmetic shift: a/2^d rounded to the nearest integer, ties up. d is in 1..61.
func (g *Graph) Round(a *Node, d int) *Node {
	return g.build(&Node{Op: OpRound, Args: []*Node{a}, Ints: []int64{int64(d)}})
}

// RoundApproximate adds what [Graph.Round] adds, and what [Graph.Eval] computes is the same. On ciphertexts the bits that are dropped are not cleared, which would
// take a lookup for each: the table is looked up with them still in place. The result is always one of the two multiples of 2^d next to the value, (a >> d) or
// that plus one; where a lies near the tie between them, nearer than noise reaches, it may be the other one than Round gives. How often that
// happens, with low bits that are equally likely, is in [Circuit.Rounds]; it is intended, and no part of the failure probability. Rounds of inputs that the
// client encrypts as bits are exact.
func (g *Graph) RoundApproximate(a *Node, d int) *Node {
	return g.build(&Node{Op: OpRoundApproximate, Args: []*Node{a}, Ints: []int64{int64(d)}})
}

// ApproximateRounds returns a copy of g whose rounds are all approximate. Its Eval is that of g.
func (g *Graph) ApproximateRounds() *Graph {
	c := g.Clone()
	for _, n := range c.Nodes {
		if n.Op == OpRound {
			n.Op = OpRoundApproximate
		}
	}
	return c
}

// Output appends n to the outputs.
func (g *Graph) Output(n *Node) {
	if n == nil || n.ID < 0 || n.ID >= len(g.Nodes) || g.Nodes[n.ID] != n {
		panic("compiler: output: not a node of this graph")
	}
	g.Outputs = append(g.Outputs, n)
}
