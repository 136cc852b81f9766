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
	deepEntriesMost = 128  // and at most 7 where these are too coarse
	deepWeightMax   = 7    // magnitude of a middle layer's weights: 4 bits with the sign
	outputWeightMax = 127  // of the last layer's weights, where there are several scores
	scoreSteps      = 1 << 13
	outputLevels    = quantize.MaxLevels // codes of the activations that the last layer reads
)

// networkMargin widens the range of features and activations beyond the calibration data, at either end. Units saturate or stop
// at zero, so outliers matter less than in a linear model.
const networkMargin = 0.1

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
		z, grid, base = c.middleLayer(q.Graph, l+1, a, shape)
	}
	if err := c.correctOffset(q); err != nil {
		return nil, err
	}
	return q, nil
}

// coders returns the coders of the features that vary and have a weight: the others are constants of the first layer.
func (c *netCalibration) coders(b int) ([]quantize.Coder, error) {
	if conv := c.layers[0].Conv; conv != nil {
		return c.convCoders(conv, b)
	}
	all, err := affineCoders(&c.m.Info, c.x, 1<<b, networkMargin, func(f int) bool {
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
	if layer.Conv != nil {
		return c.firstConv(g, layer.Conv, coders, b)
	}
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
	out := make([][]float64, layer.Units())
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
			v = layer.activate(h, min(max(v, lo-margin), hi+margin))
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
	units := c.layers[l].Units()
	// A convolution's kernel multiplies all elements of a channel: they have one coder.
	share := 1
	if next := c.layers[l+1].Conv; next != nil {
		share = next.Size[0] * next.Size[1]
	}
	tables := c.tables(l, z, grid, base)
	a := &netSignal{ints: make([][]int64, units), min: make([]float64, units), step: make([]float64, units), top: make([]int64, units)}
	t := compiler.Table{Lo: make([]int64, units), Values: make([][]int64, units)}
	var k quantize.Coder
	for h := range units {
		if h%share == 0 {
			var err error
			if k, err = quantize.Calibrate(h, sample(c.act[l][h:h+share]), levels, networkMargin); err != nil {
				return nil, fmt.Errorf("models: network: layer %d: unit %d: %w", l, h, err)
			}
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

// middleLayer returns r = round(matmul(a, W) + constant, drop) of layer l, of at most shape.entries values, and the grid and
// base for which the float pre-activation is about base + grid*r. The weights' scale is such that the worst case fits.
func (c *netCalibration) middleLayer(g *compiler.Graph, l int, a *netSignal, shape netShape) (*netSignal, []float64, []float64) {
	layer := &c.layers[l]
	// The greatest span that the rounding below takes to 0 .. entries-1.
	drop := shape.drop
	span := int64(shape.entries)<<drop - int64(1)<<drop>>1 - 1
	if c.rounding == RoundApproximate { // either neighbour of the largest value must be in the table
		span = int64(shape.entries-1) << drop
	}
	if layer.Conv != nil {
		return c.middleConv(g, l, a, drop, span)
	}
	units, in := len(layer.Weights), len(a.step)
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
	p, err := newFeaturePredictor(q)
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
