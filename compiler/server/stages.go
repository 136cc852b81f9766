package server

import (
	"cmp"
	"slices"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// stages orders the steps of a circuit for execution and puts lookups together that do not wait for each other: those of one stage run as one batch. A program
// that names its values one by one has a step for each of them, with one lookup; alone a lookup waits for the key from memory, and leaves cores idle.
//
// The level of a step is the number of lookup steps on the longest way to it, itself included. Steps run by level, lookups first, since what else has their
// level may depend on them; the others keep their order.
func stages(steps []compiler.Step) [][]int {
	levels := make([]int, len(steps))
	order := make([]int, len(steps))
	for i, st := range steps {
		order[i] = i
		for _, from := range sources(st) {
			levels[i] = max(levels[i], levels[from])
		}
		if st.Lookup != nil {
			levels[i]++
		}
	}
	isLookup := func(i int) int {
		if steps[i].Lookup != nil {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(levels[i], levels[j]), cmp.Compare(isLookup(i), isLookup(j)))
	})
	var out [][]int
	for n, i := range order {
		if n > 0 && isLookup(i) == 0 && isLookup(order[n-1]) == 0 && levels[i] == levels[order[n-1]] {
			last := &out[len(out)-1]
			*last = append(*last, i)
			continue
		}
		out = append(out, []int{i})
	}
	return out
}

// sources lists the steps whose vectors a step reads.
func sources(st compiler.Step) []int32 {
	var from []int32
	switch {
	case st.Affine != nil:
		for _, row := range st.Affine.Rows {
			for _, ref := range row.Refs {
				from = append(from, ref.Step)
			}
		}
	case st.Lookup != nil:
		from = append(from, st.Lookup.Source.Step)
	case st.Round != nil:
		from = append(from, st.Round.Source.Step)
	case st.Extract != nil:
		from = append(from, st.Extract.Source.Step)
	case st.Rotate != nil:
		for _, u := range st.Rotate.Units {
			if u.From > 0 {
				from = append(from, u.From-1)
			}
		}
	}
	return from
}

// stage runs the steps of one stage: one, or several of lookups.
func (r *run) stage(steps []int) error {
	if len(steps) == 1 {
		v, err := r.step(steps[0], r.s.circuit.Steps[steps[0]])
		r.values[steps[0]] = v
		return err
	}
	var src []tfhe.LWECiphertext
	var tables []*tfhe.LookupTable
	for _, i := range steps {
		st := r.s.circuit.Steps[i].Lookup
		src = append(src, r.values[st.Source.Step].lwe[st.Source.Element:][:len(st.Tables)]...)
		tables = append(tables, r.s.tables[i]...)
	}
	out := r.newVector(len(src))
	if err := r.lookups(out, src, tables); err != nil {
		return err
	}
	for _, i := range steps {
		n := len(r.s.tables[i])
		r.values[i], out = value{lwe: out[:n:n]}, out[n:]
	}
	return nil
}
