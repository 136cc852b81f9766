package numpy

import "slices"

// pythonOps are the binary operators as ufuncs.
var pythonOps = map[string]string{"+": "add", "-": "subtract", "*": "multiply", "/": "true_divide", "//": "floor_divide", "%": "remainder", "**": "power",
	"<<": "left_shift", ">>": "right_shift", "&": "bitwise_and", "|": "bitwise_or", "^": "bitwise_xor",
	"<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal", "==": "equal", "!=": "not_equal"}

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
		if b.encryptedInside(x, 0) {
			return nil, fail("compare with each, and combine with |", "in of an encrypted value")
		}
		if v, ok := y.(*Value); ok && len(v.shape) > 1 {
			return nil, fail("use (a == x).any()", "in among the rows of an array")
		}
		for _, i := range items {
			if b.encryptedInside(i, 0) {
				return nil, fail("compare with each, and combine with |", "in among encrypted values")
			}
			if b.same(i, x, 0) {
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
		if b.encryptedInside(x, 0) || b.encryptedInside(y, 0) {
			return nil, fail("make arrays of them first, with np.array", "the program compares lists of encrypted values")
		}
		return b.same(x, y, 0) == (op == "=="), nil
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

// descend counts a step into the items of a list. Lists may hold themselves, and one list many times: only the budget ends a walk through them.
func (b *Builder) descend(depth, items int) {
	b.spend(items)
	if depth > maxNesting {
		panic(abort{fail("", "lists nest more than %d deep", maxNesting)})
	}
}

// encryptedInside reports whether a value is encrypted or a list that holds such a value.
func (b *Builder) encryptedInside(x any, depth int) bool {
	var items []any
	switch v := x.(type) {
	case *Value:
		return v.Encrypted()
	case *list:
		items = v.items
	case tuple:
		items = v
	}
	b.descend(depth, len(items))
	for _, i := range items {
		if b.encryptedInside(i, depth+1) {
			return true
		}
	}
	return false
}

// same is Python's equality of constants.
func (b *Builder) same(x, y any, depth int) bool {
	if v, ok := x.(*Value); ok {
		x = simplify(v)
	}
	if v, ok := y.(*Value); ok {
		y = simplify(v)
	}
	switch p := x.(type) {
	case *list:
		q, ok := y.(*list)
		return ok && b.sameItems(p.items, q.items, depth)
	case tuple:
		q, ok := y.(tuple)
		return ok && b.sameItems(p, q, depth)
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
	case bool:
		return b.same(b2i(p), y, depth)
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

func (b *Builder) sameItems(p, q []any, depth int) bool {
	b.descend(depth, len(p))
	return len(p) == len(q) && !slices.ContainsFunc(sequence(len(p)), func(i int) bool { return !b.same(p[i], q[i], depth+1) })
}
