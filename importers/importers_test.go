package importers

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fhe-ml/fhe-ml/importers/onnx"
)

func TestOpen(t *testing.T) {
	m, r, err := Open("onnx/testdata/logreg_breast_cancer.onnx")
	if err != nil || r.Kind != "linear" || len(m.Meta().Features) != 30 {
		t.Fatalf("%v %v", r, err)
	}
	if _, r, err = OpenWith("onnx/testdata/torch_mlp_iris.onnx", Options{Task: onnx.TaskRegress}); err != nil || r.Task != "regress" {
		t.Fatalf("%v %v", r, err)
	}
}

// TestOpenGolearn: files of golearn are recognised by their content.
func TestOpenGolearn(t *testing.T) {
	for name, saved := range map[string]string{"forest": "ensemble.RandomForest", "svc": "linear_models.LinearSVC"} {
		m, r, err := Open("golearn/testdata/" + name + ".golearn")
		if err != nil {
			t.Fatal(err)
		}
		if r.Format != FormatGolearn || r.Saved != saved || r.Producer != "golearn" || r.Task != "classify" || r.Features != len(m.Meta().Features) {
			t.Errorf("%s: %+v", name, r)
		}
		if name == "forest" && (r.Trees != 5 || len(r.Classes) != 3 || r.TreeNodes == 0) {
			t.Errorf("%+v", r)
		}
	}
	if _, _, err := OpenWith("golearn/testdata/forest.golearn", Options{Task: onnx.TaskRegress}); err == nil {
		t.Error("a forest of classes became a regressor")
	}
}

// TestOpenErrors: one line that names the file and what is wrong with it.
func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range [][2]string{
		{filepath.Join(dir, "absent.onnx"), "absent.onnx"},
		{dir, "folder"},
		{write("empty.onnx", ""), "empty"},
		{write("rows.csv", "a,b\n1,2\n"), "text"},
		{write("net.pt", "PK\x03\x04...."), "PyTorch"},
		{write("model.pkl", "\x80\x04\x95"), "pickle"},
		{write("x.gz", "\x1f\x8b\x08"), "gzip"},
		{write("x.npy", "\x93NUMPY\x01\x00"), "NumPy"},
		{write("junk.onnx", "\x08\x07\xff\xff\xff"), "whole ONNX file"},
		{"onnx/testdata/broken/truncated.onnx", "truncated"},
		{"onnx/testdata/broken/unsupported_op.onnx", "LSTM"},
	} {
		_, _, err := Open(c[0])
		if err == nil {
			t.Errorf("%s was opened", c[0])
			continue
		}
		msg := err.Error()
		if strings.Contains(msg, "\n") || !strings.Contains(msg, filepath.Base(c[0])) || !strings.Contains(msg, c[1]) {
			t.Errorf("%s: %q", c[0], msg)
		}
	}
}

// TestRead: a stream gives what the file gives, but for the name; an empty one, one that breaks off and one that is no model are errors.
func TestRead(t *testing.T) {
	for _, path := range []string{"onnx/testdata/logreg_breast_cancer.onnx", "golearn/testdata/forest.golearn"} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		m, r, err := Read(iotest.OneByteReader(bytes.NewReader(data)), Options{})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if n := len(want.Meta().Features); r.Features != n {
			t.Errorf("%s: %d features, want %d", path, r.Features, n)
		}
		row := make([]float64, r.Features)
		for i := range row {
			row[i] = float64(i%5) / 2
		}
		if got, w := m.Raw(nil, row), want.Raw(nil, row); !slices.Equal(got, w) {
			t.Errorf("%s: scores %v, want %v", path, got, w)
		}
	}
	broken := errors.New("the line is down")
	for want, r := range map[string]io.Reader{
		"model is empty":   strings.NewReader(""),
		"the line is down": iotest.ErrReader(broken),
		"importers":        strings.NewReader("no model"),
	} {
		if _, _, err := Read(r, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
