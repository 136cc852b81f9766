package compiler

import (
	"math/bits"
	"slices"
)

// results lowers what outputs are sums of: input codes, and trees and tests. Tables are lowered already.
func (l *lowerer) results(n *Node, out []form) ([]form, error) {
	linear, stumps, trees := LowerAffine, LowerSelect, LowerSelect
	codes, single, several := map[int32]bool{}, map[atom]bool{}, map[atom]bool{}
	var first int32 // tree of several codes
	for _, f := range out {
		for _, t := range f.terms {
			switch {
			case t.kind == atomCode:
				codes[t.a] = true
			case t.kind == atomBit:
				single[t.atom] = true
			case t.kind == atomSelect && t.a < tableDiagrams:
				root := atom{atomSelect, t.a, 0}
				if single[root] || several[root] {
					continue
				}
				if _, ok := l.singleCode(t.a); ok {
					single[root] = true
				} else {
					if len(several) == 0 {
						first = t.a
					}
					several[root] = true
				}
			}
		}
	}
	if len(codes) > 0 {
		linear = l.pick(partLinear, n, len(codes), LowerAffine)
	}
	if len(single) > 0 {
		stumps = l.pick(partStumps, n, len(single), LowerSelect)
		l.part(partStumps, n).met = single
	}
	if len(several) > 0 {
		trees = l.pick(partTrees, n, len(several), LowerSelect)
		l.part(partTrees, n).met = several
	}
	if trees == LowerAffine {
		return nil, l.impossible(l.whereNodeOf(first, n), LowerAffine, notAffine)
	}
	for i, f := range out {
		var err error
		out[i], err = l.replace(f, func(t term) (form, error) {
			switch {
			case t.kind == atomCode:
				return l.code(n, t.a, linear)
			case t.kind == atomBit:
				return l.testResult(n, t.a, stumps)
			case t.kind == atomSelect && t.a < tableDiagrams && single[atom{atomSelect, t.a, 0}]:
				return l.treeResult(n, t.a, int(t.b), stumps)
			case t.kind == atomSelect && t.a < tableDiagrams:
				return l.treeResult(n, t.a, int(t.b), trees)
			}
			return atomForm(t.kind, t.a, t.b), nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// testResult returns a client's bit as something that a result can add.
func (l *lowerer) testResult(n *Node, sel int32, how Lowering) (form, error) {
	switch how {
	case LowerSelect:
		return l.selectTest(sel), nil
	case LowerAffine:
		s := l.selectors[sel]
		f, ok := l.hot(s.Code, func(x int64) int64 { return s.Bit(x - l.lo[s.Code]) })
		if !ok {
			return form{}, l.manyValues(n, s.Code)
		}
		return f, nil
	}
	return l.test(n, sel, how), nil
}

// manyValues is why functions of a code cannot be packed.
func (l *lowerer) manyValues(n *Node, code int32) error {
	return l.impossible(n, LowerAffine, "input code %d has %d values; tests of at most 128 can be packed", code, l.hi[code]-l.lo[code]+1)
}

// treeResult returns a component of a diagram as something that a result can add.
func (l *lowerer) treeResult(n *Node, root int32, component int, how Lowering) (form, error) {
	switch how {
	case LowerSelect:
		return atomForm(atomSelect, root, int32(component)), nil
	case LowerAffine:
		code, _ := l.singleCode(root)
		f, ok := l.hot(code, func(x int64) int64 { return l.leafAt(root, x-l.lo[code])[component] })
		if !ok {
			return form{}, l.manyValues(n, code)
		}
		return f, nil
	}
	return l.treeValue(n, root, component, how, false)
}

// code returns an input code as something that a result can add.
func (l *lowerer) code(n *Node, code int32, how Lowering) (form, error) {
	switch how {
	case LowerSelect: // the sum of its digits
		digits, err := l.digits(n, code)
		if err != nil {
			return form{}, err
		}
		return l.replace(digits, func(t term) (form, error) { return l.selectTest(t.a), nil })
	case LowerRotate: // the table of the numbers themselves
		if f, ok := l.codeForms[code]; ok {
			return f, nil
		}
		e := &elem{form: atomForm(atomCode, code, 0), lo: l.lo[code], hi: l.hi[code], fn: func(x int64) int64 { return x }}
		if _, err := l.rotation(n, e); err != nil {
			return form{}, err
		}
		l.codeForms[code] = l.grow(grownKey{grownCodes, how}, n, e)
		return l.codeForms[code], nil
	}
	return atomForm(atomCode, code, 0), nil
}

// selectTest returns a client's bit as a select between 1 and 0, a tree of one node: a bit alone is not a ciphertext that can be added. Such trees are
// numbered after the nodes of the graph.
func (l *lowerer) selectTest(sel int32) form {
	id := int32(len(l.g.Nodes)) + sel
	if l.diagrams[id] == nil {
		l.diagrams[id] = &whereNode{selector: sel, hi: leafChild(1), lo: leafChild(0), size: 1}
	}
	return atomForm(atomSelect, id, 0)
}

type treeKey struct {
	root int32
	how  Lowering
}

// treeValue returns a component of a diagram's value as a sum of computed values. either lets a tree that cannot be rotated be looked up.
func (l *lowerer) treeValue(n *Node, root int32, component int, how Lowering, either bool) (form, error) {
	key := treeKey{root, how}
	if f, ok := l.treeForms[key]; ok {
		return f[component], nil
	}
	var forms []form
	var err error
	if how == LowerRotate {
		forms, err = l.rotatedTree(n, root)
		if err != nil && either {
			forms, err = l.lookedUpTree(n, root)
		}
	} else {
		forms, err = l.lookedUpTree(n, root)
	}
	if err != nil {
		return form{}, err
	}
	l.treeForms[key] = forms
	return forms[component], nil
}

// whereNodeOf returns the graph's node that a diagram came from, for errors, or n where it came from none.
func (l *lowerer) whereNodeOf(root int32, n *Node) *Node {
	if int(root) < len(l.g.Nodes) {
		return l.g.Nodes[root]
	}
	return n
}

// walk follows one path of a diagram and returns its leaf.
func (l *lowerer) walk(root int32, bit func(sel int32) int64) []int64 {
	c := whereChild{node: root}
	for c.node >= 0 {
		w := l.diagrams[c.node]
		if bit(w.selector) == 1 {
			c = w.hi
		} else {
			c = w.lo
		}
	}
	return c.leaf
}

// selectorsOf lists the selectors of a diagram in the order of a walk through it.
func (l *lowerer) selectorsOf(root int32) (sels []int32) {
	seen, met := map[int32]bool{}, map[int32]bool{}
	var visit func(c whereChild)
	visit = func(c whereChild) {
		if c.node < 0 {
			return
		}
		if met[c.node] {
			return
		}
		met[c.node] = true
		w := l.diagrams[c.node]
		if !seen[w.selector] {
			seen[w.selector] = true
			sels = append(sels, w.selector)
		}
		visit(w.hi)
		visit(w.lo)
	}
	visit(whereChild{node: root})
	return sels
}

// rotatedTree makes a small diagram one table for each component: of all combinations of its tests, or of the binary digits of its codes where those are fewer.
func (l *lowerer) rotatedTree(n *Node, root int32) ([]form, error) {
	sels, components := l.selectorsOf(root), l.diagrams[root].size
	type place struct{ shift, width int }
	places, width := map[int32]place{}, 0
	var order []int32
	for _, s := range sels {
		code := l.selectors[s].Code
		if _, ok := places[code]; !ok {
			order = append(order, code)
			w := bits.Len64(uint64(l.hi[code] - l.lo[code]))
			places[code] = place{width, w}
			width += w
		}
	}
	e := elem{}
	var leaf func(z int64) []int64
	if width < len(sels) {
		for _, code := range order {
			w := int64(1) << places[code].shift
			e.form.terms = append(e.form.terms, term{atom{atomCode, code, 0}, w})
			e.form.c -= w * l.lo[code]
		}
		leaf = func(z int64) []int64 {
			return l.walk(root, func(sel int32) int64 {
				s := l.selectors[sel]
				p := places[s.Code]
				return s.Bit(min(z>>p.shift&(1<<p.width-1), l.hi[s.Code]-l.lo[s.Code]))
			})
		}
	} else {
		width = len(sels)
		at := map[int32]int{}
		for i, s := range sels {
			at[s] = i
			if i < 62 {
				e.form.terms = append(e.form.terms, term{atom{atomBit, s, 0}, 1 << i})
			}
		}
		leaf = func(z int64) []int64 {
			return l.walk(root, func(sel int32) int64 { return z >> at[sel] & 1 })
		}
	}
	if width > bits.Len(uint(l.degree))-1 {
		return nil, l.impossible(l.whereNodeOf(root, n), LowerRotate, "a tree of %d tests takes a table of 2^%d entries; a table rotated by input bits has at most %d",
			len(sels), width, l.degree)
	}
	e.form = sumForms(e.form.c, []form{{terms: e.form.terms}}, []int64{1})
	e.hi = 1<<width - 1
	leaves := make([][]int64, 1<<width)
	for z := range leaves {
		leaves[z] = leaf(int64(z))
	}
	out := make([]form, components)
	for i := range out {
		c := e
		c.fn = func(z int64) int64 { return leaves[z][i] }
		out[i] = l.grow(grownKey{grownTrees, LowerRotate}, n, &c)
	}
	return out, nil
}

// maxPaths bounds the leaves that a tree has where it is looked up: each costs a bootstrap.
const maxPaths = 1 << 12

// path is one way through a diagram: tests with the answer that each must have.
type path struct {
	tests []int32
	want  []int64
	leaf  []int64
}

// paths lists the ways through a diagram that tests on it do not rule out.
func (l *lowerer) paths(n *Node, root int32) ([]path, error) {
	var out []path
	size := l.diagrams[root].size
	var visit func(c whereChild, p path) error
	visit = func(c whereChild, p path) error {
		if c.node < 0 {
			if len(out) == maxPaths {
				return l.impossible(l.whereNodeOf(root, n), LowerLookup, "a tree has more than %d paths", maxPaths)
			}
			out = append(out, path{slices.Clone(p.tests), slices.Clone(p.want), c.leaf[:size]})
			return nil
		}
		w := l.diagrams[c.node]
		for want, next := range []whereChild{w.lo, w.hi} {
			if i := slices.Index(p.tests, w.selector); i >= 0 {
				if p.want[i] != int64(want) {
					continue
				}
				if err := visit(next, p); err != nil {
					return err
				}
				continue
			}
			if err := visit(next, path{tests: append(p.tests, w.selector), want: append(p.want, int64(want))}); err != nil {
				return err
			}
		}
		return nil
	}
	return out, visit(whereChild{node: root}, path{})
}

// lookedUpTree makes a tree a sum of leaves times indicators: a leaf is reached where as many tests of its path have the right answer as there are. Tests
// are looked up at the codes, indicators at the number of right answers.
func (l *lowerer) lookedUpTree(n *Node, root int32) ([]form, error) {
	paths, err := l.paths(n, root)
	if err != nil {
		return nil, err
	}
	// The other leaves count from the most frequent one, which needs no indicators.
	base, most := 0, 0
	for i, p := range paths {
		count := 0
		for _, q := range paths {
			if slices.Equal(p.leaf, q.leaf) {
				count++
			}
		}
		if count > most {
			base, most = i, count
		}
	}
	from := paths[base].leaf
	var parts []form
	weights := make([][]int64, len(from))
	for _, p := range paths {
		if slices.Equal(p.leaf, from) {
			continue
		}
		f, err := l.indicator(n, root, p)
		if err != nil {
			return nil, err
		}
		parts = append(parts, f)
		for o := range from {
			weights[o] = append(weights[o], p.leaf[o]-from[o])
		}
	}
	out := make([]form, len(from))
	for o := range out {
		out[o] = sumForms(from[o], parts, weights[o])
	}
	return out, nil
}

// indicator returns the value that is 1 where a path is taken and 0 elsewhere.
func (l *lowerer) indicator(n *Node, root int32, p path) (form, error) {
	sum := constForm(0)
	for i, sel := range p.tests {
		w := 2*p.want[i] - 1
		sum = sumForms(1-p.want[i], []form{sum, l.test(n, sel, LowerLookup)}, []int64{1, w})
	}
	depth := int64(len(p.tests))
	if depth == 1 {
		return sum, nil
	}
	if depth >= 1<<tableBits {
		return form{}, l.impossible(l.whereNodeOf(root, n), LowerLookup, "a path of %d tests is too long for a lookup of their number, which has at most %d values", depth, 1<<tableBits)
	}
	return l.grow(grownKey{grownLeaves, LowerLookup}, n, &elem{form: sum, hi: depth, fn: func(x int64) int64 { return x / depth }}), nil
}
