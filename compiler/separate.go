package compiler

import "slices"

// InputElement is one element of an input node.
type InputElement struct {
	Node  *Node
	Index int
}

// Separable is a value as a sum of functions of single input elements: Constant plus, for each of them, Parts[e][v-lo] where v is the element's value and lo
// its lower bound. The first entry of each part is 0.
type Separable struct {
	Constant int64
	Parts    map[InputElement][]int64
}

// Separate returns the elements of n as sums of functions of single input elements, or nil where an operation between the inputs and n joins several of
// them otherwise, or where that takes more than limit table entries.
func Separate(n *Node, limit int) []Separable {
	s := separator{done: map[*Node][]Separable{}, left: limit}
	out := s.node(n)
	if s.left < 0 {
		return nil
	}
	return out
}

// separator separates nodes, each once.
type separator struct {
	done map[*Node][]Separable
	left int // entries that may still be made
}

func (s *separator) node(n *Node) []Separable {
	if out, ok := s.done[n]; ok {
		return out
	}
	out := s.separate(n)
	s.done[n] = out
	return out
}

func (s *separator) separate(n *Node) []Separable {
	out := make([]Separable, n.Size())
	if s.left -= len(out); s.left < 0 {
		return nil
	}
	if n.Op == OpInput {
		for i := range out {
			if n.Hi[i]-n.Lo[i] > int64(s.left) {
				return nil
			}
			table := make([]int64, n.Hi[i]-n.Lo[i]+1)
			for v := range table {
				table[v] = int64(v)
			}
			s.left -= len(table)
			out[i] = Separable{n.Lo[i], map[InputElement][]int64{{n, i}: table}}
		}
		return out
	}
	if n.Known() {
		for i := range out {
			out[i].Constant = n.Lo[i]
		}
		return out
	}
	args := make([][]Separable, len(n.Args))
	for i, a := range n.Args {
		if args[i] = s.node(a); args[i] == nil {
			return nil
		}
	}
	switch n.Op {
	case OpReshape, OpTranspose, OpConcatenate, OpGetItem, OpTake:
		var all []Separable
		starts := map[*Node]int64{}
		for i, a := range n.Args {
			starts[a] = int64(len(all))
			all = append(all, args[i]...)
		}
		for i, at := range numbered(n, starts) {
			out[i] = all[at]
		}
	case OpAdd, OpSubtract, OpMultiply:
		ia, ib := broadcast(n.Shape, n.Args[0].Shape), broadcast(n.Shape, n.Args[1].Shape)
		for i := range out {
			x, y := &args[0][ia[i]], &args[1][ib[i]]
			ok := true
			switch n.Op {
			case OpAdd:
				out[i] = s.sum([]*Separable{x, y}, []int64{1, 1})
			case OpSubtract:
				out[i] = s.sum([]*Separable{x, y}, []int64{1, -1})
			default:
				out[i], ok = s.product(x, y)
			}
			if !ok || s.left < 0 {
				return nil
			}
		}
	case OpNegative:
		for i := range out {
			out[i] = s.sum([]*Separable{&args[0][i]}, []int64{-1})
		}
	case OpSum:
		for i, group := range sumGroups(n) {
			var parts []*Separable
			for _, e := range group {
				parts = append(parts, &args[0][e])
			}
			out[i] = s.sum(parts, slices.Repeat([]int64{1}, len(parts)))
			if s.left < 0 {
				return nil
			}
		}
	case OpMatMul:
		if !s.matMul(n, args, out) {
			return nil
		}
	case OpLookup, OpClip, OpRound:
		for i := range out {
			var ok bool
			f := func(x int64) int64 { return unary(n, x) }
			if n.Op == OpLookup {
				f = tableRow(n.Table, i)
			}
			if out[i], ok = s.apply(&args[0][i], f); !ok {
				return nil
			}
		}
	default:
		return nil
	}
	return out
}

// sum returns the sum of weights[i] * parts[i].
func (s *separator) sum(parts []*Separable, weights []int64) Separable {
	out := Separable{Parts: map[InputElement][]int64{}}
	for i, p := range parts {
		w := weights[i]
		if w == 0 {
			continue
		}
		out.Constant += w * p.Constant
		for e, table := range p.Parts {
			if s.left -= len(table); s.left < 0 {
				return out
			}
			to := out.Parts[e]
			if to == nil {
				to = make([]int64, len(table))
				out.Parts[e] = to
			}
			for v, y := range table {
				to[v] += w * y
			}
		}
	}
	return out
}

// apply returns a function of x, which depends on one input element or none.
func (s *separator) apply(x *Separable, f func(int64) int64) (Separable, bool) {
	out := Separable{Constant: f(x.Constant), Parts: map[InputElement][]int64{}}
	if len(x.Parts) > 1 {
		return out, false
	}
	for e, table := range x.Parts {
		if s.left -= len(table); s.left < 0 {
			return out, false
		}
		to := make([]int64, len(table))
		for v, y := range table {
			to[v] = f(x.Constant+y) - out.Constant
		}
		out.Parts[e] = to
	}
	return out, true
}

// product returns x*y where one of them is a constant, or both depend on the same input element.
func (s *separator) product(x, y *Separable) (Separable, bool) {
	if len(x.Parts) == 0 {
		x, y = y, x
	}
	if len(y.Parts) == 0 {
		return s.sum([]*Separable{x}, []int64{y.Constant}), true
	}
	out := Separable{Constant: x.Constant * y.Constant, Parts: map[InputElement][]int64{}}
	for e, table := range x.Parts {
		other := y.Parts[e]
		if len(x.Parts) > 1 || len(y.Parts) > 1 || other == nil {
			return out, false
		}
		to := make([]int64, len(table))
		for v := range table {
			to[v] = (x.Constant+table[v])*(y.Constant+other[v]) - out.Constant
		}
		s.left -= len(to)
		out.Parts[e] = to
	}
	return out, true
}

// matMul fills in the elements of a matrix product with a known argument.
func (s *separator) matMul(n *Node, args [][]Separable, out []Separable) bool {
	a, b := n.Args[0], n.Args[1]
	m, k, w := matMulDims(a.Shape, b.Shape)
	for i := range m {
		for j := range w {
			var parts []*Separable
			var weights []int64
			for t := range k {
				if b.Known() {
					parts, weights = append(parts, &args[0][i*k+t]), append(weights, b.Lo[t*w+j])
				} else {
					parts, weights = append(parts, &args[1][t*w+j]), append(weights, a.Lo[i*k+t])
				}
			}
			if out[i*w+j] = s.sum(parts, weights); s.left < 0 {
				return false
			}
		}
	}
	return true
}
