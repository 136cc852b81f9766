package compiler

import (
	"slices"
	"testing"
)

func TestJoin(t *testing.T) {
	g := NewGraph()
	a := g.Input("a", []int{2, 2}, []int64{-3}, []int64{4})
	b := g.Input("b", nil, []int64{0}, []int64{1})
	g.Output(g.Transpose(a))
	g.Output(g.Where(b, g.GetItem(a, 0), g.GetItem(a, 1)))
	h, err := g.Join()
	if err != nil {
		t.Fatal(err)
	}
	if in := h.Inputs(); len(in) != 1 || !slices.Equal(in[0].Hi, []int64{7, 7, 7, 7, 1}) {
		t.Fatalf("inputs of\n%s", h)
	}
	for b := range int64(2) {
		want, err := g.Eval(map[string][]int64{"a": {-3, 0, 2, 4}, "b": {b}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := h.Eval(map[string][]int64{"x": {0, 3, 5, 7, b}})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got[0], slices.Concat(want...)) {
			t.Errorf("b = %d: %v, want %v", b, got, want)
		}
	}
}
