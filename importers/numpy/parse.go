package numpy

import (
	"strconv"
	"strings"
)

// parser reads the statements of the accepted subset from tokens.
type parser struct {
	*lexer
	at    int
	depth int // of nested expressions
}

// parse returns the statements of a file.
func parse(file, source string) ([]stmt, *lexer, *Error) {
	l, err := lex(file, source)
	if err != nil {
		return nil, l, err
	}
	p := &parser{lexer: l}
	var out []stmt
	for p.peek().kind != tokenEnd {
		s, err := p.statement()
		if err != nil {
			return nil, l, err
		}
		out = append(out, s...)
	}
	return out, l, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokenEnd {
		p.at++
	}
	return t
}

// is reports whether the next token is the operator or keyword.
func (p *parser) is(text string) bool {
	t := p.peek()
	return (t.kind == tokenOp || t.kind == tokenName) && t.text == text
}

func (p *parser) accept(text string) bool {
	if p.is(text) {
		p.at++
		return true
	}
	return false
}

// expect reads the operator or keyword.
func (p *parser) expect(text, hint string) *Error {
	if !p.accept(text) {
		return p.errorAt(p.peek().at, hint, "%s instead of %q", p.peek().describe(), text)
	}
	return nil
}

func (t token) describe() string {
	switch t.kind {
	case tokenEnd:
		return "the end of the file"
	case tokenNewline:
		return "the end of the line"
	case tokenIndent, tokenDedent:
		return "another indentation"
	case tokenString:
		return "a string"
	}
	return strconv.Quote(t.text)
}

// refused are statements outside the subset, with what to do instead.
var refused = map[string]string{
	"while":    "loop a constant number of times with for i in range(n): a loop cannot depend on encrypted values",
	"try":      "remove it: nothing can be caught in an encrypted program",
	"with":     "open nothing here; np.load of a file beside the program is possible",
	"class":    "write functions",
	"raise":    "remove it: an encrypted program cannot stop on a value",
	"del":      "remove it",
	"global":   "pass values as arguments",
	"nonlocal": "pass values as arguments",
	"async":    "remove it",
	"await":    "remove it",
	"yield":    "return an array",
	"match":    "use np.where, or if on constants",
}

// keywords cannot be names.
var keywords = map[string]bool{"and": true, "or": true, "not": true, "if": true, "else": true, "elif": true, "for": true, "in": true, "is": true, "lambda": true,
	"def": true, "return": true, "import": true, "from": true, "as": true, "pass": true, "break": true, "continue": true, "assert": true, "True": true,
	"False": true, "None": true, "while": true, "try": true, "with": true, "class": true, "raise": true, "del": true, "global": true, "nonlocal": true,
	"async": true, "await": true, "yield": true}

// statement reads one statement, or several on one line.
func (p *parser) statement() ([]stmt, *Error) {
	t := p.peek()
	if t.kind == tokenNewline {
		p.at++
		return nil, nil
	}
	if t.kind == tokenIndent {
		return nil, p.errorAt(t.at, "", "an indented line where none is expected")
	}
	var s stmt
	var err *Error
	switch {
	case p.is("def"):
		s, err = p.def()
	case p.is("for"):
		s, err = p.loop()
	case p.is("if"):
		s, err = p.branch()
	case p.is("@"):
		if err := p.decorator(); err != nil {
			return nil, err
		}
		return nil, nil
	default:
		return p.simpleLine()
	}
	if err != nil {
		return nil, err
	}
	return []stmt{s}, nil
}

// decorator skips a line @name(...): compilers' marks say nothing that is needed here.
func (p *parser) decorator() *Error {
	at := p.next().at
	if _, err := p.expression(); err != nil {
		return err
	}
	if p.peek().kind != tokenNewline {
		return p.errorAt(at, "", "a decorator must be alone on its line")
	}
	p.at++
	return nil
}

func (p *parser) simpleLine() ([]stmt, *Error) {
	var out []stmt
	for {
		s, err := p.simple()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
		if !p.accept(";") {
			break
		}
		if p.peek().kind == tokenNewline {
			break
		}
	}
	if t := p.peek(); t.kind != tokenNewline && t.kind != tokenEnd {
		return nil, p.errorAt(t.at, "", "%s where the statement should end", t.describe())
	}
	p.next()
	return out, nil
}

func (p *parser) simple() (stmt, *Error) {
	t := p.peek()
	if t.kind == tokenName {
		if hint, ok := refused[t.text]; ok && !(t.text == "match" && p.tokens[p.at+1].kind == tokenOp) {
			return nil, p.errorAt(t.at, hint, "%q is outside the subset", t.text)
		}
		switch t.text {
		case "pass", "break", "continue":
			p.at++
			return &flowStmt{t.at, t.text}, nil
		case "return":
			p.at++
			if k := p.peek().kind; k == tokenNewline || k == tokenEnd {
				return &returnStmt{at: t.at}, nil
			}
			x, err := p.expressions()
			return &returnStmt{t.at, x}, err
		case "import", "from":
			return p.imports()
		case "assert":
			p.at++
			x, err := p.expression()
			if err == nil && p.accept(",") {
				_, err = p.expression()
			}
			return &assertStmt{t.at, x}, err
		}
	}
	x, err := p.expressions()
	if err != nil {
		return nil, err
	}
	if p.accept(":") { // an annotation says nothing that is needed
		if _, err := p.expression(); err != nil {
			return nil, err
		}
		if !p.is("=") {
			return &flowStmt{t.at, "pass"}, nil
		}
	}
	if n := p.peek(); n.kind == tokenOp && strings.HasSuffix(n.text, "=") && len(n.text) > 1 && !strings.Contains("== <= >= :=", n.text) {
		p.at++
		value, err := p.expressions()
		if err != nil {
			return nil, err
		}
		return &augStmt{n.at, x, strings.TrimSuffix(n.text, "="), value}, p.assignable(x)
	}
	if !p.is("=") {
		return &exprStmt{t.at, x}, nil
	}
	s := &assignStmt{at: x.where()}
	for p.accept("=") {
		if err := p.assignable(x); err != nil {
			return nil, err
		}
		s.targets = append(s.targets, x)
		if x, err = p.expressions(); err != nil {
			return nil, err
		}
	}
	s.value = x
	return s, nil
}

// assignable checks the left side of an assignment.
func (p *parser) assignable(x expr) *Error {
	switch x := x.(type) {
	case *nameExpr, *itemExpr:
		return nil
	case *listExpr:
		for _, i := range x.items {
			if err := p.assignable(i); err != nil {
				return err
			}
		}
		return nil
	}
	return p.errorAt(x.where(), "assign to a name, or to names separated by commas", "this cannot be assigned to")
}

// imports reads import numpy as np, from numpy import exp and the like.
func (p *parser) imports() (stmt, *Error) {
	s := &importStmt{at: p.peek().at}
	dotted := func() (string, place, *Error) {
		t := p.peek()
		if t.kind != tokenName {
			return "", t.at, p.errorAt(t.at, "", "%s instead of a module's name", t.describe())
		}
		p.at++
		name := t.text
		for p.accept(".") {
			n := p.next()
			name += "." + n.text
			t.at.width += n.at.width + 1
		}
		return name, t.at, nil
	}
	as := func(preset string) (string, *Error) {
		if !p.accept("as") {
			return preset, nil
		}
		t := p.next()
		if t.kind != tokenName {
			return "", p.errorAt(t.at, "", "%s instead of a name", t.describe())
		}
		return t.text, nil
	}
	if p.accept("import") {
		for {
			name, at, err := dotted()
			if err != nil {
				return nil, err
			}
			if err := p.module(name, at); err != nil {
				return nil, err
			}
			first, _, _ := strings.Cut(name, ".")
			bound, err := as(first)
			if err != nil {
				return nil, err
			}
			if bound == first {
				name = first
			}
			s.names = append(s.names, [2]string{name, bound})
			if !p.accept(",") {
				return s, nil
			}
		}
	}
	p.at++
	name, at, err := dotted()
	if err != nil {
		return nil, err
	}
	if err := p.module(name, at); err != nil {
		return nil, err
	}
	if err := p.expect("import", ""); err != nil {
		return nil, err
	}
	open := p.accept("(")
	for {
		t := p.next()
		if t.kind != tokenName {
			return nil, p.errorAt(t.at, "name each function", "%s instead of a name", t.describe())
		}
		bound, err := as(t.text)
		if err != nil {
			return nil, err
		}
		s.names = append(s.names, [2]string{name + "." + t.text, bound})
		if !p.accept(",") {
			break
		}
	}
	if open {
		return s, p.expect(")", "")
	}
	return s, nil
}

// module refuses modules that mean nothing here.
func (p *parser) module(name string, at place) *Error {
	switch name {
	case "numpy", "math", "typing", "__future__", "numpy.typing", "concrete", "concrete.fhe": // the last two for tables, rounds and pools, which numpy has no name for
		return nil
	}
	return p.errorAt(at, "numpy and math are there; constants can be loaded with np.load of a file beside the program", "the module %s is not available", name)
}

// block reads ":" and the statements below, or those on the same line.
func (p *parser) block() ([]stmt, *Error) {
	if err := p.expect(":", ""); err != nil {
		return nil, err
	}
	if p.peek().kind != tokenNewline {
		return p.simpleLine()
	}
	p.at++
	if t := p.next(); t.kind != tokenIndent {
		return nil, p.errorAt(t.at, "indent it", "an indented block is missing")
	}
	var out []stmt
	for p.peek().kind != tokenDedent && p.peek().kind != tokenEnd {
		s, err := p.statement()
		if err != nil {
			return nil, err
		}
		out = append(out, s...)
	}
	p.next()
	return out, nil
}

func (p *parser) def() (stmt, *Error) {
	at := p.next().at
	name := p.next()
	if name.kind != tokenName || keywords[name.text] {
		return nil, p.errorAt(name.at, "", "%s instead of a function's name", name.describe())
	}
	if err := p.expect("(", ""); err != nil {
		return nil, err
	}
	params, err := p.params(")")
	if err != nil {
		return nil, err
	}
	if err := p.expect(")", ""); err != nil {
		return nil, err
	}
	if p.accept("->") {
		if _, err := p.expression(); err != nil {
			return nil, err
		}
	}
	body, err := p.block()
	at.width = len("def")
	return &defStmt{at, name.text, params, body}, err
}

// params reads parameters up to an end, which stays.
func (p *parser) params(end string) ([]param, *Error) {
	var out []param
	for !p.is(end) {
		t := p.next()
		if t.kind == tokenOp && (t.text == "*" || t.text == "**" || t.text == "/") {
			return nil, p.errorAt(t.at, "name each parameter", "a parameter list with %s", t.text)
		}
		if t.kind != tokenName || keywords[t.text] {
			return nil, p.errorAt(t.at, "", "%s instead of a parameter's name", t.describe())
		}
		a := param{at: t.at, name: t.text}
		for _, o := range out {
			if o.name == a.name {
				return nil, p.errorAt(t.at, "", "a second parameter is named %s", a.name)
			}
		}
		if end != ":" && p.accept(":") {
			if _, err := p.expression(); err != nil {
				return nil, err
			}
		}
		if p.accept("=") {
			var err *Error
			if a.preset, err = p.expression(); err != nil {
				return nil, err
			}
		}
		out = append(out, a)
		if !p.accept(",") {
			break
		}
	}
	return out, nil
}

func (p *parser) loop() (stmt, *Error) {
	at := p.next().at
	target, err := p.targets()
	if err != nil {
		return nil, err
	}
	if err := p.expect("in", ""); err != nil {
		return nil, err
	}
	iterable, err := p.expressions()
	if err != nil {
		return nil, err
	}
	body, err := p.block()
	if err == nil && p.is("else") {
		err = p.errorAt(p.peek().at, "remove it", "else after a loop")
	}
	return &forStmt{at, target, iterable, body}, err
}

// targets reads the names before "in".
func (p *parser) targets() (expr, *Error) {
	first, err := p.postfix()
	if err != nil {
		return nil, err
	}
	if !p.is(",") {
		return first, p.assignable(first)
	}
	out := &listExpr{at: first.where(), items: []expr{first}, tuple: true}
	for p.accept(",") && !p.is("in") {
		x, err := p.postfix()
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, x)
	}
	return out, p.assignable(out)
}

func (p *parser) branch() (stmt, *Error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.errorAt(p.peek().at, "use a table", "conditions nest more than %d deep", maxNesting)
	}
	defer func() { p.depth-- }()
	at := p.next().at
	cond, err := p.expression()
	if err != nil {
		return nil, err
	}
	s := &ifStmt{at: at, cond: cond}
	if s.yes, err = p.block(); err != nil {
		return nil, err
	}
	switch {
	case p.is("elif"):
		inner, err := p.branch()
		if err != nil {
			return nil, err
		}
		s.no = []stmt{inner}
	case p.accept("else"):
		if s.no, err = p.block(); err != nil {
			return nil, err
		}
	}
	return s, nil
}
