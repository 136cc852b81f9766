// Package fft multiplies polynomials modulo X^N+1 through floating-point transforms: the products of gadget digits with key rows
// and of clear weights with ciphertexts, whose rounding errors are small beside the noise of the ciphertexts (see ErrorVariance).
// Products with a secret go through package ring, exactly.
//
// # Transform
//
// A real polynomial P modulo X^N+1 is folded to the complex polynomial sum_j (p_j + i p_(j+N/2)) X^j modulo X^(N/2) - i, which has the
// same values at the roots zeta^(4k+1), zeta = exp(i pi/N), k = 0..N/2-1; the other N/2 roots of X^N+1 are their conjugates and
// carry nothing new. The forward transform evaluates at these roots by descending the tree of remainders: a node modulo X^(4h) - w^4
// splits into the four nodes modulo X^h - i^r w, which takes the three products by w, w^2 and w^3 on quarters of the node and a
// four-point butterfly. Every node has its constants and no separate twist of the input is needed: fold and conversion are part
// of the first pass. The inverse transform ascends the same tree, with the scaling, reduction and rounding in its last pass. Neither permutes
// its data: values stay in tree order, and products do not care.
//
// # Layout
//
// A polynomial in the Fourier domain is a []float64 of length N: N/16 vectors of 8 real parts followed by the 8 imaginary parts of
// the same points. Groups of 8 vectors are the 64 leaves under consecutive nodes of the tree, transposed: lane v of vector r is leaf r of the
// v-th node modulo X^8 - c, so that the last three levels of the tree work on whole vectors, with no shuffle but one transpose.
//
// The Fourier domain never leaves a process: it depends on this layout and on the rounding of the machine.
package fft

import (
	"fmt"
	"math/bits"
	"sync"
	"unsafe"
)

// Degrees that plans exist for: powers of two from MinN to MaxN.
const (
	MinN = 256
	MaxN = 4096
)

// ErrorVariance is the constant C of the rounding error of this package. Let d be a polynomial of integer digits with mean square
// E[d^2] and k a polynomial of uniform torus words. Every coefficient of Inverse(Forward(d) * Forward(k)), relative to the
// torus (divided by 2^64), differs from the exact product by an error of mean 0 and variance
//
//	N * E[d^2] * ErrorVariance
//
// and the errors of several products, summed before one inverse transform, add up in variance: V_fft = sum over the digit polynomials of
// N * E[d^2] * ErrorVariance. The error does not depend on the gadget base, and little on N: measured for bases 2^4..2^28, it is 2^-106.3 at
// N = 256, 2^-106.0 at 1024, 2^-105.9 at 2048 and 2^-105.7 at 4096, and the constant, 2^-105.6, bounds them all for sums of up to
// 6 products. The rounding of the sums themselves adds up in longer ones: a sum of r products stays below 1 + r/128 times the
// formula (TestErrorVariance, TestErrorVarianceLongSum).
const ErrorVariance = 0x1.5p-106

// roots4 are the powers w, w^2, w^3 of a node of the tree: real and imaginary parts.
type roots4 struct {
	re1, im1, re2, im2, re3, im3 float64
}

// vector is the unit of the layout: 8 real parts, then 8 imaginary parts.
type vector = [16]float64

// vectors returns the elements of x, a multiple of 16 of them, as vectors. Slices of arrays spare the bounds checks and address
// arithmetic of reslicing in each step of the inner loops, about a third of the time.
func vectors(x []float64) []vector {
	return unsafe.Slice((*vector)(unsafe.Pointer(unsafe.SliceData(x))), len(x)/16)
}

// octets returns the elements of x, a multiple of 8 of them, by eights.
func octets[T int64 | uint64 | float64](x []T) [][8]T {
	return unsafe.Slice((*[8]T)(unsafe.Pointer(unsafe.SliceData(x))), len(x)/8)
}

// Plan holds the constants of the transform for one degree. It is immutable and safe for concurrent use.
type Plan struct {
	n       int
	first   roots4     // root of the tree
	unfirst roots4     // times scale, for the inverse transform
	scale   float64    // 2^-64 / (N/2): a power of two, exact wherever it is applied
	outer   [][]roots4 // passes from M/4 down to groups of 64 or 32 points: one constant set per node
	// The last passes work on 64 points at a time. With sixteen set (N/2 an even power of two) these are one node: a radix-4 pass to nodes of
	// 16, then one to nodes of 4. Otherwise two nodes of 32: a radix-4 pass to nodes of 8, then a radix-2 pass to nodes of 4.
	sixteen bool
	group   []roots4     // per node of 64 or 32
	mid4    []roots4     // per node of 16
	mid2    [][2]float64 // per node of 8
	last    []roots4     // per node of 4
	// The assembly does the levels within a vector eight nodes of 8 at a time, and those above with sixteen set at once: with the powers
	// w, w^2 .. w^7 of a node.
	lane8  []float64 // per group of eight nodes of 8: 7 vectors
	group8 []float64 // per node of 64, with sixteen set: 7 complex

	monomial []complex128 // zeta^e, e in [0, 2N)
	exponent []uint32     // exponent of the root that lane 0 of a vector is evaluated at, modulo 2N
	lane     [8]uint32    // what lane v adds to it
	eighths  [8]uint32    // what vector r of a group of eight adds to it, in eighths of a turn (N/4), modulo 8
	one      []float64    // transform of X
}

// plans[log2 n] is the shared plan of degree n.
var plans [16]struct {
	once sync.Once
	plan *Plan
}

// For returns the plan of degree n, made on its first use and shared afterwards. It panics if n is not a power of two in [MinN, MaxN].
func For(n int) *Plan {
	checkDegree(n)
	p := &plans[bits.TrailingZeros(uint(n))]
	p.once.Do(func() { p.plan = NewPlan(n) })
	return p.plan
}

func checkDegree(n int) {
	if n < MinN || n > MaxN || n&(n-1) != 0 {
		panic(fmt.Sprintf("fft: degree %d is not a power of two in [%d, %d]", n, MinN, MaxN))
	}
}

// NewPlan returns a new plan of degree n. It panics if n is not a power of two in [MinN, MaxN]. For shares plans.
func NewPlan(n int) *Plan {
	checkDegree(n)
	p := &Plan{n: n, monomial: unitRoots(n)}
	m := n / 2
	// Nodes are kept by the exponent e of their constant: X^size - zeta^e, with size dividing e.
	nodes, size := []int{m}, m
	split := func(radix int) {
		for ; radix > 1; radix /= 2 {
			children := make([]int, 0, 2*len(nodes))
			for _, e := range nodes {
				children = append(children, e/2, (e/2+n)%(2*n))
			}
			nodes, size = children, size/2
		}
	}
	constants := func() []roots4 {
		t := make([]roots4, len(nodes))
		for i, e := range nodes {
			w1, w2, w3 := p.root(e/4), p.root(2*(e/4)), p.root(3*(e/4))
			t[i] = roots4{real(w1), imag(w1), real(w2), imag(w2), real(w3), imag(w3)}
		}
		return t
	}
	p.first = constants()[0]
	p.scale = 0x1p-64 / float64(m)
	w := &p.first
	p.unfirst = roots4{p.scale * w.re1, p.scale * w.im1, p.scale * w.re2, p.scale * w.im2, p.scale * w.re3, p.scale * w.im3}
	for split(4); size > 64; split(4) {
		p.outer = append(p.outer, constants())
	}
	p.sixteen = size == 64
	p.group = constants()
	if p.sixteen {
		for _, e := range nodes {
			for j := 1; j < 8; j++ {
				w := p.root(j * (e / 8))
				p.group8 = append(p.group8, real(w), imag(w))
			}
		}
		split(4)
		p.mid4 = constants()
		split(2)
	} else {
		split(4)
		for _, e := range nodes {
			w := p.root(e / 2)
			p.mid2 = append(p.mid2, [2]float64{real(w), imag(w)})
		}
	}
	p.lane8 = make([]float64, 14*len(nodes))
	for i, e := range nodes {
		for j := 1; j < 8; j++ {
			w := p.root(j * (e / 8))
			at := i/8*112 + (j-1)*16 + i%8
			p.lane8[at], p.lane8[at+8] = real(w), imag(w)
		}
	}
	split(2)
	p.last = constants()
	split(4)
	// Exponents are sums of one term per digit of the leaf's index, so that of a leaf is its vector's plus its lane's.
	leaf := func(group, r, v int) int { return nodes[64*group+8*v+r] }
	p.exponent = make([]uint32, m/8)
	for i := range p.exponent {
		p.exponent[i] = uint32(leaf(i/8, i%8, 0))
	}
	for r := range p.eighths {
		p.eighths[r] = (p.exponent[r] - p.exponent[0]) / uint32(n/4) % 8
	}
	for v := range p.lane {
		p.lane[v] = uint32((leaf(0, 0, v) - leaf(0, 0, 0) + 2*n) % (2 * n))
	}
	p.one = make([]float64, n)
	p.Monomial(p.one, 1)
	return p
}

// root returns zeta^e, e >= 0.
func (p *Plan) root(e int) complex128 { return p.monomial[e&(2*p.n-1)] }

// N returns the degree of the plan.
func (p *Plan) N() int { return p.n }

func (p *Plan) check(a, b int) {
	if a != p.n || b != p.n {
		panic(fmt.Sprintf("fft: polynomials of %d and %d coefficients in a transform of degree %d", a, b, p.n))
	}
}
