package tfhe

import "github.com/fhe-ml/fhe-ml/tfhe/internal/fft"

// A scheme switch makes an encryption of -s m out of an encryption (a, b) of m: (b, 0) has the phase -b s, and the key switch of a by an
// encryption of s^2 adds a s^2, together -s (b - a s). A GGSW ciphertext (k = 1) is made of such pairs of rows.

// SwitchRow makes rows j of both kinds (-s m q/B^(j+1) and m q/B^(j+1)) of a GGSW ciphertext from the encryption of m q/B^(j+1) that
// [Expander.Rows] gives. It is called for j = 0..l-1 in turn, and may be from that callback; dst is written with the last row.
func (x *Expander) SwitchRow(dst *FourierGGSW, j int, row GLWECiphertext) {
	l, plan := x.key.packed.Select.Levels, x.sw.plan
	maskRow, bodyRow := x.rows[2*j:2*j+2], x.rows[2*(l+j):2*(l+j)+2]
	if j < len(dst.clear) {
		dst.clear[j].Copy(row)
	}
	plan.ForwardTorus(bodyRow[0], row.Mask)
	plan.ForwardTorus(bodyRow[1], row.Body)
	if x.key.packed.Form == SwitchFused {
		d := x.sw.transform(x.key.scheme, row.Mask)
		fft.MulRows2(maskRow[0], maskRow[1], d, x.key.scheme.rows)
		fft.Add(maskRow[0], bodyRow[1])
	} else {
		x.switchRow(x.turn, row)
		plan.ForwardTorus(maskRow[0], x.turn.Mask)
		plan.ForwardTorus(maskRow[1], x.turn.Body)
	}
	if j == l-1 {
		dst.interleavePolys(x.rows)
	}
}

// interleavePolys is interleave for the polynomials of the rows in slices of their own: a vector of each in turn, one half after the other.
func (g *FourierGGSW) interleavePolys(polys [][]float64) {
	out := g.rows
	for h := range 2 {
		half := polys[h*len(polys)/2:][:len(polys)/2]
		for i := 0; i < len(half[0]); i += 16 {
			for _, p := range half {
				*(*[16]float64)(out) = *(*[16]float64)(p[i:])
				out = out[16:]
			}
		}
	}
}

// switchRow sets dst to an encryption of -s times the phase of row, in torus words; dst is not row.
func (x *Expander) switchRow(dst, row GLWECiphertext) {
	x.sw.product(dst, x.key.scheme, row.Mask)
	addWords(dst.Mask, row.Body)
}
