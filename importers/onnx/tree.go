package onnx

import (
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/models"
)

// treeNodes holds the nodes_* attributes.
type treeNodes struct {
	trees, ids, features, yes, no, missing []int64
	modes                                  []string
	values                                 []float64
}

func readTreeNodes(o *operation) (*treeNodes, error) {
	n := &treeNodes{
		trees: o.ints("nodes_treeids"), ids: o.ints("nodes_nodeids"), features: o.ints("nodes_featureids"),
		yes: o.ints("nodes_truenodeids"), no: o.ints("nodes_falsenodeids"),
		missing: o.ints("nodes_missing_value_tracks_true"),
		modes:   o.texts("nodes_modes"), values: o.floats("nodes_values"),
	}
	want := len(n.ids)
	if want == 0 {
		return nil, malformed("no tree nodes")
	}
	for _, l := range []struct {
		name string
		n    int
	}{
		{"nodes_treeids", len(n.trees)}, {"nodes_featureids", len(n.features)}, {"nodes_truenodeids", len(n.yes)},
		{"nodes_falsenodeids", len(n.no)}, {"nodes_modes", len(n.modes)}, {"nodes_values", len(n.values)},
	} {
		if l.n != want {
			return nil, malformed("attribute %s has %d elements, nodes_nodeids has %d", l.name, l.n, want)
		}
	}
	if len(n.missing) == 0 {
		n.missing = make([]int64, want)
	} else if len(n.missing) != want {
		return nil, malformed("attribute nodes_missing_value_tracks_true has %d elements, nodes_nodeids has %d", len(n.missing), want)
	}
	return n, nil
}

// leafWeights holds the class_* or target_* attributes.
type leafWeights struct {
	trees, nodes, ids []int64
	weights           []float64
}

func readLeafWeights(o *operation, prefix string, outputs int) (*leafWeights, error) {
	w := &leafWeights{
		trees: o.ints(prefix + "_treeids"), nodes: o.ints(prefix + "_nodeids"), ids: o.ints(prefix + "_ids"),
		weights: o.floats(prefix + "_weights"),
	}
	if len(w.trees) != len(w.weights) || len(w.nodes) != len(w.weights) || len(w.ids) != len(w.weights) {
		return nil, malformed("attributes %s_treeids, _nodeids, _ids and _weights have %d, %d, %d and %d elements",
			prefix, len(w.trees), len(w.nodes), len(w.ids), len(w.weights))
	}
	if err := finite("leaf weight", w.weights); err != nil {
		return nil, err
	}
	for _, id := range w.ids {
		if id < 0 || id >= int64(outputs) {
			return nil, malformed("%s id %d of %d outputs", prefix, id, outputs)
		}
	}
	return w, nil
}

// buildTrees turns the attributes into trees of x <= t nodes. single says that comparisons are in float32. output maps
// an id of a leaf weight to the output that it adds to; columns bounds the feature ids, maxLeafNumbers the numbers of
// all leaves: a leaf holds one per output.
func buildTrees(n *treeNodes, w *leafWeights, outputs int, output func(int64) int, columns int, single bool, maxLeafNumbers int) ([]models.Tree, []string, error) {
	index, err := indexNodes(n)
	if err != nil {
		return nil, nil, err
	}
	of, err := index.weights(n, w)
	if err != nil {
		return nil, nil, err
	}
	leaves := 0
	for _, m := range n.modes {
		if m == "LEAF" {
			leaves++
		}
	}
	if leaves > maxLeafNumbers/outputs {
		return nil, nil, errBudget
	}
	var trees []models.Tree
	var warnings []string
	count := len(n.ids)
	b := &treeBuilder{n: n, ref: make([]int32, count), pointed: make([]bool, count), state: make([]uint8, count), single: single, columns: columns}
	for k := range index.trees {
		x := &index.trees[k]
		b.orphans = 0
		tree, err := b.build(x, func(i int) []float64 {
			leaf := make([]float64, outputs)
			for _, j := range of.at(i) {
				leaf[output(w.ids[j])] += w.weights[j]
			}
			return leaf
		})
		if err != nil {
			return nil, nil, err
		}
		if b.orphans > 0 && len(warnings) == 0 {
			warnings = append(warnings, fmt.Sprintf("tree %d has nodes that nothing points to besides its root; they are ignored", x.id))
		}
		trees = append(trees, tree)
	}
	for i, m := range n.modes {
		if m != "LEAF" && len(of.at(i)) > 0 {
			return nil, nil, malformed("a weight of tree %d belongs to node %d, which is no leaf", n.trees[i], n.ids[i])
		}
	}
	return trees, warnings, nil
}

// treeBuilder builds trees. Its slices are by position of a node in the attributes.
type treeBuilder struct {
	n       *treeNodes
	ref     []int32 // node index or ^leaf
	pointed []bool  // a node has it as its child
	state   []uint8 // of acyclic
	single  bool
	columns int
	orphans int // of the tree
}

func (b *treeBuilder) build(x *treeIndex, leaf func(int) []float64) (models.Tree, error) {
	n := b.n
	var t models.Tree
	for _, i := range x.members {
		if n.modes[i] == "LEAF" {
			b.ref[i] = ^int32(len(t.Leaves))
			t.Leaves = append(t.Leaves, leaf(i))
			continue
		}
		for _, c := range [2]int64{n.yes[i], n.no[i]} {
			k, ok := x.place(c)
			if !ok {
				return t, malformed("tree %d, node %d: its child %d does not exist", x.id, n.ids[i], c)
			}
			b.pointed[k] = true
		}
		if f := n.features[i]; f < 0 || b.columns >= 0 && f >= int64(b.columns) || f >= maxFeatures {
			return t, malformed("tree %d, node %d compares feature %d of %d", x.id, n.ids[i], f, b.columns)
		}
		if math.IsNaN(n.values[i]) {
			return t, malformed("tree %d, node %d: the threshold is NaN", x.id, n.ids[i])
		}
		b.ref[i] = int32(len(t.Nodes))
		t.Nodes = append(t.Nodes, models.TreeNode{})
	}
	root := -1
	for _, i := range x.members {
		if b.pointed[i] {
			continue
		}
		if root < 0 {
			root = i
		} else {
			b.orphans++
		}
	}
	if root < 0 {
		return t, malformed("tree %d has no root: its nodes form a cycle", x.id)
	}
	if err := b.acyclic(x); err != nil {
		return t, err
	}
	for _, i := range x.members {
		if n.modes[i] == "LEAF" {
			continue
		}
		yes, _ := x.place(n.yes[i])
		no, _ := x.place(n.no[i])
		if err := b.branch(&t, i, b.ref[yes], b.ref[no]); err != nil {
			return t, err
		}
	}
	t.Root = b.ref[root]
	return t, nil
}

// acyclic walks the tree, or the DAG of shared children, and refuses a node that is its own ancestor.
func (b *treeBuilder) acyclic(x *treeIndex) error {
	const open, done = 1, 2
	var stack []int
	for _, start := range x.members {
		stack = append(stack[:0], start)
		for len(stack) > 0 {
			i := stack[len(stack)-1]
			if b.n.modes[i] == "LEAF" || b.state[i] == done {
				stack = stack[:len(stack)-1]
				continue
			}
			if b.state[i] == open {
				b.state[i] = done
				stack = stack[:len(stack)-1]
				continue
			}
			b.state[i] = open
			for _, c := range [2]int64{b.n.yes[i], b.n.no[i]} {
				k, _ := x.place(c)
				if b.state[k] == open {
					return malformed("tree %d: node %d is its own ancestor", x.id, c)
				}
				if b.state[k] != done {
					stack = append(stack, k)
				}
			}
		}
	}
	return nil
}

// below returns the largest number under v that a feature can take.
func (b *treeBuilder) below(v float64) float64 {
	if b.single && float64(float32(v)) == v {
		return float64(math.Nextafter32(float32(v), float32(math.Inf(-1))))
	}
	return math.Nextafter(v, math.Inf(-1))
}

// threshold returns the largest number that a feature can take and that is not above v.
func (b *treeBuilder) threshold(v float64) float64 {
	if b.single {
		f := float32(v)
		if float64(f) > v {
			f = math.Nextafter32(f, float32(math.Inf(-1)))
		}
		return float64(f)
	}
	return v
}

// branch writes node i as x <= t: a missing value compares as false except with NEQ, and follows the true branch where
// missing_value_tracks_true is set.
func (b *treeBuilder) branch(t *models.Tree, i int, yes, no int32) error {
	v := b.n.values[i]
	tracks := b.n.missing[i] == 1
	at := models.TreeNode{Feature: int(b.n.features[i])}
	switch mode := b.n.modes[i]; mode {
	case "BRANCH_LEQ":
		at.Threshold, at.MissingTrue, at.True, at.False = b.threshold(v), tracks, yes, no
	case "BRANCH_LT":
		at.Threshold, at.MissingTrue, at.True, at.False = b.threshold(b.below(v)), tracks, yes, no
	case "BRANCH_GT": // x > v is not x <= v, except for a missing value
		at.Threshold, at.MissingTrue, at.True, at.False = b.threshold(v), !tracks, no, yes
	case "BRANCH_GTE":
		at.Threshold, at.MissingTrue, at.True, at.False = b.threshold(b.below(v)), !tracks, no, yes
	case "BRANCH_EQ", "BRANCH_NEQ":
		equal, other := yes, no
		missing := tracks // a missing value goes to "equal"
		if mode == "BRANCH_NEQ" {
			equal, other, missing = no, yes, false
		}
		lower := models.TreeNode{Feature: at.Feature, Threshold: b.threshold(b.below(v)), True: other, False: equal}
		at.Threshold, at.MissingTrue, at.True, at.False = b.threshold(v), missing, int32(len(t.Nodes)), other
		t.Nodes = append(t.Nodes, lower)
	case "BRANCH_MEMBER":
		return fmt.Errorf("comparisons with a number, not with a set (BRANCH_MEMBER)")
	default:
		return malformed("tree %d, node %d has mode %q", b.n.trees[i], b.n.ids[i], mode)
	}
	t.Nodes[b.ref[i]] = at
	return nil
}
