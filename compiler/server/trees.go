package server

import (
	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// selectTrees evaluates the diagrams bottom up, some roots at a time on each core, and sums the roots: those of a goroutine's share in the Fourier domain. Which
// roots are summed together does not depend on how many goroutines there are, so that a request has one response.
func (r *run) selectTrees(d *diagram) (value, error) {
	st := d.st
	walks := make(chan *walk, r.threads)
	for range r.threads {
		walks <- &walk{diagram: d, walkMemory: r.s.takeWalk(), p: r.s.params, bits: r.bits, shared: map[int32]branch{}}
	}
	shares := rootShares(len(st.Tables) + len(st.Roots))
	err := r.each(len(shares), func(ev *tfhe.Evaluator, i int) {
		w := <-walks
		w.ev = ev
		for j := shares[i][0]; j < shares[i][1]; j++ {
			if j < len(st.Tables) {
				w.table(&st.Tables[j])
			} else {
				w.root(st.Roots[j-len(st.Tables)])
			}
		}
		ev.AddSum(w.total, w.sum)
		walks <- w
	})
	total := tfhe.NewGLWE(r.s.params)
	for range r.threads {
		w := <-walks
		total.Add(w.total)
		r.s.putWalk(w.walkMemory)
	}
	return value{glwe: total}, err
}

// rootShares divides n roots into ranges: large ones first, so that the last ones, which are small, keep all cores busy.
func rootShares(n int) (shares [][2]int) {
	for at := 0; at < n; {
		size := min(max((n-at)/8, 1), tfhe.MaxSumTerms)
		shares = append(shares, [2]int{at, at + size})
		at += size
	}
	return shares
}

// diagram is a SelectStep with what an evaluation order needs.
type diagram struct {
	st    *compiler.SelectStep
	need  []int32 // buffers that evaluating a node takes (Sethi-Ullman number)
	users []int32 // how many parents a node has
}

func newDiagram(st *compiler.SelectStep) *diagram {
	d := &diagram{st: st, need: make([]int32, len(st.Nodes)), users: make([]int32, len(st.Nodes))}
	for i, nd := range st.Nodes {
		a, b := d.needOf(nd.Lo), d.needOf(nd.Hi)
		d.need[i] = max(a, b)
		if a == b {
			d.need[i]++
		}
		for _, c := range []int32{nd.Lo, nd.Hi} {
			if c >= 0 {
				d.users[c]++
			}
		}
	}
	return d
}

func (d *diagram) needOf(c int32) int32 {
	if c < 0 {
		return 0
	}
	return d.need[c]
}

// walk evaluates roots, one after the other. Buffers are reused; the child that needs more of them goes first, so that a tree of depth
// d takes few buffers however lopsided it is.
type walk struct {
	*diagram
	*walkMemory
	p      tfhe.Parameters
	ev     *tfhe.Evaluator
	bits   clientBits
	shared map[int32]branch // results of nodes of this root with several parents
}

// walkMemory is what walks of later rows use again.
type walkMemory struct {
	free     []tfhe.GLWECiphertext
	freeSums []*tfhe.FourierSum
	total    tfhe.GLWECiphertext // of all roots so far, together with
	sum      *tfhe.FourierSum
	factors  []int64 // N integers
}

func (s *program) takeWalk() *walkMemory {
	s.poolMu.Lock()
	defer s.poolMu.Unlock()
	if n := len(s.freeWalks); n > 0 {
		m := s.freeWalks[n-1]
		s.freeWalks = s.freeWalks[:n-1]
		m.total.Clear()
		m.sum.Clear()
		return m
	}
	return &walkMemory{total: tfhe.NewGLWE(s.params), sum: tfhe.NewFourierSum(s.params), factors: make([]int64, s.params.N())}
}

// putWalk gives memory back, as much as the rows that run at a time can use.
func (s *program) putWalk(m *walkMemory) {
	cores := s.Cores()
	s.poolMu.Lock()
	defer s.poolMu.Unlock()
	if len(s.freeWalks) < cores.threads {
		s.freeWalks = append(s.freeWalks, m)
	}
}

// branch is the value of a node: the sum of both parts.
type branch struct {
	ct  tfhe.GLWECiphertext
	sum *tfhe.FourierSum // nil where there are no products
}

func (b branch) terms() int {
	if b.sum == nil {
		return 0
	}
	return b.sum.Terms()
}

func (w *walk) buffer() tfhe.GLWECiphertext {
	if n := len(w.free); n > 0 {
		b := w.free[n-1]
		w.free = w.free[:n-1]
		return b
	}
	return tfhe.NewGLWE(w.p)
}

func (w *walk) newSum() *tfhe.FourierSum {
	if n := len(w.freeSums); n > 0 {
		s := w.freeSums[n-1]
		w.freeSums = w.freeSums[:n-1]
		s.Clear()
		return s
	}
	return tfhe.NewFourierSum(w.p)
}

func (w *walk) release(b branch) {
	w.free = append(w.free, b.ct)
	if b.sum != nil {
		w.freeSums = append(w.freeSums, b.sum)
	}
}

// collect moves the products of a branch to its ciphertext.
func (w *walk) collect(b *branch) {
	if b.sum != nil {
		w.ev.AddSum(b.ct, b.sum)
		w.freeSums = append(w.freeSums, b.sum)
		b.sum = nil
	}
}

// root adds the value of a root to the total.
func (w *walk) root(c int32) {
	if c < 0 {
		w.addLeaf(c, w.total)
		return
	}
	if w.st.Nodes[c].Lowest() {
		w.addLowest(w.st.Nodes[c], w.total)
		return
	}
	out := w.eval(c)
	w.total.Add(out.ct)
	w.room(out.terms())
	w.sum.Add(out.sum)
	w.release(out)
	for _, b := range w.shared {
		w.release(b)
	}
	clear(w.shared)
}

// room makes room in the sum for some more products.
func (w *walk) room(terms int) {
	if w.sum.Terms()+terms > tfhe.MaxSumTerms {
		w.ev.AddSum(w.total, w.sum)
	}
}

// table adds a tree that is a table: its entry comes to the front, the others, somewhere behind it, are no results.
func (w *walk) table(t *compiler.SelectTable) {
	acc := w.buffer()
	acc.Clear()
	for i, v := range t.Table {
		acc.Body[i] = uint64(v) << (64 - w.st.Width)
	}
	for i, s := range t.Selectors {
		if i < len(t.Selectors)-1 {
			w.ev.Rotate(acc, w.bits.ggsw[s], -int(t.Weights[i]))
			continue
		}
		w.room(1)
		w.ev.RotateSum(w.sum, acc, w.bits.ggsw[s], -int(t.Weights[i]))
	}
	w.total.Add(acc)
	w.free = append(w.free, acc)
}

// addLeaf adds a leaf, which is clear.
func (w *walk) addLeaf(c int32, dst tfhe.GLWECiphertext) {
	for i, v := range w.st.Leaves[^c] {
		dst.Body[i] += uint64(v) << (64 - w.st.Width)
	}
}

// maxClearProducts is up to how many products of integers with rows are cheaper than transforms.
const maxClearProducts = 20

// addLowest adds lo + bit (hi - lo) for leaves lo and hi.
func (w *walk) addLowest(nd compiler.SelectNode, dst tfhe.GLWECiphertext) {
	w.addLeaf(nd.Lo, dst)
	lo, hi := w.st.Leaves[^nd.Lo], w.st.Leaves[^nd.Hi]
	terms := 0
	for c := range lo {
		if hi[c] != lo[c] {
			terms++
		}
	}
	if i := int(nd.Selector) - len(w.bits.ggsw); i >= 0 {
		if terms > maxClearProducts {
			clear(w.factors)
			for c := range lo {
				w.factors[c] = hi[c] - lo[c]
			}
			w.ev.AddProduct(dst, w.bits.singles[i], w.factors)
			return
		}
		for c := range lo {
			if d := hi[c] - lo[c]; d != 0 {
				tfhe.AddMonomial(dst, w.bits.singles[i], d, c)
			}
		}
		return
	}
	bit := w.bits.ggsw[nd.Selector]
	if terms*bit.Gadget().Levels <= maxClearProducts {
		for c := range lo {
			if d := hi[c] - lo[c]; d != 0 {
				bit.AddClear(dst, d, w.st.Width, c)
			}
		}
		return
	}
	diff := w.buffer()
	diff.Clear()
	for c := range lo {
		diff.Body[c] = uint64(hi[c]-lo[c]) << (64 - w.st.Width)
	}
	w.ev.ExternalProductAdd(dst, bit, diff)
	w.free = append(w.free, diff)
}

// eval returns the value of a child. Of lo + bit (hi - lo) the products of lo and the new one stay in the Fourier domain: only hi - lo, whose digits the
// new one takes, is transformed back, and that at once for the products of both.
func (w *walk) eval(c int32) branch {
	if c < 0 {
		out := branch{ct: w.buffer()}
		out.ct.Clear()
		w.addLeaf(c, out.ct)
		return out
	}
	if done, ok := w.shared[c]; ok {
		return w.copy(done)
	}
	var out branch
	if nd := w.st.Nodes[c]; nd.Lowest() {
		out.ct = w.buffer()
		out.ct.Clear()
		w.addLowest(nd, out.ct)
	} else {
		var hi branch
		if w.needOf(nd.Lo) >= w.needOf(nd.Hi) {
			out = w.eval(nd.Lo)
			hi = w.eval(nd.Hi)
		} else {
			hi = w.eval(nd.Hi)
			out = w.eval(nd.Lo)
		}
		w.choose(nd.Selector, &out, hi)
	}
	if w.users[c] > 1 {
		w.shared[c] = w.copy(out)
	}
	return out
}

// choose sets lo to lo + bit (hi - lo), and takes hi's memory.
func (w *walk) choose(selector int32, lo *branch, hi branch) {
	if hi.terms() == 0 || lo.terms() == tfhe.MaxSumTerms {
		w.collect(lo) // one transform either way, and fewer terms
	}
	if lo.sum != nil {
		hi.sum.Sub(lo.sum)
	} else {
		lo.sum = w.newSum()
	}
	hi.ct.Sub(lo.ct)
	w.collect(&hi)
	w.ev.ExternalProductSum(lo.sum, w.bits.ggsw[selector], hi.ct)
	w.release(hi)
}

func (w *walk) copy(b branch) branch {
	out := branch{ct: w.buffer()}
	out.ct.Copy(b.ct)
	if b.sum != nil {
		out.sum = w.newSum()
		out.sum.Copy(b.sum)
	}
	return out
}
