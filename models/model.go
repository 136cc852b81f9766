package models

import (
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// Info is what every model carries beside its numbers.
type Info struct {
	// Pipeline, where not nil, computes the features from the columns of a row in the clear, on the client.
	Pipeline *quantize.Pipeline `cbor:"x,omitempty"`
	// Features names what the model reads, in order: the columns of a row, or what Pipeline makes of them. Its length is
	// the number of features.
	Features []string `cbor:"f"`
	// Named says that Features come from the model's file (else they were made up: x0, x1, ...).
	Named bool `cbor:"n,omitempty"`
	// Producer names the tool that wrote the file, with its version where known.
	Producer string `cbor:"p,omitempty"`
	// Post turns raw scores into a prediction; Scale and Offset are nil here.
	Post quantize.Postprocessing `cbor:"o"`
	// Float32 says that features (and thresholds) are rounded to single precision first, as the file's producer does.
	Float32 bool `cbor:"s,omitempty"`
}

// Model is a trained model as plain data.
type Model interface {
	// Meta returns the model's Info, not a copy.
	Meta() *Info
	// Raw appends the Post.Outputs raw scores of the row x to dst: float64 arithmetic on features rounded to
	// float32 where Info.Float32 is set. It panics unless len(x) is the number of features. x may hold NaN
	// only where the model routes it ([AllowsMissing]); Predict checks that.
	Raw(dst []float64, x []float64) []float64
	// Validate reports the first inconsistency of the model (lengths, indices, numbers that are not finite, cycles).
	Validate() error
	// Quantize returns the model over unsigned integer codes of at most 7 bits. calibration holds rows of features (after
	// Info.Pipeline) like those the model will see; not all models need them ([NeedsCalibration]). Quantize reads the model and changes nothing.
	Quantize(opt Options, calibration [][]float64) (*Quantized, error)
}

// Options sets how a model is quantized. The zero value is the default.
type Options struct {
	// Bits is the width of the codes of the features of linear models and networks, 1..7; 0 chooses it. Trees
	// ignore it: the ranks of their own thresholds are exact.
	Bits int
	// HideThresholds codes the features of a tree ensemble on an even grid over the range of the calibration rows, of Bits bits (7 where 0), instead of by its
	// own thresholds, which move to the nearest place of the grid. The other kinds of models ignore it.
	HideThresholds bool
	// Rounding says how the middle layers of networks, and programs, drop low bits of computed values.
	Rounding Rounding
}

// Rounding says what becomes of the low bits that computed values lose before a table.
type Rounding int

const (
	RoundExact       Rounding = iota // each bit is looked up and subtracted
	RoundApproximate                 // they stay: near ties the other neighbour may be taken, see [compiler.Graph.RoundApproximate]
)

// MaxFeatures bounds the columns of a model.
const MaxFeatures = 1 << 16

// Quantized is a model over integers: codes in, integers out, and what a client does before and after.
type Quantized struct {
	// Pre turns a row into the codes that the graph reads.
	Pre quantize.Preprocessing
	// Graph has one input "x" of shape [len(Pre.Coders)] and one output of shape [Post.Outputs].
	Graph *compiler.Graph
	// Post turns the graph's integers into a prediction.
	Post quantize.Postprocessing
	// Bits is the width of the widest code.
	Bits int
	// Notes are sentences that the user should read, such as the bits that were chosen and why.
	Notes []string
}

// Validate reports the first inconsistency between the parts of q.
func (q *Quantized) Validate() error {
	if q.Graph == nil {
		return fmt.Errorf("models: quantized model without a graph")
	}
	if err := q.Graph.Verify(); err != nil {
		return err
	}
	return q.validateParts()
}

// validateParts is Validate for a graph that is known to be in order, as one that was parsed.
func (q *Quantized) validateParts() error {
	if err := q.Pre.Validate(); err != nil {
		return err
	}
	if err := q.Post.Validate(true); err != nil {
		return err
	}
	in := q.Graph.Inputs()
	if len(in) != 1 || in[0].Name != "x" || in[0].Size() != len(q.Pre.Coders) {
		return fmt.Errorf("models: the graph of a quantized model has one input x with a code per coder")
	}
	if len(q.Graph.Outputs) != 1 || q.Graph.Outputs[0].Size() != q.Post.Outputs {
		return fmt.Errorf("models: the graph of a quantized model has one output with %d scores", q.Post.Outputs)
	}
	return nil
}

// validate checks the parts of Info that all models share.
func (in *Info) validate() error {
	if len(in.Features) == 0 || len(in.Features) > MaxFeatures {
		return fmt.Errorf("models: %d features, want 1..%d", len(in.Features), MaxFeatures)
	}
	if p := in.Pipeline; p != nil {
		if err := p.Validate(); err != nil {
			return err
		}
		if len(p.Outputs) != len(in.Features) {
			return fmt.Errorf("models: a pipeline of %d features before a model of %d", len(p.Outputs), len(in.Features))
		}
	}
	return in.Post.Validate(false)
}

// Columns returns the names of the columns of a row, in order.
func (in *Info) Columns() []string {
	if in.Pipeline != nil {
		return in.Pipeline.Names()
	}
	return in.Features
}

// Rename gives the columns of a row other names.
func (in *Info) Rename(names []string) {
	if len(names) != len(in.Columns()) {
		panic(fmt.Sprintf("models: %d names for %d columns", len(names), len(in.Columns())))
	}
	if in.Pipeline == nil {
		in.Features = names
		return
	}
	for i, name := range names {
		in.Pipeline.Inputs[i].Name = name
	}
	for f, slot := range in.Pipeline.Outputs {
		if slot < len(names) {
			in.Features[f] = names[slot]
		}
	}
}

// columnOf names the column that feature f comes from; the feature's own name where it comes from several.
func (in *Info) columnOf(f int) string {
	if in.Pipeline != nil {
		if c := in.Pipeline.Column(in.Pipeline.Outputs[f]); c >= 0 {
			return in.Pipeline.Inputs[c].Name
		}
	}
	return in.Features[f]
}

// Row returns the features of a row of columns.
func (in *Info) Row(columns []float64) ([]float64, error) {
	if want := len(in.Columns()); len(columns) != want {
		return nil, fmt.Errorf("models: a row of %d values for a model of %d columns", len(columns), want)
	}
	if in.Pipeline == nil {
		return columns, nil
	}
	return in.Pipeline.Apply(columns)
}

// feature rounds a value as the model's producer does.
func (in *Info) feature(x float64) float64 {
	if in.Float32 {
		return float64(float32(x))
	}
	return x
}

func (in *Info) checkRow(x []float64) {
	if len(x) != len(in.Features) {
		panic(fmt.Sprintf("models: a row of %d values for a model of %d features", len(x), len(in.Features)))
	}
}

// checkVector reports a number of vs that is not finite, and a length that is not want.
func checkVector(what string, vs []float64, want int) error {
	if len(vs) != want {
		return fmt.Errorf("models: %s: %d numbers, want %d", what, len(vs), want)
	}
	for i, v := range vs {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("models: %s: number %d is not finite", what, i)
		}
	}
	return nil
}
