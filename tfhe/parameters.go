package tfhe

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/fft"
	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

// ParametersLiteral holds the numbers of a parameter set as they are written down: in a file, in a search result, in a test.
// [NewParameters] checks them and returns the immutable [Parameters] that everything else takes.
type ParametersLiteral struct {
	PolyDegree    int             `cbor:"1,keyasint"`           // N: degree of the ring Z[X]/(X^N+1), a power of two in 256..4096
	GLWEDimension int             `cbor:"2,keyasint"`           // k: number of mask polynomials
	Key           KeyDistribution `cbor:"3,keyasint"`           // TernaryKey (no lookups) or BlockPrefixKey (the prefix is the small key)
	Log2SigmaGLWE float64         `cbor:"4,keyasint"`           // log2 of the GLWE noise deviation, relative to q
	Select        GadgetParams    `cbor:"5,keyasint,omitempty"` // gadget of the bits that a client encrypts (GGSW); zero: none are
	Packed        PackedParams    `cbor:"12,keyasint,omitzero"` // how these bits are packed; zero: each is uploaded as a GGSW ciphertext

	// The rest is zero in a set without lookups (programmable bootstraps).
	SmallDimension int          `cbor:"6,keyasint,omitempty"`  // n: dimension of the small LWE key, a multiple of BlockLength
	BlockLength    int          `cbor:"7,keyasint,omitempty"`  // 1..4: at most one non-zero coefficient a block
	Log2SigmaLWE   float64      `cbor:"8,keyasint,omitempty"`  // log2 of the small key's noise deviation, relative to q
	Parts          int          `cbor:"9,keyasint,omitempty"`  // m: ring elements a table is spread over (extended bootstrapping, eprint 2023/402)
	BlindRotate    GadgetParams `cbor:"10,keyasint,omitempty"` // gadget of the bootstrapping key
	KeySwitch      GadgetParams `cbor:"11,keyasint,omitempty"` // gadget of the key-switching key
}

// Parameters is a checked parameter set: it obeys the 128-bit security rule of [CheckSecurity], unless it was made by
// [InsecureParameters]. Build it with [NewParameters]; the zero value is useless. It is a value: copy it freely.
type Parameters struct {
	lit      ParametersLiteral
	insecure bool
}

const (
	maxParts = 64
	// maxRotateBits bounds base and levels of the blind rotation together: its accumulators are float64.
	maxRotateBits = 51
	minPolyBits   = 8
	maxPolyBits   = 12
)

// NewParameters checks a literal: structure (degrees, gadgets, table parts) and security. The error names the rule
// that is broken.
func NewParameters(lit ParametersLiteral) (Parameters, error) {
	if err := checkStructure(lit); err != nil {
		return Parameters{}, err
	}
	if err := checkParametersSecurity(lit); err != nil {
		return Parameters{}, err
	}
	return Parameters{lit: lit.normal()}, nil
}

// InsecureParameters returns a set that is checked for structure only, so that tests can be small and fast. Its first
// argument is what only a test has. Decoders refuse such a set.
func InsecureParameters(t interface {
	Helper()
	TempDir() string
}, lit ParametersLiteral) (Parameters, error) {
	t.Helper()
	if err := checkStructure(lit); err != nil {
		return Parameters{}, err
	}
	return Parameters{lit: lit.normal(), insecure: true}, nil
}

// PackedQuery returns the parameters of packed queries, with the select gadget in them, and false where bits are uploaded as GGSW ciphertexts.
func (lit ParametersLiteral) PackedQuery() (PackedParams, bool) {
	if lit.Packed == (PackedParams{}) {
		return PackedParams{}, false
	}
	lit.Packed.Select = lit.Select
	return lit.Packed, true
}

// normal returns the one form of a literal: the select gadget stands in Select alone.
func (lit ParametersLiteral) normal() ParametersLiteral {
	lit.Packed.Select = GadgetParams{}
	return lit
}

func checkStructure(lit ParametersLiteral) error {
	n := lit.PolyDegree
	if n < 1<<minPolyBits || n > 1<<maxPolyBits || bits.OnesCount(uint(n)) != 1 {
		return fmt.Errorf("tfhe: polynomial degree %d is not a power of two in %d..%d", n, 1<<minPolyBits, 1<<maxPolyBits)
	}
	if lit.GLWEDimension < 1 || lit.GLWEDimension > 4 {
		return fmt.Errorf("tfhe: GLWE dimension %d is outside 1..4", lit.GLWEDimension)
	}
	if !finite(lit.Log2SigmaGLWE) || lit.Log2SigmaGLWE < -62 || lit.Log2SigmaGLWE > -4 {
		return fmt.Errorf("tfhe: log2 of the GLWE deviation, %g, is outside -62..-4", lit.Log2SigmaGLWE)
	}
	if lit.Select != (GadgetParams{}) {
		if err := checkGadget("select", lit.Select); err != nil {
			return err
		}
	}
	if packed, ok := lit.PackedQuery(); ok {
		if other := lit.Packed.Select; other != (GadgetParams{}) && other != lit.Select {
			return fmt.Errorf("tfhe: packed queries have select gadget %v, the set has %v", other, lit.Select)
		}
		if err := packed.Check(Parameters{lit: lit}); err != nil {
			return err
		}
	}
	if lit.SmallDimension == 0 {
		if lit.Key != TernaryKey {
			return errors.New("tfhe: a set without lookups has a ternary key")
		}
		if lit.BlockLength != 0 || lit.Parts != 0 || lit.Log2SigmaLWE != 0 || lit.BlindRotate != (GadgetParams{}) || lit.KeySwitch != (GadgetParams{}) {
			return errors.New("tfhe: a set without a small key has no bootstrap fields")
		}
		return nil
	}
	if lit.GLWEDimension > 1 && (lit.Parts != 1 || lit.BlindRotate.Levels != 1) {
		return fmt.Errorf("tfhe: lookups of GLWE dimension %d have tables in one part and one rotation level, not %d and %d",
			lit.GLWEDimension, lit.Parts, lit.BlindRotate.Levels)
	}
	if lit.Key != BlockPrefixKey {
		return errors.New("tfhe: a set with lookups has a key with a block-binary prefix")
	}
	if lit.BlockLength < 1 || lit.BlockLength > 4 || lit.SmallDimension < lit.BlockLength || lit.SmallDimension%lit.BlockLength != 0 ||
		lit.SmallDimension >= n*lit.GLWEDimension {
		return fmt.Errorf("tfhe: small dimension %d with blocks of %d does not fit a prefix of the %d coefficients of the large key",
			lit.SmallDimension, lit.BlockLength, n*lit.GLWEDimension)
	}
	if !finite(lit.Log2SigmaLWE) || lit.Log2SigmaLWE < -62 || lit.Log2SigmaLWE > -4 {
		return fmt.Errorf("tfhe: log2 of the LWE deviation, %g, is outside -62..-4", lit.Log2SigmaLWE)
	}
	if lit.Parts < 1 || lit.Parts > maxParts {
		return fmt.Errorf("tfhe: %d table parts are outside 1..%d", lit.Parts, maxParts)
	}
	if err := checkGadget("blind rotation", lit.BlindRotate); err != nil {
		return err
	}
	if g := lit.BlindRotate; g.BaseLog*g.Levels > maxRotateBits {
		return fmt.Errorf("tfhe: blind rotation gadget %v has digits below 2^-%d, where accumulators end", g, maxRotateBits)
	}
	return checkGadget("key switch", lit.KeySwitch)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func checkGadget(name string, g GadgetParams) error {
	if g.BaseLog < 1 || g.BaseLog > 30 || g.Levels < 1 || g.Levels > 16 || g.BaseLog*g.Levels > 62 {
		return fmt.Errorf("tfhe: %s gadget 2^%d x %d is outside base 2^1..2^30, 1..16 levels, 62 bits together", name, g.BaseLog, g.Levels)
	}
	return nil
}

func checkParametersSecurity(lit ParametersLiteral) error {
	block := lit.BlockLength
	if lit.SmallDimension == 0 {
		block = 1
	}
	if err := CheckSecurity(lit.Key, lit.PolyDegree*lit.GLWEDimension, block, lit.Log2SigmaGLWE); err != nil {
		return err
	}
	if lit.SmallDimension > 0 {
		if err := CheckSecurity(BlockBinaryKey, lit.SmallDimension, lit.BlockLength, lit.Log2SigmaLWE); err != nil {
			return err
		}
	}
	return nil
}

// Literal returns the numbers of the set.
func (p Parameters) Literal() ParametersLiteral { return p.lit }

// Secure tells whether the set obeys the security rule: true unless it came from [InsecureParameters].
func (p Parameters) Secure() bool { return !p.insecure && p.lit.PolyDegree > 0 }

// N is the polynomial degree.
func (p Parameters) N() int { return p.lit.PolyDegree }

// K is the GLWE dimension: the number of mask polynomials.
func (p Parameters) K() int { return p.lit.GLWEDimension }

// BigDimension is kN, the dimension of the LWE ciphertexts that sample extraction gives.
func (p Parameters) BigDimension() int { return p.lit.PolyDegree * p.lit.GLWEDimension }

// HasLookups tells whether the set can bootstrap: it then needs an evaluation key with a bootstrapping key in it.
func (p Parameters) HasLookups() bool { return p.lit.SmallDimension > 0 }

// HasPacked tells whether the client's bits travel in packed queries: the set then needs an evaluation key with an expansion key in it.
func (p Parameters) HasPacked() bool { return p.lit.Packed != PackedParams{} }

// Packed returns the parameters of packed queries: the zero value where there are none.
func (p Parameters) Packed() PackedParams {
	packed, _ := p.lit.PackedQuery()
	return packed
}

// Hash identifies the set: SHA-256 over a fixed encoding of its numbers. Every file carries it.
func (p Parameters) Hash() [32]byte {
	l := p.lit
	buf := []byte("fhe-ml parameters 1\n")
	for _, v := range []int{l.PolyDegree, l.GLWEDimension, int(l.Key), l.Select.BaseLog, l.Select.Levels, l.SmallDimension, l.BlockLength,
		l.Parts, l.BlindRotate.BaseLog, l.BlindRotate.Levels, l.KeySwitch.BaseLog, l.KeySwitch.Levels} {
		buf = binary.LittleEndian.AppendUint64(buf, uint64(v))
	}
	buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(l.Log2SigmaGLWE))
	buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(l.Log2SigmaLWE))
	if pp, ok := l.PackedQuery(); ok {
		for _, v := range []int{pp.Log2Slots, pp.Expand.BaseLog, pp.Expand.Levels, pp.Switch.BaseLog, pp.Switch.Levels, int(pp.Form)} {
			buf = binary.LittleEndian.AppendUint64(buf, uint64(v))
		}
	}
	return sha256.Sum256(buf)
}

// GGSWWords is the number of body words of one seeded GGSW ciphertext: (k+1) l N.
func (p Parameters) GGSWWords() int { return (p.K() + 1) * p.lit.Select.Levels * p.N() }

// EvaluationKeyBytes is the size of the seeded evaluation key on the wire, without its header: 0 without lookups and packed queries.
func (p Parameters) EvaluationKeyBytes() int64 {
	var bytes int64
	if p.HasLookups() {
		bytes = 8*int64(p.bskWords()) + 4*int64(p.kskRows())
	}
	if p.HasPacked() {
		bytes += int64(p.Packed().ExpansionKeyBytes(p))
	}
	return bytes
}

// EvaluationKeyMemory is the size in bytes of the evaluation key that a server holds in memory once it is expanded and transformed: with AVX-512, for tables of one
// part, the bootstrapping key takes three quarters of its share.
func (p Parameters) EvaluationKeyMemory() int64 {
	var bytes int64
	if p.HasLookups() {
		bytes = 8*int64(p.bskFourier()) + int64(p.kskMemory())
	}
	if p.HasPacked() {
		bytes += p.Packed().expansionKeyMemory(p)
	}
	return bytes
}

// bskWords is the number of body words of the bootstrapping key: n GGSW of (k+1) l rows.
func (p Parameters) bskWords() int {
	return p.lit.SmallDimension * (p.K() + 1) * p.lit.BlindRotate.Levels * p.N()
}

// bskFourier is the number of float64 of the expanded bootstrapping key: masks and bodies.
func (p Parameters) bskFourier() int { return (p.K() + 1) * p.bskWords() }

// blockFourier is the number of float64 of a block of it.
func (p Parameters) blockFourier() int {
	return p.bskFourier() / p.lit.SmallDimension * p.lit.BlockLength
}

// compactKey tells whether servers with kernels for it keep the bootstrapping key in 48 bits a number. The noise of a set includes its rounding on all machines.
func (p Parameters) compactKey() bool {
	return p.lit.BlockLength == fft.BlockTerms && compactShape(p.lit.Parts, p.lit.BlindRotate)
}

// kskRows is the number of LWE rows of the key-switching key: only the kN-n coefficients outside the prefix are switched.
func (p Parameters) kskRows() int {
	return (p.BigDimension() - p.lit.SmallDimension) * p.lit.KeySwitch.Levels
}

// Signs returns the fixed public sign of every coefficient of the large key: all +1 for a ternary key, a pseudo-random
// pattern of +1 and -1 for a block-binary one. A zero-mean key keeps the rounding noise of leveled steps spread over all
// coefficients; multiplying by a public diagonal of signs is an isometry of the lattice, so security is unchanged.
func (p Parameters) Signs() []int64 {
	signs := make([]int64, p.BigDimension())
	if p.lit.Key == TernaryKey {
		for i := range signs {
			signs[i] = 1
		}
		return signs
	}
	seed := sha256.Sum256([]byte("fhe-ml public sign pattern 1"))
	words := make([]uint64, len(signs))
	rng.ExpandMask(words, seed, 0)
	for i, w := range words {
		signs[i] = 1 - 2*int64(w>>63)
	}
	return signs
}
