package tfhe

import (
	"crypto/rand"
	"fmt"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/ring"
	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

// KeyID names a key: 16 random bytes drawn at key generation, never derived from the secret. Files that belong together carry the same.
type KeyID [16]byte

// String returns the id in hexadecimal.
func (id KeyID) String() string { return fmt.Sprintf("%x", id[:]) }

// SecretKey is the client's key: k polynomials with coefficients in {-1, 0, 1}. Read as one vector of kN coefficients it
// is also the big LWE key, and its first n coefficients are the small LWE key of a set with lookups.
//
// It is safe for concurrent use. It never prints itself.
type SecretKey struct {
	params Parameters
	id     KeyID
	ring   *ring.Ring
	// The secret itself sits behind functions: a struct with an unexported key in it prints fields by reflection, past the methods below, and
	// even follows pointers for a verb that does not fit, but a function is never more than an address.
	coeffs func() []int64       // kN coefficients
	polys  func() []*ring.Small // the k polynomials, ready for exact products
}

// GenerateSecretKey draws a key from the operating system's randomness. Keys whose weight lies more than two deviations above the mean are drawn
// again, since the noise budget promises its failure probability for every key that can occur and not for keys of average weight.
func GenerateSecretKey(p Parameters) (*SecretKey, error) {
	if p.N() == 0 {
		return nil, fmt.Errorf("tfhe: parameters are empty: build them with NewParameters")
	}
	src := rng.New()
	coeffs := make([]int64, p.BigDimension())
	for {
		drawKey(p, src, coeffs)
		if keyAdmitted(p, coeffs) {
			break
		}
	}
	var id KeyID
	rand.Read(id[:])
	return newSecretKey(p, id, coeffs)
}

func drawKey(p Parameters, src *rng.Source, coeffs []int64) {
	if p.lit.Key == TernaryKey {
		src.Ternary(coeffs)
		return
	}
	n := p.lit.SmallDimension
	src.BlockBinary(coeffs[:n], p.lit.BlockLength)
	src.Binary(coeffs[n:])
	for i, s := range p.Signs() {
		coeffs[i] *= s
	}
}

// keyAdmitted tells whether the weights of the key and of its prefix are at most two deviations above their means, and with packed queries, whose noise
// depends on it, that of the key's square as well.
func keyAdmitted(p Parameters, coeffs []int64) bool {
	weight := func(c []int64) (w float64) {
		for _, v := range c {
			w += float64(v * v)
		}
		return w
	}
	if p.HasLookups() && weight(coeffs[:p.lit.SmallDimension]) > WorstBlockWeight(p.lit.SmallDimension, p.lit.BlockLength) {
		return false
	}
	return weight(coeffs) <= p.WorstKeyWeight() && (!p.HasPacked() || squareWeight(coeffs) <= p.WorstSquareWeight())
}

// squareWeight returns |s^2|^2 for a key of one polynomial.
func squareWeight(coeffs []int64) (w float64) {
	r := ring.For(len(coeffs))
	secret, square := make([]uint64, len(coeffs)), make([]uint64, len(coeffs))
	defer clear(secret)
	defer clear(square)
	for i, c := range coeffs {
		secret[i] = uint64(c)
	}
	r.MulAdd(square, secret, r.Prepare(coeffs))
	for _, v := range square {
		c := float64(int64(v))
		w += float64(c * c)
	}
	return w
}

// WorstSquareWeight is the largest |s^2|^2 that [GenerateSecretKey] admits where bits are packed: [WorstSquareWeight] of the heaviest key.
func (p Parameters) WorstSquareWeight() float64 { return WorstSquareWeight(p.N(), p.WorstKeyWeight()) }

// keyInForm tells whether every coefficient has the public sign of its place, and no block of the prefix more than one.
func keyInForm(p Parameters, coeffs []int64) bool {
	if p.lit.Key == TernaryKey {
		return true
	}
	used := 0
	for i, s := range p.Signs() {
		if coeffs[i] == -s {
			return false
		}
		if i >= p.lit.SmallDimension {
			continue
		}
		if i%p.lit.BlockLength == 0 {
			used = 0
		}
		if coeffs[i] != 0 {
			used++
		}
		if used > 1 {
			return false
		}
	}
	return true
}

// WorstKeyWeight is the largest squared norm |s|^2 of the large key that [GenerateSecretKey] admits: two deviations above the mean.
func (p Parameters) WorstKeyWeight() float64 {
	if p.lit.Key == TernaryKey {
		return WorstTernaryWeight(p.BigDimension())
	}
	return WorstBlockPrefixWeight(p.BigDimension(), p.lit.SmallDimension, p.lit.BlockLength)
}

func newSecretKey(p Parameters, id KeyID, coeffs []int64) (*SecretKey, error) {
	r, err := ring.New(p.N())
	if err != nil {
		return nil, fmt.Errorf("tfhe: %w", err)
	}
	polys := make([]*ring.Small, p.K())
	for i := range polys {
		polys[i] = r.Prepare(coeffs[i*p.N() : (i+1)*p.N()])
	}
	return &SecretKey{params: p, id: id, ring: r,
		coeffs: func() []int64 { return coeffs },
		polys:  func() []*ring.Small { return polys }}, nil
}

// Parameters returns the set that the key was made for.
func (sk *SecretKey) Parameters() Parameters { return sk.params }

// ID returns the key's public name.
func (sk *SecretKey) ID() KeyID { return sk.id }

// String hides the key: it says which one it is and nothing more.
func (sk SecretKey) String() string { return "tfhe.SecretKey(" + sk.id.String() + ")" }

// GoString hides the key from %#v.
func (sk SecretKey) GoString() string { return sk.String() }

// Format hides the key from every verb of package fmt, be it printed by value or by pointer.
func (sk SecretKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, sk.String()) }
