package compiler

import (
	"errors"
	"fmt"
	"slices"
)

// Window says how a kernel moves over the axes of a [Graph.Conv]. A nil list stands for the default on every axis: strides and dilations of 1,
// no padding. Before and After are the zeros that each axis is padded with; Groups 0 is 1.
type Window struct {
	Strides, Before, After, Dilations []int
	Groups                            int
}

// Conv adds the convolution (without flipping, as in neural networks) of x with a kernel, which must be known. x has shape [C, L] or
// [C, H, W] and the kernel [O, C/groups, K] or [O, C/groups, KH, KW]:
//
//	out[o, p] = sum over c, t of kernel[o, c, t] * x[first(o)+c, p*stride + t*dilation - before]
//
// where group o*groups/O reads the C/groups channels from first(o) on, and x is 0 outside its bounds. The result has shape [O, P] or [O, PH, PW]
// with P = (L + before + after - dilation*(K-1) - 1)/stride + 1, rounded down. C and O must be multiples of groups.
func (g *Graph) Conv(x, kernel *Node, w Window) *Node {
	rank := max(len(x.Shape)-1, 0)
	ints := []int64{int64(max(w.Groups, 1))}
	if w.Groups < 0 {
		ints[0] = int64(w.Groups) // refused by inferShape
	}
	for i, list := range [][]int{w.Strides, w.Before, w.After, w.Dilations} {
		if list == nil {
			for range rank {
				ints = append(ints, truth(i == 0 || i == 3))
			}
			continue
		}
		if len(list) != rank {
			panic(fmt.Sprintf("compiler: conv: a window for %d axes of a value with %d", len(list), rank))
		}
		for _, v := range list {
			ints = append(ints, int64(v))
		}
	}
	return g.build(&Node{Op: OpConv, Args: []*Node{x, kernel}, Ints: ints})
}

// SumPool adds the sums of x [C, L] or [C, H, W] over windows of the given size, channel by channel: a convolution with ones. Divided by the
// size (by [Graph.Round] where that is a power of two, or in a table that follows) it is an average pool.
func (g *Graph) SumPool(x *Node, size []int, w Window) *Node {
	if len(x.Shape) == 0 {
		panic("compiler: sum pool: a value without axes")
	}
	shape := append([]int{x.Shape[0], 1}, size...)
	n, err := shapeSize(shape)
	if err != nil {
		panic("compiler: sum pool: " + err.Error())
	}
	w.Groups = x.Shape[0]
	return g.Conv(x, g.Constant(Array{Shape: shape, Data: slices.Repeat([]int64{1}, n)}), w)
}

// convolution is the geometry of a conv node, with two axes always: a missing first one has one element.
type convolution struct {
	groups, channels, outputs         int // C/groups channels a kernel
	in, out, kernel                   [2]int
	stride, before, dilation          [2]int
	inSize, outSize, kernelSize, taps int // elements of one channel of x, of the result, of the kernel; taps = channels*kernelSize
}

// newConvolution checks shapes and attributes, which may come from a file.
func newConvolution(x, kernel []int, ints []int64) (*convolution, error) {
	rank := len(x) - 1
	if rank < 1 || rank > 2 || len(kernel) != rank+2 {
		return nil, fmt.Errorf("shapes %v and %v, want [C,L] and [O,C/groups,K], or [C,H,W] and [O,C/groups,KH,KW]", x, kernel)
	}
	if len(ints) != 1+4*rank {
		return nil, fmt.Errorf("%d attributes for %d axes, want groups and 4 an axis", len(ints), rank)
	}
	for i, v := range ints {
		least := truth(i <= rank || i > 3*rank) // pads may be 0
		if v < least || v > maxElements {
			return nil, fmt.Errorf("window %v: groups, strides and dilations are 1 to %d, paddings 0 to %d", ints, maxElements, maxElements)
		}
	}
	c := &convolution{groups: int(ints[0]), channels: kernel[1], outputs: kernel[0], inSize: 1, outSize: 1, kernelSize: 1}
	if x[0]%c.groups != 0 || x[0]/c.groups != c.channels || c.outputs%c.groups != 0 {
		return nil, fmt.Errorf("%d groups of %d channels and a kernel of shape %v", c.groups, x[0], kernel)
	}
	c.in[0], c.out[0], c.kernel[0], c.stride[0], c.dilation[0] = 1, 1, 1, 1, 1
	for i := range rank {
		a := i + 2 - rank
		c.in[a], c.kernel[a] = x[1+i], kernel[2+i]
		c.stride[a], c.before[a], c.dilation[a] = int(ints[1+i]), int(ints[1+rank+i]), int(ints[1+3*rank+i])
		room := c.in[a] + c.before[a] + int(ints[1+2*rank+i]) - c.dilation[a]*(c.kernel[a]-1) - 1
		if room < 0 {
			return nil, fmt.Errorf("a kernel of shape %v is longer than axis %d of %v with its padding", kernel, 1+i, x)
		}
		c.out[a] = room/c.stride[a] + 1
	}
	c.inSize, c.kernelSize = c.in[0]*c.in[1], c.kernel[0]*c.kernel[1]
	if c.out[0] > maxElements/c.outputs || c.out[1] > maxElements/c.outputs/c.out[0] {
		return nil, fmt.Errorf("more than %d elements", maxElements)
	}
	c.outSize, c.taps = c.out[0]*c.out[1], c.channels*c.kernelSize
	return c, nil
}

func convolutionOf(n *Node) *convolution {
	c, err := newConvolution(n.Args[0].Shape, n.Args[1].Shape, n.Ints)
	if err != nil {
		panic("compiler: internal error: conv: " + err.Error()) // inferShape has checked it
	}
	return c
}

func convShape(x, kernel []int, ints []int64) ([]int, error) {
	c, err := newConvolution(x, kernel, ints)
	if err != nil {
		return nil, err
	}
	return append([]int{c.outputs}, c.out[2-(len(x)-1):]...), nil
}

// work is the number of products, at most 2^52.
func (c *convolution) work() int { return c.outputs * c.outSize * c.taps }

// runs visits, kernel element by kernel element, the rows of results that it is part of: elements out, out+1, ... (n of them) of the result get
// kernel element k times elements in, in+step, ... of x.
func (c *convolution) runs(visit func(k, out, in, n, step int)) {
	for k := range c.outputs * c.taps {
		o, channel := k/c.taps, k/c.kernelSize%c.channels
		y, x := k%c.kernelSize/c.kernel[1], k%c.kernel[1]
		first := (o*c.groups/c.outputs*c.channels + channel) * c.inSize
		ylo, yhi := c.inside(0, y)
		xlo, xhi := c.inside(1, x)
		if xlo >= xhi {
			continue
		}
		for p := ylo; p < yhi; p++ {
			row := p*c.stride[0] + y*c.dilation[0] - c.before[0]
			col := xlo*c.stride[1] + x*c.dilation[1] - c.before[1]
			visit(k, o*c.outSize+p*c.out[1]+xlo, first+row*c.in[1]+col, xhi-xlo, c.stride[1])
		}
	}
}

// inside returns the positions lo..hi-1 of the result on an axis for which kernel element t meets an element of x.
func (c *convolution) inside(axis, t int) (lo, hi int) {
	s, shift := c.stride[axis], t*c.dilation[axis]-c.before[axis] // 0 <= p*s + shift < in
	lo, hi = 0, c.out[axis]
	if shift < 0 {
		lo = (-shift + s - 1) / s
	}
	if last := c.in[axis] - 1 - shift; last < 0 {
		hi = 0
	} else {
		hi = min(hi, last/s+1)
	}
	return lo, hi
}

// eval computes out = conv(x, kernel).
func (c *convolution) eval(out, x, kernel []int64) {
	clear(out)
	c.runs(func(k, to, from, n, step int) {
		w := kernel[k]
		if w == 0 {
			return
		}
		for i := range n {
			out[to+i] += w * x[from+i*step]
		}
	})
}

// convBounds weighs bounds by the kernel. The partial sums must fit as well as the results.
func convBounds(n *Node) (lo, hi []int64, err error) {
	x, kernel := n.Args[0], n.Args[1]
	if !kernel.Known() {
		return nil, nil, errors.New("the kernel is not a constant")
	}
	size := n.Size()
	lo, hi = make([]int64, size), make([]int64, size)
	convolutionOf(n).runs(func(k, to, from, count, step int) {
		w := kernel.Lo[k]
		if w == 0 || err != nil {
			return
		}
		for i := range count {
			l, h := x.Lo[from+i*step], x.Hi[from+i*step]
			if w < 0 {
				l, h = h, l
			}
			l, okl := product(l, w)
			h, okh := product(h, w)
			if !okl || !okh || !accumulate(&lo[to+i], l) || !accumulate(&hi[to+i], h) {
				err = fmt.Errorf("element %d: %w", to+i, errTooLarge)
				return
			}
		}
	})
	return lo, hi, err
}
