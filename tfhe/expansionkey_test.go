package tfhe

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestExpansionKeyRows decrypts every row of a key and compares it with the definition: the images of the secret and its square. What remains is
// noise of the key's deviation.
func TestExpansionKeyRows(t *testing.T) {
	for _, lit := range []ParametersLiteral{ternarySet, set4} {
		k := packedKeys(t, lit, packed7)
		n := k.p.N()
		secret := make([]uint64, n)
		for i, c := range k.sk.coeffs() {
			secret[i] = uint64(c)
		}
		masks := NewMaskReader(k.key.seed)
		rest := k.key.bodies
		var m moments
		check := func(message []uint64, negate bool, g GadgetParams) {
			for j := range g.Levels {
				ct := GLWECiphertext{Mask: make([]uint64, n), Body: rest[:n]}
				rest = rest[n:]
				masks.Next(ct.Mask, n)
				want := make([]uint64, n)
				for i, v := range message {
					if negate {
						v = -v
					}
					want[i] = v << (64 - g.BaseLog*(j+1))
				}
				m.addDifference(k.phase(ct), want)
			}
		}
		for i := range packed7.Log2Slots {
			check(automorphismByDefinition(secret, n>>i+1), true, packed7.Expand)
		}
		check(k.secretSquare(), false, packed7.Switch)
		if len(rest) != 0 {
			t.Fatalf("%d words are left", len(rest))
		}
		checkNoise(t, "rows of an expansion key, "+lit.Key.String(), &m, math.Exp2(2*lit.Log2SigmaGLWE), 0.97, 1.03, 1)
	}
}

func TestExpansionKeyBytes(t *testing.T) {
	k := packedKeys(t, ternarySet, packed7)
	data := k.key.AppendTo([]byte("head"))
	if !bytes.HasPrefix(data, []byte("head")) || len(data)-4 != packed7.ExpansionKeyBytes(k.p) || len(data)-4 != 32+31*16384 {
		t.Fatalf("%d bytes", len(data))
	}
	data = data[4:]
	again, err := ParseExpansionKey(k.p, packed7, k.sk.ID(), data)
	if err != nil {
		t.Fatal(err)
	}
	if again.ID() != k.sk.ID() || again.Parameters() != k.p || again.Packed() != packed7 || !bytes.Equal(again.AppendTo(nil), data) {
		t.Fatal("the key does not come back")
	}
	// The parsed key works.
	x := NewExpander(NewServerExpansionKey(again))
	bound := 8 * math.Sqrt(k.noise().RowPeak(packed7))
	x.Rows(k.query(t, []int64{1}), 0, 1, func(_ int, ct GLWECiphertext) {
		if e := math.Abs(torus(k.phase(ct)[0] - 1<<(64-9))); e > bound {
			t.Fatalf("off by %g", e)
		}
	})
	for _, bad := range [][]byte{nil, data[:31], data[:len(data)-1], append(data, 0)} {
		if _, err := ParseExpansionKey(k.p, packed7, k.sk.ID(), bad); err == nil || !strings.Contains(err.Error(), fmt.Sprint(len(bad))) {
			t.Fatalf("%d bytes: %v", len(bad), err)
		}
	}
	toyKey := packedKeys(t, toyTernary, toyPacked).key
	if _, err := ParseExpansionKey(toyKey.params, toyPacked, toyKey.id, toyKey.AppendTo(nil)); err == nil || !strings.Contains(err.Error(), "insecure") {
		t.Fatalf("an insecure key is read: %v", err)
	}
}

func TestPackedParamsCheck(t *testing.T) {
	p, toyTwoMasks := parametersOf(t, ternarySet), parametersOf(t, toySelect)
	if err := packed7.Check(p); err != nil {
		t.Fatal(err)
	}
	change := func(f func(*PackedParams)) PackedParams {
		pp := packed7
		f(&pp)
		return pp
	}
	for _, c := range []struct {
		p    Parameters
		pp   PackedParams
		want string
	}{
		{Parameters{}, packed7, "empty"},
		{toyTwoMasks, packed7, "dimension 1, not 2"},
		{p, change(func(pp *PackedParams) { pp.Log2Slots = 12 }), "0..11"},
		{p, change(func(pp *PackedParams) { pp.Log2Slots = -1 }), "0..11"},
		{p, change(func(pp *PackedParams) { pp.Log2Slots = 0 }), "L = 0"},
		{p, change(func(pp *PackedParams) { pp.Expand = GadgetParams{} }), "expansion gadget 2^0 x 0"},
		{p, change(func(pp *PackedParams) { pp.Expand = GadgetParams{22, 1} }), "too coarse"},
		{p, change(func(pp *PackedParams) { pp.Switch = GadgetParams{31, 1} }), "scheme switch gadget"},
		{p, change(func(pp *PackedParams) { pp.Switch, pp.Form = GadgetParams{24, 1}, SwitchSplit }), "too coarse"},
		{p, change(func(pp *PackedParams) { pp.Select = GadgetParams{9, 7} }), "select gadget"},
		{p, change(func(pp *PackedParams) { pp.Select = GadgetParams{14, 4} }), "63 of 62 bits"},
		{p, change(func(pp *PackedParams) {
			pp.Switch, pp.Select, pp.Form = GadgetParams{30, 2}, GadgetParams{30, 1}, SwitchFused
		}), "overflows"},
		{p, change(func(pp *PackedParams) { pp.Form = 3 }), "unknown form"},
	} {
		if err := c.pp.Check(c.p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.pp, err, c.want)
		}
		if c.p.N() > 0 {
			if _, err := ParseExpansionKey(c.p, c.pp, KeyID{}, nil); err == nil {
				t.Errorf("%+v is parsed", c.pp)
			}
		}
	}
	if _, err := GenerateExpansionKey(keysOf(t, toySelect).sk, packed7); err == nil {
		t.Error("a key with two masks")
	}
}

func TestNewPackedQueryErrors(t *testing.T) {
	p := parametersOf(t, ternarySet)
	for _, c := range []struct{ bits, words int }{{-1, 0}, {1, 0}, {1, 2047}, {1, 4096}, {64, 4096}, {65, 2048}, {0, 1}, {1 << 40, 2048}, {math.MaxInt, 0}} {
		if _, err := NewPackedQuery(p, packed7, c.bits, make([]uint64, c.words), NewMaskReader(Seed{})); err == nil {
			t.Errorf("%d bits in %d words are accepted", c.bits, c.words)
		}
	}
	if q, err := NewPackedQuery(p, packed7, 65, make([]uint64, 4096), NewMaskReader(Seed{})); err != nil || q.Rows() != 130 {
		t.Errorf("65 bits in two ciphertexts: %v", err)
	}
}

// TestDroppedBits: without the low 12 bits of its bodies a query has the noise that RequestVariance says, hardly more.
func TestDroppedBits(t *testing.T) {
	k := packedKeys(t, ternarySet, packed7)
	v := k.noise()
	v.RequestVariance += math.Exp2(-2*52) / 12
	var m moments
	for range samples(1, 10) {
		bits := randomBits(64)
		q := k.query(t, bits)
		for _, ct := range q.cts {
			for i, w := range ct.Body {
				ct.Body[i] = (w + 1<<11) >> 12 << 12
			}
		}
		k.x.Rows(q, 0, q.Rows(), func(r int, ct GLWECiphertext) {
			m.addDifference(k.phase(ct), constant(k.p.N(), uint64(bits[r/2])<<(64-9*(r%2+1))))
		})
	}
	checkNoise(t, "expanded row of a query of 6.5 bytes a word", &m, v.Row(packed7), 0.9, 1.1, 40)
}

func FuzzParseExpansionKey(f *testing.F) {
	k := packedKeys(f, ternarySet, PackedParams{Switch: GadgetParams{8, 1}, Select: GadgetParams{9, 2}})
	f.Add(k.key.AppendTo(nil), 0, 0, 0, 8, 1, 9, 2, 0)
	f.Add([]byte{1, 2, 3}, 7, 10, 4, 12, 3, 9, 2, 1)
	f.Fuzz(func(t *testing.T, data []byte, slots, eb, el, sb, sl, cb, cl, form int) {
		pp := PackedParams{slots, GadgetParams{eb, el}, GadgetParams{sb, sl}, GadgetParams{cb, cl}, SwitchForm(form)}
		key, err := ParseExpansionKey(k.p, pp, k.sk.ID(), data)
		if err != nil {
			return
		}
		if pp.Check(k.p) != nil || !bytes.Equal(key.AppendTo(nil), data) {
			t.Fatal("an accepted key is not what would be written")
		}
		NewServerExpansionKey(key)
	})
}
