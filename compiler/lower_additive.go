package compiler

// Functions of single codes are affine combinations of tests of that code's value, which the client packs like codes: tables of single codes, and trees of one
// feature, stumps above all.

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
