package onnx

import (
	"fmt"
	"strings"

	"github.com/fhe-ml/fhe-ml/models"
)

// TaskChoice overrides what the file says about its task.
type TaskChoice int

const (
	TaskAuto     TaskChoice = iota // a label output, several scores or a final sigmoid mean a classifier
	TaskClassify                   // a classifier; fails on a model with one output that is no probability
	TaskRegress                    // the outputs are numbers, without labels
)

// Options of an import. The zero value is the default.
type Options struct {
	Task TaskChoice
}

// Opset is one operator set that a file imports. The default domain is "".
type Opset struct {
	Domain  string `json:"domain"`
	Version int64  `json:"version"`
}

// Value is one input or output of the file's graph; Type is like "float[N, 4]", "sequence".
type Value struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// NodeReport says what became of one operator of the file.
type NodeReport struct {
	Name   string `json:"name"`
	Op     string `json:"op"`
	Domain string `json:"domain,omitempty"`
	// Use is how the importer used the node: "folded", "affine", "activation", "trees", "label", "scores",
	// "constant", "unused", "in the clear" (by the client, before it encrypts); "not supported", or "not reached" behind a node that is not supported.
	Use string `json:"use"`
}

// Report describes an ONNX file and what the importer made of it. Import returns it also with an error as soon as the
// file could be read, for tools that show why a model cannot be used.
type Report struct {
	Producer string       `json:"producer"` // name and version
	IR       int64        `json:"ir"`
	Opsets   []Opset      `json:"opsets"`
	Inputs   []Value      `json:"inputs"`
	Outputs  []Value      `json:"outputs"`
	Nodes    []NodeReport `json:"nodes"` // in topological order

	Kind       string   `json:"kind,omitempty"` // the words of models.Kind; "" when the import failed
	Task       string   `json:"task,omitempty"` // "classify", "regress"
	Features   int      `json:"features"`
	InTheClear []string `json:"in_the_clear,omitempty"` // what a client computes before it encrypts
	Classes    []string `json:"classes,omitempty"`
	Outs       int      `json:"raw_scores,omitempty"` // raw scores of the model
	Trees      int      `json:"trees,omitempty"`
	TreeNodes  int      `json:"tree_nodes,omitempty"`
	Leaves     int      `json:"leaves,omitempty"`
	Thresholds []int    `json:"thresholds,omitempty"` // distinct thresholds per feature
	Layers     []int    `json:"layers,omitempty"`     // units per layer, last = raw scores
	Warnings   []string `json:"warnings,omitempty"`
}

// UnsupportedError says which operator of a well-formed file cannot be imported.
type UnsupportedError struct {
	Node   string // name of the node, or "-> output" when it has none
	Op     string // operator
	Domain string // "" is ai.onnx
	Opset  int64  // version of the domain that the file imports; 0 when it does not say
	Hint   string // why, and the way out
}

// Error returns one line.
func (e *UnsupportedError) Error() string {
	d := e.Domain
	if d == "" {
		d = "ai.onnx"
	}
	s := "onnx: "
	if e.Node != "" {
		s += fmt.Sprintf("node %q: ", e.Node)
	}
	s += fmt.Sprintf("operator %s (domain %s", e.Op, d)
	if e.Opset > 0 {
		s += fmt.Sprintf(", opset %d", e.Opset)
	}
	s += ") is not supported"
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// Import reads an ONNX model. dir is the folder of the file, from where tensors stored beside it are read; with "" such
// a file is an error. The result is a *models.Linear, *models.TreeEnsemble or *models.Network. Any input is either
// imported or gives an error of one line; memory stays within a small multiple of the input's size.
func Import(data []byte, dir string) (models.Model, *Report, error) {
	return ImportWith(data, dir, Options{})
}

// ImportWith is Import with options.
func ImportWith(data []byte, dir string, opt Options) (models.Model, *Report, error) {
	m, rec, report, err := load(data, dir)
	if err != nil {
		return nil, report, err
	}
	t := newTranslator(m, rec, report, opt)
	model, err := t.run()
	if err != nil {
		return nil, report, prefixed(err)
	}
	if err := t.attach(model); err != nil {
		return nil, report, prefixed(err)
	}
	if err := model.Validate(); err != nil {
		return nil, report, prefixed(err)
	}
	report.Describe(model)
	return model, report, nil
}

// prefixed puts the package's name before an error that does not have it, and a way out behind one that names none: what
// is wrong inside a file can only be put right by whoever writes the file.
func prefixed(err error) error {
	if _, ok := err.(*UnsupportedError); ok {
		return err
	}
	for _, way := range []string{"export", "encode", "copy", "import it", "supported"} {
		if strings.Contains(err.Error(), way) {
			return fmt.Errorf("onnx: %w", err)
		}
	}
	return fmt.Errorf("onnx: %w; export the model again", err)
}

func (m *fileModel) report() *Report {
	r := &Report{Producer: m.producer, IR: m.ir, Opsets: m.opsets}
	if m.producerVersion != "" {
		r.Producer += " " + m.producerVersion
	}
	constant := map[string]bool{}
	for _, x := range m.inits {
		constant[x.name] = true
	}
	for _, v := range m.inputs {
		if !constant[v.name] {
			r.Inputs = append(r.Inputs, Value{v.name, v.describe()})
		}
	}
	for _, v := range m.outputs {
		r.Outputs = append(r.Outputs, Value{v.name, v.describe()})
	}
	for _, n := range m.nodes {
		r.Nodes = append(r.Nodes, NodeReport{Name: n.where(), Op: n.op, Domain: n.domain, Use: "not reached"})
	}
	return r
}

// Describe fills in what the imported model is: from Kind on.
func (r *Report) Describe(model models.Model) {
	info := model.Meta()
	r.Kind = models.Kind(model)
	r.Features = len(info.Features)
	if info.Pipeline != nil {
		r.InTheClear = info.Pipeline.Describe()
	}
	r.Task = info.Post.Task.String()
	r.Outs = info.Post.Outputs
	for _, c := range info.Post.Classes {
		r.Classes = append(r.Classes, c.String())
	}
	switch m := model.(type) {
	case *models.Network:
		for _, l := range m.Layers {
			r.Layers = append(r.Layers, l.Units())
		}
	case *models.TreeEnsemble:
		r.Trees = len(m.Trees)
		distinct := make([]map[float64]bool, r.Features)
		for i := range m.Trees {
			r.TreeNodes += len(m.Trees[i].Nodes)
			r.Leaves += len(m.Trees[i].Leaves)
			for _, n := range m.Trees[i].Nodes {
				if distinct[n.Feature] == nil {
					distinct[n.Feature] = map[float64]bool{}
				}
				distinct[n.Feature][n.Threshold] = true
			}
		}
		r.Thresholds = make([]int, r.Features)
		for f, d := range distinct {
			r.Thresholds[f] = len(d)
		}
	}
}

// load parses, checks and records a file, for models and programs alike. The report is nil where there is no whole file.
func load(data []byte, dir string) (*fileModel, *recorded, *Report, error) {
	if len(data) == 0 {
		return nil, nil, nil, fmt.Errorf("onnx: the file is empty; export the model again")
	}
	m, err := parseModel(data)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("onnx: not a whole ONNX file: %w; copy it or export the model again", err)
	}
	report := m.report()
	if err := m.check(dir); err != nil {
		return nil, nil, report, prefixed(err)
	}
	report = m.report() // the nodes are sorted now
	rec, err := m.record()
	if err != nil {
		return nil, nil, report, prefixed(err)
	}
	return m, rec, report, nil
}
