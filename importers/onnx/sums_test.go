package onnx

import (
	"slices"
	"strings"
	"testing"
)

// TestPlace: negative axes count from the end of the whole shape; the skipped axes and those beyond the shape are not in it.
func TestPlace(t *testing.T) {
	for _, c := range []struct {
		axis       int64
		rank, skip int
		want       int
		ok         bool
	}{
		{0, 2, 0, 0, true}, {1, 2, 0, 1, true}, {2, 2, 0, 0, false}, {-2, 2, 0, 0, true}, {-3, 2, 0, 0, false},
		{0, 2, 1, 0, false}, {1, 2, 1, 0, true}, {2, 2, 1, 1, true}, {3, 2, 1, 0, false}, {-1, 2, 1, 1, true}, {-3, 2, 1, 0, false}, {1, 0, 1, 0, false},
		{1 << 62, 2, 0, 0, false}, {-1 << 63, 2, 1, 0, false},
	} {
		if got, ok := place(c.axis, c.rank, c.skip); ok != c.ok || ok && got != c.want {
			t.Errorf("axis %d of %d behind %d: %d, %t", c.axis, c.rank, c.skip, got, ok)
		}
	}
}

// TestAccumulator: weights that cancel are left out where that is asked for, and nothing stays for the next sum.
func TestAccumulator(t *testing.T) {
	s := newAccumulator(4)
	for _, cancel := range []bool{true, false, true} {
		s.b = 1
		s.add(2, column{idx: []int32{3, 1}, w: []float64{1, 5}, b: 10})
		s.add(-1, column{idx: []int32{0, 3}, w: []float64{4, 2}})
		want := column{idx: []int32{0, 1, 3}, w: []float64{-4, 10, 0}, b: 21}
		if cancel {
			want.idx, want.w = want.idx[:2], want.w[:2]
		}
		if got := s.take(cancel); !slices.Equal(got.idx, want.idx) || !slices.Equal(got.w, want.w) || got.b != want.b {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// TestVariances: a normalization by a variance that has no square root, or by zero, is refused.
func TestVariances(t *testing.T) {
	for _, c := range []struct {
		variance float32
		ok       bool
	}{{1, true}, {0.25, true}, {-0.5, false}, {-2, false}} { // epsilon is 0.5
		inits := []msg{floatTensor("s", []int64{2}, 1, 1), floatTensor("b", []int64{2}, 0, 0), floatTensor("m", []int64{2}, 0, 0), floatTensor("v", []int64{2}, 1, c.variance)}
		norm := nodeOf("BatchNormalization", "", []string{"X", "s", "b", "m", "v"}, []string{"Y"}, attrList{"epsilon": float32(0.5)})
		_, _, err := Import(modelOf([]msg{norm}, xInput(2), inits, "Y"), "")
		if c.ok && err != nil || !c.ok && (err == nil || !strings.Contains(err.Error(), "variance")) {
			t.Errorf("variance %g: %v", c.variance, err)
		}
	}
}
