package models

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"sort"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// Trees with hidden thresholds. Rank codes tell the client every threshold of the model. Here all columns, used or not, are coded on grids that follow from the
// calibration rows alone, a client sends the binary digits of all codes, and the server compares: x <= t is a decision diagram over the digits of x, of at most
// 7 selects where rank codes take one. Thresholds move to a place between two codes, which is what hiding costs in accuracy.

// treeGrid is where the thresholds of a tree ensemble are on the grids of its features.
type treeGrid struct {
	coders []quantize.Coder // one of each feature
	sorted [][]float64      // the calibration values of each feature, as the trees read them, without missing ones
	digits [][]*compiler.Node
}

// quantizeGrid is Quantize with hidden thresholds.
func (m *TreeEnsemble) quantizeGrid(opt Options, calibration [][]float64) (*Quantized, error) {
	if opt.Bits < 0 || opt.Bits > 7 {
		return nil, fmt.Errorf("models: %d bits per feature, want 1..7 (or 0 for 7)", opt.Bits)
	}
	if len(calibration) == 0 {
		return nil, fmt.Errorf("models: to hide its thresholds, this model needs calibration data: pass rows like those it will see with --calibration")
	}
	b, err := newTreeBuilder(m)
	if err != nil {
		return nil, err
	}
	width := opt.Bits
	if width == 0 {
		width = 7
	}
	grid, err := m.newGrid(calibration, width)
	if err != nil {
		return nil, err
	}
	b.grid = grid
	q := newQuantized(&m.Info, grid.coders)
	q.Pre.ScalerOffset, q.Pre.ScalerScale = m.ScalerOffset, m.ScalerScale
	b.unit = m.leafUnit(b.orders)
	all := q.Graph.Bits(q.Graph.Inputs()[0], max(q.Bits, 1))
	grid.digits = make([][]*compiler.Node, len(grid.coders))
	for f := range grid.digits {
		row := q.Graph.GetItem(all, f)
		for d := range bits.Len(uint(grid.coders[f].Levels - 1)) {
			grid.digits[f] = append(grid.digits[f], q.Graph.GetItem(row, d))
		}
	}
	b.build(q)
	if err := q.Validate(); err != nil {
		return nil, err
	}
	note, err := gridNote(m, q, calibration)
	q.Notes = append(q.Notes, note)
	return q, err
}

// newGrid makes the grids, of at most 2^width codes.
func (m *TreeEnsemble) newGrid(calibration [][]float64, width int) (*treeGrid, error) {
	g := &treeGrid{sorted: make([][]float64, len(m.Features))}
	levels := 1 << width
	if m.Missing {
		levels-- // one code is for missing values
	}
	for f, name := range m.Features {
		var vs []float64
		for r, row := range calibration {
			if len(row) != len(m.Features) {
				return nil, fmt.Errorf("models: calibration row %d has %d values, the model has %d features", r+1, len(row), len(m.Features))
			}
			x := m.value(row, f)
			if math.IsNaN(x) && m.Missing {
				continue
			}
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return nil, fmt.Errorf("models: calibration: %w", &quantize.ColumnError{Feature: f, Column: name, Row: r + 1, Err: errNotFinite})
			}
			vs = append(vs, x)
		}
		sort.Float64s(vs)
		g.sorted[f] = vs
		if len(vs) == 0 {
			vs = []float64{0}
		}
		c, err := gridCoder(f, vs, levels, m.Missing)
		if err != nil {
			var column *quantize.ColumnError
			if errors.As(err, &column) {
				column.Column = name
			}
			return nil, fmt.Errorf("models: calibration: %w", err)
		}
		g.coders = append(g.coders, c)
	}
	return g, nil
}

// gridCoder returns the coder of a feature. Only rank coders have a code for missing values; theirs are then the bounds between the codes of the grid.
func gridCoder(f int, values []float64, levels int, missing bool) (quantize.Coder, error) {
	if levels < 2 {
		return quantize.Coder{Feature: f, Kind: quantize.Rank, Levels: 2, Missing: true}, nil // of 1 bit: missing or not
	}
	c, err := quantize.Calibrate(f, values, levels, 0)
	if err != nil || !missing {
		return c, err
	}
	var bounds []float64
	for i := range c.Levels - 1 {
		bounds = append(bounds, c.Value(int64(i))+c.Step/2)
	}
	if cs := quantize.RankCoders(f, bounds, true); len(cs) == 1 {
		return cs[0], nil
	}
	return quantize.Coder{Feature: f, Kind: quantize.Rank, Levels: 2, Missing: true}, nil // a constant
}

// place returns the largest code that stands for x <= t, -1 where none does. A code is as good a bound as it splits the calibration rows as t does.
func (g *treeGrid) place(f int, t float64) int64 {
	c := &g.coders[f]
	top := int64(c.Levels - 1)
	if c.Missing {
		top--
	}
	vs := g.sorted[f]
	below := sort.Search(len(vs), func(i int) bool { return vs[i] > t })
	code, _ := c.Code(t)
	best, least := int64(-2), 0
	for _, k := range []int64{code, code - 1, code + 1} {
		if k = min(max(k, -1), top); k == best {
			continue
		}
		n := sort.Search(len(vs), func(i int) bool { v, _ := c.Code(vs[i]); return v > k })
		if d := max(n-below, below-n); best < -1 || d < least {
			best, least = k, d
		}
	}
	return best
}

// branch returns the node of a split.
func (g *treeGrid) branch(b *treeBuilder, q *Quantized, n *TreeNode, yes, no *compiler.Node) *compiler.Node {
	c := &g.coders[n.Feature]
	last := g.place(n.Feature, b.m.threshold(n))
	missing := int64(-1)
	if c.Missing {
		missing = int64(c.Levels - 1)
	}
	is := func(code int64) bool { return code <= last && code != missing || code == missing && n.MissingTrue }
	// The codes from first on, of so many digits: codes that do not exist are like any that do.
	var diagram func(first int64, digits int) *compiler.Node
	diagram = func(first int64, digits int) *compiler.Node {
		if first >= int64(c.Levels) {
			return nil
		}
		if digits == 0 {
			if is(first) {
				return yes
			}
			return no
		}
		lo, hi := diagram(first, digits-1), diagram(first+1<<(digits-1), digits-1)
		if hi == nil || lo == hi {
			return lo
		}
		return q.Graph.Where(g.digits[n.Feature][digits-1], hi, lo)
	}
	return diagram(0, len(g.digits[n.Feature]))
}

// gridNote says what the grid costs on the calibration rows.
func gridNote(m *TreeEnsemble, q *Quantized, rows [][]float64) (string, error) {
	differ, sum := 0, 0.0
	lo, hi := math.Inf(1), math.Inf(-1)
	p, err := newFeaturePredictor(q)
	if err != nil {
		return "", err
	}
	raw := make([]float64, 0, m.Post.Outputs)
	for r, row := range rows {
		want := m.Post.Float(m.Raw(raw, row))
		got, err := p.Predict(row)
		if err != nil {
			return "", fmt.Errorf("models: calibration row %d: %w", r+1, err)
		}
		if got.Class != want.Class {
			differ++
		}
		for i, y := range want.Scores {
			sum += math.Abs(got.Scores[i] - y)
			lo, hi = min(lo, y), max(hi, y)
		}
	}
	what := fmt.Sprintf("%.1f %% of the labels differ from the float model's", 100*float64(differ)/float64(len(rows)))
	if m.Post.Task == quantize.Regress {
		what = "predictions are those of the float model"
		if hi > lo {
			what = fmt.Sprintf("predictions differ from the float model's by %.2g %% of their range on average", 100*sum/float64(len(rows)*m.Post.Outputs)/(hi-lo))
		}
	}
	return fmt.Sprintf("thresholds are hidden: all columns are coded with %d bits on grids over the range of the calibration rows, and on these %d rows %s", q.Bits, len(rows), what), nil
}
