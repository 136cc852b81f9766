package tfhe

import (
	"github.com/fhe-ml/fhe-ml/tfhe/internal/fft"
	"github.com/fhe-ml/fhe-ml/tfhe/internal/vec"
)

// FourierGGSW is a GGSW ciphertext ready for external products: (k+1) l rows of k+1 polynomials in the Fourier domain. It never
// leaves the machine it was made on. Rows are in the order of [Encryptor.GGSW].
type FourierGGSW struct {
	gadget GadgetParams
	rows   []float64        // [k+1][l rows of k+1 polynomials], for k = 1 each half as fft.InterleaveRows2 puts it
	clear  []GLWECiphertext // the first rows that encrypt m q/B^j, as torus words, as many as were asked for
}

// NewFourierGGSW allocates an empty one.
func NewFourierGGSW(p Parameters, g GadgetParams) *FourierGGSW {
	k1 := p.K() + 1
	return &FourierGGSW{gadget: g, rows: make([]float64, k1*g.Levels*k1*p.N())}
}

// NewFourierGGSWs allocates count empty ones in one piece of memory, in large pages where there are any: many of them are read in turn, and most
// of that is waiting for memory.
func NewFourierGGSWs(p Parameters, g GadgetParams, count int) []*FourierGGSW {
	k1 := p.K() + 1
	words := k1 * g.Levels * k1 * p.N()
	all, out := make([]float64, count*words), make([]*FourierGGSW, count)
	largePages(all)
	for i := range out {
		out[i] = &FourierGGSW{gadget: g, rows: all[i*words:][:words:words]}
	}
	return out
}

// NewGLWEs allocates count ciphertexts, as [NewGLWE] does, in one piece of memory.
func NewGLWEs(p Parameters, count int) []GLWECiphertext {
	n, k := p.N(), p.K()
	all, out := make([]uint64, count*(k+1)*n), make([]GLWECiphertext, count)
	largePages(all)
	for i := range out {
		words := all[i*(k+1)*n:][: (k+1)*n : (k+1)*n]
		out[i] = GLWECiphertext{Mask: words[: k*n : k*n], Body: words[k*n:]}
	}
	return out
}

// Gadget returns the gadget of its rows.
func (g *FourierGGSW) Gadget() GadgetParams { return g.gadget }

// Evaluator computes on ciphertexts. It owns scratch memory: one evaluator for each goroutine, all sharing one [ServerKey].
type Evaluator struct {
	p      Parameters
	plan   *fft.Plan
	words  []uint64 // N
	diff   GLWECiphertext
	digits [][]float64 // (k+1) l polynomials: transformed digits
	rows   []float64   // (k+1) l rows, before they are put in order
	facc   [][]float64 // k+1 polynomials
	boot   *rotator    // nil where there are no lookups
	state  []*rotation
}

// NewEvaluator returns an evaluator; key is nil for parameters without lookups, and may be nil for what needs none.
func NewEvaluator(p Parameters, key *ServerKey) *Evaluator {
	levels := max(p.lit.Select.Levels, 1)
	ev := &Evaluator{p: p, plan: fft.For(p.N()),
		words: make([]uint64, p.N()), diff: NewGLWE(p)}
	polys := make([]float64, (p.K()+1)*(levels+1)*p.N())
	for i := range (p.K() + 1) * (levels + 1) {
		poly := polys[i*p.N() : (i+1)*p.N()]
		if i <= p.K() {
			ev.facc = append(ev.facc, poly)
		} else {
			ev.digits = append(ev.digits, poly)
		}
	}
	if key != nil && p.HasLookups() {
		ev.boot = newRotator(p, key, 1)
		ev.state = []*rotation{newRotation(p)}
	}
	return ev
}

// LoadGGSW expands a seeded GGSW ciphertext (its bodies as [Encryptor.GGSW] made them, its masks from m) into the Fourier domain.
func (ev *Evaluator) LoadGGSW(dst *FourierGGSW, bodies []uint64, m *MaskReader) {
	if ev.p.K() > 1 {
		loadGGSW(ev.p, ev.plan, ev.words, dst.rows, dst.clear, bodies, m)
		return
	}
	if len(ev.rows) != len(dst.rows) {
		ev.rows = make([]float64, len(dst.rows))
	}
	loadGGSW(ev.p, ev.plan, ev.words, ev.rows, dst.clear, bodies, m)
	dst.interleave(ev.rows, ev.p.N())
}

// interleave puts rows in the order in which external products read them: those that meet the mask's digits, then those that meet the body's.
func (g *FourierGGSW) interleave(rows []float64, n int) {
	half := len(rows) / 2
	fft.InterleaveRows2(g.rows[:half], rows[:half], n)
	fft.InterleaveRows2(g.rows[half:], rows[half:], n)
}

func loadGGSW(p Parameters, plan *fft.Plan, scratch []uint64, rows []float64, clear []GLWECiphertext, bodies []uint64, m *MaskReader) {
	n, k := p.N(), p.K()
	for r := 0; r*n < len(bodies); r++ {
		kept := r - k*len(bodies)/n/(k+1) // of the last l rows the first are kept where that is asked for
		row := rows[r*(k+1)*n:]
		for i := range k {
			mask := scratch[:n]
			if kept >= 0 && kept < len(clear) {
				mask = clear[kept].Mask[i*n : (i+1)*n]
			}
			m.Next(mask, n)
			plan.ForwardTorus(row[i*n:(i+1)*n], mask)
		}
		if kept >= 0 && kept < len(clear) {
			copy(clear[kept].Body, bodies[r*n:(r+1)*n])
		}
		plan.ForwardTorus(row[k*n:(k+1)*n], bodies[r*n:(r+1)*n])
	}
}

// ExternalProductAdd sets dst to dst + g [.] ct: it adds the encrypted integer of g times the phase of ct. dst may be ct.
// Polynomials of ct that are all zero (the mask of a trivial ciphertext) cost nothing and add no noise.
func (ev *Evaluator) ExternalProductAdd(dst GLWECiphertext, g *FourierGGSW, ct GLWECiphertext) {
	if ev.externalProduct(ev.facc, g, ct, true) {
		ev.inverseAdd(dst, ev.facc)
	}
}

// externalProduct adds g [.] ct to acc, k+1 polynomials in the Fourier domain, which it sets when first. It tells whether ct is other than zero: else
// it leaves acc alone.
func (ev *Evaluator) externalProduct(acc [][]float64, g *FourierGGSW, ct GLWECiphertext, first bool) bool {
	n, k, l := ev.p.N(), ev.p.K(), g.gadget.Levels
	offset := digitOffset(g.gadget)
	some := false
	for i := range k + 1 {
		src := ct.Body
		if i < k {
			src = ct.Mask[i*n : (i+1)*n]
		}
		if allZero(src) {
			continue
		}
		for len(ev.digits) < (k+1)*l { // a gadget of more levels than the set's own
			ev.digits = append(ev.digits, make([]float64, n))
		}
		digits := ev.digits[i*l : (i+1)*l]
		for j, d := range digits {
			forwardDigit(ev.plan, d, src, g.gadget, offset, j)
		}
		ev.mulRows(acc, digits, g.rows[i*l*(k+1)*n:(i+1)*l*(k+1)*n], first)
		first, some = false, true
	}
	return some
}

// inverseAdd adds k+1 polynomials in the Fourier domain, which it overwrites, to dst.
func (ev *Evaluator) inverseAdd(dst GLWECiphertext, polys [][]float64) {
	n, k := ev.p.N(), ev.p.K()
	for i := range k {
		ev.plan.InverseAddTorus(dst.Mask[i*n:(i+1)*n], polys[i])
	}
	ev.plan.InverseAddTorus(dst.Body, polys[k])
}

// mulRows multiplies the transformed digits of one polynomial by their key rows and adds the products to acc, which it sets when first.
func (ev *Evaluator) mulRows(acc, digits [][]float64, rows []float64, first bool) {
	if ev.p.K() == 1 {
		if first {
			fft.MulRows2(acc[0], acc[1], digits, rows)
		} else {
			fft.MulAddRows2(acc[0], acc[1], digits, rows)
		}
		return
	}
	n, k1 := ev.p.N(), ev.p.K()+1
	for j, d := range digits {
		for o := range k1 {
			row := rows[(j*k1+o)*n:][:n]
			if first && j == 0 {
				fft.Mul(acc[o], d, row)
			} else {
				fft.MulAdd(acc[o], d, row)
			}
		}
	}
}

func allZero(x []uint64) bool {
	for _, v := range x {
		if v != 0 {
			return false
		}
	}
	return true
}

// CMUX sets dst to lo where bit encrypts 0 and to hi where it encrypts 1: dst = lo + bit [.] (hi - lo). dst may be lo or hi.
func (ev *Evaluator) CMUX(dst GLWECiphertext, bit *FourierGGSW, lo, hi GLWECiphertext) {
	subWords(ev.diff.Mask, hi.Mask, lo.Mask)
	subWords(ev.diff.Body, hi.Body, lo.Body)
	if &dst.Body[0] != &lo.Body[0] {
		dst.Copy(lo)
	}
	ev.ExternalProductAdd(dst, bit, ev.diff)
}

// Rotate multiplies acc by X^a where bit encrypts 1 and leaves it where bit encrypts 0, for any integer a:
// acc = acc + bit [.] (X^a - 1) acc. A rotation by X^-z brings coefficient z to the front.
func (ev *Evaluator) Rotate(acc GLWECiphertext, bit *FourierGGSW, a int) {
	if a = mod(a, 2*ev.p.N()); a != 0 {
		ev.turned(acc, a)
		ev.ExternalProductAdd(acc, bit, ev.diff)
	}
}

// turned sets ev.diff to (X^a - 1) acc, 0 <= a < 2N.
func (ev *Evaluator) turned(acc GLWECiphertext, a int) {
	n := ev.p.N()
	for i := range ev.p.K() {
		mulXaMinus1(ev.diff.Mask[i*n:(i+1)*n], acc.Mask[i*n:(i+1)*n], a)
	}
	mulXaMinus1(ev.diff.Body, acc.Body, a)
}

func subWords(dst, x, y []uint64) { vec.Sub64(dst, x, y) }

func mod(a, n int) int {
	if a %= n; a < 0 {
		a += n
	}
	return a
}

// mulXa sets dst to X^a x in Z[X]/(X^N+1), 0 <= a < 2N; dst is not x.
func mulXa(dst, x []uint64, a int) {
	n := len(x)
	neg := a >= n
	if neg {
		a -= n
	}
	if neg {
		for i := range n - a {
			dst[a+i] = -x[i]
		}
		copy(dst[:a], x[n-a:])
		return
	}
	copy(dst[a:], x[:n-a])
	for i := range a {
		dst[i] = -x[n-a+i]
	}
}

// mulXaMinus1 sets dst to (X^a - 1) x; dst is not x.
func mulXaMinus1(dst, x []uint64, a int) {
	mulXa(dst, x, a)
	vec.Sub64(dst, dst, x)
}
