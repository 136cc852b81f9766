package tfhe

import (
	"errors"
	"fmt"
	"math"
)

// The lookups of this package share one shape: ring degree 2048 with one mask polynomial, key blocks of four, the small key a prefix of the
// GLWE key, a 32-bit key-switching key. What is searched is the small dimension, the gadgets and the number of parts.
const (
	searchN           = 2048
	searchK           = 1
	searchBlockLength = 4
	searchModulusLog  = 32

	minSearchDim      = 740
	maxSearchDim      = 1200
	maxSearchParts    = 32
	maxSearchBRLevels = 3
	maxSearchKSLevels = 16
	// maxSearchBaseLog is the largest digit for which the error of the FFT was measured.
	maxSearchBaseLog = 28
	maxSearchBits    = 16
)

// ErrNoParameters is what SearchLookup and CMUXGadget wrap when no parameters meet the requirement.
var ErrNoParameters = errors.New("no parameters meet the requirement")

// LookupCosts are unit costs at N = 2048, in microseconds on one core; only their ratios matter to the search.
type LookupCosts struct {
	// ForwardFFT and InverseFFT are one transform of one polynomial, with the decomposition or the rounding that goes with it.
	ForwardFFT, InverseFFT float64
	// MulAdd is one polynomial of the bootstrapping key, multiplied by a monomial minus one, and its product with a digit polynomial.
	MulAdd float64
	// KeySwitchMulAdd is one 32-bit multiplication and addition of the key switch.
	KeySwitchMulAdd float64
	// KeyMegabyte is the time that a lookup of a batch waits for 10^6 bytes of bootstrapping key from memory.
	KeyMegabyte float64
}

// DefaultLookupCosts are the costs of AVX-512 kernels on one 3.6 GHz Zen 4 core in batches of eight lookups.
func DefaultLookupCosts() LookupCosts {
	return LookupCosts{ForwardFFT: 1.35, InverseFFT: 1.5, MulAdd: 0.29, KeySwitchMulAdd: 3e-5, KeyMegabyte: 2.2}
}

// SearchOptions are what the search needs to know of the machine and its kernels.
type SearchOptions struct {
	// Costs are the unit costs of the target.
	Costs LookupCosts
	// FFTVariance is the error of its FFT, as DefaultFFTVariance.
	FFTVariance float64
}

// DefaultSearchOptions returns the default costs and FFT error.
func DefaultSearchOptions() SearchOptions {
	return SearchOptions{Costs: DefaultLookupCosts(), FFTVariance: DefaultFFTVariance}
}

// LookupRequirement says what a group of lookups of a circuit has to achieve.
type LookupRequirement struct {
	// Bits of the table's input without the padding bit, 1 to 16. Every entry is one box of m*N/2^Bits coefficients, a whole number.
	Bits int
	// Nu2 is the squared 2-norm of the largest combination of lookup outputs that enters one of the lookups; 0 if only other ciphertexts do.
	Nu2 float64
	// InputVariance is the variance of what else enters: ciphertexts of the client and leveled steps.
	InputVariance float64
	// Lookups is how many such lookups the circuit makes, at least 1.
	Lookups int
	// Log2PFail bounds log2 of the probability that any of them fails, by the union bound: negative, -128 say.
	Log2PFail float64
	// OutputVariance bounds the variance of a lookup's output, for outputs that are only decrypted or added up; 0 is no bound.
	OutputVariance float64
}

// LookupParams are the parameters of one group of lookups.
type LookupParams struct {
	// N, K are ring degree and mask polynomials; the table has Parts*N coefficients.
	N, K, Parts int
	// SmallDim is the small key's dimension, in blocks of BlockLength.
	SmallDim, BlockLength int
	// Log2SigmaGLWE and Log2SigmaLWE are log2 of the noise deviations relative to q, the least that 128 bits of security admit.
	Log2SigmaGLWE, Log2SigmaLWE float64
	// SmallModulusLog is log2 of the key-switching key's modulus.
	SmallModulusLog int
	// BR and KS are the gadgets of the blind rotation and of the key switch from kN-n coordinates.
	BR, KS GadgetParams
	// Noise is the budget of one lookup under the heaviest key that key generation accepts; its Log2PFail is that of a single lookup.
	Noise BootstrapNoise
	// Cost is the predicted time of one lookup in microseconds.
	Cost float64
}

// Shape returns the arguments of NoiseModel.Bootstrap for the parameters.
func (p LookupParams) Shape() BootstrapShape {
	return BootstrapShape{
		N: p.N, K: p.K, Parts: p.Parts, SmallDim: p.SmallDim, BR: p.BR, KS: p.KS,
		VarianceGLWE: math.Exp2(2 * p.Log2SigmaGLWE), VarianceLWE: math.Exp2(2 * p.Log2SigmaLWE),
		PrefixKey: true, SmallModulusLog: p.SmallModulusLog,
	}
}

// Lookup returns the predicted time of one lookup, in microseconds, from the parameters' dimensions and gadgets.
func (c LookupCosts) Lookup(p LookupParams) float64 {
	return c.rotation(p)*float64(p.Parts) + c.shared(p)
}

// rotation is the part of the cost that every part of the table pays.
func (c LookupCosts) rotation(p LookupParams) float64 {
	blocks := float64((p.SmallDim + p.BlockLength - 1) / p.BlockLength)
	polys, levels := float64(p.K+1), float64(p.BR.Levels)
	return blocks * (polys*(levels*c.ForwardFFT+c.InverseFFT) + float64(p.BlockLength)*polys*polys*levels*c.MulAdd)
}

// shared is the part of the cost that a lookup pays once.
func (c LookupCosts) shared(p LookupParams) float64 {
	n, polys := float64(p.SmallDim), float64(p.K+1)
	keyBytes := n * polys * polys * float64(p.BR.Levels) * float64(p.N) * 8
	return float64(p.K*p.N-p.SmallDim)*float64(p.KS.Levels)*(n+1)*c.KeySwitchMulAdd + keyBytes/1e6*c.KeyMegabyte
}

// SearchLookup returns the cheapest parameters that meet the requirement; see SearchLookups.
func SearchLookup(req LookupRequirement, options SearchOptions) (LookupParams, error) {
	found, err := SearchLookups([]LookupRequirement{req}, options)
	if err != nil {
		return LookupParams{}, err
	}
	return found[0], nil
}

// SearchLookups returns parameters for several groups of lookups under one key set: small dimension, deviations and gadgets are shared, the
// number of parts is each group's own. They are the cheapest, by the sum of lookups times cost, over small dimensions 740 to 1200 in steps of
// four, 1 to 3 rotation levels, 1 to 16 key-switch levels and 1 to 32 parts, that keep every group's failure probability and output variance
// under the heaviest key that key generation accepts; all bases are considered, and all parameters satisfy CheckSecurity. Equal arguments give
// equal results. The error wraps ErrNoParameters if there are none and says which group failed.
func SearchLookups(reqs []LookupRequirement, options SearchOptions) ([]LookupParams, error) {
	if len(reqs) == 0 {
		return nil, errors.New("tfhe: no lookups to find parameters for")
	}
	if err := options.check(); err != nil {
		return nil, err
	}
	limits := make([]lookupLimit, len(reqs))
	for i, req := range reqs {
		if err := req.check(); err != nil {
			return nil, fmt.Errorf("tfhe: lookups %d: %w", i, err)
		}
		limits[i] = lookupLimit{req, MaxVariance(req.Bits, req.Log2PFail-math.Log2(float64(req.Lookups))), math.Inf(1)}
	}

	var best LookupParams
	bestCost, bestParts := math.Inf(1), make([]int, len(reqs))
	parts := make([]int, len(reqs))
	for n := minSearchDim; n <= maxSearchDim; n += searchBlockLength {
		model := WorstBlockNoiseModel(searchN*searchK, n, searchBlockLength, options.FFTVariance)
		p := lookupAt(n)
		keySwitches := bestKeySwitches(p, model)
		for levels := 1; levels <= maxSearchBRLevels; levels++ {
			var br float64
			p.BR, br = bestRotation(p, model, levels)
			for _, ks := range keySwitches {
				p.KS = ks.gadget
				cost, ok := 0.0, true
				rotation, shared := options.Costs.rotation(p), options.Costs.shared(p)
				for i := range limits {
					// Every group is tried even when an earlier one failed, so that an error can name what is out of reach.
					parts[i] = limits[i].leastParts(model, p, br, ks.variance)
					ok = ok && parts[i] > 0
					cost += float64(limits[i].Lookups) * (rotation*float64(parts[i]) + shared)
				}
				// Strictly less: of equal costs the smallest dimension and the fewest levels stay.
				if ok && cost < bestCost {
					best, bestCost = p, cost
					copy(bestParts, parts)
				}
			}
		}
	}
	if math.IsInf(bestCost, 1) {
		return nil, noLookup(limits)
	}

	found := make([]LookupParams, len(reqs))
	model := WorstBlockNoiseModel(searchN*searchK, best.SmallDim, searchBlockLength, options.FFTVariance)
	for i, req := range reqs {
		p := best
		p.Parts = bestParts[i]
		p.Noise = model.Bootstrap(p.Shape(), req.Bits, req.Nu2, req.InputVariance)
		p.Cost = options.Costs.Lookup(p)
		found[i] = p
	}
	return found, nil
}

// lookupAt returns the parameters that follow from the small dimension.
func lookupAt(n int) LookupParams {
	return LookupParams{
		N: searchN, K: searchK, Parts: 1, SmallDim: n, BlockLength: searchBlockLength, SmallModulusLog: searchModulusLog,
		Log2SigmaGLWE: MinLog2Sigma(BlockPrefixKey, searchN*searchK, searchBlockLength),
		Log2SigmaLWE:  MinLog2Sigma(BlockBinaryKey, n, searchBlockLength),
	}
}

// bestRotation returns the gadget of the given levels with the least output variance, and that variance: bases cost the same.
func bestRotation(p LookupParams, model NoiseModel, levels int) (GadgetParams, float64) {
	var best GadgetParams
	least := math.Inf(1)
	shape := p.Shape()
	for base := 1; base <= maxSearchBaseLog && base*levels <= 64; base++ {
		shape.BR = GadgetParams{BaseLog: base, Levels: levels}
		if v := model.BlindRotation(shape); v < least {
			best, least = shape.BR, v
		}
	}
	return best, least
}

// keySwitch is a gadget of a key switch with the variance that it adds.
type keySwitch struct {
	gadget   GadgetParams
	variance float64
}

// bestKeySwitches returns the gadget with the least variance for every number of levels, without those that cost more and add no less.
func bestKeySwitches(p LookupParams, model NoiseModel) []keySwitch {
	var list []keySwitch
	least := math.Inf(1)
	shape := p.Shape()
	for levels := 1; levels <= maxSearchKSLevels; levels++ {
		best := keySwitch{variance: least}
		for base := 1; base*levels <= searchModulusLog; base++ {
			g := GadgetParams{BaseLog: base, Levels: levels}
			v := KeySwitchVariance(p.N*p.K-p.SmallDim, g, shape.VarianceLWE, model.SwitchedKey, model.CentredKeySwitch,
				p.SmallModulusLog, model.SmallWeight)
			if v < best.variance {
				best = keySwitch{g, v}
			}
		}
		if best.variance < least {
			list = append(list, best)
			least = best.variance
		}
	}
	return list
}

// lookupLimit is a requirement with the variance that it admits at the table, and the least that the search has seen.
type lookupLimit struct {
	LookupRequirement
	variance float64
	seen     float64
}

// leastParts returns the least number of parts that meets the requirement with the given variances of rotation and key switch, 0 if none.
func (l *lookupLimit) leastParts(model NoiseModel, p LookupParams, br, ks float64) int {
	if l.OutputVariance > 0 && br > l.OutputVariance {
		return 0
	}
	one := ModulusSwitchVariance(p.SmallDim, model.SmallKey, model.CentredModulusSwitch, 2*float64(p.N))
	before := float64(l.Nu2*br) + l.InputVariance + ks
	l.seen = math.Min(l.seen, before+one/(maxSearchParts*maxSearchParts))
	if before+one/(maxSearchParts*maxSearchParts) > l.variance {
		return 0
	}
	m := max(1, int(math.Ceil(math.Sqrt(one/(l.variance-before))))-1)
	for ; m <= maxSearchParts; m++ {
		if before+one/float64(m*m) <= l.variance && m*p.N%(1<<l.Bits) == 0 {
			return m
		}
	}
	return 0
}

// noLookup says which group of lookups has no parameters, and how far the search came.
func noLookup(limits []lookupLimit) error {
	for i, l := range limits {
		each := math.Log2(float64(l.Lookups))
		switch {
		case math.IsInf(l.seen, 1):
			return fmt.Errorf("tfhe: lookups %d: no rotation has an output variance of at most 2^%.2f: use the outputs with smaller weights: %w",
				i, math.Log2(l.OutputVariance), ErrNoParameters)
		case l.seen > l.variance:
			return fmt.Errorf("tfhe: lookups %d: %d tables of %d bits with inputs of squared weight norm %g fail with probability 2^%.1f at best, "+
				"above 2^%g: use fewer bits, smaller weights or a higher failure probability: %w",
				i, l.Lookups, l.Bits, l.Nu2, each+Log2PFail(l.Bits, l.seen), l.Log2PFail, ErrNoParameters)
		}
	}
	return fmt.Errorf("tfhe: each group of lookups has parameters, but all together, or with their output bounds, they have none: "+
		"use fewer bits or smaller weights: %w", ErrNoParameters)
}

func (r LookupRequirement) check() error {
	switch {
	case r.Bits < 1 || r.Bits > maxSearchBits:
		return fmt.Errorf("tables of %d bits are outside of 1..%d", r.Bits, maxSearchBits)
	case !(r.Nu2 >= 0) || math.IsInf(r.Nu2, 1):
		return fmt.Errorf("the squared norm of the weights is %v, not a finite number from 0 on", r.Nu2)
	case !(r.InputVariance >= 0) || math.IsInf(r.InputVariance, 1):
		return fmt.Errorf("the input variance is %v, not a finite number from 0 on", r.InputVariance)
	case r.Lookups < 1:
		return fmt.Errorf("the number of lookups is %d, not positive", r.Lookups)
	case !(r.Log2PFail < 0) || r.Log2PFail < -10000:
		return fmt.Errorf("the log2 failure probability is %v, outside of -10000 to 0", r.Log2PFail)
	case !(r.OutputVariance >= 0):
		return fmt.Errorf("the bound of the output variance is %v, not a number from 0 on", r.OutputVariance)
	}
	return nil
}

func (o SearchOptions) check() error {
	c := o.Costs
	for _, x := range []float64{c.ForwardFFT, c.InverseFFT, c.MulAdd, c.KeySwitchMulAdd, c.KeyMegabyte, o.FFTVariance} {
		if !(x >= 0) || math.IsInf(x, 1) {
			return fmt.Errorf("tfhe: unit costs and FFT variance have to be finite numbers from 0 on, not %v", x)
		}
	}
	if c.ForwardFFT+c.InverseFFT+c.MulAdd == 0 {
		return errors.New("tfhe: all unit costs of a rotation are 0: start from DefaultSearchOptions")
	}
	return nil
}

// SelectRequirement says what the selects of a circuit without lookups have to achieve.
type SelectRequirement struct {
	// Noise of the products: ring, key weight, GGSW rows and FFT. FreshSelect makes it for uploaded GGSW ciphertexts.
	Noise SelectNoise
	// Depth is the number of CMUX that a result goes through, Count how many results are summed, as in SelectNoise.Paths.
	Depth, Count int
	// MaxVariance is the variance that the sum may have: MaxVariance(bits, log2PFail) where it is decrypted, say.
	MaxVariance float64
}

// CMUXGadget returns the gadget with the fewest levels, which decide upload and time, whose selects stay within the required variance for the
// worst input (all bits 1), and their variance: of those levels the base with the least variance. The error wraps ErrNoParameters.
func CMUXGadget(req SelectRequirement) (GadgetParams, float64, error) {
	s := req.Noise
	switch {
	case s.N < 1 || s.K < 1 || req.Depth < 0 || req.Count < 1:
		return GadgetParams{}, 0, fmt.Errorf("tfhe: no select has ring degree %d, %d mask polynomials, depth %d and %d summed results",
			s.N, s.K, req.Depth, req.Count)
	case !(req.MaxVariance > 0):
		return GadgetParams{}, 0, fmt.Errorf("tfhe: the allowed variance of selects is %v, not positive", req.MaxVariance)
	}
	least, leastGadget := math.Inf(1), GadgetParams{}
	for levels := 1; levels <= 64; levels++ {
		for base := 1; base <= maxSearchBaseLog && base*levels <= 64; base++ {
			g := GadgetParams{BaseLog: base, Levels: levels}
			if v := s.Paths(g, req.Depth, req.Count); v < least {
				least, leastGadget = v, g
			}
		}
		if least <= req.MaxVariance {
			return leastGadget, least, nil
		}
	}
	return GadgetParams{}, 0, fmt.Errorf("tfhe: %d summed selects of depth %d reach a variance of 2^%.2f at best (gadget %v), above 2^%.2f: "+
		"use fewer or shallower trees, or fewer score bits: %w",
		req.Count, req.Depth, math.Log2(least), leastGadget, math.Log2(req.MaxVariance), ErrNoParameters)
}
