package onnx

import (
	"fmt"

	onnxgo "github.com/owulveryck/onnx-go"
	"gonum.org/v1/gonum/graph"
	"gonum.org/v1/gonum/graph/simple"
	"gorgonia.org/tensor"
)

// operation is one node of the graph as onnx-go decoded it, with what onnx-go does not expose taken from the pre-pass.
type operation struct {
	*fileNode
	attributes map[string]any // float32, int64, string, []float32, []int64, []string, *constant
}

// recorded is the decoded graph: operations in topological order and the constants by value name.
type recorded struct {
	ops       []*operation
	constants map[string]*constant
	bytes     int // that the lists and tensors take
}

// recordedValue is a graph node of the recorder: one value of the ONNX graph.
type recordedValue struct {
	id     int64
	name   string
	data   tensor.Tensor
	inputs []*recordedValue // of the operation that defines it, in order
}

// ID implements graph.Node.
func (v *recordedValue) ID() int64 { return v.id }

// SetName and GetName implement onnx-go's Namer.
func (v *recordedValue) SetName(s string) { v.name = s }
func (v *recordedValue) GetName() string  { return v.name }

// SetTensor and GetTensor implement onnx-go's DataCarrier.
func (v *recordedValue) SetTensor(t tensor.Tensor) error { v.data = t; return nil }
func (v *recordedValue) GetTensor() tensor.Tensor        { return v.data }

// recorder implements onnx-go's Backend: a graph that only remembers. Gonum's own graphs merge parallel edges
// (x*x has two) and panic on self edges.
type recorder struct {
	graph.DirectedWeightedBuilder // the queries of a graph, which onnx-go's decoder does not make
	values                        []*recordedValue
	ops                           []recordedOp
}

type recordedOp struct {
	name       string
	attributes map[string]any
	outputs    []*recordedValue
}

// NewNode implements graph.NodeAdder.
func (r *recorder) NewNode() graph.Node { return &recordedValue{id: int64(len(r.values))} }

// AddNode implements graph.NodeAdder.
func (r *recorder) AddNode(n graph.Node) { r.values = append(r.values, n.(*recordedValue)) }

// NewWeightedEdge implements graph.WeightedEdgeAdder; the weight is the position of the input.
func (r *recorder) NewWeightedEdge(from, to graph.Node, w float64) graph.WeightedEdge {
	return simple.WeightedEdge{F: from, T: to, W: w}
}

// SetWeightedEdge implements graph.WeightedEdgeAdder.
func (r *recorder) SetWeightedEdge(e graph.WeightedEdge) {
	from := e.From().(*recordedValue)
	from.inputs = append(from.inputs, e.To().(*recordedValue))
}

// ApplyOperation implements onnx-go's OperationCarrier.
func (r *recorder) ApplyOperation(op onnxgo.Operation, outs ...graph.Node) error {
	o := recordedOp{name: op.Name, attributes: op.Attributes}
	for _, n := range outs {
		o.outputs = append(o.outputs, n.(*recordedValue))
	}
	r.ops = append(r.ops, o)
	return nil
}

// decode runs onnx-go on the normalised bytes. onnx-go panics on some malformed input; the pre-pass has removed the
// causes that are known, recover turns the rest into an error.
func decode(b []byte) (r *recorder, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = nil, fmt.Errorf("onnx-go cannot decode the file: %v", p)
		}
	}()
	r = &recorder{DirectedWeightedBuilder: simple.NewWeightedDirectedGraph(0, 0)}
	if err := onnxgo.NewModel(r).UnmarshalBinary(b); err != nil {
		return nil, fmt.Errorf("onnx-go cannot decode the file: %w", err)
	}
	return r, nil
}

// record decodes the model through onnx-go and joins the result with the pre-pass. Both readers must agree on every
// operator, its inputs and outputs.
func (m *fileModel) record() (*recorded, error) {
	r, err := decode(m.normalize())
	if err != nil {
		return nil, err
	}
	if len(r.ops) != len(m.nodes) {
		return nil, fmt.Errorf("onnx-go decoded %d of %d nodes", len(r.ops), len(m.nodes))
	}
	out := &recorded{constants: map[string]*constant{}}
	for i, n := range m.nodes {
		o, err := join(n, r.ops[i])
		if err != nil {
			return nil, err
		}
		out.ops = append(out.ops, o)
		for _, a := range n.attrs {
			out.bytes += 4*len(a.floats) + 8*len(a.ints) + 16*len(a.strings)
			if a.t != nil {
				out.bytes += a.t.bytes()
			}
		}
	}
	tensors := map[string]tensor.Tensor{}
	for _, v := range r.values {
		if v.data != nil {
			tensors[v.name] = v.data
		}
	}
	for _, x := range m.inits {
		c, err := newConstant(x, tensors[x.name])
		if err != nil {
			return nil, fmt.Errorf("initializer %q: %w", x.name, err)
		}
		out.constants[x.name] = c
		out.bytes += x.bytes()
	}
	return out, nil
}

func join(n *fileNode, r recordedOp) (*operation, error) {
	bad := func(what string) error {
		return fmt.Errorf("node %q (%s): onnx-go reads other %s than the file holds", n.where(), n.op, what)
	}
	if r.name != n.op {
		return nil, bad("operators")
	}
	if len(r.outputs) != len(n.outputs) {
		return nil, bad("outputs")
	}
	for i, v := range r.outputs {
		if want := n.outputs[i]; v.name != want && (want != "" || v.name != hiddenName(n.index, i)) {
			return nil, bad("outputs")
		}
	}
	ins := r.outputs[0].inputs
	if len(n.inputs) == 0 {
		ins = nil // the input that onnx-go adds
	}
	if len(ins) != len(n.inputs) {
		return nil, bad("inputs")
	}
	for i, v := range ins {
		if v.name != n.inputs[i] {
			return nil, bad("inputs")
		}
	}
	o := &operation{fileNode: n, attributes: map[string]any{}}
	for _, a := range n.attrs {
		v, ok := r.attributes[a.name]
		if a.typ == attrTensor {
			t, _ := v.(tensor.Tensor)
			c, err := newConstant(a.t, t)
			if err != nil {
				return nil, fmt.Errorf("node %q (%s), attribute %q: %w", n.where(), n.op, a.name, err)
			}
			o.attributes[a.name] = c
			continue
		}
		if !a.passed() {
			o.attributes[a.name] = a.list()
			continue
		}
		if !ok {
			return nil, bad("attributes")
		}
		o.attributes[a.name] = v
	}
	return o, nil
}

// bytes is what a tensor takes, decoded and as a constant.
func (x *fileTensor) bytes() int {
	return 12*len(x.f32) + 8*len(x.f64) + 8*len(x.i32) + 16*len(x.i64) + 8*len(x.u64) + 24*len(x.strs)
}

// list returns a list that does not go through onnx-go, as that would decode it.
func (a *fileAttr) list() any {
	switch a.typ {
	case attrFloats:
		return a.floats
	case attrInts:
		return a.ints
	case attrStrings:
		return a.strings
	}
	return struct{}{} // a list that the attribute's type does not mean
}

// newConstant builds the constant of a tensor that onnx-go decoded (t), with the shape and type of the pre-pass. t is
// nil for a tensor that does not go through onnx-go: one without elements, or with many.
func newConstant(x *fileTensor, t tensor.Tensor) (*constant, error) {
	n, err := x.count()
	if err != nil {
		return nil, err
	}
	c := &constant{typ: x.typ, shape: make([]int, len(x.dims))}
	for i, d := range x.dims {
		c.shape[i] = int(d)
	}
	var data any
	switch {
	case n > maxPassed && x.f32 != nil:
		data = x.f32
	case n > maxPassed && x.f64 != nil:
		data = x.f64
	case x.typ == typeString:
		c.text = x.strs
		c.data = make([]float64, n) // their number
		return c, nil
	case n > maxPassed:
		data = x.i64
	case t != nil:
		data = t.Data()
	}
	switch d := data.(type) {
	case nil:
	case float32:
		c.data = []float64{float64(d)}
	case []float32:
		c.data = make([]float64, len(d))
		for i, v := range d {
			c.data[i] = float64(v)
		}
	case float64:
		c.data = []float64{d}
	case []float64:
		c.data = d
	case int64:
		c.ints = []int64{d}
	case []int64:
		c.ints = d
	default:
		return nil, fmt.Errorf("onnx-go reads elements of type %T", data)
	}
	if isIntegerType(x.typ) {
		if c.data != nil {
			return nil, fmt.Errorf("onnx-go reads other elements than the file holds")
		}
		c.data = make([]float64, len(c.ints))
		for i, v := range c.ints {
			c.data[i] = float64(v)
		}
	}
	if len(c.data) != n {
		return nil, fmt.Errorf("onnx-go reads %d of %d elements", len(c.data), n)
	}
	return c, nil
}
