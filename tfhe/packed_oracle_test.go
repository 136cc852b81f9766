package tfhe

import (
	"math"
	"testing"
)

// packedSet is a packed query's parameters with the keys for them.
type packedSet struct {
	keySet
	pp     PackedParams
	key    *ExpansionKey
	server *ServerExpansionKey
	x      *Expander
}

var (
	// Reference sets: one ciphertext of 128 rows for a single tree, and one of 2048 for an ensemble.
	packed7  = PackedParams{Log2Slots: 7, Expand: GadgetParams{10, 4}, Switch: GadgetParams{12, 3}, Select: GadgetParams{9, 2}}
	packed11 = PackedParams{Log2Slots: 11, Expand: GadgetParams{5, 9}, Switch: GadgetParams{13, 3}, Select: GadgetParams{6, 4}}

	// Whole parameter sets of them: without and with lookups.
	packedTernary = withPacked(ternarySet, packed7)
	packedLookups = withPacked(set4, PackedParams{Log2Slots: 5, Expand: GadgetParams{5, 9}, Switch: GadgetParams{11, 4}, Select: GadgetParams{6, 4}})

	toyTernary = ParametersLiteral{PolyDegree: 256, GLWEDimension: 1, Key: TernaryKey, Log2SigmaGLWE: -55}
	toyPacked  = PackedParams{Log2Slots: 5, Expand: GadgetParams{8, 5}, Switch: GadgetParams{9, 5}, Select: GadgetParams{7, 3}}
)

func withForm(pp PackedParams, form SwitchForm) PackedParams {
	pp.Form = form
	return pp
}

// withPacked returns lit with packed queries, in the form that parameter sets have.
func withPacked(lit ParametersLiteral, pp PackedParams) ParametersLiteral {
	lit.Select, lit.Packed = pp.Select, pp
	lit.Packed.Select = GadgetParams{}
	return lit
}

func packedKeys(t testing.TB, lit ParametersLiteral, pp PackedParams) packedSet {
	t.Helper()
	k := packedSet{keySet: keysOf(t, lit), pp: pp}
	key, err := GenerateExpansionKey(k.sk, pp)
	if err != nil {
		t.Fatal(err)
	}
	k.key, k.server = key, NewServerExpansionKey(key)
	k.x = NewExpander(k.server)
	k.ev = k.evaluator(pp.Select)
	return k
}

// query encrypts bits and reads them as a server does.
func (k packedSet) query(t interface {
	Helper()
	Fatal(...any)
}, bits []int64) *PackedQuery {
	t.Helper()
	bodies := make([]uint64, k.pp.Ciphertexts(len(bits))*k.p.N())
	enc := NewEncryptor(k.sk)
	enc.PackBits(bodies, bits, k.pp)
	q, err := NewPackedQuery(k.p, k.pp, len(bits), bodies, NewMaskReader(enc.Seed()))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// secretSquare returns s^2 by the definition.
func (k packedSet) secretSquare() []uint64 {
	words := make([]uint64, k.p.N())
	for i, c := range k.sk.coeffs() {
		words[i] = uint64(c)
	}
	square := make([]uint64, k.p.N())
	schoolbook(square, words, k.sk.coeffs())
	return square
}

// noise is the noise model of this very key.
func (k packedSet) noise() PackedNoise {
	v := NewPackedNoise(k.p.N(), k.weight(), k.p.lit.Log2SigmaGLWE)
	v.SquareWeight = 0
	for _, c := range k.secretSquare() {
		v.SquareWeight += float64(int64(c)) * float64(int64(c))
	}
	if k.p.N() == 256 {
		v.FFTVariance = math.Exp2(-106.3)
	}
	return v
}

func randomBits(n int) []int64 {
	bits := make([]int64, n)
	for i, w := range randomWords(n) {
		bits[i] = int64(w & 1)
	}
	return bits
}

// constant returns the polynomial of one coefficient.
func constant(n int, c uint64) []uint64 {
	x := make([]uint64, n)
	x[0] = c
	return x
}
