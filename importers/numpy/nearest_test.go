package numpy

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// TestArgAffine: an argmin or argmax by duels of all pairs is what going through the values says, as a result, as an index of a table, and as a number;
// scores are weighted sums, or squared distances, of a few inputs.
func TestArgAffine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		f, n := 1+r.IntN(3), 3+r.IntN(9)
		lo := int64(r.IntN(7)) - 4
		hi := lo + 1 + int64(r.IntN(9))
		b := NewBuilder()
		x := b.Input("x", []int{f}, lo, hi)
		draw := func(shape []int, most int64) *Value {
			data := make([]int64, sizeOf(shape))
			for i := range data {
				data[i] = r.Int64N(2*most+1) - most
			}
			return Array(shape, data)
		}
		scores := b.Call("add", b.Call("matmul", draw([]int{n, f}, 4), x), draw([]int{n}, 9))
		if r.IntN(2) == 0 {
			scores = b.Call("sum", b.Call("square", b.Call("subtract", x, draw([]int{n, f}, 6))), Keywords{"axis": 1})
		}
		b.Output(scores)
		name, sign := "argmin", int64(1)
		if r.IntN(2) == 0 {
			name, sign = "argmax", -1
		}
		index := b.Call(name, scores)
		labels := draw([]int{n}, 50)
		b.Output(index)
		b.Output(b.Call("add", index, 3))
		item, err := b.item(labels, index)
		if err != nil {
			t.Fatal(err)
		}
		b.Output(item.(*Value))
		g, e := b.Graph()
		if e != nil {
			t.Fatal(e)
		}
		winners := map[int]bool{}
		for range 20 {
			in := make([]int64, f)
			for i := range in {
				in[i] = lo + r.Int64N(hi-lo+1)
			}
			out, err := g.Eval(map[string][]int64{"x": in})
			if err != nil {
				t.Fatal(err)
			}
			best := 0
			for i, v := range out[0] {
				if sign*v < sign*out[0][best] {
					best = i
				}
			}
			winners[best] = true
			if want := []int64{int64(best), int64(best) + 3, labels.ints[best]}; !slices.Equal(slices.Concat(out[1:]...), want) {
				t.Fatalf("%s of %v: %v, want %v\n%s", name, out[0], out[1:], want, g)
			}
		}
		if lo, hi := index.Bounds(); lo < 0 || hi >= int64(n) {
			t.Fatalf("an index of %d..%d among %d", lo, hi, n)
		}
		tournament := slices.ContainsFunc(g.Nodes, func(n *compiler.Node) bool { return n.Op == compiler.OpWhere })
		if tournament && len(winners) > 1 {
			t.Fatalf("a tournament\n%s", g)
		}
	})
}
