package models

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/server"
	"github.com/fhe-ml/fhe-ml/quantize"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// CompileOptions steer [Compile]. The zero value is the default: widths chosen by accuracy, failure probability 2^-128, time and upload balanced.
type CompileOptions struct {
	Bits      int             // bits of an input code, 1..7; 0 chooses the smallest that keeps the accuracy (linear models and networks)
	Log2PFail float64         // log2 of the failure probability of one inference: -128 where 0
	Prefer    compiler.Prefer // what the circuit's cost is
	// Lowering is used for every part of the model where it is not LowerAuto; where it is impossible, compiling fails with a [compiler.LowerError].
	Lowering compiler.Lowering
	// HideThresholds keeps from clients at which values a tree ensemble splits, and on which columns: see [Options]. Requests then carry all binary digits of all
	// columns. It needs calibration rows, and costs accuracy, which a note tells, and time. Only tree ensembles have something to hide.
	HideThresholds bool
	// Rounding by which networks of three layers and more, and programs, take fewer lookups. Encrypted results may then differ from the quantized
	// model's, which rounds exactly; Circuit.Rounds say how often, [Simulator] what that does to predictions.
	Rounding Rounding
}

// ErrNoThresholds is returned by [Compile] where thresholds are to be hidden and the model is no tree ensemble.
var ErrNoThresholds = errors.New("models: only the thresholds of tree ensembles can be hidden")

// Compiled is a model with its encrypted program: everything that NAME.fheml holds. It is read-only and safe for concurrent use.
type Compiled struct {
	Model     Model
	Quantized *Quantized
	Circuit   *compiler.Circuit
}

// ErrCalibration is wrapped by errors of models that need example rows to be quantized.
var ErrCalibration = errors.New("calibration rows are needed")

// Compile quantizes a model with the calibration rows (nil where [NeedsCalibration] says that it needs none), builds its graph and lowers that to
// a circuit for encrypted rows.
func Compile(m Model, opt CompileOptions, calibration [][]float64) (*Compiled, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	calibration, err := featureRows(m.Meta(), calibration)
	if err != nil {
		return nil, err
	}
	return compileFeatures(m, opt, calibration)
}

// compileFeatures is Compile with rows of features, of a valid model.
func compileFeatures(m Model, opt CompileOptions, calibration [][]float64) (*Compiled, error) {
	if opt.Bits < 0 || opt.Bits > 7 {
		return nil, fmt.Errorf("models: %d bits are outside 1..7 (0 chooses)", opt.Bits)
	}
	if _, trees := m.(*TreeEnsemble); opt.HideThresholds && !trees {
		return nil, ErrNoThresholds
	}
	if (NeedsCalibration(m) || opt.HideThresholds) && len(calibration) == 0 {
		return nil, fmt.Errorf("models: %s cannot be quantized without example rows: %w", Kind(m), ErrCalibration)
	}
	q, err := m.Quantize(Options{Bits: opt.Bits, HideThresholds: opt.HideThresholds, Rounding: opt.Rounding}, calibration)
	if err != nil {
		return nil, err
	}
	if opt.Rounding == RoundApproximate {
		q.Graph = q.Graph.ApproximateRounds()
	}
	hidden := opt.HideThresholds && opt.Lowering == compiler.LowerAuto
	if hidden {
		opt.Lowering = compiler.LowerSelect // packed functions of codes would tell where they change
	}
	circuit, err := compiler.Compile(q.Graph, compiler.CompileOptions{Log2PFail: opt.Log2PFail, Prefer: opt.Prefer, Lowering: opt.Lowering,
		AllDigits: opt.HideThresholds && !constantOutput(q)})
	if err != nil {
		return nil, err
	}
	for i := range circuit.Choices {
		circuit.Choices[i].Forced = circuit.Choices[i].Forced && !hidden // nobody asked for a lowering
	}
	q.Notes = append(q.Notes, wideNotes(circuit)...)
	circuit.Spec.Model = modelID(q.Pre, q.Post, q.Graph.String())
	c := &Compiled{Model: m, Quantized: q, Circuit: circuit}
	return c, c.validate()
}

// wideNotes says which values are too wide for one lookup, and what they cost.
func wideNotes(c *compiler.Circuit) (notes []string) {
	for _, s := range c.Steps {
		x := s.Extract
		if x == nil {
			continue
		}
		lookups, values := x.Count*x.Bits, fmt.Sprintf("a value of %d bits is", x.Bits)
		if x.Count > 1 {
			values = fmt.Sprintf("%d values of %d bits are", x.Count, x.Bits)
		}
		notes = append(notes, fmt.Sprintf("%s taken apart bit by bit for a table or comparison: %d lookups, about %.2g s of each row; fewer bits (x >> n drops low ones) cost less", values, lookups,
			c.Costs.EstimatedMs/1000*float64(lookups)/float64(c.Costs.Lookups)))
	}
	return notes
}

// constantOutput tells whether every row gets the same answer: there is then nothing to compare.
func constantOutput(q *Quantized) bool {
	out := q.Graph.Outputs[0]
	return slices.Equal(out.Lo, out.Hi)
}

// featureRows returns the features of calibration rows.
func featureRows(info *Info, rows [][]float64) ([][]float64, error) {
	columns := len(info.Columns())
	out := make([][]float64, len(rows))
	for i, row := range rows {
		if len(row) != columns {
			return nil, fmt.Errorf("models: calibration row %d has %d values, the model has %d columns", i+1, len(row), columns)
		}
		var err error
		if out[i], err = info.Row(row); err != nil {
			return nil, fmt.Errorf("models: calibration row %d: %w", i+1, err)
		}
	}
	return out, nil
}

// NeedsCalibration tells whether a model is quantized with example rows. Tree ensembles are not, nor are additive models of steps: their codes
// follow from their own thresholds.
func NeedsCalibration(m Model) bool {
	switch m := m.(type) {
	case *TreeEnsemble, *Program:
		return false
	case *Additive:
		return !m.stepsOnly()
	}
	return true
}

// AllowsMissing tells whether the model knows what to do with a missing value (NaN) in column f.
func AllowsMissing(m Model, f int) bool {
	switch m := m.(type) {
	case *TreeEnsemble:
		return m.Missing
	case *Additive:
		return m.allowsMissing(f)
	}
	return false
}

// Kind names the kind of a model in words: "linear", "tree ensemble", "network", "additive", "program".
func Kind(m Model) string {
	switch m.(type) {
	case *Linear:
		return "linear"
	case *TreeEnsemble:
		return "tree ensemble"
	case *Network:
		return "network"
	case *Additive:
		return "additive"
	case *Program:
		return "program"
	}
	return fmt.Sprintf("%T", m)
}

// validate checks that the parts fit each other, as decoded ones may not.
func (c *Compiled) validate() error {
	if err := c.Quantized.Validate(); err != nil {
		return err
	}
	return c.validateParts()
}

// validateParts is validate for a graph that was parsed, which is in order.
func (c *Compiled) validateParts() error {
	if err := c.Model.Validate(); err != nil {
		return err
	}
	if err := c.Quantized.validateParts(); err != nil {
		return err
	}
	if err := c.Circuit.Validate(); err != nil {
		return err
	}
	in := c.Quantized.Graph.Inputs()[0]
	if len(c.Circuit.Spec.Lo) != in.Size() || len(c.Circuit.Spec.Outputs) != c.Quantized.Post.Outputs {
		return errors.New("models: circuit does not fit the graph")
	}
	for i := range in.Lo {
		if c.Circuit.Spec.Lo[i] != in.Lo[i] || c.Circuit.Spec.Hi[i] != in.Hi[i] {
			return errors.New("models: circuit does not fit the graph")
		}
	}
	if len(c.Quantized.Pre.Columns) != len(c.Model.Meta().Features) {
		return errors.New("models: preprocessing does not fit the model")
	}
	return nil
}

// HidesThresholds tells whether the model is a tree ensemble compiled with HideThresholds.
func (c *Compiled) HidesThresholds() bool { return hidesThresholds(Kind(c.Model), &c.Circuit.Spec) }

func hidesThresholds(kind string, s *compiler.ClientSpec) bool {
	return kind == Kind(&TreeEnsemble{}) && s.AllDigits()
}

// NewServer returns the side that computes on encrypted rows.
func (c *Compiled) NewServer() (*server.Server, error) { return server.New(c.Circuit) }

// ClientFile is what a client needs of a compiled model, NAME.client.fheml: how a row becomes codes, how codes are encrypted and results decrypted, and what
// the results mean. It holds no weights and no leaf values; Reveals says in words what it does tell.
type ClientFile struct {
	Pre     quantize.Preprocessing  `cbor:"p"`
	Spec    compiler.ClientSpec     `cbor:"s"`
	Post    quantize.Postprocessing `cbor:"o"`
	Kind    string                  `cbor:"k"`
	Reveals []string                `cbor:"-"`
}

// ClientFile returns the client's part of the model.
func (c *Compiled) ClientFile() *ClientFile {
	f := &ClientFile{Pre: c.Quantized.Pre, Spec: c.Circuit.Spec, Post: c.Quantized.Post, Kind: Kind(c.Model)}
	f.Reveals = f.reveals()
	return f
}

// Validate checks a file that was decoded.
func (f *ClientFile) Validate() error {
	if err := f.Pre.Validate(); err != nil {
		return err
	}
	if err := f.Post.Validate(true); err != nil {
		return err
	}
	if err := f.Spec.Validate(); err != nil {
		return err
	}
	if len(f.Spec.Lo) != len(f.Pre.Coders) || len(f.Spec.Outputs) != f.Post.Outputs {
		return errors.New("models: client file: its parts do not fit each other")
	}
	for i, c := range f.Pre.Coders {
		if f.Spec.Lo[i] != 0 || f.Spec.Hi[i] != int64(c.Levels-1) {
			return fmt.Errorf("models: client file: code %d has %d levels and bounds [%d, %d]", i, c.Levels, f.Spec.Lo[i], f.Spec.Hi[i])
		}
	}
	return nil
}

// reveals lists what the client's file tells about the model.
func (f *ClientFile) reveals() []string {
	var thresholds, ranked, ranges int
	columns := map[int]bool{}
	for _, c := range f.Pre.Coders {
		if c.Kind == quantize.Rank {
			thresholds += len(c.Thresholds)
			if !columns[c.Feature] {
				ranked++
			}
		} else {
			ranges++
		}
		columns[c.Feature] = true
	}
	hidden := hidesThresholds(f.Kind, &f.Spec)
	out := []string{fmt.Sprintf("the names of %d input columns, and that %d of them are used", len(f.Pre.Columns), len(columns))}
	if hidden {
		out[0] = fmt.Sprintf("the names of %d input columns", len(f.Pre.Columns))
	}
	if p := f.Pre.Pipeline; p != nil {
		out[0] = fmt.Sprintf("the names of %d input columns, and that %d features are made of them, of which %d are used", len(p.Inputs), len(f.Pre.Columns), len(columns))
		out = append(out, "the preprocessing that the client does itself, with all its constants (categories, fill values, bounds)")
	}
	if ranked > 0 && hidden {
		ranges, ranked = ranges+ranked, 0
	}
	if ranked > 0 {
		where := "the trees split, not in which tree or order, nor what follows"
		if f.Kind == Kind(&Additive{}) {
			where = "scores change, not by how much"
		}
		out = append(out, fmt.Sprintf("%d thresholds in %d columns: where %s", thresholds, ranked, where))
	}
	if ranges > 0 {
		what := "the calibrated range and step"
		if f.Kind == Kind(&Program{}) {
			what = "the bounds"
		}
		out = append(out, fmt.Sprintf("%s of %d columns", what, ranges))
	}
	if f.Pre.ScalerScale != nil {
		out = append(out, "offset and scale of every column (the scaler in front of the model)")
	}
	if n := len(f.Spec.Selectors); n > 0 && !hidden {
		out = append(out, fmt.Sprintf("which %d yes-or-no tests of single codes the model uses", n))
		if k := f.Spec.Singles; k > 0 {
			out = append(out, fmt.Sprintf("that %d of these tests stand at the lowest splits of trees only", k))
		}
	}
	if n := len(f.Spec.Columns); n > 0 {
		out = append(out, fmt.Sprintf("which %d tests or squares of single codes the model adds up: where scores change, not by how much", n))
	}
	if f.Spec.PackedCiphertexts() > 0 {
		out = append(out, "in the masks of responses, to a client that keeps them and solves for it: the weights of what is added up")
	}
	if f.Post.Task == quantize.Classify {
		out = append(out, fmt.Sprintf("%d class labels", len(f.Post.Classes)))
	}
	digits := 0
	for _, o := range f.Spec.Outputs {
		digits += len(o.Digits)
	}
	if digits > f.Post.Outputs {
		out = append(out, fmt.Sprintf("that scores are cut into digits, %d in all: a client decrypts the sum of each digit over trees or units, not the scores alone", digits))
	}
	out = append(out, "the width and the smallest value of every result, and the link function")
	out = append(out, "a hash over the whole quantized model, which confirms a guess of all its numbers at once")
	return out
}

// Summary is what inspect and convert print: sizes, counts and promises of one compiled model. The names of its JSON keys are stable.
type Summary struct {
	Kind               string   `json:"kind"`
	Features           int      `json:"features"`
	InTheClear         []string `json:"in_the_clear,omitempty"` // what the client computes before it encrypts, where it does
	Classes            []string `json:"classes"`
	Lookups            int      `json:"lookups"`
	Selects            int      `json:"selects"`
	Affines            int      `json:"affines"`
	InputBits          int      `json:"input_bits"`
	Selectors          int      `json:"selectors"` // yes-or-no tests of codes that a request carries
	Packed             bool     `json:"packed"`    // they share packed ciphertexts; else each has GGSW ciphertexts of its own
	FailureLog2        float64  `json:"failure_log2"`
	SecurityBits       int      `json:"security_bits"`
	EvaluationKeyBytes int64    `json:"evaluation_key_bytes"`
	RequestBytes       int64    `json:"request_bytes"`
	ResponseBytes      int64    `json:"response_bytes"`
	EstimatedMs        float64  `json:"estimated_ms"`
	Reveals            []string `json:"reveals"`
	// Lowerings say how each part is computed and why; a client's file does not tell.
	Lowerings []compiler.Choice `json:"lowerings,omitempty"`
	// ApproximateRounds say how often a rounded value differs from an exact round, where rounding is approximate.
	ApproximateRounds []compiler.ApproximateRound `json:"approximate_rounds,omitempty"`
}

// Summary returns the client's view of the model; the operation counts are zero.
func (f *ClientFile) Summary() Summary {
	s := Summary{Kind: f.Kind, Features: len(f.Pre.Columns), Classes: []string{}, InputBits: f.Spec.InputBits(), FailureLog2: finiteLog2(f.Spec.Log2PFail),
		Selectors: len(f.Spec.Selectors), RequestBytes: f.Spec.RequestBytes(), ResponseBytes: f.Spec.ResponseBytes(), Reveals: f.Reveals}
	if f.Pre.Pipeline != nil {
		s.InTheClear = f.Pre.Pipeline.Describe()
	}
	_, s.Packed = f.Spec.Params.PackedQuery()
	for _, c := range f.Post.Classes {
		s.Classes = append(s.Classes, c.String())
	}
	if p, err := f.Spec.Parameters(); err == nil {
		s.EvaluationKeyBytes = p.EvaluationKeyBytes()
		s.SecurityBits = SecurityBits(p)
	}
	return s
}

// Summary returns the whole model's summary.
func (c *Compiled) Summary() Summary {
	s := c.ClientFile().Summary()
	k := c.Circuit.Costs
	s.Lookups, s.Selects, s.Affines, s.EstimatedMs, s.Lowerings = k.Lookups, k.Selects, k.Affines, k.EstimatedMs, c.Circuit.Choices
	s.ApproximateRounds = c.Circuit.Rounds
	return s
}

// finiteLog2 bounds a logarithm of a probability to what JSON can write.
func finiteLog2(x float64) float64 { return max(x, -math.MaxFloat32) }

// SecurityBits is the security level that the parameters' keys reach: the smaller one of the large and of the small key.
func SecurityBits(p tfhe.Parameters) int {
	lit := p.Literal()
	block := max(lit.BlockLength, 1)
	level := tfhe.SecurityBits(lit.Key, lit.PolyDegree*lit.GLWEDimension, block, lit.Log2SigmaGLWE)
	if lit.SmallDimension > 0 {
		level = min(level, tfhe.SecurityBits(tfhe.BlockBinaryKey, lit.SmallDimension, lit.BlockLength, lit.Log2SigmaLWE))
	}
	return level
}
