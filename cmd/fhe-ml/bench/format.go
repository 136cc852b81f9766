package bench

import (
	"fmt"
	"math"
	"strconv"
)

// Milliseconds writes a time to three digits.
func Milliseconds(ms float64) string {
	switch {
	case math.IsNaN(ms):
		return "–"
	case ms < 0.001:
		return "under 0.001 ms"
	case ms < 999.5:
		return Digits(ms) + " ms"
	}
	return Digits(ms/1000) + " s"
}

// Size writes bytes in powers of 1000, to three digits.
func Size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n) / 1000
	for _, unit := range []string{"kB", "MB"} {
		if v < 999.5 {
			return Digits(v) + " " + unit
		}
		v /= 1000
	}
	return Digits(v) + " GB"
}

// Digits writes a number of at least 0 to three digits or to its units.
func Digits(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	case v >= 0.9995:
		return fmt.Sprintf("%.2f", v)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// plural counts things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// String writes the value with its interval: 0.975 (0.871 to 0.996).
func (i Interval) String() string {
	switch {
	case math.IsNaN(i.Value):
		return "–"
	case math.IsNaN(i.Low):
		return short(i.Value)
	}
	return fmt.Sprintf("%s (%s to %s)", short(i.Value), short(i.Low), short(i.High))
}

// short writes a measure to three decimals, large ones to their units.
func short(v float64) string {
	if math.Abs(v) >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// String writes a number for a table.
func (n Number) String() string {
	if math.IsNaN(float64(n)) {
		return "–"
	}
	return strconv.FormatFloat(float64(n), 'g', 4, 64)
}

// Probability writes a probability given by its log2.
func Probability(log2 float64) string {
	if log2 < -1000 {
		return "under 2^-1000"
	}
	return fmt.Sprintf("2^%.1f", log2)
}

// fact is a line of a table of two columns.
type fact struct{ Name, Value string }

// facts are the sizes, times and promises of a model.
func (m *Model) facts() []fact {
	key := "none"
	if m.EvaluationKeyBytes > 0 {
		key = Size(m.EvaluationKeyBytes) + ", once"
	}
	f := []fact{
		{"model", m.Kind + ", from " + m.Producer},
		{"data", fmt.Sprintf("%s, %s", m.Data, plural(m.Rows, "row"))},
		{"keys, once", Milliseconds(m.KeyGenMs)},
		{"client encrypts a row", Milliseconds(m.EncryptMs)},
		{"server computes a row", fmt.Sprintf("%s (95%%: %s)", Milliseconds(float64(m.ServerMs.P50)), Milliseconds(float64(m.ServerMs.P95)))},
		{"client decrypts a row", Milliseconds(m.DecryptMs)},
		{"a row, all of it", fmt.Sprintf("%s (95%%: %s)", Milliseconds(float64(m.EncryptedMs.P50)), Milliseconds(float64(m.EncryptedMs.P95)))},
		{"server on one core", fmt.Sprintf("%s measured, %s predicted", Milliseconds(float64(m.OneCoreMs)), Milliseconds(m.EstimatedMs))},
		{"evaluation key", key},
		{"request, a row", Size(m.RequestBytes)},
		{"response, a row", Size(m.ResponseBytes)},
		{"operations, a row", fmt.Sprintf("%s, %s, %s", plural(m.Affines, "affine"), plural(m.Selects, "select"), plural(m.Lookups, "lookup"))},
		{"input codes", fmt.Sprintf("up to %s", plural(m.Bits, "bit"))},
		{"failure probability", Probability(m.FailureLog2) + " a prediction"},
		{"security", plural(m.SecurityBits, "bit")},
		{"parameters", m.Parameters},
	}
	if m.Clipped > 0 {
		f = append(f, fact{"outside the calibrated range", plural(m.Clipped, "value") + ": the nearest one inside was used"})
	}
	return f
}

// facts say where and how the report was made.
func (m *Machine) facts() []fact {
	estimates := "for the machine that the program's costs were measured on; fhe-ml calibrate measures this one"
	if m.Calibrated {
		estimates = "for this machine, from fhe-ml calibrate"
	}
	return []fact{
		{"processor", fmt.Sprintf("%s, %s, %s used", m.CPU, plural(m.Cores, "core"), plural(m.Threads, "thread"))},
		{"system", m.OS},
		{"fhe-ml", m.Version},
		{"peak memory", Size(m.PeakRSSBytes)},
		{"predicted times", estimates},
		{"seed of intervals", strconv.FormatUint(m.Seed, 10) + " (keys and encryption are random)"},
		{"date", m.Date},
		{"command", m.Command},
	}
}
