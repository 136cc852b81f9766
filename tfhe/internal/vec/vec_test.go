package vec

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

// eachLevel runs a test with every instruction set of the machine.
func eachLevel(t *testing.T, f func(t *testing.T)) {
	for l, name := range levelNames {
		t.Run(name, func(t *testing.T) {
			defer setLevel(l)()
			f(t)
		})
	}
}

const band = 21

// guard returns x between bands, at no particular alignment, and a check that nothing wrote to them.
func guard(x []uint32) (inner []uint32, intact func() bool) {
	all := make([]uint32, len(x)+2*band)
	for i := range all {
		all[i] = uint32(77 + i)
	}
	copy(all[band:], x)
	return all[band : band+len(x) : band+len(x)], func() bool {
		for i, v := range all {
			if (i < band || i >= band+len(x)) && v != uint32(77+i) {
				return false
			}
		}
		return true
	}
}

// words returns n words, a third of them extreme.
func words(s *rng.Source, n int) []uint32 {
	weird := []uint32{0, 1, math.MaxUint32, 1 << 31, 1<<31 - 1, 1<<31 + 1, 1 << 16, 1<<16 - 1, 0xffff0000, 0x80008000}
	x := make([]uint32, n)
	for i := range x {
		x[i] = uint32(s.Uint64())
		if s.Uint64n(3) == 0 {
			x[i] = weird[s.Uint64n(uint64(len(weird)))]
		}
	}
	return x
}

// Key switching, compared with integers of any size.
func TestSubMul32(t *testing.T) { eachLevel(t, testSubMul32) }

func testSubMul32(t *testing.T) {
	modulus := new(big.Int).Lsh(big.NewInt(1), 32)
	s := rng.NewSeeded([32]byte{9, 32})
	for _, count := range []int{0, 1, 2, 3, 4, 5, 7, 9} {
		for _, columns := range []int{0, 1, 3, 8, 15, 16, 17, 31, 32, 33, 64, 67, 130} {
			for _, rowCount := range []int{0, 1, 2, 13} {
				for _, stride := range []int{columns, columns + 5} {
					name := fmt.Sprintf("%d ciphertexts, %d columns, %d rows, stride %d", count, columns, rowCount, stride)
					rows, rowsIntact := guard(words(s, max(0, (rowCount-1)*stride+columns)))
					rowsBefore := append([]uint32(nil), rows...)
					dst, digits, want := make([][]uint32, count), make([][]int32, count), make([][]uint32, count)
					intact := make([]func() bool, count)
					for q := range dst {
						want[q] = words(s, columns)
						dst[q], intact[q] = guard(want[q])
						for _, d := range words(s, rowCount) {
							switch s.Uint64n(3) {
							case 0: // of a gadget of base 2^8
								d = d%256 - 128
							case 1:
								d = 0
							}
							digits[q] = append(digits[q], int32(d))
						}
						for c := range want[q] {
							sum := new(big.Int).SetUint64(uint64(want[q][c]))
							for r, d := range digits[q] {
								sum.Sub(sum, new(big.Int).Mul(big.NewInt(int64(d)), new(big.Int).SetUint64(uint64(rows[r*stride+c]))))
							}
							want[q][c] = uint32(sum.Mod(sum, modulus).Uint64())
						}
					}
					SubMul32(dst, digits, rows, stride)
					for q := range dst {
						for c := range dst[q] {
							if dst[q][c] != want[q][c] {
								t.Fatalf("%s: word %d of ciphertext %d is %#x, want %#x", name, c, q, dst[q][c], want[q][c])
							}
						}
						if !intact[q]() {
							t.Fatalf("%s: written outside of ciphertext %d", name, q)
						}
					}
					for i := range rows {
						if rows[i] != rowsBefore[i] {
							t.Fatalf("%s: the key changed", name)
						}
					}
					if !rowsIntact() {
						t.Fatalf("%s: written outside of the key", name)
					}
				}
			}
		}
	}
}

// Key switching allocates nothing.
func TestAllocations(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		dst, digits, rows := [][]uint32{make([]uint32, 70)}, [][]int32{make([]int32, 9)}, make([]uint32, 9*70)
		if n := testing.AllocsPerRun(10, func() {
			SubMul32(dst, digits, rows, 70)
		}); n != 0 {
			t.Errorf("%g allocations", n)
		}
	})
}

func TestMisuse(t *testing.T) {
	w, d := make([]uint32, 8), make([]int32, 2)
	for name, call := range map[string]func(){
		"digits of too few":  func() { SubMul32([][]uint32{w[:4]}, nil, w, 4) },
		"different digits":   func() { SubMul32([][]uint32{w[:4], w[4:]}, [][]int32{d, d[:1]}, w, 4) },
		"different columns":  func() { SubMul32([][]uint32{w[:4], w[4:7]}, [][]int32{d, d}, w, 4) },
		"key too short":      func() { SubMul32([][]uint32{w[:4]}, [][]int32{d}, w[:7], 4) },
		"stride too short":   func() { SubMul32([][]uint32{w[:4]}, [][]int32{d}, w, 3) },
		"key too short by 1": func() { SubMul32([][]uint32{make([]uint32, 64)}, [][]int32{{1}}, make([]uint32, 63), 64) },
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

// BenchmarkSubMul is the key switch of one ciphertext of a 4-bit parameter set: 1248 coefficients in 3 digits onto 800, in tiles.
func BenchmarkSubMul(b *testing.B) {
	const rows, columns = 1248 * 3, 832
	s := rng.NewSeeded([32]byte{1})
	key := words(s, rows*columns)
	for _, count := range []int{1, 4, 8} {
		dst, digits, tile := make([][]uint32, count), make([][]int32, count), make([][]uint32, count)
		for q := range count {
			dst[q], digits[q] = make([]uint32, columns), make([]int32, rows)
			for r := range rows {
				digits[q][r] = int32(s.Uint64n(33)) - 16
			}
		}
		for l, levelName := range levelNames {
			b.Run(fmt.Sprintf("batch=%d/%s", count, levelName), func(b *testing.B) {
				defer setLevel(l)()
				for b.Loop() {
					for c := 0; c < columns; c += 64 {
						for q := range count {
							tile[q] = dst[q][c:][:64]
						}
						SubMul32(tile, digits, key[c*rows:][:64*rows], 64)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*count), "us/ciphertext")
			})
		}
	}
}
