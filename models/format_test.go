package models_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// writeFormat writes the folder of files that later versions must read. It refuses to replace one: a released format is not written again.
var writeFormat = flag.String("write-format", "", "write the files of a new format version to testdata/`NAME`")

// formatVersions are the folders of testdata whose files every version reads.
var formatVersions = []string{"v1"}

// formatModel is what the answers file of a format version says of one model: rows, and the scores and labels that it gives for them.
type formatModel struct {
	Rows   [][]float64
	Scores [][]float64
	Labels []string
	Keys   bool // keys, request and response are there too
}

// formatModels are small models of three kinds, whose keys are small enough to be kept.
func formatModels(t *testing.T) map[string]*models.Compiled {
	classes := []quantize.Label{{Text: "no"}, {Text: "yes"}}
	linear := &models.Linear{Info: models.Info{Features: []string{"age", "dose"}, Named: true, Post: quantize.Postprocessing{Task: quantize.Regress, Outputs: 1}},
		Weights: [][]float64{{1.5, -0.25}}, Bias: []float64{2}}
	tree := &models.TreeEnsemble{Info: models.Info{Features: []string{"age", "dose"}, Named: true, Float32: true,
		Post: quantize.Postprocessing{Task: quantize.Classify, Link: quantize.LinkSigmoid, Pair: quantize.PairComplement, Outputs: 1, Classes: classes}},
		Trees: []models.Tree{{Nodes: []models.TreeNode{{Feature: 0, Threshold: 40.5, True: 1, False: ^2}, {Feature: 1, Threshold: 3, True: ^0, False: ^1}}, Leaves: [][]float64{{-1.25}, {0.5}, {2}}}},
		Base:  []float64{0.125}}
	network := &models.Network{Info: models.Info{Features: []string{"age", "dose"}, Named: true, Post: quantize.Postprocessing{Task: quantize.Regress, Outputs: 1}},
		Layers: []models.Layer{{Weights: [][]float64{{0.5, -1}, {1, 1}}, Bias: []float64{0.5, -1}, Activation: models.ActReLU}, {Weights: [][]float64{{1, -2}}, Bias: []float64{0.25}}}}
	calibration := [][]float64{{0, 0}, {20, 1}, {40, 2.5}, {60, 4}, {90, 8}}
	out := map[string]*models.Compiled{}
	for name, m := range map[string]models.Model{"linear": linear, "tree": tree, "network": network} {
		c, err := models.Compile(m, models.CompileOptions{Prefer: compiler.PreferUpload}, calibration)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = c
	}
	return out
}

var formatRows = [][]float64{{40.5, 3}, {41, 8}}

// TestFormats reads the committed files of every format version, and computes with them: the promise that later versions read them is this test.
//
// Nothing in these folders is ever replaced once a version of fhe-ml that wrote them is released. A new format gets a folder of its own (-write-format).
func TestFormats(t *testing.T) {
	if *writeFormat != "" {
		newFormat(t, filepath.Join("testdata", *writeFormat))
	}
	for _, version := range formatVersions {
		dir := filepath.Join("testdata", version)
		var answers map[string]formatModel
		data, err := os.ReadFile(filepath.Join(dir, "answers.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &answers); err != nil || len(answers) != 3 {
			t.Fatalf("%d models, %v", len(answers), err)
		}
		for name, want := range answers {
			t.Run(version+"/"+name, func(t *testing.T) { checkFormat(t, filepath.Join(dir, name), want) })
		}
	}
}

func open(t *testing.T, path string) *bytes.Reader {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(data)
}

func checkFormat(t *testing.T, base string, want formatModel) {
	c, err := models.ReadCompiled(open(t, base+".fheml"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := models.ReadClientFile(open(t, base+".client.fheml"))
	if err != nil {
		t.Fatal(err)
	}
	if file.Spec.Hash() != c.Circuit.Spec.Hash() {
		t.Error("client file and model do not belong together any more")
	}
	for i, row := range want.Rows {
		got, err := c.Quantized.Predict(row)
		if err != nil {
			t.Fatal(err)
		}
		compareFormat(t, i, got, want)
	}
	if !want.Keys {
		return
	}
	sk, err := tfhe.ReadSecretKey(open(t, base+".secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := models.NewClient(file, sk)
	if err != nil {
		t.Fatal(err)
	}
	ek, err := tfhe.ReadEvaluationKey(open(t, base+".evaluation.key"))
	if err != nil {
		t.Fatal(err)
	}
	server, err := c.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.LoadKey(t.Context(), ek, nil); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if _, err := server.RunBatch(t.Context(), &again, open(t, base+".request"), nil); err != nil {
		t.Fatal(err)
	}
	for what, response := range map[string]*bytes.Reader{"the kept response": open(t, base+".response"), "a response to the kept request": bytes.NewReader(again.Bytes())} {
		got, err := client.DecryptRows(t.Context(), response, [16]byte{}, nil)
		if err != nil || len(got) != len(want.Rows) {
			t.Fatalf("%s: %d of %d rows, %v", what, len(got), len(want.Rows), err)
		}
		for i, p := range got {
			compareFormat(t, i, p, want)
		}
	}
	if filepath.Base(filepath.Dir(base)) != formatVersions[len(formatVersions)-1] {
		return
	}
	// What the newest format's files hold is written as the same files.
	for path, v := range map[string]io.WriterTo{".fheml": c, ".client.fheml": file, ".secret.key": sk, ".evaluation.key": ek} {
		data, err := os.ReadFile(base + path)
		if err != nil || !bytes.Equal(data, content(t, v)) {
			t.Errorf("%s is written in another way than it was: that is a new format version, which needs a number and a folder of its own", base+path)
		}
	}
}

func compareFormat(t *testing.T, i int, got quantize.Prediction, want formatModel) {
	t.Helper()
	if !reflect.DeepEqual(got.Scores, want.Scores[i]) || want.Labels != nil && got.Label.String() != want.Labels[i] {
		t.Errorf("row %d: %v %v, was %v", i, got.Label, got.Scores, want.Scores[i])
	}
}

// newFormat writes the files of the present format.
func newFormat(t *testing.T, dir string) {
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	answers := map[string]formatModel{}
	for name, c := range formatModels(t) {
		a := formatModel{Rows: formatRows, Keys: c.Circuit.Spec.Params.SmallDimension == 0}
		for _, row := range formatRows {
			p, err := c.Quantized.Predict(row)
			if err != nil {
				t.Fatal(err)
			}
			a.Scores = append(a.Scores, p.Scores)
			if c.Quantized.Post.Task == quantize.Classify {
				a.Labels = append(a.Labels, p.Label.String())
			}
		}
		answers[name] = a
		file := c.ClientFile()
		write(name+".fheml", content(t, c))
		write(name+".client.fheml", content(t, file))
		if !a.Keys {
			continue
		}
		keys, err := models.GenerateKeys(context.Background(), file, nil)
		if err != nil {
			t.Fatal(err)
		}
		client, err := models.NewClient(file, keys.Secret)
		if err != nil {
			t.Fatal(err)
		}
		server, err := c.NewServer()
		if err != nil {
			t.Fatal(err)
		}
		if err := server.LoadKey(context.Background(), keys.Evaluation, nil); err != nil {
			t.Fatal(err)
		}
		var request, response bytes.Buffer
		if _, err := client.EncryptRows(context.Background(), &request, formatRows, nil); err != nil {
			t.Fatal(err)
		}
		write(name+".request", request.Bytes())
		if _, err := server.RunBatch(context.Background(), &response, &request, nil); err != nil {
			t.Fatal(err)
		}
		write(name+".response", response.Bytes())
		write(name+".secret.key", content(t, keys.Secret))
		write(name+".evaluation.key", content(t, keys.Evaluation))
	}
	data, err := json.MarshalIndent(answers, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	write("answers.json", append(data, '\n'))
}

// content is what a WriteTo writes.
func content(t *testing.T, v io.WriterTo) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := v.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
