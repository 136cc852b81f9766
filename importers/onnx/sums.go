package onnx

import (
	"fmt"
	"slices"
)

// accumulator adds up weighted columns over a basis.
type accumulator struct {
	b       float64
	acc     []float64 // per element of the basis
	hit     []bool
	touched []int32 // the elements with hit
}

func newAccumulator(n int) *accumulator {
	return &accumulator{acc: make([]float64, n), hit: make([]bool, n)}
}

// add adds f times a column.
func (s *accumulator) add(f float64, c column) {
	s.b += float64(f * c.b)
	for i, x := range c.idx {
		if !s.hit[x] {
			s.hit[x] = true
			s.touched = append(s.touched, x)
		}
		s.acc[x] += float64(f * c.w[i])
	}
}

// take returns the sum, where cancel is set without weights of zero, and begins another.
func (s *accumulator) take(cancel bool) column {
	slices.Sort(s.touched)
	c := column{idx: make([]int32, 0, len(s.touched)), w: make([]float64, 0, len(s.touched)), b: s.b}
	for _, x := range s.touched {
		if !cancel || s.acc[x] != 0 {
			c.idx, c.w = append(c.idx, x), append(c.w, s.acc[x])
		}
		s.acc[x], s.hit[x] = 0, false
	}
	s.b, s.touched = 0, s.touched[:0]
	return c
}

// matmul multiplies the columns of v by the matrix w[len(cols)][h] (row-major) and adds bias (nil: none).
func (t *translator) matmul(v *vector, w []float64, h int, bias []float64) (*vector, error) {
	z := v.weights()
	if h > maxFeatures {
		return nil, fmt.Errorf("more than %d columns", maxFeatures)
	}
	if z > 0 && h > (1<<40)/z {
		return nil, errBudget
	}
	out := v.with(make([]column, h), []int{h})
	s := newAccumulator(v.base.n)
	for j := range out.cols {
		if bias != nil {
			s.b = bias[j]
		}
		for k, c := range v.cols {
			if f := w[k*h+j]; f != 0 {
				s.add(f, c)
			}
		}
		if err := t.spend(len(s.touched), z+len(v.cols)+1); err != nil {
			return nil, err
		}
		out.cols[j] = s.take(false)
	}
	return out, nil
}

// sparse returns n columns, each the bias (nil: none) and weighted columns of v, which each(j, add) lists for column j.
func (t *translator) sparse(v *vector, n int, bias []float64, each func(j int, add func(k int, w float64))) (*vector, error) {
	if n > maxFeatures {
		return nil, fmt.Errorf("at most %d columns, not %d", maxFeatures, n)
	}
	if err := t.spend(v.base.n+len(v.cols)+n, v.base.n+n); err != nil {
		return nil, err
	}
	out := v.with(make([]column, n), []int{n})
	s := newAccumulator(v.base.n)
	for j := range out.cols {
		work := 1
		if bias != nil {
			s.b = bias[j]
		}
		each(j, func(k int, f float64) {
			work += 1 + len(v.cols[k].idx)
			s.add(f, v.cols[k])
		})
		out.cols[j] = s.take(true)
		if err := t.spend(len(out.cols[j].idx), work); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// total is f times the sum of some columns.
func (t *translator) total(b *basis, cols []column, f float64) (column, error) {
	w := make([]float64, len(cols))
	for i := range w {
		w[i] = f
	}
	v := &vector{base: b, cols: cols, shape: []int{len(cols)}}
	out, err := t.matmul(v, w, 1, nil)
	if err != nil {
		return column{}, err
	}
	return out.cols[0], nil
}
