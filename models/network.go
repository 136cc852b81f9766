package models

import (
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/quantize"
)

// Activation is the function that a layer applies to each of its units.
type Activation int

const (
	ActIdentity Activation = iota
	ActReLU
	ActSigmoid
	ActTanh
	numActivations
)

// String returns the activation's ONNX operator.
func (a Activation) String() string {
	switch a {
	case ActIdentity:
		return "Identity"
	case ActReLU:
		return "Relu"
	case ActSigmoid:
		return "Sigmoid"
	case ActTanh:
		return "Tanh"
	}
	return fmt.Sprintf("Activation(%d)", int(a))
}

// Apply returns a(x).
func (a Activation) Apply(x float64) float64 {
	switch a {
	case ActReLU:
		return math.Max(x, 0)
	case ActSigmoid:
		return quantize.Sigmoid(x)
	case ActTanh:
		return math.Tanh(x)
	}
	return x
}

// Layer is a dense layer: out[o] = Activation(Bias[o] + sum over i of Weights[o][i]*in[i]).
type Layer struct {
	Weights    [][]float64 `cbor:"w"` // [out][in]
	Bias       []float64   `cbor:"b"` // [out]
	Activation Activation  `cbor:"a,omitempty"`
}

// Network is a stack of dense layers. The last layer's activation is ActIdentity: its sigmoid or softmax is Info.Post.Link.
type Network struct {
	Info   `cbor:"i"`
	Layers []Layer `cbor:"l"`
}

var _ Model = (*Network)(nil)

// MaxUnits bounds the units of a layer, MaxLayers the layers of a network.
const (
	MaxUnits  = 1 << 14
	MaxLayers = 64
)

// Meta returns the model's Info.
func (m *Network) Meta() *Info { return &m.Info }

// Raw appends the raw scores of the row x to dst.
func (m *Network) Raw(dst []float64, x []float64) []float64 {
	m.checkRow(x)
	in := make([]float64, len(x))
	for f, v := range x {
		in[f] = m.feature(v)
	}
	for l := range m.Layers {
		in = m.Layers[l].forward(in)
	}
	return append(dst, in...)
}

func (l *Layer) forward(in []float64) []float64 {
	out := l.preactivations(in)
	for o := range out {
		out[o] = l.Activation.Apply(out[o])
	}
	return out
}

func (l *Layer) preactivations(in []float64) []float64 {
	out := make([]float64, len(l.Weights))
	for o, w := range l.Weights {
		s := l.Bias[o]
		for i, v := range in {
			s += float64(w[i] * v)
		}
		out[o] = s
	}
	return out
}

// Validate reports the first inconsistency of m.
func (m *Network) Validate() error {
	if err := m.validate(); err != nil {
		return err
	}
	if len(m.Layers) == 0 || len(m.Layers) > MaxLayers {
		return fmt.Errorf("models: network: %d layers, want 1..%d", len(m.Layers), MaxLayers)
	}
	in := len(m.Features)
	for i := range m.Layers {
		l := &m.Layers[i]
		if len(l.Weights) == 0 || len(l.Weights) > MaxUnits {
			return fmt.Errorf("models: network: layer %d: %d units, want 1..%d", i, len(l.Weights), MaxUnits)
		}
		for o, w := range l.Weights {
			if err := checkVector(fmt.Sprintf("network: layer %d: weights of unit %d", i, o), w, in); err != nil {
				return err
			}
		}
		if err := checkVector(fmt.Sprintf("network: layer %d: bias", i), l.Bias, len(l.Weights)); err != nil {
			return err
		}
		if l.Activation < 0 || l.Activation >= numActivations {
			return fmt.Errorf("models: network: layer %d: unknown activation %d", i, int(l.Activation))
		}
		in = len(l.Weights)
	}
	if m.Layers[len(m.Layers)-1].Activation != ActIdentity {
		return fmt.Errorf("models: network: the last layer's activation is %s, want Identity (links belong to the postprocessing)", m.Layers[len(m.Layers)-1].Activation)
	}
	if in != m.Post.Outputs {
		return fmt.Errorf("models: network: %d outputs for %d raw scores", in, m.Post.Outputs)
	}
	return nil
}
