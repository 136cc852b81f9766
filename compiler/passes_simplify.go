package compiler

import (
	"slices"
)

// simplify replaces nodes that only repeat or move one of their arguments: a where with a known condition or equal
// branches, adding 0, multiplying by 1, negating twice, reshapes and transposes without effect, an item of a
// concatenation.
func simplify(g *Graph) (*Graph, bool) {
	return rewrite(g, func(rw *rewriter, n *Node, args []*Node) *Node {
		if len(args) == 0 {
			return nil
		}
		same := func(a *Node) *Node { // a if it can stand for n
			if slices.Equal(a.Shape, n.Shape) {
				return a
			}
			return nil
		}
		a := args[0]
		switch n.Op {
		case OpWhere:
			switch {
			case args[1] == args[2] || allEqual(a.Lo, 1):
				return same(args[1])
			case allEqual(a.Hi, 0):
				return same(args[2])
			}
		case OpAdd, OpMultiply:
			neutral := truth(n.Op == OpMultiply)
			if args[1].Known() && allEqual(args[1].Lo, neutral) {
				return same(a)
			}
			if a.Known() && allEqual(a.Lo, neutral) {
				return same(args[1])
			}
		case OpSubtract:
			if args[1].Known() && allEqual(args[1].Lo, 0) {
				return same(a)
			}
		case OpNegative:
			if a.Op == OpNegative {
				return a.Args[0]
			}
		case OpReshape:
			if s := same(a); s != nil {
				return s
			}
			if a.Op == OpReshape {
				return rw.add(&Node{Op: OpReshape, Args: a.Args, Ints: n.Ints})
			}
		case OpTranspose:
			if slices.IsSorted(n.Ints) {
				return a
			}
		case OpTake:
			index := takeIndex(n)
			if len(index) == len(a.Lo) && isSequence(index) {
				return rw.add(&Node{Op: OpReshape, Args: args, Ints: n.Ints[1 : 1+n.Ints[0]]})
			}
			if a.Op == OpTake {
				inner := takeIndex(a)
				ints := slices.Clone(n.Ints)
				for i, j := range index {
					ints[int(1+n.Ints[0])+i] = inner[j]
				}
				return rw.add(&Node{Op: OpTake, Args: a.Args, Ints: ints})
			}
		case OpConcatenate:
			if len(args) == 1 {
				return a
			}
		case OpSum:
			if len(a.Lo) == len(n.Lo) { // over an axis of one element
				ints := make([]int64, len(n.Shape))
				for i, d := range n.Shape {
					ints[i] = int64(d)
				}
				return rw.add(&Node{Op: OpReshape, Args: args, Ints: ints})
			}
		case OpGetItem:
			if a.Op == OpConcatenate && a.Ints[0] == 0 {
				i := n.Ints[0]
				for _, part := range a.Args {
					if size := int64(part.Shape[0]); i >= size {
						i -= size
						continue
					}
					return rw.add(&Node{Op: OpGetItem, Args: []*Node{part}, Ints: []int64{i}})
				}
			}
		}
		return nil
	})
}

// isSequence reports whether index is 0, 1, 2, ...
func isSequence(index []int64) bool {
	for i, j := range index {
		if int64(i) != j {
			return false
		}
	}
	return true
}

// allEqual reports whether every value is v.
func allEqual(values []int64, v int64) bool {
	for _, x := range values {
		if x != v {
			return false
		}
	}
	return true
}
