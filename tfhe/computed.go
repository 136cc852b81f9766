package tfhe

import "math/bits"

// Circuit bootstrapping (TFHE, eprint 2018/421, section 6; with automorphisms and a scheme switch as in eprint 2024/323 and 2024/1318) makes a GGSW ciphertext of a bit that the
// server computed. A bootstrap with several results (PBSmanyLUT) gives the LWE encryptions of bit * q/B^j; each becomes a GLWE ciphertext of that constant by
// the trace, the automorphisms that expand a packed query, and a row of each kind by the scheme switch.

// NewSignTables is [NewSignTable] with several results of one lookup, one for each of ones: result i is -ones[i]/2 or ones[i]/2, so that adding ones[i]/2 to its
// body makes it bit*ones[i]. The lookup has as many outputs as the next power of two, of which the last ones are zero.
func NewSignTables(p Parameters, ones []uint64) *LookupTable {
	if len(ones) == 0 || len(ones) > p.N() {
		panic("tfhe: a sign table needs 1 to N results")
	}
	t := &LookupTable{words: make([]uint64, p.lit.Parts*p.N()), shift: 1 << 62, outputs: 1 << bits.Len(uint(len(ones)-1))}
	for z := range t.words {
		if o := z % t.outputs; o < len(ones) {
			t.words[z] = -(ones[o] >> 1)
		}
	}
	return t
}

// ComputedSelector sets dst, of the expansion key's select gadget, to the GGSW ciphertext of a bit: rows[j] encrypts, under the big key, bit * q/B^(j+1) for
// j = 0..l-1. The key's packed parameters have as many slots as the ring has coefficients (Log2Slots = log2 N), or it panics.
//
// The trace multiplies by N, which a division of the ciphertext by N makes up for beforehand: it may leave a multiple of q/N in the phase, which becomes one of q.
func (x *Expander) ComputedSelector(dst *FourierGGSW, rows []LWECiphertext) {
	pp := x.key.packed
	if 1<<pp.Log2Slots != x.n || len(rows) != pp.Select.Levels || dst.gadget != pp.Select {
		panic("tfhe: a selector of a computed bit needs an expansion key of log2 N levels, and a row for each level of its gadget")
	}
	for j := range rows {
		ct := x.nodes[0]
		clear(ct.Body)
		copy(ct.Mask, EmbedLWE(x.key.params, &rows[j]))
		ct.Body[0] = rows[j].Body
		for _, poly := range [][]uint64{ct.Mask, ct.Body} {
			for i, w := range poly {
				poly[i] = uint64(int64(w)>>pp.Log2Slots) + w>>(pp.Log2Slots-1)&1
			}
		}
		for i := range pp.Log2Slots {
			node, next := x.nodes[i], x.nodes[i+1]
			x.preimage(node, i)
			x.halves(next.Mask, node.Mask, x.turn.Mask, i, true, false)
			x.halves(next.Body, node.Body, x.turn.Body, i, true, false)
		}
		x.SwitchRow(dst, j, x.nodes[pp.Log2Slots])
	}
}

// Computed describes selectors made of computed bits ([Expander.ComputedSelector]), whose LWE encryptions have noise of variance v, where receiver describes the
// key: v is in one coefficient of a row alone, that is v/N^2 a coefficient of a query which the trace would bring there, and the division by N rounds every
// coefficient.
func (v PackedNoise) Computed(variance float64) PackedNoise {
	n := float64(v.N)
	v.RequestVariance = variance/(n*n) + (1+v.KeyWeight)/12*0x1p-128
	return v
}
