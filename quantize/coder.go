package quantize

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// CoderKind is how a Coder maps a float to a code.
type CoderKind int

const (
	Affine CoderKind = iota // code = clip(round((x-Min)/Step))
	Rank                    // code = number of thresholds t with !(x <= t)
)

// MaxLevels is the number of codes of 7 bits.
const MaxLevels = 128

// MaxIntegers is the number of codes that an affine coder of step 1 may have: integers, which programs take as they are, of 16 bits.
const MaxIntegers = 1 << 16

// Coder maps one feature to codes 0 .. Levels-1.
type Coder struct {
	Feature int       `cbor:"f,omitempty"` // column
	Kind    CoderKind `cbor:"k,omitempty"`
	Levels  int       `cbor:"l"` // 1..MaxLevels; 1..MaxIntegers for affine coders of step 1
	// Min and Step are the value of code 0 and the distance of neighbours, of an affine coder. Step is 0 iff Levels is 1.
	Min  float64 `cbor:"m,omitempty"`
	Step float64 `cbor:"s,omitempty"`
	// Thresholds of a rank coder ascend strictly; there are Levels-1, or Levels-2 where Missing is set. Infinite
	// thresholds are allowed: x <= -Inf is true of -Inf alone.
	Thresholds []float64 `cbor:"t,omitempty"`
	// Missing gives NaN the last code, Levels-1, of a rank coder.
	Missing bool `cbor:"n,omitempty"`
}

// Validate reports the first inconsistency of c among columns features.
func (c *Coder) Validate(columns int) error {
	if c.Feature < 0 || c.Feature >= columns {
		return fmt.Errorf("quantize: coder of column %d, of %d columns", c.Feature, columns)
	}
	most := MaxLevels
	if c.Kind == Affine && c.Step == 1 {
		most = MaxIntegers
	}
	if c.Levels < 1 || c.Levels > most {
		return fmt.Errorf("quantize: coder of column %d: %d codes, want 1..%d", c.Feature, c.Levels, most)
	}
	switch c.Kind {
	case Affine:
		if len(c.Thresholds) != 0 || c.Missing {
			return fmt.Errorf("quantize: affine coder of column %d: thresholds and missing values belong to rank coders", c.Feature)
		}
		if !finite(c.Min) || !finite(c.Step) || c.Step < 0 || (c.Step == 0) != (c.Levels == 1) {
			return fmt.Errorf("quantize: affine coder of column %d: minimum %g and step %g", c.Feature, c.Min, c.Step)
		}
	case Rank:
		n := len(c.Thresholds) + 1
		if c.Missing {
			n++
		}
		if n != c.Levels {
			return fmt.Errorf("quantize: rank coder of column %d: %d thresholds for %d codes", c.Feature, len(c.Thresholds), c.Levels)
		}
		for i, t := range c.Thresholds {
			if math.IsNaN(t) || i > 0 && c.Thresholds[i-1] >= t {
				return fmt.Errorf("quantize: rank coder of column %d: the thresholds do not ascend", c.Feature)
			}
		}
	default:
		return fmt.Errorf("quantize: coder of column %d: unknown kind %d", c.Feature, int(c.Kind))
	}
	return nil
}

// Code returns the code of x, and whether x lies outside the range of an affine coder by more than half a step. The code of
// NaN is Levels-1 with Missing; without, it has none and Preprocessing.Encode refuses it first.
func (c *Coder) Code(x float64) (code int64, clipped bool) {
	if c.Kind == Rank {
		if math.IsNaN(x) {
			return int64(c.Levels - 1), false
		}
		// The number of thresholds below x, by bisection: thresholds [0,lo) are < x, [hi,n) are >= x.
		lo, hi := 0, len(c.Thresholds)
		for lo < hi {
			mid := int(uint(lo+hi) >> 1)
			if x <= c.Thresholds[mid] {
				hi = mid
			} else {
				lo = mid + 1
			}
		}
		return int64(lo), false
	}
	if c.Levels == 1 {
		return 0, x != c.Min
	}
	q := (x - c.Min) / c.Step
	switch top := float64(c.Levels - 1); {
	case !(q > 0):
		return 0, q < -0.5
	case q >= top:
		return int64(c.Levels - 1), q > top+0.5
	}
	return int64(math.RoundToEven(q)), false
}

// Value returns the middle of the values that an affine coder gives the code.
func (c *Coder) Value(code int64) float64 { return c.Min + float64(c.Step*float64(code)) }

// RankCoders returns the coders of one feature from the thresholds that a model compares it with, in any order and with
// repetitions; none where there is no threshold. Each coder holds at most MaxLevels codes: where there are more than
// SegmentSize(missing) different thresholds a feature gets several coders, each of a segment of neighbours: segment s holds the thresholds of
// sorted index s*SegmentSize(missing) and up.
func RankCoders(feature int, thresholds []float64, missing bool) []Coder {
	ts := slices.Clone(thresholds)
	slices.Sort(ts)
	ts = slices.Compact(ts)
	size := SegmentSize(missing)
	var cs []Coder
	for len(ts) > 0 {
		n := min(size, len(ts))
		levels := n + 1
		if missing {
			levels++
		}
		cs = append(cs, Coder{Feature: feature, Kind: Rank, Levels: levels, Thresholds: slices.Clone(ts[:n]), Missing: missing})
		ts = ts[n:]
	}
	return cs
}

// SegmentSize is the number of thresholds of a full rank coder.
func SegmentSize(missing bool) int {
	if missing {
		return MaxLevels - 2
	}
	return MaxLevels - 1
}

// clipQuantiles are the shares of calibration values at either end that a candidate range of Calibrate leaves out.
var clipQuantiles = []float64{0, 0.001, 0.0025, 0.005, 0.01, 0.02}

// Calibrate returns the affine coder of a feature with at most levels codes that represents the calibration values best.
//
// Values that lie on a grid of no more than levels points (counts, flags, pixels) are represented exactly, by no more bits
// than that takes. Otherwise the range is, of [minimum, maximum] and several pairs of percentiles, the one with the smallest
// mean squared error, then widened at either end for rows to come, which exceed what a sample shows: by the share margin
// (0..1) of the range with 128 levels, with fewer by proportionally less, and not at all up to 16, where that would cost more
// accuracy than it gains. A constant feature gets one code. It is an error when there are no values, or one is not finite.
func Calibrate(feature int, values []float64, levels int, margin float64) (Coder, error) {
	if levels < 2 || levels > MaxLevels || !(margin >= 0 && margin <= 1) {
		panic(fmt.Sprintf("quantize: %d levels and margin %g, want 2..%d and 0..1", levels, margin, MaxLevels))
	}
	if len(values) == 0 {
		return Coder{}, errors.New("quantize: no calibration rows; pass some with --calibration")
	}
	vs := slices.Clone(values)
	for i, v := range vs {
		if !finite(v) {
			return Coder{}, &ColumnError{Feature: feature, Row: i + 1, Err: errNotFinite}
		}
	}
	slices.Sort(vs)
	lo, hi := vs[0], vs[len(vs)-1]
	if lo == hi {
		return Coder{Feature: feature, Levels: 1, Min: lo}, nil
	}
	if !finite(hi-lo) || (hi-lo)/float64(levels-1) == 0 {
		return Coder{}, &ColumnError{Feature: feature, Err: errors.New("has calibration values that span no usable range")}
	}
	if c, ok := gridCoder(feature, vs, levels, margin); ok {
		return c, nil
	}
	var best Coder
	bestErr := math.Inf(1)
	for _, p := range clipQuantiles {
		a, b := quantile(vs, p), quantile(vs, 1-p)
		step := (b - a) / float64(levels-1)
		if !(step > 0) {
			continue
		}
		c := Coder{Feature: feature, Levels: levels, Min: a, Step: step}
		var sum float64
		for _, v := range vs {
			code, _ := c.Code(v)
			// In units of the whole range, so that no square overflows.
			d := (v - c.Value(code)) / (hi - lo)
			sum += float64(d * d)
		}
		if sum < bestErr {
			best, bestErr = c, sum
		}
	}
	if levels > MaxLevels/8 {
		share := float64(margin * float64(levels) / MaxLevels)
		best.Min -= float64(share * float64(best.Step*float64(levels-1)))
		best.Step *= 1 + 2*share
	}
	return best, nil
}

// minMeasurement is the number of steps from which a grid is taken for measurements rather than for categories or flags.
const minMeasurement = 8

// gridCoder finds a grid of at most levels points that holds the sorted values exactly (to 1e-5 of its step: values
// such as 0.1 are rounded in the file).
func gridCoder(feature int, sorted []float64, levels int, margin float64) (Coder, bool) {
	distinct := slices.Compact(slices.Clone(sorted))
	if len(distinct) > levels {
		return Coder{}, false
	}
	lo, hi := distinct[0], distinct[len(distinct)-1]
	// The step is the greatest common divisor of the distances, by Euclid's algorithm; remainders far below the finest step
	// allowed are rounding. The check below decides.
	step := hi - lo
	for i := 1; i < len(distinct); i++ {
		a, b := step, distinct[i]-distinct[i-1]
		for b > (hi-lo)*1e-4 {
			a, b = b, math.Mod(a, b)
			if a-b < (hi-lo)*1e-4 { // just below a multiple
				b = 0
			}
		}
		step = a
	}
	n := math.Round((hi - lo) / step)
	if n > float64(levels-1) {
		return Coder{}, false
	}
	step = (hi - lo) / n
	for _, v := range distinct {
		q := (v - lo) / step
		if math.Abs(q-math.Round(q)) > 1e-5 {
			return Coder{}, false
		}
	}
	// Measurements on a grid (more than a few points) may go beyond the sample: give them the codes that cost no further bit.
	extra := 0
	if top := int(n); top >= minMeasurement {
		free := min(levels, 1<<bits.Len(uint(top))) - 1 - top
		extra = min(free/2, int(math.Ceil(float64(margin*n))))
	}
	lo -= float64(step * float64(extra))
	return Coder{Feature: feature, Levels: int(n) + 1 + 2*extra, Min: lo, Step: step}, true
}

// quantile returns the p-quantile of sorted values, with linear interpolation.
func quantile(sorted []float64, p float64) float64 {
	at := float64(p * float64(len(sorted)-1))
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	frac := at - float64(i)
	return sorted[i] + float64(frac*(sorted[i+1]-sorted[i]))
}
