package server

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/fhe-ml/fhe-ml/tfhe"
)

// selectors makes every client bit ready for external products, once for all nodes and units that use it. Their memory, 64 KB a gadget level
// and bit at N = 2048, is that of an earlier row where there is one.
func (r *run) selectors() error {
	spec, p := &r.s.circuit.Spec, r.s.params
	masks := tfhe.NewMaskReader(r.req.Seed)
	packed := spec.PackedCiphertexts()
	for i := range packed {
		ct := tfhe.NewGLWE(p)
		masks.Next(ct.Mask, p.N())
		copy(ct.Body, r.req.Packed[i*p.N():])
		r.packed = append(r.packed, ct)
	}
	if len(spec.Selectors) == 0 {
		return r.ctx.Err()
	}
	r.bits = r.s.takeBits(len(spec.Selectors))
	if p.HasPacked() {
		return r.expand(masks)
	}
	gadget := p.Literal().Select
	rows, words, first := (p.K()+1)*gadget.Levels, p.GGSWWords(), packed*p.K()
	return r.each(len(r.bits), func(ev *tfhe.Evaluator, i int) {
		if r.bits[i] == nil {
			r.bits[i] = tfhe.NewFourierGGSW(p, gadget)
		}
		ev.LoadGGSW(r.bits[i], r.req.Selectors[i*words:(i+1)*words], masks.At(first+i*rows*p.K()))
	})
}

// takeBits returns count places for selectors, with memory of a finished row or without.
func (s *program) takeBits(count int) []*tfhe.FourierGGSW {
	s.poolMu.Lock()
	defer s.poolMu.Unlock()
	if n := len(s.freeBits); n > 0 {
		bits := s.freeBits[n-1]
		s.freeBits = s.freeBits[:n-1]
		return bits
	}
	return make([]*tfhe.FourierGGSW, count)
}

// Ranges of bits that one goroutine expands at a time: rangesPerThread a core balance the load, and below minRange bits one spends too much on its
// own path down the tree.
const (
	rangesPerThread = 4
	minRange        = 8
)

// expand makes the selectors out of a packed query.
func (r *run) expand(masks *tfhe.MaskReader) error {
	p, count := r.s.params, len(r.bits)
	query, err := tfhe.NewPackedQuery(p, p.Packed(), count, r.req.Selectors, masks)
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	pieces := rangesPerThread * r.threads
	size := max((count+pieces-1)/pieces, minRange)
	var next atomic.Int64
	group, ctx := errgroup.WithContext(r.ctx)
	for range min(r.threads, (count+size-1)/size) {
		group.Go(func() error {
			x := r.expander()
			defer r.putExpander(x)
			for {
				first := (int(next.Add(1)) - 1) * size
				if first >= count {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				x.Selectors(r.bits[first:min(first+size, count)], query, first)
			}
		})
	}
	return group.Wait()
}

// expander takes an expander of the run's key for one goroutine.
func (r *run) expander() *tfhe.Expander {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if n := len(r.s.expanders); n > 0 && r.s.key == r.key {
		x := r.s.expanders[n-1]
		r.s.expanders = r.s.expanders[:n-1]
		return x
	}
	return tfhe.NewExpander(r.key.Expansion())
}

// putExpander gives an expander back, unless another key was loaded meanwhile.
func (r *run) putExpander(x *tfhe.Expander) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.s.key == r.key && len(r.s.expanders) < r.s.Cores().threads {
		r.s.expanders = append(r.s.expanders, x)
	}
}
