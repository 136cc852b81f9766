package compiler

import (
	"crypto/aes"
	"crypto/cipher"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/fhe-ml/fhe-ml/tfhe"
)

// simNoise holds the variances that a simulation draws from, and the deviations of lookups, relative to the torus. They are the formulas of package tfhe that
// plans are priced with.
type simNoise struct {
	fresh        float64 // variance of a fresh ciphertext
	product      float64 // variance of a product with a client's bit, whatever the bit
	rounding     float64 // variance that it has besides where the bit is 1
	inverse      float64 // variance of an inverse transform of it, beside the one that product has
	clearRound   float64 // variance of the rounding of a clear number, where the gadget does not reach its last bit
	gadget       tfhe.GadgetParams
	fft          float64                    // variance of the transforms for each unit of squared digits
	row          float64                    // variance of a coefficient of a row with the bit, averaged over them
	rowAt        func(distance int) float64 // that of the coefficient at this distance from the bit
	beforeLookup float64                    // deviation of key switch and modulus switch
	lookup       float64                    // deviation of a lookup's result

	keySwitch, modulusSwitch float64 // variances of what comes before a lookup, of one result
	wide                     simWide
}

// simWide holds the variances of products with bits that the server computed: as product and rounding of simNoise, and the product of a clear table.
type simWide struct{ product, rounding, table float64 }

func newSimNoise(lit tfhe.ParametersLiteral, average bool) simNoise {
	n, k := lit.PolyDegree, lit.GLWEDimension
	dim := n * k
	out := simNoise{fresh: math.Exp2(2 * lit.Log2SigmaGLWE)}
	weight := tfhe.WorstTernaryWeight(dim)
	if average {
		weight = float64(dim) * 2 / 3
	}
	if lit.SmallDimension > 0 {
		p := 1 / float64(lit.BlockLength+1)
		small, rest := float64(lit.SmallDimension)*p, float64(dim-lit.SmallDimension)/2
		if !average {
			small = tfhe.WorstBlockWeight(lit.SmallDimension, lit.BlockLength)
			rest = tfhe.WorstBlockPrefixWeight(dim, lit.SmallDimension, lit.BlockLength) - small
		}
		weight = small + rest
		model := tfhe.BlockNoiseModel(lit.SmallDimension, lit.BlockLength, small, rest, tfhe.DefaultFFTVariance)
		b := model.Bootstrap(tfhe.BootstrapShape{N: n, K: k, Parts: lit.Parts, SmallDim: lit.SmallDimension, PrefixKey: true, SmallModulusLog: 32,
			VarianceGLWE: out.fresh, VarianceLWE: math.Exp2(2 * lit.Log2SigmaLWE), BR: lit.BlindRotate, KS: lit.KeySwitch}, 1, 1, 0)
		out.beforeLookup, out.lookup = math.Sqrt(b.Ks+b.Ms), math.Sqrt(b.Br)
		out.keySwitch, out.modulusSwitch = b.Ks, b.Ms
	}
	if lit.Select.Levels == 0 {
		return out
	}
	sel := tfhe.FreshSelect(n, k, weight, lit.Log2SigmaGLWE)
	out.rowAt = func(int) float64 { return out.fresh }
	if packed, ok := lit.PackedQuery(); ok {
		model := tfhe.NewPackedNoise(n, weight, lit.Log2SigmaGLWE)
		sel = model.Select(packed)
		if lit.SmallDimension > 0 && 1<<packed.Log2Slots == n {
			bits := model.Computed(sq(out.lookup)).Select(packed)
			out.wide.product = bits.ExternalProduct(lit.Select)
			out.wide.rounding = bits.CMUX(lit.Select) - out.wide.product
			out.wide.table = lit.Select.DigitNorm(n) * (bits.BodyRowVariance + bits.FFTVariance*(1+bits.KeyWeight))
		}
		// Level i of an expansion leaves 4^(L-1-i) V_E in every 2^(L-1-i)-th coefficient, and the query 4^L sigma^2 in every 2^L-th: see
		// [tfhe.PackedNoise.RowPeak].
		at := make([]float64, packed.Log2Slots+1)
		for j := range at {
			if j > 0 {
				at[j] = at[j-1]
			}
			if j < packed.Log2Slots {
				at[j] += math.Ldexp(model.Automorphism(packed.Expand), 2*j)
			} else {
				at[j] += math.Ldexp(model.RequestVariance, 2*j)
			}
		}
		out.rowAt = func(distance int) float64 {
			if distance == 0 {
				return at[len(at)-1]
			}
			return at[min(bits.TrailingZeros(uint(max(distance, -distance))), len(at)-1)]
		}
	}
	out.gadget = lit.Select
	out.product = sel.ExternalProduct(lit.Select)
	out.rounding = sel.CMUX(lit.Select) - out.product
	out.inverse = sel.Inverse(lit.Select)
	out.clearRound = lit.Select.RoundingVariance()
	out.fft = sel.FFTVariance * (1 + sel.KeyWeight)
	out.row = sel.BodyRowVariance
	return out
}

// digits writes the digits of a clear word, most significant first: x is about the sum of dst[j] q/B^(j+1), and the digits lie in [-B/2, B/2).
func (n *simNoise) digits(dst []int64, x uint64) {
	b := n.gadget.BaseLog
	drop := 64 - b*n.gadget.Levels
	x = (x + 1<<(drop-1)) >> drop
	for j := n.gadget.Levels - 1; j >= 0; j-- {
		d := int64(x & (1<<b - 1))
		x >>= b
		if d >= 1<<(b-1) {
			d -= 1 << b
			x++
		}
		dst[j] = d
	}
}

// squaredDigits is the sum of the squared digits of clear words.
func (n *simNoise) squaredDigits(words []uint64) float64 {
	sum, digits := 0.0, make([]int64, n.gadget.Levels)
	for _, x := range words {
		if x == 0 {
			continue
		}
		n.digits(digits, x)
		for _, d := range digits {
			sum += sq(float64(d))
		}
	}
	return sum
}

// tableTurned is the noise of the first rotation of a clear table, of so many numbers of the given width, by w places: that of the digits of its difference
// to the turned table.
func (n *simNoise) tableTurned(table []int64, width, w, degree int) float64 {
	diff := make([]uint64, degree)
	for i, y := range table {
		x := uint64(y) << (64 - width)
		diff[i] -= x
		at := ((i-w)%(2*degree) + 2*degree) % (2 * degree)
		if at < degree {
			diff[at] += x
		} else {
			diff[at-degree] -= x
		}
	}
	return n.squaredDigits(diff) * (n.row + n.fft)
}

// rounds is the variance of the rounding of a clear value of the given width that is multiplied by a bit of 1.
func (n *simNoise) rounds(width int) float64 {
	if width > n.gadget.BaseLog*n.gadget.Levels {
		return n.clearRound
	}
	return 0
}

// normals draws from the standard normal distribution: AES in counter mode and Marsaglia's polar method. It hides nothing; it is fast, and the same everywhere.
type normals struct {
	stream cipher.Stream
	buffer [4096]byte
	used   int
	spare  float64 // the second of a pair
	has    bool
}

func newNormals(seed uint64) normals {
	var key [32]byte
	if seed == 0 {
		crand.Read(key[:])
	} else {
		key = sha256.Sum256(binary.LittleEndian.AppendUint64([]byte("fhe-ml simulation 1"), seed))
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("compiler: internal error: " + err.Error()) // the key has a length that AES knows
	}
	n := normals{stream: cipher.NewCTR(block, make([]byte, aes.BlockSize))}
	n.used = len(n.buffer)
	return n
}

func (n *normals) uint64() uint64 {
	if n.used == len(n.buffer) {
		clear(n.buffer[:])
		n.stream.XORKeyStream(n.buffer[:], n.buffer[:])
		n.used = 0
	}
	x := binary.LittleEndian.Uint64(n.buffer[n.used:])
	n.used += 8
	return x
}

// draw returns one standard normal number.
func (n *normals) draw() float64 {
	if n.has {
		n.has = false
		return n.spare
	}
	for {
		u, v := float64(int64(n.uint64()))*0x1p-63, float64(int64(n.uint64()))*0x1p-63
		r := float64(u*u) + float64(v*v)
		if r >= 1 || r == 0 {
			continue
		}
		f := math.Sqrt(-2 * math.Log(r) / r)
		n.spare, n.has = v*f, true
		return u * f
	}
}

// word draws noise of the given deviation, relative to the torus, as a word.
func (n *normals) word(deviation float64) uint64 {
	if deviation == 0 {
		return 0
	}
	return turnsWord(deviation * n.draw())
}

// turnsWord is the word of so many turns of the torus. A float64 has 53 bits, more than noise leaves.
func turnsWord(x float64) uint64 {
	x -= math.Round(x)
	return uint64(int64(x*0x1p62)) << 2
}
