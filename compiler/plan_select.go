package compiler

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/fhe-ml/fhe-ml/tfhe"
)

// selectPlan lays out the decision diagrams of all outputs in one ciphertext: output o's digit d is coefficient o*digits+d.
type selectPlan struct {
	step   SelectStep
	tables map[string]int // of the step, by their tests
	digits int
	lo     [][]int64 // smallest value of each digit sum, [output][digit]
	noise  noise     // bound on the sum of all roots
}

// laySelect builds the diagrams from the outputs' forms over where nodes. Leaves are shifted so that each tree's smallest is zero, then cut into
// digits that are summed over the trees side by side: the score's width costs coefficients, not noise.
func (p *plan) laySelect(outputs []form) error {
	count := len(outputs)
	if p.l.forest == nil {
		p.l.forest = newForest(p.l, outputs)
	}
	forest := p.l.forest
	trees, shift, most := forest.trees, forest.shift, forest.most
	sp := &selectPlan{digits: 1}
	digit := p.leafDigit
	if digit > 0 {
		sp.digits = max(1, (bits.Len64(uint64(most))+digit-1)/digit)
	}
	c := count * sp.digits
	if c > p.l.degree {
		return fmt.Errorf("compiler: %d results of %d digits do not fit a ciphertext of %d coefficients", count, sp.digits, p.l.degree)
	}
	digits := make([]digitTree, len(trees))
	hi := make([]int64, c)
	for i, t := range trees {
		digits[i] = t.cut(sp.digits, digit)
		for at, m := range digits[i].most {
			hi[at] += m
		}
	}
	sp.step.Width = max(1, bits.Len64(uint64(slices.Max(hi))))
	// Selectors of inner nodes come first: those of lowest nodes alone may be single rows.
	tables := make([]bool, len(trees))
	for i, t := range trees {
		if tables[i] = p.asTable(forest, i, c); tables[i] {
			p.addTable(sp, t.table, digits[i])
			continue
		}
		for _, nd := range t.nodes {
			if !nd.Lowest() {
				p.use(nd.Selector)
			}
		}
	}
	singles := sp.step.Width <= maxSingleWidth
	p.products = len(p.selectors)
	for i, t := range trees {
		if !tables[i] {
			p.addTree(sp, t, digits[i])
		}
	}
	if !singles {
		p.products = len(p.selectors)
	}
	widest := slices.Index(hi, slices.Max(hi)) / sp.digits
	worst := event{log2Gap: -float64(sp.step.Width + 1), count: c, width: sp.step.Width, digits: c, node: p.l.resultNode(widest)}
	for i, t := range trees {
		if tables[i] {
			// The first rotation multiplies by the difference of the table and the table in its new place.
			worst.ggsw, worst.digits = true, max(worst.digits, min((len(t.table.leaves)+t.table.strides[0])*c, p.l.degree))
			continue
		}
		for _, nd := range t.nodes {
			if !nd.Lowest() {
				continue
			}
			b := clearSelect{single: int(p.selUsed[nd.Selector]) >= p.products}
			for at, x := range digits[i].leaves[^nd.Lo] {
				if d := x - digits[i].leaves[^nd.Hi][at]; d != 0 {
					b.terms++
					if b.single {
						worst.single = max(worst.single, math.Abs(float64(d)))
					}
				}
			}
			worst.ggsw = worst.ggsw || !b.single
			p.bottoms = append(p.bottoms, b)
		}
	}
	// Constants ride on the lowest digit as a root without tests.
	constant := make([]int64, c)
	sp.lo = make([][]int64, count)
	for o, f := range outputs {
		constant[o*sp.digits] = f.c + shift[o]
		sp.lo[o] = make([]int64, sp.digits)
		sp.lo[o][0] = f.c + shift[o]
	}
	sp.step.Leaves = append(sp.step.Leaves, constant)
	sp.step.Roots = append(sp.step.Roots, ^int32(len(sp.step.Leaves)-1))
	uses, bottomUses := forest.countUses(tables)
	sp.noise.uses = uses
	sp.noise.bottom *= bottomUses
	p.selected = sp
	worst.noise = sp.noise
	p.events = append(p.events, worst)
	return nil
}

// clearSelect is a lowest select: how many coefficients of its leaves differ, and whether its selector is a single row.
type clearSelect struct {
	terms  int
	single bool
}

// digitTree is a tree's leaves in digits, and the largest of each digit.
type digitTree struct {
	leaves [][]int64
	most   []int64
}

// cut writes a tree's leaves in so many digits of the given bits; 0 bits do not cut.
func (t *tree) cut(count, digit int) digitTree {
	var d digitTree
	for _, v := range t.values {
		leaf := make([]int64, 0, len(v)*count)
		for _, y := range v {
			for i := range count {
				x := y
				if digit > 0 {
					x = y >> (i * digit) & (1<<digit - 1)
				}
				leaf = append(leaf, x)
			}
		}
		if d.most == nil {
			d.most = slices.Clone(leaf)
		}
		for at, x := range leaf {
			d.most[at] = max(d.most[at], x)
		}
		d.leaves = append(d.leaves, leaf)
	}
	return d
}

// forest is the decision diagrams of all outputs, which every candidate cuts into digits in its own way.
type forest struct {
	trees []*tree
	shift []int64        // what every output's trees had subtracted
	most  int64          // largest leaf after that
	inner map[int32]bool // selectors of nodes that are not lowest
}

func newForest(l *lowerer, outputs []form) *forest {
	count := len(outputs)
	// For every root: which components of its value enter which output, with which weight.
	type entry struct {
		output, component int
		w                 int64
	}
	uses := map[int32][]entry{}
	var roots []int32
	for o, f := range outputs {
		for _, t := range f.terms {
			if uses[t.a] == nil {
				roots = append(roots, t.a)
			}
			uses[t.a] = append(uses[t.a], entry{o, int(t.b), t.w})
		}
	}
	// Diagrams of the same tests, such as stumps on one threshold, are one diagram with summed leaves. That saves selects, and it keeps
	// the noise of different trees independent: equal differences of leaves would make equal noise.
	var trees []*tree
	alike := map[string]*tree{}
	for _, r := range roots {
		t := &tree{l: l, index: map[int32]int32{}, leaves: map[string]int32{}, transform: func(leaf []int64) []int64 {
			out := make([]int64, count)
			for _, e := range uses[r] {
				out[e.output] += e.w * leaf[e.component]
			}
			return out
		}}
		t.root = t.build(whereChild{node: r})
		key := fmt.Sprint(t.root, t.nodes)
		if first := alike[key]; first != nil {
			for i, v := range t.values {
				for o, y := range v {
					first.values[i][o] += y
				}
			}
			continue
		}
		alike[key] = t
		trees = append(trees, t)
	}
	f := &forest{trees: trees, shift: make([]int64, count), inner: map[int32]bool{}}
	for _, t := range trees {
		for _, nd := range t.nodes {
			if !nd.Lowest() {
				f.inner[nd.Selector] = true
			}
		}
		t.table = newTable(t, l.degree)
		for o := range count {
			lo := t.values[0][o]
			for _, v := range t.values {
				lo = min(lo, v[o])
			}
			f.shift[o] += lo
			for _, v := range t.values {
				v[o] -= lo
				f.most = max(f.most, v[o])
			}
		}
	}
	f.countShared()
	f.orderTables()
	for _, t := range trees {
		t.countUses()
	}
	return f
}

// countUses returns the largest part, in units of noise, that CMUX by one selector have in the sum of all trees, and that of lowest CMUX, whose clear
// digits meet the same rows in all trees, so that their noise adds up in step. tables tells which trees are tables.
func (f *forest) countUses(tables []bool) (uses, bottomUses float64) {
	inner, bottom := map[int32]float64{}, map[int32]float64{}
	for i, t := range f.trees {
		if tables[i] {
			for _, s := range t.table.selectors {
				inner[s]++
			}
			bottom[t.table.selectors[0]]++
			continue
		}
		for s, v := range t.uses {
			inner[s] += v
		}
		for s, v := range t.lowUses {
			bottom[s] += v
		}
	}
	for _, v := range inner {
		uses = max(uses, v)
	}
	for _, v := range bottom {
		bottomUses = max(bottomUses, v)
	}
	return uses, bottomUses
}

// countUses finds how much of the tree's noise each selector makes.
func (t *tree) countUses() {
	parents := make([]int32, len(t.nodes))
	for _, nd := range t.nodes {
		for _, c := range []int32{nd.Lo, nd.Hi} {
			if c >= 0 {
				parents[c]++
			}
		}
	}
	// On a path down from each node, the largest sum for each selector.
	paths := make([]map[int32]float64, len(t.nodes))
	low := map[int32]float64{}
	for j, nd := range t.nodes {
		m := float64(t.shared[j])
		if nd.Lowest() {
			low[nd.Selector] = 1
			continue
		}
		sum := map[int32]float64{}
		for _, c := range []int32{nd.Lo, nd.Hi} {
			if c < 0 || paths[c] == nil {
				continue
			}
			from := paths[c]
			if parents[c] == 1 && len(from) > len(sum) {
				sum, from = from, sum
			}
			for s, v := range from {
				sum[s] = max(sum[s], v)
			}
		}
		sum[nd.Selector] += m
		paths[j] = sum
	}
	if t.root >= 0 {
		t.uses = paths[t.root]
	}
	t.lowUses = low
}

// maskName names the mask of a ciphertext by a sum of hashes, one for each product whose result was added to it: names add as masks do, and equal names are
// equal masks. That of a clear number is zero.
type maskName [2]uint64

func (x maskName) plus(y maskName) maskName { return maskName{x[0] + y[0], x[1] + y[1]} }

func (x maskName) negative() maskName { return maskName{-x[0], -x[1]} }

// productName names the product of a selector with a ciphertext of the given mask, and for lowest nodes with clear numbers. A factor of the other sign gives
// the name of the other sign.
func productName(selector int32, mask maskName, leaves []int64) maskName {
	negative := mask[0]>>63 == 1
	if i := slices.IndexFunc(leaves, func(d int64) bool { return d != 0 }); i >= 0 {
		negative = leaves[i] < 0
	}
	sign := int64(1)
	if negative {
		mask, sign = mask.negative(), -1
	}
	key := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(binary.AppendVarint(nil, int64(selector)), mask[0]), mask[1])
	for _, d := range leaves {
		key = binary.AppendVarint(key, sign*d)
	}
	hash := sha256.Sum256(key)
	name := maskName{binary.LittleEndian.Uint64(hash[:]), binary.LittleEndian.Uint64(hash[8:])}
	if negative {
		return name.negative()
	}
	return name
}

// countShared finds nodes of different trees whose products are the same up to their sign: those of one selector whose branches differ by the same ciphertext,
// whatever clear number is added to it. Their noise does not add up like that of independent ones: digits are those of the mask, where clear numbers
// are not, and all but a few of the body's.
func (f *forest) countShared() {
	users := map[maskName]int32{}
	all := make([][]maskName, len(f.trees))
	for i, t := range f.trees {
		all[i] = make([]maskName, len(t.nodes))
		masks := make([]maskName, len(t.nodes))
		of := func(c int32) maskName {
			if c < 0 {
				return maskName{}
			}
			return masks[c]
		}
		seen := map[maskName]bool{}
		for j, nd := range t.nodes {
			var leaves []int64
			if nd.Lowest() {
				for o, y := range t.values[^nd.Lo] {
					leaves = append(leaves, t.values[^nd.Hi][o]-y)
				}
			}
			name := productName(nd.Selector, of(nd.Hi).plus(of(nd.Lo).negative()), leaves)
			masks[j] = of(nd.Lo).plus(name)
			if name[0]>>63 == 1 {
				name = name.negative()
			}
			all[i][j] = name
			if !seen[name] {
				seen[name] = true
				users[name]++
			}
		}
	}
	for i, t := range f.trees {
		t.shared = make([]int32, len(t.nodes))
		for j, name := range all[i] {
			t.shared[j] = users[name]
		}
	}
}

// addTree appends a tree's nodes and digit leaves to the step.
func (p *plan) addTree(sp *selectPlan, t *tree, d digitTree) {
	leaf0, node0 := int32(len(sp.step.Leaves)), int32(len(sp.step.Nodes))
	sp.step.Leaves = append(sp.step.Leaves, d.leaves...)
	place := func(c int32) int32 {
		if c < 0 {
			return ^(^c + leaf0)
		}
		return c + node0
	}
	// The noise of a node that c of m trees with it take has c^2 times the variance of one: the sum of c^2 over all nodes is the sum of c over the paths of
	// all trees, and c is at most m.
	path := make([]float64, len(t.nodes)) // largest sum of m on a path down from the node
	along := func(c int32) float64 {
		if c < 0 {
			return 0
		}
		return path[c]
	}
	bottom := 0.0 // those of the sum are multiplied by how many trees have a selector there, whatever they share
	sums := newProductSums(t.nodes, func(i int) float64 { return float64(t.shared[i]) })
	inverse := make([]float64, len(t.nodes)) // as path, of the inverse transforms
	back := func(c int32) float64 {
		if c < 0 {
			return 0
		}
		return inverse[c]
	}
	for i, nd := range t.nodes {
		m := float64(t.shared[i])
		if nd.Lowest() {
			bottom = 1
		} else {
			p.cmux++
			p.streamed++
			path[i] = m + max(along(nd.Lo), along(nd.Hi))
			inverse[i] = max(sums.back[i][0]+back(nd.Lo), sums.back[i][1]+back(nd.Hi))
		}
		sp.step.Nodes = append(sp.step.Nodes, SelectNode{Selector: p.use(nd.Selector), Lo: place(nd.Lo), Hi: place(nd.Hi)})
	}
	sp.step.Roots = append(sp.step.Roots, place(t.root))
	n := noise{cmux: along(t.root), bottom: bottom}
	if n.cmux > 0 {
		n.inverse = back(t.root) + sums.kept[t.root] - n.cmux
	}
	p.summed += sums.saved
	sp.noise = sp.noise.plus(n, 1)
}

// productSums follows how a server sums the products of a diagram (walk of package server): of lo + bit (hi - lo) the products of lo and the new one stay in the
// Fourier domain, at most [tfhe.MaxSumTerms] of them, and hi - lo is transformed back.
type productSums struct {
	kept  []float64    // of each node: the products in the Fourier domain
	back  [][2]float64 // of each node, for both values of its bit: the products in inverse transforms whose error stays in its value
	saved int          // inverse transforms less than products, without those of roots
}

// newProductSums follows the products of nodes, children before their parents. weight is what a node's product counts in kept and back.
func newProductSums(nodes []SelectNode, weight func(i int) float64) productSums {
	s := productSums{kept: make([]float64, len(nodes)), back: make([][2]float64, len(nodes))}
	terms := make([]int, len(nodes))
	of := func(c int32) (int, float64) {
		if c < 0 {
			return 0, 0
		}
		return terms[c], s.kept[c]
	}
	for i, nd := range nodes {
		if nd.Lowest() {
			continue
		}
		lo, kept := of(nd.Lo)
		hi, other := of(nd.Hi)
		s.saved++
		if lo > 0 || hi > 0 {
			s.saved--
		}
		switch {
		case hi == 0:
			s.back[i] = [2]float64{kept, 0}
			lo, kept = 0, 0
		case lo == tfhe.MaxSumTerms:
			s.back[i] = [2]float64{kept, other}
			s.saved--
			lo, kept = 0, 0
		default:
			s.back[i] = [2]float64{0, kept + other}
		}
		terms[i], s.kept[i] = lo+1, kept+weight(i)
	}
	return s
}

// tree is one root's diagram with leaves in the space of all outputs. Equal nodes and leaves are shared.
type tree struct {
	l         *lowerer
	transform func([]int64) []int64
	nodes     []SelectNode
	index     map[int32]int32 // where node to node
	leaves    map[string]int32
	values    [][]int64
	root      int32
	shared    []int32 // for each node, how many trees have it
	table     *table  // nil where it is too large or saves nothing

	uses, lowUses map[int32]float64 // of the noise of the root, in units of noise, what CMUX by each selector make, and what lowest ones make
}

// build returns the node number, or ^leaf, of a child. Depth is that of the tree; goroutine stacks grow as needed.
func (t *tree) build(c whereChild) int32 {
	if c.node < 0 {
		v := t.transform(c.leaf)
		key := fmt.Sprint(v)
		if i, ok := t.leaves[key]; ok {
			return ^i
		}
		i := int32(len(t.values))
		t.leaves[key] = i
		t.values = append(t.values, v)
		return ^i
	}
	if i, ok := t.index[c.node]; ok {
		return i
	}
	w := t.l.diagrams[c.node]
	lo, hi := t.build(w.lo), t.build(w.hi)
	i := lo
	if lo != hi {
		i = int32(len(t.nodes))
		t.nodes = append(t.nodes, SelectNode{Selector: w.selector, Lo: lo, Hi: hi})
	}
	t.index[c.node] = i
	return i
}
