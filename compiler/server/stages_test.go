package server

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// drawSteps draws steps that read earlier ones. Only what stages looks at is filled in.
func drawSteps(t *rapid.T) []compiler.Step {
	steps := make([]compiler.Step, rapid.IntRange(0, 30).Draw(t, "steps"))
	for i := range steps {
		from := func() int32 { return int32(rapid.IntRange(0, i-1).Draw(t, "from")) }
		kind := rapid.IntRange(0, 6).Draw(t, "kind")
		if i == 0 {
			kind = 0
		}
		switch kind {
		case 0:
			steps[i].Codes = &compiler.CodesStep{}
		case 1:
			steps[i].Affine = &compiler.AffineStep{Rows: []compiler.AffineRow{{Refs: []compiler.Ref{{Step: from()}, {Step: from()}}}, {}}}
		case 2:
			steps[i].Round = &compiler.RoundStep{Source: compiler.Ref{Step: from()}}
		case 3:
			steps[i].Extract = &compiler.ExtractStep{Source: compiler.Ref{Step: from()}}
		case 4:
			steps[i].Rotate = &compiler.RotateStep{Units: []compiler.RotateUnit{{}, {From: from() + 1}}}
		default:
			steps[i].Lookup = &compiler.LookupStep{Source: compiler.Ref{Step: from()}}
		}
	}
	return steps
}

// readBy is an independent list of what a step of drawSteps reads.
func readBy(st compiler.Step) []int {
	switch {
	case st.Affine != nil:
		return []int{int(st.Affine.Rows[0].Refs[0].Step), int(st.Affine.Rows[0].Refs[1].Step)}
	case st.Round != nil:
		return []int{int(st.Round.Source.Step)}
	case st.Extract != nil:
		return []int{int(st.Extract.Source.Step)}
	case st.Rotate != nil:
		return []int{int(st.Rotate.Units[1].From) - 1}
	case st.Lookup != nil:
		return []int{int(st.Lookup.Source.Step)}
	}
	return nil
}

// TestStages: every step runs once, after all that it reads; only lookups share a stage; and there are as few stages of lookups as the longest chain has lookups.
func TestStages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := drawSteps(t)
		done := map[int]bool{}
		batches := 0
		for _, stage := range stages(steps) {
			for _, i := range stage {
				for _, from := range readBy(steps[i]) {
					if !done[from] {
						t.Fatalf("step %d runs before step %d, which it reads, or beside it", i, from)
					}
				}
				if len(stage) > 1 && steps[i].Lookup == nil {
					t.Fatalf("step %d is no lookup and shares a stage", i)
				}
			}
			for _, i := range stage {
				if done[i] {
					t.Fatalf("step %d runs twice", i)
				}
				done[i] = true
			}
			if steps[stage[0]].Lookup != nil {
				batches++
			}
		}
		if len(done) != len(steps) {
			t.Fatalf("%d of %d steps run", len(done), len(steps))
		}
		var longest func(i int) int
		longest = func(i int) int {
			n := 0
			for _, from := range readBy(steps[i]) {
				n = max(n, longest(from))
			}
			if steps[i].Lookup != nil {
				n++
			}
			return n
		}
		chain := 0
		for i := range min(len(steps), 12) { // the number of ways grows fast
			chain = max(chain, longest(i))
		}
		if len(steps) <= 12 && batches != chain {
			t.Fatalf("%d batches of lookups where the longest chain has %d", batches, chain)
		}
	})
}

// TestStagesOrder: steps that have nothing to gain stay in their order.
func TestStagesOrder(t *testing.T) {
	affine := func(from ...int32) compiler.Step {
		row := compiler.AffineRow{}
		for _, f := range from {
			row.Refs = append(row.Refs, compiler.Ref{Step: f})
		}
		return compiler.Step{Affine: &compiler.AffineStep{Rows: []compiler.AffineRow{row}}}
	}
	lookup := func(from int32) compiler.Step {
		return compiler.Step{Lookup: &compiler.LookupStep{Source: compiler.Ref{Step: from}}}
	}
	steps := []compiler.Step{{Codes: &compiler.CodesStep{}}, affine(0), lookup(1), affine(0), lookup(3), affine(2, 4), lookup(5), affine(6)}
	got, want := stages(steps), [][]int{{0}, {1}, {3}, {2, 4}, {5}, {6}, {7}}
	if !slices.EqualFunc(got, want, slices.Equal[[]int]) {
		t.Errorf("stages %v, not %v", got, want)
	}
}
