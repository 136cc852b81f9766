package onnx

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
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

// handler evaluates one operator. It returns one value per output that it can compute (missing ones are nil).
type handler func(t *translator, o *operation, in []value) ([]value, error)

// handlers lists the supported operators.
func handlers() map[opKey]handler {
	table := map[opKey]handler{
		{"", "Constant"}:           constantOp,
		{"", "Identity"}:           identity,
		{"", "Dropout"}:            identity,
		{"", "Cast"}:               cast,
		{"", "Transpose"}:          transpose,
		{"", "Reshape"}:            reshape,
		{"", "Flatten"}:            flatten,
		{"", "Squeeze"}:            squeeze,
		{"", "Unsqueeze"}:          unsqueeze,
		{"", "Shape"}:              shapeOp,
		{"", "Gather"}:             gather,
		{"", "Slice"}:              slice,
		{"", "Concat"}:             concat,
		{"", "Add"}:                arithmetic,
		{"", "Sub"}:                arithmetic,
		{"", "Mul"}:                arithmetic,
		{"", "Div"}:                arithmetic,
		{"", "Sum"}:                sum,
		{"", "Neg"}:                negate,
		{"", "Reciprocal"}:         reciprocal,
		{"", "ReduceSum"}:          reduce,
		{"", "ReduceMean"}:         reduce,
		{"", "ReduceProd"}:         reduce,
		{"", "ReduceLogSumExp"}:    reduce,
		{"", "ConstantOfShape"}:    constantOfShape,
		{"", "Pow"}:                pow,
		{"", "Log"}:                unary,
		{"", "Sqrt"}:               unary,
		{"", "Less"}:               compare,
		{"", "LessOrEqual"}:        compare,
		{"", "Greater"}:            compare,
		{"", "GreaterOrEqual"}:     compare,
		{"", "Equal"}:              compare,
		{"", "Where"}:              where,
		{"", "MatMul"}:             matmulOp,
		{"", "Gemm"}:               gemm,
		{"", "BatchNormalization"}: batchNormalization,
		{"", "Abs"}:                unary,
		{"", "Not"}:                not,
		{"", "LpNormalization"}:    lpNormalization,
		{"", "Relu"}:               activation,
		{"", "Sigmoid"}:            activation,
		{"", "Tanh"}:               activation,
		{"", "Exp"}:                unary,
		{"", "Clip"}:               clipColumns,
		{"", "Softmax"}:            softmax,
		{"", "LogSoftmax"}:         softmax,
		{"", "ArgMax"}:             argMax,
		{"", "Conv"}:               conv,
		{"", "AveragePool"}:        averagePool,
		{"", "GlobalAveragePool"}:  globalAveragePool,
		{"", "MaxPool"}:            maxPool,
		{"", "Pad"}:                pad,
		{"", "PRelu"}:              prelu,
		{"", "Max"}:                extreme,
		{"", "Min"}:                extreme,

		{domainML, "Scaler"}:                 scaler,
		{domainML, "Normalizer"}:             normalizer,
		{domainML, "LinearRegressor"}:        linearRegressor,
		{domainML, "LinearClassifier"}:       linearClassifier,
		{domainML, "TreeEnsembleRegressor"}:  treeRegressor,
		{domainML, "TreeEnsembleClassifier"}: treeClassifier,
		{domainML, "ArrayFeatureExtractor"}:  arrayFeatureExtractor,
		{domainML, "LabelEncoder"}:           labelEncoder,
		{domainML, "SVMRegressor"}:           svmRegressor,
		{domainML, "SVMClassifier"}:          svmClassifier,
		{domainML, "TreeEnsemble"}:           treeEnsemble5,
		{domainML, "ZipMap"}:                 zipMap,
		{domainML, "Imputer"}:                imputer,
		{domainML, "Binarizer"}:              binarizer,
		{domainML, "OneHotEncoder"}:          oneHotEncoder,
		{domainML, "FeatureVectorizer"}:      featureVectorizer,
	}
	for name, h := range activationHandlers() {
		table[opKey{"", name}] = h
	}
	return table
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
	used := t.reachable()
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

// hintFor names the way out for operators that users meet.
func hintFor(o *operation) string {
	switch o.op {
	case "Scan", "Loop", "If", "TopK":
		return "models with control flow, such as nearest neighbours, cannot be evaluated on encrypted data"
	case "GlobalMaxPool":
		return "the maximum of encrypted values is not supported; train the model with average pooling (GlobalAveragePool) and export it again"
	case "ConvTranspose", "LayerNormalization", "InstanceNormalization", "GroupNormalization", "LRN":
		return "supported in networks are Conv, AveragePool, GlobalAveragePool, BatchNormalization, Gemm, MatMul and activations; train the model with these and export it again"
	case "LSTM", "GRU", "RNN":
		return "recurrent layers cannot be imported; train a feed-forward network and export that"
	case "DictVectorizer", "StringNormalizer", "Tokenizer", "TfIdfVectorizer", "CategoryMapper", "CastMap":
		return "apply this preprocessing before the model and export the rest"
	}
	return "supported are linear and additive models, trees and their ensembles, dense and convolutional networks; export the model without this operator, or another one"
}

// markRest reports, behind a failure at node i, which operators exist.
func (t *translator) markRest(i int, table map[opKey]handler) {
	for k := i; k < len(t.rec.ops); k++ {
		o := t.rec.ops[k]
		if _, ok := table[opKey{o.domain, o.op}]; !ok {
			t.report.Nodes[k].Use = "not supported"
		}
	}
}

// use says in one word what became of a node.
func use(o *operation, out []value) string {
	switch o.op {
	case "TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble":
		return "trees"
	case "LinearClassifier", "LinearRegressor", "SVMClassifier", "SVMRegressor", "MatMul", "Gemm", "Conv", "AveragePool", "GlobalAveragePool":
		if _, ok := out[0].(*constant); !ok {
			return "affine"
		}
	case "Relu", "Tanh", "Sigmoid", "Exp":
		if _, ok := out[0].(*vector); ok {
			return "activation"
		}
	case "Softmax", "LogSoftmax", "Normalizer", "LpNormalization", "ZipMap":
		return "scores"
	}
	switch v := out[0].(type) {
	case *constant:
		return "constant"
	case *labels:
		return "label"
	case *vector:
		if v.base.kind == basisFunction && v.base.node == o {
			return "activation"
		}
		if v.base.kind != basisFeatures {
			return "folded"
		}
		return "affine"
	}
	return "folded"
}

// reachable marks the nodes that an output depends on.
func (t *translator) reachable() []bool {
	used := make([]bool, len(t.rec.ops))
	need := map[string]bool{}
	for _, v := range t.file.outputs {
		need[v.name] = true
	}
	for i := len(t.rec.ops) - 1; i >= 0; i-- {
		for _, o := range t.rec.ops[i].outputs {
			used[i] = used[i] || o != "" && need[o]
		}
		if used[i] {
			for _, in := range t.rec.ops[i].inputs {
				need[in] = true
			}
		}
	}
	return used
}

// inputs makes the feature vector of the graph inputs: their columns one after the other, in the file's order.
func (t *translator) inputs() error {
	base := &basis{kind: basisFeatures}
	t.clear.base = base
	var ins []fileValue
	for _, v := range t.file.inputs {
		if t.rec.constants[v.name] == nil {
			ins = append(ins, v)
		}
	}
	if len(ins) == 0 {
		return fmt.Errorf("the graph has no input")
	}
	var vecs []*vector
	for _, v := range ins {
		switch {
		case v.kind != "tensor":
			return fmt.Errorf("input %q is a %s, not a tensor", v.name, v.describe())
		case v.elem != typeFloat && v.elem != typeDouble && v.elem != typeString && !isIntegerType(v.elem):
			return fmt.Errorf("input %q holds %s, which is not supported", v.name, typeName(v.elem))
		}
		if v.elem == typeFloat {
			t.single = true
		}
		x := &vector{base: base, integer: isIntegerType(v.elem)}
		known := v.rank
		n := 1
		for i, d := range v.dims {
			if i == 0 {
				continue // rows
			}
			if !d.known {
				known = false
				continue
			}
			if d.size <= 0 || d.size > int64(maxFeatures/n) {
				return fmt.Errorf("input %q is declared as %s; a row must have 1 to %d numbers", v.name, v.describe(), maxFeatures)
			}
			n *= int(d.size)
			x.shape = append(x.shape, int(d.size))
		}
		if !known {
			if len(ins) > 1 {
				return fmt.Errorf("input %q is declared as %s: the number of its columns is missing", v.name, v.describe())
			}
			x.open, x.shape = true, nil
			t.openKind = v.elem
			n = 0
		}
		if base.n+n > maxFeatures {
			return fmt.Errorf("the inputs have more than %d columns", maxFeatures)
		}
		for i := range n {
			x.cols = append(x.cols, column{idx: []int32{int32(base.n + i)}, w: []float64{1}})
			t.kinds = append(t.kinds, v.elem)
		}
		if len(ins) > 1 && n == 1 {
			t.names = append(t.names, v.name)
		} else {
			for i := range n {
				t.names = append(t.names, fmt.Sprintf("%s%d", v.name, i))
			}
		}
		t.named = len(ins) > 1 && base.n+n == len(vecs)+1
		base.n += n
		vecs = append(vecs, x)
		t.values[v.name] = x
	}
	t.input = vecs[0]
	return nil
}

// widen gives an input whose number of columns the file leaves open the n columns that its first use needs.
func (t *translator) widen(v *vector, n int) error {
	if !v.open {
		return nil
	}
	if n < 1 || n > maxFeatures {
		return malformed("%d columns, want 1 to %d", n, maxFeatures)
	}
	v.open = false
	v.base.n = n
	for range n {
		t.kinds = append(t.kinds, t.openKind)
	}
	full := newVector(v.base)
	v.cols, v.shape = full.cols, full.shape
	return nil
}

// features returns the names of the features.
func (t *translator) features() ([]string, error) {
	if t.input.open {
		return nil, fmt.Errorf("the file does not say how many columns the input has; export it with a fixed number of features")
	}
	n := len(t.kinds) // columns of a row; steps add features
	more := func(names []string) []string {
		names = slices.Clone(names)
		for _, s := range t.clear.slots[min(n, len(t.clear.slots)):] {
			name := s.name
			if s.origin >= 0 && strings.HasPrefix(name, t.clear.slots[s.origin].name) {
				name = names[s.origin] + name[len(t.clear.slots[s.origin].name):]
			}
			names = append(names, name)
		}
		return names
	}
	if names := metadataNames(t.file.metadata, n); names != nil {
		t.named = true
		return more(names), nil
	}
	if !t.named {
		t.names = make([]string, n)
		for i := range t.names {
			t.names[i] = "x" + strconv.Itoa(i)
		}
	}
	return more(t.names), nil
}

// metadataNames reads the columns' names from metadata_props "feature_names", a JSON list or a comma-separated one;
// nil when there are none that fit.
func metadataNames(meta map[string]string, n int) []string {
	s, ok := meta["feature_names"]
	if !ok {
		return nil
	}
	var names []string
	if json.Unmarshal([]byte(s), &names) != nil {
		names = strings.Split(s, ",")
	}
	seen := map[string]bool{}
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
		if names[i] == "" || seen[names[i]] {
			return nil
		}
		seen[names[i]] = true
	}
	if len(names) != n {
		return nil
	}
	return names
}

// Typed access to attributes. A wrong type counts as absent where there is a default: onnx-go has checked the encoding,
// and operators validate what they need.

func (o *operation) int(name string, def int64) int64 {
	if v, ok := o.attributes[name].(int64); ok {
		return v
	}
	return def
}

func (o *operation) float(name string, def float64) float64 {
	if v, ok := o.attributes[name].(float32); ok {
		return float64(v)
	}
	return def
}

func (o *operation) string(name, def string) string {
	if v, ok := o.attributes[name].(string); ok && v != "" {
		return v
	}
	return def
}

func (o *operation) ints(name string) []int64 {
	v, _ := o.attributes[name].([]int64)
	return v
}

func (o *operation) texts(name string) []string {
	v, _ := o.attributes[name].([]string)
	return v
}

// floats returns a list of numbers, from the attribute of that name or from its double form NAME_as_tensor.
func (o *operation) floats(name string) []float64 {
	if c, ok := o.attributes[name+"_as_tensor"].(*constant); ok && len(c.data) > 0 {
		return c.data
	}
	v, _ := o.attributes[name].([]float32)
	if v == nil {
		return nil
	}
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// finite checks a list of weights.
func finite(what string, vs []float64) error {
	for i, v := range vs {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return malformed("%s %d is %v, not a finite number", what, i, v)
		}
	}
	return nil
}

// operands of fixed number; absent trailing ones are nil.
func arity(in []value, least, most int) ([]value, error) {
	if len(in) < least || len(in) > most {
		return nil, malformed("%d inputs, want %d to %d", len(in), least, most)
	}
	for i := range least {
		if in[i] == nil {
			return nil, malformed("input %d is missing", i)
		}
	}
	out := make([]value, most)
	copy(out, in)
	return out, nil
}

// computed is the one operand of an operator that takes computed numbers.
func computed(in []value) (*vector, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	v, ok := in[0].(*vector)
	if !ok {
		return nil, fmt.Errorf("computed numbers")
	}
	return v, nil
}

func one(v value) []value { return []value{v} }
