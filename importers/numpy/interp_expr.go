package numpy

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
		in.mark(x.at)
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
		in.mark(x.at)
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
		in.mark(x.at)
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
		in.mark(x.at)
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
	in.mark(loops[0].iterable.where())
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
		in.mark(x.at)
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
			in.mark(a.where())
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
	in.mark(x.at)
	r, e := in.invoke(fn, args, names, x.at)
	if e != nil {
		return nil, in.locate(e, x.at)
	}
	return r, nil
}

// invoke calls anything that can be called.
func (in *interp) invoke(fn any, args []any, names []string, at place) (any, *Error) {
	c := call{b: in.b, in: in, kw: map[string]any{}}
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
