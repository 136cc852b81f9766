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
func guard[W uint32 | uint64](x []W) (inner []W, intact func() bool) {
	all := make([]W, len(x)+2*band)
	for i := range all {
		all[i] = W(77 + i)
	}
	copy(all[band:], x)
	return all[band : band+len(x) : band+len(x)], func() bool {
		for i, v := range all {
			if (i < band || i >= band+len(x)) && v != W(77+i) {
				return false
			}
		}
		return true
	}
}

// words returns n words, a third of them extreme.
func words[W uint32 | uint64](s *rng.Source, n int) []W {
	weird := []uint64{0, 1, math.MaxUint64, 1 << 63, 1<<63 - 1, 1 << 31, 1<<31 - 1, 1<<32 - 1, 1 << 32, 0xffffffff00000000, 0x8000000080000000}
	x := make([]W, n)
	for i := range x {
		x[i] = W(s.Uint64())
		if s.Uint64n(3) == 0 {
			x[i] = W(weird[s.Uint64n(uint64(len(weird)))])
		}
	}
	return x
}

// testSubMul compares with integers of any size.
func testSubMul[W uint32 | uint64, D int32 | int64](t *testing.T, bits uint, subMul func(dst [][]W, digits [][]D, rows []W, stride int)) {
	modulus := new(big.Int).Lsh(big.NewInt(1), bits)
	s := rng.NewSeeded([32]byte{9, byte(bits)})
	for _, count := range []int{0, 1, 2, 3, 4, 5, 7, 9} {
		for _, columns := range []int{0, 1, 3, 8, 15, 16, 17, 31, 32, 33, 64, 67, 130} {
			for _, rowCount := range []int{0, 1, 2, 13} {
				for _, stride := range []int{columns, columns + 5} {
					name := fmt.Sprintf("%d ciphertexts, %d columns, %d rows, stride %d", count, columns, rowCount, stride)
					rows, rowsIntact := guard(words[W](s, max(0, (rowCount-1)*stride+columns)))
					rowsBefore := append([]W(nil), rows...)
					dst, digits, want := make([][]W, count), make([][]D, count), make([][]W, count)
					intact := make([]func() bool, count)
					for q := range dst {
						want[q] = words[W](s, columns)
						dst[q], intact[q] = guard(want[q])
						for _, d := range words[W](s, rowCount) {
							switch s.Uint64n(3) {
							case 0: // of a gadget of base 2^8
								d = d%256 - 128
							case 1:
								d = 0
							}
							digits[q] = append(digits[q], D(d))
						}
						for c := range want[q] {
							sum := new(big.Int).SetUint64(uint64(want[q][c]))
							for r, d := range digits[q] {
								sum.Sub(sum, new(big.Int).Mul(big.NewInt(int64(d)), new(big.Int).SetUint64(uint64(rows[r*stride+c]))))
							}
							want[q][c] = W(sum.Mod(sum, modulus).Uint64())
						}
					}
					subMul(dst, digits, rows, stride)
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

func TestSubMul64(t *testing.T) {
	eachLevel(t, func(t *testing.T) { testSubMul(t, 64, SubMul64) })
}

func TestSubMul32(t *testing.T) {
	eachLevel(t, func(t *testing.T) { testSubMul(t, 32, SubMul32) })
}

// Key switching allocates nothing.
func TestAllocations(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		dst32, digits32, rows32 := [][]uint32{make([]uint32, 70)}, [][]int32{make([]int32, 9)}, make([]uint32, 9*70)
		dst64, digits64, rows64 := [][]uint64{make([]uint64, 70)}, [][]int64{make([]int64, 9)}, make([]uint64, 9*70)
		if n := testing.AllocsPerRun(10, func() {
			SubMul32(dst32, digits32, rows32, 70)
			SubMul64(dst64, digits64, rows64, 70)
		}); n != 0 {
			t.Errorf("%g allocations", n)
		}
	})
}

func TestMisuse(t *testing.T) {
	w, d := make([]uint64, 8), make([]int64, 2)
	for name, call := range map[string]func(){
		"digits of too few":   func() { SubMul64([][]uint64{w[:4]}, nil, w, 4) },
		"different digits":    func() { SubMul64([][]uint64{w[:4], w[4:]}, [][]int64{d, d[:1]}, w, 4) },
		"different columns":   func() { SubMul64([][]uint64{w[:4], w[4:7]}, [][]int64{d, d}, w, 4) },
		"key too short":       func() { SubMul64([][]uint64{w[:4]}, [][]int64{d}, w[:7], 4) },
		"stride too short":    func() { SubMul64([][]uint64{w[:4]}, [][]int64{d}, w, 3) },
		"key too short by 32": func() { SubMul32([][]uint32{make([]uint32, 64)}, [][]int32{{1}}, make([]uint32, 63), 64) },
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
	bench := func(name string, count int, run func()) {
		for l, levelName := range levelNames {
			b.Run(fmt.Sprintf("%s/batch=%d/%s", name, count, levelName), func(b *testing.B) {
				defer setLevel(l)()
				for b.Loop() {
					run()
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*count), "us/ciphertext")
			})
		}
	}
	s := rng.NewSeeded([32]byte{1})
	key32, key64 := words[uint32](s, rows*columns), words[uint64](s, rows*columns)
	for _, count := range []int{1, 4, 8} {
		dst32, digits32, dst64, digits64 := make([][]uint32, count), make([][]int32, count), make([][]uint64, count), make([][]int64, count)
		for q := range count {
			dst32[q], dst64[q], digits32[q], digits64[q] = make([]uint32, columns), make([]uint64, columns), make([]int32, rows), make([]int64, rows)
			for r := range rows {
				digits64[q][r] = int64(s.Uint64n(33)) - 16
				digits32[q][r] = int32(digits64[q][r])
			}
		}
		tile32, tile64 := make([][]uint32, count), make([][]uint64, count)
		bench("32", count, func() {
			for c := 0; c < columns; c += 64 {
				for q := range count {
					tile32[q] = dst32[q][c:][:64]
				}
				SubMul32(tile32, digits32, key32[c*rows:][:64*rows], 64)
			}
		})
		bench("64", count, func() {
			for c := 0; c < columns; c += 32 {
				for q := range count {
					tile64[q] = dst64[q][c:][:32]
				}
				SubMul64(tile64, digits64, key64[c*rows:][:32*rows], 32)
			}
		})
	}
}
