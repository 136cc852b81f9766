package onnx

import (
	"math"
	"testing"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// TestSGDLogLossTail is what skl2onnx writes for SGDClassifier(loss="log_loss") with three classes: sigmoids as
// 1/(1+exp(-s)), divided by their sum behind a guard against zero.
func TestSGDLogLossTail(t *testing.T) {
	n := func(op, out string, attrs attrList, in ...string) msg {
		return nodeOf(op, "", in, []string{out}, attrs)
	}
	b := modelOf([]msg{
		n("MatMul", "m", nil, "X", "coef"), n("Add", "score", nil, "m", "intercept"),
		n("Mul", "neg", nil, "score", "minus"), n("Exp", "e", nil, "neg"), n("Add", "e1", nil, "e", "unity"), n("Reciprocal", "p", nil, "e1"),
		n("ReduceSum", "s", nil, "p", "axis"), n("Cast", "sb", attrList{"to": typeBool}, "s"), n("Not", "nb", nil, "sb"),
		n("Cast", "nf", attrList{"to": typeFloat}, "nb"), n("Add", "p2", nil, "p", "nf"), n("Mul", "mask", nil, "nf", "count"),
		n("Add", "s2", nil, "s", "mask"), n("Div", "P", nil, "p2", "s2"), n("ArgMax", "a", attrList{"axis": 1}, "P"),
		nodeOf("ArrayFeatureExtractor", domainML, []string{"classes", "a"}, []string{"L"}, nil),
	}, xInput(2), []msg{
		floatTensor("coef", []int64{2, 3}, 1, 0, -1, 0, 2, 1), floatTensor("intercept", []int64{3}, 0.5, 0, 0),
		floatTensor("minus", nil, -1), floatTensor("unity", nil, 1), floatTensor("count", nil, 3),
		rawTensor("axis", typeInt64, []int64{1}, []byte{1, 0, 0, 0, 0, 0, 0, 0}),
		rawTensor("classes", typeInt32, []int64{3}, []byte{7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0}),
	}, "L", "P")
	m, _ := importOK(t, b)
	if m.Meta().Post.Link != quantize.LinkSigmoidNormalized {
		t.Errorf("link %v", m.Meta().Post.Link)
	}
	p, err := models.Predict(m, []float64{2, 1})
	s := []float64{sigmoid(2.5), sigmoid(2), sigmoid(-1)}
	total := s[0] + s[1] + s[2]
	if err != nil || p.Label.Int != 7 {
		t.Fatalf("%v %v", p, err)
	}
	for i := range s {
		if math.Abs(p.Scores[i]-s[i]/total) > 1e-12 {
			t.Errorf("score %d: %v, want %v", i, p.Scores[i], s[i]/total)
		}
	}
}

// TestOneVsRest joins binary classifiers by Slice and Concat, as skl2onnx writes OneVsRestClassifier.
func TestOneVsRest(t *testing.T) {
	i64 := func(name string, v byte) msg {
		return rawTensor(name, typeInt64, []int64{1}, []byte{v, 0, 0, 0, 0, 0, 0, 0})
	}
	var nodes []msg
	var parts []string
	for k, c := range []string{"a", "b", "c"} {
		w := float32(k) - 1
		nodes = append(nodes, nodeOf("LinearClassifier", domainML, []string{"X"}, []string{"l" + c, "p" + c}, attrList{
			"coefficients": []float32{-w, -1, w, 1}, "intercepts": []float32{-w, w}, "classlabels_ints": []int64{0, 1}, "post_transform": "LOGISTIC",
		}), nodeOf("Slice", "", []string{"p" + c, "one", "two", "one"}, []string{"q" + c}, nil))
		parts = append(parts, "q"+c)
	}
	nodes = append(nodes, nodeOf("Concat", "", parts, []string{"all"}, attrList{"axis": 1}),
		nodeOf("ArgMax", "", []string{"all"}, []string{"L"}, attrList{"axis": 1}),
		nodeOf("LpNormalization", "", []string{"all"}, []string{"P"}, attrList{"axis": 1, "p": 1}))
	m, r := importOK(t, modelOf(nodes, xInput(2), []msg{i64("one", 1), i64("two", 2)}, "L", "P"))
	if r.Kind != "linear" || r.Outs != 3 {
		t.Errorf("%s with %d raw scores", r.Kind, r.Outs)
	}
	p, err := models.Predict(m, []float64{1, 0.5})
	if err != nil || p.Label.Int != 2 {
		t.Fatalf("%v %v", p, err)
	}
	s := []float64{sigmoid(-1.5), sigmoid(0.5), sigmoid(2.5)}
	for i := range s {
		if want := s[i] / (s[0] + s[1] + s[2]); math.Abs(p.Scores[i]-want) > 1e-12 {
			t.Errorf("score %d: %v, want %v", i, p.Scores[i], want)
		}
	}
}

// TestSoftmaxOfTwo becomes one raw score whose sigmoid is the second probability.
func TestSoftmaxOfTwo(t *testing.T) {
	b := modelOf([]msg{
		nodeOf("Gemm", "", []string{"X", "W"}, []string{"H"}, nil), nodeOf("Relu", "", []string{"H"}, []string{"R"}, nil),
		nodeOf("Gemm", "", []string{"R", "V", "b"}, []string{"Z"}, nil), nodeOf("Softmax", "", []string{"Z"}, []string{"P"}, attrList{"axis": 1}),
	}, xInput(1), []msg{
		floatTensor("W", []int64{1, 2}, 1, -1), floatTensor("V", []int64{2, 2}, 1, 3, -1, 0.5), floatTensor("b", []int64{2}, 0.25, 0),
	}, "P")
	m, r := importOK(t, b)
	if r.Kind != "network" || r.Outs != 1 || len(r.Classes) != 2 {
		t.Fatalf("%+v", r)
	}
	for _, x := range []float64{-2, -0.125, 0, 0.0625, 3} {
		h0, h1 := math.Max(x, 0), math.Max(-x, 0)
		z0, z1 := h0-h1+0.25, 3*h0+0.5*h1
		p, err := models.Predict(m, []float64{x})
		if err != nil {
			t.Fatal(err)
		}
		if want := sigmoid(z1 - z0); math.Abs(p.Scores[1]-want) > 1e-12 || math.Abs(p.Scores[0]-1+want) > 1e-12 || (p.Class == 1) != (z1 > z0) {
			t.Errorf("x %v: %v, want %v", x, p, want)
		}
	}
}

// TestExpansionIsBounded: a product of thin matrices may not expand to far more weights than the file holds.
func TestExpansionIsBounded(t *testing.T) {
	const n = 20000
	b := modelOf([]msg{
		nodeOf("MatMul", "", []string{"X", "W"}, []string{"Z"}, nil), nodeOf("MatMul", "", []string{"Z", "V"}, []string{"Y"}, nil),
	}, xInput(n), []msg{floatTensor("W", []int64{n, 1}, ones(n)...), floatTensor("V", []int64{1, n}, ones(n)...)}, "Y")
	if _, _, err := Import(b, ""); err == nil {
		t.Fatal("imported")
	}
	if a := allocated(b); a > allowance(len(b)) {
		t.Errorf("%d bytes allocated", a)
	}
}

func ones(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = 1
	}
	return out
}
