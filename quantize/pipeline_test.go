package quantize

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// survey is a pipeline over an age that may be missing, a colour and two measurements.
func survey() *Pipeline {
	return &Pipeline{
		Inputs: []Input{{Name: "age"}, {Name: "colour", Text: true, Words: []string{"red", "green"}}, {Name: "a"}, {Name: "b"}},
		Steps: []Step{
			{Kind: StepFill, In: []int{0}, Args: []float64{30}},                          // 4
			{Kind: StepScale, In: []int{4}, Args: []float64{30, 0.5}},                    // 5
			{Kind: StepMap, In: []int{1}, Args: []float64{0, 1, 0}},                      // 6: red
			{Kind: StepMap, In: []int{1}, Args: []float64{0, 7, 1, 9, -1}, Strict: true}, // 7
			{Kind: StepNormL2, In: []int{2, 3}},                                          // 8, 9
			{Kind: StepProduct, In: []int{2, 2, 3}},                                      // 10
			{Kind: StepArgMax, In: []int{2, 3, 2}},                                       // 11
			{Kind: StepSum, In: []int{2, 3}, Args: []float64{2, -1, 0.25}},               // 12
		},
		Outputs: []int{5, 6, 7, 8, 9, 10, 11, 12, 0},
	}
}

func TestPipeline(t *testing.T) {
	p := survey()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	green, known := p.Word(1, "green")
	if _, other := p.Word(1, "blue"); green != 1 || !known || other {
		t.Fatalf("green is %v", green)
	}
	got, err := p.Apply([]float64{math.NaN(), green, 3, 4})
	want := []float64{0, 0, 9, 0.6, 0.8, 36, 1, 2.25}
	if err != nil || !near(got[:8], want) || !math.IsNaN(got[8]) {
		t.Errorf("%v %v, want %v", got, err, want)
	}
	if got, err = p.Apply([]float64{40, 0, 0, 0}); err != nil || !near(got, []float64{5, 1, 7, 0, 0, 0, 0, 0.25, 40}) {
		t.Errorf("%v %v", got, err)
	}
	_, err = p.Apply([]float64{40, -1, 0, 0})
	if err == nil || !strings.Contains(err.Error(), `"colour"`) || !strings.Contains(err.Error(), `"green"`) {
		t.Errorf("a colour that nobody has seen: %v", err)
	}
	if _, err = p.Apply([]float64{1}); err == nil {
		t.Error("a short row was taken")
	}
	if p.Column(5) != 0 || p.Column(9) != -1 || p.Column(1) != 1 {
		t.Errorf("origins %v", p.origins())
	}
	text := strings.Join(p.Describe(), "; ")
	for _, w := range []string{"filled", `"age"`, "categories", `"red", "green"`, "norm"} {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not say %s", text, w)
		}
	}
}

// TestStepValues compares single steps with values worked out by hand; Float32 rounds them.
func TestStepValues(t *testing.T) {
	for _, c := range []struct {
		step Step
		x    float64
		want float64
	}{
		{Step{Kind: StepFill, Args: []float64{5, -999}}, -999, 5},
		{Step{Kind: StepFill, Args: []float64{5, -999}}, 2, 2},
		{Step{Kind: StepAbove, Args: []float64{2}}, 2, 0},
		{Step{Kind: StepAtLeast, Args: []float64{2}}, 2, 1},
		{Step{Kind: StepClip, Args: []float64{0, 1}}, 1.5, 1},
		{Step{Kind: StepPower, Args: []float64{3}}, -2, -8},
		{Step{Kind: StepLog}, math.E, 1},
		{Step{Kind: StepExp}, 0, 1},
		{Step{Kind: StepSqrt}, 9, 3},
		{Step{Kind: StepAbs}, -9, 9},
		{Step{Kind: StepTruncate}, -1.75, -1},
		{Step{Kind: StepNormL1}, -4, -1},
		{Step{Kind: StepNormMax}, -4, 1},
	} {
		c.step.In = []int{0}
		p := &Pipeline{Inputs: []Input{{Name: "x"}}, Steps: []Step{c.step}, Outputs: []int{1}}
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		if got, err := p.Apply([]float64{c.x}); err != nil || !near(got, []float64{c.want}) {
			t.Errorf("kind %d of %v: %v %v, want %v", c.step.Kind, c.x, got, err, c.want)
		}
		if got, _ := p.Apply([]float64{math.NaN()}); c.step.Kind != StepFill && !math.IsNaN(got[0]) {
			t.Errorf("kind %d of a missing value: %v", c.step.Kind, got)
		}
	}
	p := &Pipeline{Inputs: []Input{{Name: "x"}}, Steps: []Step{{Kind: StepScale, In: []int{0}, Args: []float64{0, 0.1}}}, Outputs: []int{1}, Float32: true}
	if got, _ := p.Apply([]float64{0.3}); got[0] != float64(float32(0.3)*float32(0.1)) {
		t.Errorf("%v is no product of single precision", got[0])
	}
}

func TestPipelineValidate(t *testing.T) {
	for want, breakIt := range map[string]func(p *Pipeline){
		"columns":       func(p *Pipeline) { p.Inputs = nil },
		"features":      func(p *Pipeline) { p.Outputs = nil },
		"slot 99":       func(p *Pipeline) { p.Outputs[0] = 99 },
		"reads slot 4":  func(p *Pipeline) { p.Steps[0].In[0] = 4 },
		"reads slot -1": func(p *Pipeline) { p.Steps[1].In[0] = -1 },
		"kind 77":       func(p *Pipeline) { p.Steps[1].Kind = 77 },
		"do not fit":    func(p *Pipeline) { p.Steps[2].Args = nil },
		"finite":        func(p *Pipeline) { p.Steps[1].Args[0] = math.Inf(1) },
		"words":         func(p *Pipeline) { p.Inputs[1].Text = false },
	} {
		p := survey()
		breakIt(p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestPipelineNeverPanics: whatever Validate accepts, Apply computes.
func TestPipelineNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &Pipeline{Inputs: make([]Input, 3), Outputs: []int{rapid.IntRange(-1, 12).Draw(t, "output")}}
		for range rapid.IntRange(0, 6).Draw(t, "steps") {
			s := Step{Kind: StepKind(rapid.IntRange(-1, int(numSteps)).Draw(t, "kind")), Strict: rapid.Bool().Draw(t, "strict")}
			s.In = rapid.SliceOfN(rapid.IntRange(-1, 9), 0, 3).Draw(t, "in")
			s.Args = rapid.SliceOfN(rapid.Float64Range(-2, 2), 0, 4).Draw(t, "args")
			p.Steps = append(p.Steps, s)
		}
		for i, ok := range rapid.SliceOfN(rapid.Bool(), 6, 6).Draw(t, "keep") {
			if !ok && i < len(p.Steps) {
				p.Steps = slices.Delete(p.Steps, i, i+1)
			}
		}
		if p.Validate() == nil {
			p.Apply([]float64{1, math.NaN(), -0.5})
			p.Describe()
		}
	})
}

// TestPreprocessingWithPipeline: rows have the pipeline's columns, codes come from its features, and a missing value is
// refused under the name of its column.
func TestPreprocessingWithPipeline(t *testing.T) {
	p := &Preprocessing{Pipeline: survey(), Columns: []string{"age", "red", "colour", "a", "b", "aab", "largest", "sum", "raw age"},
		Coders: []Coder{{Feature: 5, Levels: 101, Step: 1}, {Feature: 1, Levels: 2, Step: 1}}}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	codes := make([]int64, 2)
	if _, err := p.Encode(codes, []float64{1, 0, 3, 4}); err != nil || codes[0] != 36 || codes[1] != 1 {
		t.Errorf("%v %v", codes, err)
	}
	p.Coders = append(p.Coders, Coder{Feature: 8, Levels: 2, Step: 1})
	if _, err := p.Encode(make([]int64, 3), []float64{math.NaN(), 0, 3, 4}); err == nil || !strings.Contains(err.Error(), `"age"`) {
		t.Errorf("error %v", err)
	}
	if names := p.Names(); len(names) != 4 || names[1] != "colour" {
		t.Errorf("names %v", names)
	}
	p.Columns = p.Columns[1:]
	if err := p.Validate(); err == nil {
		t.Error("a pipeline of other width was accepted")
	}
}
