package compiler

import (
	"fmt"
	"math/bits"
	"slices"
	"sort"
)

// A tree over few distinct tests is a table over their outcomes. The table of all 2^d leaves fits a polynomial, and d rotations by the client's bits bring the
// leaf of the row to the front, where selects take a product for each node: 6 instead of 63 for an oblivious tree of depth 6 (the same test for all
// nodes of a level). Tests of one code that imply each other, such as thermometer bits, are counted instead: k of them have k+1 outcomes.

// table is a tree as a table: entry sum_i strides[i] * bit(selectors[i]) is the leaf number leaves[entry].
type table struct {
	selectors []int32
	strides   []int
	leaves    []int32
	tests     string // names the tests: equal for tables that can be added
}

// newTable returns the table of t, or nil if it has more than size entries or would not save products.
func newTable(t *tree, size int) *table {
	tests := map[int32]bool{}
	inner := 0
	for _, nd := range t.nodes {
		tests[nd.Selector] = true
		if !nd.Lowest() {
			inner++
		}
	}
	if len(tests) > inner || len(tests) == 0 {
		return nil
	}
	tb := &table{}
	for s := range tests {
		tb.selectors = append(tb.selectors, s)
	}
	slices.Sort(tb.selectors)
	groups := groupTests(t.l.selectors, tb.selectors)
	tb.selectors = tb.selectors[:0]
	stride := 1
	for _, g := range groups {
		for range g {
			tb.strides = append(tb.strides, stride)
		}
		tb.selectors = append(tb.selectors, g...)
		if stride *= len(g) + 1; stride > size {
			return nil
		}
	}
	tb.tests = fmt.Sprint(tb.selectors, tb.strides)
	set := map[int32]bool{}
	for entry := range stride {
		clear(set)
		rest := entry
		for _, g := range groups {
			for i := range rest % (len(g) + 1) {
				set[g[len(g)-1-i]] = true // the largest sets first: they contain the others
			}
			rest /= len(g) + 1
		}
		at := t.root
		for at >= 0 {
			if nd := t.nodes[at]; set[nd.Selector] {
				at = nd.Hi
			} else {
				at = nd.Lo
			}
		}
		tb.leaves = append(tb.leaves, ^at)
	}
	return tb
}

// groupTests puts tests of one code of which each implies the next into one group, smallest set first; all others are groups of their own.
func groupTests(all []Selector, tests []int32) [][]int32 {
	byCode := map[int32][]int32{}
	var codes []int32
	for _, s := range tests {
		code := all[s].Code
		if byCode[code] == nil {
			codes = append(codes, code)
		}
		byCode[code] = append(byCode[code], s)
	}
	size := func(s int32) int {
		return bits.OnesCount64(all[s].Set[0]) + bits.OnesCount64(all[s].Set[1])
	}
	var groups [][]int32
	for _, code := range codes {
		g := byCode[code]
		sort.SliceStable(g, func(i, j int) bool { return size(g[i]) < size(g[j]) })
		chain := all[g[0]].Form == SelectSet
		for i := 1; i < len(g); i++ {
			a, b := all[g[i-1]].Set, all[g[i]].Set
			chain = chain && all[g[i]].Form == SelectSet && a[0]&^b[0] == 0 && a[1]&^b[1] == 0
		}
		if chain {
			groups = append(groups, g)
			continue
		}
		for _, s := range g {
			groups = append(groups, []int32{s})
		}
	}
	return groups
}

// orderTables chooses the first test of each table, whose rotation multiplies rows by clear digits: tables that start alike add up noise in step, so it is
// the one that is first in the fewest other tables.
func (f *forest) orderTables() {
	firsts := map[int32]int{}
	for _, t := range f.trees {
		if t.table == nil {
			continue
		}
		tb, best := t.table, 0
		for i, s := range tb.selectors {
			if firsts[s] < firsts[tb.selectors[best]] {
				best = i
			}
		}
		tb.selectors[0], tb.selectors[best] = tb.selectors[best], tb.selectors[0]
		tb.strides[0], tb.strides[best] = tb.strides[best], tb.strides[0]
		firsts[tb.selectors[0]]++
	}
}

// tableSaving is what a test that would otherwise be a single row costs more as a GGSW ciphertext, in products, where only time counts and elsewhere.
var tableSaving = [2]float64{3, 6}

// asTable tells whether a plan with leaves of c digits evaluates tree number i of the forest by its table.
func (p *plan) asTable(f *forest, i, c int) bool {
	t := f.trees[i]
	if t.table == nil || len(t.table.leaves)*c > p.l.degree {
		return false
	}
	inner, more := 0.0, 0.0
	for _, nd := range t.nodes {
		if !nd.Lowest() {
			inner++
		}
	}
	for _, s := range t.table.selectors {
		if !f.inner[s] {
			more++
		}
	}
	rate := tableSaving[1]
	if p.opts.Prefer == PreferTime {
		rate = tableSaving[0]
	}
	return inner-(float64(len(t.table.selectors))-0.5) > rate*more // the first rotation is of clear numbers, and costs half
}

// addTable appends a tree's table to the step, or adds it to that of another tree with the same tests.
func (p *plan) addTable(sp *selectPlan, tb *table, d digitTree) {
	c := len(d.most)
	values := make([]int64, 0, len(tb.leaves)*c)
	for _, leaf := range tb.leaves {
		values = append(values, d.leaves[leaf]...)
	}
	if at, ok := sp.tables[tb.tests]; ok {
		for i, v := range values {
			sp.step.Tables[at].Table[i] += v
		}
		return
	}
	if sp.tables == nil {
		sp.tables = map[string]int{}
	}
	sp.tables[tb.tests] = len(sp.step.Tables)
	st := SelectTable{Table: values}
	for i, s := range tb.selectors {
		st.Selectors = append(st.Selectors, p.use(s))
		st.Weights = append(st.Weights, int32(tb.strides[i]*c))
	}
	sp.step.Tables = append(sp.step.Tables, st)
	// The first rotation multiplies rows by clear digits, as lowest selects do, the others by those of a ciphertext.
	sp.noise = sp.noise.plus(noise{cmux: float64(len(tb.selectors) - 1), bottom: 1}, 1)
	p.cmux += len(tb.selectors) - 1
	p.rotations++
	p.streamed += len(tb.selectors)
}
