package tfhe

import (
	"fmt"
	"math/bits"
)

// LookupTable is the test polynomial of a programmable bootstrap: m N torus words of a function on [0, 1/2), and by
// negacyclicity its negation on [1/2, 1). Word z is the result for phases in [z, z+1) / (2 m N).
type LookupTable struct {
	words []uint64
	shift uint64 // added to the input's body so that messages sit in the middle of their boxes
}

// NewLookupTable spreads the results of an input of p bits plus one padding bit: entry v (a torus word) answers the phase v/2^(p+1) and all within
// 2^-(p+2) of it. The number of entries is 2^p and must divide m N.
func NewLookupTable(p Parameters, entries []uint64) (*LookupTable, error) {
	total := p.lit.Parts * p.N()
	if len(entries) == 0 || bits.OnesCount(uint(len(entries))) != 1 || total%len(entries) != 0 {
		return nil, fmt.Errorf("tfhe: a table of %d entries does not divide %d parts of %d", len(entries), p.lit.Parts, p.N())
	}
	t := &LookupTable{words: make([]uint64, total), shift: 1 << 63 / uint64(len(entries)) / 2}
	box := total / len(entries)
	for z := range t.words {
		t.words[z] = entries[z/box]
	}
	return t, nil
}

// NewSignTable answers a bit in the top position without padding: phase 0 (+- 1/4) gives zero, phase 1/2 gives one.
// The result is bit*one up to noise; [Evaluator.BootstrapBit] adds the half that negacyclicity needs.
func NewSignTable(p Parameters, one uint64) *LookupTable {
	t := &LookupTable{words: make([]uint64, p.lit.Parts*p.N()), shift: 1 << 62}
	for z := range t.words {
		t.words[z] = -(one >> 1)
	}
	return t
}
