package compiler

// Join returns g as a function of one input of codes, and with one output: input "x" has an element for each element of g's inputs, in their order, with
// the values 0 .. hi-lo of a code; the output holds the elements of all outputs in order. That is the form in which a model is compiled. g itself does not
// change.
func (g *Graph) Join() (*Graph, error) {
	if err := g.Verify(); err != nil {
		return nil, err
	}
	var hi []int64
	start := map[int]int{}
	for _, n := range g.Inputs() {
		start[n.ID] = len(hi)
		for i := range n.Lo {
			hi = append(hi, n.Hi[i]-n.Lo[i])
		}
	}
	var x *Node
	h, _ := rewrite(g, func(rw *rewriter, n *Node, _ []*Node) *Node {
		if x == nil {
			x = rw.add(&Node{Op: OpInput, Name: "x", Shape: []int{len(hi)}, Lo: make([]int64, len(hi)), Hi: hi})
		}
		if n.Op != OpInput {
			return nil
		}
		ints := []int64{int64(len(n.Shape))}
		for _, d := range n.Shape {
			ints = append(ints, int64(d))
		}
		for i := range n.Lo {
			ints = append(ints, int64(start[n.ID]+i))
		}
		codes := rw.add(&Node{Op: OpTake, Args: []*Node{x}, Ints: ints})
		if allEqual(n.Lo, 0) {
			return codes
		}
		return rw.add(&Node{Op: OpAdd, Args: []*Node{codes, rw.constant(n.Shape, n.Lo)}})
	})
	parts := make([]*Node, len(h.Outputs))
	for i, o := range h.Outputs {
		h.Origin = o.Origin
		parts[i] = h.Reshape(o, o.Size())
	}
	h.Origin = 0
	h.Outputs = []*Node{h.Concatenate(0, parts...)}
	return h, h.Verify()
}
