package numpy

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// Input describes an argument of a program's function: its name, its shape (no axes for a scalar) and the bounds of its integers.
type Input struct {
	Name   string
	Shape  []int
	Lo, Hi int64
}

// ParseInput reads 'x: uint7[30]': a name, a type of 1 to 16 bits (int signed, uint unsigned) and a shape, which a scalar does without. Bounds that are no
// powers of two are written as a range: 'x: 0..100[30]'.
func ParseInput(text string) (Input, error) {
	bad := func(why string) (Input, error) {
		return Input{}, fmt.Errorf("numpy: input %q: %s; write for example 'x: uint7[30]', 'x: int5' or 'x: -3..12[4, 4]'", text, why)
	}
	at := max(strings.LastIndex(text, ":"), 0) // names of ONNX inputs may hold colons
	name, rest, ok := text[:at], strings.TrimPrefix(text[at:], ":"), at > 0
	in := Input{Name: strings.TrimSpace(name)}
	if !ok || in.Name == "" || strings.ContainsAny(in.Name, " \t[]") {
		return bad("no name before a colon")
	}
	rest = strings.TrimSpace(rest)
	kind, shape, hasShape := strings.Cut(rest, "[")
	kind = strings.TrimSpace(kind)
	bits := 0
	switch {
	case strings.Contains(kind, ".."):
		var end string
		if n, err := fmt.Sscanf(kind, "%d..%d%s", &in.Lo, &in.Hi, &end); n != 2 || err == nil {
			return bad("the range is not like 0..100")
		}
		if in.Lo > in.Hi || in.Lo < -1<<16 || in.Hi > 1<<16 {
			return bad("the range is empty, or wider than 16 bits")
		}
	case strings.HasPrefix(kind, "uint"):
		if _, err := fmt.Sscanf(kind, "uint%d", &bits); err != nil || bits < 1 || bits > 16 || kind != fmt.Sprintf("uint%d", bits) {
			return bad("unsigned types are uint1 to uint16")
		}
		in.Hi = 1<<bits - 1
	case strings.HasPrefix(kind, "int"):
		if _, err := fmt.Sscanf(kind, "int%d", &bits); err != nil || bits < 2 || bits > 16 || kind != fmt.Sprintf("int%d", bits) {
			return bad("signed types are int2 to int16")
		}
		in.Lo, in.Hi = -1<<(bits-1), 1<<(bits-1)-1
	default:
		return bad("no type after the colon")
	}
	if !hasShape {
		return in, nil
	}
	shape, ok = strings.CutSuffix(strings.TrimSpace(shape), "]")
	if !ok {
		return bad("the shape does not end with ]")
	}
	size := 1
	for _, part := range strings.Split(shape, ",") {
		d := 0
		if n, err := fmt.Sscanf(strings.TrimSpace(part)+" ", "%d ", &d); n != 1 || err != nil || d < 1 || d > 1<<16 || size > 1<<16/d || strings.TrimSpace(part) != fmt.Sprint(d) {
			return bad("a shape is a list of positive numbers, of at most 65536 elements in all")
		}
		size *= d
		in.Shape = append(in.Shape, d)
	}
	if len(in.Shape) > maxAxes {
		return bad(fmt.Sprintf("more than %d axes", maxAxes))
	}
	return in, nil
}

// Options say how a file becomes a graph.
type Options struct {
	// Function names the function; it may be empty where the file has only one.
	Function string
	// Inputs describe its arguments, in any order. Every parameter without a default needs one.
	Inputs []Input
	// Load reads the array of np.load; nil refuses it. The name comes from the program: an implementation must keep to the program's own folder.
	Load func(name string) (*Value, error)
}

// Program is a function of a file as a graph, with an output for each array that the function returns.
type Program struct {
	Graph    *compiler.Graph
	Function string
	Inputs   []Input // in the order of the parameters

	lexer  *lexer
	places []place // of nodes: see interp.places
}

// Locate returns the error of compiling the program's graph, or a graph made from it, as an [Error] at the place in the file, if it is about one: a
// [compiler.LowerError] whose origin is known. Others are returned as they are.
func (p *Program) Locate(err error) error {
	var lower *compiler.LowerError
	if !errors.As(err, &lower) || lower.Origin < 1 || lower.Origin > len(p.places) {
		return err
	}
	return p.lexer.errorAt(p.places[lower.Origin-1], "", "%s", lower.Detail())
}

// ParseFile compiles a function of a Python file. source is the file's text; file names it in errors, which are of type *Error where they have a place.
func ParseFile(file, source string, opt Options) (*Program, error) {
	body, lexer, err := parse(file, source)
	if err != nil {
		return nil, err
	}
	in := &interp{lexer: lexer, b: NewBuilder(), load: opt.Load}
	in.root = &scope{names: map[string]any{"__name__": strings.TrimSuffix(filepath.Base(file), ".py")}} // it is imported, not run
	var p *Program
	_, err = protect(func() (any, *Error) {
		if _, _, err := in.run(body, in.root); err != nil {
			return nil, err
		}
		var err *Error
		p, err = in.compile(opt)
		return nil, err
	})
	if err != nil {
		if err.Line == 0 && in.last.line > 0 {
			err = in.locate(err, in.last)
		}
		if err.Line == 0 {
			return nil, fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "numpy: "))
		}
		return nil, err
	}
	if err := p.Graph.Verify(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

// Parameters returns the names of the parameters of a function (of the only one, where choice is empty) that need an input, and its name.
func Parameters(file, source, choice string) (name string, params []string, err error) {
	body, lexer, e := parse(file, source)
	if e != nil {
		return "", nil, e
	}
	defs := &interp{lexer: lexer, b: NewBuilder()}
	defs.root = &scope{names: map[string]any{}}
	for _, st := range body {
		if d, ok := st.(*defStmt); ok {
			f := &function{name: d.name, params: d.params, preset: make([]any, len(d.params))}
			defs.root.names[d.name] = f
		}
	}
	f, e := defs.choose(choice)
	if e != nil {
		return "", nil, fmt.Errorf("%s: %s", file, strings.TrimPrefix(e.Error(), "numpy: "))
	}
	for _, p := range f.params {
		if p.preset == nil {
			params = append(params, p.name)
		}
	}
	return f.name, params, nil
}

// compile calls the function on its inputs.
func (in *interp) compile(opt Options) (*Program, *Error) {
	in.last = place{}
	f, err := in.choose(opt.Function)
	if err != nil {
		return nil, err
	}
	p := &Program{Function: f.name}
	var args []any
	var names []string
	for i, par := range f.params {
		at := slices.IndexFunc(opt.Inputs, func(x Input) bool { return x.Name == par.name })
		if at < 0 {
			if _, missing := f.preset[i].(unset); missing {
				return nil, in.errorAt(par.at, fmt.Sprintf("say what it is, for example --input '%s: uint7[30]'", par.name), "the parameter %s has no input", par.name)
			}
			continue
		}
		x := opt.Inputs[at]
		p.Inputs = append(p.Inputs, x)
		in.mark(par.at)
		args, names = append(args, in.b.Input(x.Name, x.Shape, x.Lo, x.Hi)), append(names, par.name)
	}
	for _, x := range opt.Inputs {
		if !slices.ContainsFunc(f.params, func(p param) bool { return p.name == x.Name }) {
			return nil, fail(fmt.Sprintf("its parameters are %s", paramNames(f)), "the function %s has no parameter %s", f.name, x.Name)
		}
	}
	if len(args) == 0 {
		return nil, fail("", "the function %s has no input", f.name)
	}
	in.last = place{}
	out, err := in.call(f, args, names, place{})
	if err != nil {
		return nil, err
	}
	results := []any{out}
	if t, ok := out.(tuple); ok {
		results = t
	}
	if out == nil || len(results) == 0 {
		return nil, fail("end it with return", "the function %s returns nothing", f.name)
	}
	in.mark(in.lastReturn)
	for _, r := range results {
		v, err := in.b.value(r)
		if err == nil {
			err = in.b.output(v)
		}
		if err != nil {
			return nil, err
		}
	}
	in.b.g.Origin = 0
	p.Graph, p.lexer, p.places = in.b.g, in.lexer, in.places
	return p, nil
}

// choose finds the function to compile.
func (in *interp) choose(name string) (*function, *Error) {
	var found []*function
	var names []string
	for n, v := range in.root.names {
		f, ok := v.(*function)
		if !ok {
			continue
		}
		names = append(names, n)
		if name == "" || n == name {
			g := *f
			g.name = n
			found = append(found, &g)
		}
	}
	slices.Sort(names)
	switch {
	case len(names) == 0:
		return nil, fail("define one with def", "the file defines no function")
	case len(found) == 0:
		return nil, fail("it defines "+strings.Join(names, ", "), "the file defines no function %s", name)
	case len(found) > 1:
		return nil, fail("choose one with --function", "the file defines several functions: %s", strings.Join(names, ", "))
	}
	return found[0], nil
}

func paramNames(f *function) string {
	names := make([]string, len(f.params))
	for i, p := range f.params {
		names[i] = p.name
	}
	return strings.Join(names, ", ")
}
