package compiler

func (l *lowerer) affine(n *Node) ([]form, error) {
	args := make([][]form, len(n.Args))
	for i, a := range n.Args {
		var err error
		if args[i], err = l.forms(a); err != nil {
			return nil, err
		}
	}
	out := make([]form, n.Size())
	switch n.Op {
	case OpNegative:
		for i, f := range args[0] {
			out[i] = sumForms(0, []form{f}, []int64{-1})
		}
	case OpAdd, OpSubtract:
		ia, ib := broadcast(n.Shape, n.Args[0].Shape), broadcast(n.Shape, n.Args[1].Shape)
		sign := int64(1)
		if n.Op == OpSubtract {
			sign = -1
		}
		for i := range out {
			out[i] = sumForms(0, []form{args[0][ia[i]], args[1][ib[i]]}, []int64{1, sign})
		}
	case OpMultiply:
		x, c := 0, 1
		if n.Args[0].Known() {
			x, c = 1, 0
		}
		ix, ic := broadcast(n.Shape, n.Args[x].Shape), broadcast(n.Shape, n.Args[c].Shape)
		for i := range out {
			out[i] = sumForms(0, []form{args[x][ix[i]]}, []int64{n.Args[c].Lo[ic[i]]})
		}
	case OpMatMul:
		l.matMul(n, args, out)
	case OpConv:
		l.conv(n, args[0], out)
	case OpSum:
		groups := sumGroups(n)
		for i, g := range groups {
			parts := make([]form, len(g))
			ones := make([]int64, len(g))
			for j, e := range g {
				parts[j], ones[j] = args[0][e], 1
			}
			out[i] = sumForms(0, parts, ones)
		}
	}
	return out, nil
}

func (l *lowerer) matMul(n *Node, args [][]form, out []form) {
	a, b := n.Args[0], n.Args[1]
	m, k, w := matMulDims(a.Shape, b.Shape)
	for i := range m {
		for j := range w {
			parts, weights := make([]form, k), make([]int64, k)
			for t := range k {
				if b.Known() {
					parts[t], weights[t] = args[0][i*k+t], b.Lo[t*w+j]
				} else {
					parts[t], weights[t] = args[1][t*w+j], a.Lo[i*k+t]
				}
			}
			out[i*w+j] = sumForms(0, parts, weights)
		}
	}
}

// conv makes each result the combination of the elements under its kernel; zero weights cost nothing.
func (l *lowerer) conv(n *Node, x []form, out []form) {
	c, kernel := convolutionOf(n), n.Args[1].Lo
	parts, weights := make([][]form, len(out)), make([][]int64, len(out))
	c.runs(func(k, to, from, count, step int) {
		if kernel[k] == 0 {
			return
		}
		for i := range count {
			parts[to+i] = append(parts[to+i], x[from+i*step])
			weights[to+i] = append(weights[to+i], kernel[k])
		}
	})
	for i := range out {
		out[i] = sumForms(0, parts[i], weights[i])
	}
}

// sumGroups returns for every element of a sum the elements of the argument that it adds.
func sumGroups(n *Node) [][]int {
	shape := n.Args[0].Shape
	if len(n.Ints) == 0 {
		all := make([]int, n.Args[0].Size())
		for i := range all {
			all[i] = i
		}
		return [][]int{all}
	}
	axis := int(n.Ints[0])
	inner := 1
	for _, d := range shape[axis+1:] {
		inner *= d
	}
	groups := make([][]int, n.Size())
	for e := range n.Args[0].Size() {
		to := e/(inner*shape[axis])*inner + e%inner
		groups[to] = append(groups[to], e)
	}
	return groups
}
