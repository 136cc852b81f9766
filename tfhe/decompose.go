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
	b, t := g.BaseLog, g.Levels
	drop := 64 - b*t // at least 2 (checkGadget)
	rounded := (src + 1<<(drop-1)) >> drop << drop
	err := int64(src - rounded)
	x := rounded >> drop
	// With the largest negative digit added to each place all digits are non-negative, and are cut out by shift and mask.
	base, lowest := uint64(1)<<b, uint64(1)<<(b-1)-1+src>>(drop-2)&1
	for j := t - 1; j >= 0; j-- {
		x += lowest << (b * (t - 1 - j))
	}
	for j := t - 1; j >= 0; j-- {
		digits[j] = int32(x&(base-1)) - int32(lowest)
		x >>= b
	}
	return err
}
