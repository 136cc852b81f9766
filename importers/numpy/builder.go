package numpy

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// Builder records a numpy program as a graph. The zero Builder is not ready for use: see [NewBuilder].
type Builder struct {
	g     *compiler.Graph
	takes map[string]*compiler.Node
	err   error
	work  int // elements touched so far
}

// Limits of arrays and of the work on constants and tables.
const (
	maxElements = 1 << 22
	maxAxes     = 8
	maxWork     = 1 << 28
	maxNodes    = 1 << 16 // of the graph
)

// abort is what a program ends with wherever it is: a panic that run recovers.
type abort struct{ err *Error }

// spend takes n elements from the budget of the program.
func (b *Builder) spend(n int) {
	if b.work += n + 1; b.work > maxWork || b.work < 0 {
		panic(abort{fail("use smaller arrays, narrower values or fewer operations", "the program works on more than %d elements in all", maxWork)})
	}
	if len(b.g.Nodes) > maxNodes {
		panic(abort{fail("use array operations instead of loops over elements", "the program has more than %d encrypted operations", maxNodes)})
	}
}

// protect runs f and turns what ends a program into an error: its budget, or a refusal of the graph (bounds that reach 2^62, more than 8 axes).
func protect(f func() (any, *Error)) (out any, err *Error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case abort:
			out, err = nil, r.err
		case string:
			if !strings.HasPrefix(r, "compiler: ") {
				panic(r)
			}
			out, err = nil, fail("use smaller values", "%s", strings.TrimPrefix(r, "compiler: "))
		default:
			panic(r)
		}
	}()
	return f()
}

// NewBuilder returns a Builder without inputs.
func NewBuilder() *Builder {
	return &Builder{g: compiler.NewGraph(), takes: map[string]*compiler.Node{}}
}

// Input adds an encrypted input of integers in lo..hi. It panics on a name that exists, an empty axis or empty bounds.
func (b *Builder) Input(name string, shape []int, lo, hi int64) *Value {
	return rooted(b.g.Input(name, shape, []int64{lo}, []int64{hi}), kindInt)
}

// Array returns a constant array of integers in row-major order. It panics when the number of values is not that of the shape.
func Array(shape []int, values []int64) *Value {
	if sizeOf(shape) != len(values) {
		panic(fmt.Sprintf("numpy: %d values for shape %s", len(values), shapeText(shape)))
	}
	return &Value{shape: slices.Clone(shape), kind: kindInt, ints: slices.Clone(values)}
}

// FloatArray returns a constant array of float64 in row-major order. It panics when the number of values is not that of the shape.
func FloatArray(shape []int, values []float64) *Value {
	if sizeOf(shape) != len(values) {
		panic(fmt.Sprintf("numpy: %d values for shape %s", len(values), shapeText(shape)))
	}
	return &Value{shape: slices.Clone(shape), kind: kindFloat, data: slices.Clone(values)}
}

// Call applies numpy's function of that name. Arguments are *Value, bool, int, int64 or float64, []int for axes and shapes, and a [Keywords] at the end for
// arguments by name. Functions of several results, and those of package documentation's list that take lists of arrays (concatenate, stack), take
// []*Value. What is wrong is kept: the call returns nil, further calls do nothing, and [Builder.Graph] returns the first error.
func (b *Builder) Call(name string, args ...any) *Value {
	if b.err != nil {
		return nil
	}
	fn, ok := lookupFunction(name)
	if !ok {
		b.err = fail(suggestion(name), "there is no function numpy.%s here", name)
		return nil
	}
	c := call{b: b, name: name}
	for _, a := range args {
		if kw, ok := a.(Keywords); ok {
			c.kw = map[string]any{}
			for k, v := range kw {
				c.kw[k] = goArgument(v)
			}
			continue
		}
		c.args = append(c.args, goArgument(a))
	}
	out, err := protect(func() (any, *Error) { return c.run(fn) })
	if err != nil {
		b.err = fmt.Errorf("numpy: %s: %w", name, err)
		return nil
	}
	v, ok := out.(*Value)
	if !ok {
		b.err = fmt.Errorf("numpy: %s does not return an array", name)
	}
	return v
}

// Keywords are the arguments of a [Builder.Call] that are given by name, such as axis and keepdims.
type Keywords map[string]any

// goArgument turns a Go value into one of the interpreter.
func goArgument(a any) any {
	switch a := a.(type) {
	case int:
		return int64(a)
	case []int:
		t := make(tuple, len(a))
		for i, x := range a {
			t[i] = int64(x)
		}
		return t
	case []*Value:
		t := make(tuple, len(a))
		for i, x := range a {
			t[i] = x
		}
		return t
	}
	return a
}

// Output appends an integer value to the results of the graph.
func (b *Builder) Output(v *Value) {
	if b.err != nil {
		return
	}
	if err := b.output(v); err != nil {
		b.err = err
	}
}

func (b *Builder) output(v *Value) *Error {
	if v.kind == kindFloat {
		return fail("end with integers, for example with np.rint(scale * y).astype(np.int64), and divide by the scale after decryption",
			"the result is %s", v.describe())
	}
	if v.hot != nil { // without the digits that make its bounds narrow
		b.g.Output(b.g.Reshape(v.hot.plain, v.shape...))
		return nil
	}
	b.g.Output(b.nodeOf(v))
	return nil
}

// Graph returns the graph of all outputs, or the first error of the Builder's calls.
func (b *Builder) Graph() (*compiler.Graph, error) {
	if b.err != nil {
		return nil, b.err
	}
	if err := b.g.Verify(); err != nil {
		return nil, err
	}
	return b.g, nil
}

// nodeOf returns a node that holds an integer value.
func (b *Builder) nodeOf(v *Value) *compiler.Node {
	if v.node != nil {
		return v.node
	}
	return b.g.Constant(compiler.Array{Shape: v.shape, Data: v.ints})
}

// take returns the elements idx of a node in a shape; equal requests give the same node.
func (b *Builder) take(n *compiler.Node, idx []int, shape []int) *compiler.Node {
	if slices.Equal(n.Shape, shape) && isIdentity(idx, n.Size()) {
		return n
	}
	key := fmt.Sprint(n.ID, shape, idx)
	if t, ok := b.takes[key]; ok {
		return t
	}
	t := b.g.Take(n, idx, shape...)
	b.takes[key] = t
	return t
}

func isIdentity(idx []int, size int) bool {
	if len(idx) != size {
		return false
	}
	for i, j := range idx {
		if i != j {
			return false
		}
	}
	return true
}

// moved returns the elements idx of v in a shape: what every operation that only rearranges does.
func (b *Builder) moved(v *Value, idx []int, shape []int) *Value {
	b.spend(len(idx))
	out := &Value{shape: shape, kind: v.kind, typ: v.typ}
	switch {
	case v.data != nil:
		out.data = pick(v.data, idx)
		return out
	case v.ints != nil:
		out.ints = pick(v.ints, idx)
		return out
	}
	out.root, out.idx = v.root, pick(v.idx, idx)
	if v.rows != nil {
		out.rows = pick(v.rows, idx)
	}
	if v.node != nil {
		out.node = b.take(v.node, idx, shape)
	}
	return out
}

func pick[T any](from []T, idx []int) []T {
	out := make([]T, len(idx))
	for i, j := range idx {
		out[i] = from[j]
	}
	return out
}

// table returns the integer value whose elements are the given rows over the domain of v's root: one lookup.
func (b *Builder) table(v *Value, rows [][]float64, k kind) (*Value, *Error) {
	t := compiler.Table{}
	same := true
	for i, row := range rows {
		lo, _ := v.span(i)
		values := make([]int64, len(row))
		for j, x := range row {
			if math.Abs(x) > maxExact || x != math.Trunc(x) {
				return nil, fail("use smaller values", "the result of a table is beyond 2^53 at %s = %d", b.rootName(v), lo+int64(j))
			}
			values[j] = int64(x)
		}
		t.Lo, t.Values = append(t.Lo, lo), append(t.Values, values)
		same = same && lo == t.Lo[0] && slices.Equal(values, t.Values[0])
	}
	if same {
		t.Lo, t.Values = t.Lo[:1], t.Values[:1]
	}
	n := b.g.Lookup(b.take(v.root, v.idx, v.shape), t)
	return &Value{shape: v.shape, kind: k, root: v.root, idx: v.idx, rows: rows, node: n}, nil
}

// rootName names what a value is a function of, in messages.
func (b *Builder) rootName(v *Value) string {
	if v.root.Op == compiler.OpInput {
		return v.root.Name
	}
	return "the argument"
}

// tracked returns an integer value with its rows where these are small, else as its own root.
func tracked(n *compiler.Node, k kind, v *Value, rows [][]float64) *Value {
	if rows == nil {
		return rooted(n, k)
	}
	for _, row := range rows {
		for _, x := range row {
			if math.Abs(x) > maxExact {
				return rooted(n, k)
			}
		}
	}
	return &Value{shape: n.Shape, kind: k, root: v.root, idx: v.idx, rows: rows, node: n}
}
