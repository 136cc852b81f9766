package tfhe

import "math/bits"

// KeySwitch sets dst (dimension n) to an encryption under the small key of what src (dimension kN) encrypts. The small key is
// the prefix of the big one, so only the last kN - n coefficients are switched: b - <a,s> keeps its first n terms as they are.
func (ev *Evaluator) KeySwitch(dst, src *LWECiphertext) {
	lit := ev.p.lit
	n, t := lit.SmallDimension, lit.KeySwitch.Levels
	copy(dst.Mask, src.Mask[:n])
	dst.Body = src.Body
	signs := ev.key.signs
	var digits [16]int64
	var rounding int64 // sum of sign_i e_i in units of 2^8 words: kN <= 2^14 terms below 2^(63-8) stay in range for B^t >= 2^6
	for i, a := range src.Mask[n:] {
		e := keySwitchDigits(digits[:t], a, lit.KeySwitch)
		rounding += signs[n+i] * (e >> 8)
		for j, d := range digits[:t] {
			if d == 0 {
				continue
			}
			row := ev.key.ksk[(i*t+j)*(n+1):][:n+1]
			u := uint64(d)
			for c, v := range row[:n] {
				dst.Mask[c] -= u * v
			}
			dst.Body -= u * row[n]
		}
	}
	// The rounding errors e_i meet coefficients of mean sign_i/2: their public mean is taken out of the body
	// (mean compensation, eprint 2025/809), which leaves (kN-n) B^-2t / 48 of the rounding noise.
	dst.Body -= uint64(rounding << 7)
}

// modulusSwitch writes ahat_i = round(a_i 2mN/q) mod 2mN, with a_i multiplied by the key's public sign so that the key is the
// non-negative block-binary one, and returns bhat. Rounding errors r_i meet key bits of mean P = 1/(block+1): P sum r_i is subtracted from the body
// (centred modulus switch, eprint 2025/809), the table's shift is added, and the body is floored, which the boxes of a table are aligned to.
func (ev *Evaluator) modulusSwitch(ahat []int, ct *LWECiphertext, shift uint64) (bhat int) {
	lit := ev.p.lit
	m := uint64(2 * lit.Parts * lit.PolyDegree)
	var errs int64 // sum of rounding errors in units of 2^-52 steps: n < 2^12 terms below 2^51 stay below 2^63
	for i, a := range ct.Mask {
		if ev.key.signs[i] < 0 {
			a = -a
		}
		steps, frac := bits.Mul64(a, m)
		// frac/2^64 is rounded off; read as signed it is negative exactly where the rounding goes up.
		steps += frac >> 63
		errs += int64(frac) >> 12
		ahat[i] = int(steps % m)
	}
	// P errs 2^-52 steps of q/m words each: below 2^63/(block+1) in magnitude. The product's 53 bits are far finer than a step.
	mean := int64(float64(errs) * 4096 / float64(m*uint64(lit.BlockLength+1)))
	steps, _ := bits.Mul64(ct.Body+shift-uint64(mean), m)
	return int(steps)
}
