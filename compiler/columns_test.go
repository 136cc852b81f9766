package compiler

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// TestColumnGroups: the columns of a code give back every output's function of it, with values of at most 7 bits and exact bounds, and take no more columns
// than tests of all values but one would.
func TestColumnGroups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 5))
		lo := r.Int64N(200) - 100
		hi := lo + r.Int64N(128)
		outputs := 1 + r.IntN(4)
		slope, table := make([]int64, outputs), make([][]int64, outputs)
		kind := r.IntN(6)
		for o := range outputs {
			if r.IntN(3) == 0 {
				slope[o] = r.Int64N(1<<20) - 1<<19
			}
			if kind == 5 || r.IntN(5) == 0 {
				continue
			}
			f := make([]int64, hi-lo+1)
			a, b, c := r.Int64N(1<<30), r.Int64N(1<<20)-1<<19, r.Int64N(1<<14)-1<<13
			step := r.Int64N(128)
			for v := range int64(len(f)) {
				switch kind {
				case 0: // anything
					f[v] = r.Int64N(1<<20) - 1<<19
				case 1: // few values
					f[v] = r.Int64N(2) * 1000
				case 2: // a step
					if v > step {
						f[v] = b
					}
				case 3:
					f[v] = a + b*v
				case 4:
					f[v] = a + v*(b+c*v)
				}
			}
			table[o] = f
		}
		g := newColumnGroup(7, lo, hi, slope, table)
		if n := g.size(); n > max(1, int(hi-lo)) {
			t.Fatalf("%d columns for %d values", n, hi-lo+1)
		}
		if want := map[int]int{3: 1, 4: 3, 5: 1}[kind]; want > 0 && g.size() > want {
			t.Fatalf("a polynomial takes %d columns", g.size())
		}
		for o := range outputs {
			least, most := int64(0), int64(0)
			for v := range hi - lo + 1 {
				want := slope[o] * (lo + v)
				if table[o] != nil {
					want += table[o][v]
				}
				w, got := g.weights[o], g.offset[o]
				if len(w) != g.size() {
					t.Fatalf("%d weights for %d columns", len(w), g.size())
				}
				if g.kind == basisCode || g.kind == basisSquare {
					got += w[0] * (lo + v)
					w = w[1:]
				}
				for i, c := range g.columns {
					x := c.Value(v)
					if x < 0 || x > 127 || c.Code != 7 {
						t.Fatalf("column %d of code %d holds %d", i, c.Code, x)
					}
					got += w[i] * x
				}
				if got != want {
					t.Fatalf("output %d at %d: %d, want %d (%+v)", o, v, got, want, g)
				}
				if got -= g.offset[o]; v == 0 || got < least {
					least = got
				}
				if v == 0 || got > most {
					most = got
				}
			}
			if a, b := g.bounds(g.weights[o]); a > least || b < most || g.kind != basisThermal && g.kind != basisOneHot && (a != least || b != most) {
				t.Fatalf("output %d is in [%d, %d], bounds say [%d, %d] (%+v)", o, least, most, a, b, g)
			}
		}
	})
}

// TestColumnsHoldNoWeights: what a client packs does not depend on how large the model's numbers are.
func TestColumnsHoldNoWeights(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 6))
	for range 50 {
		f, scaled := make([]int64, 40), make([]int64, 40)
		for v := range f {
			f[v] = r.Int64N(100)
			scaled[v] = 37*f[v] + 1000
		}
		a := newColumnGroup(0, 0, 39, []int64{0}, [][]int64{f})
		b := newColumnGroup(0, 0, 39, []int64{0}, [][]int64{scaled})
		if len(a.columns) != len(b.columns) {
			t.Fatal("the number of columns differs")
		}
		for i := range a.columns {
			if a.columns[i] != b.columns[i] {
				t.Fatalf("column %d differs", i)
			}
		}
	}
}
