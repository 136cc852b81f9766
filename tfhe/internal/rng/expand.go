package rng

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// Expander expands a seed into public uniform polynomials, so that a ciphertext or key travels as its seed and bodies.
//
// The stream of words of polynomial c is AES-256 in counter mode with the seed as key. The 16-byte counter block is
//
//	bytes 0..7   c, big endian: a counter space of its own per polynomial
//	bytes 8..15  b = 0, 1, 2..., big endian
//
// and block b gives the words 2b and 2b+1 of the polynomial, little endian. Streams of different polynomials never
// meet (a stream would have to be 2^64 blocks long), so polynomials, or parts of one, can be expanded in any order and in parallel.
// The layout is part of the file format.
//
// An Expander is immutable and safe for concurrent use.
type Expander struct {
	block cipher.Block
}

// NewExpander returns the expander of a public seed.
func NewExpander(seed [32]byte) *Expander { return &Expander{newAES(seed)} }

// Expand fills dst with the first len(dst) words of the polynomial with the given counter.
func (e *Expander) Expand(dst []uint64, counter uint64) { e.ExpandAt(dst, counter, 0) }

// ExpandAt fills dst with the words offset, offset+1, ... of the polynomial with the given counter. It panics if offset is negative.
func (e *Expander) ExpandAt(dst []uint64, counter uint64, offset int) {
	if offset < 0 {
		panic("rng: negative offset in a mask")
	}
	var iv [aes.BlockSize]byte
	binary.BigEndian.PutUint64(iv[:8], counter)
	binary.BigEndian.PutUint64(iv[8:], uint64(offset)/2)
	stream := cipher.NewCTR(e.block, iv[:])
	buffer := make([]byte, min(8*len(dst)+8, bufferSize))
	if offset%2 == 1 {
		stream.XORKeyStream(buffer[:8], buffer[:8]) // the even word of the first block
	}
	for len(dst) > 0 {
		n := min(len(dst), len(buffer)/8)
		chunk := buffer[:8*n]
		clear(chunk)
		stream.XORKeyStream(chunk, chunk)
		for i := range dst[:n] {
			dst[i] = binary.LittleEndian.Uint64(chunk[8*i:])
		}
		dst = dst[n:]
	}
}

// ExpandMask fills dst with the polynomial that the seed and counter stand for: NewExpander(seed).Expand(dst, counter).
func ExpandMask(dst []uint64, seed [32]byte, counter uint64) { NewExpander(seed).Expand(dst, counter) }

func newAES(seed [32]byte) cipher.Block {
	block, err := aes.NewCipher(seed[:])
	if err != nil {
		panic("rng: AES-256 refuses a 32-byte key") // cannot happen
	}
	return block
}
