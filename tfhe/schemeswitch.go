package tfhe

import "github.com/fhe-ml/fhe-ml/tfhe/internal/fft"

// A scheme switch makes an encryption of -s m out of an encryption (a, b) of m: (b, 0) has the phase -b s, and the key switch of a by an
// encryption of s^2 adds a s^2, together -s (b - a s). A GGSW ciphertext (k = 1) is made of such pairs of rows.

// SwitchRow writes rows j of both kinds (-s m q/B^(j+1) and m q/B^(j+1)) of a GGSW ciphertext, j in 0..l-1, from the encryption of
// m q/B^(j+1) that [Expander.Rows] gives. It may be called from its callback.
func (x *Expander) SwitchRow(dst *FourierGGSW, j int, row GLWECiphertext) {
	n := x.n
	mask, body := x.rows[:2*n], x.rows[2*n:]
	x.sw.plan.ForwardTorus(body[:n], row.Mask)
	x.sw.plan.ForwardTorus(body[n:], row.Body)
	if x.key.packed.Form == SwitchFused {
		d := x.sw.transform(x.key.scheme, row.Mask)
		fft.MulRows2(mask[:n], mask[n:], d, x.key.scheme.rows)
		fft.Add(mask[:n], body[n:])
	} else {
		x.switchRow(x.turn, row)
		x.sw.plan.ForwardTorus(mask[:n], x.turn.Mask)
		x.sw.plan.ForwardTorus(mask[n:], x.turn.Body)
	}
	dst.setRow(0, j, mask, n)
	dst.setRow(1, j, body, n)
}

// switchRow sets dst to an encryption of -s times the phase of row, in torus words; dst is not row.
func (x *Expander) switchRow(dst, row GLWECiphertext) {
	x.sw.product(dst, x.key.scheme, row.Mask)
	addWords(dst.Mask, row.Body)
}
