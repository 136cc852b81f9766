package onnx

import (
	"fmt"
	"slices"

	"github.com/fhe-ml/fhe-ml/models"
)

// Activations are functions of one pre-activation. Exporters write the same one as an operator of its own (Gelu), as several operators on the
// same value (Div, Erf, Add, Mul, Mul), or with a second branch (x * Sigmoid(x)): here all of these become one function per column.

var (
	fnX    = models.X()
	fnCall = models.Call
	fnNum  = models.Number
)

// namedFunctions are the operators that the outputs' links are recognised by, and those that package models has a name for.
var namedFunctions = map[string]models.Function{
	"Relu":    fnCall(models.FnMaximum, fnX, fnNum(0)),
	"Sigmoid": fnCall(models.FnSigmoid, fnX),
	"Tanh":    fnCall(models.FnTanh, fnX),
	"Exp":     fnCall(models.FnExp, fnX),
	"Unit":    fnCall(models.FnMinimum, fnCall(models.FnMaximum, fnX, fnNum(0)), fnNum(1)),
}

// fused is the name of a basis whose functions are in fns.
const fused = "a function"

// function returns the function of element i; nil for a link that is none of an activation.
func (b *basis) function(i int) models.Function {
	if b.fns != nil {
		return b.fns[i]
	}
	return namedFunctions[b.fn]
}

func sameFunctions(a, b []models.Function) bool {
	return slices.EqualFunc(a, b, func(f, g models.Function) bool { return slices.Equal(f, g) })
}

// applied is f of every column.
func applied(o *operation, v *vector, f func(i int) models.Function) *vector {
	fns := make([]models.Function, len(v.cols))
	for i := range fns {
		fns[i] = f(i)
	}
	out := newVector(&basis{kind: basisFunction, fn: fused, fns: fns, n: len(v.cols), arg: v, node: o})
	out.shape = v.shape
	return out
}

// affineOf is w*x + b.
func affineOf(w, b float64) models.Function {
	f := fnX
	if w != 1 {
		f = fnCall(models.FnMultiply, f, fnNum(w))
	}
	if b != 0 {
		f = fnCall(models.FnAdd, f, fnNum(b))
	}
	return f
}

// diagonal returns, of a vector each of whose columns reads at most one element of a function's basis, the pre-activations and the functions that
// the columns are of them; nil where it is none, or a function would be too long.
func (v *vector) diagonal() (root *vector, fns []models.Function) {
	b := v.base
	if b.kind != basisFunction || v.open {
		return nil, nil
	}
	index := make([]int, len(v.cols))
	fns = make([]models.Function, len(v.cols))
	for i, c := range v.cols {
		switch len(c.idx) {
		case 0:
			fns[i] = fnNum(c.b)
		case 1:
			index[i] = int(c.idx[0])
			f := b.function(index[i])
			if f == nil {
				return nil, nil
			}
			fns[i] = affineOf(c.w[0], c.b).Of(f)
		default:
			return nil, nil
		}
		if len(fns[i]) > models.MaxFunction/2 {
			return nil, nil
		}
	}
	return b.arg.pick(index, v.shape), fns
}

// views are the ways to see a vector as functions of something: of itself, of the pre-activations of its basis, and so on down.
type view struct {
	root *vector
	fns  []models.Function
}

func (t *translator) views(v *vector) []view {
	id := make([]models.Function, len(v.cols))
	for i := range id {
		id[i] = fnX
	}
	out := []view{{v, id}}
	for len(out) < 4 && t.spend((columnWeights+4)*len(v.cols), 16*len(v.cols)) == nil {
		last := out[len(out)-1]
		root, fns := last.root.diagonal()
		if root == nil {
			break
		}
		size := 0
		for i := range fns {
			fns[i] = last.fns[i].Of(fns[i])
			size += len(fns[i])
			if len(fns[i]) > models.MaxFunction/2 {
				return out
			}
		}
		if t.spend(functionWeights(2*size), size) != nil {
			return out
		}
		out = append(out, view{root, fns})
	}
	return out
}

// fuse combines vectors that are functions of the same pre-activations, column by column, into one function op of these.
func (t *translator) fuse(o *operation, op models.FunctionOp, vecs ...*vector) (*vector, bool) {
	shape := vecs[0].shape
	for _, v := range vecs[1:] {
		var err error
		if shape, err = broadcastShape(shape, v.shape); err != nil {
			return nil, false
		}
	}
	n := product(shape)
	if n > maxFeatures {
		return nil, false
	}
	if t.spend(2*(columnWeights+2)*n*len(vecs), 8*n*len(vecs)) != nil {
		return nil, false
	}
	seen := make([][]view, len(vecs))
	for i, v := range vecs {
		seen[i] = t.views(v.pick(broadcastIndex(v.shape, shape), shape))
	}
	for _, p := range seen[0] {
		root := p.root.with(slices.Clone(p.root.cols), shape)
		fns := [][]models.Function{slices.Clone(p.fns)}
		for _, others := range seen[1:] {
			for _, q := range others {
				if t.onto(root, &fns, q) {
					break
				}
			}
		}
		if len(fns) != len(vecs) {
			continue
		}
		out := make([]models.Function, n)
		args := make([]models.Function, len(vecs))
		size := 0
		for i := range out {
			for k := range args {
				args[k] = fns[k][i]
			}
			out[i] = fnCall(op, args...)
			size += len(out[i])
			if len(out[i]) > models.MaxFunction/2 {
				return nil, false
			}
		}
		if t.spend(functionWeights(size), size) != nil {
			return nil, false
		}
		return applied(o, root, func(i int) models.Function { return out[i] }), true
	}
	return nil, false
}

// functionWeights is what instructions take, in units of the budget.
func functionWeights(instructions int) int { return 32 * instructions / weightBytes }

// onto adds the functions of q, if they are functions of the same pre-activations as fns are of root. Where root has a constant, it takes q's.
func (t *translator) onto(root *vector, fns *[][]models.Function, q view) bool {
	if t.spend(columnWeights*len(root.cols), 8*(len(root.cols)+root.base.n)) != nil || !sameBasis(root.base, q.root.base, 0) || t.spend(0, root.weights()+q.root.weights()) != nil {
		return false
	}
	cols := slices.Clone(root.cols)
	add := make([]models.Function, len(cols))
	var constant []int
	for i, y := range q.root.cols {
		switch x := cols[i]; {
		case len(y.idx) == 0:
			add[i] = q.fns[i].Of(fnNum(y.b))
		case len(x.idx) == 0:
			constant = append(constant, i)
			add[i] = q.fns[i]
		default:
			scale, shift, ok := multiple(y, x)
			if !ok {
				return false
			}
			add[i] = q.fns[i].Of(affineOf(scale, shift))
		}
	}
	for _, i := range constant {
		for k := range *fns {
			(*fns)[k][i] = (*fns)[k][i].Of(fnNum(cols[i].b))
		}
		cols[i] = q.root.cols[i]
	}
	root.cols = cols
	*fns = append(*fns, add)
	return true
}

// constantVector is a constant as columns of a row of the given shape, over v's basis.
func constantVector(v *vector, c *constant) (*vector, error) {
	if c.text != nil {
		return nil, malformed("arithmetic on texts")
	}
	if err := finite("constant", c.data); err != nil {
		return nil, err
	}
	index, err := rowsOf(c, v.shape)
	if err != nil {
		return nil, err
	}
	out := v.with(make([]column, len(index)), v.shape)
	for i, k := range index {
		out.cols[i] = column{b: c.data[k]}
	}
	return out, nil
}

// whereFunction chooses by a comparison of hidden values.
func (t *translator) whereFunction(o *operation, cond *vector, a, b value) ([]value, error) {
	vecs := []*vector{cond}
	for _, x := range []value{a, b} {
		switch x := x.(type) {
		case *vector:
			if x.open {
				return nil, fmt.Errorf("rows of known shape")
			}
			vecs = append(vecs, x)
		case *constant:
			v, err := constantVector(cond, x)
			if err != nil {
				return nil, err
			}
			vecs = append(vecs, v)
		default:
			return nil, fmt.Errorf("numbers to choose from")
		}
	}
	if v, ok := t.fuse(o, models.FnWhere, vecs...); ok {
		return one(v), nil
	}
	return nil, fmt.Errorf("a condition and values that are functions of the same value: choosing between two encrypted values is not supported")
}

// compareFunction is a comparison of hidden values with constants.
func (t *translator) compareFunction(o *operation, op string, v *vector, at []int, c *constant) (*vector, error) {
	if err := finite("constant", c.data); err != nil {
		return nil, err
	}
	if err := t.spend(functionWeights(6*len(v.cols)), 6*len(v.cols)); err != nil {
		return nil, err
	}
	out := applied(o, v, func(i int) models.Function {
		k := fnNum(c.data[at[i]])
		switch op {
		case "Greater":
			return fnCall(models.FnGreater, fnX, k)
		case "Less":
			return fnCall(models.FnGreater, k, fnX)
		case "GreaterOrEqual":
			return fnCall(models.FnGreaterEqual, fnX, k)
		case "LessOrEqual":
			return fnCall(models.FnGreaterEqual, k, fnX)
		}
		return fnCall(models.FnEqual, fnX, k)
	})
	out.flags = true
	return out, nil
}

// functionOp is an activation with its own operator, whose attributes are read by make.
func functionOp(make func(o *operation) (models.Function, error)) handler {
	return func(t *translator, o *operation, in []value) ([]value, error) {
		in, err := arity(in, 1, 1)
		if err != nil {
			return nil, err
		}
		f, err := make(o)
		if err != nil {
			return nil, err
		}
		if err := f.Validate(); err != nil {
			return nil, malformed("attributes that are no numbers")
		}
		switch v := in[0].(type) {
		case *constant:
			if v.text == nil {
				return one(v.apply(f)), nil
			}
		case *vector:
			if !v.open {
				return one(applied(o, v, func(int) models.Function { return f })), nil
			}
		}
		return nil, fmt.Errorf("computed numbers")
	}
}

// apply is f of every element.
func (c *constant) apply(f models.Function) *constant {
	out := &constant{typ: c.typ, shape: c.shape, data: make([]float64, len(c.data))}
	for i, x := range c.data {
		out.data[i] = f.Apply(x)
		if c.typ == typeFloat {
			out.data[i] = float64(float32(out.data[i]))
		}
	}
	return out
}

func plainFunction(f models.Function) handler {
	return functionOp(func(*operation) (models.Function, error) { return f, nil })
}
