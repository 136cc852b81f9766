package compiler

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

var errTooLarge = errors.New("a value could reach 2^62")

// inferBounds returns the bounds of each element of n, whose Shape is set and valid. Every operation but where, sum, conv and
// matmul works element by element on intervals, and all are exact for independent arguments. An input's bounds are its own.
func inferBounds(n *Node) (lo, hi []int64, err error) {
	switch n.Op {
	case OpInput:
		lo, hi = n.Lo, n.Hi
		if size := n.Size(); len(lo) != size || len(hi) != size {
			return nil, nil, fmt.Errorf("%d and %d bounds for %d elements", len(lo), len(hi), size)
		}
	case OpConstant:
		lo, hi = n.Value.Data, n.Value.Data
	case OpMatMul:
		lo, hi, err = matMulBounds(n)
	case OpConv:
		lo, hi, err = convBounds(n)
	case OpSum:
		lo, hi, err = sumBounds(n)
	case OpReshape, OpTranspose, OpConcatenate, OpGetItem, OpTake:
		lo = moveElements(n, func(a *Node) []int64 { return a.Lo })
		hi = moveElements(n, func(a *Node) []int64 { return a.Hi })
	case OpNegative, OpClip, OpRound, OpRoundApproximate, OpBits, OpLookup:
		lo, hi, err = unaryBounds(n)
	case OpWhere:
		lo, hi, err = whereBounds(n)
	default:
		lo, hi, err = binaryBounds(n)
	}
	if err != nil {
		return nil, nil, err
	}
	for i, l := range lo {
		if l > hi[i] {
			return nil, nil, fmt.Errorf("element %d: bounds %d..%d are empty", i, l, hi[i])
		}
		if l <= -boundLimit || hi[i] >= boundLimit {
			return nil, nil, fmt.Errorf("element %d: %w", i, errTooLarge)
		}
	}
	return lo, hi, nil
}

// moveElements returns the elements of a reshape, transpose, concatenate, getitem or take, given its arguments' elements. The
// result may share their memory.
func moveElements(n *Node, of func(*Node) []int64) []int64 {
	first := of(n.Args[0])
	switch n.Op {
	case OpTranspose:
		out := make([]int64, len(first))
		for i, j := range transposeIndex(n.Args[0].Shape, n.Ints) {
			out[i] = first[j]
		}
		return out
	case OpConcatenate:
		out := make([]int64, 0, n.Size())
		outer, _, _ := splitAxis(n.Shape, int(n.Ints[0]))
		for o := range outer {
			for _, a := range n.Args {
				data := of(a)
				chunk := len(data) / outer
				out = append(out, data[o*chunk:(o+1)*chunk]...)
			}
		}
		return out
	case OpTake:
		index := takeIndex(n)
		out := make([]int64, len(index))
		for i, j := range index {
			out[i] = first[j]
		}
		return out
	case OpGetItem:
		size := n.Size()
		i := int(n.Ints[0]) * size
		return first[i : i+size : i+size]
	default: // OpReshape
		return first
	}
}

// product returns a*b and whether it is below 2^62 in magnitude.
func product(a, b int64) (int64, bool) {
	high, low := bits.Mul64(magnitude(a), magnitude(b))
	return a * b, high == 0 && low < uint64(boundLimit)
}

// magnitude returns |a|.
func magnitude(a int64) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

// accumulate adds v to *sum, both below 2^62 in magnitude, and reports whether the result still is.
func accumulate(sum *int64, v int64) bool {
	*sum += v
	return -boundLimit < *sum && *sum < boundLimit
}

// matMulBounds weighs, for each result, each element's bounds by the known factor: the work of one product. The partial
// sums must fit as well as the results.
func matMulBounds(n *Node) (lo, hi []int64, err error) {
	a, b := n.Args[0], n.Args[1]
	right := b.Known()
	if !right && !a.Known() {
		return nil, nil, errors.New("neither argument is a constant")
	}
	m, k, cols := matMulDims(a.Shape, b.Shape)
	lo, hi = make([]int64, m*cols), make([]int64, m*cols)
	for i := range m {
		for j := range k {
			for c := range cols {
				p, q, at := i*k+j, j*cols+c, i*cols+c
				l, h, w := a.Lo[p], a.Hi[p], b.Lo[q]
				if !right {
					l, h, w = b.Lo[q], b.Hi[q], a.Lo[p]
				}
				if w < 0 {
					l, h = h, l
				}
				l, okl := product(l, w)
				h, okh := product(h, w)
				if !okl || !okh || !accumulate(&lo[at], l) || !accumulate(&hi[at], h) {
					return nil, nil, fmt.Errorf("element %d: %w", at, errTooLarge)
				}
			}
		}
	}
	return lo, hi, nil
}

func sumBounds(n *Node) (lo, hi []int64, err error) {
	a := n.Args[0]
	outer, size, inner := 1, len(a.Lo), 1
	if len(n.Ints) == 1 {
		outer, size, inner = splitAxis(a.Shape, int(n.Ints[0]))
	}
	lo, hi = make([]int64, outer*inner), make([]int64, outer*inner)
	for i := range a.Lo {
		at := i/(size*inner)*inner + i%inner
		if !accumulate(&lo[at], a.Lo[i]) || !accumulate(&hi[at], a.Hi[i]) {
			return nil, nil, fmt.Errorf("element %d: %w", at, errTooLarge)
		}
	}
	return lo, hi, nil
}

// unaryBounds is for the operations of one argument that are not moves or sums.
func unaryBounds(n *Node) (lo, hi []int64, err error) {
	a := n.Args[0]
	switch n.Op {
	case OpBits:
		return bitsBounds(a, int(n.Ints[0]))
	case OpLookup:
		return lookupBounds(a, n.Table)
	case OpRound, OpRoundApproximate:
		if n.Ints[0] < 1 || n.Ints[0] > 61 {
			return nil, nil, fmt.Errorf("%d bits dropped, want 1 to 61", n.Ints[0])
		}
	case OpClip:
		if n.Ints[0] > n.Ints[1] {
			return nil, nil, fmt.Errorf("limits %d..%d are empty", n.Ints[0], n.Ints[1])
		}
	}
	lo, hi = make([]int64, len(a.Lo)), make([]int64, len(a.Lo))
	for i, l := range a.Lo { // round and clip are monotone
		lo[i], hi[i] = unary(n, l), unary(n, a.Hi[i])
		if n.Op == OpNegative {
			lo[i], hi[i] = hi[i], lo[i]
		}
	}
	return lo, hi, nil
}

// unary returns the value of a negative, round or clip of x.
func unary(n *Node, x int64) int64 {
	switch n.Op {
	case OpNegative:
		return -x
	case OpRound, OpRoundApproximate:
		return roundShift(x, uint(n.Ints[0]))
	default: // OpClip
		return min(max(x, n.Ints[0]), n.Ints[1])
	}
}

// roundShift returns (x + 2^(d-1)) >> d; |x| < 2^62 and d <= 61 keep the sum below 2^63.
func roundShift(x int64, d uint) int64 { return (x + 1<<(d-1)) >> d }

// bitsBounds fixes a bit where the whole interval agrees on it and on all higher bits; otherwise both values occur, for
// consecutive multiples of 2^b differ in bit b.
func bitsBounds(a *Node, n int) (lo, hi []int64, err error) {
	lo, hi = make([]int64, 0, len(a.Lo)*n), make([]int64, 0, len(a.Lo)*n)
	for i, l := range a.Lo {
		if l < 0 || a.Hi[i]>>n != 0 {
			return nil, nil, fmt.Errorf("element %d: bounds %d..%d need more than %d unsigned bits", i, l, a.Hi[i], n)
		}
		for b := range n {
			if l>>b == a.Hi[i]>>b {
				lo, hi = append(lo, l>>b&1), append(hi, l>>b&1)
			} else {
				lo, hi = append(lo, 0), append(hi, 1)
			}
		}
	}
	return lo, hi, nil
}

// lookupBounds takes the extremes of each row over the element's interval. Runs of equal intervals on the shared row are
// computed once.
func lookupBounds(a *Node, t *Table) (lo, hi []int64, err error) {
	lo, hi = make([]int64, len(a.Lo)), make([]int64, len(a.Lo))
	for i, l := range a.Lo {
		if i > 0 && len(t.Values) == 1 && l == a.Lo[i-1] && a.Hi[i] == a.Hi[i-1] {
			lo[i], hi[i] = lo[i-1], hi[i-1]
			continue
		}
		first, row := t.Row(i)
		if l < first || a.Hi[i]-first >= int64(len(row)) {
			return nil, nil, fmt.Errorf("element %d: the table covers %d..%d, the argument %d..%d",
				i, first, first+int64(len(row))-1, l, a.Hi[i])
		}
		row = row[l-first : a.Hi[i]-first+1]
		lo[i], hi[i] = slices.Min(row), slices.Max(row)
	}
	return lo, hi, nil
}

// whereBounds takes the union of the branches, or the one that a known condition selects.
func whereBounds(n *Node) (lo, hi []int64, err error) {
	cond, a, b := n.Args[0], n.Args[1], n.Args[2]
	sc, sa, sb := spreadTo(cond.Shape, n.Shape), spreadTo(a.Shape, n.Shape), spreadTo(b.Shape, n.Shape)
	for i, l := range cond.Lo {
		if l < 0 || cond.Hi[i] > 1 {
			return nil, nil, fmt.Errorf("element %d of the condition: bounds %d..%d are not within 0..1", i, l, cond.Hi[i])
		}
	}
	size := n.Size()
	lo, hi = make([]int64, size), make([]int64, size)
	for i := range size {
		c, p, q := sc.at(i), sa.at(i), sb.at(i)
		switch {
		case cond.Lo[c] == 1:
			lo[i], hi[i] = a.Lo[p], a.Hi[p]
		case cond.Hi[c] == 0:
			lo[i], hi[i] = b.Lo[q], b.Hi[q]
		default:
			lo[i], hi[i] = min(a.Lo[p], b.Lo[q]), max(a.Hi[p], b.Hi[q])
		}
	}
	return lo, hi, nil
}

// binaryBounds is for the element-wise operations of two arguments.
func binaryBounds(n *Node) (lo, hi []int64, err error) {
	a, b := n.Args[0], n.Args[1]
	sa, sb := spreadTo(a.Shape, n.Shape), spreadTo(b.Shape, n.Shape)
	size := n.Size()
	lo, hi = make([]int64, size), make([]int64, size)
	for i := range size {
		p, q := sa.at(i), sb.at(i)
		var ok bool
		if lo[i], hi[i], ok = binaryInterval(n.Op, a.Lo[p], a.Hi[p], b.Lo[q], b.Hi[q]); !ok {
			return nil, nil, fmt.Errorf("element %d: %w", i, errTooLarge)
		}
	}
	return lo, hi, nil
}

// binaryInterval returns the least and greatest value of op on al..ah and bl..bh, and false when a product reaches 2^62.
func binaryInterval(op Op, al, ah, bl, bh int64) (lo, hi int64, ok bool) {
	switch op {
	case OpAdd, OpMaximum, OpMinimum:
		return binaryValue(op, al, bl), binaryValue(op, ah, bh), true
	case OpSubtract, OpGreater, OpGreaterEqual: // rising in a, falling in b
		return binaryValue(op, al, bh), binaryValue(op, ah, bl), true
	case OpLess, OpLessEqual:
		return binaryValue(op, ah, bl), binaryValue(op, al, bh), true
	case OpEqual:
		return truth(al == ah && bl == bh && al == bl), truth(al <= bh && bl <= ah), true
	case OpNotEqual:
		return truth(al > bh || bl > ah), truth(!(al == ah && bl == bh && al == bl)), true
	default: // OpMultiply: the extremes are at the corners
		ok = true
		for i, c := range [4][2]int64{{al, bl}, {al, bh}, {ah, bl}, {ah, bh}} {
			p, fits := product(c[0], c[1])
			ok = ok && fits
			if i == 0 {
				lo, hi = p, p
			}
			lo, hi = min(lo, p), max(hi, p)
		}
		return lo, hi, ok
	}
}

// binaryValue returns the value of an element-wise operation of two arguments.
func binaryValue(op Op, a, b int64) int64 {
	switch op {
	case OpAdd:
		return a + b
	case OpSubtract:
		return a - b
	case OpMultiply:
		return a * b
	case OpLessEqual:
		return truth(a <= b)
	case OpLess:
		return truth(a < b)
	case OpGreater:
		return truth(a > b)
	case OpGreaterEqual:
		return truth(a >= b)
	case OpEqual:
		return truth(a == b)
	case OpNotEqual:
		return truth(a != b)
	case OpMaximum:
		return max(a, b)
	case OpMinimum:
		return min(a, b)
	}
	panic("compiler: internal error: " + string(op) + " is not an operation of two arguments")
}

// truth is numpy's integer value of a comparison.
func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
