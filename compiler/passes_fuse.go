package compiler

import "slices"

// Limits of fusion.
const (
	maxFusedRow     = 1 << 13 // entries of a row that fusion makes
	maxFusedChain   = 64      // nodes fused into one lookup in one round
	maxFusedEntries = 1 << 24 // entries that one pass makes in all
)

// fuseLookups turns each chain of univariate operations that ends in a lookup, comparison, maximum, minimum or clip into
// one lookup. The nodes inside the chain stay for their other users, or die in dropDead.
func fuseLookups(g *Graph) (*Graph, bool) {
	inside := beforeTables(g)
	entries := maxFusedEntries
	return rewrite(g, func(rw *rewriter, n *Node, _ []*Node) *Node {
		chain, base := fusibleChain(n, inside)
		if len(chain) == 0 || len(chain) == 1 && n.Op == OpLookup {
			return nil
		}
		t := fuseChain(chain, base, &entries)
		if t == nil {
			return nil
		}
		return rw.add(&Node{Op: OpLookup, Args: []*Node{rw.nodes[base.ID]}, Table: t})
	})
}

// isTableOp reports whether op becomes a lookup where one argument is known.
func isTableOp(op Op) bool {
	switch op {
	case OpLookup, OpClip, OpMaximum, OpMinimum, OpLessEqual, OpLess, OpGreater, OpGreaterEqual, OpEqual, OpNotEqual:
		return true
	}
	return false
}

// beforeTables marks by ID the affine operations by constants all of whose users are table operations on that value.
func beforeTables(g *Graph) []bool {
	ok, used := make([]bool, len(g.Nodes)), make([]bool, len(g.Nodes))
	for i, n := range g.Nodes {
		switch n.Op {
		case OpAdd, OpSubtract, OpNegative, OpMultiply:
			ok[i] = univariate(n).node != nil
		}
	}
	for _, n := range g.Nodes {
		var through *Node
		if isTableOp(n.Op) {
			if l := univariate(n); l.node != nil {
				through = l.arg
			}
		}
		for _, a := range n.Args {
			used[a.ID] = true
			// An affine user continues a chain; whether that one reaches tables only is its own matter.
			if a != through && !(ok[n.ID] && univariate(n).arg == a) {
				ok[a.ID] = false
			}
		}
	}
	for _, o := range g.Outputs {
		ok[o.ID] = false
	}
	for i := len(g.Nodes) - 1; i >= 0; i-- { // an affine operation that stays keeps its argument in use
		if n := g.Nodes[i]; !ok[i] && (n.Op == OpAdd || n.Op == OpSubtract || n.Op == OpNegative || n.Op == OpMultiply) {
			for _, a := range n.Args {
				ok[a.ID] = false
			}
		}
		ok[i] = ok[i] && used[i]
	}
	return ok
}

// link is a node as a function of one argument of its own shape.
type link struct {
	node  *Node // nil if it is not
	arg   *Node
	other *Node // the known argument; nil for operations of one argument
	at    spread
	first bool // arg is the first of two arguments
}

// univariate returns n as a function of one argument; what depends on known values only is left to foldConstants.
func univariate(n *Node) link {
	if isTableOp(n.Op) && len(n.Args) == 1 || n.Op == OpNegative {
		return link{node: n, arg: n.Args[0]}
	}
	switch n.Op {
	case OpAdd, OpSubtract, OpMultiply, OpMaximum, OpMinimum, OpLessEqual, OpLess, OpGreater, OpGreaterEqual, OpEqual, OpNotEqual:
		a, b := n.Args[0], n.Args[1]
		if b.Known() && slices.Equal(a.Shape, n.Shape) {
			return link{node: n, arg: a, other: b, at: spreadTo(b.Shape, n.Shape), first: true}
		}
		if a.Known() && slices.Equal(b.Shape, n.Shape) {
			return link{node: n, arg: b, other: a, at: spreadTo(a.Shape, n.Shape)}
		}
	}
	return link{}
}

// uniform reports whether the function is the same for every element.
func (l *link) uniform() bool {
	if l.node.Op == OpLookup {
		return len(l.node.Table.Values) == 1
	}
	return l.other == nil || allEqual(l.other.Lo, l.other.Lo[0])
}

// apply returns the value for element e of the argument, and false where a table does not cover it.
func (l *link) apply(e int, x int64) (int64, bool) {
	switch {
	case l.node.Op == OpLookup:
		lo, row := l.node.Table.Row(e)
		if i := uint64(x) - uint64(lo); x >= lo && i < uint64(len(row)) {
			return row[i], true
		}
		return 0, false
	case l.other == nil:
		return unary(l.node, x), true
	case l.first:
		return binaryValue(l.node.Op, x, l.other.Lo[l.at.at(e)]), true
	default:
		return binaryValue(l.node.Op, l.other.Lo[l.at.at(e)], x), true
	}
}

// fusibleChain returns the longest chain that ends in n, last operation first, and what it is a function of. It is empty
// if n is not a table operation or its argument is too wide.
func fusibleChain(n *Node, inside []bool) (chain []link, base *Node) {
	base = n
	for len(chain) < maxFusedChain {
		if !isTableOp(base.Op) && !(len(chain) > 0 && inside[base.ID]) {
			break
		}
		l := univariate(base)
		if l.node == nil || l.arg.Known() || widest(l.arg) > maxFusedRow {
			break
		}
		chain, base = append(chain, l), l.arg
	}
	return chain, base
}

// widest returns the number of values of the element with the widest bounds.
func widest(n *Node) int64 {
	var w int64
	for i, l := range n.Lo {
		w = max(w, n.Hi[i]-l+1)
	}
	return w
}

// fuseChain returns the table of a chain over the bounds of base: one row where that can be shared, or one per element.
// It takes the entries from the budget and returns nil when that is not enough.
func fuseChain(chain []link, base *Node, budget *int) *Table {
	lo, hi := base.Range()
	los, his := []int64{lo}, []int64{hi}
	shared := hi-lo < maxFusedRow
	for i := range chain {
		shared = shared && chain[i].uniform()
	}
	if !shared {
		los, his = base.Lo, base.Hi
	}
	entries := 0
	for i, l := range los {
		entries += int(his[i]-l) + 1
	}
	if entries > *budget {
		return nil
	}
	*budget -= entries
	t := &Table{Lo: slices.Clone(los), Values: make([][]int64, len(los))}
	for e, l := range los {
		row := make([]int64, his[e]-l+1)
		last := int64(0)
		for i := range row {
			v, ok := l+int64(i), true
			for j := len(chain) - 1; j >= 0 && ok; j-- {
				v, ok = chain[j].apply(e, v)
			}
			// A shared row spans the gaps between the elements' bounds, where a later table may have no value and none is
			// needed: repeat the one before.
			if ok {
				last = v
			}
			row[i] = last
		}
		t.Values[e] = row
	}
	return t
}

// narrowTables trims each table to its argument's bounds, shares rows that are all equal, and drops lookups that return
// their argument.
func narrowTables(g *Graph) (*Graph, bool) {
	return rewrite(g, func(rw *rewriter, n *Node, args []*Node) *Node {
		if n.Op != OpLookup {
			return nil
		}
		a := args[0]
		if isIdentity(n.Table, a) {
			return a
		}
		los, his := a.Lo, a.Hi
		if len(n.Table.Values) == 1 {
			lo, hi := a.Range()
			los, his = []int64{lo}, []int64{hi}
		}
		t := &Table{Lo: slices.Clone(los), Values: make([][]int64, len(los))}
		equal, trimmed := true, false
		for i, row := range n.Table.Values {
			from := los[i] - n.Table.Lo[i]
			t.Values[i] = row[from : his[i]-n.Table.Lo[i]+1]
			trimmed = trimmed || len(t.Values[i]) != len(row)
			equal = equal && t.Lo[i] == t.Lo[0] && slices.Equal(t.Values[i], t.Values[0])
		}
		if equal && len(t.Values) > 1 {
			t.Lo, t.Values, trimmed = t.Lo[:1], t.Values[:1], true
		}
		if !trimmed {
			return nil
		}
		return rw.add(&Node{Op: OpLookup, Args: args, Table: t})
	})
}

// isIdentity reports whether t returns each value of a unchanged.
func isIdentity(t *Table, a *Node) bool {
	for e, l := range a.Lo {
		lo, row := t.Row(e)
		for x := l; x <= a.Hi[e]; x++ {
			if row[x-lo] != x {
				return false
			}
		}
	}
	return true
}
