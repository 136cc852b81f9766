// Package tfhe is the encryption scheme that fhe-ml computes with: TFHE (CGGI, eprint 2018/421) over the torus of 64-bit words.
//
// It offers three operations on encrypted integers. An affine combination with clear weights costs microseconds and only
// adds noise. A select ([Evaluator.CMUX], [Evaluator.Rotate]) takes one of two encrypted values by a bit that the client encrypted as a GGSW
// ciphertext. A lookup ([Evaluator.Bootstrap]) maps a computed value through a table and resets its noise; it alone needs a bootstrapping key.
//
// [NewParameters] is the only way to a parameter set, and refuses one below 128 bits of security. A [SecretKey]
// encrypts and decrypts; an [EvaluationKey] travels to the server as a seed and integer bodies, and is expanded once by [NewServerKey].
// An [Evaluator] owns scratch memory: one for each goroutine.
//
// Names follow the papers: q = 2^64, N polynomial degree, k GLWE dimension, n small LWE dimension, a gadget of base B = 2^b with l levels,
// sigma the noise deviation relative to q. A ciphertext's phase is its body minus the inner product of its mask with the key.
//
// The package promises neither constant time in general nor protection against a server that returns wrong results: see SECURITY.md.
package tfhe
