package tfhe

import (
	"math"
	"slices"
	"testing"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

// randomWords returns n uniform words.
func randomWords(n int) []uint64 {
	w := make([]uint64, n)
	rng.New().Uniform(w)
	return w
}

// checkLowBits tests the low 8 bits of noise words for uniformity: chi-square with 255 degrees of freedom, bound of false-failure probability 1e-9.
func checkLowBits(t *testing.T, name string, words []uint64) {
	t.Helper()
	var counts [256]float64
	for _, w := range words {
		counts[w&255]++
	}
	want, chi := float64(len(words))/256, 0.0
	for _, c := range counts {
		chi += (c - want) * (c - want) / want
	}
	t.Logf("%s: chi-square of the low 8 bits %.0f (mean 255) over %d words", name, chi, len(words))
	if chi > 415 {
		t.Errorf("%s: low bits of the noise are not uniform: chi-square %.0f with 255 degrees of freedom", name, chi)
	}
}

// TestGLWENoise decrypts fresh ciphertexts by schoolbook arithmetic: phase minus message is Gaussian noise of the set's deviation, uniform in
// its low bits. A deviation of 40 ciphertexts of 2048 has a standard error of 0.25%, so 2% is 8 of them (false failure 1e-15).
func TestGLWENoise(t *testing.T) {
	for _, lit := range []ParametersLiteral{ternarySet, set4, toyTwo, toySelect} {
		k := keysOf(t, lit)
		n := k.p.N()
		enc := NewEncryptor(k.sk)
		masks := NewMaskReader(enc.Seed())
		var m moments
		var noise []uint64
		for range 40 * 2048 / n {
			message := randomWords(n)
			body, mask := make([]uint64, n), make([]uint64, k.p.K()*n)
			enc.GLWE(body, message)
			masks.Next(mask, n)
			phase := schoolbookPhase(k.sk, mask, body)
			if got := make([]uint64, n); true {
				k.dec.GLWE(got, GLWECiphertext{Mask: mask, Body: body})
				if !slices.Equal(got, phase) {
					t.Fatal("Decryptor.GLWE is not body - sum mask_i s_i")
				}
			}
			m.addDifference(phase, message)
			for i := range phase {
				noise = append(noise, phase[i]-message[i])
			}
		}
		checkNoise(t, "GLWE "+describe(lit), &m, math.Exp2(2*lit.Log2SigmaGLWE), 0.98, 1.02, 1)
		checkLowBits(t, "GLWE "+describe(lit), noise)
		checkTails(t, noise, lit.Log2SigmaGLWE)
	}
}

// checkTails counts noise beyond 1, 2 and 3 deviations, within 6 standard errors.
func checkTails(t *testing.T, noise []uint64, log2Sigma float64) {
	t.Helper()
	for z := 1.0; z <= 3; z++ {
		count := 0.0
		for _, e := range noise {
			if math.Abs(torus(e)) > z*math.Exp2(log2Sigma) {
				count++
			}
		}
		p := math.Erfc(z / math.Sqrt2)
		want := p * float64(len(noise))
		if math.Abs(count-want) > 6*math.Sqrt(want*(1-p)) {
			t.Errorf("%.0f of %d samples beyond %.0f deviations, want %.0f", count, len(noise), z, want)
		}
	}
}

// TestGGSWRows decrypts every row of GGSW ciphertexts: -m s_i q/B^j in the mask rows and m q/B^j in the body rows, with fresh noise.
func TestGGSWRows(t *testing.T) {
	for _, c := range []struct {
		lit ParametersLiteral
		g   GadgetParams
		m   int64
	}{{ternarySet, GadgetParams{10, 3}, 1}, {ternarySet, GadgetParams{10, 3}, 0}, {set4, GadgetParams{22, 1}, 1}, {toyTwo, GadgetParams{7, 4}, -3}, {toySelect, GadgetParams{7, 4}, -3}} {
		k := keysOf(t, c.lit)
		n, kk, l := k.p.N(), k.p.K(), c.g.Levels
		enc := NewEncryptor(k.sk)
		bodies := make([]uint64, (kk+1)*l*n)
		var m moments
		var noise []uint64
		masks := NewMaskReader(enc.Seed())
		// The standard error of the deviation is 0.5% or less; 3% is 6 of it.
		for m.n < 20000 {
			enc.GGSW(bodies, c.m, c.g)
			for r := range (kk + 1) * l {
				i, j := r/l, r%l+1
				want := make([]uint64, n)
				scale := uint64(c.m) << (64 - c.g.BaseLog*j)
				want[0] = scale
				if i < kk {
					for x, s := range k.sk.coeffs()[i*n : (i+1)*n] {
						want[x] = -scale * uint64(s)
					}
				}
				mask := make([]uint64, kk*n)
				masks.Next(mask, n)
				phase := schoolbookPhase(k.sk, mask, bodies[r*n:(r+1)*n])
				m.addDifference(phase, want)
				for x := range phase {
					noise = append(noise, phase[x]-want[x])
				}
			}
		}
		checkNoise(t, "GGSW "+c.g.String()+" "+describe(c.lit), &m, math.Exp2(2*c.lit.Log2SigmaGLWE), 0.97, 1.03, 1)
		checkLowBits(t, "GGSW", noise)
	}
}

// TestKeySwitchRows decrypts the fresh LWE ciphertexts of a key-switching key: row (i, j) encrypts s_(n+i) q/B^(j+1) under the small key. A key of three bytes
// is one modulo 2^24. 5820 rows give the deviation to 0.93%: 5% is 5 of it.
func TestKeySwitchRows(t *testing.T) {
	fine := set4
	fine.Log2SigmaLWE = -22 // far below what is secure, and so with four bytes
	for _, lit := range []ParametersLiteral{set4, fine} {
		name := "LWE " + describe(lit)
		k := keysOf(t, lit)
		n, ks, shift := k.p.lit.SmallDimension, k.p.lit.KeySwitch, 64-8*k.p.kskBytes()
		var m moments
		var noise []uint64
		small := newSmallLWE(n)
		expand := newRowExpander(k.p)
		for r, body := range k.ek.ksk {
			expand.row(small.mask(), k.ek.seed, r)
			*small.body() = body
			if !slices.Equal(small.words[:n+1], k.server.switchRow(r)) {
				t.Fatalf("%s: row %d of the server's key is not that of the evaluation key", name, r)
			}
			want := uint64(k.sk.coeffs()[n+r/ks.Levels]) << (64 - ks.BaseLog*(r%ks.Levels+1))
			wide := small.wide()
			e := lwePhase(k.sk, wide.Mask, wide.Body) - want
			if e<<(64-shift) != 0 {
				t.Fatalf("%s: the phase of row %d has more bits than its words", name, r)
			}
			m.add(torus(e))
			noise = append(noise, uint64(int64(e)>>shift))
		}
		checkNoise(t, name, &m, math.Exp2(2*lit.Log2SigmaLWE), 0.95, 1.05, 1)
		if k.p.kskBytes() == 4 { // modulo 2^24 the noise is narrower than 8 bits
			checkLowBits(t, name, noise)
		}
		checkTails(t, noise, lit.Log2SigmaLWE-float64(shift))
	}
}

// TestBootstrappingKeyRows decrypts the GGSW ciphertexts of an evaluation key: the small key without its signs.
func TestBootstrappingKeyRows(t *testing.T) {
	k := keysOf(t, toyTwo)
	n, kk, l := k.p.N(), k.p.K(), k.p.lit.BlindRotate.Levels
	rows := (kk + 1) * l
	signs := k.p.Signs()
	var m moments
	mask := make([]uint64, kk*n)
	for i := range k.p.lit.SmallDimension {
		bit := k.sk.coeffs()[i] * signs[i]
		if bit != 0 && bit != 1 {
			t.Fatalf("coefficient %d of the small key is %d times its sign", i, bit)
		}
		for r := range rows {
			for x := range kk {
				rng.ExpandMask(mask[x*n:(x+1)*n], k.ek.seed, uint64((i*rows+r)*kk+x))
			}
			want := make([]uint64, n)
			scale := uint64(bit) << (64 - k.p.lit.BlindRotate.BaseLog*(r%l+1))
			want[0] = scale
			if r/l < kk {
				for x, s := range k.sk.coeffs()[r/l*n : (r/l+1)*n] {
					want[x] = -scale * uint64(s)
				}
			}
			m.addDifference(schoolbookPhase(k.sk, mask, k.ek.bsk[(i*rows+r)*n:][:n]), want)
		}
	}
	checkNoise(t, "bootstrapping key "+describe(toyTwo), &m, math.Exp2(2*toyTwo.Log2SigmaGLWE), 0.97, 1.03, 1)
}

// TestMasksOfMixedSequences expands the masks of interleaved GLWE and GGSW encryptions in one run, by parts, and out of order.
func TestMasksOfMixedSequences(t *testing.T) {
	for _, lit := range []ParametersLiteral{toy, toySelect} {
		k := keysOf(t, lit)
		n, kk := k.p.N(), k.p.K()
		g := GadgetParams{9, 3}
		enc := NewEncryptor(k.sk)
		message := randomWords(n)
		ggsw := make([]uint64, (kk+1)*g.Levels*n)
		var bodies, messages [][]uint64
		for i := range 12 {
			if i%3 == 1 {
				enc.GGSW(ggsw, 0, g)
				for r := range (kk + 1) * g.Levels {
					bodies, messages = append(bodies, slices.Clone(ggsw[r*n:(r+1)*n])), append(messages, make([]uint64, n))
				}
				continue
			}
			body := make([]uint64, n)
			enc.GLWE(body, message)
			bodies, messages = append(bodies, body), append(messages, message)
		}
		all := make([]uint64, len(bodies)*kk*n)
		NewMaskReader(enc.Seed()).Next(all, n)
		polys := map[[4]uint64]bool{}
		for i := range len(all) / n {
			polys[[4]uint64(all[i*n:])] = true
		}
		if len(polys) != len(bodies)*kk {
			t.Fatalf("%d different masks, want %d", len(polys), len(bodies)*kk)
		}
		for i, body := range bodies {
			mask := all[i*kk*n : (i+1)*kk*n]
			for x, w := range schoolbookPhase(k.sk, mask, body) {
				if e := torus(w - messages[i][x]); math.Abs(e) > 8*math.Exp2(lit.Log2SigmaGLWE) {
					t.Fatalf("ciphertext %d decrypts wrongly under its mask", i)
				}
			}
			one := make([]uint64, kk*n)
			NewMaskReader(enc.Seed()).At(i*kk).Next(one, n)
			if !slices.Equal(one, mask) {
				t.Fatalf("mask %d by At differs", i)
			}
		}
	}
	k := keysOf(t, toy)
	if NewEncryptor(k.sk).Seed() == NewEncryptor(k.sk).Seed() {
		t.Error("two encryptors have one seed")
	}
}

// TestEncryptInPlace encrypts a message that shares memory with the body, and the body only.
func TestEncryptInPlace(t *testing.T) {
	k := keysOf(t, toyTwo)
	message := randomWords(k.p.N())
	for i, got := range k.encryptPhase(message) {
		if e := torus(got - message[i]); math.Abs(e) > 8*math.Exp2(toyTwo.Log2SigmaGLWE) {
			t.Fatalf("coefficient %d: error %g", i, e)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a GGSW body of a wrong length is accepted")
		}
	}()
	NewEncryptor(k.sk).GGSW(make([]uint64, 5), 1, GadgetParams{10, 2})
}

// encryptPhase encrypts in place and returns the schoolbook phase.
func (k keySet) encryptPhase(message []uint64) []uint64 {
	ct := k.encrypt(message)
	return schoolbookPhase(k.sk, ct.Mask, ct.Body)
}

func TestDecryptorLWE(t *testing.T) {
	k := keysOf(t, toyTwo)
	for _, d := range []int{k.p.BigDimension(), k.p.lit.SmallDimension} {
		ct := LWECiphertext{Mask: randomWords(d), Body: randomWords(1)[0]}
		if got, want := k.dec.LWE(&ct), lwePhase(k.sk, ct.Mask, ct.Body); got != want {
			t.Errorf("dimension %d: phase %x, want %x", d, got, want)
		}
	}
	mask := randomWords(k.p.BigDimension())
	got := make([]uint64, k.p.N())
	k.dec.MaskProduct(got, mask)
	for i, w := range schoolbookPhase(k.sk, mask, make([]uint64, k.p.N())) {
		if got[i] != -w {
			t.Fatalf("mask product, coefficient %d: %x, want %x", i, got[i], -w)
		}
	}
}

// TestGGSWs: many ciphertexts at once have the masks and the messages of one call after the other.
func TestGGSWs(t *testing.T) {
	k := keysOf(t, toySelect)
	enc := NewEncryptor(k.sk)
	g := toySelect.Select
	words := k.p.GGSWWords()
	bits := []int64{1, 0, 0, 1, 1, 0, 1}
	bodies := make([]uint64, len(bits)*words)
	first := make([]uint64, k.p.N())
	enc.GLWE(first, first)
	enc.GGSWs(bodies, bits, g)
	last := make([]uint64, k.p.N())
	enc.GLWE(last, last)
	masks := NewMaskReader(enc.Seed()).At(k.p.K())
	ct := GLWECiphertext{Mask: make([]uint64, k.p.K()*k.p.N()), Body: make([]uint64, k.p.N())}
	phase := make([]uint64, k.p.N())
	rows := words / k.p.N()
	for i, bit := range bits {
		for r := range rows {
			masks.Next(ct.Mask, k.p.N())
			copy(ct.Body, bodies[i*words+r*k.p.N():])
			k.dec.GLWE(phase, ct)
			if r < rows-g.Levels {
				continue // rows of the mask encrypt -m s
			}
			want := uint64(bit) << (64 - g.BaseLog*(r-(rows-g.Levels)+1))
			if e := math.Abs(torus(phase[0] - want)); e > 1e-14 {
				t.Fatalf("ciphertext %d row %d is off by %g", i, r, e)
			}
		}
	}
	masks.Next(ct.Mask, k.p.N())
	copy(ct.Body, last)
	k.dec.GLWE(phase, ct)
	if e := math.Abs(torus(phase[3])); e > 1e-14 {
		t.Errorf("the ciphertext after them is off by %g: mask numbers do not go on", e)
	}
}
