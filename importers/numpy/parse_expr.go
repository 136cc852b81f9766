package numpy

import (
	"strconv"
	"strings"
)

// expressions reads one expression, or several separated by commas as a tuple.
func (p *parser) expressions() (expr, *Error) {
	first, err := p.expression()
	if err != nil || !p.is(",") {
		return first, err
	}
	out := &listExpr{at: first.where(), items: []expr{first}, tuple: true}
	for p.accept(",") {
		t := p.peek()
		if t.kind == tokenNewline || t.kind == tokenEnd || p.is("=") || p.is(")") || p.is("]") || p.is(":") {
			break
		}
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, x)
	}
	return out, nil
}

// expression reads a conditional or a lambda.
func (p *parser) expression() (expr, *Error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.errorAt(p.peek().at, "use names for parts of it", "the expression nests more than %d deep", maxNesting)
	}
	defer func() { p.depth-- }()
	if p.is("lambda") {
		at := p.next().at
		params, err := p.params(":")
		if err != nil {
			return nil, err
		}
		if err := p.expect(":", ""); err != nil {
			return nil, err
		}
		body, err := p.expression()
		return &lambdaExpr{at, params, body}, err
	}
	x, err := p.or()
	if err != nil || !p.is("if") {
		return x, err
	}
	at := p.next().at
	cond, err := p.or()
	if err != nil {
		return nil, err
	}
	if err := p.expect("else", "write a if condition else b"); err != nil {
		return nil, err
	}
	no, err := p.expression()
	return &condExpr{at, cond, x, no}, err
}

func (p *parser) or() (expr, *Error)  { return p.chain("or", p.and) }
func (p *parser) and() (expr, *Error) { return p.chain("and", p.not) }

func (p *parser) chain(op string, part func() (expr, *Error)) (expr, *Error) {
	x, err := part()
	if err != nil || !p.is(op) {
		return x, err
	}
	out := &boolExpr{p.peek().at, op, []expr{x}}
	for p.accept(op) {
		if x, err = part(); err != nil {
			return nil, err
		}
		out.xs = append(out.xs, x)
	}
	return out, nil
}

func (p *parser) not() (expr, *Error) {
	if p.is("not") {
		if p.depth++; p.depth > maxNesting {
			return nil, p.errorAt(p.peek().at, "", "the expression nests more than %d deep", maxNesting)
		}
		defer func() { p.depth-- }()
		at := p.next().at
		x, err := p.not()
		return &unaryExpr{at, "not", x}, err
	}
	return p.comparison()
}

func (p *parser) comparison() (expr, *Error) {
	x, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	out := &compareExpr{at: p.peek().at, xs: []expr{x}}
	for {
		t := p.peek()
		op := t.text
		switch {
		case t.kind == tokenOp && (op == "<" || op == ">" || op == "<=" || op == ">=" || op == "==" || op == "!="):
			p.at++
		case p.is("is"), p.is("in"):
			p.at++
			if op == "is" && p.accept("not") {
				op = "is not"
			}
		case p.is("not") && p.tokens[p.at+1].text == "in":
			p.at += 2
			op = "not in"
		default:
			if len(out.ops) == 0 {
				return x, nil
			}
			return out, nil
		}
		y, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		out.ops, out.xs = append(out.ops, op), append(out.xs, y)
	}
}

// levels are the binary operators by rising precedence.
var levels = [][]string{{"|"}, {"^"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"*", "/", "//", "%", "@"}}

func (p *parser) binary(level int) (expr, *Error) {
	if level == len(levels) {
		return p.unary()
	}
	x, err := p.binary(level + 1)
	if err != nil {
		return nil, err
	}
	for count := 0; ; count++ {
		t := p.peek()
		found := false
		for _, op := range levels[level] {
			found = found || t.kind == tokenOp && t.text == op
		}
		if !found {
			return x, nil
		}
		if count > 10*maxNesting { // the tree leans to the left: its depth is what the interpreter recurses by
			return nil, p.errorAt(t.at, "use np.sum, or names for parts of it", "more than %d operations in one expression", 10*maxNesting)
		}
		p.at++
		y, err := p.binary(level + 1)
		if err != nil {
			return nil, err
		}
		x = &binaryExpr{t.at, t.text, x, y}
	}
}

func (p *parser) unary() (expr, *Error) {
	t := p.peek()
	if t.kind == tokenOp && (t.text == "-" || t.text == "+" || t.text == "~") {
		if p.depth++; p.depth > maxNesting {
			return nil, p.errorAt(t.at, "", "the expression nests more than %d deep", maxNesting)
		}
		defer func() { p.depth-- }()
		p.at++
		x, err := p.unary()
		return &unaryExpr{t.at, t.text, x}, err
	}
	x, err := p.postfix()
	if err != nil || !p.is("**") {
		return x, err
	}
	if p.depth++; p.depth > maxNesting {
		return nil, p.errorAt(p.peek().at, "", "the expression nests more than %d deep", maxNesting)
	}
	defer func() { p.depth-- }()
	at := p.next().at
	y, err := p.unary()
	return &binaryExpr{at, "**", x, y}, err
}

// postfix reads an atom with its calls, items and attributes.
func (p *parser) postfix() (expr, *Error) {
	x, err := p.atom()
	if err != nil {
		return nil, err
	}
	for count := 0; ; count++ {
		t := p.peek()
		if count > 10*maxNesting {
			return nil, p.errorAt(t.at, "use names for parts of it", "more than %d operations in one expression", 10*maxNesting)
		}
		switch {
		case p.is("(") && t.kind == tokenOp:
			if x, err = p.call(x); err != nil {
				return nil, err
			}
		case p.is("["):
			p.at++
			index, err := p.index()
			if err != nil {
				return nil, err
			}
			x = &itemExpr{span(x.where(), p.peek().at), x, index}
			if err := p.expect("]", ""); err != nil {
				return nil, err
			}
		case p.is("."):
			p.at++
			n := p.next()
			if n.kind != tokenName {
				return nil, p.errorAt(n.at, "", "%s instead of a name", n.describe())
			}
			x = &attrExpr{span(x.where(), n.at), x, n.text}
		default:
			return x, nil
		}
	}
}

// span joins two places of one line.
func span(from, to place) place {
	if from.line == to.line && to.column >= from.column {
		from.width = to.column + to.width - from.column
	}
	return from
}

func (p *parser) call(fn expr) (expr, *Error) {
	p.at++
	out := &callExpr{at: fn.where(), fn: fn}
	for !p.is(")") {
		name := ""
		switch t := p.peek(); {
		case p.is("*"):
			p.at++
			name = "*"
		case p.is("**"):
			return nil, p.errorAt(t.at, "name each argument", "a call with **")
		case t.kind == tokenName && !keywords[t.text] && p.tokens[p.at+1].kind == tokenOp && p.tokens[p.at+1].text == "=":
			name = t.text
			p.at += 2
		}
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		if p.is("for") {
			if x, err = p.comprehension(x, true); err != nil {
				return nil, err
			}
		}
		out.args, out.names = append(out.args, x), append(out.names, name)
		if !p.accept(",") {
			break
		}
	}
	out.at = span(out.at, p.peek().at)
	return out, p.expect(")", "")
}

// index reads what stands in brackets after a value: expressions and slices.
func (p *parser) index() (expr, *Error) {
	first, err := p.slice()
	if err != nil || !p.is(",") {
		return first, err
	}
	out := &listExpr{at: first.where(), items: []expr{first}, tuple: true}
	for p.accept(",") && !p.is("]") {
		x, err := p.slice()
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, x)
	}
	return out, nil
}

func (p *parser) slice() (expr, *Error) {
	at := p.peek().at
	var parts [3]expr
	n := 0
	for {
		if !p.is(":") && !p.is("]") && !p.is(",") {
			x, err := p.expression()
			if err != nil {
				return nil, err
			}
			parts[n] = x
		}
		if n == 2 || !p.accept(":") {
			break
		}
		n++
	}
	if n == 0 {
		if parts[0] == nil {
			return nil, p.errorAt(at, "", "an index is missing")
		}
		return parts[0], nil
	}
	return &sliceExpr{at, parts[0], parts[1], parts[2]}, nil
}

func (p *parser) atom() (expr, *Error) {
	t := p.next()
	switch t.kind {
	case tokenNumber:
		return p.number(t)
	case tokenString:
		text := t.text
		for p.peek().kind == tokenString { // neighbours are one string
			text += p.next().text
		}
		return &constExpr{t.at, text}, nil
	case tokenPrefixed:
		return &prefixedExpr{t.at, t.text}, nil
	case tokenName:
		switch t.text {
		case "True", "False":
			return &constExpr{t.at, t.text == "True"}, nil
		case "None":
			return &constExpr{t.at, nil}, nil
		}
		if keywords[t.text] {
			return nil, p.errorAt(t.at, refused[t.text], "%q where a value is expected", t.text)
		}
		return &nameExpr{t.at, t.text}, nil
	case tokenOp:
		switch t.text {
		case "(":
			return p.parenthesis(t.at)
		case "[":
			return p.list(t.at)
		case "...":
			return &constExpr{t.at, ellipsis{}}, nil
		case "{":
			return nil, p.errorAt(t.at, "use lists, or module constants", "dictionaries and sets are outside the subset")
		}
	}
	return nil, p.errorAt(t.at, "", "%s where a value is expected", t.describe())
}

func (p *parser) number(t token) (expr, *Error) {
	text := strings.ReplaceAll(t.text, "_", "")
	lower := strings.ToLower(text)
	if strings.HasPrefix(lower, "0x") || strings.HasPrefix(lower, "0b") || strings.HasPrefix(lower, "0o") || strings.Trim(text, "0123456789") == "" {
		base := 10
		if len(lower) > 1 && lower[0] == '0' && lower[1] > '9' {
			base = 0
		}
		v, err := strconv.ParseInt(text, base, 64)
		if err != nil {
			return nil, p.errorAt(t.at, "integers have at most 63 bits here", "%q is no integer that fits", t.text)
		}
		return &constExpr{t.at, v}, nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(lower, "xpij") || strings.Contains(lower, "nan") {
		return nil, p.errorAt(t.at, "", "%q is no number", t.text)
	}
	return &constExpr{t.at, v}, nil
}

func (p *parser) parenthesis(at place) (expr, *Error) {
	if p.accept(")") {
		return &listExpr{at: at, tuple: true}, nil
	}
	x, err := p.expressions()
	if err != nil {
		return nil, err
	}
	if p.is("for") {
		if x, err = p.comprehension(x, true); err != nil {
			return nil, err
		}
	}
	if p.is(":=") {
		return nil, p.errorAt(p.peek().at, "assign on a line of its own", "an assignment inside an expression")
	}
	return x, p.expect(")", "")
}

func (p *parser) list(at place) (expr, *Error) {
	out := &listExpr{at: at}
	for !p.is("]") {
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		if p.is("for") && len(out.items) == 0 {
			if x, err = p.comprehension(x, false); err != nil {
				return nil, err
			}
			return x, p.expect("]", "")
		}
		out.items = append(out.items, x)
		if !p.accept(",") {
			break
		}
	}
	return out, p.expect("]", "")
}

func (p *parser) comprehension(item expr, tuple bool) (expr, *Error) {
	out := &compExpr{at: item.where(), item: item, tuple: tuple}
	for p.accept("for") {
		target, err := p.targets()
		if err != nil {
			return nil, err
		}
		if err := p.expect("in", ""); err != nil {
			return nil, err
		}
		iterable, err := p.or()
		if err != nil {
			return nil, err
		}
		loop := compLoop{target: target, iterable: iterable}
		for p.accept("if") {
			c, err := p.or()
			if err != nil {
				return nil, err
			}
			loop.conds = append(loop.conds, c)
		}
		out.loops = append(out.loops, loop)
	}
	return out, nil
}
