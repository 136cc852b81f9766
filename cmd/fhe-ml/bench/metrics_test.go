package bench

import (
	"encoding/json"
	"math"
	"os"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// oracle is testdata/metrics.json: numbers of scikit-learn, scipy and numpy.
type oracle struct {
	Classification []struct {
		Classes           int
		Truth, Predicted  []int
		Scores            [][]float64
		Accuracy, F1, AUC float64
		Confusion         [][]int
	}
	Regression []struct {
		Y, Predicted []float64
		R2, MAE      float64
	}
	Wilson []struct {
		Right, N  int
		Low, High float64
	}
	Quantiles struct{ Values, Q, Want []float64 }
}

func readOracle(t *testing.T) (o oracle) {
	t.Helper()
	data, err := os.ReadFile("testdata/metrics.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &o); err != nil {
		t.Fatal(err)
	}
	if len(o.Classification) == 0 || len(o.Regression) == 0 || len(o.Wilson) == 0 || len(o.Quantiles.Want) == 0 {
		t.Fatal("testdata/metrics.json lacks cases")
	}
	return o
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-12*max(1, math.Abs(want))) {
		t.Errorf("%s: %.17g, want %.17g", what, got, want)
	}
}

func TestMetricsMatchScikitLearn(t *testing.T) {
	o := readOracle(t)
	for _, c := range o.Classification {
		answers := &Answers{Class: c.Predicted, Scores: c.Scores}
		m := Classification(c.Truth, c.Classes, 1, answers, answers, answers)
		for _, way := range []func(Metric) Interval{func(m Metric) Interval { return m.Float }, func(m Metric) Interval { return m.Quantized }, func(m Metric) Interval { return m.Encrypted }} {
			near(t, "accuracy", way(m[0]).Value, c.Accuracy)
			near(t, "F1", way(m[1]).Value, c.F1)
			near(t, "AUC", way(m[2]).Value, c.AUC)
			for _, x := range m {
				if i := way(x); !(i.Low <= i.Value && i.Value <= i.High) {
					t.Errorf("%s: interval %v", x.Name, i)
				}
			}
		}
		if got := Confusion(c.Truth, c.Predicted, c.Classes); !reflect.DeepEqual(got, c.Confusion) {
			t.Errorf("confusion %v, want %v", got, c.Confusion)
		}
	}
	for _, c := range o.Regression {
		scores := make([][]float64, len(c.Predicted))
		for i, v := range c.Predicted {
			scores[i] = []float64{v}
		}
		answers := &Answers{Scores: scores}
		m := Regression(c.Y, 1, answers, answers, answers)
		near(t, "R2", m[0].Encrypted.Value, c.R2)
		near(t, "MAE", m[1].Encrypted.Value, c.MAE)
	}
	for _, c := range o.Wilson {
		i := Wilson(c.Right, c.N)
		near(t, "Wilson low", i.Low, c.Low)
		near(t, "Wilson high", i.High, c.High)
	}
	for i, q := range o.Quantiles.Q {
		near(t, "quantile", Quantile(o.Quantiles.Values, q), o.Quantiles.Want[i])
	}
}

// TestUnknownTruth: rows without a true answer do not count.
func TestUnknownTruth(t *testing.T) {
	a := &Answers{Class: []int{0, 1, 1, 0}, Scores: [][]float64{{0.9, 0.1}, {0.2, 0.8}, {0.4, 0.6}, {0.7, 0.3}}}
	m := Classification([]int{0, -1, 0, 1}, 2, 1, a, a, a)
	near(t, "accuracy", m[0].Float.Value, 1.0/3)
	if got := Confusion([]int{0, -1, 0, 1}, a.Class, 2); !reflect.DeepEqual(got, [][]int{{1, 1}, {1, 0}}) {
		t.Errorf("confusion %v", got)
	}
	s := &Answers{Scores: [][]float64{{1}, {50}, {3}}}
	near(t, "MAE", Regression([]float64{2, math.NaN(), 3}, 1, s, s, s)[1].Float.Value, 0.5)
}

// TestNoMeasure: what there is no measure of is NaN, and null in JSON.
func TestNoMeasure(t *testing.T) {
	for name, v := range map[string]float64{
		"AUC of one class":  AUC([]bool{true, true}, []float64{1, 2}),
		"AUC of nothing":    AUC(nil, nil),
		"R2 of a constant":  R2([]float64{3, 3}, []float64{3, 4}),
		"AUC of NaN scores": AUCs([]int{0, 1}, [][]float64{{math.NaN()}, {1}}, 2),
		"share of nothing":  Wilson(0, 0).Value,
		"quantile":          Quantile(nil, 0.5),
	} {
		if !math.IsNaN(v) {
			t.Errorf("%s is %g", name, v)
		}
	}
	data, err := json.Marshal(Metrics{{"R2", none(), none(), none()}})
	if want := `{"R2":{"encrypted":{"high":null,"low":null,"value":null},"float":{"high":null,"low":null,"value":null},"quantized":{"high":null,"low":null,"value":null}}}`; err != nil || string(data) != want {
		t.Errorf("%s, %v", data, err)
	}
}

// TestAUCIsPairs compares with the definition: the share of pairs of a row of the class and another one that are in order, ties counting half.
func TestAUCIsPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 40).Draw(t, "n")
		is, score := make([]bool, n), make([]float64, n)
		for i := range is {
			is[i] = rapid.Bool().Draw(t, "is")
			score[i] = float64(rapid.IntRange(0, 6).Draw(t, "score"))
		}
		pairs, ordered := 0.0, 0.0
		for i := range is {
			for j := range is {
				if is[i] && !is[j] {
					pairs++
					switch {
					case score[i] > score[j]:
						ordered++
					case score[i] == score[j]:
						ordered += 0.5
					}
				}
			}
		}
		got := AUC(is, score)
		if pairs == 0 {
			if !math.IsNaN(got) {
				t.Fatalf("AUC %g of one class", got)
			}
			return
		}
		if math.Abs(got-ordered/pairs) > 1e-12 {
			t.Fatalf("AUC %g, %g of pairs", got, ordered/pairs)
		}
	})
}

// TestBootstrap: the same seed gives the same interval, another one another; and that of a mean comes near its standard error.
func TestBootstrap(t *testing.T) {
	values := make([]float64, 400)
	for i := range values {
		values[i] = float64(i % 20)
	}
	mean := func(rows []int) float64 {
		sum := 0.0
		for _, i := range rows {
			sum += values[i]
		}
		return sum / float64(len(rows))
	}
	a, b, c := Bootstrap(len(values), 1, mean), Bootstrap(len(values), 1, mean), Bootstrap(len(values), 2, mean)
	if a != b || a == c {
		t.Errorf("intervals %v, %v, %v", a, b, c)
	}
	half := z95 * math.Sqrt((20*20-1)/12.0/400) // the variance of a discrete uniform variable, over n
	for _, i := range []Interval{a, c} {        // seeds are fixed, so these numbers are too
		if math.Abs((i.High-i.Low)/(2*half)-1) > 0.15 {
			t.Errorf("interval %v, want %g to either side", i, half)
		}
	}
}
