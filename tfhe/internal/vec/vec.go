// Package vec has the inner loops over torus words that are not transforms: the products of key switching, modulo 2^32, and sums and multiples of
// polynomials, modulo 2^64. Integer arithmetic, so that every implementation gives the same words.
package vec

// SubMul32 subtracts from each of several ciphertexts the product of its digits with rows of a key:
//
//	dst[q][c] -= sum_r digits[q][r] * rows[r*stride+c]   modulo 2^32,
//
// for all c below the length of the dst[q], which are all of one length and do not overlap. All digits[q] are of one length, the number
// of rows. It is fastest in groups of four ciphertexts, with lengths that are multiples of 64, and reads rows
// once for each group. A key in tiles of 64 columns, [tile][row][64], is read in sequence: one call for each tile, with stride 64.
func SubMul32(dst [][]uint32, digits [][]int32, rows []uint32, stride int) {
	check(dst, digits, len(rows), stride)
	done := subMul32(dst, digits, rows, stride)
	subMulGo(dst, digits, rows, stride, done)
}

func check(dst [][]uint32, digits [][]int32, words, stride int) {
	if len(dst) != len(digits) {
		panic("vec: ciphertexts do not match their digits")
	}
	for q := range dst {
		if len(dst[q]) != len(dst[0]) || len(digits[q]) != len(digits[0]) {
			panic("vec: ciphertexts of different lengths")
		}
	}
	if len(dst) == 0 || len(digits[0]) == 0 {
		return
	}
	if stride < len(dst[0]) || words < (len(digits[0])-1)*stride+len(dst[0]) {
		panic("vec: rows are shorter than ciphertexts")
	}
}

// subMulGo is the loop, for columns from the given one on.
func subMulGo(dst [][]uint32, digits [][]int32, rows []uint32, stride, from int) {
	for q, out := range dst {
		out = out[from:]
		if len(out) == 0 {
			continue
		}
		for r, d := range digits[q] {
			if d == 0 {
				continue
			}
			u, row := uint32(d), rows[r*stride+from:][:len(out)]
			for c, v := range row {
				out[c] -= u * v
			}
		}
	}
}
