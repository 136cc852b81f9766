package compiler

import (
	"fmt"
	"slices"
)

// LowerError says which node of a graph has no encrypted form, or is too noisy in one, and the way out.
type LowerError struct {
	Node   int // ID in the optimised graph
	Origin int // the node's: see Node.Origin
	Op     Op
	Reason string
	// Lowering is the one that was asked for and is impossible, LowerAuto where there is no form at all.
	Lowering Lowering
}

// Error returns one line.
func (e *LowerError) Error() string {
	return fmt.Sprintf("compiler: node %%%d (%s): %s", e.Node, e.Op, e.Detail())
}

// Detail returns what is wrong without where.
func (e *LowerError) Detail() string {
	if e.Lowering != LowerAuto {
		return fmt.Sprintf("lowering %s is impossible: %s; auto chooses what is possible", e.Lowering, e.Reason)
	}
	return e.Reason
}

// lowerer turns an optimised graph into elements, selectors and vectors; a plan then gives them widths and parameters.
type lowerer struct {
	g         *Graph
	degree    int // N: the longest table of a rotation
	lo, hi    []int64
	selectors []Selector
	selIndex  map[Selector]int32
	elems     [][]*elem // by node ID
	vectors   []*vector // in the order of computation
	diagrams  map[int32]*whereNode
	forest    *forest        // the diagrams of all outputs, once a plan needs them
	groups    []*columnGroup // the columns of packed ciphertexts, likewise
	makers    []*Node        // of each result the node that computes it, likewise

	// How each part is lowered, and what was met: see pick.
	force     Lowering
	assign    assignment
	parts     []*part
	partIndex map[partKey]*part

	// Values that are made on demand: tests, codes, leaf indicators and trees as elements of vectors, and diagrams of tables.
	grown     map[grownKey]*vector
	testForms map[testKey]form
	codeForms map[int32]form
	treeForms map[treeKey][]form
	tables    int32 // diagrams made for tables

	// Values of more bits than a lookup takes: what they were taken apart into, and functions of them in digits.
	extractions map[extractKey]*extraction
	wides       []*wideResult

	*prices
}

// prices are what pricing computes once for all lowerings and plans: bootstraps by table bits, gadgets of packed queries by key and shape.
type prices struct {
	tries    map[int][]lookupTry
	families map[familyKey]packedFamily

	wideChoices map[wideKey]packedChoice
}

func newLowerer(g *Graph, degree int) *lowerer {
	return &lowerer{g: g, degree: degree, selIndex: map[Selector]int32{}, elems: make([][]*elem, len(g.Nodes)), diagrams: map[int32]*whereNode{},
		partIndex: map[partKey]*part{}, grown: map[grownKey]*vector{}, testForms: map[testKey]form{}, codeForms: map[int32]form{},
		treeForms: map[treeKey][]form{}, extractions: map[extractKey]*extraction{}, prices: &prices{}}
}

// run reads all nodes that an output needs and returns the forms of all output elements, outputs after one another.
func (l *lowerer) run() ([]form, error) {
	live := l.g.reachable()
	for _, n := range l.g.Nodes {
		if !live[n.ID] && n.Op != OpInput {
			continue
		}
		elems, err := l.node(n)
		if err != nil {
			return nil, err
		}
		l.elems[n.ID] = elems
	}
	var out []form
	for _, o := range l.g.Outputs {
		forms, err := l.forms(o)
		if err != nil {
			return nil, err
		}
		out = append(out, forms...)
	}
	for i := range out {
		var err error
		if out[i], err = l.unwrapped(out[i], true); err != nil {
			return nil, err
		}
	}
	return l.results(l.g.Outputs[0], out)
}

func (l *lowerer) fail(n *Node, format string, args ...any) error {
	return lowerError(n, LowerAuto, format, args...)
}

// impossible is the error of a lowering that a node cannot have.
func (l *lowerer) impossible(n *Node, how Lowering, format string, args ...any) error {
	return lowerError(n, how, format, args...)
}

func lowerError(n *Node, how Lowering, format string, args ...any) error {
	return &LowerError{Node: n.ID, Origin: n.Origin, Op: n.Op, Reason: fmt.Sprintf(format, args...), Lowering: how}
}

// node returns the elements of one node.
func (l *lowerer) node(n *Node) ([]*elem, error) {
	if n.Known() && n.Op != OpInput {
		return plain(mapInts(n.Lo, constForm)), nil
	}
	switch n.Op {
	case OpInput:
		out := make([]form, n.Size())
		for i := range out {
			out[i] = atomForm(atomCode, int32(len(l.lo)), 0)
			l.lo, l.hi = append(l.lo, n.Lo[i]), append(l.hi, n.Hi[i])
		}
		return plain(out), nil
	case OpReshape, OpTranspose, OpConcatenate, OpGetItem, OpTake:
		return l.moved(n), nil
	case OpBits:
		return l.bits(n)
	case OpWhere:
		elems, err := l.where(n)
		if err != nil { // no decision diagram
			return l.whereValues(n)
		}
		return elems, nil
	case OpRound, OpRoundApproximate:
		d := int(n.Ints[0])
		return l.univariate(n, n.Args[0], func(int) func(int64) int64 { return func(x int64) int64 { return unary(n, x) } }, d)
	case OpLookup:
		return l.univariate(n, n.Args[0], func(i int) func(int64) int64 { return tableRow(n.Table, i) }, 0)
	case OpClip:
		return l.univariate(n, n.Args[0], func(int) func(int64) int64 { return func(x int64) int64 { return unary(n, x) } }, 0)
	case OpLess, OpLessEqual, OpGreater, OpGreaterEqual, OpEqual, OpNotEqual, OpMaximum, OpMinimum:
		return l.comparison(n)
	case OpMultiply:
		if !n.Args[0].Known() && !n.Args[1].Known() {
			return l.twoValues(n)
		}
		forms, err := l.affine(n)
		return plain(forms), err
	case OpAdd, OpSubtract, OpNegative, OpMatMul, OpConv, OpSum:
		forms, err := l.affine(n)
		return plain(forms), err
	}
	return nil, l.fail(n, "operation has no encrypted form")
}

func plain(forms []form) []*elem {
	out := make([]*elem, len(forms))
	for i, f := range forms {
		out[i] = &elem{form: f}
	}
	return out
}

func mapInts[T any](xs []int64, f func(int64) T) []T {
	out := make([]T, len(xs))
	for i, x := range xs {
		out[i] = f(x)
	}
	return out
}

// moved handles operations that only rearrange elements.
func (l *lowerer) moved(n *Node) []*elem {
	var all []*elem
	starts := map[*Node]int64{}
	for _, a := range n.Args {
		if _, ok := starts[a]; !ok {
			starts[a] = int64(len(all))
			all = append(all, l.elems[a.ID]...)
		}
	}
	return mapInts(numbered(n, starts), func(i int64) *elem { return all[i] })
}

// forms returns the elements of n as forms; functions that are not computed yet become vectors of the circuit.
func (l *lowerer) forms(n *Node) ([]form, error) {
	out := make([]form, 0, n.Size())
	for _, e := range l.elems[n.ID] {
		if e.fn != nil {
			if err := l.compute(e.vec); err != nil {
				return nil, err
			}
			out = append(out, e.value)
			continue
		}
		out = append(out, e.form)
	}
	return out, nil
}

// resultNode returns the node that computes result i, counted over all outputs, behind what only moves it.
func (l *lowerer) resultNode(i int) *Node {
	if l.makers == nil {
		known := make(map[*Node][]*Node)
		for _, o := range l.g.Outputs {
			l.makers = append(l.makers, makersOf(o, known)...)
		}
	}
	return l.makers[i]
}

// makersOf returns the node that computes each element of n. known are those that were asked for before.
func makersOf(n *Node, known map[*Node][]*Node) []*Node {
	if makers, ok := known[n]; ok {
		return makers
	}
	var makers []*Node
	switch n.Op {
	case OpReshape, OpTranspose, OpConcatenate, OpGetItem, OpTake:
		var all []*Node
		starts := map[*Node]int64{}
		for _, a := range n.Args {
			starts[a] = int64(len(all))
			all = append(all, makersOf(a, known)...)
		}
		for _, at := range numbered(n, starts) {
			makers = append(makers, all[at])
		}
	default:
		makers = slices.Repeat([]*Node{n}, n.Size())
	}
	known[n] = makers
	return makers
}

// numbered returns where each element of n, which only moves those of its arguments, comes from: elements of an argument are counted from its start.
func numbered(n *Node, starts map[*Node]int64) []int64 {
	return moveElements(n, func(a *Node) []int64 {
		seq := make([]int64, a.Size())
		for i := range seq {
			seq[i] = starts[a] + int64(i)
		}
		return seq
	})
}
