package compiler

import (
	"math"
	"math/bits"
	"slices"
)

// A function of one code is a weighted sum of few small functions of it, which do not depend on the model's weights: the code itself, its square, or tests.
// The client packs those into coefficients of their own, so that a sum of any functions of single codes is one product with clear weights.

// Column is such a small function. Its values have at most 7 bits.
type Column struct {
	Code int32 `cbor:"1,keyasint"`
	// Square says which seven bits of the square of v = code - Lo the column holds; SquareNone: those of Set instead.
	Square Square `cbor:"2,keyasint,omitempty"`
	// Set holds the values v for which the column is 1; it is 0 for the others.
	Set [2]uint64 `cbor:"3,keyasint,omitempty"`
}

// Square names a part of a square.
type Square uint8

// The parts: v*v = SquareLow + 128 SquareHigh.
const (
	SquareNone Square = iota
	SquareLow
	SquareHigh
)

// Value returns the column's value for v = code - Lo, 0 <= v < 128.
func (c Column) Value(v int64) int64 {
	switch c.Square {
	case SquareLow:
		return v * v & 127
	case SquareHigh:
		return v * v >> 7
	}
	return Selector{Set: c.Set}.Bit(v)
}

// basis is how the functions of one code are written.
type basis uint8

const (
	basisCode    basis = iota // weight times code
	basisSquare               // code, low and high part of its square
	basisOneHot               // a test for each bin but one
	basisThermal              // tests whether the bin is above another
)

// columnGroup is the columns of one code, with the weights that give the functions of all outputs.
type columnGroup struct {
	code    int32
	lo, hi  int64 // of the code
	kind    basis
	bins    []int // bin of each value, of tests
	count   int   // number of bins
	without int   // the bin that has no test of its own
	first   int   // number of its first column
	columns []Column
	weights [][]int64 // [output][column]
	offset  []int64   // [output]: the function is offset + sum of weights * columns
}

// newColumnGroup finds columns for functions of a code: slope[o]*code + table[o][code - lo]. A nil table is zero.
func newColumnGroup(code int32, lo, hi int64, slope []int64, table [][]int64) *columnGroup {
	g := &columnGroup{code: code, lo: lo, hi: hi, offset: make([]int64, len(slope)), weights: make([][]int64, len(slope))}
	if !slices.ContainsFunc(table, func(t []int64) bool { return t != nil }) {
		for o, w := range slope {
			g.weights[o] = []int64{w}
		}
		return g
	}
	values := make([][]int64, len(slope))
	for o, w := range slope {
		values[o] = make([]int64, hi-lo+1)
		for v := range values[o] {
			values[o][v] = w * (lo + int64(v))
			if table[o] != nil {
				values[o][v] += table[o][v]
			}
		}
	}
	g.findBins(values)
	if !g.polynomial(values) {
		g.tests(values)
	}
	return g
}

// findBins numbers the sets of values that no output tells apart, in the order of their first value.
func (g *columnGroup) findBins(values [][]int64) {
	at := map[string]int{}
	g.bins = make([]int, g.hi-g.lo+1)
	var key []byte
	for v := range g.bins {
		key = key[:0]
		for _, f := range values {
			for shift := 0; shift < 64; shift += 8 {
				key = append(key, byte(f[v]>>shift))
			}
		}
		b, ok := at[string(key)]
		if !ok {
			b = len(at)
			at[string(key)] = b
		}
		g.bins[v] = b
	}
	g.count = len(at)
}

// polynomial writes the functions as integer polynomials of v of degree 1 or 2 if they all are, and that takes no more columns than tests do.
func (g *columnGroup) polynomial(values [][]int64) bool {
	n := len(g.bins)
	if n < 2 {
		return false
	}
	quadratic := false
	slopes, squares := make([]int64, len(values)), make([]int64, len(values))
	for o, f := range values {
		// f(v) = f(0) + b v + c v^2 has second differences of 2c.
		if n > 2 {
			second := f[2] - 2*f[1] + f[0]
			if second%2 != 0 {
				return false
			}
			squares[o] = second / 2
		}
		slopes[o] = f[1] - f[0] - squares[o]
		for v := range int64(n) {
			if f[v] != f[0]+v*(slopes[o]+v*squares[o]) {
				return false
			}
		}
		quadratic = quadratic || squares[o] != 0
	}
	columns := 1
	if quadratic {
		g.columns = []Column{{Code: g.code, Square: SquareLow}}
		if (n-1)*(n-1) > 127 {
			g.columns = append(g.columns, Column{Code: g.code, Square: SquareHigh})
		}
		columns += len(g.columns)
	}
	if columns > max(1, g.count-1) {
		g.columns = nil
		return false
	}
	g.kind = basisCode
	if quadratic {
		g.kind = basisSquare
	}
	for o, f := range values {
		g.weights[o] = []int64{slopes[o]}
		if quadratic {
			g.weights[o] = append(g.weights[o], squares[o])
			if len(g.columns) > 1 {
				g.weights[o] = append(g.weights[o], squares[o]<<7)
			}
		}
		g.offset[o] = f[0] - slopes[o]*g.lo
	}
	return true
}

// tests writes the functions by tests of bins, of the two bases and the bins to leave out the one whose weights have the least sum of squares: that is what
// noise grows with. Functions with few or small steps, such as smooth ones, have small weights in tests "the bin is above b"; others in tests "the bin is b".
func (g *columnGroup) tests(values [][]int64) {
	at := make([]int, g.count) // a value of each bin
	for v := len(g.bins) - 1; v >= 0; v-- {
		at[g.bins[v]] = v
	}
	thermal := 0.0
	hot := make([]float64, g.count)
	for _, f := range values {
		for b := range g.count {
			if b > 0 {
				thermal += sq(float64(f[at[b]]) - float64(f[at[b-1]]))
			}
			for c := range g.count {
				hot[b] += sq(float64(f[at[c]]) - float64(f[at[b]]))
			}
		}
	}
	best := 0
	for b := range hot {
		if hot[b] < hot[best] {
			best = b
		}
	}
	g.kind, g.without = basisThermal, 0
	if hot[best] < thermal {
		g.kind, g.without = basisOneHot, best
	}
	for b := range g.count {
		if b == g.without {
			continue
		}
		c := Column{Code: g.code}
		for v, bin := range g.bins {
			if bin == b || g.kind == basisThermal && bin > b {
				c.Set[v>>6] |= 1 << (v & 63)
			}
		}
		g.columns = append(g.columns, c)
		for o, f := range values {
			from := at[g.without]
			if g.kind == basisThermal {
				from = at[b-1]
			}
			g.weights[o] = append(g.weights[o], f[at[b]]-f[from])
		}
	}
	for o, f := range values {
		g.offset[o] = f[at[g.without]]
	}
}

// size is the number of columns; a code itself is one that is not in g.columns.
func (g *columnGroup) size() int {
	if g.kind == basisCode || g.kind == basisSquare {
		return 1 + len(g.columns)
	}
	return len(g.columns)
}

// bounds returns the smallest and largest sum of columns with the weights, without offset.
func (g *columnGroup) bounds(w []int64) (lo, hi int64) {
	switch g.kind {
	case basisCode:
		a, b := w[0]*g.lo, w[0]*g.hi
		return min(a, b), max(a, b)
	case basisSquare:
		lo, hi = math.MaxInt64, math.MinInt64
		for v := range g.hi - g.lo + 1 {
			y := w[0] * (g.lo + v)
			for i, c := range g.columns {
				y += w[1+i] * c.Value(v)
			}
			lo, hi = min(lo, y), max(hi, y)
		}
		return lo, hi
	}
	sum := int64(0)
	for _, x := range w {
		if g.kind == basisThermal {
			sum += x
		} else {
			sum = x
		}
		lo, hi = min(lo, sum), max(hi, sum)
	}
	return lo, hi
}

// additive is a form's part in functions of single codes: atoms of kind atomHot, and codes.
type additive struct {
	slope map[int32][]int64   // by code: [output]
	table map[int32][][]int64 // by code: [output][value]
	order []int32             // codes, in the order in which they were met
}

// columnGroups sorts the terms of all outputs by code, each code into the columns that it needs.
func (l *lowerer) columnGroups(outputs []form) []*columnGroup {
	a := additive{slope: map[int32][]int64{}, table: map[int32][][]int64{}}
	for o, f := range outputs {
		for _, t := range f.terms {
			if a.slope[t.a] == nil {
				a.slope[t.a], a.table[t.a] = make([]int64, len(outputs)), make([][]int64, len(outputs))
				a.order = append(a.order, t.a)
			}
			if t.kind == atomCode {
				a.slope[t.a][o] += t.w
				continue
			}
			if a.table[t.a][o] == nil {
				a.table[t.a][o] = make([]int64, l.hi[t.a]-l.lo[t.a]+1)
			}
			a.table[t.a][o][t.b] += t.w
		}
	}
	var groups []*columnGroup
	first := 0
	for _, code := range a.order {
		g := newColumnGroup(code, l.lo[code], l.hi[code], a.slope[code], a.table[code])
		if g.size() == 0 { // constant after all
			continue
		}
		g.first = first
		first += g.size()
		groups = append(groups, g)
	}
	return groups
}

// width is the number of bits that values of lo..hi take.
func width(lo, hi int64) int { return max(1, bits.Len64(uint64(hi-lo))) }
