package quantize

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Task says what a model predicts.
type Task int

const (
	Classify Task = iota // a label and one score per class
	Regress              // one number per output
)

// String returns "classify" or "regress".
func (t Task) String() string {
	if t == Regress {
		return "regress"
	}
	return "classify"
}

// Link is the function between a model's raw scores and the scores that it reports. Every link here but the last two
// leaves the largest score the largest, so the label is decided on the raw scores.
type Link int

const (
	LinkIdentity          Link = iota // the raw scores
	LinkSigmoid                       // 1/(1+exp(-s)) of each score
	LinkSoftmax                       // exp(s) divided by the sum over the outputs
	LinkExp                           // exp(s): Poisson, gamma and Tweedie regression
	LinkSigmoidNormalized             // the sigmoid of each score, divided by their sum (one classifier per class)
	LinkLogSoftmax                    // the logarithm of LinkSoftmax
	LinkNormalized                    // each score divided by the sum of their magnitudes; zeros where that is zero
	LinkUnit                          // each score cut to 0..1
	LinkProbit                        // the normal quantile of each score
	LinkSoftmaxZero                   // softmax over the scores that are not zero; zeros stay
	// LinkOneVsOne: the scores are decisions between the pairs of classes (0,1), (0,2), ..., (1,2), ...: above zero for the
	// first of the pair. Each pair gives its class a vote; the label is the first class with the most votes.
	LinkOneVsOne
	LinkOneVsRest // the same decisions; the scores are one per class: its votes, and within a third of one its margins
	numLinks
)

// Pairing says how the one raw score of a binary classifier becomes the scores of its two classes.
type Pairing int

const (
	PairNone       Pairing = iota // as many scores as raw scores
	PairComplement                // p = link(s): [1-p, p]
	PairOpposite                  // p = link(s): [-p, p]
	numPairings
)

// Label is a class label: a text, or an integer when IsInt is set.
type Label struct {
	Text  string `cbor:"t,omitempty"`
	Int   int64  `cbor:"i,omitempty"`
	IsInt bool   `cbor:"n,omitempty"`
}

// String returns the label as it is written to a result.
func (l Label) String() string {
	if l.IsInt {
		return strconv.FormatInt(l.Int, 10)
	}
	return l.Text
}

// IntLabels returns the labels 0 .. n-1.
func IntLabels(n int) []Label {
	ls := make([]Label, n)
	for i := range ls {
		ls[i] = Label{Int: int64(i), IsInt: true}
	}
	return ls
}

// Postprocessing is what the client does with a model's raw scores after decryption.
type Postprocessing struct {
	Task Task    `cbor:"k,omitempty"`
	Link Link    `cbor:"l,omitempty"`
	Pair Pairing `cbor:"p,omitempty"`
	// Threshold decides a classifier with one raw score: class 1 iff raw > Threshold, before the link.
	Threshold float64 `cbor:"h,omitempty"`
	// Classes holds the labels of a classifier in the order of its scores (two with one raw score).
	Classes []Label `cbor:"c,omitempty"`
	// Outputs is the number of raw scores.
	Outputs int `cbor:"o,omitempty"`
	// Scale and Offset give raw = Scale[o]*integer + Offset[o]; nil where there are no integers (the float path).
	Scale  []float64 `cbor:"s,omitempty"`
	Offset []float64 `cbor:"f,omitempty"`
}

// Prediction is the answer for one row.
type Prediction struct {
	Label  Label     // of a classifier; zero for a regressor
	Class  int       // index into Classes; -1 for a regressor
	Scores []float64 // per class, or per output of a regressor
}

// TieTolerance is the relative difference under which two raw scores are equal when a label is decided. Trained files
// hold their numbers in single precision (relative error 2^-24 each), so the votes of a forest that tie on paper differ
// by up to 2^-23 in the file; without a tolerance the label of a tie would hang on rounding noise, and on its order of
// summation. A tie goes to the first class.
const TieTolerance = 0x1p-22

// MaxOutputs bounds the raw scores, and MaxClasses the labels, of one model.
const (
	MaxOutputs = 1 << 12
	MaxClasses = 1 << 12
)

// Validate reports the first inconsistency of p. quantized says that Scale and Offset must be there (else they must not).
func (p *Postprocessing) Validate(quantized bool) error {
	switch {
	case p.Task != Classify && p.Task != Regress:
		return fmt.Errorf("quantize: postprocessing: unknown task %d", int(p.Task))
	case p.Link < 0 || p.Link >= numLinks:
		return fmt.Errorf("quantize: postprocessing: unknown link %d", int(p.Link))
	case p.Pair < 0 || p.Pair >= numPairings:
		return fmt.Errorf("quantize: postprocessing: unknown pairing %d", int(p.Pair))
	case p.Outputs < 1 || p.Outputs > MaxOutputs:
		return fmt.Errorf("quantize: postprocessing: %d raw scores, want 1..%d", p.Outputs, MaxOutputs)
	case p.pairwise() && p.Task != Classify:
		return errors.New("quantize: postprocessing: decisions between pairs are those of a classifier")
	case p.Pair != PairNone && (p.Outputs != 1 || p.Task != Classify):
		return errors.New("quantize: postprocessing: only a classifier with one raw score pairs it")
	case !finite(p.Threshold):
		return errors.New("quantize: postprocessing: the threshold is not finite")
	}
	if p.Task == Classify {
		want := max(2, p.Outputs)
		if n := len(p.Classes); p.pairwise() {
			want = n
			if n < 3 || n > MaxClasses || n*(n-1)/2 != p.Outputs {
				want = 0
			}
		}
		if len(p.Classes) != want {
			return fmt.Errorf("quantize: postprocessing: %d classes for %d raw scores, want %d", len(p.Classes), p.Outputs, want)
		}
	} else if len(p.Classes) != 0 {
		return errors.New("quantize: postprocessing: a regressor has no classes")
	}
	if !quantized {
		if p.Scale != nil || p.Offset != nil {
			return errors.New("quantize: postprocessing: a float model has no scale")
		}
		return nil
	}
	if len(p.Scale) != p.Outputs || len(p.Offset) != p.Outputs {
		return fmt.Errorf("quantize: postprocessing: %d scales and %d offsets for %d raw scores", len(p.Scale), len(p.Offset), p.Outputs)
	}
	for o := range p.Scale {
		if !finite(p.Scale[o]) || p.Scale[o] <= 0 || !finite(p.Offset[o]) {
			return fmt.Errorf("quantize: postprocessing: scale or offset of raw score %d is not a finite number (scales are positive)", o)
		}
	}
	return nil
}

// Float returns the prediction of the raw scores of a float model. The label is the first class whose raw score is the
// largest, up to TieTolerance; with one raw score it is class 1 iff the score is above Threshold. It panics unless
// len(raw) is Outputs.
func (p *Postprocessing) Float(raw []float64) Prediction {
	if len(raw) != p.Outputs {
		panic(fmt.Sprintf("quantize: %d raw scores, want %d", len(raw), p.Outputs))
	}
	pred := Prediction{Class: -1}
	if p.Task == Classify {
		pred.Class = p.class(raw)
		if pred.Class < len(p.Classes) {
			pred.Label = p.Classes[pred.Class]
		}
	}
	s := p.link(raw)
	switch p.Pair {
	case PairComplement:
		s = []float64{1 - s[0], s[0]}
	case PairOpposite:
		s = []float64{-s[0], s[0]}
	}
	pred.Scores = s
	return pred
}

// Raw returns the raw scores that decrypted integers stand for, appended to dst.
func (p *Postprocessing) Raw(dst []float64, ints []int64) []float64 {
	if len(ints) != p.Outputs || len(p.Scale) != p.Outputs || len(p.Offset) != p.Outputs {
		panic(fmt.Sprintf("quantize: %d integers, want %d with as many scales", len(ints), p.Outputs))
	}
	for o, v := range ints {
		dst = append(dst, float64(p.Scale[o]*float64(v))+p.Offset[o])
	}
	return dst
}

// Integer returns the prediction of the integers that a circuit (or Graph.Eval) returns. It panics unless len(ints) is
// Outputs and p holds scales.
func (p *Postprocessing) Integer(ints []int64) Prediction {
	return p.Float(p.Raw(make([]float64, 0, len(ints)), ints))
}

// class decides the label.
func (p *Postprocessing) class(raw []float64) int {
	if p.pairwise() {
		best := 0
		votes, _ := p.votes(raw)
		for c, v := range votes {
			if v > votes[best] {
				best = c
			}
		}
		return best
	}
	if len(raw) == 1 {
		tol := float64(TieTolerance * math.Max(math.Abs(raw[0]), math.Abs(p.Threshold)))
		if p.Threshold == 0 {
			tol = 0 // relative to a score of its own size nothing ties with zero but zero
		}
		if raw[0] > p.Threshold+tol || math.IsInf(raw[0], 1) {
			return 1
		}
		return 0
	}
	best := math.Inf(-1)
	for _, v := range raw {
		if v > best {
			best = v
		}
	}
	least := best
	if finite(best) {
		least = best - float64(TieTolerance*math.Abs(best))
	}
	for o, v := range raw {
		if v >= least {
			return o
		}
	}
	return 0 // every score is NaN
}

func (p *Postprocessing) link(raw []float64) []float64 {
	out := make([]float64, len(raw), max(2, len(raw)))
	switch p.Link {
	case LinkSigmoid:
		for i, v := range raw {
			out[i] = Sigmoid(v)
		}
	case LinkSoftmax:
		softmax(out, raw)
	case LinkExp:
		for i, v := range raw {
			out[i] = math.Exp(v)
		}
	case LinkSigmoidNormalized:
		var sum float64
		for i, v := range raw {
			out[i] = Sigmoid(v)
			sum += out[i]
		}
		if sum > 0 {
			for i := range out {
				out[i] /= sum
			}
		}
	case LinkLogSoftmax:
		logSoftmax(out, raw)
	case LinkNormalized:
		var sum float64
		for _, v := range raw {
			sum += math.Abs(v)
		}
		if sum == 0 {
			sum = 1
		}
		for i, v := range raw {
			out[i] = v / sum
		}
	case LinkUnit:
		for i, v := range raw {
			out[i] = math.Min(math.Max(v, 0), 1)
		}
	case LinkProbit:
		for i, v := range raw {
			out[i] = math.Sqrt2 * math.Erfinv(2*v-1)
		}
	case LinkSoftmaxZero:
		for i, v := range raw {
			if out[i] = v; v == 0 {
				out[i] = math.Inf(-1)
			}
		}
		softmax(out, out)
		for i, v := range raw {
			if v == 0 {
				out[i] = 0
			}
		}
	case LinkOneVsRest:
		votes, margins := p.votes(raw)
		for i, m := range margins {
			votes[i] += m / (3 * (math.Abs(m) + 1))
		}
		return votes
	default:
		copy(out, raw)
	}
	return out
}

// pairwise reports whether the raw scores are decisions between pairs of classes.
func (p *Postprocessing) pairwise() bool { return p.Link == LinkOneVsOne || p.Link == LinkOneVsRest }

// votes counts the votes of the pairs, and sums the decisions for and against every class.
func (p *Postprocessing) votes(raw []float64) (votes, margins []float64) {
	n := len(p.Classes)
	votes, margins = make([]float64, n), make([]float64, n)
	k := 0
	for i := range n {
		for j := i + 1; j < n; j++ {
			s := raw[k]
			k++
			margins[i] += s
			margins[j] -= s
			if s > 0 {
				votes[i]++
			} else {
				votes[j]++
			}
		}
	}
	return votes, margins
}

// Sigmoid returns 1/(1+exp(-x)) without overflow.
func Sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

// softmax subtracts the maximum first, so that no exponential overflows.
func softmax(dst, raw []float64) {
	top := math.Inf(-1)
	for _, v := range raw {
		top = math.Max(top, v)
	}
	if math.IsInf(top, 0) || math.IsNaN(top) {
		top = 0
	}
	var sum float64
	for i, v := range raw {
		dst[i] = math.Exp(v - top)
		sum += dst[i]
	}
	for i := range dst {
		dst[i] /= sum
	}
}

// logSoftmax is s - log(sum of exp), with the maximum taken out as in softmax.
func logSoftmax(dst, raw []float64) {
	top := math.Inf(-1)
	for _, v := range raw {
		top = math.Max(top, v)
	}
	if math.IsInf(top, 0) || math.IsNaN(top) {
		top = 0
	}
	var sum float64
	for _, v := range raw {
		sum += math.Exp(v - top)
	}
	for i, v := range raw {
		dst[i] = (v - top) - math.Log(sum)
	}
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
