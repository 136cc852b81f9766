package fft

import (
	"math"
	"unsafe"
)

// A compact key keeps the numbers of a block key in 48 bits instead of the 64 of a float64. A lone lookup waits for the memory that holds its key, and a quarter of the
// bytes is a quarter of the waiting; what the numbers are rounded by (CompactVariance) is an error of the key, which the secret multiplies in its masks. Kernels turn them into integers
// of the upper 48 bits, in units that the factors of a rotation undo.

// compactRange bounds the magnitude of the transform of a row of uniform words, in turns: a power of two above ten deviations sqrt(N/24) of its real and
// imaginary parts, which no row exceeds in 2^-72. Larger values, of a key that is no encryption, become the bound.
func compactRange(n int) float64 {
	limit := 1.0
	for limit < 9.7*math.Sqrt(float64(n)/24) {
		limit *= 2
	}
	return limit
}

// compactUnit is the unit of expanded numbers of rows scaled by RowScale of the first level of a gadget: 2^-63 of compactRange.
func (p *Plan) compactUnit(baseLog int) float64 {
	return math.Ldexp(compactRange(p.n)*p.RowScale(baseLog, 0), 64-63)
}

// CompactVariance is the variance, relative to the torus, of what compact storage adds to each coefficient of the polynomials of a key of degree n. A step of the numbers is
// 2^-47 of their range, and the inverse transform averages n/2 independent errors, whose real and imaginary parts have variance step^2/12.
func CompactVariance(n int) float64 {
	step := math.Ldexp(compactRange(n), -47)
	return step * step / 12 / float64(n/2)
}

// CompactKernels tells whether this machine gains by compact keys.
func CompactKernels() bool { return compactKernels() }

// CompactLen is the length of so many numbers in compact storage, a multiple of 16 of them. Behind a compact key CompactPad words of memory must follow, of any content.
func CompactLen(numbers int) int { return numbers / 4 * 3 }

// CompactPad is how many words behind a compact key kernels read.
const CompactPad = 2

// Compact stores the numbers of a block key, of one level, packed by PackBlock or PackModuleBlock, in dst: CompactLen of them. Its rows have
// been scaled by RowScale for baseLog and level 0.
func (p *Plan) Compact(dst []uint64, key []float64, baseLog int) {
	p.checkLen(len(dst), CompactLen(len(key)))
	inverse := 0x1p-16 / p.compactUnit(baseLog) // powers of two
	const limit = 1<<47 - 1
	for i, eight := range octets(key) {
		out := (*[6]uint64)(dst[6*i:])
		*out = [6]uint64{}
		for j, x := range eight {
			if math.IsNaN(x) {
				continue // no encryption has one: the number 0, on all machines
			}
			v := uint64(int64(math.RoundToEven(max(-limit, min(x*inverse, limit))))) & (1<<48 - 1)
			at, shift := 48*j/64, 48*j%64
			out[at] |= v << shift
			if shift > 16 {
				out[at+1] |= v >> (64 - shift)
			}
		}
	}
}

// expand returns numbers of a compact key, eight to six words, in units of compactUnit.
func expand(dst []float64, src []uint64) {
	for i := range octets(dst) {
		in, eight := (*[6]uint64)(src[6*i:]), &octets(dst)[i]
		for j := range eight {
			at, shift := 48*j/64, 48*j%64
			v := in[at] >> shift
			if shift > 16 {
				v |= in[at+1] << (64 - shift)
			}
			eight[j] = float64(int64(v << 16))
		}
	}
}

// SetCompactRotation is SetRotation in one part for products with a compact key of such a gadget.
func (p *Plan) SetCompactRotation(b *BlockRotation, exponents []int, baseLog int) {
	p.setRotation(b, exponents, 1, p.compactUnit(baseLog))
}

// CompactModuleProduct is ModuleBlockProduct with a compact key, and b set by SetCompactRotation.
func (p *Plan) CompactModuleProduct(d []float64, key []uint64, b *BlockRotation, polys, from, to int, ahead []float64) {
	p.checkCompact(d, key, b, polys, from, to)
	if from < to {
		p.compactModuleProduct(d, key, b, polys, from, to, ahead)
	}
}

// CompactModuleProductPair is ModuleBlockProductPair with a compact key, and b0 and b1 set by SetCompactRotation.
func (p *Plan) CompactModuleProductPair(d0, d1 []float64, key []uint64, b0, b1 *BlockRotation, polys, from, to int, ahead []float64) {
	p.checkCompact(d0, key, b0, polys, from, to)
	p.checkCompact(d1, key, b1, polys, from, to)
	if len(d0) != len(d1) {
		panic("fft: a pair of module operands of different lengths")
	}
	if from < to {
		p.compactModuleProductPair(d0, d1, key, b0, b1, polys, from, to, ahead)
	}
}

func (p *Plan) checkCompact(d []float64, key []uint64, b *BlockRotation, polys, from, to int) {
	p.checkModuleShape(len(d), b, polys, from, to)
	p.checkLen(len(key), CompactLen(p.ModuleBlockLen(b.terms, polys)))
	if cap(key) < len(key)+CompactPad {
		panic("fft: no memory behind a compact key")
	}
}

func (p *Plan) compactModuleProductGo(d []float64, key []uint64, b *BlockRotation, polys, from, to int) {
	var scratch [BlockTerms * maxModulePolys * maxModulePolys * 16]float64
	each := b.terms * polys * polys * 16
	for i := from; i < to; i++ {
		expand(scratch[:each], key[CompactLen(i*each):])
		p.moduleVector(vectors(d), vectors(scratch[:each]), b, polys, len(d)/polys/16, i)
	}
}

// Ahead is memory of a compact key as products and transforms take it that ask for memory ahead: nothing reads it as numbers.
func Ahead(key []uint64) []float64 {
	return unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(key))), len(key))
}
