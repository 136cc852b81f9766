package models

import (
	"math"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// Predict returns the float prediction of model m for one row of columns. It is an error when the row has another
// number of values than the model has columns, and when it holds a NaN (a missing value) that the model does not route.
func Predict(m Model, x []float64) (quantize.Prediction, error) {
	info := m.Meta()
	x, err := info.Row(x)
	if err != nil {
		return quantize.Prediction{}, err
	}
	for f, v := range x {
		if math.IsNaN(v) && !AllowsMissing(m, f) {
			return quantize.Prediction{}, &quantize.ColumnError{Feature: f, Column: info.columnOf(f), Err: quantize.ErrMissing}
		}
		if _, program := m.(*Program); program && v != math.Trunc(v) {
			return quantize.Prediction{}, &quantize.ColumnError{Feature: f, Column: info.columnOf(f), Err: quantize.ErrFraction}
		}
	}
	return info.Post.Float(m.Raw(make([]float64, 0, info.Post.Outputs), x)), nil
}

// Predict returns the quantized prediction of one row of raw features, computed in the clear: Pre.Encode, Graph.Eval,
// Post.Integer. An encrypted prediction equals it exactly.
func (q *Quantized) Predict(x []float64) (quantize.Prediction, error) {
	codes := make([]int64, len(q.Pre.Coders))
	if _, err := q.Pre.Encode(codes, x); err != nil {
		return quantize.Prediction{}, err
	}
	out, err := q.Graph.Eval(map[string][]int64{"x": codes})
	if err != nil {
		return quantize.Prediction{}, err
	}
	return q.Post.Integer(out[0]), nil
}

// Predictor computes quantized predictions of many rows and reuses its buffers. It is not for concurrent use.
type Predictor struct {
	q      *Quantized
	interp *compiler.Interpreter
	codes  []int64
	in     map[string][]int64
	// features says that rows are the model's features, as calibration rows are, and not columns before a pipeline.
	features bool
}

// NewPredictor returns a Predictor of q.
func NewPredictor(q *Quantized) (*Predictor, error) {
	it, err := compiler.NewInterpreter(q.Graph)
	if err != nil {
		return nil, err
	}
	codes := make([]int64, len(q.Pre.Coders))
	return &Predictor{q: q, interp: it, codes: codes, in: map[string][]int64{"x": codes}}, nil
}

// newFeaturePredictor returns a Predictor of rows of features.
func newFeaturePredictor(q *Quantized) (*Predictor, error) {
	p, err := NewPredictor(q)
	if err == nil {
		p.features = true
	}
	return p, err
}

// Predict is Quantized.Predict.
func (p *Predictor) Predict(x []float64) (quantize.Prediction, error) {
	ints, err := p.Integers(x)
	if err != nil {
		return quantize.Prediction{}, err
	}
	return p.q.Post.Integer(ints), nil
}

// Integers returns the integers of the graph's output for the row x, valid until the next call.
func (p *Predictor) Integers(x []float64) ([]int64, error) {
	encode := p.q.Pre.Encode
	if p.features {
		encode = p.q.Pre.EncodeFeatures
	}
	if _, err := encode(p.codes, x); err != nil {
		return nil, err
	}
	out, err := p.interp.Run(p.in)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}
