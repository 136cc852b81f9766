package onnx

import (
	"fmt"
	"strings"
)

// opKey names an operator with its domain.
type opKey struct{ domain, op string }

// domainML is the domain of the classical models.
const domainML = "ai.onnx.ml"

// check validates what parseModel read: every value is defined once, every use has a definition, nodes are sorted
// topologically (stable), tensors fit their bytes. It returns an UnsupportedError for constructs that no step after it
// can use. dir is the folder of external data.
func (m *fileModel) check(dir string) error {
	if len(m.nodes) == 0 {
		return fmt.Errorf("the graph has no nodes")
	}
	if len(m.outputs) == 0 {
		return fmt.Errorf("the graph has no outputs")
	}
	if m.sparse {
		return &UnsupportedError{Op: "sparse_initializer", Opset: m.opset(""), Hint: "export the model with dense weights"}
	}
	defined := map[string]string{} // value name -> what defines it
	for _, v := range m.inputs {
		if v.name == "" {
			return fmt.Errorf("a graph input has no name")
		}
		if defined[v.name] != "" {
			return fmt.Errorf("graph input %q occurs twice", v.name)
		}
		defined[v.name] = "input"
	}
	for _, x := range m.inits {
		if x.name == "" {
			return fmt.Errorf("an initializer has no name")
		}
		if d := defined[x.name]; d != "" && d != "input" { // IR version 3 and before list initializers as inputs
			return fmt.Errorf("initializer %q occurs twice", x.name)
		}
		defined[x.name] = "initializer"
		if err := x.resolve(dir); err != nil {
			return fmt.Errorf("initializer %q: %w", x.name, err)
		}
	}
	producer := map[string]int{}
	for _, n := range m.nodes {
		if len(n.outputs) == 0 {
			return fmt.Errorf("node %q (%s) has no outputs", n.where(), n.op)
		}
		for _, o := range n.outputs {
			if o == "" {
				continue
			}
			if defined[o] != "" {
				return fmt.Errorf("value %q is defined twice: by node %q (%s) and by %s", o, n.where(), n.op, defined[o])
			}
			defined[o] = fmt.Sprintf("node %q", n.where())
			producer[o] = n.index
		}
		if err := m.checkNode(n, dir); err != nil {
			return err
		}
	}
	for _, n := range m.nodes {
		for _, in := range n.inputs {
			if in != "" && defined[in] == "" {
				return fmt.Errorf("node %q (%s) reads %q, which nothing defines", n.where(), n.op, in)
			}
		}
	}
	seen := map[string]bool{}
	for _, o := range m.outputs {
		if defined[o.name] == "" {
			return fmt.Errorf("graph output %q is not defined by any node", o.name)
		}
		if seen[o.name] {
			return fmt.Errorf("graph output %q occurs twice", o.name)
		}
		seen[o.name] = true
	}
	return m.sort(producer)
}

// checkNode refuses what only its attributes or its domain show.
func (m *fileModel) checkNode(n *fileNode, dir string) error {
	if m.functions[n.domain+"\x00"+n.op] {
		return m.unsupported(n, "it is a function local to the file; export the model with its functions inlined")
	}
	for _, a := range n.attrs {
		switch {
		case a.graph || a.typ == attrGraph || a.typ == attrGraphs:
			way := "export the model without it"
			if n.op == "Scan" {
				way = "nearest neighbours and Gaussian processes compare a row with all training rows; train a linear model, trees or a network instead"
			}
			return m.unsupported(n, fmt.Sprintf("attribute %q holds a graph (control flow), only feed-forward models can be imported: %s", a.name, way))
		case a.ref:
			return m.unsupported(n, fmt.Sprintf("attribute %q refers to a function's attribute; export the model with its functions inlined", a.name))
		case a.other || a.typ == attrTensors || a.typ < attrFloat || a.typ > attrTensors:
			return m.unsupported(n, fmt.Sprintf("attribute %q is of a type that no supported operator has", a.name))
		}
		if a.t != nil && a.typ == attrTensor {
			if err := a.t.resolve(dir); err != nil {
				return fmt.Errorf("node %q (%s), attribute %q: %w", n.where(), n.op, a.name, err)
			}
		}
	}
	return nil
}

// unsupported builds the error for node n.
func (m *fileModel) unsupported(n *fileNode, hint string) error {
	return &UnsupportedError{Node: n.where(), Op: n.op, Domain: n.domain, Opset: m.opset(n.domain), Hint: hint}
}

// sort orders the nodes so that every value is defined before its use, keeping the file's order where it can.
// producer maps a value to the index of its node.
func (m *fileModel) sort(producer map[string]int) error {
	wait := make([]int, len(m.nodes))
	users := make([][]int, len(m.nodes))
	sorted := true
	for _, n := range m.nodes {
		for _, in := range n.inputs {
			p, ok := producer[in]
			if !ok {
				continue
			}
			if p >= n.index {
				sorted = false
			}
			wait[n.index]++
			users[p] = append(users[p], n.index)
		}
	}
	if sorted {
		return nil
	}
	var ready []int
	for i := len(wait) - 1; i >= 0; i-- {
		if wait[i] == 0 {
			ready = append(ready, i)
		}
	}
	order := make([]*fileNode, 0, len(m.nodes))
	for len(ready) > 0 {
		i := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		order = append(order, m.nodes[i])
		for k := len(users[i]) - 1; k >= 0; k-- {
			u := users[i][k]
			if wait[u]--; wait[u] == 0 {
				ready = append(ready, u)
			}
		}
	}
	if len(order) < len(m.nodes) {
		for _, n := range m.nodes {
			if wait[n.index] > 0 {
				return fmt.Errorf("node %q (%s) is part of a cycle: it needs its own output", n.where(), n.op)
			}
		}
	}
	m.nodes = order
	for i, n := range m.nodes {
		n.index = i
	}
	return nil
}

// describe renders the type of a graph input or output: "float[N, 4]", "sequence".
func (v fileValue) describe() string {
	if v.kind == "" {
		return "unknown"
	}
	if v.kind != "tensor" {
		return v.kind
	}
	if !v.rank {
		return typeName(v.elem)
	}
	dims := make([]string, len(v.dims))
	for i, d := range v.dims {
		switch {
		case d.known:
			dims[i] = fmt.Sprint(d.size)
		case d.param != "":
			dims[i] = d.param
		default:
			dims[i] = "?"
		}
	}
	return typeName(v.elem) + "[" + strings.Join(dims, ", ") + "]"
}
