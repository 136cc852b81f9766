package compiler

import (
	"bytes"
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/fhe-ml/fhe-ml/tfhe"
)

// Explanation says node by node what a circuit makes of a graph, and what that costs. [Explain] makes it; its Write methods draw it.
type Explanation struct {
	Graph   *Graph      // the optimised graph, whose numbers Circuit.Choices use
	Circuit *Circuit    //
	Nodes   []NodeFacts // Nodes[i] is about Graph.Nodes[i]
	Parts   []PartFacts // Parts[i] is about Circuit.Choices[i]
	Times   []KindTime  // what the estimated time of a row is made of; they add up to Circuit.Costs.EstimatedMs
	// Margin is how many standard deviations of the noise a result of the circuit may be off before it decodes wrongly, the least of all results; +Inf where
	// there is no noise, 0 where Laid is not set.
	Margin float64
	// Laid is set where the circuit is what this version of the package makes of the graph: only then are Times, Margin and the costs of nodes known.
	Laid bool
}

// NodeFacts is what is known about a node.
type NodeFacts struct {
	Bits      int     // of the widest value, counted from the node's smallest one
	Part      int     // index of the part in Circuit.Choices that computes the node; -1: none does
	Role      string  // in words: what becomes of the node
	Test      string  // of a scalar test that the client makes: which, in words
	Lookups   int     // programmable bootstraps of a row
	Extracted int     // those of them that take values apart into bits
	Rotations int     // tables turned by bits
	Selects   int     // selects between clear values or ciphertexts by a client's bit
	Norm2     float64 // largest sum of the squared weights of what one of its tables takes; 0 without tables
	Margin    float64 // deviations of the noise that a table's argument may be off, the least of its lookups; 0 without lookups
	Log2PFail float64 // log2 of the probability that any of its lookups of a row goes wrong; 0 without lookups
	Ms        float64 // predicted time of its tables; selects of trees are in PartFacts
}

// PartFacts is what is known about a part of the graph.
type PartFacts struct {
	Nodes int     // nodes of the graph that belong to it
	Ms    float64 // predicted time of a row, where the part can be told from others; else 0
}

// KindTime is the predicted time of all operations of a kind.
type KindTime struct {
	Kind  string // "lookup", "bits", "rotate", "select", "product", "sum", "input"
	Count int    // lookups, bits of computed values made ready, selects, selects, packed ciphertexts of the request or of the response, terms, client bits made ready
	Ms    float64
}

// Explain says what the circuit c, compiled from g, makes of each node. The error is that of g's optimisation.
func Explain(g *Graph, c *Circuit) (*Explanation, error) {
	opt, err := g.Optimize()
	if err != nil {
		return nil, err
	}
	e := &Explanation{Graph: opt, Circuit: c, Nodes: make([]NodeFacts, len(opt.Nodes)), Parts: make([]PartFacts, len(c.Choices))}
	for i, n := range opt.Nodes {
		e.Nodes[i].Part = -1
		if lo, hi := n.Range(); n.Size() > 0 {
			e.Nodes[i].Bits = bits.Len64(uint64(hi - lo))
		}
		e.Nodes[i].Role = role(n)
	}
	l, p := c.replan(opt)
	if p == nil {
		return e, nil
	}
	e.place(l, p)
	e.measure(l, p)
	return e, nil
}

// role says what becomes of a node that no part stands for.
func role(n *Node) string {
	switch n.Op {
	case OpInput:
		return "the client encrypts it"
	case OpReshape, OpTranspose, OpConcatenate, OpGetItem, OpTake:
		return "moves values, no work"
	}
	if n.Known() {
		return "known to the server"
	}
	return "weighted sum, added up where it is used"
}

// replan finds the lowering and the plan that the circuit was built from: one that gives the same steps. It returns nil where there is none, as for
// a circuit that another version made.
func (c *Circuit) replan(opt *Graph) (*lowerer, *plan) {
	want, err := tfhe.EncodePayload(c.Steps)
	if err != nil {
		return nil, nil
	}
	a := assignment{}
	for _, choice := range c.Choices {
		a[choice.key()] = choice.Lowering
	}
	l := newLowerer(opt, polyDegree)
	l.assign = a
	outputs, err := l.run()
	if err != nil || len(l.parts) != len(c.Choices) {
		return nil, nil
	}
	for i, p := range l.parts {
		if p.describe() != c.Choices[i].Part || p.how != c.Choices[i].Lowering {
			return nil, nil
		}
	}
	// The layouts of search, in its order. Only those of packed ciphertexts depend on what was preferred.
	for prefer := PreferBalanced; prefer <= PreferUpload; prefer++ {
		opts := CompileOptions{Log2PFail: c.Spec.Log2PFail, Prefer: prefer, AllDigits: c.Spec.AllDigits()}
		packed := false
		for _, d := range layouts() {
			p, err := newPlan(l, outputs, opts, d[0], d[1], d[2])
			if err != nil {
				continue
			}
			packed = packed || p.packed != nil
			if p.sameCounts(c) {
				steps, err := tfhe.EncodePayload(p.build(candidate{params: c.Spec.Params}).Steps)
				if err == nil && bytes.Equal(steps, want) {
					return l, p
				}
			}
		}
		if !packed {
			break
		}
	}
	return nil, nil
}

// layouts are the digits that search tries: of leaves, of tables, of weights.
func layouts() [][3]int {
	out := [][3]int{{}}
	for d := 16; d >= 1; d-- {
		out = append(out, [3]int{d, 0, 0})
	}
	for d := 20; d >= 1; d-- {
		out = append(out, [3]int{min(d, 3), 0, d})
	}
	for d := 12; d >= 1; d-- {
		out = append(out, [3]int{min(d, 3), d, 0})
	}
	return out
}

// sameCounts tells whether a plan may be the circuit's, by what is quick to compare.
func (p *plan) sameCounts(c *Circuit) bool {
	if p.affines != c.Costs.Affines || p.cmux+len(p.bottoms)+p.rotations != c.Costs.Selects || p.lookups != c.Costs.Lookups ||
		len(p.selectors) != len(c.Spec.Selectors) {
		return false
	}
	for _, s := range c.Steps {
		if s.Select != nil && (p.selected == nil || p.selected.step.Width != s.Select.Width || len(p.selected.step.Leaves[0]) != len(s.Select.Leaves[0])) {
			return false
		}
	}
	return true
}

// key is the inverse of [part.describe], but for counts.
func (c *Choice) key() partKey {
	k := partKey{kind: partTrees}
	switch at := strings.LastIndex(c.Part, " at node %"); {
	case at >= 0:
		k.kind = partTable
		if strings.Contains(c.Part[:at], "computed value") {
			k.kind = partComputed
		}
		fmt.Sscanf(c.Part[at:], " at node %%%d", &k.node) // a part that is not found gives no plan
	case strings.HasPrefix(c.Part, "weighted sums of "):
		k.kind = partLinear
	case strings.HasSuffix(c.Part, " that a table takes"):
		k.kind = partInner
	case strings.Contains(c.Part, " of one input"):
		k.kind = partStumps
	}
	return k
}

// place says which part each node belongs to, and what becomes of nodes that belong to none.
func (e *Explanation) place(l *lowerer, p *plan) {
	for i, pt := range l.parts {
		switch pt.key.kind {
		case partTable, partComputed:
			e.Nodes[pt.key.node].Part = i
		default:
			for a := range pt.met {
				if a.kind == atomSelect {
					e.placeDiagram(l, a.a, i)
				}
			}
		}
	}
	for id, n := range e.Graph.Nodes {
		if n.Known() || n.Op == OpInput {
			continue
		}
		switch f := &e.Nodes[id]; {
		case f.Part >= 0 && n.Op == OpWhere && l.diagrams[int32(id)] != nil:
			f.Selects, f.Role = 1, "a split of a tree: "+e.Circuit.Choices[f.Part].Lowering.String()
			if how := e.Circuit.Choices[f.Part].Lowering; how != LowerSelect {
				f.Selects = 0
			}
		case f.Part >= 0:
			f.Role = tableRole(e.Circuit.Choices[f.Part].Lowering, l.parts[f.Part].key.kind == partComputed)
		case len(l.elems[id]) > 0:
			if r := l.elementRole(id); r != "" && role(n) != "moves values, no work" {
				f.Role = r
			}
			f.Test = l.testText(id)
		}
	}
	for i := range e.Nodes {
		if part := e.Nodes[i].Part; part >= 0 {
			e.Parts[part].Nodes++
		}
	}
}

// tableRole says how tables are computed.
func tableRole(how Lowering, computed bool) string {
	switch how {
	case LowerAffine:
		return "tables folded into a weighted sum"
	case LowerSelect:
		return "tables by selects"
	case LowerRotate:
		if computed {
			return "tables of computed values by their bits"
		}
		return "tables turned by the client's bits"
	}
	return "tables looked up"
}

// elementRole says what the elements of a node without a part are, or nothing where they are sums.
func (l *lowerer) elementRole(id int) string {
	bit, fn := true, true
	for _, el := range l.elems[id] {
		bit = bit && el.fn == nil && len(el.form.terms) == 1 && el.form.terms[0].kind == atomBit
		fn = fn && el.fn != nil
	}
	switch {
	case bit:
		return "the client's test: it encrypts the outcome"
	case fn:
		return "part of the table that takes it"
	}
	return ""
}

// testText says which test of an input code a scalar node is, if it is one. Codes are counted over all inputs, row-major.
func (l *lowerer) testText(id int) string {
	if len(l.elems[id]) != 1 {
		return ""
	}
	f := l.elems[id][0]
	if f.fn != nil || len(f.form.terms) != 1 || f.form.terms[0].kind != atomBit || f.form.c != 0 || f.form.terms[0].w != 1 {
		return ""
	}
	s := l.selectors[f.form.terms[0].a]
	lo, count := l.lo[s.Code], l.hi[s.Code]-l.lo[s.Code]+1
	first, last, ones := int64(-1), int64(-1), int64(0)
	for v := range count {
		if s.Bit(v) == 1 {
			if first < 0 {
				first = v
			}
			last = v
			ones++
		}
	}
	switch {
	case ones == 1:
		return fmt.Sprintf("value %d is %d", s.Code, lo+first)
	case ones != last-first+1:
		return fmt.Sprintf("value %d is one of %d", s.Code, ones)
	case first == 0:
		return fmt.Sprintf("value %d is at most %d", s.Code, lo+last)
	case last == count-1:
		return fmt.Sprintf("value %d is at least %d", s.Code, lo+first)
	}
	return fmt.Sprintf("value %d is %d to %d", s.Code, lo+first, lo+last)
}

// placeDiagram marks the splits of a diagram that no other part has.
func (e *Explanation) placeDiagram(l *lowerer, root int32, part int) {
	stack := []int32{root}
	for len(stack) > 0 {
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if int(id) >= len(e.Nodes) || e.Nodes[id].Part >= 0 {
			continue
		}
		e.Nodes[id].Part = part
		w := l.diagrams[id]
		for _, c := range []whereChild{w.hi, w.lo} {
			if c.node >= 0 {
				stack = append(stack, c.node)
			}
		}
	}
}

// measure fills in times and noise from the plan, with the unit costs and the formulas that the search used.
func (e *Explanation) measure(l *lowerer, p *plan) {
	lit := e.Circuit.Spec.Params
	levels, lookupUs, inputUs, bitsUs := lit.Select.Levels, 0.0, 0.0, 0.0
	var lookup lookupTry
	weight := tfhe.WorstTernaryWeight(polyDegree)
	v := variances{fresh: math.Exp2(2 * lit.Log2SigmaGLWE), bottom: func(event) float64 { return 0 }}
	packed, isPacked := lit.PackedQuery()
	if p.lookups > 0 {
		n := lit.SmallDimension
		if isPacked {
			n = n / dimensionStep * dimensionStep
		}
		weight = tfhe.WorstBlockPrefixWeight(polyDegree, n, lit.BlockLength)
		found := false
		for _, try := range bootstrapsAt(lit.SmallDimension, p.tableBits()) {
			if t := try.lit; t.BlindRotate == lit.BlindRotate && t.KeySwitch == lit.KeySwitch && t.Parts == lit.Parts {
				v, lookupUs, lookup, found = try.variances(), try.us, try, true
			}
		}
		if !found {
			return
		}
	}
	switch {
	case p.computed > 0:
		choice, ok := l.wideChoiceOf(lookup, packed)
		if !ok {
			return
		}
		levels, inputUs, bitsUs = packed.Select.Levels, choice.us(p.products, p.singles()), p.computedUs(choice)
		v = choice.wideVariances(v, lookup)
	case len(p.selectors) == 0:
	case isPacked:
		model := tfhe.NewPackedNoise(polyDegree, weight, lit.Log2SigmaGLWE)
		model.SquareWeight = tfhe.WorstSquareWeight(polyDegree, weight)
		choice := packedChoice{packed: packed, model: model, noise: model.Select(packed)}
		choice.cmux = choice.noise.CMUX(packed.Select)
		levels, inputUs = packed.Select.Levels, choice.us(p.products, p.singles())
		v = choice.variances(v)
	default:
		v = selectVariances(tfhe.FreshSelect(polyDegree, 1, weight, lit.Log2SigmaGLWE), lit.Select, v)
		inputUs = p.loadUs(levels)
	}
	e.Laid, e.Margin = true, math.Inf(1)
	for _, ev := range p.events {
		if !ev.lookup {
			e.Margin = min(e.Margin, math.Exp2(ev.log2Gap)/math.Sqrt(v.total(ev)))
		}
	}
	cmuxUs := cmuxUs(levels)
	for _, vp := range p.vectors {
		f := &e.Nodes[vp.v.node.ID]
		var ms float64
		if vp.inputs {
			f.Rotations += vp.digits * len(vp.units)
			for _, u := range vp.units {
				f.Norm2 = max(f.Norm2, squares(u.Weights))
				ms += float64(vp.digits*u.CMUXes(polyDegree)) * cmuxUs / 1000
			}
		} else {
			count := len(vp.rows) * (vp.digits + vp.rounds())
			if vp.extract {
				count = len(vp.rows) * vp.bits
				f.Extracted += count
				ms += bitsUs / 1000 * float64(len(vp.rows)*(vp.bits-vp.from)) / float64(max(p.computed, 1))
			}
			f.Lookups += count
			ms += float64(count) * lookupUs / 1000
			for _, terms := range vp.srcs {
				f.Norm2 = max(f.Norm2, squares(mapTermWeights(terms)))
			}
			for _, ev := range vp.events {
				total := v.total(ev)
				margin, fail := math.Exp2(ev.log2Gap)/math.Sqrt(total), v.log2Fail(ev)+math.Log2(float64(ev.count))
				if f.Margin == 0 {
					f.Margin, f.Log2PFail = margin, fail
				} else {
					f.Margin, f.Log2PFail = min(f.Margin, margin), tfhe.Log2SumExp2(f.Log2PFail, fail)
				}
			}
		}
		f.Ms += ms
		if part := f.Part; part >= 0 && l.parts[part].key.node == vp.v.node.ID {
			e.Parts[part].Ms += ms
		}
	}
	e.times(p, levels, lookupUs, inputUs, bitsUs)
	e.selectTime(l)
}

// cmuxUs is the time of one select between ciphertexts, in microseconds.
func cmuxUs(levels int) float64 {
	return 2*float64(levels)*(unitCosts.forward+2*unitCosts.mulAdd) + 2*unitCosts.inverse + unitCosts.difference
}

func squares[T int32 | int64](weights []T) float64 {
	sum := 0.0
	for _, w := range weights {
		sum += sq(float64(w))
	}
	return sum
}

func mapTermWeights(terms []term) []int64 {
	out := make([]int64, len(terms))
	for i, t := range terms {
		out[i] = t.w
	}
	return out
}

// times splits the estimate of a row by kind of operation.
func (e *Explanation) times(p *plan, levels int, lookupUs, inputUs, bitsUs float64) {
	add := func(kind string, count int, us float64) {
		if count > 0 {
			e.Times = append(e.Times, KindTime{kind, count, us / 1000})
		}
	}
	turns := 0
	for _, vp := range p.vectors {
		for _, u := range vp.units {
			turns += vp.digits * u.CMUXes(polyDegree)
		}
	}
	rotate := float64(turns) * cmuxUs(levels)
	products, product := 0, 0.0
	if p.packed != nil {
		products, product = max(p.packed.polys, len(p.packed.steps)), packedUs(p.packed.polys, len(p.packed.steps))
	}
	terms := 0
	for _, r := range p.rows {
		terms += len(r.terms)
	}
	for _, vp := range p.vectors {
		for _, src := range vp.srcs {
			terms += len(src)
		}
	}
	sum := float64(terms) * unitCosts.affineTerm
	add("input", len(p.selectors), inputUs)
	add("lookup", p.lookups, float64(p.lookups)*lookupUs)
	add("bits", p.computed, bitsUs)
	add("rotate", turns, rotate)
	add("select", p.cmux-turns+len(p.bottoms)+p.rotations, p.leveledUs(levels)-rotate-product-sum)
	add("product", products, product)
	add("sum", terms, sum)
}

// selectTime gives the time of all selects to the part that they belong to, if it is one alone.
func (e *Explanation) selectTime(l *lowerer) {
	only := -1
	for i, pt := range l.parts {
		if pt.how == LowerSelect {
			if only >= 0 {
				return
			}
			only = i
		}
	}
	for _, t := range e.Times {
		if t.Kind == "select" && only >= 0 {
			e.Parts[only].Ms = t.Ms
		}
	}
}
