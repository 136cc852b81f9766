package compiler

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math"
)

// chooser compares the lowerings of a graph's parts by the circuits that they give.
type chooser struct {
	g      *Graph
	opts   CompileOptions
	prices *prices
	tried  map[string]*trial
	hot    bool // functions of single codes may be packed
	left   int  // searches that may still be made
}

// trial is one assignment of lowerings: its circuit, or why there is none.
type trial struct {
	l       *lowerer
	circuit *Circuit
	cost    float64 // infinite where there is no circuit
	err     error
	atLeast float64 // milliseconds that a circuit would take at least, where it was not made for that
}

func (t *trial) ok() bool { return t.circuit != nil }

// lower reads the graph with the given lowerings.
func (c *chooser) lower(a assignment) (*lowerer, []form, error) {
	l := newLowerer(c.g, polyDegree)
	l.force, l.assign, l.prices = c.opts.Lowering, a, c.prices
	outputs, err := l.run()
	if err == nil && (len(l.lo) == 0 || len(l.lo) > maxCodes) {
		err = fmt.Errorf("compiler: the graph has %d input codes; a circuit has 1..%d", len(l.lo), maxCodes)
	}
	return l, outputs, err
}

// try makes the circuit of an assignment, unless a bound on its time says that it costs many times the limit.
func (c *chooser) try(a assignment, limit float64) *trial {
	t := &trial{cost: math.Inf(1)}
	var outputs []form
	if t.l, outputs, t.err = c.lower(a); t.err != nil {
		return t
	}
	key := a.key(t.l.parts)
	if done := c.tried[key]; done != nil {
		return done
	}
	if ms := c.bound(t.l, outputs); (Estimate{Ms: ms}).cost(c.opts.Prefer) > farAbove*limit {
		t.atLeast = ms
		return t
	}
	if c.left == 0 && !math.IsInf(limit, 1) {
		t.err = errNotCompared
		return t
	}
	c.left = max(c.left-1, 0)
	best, chosen, err := search(t.l, outputs, c.opts, candidate{cost: math.Inf(1)})
	if err != nil {
		t.err = err
		return t
	}
	t.circuit = best.build(chosen)
	t.cost = t.circuit.estimate().cost(c.opts.Prefer)
	c.tried[key] = t
	return t
}

// maxTrials bounds the searches for the parameters of one graph: each takes up to a second, and a program may have dozens of parts.
const maxTrials = 24

// errNotCompared is why a lowering was not tried.
var errNotCompared = errors.New("not compared: the graph has many parts, and others were tried before")

// bound is a lower bound on the time of a circuit, 0 where its simplest layout does not fit: that of its operations if any noise were allowed.
func (c *chooser) bound(l *lowerer, outputs []form) (ms float64) {
	p, err := newPlan(l, outputs, c.opts, 0, 0, 0)
	if err != nil {
		return 0
	}
	ms = p.leveledUs(1) / 1000
	if p.lookups > 0 {
		ms += float64(p.lookups) * fastestLookup(p.tableBits()) / 1000
	}
	return ms
}

// farAbove is how many times the cost of the best circuit another one must have at least not to be worked out.
const farAbove = 1

// choose returns the circuit of the cheapest lowerings, with a record of the choices.
func (c *chooser) choose() (*Circuit, error) {
	current := assignment{}
	best := c.try(current, math.Inf(1))
	if c.opts.Lowering != LowerAuto {
		if !best.ok() {
			return nil, best.err
		}
		c.record(best, nil)
		return best.circuit, nil
	}
	firstErr := best.err
	// Packed functions pay where they take the place of all that needs bits.
	if a := c.packable(best.l.parts); len(a) > 0 {
		if t := c.try(a, best.cost); t.ok() && t.cost < best.cost {
			best, current = t, a
		}
	}
	// One part at a time, from the start again after each change: costs fall, so this ends.
	var others map[partKey][]Alternative
	for changed := true; changed; {
		changed = false
		others = map[partKey][]Alternative{}
		for _, p := range best.l.parts {
			var t *trial
			var a assignment
			if others[p.key], t, a = c.alternatives(p, current, best); t != nil {
				best, current, changed = t, a, true
				break
			}
		}
	}
	if !best.ok() {
		return nil, firstErr
	}
	c.record(best, others)
	return best.circuit, nil
}

// alternatives tries the other lowerings of a part: what they would cost, or the first one that costs less than the best, with its assignment.
func (c *chooser) alternatives(p *part, current assignment, best *trial) ([]Alternative, *trial, assignment) {
	var others []Alternative
	for _, how := range lowerings {
		if best.ok() && how == p.how || how == LowerAffine && !c.hot {
			continue
		}
		alt := Alternative{Lowering: how, Impossible: p.impossible(how)}
		if alt.Impossible == "" {
			a := maps.Clone(current)
			a[p.key] = how
			t := c.try(a, best.cost)
			switch {
			case t.ok() && t.cost < best.cost:
				return nil, t, a
			case t.ok():
				alt.Estimate = t.circuit.estimate()
			case t.atLeast > 0:
				alt.AtLeast, alt.Estimate.Ms = true, t.atLeast
			default:
				alt.Impossible = reason(t.err)
			}
		}
		others = append(others, alt)
	}
	return others, nil, nil
}

// packable returns the assignment that makes affine all parts that can be.
func (c *chooser) packable(parts []*part) assignment {
	a := assignment{}
	for _, p := range parts {
		if c.hot && (p.key.kind == partStumps || p.key.kind == partTable) {
			if _, _, err := c.lower(assignment{p.key: LowerAffine}); err == nil {
				a[p.key] = LowerAffine
			}
		}
	}
	return a
}

// impossible says why a part can never have a lowering, or nothing where that has to be tried.
func (p *part) impossible(how Lowering) string {
	switch {
	case p.key.kind == partLinear && how == LowerLookup:
		return "a sum needs no tables"
	case p.key.kind == partComputed && how != LowerLookup && how != LowerRotate:
		return "its argument is computed by the server, not sent by the client"
	case p.key.kind == partComputed && how == LowerRotate && p.bits < worthBits:
		return "its argument has few values: to take it apart into bits takes longer"
	case p.key.kind == partInner && how == LowerSelect:
		return "a table takes its value, and selects give results only"
	case (p.key.kind == partTrees || p.key.kind == partInner) && how == LowerAffine:
		return notAffine
	}
	return ""
}

// worthBits is from how many bits of the argument on a table may be faster by the bits than in one lookup.
const worthBits = 6

// reason is what an error says, without the name of the package.
func reason(err error) string {
	var lower *LowerError
	if errors.As(err, &lower) && lower.Lowering != LowerAuto {
		return lower.Reason
	}
	if errors.As(err, &lower) {
		return fmt.Sprintf("node %%%d (%s): %s", lower.Node, lower.Op, lower.Reason)
	}
	text := err.Error()
	if len(text) > len("compiler: ") && text[:len("compiler: ")] == "compiler: " {
		text = text[len("compiler: "):]
	}
	return text
}

// record writes the choices into the circuit.
func (c *chooser) record(t *trial, others map[partKey][]Alternative) {
	for _, p := range t.l.parts {
		t.circuit.Choices = append(t.circuit.Choices, Choice{Part: p.describe(), Lowering: p.how, Forced: c.opts.Lowering != LowerAuto,
			Alternatives: others[p.key]})
	}
}

// Compile lowers a verified graph to a circuit and chooses lowerings, encodings, digits and parameters: the cheapest whose failure probability is within the
// options', by the noise formulas of package tfhe under the heaviest key that key generation admits. The graph is optimised first. Circuit.Choices
// says what was compared.
func Compile(g *Graph, opts CompileOptions) (*Circuit, error) {
	if opts.Log2PFail == 0 {
		opts.Log2PFail = -128
	}
	if !(opts.Log2PFail <= -20 && opts.Log2PFail >= -256) {
		return nil, fmt.Errorf("compiler: failure probability 2^%g is outside 2^-256..2^-20", opts.Log2PFail)
	}
	return compile(g, opts, true)
}

// compile is Compile for any failure probability. It looks for functions of single codes where hot is set.
func compile(g *Graph, opts CompileOptions, hot bool) (*Circuit, error) {
	if opts.Lowering < LowerAuto || opts.Lowering > LowerLookup {
		return nil, fmt.Errorf("compiler: lowering %d is none of auto, affine, select, rotate, lookup", int(opts.Lowering))
	}
	if len(g.Outputs) == 0 {
		return nil, errors.New("compiler: the graph has no output")
	}
	opt, err := g.Optimize()
	if err != nil {
		return nil, err
	}
	c, err := (&chooser{g: opt, opts: opts, prices: &prices{}, tried: map[string]*trial{}, hot: hot, left: maxTrials}).choose()
	if err != nil {
		return nil, err
	}
	c.Spec.Model = sha256.Sum256([]byte(opt.String()))
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	return c, nil
}
