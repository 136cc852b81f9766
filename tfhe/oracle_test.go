package tfhe

import (
	"context"
	"fmt"
	"math"
	"os"
	"sync"
	"testing"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/fft"
)

// The oracles of this package's tests: wrapping schoolbook arithmetic, exact statistics, and parameter sets with their keys.

// schoolbook adds a*s mod (2^64, X^N+1) to dst by the definition.
func schoolbook(dst, a []uint64, s []int64) {
	n := len(a)
	for j, v := range s {
		if v == 0 {
			continue
		}
		u := uint64(v)
		for i, w := range a[:n-j] {
			dst[i+j] += w * u
		}
		for i, w := range a[n-j:] {
			dst[i] -= w * u
		}
	}
}

// schoolbookPhase returns body - sum_i mask_i s_i.
func schoolbookPhase(sk *SecretKey, mask, body []uint64) []uint64 {
	n := len(body)
	phase := make([]uint64, n)
	for i := range len(mask) / n {
		schoolbook(phase, mask[i*n:(i+1)*n], sk.coeffs()[i*n:(i+1)*n])
	}
	for i, b := range body {
		phase[i] = b - phase[i]
	}
	return phase
}

// lwePhase returns body - <mask, s>.
func lwePhase(sk *SecretKey, mask []uint64, body uint64) uint64 {
	for i, a := range mask {
		body -= a * uint64(sk.coeffs()[i])
	}
	return body
}

// torus returns a word as a real number in [-1/2, 1/2).
func torus(x uint64) float64 { return float64(int64(x)) * 0x1p-64 }

// moments accumulates a mean and a variance.
type moments struct{ n, sum, squares float64 }

func (m *moments) add(x float64) {
	m.n++
	m.sum += x
	m.squares += float64(x * x)
}

func (m *moments) addDifference(x, y []uint64) {
	for i := range x {
		m.add(torus(x[i] - y[i]))
	}
}

func (m *moments) mean() float64 { return m.sum / m.n }

// variance about zero: every error of this package is meant to have no mean, and a mean must count.
func (m *moments) variance() float64 { return m.squares / m.n }

// fftLow is the least ratio of deviations where the FFT's own error decides: its constant (NoiseModel) bounds every kernel, and those of pure Go come out
// up to 12% below it.
const fftLow = 0.8

// checkNoise compares a measured deviation about zero with the prediction, and the mean with zero (within six standard errors of independent
// samples, times slack: 1 unless samples share something).
func checkNoise(t *testing.T, name string, m *moments, variance, low, high, slack float64) {
	t.Helper()
	ratio := math.Sqrt(m.variance() / variance)
	t.Logf("%-44s measured 2^%.3f, formula 2^%.3f, ratio of deviations %.4f (%.0f samples)",
		name, math.Log2(m.variance())/2, math.Log2(variance)/2, ratio, m.n)
	if !(ratio > low && ratio < high) {
		t.Errorf("%s: deviation 2^%.3f, want 2^%.3f within %.2f..%.2f of it", name, math.Log2(m.variance())/2, math.Log2(variance)/2, low, high)
	}
	if bound := 6 * slack * math.Sqrt(variance/m.n); !(math.Abs(m.mean()) < bound) {
		t.Errorf("%s: mean %g of the noise, want 0 within %g", name, m.mean(), bound)
	}
}

// long tells whether the environment asks for the long versions of the statistical tests.
func long() bool { return os.Getenv("FHEML_LONG") == "1" }

// samples returns short, or with FHEML_LONG=1 long.
func samples(short, longer int) int {
	if long() {
		return longer
	}
	return short
}

// The parameter sets of the tests. Toy sets are small and insecure; the others are real ones.
var (
	toy       = lookupSet(512, 1, 64, 1, GadgetParams{15, 2}, GadgetParams{4, 5}, -55, -30)
	toyParts  = lookupSet(256, 1, 64, 3, GadgetParams{15, 2}, GadgetParams{4, 5}, -55, -30)
	toyTwo    = lookupSet(256, 1, 64, 2, GadgetParams{20, 1}, GadgetParams{4, 5}, -55, -30)
	toySelect = ParametersLiteral{PolyDegree: 256, GLWEDimension: 2, Key: TernaryKey, Log2SigmaGLWE: -55, Select: GadgetParams{14, 2}}

	set4       = realLookupSet(884, 1, GadgetParams{22, 1}, GadgetParams{3, 5})
	set4Levels = realLookupSet(884, 1, GadgetParams{15, 2}, GadgetParams{3, 5})
	set5       = realLookupSet(928, 2, GadgetParams{22, 1}, GadgetParams{3, 5})

	ternarySet = ParametersLiteral{PolyDegree: 2048, GLWEDimension: 1, Key: TernaryKey, Log2SigmaGLWE: -50.1, Select: GadgetParams{23, 1}}
)

func lookupSet(n, k, small, parts int, br, ks GadgetParams, sigmaGLWE, sigmaLWE float64) ParametersLiteral {
	return ParametersLiteral{PolyDegree: n, GLWEDimension: k, Key: BlockPrefixKey, Log2SigmaGLWE: sigmaGLWE, Select: GadgetParams{14, 2},
		SmallDimension: small, BlockLength: 4, Log2SigmaLWE: sigmaLWE, Parts: parts, BlindRotate: br, KeySwitch: ks}
}

// realLookupSet has N = 2048, k = 1, blocks of four and the least noise of the security rule.
func realLookupSet(small, parts int, br, ks GadgetParams) ParametersLiteral {
	return lookupSet(2048, 1, small, parts, br, ks, MinLog2Sigma(BlockPrefixKey, 2048, 4), MinLog2Sigma(BlockBinaryKey, small, 4))
}

// defaultLookupSet is the set that the search picks for one lookup of bits bits of an input of squared norm 1 at a failure probability of 2^-128.
func defaultLookupSet(t testing.TB, bits int) Parameters {
	t.Helper()
	return searchedLookupSet(t, bits, 1)
}

// searchedLookupSet is the set that the search finds for tables of bits bits of combinations of squared norm nu2, at failure 2^-128.
func searchedLookupSet(t testing.TB, bits int, nu2 float64) Parameters {
	t.Helper()
	found, err := SearchLookup(LookupRequirement{Bits: bits, Nu2: nu2, Lookups: 1, Log2PFail: -128}, DefaultSearchOptions())
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewParameters(ParametersLiteral{PolyDegree: found.N, GLWEDimension: found.K, Key: BlockPrefixKey, Log2SigmaGLWE: found.Log2SigmaGLWE,
		SmallDimension: found.SmallDim, BlockLength: found.BlockLength, Log2SigmaLWE: found.Log2SigmaLWE, Parts: found.Parts,
		BlindRotate: found.BR, KeySwitch: found.KS})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// parametersOf returns a real set if the literal obeys the security rule, and an insecure one otherwise.
func parametersOf(t testing.TB, lit ParametersLiteral) Parameters {
	t.Helper()
	p, err := NewParameters(lit)
	if err != nil {
		p, err = InsecureParameters(t, lit)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// keySet is a parameter set with its keys and an evaluator. Keys are made once for all tests; evaluators are not shared.
type keySet struct {
	p      Parameters
	sk     *SecretKey
	ek     *EvaluationKey
	server *ServerKey
	ev     *Evaluator
	dec    *Decryptor
}

var (
	keySets      = map[ParametersLiteral]*keySet{}
	keySetsMutex sync.Mutex
)

func keysOf(t testing.TB, lit ParametersLiteral) keySet {
	t.Helper()
	keySetsMutex.Lock()
	defer keySetsMutex.Unlock()
	ks, ok := keySets[lit]
	if !ok {
		fresh := newKeySet(t, parametersOf(t, lit))
		ks = &fresh
		keySets[lit] = ks
	}
	out := *ks
	out.ev, out.dec = NewEvaluator(out.p, out.server), NewDecryptor(out.sk)
	return out
}

// newKeySet makes keys that no other test shares, for tests that need many keys or large ones.
func newKeySet(t testing.TB, p Parameters) keySet {
	t.Helper()
	sk, err := GenerateSecretKey(p)
	if err != nil {
		t.Fatal(err)
	}
	ek, err := GenerateEvaluationKey(context.Background(), sk, nil)
	if err != nil {
		t.Fatal(err)
	}
	server, err := NewServerKey(context.Background(), ek, nil)
	if err != nil {
		t.Fatal(err)
	}
	return keySet{p: p, sk: sk, ek: ek, server: server, ev: NewEvaluator(p, server), dec: NewDecryptor(sk)}
}

// serverKeyOfFile reads an evaluation key's file and expands it, and keeps nothing else.
func serverKeyOfFile(t testing.TB, name string) *ServerKey {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ek, err := ReadEvaluationKey(f)
	if err != nil {
		t.Fatal(err)
	}
	server, err := NewServerKey(context.Background(), ek, nil)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// weight returns |s|^2 of the large key.
func (k keySet) weight() (w float64) {
	for _, s := range k.sk.coeffs() {
		w += float64(s * s)
	}
	return w
}

// smallWeight returns |s|^2 of the small key.
func (k keySet) smallWeight() (w float64) {
	for _, s := range k.sk.coeffs()[:k.p.lit.SmallDimension] {
		w += float64(s * s)
	}
	return w
}

// model returns the noise model of this very key, and the shape of its lookups.
func (k keySet) model() (NoiseModel, BootstrapShape) {
	l := k.p.lit
	small := k.smallWeight()
	m := BlockNoiseModel(l.SmallDimension, l.BlockLength, small, k.weight()-small, DefaultFFTVariance)
	m.CompactKey = m.CompactKey && fft.CompactKernels() // what this machine does: others keep whole keys
	return m, BootstrapShape{
		N: l.PolyDegree, K: l.GLWEDimension, Parts: l.Parts, SmallDim: l.SmallDimension, BR: l.BlindRotate, KS: l.KeySwitch,
		VarianceGLWE: math.Exp2(2 * l.Log2SigmaGLWE), VarianceLWE: math.Exp2(2 * l.Log2SigmaLWE), PrefixKey: true, SmallModulusLog: 32,
	}
}

// encryptLWE returns a fresh encryption of message under the big key: coefficient 0 of a GLWE ciphertext.
func (k keySet) encryptLWE(message uint64) LWECiphertext {
	ct := k.encrypt([]uint64{message})
	out := NewLWE(k.p.BigDimension())
	SampleExtract(k.p, &out, ct, 0)
	return out
}

// encrypt returns a fresh encryption of a polynomial (missing coefficients are zero).
func (k keySet) encrypt(message []uint64) GLWECiphertext {
	enc := NewEncryptor(k.sk)
	ct := NewGLWE(k.p)
	copy(ct.Body, message)
	enc.GLWE(ct.Body, ct.Body)
	NewMaskReader(enc.Seed()).Next(ct.Mask, k.p.N())
	return ct
}

// encryptBit returns a GGSW encryption of m, ready for use.
func (k keySet) encryptBit(m int64, g GadgetParams) *FourierGGSW {
	enc := NewEncryptor(k.sk)
	bodies := make([]uint64, (k.p.K()+1)*g.Levels*k.p.N())
	enc.GGSW(bodies, m, g)
	out := NewFourierGGSW(k.p, g)
	k.ev.LoadGGSW(out, bodies, NewMaskReader(enc.Seed()))
	return out
}

func describe(lit ParametersLiteral) string {
	return fmt.Sprintf("N=%d k=%d n=%d m=%d BR %v KS %v", lit.PolyDegree, lit.GLWEDimension, lit.SmallDimension, lit.Parts, lit.BlindRotate, lit.KeySwitch)
}
