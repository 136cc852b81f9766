package onnx

import (
	"fmt"
	"math"
	"slices"
)

// treeEnsemble5 is the operator TreeEnsemble of ai.onnx.ml 5, which replaces TreeEnsembleRegressor and Classifier. Its nodes
// hold splits only; a child is a node or, where nodes_trueleafs or nodes_falseleafs is 1, a leaf with one weight for one
// target. A tree of one leaf is a node whose two children are that leaf. (onnxruntime 1.23 and onnx.reference take for such a
// tree the leaf that has the node's number; this importer follows the specification.)
func treeEnsemble5(t *translator, o *operation, in []value) ([]value, error) {
	v, outputs, err := t.regressionInput(o, in)
	if err != nil {
		return nil, err
	}
	n, w, err := readTrees5(o, outputs)
	if err != nil {
		return nil, err
	}
	e, err := t.ensembleOf(o, v, n, w, outputs, func(id int64) int { return int(id) })
	if err != nil {
		return nil, err
	}
	switch a := o.int("aggregate_function", 1); a {
	case 0:
		e.average = true
	case 1:
	default:
		return nil, fmt.Errorf("aggregate_function 0 (average) or 1 (sum), not %d", a)
	}
	e.base = make([]float64, outputs)
	t.regress = true // unless labels follow: the operator stands for both older ones
	raw := newVector(&basis{kind: basisTrees, n: outputs, trees: e, arg: v, node: o})
	names := []string{"NONE", "", "", "SOFTMAX_ZERO", "PROBIT"}
	p := o.int("post_transform", 0)
	switch {
	case p == 1 || p == 2:
		return nil, fmt.Errorf("post_transform 0: 1 and 2 are SOFTMAX and LOGISTIC by the specification, but LOGISTIC and SOFTMAX in onnxruntime; export the trees without a transform and apply it behind")
	case p < 0 || p >= int64(len(names)):
		return nil, malformed("post_transform %d", p)
	}
	out, err := t.transformed(o, raw, names[p])
	return one(out), err
}

// modes5 are the codes of nodes_modes.
var modes5 = []string{"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_MEMBER"}

// tensorAttribute returns the numbers of a tensor attribute; nil when it is absent.
func (o *operation) tensorAttribute(name string) []float64 {
	c, _ := o.attributes[name].(*constant)
	if c == nil {
		return nil
	}
	return c.data
}

// readTrees5 writes the attributes in the form of the older operators: nodes and leaves numbered per tree.
func readTrees5(o *operation, outputs int) (*treeNodes, *leafWeights, error) {
	splits, modes := o.tensorAttribute("nodes_splits"), o.tensorAttribute("nodes_modes")
	features, roots := o.ints("nodes_featureids"), o.ints("tree_roots")
	child := [2][]int64{o.ints("nodes_truenodeids"), o.ints("nodes_falsenodeids")}
	isLeaf := [2][]int64{o.ints("nodes_trueleafs"), o.ints("nodes_falseleafs")}
	missing := o.ints("nodes_missing_value_tracks_true")
	targets, weights := o.ints("leaf_targetids"), o.tensorAttribute("leaf_weights")
	n := len(features)
	if n == 0 || len(roots) == 0 || len(weights) == 0 {
		return nil, nil, malformed("no tree nodes, no roots or no leaves")
	}
	if len(missing) == 0 {
		missing = make([]int64, n)
	}
	for _, l := range []int{len(splits), len(modes), len(child[0]), len(child[1]), len(isLeaf[0]), len(isLeaf[1]), len(missing)} {
		if l != n {
			return nil, nil, malformed("an attribute of the nodes has %d elements, nodes_featureids has %d", l, n)
		}
	}
	if len(targets) != len(weights) {
		return nil, nil, malformed("%d leaf_targetids and %d leaf_weights", len(targets), len(weights))
	}
	if err := finite("leaf weight", weights); err != nil {
		return nil, nil, err
	}
	for _, id := range targets {
		if id < 0 || id >= int64(outputs) {
			return nil, nil, malformed("leaf_targetids holds %d of %d targets", id, outputs)
		}
	}
	sets := members(o.tensorAttribute("membership_values"))
	setOf := map[int64][]float64{}
	for i, m := range modes {
		if m == float64(len(modes5)-1) && len(sets) > 0 {
			setOf[int64(i)], sets = sets[0], sets[1:]
		}
	}
	out, w := &treeNodes{}, &leafWeights{}
	add := func(tree, id int64, mode string, value float64, feature, yes, no, tracks int64) {
		out.trees, out.ids, out.modes = append(out.trees, tree), append(out.ids, id), append(out.modes, mode)
		out.values, out.features = append(out.values, value), append(out.features, feature)
		out.yes, out.no, out.missing = append(out.yes, yes), append(out.no, no), append(out.missing, tracks)
	}
	// Nodes keep their numbers, leaf l is number n+l; further nodes are of sets.
	next := int64(n + len(weights))
	owner := make([]int64, n) // tree+1 of the nodes
	leafOwner := map[[2]int64]bool{}
	for tree, root := range roots {
		id := int64(tree)
		stack := []int64{root}
		for len(stack) > 0 {
			i := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if i < 0 || i >= int64(n) {
				return nil, nil, malformed("tree %d refers to node %d of %d", tree, i, n)
			}
			if owner[i] == id+1 {
				continue
			}
			if owner[i] != 0 {
				return nil, nil, malformed("node %d belongs to two trees", i)
			}
			owner[i] = id + 1
			var to [2]int64
			for s := range 2 {
				c := child[s][i]
				if isLeaf[s][i] == 0 {
					to[s] = c
					stack = append(stack, c)
					continue
				}
				if c < 0 || c >= int64(len(weights)) {
					return nil, nil, malformed("node %d refers to leaf %d of %d", i, c, len(weights))
				}
				to[s] = int64(n) + c
				if key := [2]int64{id, c}; !leafOwner[key] {
					leafOwner[key] = true
					add(id, to[s], "LEAF", 0, 0, 0, 0, 0)
					w.trees, w.nodes, w.ids, w.weights = append(w.trees, id), append(w.nodes, to[s]), append(w.ids, targets[c]), append(w.weights, weights[c])
				}
			}
			m := int(modes[i])
			if modes[i] != math.Trunc(modes[i]) || m < 0 || m >= len(modes5) {
				return nil, nil, malformed("node %d has mode %v", i, modes[i])
			}
			if modes5[m] != "BRANCH_MEMBER" {
				add(id, i, modes5[m], splits[i], features[i], to[0], to[1], missing[i])
				continue
			}
			set := setOf[i]
			if len(set) == 0 {
				return nil, nil, malformed("node %d compares with a set that is missing from membership_values", i)
			}
			// x in {a, b, ...}: x == a, else x == b, ...
			at := i
			for k, value := range set {
				no := next
				if k == len(set)-1 {
					no = to[1]
				} else {
					next++
				}
				add(id, at, "BRANCH_EQ", value, features[i], to[0], no, missing[i])
				at = no
			}
		}
	}
	return out, w, nil
}

// members splits membership_values, whose sets end with NaN. They belong to the nodes of mode BRANCH_MEMBER in the order
// of the nodes.
func members(v []float64) [][]float64 {
	var sets [][]float64
	var set []float64
	for _, x := range v {
		if math.IsNaN(x) {
			if len(set) > 0 {
				sets = append(sets, set)
			}
			set = nil
			continue
		}
		set = append(set, x)
	}
	if len(set) > 0 {
		sets = append(sets, set)
	}
	return slices.Clip(sets)
}
