package models

import "fmt"

// Conv is the structure of a convolutional layer, whose units are the elements of its result in row-major order [Outputs, height, width].
// Inputs form an array [Channels, Size[0], Size[1]], 0 outside of it. A one-dimensional convolution has Size[0] = KernelSize[0] = 1.
type Conv struct {
	Channels   int       `cbor:"1,keyasint"`
	Size       [2]int    `cbor:"2,keyasint"`
	Outputs    int       `cbor:"3,keyasint"`
	KernelSize [2]int    `cbor:"4,keyasint"`
	Stride     [2]int    `cbor:"5,keyasint"`
	Dilation   [2]int    `cbor:"6,keyasint"`
	Before     [2]int    `cbor:"7,keyasint"` // zeros before the first row and column
	After      [2]int    `cbor:"8,keyasint"` // and after the last ones
	Groups     int       `cbor:"9,keyasint"`
	Kernel     []float64 `cbor:"10,keyasint"` // [Outputs][Channels/Groups][KernelSize[0]][KernelSize[1]]
	// Input holds for each element of the array the layer's input that it is; nil: in order. Only a first layer has it, for features whose
	// order in a row is another one, such as [height, width, channels].
	Input []int32 `cbor:"11,keyasint,omitempty"`
}

// maxTaps bounds the weights of one output's kernel.
const maxTaps = 1 << 24

// validate checks a layer of units units that reads in inputs.
func (c *Conv) validate(in, units int, first bool) error {
	positive := func(vs ...int) bool {
		for _, v := range vs {
			if v < 1 || v > MaxFeatures {
				return false
			}
		}
		return true
	}
	ok := positive(c.Channels, c.Size[0], c.Size[1], c.Outputs, c.KernelSize[0], c.KernelSize[1], c.Stride[0], c.Stride[1],
		c.Dilation[0], c.Dilation[1], c.Groups, c.Before[0]+1, c.Before[1]+1, c.After[0]+1, c.After[1]+1)
	// Products of three numbers of at most 17 bits.
	if !ok || c.Channels%c.Groups != 0 || c.Outputs%c.Groups != 0 {
		return fmt.Errorf("models: network: a convolution of a %dx%dx%d array by %d kernels %dx%d in %d groups is not one",
			c.Channels, c.Size[0], c.Size[1], c.Outputs, c.KernelSize[0], c.KernelSize[1], c.Groups)
	}
	elements := c.Channels * c.Size[0] * c.Size[1]
	if elements > MaxFeatures || elements > in || !first && elements != in {
		return fmt.Errorf("models: network: a convolution of %d numbers after %d", elements, in)
	}
	p := c.positions()
	if p[0] < 1 || p[1] < 1 || p[0] > MaxUnits || p[1] > MaxUnits || p[0]*p[1]*c.Outputs != units {
		return fmt.Errorf("models: network: a convolution with %dx%dx%d results for %d units", c.Outputs, p[0], p[1], units)
	}
	taps := c.Channels / c.Groups * c.KernelSize[0] * c.KernelSize[1]
	if taps > maxTaps {
		return fmt.Errorf("models: network: a kernel of %d weights, at most %d", taps, maxTaps)
	}
	if err := checkVector("network: kernel", c.Kernel, c.Outputs*taps); err != nil {
		return err
	}
	if c.Input == nil {
		if elements != in {
			return fmt.Errorf("models: network: a convolution of %d numbers after %d", elements, in)
		}
		return nil
	}
	if !first || len(c.Input) != elements {
		return fmt.Errorf("models: network: a convolution reads %d inputs for %d elements", len(c.Input), elements)
	}
	seen := make([]bool, in)
	for _, i := range c.Input {
		if i < 0 || int(i) >= in || seen[i] {
			return fmt.Errorf("models: network: a convolution reads input %d of %d, or twice", i, in)
		}
		seen[i] = true
	}
	return nil
}

// positions returns the height and width of a result; not positive where the kernel does not fit.
func (c *Conv) positions() [2]int {
	var p [2]int
	for a := range p {
		if room := c.Size[a] + c.Before[a] + c.After[a] - c.Dilation[a]*(c.KernelSize[a]-1) - 1; room >= 0 {
			p[a] = room/c.Stride[a] + 1
		}
	}
	return p
}

// taps is the number of elements of one output's kernel.
func (c *Conv) taps() int { return c.Channels / c.Groups * c.KernelSize[0] * c.KernelSize[1] }

// input returns the layer's input that is element e of the array.
func (c *Conv) input(e int) int {
	if c.Input != nil {
		return int(c.Input[e])
	}
	return e
}

// Each visits the elements of the array that the kernel of unit meets: element e at place k of that output's kernel. Places in the padding
// are left out. It does not read the Kernel.
func (c *Conv) Each(unit int, visit func(k, e int)) {
	p := c.positions()
	o, y, x := unit/(p[0]*p[1]), unit/p[1]%p[0], unit%p[1]
	channels := c.Channels / c.Groups
	first := o * c.Groups / c.Outputs * channels
	for k, taps := 0, c.taps(); k < taps; k++ {
		row := y*c.Stride[0] + k/c.KernelSize[1]%c.KernelSize[0]*c.Dilation[0] - c.Before[0]
		column := x*c.Stride[1] + k%c.KernelSize[1]*c.Dilation[1] - c.Before[1]
		if row >= 0 && row < c.Size[0] && column >= 0 && column < c.Size[1] {
			visit(k, ((first+k/(c.KernelSize[0]*c.KernelSize[1]))*c.Size[0]+row)*c.Size[1]+column)
		}
	}
}

// output returns the kernel number of a unit.
func (c *Conv) output(unit int) int {
	p := c.positions()
	return unit / (p[0] * p[1])
}

// preactivations returns the layer's values before its activation.
func (c *Conv) preactivations(bias, in []float64) []float64 {
	out := make([]float64, len(bias))
	taps := c.taps()
	for u := range out {
		s, kernel := bias[u], c.Kernel[c.output(u)*taps:]
		c.Each(u, func(k, e int) { s += float64(kernel[k] * in[c.input(e)]) })
		out[u] = s
	}
	return out
}

// weights returns the layer's weights as a dense matrix over in inputs.
func (c *Conv) weights(units, in int) [][]float64 {
	w := matrix(units, in)
	taps := c.taps()
	for u := range w {
		c.Each(u, func(k, e int) { w[u][c.input(e)] = c.Kernel[c.output(u)*taps+k] })
	}
	return w
}
