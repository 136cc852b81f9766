package compiler

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
)

// shareEqual replaces nodes that repeat an earlier one: same operation, arguments (in either order where that does not
// matter), attributes, constant and table.
func shareEqual(g *Graph) (*Graph, bool) {
	seen := make(map[uint64][]*Node, len(g.Nodes))
	seed := maphash.MakeSeed() // only decides who meets in a bucket, not the result
	return rewrite(g, func(rw *rewriter, n *Node, args []*Node) *Node {
		if n.Op == OpInput {
			return nil
		}
		ids := argumentIDs(n.Op, args)
		key := hashNode(seed, n, ids)
		for _, m := range seen[key] {
			if equalNode(m, n, ids) {
				return m
			}
		}
		m := rw.keep(n, args)
		seen[key] = append(seen[key], m)
		return m
	})
}

// argumentIDs lists the IDs of args, sorted where the order does not matter.
func argumentIDs(op Op, args []*Node) []int64 {
	ids := make([]int64, len(args))
	for i, a := range args {
		ids[i] = int64(a.ID)
	}
	switch op {
	case OpAdd, OpMultiply, OpEqual, OpNotEqual, OpMaximum, OpMinimum:
		slices.Sort(ids)
	}
	return ids
}

// equalNode reports whether m, in the new graph, is what n with the given arguments would be.
func equalNode(m, n *Node, ids []int64) bool {
	if m.Op != n.Op || !slices.Equal(m.Shape, n.Shape) || !slices.Equal(m.Ints, n.Ints) ||
		!slices.Equal(argumentIDs(m.Op, m.Args), ids) {
		return false
	}
	if n.Op == OpConstant {
		return sameSlice(m.Value.Data, n.Value.Data)
	}
	return m.Table.equal(n.Table)
}

// hashNode hashes what equalNode compares.
func hashNode(seed maphash.Seed, n *Node, ids []int64) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	h.WriteString(string(n.Op))
	hashInts(&h, ids)
	hashInts(&h, n.Ints)
	for _, d := range n.Shape {
		hashInts(&h, []int64{int64(d)})
	}
	if n.Value != nil {
		hashInts(&h, n.Value.Data)
	}
	if n.Table != nil {
		hashInts(&h, n.Table.Lo)
		for _, row := range n.Table.Values {
			hashInts(&h, row)
		}
	}
	return h.Sum64()
}

func hashInts(h *maphash.Hash, values []int64) {
	var b [8]byte
	for _, v := range values {
		binary.LittleEndian.PutUint64(b[:], uint64(v))
		h.Write(b[:])
	}
}
