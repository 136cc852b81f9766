package onnx

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/importers/numpy"
)

// refusedGraph is a graph of one node, on the inputs x and y of 4 elements of a type, and what its error says.
type refusedGraph struct {
	name, op string
	typ      int
	in       []string
	attrs    attrList
	inits    []msg
	lo, hi   int64
	want     []string
}

func refusedGraphs() []refusedGraph {
	ints := func(name string, typ int, v ...byte) msg { return rawTensor(name, typ, []int64{int64(len(v))}, v) }
	return []refusedGraph{
		{name: "two floats", op: "Add", typ: typeFloat, in: []string{"h", "y"}, hi: 7, want: []string{`node "the_Add"`, "operator Add (domain ai.onnx, opset 17)", "takes one encrypted number", "Round"}},
		{name: "weights", op: "MatMul", typ: typeFloat, in: []string{"x", "w"}, inits: []msg{floatTensor("w", []int64{4, 1}, 0.5, 1, 2, 3)}, hi: 7, want: []string{"not whole numbers", "scale"}},
		{name: "softmax", op: "Softmax", typ: typeFloat, in: []string{"x"}, hi: 7, want: []string{"end the graph before it", "ArgMax"}},
		{name: "zero", op: "Div", typ: typeInt64, in: []string{"x", "y"}, hi: 3, want: []string{"division by zero", "Max(x, 1)"}},
		{name: "remainder by zero", op: "Mod", typ: typeInt64, in: []string{"x", "y"}, hi: 3, want: []string{"division by zero", "Max(x, 1)"}},
		{name: "wraps", op: "Mul", typ: typeInt8, in: []string{"x", "y"}, lo: -60, hi: 60, want: []string{"-3600 and 3600", "int8", "-128 to 127", "Cast to a wider type"}},
		{name: "unsigned", op: "Sub", typ: typeUint8, in: []string{"x", "y"}, hi: 9, want: []string{"uint8", "0 to 255", "wraps around"}},
		{name: "half floats", op: "Abs", typ: typeFloat16, in: []string{"x"}, hi: 9, want: []string{`input "x"`, "float16", "export it with float"}},
		{name: "encrypted axis", op: "Slice", typ: typeInt64, in: []string{"x", "y", "y"}, hi: 3, want: []string{"starts depend on encrypted numbers"}},
		{name: "index", op: "Gather", typ: typeInt64, in: []string{"x", "y"}, hi: 3, want: []string{"Where with a comparison"}},
		{name: "outside a table", op: "Gather", typ: typeInt64, in: []string{"t", "x"}, inits: []msg{ints("t", typeInt8, 5, 6, 7)}, hi: 3, want: []string{"0 to 3", "table of 3", "Clip"}},
		{name: "shift of signed", op: "BitShift", typ: typeInt64, in: []string{"x", "y"}, attrs: attrList{"direction": "LEFT"}, hi: 3, want: []string{"unsigned"}},
		{name: "top", op: "TopK", typ: typeInt64, in: []string{"x", "k"}, inits: []msg{int64Tensor("k", []int64{1}, 2)}, hi: 3, want: []string{"operator TopK", "ReduceMax or ArgMax"}},
		{name: "shape depends on data", op: "NonZero", typ: typeInt64, in: []string{"x"}, hi: 3, want: []string{"depends on encrypted numbers", "Where"}},
		{name: "float output", op: "Sqrt", typ: typeFloat, in: []string{"x"}, hi: 3, want: []string{`output "out"`, "Round", "divide after decryption"}},
		{name: "not finite", op: "Log", typ: typeFloat, in: []string{"x"}, hi: 3, want: []string{`output "out"`, "not a finite number", "Clip"}},
		{name: "pairs", op: "BitwiseXor", typ: typeInt32, in: []string{"x", "y"}, hi: 127, want: []string{"two encrypted values of 128 and 128 values", "2048"}},
		{name: "large floats", op: "Mul", typ: typeFloat, in: []string{"x", "c"}, inits: []msg{floatTensor("c", []int64{1}, 1e6)}, hi: 100, want: []string{"16777216", "double or int64"}},
		{name: "trained trees", op: "ArrayFeatureExtractor", typ: typeFloat, in: []string{"x", "y"}, hi: 3, want: []string{"programs do not have it"}},
	}
}

func (r *refusedGraph) file() []byte {
	inputs := []msg{inputOf("x", r.typ, 4), inputOf("y", r.typ, 4)}
	var nodes []msg
	if slices.Contains(r.in, "h") {
		nodes = append(nodes, nodeOf("Mul", "", []string{"x", "half"}, []string{"h"}, nil))
		r.inits = append(r.inits, floatTensor("half", []int64{1}, 0.5))
	}
	nodes = append(nodes, nodeOf(r.op, "", r.in, []string{"out"}, r.attrs))
	return modelOf(nodes, inputs, r.inits, "out")
}

// python are words that mean nothing to who exports a graph.
var python = []string{"np.", "astype", "numpy", ">>"}

// TestProgramRefusals checks that what programs cannot have is refused with the node, the operator and the way out, in the words of ONNX.
func TestProgramRefusals(t *testing.T) {
	inputs := func(shape []int, lo, hi int64) []numpy.Input {
		return []numpy.Input{{Name: "x", Shape: shape, Lo: lo, Hi: hi}, {Name: "y", Shape: shape, Lo: lo, Hi: hi}}
	}
	check := func(t *testing.T, err error, want ...string) {
		t.Helper()
		if err == nil {
			t.Fatal("not refused")
		}
		t.Log(err)
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q does not name %q", err, w)
			}
		}
		for _, w := range python {
			if strings.Contains(err.Error(), w) {
				t.Errorf("%q speaks Python: %q", err, w)
			}
		}
	}
	for _, r := range refusedGraphs() {
		t.Run(r.name, func(t *testing.T) {
			m, _, err := ImportProgram(r.file(), "", inputs([]int{4}, r.lo, r.hi))
			if m != nil {
				t.Fatal("compiled")
			}
			check(t, err, r.want...)
		})
	}
	add := modelOf([]msg{nodeOf("Add", "", []string{"x", "y"}, []string{"out"}, nil)}, []msg{inputOf("x", typeInt64, 2, 4), inputOf("y", typeUint8, 2, 4)}, nil, "out")
	one := func(in ...numpy.Input) error { _, _, err := ImportProgram(add, "", in); return err }
	x, y := numpy.Input{Name: "x", Shape: []int{2, 4}, Hi: 3}, numpy.Input{Name: "y", Shape: []int{2, 4}, Hi: 3}
	t.Run("no description", func(t *testing.T) { check(t, one(x), `input "y"`, "'y: uint7[2, 4]'") })
	t.Run("unknown input", func(t *testing.T) { check(t, one(x, y, numpy.Input{Name: "z"}), `no input "z"`, "x, y") })
	t.Run("twice", func(t *testing.T) { check(t, one(x, x), "twice") })
	t.Run("shape", func(t *testing.T) {
		check(t, one(x, numpy.Input{Name: "y", Shape: []int{4}, Hi: 3}), "declared as uint8[2, 4]", "[4]")
	})
	t.Run("bounds", func(t *testing.T) {
		check(t, one(x, numpy.Input{Name: "y", Shape: []int{2, 4}, Lo: -1, Hi: 3}), "0 to 255", "not -1 to 3")
	})
	t.Run("types", func(t *testing.T) { check(t, one(x, y), "int64 and uint8") })
	for _, c := range graphCases(t) {
		if c.Name == "torch_mean" {
			t.Run(c.Name, func(t *testing.T) {
				_, _, err := ImportProgram(c.Model, "", c.inputs(t))
				check(t, err, "operator Greater", "takes one encrypted number")
			})
		}
	}
}

// TestProgramOfModel checks that describing the inputs of a trained model names the way out, and that what Import refuses for a reason stays refused for it.
func TestProgramOfModel(t *testing.T) {
	_, _, err := ImportProgram(read(t, "testdata/gb_wine.onnx"), "", []numpy.Input{{Name: "X", Shape: []int{13}, Hi: 3}})
	var u *UnsupportedError
	if !errors.As(err, &u) || u.Op != "TreeEnsembleClassifier" || !strings.Contains(err.Error(), "the file holds a model (tree ensemble)") {
		t.Errorf("%v", err)
	}
	files, err := filepath.Glob("testdata/classical/refused/*.onnx")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		data := read(t, f)
		if s := Suggest(data, ""); s != nil {
			t.Errorf("%s could be a program of %v", f, s)
		}
		params, err := ProgramParameters(data)
		if err != nil {
			t.Fatal(err)
		}
		var inputs []numpy.Input
		for _, p := range params {
			shape := p.Shape
			if shape == nil {
				shape = []int{4}
			}
			inputs = append(inputs, numpy.Input{Name: p.Name, Shape: shape, Hi: 3})
		}
		_, _, refused := Import(data, "")
		_, _, err = ImportProgram(data, "", inputs)
		if err == nil {
			t.Fatalf("%s: compiled", f)
		}
		var model, program *UnsupportedError
		if errors.As(refused, &model) && (strings.Contains(model.Hint, "control flow") || model.Domain == domainML) {
			if !errors.As(err, &program) || *program != *model {
				t.Errorf("%s: %v, as a model %v", f, err, refused)
			}
		}
	}
}

// TestLocate checks that what the compiler refuses names the node of the file.
func TestLocate(t *testing.T) {
	r := &Report{Nodes: []NodeReport{{Name: "a", Op: "Add"}, {Name: "b", Op: "Mul"}}}
	wide := &compiler.LowerError{Origin: 2, Reason: "too wide"}
	err := r.Locate(fmt.Errorf("compiling: %w", wide))
	var lower *compiler.LowerError
	if !strings.Contains(err.Error(), `node "b" (Mul): too wide; inputs of fewer bits`) || !errors.As(err, &lower) || lower != wide {
		t.Error(err)
	}
	for _, other := range []error{&compiler.LowerError{Origin: 3}, &compiler.LowerError{}, errors.New("x")} {
		if r.Locate(other) != other {
			t.Errorf("%v", r.Locate(other))
		}
	}
}

// TestSuggest checks which graphs are said to be programs.
func TestSuggest(t *testing.T) {
	for _, c := range graphCases(t) {
		if _, _, err := Import(c.Model, ""); err == nil {
			continue // a model, too
		}
		got := Suggest(c.Model, "")
		if c.Name == "torch_mean" { // two encrypted numbers in floating point
			if got != nil {
				t.Errorf("%s: %v", c.Name, got)
			}
			continue
		}
		if len(got) != len(c.Inputs) {
			t.Errorf("%s: %v", c.Name, got)
			continue
		}
		for i, s := range got {
			in, err := numpy.ParseInput(s)
			if err != nil || in.Name != c.inputs(t)[i].Name || !slices.Equal(in.Shape, c.inputs(t)[i].Shape) {
				t.Errorf("%s: %q, want the shape of %q (%v)", c.Name, s, c.Inputs[i], err)
			}
		}
	}
}

// TestEveryProgramOperator checks that each operator of programs is in a fixture.
func TestEveryProgramOperator(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range append(graphCases(t), operatorCases(t)...) {
		m, err := parseModel(c.Model)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range m.nodes {
			seen[n.op] = true
		}
	}
	for _, op := range ProgramOperators() {
		if !seen[op] {
			t.Errorf("no fixture has %s", op)
		}
	}
	if len(seen) < 100 {
		t.Errorf("%d operators: %v", len(seen), slices.Sorted(maps.Keys(seen)))
	}
}

// TestProgramReport checks what inspect shows of each node.
func TestProgramReport(t *testing.T) {
	data, err := os.ReadFile("testdata/programs/torch_rules.onnx")
	if err != nil {
		t.Fatal(err)
	}
	_, r, err := ImportProgram(data, "", []numpy.Input{{Name: "x", Shape: []int{4}, Hi: 60}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Kind != "program" || r.Features != 4 || r.Outs != 1 {
		t.Errorf("%+v", r)
	}
	uses := map[string][]string{}
	for _, n := range r.Nodes {
		if !slices.Contains(uses[n.Op], n.Use) {
			uses[n.Op] = append(uses[n.Op], n.Use)
		}
	}
	for op, use := range map[string]string{"Constant": "constant", "Greater": "greater", "Where": "where"} {
		if !slices.Contains(uses[op], use) {
			t.Errorf("%s is %q, want %q", op, uses[op], use)
		}
	}
}
