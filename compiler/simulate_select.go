package compiler

import (
	"fmt"
	"math"
)

// simTrees is a select step prepared for simulation. Only the nodes on a row's own paths matter: what an external product adds to a branch that is not taken is
// multiplied by 0.
type simTrees struct {
	st      *SelectStep
	singles int        // selectors from here on are single rows
	product []simShare // of each node that is not lowest
	sums    productSums
	turned  []float64 // of each table: the variance of its first rotation
	lowFFT  []float64 // of each lowest node: the variance of the transforms that its product takes
	low     [][]int64 // of each lowest node: digits of the difference of its leaves, [level][coefficient], flat; one level for a single row
	// State of a row.
	sum     []uint64          // numbers, without noise
	counts  []int32           // of each shared product: how often it was met, with signs
	met     []int32           // shared products that were met
	bottoms map[int32][]int64 // digits that met the rows of a selector
	order   []int32           // selectors of bottoms in the order in which they were met
	free    [][]int64
}

// simShare says which product a node makes: those of equal number are the same ciphertext up to the sign. -1: no other node makes it.
type simShare struct {
	number int32
	sign   int32
}

func (p *simPlan) selectTrees(i int, st *SelectStep) {
	s := p.s
	t := &simTrees{st: st, singles: p.c.Spec.Products(), sum: make([]uint64, len(st.Leaves[0])), bottoms: map[int32][]int64{}}
	t.shares()
	t.sums = newProductSums(st.Nodes, func(int) float64 { return 1 })
	for _, nd := range st.Nodes {
		var digits []int64
		fft := 0.0
		if nd.Lowest() {
			if digits = t.lowest(&s.noise, nd); t.transformed(nd, s.noise.gadget.Levels) {
				for _, d := range digits {
					fft += sq(float64(d)) * s.noise.fft
				}
			}
		}
		t.low, t.lowFFT = append(t.low, digits), append(t.lowFFT, fft)
	}
	for _, tb := range st.Tables {
		v := 0.0
		if len(tb.Selectors) > 0 {
			v = s.noise.tableTurned(tb.Table, st.Width, int(tb.Weights[0]), p.c.Spec.Params.PolyDegree)
		}
		t.turned = append(t.turned, v)
	}
	p.results(i, func(coeffs []int32, dst []uint64) {
		p.add(func() { t.run(s, coeffs, dst) })
	})
}

// shares numbers the products that several nodes make: see forest.countShared.
func (t *simTrees) shares() {
	masks, names := make([]maskName, len(t.st.Nodes)), make([]maskName, len(t.st.Nodes))
	of := func(c int32) maskName {
		if c < 0 {
			return maskName{}
		}
		return masks[c]
	}
	users := map[maskName]int{}
	t.product = make([]simShare, len(t.st.Nodes))
	for i, nd := range t.st.Nodes {
		var leaves []int64
		if nd.Lowest() {
			for c, y := range t.st.Leaves[^nd.Lo] {
				leaves = append(leaves, t.st.Leaves[^nd.Hi][c]-y)
			}
		}
		name := productName(nd.Selector, of(nd.Hi).plus(of(nd.Lo).negative()), leaves)
		masks[i] = of(nd.Lo).plus(name)
		t.product[i] = simShare{-1, 1}
		if name[0]>>63 == 1 {
			name, t.product[i].sign = name.negative(), -1
		}
		names[i] = name
		users[name]++
	}
	numbers := map[maskName]int32{}
	for i, name := range names {
		if users[name] < 2 || t.st.Nodes[i].Lowest() {
			continue
		}
		if _, ok := numbers[name]; !ok {
			numbers[name] = int32(len(numbers))
		}
		t.product[i].number = numbers[name]
	}
	t.counts = make([]int32, len(numbers))
}

// transformed tells whether the server multiplies a lowest node's rows by transforms.
func (t *simTrees) transformed(nd SelectNode, levels int) bool {
	terms := 0
	for c, y := range t.st.Leaves[^nd.Lo] {
		if t.st.Leaves[^nd.Hi][c] != y {
			terms++
		}
	}
	if int(nd.Selector) < t.singles {
		terms *= levels
	}
	return terms > maxClearProducts
}

// lowest returns the digits of a lowest node's difference.
func (t *simTrees) lowest(n *simNoise, nd SelectNode) []int64 {
	lo, hi := t.st.Leaves[^nd.Lo], t.st.Leaves[^nd.Hi]
	if int(nd.Selector) >= t.singles {
		out := make([]int64, len(lo))
		for c := range lo {
			out[c] = hi[c] - lo[c]
		}
		return out
	}
	levels := n.gadget.Levels
	out, digits := make([]int64, levels*len(lo)), make([]int64, levels)
	for c := range lo {
		n.digits(digits, uint64(hi[c]-lo[c])<<(64-t.st.Width))
		for j, d := range digits {
			out[j*len(lo)+c] = d
		}
	}
	return out
}

// run evaluates a row: the exact sum of all leaves, and noise of the variance that the products on the paths make.
func (t *simTrees) run(s *Simulator, coeffs []int32, dst []uint64) {
	clear(t.sum)
	shift := 64 - t.st.Width
	variance := 0.0
	product := func(selector int32) float64 { return s.noise.product + float64(s.bits[selector])*s.noise.rounding }
	// extra is the variance of a node's inverse transforms beyond the one that product has.
	extra := func(node int32) float64 {
		return (t.sums.back[node][s.bits[t.st.Nodes[node].Selector]] - 1) * s.noise.inverse
	}
	for i := range t.st.Tables {
		tb := &t.st.Tables[i]
		z := int32(0)
		for j, sel := range tb.Selectors {
			z += tb.Weights[j] * int32(s.bits[sel])
			if j > 0 {
				variance += product(sel)
			} else {
				variance += float64(s.bits[sel]) * s.noise.rounds(t.st.Width)
			}
		}
		variance += t.turned[i]
		for c := range t.sum {
			t.sum[c] += uint64(tb.Table[int(z)+c]) << shift
		}
	}
	for _, root := range t.st.Roots {
		at := root
		if at >= 0 {
			variance += t.sums.kept[at] * s.noise.inverse
		}
		for at >= 0 {
			nd := t.st.Nodes[at]
			switch share := t.product[at]; {
			case nd.Lowest():
				t.addLow(nd.Selector, t.low[at])
				variance += t.lowFFT[at]
				if int(nd.Selector) < t.singles {
					variance += float64(s.bits[nd.Selector]) * s.noise.rounds(t.st.Width)
				}
			case share.number >= 0:
				if t.counts[share.number] == 0 {
					t.met = append(t.met, at)
				}
				t.counts[share.number] += share.sign
			default:
				variance += product(nd.Selector) + extra(at)
			}
			if at = nd.Lo; s.bits[nd.Selector] == 1 {
				at = nd.Hi
			}
		}
		for c, y := range t.st.Leaves[^at] {
			t.sum[c] += uint64(y) << shift
		}
	}
	for _, node := range t.met {
		number := t.product[node].number
		variance += sq(float64(t.counts[number])) * (product(t.st.Nodes[node].Selector) + extra(node))
		t.counts[number] = 0
	}
	t.met = t.met[:0]
	for j, c := range coeffs {
		v := variance
		for _, sel := range t.order {
			v += t.lowNoise(s, sel, int(c))
		}
		dst[j] = s.source.word(math.Sqrt(v))
		if int(c) < len(t.sum) {
			dst[j] += t.sum[c]
		}
	}
	for _, sel := range t.order {
		t.free = append(t.free, t.bottoms[sel])
		delete(t.bottoms, sel)
	}
	t.order = t.order[:0]
}

// addLow adds the digits of a lowest node to those that meet the rows of its selector: in all trees they are the same rows.
func (t *simTrees) addLow(sel int32, digits []int64) {
	all, ok := t.bottoms[sel]
	if !ok {
		if n := len(t.free); n > 0 {
			all, t.free = t.free[n-1], t.free[:n-1]
		}
		if cap(all) < len(digits) {
			all = make([]int64, len(digits))
		}
		all = all[:len(digits)]
		clear(all)
		t.bottoms[sel] = all
		t.order = append(t.order, sel)
	}
	for i, d := range digits {
		all[i] += d
	}
}

// lowNoise is the variance of what the rows of a selector leave in coefficient c.
func (t *simTrees) lowNoise(s *Simulator, sel int32, c int) float64 {
	v, count := 0.0, len(t.sum)
	for i, d := range t.bottoms[sel] {
		if d != 0 {
			v += sq(float64(d)) * s.noise.rowAt(c-i%count)
		}
	}
	return v
}

// rotate: a unit's table is turned by each bit; the first turn is of a clear table.
func (p *simPlan) rotate(i int, st *RotateStep) {
	s := p.s
	for _, u := range st.Units {
		if u.From > 0 {
			p.vectors[i] = append(p.vectors[i], p.turned(u, st.Width))
			continue
		}
		r, isNew := p.fresh(fmt.Sprint("rotate ", st.Width, u.Selectors, u.Weights, u.Start, u.Table))
		p.vectors[i] = append(p.vectors[i], r)
		if !isNew {
			continue
		}
		turned, first := 0.0, -1
		for j, w := range u.Weights {
			if len(u.Table) > p.c.Spec.Params.PolyDegree { // the product of two of its polynomials
				turned, first = s.noise.gadget.DigitNorm(p.c.Spec.Params.PolyDegree)*(s.noise.row+s.noise.fft), len(u.Weights)-1
				break
			}
			if w != 0 {
				first, turned = j, s.noise.tableTurned(u.Table, st.Width, int(w), p.c.Spec.Params.PolyDegree)
				break
			}
		}
		p.add(func() {
			z, variance := int(u.Start), turned
			for j, sel := range u.Selectors {
				bit := s.bits[sel]
				z += int(u.Weights[j]) * int(bit)
				switch {
				case u.Weights[j] == 0:
				case j == first:
					variance += float64(bit) * s.noise.rounds(st.Width)
				default:
					variance += s.noise.product + float64(bit)*s.noise.rounding
				}
			}
			s.words[r.class] = uint64(u.Table[z])<<(64-st.Width) + s.source.word(math.Sqrt(variance))
		})
	}
}
