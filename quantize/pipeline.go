package quantize

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// StepKind is what a step of a Pipeline computes from the values x[0], x[1], ... that it reads.
type StepKind int

const (
	StepSum      StepKind = iota // Args[0]*x[0] + Args[1]*x[1] + ... + Args[last]
	StepScale                    // (x - Args[0]) * Args[1]
	StepFill                     // Args[0] where x is missing (NaN), or where it equals Args[1] if there is one; else x
	StepMap                      // Args[2i+1] for the first i whose Args[2i] equals x; else Args[last]
	StepAbove                    // 1 where x > Args[0], else 0
	StepAtLeast                  // 1 where x >= Args[0], else 0
	StepClip                     // x cut to Args[0]..Args[1]
	StepProduct                  // x[0] * x[1] * ...
	StepPower                    // x to the power Args[0]
	StepLog                      // natural logarithm
	StepExp                      // e^x
	StepSqrt                     // square root
	StepAbs                      // magnitude
	StepTruncate                 // x without its fraction
	StepArgMax                   // index of the largest value, the first of equals
	StepNormL1                   // x[0], x[1], ... divided by the sum of their magnitudes: as many results as values
	StepNormL2                   // the same by the square root of the sum of their squares
	StepNormMax                  // the same by the largest of them
	numSteps
)

// Step is one computation of a Pipeline. A missing value (NaN) among what it reads makes its result missing, but for
// StepFill.
type Step struct {
	Kind StepKind  `cbor:"k,omitempty"`
	In   []int     `cbor:"i"` // slots, all before its own
	Args []float64 `cbor:"a,omitempty"`
	// Strict, of a StepMap, makes a value without a key an error instead of Args[last].
	Strict bool `cbor:"s,omitempty"`
}

// results is the number of slots that the step adds.
func (s *Step) results() int {
	if s.Kind >= StepNormL1 {
		return len(s.In)
	}
	return 1
}

// Input is a column of the rows that a Pipeline reads.
type Input struct {
	Name string `cbor:"n"`
	// Text says that the column holds texts. In a row stands the position in Words, -1 for a text that is not among them:
	// see Pipeline.Word.
	Text  bool     `cbor:"t,omitempty"`
	Words []string `cbor:"w,omitempty"`
	// Integer says that the column holds integers, which Float32 does not round.
	Integer bool `cbor:"d,omitempty"`
}

// Pipeline is the part of a model that a client computes in the clear before a row is coded: encoders of categories,
// filling of missing values, normalisation of rows. Slot i < len(Inputs) is column i of the row; every step adds its
// results as further slots. Outputs lists the slots that are the features of the model.
//
// It holds no weights of the model behind it, but whatever the preprocessing was fitted to (means, categories, bounds).
type Pipeline struct {
	Inputs  []Input `cbor:"i"`
	Steps   []Step  `cbor:"s,omitempty"`
	Outputs []int   `cbor:"o"`
	// Float32 rounds the row (but for integers) and the result of every step to single precision, as the file's producer does.
	Float32 bool `cbor:"f,omitempty"`
}

// Bounds of a decoded Pipeline.
const (
	MaxSteps = 1 << 18
	maxTerms = 1 << 20 // over all steps, of what they read and of their constants; and of words
)

// Names returns the names of the columns.
func (p *Pipeline) Names() []string {
	names := make([]string, len(p.Inputs))
	for i, in := range p.Inputs {
		names[i] = in.Name
	}
	return names
}

// HasText reports whether a column holds texts.
func (p *Pipeline) HasText() bool {
	return slices.ContainsFunc(p.Inputs, func(in Input) bool { return in.Text })
}

// Word returns what stands in a row for a text of column i, and whether the model knows the text. It panics when i is no
// text column.
func (p *Pipeline) Word(i int, text string) (code float64, known bool) {
	if !p.Inputs[i].Text {
		panic(fmt.Sprintf("quantize: column %d holds no texts", i))
	}
	k := slices.Index(p.Inputs[i].Words, text)
	return float64(k), k >= 0
}

// arity says how many values a step reads (0: one or more) and how many constants it has (-1: depends on them).
func (k StepKind) arity() (in, args int) {
	switch k {
	case StepSum:
		return 0, -1
	case StepScale, StepClip:
		return 1, 2
	case StepFill, StepMap:
		return 1, -1
	case StepAbove, StepAtLeast, StepPower:
		return 1, 1
	case StepLog, StepExp, StepSqrt, StepAbs, StepTruncate:
		return 1, 0
	}
	return 0, 0
}

// Validate reports the first inconsistency of p.
func (p *Pipeline) Validate() error {
	if len(p.Inputs) == 0 || len(p.Inputs) > MaxColumns {
		return fmt.Errorf("quantize: pipeline: %d columns, want 1..%d", len(p.Inputs), MaxColumns)
	}
	if len(p.Outputs) == 0 || len(p.Outputs) > MaxColumns {
		return fmt.Errorf("quantize: pipeline: %d features, want 1..%d", len(p.Outputs), MaxColumns)
	}
	if len(p.Steps) > MaxSteps {
		return fmt.Errorf("quantize: pipeline: %d steps, at most %d", len(p.Steps), MaxSteps)
	}
	terms := 0
	for i, in := range p.Inputs {
		if !in.Text && len(in.Words) > 0 {
			return fmt.Errorf("quantize: pipeline: column %d has words but no texts", i)
		}
		terms += len(in.Words)
	}
	slots := len(p.Inputs)
	for i := range p.Steps {
		s := &p.Steps[i]
		terms += len(s.In) + len(s.Args)
		if terms > maxTerms {
			return fmt.Errorf("quantize: pipeline: more than %d terms", maxTerms)
		}
		if err := s.validate(slots); err != nil {
			return fmt.Errorf("quantize: pipeline: step %d: %w", i, err)
		}
		slots += s.results()
	}
	for _, o := range p.Outputs {
		if o < 0 || o >= slots {
			return fmt.Errorf("quantize: pipeline: feature from slot %d of %d", o, slots)
		}
	}
	return nil
}

func (s *Step) validate(slots int) error {
	if s.Kind < 0 || s.Kind >= numSteps {
		return fmt.Errorf("unknown kind %d", int(s.Kind))
	}
	for _, k := range s.In {
		if k < 0 || k >= slots {
			return fmt.Errorf("it reads slot %d of %d", k, slots)
		}
	}
	in, args := s.Kind.arity()
	switch s.Kind {
	case StepSum:
		args = len(s.In) + 1
	case StepFill:
		args = 1 + (len(s.Args)-1)&1
	case StepMap:
		args = len(s.Args) | 1
	}
	if len(s.In) == 0 || in > 0 && len(s.In) != in || len(s.Args) != args || s.Strict && s.Kind != StepMap {
		return fmt.Errorf("%d values and %d constants do not fit its kind", len(s.In), len(s.Args))
	}
	for _, v := range s.Args {
		if !finite(v) {
			return fmt.Errorf("a constant is not finite")
		}
	}
	return nil
}

// Apply returns the features of a row. A row of another length than Inputs is an error, and so is a category that the
// model has not seen where it does not allow that.
func (p *Pipeline) Apply(row []float64) ([]float64, error) {
	if len(row) != len(p.Inputs) {
		return nil, fmt.Errorf("quantize: a row of %d values for %d columns", len(row), len(p.Inputs))
	}
	slots := make([]float64, len(row), len(row)+len(p.Steps))
	for i, v := range row {
		if slots[i] = v; !p.Inputs[i].Integer {
			slots[i] = p.round(v)
		}
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		at := len(slots)
		var ok bool
		if slots, ok = s.apply(slots, p.Float32); !ok {
			return nil, p.unseen(s)
		}
		for k := at; k < len(slots); k++ {
			slots[k] = p.round(slots[k])
		}
	}
	out := make([]float64, len(p.Outputs))
	for i, k := range p.Outputs {
		out[i] = slots[k]
	}
	return out, nil
}

func (p *Pipeline) round(v float64) float64 {
	if p.Float32 {
		return float64(float32(v))
	}
	return v
}

// apply appends the results of s; false says that a strict map has no key for the value.
func (s *Step) apply(slots []float64, single bool) ([]float64, bool) {
	x := slots[s.In[0]]
	if s.Kind == StepFill {
		if len(s.Args) == 1 && math.IsNaN(x) || len(s.Args) == 2 && x == s.Args[1] {
			x = s.Args[0]
		}
		return append(slots, x), true
	}
	for _, k := range s.In {
		if math.IsNaN(slots[k]) {
			for range s.results() {
				slots = append(slots, math.NaN())
			}
			return slots, true
		}
	}
	switch s.Kind {
	case StepSum:
		x = s.Args[len(s.In)]
		for i, k := range s.In {
			x += float64(s.Args[i] * slots[k])
		}
	case StepScale:
		if single {
			x = float64((float32(x) - float32(s.Args[0])) * float32(s.Args[1]))
		} else {
			x = (x - s.Args[0]) * s.Args[1]
		}
	case StepMap:
		found := false
		for i := 0; i+1 < len(s.Args) && !found; i += 2 {
			if s.Args[i] == x {
				x, found = s.Args[i+1], true
			}
		}
		if !found {
			if s.Strict {
				return slots, false
			}
			x = s.Args[len(s.Args)-1]
		}
	case StepAbove:
		x = indicator(x > s.Args[0])
	case StepAtLeast:
		x = indicator(x >= s.Args[0])
	case StepClip:
		x = math.Min(math.Max(x, s.Args[0]), s.Args[1])
	case StepProduct:
		for _, k := range s.In[1:] {
			x *= slots[k]
		}
	case StepPower:
		x = math.Pow(x, s.Args[0])
	case StepLog:
		x = math.Log(x)
	case StepExp:
		x = math.Exp(x)
	case StepSqrt:
		x = math.Sqrt(x)
	case StepAbs:
		x = math.Abs(x)
	case StepTruncate:
		x = math.Trunc(x)
	case StepArgMax:
		best := 0
		for i, k := range s.In {
			if slots[k] > slots[s.In[best]] {
				best = i
			}
		}
		x = float64(best)
	default:
		return s.norm(slots), true
	}
	return append(slots, x), true
}

func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// norm appends the values divided by their norm; zeros stay zeros.
func (s *Step) norm(slots []float64) []float64 {
	n := 0.0
	switch s.Kind {
	case StepNormL1:
		for _, k := range s.In {
			n += math.Abs(slots[k])
		}
	case StepNormL2:
		for _, k := range s.In {
			n += float64(slots[k] * slots[k])
		}
		n = math.Sqrt(n)
	case StepNormMax:
		n = math.Inf(-1)
		for _, k := range s.In {
			n = math.Max(n, slots[k])
		}
	}
	if n == 0 {
		n = 1
	}
	for _, k := range s.In {
		slots = append(slots, slots[k]/n)
	}
	return slots
}

// Column returns the column that slot k is computed from, -1 when it is from several.
func (p *Pipeline) Column(k int) int {
	origins := p.origins()
	if k < 0 || k >= len(origins) {
		return -1
	}
	return origins[k]
}

// origins returns for every slot the column that it is computed from alone, else -1.
func (p *Pipeline) origins() []int {
	out := make([]int, len(p.Inputs))
	for i := range out {
		out[i] = i
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		from := out[s.In[0]]
		for _, k := range s.In {
			if out[k] != from {
				from = -1
			}
		}
		for range s.results() {
			out = append(out, from)
		}
	}
	return out
}

func (p *Pipeline) unseen(s *Step) error {
	at := p.Column(s.In[0])
	if at < 0 {
		return fmt.Errorf("quantize: a category that the model has not seen")
	}
	in := &p.Inputs[at]
	hint := ""
	if in.Text {
		hint = fmt.Sprintf("; it knows %s", list(in.Words))
	}
	return fmt.Errorf("quantize: column %q holds a category that the model has not seen%s", in.Name, hint)
}

// list quotes up to eight words.
func list(words []string) string {
	var out []string
	for _, w := range words[:min(len(words), 8)] {
		out = append(out, fmt.Sprintf("%q", w))
	}
	s := strings.Join(out, ", ")
	if len(words) > 8 {
		s += fmt.Sprintf(" and %d more", len(words)-8)
	}
	return s
}

// Describe says in words what the pipeline does, one line per kind of step.
func (p *Pipeline) Describe() []string {
	words := []struct {
		kinds []StepKind
		text  string
	}{
		{[]StepKind{StepFill}, "missing values are filled"},
		{[]StepKind{StepMap}, "categories become numbers"},
		{[]StepKind{StepAbove, StepAtLeast, StepArgMax}, "values are compared with bounds"},
		{[]StepKind{StepClip}, "values are cut to a range"},
		{[]StepKind{StepSum, StepScale}, "columns are shifted and scaled"},
		{[]StepKind{StepProduct, StepPower}, "products and powers are formed"},
		{[]StepKind{StepLog, StepExp, StepSqrt, StepAbs, StepTruncate}, "functions of single columns are taken"},
		{[]StepKind{StepNormL1, StepNormL2, StepNormMax}, "rows are divided by their norm"},
	}
	origins := p.origins()
	var out []string
	for _, w := range words {
		seen := map[int]bool{}
		var names []string
		several := false
		for i := range p.Steps {
			s := &p.Steps[i]
			if !slices.Contains(w.kinds, s.Kind) {
				continue
			}
			for _, k := range s.In {
				switch at := origins[k]; {
				case at < 0:
					several = true
				case !seen[at]:
					seen[at] = true
					names = append(names, p.Inputs[at].Name)
				}
			}
		}
		switch {
		case len(names) > 0:
			out = append(out, w.text+" ("+list(names)+")")
		case several:
			out = append(out, w.text)
		}
	}
	if p.HasText() {
		var names []string
		for _, in := range p.Inputs {
			if in.Text {
				names = append(names, fmt.Sprintf("%q: %s", in.Name, list(in.Words)))
			}
		}
		out = append(out, "texts are looked up among those that the model knows ("+strings.Join(names, "; ")+")")
	}
	return out
}
