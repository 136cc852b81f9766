package models

import "math"

// fitRows bounds the calibration rows that integer weights are fitted on, fitPasses the sweeps over the weights.
const (
	fitRows   = 400
	fitPasses = 6
	// fitTrust weighs a weight's distance from its real value against the error on the calibration rows. It is the error
	// that the distance would cause on rows where inputs are independent; without it few rows would be fitted by chance.
	fitTrust = 1.0
)

// fit rounds real weights to integers so that their errors cancel on the calibration rows, as far as they can: rounding
// each to its nearest leaves errors that add up where inputs are correlated.
type fit struct {
	in     [][]int64   // integer inputs [input][row]
	top    []int64     // inputs are 0..top
	center [][]float64 // inputs of the fitted rows, less their mean
	power  []float64   // sum of squares of center
	pick   []int       // the fitted rows
	run    int         // so many fitted rows after one another have a constant of their own
}

func newFit(in [][]int64, top []int64) *fit { return newFitRuns(in, top, min(len(in[0]), fitRows), 1) }

// newFitRuns fits n rows in runs: the target of each run of rows is to be met but for a constant of that run.
func newFitRuns(in [][]int64, top []int64, n, runs int) *fit {
	f := &fit{in: in, top: top, center: make([][]float64, len(in)), power: make([]float64, len(in)), run: n / runs}
	rows := len(in[0])
	for i := range n {
		f.pick = append(f.pick, i*rows/n)
	}
	for i := range in {
		v := make([]float64, n)
		for j, r := range f.pick {
			v[j] = float64(in[i][r])
		}
		f.centerRuns(v)
		for _, x := range v {
			f.power[i] += float64(x * x)
		}
		f.center[i] = v
	}
	return f
}

// round returns integers col and a grid, at least the given one, for which grid*col stands for the weights exact, whose
// products with the inputs are to give target but for a constant. It keeps sum |col|*top <= span and |col| <= limit.
func (f *fit) round(exact, target []float64, grid float64, span, limit int64) ([]int64, float64) {
	col := make([]int64, len(exact))
	if !(grid > 0) {
		return col, 1 // all weights are zero, or meet inputs that are always zero
	}
	var total int64
	for {
		total = 0
		fits := true
		for i, w := range exact {
			col[i] = int64(math.RoundToEven(w / grid))
			total += abs(col[i]) * f.top[i]
			fits = fits && abs(col[i]) <= limit
		}
		if fits && total <= span {
			break
		}
		grid *= 1 + 1.0/1024 // roundings added up
	}
	// rest is what the integers miss, in units of the grid and without its mean.
	rest := make([]float64, len(f.pick))
	for j, r := range f.pick {
		rest[j] = target[r] / grid
	}
	f.centerRuns(rest)
	for i, v := range col {
		if v != 0 {
			addScaled(rest, f.center[i], -float64(v))
		}
	}
	for range fitPasses {
		changed := false
		for i := range col {
			if f.power[i] == 0 {
				continue
			}
			// With col[i]+d, the squared error changes by d*d*power - 2*d*dot, and the distance from the real weight by its
			// own parabola: the least is at best.
			var dot float64
			for j, x := range f.center[i] {
				dot += float64(rest[j] * x)
			}
			best := (dot/f.power[i] + float64(fitTrust*(exact[i]/grid-float64(col[i])))) / (1 + fitTrust)
			d := int64(math.RoundToEven(best))
			if d > 0 {
				d = 1
			} else if d < 0 {
				d = -1
			}
			if d == 0 {
				continue
			}
			grown := total + (abs(col[i]+d)-abs(col[i]))*f.top[i]
			if grown > span || abs(col[i]+d) > limit {
				continue
			}
			total = grown
			col[i] += d
			addScaled(rest, f.center[i], -float64(d))
			changed = true
		}
		if !changed {
			break
		}
	}
	return col, grid
}

// product returns the sum of col times the inputs for every row.
func (f *fit) product(col []int64) []int64 {
	out := make([]int64, len(f.in[0]))
	for i, w := range col {
		if w == 0 {
			continue
		}
		for r, v := range f.in[i] {
			out[r] += w * v
		}
	}
	return out
}

// meanError returns the mean of target - grid*ints.
func meanError(target []float64, ints []int64, grid float64) float64 {
	var sum float64
	for r, v := range ints {
		sum += target[r] - float64(grid*float64(v))
	}
	return sum / float64(len(ints))
}

func (f *fit) centerRuns(v []float64) {
	for i := 0; i < len(v); i += f.run {
		centerOn(v[i:min(i+f.run, len(v))])
	}
}

func centerOn(v []float64) {
	var mean float64
	for _, x := range v {
		mean += x
	}
	mean /= float64(len(v))
	for j := range v {
		v[j] -= mean
	}
}

func addScaled(dst, src []float64, k float64) {
	for j, x := range src {
		dst[j] += float64(k * x)
	}
}

func abs(v int64) int64 { return max(v, -v) }
