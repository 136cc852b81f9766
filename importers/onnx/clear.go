package onnx

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// The clear part: operators that are no affine functions but read the columns of a row alone become steps of a
// quantize.Pipeline, which the client computes before it encrypts. What a step makes is a further feature. Only functions
// of single columns and norms over columns are taken there: a weighted sum of columns would put weights of the model into
// the client's hands.

// slot is a feature: a column of a row, or the result of a step. Its index is that of the pipeline's slot.
type slot struct {
	name    string
	origin  int // the column that it is computed from alone; -1: several
	text    bool
	integer bool
	square  int // it is the square of this slot; -1: no
}

// clear holds the steps.
type clear struct {
	base    *basis // of the features
	columns int    // of a row
	slots   []slot // the columns, once a step was made of them
	steps   []quantize.Step
	words   map[int][]string // by text column
	wordAt  map[wordKey]int  // positions in words
	squares map[int]int      // slots of squares, by the slot that is squared
	cache   map[string]int   // slots of affine functions
}

// isClear reports whether every column is a function of one column of a row.
func (t *translator) isClear(v *vector) bool {
	if v.base.kind != basisFeatures || v.open || v.lead > 0 || t.openSlots() != nil {
		return false
	}
	for _, c := range v.cols {
		if t.origin(c) == -2 {
			return false
		}
	}
	return true
}

// origin returns the column of a row that c is computed from alone: -1 when it is one slot of several columns, -2 when it
// combines several, -3 for a constant.
func (t *translator) origin(c column) int {
	if len(c.idx) == 0 {
		return -3
	}
	from := t.clear.slots[c.idx[0]].origin
	for _, k := range c.idx[1:] {
		if from < 0 || t.clear.slots[k].origin != from {
			return -2
		}
	}
	return from
}

// openSlots makes the slots of the columns, whose number must be known.
func (t *translator) openSlots() error {
	if t.clear.slots != nil {
		return nil
	}
	if t.input.open {
		return fmt.Errorf("an input with a fixed number of columns")
	}
	for i := range t.clear.base.n {
		s := slot{name: "x" + strconv.Itoa(i), origin: i, square: -1}
		if i < len(t.kinds) {
			s.text, s.integer = t.kinds[i] == typeString, isIntegerType(t.kinds[i])
		}
		if t.named && i < len(t.names) {
			s.name = t.names[i]
		}
		t.clear.slots = append(t.clear.slots, s)
	}
	t.clear.columns = t.clear.base.n
	t.clear.words, t.clear.cache = map[int][]string{}, map[string]int{}
	t.clear.wordAt, t.clear.squares = map[wordKey]int{}, map[int]int{}
	return nil
}

// step adds a step; its results are features named as the first slot that it reads, or as names says.
func (t *translator) step(s quantize.Step, integer bool, names ...string) (int, error) {
	if err := t.openSlots(); err != nil {
		return 0, err
	}
	n := 1
	if s.Kind >= quantize.StepNormL1 {
		n = len(s.In)
	}
	if err := t.spend(len(s.In)+len(s.Args)+n, len(s.In)+len(s.Args)+n); err != nil {
		return 0, err
	}
	if t.clear.base.n+n > maxFeatures || len(t.clear.steps) >= quantize.MaxSteps {
		return 0, fmt.Errorf("at most %d features", maxFeatures)
	}
	at := len(t.clear.slots)
	origin := t.clear.slots[s.In[0]].origin
	for _, k := range s.In {
		if t.clear.slots[k].origin != origin {
			origin = -1
		}
	}
	for i := range n {
		from := t.clear.slots[s.In[min(i, len(s.In)-1)]]
		x := slot{name: from.name, origin: origin, integer: integer, square: -1}
		if i < len(names) {
			x.name = names[i]
		}
		t.clear.slots = append(t.clear.slots, x)
	}
	t.clear.steps = append(t.clear.steps, s)
	t.clear.base.n += n
	return at, nil
}

// slotOf returns the slot that holds column i of v, made by a step where it is no slot yet. anchor is a slot for constant
// columns, whose missing values they share.
func (t *translator) slotOf(v *vector, i, anchor int) (int, error) {
	c := v.cols[i]
	if len(c.idx) == 1 && c.w[0] == 1 && c.b == 0 {
		return int(c.idx[0]), nil
	}
	s := quantize.Step{Kind: quantize.StepSum}
	switch {
	case v.scale != nil && len(c.idx) == 1:
		s = quantize.Step{Kind: quantize.StepScale, In: []int{int(c.idx[0])}, Args: []float64{v.offset[i], v.scale[i]}}
	case len(c.idx) == 0:
		if anchor < 0 {
			return 0, fmt.Errorf("columns of the features, not only constants")
		}
		s.In, s.Args = []int{anchor}, []float64{0, c.b}
	case t.origin(c) == -2:
		return 0, fmt.Errorf("single columns of the features, scaled at most; it reads weighted sums of them")
	default:
		for _, k := range c.idx {
			s.In = append(s.In, int(k))
		}
		s.Args = append(slices.Clone(c.w), c.b)
	}
	for _, k := range s.In {
		if t.clear.slots[k].text {
			return 0, t.textError(k)
		}
	}
	key := fmt.Sprintln(s)
	if k, ok := t.clear.cache[key]; ok {
		return k, nil
	}
	k, err := t.step(s, false)
	t.clear.cache[key] = k
	return k, err
}

// slotsOf returns the slots of all columns.
func (t *translator) slotsOf(v *vector) ([]int, error) {
	if err := t.openSlots(); err != nil {
		return nil, err
	}
	anchor := -1
	for _, c := range v.cols {
		if len(c.idx) > 0 {
			anchor = int(c.idx[0])
			break
		}
	}
	out := make([]int, len(v.cols))
	for i := range out {
		var err error
		if out[i], err = t.slotOf(v, i, anchor); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// numeric refuses text columns.
func (t *translator) numeric(slots []int) error {
	for _, k := range slots {
		if t.clear.slots[k].text {
			return t.textError(k)
		}
	}
	return nil
}

func (t *translator) textError(k int) error {
	return malformed("column %q holds texts, where numbers are needed; encode it before, with OneHotEncoder or OrdinalEncoder, and export the model with that", t.clear.slots[k].name)
}

// each makes a step of every column of v; step returns it for the slot of the column.
func (t *translator) each(v *vector, integer bool, step func(i, slot int) quantize.Step) (*vector, error) {
	slots, err := t.slotsOf(v)
	if err != nil {
		return nil, err
	}
	if err := t.numeric(slots); err != nil {
		return nil, err
	}
	cols := make([]column, len(slots))
	for i, k := range slots {
		at, err := t.step(step(i, k), integer)
		if err != nil {
			return nil, err
		}
		cols[i] = slotColumn(at)
	}
	return v.with(cols, v.shape), nil
}

func slotColumn(k int) column { return column{idx: []int32{int32(k)}, w: []float64{1}} }

// numbers returns a value as a vector: labels that are the position of the largest of some clear columns (a column's bin)
// become a column.
func (t *translator) numbers(v value) (*vector, bool, error) {
	switch v := v.(type) {
	case *vector:
		return v, true, nil
	case *labels:
		if !t.isClear(v.scores) || !allIntegers(v.classes) {
			return nil, false, nil
		}
		slots, err := t.slotsOf(v.scores)
		if err != nil {
			return nil, false, err
		}
		if err := t.numeric(slots); err != nil {
			return nil, false, err
		}
		at, err := t.step(quantize.Step{Kind: quantize.StepArgMax, In: slots}, true)
		if err != nil {
			return nil, false, err
		}
		plain := true
		args := make([]float64, 0, 2*len(v.classes)+1)
		for i, c := range v.classes {
			plain = plain && c.Int == int64(i)
			args = append(args, float64(i), float64(c.Int))
		}
		if !plain {
			if at, err = t.step(quantize.Step{Kind: quantize.StepMap, In: []int{at}, Args: append(args, 0)}, true); err != nil {
				return nil, false, err
			}
		}
		return v.scores.with([]column{slotColumn(at)}, []int{1}), true, nil
	}
	return nil, false, nil
}

// word returns the number of a text in a column.
func (t *translator) word(k int, text string) float64 {
	at := t.clear.slots[k].origin
	key := wordKey{at, text}
	i, ok := t.clear.wordAt[key]
	if !ok {
		i = len(t.clear.words[at])
		t.clear.words[at] = append(t.clear.words[at], text)
		t.clear.wordAt[key] = i
	}
	return float64(i)
}

// wordKey is a text of a column.
type wordKey struct {
	column int
	text   string
}

// squares of the features make a model additive: every feature's terms are a polynomial of degree 2.
func (t *translator) additive(raw *vector, info models.Info) (models.Model, error) {
	w, b, err := t.dense(raw)
	if err != nil {
		return nil, err
	}
	m := &models.Additive{Info: info, Bias: b}
	squared := map[int]int{} // slot -> its square
	for k, s := range t.clear.slots {
		if s.square >= 0 {
			squared[s.square] = k
		}
	}
	k := len(b)
	for f := range raw.base.n {
		if t.clear.slots[f].square >= 0 {
			continue
		}
		term := models.Term{Feature: f, Shape: models.TermPolynomial, Scores: [][]float64{make([]float64, k), make([]float64, k)}}
		hit := false
		if sq, ok := squared[f]; ok {
			term.Scores = append(term.Scores, make([]float64, k))
			for o := range k {
				term.Scores[2][o] = w[o][sq]
				hit = hit || w[o][sq] != 0
			}
		}
		for o := range k {
			term.Scores[1][o] = w[o][f]
			hit = hit || w[o][f] != 0
		}
		if hit {
			m.Terms = append(m.Terms, term)
		}
	}
	return m, nil
}

// readsSquares reports whether the columns use a square of a feature.
func (t *translator) readsSquares(v *vector) bool {
	for _, c := range v.cols {
		for _, k := range c.idx {
			if int(k) < len(t.clear.slots) && t.clear.slots[k].square >= 0 {
				return true
			}
		}
	}
	return false
}

// square returns the slot of the square of slot k.
func (t *translator) square(k int) (int, error) {
	if at, ok := t.clear.squares[k]; ok {
		return at, nil
	}
	at, err := t.step(quantize.Step{Kind: quantize.StepProduct, In: []int{k, k}}, t.clear.slots[k].integer, t.clear.slots[k].name+"^2")
	if err == nil {
		t.clear.slots[at].square = k
		t.clear.squares[k] = at
	}
	return at, err
}

// finiteConstant checks the numbers of an attribute or operand.
func finiteConstant(vs ...float64) error {
	for _, v := range vs {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return malformed("a constant is %v, not a finite number", v)
		}
	}
	return nil
}
