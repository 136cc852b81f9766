package compiler

import (
	"fmt"
	"math"
	"slices"
)

// noise is a variance in units of its sources: fresh ciphertexts, CMUX on ciphertexts, products with clear numbers (lowest CMUX of a tree on its leaves, the
// first rotation of a table), bootstraps, and inverse transforms of CMUX beside one for each. uses is the largest part of cmux that the products with one selector
// make, or a bound on it.
type noise struct {
	fresh, cmux, bottom, br, inverse, uses float64
	wide                                   wideNoise
}

// wideNoise is what selectors of computed bits add, as the same parts of noise.
type wideNoise struct{ cmux, bottom, uses float64 }

func (x noise) plus(y noise, scale float64) noise {
	w, v := x.wide, y.wide
	return noise{x.fresh + scale*y.fresh, x.cmux + scale*y.cmux, x.bottom + scale*y.bottom, x.br + scale*y.br, x.inverse + scale*y.inverse, x.uses + scale*y.uses,
		wideNoise{w.cmux + scale*v.cmux, w.bottom + scale*v.bottom, w.uses + scale*v.uses}}
}

// most returns the largest of each part.
func (x noise) most(y noise) noise {
	w, v := x.wide, y.wide
	return noise{max(x.fresh, y.fresh), max(x.cmux, y.cmux), max(x.bottom, y.bottom), max(x.br, y.br), max(x.inverse, y.inverse), max(x.uses, y.uses),
		wideNoise{max(w.cmux, v.cmux), max(w.bottom, v.bottom), max(w.uses, v.uses)}}
}

// event is a place where count values are decoded with the same gap and noise: by the client, or by a lookup, which adds key switch and modulus switch.
type event struct {
	log2Gap float64 // log2 of the distance from a value to the nearest wrong one
	noise   noise
	lookup  bool
	results int // of the lookup: extractNone, extractBits, extractSelectors
	count   int
	width   int
	digits  int // coefficients of a tree's leaves, or of a table
	// What lowest selects multiply by: digits of a gadget, where ggsw is set, and integers of magnitude up to single with single rows.
	ggsw   bool
	single float64
	node   *Node // what is decoded, for errors; of events that were merged the first one's
}

// layClasses finds elements that are computed from the same sources with the same table: units of a layer whose tables agree in a digit, say. They are
// the same ciphertext, bit for bit.
func (p *plan) layClasses() {
	type member struct {
		table []int64
		class int32
	}
	groups := map[string][]member{}
	next := int32(0)
	for _, vp := range p.vectors {
		vp.class = make([][]int32, vp.digits)
		for d := range vp.class {
			for i, table := range vp.plane(d, p.tableDigit) {
				var key string
				switch {
				case vp.v.computed:
					u := vp.units[i]
					key = fmt.Sprint("turn", vp.width, p.bitClasses(vp.v.elems[i].extraction.vec, u.Selectors), u.Weights)
				case vp.inputs:
					u := vp.units[i]
					key = fmt.Sprint("rotate", vp.width, u.Selectors, u.Weights, u.Start)
				case vp.extract:
					row, b := i/vp.bits, i%vp.bits
					key = fmt.Sprint("extract", vp.width, vp.bits, b, vp.from, vp.rows[row].Bias, p.sourceKey(vp.srcs[row]))
				default:
					key = fmt.Sprint("lookup", vp.width, vp.bits, vp.drop, vp.approx, vp.rows[i].Bias, p.sourceKey(vp.srcs[i]))
				}
				class := int32(-1)
				for _, m := range groups[key] {
					if slices.Equal(m.table, table) {
						class = m.class
					}
				}
				if class < 0 {
					class = next
					next++
					groups[key] = append(groups[key], member{table, class})
				}
				vp.class[d] = append(vp.class[d], class)
			}
		}
	}
}

// sourceKey names a sum of codes and elements by their ciphertexts: equal ones have equal names, whichever elements they are.
func (p *plan) sourceKey(terms []term) string {
	codes, classes := map[int32]int64{}, map[int32]int64{}
	for _, t := range terms {
		if t.kind == atomValue {
			classes[p.byVector[t.a].class[0][t.b]] += t.w
		} else {
			codes[t.a] += t.w
		}
	}
	return fmt.Sprint(codes, classes) // in the order of the keys
}

// bitClasses names bits of computed values by their ciphertexts.
func (p *plan) bitClasses(v *vector, bits []int32) []int32 {
	out := make([]int32, len(bits))
	for i, b := range bits {
		out[i] = p.byVector[v.id].class[0][b]
	}
	return out
}

// sumNoise is the noise of a combination of elements in a row of the given width: that of different ciphertexts is independent, that of the same one adds
// up with its weights. So does that of first rotations by one selector, which multiply the digits of clear tables: however different the tables are, their
// first differences may be alike. Which rotation is first is the server's choice; all of them may be by one selector.
func (p *plan) sumNoise(terms []rowTerm, width int) noise {
	at := map[int32]int{}
	var weights []float64
	var sources []noise
	var units []*RotateUnit // of the sources that are rotated by client bits
	var turned [][]int32    // of the sources that are turned by computed bits: which
	for _, t := range terms {
		src := p.byVector[t.vec]
		class := src.class[t.digit][t.elem]
		i, ok := at[class]
		if !ok {
			i = len(weights)
			at[class] = i
			weights = append(weights, 0)
			sources = append(sources, src.noise[t.elem])
			var unit *RotateUnit
			var by []int32
			if src.v.computed {
				by = p.bitClasses(src.v.elems[t.elem].extraction.vec, src.units[t.elem].Selectors)
			} else if src.inputs {
				unit = &src.units[t.elem]
			}
			units, turned = append(units, unit), append(turned, by)
		}
		weights[i] += float64(t.w) * math.Exp2(float64(src.width-width))
	}
	var sum noise
	uses, first := make([]float64, len(p.selectors)), 0.0
	for i, w := range weights {
		sum = sum.plus(sources[i], sq(w))
		if units[i] != nil {
			first += math.Abs(w)
			for _, s := range units[i].Selectors {
				uses[s] += sq(w)
			}
		}
	}
	sum.wide = sum.wide.shared(weights, turned)
	sum.bottom = sq(first)
	sum.uses = 0
	if len(uses) > 0 {
		sum.uses = slices.Max(uses)
	}
	return sum
}

// shared sets the parts of x that depend on how many of the sources with the given weights are turned by the same bits.
func (x wideNoise) shared(weights []float64, turned [][]int32) wideNoise {
	uses, first := map[int32]float64{}, 0.0
	x.uses = 0
	for i, by := range turned {
		if len(by) > 0 {
			first += math.Abs(weights[i])
		}
		for _, b := range by {
			uses[b] += sq(weights[i])
			x.uses = max(x.uses, uses[b])
		}
	}
	x.bottom = sq(first)
	return x
}

// inputNoise is that of a sum of codes and elements in a row of width w.
func (p *plan) inputNoise(terms []term, w int) noise {
	in := p.sumNoise(mapTerms(terms), w)
	for _, t := range terms {
		if t.kind == atomCode {
			in.fresh += sq(math.Ldexp(float64(t.w), p.packed.inputWidth-w))
		}
	}
	return in
}

// mapTerms writes those terms that are elements of vectors as terms of a row.
func mapTerms(terms []term) []rowTerm {
	var out []rowTerm
	for _, t := range terms {
		if t.kind == atomValue {
			out = append(out, rowTerm{vec: t.a, elem: t.b, w: t.w})
		}
	}
	return out
}

// layNoise follows the noise from its sources to every place where a value is decoded, and counts operations.
func (p *plan) layNoise() {
	turned := 0 // coefficients of the difference of a table and the table turned once, at most
	for _, vp := range p.vectors {
		vp.valued = vp.width > 0
		if vp.width == 0 {
			vp.width = 1 // computed but not used by any output
		}
		planes := vp.digits
		if vp.inputs {
			for _, u := range vp.units {
				turn := int32(0)
				for _, w := range u.Weights {
					turn = max(turn, w, -w)
				}
				turned = max(turned, min(len(u.Table)+int(turn), p.l.degree))
				n := noise{cmux: float64(len(u.Selectors)), uses: 1}
				if vp.v.computed {
					n = noise{wide: wideNoise{cmux: float64(len(u.Selectors)), uses: 1}}
					p.wideCMUX += planes * u.CMUXes(p.l.degree)
				}
				vp.noise = append(vp.noise, n)
				p.cmux += planes * u.CMUXes(p.l.degree)
			}
			continue
		}
		if vp.extract {
			p.layExtract(vp, turned)
			continue
		}
		first := len(p.events)
		p.affines += len(vp.rows)
		p.lookups += len(vp.rows) * (planes + vp.rounds())
		w := vp.inputWidth()
		var worst noise
		for _, terms := range vp.srcs {
			vp.noise = append(vp.noise, noise{br: 1})
			worst = worst.most(p.inputNoise(terms, w))
		}
		for b := range vp.rounds() {
			// The bit goes to the top: noise is multiplied by 2^(w-1-b); the b bits cleared before left their own noise.
			at := noise{}.plus(worst.plus(noise{br: 1}, float64(b)), math.Exp2(2*float64(w-1-b)))
			p.events = append(p.events, event{log2Gap: -2, noise: at, lookup: true, count: len(vp.rows), width: 1, digits: turned, ggsw: true, node: vp.v.node})
		}
		p.events = append(p.events, event{log2Gap: vp.log2Gap(), noise: worst.plus(noise{br: 1}, float64(vp.rounds())), lookup: true, count: planes * len(vp.rows), width: vp.bits + 1, digits: turned, ggsw: true,
			node: vp.v.node})
		vp.events = slices.Clone(p.events[first:])
	}
	for _, r := range p.rows {
		n := p.sumNoise(r.terms, p.rowWidth)
		p.affines++
		p.events = append(p.events, event{log2Gap: -float64(p.rowWidth + 1), noise: n, count: 1, width: p.rowWidth, digits: turned, ggsw: true, node: p.l.resultNode(r.output)})
	}
}

// log2Gap is log2 of the distance from a lookup's input to the nearest entry that is wrong. Values sit in the middle of their entries. Approximate rounds add half a unit,
// so that the tie is between two values; then all but the two entries next to a value are wrong, and the nearest of these is that half unit closer.
func (vp *vectorPlan) log2Gap() float64 {
	gap := -float64(vp.bits + 2)
	if vp.approx {
		gap += math.Log2(1 - math.Exp2(-float64(vp.drop)))
	}
	return gap
}

// mergeEvents counts equal events as one.
func (p *plan) mergeEvents() {
	at := map[event]int{}
	merged := p.events[:0]
	for _, e := range p.events {
		count, key := e.count, e
		key.count, key.node = 0, nil
		i, ok := at[key]
		if !ok {
			i = len(merged)
			at[key] = i
			e.count = 0
			merged = append(merged, e)
		}
		merged[i].count += count
	}
	p.events = merged
}

func sq(x float64) float64 { return x * x }
