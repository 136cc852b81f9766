package numpy

import (
	"errors"
	"fmt"
	"slices"
)

// The values of a program beside *Value: nil, bool, int64, float64, string and these.
type (
	tuple    []any
	list     struct{ items []any }
	ellipsis struct{}
	dtype    struct {
		kind kind
		typ  *intType
	}
	module  struct{ name string }
	builtin struct{ name string } // a function of numpy, math, fhe or Python, by its full name
	method  struct {
		on   any
		name string
	}
	slice    struct{ from, to, step any }
	function struct {
		name   string
		params []param
		preset []any // defaults by parameter; missing ones are unset
		body   []stmt
		result expr // of a lambda
		scope  *scope
	}
	unset struct{}
	table struct{ rows *Value } // fhe.LookupTable
)

// scope holds the names of a function, a comprehension or the module.
type scope struct {
	names map[string]any
	outer *scope
}

func (s *scope) find(name string) (any, bool) {
	for ; s != nil; s = s.outer {
		if v, ok := s.names[name]; ok {
			return v, true
		}
	}
	return nil, false
}

// Limits of an evaluation: a program is small, and its loops run while it is compiled.
const (
	maxSteps = 2_000_000 // statements, iterations and operations
	maxCalls = 64        // nested calls
	maxItems = 1 << 20   // elements of a list or range
)

// interp evaluates a program. It is a Python interpreter for constants and a recorder for encrypted values.
type interp struct {
	*lexer
	b                *Builder
	root             *scope
	load             func(name string) (*Value, error) // np.load
	steps            int
	calls            int
	last, lastReturn place   // what is being evaluated, and the last return: for errors without a place
	places           []place // of the graph's nodes: their origins count from 1 in here
}

// mark says that what is done from here on is what stands at a place: errors without one get it, and nodes of the graph.
func (in *interp) mark(at place) {
	in.last = at
	if n := len(in.places); n == 0 || in.places[n-1] != at {
		in.places = append(in.places, at)
	}
	in.b.g.Origin = len(in.places)
}

// control is how a statement ends.
type control int

const (
	flowOn control = iota
	flowReturn
	flowBreak
	flowContinue
)

// locate gives an error the place of an expression unless it has one.
func (in *interp) locate(err error, at place) *Error {
	var e *Error
	if !errors.As(err, &e) {
		return in.errorAt(at, "", "%s", err.Error())
	}
	if e.Line > 0 {
		return e
	}
	return in.errorAt(at, e.Hint, "%s", e.Message)
}

func (in *interp) tick(at place) *Error {
	in.last = at
	if in.steps++; in.steps > maxSteps {
		return in.errorAt(at, "use array operations instead of loops over elements", "the program takes more than %d steps", maxSteps)
	}
	return nil
}

// run executes statements in a scope. result is set when control is flowReturn.
func (in *interp) run(body []stmt, s *scope) (c control, result any, err *Error) {
	for _, st := range body {
		if err := in.tick(st.where()); err != nil {
			return flowOn, nil, err
		}
		switch st := st.(type) {
		case *exprStmt:
			if k, ok := st.x.(*constExpr); ok {
				if _, text := k.value.(string); text {
					continue // a docstring
				}
			}
			if _, err := in.eval(st.x, s); err != nil {
				return flowOn, nil, err
			}
		case *assignStmt:
			v, err := in.eval(st.value, s)
			if err != nil {
				return flowOn, nil, err
			}
			for _, t := range st.targets {
				if err := in.assign(t, v, s); err != nil {
					return flowOn, nil, err
				}
			}
		case *augStmt:
			if err := in.augment(st, s); err != nil {
				return flowOn, nil, err
			}
		case *returnStmt:
			if st.value == nil {
				return flowReturn, nil, nil
			}
			v, err := in.eval(st.value, s)
			in.lastReturn = st.value.where()
			return flowReturn, v, err
		case *forStmt:
			if c, v, err := in.loop(st, s); err != nil || c == flowReturn {
				return c, v, err
			}
		case *ifStmt:
			yes, err := in.truth(st.cond, s)
			if err != nil {
				return flowOn, nil, err
			}
			branch := st.no
			if yes {
				branch = st.yes
			}
			if c, v, err := in.run(branch, s); err != nil || c != flowOn {
				return c, v, err
			}
		case *defStmt:
			f, err := in.function(st.name, st.params, s)
			if err != nil {
				return flowOn, nil, err
			}
			f.body = st.body
			s.names[st.name] = f
		case *importStmt:
			for _, n := range st.names {
				v, err := imported(n[0])
				if err != nil {
					return flowOn, nil, in.locate(err, st.at)
				}
				s.names[n[1]] = v
			}
		case *assertStmt:
			v, err := in.eval(st.cond, s)
			if err != nil {
				return flowOn, nil, err
			}
			if x, ok := v.(*Value); ok && x.Encrypted() {
				continue // nothing can be checked
			}
			if yes, err := truthOf(v); err != nil || !yes {
				if err == nil {
					err = fail("", "the assertion does not hold")
				}
				return flowOn, nil, in.locate(err, st.at)
			}
		case *flowStmt:
			switch st.word {
			case "break":
				return flowBreak, nil, nil
			case "continue":
				return flowContinue, nil, nil
			}
		}
	}
	return flowOn, nil, nil
}

func (in *interp) loop(st *forStmt, s *scope) (control, any, *Error) {
	v, err := in.eval(st.iterable, s)
	if err != nil {
		return flowOn, nil, err
	}
	in.mark(st.iterable.where())
	items, e := in.b.iterate(v)
	if e != nil {
		return flowOn, nil, in.locate(e, st.iterable.where())
	}
	for _, item := range items {
		if err := in.tick(st.at); err != nil {
			return flowOn, nil, err
		}
		if err := in.assign(st.target, item, s); err != nil {
			return flowOn, nil, err
		}
		c, v, err := in.run(st.body, s)
		if err != nil || c == flowReturn {
			return c, v, err
		}
		if c == flowBreak {
			break
		}
	}
	return flowOn, nil, nil
}

// assign binds a target.
func (in *interp) assign(target expr, v any, s *scope) *Error {
	switch t := target.(type) {
	case *nameExpr:
		s.names[t.name] = v
		return nil
	case *listExpr:
		in.mark(t.at)
		items, err := in.b.iterate(v)
		if err != nil {
			return in.locate(err, t.at)
		}
		if len(items) != len(t.items) {
			return in.errorAt(t.at, "", "%d values for %d names", len(items), len(t.items))
		}
		for i, x := range t.items {
			if err := in.assign(x, items[i], s); err != nil {
				return err
			}
		}
		return nil
	case *itemExpr:
		base, err := in.eval(t.x, s)
		if err != nil {
			return err
		}
		index, err := in.eval(t.index, s)
		if err != nil {
			return err
		}
		if l, ok := base.(*list); ok {
			i, ok := index.(int64)
			if ok && i < 0 {
				i += int64(len(l.items))
			}
			if !ok || i < 0 || i >= int64(len(l.items)) {
				return in.errorAt(t.at, "", "a list of %d items is assigned at %s", len(l.items), describe(index))
			}
			l.items[i] = v
			return nil
		}
		in.mark(t.at)
		a, ok := base.(*Value)
		if !ok {
			return in.errorAt(t.at, "", "%s has no items to assign", describe(base))
		}
		if e := in.b.put(a, index, v); e != nil {
			return in.locate(e, t.at)
		}
		return nil
	}
	return in.errorAt(target.where(), "", "this cannot be assigned to")
}

// augment executes a += b and the like. numpy changes arrays in place.
func (in *interp) augment(st *augStmt, s *scope) *Error {
	old, err := in.eval(st.target, s)
	if err != nil {
		return err
	}
	v, err := in.eval(st.value, s)
	if err != nil {
		return err
	}
	in.mark(st.at)
	if l, ok := old.(*list); ok && st.op == "+" { // Python extends the list in place, by the items of anything
		items, e := in.b.iterate(v)
		if e != nil {
			return in.locate(e, st.at)
		}
		if len(l.items)+len(items) > maxItems {
			return in.errorAt(st.at, "", "a list of more than %d items", maxItems)
		}
		in.b.spend(len(items))
		l.items = append(l.items, items...)
		return nil
	}
	result, e := in.b.operate(st.op, old, v)
	if a, ok := old.(*Value); ok && e == nil && len(a.shape) > 0 && a.typ != nil {
		if r, ok := result.(*Value); ok { // in place, in the type of the array
			result, e = in.b.cast(r, a.typ)
		}
	}
	if e != nil {
		return in.locate(e, st.at)
	}
	if l, ok := old.(*list); ok {
		if r, ok := result.(*list); ok { // l *= n
			l.items = r.items
			return nil
		}
	}
	a, isArray := old.(*Value)
	_, name := st.target.(*nameExpr)
	if !isArray || !name || len(a.shape) == 0 {
		return in.assign(st.target, result, s)
	}
	r := result.(*Value)
	switch {
	case !slices.Equal(r.shape, a.shape) || r.kind > a.kind:
		return in.errorAt(st.at, fmt.Sprintf("write a = a %s b, which makes a new array", st.op), "%s cannot hold %s in place", a.describe(), r.describe())
	case a.view || a.viewed:
		return in.errorAt(st.at, fmt.Sprintf("write a = a %s b, which makes a new array", st.op), "an array that shares its memory with another one is changed in place")
	}
	if r.kind < a.kind {
		var e *Error
		if r, e = in.b.astype(r, a.kind); e != nil {
			return in.locate(e, st.at)
		}
	}
	*a = *r
	return nil
}

// function makes a function of a scope; defaults are evaluated now.
func (in *interp) function(name string, params []param, s *scope) (*function, *Error) {
	f := &function{name: name, params: params, scope: s, preset: make([]any, len(params))}
	for i, p := range params {
		f.preset[i] = unset{}
		if p.preset != nil {
			v, err := in.eval(p.preset, s)
			if err != nil {
				return nil, err
			}
			f.preset[i] = v
		}
	}
	return f, nil
}

// call runs a function of the program.
func (in *interp) call(f *function, args []any, names []string, at place) (any, *Error) {
	if in.calls++; in.calls > maxCalls {
		return nil, in.errorAt(at, "recursion must end after few calls", "calls nest more than %d deep", maxCalls)
	}
	defer func() { in.calls-- }()
	s := &scope{names: map[string]any{}, outer: f.scope}
	next := 0
	for i, v := range args {
		to := next
		if names[i] != "" {
			to = slices.IndexFunc(f.params, func(p param) bool { return p.name == names[i] })
			if to < 0 {
				return nil, in.errorAt(at, "", "%s has no parameter %s", f.name, names[i])
			}
		} else {
			next++
		}
		if to >= len(f.params) {
			return nil, in.errorAt(at, "", "%s takes %d arguments, not %d", f.name, len(f.params), len(args))
		}
		if _, twice := s.names[f.params[to].name]; twice {
			return nil, in.errorAt(at, "", "%s gets %s twice", f.name, f.params[to].name)
		}
		s.names[f.params[to].name] = v
	}
	for i, p := range f.params {
		if _, ok := s.names[p.name]; ok {
			continue
		}
		if _, missing := f.preset[i].(unset); missing {
			return nil, in.errorAt(at, "", "%s needs its argument %s", f.name, p.name)
		}
		s.names[p.name] = f.preset[i]
	}
	if f.result != nil {
		v, err := in.eval(f.result, s)
		in.lastReturn = f.result.where()
		return v, err
	}
	_, v, err := in.run(f.body, s)
	return v, err
}

// truth evaluates a condition, which must be constant.
func (in *interp) truth(x expr, s *scope) (bool, *Error) {
	v, err := in.eval(x, s)
	if err != nil {
		return false, err
	}
	yes, e := truthOf(v)
	if e != nil {
		return false, in.locate(e, x.where())
	}
	return yes, nil
}

// truthOf is Python's bool of a constant.
func truthOf(v any) (bool, *Error) {
	switch v := v.(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	case int64:
		return v != 0, nil
	case float64:
		return v != 0, nil
	case string:
		return v != "", nil
	case tuple:
		return len(v) > 0, nil
	case *list:
		return len(v.items) > 0, nil
	case *Value:
		if v.Encrypted() {
			return false, fail("choose with np.where(condition, a, b); combine conditions with & and |, or np.logical_and and np.logical_or",
				"the program branches on an encrypted value")
		}
		if v.size() != 1 {
			return false, fail("use .any() or .all()", "an array of %d elements is neither true nor false", v.size())
		}
		return v.at(0) != 0, nil
	}
	return true, nil
}

// describe names any value in messages.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case *Value:
		return v.describe()
	case tuple:
		return fmt.Sprintf("a tuple of %d", len(v))
	case *list:
		return fmt.Sprintf("a list of %d", len(v.items))
	case string:
		return "a string"
	case *function:
		return "the function " + v.name
	case builtin:
		return "the function " + v.name
	case method:
		return "the method " + v.name
	case module:
		return "the module " + v.name
	case dtype:
		return "a type"
	case slice:
		return "a slice"
	case table:
		return "a lookup table"
	case ellipsis:
		return "..."
	}
	return fmt.Sprint(v)
}
