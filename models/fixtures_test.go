package models

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/quantize"
	"pgregory.net/rapid"
)

// fixture is a model that scikit-learn trained, with raw scores that numpy computed (testdata/make_fixtures.py).
type fixture struct {
	Name, Task string
	Layers     []struct {
		W   [][]float64
		B   []float64
		Act string
	}
	Calibration, Rows, Raw [][]float64
	Target                 []float64
}

func fixtures(t testing.TB) []fixture {
	t.Helper()
	data, err := os.ReadFile("testdata/fixtures.json")
	if err != nil {
		t.Fatal(err)
	}
	var fs []fixture
	if err := json.Unmarshal(data, &fs); err != nil {
		t.Fatal(err)
	}
	return fs
}

func (f *fixture) model(t testing.TB) Model {
	t.Helper()
	info := Info{Float32: true, Post: quantize.Postprocessing{Outputs: len(f.Raw[0]), Task: quantize.Regress}}
	for i := range f.Rows[0] {
		info.Features = append(info.Features, fmt.Sprintf("x%d", i))
	}
	if f.Task == "classify" {
		info.Post.Task = quantize.Classify
		info.Post.Classes = quantize.IntLabels(max(2, info.Post.Outputs))
		info.Post.Link = quantize.LinkSoftmax
		if info.Post.Outputs == 1 {
			info.Post.Link, info.Post.Pair = quantize.LinkSigmoid, quantize.PairComplement
		}
	}
	var m Model
	if len(f.Layers) == 1 {
		m = &Linear{Info: info, Weights: f.Layers[0].W, Bias: f.Layers[0].B}
	} else {
		n := &Network{Info: info}
		for _, l := range f.Layers {
			act := map[string]Activation{"Identity": ActIdentity, "Relu": ActReLU, "Sigmoid": ActSigmoid, "Tanh": ActTanh}[l.Act]
			n.Layers = append(n.Layers, Layer{Weights: l.W, Bias: l.B, Activation: act})
		}
		m = n
	}
	if err := m.Validate(); err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	return m
}

// TestRawFixtures compares the float path with numpy.
func TestRawFixtures(t *testing.T) {
	for _, f := range fixtures(t) {
		m := f.model(t)
		for r, row := range f.Rows {
			for o, got := range m.Raw(nil, row) {
				// Rows and scores are written with 6 digits, and float32 rounding of features moves scores as much.
				if want := f.Raw[r][o]; math.Abs(got-want) > 2e-4*math.Max(1, math.Abs(want)) {
					t.Fatalf("%s: row %d: raw score %d is %g, want %g", f.Name, r, o, got, want)
				}
			}
		}
	}
}

// score returns accuracy, or R^2, of predictions.
func score(task string, target []float64, preds []quantize.Prediction) float64 {
	if task == "classify" {
		right := 0
		for i, p := range preds {
			if p.Class == int(target[i]) {
				right++
			}
		}
		return float64(right) / float64(len(preds))
	}
	var mean, res, tot float64
	for _, v := range target {
		mean += v / float64(len(target))
	}
	for i, v := range target {
		res += (v - preds[i].Scores[0]) * (v - preds[i].Scores[0])
		tot += (v - mean) * (v - mean)
	}
	return 1 - res/tot
}

func quantizeModel(t testing.TB, m Model, bits int, calibration [][]float64) *Quantized {
	t.Helper()
	q, err := m.Quantize(Options{Bits: bits}, calibration)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Validate(); err != nil {
		t.Fatal(err)
	}
	return q
}

// TestAccuracy holds the accuracy (R^2) of quantized models on held-out rows to within 2 points of the float model's, at
// the default bits.
func TestAccuracy(t *testing.T) {
	for _, f := range fixtures(t) {
		t.Run(f.Name, func(t *testing.T) {
			m := f.model(t)
			q := quantizeModel(t, m, 0, f.Calibration)
			checkForm(t, q)
			p, err := NewPredictor(q)
			if err != nil {
				t.Fatal(err)
			}
			var float, quantized []quantize.Prediction
			differ := 0
			for r, row := range f.Rows {
				a, err := Predict(m, row)
				if err != nil {
					t.Fatal(err)
				}
				b, err := p.Predict(row)
				if err != nil {
					t.Fatal(err)
				}
				if r == 0 { // the one-row path is the same
					c, err := q.Predict(row)
					if err != nil || fmt.Sprint(c) != fmt.Sprint(b) {
						t.Fatalf("Quantized.Predict gives %v (%v), Predictor.Predict %v", c, err, b)
					}
				}
				if a.Class != b.Class {
					differ++
				}
				float, quantized = append(float, a), append(quantized, b)
			}
			fs, qs := score(f.Task, f.Target, float), score(f.Task, f.Target, quantized)
			t.Logf("float %.4f quantized %.4f, labels that differ: %d of %d; %v", fs, qs, differ, len(f.Rows), q.Notes)
			if qs < fs-0.02 {
				t.Errorf("float %.4f, quantized %.4f", fs, qs)
			}
		})
	}
}

// checkForm asserts that a linear model's or network's graph is one of the forms that the compiler has a lowering for.
func checkForm(t rapid.TB, q *Quantized) {
	t.Helper()
	var ops []compiler.Op
	for n := q.Graph.Outputs[0]; ; n = n.Args[0] {
		ops = append(ops, n.Op)
		switch n.Op {
		case compiler.OpMatMul, compiler.OpAdd:
			if n.Args[1].Op != compiler.OpConstant {
				t.Fatalf("%s of something other than a constant", n.Op)
			}
		case compiler.OpLookup:
			arg := n.Args[0]
			span, lim := int64(0), int64(deepEntriesMost)
			for i := range arg.Lo {
				span = max(span, arg.Hi[i]-arg.Lo[i]+1)
			}
			if arg.Op == compiler.OpMatMul && arg.Args[0].Op == compiler.OpReshape {
				lim = firstEntries
			}
			if span > lim {
				t.Fatalf("a table of %d entries, want at most %d", span, lim)
			}
			if lo, hi := n.Range(); ops[len(ops)-2] == compiler.OpMatMul && (lo < 0 || hi > 127) {
				t.Fatalf("activation codes %d..%d", lo, hi)
			}
		case compiler.OpInput:
			s := fmt.Sprint(ops)
			if !forms[s] {
				t.Fatalf("graph of form %s", s)
			}
			return
		}
		if len(n.Args) == 0 {
			t.Fatalf("graph ends with %v", ops)
		}
	}
}

// forms lists the operations from output to input.
var forms = func() map[string]bool {
	m := map[string]bool{"[matmul input]": true}
	for _, head := range []string{"matmul lookup", "reshape sum lookup"} {
		for _, middle := range []string{"", " round add matmul lookup", " round add matmul lookup round add matmul lookup"} {
			m["["+head+middle+" matmul reshape bits input]"] = true
		}
	}
	return m
}()
