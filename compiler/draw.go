package compiler

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDrawn is up to how many nodes [Explanation.WriteSVG] draws: larger pictures cannot be read.
const MaxDrawn = 400

// Label returns the node in the printed form's numbering, with short constants in place of their numbers: %7 = where %4 5 %6.
func (e *Explanation) Label(n *Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%%%d = %s", n.ID, n.Op)
	if n.Op == OpInput {
		fmt.Fprintf(&b, " %s", strconv.Quote(clip(n.Name, 24)))
	}
	for i, a := range n.Args {
		if i == 6 && len(n.Args) > 7 {
			fmt.Fprintf(&b, " ... (%d in all)", len(n.Args))
			break
		}
		b.WriteString(" ")
		b.WriteString(argument(a))
	}
	if name, ok := attributes[n.Op]; ok && n.Op != OpReshape {
		if len(n.Ints) <= 8 {
			fmt.Fprintf(&b, " %s=%v", name, n.Ints)
		} else {
			fmt.Fprintf(&b, " %s=[%d numbers]", name, len(n.Ints))
		}
	}
	if n.Op == OpConstant {
		fmt.Fprintf(&b, " %s", values(n.Lo))
	}
	return b.String()
}

// argument is a node's number, or the value of a constant.
func argument(a *Node) string {
	if a.Op != OpConstant {
		return fmt.Sprintf("%%%d", a.ID)
	}
	if len(a.Shape) == 0 {
		return strconv.FormatInt(a.Lo[0], 10)
	}
	return values(a.Lo)
}

// values writes the first ones of a list.
func values(v []int64) string {
	const most = 4
	if len(v) <= most {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(fmt.Sprint(v[:most-1]), "]") + " ...]"
}

// clip shortens a text to so many characters.
func clip(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-3]) + "..."
}

// ShapeText writes a shape as people do: scalar, 3, 3x4.
func ShapeText(shape []int) string {
	if len(shape) == 0 {
		return "scalar"
	}
	parts := make([]string, len(shape))
	for i, d := range shape {
		parts[i] = strconv.Itoa(d)
	}
	return strings.Join(parts, "x")
}

// box is a node of a picture.
type box struct {
	node       *Node
	lines      []string
	class      string // input, lookup, rotate, select, test, plain
	result     bool
	x, y, w, h float64
}

// drawn returns the boxes of all nodes that depend on an input, by node ID (nil: known values, which stand in the labels of what uses them).
func (e *Explanation) drawn() ([]*box, int) {
	boxes, count := make([]*box, len(e.Graph.Nodes)), 0
	for _, n := range e.Graph.Nodes {
		output := slices.Contains(e.Graph.Outputs, n)
		if n.Known() && n.Op != OpInput && !output {
			continue
		}
		b := &box{node: n, class: e.class(n), result: output}
		b.lines = append(b.lines, clip(e.Label(n), 44))
		lo, hi := int64(0), int64(0)
		if n.Size() > 0 {
			lo, hi = n.Range()
		}
		f := e.Nodes[n.ID]
		b.lines = append(b.lines, fmt.Sprintf("shape %s, %d..%d, %s", ShapeText(n.Shape), lo, hi, count1(f.Bits, "bit")))
		for _, s := range []string{f.Test, e.cost(f)} {
			if s != "" {
				b.lines = append(b.lines, s)
			}
		}
		if output {
			b.lines = append(b.lines, "result")
		}
		boxes[n.ID] = b
		count++
	}
	return boxes, count
}

// class is how a picture colours a node.
func (e *Explanation) class(n *Node) string {
	f := e.Nodes[n.ID]
	switch {
	case n.Op == OpInput:
		return "input"
	case f.Lookups > 0:
		return "lookup"
	case f.Rotations > 0:
		return "rotate"
	case f.Part >= 0:
		return e.Circuit.Choices[f.Part].Lowering.String()
	}
	return "plain"
}

// cost writes what a node costs.
func (e *Explanation) cost(f NodeFacts) string {
	var s []string
	for _, c := range []struct {
		n   int
		one string
	}{{f.Lookups, "lookup"}, {f.Rotations, "rotation"}, {f.Selects, "select"}} {
		if c.n > 0 {
			s = append(s, count1(c.n, c.one))
		}
	}
	if f.Ms > 0 {
		s = append(s, fmt.Sprintf("%.3g ms", f.Ms))
	}
	if f.Margin > 0 && !math.IsInf(f.Margin, 1) {
		s = append(s, fmt.Sprintf("margin %.3g σ", f.Margin))
	}
	return strings.Join(s, ", ")
}

func count1(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// WriteDOT writes the optimised graph for Graphviz: dot -Tsvg. Constants stand in the labels of what uses them.
func (e *Explanation) WriteDOT(w io.Writer) error {
	boxes, _ := e.drawn()
	b := bufio.NewWriter(w)
	b.WriteString("digraph circuit {\n  node [shape=box, style=filled, fontname=\"monospace\", fontsize=11];\n")
	fill := map[string]string{"input": "#cfe8ff", "lookup": "#ffd3c2", "rotate": "#ffe9b0", "select": "#d5efcf", "affine": "#e6defa", "plain": "#f2f2f2"}
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for _, x := range boxes {
		if x == nil {
			continue
		}
		lines := make([]string, len(x.lines))
		for i, line := range x.lines {
			lines[i] = quote.Replace(line)
		}
		pen := ""
		if x.result {
			pen = ", penwidth=2"
		}
		fmt.Fprintf(b, "  n%d [label=\"%s\", fillcolor=\"%s\"%s];\n", x.node.ID, strings.Join(lines, `\n`), fill[x.class], pen)
		for _, from := range sources(boxes, x) {
			fmt.Fprintf(b, "  n%d -> n%d;\n", from.node.ID, x.node.ID)
		}
	}
	b.WriteString("}\n")
	return b.Flush()
}

// sources are the distinct boxes that x takes.
func sources(boxes []*box, x *box) []*box {
	var out []*box
	for _, a := range x.node.Args {
		if from := boxes[a.ID]; from != nil && !slices.Contains(out, from) {
			out = append(out, from)
		}
	}
	return out
}

// WriteSVG draws the optimised graph, inputs at the top, as a picture that stands alone and follows the reader's light or dark theme. It refuses more than
// MaxDrawn nodes.
func (e *Explanation) WriteSVG(w io.Writer) error {
	boxes, count := e.drawn()
	if count > MaxDrawn {
		return fmt.Errorf("compiler: a picture of %d nodes could not be read; at most %d are drawn", count, MaxDrawn)
	}
	wires, width, height := layout(boxes)
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" aria-label="circuit of %d nodes">`+"\n", width, height, width, height, count)
	b.WriteString(svgStyle)
	fmt.Fprintf(b, `<rect class="page" width="%.0f" height="%.0f"/>`+"\n", width, height)
	for _, wire := range wires {
		fmt.Fprintf(b, `<path class="wire" d="%s"/>`+"\n", wire)
	}
	for _, x := range boxes {
		if x == nil {
			continue
		}
		class := "box " + x.class
		if x.result {
			class += " result"
		}
		fmt.Fprintf(b, `<g><rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="5"/>`, class, x.x, x.y, x.w, x.h)
		for i, line := range x.lines {
			weight := "fact"
			if i == 0 {
				weight = "name"
			}
			fmt.Fprintf(b, `<text class="%s" x="%.1f" y="%.1f">`, weight, x.x+boxPad, x.y+boxPad+lineHeight*float64(i)+fontSize-2)
			xml.EscapeText(b, []byte(line)) // a bufio.Writer keeps its error for Flush
			b.WriteString("</text>")
		}
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.Flush()
}

// Measures of a picture, in pixels. charWidth is that of a character of a monospace font of fontSize, rounded up.
const (
	fontSize   = 12.0
	charWidth  = 7.5
	lineHeight = 16.0
	boxPad     = 8.0
	columnGap  = 26.0
	rowGap     = 46.0
	wireWidth  = 4.0 // room for a wire that passes a layer
	pageMargin = 20.0
)

const svgStyle = `<style>
svg { color-scheme: light dark; }
text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1b1f24; }
.name { font-weight: 600; }
.page { fill: #ffffff; }
.wire { fill: none; stroke: #8a94a0; stroke-width: 1.2; }
.box { stroke: #8a94a0; fill: #f4f5f7; }
.result { stroke: #1b1f24; stroke-width: 2.5; }
.input { fill: #d9ebff; } .lookup { fill: #ffdccf; } .rotate { fill: #ffefc4; } .select { fill: #ddf3d8; } .affine { fill: #ebe4fb; }
@media (prefers-color-scheme: dark) {
text { fill: #e6e9ec; }
.page { fill: #14171a; }
.wire { stroke: #77818c; }
.box { stroke: #77818c; fill: #262b30; }
.result { stroke: #e6e9ec; }
.input { fill: #16385c; } .lookup { fill: #66301c; } .rotate { fill: #55430f; } .select { fill: #1f4a2a; } .affine { fill: #3b2f63; }
}
</style>
`
