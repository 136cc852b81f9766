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
// # Speed
//
// Where the time of a lookup goes, and how far from the machine's limits that is: N = 2048, n = 888 in 222 blocks of four, one level, one part (the default of
// 4 bits), AVX-512 kernels on one 3.6 GHz Zen 4 core with 1 MB of second-level cache; fastest runs of the benchmarks in tfhe/internal/fft and here.
//
//	phase                         a block     a lookup   limit
//	2 forward FFT with digits     2.4 us      0.53 ms    1.5x the count of vector operations
//	block product, 128 vectors    3.1 us      0.68 ms    1.04x the FMA pipe's limit: 83 cycles a vector
//	2 inverse FFT with sums       2.5 us      0.55 ms    1.6x the count of vector operations
//	key switch in a batch                     0.09 ms    1.2x the multiplier's limit: bytes of 24-bit words by digits, 64 products at a time
//	memory, 8 or more together                0.3 ms     44 + 16 MB of key, read once for the batch
//	all, in a batch                           2.2 ms
//	memory, one lookup alone                  1.3 ms     60 MB at 30 GB/s take 2.0 ms, of which 0.6 for the key switch; the rest behind the arithmetic
//	all, one lookup alone                     3.2 ms
//
// Alone a lookup is bound by memory, in a batch by arithmetic. The numbers of a key of tables in one part have 48 bits, a quarter less to read, where the noise leaves room for
// their rounding; those of the key switch 24. A table in m parts does m times the transforms and products with the same key, and so is
// bound by arithmetic always: its products ask for the key some vectors ahead of its use. Two goroutines that walk the key together ([Bootstrapper]) share what they
// read in the third-level cache. Rings of degree 1024 and 512 with two and three masks, which [SearchLookup] takes for up to 3 bits, multiply as much, but
// transform two thirds and two fifths as much: a batch of 2-bit lookups takes 1.3 ms each.
//
// Names follow the papers: q = 2^64, N polynomial degree, k GLWE dimension, n small LWE dimension, a gadget of base B = 2^b with l levels,
// sigma the noise deviation relative to q. A ciphertext's phase is its body minus the inner product of its mask with the key.
//
// The package promises neither constant time in general nor protection against a server that returns wrong results: see SECURITY.md.
package tfhe
