package tfhe

import (
	"fmt"
	"testing"
)

// packedBenchmarks are gadgets for one tree and for ensembles.
var packedBenchmarks = []PackedParams{packed7, packed11}

func benchPacked(b *testing.B, f func(b *testing.B, k packedSet)) {
	for _, pp := range packedBenchmarks {
		b.Run(fmt.Sprintf("L=%d,E=%v,S=%v,C=%v", pp.Log2Slots, pp.Expand, pp.Switch, pp.Select), func(b *testing.B) {
			f(b, packedKeys(b, ternarySet, pp))
		})
	}
}

// BenchmarkAutomorphism is the key switch of an automorphism and the images of its polynomials.
func BenchmarkAutomorphism(b *testing.B) {
	benchPacked(b, func(b *testing.B, k packedSet) {
		ct := k.randomGLWE()
		for b.Loop() {
			k.x.preimage(ct, 1)
			automorphism(k.x.image, k.x.turn.Mask, 3)
			automorphism(k.x.image, k.x.turn.Body, 3)
		}
	})
}

// BenchmarkExpandRow is the time of one row of a full ciphertext.
func BenchmarkExpandRow(b *testing.B) {
	benchPacked(b, func(b *testing.B, k packedSet) {
		q := k.query(b, randomBits(1<<k.pp.Log2Slots/k.pp.Select.Levels))
		for b.Loop() {
			k.x.Rows(q, 0, q.Rows(), func(int, GLWECiphertext) {})
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(q.Rows()), "ns/row")
	})
}

// BenchmarkSwitchRow is the pair of Fourier rows that a row becomes.
func BenchmarkSwitchRow(b *testing.B) {
	for _, form := range []SwitchForm{SwitchPlain, SwitchSplit, SwitchFused} {
		b.Run(form.String(), func(b *testing.B) {
			benchPacked(b, func(b *testing.B, k packedSet) {
				k.pp.Form = form
				k = packedKeys(b, ternarySet, k.pp)
				row, dst := k.randomGLWE(), make([]*FourierGGSW, 32)
				for i := range dst {
					dst[i] = NewFourierGGSW(k.p, k.pp.Select)
				}
				i := 0
				for b.Loop() {
					k.x.SwitchRow(dst[i%32], i/32%k.pp.Select.Levels, row)
					i++
				}
			})
		})
	}
}

// BenchmarkSelectors is the whole conversion of 60 bits (120 or 240 rows) on one core.
func BenchmarkSelectors(b *testing.B) {
	benchPacked(b, func(b *testing.B, k packedSet) {
		q, dst := k.query(b, randomBits(60)), make([]*FourierGGSW, 60)
		for b.Loop() {
			k.x.Selectors(dst, q, 0)
		}
	})
}

func BenchmarkGenerateExpansionKey(b *testing.B) {
	benchPacked(b, func(b *testing.B, k packedSet) {
		for b.Loop() {
			if _, err := GenerateExpansionKey(k.sk, k.pp); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkNewServerExpansionKey(b *testing.B) {
	benchPacked(b, func(b *testing.B, k packedSet) {
		for b.Loop() {
			NewServerExpansionKey(k.key)
		}
	})
}

func BenchmarkPackBits(b *testing.B) {
	benchPacked(b, func(b *testing.B, k packedSet) {
		bits := randomBits(60)
		bodies := make([]uint64, k.pp.Ciphertexts(60)*k.p.N())
		enc := NewEncryptor(k.sk)
		for b.Loop() {
			enc.PackBits(bodies, bits, k.pp)
		}
	})
}
