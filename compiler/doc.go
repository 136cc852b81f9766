// Package compiler turns a quantized model, written as an integer graph, into the circuit that a server executes on
// ciphertexts.
//
// It has two representations and no more. [Graph] is what the model means: a small set of operations with numpy's names
// and numpy's semantics on int64 arrays, each with a shape and with bounds per element. [Graph.Eval] runs it on clear
// integers: what it returns is by definition the quantized model's answer, and every other way of running a model is tested against it.
// [Graph.Verify] says in code what a valid Graph is: it is called between the passes of [Graph.Optimize], and a graph that passes it cannot
// overflow, leave a table or meet a shape it does not expect. [Graph.Print] writes a line for each node, which [Parse] reads
// again. [Circuit] is what the server executes; it is made from an optimized Graph. A [Simulator] runs it on clear integers with the noise that it would have
// on ciphertexts.
//
// A Graph is built with the methods of [Graph], in any order that defines a value before it is used:
//
//	g := compiler.NewGraph()
//	x := g.Input("x", []int{2}, []int64{0}, []int64{127})
//	score := g.Add(g.MatMul(x, g.Constant(compiler.Array{Shape: []int{2}, Data: []int64{3, -1}})), g.Scalar(5))
//	g.Output(g.Where(g.LessEqual(score, g.Scalar(100)), score, g.Scalar(100)))
//
// The builders panic on a caller's mistake (shapes that do not fit, values that could reach 2^62); whatever comes from a
// file goes through [Parse] or [Graph.Verify], which return errors.
//
// # Wide values
//
// One lookup takes a computed value of up to 8 bits. One of 9 to 16 bits is taken apart into its bits, the lowest first, by a lookup each: see [ExtractStep]. Shifts, divisions by
// powers of two and remainders by them, masks, and comparisons with a constant are weighted sums of the bits. For any other function the
// same lookups make GGSW ciphertexts of the bits (circuit bootstrapping), and the table, of up to 2^16 entries, is read by selects and turns as a table of an input is. Its result comes
// in digits of four bits; where another table takes it, each is looked up once more. All functions of one value share its bits. From 6 bits on the
// two ways are compared by cost. Wider values are rounded first: [Graph.Round] drops low bits and costs a lookup each.
//
// Input codes of up to 16 bits need no lookups: the client sends their binary digits, or the outcome of a comparison with a constant.
//
// The package does not promise that every valid Graph can be executed on ciphertexts at a reasonable cost: the lowering
// says which subgraph it has no efficient form for.
package compiler
