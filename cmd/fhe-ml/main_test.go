package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fhe-ml/fhe-ml/datasets"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// TestInterrupted runs commands under a context that has ended, as Ctrl-C makes it: they fail, say so, and write nothing.
func TestInterrupted(t *testing.T) {
	fixture, err := filepath.Abs("../../importers/onnx/testdata/tree_iris")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	var out, messages bytes.Buffer
	if status := run(t.Context(), []string{"convert", fixture + ".onnx", "-o", "tree"}, &out, &messages); status != exitDone {
		t.Fatal(messages.String())
	}
	before := names(t, ".")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{
		{"convert", fixture + ".onnx"},
		{"predict", "tree.fheml", "--input", fixture + ".csv", "--output", "rows.csv"},
		{"predict", "tree.fheml", "--input", fixture + ".csv", "--mode", "float", "--output", "rows.csv"},
		{"bench", "tree.fheml", "--input", fixture + ".csv", "--output", "page.html", "--quiet"},
		{"demo", "--rows", "1", "--quiet"},
	} {
		out.Reset()
		messages.Reset()
		status := run(ctx, args, &out, &messages)
		if status != exitFailed || messages.String() != "fhe-ml: interrupted; nothing was written\n" || out.Len() > 0 {
			t.Errorf("%q: status %d, %q, %q", args, status, messages.String(), out.String())
		}
	}
	if after := names(t, "."); !slices.Equal(before, after) {
		t.Errorf("files %q, want %q", after, before)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestWriteAll holds that files appear all or none, and that what was there stays.
func TestWriteAll(t *testing.T) {
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	broken := func(w io.Writer) error {
		io.WriteString(w, "half")
		return errors.New("disk full")
	}
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	if err := writeAll(t.Context(), output{path: a, write: text("1")}, output{path: b, write: broken}); err == nil || len(names(t, dir)) != 0 {
		t.Fatalf("%v, files %q", err, names(t, dir))
	}
	if err := writeAll(t.Context(), output{path: a, write: text("old")}); err != nil {
		t.Fatal(err)
	}
	if err := writeAll(t.Context(), output{path: a, write: text("new")}, output{path: b, write: broken}); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(a); string(data) != "old" || len(names(t, dir)) != 1 {
		t.Fatalf("%q, files %q", data, names(t, dir))
	}
	// A move that fails after another: the name is taken by a folder only once the check has passed.
	late := func(w io.Writer) error {
		os.MkdirAll(filepath.Join(b, "inside"), 0o777)
		return text("2")(w)
	}
	if err := writeAll(t.Context(), output{path: filepath.Join(dir, "c"), write: text("1")}, output{path: b, write: late}); err == nil {
		t.Fatal("a folder was replaced")
	}
	if got := names(t, dir); !slices.Equal(got, []string{"a", "b"}) {
		t.Fatalf("files %q", got)
	}
	// A link keeps being one.
	link := filepath.Join(dir, "link")
	if os.Symlink(a, link) != nil {
		t.Skip("no symbolic links here")
	}
	if err := writeAll(t.Context(), output{path: link, write: text("through")}); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(a); string(data) != "through" {
		t.Fatalf("%q", data)
	}
	// One that leads nowhere yet, through another, gets its target.
	far := filepath.Join(dir, "far")
	for name, target := range map[string]string{"near": "middle", "middle": far} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeAll(t.Context(), output{path: filepath.Join(dir, "near"), write: text("far")}); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Lstat(far); err != nil || !st.Mode().IsRegular() {
		t.Fatalf("%v %v", st, err)
	}
	if data, _ := os.ReadFile(filepath.Join(dir, "near")); string(data) != "far" {
		t.Fatalf("%q", data)
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	if err := writeAll(t.Context(), output{path: loop, write: text("x")}); err == nil || !strings.Contains(err.Error(), "too many links") {
		t.Fatal(err)
	}
	if err := writeAll(t.Context(), output{path: os.DevNull, write: text("x")}); err == nil {
		t.Fatal("a device was replaced")
	}
}

// TestReport holds the form of errors and the exit statuses.
func TestReport(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		want   string
	}{
		{nil, exitDone, ""},
		{errors.New("models: calibration row 3: column \"x\" is odd"), exitFailed, "calibration row 3: column \"x\" is odd"},
		{fmt.Errorf("m.onnx: %w", errors.New("models: quantize: column 3")), exitFailed, "m.onnx: column 3"},
		{fmt.Errorf("a\nb\r\nc"), exitFailed, "a; b; c"},
		{fmt.Errorf("datasets: %w", &fs.PathError{Op: "open", Path: "x.csv", Err: fs.ErrNotExist}), exitFailed, "x.csv: file does not exist"},
		{usagef("--x: no"), exitUsage, "--x: no"},
		{errors.New("label \x1b[2J\tof\u202e \xff"), exitFailed, `label \x1b[2J of\u202e ` + "\ufffd"},
		{fmt.Errorf("row 3: %w", context.Canceled), exitFailed, "interrupted; nothing was written"},
		{recovered("boom"), exitFailed, "internal error: boom; this is a bug: please report it with the command line (FHEML_DEBUG=1 prints the stack)"},
	} {
		var b bytes.Buffer
		status := report(&b, c.err)
		want := c.want
		if want != "" {
			want = "fhe-ml: " + want + "\n"
		}
		if status != c.status || b.String() != want {
			t.Errorf("%v: status %d, %q, want %d, %q", c.err, status, b.String(), c.status, want)
		}
	}
	t.Setenv("FHEML_DEBUG", "1")
	var b bytes.Buffer
	report(&b, recovered("boom"))
	if !strings.Contains(b.String(), "TestReport") {
		t.Errorf("no stack in %q", b.String())
	}
}

// TestAwait: a panic of the work is an error, and an end of the context does not wait.
func TestAwait(t *testing.T) {
	if _, err := await(t.Context(), func() (int, error) { panic("boom") }); err == nil || !strings.Contains(err.Error(), "internal error: boom") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan bool)
	defer close(release)
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := await(ctx, func() (int, error) { <-release; return 1, nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestProgress: a bar is drawn on terminals alone, and takes reports from several goroutines that overtake each other.
func TestProgress(t *testing.T) {
	for _, c := range []struct {
		terminal, quiet, drawn bool
	}{{true, false, true}, {true, true, false}, {false, false, false}} {
		var b bytes.Buffer
		a := &app{stderr: &b, terminal: c.terminal, quiet: c.quiet}
		p := a.progress("keys", 0)
		if report := p.reporter(); report != nil {
			var group sync.WaitGroup
			for done := range 65 {
				group.Go(func() { report(done, 64) })
			}
			group.Wait()
		}
		p.done()
		p = a.progress("rows", 3)
		for range 4 {
			p.step()
		}
		p.done()
		if drawn := strings.Contains(b.String(), "keys"); drawn != c.drawn || !drawn && b.Len() > 0 {
			t.Errorf("%+v: %q", c, b.String())
		}
	}
}

// failingWriter is a full disk.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestBrokenOutput(t *testing.T) {
	var messages bytes.Buffer
	args := []string{"inspect", "../../importers/onnx/testdata/tree_iris.onnx"}
	if status := run(t.Context(), args, failingWriter{}, &messages); status != exitFailed || messages.String() != "fhe-ml: standard output: cannot be written: no space left\n" {
		t.Errorf("status %d, %q", status, messages.String())
	}
	for _, args := range [][]string{{"--help"}, {"help", "convert"}, {"predict", "--help"}, {"--version"}} {
		messages.Reset()
		if status := run(t.Context(), args, failingWriter{}, &messages); status != exitFailed || messages.String() != "fhe-ml: standard output: cannot be written: no space left\n" {
			t.Errorf("%q: status %d, %q", args, status, messages.String())
		}
	}
}

// TestHostileNames takes a model whose names hold escape sequences through the commands: none reaches a terminal.
func TestHostileNames(t *testing.T) {
	model, err := os.ReadFile("../../importers/onnx/testdata/tree_iris.onnx")
	if err != nil {
		t.Fatal(err)
	}
	input, err := filepath.Abs("../../importers/onnx/testdata/tree_iris.csv")
	if err != nil {
		t.Fatal(err)
	}
	for name, hostile := range map[string]string{"skl2onnx": "\x1b[31mevl", "output_label": "\x1b]0;title\abc", "TreeEnsembleClassifier": "TreeEnsemble\u009b2JClassy"} {
		if !bytes.Contains(model, []byte(name)) || len(name) != len(hostile) {
			t.Fatalf("no %q in the fixture, or another length than %q", name, hostile)
		}
		if name != "TreeEnsembleClassifier" {
			model = bytes.ReplaceAll(model, []byte(name), []byte(hostile))
		}
	}
	unsupported := bytes.ReplaceAll(model, []byte("TreeEnsembleClassifier"), []byte("TreeEnsemble\u009b2JClassy"))
	t.Chdir(t.TempDir())
	for name, data := range map[string][]byte{"m.onnx": model, "u.onnx": unsupported} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		status int
		args   []string
	}{
		{exitDone, []string{"inspect", "m.onnx"}},
		{exitDone, []string{"inspect", "m.onnx", "--json"}},
		{exitFailed, []string{"inspect", "u.onnx"}},
		{exitFailed, []string{"inspect", "u.onnx", "--json"}},
		{exitFailed, []string{"convert", "u.onnx"}},
		{exitDone, []string{"convert", "m.onnx"}},
		{exitDone, []string{"inspect", "m.fheml"}},
		{exitDone, []string{"predict", "m.fheml", "--input", input, "--mode", "float"}},
		{exitFailed, []string{"inspect", "\x1b[2J.onnx"}},
		{exitUsage, []string{"\x1b[2J"}},
		{exitUsage, []string{"--\x1b[2J"}},
	} {
		var out, messages bytes.Buffer
		status := run(t.Context(), c.args, &out, &messages)
		text := out.String() + messages.String()
		if status != c.status || text != visibleLines(text) {
			t.Errorf("%q: status %d, %q", c.args, status, text)
		}
	}
}

// TestPick matches columns with features by hand-made tables.
func TestPick(t *testing.T) {
	named := &models.Info{Features: []string{"age", "size"}, Named: true}
	unnamed := &models.Info{Features: []string{"x0", "x1"}}
	for _, c := range []struct {
		name, csv, target string
		info              *models.Info
		most              int
		want              string // rows, or a part of the error
	}{
		{"by name", "size,age\n1,2\n3,4\n", "", named, 0, "[[2 1] [4 3]]"},
		{"the names made up", "x0,x1\n1,2\n", "", unnamed, 0, "[[1 2]]"},
		{"by name, with others", "id,size,age,target\na,1,2,yes\n", "", named, 0, "[[2 1]]"},
		{"by name, one missing", "size,weight\n1,2\n", "", named, 0, `no column "age"`},
		{"no name matches", "a,b\n1,2\n", "", named, 0, "[[1 2]] no column has a name that the model knows"},
		{"by order", "b,a\n1,2\n3,4\n5,6\n", "", unnamed, 2, "[[1 2] [3 4]] the model has no column names"},
		{"more rows than there are", "b,a\n1,2\n", "", unnamed, 9, "[[1 2]] the model has no column names"},
		{"target told", "b,y,a\n1,no,2\n", "y", unnamed, 0, "[[1 2]] the model has no column names"},
		{"target known", "b,target,a\n1,0,2\n", "", unnamed, 0, "[[1 2]] the model has no column names"},
		{"target eats a feature", "b,target\n1,0\n", "", unnamed, 0, `has 1 column beside "target", the model has 2 features`},
		{"target is a feature", "size,age\n1,2\n", "age", named, 0, `column "age" is a feature`},
		{"target not told", "b,a,y\n1,2,3\n", "", unnamed, 0, "with --target"},
		{"no such target", "b,a\n1,2\n", "z", unnamed, 0, `no column "z"`},
	} {
		table, err := datasets.ReadCSV(strings.NewReader(c.csv), "t.csv")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if r, err := pick(table, c.info, c.target, c.most); err != nil {
			got = err.Error()
		} else {
			got = strings.TrimSpace(fmt.Sprint(r.x) + " " + r.byOrder)
		}
		if !strings.Contains(got, c.want) || strings.HasSuffix(c.want, "]]") && got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestPickArray matches the columns of a NumPy array, which have no names.
func TestPickArray(t *testing.T) {
	array := func(columns int) *datasets.Table {
		header := fmt.Sprintf("{'descr': '<f8', 'fortran_order': False, 'shape': (2, %d), }", columns)
		header += strings.Repeat(" ", 117-len(header)) + "\n" // 10 + 118 bytes
		data := append([]byte("\x93NUMPY\x01\x00\x76\x00"), header...)
		for i := range 2 * columns {
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(float64(i)))
		}
		table, err := datasets.ReadNPY(bytes.NewReader(data), "t.npy")
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	info := &models.Info{Features: []string{"age", "size"}, Named: true}
	r, err := pick(array(2), info, "", 0)
	if err != nil || fmt.Sprint(r.x, r.columns) != "[[0 1] [2 3]] [age size]" {
		t.Errorf("%v %v", r, err)
	}
	if _, err := pick(array(3), info, "", 0); err == nil || !strings.Contains(err.Error(), "remove the target column") {
		t.Error(err)
	}
	if _, err := pick(array(2), info, "y", 0); err == nil || !strings.Contains(err.Error(), "no column names") {
		t.Error(err)
	}
}

// TestScore compares with values worked out by hand.
func TestScore(t *testing.T) {
	table, err := datasets.ReadCSV(strings.NewReader("a,class,y,truth,none,color,same\n1,1.0,1,True,,red,5\n2,0,2,TRUE,,blue,5\n3,,,true,,red,5\n4,1,3,False,,red,5\n"), "t.csv")
	if err != nil {
		t.Fatal(err)
	}
	predict := func(scores ...float64) (ps []quantize.Prediction) {
		for _, v := range scores {
			ps = append(ps, quantize.Prediction{Label: quantize.Label{Int: int64(v), IsInt: true}, Scores: []float64{v}})
		}
		return ps
	}
	two := quantize.IntLabels(2)
	classifier, regressor := quantize.Postprocessing{Task: quantize.Classify, Classes: two}, quantize.Postprocessing{Task: quantize.Regress, Outputs: 1}
	for _, c := range []struct {
		target string
		post   quantize.Postprocessing
		scores []float64
		value  float64
		rows   int
		text   string
	}{
		{"class", classifier, []float64{1, 1, 0, 1}, 2. / 3, 3, "accuracy 66.67% on 3 rows"},
		{"y", regressor, []float64{1, 2, 99, 3.5}, 0.875, 3, "R2 0.8750 on 3 rows"}, // mean 2, total 2; residual 0.25
		{"truth", classifier, []float64{1, 1, 0, 0}, 0.75, 4, "accuracy 75.00% on 4 rows"},
		{"none", classifier, []float64{1, 1, 0, 0}, math.NaN(), 0, `column "none" holds no value in 4 rows; no score`},
		{"none", regressor, []float64{1, 1, 0, 0}, math.NaN(), 0, `column "none" holds no value in 4 rows; no score`},
		{"color", classifier, []float64{1, 1, 0, 0}, math.NaN(), 4, `no value of column "color" is a class of the model (0, 1); no score`},
		{"same", regressor, []float64{1, 1, 0, 0}, math.NaN(), 4, `column "same" is the same in every row; no R2`},
	} {
		r := &rows{table: table, target: c.target}
		if err := r.readTarget(&c.post); err != nil {
			t.Errorf("%s: %v", c.target, err)
			continue
		}
		s := r.score(&c.post, predict(c.scores...))
		v := float64(s.Value)
		if s.Rows != c.rows || s.String() != c.text || !(math.Abs(v-c.value) <= 1e-15 || math.IsNaN(v) && math.IsNaN(c.value)) {
			t.Errorf("%s: %+v, %q", c.target, s, s)
		}
	}
	r := &rows{table: table, target: "color"}
	if err := r.readTarget(&regressor); err == nil || !strings.Contains(err.Error(), `"red"`) {
		t.Error(err)
	}
}

func TestFormat(t *testing.T) {
	for got, want := range map[string]string{
		size(999): "999 B", size(1000): "1.00 kB", size(59_300_000): "59.3 MB", size(999_600): "1.00 MB", size(5_000_000_000_000): "5000 GB",
		milliseconds(0.26543): "0.265 ms", milliseconds(99.97): "100 ms", milliseconds(12345): "12.3 s", milliseconds(0): "under 0.001 ms",
		plural(1, "row"): "1 row", plural(0, "row"): "0 rows", plural(2, "leaf"): "2 leaves",
		quote("a-b.fheml"): "a-b.fheml", quote("it's"): `'it'\''s'`, quote(""): "''",
		probability(-135.72): "2^-135.7", probability(-math.MaxFloat32): "under 2^-1000",
		fmt.Sprint(median([]time.Duration{3e6, 1e6, 2e6})): "2", fmt.Sprint(median([]time.Duration{4e6, 1e6})): "2.5", fmt.Sprint(median(nil)): "0",
		some([]string{"a", "b", "c"}, 2): "a, b, ... (3 in all)",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	data, err := json.Marshal([]jsonFloat{1e-7, 1e300, jsonFloat(math.Inf(1)), jsonFloat(math.NaN()), 0.1})
	if err != nil || string(data) != "[1e-7,1e+300,null,null,0.1]" && string(data) != "[1e-07,1e+300,null,null,0.1]" {
		t.Errorf("%s %v", data, err)
	}
}

func TestFailureFlag(t *testing.T) {
	for in, want := range map[string]float64{"2^-128": -128, "2^-20": -20, "2^-64.5": -64.5, "0.0000000001": math.Log2(1e-10), "0": 1, "1": 1, "-1": 1, "2^-257": 1, "nan": 1, "2^nan": 1, "": 1} {
		got := 1.0
		err := (&failure{&got}).Set(in)
		if (err != nil) != (want == 1) || got != want {
			t.Errorf("%q: %g, %v", in, got, err)
		}
	}
}
