package tfhe

import (
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// readFixture returns the rows of a file of testdata/noise as maps from column names.
func readFixture(t *testing.T, name string) []map[string]string {
	t.Helper()
	f, err := os.Open("testdata/noise/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, r := range records[1:] {
		row := map[string]string{}
		for i, name := range records[0] {
			row[name] = r[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func fixtureFloat(t *testing.T, row map[string]string, name string) float64 {
	t.Helper()
	x, err := strconv.ParseFloat(row[name], 64)
	if err != nil {
		t.Fatalf("column %s: %v", name, err)
	}
	return x
}

// fixtureShape reads the columns that both parameter fixtures have, and returns a TFHE-rs lookup without its deviations.
func fixtureShape(t *testing.T, row map[string]string) (BootstrapShape, NoiseModel) {
	t.Helper()
	i := func(name string) int { return int(fixtureFloat(t, row, name)) }
	s := BootstrapShape{
		N: i("N"), K: i("k"), Parts: 1, SmallDim: i("n"), SmallModulusLog: 64,
		BR: GadgetParams{BaseLog: i("br_base_log"), Levels: i("br_level")}, KS: GadgetParams{BaseLog: i("ks_base_log"), Levels: i("ks_level")},
	}
	return s, TFHErsNoiseModel(s.N*s.K, s.SmallDim)
}

// TestTFHErsSets reproduces the failure probabilities that TFHE-rs 1.4 publishes for its KS_PBS sets.
func TestTFHErsSets(t *testing.T) {
	rows := readFixture(t, "tfhe_rs_sets.csv")
	if len(rows) != 40 {
		t.Fatalf("%d sets, want 40", len(rows))
	}
	worst := 0.0
	for _, row := range rows {
		s, model := fixtureShape(t, row)
		glwe, lwe, nu := fixtureFloat(t, row, "glwe_std"), fixtureFloat(t, row, "lwe_std"), fixtureFloat(t, row, "norm2")
		s.VarianceGLWE, s.VarianceLWE = glwe*glwe, lwe*lwe
		got := model.Bootstrap(s, int(fixtureFloat(t, row, "bits")), nu*nu, 0)
		diff := math.Abs(got.Log2PFail - fixtureFloat(t, row, "log2_p_fail"))
		worst = math.Max(worst, diff)
		if !(diff <= 0.01) {
			t.Errorf("%s: %.4f, published %s", row["name"], got.Log2PFail, row["log2_p_fail"])
		}
	}
	t.Logf("largest difference %.5f", worst)
}

// TestReferenceOptima reproduces variances and failure probabilities of the optima of an independent search, half of them with an
// uncompensated modulus switch, over two security curves.
func TestReferenceOptima(t *testing.T) {
	rows := readFixture(t, "parameter_search.csv")
	if len(rows) != 384 {
		t.Fatalf("%d optima, want 384", len(rows))
	}
	curve := func(sec string, n int) float64 {
		if sec == "132" {
			return MinLog2Sigma(BinaryKey, n, 1)
		}
		return math.Max(-0.026375*float64(n)-0.265+0.36*math.Log2(float64(n)), -62)
	}
	for i, row := range rows {
		s, model := fixtureShape(t, row)
		s.VarianceGLWE = math.Exp2(2 * curve(row["sec"], s.N*s.K))
		s.VarianceLWE = math.Exp2(2 * curve(row["sec"], s.SmallDim))
		model.CentredModulusSwitch = row["ms"] == "centered"
		nu := fixtureFloat(t, row, "norm2")
		got := model.Bootstrap(s, int(fixtureFloat(t, row, "p")), nu*nu, 0)
		for _, c := range []struct {
			name           string
			got, tolerance float64
		}{
			{"log2_v_ks", math.Log2(got.Ks), 2e-4}, {"log2_v_ms", math.Log2(got.Ms), 2e-4},
			{"log2_v_br", math.Log2(nu * nu * got.Br), 2e-4}, {"log2_pfail_actual", got.Log2PFail, 0.01},
		} {
			if want := fixtureFloat(t, row, c.name); !(math.Abs(c.got-want) <= c.tolerance) {
				t.Errorf("row %d, %s: %.4f, want %.4f", i+2, c.name, c.got, want)
			}
		}
	}
}

// measuredSets are measured parameter sets at N=2048, k=1, block length 4: bits, n, parts, gadgets, predicted log2 p_fail (0: not stated), and
// log2 of the three variances (0: not stated) at the key's mean weight.
var measuredSets = []struct {
	bits, n, parts int
	br, ks         GadgetParams
	pfail          float64
	vbr, vms, vks  float64
}{
	{3, 832, 1, GadgetParams{22, 1}, GadgetParams{3, 4}, -136, -28.9, -20.5, -17.7},
	{4, 884, 1, GadgetParams{22, 1}, GadgetParams{3, 5}, -134, -28.8, -20.4, -20.6},
	{5, 928, 2, GadgetParams{22, 1}, GadgetParams{3, 5}, -133, -28.8, -22.4, -22.6},
	{6, 944, 4, GadgetParams{22, 1}, GadgetParams{2, 8}, -130, -28.7, -24.3, -24.6},
	{7, 1016, 7, GadgetParams{22, 1}, GadgetParams{2, 9}, -129.0, -28.7, -25.9, -28.2},
	{8, 1076, 18, GadgetParams{22, 1}, GadgetParams{2, 10}, -128.9, -28.6, -28.5, -31.2},
	{4, 876, 1, GadgetParams{22, 1}, GadgetParams{3, 4}, -66, -28.8, -20.5, -18.8},
	{5, 892, 2, GadgetParams{22, 1}, GadgetParams{3, 5}, -69, 0, 0, 0},
	{6, 944, 3, GadgetParams{22, 1}, GadgetParams{3, 5}, -64.0, -28.7, -23.5, -23.3},
	{7, 976, 5, GadgetParams{22, 1}, GadgetParams{2, 9}, -64.0, -28.7, -24.9, -26.3},
	{8, 1016, 12, GadgetParams{22, 1}, GadgetParams{2, 9}, -65, -28.7, -27.4, -28.2},
	// Measured output variances of single sets, B = 2^23 and 2^22.
	{4, 948, 1, GadgetParams{23, 1}, GadgetParams{4, 4}, 0, -27.95, -20.44, 0},
	{4, 948, 1, GadgetParams{22, 1}, GadgetParams{4, 4}, 0, -28.75, -20.41, 0},
}

// measuredShape is set i of measuredSets with the deviations of the security rule.
func measuredShape(i int) BootstrapShape {
	set := measuredSets[i]
	return BootstrapShape{
		N: 2048, K: 1, Parts: set.parts, SmallDim: set.n, BR: set.br, KS: set.ks, PrefixKey: true, SmallModulusLog: 32,
		VarianceGLWE: math.Exp2(2 * -46.760), VarianceLWE: math.Exp2(2 * (-0.024891456582633045*float64(set.n) + 2.65734593837534 + 1.56)),
	}
}

func TestBlockBootstrapMeasured(t *testing.T) {
	for i, set := range measuredSets {
		s := measuredShape(i)
		mean := BlockNoiseModel(set.n, 4, float64(set.n)/5, float64(2048-set.n)/2, DefaultFFTVariance)
		got := mean.Bootstrap(s, set.bits, 1, 0)
		for _, c := range []struct {
			name      string
			got, want float64
		}{{"br", got.Br, set.vbr}, {"ks", got.Ks, set.vks}, {"ms", got.Ms, set.vms}} {
			if c.want != 0 && !(math.Abs(math.Log2(c.got)-c.want) < 0.13) {
				t.Errorf("p=%d n=%d: log2 V_%s = %.2f, want %.2f", set.bits, set.n, c.name, math.Log2(c.got), c.want)
			}
		}
		if set.pfail != 0 && !(math.Abs(got.Log2PFail-set.pfail) < 1) {
			t.Errorf("p=%d n=%d: log2 p_fail %.2f, want %.1f", set.bits, set.n, got.Log2PFail, set.pfail)
		}
		worst := WorstBlockNoiseModel(2048, set.n, 4, DefaultFFTVariance).Bootstrap(s, set.bits, 1, 0)
		if worst.Ms <= got.Ms || worst.Br <= got.Br || worst.Log2PFail <= got.Log2PFail || worst.Log2PFail > got.Log2PFail+8 {
			t.Errorf("p=%d n=%d: mean key %+v, heaviest key %+v", set.bits, set.n, got, worst)
		}
	}
}

// TestRotationWithoutKeyNoise isolates rounding and FFT by a key noise of 2^-62, as was measured: block lengths 1, 3 and 4, B = 2^23.
func TestRotationWithoutKeyNoise(t *testing.T) {
	for _, c := range []struct {
		n, l     int
		measured float64
	}{{893, 1, -29.25}, {936, 3, -30.12}, {948, 4, -30.28}} {
		m := BlockNoiseModel(c.n, c.l, float64(c.n)/float64(c.l+1), float64(2048-c.n)/2, DefaultFFTVariance)
		got := math.Log2(m.BlindRotation(BootstrapShape{N: 2048, K: 1, SmallDim: c.n, BR: GadgetParams{23, 1}, VarianceGLWE: 0x1p-124}))
		if math.Abs(got-c.measured) > 0.3 {
			t.Errorf("block length %d: %.2f, measured %.2f", c.l, got, c.measured)
		}
	}
}

// TestModulusSwitchOfOneKey sums the rounding errors' variance over the coordinates of a key instead of over its weight.
func TestModulusSwitchOfOneKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, l := 4*rapid.IntRange(1, 300).Draw(t, "n/4"), rapid.SampledFrom([]int{1, 2, 4}).Draw(t, "block")
		weight := rapid.IntRange(0, n/l).Draw(t, "weight")
		m := rapid.IntRange(1, 32).Draw(t, "parts")
		want := 0.0
		for i := range n {
			s := 0.0
			if i%l == 0 && i/l < weight {
				s = 1
			}
			want += math.Pow(s-1/float64(l+1), 2) / 12
		}
		want /= math.Pow(2*float64(m)*2048, 2)
		model := BlockNoiseModel(n, l, float64(weight), 0, 0)
		if got := ModulusSwitchVariance(n, model.SmallKey, true, 2*float64(m)*2048); math.Abs(got/want-1) > 1e-9 {
			t.Fatalf("variance %g, want %g", got, want)
		}
	})
}

// TestSelectMeasured compares with measured log2 deviations of circuits with fresh GGSW ciphertexts, all bits 1.
func TestSelectMeasured(t *testing.T) {
	const ternary, binary = 2 * 2048. / 3, 2048. / 2
	for _, c := range []struct {
		name             string
		weight, sigma    float64
		g                GadgetParams
		depth, count     int
		measured, within float64
	}{
		{"one tree of depth 6", ternary, -50.1, GadgetParams{17, 1}, 5, 1, -12.26, 0.2},
		{"50 trees of depth 4, one level", ternary, -50.1, GadgetParams{22, 1}, 3, 50, -14.83, 0.3},
		{"50 trees of depth 4, two levels", ternary, -50.1, GadgetParams{12, 2}, 3, 50, -16.94, 0.3},
		{"neuron, one level", ternary, -50.1, GadgetParams{23, 1}, 100, 1, -16.06, 0.15},
		{"neuron, two levels", ternary, -50.1, GadgetParams{14, 2}, 100, 1, -21.27, 0.15},
		{"neuron, two levels, 120 CMUX", ternary, -50.1, GadgetParams{14, 2}, 120, 1, -21.27, 0.3},
		{"neuron, binary key", binary, -48.3, GadgetParams{16, 2}, 100, 1, -23.6, 0.15},
	} {
		noise := FreshSelect(2048, 1, c.weight, c.sigma)
		noise.FFTVariance = 0x1p-106 // of the transform that these were measured with
		got := math.Log2(noise.Paths(c.g, c.depth, c.count)) / 2
		if math.Abs(got-c.measured) > c.within {
			t.Errorf("%s: %.2f, measured %.2f", c.name, got, c.measured)
		}
	}
	// A noiseless key leaves the FFT's error: 2^-21.71 for one CMUX of one level of 22 bits and a binary key, bit 0.
	s := SelectNoise{N: 2048, K: 1, KeyWeight: binary, FFTVariance: 0x1p-106}
	if got := math.Log2(s.ExternalProduct(GadgetParams{22, 1})) / 2; math.Abs(got+21.71) > 0.3 {
		t.Errorf("FFT's error %.2f, measured -21.71", got)
	}
	s.SplitMask = true
	if got := math.Log2(s.ExternalProduct(GadgetParams{22, 1})) / 2; math.Abs(got+21.71+5) > 0.3 {
		t.Errorf("FFT's error with a split mask %.2f, want 5 bits less than -21.71", got)
	}
}

func TestLog2Erfc(t *testing.T) {
	for _, row := range readFixture(t, "log2_erfc.csv") {
		x, want := fixtureFloat(t, row, "x"), fixtureFloat(t, row, "log2_erfc")
		// exp(-x^2) turns a rounding error of x into one of 2x^2 of it, hence the relative bound.
		if got := Log2PFailGap(x, 0.5); math.Abs(got-want) > 1e-12*math.Max(math.Abs(want), 1) {
			t.Errorf("log2 erfc(%v) = %v, want %v", x, got, want)
		}
	}
	for _, c := range []struct{ gap, v, want float64 }{
		{1, 0, math.Inf(-1)}, {0, 1, 0}, {-1, 1, 0}, {1, math.Inf(1), 0}, {math.Inf(1), 1, math.Inf(-1)}, {math.NaN(), 1, math.NaN()}, {1, math.NaN(), math.NaN()},
	} {
		if got := Log2PFailGap(c.gap, c.v); got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("gap %v, variance %v: %v, want %v", c.gap, c.v, got, c.want)
		}
	}
}

func TestMaxVariance(t *testing.T) {
	// kappa = sqrt 2 erfc^-1(p), from tables.
	for _, c := range []struct{ log2p, kappa float64 }{{-40, 7.14355}, {-64, 9.15529}, {-128, 13.10863}} {
		if got := math.Exp2(-6) / math.Sqrt(MaxVariance(4, c.log2p)); math.Abs(got-c.kappa) > 1e-5 {
			t.Errorf("2^%g: kappa %.6f, want %.5f", c.log2p, got, c.kappa)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		bits, log2p := rapid.IntRange(1, 16).Draw(t, "bits"), -rapid.Float64Range(0.01, 5000).Draw(t, "-log2p")
		v := MaxVariance(bits, log2p)
		if p := Log2PFail(bits, v); p > log2p || p < log2p*(1+1e-9)-1e-9 {
			t.Fatalf("variance %g for 2^%g fails with 2^%g", v, log2p, p)
		}
	})
}

func TestLog2SumExp2(t *testing.T) {
	for _, c := range []struct {
		a    []float64
		want float64
	}{
		{nil, math.Inf(-1)}, {[]float64{-128}, -128}, {[]float64{-5000, -5000}, -4999}, {[]float64{math.Inf(-1), -3}, -3}, {[]float64{0, 1, 2, 0}, 3},
		{[]float64{math.Inf(-1), math.Inf(-1)}, math.Inf(-1)},
	} {
		if got := Log2SumExp2(c.a...); got != c.want {
			t.Errorf("%v: %v, want %v", c.a, got, c.want)
		}
	}
}
