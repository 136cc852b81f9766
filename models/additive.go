package models

import (
	"fmt"
	"math"
	"sort"
)

// TermShape is the form of a [Term]'s function.
type TermShape int

// The forms.
const (
	// TermSteps is a constant on each interval between thresholds: the bins of a boosted or binned additive model, stumps,
	// categories.
	TermSteps TermShape = iota
	// TermCurve interpolates linearly between points and is constant outside of them, as numpy.interp does: splines and
	// other smooth functions, evaluated on a grid.
	TermCurve
	// TermPolynomial is a polynomial of degree 2 at most: a linear term, or the log-likelihood of a normal distribution.
	TermPolynomial
	numTermShapes
)

// Term is a function of one feature that has a value for each output.
type Term struct {
	Feature int       `cbor:"f,omitempty"`
	Shape   TermShape `cbor:"k,omitempty"`
	// Points ascend strictly. They are the thresholds of TermSteps: x is in bin number #{t : !(x <= t)}, thresholds taken
	// as given, not rounded to float32. They are the abscissas of TermCurve, one or more. A polynomial has none.
	Points []float64 `cbor:"p,omitempty"`
	// Scores are [bin][outputs], one more bin than thresholds; [point][outputs]; or [power][outputs], of x^0 first.
	Scores [][]float64 `cbor:"s"`
	// Missing holds the scores of a missing value (NaN) of TermSteps, [outputs]; nil where none may occur. The terms of one
	// feature agree on it.
	Missing []float64 `cbor:"m,omitempty"`
}

// Additive is a generalized additive model: raw[o] = Bias[o] + sum over the terms of their scores of output o. Naive Bayes
// classifiers, boosted stumps, spline models and scorecards are of this form; its link (sigmoid, softmax, exp) is in
// Info.Post. A feature may have several terms.
type Additive struct {
	Info  `cbor:"i"`
	Terms []Term    `cbor:"t"`
	Bias  []float64 `cbor:"b"` // [outputs]
}

var _ Model = (*Additive)(nil)

// Bounds of an additive model that Validate accepts.
const (
	MaxTerms      = 1 << 20
	MaxTermScores = 1 << 24 // numbers in Scores, over all terms
)

// Meta returns the model's Info.
func (m *Additive) Meta() *Info { return &m.Info }

// Raw appends the raw scores of the row x to dst.
func (m *Additive) Raw(dst []float64, x []float64) []float64 {
	m.checkRow(x)
	start := len(dst)
	dst = append(dst, m.Bias...)
	sum := dst[start:]
	for t := range m.Terms {
		m.Terms[t].add(sum, m.feature(x[m.Terms[t].Feature]))
	}
	return dst
}

// add adds the term's scores at x to sum.
func (t *Term) add(sum []float64, x float64) {
	if math.IsNaN(x) {
		for o, s := range t.Missing {
			sum[o] += s
		}
		return
	}
	switch t.Shape {
	case TermSteps:
		for o, s := range t.Scores[t.bin(x)] {
			sum[o] += s
		}
	case TermCurve:
		i := sort.SearchFloat64s(t.Points, x) // the first point that is x or above
		switch {
		case i == 0:
			i++
			fallthrough
		case i == len(t.Points):
			for o, s := range t.Scores[i-1] {
				sum[o] += s
			}
		default:
			at := (x - t.Points[i-1]) / (t.Points[i] - t.Points[i-1])
			for o, s := range t.Scores[i-1] {
				sum[o] += s + float64(at*(t.Scores[i][o]-s))
			}
		}
	case TermPolynomial:
		for o := range sum {
			var y float64
			for p := len(t.Scores) - 1; p >= 0; p-- {
				y = float64(y*x) + t.Scores[p][o]
			}
			sum[o] += y
		}
	}
}

// bin returns the number of the interval that holds x, which is not NaN.
func (t *Term) bin(x float64) int {
	return sort.Search(len(t.Points), func(i int) bool { return x <= t.Points[i] })
}

// Validate reports the first inconsistency of m.
func (m *Additive) Validate() error {
	if err := m.validate(); err != nil {
		return err
	}
	if len(m.Terms) > MaxTerms {
		return fmt.Errorf("models: additive model: %d terms, want %d at most", len(m.Terms), MaxTerms)
	}
	if err := checkVector("additive model: bias", m.Bias, m.Post.Outputs); err != nil {
		return err
	}
	total := 0
	missing := map[int]bool{}
	for i := range m.Terms {
		t := &m.Terms[i]
		if err := t.validate(len(m.Features), m.Post.Outputs); err != nil {
			return fmt.Errorf("models: additive model: term %d: %w", i, err)
		}
		if total += len(t.Scores) * m.Post.Outputs; total > MaxTermScores {
			return fmt.Errorf("models: additive model: more than %d scores", MaxTermScores)
		}
		if was, seen := missing[t.Feature]; seen && was != (t.Missing != nil) {
			return fmt.Errorf("models: additive model: term %d: the terms of column %q disagree on whether a value may be missing", i, m.Features[t.Feature])
		}
		missing[t.Feature] = t.Missing != nil
	}
	return nil
}

func (t *Term) validate(features, outputs int) error {
	if t.Feature < 0 || t.Feature >= features {
		return fmt.Errorf("feature %d of %d", t.Feature, features)
	}
	want := len(t.Points)
	switch t.Shape {
	case TermSteps:
		want++
	case TermCurve:
		if want == 0 {
			return fmt.Errorf("a curve without points")
		}
	case TermPolynomial:
		if len(t.Points) != 0 {
			return fmt.Errorf("a polynomial has no points")
		}
		want = min(max(len(t.Scores), 1), 3)
	default:
		return fmt.Errorf("unknown shape %d", int(t.Shape))
	}
	for i, p := range t.Points {
		if math.IsNaN(p) || t.Shape == TermCurve && math.IsInf(p, 0) {
			return fmt.Errorf("point %d is not a number", i)
		}
		if i > 0 && t.Points[i-1] >= p {
			return fmt.Errorf("points %d and %d do not ascend", i-1, i)
		}
	}
	if len(t.Scores) != want {
		return fmt.Errorf("%d rows of scores, want %d", len(t.Scores), want)
	}
	rows := t.Scores
	if t.Missing != nil {
		if t.Shape != TermSteps {
			return fmt.Errorf("only steps have scores of missing values")
		}
		rows = append(rows[:len(rows):len(rows)], t.Missing)
	}
	for i, row := range rows {
		if len(row) != outputs {
			return fmt.Errorf("row %d of the scores has %d numbers, want %d", i, len(row), outputs)
		}
		for _, s := range row {
			if math.IsNaN(s) || math.IsInf(s, 0) {
				return fmt.Errorf("row %d of the scores: a number is not finite", i)
			}
		}
	}
	return nil
}

// allowsMissing tells whether column f may hold a missing value: some columns may, and f is not read or says what it means.
func (m *Additive) allowsMissing(f int) bool {
	some := false
	for i := range m.Terms {
		t := &m.Terms[i]
		if t.Feature == f && t.Missing == nil {
			return false
		}
		some = some || t.Missing != nil
	}
	return some
}

// stepsOnly tells whether the model's codes follow from its own thresholds.
func (m *Additive) stepsOnly() bool {
	for i := range m.Terms {
		if m.Terms[i].Shape != TermSteps {
			return false
		}
	}
	return true
}
