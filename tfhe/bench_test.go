package tfhe

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkCMUX is one select of two ciphertexts at N = 2048, for the gadgets of circuits without lookups.
func BenchmarkCMUX(b *testing.B) {
	k := keysOf(b, ternarySet)
	for _, g := range []GadgetParams{{23, 1}, {14, 2}, {10, 3}} {
		b.Run(g.String(), func(b *testing.B) {
			bit, ev := k.encryptBit(1, g), k.evaluator(g)
			lo, hi, dst := k.randomGLWE(), k.randomGLWE(), NewGLWE(k.p)
			for b.Loop() {
				ev.CMUX(dst, bit, lo, hi)
			}
		})
	}
}

func BenchmarkBootstrap(b *testing.B) {
	for bits := 1; bits <= 5; bits++ {
		lit := defaultLookupSet(b, bits).lit
		b.Run(fmt.Sprintf("bits=%d", bits), func(b *testing.B) {
			k := keysOf(b, lit)
			table, err := NewLookupTable(k.p, randomWords(1<<bits))
			if err != nil {
				b.Fatal(err)
			}
			ct := k.encryptLWE(0)
			for b.Loop() {
				k.ev.Bootstrap(&ct, &ct, table)
			}
			b.ReportMetric(float64(k.p.EvaluationKeyBytes())/1e6, "key-MB")
		})
	}
}

func BenchmarkKeySwitch(b *testing.B) {
	k := keysOf(b, set4)
	in := k.encryptLWE(0)
	for b.Loop() {
		k.keySwitch(&in)
	}
}

func BenchmarkLoadGGSW(b *testing.B) {
	k := keysOf(b, ternarySet)
	for _, g := range []GadgetParams{{23, 1}, {14, 2}} {
		b.Run(g.String(), func(b *testing.B) {
			bodies := make([]uint64, 2*g.Levels*k.p.N())
			enc := NewEncryptor(k.sk)
			enc.GGSW(bodies, 1, g)
			dst := NewFourierGGSW(k.p, g)
			masks := NewMaskReader(enc.Seed())
			for b.Loop() {
				k.ev.LoadGGSW(dst, bodies, masks)
			}
		})
	}
}

func BenchmarkEncryptGGSW(b *testing.B) {
	k := keysOf(b, ternarySet)
	for _, g := range []GadgetParams{{23, 1}, {14, 2}} {
		b.Run(g.String(), func(b *testing.B) {
			bodies := make([]uint64, 2*g.Levels*k.p.N())
			enc := NewEncryptor(k.sk)
			for b.Loop() {
				enc.GGSW(bodies, 1, g)
			}
		})
	}
}

func BenchmarkGenerateEvaluationKey(b *testing.B) {
	k := keysOf(b, set4)
	for b.Loop() {
		if _, err := GenerateEvaluationKey(context.Background(), k.sk, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewServerKey(b *testing.B) {
	k := keysOf(b, set4)
	for b.Loop() {
		if _, err := NewServerKey(context.Background(), k.ek, nil); err != nil {
			b.Fatal(err)
		}
	}
}
