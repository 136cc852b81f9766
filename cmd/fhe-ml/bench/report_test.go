package bench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sample is a report with something in every part, and text from outside that tries to get out of its place.
func sample() *Report {
	nan := Number(math.NaN())
	m := &Model{Name: `m<script>alert(1)</script>|x`, Kind: "linear", Task: "classify", Producer: "skl2onnx", Data: "rows.csv", Rows: 3, Bits: 5,
		Metric: "accuracy", FloatScore: 1, QuantizedScore: 1, EncryptedScore: 1,
		Metrics:            Metrics{{"accuracy", Wilson(3, 3), Wilson(3, 3), Wilson(3, 3)}},
		FloatDisagreements: []Disagreement{{2, "a", "a", "b</td>", 0.5, 0.4}},
		EncryptedMs:        Percentiles{1, 2}, ServerMs: Percentiles{1, 2}, OneCoreMs: nan,
		Parts: []Part{{"client: encrypt", 1}, {"server: select", 3}}, EvaluationKeyBytes: 1, RequestBytes: 16384, ResponseBytes: 999,
		Noise:   Noise{Values: 3, Largest: 0.2, PerRow: []float64{0.1, 0.2, 0.1}, Deviation: 0.05, Expected: 0.3},
		ByBits:  []BitCost{{2, Interval{0.5, 0.4, 0.6}, 1, 100, ""}, {3, none(), 0, 0, "too noisy"}, {4, Interval{0.9, 0.8, 1}, 2, 200, ""}},
		Classes: []string{"a", "b"}, Confusion: [][]int{{1, 1}, {0, 1}}, FloatScores: []float64{0, 1, math.Inf(1)}, DecryptedScores: []float64{0, 0.9, 1}, RowMs: []float64{1, 2, 1}}
	return &Report{Models: []*Model{m}, Machine: Machine{CPU: "a cpu", Cores: 2, Threads: 2, Command: "fhe-ml bench 'a b'"}}
}

func write(t *testing.T, f func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// loads are ways in which a page fetches something.
var loads = regexp.MustCompile(`(?i)https?:|//[a-z]|\bsrc\s*=|\bhref\s*=|url\(|@import|<script|<iframe|<object|<link`)

// TestPageIsSelfContained: nothing is loaded, no text gets out of its place, and every axis of every figure has a label.
func TestPageIsSelfContained(t *testing.T) {
	r := sample()
	page := write(t, r.HTML)
	if m := loads.FindString(page); m != "" {
		t.Errorf("the page has %q", m)
	}
	for _, want := range []string{"prefers-color-scheme: dark", "width=device-width", "@media print", "m&lt;script&gt;", "b&lt;/td&gt;", "score of the float model", "decrypted score",
		"time of a row, encryption to decryption (ms)", "share of rows", "noise (1: read wrongly)", "bits of an input code", "quantized, in the clear", "share of the largest", "too noisy"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(page, "<svg "); n != 5 {
		t.Errorf("%d figures, want 5", n)
	}
	figures, err := r.Models[0].Figures()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range figures {
		dec := xml.NewDecoder(strings.NewReader(f.SVG))
		for {
			if _, err := dec.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("figure %q: %v", f.Title, err)
				break
			}
		}
		if strings.Contains(f.SVG, "#0") || !strings.Contains(f.SVG, "var(--ink)") {
			t.Errorf("figure %q has colours that are not the page's", f.Title)
		}
	}
}

// TestNothingToDraw: a report of one row, without scores, is a page all the same.
func TestNothingToDraw(t *testing.T) {
	r := &Report{Models: []*Model{{Name: "m", Rows: 1, ScoreNote: "no target", RowMs: []float64{3}, FloatScores: []float64{2}, DecryptedScores: []float64{2}, Noise: Noise{PerRow: []float64{0}}}, {Name: "n"}}}
	if page := write(t, r.HTML); !strings.Contains(page, "no target") || !strings.Contains(page, "2 models") {
		t.Error(page)
	}
	write(t, r.Markdown)
}

// TestMarkdown: cells cannot break the table.
func TestMarkdown(t *testing.T) {
	text := write(t, sample().Markdown)
	for _, want := range []string{`# m&lt;script>alert(1)&lt;/script>\|x`, "| accuracy | 1.000 (0.439 to 1.000) |", "| server: select | 3.00 ms | 75% |", "| 2 | a | a | b&lt;/td> |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

// TestPeers: tables come back, those of another processor or damaged ones do not.
func TestPeers(t *testing.T) {
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData"} {
		t.Setenv(name, t.TempDir())
	}
	if got := Peers(); got != nil {
		t.Errorf("tables from nowhere: %v", got)
	}
	for _, text := range []string{"old", "a | b\n"} {
		if err := SavePeer("x", "a title", text); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"peers-a.json": "{", "peers-b.json": `{"title":"t","text":"t","cpu":"abacus"}`} {
		if err := os.WriteFile(filepath.Join(dir, "fhe-ml", name), []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got := Peers()
	if len(got) != 1 || got[0].Title != "a title" || got[0].Text != "a | b\n" || got[0].CPU != CPU() {
		t.Fatalf("tables %v", got)
	}
	r := sample()
	r.Peers = got
	if page := write(t, r.HTML); !strings.Contains(page, "<h2>a title</h2>") || !strings.Contains(page, "<pre>a | b") {
		t.Error("the page lacks the table")
	}
	if text := write(t, r.Markdown); !strings.Contains(text, "## a title\n") {
		t.Error("the text lacks the table")
	}
}
