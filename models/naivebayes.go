package models

import (
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/quantize"
)

// The constructors of naive Bayes classifiers take the parameters under the names and in the shapes that scikit-learn's
// estimators have them in. Raw score k is the joint log-likelihood log P(class k) + sum over f of log P(x[f] | class k), up to a
// constant of all classes; the link is softmax, so that scores are predict_proba's. Of info they read Features, Named, Producer,
// Float32 and Post.Classes (nil: 0, 1, ...).

// NewGaussianNaiveBayes returns the classifier of scikit-learn's GaussianNB: classPrior [classes], theta (means) and variance
// (var_, smoothing included, positive) [classes][features]. Each feature's log-likelihood is a polynomial of degree 2.
func NewGaussianNaiveBayes(info Info, classPrior []float64, theta, variance [][]float64) (*Additive, error) {
	logPrior := make([]float64, len(classPrior))
	for k, p := range classPrior {
		if !(p >= 0) {
			return nil, fmt.Errorf("models: naive Bayes: the prior of class %d is not a probability", k)
		}
		logPrior[k] = math.Max(math.Log(p), leastLog)
	}
	m, err := newNaiveBayes(info, logPrior)
	if err != nil {
		return nil, err
	}
	features, classes := len(m.Features), len(logPrior)
	if err := checkMatrix("naive Bayes: means", theta, classes, features); err != nil {
		return nil, err
	}
	if err := checkMatrix("naive Bayes: variances", variance, classes, features); err != nil {
		return nil, err
	}
	for f := range features {
		t := Term{Feature: f, Shape: TermPolynomial, Scores: [][]float64{make([]float64, classes), make([]float64, classes), make([]float64, classes)}}
		for k := range classes {
			mu, v := theta[k][f], variance[k][f]
			if !(v > 0) {
				return nil, fmt.Errorf("models: naive Bayes: the variance of column %q in class %d is not positive", m.Features[f], k)
			}
			// -(x-mu)^2/(2v) - log(2 pi v)/2
			t.Scores[0][k] = -float64(mu*mu)/(2*v) - math.Log(2*math.Pi*v)/2
			t.Scores[1][k] = mu / v
			t.Scores[2][k] = -1 / (2 * v)
		}
		m.Terms = append(m.Terms, t)
	}
	return m, m.Validate()
}

// NewBernoulliNaiveBayes returns the classifier of scikit-learn's BernoulliNB: classLogPrior (class_log_prior_) [classes] and
// featureLogProb (feature_log_prob_) [classes][features]. A feature counts as 1 where it is above binarize. For binarize=None, where
// features are 0 or 1 already, pass 0.5.
func NewBernoulliNaiveBayes(info Info, classLogPrior []float64, featureLogProb [][]float64, binarize float64) (*Additive, error) {
	m, err := newNaiveBayes(info, classLogPrior)
	if err != nil {
		return nil, err
	}
	features, classes := len(m.Features), len(classLogPrior)
	if err := checkLogs("naive Bayes: feature log probabilities", featureLogProb, classes, features); err != nil {
		return nil, err
	}
	for f := range features {
		t := Term{Feature: f, Points: []float64{binarize}, Scores: [][]float64{make([]float64, classes), make([]float64, classes)}}
		for k := range classes {
			one := featureLogProb[k][f]
			if one > 0 {
				return nil, fmt.Errorf("models: naive Bayes: the probability of column %q in class %d is above 1", m.Features[f], k)
			}
			t.Scores[0][k] = math.Max(math.Log1p(-math.Exp(one)), leastLog)
			t.Scores[1][k] = math.Max(one, leastLog)
		}
		m.Terms = append(m.Terms, t)
	}
	return m, m.Validate()
}

// NewMultinomialNaiveBayes returns the classifier of scikit-learn's MultinomialNB: classLogPrior (class_log_prior_) [classes] and
// featureLogProb (feature_log_prob_) [classes][features]. Its scores are linear in the counts, so it is a [Linear] model. For
// ComplementNB pass zeros as priors.
func NewMultinomialNaiveBayes(info Info, classLogPrior []float64, featureLogProb [][]float64) (*Linear, error) {
	m, err := newNaiveBayes(info, classLogPrior)
	if err != nil {
		return nil, err
	}
	if err := checkLogs("naive Bayes: feature log probabilities", featureLogProb, len(classLogPrior), len(m.Features)); err != nil {
		return nil, err
	}
	l := &Linear{Info: m.Info, Bias: m.Bias}
	for _, row := range featureLogProb {
		w := make([]float64, len(row))
		for f, v := range row {
			w[f] = math.Max(v, leastLog)
		}
		l.Weights = append(l.Weights, w)
	}
	return l, l.Validate()
}

// NewCategoricalNaiveBayes returns the classifier of scikit-learn's CategoricalNB: classLogPrior (class_log_prior_) [classes] and
// featureLogProb (feature_log_prob_) [features][classes][categories]. A feature holds the number of its category, 0, 1, ...; as in
// scikit-learn digits after the point are cut off. Numbers below the first or above the last category, which scikit-learn refuses, count as
// those.
func NewCategoricalNaiveBayes(info Info, classLogPrior []float64, featureLogProb [][][]float64) (*Additive, error) {
	m, err := newNaiveBayes(info, classLogPrior)
	if err != nil {
		return nil, err
	}
	classes := len(classLogPrior)
	if len(featureLogProb) != len(m.Features) {
		return nil, fmt.Errorf("models: naive Bayes: log probabilities of %d columns, want %d", len(featureLogProb), len(m.Features))
	}
	for f, logs := range featureLogProb {
		if len(logs) != classes || len(logs[0]) == 0 {
			return nil, fmt.Errorf("models: naive Bayes: column %q has log probabilities of %d classes, want %d, with a category or more", m.Features[f], len(logs), classes)
		}
		categories := len(logs[0])
		if err := checkLogs(fmt.Sprintf("naive Bayes: log probabilities of column %q", m.Features[f]), logs, classes, categories); err != nil {
			return nil, err
		}
		t := Term{Feature: f}
		for c := range categories {
			if c > 0 { // the largest number below c: x <= it where x < c
				t.Points = append(t.Points, math.Nextafter(float64(c), math.Inf(-1)))
			}
			row := make([]float64, classes)
			for k := range row {
				row[k] = math.Max(logs[k][c], leastLog)
			}
			t.Scores = append(t.Scores, row)
		}
		m.Terms = append(m.Terms, t)
	}
	return m, m.Validate()
}

// leastLog takes the place of the logarithm of a probability of zero: exp of it is zero in float64 too.
const leastLog = -1e4

// newNaiveBayes returns a classifier without terms.
func newNaiveBayes(info Info, logPrior []float64) (*Additive, error) {
	classes := len(logPrior)
	if classes < 2 {
		return nil, fmt.Errorf("models: naive Bayes: %d classes, want two or more", classes)
	}
	labels := info.Post.Classes
	if labels == nil {
		labels = quantize.IntLabels(classes)
	}
	if len(labels) != classes {
		return nil, fmt.Errorf("models: naive Bayes: %d class labels for %d classes", len(labels), classes)
	}
	info.Post = quantize.Postprocessing{Task: quantize.Classify, Link: quantize.LinkSoftmax, Classes: labels, Outputs: classes}
	m := &Additive{Info: info, Bias: make([]float64, classes)}
	for k, p := range logPrior {
		if math.IsNaN(p) || math.IsInf(p, 1) {
			return nil, fmt.Errorf("models: naive Bayes: the prior of class %d is not a number", k)
		}
		m.Bias[k] = math.Max(p, leastLog)
	}
	return m, nil
}

// checkMatrix reports a shape other than rows x cols and numbers that are not finite.
func checkMatrix(what string, m [][]float64, rows, cols int) error {
	if len(m) != rows {
		return fmt.Errorf("models: %s: %d rows, want %d", what, len(m), rows)
	}
	for r, row := range m {
		if err := checkVector(fmt.Sprintf("%s: row %d", what, r), row, cols); err != nil {
			return err
		}
	}
	return nil
}

// checkLogs is checkMatrix for logarithms: minus infinity is one of zero.
func checkLogs(what string, m [][]float64, rows, cols int) error {
	if len(m) != rows {
		return fmt.Errorf("models: %s: %d rows, want %d", what, len(m), rows)
	}
	for r, row := range m {
		if len(row) != cols {
			return fmt.Errorf("models: %s: row %d: %d numbers, want %d", what, r, len(row), cols)
		}
		for i, v := range row {
			if math.IsNaN(v) || math.IsInf(v, 1) {
				return fmt.Errorf("models: %s: row %d: number %d is not a logarithm", what, r, i)
			}
		}
	}
	return nil
}
