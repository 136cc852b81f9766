package numpy

import (
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// TestRoundBits: exact and approximate rounds mean the same in the clear, and are different nodes. numpy has no such function; the expected numbers are
// (x + 4) >> 3 << 3 by hand.
func TestRoundBits(t *testing.T) {
	for _, approximate := range []bool{false, true} {
		for _, python := range []bool{false, true} {
			var g *compiler.Graph
			if python {
				flag := ""
				if approximate {
					flag = ", approximate=True"
				}
				p, err := compileText("from concrete import fhe\ndef f(x):\n    return fhe.round_bit_pattern(x * x, 3" + flag + ")\n")
				if err != nil {
					t.Fatal(err)
				}
				g = p.Graph
			} else {
				b := NewBuilder()
				x := b.Input("x", []int{3}, 0, 15)
				b.Output(b.Call("round_bits", b.Call("multiply", x, x), 3, approximate))
				var err error
				if g, err = b.Graph(); err != nil {
					t.Fatal(err)
				}
			}
			for x, want := range map[int64]int64{0: 0, 1: 0, 2: 8, 3: 8, 4: 16, 5: 24, 6: 40, 14: 200, 15: 224} {
				out, err := g.Eval(map[string][]int64{"x": {x, x, x}})
				if err != nil || out[0][0] != want {
					t.Errorf("%d*%d is rounded to %v, %v, want %d", x, x, out, err, want)
				}
			}
			if got := strings.Contains(g.String(), string(compiler.OpRoundApproximate)); got != approximate {
				t.Errorf("approximate %t:\n%s", approximate, g)
			}
		}
	}
}
