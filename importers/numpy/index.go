package numpy

import (
	"slices"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// selection is what an index picks: for each element of the result one element of the array.
type selection struct {
	idx   []int
	shape []int
	fancy bool // an array of indices: numpy copies, where slices are views
}

// selectItems evaluates an index: integers, slices, None, ..., constant arrays of integers and constant masks, as numpy does.
func (b *Builder) selectItems(shape []int, index any) (selection, *Error) {
	parts, ok := index.(tuple)
	if !ok {
		parts = tuple{index}
	}
	used := 0 // axes that the parts consume
	dots := false
	for i, p := range parts {
		switch p := p.(type) {
		case nil:
		case ellipsis:
			if dots {
				return selection{}, fail("", "two ... in one index")
			}
			dots = true
		case *Value:
			if p.kind == kindBool {
				used += len(p.shape)
			} else {
				used++
			}
		case *list:
			v, err := b.value(p)
			if err != nil {
				return selection{}, err
			}
			parts[i] = v
			if v.kind == kindBool {
				used += len(v.shape)
			} else {
				used++
			}
		default:
			used++
		}
	}
	if used > len(shape) {
		return selection{}, fail("", "%d indices for an array of shape %s", used, shapeText(shape))
	}
	if !dots {
		parts = append(slices.Clone(parts), ellipsis{})
	}
	// Each axis of the array becomes a list of positions; fancy ones are read together.
	type axis struct {
		at    []int // positions along this axis of the array
		shape []int // axes of the result: nil for an integer, one for a slice
	}
	var axes []axis
	result := []int{}
	fancy := false
	var advanced []int // parts that are integers or arrays
	d := 0
	for number, p := range parts {
		switch p.(type) {
		case int64, *Value:
			advanced = append(advanced, number)
		}
		switch p := p.(type) {
		case nil:
			result = append(result, 1)
		case ellipsis:
			for range len(shape) - used {
				axes = append(axes, axis{at: sequence(shape[d]), shape: []int{shape[d]}})
				result = append(result, shape[d])
				d++
			}
		case bool:
			return selection{}, fail("use an array of conditions", "an index that is %v", p)
		case int64:
			i, err := axisIndex(p, shape[d])
			if err != nil {
				return selection{}, err
			}
			axes = append(axes, axis{at: []int{i}})
			d++
		case slice:
			at, err := p.positions(shape[d])
			if err != nil {
				return selection{}, err
			}
			if len(at) == 0 {
				return selection{}, fail("arrays have at least one element here", "the slice of an axis of %d is empty", shape[d])
			}
			axes = append(axes, axis{at: at, shape: []int{len(at)}})
			result = append(result, len(at))
			d++
		case *Value:
			if p.Encrypted() {
				return selection{}, fail("an encrypted value can index a constant array of one axis, as a table", "an encrypted index of an array of shape %s", shapeText(shape))
			}
			if p.kind == kindFloat {
				return selection{}, fail("convert it with .astype(np.int64)", "an index in floating point")
			}
			if len(p.shape) == 0 && p.kind == kindInt {
				i, err := axisIndex(p.ints[0], shape[d])
				if err != nil {
					return selection{}, err
				}
				axes = append(axes, axis{at: []int{i}})
				d++
				continue
			}
			if fancy {
				return selection{}, fail("index in two steps", "two arrays as indices")
			}
			if p.kind == kindBool {
				if !slices.Equal(p.shape, shape[d:d+len(p.shape)]) || len(p.shape) != 1 {
					return selection{}, fail("a mask has one axis, as long as the one it selects from", "a mask of shape %s", shapeText(p.shape))
				}
				var at []int64
				for i, m := range p.ints {
					if m != 0 {
						at = append(at, int64(i))
					}
				}
				if len(at) == 0 {
					return selection{}, fail("arrays have at least one element here", "the mask selects nothing")
				}
				p = &Value{shape: []int{len(at)}, kind: kindInt, ints: at}
			}
			at := make([]int, len(p.ints))
			for i, j := range p.ints {
				var err *Error
				if at[i], err = axisIndex(j, shape[d]); err != nil {
					return selection{}, err
				}
			}
			fancy = true
			axes = append(axes, axis{at: at, shape: p.shape})
			result = append(result, p.shape...)
			d++
		default:
			return selection{}, fail("use constant integers and slices", "%s as an index", describe(p))
		}
	}
	if sizeOf(result) > 1<<22 {
		return selection{}, fail("", "an index that selects %d elements", sizeOf(result))
	}
	if n := len(advanced); fancy && advanced[n-1]-advanced[0] != n-1 { // numpy moves such axes to the front
		return selection{}, fail("index in two steps", "an array as index, and an integer that does not stand beside it")
	}
	strides := stridesOf(shape)
	out := []int{0}
	for i, a := range axes {
		next := make([]int, 0, len(out)*len(a.at))
		for _, o := range out {
			for _, p := range a.at {
				next = append(next, o+p*strides[i])
			}
		}
		out = next
	}
	return selection{idx: out, shape: result, fancy: fancy}, nil
}

func axisIndex(i int64, size int) (int, *Error) {
	if i < -int64(size) || i >= int64(size) {
		return 0, fail("", "index %d of an axis of %d", i, size)
	}
	if i < 0 {
		i += int64(size)
	}
	return int(i), nil
}

// positions returns what a slice of an axis selects.
func (s slice) positions(size int) ([]int, *Error) {
	get := func(x any, preset int64) (int64, *Error) {
		switch x := x.(type) {
		case nil:
			return preset, nil
		case int64:
			return x, nil
		case *Value:
			if !x.Encrypted() && x.kind == kindInt && len(x.shape) == 0 {
				return x.ints[0], nil
			}
		}
		return 0, fail("slices have constant limits", "%s as the limit of a slice", describe(x))
	}
	step, err := get(s.step, 1)
	if err != nil {
		return nil, err
	}
	if step == 0 {
		return nil, fail("", "a slice with step 0")
	}
	n := int64(size)
	first, last := int64(0), n
	if step < 0 {
		first, last = n-1, -1
	}
	limit := func(x any, preset int64) (int64, *Error) {
		v, err := get(x, preset)
		if err != nil || x == nil {
			return v, err
		}
		if v < 0 {
			v += n
		}
		if step > 0 {
			return min(max(v, 0), n), nil
		}
		return min(max(v, -1), n-1), nil
	}
	from, err := limit(s.from, first)
	if err != nil {
		return nil, err
	}
	to, err := limit(s.to, last)
	if err != nil {
		return nil, err
	}
	var out []int
	for i := from; step > 0 && i < to || step < 0 && i > to; {
		out = append(out, int(i))
		if step > n || step < -n {
			break
		}
		i += step
	}
	return out, nil
}

// item is Python's x[index].
func (b *Builder) item(x, index any) (any, *Error) {
	switch v := x.(type) {
	case tuple:
		return sequenceItem([]any(v), index, true)
	case *list:
		return sequenceItem(v.items, index, false)
	case table:
		i, err := b.value(index)
		if err != nil {
			return nil, err
		}
		return b.tableItem(v.rows, i)
	case string:
		return nil, fail("", "an item of a string")
	case *Value:
		if i, ok := index.(*Value); ok && i.Encrypted() {
			return b.tableItem(v, i)
		}
		sel, err := b.selectItems(v.shape, index)
		if err != nil {
			return nil, err
		}
		out := b.moved(v, sel.idx, sel.shape)
		if !sel.fancy && len(sel.shape) > 0 {
			out.view, v.viewed = true, true
		}
		return out, nil
	}
	return nil, fail("", "%s has no items", describe(x))
}

func sequenceItem(items []any, index any, isTuple bool) (any, *Error) {
	if v, ok := index.(*Value); ok {
		if v.Encrypted() {
			return nil, fail("make it an array with np.array(...), which an encrypted value can index", "an encrypted index of a list")
		}
		index = simplify(v)
	}
	switch i := index.(type) {
	case int64:
		j, err := axisIndex(i, len(items))
		if err != nil {
			return nil, err
		}
		return items[j], nil
	case slice:
		at, err := i.positions(len(items))
		if err != nil {
			return nil, err
		}
		out := pick(items, at)
		if isTuple {
			return tuple(out), nil
		}
		return &list{out}, nil
	}
	return nil, fail("", "%s as the index of a list", describe(index))
}

// tableItem looks encrypted values up in a constant array of one axis. As numpy's negative indices would count from the end, so they do here.
func (b *Builder) tableItem(t, i *Value) (*Value, *Error) {
	if t.Encrypted() || len(t.shape) != 1 {
		return nil, fail("an encrypted value can index a constant array of one axis", "an encrypted index of %s", t.describe())
	}
	if i.kind == kindFloat {
		return nil, fail("convert it with .astype(np.int64)", "an index in floating point")
	}
	i = plainInts(i)
	n := int64(t.shape[0])
	if !i.Encrypted() {
		sel, err := b.selectItems(t.shape, i)
		if err != nil {
			return nil, err
		}
		return b.moved(t, sel.idx, sel.shape), nil
	}
	lo, hi := i.Bounds()
	if i.hot != nil && hi < n && t.kind == kindInt {
		return b.hotItem(t, i.hot), nil
	}
	if lo < -n || hi >= n {
		return nil, fail("the table must cover all values of its index; np.clip limits it", "an index of %d to %d into a table of %d entries", lo, hi, n)
	}
	if err := i.tabulable(); err != nil {
		return nil, err
	}
	rows := make([][]float64, len(i.idx))
	for e := range rows {
		at := i.row(e)
		rows[e] = make([]float64, len(at))
		for j, x := range at {
			k := int64(x)
			if k < 0 {
				k += n
			}
			rows[e][j] = t.at(int(k))
		}
	}
	return b.fromRows(i, rows, t.kind)
}

// put is a[index] = v: numpy changes the array in place, and so every name of it.
func (b *Builder) put(a *Value, index, x any) *Error {
	if a.view || a.viewed {
		return fail("assign before slices are taken, or to a copy: a = a.copy()", "an array that shares its memory with another one is changed")
	}
	sel, err := b.selectItems(a.shape, index)
	if err != nil {
		return err
	}
	v, err := b.value(x)
	if err != nil {
		return err
	}
	if v.kind > a.kind {
		if !v.Encrypted() && !a.Encrypted() && a.kind == kindInt {
			return fail("make the array one of floating point, or convert the value with .astype(np.int64)", "floating point is assigned into %s", a.describe())
		}
		if a.kind == kindBool || v.kind == kindFloat {
			return fail("convert one of them", "%s is assigned into %s", v.describe(), a.describe())
		}
	}
	if v, err = b.astype(v, a.kind); err != nil {
		return err
	}
	if v, err = b.cast(v, a.typ); err != nil {
		return err
	}
	if shape, err := broadcastShapes(v, &Value{shape: sel.shape}); err != nil || !slices.Equal(shape, sel.shape) {
		return fail("", "%s is assigned to a part of shape %s", v.describe(), shapeText(sel.shape))
	}
	v = b.moved(v, broadcastIndex(v.shape, sel.shape), sel.shape)
	if a.kind == kindFloat && (a.Encrypted() || v.Encrypted()) {
		return fail("assign integers", "encrypted floating point is assigned into an array")
	}
	// The elements of a, then those of v.
	idx := sequence(a.size())
	for i, j := range sel.idx {
		idx[j] = a.size() + i
	}
	out := &Value{shape: a.shape, kind: a.kind}
	switch {
	case a.kind == kindFloat:
		out.data = pick(append(slices.Clone(a.data), v.data...), idx)
	case !a.Encrypted() && !v.Encrypted():
		out.ints = pick(append(slices.Clone(a.ints), v.ints...), idx)
	default:
		var parts []*compiler.Node
		parts = append(append(parts, b.flatNode(a)...), b.flatNode(v)...)
		out = rooted(b.take(b.g.Concatenate(0, parts...), idx, a.shape), a.kind)
	}
	out.typ = a.typ
	*a = *out
	return nil
}
