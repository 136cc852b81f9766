package compiler_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// simulatedDeviation is [harness.deviation] of simulated rows.
func simulatedDeviation(t *testing.T, c *compiler.Circuit, rows int, row func() []int64) float64 {
	t.Helper()
	s, err := compiler.NewSimulator(c, compiler.SimulateOptions{Seed: 7, AverageKey: true})
	if err != nil {
		t.Fatal(err)
	}
	sum, count := 0.0, 0
	for range rows {
		if _, _, err := s.Run(row()); err != nil {
			t.Fatal(err)
		}
		for i, phases := range compiler.SimulatedPhases(s) {
			step := uint64(1) << (64 - c.Spec.Items[i].Width)
			for _, x := range phases {
				e := int64((x+step/2)&(step-1)) - int64(step/2)
				sum += math.Ldexp(float64(e), -64) * math.Ldexp(float64(e), -64)
				count++
			}
		}
	}
	return math.Log2(sum/float64(count)) / 2
}

// simulatedCircuits are circuits of every kind of step.
var simulatedCircuits = []struct {
	name  string
	rows  int // encrypted ones, for the deviation of the noise
	how   compiler.Lowering
	build func(r *rand.Rand, g *compiler.Graph) *compiler.Node
}{
	{"packed", 100, compiler.LowerAffine, func(r *rand.Rand, g *compiler.Graph) *compiler.Node {
		x := g.Input("x", []int{30}, []int64{0}, []int64{127})
		g.Output(g.Add(g.MatMul(x, g.Constant(randomArray(r, -500, 1000, 30, 4))), g.Constant(randomArray(r, -500, 1000, 4))))
		return x
	}},
	{"trees", 80, compiler.LowerSelect, func(r *rand.Rand, g *compiler.Graph) *compiler.Node {
		x := g.Input("x", []int{6}, []int64{0}, []int64{12})
		sum := fullTree(r, g, x, 4)
		for range 5 {
			sum = g.Add(sum, fullTree(r, g, x, 4))
		}
		g.Output(sum)
		return x
	}},
	{"stumps", 80, compiler.LowerSelect, func(r *rand.Rand, g *compiler.Graph) *compiler.Node {
		x := g.Input("x", []int{10}, []int64{0}, []int64{12})
		sum := fullTree(r, g, x, 1)
		for range 39 {
			sum = g.Add(sum, fullTree(r, g, x, 1))
		}
		g.Output(sum)
		return x
	}},
	{"oblivious trees", 50, compiler.LowerSelect, func(r *rand.Rand, g *compiler.Graph) *compiler.Node {
		x := g.Input("x", []int{12}, []int64{0}, []int64{12})
		sum := obliviousTree(r, g, randomTests(r, g, x, 6, false), 1, 1<<16)
		for range 5 {
			sum = g.Add(sum, obliviousTree(r, g, randomTests(r, g, x, 6, false), 1, 1<<16))
		}
		g.Output(sum)
		return x
	}},
	{"shared subtrees", 80, compiler.LowerSelect, func(r *rand.Rand, g *compiler.Graph) *compiler.Node {
		x := g.Input("x", []int{20}, []int64{0}, []int64{12})
		shared := fullTree(r, g, x, 4)
		sum := g.Scalar(3)
		for i := range 10 {
			sum = g.Add(sum, g.Where(g.LessEqual(g.GetItem(x, i), g.Scalar(10)), shared, g.Scalar(r.Int64N(1<<16))))
		}
		g.Output(sum)
		return x
	}},
	{"rotate", 30, compiler.LowerRotate, func(r *rand.Rand, g *compiler.Graph) *compiler.Node {
		x := g.Input("x", []int{6}, []int64{0}, []int64{15})
		z := g.MatMul(g.Reshape(g.Bits(x, 4), 24), g.Constant(randomArray(r, -60, 60, 24, 8)))
		g.Output(g.Lookup(z, randomTable(r, z, -1<<12, 1<<12)))
		return x
	}},
	{"lookup", 30, compiler.LowerLookup, func(r *rand.Rand, g *compiler.Graph) *compiler.Node {
		x := g.Input("x", []int{8}, []int64{0}, []int64{3})
		a := g.Lookup(x, randomTable(r, x, 0, 3))
		z := g.MatMul(a, g.Constant(compiler.Array{Shape: []int{8, 2}, Data: []int64{1, 1, 1, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1}}))
		g.Output(g.Lookup(z, randomTable(r, z, 0, 15)))
		return x
	}},
	{"round", 30, compiler.LowerAuto, func(r *rand.Rand, g *compiler.Graph) *compiler.Node {
		x := g.Input("x", []int{4}, []int64{0}, []int64{7})
		a := g.Lookup(g.MatMul(x, g.Constant(randomArray(r, 1, 3, 4, 4))), compiler.Table{Lo: []int64{0}, Values: [][]int64{squaresMod(100, 16)}})
		z := g.Round(g.MatMul(a, g.Constant(randomArray(r, 1, 3, 4, 4))), 3)
		g.Output(g.Lookup(z, randomTable(r, z, 0, 15)))
		return x
	}},
	{"wide", 20, compiler.LowerAuto, func(r *rand.Rand, g *compiler.Graph) *compiler.Node {
		x, z := wideValue(r, g, -100, 411)
		g.Output(g.Lookup(z, randomTable(r, g.Reshape(z, 1), 0, 1<<12)))
		g.Output(g.Lookup(z, tableOf(z, func(v int64) int64 { return v >> 3 })))
		return x
	}},
}

func squaresMod(n, m int64) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i) * int64(i) % m
	}
	return out
}

// TestSimulatedNoise compares the deviation of the results' noise, simulated and encrypted, of random rows: it is what failure follows from. Samples of one row
// are not all independent, and the weight of one key is some hundredths off the average.
func TestSimulatedNoise(t *testing.T) {
	for _, c := range simulatedCircuits {
		for _, prefer := range []compiler.Prefer{compiler.PreferTime, compiler.PreferBalanced} {
			r := rand.New(rand.NewPCG(31, 5))
			g := compiler.NewGraph()
			x := c.build(r, g)
			h := newHarness(t, g, compiler.CompileOptions{Prefer: prefer, Lowering: c.how})
			rows := c.rows
			if long() {
				rows *= 10
			}
			row := func() []int64 { return randomRow(r, x) }
			want, samples := h.deviation(rows, row)
			got := simulatedDeviation(t, h.circuit, 3000, row)
			// Rows are independent, the samples of one may not be: at worst the squared deviation is a chi-square variable of as many degrees.
			chi := distuv.ChiSquared{K: float64(rows)}
			low, high := math.Sqrt(chi.Quantile(1e-8)/chi.K)/1.08, math.Sqrt(chi.Quantile(1-1e-8)/chi.K)*1.08
			t.Logf("%s, %d: deviation 2^%.3f simulated, 2^%.3f encrypted (ratio %.3f, %d samples)", c.name, prefer, got, want, math.Exp2(got-want), samples)
			if ratio := math.Exp2(want - got); ratio > high || ratio < low {
				t.Errorf("%s, %d: deviation 2^%.3f simulated, 2^%.3f encrypted", c.name, prefer, got, want)
			}
		}
	}
}

// TestSimulationExact: at a failure probability of 2^-128 simulated rows are those of the graph.
func TestSimulationExact(t *testing.T) {
	for _, c := range simulatedCircuits {
		r := rand.New(rand.NewPCG(32, 6))
		g := compiler.NewGraph()
		x := c.build(r, g)
		circuit, err := compiler.Compile(g, compiler.CompileOptions{Lowering: c.how})
		if err != nil {
			t.Fatal(err)
		}
		s, err := compiler.NewSimulator(circuit, compiler.SimulateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if wrong := wrongRows(t, g, func() []int64 { return randomRow(r, x) }, 500, simulated(t, s)); wrong > 0 {
			t.Errorf("%s: %d of 500 rows are wrong", c.name, wrong)
		}
	}
}

func simulated(t *testing.T, s *compiler.Simulator) func(x []int64) []int64 {
	return func(x []int64) []int64 {
		t.Helper()
		out, _, err := s.Run(x)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// wrongRows counts the rows for which f is not what the graph gives.
func wrongRows(t *testing.T, g *compiler.Graph, row func() []int64, rows int, f func(x []int64) []int64) (wrong int) {
	t.Helper()
	it, err := compiler.NewInterpreter(g)
	if err != nil {
		t.Fatal(err)
	}
	for range rows {
		x := row()
		want, err := it.Run(map[string][]int64{"x": x})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f(x), slices.Concat(want...)) {
			wrong++
		}
	}
	return wrong
}

// failureRate bounds a rate from below and above by k of n: beyond, one sample in 67 million would have k or more, or k or fewer.
func failureRate(k, n int) (lo, hi float64) {
	const log2Tail = -26
	// P(X <= k) for X binomial falls with the rate.
	atMost := func(k int, rate float64) float64 {
		sum := math.Inf(-1)
		for i := 0; i <= k; i++ {
			a, _ := math.Lgamma(float64(n + 1))
			b, _ := math.Lgamma(float64(i + 1))
			c, _ := math.Lgamma(float64(n - i + 1))
			sum = tfhe.Log2SumExp2(sum, (a-b-c+float64(i)*math.Log(rate)+float64(n-i)*math.Log1p(-rate))*math.Log2E)
		}
		return sum
	}
	bisect := func(above func(rate float64) bool) float64 {
		low, high := 0.0, 1.0
		for range 60 {
			if mid := (low + high) / 2; above(mid) {
				high = mid
			} else {
				low = mid
			}
		}
		return high
	}
	hi = 1
	if k < n {
		hi = bisect(func(rate float64) bool { return atMost(k, rate) < log2Tail })
	}
	if k > 0 { // P(X >= k) = P(n - X <= n - k), and n - X has the rate 1 - rate
		lo = 1 - bisect(func(rate float64) bool { return atMost(n-k, rate) < log2Tail })
	}
	return lo, hi
}

// noisier raises the noise of fresh ciphertexts, which makes parameters no less secure, until a tenth or more of simulated rows go wrong.
func noisier(t *testing.T, c *compiler.Circuit, wrong func(s *compiler.Simulator, rows int) int) {
	t.Helper()
	for ; c.Spec.Params.Log2SigmaGLWE < -10; c.Spec.Params.Log2SigmaGLWE += 0.5 {
		s, err := compiler.NewSimulator(c, compiler.SimulateOptions{Seed: 1, AverageKey: true})
		if err != nil {
			t.Fatal(err)
		}
		if wrong(s, 200) >= 20 {
			return
		}
	}
	t.Fatal("no noise is enough")
}

// TestSimulatedFailures relaxes the failure probability, and then the noise, until rows go wrong every now and then, and compares how many do so encrypted and
// simulated. The rate of the encrypted rows is bounded by an exact test, with one false alarm in four million runs of all circuits; the one key that they have may be lighter or
// heavier than the average, by which the rate differs by up to a fifth with lookups and a tenth without.
func TestSimulatedFailures(t *testing.T) {
	for _, c := range []struct {
		circuit string
		rows    int
		weight  float64
		prefer  compiler.Prefer
	}{
		{"packed", 1000, 0.1, compiler.PreferTime},
		{"trees", 500, 0.1, compiler.PreferTime},
		{"trees", 150, 0.1, compiler.PreferUpload},
		{"oblivious trees", 200, 0.1, compiler.PreferTime},
		{"rotate", 200, 0.1, compiler.PreferTime},
		{"rotate", 80, 0.1, compiler.PreferUpload},
		{"lookup", 120, 0.2, compiler.PreferTime},
		{"round", 60, 0.2, compiler.PreferTime},
	} {
		r := rand.New(rand.NewPCG(33, 7))
		g := compiler.NewGraph()
		var x *compiler.Node
		opts := compiler.CompileOptions{Log2PFail: -3, Prefer: c.prefer}
		for _, s := range simulatedCircuits {
			if s.name == c.circuit {
				x, opts.Lowering = s.build(r, g), s.how
			}
		}
		row := func() []int64 { return randomRow(r, x) }
		circuit, err := compiler.CompileRelaxed(g, opts)
		if err != nil {
			t.Fatal(err)
		}
		noisier(t, circuit, func(s *compiler.Simulator, rows int) int { return wrongRows(t, g, row, rows, simulated(t, s)) })
		h := newHarnessBy(t, g, opts, func(*compiler.Graph, compiler.CompileOptions) (*compiler.Circuit, error) { return circuit, nil })
		s, err := compiler.NewSimulator(circuit, compiler.SimulateOptions{Seed: 2, AverageKey: true})
		if err != nil {
			t.Fatal(err)
		}
		const many = 10000
		rate := float64(wrongRows(t, g, row, many, simulated(t, s))) / many
		rows := c.rows
		if long() {
			rows *= 10
		}
		wrong := wrongRows(t, g, row, rows, func(x []int64) []int64 {
			out, _, err := h.client.Open(h.run(x))
			if err != nil {
				t.Fatal(err)
			}
			return out
		})
		lo, hi := failureRate(wrong, rows)
		t.Logf("%s, %d: %.2f%% of rows wrong simulated, %d of %d encrypted: %.2f%%, between %.2f%% and %.2f%%", c.circuit, c.prefer, 100*rate, wrong, rows,
			100*float64(wrong)/float64(rows), 100*lo, 100*hi)
		if rate*(1+c.weight) < lo || rate*(1-c.weight) > hi {
			t.Errorf("%s, %d: %.2f%% of rows wrong simulated, but %d of %d encrypted", c.circuit, c.prefer, 100*rate, wrong, rows)
		}
	}
}

// BenchmarkSimulate simulates a row of each circuit.
func BenchmarkSimulate(b *testing.B) {
	for _, c := range simulatedCircuits {
		b.Run(c.name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(34, 8))
			g := compiler.NewGraph()
			x := c.build(r, g)
			circuit, err := compiler.Compile(g, compiler.CompileOptions{Lowering: c.how})
			if err != nil {
				b.Fatal(err)
			}
			s, err := compiler.NewSimulator(circuit, compiler.SimulateOptions{})
			if err != nil {
				b.Fatal(err)
			}
			row := randomRow(r, x)
			for b.Loop() {
				if _, _, err := s.Run(row); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
