package compiler

import (
	"testing"

	"pgregory.net/rapid"
)

// TestSeparate: wherever a node is a sum of functions of single input elements, the sum has the values of Eval.
func TestSeparate(t *testing.T) {
	some := 0
	rapid.Check(t, func(t *rapid.T) {
		g := DrawToy(t)
		c := g.Clone()
		c.Outputs = c.Nodes // look at every node
		it, err := NewInterpreter(c)
		if err != nil {
			t.Fatal(err)
		}
		inputs := drawInputs(t, c)
		values, err := it.Run(inputs)
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range c.Nodes {
			for j, s := range Separate(n, 1<<16) {
				got := s.Constant
				for e, part := range s.Parts {
					if part[0] != 0 || len(part) != int(e.Node.Hi[e.Index]-e.Node.Lo[e.Index])+1 {
						t.Fatalf("node %%%d element %d: part %v", i, j, part)
					}
					got += part[inputs[e.Node.Name][e.Index]-e.Node.Lo[e.Index]]
				}
				if got != values[i][j] {
					t.Fatalf("node %%%d element %d is %d apart, %d together\n%s", i, j, got, values[i][j], g)
				}
				some++
			}
		}
		if out := Separate(c.Nodes[0], 0); out != nil {
			t.Fatal("no limit")
		}
	})
	if some == 0 {
		t.Error("nothing was separable")
	}
}
