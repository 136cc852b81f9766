package numpy

import "slices"

// pythonOps are the binary operators as ufuncs.
var pythonOps = map[string]string{"+": "add", "-": "subtract", "*": "multiply", "/": "true_divide", "//": "floor_divide", "%": "remainder", "**": "power",
	"<<": "left_shift", ">>": "right_shift", "&": "bitwise_and", "|": "bitwise_or", "^": "bitwise_xor",
	"<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal", "==": "equal", "!=": "not_equal"}

// eval evaluates an expression.
func (in *interp) eval(x expr, s *scope) (any, *Error) {
	if err := in.tick(x.where()); err != nil {
		return nil, err
	}
	switch x := x.(type) {
	case *constExpr:
		return x.value, nil
	case *prefixedExpr:
		return nil, in.errorAt(x.at, "write a plain string", "strings with the prefix %s are not supported", x.prefix)
	case *nameExpr:
		if v, ok := s.find(x.name); ok {
			return v, nil
		}
		if v, ok := pythonBuiltin(x.name); ok {
			return v, nil
		}
		hint := ""
		if x.name == "np" || x.name == "numpy" {
			hint = "begin the file with import numpy as np"
		}
		return nil, in.errorAt(x.at, hint, "the name %s is not defined", x.name)
	case *listExpr:
		items, err := in.items(x.items, s)
		if err != nil {
			return nil, err
		}
		if x.tuple {
			return tuple(items), nil
		}
		return &list{items}, nil
	case *compExpr:
		var items []any
		err := in.comprehend(x, x.loops, &scope{names: map[string]any{}, outer: s}, &items)
		if x.tuple {
			return tuple(items), err
		}
		return &list{items}, err
	case *lambdaExpr:
		f, err := in.function("the lambda", x.params, s)
		if err != nil {
			return nil, err
		}
		f.result = x.body
		return f, nil
	case *condExpr:
		yes, err := in.truth(x.cond, s)
		if err != nil {
			return nil, err
		}
		if yes {
			return in.eval(x.yes, s)
		}
		return in.eval(x.no, s)
	case *boolExpr:
		return in.evalBool(x, s)
	case *compareExpr:
		return in.compare(x, s)
	case *unaryExpr:
		v, err := in.eval(x.x, s)
		if err != nil {
			return nil, err
		}
		r, e := in.b.negate(x.op, v)
		if e != nil {
			return nil, in.locate(e, x.at)
		}
		return r, nil
	case *binaryExpr:
		a, err := in.eval(x.x, s)
		if err != nil {
			return nil, err
		}
		b, err := in.eval(x.y, s)
		if err != nil {
			return nil, err
		}
		r, e := in.b.operate(x.op, a, b)
		if e != nil {
			return nil, in.locate(e, x.at)
		}
		return r, nil
	case *attrExpr:
		v, err := in.eval(x.x, s)
		if err != nil {
			return nil, err
		}
		r, e := in.b.attribute(v, x.name)
		if e != nil {
			return nil, in.locate(e, x.at)
		}
		return r, nil
	case *itemExpr:
		v, err := in.eval(x.x, s)
		if err != nil {
			return nil, err
		}
		index, err := in.eval(x.index, s)
		if err != nil {
			return nil, err
		}
		r, e := in.b.item(v, index)
		if e != nil {
			return nil, in.locate(e, x.at)
		}
		return r, nil
	case *sliceExpr:
		var parts [3]any
		for i, p := range []expr{x.from, x.to, x.step} {
			if p != nil {
				var err *Error
				if parts[i], err = in.eval(p, s); err != nil {
					return nil, err
				}
			}
		}
		return slice{parts[0], parts[1], parts[2]}, nil
	case *callExpr:
		return in.evalCall(x, s)
	}
	return nil, in.errorAt(x.where(), "", "this expression is outside the subset")
}

func (in *interp) items(xs []expr, s *scope) ([]any, *Error) {
	out := make([]any, len(xs))
	for i, x := range xs {
		var err *Error
		if out[i], err = in.eval(x, s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (in *interp) comprehend(x *compExpr, loops []compLoop, s *scope, out *[]any) *Error {
	if len(loops) == 0 {
		v, err := in.eval(x.item, s)
		*out = append(*out, v)
		return err
	}
	v, err := in.eval(loops[0].iterable, s)
	if err != nil {
		return err
	}
	items, e := in.b.iterate(v)
	if e != nil {
		return in.locate(e, loops[0].iterable.where())
	}
next:
	for _, item := range items {
		if err := in.tick(x.at); err != nil {
			return err
		}
		if err := in.assign(loops[0].target, item, s); err != nil {
			return err
		}
		for _, c := range loops[0].conds {
			yes, err := in.truth(c, s)
			if err != nil {
				return err
			}
			if !yes {
				continue next
			}
		}
		if err := in.comprehend(x, loops[1:], s, out); err != nil {
			return err
		}
	}
	return nil
}

// evalBool is "and" and "or" of constants.
func (in *interp) evalBool(x *boolExpr, s *scope) (any, *Error) {
	var v any
	for i, part := range x.xs {
		var err *Error
		if v, err = in.eval(part, s); err != nil {
			return nil, err
		}
		if i == len(x.xs)-1 {
			return v, nil
		}
		yes, e := truthOf(v)
		if e != nil {
			return nil, in.locate(e, part.where())
		}
		if yes == (x.op == "or") {
			return v, nil
		}
	}
	return v, nil
}

func (in *interp) compare(x *compareExpr, s *scope) (any, *Error) {
	a, err := in.eval(x.xs[0], s)
	if err != nil {
		return nil, err
	}
	var out any
	for i, op := range x.ops {
		b, err := in.eval(x.xs[i+1], s)
		if err != nil {
			return nil, err
		}
		r, e := in.b.compare(op, a, b)
		if e != nil {
			return nil, in.locate(e, x.at)
		}
		if i == len(x.ops)-1 {
			return r, nil
		}
		yes, e := truthOf(r)
		if e != nil {
			e.Hint = "write (a < b) & (b < c) for encrypted values"
			return nil, in.locate(e, x.at)
		}
		if !yes {
			return r, nil
		}
		out, a = r, b
	}
	return out, nil
}

func (in *interp) evalCall(x *callExpr, s *scope) (any, *Error) {
	fn, err := in.eval(x.fn, s)
	if err != nil {
		return nil, err
	}
	var args []any
	var names []string
	for i, a := range x.args {
		v, err := in.eval(a, s)
		if err != nil {
			return nil, err
		}
		if x.names[i] == "*" {
			items, e := in.b.iterate(v)
			if e != nil {
				return nil, in.locate(e, a.where())
			}
			for _, item := range items {
				args, names = append(args, item), append(names, "")
			}
			continue
		}
		args, names = append(args, v), append(names, x.names[i])
	}
	r, e := in.invoke(fn, args, names, x.at)
	if e != nil {
		return nil, in.locate(e, x.at)
	}
	return r, nil
}

// invoke calls anything that can be called.
func (in *interp) invoke(fn any, args []any, names []string, at place) (any, *Error) {
	c := call{b: in.b, in: in, at: at, kw: map[string]any{}}
	for i, a := range args {
		if names[i] != "" {
			c.kw[names[i]] = a
		} else {
			c.args = append(c.args, a)
		}
	}
	switch f := fn.(type) {
	case *function:
		return in.call(f, args, names, at)
	case builtin:
		c.name = f.name
		impl, ok := lookupFunction(f.name)
		if !ok {
			return nil, fail(suggestion(f.name), "there is no function %s here", f.name)
		}
		return c.run(impl)
	case method:
		c.name = f.name
		c.args = append([]any{f.on}, c.args...)
		impl, ok := lookupFunction(f.name)
		if !ok {
			return nil, fail("", "there is no method %s here", f.name)
		}
		return c.run(impl)
	case dtype:
		if len(args) != 1 {
			return nil, fail("", "a conversion takes one argument")
		}
		r, err := in.b.convert(args[0], f.kind)
		if err == nil && f.kind == kindInt {
			v, ok := r.(*Value)
			if n, number := r.(int64); number && f.typ != nil {
				v, ok = intScalar(n), true
			}
			if ok {
				return in.b.cast(v, f.typ)
			}
		}
		if truth, ok := r.(bool); ok && err == nil {
			return boolScalar(truth), nil // np.bool_ calculates as numpy does: True + True is True
		}
		return r, err
	}
	return nil, fail("", "%s is no function", describe(fn))
}

// convert is int(x), float(x), np.int64(x) and the like.
func (b *Builder) convert(x any, k kind) (any, *Error) {
	v, err := b.value(x)
	if err != nil {
		return nil, err
	}
	r, err := b.astype(v, k)
	if err != nil {
		return nil, err
	}
	if _, array := x.(*Value); array || isSequence(x) {
		return r, nil
	}
	return simplify(r), nil
}

// simplify turns a constant scalar into a Python number.
func simplify(v *Value) any {
	if v.Encrypted() || len(v.shape) > 0 {
		return v
	}
	switch v.kind {
	case kindBool:
		return v.ints[0] != 0
	case kindInt:
		return v.ints[0]
	}
	return v.data[0]
}

// operate applies a binary operator of Python.
func (b *Builder) operate(op string, x, y any) (any, *Error) {
	switch p := x.(type) {
	case *list:
		if q, ok := y.(*list); ok && op == "+" {
			if len(p.items)+len(q.items) > maxItems {
				return nil, fail("", "a list of more than %d items", maxItems)
			}
			b.spend(len(p.items) + len(q.items))
			return &list{append(append([]any{}, p.items...), q.items...)}, nil
		}
		if n, ok := wholeNumber(y); ok && op == "*" {
			return b.repeat(p, n)
		}
	case tuple:
		if n, ok := wholeNumber(y); ok && op == "*" {
			l, err := b.repeat(&list{p}, n)
			if err != nil {
				return nil, err
			}
			return tuple(l.(*list).items), nil
		}
		if q, ok := y.(tuple); ok && op == "+" {
			if len(p)+len(q) > maxItems {
				return nil, fail("", "a tuple of more than %d items", maxItems)
			}
			b.spend(len(p) + len(q))
			return append(append(tuple{}, p...), q...), nil
		}
	case string:
		if q, ok := y.(string); ok && op == "+" {
			if len(p)+len(q) > maxItems {
				return nil, fail("", "a string of more than %d bytes", maxItems)
			}
			b.spend(len(p) + len(q))
			return p + q, nil
		}
	case int64, bool:
		if op == "*" && isSequence(y) {
			return b.operate(op, y, x)
		}
	}
	if err := sequenceOperand(op, x, y); err != nil {
		return nil, err
	}
	v, err := b.value(x)
	if err != nil {
		return nil, err
	}
	w, err := b.value(y)
	if err != nil {
		return nil, err
	}
	if op == "@" {
		r, err := b.matmul(v, w)
		if err != nil {
			return nil, err
		}
		return b.typed("matmul", r, []any{x, y})
	}
	name := pythonOps[op]
	u := ufuncs[name]
	_, vx := x.(*Value)
	_, wy := y.(*Value)
	if !vx && !wy { // Python's own arithmetic, where it is not numpy's
		v, w = plainInts(v), plainInts(w)
		if op == "**" && v.kind == kindInt && w.kind == kindInt && w.ints[0] < 0 {
			return pow(v.at(0), w.at(0)), nil
		}
		if (op == "/" || op == "//" || op == "%") && w.at(0) == 0 {
			return nil, fail("", "division by zero")
		}
	}
	r, err := b.binary(name, &u, v, w)
	if err != nil {
		return nil, err
	}
	if !vx && !wy {
		return simplify(r), nil
	}
	return b.typed(name, r, []any{x, y})
}

func isSequence(x any) bool {
	switch x.(type) {
	case *list, tuple:
		return true
	}
	return false
}

// wholeNumber returns a number of Python that can repeat a list.
func wholeNumber(x any) (int64, bool) {
	switch n := x.(type) {
	case int64:
		return n, true
	case bool:
		return b2i(n), true
	}
	return 0, false
}

// sequenceOperand refuses what Python does not calculate with lists and tuples, and what it does differently from arrays.
func sequenceOperand(op string, x, y any) *Error {
	p, q := x, y
	if !isSequence(p) {
		p, q = y, x
	}
	if !isSequence(p) {
		return nil
	}
	v, array := q.(*Value)
	switch {
	case !array:
		return fail("make arrays of them first, with np.array", "Python has no %s of %s and %s", op, kindOf(x), kindOf(y))
	case op == "*" && len(v.shape) == 0 && v.kind != kindFloat: // an integer of numpy repeats a list
		return fail("make an array of it first, with np.array, or repeat it with int(n)", "%s of %s and %s", op, kindOf(x), kindOf(y))
	}
	return nil
}

// kindOf names a value's Python type in messages.
func kindOf(x any) string {
	switch x.(type) {
	case *list:
		return "a list"
	case tuple:
		return "a tuple"
	}
	return describe(x)
}

// plainInts makes a bool an integer, as Python's arithmetic does.
func plainInts(v *Value) *Value {
	if v.kind != kindBool {
		return v
	}
	out := *v
	out.kind = kindInt
	return &out
}

func (b *Builder) repeat(l *list, n int64) (any, *Error) {
	if n < 0 {
		n = 0
	}
	if n > maxItems || int64(len(l.items))*n > maxItems {
		return nil, fail("", "a list of more than %d items", maxItems)
	}
	b.spend(len(l.items) * int(n))
	out := &list{}
	for range n {
		out.items = append(out.items, l.items...)
	}
	return out, nil
}

// compare applies a comparison of Python.
func (b *Builder) compare(op string, x, y any) (any, *Error) {
	switch op {
	case "is", "is not":
		if x != nil && y != nil {
			return nil, fail("compare with ==", "%q is for None only", op)
		}
		return (x == nil && y == nil) == (op == "is"), nil
	case "in", "not in":
		items, err := b.iterate(y)
		if err != nil {
			return nil, err
		}
		if encryptedInside(x) {
			return nil, fail("compare with each, and combine with |", "in of an encrypted value")
		}
		if v, ok := y.(*Value); ok && len(v.shape) > 1 {
			return nil, fail("use (a == x).any()", "in among the rows of an array")
		}
		for _, i := range items {
			if encryptedInside(i) {
				return nil, fail("compare with each, and combine with |", "in among encrypted values")
			}
			if same(i, x) {
				return op == "in", nil
			}
		}
		return op == "not in", nil
	}
	if p, ok := x.(string); ok {
		if q, ok := y.(string); ok && (op == "==" || op == "!=") {
			return (p == q) == (op == "=="), nil
		}
	}
	_, vx := x.(*Value)
	_, wy := y.(*Value)
	if (isSequence(x) || isSequence(y)) && !vx && !wy {
		if op != "==" && op != "!=" {
			return nil, fail("compare their items", "the order of %s and %s", kindOf(x), kindOf(y))
		}
		if encryptedInside(x) || encryptedInside(y) {
			return nil, fail("make arrays of them first, with np.array", "the program compares lists of encrypted values")
		}
		return same(x, y) == (op == "=="), nil
	}
	return b.operate(op, x, y)
}

// negate applies a unary operator of Python.
func (b *Builder) negate(op string, x any) (any, *Error) {
	if op == "not" {
		if v, ok := x.(*Value); ok && v.Encrypted() {
			return nil, fail("use ~x for bool values, or np.logical_not(x)", "not of an encrypted value")
		}
		yes, err := truthOf(x)
		return !yes, err
	}
	v, err := b.value(x)
	if err != nil {
		return nil, err
	}
	_, array := x.(*Value)
	if !array {
		v = plainInts(v)
	}
	name := map[string]string{"-": "negative", "+": "positive", "~": "invert"}[op]
	u := ufuncs[name]
	r, err := b.unary(name, &u, v)
	if err != nil {
		return nil, err
	}
	if array {
		return b.typed(name, r, []any{x})
	}
	return simplify(r), nil
}

// encryptedInside reports whether a value is encrypted or a list that holds such a value.
func encryptedInside(x any) bool {
	switch v := x.(type) {
	case *Value:
		return v.Encrypted()
	case *list:
		return slices.ContainsFunc(v.items, encryptedInside)
	case tuple:
		return slices.ContainsFunc(v, encryptedInside)
	}
	return false
}

// same is Python's equality of constants.
func same(x, y any) bool {
	if v, ok := x.(*Value); ok {
		x = simplify(v)
	}
	if v, ok := y.(*Value); ok {
		y = simplify(v)
	}
	switch p := x.(type) {
	case *list:
		q, ok := y.(*list)
		return ok && same(tuple(p.items), tuple(q.items))
	case *Value:
		q, ok := y.(*Value)
		if !ok || p.Encrypted() || q.Encrypted() || !slices.Equal(p.shape, q.shape) {
			return false
		}
		for i := range p.size() {
			if p.at(i) != q.at(i) {
				return false
			}
		}
		return true
	case tuple:
		q, ok := y.(tuple)
		if !ok || len(p) != len(q) {
			return false
		}
		for i := range p {
			if !same(p[i], q[i]) {
				return false
			}
		}
		return true
	case bool:
		return same(b2i(p), y)
	case int64:
		switch q := y.(type) {
		case bool:
			return p == b2i(q)
		case int64:
			return p == q
		case float64:
			return float64(p) == q
		}
		return false
	case float64:
		switch q := y.(type) {
		case int64:
			return p == float64(q)
		case float64:
			return p == q
		}
		return false
	case string:
		q, ok := y.(string)
		return ok && p == q
	case nil:
		return y == nil
	case dtype:
		q, ok := y.(dtype)
		return ok && p == q
	}
	return false
}
