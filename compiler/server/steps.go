package server

import (
	"fmt"
	"math/bits"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// step runs step number i.
func (r *run) step(i int, st compiler.Step) (value, error) {
	switch {
	case st.Packed != nil:
		return r.packedProduct(i, st.Packed)
	case st.Select != nil:
		return r.selectTrees(r.s.trees[i])
	case st.Rotate != nil:
		return r.rotate(st.Rotate)
	case st.Affine != nil:
		return r.affine(st.Affine)
	case st.Lookup != nil:
		return r.lookup(i, st.Lookup)
	case st.Round != nil:
		return r.round(i, st.Round)
	case st.Codes != nil:
		return r.codes(st.Codes)
	case st.Extract != nil:
		return r.extract(i, st.Extract)
	}
	return value{}, fmt.Errorf("server: step %d is empty", i)
}

// packedProduct multiplies the packed ciphertexts by the step's weights. Their transforms are made once for all steps.
func (r *run) packedProduct(i int, st *compiler.PackedStep) (value, error) {
	p := r.s.params
	polys := p.K() + 1
	if r.product == nil {
		for range r.packed {
			r.product = append(r.product, tfhe.NewPreparedGLWE(p))
		}
		if err := r.parallel(len(r.packed)*polys, func(j int) { r.product[j/polys].Prepare(p, r.packed[j/polys], j%polys) }); err != nil {
			return value{}, err
		}
	}
	out, weights := tfhe.NewGLWE(p), r.s.weights[i]
	err := r.parallel(polys, func(j int) { tfhe.MulPlainSum(p, out, r.product[:len(weights)], weights, j) })
	for i, c := range st.Coeffs {
		out.Body[c] += uint64(st.Bias[i]) << (64 - st.Width)
	}
	return value{glwe: out}, err
}

// parallel calls f for 0..n-1 on all cores.
func (r *run) parallel(n int, f func(i int)) error {
	return r.spread(n, func() (func(int), func()) { return f, func() {} })
}

// codes takes input codes out of the packed ciphertexts.
func (r *run) codes(st *compiler.CodesStep) (value, error) {
	per := r.s.circuit.Spec.PerPacked
	if per == 0 {
		per = r.s.params.N()
	}
	out := r.newVector(len(st.Codes))
	err := r.each(len(out), func(_ *tfhe.Evaluator, i int) {
		c := int(st.Codes[i])
		tfhe.SampleExtract(r.s.params, &out[i], r.packed[c/per], c%per)
	})
	return value{lwe: out}, err
}

// rotateGroup is how many accumulators are turned by a client bit before the next one: memory gives each bit, some hundred KB, once for all of them, and
// they stay in the second-level cache.
const rotateGroup = 8

// rotate looks up every unit's table: the accumulator is the table as a polynomial without noise, turned by X^-weight under each
// bit, so that its coefficient 0 is the entry at the sum: a blind rotation over the input's bits instead of a secret key's. A table of several polynomials
// is first one of them, chosen by the high bits.
func (r *run) rotate(st *compiler.RotateStep) (value, error) {
	p := r.s.params
	out := make([]tfhe.LWECiphertext, len(st.Units))
	size := max(1, min(rotateGroup, (len(st.Units)+r.threads-1)/r.threads))
	err := r.each((len(st.Units)+size-1)/size, func(ev *tfhe.Evaluator, i int) {
		units := st.Units[i*size : min((i+1)*size, len(st.Units))]
		acc := make([]tfhe.GLWECiphertext, len(units))
		turns := map[bitRef][]turn{}
		var order []bitRef
		for u := range units {
			unit := &units[u]
			low := len(unit.Selectors)
			if len(unit.Table) > p.N() {
				low = bits.Len(uint(p.N() - 1))
				acc[u] = r.choose(ev, unit, st.Width, len(unit.Selectors), 0)
			} else {
				acc[u] = tableStart(p, unit, st.Width)
			}
			for j, s := range unit.Selectors[:low] {
				ref := bitRef{unit.From, s}
				if turns[ref] == nil {
					order = append(order, ref)
				}
				turns[ref] = append(turns[ref], turn{u, -int(unit.Weights[j])})
			}
		}
		for _, ref := range order {
			for _, t := range turns[ref] {
				ev.Rotate(acc[t.unit], r.selector(ref), t.by)
			}
		}
		for u := range units {
			lwe := &out[i*size+u]
			*lwe = tfhe.NewLWE(p.BigDimension())
			tfhe.SampleExtract(p, lwe, acc[u], 0)
		}
	})
	return value{lwe: out}, err
}

// bitRef names a bit by which rotations and selects choose: the client's, or an element of the Extract step number from - 1.
type bitRef struct{ from, selector int32 }

func (r *run) selector(ref bitRef) *tfhe.FourierGGSW {
	if ref.from == 0 {
		return r.bits.ggsw[ref.selector]
	}
	return r.values[ref.from-1].ggsw[ref.selector]
}

// choose returns the polynomial of a long table that the bits from log2 N on choose among those that start at entry first, with bits bits to go.
func (r *run) choose(ev *tfhe.Evaluator, unit *compiler.RotateUnit, width, bits, first int) tfhe.GLWECiphertext {
	p := r.s.params
	if 1<<bits == p.N() {
		part := compiler.RotateUnit{Table: unit.Table[first:][:p.N()]}
		return tableStart(p, &part, width)
	}
	lo, hi := r.choose(ev, unit, width, bits-1, first), r.choose(ev, unit, width, bits-1, first+1<<(bits-1))
	ev.CMUX(lo, r.selector(bitRef{unit.From, unit.Selectors[bits-1]}), lo, hi)
	return lo
}

// turn is one rotation of a unit of a group.
type turn struct{ unit, by int }

// tableStart is a unit's table at its start: entry z is wanted after z - Start further steps.
func tableStart(p tfhe.Parameters, unit *compiler.RotateUnit, width int) tfhe.GLWECiphertext {
	acc := tfhe.NewGLWE(p)
	for z, y := range unit.Table {
		c := (z - int(unit.Start) + 2*p.N()) % (2 * p.N())
		if c < p.N() {
			acc.Body[c] = uint64(y) << (64 - width)
		} else {
			acc.Body[c-p.N()] = -(uint64(y) << (64 - width))
		}
	}
	return acc
}

func (r *run) affine(st *compiler.AffineStep) (value, error) {
	out := make([]tfhe.LWECiphertext, len(st.Rows))
	err := r.each(len(st.Rows), func(_ *tfhe.Evaluator, i int) {
		row := &st.Rows[i]
		out[i] = tfhe.NewLWE(r.s.params.BigDimension())
		out[i].Body = uint64(row.Bias) << (64 - st.Width)
		for j, ref := range row.Refs {
			out[i].AddScaled(row.Weights[j], &r.values[ref.Step].lwe[ref.Element])
		}
	})
	return value{lwe: out}, err
}

// bootstrapper returns the run's goroutines for lookups, started on first use.
func (r *run) bootstrapper() *tfhe.Bootstrapper {
	if r.boot == nil {
		r.boot = tfhe.NewBootstrapper(r.s.params, r.key, r.threads)
	}
	return r.boot
}

// lookupChunk is how many lookups run between two looks at the context.
const lookupChunk = 64

// lookups runs a batch, in chunks so that a cancelled request stops soon.
func (r *run) lookups(dst, src []tfhe.LWECiphertext, tables []*tfhe.LookupTable) error {
	for len(src) > 0 {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		n, results := min(lookupChunk, len(src)), 0
		for _, t := range tables[:n] {
			results += t.Outputs()
		}
		r.bootstrapper().Run(dst[:results], src[:n], tables[:n])
		dst, src, tables = dst[results:], src[n:], tables[n:]
	}
	return r.ctx.Err()
}

func (r *run) newVector(n int) []tfhe.LWECiphertext {
	v := make([]tfhe.LWECiphertext, n)
	for i := range v {
		v[i] = tfhe.NewLWE(r.s.params.BigDimension())
	}
	return v
}

func (r *run) lookup(i int, st *compiler.LookupStep) (value, error) {
	src := r.values[st.Source.Step].lwe[st.Source.Element:][:len(st.Tables)]
	out := r.newVector(len(src))
	return value{lwe: out}, r.lookups(out, src, r.s.tables[i])
}

// round clears the lowest bits of all values, one bit of all of them at a time. A bit is brought to the top position by a power of two, which drops all higher
// bits; its lookup gives it back at its own place, where it is subtracted.
func (r *run) round(i int, st *compiler.RoundStep) (value, error) {
	src := r.values[st.Source.Step].lwe[st.Source.Element:][:st.Count]
	out, top := r.newVector(st.Count), r.newVector(st.Count)
	for j := range out {
		out[j].Copy(&src[j])
	}
	tables := make([]*tfhe.LookupTable, st.Count)
	for b := range st.Drop {
		for j := range out {
			top[j].Clear()
			top[j].AddScaled(1<<(st.Width-1-b), &out[j])
			tables[j] = r.s.tables[i][b]
		}
		if err := r.lookups(top, top, tables); err != nil {
			return value{}, err
		}
		for j := range out {
			out[j].AddScaled(-1, &top[j])
			out[j].Body -= 1 << (64 - st.Width + b) >> 1 // the half that NewSignTable leaves out
		}
	}
	return value{lwe: out}, nil
}

// extract takes values apart, one bit of all of them at a time, as round does; selectors are made when all bits are there, on all cores.
func (r *run) extract(i int, st *compiler.ExtractStep) (value, error) {
	src := r.values[st.Source.Step].lwe[st.Source.Element:][:st.Count]
	left, top := r.newVector(st.Count), r.newVector(st.Count)
	for j := range left {
		left[j].Copy(&src[j])
	}
	var out value
	if st.Width > 0 {
		out.lwe = make([]tfhe.LWECiphertext, st.Count*st.Bits)
	}
	levels := r.s.params.Literal().Select.Levels
	rows := make([][]tfhe.LWECiphertext, st.Count*st.Bits)
	for b := range st.Bits {
		table := r.s.tables[i][b]
		ones := extractOnes(r.s.params, st, b)
		outputs := table.Outputs()
		results, tables := r.newVector(st.Count*outputs), make([]*tfhe.LookupTable, st.Count)
		for j := range left {
			top[j].Clear()
			top[j].AddScaled(1<<(st.Bits-1-b), &left[j])
			tables[j] = table
		}
		if err := r.lookups(results, top, tables); err != nil {
			return value{}, err
		}
		for j := range left {
			of := results[j*outputs:][:outputs]
			for k, one := range ones {
				of[k].Body += one >> 1 // the half that NewSignTables leaves out
			}
			left[j].AddScaled(-1, &of[0])
			of = of[1:]
			if st.Width > 0 {
				out.lwe[j*st.Bits+b] = of[0]
				of = of[1:]
			}
			if b >= st.From {
				rows[j*st.Bits+b] = of[:levels]
			}
		}
	}
	if st.From == st.Bits {
		return out, nil
	}
	out.ggsw = make([]*tfhe.FourierGGSW, st.Count*st.Bits)
	per := st.Bits - st.From
	return out, r.spread(st.Count*per, func() (func(int), func()) {
		x := r.expander()
		return func(i int) {
			at := i/per*st.Bits + st.From + i%per
			out.ggsw[at] = tfhe.NewFourierGGSW(r.s.params, r.s.params.Literal().Select)
			x.ComputedSelector(out.ggsw[at], rows[at])
			rows[at] = nil
		}, func() { r.putExpander(x) }
	})
}

// extractOnes are the results of a lookup for bit b: what is subtracted, the bit as a value, the rows of its GGSW ciphertext.
func extractOnes(p tfhe.Parameters, st *compiler.ExtractStep, b int) []uint64 {
	ones := []uint64{1 << (64 - st.Bits + b)}
	if st.Width > 0 {
		ones = append(ones, 1<<(64-st.Width))
	}
	if b >= st.From {
		g := p.Literal().Select
		for j := range g.Levels {
			ones = append(ones, 1<<(64-g.BaseLog*(j+1)))
		}
	}
	return ones
}
