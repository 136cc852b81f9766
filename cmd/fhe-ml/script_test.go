package main

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"fhe-ml": main}) }

// TestScript runs testdata/script: each is a session at a command line. $FIXTURES is the folder of the ONNX fixtures, $DEMO that of the embedded models,
// $GOLEARN that of files that golearn saved, $DATASETS that of .npy files.
func TestScript(t *testing.T) {
	fixtures, err := filepath.Abs("../../importers/onnx/testdata")
	if err != nil {
		t.Fatal(err)
	}
	demo, err := filepath.Abs("demo")
	if err != nil {
		t.Fatal(err)
	}
	golearn, err := filepath.Abs("../../importers/golearn/testdata")
	if err != nil {
		t.Fatal(err)
	}
	datasets, err := filepath.Abs("../../datasets/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("FIXTURES", fixtures)
			env.Setenv("DEMO", demo)
			env.Setenv("GOLEARN", golearn)
			env.Setenv("DATASETS", datasets)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails": cmdFails, "files": cmdFiles, "json": cmdJSON, "labels": cmdLabels, "oracle": cmdOracle, "truncate": cmdTruncate, "flip": cmdFlip,
			"wellformed": cmdWellFormed,
		},
	})
}

// cmdFails is "fails STATUS PATTERN ARGS...": fhe-ml ARGS ends with the status, says one line that matches, and leaves no file behind.
func cmdFails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: fails STATUS PATTERN ARGS...")
	}
	before := list(ts)
	err := ts.Exec("fhe-ml", args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		ts.Fatalf("fhe-ml did not fail: %v", err)
	}
	if got := strconv.Itoa(exit.ExitCode()); got != args[0] {
		ts.Fatalf("exit status %s, want %s", got, args[0])
	}
	stderr := ts.ReadFile("stderr")
	if !strings.HasPrefix(stderr, "fhe-ml: ") || strings.Count(stderr, "\n") != 1 || !strings.HasSuffix(stderr, "\n") {
		ts.Fatalf("standard error is not one line of fhe-ml: %q", stderr)
	}
	if !regexp.MustCompile(args[1]).MatchString(stderr) {
		ts.Fatalf("error %q does not match %q", stderr, args[1])
	}
	if after := list(ts); !slices.Equal(before, after) {
		ts.Fatalf("files changed from %q to %q", before, after)
	}
}

// cmdFiles is "files NAME...": the current folder holds these and no others.
func cmdFiles(ts *testscript.TestScript, neg bool, args []string) {
	want := slices.Sorted(slices.Values(args))
	if got := list(ts); neg || !slices.Equal(got, want) {
		ts.Fatalf("files %q, want %q", got, want)
	}
}

// list are the names in the current folder but for the one of testscript.
func list(ts *testscript.TestScript) []string {
	entries, err := os.ReadDir(ts.MkAbs("."))
	ts.Check(err)
	var names []string
	for _, e := range entries {
		if e.Name() != ".tmp" {
			names = append(names, e.Name())
		}
	}
	return names
}

// cmdJSON is "json FILE KEY...": the file is one JSON object with these keys.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	var object map[string]any
	ts.Check(dec.Decode(&object))
	if dec.More() {
		ts.Fatalf("more than one object")
	}
	for _, key := range args[1:] {
		if _, ok := object[key]; ok == neg {
			ts.Fatalf("key %q: there is %v", key, ok)
		}
	}
}

// cmdOracle is "oracle FILE FIXTURE.json": a CSV of predictions has onnxruntime's labels, and its scores to 1e-4.
func cmdOracle(ts *testscript.TestScript, neg bool, args []string) {
	var want struct {
		Labels []string
		Scores [][]float64
	}
	data, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	ts.Check(json.Unmarshal(data, &want))
	records, err := csv.NewReader(strings.NewReader(ts.ReadFile(args[0]))).ReadAll()
	ts.Check(err)
	records = records[1:]
	if neg || len(records) != len(want.Scores) {
		ts.Fatalf("%d predictions, want %d", len(records), len(want.Scores))
	}
	for i, record := range records {
		if len(want.Labels) > 0 {
			if record[0] != want.Labels[i] {
				ts.Fatalf("row %d: label %q, want %q", i, record[0], want.Labels[i])
			}
			record = record[1:]
		}
		if len(record) != len(want.Scores[i]) {
			ts.Fatalf("row %d: %d scores, want %d", i, len(record), len(want.Scores[i]))
		}
		for j, cell := range record {
			v, err := strconv.ParseFloat(cell, 64)
			ts.Check(err)
			w := want.Scores[i][j]
			if d := v - w; !(d*d <= 1e-8*max(1, w*w)) {
				ts.Fatalf("row %d: score %g, want %g", i, v, w)
			}
		}
	}
}

// cmdLabels is "labels FILE FIXTURE.json": a CSV of predictions has golearn's labels.
func cmdLabels(ts *testscript.TestScript, neg bool, args []string) {
	var want []string
	data, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	ts.Check(json.Unmarshal(data, &want))
	records, err := csv.NewReader(strings.NewReader(ts.ReadFile(args[0]))).ReadAll()
	ts.Check(err)
	if neg || len(records) != len(want)+1 {
		ts.Fatalf("%d records, want %d", len(records), len(want)+1)
	}
	for i, label := range want {
		if records[i+1][0] != label {
			ts.Fatalf("row %d: label %q, want %q", i, records[i+1][0], label)
		}
	}
}

// cmdFlip is "flip FILE OFFSET": it changes one bit.
func cmdFlip(ts *testscript.TestScript, _ bool, args []string) {
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	data := []byte(ts.ReadFile(args[0]))
	data[at] ^= 8
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
}

// cmdTruncate is "truncate FILE BYTES".
func cmdTruncate(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// cmdWellFormed is "wellformed FILE": it is well-formed XML without scripts or references to other files.
func cmdWellFormed(ts *testscript.TestScript, neg bool, args []string) {
	dec := xml.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	elements := 0
	for {
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		ts.Check(err)
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		elements++
		if name := start.Name.Local; name == "script" || name == "image" || name == "use" {
			ts.Fatalf("there is an element %s", name)
		}
		for _, attr := range start.Attr {
			if attr.Name.Local == "href" || strings.HasPrefix(attr.Name.Local, "on") {
				ts.Fatalf("there is an attribute %s", attr.Name.Local)
			}
		}
	}
	if neg || elements == 0 {
		ts.Fatalf("%d elements", elements)
	}
}
