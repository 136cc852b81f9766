package tfhe

import (
	"errors"
	"fmt"
	"iter"
	"math"
)

// ErrNoParameters is what searches wrap when no parameters meet the requirement.
var ErrNoParameters = errors.New("no parameters meet the requirement")

// maxSearchBits bounds the tables that a search is asked for.
const maxSearchBits = 16

// SearchSpace is what a search for lookup parameters chooses from, with the rules and the costs that it chooses by. Nothing in it is this
// package's own scheme: with the distribution, security curve and cost formula of another one the search returns that one's parameters.
type SearchSpace struct {
	// MinLogN to MaxLogN are log2 of the ring degrees, MinK (1, if it is 0) to MaxK the numbers of mask polynomials.
	MinLogN, MaxLogN, MinK, MaxK int
	// MinSmallDim to MaxSmallDim in steps of SmallDimStep are the dimensions n of the small key.
	MinSmallDim, MaxSmallDim, SmallDimStep int
	// MaxBRLevels, MaxKSLevels and MaxParts bound the gadgets' levels and the polynomials that a table is spread over, each from 1.
	MaxBRLevels, MaxKSLevels, MaxParts int
	// MaxBRBaseLog bounds log2 of the rotation's base, 1 to 64; base times levels is at most 64 bits in the rotation and SmallModulusLog in the
	// key switch.
	MaxBRBaseLog int
	// SmallModulusLog is log2 of the key-switching key's modulus, 1 to 64, and PrefixKey says that kN-n coordinates are switched instead of kN.
	SmallModulusLog int
	PrefixKey       bool
	// Log2SigmaGLWE and Log2SigmaLWE return log2 of the noise deviation, relative to q, under a key of dim coordinates: kN and n.
	Log2SigmaGLWE, Log2SigmaLWE func(dim int) float64
	// Model returns the noise model of lookups with a GLWE key of dim = kN and a small key of n coordinates.
	Model func(dim, n int) NoiseModel
	// PartCost is the cost of one part's rotation, from N, K, SmallDim and BR.Levels. SharedCost is the rest of the cost of a lookup, from those
	// and KS.Levels. They may read no other field, which need not be set yet: bases cost nothing. Neither is negative, and neither may fall when only a
	// number of levels rises; what they do in the dimensions is free. Their unit is that of SearchResult.Cost.
	PartCost, SharedCost func(s BootstrapShape) float64
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

// SearchResult is the outcome of a search for one group of lookups.
type SearchResult struct {
	// Shape are the parameters.
	Shape BootstrapShape
	// Noise is the budget of one lookup under the space's model; its Log2PFail is that of a single lookup.
	Noise BootstrapNoise
	// Cost is that of one lookup: Parts times PartCost, and SharedCost.
	Cost float64
}

// Search returns parameters for several groups of lookups under one key set: ring, small dimension and gadgets are shared, the number of parts
// is each group's own. They are the cheapest of the space, by the sum of lookups times cost, that keep every group's failure probability and
// output variance. Equal arguments give equal results. The error wraps ErrNoParameters if there are none, and says which group failed.
//
// Bases cost nothing, so the base of every number of levels is the one with the least variance, the smallest of equals. Of parameters
// that cost the same the smallest N is returned, then the smallest k, n, levels of the rotation and levels of the key switch, in this order.
//
// Nothing that could win is left out. Skipped are levels that add no less variance than fewer levels; dimensions and levels whose rotations alone
// cost as much as the best parameters found; and modulus switches and rotations that leave no room for a key switch in some group.
func (s SearchSpace) Search(reqs []LookupRequirement) ([]SearchResult, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if len(reqs) == 0 {
		return nil, errors.New("tfhe: no lookups to find parameters for")
	}
	limits := make([]lookupLimit, len(reqs))
	for i, req := range reqs {
		if err := req.check(); err != nil {
			return nil, fmt.Errorf("tfhe: lookups %d: %w", i, err)
		}
		limits[i] = lookupLimit{req, MaxVariance(req.Bits, req.Log2PFail-math.Log2(float64(req.Lookups)))}
	}
	state := search{space: s, limits: limits, parts: make([]int, len(reqs)), bestParts: make([]int, len(reqs)), bestCost: math.Inf(1),
		perCoordinate: make([]gadgetVariance, s.MaxBRLevels)}
	for shape := range s.dimensions() {
		state.try(shape)
	}
	if math.IsInf(state.bestCost, 1) {
		return nil, state.noLookup()
	}
	found := make([]SearchResult, len(reqs))
	for i, req := range reqs {
		r := SearchResult{Shape: state.best}
		r.Shape.Parts = state.bestParts[i]
		r.Noise = s.Model(s.dim(r.Shape), r.Shape.SmallDim).Bootstrap(r.Shape, req.Bits, req.Nu2, req.InputVariance)
		r.Cost = float64(s.PartCost(r.Shape)*float64(r.Shape.Parts)) + s.SharedCost(r.Shape)
		found[i] = r
	}
	return found, nil
}

// dimensions yields the rings and small dimensions of the space, in the order that ties are decided by.
func (s SearchSpace) dimensions() iter.Seq[BootstrapShape] {
	return func(yield func(BootstrapShape) bool) {
		for logN := s.MinLogN; logN <= s.MaxLogN; logN++ {
			for k := max(1, s.MinK); k <= s.MaxK; k++ {
				for n := s.MinSmallDim; n <= s.MaxSmallDim; n += s.SmallDimStep {
					if !yield(BootstrapShape{N: 1 << logN, K: k, Parts: 1, SmallDim: n}) {
						return
					}
				}
			}
		}
	}
}

func (s SearchSpace) dim(shape BootstrapShape) int { return shape.N * shape.K }

// withKeys fills in what follows from the dimensions, and returns the noise model.
func (s SearchSpace) withKeys(shape BootstrapShape) (BootstrapShape, NoiseModel) {
	dim := s.dim(shape)
	shape.VarianceGLWE = math.Exp2(2 * s.Log2SigmaGLWE(dim))
	shape.VarianceLWE = math.Exp2(2 * s.Log2SigmaLWE(shape.SmallDim))
	shape.PrefixKey, shape.SmallModulusLog = s.PrefixKey, s.SmallModulusLog
	return shape, s.Model(dim, shape.SmallDim)
}

// gadgetVariance is a gadget with the variance that it adds.
type gadgetVariance struct {
	gadget   GadgetParams
	variance float64
}

// leastVariance returns the base of the given levels with the least variance, the smallest of equals; the variance is +Inf if no base fits.
func leastVariance(levels, maxBaseLog, maxBits int, variance func(GadgetParams) float64) gadgetVariance {
	best := gadgetVariance{variance: math.Inf(1)}
	for base := 1; base <= maxBaseLog && base*levels <= maxBits; base++ {
		g := GadgetParams{BaseLog: base, Levels: levels}
		if v := variance(g); v < best.variance {
			best = gadgetVariance{g, v}
		}
	}
	return best
}

// search is the state of one search.
type search struct {
	space  SearchSpace
	limits []lookupLimit
	// parts is scratch, one number per group.
	parts []int

	best      BootstrapShape // without Parts
	bestCost  float64
	bestParts []int

	// ring is what perCoordinate was computed for: rotations of a small key of one coordinate, per number of levels (zero: not yet).
	ring          rotationRing
	perCoordinate []gadgetVariance
}

// try looks for cheaper parameters with the ring and small dimension of the shape.
func (s *search) try(shape BootstrapShape) {
	shape.BR.Levels = 1
	if s.rotationsCost(shape) >= s.bestCost {
		return
	}
	full, model := s.space.withKeys(shape)
	if !s.leavesRoom(full, model, 0) {
		return
	}
	var keySwitches []gadgetVariance
	least := math.Inf(1)
	for levels := 1; levels <= s.space.MaxBRLevels; levels++ {
		shape.BR.Levels = levels
		if s.rotationsCost(shape) >= s.bestCost {
			return
		}
		br := s.rotation(full, model, levels)
		if !(br.variance < least) {
			continue
		}
		least = br.variance
		full.BR = br.gadget
		if !s.leavesRoom(full, model, br.variance) {
			continue
		}
		if keySwitches == nil {
			keySwitches = s.keySwitches(full, model)
		}
		for _, ks := range keySwitches {
			shape.KS.Levels, full.KS = ks.gadget.Levels, ks.gadget
			if !s.fits(full, model, br.variance, ks.variance) {
				continue
			}
			// Strictly less: the first of equal costs stays.
			if cost := s.cost(s.parts, s.space.PartCost(shape), s.space.SharedCost(shape)); cost < s.bestCost {
				s.best, s.bestCost = full, cost
				copy(s.bestParts, s.parts)
			}
		}
		shape.KS.Levels = 0
	}
}

// cost sums up lookups times cost. Rounding is monotone, so that more parts or dearer ones never come out cheaper by an ulp.
func (s *search) cost(parts []int, part, shared float64) float64 {
	cost := 0.0
	for i, l := range s.limits {
		cost += float64(float64(l.Lookups) * (float64(part*float64(parts[i])) + shared))
	}
	return cost
}

// rotationsCost bounds the cost of parameters with these dimensions and at least these levels from below.
func (s *search) rotationsCost(shape BootstrapShape) float64 {
	for i := range s.parts {
		s.parts[i] = 1
	}
	return s.cost(s.parts, s.space.PartCost(shape), 0)
}

// rotationRing is all that the variance of a TFHErsRotation depends on, besides its gadget and n.
type rotationRing struct {
	n, k                  int
	variance, weight, fft float64
}

// rotation returns the best gadget of the given levels for the blind rotation. The variance of a TFHErsRotation is n times a function of the
// gadget and of what a rotationRing has, so that its base is searched once a ring.
func (s *search) rotation(shape BootstrapShape, model NoiseModel, levels int) gadgetVariance {
	variance := func(g GadgetParams) float64 {
		shape.BR = g
		return model.BlindRotation(shape)
	}
	if model.Form != TFHErsRotation {
		return leastVariance(levels, s.space.MaxBRBaseLog, 64, variance)
	}
	ring := rotationRing{shape.N, shape.K, shape.VarianceGLWE, model.KeyWeight, model.FFTConstant}
	if ring != s.ring {
		s.ring = ring
		clear(s.perCoordinate)
	}
	n := float64(shape.SmallDim)
	one := &s.perCoordinate[levels-1]
	if one.gadget.Levels == 0 {
		shape.SmallDim = 1
		*one = leastVariance(levels, s.space.MaxBRBaseLog, 64, variance)
	}
	return gadgetVariance{one.gadget, n * one.variance}
}

// keySwitches returns the gadget with the least variance for every number of levels, without those that cost more and add no less.
func (s *search) keySwitches(shape BootstrapShape, model NoiseModel) []gadgetVariance {
	dim := s.space.dim(shape)
	if shape.PrefixKey {
		dim -= shape.SmallDim
	}
	var list []gadgetVariance
	least := math.Inf(1)
	for levels := 1; levels <= s.space.MaxKSLevels; levels++ {
		best := leastVariance(levels, shape.SmallModulusLog, shape.SmallModulusLog, func(g GadgetParams) float64 {
			return KeySwitchVariance(dim, g, shape.VarianceLWE, model.SwitchedKey, model.CentredKeySwitch, shape.SmallModulusLog, model.SmallWeight)
		})
		if best.variance < least {
			list = append(list, best)
			least = best.variance
		}
	}
	return list
}

// leavesRoom tells whether a rotation of variance br could meet all requirements, were the key switch noiseless.
func (s *search) leavesRoom(shape BootstrapShape, model NoiseModel, br float64) bool {
	for i := range s.limits {
		if l := &s.limits[i]; !l.admitsOutput(br) || l.leastVariance(shape, model, br, 0, s.space.MaxParts) > l.variance {
			return false
		}
	}
	return true
}

// fits sets the least number of parts of every group, and tells whether all have one.
func (s *search) fits(shape BootstrapShape, model NoiseModel, br, ks float64) bool {
	for i := range s.limits {
		if s.parts[i] = s.limits[i].leastParts(shape, model, br, ks, s.space.MaxParts); s.parts[i] == 0 {
			return false
		}
	}
	return true
}

// noLookup says which group of lookups has no parameters, and how far the best ones come.
func (s *search) noLookup() error {
	seen := make([]float64, len(s.limits))
	for i := range seen {
		seen[i] = math.Inf(1)
	}
	for shape := range s.space.dimensions() {
		shape, model := s.space.withKeys(shape)
		ks := math.Inf(1)
		if list := s.keySwitches(shape, model); len(list) > 0 {
			ks = list[len(list)-1].variance
		}
		for levels := 1; levels <= s.space.MaxBRLevels; levels++ {
			br := s.rotation(shape, model, levels).variance
			for i := range s.limits {
				if l := &s.limits[i]; l.admitsOutput(br) {
					seen[i] = math.Min(seen[i], l.leastVariance(shape, model, br, ks, s.space.MaxParts))
				}
			}
		}
	}
	for i, l := range s.limits {
		each := math.Log2(float64(l.Lookups))
		switch {
		case math.IsInf(seen[i], 1):
			return fmt.Errorf("tfhe: lookups %d: no rotation has an output variance of at most 2^%.2f: use the outputs with smaller weights: %w",
				i, math.Log2(l.OutputVariance), ErrNoParameters)
		case seen[i] > l.variance:
			return fmt.Errorf("tfhe: lookups %d: %d tables of %d bits with inputs of squared weight norm %g fail with probability 2^%.1f at best, "+
				"above 2^%g: use fewer bits, smaller weights or a higher failure probability: %w",
				i, l.Lookups, l.Bits, l.Nu2, each+Log2PFail(l.Bits, seen[i]), l.Log2PFail, ErrNoParameters)
		}
	}
	return fmt.Errorf("tfhe: each group of lookups has parameters, but all together, or with their output bounds, they have none: "+
		"use fewer bits or smaller weights: %w", ErrNoParameters)
}

// lookupLimit is a requirement with the variance that it admits at the table.
type lookupLimit struct {
	LookupRequirement
	variance float64
}

func (l *lookupLimit) admitsOutput(br float64) bool {
	return !(l.OutputVariance > 0 && br > l.OutputVariance)
}

// leastVariance returns the variance at the table with as many parts as there may be, for the variances of rotation and key switch.
func (l *lookupLimit) leastVariance(shape BootstrapShape, model NoiseModel, br, ks float64, maxParts int) float64 {
	return float64(l.Nu2*br) + l.InputVariance + ks + modulusSwitchOfOne(shape, model)/float64(maxParts*maxParts)
}

// leastParts returns the least number of parts that meets the requirement with the given variances of rotation and key switch, 0 if none.
func (l *lookupLimit) leastParts(shape BootstrapShape, model NoiseModel, br, ks float64, maxParts int) int {
	if !(l.leastVariance(shape, model, br, ks, maxParts) <= l.variance) {
		return 0
	}
	one := modulusSwitchOfOne(shape, model)
	before := float64(l.Nu2*br) + l.InputVariance + ks
	m := 1
	if before < l.variance {
		m = max(1, int(math.Ceil(math.Sqrt(one/(l.variance-before))))-1)
	}
	for ; m <= maxParts; m++ {
		if before+one/float64(m*m) <= l.variance && m*shape.N%(1<<l.Bits) == 0 {
			return m
		}
	}
	return 0
}

// modulusSwitchOfOne is the variance of the modulus switch for a table of one part; m parts divide it by m^2.
func modulusSwitchOfOne(shape BootstrapShape, model NoiseModel) float64 {
	return ModulusSwitchVariance(shape.SmallDim, model.SmallKey, model.CentredModulusSwitch, 2*float64(shape.N))
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

func (s SearchSpace) check() error {
	for _, r := range []struct {
		name            string
		from, to        int
		lowest, highest int
	}{
		{"ring degrees' log2", s.MinLogN, s.MaxLogN, 1, 24},
		{"mask polynomials", max(1, s.MinK), s.MaxK, 1, 64},
		{"small dimensions", s.MinSmallDim, s.MaxSmallDim, 1, maxKeyDim},
		{"rotation levels", 1, s.MaxBRLevels, 1, 64},
		{"key-switch levels", 1, s.MaxKSLevels, 1, 64},
		{"parts", 1, s.MaxParts, 1, 1 << 16},
		{"rotation bases' log2", 1, s.MaxBRBaseLog, 1, 64},
		{"key-switching moduli's log2", 1, s.SmallModulusLog, 1, 64},
	} {
		if r.from < r.lowest || r.to < r.from || r.to > r.highest {
			return fmt.Errorf("tfhe: the %s of a search space are %d to %d, not within %d to %d", r.name, r.from, r.to, r.lowest, r.highest)
		}
	}
	switch {
	case s.SmallDimStep < 1:
		return fmt.Errorf("tfhe: the step between the small dimensions of a search space is %d, not positive", s.SmallDimStep)
	case s.PrefixKey && s.MaxSmallDim > max(1, s.MinK)<<s.MinLogN:
		return fmt.Errorf("tfhe: a small key of dimension %d is no prefix of a GLWE key of %d coordinates: raise MinLogN or lower MaxSmallDim",
			s.MaxSmallDim, max(1, s.MinK)<<s.MinLogN)
	case s.Log2SigmaGLWE == nil || s.Log2SigmaLWE == nil || s.Model == nil || s.PartCost == nil || s.SharedCost == nil:
		return errors.New("tfhe: a search space needs both security curves, a noise model and both costs")
	}
	return nil
}
