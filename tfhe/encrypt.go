package tfhe

import (
	"crypto/rand"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/fhe-ml/fhe-ml/tfhe/internal/ring"
	"github.com/fhe-ml/fhe-ml/tfhe/internal/rng"
)

// Seed expands to the public masks of the ciphertexts that travel under it (AES-CTR, one counter space a polynomial).
type Seed [32]byte

// NewSeed draws a fresh seed.
func NewSeed() (s Seed) {
	rand.Read(s[:])
	return s
}

// Encryptor makes seeded ciphertexts under one seed: only bodies leave it. Mask polynomials are numbered in the order of the calls, so the
// server expands the same ones by making the same calls of a [MaskReader]. Not safe for concurrent use; a seed belongs to one Encryptor only.
type Encryptor struct {
	sk   *SecretKey
	src  *rng.Source
	seed Seed
	next uint64
	mask []uint64
}

// NewEncryptor returns an encryptor under a fresh seed.
func NewEncryptor(sk *SecretKey) *Encryptor { return newEncryptor(sk, NewSeed(), 0) }

func newEncryptor(sk *SecretKey, seed Seed, first uint64) *Encryptor {
	n := sk.params.N()
	return &Encryptor{sk: sk, src: rng.New(), seed: seed, next: first, mask: make([]uint64, n)}
}

// Seed returns the seed of the masks.
func (e *Encryptor) Seed() Seed { return e.seed }

// Format hides the encryptor's state from every verb of package fmt.
func (e Encryptor) Format(f fmt.State, _ rune) { fmt.Fprint(f, "tfhe.Encryptor("+e.sk.id.String()+")") }

// GLWE sets body (N words) to the body of a fresh encryption of the torus polynomial message, which may alias it:
// body = sum_i a_i s_i + message + e.
func (e *Encryptor) GLWE(body, message []uint64) {
	if &body[0] != &message[0] {
		copy(body, message)
	}
	for _, s := range e.sk.polys() {
		rng.ExpandMask(e.mask, e.seed, e.next)
		e.next++
		e.sk.ring.MulAdd(body, e.mask, s)
	}
	e.src.Gaussian(body, e.sk.params.lit.Log2SigmaGLWE)
}

// GGSW sets bodies ((k+1) l N words) to the bodies of a GGSW encryption of the integer m (a bit, for selects) with the gadget
// (B, l): row (i, j), i in 0..k, j in 1..l, encrypts -m s_i q/B^j for i < k and m q/B^j for i = k, so that an external product with a
// GLWE ciphertext multiplies its phase by m. Rows are in the order of i, then j.
func (e *Encryptor) GGSW(bodies []uint64, m int64, g GadgetParams) {
	p := e.sk.params
	n := p.N()
	if len(bodies) != (p.K()+1)*g.Levels*n {
		panic("tfhe: GGSW body has the wrong length")
	}
	for i := range p.K() + 1 {
		for j := range g.Levels {
			row := bodies[(i*g.Levels+j)*n:][:n]
			scale := uint64(m) << (64 - g.BaseLog*(j+1))
			if i < p.K() {
				for c, s := range e.sk.coeffs()[i*n : (i+1)*n] {
					row[c] = -(scale * uint64(s))
				}
			} else {
				clear(row)
				row[0] = scale
			}
			e.GLWE(row, row)
		}
	}
}

// GGSWs encrypts many messages on all cores, one after the other in bodies, as as many calls of [Encryptor.GGSW] would.
func (e *Encryptor) GGSWs(bodies []uint64, messages []int64, g GadgetParams) {
	p := e.sk.params
	rows := (p.K() + 1) * g.Levels
	words, masks := rows*p.N(), rows*p.K()
	if len(bodies) != len(messages)*words {
		panic("tfhe: GGSW bodies have the wrong length")
	}
	first := e.next
	e.next += uint64(len(messages) * masks)
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(messages)) {
		group.Go(func() {
			part := newEncryptor(e.sk, e.seed, first)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(messages) {
					return
				}
				part.next = first + uint64(i*masks)
				part.GGSW(bodies[i*words:(i+1)*words], messages[i], g)
			}
		})
	}
	group.Wait()
}

// MaskReader expands the masks of a seed in the order in which an [Encryptor] used them.
type MaskReader struct {
	seed Seed
	next uint64
}

// NewMaskReader starts at the seed's first mask polynomial.
func NewMaskReader(seed Seed) *MaskReader { return &MaskReader{seed: seed} }

// Next fills mask (any multiple of N words) with the next polynomials.
func (m *MaskReader) Next(mask []uint64, n int) {
	for i := 0; i < len(mask); i += n {
		rng.ExpandMask(mask[i:i+n], m.seed, m.next)
		m.next++
	}
}

// At returns a reader that starts at polynomial number i of the same seed: masks can be expanded in parallel.
func (m *MaskReader) At(i int) *MaskReader { return &MaskReader{seed: m.seed, next: uint64(i)} }

// Decryptor recovers phases with the secret key. Not safe for concurrent use.
type Decryptor struct {
	sk   *SecretKey
	acc  []uint64
	ring *ring.Ring
}

// NewDecryptor returns a decryptor with scratch memory of its own.
func NewDecryptor(sk *SecretKey) *Decryptor {
	return &Decryptor{sk: sk, acc: make([]uint64, sk.params.N()), ring: sk.ring}
}

// Format hides from every verb of package fmt the decryptor's scratch memory, which holds products with the key.
func (d Decryptor) Format(f fmt.State, _ rune) { fmt.Fprint(f, "tfhe.Decryptor("+d.sk.id.String()+")") }

// GLWE sets phase (N words) to the phase of ct: message plus noise.
func (d *Decryptor) GLWE(phase []uint64, ct GLWECiphertext) {
	d.MaskProduct(d.acc, ct.Mask)
	for i := range phase {
		phase[i] = ct.Body[i] - d.acc[i]
	}
	clear(d.acc) // with the public mask it is linear equations in the key
}

// MaskProduct sets dst (N words) to sum_i mask_i s_i: with it single body coefficients decrypt as body_c - dst_c.
func (d *Decryptor) MaskProduct(dst, mask []uint64) {
	clear(dst)
	n := d.sk.params.N()
	for i, s := range d.sk.polys() {
		d.ring.MulAdd(dst, mask[i*n:(i+1)*n], s)
	}
}

// LWE returns the phase of ct under the big key (dimension kN) or the small one (dimension n).
func (d *Decryptor) LWE(ct *LWECiphertext) uint64 {
	phase, coeffs := ct.Body, d.sk.coeffs()
	for i, a := range ct.Mask {
		phase -= a * uint64(coeffs[i])
	}
	return phase
}
