package models

import "math"

// estimateRows is the number of made-up rows behind an estimate.
const estimateRows = 256

// Estimate compiles a model without data, to tell what it costs encrypted. Models that need no calibration rows get the very circuit of [Compile]. For others the
// features are taken for independent normal variables of mean 0 and deviation 1, as a standard scaler leaves them: sizes and times are those of a model of this
// shape; the widths that real data lead to may differ by a bit or so, and answers of the result mean nothing.
func Estimate(m Model, opt CompileOptions) (*Compiled, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	var rows [][]float64
	if NeedsCalibration(m) {
		rows = normalRows(estimateRows, len(m.Meta().Features))
	}
	return compileFeatures(m, opt, rows)
}

// normalRows are standard normal numbers by the method of Box and Muller, the same ones every time.
func normalRows(n, features int) [][]float64 {
	state := uint64(0)
	uniform := func() float64 { // SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), in (0, 1)
		state += 0x9e3779b97f4a7c15
		z := state
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return (float64((z^z>>31)>>11) + 0.5) / (1 << 53)
	}
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = make([]float64, features)
		for f := range rows[i] {
			rows[i][f] = math.Sqrt(-2*math.Log(uniform())) * math.Cos(2*math.Pi*uniform())
		}
	}
	return rows
}
