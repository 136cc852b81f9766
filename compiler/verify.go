package compiler

import (
	"errors"
	"fmt"
	"slices"
)

// Verify checks that g is a well-formed graph, by recomputing everything that can be: nodes in topological order with
// IDs equal to their indices; operations with the right arguments, attributes and payload; shapes; bounds per element,
// below 2^62 in magnitude; tables that cover their argument's bounds; where conditions within 0..1; and matmul and conv
// with a known argument. Inputs have distinct names, and there is an output.
// The error names the first node that is wrong. Evaluating a graph that passes can neither overflow nor fail, other than
// by its caller's inputs.
func (g *Graph) Verify() error {
	names := make(map[string]bool)
	for i, n := range g.Nodes {
		if err := g.verifyNode(i, n); err != nil {
			op := Op("nil")
			if n != nil {
				op = n.Op
			}
			return fmt.Errorf("compiler: node %%%d (%s): %w", i, op, err)
		}
		if n.Op == OpInput && names[n.Name] {
			return fmt.Errorf("compiler: node %%%d: a second input is named %q", i, n.Name)
		}
		names[n.Name] = true
	}
	if len(g.Outputs) == 0 {
		return errors.New("compiler: the graph has no output")
	}
	for i, o := range g.Outputs {
		if o == nil || o.ID < 0 || o.ID >= len(g.Nodes) || g.Nodes[o.ID] != o {
			return fmt.Errorf("compiler: output %d is not a node of the graph", i)
		}
	}
	return nil
}

func (g *Graph) verifyNode(i int, n *Node) error {
	if n == nil {
		return errors.New("no node")
	}
	if n.ID != i {
		return fmt.Errorf("its ID is %d", n.ID)
	}
	for j, a := range n.Args {
		if a == nil || a.ID < 0 || a.ID >= i || g.Nodes[a.ID] != a {
			return fmt.Errorf("argument %d is not an earlier node of the graph", j)
		}
	}
	shape, err := inferShape(n)
	if err != nil {
		return err
	}
	if !slices.Equal(shape, n.Shape) {
		return fmt.Errorf("its shape is %v, not %v", shape, n.Shape)
	}
	lo, hi, err := inferBounds(n)
	if err != nil {
		return err
	}
	if !slices.Equal(lo, n.Lo) || !slices.Equal(hi, n.Hi) {
		return errors.New("its bounds do not follow from its arguments")
	}
	return nil
}
