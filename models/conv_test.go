package models

import (
	"math"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/quantize"
	"pgregory.net/rapid"
)

// drawConv draws a convolution; features is the number of inputs of the layer.
func drawConv(t *rapid.T, channels int, size [2]int) (c *Conv, units int) {
	c = &Conv{Channels: channels, Size: size, Groups: rapid.SampledFrom([]int{1, channels}).Draw(t, "groups")}
	c.Outputs = c.Groups * rapid.IntRange(1, 2).Draw(t, "outputs")
	for a := range 2 {
		c.KernelSize[a] = rapid.IntRange(1, 3).Draw(t, "kernel")
		c.Stride[a] = rapid.IntRange(1, 2).Draw(t, "stride")
		c.Dilation[a] = rapid.IntRange(1, 2).Draw(t, "dilation")
		c.Before[a] = rapid.IntRange(0, 2).Draw(t, "before")
		c.After[a] = rapid.IntRange(0, 2).Draw(t, "after")
	}
	n := c.Outputs * c.Channels / c.Groups * c.KernelSize[0] * c.KernelSize[1]
	c.Kernel = rapid.SliceOfN(rapid.Float64Range(-2, 2), n, n).Draw(t, "weights")
	p := c.positions()
	return c, c.Outputs * p[0] * p[1]
}

// TestConvDefinition compares with loops over an array that is padded explicitly.
func TestConvDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, units := drawConv(t, rapid.IntRange(1, 3).Draw(t, "channels"), [2]int{rapid.IntRange(1, 5).Draw(t, "h"), rapid.IntRange(1, 5).Draw(t, "w")})
		n := c.Channels * c.Size[0] * c.Size[1]
		if units == 0 {
			if c.validate(n, 1, true) == nil {
				t.Fatal("a kernel that does not fit is accepted")
			}
			return
		}
		perm := rapid.Permutation(sequence(n)).Draw(t, "order")
		for _, i := range perm {
			c.Input = append(c.Input, int32(i))
		}
		if err := c.validate(n, units, true); err != nil {
			t.Fatal(err)
		}
		in := rapid.SliceOfN(rapid.Float64Range(-3, 3), n, n).Draw(t, "in")
		bias := rapid.SliceOfN(rapid.Float64Range(-3, 3), units, units).Draw(t, "bias")
		l := &Layer{Conv: c, Bias: bias}
		got := l.preactivations(in)
		dense := (&Layer{Weights: l.dense(n), Bias: bias}).preactivations(in)
		at := func(ch, y, x int) float64 {
			if y < 0 || y >= c.Size[0] || x < 0 || x >= c.Size[1] {
				return 0
			}
			return in[perm[(ch*c.Size[0]+y)*c.Size[1]+x]]
		}
		p, per := c.positions(), c.Channels/c.Groups
		u := 0
		for o := range c.Outputs {
			for y := range p[0] {
				for x := range p[1] {
					want := bias[u]
					for ch := range per {
						for i := range c.KernelSize[0] {
							for j := range c.KernelSize[1] {
								want += c.Kernel[((o*per+ch)*c.KernelSize[0]+i)*c.KernelSize[1]+j] *
									at(o/(c.Outputs/c.Groups)*per+ch, y*c.Stride[0]+i*c.Dilation[0]-c.Before[0], x*c.Stride[1]+j*c.Dilation[1]-c.Before[1])
							}
						}
					}
					if math.Abs(got[u]-want) > 1e-9 || math.Abs(dense[u]-want) > 1e-9 {
						t.Fatalf("unit %d: %g, dense %g, want %g", u, got[u], dense[u], want)
					}
					u++
				}
			}
		}
	})
}

func sequence(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// TestConvQuantizeRandom: quantized convolutional networks have the tables that the compiler has lowerings for, and scores near the float model's.
func TestConvQuantizeRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, units := drawConv(t, rapid.IntRange(1, 2).Draw(t, "channels"), [2]int{rapid.IntRange(1, 4).Draw(t, "h"), rapid.IntRange(2, 4).Draw(t, "w")})
		if units == 0 {
			return
		}
		n, outputs := c.Channels*c.Size[0]*c.Size[1], rapid.IntRange(1, 3).Draw(t, "scores")
		m := &Network{Info: classifier(n, outputs)}
		m.Post.Task, m.Post.Classes = quantize.Regress, nil
		weight := rapid.Float64Range(-1, 1)
		leaky := Call(FnMaximum, X(), Call(FnMultiply, Number(0.1), X()))
		m.Layers = []Layer{{Conv: c, Bias: rapid.SliceOfN(weight, units, units).Draw(t, "bias"), Activation: ActFunction, Functions: []Function{leaky}}}
		in := units
		deep := rapid.Bool().Draw(t, "deep")
		if p := c.positions(); deep {
			d, more := drawConv(t, c.Outputs, p)
			if more == 0 {
				return
			}
			m.Layers = append(m.Layers, Layer{Conv: d, Bias: make([]float64, more), Activation: ActReLU})
			in = more
		}
		last := Layer{Bias: make([]float64, outputs)}
		for range outputs {
			last.Weights = append(last.Weights, rapid.SliceOfN(weight, in, in).Draw(t, "weights"))
		}
		m.Layers = append(m.Layers, last)
		rows := make([][]float64, rapid.IntRange(2, 12).Draw(t, "rows"))
		for r := range rows {
			rows[r] = rapid.SliceOfN(rapid.Float64Range(0, 1), n, n).Draw(t, "row")
		}
		q, err := m.Quantize(Options{Bits: rapid.IntRange(0, 7).Draw(t, "bits")}, rows)
		if err != nil {
			t.Fatal(err)
		}
		if q.Bits > 7 {
			t.Fatalf("%d bits", q.Bits)
		}
		for _, node := range q.Graph.Nodes {
			if node.Op != compiler.OpLookup {
				continue
			}
			most := int64(firstEntries)
			if node.Args[0].Op == compiler.OpRound {
				most = deepEntriesMost
			}
			for i, lo := range node.Args[0].Lo {
				if node.Args[0].Hi[i]-lo >= most {
					t.Fatalf("a table of %d entries", node.Args[0].Hi[i]-lo+1)
				}
			}
		}
		checkFar(t, q, n)
		if deep || q.Bits < 5 {
			return
		}
		// A code misses its value by half a step (of a range within 0..1 with its margins), a rounded weight its part of the grid.
		for o := range outputs {
			bound := 0.05
			for u, w := range last.Weights[o] {
				var sum float64
				c.Each(u, func(k, e int) { sum += math.Abs(c.Kernel[c.output(u)*c.taps()+k]) })
				bound += 0.15 * math.Abs(w) * (sum + 0.1)
			}
			checkNear(t, m, q, rows, o, bound)
		}
	})
}

func TestConvRefusals(t *testing.T) {
	conv := func(change func(l *Layer)) *Network {
		m := &Network{Info: classifier(9, 1), Layers: []Layer{
			{Conv: &Conv{Channels: 1, Size: [2]int{3, 3}, Outputs: 1, KernelSize: [2]int{2, 2}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: 1, Kernel: make([]float64, 4)},
				Bias: make([]float64, 4), Activation: ActReLU},
			{Weights: [][]float64{{1, 1, 1, 1}}, Bias: []float64{0}},
		}}
		if err := m.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&m.Layers[0])
		return m
	}
	for want, change := range map[string]func(l *Layer){
		"is not one":        func(l *Layer) { l.Conv.Stride[1] = 0 },
		"weights beside":    func(l *Layer) { l.Weights = [][]float64{{1}} },
		"results for 4":     func(l *Layer) { l.Conv.Before[0] = 1 },
		"2 kernels":         func(l *Layer) { l.Conv.Groups, l.Conv.Outputs = 2, 2 },
		"kernel":            func(l *Layer) { l.Conv.Kernel[0] = math.NaN() },
		"3 numbers, want 4": func(l *Layer) { l.Conv.Kernel = l.Conv.Kernel[:3] },
		"numbers after 9":   func(l *Layer) { l.Conv.Channels, l.Conv.Kernel = 2, make([]float64, 8) },
		"or twice":          func(l *Layer) { l.Conv.Input = make([]int32, 9) },
		"reads 2 inputs":    func(l *Layer) { l.Conv.Input = make([]int32, 2) },
		"0 units, want 1..": func(l *Layer) { l.Bias = nil },
		"functions":         func(l *Layer) { l.Activation = ActFunction },
		"unknown operation": func(l *Layer) { l.Activation, l.Functions = ActFunction, []Function{{{Op: "f"}}} },
		"1x2x0 results":     func(l *Layer) { l.Conv.KernelSize = [2]int{2, 4}; l.Conv.Kernel = make([]float64, 8) },
	} {
		if err := conv(change).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	// An activation that is undefined near the calibration data has no table.
	m := conv(func(l *Layer) { l.Activation, l.Functions = ActFunction, []Function{Call(FnLog, X())} })
	m.Layers[0].Conv.Kernel[0] = 1
	row := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}
	if _, err := m.Quantize(Options{}, [][]float64{row, make([]float64, 9)}); err == nil || !strings.Contains(err.Error(), "clip its argument") {
		t.Errorf("error %v", err)
	}
}

// TestConvConstantElement: an element of the array that never varies has no code beside its value, though its channel has.
func TestConvConstantElement(t *testing.T) {
	m := &Network{Info: classifier(9, 1), Layers: []Layer{
		{Conv: &Conv{Channels: 1, Size: [2]int{3, 3}, Outputs: 1, KernelSize: [2]int{2, 2}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: 1, Kernel: []float64{1, -1, 2, 1}},
			Bias: make([]float64, 4), Activation: ActReLU},
		{Weights: [][]float64{{1, 1, 1, 1}}, Bias: []float64{0}},
	}}
	var rows [][]float64
	for r := range 20 {
		row := make([]float64, 9)
		for f := range row {
			row[f] = float64((r*7+f*5)%11) / 2
		}
		row[4] = 2
		rows = append(rows, row)
	}
	q, err := m.Quantize(Options{}, rows)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range q.Pre.Coders {
		if one := c.Levels == 1; one != (c.Feature == 4) || one && c.Min != 2 {
			t.Errorf("element %d has %d codes from %g", c.Feature, c.Levels, c.Min)
		}
	}
}
