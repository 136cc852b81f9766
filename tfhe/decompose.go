package tfhe

import "github.com/fhe-ml/fhe-ml/tfhe/internal/fft"

// digitOffset is what is added to a word so that its digits can be cut out by shift and mask: the half unit of the last digit, which rounds, and B/2
// at the place of each digit, which makes all of them non-negative.
func digitOffset(g GadgetParams) uint64 {
	offset := uint64(1) << (63 - g.BaseLog*g.Levels)
	for j := 1; j <= g.Levels; j++ {
		offset += uint64(1) << (g.BaseLog - 1) << (64 - g.BaseLog*j)
	}
	return offset
}

// forwardDigit transforms digit j of src into dst, of N each, with offset from [digitOffset]: src = sum_j digit_j q/B^(j+1) + e with
// |e| <= q/(2 B^l) and digits in [-B/2, B/2].
//
// Words of [0, q/2] use [-B/2, B/2) and round ties up, their negatives the mirror image (-B/2, B/2] and down. The digits of random words then have no mean,
// and neither have the rounding errors of coarse ones (an inverse FFT makes multiples of 2^29 to 2^38, many of them halfway between two multiples of
// q/B^l). A mean in all coefficients, or one of either sign by their parity, multiplies one value of the spectrum of the key row. Rows that a scheme switch made
// are products with the key: there that is one value of the key's spectrum for all selectors of a circuit, and few keys had far more noise than others.
func forwardDigit(plan *fft.Plan, dst []float64, src []uint64, g GadgetParams, offset uint64, j int) {
	plan.ForwardDigit(dst, src, offset, uint(64-g.BaseLog*(j+1)), uint(g.BaseLog))
}

// keySwitchDigits writes the t signed digits of one word, most significant first, and returns the rounding error
// src - sum_j digit_j q/B^(j+1) as a signed torus word. A digit of exactly B/2 becomes +B/2 or -B/2 by the bit of src below the rounding
// bit, so that digits have no mean: a mean would multiply the fixed noise of the key rows and shift every output of one key by the same amount.
//
// That bit is independent of all digits, which keeps their mean square at B^2/12 + 1/6; the parity of the next digit would not be: for B = 4 it
// raises the mean square by a tenth, since a carry then turns the next digit into a tie more often. The lowest bit of src would not do
// either: words that an inverse Fourier transform made are multiples of 2^18 and more.
func keySwitchDigits(digits []int32, src uint64, g GadgetParams) int64 {
	c := newDigitCutter(g)
	x, lowest, err := c.cut(src)
	for j := g.Levels - 1; j >= 0; j-- {
		digits[j] = int32(x&c.mask) - lowest
		x >>= c.base
	}
	return err
}

// digitCutter cuts a word into the digits of keySwitchDigits. With the opposite of the lowest digit added to each place all digits are non-negative, and are cut
// out by shift and mask.
type digitCutter struct {
	base, drop uint   // log2 of the base; bits that are rounded off
	mask       uint64 // of a digit
	ones       uint64 // a 1 in each place
}

func newDigitCutter(g GadgetParams) digitCutter {
	c := digitCutter{base: uint(g.BaseLog), drop: uint(64 - g.BaseLog*g.Levels), mask: 1<<g.BaseLog - 1}
	for range g.Levels {
		c.ones = c.ones<<g.BaseLog + 1
	}
	return c
}

// cut returns the digits, each plus lowest and the last one in the lowest bits, and the rounding error. Digits are from -B/2 or from -B/2+1 on.
func (c *digitCutter) cut(src uint64) (x uint64, lowest int32, err int64) {
	drop := c.drop & 63 // at least 2 (checkGadget)
	x = (src + 1<<(drop-1)) >> drop
	err = int64(src - x<<drop)
	least := c.mask>>1 + src>>(drop-2)&1
	return x + least*c.ones, int32(least), err
}
