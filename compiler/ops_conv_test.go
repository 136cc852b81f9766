package compiler

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawConv adds a convolution of a, reshaped to channels and one or two axes, with a random kernel and window.
func drawConv(t *rapid.T, g *Graph, a *Node) {
	rank := rapid.IntRange(1, 2).Draw(t, "rank")
	shape := []int{a.Size()}
	for range rank {
		d := rapid.SampledFrom([]int{1, 2, 3, 4}).Draw(t, "axis")
		if shape[0]%d != 0 {
			d = 1
		}
		shape = append(shape, d)
		shape[0] /= d
	}
	w := Window{Groups: 1}
	if rapid.Bool().Draw(t, "grouped") {
		w.Groups = shape[0]
	}
	kernel := []int{w.Groups * rapid.IntRange(1, 2).Draw(t, "outputs"), shape[0] / w.Groups}
	for range rank {
		kernel = append(kernel, rapid.IntRange(1, 3).Draw(t, "kernel"))
		w.Strides = append(w.Strides, rapid.IntRange(1, 3).Draw(t, "stride"))
		w.Before = append(w.Before, rapid.IntRange(0, 3).Draw(t, "before"))
		w.After = append(w.After, rapid.IntRange(0, 3).Draw(t, "after"))
		w.Dilations = append(w.Dilations, rapid.IntRange(1, 2).Draw(t, "dilation"))
	}
	if k, _ := shapeSize(kernel); k <= 500 {
		g.Conv(g.Reshape(a, shape...), drawConstant(t, g, kernel), w)
	}
}

// TestConvDefinition compares with the definition on an explicitly padded array.
func TestConvDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(lo, hi int, what string) int { return rapid.IntRange(lo, hi).Draw(t, what) }
		groups, cg, og := draw(1, 2, "groups"), draw(1, 3, "channels"), draw(1, 2, "outputs")
		h, w := draw(1, 6, "h"), draw(1, 6, "w")
		kh, kw, sh, sw, dh, dw := draw(1, 3, "kh"), draw(1, 3, "kw"), draw(1, 3, "sh"), draw(1, 3, "sw"), draw(1, 2, "dh"), draw(1, 2, "dw")
		top, bottom, left, right := draw(0, 3, "top"), draw(0, 3, "bottom"), draw(0, 3, "left"), draw(0, 3, "right")
		ph, pw := (h + top + bottom - dh*(kh-1) - 1), (w + left + right - dw*(kw-1) - 1)
		if ph < 0 || pw < 0 {
			return
		}
		ph, pw = ph/sh+1, pw/sw+1
		g := NewGraph()
		x := g.Input("x", []int{groups * cg, h, w}, []int64{-5}, []int64{9})
		values := make([]int64, x.Size())
		for i := range values {
			values[i] = rapid.Int64Range(-5, 9).Draw(t, "x")
		}
		kernel := make([]int64, groups*og*cg*kh*kw)
		for i := range kernel {
			kernel[i] = rapid.Int64Range(-3, 3).Draw(t, "kernel")
		}
		n := g.Conv(x, g.Constant(Array{Shape: []int{groups * og, cg, kh, kw}, Data: kernel}),
			Window{Strides: []int{sh, sw}, Before: []int{top, left}, After: []int{bottom, right}, Dilations: []int{dh, dw}, Groups: groups})
		g.Output(n)
		if !slices.Equal(n.Shape, []int{groups * og, ph, pw}) {
			t.Fatalf("shape %v, want %v", n.Shape, []int{groups * og, ph, pw})
		}
		out, err := g.Eval(map[string][]int64{"x": values})
		if err != nil {
			t.Fatal(err)
		}
		for o := range groups * og {
			for y := range ph {
				for z := range pw {
					var want int64
					for c := range cg {
						padded := make([][]int64, h+top+bottom)
						for i := range padded {
							padded[i] = make([]int64, w+left+right)
							for j := range padded[i] {
								if i >= top && i < top+h && j >= left && j < left+w {
									padded[i][j] = values[((o/og*cg+c)*h+i-top)*w+j-left]
								}
							}
						}
						for i := range kh {
							for j := range kw {
								want += kernel[((o*cg+c)*kh+i)*kw+j] * padded[y*sh+i*dh][z*sw+j*dw]
							}
						}
					}
					if got := out[0][(o*ph+y)*pw+z]; got != want {
						t.Fatalf("element %d,%d,%d is %d, want %d", o, y, z, got, want)
					}
				}
			}
		}
	})
}

// TestSumPool adds windows channel by channel.
func TestSumPool(t *testing.T) {
	g := NewGraph()
	x := g.Input("x", []int{2, 4}, []int64{0}, []int64{99})
	g.Output(g.SumPool(x, []int{2}, Window{Strides: []int{2}}))
	out, err := g.Eval(map[string][]int64{"x": {1, 2, 3, 4, 50, 60, 70, 80}})
	if err != nil || !slices.Equal(out[0], []int64{3, 7, 110, 150}) {
		t.Fatalf("%v, %v", out, err)
	}
}
