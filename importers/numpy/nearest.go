package numpy

import (
	"github.com/fhe-ml/fhe-ml/compiler"
)

// The argmin (or argmax) of values whose differences are weighted sums of inputs: scores of a linear classifier, or squared distances to stored points, in
// which x*x is common to all and cancels. Every pair is compared, by one table of the difference each; the winner is who loses none of its comparisons. That takes
// one level of tables of inputs, and one of computed values, instead of a tournament of many levels on wide values.

// Limits of a comparison of all pairs.
const (
	maxCompared  = 256     // candidates that can win
	maxWeighted  = 2048    // values of a difference: the longest table of a sum of inputs
	maxSeparated = 1 << 24 // table entries that finding out takes
)

// oneHot is an index of 0..n-1 that is known by tests of which one is 1.
type oneHot struct {
	tests  *compiler.Node // [k]
	values []int64        // the index where the test is 1
	plain  *compiler.Node // the sum of values times tests, whose bounds are wider
}

// rival is a candidate: const + sum of weights * input elements, up to what is common to all.
type rival struct {
	index   int64
	weights map[compiler.InputElement]int64
	bias    int64
}

// argAffine returns the argmin over the columns of one row of a matrix, or false where differences of the values are no weighted sums of inputs, or too wide.
func (b *Builder) argAffine(greatest bool, row *Value) (*Value, bool) {
	if !row.Encrypted() || row.node == nil || len(row.idx) < 3 {
		return nil, false
	}
	rivals, ok := rivalsOf(greatest, row.node)
	if !ok {
		return nil, false
	}
	duels := undecided(&rivals)
	if len(rivals) > maxCompared {
		return nil, false
	}
	rivals, duels = essential(rivals, duels)
	if len(rivals) == 1 { // always the same one wins: leave it encrypted, as whoever wrote this expects
		return nil, false
	}
	for _, d := range duels {
		if d.hi-d.lo >= maxWeighted {
			return nil, false
		}
	}
	b.spend(len(duels) * len(rivals))
	return b.winner(rivals, duels), true
}

// rivalsOf reads the elements of a node of one axis; those of an argmax with their signs changed.
func rivalsOf(greatest bool, n *compiler.Node) ([]rival, bool) {
	values := compiler.Separate(n, maxSeparated)
	if values == nil {
		return nil, false
	}
	sign := int64(1)
	if greatest {
		sign = -1
	}
	rivals := make([]rival, len(values))
	for c, v := range values {
		r := rival{index: int64(c), weights: map[compiler.InputElement]int64{}, bias: sign * (v.Constant - values[0].Constant)}
		elements := map[compiler.InputElement]bool{}
		for e := range v.Parts {
			elements[e] = true
		}
		for e := range values[0].Parts {
			elements[e] = true
		}
		for e := range elements {
			at := func(s compiler.Separable, i int64) int64 {
				if part := s.Parts[e]; part != nil {
					return part[i]
				}
				return 0
			}
			lo, hi := e.Node.Lo[e.Index], e.Node.Hi[e.Index]
			slope := int64(0)
			for i := range hi - lo + 1 {
				d := at(v, i) - at(values[0], i)
				if i == 1 {
					slope = d
				}
				if d != i*slope {
					return nil, false
				}
			}
			if slope != 0 {
				if max(slope, -slope) >= 1<<40 || max(lo, -lo) >= 1<<20 {
					return nil, false
				}
				r.weights[e] = sign * slope
				r.bias -= sign * slope * lo // the part starts at the lower bound
			}
		}
		rivals[c] = r
	}
	return rivals, true
}

// duel compares two rivals: the later one wins where the sum of weights times input elements is at most most, which depends on the inputs.
type duel struct {
	first, second int // in the list of rivals
	weights       map[compiler.InputElement]int64
	most          int64
	lo, hi        int64 // bounds of the sum

	forFirst, forSecond bool // that the first loses it, or the second, is needed to know
}

// undecided returns the duels that bounds leave open, and keeps of the rivals those that lose none for certain. At any input the order of all is strict, as
// of equal values the first wins; so whoever wins against those kept wins against the others too.
func undecided(rivals *[]rival) []duel {
	var open []duel
	beaten := make([]bool, len(*rivals))
	for j := range *rivals {
		for i := range j {
			d, later, decided := compareRivals(&(*rivals)[i], &(*rivals)[j])
			switch {
			case decided && later:
				beaten[i] = true
			case decided:
				beaten[j] = true
			default:
				d.first, d.second, d.forFirst, d.forSecond = i, j, true, true
				open = append(open, d)
			}
		}
	}
	*rivals, open = without(*rivals, open, beaten)
	return open
}

// compareRivals returns the duel of two rivals, or who wins whatever the inputs are.
func compareRivals(x, y *rival) (d duel, later, decided bool) {
	d.weights = map[compiler.InputElement]int64{}
	for e, w := range y.weights {
		d.weights[e] = w - x.weights[e]
	}
	for e, w := range x.weights {
		if _, ok := y.weights[e]; !ok {
			d.weights[e] = -w
		}
	}
	common := int64(0)
	for e, w := range d.weights {
		if w == 0 {
			delete(d.weights, e)
			continue
		}
		common = gcd(common, w)
	}
	bias := y.bias - x.bias
	if common == 0 {
		return d, bias < 0, true
	}
	// common*sum + bias < 0, or sum <= floor((-bias-1)/common).
	d.most, _ = floorDivide(-bias-1, common) // common is positive
	for e, w := range d.weights {
		w /= common
		d.weights[e] = w
		lo, hi := e.Node.Lo[e.Index], e.Node.Hi[e.Index]
		d.lo, d.hi = d.lo+min(w*lo, w*hi), d.hi+max(w*lo, w*hi)
	}
	switch {
	case d.hi <= d.most:
		return d, true, true
	case d.lo > d.most:
		return d, false, true
	}
	return d, false, false
}

// winner returns the index of the rival that loses no duel.
func (b *Builder) winner(rivals []rival, duels []duel) *Value {
	g := b.g
	// The input elements side by side, in the order of the nodes.
	elements := duelElements(duels)
	var parts []*compiler.Node
	for i := 0; i < len(elements); {
		from := elements[i].Node
		var idx []int
		for ; i < len(elements) && elements[i].Node == from; i++ {
			idx = append(idx, elements[i].Index)
		}
		parts = append(parts, b.take(from, idx, []int{len(idx)}))
	}
	x := parts[0]
	if len(parts) > 1 {
		x = g.Concatenate(0, parts...)
	}
	f, p, n := len(elements), len(duels), len(rivals)
	weights, limits := make([]int64, f*p), make([]int64, p)
	losses, base := make([]int64, p*n), make([]int64, n)
	for i, d := range duels {
		for k, e := range elements {
			weights[k*p+i] = d.weights[e]
		}
		limits[i] = d.most
		if d.forFirst {
			losses[i*n+d.first] = 1
		}
		if d.forSecond {
			losses[i*n+d.second] = -1
			base[d.second]++
		}
	}
	tests := g.LessEqual(g.MatMul(x, constantNode(g, weights, f, p)), constantNode(g, limits, p)) // 1 where the later one wins
	values := make([]int64, n)
	for i, r := range rivals {
		values[i] = r.index
	}
	if n == 2 {
		index := g.Add(g.Multiply(g.Reshape(tests), g.Scalar(values[1]-values[0])), g.Scalar(values[0]))
		return rooted(index, kindInt)
	}
	lost := g.Add(g.MatMul(tests, constantNode(g, losses, p, n)), constantNode(g, base, n))
	hot := &oneHot{tests: g.Equal(lost, g.Scalar(0)), values: values}
	hot.plain = g.MatMul(hot.tests, constantNode(g, values, n))
	// The bounds of that sum do not know that one test is 1. What takes the index as a number gets it digit by digit, where they do; results and
	// tables of it are sums of the tests, and the digits are then not computed.
	var index *compiler.Node
	for bit := int64(1); bit <= values[n-1]; bit <<= 1 {
		var of []int
		for i, v := range values {
			if v&bit != 0 {
				of = append(of, i)
			}
		}
		if len(of) == 0 {
			continue
		}
		digit := g.SumAll(b.take(hot.tests, of, []int{len(of)}))
		if len(of) > 1 {
			digit = g.Minimum(digit, g.Scalar(1))
		}
		digit = g.Multiply(digit, g.Scalar(bit))
		if index == nil {
			index = digit
		} else {
			index = g.Add(index, digit)
		}
	}
	if _, hi := index.Range(); hi > values[n-1] {
		index = g.Minimum(index, g.Scalar(values[n-1]))
	}
	v := rooted(index, kindInt)
	v.hot = hot
	return v
}

func constantNode(g *compiler.Graph, data []int64, shape ...int) *compiler.Node {
	return g.Constant(compiler.Array{Shape: shape, Data: data})
}

// hotItem is t[i] for an index known by tests: the sum of the tests times the entries.
func (b *Builder) hotItem(t *Value, hot *oneHot) *Value {
	entries := make([]int64, len(hot.values))
	for i, v := range hot.values {
		entries[i] = t.ints[v]
	}
	n := rooted(b.g.MatMul(hot.tests, constantNode(b.g, entries, len(entries))), t.kind)
	n.typ = t.typ
	return n
}
