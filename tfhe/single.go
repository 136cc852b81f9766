package tfhe

import (
	"github.com/fhe-ml/fhe-ml/tfhe/internal/fft"
	"github.com/fhe-ml/fhe-ml/tfhe/internal/vec"
)

// The lowest selects of a decision tree choose between clear integers: bit * (hi - lo) + lo. No external product is needed for that. A row that
// encrypts bit * q/2^W, times the integer d, encrypts bit * d in values of width W, with |d| times its noise, and exactly so: no digits are
// cut, nothing is rounded or transformed. A bit that is used in no other place travels as this one row instead of a GGSW ciphertext of 2l, and
// needs no scheme switch.

// AddMonomial adds k X^c src to dst, 0 <= c < N. The noise of src is multiplied by k.
func AddMonomial(dst, src GLWECiphertext, k int64, c int) {
	n := len(src.Body)
	for i := 0; i < len(src.Mask); i += n {
		addMonomial(dst.Mask[i:i+n], src.Mask[i:i+n], k, c)
	}
	addMonomial(dst.Body, src.Body, k, c)
}

func addMonomial(dst, src []uint64, k int64, c int) {
	n := len(src)
	vec.MulAdd64(dst[c:], src[:n-c], uint64(k))
	if c > 0 {
		vec.MulAdd64(dst[:c], src[n-c:], uint64(-k))
	}
}

// AddProduct adds to dst the product of src with the polynomial of the integers k, N of them, by transforms: three forward and two back (k = 1), whatever
// the integers are. Beside the noise of src, multiplied by k, it has an FFT error of variance F |k|^2, in the mask times the secret key.
func (ev *Evaluator) AddProduct(dst, src GLWECiphertext, k []int64) {
	n := ev.p.N()
	factor, part := ev.digits[0], ev.facc[0]
	ev.plan.ForwardInt64(factor, k)
	for i := 0; i < len(src.Mask); i += n {
		ev.plan.ForwardTorus(part, src.Mask[i:i+n])
		fft.Mul(part, part, factor)
		ev.plan.InverseAddTorus(dst.Mask[i:i+n], part)
	}
	ev.plan.ForwardTorus(part, src.Body)
	fft.Mul(part, part, factor)
	ev.plan.InverseAddTorus(dst.Body, part)
}

// ClearRows returns how many body rows of a gadget [FourierGGSW.AddClear] uses for values of the given width: those down to the lowest bit.
func ClearRows(g GadgetParams, width int) int {
	return min((width+g.BaseLog-1)/g.BaseLog, g.Levels)
}

// KeepRows makes g, which is filled afterwards, keep its first body rows in dst for [FourierGGSW.AddClear], [ClearRows] of them.
func (g *FourierGGSW) KeepRows(dst []GLWECiphertext) { g.clear = dst }

// AddClear adds bit * d * q/2^width X^c to dst, for the bit that g encrypts, and an integer d with |d| < 2^width. d q/2^width is cut into digits of the
// gadget, of at most half the base each; no more rows are used than reach its lowest bit. Where none does, what d q/2^width is rounded by, at most
// half a unit of the last row, is the bit's error in coefficient c.
func (g *FourierGGSW) AddClear(dst GLWECiphertext, d int64, width, c int) {
	b, levels := g.gadget.BaseLog, ClearRows(g.gadget, width)
	if len(g.clear) < levels {
		panic("tfhe: a GGSW ciphertext without its rows: call KeepRows before it is filled")
	}
	// v units of q/B^levels are d q/2^width.
	v := d
	if shift := levels*b - width; shift >= 0 {
		v <<= shift
	} else {
		v = (v + 1<<(-shift-1)) >> -shift
	}
	half := int64(1) << (b - 1)
	for j := levels - 1; j >= 0; j-- {
		digit := (v+half)&(2*half-1) - half
		v = (v - digit) >> b
		if digit != 0 {
			AddMonomial(dst, g.clear[j], digit, c)
		}
	}
}
