package compiler

import (
	"math"
	"math/bits"

	"github.com/fhe-ml/fhe-ml/tfhe"
)

// A circuit that takes values apart has one expansion key, of as many levels as log2 N, for the selectors of computed bits and for those of the client, which it
// packs. Noise of computed bits is that of a lookup, a million times a fresh ciphertext's, so that the gadgets of automorphisms and scheme switch
// are the coarsest that add little to it.

// littleMore is what automorphisms and scheme switches may add to the noise of a lookup in a row, as a share of it.
const littleMore = 0.25

// wideSlots is log2 of the slots of an expansion key for computed bits.
var wideSlots = bits.Len(uint(polyDegree)) - 1

// wideChoice makes the gadgets for computed bits of the given number of levels beside the lookups of try, with the selectors of the client under the same key.
//
// The base of the selectors' gadget is the one of least noise of computed bits, or by finer of its bits a larger one: rows of the client have little noise, so that it is
// what the gadget drops that counts in its products.
func wideChoice(try lookupTry, levels, finer int) packedChoice {
	n := try.lit.SmallDimension
	weight := tfhe.WorstBlockPrefixWeight(polyDegree, n, try.lit.BlockLength)
	model := tfhe.NewPackedNoise(polyDegree, weight, try.lit.Log2SigmaGLWE)
	model.SquareWeight = tfhe.WorstSquareWeight(polyDegree, weight)
	c := packedChoice{model: model.Computed(try.br), packed: tfhe.PackedParams{Log2Slots: wideSlots, Form: tfhe.SwitchPlain}}
	for expand := 2; expand <= maxExpandLevels; expand++ {
		c.packed.Expand = leastNoise(expand, splitBase, model.Automorphism)
		if (math.Exp2(2*float64(wideSlots))-1)/3*model.Automorphism(c.packed.Expand) <= littleMore*try.br {
			break
		}
	}
	row := weight * c.model.Row(c.packed)
	for change := 2; change <= maxSwitchLevels; change++ {
		c.packed.Switch = leastNoise(change, maxBase, func(g tfhe.GadgetParams) float64 {
			c.packed.Switch = g
			return c.model.SwitchedRow(c.packed)
		})
		if c.model.SwitchedRow(c.packed) <= (1+littleMore)*row {
			break
		}
	}
	c.noise = c.model.Select(c.packed)
	c.packed.Select = bestGadget(c.noise, levels, wideSlots)
	c.packed.Select.BaseLog = min(c.packed.Select.BaseLog+finer, maxBase, (62-wideSlots)/levels)
	c.cmux = c.noise.CMUX(c.packed.Select)
	c.rowUs = float64(wideSlots)*c.expandUs() + c.switchUs()
	return c
}

// client is the choice of the same gadgets for selectors that the client packs.
func (c packedChoice) client(try lookupTry) packedChoice {
	v := math.Exp2(2 * try.lit.Log2SigmaGLWE)
	c.model.RequestVariance = v
	c.noise = c.model.Select(c.packed)
	c.cmux = c.noise.CMUX(c.packed.Select)
	return c
}

// wideVariances adds what selectors of computed bits are worth, and those of a client that packs them with the same key.
func (c *packedChoice) wideVariances(v variances, try lookupTry) variances {
	client := c.client(try)
	v = client.variances(v)
	v.levels = c.packed.Select.Levels
	v.wideCMUX, v.wideBottom = c.cmux, c.bottom()
	v.parts = func(e event) []tfhe.SelectPart {
		return []tfhe.SelectPart{{Noise: client.model, Packed: client.packed, CMUX: e.noise.cmux, Uses: e.noise.uses},
			{Noise: c.model, Packed: c.packed, CMUX: e.noise.wide.cmux, Uses: e.noise.wide.uses}}
	}
	return v
}

// computedUs is the time to make the selectors of computed bits.
func (p *plan) computedUs(c packedChoice) float64 {
	return float64(p.computed*c.packed.Select.Levels) * c.rowUs
}

// priceWide prices a plan with selectors of computed bits.
func (p *plan) priceWide(limit float64) (candidate, error) {
	best, least := candidate{cost: math.Inf(1)}, newShortfall()
	finest := 0
	if len(p.selectors) > 0 {
		finest = mostFiner
	}
	quick := newQuickCheck(p)
	hopeless := map[wideKey]bool{} // too noisy whatever the key switch is
	for _, try := range p.l.bootstraps(p.tableBits()) {
		base := try.variances()
		if p.costOf((p.leveledUs(1)+float64(p.lookups)*try.us)/1000, 0, 0) >= min(best.cost, limit) {
			break // the others are slower
		}
		// Whatever the selectors are: what does not depend on them.
		base.wideBottom, base.levels = func(event) float64 { return 0 }, 1
		if !quick.passes(base) {
			fail, _ := p.log2Fail(base)
			least.note(fail, base)
			continue
		}
		for levels := 1; levels <= maxPackedLevels; levels++ {
			found := false
			for finer := 0; finer <= finest && !found; finer++ {
				key := wideKey{try.lit.SmallDimension, try.lit.BlindRotate, levels, finer}
				if hopeless[key] {
					continue
				}
				choice := p.l.wideChoice(try, key)
				lit := try.lit
				lit.Select, lit.Packed = choice.packed.Select, choice.packed
				lit.Packed.Select = tfhe.GadgetParams{}
				c := candidate{params: lit, ms: (p.leveledUs(levels) + p.computedUs(choice) + choice.us(p.products, p.singles()) + float64(p.lookups)*try.us) / 1000}
				if c.cost = p.cost(c.ms, lit); c.cost >= best.cost || c.cost >= limit {
					found = true // more levels only cost more
					break
				}
				v := choice.wideVariances(base, try)
				if !quick.passes(v) {
					v.keySwitch, v.modulusSwitch = 0, 0
					hopeless[key] = !quick.passes(v)
					continue
				}
				if c.log2PFail, c.log2Noise = p.log2Fail(v); c.log2PFail <= p.opts.Log2PFail {
					best, found = c, true
				}
				least.note(c.log2PFail, v)
			}
			if found {
				break
			}
		}
	}
	return p.found(best, least)
}

// quickCheck tells without a probability that a plan is too noisy: a deviation that is too large for one event.
type quickCheck struct {
	events []event
	most   []float64 // largest variance of each
	last   int       // the one that failed last, which is looked at first
}

func newQuickCheck(p *plan) *quickCheck {
	q := &quickCheck{events: p.events}
	for _, e := range p.events {
		// The gap of a message of b bits is 2^-(b+2).
		q.most = append(q.most, tfhe.MaxVariance(0, p.opts.Log2PFail)*math.Exp2(2*(e.log2Gap+2)))
	}
	return q
}

// passes tells whether no event alone is too noisy.
func (q *quickCheck) passes(v variances) bool {
	for i := range q.events {
		at := (q.last + i) % len(q.events)
		if v.total(q.events[at]) > q.most[at] {
			q.last = at
			return false
		}
	}
	return true
}

// mostFiner is by how many bits the base of a gadget for computed bits may be above that of least noise.
const mostFiner = 6

// wideKey names a choice by the bootstrap and the levels.
type wideKey struct {
	n             int
	rotate        tfhe.GadgetParams
	levels, finer int
}

// wideChoice makes a choice once for all plans: it does not depend on how a table is spread or keys are switched.
func (l *lowerer) wideChoice(try lookupTry, key wideKey) packedChoice {
	c, ok := l.wideChoices[key]
	if !ok {
		c = wideChoice(try, key.levels, key.finer)
		if l.wideChoices == nil {
			l.wideChoices = map[wideKey]packedChoice{}
		}
		l.wideChoices[key] = c
	}
	return c
}

// wideChoiceOf finds the choice that has the given packed parameters.
func (l *lowerer) wideChoiceOf(try lookupTry, packed tfhe.PackedParams) (packedChoice, bool) {
	for finer := range mostFiner + 1 {
		c := l.wideChoice(try, wideKey{try.lit.SmallDimension, try.lit.BlindRotate, packed.Select.Levels, finer})
		if c.packed == packed {
			return c, true
		}
	}
	return packedChoice{}, false
}
