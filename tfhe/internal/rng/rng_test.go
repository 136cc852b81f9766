package rng

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math"
	"testing"
)

// Statistical tests draw from fixed seeds, so they fail always or never; the probabilities stated are those that a correct sampler
// would have failed on the day the seed was chosen, and bound how strict the test is. TestOperatingSystem alone uses crypto/rand.
func seeded(stream byte) *Source { return NewSeeded([32]byte{'r', 'n', 'g', stream}) }

const samples = 1_000_000

// chiSquare returns the statistic of counts against equal expectations, as a standard normal (Wilson and Hilferty, 1931).
func chiSquare(counts []int) float64 {
	total := 0
	for _, c := range counts {
		total += c
	}
	expected := float64(total) / float64(len(counts))
	var x float64
	for _, c := range counts {
		d := float64(c) - expected
		x += d * d / expected
	}
	k := float64(len(counts) - 1)
	v := 2 / (9 * k)
	return (math.Cbrt(x/k) - (1 - v)) / math.Sqrt(v)
}

// Deviation, mean, kurtosis, tails and low bits at the deviations of real keys (2^-50.1: 13.9 bits of noise; 2^-46.76; 2^-17.8: the
// small key), and where the low bits are filled because the noise has more bits than a float64 (2^-8, 2^-4).
func TestGaussian(t *testing.T) {
	for i, logSigma := range []float64{-62, -58, -50.1, -46.76, -30, -20.01, -20, -17.8, -8, -4} {
		e := make([]uint64, samples)
		seeded(byte(i)).Gaussian(e, logSigma)
		var sum, square, fourth float64
		var tail [5]int
		var low, middle [256]int
		scale := math.Exp2(-64 - logSigma)
		for _, w := range e {
			g := float64(int64(w)) * scale
			sum += g
			square += g * g
			fourth += g * g * g * g
			for k := 1; k < len(tail); k++ {
				if math.Abs(g) > float64(k) {
					tail[k]++
				}
			}
			low[w&0xff]++
			middle[w>>8&0xff]++
		}
		variance := square / samples
		// Rounding to a whole word adds 1/12 word^2, of effect at small deviations only.
		rounding := scale * scale / 12
		deviation := math.Sqrt(variance / (1 + rounding))
		// The deviation of 10^6 samples varies by 0.07 %, the mean by 0.1 %, the kurtosis by 0.5 %: 5 deviations each, 6e-7 two-sided.
		if math.Abs(deviation-1) > 0.0036 {
			t.Errorf("sigma 2^%g: measured deviation is %.4f of it", logSigma, deviation)
		}
		if math.Abs(sum/samples) > 0.005 {
			t.Errorf("sigma 2^%g: mean is %.4f sigma", logSigma, sum/samples)
		}
		if kurtosis := fourth / samples / (variance * variance); math.Abs(kurtosis-3) > 0.025 && rounding < 0.01 {
			t.Errorf("sigma 2^%g: kurtosis %.4f", logSigma, kurtosis)
		}
		for k := 1; k < len(tail); k++ {
			want := samples * math.Erfc(float64(k)/math.Sqrt2)
			// 5.5 deviations of a Poisson count; at 4 sigma want = 63. The grid of words shifts small deviations.
			if d := float64(tail[k]) - want; math.Abs(d) > 5.5*math.Sqrt(want) && logSigma > -55 {
				t.Errorf("sigma 2^%g: %d samples beyond %d sigma, expected %.0f", logSigma, tail[k], k, want)
			}
		}
		// Deviations below 2^11 words do not make the low 8 bits uniform, whatever the sampler.
		if logSigma >= -53 {
			if z := chiSquare(low[:]); math.Abs(z) > 5 {
				t.Errorf("sigma 2^%g: low 8 bits have chi-square %.1f deviations from its mean", logSigma, z)
			}
		}
		if logSigma >= -45 {
			if z := chiSquare(middle[:]); math.Abs(z) > 5 {
				t.Errorf("sigma 2^%g: bits 8..15 have chi-square %.1f deviations from its mean", logSigma, z)
			}
		}
	}
}

// Around the step where low bits begin to be filled, every bit up to the coarse part is fair, also among the samples of one
// binade of g, where a float64 alone would leave trailing zeros.
func TestGaussianEveryBit(t *testing.T) {
	for _, logSigma := range []float64{-21, -20, -19.5, -12, -11, -2} {
		e := make([]uint64, 200_000)
		seeded(50).Gaussian(e, logSigma)
		for _, beyond := range []float64{0, 1, 2} {
			var ones [64]int
			n := 0
			for _, w := range e {
				if math.Abs(float64(int64(w))) < beyond*math.Exp2(64+logSigma) {
					continue
				}
				n++
				for b := range ones {
					ones[b] += int(w >> b & 1)
				}
			}
			for b := 0; b < int(64+logSigma)-5; b++ { // bits well below sigma
				z := (2*float64(ones[b]) - float64(n)) / math.Sqrt(float64(n))
				if math.Abs(z) > 6 { // 2e-9 each
					t.Errorf("sigma 2^%g, beyond %g sigma: bit %d is set in %d of %d", logSigma, beyond, b, ones[b], n)
				}
			}
		}
	}
}

// Consecutive samples, which share one radius, are uncorrelated, and so are their squares.
func TestGaussianIndependence(t *testing.T) {
	e := make([]uint64, samples)
	seeded(51).Gaussian(e, -40)
	var product, squares float64
	for i := 1; i < samples; i++ {
		x, y := float64(int64(e[i-1]))*0x1p-24, float64(int64(e[i]))*0x1p-24
		product += x * y
		squares += (x*x - 1) * (y*y - 1)
	}
	// Deviations 1e-3 and 2e-3; 5 of them.
	if math.Abs(product/samples) > 0.005 || math.Abs(squares/samples) > 0.01 {
		t.Errorf("correlation %.4f, of squares %.4f", product/samples, squares/samples)
	}
}

func TestGaussianAdds(t *testing.T) {
	a, b := make([]uint64, 7), make([]uint64, 7)
	for i := range b {
		b[i] = uint64(i) << 60
	}
	seeded(52).Gaussian(a, -30)
	seeded(52).Gaussian(b, -30)
	for i := range a {
		if b[i]-a[i] != uint64(i)<<60 || a[i] == 0 {
			t.Errorf("word %d: noise %#x added to %#x is %#x", i, a[i], uint64(i)<<60, b[i])
		}
	}
	zero := make([]uint64, 1000)
	seeded(53).Gaussian(zero, -80)
	for _, w := range zero {
		if w != 0 {
			t.Fatalf("sigma 2^-80 gives %#x", w)
		}
	}
	for _, bad := range []float64{-1.9, 0, math.NaN(), math.Inf(1)} {
		if !panics(func() { seeded(0).Gaussian(a, bad) }) {
			t.Errorf("log sigma %g is accepted", bad)
		}
	}
}

// The tail of the uniform under the logarithm: it has full precision at every scale and reaches below 2^-64.
func TestUnit(t *testing.T) {
	s := seeded(54)
	var binade [16]int
	var last [2]int
	for range samples {
		u := s.unit()
		if !(u > 0 && u < 1) {
			t.Fatalf("uniform number %g", u)
		}
		_, e := math.Frexp(u) // u in [2^(e-1), 2^e)
		if -e < len(binade) {
			binade[-e]++
		}
		last[math.Float64bits(u)&1]++
	}
	for k, c := range binade {
		want := float64(samples) / float64(uint64(2)<<k)
		if math.Abs(float64(c)-want) > 5.5*math.Sqrt(want)+1 {
			t.Errorf("%d numbers in [2^-%d, 2^-%d), expected %.0f", c, k+1, k, want)
		}
	}
	if z := float64(last[1]-last[0]) / 1000; math.Abs(z) > 5 {
		t.Errorf("last bit of the mantissa: %v", last)
	}
	// Words of zeros lengthen the exponent instead of giving 0.
	zeros := &Source{}
	binary.LittleEndian.PutUint64(zeros.buffer[24:], 1<<63)
	if u := zeros.unit(); u != math.Ldexp(1, -(1+12+128+63)) {
		t.Errorf("after three words of zeros: %g", u)
	}
}

func TestBinaryTernary(t *testing.T) {
	d := make([]int64, samples)
	s := seeded(60)
	s.Binary(d)
	var bits [2]int
	for _, v := range d {
		bits[v]++
	}
	if z := chiSquare(bits[:]); z > 5 {
		t.Errorf("bits: %v", bits)
	}
	s.Ternary(d)
	var trits, pairs = make([]int, 3), make([]int, 9)
	for i, v := range d {
		trits[v+1]++
		if i%2 == 1 {
			pairs[3*(d[i-1]+1)+v+1]++
		}
	}
	if chiSquare(trits) > 5 || chiSquare(pairs) > 5 {
		t.Errorf("trits: %v, pairs: %v", trits, pairs)
	}
}

func TestBlockBinary(t *testing.T) {
	for l := 1; l <= 9; l++ {
		d := make([]int64, 100_000*l)
		seeded(61).BlockBinary(d, l)
		counts := make([]int, l+1)
		for b := range 100_000 {
			at, ones := l, 0
			for j, v := range d[b*l : (b+1)*l] {
				if v == 1 {
					at = j
					ones++
				} else if v != 0 {
					t.Fatalf("block length %d: coefficient %d", l, v)
				}
			}
			if ones > 1 {
				t.Fatalf("block length %d: %d ones in a block", l, ones)
			}
			counts[at]++
		}
		if z := chiSquare(counts); z > 5 {
			t.Errorf("block length %d: %v", l, counts)
		}
	}
	for _, l := range []int{0, -1, 3, 65} {
		if !panics(func() { seeded(0).BlockBinary(make([]int64, 130), l) }) {
			t.Errorf("block length %d is accepted for 130 coefficients", l)
		}
	}
}

func TestUint64n(t *testing.T) {
	s := seeded(62)
	for _, m := range []uint64{1, 2, 3, 7, 10, 100, 256} {
		counts := make([]int, m)
		for range 200_000 {
			counts[s.Uint64n(m)]++
		}
		if m > 1 && chiSquare(counts) > 5 {
			t.Errorf("below %d: %v", m, counts)
		}
	}
	// m = 3*2^62: without rejection one third of the values would have twice the probability.
	var quarter [3]int
	for range 200_000 {
		quarter[s.Uint64n(3<<62)>>62]++
	}
	if chiSquare(quarter[:]) > 5 {
		t.Errorf("below 3*2^62: %v", quarter)
	}
	if !panics(func() { s.Uint64n(0) }) {
		t.Error("Uint64n(0) is accepted")
	}
}

// A seeded source is the AES-256-CTR stream of its seed, whichever way it is read.
func TestSeeded(t *testing.T) {
	seed := [32]byte{5}
	block, err := aes.NewCipher(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 3*bufferSize)
	cipher.NewCTR(block, make([]byte, 16)).XORKeyStream(want, want)
	s, u := NewSeeded(seed), make([]uint64, len(want)/8)
	s.Uniform(u)
	r, p := NewSeeded(seed), make([]byte, len(want))
	if n, err := r.Read(p); n != len(p) || err != nil {
		t.Fatalf("Read: %d, %v", n, err)
	}
	for i := range u {
		if w := binary.LittleEndian.Uint64(want[8*i:]); u[i] != w || binary.LittleEndian.Uint64(p[8*i:]) != w {
			t.Fatalf("word %d: %#x and %x, stream %#x", i, u[i], p[8*i:8*i+8], w)
		}
	}
	if s.buffer != [bufferSize]byte{} {
		t.Error("words given out stay in the buffer")
	}
	short := make([]byte, 11)
	NewSeeded(seed).Read(short)
	if string(short) != string(want[:11]) {
		t.Errorf("Read of 11 bytes: %x, stream %x", short, want[:11])
	}
}

func TestOperatingSystem(t *testing.T) {
	a, b := New(), New()
	if a.Seed() == b.Seed() || a.Seed() == a.Seed() {
		t.Error("seeds repeat")
	}
	// The only random outcome of the tests: |z| > 6 has probability 2e-9 each time they run.
	var counts [256]int
	p := make([]byte, 1<<20)
	a.Read(p)
	for _, v := range p {
		counts[v]++
	}
	if z := chiSquare(counts[:]); math.Abs(z) > 6 {
		t.Errorf("bytes have chi-square %.1f deviations from its mean", z)
	}
}

// A mask is the key stream of AES-256-CTR from the documented counter block, in whatever pieces it is expanded.
func TestExpand(t *testing.T) {
	seed := [32]byte{1, 2, 3}
	block, err := aes.NewCipher(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	const n = 2048
	e := NewExpander(seed)
	for _, counter := range []uint64{0, 1, 1 << 32, math.MaxUint64} {
		iv := make([]byte, 16)
		binary.BigEndian.PutUint64(iv, counter)
		stream := make([]byte, 8*n)
		cipher.NewCTR(block, iv).XORKeyStream(stream, stream)
		whole := make([]uint64, n)
		for i := range whole {
			whole[i] = ^uint64(0) // what was in dst does not matter
		}
		ExpandMask(whole, seed, counter)
		for i, w := range whole {
			if want := binary.LittleEndian.Uint64(stream[8*i:]); w != want {
				t.Fatalf("counter %d, word %d: %#x, AES-CTR %#x", counter, i, w, want)
			}
		}
		for _, part := range [][2]int{{0, 1}, {1, 2}, {3, 3}, {7, 1030}, {511, 513}, {512, 1024}, {1001, n}} {
			piece := make([]uint64, part[1]-part[0])
			e.ExpandAt(piece, counter, part[0])
			for i, w := range piece {
				if w != whole[part[0]+i] {
					t.Fatalf("counter %d, words %v: word %d is %#x, want %#x", counter, part, i, w, whole[part[0]+i])
				}
			}
		}
	}
	if !panics(func() { e.ExpandAt(make([]uint64, 1), 0, -1) }) {
		t.Error("a negative offset is accepted")
	}
}

// Block 0 in full, by one AES call: the layout is part of the file format.
func TestExpandFormat(t *testing.T) {
	seed := [32]byte{31: 9}
	block, err := aes.NewCipher(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	in := [16]byte{7: 0x21, 15: 3} // polynomial 0x21, block 3
	var out [16]byte
	block.Encrypt(out[:], in[:])
	dst := make([]uint64, 8)
	ExpandMask(dst, seed, 0x21)
	if dst[6] != binary.LittleEndian.Uint64(out[:8]) || dst[7] != binary.LittleEndian.Uint64(out[8:]) {
		t.Errorf("words 6 and 7: %#x %#x, AES of the counter block %x", dst[6], dst[7], out)
	}
}

// Polynomials of neighbouring counters share no block: 64 of 2048 words have no 128-bit block in common.
func TestExpandDisjoint(t *testing.T) {
	e, seen := NewExpander([32]byte{77}), make(map[[2]uint64]uint64)
	dst := make([]uint64, 2048)
	for counter := range uint64(64) {
		e.Expand(dst, counter)
		for i := 0; i < len(dst); i += 2 {
			key := [2]uint64{dst[i], dst[i+1]}
			if other, ok := seen[key]; ok {
				t.Fatalf("counters %d and %d share a block", other, counter)
			}
			seen[key] = counter
		}
	}
}

func panics(call func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	call()
	return
}

func BenchmarkGaussian(b *testing.B) {
	s, dst := New(), make([]uint64, 2048)
	for b.Loop() {
		s.Gaussian(dst, -50.1)
	}
}

func BenchmarkUniform(b *testing.B) {
	s, dst := New(), make([]uint64, 2048)
	for b.Loop() {
		s.Uniform(dst)
	}
}

func BenchmarkExpand(b *testing.B) {
	e, dst := NewExpander([32]byte{}), make([]uint64, 2048)
	for b.Loop() {
		e.Expand(dst, 1)
	}
}
