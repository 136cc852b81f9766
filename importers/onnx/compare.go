package onnx

import (
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// holds applies a comparison operator.
func holds(op string, x, y float64) bool {
	switch op {
	case "Less":
		return x < y
	case "LessOrEqual":
		return x <= y
	case "Greater":
		return x > y
	case "GreaterOrEqual":
		return x >= y
	}
	return x == y
}

// mirrored is the operator with its operands exchanged.
var mirrored = map[string]string{"Less": "Greater", "LessOrEqual": "GreaterOrEqual", "Greater": "Less", "GreaterOrEqual": "LessOrEqual", "Equal": "Equal"}

func boolConstant(shape []int, v []float64) *constant {
	c := &constant{typ: typeBool, shape: shape, data: v, ints: make([]int64, len(v))}
	for i, x := range v {
		c.ints[i] = int64(x)
	}
	return c
}

// compare is Less, Greater, Equal and their like: of constants; of single columns of the features with constants, which
// the client does; of what one tree gives, where it is a property of the leaf; of labels with constants likewise.
func compare(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 2, 2)
	if err != nil {
		return nil, err
	}
	op := o.op
	ca, aConst := in[0].(*constant)
	cb, bConst := in[1].(*constant)
	if aConst && bConst {
		c, err := zip(ca, cb, func(x, y float64) float64 { return truth(holds(op, x, y)) })
		if err != nil {
			return nil, malformed("%v", err)
		}
		return one(boolConstant(c.shape, c.data)), nil
	}
	x := in[0]
	if aConst {
		x, cb, op = in[1], ca, mirrored[op]
	} else if !bConst {
		return nil, fmt.Errorf("a constant to compare with")
	}
	if cb.text != nil {
		return nil, fmt.Errorf("numbers")
	}
	if l, ok := x.(*labels); ok {
		if v, ok := t.singleTree(l.scores); ok {
			return t.compareLabels(op, v, l, cb)
		}
	}
	v, ok, err := t.numbers(x)
	if err != nil {
		return nil, err
	}
	if !ok || v.open {
		return nil, fmt.Errorf("computed numbers and a constant")
	}
	if v.positive(true) && allZero(cb) { // a guard against division by zero
		return one(boolConstant([]int{1}, []float64{truth(holds(op, 1, 0))})), nil
	}
	shape, ia, ib, err := t.spread(v, cb)
	if err != nil {
		return nil, err
	}
	if tree, ok := t.singleTree(v); ok {
		out, err := t.mapTree(tree, shape, func(x, y []float64) {
			for i := range y {
				y[i] = truth(holds(op, x[ia[i]], cb.data[ib[i]]))
			}
		})
		if err != nil {
			return nil, err
		}
		out.flags = true
		return one(out), nil
	}
	if !t.isClear(v) {
		out, err := t.compareFunction(o, op, v.pick(ia, shape), ib, cb)
		return one(out), err
	}
	if err := finiteConstant(cb.data...); err != nil {
		return nil, err
	}
	out := v.pick(ia, shape)
	kind, negative := quantize.StepAbove, false
	switch op {
	case "LessOrEqual":
		negative = true
	case "GreaterOrEqual", "Less":
		kind, negative = quantize.StepAtLeast, op == "Less"
	}
	out, err = t.each(out, true, func(i, k int) quantize.Step {
		if op == "Equal" {
			return quantize.Step{Kind: quantize.StepMap, In: []int{k}, Args: []float64{cb.data[ib[i]], 1, 0}}
		}
		return quantize.Step{Kind: kind, In: []int{k}, Args: []float64{cb.data[ib[i]]}}
	})
	if err != nil {
		return nil, err
	}
	if negative {
		out = out.complemented()
	}
	out.flags = true
	return one(out), nil
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func allZero(c *constant) bool {
	for _, x := range c.data {
		if x != 0 {
			return false
		}
	}
	return true
}

// complemented returns 1 - x of every column.
func (v *vector) complemented() *vector {
	out := v.with(make([]column, len(v.cols)), v.shape)
	for i, c := range v.cols {
		out.cols[i] = c.scaled(-1, 1)
	}
	out.flags = v.flags
	return out
}

// spread broadcasts a vector's row with a constant of one row: the shape, and the position in either of every element.
func (t *translator) spread(v *vector, c *constant) (shape, iv, ic []int, err error) {
	cs := c.shape
	for len(cs) > len(v.shape) && cs[0] == 1 {
		cs = cs[1:]
	}
	if len(cs) > len(v.shape) {
		return nil, nil, nil, fmt.Errorf("a constant that is the same for all rows, not of shape %v", c.shape)
	}
	if shape, err = broadcastShape(v.shape, cs); err != nil {
		return nil, nil, nil, malformed("%v", err)
	}
	if product(shape) > maxFeatures {
		return nil, nil, nil, fmt.Errorf("at most %d columns", maxFeatures)
	}
	return shape, broadcastIndex(v.shape, shape), broadcastIndex(cs, shape), nil
}

// zip applies a function to two constants with numpy's broadcasting.
func zip(a, b *constant, f func(x, y float64) float64) (*constant, error) {
	if a.text != nil || b.text != nil {
		return nil, fmt.Errorf("arithmetic on texts")
	}
	shape, err := broadcastShape(a.shape, b.shape)
	if err != nil {
		return nil, err
	}
	ia, ib := broadcastIndex(a.shape, shape), broadcastIndex(b.shape, shape)
	out := &constant{typ: a.typ, shape: shape, data: make([]float64, len(ia))}
	for i := range out.data {
		out.data[i] = f(a.data[ia[i]], b.data[ib[i]])
		if a.typ == typeFloat {
			out.data[i] = float64(float32(out.data[i]))
		}
	}
	return out, nil
}

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

// compareLabels compares the label that one tree decides with constants.
func (t *translator) compareLabels(op string, v *vector, l *labels, c *constant) ([]value, error) {
	if !allIntegers(l.classes) {
		return nil, fmt.Errorf("integer labels")
	}
	label := v.with(nil, []int{1})
	shape, _, ic, err := t.spread(label, c)
	if err != nil {
		return nil, err
	}
	out, err := t.mapTree(v, shape, func(x, y []float64) {
		best := 0
		for i, s := range x {
			if s > x[best] {
				best = i
			}
		}
		for i := range y {
			y[i] = truth(holds(op, float64(l.classes[best].Int), c.data[ic[i]]))
		}
	})
	if err != nil {
		return nil, err
	}
	out.flags = true
	return one(out), nil
}

// where chooses between constants by flags: b + (a-b)*flag.
func where(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 3, 3)
	if err != nil {
		return nil, err
	}
	a, ok1 := in[1].(*constant)
	b, ok2 := in[2].(*constant)
	if c, ok := in[0].(*vector); ok && !c.open && (c.base.kind == basisFunction || !ok1 || !ok2) {
		return t.whereFunction(o, c, in[1], in[2])
	}
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("constants to choose from")
	}
	switch c := in[0].(type) {
	case *constant:
		x, err := zip(a, b, func(x, _ float64) float64 { return x })
		if err != nil {
			return nil, malformed("%v", err)
		}
		y, err := zip(b, a, func(x, _ float64) float64 { return x })
		if err != nil {
			return nil, malformed("%v", err)
		}
		for _, k := range c.data {
			if k != c.data[0] {
				return nil, fmt.Errorf("one condition")
			}
		}
		if len(c.data) > 0 && c.data[0] == 0 {
			x = y
		}
		return one(x), nil
	case *vector:
		if !c.flags {
			return nil, fmt.Errorf("a condition that is a comparison")
		}
		d, err := zip(a, b, func(x, y float64) float64 { return x - y })
		if err != nil {
			return nil, malformed("%v", err)
		}
		out, err := t.elementwise("Mul", c, d, false)
		if err != nil {
			return nil, err
		}
		out, err = t.elementwise("Add", out, b, false)
		return one(out), err
	}
	return nil, fmt.Errorf("a condition that is a comparison")
}

// unary is Log, Sqrt, Exp and Abs: of constants; of what one tree gives; Log, Sqrt and Abs also of single columns of the
// features.
func unary(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	fn := map[string]func(float64) float64{"Log": math.Log, "Sqrt": math.Sqrt, "Exp": math.Exp, "Abs": math.Abs}[o.op]
	switch v := in[0].(type) {
	case *constant:
		if v.text != nil {
			return nil, malformed("a function of texts")
		}
		c, err := zip(v, &constant{typ: v.typ, data: []float64{0}}, func(x, _ float64) float64 { return fn(x) })
		if err != nil {
			return nil, malformed("%v", err)
		}
		return one(c), nil
	case *vector:
		if v.open {
			break
		}
		if tree, ok := t.singleTree(v); ok && o.op != "Exp" {
			out, err := t.mapTree(tree, v.shape, func(x, y []float64) {
				for i := range y {
					y[i] = fn(x[i])
				}
			})
			return one(out), err
		}
		kinds := map[string]quantize.StepKind{"Log": quantize.StepLog, "Sqrt": quantize.StepSqrt, "Abs": quantize.StepAbs}
		if kind, ok := kinds[o.op]; ok && t.isClear(v) {
			out, err := t.each(v, false, func(_, k int) quantize.Step { return quantize.Step{Kind: kind, In: []int{k}} })
			return one(out), err
		}
		switch o.op {
		case "Exp":
			return expOp(t, o, v)
		case "Abs":
			if out, err := abs(t, o, in); err == nil {
				return out, nil
			}
			return one(applied(o, v, func(int) models.Function { return fnCall(models.FnAbs, fnX) })), nil
		case "Log":
			return logarithm(t, o, in)
		case "Sqrt":
			return one(applied(o, v, func(int) models.Function { return fnCall(models.FnSqrt, fnX) })), nil
		}
	}
	return nil, fmt.Errorf("constants, or single columns of the features")
}

// pow of constants, and of single columns of the features: a square stays a polynomial, so that a sum of squares (Gaussian
// naive Bayes) can be an additive model.
func pow(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 2, 2)
	if err != nil {
		return nil, err
	}
	e, ok := in[1].(*constant)
	if !ok || e.text != nil {
		return nil, fmt.Errorf("a constant exponent")
	}
	if c, ok := in[0].(*constant); ok {
		r, err := zip(c, e, math.Pow)
		if err != nil {
			return nil, malformed("%v", err)
		}
		return one(r), nil
	}
	v, ok := in[0].(*vector)
	if !ok || !t.isClear(v) {
		return power(t, o, in)
	}
	if err := finiteConstant(e.data...); err != nil {
		return nil, err
	}
	shape, iv, ie, err := t.spread(v, e)
	if err != nil {
		return nil, err
	}
	out := v.with(make([]column, len(iv)), shape)
	for i, k := range iv {
		switch x := e.data[ie[i]]; {
		case x == 1:
			out.cols[i] = v.cols[k]
		case x == 2 && len(v.cols[k].idx) == 1:
			if out.cols[i], err = t.squared(v.cols[k]); err != nil {
				return nil, err
			}
		default:
			at, err := t.slotOf(v, k, -1)
			if err != nil {
				return nil, err
			}
			if err := t.numeric([]int{at}); err != nil {
				return nil, err
			}
			if at, err = t.step(quantize.Step{Kind: quantize.StepPower, In: []int{at}, Args: []float64{x}}, false); err != nil {
				return nil, err
			}
			out.cols[i] = slotColumn(at)
		}
	}
	return one(out), nil
}

// squared returns (w*x+b)^2 as a combination of x and its square.
func (t *translator) squared(c column) (column, error) {
	k := int(c.idx[0])
	if err := t.numeric([]int{k}); err != nil {
		return c, err
	}
	sq, err := t.square(k)
	if err != nil {
		return c, err
	}
	w := c.w[0]
	out := column{idx: []int32{int32(k), int32(sq)}, w: []float64{2 * w * c.b, float64(w * w)}, b: float64(c.b * c.b)}
	if out.w[0] == 0 {
		out.idx, out.w = out.idx[1:], out.w[1:]
	}
	return out, nil
}

// multiplyColumns is the product of two vectors of clear columns, or of what one tree gives.
func (t *translator) multiplyColumns(a, b *vector) (*vector, error) {
	shape, err := broadcastShape(a.shape, b.shape)
	if err != nil {
		return nil, malformed("%v", err)
	}
	if product(shape) > maxFeatures {
		return nil, fmt.Errorf("at most %d columns", maxFeatures)
	}
	if !t.isClear(a) || !t.isClear(b) {
		return nil, fmt.Errorf("a constant operand")
	}
	ia, ib := broadcastIndex(a.shape, shape), broadcastIndex(b.shape, shape)
	return t.products(shape, func(i int) ([]int, error) {
		x, err := t.slotOf(a, ia[i], -1)
		if err != nil {
			return nil, err
		}
		y, err := t.slotOf(b, ib[i], -1)
		return []int{x, y}, err
	})
}

// products makes a step for the product of the slots of each column.
func (t *translator) products(shape []int, factors func(i int) ([]int, error)) (*vector, error) {
	n := product(shape)
	out := &vector{base: t.clear.base, cols: make([]column, n), shape: shape}
	for i := range n {
		in, err := factors(i)
		if err != nil {
			return nil, err
		}
		if err := t.numeric(in); err != nil {
			return nil, err
		}
		at := 0
		switch {
		case len(in) == 1:
			at = in[0]
		case len(in) == 2 && in[0] == in[1]:
			at, err = t.square(in[0])
		default:
			name := ""
			for j, k := range in {
				if j > 0 {
					name += "*"
				}
				name += t.clear.slots[k].name
			}
			at, err = t.step(quantize.Step{Kind: quantize.StepProduct, In: in}, false, name)
		}
		if err != nil {
			return nil, err
		}
		out.cols[i] = slotColumn(at)
	}
	return out, nil
}

// clipColumns cuts single columns of the features, or what one tree gives; everything else is an activation.
func clipColumns(t *translator, o *operation, in []value) ([]value, error) {
	v, ok := in0(in).(*vector)
	if !ok || v.open {
		return clip(t, o, in)
	}
	if out, ok, err := t.unitClip(o, v, in); ok || err != nil {
		return one(out), err
	}
	_, tree := t.singleTree(v)
	if !tree && (v.base.kind != basisFeatures || !t.isClear(v) || !distinctColumns(v)) {
		return clip(t, o, in)
	}
	lo, hi, err := clipBounds(o, in)
	if err != nil {
		return nil, err
	}
	if tree {
		out, err := t.mapTree(v, v.shape, func(x, y []float64) {
			for i := range y {
				y[i] = math.Min(math.Max(x[i], lo), hi)
			}
		})
		return one(out), err
	}
	lo, hi = math.Max(lo, -math.MaxFloat32), math.Min(hi, math.MaxFloat32)
	out, err := t.each(v, false, func(_, k int) quantize.Step {
		return quantize.Step{Kind: quantize.StepClip, In: []int{k}, Args: []float64{lo, hi}}
	})
	return one(out), err
}

// unitClip recognises (clip(s, -1, 1) + 1) / 2, which skl2onnx writes for SGDClassifier(loss="modified_huber"): the score
// (s+1)/2 cut to 0..1.
func (t *translator) unitClip(o *operation, v *vector, in []value) (*vector, bool, error) {
	lo, hi, err := clipBounds(o, in)
	if err != nil || lo != -1 || hi != 1 {
		return nil, false, nil
	}
	next := func(name, op string, c float64) (string, bool) {
		if t.spend(0, len(t.rec.ops)) != nil { // the budget's end shows at the next operator
			return "", false
		}
		users := t.users(name)
		if len(users) != 1 || users[0].op != op || len(users[0].inputs) != 2 || users[0].inputs[0] != name {
			return "", false
		}
		k, ok := t.values[users[0].inputs[1]].(*constant)
		return users[0].outputs[0], ok && len(k.data) == 1 && k.data[0] == c
	}
	added, ok := next(o.outputs[0], "Add", 1)
	if !ok {
		return nil, false, nil
	}
	if _, ok = next(added, "Div", 2); !ok {
		return nil, false, nil
	}
	half := v.with(make([]column, len(v.cols)), v.shape)
	if err := t.spend(v.weights(), v.weights()); err != nil {
		return nil, false, err
	}
	for i, c := range v.cols {
		half.cols[i] = c.scaled(0.5, 0.5)
	}
	u := elementwiseFunction(o, "Unit", half)
	for i, c := range u.cols {
		u.cols[i] = c.scaled(2, -1)
	}
	return u, true, nil
}

// users returns the operators that read a value.
func (t *translator) users(name string) []*operation {
	var out []*operation
	for _, o := range t.rec.ops {
		for _, in := range o.inputs {
			if in == name {
				out = append(out, o)
				break
			}
		}
	}
	return out
}

func in0(in []value) value {
	if len(in) == 0 {
		return nil
	}
	return in[0]
}

// distinctColumns reports whether no two columns read the same feature, as the units of a layer would.
func distinctColumns(v *vector) bool {
	seen := map[int32]bool{}
	for _, c := range v.cols {
		for _, k := range c.idx {
			if seen[k] {
				return false
			}
			seen[k] = true
		}
	}
	return true
}

// clipBounds reads the bounds of a Clip from its inputs or attributes.
func clipBounds(o *operation, in []value) (lo, hi float64, err error) {
	limit := func(k int, name string, def float64) (float64, error) {
		if k >= len(in) || in[k] == nil {
			return o.float(name, def), nil
		}
		c, ok := in[k].(*constant)
		if !ok || len(c.data) != 1 || math.IsNaN(c.data[0]) {
			return 0, fmt.Errorf("constant bounds")
		}
		return c.data[0], nil
	}
	if lo, err = limit(1, "min", math.Inf(-1)); err != nil {
		return 0, 0, err
	}
	hi, err = limit(2, "max", math.Inf(1))
	return lo, hi, err
}
