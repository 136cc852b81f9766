package onnx

import "github.com/fhe-ml/fhe-ml/models"

// Attributes of tree ensembles name a node by a tree's id and its own id, which are any integers. Here names become
// positions in the attributes. Producers number nodes from 0 on, so that a slice does nearly always; a map of a million
// such names takes seconds to fill and to read.

// treeIndex finds the nodes of a tree.
type treeIndex struct {
	id      int64
	members []int           // positions in the attributes, in their order
	low     int64           // the smallest id
	dense   []int32         // by id-low: 1 + the position, 0 for none; nil when ids are too far apart
	sparse  map[int64]int32 // by id: the position
}

// place returns the position of the node with an id.
func (x *treeIndex) place(id int64) (int, bool) {
	if x.dense == nil {
		i, ok := x.sparse[id]
		return int(i), ok
	}
	k := uint64(id) - uint64(x.low) // wraps around to a large number for a smaller id
	if k >= uint64(len(x.dense)) || x.dense[k] == 0 {
		return 0, false
	}
	return int(x.dense[k]) - 1, true
}

// fill makes the index of the members, whose ids are unique.
func (x *treeIndex) fill(ids []int64) error {
	low, high := ids[x.members[0]], ids[x.members[0]]
	for _, i := range x.members {
		low, high = min(low, ids[i]), max(high, ids[i])
	}
	x.low = low
	if span := uint64(high) - uint64(low); span < 4*uint64(len(x.members))+8 {
		x.dense = make([]int32, span+1)
	} else {
		x.sparse = make(map[int64]int32, len(x.members))
	}
	for _, i := range x.members {
		if _, ok := x.place(ids[i]); ok {
			return malformed("tree %d has node %d twice", x.id, ids[i])
		}
		if x.dense != nil {
			x.dense[ids[i]-low] = int32(i) + 1
		} else {
			x.sparse[ids[i]] = int32(i)
		}
	}
	return nil
}

// nodeIndex finds trees and their nodes.
type nodeIndex struct {
	trees []treeIndex // in the order of their first nodes
	at    map[int64]int
	last  int // the tree found last: nodes of a tree mostly stand together
}

// tree returns the number of the tree with an id, -1 for none.
func (x *nodeIndex) tree(id int64) int {
	if x.last < len(x.trees) && x.trees[x.last].id == id {
		return x.last
	}
	k, ok := x.at[id]
	if !ok {
		return -1
	}
	x.last = k
	return k
}

// indexNodes sorts the nodes by trees.
func indexNodes(n *treeNodes) (*nodeIndex, error) {
	x := &nodeIndex{at: map[int64]int{}}
	for i, id := range n.trees {
		t := x.tree(id)
		if t < 0 {
			if t = len(x.trees); t >= models.MaxTrees {
				return nil, malformed("more than %d trees", models.MaxTrees)
			}
			x.at[id], x.last = t, t
			x.trees = append(x.trees, treeIndex{id: id})
		}
		x.trees[t].members = append(x.trees[t].members, i)
	}
	for t := range x.trees {
		if err := x.trees[t].fill(n.ids); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// nodeWeights lists leaf weights by their nodes.
type nodeWeights struct {
	start []int32 // by position of the node, and one more: where its weights begin in order
	order []int32 // indices of weights; those of a node in the file's order
}

func (w *nodeWeights) at(node int) []int32 { return w.order[w.start[node]:w.start[node+1]] }

// weights finds the nodes that weights belong to.
func (x *nodeIndex) weights(n *treeNodes, w *leafWeights) (*nodeWeights, error) {
	node := make([]int32, len(w.weights))
	out := &nodeWeights{start: make([]int32, len(n.ids)+2), order: make([]int32, len(w.weights))}
	for j, id := range w.trees {
		t, i, ok := x.tree(id), 0, false
		if t >= 0 {
			i, ok = x.trees[t].place(w.nodes[j])
		}
		if !ok {
			return nil, malformed("a weight of tree %d refers to node %d, which does not exist", id, w.nodes[j])
		}
		node[j] = int32(i)
		out.start[i+2]++
	}
	// start[i+1] is where the weights of node i begin until they are placed, and where they end afterwards.
	for i := 2; i < len(out.start); i++ {
		out.start[i] += out.start[i-1]
	}
	for j, i := range node {
		out.order[out.start[i+1]] = int32(j)
		out.start[i+1]++
	}
	return out, nil
}
