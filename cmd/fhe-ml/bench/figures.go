package bench

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Colours of figures stand for those of the page, which differ between light and dark: see [svg]. Black does not do: the SVG writer leaves it out.
var (
	ink    = color.NRGBA{1, 2, 3, 255}
	faint  = color.NRGBA{4, 5, 6, 255}
	first  = color.NRGBA{7, 8, 9, 255}
	second = color.NRGBA{10, 11, 12, 255}
)

// pageColors are the variables of the page's style.
var pageColors = strings.NewReplacer("#010203", "var(--ink)", "#040506", "var(--faint)", "#070809", "var(--first)", "#0A0B0C", "var(--second)")

// The size of a figure, which the page scales to its width: text stays readable on a phone.
const (
	figureWidth  = 340
	figureHeight = 230
)

// Figure is a drawing with its caption.
type Figure struct {
	Title   string
	Caption string
	SVG     string
}

// newPlot is an empty plot with labelled axes in the page's colours.
func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.Transparent
	for _, a := range []struct {
		axis  *plot.Axis
		label string
	}{{&p.X, x}, {&p.Y, y}} {
		a.axis.Label.Text = a.label
		a.axis.Tick.Marker = ticks{}
		a.axis.Color, a.axis.Tick.Color, a.axis.Tick.Label.Color, a.axis.Label.TextStyle.Color = ink, ink, ink, ink
		for _, f := range []*vg.Length{&a.axis.Label.TextStyle.Font.Size, &a.axis.Tick.Label.Font.Size} {
			*f = 10
		}
		a.axis.Label.TextStyle.Font.Variant, a.axis.Tick.Label.Font.Variant = "Sans", "Sans"
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = faint, faint
	p.Add(grid)
	return p
}

// ticks are the default ones with short labels.
type ticks struct{}

// Ticks returns the marks of an axis.
func (ticks) Ticks(lo, hi float64) []plot.Tick {
	marks := plot.DefaultTicks{}.Ticks(lo, hi)
	for i := range marks {
		if marks[i].Label != "" {
			marks[i].Label = strconv.FormatFloat(marks[i].Value, 'g', 4, 64)
		}
	}
	return marks
}

var (
	svgStart = regexp.MustCompile(`(?s)^.*?<svg[^>]*>`)
	svgFont  = regexp.MustCompile(`font-family:[^;"]*;font-variant:[^;"]*;font-weight:[^;"]*;font-style:[^;"]*;?`)
)

// svg draws a plot for a page: with the page's colours and font, in the width that there is.
func svg(p *plot.Plot, title string) (string, error) {
	canvas := vgsvg.New(figureWidth, figureHeight)
	p.Draw(draw.Crop(draw.New(canvas), 2, -14, 2, -8)) // the last label of an axis reaches beyond it
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", fmt.Errorf("bench: figure %q: %w", title, err)
	}
	start := fmt.Sprintf(`<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, figureWidth, figureHeight, title)
	text := svgStart.ReplaceAllLiteralString(b.String(), start)
	return pageColors.Replace(svgFont.ReplaceAllLiteralString(text, "")), nil
}

// points makes pairs; those with a part that is not finite are left out.
func points(x, y []float64) plotter.XYs {
	var out plotter.XYs
	for i := range x {
		if s := x[i] + y[i]; !math.IsNaN(s) && !math.IsInf(s, 0) {
			out = append(out, plotter.XY{X: x[i], Y: y[i]})
		}
	}
	return out
}

// line adds a line in a colour, dashed or not.
func line(p *plot.Plot, xys plotter.XYs, c color.Color, dashed bool) *plotter.Line {
	l := &plotter.Line{XYs: xys, LineStyle: draw.LineStyle{Color: c, Width: 1.5}}
	if dashed {
		l.Width, l.Dashes = 1, []vg.Length{4, 3}
	}
	p.Add(l)
	return l
}

// scatter adds dots.
func scatter(p *plot.Plot, xys plotter.XYs, c color.Color, radius vg.Length) *plotter.Scatter {
	s := &plotter.Scatter{XYs: xys, GlyphStyle: draw.GlyphStyle{Color: c, Radius: radius, Shape: draw.CircleGlyph{}}}
	p.Add(s)
	return s
}

// mostDots bounds the dots of a figure, and so the size of a page.
const mostDots = 2000

// thin leaves about every k-th value so that at most mostDots are left.
func thin(x []float64) []float64 {
	k := (len(x) + mostDots - 1) / mostDots
	if k <= 1 {
		return x
	}
	var out []float64
	for i := 0; i < len(x); i += k {
		out = append(out, x[i])
	}
	return out
}

// Figures draws what there is of a model: scores, time, noise and, where bits are a choice, accuracy and cost by bits.
func (m *Model) Figures() ([]Figure, error) {
	var out []Figure
	for _, f := range []func() (*plot.Plot, Figure){m.scoreFigure, m.timeFigure, m.noiseFigure, m.accuracyFigure, m.costFigure} {
		p, figure := f()
		if p == nil {
			continue
		}
		var err error
		if figure.SVG, err = svg(p, figure.Title); err != nil {
			return nil, err
		}
		out = append(out, figure)
	}
	return out, nil
}

// scoreFigure compares the scores of the float model with decrypted ones.
func (m *Model) scoreFigure() (*plot.Plot, Figure) {
	xys := points(thin(m.FloatScores), thin(m.DecryptedScores))
	if len(xys) == 0 {
		return nil, Figure{}
	}
	p := newPlot("score of the float model", "decrypted score")
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range xys {
		lo, hi = min(lo, v.X, v.Y), max(hi, v.X, v.Y)
	}
	line(p, plotter.XYs{{X: lo, Y: lo}, {X: hi, Y: hi}}, ink, true)
	scatter(p, xys, first, 1.8)
	return p, Figure{Title: "Scores", Caption: "Each dot is a score of a row. On the dashed line both agree; the distance from it is what quantization changes. Encryption changes nothing: decrypted scores equal the quantized ones."}
}

// timeFigure is the distribution of the time of a row.
func (m *Model) timeFigure() (*plot.Plot, Figure) {
	if len(m.RowMs) == 0 {
		return nil, Figure{}
	}
	sorted := slices.Sorted(slices.Values(m.RowMs))
	p := newPlot("time of a row, encryption to decryption (ms)", "share of rows")
	steps := plotter.XYs{{X: sorted[0], Y: 0}}
	for i, v := range sorted {
		steps = append(steps, plotter.XY{X: v, Y: float64(i) / float64(len(sorted))}, plotter.XY{X: v, Y: float64(i+1) / float64(len(sorted))})
	}
	line(p, steps, first, false)
	p50, p95 := Quantile(sorted, 0.5), Quantile(sorted, 0.95)
	for _, v := range []float64{p50, p95} {
		line(p, plotter.XYs{{X: v, Y: 0}, {X: v, Y: 1}}, ink, true)
	}
	p.Y.Min, p.Y.Max = 0, 1
	return p, Figure{Title: "Time of a row", Caption: fmt.Sprintf("Half of the rows take at most %s, 95%% at most %s (dashed).", Milliseconds(p50), Milliseconds(p95))}
}

// noiseFigure shows how far decrypted values are from failure.
func (m *Model) noiseFigure() (*plot.Plot, Figure) {
	if len(m.Noise.PerRow) == 0 {
		return nil, Figure{}
	}
	p := newPlot("row", "noise (1: read wrongly)")
	var x []float64
	for i := range m.Noise.PerRow {
		x = append(x, float64(i+1))
	}
	n := float64(len(x))
	scatter(p, points(thin(x), thin(m.Noise.PerRow)), first, 1.8)
	line(p, plotter.XYs{{X: 1, Y: 1}, {X: n, Y: 1}}, ink, true)
	if m.Noise.Expected > 0 {
		line(p, plotter.XYs{{X: 1, Y: m.Noise.Expected}, {X: n, Y: m.Noise.Expected}}, second, true)
	}
	p.X.Min, p.X.Max = 0, n+1
	p.Y.Min, p.Y.Max = 0, max(1.05, m.Noise.Largest)
	return p, Figure{Title: "Noise", Caption: fmt.Sprintf("How far the farthest value of each row lay from its exact place; at 1 (upper line) it would be read wrongly. The prediction says below %.3g for all %s together, in 19 of 20 runs (lower line); the largest was %.3g.",
		m.Noise.Expected, plural(m.Noise.Values, "value"), m.Noise.Largest)}
}

// byBits collects a column of the table by bits.
func (m *Model) byBits(value func(b *BitCost) float64) plotter.XYs {
	var x, y []float64
	for i := range m.ByBits {
		b := &m.ByBits[i]
		x, y = append(x, float64(b.Bits)), append(y, value(b))
	}
	return points(x, y)
}

// bitTicks are whole bits.
var bitTicks = plot.ConstantTicks{{Value: 2, Label: "2"}, {Value: 3, Label: "3"}, {Value: 4, Label: "4"}, {Value: 5, Label: "5"}, {Value: 6, Label: "6"}, {Value: 7, Label: "7"}}

// accuracyFigure shows the quantized score by bits, with the float one.
func (m *Model) accuracyFigure() (*plot.Plot, Figure) {
	xys := m.byBits(func(b *BitCost) float64 { return b.Score.Value })
	if len(xys) == 0 {
		return nil, Figure{}
	}
	p := newPlot("bits of an input code", m.Metric+" (quantized, in the clear)")
	line(p, xys, first, false)
	scatter(p, xys, first, 3)
	for i := range m.ByBits {
		if b := m.ByBits[i]; !math.IsNaN(b.Score.Low + b.Score.High) {
			line(p, plotter.XYs{{X: float64(b.Bits), Y: b.Score.Low}, {X: float64(b.Bits), Y: b.Score.High}}, first, false).Width = 0.8
		}
	}
	if f := float64(m.FloatScore); !math.IsNaN(f) {
		line(p, plotter.XYs{{X: 2, Y: f}, {X: 7, Y: f}}, ink, true)
	}
	p.X.Tick.Marker = bitTicks
	p.X.Min, p.X.Max = 1.8, 7.2
	return p, Figure{Title: "Accuracy by bits", Caption: "The dashed line is the float model; bars are 95% confidence intervals. " + m.BitsNote}
}

// costFigure shows predicted time and request by bits, each relative to its largest, so that both fit one axis.
func (m *Model) costFigure() (*plot.Plot, Figure) {
	ms := m.byBits(func(b *BitCost) float64 { return b.EstimatedMs })
	bytes := m.byBits(func(b *BitCost) float64 { return float64(b.RequestBytes) })
	most := func(xys plotter.XYs) (most float64) {
		for _, v := range xys {
			most = max(most, v.Y)
		}
		return most
	}
	mostMs, mostBytes := most(ms), most(bytes)
	if mostMs == 0 || mostBytes == 0 {
		return nil, Figure{}
	}
	for i := range ms {
		ms[i].Y /= mostMs
		bytes[i].Y /= mostBytes
	}
	p := newPlot("bits of an input code", "share of the largest")
	scatter(p, ms, first, 3)
	line(p, ms, first, false)
	scatter(p, bytes, second, 3)
	line(p, bytes, second, true)
	p.X.Tick.Marker = bitTicks
	p.X.Min, p.X.Max = 1.8, 7.2
	p.Y.Min, p.Y.Max = 0, 1.05
	return p, Figure{Title: "Cost by bits", Caption: fmt.Sprintf("Line: predicted server time of a row on one core, at most %s. Dashed: the size of its request, at most %s.", Milliseconds(mostMs), Size(int64(mostBytes)))}
}
