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
	ActFunction // those of Layer.Functions
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
	case ActFunction:
		return "Function"
	}
	return fmt.Sprintf("Activation(%d)", int(a))
}

// Apply returns a(x) of an activation other than ActFunction.
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

// Layer is a dense layer: out[o] = Activation(Bias[o] + sum over i of Weights[o][i]*in[i]), or a convolution, whose weights are shared.
type Layer struct {
	Weights    [][]float64 `cbor:"w,omitempty"` // [out][in] of a dense layer
	Conv       *Conv       `cbor:"c,omitempty"` // of a convolution, which has no Weights
	Bias       []float64   `cbor:"b"`           // [out]
	Activation Activation  `cbor:"a,omitempty"`
	// Functions holds the activation where Activation is ActFunction: one for all units, or one per unit.
	Functions []Function `cbor:"f,omitempty"`
}

// Network is a stack of layers. The last one is dense and its activation is ActIdentity: its sigmoid or softmax is Info.Post.Link.
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
		out[o] = l.activate(o, out[o])
	}
	return out
}

// activate applies unit o's activation.
func (l *Layer) activate(o int, x float64) float64 {
	if l.Activation != ActFunction {
		return l.Activation.Apply(x)
	}
	if len(l.Functions) == 1 {
		o = 0
	}
	return l.Functions[o].Apply(x)
}

// Units returns the number of the layer's results.
func (l *Layer) Units() int { return len(l.Bias) }

func (l *Layer) preactivations(in []float64) []float64 {
	if l.Conv != nil {
		return l.Conv.preactivations(l.Bias, in)
	}
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
		if err := l.validate(i, in); err != nil {
			return err
		}
		in = l.Units()
	}
	if m.Layers[len(m.Layers)-1].Conv != nil {
		return fmt.Errorf("models: network: the last layer is a convolution, want a dense one")
	}
	if m.Layers[len(m.Layers)-1].Activation != ActIdentity {
		return fmt.Errorf("models: network: the last layer's activation is %s, want Identity (links belong to the postprocessing)", m.Layers[len(m.Layers)-1].Activation)
	}
	if in != m.Post.Outputs {
		return fmt.Errorf("models: network: %d outputs for %d raw scores", in, m.Post.Outputs)
	}
	return nil
}

// validate checks layer number i, which reads in numbers.
func (l *Layer) validate(i, in int) error {
	if l.Units() == 0 || l.Units() > MaxUnits {
		return fmt.Errorf("models: network: layer %d: %d units, want 1..%d", i, l.Units(), MaxUnits)
	}
	if err := checkVector(fmt.Sprintf("network: layer %d: bias", i), l.Bias, l.Units()); err != nil {
		return err
	}
	if l.Conv != nil {
		if l.Weights != nil {
			return fmt.Errorf("models: network: layer %d: weights beside a kernel", i)
		}
		if err := l.Conv.validate(in, l.Units(), i == 0); err != nil {
			return fmt.Errorf("%w (layer %d)", err, i)
		}
	} else {
		if len(l.Weights) != l.Units() {
			return fmt.Errorf("models: network: layer %d: weights of %d units and bias of %d", i, len(l.Weights), l.Units())
		}
		for o, w := range l.Weights {
			if err := checkVector(fmt.Sprintf("network: layer %d: weights of unit %d", i, o), w, in); err != nil {
				return err
			}
		}
	}
	switch {
	case l.Activation < 0 || l.Activation >= numActivations:
		return fmt.Errorf("models: network: layer %d: unknown activation %d", i, int(l.Activation))
	case l.Activation == ActFunction && len(l.Functions) != 1 && len(l.Functions) != l.Units() || l.Activation != ActFunction && l.Functions != nil:
		return fmt.Errorf("models: network: layer %d: %d functions for %d units with activation %s", i, len(l.Functions), l.Units(), l.Activation)
	}
	for _, f := range l.Functions {
		if err := f.Validate(); err != nil {
			return fmt.Errorf("%w (layer %d)", err, i)
		}
	}
	return nil
}
