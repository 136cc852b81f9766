package tfhe

import (
	"fmt"
	"math/bits"
)

// LookupTable is the test polynomial of a programmable bootstrap: m N torus words of a function on [0, 1/2), and by
// negacyclicity its negation on [1/2, 1). Word z is the result for phases in [z, z+1) / (2 m N). With several outputs the words of as many functions alternate, and one
// rotation answers all of them.
type LookupTable struct {
	words   []uint64
	shift   uint64 // added to the input's body so that messages sit in the middle of their boxes
	outputs int    // a power of two: results of one lookup
}

// Outputs is the number of results of one lookup.
func (t *LookupTable) Outputs() int { return t.outputs }

// NewLookupTable spreads the results of an input of p bits plus one padding bit: entry v (a torus word) answers the phase v/2^(p+1) and all within
// 2^-(p+2) of it. The number of entries is 2^p and must divide m N.
func NewLookupTable(p Parameters, entries []uint64) (*LookupTable, error) {
	return NewLookupTables(p, [][]uint64{entries})
}

// NewSignedLookupTable is [NewLookupTable] for inputs v in -2^(p-1) .. 2^(p-1)-1, encrypted as v/2^(p+1): entries are in the order of v.
func NewSignedLookupTable(p Parameters, entries []uint64) (*LookupTable, error) {
	t, err := NewLookupTable(p, entries)
	if err != nil {
		return nil, err
	}
	t.shift += 1 << 62 // half of the range: phases from -1/4 on
	return t, nil
}

// NewLookupTables makes a table that answers with several functions of one input in one rotation (PBSmanyLUT, eprint 2021/729): entries holds 1, 2, 4, ... of
// them, each as [NewLookupTable] takes it. The modulus switch keeps as many steps fewer, so its deviation grows by the number of outputs.
func NewLookupTables(p Parameters, entries [][]uint64) (*LookupTable, error) {
	total := p.lit.Parts * p.N()
	outputs := len(entries)
	if outputs == 0 || bits.OnesCount(uint(outputs)) != 1 || outputs > p.N() {
		return nil, fmt.Errorf("tfhe: %d functions in one table, not a power of two up to %d", outputs, p.N())
	}
	size := len(entries[0])
	if size == 0 || bits.OnesCount(uint(size)) != 1 || total%(size*outputs) != 0 {
		return nil, fmt.Errorf("tfhe: %d tables of %d entries do not divide %d parts of %d", outputs, size, p.lit.Parts, p.N())
	}
	for _, e := range entries {
		if len(e) != size {
			return nil, fmt.Errorf("tfhe: tables of %d and %d entries cannot share a rotation", size, len(e))
		}
	}
	t := &LookupTable{words: make([]uint64, total), shift: 1 << 63 / uint64(size) / 2, outputs: outputs}
	box := total / size
	for z := range t.words {
		t.words[z] = entries[z%outputs][z/box]
	}
	return t, nil
}

// NewSignTable answers a bit in the top position without padding: phase 0 (+- 1/4) gives -one/2, phase 1/2 gives one/2. Adding one/2 to the body of the
// result, which negacyclicity keeps out of the table, makes it bit*one: [Evaluator.BootstrapBit] does.
func NewSignTable(p Parameters, one uint64) *LookupTable {
	t := &LookupTable{words: make([]uint64, p.lit.Parts*p.N()), shift: 1 << 62, outputs: 1}
	for z := range t.words {
		t.words[z] = -(one >> 1)
	}
	return t
}
