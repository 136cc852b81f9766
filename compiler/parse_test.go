package compiler

import (
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPrintParse: printing and parsing gives the same text and the same function.
func TestPrintParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGraph(t)
		text := g.String()
		p, err := Parse(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if again := p.String(); again != text {
			t.Fatalf("printed\n%sparsed and printed\n%s", text, again)
		}
		if err := p.Verify(); err != nil {
			t.Fatal(err)
		}
		checkSame(t, g, p)
	})
}

// checkSame compares two graphs with the same inputs on random inputs.
func checkSame(t *rapid.T, g, h *Graph) {
	a, err := NewInterpreter(g)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewInterpreter(h)
	if err != nil {
		t.Fatalf("%v\n%s", err, h)
	}
	for range 5 {
		inputs := drawInputs(t, g)
		x, err := a.Run(inputs)
		if err != nil {
			t.Fatal(err)
		}
		y, err := b.Run(inputs)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(x, y, slices.Equal[[]int64]) {
			t.Fatalf("%v and %v for %v\n%s\n%s", x, y, inputs, g, h)
		}
	}
}

// TestParseForm reads a text with comments and free spacing, and prints it in the documented form.
func TestParseForm(t *testing.T) {
	const text = `
# a comparison
%0 = input "x # y" shape=[2]   lo=[0] hi=[127 5]
%1=constant shape=[2] data=[3 -1] # weights
  %2 = matmul %0 %1

%3 = lookup %2 table=[-5:0 0 0 0 0 0 0` + "\n"
	long := strings.TrimSpace(text) + strings.Repeat(" 1", 385) + "]\noutput %3 %2\n"
	g, err := Parse(strings.NewReader(long))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(g.String(), "\n")
	want := []string{
		`%0 = input "x # y" shape=[2] lo=[0] hi=[127 5]`,
		`%1 = constant shape=[2] data=[3 -1]`,
		`%2 = matmul %0 %1 # [] -5..381`,
		`%3 = lookup %2 table=[-5: 0 0 0 0 0 0 0` + strings.Repeat(" 1", 385) + `] # [] 0..1`,
		`output %3 %2`, ``,
	}
	if !slices.Equal(lines, want) {
		t.Errorf("%s", strings.Join(lines, "\n"))
	}
}

// TestParseErrors: the error names the line.
func TestParseErrors(t *testing.T) {
	const x = "%0 = input \"x\" shape=[2] lo=[0] hi=[7]\n"
	for text, line := range map[string]string{
		"":  "without an output",
		x:   "without an output",
		"x": "line 1", "%0 = input": "line 1", "%1 = constant shape=[] data=[1]": "line 1",
		"%0 = constant shape=[4611686018427387904 4] data=[1]":  "line 1",
		"%0 = constant shape=[65536 65536] data=[1]":            "line 1",
		"%0 = constant shape=[8192 8192] data=[1]\noutput %0\n": "too large",
		"%0 = constant shape=[] data=[99999999999999999999]":    "line 1",
		"%0 = constant shape=[] data=[-9223372036854775808]":    "line 1",
		x + "%1 = negative %1\n":                                "line 2",
		x + "%1 = negative %-1\n":                               "line 2",
		x + "%1 = power %0\n":                                   "line 2",
		x + "%1 = negative %0 %0\n":                             "line 2",
		x + "%1 = negative %0 x\n":                              "line 2",
		x + "%1 = sum %0 axis=[1]\n":                            "line 2",
		x + "%1 = sum %0\n":                                     "line 2",
		x + "%1 = bits %0 n=[63]\n":                             "line 2",
		x + "%1 = round %0 d=[0]\n":                             "line 2",
		x + "%1 = round %0 d=[-9]\n":                            "line 2",
		x + "%1 = concatenate axis=[0]\n":                       "line 2",
		x + "%1 = lookup %0 table=\n":                           "line 2",
		x + "%1 = lookup %0 table=[0:]\n":                       "line 2",
		x + "%1 = lookup %0 table=[0: 1\n":                      "line 2",
		x + "%1 = input \"x\" shape=[] lo=[0] hi=[1]\n":         "second input",
		x + "%1 = input \"y\" shape=[3] lo=[0 1] hi=[1]\n":      "line 2",
		x + "output %0\n%1 = negative %0\n":                     "line 3",
		x + "output\n":                                          "line 2",
		x + "%1 = conv %0 %0 window=[1 1 0 0 1]\n":              "line 2",
		x + "%1 = reshape %0 shape=[1 2]\n%2 = reshape %0 shape=[1 1 2]\n%3 = conv %1 %2 window=[1 9223372036854775807 0 0 1]\n":           "line 4",
		x + "%1 = reshape %0 shape=[1 2]\n%2 = constant shape=[64 1 1] data=[1]\n%3 = conv %1 %2 window=[1 1 67108864 67108864 1]\n":       "line 4",
		"%0 = constant shape=[1 3000] data=[1]\n%1 = constant shape=[1000 1 1000] data=[1]\n%2 = conv %0 %1 window=[1 1 9 9 1]\noutput %2": "too large",
		x + "%1 = matmul %0 %0\n": "line 2",
		x + "%1 = constant shape=[4096 4096] data=[1]\n%2 = matmul %1 %1\noutput %2": "too large",
	} {
		_, err := Parse(strings.NewReader(text))
		if err == nil || !strings.HasPrefix(err.Error(), "compiler: ") || !strings.Contains(err.Error(), line) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzParse: no panic, bounded allocation; what parses is valid, and prints and parses to itself.
func FuzzParse(f *testing.F) {
	if text, err := os.ReadFile("testdata/graph/every.txt"); err == nil {
		f.Add(string(text))
	} else {
		f.Fatal(err)
	}
	f.Add("%0 = input \"x\" shape=[2] lo=[0] hi=[3 7]\n%1 = lookup %0 table=[0: 1 2 3 4][-1: 1 2 3 4 5 6 7 8 9]\noutput %1 %1\n")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := parse(strings.NewReader(text), 1<<16)
		if err != nil {
			return
		}
		if err := g.Verify(); err != nil {
			t.Fatalf("%v\n%s", err, g)
		}
		printed := g.String()
		h, err := parse(strings.NewReader(printed), 1<<16)
		if err != nil {
			t.Fatalf("%v\n%s", err, printed)
		}
		if again := h.String(); again != printed {
			t.Fatalf("%s\n%s", printed, again)
		}
		if _, err := g.Optimize(); err != nil {
			t.Fatalf("%v\n%s", err, g)
		}
	})
}
