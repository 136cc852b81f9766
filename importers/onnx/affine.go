package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/models"
)

// basisKind says what the columns of a vector are combinations of.
type basisKind int

const (
	basisFeatures    basisKind = iota // the raw features of the row
	basisFunction                     // a function of every column of arg
	basisSoftmax                      // softmax over the columns of arg
	basisNormalize                    // the columns of arg divided by their sum of magnitudes
	basisTrees                        // the outputs of a tree ensemble on arg
	basisLogSumExp                    // the logarithm of the sum of exponentials of the columns of arg
	basisLogSoftmax                   // the logarithm of the softmax over the columns of arg
	basisOneVsRest                    // a score per class from the decisions between pairs, arg (quantize.LinkOneVsRest)
	basisSoftmaxZero                  // softmax over the columns of arg that are not zero
)

// basis is a list of n numbers per row that later values combine linearly.
type basis struct {
	kind  basisKind
	n     int
	fn    string            // name of the function: one of namedFunctions, or fused where fns holds them
	fns   []models.Function // one per element
	arg   *vector
	node  *operation // for messages
	trees *ensemble
}

// column is sum(w[i] * basis[idx[i]]) + b; idx ascends.
type column struct {
	idx []int32
	w   []float64
	b   float64
}

// vector is a value with a batch axis: one column per element of a row, row-major in shape (which excludes the batch
// axis). offset and scale are set behind a Scaler on single features: (x-offset)*scale, for trees, whose comparisons
// need the float32 operations as they are and not as w*x+b.
type vector struct {
	base          *basis
	cols          []column
	shape         []int
	offset, scale []float64
	integer       bool      // columns of an integer input before any cast
	flags         bool      // every column is 0 or 1
	lead          int       // an axis of this length stands before the rows; the columns are those of its first entry, then of its second, ...; 0: none
	open          bool      // input whose number of columns the file does not say
	geo           *geometry // of the convolution that the columns are, up to factors per output and constants
}

func newVector(b *basis) *vector {
	v := &vector{base: b, shape: []int{b.n}, cols: make([]column, b.n)}
	for i := range v.cols {
		v.cols[i] = column{idx: []int32{int32(i)}, w: []float64{1}}
	}
	return v
}

// isIdentity reports whether the columns are exactly the basis.
func (v *vector) isIdentity() bool {
	if len(v.cols) != v.base.n {
		return false
	}
	for i, c := range v.cols {
		if len(c.idx) != 1 || c.idx[0] != int32(i) || c.w[0] != 1 || c.b != 0 {
			return false
		}
	}
	return true
}

// weights counts the coefficients.
func (v *vector) weights() int {
	n := 0
	for _, c := range v.cols {
		n += len(c.idx)
	}
	return n
}

// with returns a vector of other columns over the same basis.
func (v *vector) with(cols []column, shape []int) *vector {
	return &vector{base: v.base, cols: cols, shape: shape}
}

// pick selects columns.
func (v *vector) pick(index []int, shape []int) *vector {
	out := v.with(make([]column, len(index)), shape)
	out.integer, out.flags = v.integer, v.flags
	if v.scale != nil {
		out.offset, out.scale = make([]float64, len(index)), make([]float64, len(index))
	}
	for i, k := range index {
		out.cols[i] = v.cols[k]
		if v.scale != nil {
			out.offset[i], out.scale[i] = v.offset[k], v.scale[k]
		}
	}
	return out
}

// addScaled returns x + f*y.
func addScaled(x, y column, f float64) column {
	out := column{b: x.b + float64(f*y.b)}
	out.idx = make([]int32, 0, len(x.idx)+len(y.idx))
	out.w = make([]float64, 0, len(x.idx)+len(y.idx))
	i, j := 0, 0
	for i < len(x.idx) || j < len(y.idx) {
		var k int32
		var w float64
		switch {
		case j == len(y.idx) || i < len(x.idx) && x.idx[i] < y.idx[j]:
			k, w = x.idx[i], x.w[i]
			i++
		case i == len(x.idx) || y.idx[j] < x.idx[i]:
			k, w = y.idx[j], float64(f*y.w[j])
			j++
		default:
			k, w = x.idx[i], x.w[i]+float64(f*y.w[j])
			i++
			j++
		}
		if w != 0 {
			out.idx, out.w = append(out.idx, k), append(out.w, w)
		}
	}
	return out
}

// scaled returns f*x + g.
func (x column) scaled(f, g float64) column {
	if f == 1 {
		return column{x.idx, x.w, x.b + g}
	}
	out := column{b: float64(f*x.b) + g}
	if f == 0 {
		return out
	}
	out.idx = x.idx
	out.w = make([]float64, len(x.w))
	for i, w := range x.w {
		out.w[i] = float64(f * w)
	}
	return out
}

func (x column) equal(y column) bool {
	return x.b == y.b && slices.Equal(x.idx, y.idx) && slices.Equal(x.w, y.w)
}

// opposite reports whether y is exactly -x.
func (x column) opposite(y column) bool {
	if x.b != -y.b || !slices.Equal(x.idx, y.idx) {
		return false
	}
	for i := range x.w {
		if x.w[i] != -y.w[i] {
			return false
		}
	}
	return true
}

// weightBytes is what a coefficient takes: 4 bytes for its position and 8 for its value, and a part of what holds them.
const weightBytes = 14

// columnWeights is what a column takes beside its coefficients, in units of weightBytes.
const columnWeights = 7

// budget bounds what one import may compute: coefficients kept, and multiplications.
type budget struct {
	weights, work int
}

var errBudget = fmt.Errorf("the model expands to far more weights than its file holds")

func (b *budget) spend(weights, work int) error {
	b.weights -= weights
	b.work -= work
	if b.weights < 0 || b.work < 0 {
		return errBudget
	}
	return nil
}

// elementwise combines v with a constant: op is Add, Sub, Mul or Div; swapped means constant op v.
func (t *translator) elementwise(op string, v *vector, c *constant, swapped bool) (*vector, error) {
	if c.text != nil {
		return nil, fmt.Errorf("arithmetic on texts")
	}
	for _, x := range c.data {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, fmt.Errorf("a weight is %v, not a finite number", x)
		}
	}
	if err := t.widen(v, len(c.data)); err != nil {
		return nil, err
	}
	cs := c.shape
	if len(cs) > len(v.shape) {
		for _, d := range cs[:len(cs)-len(v.shape)] {
			if d != 1 {
				return nil, fmt.Errorf("a constant of shape %v varies over the rows", c.shape)
			}
		}
		cs = cs[len(cs)-len(v.shape):]
	}
	shape, err := broadcastShape(v.shape, cs)
	if err != nil {
		return nil, err
	}
	n := product(shape)
	if n > maxFeatures {
		return nil, fmt.Errorf("more than %d columns", maxFeatures)
	}
	if op == "Div" && (v.integer || swapped) {
		return nil, fmt.Errorf("a division of integers, or by a computed value")
	}
	iv, ic := broadcastIndex(v.shape, shape), broadcastIndex(cs, shape)
	out := v.with(make([]column, n), shape)
	out.integer = v.integer
	if n == len(v.cols) {
		out.geo = v.geo
	}
	spent := 0
	for i := range out.cols {
		x, k := v.cols[iv[i]], c.data[ic[i]]
		switch op {
		case "Add":
			out.cols[i] = x.scaled(1, k)
		case "Sub":
			if swapped {
				out.cols[i] = x.scaled(-1, k)
			} else {
				out.cols[i] = x.scaled(1, -k)
			}
		case "Mul":
			out.cols[i] = x.scaled(k, 0)
		case "Div":
			if k == 0 {
				return nil, fmt.Errorf("a division by zero")
			}
			out.cols[i] = column{x.idx, make([]float64, len(x.w)), x.b / k}
			for j, w := range x.w {
				out.cols[i].w[j] = w / k
			}
		default:
			return nil, fmt.Errorf("operator %s", op)
		}
		if spent++; op == "Mul" || op == "Div" {
			spent += len(x.idx)
		}
		if spent > 1<<16 || i == len(out.cols)-1 {
			if err := t.spend(spent, spent); err != nil {
				return nil, err
			}
			spent = 0
		}
	}
	return out, nil
}

// addVectors returns a + f*b with numpy's broadcasting of the row shapes.
func (t *translator) addVectors(a, b *vector, f float64, common func(a, b *vector) (*vector, *vector, error)) (*vector, error) {
	shape, err := broadcastShape(a.shape, b.shape)
	if err != nil {
		return nil, err
	}
	n := product(shape)
	if n > maxFeatures {
		return nil, fmt.Errorf("more than %d columns", maxFeatures)
	}
	a, b, err = common(a, b)
	if err != nil {
		return nil, err
	}
	ia, ib := broadcastIndex(a.shape, shape), broadcastIndex(b.shape, shape)
	out := a.with(make([]column, n), shape)
	for i := range out.cols {
		x, y := a.cols[ia[i]], b.cols[ib[i]]
		if err := t.spend(len(x.idx)+len(y.idx)+1, len(x.idx)+len(y.idx)+1); err != nil {
			return nil, err
		}
		out.cols[i] = addScaled(x, y, f)
	}
	return out, nil
}

// common expresses two vectors over one basis. Functions of the same kind are joined column by column (one-vs-rest
// classifiers, sums of ensembles).
func (t *translator) common(a, b *vector) (*vector, *vector, error) {
	if sameBasis(a.base, b.base, 0) {
		if a.base != b.base {
			c := *b
			c.base = a.base
			b = &c
		}
		return a, b, nil
	}
	x, y := a.base, b.base
	switch {
	case x.kind == basisFunction && y.kind == basisFunction && x.fn == y.fn && !t.joining:
		p, q, err := t.common(x.arg, y.arg)
		if err != nil {
			return nil, nil, err
		}
		arg := p.with(slices.Concat(p.cols, q.cols), []int{len(p.cols) + len(q.cols)})
		if len(arg.cols) > maxFeatures {
			return nil, nil, fmt.Errorf("more than %d columns", maxFeatures)
		}
		joined := &basis{kind: basisFunction, fn: x.fn, n: len(arg.cols), arg: arg, node: x.node}
		if x.fns != nil {
			joined.fns = slices.Concat(x.fns, y.fns)
		}
		return t.rebase(a, b, joined)
	case t.joining && x.depth() >= 0 && y.depth() >= 0:
		// Branches of different depth: the values of the lower one pass the layers between as they are.
		return t.lift(a, b)
	case x.kind == basisTrees && y.kind == basisTrees:
		arg, second := x.arg, y.trees
		if !sameVector(x.arg, y.arg, 0) {
			var err error
			if arg, second, err = t.joinArguments(x, y); err != nil {
				return nil, nil, err
			}
		}
		e, err := t.joinEnsembles(x.trees, second)
		if err != nil {
			return nil, nil, err
		}
		joined := &basis{kind: basisTrees, n: e.outputs, trees: e, arg: arg, node: x.node}
		return t.rebase(a, b, joined)
	}
	return nil, nil, fmt.Errorf("values of one layer, but it combines %s and %s; of several models only sums of linear ones and sums of trees can be computed encrypted: export one of them, or average scores before the softmax", x.describe(), y.describe())
}

// rebase moves a and b to the basis that holds the one of a and then the one of b.
func (t *translator) rebase(a, b *vector, joined *basis) (*vector, *vector, error) {
	if err := t.spend(a.weights()+b.weights(), len(a.cols)+len(b.cols)); err != nil {
		return nil, nil, err
	}
	shift := int32(a.base.n)
	p, q := *a, *b
	p.base, q.base = joined, joined
	q.cols = make([]column, len(b.cols))
	for i, c := range b.cols {
		idx := make([]int32, len(c.idx))
		for j, k := range c.idx {
			idx[j] = k + shift
		}
		q.cols[i] = column{idx, c.w, c.b}
	}
	return &p, &q, nil
}

func (b *basis) describe() string {
	switch b.kind {
	case basisFeatures:
		return "the features"
	case basisTrees:
		return fmt.Sprintf("trees %q", b.node.where())
	case basisSoftmax, basisSoftmaxZero:
		return fmt.Sprintf("softmax %q", b.node.where())
	case basisOneVsRest:
		return fmt.Sprintf("votes %q", b.node.where())
	case basisLogSumExp, basisLogSoftmax:
		return fmt.Sprintf("logarithm %q", b.node.where())
	case basisNormalize:
		return fmt.Sprintf("normalisation %q", b.node.where())
	}
	return fmt.Sprintf("%s %q", b.fn, b.node.where())
}

// sameBasis compares by content, to a depth that real tails do not exceed.
func sameBasis(a, b *basis, depth int) bool {
	if a == b {
		return true
	}
	if depth > 4 || a.kind != b.kind || a.n != b.n || a.fn != b.fn || !sameFunctions(a.fns, b.fns) || a.kind == basisFeatures || a.trees != b.trees {
		return false
	}
	return sameVector(a.arg, b.arg, depth+1)
}

func sameVector(a, b *vector, depth int) bool {
	if a == b {
		return true
	}
	if len(a.cols) != len(b.cols) || !sameBasis(a.base, b.base, depth) {
		return false
	}
	for i := range a.cols {
		if !a.cols[i].equal(b.cols[i]) {
			return false
		}
	}
	return slices.Equal(a.scale, b.scale) && slices.Equal(a.offset, b.offset)
}

// depth is the number of layers under the elements of a basis, -1 where there is something else than layers of functions.
func (b *basis) depth() int {
	n := 0
	for ; b.kind == basisFunction; b = b.arg.base {
		if b.function(0) == nil {
			return -1
		}
		n++
	}
	if b.kind != basisFeatures {
		return -1
	}
	return n
}

// join is common for branches of a network: functions of any kind are joined, and values of a lower layer are kept beside those of a higher one as
// units without activation.
func (t *translator) join(a, b *vector) (*vector, *vector, error) {
	if p, q, err := t.common(a, b); err == nil {
		return p, q, nil
	}
	t.joining = true
	defer func() { t.joining = false }()
	return t.common(a, b)
}

// lift is the case of common for functions of different kinds or depths.
func (t *translator) lift(a, b *vector) (*vector, *vector, error) {
	if err := t.spend(a.weights()+b.weights(), len(a.cols)+len(b.cols)); err != nil {
		return nil, nil, err
	}
	node := a.base.node // for messages; the features have none
	if node == nil {
		node = b.base.node
	}
	keep := func(v *vector) *vector { return applied(node, v, func(int) models.Function { return fnX }) }
	x, y := a, b
	switch d, e := a.base.depth(), b.base.depth(); {
	case d > e:
		y = keep(b)
	case d < e:
		x = keep(a)
	}
	p, q, err := t.common(x.base.arg, y.base.arg)
	if err != nil {
		return nil, nil, err
	}
	arg := p.with(slices.Concat(p.cols, q.cols), []int{len(p.cols) + len(q.cols)})
	if len(arg.cols) > maxFeatures {
		return nil, nil, fmt.Errorf("more than %d columns", maxFeatures)
	}
	joined := &basis{kind: basisFunction, fn: fused, n: len(arg.cols), arg: arg, node: node}
	for _, v := range []*vector{x, y} {
		for i := range v.base.n {
			joined.fns = append(joined.fns, v.base.function(i))
		}
	}
	return t.rebase(x, y, joined)
}
