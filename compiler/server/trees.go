package server

import (
	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// selectTrees evaluates the diagrams bottom up, one root at a time on each core, and sums the roots.
func (r *run) selectTrees(st *compiler.SelectStep) (value, error) {
	d := newDiagram(st)
	walks := make(chan *walk, r.threads)
	for range r.threads {
		walks <- &walk{diagram: d, p: r.s.params, bits: r.bits, shared: map[int32]tfhe.GLWECiphertext{}, sum: tfhe.NewGLWE(r.s.params), factors: make([]int64, r.s.params.N())}
	}
	err := r.each(len(st.Tables)+len(st.Roots), func(ev *tfhe.Evaluator, i int) {
		w := <-walks
		w.ev = ev
		if i < len(st.Tables) {
			w.table(&st.Tables[i])
		} else {
			w.root(st.Roots[i-len(st.Tables)])
		}
		walks <- w
	})
	total := (<-walks).sum
	for range r.threads - 1 {
		total.Add((<-walks).sum)
	}
	return value{glwe: total}, err
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
	p      tfhe.Parameters
	ev     *tfhe.Evaluator
	bits   clientBits
	shared map[int32]tfhe.GLWECiphertext // results of nodes of this root with several parents
	free   []tfhe.GLWECiphertext
	sum    tfhe.GLWECiphertext // of all roots so far

	factors []int64 // scratch memory: N integers
}

func (w *walk) buffer() tfhe.GLWECiphertext {
	if n := len(w.free); n > 0 {
		b := w.free[n-1]
		w.free = w.free[:n-1]
		return b
	}
	return tfhe.NewGLWE(w.p)
}

// root adds the value of a root to the sum.
func (w *walk) root(c int32) {
	if c < 0 {
		w.addLeaf(c, w.sum)
		return
	}
	if w.st.Nodes[c].Lowest() {
		w.addLowest(w.st.Nodes[c], w.sum)
		return
	}
	out := w.buffer()
	w.eval(c, out)
	w.sum.Add(out)
	w.free = append(w.free, out)
	for _, b := range w.shared {
		w.free = append(w.free, b)
	}
	clear(w.shared)
}

// table adds a tree that is a table: its entry comes to the front, the others, somewhere behind it, are no results.
func (w *walk) table(t *compiler.SelectTable) {
	acc := w.buffer()
	acc.Clear()
	for i, v := range t.Table {
		acc.Body[i] = uint64(v) << (64 - w.st.Width)
	}
	for i, s := range t.Selectors {
		w.ev.Rotate(acc, w.bits.ggsw[s], -int(t.Weights[i]))
	}
	w.sum.Add(acc)
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

// eval sets dst to the value of a child.
func (w *walk) eval(c int32, dst tfhe.GLWECiphertext) {
	if c < 0 {
		dst.Clear()
		w.addLeaf(c, dst)
		return
	}
	if done, ok := w.shared[c]; ok {
		dst.Copy(done)
		return
	}
	nd := w.st.Nodes[c]
	if nd.Lowest() {
		dst.Clear()
		w.addLowest(nd, dst)
	} else {
		tmp := w.buffer()
		lo, hi := dst, tmp
		if w.needOf(nd.Lo) >= w.needOf(nd.Hi) {
			w.eval(nd.Lo, lo)
			w.eval(nd.Hi, hi)
		} else {
			w.eval(nd.Hi, hi)
			w.eval(nd.Lo, lo)
		}
		w.ev.CMUX(dst, w.bits.ggsw[nd.Selector], lo, hi)
		w.free = append(w.free, tmp)
	}
	if w.users[c] > 1 {
		keep := w.buffer()
		keep.Copy(dst)
		w.shared[c] = keep
	}
}
