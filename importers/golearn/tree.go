package golearn

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// forest collects trees whose splits name attributes and whose leaves name classes.
type forest struct {
	report *Report
	attrs  []attribute    // those of splits, in the order of their first use
	byName map[string]int // position in attrs
	labels []string       // those of leaves, in the order of their first use
	label  map[string]int // position in labels
	class  *attribute     // the class attribute
	trees  []models.Tree

	// The tree that is being built. Its leaves are numbered as labels are; finish puts their values in.
	nodes []models.TreeNode
}

func newForest(r *Report) *forest {
	return &forest{report: r, byName: map[string]int{}, label: map[string]int{}}
}

// child is one branch of a split: the value that leads there, and a node of the tree or ^label.
type child struct {
	value []byte
	ref   int32
}

// leaf returns the reference of a leaf.
func (f *forest) leaf(class []byte) (int32, error) {
	i, ok := f.label[string(class)]
	if !ok {
		if len(f.labels) >= maxClasses {
			return 0, fmt.Errorf("more than %d classes", maxClasses)
		}
		i = len(f.labels)
		f.label[string(class)] = i
		f.labels = append(f.labels, string(class))
	}
	return ^int32(i), nil
}

// column returns the position of the attribute, the same for equal names.
func (f *forest) column(a *attribute) (int, error) {
	if i, ok := f.byName[a.name]; ok {
		if b := &f.attrs[i]; a.kind != b.kind || !slices.Equal(a.values, b.values) {
			return 0, fmt.Errorf("splits disagree on the values of attribute %q", a.name)
		}
		return i, nil
	}
	if len(f.attrs) >= models.MaxFeatures {
		return 0, fmt.Errorf("more than %d attributes", models.MaxFeatures)
	}
	if a.kind != attrFloat {
		f.report.warn("column %q is not a number in golearn: give its values as numbers: %s", a.name, coding(a.codes()))
	}
	i := len(f.attrs)
	f.attrs = append(f.attrs, attribute{a.name, a.kind, slices.Clone(a.values)})
	f.byName[a.name] = i
	return i, nil
}

// coding lists which number stands for which value.
func coding(values []string) string {
	items := make([]string, len(values))
	for i, v := range values {
		items[i] = fmt.Sprintf("%d for %s", i, v)
	}
	return firstOf(items, 8)
}

// split adds a split and returns its reference. A float attribute has the branches "1" (x > threshold) and "0"; others have one per value. Where the value that
// a row holds has no branch golearn takes one at random: with one branch that is it, with several the row gets the class that was most frequent here in training.
func (f *forest) split(a *attribute, threshold float64, branches []child, class []byte) (int32, error) {
	at, err := f.column(a)
	if err != nil {
		return 0, err
	}
	find := func(value string) (int32, bool) {
		for i := len(branches) - 1; i >= 0; i-- {
			if string(branches[i].value) == value {
				return branches[i].ref, true
			}
		}
		return 0, false
	}
	if len(branches) == 0 {
		return 0, fmt.Errorf("a split on %q has no branches", a.name)
	}
	if a.kind == attrFloat {
		no, okNo := find("0")
		yes, okYes := find("1")
		switch {
		case okNo && okYes && !math.IsNaN(threshold):
			return f.node(at, threshold, no, yes)
		case okNo:
			return no, nil // also of a threshold that is NaN: no number is larger
		case okYes:
			return yes, nil
		}
		return 0, fmt.Errorf("a split on the number %q has other branches than 0 and 1", a.name)
	}
	codes := a.codes()
	if len(codes) == 0 {
		return 0, fmt.Errorf("a split on %q, which has no values", a.name)
	}
	ref := func(code string) (int32, error) {
		r, ok := find(code)
		switch {
		case ok:
			return r, nil
		case len(branches) == 1:
			return branches[0].ref, nil
		}
		f.report.warn("a value of column %q that a split never met in training gets the most frequent class there; golearn sends it along a random branch", a.name)
		return f.leaf(class)
	}
	// Values are numbered; a chain of comparisons tells runs of equal branches apart.
	rest, err := ref(codes[len(codes)-1])
	if err != nil {
		return 0, err
	}
	last := rest
	for i := len(codes) - 2; i >= 0; i-- {
		r, err := ref(codes[i])
		if err != nil {
			return 0, err
		}
		if r == last {
			continue
		}
		if rest, err = f.node(at, float64(i)+0.5, r, rest); err != nil {
			return 0, err
		}
		last = r
	}
	return rest, nil
}

// node adds the comparison x <= threshold.
func (f *forest) node(feature int, threshold float64, yes, no int32) (int32, error) {
	if len(f.nodes) >= models.MaxTreeNodes {
		return 0, fmt.Errorf("more than %d splits", models.MaxTreeNodes)
	}
	f.nodes = append(f.nodes, models.TreeNode{Feature: feature, Threshold: threshold, True: yes, False: no})
	return int32(len(f.nodes) - 1), nil
}

// plant ends a tree.
func (f *forest) plant(root int32) error {
	if len(f.trees) >= models.MaxTrees {
		return fmt.Errorf("more than %d trees", models.MaxTrees)
	}
	f.trees = append(f.trees, models.Tree{Nodes: slices.Clone(f.nodes), Root: root})
	f.nodes = f.nodes[:0]
	return nil
}

// classAttribute notes the class attribute of a tree; all trees have the same.
func (f *forest) classAttribute(a attribute) error {
	if f.class != nil && (f.class.name != a.name || f.class.kind != a.kind || !slices.Equal(f.class.values, a.values)) {
		return fmt.Errorf("the trees have different class attributes, %q and %q", f.class.name, a.name)
	}
	f.class = &a
	return nil
}

// finish builds the ensemble: each tree votes for a class, and the scores are shares of the votes.
func (f *forest) finish(opt Options) (models.Model, error) {
	if opt.Task == TaskRegress {
		return nil, fmt.Errorf("its answers are classes, not numbers; import it as a classifier")
	}
	if len(f.trees) == 0 {
		return nil, fmt.Errorf("it has no trees; fit the model first")
	}
	var classes []string
	if f.class != nil {
		classes = f.class.codes()
	}
	if classes == nil { // a class that is a number
		classes = slices.Sorted(slices.Values(f.labels))
	}
	position := make([]int, len(f.labels))
	for i, l := range f.labels {
		if position[i] = slices.Index(classes, l); position[i] < 0 {
			return nil, fmt.Errorf("a leaf answers %q, which is none of the classes %q", l, classes)
		}
	}
	post, err := classifier(classes, quantize.LinkIdentity, 0.5)
	if err != nil {
		return nil, err
	}
	used := make([]string, len(f.attrs))
	for i := range used {
		used[i] = f.attrs[i].name
	}
	names, at, err := featureNames(used, opt)
	if err != nil {
		return nil, err
	}
	m := &models.TreeEnsemble{Info: models.Info{Features: names, Named: true, Producer: producer, Post: post}, Trees: f.trees, Average: len(f.trees) > 1,
		Base: make([]float64, post.Outputs)}
	values := make([][]float64, len(f.labels))
	for i, p := range position {
		values[i] = make([]float64, post.Outputs)
		if post.Outputs > 1 {
			values[i][p] = 1
		} else {
			values[i][0] = float64(p)
		}
	}
	for i := range m.Trees {
		finishTree(&m.Trees[i], values, at)
	}
	if len(f.trees) > 1 && len(f.trees)%2 == 0 || len(f.trees) > 1 && len(classes) > 2 {
		f.report.warn("where classes have equally many votes the first one wins, in the order %s; golearn then decides at random", firstOf(classes, 6))
	}
	return m, nil
}

// finishTree replaces labels by leaves, and attributes by features.
func finishTree(t *models.Tree, values [][]float64, feature []int) {
	place := map[int32]int32{}
	leaf := func(ref int32) int32 {
		if ref >= 0 {
			return ref
		}
		p, ok := place[ref]
		if !ok {
			p = ^int32(len(t.Leaves))
			place[ref] = p
			t.Leaves = append(t.Leaves, values[^ref])
		}
		return p
	}
	t.Root = leaf(t.Root)
	for i := range t.Nodes {
		n := &t.Nodes[i]
		n.Feature, n.True, n.False = feature[n.Feature], leaf(n.True), leaf(n.False)
	}
}

// firstOf lists the first few items.
func firstOf(items []string, most int) string {
	if len(items) > most {
		return strings.Join(items[:most], ", ") + ", ..."
	}
	return strings.Join(items, ", ")
}
