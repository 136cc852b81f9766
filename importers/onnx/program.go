package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/importers/numpy"
	"github.com/fhe-ml/fhe-ml/models"
)

// A graph that is no model of package models can be compiled as a program over integers (models.Program), node by node on a numpy.Builder. Arrays of ONNX keep
// their types here: integers are exact, and what would wrap around in their type is refused. Floating point follows numpy.Builder's rule (one table of one
// encrypted integer) with the rounding of its type after every operator, -0 counting as 0; arrays of float and double whose values are all whole numbers count as
// integers, as long as the type holds every whole number up to their bounds, so that PyTorch's exports in float32 need no casts.

// ParameterType is an input of a graph, as ImportProgram needs to know it.
type ParameterType struct {
	Name string
	Type string // of the elements: "float", "uint8", ...
	// Shape is that of one row: the axes, but not a first one that the file leaves open or gives length 1. nil when another axis is open.
	Shape []int
	// Batch says that the shape lacks such a first axis.
	Batch bool
	// Bool says that the bounds are known.
	Bool bool
}

// ProgramParameters returns the inputs of the graph in an ONNX file, for the descriptions that ImportProgram takes.
func ProgramParameters(data []byte) ([]ParameterType, error) {
	m, err := parseModel(data)
	if err != nil {
		return nil, fmt.Errorf("onnx: not a whole ONNX file: %w; copy it or export the model again", err)
	}
	return m.parameters(), nil
}

func (m *fileModel) parameters() []ParameterType {
	constant := map[string]bool{}
	for _, x := range m.inits {
		constant[x.name] = true
	}
	var out []ParameterType
	for _, v := range m.inputs {
		if constant[v.name] {
			continue
		}
		p := ParameterType{Name: v.name, Type: typeName(v.elem), Shape: []int{}, Bool: v.elem == typeBool}
		if v.kind != "tensor" || !v.rank {
			p.Shape = nil
		}
		n := int64(1)
		for i, d := range v.dims {
			switch {
			case i == 0 && (!d.known || d.size == 1):
				p.Batch = true
			case !d.known || d.size < 1 || d.size > maxFeatures/n:
				p.Shape = nil
			case p.Shape != nil:
				n *= d.size
				p.Shape = append(p.Shape, int(d.size))
			}
		}
		out = append(out, p)
	}
	return out
}

// ImportProgram reads an ONNX graph as a program over integers. Inputs describe the graph's inputs by name, in any order: the bounds of their integers, and
// the shape of one row where the file leaves axes open; a first axis of the rows may be left out. Inputs of bool may be left out altogether. dir is the
// folder of the file, as for Import. The operators are those of ProgramOperators. Errors about an operator are UnsupportedErrors.
func ImportProgram(data []byte, dir string, inputs []numpy.Input) (*models.Program, *Report, error) {
	m, report, err := importProgram(data, dir, inputs, maxProgramWork+64*len(data))
	var u *UnsupportedError
	if !errors.As(err, &u) {
		return m, report, err
	}
	other, modelReport, e := Import(data, dir)
	switch {
	case e == nil:
		err = fmt.Errorf("%w; the file holds a model (%s), which needs no description of its inputs: leave that out", err, models.Kind(other))
	case u.Domain == domainML: // a trained model, refused for a reason
		report, err = modelReport, e
	}
	return nil, report, err
}

// Locate returns the error of compiling a program of ImportProgram with the node of the file that it is about: a [compiler.LowerError] whose origin is known.
// Others are returned as they are.
func (r *Report) Locate(err error) error {
	var lower *compiler.LowerError
	if !errors.As(err, &lower) || lower.Origin < 1 || lower.Origin > len(r.Nodes) {
		return err
	}
	n := r.Nodes[lower.Origin-1]
	way := ""
	if lower.Lowering == compiler.LowerAuto {
		way = "; inputs of fewer bits, or smaller weights, make it narrower, and so does a BitShift or an integer Div before it"
	}
	return &nodeError{fmt.Sprintf("onnx: node %q (%s): %s%s", n.Name, n.Op, lower.Detail(), way), err}
}

// nodeError is an error at a node.
type nodeError struct {
	text string
	err  error
}

func (e *nodeError) Error() string { return e.text }
func (e *nodeError) Unwrap() error { return e.err }

// maxProgramWork bounds the elements that a program may touch, beside a multiple of its file's size.
const maxProgramWork = 1 << 26

func importProgram(data []byte, dir string, inputs []numpy.Input, work int) (*models.Program, *Report, error) {
	m, rec, report, err := load(data, dir)
	if err != nil {
		return nil, report, err
	}
	p := &program{b: numpy.NewBuilder(), file: m, rec: rec, report: report, values: map[string]*array{}}
	p.b.Limit(work)
	model, err := p.run(inputs)
	if err != nil {
		var u *UnsupportedError
		if !errors.As(err, &u) {
			err = fmt.Errorf("onnx: %w", err)
		}
		return nil, report, err
	}
	report.Describe(model)
	return model, report, nil
}

// Suggest returns how the inputs of a graph that Import refuses could be described for ImportProgram, such as "x: uint7[30]"; nil when the graph cannot be
// compiled as a program, not even for inputs of 0 and 1, or when the file leaves shapes open.
func Suggest(data []byte, dir string) []string {
	params, err := ProgramParameters(data)
	if err != nil {
		return nil
	}
	var inputs []numpy.Input
	var out []string
	for _, p := range params {
		if p.Shape == nil || strings.ContainsAny(p.Name, " \t[]") {
			return nil
		}
		inputs = append(inputs, numpy.Input{Name: p.Name, Shape: p.Shape, Hi: 1})
		text := p.Name + ": uint7"
		if p.Bool {
			text = p.Name + ": uint1"
		}
		if len(p.Shape) > 0 {
			text += strings.ReplaceAll(fmt.Sprint(p.Shape), " ", ", ")
		}
		out = append(out, text)
	}
	if len(out) == 0 {
		return nil
	}
	if _, _, err := importProgram(data, dir, inputs, 1<<20); err != nil {
		return nil
	}
	return out
}

// array is a value of the graph: numbers, and their type in ONNX. Of arrays of float and double whose values are all whole numbers v holds integers.
type array struct {
	v     *numpy.Value // nil without elements
	typ   int
	shape []int
}

func (a *array) encrypted() bool { return a.v != nil && a.v.Encrypted() }

// ints returns the value where it is integers (or bools), else nil.
func (a *array) ints() *numpy.Value {
	if a.v == nil || a.v.Floating() {
		return nil
	}
	return a.v
}

// program translates one graph.
type program struct {
	b      *numpy.Builder
	file   *fileModel
	rec    *recorded
	report *Report
	values map[string]*array
}

// programOp translates one operator. It ends with a refusal where it cannot.
type programOp func(p *program, o *operation, in []*array) []*array

// refusal is what an operator's translation ends with: a panic, until it becomes an error of the node.
type refusal struct{ reason string }

// refuse ends the translation of an operator. The reason completes "is not supported: here ", and names the way out.
func refuse(format string, args ...any) { panic(refusal{fmt.Sprintf(format, args...)}) }

// run translates the graph.
func (p *program) run(inputs []numpy.Input) (*models.Program, error) {
	if err := p.inputs(inputs); err != nil {
		return nil, err
	}
	table := programOps()
	used := reachable(p.rec.ops, p.file.outputs)
	for i, o := range p.rec.ops { // what does not exist explains a failure better than what it does to its neighbours
		if _, ok := table[opKey{o.domain, o.op}]; used[i] && !ok {
			for k, o := range p.rec.ops {
				if _, ok := table[opKey{o.domain, o.op}]; !ok {
					p.report.Nodes[k].Use = "not supported"
				}
			}
			return nil, p.file.unsupported(o.fileNode, programHint(o))
		}
	}
	for i, o := range p.rec.ops {
		line := &p.report.Nodes[i]
		if !used[i] {
			line.Use = "unused"
			continue
		}
		p.b.Mark(i + 1)
		before := len(p.b.Ops(0))
		out, err := p.node(table[opKey{o.domain, o.op}], o)
		if err != nil {
			line.Use = "not supported"
			return nil, err
		}
		for k, name := range o.outputs {
			if name != "" && k < len(out) {
				p.values[name] = out[k]
			}
		}
		line.Use = programUse(out, p.b.Ops(before))
	}
	encrypted := false
	for _, v := range p.file.outputs {
		a := p.values[v.name]
		switch {
		case a == nil:
			return nil, fmt.Errorf("output %q is none that a program has; leave it out of the graph", v.name)
		case a.v == nil:
			return nil, fmt.Errorf("output %q has no elements; leave it out of the graph", v.name)
		case a.ints() == nil && !a.v.Finite():
			return nil, fmt.Errorf("output %q is not a finite number everywhere inside the bounds of the inputs (a division by zero, a root or logarithm of a negative number): Clip what it is computed from",
				v.name)
		case a.ints() == nil:
			return nil, fmt.Errorf("output %q is in floating point, and a program computes integers: end the graph with whole numbers, for example by Mul with 100 and Round, and divide after decryption",
				v.name)
		}
		encrypted = encrypted || a.encrypted()
		p.b.Output(a.v)
	}
	if !encrypted {
		return nil, errors.New("no output depends on an input: nothing to encrypt")
	}
	p.b.Mark(0)
	g, err := p.b.Graph()
	if err != nil {
		return nil, errors.New(plainWords(err))
	}
	return models.NewProgram(g, p.report.Producer)
}

// reachable marks the operators that an output depends on.
func reachable(ops []*operation, outputs []fileValue) []bool {
	used := make([]bool, len(ops))
	need := map[string]bool{}
	for _, v := range outputs {
		need[v.name] = true
	}
	for i := len(ops) - 1; i >= 0; i-- {
		for _, o := range ops[i].outputs {
			used[i] = used[i] || o != "" && need[o]
		}
		if used[i] {
			for _, in := range ops[i].inputs {
				need[in] = true
			}
		}
	}
	return used
}

// inputs makes the encrypted inputs and the constants of the graph.
func (p *program) inputs(described []numpy.Input) error {
	for name, c := range p.rec.constants {
		a, err := p.arrayOf(c)
		if p.b.Err() != nil {
			return err
		}
		if err != nil {
			continue // unless it is used
		}
		p.values[name] = a
	}
	params := p.file.parameters()
	for i, in := range described {
		known := slices.IndexFunc(params, func(x ParameterType) bool { return x.Name == in.Name })
		if known < 0 {
			names := make([]string, len(params))
			for k, x := range params {
				names[k] = x.Name
			}
			return fmt.Errorf("the graph has no input %q; its inputs are %s", in.Name, strings.Join(names, ", "))
		}
		if slices.ContainsFunc(described[:i], func(x numpy.Input) bool { return x.Name == in.Name }) {
			return fmt.Errorf("the input %q is described twice; leave one out", in.Name)
		}
	}
	if len(params) == 0 {
		return errors.New("the graph has no input")
	}
	size := 0
	for _, x := range params {
		k := slices.IndexFunc(described, func(in numpy.Input) bool { return in.Name == x.Name })
		var in numpy.Input
		switch {
		case k >= 0:
			in = described[k]
		case x.Bool:
			in = numpy.Input{Name: x.Name, Hi: 1}
		default:
			return fmt.Errorf("say what the input %q is, for example '%s: uint7%s'", x.Name, x.Name, strings.ReplaceAll(fmt.Sprint(append([]int{}, x.Shape...)), " ", ", "))
		}
		v := p.file.inputs[slices.IndexFunc(p.file.inputs, func(v fileValue) bool { return v.name == x.Name })]
		row, shape, err := x.fit(v, in.Shape)
		if err != nil {
			return err
		}
		if size += product(row); size > maxFeatures {
			return fmt.Errorf("the inputs have more than %d elements", maxFeatures)
		}
		lo, hi, ok := typeRange(v.elem)
		switch {
		case !ok || v.kind != "tensor":
			return fmt.Errorf("input %q is declared as %s, which is not supported; export it with float or int64", v.name, v.describe())
		case in.Lo < lo || in.Hi > hi:
			return fmt.Errorf("the input %q is declared as %s, which holds %d to %d, not %d to %d; describe it within that", v.name, v.describe(), lo, hi, in.Lo, in.Hi)
		}
		a := &array{typ: v.elem, shape: shape}
		a.v = p.b.Input(v.name, row, in.Lo, in.Hi)
		if a.v = p.b.Pick(a.v, counting(product(row)), shape); v.elem == typeBool {
			a.v = p.b.Call("method.astype", a.v, "bool")
		}
		if err := p.b.Err(); err != nil {
			return errors.New(plainWords(err))
		}
		p.values[v.name] = a
	}
	return nil
}

// fit returns the shape of an input as its features are named (row) and as the graph has it, for the shape of its description, which may be nil.
func (x *ParameterType) fit(v fileValue, given []int) (row, shape []int, err error) {
	if given == nil {
		if x.Shape == nil {
			return nil, nil, fmt.Errorf("the input %q is declared as %s, which leaves axes open: describe its shape, for example '%s: uint7[30]'", v.name, v.describe(), v.name)
		}
		given = x.Shape
	}
	if !v.rank {
		return given, given, nil
	}
	matches := func(shape []int) bool {
		if len(shape) != len(v.dims) {
			return false
		}
		for i, d := range v.dims {
			if d.known && d.size != int64(shape[i]) {
				return false
			}
		}
		return true
	}
	if x.Batch {
		if shape := append([]int{1}, given...); matches(shape) {
			return given, shape, nil
		}
	}
	if !matches(given) {
		return nil, nil, fmt.Errorf("the input %q is declared as %s: the shape %v of its description does not fit", v.name, v.describe(), given)
	}
	return given, given, nil
}

// node translates one operator.
func (p *program) node(f programOp, o *operation) (out []*array, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case refusal:
			out, err = nil, p.file.unsupported(o.fileNode, "here "+r.reason)
		default:
			panic(r)
		}
	}()
	in := make([]*array, len(o.inputs))
	for k, name := range o.inputs {
		if name == "" {
			continue
		}
		if in[k] = p.values[name]; in[k] == nil {
			refuse("its input %q is none that a program has; export the graph without it", name)
		}
	}
	return f(p, o, in), nil
}

// programUse says in a few words what became of a node.
func programUse(out []*array, ops []compiler.Op) string {
	a := out[0]
	switch {
	case !a.encrypted():
		return "constant"
	case a.ints() == nil:
		return "folded"
	}
	var words []string
	for _, op := range ops {
		if op != compiler.OpConstant && !slices.Contains(words, string(op)) {
			words = append(words, string(op))
		}
	}
	if len(words) == 0 {
		return "folded"
	}
	return strings.Join(words, ", ")
}

// plainWords is an error of the Builder for people who wrote no numpy.
func plainWords(err error) string {
	message, hint, ok := numpy.Refusal(err)
	if !ok {
		return err.Error()
	}
	for _, x := range []struct{ part, hint string }{
		{"of two encrypted values", severalHint}, {"of several encrypted values", severalHint}, {"functions of different values", severalHint},
		{"in floating point of encrypted values", "its weights must be whole numbers: multiply them by a scale and round, before the export, and divide after decryption"},
		{"has at most", "make it narrower first: fewer bits of inputs or weights, or drop low bits with BitShift or an integer Div"},
	} {
		if strings.Contains(message, x.part) && (x.hint != severalHint || strings.Contains(message, "floating")) {
			hint = x.hint
			break
		}
	}
	text := message
	switch hint {
	case "":
	case severalHint:
		text = hint
	default:
		text += "; " + hint
	}
	return pythonWords.Replace(text)
}

const severalHint = "a function in floating point takes one encrypted number: combine whole numbers first and apply the function to the result, or Round (or Cast to int64) each before"

// pythonWords replaces what numpy.Builder says of Python.
var pythonWords = strings.NewReplacer("with .astype(np.int64)", "with Cast to int64", ".astype(np.int64)", "Cast to int64", "np.where", "Where", "np.clip", "Clip",
	"np.maximum(x, 1)", "Max(x, 1)", "np.maximum", "Max", "np.minimum", "Min", "np.logical_not", "Not", "np.logical_xor", "Xor", "np.float_power", "Pow of floats",
	"with x >> n", "with BitShift", "np.rint", "Round", "np.array", "a constant", "np.int64", "int64", "np.", "")

// programHint names the way out for an operator that programs do not have.
func programHint(o *operation) string {
	switch o.op {
	case "Softmax", "LogSoftmax":
		return "it divides encrypted numbers: end the graph before it. The largest of the values there belongs to the same class, and ArgMax finds it"
	case "NonZero", "Unique":
		return "the shape of its result depends on encrypted numbers; use Where, which keeps every element"
	case "TopK":
		return "use ReduceMax or ArgMax, one at a time"
	case "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli":
		return "programs have no random numbers; export the model for inference"
	case "LSTM", "GRU", "RNN", "Scan", "Loop", "If", "DictVectorizer", "StringNormalizer", "Tokenizer", "TfIdfVectorizer", "CategoryMapper", "CastMap":
		return hintFor(o)
	}
	if o.domain == domainML {
		return "programs have the arithmetic of ONNX, not its trained models"
	}
	if o.domain != "" {
		return "programs have operators of the domain ai.onnx; export the graph with these"
	}
	return "programs do not have it; export the graph without this operator"
}
