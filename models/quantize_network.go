package models

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/fhe-ml/fhe-ml/quantize"
)

// Calibration rows that are looked at, evenly spread where there are more.
const (
	statisticsRows    = 2000    // for ranges and corrections
	selectionRows     = 200     // to compare choices on
	statisticsNumbers = 1 << 22 // values of one layer on the statisticsRows: fewer rows where a layer has many units
)

// Thresholds under which `auto` calls a quantized network as good as the float model, on the calibration data.
const (
	autoDisagreement = 0.01 // share of rows whose label differs
	autoDeviation    = 0.02 // of a regressor: RMS difference of a score, in standard deviations of that score
	autoSpread       = 0.02 // what too few bits may add to that, for labels on few rows say little about those to come
)

// Quantize returns m over affine codes of opt.Bits bits per feature, by default the fewest (from 3) whose predictions of
// calibration rows agree with the float model's. It needs calibration rows: they also give the ranges of activations.
//
// The first layer's pre-activations have up to 2048 values, each looked up in a table per unit. With one raw score the
// output's weights are in the last tables, whose sum is the score. Otherwise the tables give codes of up to 7 bits and the
// scores are integer combinations of them. Middle layers have 4-bit weights and tables of 32 entries.
func (m *Network) Quantize(opt Options, calibration [][]float64) (*Quantized, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	layers := foldIdentity(m.Layers, len(m.Features))
	if len(layers) == 1 {
		lin := &Linear{Info: m.Info, Weights: layers[0].Weights, Bias: layers[0].Bias}
		return lin.Quantize(opt, calibration)
	}
	columns, err := calibrationColumns(&m.Info, opt, calibration)
	if err != nil {
		return nil, err
	}
	c := newNetCalibration(m, layers, columns)
	c.rounding = opt.Rounding
	if err := c.checkActivations(); err != nil {
		return nil, err
	}
	shapes := []netShape{{}}
	if len(layers) > 2 {
		shapes = middleShapes(deepEntries)
	}
	b := opt.Bits
	if b == 0 {
		b = 5
	}
	best, err := c.best(b, shapes)
	if err != nil {
		return nil, err
	}
	// The worst case of many inputs spans far more than real pre-activations do: where 5 bits over it are too coarse, finer tables.
	for e := 2 * deepEntries; len(layers) > 2 && e <= deepEntriesMost && best.loss > c.allowed(); e *= 2 {
		finer, err := c.best(b, middleShapes(e))
		if err != nil {
			return nil, err
		}
		if finer.loss < best.loss {
			best = finer
		}
	}
	if opt.Bits == 0 {
		if best, err = c.fewestBits(best.shape); err != nil {
			return nil, err
		}
	}
	q := best.q
	q.Notes = append(q.Notes, c.describe(best, opt.Bits == 0))
	if names := c.constantColumns(); len(names) > 0 {
		q.Notes = append(q.Notes, fmt.Sprintf("%d columns are constant in the calibration data and taken as constants: %s", len(names), listed(names)))
	}
	return q, q.Validate()
}

// foldIdentity merges layers without an activation into the next, so that every layer but the last has one.
func foldIdentity(layers []Layer, in int) []Layer {
	out := []Layer{layers[0]}
	before := in // inputs of the last layer of out
	for _, l := range layers[1:] {
		prev := &out[len(out)-1]
		if prev.Activation != ActIdentity {
			before = prev.Units()
			out = append(out, l)
			continue
		}
		merged := Layer{Weights: make([][]float64, l.Units()), Bias: l.preactivations(prev.Bias), Activation: l.Activation, Functions: l.Functions}
		inner := prev.dense(before)
		for o, w := range l.dense(prev.Units()) {
			row := make([]float64, before)
			for i, v := range w {
				for f, u := range inner[i] {
					row[f] += float64(v * u)
				}
			}
			merged.Weights[o] = row
		}
		*prev = merged
	}
	return out
}

// dense returns the weights of a layer that reads in inputs.
func (l *Layer) dense(in int) [][]float64 {
	if l.Conv != nil {
		return l.Conv.weights(l.Units(), in)
	}
	return l.Weights
}

// netShape holds what is chosen for the middle layers of a network.
type netShape struct {
	entries int // values of a middle layer's pre-activations that its table has
	levels  int // codes of an activation that a middle layer reads
	drop    int // low bits that a middle layer's pre-activations lose before its table
}

// middleShapes are the choices with tables of so many entries: the finer the tables, the fewer bits may be dropped.
func middleShapes(entries int) []netShape {
	var shapes []netShape
	for _, levels := range []int{8, 16, 32} {
		for drop := 3 - bits.Len(uint(entries/deepEntries)) + 1; drop <= 6; drop++ {
			shapes = append(shapes, netShape{entries: entries, levels: levels, drop: drop})
		}
	}
	return shapes
}

// netCalibration holds a network, folded, and the float values of its calibration rows.
type netCalibration struct {
	m        *Network
	rounding Rounding
	layers   []Layer
	x        [][]float64   // [feature][row]
	z        [][][]float64 // pre-activations: [layer][unit][row]; the last layer's are the raw scores
	act      [][][]float64 // activations: [layer][unit][row], of all layers but the last
	spread   []float64     // standard deviation of each raw score
	rows     [][]float64   // rows that choices are compared on
	want     []int         // their classes
	raw      [][]float64   // their raw scores
}

func newNetCalibration(m *Network, layers []Layer, columns [][]float64) *netCalibration {
	all := len(columns[0])
	n := min(all, statisticsRows)
	units := 0
	for i := range layers {
		units = max(units, layers[i].Units())
	}
	n = min(n, max(selectionRows, statisticsNumbers/max(units, len(columns))))
	c := &netCalibration{m: m, layers: layers, x: make([][]float64, len(columns))}
	for f := range columns {
		c.x[f] = make([]float64, n)
		for r := range n {
			c.x[f][r] = columns[f][r*all/n]
		}
	}
	c.z = make([][][]float64, len(layers))
	c.act = make([][][]float64, len(layers)-1)
	for l := range layers {
		c.z[l] = matrix(layers[l].Units(), n)
		if l < len(c.act) {
			c.act[l] = matrix(layers[l].Units(), n)
		}
	}
	in := make([]float64, len(columns))
	for r := range n {
		for f := range in {
			in[f] = c.x[f][r]
		}
		v := in
		for l := range layers {
			v = layers[l].preactivations(v)
			for u := range v {
				c.z[l][u][r] = v[u]
				if l < len(c.act) {
					v[u] = layers[l].activate(u, v[u])
					c.act[l][u][r] = v[u]
				}
			}
		}
	}
	scores := c.z[len(layers)-1]
	for _, s := range scores {
		c.spread = append(c.spread, deviation(s))
	}
	k := min(n, selectionRows)
	for i := range k {
		r := i * n / k
		row, raw := make([]float64, len(columns)), make([]float64, len(scores))
		for f := range row {
			row[f] = c.x[f][r]
		}
		for o := range raw {
			raw[o] = scores[o][r]
		}
		c.rows = append(c.rows, row)
		c.raw = append(c.raw, raw)
		c.want = append(c.want, m.Post.Float(raw).Class)
	}
	return c
}

// netCandidate is one quantization of the network and what it loses on the calibration rows: the share of labels that differ,
// or the RMS difference of scores in standard deviations.
type netCandidate struct {
	q         *Quantized
	bits      int
	shape     netShape
	loss      float64
	deviation float64
}

// checkActivations reports an activation that is no finite number somewhere near the pre-activations of the calibration rows: a table has an entry
// for all of these.
func (c *netCalibration) checkActivations() error {
	for l := range c.act {
		for h, zs := range c.z[l] {
			lo, hi := bounds(zs)
			margin := (hi - lo) / 2
			for i := range 65 {
				v := (lo - margin) + float64(i)/64*(hi-lo+2*margin)
				if y := c.layers[l].activate(h, v); math.IsNaN(y) || math.IsInf(y, 0) {
					return fmt.Errorf("models: network: layer %d: the activation of unit %d is not a finite number at %g, which is near what calibration rows give: clip its argument in the model", l+1, h, v)
				}
			}
		}
	}
	return nil
}

func (c *netCalibration) allowed() float64 {
	if c.m.Post.Task == quantize.Classify {
		return autoDisagreement
	}
	return autoDeviation
}

// best returns the quantization with b bits per feature and the shape that loses least: the least deviation of scores among
// those whose loss is within the allowed of the least, for a label more or less on a few rows is chance.
func (c *netCalibration) best(b int, shapes []netShape) (*netCandidate, error) {
	var all []*netCandidate
	least := math.Inf(1)
	for _, s := range shapes {
		q, err := c.quantize(b, s)
		if err != nil {
			return nil, err
		}
		got := &netCandidate{q: q, bits: b, shape: s}
		if err := c.measure(got); err != nil {
			return nil, err
		}
		all = append(all, got)
		least = math.Min(least, got.loss)
	}
	var best *netCandidate
	for _, k := range all {
		if k.loss <= least+c.allowed() && (best == nil || k.deviation < best.deviation) {
			best = k
		}
	}
	return best, nil
}

// fewestBits returns the quantization with the fewest bits per feature, from 3 to 7, that loses no more than allowed and
// whose scores deviate little more than those of the best of all. If none loses so little, it is the one with the fewest bits
// that is about as close as the best.
func (c *netCalibration) fewestBits(shape netShape) (*netCandidate, error) {
	var all []*netCandidate
	deviation, loss := math.Inf(1), math.Inf(1)
	for b := 3; b <= 7; b++ {
		k, err := c.best(b, []netShape{shape})
		if err != nil {
			return nil, err
		}
		all = append(all, k)
		deviation, loss = math.Min(deviation, k.deviation), math.Min(loss, k.loss)
	}
	// Bits are cheap where features are few.
	spread := math.Min(autoSpread, 0.001*float64(len(c.x)))
	for _, k := range all {
		if k.loss <= math.Max(c.allowed(), 1.1*loss) && float64(k.deviation*k.deviation) <= float64(deviation*deviation)+float64(spread*spread) {
			return k, nil
		}
	}
	return all[len(all)-1], nil
}

func (c *netCalibration) measure(k *netCandidate) error {
	p, err := newFeaturePredictor(k.q)
	if err != nil {
		return err
	}
	wrong, sum := 0, 0.0
	raw := make([]float64, 0, k.q.Post.Outputs)
	for r, row := range c.rows {
		ints, err := p.Integers(row)
		if err != nil {
			return err
		}
		raw = k.q.Post.Raw(raw[:0], ints)
		if k.q.Post.Float(raw).Class != c.want[r] {
			wrong++
		}
		for o, v := range raw {
			if c.spread[o] > 0 {
				d := (v - c.raw[r][o]) / c.spread[o]
				sum += float64(d * d)
			}
		}
	}
	n := float64(len(c.rows))
	k.deviation = math.Sqrt(sum / (n * float64(len(c.spread))))
	k.loss = k.deviation
	if c.m.Post.Task == quantize.Classify {
		k.loss = float64(wrong) / n
	}
	return nil
}

// constantColumns names the columns that have no code because the calibration rows agree on them.
func (c *netCalibration) constantColumns() []string {
	var names []string
	for f, vs := range c.x {
		if lo, hi := bounds(vs); lo == hi {
			names = append(names, strconv.Quote(c.m.Features[f]))
		}
	}
	return names
}

// listed joins names, all of them where they are few.
func listed(names []string) string {
	const few = 12
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:few], ", ") + fmt.Sprintf(" and %d more", len(names)-few)
}

// describe returns the note that says which bits were chosen and what they lose.
func (c *netCalibration) describe(k *netCandidate, auto bool) string {
	how := "as asked"
	if auto {
		how = "the fewest that agree with the float model"
		if k.loss > c.allowed() {
			how = "none of 3 to 7 agrees as closely as asked for with the float model; this is about the closest"
		}
	}
	if c.m.Post.Task == quantize.Classify {
		return fmt.Sprintf("features are coded with %d bits (%s): on %d calibration rows %.1f %% of the labels differ from the float model's", k.bits, how, len(c.rows), 100*k.loss)
	}
	return fmt.Sprintf("features are coded with %d bits (%s): on %d calibration rows predictions differ from the float model's by %.1f %% of their standard deviation (RMS)", k.bits, how, len(c.rows), 100*k.loss)
}
