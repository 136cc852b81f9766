package tfhe

import (
	"errors"
	"fmt"
	"math"
)

// The lookups of this package share one shape: key blocks of four, the small key a prefix of the GLWE key, a 32-bit key-switching key. What is searched is
// the ring, the small dimension, the gadgets and the number of parts.

// searchRings are the rings: the one of degree 2048 serves everything; those of lower degree with more mask polynomials have shorter transforms, but
// coarser modulus switches and, with 1536 coordinates, more noise. Their tables are in one part and their rotations have one level.
// The base is bounded where compact keys are looked for: bases that have less noise do not admit them. Keys of a ring are compact for all shapes of its bounds, or weighed as whole.
var searchRings = []struct{ logN, k, maxParts, maxBRLevels, maxBRBaseLog int }{
	{9, 3, 1, 1, maxCompactBaseLog},
	{10, 2, 1, 1, maxCompactBaseLog},
	{10, 2, 1, 1, maxSearchBaseLog},
	{11, 1, 1, 1, maxCompactBaseLog},
	{11, 1, maxSearchParts, maxSearchBRLevels, maxSearchBaseLog},
}

const (
	searchBlockLength = 4
	searchModulusLog  = 32

	minSearchDim      = 740
	maxSearchDim      = 1200
	maxSearchParts    = 32
	maxSearchBRLevels = 3
	maxSearchKSLevels = 16
	// maxSearchBaseLog is the largest digit for which the error of the FFT was measured.
	maxSearchBaseLog = 28
)

// LookupCosts are unit costs at N = 2048, in microseconds on one core; only their ratios matter to the search. Products of other degrees cost in proportion
// to N, transforms to N log2(N/2).
type LookupCosts struct {
	// ForwardFFT and InverseFFT are one transform of one polynomial, with the decomposition or the rounding that goes with it.
	ForwardFFT, InverseFFT float64
	// MulAdd is one polynomial of the bootstrapping key, multiplied by a monomial minus one, and its product with a digit polynomial. ModuleMulAdd is the same with
	// several mask polynomials: their products read the key once for two lookups, and wait less for it.
	MulAdd, ModuleMulAdd float64
	// KeySwitchMulAdd is one 32-bit multiplication and addition of the key switch.
	KeySwitchMulAdd float64
	// KeyMegabyte is the time that a lookup waits for 10^6 bytes of bootstrapping and key-switching key from memory: about 35 for one lookup
	// on one thread, and 2 in a batch of eight.
	KeyMegabyte float64
}

// DefaultLookupCosts are the costs of this package's AVX-512 kernels on one 3.6 GHz Zen 4 core in batches, with memory weighed between a batch and a
// single lookup, since the same key serves both.
func DefaultLookupCosts() LookupCosts {
	return LookupCosts{ForwardFFT: 1.2, InverseFFT: 1.25, MulAdd: 0.33, ModuleMulAdd: 0.245, KeySwitchMulAdd: 2e-5, KeyMegabyte: 10}
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
	return c.rotation(p)*float64(p.Parts) + c.shared(p, compactShape(p.Parts, p.BR))
}

// rotation is the part of the cost that every part of the table pays.
func (c LookupCosts) rotation(p LookupParams) float64 {
	blocks := float64((p.SmallDim + p.BlockLength - 1) / p.BlockLength)
	polys, levels := float64(p.K+1), float64(p.BR.Levels)
	size, mulAdd := float64(p.N)/2048, c.MulAdd
	if p.K > 1 {
		mulAdd = c.ModuleMulAdd
	}
	transform := size * (math.Log2(float64(p.N)) - 1) / 10
	return blocks * (transform*polys*(levels*c.ForwardFFT+c.InverseFFT) + size*float64(p.BlockLength)*polys*polys*levels*mulAdd)
}

// shared is the part of the cost that a lookup pays once, with a bootstrapping key of 48 bits a number if compact.
func (c LookupCosts) shared(p LookupParams, compact bool) float64 {
	n, polys := float64(p.SmallDim), float64(p.K+1)
	switchWords := float64(p.K*p.N-p.SmallDim) * float64(p.KS.Levels) * (n + 1)
	wordBytes := 8.
	if compact {
		wordBytes = 6
	}
	keyBytes := n*polys*polys*float64(p.BR.Levels)*float64(p.N)*wordBytes + 4*switchWords
	return switchWords*c.KeySwitchMulAdd + keyBytes/1e6*c.KeyMegabyte
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
// number of parts is each group's own. They are the cheapest, by the sum of lookups times cost, over the ring of degree 2048 with one mask polynomial, small
// dimensions 740 to 1200 in steps of four, 1 to 3 rotation levels, 1 to 16 key-switch levels and 1 to 32 parts, and the rings of degree 1024 and 512 with two and
// three masks with one level and one part, that keep every group's failure probability and output variance
// under the heaviest key that key generation accepts; all bases are considered, and all parameters satisfy CheckSecurity. Equal arguments give
// equal results, ties are decided as in SearchSpace.Search. The error wraps ErrNoParameters if there are none and says which group failed.
func SearchLookups(reqs []LookupRequirement, options SearchOptions) ([]LookupParams, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	var results []SearchResult
	least := math.Inf(1)
	var lastErr error // of the ring that serves everything
	for ring := range searchRings {
		found, err := lookupSpace(options, ring).Search(reqs)
		lastErr = err
		if err != nil {
			continue
		}
		cost := 0.0
		for i, r := range found {
			cost += float64(float64(reqs[i].Lookups) * r.Cost)
		}
		if cost < least {
			results, least = found, cost
		}
	}
	if results == nil {
		return nil, lastErr
	}
	found := make([]LookupParams, len(results))
	for i, r := range results {
		p := lookupParams(r.Shape)
		p.Log2SigmaGLWE = lookupLog2SigmaGLWE(p.N * p.K)
		p.Log2SigmaLWE = lookupLog2SigmaLWE(p.SmallDim)
		p.Noise, p.Cost = r.Noise, r.Cost
		found[i] = p
	}
	return found, nil
}

// lookupSpace is the part of the space that SearchLookups searches with one of searchRings.
func lookupSpace(options SearchOptions, ring int) SearchSpace {
	r := searchRings[ring]
	compact := compactShape(r.maxParts, GadgetParams{r.maxBRBaseLog, r.maxBRLevels})
	return SearchSpace{
		MinLogN: r.logN, MaxLogN: r.logN, MinK: r.k, MaxK: r.k,
		MinSmallDim: minSearchDim, MaxSmallDim: maxSearchDim, SmallDimStep: searchBlockLength,
		MaxBRLevels: r.maxBRLevels, MaxKSLevels: maxSearchKSLevels, MaxParts: r.maxParts,
		MaxBRBaseLog: r.maxBRBaseLog, SmallModulusLog: searchModulusLog, PrefixKey: true,
		Log2SigmaGLWE: lookupLog2SigmaGLWE, Log2SigmaLWE: lookupLog2SigmaLWE,
		Model: func(dim, n int) NoiseModel {
			return WorstBlockNoiseModel(dim, n, searchBlockLength, options.FFTVariance)
		},
		PartCost:   func(s BootstrapShape) float64 { return options.Costs.rotation(lookupParams(s)) },
		SharedCost: func(s BootstrapShape) float64 { return options.Costs.shared(lookupParams(s), compact) },
	}
}

func lookupLog2SigmaGLWE(dim int) float64 {
	return MinLog2Sigma(BlockPrefixKey, dim, searchBlockLength)
}

func lookupLog2SigmaLWE(n int) float64 { return MinLog2Sigma(BlockBinaryKey, n, searchBlockLength) }

// lookupParams returns the dimensions and gadgets of a shape of lookupSpace.
func lookupParams(s BootstrapShape) LookupParams {
	return LookupParams{N: s.N, K: s.K, Parts: s.Parts, SmallDim: s.SmallDim, BlockLength: searchBlockLength, SmallModulusLog: searchModulusLog,
		BR: s.BR, KS: s.KS}
}

func (o SearchOptions) check() error {
	c := o.Costs
	for _, x := range []float64{c.ForwardFFT, c.InverseFFT, c.MulAdd, c.ModuleMulAdd, c.KeySwitchMulAdd, c.KeyMegabyte, o.FFTVariance} {
		if !(x >= 0) || math.IsInf(x, 1) {
			return fmt.Errorf("tfhe: unit costs and FFT variance have to be finite numbers from 0 on, not %v", x)
		}
	}
	if c.ForwardFFT+c.InverseFFT+min(c.MulAdd, c.ModuleMulAdd) == 0 {
		return errors.New("tfhe: all unit costs of a rotation are 0: start from DefaultSearchOptions")
	}
	return nil
}
