package tfhe

import (
	"context"
	"fmt"
	"testing"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

// BenchmarkLookup looks up tables of 1 to 8 bits of single results (norm2 = 1), with the parameters that the search finds.
func BenchmarkLookup(b *testing.B) { benchmarkLookup(b, 1) }

// BenchmarkLookupNorm16 has parameters for combinations of squared norm up to 16: four results added up with weights 2, say.
func BenchmarkLookupNorm16(b *testing.B) { benchmarkLookup(b, 16) }

func benchmarkLookup(b *testing.B, nu2 float64) {
	for bits := 1; bits <= 8; bits++ {
		b.Run(fmt.Sprintf("bits=%d", bits), func(b *testing.B) {
			p := searchedLookupSet(b, bits, nu2)
			sk, err := GenerateSecretKey(p)
			if err != nil {
				b.Fatal(err)
			}
			ek, err := GenerateEvaluationKey(context.Background(), sk, nil)
			if err != nil {
				b.Fatal(err)
			}
			key, err := NewServerKey(context.Background(), ek, nil)
			if err != nil {
				b.Fatal(err)
			}
			entries := make([]uint64, 1<<bits)
			for i := range entries {
				entries[i] = uint64(i) << (63 - bits)
			}
			table, err := NewLookupTable(p, entries)
			if err != nil {
				b.Fatal(err)
			}
			for _, batch := range []int{1, 8, 16, 64} {
				for _, threads := range []int{1, 2} {
					b.Run(fmt.Sprintf("batch=%d/threads=%d", batch, threads), func(b *testing.B) {
						boot := NewBootstrapper(p, key, threads)
						defer boot.Close()
						src := make([]LWECiphertext, batch)
						tables := make([]*LookupTable, batch)
						for i := range src {
							src[i] = NewLWE(p.BigDimension())
							rng.New().Uniform(src[i].Mask)
							tables[i] = table
						}
						boot.Run(src, src, tables)
						b.ReportAllocs()
						b.ResetTimer()
						for range b.N {
							boot.Run(src, src, tables)
						}
						b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "lookups/s")
						b.ReportMetric(float64(p.EvaluationKeyBytes()), "key-bytes")
					})
				}
			}
		})
	}
}
