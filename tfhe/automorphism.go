package tfhe

import (
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/fft"
	"github.com/fhe-ml/fhe-ml/tfhe/internal/vec"
)

// automorphism sets dst to src(X^g) in Z[X]/(X^N+1) for an odd g in [1, 2N): coefficient j moves to j g mod 2N, where X^N = -1. dst is not src.
func automorphism(dst, src []uint64, g int) { vec.Automorphism64(dst, src, g) }

// inverseExponent returns the exponent of the inverse automorphism: 1/g modulo 2n, n a power of two.
func inverseExponent(n, g int) int {
	inverse := g // right modulo 8
	for range 6 {
		inverse = inverse * (2 - g*inverse) & (2*n - 1) // twice as many bits a step
	}
	return inverse
}

// expansionExponent is the exponent of the automorphism of level i of an expansion: X^j becomes -X^j where j is an odd multiple of 2^i and stays
// where it is an even one.
func expansionExponent(n, i int) int { return n>>i + 1 }

// A key switch multiplies gadget digits by key rows (mask and body) in the Fourier domain. Its error in the mask is multiplied by the secret key
// when the result is decrypted: a plain float64 FFT acts like a key of deviation 2^-48 at N = 2048, whatever the real one is. Where that matters the
// masks of the rows are kept as high * 2^splitBits + low. Products of digits with either part then have an error far below one unit: that
// of the high part is an exact integer after rounding, and that of the low part is smaller by 2^(64-splitBits).
const splitBits = 40

// checkSplit makes sure that the high product's error stays below half a unit: its deviation, sqrt(DigitNorm * F) units of 2^-24 of the torus, is at
// most a sixteenth of that.
func checkSplit(name string, g GadgetParams, n int) error {
	if deviation := math.Sqrt(g.DigitNorm(n)*DefaultFFTVariance) * (1 << (64 - splitBits)); deviation > 1./32 {
		return fmt.Errorf("tfhe: %s gadget %v is too coarse for keys in two parts: take a base of 2^19 or less", name, g)
	}
	return nil
}

// switchKey holds the rows of a key switch in a ring (k = 1), ready for products: row j encrypts m q/B^(j+1) for a secret polynomial m.
type switchKey struct {
	gadget GadgetParams
	offset uint64
	rows   []float64 // (mask, body) or (low part of the mask, body) of all rows, interleaved for fft.MulRows2
	high   []float64 // [l][N] high part of the mask; nil unless split
}

// newSwitchKey loads l rows: bodies of N words each, masks from m. Of both it takes the images under the automorphism of the given exponent, 1 for none.
func newSwitchKey(plan *fft.Plan, g GadgetParams, split bool, bodies []uint64, m *MaskReader, exponent int) *switchKey {
	n, l := plan.N(), g.Levels
	k := &switchKey{gadget: g, offset: digitOffset(g), rows: make([]float64, 2*l*n)}
	rows := make([]float64, 2*l*n)
	mask, body, part := make([]uint64, n), make([]uint64, n), make([]int64, n)
	if split {
		k.high = make([]float64, l*n)
	}
	for j := range l {
		row := rows[2*j*n:][:2*n]
		m.Next(body, n)
		automorphism(mask, body, exponent)
		automorphism(body, bodies[j*n:(j+1)*n], exponent)
		if split {
			for i, a := range mask {
				part[i] = (int64(a) - lowPart(a)) >> splitBits
			}
			plan.ForwardInt64(k.high[j*n:(j+1)*n], part)
			for i, a := range mask {
				part[i] = lowPart(a)
			}
			plan.ForwardInt64(row[:n], part)
		} else {
			plan.ForwardTorus(row[:n], mask)
		}
		plan.ForwardTorus(row[n:], body)
	}
	fft.InterleaveRows2(k.rows, rows, n)
	return k
}

// lowPart returns the low bits of a word as a signed integer.
func lowPart(a uint64) int64 { return int64(a<<(64-splitBits)) >> (64 - splitBits) }

// switcher is the scratch memory of key switches, one for each goroutine.
type switcher struct {
	plan   *fft.Plan
	digits [][]float64 // transformed digits
	acc    [3][]float64
}

// digitPadding, in elements, keeps equal places of digit polynomials out of the same cache set: degrees are powers of two.
const digitPadding = 40

// paddedPolys allocates count polynomials of n elements at such distances.
func paddedPolys(count, n int) [][]float64 {
	all := make([]float64, count*(n+digitPadding))
	polys := make([][]float64, count)
	for i := range polys {
		polys[i] = all[i*(n+digitPadding):][:n:n]
	}
	return polys
}

func newSwitcher(n, levels int) *switcher {
	polys := paddedPolys(levels+3, n)
	return &switcher{plan: fft.For(n), digits: polys[3:], acc: [3][]float64(polys[:3])}
}

// transform cuts the digits of src for key k and transforms them.
func (s *switcher) transform(k *switchKey, src []uint64) [][]float64 {
	b := uint(k.gadget.BaseLog)
	d := s.digits[:k.gadget.Levels]
	for j := range d {
		s.plan.ForwardDigit(d[j], src, k.offset, 64-b*uint(j+1), b)
	}
	return d
}

// product sets dst to a ciphertext whose phase is src * m, m the polynomial that k encrypts.
func (s *switcher) product(dst GLWECiphertext, k *switchKey, src []uint64) {
	clear(dst.Body)
	s.productAdd(dst, k, src)
}

// productAdd is product, with the body added to what dst.Body holds. dst.Mask may be src.
func (s *switcher) productAdd(dst GLWECiphertext, k *switchKey, src []uint64) {
	d := s.transform(k, src)
	fft.MulRows2(s.acc[0], s.acc[1], d, k.rows)
	if k.high == nil {
		s.plan.InverseTorus(dst.Mask, s.acc[0])
	} else {
		n := len(src)
		fft.Mul(s.acc[2], d[0], k.high[:n])
		for j := 1; j < len(d); j++ {
			fft.MulAdd(s.acc[2], d[j], k.high[j*n:(j+1)*n])
		}
		s.plan.InverseTorus(dst.Mask, s.acc[2])
		for i := range dst.Mask {
			dst.Mask[i] <<= splitBits
		}
		s.plan.InverseAddTorus(dst.Mask, s.acc[0])
	}
	s.plan.InverseAddTorus(dst.Body, s.acc[1])
}
