package tfhe

import (
	"fmt"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/fft"
)

// ExpansionKey is what a server needs to turn packed queries into GGSW ciphertexts, as it travels: a seed for all masks, and the bodies of
// a key-switching key for each automorphism X -> X^(N/2^i+1), i = 0..L-1 (rows -s(X^(N/2^i+1)) q/B^j with the gadget Expand), and
// of a scheme-switching key (rows s^2 q/B^j with the gadget Switch). That these encryptions of functions of the key under the key itself are
// harmless is the usual assumption of circular security, which bootstrapping keys make as well.
type ExpansionKey struct {
	params Parameters
	packed PackedParams
	id     KeyID
	seed   Seed
	bodies []uint64 // [L lE + lS][N]
}

// KeyRows returns the number of GLWE rows of an expansion key: L lE + lS.
func (pp PackedParams) KeyRows() int { return pp.Log2Slots*pp.Expand.Levels + pp.Switch.Levels }

// ExpansionKeyBytes returns the length of what [ExpansionKey.AppendTo] appends for a key of p.
func (pp PackedParams) ExpansionKeyBytes(p Parameters) int { return len(Seed{}) + 8*pp.KeyRows()*p.N() }

// expansionKeyMemory is the size in bytes of a [ServerExpansionKey].
func (pp PackedParams) expansionKeyMemory(p Parameters) int64 {
	polys := 3*pp.Log2Slots*pp.Expand.Levels + 2*pp.Switch.Levels
	if pp.Form == SwitchSplit {
		polys += pp.Switch.Levels
	}
	return 8 * int64(polys) * int64(p.N())
}

// GenerateExpansionKey makes the expansion key of sk. It takes about a fifth of a millisecond a row at N = 2048.
func GenerateExpansionKey(sk *SecretKey, pp PackedParams) (*ExpansionKey, error) {
	p := sk.params
	if err := pp.Check(p); err != nil {
		return nil, err
	}
	n := p.N()
	k := &ExpansionKey{params: p, packed: pp, id: sk.id, seed: NewSeed(), bodies: make([]uint64, pp.KeyRows()*n)}
	enc := newEncryptor(sk, k.seed, 0)
	secret, image := make([]uint64, n), make([]uint64, n)
	defer clear(secret)
	defer clear(image)
	for i, c := range sk.coeffs() {
		secret[i] = uint64(c)
	}
	rest := k.bodies
	// encrypt appends the rows that encrypt sign * image * q/B^j.
	encrypt := func(sign uint64, g GadgetParams) {
		for j := range g.Levels {
			row := rest[:n]
			rest = rest[n:]
			for c, v := range image {
				row[c] = sign * v << (64 - g.BaseLog*(j+1))
			}
			enc.GLWE(row, row)
		}
	}
	for i := range pp.Log2Slots {
		automorphism(image, secret, expansionExponent(n, i))
		encrypt(^uint64(0), pp.Expand)
	}
	clear(image)
	sk.ring.MulAdd(image, secret, sk.polys()[0])
	encrypt(1, pp.Switch)
	return k, nil
}

// Parameters returns the set that the key was made for.
func (k *ExpansionKey) Parameters() Parameters { return k.params }

// Packed returns the packed parameters that the key was made for.
func (k *ExpansionKey) Packed() PackedParams { return k.packed }

// ID names the secret key that this key belongs to.
func (k *ExpansionKey) ID() KeyID { return k.id }

// AppendTo appends seed and bodies to dst: [PackedParams.ExpansionKeyBytes] bytes. Parameters and id are the file's to carry.
func (k *ExpansionKey) AppendTo(dst []byte) []byte {
	return AppendWords(append(dst, k.seed[:]...), k.bodies)
}

// ParseExpansionKey reads what [ExpansionKey.AppendTo] appended, all of data, for parameters that the file around it carried or implied. It refuses
// parameters below 128 bits of security.
func ParseExpansionKey(p Parameters, pp PackedParams, id KeyID, data []byte) (*ExpansionKey, error) {
	if err := pp.Check(p); err != nil {
		return nil, err
	}
	if !p.Secure() {
		return nil, fmt.Errorf("tfhe: expansion key of insecure parameters")
	}
	if want := pp.ExpansionKeyBytes(p); len(data) != want {
		return nil, fmt.Errorf("tfhe: expansion key has %d bytes where its parameters need %d", len(data), want)
	}
	k := &ExpansionKey{params: p, packed: pp, id: id}
	copy(k.seed[:], data)
	k.bodies, _, _ = Words(data[len(k.seed):], pp.KeyRows()*p.N())
	return k, nil
}

// ServerExpansionKey is an expansion key with its masks expanded and its rows transformed, ready for use and shared by all expanders. It takes
// 3 N float64 in memory for each row of the automorphism keys, and 2 N (3 N with [SwitchSplit]) for each of the scheme-switching key.
type ServerExpansionKey struct {
	params Parameters
	packed PackedParams
	expand []*switchKey // per level of the expansion
	scheme *switchKey
}

// NewServerExpansionKey expands k.
func NewServerExpansionKey(k *ExpansionKey) *ServerExpansionKey {
	pp, n := k.packed, k.params.N()
	plan := fft.For(n)
	s := &ServerExpansionKey{params: k.params, packed: pp, expand: make([]*switchKey, pp.Log2Slots)}
	masks, rest := NewMaskReader(k.seed), k.bodies
	load := func(g GadgetParams, split bool, exponent int) *switchKey {
		bodies := rest[:g.Levels*n]
		rest = rest[g.Levels*n:]
		return newSwitchKey(plan, g, split, bodies, masks, exponent)
	}
	for i := range s.expand {
		s.expand[i] = load(pp.Expand, true, inverseExponent(n, expansionExponent(n, i))) // see Expander.preimage
	}
	s.scheme = load(pp.Switch, pp.Form == SwitchSplit, 1)
	return s
}
