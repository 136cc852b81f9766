// Package rng makes the randomness of keys, noise and public masks.
//
// Secrets (keys, noise, seeds) come from the operating system through crypto/rand, a buffer at a time. Public masks are
// expanded from a seed by AES-256 in counter mode, see Expander; nothing secret is ever derived that way, because AES is
// table-based, hence not constant-time, where the processor (or wasm) has no instruction for it.
//
// Every distribution is sampled without modulo bias, and Gaussian noise is random in each of its bits, see Source.Gaussian.
package rng

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"math/bits"
)

const bufferSize = 4096 // bytes asked of the operating system at a time, a multiple of 8

// Source yields random bits. It is not safe for concurrent use: make one per goroutine, it is cheap (one buffer of 4 KB).
type Source struct {
	stream cipher.Stream // nil: the operating system
	buffer [bufferSize]byte
	used   int // bytes of buffer already given out

	bits  uint64 // pool of nbits unused random bits for the small samplers
	nbits uint
}

// New returns a source of cryptographic randomness from crypto/rand, which never fails: where the operating system cannot give
// randomness the program ends.
func New() *Source { return &Source{used: bufferSize} }

// NewSeeded returns a deterministic source, AES-256-CTR keyed with seed. It is for tests and for reproducible public values only:
// a key or a noise made from it is as secret as the seed, and leaks through the cache where AES is table-based.
func NewSeeded(seed [32]byte) *Source {
	return &Source{stream: cipher.NewCTR(newAES(seed), make([]byte, aes.BlockSize)), used: bufferSize}
}

// refill replaces the buffer.
func (s *Source) refill() {
	clear(s.buffer[:])
	if s.stream != nil {
		s.stream.XORKeyStream(s.buffer[:], s.buffer[:])
	} else {
		rand.Read(s.buffer[:]) // documented never to return an error
	}
	s.used = 0
}

// Uint64 returns a uniform word.
func (s *Source) Uint64() uint64 {
	if s.used > bufferSize-8 {
		s.refill()
	}
	b := s.buffer[s.used : s.used+8]
	s.used += 8
	v := binary.LittleEndian.Uint64(b)
	clear(b) // what was given out does not linger
	return v
}

// Uniform fills dst with uniform words.
func (s *Source) Uniform(dst []uint64) {
	for i := range dst {
		dst[i] = s.Uint64()
	}
}

// Read fills p with random bytes. It always returns len(p) and a nil error.
func (s *Source) Read(p []byte) (int, error) {
	n := len(p)
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, s.Uint64())
		p = p[8:]
	}
	if len(p) > 0 {
		var last [8]byte
		binary.LittleEndian.PutUint64(last[:], s.Uint64())
		copy(p, last[:])
	}
	return n, nil
}

// Seed returns 32 random bytes: a seed for Expander.
func (s *Source) Seed() (seed [32]byte) {
	s.Read(seed[:])
	return seed
}

// Uint64n returns a uniform integer in [0, m), by Lemire's multiplication with rejection. It panics if m is 0.
func (s *Source) Uint64n(m uint64) uint64 {
	if m == 0 {
		panic("rng: Uint64n below 0")
	}
	hi, lo := bits.Mul64(s.Uint64(), m)
	if lo < m {
		for threshold := -m % m; lo < threshold; {
			hi, lo = bits.Mul64(s.Uint64(), m)
		}
	}
	return hi
}

// take returns n random bits, 1 <= n <= 32, from the pool.
func (s *Source) take(n uint) uint64 {
	if s.nbits < n {
		s.bits, s.nbits = s.Uint64(), 64 // the few bits left over are dropped
	}
	v := s.bits & (1<<n - 1)
	s.bits >>= n
	s.nbits -= n
	return v
}

// Binary fills dst with independent uniform bits.
func (s *Source) Binary(dst []int64) {
	for i := range dst {
		dst[i] = int64(s.take(1))
	}
}

// Ternary fills dst with independent uniform elements of {-1, 0, 1}: two bits at a time, 3 rejected.
func (s *Source) Ternary(dst []int64) {
	for i := range dst {
		v := s.take(2)
		for v == 3 {
			v = s.take(2)
		}
		dst[i] = int64(v) - 1
	}
}

// BlockBinary fills dst with consecutive blocks of length l, each one uniform over the l+1 vectors of l bits that have at most one
// 1. It panics if l is not in [1, 64] or does not divide len(dst).
func (s *Source) BlockBinary(dst []int64, l int) {
	if l < 1 || l > 64 || len(dst)%l != 0 {
		panic("rng: block length does not divide the key length")
	}
	width := uint(bits.Len(uint(l))) // values 0..l
	clear(dst)
	for ; len(dst) > 0; dst = dst[l:] {
		v := s.take(width)
		for v > uint64(l) {
			v = s.take(width)
		}
		if v < uint64(l) {
			dst[v] = 1
		}
	}
}
