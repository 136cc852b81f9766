package compiler

import (
	"fmt"
	"math/bits"
	"strings"
)

// Lowering is a way to compute a part of a graph on ciphertexts.
type Lowering int

// The lowerings. Weighted sums of inputs are affine under LowerLookup too: they need no tables.
const (
	LowerAuto   Lowering = iota // the cheapest of those that are possible
	LowerAffine                 // sums of what the client packs, codes and functions of single codes, with integer weights: no evaluation key
	LowerSelect                 // selects between clear values by the client's bits: decision diagrams
	LowerRotate                 // a table turned by the client's bits, or by the bits that a computed value is taken apart into
	LowerLookup                 // sums of the client's ciphertexts, and tables of the sums by programmable bootstraps
)

// lowerings are those to choose from, in order of preference at equal cost.
var lowerings = []Lowering{LowerAffine, LowerSelect, LowerRotate, LowerLookup}

// String returns the lowering's name: auto, affine, select, rotate, lookup.
func (l Lowering) String() string {
	if l < LowerAuto || l > LowerLookup {
		return fmt.Sprintf("Lowering(%d)", int(l))
	}
	return [...]string{"auto", "affine", "select", "rotate", "lookup"}[l]
}

// ParseLowering is the inverse of [Lowering.String].
func ParseLowering(s string) (Lowering, error) {
	for l := LowerAuto; l <= LowerLookup; l++ {
		if l.String() == s {
			return l, nil
		}
	}
	return 0, fmt.Errorf("compiler: lowering %q is none of auto, affine, select, rotate, lookup", s)
}

// MarshalText writes the name.
func (l Lowering) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the name.
func (l *Lowering) UnmarshalText(text []byte) (err error) {
	*l, err = ParseLowering(string(text))
	return err
}

// Choice records how a part of the graph was lowered, and what the other ways would have cost.
type Choice struct {
	Part         string        `cbor:"1,keyasint" json:"part"`              // in words, with a node of the optimised graph
	Lowering     Lowering      `cbor:"2,keyasint" json:"lowering"`          //
	Forced       bool          `cbor:"3,keyasint,omitempty" json:"forced"`  // as the options asked
	Alternatives []Alternative `cbor:"4,keyasint,omitempty" json:"instead"` // empty where forced
}

// Alternative is a lowering that was not chosen.
type Alternative struct {
	Lowering   Lowering `cbor:"1,keyasint" json:"lowering"`
	Impossible string   `cbor:"2,keyasint,omitempty" json:"impossible,omitempty"` // why there is no such circuit
	AtLeast    bool     `cbor:"3,keyasint,omitempty" json:"at_least,omitempty"`   // Ms is a lower bound, and nothing else is known
	Estimate   Estimate `cbor:"4,keyasint" json:"costs"`                          // of the whole circuit with the part lowered so
}

// Estimate is what a circuit costs, a row and once.
type Estimate struct {
	Ms            float64 `cbor:"1,keyasint" json:"estimated_ms"`         // server time of a row on one core
	RequestBytes  int64   `cbor:"2,keyasint" json:"request_bytes"`        //
	ResponseBytes int64   `cbor:"3,keyasint" json:"response_bytes"`       //
	KeyBytes      int64   `cbor:"4,keyasint" json:"evaluation_key_bytes"` //
	Lookups       int     `cbor:"5,keyasint" json:"lookups"`              // programmable bootstraps of a row
}

// estimate reads the costs of a circuit.
func (c *Circuit) estimate() Estimate {
	e := Estimate{Ms: c.Costs.EstimatedMs, RequestBytes: c.Spec.RequestBytes(), ResponseBytes: c.Spec.ResponseBytes(), Lookups: c.Costs.Lookups}
	if p, err := c.Spec.Parameters(); err == nil {
		e.KeyBytes = p.EvaluationKeyBytes()
	}
	return e
}

// cost is what choices between lowerings minimise: as [plan.cost], but with whole keys and responses, which differ between lowerings.
func (e Estimate) cost(prefer Prefer) float64 {
	key := float64(e.KeyBytes) / rowsPerKey
	switch prefer {
	case PreferTime: // a request of megabytes takes time to read and to hash
		return e.Ms + float64(e.RequestBytes)*readUsPerByte/1000 + key*uploadUsPerByte/1000
	case PreferUpload:
		return float64(e.RequestBytes) + key + e.Ms*bytesPerMs
	}
	return e.Ms + (float64(e.RequestBytes+e.ResponseBytes)+key)*uploadUsPerByte/1000
}

// partKind orders the parts of a graph for which there are lowerings to choose from.
type partKind uint8

const (
	partLinear   partKind = iota // input codes that results are sums of
	partStumps                   // tests, and decision diagrams of one code each, that results are sums of
	partTrees                    // decision diagrams that results are sums of
	partInner                    // decision diagrams and tests that tables take
	partTable                    // tables of inputs that one node stands for
	partComputed                 // tables of computed values
)

// partKey names a part: its kind, and the node of a table.
type partKey struct {
	kind partKind
	node int
}

// part is what the lowering met of a part.
type part struct {
	key   partKey
	node  *Node
	count int           // codes, diagrams or elements
	met   map[atom]bool // diagrams and tests that were counted
	how   Lowering
	bits  int // of the widest argument of tables of computed values
}

// widest notes how many bits the arguments of tables have.
func (p *part) widest(elems []*elem) {
	for _, e := range elems {
		p.bits = max(p.bits, bits.Len64(uint64(roundShiftIf(e.hi, e.drop)-roundShiftIf(e.lo, e.drop))))
	}
}

// describe names the part in words.
func (p *part) describe() string {
	many := func(one, more string) string {
		if p.count == 1 {
			return one
		}
		return fmt.Sprintf("%d %s", p.count, more)
	}
	switch p.key.kind {
	case partLinear:
		return "weighted sums of " + many("one input", "inputs")
	case partStumps:
		return many("a tree or test of one input", "trees and tests of one input each")
	case partTrees:
		return many("one tree", "trees")
	case partInner:
		return many("one tree or test", "trees and tests") + " that a table takes"
	case partTable:
		return fmt.Sprintf("%s at node %%%d (%s)", many("a table of inputs", "tables of inputs"), p.node.ID, p.node.Op)
	}
	return fmt.Sprintf("%s at node %%%d (%s)", many("a table of a computed value", "tables of computed values"), p.node.ID, p.node.Op)
}

// notAffine is why trees and tables of several inputs are not affine.
const notAffine = "it depends on several inputs at once, and is no sum of functions of one input each"

// assignment says which lowering each part gets; LowerAuto or none is the default of its kind.
type assignment map[partKey]Lowering

// key is a text that equal assignments have in common.
func (a assignment) key(parts []*part) string {
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "%d/%d=%d ", p.key.kind, p.key.node, a[p.key])
	}
	return b.String()
}

// pick returns the lowering that a part gets, and counts what of it was met. def is what the part gets where nothing else was asked for; LowerAuto leaves
// it to the caller, who then settles it.
func (l *lowerer) pick(kind partKind, n *Node, count int, def Lowering) Lowering {
	p := l.part(kind, n)
	p.count += count
	p.how = def
	if how := l.assign[p.key]; how != LowerAuto {
		p.how = how
	} else if l.force != LowerAuto && !(kind == partLinear && l.force == LowerLookup) { // sums need no tables
		p.how = l.force
	}
	return p.how
}

// settle notes what the default of a part turned out to be.
func (l *lowerer) settle(kind partKind, n *Node, how Lowering) { l.part(kind, n).how = how }

func (l *lowerer) part(kind partKind, n *Node) *part {
	key := partKey{kind: kind}
	if kind == partTable || kind == partComputed {
		key.node = n.ID
	}
	p := l.partIndex[key]
	if p == nil {
		p = &part{key: key, node: n, met: map[atom]bool{}}
		l.partIndex[key] = p
		l.parts = append(l.parts, p)
	}
	return p
}
