package tfhe

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"math"
	"testing"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

// clientVectors is the digest of all that TestClientVectors computes, on every platform and with every set of kernels.
const clientVectors = "da1da4b61002d06586b30075c6f124606301db5411d09483ffb13413d585ce92"

// TestClientVectors computes what a client computes from fixed seeds: keys, their files, GLWE and GGSW ciphertexts, packed queries and decryptions. Its digest
// is the same on all platforms, js/wasm among them, and with the tag purego. Logarithm and sine of the noise may differ in their last bit between
// platforms; in these vectors that would survive the rounding to words with a probability below 2^-14. Messages are compared after decryption, too.
func TestClientVectors(t *testing.T) {
	sum := sha256.New()
	for i, lit := range []ParametersLiteral{ternarySet, set4, toySelect, toy} {
		p := parametersOf(t, lit)
		seed := [32]byte{'v', 'e', 'c', 't', 'o', 'r', byte(i)}
		src := rng.NewSeeded(seed)
		coeffs := make([]int64, p.BigDimension())
		drawKey(p, src, coeffs)
		if !keyAdmitted(p, coeffs) || !keyInForm(p, coeffs) {
			t.Fatalf("set %d: choose another seed", i)
		}
		sk, err := newSecretKey(p, KeyID{byte(i)}, coeffs)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sk.WriteTo(sum); err != nil {
			t.Fatal(err)
		}
		v := vectorClient{t: t, sum: sum, sk: sk, src: src, dec: NewDecryptor(sk), enc: newEncryptor(sk, Seed(seed), 0), masks: NewMaskReader(Seed(seed))}
		v.enc.src = src
		for range 40 {
			v.glwe()
		}
		for range 10 {
			v.ggsw()
		}
		v.packed()
	}
	got := fmt.Sprintf("%x", sum.Sum(nil))
	t.Logf("digest of the client's vectors: %s", got)
	if got != clientVectors {
		t.Errorf("digest of the client's vectors is %s, want %s", got, clientVectors)
	}
}

// vectorClient is a client whose randomness comes from a seed.
type vectorClient struct {
	t     *testing.T
	sum   hash.Hash
	sk    *SecretKey
	src   *rng.Source
	enc   *Encryptor
	dec   *Decryptor
	masks *MaskReader
}

func (v *vectorClient) words(w ...uint64) { v.sum.Write(AppendWords(nil, w)) }

// phases decrypts bodies, one polynomial after the other, and compares with the messages.
func (v *vectorClient) phases(bodies, messages []uint64) {
	v.t.Helper()
	p := v.sk.params
	n := p.N()
	mask, phase := make([]uint64, p.K()*n), make([]uint64, n)
	bound := 8 * math.Exp2(p.lit.Log2SigmaGLWE)
	for i := 0; i < len(bodies); i += n {
		v.masks.Next(mask, n)
		ct := GLWECiphertext{Mask: mask, Body: bodies[i : i+n]}
		v.dec.GLWE(phase, ct)
		v.words(mask...)
		v.words(phase...)
		for c, m := range messages[i : i+n] {
			if e := math.Abs(torus(phase[c] - m)); e > bound {
				v.t.Fatalf("coefficient %d of polynomial %d decrypts with error %g, bound %g", c, i/n, e, bound)
			}
		}
		// One coefficient by itself, as a client reads a score.
		lwe := NewLWE(p.BigDimension())
		SampleExtract(p, &lwe, ct, i%7)
		if got := v.dec.LWE(&lwe); got != phase[i%7] {
			v.t.Fatalf("coefficient %d alone decrypts to %#x, with the others to %#x", i%7, got, phase[i%7])
		}
	}
}

func (v *vectorClient) glwe() {
	v.t.Helper()
	n := v.sk.params.N()
	message, body := make([]uint64, n), make([]uint64, n)
	v.src.Uniform(message)
	v.enc.GLWE(body, message)
	v.words(body...)
	v.phases(body, message)
}

func (v *vectorClient) ggsw() {
	v.t.Helper()
	p, g := v.sk.params, GadgetParams{BaseLog: 14, Levels: 2}
	n := p.N()
	bodies, want := make([]uint64, (p.K()+1)*g.Levels*n), make([]uint64, (p.K()+1)*g.Levels*n)
	bit := v.src.Uint64n(2)
	v.enc.GGSW(bodies, int64(bit), g)
	v.words(bodies...)
	for r := range (p.K() + 1) * g.Levels {
		scale := bit << (64 - g.BaseLog*(r%g.Levels+1))
		if i := r / g.Levels; i == p.K() {
			want[r*n] = scale
		} else {
			for c, s := range v.sk.coeffs()[i*n : (i+1)*n] {
				want[r*n+c] = -scale * uint64(s)
			}
		}
	}
	v.phases(bodies, want)
}

// packed queries of 20 bits, two rows each, in ciphertexts of 2^4 rows: of row r of a ciphertext whose expansion has depth d levels, coefficient "r with its d
// bits reversed" is bit q/(B^j 2^d).
func (v *vectorClient) packed() {
	v.t.Helper()
	p := v.sk.params
	if p.K() != 1 {
		return
	}
	n := p.N()
	pp := PackedParams{Log2Slots: 4, Select: GadgetParams{BaseLog: 10, Levels: 2}}
	bits := make([]int64, 20)
	for i := range bits {
		bits[i] = int64(v.src.Uint64n(2))
	}
	bodies, want := make([]uint64, pp.Ciphertexts(len(bits))*n), make([]uint64, pp.Ciphertexts(len(bits))*n)
	v.enc.PackBits(bodies, bits, pp)
	v.words(bodies...)
	for row := range 2 * len(bits) {
		ct, r, depth := row/16, row%16, 4
		if ct == 2 { // 40 rows: the last ciphertext has eight
			depth = 3
		}
		at := 0
		for d := range depth {
			at |= r >> d & 1 << (depth - 1 - d)
		}
		want[ct*n+at] = uint64(bits[row/2]) << (64 - 10*(row%2+1) - depth)
	}
	v.phases(bodies, want)
}
