package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// build makes the model whose raw scores are the columns of raw.
func (t *translator) build(raw *vector, post quantize.Postprocessing) (models.Model, error) {
	names, err := t.features()
	if err != nil {
		return nil, err
	}
	info := models.Info{Features: names, Named: t.named, Producer: t.report.Producer, Post: post, Float32: t.single}
	if post.Task == quantize.Regress && post.Link == quantize.LinkSoftmax {
		t.warn("the outputs are probabilities of a softmax, imported as numbers")
	}
	switch raw.base.kind {
	case basisFeatures:
		if t.readsSquares(raw) {
			return t.additive(raw, info)
		}
		w, b, err := t.dense(raw)
		if err != nil {
			return nil, err
		}
		return &models.Linear{Info: info, Weights: w, Bias: b}, nil
	case basisTrees:
		return t.buildTreeEnsemble(raw, info)
	}
	layers, err := t.layers(raw)
	if err != nil {
		return nil, err
	}
	return &models.Network{Info: info, Layers: layers}, nil
}

// dense writes the columns as rows of a matrix over their basis.
func (t *translator) dense(v *vector) (w [][]float64, b []float64, err error) {
	w, b = make([][]float64, len(v.cols)), make([]float64, len(v.cols))
	for i, c := range v.cols {
		if err := t.spend(v.base.n, v.base.n); err != nil {
			return nil, nil, err
		}
		w[i] = make([]float64, v.base.n)
		for k, j := range c.idx {
			w[i][j] = c.w[k]
		}
		b[i] = c.b
	}
	return w, b, nil
}

// layers walks from the raw scores back to the features.
func (t *translator) layers(raw *vector) ([]models.Layer, error) {
	var back []models.Layer
	var functions []models.Function // of the layer that v is the pre-activations of; nil for the last
	for v := raw; ; {
		l, err := t.layer(v, functions)
		if err != nil {
			return nil, err
		}
		back = append(back, l)
		if len(back) > models.MaxLayers {
			return nil, fmt.Errorf("the network has more than %d layers; export a smaller model", models.MaxLayers)
		}
		switch {
		case v.base.kind == basisFeatures:
			for i, j := 0, len(back)-1; i < j; i, j = i+1, j-1 {
				back[i], back[j] = back[j], back[i]
			}
			return back, nil
		case v.base.kind != basisFunction:
			return nil, t.unsupported(v.base.node, "here its result enters another layer; only the last values of a model may be "+v.base.describe())
		}
		if err := t.spend(6*v.base.n, 6*v.base.n); err != nil {
			return nil, err
		}
		functions = make([]models.Function, v.base.n)
		for i := range functions {
			if functions[i] = v.base.function(i); functions[i] == nil {
				return nil, t.unsupported(v.base.node, "here it is the activation of a hidden layer")
			}
		}
		// Functions of single values of a layer below are functions of that layer's pre-activations.
		for v = v.base.arg; ; {
			root, inner := v.diagonal()
			if root == nil {
				break
			}
			long := false
			for i, f := range inner {
				inner[i] = functions[i].Of(f)
				long = long || len(inner[i]) > models.MaxFunction
			}
			if long {
				break
			}
			v, functions = root, inner
		}
	}
}

// layer writes pre-activations as a layer: a convolution where they are one (never the last layer, whose functions are nil), else a dense one.
func (t *translator) layer(v *vector, functions []models.Function) (l models.Layer, err error) {
	if functions != nil {
		l.Activation, l.Functions = activationOf(functions)
		if c, ok := t.convolution(v); ok {
			l.Conv = c
			for _, x := range v.cols {
				l.Bias = append(l.Bias, x.b)
			}
			return l, nil
		}
	}
	l.Weights, l.Bias, err = t.dense(v)
	return l, err
}

// activationOf names the functions of a layer's units where they are all one that has a name.
func activationOf(functions []models.Function) (models.Activation, []models.Function) {
	for _, f := range functions[1:] {
		if !slices.Equal(f, functions[0]) {
			return models.ActFunction, functions
		}
	}
	for name, a := range map[string]models.Activation{"Relu": models.ActReLU, "Sigmoid": models.ActSigmoid, "Tanh": models.ActTanh} {
		if slices.Equal(functions[0], namedFunctions[name]) {
			return a, nil
		}
	}
	return models.ActFunction, functions[:1]
}

// buildTreeEnsemble folds the affine map of the columns into leaves and base values, and the choice of features and
// their scaling into the nodes.
func (t *translator) buildTreeEnsemble(raw *vector, info models.Info) (models.Model, error) {
	e := raw.base.trees
	m := &models.TreeEnsemble{Info: info, Trees: e.trees, Base: e.base, Average: e.average, Missing: e.missing}
	if !raw.isIdentity() {
		w, b, err := t.dense(raw)
		if err != nil {
			return nil, err
		}
		m.Base = b
		for i, row := range w {
			for j, f := range row {
				if f != 0 {
					m.Base[i] += float64(f * e.base[j])
				}
			}
		}
		m.Trees = make([]models.Tree, len(e.trees))
		for i := range e.trees {
			if m.Trees[i], err = t.mapLeaves(&e.trees[i], w); err != nil {
				return nil, err
			}
		}
	}
	return m, t.treeFeatures(m, raw.base.arg, raw.base.node)
}

// treeFeatures replaces the column numbers of the nodes by features. Columns scaled by a Scaler keep its float32
// arithmetic; other affine maps of a feature are written in the same form, which may move a comparison by a rounding of
// float32.
func (t *translator) treeFeatures(m *models.TreeEnsemble, arg *vector, o *operation) error {
	if arg.isIdentity() {
		return nil
	}
	n := len(m.Features)
	offset, scale := make([]float64, n), make([]float64, n)
	set := make([]bool, n)
	for i := range scale {
		scale[i] = 1
	}
	feature := make([]int, len(arg.cols))
	scaled, exact := false, true
	for i, c := range arg.cols {
		f := int(c.idx[0]) // treeInput checked the form
		feature[i] = f
		off, sc := 0.0, 1.0
		switch {
		case arg.scale != nil:
			off, sc = arg.offset[i], arg.scale[i]
		case c.w[0] != 1 || c.b != 0:
			off, sc = -c.b/c.w[0], c.w[0]
			exact = false
		}
		if set[f] && (offset[f] != off || scale[f] != sc) {
			return t.unsupported(o, fmt.Sprintf("here it compares feature %d in two scalings", f))
		}
		set[f], offset[f], scale[f] = true, off, sc
		scaled = scaled || off != 0 || sc != 1
	}
	if scaled {
		m.ScalerOffset, m.ScalerScale = offset, scale
		if !exact {
			t.warn("features are scaled before the trees by other operators than Scaler; a value within one float32 rounding of a threshold may fall on its other side")
		}
	}
	// Nodes may be shared with other parts of the graph: copy before renumbering.
	trees := make([]models.Tree, len(m.Trees))
	for i, tree := range m.Trees {
		nodes := make([]models.TreeNode, len(tree.Nodes))
		for k, nd := range tree.Nodes {
			nd.Feature = feature[nd.Feature]
			if math.IsInf(nd.Threshold, 0) && scaled {
				return t.unsupported(o, "here it compares a scaled feature with infinity")
			}
			nodes[k] = nd
		}
		trees[i] = models.Tree{Nodes: nodes, Root: tree.Root, Leaves: tree.Leaves}
	}
	m.Trees = trees
	return nil
}
