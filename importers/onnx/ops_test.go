package onnx

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// fixtureOps is what the Python package onnx reads (make_fixtures.py --ops).
const fixtureOps = `
forest_iris | ai.onnx.ml=1 onnx=17 onnx=17 | ml:TreeEnsembleClassifier
gb_breast_cancer | ai.onnx.ml=1 onnx=16 | ml:TreeEnsembleClassifier Cast ml:ZipMap
lgbm_breast_cancer | onnx=9 ai.onnx.ml=1 | ml:TreeEnsembleClassifier Identity Identity Cast ml:ZipMap
linearsvc_breast_cancer | ai.onnx.ml=1 onnx=17 onnx=17 | ml:Scaler ml:LinearClassifier
logreg_breast_cancer | ai.onnx.ml=1 onnx=9 | ml:Scaler ml:LinearClassifier Cast ml:ZipMap
logreg_wine_ovr | ai.onnx.ml=1 onnx=16 | ml:Scaler ml:LinearClassifier Identity ml:Normalizer ml:ZipMap
mlp2_iris | onnx=16 ai.onnx.ml=1 | ml:Scaler Cast MatMul Add Relu MatMul Add Relu MatMul Add Softmax Identity ArgMax ml:ArrayFeatureExtractor Reshape Cast
mlp_breast_cancer | onnx=14 ai.onnx.ml=1 | ml:Scaler Cast MatMul Add Relu MatMul Add Sigmoid Sub Concat ArgMax ml:ZipMap ml:ArrayFeatureExtractor Reshape Cast Cast
poisson_diabetes | onnx=17 ai.onnx.ml=3 | MatMul Add Exp Reshape
torch_mlp_iris | onnx=17 | Sub Div Gemm BatchNormalization Relu Gemm Relu Gemm Softmax
xgb_regressor_diabetes | ai.onnx.ml=1 | ml:TreeEnsembleRegressor
`

// TestRecordedOperators compares the operators that come out of onnx-go with an independent reading.
func TestRecordedOperators(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(fixtureOps), "\n") {
		f := strings.Split(line, " | ")
		m, err := parseModel(read(t, "testdata/"+f[0]+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.check("testdata"); err != nil {
			t.Fatal(err)
		}
		r, err := decode(m.normalize()) // onnx-go itself
		if err != nil {
			t.Fatalf("%s: %v", f[0], err)
		}
		var got []string
		for i, o := range r.ops {
			s := o.name
			if m.nodes[i].domain == domainML {
				s = "ml:" + s
			}
			got = append(got, s)
		}
		if strings.Join(got, " ") != f[2] {
			t.Errorf("%s: operators %v, want %s", f[0], got, f[2])
		}
		for _, o := range strings.Fields(f[1]) {
			d, v, _ := strings.Cut(o, "=")
			if d == "onnx" {
				d = ""
			}
			if s := strings.TrimSpace(quantize.Label{Int: m.opset(d), IsInt: true}.String()); s != v {
				t.Errorf("%s: opset of %q is %s, want %s", f[0], d, s, v)
			}
		}
	}
}

// TestOnnxGoDecodes is the smoke test of the dependency: with golang/protobuf 1.4.0 or 1.4.1 in the build onnx-go panics
// on every file.
func TestOnnxGoDecodes(t *testing.T) {
	b := modelOf([]msg{nodeOf("Mul", "", []string{"X", "X"}, []string{"Y"}, nil)}, []msg{msg{}.str(1, "X")}, nil, "Y")
	r, err := decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.ops) != 1 || r.ops[0].name != "Mul" || len(r.ops[0].outputs[0].inputs) != 2 {
		t.Fatalf("decoded %+v", r.ops)
	}
}

// onnxBranch is the specification's comparison.
func onnxBranch(mode string, x, v float32, tracks bool) bool {
	if x != x {
		return tracks || mode == "BRANCH_NEQ"
	}
	switch mode {
	case "BRANCH_LEQ":
		return x <= v
	case "BRANCH_LT":
		return x < v
	case "BRANCH_GT":
		return x > v
	case "BRANCH_GTE":
		return x >= v
	case "BRANCH_EQ":
		return x == v
	}
	return x != v
}

// TestTreeModes compares random trees of all six modes, with missing values and thresholds hit exactly or by one
// rounding, against a direct evaluation.
func TestTreeModes(t *testing.T) {
	modes := []string{"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE", "BRANCH_EQ", "BRANCH_NEQ"}
	rapid.Check(t, func(t *rapid.T) {
		const features = 3
		n := rapid.IntRange(1, 6).Draw(t, "branches")
		values := []float32{-1.5, 0, 0.1, 2, 1e-35}
		var trees, ids, feats, yes, no, missing []int64
		var mode []string
		var thr []float32
		// node i < n is a branch; its children are later nodes, perhaps shared
		total := 2*n + 1
		for i := range total {
			trees, ids = append(trees, 7), append(ids, int64(100-i)) // ids need not ascend
			if i < n {
				mode = append(mode, rapid.SampledFrom(modes).Draw(t, "mode"))
				feats = append(feats, int64(rapid.IntRange(0, features-1).Draw(t, "feature")))
				thr = append(thr, rapid.SampledFrom(values).Draw(t, "threshold"))
				missing = append(missing, int64(rapid.IntRange(0, 1).Draw(t, "tracks")))
				a := i + 1 // keeps node i+1 reachable
				b := rapid.IntRange(i+1, total-1).Draw(t, "child")
				if rapid.Bool().Draw(t, "swap") {
					a, b = b, a
				}
				yes, no = append(yes, int64(100-a)), append(no, int64(100-b))
			} else {
				mode, feats, thr = append(mode, "LEAF"), append(feats, 0), append(thr, 0)
				missing, yes, no = append(missing, 0), append(yes, 0), append(no, 0)
			}
		}
		var wt, wn, wi []int64
		var ww []float32
		for i := n; i < total-1; i++ { // the last leaf has no weight, the first has two
			for range 1 + (total-i)/total {
				wt, wn, wi, ww = append(wt, 7), append(wn, int64(100-i)), append(wi, 0), append(ww, float32(i))
			}
		}
		weight := map[int64]float64{}
		for j, id := range wn {
			weight[id] += float64(ww[j])
		}
		b := modelOf([]msg{nodeOf("TreeEnsembleRegressor", domainML, []string{"X"}, []string{"Y"}, attrList{
			"nodes_treeids": trees, "nodes_nodeids": ids, "nodes_featureids": feats, "nodes_modes": mode, "nodes_values": thr,
			"nodes_truenodeids": yes, "nodes_falsenodeids": no, "nodes_missing_value_tracks_true": missing,
			"target_treeids": wt, "target_nodeids": wn, "target_ids": wi, "target_weights": ww, "n_targets": 1,
			"base_values": []float32{0.5},
		})}, []msg{inputOf("X", typeFloat, -1, features)}, nil, "Y")
		m, _, err := Import(b, "")
		if err != nil {
			t.Fatal(err)
		}
		e := m.(*models.TreeEnsemble)
		for range 20 {
			row := make([]float64, features)
			for f := range row {
				x := rapid.SampledFrom(values).Draw(t, "x")
				switch rapid.IntRange(0, 3).Draw(t, "nudge") {
				case 1:
					x = math.Nextafter32(x, -10)
				case 2:
					x = math.Nextafter32(x, 10)
				case 3:
					x = float32(math.NaN())
				}
				row[f] = float64(x)
			}
			at := 0
			for at < n {
				k := no[at]
				if onnxBranch(mode[at], float32(row[feats[at]]), thr[at], missing[at] == 1) {
					k = yes[at]
				}
				at = int(100 - k)
			}
			if got, want := e.Raw(nil, row)[0], weight[ids[at]]+0.5; got != want {
				t.Fatalf("row %v: %v, want %v", row, got, want)
			}
		}
	})
}

func importOK(t *testing.T, b []byte) (models.Model, *Report) {
	t.Helper()
	m, r, err := Import(b, "")
	if err != nil {
		t.Fatal(err)
	}
	return m, r
}

func xInput(n int64) []msg { return []msg{inputOf("X", typeFloat, -1, n)} }

// TestLinearClassifierForms checks one-row binary classifiers and the label of a tie.
func TestLinearClassifierForms(t *testing.T) {
	for _, c := range []struct {
		post string
		want []float64
	}{{"NONE", []float64{-2, 2}}, {"LOGISTIC", []float64{1 / (1 + math.Exp(2)), 1 / (1 + math.Exp(-2))}},
		{"SOFTMAX", []float64{1 / (1 + math.Exp(4)), 1 / (1 + math.Exp(-4))}}} {
		m, _ := importOK(t, modelOf([]msg{nodeOf("LinearClassifier", domainML, []string{"X"}, []string{"L", "P"}, attrList{
			"coefficients": []float32{1, 1}, "intercepts": []float32{-1}, "classlabels_strings": []string{"no", "yes"}, "post_transform": c.post,
		})}, xInput(2), nil, "L", "P"))
		p, err := models.Predict(m, []float64{1, 2})
		if err != nil || p.Label.Text != "yes" || math.Abs(p.Scores[0]-c.want[0]) > 1e-12 || math.Abs(p.Scores[1]-c.want[1]) > 1e-12 {
			t.Errorf("%s: %v %v, want yes %v", c.post, p, err, c.want)
		}
		if p, _ := models.Predict(m, []float64{0, 1}); p.Label.Text != "no" {
			t.Errorf("%s: a tie is %v", c.post, p.Label)
		}
	}
}

// TestTasks checks the rules for files without labels.
func TestTasks(t *testing.T) {
	w := floatTensor("W", []int64{2, 3}, 1, 2, 3, 4, 5, 6)
	three := modelOf([]msg{nodeOf("MatMul", "", []string{"X", "W"}, []string{"Y"}, nil)}, xInput(2), []msg{w}, "Y")
	m, r := importOK(t, three)
	if p, _ := models.Predict(m, []float64{1, 1}); r.Task != "classify" || p.Label.Int != 2 || p.Scores[2] != 9 {
		t.Errorf("three outputs: %s %v", r.Task, p)
	}
	m, r, err := ImportWith(three, "", Options{Task: TaskRegress})
	if err != nil || r.Task != "regress" || m.Meta().Post.Outputs != 3 {
		t.Errorf("three outputs as a regressor: %v %v", r, err)
	}
	one := floatTensor("W", []int64{2, 1}, 1, -1)
	b := modelOf([]msg{nodeOf("MatMul", "", []string{"X", "W"}, []string{"Z"}, nil), nodeOf("Sigmoid", "", []string{"Z"}, []string{"Y"}, nil)},
		xInput(2), []msg{one}, "Y")
	m, _ = importOK(t, b)
	if p, _ := models.Predict(m, []float64{2, 1}); p.Label.Int != 1 || len(p.Scores) != 2 || math.Abs(p.Scores[1]-1/(1+math.Exp(-1))) > 1e-12 {
		t.Errorf("one sigmoid: %v", p)
	}
	b = modelOf([]msg{nodeOf("MatMul", "", []string{"X", "W"}, []string{"Y"}, nil)}, xInput(2), []msg{one}, "Y")
	if _, r := importOK(t, b); r.Task != "regress" {
		t.Errorf("one output: %s", r.Task)
	}
	if _, _, err := ImportWith(b, "", Options{Task: TaskClassify}); err == nil {
		t.Error("one output that is no probability was imported as a classifier")
	}
}

// TestColumnsAndTypes checks one input per column, half floats, int8 weights and an input of open width.
func TestColumnsAndTypes(t *testing.T) {
	in := []msg{inputOf("age", typeFloat, -1, 1), inputOf("height", typeFloat, -1, 1)}
	half := rawTensor("W", typeFloat16, []int64{2, 1}, []byte{0x00, 0x3c, 0x00, 0xc1}) // 1, -2.5
	b := modelOf([]msg{
		nodeOf("Concat", "", []string{"height", "age"}, []string{"C"}, attrList{"axis": 1}),
		nodeOf("MatMul", "", []string{"C", "W"}, []string{"Y"}, nil),
	}, in, []msg{half}, "Y")
	m, _ := importOK(t, b)
	info := m.Meta()
	if !info.Named || len(info.Features) != 2 || info.Features[0] != "age" || info.Features[1] != "height" {
		t.Errorf("features %v %v", info.Features, info.Named)
	}
	if got := m.Raw(nil, []float64{2, 10})[0]; got != 10-5 {
		t.Errorf("raw %v", got)
	}
	b = modelOf([]msg{
		nodeOf("Cast", "", []string{"W8"}, []string{"W"}, attrList{"to": typeFloat}),
		nodeOf("Transpose", "", []string{"W"}, []string{"WT"}, attrList{"perm": []int64{1, 0}}),
		nodeOf("Gemm", "", []string{"X", "WT"}, []string{"Y"}, attrList{"alpha": float32(2)}),
	}, []msg{inputOf("X", typeFloat, -1, -1)}, []msg{rawTensor("W8", typeInt8, []int64{1, 2}, []byte{3, 0xff})}, "Y")
	m, _ = importOK(t, b)
	if got := m.Raw(nil, []float64{1, 10})[0]; got != 2*(3-10) {
		t.Errorf("raw %v", got)
	}
}

// TestExternalData reads a tensor beside the model and nowhere else.
func TestExternalData(t *testing.T) {
	dir := t.TempDir()
	var raw []byte
	for _, v := range []float32{9, 1, 2} {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	if err := os.WriteFile(filepath.Join(dir, "m.onnx.data"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	file := func(loc, length string) []byte {
		entry := func(k, v string) msg { return msg{}.str(1, k).str(2, v) }
		w := msg{}.num(1, 2).num(1, 1).num(2, typeFloat).str(8, "W").num(14, 1).
			bytes(13, entry("location", loc)).bytes(13, entry("offset", "4")).bytes(13, entry("length", length))
		return modelOf([]msg{nodeOf("MatMul", "", []string{"X", "W"}, []string{"Y"}, nil)}, xInput(2), []msg{w}, "Y")
	}
	m, _, err := Import(file("m.onnx.data", "8"), dir)
	if err != nil || m.Raw(nil, []float64{1, 10})[0] != 21 {
		t.Fatalf("%v", err)
	}
	for _, c := range [][3]string{{"../m.onnx.data", "8", dir}, {"m.onnx.data", "12", dir}, {"absent", "8", dir}, {"m.onnx.data", "8", ""},
		{"/etc/passwd", "8", dir}, {".", "8", dir}} {
		if _, _, err := Import(file(c[0], c[1]), c[2]); err == nil {
			t.Errorf("%v was read", c)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err == nil {
		if _, _, err := Import(file("link", "8"), dir); err == nil {
			t.Error("a symbolic link out of the folder was followed")
		}
	}
}

// TestSplitLabelAndScores refuses a file whose label does not follow from its scores.
func TestSplitLabelAndScores(t *testing.T) {
	b := modelOf([]msg{
		nodeOf("MatMul", "", []string{"X", "W"}, []string{"A"}, nil),
		nodeOf("MatMul", "", []string{"X", "V"}, []string{"B"}, nil),
		nodeOf("ArgMax", "", []string{"A"}, []string{"L"}, attrList{"axis": 1}),
	}, xInput(1), []msg{floatTensor("W", []int64{1, 3}, 1, 2, 3), floatTensor("V", []int64{1, 3}, 3, 2, 1)}, "L", "B")
	if _, _, err := Import(b, ""); err == nil || !strings.Contains(err.Error(), "different values") {
		t.Fatalf("error %v", err)
	}
}
