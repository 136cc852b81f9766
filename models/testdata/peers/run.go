//go:build ignore

// Run takes trained models through this code and through Concrete ML 1.9.0 on one machine in one run, and prints a table: make bench-peers.
//
// concrete_ml.py trains the models with scikit-learn and XGBoost and exports them to ONNX. For each model, this program compiles the ONNX file for
// --prefer time and --prefer upload and predicts held-out rows, encrypted; then Concrete ML runs the same trained parameters on the first of the same rows.
// Where there is no Python that Concrete ML runs under, it says so and measures models from importers/onnx/testdata alone. README.md says what is measured.
//
//	go run models/testdata/peers/run.go [-models logreg,tree,...] [-rows 20] [-peer-rows 1] [-python PATH] [-no-peer]
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fhe-ml/fhe-ml/cmd/fhe-ml/bench"
	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/datasets"
	"github.com/fhe-ml/fhe-ml/importers"
	"github.com/fhe-ml/fhe-ml/models"
)

const (
	here     = "models/testdata/peers" // from the module's root
	fixtures = "importers/onnx/testdata"
	script   = "concrete_ml.py"
	version  = "1.9.0"
)

// model is a row of the table: its name in concrete_ml.py, what it is, the fixture that stands in where nothing can be trained, and how
// many rows Concrete ML predicts (fewer where one takes it seconds).
type model struct {
	name, title, fixture string
	peerRows             int
}

var all = []model{
	{"logreg", "logistic regression, breast cancer, 30 columns", "logreg_breast_cancer", 20},
	{"tree", "decision tree of depth 5, breast cancer", "tree_breast_cancer", 5},
	{"xgb20x3", "XGBoost, 20 trees of depth 3, breast cancer", "xgb_breast_cancer", 2},
	{"xgb50x4", "XGBoost, 50 trees of depth 4, breast cancer", "", 1},
	{"forest_digits", "random forest, 20 trees of depth 6, digits, 10 classes", "forest_digits", 1},
	{"mlp_iris", "network 4-16-3, ReLU, iris", "mlp_iris_tanh", 5},
	{"mlp_breast_cancer", "network 30-32-1, ReLU, breast cancer", "mlp_breast_cancer", 3},
}

func main() {
	names := flag.String("models", "", "which models, by name: logreg,tree,xgb20x3,xgb50x4,forest_digits,mlp_iris,mlp_breast_cancer (all)")
	rows := flag.Int("rows", 20, "rows that we predict, encrypted, for each preference")
	peerRows := flag.Int("peer-rows", 0, "rows that Concrete ML predicts (by the model: 20 for linear ones, 1 for forests)")
	python := flag.String("python", "", "Python 3.8 to 3.12 (looked for in PATH and under ~/.pyenv)")
	noPeer := flag.Bool("no-peer", false, "leave Concrete ML out")
	flag.Parse()
	chosen, err := pick(*names)
	if err == nil && (*rows < 1 || *peerRows < 0 || flag.NArg() > 0) {
		err = errors.New("-rows is at least 1, -peer-rows at least 0, and there are no other arguments")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err == nil {
		err = run(ctx, chosen, *rows, *peerRows, *python, *noPeer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-peers:", err)
		os.Exit(1)
	}
}

func pick(names string) ([]model, error) {
	if names == "" {
		return all, nil
	}
	var out []model
	for _, name := range strings.Split(names, ",") {
		i := slices.IndexFunc(all, func(m model) bool { return m.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-models: there is no %q", name)
		}
		out = append(out, all[i])
	}
	return out, nil
}

// result is one line of the table.
type result struct {
	system                 string
	ms                     float64
	request, response, key int64
	accuracy               float64 // of the quantized model on all held-out rows; negative: not known
	note                   string
}

func run(ctx context.Context, chosen []model, rows, peerRows int, python string, noPeer bool) error {
	if _, err := os.Stat(filepath.Join(here, script)); err != nil {
		return fmt.Errorf("run it from the module's root: %w", err)
	}
	dir, err := os.MkdirTemp("", "bench-peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var peer string
	if noPeer {
		fmt.Fprintln(os.Stderr, "bench-peers: Concrete ML is left out, as asked")
	} else if peer, err = environment(ctx, python); err != nil {
		fmt.Fprintf(os.Stderr, "bench-peers: no Concrete ML %s here: %v\nbench-peers: measuring ours alone, on the models of %s\n", version, err, fixtures)
	}
	source := dir
	if peer != "" {
		fmt.Fprintln(os.Stderr, "bench-peers: training the models")
		var names []string
		for _, m := range chosen {
			names = append(names, m.name)
		}
		if _, err := execute(ctx, peer, append([]string{filepath.Join(here, script), "train", dir}, names...)...); err != nil {
			return fmt.Errorf("training: %w", err)
		}
	} else {
		source = fixtures
	}
	var text strings.Builder
	out := io.MultiWriter(os.Stdout, &text)
	fmt.Fprintf(out, "| model | | server time a row | request | response | evaluation key | accuracy |\n|---|---|---|---|---|---|---|\n")
	for _, m := range chosen {
		name := m.name
		if peer == "" {
			if name = m.fixture; name == "" {
				continue
			}
		}
		fmt.Fprintf(os.Stderr, "bench-peers: %s\n", m.title)
		lines, float, err := ours(ctx, source, name, rows)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if peer != "" {
			count := m.peerRows
			if peerRows > 0 {
				count = peerRows
			}
			theirs, err := concreteML(ctx, peer, dir, m.name, count)
			if err != nil {
				fmt.Fprintf(os.Stderr, "bench-peers: %s: Concrete ML failed: %v\n", m.name, err)
			} else {
				lines = append(lines, theirs)
			}
		}
		print(out, m.title, lines, float)
	}
	if err := ctx.Err(); err != nil || peer == "" {
		return err
	}
	return bench.SavePeer("models", "Models against Concrete ML "+version, text.String()) // for fhe-ml bench
}

// environment returns the Python of a virtual environment that has Concrete ML, which it makes once, in the user's cache directory.
func environment(ctx context.Context, python string) (string, error) {
	cache, err := os.UserCacheDir() // not in the repository: 6 GB
	if err != nil {
		return "", err
	}
	venv := filepath.Join(cache, "fhe-ml", "peers", "concrete-ml-"+version)
	inside := filepath.Join(venv, "bin", "python")
	ready := func() bool {
		out, err := exec.CommandContext(ctx, inside, "-c", "import importlib.metadata as m; print(m.version('concrete-ml'))").Output()
		return err == nil && strings.TrimSpace(string(out)) == version
	}
	if ready() {
		return inside, nil
	}
	if python == "" {
		if python, err = findPython(ctx); err != nil {
			return "", err
		}
	}
	fmt.Fprintf(os.Stderr, "bench-peers: installing Concrete ML %s from PyPI into %s (some GB, once)\n", version, venv)
	if _, err := execute(ctx, python, "-m", "venv", venv); err != nil {
		return "", fmt.Errorf("%s -m venv: %w", python, err)
	}
	if _, err := execute(ctx, inside, "-m", "pip", "install", "--no-input", "--quiet", "-r", filepath.Join(here, "requirements.txt")); err != nil {
		return "", fmt.Errorf("pip install: %w", err)
	}
	if !ready() {
		return "", errors.New("it was installed, but does not import")
	}
	return inside, nil
}

// findPython looks for a version that Concrete ML is published for, 3.11 first.
func findPython(ctx context.Context) (string, error) {
	for _, v := range []string{"3.11", "3.12", "3.10", "3.9", "3.8"} {
		candidates := []string{"python" + v}
		if home, err := os.UserHomeDir(); err == nil {
			more, _ := filepath.Glob(filepath.Join(home, ".pyenv", "versions", v+".*", "bin", "python"))
			candidates = append(candidates, more...)
		}
		for _, c := range candidates {
			path, err := exec.LookPath(c)
			if err != nil {
				continue
			}
			if exec.CommandContext(ctx, path, "-c", "import venv, ensurepip").Run() == nil {
				return path, nil
			}
		}
	}
	return "", errors.New("it needs Python 3.8 to 3.12 with venv; name one with -python PATH")
}

// execute runs a command whose messages go to standard error, and returns its standard output.
func execute(ctx context.Context, name string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, name, args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, os.Stderr
	err := c.Run()
	return out.Bytes(), err
}

// ours compiles a model for both preferences and predicts rows.
func ours(ctx context.Context, dir, name string, count int) (lines []result, float float64, err error) {
	m, _, err := importers.Open(filepath.Join(dir, name+".onnx"))
	if err != nil {
		return nil, 0, err
	}
	rows, err := table(filepath.Join(dir, name+".csv"))
	if err != nil {
		return nil, 0, err
	}
	var calibration [][]float64
	if models.NeedsCalibration(m) {
		if calibration, err = table(filepath.Join(dir, name+".calib.csv")); err != nil {
			return nil, 0, err
		}
	}
	truth := struct {
		Accuracy float64
		Labels   []int
	}{Accuracy: -1}
	if data, err := os.ReadFile(filepath.Join(dir, name+".json")); err == nil {
		if err := json.Unmarshal(data, &truth); err != nil || len(truth.Labels) != len(rows) {
			truth.Accuracy, truth.Labels = -1, nil // a fixture's own file
		}
	}
	for _, prefer := range []compiler.Prefer{compiler.PreferTime, compiler.PreferUpload} {
		c, err := models.Compile(m, models.CompileOptions{Prefer: prefer}, calibration)
		if err != nil {
			return nil, 0, err
		}
		r := result{system: map[compiler.Prefer]string{compiler.PreferTime: "`--prefer time`", compiler.PreferUpload: "`--prefer upload`"}[prefer], accuracy: -1}
		s := c.Summary()
		r.request, r.response, r.key = s.RequestBytes, s.ResponseBytes, s.EvaluationKeyBytes
		if r.accuracy, err = accuracy(c.Quantized, rows, truth.Labels); err != nil {
			return nil, 0, err
		}
		if r.ms, err = predict(ctx, c, rows[:min(count, len(rows))]); err != nil {
			return nil, 0, err
		}
		lines = append(lines, r)
	}
	return lines, truth.Accuracy, nil
}

func table(path string) ([][]float64, error) {
	t, err := datasets.Open(path)
	if err != nil {
		return nil, err
	}
	return t.Rows()
}

// accuracy is that of the quantized model; encrypted predictions equal its own.
func accuracy(q *models.Quantized, rows [][]float64, labels []int) (float64, error) {
	if labels == nil {
		return -1, nil
	}
	p, err := models.NewPredictor(q)
	if err != nil {
		return 0, err
	}
	right := 0
	for i, row := range rows {
		pred, err := p.Predict(row)
		if err != nil {
			return 0, err
		}
		if pred.Class == labels[i] {
			right++
		}
	}
	return float64(right) / float64(len(rows)), nil
}

// predict predicts rows encrypted, one after the other, holds them to the quantized model, and returns the median of the server's times. The first row,
// which finds nothing in memory, is not counted.
func predict(ctx context.Context, c *models.Compiled, rows [][]float64) (ms float64, err error) {
	s, err := c.NewSession(ctx, nil)
	if err != nil {
		return 0, err
	}
	var times []float64
	for i := -1; i < len(rows); i++ {
		row := rows[max(i, 0)]
		got, t, err := s.Predict(ctx, row)
		if err != nil {
			return 0, err
		}
		want, err := c.Quantized.Predict(row)
		if err != nil {
			return 0, err
		}
		if !slices.Equal(got.Scores, want.Scores) {
			return 0, fmt.Errorf("row %d: the encrypted scores are not the quantized model's", max(i, 0))
		}
		if i >= 0 {
			times = append(times, t.Run.Seconds()*1000)
		}
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

// concreteML runs the peer on one model.
func concreteML(ctx context.Context, python, dir, name string, rows int) (result, error) {
	start := time.Now()
	out, err := execute(ctx, python, filepath.Join(here, script), "run", dir, name, fmt.Sprint(rows))
	if err != nil {
		return result{}, err
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var r struct {
		Ms            float64
		RequestBytes  int64 `json:"request_bytes"`
		ResponseBytes int64 `json:"response_bytes"`
		KeyBytes      int64 `json:"key_bytes"`
		Accuracy      float64
		Bits          int
		Rows, Same    int
		KeygenS       float64 `json:"keygen_s"`
	}
	if err := json.Unmarshal(lines[len(lines)-1], &r); err != nil {
		return result{}, fmt.Errorf("its result is not what was expected: %w", err)
	}
	fmt.Fprintf(os.Stderr, "bench-peers: Concrete ML took %.0f s, %.0f of them for keys; %d of %d encrypted labels equal its quantized ones\n",
		time.Since(start).Seconds(), r.KeygenS, r.Same, r.Rows)
	return result{system: "Concrete ML " + version, ms: r.Ms, request: r.RequestBytes, response: r.ResponseBytes, key: r.KeyBytes, accuracy: r.Accuracy,
		note: fmt.Sprintf(" (%d bits, %d %s)", r.Bits, r.Rows, map[bool]string{true: "row", false: "rows"}[r.Rows == 1])}, nil
}

// print writes a model's lines; the peer's, if any, is the last.
func print(out io.Writer, title string, lines []result, float float64) {
	peer := lines[len(lines)-1]
	for i, l := range lines {
		speed := duration(l.ms)
		if strings.HasPrefix(peer.system, "Concrete") && i < len(lines)-1 {
			speed += fmt.Sprintf(" (%.3g x)", peer.ms/l.ms)
		}
		acc := "-"
		if l.accuracy >= 0 {
			acc = fmt.Sprintf("%.1f%%", 100*l.accuracy)
		}
		if i == 0 && float >= 0 {
			acc += fmt.Sprintf(" (float %.1f%%)", 100*float)
		}
		fmt.Fprintf(out, "| %s | %s%s | %s | %s | %s | %s | %s |\n", title, l.system, l.note, speed, size(l.request), size(l.response), size(l.key), acc)
		title = ""
	}
}

func duration(ms float64) string {
	if ms >= 1000 {
		return fmt.Sprintf("%.3g s", ms/1000)
	}
	return fmt.Sprintf("%.3g ms", ms)
}

func size(n int64) string {
	switch {
	case n <= 256:
		return "none" // a header
	case n < 1000_000:
		return fmt.Sprintf("%.3g kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.3g MB", float64(n)/1e6)
}
