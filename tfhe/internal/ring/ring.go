// Package ring multiplies polynomials exactly modulo (2^64, X^N+1).
//
// Keys and ciphertexts are made of products of a torus polynomial a (N words of 2^-64) with a small secret polynomial s.
// A rounding error in such a product would be visible in the noise or, worse, depend on the key, so these products are
// never computed in floating point: they go through number theoretic transforms modulo two primes of 61 bits
// (github.com/tuneinsight/lattigo/v5/ring) and the Chinese remainder theorem. It is about fifteen times slower than the
// floating-point transform of package fft, and is the oracle of that package's tests.
package ring

import (
	"fmt"
	"math/bits"
	"sync"

	lattice "github.com/tuneinsight/lattigo/v5/ring"
)

// The primes are 1 modulo 2^19, so every N up to 2^18 has its 2N-th roots of unity, and below 2^61 because lattigo's lazy
// butterflies hold values up to 8q.
const (
	prime0 = 0x1fffffffffe00001
	prime1 = 0x1fffffffffc80001

	product = prime0 * prime1 % (1 << 64) // Q mod 2^64
)

// Limits of New and Prepare.
const (
	MinN = 16   // smallest degree, set by the unrolled loops of lattigo
	MaxN = 4096 // largest degree in use
	// MaxNorm bounds the sum of the absolute values of a small polynomial: a word is at most 2^64-1 as an unsigned integer, so
	// every coefficient of the product is below 2^56 * 2^64 = 2^120 < Q/2 with Q = prime0 * prime1 > 2^121.
	MaxNorm = 1 << 56
)

// Ring is Z/2^64[X]/(X^N+1). It is immutable and safe for concurrent use.
type Ring struct {
	n       int
	sub     [2]*lattice.SubRing
	inverse uint64    // prime0^-1 mod prime1, in Montgomery form
	scratch sync.Pool // *[2][]uint64 of n words each
}

// Small is a polynomial with small integer coefficients, such as a secret key, prepared for products in the ring that made it.
// It holds key material: its content is the number theoretic transform of the polynomial. It is immutable and safe for concurrent use.
type Small struct {
	ntt [2][]uint64 // Montgomery form, NTT order
}

// New returns the ring of degree n, a power of two in [MinN, MaxN]. It takes some milliseconds; For caches its results.
func New(n int) (*Ring, error) {
	if n < MinN || n > MaxN || n&(n-1) != 0 {
		return nil, fmt.Errorf("ring: degree %d is not a power of two in [%d, %d]", n, MinN, MaxN)
	}
	base, err := lattice.NewRing(n, []uint64{prime0, prime1})
	if err != nil {
		return nil, fmt.Errorf("ring: transform tables of degree %d: %w", n, err)
	}
	r := &Ring{n: n}
	copy(r.sub[:], base.SubRings)
	r.inverse = lattice.MForm(inverseMod(prime0%prime1, prime1), prime1, r.sub[1].BRedConstant)
	r.scratch.New = func() any { return &[2][]uint64{make([]uint64, n), make([]uint64, n)} }
	return r, nil
}

var cache struct {
	sync.Mutex
	rings map[int]*Ring
}

// For returns the ring of degree n, made on its first use and shared afterwards. It panics where New fails: the caller has validated n.
func For(n int) *Ring {
	cache.Lock()
	defer cache.Unlock()
	if r, ok := cache.rings[n]; ok {
		return r
	}
	r, err := New(n)
	if err != nil {
		panic(err.Error())
	}
	if cache.rings == nil {
		cache.rings = make(map[int]*Ring)
	}
	cache.rings[n] = r
	return r
}

// N returns the degree of the ring.
func (r *Ring) N() int { return r.n }

// Prepare returns s, N coefficients whose absolute values sum to at most MaxNorm, in the form that MulAdd takes.
// It panics if s breaks that bound: products would be wrong.
func (r *Ring) Prepare(s []int64) *Small {
	r.check(len(s))
	var norm uint64
	for _, c := range s {
		m := uint64(max(c, -c)) // -2^63 becomes 2^63
		if m > MaxNorm-norm {
			panic("ring: coefficients of a small polynomial are too large")
		}
		norm += m
	}
	p := &Small{}
	for i, q := range [2]uint64{prime0, prime1} {
		t := make([]uint64, r.n)
		for j, c := range s {
			t[j] = uint64(c) + q&uint64(c>>63) // c + q where c < 0
		}
		r.sub[i].NTT(t, t)
		r.sub[i].MForm(t, t)
		p.ntt[i] = t
	}
	return p
}

// MulAdd adds a*s mod (2^64, X^N+1) to dst, exactly. dst and a have N words and may be the same slice; s comes from Prepare of a
// ring of the same degree.
func (r *Ring) MulAdd(dst, a []uint64, s *Small) {
	r.check(len(dst))
	r.check(len(a))
	r.check(len(s.ntt[0]))
	t := r.scratch.Get().(*[2][]uint64)
	t0, t1 := t[0][:len(dst)], t[1][:len(dst)]
	for j, c := range a {
		t0[j] = c % prime0
		t1[j] = c % prime1
	}
	for i, x := range [2][]uint64{t0, t1} {
		r.sub[i].NTT(x, x)
		r.sub[i].MulCoeffsMontgomery(x, s.ntt[i], x)
		r.sub[i].INTT(x, x)
	}
	r.lift(dst, t0, t1)
	clear(t0) // residues of a product with a secret
	clear(t1)
	r.scratch.Put(t)
}

// lift adds to dst the integers that are t0 modulo prime0 and t1 modulo prime1 and below Q/2 in magnitude.
func (r *Ring) lift(dst, t0, t1 []uint64) {
	// Garner: the integer in [0, Q) is x0 + prime0*h with h = (x1-x0)/prime0 mod prime1. Since its centred value is far below Q/2
	// in magnitude, it is negative exactly when h is in the upper half.
	for j := range dst {
		x0 := t0[j]
		h := lattice.MRed(t1[j]+prime1-x0%prime1, r.inverse, prime1, r.sub[1].MRedConstant)
		v := x0 + prime0*h
		if h > prime1/2 {
			v -= product
		}
		dst[j] += v
	}
}

func (r *Ring) check(n int) {
	if n != r.n {
		panic(fmt.Sprintf("ring: polynomial of %d coefficients in a ring of degree %d", n, r.n))
	}
}

// inverseMod returns a^-1 mod p for a prime p, by Fermat.
func inverseMod(a, p uint64) uint64 {
	result, e := uint64(1), p-2
	for ; e > 0; e >>= 1 {
		if e&1 == 1 {
			result = mulMod(result, a, p)
		}
		a = mulMod(a, a, p)
	}
	return result
}

func mulMod(a, b, p uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	_, rem := bits.Div64(hi%p, lo, p)
	return rem
}
