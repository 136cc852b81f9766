package tfhe

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

// TestEvaluationKeyMasks: no two masks of the bootstrapping key and of the key-switching key are the same, nor can their numbers meet in any set.
func TestEvaluationKeyMasks(t *testing.T) {
	k := keysOf(t, set4)
	rows := 2 * k.p.lit.BlindRotate.Levels
	seen := map[[4]uint64]bool{}
	mask := make([]uint64, 4)
	for i := range k.p.lit.SmallDimension * rows {
		rng.ExpandMask(mask, k.ek.seed, uint64(i))
		seen[[4]uint64(mask)] = true
	}
	for r := range k.ek.ksk {
		var row [4]uint64
		for i, a := range k.server.switchRow(r)[:8] {
			row[i/2] |= uint64(a) << (32 * (i % 2))
		}
		seen[row] = true
	}
	if want := 884*rows + len(k.ek.ksk); len(seen) != want {
		t.Errorf("%d different masks, want %d", len(seen), want)
	}
	if most := 4096 * 4 * (4 + 1) * 16 * 4; most >= kskFirstMask {
		t.Errorf("a bootstrapping key may have %d masks, key-switching rows start at %d", most, kskFirstMask)
	}
	other, err := GenerateEvaluationKey(context.Background(), keysOf(t, toy).sk, nil)
	if err != nil {
		t.Fatal(err)
	}
	if other.seed == keysOf(t, toy).ek.seed {
		t.Error("two evaluation keys share a seed")
	}
}

// TestCancel cancels both slow jobs at their first report: they return the context's error, and no worker starts more than the piece it is at.
func TestCancel(t *testing.T) {
	k := keysOf(t, set4)
	for name, job := range map[string]func(context.Context, Progress) (bool, error){
		"GenerateEvaluationKey": func(ctx context.Context, p Progress) (bool, error) {
			key, err := GenerateEvaluationKey(ctx, k.sk, p)
			return key == nil, err
		},
		"NewServerKey": func(ctx context.Context, p Progress) (bool, error) {
			key, err := NewServerKey(ctx, k.ek, p)
			return key == nil, err
		},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		var reports atomic.Int64
		isNil, err := job(ctx, func(done, total int) {
			if done < 1 || done > total || total != 884 && total != 884/4 { // coordinates, or blocks of them
				t.Errorf("%s: progress %d of %d", name, done, total)
			}
			reports.Add(1)
			cancel()
		})
		cancel()
		if !errors.Is(err, context.Canceled) || !isNil {
			t.Errorf("%s: error %v", name, err)
		}
		if n := reports.Load(); n > int64(3*runtime.GOMAXPROCS(0)) {
			t.Errorf("%s: %d pieces were done after the cancellation", name, n)
		}
		// Before the start, and by a deadline that is over.
		ctx, cancel = context.WithTimeout(context.Background(), 0)
		isNil, err = job(ctx, func(int, int) { t.Errorf("%s works although its time is over", name) })
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || !isNil {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestProgress counts the reports of whole jobs.
func TestProgress(t *testing.T) {
	k := keysOf(t, toy)
	var reports, last atomic.Int64
	progress := func(done, total int) {
		reports.Add(1)
		if done == total {
			last.Add(1)
		}
	}
	ek, err := GenerateEvaluationKey(context.Background(), k.sk, progress)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewServerKey(context.Background(), ek, progress); err != nil {
		t.Fatal(err)
	}
	if reports.Load() != 64+16 || last.Load() != 2 {
		t.Errorf("%d reports, %d of them final; want 64 + 16 and 2", reports.Load(), last.Load())
	}
	if ek.ID() != k.sk.ID() || ek.Parameters() != k.p {
		t.Error("the evaluation key names another secret key or set")
	}
}

// TestWithoutLookups: such a set has an evaluation key of nothing, no server key, and an evaluator.
func TestWithoutLookups(t *testing.T) {
	k := keysOf(t, toySelect)
	if len(k.ek.bsk) != 0 || len(k.ek.ksk) != 0 || k.server != nil || k.ek.ID() != k.sk.ID() {
		t.Errorf("evaluation key of %d and %d words", len(k.ek.bsk), len(k.ek.ksk))
	}
}

// TestEvaluatorsShareAKey lets evaluators bootstrap and select at the same time with one server key. The race detector watches; and results do not
// depend on who computes them.
func TestEvaluatorsShareAKey(t *testing.T) {
	for _, lit := range []ParametersLiteral{toy, toyParts, toyTwo} {
		k := keysOf(t, lit)
		entries := randomWords(8)
		table, err := NewLookupTable(k.p, entries)
		if err != nil {
			t.Fatal(err)
		}
		bit := k.encryptBit(1, lit.Select)
		var inputs []LWECiphertext
		for v := range entries {
			inputs = append(inputs, k.encryptLWE(messageOf(v, 3)))
		}
		acc := k.randomGLWE()
		model, shape := k.model()
		bound := 8 * math.Sqrt(model.BlindRotation(shape))
		results := make([][]LWECiphertext, 4)
		rotated := make([]GLWECiphertext, 4)
		var wg sync.WaitGroup
		for w := range results {
			wg.Go(func() {
				ev := NewEvaluator(k.p, k.server)
				for v := range inputs {
					out := NewLWE(k.p.BigDimension())
					ev.Bootstrap(&out, &inputs[v], table)
					results[w] = append(results[w], out)
				}
				rotated[w] = NewGLWE(k.p)
				rotated[w].Copy(acc)
				ev.Rotate(rotated[w], bit, 17)
			})
		}
		wg.Wait()
		for w, all := range results {
			for v, out := range all {
				if e := math.Abs(torus(k.dec.LWE(&out) - entries[v])); e > bound {
					t.Errorf("worker %d, entry %d: off by %g", w, v, e)
				}
				if !slices.Equal(out.Mask, results[0][v].Mask) || out.Body != results[0][v].Body {
					t.Errorf("worker %d, entry %d: other words than worker 0", w, v)
				}
			}
			if !slices.Equal(rotated[w].Body, rotated[0].Body) {
				t.Errorf("worker %d rotates to other words", w)
			}
		}
	}
}
