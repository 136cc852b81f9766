package models

import (
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// Widths of the integer scores of an additive model. The score of an output spans at most 2^additiveScoreBits, so that the
// roundings of a hundred tables (half a unit each) together stay below 2^-20 of it. The coefficient of a square is rounded too and
// multiplied by codes of up to 127^2: models with polynomials get some more bits.
const (
	additiveScoreBits   = 26
	polynomialScoreBits = 30
)

// leastTerm limits how far a term may take a class below the best one where scores pass a softmax: exp(-leastTerm) is 1e-217. A
// feature that never varied in training makes terms of minus billions, beside which no other feature would be resolved.
const leastTerm = 500

// additiveMargin widens the range of curves and polynomials beyond the calibration data, at either end.
const additiveMargin = 0.2

// part is a function of one code: what terms of one feature make together, without its least value.
type part struct {
	coder  quantize.Coder
	values [][]float64 // [level][outputs]
	powers [][]float64 // [3][outputs] of a polynomial of the code, nil for other functions
}

// Quantize returns m over codes: ranks among thresholds for steps, which are exact, and affine codes of opt.Bits bits (7 by
// default) for curves and polynomials, which need calibration rows.
func (m *Additive) Quantize(opt Options, calibration [][]float64) (*Quantized, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	parts, notes := m.stepParts()
	if !m.stepsOnly() {
		curves, err := m.curveParts(opt, calibration)
		if err != nil {
			return nil, err
		}
		parts = append(parts, curves...)
	}
	clipped, active := m.clip(parts)
	polynomials := slices.ContainsFunc(parts, func(p part) bool { return p.powers != nil })
	if !active || !polynomials {
		if active {
			parts = clipped
		}
		return m.quantized(parts, notes)
	}
	// Polynomials as they are cost two or three coefficients a feature, tables that end at -leastTerm one for each code. The
	// latter are needed where they keep more of the float model's labels.
	exact, err := m.quantized(parts, notes)
	if err != nil {
		return nil, err
	}
	tables, err := m.quantized(clipped, append(notes, fmt.Sprintf("no column takes a class more than %d below the best one (on the logarithmic scale of the scores)", leastTerm)))
	if err != nil {
		return nil, err
	}
	a, err := m.agreement(exact, calibration)
	if err != nil {
		return nil, err
	}
	b, err := m.agreement(tables, calibration)
	if err != nil {
		return nil, err
	}
	if float64(a) >= float64(b)-0.005*float64(len(calibration)) {
		return exact, nil
	}
	return tables, nil
}

// agreement counts the rows whose label is the float model's.
func (m *Additive) agreement(q *Quantized, rows [][]float64) (int, error) {
	p, err := newFeaturePredictor(q)
	if err != nil {
		return 0, err
	}
	same := 0
	for _, row := range rows {
		got, err := p.Predict(row)
		if err != nil {
			return 0, err
		}
		if want := m.Post.Float(m.Raw(nil, row)); got.Class == want.Class {
			same++
		}
	}
	return same, nil
}

// stepParts merges the steps of each feature: their thresholds together cut it into intervals, and its code is the interval's rank. A
// feature with more thresholds than a code has room for is several codes, and each says how far the sum has come within its segment.
func (m *Additive) stepParts() (parts []part, notes []string) {
	byFeature := make([][]*Term, len(m.Features))
	for i := range m.Terms {
		if t := &m.Terms[i]; t.Shape == TermSteps {
			byFeature[t.Feature] = append(byFeature[t.Feature], t)
		}
	}
	outputs := m.Post.Outputs
	for f, terms := range byFeature {
		if len(terms) == 0 {
			continue
		}
		missing := terms[0].Missing != nil
		var all []float64
		for _, t := range terms {
			all = append(all, t.Points...)
		}
		coders := quantize.RankCoders(f, all, missing)
		if len(coders) == 0 { // constants, but for a missing value
			coders = []quantize.Coder{unusedCoder(missing)}
			coders[0].Feature = f
		}
		if len(coders) > 1 {
			notes = append(notes, fmt.Sprintf("column %q has more than %d thresholds: it is encrypted as %d codes of at most 7 bits", m.Features[f], quantize.SegmentSize(missing), len(coders)))
		}
		// sum is the score above the threshold, which is the last one at or below the interval's values.
		sum := func(threshold float64) []float64 {
			out := make([]float64, outputs)
			for _, t := range terms {
				for o, s := range t.Scores[t.above(threshold)] {
					out[o] += s
				}
			}
			return out
		}
		first := make([]float64, outputs) // below all thresholds
		for _, t := range terms {
			for o, s := range t.Scores[0] {
				first[o] += s
			}
		}
		base := make([]float64, outputs)
		for i, c := range coders {
			p := part{coder: c}
			at := first
			for v := range c.Levels {
				switch {
				case missing && v == c.Levels-1: // all of it in the first segment
					at = make([]float64, outputs)
					if i == 0 {
						for _, t := range terms {
							for o, s := range t.Missing {
								at[o] += s
							}
						}
					}
					p.values = append(p.values, at)
					continue
				case v > 0:
					at = sum(c.Thresholds[v-1])
				}
				row := make([]float64, outputs)
				for o := range row {
					row[o] = at[o] - base[o]
				}
				p.values = append(p.values, row)
			}
			if n := len(c.Thresholds); n > 0 {
				first = sum(c.Thresholds[n-1])
				base = first
			}
			parts = append(parts, p)
		}
	}
	return parts, notes
}

// above returns the bin of the values just above x.
func (t *Term) above(x float64) int {
	at, equal := slices.BinarySearch(t.Points, x)
	if equal {
		at++
	}
	return at
}

// curveParts evaluates the curves and polynomials of each feature at the values of its codes.
func (m *Additive) curveParts(opt Options, calibration [][]float64) ([]part, error) {
	columns, err := calibrationColumns(&m.Info, opt, calibration)
	if err != nil {
		return nil, err
	}
	bits := opt.Bits
	if bits == 0 {
		bits = 7
	}
	byFeature := make([][]*Term, len(m.Features))
	for i := range m.Terms {
		if t := &m.Terms[i]; t.Shape != TermSteps {
			byFeature[t.Feature] = append(byFeature[t.Feature], t)
		}
	}
	coders, err := affineCoders(&m.Info, columns, 1<<bits, additiveMargin, func(f int) bool { return len(byFeature[f]) > 0 })
	if err != nil {
		return nil, err
	}
	outputs := m.Post.Outputs
	var parts []part
	for _, c := range coders {
		p := part{coder: c}
		terms := byFeature[c.Feature]
		if slices.ContainsFunc(terms, func(t *Term) bool { return t.Shape != TermPolynomial }) {
			for v := range c.Levels {
				row := make([]float64, outputs)
				for _, t := range terms {
					t.add(row, c.Value(int64(v)))
				}
				p.values = append(p.values, row)
			}
		} else {
			// x = Min + Step v, so a + b x + c x^2 is a polynomial of v.
			p.powers = [][]float64{make([]float64, outputs), make([]float64, outputs), make([]float64, outputs)}
			for _, t := range terms {
				for o := range outputs {
					var k [3]float64
					for i, row := range t.Scores {
						k[i] = row[o]
					}
					p.powers[0][o] += k[0] + float64(c.Min*(k[1]+float64(k[2]*c.Min)))
					p.powers[1][o] += float64(c.Step * (k[1] + float64(2*k[2]*c.Min)))
					p.powers[2][o] += float64(k[2]*c.Step) * c.Step
				}
			}
			for v := range c.Levels {
				row := make([]float64, outputs)
				for o := range row {
					row[o] = p.at(o, v)
				}
				p.values = append(p.values, row)
			}
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// at is the polynomial of output o at code v.
func (p *part) at(o, v int) float64 {
	x := float64(v)
	return p.powers[0][o] + float64(x*(p.powers[1][o]+float64(x*p.powers[2][o])))
}

// clip returns the parts with the scores of each code at most leastTerm below that code's best, and whether that changes anything
// but a constant of all classes, which a softmax does not see.
func (m *Additive) clip(parts []part) (clipped []part, active bool) {
	if m.Post.Task != quantize.Classify || m.Post.Link != quantize.LinkSoftmax || m.Post.Outputs < 2 {
		return nil, false
	}
	for _, p := range parts {
		c := part{coder: p.coder}
		for _, row := range p.values {
			top := slices.Max(row)
			out := make([]float64, len(row))
			for o, y := range row {
				out[o] = math.Max(y-top, -leastTerm)
				active = active || y-top < -leastTerm
			}
			c.values = append(c.values, out)
		}
		clipped = append(clipped, c)
	}
	return clipped, active
}

// maxTables bounds the tables of an additive model's graph.
const maxTables = 1 << 20

// quantized rounds the parts' values and writes the graph: a table of each code for each output, and their sums.
func (m *Additive) quantized(parts []part, notes []string) (*Quantized, error) {
	outputs := m.Post.Outputs
	if len(parts) > maxTables/outputs {
		return nil, fmt.Errorf("models: additive model: %d codes with a table for each of %d scores are more than %d tables", len(parts), outputs, maxTables)
	}
	offset, span := slices.Clone(m.Bias), make([]float64, outputs)
	bits, missing := additiveScoreBits, false
	var used []part
	for _, p := range parts {
		lo, hi := slices.Clone(p.values[0]), slices.Clone(p.values[0])
		for _, row := range p.values {
			for o, y := range row {
				lo[o], hi[o] = math.Min(lo[o], y), math.Max(hi[o], y)
			}
		}
		for o := range span {
			span[o] += hi[o] - lo[o]
			offset[o] += p.zero(o, lo[o])
		}
		if missing = missing || p.coder.Missing; slices.Equal(lo, hi) {
			continue // the code changes nothing: it is not sent
		}
		used = append(used, p)
		if p.powers != nil {
			bits = polynomialScoreBits
		}
	}
	coders := make([]quantize.Coder, len(used))
	for i, p := range used {
		coders[i] = p.coder
	}
	if len(coders) == 0 {
		coders = []quantize.Coder{unusedCoder(missing)}
		notes = append(notes, "no column changes the model's scores: every row gets the same answer")
	}
	q := newQuantized(&m.Info, coders)
	q.Notes = notes
	if !m.stepsOnly() {
		q.Notes = append(q.Notes, fmt.Sprintf("features are coded with %d bits over the range of the calibration data", q.Bits))
	}
	var values [][]int64
	for o := range outputs {
		// Half a unit for the rounding of each table keeps their sum below the bound.
		scale := span[o] / (math.Ldexp(1, bits) - 1 - float64(len(used)))
		if math.IsInf(span[o], 0) || math.IsInf(offset[o], 0) {
			return nil, fmt.Errorf("models: additive model: the scores of output %d exceed the range of floating point", o)
		}
		if !(scale > 0) {
			scale = 1 // nothing changes this output
		}
		q.Post.Scale[o], q.Post.Offset[o] = scale, offset[o]
		for _, p := range used {
			values = append(values, p.integers(o, scale))
		}
	}
	g := q.Graph
	if len(used) == 0 {
		g.Output(g.Constant(compiler.Array{Shape: []int{outputs}, Data: make([]int64, outputs)}))
		return q, q.Validate()
	}
	x := g.Inputs()[0]
	if outputs > 1 {
		x = g.Concatenate(0, slices.Repeat([]*compiler.Node{x}, outputs)...)
	}
	tables := g.Lookup(x, compiler.Table{Lo: make([]int64, len(values)), Values: values})
	g.Output(g.Sum(g.Reshape(tables, outputs, len(used)), 1))
	return q, q.Validate()
}

// zero is what the integers of output o, whose least value is lo, start from.
func (p *part) zero(o int, lo float64) float64 {
	if p.powers != nil {
		return p.powers[0][o]
	}
	return lo
}

// integers returns the values of output o in units of scale, from zero(o). Polynomials round their coefficients and not their values,
// so that the integers are those of a polynomial too: a circuit then needs no more than the code and its square.
func (p *part) integers(o int, scale float64) []int64 {
	out := make([]int64, len(p.values))
	if p.powers != nil {
		b, c := int64(math.RoundToEven(p.powers[1][o]/scale)), int64(math.RoundToEven(p.powers[2][o]/scale))
		for v := range out {
			out[v] = int64(v) * (b + c*int64(v))
		}
		return out
	}
	lo := math.Inf(1)
	for _, row := range p.values {
		lo = math.Min(lo, row[o])
	}
	for v, row := range p.values {
		out[v] = int64(math.RoundToEven((row[o] - lo) / scale))
	}
	return out
}
