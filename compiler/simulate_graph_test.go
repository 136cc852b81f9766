package compiler

import (
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSimulateRandomGraphs: at a failure probability of 2^-128 simulated rows of random graphs are those of the graph.
func TestSimulateRandomGraphs(t *testing.T) {
	type drawn struct {
		g  *Graph
		in map[string][]int64
	}
	graphs := rapid.Custom(func(t *rapid.T) drawn {
		g := drawGraph(t)
		return drawn{g, drawInputs(t, g)}
	})
	count := 20
	if os.Getenv("FHEML_LONG") != "" {
		count = 400
	}
	compiled := 0
	for i := range count {
		d := graphs.Example(i)
		circuit, err := Compile(d.g, CompileOptions{})
		if err != nil {
			continue // no encrypted form
		}
		compiled++
		s, err := NewSimulator(circuit, SimulateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := d.g.Eval(d.in)
		if err != nil {
			t.Fatal(err)
		}
		var codes []int64
		for _, n := range d.g.Inputs() {
			codes = append(codes, d.in[n.Name]...)
		}
		got, _, err := s.Run(codes)
		if err != nil || !slices.Equal(got, slices.Concat(want...)) {
			t.Fatalf("%v simulated, %v in the clear, %v\n%s", got, want, err, d.g)
		}
	}
	if compiled < count/4 {
		t.Errorf("%d of %d graphs were compiled", compiled, count)
	}
}
