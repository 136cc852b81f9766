package numpy

import (
	"slices"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// convImpl is a convolution without flipping of x [C, L], [C, H, W] or a batch [N, C, ...] of them, with a constant kernel [O, C/group, ...].
var convImpl = impl{[]string{"x", "weight", "bias", "pads", "strides", "dilations", "group"}, 2, func(c *call) (any, *Error) {
	x, err := c.value("x")
	if err != nil {
		return nil, err
	}
	w, err := c.value("weight")
	if err != nil {
		return nil, err
	}
	if w.Encrypted() || w.kind == kindFloat || x.kind == kindFloat {
		return nil, fail("quantize the kernel to integers first, for example np.rint(w * 32).astype(np.int64)", "a convolution of %s with %s", x.describe(), w.describe())
	}
	window, err := c.window(len(w.shape) - 2)
	if err != nil {
		return nil, err
	}
	group, err := c.integer("group", 1)
	if err != nil {
		return nil, err
	}
	if group < 1 || group > maxElements {
		return nil, fail("", "a convolution of %d groups", group)
	}
	window.Groups = int(group)
	out, err := c.perImage(x, len(w.shape)-1, func(image *compiler.Node) *compiler.Node {
		return c.b.g.Conv(image, c.b.nodeOf(w), window)
	})
	if err != nil || !c.has("bias") {
		return out, err
	}
	bias, err := c.value("bias")
	if err != nil {
		return nil, err
	}
	shape := make([]int64, len(w.shape)-1)
	for i := range shape {
		shape[i] = 1
	}
	shape[0] = -1
	if bias, err = c.b.reshape(bias, shape); err != nil {
		return nil, err
	}
	return c.b.call2("add", out, bias)
}}

// window reads pads (before of all axes, then after), strides and dilations of so many axes.
func (c *call) window(axes int) (compiler.Window, *Error) {
	w := compiler.Window{Groups: 1}
	if axes < 1 || axes > 2 {
		return w, fail("a kernel is [outputs, channels, length] or [outputs, channels, height, width]", "a kernel of %d axes", axes+2)
	}
	read := func(name string, counts ...int) ([]int, *Error) {
		ints, err := c.integers(name)
		if err != nil || ints == nil {
			return nil, err
		}
		if len(ints) == 1 {
			ints = slices.Repeat(ints, counts[0])
		}
		if !slices.Contains(counts, len(ints)) {
			return nil, fail("", "%d %s for %d axes", len(ints), name, axes)
		}
		out := make([]int, len(ints))
		for i, v := range ints {
			if v < 0 || v > maxElements {
				return nil, fail("", "%s of %d", name, v)
			}
			out[i] = int(v)
		}
		return out, nil
	}
	pads, err := read("pads", 2*axes)
	if err != nil {
		return w, err
	}
	if pads != nil {
		w.Before, w.After = pads[:axes], pads[axes:]
	}
	if w.Strides, err = read("strides", axes); err != nil {
		return w, err
	}
	w.Dilations, err = read("dilations", axes)
	return w, err
}

// perImage applies f to each image of a batch (or to x, if that is one image of so many axes), which must be encrypted or becomes a constant of the graph.
func (c *call) perImage(x *Value, axes int, f func(image *compiler.Node) *compiler.Node) (*Value, *Error) {
	batch := len(x.shape) == axes+1
	if !batch && len(x.shape) != axes {
		return nil, fail("", "%s where an image of %d axes, or a batch of them, is expected", x.describe(), axes)
	}
	if !batch {
		return rooted(f(c.b.nodeOf(x)), kindInt), nil
	}
	items, err := c.b.iterate(x)
	if err != nil {
		return nil, err
	}
	var out []*Value
	for _, i := range items {
		out = append(out, rooted(f(c.b.nodeOf(i.(*Value))), kindInt))
	}
	return c.b.stack(out, 0)
}

// poolImpl reduces windows of x [C, L], [C, H, W] or a batch of them, channel by channel: to their maximum, or ("add") to their mean, which is in floating
// point.
func poolImpl(name string) impl {
	return impl{[]string{"x", "kernel_shape", "strides"}, 2, func(c *call) (any, *Error) {
		x, err := c.value("x")
		if err != nil {
			return nil, err
		}
		kernel, err := c.integers("kernel_shape")
		if err != nil {
			return nil, err
		}
		strides, err := c.integers("strides")
		if err != nil {
			return nil, err
		}
		if strides == nil {
			strides = slices.Repeat([]int64{1}, len(kernel))
		}
		lead := len(x.shape) - len(kernel)
		if lead < 1 || len(strides) != len(kernel) {
			return nil, fail("", "a pool of windows %v in steps %v over %s", kernel, strides, x.describe())
		}
		shape := slices.Clone(x.shape)
		window := 1
		for i, k := range kernel {
			if k < 1 || int(k) > x.shape[lead+i] || strides[i] < 1 || strides[i] > maxElements {
				return nil, fail("", "a pool of windows %v in steps %v over %s", kernel, strides, x.describe())
			}
			shape[lead+i] = (x.shape[lead+i]-int(k))/int(strides[i]) + 1
			window *= int(k)
		}
		// One array for each place in the window, then their extreme or sum.
		var parts []*Value
		for p := range window {
			index := make(tuple, 0, len(shape))
			for range lead {
				index = append(index, slice{})
			}
			rest := p
			places := make([]int64, len(kernel))
			for i := len(kernel) - 1; i >= 0; i-- {
				places[i] = int64(rest) % kernel[i]
				rest /= int(kernel[i])
			}
			for i, at := range places {
				index = append(index, slice{at, at + int64(shape[lead+i]-1)*strides[i] + 1, strides[i]})
			}
			v, err := c.b.item(x, index)
			if err != nil {
				return nil, err
			}
			parts = append(parts, v.(*Value))
		}
		out, err := pairwise(parts, func(x, y *Value) (*Value, *Error) { return c.b.call2(name, x, y) })
		if err != nil || name != "add" {
			return out, err
		}
		return c.b.call2("true_divide", out, intScalar(int64(window)))
	}}
}
