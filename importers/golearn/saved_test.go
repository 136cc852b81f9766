package golearn_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhe-ml/fhe-ml/importers/golearn"
	"github.com/fhe-ml/fhe-ml/models"
)

var update = flag.Bool("update", false, "train and save the models of testdata again")

// fixture reads a file of testdata with golearn's answers.
func fixture(t testing.TB, name string) (data []byte, want []string) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name + ".golearn")
	if err != nil {
		t.Fatal(err)
	}
	answers, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(answers, &want); err != nil || len(want) != 150 {
		t.Fatalf("%d answers, %v", len(want), err)
	}
	return data, want
}

// TestSaved reads the committed files of golearn.
func TestSaved(t *testing.T) {
	for name, model := range map[string]string{"id3": "trees.ID3DecisionTree or RandomTree", "forest": "ensemble.RandomForest", "svc": "linear_models.LinearSVC"} {
		t.Run(name, func(t *testing.T) {
			data, want := fixture(t, name)
			if !golearn.IsFile(data) {
				t.Error("not recognised")
			}
			m, r, err := golearn.Read(data, golearn.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if r.Model != model {
				t.Errorf("it is a %s", r.Model)
			}
			g := iris(t)
			names := m.Meta().Features
			if !m.Meta().Named {
				names = columns(g)
			}
			agree(t, m, table(t, g, names), want, 10)
			if cut := strings.Contains(strings.Join(r.Warnings, "\n"), "has no end"); cut != (name == "id3") {
				t.Errorf("warnings %q", r.Warnings)
			}
		})
	}
}

// entry is a file of an archive.
type entry struct{ name, text string }

// archive packs entries as golearn does.
func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, e := range append([]entry{{"CLS_MANIFEST", "golearn 1.0"}, {"METADATA", `{"format_version":1,"classifier":"KNN"}`}}, entries...) {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Size: int64(len(e.text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const (
	classAttr = `{"type":"categorical","name":"kind","attr":{"values":["a","b"]}}`
	goodTree  = `{"class_string":"a","node_type":2,"children":{"1":{"class_string":"b","children":null},"0":{"children":null,"class_string":"\u0061"}},"class_dist":{"a":[{"x":1}]},` +
		`"decision_tree_rule":{"split_val":1.5,"split_attribute":{"type":"float","name":"x","attr":{"precision":2}}}}`
)

func TestReadHandWritten(t *testing.T) {
	m, _, err := golearn.Read(archive(t, entry{"tree", goodTree}, entry{"treeClassAttr", classAttr}), golearn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for x, want := range map[float64]string{1.5: "a", 1.6: "b"} {
		if p, err := models.Predict(m, []float64{x}); err != nil || p.Label.Text != want {
			t.Errorf("%v: %v %v", x, p.Label, err)
		}
	}
}

// TestReadErrors: one line that says what is wrong.
func TestReadErrors(t *testing.T) {
	class := entry{"treeClassAttr", classAttr}
	bag := func(n string, more ...entry) []byte {
		return archive(t, append([]entry{{"NUM_CLASSIFIERS", n + "\x00\x00\x00\x00\x00\x00\x00"}}, more...)...)
	}
	var deep strings.Builder
	for range 12000 {
		deep.WriteString(`{"children":{"0":`)
	}
	whole, _ := fixture(t, "forest")
	for _, c := range []struct {
		data []byte
		want string
	}{
		{[]byte("no gzip"), "not a gzip archive"},
		{whole[:len(whole)/2], "cut short"},
		{whole[:len(whole)/4], "cut short"},
		{archive(t), "is not supported: the files of"},
		{archive(t, entry{"TrainingData", "x"}), `kind "KNN" (with an entry "TrainingData") is not supported`},
		{archive(t, entry{"tree", goodTree}), "treeClassAttr) is missing"},
		{archive(t, entry{"tree", goodTree}, entry{"tree", goodTree}, class), "twice"},
		{archive(t, entry{"tree", "{"}, class), "not JSON"},
		{archive(t, entry{"tree", "[]"}, class), "an object is expected"},
		{archive(t, entry{"tree", deep.String()}, class), "not JSON"},
		{archive(t, entry{"tree", `{"children":{}}`}, class), "names no attribute"},
		{archive(t, entry{"tree", `{"children":{"0":null}}`}, class), "a branch of a split is missing"},
		{archive(t, entry{"tree", `{"children":{},"decision_tree_rule":{"split_attribute":{"type":"float","name":"x"}}}`}, class), "no branches"},
		{archive(t, entry{"tree", strings.Replace(goodTree, `"type":"float"`, `"type":"complex"`, 1)}, class), `type "complex"`},
		{archive(t, entry{"tree", strings.Replace(goodTree, `"class_string":"b"`, `"class_string":"c"`, 1)}, class), `a leaf answers "c"`},
		{archive(t, entry{"tree", strings.Replace(goodTree, `1.5`, `1e999`, 1)}, class), "a number is expected"},
		{archive(t, entry{"tree", `{"class_string":"a"}`}, class), "reads no attribute"},
		{bag("\x02", entry{"CLASSIFIERS/0//tree", goodTree}, entry{"CLASSIFIERS/0//treeClassAttr", classAttr}), "1 of 2 trees"},
		{bag("\x01", entry{"CLASSIFIERS/1//tree", goodTree}, entry{"CLASSIFIERS/1//treeClassAttr", classAttr}), "tree 0 is missing"},
		{bag("\x01", entry{"CLASSIFIERS/0//tree", goodTree}, entry{"CLASSIFIERS/1//MODEL", ""}), "bag of other models"},
		{bag("\x01", entry{"tree", goodTree}, entry{"CLASSIFIERS/0//tree", goodTree}), "two models"},
		{archive(t, entry{"MODEL", "solver_type L2R_LR\nnr_class 2\nlabel 1 0\nnr_feature 2\nbias -1\nw\n1 \n"}), "weights for 1 of 2"},
		{archive(t, entry{"MODEL", "solver_type L2R_LR\nnr_class 1\nlabel 1\nnr_feature 2\nbias -1\nw\n1 \n2 \n"}), "needs two"},
		{archive(t, entry{"MODEL", "solver_type L2R_LR\nnr_class 2\nlabel 1 0\nnr_feature 1\nbias -1\nw\nnan\n"}), "not a finite number"},
		{archive(t, entry{"MODEL", "solver_type L2R_L2LOSS_SVR\nnr_class 2\nlabel 1 0\nnr_feature 1\nbias -1\nw\n1\n"}), "is not supported"},
	} {
		m, _, err := golearn.Read(c.data, golearn.Options{})
		if err == nil || m != nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "golearn: ") {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// allocated runs Read and returns the bytes that it allocated, in all and not only at once.
func allocated(data []byte) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	golearn.IsFile(data)
	m, _, err := golearn.Read(data, golearn.Options{})
	runtime.ReadMemStats(&after)
	if (m == nil) == (err == nil) {
		panic("neither a model nor an error")
	}
	return after.TotalAlloc - before.TotalAlloc
}

// allowance is what reading may allocate.
func allowance(n int) uint64 { return 64<<20 + 20*uint64(n) }

// TestHostile: files that decompress to a lot, or whose JSON is dense.
func TestHostile(t *testing.T) {
	const size = 8 << 20
	class := entry{"treeClassAttr", classAttr}
	for name, data := range map[string][]byte{
		"bomb":       archive(t, entry{"other", strings.Repeat("\x00", 300<<20)}),
		"spaces":     archive(t, entry{"tree", strings.Repeat(" ", size)}),
		"branches":   archive(t, entry{"tree", `{"children":{"":{}` + strings.Repeat(`,"":{}`, size/6) + `}}`}, class),
		"escapes":    archive(t, entry{"tree", escapes(size)}, class),
		"numbers":    archive(t, entry{"tree", `{"class_dist":[1` + strings.Repeat(`,1`, size/2) + `]}`}, class),
		"classes":    archive(t, entry{"tree", `{"class_string":""` + strings.Repeat(`,"class_string":"\u0000"`, size/24) + `}`}, class),
		"splits":     archive(t, entry{"tree", dense(size)}, class),
		"values":     archive(t, entry{"tree", goodTree}, entry{"treeClassAttr", `{"type":"categorical","attr":{"values":[""` + strings.Repeat(`,""`, size/3) + `]}}`}),
		"attributes": archive(t, entry{"tree", `{"decision_tree_rule":{"split_val":1` + strings.Repeat(`,"split_attribute":{"type":"float"}`, size/35) + `}}`}, class),
		"weights":    archive(t, entry{"MODEL", "nr_class 2\nlabel 0 1\nnr_feature 65536\nw\n" + strings.Repeat("0\n", size/2)}),
		"headers":    archive(t, make([]entry, 40000)...),
	} {
		if n := allocated(data); n > allowance(len(data)) {
			t.Errorf("%s: %d MB allocated for a file of %d kB", name, n>>20, len(data)>>10)
		} else {
			t.Logf("%s: %d kB allocated for a file of %d kB", name, n>>10, len(data)>>10)
		}
	}
}

// dense is a full tree of splits in few bytes.
func dense(size int) string {
	level := `{}`
	for len(level) < size/2-100 {
		level = `{"children":{"0":` + level + `,"1":` + level + `},"decision_tree_rule":{"split_attribute":{"type":"float"}}}`
	}
	return level
}

// escapes are texts that differ, each with an escape.
func escapes(size int) string {
	var b strings.Builder
	b.WriteString(`{"children":{"":{}`)
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `,"\t%d":{}`, i)
	}
	b.WriteString(`}}`)
	return b.String()
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"id3", "forest", "svc"} {
		data, _ := fixture(f, name)
		f.Add(data)
	}
	f.Add(archive(f, entry{"tree", goodTree}, entry{"treeClassAttr", classAttr}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if n := allocated(data); n > allowance(len(data)) {
			t.Fatalf("%d bytes allocated for a file of %d", n, len(data))
		}
	})
}

// FuzzTree fuzzes what is inside the compression.
func FuzzTree(f *testing.F) {
	f.Add(goodTree, classAttr, "solver_type L2R_LR\nnr_class 2\nlabel 1 0\nnr_feature 1\nbias -1\nw\n1\n")
	f.Fuzz(func(t *testing.T, tree, class, svc string) {
		for _, data := range [][]byte{archive(t, entry{"tree", tree}, entry{"treeClassAttr", class}), archive(t, entry{"MODEL", svc})} {
			if n := allocated(data); n > allowance(len(data)) {
				t.Fatalf("%d bytes allocated for a file of %d", n, len(data))
			}
		}
	})
}

// TestTreeMutations changes bytes of a tree's JSON: no panic, and what is read is valid.
func TestTreeMutations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(goodTree)
		for range rapid.IntRange(1, 3).Draw(t, "edits") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.SampledFrom([]byte(`{}[]",:0123456789abxe\ null`)).Draw(t, "byte")
		}
		var buf bytes.Buffer
		z := gzip.NewWriter(&buf)
		w := tar.NewWriter(z)
		for _, e := range []entry{{"CLS_MANIFEST", "golearn 1.0"}, {"tree", string(b)}, {"treeClassAttr", classAttr}} {
			w.WriteHeader(&tar.Header{Name: e.name, Size: int64(len(e.text))})
			w.Write([]byte(e.text))
		}
		w.Close()
		z.Close()
		m, _, err := golearn.Read(buf.Bytes(), golearn.Options{})
		if err == nil && m.Validate() != nil {
			t.Fatal(m.Validate())
		}
	})
}
