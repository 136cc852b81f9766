package vec

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"testing"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

const band = 21

// guard returns x between bands, at no particular alignment, and a check that nothing wrote to them.
func guard[T byte | int8 | uint32](x []T) (inner []T, intact func() bool) {
	all := make([]T, len(x)+2*band)
	for i := range all {
		all[i] = T(77 + i)
	}
	copy(all[band:], x)
	return all[band : band+len(x) : band+len(x)], func() bool {
		for i, v := range all {
			if (i < band || i >= band+len(x)) && v != T(77+i) {
				return false
			}
		}
		return true
	}
}

// draw returns n values of which a third are from the given ones.
func draw[T byte | int8 | uint32](s *rng.Source, n int, value func(uint64) T, extreme ...T) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = value(s.Uint64())
		if s.Uint64n(3) == 0 {
			x[i] = extreme[s.Uint64n(uint64(len(extreme)))]
		}
	}
	return x
}

func drawKey(s *rng.Source, n int) []byte {
	return draw(s, n, func(v uint64) byte { return byte(v) }, 0, 1, 127, 128, 255, 255, 255)
}

func drawDigits(s *rng.Source, n, bound int) []int8 {
	return draw(s, n, func(v uint64) int8 { return int8(int(v%uint64(2*bound+1)) - bound) }, 0, int8(bound), int8(-bound))
}

// TestSubMulBytes compares with integers of any size, at the extremes of digits and bytes, for every number of ciphertexts that calls are made of.
func TestSubMulBytes(t *testing.T) { eachLevel(t, testSubMulBytes) }

func testSubMulBytes(t *testing.T) {
	modulus := new(big.Int).Lsh(big.NewInt(1), 32)
	s := rng.NewSeeded([32]byte{9, 32})
	for _, count := range []int{0, 1, 2, 3, 4, 5, 7, 8, 9} {
		for _, rows := range []int{0, 4, 8, 52, 68, 72, 132} { // 16 quads of bound 4 fit 16 bits
			for _, bound := range []int{1, 2, 4, 5, 16, 32, MaxDigit} {
				for _, shift := range []uint{0, 8, 24, 31} {
					for _, extreme := range []bool{false, true} {
						name := fmt.Sprintf("%d ciphertexts, %d rows, bound %d, shift %d", count, rows, bound, shift)
						keyBytes := drawKey(s, rows*Columns)
						if extreme {
							for i := range keyBytes {
								keyBytes[i] = 255
							}
						}
						key, keyIntact := guard(keyBytes)
						var dst, want [][]uint32
						var digits [][]int8
						var intact []func() bool
						for q := range count {
							row := drawDigits(s, rows, bound)
							if extreme { // of one sign: the largest sums
								for r := range row {
									row[r] = int8(bound * (1 - q%2*2))
								}
							}
							d, digitsIntact := guard(row)
							w := draw(s, Columns, func(v uint64) uint32 { return uint32(v) }, 0, 1, math.MaxUint32, 1<<31, 1<<31-1)
							out, outIntact := guard(w)
							dst, digits, want = append(dst, out), append(digits, d), append(want, w)
							intact = append(intact, digitsIntact, outIntact)
							for c := range w {
								sum := new(big.Int)
								for r := range rows {
									sum.Add(sum, new(big.Int).Mul(big.NewInt(int64(d[r])), big.NewInt(int64(key[(r/4*Columns+c)*4+r%4]))))
								}
								sum.Lsh(sum, shift).Sub(new(big.Int).SetUint64(uint64(w[c])), sum)
								w[c] = uint32(sum.Mod(sum, modulus).Uint64())
							}
						}
						SubMulBytes(dst, digits, key, shift, bound, key[min(rows, 3):])
						for q := range dst {
							for c := range dst[q] {
								if dst[q][c] != want[q][c] {
									t.Fatalf("%s: word %d of ciphertext %d is %#x, want %#x", name, c, q, dst[q][c], want[q][c])
								}
							}
						}
						for _, f := range intact {
							if !f() {
								t.Fatalf("%s: written outside", name)
							}
						}
						if !keyIntact() || !bytes.Equal(key, keyBytes) {
							t.Fatalf("%s: the key changed", name)
						}
					}
				}
			}
		}
	}
}

// TestSubMulBytesLong has more rows than the sums of any implementation hold.
func TestSubMulBytesLong(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		const rows = 2*laneRows + 4
		key, digits := bytes.Repeat([]byte{255}, rows*Columns), make([]int8, rows)
		for r := range digits {
			digits[r] = -MaxDigit
		}
		dst := make([]uint32, Columns)
		SubMulBytes([][]uint32{dst}, [][]int8{digits}, key, 1, MaxDigit, nil)
		for c, v := range dst {
			if v != rows*255*MaxDigit*2%(1<<32) {
				t.Fatalf("word %d is %d", c, v)
			}
		}
	})
}

// Key switching allocates nothing.
func TestAllocations(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		dst, digits, key := [][]uint32{make([]uint32, Columns)}, [][]int8{make([]int8, 12)}, make([]byte, 12*Columns)
		if n := testing.AllocsPerRun(10, func() {
			SubMulBytes(dst, digits, key, 8, 4, key)
		}); n != 0 {
			t.Errorf("%g allocations", n)
		}
	})
}

func TestMisuse(t *testing.T) {
	w, d, k := make([]uint32, 2*Columns), make([]int8, 16), make([]byte, 8*Columns)
	one, two := [][]uint32{w[:Columns]}, [][]uint32{w[:Columns], w[Columns:]}
	for name, call := range map[string]func(){
		"digits of too few": func() { SubMulBytes(one, nil, k, 0, 4, nil) },
		"different digits":  func() { SubMulBytes(two, [][]int8{d[:8], d[:4]}, k, 0, 4, nil) },
		"different columns": func() { SubMulBytes([][]uint32{w[:Columns], w[Columns+1:]}, [][]int8{d[:8], d[8:]}, k, 0, 4, nil) },
		"few columns":       func() { SubMulBytes([][]uint32{w[:Columns-1]}, [][]int8{d[:8]}, k, 0, 4, nil) },
		"part of a quad":    func() { SubMulBytes(one, [][]int8{d[:7]}, k, 0, 4, nil) },
		"key too short":     func() { SubMulBytes(one, [][]int8{d[:8]}, k[1:], 0, 4, nil) },
		"bound too large":   func() { SubMulBytes(one, [][]int8{d[:8]}, k, 0, MaxDigit+1, nil) },
		"no bound":          func() { SubMulBytes(one, [][]int8{d[:8]}, k, 0, 0, nil) },
		"shift too large":   func() { SubMulBytes(one, [][]int8{d[:8]}, k, 32, 4, nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}

// BenchmarkSubMulBytes is the key switch of ciphertexts of a 4-bit parameter set: 1164 coefficients in 5 digits onto 885 words of three bytes, in chunks of 512 rows.
// One key after the other is used, more than caches hold.
func BenchmarkSubMulBytes(b *testing.B) {
	const rows, tiles, chunk, keys = 1164 * 5, 14, 512, 5
	const size = 3 * tiles * rows * Columns
	s := rng.NewSeeded([32]byte{1})
	key := bytes.Repeat(drawKey(s, size), keys)
	for _, count := range []int{1, 4, 8, 32} {
		dst, digits := make([][]uint32, count), make([][]int8, count)
		for q := range count {
			dst[q], digits[q] = make([]uint32, tiles*Columns), drawDigits(s, rows, 4)
		}
		tile, part := make([][]uint32, count), make([][]int8, count)
		for l, levelName := range levelNames {
			b.Run(fmt.Sprintf("batch=%d/%s", count, levelName), func(b *testing.B) {
				defer setLevel(l)()
				turn := 0
				for b.Loop() {
					turn = (turn + 1) % keys
					for c := range 3 * tiles {
						for q := range count {
							tile[q] = dst[q][c/3*Columns:][:Columns]
						}
						for r := 0; r < rows; r += chunk {
							end := min(r+chunk, rows)
							for q := range count {
								part[q] = digits[q][r:end]
							}
							plane := key[turn*size+c*rows*Columns:]
							ahead := plane[end*Columns:]
							SubMulBytes(tile, part, plane[r*Columns:end*Columns], uint(8+c%3*8), 4, ahead[:min(len(ahead), chunk*Columns)])
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*count), "us/ciphertext")
			})
		}
	}
}
