package bench

import (
	"math"
	"slices"
)

// Interval is a number with a confidence interval of 95%. Each of the three is NaN where there is none.
type Interval struct{ Value, Low, High float64 }

// none is an interval of nothing.
func none() Interval { return Interval{math.NaN(), math.NaN(), math.NaN()} }

// Metric is one measure of how well answers meet the truth, for the three ways to compute them.
type Metric struct {
	Name                        string
	Float, Quantized, Encrypted Interval
}

// z95 is the 97.5% quantile of the normal distribution.
const z95 = 1.959963984540054

// Wilson is the share of right among n with the score interval of Wilson (1927), which also holds for few rows and for shares near 0 and 1.
func Wilson(right, n int) Interval {
	if n == 0 {
		return none()
	}
	p, m := float64(right)/float64(n), float64(n)
	center := (p + z95*z95/(2*m)) / (1 + z95*z95/m)
	half := z95 / (1 + z95*z95/m) * math.Sqrt(p*(1-p)/m+z95*z95/(4*m*m))
	return Interval{p, max(0, center-half), min(1, center+half)}
}

// Accuracy is the share of rows whose class is the true one.
func Accuracy(truth, class []int) Interval {
	right := 0
	for i, t := range truth {
		if class[i] == t {
			right++
		}
	}
	return Wilson(right, len(truth))
}

// F1 is the harmonic mean of precision and recall of class 1 where classes is 2; else its mean over the classes that occur in truth or answers.
// A class that is never right has 0. It is f1_score of scikit-learn with average binary or macro.
func F1(truth, class []int, classes int) float64 {
	hit, said, is := make([]int, classes), make([]int, classes), make([]int, classes)
	for i, t := range truth {
		is[t]++
		said[class[i]]++
		if class[i] == t {
			hit[t]++
		}
	}
	sum, n := 0.0, 0
	for k := range classes {
		if classes == 2 && k == 0 || said[k]+is[k] == 0 {
			continue
		}
		sum += 2 * float64(hit[k]) / float64(said[k]+is[k])
		n++
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// AUC is the area under the receiver operating characteristic: the probability that a row of the class has a higher score than one of another class, ties
// counting half. It is NaN where all rows or none are of the class.
func AUC(isClass []bool, score []float64) float64 {
	order := make([]int, len(score))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case score[a] < score[b]:
			return -1
		case score[a] > score[b]:
			return 1
		}
		return 0
	})
	ranks, positives := 0.0, 0
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && score[order[j]] == score[order[i]] {
			j++
		}
		for _, row := range order[i:j] {
			if isClass[row] {
				ranks += float64(i+j+1) / 2 // the mean of the ranks i+1..j
				positives++
			}
		}
		i = j
	}
	negatives := len(order) - positives
	if positives == 0 || negatives == 0 {
		return math.NaN()
	}
	p := float64(positives)
	return (ranks - p*(p+1)/2) / (p * float64(negatives))
}

// AUCs is the AUC of class 1 by its score, the last one of a row, where classes is 2; else the mean over all classes of each against the rest.
// It is NaN where a class does not occur.
func AUCs(truth []int, scores [][]float64, classes int) float64 {
	isClass, column := make([]bool, len(truth)), make([]float64, len(truth))
	of := func(k, at int) float64 {
		for i, t := range truth {
			isClass[i] = t == k
			if at < 0 {
				column[i] = scores[i][len(scores[i])-1]
			} else {
				column[i] = scores[i][at]
			}
			if math.IsNaN(column[i]) {
				return math.NaN()
			}
		}
		return AUC(isClass, column)
	}
	if classes == 2 {
		return of(1, -1)
	}
	sum := 0.0
	for k := range classes {
		if len(truth) > 0 && len(scores[0]) != classes {
			return math.NaN()
		}
		sum += of(k, k)
	}
	return sum / float64(classes)
}

// R2 is the coefficient of determination, 1 - sum (y-p)^2 / sum (y-mean)^2; NaN where y is constant.
func R2(y, p []float64) float64 {
	mean, residual, total := 0.0, 0.0, 0.0
	for _, v := range y {
		mean += v / float64(len(y))
	}
	for i, v := range y {
		residual += (v - p[i]) * (v - p[i])
		total += (v - mean) * (v - mean)
	}
	if total == 0 {
		return math.NaN()
	}
	return 1 - residual/total
}

// MAE is the mean absolute error; NaN of no rows.
func MAE(y, p []float64) float64 {
	sum := 0.0
	for i, v := range y {
		sum += math.Abs(v - p[i])
	}
	return sum / float64(len(y))
}

// resamples is how often a bootstrap draws all rows anew.
const resamples = 1000

// Bootstrap is a measure of n rows with the percentile interval of Efron (1979): the 2.5% and 97.5% quantiles of the measure over samples of n rows with
// replacement, drawn from the seed. Samples without a measure (NaN) do not count.
func Bootstrap(n int, seed uint64, measure func(rows []int) float64) Interval {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	out := none()
	if n == 0 {
		return out
	}
	out.Value = measure(rows)
	var values []float64
	random := splitMix64(seed)
	for range resamples {
		for i := range rows {
			rows[i] = int(random.next() % uint64(n)) // biased by n/2^64
		}
		if v := measure(rows); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if len(values) > 0 && !math.IsNaN(out.Value) {
		slices.Sort(values)
		out.Low, out.High = Quantile(values, 0.025), Quantile(values, 0.975)
	}
	return out
}

// splitMix64 is the generator of Steele, Lea and Flood (OOPSLA 2014).
type splitMix64 uint64

func (s *splitMix64) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Quantile is the q-quantile, 0..1, of ascending values by linear interpolation, as numpy.quantile has it; NaN of no values.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// Answers are predictions of rows: of a classifier Class and Scores, of a regressor Scores alone.
type Answers struct {
	Class  []int       // index of the predicted class
	Scores [][]float64 // [row][score]
}

// pick returns the answers of some rows.
func (a *Answers) pick(rows []int) *Answers {
	out := &Answers{}
	for _, i := range rows {
		if a.Class != nil {
			out.Class = append(out.Class, a.Class[i])
		}
		out.Scores = append(out.Scores, a.Scores[i])
	}
	return out
}

// Classification measures the answers of a classifier against the true classes of the rows; a negative truth is unknown, and its row left out.
// The measures are accuracy (with Wilson's interval), F1 and ROC AUC (with intervals by bootstrap from the seed).
func Classification(truth []int, classes int, seed uint64, float, quantized, encrypted *Answers) []Metric {
	var rows, known []int
	for i, t := range truth {
		if t >= 0 {
			rows, known = append(rows, i), append(known, t)
		}
	}
	metrics := []Metric{{Name: "accuracy"}, {Name: "F1"}, {Name: "ROC AUC"}}
	for w, a := range []*Answers{float, quantized, encrypted} {
		a = a.pick(rows)
		at := func(m int) *Interval {
			return []*Interval{&metrics[m].Float, &metrics[m].Quantized, &metrics[m].Encrypted}[w]
		}
		*at(0) = Accuracy(known, a.Class)
		sample := func(measure func(truth []int, a *Answers) float64) Interval {
			return Bootstrap(len(known), seed, func(rows []int) float64 {
				t := make([]int, len(rows))
				for i, r := range rows {
					t[i] = known[r]
				}
				return measure(t, a.pick(rows))
			})
		}
		*at(1) = sample(func(t []int, a *Answers) float64 { return F1(t, a.Class, classes) })
		*at(2) = sample(func(t []int, a *Answers) float64 { return AUCs(t, a.Scores, classes) })
	}
	return metrics
}

// Regression measures the first score of each row against y, where that is not NaN: R2 and the mean absolute error, with intervals by bootstrap.
func Regression(y []float64, seed uint64, float, quantized, encrypted *Answers) []Metric {
	metrics := []Metric{{Name: "R2"}, {Name: "mean absolute error"}}
	for w, a := range []*Answers{float, quantized, encrypted} {
		var known, p []float64
		for i, v := range y {
			if !math.IsNaN(v) {
				known, p = append(known, v), append(p, a.Scores[i][0])
			}
		}
		for m, measure := range []func(y, p []float64) float64{R2, MAE} {
			interval := Bootstrap(len(known), seed, func(rows []int) float64 {
				t, q := make([]float64, len(rows)), make([]float64, len(rows))
				for i, r := range rows {
					t[i], q[i] = known[r], p[r]
				}
				return measure(t, q)
			})
			*[]*Interval{&metrics[m].Float, &metrics[m].Quantized, &metrics[m].Encrypted}[w] = interval
		}
	}
	return metrics
}

// Confusion counts rows by true class (first index) and predicted class.
func Confusion(truth, class []int, classes int) [][]int {
	m := make([][]int, classes)
	for k := range m {
		m[k] = make([]int, classes)
	}
	for i, t := range truth {
		if t >= 0 {
			m[t][class[i]]++
		}
	}
	return m
}
