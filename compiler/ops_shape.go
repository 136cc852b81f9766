package compiler

import (
	"errors"
	"fmt"
	"slices"
)

// opForm is the number of arguments and of attributes of an operation; -1 is checked by inferShape.
type opForm struct{ args, ints int }

// forms lists every operation of a Graph.
var forms = map[Op]opForm{
	OpInput: {0, 0}, OpConstant: {0, 0}, OpAdd: {2, 0}, OpSubtract: {2, 0}, OpNegative: {1, 0}, OpMultiply: {2, 0},
	OpMatMul: {2, 0}, OpConv: {2, -1}, OpSum: {1, -1}, OpReshape: {1, -1}, OpTranspose: {1, -1}, OpConcatenate: {-1, 1}, OpGetItem: {1, 1}, OpTake: {1, -1},
	OpLookup: {1, 0}, OpWhere: {3, 0}, OpLessEqual: {2, 0}, OpLess: {2, 0}, OpGreater: {2, 0}, OpGreaterEqual: {2, 0},
	OpEqual: {2, 0}, OpNotEqual: {2, 0}, OpMaximum: {2, 0}, OpMinimum: {2, 0}, OpClip: {1, 2}, OpBits: {1, 1}, OpRound: {1, 1}, OpRoundApproximate: {1, 1},
}

// checkForm checks that n has the arguments, attributes and payload of its operation and no others.
func checkForm(n *Node) error {
	form, ok := forms[n.Op]
	switch {
	case !ok:
		return errors.New("unknown operation")
	case form.args >= 0 && len(n.Args) != form.args:
		return fmt.Errorf("%d arguments, want %d", len(n.Args), form.args)
	case form.ints >= 0 && len(n.Ints) != form.ints:
		return fmt.Errorf("%d attributes, want %d", len(n.Ints), form.ints)
	case (n.Op == OpInput) != (n.Name != ""):
		return errors.New("an input, and nothing else, has a name")
	case (n.Op == OpConstant) != (n.Value != nil):
		return errors.New("a constant, and nothing else, has a value")
	case (n.Op == OpLookup) != (n.Table != nil):
		return errors.New("a lookup, and nothing else, has a table")
	}
	return nil
}

// inferShape returns the shape of n from its operation, attributes and arguments' shapes. It accepts any contents of n
// whose arguments are valid nodes; an input's shape is its own.
func inferShape(n *Node) ([]int, error) {
	if err := checkForm(n); err != nil {
		return nil, err
	}
	shape, err := shapeOf(n)
	if err != nil {
		return nil, err
	}
	_, err = shapeSize(shape)
	return shape, err
}

func shapeOf(n *Node) ([]int, error) {
	switch n.Op {
	case OpInput:
		return n.Shape, nil
	case OpConstant:
		size, err := shapeSize(n.Value.Shape)
		if err == nil && size != len(n.Value.Data) {
			err = fmt.Errorf("shape %v needs %d values, not %d", n.Value.Shape, size, len(n.Value.Data))
		}
		return n.Value.Shape, err
	case OpNegative, OpClip, OpRound, OpRoundApproximate:
		return n.Args[0].Shape, nil
	case OpLookup:
		return n.Args[0].Shape, checkRows(n.Table, n.Args[0].Size())
	case OpBits:
		if n.Ints[0] < 1 || n.Ints[0] > 62 {
			return nil, fmt.Errorf("%d bits, want 1 to 62", n.Ints[0])
		}
		return append(slices.Clone(n.Args[0].Shape), int(n.Ints[0])), nil
	case OpMatMul:
		return matMulShape(n.Args[0].Shape, n.Args[1].Shape)
	case OpConv:
		return convShape(n.Args[0].Shape, n.Args[1].Shape, n.Ints)
	case OpTake:
		return takeShape(n)
	case OpSum, OpReshape, OpTranspose, OpGetItem:
		return movedShape(n.Op, n.Args[0].Shape, n.Ints)
	case OpConcatenate:
		return concatenateShape(n.Args, n.Ints[0])
	default: // where, and the operations of two arguments
		shapes := make([][]int, len(n.Args))
		for i, a := range n.Args {
			shapes[i] = a.Shape
		}
		return broadcastShape(shapes...)
	}
}

// checkRows checks the number of rows of a table for an argument of size elements.
func checkRows(t *Table, size int) error {
	if len(t.Lo) != len(t.Values) {
		return fmt.Errorf("%d first arguments for %d rows", len(t.Lo), len(t.Values))
	}
	if len(t.Values) != 1 && len(t.Values) != size {
		return fmt.Errorf("%d rows, want 1 or one for each of %d elements", len(t.Values), size)
	}
	for _, lo := range t.Lo {
		if lo <= -boundLimit || lo >= boundLimit {
			return errors.New("a row begins beyond 2^62")
		}
	}
	return nil
}

// matMulDims returns m, k, n of a product [m,k] @ [k,n]; a missing axis counts as 1.
func matMulDims(a, b []int) (m, k, n int) {
	m, k, n = 1, a[len(a)-1], 1
	if len(a) == 2 {
		m = a[0]
	}
	if len(b) == 2 {
		n = b[1]
	}
	return m, k, n
}

func matMulShape(a, b []int) ([]int, error) {
	if len(a) < 1 || len(a) > 2 || len(b) < 1 || len(b) > 2 {
		return nil, fmt.Errorf("shapes %v and %v: one or two axes each", a, b)
	}
	m, k, n := matMulDims(a, b)
	if b[0] != k {
		return nil, fmt.Errorf("shapes %v and %v: the inner axes differ", a, b)
	}
	shape := []int{}
	if len(a) == 2 {
		shape = append(shape, m)
	}
	if len(b) == 2 {
		shape = append(shape, n)
	}
	return shape, nil
}

// movedShape is the shape of the operations that only move or sum the elements of one argument.
func movedShape(op Op, shape []int, ints []int64) ([]int, error) {
	switch op {
	case OpSum:
		if len(ints) == 0 {
			return []int{}, nil
		}
		if len(ints) > 1 || ints[0] < 0 || ints[0] >= int64(len(shape)) {
			return nil, fmt.Errorf("axes %v of shape %v", ints, shape)
		}
		return slices.Delete(slices.Clone(shape), int(ints[0]), int(ints[0])+1), nil
	case OpGetItem:
		if len(shape) == 0 || ints[0] < 0 || ints[0] >= int64(shape[0]) {
			return nil, fmt.Errorf("index %d on axis 0 of shape %v", ints[0], shape)
		}
		return slices.Clone(shape[1:]), nil
	case OpReshape:
		out := make([]int, len(ints))
		for i, d := range ints {
			if d < 1 || d > maxElements {
				return nil, fmt.Errorf("from %v to %v", shape, ints)
			}
			out[i] = int(d)
		}
		size, err := shapeSize(out)
		if old, _ := shapeSize(shape); err == nil && size != old {
			err = fmt.Errorf("from %v to %v", shape, ints)
		}
		return out, err
	default: // OpTranspose
		if len(ints) != len(shape) {
			return nil, fmt.Errorf("permutation %v of shape %v", ints, shape)
		}
		out, seen := make([]int, len(shape)), make([]bool, len(shape))
		for i, p := range ints {
			if p < 0 || p >= int64(len(shape)) || seen[p] {
				return nil, fmt.Errorf("permutation %v of shape %v", ints, shape)
			}
			out[i], seen[p] = shape[p], true
		}
		return out, nil
	}
}

// takeShape checks the attributes of a take and returns its shape.
func takeShape(n *Node) ([]int, error) {
	ints := n.Ints
	if len(ints) == 0 || ints[0] < 0 || ints[0] > maxRank || int64(len(ints)) < 1+ints[0] {
		return nil, errors.New("no shape")
	}
	shape := make([]int, ints[0])
	for i, d := range ints[1 : 1+ints[0]] {
		if d < 1 || d > maxElements {
			return nil, fmt.Errorf("an axis of %d elements", d)
		}
		shape[i] = int(d)
	}
	size, err := shapeSize(shape)
	if err != nil {
		return nil, err
	}
	index := takeIndex(n)
	if len(index) != size {
		return nil, fmt.Errorf("%d indices for shape %v", len(index), shape)
	}
	for _, i := range index {
		if i < 0 || i >= int64(n.Args[0].Size()) {
			return nil, fmt.Errorf("index %d of %d elements", i, n.Args[0].Size())
		}
	}
	return shape, nil
}

// takeIndex returns the indices of a take whose rank is valid.
func takeIndex(n *Node) []int64 { return n.Ints[1+n.Ints[0]:] }

func concatenateShape(nodes []*Node, axis int64) ([]int, error) {
	if len(nodes) == 0 {
		return nil, errors.New("no arguments")
	}
	out := slices.Clone(nodes[0].Shape)
	if axis < 0 || axis >= int64(len(out)) {
		return nil, fmt.Errorf("axis %d of shape %v", axis, out)
	}
	for _, n := range nodes[1:] {
		if len(n.Shape) != len(out) {
			return nil, fmt.Errorf("shapes %v and %v on axis %d", out, n.Shape, axis)
		}
		for i, d := range n.Shape {
			if i == int(axis) {
				if out[i] += d; out[i] > maxElements {
					return nil, fmt.Errorf("more than %d elements", maxElements)
				}
			} else if d != out[i] {
				return nil, fmt.Errorf("shapes %v and %v on axis %d", out, n.Shape, axis)
			}
		}
	}
	return out, nil
}
