package golearn

import (
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// importTree reads a DecisionTreeNode, or a tree that has one as its Root.
func importTree(v reflect.Value, opt Options, r *Report) (models.Model, error) {
	f := newForest(r)
	if err := f.addTree(v); err != nil {
		return nil, err
	}
	return f.finish(opt)
}

// importForest reads a BaggedModel, or a RandomForest, which has one as its Model.
func importForest(v reflect.Value, opt Options, r *Report) (models.Model, error) {
	if v.FieldByName("ForestSize").IsValid() {
		bag, err := field(v, "Model", reflect.Struct)
		if err != nil {
			return nil, err
		}
		v = bag
	}
	members, err := field(v, "Models", reflect.Slice)
	if err != nil {
		return nil, err
	}
	f := newForest(r)
	for i := range members.Len() {
		m := follow(members.Index(i))
		if !m.IsValid() {
			return nil, fmt.Errorf("model %d is nil; fit the model first", i)
		}
		if name := typeName(m.Type()); name != "trees.ID3DecisionTree" && name != "trees.RandomTree" {
			return nil, fmt.Errorf("model %d is a %s; only bags of ID3 and random trees are supported", i, name)
		}
		if err := f.addTree(m); err != nil {
			return nil, fmt.Errorf("model %d: %w", i, err)
		}
	}
	return f.finish(opt)
}

// addTree adds the tree of v.
func (f *forest) addTree(v reflect.Value) error {
	if typeName(v.Type()) != "trees.DecisionTreeNode" {
		root, err := field(v, "Root", reflect.Struct)
		if err != nil {
			return err
		}
		v = root
	}
	class, ok, err := readAttribute(v.FieldByName("ClassAttr"))
	if err != nil {
		return err
	}
	if ok {
		if err := f.classAttribute(class); err != nil {
			return err
		}
	}
	root, err := f.addNode(v)
	if err != nil {
		return err
	}
	return f.plant(root)
}

// addNode adds a DecisionTreeNode with everything below. A leaf is a node without children, whatever its Type says: pruning leaves that as it was.
func (f *forest) addNode(v reflect.Value) (int32, error) {
	class, err := field(v, "Class", reflect.String)
	if err != nil {
		return 0, err
	}
	children, err := field(v, "Children", reflect.Map)
	if err != nil {
		return 0, err
	}
	label := []byte(class.String())
	if children.IsNil() {
		return f.leaf(label)
	}
	rule, err := field(v, "SplitRule", reflect.Struct)
	if err != nil {
		return 0, err
	}
	attr, ok, err := readAttribute(rule.FieldByName("SplitAttr"))
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, fmt.Errorf("a split names no attribute; fit the model again")
	}
	threshold, err := field(rule, "SplitVal", reflect.Float64)
	if err != nil {
		return 0, err
	}
	// By key, so that the same model gives the same numbering.
	keys := children.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		if a.String() < b.String() {
			return -1
		}
		return 1
	})
	var branches []child
	for _, k := range keys {
		node := follow(children.MapIndex(k))
		if !node.IsValid() || node.Kind() != reflect.Struct {
			return 0, fmt.Errorf("a branch of a split on %q is nil", attr.name)
		}
		ref, err := f.addNode(node)
		if err != nil {
			return 0, err
		}
		branches = append(branches, child{[]byte(k.String()), ref})
	}
	return f.split(&attr, threshold.Float(), branches, label)
}

// importCART reads a CART tree: x < Threshold goes left; a side without a child is a leaf, whose answer its parent holds.
func importCART(v reflect.Value, opt Options, r *Report) (models.Model, error) {
	c := cart{answer: "Label"}
	if typeName(v.Type()) == "trees.CARTDecisionTreeRegressor" {
		c.answer = "Pred"
	}
	if c.answer == "Label" && opt.Task == TaskRegress {
		return nil, fmt.Errorf("its answers are classes; a CARTDecisionTreeRegressor gives numbers")
	}
	if c.answer == "Pred" && opt.Task == TaskClassify {
		return nil, fmt.Errorf("its answers are numbers; a CARTDecisionTreeClassifier gives classes")
	}
	root, err := field(v, "RootNode", reflect.Struct)
	if err != nil {
		return nil, err
	}
	if c.tree.Root, err = c.node(root); err != nil {
		return nil, err
	}
	names, named, err := unnamed(c.features, opt, r)
	if err != nil {
		return nil, err
	}
	m := &models.TreeEnsemble{Info: models.Info{Features: names, Named: named, Producer: producer}, Trees: []models.Tree{c.tree}}
	if c.answer == "Pred" {
		m.Post = quantize.Postprocessing{Task: quantize.Regress, Outputs: 1}
	} else if err := c.classify(v, m); err != nil {
		return nil, err
	}
	m.Base = make([]float64, m.Post.Outputs)
	return m, nil
}

// cart walks a CART tree. Leaves hold the answer, a label or a number.
type cart struct {
	answer   string // "Label" or "Pred"
	tree     models.Tree
	features int // one more than the largest feature
}

func (c *cart) node(v reflect.Value) (int32, error) {
	threshold, err := field(v, "Threshold", reflect.Float64)
	if err != nil {
		return 0, err
	}
	feature, err := field(v, "Feature", reflect.Int64)
	if err != nil {
		return 0, err
	}
	at := feature.Int()
	if at < 0 || at >= models.MaxFeatures {
		return 0, fmt.Errorf("a split compares feature %d; at most %d are supported", at, models.MaxFeatures)
	}
	c.features = max(c.features, int(at)+1)
	i := len(c.tree.Nodes)
	// x < t is x <= the number before t.
	c.tree.Nodes = append(c.tree.Nodes, models.TreeNode{Feature: int(at), Threshold: math.Nextafter(threshold.Float(), math.Inf(-1))})
	var refs [2]int32
	for k, side := range [2]string{"Left", "Right"} {
		if below := follow(v.FieldByName(side)); below.IsValid() && below.Kind() == reflect.Struct {
			if refs[k], err = c.node(below); err != nil {
				return 0, err
			}
			continue
		}
		a, err := field(v, side+c.answer, reflect.Int64, reflect.Float64)
		if err != nil {
			return 0, err
		}
		value := 0.0
		if a.Kind() == reflect.Float64 {
			value = a.Float()
		} else if value = float64(a.Int()); int64(value) != a.Int() || math.Abs(value) > 1<<53 {
			return 0, fmt.Errorf("label %d is too large", a.Int())
		}
		refs[k] = ^int32(len(c.tree.Leaves))
		c.tree.Leaves = append(c.tree.Leaves, []float64{value})
	}
	c.tree.Nodes[i].True, c.tree.Nodes[i].False = refs[0], refs[1]
	return int32(i), nil
}

// classify replaces labels in the leaves by votes. Classes are the labels that the tree was made with, in their order, and those that only leaves have: where no
// label is known golearn writes 0.
func (c *cart) classify(v reflect.Value, m *models.TreeEnsemble) error {
	declared, err := field(v, "labels", reflect.Slice)
	if err != nil {
		return err
	}
	var labels []int64
	place := map[int64]int{}
	add := func(l int64) {
		if _, ok := place[l]; !ok {
			place[l] = len(labels)
			labels = append(labels, l)
		}
	}
	for i := range declared.Len() {
		add(declared.Index(i).Int())
	}
	leaves := m.Trees[0].Leaves
	for _, l := range leaves {
		add(int64(l[0]))
	}
	post, err := classifier(make([]string, len(labels)), quantize.LinkIdentity, 0.5)
	if err != nil {
		return err
	}
	for i, l := range labels {
		post.Classes[i] = quantize.Label{Int: l, IsInt: true}
	}
	m.Post = post
	for i, l := range leaves {
		p := place[int64(l[0])]
		leaves[i] = make([]float64, post.Outputs)
		if post.Outputs > 1 {
			leaves[i][p] = 1
		} else {
			leaves[i][0] = float64(p)
		}
	}
	return nil
}
