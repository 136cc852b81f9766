package compiler

import (
	"fmt"
	"slices"
)

// maxRounds bounds the rounds of Optimize; each round that changes the graph makes it smaller or moves work into tables,
// so that a handful suffices for any depth of it.
const maxRounds = 64

// Optimize returns an equivalent graph: same inputs, same outputs for every input within the bounds. It folds constants,
// fuses chains of univariate operations into one lookup (of at most 2^13 entries a row), shares equal nodes, narrows
// tables and bounds, and drops what no output needs, until nothing changes. Verify runs on the argument and between the
// passes. g itself does not change, but the result may share its arrays.
//
// Fusion takes comparisons, maximum, minimum, clip and lookups into a lookup, with the additions, subtractions, negatives
// and multiplications by constants that sit directly before them; an affine operation whose value is also used otherwise
// stays as it is. It never crosses matmul, conv, sum, round or bits.
func (g *Graph) Optimize() (*Graph, error) {
	if err := g.Verify(); err != nil {
		return nil, err
	}
	for range maxRounds {
		changed := false
		for _, p := range passes {
			next, did := p.run(g)
			if !did {
				continue
			}
			if err := next.Verify(); err != nil {
				return nil, fmt.Errorf("after pass %s: %w", p.name, err)
			}
			g, changed = next, true
		}
		if !changed {
			break
		}
	}
	return g, nil
}

// passes are the passes of one round, in order. Each returns a new graph and whether it differs from its argument.
var passes = []struct {
	name string
	run  func(*Graph) (*Graph, bool)
}{
	{"fold", foldConstants},
	{"simplify", simplify},
	{"share", shareEqual},
	{"fuse", fuseLookups},
	{"narrow", narrowTables},
	{"dead", dropDead},
}

// rewriter builds the graph that replaces another one.
type rewriter struct {
	g       *Graph
	nodes   []*Node // by the old ID
	kept    *Node   // what keep returned for the current node
	changed bool
}

// rewrite copies g node by node in topological order. For each old node, replace may return a node of the new graph,
// made with the rewriter's methods, that takes its place; nil, or what rw.keep returns, keeps the node on its (replaced)
// arguments.
func rewrite(g *Graph, replace func(rw *rewriter, n *Node, args []*Node) *Node) (*Graph, bool) {
	rw := &rewriter{g: &Graph{Nodes: make([]*Node, 0, len(g.Nodes))}, nodes: make([]*Node, len(g.Nodes))}
	for i, n := range g.Nodes {
		args := make([]*Node, len(n.Args))
		for j, a := range n.Args {
			args[j] = rw.nodes[a.ID]
		}
		rw.kept, rw.g.Origin = nil, n.Origin // what takes n's place comes from where n does
		m := replace(rw, n, args)
		if m == nil {
			m = rw.keep(n, args)
		}
		rw.changed = rw.changed || m != rw.kept
		rw.nodes[i] = m
	}
	for _, o := range g.Outputs {
		rw.g.Outputs = append(rw.g.Outputs, rw.nodes[o.ID])
	}
	rw.g.Origin = 0
	return rw.g, rw.changed
}

// add appends a node. Passes only ever narrow the bounds of arguments, and narrower arguments are valid wherever the old
// ones were, so that a failure is a bug of the pass.
func (rw *rewriter) add(n *Node) *Node {
	if err := rw.g.add(n); err != nil {
		panic("compiler: internal error: " + err.Error())
	}
	return n
}

// keep appends a copy of n on new arguments. Bounds are inferred again only where those of an argument changed.
func (rw *rewriter) keep(n *Node, args []*Node) *Node {
	m := *n
	m.Args, m.ID = args, len(rw.g.Nodes)
	for i, a := range args {
		if old := n.Args[i]; !sameSlice(a.Lo, old.Lo) || !sameSlice(a.Hi, old.Hi) {
			rw.kept = rw.add(&m)
			return rw.kept
		}
	}
	rw.kept = &m
	rw.g.Nodes = append(rw.g.Nodes, &m)
	return &m
}

// constant appends a constant.
func (rw *rewriter) constant(shape []int, data []int64) *Node {
	return rw.add(&Node{Op: OpConstant, Value: &Array{Shape: shape, Data: data}})
}

// sameSlice reports whether a and b are equal, at once if they are the same memory.
func sameSlice(a, b []int64) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}

// foldConstants replaces every node whose bounds leave one value by that constant. Inputs stay, but their users see the
// constant.
func foldConstants(g *Graph) (*Graph, bool) {
	uses := make([]int, len(g.Nodes))
	for _, n := range g.Nodes {
		for _, a := range n.Args {
			uses[a.ID]++
		}
	}
	for _, o := range g.Outputs {
		uses[o.ID]++
	}
	return rewrite(g, func(rw *rewriter, n *Node, args []*Node) *Node {
		if n.Op == OpConstant || !n.Known() {
			return nil
		}
		if n.Op == OpInput {
			if uses[n.ID] == 0 {
				return nil
			}
			rw.keep(n, args)
		}
		return rw.constant(n.Shape, n.Lo)
	})
}

// dropDead drops the nodes that no output needs, other than inputs.
func dropDead(g *Graph) (*Graph, bool) {
	live := g.reachable()
	out := &Graph{Nodes: make([]*Node, 0, len(g.Nodes))}
	moved := make([]*Node, len(g.Nodes))
	for i, n := range g.Nodes {
		if !live[i] && n.Op != OpInput {
			continue
		}
		m := *n
		m.ID, m.Args = len(out.Nodes), make([]*Node, len(n.Args))
		for j, a := range n.Args {
			m.Args[j] = moved[a.ID]
		}
		moved[i] = &m
		out.Nodes = append(out.Nodes, &m)
	}
	for _, o := range g.Outputs {
		out.Outputs = append(out.Outputs, moved[o.ID])
	}
	return out, len(out.Nodes) != len(g.Nodes)
}
