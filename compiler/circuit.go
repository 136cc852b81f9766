package compiler

import (
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/fhe-ml/fhe-ml/tfhe"
)

// Circuit is what a server executes: the client's specification and a list of steps in order. Steps give vectors of values; a
// value of width W encodes the integer v as the torus word v 2^(64-W).
type Circuit struct {
	Spec  ClientSpec `cbor:"1,keyasint"`
	Steps []Step     `cbor:"2,keyasint"`
	// Results say where each item of Spec.Items comes from.
	Results []Result `cbor:"3,keyasint"`
	Costs   Costs    `cbor:"4,keyasint"`
	// Choices say how each part of the graph was lowered, and why.
	Choices []Choice `cbor:"5,keyasint,omitempty"`
	// Rounds are the approximate rounds: how often they differ from exact ones.
	Rounds []ApproximateRound `cbor:"6,keyasint,omitempty"`
}

// Result points at an item's source: element Element of the vector of step Step, or the whole GLWE ciphertext of a Packed or Select step (-1).
type Result struct {
	Step    int32 `cbor:"1,keyasint"`
	Element int32 `cbor:"2,keyasint"`
}

// Costs counts the operations of one row, as inspect prints them, with the predicted noise.
type Costs struct {
	Affines     int     `cbor:"1,keyasint"` // affine combinations of ciphertexts
	Selects     int     `cbor:"2,keyasint"` // CMUX: external products by a client's bit
	Lookups     int     `cbor:"3,keyasint"` // programmable bootstraps
	EstimatedMs float64 `cbor:"4,keyasint"` // server time of one row on one core, from checked-in unit costs
	Log2Noise   float64 `cbor:"5,keyasint"` // largest predicted deviation of a decoded result, log2 relative to q
}

// Step is one operation; exactly one field is set.
type Step struct {
	Packed *PackedStep `cbor:"1,keyasint,omitempty"`
	Select *SelectStep `cbor:"2,keyasint,omitempty"`
	Rotate *RotateStep `cbor:"3,keyasint,omitempty"`
	Affine *AffineStep `cbor:"4,keyasint,omitempty"`
	Lookup *LookupStep `cbor:"5,keyasint,omitempty"`
	Round  *RoundStep  `cbor:"6,keyasint,omitempty"`
	Codes  *CodesStep  `cbor:"7,keyasint,omitempty"`
	// Extract takes values apart into bits.
	Extract *ExtractStep `cbor:"8,keyasint,omitempty"`
}

// CodesStep gives packed codes as a vector of values of width Spec.PackedWidth, for affine steps.
type CodesStep struct {
	Codes []int32 `cbor:"1,keyasint"` // indices into Spec.Packed
}

// PackedStep multiplies packed ciphertext number j by the polynomial sum_i Weights[j N + i] X^i, adds the products, and Bias[c] at coefficient Coeffs[c]: scores
// of many outputs at once. A packed code or column sits at coefficient i, so that weight w of output c on it is put at Coeffs[c]-i.
type PackedStep struct {
	Weights []int64 `cbor:"1,keyasint"` // those missing at the end are zero
	Coeffs  []int32 `cbor:"2,keyasint"`
	Bias    []int64 `cbor:"3,keyasint"`
	Width   int     `cbor:"4,keyasint"`
}

// SelectStep evaluates decision diagrams bottom up and sums their roots. Its result is a GLWE ciphertext whose coefficients 0..C-1 hold sums of leaf digits.
type SelectStep struct {
	Nodes  []SelectNode `cbor:"1,keyasint"` // children come before their parents
	Roots  []int32      `cbor:"2,keyasint"`
	Leaves [][]int64    `cbor:"3,keyasint"` // [leaf][C]
	Width  int          `cbor:"4,keyasint"`
	// Tables are trees as tables over the outcomes of their tests.
	Tables []SelectTable `cbor:"5,keyasint,omitempty"`
}

// SelectTable gives coefficients z..z+C-1 of Table at z = sum_i Weights[i] * bit_(Selectors[i]): the polynomial is rotated by X^-Weights[i] under each
// bit. Weights are positive, and their sum plus C is at most the length of Table, at most N.
type SelectTable struct {
	Selectors []int32 `cbor:"1,keyasint"`
	Weights   []int32 `cbor:"2,keyasint"`
	Table     []int64 `cbor:"3,keyasint"`
}

// SelectNode gives Hi where the selector's bit is 1 and Lo where it is 0. Children are node numbers, or ^leaf.
type SelectNode struct {
	Selector int32 `cbor:"1,keyasint"`
	Lo       int32 `cbor:"2,keyasint"`
	Hi       int32 `cbor:"3,keyasint"`
}

// Lowest tells whether both children are leaves.
func (n SelectNode) Lowest() bool { return n.Lo < 0 && n.Hi < 0 }

// RotateStep looks up tables at integer combinations of bits: unit u gives Tables[u][Start + sum_i Weights[i] * bit_(Selectors[i])].
// The index lies inside the table for all inputs, which the compiler has checked; a table has at most N entries. One of 2^k entries, more than N and at most 2^16,
// is read at a number whose k binary digits the selectors are: Start is 0 and Weights are 1, 2, 4, ... 2^(k-1) in this order.
type RotateStep struct {
	Units []RotateUnit `cbor:"1,keyasint"`
	Width int          `cbor:"2,keyasint"`
}

// RotateUnit is one table look-up of a RotateStep.
type RotateUnit struct {
	Selectors []int32 `cbor:"1,keyasint"`
	Weights   []int32 `cbor:"2,keyasint"`
	Start     int32   `cbor:"3,keyasint"`
	Table     []int64 `cbor:"4,keyasint"`
	// From is 0 where the bits are the client's; else Selectors are elements of the Extract step number From - 1.
	From int32 `cbor:"5,keyasint,omitempty"`
}

// Ref names element Element of the vector that step Step gives.
type Ref struct {
	Step    int32 `cbor:"1,keyasint"`
	Element int32 `cbor:"2,keyasint"`
}

// AffineStep gives sum_i Weights[i] * value(Refs[i]) + Bias for each row. Weights already carry the change of width
// from the sources' to the step's own.
type AffineStep struct {
	Rows  []AffineRow `cbor:"1,keyasint"`
	Width int         `cbor:"2,keyasint"`
}

// AffineRow is one combination of an AffineStep.
type AffineRow struct {
	Refs    []Ref   `cbor:"1,keyasint"`
	Weights []int64 `cbor:"2,keyasint"`
	Bias    int64   `cbor:"3,keyasint"`
}

// LookupStep maps each source, a value of Bits bits and one padding bit, through its table of 2^Bits entries by a programmable bootstrap. With Drop the source has
// so many bits more below those, and half a unit of the lowest: the entry is that of the nearest multiple of 2^Drop, or the next one near a tie.
type LookupStep struct {
	Source Ref       `cbor:"1,keyasint"` // first of len(Tables) consecutive elements
	Bits   int       `cbor:"2,keyasint"`
	Tables [][]int64 `cbor:"3,keyasint"`
	Width  int       `cbor:"4,keyasint"`
	Drop   int       `cbor:"5,keyasint,omitempty"`
}

// RoundStep clears the Drop lowest bits of values of the given width (padding bit included): each bit is looked up and subtracted, lowest
// first. The result is a multiple of 2^Drop of the same width: read with width - Drop it is the value shifted right.
type RoundStep struct {
	Source Ref `cbor:"1,keyasint"`
	Count  int `cbor:"2,keyasint"`
	Drop   int `cbor:"3,keyasint"`
	Width  int `cbor:"4,keyasint"`
}

// ExtractStep takes Count values of Bits bits, which have no padding and so count modulo 2^Bits, apart into bits: bit b of value i is element i*Bits + b. Each bit,
// lowest first, is brought to the top, looked up and subtracted. The same lookup gives the bit as a value of the step's width, and where From says so the rows of a GGSW
// ciphertext of it (circuit bootstrapping), by which rotations and selects can choose as they do by a client's bit.
type ExtractStep struct {
	Source Ref `cbor:"1,keyasint"` // first of Count consecutive elements
	Count  int `cbor:"2,keyasint"`
	Bits   int `cbor:"3,keyasint"`
	Width  int `cbor:"4,keyasint,omitempty"` // of the bits as values; 0: they are not needed as such
	From   int `cbor:"5,keyasint"`           // bits from this one on become GGSW ciphertexts: Bits: none do
}

// Outputs is the number of results of one lookup of the step, with a select gadget of so many levels: a power of two.
func (s *ExtractStep) Outputs(levels int) int {
	results := 1
	if s.Width > 0 {
		results++
	}
	if s.From < s.Bits {
		results += levels
	}
	return 1 << bits.Len(uint(results-1))
}

// Validate checks a circuit that comes from a file: references point backwards, indices and sizes fit, so that running it cannot panic.
func (c *Circuit) Validate() error {
	if err := c.Spec.Validate(); err != nil {
		return err
	}
	sizes := make([]int, len(c.Steps)) // vector length; -1 for a GLWE ciphertext
	made := 0                          // selectors of computed bits, each of which takes memory of some hundred KB
	for i := range c.Steps {
		size, err := c.checkStep(i, sizes)
		if err != nil {
			return fmt.Errorf("compiler: step %d: %w", i, err)
		}
		sizes[i] = size
		if x := c.Steps[i].Extract; x != nil {
			if made += x.Count * (x.Bits - x.From); made > maxCodes {
				return fmt.Errorf("compiler: step %d: the circuit makes %d GGSW ciphertexts of computed bits of a row, at most %d are possible: use fewer bits, or round values first", i, made, maxCodes)
			}
		}
	}
	for i, r := range c.Rounds {
		if !(r.Differ >= 0 && r.Differ <= 1 && r.AtTie >= 0 && r.AtTie <= 1) {
			return fmt.Errorf("compiler: round %d differs with probability %g, at ties %g", i, r.Differ, r.AtTie)
		}
	}
	if len(c.Results) != len(c.Spec.Items) {
		return fmt.Errorf("compiler: %d results for %d items", len(c.Results), len(c.Spec.Items))
	}
	for i, r := range c.Results {
		if r.Step < 0 || int(r.Step) >= len(c.Steps) || r.Element < -1 || (r.Element == -1) != (sizes[r.Step] == -1) || int(r.Element) >= max(sizes[r.Step], 0) {
			return fmt.Errorf("compiler: result %d points at element %d of step %d", i, r.Element, r.Step)
		}
		if it := c.Spec.Items[i]; r.Element >= 0 && (len(it.Coeffs) != 1 || it.Coeffs[0] != 0) {
			return fmt.Errorf("compiler: result %d is one value where its item has %d coefficients", i, len(it.Coeffs))
		}
	}
	return nil
}

func (c *Circuit) checkStep(i int, sizes []int) (int, error) {
	s := c.Steps[i]
	n := c.Spec.Params.PolyDegree
	widthOK := func(w int) bool { return w >= 1 && w <= 60 }
	refOK := func(r Ref, count int) bool {
		return r.Step >= 0 && int(r.Step) < i && r.Element >= 0 && count >= 0 && int(r.Element)+count <= sizes[r.Step]
	}
	switch {
	case s.Packed != nil:
		p := s.Packed
		if c.Spec.PackedCiphertexts() == 0 || int64(len(p.Weights)) > c.Spec.PackedWords() || len(p.Coeffs) != len(p.Bias) || !widthOK(p.Width) {
			return 0, fmt.Errorf("packed product does not fit the input")
		}
		sum := 0.0
		for _, w := range p.Weights {
			sum += math.Abs(float64(w))
		}
		if sum > maxWeights {
			return 0, fmt.Errorf("packed product has weights that are too large")
		}
		for _, x := range p.Coeffs {
			if x < 0 || int(x) >= n {
				return 0, fmt.Errorf("packed product has coefficient %d", x)
			}
		}
		return -1, nil
	case s.Select != nil:
		return -1, s.Select.check(&c.Spec, n)
	case s.Rotate != nil:
		for _, u := range s.Rotate.Units {
			selectors := c.Spec.Products()
			if u.From != 0 {
				if u.From < 0 || int(u.From) > i || c.Steps[u.From-1].Extract == nil {
					return 0, fmt.Errorf("rotation by the bits of step %d", u.From-1)
				}
				x := c.Steps[u.From-1].Extract
				selectors = x.Count * x.Bits
				for _, s := range u.Selectors {
					if s < 0 || int(s)%x.Bits < x.From {
						return 0, fmt.Errorf("rotation by bit %d of step %d", s, u.From-1)
					}
				}
			}
			if err := u.check(selectors, n); err != nil {
				return 0, err
			}
		}
		if !widthOK(s.Rotate.Width) {
			return 0, fmt.Errorf("width %d", s.Rotate.Width)
		}
		return len(s.Rotate.Units), nil
	case s.Affine != nil:
		for _, row := range s.Affine.Rows {
			if len(row.Refs) != len(row.Weights) {
				return 0, fmt.Errorf("affine row has %d weights for %d values", len(row.Weights), len(row.Refs))
			}
			for _, r := range row.Refs {
				if !refOK(r, 1) {
					return 0, fmt.Errorf("affine row reads element %d of step %d", r.Element, r.Step)
				}
			}
		}
		if !widthOK(s.Affine.Width) {
			return 0, fmt.Errorf("width %d", s.Affine.Width)
		}
		return len(s.Affine.Rows), nil
	case s.Lookup != nil:
		l := s.Lookup
		if c.Spec.Params.SmallDimension == 0 || l.Bits < 1 || l.Bits > 11 || !widthOK(l.Width) || l.Drop < 0 || l.Drop > 60 || !refOK(l.Source, len(l.Tables)) {
			return 0, fmt.Errorf("lookup of %d bits does not fit", l.Bits)
		}
		for _, t := range l.Tables {
			if len(t) != 1<<l.Bits {
				return 0, fmt.Errorf("table has %d entries for %d bits", len(t), l.Bits)
			}
		}
		return len(l.Tables), nil
	case s.Round != nil:
		r := s.Round
		if c.Spec.Params.SmallDimension == 0 || r.Count < 0 || !refOK(r.Source, r.Count) || r.Drop < 1 || r.Drop >= r.Width || !widthOK(r.Width) {
			return 0, fmt.Errorf("round of %d bits does not fit", r.Drop)
		}
		return r.Count, nil
	case s.Extract != nil:
		x := s.Extract
		if c.Spec.Params.SmallDimension == 0 || x.Count < 0 || !refOK(x.Source, x.Count) || x.Bits < 1 || x.Bits > maxExtractBits || x.From < 0 || x.From > x.Bits ||
			x.Width < 0 || x.Width > 60 || x.Count > maxCodes {
			return 0, fmt.Errorf("extraction of %d bits does not fit", x.Bits)
		}
		if x.From < x.Bits {
			if packed := c.Spec.Params.Packed; c.Spec.Params.Select.Levels == 0 || 1<<packed.Log2Slots != n {
				return 0, fmt.Errorf("extraction of selectors without an expansion key of 2^%d slots", bits.Len(uint(n-1)))
			}
		}
		if x.Outputs(c.Spec.Params.Select.Levels) > n/4 {
			return 0, fmt.Errorf("extraction of too many rows")
		}
		if x.Width == 0 {
			return 0, nil
		}
		return x.Count * x.Bits, nil
	case s.Codes != nil:
		for _, x := range s.Codes.Codes {
			if x < 0 || int(x) >= len(c.Spec.Packed) {
				return 0, fmt.Errorf("code %d is not packed", x)
			}
		}
		return len(s.Codes.Codes), nil
	}
	return 0, fmt.Errorf("empty")
}

func (s *SelectStep) check(spec *ClientSpec, n int) error {
	if spec.Singles > 0 && spec.SingleWidth != s.Width {
		return fmt.Errorf("select of width %d with single rows of width %d", s.Width, spec.SingleWidth)
	}
	if len(s.Leaves) == 0 || s.Width < 1 || s.Width > 60 {
		return fmt.Errorf("select has %d leaves of width %d", len(s.Leaves), s.Width)
	}
	for _, l := range s.Leaves {
		if len(l) != len(s.Leaves[0]) || len(l) > n {
			return fmt.Errorf("select has leaves of %d and %d digits", len(l), len(s.Leaves[0]))
		}
	}
	child := func(c int32, before int) bool {
		if c < 0 {
			return int(^c) < len(s.Leaves)
		}
		return int(c) < before
	}
	for i, nd := range s.Nodes {
		if nd.Selector < 0 || int(nd.Selector) >= len(spec.Selectors) || !child(nd.Lo, i) || !child(nd.Hi, i) {
			return fmt.Errorf("select node %d points outside", i)
		}
		if int(nd.Selector) >= spec.Products() && !nd.Lowest() {
			return fmt.Errorf("select node %d has a single row as selector but no leaves as children", i)
		}
	}
	for i := range s.Tables {
		if err := s.Tables[i].check(spec.Products(), len(s.Leaves[0]), n); err != nil {
			return fmt.Errorf("select table %d: %w", i, err)
		}
	}
	for _, r := range s.Roots {
		if !child(r, len(s.Nodes)) {
			return fmt.Errorf("select root points outside")
		}
	}
	return nil
}

func (t *SelectTable) check(selectors, digits, n int) error {
	if len(t.Selectors) != len(t.Weights) || len(t.Table) > n {
		return fmt.Errorf("%d weights for %d bits, %d numbers", len(t.Weights), len(t.Selectors), len(t.Table))
	}
	end := int64(digits)
	for i, s := range t.Selectors {
		if s < 0 || int(s) >= selectors || t.Weights[i] <= 0 {
			return fmt.Errorf("weight %d of selector %d", t.Weights[i], s)
		}
		end += int64(t.Weights[i])
	}
	if end > int64(len(t.Table)) {
		return fmt.Errorf("it reaches %d of %d numbers", end, len(t.Table))
	}
	return nil
}

func (u *RotateUnit) check(selectors, n int) error {
	if size := len(u.Table); size > n {
		k := bits.Len(uint(size - 1))
		if size != 1<<k || k > maxWideBits || u.Start != 0 || len(u.Selectors) != k || len(u.Weights) != k {
			return fmt.Errorf("rotation of a table of %d entries has %d weights for %d bits", size, len(u.Weights), len(u.Selectors))
		}
		for i, w := range u.Weights {
			if w != 1<<i {
				return fmt.Errorf("rotation of a table of %d entries: bit %d has weight %d", size, i, w)
			}
		}
		n = size
	}
	if len(u.Selectors) != len(u.Weights) || len(u.Table) == 0 || len(u.Table) > n {
		return fmt.Errorf("rotation has %d weights for %d bits and a table of %d", len(u.Weights), len(u.Selectors), len(u.Table))
	}
	lo, hi := int64(u.Start), int64(u.Start)
	for i, s := range u.Selectors {
		if s < 0 || int(s) >= selectors {
			return fmt.Errorf("rotation reads selector %d", s)
		}
		if w := int64(u.Weights[i]); w < 0 {
			lo += w
		} else {
			hi += w
		}
	}
	if lo < 0 || hi >= int64(len(u.Table)) {
		return fmt.Errorf("rotation reaches [%d, %d] of a table of %d", lo, hi, len(u.Table))
	}
	return nil
}

// CMUXes is the number of external products that the unit takes in a ring of degree n.
func (u *RotateUnit) CMUXes(n int) int {
	if len(u.Table) <= n {
		return len(u.Selectors)
	}
	polys := len(u.Table) / n
	return polys - 1 + len(u.Selectors) - bits.Len(uint(polys-1))
}

// circuitVersion is the format version of circuit files.
const circuitVersion = 1

// maxCircuit bounds the payload of a circuit file.
const maxCircuit = 1 << 30

// WriteTo writes the circuit as a file of its own; package models holds circuits inside its own files.
func (c *Circuit) WriteTo(w io.Writer) (int64, error) {
	data, err := tfhe.EncodePayload(c)
	if err != nil {
		return 0, fmt.Errorf("compiler: circuit: %w", err)
	}
	return tfhe.WriteFile(w, tfhe.Header{Kind: tfhe.KindCircuit, Version: circuitVersion, Params: c.Spec.Hash()}, data)
}

// ReadCircuit reads and validates what [Circuit.WriteTo] wrote.
func ReadCircuit(r io.Reader) (*Circuit, error) {
	h, data, err := tfhe.ReadFile(r, tfhe.KindCircuit, circuitVersion, maxCircuit)
	if err == nil {
		err = tfhe.AtEnd(r, tfhe.KindCircuit)
	}
	if err != nil {
		return nil, err
	}
	c := new(Circuit)
	if err := tfhe.DecodePayload(data, c); err != nil {
		return nil, fmt.Errorf("compiler: circuit: %w", err)
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if h.Params != c.Spec.Hash() {
		return nil, fmt.Errorf("compiler: circuit is damaged: its header names another specification")
	}
	return c, nil
}
