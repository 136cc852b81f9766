// Package bench is what fhe-ml bench shows: how well a model answers in floating point, quantized and encrypted, and what encryption costs.
//
// A [Report] is filled in by the caller, and written as one HTML page that loads nothing (figures are SVG, by gonum/plot), as Markdown, and as JSON. The
// names of its JSON keys are stable. Times are in milliseconds and sizes in bytes; numbers that there are none of are null in JSON.
package bench

import (
	"encoding/json"
	"math"
	"strconv"
)

// Report is a benchmark of one model or several on one machine.
type Report struct {
	Models  []*Model `json:"models"`
	Machine Machine  `json:"machine"`
	Peers   []Peer   `json:"peers,omitempty"`
}

// Machine says where and how a report was made.
type Machine struct {
	CPU          string `json:"cpu"`
	Cores        int    `json:"cores"`   // logical ones that the process may use
	Threads      int    `json:"threads"` // that computed
	OS           string `json:"os"`      // with the architecture
	Version      string `json:"version"` // of fhe-ml and Go
	Command      string `json:"command"`
	Date         string `json:"date"` // RFC 3339
	Seed         uint64 `json:"seed"` // of the bootstrap; keys are random
	PeakRSSBytes int64  `json:"peak_rss_bytes"`
	Calibrated   bool   `json:"calibrated"` // estimates are for this machine
}

// Peer is a table of times of another program, measured on this machine.
type Peer struct {
	Title string `json:"title"`
	Text  string `json:"text"` // lines of a table, as bench-peers prints it
	Date  string `json:"date"`
	CPU   string `json:"cpu"`
}

// Model is the benchmark of one model.
type Model struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Task     string `json:"task"` // classify or regress
	Producer string `json:"producer"`
	Data     string `json:"data"` // file of the rows
	Rows     int    `json:"rows"`
	Bits     int    `json:"input_bits"`

	Metric         string  `json:"metric"` // accuracy or r2: of the three scores
	FloatScore     Number  `json:"float_score"`
	QuantizedScore Number  `json:"quantized_score"`
	EncryptedScore Number  `json:"encrypted_score"`
	ScoreNote      string  `json:"score_note,omitempty"` // why there are no scores
	Metrics        Metrics `json:"metrics"`

	// Disagreements counts the rows whose encrypted scores differ from the quantized ones in any bit: 0 unless there is a defect, or Approximate is set.
	Disagreements int `json:"disagreements"`
	// Approximate says that the model rounds approximately, so that encrypted scores may differ.
	Approximate bool `json:"approximate_rounding,omitempty"`
	// FloatDisagreements are the rows where the encrypted answer is another class than the float one, or where it is a number that is off by more than
	// one percent of the range of the float answers.
	FloatDisagreements []Disagreement `json:"float_disagreements"`
	Clipped            int            `json:"clipped"` // values outside the calibrated range

	EncryptedMs Percentiles `json:"encrypted_ms"` // a row from encryption to decryption
	ServerMs    Percentiles `json:"server_ms"`    // the server's part
	KeyGenMs    float64     `json:"keygen_ms"`    // both keys, and expanding the evaluation key
	EncryptMs   float64     `json:"encrypt_ms"`   // median
	DecryptMs   float64     `json:"decrypt_ms"`   // median
	EstimatedMs float64     `json:"estimated_ms"` // the server's part on one core, as convert predicts it
	OneCoreMs   Number      `json:"one_core_ms"`  // the same, measured: median of some rows
	Parts       []Part      `json:"parts"`        // of the server's time, means of the rows

	EvaluationKeyBytes int64   `json:"evaluation_key_bytes"`
	RequestBytes       int64   `json:"request_bytes"`
	ResponseBytes      int64   `json:"response_bytes"`
	PeakRSSBytes       int64   `json:"peak_rss_bytes"` // of the process so far
	CPU                string  `json:"cpu"`
	FailureLog2        float64 `json:"failure_log2"`
	SecurityBits       int     `json:"security_bits"`
	Lookups            int     `json:"lookups"`
	Selects            int     `json:"selects"`
	Affines            int     `json:"affines"`
	Parameters         string  `json:"parameters"`

	Noise     Noise     `json:"noise"`
	ByBits    []BitCost `json:"by_bits"` // empty where bits are not a choice
	BitsNote  string    `json:"by_bits_note"`
	Classes   []string  `json:"classes"`
	Confusion [][]int   `json:"confusion"` // encrypted answers: [true class][predicted class]

	// For the figures only.
	FloatScores, DecryptedScores []float64 `json:"-"` // all scores of all rows
	RowMs                        []float64 `json:"-"` // of each row, as EncryptedMs
}

// Metrics are all measures of a model.
type Metrics []Metric

// Percentiles are those of a time.
type Percentiles struct {
	P50 Number `json:"p50"`
	P95 Number `json:"p95"`
}

// Part is where the server's time goes.
type Part struct {
	Name string  `json:"name"`
	Ms   float64 `json:"ms"`
}

// Disagreement is one row.
type Disagreement struct {
	Row       int    `json:"row"` // from 1
	Truth     string `json:"truth"`
	Float     string `json:"float"`
	Encrypted string `json:"encrypted"`
	FloatBest Number `json:"float_value"` // the float model's score of its answer
	Best      Number `json:"encrypted_value"`
}

// Noise is how far decrypted values lay from the exact ones, relative to the distance at which they would decode wrongly (1).
type Noise struct {
	Values    int       `json:"values"`    // that were decoded
	Largest   float64   `json:"largest"`   // of all of them
	PerRow    []float64 `json:"per_row"`   // largest of each row
	Deviation float64   `json:"predicted"` // predicted standard deviation of the noisiest one
	Expected  float64   `json:"expected"`  // the largest of that many normal values of the predicted deviation stays below this in 95% of cases
}

// BitCost is a model quantized to some bits: computed in the clear, with what it would cost encrypted.
type BitCost struct {
	Bits         int      `json:"bits"`
	Score        Interval `json:"score"`
	EstimatedMs  float64  `json:"estimated_ms"`
	RequestBytes int64    `json:"request_bytes"`
	Note         string   `json:"note,omitempty"` // why there is no circuit
}

// Number is a number that JSON can hold: null for infinities and NaN.
type Number float64

// MarshalJSON writes the shortest decimal that parses back.
func (n Number) MarshalJSON() ([]byte, error) {
	if v := float64(n); !math.IsNaN(v) && !math.IsInf(v, 0) {
		return strconv.AppendFloat(nil, v, 'g', -1, 64), nil
	}
	return []byte("null"), nil
}

// MarshalJSON writes value, low and high.
func (i Interval) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]Number{"value": Number(i.Value), "low": Number(i.Low), "high": Number(i.High)})
}

// MarshalJSON writes an object with a key for each measure.
func (m Metrics) MarshalJSON() ([]byte, error) {
	out := map[string]map[string]Interval{}
	for _, x := range m {
		out[x.Name] = map[string]Interval{"float": x.Float, "quantized": x.Quantized, "encrypted": x.Encrypted}
	}
	return json.Marshal(out)
}

// JSON is what is written as JSON: of one model its keys beside the machine's, of several a list.
func (r *Report) JSON() any {
	if len(r.Models) != 1 {
		return r
	}
	return struct {
		*Model
		Machine Machine `json:"machine"`
		Peers   []Peer  `json:"peers,omitempty"`
	}{r.Models[0], r.Machine, r.Peers}
}
