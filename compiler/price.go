package compiler

import (
	"errors"
	"fmt"
	"math"

	"github.com/fhe-ml/fhe-ml/tfhe"
)

// candidate is a priced plan: parameters that keep the failure probability, and what they cost.
type candidate struct {
	params    tfhe.ParametersLiteral
	cost      float64
	ms        float64
	log2PFail float64
	log2Noise float64
}

// costs are the times in microseconds that choices are made with, of this code's AVX-512 kernels on one Zen 4 core at N = 2048. They are the same on every
// machine, so that a model compiles to the same circuit everywhere; those of a lookup are [tfhe.DefaultLookupCosts].
type costs struct {
	forward, inverse float64 // one transform, with decomposition or rounding
	mulAdd           float64 // one digit polynomial by one polynomial of a key row
	difference       float64 // the difference of two branches, or of an accumulator and its rotation
	load             float64 // one row of a GGSW ciphertext: expanding its mask, two transforms, its place in memory
	plainProduct     float64 // one exact polynomial product
	affineTerm       float64 // one scaled addition of LWE ciphertexts
}

var unitCosts = costs{forward: 1.3, inverse: 1.5, mulAdd: 0.5, difference: 3, load: 14, plainProduct: 90, affineTerm: 0.7}

// uploadUsPerByte is --prefer balanced's price of a request byte: 10 MB/s.
const uploadUsPerByte = 0.1

// maxBase is the largest digit of a gadget for which the FFT's error was measured.
const maxBase = 28

// price finds the cheapest parameters for the plan, or an error if none of them keeps the failure probability. Candidates above limit are not looked at.
func (p *plan) price(limit float64) (candidate, error) {
	for _, e := range p.events {
		if e.width > maxPlanWidth {
			return candidate{}, fmt.Errorf("compiler: a result of %d bits is wider than %d", e.width, maxPlanWidth)
		}
	}
	for _, vp := range p.vectors {
		if vp.width > maxPlanWidth {
			return candidate{}, fmt.Errorf("compiler: values of %d bits are wider than %d", vp.width, maxPlanWidth)
		}
	}
	if p.lookups > 0 {
		return p.priceLookups(limit)
	}
	return p.priceLeveled(limit)
}

// variances are what one unit of each noise source is worth.
type variances struct {
	fresh, cmux, br, beforeLookup float64
	bottom                        func(e event) float64
}

// log2Fail is log2 of the probability that any event of the plan decodes wrongly (union bound), and the largest deviation at a result.
func (p *plan) log2Fail(v variances) (log2p, log2Noise float64) {
	log2p, worst := math.Inf(-1), 0.0
	for _, e := range p.events {
		total := e.noise.fresh*v.fresh + e.noise.cmux*v.cmux + e.noise.br*v.br
		if e.noise.bottom > 0 {
			total += e.noise.bottom * v.bottom(e)
		}
		if e.lookup {
			total += v.beforeLookup
		} else {
			worst = max(worst, total)
		}
		log2p = tfhe.Log2SumExp2(log2p, tfhe.Log2PFailGap(math.Exp2(e.log2Gap), total)+math.Log2(float64(e.count)))
	}
	return log2p, math.Log2(worst) / 2
}

// selectVariances fills in the CMUX part.
func selectVariances(s tfhe.SelectNoise, g tfhe.GadgetParams, v variances) variances {
	v.cmux = s.CMUX(g)
	v.bottom = func(e event) float64 {
		// The lowest CMUX of a tree multiplies clear leaves: digits of one polynomial with e.digits coefficients of at most B/2 meet the body rows,
		// and nothing is rounded where the gadget reaches the leaves' lowest bit.
		row := s.BodyRowVariance + s.FFTVariance*(1+s.KeyWeight)
		b := float64(g.Levels) * float64(e.digits) * math.Exp2(2*float64(g.BaseLog)) / 4 * row
		if e.width > g.BaseLog*g.Levels {
			b += g.RoundingVariance()
		}
		return b
	}
	return v
}

// bestGadget returns the base that gives the least noise of a CMUX with the given levels.
func bestGadget(s tfhe.SelectNoise, levels int) tfhe.GadgetParams {
	var best tfhe.GadgetParams
	least := math.Inf(1)
	for b := 1; b <= maxBase && b*levels <= 62; b++ {
		g := tfhe.GadgetParams{BaseLog: b, Levels: levels}
		if v := s.CMUX(g); v < least {
			best, least = g, v
		}
	}
	return best
}

// maxSelectLevels bounds the gadget of client bits.
const maxSelectLevels = 6

// priceLeveled prices a plan without lookups: one ternary key, the gadget of the client's bits the only choice.
func (p *plan) priceLeveled(limit float64) (candidate, error) {
	sigma := tfhe.MinLog2Sigma(tfhe.TernaryKey, polyDegree, 1)
	lit := tfhe.ParametersLiteral{PolyDegree: polyDegree, GLWEDimension: 1, Key: tfhe.TernaryKey, Log2SigmaGLWE: sigma}
	s := tfhe.FreshSelect(polyDegree, 1, tfhe.WorstTernaryWeight(polyDegree), sigma)
	base := variances{fresh: math.Exp2(2 * sigma), bottom: func(event) float64 { return 0 }}
	least := math.Inf(1)
	for levels := 0; levels <= maxSelectLevels; levels++ {
		if (levels == 0) != (len(p.selectors) == 0) {
			continue
		}
		v := base
		if levels > 0 {
			lit.Select = bestGadget(s, levels)
			v = selectVariances(s, lit.Select, v)
		}
		fail, noise := p.log2Fail(v)
		least = min(least, fail)
		if fail > p.opts.Log2PFail {
			continue
		}
		c := candidate{params: lit, log2PFail: fail, log2Noise: noise, ms: p.leveledUs(levels) / 1000}
		c.cost = p.cost(c.ms, lit)
		return c, nil
	}
	return candidate{}, p.tooNoisy(least)
}

func (p *plan) tooNoisy(least float64) error {
	return fmt.Errorf("compiler: the values are too wide for the noise: failure probability 2^%.1f at best, above 2^%g: use fewer bits or a higher failure probability",
		least, p.opts.Log2PFail)
}

// leveledUs is the time of everything but lookups with a gadget of the given levels.
func (p *plan) leveledUs(levels int) float64 {
	u, l := unitCosts, float64(levels)
	load := float64(len(p.selectors)) * 2 * l * u.load
	cmux := float64(p.cmux) * (2*l*(u.forward+2*u.mulAdd) + 2*u.inverse + u.difference)
	bottoms := float64(p.bottoms) * (l*(u.forward+2*u.mulAdd) + 2*u.inverse + u.difference)
	packed, terms := 0.0, 0
	if p.packed != nil {
		packed = u.plainProduct * 3 * float64(len(p.packed.steps)) // the weights' own transform, mask, body
	}
	for _, r := range p.rows {
		terms += len(r.terms)
	}
	for _, vp := range p.vectors {
		for _, src := range vp.srcs {
			terms += len(src)
		}
	}
	return load + cmux + bottoms + packed + float64(terms)*u.affineTerm
}

// cost is what the search minimises, in milliseconds.
func (p *plan) cost(ms float64, lit tfhe.ParametersLiteral) float64 {
	bytes := float64(len(p.selectors)) * 2 * float64(lit.Select.Levels) * polyDegree * 8
	if p.packed != nil {
		bytes += polyDegree * 8
	}
	response := float64(len(p.rows)) * polyDegree * 8
	switch p.opts.Prefer {
	case PreferTime:
		return ms
	case PreferUpload:
		return bytes + ms*1e-3
	}
	return ms + (bytes+response)*uploadUsPerByte/1000
}

// parts that a table is spread over, at most: 5-bit tables need two.
const maxTableParts = 4

// priceLookups prices a plan with lookups: one key whose block-binary prefix is the small key; dimension, table parts and three gadgets are chosen together.
func (p *plan) priceLookups(limit float64) (candidate, error) {
	best := candidate{cost: math.Inf(1)}
	least := math.Inf(1)
	for n := 740; n <= 1200; n += 4 {
		lit := tfhe.ParametersLiteral{PolyDegree: polyDegree, GLWEDimension: 1, Key: tfhe.BlockPrefixKey, SmallDimension: n, BlockLength: 4,
			Log2SigmaGLWE: tfhe.MinLog2Sigma(tfhe.BlockPrefixKey, polyDegree, 4), Log2SigmaLWE: tfhe.MinLog2Sigma(tfhe.BlockBinaryKey, n, 4)}
		s := tfhe.FreshSelect(polyDegree, 1, tfhe.WorstBlockPrefixWeight(polyDegree, n, 4), lit.Log2SigmaGLWE)
		model := tfhe.WorstBlockNoiseModel(polyDegree, n, 4, tfhe.DefaultFFTVariance)
		for _, try := range p.lookupGadgets(&lit, model) {
			for levels := 0; levels <= maxSelectLevels; levels++ {
				if (levels == 0) != (len(p.selectors) == 0) {
					continue
				}
				c := candidate{params: try.lit, ms: (p.leveledUs(levels) + float64(p.lookups)*try.us) / 1000}
				v := variances{fresh: math.Exp2(2 * lit.Log2SigmaGLWE), br: try.br, beforeLookup: try.before, bottom: func(event) float64 { return 0 }}
				if levels > 0 {
					c.params.Select = bestGadget(s, levels)
					v = selectVariances(s, c.params.Select, v)
				}
				if c.cost = p.cost(c.ms, c.params); c.cost >= best.cost || c.cost >= limit {
					break // more levels only cost more
				}
				c.log2PFail, c.log2Noise = p.log2Fail(v)
				least = min(least, c.log2PFail)
				if c.log2PFail <= p.opts.Log2PFail {
					best = c
					break
				}
			}
		}
	}
	if math.IsInf(best.cost, 1) {
		if math.IsInf(least, 1) {
			return best, errors.New("compiler: a cheaper layout was found")
		}
		return best, p.tooNoisy(least)
	}
	return best, nil
}

// lookupTry is one choice of the bootstrap's gadgets and table parts.
type lookupTry struct {
	lit        tfhe.ParametersLiteral
	br, before float64
	us         float64
}

// lookupGadgets lists bootstraps at one dimension: the best base for each number of levels.
func (p *plan) lookupGadgets(lit *tfhe.ParametersLiteral, model tfhe.NoiseModel) []lookupTry {
	shape := tfhe.BootstrapShape{N: polyDegree, K: 1, Parts: 1, SmallDim: lit.SmallDimension, PrefixKey: true, SmallModulusLog: 32,
		VarianceGLWE: math.Exp2(2 * lit.Log2SigmaGLWE), VarianceLWE: math.Exp2(2 * lit.Log2SigmaLWE),
		BR: tfhe.GadgetParams{BaseLog: 22, Levels: 1}, KS: tfhe.GadgetParams{BaseLog: 3, Levels: 5}}
	tableBits := 1
	for _, e := range p.events {
		if e.lookup {
			tableBits = max(tableBits, e.width-1)
		}
	}
	var rotations, switches []tfhe.GadgetParams
	for levels := 1; levels <= 3; levels++ {
		rotations = append(rotations, leastNoise(levels, 24, func(g tfhe.GadgetParams) float64 {
			shape.BR = g
			return model.Bootstrap(shape, 1, 1, 0).Br
		}))
	}
	for levels := 2; levels <= 11; levels++ {
		switches = append(switches, leastNoise(levels, 12, func(g tfhe.GadgetParams) float64 {
			shape.KS = g
			return model.Bootstrap(shape, 1, 1, 0).Ks
		}))
	}
	var tries []lookupTry
	lookupCosts := tfhe.DefaultLookupCosts()
	for _, br := range rotations {
		for _, ks := range switches {
			for m := 1; m <= maxTableParts; m++ {
				if m*polyDegree%(1<<tableBits) != 0 {
					continue
				}
				shape.BR, shape.KS, shape.Parts = br, ks, m
				b := model.Bootstrap(shape, 1, 1, 0)
				t := lookupTry{lit: *lit, br: b.Br, before: b.Ks + b.Ms, us: lookupCosts.Lookup(tfhe.LookupParams{
					N: polyDegree, K: 1, Parts: m, SmallDim: lit.SmallDimension, BlockLength: lit.BlockLength, BR: br, KS: ks})}
				t.lit.BlindRotate, t.lit.KeySwitch, t.lit.Parts = br, ks, m
				tries = append(tries, t)
			}
		}
	}
	return tries
}

func leastNoise(levels, maxBase int, variance func(tfhe.GadgetParams) float64) tfhe.GadgetParams {
	var best tfhe.GadgetParams
	least := math.Inf(1)
	for b := 1; b <= maxBase && b*levels <= 62; b++ {
		g := tfhe.GadgetParams{BaseLog: b, Levels: levels}
		if v := variance(g); v < least {
			best, least = g, v
		}
	}
	return best
}
