package tfhe

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// A packed query carries the bits of GGSW ciphertexts as scaled coefficients of few seeded GLWE ciphertexts. Bit number t with the gadget (B, l)
// has l rows, the integers c q/B^j for j = 1..l; a ciphertext takes 2^L rows, each divided by 2^L. The server separates the coefficients by
// automorphisms (expand.go), which multiplies each by 2^L and puts it alone in a ciphertext of its own, and makes the rows that carry -s c q/B^j
// out of those that carry c q/B^j by a scheme switch (schemeswitch.go). A bit that is only multiplied by clear integers takes a single row (single.go).

// SwitchForm says how a scheme switch is computed. All forms take the same key and give the same message; they differ in noise and time.
type SwitchForm int

const (
	// SwitchPlain rounds the switched row to torus words. The FFT's error in its mask is multiplied by the key.
	SwitchPlain SwitchForm = iota
	// SwitchSplit keeps the masks of the key as high and low parts, so that their product has no FFT error: one more inverse transform a row.
	SwitchSplit
	// SwitchFused stays in the Fourier domain: four transforms a row fewer than SwitchPlain. The row's values are not reduced modulo 1, which
	// costs precision in it and in each product with it.
	SwitchFused
)

// String names the form.
func (f SwitchForm) String() string {
	switch f {
	case SwitchPlain:
		return "plain"
	case SwitchSplit:
		return "split"
	case SwitchFused:
		return "fused"
	}
	return fmt.Sprintf("SwitchForm(%d)", int(f))
}

// PackedParams are the parameters of a packed query beside those of its key. The zero value is none.
type PackedParams struct {
	Log2Slots int          `cbor:"1,keyasint"`           // L: a ciphertext carries up to 2^L rows; 0 (no expansion, no automorphism keys) to log2 N
	Expand    GadgetParams `cbor:"2,keyasint,omitempty"` // gadget of the automorphism keys; zero if and only if L is 0
	Switch    GadgetParams `cbor:"3,keyasint"`           // gadget of the scheme-switch key
	// Select is the gadget of the GGSW ciphertexts that come out. In a parameter set [ParametersLiteral.Select] alone says it, and this is zero:
	// [NewParameters] drops it where the two are the same and refuses others, and [Parameters.Packed] fills it in.
	Select GadgetParams `cbor:"-"`
	Form   SwitchForm   `cbor:"5,keyasint,omitempty"` // how the server computes the scheme switch
}

// Check reports what is wrong with the packed parameters for a key of p, and nil if they can be used.
func (pp PackedParams) Check(p Parameters) error {
	if p.N() == 0 {
		return errors.New("tfhe: parameters are empty: build them with NewParameters")
	}
	if p.K() != 1 {
		return fmt.Errorf("tfhe: packed queries need GLWE dimension 1, not %d", p.K())
	}
	if most := bits.TrailingZeros(uint(p.N())); pp.Log2Slots < 0 || pp.Log2Slots > most {
		return fmt.Errorf("tfhe: 2^%d rows do not fit the %d coefficients of a packed ciphertext: L is in 0..%d", pp.Log2Slots, p.N(), most)
	}
	if err := checkGadget("scheme switch", pp.Switch); err != nil {
		return err
	}
	if err := checkGadget("select", pp.Select); err != nil {
		return err
	}
	if room := pp.Select.BaseLog*pp.Select.Levels + pp.Log2Slots; room > 62 {
		return fmt.Errorf("tfhe: select gadget %v of packed rows that are divided by 2^%d needs %d of 62 bits: take fewer levels or slots",
			pp.Select, pp.Log2Slots, room)
	}
	if pp.Log2Slots == 0 {
		if pp.Expand != (GadgetParams{}) {
			return fmt.Errorf("tfhe: an expansion gadget %v without an expansion (L = 0)", pp.Expand)
		}
	} else {
		if err := checkGadget("expansion", pp.Expand); err != nil {
			return err
		}
		if err := checkSplit("expansion", pp.Expand, p.N()); err != nil {
			return err
		}
	}
	switch pp.Form {
	case SwitchPlain:
	case SwitchSplit:
		return checkSplit("scheme switch", pp.Switch, p.N())
	case SwitchFused:
		// The product of an unreduced row must stay in the range of the inverse transform, 2^103 words; 16 deviations of it are asked to.
		if size := math.Sqrt(pp.Switch.DigitNorm(p.N()) * pp.Select.DigitNorm(p.N()) / 12); math.Log2(size) > 103-64-4 {
			return fmt.Errorf("tfhe: fused scheme switch with gadgets %v and %v overflows: take smaller bases or another form", pp.Switch, pp.Select)
		}
	default:
		return fmt.Errorf("tfhe: unknown form of the scheme switch: %d", int(pp.Form))
	}
	return nil
}

// Rows returns the number of packed coefficients that bits bits take: l each.
func (pp PackedParams) Rows(bits int) int { return bits * pp.Select.Levels }

// Ciphertexts returns the number of packed ciphertexts that bits bits take. Each is N words of body on the wire.
func (pp PackedParams) Ciphertexts(bits int) int { return pp.CiphertextsOf(pp.Rows(bits)) }

// CiphertextsOf returns the number of packed ciphertexts that rows take.
func (pp PackedParams) CiphertextsOf(rows int) int {
	return (rows + 1<<pp.Log2Slots - 1) >> pp.Log2Slots
}

// depth returns the number of levels of the expansion of a ciphertext with count rows, 1 <= count <= 2^L: no more than they need.
func (pp PackedParams) depth(count int) int { return bits.Len(uint(count - 1)) }

// countOf returns the number of rows in ciphertext number c of a query with rows rows.
func (pp PackedParams) countOf(rows, c int) int { return min(rows-c<<pp.Log2Slots, 1<<pp.Log2Slots) }

// KeySwitches returns the number of automorphism key switches that expand a query of bits bits: about one a row and L a ciphertext.
func (pp PackedParams) KeySwitches(bits int) int { return pp.KeySwitchesOf(pp.Rows(bits)) }

// KeySwitchesOf returns the number of automorphism key switches that expand a query of so many rows.
func (pp PackedParams) KeySwitchesOf(rows int) int {
	total := 0
	for c := range pp.CiphertextsOf(rows) {
		count := pp.countOf(rows, c)
		d := pp.depth(count)
		for i := range d {
			span := d - i // a node of level i has 2^span leaves
			total += (count + 1<<span - 1) >> span
		}
	}
	return total
}

// slot returns the coefficient of row number row of a ciphertext whose expansion has depth levels: the reversed bits of the row, so that the
// rows in use are the first leaves of the tree, which takes the lowest bit of the coefficient's index first.
func slot(row, depth int) int { return int(bits.Reverse64(uint64(row)) >> (64 - depth)) }

// PackBits is [Encryptor.PackQuery] for a query without singles.
func (e *Encryptor) PackBits(bodies []uint64, bits []int64, pp PackedParams) {
	e.PackQuery(bodies, bits, nil, 1, pp)
}

// PackQuery sets bodies (pp.CiphertextsOf(pp.Rows(len(bits)) + len(singles)) * N words) to the bodies of a packed query of small integers: bits, for
// selects. Those of bits become GGSW ciphertexts on the server, those of singles one row each, which encrypts bit * q/2^width: 1 <= width <= 64-L. The
// caller has checked pp. [NewMixedQuery] is its counterpart on the server.
func (e *Encryptor) PackQuery(bodies []uint64, bits, singles []int64, width int, pp PackedParams) {
	n, ggsw := e.sk.params.N(), pp.Rows(len(bits))
	rows := ggsw + len(singles)
	if len(bodies) != pp.CiphertextsOf(rows)*n {
		panic("tfhe: packed body has the wrong length")
	}
	clear(bodies)
	for c := range pp.CiphertextsOf(rows) {
		body := bodies[c*n : (c+1)*n]
		count := pp.countOf(rows, c)
		depth := pp.depth(count)
		if len(singles) > 0 && (width < 1 || width+depth > 64) {
			panic("tfhe: single rows of a packed query are too fine for its depth")
		}
		for r := range count {
			bit, scale := int64(0), 0
			if t := c<<pp.Log2Slots + r; t < ggsw {
				bit, scale = bits[t/pp.Select.Levels], pp.Select.BaseLog*(t%pp.Select.Levels+1)
			} else {
				bit, scale = singles[t-ggsw], width
			}
			body[slot(r, depth)] = uint64(bit) << (64 - scale - depth)
		}
		e.GLWE(body, body)
	}
}

// PackedQuery is a packed query on the server: its ciphertexts with expanded masks. It is immutable and shared by all expanders.
type PackedQuery struct {
	pp            PackedParams
	bits, singles int
	cts           []GLWECiphertext
}

// NewPackedQuery is [NewMixedQuery] for a query without singles.
func NewPackedQuery(p Parameters, pp PackedParams, bits int, bodies []uint64, m *MaskReader) (*PackedQuery, error) {
	return NewMixedQuery(p, pp, bits, 0, bodies, m)
}

// NewMixedQuery reads a query of bits bits and singles single rows: bodies as [Encryptor.PackQuery] made them, which it keeps and does not change, and
// masks from m. The caller has checked pp; bodies of the wrong length are an error.
func NewMixedQuery(p Parameters, pp PackedParams, bits, singles int, bodies []uint64, m *MaskReader) (*PackedQuery, error) {
	n := p.N()
	if bits < 0 || singles < 0 || bits > math.MaxInt32 || singles > math.MaxInt32 || len(bodies) != pp.CiphertextsOf(pp.Rows(bits)+singles)*n {
		return nil, fmt.Errorf("tfhe: a packed query of %d bits with gadget %v and %d single rows, 2^%d rows a ciphertext, does not have %d words",
			bits, pp.Select, singles, pp.Log2Slots, len(bodies))
	}
	q := &PackedQuery{pp: pp, bits: bits, singles: singles, cts: make([]GLWECiphertext, pp.CiphertextsOf(pp.Rows(bits)+singles))}
	for c := range q.cts {
		q.cts[c] = GLWECiphertext{Mask: make([]uint64, n), Body: bodies[c*n : (c+1)*n : (c+1)*n]}
		m.Next(q.cts[c].Mask, n)
	}
	return q, nil
}

// Bits returns the number of bits of the query that become GGSW ciphertexts.
func (q *PackedQuery) Bits() int { return q.bits }

// Singles returns the number of its single rows.
func (q *PackedQuery) Singles() int { return q.singles }

// Rows returns the number of rows of the query: those of all bits, then the singles.
func (q *PackedQuery) Rows() int { return q.pp.Rows(q.bits) + q.singles }
