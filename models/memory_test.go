package models

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// reads runs ReadCompiled and returns what it allocates, in all.
func reads(data []byte) (uint64, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ReadCompiled(bytes.NewReader(data))
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, err
}

// hostileModel is a whole file, with its hash, around a payload.
func hostileModel(t *testing.T, f modelFile) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := writePayload(&b, tfhe.KindModel, [32]byte{}, f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestModelFileMemory: whoever writes a file that fits its hash can still not make its reader take more than 64 MB and 20 times its size.
func TestModelFileMemory(t *testing.T) {
	const n = 8 << 20
	lines := func(first, line string) string {
		var b strings.Builder
		b.WriteString(first)
		for i := 1; b.Len() < n; i++ {
			fmt.Fprintf(&b, line, i, i-1)
		}
		return b.String() + "output %0\n"
	}
	input := "%0 = input \"x\" shape=[1] lo=[0] hi=[1]\n"
	graph := func(text string) modelFile {
		return modelFile{Linear: &Linear{}, Circuit: &compiler.Circuit{}, Graph: text}
	}
	for name, f := range map[string]modelFile{
		"short lines":  graph(lines(input, "%%%d=negative %%%d\n")),
		"wide lines":   graph(lines(strings.Replace(input, "[1]", "[1000]", 1), "%%%d=negative %%%d\n")),
		"reshapes":     graph(lines(input, "%%%d=reshape %%%d shape=[1]\n")),
		"constants":    graph(lines(input, "%%%d=constant shape=[] data=[%d]\n")),
		"one constant": graph(input + fmt.Sprintf("%%1 = constant shape=[%d] data=[", n/2) + strings.Repeat("0 ", n/2) + "]\noutput %0\n"),
		"zeros":        graph(input + "%1 = constant shape=[67108864] data=[0]\noutput %0\n"),
		"a table":      graph(input + "%1 = lookup %0 table=" + strings.Repeat("[0: 0 0]", n/8) + "\noutput %1\n"),
		"sum of wide":  graph("%0 = input \"x\" shape=[8192 8192] lo=[0] hi=[1]\noutput %0\n"),
		"leaves":       {Trees: &TreeEnsemble{Trees: []Tree{{Leaves: make([][]float64, n)}}}},
		"nodes":        {Trees: &TreeEnsemble{Trees: []Tree{{Nodes: make([]TreeNode, n)}}}},
		"trees":        {Trees: &TreeEnsemble{Trees: make([]Tree, n/4)}},
		"layers":       {Network: &Network{Layers: make([]Layer, n/6)}},
		"notes":        {Notes: make([]string, n)},
		"weights":      {Linear: &Linear{Weights: [][]float64{make([]float64, n/3)}}},
	} {
		data := hostileModel(t, f)
		got, err := reads(data)
		if err == nil {
			t.Errorf("%s: it was read", name)
		}
		if got > 64<<20+20*uint64(len(data)) {
			t.Errorf("%s: %d MB for a file of %d kB, %.1f times: %.80v", name, got>>20, len(data)>>10, float64(got)/float64(len(data)), err)
		} else if testing.Verbose() {
			t.Logf("%s: %.1f times a file of %d kB: %.80v", name, float64(got)/float64(len(data)), len(data)>>10, err)
		}
	}
}

// TestModelFilesKeepWithin: real files stay far from the bounds.
func TestModelFilesKeepWithin(t *testing.T) {
	files, _ := filepath.Glob("testdata/v1/*.fheml")
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(path, ".client.") {
			continue
		}
		if _, err := reads(data); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
