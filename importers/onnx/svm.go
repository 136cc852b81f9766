package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/quantize"
)

// svmInput checks the operand and the kernel: all but the linear one compare a row with every support vector.
func (t *translator) svmInput(o *operation, in []value) (*vector, error) {
	v, err := computed(in)
	if err != nil {
		return nil, err
	}
	switch k := o.string("kernel_type", "LINEAR"); k {
	case "LINEAR":
		return v, nil
	case "RBF", "POLY", "SIGMOID":
		return nil, t.unsupported(o, fmt.Sprintf("kernel %s compares a row with every support vector; only LINEAR can be imported: train with kernel=\"linear\", or another model", k))
	default:
		return nil, malformed("kernel_type %q", k)
	}
}

// svmRegressor with a linear kernel is linear: the weights are the support vectors times their coefficients.
func svmRegressor(t *translator, o *operation, in []value) ([]value, error) {
	v, err := t.svmInput(o, in)
	if err != nil {
		return nil, err
	}
	if o.int("one_class", 0) != 0 {
		return nil, fmt.Errorf("a regression, not the detection of outliers (one_class)")
	}
	coef, sv, rho := o.floats("coefficients"), o.floats("support_vectors"), o.floats("rho")
	n := int(o.int("n_supports", 0))
	if n < 0 || n > 0 && len(coef) != n || len(coef) == 0 || len(rho) != 1 {
		return nil, malformed("%d coefficients for %d support vectors, and %d constants (rho)", len(coef), n, len(rho))
	}
	w := coef // without support vectors they are the weights
	if n > 0 {
		if w, err = t.combine(sv, n, []span{{0, n, coef}}); err != nil {
			return nil, err
		}
	}
	if err := t.widen(v, len(w)); err != nil {
		return nil, err
	}
	if len(v.cols) != len(w) {
		return nil, malformed("weights for %d features of %d", len(w), len(v.cols))
	}
	if err := finiteConstant(append(slices.Clone(w), rho[0])...); err != nil {
		return nil, err
	}
	raw, err := t.matmul(v, w, 1, rho)
	if err != nil {
		return nil, err
	}
	t.regress = true
	out, err := t.postTransform(o, raw)
	return one(out), err
}

// span is a run of support vectors with their coefficients.
type span struct {
	from, to int
	coef     []float64
}

// combine returns the weighted sum of support vectors, of which there are n.
func (t *translator) combine(sv []float64, n int, spans []span) ([]float64, error) {
	if n == 0 || len(sv) == 0 || len(sv)%n != 0 {
		return nil, malformed("%d numbers for %d support vectors", len(sv), n)
	}
	k := len(sv) / n
	w := make([]float64, k)
	for _, s := range spans {
		if err := t.spend(0, (s.to-s.from)*k); err != nil {
			return nil, err
		}
		for i := s.from; i < s.to; i++ {
			for j := range w {
				w[j] += float64(s.coef[i-s.from] * sv[i*k+j])
			}
		}
	}
	return w, nil
}

// svmClassifier with a linear kernel has one linear decision s for every pair of classes i < j: i gets a vote where s > 0,
// else j. Of two classes the scores are [s, -s], or with Platt's sigmoid [1-p, p], p = 1/(1+exp(-(a*s+b))). Of more the
// client counts the votes. Where onnxruntime (1.18 and 1.23) does otherwise: its scores of two classes are [-s, s], largest
// for the class that its label is not; its p comes from an iteration that stops within 0.0025 of it; where s is 0 it takes
// the second class, this importer the first.
func svmClassifier(t *translator, o *operation, in []value) ([]value, error) {
	v, err := t.svmInput(o, in)
	if err != nil {
		return nil, err
	}
	classes, err := classLabels(o, "classlabels_ints")
	if err != nil {
		return nil, err
	}
	per := o.ints("vectors_per_class")
	if len(per) == 0 {
		return nil, fmt.Errorf("support vectors (train with sklearn.svm.SVC, or export a LinearSVC as LinearClassifier)")
	}
	n := len(classes)
	if len(per) != n {
		return nil, malformed("support vectors of %d classes, there are %d", len(per), n)
	}
	start := make([]int, n+1)
	for i, c := range per {
		if c < 0 || c > int64(t.file.size) {
			return nil, malformed("%d support vectors of class %d", c, i)
		}
		start[i+1] = start[i] + int(c)
	}
	total := start[n]
	coef, sv, rho := o.floats("coefficients"), o.floats("support_vectors"), o.floats("rho")
	pairs := n * (n - 1) / 2
	if len(coef) != (n-1)*total || len(rho) != pairs {
		return nil, malformed("%d coefficients and %d constants (rho) for %d support vectors of %d classes", len(coef), len(rho), total, n)
	}
	if err := finiteConstant(slices.Concat(coef, sv, rho)...); err != nil {
		return nil, err
	}
	var w [][]float64
	for i := range n {
		for j := i + 1; j < n; j++ {
			row, err := t.combine(sv, total, []span{
				{start[i], start[i+1], coef[(j-1)*total+start[i]:]}, {start[j], start[j+1], coef[i*total+start[j]:]}})
			if err != nil {
				return nil, err
			}
			w = append(w, row)
		}
	}
	k := len(w[0])
	if err := t.widen(v, k); err != nil {
		return nil, err
	}
	if len(v.cols) != k {
		return nil, malformed("support vectors of %d features, there are %d", k, len(v.cols))
	}
	if p := o.string("post_transform", "NONE"); p != "NONE" {
		return nil, fmt.Errorf("post_transform NONE, not %q", p)
	}
	flat := make([]float64, k*pairs)
	for p, row := range w {
		for f, x := range row {
			flat[f*pairs+p] = x
		}
	}
	raw, err := t.matmul(v, flat, pairs, rho)
	if err != nil {
		return nil, err
	}
	a, b := o.floats("prob_a"), o.floats("prob_b")
	if n == 2 {
		s := raw.cols[0]
		opposite := raw.with([]column{s, s.scaled(-1, 0)}, []int{2})
		label := &labels{scores: opposite, classes: classes}
		if len(a) == 0 {
			return []value{label, opposite}, nil
		}
		if len(a) != 1 || len(b) != 1 || !(a[0] < 0) {
			return nil, fmt.Errorf("probabilities that rise with the decision (prob_a below zero)")
		}
		p := newVector(&basis{kind: basisFunction, fn: "Sigmoid", n: 1, arg: raw.with([]column{s.scaled(a[0], b[0])}, []int{1}), node: o})
		return []value{label, p.with([]column{p.cols[0].scaled(-1, 1), p.cols[0]}, []int{2})}, nil
	}
	if len(a) > 0 {
		return nil, fmt.Errorf("decisions, not probabilities, of more than two classes: train with probability=False")
	}
	label := &labels{scores: raw, classes: classes, votes: true}
	if err := t.oneVsRest(o, raw, n); err != nil {
		return nil, err
	}
	return []value{label, raw}, nil
}

// oneVsRest looks for the operators that turn decisions between pairs into one score per class, as skl2onnx writes them
// for decision_function_shape="ovr": it runs what follows the node on samples and compares with quantize's function. If so
// the output becomes that function of raw and the operators in between are done.
func (t *translator) oneVsRest(o *operation, raw *vector, n int) error {
	if len(o.outputs) < 2 || o.outputs[1] == "" || len(t.file.outputs) > 8 { // skl2onnx writes two
		return nil
	}
	if err := t.spend(0, len(t.rec.ops)); err != nil {
		return err
	}
	at := slices.Index(t.rec.ops, o)
	post := quantize.Postprocessing{Link: quantize.LinkOneVsRest, Outputs: len(raw.cols), Classes: quantize.IntLabels(n)}
	for _, out := range t.file.outputs {
		var last []int
		same := out.name != o.outputs[1]
		for sample := range 6 {
			s := make([]float64, len(raw.cols))
			for i := range s { // of both signs, none zero
				s[i] = math.Sin(float64(7*sample+3*i+1)) * math.Exp(math.Cos(float64(5*sample+2*i)))
			}
			got, used := t.simulate(at+1, o.outputs[1], &constant{typ: typeFloat, shape: []int{1, len(s)}, data: s}, out.name)
			want := post.Float(s).Scores
			if got == nil || len(got.data) != n {
				same = false
				break
			}
			for i, x := range want {
				same = same && math.Abs(got.data[i]-x) < 1e-5
			}
			last = used
		}
		if !same {
			continue
		}
		t.values[out.name] = newVector(&basis{kind: basisOneVsRest, n: n, arg: raw, node: o})
		for _, i := range last {
			t.done[i] = true
		}
	}
	return nil
}

// simulate gives a value to one name and evaluates the operators from start on that depend on nothing else computed. It
// returns the value of another name, nil if there is none, and the operators that it used.
func (t *translator) simulate(start int, name string, c *constant, want string) (*constant, []int) {
	known := map[string]*constant{name: c}
	if t.table == nil {
		t.table = handlers()
	}
	table := t.table
	var used []int
	for i := start; i < len(t.rec.ops) && i < start+4096; i++ {
		o := t.rec.ops[i]
		h := table[opKey{o.domain, o.op}]
		in := make([]value, len(o.inputs))
		touched := false
		for k, s := range o.inputs {
			if x, ok := known[s]; ok {
				in[k], touched = x, true
			} else if x, ok := t.values[s].(*constant); ok {
				in[k] = x
			}
			if in[k] == nil {
				touched = false
				break
			}
		}
		if t.spend(0, 64) != nil {
			return nil, nil
		}
		if !touched || h == nil {
			continue
		}
		out, err := h(t, o, in)
		if err != nil {
			continue
		}
		for k, s := range o.outputs {
			if k < len(out) && s != "" {
				if x, ok := out[k].(*constant); ok {
					known[s] = x
				}
			}
		}
		used = append(used, i)
		if known[want] != nil {
			return known[want], used
		}
	}
	return nil, nil
}
