package compiler

import (
	"cmp"
	"errors"
	"math"
	"slices"

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
	stream           float64 // one level of a selector that comes from memory: in trees, whose products share few of them
	load             float64 // one row of a GGSW ciphertext: expanding its mask, two transforms, its place in memory
	loadSingle       float64 // one single row
	clearSelect      float64 // one lowest select of a tree
	clearTerm        float64 // one product of an integer with a row
	exact, exactAdd  float64 // one exact transform, either way, and one product of transforms
	affineTerm       float64 // one scaled addition of LWE ciphertexts

	expand, expandLevel float64    // one automorphism of a packed query's expansion with its sums, and what each level of the gadget adds
	switchRow           [3]float64 // one scheme switch into the Fourier domain, by form
	switchLevel         [3]float64 // what each level of its gadget adds
}

var unitCosts = costs{forward: 1.1, inverse: 1.3, mulAdd: 0.4, difference: 2.4, stream: 3, load: 12, loadSingle: 4, clearSelect: 1, clearTerm: 0.7,
	exact: 45, exactAdd: 6, affineTerm: 0.7, expand: 12, expandLevel: 2.5, switchRow: [3]float64{13.5, 16, 8}, switchLevel: [3]float64{2, 2.2, 2}}

// uploadUsPerByte is --prefer balanced's price of a request byte: 10 MB/s. An evaluation key is uploaded once, for rowsPerKey rows.
const (
	uploadUsPerByte = 0.1
	rowsPerKey      = 100
)

// readUsPerByte is what a server takes to receive and copy a byte of a request: 2 GB/s.
const readUsPerByte = 0.0005

// bytesPerMs is --prefer upload's price of a millisecond: what decides between requests of the same size.
const bytesPerMs = 100

// maxBase is the largest digit of a gadget for which the FFT's error was measured.
const maxBase = 28

// price finds the cheapest parameters for the plan, or an error if none of them keeps the failure probability. Candidates above limit are not looked at.
func (p *plan) price(limit float64) (candidate, error) {
	for _, e := range p.events {
		if e.width > maxPlanWidth {
			return candidate{}, p.l.fail(e.node, "a value of %d bits is wider than %d: use smaller weights or fewer bits", e.width, maxPlanWidth)
		}
	}
	for _, vp := range p.vectors {
		if vp.width > maxPlanWidth {
			return candidate{}, p.l.fail(vp.v.node, "values of %d bits are wider than %d: use smaller weights or fewer bits", vp.width, maxPlanWidth)
		}
	}
	if p.lookups > 0 {
		return p.priceLookups(limit)
	}
	return p.priceLeveled(limit)
}

// variances are what one unit of each noise source is worth.
type variances struct {
	fresh, cmux, br, inverse float64
	keySwitch                float64
	modulusSwitch            float64 // of a lookup with one result
	bottom                   func(e event) float64
	// parts are those of e's variance that selectors of packed queries and of computed bits make; nil: it is Gaussian.
	parts func(e event) []tfhe.SelectPart

	levels     int // of selectors' gadgets
	wideCMUX   float64
	wideBottom func(e event) float64
}

// log2Fail is log2 of the probability that any event of the plan decodes wrongly (union bound), and the largest deviation at a result.
func (p *plan) log2Fail(v variances) (log2p, log2Noise float64) {
	log2p, worst := math.Inf(-1), 0.0
	for _, e := range p.events {
		total := v.total(e)
		if !e.lookup {
			worst = max(worst, total)
		}
		log2p = tfhe.Log2SumExp2(log2p, tfhe.Log2PFailGap(math.Exp2(e.log2Gap), total)+math.Log2(float64(e.count)))
	}
	if v.parts == nil || log2p > p.opts.Log2PFail {
		return log2p, math.Log2(worst) / 2
	}
	log2p = math.Inf(-1)
	for _, e := range p.events {
		log2p = tfhe.Log2SumExp2(log2p, v.log2Fail(e)+math.Log2(float64(e.count)))
	}
	return log2p, math.Log2(worst) / 2
}

// log2Fail is log2 of the probability that one value of e's decodes wrongly.
func (v variances) log2Fail(e event) float64 {
	if v.parts == nil {
		return tfhe.Log2PFailGap(math.Exp2(e.log2Gap), v.total(e))
	}
	return tfhe.Log2PFailParts(math.Exp2(e.log2Gap), v.total(e), v.parts(e)...)
}

// total is the variance of a value of e's.
func (v variances) total(e event) float64 {
	total := e.noise.fresh*v.fresh + e.noise.cmux*v.cmux + e.noise.br*v.br + e.noise.inverse*v.inverse
	if e.noise.bottom > 0 {
		total += e.noise.bottom * v.bottom(e)
	}
	if w := e.noise.wide; w.cmux > 0 {
		total += w.cmux*v.wideCMUX + w.bottom*v.wideBottom(e)
	}
	if e.lookup {
		total += v.keySwitch + sq(e.resultsOf(v.levels))*v.modulusSwitch
	}
	return total
}

// selectVariances fills in the CMUX part.
func selectVariances(s tfhe.SelectNoise, g tfhe.GadgetParams, v variances) variances {
	v.cmux, v.inverse = s.CMUX(g), s.Inverse(g)
	v.bottom = func(e event) float64 {
		// The lowest CMUX of a tree multiplies clear leaves: digits of one polynomial with e.digits coefficients of at most B/2 meet the body rows,
		// and nothing is rounded where the gadget reaches the leaves' lowest bit.
		row := s.BodyRowVariance + s.FFTVariance*(1+s.KeyWeight)
		b := 0.0
		if e.ggsw {
			b = float64(g.Levels) * float64(e.digits) * math.Exp2(2*float64(g.BaseLog)) / 4 * row
			if e.width > g.BaseLog*g.Levels {
				b += g.RoundingVariance()
			}
		}
		return max(b, float64(e.digits)*sq(e.single)*row)
	}
	return v
}

// bestGadget returns the base that gives the least noise of a CMUX with the given levels, of rows that are divided by 2^slots.
func bestGadget(s tfhe.SelectNoise, levels, slots int) tfhe.GadgetParams {
	return leastNoise(levels, min(maxBase, (62-slots)/levels), s.CMUX)
}

// maxSelectLevels bounds the gadget of client bits.
const maxSelectLevels = 6

// priceLeveled prices a plan without lookups: one ternary key, and the gadgets of the client's bits, uploaded as GGSW ciphertexts or packed.
func (p *plan) priceLeveled(limit float64) (candidate, error) {
	sigma := tfhe.MinLog2Sigma(tfhe.TernaryKey, polyDegree, 1)
	lit := tfhe.ParametersLiteral{PolyDegree: polyDegree, GLWEDimension: 1, Key: tfhe.TernaryKey, Log2SigmaGLWE: sigma}
	base := variances{fresh: math.Exp2(2 * sigma), bottom: func(event) float64 { return 0 }}
	best, least := candidate{cost: math.Inf(1)}, newShortfall()
	if len(p.selectors) == 0 {
		c := candidate{params: lit, ms: p.leveledUs(0) / 1000}
		c.cost = p.cost(c.ms, lit)
		if c.log2PFail, c.log2Noise = p.log2Fail(base); c.log2PFail > p.opts.Log2PFail {
			least.note(c.log2PFail, base)
			return candidate{}, p.tooNoisy(least)
		}
		return c, nil
	}
	weight := tfhe.WorstTernaryWeight(polyDegree)
	s := tfhe.FreshSelect(polyDegree, 1, weight, sigma)
	for levels := 1; levels <= maxSelectLevels; levels++ {
		lit.Select = bestGadget(s, levels, 0)
		c := candidate{params: lit, ms: (p.leveledUs(levels) + p.loadUs(levels)) / 1000}
		c.cost = p.cost(c.ms, lit)
		v := selectVariances(s, lit.Select, base)
		c.log2PFail, c.log2Noise = p.log2Fail(v)
		least.note(c.log2PFail, v)
		if c.log2PFail <= p.opts.Log2PFail {
			best = c
			break // more levels only cost more
		}
	}
	for _, family := range p.packedFamilies(lit, weight) {
		p.tryPacked(&best, &least, family, lit, base, 0, limit)
	}
	return p.found(best, least)
}

// found returns the best candidate of a search, or why there is none.
func (p *plan) found(best candidate, least shortfall) (candidate, error) {
	switch {
	case !math.IsInf(best.cost, 1):
		return best, nil
	case math.IsInf(least.log2PFail, 1):
		return best, errors.New("compiler: a cheaper layout was found")
	}
	return best, p.tooNoisy(least)
}

// shortfall is the least failure probability that a search saw, and the variances that gave it.
type shortfall struct {
	log2PFail float64
	by        variances
}

func newShortfall() shortfall { return shortfall{log2PFail: math.Inf(1)} }

// note takes in a failure probability.
func (s *shortfall) note(log2p float64, by variances) {
	if log2p < s.log2PFail {
		s.log2PFail, s.by = log2p, by
	}
}

// tooNoisy is the error of a search that found nothing: it names the value that fails most.
func (p *plan) tooNoisy(least shortfall) error {
	worst, fails := p.events[0], math.Inf(-1)
	for _, e := range p.events {
		if f := tfhe.Log2PFailGap(math.Exp2(e.log2Gap), least.by.total(e)) + math.Log2(float64(e.count)); f > fails {
			worst, fails = e, f
		}
	}
	what := "the result is"
	if worst.lookup {
		what = "the sum that the table takes is"
	}
	return p.l.fail(worst.node, "%s too wide for the noise that it has (failure probability 2^%.1f at best, above 2^%g): use smaller weights, fewer terms or bits, or a higher failure probability",
		what, least.log2PFail, p.opts.Log2PFail)
}

// loadUs is the time to make GGSW ciphertexts of the given levels ready.
func (p *plan) loadUs(levels int) float64 {
	return float64(p.products)*2*float64(levels)*unitCosts.load + float64(p.singles())*unitCosts.loadSingle
}

// singles is the number of selectors that are sent as single rows.
func (p *plan) singles() int { return len(p.selectors) - p.products }

// maxClearProducts is up to how many products of integers with rows a server takes for cheaper than transforms.
const maxClearProducts = 20

// bottomUs is the time of the lowest selects with a gadget of the given levels.
func (p *plan) bottomUs(levels int) float64 {
	us := 0.0
	for _, b := range p.bottoms {
		products := b.terms
		if !b.single {
			products *= levels
		}
		us += unitCosts.clearSelect
		switch {
		case products <= maxClearProducts:
			us += float64(products) * unitCosts.clearTerm
		case b.single:
			us += 3*unitCosts.forward + 2*unitCosts.mulAdd + 2*unitCosts.inverse
		default:
			us += float64(levels)*(unitCosts.forward+2*unitCosts.mulAdd) + 2*unitCosts.inverse + unitCosts.difference
		}
	}
	return us
}

// leveledUs is the time of everything but lookups and making the client's bits ready, with a gadget of the given levels.
func (p *plan) leveledUs(levels int) float64 {
	u, l := unitCosts, float64(levels)
	cmux := float64(p.cmux)*(2*l*(u.forward+2*u.mulAdd)+2*u.inverse+u.difference) - float64(p.summed)*2*u.inverse
	bottoms := p.bottomUs(levels) + float64(p.rotations)*(l*(u.forward+2*u.mulAdd)+2*u.inverse+u.difference)
	stream := float64(p.streamed) * l * u.stream
	packed, terms := 0.0, 0
	if p.packed != nil {
		packed = packedUs(p.packed.polys, len(p.packed.steps))
	}
	for _, r := range p.rows {
		terms += len(r.terms)
	}
	for _, vp := range p.vectors {
		for _, src := range vp.srcs {
			terms += len(src)
		}
	}
	return cmux + bottoms + stream + packed + float64(terms)*u.affineTerm
}

// cost is what the search minimises, in milliseconds or, for --prefer upload, in bytes.
func (p *plan) cost(ms float64, lit tfhe.ParametersLiteral) float64 {
	if packed, ok := lit.PackedQuery(); ok {
		return p.costOf(ms, packed.CiphertextsOf(packed.Rows(p.products)+p.singles()), packed.KeyRows())
	}
	return p.costOf(ms, p.products*2*lit.Select.Levels+p.singles(), 0)
}

// costOf is the cost of a request whose selectors are the given number of polynomials, and of an expansion key of keyRows polynomials.
func (p *plan) costOf(ms float64, polys, keyRows int) float64 {
	const polyBytes = 8 * polyDegree
	request, key := float64(polys)*polyBytes, float64(keyRows)*polyBytes/rowsPerKey
	response := float64(len(p.rows)) * polyBytes
	if p.packed != nil {
		request += float64(p.packed.polys) * polyBytes
		response += float64(len(p.packed.steps)) * polyBytes
	}
	if p.selected != nil {
		response += polyBytes
	}
	switch p.opts.Prefer {
	case PreferTime:
		// What arrives has to be read, and a key that saves some microseconds is not worth its upload.
		return ms + (request*readUsPerByte+key*uploadUsPerByte)/1000
	case PreferUpload:
		return request + key + ms*bytesPerMs
	}
	return ms + (request+response+key)*uploadUsPerByte/1000
}

// packedUs is the time of products with packed ciphertexts.
func packedUs(polys, steps int) float64 {
	return 2 * (unitCosts.exact*float64(polys+steps) + unitCosts.exactAdd*float64(polys*steps)) // mask and body
}

// packedCost is the part of the cost that the numbers of packed ciphertexts and of products decide.
func (p *plan) packedCost(polys, steps int) float64 {
	const polyBytes = 8 * polyDegree
	ms := packedUs(polys, steps) / 1000
	switch p.opts.Prefer {
	case PreferTime:
		return ms + float64(polys+steps)/1e6 // at equal time, fewer bytes
	case PreferUpload:
		return float64(polys)*polyBytes + ms*bytesPerMs
	}
	return ms + float64(polys+steps)*polyBytes*uploadUsPerByte/1000
}

// maxTableParts is how many parts a table is spread over at most. A table of 5 bits needs two at failure 2^-128, one of 8 bits 19; more bits halve the
// steps of a message, and so double the parts.
func maxTableParts(tableBits int) int { return min(4<<max(0, tableBits-5), 32) }

// priceLookups prices a plan with lookups: one key whose block-binary prefix is the small key; dimension, table parts and the gadgets are chosen together.
func (p *plan) priceLookups(limit float64) (candidate, error) {
	if p.computed > 0 {
		return p.priceWide(limit)
	}
	best, least := candidate{cost: math.Inf(1)}, newShortfall()
	for _, try := range p.l.bootstraps(p.tableBits()) {
		base := try.variances()
		if p.costOf((p.leveledUs(0)+float64(p.lookups)*try.us)/1000, 0, 0) >= min(best.cost, limit) {
			break // the others are slower
		}
		if fail, _ := p.log2Fail(base); fail > p.opts.Log2PFail {
			least.note(fail, base)
			continue // whatever the client's bits are
		}
		p.tryDirect(&best, &least, try, limit)
		if len(p.selectors) == 0 {
			continue
		}
		// The weight of the key falls with the dimension: that at the lower end of a step stands for all in it.
		n := try.lit.SmallDimension / dimensionStep * dimensionStep
		for _, family := range p.packedFamilies(try.lit, tfhe.WorstBlockPrefixWeight(polyDegree, n, try.lit.BlockLength)) {
			p.tryPacked(&best, &least, family, try.lit, base, try.us, limit)
		}
	}
	return p.found(best, least)
}

// tableBits is the width of the widest table that is looked up.
func (p *plan) tableBits() int {
	bits := 1
	for _, e := range p.events {
		if e.lookup {
			bits = max(bits, e.width-1)
		}
	}
	return bits
}

// tryDirect looks for the smallest gadget of GGSW ciphertexts that keeps the failure probability beside the lookups of try.
func (p *plan) tryDirect(best *candidate, least *shortfall, try lookupTry, limit float64) {
	lit := try.lit
	s := tfhe.FreshSelect(polyDegree, 1, tfhe.WorstBlockPrefixWeight(polyDegree, lit.SmallDimension, lit.BlockLength), lit.Log2SigmaGLWE)
	for levels := 0; levels <= maxSelectLevels; levels++ {
		if (levels == 0) != (len(p.selectors) == 0) {
			continue
		}
		c := candidate{params: lit, ms: (p.leveledUs(levels) + p.loadUs(levels) + float64(p.lookups)*try.us) / 1000}
		v := try.variances()
		if levels > 0 {
			c.params.Select = bestGadget(s, levels, 0)
			v = selectVariances(s, c.params.Select, v)
		}
		if c.cost = p.cost(c.ms, c.params); c.cost >= best.cost || c.cost >= limit {
			return // more levels only cost more
		}
		c.log2PFail, c.log2Noise = p.log2Fail(v)
		least.note(c.log2PFail, v)
		if c.log2PFail <= p.opts.Log2PFail {
			*best = c
			return
		}
	}
}

// variances are those of a lookup's bootstrap and of its key.
func (t lookupTry) variances() variances {
	return variances{fresh: math.Exp2(2 * t.lit.Log2SigmaGLWE), br: t.br, keySwitch: t.keySwitch, modulusSwitch: t.modulusSwitch, bottom: func(event) float64 { return 0 }}
}

// lookupTry is one choice of the bootstrap's gadgets and table parts.
type lookupTry struct {
	lit        tfhe.ParametersLiteral
	br, before float64 // before = keySwitch + modulusSwitch
	us         float64

	keySwitch, modulusSwitch float64
}

// bootstraps lists, once for all plans, the bootstraps for tables of the given width that no other beats in time and noise, fastest first.
func (l *lowerer) bootstraps(tableBits int) []lookupTry {
	if b, ok := l.tries[tableBits]; ok {
		return b
	}
	var all []lookupTry
	for n := minSmallDimension; n <= 1200; n += 4 {
		all = append(all, bootstrapsAt(n, tableBits)...)
	}
	order := make([]*lookupTry, len(all))
	for i := range all {
		order[i] = &all[i]
	}
	slices.SortStableFunc(order, func(x, y *lookupTry) int { return cmp.Compare(x.us, y.us) })
	// The faster ones that no other of them beats in both variances, br ascending and so before descending.
	var stairs []*lookupTry
	var best []lookupTry
	for _, t := range order {
		i, _ := slices.BinarySearchFunc(stairs, t, func(x, t *lookupTry) int {
			if x.br <= t.br {
				return -1
			}
			return 1
		})
		if i > 0 && stairs[i-1].before <= t.before {
			continue
		}
		end := i
		for end < len(stairs) && stairs[end].before >= t.before {
			end++
		}
		if i > 0 && stairs[i-1].br == t.br {
			i--
		}
		stairs = slices.Replace(stairs, i, end, t)
		best = append(best, *t)
	}
	if l.tries == nil {
		l.tries = map[int][]lookupTry{}
	}
	l.tries[tableBits] = best
	return best
}

// minSmallDimension is the smallest dimension of a small key with blocks of four at 128 bits of security.
const minSmallDimension = 740

// bootstrapsAt lists the bootstraps with a small key of dimension n.
func bootstrapsAt(n, tableBits int) []lookupTry {
	lit := tfhe.ParametersLiteral{PolyDegree: polyDegree, GLWEDimension: 1, Key: tfhe.BlockPrefixKey, SmallDimension: n, BlockLength: 4,
		Log2SigmaGLWE: tfhe.MinLog2Sigma(tfhe.BlockPrefixKey, polyDegree, 4), Log2SigmaLWE: tfhe.MinLog2Sigma(tfhe.BlockBinaryKey, n, 4)}
	return lookupGadgets(lit, tfhe.WorstBlockNoiseModel(polyDegree, n, 4, tfhe.DefaultFFTVariance), tableBits)
}

// fastestLookup is the time in microseconds of the fastest bootstrap for tables of the given width, whatever its noise: one of the smallest dimension.
func fastestLookup(tableBits int) float64 {
	least := math.Inf(1)
	for _, t := range bootstrapsAt(minSmallDimension, tableBits) {
		least = min(least, t.us)
	}
	return least
}

// lookupGadgets lists bootstraps at one dimension: the best base for each number of levels.
func lookupGadgets(lit tfhe.ParametersLiteral, model tfhe.NoiseModel, tableBits int) []lookupTry {
	shape := tfhe.BootstrapShape{N: polyDegree, K: 1, Parts: 1, SmallDim: lit.SmallDimension, PrefixKey: true, SmallModulusLog: 32,
		VarianceGLWE: math.Exp2(2 * lit.Log2SigmaGLWE), VarianceLWE: math.Exp2(2 * lit.Log2SigmaLWE),
		BR: tfhe.GadgetParams{BaseLog: 22, Levels: 1}, KS: tfhe.GadgetParams{BaseLog: 3, Levels: 5}}
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
			for m := 1; m <= maxTableParts(tableBits); m++ {
				if m*polyDegree%(1<<tableBits) != 0 {
					continue
				}
				shape.BR, shape.KS, shape.Parts = br, ks, m
				b := model.Bootstrap(shape, 1, 1, 0)
				t := lookupTry{lit: lit, br: b.Br, before: b.Ks + b.Ms, keySwitch: b.Ks, modulusSwitch: b.Ms, us: lookupCosts.Lookup(tfhe.LookupParams{
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
