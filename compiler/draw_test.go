package compiler_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// rect is a rectangle of a picture, read back from its text.
type rect struct{ x, y, w, h float64 }

// svgBoxes reads the boxes of a picture, its size, and where its lines of text start.
func svgBoxes(t *testing.T, data []byte) (boxes []rect, width, height float64, texts []rect) {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(data))
	number := func(s xml.StartElement, name string) float64 {
		for _, a := range s.Attr {
			if a.Name.Local == name {
				v, err := strconv.ParseFloat(a.Value, 64)
				if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("%s=%q: %v", name, a.Value, err)
				}
				return v
			}
		}
		t.Fatalf("element %s has no %s", s.Name.Local, name)
		return 0
	}
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return boxes, width, height, texts
		}
		if err != nil {
			t.Fatal(err)
		}
		s, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch s.Name.Local {
		case "svg":
			width, height = number(s, "width"), number(s, "height")
		case "rect":
			for _, a := range s.Attr {
				if a.Name.Local == "class" && strings.HasPrefix(a.Value, "box ") {
					boxes = append(boxes, rect{number(s, "x"), number(s, "y"), number(s, "width"), number(s, "height")})
				}
			}
		case "text":
			texts = append(texts, rect{x: number(s, "x"), y: number(s, "y")})
		}
	}
}

// randomDAG is a graph of sums of earlier nodes, far and near.
func randomDAG(r *rand.Rand, nodes int) *compiler.Graph {
	g := compiler.NewGraph()
	var all []*compiler.Node
	for i := range 1 + r.IntN(4) {
		all = append(all, g.Input("x"+strconv.Itoa(i)+`<"&>`, nil, []int64{0}, []int64{3}))
	}
	for range nodes {
		a, b := all[r.IntN(len(all))], all[len(all)-1-r.IntN(min(3, len(all)))]
		if lo, hi := a.Range(); hi-lo > 50 {
			all = append(all, g.Lookup(a, compiler.TableOf(lo, hi, func(x int64) int64 { return (x*x + 1) & 3 })))
			continue
		}
		all = append(all, g.Add(g.Multiply(a, g.Scalar(1+r.Int64N(5))), b))
	}
	g.Output(all[len(all)-1])
	g.Output(all[len(all)/2])
	return g
}

// TestLayout: boxes of random graphs do not overlap, hold their text, and lie inside the page.
func TestLayout(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	for round := range 60 {
		g := randomDAG(r, 1+r.IntN(80))
		e, err := compiler.Explain(g, &compiler.Circuit{})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := e.WriteSVG(&b); err != nil {
			t.Fatal(err)
		}
		boxes, width, height, texts := svgBoxes(t, b.Bytes())
		if len(boxes) == 0 || len(texts) < 2*len(boxes) {
			t.Fatalf("round %d: %d boxes, %d lines of text", round, len(boxes), len(texts))
		}
		for i, x := range boxes {
			if x.x < 0 || x.y < 0 || x.x+x.w > width || x.y+x.h > height {
				t.Errorf("round %d: box %v is outside the page of %g x %g", round, x, width, height)
			}
			for _, y := range boxes[:i] {
				if x.x < y.x+y.w && y.x < x.x+x.w && x.y < y.y+y.h && y.y < x.y+x.h {
					t.Errorf("round %d: boxes %v and %v overlap", round, x, y)
				}
			}
		}
		for _, p := range texts {
			inside := 0
			for _, x := range boxes {
				if p.x > x.x && p.y > x.y && p.x < x.x+x.w && p.y < x.y+x.h {
					inside++
				}
			}
			if inside != 1 {
				t.Errorf("round %d: a text at %g, %g is inside %d boxes", round, p.x, p.y, inside)
			}
		}
	}
}

// TestDrawRefuses: a picture of thousands of nodes is refused, and DOT is not.
func TestDrawRefuses(t *testing.T) {
	g := compiler.NewGraph()
	x := g.Input("x", []int{compiler.MaxDrawn}, []int64{0}, []int64{3})
	for i := range compiler.MaxDrawn {
		g.Output(g.GetItem(x, i))
	}
	e, err := compiler.Explain(g, &compiler.Circuit{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.WriteSVG(io.Discard); err == nil || !strings.Contains(err.Error(), "at most 400") {
		t.Errorf("401 nodes: %v", err)
	}
	var b bytes.Buffer
	if err := e.WriteDOT(&b); err != nil || strings.Count(b.String(), " -> ") != compiler.MaxDrawn {
		t.Errorf("DOT has %d edges: %v", strings.Count(b.String(), " -> "), err)
	}
}
