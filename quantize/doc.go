// Package quantize turns floats into small unsigned integers and back: the part of a model that a client runs in the clear.
//
// [Preprocessing] encodes a row of features as codes of at most 7 bits, one per [Coder]. An affine coder lays a grid of up
// to 128 steps over the range that calibration data showed ([Calibrate]). A rank coder ([RankCoders]) counts the model's own
// thresholds below the value, so that every comparison of a tree on codes is exactly the comparison on floats; missing
// values (NaN) get a code of their own.
//
// [Postprocessing] turns the integers that come back into raw scores, a label, and scores such as probabilities.
//
// One model file gives the same codes on every machine: products that a compiler might fuse with an addition are rounded
// explicitly (float64(x*y)), and features of a single-precision model are rounded to float32 first.
package quantize
