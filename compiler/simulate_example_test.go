package compiler_test

import (
	"fmt"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// At the default failure probability a simulated row is what the graph says; how close it came to being read wrongly is the noise.
func ExampleSimulator() {
	g := compiler.NewGraph()
	x := g.Input("x", []int{2}, []int64{0}, []int64{7})
	score := g.Add(g.MatMul(x, g.Constant(compiler.Array{Shape: []int{2}, Data: []int64{2, -1}})), g.Scalar(3))
	g.Output(g.Where(g.LessEqual(g.GetItem(x, 0), g.Scalar(3)), score, g.Scalar(100)))
	circuit, err := compiler.Compile(g, compiler.CompileOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := compiler.NewSimulator(circuit, compiler.SimulateOptions{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range [][]int64{{3, 1}, {4, 1}} {
		out, noise, err := s.Run(row)
		fmt.Println(out, noise < 0.8, err)
	}
	// Output:
	// [8] true <nil>
	// [100] true <nil>
}
