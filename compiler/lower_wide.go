package compiler

import (
	"fmt"
	"math/bits"
	"slices"
)

// A computed value of more than 8 bits is taken apart into its bits, lowest first: each is brought to the top, looked up and subtracted (the digits of base 2; wider ones
// need a padding bit, which costs a lookup of its own). What a function of the value is made of depends on it:
//
//   - a sum of the bits with weights (shifts, divisions by powers of two, remainders by them, masks), and a comparison with a constant, which is the highest bit of
//     a difference: nothing more is needed;
//   - anything else: the lookups give GGSW ciphertexts of the bits (circuit bootstrapping, tfhe.Expander.ComputedSelector), by which the table is read as by a
//     client's bits: CMUX choose among its polynomials by the high bits, and turn the one that is left by the low ones. Results are digits of
//     wideDigit bits, since what selectors of computed bits add is a million times the noise of a lookup. Where another table takes them each digit is looked up once more.
//
// All functions of a value share its bits.

const (
	// maxWideBits is the widest argument of a table that is read by bits: 2^16 entries, 32 polynomials.
	maxWideBits = 16
	// maxExtractBits bounds the bits that a value is taken apart into: those of the argument and those that are rounded away.
	maxExtractBits = 24
	// wideDigit is the bits of a digit of a wide table's result.
	wideDigit = 4
)

// extraction is an element of a vector that is taken apart: its bits are elements at, at+1, ... of the vector.
type extraction struct {
	vec   *vector
	elem  *elem
	at    int32
	width int // bits
}

// extractKey names the bits of a form: those of form - start, of which there are width, as selectors where they are needed as such.
type extractKey struct {
	form      string
	width     int
	selectors bool
}

// wideResult is a function of a wide value in digits: lo + sum of 2^(wideDigit d) digits[d].
type wideResult struct {
	node      *Node
	lo        int64
	digits    []term // atoms of turned tables, with weight 1
	most      []int64
	refreshed form // with the digits looked up once more, once something needs that
	done      bool
}

// wide tells whether a lookup cannot take the values of e's form.
func (e *elem) wide() bool {
	lo, hi := e.domain()
	return uint64(hi-lo) >= 1<<tableBits
}

// split says how many low bits of the form of e are dropped, and how many are left, after start was subtracted.
func (e *elem) split() (start int64, drop, width int) {
	lo, hi := roundShiftIf(e.lo, e.drop), roundShiftIf(e.hi, e.drop)
	start = lo << e.drop
	if e.drop > 0 {
		start -= 1 << (e.drop - 1)
	}
	return start, e.drop, max(bits.Len64(uint64(hi-lo)), 1)
}

// byBits computes a vector of functions of computed values by the bits of these.
func (l *lowerer) byBits(v *vector) error {
	v.done = true
	type job struct {
		e     *elem
		how   bitSum
		x     *extraction
		first int // bits below are not read
		width int
	}
	jobs := make([]job, 0, len(v.elems))
	type wanted struct {
		form      form
		width     int
		selectors bool
		first     int
	}
	var news []wanted
	at := map[extractKey]int{}
	want := make([]int, 0, len(v.elems))
	ask := func(w wanted) int {
		key := extractKey{fmt.Sprint(w.form), w.width, w.selectors}
		if i, ok := at[key]; ok {
			news[i].first = min(news[i].first, w.first)
			return i
		}
		at[key] = len(news)
		news = append(news, w)
		return len(news) - 1
	}
	for _, e := range v.elems {
		if lo, hi := roundShiftIf(e.lo, e.drop), roundShiftIf(e.hi, e.drop); uint64(hi-lo) >= 1<<maxWideBits {
			return l.fail(v.node, "the argument has %d values; a table takes at most %d: round it first, with round_bits in a program, or use fewer bits", uint64(hi-lo)+1, 1<<maxWideBits)
		}
		j := job{e: e}
		if e.constant() {
			e.value, e.vec = constForm(e.fn(e.lo)), v
			jobs, want = append(jobs, job{}), append(want, -1)
			continue
		}
		if e.drop == 0 && !l.selected(e) {
			j.how = e.bitSum()
		}
		if j.how.ok {
			j.width, j.first = j.how.width, j.how.width
		} else {
			var start int64
			start, j.first, j.width = e.split()
			j.how.start = start
			j.width += j.first
			for j.width-j.first > 1 && e.even(start, j.first, j.width) {
				j.first++
			}
		}
		if j.width > maxExtractBits {
			return l.fail(v.node, "the argument has %d bits of which %d are rounded away; at most %d are possible: use fewer bits", j.width, j.first, maxExtractBits)
		}
		f := sumForms(-j.how.start, []form{e.form}, []int64{1})
		w := ask(wanted{f, j.width, !j.how.ok, j.first})
		jobs, want = append(jobs, j), append(want, w)
	}
	// One vector for the new extractions of each width, with and without selectors.
	found := make([]*extraction, len(news))
	groups := map[extractKey]*vector{}
	sources := make([]form, len(news)) // all before the vectors, which read what is computed for them
	for i, w := range news {
		var err error
		if sources[i], err = l.values(v.node, w.form); err != nil {
			return err
		}
	}
	for i, w := range news {
		key := extractKey{fmt.Sprint(w.form), w.width, w.selectors}
		x := l.extractions[key]
		if x == nil && !w.selectors {
			x = l.extractions[extractKey{key.form, w.width, true}]
		}
		if x != nil && x.vec.from > w.first && w.selectors {
			x.vec.from = w.first
		}
		if x == nil {
			group := extractKey{"", w.width, w.selectors}
			vec := groups[group]
			if vec == nil {
				vec = &vector{node: v.node, extract: w.width, from: w.width}
				groups[group] = vec
				l.add(vec)
			}
			if w.selectors {
				vec.from = min(vec.from, w.first)
			}
			e := &elem{form: sources[i], hi: 1<<w.width - 1, fn: func(x int64) int64 { return x }, vec: vec}
			x = &extraction{vec: vec, elem: e, at: int32(len(vec.elems) * w.width), width: w.width}
			vec.elems = append(vec.elems, e)
			l.extractions[key] = x
		}
		found[i] = x
	}
	turned := &vector{node: v.node, rotate: true, computed: true}
	for i, j := range jobs {
		if want[i] < 0 {
			continue
		}
		x := found[want[i]]
		if j.how.ok {
			f := constForm(j.how.base)
			for b, w := range j.how.weights {
				if w != 0 {
					f.terms = append(f.terms, term{atom{atomValue, x.vec.id, x.at + int32(b)}, w})
				}
			}
			j.e.value, j.e.vec = sumForms(0, []form{f}, []int64{1}), v
			continue
		}
		if len(turned.elems) == 0 {
			l.add(turned)
		}
		l.turn(v, turned, j.e, x, j.how.start, j.first, j.width)
	}
	return nil
}

// selected tells whether there are selectors of the bits of e's argument already: a table that these turn costs no lookup.
func (l *lowerer) selected(e *elem) bool {
	start, drop, width := e.split()
	return l.extractions[extractKey{fmt.Sprint(sumForms(-start, []form{e.form}, []int64{1})), drop + width, true}] != nil
}

// turn gives e a value in digits, each a table read by bits first..width-1 of x.
func (l *lowerer) turn(v, turned *vector, e *elem, x *extraction, start int64, first, width int) {
	size := int64(1) << (width - first)
	table := make([]int64, size)
	for i := range table {
		table[i] = e.at(start + int64(i)<<first)
	}
	lo, hi := slices.Min(table), slices.Max(table)
	r := &wideResult{node: v.node, lo: lo}
	for d := 0; d == 0 || (hi-lo)>>(wideDigit*d) > 0; d++ {
		digit := make([]int64, size)
		for i, y := range table {
			digit[i] = (y - lo) >> (wideDigit * d) & (1<<wideDigit - 1)
		}
		r.digits = append(r.digits, term{atom{atomValue, turned.id, int32(len(turned.elems))}, 1})
		r.most = append(r.most, slices.Max(digit))
		turned.elems = append(turned.elems, &elem{extraction: x, first: first, table: digit, vec: turned})
	}
	id := wideVectors + int32(len(l.wides))
	l.wides = append(l.wides, r)
	e.value, e.vec = atomForm(atomValue, id, 0), v
}

// wideVectors is the number of the first wide result among vectors.
const wideVectors = 1 << 28

// unwrapped replaces wide results by sums of their digits: where a result of the circuit is one of them alone as they are, since the client decodes each, and elsewhere
// looked up once more.
func (l *lowerer) unwrapped(f form, result bool) (form, error) {
	direct := result && len(f.terms) == 1 && abs(f.terms[0].w) == 1
	return l.replace(f, func(t term) (form, error) {
		if t.kind != atomValue || t.a < wideVectors {
			return atomForm(t.kind, t.a, t.b), nil
		}
		r := l.wides[t.a-wideVectors]
		if direct {
			return r.sum(r.digits), nil
		}
		return l.refresh(r), nil
	})
}

// sum is the form of a result with the given digits.
func (r *wideResult) sum(digits []term) form {
	f := constForm(r.lo)
	for d, t := range digits {
		f.terms = append(f.terms, term{t.atom, 1 << (wideDigit * d)})
	}
	return sumForms(0, []form{f}, []int64{1})
}

// refresh looks the digits of a result up, which leaves the noise of a lookup alone.
func (l *lowerer) refresh(r *wideResult) form {
	if r.done {
		return r.refreshed
	}
	v := &vector{node: r.node, refresh: true}
	digits := make([]term, len(r.digits))
	for d, t := range r.digits {
		e := &elem{form: form{terms: []term{t}}, hi: max(r.most[d], 1), fn: func(x int64) int64 { return x }}
		v.elems = append(v.elems, e)
	}
	l.add(v)
	for d, e := range v.elems {
		digits[d] = e.value.terms[0]
	}
	r.refreshed, r.done = r.sum(digits), true
	return r.refreshed
}

// at is e's function, continued beyond its domain by the values at the ends.
func (e *elem) at(x int64) int64 { return e.fn(min(max(x, e.lo), e.hi)) }

// even tells whether bit number bit of x - start makes no difference to e's function, where those below do not.
func (e *elem) even(start int64, bit, width int) bool {
	for i := int64(0); i < 1<<width; i += 2 << bit {
		a, b := start+i, start+i+1<<bit
		if a+1<<bit <= e.lo { // both outside
			continue
		}
		if b > e.hi {
			break
		}
		if e.at(a) != e.at(b) {
			return false
		}
	}
	return true
}

// constant tells whether e's function has one value.
func (e *elem) constant() bool {
	for x := e.lo + 1; x <= e.hi; x++ {
		if e.fn(x) != e.fn(e.lo) {
			return false
		}
	}
	return true
}

// bitSum is a function of the bits of x - start: base + sum of weights[b] * bit b.
type bitSum struct {
	ok      bool
	start   int64
	width   int
	base    int64
	weights []int64
}

// bitSum finds e's function as a sum of bits: of the argument less its smallest value, or less a number of which more powers of two are divisors, or of a single step.
func (e *elem) bitSum() bitSum {
	width := bits.Len64(uint64(e.hi - e.lo))
	starts := []int64{e.lo}
	for k := width; k > 0; k-- {
		if start := e.lo >> k << k; start != starts[len(starts)-1] && e.hi-start < 1<<(width+1) {
			starts = append(starts, start)
		}
	}
	for _, start := range starts {
		if s := e.sumFrom(start); s.ok {
			return s
		}
	}
	step, steps := e.lo, 0
	for x := e.lo + 1; x <= e.hi && steps < 2; x++ {
		if e.fn(x) != e.fn(x-1) {
			step, steps = x, steps+1
		}
	}
	if steps != 1 {
		return bitSum{}
	}
	k := 0
	for step-e.lo > 1<<k || e.hi-step >= 1<<k {
		k++
	}
	s := bitSum{ok: true, start: step - 1<<k, width: k + 1, base: e.fn(e.lo), weights: make([]int64, k+1)}
	s.weights[k] = e.fn(e.hi) - s.base
	return s
}

// sumFrom tests whether e's function is a sum of the bits of x - start.
func (e *elem) sumFrom(start int64) bitSum {
	width := bits.Len64(uint64(e.hi - start))
	s := bitSum{ok: true, start: start, width: width, weights: make([]int64, width)}
	// The function at start may be outside the domain: weights come from pairs of values that differ in one bit.
	for b := range s.weights {
		bit := int64(1) << b
		for i := max(e.lo-start, 0); i+bit <= e.hi-start; i++ {
			if i&bit == 0 {
				s.weights[b] = e.fn(start+i+bit) - e.fn(start+i)
				break
			}
		}
	}
	s.base = e.fn(e.lo) - s.of(e.lo-start)
	for x := e.lo; x <= e.hi; x++ {
		if s.base+s.of(x-start) != e.fn(x) {
			return bitSum{}
		}
	}
	return s
}

// of is the sum of the weights of the bits that are set in v.
func (s *bitSum) of(v int64) (sum int64) {
	for ; v != 0; v &= v - 1 {
		sum += s.weights[bits.TrailingZeros64(uint64(v))]
	}
	return sum
}
