package tfhe

import "github.com/fhe-ml/fhe-ml/tfhe/internal/fft"

// bootstrapScratch is what one bootstrap at a time needs.
type bootstrapScratch struct {
	small   LWECiphertext
	ahat    []int
	acc     []GLWECiphertext // m parts
	fdigits [][]float64      // [m (k+1) l] transformed digits
	zero    []bool           // [m (k+1)] polynomials that are all zero
	out     [][]float64      // [m (k+1)]
	prod    [][]float64      // [k+1]
}

func newBootstrapScratch(p Parameters) *bootstrapScratch {
	lit := p.lit
	s := &bootstrapScratch{small: NewLWE(lit.SmallDimension), ahat: make([]int, lit.SmallDimension), zero: make([]bool, lit.Parts*(p.K()+1))}
	for range lit.Parts {
		s.acc = append(s.acc, NewGLWE(p))
	}
	polys := func(count int) [][]float64 {
		all := make([][]float64, count)
		for i := range all {
			all[i] = make([]float64, p.N())
		}
		return all
	}
	s.fdigits = polys(lit.Parts * (p.K() + 1) * lit.BlindRotate.Levels)
	s.out = polys(lit.Parts * (p.K() + 1))
	s.prod = polys(p.K() + 1)
	return s
}

// Bootstrap sets dst (dimension kN) to a fresh encryption of the table's answer to what src (dimension kN) encrypts: key switch, modulus
// switch, blind rotation, sample extraction. dst may be src.
func (ev *Evaluator) Bootstrap(dst, src *LWECiphertext, table *LookupTable) {
	s := ev.boot
	ev.KeySwitch(&s.small, src)
	bhat := ev.modulusSwitch(s.ahat, &s.small, table.shift)
	ev.blindRotate(s.ahat, bhat, table)
	SampleExtract(ev.p, dst, s.acc[0], 0)
}

// BootstrapBit sets dst to an encryption of bit*one, where src encrypts bit*2^63 (the top position, no padding) and
// table is [NewSignTable] of one.
func (ev *Evaluator) BootstrapBit(dst, src *LWECiphertext, table *LookupTable, one uint64) {
	ev.Bootstrap(dst, src, table)
	dst.Body += one >> 1
}

// blindRotate computes Y^(sum_i ahat_i s_i - bhat) T in Z[Y]/(Y^mN + 1), so that coefficient 0 of part 0 is the table's
// word at bhat - sum ahat_i s_i. With Y^m = X the table is m polynomials in X, part r holding the coefficients of Y^(m i + r): multiplying by Y^a
// permutes parts by a mod m and rotates them by a div m (extended bootstrapping, eprint 2023/402). The key has at most one 1 in a block, so a
// block costs one decomposition: acc += sum_j (Y^ahat_j - 1) BSK_j [.] acc (eprint 2023/958).
func (ev *Evaluator) blindRotate(ahat []int, bhat int, table *LookupTable) {
	s := ev.boot
	lit := ev.p.lit
	m, total := lit.Parts, lit.Parts*lit.PolyDegree
	for r := range m {
		s.acc[r].Clear()
		for i := range s.acc[r].Body {
			z := mod(m*i+r+bhat, 2*total)
			if z < total {
				s.acc[r].Body[i] = table.words[z]
			} else {
				s.acc[r].Body[i] = -table.words[z-total]
			}
		}
	}
	for b := 0; b < len(ahat); b += lit.BlockLength {
		ev.rotateBlock(b, ahat[b:b+lit.BlockLength])
	}
}

// rotateBlock multiplies the accumulator by Y^(sum ahat_j s_j) over the block of key bits that starts at index first.
func (ev *Evaluator) rotateBlock(first int, ahat []int) {
	s := ev.boot
	lit := ev.p.lit
	n, k1, l, m := ev.p.N(), ev.p.K()+1, lit.BlindRotate.Levels, lit.Parts
	ev.transformParts()
	for _, o := range s.out {
		clear(o)
	}
	words := k1 * l * k1 * n
	for j, a := range ahat {
		if a == 0 {
			continue
		}
		ggsw := ev.key.bsk[(first+j)*words:][:words]
		for r := range m {
			ev.partProduct(r, ggsw)
			to, rot := r+a%m, a/m
			if to >= m {
				to, rot = to-m, (rot+1)%(2*n)
			}
			for o := range k1 {
				if to == r {
					ev.plan.MulXaMinus1Add(s.out[r*k1+o], s.prod[o], rot)
				} else {
					ev.plan.MulXaAdd(s.out[to*k1+o], s.prod[o], rot)
					fft.Sub(s.out[r*k1+o], s.prod[o])
				}
			}
		}
	}
	for r := range m {
		for i := range k1 - 1 {
			ev.plan.InverseAddTorus(s.acc[r].Mask[i*n:(i+1)*n], s.out[r*k1+i])
		}
		ev.plan.InverseAddTorus(s.acc[r].Body, s.out[r*k1+k1-1])
	}
}

// transformParts decomposes every polynomial of the accumulator and transforms its digits.
func (ev *Evaluator) transformParts() {
	s := ev.boot
	n, k1, l := ev.p.N(), ev.p.K()+1, ev.p.lit.BlindRotate.Levels
	for r, acc := range s.acc {
		for i := range k1 {
			src := acc.Body
			if i < k1-1 {
				src = acc.Mask[i*n : (i+1)*n]
			}
			s.zero[r*k1+i] = allZero(src)
			if s.zero[r*k1+i] {
				continue
			}
			decompose(ev.digits, src, ev.p.lit.BlindRotate)
			for j := range l {
				ev.plan.ForwardInt64(s.fdigits[(r*k1+i)*l+j], ev.digits[j*n:(j+1)*n])
			}
		}
	}
}

// partProduct sets prod to GGSW [.] part r, in the Fourier domain.
func (ev *Evaluator) partProduct(r int, ggsw []float64) {
	s := ev.boot
	n, k1, l := ev.p.N(), ev.p.K()+1, ev.p.lit.BlindRotate.Levels
	for _, p := range s.prod {
		clear(p)
	}
	for row := range k1 * l {
		if s.zero[r*k1+row/l] {
			continue
		}
		d, key := s.fdigits[r*k1*l+row], ggsw[row*k1*n:]
		if k1 == 2 {
			fft.MulAdd2(s.prod[0], s.prod[1], d, key[:n], key[n:2*n])
			continue
		}
		for o := range k1 {
			fft.MulAdd(s.prod[o], d, key[o*n:(o+1)*n])
		}
	}
}
