package compiler

import (
	"fmt"
	"math"
	"slices"
)

// SimulateOptions steer [NewSimulator]. The zero value is the default.
type SimulateOptions struct {
	// Seed decides the noise: rows in the same order, the same noise, on every machine. 0 draws a seed.
	Seed uint64
	// AverageKey takes a key of average weight. Otherwise it is the heaviest that key generation admits, for which parameters are chosen: no key has more
	// noise, and the average one has some hundredths less.
	AverageKey bool
}

// Simulator runs a circuit on clear codes. Every value is the torus word that a decryption would show: the number that the ciphertext encrypts, in its place, and
// a draw of the noise that [Compile] predicts for it. Sums add up the noise of their terms, one ciphertext that is used twice brings the same noise twice, a
// lookup whose argument noise, key switch and modulus switch push out of its box takes the neighbour's entry, and a result is read as the
// client reads it. So a row goes wrong as often, and in the same way, as it would encrypted, at thousands of rows a second and without keys.
//
// What is drawn and what is not: a product with a client's bit brings the rounding of its digits where the bit is 1 only; clear leaves and tables meet the noise
// of a row by their own digits; products that are the same ciphertext bring the same noise. All draws are Gaussian: that the
// noise of packed bits is a mixture (which matters far out, below 2^-20) is left out. Noises of different results of one product, of neighbouring coefficients,
// and of different clear tables under one bit are drawn independently.
//
// A simulator is for one goroutine at a time.
type Simulator struct {
	spec     *ClientSpec
	noise    simNoise
	source   normals
	ops      []func() // in order; each makes one value or several
	codes    []int64
	bits     []int64    // of the client's selectors
	packed   []uint64   // phases of the packed ciphertexts, without noise
	words    []uint64   // of LWE ciphertexts, by class
	switched []uint64   // noise of key switch and modulus switch, by mask
	phases   [][]uint64 // of results, as [ClientSpec.Read] takes them
	computed []int64    // bits of computed values, by number
}

// NewSimulator prepares the simulation of a circuit, which it validates.
func NewSimulator(c *Circuit, opts SimulateOptions) (*Simulator, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Simulator{spec: &c.Spec, noise: newSimNoise(c.Spec.Params, opts.AverageKey), source: newNormals(opts.Seed), codes: make([]int64, len(c.Spec.Lo)),
		bits: make([]int64, len(c.Spec.Selectors)), packed: make([]uint64, c.Spec.PackedWords()), phases: make([][]uint64, len(c.Spec.Items))}
	p := &simPlan{s: s, c: c, vectors: make([][]simRef, len(c.Steps)), masks: map[string]int32{}, classes: map[string]int32{}, drawn: map[int32]bool{},
		bits: make([][]int32, len(c.Steps)), taken: map[string]int32{}}
	for i := range c.Steps {
		if err := p.step(i); err != nil {
			return nil, fmt.Errorf("compiler: step %d: %w", i, err)
		}
	}
	for i, r := range c.Results {
		if r.Element >= 0 {
			s.phases[i] = make([]uint64, 1)
			class, dst := p.vectors[r.Step][r.Element].class, s.phases[i]
			s.ops = append(s.ops, func() { dst[0] = s.words[class] })
		}
	}
	s.switched = make([]uint64, len(p.masks))
	s.words = make([]uint64, len(p.classes))
	s.computed = make([]int64, len(p.taken))
	return s, nil
}

// Run simulates one row of input codes. It returns the results as a client would decrypt them, and the noise as [client.Client.Open] measures it: the largest
// distance of a decoded value from its place, relative to the distance at which it would decode wrongly. A code outside its bounds is an error that names its
// number.
func (s *Simulator) Run(codes []int64) (out []int64, noise float64, err error) {
	if len(codes) != len(s.spec.Lo) {
		return nil, 0, fmt.Errorf("compiler: %d codes where the circuit takes %d", len(codes), len(s.spec.Lo))
	}
	for i, v := range codes {
		if v < s.spec.Lo[i] || v > s.spec.Hi[i] {
			return nil, 0, fmt.Errorf("compiler: code %d is outside its range %d..%d", i, s.spec.Lo[i], s.spec.Hi[i])
		}
	}
	copy(s.codes, codes)
	for i, sel := range s.spec.Selectors {
		s.bits[i] = sel.Bit(codes[sel.Code] - s.spec.Lo[sel.Code])
	}
	if len(s.packed) > 0 {
		s.spec.Pack(s.packed, codes)
	}
	for _, op := range s.ops {
		op()
	}
	out, noise = s.spec.Read(s.phases)
	return out, noise, nil
}

// Read decodes the phases of a response, for each item those of its coefficients, to the circuit's results. noise is the largest distance of a decoded value from
// its exact place, relative to the distance at which it would decode wrongly (0: none, 1: wrong).
func (s *ClientSpec) Read(phases [][]uint64) (out []int64, noise float64) {
	for _, o := range s.Outputs {
		sum := o.Offset
		for _, d := range o.Digits {
			v, e := decodePhase(phases[d.Item][d.Coeff], s.Items[d.Item].Width, d.Lo)
			sum += d.Weight * v
			noise = max(noise, e)
		}
		out = append(out, sum)
	}
	return out, noise
}

// decodePhase rounds a phase to the nearest multiple of 2^(64-width) and returns the value in [lo, lo + 2^width) that it stands for, with its
// distance from it relative to half a step.
func decodePhase(phase uint64, width int, lo int64) (int64, float64) {
	step := uint64(1) << (64 - width)
	rounded := phase + step/2
	e := math.Abs(float64(int64(phase-(rounded&^(step-1))))) / float64(step/2)
	v := rounded >> (64 - width)
	mask := uint64(1)<<width - 1
	return lo + int64((v-uint64(lo))&mask), e
}

// simRef is an LWE ciphertext of the simulation: class numbers the ciphertext, mask its mask. Equal numbers are the same words.
type simRef struct{ class, mask int32 }

// simPlan prepares the operations of a simulator: each distinct ciphertext is made once.
type simPlan struct {
	s       *Simulator
	c       *Circuit
	vectors [][]simRef // of each step that gives a vector
	masks   map[string]int32
	classes map[string]int32
	drawn   map[int32]bool // masks whose key switch was met
	bits    [][]int32      // of each step that takes values apart: the numbers of their bits
	taken   map[string]int32
}

// number gives equal keys equal numbers.
func number(seen map[string]int32, key string) (n int32, isNew bool) {
	if n, ok := seen[key]; ok {
		return n, false
	}
	n = int32(len(seen))
	seen[key] = n
	return n, true
}

// fresh names a ciphertext whose mask follows from what key says.
func (p *simPlan) fresh(key string) (r simRef, isNew bool) {
	r.class, isNew = number(p.classes, key)
	r.mask, _ = number(p.masks, key)
	return r, isNew
}

func (p *simPlan) add(op func()) { p.s.ops = append(p.s.ops, op) }

// step prepares step number i. A new kind of step needs a case here: one that gives a vector names its elements in p.vectors[i] and adds operations
// that write s.words; one that gives a ring ciphertext writes the phases of the coefficients that results read.
func (p *simPlan) step(i int) error {
	switch st := p.c.Steps[i]; {
	case st.Packed != nil:
		p.packedProduct(i, st.Packed)
	case st.Select != nil:
		p.selectTrees(i, st.Select)
	case st.Rotate != nil:
		p.rotate(i, st.Rotate)
	case st.Affine != nil:
		p.affine(i, st.Affine)
	case st.Lookup != nil:
		p.lookup(i, st.Lookup)
	case st.Round != nil:
		p.round(i, st.Round)
	case st.Extract != nil:
		p.extract(i, st.Extract)
	case st.Codes != nil:
		p.takeCodes(i, st.Codes)
	default:
		return fmt.Errorf("there is no simulation of it")
	}
	return nil
}

// results calls f for each result that is made of ring ciphertext i: the coefficients that it reads, and where their phases go.
func (p *simPlan) results(i int, f func(coeffs []int32, dst []uint64)) {
	for r, at := range p.c.Results {
		if int(at.Step) == i && at.Element < 0 {
			coeffs := p.c.Spec.Items[r].Coeffs
			p.s.phases[r] = make([]uint64, len(coeffs))
			f(coeffs, p.s.phases[r])
		}
	}
}

// columnPlace is the packed ciphertext and the coefficient that hold column i.
func (p *simPlan) columnPlace(i int) (poly, at int) {
	per := p.c.Spec.PerPacked
	if per == 0 {
		per = p.c.Spec.Params.PolyDegree
	}
	return i / per, i % per
}

// packedProduct: coefficient c of a product is the sum of weight c-i times coefficient i of the message, with the other sign where c < i. Noise is in
// all coefficients of the ciphertexts, so that every result has that of all weights.
func (p *simPlan) packedProduct(i int, st *PackedStep) {
	type packedTerm struct {
		at int
		w  uint64
	}
	s, n, norm := p.s, p.c.Spec.Params.PolyDegree, 0.0
	for _, w := range st.Weights {
		norm += sq(float64(w))
	}
	deviation := math.Sqrt(norm * s.noise.fresh)
	p.results(i, func(coeffs []int32, dst []uint64) {
		terms, bias := make([][]packedTerm, len(coeffs)), make([]uint64, len(coeffs))
		for j, c := range coeffs {
			for col := range len(p.c.Spec.Packed) + len(p.c.Spec.Columns) {
				poly, at := p.columnPlace(col)
				k, sign := int(c)-at, int64(1)
				if k < 0 {
					k, sign = k+n, -1
				}
				if k += poly * n; k < len(st.Weights) && st.Weights[k] != 0 {
					terms[j] = append(terms[j], packedTerm{poly*n + at, uint64(sign * st.Weights[k])})
				}
			}
			if b := slices.Index(st.Coeffs, c); b >= 0 {
				bias[j] = uint64(st.Bias[b]) << (64 - st.Width)
			}
		}
		p.add(func() {
			for j := range dst {
				sum := bias[j]
				for _, t := range terms[j] {
					sum += t.w * s.packed[t.at]
				}
				dst[j] = sum + s.source.word(deviation)
			}
		})
	})
}

func (p *simPlan) takeCodes(i int, st *CodesStep) {
	s, n, deviation := p.s, p.c.Spec.Params.PolyDegree, math.Sqrt(p.s.noise.fresh)
	for _, c := range st.Codes {
		r, isNew := p.fresh(fmt.Sprint("code ", c))
		p.vectors[i] = append(p.vectors[i], r)
		if poly, at := p.columnPlace(int(c)); isNew {
			p.add(func() { s.words[r.class] = s.packed[poly*n+at] + s.source.word(deviation) })
		}
	}
}

func (p *simPlan) affine(i int, st *AffineStep) {
	s := p.s
	for _, row := range st.Rows {
		weights, masks := map[int32]int64{}, map[int32]int64{}
		for j, ref := range row.Refs {
			r := p.vectors[ref.Step][ref.Element]
			weights[r.class] += row.Weights[j]
			masks[r.mask] += row.Weights[j]
		}
		bias := uint64(row.Bias) << (64 - st.Width)
		var r simRef
		var isNew bool
		r.mask, _ = number(p.masks, fmt.Sprint("sum ", masks)) // maps print in the order of their keys
		r.class, isNew = number(p.classes, fmt.Sprint("sum ", weights, bias))
		p.vectors[i] = append(p.vectors[i], r)
		if !isNew {
			continue
		}
		type affineTerm struct {
			class int32
			w     uint64
		}
		terms := make([]affineTerm, 0, len(weights))
		for class, w := range weights {
			if w != 0 {
				terms = append(terms, affineTerm{class, uint64(w)})
			}
		}
		p.add(func() {
			sum := bias
			for _, t := range terms {
				sum += t.w * s.words[t.class]
			}
			s.words[r.class] = sum
		})
	}
}

// lookup: the key switch and the modulus switch of one mask make one error, whichever table and body it meets.
func (p *simPlan) lookup(i int, st *LookupStep) {
	s := p.s
	for e, table := range st.Tables {
		src := p.vectors[st.Source.Step][int(st.Source.Element)+e]
		r, isNew := p.fresh(fmt.Sprint("lookup ", src.class, st.Width, table))
		p.vectors[i] = append(p.vectors[i], r)
		if !isNew {
			continue
		}
		first := !p.drawn[src.mask]
		p.drawn[src.mask] = true
		p.add(func() {
			if first {
				s.switched[src.mask] = s.source.word(s.noise.beforeLookup)
			}
			// Entry v is the box around v / 2^(bits+1); the second half of the torus has the negated entries.
			phase := s.words[src.class] + s.switched[src.mask] + 1<<(62-st.Bits)
			y := uint64(table[phase<<1>>(64-st.Bits)]) << (64 - st.Width)
			if phase>>63 == 1 {
				y = -y
			}
			s.words[r.class] = y + s.source.word(s.noise.lookup)
		})
	}
}

// round clears one bit after the other, as the server does: the noise of each lookup stays in the value.
func (p *simPlan) round(i int, st *RoundStep) {
	s := p.s
	for e := range st.Count {
		src := p.vectors[st.Source.Step][int(st.Source.Element)+e]
		r, isNew := p.fresh(fmt.Sprint("round ", src.class, st.Drop, st.Width))
		p.vectors[i] = append(p.vectors[i], r)
		if !isNew {
			continue
		}
		p.add(func() {
			x := s.words[src.class]
			for b := range st.Drop {
				// The bit at the top: it is 1 within a quarter of a turn of 1/2.
				top := x<<(st.Width-1-b) + s.source.word(s.noise.beforeLookup)
				bit := (top + 1<<62) >> 63
				x -= bit<<(64-st.Width+b) + s.source.word(s.noise.lookup)
			}
			s.words[r.class] = x
		})
	}
}
