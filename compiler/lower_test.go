package compiler_test

import (
	"errors"
	"math"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// seeded returns a generator that rapid's choices decide and shrink.
func seeded(t *rapid.T) *rand.Rand {
	return rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
}

// randomTable is a table over the bounds of a, one row for each element.
func randomTable(r *rand.Rand, a *compiler.Node, lo, hi int64) compiler.Table {
	var t compiler.Table
	for i := range a.Size() {
		t.Lo = append(t.Lo, a.Lo[i])
		t.Values = append(t.Values, randomArray(r, lo, hi, int(a.Hi[i]-a.Lo[i]+1)).Data)
	}
	return t
}

// predicate is a random test of one code, in every way that a graph can write one.
func predicate(r *rand.Rand, g *compiler.Graph, x *compiler.Node) *compiler.Node {
	f := r.IntN(x.Size())
	code := g.GetItem(x, f)
	c := g.Scalar(x.Lo[f] - 1 + r.Int64N(x.Hi[f]-x.Lo[f]+3)) // tests that are always true or false too
	switch r.IntN(8) {
	case 0:
		return g.LessEqual(code, c)
	case 1:
		return g.Less(code, c)
	case 2:
		return g.Greater(code, c)
	case 3:
		return g.GreaterEqual(code, c)
	case 4:
		return g.Equal(code, c)
	case 5:
		return g.NotEqual(code, c)
	case 6: // a missing value is the last code: it goes with the values up to a threshold
		table := randomTable(r, code, 0, 0)
		t := r.IntN(len(table.Values[0]))
		for v := range table.Values[0] {
			if v <= t || v == len(table.Values[0])-1 {
				table.Values[0][v] = 1
			}
		}
		return g.Lookup(code, table)
	}
	return g.Lookup(code, randomTable(r, code, 0, 1))
}

// diagram is a random decision diagram: subtrees are shared now and then.
func diagram(r *rand.Rand, g *compiler.Graph, x *compiler.Node, depth, outputs int, made *[]*compiler.Node) *compiler.Node {
	if len(*made) > 0 && r.IntN(5) == 0 {
		return (*made)[r.IntN(len(*made))]
	}
	if depth == 0 || r.IntN(8) == 0 {
		return g.Constant(randomArray(r, -1<<r.IntN(20), 1<<r.IntN(20), outputs))
	}
	n := g.Where(predicate(r, g, x), diagram(r, g, x, depth-1, outputs, made), diagram(r, g, x, depth-1, outputs, made))
	*made = append(*made, n)
	return n
}

// unsigned is the binary digits of all codes, each shifted to start at zero, and their number.
func unsigned(g *compiler.Graph, x *compiler.Node) (*compiler.Node, int) {
	n := 1
	for i := range x.Lo {
		n = max(n, bits.Len64(uint64(x.Hi[i]-x.Lo[i])))
	}
	shifted := g.Subtract(x, g.Constant(compiler.Array{Shape: x.Shape, Data: x.Lo}))
	return g.Reshape(g.Bits(shifted, n), x.Size()*n), x.Size() * n
}

// part is a random value of the given number of results that has a form without bootstraps.
func part(r *rand.Rand, g *compiler.Graph, x *compiler.Node, outputs int) *compiler.Node {
	mix := func(a *compiler.Node) *compiler.Node {
		return g.MatMul(a, g.Constant(randomArray(r, -9, 9, a.Size(), outputs)))
	}
	switch r.IntN(6) {
	case 0: // linear
		return g.Add(g.MatMul(x, g.Constant(randomArray(r, -1000, 1000, x.Size(), outputs))), g.Constant(randomArray(r, -1<<20, 1<<20, outputs)))
	case 1: // trees
		var made []*compiler.Node
		sum := diagram(r, g, x, 4, outputs, &made)
		for range r.IntN(4) {
			sum = g.Subtract(g.Multiply(sum, g.Scalar(1+r.Int64N(2))), diagram(r, g, x, 3, outputs, &made))
		}
		return sum
	case 2: // first layer
		b, n := unsigned(g, x)
		w := max(1, 1000/int64(n))
		units := 1 + r.IntN(4)
		z := g.Add(g.MatMul(b, g.Constant(randomArray(r, -w, w, n, units))), g.Constant(randomArray(r, -99, 99, units)))
		return mix(g.Lookup(z, randomTable(r, z, -1<<r.IntN(14), 1<<r.IntN(14))))
	case 3: // a table of a sum of codes
		z := g.Add(g.Multiply(g.GetItem(x, r.IntN(x.Size())), g.Scalar(1+r.Int64N(4))), g.Multiply(g.GetItem(x, r.IntN(x.Size())), g.Scalar(-2+r.Int64N(5))))
		return mix(g.Reshape(g.Lookup(z, randomTable(r, z, -500, 500)), 1))
	case 4: // tables of codes
		return mix(g.Lookup(x, randomTable(r, x, -500, 500)))
	}
	return g.Constant(randomArray(r, -9, 9, outputs))
}

// drawInput declares codes with bounds of all kinds, among them constants and signed ones.
func drawInput(r *rand.Rand, g *compiler.Graph, most int64) *compiler.Node {
	f := 1 + r.IntN(5)
	lo, hi := make([]int64, f), make([]int64, f)
	for i := range lo {
		if r.IntN(2) == 0 {
			lo[i] = -60 + r.Int64N(120)
		}
		hi[i] = lo[i] + r.Int64N(most)
	}
	return g.Input("x", []int{f}, lo, hi)
}

// TestEncryptedProperties holds encrypted runs of random mixed circuits to the graph's own run on clear integers.
func TestEncryptedProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := seeded(t)
		g := compiler.NewGraph()
		x := drawInput(r, g, 1<<(1+r.IntN(7)))
		for range 1 + r.IntN(2) {
			outputs := 1 + r.IntN(3)
			sum := part(r, g, x, outputs)
			for range r.IntN(3) {
				sum = g.Add(sum, part(r, g, x, outputs))
			}
			g.Output(sum)
		}
		prefer := []compiler.Prefer{compiler.PreferBalanced, compiler.PreferTime, compiler.PreferUpload}[r.IntN(3)]
		h := newHarness(t, g, compiler.CompileOptions{Prefer: prefer, Log2PFail: []float64{0, -40, -64, -128}[r.IntN(4)]})
		h.check(x.Lo)
		h.check(x.Hi)
		for range 2 {
			h.check(randomRow(r, x))
		}
		if h.noise > 0.9 {
			t.Fatalf("noise is at %.2f of the gap", h.noise)
		}
	})
}

// small puts a computed vector into the range of a table of a computed value by a round.
func small(g *compiler.Graph, z *compiler.Node) *compiler.Node {
	for d := 1; ; d++ {
		r := z
		if d > 1 {
			r = g.Round(z, d-1)
		}
		fits := true
		for i := range r.Lo {
			fits = fits && r.Hi[i]-r.Lo[i] < 32
		}
		if fits {
			return r
		}
	}
}

// TestEncryptedLookupProperties does the same with tables of computed values.
func TestEncryptedLookupProperties(t *testing.T) {
	checks := 2
	if long() {
		checks = 12
	}
	for i := range checks {
		r := rand.New(rand.NewPCG(uint64(i), 77))
		g := compiler.NewGraph()
		x := drawInput(r, g, 16)
		units := 1 + r.IntN(3)
		b, n := unsigned(g, x)
		z := g.MatMul(b, g.Constant(randomArray(r, -20, 20, n, units)))
		a := g.Lookup(z, randomTable(r, z, -15, 16))
		z2 := small(g, g.Add(g.MatMul(a, g.Constant(randomArray(r, -3, 3, units, 3))), g.Constant(randomArray(r, -9, 9, 3))))
		a2 := g.Lookup(z2, randomTable(r, z2, -31, 31))
		sum := g.MatMul(a2, g.Constant(randomArray(r, -99, 99, 3, 2)))
		for range r.IntN(3) {
			sum = g.Add(sum, part(r, g, x, 2))
		}
		g.Output(sum)
		if r.IntN(2) == 0 {
			g.Output(a2) // read as it is, too
		}
		h := newHarness(t, g, compiler.CompileOptions{Log2PFail: []float64{-40, -128}[i%2], Prefer: preferences[i%3]})
		for range 2 {
			h.check(randomRow(r, x))
		}
	}
}

// TestEncryptedMixedVectors looks up vectors whose elements were rounded by different numbers of bits, or not at all, or come from inputs and
// from computed values.
func TestEncryptedMixedVectors(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 78))
	g := compiler.NewGraph()
	x := g.Input("x", []int{2}, []int64{0}, []int64{7})
	z := g.Reshape(g.Lookup(g.Add(g.GetItem(x, 0), g.GetItem(x, 1)), randomTable(r, g.Add(g.GetItem(x, 0), g.GetItem(x, 1)), 0, 15)), 1)
	w := g.Lookup(x, randomTable(r, x, 0, 15))
	wide := g.Reshape(g.Add(g.Multiply(z, g.Scalar(3)), g.GetItem(w, 0)), 1)
	all := g.Concatenate(0, g.Round(wide, 2), g.Add(z, g.Scalar(2)), g.Round(g.Add(wide, g.Scalar(1)), 1), x)
	g.Output(g.Lookup(all, randomTable(r, all, -31, 31)))
	h := newHarness(t, g, compiler.CompileOptions{Log2PFail: -40})
	for range 3 {
		h.check(randomRow(r, x))
	}
}

// TestEncryptedWideTables has tables of 46 bits: they are read in digits.
func TestEncryptedWideTables(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 84))
	g := compiler.NewGraph()
	x := g.Input("x", []int{2}, []int64{0}, []int64{3})
	z := g.MatMul(x, g.Constant(randomArray(r, -4, 4, 2, 4)))
	g.Output(g.MatMul(g.Lookup(z, randomTable(r, z, -1<<45, 1<<45)), g.Constant(randomArray(r, -3, 3, 4, 2))))
	h := newHarness(t, g, compiler.CompileOptions{})
	for range 3 {
		h.check(randomRow(r, x))
	}
}

// TestEncryptedBits returns client bits themselves and sums of them, alone and beside trees; a code of two values is a condition as it is.
func TestEncryptedBits(t *testing.T) {
	g := compiler.NewGraph()
	x := g.Input("x", []int{3}, []int64{0, 3, 0}, []int64{1, 4, 7})
	g.Output(g.Bits(g.GetItem(x, 2), 3))
	g.Output(g.LessEqual(g.GetItem(x, 2), g.Scalar(4)))
	g.Output(g.Add(g.Multiply(g.Greater(g.GetItem(x, 1), g.Scalar(3)), g.Scalar(-7)), g.Where(g.GetItem(x, 0), g.Scalar(10), g.Scalar(20))))
	g.Output(g.Where(g.Subtract(g.GetItem(x, 1), g.Scalar(3)), g.Scalar(100), g.Scalar(200)))
	h := newHarness(t, g, compiler.CompileOptions{})
	for _, row := range [][]int64{{0, 3, 0}, {1, 4, 7}, {0, 4, 5}, {1, 3, 4}} {
		h.check(row)
	}
}

func TestEncryptedConstants(t *testing.T) {
	for _, prefer := range []compiler.Prefer{compiler.PreferBalanced, compiler.PreferUpload} {
		g := compiler.NewGraph()
		g.Input("x", []int{3}, []int64{0}, []int64{7}) // not used at all
		g.Output(g.Constant(compiler.Array{Shape: []int{2}, Data: []int64{5, -70000}}))
		h := newHarness(t, g, compiler.CompileOptions{Prefer: prefer})
		h.check([]int64{1, 2, 3})

		g = compiler.NewGraph()
		x := g.Input("x", []int{3}, []int64{0}, []int64{7})
		g.Output(g.Scalar(12))
		g.Output(g.Multiply(g.GetItem(x, 1), g.Scalar(-3)))
		g.Output(g.Scalar(0))
		g.Output(g.Where(g.LessEqual(g.GetItem(x, 2), g.Scalar(3)), g.Scalar(4), g.Scalar(9)))
		g.Output(g.Scalar(-1 << 40))
		h = newHarness(t, g, compiler.CompileOptions{Prefer: prefer})
		h.check([]int64{1, 2, 3})
		h.check([]int64{7, 7, 7})
	}
}

// TestEncryptedTableRange uses all 2048 entries of a rotated table, from the first to the last.
func TestEncryptedTableRange(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 79))
	for _, start := range []int64{0, -2047, -1000} {
		g := compiler.NewGraph()
		x := g.Input("x", []int{11}, []int64{0}, []int64{1})
		weights := compiler.Array{Shape: []int{11, 2}, Data: make([]int64, 22)}
		for i := range 11 {
			weights.Data[2*i] = 1 << i
			weights.Data[2*i+1] = -(1 << i)
		}
		z := g.Add(g.MatMul(g.Reshape(g.Bits(x, 1), 11), g.Constant(weights)), g.Scalar(start))
		g.Output(g.Lookup(z, randomTable(r, z, -1<<20, 1<<20)))
		h := newHarness(t, g, compiler.CompileOptions{})
		h.check(x.Lo)
		h.check(x.Hi)
		for range 4 {
			h.check(randomRow(r, x))
		}
	}
}

// TestEncryptedManyThresholds compares one 7-bit code with all of its 127 thresholds.
func TestEncryptedManyThresholds(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 80))
	g := compiler.NewGraph()
	x := g.Input("x", []int{1}, []int64{0}, []int64{127})
	var split func(lo, hi int64) *compiler.Node
	split = func(lo, hi int64) *compiler.Node { // a leaf for each code
		if lo == hi {
			return g.Scalar(r.Int64N(1 << 16))
		}
		m := (lo + hi) / 2
		return g.Where(g.LessEqual(g.GetItem(x, 0), g.Scalar(m)), split(lo, m), split(m+1, hi))
	}
	g.Output(split(0, 127))
	for how, selectors := range map[compiler.Lowering]int{compiler.LowerSelect: 127, compiler.LowerRotate: 7} {
		h := newHarness(t, g, compiler.CompileOptions{Lowering: how})
		if n := len(h.circuit.Spec.Selectors); n != selectors {
			t.Errorf("%s: %d selectors", how, n)
		}
		for _, v := range []int64{0, 1, 62, 63, 64, 65, 126, 127} {
			h.check([]int64{v})
		}
	}
}

// TestEncryptedManyOutputs gives 300 results by trees and by one and by several packed products.
func TestEncryptedManyOutputs(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 81))
	g := compiler.NewGraph()
	x := g.Input("x", []int{40}, []int64{0}, []int64{63})
	g.Output(g.MatMul(x, g.Constant(randomArray(r, -50, 50, 40, 300))))
	h := newHarness(t, g, compiler.CompileOptions{})
	h.check(randomRow(r, x))

	g = compiler.NewGraph()
	x = g.Input("x", []int{5}, []int64{0}, []int64{12})
	g.Output(g.Add(randomTree(r, g, x, 3, 300), randomTree(r, g, x, 3, 300)))
	h = newHarness(t, g, compiler.CompileOptions{})
	h.check(randomRow(r, x))
	h.check(randomRow(r, x))
}

// TestCompileOptions checks that every option compiles, that the failure probability is obeyed, and that each preference is the best at what it prefers.
func TestCompileOptions(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 82))
	graphs := map[string]func(g *compiler.Graph){
		"linear": func(g *compiler.Graph) {
			x := g.Input("x", []int{30}, []int64{0}, []int64{127})
			g.Output(g.MatMul(x, g.Constant(randomArray(r, -1<<13, 1<<13, 30, 2))))
		},
		"trees": func(g *compiler.Graph) {
			x := g.Input("x", []int{5}, []int64{0}, []int64{12})
			g.Output(g.Add(randomTree(r, g, x, 6, 3), randomTree(r, g, x, 6, 3)))
		},
		"layer": func(g *compiler.Graph) {
			x := g.Input("x", []int{6}, []int64{0}, []int64{15})
			z := g.MatMul(g.Reshape(g.Bits(x, 4), 24), g.Constant(randomArray(r, -60, 60, 24, 5)))
			g.Output(g.SumAll(g.Lookup(z, randomTable(r, z, -1<<16, 1<<16))))
		},
		"deep": func(g *compiler.Graph) {
			x := g.Input("x", []int{4}, []int64{0}, []int64{15})
			z := g.MatMul(g.Reshape(g.Bits(x, 4), 16), g.Constant(randomArray(r, -20, 20, 16, 3)))
			z2 := small(g, g.MatMul(g.Lookup(z, randomTable(r, z, 0, 15)), g.Constant(randomArray(r, -3, 3, 3, 2))))
			g.Output(g.Lookup(z2, randomTable(r, z2, -31, 31)))
		},
	}
	for name, build := range graphs {
		g := compiler.NewGraph()
		build(g)
		for _, log2 := range []float64{-40, -64, -128} {
			if name == "deep" && log2 == -64 && !long() {
				continue // a search with bootstraps takes a second
			}
			var circuits []*compiler.Circuit
			for _, prefer := range []compiler.Prefer{compiler.PreferTime, compiler.PreferUpload, compiler.PreferBalanced} {
				c, err := compiler.Compile(g, compiler.CompileOptions{Log2PFail: log2, Prefer: prefer})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if p := c.Spec.Log2PFail; !(p <= log2) || math.IsInf(p, -1) {
					t.Errorf("%s: failure probability 2^%g for 2^%g", name, p, log2)
				}
				circuits = append(circuits, c)
			}
			if circuits[0].Costs.EstimatedMs > circuits[1].Costs.EstimatedMs || circuits[0].Costs.EstimatedMs > circuits[2].Costs.EstimatedMs {
				t.Errorf("%s: prefer time takes longer than another preference", name)
			}
			if a := circuits[1].Spec.RequestBytes(); a > circuits[0].Spec.RequestBytes() || a > circuits[2].Spec.RequestBytes() {
				t.Errorf("%s: prefer upload sends more than another preference", name)
			}
		}
	}
	g := compiler.NewGraph()
	graphs["linear"](g)
	for _, log2 := range []float64{-10, -300, 3, math.NaN(), math.Inf(-1)} {
		if _, err := compiler.Compile(g, compiler.CompileOptions{Log2PFail: log2}); err == nil {
			t.Errorf("failure probability 2^%g is accepted", log2)
		}
	}
}

// TestLowerErrors checks that graphs without an encrypted form are refused by one line that names the node.
func TestLowerErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 83))
	input := func(g *compiler.Graph) *compiler.Node { return g.Input("x", []int{4}, []int64{0}, []int64{63}) }
	computed := func(g *compiler.Graph, x *compiler.Node) *compiler.Node {
		return g.Lookup(x, randomTable(r, x, 0, 31))
	}
	for name, c := range map[string]struct {
		op    compiler.Op
		build func(g *compiler.Graph)
	}{
		"too wide a where": {compiler.OpWhere, func(g *compiler.Graph) {
			a := computed(g, input(g))
			wide := g.Multiply(g.GetItem(a, 2), g.Scalar(1<<12))
			g.Output(g.Where(g.LessEqual(g.Add(g.GetItem(a, 0), g.GetItem(a, 1)), g.Scalar(9)), wide, g.GetItem(a, 3)))
		}},
		"too wide a rotated table": {compiler.OpLookup, func(g *compiler.Graph) {
			x := input(g)
			z := g.MatMul(x, g.Constant(randomArray(r, 2000, 3000, 4)))
			g.Output(g.Lookup(z, randomTable(r, z, 0, 9)))
		}},
		"too wide a table of a computed value": {compiler.OpLookup, func(g *compiler.Graph) {
			x := input(g)
			z := g.MatMul(computed(g, x), g.Constant(randomArray(r, 1000, 1900, 4)))
			g.Output(g.Lookup(z, randomTable(r, z, 0, 9)))
		}},
		"bits of a wide code": {compiler.OpBits, func(g *compiler.Graph) {
			g.Output(g.Bits(g.Input("x", []int{1}, []int64{0}, []int64{1<<17 - 1}), 17))
		}},
	} {
		g := compiler.NewGraph()
		c.build(g)
		if err := g.Verify(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err := compiler.Compile(g, compiler.CompileOptions{})
		var le *compiler.LowerError
		switch {
		case err == nil:
			t.Errorf("%s: no error", name)
		case !errors.As(err, &le):
			t.Errorf("%s: not a LowerError: %v", name, err)
		case le.Op != c.op || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "compiler: node %"):
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := compiler.Compile(compiler.NewGraph(), compiler.CompileOptions{}); err == nil {
		t.Error("a graph without outputs is compiled")
	}
}
