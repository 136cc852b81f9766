package compiler

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/fhe-ml/fhe-ml/tfhe"
)

// ClientSpec is the public part of a circuit, all that a client needs: parameters, how input codes are encrypted, and how results are read.
// It holds no weights, leaves or tables; what it does tell about a model are the [Selector] sets and the widths.
type ClientSpec struct {
	Params      tfhe.ParametersLiteral `cbor:"1,keyasint"`
	Lo          []int64                `cbor:"2,keyasint"`            // smallest value of every input code
	Hi          []int64                `cbor:"3,keyasint"`            // largest value of every input code
	Packed      []int32                `cbor:"4,keyasint"`            // codes sent in the coefficients of packed GLWE ciphertexts, in this order
	Columns     []Column               `cbor:"11,keyasint,omitempty"` // functions of codes sent in the coefficients after those
	PerPacked   int                    `cbor:"12,keyasint,omitempty"` // codes and columns of each packed ciphertext; 0: one ciphertext has all
	PackedWidth int                    `cbor:"5,keyasint"`            // W: a packed code c is the torus word c 2^(64-W)
	Selectors   []Selector             `cbor:"6,keyasint"`            // bits sent as one ciphertext each, or in a packed query where Params.Packed is set
	Items       []Item                 `cbor:"7,keyasint"`            // ciphertexts of a response
	Outputs     []Output               `cbor:"8,keyasint"`            // results, each a combination of decoded coefficients
	Model       [32]byte               `cbor:"10,keyasint"`           // names the model, so that the ends of two models with equal encodings do not fit each other
	Singles     int                    `cbor:"13,keyasint,omitempty"` // the last so many selectors are sent as one row each, since they only choose between clear integers
	SingleWidth int                    `cbor:"14,keyasint,omitempty"` // W: such a bit b is the torus word b 2^(64-W)
	Log2PFail   float64                `cbor:"9,keyasint"`            // log2 of the probability that any value of one inference decodes wrongly
}

// Selector is one encrypted bit: 1 where the code lies in the set. Thermometer bits [code <= t], binary digits and
// missing-value tests are all of this form.
type Selector struct {
	Code int32        `cbor:"1,keyasint"`
	Set  [2]uint64    `cbor:"2,keyasint"`           // bit v of the 128 says whether the code Lo + v is in the set, unless Form says otherwise
	Form SelectorForm `cbor:"3,keyasint,omitempty"` // of codes of more than 128 values: SelectRange or SelectDigit
}

// SelectorForm says how a set of values is written.
type SelectorForm uint8

// The forms of a set of values v = code - Lo.
const (
	SelectSet   SelectorForm = iota // of at most 128 values: a bit of Set for each
	SelectRange                     // Set[0] <= v <= Set[1]
	SelectDigit                     // the values with bit number Set[0] set
)

// Bit returns the selector's bit for the value v = code - Lo: 0 <= v < 128 for a SelectSet, v >= 0 for the others.
func (s Selector) Bit(v int64) int64 {
	switch s.Form {
	case SelectRange:
		if uint64(v) < s.Set[0] || uint64(v) > s.Set[1] {
			return 0
		}
		return 1
	case SelectDigit:
		return v >> s.Set[0] & 1
	}
	return int64(s.Set[v>>6] >> (v & 63) & 1)
}

// check tells whether the form is one that a code of so many values, less one, can have.
func (s Selector) check(most int64) bool {
	switch s.Form {
	case SelectSet:
		return most <= 127
	case SelectRange:
		return s.Set[0] <= s.Set[1] && s.Set[1] <= uint64(most)
	}
	return s.Form == SelectDigit && s.Set[0] < 63
}

// digitsOf lists the tests for the binary digits of a code of the given bounds, lowest first.
func digitsOf(code int, lo, hi int64) (out []Selector) {
	for b := range bits.Len64(uint64(hi - lo)) {
		if hi-lo > 127 {
			out = append(out, Selector{Code: int32(code), Set: [2]uint64{uint64(b)}, Form: SelectDigit})
			continue
		}
		s := Selector{Code: int32(code)}
		for v := range hi - lo + 1 {
			s.Set[v>>6] |= uint64(v>>b&1) << (v & 63)
		}
		out = append(out, s)
	}
	return out
}

// AllDigits tells whether requests carry every binary digit of every code, in their order, and nothing else. They then tell nothing of which tests the program
// makes: see [CompileOptions].
func (s *ClientSpec) AllDigits() bool {
	var want []Selector
	for i := range s.Lo {
		want = append(want, digitsOf(i, s.Lo[i], s.Hi[i])...)
	}
	return len(want) > 0 && slices.Equal(want, s.Selectors) && s.Singles == 0 && len(s.Packed)+len(s.Columns) == 0
}

// Item is one ciphertext of a response: a mask and the body coefficients that are results, no others.
type Item struct {
	Coeffs []int32 `cbor:"1,keyasint"` // coefficients of the phase that the bodies belong to
	Width  int     `cbor:"2,keyasint"` // W: values are multiples of 2^(64-W), modulo 2^W
}

// Output is one integer result: Offset + sum of Weight * (decoded value), every value being taken in [Lo, Lo + 2^W).
type Output struct {
	Offset int64   `cbor:"1,keyasint"`
	Digits []Digit `cbor:"2,keyasint"`
}

// Digit is one decoded coefficient of an output: number Coeff of the coefficients of item Item.
type Digit struct {
	Item   int32 `cbor:"1,keyasint"`
	Coeff  int32 `cbor:"2,keyasint"`
	Lo     int64 `cbor:"3,keyasint"`
	Weight int64 `cbor:"4,keyasint"`
}

// maxSingleWidth is the largest width of single rows: a packed query divides them by up to 2^11 more.
const maxSingleWidth = 48

// maxCodes bounds the inputs of a circuit and the parts of a specification that comes from a file, maxMessage the bytes of a request or a response.
const (
	maxCodes   = 1 << 16
	maxMessage = 1 << 34
)

// Parameters checks and returns the parameter set.
func (s *ClientSpec) Parameters() (tfhe.Parameters, error) { return tfhe.NewParameters(s.Params) }

// Hash identifies the specification; requests and responses carry it.
func (s *ClientSpec) Hash() [32]byte {
	data, err := tfhe.EncodePayload(s)
	if err != nil {
		panic("compiler: internal error: specification does not encode: " + err.Error())
	}
	return sha256.Sum256(data)
}

// Validate checks a specification that comes from a file: every index, width and set in range.
func (s *ClientSpec) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("compiler: client specification: "+format, args...)
	}
	if _, err := s.Parameters(); err != nil {
		return fmt.Errorf("compiler: client specification: %w", err)
	}
	p := s.Params
	if len(s.Lo) != len(s.Hi) || len(s.Lo) == 0 || len(s.Lo) > maxCodes {
		return bad("%d and %d input bounds", len(s.Lo), len(s.Hi))
	}
	for i := range s.Lo {
		if s.Lo[i] > s.Hi[i] || s.Hi[i]-s.Lo[i] > 1<<20 || s.Lo[i] < -1<<40 || s.Hi[i] > 1<<40 {
			return bad("code %d has bounds [%d, %d]", i, s.Lo[i], s.Hi[i])
		}
	}
	columns := len(s.Packed) + len(s.Columns)
	if s.PerPacked < 0 || s.PerPacked > p.PolyDegree || s.PerPacked == 0 && columns > p.PolyDegree || columns > maxCodes ||
		columns > 0 && (s.PackedWidth < 1 || s.PackedWidth > 60) {
		return bad("%d packed codes and functions of codes of width %d", columns, s.PackedWidth)
	}
	for i, c := range s.Columns {
		if c.Code < 0 || int(c.Code) >= len(s.Lo) || s.Hi[c.Code]-s.Lo[c.Code] > 127 || c.Square > SquareHigh {
			return bad("column %d reads code %d", i, c.Code)
		}
	}
	for _, c := range s.Packed {
		if c < 0 || int(c) >= len(s.Lo) {
			return bad("packed code %d is not an input", c)
		}
	}
	if len(s.Selectors) > maxCodes || len(s.Selectors) > 0 && p.Select.Levels == 0 {
		return bad("%d selectors", len(s.Selectors))
	}
	for i, sel := range s.Selectors {
		if sel.Code < 0 || int(sel.Code) >= len(s.Lo) || !sel.check(s.Hi[sel.Code]-s.Lo[sel.Code]) {
			return bad("selector %d reads code %d", i, sel.Code)
		}
	}
	if s.Singles < 0 || s.Singles > len(s.Selectors) || s.Singles > 0 && (s.SingleWidth < 1 || s.SingleWidth > maxSingleWidth) {
		return bad("%d of %d selectors are single rows of width %d", s.Singles, len(s.Selectors), s.SingleWidth)
	}
	if len(s.Items) > maxCodes || len(s.Outputs) == 0 || len(s.Outputs) > maxCodes {
		return bad("%d items, %d outputs", len(s.Items), len(s.Outputs))
	}
	for i, it := range s.Items {
		if it.Width < 1 || it.Width > 60 || len(it.Coeffs) == 0 || len(it.Coeffs) > p.PolyDegree {
			return bad("item %d has width %d and %d coefficients", i, it.Width, len(it.Coeffs))
		}
		for _, c := range it.Coeffs {
			if c < 0 || int(c) >= p.PolyDegree {
				return bad("item %d has coefficient %d", i, c)
			}
		}
	}
	for o, out := range s.Outputs {
		for _, d := range out.Digits {
			if d.Item < 0 || int(d.Item) >= len(s.Items) || d.Coeff < 0 || int(d.Coeff) >= len(s.Items[d.Item].Coeffs) {
				return bad("output %d reads coefficient %d of item %d", o, d.Coeff, d.Item)
			}
		}
	}
	if s.RequestBytes() > maxMessage || s.ResponseBytes() > maxMessage {
		return bad("a request has %d bytes and a response %d", s.RequestBytes(), s.ResponseBytes())
	}
	if math.IsNaN(s.Log2PFail) || s.Log2PFail > 0 {
		return bad("log2 of the failure probability is %g", s.Log2PFail)
	}
	return nil
}

// RequestBytes is the size of the ciphertexts of one encrypted row.
func (s *ClientSpec) RequestBytes() int64 {
	return 32 + 8*(s.SelectorWords()+s.PackedWords())
}

// PackedCiphertexts is the number of packed ciphertexts of a row.
func (s *ClientSpec) PackedCiphertexts() int {
	columns := len(s.Packed) + len(s.Columns)
	switch {
	case columns == 0:
		return 0
	case s.PerPacked == 0:
		return 1
	}
	return (columns + s.PerPacked - 1) / s.PerPacked
}

// PackedWords is the number of torus words that the bodies of the packed ciphertexts of one row take.
func (s *ClientSpec) PackedWords() int64 {
	return int64(s.PackedCiphertexts()) * int64(s.Params.PolyDegree)
}

// packedValue returns what packed coefficient i holds for a row of codes.
func (s *ClientSpec) packedValue(i int, codes []int64) int64 {
	if i < len(s.Packed) {
		return codes[s.Packed[i]]
	}
	c := s.Columns[i-len(s.Packed)]
	return c.Value(codes[c.Code] - s.Lo[c.Code])
}

// Pack writes the phases of the packed ciphertexts of a row, PackedWords words, to dst. The codes are within their bounds.
func (s *ClientSpec) Pack(dst []uint64, codes []int64) {
	clear(dst)
	per := s.PerPacked
	if per == 0 {
		per = s.Params.PolyDegree
	}
	for i := range len(s.Packed) + len(s.Columns) {
		dst[i/per*s.Params.PolyDegree+i%per] = uint64(s.packedValue(i, codes)) << (64 - s.PackedWidth)
	}
}

// SelectorWords is the number of torus words that the selectors of one row take: N for each ciphertext of a packed query, or (k+1) l N for each GGSW
// ciphertext and N for each single row.
func (s *ClientSpec) SelectorWords() int64 {
	if packed, ok := s.Params.PackedQuery(); ok {
		return int64(packed.CiphertextsOf(packed.Rows(s.Products())+s.Singles)) * int64(s.Params.PolyDegree)
	}
	return int64(s.Products())*int64(s.ggswWords()) + int64(s.Singles)*int64(s.Params.PolyDegree)
}

// Products is the number of selectors that become GGSW ciphertexts: all but the last Singles.
func (s *ClientSpec) Products() int { return len(s.Selectors) - s.Singles }

// ResponseBytes is the size of the ciphertexts of one row's answer.
func (s *ClientSpec) ResponseBytes() int64 {
	var words int64
	for _, it := range s.Items {
		words += int64(s.maskWords() + len(it.Coeffs))
	}
	return 8 * words
}

func (s *ClientSpec) ggswWords() int {
	return (s.Params.GLWEDimension + 1) * s.Params.Select.Levels * s.Params.PolyDegree
}

func (s *ClientSpec) maskWords() int { return s.Params.GLWEDimension * s.Params.PolyDegree }
