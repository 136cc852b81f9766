package numpy

import (
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// kind is a result type: all integer types of numpy count as one, and so do its floating-point types.
type kind int

const (
	kindBool kind = iota
	kindInt
	kindFloat
)

func (k kind) String() string { return [...]string{"bool", "int64", "float64"}[k] }

// Limits of tables.
const (
	// maxDomain is the largest number of values that the argument of a table may take.
	maxDomain = 1 << 16
	// maxTracked bounds the entries of rows that are kept for one value in case a later operation can use them.
	maxTracked = 1 << 20
	// maxTable bounds the entries of one table over all elements.
	maxTable = 1 << 24
	// maxExact is the largest integer that a row, which holds float64, represents with all below it.
	maxExact = 1 << 53
)

// Value is an array of a program: a constant, or encrypted. A scalar has no axes. Values are immutable.
type Value struct {
	shape []int
	kind  kind

	typ *intType // of integers: the narrow type of numpy, nil for int64

	data []float64 // constants of kindFloat
	ints []int64   // other constants

	// An encrypted value is, element by element, a function of one element of a node of the graph: element i is rows[i][v-lo] where v is element
	// idx[i] of root and lo its lower bound. Without rows it is that element itself. Integers have a node that holds them, too.
	root *compiler.Node
	idx  []int
	rows [][]float64
	node *compiler.Node
	hot  *oneHot // of an index that is its own root: the tests behind it, if it is known by tests

	// view says that numpy would share the memory of another array here, viewed that another array shares this one's: such arrays cannot be changed in
	// place.
	view, viewed bool
}

// Shape returns the lengths of the axes. The caller must not change it.
func (v *Value) Shape() []int { return v.shape }

// Encrypted reports whether the value depends on an input.
func (v *Value) Encrypted() bool { return v.root != nil }

// Bounds returns the smallest and the largest value that any element can take; for values in floating point rounded outwards.
func (v *Value) Bounds() (lo, hi int64) {
	switch {
	case v.node != nil:
		return v.node.Range()
	case v.ints != nil:
		return slices.Min(v.ints), slices.Max(v.ints)
	}
	low, high := math.Inf(1), math.Inf(-1)
	for i := range v.size() {
		for _, x := range v.row(i) {
			low, high = min(low, x), max(high, x)
		}
	}
	return int64(math.Floor(low)), int64(math.Ceil(high))
}

func (v *Value) size() int { return sizeOf(v.shape) }

func sizeOf(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// describe names the value in messages.
func (v *Value) describe() string {
	what := "constant"
	if v.Encrypted() {
		what = "encrypted"
	}
	if len(v.shape) == 0 {
		return fmt.Sprintf("%s %v", what, v.kind)
	}
	return fmt.Sprintf("%s %v array of shape %s", what, v.kind, shapeText(v.shape))
}

func shapeText(shape []int) string {
	s := "("
	for i, d := range shape {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprint(d)
	}
	if len(shape) == 1 {
		s += ","
	}
	return s + ")"
}

func intScalar(x int64) *Value     { return &Value{kind: kindInt, ints: []int64{x}} }
func floatScalar(x float64) *Value { return &Value{kind: kindFloat, data: []float64{x}} }
func boolScalar(x bool) *Value     { return &Value{kind: kindBool, ints: []int64{b2i(x)}} }

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// at returns element i of a constant as a float64.
func (v *Value) at(i int) float64 {
	if v.data != nil {
		return v.data[i]
	}
	return float64(v.ints[i])
}

// span returns the bounds of the root's element behind element i.
func (v *Value) span(i int) (lo, hi int64) { return v.root.Lo[v.idx[i]], v.root.Hi[v.idx[i]] }

// row returns the values of element i over the domain of its root element; of a constant its one value.
func (v *Value) row(i int) []float64 {
	if !v.Encrypted() {
		return []float64{v.at(i)}
	}
	if v.rows != nil {
		return v.rows[i]
	}
	lo, hi := v.span(i)
	out := make([]float64, hi-lo+1)
	for j := range out {
		out[j] = float64(lo + int64(j))
	}
	return out
}

// entries returns the number of entries of all rows, and the widest of them.
func (v *Value) entries() (total, widest int64) {
	for i := range v.idx {
		lo, hi := v.span(i)
		n := hi - lo + 1
		widest = max(widest, n)
		if total += n; total < 0 || total > 1<<40 {
			return 1 << 40, widest
		}
	}
	return total, widest
}

// tabulable returns an error when tables of v would be too large.
func (v *Value) tabulable() *Error {
	total, widest := v.entries()
	if widest > maxDomain {
		return fail("make it narrower first: fewer bits of inputs or weights, or drop low bits with x >> n",
			"the argument of this function takes up to %d values, a table has at most %d", widest, maxDomain)
	}
	if total > maxTable {
		return fail("apply it to fewer elements or narrower values", "this function needs tables of %d entries in all, more than %d", total, maxTable)
	}
	return nil
}

// sameRoot reports whether two encrypted values of one shape are functions of the same elements.
func sameRoot(a, b *Value) bool { return a.root == b.root && slices.Equal(a.idx, b.idx) }

// rooted returns an integer value that is its own root.
func rooted(n *compiler.Node, k kind) *Value {
	idx := make([]int, n.Size())
	for i := range idx {
		idx[i] = i
	}
	return &Value{shape: n.Shape, kind: k, root: n, idx: idx, node: n}
}
