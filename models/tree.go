package models

import (
	"fmt"
	"math"
)

// TreeNode is a split: the row goes to True iff x[Feature] <= Threshold.
type TreeNode struct {
	Feature     int     `cbor:"f,omitempty"`
	Threshold   float64 `cbor:"t,omitempty"`
	MissingTrue bool    `cbor:"m,omitempty"` // a missing value (NaN) goes to True, else to False
	// True and False are the index of a node of the same tree, or ^leaf (a negative number) for a leaf.
	True  int32 `cbor:"a,omitempty"`
	False int32 `cbor:"b,omitempty"`
}

// Tree is a decision tree, or a decision diagram: nodes and leaves may have several parents, but never form a cycle.
type Tree struct {
	Nodes  []TreeNode  `cbor:"n"`
	Root   int32       `cbor:"r,omitempty"` // index of a node, or ^leaf
	Leaves [][]float64 `cbor:"l"`           // [leaf][outputs]
}

// TreeEnsemble is a sum of trees: raw = Base + sum of the trees' leaves, or their mean where Average is set (Base is added after).
type TreeEnsemble struct {
	Info    `cbor:"i"`
	Trees   []Tree    `cbor:"t"`
	Base    []float64 `cbor:"b"` // [outputs]
	Average bool      `cbor:"a,omitempty"`
	// ScalerOffset and ScalerScale, where not nil, hold a number per feature: x = (x-offset)*scale in float32 precedes
	// the comparisons.
	ScalerOffset []float64 `cbor:"so,omitempty"`
	ScalerScale  []float64 `cbor:"ss,omitempty"`
	// Missing says that rows may hold missing values (NaN): each node routes them by MissingTrue.
	Missing bool `cbor:"m,omitempty"`
}

var _ Model = (*TreeEnsemble)(nil)

// Bounds of a tree ensemble that Validate accepts.
const (
	MaxTrees     = 1 << 16
	MaxTreeNodes = 1 << 24 // over all trees, and likewise the leaves
)

// Meta returns the model's Info.
func (m *TreeEnsemble) Meta() *Info { return &m.Info }

// value returns feature f of the row as the trees compare it.
func (m *TreeEnsemble) value(x []float64, f int) float64 {
	v := m.feature(x[f])
	if m.ScalerScale != nil {
		v = float64((float32(v) - float32(m.ScalerOffset[f])) * float32(m.ScalerScale[f]))
	}
	return v
}

// threshold returns the number that node n compares with.
func (m *TreeEnsemble) threshold(n *TreeNode) float64 { return m.feature(n.Threshold) }

// Raw appends the raw scores of the row x to dst.
func (m *TreeEnsemble) Raw(dst []float64, x []float64) []float64 {
	m.checkRow(x)
	k := m.Post.Outputs
	start := len(dst)
	for range k {
		dst = append(dst, 0)
	}
	sum := dst[start:]
	for t := range m.Trees {
		tree := &m.Trees[t]
		at := tree.Root
		for at >= 0 {
			n := &tree.Nodes[at]
			v := m.value(x, n.Feature)
			// A comparison with NaN is false, so only MissingTrue sends it to True.
			if v <= m.threshold(n) || (n.MissingTrue && math.IsNaN(v)) {
				at = n.True
			} else {
				at = n.False
			}
		}
		for o, v := range tree.Leaves[^at] {
			sum[o] += v
		}
	}
	for o := range sum {
		if m.Average {
			sum[o] /= float64(len(m.Trees))
		}
		sum[o] += m.Base[o]
	}
	return dst
}

// Validate reports the first inconsistency of m: an index out of range, a cycle, a number that is not finite.
func (m *TreeEnsemble) Validate() error {
	if err := m.validate(); err != nil {
		return err
	}
	if len(m.Trees) == 0 || len(m.Trees) > MaxTrees {
		return fmt.Errorf("models: tree ensemble: %d trees, want 1..%d", len(m.Trees), MaxTrees)
	}
	if err := checkVector("tree ensemble: base", m.Base, m.Post.Outputs); err != nil {
		return err
	}
	if (m.ScalerOffset == nil) != (m.ScalerScale == nil) {
		return fmt.Errorf("models: tree ensemble: a scaler has offsets and scales")
	}
	if m.ScalerScale != nil {
		if err := checkVector("tree ensemble: scaler offset", m.ScalerOffset, len(m.Features)); err != nil {
			return err
		}
		if err := checkVector("tree ensemble: scaler scale", m.ScalerScale, len(m.Features)); err != nil {
			return err
		}
	}
	nodes, leaves := 0, 0
	for t := range m.Trees {
		nodes += len(m.Trees[t].Nodes)
		leaves += len(m.Trees[t].Leaves)
		if nodes > MaxTreeNodes || leaves > MaxTreeNodes {
			return fmt.Errorf("models: tree ensemble: more than %d nodes or leaves", MaxTreeNodes)
		}
		if err := m.Trees[t].validate(len(m.Features), m.Post.Outputs); err != nil {
			return fmt.Errorf("models: tree %d: %w", t, err)
		}
	}
	return nil
}

func (t *Tree) validate(features, outputs int) error {
	in := func(i int32) bool {
		if i < 0 {
			return int(^i) < len(t.Leaves)
		}
		return int(i) < len(t.Nodes)
	}
	if !in(t.Root) {
		return fmt.Errorf("root %d is out of range", t.Root)
	}
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if n.Feature < 0 || n.Feature >= features {
			return fmt.Errorf("node %d: feature %d of %d", i, n.Feature, features)
		}
		if math.IsNaN(n.Threshold) {
			return fmt.Errorf("node %d: the threshold is NaN", i)
		}
		if !in(n.True) || !in(n.False) {
			return fmt.Errorf("node %d: child %d or %d is out of range", i, n.True, n.False)
		}
	}
	for l, v := range t.Leaves {
		if len(v) != outputs {
			return fmt.Errorf("leaf %d: %d numbers, want %d", l, len(v), outputs)
		}
		for _, w := range v {
			if math.IsNaN(w) || math.IsInf(w, 0) {
				return fmt.Errorf("leaf %d: a number is not finite", l)
			}
		}
	}
	_, err := t.order()
	return err
}

// order returns the nodes that the root reaches, children before parents. A cycle is an error. It keeps its own stack:
// a tree may be as deep as it has nodes.
func (t *Tree) order() ([]int32, error) {
	if t.Root < 0 {
		return nil, nil
	}
	const (
		open = 1
		done = 2
	)
	state := make([]uint8, len(t.Nodes))
	var order []int32
	stack := []int32{t.Root}
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		switch state[at] {
		case 0:
			state[at] = open
			for _, c := range [2]int32{t.Nodes[at].True, t.Nodes[at].False} {
				if c < 0 || state[c] == done {
					continue
				}
				if state[c] == open {
					return nil, fmt.Errorf("node %d is its own ancestor", c)
				}
				stack = append(stack, c)
			}
		case open:
			state[at] = done
			order = append(order, at)
			stack = stack[:len(stack)-1]
		default: // reached again by another parent
			stack = stack[:len(stack)-1]
		}
	}
	return order, nil
}
