package onnx

import (
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Bounds of the pre-pass. Real models of the supported kinds stay far below them; they keep a hostile
// file from allocating more than a small multiple of its own size.
const (
	maxNodes    = 1 << 16
	maxFeatures = 1 << 16 // columns of one value of the graph
	maxRank     = 8
)

// fileModel is what the pre-pass reads of a ModelProto (field numbers: onnx.proto of the ONNX project).
type fileModel struct {
	ir              int64
	producer        string
	producerVersion string
	opsets          []Opset
	metadata        map[string]string
	functions       map[string]bool // "domain\x00name"

	graphs  int
	nodes   []*fileNode
	inits   []*fileTensor
	inputs  []fileValue
	outputs []fileValue
	sparse  bool

	size    int // bytes of the file
	strings int // strings read so far
	short   map[string]string
}

type fileNode struct {
	index           int
	name, op        string
	domain          string
	inputs, outputs []string
	attrs           []*fileAttr
}

// where names the node in a message: its name, or its output when the producer gave it none.
func (n *fileNode) where() string {
	if n.name != "" {
		return n.name
	}
	if len(n.outputs) > 0 && n.outputs[0] != "" {
		return "-> " + n.outputs[0]
	}
	return fmt.Sprintf("#%d", n.index)
}

// Attribute types of AttributeProto.
const (
	attrFloat   = 1
	attrInt     = 2
	attrString  = 3
	attrTensor  = 4
	attrGraph   = 5
	attrFloats  = 6
	attrInts    = 7
	attrStrings = 8
	attrTensors = 9
	attrGraphs  = 10
)

type fileAttr struct {
	name    string
	typ     int
	ref     bool
	f       float32
	i       int64
	s       []byte
	t       *fileTensor
	floats  []float32
	ints    []int64
	strings []string
	graph   bool // holds a graph: control flow
	other   bool // holds a sparse tensor or a type
}

type fileValue struct {
	name string
	kind string // "tensor", "sequence", "map", "sparse", "optional" or ""
	elem int
	dims []fileDim
	rank bool // a shape is present
}

type fileDim struct {
	known bool
	size  int64
	param string
}

// fields calls fn for every field of the message b. val holds the bytes of a length-delimited field, num the
// value of the others.
func fields(b []byte, fn func(f protowire.Number, t protowire.Type, num uint64, val []byte) error) error {
	for len(b) > 0 {
		f, t, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errTruncated
		}
		b = b[n:]
		var num uint64
		var val []byte
		switch t {
		case protowire.VarintType:
			num, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			num = uint64(v)
		case protowire.Fixed64Type:
			num, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			val, n = protowire.ConsumeBytes(b)
		default:
			return errTruncated // groups do not occur in onnx.proto
		}
		if n < 0 {
			return errTruncated
		}
		b = b[n:]
		if err := fn(f, t, num, val); err != nil {
			return err
		}
	}
	return nil
}

var errTruncated = fmt.Errorf("the protobuf encoding is truncated or corrupt")

// text checks a string field; onnx-go's decoder refuses strings that are not UTF-8.
func text(val []byte) (string, error) {
	if !utf8.Valid(val) {
		return "", fmt.Errorf("a name is not UTF-8 text")
	}
	return string(val), nil
}

func parseModel(b []byte) (*fileModel, error) {
	m := &fileModel{size: len(b), metadata: map[string]string{}, functions: map[string]bool{}}
	err := fields(b, func(f protowire.Number, t protowire.Type, num uint64, val []byte) (err error) {
		bytes := t == protowire.BytesType
		switch {
		case f == 1 && t == protowire.VarintType:
			m.ir = int64(num)
		case f == 2 && bytes:
			m.producer, err = text(val)
		case f == 3 && bytes:
			m.producerVersion, err = text(val)
		case f == 7 && bytes:
			if m.graphs++; m.graphs > 1 {
				return fmt.Errorf("the file holds two graphs")
			}
			err = m.parseGraph(val)
		case f == 8 && bytes:
			err = m.parseOpset(val)
		case f == 14 && bytes:
			var k, v string
			if k, v, err = parseEntry(val); err == nil && len(m.metadata) < 1024 {
				m.metadata[k] = v
			}
		case f == 25 && bytes:
			err = m.parseFunction(val)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if m.graphs == 0 {
		return nil, fmt.Errorf("it holds no graph")
	}
	return m, nil
}

// parseOpset merges a domain listed twice by its highest version, as onnxmltools' files need it.
func (m *fileModel) parseOpset(b []byte) error {
	var o Opset
	err := fields(b, func(f protowire.Number, t protowire.Type, num uint64, val []byte) (err error) {
		switch {
		case f == 1 && t == protowire.BytesType:
			o.Domain, err = text(val)
		case f == 2 && t == protowire.VarintType:
			o.Version = int64(num)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("opset_import: %w", err)
	}
	o.Domain = cleanDomain(o.Domain)
	for i := range m.opsets {
		if m.opsets[i].Domain == o.Domain {
			m.opsets[i].Version = max(m.opsets[i].Version, o.Version)
			return nil
		}
	}
	if len(m.opsets) >= 256 {
		return fmt.Errorf("opset_import: more than 256 domains")
	}
	m.opsets = append(m.opsets, o)
	return nil
}

// cleanDomain maps the default domain's second name to its first.
func cleanDomain(d string) string {
	if d == "ai.onnx" {
		return ""
	}
	return d
}

func (m *fileModel) opset(domain string) int64 {
	for _, o := range m.opsets {
		if o.Domain == domain {
			return o.Version
		}
	}
	return 0
}

func parseEntry(b []byte) (k, v string, err error) {
	err = fields(b, func(f protowire.Number, t protowire.Type, num uint64, val []byte) (err error) {
		switch {
		case f == 1 && t == protowire.BytesType:
			k, err = text(val)
		case f == 2 && t == protowire.BytesType:
			v = string(val)
		}
		return err
	})
	return k, v, err
}

func (m *fileModel) parseFunction(b []byte) error {
	var name, domain string
	err := fields(b, func(f protowire.Number, t protowire.Type, num uint64, val []byte) (err error) {
		switch {
		case f == 1 && t == protowire.BytesType:
			name, err = text(val)
		case f == 10 && t == protowire.BytesType:
			domain, err = text(val)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("functions: %w", err)
	}
	if len(m.functions) >= 4096 {
		return fmt.Errorf("functions: more than 4096")
	}
	m.functions[cleanDomain(domain)+"\x00"+name] = true
	return nil
}

func (m *fileModel) parseGraph(b []byte) error {
	return fields(b, func(f protowire.Number, t protowire.Type, num uint64, val []byte) error {
		if t != protowire.BytesType {
			return nil
		}
		switch f {
		case 1:
			if err := m.atMost(len(m.nodes), maxNodes, "nodes"); err != nil {
				return err
			}
			n := &fileNode{index: len(m.nodes)}
			m.nodes = append(m.nodes, n)
			if err := m.parseNode(n, val); err != nil {
				return fmt.Errorf("node %q: %w", n.where(), err)
			}
			if n.op == "" {
				return fmt.Errorf("node %q has no operator", n.where())
			}
		case 5:
			x := &fileTensor{}
			if err := m.parseTensor(x, val); err != nil {
				return fmt.Errorf("initializer %q: %w", x.name, err)
			}
			if err := m.atMost(len(m.inits), maxNodes, "initializers"); err != nil {
				return err
			}
			m.inits = append(m.inits, x)
		case 15:
			m.sparse = true
		case 11, 12:
			v, err := parseValue(val)
			if err != nil {
				return fmt.Errorf("input or output %q: %w", v.name, err)
			}
			list := &m.inputs
			if f == 12 {
				list = &m.outputs
			}
			if err := m.atMost(len(*list), maxFeatures, "inputs or outputs"); err != nil {
				return err
			}
			*list = append(*list, v)
		}
		return nil
	})
}

// count charges one string to the file's allowance: its header costs more memory than its bytes. Every string
// of a real file takes at least 6 bytes ("LEAF" with its tag and length).
func (m *fileModel) count() error {
	if m.strings++; m.strings > 1<<16+m.size/6 {
		return fmt.Errorf("more strings than a model needs")
	}
	return nil
}

// atMost refuses the n-th of some parts of a graph, each of which costs about 2 kilobytes until it is imported. In a real file one takes 60 bytes and more.
func (m *fileModel) atMost(n, limit int, what string) error {
	if n = n + 1; n > limit || n > 1<<13+m.size/100 {
		return fmt.Errorf("the graph has more than %d %s, too many for a file of %d bytes", n-1, what, m.size)
	}
	return nil
}

// shared returns a string; short ones that occur again share their memory.
func (m *fileModel) shared(val []byte) string {
	const longest, most = 16, 1024
	if len(val) > longest {
		return string(val)
	}
	if s, ok := m.short[string(val)]; ok {
		return s
	}
	s := string(val)
	if m.short == nil {
		m.short = map[string]string{}
	}
	if len(m.short) < most {
		m.short[s] = s
	}
	return s
}

func (m *fileModel) parseNode(n *fileNode, b []byte) error {
	return fields(b, func(f protowire.Number, t protowire.Type, num uint64, val []byte) error {
		if t != protowire.BytesType {
			return nil
		}
		var err error
		switch f {
		case 1, 2:
			if err = m.count(); err != nil {
				return err
			}
			var s string
			if s, err = text(val); err != nil {
				return err
			}
			if f == 1 {
				n.inputs = append(n.inputs, s)
			} else {
				n.outputs = append(n.outputs, s)
			}
		case 3:
			n.name, err = text(val)
		case 4:
			n.op, err = text(val)
		case 5:
			if m.strings += 2; m.count() != nil { // as three strings: it is as large, and takes 18 bytes and more
				return fmt.Errorf("more attributes than a model needs")
			}
			a := &fileAttr{}
			if err = m.parseAttr(a, val); err != nil {
				return fmt.Errorf("attribute %q: %w", a.name, err)
			}
			for _, o := range n.attrs {
				if o.name == a.name {
					return fmt.Errorf("attribute %q occurs twice", a.name)
				}
			}
			if len(n.attrs) >= 256 {
				return fmt.Errorf("more than 256 attributes")
			}
			n.attrs = append(n.attrs, a)
		case 7:
			n.domain, err = text(val)
			n.domain = cleanDomain(n.domain)
		}
		return err
	})
}

func (m *fileModel) parseAttr(a *fileAttr, b []byte) error {
	err := fields(b, func(f protowire.Number, t protowire.Type, num uint64, val []byte) (err error) {
		switch f {
		case 1:
			a.name, err = text(val)
		case 20:
			a.typ = int(num)
		case 21:
			a.ref = true
		case 2:
			a.f = math.Float32frombits(uint32(num))
		case 3:
			a.i = int64(num)
		case 4:
			a.s = val
		case 5:
			a.t = &fileTensor{}
			err = m.parseTensor(a.t, val)
		case 7:
			a.floats, err = appendFloats(a.floats, t, num, val)
		case 8:
			if t == protowire.VarintType {
				a.ints = unpacked(a.ints, b, f)
			}
			a.ints, err = appendVarints(a.ints, t, num, val)
		case 9:
			if err = m.count(); err == nil {
				a.strings = append(unpacked(a.strings, b, f), m.shared(val))
			}
		case 6, 11:
			a.graph = true
		case 10, 14, 15, 22, 23:
			a.other = true
		}
		return err
	})
	if err != nil {
		return err
	}
	if a.name == "" {
		return fmt.Errorf("it has no name")
	}
	if a.typ == 0 { // IR version 1 did not write the type
		switch {
		case a.floats != nil:
			a.typ = attrFloats
		case a.ints != nil:
			a.typ = attrInts
		case a.strings != nil:
			a.typ = attrStrings
		case a.t != nil:
			a.typ = attrTensor
		case a.s != nil:
			a.typ = attrString
		case a.i != 0:
			a.typ = attrInt
		default:
			a.typ = attrFloat
		}
	}
	if a.typ == attrTensor && a.t == nil {
		return fmt.Errorf("the tensor is missing")
	}
	return nil
}
