package server

import (
	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// selectTrees evaluates the diagrams bottom up, one root at a time on each core, and sums the roots.
func (r *run) selectTrees(st *compiler.SelectStep) (value, error) {
	p := r.s.params
	sums := make(chan tfhe.GLWECiphertext, r.threads)
	for range r.threads {
		sums <- tfhe.NewGLWE(p)
	}
	d := newDiagram(st)
	err := r.each(len(st.Roots), func(ev *tfhe.Evaluator, i int) {
		w := walk{diagram: d, p: p, ev: ev, bits: r.bits, shared: map[int32]tfhe.GLWECiphertext{}}
		out := w.buffer()
		w.eval(st.Roots[i], out)
		sum := <-sums
		sum.Add(out)
		sums <- sum
	})
	total := <-sums
	for range r.threads - 1 {
		total.Add(<-sums)
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

// walk evaluates one root. Buffers are reused; the child that needs more of them goes first, so that a tree of depth
// d takes few buffers however lopsided it is.
type walk struct {
	*diagram
	p      tfhe.Parameters
	ev     *tfhe.Evaluator
	bits   []*tfhe.FourierGGSW
	shared map[int32]tfhe.GLWECiphertext // results of nodes with several parents
	free   []tfhe.GLWECiphertext
}

func (w *walk) buffer() tfhe.GLWECiphertext {
	if n := len(w.free); n > 0 {
		b := w.free[n-1]
		w.free = w.free[:n-1]
		return b
	}
	return tfhe.NewGLWE(w.p)
}

// eval sets dst to the value of a child.
func (w *walk) eval(c int32, dst tfhe.GLWECiphertext) {
	if c < 0 {
		dst.Clear()
		for i, v := range w.st.Leaves[^c] {
			dst.Body[i] = uint64(v) << (64 - w.st.Width)
		}
		return
	}
	if done, ok := w.shared[c]; ok {
		dst.Copy(done)
		return
	}
	nd := w.st.Nodes[c]
	tmp := w.buffer()
	lo, hi := dst, tmp
	if w.needOf(nd.Lo) >= w.needOf(nd.Hi) {
		w.eval(nd.Lo, lo)
		w.eval(nd.Hi, hi)
	} else {
		w.eval(nd.Hi, hi)
		w.eval(nd.Lo, lo)
	}
	w.ev.CMUX(dst, w.bits[nd.Selector], lo, hi)
	w.free = append(w.free, tmp)
	if w.users[c] > 1 {
		keep := tfhe.NewGLWE(w.p)
		keep.Copy(dst)
		w.shared[c] = keep
	}
}
