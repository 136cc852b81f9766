package onnx

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Names of trees and nodes are any integers, in any order, and trees may be interleaved: the index finds what a plain map does.
func TestTreeIndex(t *testing.T) {
	type name struct{ tree, node int64 }
	ids := rapid.OneOf(rapid.Int64Range(0, 12), rapid.Int64Range(-5, 40), rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, -1, math.MaxInt64, 1 << 40}))
	rapid.Check(t, func(r *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.Custom(func(r *rapid.T) name {
			return name{ids.Draw(r, "tree"), ids.Draw(r, "node")}
		}), 1, 40, rapid.ID[name]).Draw(r, "names")
		n := &treeNodes{}
		want := map[name]int{}
		for i, k := range names {
			n.trees, n.ids, n.modes = append(n.trees, k.tree), append(n.ids, k.node), append(n.modes, "LEAF")
			want[k] = i
		}
		x, err := indexNodes(n)
		if err != nil {
			r.Fatal(err)
		}
		for range 60 {
			k := name{ids.Draw(r, "tree asked for"), ids.Draw(r, "node asked for")}
			i, ok := want[k]
			tree, got, found := x.tree(k.tree), 0, false
			if tree >= 0 {
				got, found = x.trees[tree].place(k.node)
			}
			if found != ok || ok && got != i {
				r.Fatalf("node %d of tree %d is at %d (%v), want %d (%v)", k.node, k.tree, got, found, i, ok)
			}
		}

		w := &leafWeights{}
		of := make([][]int32, len(names))
		for j := range rapid.IntRange(0, 60).Draw(r, "weights") {
			i := rapid.IntRange(0, len(names)-1).Draw(r, "leaf")
			w.trees, w.nodes, w.weights = append(w.trees, names[i].tree), append(w.nodes, names[i].node), append(w.weights, 1)
			of[i] = append(of[i], int32(j))
		}
		weights, err := x.weights(n, w)
		if err != nil {
			r.Fatal(err)
		}
		for i := range names {
			if got := weights.at(i); !slices.Equal(got, of[i]) {
				r.Fatalf("node %d has weights %v, want %v", i, got, of[i])
			}
		}

		i := rapid.IntRange(0, len(names)-1).Draw(r, "twice")
		n.trees, n.ids, n.modes = append(n.trees, names[i].tree), append(n.ids, names[i].node), append(n.modes, "LEAF")
		if _, err := indexNodes(n); err == nil {
			r.Fatal("a node that is there twice is taken")
		}
	})
}
