package onnx

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// value is a *constant, a *vector, a *labels or nil (an optional input that is absent).
type value any

// labels is a value that holds one class label per row: classes[argmax of scores], the first maximum winning.
type labels struct {
	scores  *vector
	classes []quantize.Label
	votes   bool // scores are decisions between pairs of classes, which vote (quantize.LinkOneVsOne)
}

// translator evaluates the recorded graph symbolically.
type translator struct {
	budget
	file   *fileModel
	rec    *recorded
	report *Report
	opt    Options

	values     map[string]value
	names      []string // feature names, in the order of the inputs
	named      bool
	single     bool // features are rounded to float32
	input      *vector
	joining    bool              // common joins branches of different layers
	regress    bool              // the core operator is a regressor
	missing    bool              // the producer's trees handle missing values
	kinds      []int             // element types of the columns of a row
	openKind   int               // element type of an input whose number of columns the file does not say
	done       map[int]bool      // operators whose outputs an earlier one has given values
	table      map[opKey]handler // of simulate
	warnedSums bool              // that sums of columns before trees are computed in the clear
	clear      clear             // what the client computes before it encrypts
}

func newTranslator(m *fileModel, rec *recorded, report *Report, opt Options) *translator {
	t := &translator{file: m, rec: rec, report: report, opt: opt, values: map[string]value{}, done: map[int]bool{}}
	// Real models keep no more coefficients than their file holds; the allowance is for small ones.
	t.budget = budget{weights: max(0, 40<<20+18*m.size-rec.bytes) / weightBytes, work: 1<<28 + 64*m.size}
	return t
}

// run evaluates the graph and builds the model of its outputs.
func (t *translator) run() (models.Model, error) {
	for name, c := range t.rec.constants {
		t.values[name] = c
	}
	if err := t.inputs(); err != nil {
		return nil, err
	}
	table := handlers()
	used := reachable(t.rec.ops, t.file.outputs)
	// An operator that does not exist here explains a failure better than what it does to its neighbours.
	for i, o := range t.rec.ops {
		if _, ok := table[opKey{o.domain, o.op}]; used[i] && !ok {
			t.markRest(0, table)
			return nil, t.unsupported(o, hintFor(o))
		}
	}
	for i, o := range t.rec.ops {
		line := &t.report.Nodes[i]
		if !used[i] {
			line.Use = "unused"
			continue
		}
		if t.done[i] {
			line.Use = "scores"
			continue
		}
		h := table[opKey{o.domain, o.op}]
		in := make([]value, len(o.inputs))
		for k, name := range o.inputs {
			if name != "" {
				in[k] = t.values[name]
			}
		}
		steps := len(t.clear.steps)
		out, err := t.handle(h, o, in)
		if err != nil {
			t.markRest(i, table)
			line.Use = "not supported"
			var u *UnsupportedError
			var bad malformedError
			switch {
			case errors.As(err, &u):
				return nil, err
			case errors.As(err, &bad), errors.Is(err, errBudget):
				return nil, fmt.Errorf("node %q (%s): %w", o.where(), o.op, err)
			}
			return nil, t.unsupported(o, needs(err))
		}
		for k, name := range o.outputs {
			if name == "" || k >= len(out) {
				continue
			}
			if err := t.account(out[k], in); err != nil {
				return nil, fmt.Errorf("node %q (%s): %w", o.where(), o.op, err)
			}
			t.values[name] = out[k]
		}
		if line.Use = use(o, out); len(t.clear.steps) > steps {
			line.Use = "in the clear"
		}
	}
	return t.finish()
}

// needs says what an operator lacks, with a way out.
func needs(err error) string {
	s := "here it needs " + err.Error()
	for _, way := range []string{"train", "export"} {
		if strings.Contains(s, way) {
			return s
		}
	}
	return s + "; export the model without it, or another model"
}

// handle runs an operator. Values with an axis before the rows, which ensembles of ensembles stack up, are only summed.
func (t *translator) handle(h handler, o *operation, in []value) ([]value, error) {
	if err := t.afford(in); err != nil {
		return nil, err
	}
	for _, v := range in {
		if v, ok := v.(*vector); ok && v.lead > 0 {
			switch o.op {
			case "Concat", "ReduceMean", "ReduceSum", "Identity", "Cast", "Transpose":
			default:
				return nil, fmt.Errorf("rows in the first axis")
			}
		}
	}
	return h(t, o, in)
}

// elementBytes is what an element of a constant takes while an operator makes it: a number, an integer or text, a position.
const elementBytes = 24

// afford refuses an operator on constants alone whose result would not fit the budget, before it is computed.
func (t *translator) afford(in []value) error {
	n := 0
	for _, v := range in {
		switch v := v.(type) {
		case *vector, *labels:
			return nil
		case *constant:
			n += len(v.data)
		}
	}
	if n*elementBytes/weightBytes > t.weights {
		return errBudget
	}
	return nil
}

// account charges a result to the budget, but not a constant that is one of the inputs in another shape.
func (t *translator) account(v value, in []value) error {
	switch v := v.(type) {
	case *constant:
		if len(v.data) > t.maxConstant() {
			return errBudget
		}
		for _, x := range in {
			if c, ok := x.(*constant); ok && len(c.data) > 0 && len(v.data) > 0 && &c.data[0] == &v.data[0] {
				return t.spend(0, len(v.data))
			}
		}
		return t.spend(elementBytes*len(v.data)/weightBytes, len(v.data))
	case *vector:
		n := columnWeights * len(v.cols)
		if v.base.fns != nil {
			n += 2 * v.base.n
		}
		return t.spend(n, len(v.cols))
	}
	return nil
}

// maxConstant bounds the elements of a folded constant.
func (t *translator) maxConstant() int { return 1<<18 + t.file.size }

// malformedError is an operator whose attributes contradict each other or its inputs, as opposed to one that is not
// supported.
type malformedError string

func (e malformedError) Error() string { return string(e) }

// malformed builds an error about the content of a node.
func malformed(format string, args ...any) error { return malformedError(fmt.Sprintf(format, args...)) }

func (t *translator) unsupported(o *operation, hint string) error {
	return t.file.unsupported(o.fileNode, hint)
}
