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
	r.bits = r.s.takeBits()
	if p.HasPacked() {
		return r.expand(masks)
	}
	gadget, n := p.Literal().Select, p.N()
	rows, words, first := (p.K()+1)*gadget.Levels, p.GGSWWords(), packed*p.K()
	products := len(r.bits.ggsw)
	return r.each(len(spec.Selectors), func(ev *tfhe.Evaluator, i int) {
		if i < products {
			ev.LoadGGSW(r.bits.ggsw[i], r.req.Selectors[i*words:(i+1)*words], masks.At(first+i*rows*p.K()))
			return
		}
		i -= products
		masks.At(first+(products*rows+i)*p.K()).Next(r.bits.singles[i].Mask, n)
		copy(r.bits.singles[i].Body, r.req.Selectors[products*words+i*n:][:n])
	})
}

// clientBits are the selectors of a row, in the order of the specification.
type clientBits struct {
	ggsw    []*tfhe.FourierGGSW
	singles []tfhe.GLWECiphertext
}

// takeBits returns places for the selectors of a row, those of a finished one or new ones.
func (s *program) takeBits() clientBits {
	s.poolMu.Lock()
	if n := len(s.freeBits); n > 0 {
		bits := s.freeBits[n-1]
		s.freeBits = s.freeBits[:n-1]
		s.poolMu.Unlock()
		return bits
	}
	s.poolMu.Unlock()
	spec := &s.circuit.Spec
	bits := clientBits{tfhe.NewFourierGGSWs(s.params, s.params.Literal().Select, spec.Products()), tfhe.NewGLWEs(s.params, spec.Singles)}
	kept := tfhe.NewGLWEs(s.params, s.keptRows())
	for i, g := range bits.ggsw {
		g.KeepRows(kept[:s.clear[i]])
		kept = kept[s.clear[i]:]
	}
	return bits
}

// Ranges of rows that one goroutine expands at a time: rangesPerThread a core balance the load, and below minRange rows one spends too much on its
// own path down the tree.
const (
	rangesPerThread = 4
	minRange        = 16
)

// expand makes the selectors out of a packed query.
func (r *run) expand(masks *tfhe.MaskReader) error {
	p, products, count := r.s.params, len(r.bits.ggsw), len(r.s.circuit.Spec.Selectors)
	query, err := tfhe.NewMixedQuery(p, p.Packed(), products, len(r.bits.singles), r.req.Selectors, masks)
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	// Ranges of selectors of about the same number of rows, those with most work first.
	levels := p.Packed().Select.Levels
	rows := products*levels + count - products
	pieces := rangesPerThread * r.threads
	size := max((rows+pieces-1)/pieces, minRange)
	var ends []int
	for at := 0; at < products; {
		at = min(at+max(size/levels, 1), products)
		ends = append(ends, at)
	}
	for at := products; at < count; {
		at = min(at+size, count)
		ends = append(ends, at)
	}
	var next atomic.Int64
	group, ctx := errgroup.WithContext(r.ctx)
	for range min(r.threads, len(ends)) {
		group.Go(func() error {
			x := r.expander()
			defer r.putExpander(x)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(ends) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				first, end := 0, ends[i]
				if i > 0 {
					first = ends[i-1]
				}
				if end <= products {
					x.Selectors(r.bits.ggsw[first:end], query, first)
				} else {
					x.Singles(r.bits.singles[first-products:end-products], query, first-products)
				}
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
