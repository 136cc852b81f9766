package models

import "fmt"

// Linear is a linear model: raw[o] = Bias[o] + sum over f of Weights[o][f]*x[f]. Its link (sigmoid, softmax, exp) is in
// Info.Post.
type Linear struct {
	Info    `cbor:"i"`
	Weights [][]float64 `cbor:"w"` // [outputs][features]
	Bias    []float64   `cbor:"b"` // [outputs]
}

var _ Model = (*Linear)(nil)

// Meta returns the model's Info.
func (m *Linear) Meta() *Info { return &m.Info }

// Raw appends the raw scores of the row x to dst.
func (m *Linear) Raw(dst []float64, x []float64) []float64 {
	m.checkRow(x)
	for o, w := range m.Weights {
		s := m.Bias[o]
		for f, v := range x {
			s += float64(w[f] * m.feature(v))
		}
		dst = append(dst, s)
	}
	return dst
}

// Validate reports the first inconsistency of m.
func (m *Linear) Validate() error {
	if err := m.validate(); err != nil {
		return err
	}
	if len(m.Weights) != m.Post.Outputs {
		return fmt.Errorf("models: linear: weights for %d outputs, want %d", len(m.Weights), m.Post.Outputs)
	}
	for o, w := range m.Weights {
		if err := checkVector(fmt.Sprintf("linear: weights of output %d", o), w, len(m.Features)); err != nil {
			return err
		}
	}
	return checkVector("linear: bias", m.Bias, m.Post.Outputs)
}
