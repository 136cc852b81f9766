package vec

import "encoding/binary"

// Columns is the width in words of a tile of a key.
const Columns = 64

// MaxDigit is the largest absolute value of a digit that multiplies bytes: two products of 255 with it stay below 2^15.
const MaxDigit = 64

// SubMulBytes subtracts from each of several ciphertexts the product of its digits with a plane of bytes of a key:
//
//	dst[q][c] -= sum_r digits[q][r] * key[(r/4*Columns+c)*4+r%4] << shift   modulo 2^32,
//
// for all c below [Columns], the length of each dst[q]; they do not overlap. All digits[q] are of one length, the number of rows, which is a multiple of four,
// and in [-bound, bound] with a bound of 1 to [MaxDigit]; a small bound is fastest. The key's bytes come in quads of rows, [row/4][column][row%4]: instructions
// add up the products of four bytes. A key of words has a plane of bytes for each of their bytes, and digits of more bits than a byte have parts
// with a product each.
//
// Groups of four ciphertexts read the key once. Meanwhile they ask for ahead, which is read next, 64 bytes at a time from its start.
func SubMulBytes(dst [][]uint32, digits [][]int8, key []byte, shift uint, bound int, ahead []byte) {
	if len(dst) != len(digits) {
		panic("vec: ciphertexts do not match their digits")
	}
	if len(dst) == 0 {
		return
	}
	rows := len(digits[0])
	for q := range dst {
		if len(dst[q]) != Columns || len(digits[q]) != rows {
			panic("vec: ciphertexts of different lengths")
		}
	}
	if rows%4 != 0 || len(key) < rows*Columns || bound < 1 || bound > MaxDigit || shift > 31 {
		panic("vec: rows, bound or shift out of range")
	}
	if subMulBytes(dst, digits, key, shift, bound, ahead) {
		return
	}
	for first := 0; first < rows; first += laneRows {
		last := min(first+laneRows, rows)
		for q := range dst {
			subMulLanes((*[Columns]uint32)(dst[q]), digits[q][first:last], key[first*Columns:last*Columns], shift)
		}
	}
}

// laneRows is how many rows subMulLanes adds up at most: sums of 2^17 a quad in 32 bits.
const laneRows = 4 << 14

// subMulLanes is the loop without vector instructions. A word of eight bytes is the quads of two columns. Every second byte of it is a polynomial a0 + a1 X + b0 X^2 + b1 X^3
// at X = 2^16; times d1 + d0 X that has d0 a0 + d1 a1 in X and d0 b0 + d1 b1 in X^3. All its coefficients are below 2^15 in absolute value: with 2^15 added to
// each none borrows from the next.
func subMulLanes(dst *[Columns]uint32, digits []int8, key []byte, shift uint) {
	const (
		even   = 0x00ff00ff00ff00ff
		lift   = 0x8000800080008000
		halves = 0x0000ffff0000ffff
	)
	var sums [Columns / 2]uint64 // of two columns each, in halves
	for r := 0; r+4 <= len(digits); r += 4 {
		d0 := uint64(int64(digits[r+2]) + int64(digits[r])<<16)
		d1 := uint64(int64(digits[r+3]) + int64(digits[r+1])<<16)
		row := key[r*Columns:][:4*Columns]
		for i := range sums {
			x := binary.LittleEndian.Uint64(row[8*i : 8*i+8])
			sums[i] += ((x&even)*d0+lift)>>16&halves + ((x>>8&even)*d1+lift)>>16&halves
		}
	}
	lifted := uint32(len(digits) / 4 << 16)
	for i, s := range sums {
		dst[2*i] -= (uint32(s) - lifted) << shift
		dst[2*i+1] -= (uint32(s>>32) - lifted) << shift
	}
}
