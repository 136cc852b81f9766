package tfhe

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/vec"
)

// Expander turns packed queries into rows and GGSW ciphertexts. It owns scratch memory: one for each goroutine, all sharing one
// [ServerExpansionKey] and one [PackedQuery].
type Expander struct {
	key   *ServerExpansionKey
	n     int
	sw    *switcher
	image []uint64         // automorphism of a polynomial
	turn  GLWECiphertext   // result of a key switch
	nodes []GLWECiphertext // one a level of the tree
	rows  [][]float64      // the transformed polynomials of a GGSW ciphertext, in the order of its rows
}

// NewExpander returns an expander.
func NewExpander(key *ServerExpansionKey) *Expander {
	p, pp := key.params, key.packed
	x := &Expander{key: key, n: p.N(), sw: newSwitcher(p.N(), max(pp.Expand.Levels, pp.Switch.Levels)),
		image: make([]uint64, p.N()), turn: NewGLWE(p), nodes: make([]GLWECiphertext, pp.Log2Slots+1), rows: paddedPolys(4*pp.Select.Levels, p.N())}
	for i := range x.nodes {
		x.nodes[i] = NewGLWE(p)
	}
	return x
}

// preimage sets turn to a ciphertext whose image, polynomial by polynomial, under the automorphism sigma of level i has as phase the image of ct's
// phase. sigma(b) - sigma(a) sigma(s) is the phase of (0, sigma(b)) plus the key switch of sigma(a) by -sigma(s), which is a product of digits of
// sigma(a) with rows of a key. Digits of sigma(a) are images of digits of a, and the key is kept as its preimage: then sigma, which costs as much as a
// transform, is left to the polynomials of the result alone.
func (x *Expander) preimage(ct GLWECiphertext, i int) {
	copy(x.turn.Body, ct.Body)
	x.sw.productAdd(x.turn, x.key.expand[i], ct.Mask)
}

// Rows calls emit with rows first..first+count-1 of the query, in order: emit(t, ct), where ct encrypts, as a constant, bit t/l times q/B^(t%l+1), or
// after the rows of all bits a single row, and belongs to the expander until emit returns. Rows of a query may be divided among goroutines at any boundary; each range costs at most
// L key switches more than its share. The query must have the expander's packed parameters.
//
// The tree of one ciphertext (Chen, Chillotti and Ren, CCS 2019) starts with a polynomial m of many coefficients. On level i, where only multiples of
// 2^i are left, m + m(X^(N/2^i+1)) is twice the even ones of these multiples and (m - m(X^(N/2^i+1))) X^(-2^i) is twice the odd ones, moved down.
func (x *Expander) Rows(q *PackedQuery, first, count int, emit func(t int, ct GLWECiphertext)) {
	if q.pp != x.key.packed {
		panic("tfhe: packed query and expansion key have different parameters")
	}
	rows := q.Rows()
	if first < 0 || count < 0 || first > rows-count {
		panic(fmt.Sprintf("tfhe: rows %d to %d of a query of %d", first, first+count, rows))
	}
	log := q.pp.Log2Slots
	for last := first + count; first < last; {
		c := first >> log
		base := c << log
		to := min(last, base+1<<log)
		ct := q.cts[c]
		d := q.pp.depth(q.pp.countOf(rows, c))
		if d == 0 {
			emit(first, ct)
		} else {
			x.nodes[0].Copy(ct)
			x.split(0, d, base, first, to, emit)
		}
		first = to
	}
}

// split expands the node of level i of a tree of the given depth, in nodes[i], whose first leaf is row base, for the rows first..last-1. It overwrites the
// nodes from level i on.
func (x *Expander) split(i, depth, base, first, last int, emit func(t int, ct GLWECiphertext)) {
	node := x.nodes[i]
	if i == depth {
		emit(base, node)
		return
	}
	x.preimage(node, i)
	half := base + 1<<(depth-i-1)
	next := x.nodes[i+1]
	x.halves(next.Mask, node.Mask, x.turn.Mask, i, first < half, last > half)
	x.halves(next.Body, node.Body, x.turn.Body, i, first < half, last > half)
	if first < half {
		x.split(i+1, depth, base, first, last, emit)
	}
	if last > half {
		x.nodes[i], x.nodes[i+1] = x.nodes[i+1], x.nodes[i]
		x.split(i+1, depth, half, first, last, emit)
	}
}

// halves sets even, where it is wanted, to node + sigma(pre), and node to (node - sigma(pre)) X^(-2^i), where that is wanted, sigma being the
// automorphism of level i.
func (x *Expander) halves(even, node, pre []uint64, i int, wantEven, wantOdd bool) {
	n, shift := x.n, 1<<i
	automorphism(x.image, pre, expansionExponent(n, i))
	if !wantOdd {
		copy(even, node)
		vec.Add64(even, x.image)
		return
	}
	// The lowest 2^i coefficients of the difference come to the other end, negated.
	wrap := pre[:shift]
	vec.Sub64(wrap, x.image[:shift], node[:shift])
	if wantEven {
		copy(even[:shift], node[:shift])
		vec.Add64(even[:shift], x.image[:shift])
		vec.AddSub64(even[shift:], node[:n-shift], node[shift:], x.image[shift:])
	} else {
		vec.Sub64(node[:n-shift], node[shift:], x.image[shift:])
	}
	copy(node[n-shift:], wrap)
}

// Singles sets dst, ciphertexts or zero values that are allocated, to single rows first..first+len(dst)-1 of the query.
func (x *Expander) Singles(dst []GLWECiphertext, q *PackedQuery, first int) {
	if first < 0 || len(dst) > q.singles-first {
		panic(fmt.Sprintf("tfhe: single rows %d to %d of a query of %d", first, first+len(dst), q.singles))
	}
	first += q.pp.Rows(q.bits)
	x.Rows(q, first, len(dst), func(t int, ct GLWECiphertext) {
		t -= first
		if dst[t].Body == nil {
			dst[t] = NewGLWE(x.key.params)
		}
		dst[t].Copy(ct)
	})
}

// Selectors sets dst to the GGSW ciphertexts of bits first..first+len(dst)-1 of the query. dst holds ciphertexts of the query's select gadget
// ([NewFourierGGSW]); nil elements are allocated. Ranges of bits may be divided among goroutines as [Expander.Rows] says.
func (x *Expander) Selectors(dst []*FourierGGSW, q *PackedQuery, first int) {
	l := x.key.packed.Select.Levels
	if first < 0 || len(dst) > q.bits-first {
		panic(fmt.Sprintf("tfhe: bits %d to %d of a query of %d", first, first+len(dst), q.bits))
	}
	for i, g := range dst {
		switch {
		case g == nil:
			dst[i] = NewFourierGGSW(x.key.params, x.key.packed.Select)
		case g.gadget != x.key.packed.Select:
			panic("tfhe: a GGSW ciphertext of another gadget than the packed query's")
		}
	}
	x.Rows(q, first*l, len(dst)*l, func(t int, ct GLWECiphertext) {
		t -= first * l
		x.SwitchRow(dst[t/l], t%l, ct)
	})
}

// ExpandSelectors returns the GGSW ciphertexts of all bits of the query, made on all cores. It stops early with ctx's error.
func ExpandSelectors(ctx context.Context, key *ServerExpansionKey, q *PackedQuery) ([]*FourierGGSW, error) {
	all := make([]*FourierGGSW, q.bits)
	workers := max(runtime.GOMAXPROCS(0), 1)
	// Four ranges a core balance the load; below 8 bits a range spends too much on its own path down the tree.
	size := max((q.bits+4*workers-1)/(4*workers), 8)
	group, ctx := errgroup.WithContext(ctx)
	expanders := make(chan *Expander, workers)
	for range workers {
		expanders <- nil
	}
	group.SetLimit(workers)
	for first := 0; first < q.bits; first += size {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			x := <-expanders
			if x == nil {
				x = NewExpander(key)
			}
			x.Selectors(all[first:min(first+size, q.bits)], q, first)
			expanders <- x
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("tfhe: expanding a packed query: %w", err)
	}
	return all, nil
}
