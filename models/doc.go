// Package models holds trained models as plain data.
//
// A [Model] is what an importer reads from a file: a [Linear] model, an [Additive] one (naive Bayes, binned and spline models),
// a [TreeEnsemble] or a [Network], each with the numbers of the file and an [Info] that says what the scores mean. [Predict]
// answers one row in floating point, as the tool that trained the model would.
//
// [Model.Quantize] returns the same model over integers, a [Quantized]: codes of at most 7 bits in, a compiler.Graph, and
// integers out that a client turns into labels and scores. [Quantized.Predict] answers a row with it, in the clear; what an
// encrypted prediction returns is equal to that, bit for bit.
//
// Trees lose nothing by it: a feature becomes its rank among the model's own thresholds, so every comparison comes out as in
// floating point, and leaves keep enough bits that labels agree. So do additive models of steps. Linear models, networks and
// the curves of additive models need rows of calibration data for the range of their features.
package models
