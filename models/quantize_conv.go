package models

import (
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// The integer kernel of a convolution is fitted on this many of its positions, each with this many rows, spread over all.
const (
	convPositions = 12
	convRows      = 150
)

// convCoders returns a coder for each element of the array that the first layer convolves, in its order. Elements of a channel share their
// range, for they share weights; an element that is constant in the calibration data stays a constant.
func (c *netCalibration) convCoders(conv *Conv, b int) ([]quantize.Coder, error) {
	elements := conv.Size[0] * conv.Size[1]
	coders := make([]quantize.Coder, 0, conv.Channels*elements)
	for ch := range conv.Channels {
		columns := make([][]float64, elements)
		for e := range columns {
			columns[e] = c.x[conv.input(ch*elements+e)]
		}
		all, err := quantize.Calibrate(0, sample(columns), 1<<b, networkMargin)
		if err != nil {
			return nil, fmt.Errorf("models: channel %d of the input: %w", ch, err)
		}
		for e, vs := range columns {
			k := all
			if lo, hi := bounds(vs); lo == hi {
				k = quantize.Coder{Levels: 1, Min: lo}
			}
			k.Feature = conv.input(ch*elements + e)
			coders = append(coders, k)
		}
	}
	return coders, nil
}

// sample joins the values of all columns, or of evenly spread rows where that would be more than Calibrate needs.
func sample(columns [][]float64) []float64 {
	if len(columns) == 1 {
		return columns[0]
	}
	const enough = 1 << 16
	rows := len(columns[0])
	n := min(rows, max(1, enough/len(columns)))
	out := make([]float64, 0, n*len(columns))
	for _, c := range columns {
		for i := range n {
			out = append(out, c[i*rows/n])
		}
	}
	return out
}

// convFit fits the integer kernels of one layer: in holds the integers of its array's elements, planes of them per element (the bits of a code,
// or the code itself), [element*planes+plane][row].
type convFit struct {
	conv   *Conv
	planes int
	in     [][]int64
	top    []int64 // integers are 0..top
	units  int
}

// kernel returns the integers of output o's kernel, [tap][plane], and their grid: at least span/most steps, for real weights exact ([tap][plane]) and
// pre-activations z ([unit][row]).
func (f *convFit) kernel(o int, exact []float64, z [][]float64, grid float64, most, limit int64) ([]int64, float64) {
	per := f.units / f.conv.Outputs
	positions := min(per, convPositions)
	rows := len(z[0])
	n := min(rows, convRows)
	in, top := make([][]int64, len(exact)), make([]int64, len(exact))
	for j := range in {
		in[j] = make([]int64, positions*n)
	}
	for p := range per { // a tap may be absent at the border, or meet a constant
		f.conv.Each(o*per+p, func(k, e int) {
			for t := range f.planes {
				top[k*f.planes+t] = max(top[k*f.planes+t], f.top[e*f.planes+t])
			}
		})
	}
	target := make([]float64, positions*n)
	for i := range positions {
		unit := o*per + i*per/positions
		for s := range n {
			target[i*n+s] = z[unit][s*rows/n]
		}
		f.conv.Each(unit, func(k, e int) {
			for t := range f.planes {
				for s := range n {
					in[k*f.planes+t][i*n+s] = f.in[e*f.planes+t][s*rows/n]
				}
			}
		})
	}
	for j := range exact {
		if top[j] == 0 {
			exact[j] = 0
		}
	}
	return newFitRuns(in, top, positions*n, positions).round(exact, target, grid, most, limit)
}

// product returns a unit's integers on all rows.
func (f *convFit) product(unit int, col []int64) []int64 {
	out := make([]int64, len(f.in[0]))
	f.conv.Each(unit, func(k, e int) {
		for t := range f.planes {
			w := col[k*f.planes+t]
			if w == 0 {
				continue
			}
			for r, v := range f.in[e*f.planes+t] {
				out[r] += w * v
			}
		}
	})
	return out
}

// window returns the geometry for Graph.Conv.
func (c *Conv) window() compiler.Window {
	return compiler.Window{Strides: c.Stride[:], Before: c.Before[:], After: c.After[:], Dilations: c.Dilation[:], Groups: c.Groups}
}

// firstConv is firstLayer for a convolution: bits of the codes as channels, integer kernels that are shared over the positions.
func (c *netCalibration) firstConv(g *compiler.Graph, conv *Conv, coders []quantize.Coder, b int) (*netSignal, []float64, []float64) {
	rows := len(c.x[0])
	f := &convFit{conv: conv, planes: b, units: c.layers[0].Units(), in: make([][]int64, len(coders)*b), top: make([]int64, len(coders)*b)}
	elements := conv.Size[0] * conv.Size[1]
	step := make([]float64, conv.Channels)
	for i, k := range coders {
		for t := range b {
			f.in[i*b+t] = make([]int64, rows)
			f.top[i*b+t] = min(1, int64(k.Levels-1)>>t)
		}
		if k.Levels > 1 {
			step[i/elements] = k.Step
		}
		for r := range rows {
			code, _ := k.Code(c.x[k.Feature][r])
			for t := range b {
				f.in[i*b+t][r] = code >> t & 1
			}
		}
	}
	taps, place := conv.taps(), conv.KernelSize[0]*conv.KernelSize[1]
	channels := conv.Channels / conv.Groups
	z := &netSignal{ints: make([][]int64, f.units)}
	grid, base := make([]float64, f.units), make([]float64, f.units)
	weights := make([]int64, conv.Outputs*taps*b) // [output][channel][plane][place]
	exact := make([]float64, taps*b)
	per := f.units / conv.Outputs
	for o := range conv.Outputs {
		var span float64
		for k := range taps {
			ch := o*conv.Groups/conv.Outputs*channels + k/place
			for t := range b {
				exact[k*b+t] = conv.Kernel[o*taps+k] * step[ch] * float64(int64(1)<<t)
				span += math.Abs(exact[k*b+t])
			}
		}
		col, gh := f.kernel(o, exact, c.z[0], span/(firstEntries-1), firstEntries-1, firstEntries)
		for k := range taps {
			for t := range b {
				weights[((o*channels+k/place)*b+t)*place+k%place] = col[k*b+t]
			}
		}
		for u := o * per; u < (o+1)*per; u++ {
			z.ints[u] = f.product(u, col)
			grid[u], base[u] = gh, meanError(c.z[0][u], z.ints[u], gh)
		}
	}
	x := g.Transpose(g.Reshape(g.Bits(g.Inputs()[0], b), conv.Channels, conv.Size[0], conv.Size[1], b), 0, 3, 1, 2)
	x = g.Reshape(x, conv.Channels*b, conv.Size[0], conv.Size[1])
	kernel := g.Constant(compiler.Array{Shape: []int{conv.Outputs, channels * b, conv.KernelSize[0], conv.KernelSize[1]}, Data: weights})
	z.node = g.Reshape(g.Conv(x, kernel, conv.window()), f.units)
	return z, grid, base
}

// middleConv is middleLayer for a convolution.
func (c *netCalibration) middleConv(g *compiler.Graph, l int, a *netSignal, drop int, most int64) (*netSignal, []float64, []float64) {
	conv, layer := c.layers[l].Conv, &c.layers[l]
	f := &convFit{conv: conv, planes: 1, units: layer.Units(), in: a.ints, top: a.top}
	taps, place, elements := conv.taps(), conv.KernelSize[0]*conv.KernelSize[1], conv.Size[0]*conv.Size[1]
	weights := make([]int64, 0, len(conv.Kernel))
	shift := make([]int64, f.units)
	z := &netSignal{ints: make([][]int64, f.units)}
	grid, base := make([]float64, f.units), make([]float64, f.units)
	exact := make([]float64, taps)
	per := f.units / conv.Outputs
	for o := range conv.Outputs {
		var sum, top float64
		for k := range taps {
			ch := o*conv.Groups/conv.Outputs*(conv.Channels/conv.Groups) + k/place
			units := slices.Max(a.top[ch*elements : (ch+1)*elements])
			exact[k] = conv.Kernel[o*taps+k] * a.step[ch*elements]
			sum += float64(math.Abs(exact[k]) * float64(units))
			top = math.Max(top, math.Abs(exact[k]))
		}
		col, gh := f.kernel(o, exact, c.z[l], math.Max(sum/float64(most), top/deepWeightMax), most, deepWeightMax)
		weights = append(weights, col...)
		for u := o * per; u < (o+1)*per; u++ {
			conv.Each(u, func(k, e int) { shift[u] -= min(col[k], 0) * a.top[e] })
			ints := f.product(u, col)
			for r := range ints {
				ints[r] += shift[u]
			}
			base[u] = meanError(c.z[l][u], ints, gh)
			grid[u] = gh * float64(int64(1)<<drop)
			for r, v := range ints {
				ints[r] = (v + int64(1)<<drop>>1) >> drop
			}
			z.ints[u] = ints
		}
	}
	kernel := g.Constant(compiler.Array{Shape: []int{conv.Outputs, conv.Channels / conv.Groups, conv.KernelSize[0], conv.KernelSize[1]}, Data: weights})
	x := g.Reshape(a.node, conv.Channels, conv.Size[0], conv.Size[1])
	n := g.Add(g.Reshape(g.Conv(x, kernel, conv.window()), f.units), g.Constant(compiler.Array{Shape: []int{f.units}, Data: shift}))
	if drop > 0 {
		n = g.Round(n, drop)
	}
	z.node = n
	return z, grid, base
}
