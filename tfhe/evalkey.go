package tfhe

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/fft"
	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

// EvaluationKey is what a server needs for lookups, as it travels: a seed for all masks, the bodies of the bootstrapping key (n GGSW
// encryptions of the small key's bits) and of the key-switching key (LWE rows). It is empty for parameters without lookups.
type EvaluationKey struct {
	params Parameters
	id     KeyID
	seed   Seed
	bsk    []uint64 // [n][(k+1) l][N]
	ksk    []uint64 // [kN-n][t]
}

// kskFirstMask separates the mask numbers of the key-switching rows from those of the bootstrapping key.
const kskFirstMask = 1 << 40

// Progress is told how much of a slow job is done: done out of total units. It may be nil and is called from several goroutines.
type Progress func(done, total int)

func (p Progress) report(done, total int) {
	if p != nil {
		p(done, total)
	}
}

// Parameters returns the set that the key was made for.
func (k *EvaluationKey) Parameters() Parameters { return k.params }

// ID names the secret key that this key belongs to.
func (k *EvaluationKey) ID() KeyID { return k.id }

// GenerateEvaluationKey makes the evaluation key of sk on all cores. It stops early with ctx's error.
func GenerateEvaluationKey(ctx context.Context, sk *SecretKey, progress Progress) (*EvaluationKey, error) {
	p := sk.params
	ek := &EvaluationKey{params: p, id: sk.id, seed: NewSeed()}
	if !p.HasLookups() {
		return ek, nil
	}
	lit := p.lit
	ek.bsk = make([]uint64, p.bskWords())
	ek.ksk = make([]uint64, p.kskRows())
	signs, coeffs := p.Signs(), sk.coeffs()
	rows := (p.K() + 1) * lit.BlindRotate.Levels
	t := lit.KeySwitch.Levels
	var done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range lit.SmallDimension {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			enc := newEncryptor(sk, ek.seed, uint64(i*rows*p.K()))
			enc.GGSW(ek.bsk[i*rows*p.N():(i+1)*rows*p.N()], coeffs[i]*signs[i], lit.BlindRotate)
			progress.report(int(done.Add(1)), lit.SmallDimension)
			return nil
		})
	}
	group.Go(func() error {
		src := rng.New()
		mask := make([]uint64, lit.SmallDimension)
		for r := range ek.ksk {
			if r&1023 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			rng.ExpandMask(mask, ek.seed, kskFirstMask+uint64(r))
			i, j := lit.SmallDimension+r/t, r%t
			body := uint64(coeffs[i]) << (64 - lit.KeySwitch.BaseLog*(j+1))
			for c, a := range mask {
				body += a * uint64(coeffs[c])
			}
			ek.ksk[r] = body
		}
		src.Gaussian(ek.ksk, lit.Log2SigmaLWE)
		return nil
	})
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("tfhe: evaluation key: %w", err)
	}
	return ek, nil
}

// ServerKey is an evaluation key expanded and transformed, ready for use and shared by all evaluators. Its size in memory is
// [Parameters.EvaluationKeyMemory].
type ServerKey struct {
	params Parameters
	signs  []int64
	bsk    []float64 // [n][(k+1) l][k+1][N] Fourier
	ksk    []uint64  // [(kN-n) t][n+1]
}

// NewServerKey expands ek on all cores. It returns nil, which [NewEvaluator] takes, for parameters without lookups.
func NewServerKey(ctx context.Context, ek *EvaluationKey, progress Progress) (*ServerKey, error) {
	p := ek.params
	if !p.HasLookups() {
		return nil, nil
	}
	lit := p.lit
	n, k1 := lit.SmallDimension, p.K()+1
	rows := k1 * lit.BlindRotate.Levels
	sk := &ServerKey{params: p, signs: p.Signs(), bsk: make([]float64, p.bskWords()*k1), ksk: make([]uint64, p.kskRows()*(n+1))}
	plan := fft.For(p.N())
	var done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		group.Go(func() error {
			scratch := make([]uint64, p.N())
			for i := w; i < n; i += workers {
				if err := ctx.Err(); err != nil {
					return err
				}
				words := rows * p.N()
				masks := NewMaskReader(ek.seed).At(i * rows * p.K())
				loadGGSW(p, plan, scratch, sk.bsk[i*words*k1:(i+1)*words*k1], ek.bsk[i*words:(i+1)*words], masks)
				progress.report(int(done.Add(1)), n)
			}
			for r := w; r < len(ek.ksk); r += workers {
				row := sk.ksk[r*(n+1):][:n+1]
				rng.ExpandMask(row[:n], ek.seed, kskFirstMask+uint64(r))
				row[n] = ek.ksk[r]
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("tfhe: expanding the evaluation key: %w", err)
	}
	return sk, nil
}
