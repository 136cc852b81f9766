package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/models"
)

// Convolutions and average pools are affine, so that they become columns like everything else. So that a layer's weights can be shared again in
// package models, a vector remembers the geometry of the convolution that it came from; [translator.convolution] takes the kernel back from the
// columns, after whatever was folded into them, and checks that they are exactly that convolution.

// geometry is that of a convolution: windows of elements, which are elements of the vector's basis.
type geometry struct {
	models.Conv       // without Kernel
	elements    []int // the basis element that each element of the array is
}

// window reads the attributes of Conv and the pools: a kernel of shape k (nil: the attribute kernel_shape) over axes of the given sizes. Shapes and
// paddings of one axis become those of two, the first of length 1.
func window(o *operation, size, k []int, ceil bool) (*models.Conv, error) {
	rank := len(size)
	if rank != 1 && rank != 2 {
		return nil, fmt.Errorf("one or two axes behind the channels, not %d", rank)
	}
	list := func(name string, n int, def int64) ([]int, error) {
		v := o.ints(name)
		if len(v) == 0 {
			v = slices.Repeat([]int64{def}, n)
		}
		if len(v) != n {
			return nil, malformed("%s %v for %d axes", name, v, rank)
		}
		out := make([]int, n)
		for i, x := range v {
			if x < 0 || x == 0 && def > 0 || x > maxFeatures {
				return nil, malformed("%s %v", name, v)
			}
			out[i] = int(x)
		}
		return out, nil
	}
	shape := o.ints("kernel_shape")
	if k == nil && len(shape) != rank {
		return nil, malformed("kernel_shape %v for %d axes", shape, rank)
	}
	kernel, err := list("kernel_shape", rank, 1)
	if err != nil {
		return nil, err
	}
	if k != nil {
		if len(shape) > 0 && !slices.Equal(kernel, k) {
			return nil, malformed("kernel_shape %v for weights of %v", shape, k)
		}
		kernel = k
	}
	strides, err := list("strides", rank, 1)
	if err != nil {
		return nil, err
	}
	dilations, err := list("dilations", rank, 1)
	if err != nil {
		return nil, err
	}
	pads, err := list("pads", 2*rank, 0)
	if err != nil {
		return nil, err
	}
	c := &models.Conv{Groups: 1}
	for a := range 2 {
		i := a - (2 - rank)
		c.Size[a], c.KernelSize[a], c.Stride[a], c.Dilation[a] = 1, 1, 1, 1
		if i < 0 {
			continue
		}
		c.Size[a], c.KernelSize[a], c.Stride[a], c.Dilation[a], c.Before[a], c.After[a] = size[i], kernel[i], strides[i], dilations[i], pads[i], pads[rank+i]
		reach := dilations[i]*(kernel[i]-1) + 1
		switch pad := o.string("auto_pad", "NOTSET"); pad {
		case "NOTSET":
		case "VALID":
			c.Before[a], c.After[a] = 0, 0
		case "SAME_UPPER", "SAME_LOWER":
			all := max((size[i]+strides[i]-1)/strides[i]*strides[i]-strides[i]+reach-size[i], 0)
			c.Before[a], c.After[a] = all/2, all-all/2
			if pad == "SAME_LOWER" {
				c.Before[a], c.After[a] = c.After[a], c.Before[a]
			}
		default:
			return nil, malformed("auto_pad %q", pad)
		}
		room := c.Size[a] + c.Before[a] + c.After[a] - reach
		if room < 0 {
			return nil, malformed("a kernel of %v with dilations %v is longer than its input of %v with padding", kernel, dilations, size)
		}
		if rest := room % strides[i]; ceil && rest > 0 {
			return nil, fmt.Errorf("ceil_mode 0 (or a size that the strides divide): tools disagree about windows that reach beyond the padding")
		}
	}
	return c, nil
}

// positions returns the axes of a result, as many as the input has.
func positions(c *models.Conv, rank int) []int {
	var p []int
	for a := 2 - rank; a < 2; a++ {
		p = append(p, (c.Size[a]+c.Before[a]+c.After[a]-c.Dilation[a]*(c.KernelSize[a]-1)-1)/c.Stride[a]+1)
	}
	return p
}

// image checks that v is channels of one or two axes.
func image(x value) (*vector, error) {
	v, ok := x.(*vector)
	if !ok {
		return nil, fmt.Errorf("computed numbers")
	}
	if v.open {
		return nil, fmt.Errorf("an input whose sizes the file states; export the model with fixed channels, height and width (only the number of rows may vary)")
	}
	if len(v.shape) != 2 && len(v.shape) != 3 {
		return nil, fmt.Errorf("rows of channels with one or two axes, not of shape %v", v.shape)
	}
	return v, nil
}

// conv is the convolution of each row.
func conv(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 2, 3)
	if err != nil {
		return nil, err
	}
	v, err := image(in[0])
	if err != nil {
		return nil, err
	}
	w, ok := in[1].(*constant)
	if !ok || w.text != nil {
		return nil, fmt.Errorf("a constant kernel")
	}
	if err := finite("weight", w.data); err != nil {
		return nil, err
	}
	rank := len(v.shape) - 1
	groups := o.int("group", 1)
	if len(w.shape) != rank+2 || groups < 1 || groups > maxFeatures || v.shape[0]%int(groups) != 0 || w.shape[1] != v.shape[0]/int(groups) || w.shape[0]%int(groups) != 0 || len(w.data) == 0 {
		return nil, malformed("weights of shape %v in %d groups for rows of shape %v", w.shape, groups, v.shape)
	}
	c, err := window(o, v.shape[1:], w.shape[2:], false)
	if err != nil {
		return nil, err
	}
	c.Channels, c.Outputs, c.Groups = v.shape[0], w.shape[0], int(groups)
	var bias []float64
	p := positions(c, rank)
	per := product(p)
	if c.Outputs > maxFeatures || per > maxFeatures/c.Outputs {
		return nil, fmt.Errorf("at most %d results per row", maxFeatures)
	}
	if in[2] != nil {
		b, ok := in[2].(*constant)
		if !ok || len(b.data) != c.Outputs {
			return nil, fmt.Errorf("a constant bias per output")
		}
		if err := finite("bias", b.data); err != nil {
			return nil, err
		}
		for _, x := range b.data {
			bias = append(bias, slices.Repeat([]float64{x}, per)...)
		}
	}
	return t.convolved(v, c, p, w.data, bias)
}

// convolved is the convolution of v by kernel, with its geometry.
func (t *translator) convolved(v *vector, c *models.Conv, p []int, kernel, bias []float64) ([]value, error) {
	per, taps := product(p), len(kernel)/c.Outputs
	out, err := t.sparse(v, c.Outputs*per, bias, func(j int, add func(k int, w float64)) {
		c.Each(j, func(k, e int) {
			if w := kernel[j/per*taps+k]; w != 0 {
				add(e, w)
			}
		})
	})
	if err != nil {
		return nil, err
	}
	out.shape = append([]int{c.Outputs}, p...)
	out.geo = geometryOf(v, c)
	return one(out), nil
}

// geometryOf is the geometry over v's basis of a convolution c of v: v is single elements of the basis, or itself a convolution of these.
func geometryOf(v *vector, c *models.Conv) *geometry {
	if v.geo == nil {
		g := &geometry{Conv: *c, elements: make([]int, len(v.cols))}
		for i, x := range v.cols {
			if len(x.idx) != 1 {
				return nil
			}
			g.elements[i] = int(x.idx[0])
		}
		return g
	}
	// Position p of c reads position p*stride + j*dilation - before of the inner one, and so on down.
	in := v.geo
	g := &geometry{Conv: in.Conv, elements: in.elements}
	g.Outputs, g.Groups = c.Outputs, 1
	switch {
	case in.Groups == in.Channels && in.Outputs == in.Channels:
		g.Groups = c.Groups
	case c.Groups == c.Channels && c.Outputs == c.Channels:
		g.Groups = in.Groups
	}
	for a := range 2 {
		g.KernelSize[a] = (c.KernelSize[a]-1)*c.Dilation[a]*in.Stride[a] + (in.KernelSize[a]-1)*in.Dilation[a] + 1
		g.Dilation[a] = 1
		g.Stride[a] = in.Stride[a] * c.Stride[a]
		g.Before[a] = in.Before[a] + c.Before[a]*in.Stride[a]
		n := positions(c, 2)[a]
		g.After[a] = max((n-1)*g.Stride[a]+g.KernelSize[a]-g.Size[a]-g.Before[a], 0)
		if g.KernelSize[a] > maxFeatures || positions(&g.Conv, 2)[a] != n {
			return nil
		}
	}
	return g
}

// convolution returns the columns of v as a convolutional layer, where they are one: every unit has the same weights on its window and none
// elsewhere. Bias may differ between units (what padding leaves out of a folded offset, for one).
func (t *translator) convolution(v *vector) (*models.Conv, bool) {
	g := v.geo
	if g == nil || v.base.kind != basisFeatures && len(g.elements) != v.base.n {
		return nil, false
	}
	c := g.Conv
	per := product(positions(&c, 2))
	taps := c.Channels / c.Groups * c.KernelSize[0] * c.KernelSize[1]
	if per == 1 || per*c.Outputs != len(v.cols) || taps > 1<<20 || c.Outputs > (1<<22)/taps || t.spend(c.Outputs*taps+2*v.base.n, len(v.cols)*taps) != nil {
		return nil, false
	}
	inOrder := true
	seen := make([]bool, v.base.n)
	for i, e := range g.elements {
		inOrder = inOrder && e == i
		if seen[e] {
			return nil, false
		}
		seen[e] = true
	}
	if !inOrder || len(g.elements) != v.base.n {
		if v.base.kind != basisFeatures {
			return nil, false
		}
		for _, e := range g.elements {
			c.Input = append(c.Input, int32(e))
		}
	}
	c.Kernel = make([]float64, c.Outputs*taps)
	set := make([]bool, len(c.Kernel))
	weight := make([]float64, v.base.n)
	for u, col := range v.cols {
		top := 0.0
		for i, x := range col.idx {
			weight[x] = col.w[i]
			top = math.Max(top, math.Abs(col.w[i]))
		}
		left, same := len(col.idx), true
		c.Each(u, func(k, e int) {
			w := weight[g.elements[e]]
			if w != 0 {
				left--
			}
			if k += u / per * taps; !set[k] {
				c.Kernel[k], set[k] = w, true
			}
			same = same && math.Abs(c.Kernel[k]-w) <= 1e-9*top // sums in another order
		})
		for _, x := range col.idx {
			weight[x] = 0
		}
		if left != 0 || !same {
			return nil, false
		}
	}
	return &c, true
}

// poolInput is the operand of a pool and its windows.
func poolInput(o *operation, in []value) (*vector, *models.Conv, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, nil, err
	}
	v, err := image(in[0])
	if err != nil {
		return nil, nil, err
	}
	c, err := window(o, v.shape[1:], nil, o.int("ceil_mode", 0) != 0)
	return v, c, err
}

// averagePool averages windows, channel by channel.
func averagePool(t *translator, o *operation, in []value) ([]value, error) {
	v, c, err := poolInput(o, in)
	if err != nil {
		return nil, err
	}
	return t.pooled(v, c, o.int("count_include_pad", 0) != 0)
}

// pooled averages; padding counts where padded is set.
func (t *translator) pooled(v *vector, c *models.Conv, padded bool) ([]value, error) {
	c.Channels, c.Outputs, c.Groups = v.shape[0], v.shape[0], v.shape[0]
	taps := c.KernelSize[0] * c.KernelSize[1]
	if taps > maxFeatures || c.Outputs > maxFeatures/taps {
		return nil, malformed("a window of %v", c.KernelSize)
	}
	p := positions(c, len(v.shape)-1)
	per := product(p)
	if per > maxFeatures/c.Outputs {
		return nil, fmt.Errorf("at most %d results per row", maxFeatures)
	}
	out, err := t.sparse(v, c.Outputs*per, nil, func(j int, add func(k int, w float64)) {
		n := taps
		if !padded {
			n = 0
			c.Each(j, func(int, int) { n++ })
		}
		c.Each(j, func(_, e int) { add(e, 1/float64(n)) })
	})
	if err != nil {
		return nil, err
	}
	out.shape = append([]int{c.Outputs}, p...)
	out.geo = geometryOf(v, c)
	return one(out), nil
}

// globalAveragePool averages each channel.
func globalAveragePool(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 1)
	if err != nil {
		return nil, err
	}
	v, err := image(in[0])
	if err != nil {
		return nil, err
	}
	per := product(v.shape[1:])
	out, err := t.sparse(v, v.shape[0], nil, func(j int, add func(k int, w float64)) {
		for k := range per {
			add(j*per+k, 1/float64(per))
		}
	})
	if err != nil {
		return nil, err
	}
	return one(out.reshaped(append([]int{v.shape[0]}, slices.Repeat([]int{1}, len(v.shape)-1)...))), nil
}

// maxPool of windows of one element picks elements; others would compare encrypted values.
func maxPool(t *translator, o *operation, in []value) ([]value, error) {
	v, c, err := poolInput(o, in)
	if err != nil {
		return nil, err
	}
	if c.KernelSize != [2]int{1, 1} || c.Before != [2]int{} || c.After != [2]int{} {
		return nil, fmt.Errorf("a window of one element: the maximum of encrypted values is not supported; train the model with average pooling (AveragePool) or with strides in the convolution, and export it again")
	}
	return t.pooled(v, c, false)
}

// pad surrounds rows with zeros, or with another constant.
func pad(t *translator, o *operation, in []value) ([]value, error) {
	in, err := arity(in, 1, 4)
	if err != nil {
		return nil, err
	}
	v, ok := in[0].(*vector)
	if !ok || v.open || in[3] != nil {
		return nil, fmt.Errorf("rows of known shape, and all axes")
	}
	if mode := o.string("mode", "constant"); mode != "constant" {
		return nil, fmt.Errorf("mode constant, not %q", mode)
	}
	pads, fill := o.ints("pads"), o.float("value", 0)
	if c, ok := in[1].(*constant); ok {
		if pads, err = c.integers(); err != nil {
			return nil, malformed("%v", err)
		}
	} else if in[1] != nil {
		return nil, fmt.Errorf("constant pads")
	}
	if in[2] != nil {
		c, ok := in[2].(*constant)
		if !ok || len(c.data) != 1 || math.IsNaN(c.data[0]) || math.IsInf(c.data[0], 0) {
			return nil, fmt.Errorf("one constant value")
		}
		fill = c.data[0]
	}
	r := len(v.shape)
	if len(pads) != 2*(r+1) {
		return nil, malformed("pads %v for %d axes", pads, r+1)
	}
	if pads[0] != 0 || pads[r+1] != 0 {
		return nil, fmt.Errorf("pads that keep the rows")
	}
	shape := make([]int, r)
	n := 1
	for i, d := range v.shape {
		a, b := pads[1+i], pads[r+2+i]
		if a < 0 || b < 0 || a > maxFeatures || b > maxFeatures {
			return nil, fmt.Errorf("pads from 0 to %d, not %v", maxFeatures, pads)
		}
		shape[i] = d + int(a) + int(b)
		if n *= shape[i]; n > maxFeatures {
			return nil, fmt.Errorf("at most %d numbers per row", maxFeatures)
		}
	}
	out := v.with(make([]column, n), shape)
	for i := range out.cols {
		out.cols[i] = column{b: fill}
	}
	at := make([]int, r)
	for _, c := range v.cols {
		pos := 0
		for i := range at {
			pos = pos*shape[i] + at[i] + int(pads[1+i])
		}
		out.cols[pos] = c
		for i := r - 1; i >= 0; i-- {
			if at[i]++; at[i] < v.shape[i] {
				break
			}
			at[i] = 0
		}
	}
	if fill == 0 && (r == 2 || r == 3) && pads[1] == 0 && pads[r+2] == 0 { // as a convolution with padding and a kernel of one element
		c := &models.Conv{Channels: v.shape[0], Outputs: v.shape[0], Groups: v.shape[0], Size: [2]int{1, 1}, KernelSize: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}}
		for i := 1; i < r; i++ {
			a := i + 2 - r
			c.Size[a], c.Before[a], c.After[a] = v.shape[i], int(pads[1+i]), int(pads[r+2+i])
		}
		out.geo = geometryOf(v, c)
	}
	return one(out), nil
}
