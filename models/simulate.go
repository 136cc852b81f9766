package models

import (
	"slices"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// Simulator predicts rows as the encrypted program would, on clear numbers with the noise that is predicted for ciphertexts: see [compiler.Simulator]. It
// needs no keys and does thousands of rows a second, so that a whole test set shows what approximate rounding or a higher failure probability cost before
// anything is encrypted. It is not for concurrent use.
type Simulator struct {
	c         *Compiled
	sim       *compiler.Simulator
	reference *Predictor
	codes     []int64
}

// Simulated is what a [Simulator] says about a row.
type Simulated struct {
	Prediction quantize.Prediction
	Quantized  quantize.Prediction // of the quantized model, which an encrypted row equals where nothing is approximate and nothing fails
	Differs    bool                // the integer results of the two are not equal
	Noise      float64             // largest distance of a decoded value from its place, relative to that at which it is read wrongly: 0 to 1
	Clips      []quantize.Clip     // columns outside the calibrated range
}

// NewSimulator returns a simulator of the model.
func (c *Compiled) NewSimulator(opts compiler.SimulateOptions) (*Simulator, error) {
	sim, err := compiler.NewSimulator(c.Circuit, opts)
	if err != nil {
		return nil, err
	}
	reference, err := NewPredictor(c.Quantized)
	if err != nil {
		return nil, err
	}
	return &Simulator{c: c, sim: sim, reference: reference, codes: make([]int64, len(c.Quantized.Pre.Coders))}, nil
}

// Predict simulates one row of columns. A missing value (NaN) that the model does not route is a [quantize.ColumnError].
func (s *Simulator) Predict(row []float64) (Simulated, error) {
	q := s.c.Quantized
	clipped, err := q.Pre.Encode(s.codes, row)
	if err != nil {
		return Simulated{}, err
	}
	ints, noise, err := s.sim.Run(s.codes)
	if err != nil {
		return Simulated{}, err
	}
	want, err := s.reference.Integers(row)
	if err != nil {
		return Simulated{}, err
	}
	return Simulated{Prediction: q.Post.Integer(ints), Quantized: q.Post.Integer(want), Differs: !slices.Equal(ints, want), Noise: noise, Clips: q.Pre.Clips(clipped)}, nil
}
