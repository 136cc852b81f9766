package tfhe

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// estimator132 holds log2 sigma for 132 bits by the unmodified lattice estimator (27a581b, cheapest of usvp, bdd and dual hybrid): dimension,
// binary, ternary.
var estimator132 = [][3]float64{
	{450, -8.592, -9.779}, {500, -9.830, -11.045}, {550, -11.066, -12.277}, {600, -12.277, -13.531}, {650, -13.524, -14.795},
	{700, -14.784, -16.031}, {750, -16.009, -17.300}, {800, -17.280, -18.541}, {850, -18.516, -19.819}, {900, -19.746, -21.060},
	{950, -21.029, -22.303}, {1000, -22.269, -23.592}, {1024, -22.858, -24.192}, {1100, -24.800, -26.085}, {1200, -27.284, -28.632},
	{1536, -35.802, -37.094}, {2048, -48.773, -50.101},
}

func TestMinLog2SigmaAgainstEstimator(t *testing.T) {
	for _, row := range estimator132 {
		n := int(row[0])
		// 0.002 is the 131.95 bits of the line at dimension 750.
		if got := MinLog2Sigma(BinaryKey, n, 1); got < row[1]-0.0025 || got > row[1]+0.46 {
			t.Errorf("binary, n=%d: %.4f, estimator %.3f", n, got, row[1])
		}
		if got := MinLog2Sigma(TernaryKey, n, 0); got < row[2] || got > row[2]+0.06 {
			t.Errorf("ternary, n=%d: %.4f, estimator %.3f", n, got, row[2])
		}
	}
}

func TestMinLog2SigmaKnownValues(t *testing.T) {
	for _, c := range []struct {
		dist    KeyDistribution
		dim, bl int
		want    float64
	}{
		// The deviations of published sets, and of those in use here.
		{BinaryKey, 2048, 1, math.Log2(2.845267479601915e-15)},
		{BinaryKey, 866, 1, math.Log2(2.046151696979124e-06)},
		{BinaryKey, 4096, 1, -62},
		{TernaryKey, 4096, 1, -62},
		{TernaryKey, 2048, 1, -50.1},
		{TernaryKey, 2560, 1, -61.0648},
		{BlockPrefixKey, 2048, 4, -46.760},
		{BlockPrefixKey, 1536, 4, -34.016},
		{BlockBinaryKey, 884, 4, -17.787},
		{BlockBinaryKey, 1016, 4, -21.072},
		{BlockBinaryKey, 936, 3, -19.5111},
		{BlockBinaryKey, 800, 2, -16.6858},
	} {
		if got := MinLog2Sigma(c.dist, c.dim, c.bl); math.Abs(got-c.want) > 1e-3 {
			t.Errorf("%v dim %d block %d: %.5f, want %.5f", c.dist, c.dim, c.bl, got, c.want)
		}
	}
}

func TestCheckSecurity(t *testing.T) {
	for _, c := range []struct {
		dist    KeyDistribution
		dim, bl int
		sigma   float64
		want    string // part of the error, empty if accepted
	}{
		{BinaryKey, 866, 1, -18.898, ""},
		{BinaryKey, 866, 1, -19.0, "0.1013 too low"},
		{BinaryKey, 449, 1, -1, "at least 450"},
		{BinaryKey, 1 << 17, 1, -62, "above 65536"},
		{BinaryKey, 866, 2, -10, "no blocks"},
		{BinaryKey, 866, 0, math.NaN(), "not a number"},
		{BinaryKey, 866, 0, 0, "covers the torus"},
		{TernaryKey, 2048, 1, -50.1, ""},
		{TernaryKey, 2048, 1, -50.11, "0.0100 too low"},
		{BlockBinaryKey, 740, 4, -14.2, ""},
		{BlockBinaryKey, 736, 4, -10, "at least 740 for 128 bits, but has 736 (4 too few)"},
		{BlockBinaryKey, 741, 4, -10, "not a multiple"},
		{BlockBinaryKey, 717, 3, -10, "at least 720"},
		{BlockBinaryKey, 698, 2, -10, "at least 700"},
		{BlockBinaryKey, 1204, 4, -10, "4 above 1200"},
		{BlockBinaryKey, 2048, 4, -46.76, "is a block-prefix key"},
		{BlockBinaryKey, 1050, 7, -10, "block length 7"},
		{BlockPrefixKey, 2048, 4, -46.7601, ""},
		{BlockPrefixKey, 2048, 4, -48.3, "too low"},
		{BlockPrefixKey, 512, 4, -5, "at least 1024"},
		{BlockBinaryKey, 0, 4, -5, "does not exist"},
		{KeyDistribution(9), 800, 1, -5, "unknown"},
		// tfhe-go's published sets stay below 128 bits and have to be refused.
		{BlockBinaryKey, 687, 3, -15.525, "at least 720"},
		{BlockBinaryKey, 820, 4, -18.6, "too low"},
		{BlockPrefixKey, 2048, 4, -52, "too low"},
	} {
		err := CheckSecurity(c.dist, c.dim, c.bl, c.sigma)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v dim %d block %d sigma %v: %v, want %q", c.dist, c.dim, c.bl, c.sigma, err, c.want)
		}
		if bits := SecurityBits(c.dist, c.dim, c.bl, c.sigma); bits != 128 && bits != 0 || (bits == 128) != (err == nil) {
			t.Errorf("%v dim %d: %d bits beside error %v", c.dist, c.dim, bits, err)
		}
	}
}

func TestSecurityRuleProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dist := KeyDistribution(rapid.IntRange(0, 3).Draw(t, "dist"))
		bl := 1
		if dist == BlockBinaryKey || dist == BlockPrefixKey {
			bl = rapid.IntRange(1, 4).Draw(t, "block")
		}
		dim := rapid.IntRange(38, 600).Draw(t, "dim/12") * 12
		least := MinLog2Sigma(dist, dim, bl)
		if more := MinLog2Sigma(dist, dim+12, bl); more > least {
			t.Fatalf("noise grows with the dimension: %v at %d, %v at %d", least, dim, more, dim+12)
		}
		if b := MinLog2Sigma(BinaryKey, dim, 1); dist == TernaryKey && least > b || dist != TernaryKey && least < b {
			t.Fatalf("%v at %d: %v on the wrong side of the binary rule's %v", dist, dim, least, b)
		}
		if CheckSecurity(dist, dim, bl, least) == nil {
			if err := CheckSecurity(dist, dim, bl, math.Log2(math.Exp2(least))); err != nil {
				t.Fatalf("refused after a round trip: %v", err)
			}
			if CheckSecurity(dist, dim, bl, least-0.001) == nil {
				t.Fatal("accepted below the line")
			}
		}
	})
}

func TestMinLog2SigmaPanics(t *testing.T) {
	defer func() {
		if s, _ := recover().(string); !strings.HasPrefix(s, "tfhe: ") {
			t.Errorf("panic value %q", s)
		}
	}()
	MinLog2Sigma(BlockBinaryKey, 800, 5)
}

// TestWorstWeights compares with the exact distribution: the weight of n/l blocks is binomial, that of a ternary key too.
func TestWorstWeights(t *testing.T) {
	above := func(n int, p float64, w int) float64 {
		sum := 0.0
		for i := w + 1; i <= n; i++ {
			a, _ := math.Lgamma(float64(n + 1))
			b, _ := math.Lgamma(float64(i + 1))
			c, _ := math.Lgamma(float64(n - i + 1))
			sum += math.Exp(a - b - c + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
		}
		return sum
	}
	for _, c := range []struct{ n, l, want int }{{884, 4, 188}, {1200, 4, 253}, {740, 4, 158}, {936, 3, 249}, {1164, 1, 616}, {0, 4, 0}} {
		w := WorstBlockWeight(c.n, c.l)
		if w != float64(c.want) {
			t.Errorf("n=%d l=%d: %v, want %d", c.n, c.l, w, c.want)
		}
		// A Gaussian exceeds two deviations with probability 0.0228.
		if p := above(c.n/c.l, float64(c.l)/float64(c.l+1), int(w)); c.n > 0 && (p < 0.012 || p > 0.03) {
			t.Errorf("n=%d l=%d: redrawn with probability %.4f", c.n, c.l, p)
		}
	}
	// 884/5 + 1164/2 + 2 sqrt(884/25 + 1164/4).
	if w := WorstBlockPrefixWeight(2048, 884, 4); w != 794 {
		t.Errorf("key of 2048 coordinates with prefix 884: %v, want 794", w)
	}
	if p := above(2048, 2./3, int(WorstTernaryWeight(2048))); p < 0.012 || p > 0.03 {
		t.Errorf("ternary key redrawn with probability %.4f", p)
	}
}
