// Package numpy turns functions written with a subset of numpy into compiler graphs.
//
// There are two ways in. A [Builder] is the Go one: its methods carry numpy's names and follow numpy's rules for shapes, broadcasting, axes, negative
// indices and result types, on values of which some are constants and some are encrypted inputs:
//
//	b := numpy.NewBuilder()
//	x := b.Input("x", []int{3}, 0, 127)
//	score := b.Call("matmul", x, numpy.Array([]int{3}, []int64{3, -2, 5}))
//	b.Output(b.Call("maximum", score, 0))
//	g, err := b.Graph()
//
// [ParseFile] reads the same from a Python file: a function with its helpers and constants, of which nothing is executed as Python. It is evaluated
// by an interpreter of the accepted subset, which runs loops and conditions over constants and records what happens to encrypted values.
//
// Integers are exact: where numpy would wrap around, at 64 bits or in an array of np.int8 and the like, the graph is refused instead. Floating point
// may appear between integers as long as it depends on one encrypted integer: such an expression becomes one table, with numpy's float64 results. An expression in floating point of two
// encrypted values is an error that says how to rewrite it, and so is a value that is not finite.
//
// A computed value that is too wide for a table is rounded first: round_bits(x, n), which Python files import as fhe.round_bit_pattern, gives the nearest multiple of
// 2^n, exactly, with a lookup for each of the n bits. With approximate=True (in Go, Call("round_bits", x, n, true)) it takes none, and an encrypted value near a tie may
// give the multiple on its other side: see compiler.Graph.RoundApproximate.
package numpy
