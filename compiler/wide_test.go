package compiler_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// wideValue builds a computed value with bounds lo and hi: a sum of tables of three input codes, which is lo where all are 0 and hi where all are 15.
func wideValue(r *rand.Rand, g *compiler.Graph, lo, hi int64) (x, z *compiler.Node) {
	x = g.Input("x", []int{3}, []int64{0}, []int64{15})
	third := (hi - lo) / 3
	parts := []int64{third, third, hi - lo - 2*third}
	t := compiler.Table{Lo: []int64{0, 0, 0}}
	for _, most := range parts {
		row := make([]int64, 16)
		for i := range row {
			row[i] = r.Int64N(most + 1)
		}
		row[0], row[15] = 0, most
		t.Values = append(t.Values, row)
	}
	return x, g.Add(g.SumAll(g.Lookup(x, t)), g.Scalar(lo))
}

// tableOf writes a function as a table of z.
func tableOf(z *compiler.Node, f func(int64) int64) compiler.Table {
	t := compiler.Table{Lo: []int64{z.Lo[0]}, Values: [][]int64{make([]int64, z.Hi[0]-z.Lo[0]+1)}}
	for i := range t.Values[0] {
		t.Values[0][i] = f(z.Lo[0] + int64(i))
	}
	return t
}

// wideFunctions are functions of a value of lo..hi by name.
func wideFunctions(r *rand.Rand, lo, hi int64) map[string]func(int64) int64 {
	values := randomArray(r, -3000, 3000, int(hi-lo+1)).Data
	middle := (lo + hi) / 2
	return map[string]func(int64) int64{
		"random":    func(x int64) int64 { return values[x-lo] },
		"sqrt":      func(x int64) int64 { return int64(math.Sqrt(float64(max(x-lo, 0)))) },
		"greater":   func(x int64) int64 { return b2i(x > middle+7) },
		"divide":    func(x int64) int64 { return x >> 4 },
		"remainder": func(x int64) int64 { return x & 31 },
		"clip":      func(x int64) int64 { return min(max(x, lo+(hi-lo)/5), middle) },
		"linear":    func(x int64) int64 { return 3*x - 5 },
	}
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// checkEnds runs the smallest and the largest value, and random rows.
func checkEnds(r *rand.Rand, h *harness, x *compiler.Node, rows int) {
	h.t.Helper()
	h.check(x.Lo)
	h.check(x.Hi)
	for range rows {
		h.check(randomRow(r, x))
	}
}

// TestWideTables: functions of computed values of 8 to 16 bits, as results.
func TestWideTables(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 1))
	for _, c := range []struct {
		lo, hi int64
		names  []string
	}{
		{0, 255, []string{"random"}},
		{-100, 411, []string{"random", "divide"}},
		{0, 1023, []string{"clip", "greater"}},
		{-2000, 2095, []string{"random", "sqrt", "remainder", "linear"}},
		{-30000, 35535, []string{"random", "sqrt", "greater", "divide", "clip"}},
	} {
		t.Run(fmt.Sprintf("%d..%d", c.lo, c.hi), func(t *testing.T) {
			g := compiler.NewGraph()
			x, z := wideValue(r, g, c.lo, c.hi)
			all := wideFunctions(r, c.lo, c.hi)
			for _, name := range c.names { // all of one value, which is taken apart once
				g.Output(g.Lookup(z, tableOf(z, all[name])))
			}
			h := newHarness(t, g, compiler.CompileOptions{})
			rows := 1
			if long() {
				rows = 40
			}
			checkEnds(r, h, x, rows)
		})
	}
}

// TestWideInside: functions of wide values that other tables take, wide values of two kinds, and what is made of them.
func TestWideInside(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 2))
	for name, build := range map[string]func(g *compiler.Graph) *compiler.Node{
		"table of a table": func(g *compiler.Graph) *compiler.Node {
			x, z := wideValue(r, g, -700, 1347) // 11 bits
			a := g.Lookup(z, compiler.Table{Lo: []int64{z.Lo[0]}, Values: [][]int64{randomArray(r, 0, 700, 2048).Data}})
			b := g.Add(a, g.GetItem(x, 1))
			g.Output(g.Lookup(b, randomTable(r, g.Reshape(b, 1), -100, 100)))
			return x
		},
		"choice by a comparison": func(g *compiler.Graph) *compiler.Node {
			x, z := wideValue(r, g, 0, 4095)
			g.Output(g.Where(g.Greater(z, g.Scalar(1000)), g.GetItem(x, 0), g.GetItem(x, 1)))
			return x
		},
		"maximum of two": func(g *compiler.Graph) *compiler.Node {
			x, z := wideValue(r, g, 0, 1000)
			y := g.Lookup(g.GetItem(x, 2), compiler.Table{Lo: []int64{0}, Values: [][]int64{randomArray(r, 0, 1000, 16).Data}})
			g.Output(g.Maximum(z, y))
			return x
		},
		"rounded": func(g *compiler.Graph) *compiler.Node {
			x, z := wideValue(r, g, -60000, 70000) // 17 bits, of which 13 are left
			a := g.Round(z, 4)
			g.Output(g.Lookup(a, randomTable(r, g.Reshape(a, 1), 0, 60)))
			return x
		},
		"several": func(g *compiler.Graph) *compiler.Node {
			x, z := wideValue(r, g, 0, 511)
			y := g.Subtract(z, g.Multiply(g.GetItem(x, 0), g.Scalar(30)))
			both := g.Concatenate(0, g.Reshape(z, 1), g.Reshape(y, 1))
			a := g.Lookup(both, randomTable(r, both, -100, 100))
			g.Output(g.MatMul(a, g.Constant(compiler.Array{Shape: []int{2, 2}, Data: []int64{3, -1, 2, 5}})))
			return x
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := compiler.NewGraph()
			x := build(g)
			h := newHarness(t, g, compiler.CompileOptions{})
			rows := 1
			if long() {
				rows = 30
			}
			checkEnds(r, h, x, rows)
		})
	}
}

// TestWideInputs: functions of input codes of up to 16 bits, which the client sends bit by bit, and comparisons of two of 12 bits.
func TestWideInputs(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 3))
	for name, build := range map[string]func(g *compiler.Graph) *compiler.Node{
		"functions of 16 bits": func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{1}, []int64{0}, []int64{65535})
			for _, name := range []string{"sqrt", "greater", "divide", "random"} {
				g.Output(g.Lookup(x, tableOf(x, wideFunctions(r, 0, 65535)[name])))
			}
			return x
		},
		"signed": func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{2}, []int64{-300}, []int64{700})
			g.Output(g.Lookup(x, compiler.Table{Lo: []int64{-300}, Values: [][]int64{randomArray(r, -1000, 1000, 1001).Data}}))
			return x
		},
		"choice": func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{2}, []int64{0}, []int64{65535})
			first := g.GetItem(x, 0)
			g.Output(g.Where(g.Greater(first, g.Scalar(1000)), g.Where(g.LessEqual(g.GetItem(x, 1), g.Scalar(40000)), g.Scalar(17), g.Scalar(-4)), g.Scalar(99)))
			g.Output(g.NotEqual(first, g.Scalar(31)))
			return x
		},
		"comparison of two": func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{2}, []int64{0}, []int64{4095})
			g.Output(g.Greater(g.GetItem(x, 0), g.GetItem(x, 1)))
			return x
		},
		"function of a sum": func(g *compiler.Graph) *compiler.Node {
			x := g.Input("x", []int{2}, []int64{0}, []int64{4095})
			z := g.Add(g.GetItem(x, 0), g.GetItem(x, 1))
			g.Output(g.Lookup(z, tableOf(z, wideFunctions(r, 0, 8190)["random"])))
			return x
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := compiler.NewGraph()
			x := build(g)
			h := newHarness(t, g, compiler.CompileOptions{})
			for _, c := range h.circuit.Choices {
				t.Logf("%s: %s", c.Part, c.Lowering)
			}
			rows := 2
			if long() {
				rows = 30
			}
			checkEnds(r, h, x, rows)
		})
	}
}

// TestWideNoise measures results that are digits of turned tables, and results that are sums of extracted bits, against the prediction. A row's noise comes from few
// coefficients, so that rows and not samples are independent.
func TestWideNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 4))
	for _, c := range []struct {
		name  string
		slack float64
	}{{"random", 4}, {"remainder", 8}} {
		g := compiler.NewGraph()
		x, z := wideValue(r, g, 0, 1023)
		g.Output(g.Lookup(z, tableOf(z, wideFunctions(r, 0, 1023)[c.name])))
		h := newHarness(t, g, compiler.CompileOptions{})
		rows := 16
		if long() {
			rows = 300
		}
		got, samples := h.deviation(rows, func() []int64 { return x.Hi }) // all bits are 1
		want := h.circuit.Costs.Log2Noise
		t.Logf("%s: deviation 2^%.2f measured from %d samples, 2^%.2f predicted (ratio %.3f)", c.name, got, samples, want, math.Exp2(got-want))
		if got > want+math.Log2(1.1+5.5/math.Sqrt(2*float64(rows))) || got < want-math.Log2(c.slack) {
			t.Errorf("%s: deviation 2^%.2f measured, 2^%.2f predicted", c.name, got, want)
		}
	}
}
