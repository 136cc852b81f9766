// Package onnx imports trained models from ONNX files.
//
// A file goes through four steps:
//
//  1. A pre-pass (wire.go, tensor.go, check.go) reads the protobuf wire format, bounded by the bytes
//     present: IR version, producer, opsets, node names and domains, inputs and outputs, tensors.
//     It refuses what is malformed (sizes that do not fit, cycles, values defined twice or never) and
//     what no later step can use (local functions, control flow, sparse tensors).
//  2. The checked file is written again (normalize.go) in the subset of ONNX that
//     github.com/owulveryck/onnx-go v0.5.0 reads without loss, and onnx-go decodes it into a recorder
//     (record.go): the operators in topological order with ordered inputs, attributes and tensors.
//  3. Symbolic evaluation (graph.go, affine.go, ...): every value of the graph is a constant, an affine
//     function in float64 of the raw features, of a hidden layer or of a tree ensemble, or a label.
//     Scalers, batch normalisation, casts and reshapes disappear in it, and so do convolutions and average pools; what a
//     convolution was is remembered, and read back from the columns for the model (conv.go). Activations are functions of
//     one pre-activation, however many operators an exporter writes them in (function.go).
//  4. The graph's outputs are recognised from behind (tail.go): links (sigmoid, softmax, exp), pairs
//     [1-p, p] and [-s, s], the label rule; what remains is a linear model, a tree ensemble or a
//     network of package models.
//
// What reads single columns of a row and is no affine function (encoders of categories, imputers, normalisers of rows,
// comparisons, products) becomes a step of a quantize.Pipeline (clear.go, encode.go, compare.go), which the client computes
// before it encrypts; the report says so. Weighted sums of columns are not put there: they would hand weights of the model
// to the client. The exception are sums before trees, principal components say, of which the report warns.
//
// Graphs that are no such model, of integer and floating-point operators, become programs over integers (program.go and program_*.go): ImportProgram, given the
// bounds of their inputs, translates them node by node to package numpy's builder. Steps 1 and 2 are the same, and so is what these refuse: control flow,
// local functions, sparse tensors.
//
// The operators and attributes are those of the ONNX specification, https://onnx.ai/onnx/operators/,
// and where that is silent, of onnxruntime. Exceptions are named at the operator.
package onnx
