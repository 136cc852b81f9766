package onnx

import (
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/models"
)

// singleTree reports whether v is computed from the leaf of a single tree, so that any function of it is one too.
func (t *translator) singleTree(v *vector) (*vector, bool) {
	return v, v.base.kind == basisTrees && len(v.base.trees.trees) == 1 && v.lead == 0
}

// mapTree applies f to the columns of every leaf.
func (t *translator) mapTree(v *vector, shape []int, f func(x, y []float64)) (*vector, error) {
	e := v.base.trees
	tree := &e.trees[0]
	n := product(shape)
	if n < 1 || n > 4096 {
		return nil, fmt.Errorf("1 to 4096 columns")
	}
	out := &ensemble{outputs: n, base: make([]float64, n), missing: e.missing}
	mapped := models.Tree{Nodes: tree.Nodes, Root: tree.Root, Leaves: make([][]float64, len(tree.Leaves))}
	x := make([]float64, len(v.cols))
	work := v.weights() + len(v.cols) + n
	for l, leaf := range tree.Leaves {
		if err := t.spend(n, work); err != nil {
			return nil, err
		}
		for i, c := range v.cols {
			s := c.b
			for j, k := range c.idx {
				s += float64(c.w[j] * (leaf[k] + e.base[k]))
			}
			x[i] = s
		}
		y := make([]float64, n)
		f(x, y)
		for _, s := range y {
			if math.IsNaN(s) || math.IsInf(s, 0) {
				return nil, malformed("a leaf becomes %v", s)
			}
		}
		mapped.Leaves[l] = y
	}
	out.trees = []models.Tree{mapped}
	r := newVector(&basis{kind: basisTrees, n: n, trees: out, arg: v.base.arg, node: v.base.node})
	r.shape = shape
	return r, nil
}
