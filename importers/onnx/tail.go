package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

func argMax(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	v, ok := in[0].(*vector)
	if !ok || v.open || o.int("select_last_index", 0) != 0 {
		return nil, fmt.Errorf("computed scores, of which the first maximum wins")
	}
	if err := columnsAxis(v, o.int("axis", 0)); err != nil {
		return nil, err
	}
	if len(v.cols) < 2 || len(v.cols) > quantize.MaxClasses {
		return nil, fmt.Errorf("2 to %d classes, not %d", quantize.MaxClasses, len(v.cols))
	}
	return one(&labels{v, quantize.IntLabels(len(v.cols)), false}), nil
}

// maxKeys bounds the labels that are mapped to labels.
const maxKeys = 1 << 16

// labelEncoder maps labels to labels (keys_* to values_*).
func labelEncoder(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	l, ok := in[0].(*labels)
	if !ok {
		return t.encodeColumn(o, in)
	}
	var keys, vals []quantize.Label
	list := func(prefix string) (out []quantize.Label) {
		for _, s := range o.texts(prefix + "_strings") {
			out = append(out, quantize.Label{Text: s})
		}
		for _, v := range o.ints(prefix + "_int64s") {
			out = append(out, quantize.Label{Int: v, IsInt: true})
		}
		return out
	}
	for _, name := range []string{"keys_strings", "values_strings", "keys_int64s", "values_int64s"} {
		if n := max(len(o.texts(name)), len(o.ints(name))); n > maxKeys {
			return nil, malformed("%d keys or values, want up to %d", n, maxKeys)
		}
	}
	keys, vals = list("keys"), list("values")
	if len(keys) == 0 || len(keys) != len(vals) {
		return nil, fmt.Errorf("integer or text keys and values")
	}
	m := make(map[quantize.Label]quantize.Label, len(keys))
	for i, k := range keys {
		m[k] = vals[i]
	}
	out := make([]quantize.Label, len(l.classes))
	for i, c := range l.classes {
		v, ok := m[c]
		if !ok {
			return nil, malformed("label %s is not among its keys", c)
		}
		out[i] = v
	}
	return one(&labels{l.scores, out, l.votes}), nil
}

// zipMap names scores; the columns stay what they are.
func zipMap(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	v, ok := in[0].(*vector)
	if !ok {
		return nil, fmt.Errorf("scores")
	}
	n := len(o.ints("classlabels_int64s")) + len(o.texts("classlabels_strings"))
	if n != len(v.cols) {
		return nil, malformed("%d class labels for %d scores", n, len(v.cols))
	}
	return one(v), nil
}

// scoring is a vector of scores taken apart: pair(link(raw)).
type scoring struct {
	raw  *vector
	link quantize.Link
	pair quantize.Pairing
}

// takeApart recognises link and pairing of a vector of scores. Two scores that are functions of one number become one
// raw score (also a softmax over two: its second probability is the sigmoid of the difference).
func (t *translator) takeApart(v *vector) (*scoring, error) {
	v = compact(v)
	b := v.base
	switch {
	case b.kind == basisSoftmax && v.isIdentity():
		if b.n == 2 {
			d, err := t.difference(b.arg)
			return &scoring{d, quantize.LinkSigmoid, quantize.PairComplement}, err
		}
		return &scoring{b.arg, quantize.LinkSoftmax, quantize.PairNone}, nil
	case b.kind == basisOneVsRest && v.isIdentity():
		return &scoring{b.arg, quantize.LinkOneVsRest, quantize.PairNone}, nil
	case b.kind == basisSoftmaxZero && v.isIdentity():
		return &scoring{b.arg, quantize.LinkSoftmaxZero, quantize.PairNone}, nil
	case b.kind == basisFunction && b.fn == "Probit" && v.isIdentity():
		return &scoring{b.arg, quantize.LinkProbit, quantize.PairNone}, nil
	case b.kind == basisNormalize && v.isIdentity() && b.arg.base.kind == basisTrees:
		return &scoring{b.arg, quantize.LinkNormalized, quantize.PairNone}, nil
	case b.kind == basisLogSoftmax && v.isIdentity():
		return &scoring{b.arg, quantize.LinkLogSoftmax, quantize.PairNone}, nil
	case b.kind == basisNormalize && v.isIdentity() && b.arg.base.kind == basisFunction && b.arg.base.fn == "Sigmoid" && b.arg.isIdentity():
		raw := b.arg.base.arg
		if b.n == 2 && raw.cols[0].opposite(raw.cols[1]) {
			return &scoring{raw.last(), quantize.LinkSigmoid, quantize.PairComplement}, nil
		}
		return &scoring{raw, quantize.LinkSigmoidNormalized, quantize.PairNone}, nil
	case b.kind == basisFunction && b.fn == "Unit" && b.n == 1 && len(v.cols) == 2 && complement(v.cols[0], v.cols[1]):
		return &scoring{b.arg, quantize.LinkUnit, quantize.PairComplement}, nil
	case b.kind == basisFunction && b.fn == "Sigmoid":
		if v.isIdentity() {
			if b.n == 2 && b.arg.cols[0].opposite(b.arg.cols[1]) {
				return &scoring{b.arg.last(), quantize.LinkSigmoid, quantize.PairComplement}, nil
			}
			return &scoring{b.arg, quantize.LinkSigmoid, quantize.PairNone}, nil
		}
		if b.n == 1 && len(v.cols) == 2 && complement(v.cols[0], v.cols[1]) {
			return &scoring{b.arg, quantize.LinkSigmoid, quantize.PairComplement}, nil
		}
	case b.kind == basisFunction && b.fn == "Exp":
		// c*exp(s) is exp(s + ln c)
		out := b.arg.with(make([]column, len(v.cols)), v.shape)
		for i, c := range v.cols {
			if len(c.idx) != 1 || c.w[0] <= 0 || c.b != 0 {
				return nil, fmt.Errorf("output: a sum of exponentials is not supported")
			}
			out.cols[i] = b.arg.cols[c.idx[0]].scaled(1, math.Log(c.w[0]))
		}
		return &scoring{out, quantize.LinkExp, quantize.PairNone}, nil
	}
	if b.kind == basisSoftmax || b.kind == basisLogSoftmax || b.kind == basisNormalize {
		return nil, fmt.Errorf("output: only all columns of %s, in their order, can be the scores", b.describe())
	}
	if len(v.cols) == 2 {
		x, y := v.cols[0], v.cols[1]
		if x.opposite(y) {
			return &scoring{v.last(), quantize.LinkIdentity, quantize.PairOpposite}, nil
		}
		if one := y.scaled(-1, 1); x.equal(one) {
			return &scoring{v.last(), quantize.LinkIdentity, quantize.PairComplement}, nil
		}
	}
	return &scoring{v, quantize.LinkIdentity, quantize.PairNone}, nil
}

// last is the last column as a vector.
func (v *vector) last() *vector { return v.pick([]int{len(v.cols) - 1}, []int{1}) }

// difference is the second column minus the first.
func (t *translator) difference(v *vector) (*vector, error) {
	x, y := v.cols[0], v.cols[1]
	if err := t.spend(len(x.idx)+len(y.idx), len(x.idx)+len(y.idx)); err != nil {
		return nil, err
	}
	return v.with([]column{addScaled(y, x, -1)}, []int{1}), nil
}

// monotone strips functions that leave the order of the columns unchanged.
func monotone(v *vector) *vector {
	for {
		v = compact(v)
		b := v.base
		switch {
		case !v.isIdentity():
			return v
		case b.kind == basisSoftmax, b.kind == basisLogSoftmax, b.kind == basisNormalize:
			v = b.arg
		case b.kind == basisFunction && (b.fn == "Sigmoid" || b.fn == "Exp"):
			v = b.arg
		default:
			return v
		}
	}
}

// finish recognises the outputs and builds the model.
func (t *translator) finish() (models.Model, error) {
	var label *labels
	var scores *vector
	for _, out := range t.file.outputs {
		switch v := t.values[out.name].(type) {
		case *labels:
			if label != nil {
				return nil, fmt.Errorf("output %q: the file has two label outputs; only one can be imported", out.name)
			}
			label = v
		case *vector:
			if v.open {
				return nil, fmt.Errorf("output %q is an input of the model", out.name)
			}
			if scores == nil {
				scores = v
				continue
			}
			a, b, err := t.common(scores, v)
			if err != nil {
				return nil, fmt.Errorf("output %q needs %w", out.name, err)
			}
			scores = a.with(slices.Concat(a.cols, b.cols), []int{len(a.cols) + len(b.cols)})
		default:
			return nil, fmt.Errorf("output %q does not depend on the features", out.name)
		}
	}
	var classes []quantize.Label
	if label != nil {
		classes = label.classes
	}
	if scores == nil {
		if t.opt.Task == TaskRegress {
			return nil, fmt.Errorf("the file has only a label output; it cannot be imported as a regressor: import it as a classifier, or export its scores too")
		}
		scores = label.scores
	}
	s, err := t.takeApart(scores)
	if err != nil {
		return nil, err
	}
	post := quantize.Postprocessing{Link: s.link}
	switch {
	case t.opt.Task == TaskRegress || t.opt.Task == TaskAuto && label == nil && (t.regress || len(scores.cols) == 1 && s.link != quantize.LinkSigmoid):
		post.Task = quantize.Regress
		if s.pair != quantize.PairNone { // the numbers themselves
			if s, err = t.plain(scores); err != nil {
				return nil, err
			}
			post.Link = s.link
		}
	case label == nil:
		if err := t.classifyScores(&post, s, scores); err != nil {
			return nil, err
		}
	default:
		post.Pair, post.Classes = s.pair, classes
		if err := t.classifyLabel(&post, s, label); err != nil {
			return nil, err
		}
	}
	post.Outputs = len(s.raw.cols)
	if post.Outputs > quantize.MaxOutputs {
		return nil, fmt.Errorf("the model has %d outputs, at most %d are supported", post.Outputs, quantize.MaxOutputs)
	}
	return t.build(s.raw, post)
}

// plain takes scores apart without pairing.
func (t *translator) plain(v *vector) (*scoring, error) {
	if v.isIdentity() && v.base.kind == basisFunction && v.base.fn == "Sigmoid" {
		return &scoring{v.base.arg, quantize.LinkSigmoid, quantize.PairNone}, nil
	}
	if v.isIdentity() && v.base.kind == basisSoftmax {
		return &scoring{v.base.arg, quantize.LinkSoftmax, quantize.PairNone}, nil
	}
	if v.isIdentity() && v.base.kind == basisLogSoftmax {
		return &scoring{v.base.arg, quantize.LinkLogSoftmax, quantize.PairNone}, nil
	}
	if v.base.kind == basisFunction && v.base.fn == "Sigmoid" || v.base.kind == basisLogSoftmax || v.base.kind == basisNormalize || v.base.kind == basisSoftmax {
		return nil, fmt.Errorf("output: pairs of probabilities cannot be numbers of a regressor; import it as a classifier")
	}
	return &scoring{v, quantize.LinkIdentity, quantize.PairNone}, nil
}

// classifyScores sets the label rule of a file without labels: classes 0, 1, ...; one probability p means [1-p, p].
func (t *translator) classifyScores(post *quantize.Postprocessing, s *scoring, scores *vector) error {
	if len(scores.cols) == 1 {
		if s.link != quantize.LinkSigmoid {
			return fmt.Errorf("the model has one output that is no probability; it cannot be imported as a classifier: import it as a regressor")
		}
		post.Pair, post.Classes = quantize.PairComplement, quantize.IntLabels(2)
		return nil
	}
	if len(scores.cols) > quantize.MaxClasses {
		return fmt.Errorf("the model has %d scores, at most %d classes are supported", len(scores.cols), quantize.MaxClasses)
	}
	post.Pair, post.Classes = s.pair, quantize.IntLabels(len(scores.cols))
	return t.classifyLabel(post, s, &labels{scores, post.Classes, false})
}

// classifyLabel checks that the label is decided by the same raw scores as s and sets the threshold of a single one.
func (t *translator) classifyLabel(post *quantize.Postprocessing, s *scoring, l *labels) error {
	apart := fmt.Errorf("the labels and the scores of the file come from different values; export the model with only one of the two")
	v := monotone(l.scores)
	if l.votes {
		if !sameVector(v, s.raw, 0) || s.link != quantize.LinkIdentity && s.link != quantize.LinkOneVsRest {
			return apart
		}
		if s.link == quantize.LinkIdentity {
			post.Link = quantize.LinkOneVsOne
		}
		return nil
	}
	if s.link == quantize.LinkOneVsRest {
		return apart
	}
	if len(s.raw.cols) > 1 {
		if sameVector(v, s.raw, 0) {
			return nil
		}
		if v.base.kind != basisTrees || s.raw.base.kind != basisTrees || v.isIdentity() {
			return apart
		}
		w, err := t.identityTrees(v)
		if err != nil {
			return err
		}
		if !sameTrees(w, s.raw) {
			return apart
		}
		return nil
	}
	if len(v.cols) != 2 || len(l.classes) != 2 {
		return apart
	}
	d, err := t.difference(v)
	if err != nil {
		return err
	}
	raw := s.raw.cols[0]
	sigmoid := false
	if !sameBasis(d.base, s.raw.base, 0) {
		// decided on the probability p of the raw score: a*p + b > 0
		if d.base.kind != basisFunction || d.base.fn != "Sigmoid" && d.base.fn != "Unit" || d.base.n != 1 || !sameVector(d.base.arg, s.raw, 0) {
			return apart
		}
		sigmoid = d.base.fn == "Sigmoid"
		raw = column{idx: []int32{0}, w: []float64{1}}
	}
	f, g, ok := multiple(d.cols[0], raw)
	if !ok || f <= 0 {
		return apart
	}
	post.Threshold = -g / f
	if sigmoid {
		if post.Threshold <= 0 || post.Threshold >= 1 {
			return apart
		}
		post.Threshold = math.Log(post.Threshold / (1 - post.Threshold))
	}
	if post.Threshold == 0 {
		post.Threshold = 0 // not the negative zero
	}
	return nil
}

// sameTrees compares the outputs of two ensembles.
func sameTrees(a, b *vector) bool {
	if !a.isIdentity() || !b.isIdentity() || len(a.cols) != len(b.cols) || !sameVector(a.base.arg, b.base.arg, 0) {
		return false
	}
	x, y := a.base.trees, b.base.trees
	if len(x.trees) != len(y.trees) || x.average != y.average || !slices.Equal(x.base, y.base) {
		return false
	}
	for i := range x.trees {
		p, q := &x.trees[i], &y.trees[i]
		if p.Root != q.Root || len(p.Leaves) != len(q.Leaves) || !slices.Equal(p.Nodes, q.Nodes) {
			return false
		}
		for l := range p.Leaves {
			if !slices.Equal(p.Leaves[l], q.Leaves[l]) {
				return false
			}
		}
	}
	return true
}

// multiple finds d = f*r + g, up to the rounding of a few float64 operations.
func multiple(d, r column) (f, g float64, ok bool) {
	if len(r.idx) == 0 || !slices.Equal(d.idx, r.idx) {
		return 0, 0, false
	}
	at := 0
	for i, w := range r.w {
		if math.Abs(w) > math.Abs(r.w[at]) {
			at = i
		}
	}
	f = d.w[at] / r.w[at]
	for i, w := range r.w {
		if math.Abs(d.w[i]-float64(f*w)) > 1e-12*math.Abs(float64(f*r.w[at])) {
			return 0, 0, false
		}
	}
	g = d.b - float64(f*r.b)
	if math.Abs(g) <= 1e-12*math.Abs(d.b) {
		g = 0
	}
	return f, g, true
}
