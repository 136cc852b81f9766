package compiler_test

import (
	"fmt"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// A linear score of two features, then a threshold: the comparison and the offset before it become one table.
func ExampleGraph() {
	g := compiler.NewGraph()
	x := g.Input("x", []int{2}, []int64{0}, []int64{3})
	w := g.Constant(compiler.Array{Shape: []int{2}, Data: []int64{2, -1}})
	score := g.Add(g.MatMul(x, w), g.Scalar(3))
	g.Output(g.Greater(score, g.Scalar(5)))
	optimized, err := g.Optimize()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(optimized)
	out, err := optimized.Eval(map[string][]int64{"x": {3, 1}})
	fmt.Println(out, err)
	// Output:
	// %0 = input "x" shape=[2] lo=[0] hi=[3]
	// %1 = constant shape=[2] data=[2 -1]
	// %2 = matmul %0 %1 # [] -3..6
	// %3 = lookup %2 table=[-3: 0 0 0 0 0 0 1 1 1 1] # [] 0..1
	// output %3
	// [[1]] <nil>
}
