package tfhe

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/fft"
	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
	"github.com/fhe-ml/fhe-ml/tfhe/internal/vec"
)

// EvaluationKey is what a server needs for lookups and packed queries, as it travels: a seed for all masks, the bodies of the bootstrapping key (n
// GGSW encryptions of the small key's bits) and of the key-switching key (LWE rows), and the [ExpansionKey], which has a seed of its own. Parameters
// without lookups have no bootstrapping and key-switching key, those without packed queries no expansion key.
type EvaluationKey struct {
	params    Parameters
	id        KeyID
	seed      Seed
	bsk       []uint64      // [n][(k+1) l][N]
	ksk       []uint32      // [kN-n][t], multiples of 2^8 where the key is one modulo 2^24
	expansion *ExpansionKey // nil without packed queries
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
	if p.HasPacked() {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("tfhe: evaluation key: %w", err)
		}
		var err error
		if ek.expansion, err = GenerateExpansionKey(sk, p.Packed()); err != nil {
			return nil, err
		}
		if !p.HasLookups() {
			progress.report(1, 1)
		}
	}
	if !p.HasLookups() {
		return ek, nil
	}
	lit := p.lit
	ek.bsk = make([]uint64, p.bskWords())
	ek.ksk = make([]uint32, p.kskRows())
	signs, coeffs := p.Signs(), sk.coeffs()
	rows := (p.K() + 1) * lit.BlindRotate.Levels
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
	group.Go(func() error { return generateKeySwitch(ctx, sk, ek) })
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("tfhe: evaluation key: %w", err)
	}
	return ek, nil
}

// generateKeySwitch fills in the key-switching rows: LWE encryptions of s_i q/B^j under the small key modulo 2^32, or modulo 2^24 where the noise is large (the
// words of masks and bodies are then multiples of 2^8). The noise is drawn at 64 bits and rounded with the body: its deviation is 16 units of 2^-24 or more, and 80 of
// 2^-32 in blocks of four, so that the variance of the rounding is at most 2^-11 of its own.
func generateKeySwitch(ctx context.Context, sk *SecretKey, ek *EvaluationKey) error {
	lit := sk.params.lit
	t := lit.KeySwitch.Levels
	bodies, coeffs := make([]uint64, len(ek.ksk)), sk.coeffs()
	mask := make([]uint32, lit.SmallDimension)
	expand := newRowExpander(sk.params)
	for r := range bodies {
		if r&1023 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		expand.row(mask, ek.seed, r)
		i, j := lit.SmallDimension+r/t, r%t
		body := uint64(coeffs[i]) << (64 - lit.KeySwitch.BaseLog*(j+1))
		for c, a := range mask {
			body += uint64(a) << 32 * uint64(coeffs[c])
		}
		bodies[r] = body
	}
	rng.New().Gaussian(bodies, lit.Log2SigmaLWE)
	for r, b := range bodies {
		if sk.params.kskBytes() == 3 {
			ek.ksk[r] = uint32((b+1<<39)>>40) << 8
		} else {
			ek.ksk[r] = round32(b)
		}
	}
	return nil
}

// rowExpander expands the public masks of key-switching rows: n words of 32 bits each, rounded to the bytes that are kept of them.
type rowExpander struct {
	p     Parameters
	words []uint64
}

func newRowExpander(p Parameters) rowExpander {
	return rowExpander{p, make([]uint64, (p.lit.SmallDimension+1)/2)}
}

func (e rowExpander) row(mask []uint32, seed Seed, r int) {
	rng.ExpandMask(e.words, seed, kskFirstMask+uint64(r))
	for c := range mask {
		mask[c] = e.p.roundKSK(uint32(e.words[c/2] >> (32 * (c % 2))))
	}
}

// quadLoader expands key-switching rows, four at a time, to the planes of bytes of their words.
type quadLoader struct {
	expand rowExpander
	rows   [4][]uint32 // of whole tiles
}

func newQuadLoader(p Parameters) quadLoader {
	l := quadLoader{expand: newRowExpander(p)}
	for i := range l.rows {
		l.rows[i] = make([]uint32, switchColumns(p.lit.SmallDimension))
	}
	return l
}

// quad writes rows 4q to 4q+3 of ek to their places in the whole key.
func (l quadLoader) quad(ksk []byte, ek *EvaluationKey, q int) {
	p := l.expand.p
	n, planes := p.lit.SmallDimension, p.kskBytes()
	for i, row := range l.rows {
		r := 4*q + i
		if r >= len(ek.ksk) {
			clear(row)
			continue
		}
		l.expand.row(row[:n], ek.seed, r)
		row[n] = p.roundKSK(ek.ksk[r])
	}
	for c := range l.rows[0] {
		a, b, x, y := l.rows[0][c], l.rows[1][c], l.rows[2][c], l.rows[3][c]
		for plane := range planes {
			shift := 8 * (4 - planes + plane)
			at := ((c/vec.Columns*planes+plane)*p.kskQuads()+q)*vec.Columns + c%vec.Columns
			binary.LittleEndian.PutUint32(ksk[4*at:], a>>shift&255|b>>shift&255<<8|x>>shift&255<<16|y>>shift<<24)
		}
	}
}

// ServerKey is an evaluation key expanded and transformed, ready for use and shared by all evaluators. Its size in memory is
// [Parameters.EvaluationKeyMemory].
type ServerKey struct {
	params    Parameters
	signs     []int64
	bsk       []float64           // [n/block] blocks in the order of fft.PackBlock, or nil
	compact   []uint64            // the same in compact storage: see Parameters.compactKey
	ksk       []byte              // [tile][byte of a word][quad of (kN-n) t rows][vec.Columns][4]: n mask words, the body, zeros
	expansion *ServerExpansionKey // nil without packed queries
}

// Expansion returns the key of packed queries, for [NewExpander]: nil for parameters without them.
func (k *ServerKey) Expansion() *ServerExpansionKey { return k.expansion }

// NewServerKey expands ek on all cores. It returns nil, which [NewEvaluator] takes, for parameters without lookups and packed queries.
func NewServerKey(ctx context.Context, ek *EvaluationKey, progress Progress) (*ServerKey, error) {
	p := ek.params
	if !p.HasLookups() && !p.HasPacked() {
		return nil, nil
	}
	sk := &ServerKey{params: p}
	if p.HasPacked() {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("tfhe: expanding the evaluation key: %w", err)
		}
		sk.expansion = NewServerExpansionKey(ek.expansion)
		if !p.HasLookups() {
			progress.report(1, 1)
			return sk, nil
		}
	}
	lit := p.lit
	n := lit.SmallDimension
	compact := p.compactKey() && fft.CompactKernels()
	if compact {
		sk.compact = make([]uint64, fft.CompactLen(p.bskFourier())+fft.CompactPad)
	} else {
		sk.bsk = make([]float64, p.bskFourier())
	}
	sk.signs, sk.ksk = p.Signs(), make([]byte, p.kskMemory())
	var done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		group.Go(func() error {
			load := newBlockLoader(p)
			for b := w; b < n/lit.BlockLength; b += workers {
				if err := ctx.Err(); err != nil {
					return err
				}
				if compact {
					load.block(load.packed, ek, b)
					load.plan.Compact(sk.compactBlock(b), load.packed, lit.BlindRotate.BaseLog)
				} else {
					load.block(sk.block(b), ek, b)
				}
				progress.report(int(done.Add(1)), n/lit.BlockLength)
			}
			quads := newQuadLoader(p)
			for q := w; q < p.kskQuads(); q += workers {
				quads.quad(sk.ksk, ek, q)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("tfhe: expanding the evaluation key: %w", err)
	}
	largePages(sk.bsk)
	largePages(sk.compact)
	largePages(sk.ksk)
	return sk, nil
}

// block returns the packed key of block number b.
func (k *ServerKey) block(b int) []float64 {
	size := k.params.blockFourier()
	return k.bsk[b*size : (b+1)*size]
}

// compactBlock is block for a key in compact storage.
func (k *ServerKey) compactBlock(b int) []uint64 {
	size := fft.CompactLen(k.params.blockFourier())
	return k.compact[b*size : (b+1)*size]
}

// blockLoader transforms the GGSW ciphertexts of a block and packs them.
type blockLoader struct {
	p       Parameters
	plan    *fft.Plan
	scratch []uint64
	rows    []float64
	packed  []float64 // a block on its way to compact storage
}

func newBlockLoader(p Parameters) *blockLoader {
	l := &blockLoader{p: p, plan: fft.For(p.N()), scratch: make([]uint64, p.N()), rows: make([]float64, p.blockFourier())}
	if p.compactKey() {
		l.packed = make([]float64, p.blockFourier())
	}
	return l
}

func (l *blockLoader) block(dst []float64, ek *EvaluationKey, b int) {
	lit := l.p.lit
	polys := l.p.K() + 1
	rows := polys * lit.BlindRotate.Levels * lit.BlockLength // GLWE rows of the block
	words := rows * l.p.N()
	masks := NewMaskReader(ek.seed).At(b * rows * l.p.K())
	loadGGSW(l.p, l.plan, l.scratch, l.rows, nil, ek.bsk[b*words:(b+1)*words], masks)
	for r := range rows { // of l levels in turn
		scale := l.plan.RowScale(lit.BlindRotate.BaseLog, r%lit.BlindRotate.Levels)
		row := l.rows[r*polys*l.p.N():][:polys*l.p.N()]
		for i := range row {
			row[i] *= scale
		}
	}
	if polys > 2 {
		l.plan.PackModuleBlock(dst, l.rows, lit.BlockLength, polys)
		return
	}
	l.plan.PackBlock(dst, l.rows, lit.BlockLength, lit.BlindRotate.Levels)
}
