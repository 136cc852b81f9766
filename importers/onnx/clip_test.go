package onnx

import (
	"math"
	"testing"
)

// TestUnitClip: (clip(s, lo, hi) + 1) / 2 is the score cut to 0..1 for the bounds -1 and 1 alone; others keep theirs.
func TestUnitClip(t *testing.T) {
	for _, hi := range []float32{1, 2} {
		inits := []msg{floatTensor("w", []int64{2, 1}, 1, 1), floatTensor("lo", nil, -1), floatTensor("hi", nil, hi), floatTensor("one", nil, 1), floatTensor("two", nil, 2)}
		nodes := []msg{nodeOf("MatMul", "", []string{"X", "w"}, []string{"s"}, nil), nodeOf("Clip", "", []string{"s", "lo", "hi"}, []string{"c"}, nil),
			nodeOf("Add", "", []string{"c", "one"}, []string{"a"}, nil), nodeOf("Div", "", []string{"a", "two"}, []string{"Y"}, nil)}
		m, _, err := Import(modelOf(nodes, xInput(2), inits, "Y"), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []float64{-3, -0.5, 0.5, 1.5, 4} {
			want := (math.Min(math.Max(s, -1), float64(hi)) + 1) / 2
			if got := m.Meta().Post.Float(m.Raw(nil, []float64{s, 0})).Scores[0]; math.Abs(got-want) > 1e-6 {
				t.Errorf("bound %g, score %g: %g, want %g", hi, s, got, want)
			}
		}
	}
}
