package models

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// Widths of the integers of a quantized linear model. The score of an output spans at most 2^linearScoreBits, which a
// circuit can still decrypt exactly; its weights are then wide enough that their rounding (at most half a step per
// feature, of about 2^19 steps in sum) is far below that of the 7-bit features.
const (
	linearScoreBits  = 26
	linearWeightBits = 16 // with the sign
)

// linearMargin widens the range of a feature beyond the calibration data, at either end. A linear score follows an outlier
// however far it lies, and weights of correlated features are large and cancel: a clipped feature costs more than coarser
// steps do (on diabetes, 23 units of the prediction against 2).
const linearMargin = 0.4

// Quantize returns m over affine codes of opt.Bits bits (7 by default) per feature. It needs calibration rows.
func (m *Linear) Quantize(opt Options, calibration [][]float64) (*Quantized, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	columns, err := calibrationColumns(&m.Info, opt, calibration)
	if err != nil {
		return nil, err
	}
	b := opt.Bits
	if b == 0 {
		b = 7
	}
	coders, err := affineCoders(&m.Info, columns, 1<<b, linearMargin, func(f int) bool {
		for o := range m.Weights {
			if m.Weights[o][f] != 0 {
				return true
			}
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	q := newQuantized(&m.Info, coders)
	outputs := m.Post.Outputs
	weights := make([]int64, len(coders)*outputs)
	for o := range outputs {
		var sum, top float64
		offset := m.Bias[o]
		for _, c := range coders {
			w := m.Weights[o][c.Feature]
			offset += float64(w * c.Min)
			w = math.Abs(w * c.Step)
			sum += float64(w * float64(c.Levels-1))
			top = math.Max(top, w)
		}
		// Half a unit for each rounding keeps the sum of the rounded weights below the bound too.
		slack := float64(len(coders)) * quantize.MaxLevels / 2
		scale := math.Max(sum/(1<<linearScoreBits-1-math.Min(slack, 1<<(linearScoreBits-1))), top/(1<<(linearWeightBits-1)-1))
		if !(scale > 0) || math.IsInf(scale, 0) {
			scale = 1 // every weight is zero
		}
		for i, c := range coders {
			weights[i*outputs+o] = int64(math.RoundToEven(m.Weights[o][c.Feature] * c.Step / scale))
		}
		q.Post.Scale[o], q.Post.Offset[o] = scale, offset
	}
	g, x := q.Graph, q.Graph.Inputs()[0]
	g.Output(g.MatMul(x, g.Constant(compiler.Array{Shape: []int{len(coders), outputs}, Data: weights})))
	q.Notes = append(q.Notes, fmt.Sprintf("features are coded with %d bits over the range of the calibration data", q.Bits))
	return q, q.Validate()
}

// newQuantized returns a Quantized with the coders' preprocessing, room for the scales, and a graph with its input alone.
func newQuantized(info *Info, coders []quantize.Coder) *Quantized {
	q := &Quantized{
		Pre:   quantize.Preprocessing{Pipeline: info.Pipeline, Columns: info.Features, Named: info.Named, Float32: info.Float32, Coders: coders},
		Graph: compiler.NewGraph(),
		Post:  info.Post,
	}
	q.Post.Scale = make([]float64, info.Post.Outputs)
	q.Post.Offset = make([]float64, info.Post.Outputs)
	lo, hi := make([]int64, len(coders)), make([]int64, len(coders))
	for i, c := range coders {
		hi[i] = int64(c.Levels - 1)
		q.Bits = max(q.Bits, bits.Len(uint(c.Levels-1)))
	}
	q.Graph.Input("x", []int{len(coders)}, lo, hi)
	return q
}

var errNotFinite = errors.New("is not a finite number")

// calibrationColumns checks the options and the rows, and returns the features of the rows as the model reads them:
// [feature][row].
func calibrationColumns(info *Info, opt Options, rows [][]float64) ([][]float64, error) {
	if opt.Bits < 0 || opt.Bits > 7 {
		return nil, fmt.Errorf("models: %d bits per feature, want 1..7 (or 0 to choose)", opt.Bits)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("models: this model is quantized with calibration data: pass rows like those it will see with --calibration")
	}
	columns := make([][]float64, len(info.Features))
	for f := range columns {
		columns[f] = make([]float64, len(rows))
	}
	for r, row := range rows {
		if len(row) != len(columns) {
			return nil, fmt.Errorf("models: calibration row %d has %d values, the model has %d features", r+1, len(row), len(columns))
		}
		for f, v := range row {
			v = info.feature(v)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("models: calibration: %w", &quantize.ColumnError{Feature: f, Column: info.Features[f], Row: r + 1, Err: errNotFinite})
			}
			columns[f][r] = v
		}
	}
	return columns, nil
}

// affineCoders calibrates a coder for each feature that used reports; if there is none, one for feature 0.
func affineCoders(info *Info, columns [][]float64, levels int, margin float64, used func(f int) bool) ([]quantize.Coder, error) {
	var coders []quantize.Coder
	for f, vs := range columns {
		if !used(f) {
			continue
		}
		c, err := quantize.Calibrate(f, vs, levels, margin)
		if err != nil {
			var column *quantize.ColumnError
			if errors.As(err, &column) {
				column.Column = info.Features[f]
			}
			return nil, fmt.Errorf("models: calibration: %w", err)
		}
		coders = append(coders, c)
	}
	if len(coders) == 0 {
		coders = []quantize.Coder{unusedCoder(false)}
	}
	return coders, nil
}

// unusedCoder is the one coder of a model that reads no feature: a graph has an input.
func unusedCoder(missing bool) quantize.Coder {
	c := quantize.Coder{Kind: quantize.Rank, Levels: 1, Missing: missing}
	if missing {
		c.Levels = 2
	}
	return c
}
