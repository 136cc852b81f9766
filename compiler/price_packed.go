package compiler

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"sort"

	"github.com/fhe-ml/fhe-ml/tfhe"
)

// A packed query costs the server an automorphism and a scheme switch for each row, and the client a key of a megabyte once, where GGSW ciphertexts
// cost a hundred times the upload. The search goes over the rows of a ciphertext, the levels of three gadgets, each with the base of least noise, and
// the form of the switch.

// packedFamily are choices with the same request: 2^log2Slots rows a ciphertext and the same levels of the selectors' gadget. They come fastest first,
// each with less noise than all before.
type packedFamily struct {
	log2Slots, levels int
	choices           []packedChoice
	keyRows           int // of the smallest expansion key
}

// packedChoice is one set of gadgets.
type packedChoice struct {
	packed tfhe.PackedParams
	model  tfhe.PackedNoise
	noise  tfhe.SelectNoise
	cmux   float64
	rowUs  float64 // expansion and switch of one row
}

// Bounds of the search.
const (
	maxPackedLevels = 7 // of the selectors' gadget
	maxExpandLevels = 12
	maxSwitchLevels = 8
	dimensionStep   = 40 // of small keys, for which packed queries are tabulated
)

// packedSlots are log2 of the rows of a ciphertext that are tried, besides those that all rows take together.
var packedSlots = []int{3, 5, 7, 9, 11}

// familyKey names a family: the weight of the key, and what its members have in common.
type familyKey struct {
	weight        float64
	slots, levels int
}

// packedFamilies lists the choices for the plan's selectors under the key of lit, at the given weight. More slots than there are rows would only
// make the key larger.
func (p *plan) packedFamilies(lit tfhe.ParametersLiteral, weight float64) []packedFamily {
	var families []packedFamily
	for levels := 1; levels <= maxPackedLevels; levels++ {
		full := min(bits.Len(uint(p.products*levels+p.singles()-1)), packedSlots[len(packedSlots)-1])
		for _, slots := range packedSlots {
			families = append(families, p.l.packedFamily(lit, familyKey{weight, min(slots, full), levels}))
			if slots >= full {
				break
			}
		}
	}
	return families
}

// packedFamily makes a family once for all plans.
func (l *lowerer) packedFamily(lit tfhe.ParametersLiteral, key familyKey) packedFamily {
	if f, ok := l.families[key]; ok {
		return f
	}
	model := tfhe.NewPackedNoise(polyDegree, key.weight, lit.Log2SigmaGLWE)
	model.SquareWeight = tfhe.WorstSquareWeight(polyDegree, key.weight)
	if l.families == nil {
		l.families = map[familyKey]packedFamily{}
	}
	f := packedFamily{log2Slots: key.slots, levels: key.levels, choices: packedChoices(model, key.slots, key.levels), keyRows: math.MaxInt}
	for _, c := range f.choices {
		f.keyRows = min(f.keyRows, c.packed.KeyRows())
	}
	l.families[key] = f
	return f
}

func packedChoices(model tfhe.PackedNoise, slots, levels int) []packedChoice {
	var all []packedChoice
	for expand := 2; expand <= maxExpandLevels; expand++ {
		e := leastNoise(expand, splitBase, model.Automorphism)
		if slots == 0 {
			e, expand = tfhe.GadgetParams{}, maxExpandLevels // one row a ciphertext: nothing to expand
		}
		for _, form := range []tfhe.SwitchForm{tfhe.SwitchPlain, tfhe.SwitchSplit, tfhe.SwitchFused} {
			for change := 2; change <= maxSwitchLevels; change++ {
				c := packedChoice{model: model, packed: tfhe.PackedParams{Log2Slots: slots, Expand: e, Form: form}}
				most := maxBase
				if form == tfhe.SwitchSplit {
					most = splitBase
				}
				c.packed.Switch = leastNoise(change, most, func(g tfhe.GadgetParams) float64 {
					c.packed.Switch = g
					return model.SwitchedRow(c.packed)
				})
				c.noise = model.Select(c.packed)
				c.packed.Select = bestGadget(c.noise, levels, slots)
				c.cmux = c.noise.CMUX(c.packed.Select)
				c.rowUs = c.expandUs() + c.switchUs()
				if form != tfhe.SwitchFused || fusedFits(c.packed) {
					all = append(all, c)
				}
			}
		}
	}
	slices.SortStableFunc(all, func(x, y packedChoice) int { return cmp.Compare(x.rowUs, y.rowUs) })
	var best []packedChoice
	for _, c := range all {
		if len(best) == 0 || c.cmux < best[len(best)-1].cmux {
			best = append(best, c)
		}
	}
	return best
}

// splitBase is the largest base, in bits, of keys in two parts.
const splitBase = 17

// fusedFits tells whether the product of an unreduced row stays in the range that [tfhe.PackedParams.Check] asks for.
func fusedFits(packed tfhe.PackedParams) bool {
	size := packed.Switch.DigitNorm(polyDegree) * packed.Select.DigitNorm(polyDegree) / 12
	return math.Log2(size)/2 <= 103-64-4
}

func (c packedChoice) expandUs() float64 {
	return unitCosts.expand + float64(c.packed.Expand.Levels)*unitCosts.expandLevel
}

func (c packedChoice) switchUs() float64 {
	return unitCosts.switchRow[c.packed.Form] + float64(c.packed.Switch.Levels)*unitCosts.switchLevel[c.packed.Form]
}

// us is the time to make the GGSW ciphertexts of the given number of selectors, and single rows.
func (c packedChoice) us(products, singles int) float64 {
	rows := c.packed.Rows(products)
	return float64(c.packed.KeySwitchesOf(rows+singles))*c.expandUs() + float64(rows)*c.switchUs()
}

// variances fills in what CMUX with packed selectors are worth.
func (c *packedChoice) variances(v variances) variances {
	v.cmux, v.inverse = c.cmux, c.noise.Inverse(c.packed.Select)
	v.bottom = c.bottom()
	v.parts = func(e event) []tfhe.SelectPart {
		return []tfhe.SelectPart{{Noise: c.model, Packed: c.packed, CMUX: e.noise.cmux, Uses: e.noise.uses}}
	}
	return v
}

// bottom is what the lowest selects of a value of e's add.
func (c *packedChoice) bottom() func(e event) float64 {
	g, peak := c.packed.Select, c.model.RowPeak(c.packed)
	fft := c.model.FFTVariance * (1 + c.model.KeyWeight)
	return func(e event) float64 {
		// As in selectVariances, but a row's noise is largest in coefficient 0, and every power of two has more of it than its neighbours: any run of
		// coefficients that has 0 in it has at most that of as many average ones and one peak.
		b := 0.0
		if e.ggsw {
			b = float64(g.Levels) * math.Exp2(2*float64(g.BaseLog)) / 4 * (float64(e.digits)*(c.noise.BodyRowVariance+fft) + peak)
			if e.width > g.BaseLog*g.Levels {
				b += g.RoundingVariance()
			}
		}
		return max(b, sq(e.single)*(float64(e.digits)*(c.noise.BodyRowVariance+fft)+peak))
	}
}

// tryPacked looks for the cheapest choice of a family that keeps the failure probability beside what base and lookups of lookupUs each are, and puts it
// into best if it is cheaper than that and below limit. least takes in the failure probabilities seen.
func (p *plan) tryPacked(best *candidate, least *shortfall, family packedFamily, lit tfhe.ParametersLiteral, base variances, lookupUs, limit float64) {
	rest := p.leveledUs(family.levels) + float64(p.lookups)*lookupUs
	products, singles := p.products, p.singles()
	fastest := &family.choices[0]
	if p.costOf((rest+fastest.us(products, singles))/1000, fastest.packed.CiphertextsOf(fastest.packed.Rows(products)+singles), family.keyRows) >= min(best.cost, limit) {
		return
	}
	// By the Gaussian alone, which is quick, choices before the first are too noisy.
	first := sort.Search(len(family.choices), func(i int) bool {
		v := family.choices[i].variances(base)
		v.parts = nil
		fail, _ := p.log2Fail(v)
		least.note(fail, v)
		return fail <= p.opts.Log2PFail
	})
	for i := first; i < len(family.choices); i++ {
		choice := &family.choices[i]
		lit.Select, lit.Packed = choice.packed.Select, choice.packed
		lit.Packed.Select = tfhe.GadgetParams{}
		c := candidate{params: lit, ms: (rest + choice.us(products, singles)) / 1000}
		if c.cost = p.cost(c.ms, lit); c.cost >= best.cost || c.cost >= limit {
			if p.opts.Prefer == PreferUpload {
				continue // a key may be smaller again
			}
			return
		}
		c.log2PFail, c.log2Noise = p.log2Fail(choice.variances(base))
		if c.log2PFail <= p.opts.Log2PFail {
			*best = c
			if p.opts.Prefer != PreferUpload {
				return
			}
		}
	}
}
