package models

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// drawGridded draws an ensemble over columns of small integers, and calibration rows in which every one of them occurs.
func drawGridded(t *rapid.T) (m *TreeEnsemble, oracle []*branch, calibration [][]float64, tops []int) {
	features := rapid.IntRange(1, 4).Draw(t, "features")
	outputs := rapid.IntRange(1, 3).Draw(t, "outputs")
	m = &TreeEnsemble{Info: classifier(features, outputs), Base: make([]float64, outputs), Missing: rapid.Bool().Draw(t, "missing")}
	most := 0
	for range features {
		tops = append(tops, rapid.SampledFrom([]int{0, 1, 2, 5, 63, 64, 125}).Draw(t, "top"))
		most = max(most, tops[len(tops)-1])
	}
	for i := range 2*most + 20 {
		row := make([]float64, features)
		for f := range row {
			row[f] = float64(i % (tops[f] + 1))
		}
		calibration = append(calibration, row)
	}
	thresholds := []float32{-40, 200}
	for i := range most + 1 {
		thresholds = append(thresholds, float32(i), float32(i)+0.5, math.Nextafter32(float32(i), -1))
	}
	for range rapid.IntRange(1, 5).Draw(t, "trees") {
		b := drawBranch(t, rapid.IntRange(0, 5).Draw(t, "depth"), features, outputs, thresholds, func() []float64 {
			v := make([]float64, outputs)
			for o := range v {
				v[o] = float64(rapid.IntRange(-8, 8).Draw(t, "leaf"))
			}
			return v
		})
		tree := Tree{}
		tree.Root = b.flatten(&tree)
		m.Trees, oracle = append(m.Trees, tree), append(oracle, b)
	}
	return m, oracle, calibration, tops
}

// Where every value of a column has a code of its own, hiding thresholds moves none of them past a value: nothing is lost.
func TestHiddenThresholdsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, oracle, calibration, tops := drawGridded(t)
		q, err := m.Quantize(Options{HideThresholds: true}, calibration)
		if err != nil {
			t.Fatal(err)
		}
		p, err := NewPredictor(q)
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			row := make([]float64, len(tops))
			for f := range row {
				row[f] = float64(rapid.IntRange(0, tops[f]).Draw(t, "x"))
				if m.Missing && rapid.IntRange(0, 4).Draw(t, "nan") == 0 {
					row[f] = math.NaN()
				}
			}
			want := make([]float64, m.Post.Outputs)
			for _, b := range oracle {
				for o, v := range b.route(row) {
					want[o] += v
				}
			}
			ints, err := p.Integers(row)
			if err != nil {
				t.Fatal(err)
			}
			for o, y := range q.Post.Raw(nil, ints) {
				if math.Abs(y-want[o]) > 1e-6 {
					t.Fatalf("row %v: %v, want %v", row, q.Post.Raw(nil, ints), want)
				}
			}
		}
	})
}

// What a client needs of two models over the same columns and calibration rows differs in nothing that it does before decryption: how rows become codes, and
// which bits it sends.
func TestHiddenThresholdsAreHidden(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, _, calibration, tops := drawGridded(t)
		other := &TreeEnsemble{Info: m.Info, Base: m.Base, Missing: m.Missing, Trees: []Tree{{Root: ^0, Leaves: [][]float64{make([]float64, m.Post.Outputs)}}}}
		f := rapid.IntRange(0, len(tops)-1).Draw(t, "feature")
		leaves := [][]float64{make([]float64, m.Post.Outputs), make([]float64, m.Post.Outputs)}
		leaves[1][0] = 1
		other.Trees[0] = Tree{Nodes: []TreeNode{{Feature: f, Threshold: float64(tops[f]) / 2, True: ^0, False: ^1}}, Leaves: leaves}
		var files []*ClientFile
		for _, m := range []*TreeEnsemble{m, other} {
			opt := CompileOptions{HideThresholds: true, Bits: rapid.SampledFrom([]int{0, 7}).Draw(t, "bits")}
			c, err := Compile(m, opt, calibration)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, c.ClientFile())
		}
		a, b := files[0], files[1]
		if len(a.Spec.Selectors) == 0 || len(b.Spec.Selectors) == 0 {
			return // a model that answers every row alike
		}
		if !a.Spec.AllDigits() || !b.Spec.AllDigits() {
			t.Fatalf("the tests are not all digits: %v, %v", a.Spec.Selectors, b.Spec.Selectors)
		}
		if !slices.Equal(a.Spec.Selectors, b.Spec.Selectors) || !slices.Equal(a.Spec.Lo, b.Spec.Lo) || !slices.Equal(a.Spec.Hi, b.Spec.Hi) ||
			len(a.Spec.Packed)+len(a.Spec.Columns)+a.Spec.Singles+len(b.Spec.Packed)+len(b.Spec.Columns)+b.Spec.Singles > 0 {
			t.Fatalf("requests tell models apart: %+v, %+v", a.Spec, b.Spec)
		}
		for i, c := range a.Pre.Coders {
			d := b.Pre.Coders[i]
			if c.Kind != d.Kind || c.Feature != d.Feature || c.Levels != d.Levels || c.Min != d.Min || c.Step != d.Step || c.Missing != d.Missing || !slices.Equal(c.Thresholds, d.Thresholds) {
				t.Fatalf("codes tell models apart: %+v, %+v", c, d)
			}
		}
		for _, s := range a.Reveals {
			if strings.Contains(s, "split") || strings.Contains(s, "tests") || strings.Contains(s, "are used") {
				t.Fatalf("said to be revealed: %s", s)
			}
		}
	})
}

// TestHiddenThresholdsErrors: what has none to hide, and what cannot be done without telling.
func TestHiddenThresholdsErrors(t *testing.T) {
	tree := &TreeEnsemble{Info: classifier(2, 1), Base: []float64{0},
		Trees: []Tree{{Nodes: []TreeNode{{Feature: 1, Threshold: 3, True: ^0, False: ^1}}, Leaves: [][]float64{{1}, {2}}}}}
	rows := [][]float64{{1, 2}, {5, 6}, {3, 3}}
	if _, err := Compile(tree, CompileOptions{HideThresholds: true}, nil); err == nil {
		t.Error("no calibration rows are needed")
	}
	if _, err := Compile(tree, CompileOptions{HideThresholds: true, Lowering: compiler.LowerAffine}, rows); err == nil {
		t.Error("functions of codes are packed that tell the thresholds")
	}
	if _, err := Compile(tree, CompileOptions{HideThresholds: true}, [][]float64{{1, math.NaN()}}); err == nil {
		t.Error("a missing value is taken where the model knows none")
	}
	linear := &Linear{Info: classifier(2, 1), Weights: [][]float64{{1, 2}}, Bias: []float64{0}}
	if _, err := Compile(linear, CompileOptions{HideThresholds: true}, rows); err != ErrNoThresholds {
		t.Errorf("a linear model: %v", err)
	}
}
