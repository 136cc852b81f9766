package compiler

import (
	"fmt"
	"slices"
)

// Limits of what a Graph may hold. They keep int64 arithmetic exact and the memory of a parsed graph bounded.
const (
	// boundLimit is the exclusive limit on the magnitude of any value: two of them can be added without overflow.
	boundLimit = int64(1) << 62
	// maxRank is the largest number of axes of a node.
	maxRank = 8
	// maxElements is the largest number of elements of one node.
	maxElements = 1 << 26
)

// Array is a constant array of exact integers in row-major order. A Shape of no axes is a scalar, which has one element;
// every axis has at least one element. Values are below 2^62 in magnitude.
type Array struct {
	Shape []int
	Data  []int64
}

// Table is a univariate function given by its values. Row r holds the values for x = Lo[r] .. Lo[r]+len(Values[r])-1. A
// table has either one row, shared by all elements of its argument, or one row per element of it, in row-major order. The
// rows must cover the argument's bounds.
type Table struct {
	Lo     []int64
	Values [][]int64
}

// TableOf returns the one-row table of f on lo..hi. It panics when hi < lo or when the row would have more than 2^26
// entries.
func TableOf(lo, hi int64, f func(x int64) int64) Table {
	if hi < lo || uint64(hi)-uint64(lo) >= maxElements {
		panic(fmt.Sprintf("compiler: table over %d..%d: the range is empty or too wide", lo, hi))
	}
	row := make([]int64, hi-lo+1)
	for i := range row {
		row[i] = f(lo + int64(i))
	}
	return Table{Lo: []int64{lo}, Values: [][]int64{row}}
}

// Row returns the first argument and the values of the row for the given element: the shared row when there is one.
func (t *Table) Row(element int) (lo int64, values []int64) {
	if len(t.Values) == 1 {
		element = 0
	}
	return t.Lo[element], t.Values[element]
}

// equal reports whether t and u are the same rows.
func (t *Table) equal(u *Table) bool {
	if t == u {
		return true
	}
	return t != nil && u != nil && slices.Equal(t.Lo, u.Lo) && slices.EqualFunc(t.Values, u.Values, slices.Equal[[]int64])
}

// clone returns a deep copy.
func (t *Table) clone() *Table {
	c := &Table{Lo: slices.Clone(t.Lo), Values: make([][]int64, len(t.Values))}
	for i, row := range t.Values {
		c.Values[i] = slices.Clone(row)
	}
	return c
}

// shapeSize returns the number of elements of a shape, or an error when an axis is empty or the limits are exceeded.
func shapeSize(shape []int) (int, error) {
	if len(shape) > maxRank {
		return 0, fmt.Errorf("%d axes, more than %d", len(shape), maxRank)
	}
	size := 1
	for _, d := range shape {
		if d < 1 {
			return 0, fmt.Errorf("shape %v: every axis needs at least one element", shape)
		}
		if d > maxElements/size {
			return 0, fmt.Errorf("shape %v: more than %d elements", shape, maxElements)
		}
		size *= d
	}
	return size, nil
}

// broadcastShape returns numpy's common shape of the given shapes.
func broadcastShape(shapes ...[]int) ([]int, error) {
	rank := 0
	for _, s := range shapes {
		rank = max(rank, len(s))
	}
	out := make([]int, rank)
	for i := range out {
		out[i] = 1
		for _, s := range shapes {
			j := i - rank + len(s)
			if j < 0 || s[j] == 1 {
				continue
			}
			if out[i] != 1 && out[i] != s[j] {
				return nil, fmt.Errorf("shapes %v do not broadcast", shapes)
			}
			out[i] = s[j]
		}
	}
	return out, nil
}

// spread says where each element of a result finds its element of one argument under broadcasting.
type spread struct {
	scalar bool  // every element reads element 0
	index  []int // element i reads index[i]; nil is the identity (unless scalar)
}

// at returns the argument's element for element i of the result.
func (s *spread) at(i int) int {
	if s.scalar {
		return 0
	}
	if s.index != nil {
		return s.index[i]
	}
	return i
}

// spreadTo returns the map from the elements of the broadcast shape out to those of shape.
func spreadTo(shape, out []int) spread {
	size, total := 1, 1
	for _, d := range shape {
		size *= d
	}
	for _, d := range out {
		total *= d
	}
	if size == total { // the shapes differ in axes of one element at most
		return spread{}
	}
	if size == 1 {
		return spread{scalar: true}
	}
	strides := make([]int, len(out)) // 0 on broadcast axes
	step := 1
	for j := len(shape) - 1; j >= 0; j-- {
		if shape[j] != 1 {
			strides[j+len(out)-len(shape)] = step
		}
		step *= shape[j]
	}
	return spread{index: stridedIndex(out, strides)}
}

// stridedIndex lists sum(position*stride) for every position of shape in row-major order.
func stridedIndex(shape, strides []int) []int {
	index := []int{0}
	for axis, d := range shape {
		next := make([]int, 0, len(index)*d)
		for _, base := range index {
			for p := range d {
				next = append(next, base+p*strides[axis])
			}
		}
		index = next
	}
	return index
}

// transposeIndex lists, for every element of the transposed array, its element in the array of the given shape.
func transposeIndex(shape []int, perm []int64) []int {
	strides := make([]int, len(shape))
	step := 1
	for j := len(shape) - 1; j >= 0; j-- {
		strides[j] = step
		step *= shape[j]
	}
	out, moved := make([]int, len(shape)), make([]int, len(shape))
	for i, p := range perm {
		out[i], moved[i] = shape[p], strides[p]
	}
	return stridedIndex(out, moved)
}

// splitAxis returns the product of the axes before axis, its size, and the product of the axes after it.
func splitAxis(shape []int, axis int) (outer, size, inner int) {
	outer, inner = 1, 1
	for _, d := range shape[:axis] {
		outer *= d
	}
	for _, d := range shape[axis+1:] {
		inner *= d
	}
	return outer, shape[axis], inner
}
