package quantize

import (
	"math"
	"strings"
	"testing"
)

func near(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Abs(a[i]-b[i]) > 1e-12 {
			return false
		}
	}
	return true
}

// TestFloat compares scores and classes with values worked out by hand (or with a pocket calculator).
func TestFloat(t *testing.T) {
	two := IntLabels(2)
	for _, c := range []struct {
		name   string
		p      Postprocessing
		raw    []float64
		scores []float64
		class  int
	}{
		{"regressor", Postprocessing{Task: Regress, Outputs: 2}, []float64{-3, 4}, []float64{-3, 4}, -1},
		{"poisson", Postprocessing{Task: Regress, Link: LinkExp, Outputs: 1}, []float64{math.Ln2}, []float64{2}, -1},
		{"logistic", Postprocessing{Link: LinkSigmoid, Pair: PairComplement, Outputs: 1, Classes: two}, []float64{math.Log(3)}, []float64{0.25, 0.75}, 1},
		{"at the threshold", Postprocessing{Link: LinkSigmoid, Pair: PairComplement, Outputs: 1, Classes: two}, []float64{0}, []float64{0.5, 0.5}, 0},
		{"just above", Postprocessing{Outputs: 1, Classes: two}, []float64{1e-300}, []float64{1e-300}, 1},
		{"decision", Postprocessing{Pair: PairOpposite, Outputs: 1, Classes: two}, []float64{-2}, []float64{2, -2}, 0},
		{"votes", Postprocessing{Pair: PairComplement, Threshold: 0.5, Outputs: 1, Classes: two}, []float64{0.75}, []float64{0.25, 0.75}, 1},
		{"tied votes", Postprocessing{Pair: PairNone, Threshold: 0.5, Outputs: 1, Classes: two}, []float64{5 * float64(float32(0.1))}, []float64{5 * float64(float32(0.1))}, 0},
		{"softmax", Postprocessing{Link: LinkSoftmax, Outputs: 3, Classes: IntLabels(3)}, []float64{1000, 1000 + math.Log(2), 1000}, []float64{0.25, 0.5, 0.25}, 1},
		{"log softmax", Postprocessing{Link: LinkLogSoftmax, Outputs: 3, Classes: IntLabels(3)}, []float64{-1000, math.Log(2) - 1000, -1000}, []float64{-math.Log(4), -math.Log(2), -math.Log(4)}, 1},
		{"first of equals", Postprocessing{Outputs: 3, Classes: IntLabels(3)}, []float64{1, 2, 2}, []float64{1, 2, 2}, 1},
		{"equal but for rounding", Postprocessing{Outputs: 3, Classes: IntLabels(3)}, []float64{0, 0.2, 0.2 + 1e-9}, []float64{0, 0.2, 0.2 + 1e-9}, 1},
		{"one per class", Postprocessing{Link: LinkSigmoidNormalized, Outputs: 3, Classes: IntLabels(3)}, []float64{0, math.Log(3), -math.Log(3)}, []float64{1. / 3, 1. / 2, 1. / 6}, 1},
		{"negative scores", Postprocessing{Outputs: 2, Classes: two}, []float64{-5, -1}, []float64{-5, -1}, 1},
		{"infinite", Postprocessing{Outputs: 2, Classes: two}, []float64{0, math.Inf(1)}, []float64{0, math.Inf(1)}, 1},
	} {
		if err := c.p.Validate(false); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		got := c.p.Float(c.raw)
		same := near(got.Scores, c.scores) || math.IsInf(c.scores[len(c.scores)-1], 1)
		if !same || got.Class != c.class || c.class >= 0 && got.Label != c.p.Classes[c.class] {
			t.Errorf("%s: %+v, want scores %v and class %d", c.name, got, c.scores, c.class)
		}
	}
}

func TestSigmoidExtremes(t *testing.T) {
	for x, want := range map[float64]float64{1e9: 1, -1e9: 0, 0: 0.5, math.Inf(-1): 0, math.Inf(1): 1} {
		if got := Sigmoid(x); got != want {
			t.Errorf("Sigmoid(%g) = %g, want %g", x, got, want)
		}
	}
}

func TestInteger(t *testing.T) {
	p := Postprocessing{Outputs: 2, Classes: []Label{{Text: "no"}, {Text: "yes"}}, Scale: []float64{0.5, 0.25}, Offset: []float64{1, 2}}
	if err := p.Validate(true); err != nil {
		t.Fatal(err)
	}
	got := p.Integer([]int64{4, 8})
	if !near(got.Scores, []float64{3, 4}) || got.Label.String() != "yes" {
		t.Errorf("%+v", got)
	}
}

func TestPostValidate(t *testing.T) {
	ok := func() *Postprocessing {
		return &Postprocessing{Outputs: 1, Classes: IntLabels(2), Scale: []float64{1}, Offset: []float64{0}}
	}
	if err := ok().Validate(true); err != nil {
		t.Fatal(err)
	}
	for want, breakIt := range map[string]func(p *Postprocessing){
		"task":       func(p *Postprocessing) { p.Task = 9 },
		"link":       func(p *Postprocessing) { p.Link = -1 },
		"pairing":    func(p *Postprocessing) { p.Pair = 17 },
		"raw scores": func(p *Postprocessing) { p.Outputs = 1 << 30 },
		"3 classes":  func(p *Postprocessing) { p.Classes = IntLabels(3) },
		"scales":     func(p *Postprocessing) { p.Scale = nil },
		"finite":     func(p *Postprocessing) { p.Offset[0] = math.NaN() },
		"positive":   func(p *Postprocessing) { p.Scale[0] = 0 },
		"threshold":  func(p *Postprocessing) { p.Threshold = math.Inf(1) },
		"regressor":  func(p *Postprocessing) { p.Task = Regress },
		"pairs": func(p *Postprocessing) {
			*p = Postprocessing{Outputs: 2, Classes: IntLabels(2), Pair: PairComplement, Scale: []float64{1, 1}, Offset: []float64{0, 0}}
		},
	} {
		p := ok()
		breakIt(p)
		if err := p.Validate(true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
