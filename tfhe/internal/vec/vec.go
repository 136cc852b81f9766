// Package vec has the inner loops over torus words that are not transforms: the products of key switching. Arithmetic is modulo 2^64 or
// 2^32, so that every implementation gives the same words.
package vec

// SubMul64 subtracts from each of several ciphertexts the product of its digits with rows of a key:
//
//	dst[q][c] -= sum_r digits[q][r] * rows[r*stride+c]   modulo 2^64,
//
// for all c below the length of the dst[q], which are all of one length and do not overlap. All digits[q] are of one length, the number
// of rows. It is fastest in groups of four ciphertexts, with lengths that are multiples of 32, and reads rows
// once for each group. A key in tiles of 32 columns, [tile][row][32], is read in sequence: one call for each tile, with stride 32.
func SubMul64(dst [][]uint64, digits [][]int64, rows []uint64, stride int) {
	check(dst, digits, len(rows), stride)
	done := subMul64(dst, digits, rows, stride)
	subMulGo(dst, digits, rows, stride, done)
}

// SubMul32 is SubMul64 for words modulo 2^32. Tiles have 64 columns.
func SubMul32(dst [][]uint32, digits [][]int32, rows []uint32, stride int) {
	check(dst, digits, len(rows), stride)
	done := subMul32(dst, digits, rows, stride)
	subMulGo(dst, digits, rows, stride, done)
}

func check[W uint32 | uint64, D int32 | int64](dst [][]W, digits [][]D, words, stride int) {
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
func subMulGo[W uint32 | uint64, D int32 | int64](dst [][]W, digits [][]D, rows []W, stride, from int) {
	for q, out := range dst {
		out = out[from:]
		if len(out) == 0 {
			continue
		}
		for r, d := range digits[q] {
			if d == 0 {
				continue
			}
			u, row := W(d), rows[r*stride+from:][:len(out)]
			for c, v := range row {
				out[c] -= u * v
			}
		}
	}
}
