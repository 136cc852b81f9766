package compiler

// additive returns the outputs with every part that is a function of one code written as an affine combination of tests of that code's value, which the
// client packs like codes: tables of single codes, and trees of one feature, stumps above all. There is no such part where ok is false. The lowerer that is
// returned has the other parts only.
func (l *lowerer) additive(outputs []form) (to *lowerer, forms []form, ok bool) {
	elems := map[int32]*vector{}
	for _, v := range l.vectors {
		elems[v.id] = v
	}
	forms = make([]form, len(outputs))
	for o, f := range outputs {
		parts, weights := make([]form, len(f.terms)), make([]int64, len(f.terms))
		for i, t := range f.terms {
			weights[i] = t.w
			parts[i] = atomForm(t.kind, t.a, t.b)
			switch t.kind {
			case atomValue:
				e := elems[t.a].elems[t.b]
				if len(e.form.terms) != 1 || e.form.terms[0].kind != atomCode || e.drop > 0 {
					continue
				}
				in := e.form.terms[0]
				if hot, fits := l.hot(in.a, func(x int64) int64 { return e.fn(e.form.c + in.w*x) }); fits {
					parts[i], ok = hot, true
				}
			case atomSelect:
				if code, single := l.singleCode(t.a); single {
					if hot, fits := l.hot(code, func(x int64) int64 { return l.leafAt(t.a, x-l.lo[code])[t.b] }); fits {
						parts[i], ok = hot, true
					}
				}
			}
		}
		forms[o] = sumForms(f.c, parts, weights)
	}
	if !ok {
		return nil, nil, false
	}
	copied := *l
	copied.forest, copied.groups, copied.vectors = nil, nil, nil
	needed := map[int32]bool{}
	mark := func(f form) {
		for _, t := range f.terms {
			if t.kind == atomValue {
				needed[t.a] = true
			}
		}
	}
	for _, f := range forms {
		mark(f)
	}
	for i := len(l.vectors) - 1; i >= 0; i-- { // vectors come after those that they read
		if v := l.vectors[i]; needed[v.id] {
			for _, e := range v.elems {
				mark(e.form)
			}
			copied.vectors = append([]*vector{v}, copied.vectors...)
		}
	}
	return &copied, forms, true
}

// hot writes a function of a code of at most 7 bits as a combination of tests, from the code's smallest value on.
func (l *lowerer) hot(code int32, fn func(int64) int64) (form, bool) {
	lo, hi := l.lo[code], l.hi[code]
	if hi-lo > 127 {
		return form{}, false
	}
	f := constForm(fn(lo))
	for v := lo + 1; v <= hi; v++ {
		if d := fn(v) - f.c; d != 0 {
			f.terms = append(f.terms, term{atom{atomHot, code, int32(v - lo)}, d})
		}
	}
	return f, true
}

// singleCode returns the only code that a diagram tests, if it is only one.
func (l *lowerer) singleCode(root int32) (code int32, ok bool) {
	code = -1
	seen := map[int32]bool{}
	var visit func(id int32) bool
	visit = func(id int32) bool {
		if seen[id] {
			return true
		}
		seen[id] = true
		w := l.diagrams[id]
		c := l.selectors[w.selector].Code
		if code >= 0 && c != code {
			return false
		}
		code = c
		return (w.hi.node < 0 || visit(w.hi.node)) && (w.lo.node < 0 || visit(w.lo.node))
	}
	return code, visit(root)
}

// leafAt walks a diagram of one code down to the leaf for v = code - Lo.
func (l *lowerer) leafAt(root int32, v int64) []int64 {
	for {
		w := l.diagrams[root]
		c := w.lo
		if l.selectors[w.selector].Bit(v) == 1 {
			c = w.hi
		}
		if c.node < 0 {
			return c.leaf
		}
		root = c.node
	}
}
