package compiler

import (
	"fmt"
	"math"
)

// extract takes values apart, one bit after the other, as the server does. All results of a lookup go the way that its one rotation goes.
func (p *simPlan) extract(i int, st *ExtractStep) {
	s := p.s
	outputs := float64(st.Outputs(p.c.Spec.Params.Select.Levels))
	before := math.Sqrt(s.noise.keySwitch + sq(outputs)*s.noise.modulusSwitch)
	for e := range st.Count {
		src := p.vectors[st.Source.Step][int(st.Source.Element)+e]
		numbers, values := make([]int32, st.Bits), make([]simRef, st.Bits)
		anew := false
		for b := range st.Bits {
			key := fmt.Sprint("extract ", src.class, st.Bits, st.Width, st.From, b)
			numbers[b], anew = number(p.taken, key)
			if st.Width > 0 {
				values[b], _ = p.fresh(key)
				p.vectors[i] = append(p.vectors[i], values[b])
			}
		}
		p.bits[i] = append(p.bits[i], numbers...)
		if !anew {
			continue
		}
		p.add(func() {
			x := s.words[src.class]
			for b, n := range numbers {
				// The bit at the top: it is 1 within a quarter of a turn of 1/2.
				top := x<<(st.Bits-1-b) + s.source.word(before)
				bit := (top + 1<<62) >> 63
				x -= bit<<(64-st.Bits+b) + s.source.word(s.noise.lookup)
				s.computed[n] = int64(bit)
				if st.Width > 0 {
					s.words[values[b].class] = bit<<(64-st.Width) + s.source.word(s.noise.lookup)
				}
			}
		})
	}
}

// turned is a table that is turned by bits of a computed value. What its products have in common with those of other tables is drawn for each.
func (p *simPlan) turned(u RotateUnit, width int) simRef {
	s, bits := p.s, make([]int32, len(u.Selectors))
	for j, sel := range u.Selectors {
		bits[j] = p.bits[u.From-1][sel]
	}
	r, isNew := p.fresh(fmt.Sprint("turn ", width, bits, u.Weights, u.Start, u.Table))
	if isNew {
		p.add(func() {
			z, variance := int(u.Start), s.noise.wide.table
			for j, b := range bits {
				bit := s.computed[b]
				z += int(u.Weights[j]) * int(bit)
				if j > 0 {
					variance += s.noise.wide.product
				}
				variance += float64(bit) * s.noise.wide.rounding
			}
			s.words[r.class] = uint64(u.Table[z])<<(64-width) + s.source.word(math.Sqrt(variance))
		})
	}
	return r
}
