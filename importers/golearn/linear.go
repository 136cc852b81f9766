package golearn

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// importLinearRegression reads coefficients, which are in the order of attrs; that changes with every Fit.
func importLinearRegression(v reflect.Value, opt Options, r *Report) (models.Model, error) {
	if opt.Task == TaskClassify {
		return nil, fmt.Errorf("its answers are numbers; import it as a regressor")
	}
	fitted, err := field(v, "fitted", reflect.Bool)
	if err != nil {
		return nil, err
	}
	if !fitted.Bool() {
		return nil, fmt.Errorf("it is not fitted; fit the model first")
	}
	intercept, err := field(v, "disturbance", reflect.Float64)
	if err != nil {
		return nil, err
	}
	slopes, err := field(v, "regressionCoefficients", reflect.Slice)
	if err != nil {
		return nil, err
	}
	attrs, err := field(v, "attrs", reflect.Slice)
	if err != nil {
		return nil, err
	}
	used := make([]string, attrs.Len())
	for i := range used {
		a, ok, err := readAttribute(attrs.Index(i))
		if err != nil {
			return nil, err
		}
		if !ok || a.kind != attrFloat {
			return nil, fmt.Errorf("attribute %d is not a number", i)
		}
		used[i] = a.name
	}
	if len(used) != slopes.Len() {
		return nil, fmt.Errorf("%d coefficients for %d attributes", slopes.Len(), len(used))
	}
	names, at, err := featureNames(used, opt)
	if err != nil {
		return nil, err
	}
	w := make([]float64, len(names))
	for i, b := range readFloats(slopes) {
		w[at[i]] += b
	}
	return &models.Linear{
		Info:    models.Info{Features: names, Named: true, Producer: producer, Post: quantize.Postprocessing{Task: quantize.Regress, Outputs: 1}},
		Weights: [][]float64{w}, Bias: []float64{intercept.Float()}}, nil
}

// Liblinear is a linear classifier as liblinear writes it to a text file (save_model of its linear.cpp): LogisticRegression and LinearSVC of golearn hold one.
// The decision values of a row x are sum over f of W[f][k]*x[f], plus W[len(W)-1][k]*Bias where Bias >= 0.
type Liblinear struct {
	Solver  string      // such as "L2R_LR"
	Labels  []int64     // one per class; with two classes a decision value above 0 means the first
	Feature int         // features, of which the last is golearn's: it is never set, and its weight is 0
	Bias    float64     // below 0: none
	W       [][]float64 // [feature][decision value], one more row where Bias >= 0
}

// maxFeatures bounds the rows of W, maxWeights its numbers.
const (
	maxFeatures = models.MaxFeatures + 1
	maxWeights  = 1 << 20
)

// ParseLiblinear reads such a file.
func ParseLiblinear(text []byte) (*Liblinear, error) {
	m := &Liblinear{Bias: -1, Feature: -1}
	classes := -1
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		key, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		var err error
		switch key {
		case "solver_type":
			m.Solver = value
		case "nr_class":
			classes, err = strconv.Atoi(value)
		case "label":
			for _, s := range strings.Fields(value) {
				var l int64
				if l, err = strconv.ParseInt(s, 10, 64); err != nil {
					break
				}
				if m.Labels = append(m.Labels, l); len(m.Labels) > maxClasses {
					return nil, fmt.Errorf("liblinear model: more than %d labels", maxClasses)
				}
			}
		case "nr_feature":
			m.Feature, err = strconv.Atoi(value)
		case "bias":
			m.Bias, err = strconv.ParseFloat(value, 64)
		case "w":
			return m, m.weights(lines, classes)
		case "":
		default:
			return nil, fmt.Errorf("liblinear model: unknown line %.40q", key)
		}
		if err != nil {
			return nil, fmt.Errorf("liblinear model: %s %.40q is not a number", key, value)
		}
	}
	return nil, fmt.Errorf("liblinear model: it ends before its weights")
}

// weights reads the lines after "w", one per feature.
func (m *Liblinear) weights(lines *bufio.Scanner, classes int) error {
	if classes < 2 || classes != len(m.Labels) {
		return fmt.Errorf("liblinear model: %d classes and %d labels; a classifier needs two", classes, len(m.Labels))
	}
	rows := m.Feature
	if m.Bias >= 0 {
		rows++
	}
	columns := m.columns()
	if m.Feature < 1 || rows > maxFeatures || rows > maxWeights/columns || math.IsNaN(m.Bias) || math.IsInf(m.Bias, 0) {
		return fmt.Errorf("liblinear model: %d features", m.Feature)
	}
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		if len(fields) != columns || len(m.W) == rows {
			return fmt.Errorf("liblinear model: line %d of the weights has %d numbers, want %d lines of %d", len(m.W)+1, len(fields), rows, columns)
		}
		row := make([]float64, columns)
		for i, s := range fields {
			v, err := strconv.ParseFloat(s, 64)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("liblinear model: weight %.40q is not a finite number", s)
			}
			row[i] = v
		}
		m.W = append(m.W, row)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("liblinear model: %w", err)
	}
	if len(m.W) != rows {
		return fmt.Errorf("liblinear model: weights for %d of %d features", len(m.W), rows)
	}
	return nil
}

// columns is the number of decision values.
func (m *Liblinear) columns() int {
	if len(m.Labels) == 2 && m.Solver != "MCSVM_CS" {
		return 1
	}
	return len(m.Labels)
}

// Model returns the classifier over the columns of opt. Decision values are linear; those of logistic regression become probabilities as in liblinear
// (predict_probability): the sigmoid of each, with more than two classes divided by their sum.
func (m *Liblinear) Model(opt Options) (models.Model, *Report, error) {
	r := &Report{Model: "linear_models.LinearSVC"}
	link := quantize.LinkIdentity
	switch m.Solver {
	case "L2R_LR", "L1R_LR", "L2R_LR_DUAL":
		r.Model = "linear_models.LogisticRegression"
		link = quantize.LinkSigmoid
	case "L2R_L2LOSS_SVC_DUAL", "L2R_L2LOSS_SVC", "L2R_L1LOSS_SVC_DUAL", "MCSVM_CS", "L1R_L2LOSS_SVC":
	default:
		return nil, r, fmt.Errorf("golearn: liblinear solver %.40q is not supported; supported are its classifiers", m.Solver)
	}
	model, err := m.model(link, opt, r)
	if err == nil {
		err = model.Validate()
	}
	if err != nil {
		return nil, r, fmt.Errorf("golearn: %s: %w", r.Model, err)
	}
	return model, r, nil
}

func (m *Liblinear) model(link quantize.Link, opt Options, r *Report) (models.Model, error) {
	if opt.Task == TaskRegress {
		return nil, fmt.Errorf("its answers are classes, not numbers; import it as a classifier")
	}
	n := m.Feature
	if n > 1 && !slices.ContainsFunc(m.W[n-1], func(w float64) bool { return w != 0 }) {
		n-- // the feature that golearn adds (liblinear.go, NewProblem) and never sets
	}
	names, named, err := unnamed(n, opt, r)
	if err != nil {
		return nil, err
	}
	out := &models.Linear{Info: models.Info{Features: names, Named: named, Producer: producer}}
	columns := m.columns()
	for k := range columns {
		w, b := make([]float64, len(names)), 0.0
		for f := range n {
			w[f] = m.W[f][k]
		}
		if m.Bias >= 0 {
			b = m.W[m.Feature][k] * m.Bias
		}
		out.Weights, out.Bias = append(out.Weights, w), append(out.Bias, b)
	}
	labels := slices.Clone(m.Labels)
	if columns == 1 {
		slices.Reverse(labels) // a decision value above 0 is the first label's, a raw score above the threshold the second class's
	}
	out.Post = quantize.Postprocessing{Task: quantize.Classify, Link: link, Outputs: columns}
	switch {
	case columns == 1 && link == quantize.LinkSigmoid:
		out.Post.Pair = quantize.PairComplement
	case columns == 1:
		out.Post.Pair = quantize.PairOpposite
	case link == quantize.LinkSigmoid:
		out.Post.Link = quantize.LinkSigmoidNormalized
	}
	for _, l := range labels {
		out.Post.Classes = append(out.Post.Classes, quantize.Label{Int: l, IsInt: true})
	}
	r.warn("golearn's own Predict leaves out features that are zero or negative; here all count, as they did in training")
	return out, nil
}
