package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// ensemble is a tree ensemble on the columns of a vector; its node features are columns of that vector.
type ensemble struct {
	trees   []models.Tree
	base    []float64
	average bool
	outputs int
	missing bool // missing values have a path
}

// distribution reports whether the outputs are non-negative and sum to one on every path, so that an L1 norm changes
// nothing: every tree's leaves sum to the same number and those numbers sum to one.
func (e *ensemble) distribution() bool {
	if e.average {
		return false
	}
	total := 0.0
	for _, b := range e.base {
		if b != 0 {
			return false
		}
	}
	for i := range e.trees {
		first := math.NaN()
		for _, leaf := range e.trees[i].Leaves {
			s := 0.0
			for _, w := range leaf {
				if w < 0 {
					return false
				}
				s += w
			}
			if math.IsNaN(first) {
				first = s
			}
			if math.Abs(s-first) > 1e-6 {
				return false
			}
		}
		total += first
	}
	return math.Abs(total-1) < 1e-4
}

// treeEnsemble reads the ensemble of o over the columns of v.
func (t *translator) treeEnsemble(o *operation, v *vector, prefix string, outputs int, output func(int64) int, ids int) (*ensemble, *leafWeights, error) {
	n, err := readTreeNodes(o)
	if err != nil {
		return nil, nil, err
	}
	w, err := readLeafWeights(o, prefix, ids)
	if err != nil {
		return nil, nil, err
	}
	e, err := t.ensembleOf(o, v, n, w, outputs, output)
	return e, w, err
}

// ensembleOf builds the trees of nodes and leaf weights.
func (t *translator) ensembleOf(o *operation, v *vector, n *treeNodes, w *leafWeights, outputs int, output func(int64) int) (*ensemble, error) {
	if v.open {
		most := int64(0)
		for i, f := range n.features {
			if n.modes[i] != "LEAF" {
				most = max(most, f)
			}
		}
		if most >= maxFeatures {
			return nil, malformed("feature %d", most)
		}
		if err := t.widen(v, int(most)+1); err != nil {
			return nil, err
		}
		t.warn("the file does not say how many columns its input has; %d is the highest one that a tree compares, plus one", most+1)
	}
	e := &ensemble{outputs: outputs}
	var warnings []string
	var err error
	e.trees, warnings, err = buildTrees(n, w, outputs, output, len(v.cols), t.single, 1<<21+4*t.file.size)
	if err != nil {
		return nil, err
	}
	for _, s := range warnings {
		t.warn("node %q: %s", o.where(), s)
	}
	for _, m := range n.missing {
		e.missing = e.missing || m == 1
	}
	e.missing = e.missing || t.handlesMissing()
	return e, nil
}

// handlesMissing says whether the file comes from a library whose trees route missing values even where no node sends
// them to the true branch: XGBoost and LightGBM (through onnxmltools) and CatBoost.
func (t *translator) handlesMissing() bool {
	switch t.file.producer {
	case "OnnxMLTools", "CatBoost", "XGBoost", "LightGBM":
		return true
	}
	return false
}

func (t *translator) warn(format string, args ...any) {
	t.report.Warnings = append(t.report.Warnings, fmt.Sprintf(format, args...))
}

// treeInput checks the operand: single features, perhaps scaled. Weighted sums of features, such as principal components,
// are computed by the client.
func (t *translator) treeInput(in []value) (*vector, error) {
	v, err := computed(in)
	if err != nil {
		return nil, err
	}
	if v.base.kind != basisFeatures {
		return nil, fmt.Errorf("features as input, not the output of another model")
	}
	if v.lead > 0 {
		return nil, fmt.Errorf("rows of features")
	}
	single, sums := true, false
	for _, c := range v.cols {
		single = single && len(c.idx) == 1 && c.w[0] != 0
		sums = sums || len(c.idx) > 1
	}
	if single {
		return v, nil
	}
	out := v.with(slices.Clone(v.cols), v.shape)
	anchor := -1
	for _, c := range v.cols {
		if len(c.idx) > 0 {
			anchor = int(c.idx[0])
		}
	}
	if anchor < 0 {
		return nil, fmt.Errorf("features as input, not constants")
	}
	if err := t.openSlots(); err != nil {
		return nil, err
	}
	for i, c := range v.cols {
		s := quantize.Step{Kind: quantize.StepSum, In: []int{anchor}, Args: []float64{0, c.b}}
		switch {
		case len(c.idx) == 1 && c.w[0] == 1 && c.b == 0:
			continue
		case len(c.idx) > 0:
			s.In, s.Args = nil, append(slices.Clone(c.w), c.b)
			for _, k := range c.idx {
				s.In = append(s.In, int(k))
			}
		}
		if err := t.numeric(s.In); err != nil {
			return nil, err
		}
		at, err := t.step(s, false, fmt.Sprintf("sum%d", i))
		if err != nil {
			return nil, err
		}
		out.cols[i] = slotColumn(at)
	}
	if sums && !t.warnedSums {
		t.warnedSums = true
		t.warn("weighted sums of columns stand before the trees (principal components, say): the client computes them in the clear, so its file holds their weights")
	}
	return out, nil
}

// regressionInput is the operand of an ensemble with n_targets outputs, and their number.
func (t *translator) regressionInput(o *operation, in []value) (*vector, int, error) {
	v, err := t.treeInput(in)
	if err != nil {
		return nil, 0, err
	}
	outputs := o.int("n_targets", 1)
	if outputs < 1 || outputs > 4096 {
		return nil, 0, malformed("%d targets, want 1 to 4096", outputs)
	}
	return v, int(outputs), nil
}

func treeRegressor(t *translator, o *operation, in []value) ([]value, error) {
	v, k, err := t.regressionInput(o, in)
	if err != nil {
		return nil, err
	}
	e, _, err := t.treeEnsemble(o, v, "target", k, func(id int64) int { return int(id) }, k)
	if err != nil {
		return nil, err
	}
	switch a := o.string("aggregate_function", "SUM"); a {
	case "SUM":
	case "AVERAGE":
		e.average = true
	default:
		return nil, fmt.Errorf("aggregate_function SUM or AVERAGE, not %q", a)
	}
	if e.base, err = baseValues(o, k); err != nil {
		return nil, err
	}
	t.regress = true
	raw := newVector(&basis{kind: basisTrees, n: k, trees: e, arg: v, node: o})
	out, err := t.postTransform(o, raw)
	return one(out), err
}

func baseValues(o *operation, k int) ([]float64, error) {
	b := o.floats("base_values")
	if len(b) == 0 {
		return make([]float64, k), nil
	}
	if len(b) != k {
		return nil, malformed("%d base values for %d outputs", len(b), k)
	}
	return b, finite("base value", b)
}

// treeClassifier follows onnxruntime where the specification is silent. Two classes whose weights all carry one class
// id have one score s, which belongs to the second class: without a transform [1-s, s], decided at 1/2, when no weight
// is negative (votes), else [-s, s], decided at 0; with LOGISTIC [1-p, p], decided at 0. (onnxruntime decides also the
// LOGISTIC form at 1/2 when no weight is negative, against its own probabilities; this importer does not.)
func treeClassifier(t *translator, o *operation, in []value) ([]value, error) {
	v, err := t.treeInput(in)
	if err != nil {
		return nil, err
	}
	classes, err := classLabels(o, "classlabels_int64s")
	if err != nil {
		return nil, err
	}
	k := len(classes)
	single := k == 2
	ids := o.ints("class_ids")
	for _, id := range ids {
		single = single && id == ids[0]
	}
	output := func(id int64) int { return int(id) }
	outputs := k
	if single {
		outputs, output = 1, func(int64) int { return 0 }
	}
	e, w, err := t.treeEnsemble(o, v, "class", outputs, output, k)
	if err != nil {
		return nil, err
	}
	if e.base, err = baseValues(o, outputs); err != nil {
		return nil, err
	}
	raw := newVector(&basis{kind: basisTrees, n: outputs, trees: e, arg: v, node: o})
	if !single {
		scores, err := t.postTransform(o, raw)
		return []value{&labels{raw, classes, false}, scores}, err
	}
	s := raw.cols[0]
	opposite := raw.with([]column{s.scaled(-1, 0), s}, []int{2})
	switch o.string("post_transform", "NONE") {
	case "LOGISTIC":
		scores, err := t.postTransform(o, opposite)
		return []value{&labels{opposite, classes, false}, scores}, err
	case "NONE":
		votes := true
		for _, x := range w.weights {
			votes = votes && x >= 0
		}
		if !votes {
			return []value{&labels{opposite, classes, false}, opposite}, nil
		}
		pair := raw.with([]column{s.scaled(-1, 1), s}, []int{2})
		return []value{&labels{pair, classes, false}, pair}, nil
	}
	return nil, fmt.Errorf("post_transform NONE or LOGISTIC with one score for two classes")
}

// joinEnsembles makes one ensemble with the outputs of a and then those of b.
func (t *translator) joinEnsembles(a, b *ensemble) (*ensemble, error) {
	n := a.outputs + b.outputs
	out := &ensemble{outputs: n, missing: a.missing || b.missing}
	if n > 4096 || len(a.trees)+len(b.trees) > models.MaxTrees {
		return nil, fmt.Errorf("at most 4096 outputs and %d trees", models.MaxTrees)
	}
	add := func(e *ensemble, shift int) error {
		f := 1.0
		if e.average {
			f = 1 / float64(len(e.trees))
		}
		m := make([][]float64, n)
		for i := range m {
			m[i] = make([]float64, e.outputs)
			if i >= shift && i < shift+e.outputs {
				m[i][i-shift] = f
			}
		}
		for i := range e.trees {
			x, err := t.mapLeaves(&e.trees[i], m)
			if err != nil {
				return err
			}
			out.trees = append(out.trees, x)
		}
		out.base = append(out.base, e.base...)
		return nil
	}
	if err := add(a, 0); err != nil {
		return nil, err
	}
	return out, add(b, a.outputs)
}

// joinArguments brings two ensembles over different columns of the features to the columns of both.
func (t *translator) joinArguments(a, b *basis) (*vector, *ensemble, error) {
	p, q := a.arg, b.arg
	if p.base != q.base || p.base.kind != basisFeatures || p.open || q.open {
		return nil, nil, fmt.Errorf("trees on features")
	}
	n := len(p.cols)
	if n+len(q.cols) > maxFeatures {
		return nil, nil, fmt.Errorf("at most %d columns", maxFeatures)
	}
	arg := p.with(slices.Concat(p.cols, q.cols), []int{n + len(q.cols)})
	if p.scale != nil || q.scale != nil {
		for _, v := range []*vector{p, q} {
			for i, c := range v.cols {
				off, sc := 0.0, 1.0
				switch {
				case v.scale != nil:
					off, sc = v.offset[i], v.scale[i]
				case c.w[0] != 1 || c.b != 0:
					return nil, nil, fmt.Errorf("trees on features of one scaling")
				}
				arg.offset, arg.scale = append(arg.offset, off), append(arg.scale, sc)
			}
		}
	}
	moved := *b.trees
	moved.trees = make([]models.Tree, len(b.trees.trees))
	for i, tree := range b.trees.trees {
		if err := t.spend(len(tree.Nodes), len(tree.Nodes)); err != nil {
			return nil, nil, err
		}
		nodes := slices.Clone(tree.Nodes)
		for k := range nodes {
			nodes[k].Feature += n
		}
		moved.trees[i] = models.Tree{Nodes: nodes, Root: tree.Root, Leaves: tree.Leaves}
	}
	return arg, &moved, nil
}

// identityTrees folds an affine map of an ensemble's outputs into its leaves.
func (t *translator) identityTrees(v *vector) (*vector, error) {
	w, b, err := t.dense(v)
	if err != nil {
		return nil, err
	}
	e := v.base.trees
	out := &ensemble{outputs: len(v.cols), base: b, missing: e.missing, average: e.average, trees: make([]models.Tree, len(e.trees))}
	for i, row := range w {
		for j, f := range row {
			out.base[i] += float64(f * e.base[j])
		}
	}
	for i := range e.trees {
		if out.trees[i], err = t.mapLeaves(&e.trees[i], w); err != nil {
			return nil, err
		}
	}
	r := newVector(&basis{kind: basisTrees, n: len(v.cols), trees: out, arg: v.base.arg, node: v.base.node})
	r.shape = v.shape
	return r, nil
}

// nonNegative reports whether no output can be below zero.
func (e *ensemble) nonNegative() bool {
	for _, b := range e.base {
		if b < 0 {
			return false
		}
	}
	for i := range e.trees {
		for _, leaf := range e.trees[i].Leaves {
			for _, w := range leaf {
				if w < 0 {
					return false
				}
			}
		}
	}
	return true
}

// mapLeaves multiplies every leaf by the matrix m[new][old].
func (t *translator) mapLeaves(tree *models.Tree, m [][]float64) (models.Tree, error) {
	out := models.Tree{Nodes: tree.Nodes, Root: tree.Root, Leaves: make([][]float64, len(tree.Leaves))}
	for l, leaf := range tree.Leaves {
		if err := t.spend(len(m), len(m)*(len(leaf)+1)); err != nil {
			return out, err
		}
		x := make([]float64, len(m))
		for i, row := range m {
			for j, f := range row {
				if f != 0 {
					x[i] += float64(f * leaf[j])
				}
			}
		}
		out.Leaves[l] = x
	}
	return out, nil
}
