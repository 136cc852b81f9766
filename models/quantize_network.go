package models

import (
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// Widths of the integers of a quantized network.
const (
	firstEntries    = 2048 // a first layer's table: one rotation of a polynomial of this size
	deepEntries     = 32   // a deeper layer's table: 5 bits
	deepWeightMax   = 7    // magnitude of a middle layer's weights: 4 bits with the sign
	outputWeightMax = 127  // of the last layer's weights, where there are several scores
	scoreSteps      = 1 << 13
	outputLevels    = quantize.MaxLevels // codes of the activations that the last layer reads

	statisticsRows = 2000 // calibration rows that ranges and corrections are taken from
	selectionRows  = 200  // calibration rows that choices are compared on
)

// Thresholds under which `auto` calls a quantized network as good as the float model, on the calibration data.
const (
	autoDisagreement = 0.01 // share of rows whose label differs
	autoDeviation    = 0.02 // of a regressor: RMS difference of a score, in standard deviations of that score
	autoSpread       = 0.03 // what too few bits may add to that, for labels on few rows say little about those to come
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
	layers := foldIdentity(m.Layers)
	if len(layers) == 1 {
		lin := &Linear{Info: m.Info, Weights: layers[0].Weights, Bias: layers[0].Bias}
		return lin.Quantize(opt, calibration)
	}
	columns, err := calibrationColumns(&m.Info, opt, calibration)
	if err != nil {
		return nil, err
	}
	c := newNetCalibration(m, layers, columns)
	shapes := []netShape{{}}
	if len(layers) > 2 {
		shapes = nil
		for _, levels := range []int{8, 16, 32} {
			for drop := 3; drop <= 6; drop++ {
				shapes = append(shapes, netShape{levels: levels, drop: drop})
			}
		}
	}
	b := opt.Bits
	if b == 0 {
		b = 5
	}
	best, err := c.best(b, shapes)
	if err != nil {
		return nil, err
	}
	if opt.Bits == 0 {
		if best, err = c.fewestBits(best.shape); err != nil {
			return nil, err
		}
	}
	q := best.q
	q.Notes = append(q.Notes, c.describe(best, opt.Bits == 0))
	return q, q.Validate()
}

// foldIdentity merges layers without an activation into the next, so that every layer but the last has one.
func foldIdentity(layers []Layer) []Layer {
	out := []Layer{layers[0]}
	for _, l := range layers[1:] {
		prev := &out[len(out)-1]
		if prev.Activation != ActIdentity {
			out = append(out, l)
			continue
		}
		merged := Layer{Weights: make([][]float64, len(l.Weights)), Bias: l.preactivations(prev.Bias), Activation: l.Activation}
		for o, w := range l.Weights {
			row := make([]float64, len(prev.Weights[0]))
			for i, v := range w {
				for f, u := range prev.Weights[i] {
					row[f] += float64(v * u)
				}
			}
			merged.Weights[o] = row
		}
		*prev = merged
	}
	return out
}

// netShape holds what is chosen for the middle layers of a network.
type netShape struct {
	levels int // codes of an activation that a middle layer reads
	drop   int // low bits that a middle layer's pre-activations lose before its table
}

// netCalibration holds a network, folded, and the float values of its calibration rows.
type netCalibration struct {
	m      *Network
	layers []Layer
	x      [][]float64   // [feature][row]
	z      [][][]float64 // pre-activations: [layer][unit][row]; the last layer's are the raw scores
	act    [][][]float64 // activations: [layer][unit][row], of all layers but the last
	spread []float64     // standard deviation of each raw score
	rows   [][]float64   // rows that choices are compared on
	want   []int         // their classes
	raw    [][]float64   // their raw scores
}

func newNetCalibration(m *Network, layers []Layer, columns [][]float64) *netCalibration {
	all := len(columns[0])
	n := min(all, statisticsRows)
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
		c.z[l] = matrix(len(layers[l].Weights), n)
		if l < len(c.act) {
			c.act[l] = matrix(len(layers[l].Weights), n)
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
					v[u] = layers[l].Activation.Apply(v[u])
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
	p, err := NewPredictor(k.q)
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

// netSignal is the state between two layers: what each unit's integer stands for, and its value on the calibration rows.
type netSignal struct {
	node *compiler.Node
	ints [][]int64 // [unit][row]
	min  []float64 // value = min + step*integer
	step []float64
	top  []int64 // integers are 0..top
}

// quantize builds the network with b bits per feature.
func (c *netCalibration) quantize(b int, shape netShape) (*Quantized, error) {
	coders, err := c.coders(b)
	if err != nil {
		return nil, err
	}
	q := newQuantized(&c.m.Info, coders)
	z, grid, base := c.firstLayer(q.Graph, coders, b)
	hidden := len(c.layers) - 1
	for l := range hidden {
		last := l == hidden-1
		if last && c.m.Post.Outputs == 1 {
			c.foldedOutput(q, l, z, grid, base)
			break
		}
		levels := shape.levels
		if last {
			levels = outputLevels
		}
		a, err := c.activations(q.Graph, l, z, grid, base, levels)
		if err != nil {
			return nil, err
		}
		if last {
			c.outputLayer(q, a)
			break
		}
		z, grid, base = c.middleLayer(q.Graph, l+1, a, shape.drop)
	}
	if err := c.correctOffset(q); err != nil {
		return nil, err
	}
	return q, nil
}

// coders returns the coders of the features that vary and have a weight: the others are constants of the first layer.
func (c *netCalibration) coders(b int) ([]quantize.Coder, error) {
	all, err := affineCoders(&c.m.Info, c.x, 1<<b, func(f int) bool {
		for _, w := range c.layers[0].Weights {
			if w[f] != 0 {
				return true
			}
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	var coders []quantize.Coder
	for _, k := range all {
		if k.Levels > 1 {
			coders = append(coders, k)
		}
	}
	if len(coders) == 0 {
		coders = all[:1]
	}
	return coders, nil
}

// firstLayer returns z = matmul(bits(x), C) and, per unit, the grid and base for which the float pre-activation is about
// base + grid*z. The grid makes z take at most firstEntries values whatever the codes are.
func (c *netCalibration) firstLayer(g *compiler.Graph, coders []quantize.Coder, b int) (*netSignal, []float64, []float64) {
	layer := &c.layers[0]
	units, rows := len(layer.Weights), len(c.x[0])
	// in holds the bits of the codes on the calibration rows; those that no code sets stay 0.
	in, top := make([][]int64, len(coders)*b), make([]int64, len(coders)*b)
	for i, k := range coders {
		for t := range b {
			in[i*b+t] = make([]int64, rows)
			top[i*b+t] = min(1, int64(k.Levels-1)>>t)
		}
		for r := range rows {
			code, _ := k.Code(c.x[k.Feature][r])
			for t := range b {
				in[i*b+t][r] = code >> t & 1
			}
		}
	}
	fit := newFit(in, top)
	grid, base := make([]float64, units), make([]float64, units)
	weights := make([]int64, len(in)*units)
	ints := make([][]int64, units)
	exact := make([]float64, len(in))
	for h, w := range layer.Weights {
		var span float64
		for i, k := range coders {
			for t := range b {
				exact[i*b+t] = 0
				if top[i*b+t] > 0 {
					exact[i*b+t] = w[k.Feature] * k.Step * float64(int64(1)<<t)
				}
				span += math.Abs(exact[i*b+t])
			}
		}
		// The base of the fit holds the bias, the coders' minima, constant features and the mean of the roundings.
		col, gh := fit.round(exact, c.z[0][h], span/(firstEntries-1), firstEntries-1, firstEntries)
		ints[h] = fit.product(col)
		grid[h], base[h] = gh, meanError(c.z[0][h], ints[h], gh)
		for j, v := range col {
			weights[j*units+h] = v
		}
	}
	x := g.Inputs()[0]
	z := g.MatMul(g.Reshape(g.Bits(x, b), len(coders)*b), g.Constant(compiler.Array{Shape: []int{len(coders) * b, units}, Data: weights}))
	return &netSignal{node: z, ints: ints}, grid, base
}

// tables returns, for each unit of layer l, the float activation of every value of z: the mean activation of the calibration
// rows with that value where there are some, drawn towards the activation of the middle of the interval that the value stands
// for. Pre-activations are held within what the calibration rows showed, and half as much to either side.
func (c *netCalibration) tables(l int, z *netSignal, grid, base []float64) [][]float64 {
	layer := &c.layers[l]
	// Rows needed to trust their mean as much as the formula. Where values are fine (a first layer's) the two agree, and few
	// rows share a value.
	const prior = 3
	out := make([][]float64, len(layer.Weights))
	for h := range out {
		lo, hi := bounds(c.z[l][h])
		margin := (hi - lo) / 2
		zlo, zhi := z.node.Lo[h], z.node.Hi[h]
		sum, count := make([]float64, zhi-zlo+1), make([]float64, zhi-zlo+1)
		for r, v := range z.ints[h] {
			sum[v-zlo] += c.act[l][h][r]
			count[v-zlo]++
		}
		out[h] = make([]float64, zhi-zlo+1)
		for i := range out[h] {
			v := base[h] + float64(grid[h]*float64(zlo+int64(i)))
			v = layer.Activation.Apply(min(max(v, lo-margin), hi+margin))
			if l > 0 {
				v = (sum[i] + float64(prior*v)) / (count[i] + prior)
			}
			out[h][i] = v
		}
	}
	return out
}

// activations returns a = lookup(z), codes of at most levels values.
func (c *netCalibration) activations(g *compiler.Graph, l int, z *netSignal, grid, base []float64, levels int) (*netSignal, error) {
	units := len(c.layers[l].Weights)
	tables := c.tables(l, z, grid, base)
	a := &netSignal{ints: make([][]int64, units), min: make([]float64, units), step: make([]float64, units), top: make([]int64, units)}
	t := compiler.Table{Lo: make([]int64, units), Values: make([][]int64, units)}
	for h := range units {
		k, err := quantize.Calibrate(h, c.act[l][h], levels)
		if err != nil {
			return nil, fmt.Errorf("models: network: layer %d: unit %d: %w", l, h, err)
		}
		a.min[h], a.step[h], a.top[h] = k.Min, k.Step, int64(k.Levels-1)
		t.Lo[h] = z.node.Lo[h]
		t.Values[h] = make([]int64, len(tables[h]))
		for i, v := range tables[h] {
			t.Values[h][i], _ = k.Code(v)
		}
		a.ints[h] = make([]int64, len(z.ints[h]))
		for r, v := range z.ints[h] {
			a.ints[h][r] = t.Values[h][v-t.Lo[h]]
		}
	}
	a.node = g.Lookup(z.node, t)
	return a, nil
}

// middleLayer returns r = round(matmul(a, W) + constant, drop) of layer l, of at most deepEntries values, and the grid and
// base for which the float pre-activation is about base + grid*r. The weights' scale is such that the worst case fits.
func (c *netCalibration) middleLayer(g *compiler.Graph, l int, a *netSignal, drop int) (*netSignal, []float64, []float64) {
	layer := &c.layers[l]
	units, in := len(layer.Weights), len(a.step)
	// The greatest span that the rounding below takes to 0 .. deepEntries-1.
	span := int64(deepEntries)<<drop - int64(1)<<drop>>1 - 1
	fit := newFit(a.ints, a.top)
	weights := make([]int64, in*units)
	shift := make([]int64, units)
	grid, base := make([]float64, units), make([]float64, units)
	ints := make([][]int64, units)
	exact := make([]float64, in)
	for h, w := range layer.Weights {
		var sum, top float64
		for i := range w {
			exact[i] = w[i] * a.step[i]
			sum += float64(math.Abs(exact[i]) * float64(a.top[i]))
			top = math.Max(top, math.Abs(exact[i]))
		}
		col, gh := fit.round(exact, c.z[l][h], math.Max(sum/float64(span), top/deepWeightMax), span, deepWeightMax)
		for i, v := range col {
			weights[i*units+h] = v
			shift[h] -= min(v, 0) * a.top[i]
		}
		ints[h] = fit.product(col)
		for r := range ints[h] {
			ints[h][r] += shift[h]
		}
		base[h] = meanError(c.z[l][h], ints[h], gh)
		grid[h] = gh * float64(int64(1)<<drop)
		for r, v := range ints[h] {
			ints[h][r] = (v + int64(1)<<drop>>1) >> drop
		}
	}
	z := g.MatMul(a.node, g.Constant(compiler.Array{Shape: []int{in, units}, Data: weights}))
	z = g.Add(z, g.Constant(compiler.Array{Shape: []int{units}, Data: shift}))
	if drop > 0 {
		z = g.Round(z, drop)
	}
	return &netSignal{node: z, ints: ints}, grid, base
}

// foldedOutput writes the one raw score as the sum over the last hidden units of tables round(w*f/scale).
func (c *netCalibration) foldedOutput(q *Quantized, l int, z *netSignal, grid, base []float64) {
	w := c.layers[l+1].Weights[0]
	tables := c.tables(l, z, grid, base)
	var span float64
	for h := range tables {
		lo, hi := bounds(tables[h])
		span += float64(math.Abs(w[h]) * (hi - lo))
	}
	scale := span / scoreSteps
	if !(scale > 0) {
		scale = 1
	}
	t := compiler.Table{Lo: make([]int64, len(tables)), Values: make([][]int64, len(tables))}
	offset := c.layers[l+1].Bias[0]
	for h := range tables {
		lo, hi := bounds(tables[h])
		least := math.Min(w[h]*lo, w[h]*hi)
		offset += least
		t.Lo[h] = z.node.Lo[h]
		t.Values[h] = make([]int64, len(tables[h]))
		for i, v := range tables[h] {
			t.Values[h][i] = int64(math.RoundToEven((float64(w[h]*v) - least) / scale))
		}
	}
	g := q.Graph
	g.Output(g.Reshape(g.SumAll(g.Lookup(z.node, t)), 1))
	q.Post.Scale[0], q.Post.Offset[0] = scale, offset
}

// outputLayer writes several raw scores as integer combinations of the activation codes.
func (c *netCalibration) outputLayer(q *Quantized, a *netSignal) {
	layer := &c.layers[len(c.layers)-1]
	outputs, in := len(layer.Weights), len(a.step)
	weights := make([]int64, in*outputs)
	for o, w := range layer.Weights {
		var top float64
		offset := layer.Bias[o]
		for i := range w {
			top = math.Max(top, math.Abs(w[i]*a.step[i]))
			offset += float64(w[i] * a.min[i])
		}
		scale := top / outputWeightMax
		if !(scale > 0) {
			scale = 1
		}
		for i := range w {
			weights[i*outputs+o] = int64(math.RoundToEven(w[i] * a.step[i] / scale))
		}
		q.Post.Scale[o], q.Post.Offset[o] = scale, offset
	}
	q.Graph.Output(q.Graph.MatMul(a.node, q.Graph.Constant(compiler.Array{Shape: []int{in, outputs}, Data: weights})))
}

// correctOffset makes the raw scores' error zero on average over the calibration rows that choices are compared on.
func (c *netCalibration) correctOffset(q *Quantized) error {
	p, err := NewPredictor(q)
	if err != nil {
		return err
	}
	mean := make([]float64, q.Post.Outputs)
	raw := make([]float64, 0, q.Post.Outputs)
	for r, row := range c.rows {
		ints, err := p.Integers(row)
		if err != nil {
			return err
		}
		for o, v := range q.Post.Raw(raw[:0], ints) {
			mean[o] += c.raw[r][o] - v
		}
	}
	for o := range mean {
		q.Post.Offset[o] += mean[o] / float64(len(c.rows))
	}
	return nil
}

func matrix(rows, columns int) [][]float64 {
	m := make([][]float64, rows)
	for i := range m {
		m[i] = make([]float64, columns)
	}
	return m
}

func bounds(vs []float64) (lo, hi float64) {
	lo, hi = vs[0], vs[0]
	for _, v := range vs {
		lo, hi = math.Min(lo, v), math.Max(hi, v)
	}
	return lo, hi
}

func deviation(vs []float64) float64 {
	var mean, sum float64
	for _, v := range vs {
		mean += v
	}
	mean /= float64(len(vs))
	for _, v := range vs {
		d := v - mean
		sum += float64(d * d)
	}
	return math.Sqrt(sum / float64(len(vs)))
}
