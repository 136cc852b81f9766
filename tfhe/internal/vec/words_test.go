package vec

import (
	"math/big"
	"testing"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

// TestWords compares the loops over words of 8 bytes with integers of any size, at every length around those of registers.
func TestWords(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		s := rng.NewSeeded([32]byte{7, 64})
		draw := func(n int) []uint64 {
			x := make([]uint64, n)
			for i := range x {
				x[i] = s.Uint64()
				if s.Uint64n(4) == 0 {
					x[i] = []uint64{0, 1, 1<<64 - 1, 1 << 63, 1 << 32, 1<<32 - 1}[s.Uint64n(6)]
				}
			}
			return x
		}
		integer := func(x uint64) *big.Int { return new(big.Int).SetUint64(x) }
		modulus := new(big.Int).Lsh(big.NewInt(1), 64)
		word := func(x *big.Int) uint64 { return x.Mod(x, modulus).Uint64() }
		for n := range 70 {
			x, y, z := draw(n+2), draw(n), draw(n)
			k := draw(1)[0]
			guard := [2]uint64{x[0], x[n+1]}
			in := append([]uint64(nil), x[1:n+1]...)
			inner := x[1 : n+1 : n+1]
			check := func(name string, i int, got uint64, want *big.Int) {
				if got != word(want) {
					t.Fatalf("%s of %d words: word %d is %#x, want %#x", name, n, i, got, want)
				}
				if guard != [2]uint64{x[0], x[n+1]} {
					t.Fatalf("%s of %d words writes outside", name, n)
				}
			}
			AddSub64(z, inner, inner, y)
			for i := range in {
				check("sum", i, z[i], new(big.Int).Add(integer(in[i]), integer(y[i])))
				check("difference", i, inner[i], new(big.Int).Sub(integer(in[i]), integer(y[i])))
			}
			for _, shift := range []int{1, 3, 8} {
				if n < shift {
					continue
				}
				copy(inner, in)
				AddSub64(z[shift:], inner[:n-shift], inner[shift:], y[shift:])
				for i := shift; i < n; i++ {
					check("moved difference", i, inner[i-shift], new(big.Int).Sub(integer(in[i]), integer(y[i])))
				}
			}
			copy(inner, in)
			Sub64(inner, inner, y)
			for i := range in {
				check("sub", i, inner[i], new(big.Int).Sub(integer(in[i]), integer(y[i])))
			}
			copy(inner, in)
			Add64(inner, y)
			for i := range in {
				check("add", i, inner[i], new(big.Int).Add(integer(in[i]), integer(y[i])))
			}
			copy(inner, in)
			MulAdd64(inner, y, k)
			for i := range in {
				check("mulAdd", i, inner[i], new(big.Int).Add(integer(in[i]), new(big.Int).Mul(integer(k), integer(y[i]))))
			}
		}
	})
}

// TestAutomorphism64 compares with the definition, one coefficient at a time.
func TestAutomorphism64(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		s := rng.NewSeeded([32]byte{8, 64})
		for _, n := range []int{1, 2, 4, 16, 64, 2048} {
			src, dst, want := make([]uint64, n), make([]uint64, n+1), make([]uint64, n)
			for range 10 {
				g := 2*int(s.Uint64n(uint64(n))) + 1
				for j := range src {
					src[j] = s.Uint64()
					if e := j * g % (2 * n); e < n {
						want[e] = src[j]
					} else {
						want[e-n] = -src[j]
					}
				}
				dst[n] = 7
				Automorphism64(dst[:n], src, g)
				for j := range want {
					if dst[j] != want[j] || dst[n] != 7 {
						t.Fatalf("n = %d, g = %d: coefficient %d is %#x, want %#x", n, g, j, dst[j], want[j])
					}
				}
			}
		}
	})
}

func BenchmarkWords(b *testing.B) {
	x, y, z := make([]uint64, 2048), make([]uint64, 2048), make([]uint64, 2048)
	for l, name := range levelNames {
		b.Run("addSub/"+name, func(b *testing.B) {
			defer setLevel(l)()
			for b.Loop() {
				AddSub64(z, x, x, y)
			}
		})
		b.Run("mulAdd/"+name, func(b *testing.B) {
			defer setLevel(l)()
			for b.Loop() {
				MulAdd64(x, y, 12345)
			}
		})
		b.Run("automorphism/"+name, func(b *testing.B) {
			defer setLevel(l)()
			for b.Loop() {
				Automorphism64(x, y, 3)
			}
		})
	}
}
