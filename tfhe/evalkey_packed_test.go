package tfhe

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestPackedParameters: the two places of the select gadget agree, whichever of them is written down.
func TestPackedParameters(t *testing.T) {
	both := packedTernary
	both.Packed.Select = both.Select
	p, err := NewParameters(both)
	if err != nil || p.Literal() != packedTernary || p.Packed() != packed7 || !p.HasPacked() || p.HasLookups() {
		t.Fatalf("%+v, %v", p.Literal(), err)
	}
	if q := parametersOf(t, packedTernary); q != p || q.Hash() != p.Hash() {
		t.Error("one set has two forms")
	}
	if plain := parametersOf(t, ternarySet); plain.HasPacked() || plain.Packed() != (PackedParams{}) || plain.EvaluationKeyBytes() != 0 || plain.EvaluationKeyMemory() != 0 {
		t.Error("a set without packed queries has some")
	}
}

// TestPackedEvaluationKey makes, writes, reads and expands evaluation keys with an expansion key in them, alone and beside a bootstrapping key.
func TestPackedEvaluationKey(t *testing.T) {
	for _, lit := range []ParametersLiteral{packedTernary, packedLookups} {
		p := parametersOf(t, lit)
		sk, err := GenerateSecretKey(p)
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		ek, err := GenerateEvaluationKey(context.Background(), sk, nil)
		if err != nil {
			t.Fatal(err)
		}
		file := evaluationKeyFile(t, ek)
		if head := int64(len(file)) - p.EvaluationKeyBytes(); head < 100 || head > 500 {
			t.Errorf("a file of %d bytes for a key of %d", len(file), p.EvaluationKeyBytes())
		}
		got, err := ReadEvaluationKey(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.bsk, ek.bsk) || !slices.Equal(got.ksk, ek.ksk) || got.seed != ek.seed || got.ID() != ek.ID() || got.Parameters() != p ||
			!bytes.Equal(got.expansion.AppendTo(nil), ek.expansion.AppendTo(nil)) {
			t.Fatal("another key comes back")
		}
		if got.seed == got.expansion.seed {
			t.Error("both parts of a key have the same masks")
		}
		server, err := NewServerKey(context.Background(), got, func(d, total int) { done = max(done, d) })
		if err != nil || server == nil || server.Expansion() == nil || done == 0 || (server.bsk != nil) != p.HasLookups() {
			t.Fatalf("%v", err)
		}
		// Selectors that come out of the key that was read select.
		pp := p.Packed()
		bits := []int64{1, 0, 1, 1, 0}
		bodies := make([]uint64, pp.Ciphertexts(len(bits))*p.N())
		enc := NewEncryptor(sk)
		enc.PackBits(bodies, bits, pp)
		q, err := NewPackedQuery(p, pp, len(bits), bodies, NewMaskReader(enc.Seed()))
		if err != nil {
			t.Fatal(err)
		}
		selectors, err := ExpandSelectors(context.Background(), server.Expansion(), q)
		if err != nil {
			t.Fatal(err)
		}
		ev := NewEvaluator(p, server)
		model := NewPackedNoise(p.N(), p.WorstKeyWeight(), lit.Log2SigmaGLWE)
		bound := 8 * math.Sqrt(model.Select(pp).CMUX(pp.Select))
		phase := make([]uint64, p.N())
		for i, bit := range bits {
			ct, one := NewGLWE(p), NewGLWE(p)
			one.Body[0] = 1 << 60
			ev.CMUX(ct, selectors[i], ct, one)
			NewDecryptor(sk).GLWE(phase, ct)
			for j, v := range phase {
				want := uint64(0)
				if j == 0 {
					want = uint64(bit) << 60
				}
				if e := math.Abs(torus(v - want)); e > bound {
					t.Fatalf("bit %d: coefficient %d is off by %g, bound %g", i, j, e, bound)
				}
			}
		}

		for _, i := range []int{0, headerBytes, headerBytes + 60, len(file) - 33 - int(pp.ExpansionKeyBytes(p)), len(file) - 40, len(file) - 1} {
			if _, err := ReadEvaluationKey(bytes.NewReader(file[:i])); err == nil {
				t.Errorf("%d of %d bytes are accepted", i, len(file))
			}
			file[i] ^= 4
			if _, err := ReadEvaluationKey(bytes.NewReader(file)); err == nil {
				t.Errorf("byte %d changed: accepted", i)
			}
			file[i] ^= 4
		}
		payload := file[headerBytes : len(file)-32]
		h := Header{Kind: KindEvaluationKey, Version: keyVersion, Params: p.Hash(), Key: ek.id}
		for _, cut := range []int{1, 8, pp.ExpansionKeyBytes(p)} {
			if _, err := ReadEvaluationKey(bytes.NewReader(fileOf(t, h, payload[:len(payload)-cut]))); err == nil || !strings.Contains(err.Error(), "does not match") {
				t.Errorf("a payload without its last %d bytes: %v", cut, err)
			}
		}
		cancelled, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := GenerateEvaluationKey(cancelled, sk, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("making a key under a cancelled context: %v", err)
		}
		if _, err := NewServerKey(cancelled, ek, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("expanding a key under a cancelled context: %v", err)
		}
	}
}

// TestPackedKeyMemory counts what an expanded key takes.
func TestPackedKeyMemory(t *testing.T) {
	for _, form := range []SwitchForm{SwitchPlain, SwitchSplit, SwitchFused} {
		k := packedKeys(t, ternarySet, withForm(packed7, form))
		words := len(k.server.scheme.rows) + len(k.server.scheme.high)
		for _, e := range k.server.expand {
			words += len(e.rows) + len(e.high)
		}
		if got := parametersOf(t, withPacked(ternarySet, k.pp)).EvaluationKeyMemory(); got != int64(8*words) {
			t.Errorf("%v: %d bytes, EvaluationKeyMemory says %d", form, 8*words, got)
		}
	}
}

// TestSquareWeightAdmitted: with packed queries a key whose square is heavy is drawn again, and refused in a file.
func TestSquareWeightAdmitted(t *testing.T) {
	p := parametersOf(t, packedTernary)
	sk, err := GenerateSecretKey(p)
	if err != nil {
		t.Fatal(err)
	}
	k := packedSet{keySet: keySet{p: p, sk: sk}}
	want := 0.0
	for _, c := range k.secretSquare() {
		want += float64(int64(c)) * float64(int64(c))
	}
	if got := squareWeight(sk.coeffs()); got != want {
		t.Errorf("|s^2|^2 is %g, want %g", got, want)
	}
	// Ones at the start: 1000 of them weigh less than the heaviest key, their square is a triangle of height 1000.
	coeffs := make([]int64, p.N())
	for i := range 1000 {
		coeffs[i] = 1
	}
	if keyAdmitted(p, coeffs) {
		t.Error("a key of a heavy square is admitted")
	}
	if !keyAdmitted(parametersOf(t, ternarySet), coeffs) {
		t.Error("its weight alone is refused")
	}
}
