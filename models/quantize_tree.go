package models

import (
	"fmt"
	"math"
	"sort"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// Quantize returns m over rank codes: it routes every row as m does. It needs no calibration data, unless thresholds are to be hidden. Scores differ from the
// float model's by rounded leaves alone (see leafUnit), by less than the ties that quantize.TieTolerance settles.
func (m *TreeEnsemble) Quantize(opt Options, calibration [][]float64) (*Quantized, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if opt.HideThresholds {
		return m.quantizeGrid(opt, calibration)
	}
	b, err := newTreeBuilder(m)
	if err != nil {
		return nil, err
	}
	ranks := make([][]float64, len(m.Features))
	for t := range m.Trees {
		for _, i := range b.orders[t] {
			n := &m.Trees[t].Nodes[i]
			ranks[n.Feature] = append(ranks[n.Feature], m.threshold(n))
		}
	}
	var coders []quantize.Coder
	b.first = make([]int, len(m.Features))
	b.thresholds = make([][]float64, len(m.Features))
	var notes []string
	for f, ts := range ranks {
		b.first[f] = len(coders)
		cs := quantize.RankCoders(f, ts, m.Missing)
		coders = append(coders, cs...)
		for i := range cs {
			b.thresholds[f] = append(b.thresholds[f], cs[i].Thresholds...)
		}
		if len(cs) > 1 {
			notes = append(notes, fmt.Sprintf("column %q has %d thresholds: it is encrypted as %d codes of at most 7 bits", m.Features[f], len(b.thresholds[f]), len(cs)))
		}
	}
	if len(coders) == 0 {
		coders = []quantize.Coder{unusedCoder(m.Missing)}
		notes = append(notes, "the model's trees have no splits: every row gets the same answer")
	}
	q := newQuantized(&m.Info, coders)
	q.Pre.ScalerOffset, q.Pre.ScalerScale = m.ScalerOffset, m.ScalerScale
	q.Notes = notes
	b.unit = m.leafUnit(b.orders)
	b.build(q)
	return q, q.Validate()
}

// treeBuilder writes the trees of m as nested where nodes.
type treeBuilder struct {
	m          *TreeEnsemble
	orders     [][]int32   // per tree, the nodes that the root reaches, children first
	first      []int       // per feature, its first coder
	thresholds [][]float64 // per feature, distinct and ascending
	unit       float64     // of a leaf's integer
	grid       *treeGrid   // where thresholds are hidden

	g      *compiler.Graph
	codes  []*compiler.Node
	conds  map[treeCond]*compiler.Node
	consts map[string]*compiler.Node
}

// treeCond is a comparison: [code of the coder <= rank], and for the missing code missingTrue.
type treeCond struct {
	coder, rank int
	missingTrue bool
}

func newTreeBuilder(m *TreeEnsemble) (*treeBuilder, error) {
	b := &treeBuilder{m: m, orders: make([][]int32, len(m.Trees))}
	for t := range m.Trees {
		order, err := m.Trees[t].order()
		if err != nil {
			return nil, fmt.Errorf("models: tree %d: %w", t, err)
		}
		b.orders[t] = order
	}
	return b, nil
}

func (b *treeBuilder) build(q *Quantized) {
	b.g = q.Graph
	b.codes = make([]*compiler.Node, len(q.Pre.Coders))
	b.conds = map[treeCond]*compiler.Node{}
	b.consts = map[string]*compiler.Node{}
	k := b.m.Post.Outputs
	shift := make([]int64, k) // units that the graph's leaves were lowered by, to start at zero
	var sum *compiler.Node
	for t := range b.m.Trees {
		node := b.tree(q, t, shift)
		switch {
		case node == nil:
		case sum == nil:
			sum = node
		default:
			sum = b.g.Add(sum, node)
		}
	}
	if sum == nil {
		sum = b.constant(make([]int64, k))
	}
	b.g.Output(sum)
	scale := b.unit
	if b.m.Average {
		scale /= float64(len(b.m.Trees))
	}
	for o := range k {
		q.Post.Scale[o] = scale
		q.Post.Offset[o] = float64(scale*float64(shift[o])) + b.m.Base[o]
	}
}

// tree returns the node of tree t, nil when all leaves that it reaches are equal. It adds to shift what it took from the
// leaves.
func (b *treeBuilder) tree(q *Quantized, t int, shift []int64) *compiler.Node {
	tree := &b.m.Trees[t]
	leaves, low, equal := b.leaves(tree, b.orders[t])
	for o := range shift {
		shift[o] += low[o]
	}
	if equal {
		return nil
	}
	nodes := make([]*compiler.Node, len(tree.Nodes))
	child := func(i int32) *compiler.Node {
		if i >= 0 {
			return nodes[i]
		}
		return b.constant(leaves[^i])
	}
	for _, i := range b.orders[t] {
		n := &tree.Nodes[i]
		yes, no := child(n.True), child(n.False)
		if yes == no {
			nodes[i] = yes
			continue
		}
		if b.grid != nil {
			nodes[i] = b.grid.branch(b, q, n, yes, no)
			continue
		}
		nodes[i] = b.g.Where(b.cond(q, n), yes, no)
	}
	return child(tree.Root)
}

// leaves returns the integers of the leaves that the tree reaches, each output lowered so that its least is zero, and by
// how much.
func (b *treeBuilder) leaves(tree *Tree, order []int32) (leaves map[int32][]int64, low []int64, equal bool) {
	k := b.m.Post.Outputs
	leaves = map[int32][]int64{}
	low = make([]int64, k)
	high := make([]int64, k)
	for o := range k {
		low[o], high[o] = math.MaxInt64, math.MinInt64
	}
	tree.eachLeaf(order, func(l int32) {
		if leaves[l] != nil {
			return
		}
		v := make([]int64, k)
		for o, w := range tree.Leaves[l] {
			v[o] = int64(math.RoundToEven(w / b.unit))
			low[o] = min(low[o], v[o])
			high[o] = max(high[o], v[o])
		}
		leaves[l] = v
	})
	equal = true
	for o := range k {
		equal = equal && low[o] == high[o]
	}
	for _, v := range leaves {
		for o := range v {
			v[o] -= low[o]
		}
	}
	return leaves, low, equal
}

// eachLeaf calls f for the leaves that the tree reaches, some of them several times.
func (t *Tree) eachLeaf(order []int32, f func(leaf int32)) {
	if t.Root < 0 {
		f(^t.Root)
	}
	for _, i := range order {
		for _, c := range [2]int32{t.Nodes[i].True, t.Nodes[i].False} {
			if c < 0 {
				f(^c)
			}
		}
	}
}

func (b *treeBuilder) constant(v []int64) *compiler.Node {
	key := fmt.Sprint(v)
	n := b.consts[key]
	if n == nil {
		n = b.g.Constant(compiler.Array{Shape: []int{len(v)}, Data: v})
		b.consts[key] = n
	}
	return n
}

// cond returns the node's comparison on codes: less_equal(code, rank), or where there is a missing code a table of 0 and 1.
func (b *treeBuilder) cond(q *Quantized, n *TreeNode) *compiler.Node {
	at := sort.SearchFloat64s(b.thresholds[n.Feature], b.m.threshold(n))
	size := quantize.SegmentSize(b.m.Missing)
	key := treeCond{coder: b.first[n.Feature] + at/size, rank: at % size, missingTrue: b.m.Missing && n.MissingTrue}
	if c := b.conds[key]; c != nil {
		return c
	}
	code := b.codes[key.coder]
	if code == nil {
		code = b.g.GetItem(b.g.Inputs()[0], key.coder)
		b.codes[key.coder] = code
	}
	var c *compiler.Node
	if b.m.Missing {
		row := make([]int64, q.Pre.Coders[key.coder].Levels)
		for v := 0; v <= key.rank; v++ {
			row[v] = 1
		}
		if key.missingTrue {
			row[len(row)-1] = 1
		}
		c = b.g.Lookup(code, compiler.Table{Lo: []int64{0}, Values: [][]int64{row}})
	} else {
		c = b.g.LessEqual(code, b.g.Scalar(int64(key.rank)))
	}
	b.conds[key] = c
	return c
}

// Widths of the integer scores of trees.
const (
	treeErrorBits = 26 // rounded leaves move a score by at most 2^-treeErrorBits of its range,
	treeScoreBits = 32 // unless that takes more bits than this
	treeVotes     = 1 << 12
)

// leafUnit returns the value of 1 of the integers that leaves are rounded to. One unit serves the whole ensemble, so
// equal leaves are equal integers and ties stay ties.
//
// Where every leaf is a small multiple of one number, as the votes of a forest (1/T, T trees) are, that number is the
// unit: a score is then a count, exact and narrow. Else the unit is the power of two for which the roundings of all trees
// together stay below 2^-treeErrorBits of the range of the scores.
func (m *TreeEnsemble) leafUnit(orders [][]int32) float64 {
	k := m.Post.Outputs
	span := make([]float64, k)
	var top float64
	distinct := map[float64]bool{}
	for t := range m.Trees {
		lo, hi := make([]float64, k), make([]float64, k)
		for o := range k {
			lo[o], hi[o] = math.Inf(1), math.Inf(-1)
		}
		m.Trees[t].eachLeaf(orders[t], func(l int32) {
			for o, v := range m.Trees[t].Leaves[l] {
				lo[o], hi[o] = math.Min(lo[o], v), math.Max(hi[o], v)
				top = math.Max(top, math.Abs(v))
				if v != 0 {
					distinct[math.Abs(v)] = true
				}
			}
		})
		for o := range k {
			span[o] += hi[o] - lo[o]
		}
	}
	var widest float64
	for _, s := range span {
		widest = math.Max(widest, s)
	}
	if top == 0 {
		return 1
	}
	trees := float64(len(m.Trees))
	if widest == 0 {
		widest = top
	}
	if math.IsInf(widest, 0) {
		widest = math.MaxFloat64
	}
	unit := pow2Floor(math.Ldexp(widest, 1-treeErrorBits) / trees)
	// Below the 32 bits of a sum, and below 2^-52 of a leaf, where a float64 holds no more.
	for widest/unit+trees >= 1<<treeScoreBits || top/unit >= 1<<52 {
		unit *= 2
	}
	for votes := 1.0; votes <= treeVotes && top/votes > unit; votes++ {
		if multiples(distinct, top/votes) {
			return top / votes
		}
	}
	return unit
}

// multiples reports whether every value is a multiple of q up to the rounding of single precision (2^-24 each of the value
// and of q, so 2^-22 is safe).
func multiples(values map[float64]bool, q float64) bool {
	for v := range values {
		r := v / q
		n := math.RoundToEven(r)
		if n == 0 || math.Abs(r-n) > n*0x1p-22 {
			return false
		}
	}
	return true
}

// pow2Floor returns the largest power of two that is at most x > 0.
func pow2Floor(x float64) float64 {
	_, e := math.Frexp(x)
	return math.Ldexp(0.5, e)
}
