package compiler_test

import (
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// With AllDigits a request has the digits of codes that nothing reads too, and a program that needs another test of a code is refused.
func TestAllDigits(t *testing.T) {
	build := func(test func(g *compiler.Graph, x *compiler.Node) *compiler.Node) *compiler.Graph {
		g := compiler.NewGraph()
		x := g.Input("x", []int{3}, []int64{0, -2, 5}, []int64{99, 1, 5})
		g.Output(g.Where(test(g, x), g.Scalar(7), g.Scalar(40)))
		return g
	}
	digit := build(func(g *compiler.Graph, x *compiler.Node) *compiler.Node {
		return g.GetItem(g.Bits(g.GetItem(x, 0), 7), 3)
	})
	c, err := compiler.Compile(digit, compiler.CompileOptions{Lowering: compiler.LowerSelect, AllDigits: true})
	if err != nil {
		t.Fatal(err)
	}
	if !c.Spec.AllDigits() || len(c.Spec.Selectors) != 7+2 {
		t.Fatalf("%d tests: %v", len(c.Spec.Selectors), c.Spec.Selectors)
	}
	for i, s := range c.Spec.Selectors {
		code, digit := int32(0), i
		if i >= 7 {
			code, digit = 1, i-7
		}
		for v := range c.Spec.Hi[code] - c.Spec.Lo[code] + 1 {
			if s.Code != code || s.Bit(v) != v>>digit&1 {
				t.Fatalf("test %d of code %d is %d for place %d", i, s.Code, s.Bit(v), v)
			}
		}
	}
	plain, err := compiler.Compile(digit, compiler.CompileOptions{Lowering: compiler.LowerSelect})
	if err != nil {
		t.Fatal(err)
	}
	if plain.Spec.AllDigits() || len(plain.Spec.Selectors) != 1 {
		t.Fatalf("without the option there are %d tests", len(plain.Spec.Selectors))
	}
	threshold := build(func(g *compiler.Graph, x *compiler.Node) *compiler.Node {
		return g.LessEqual(g.GetItem(x, 0), g.Scalar(41))
	})
	for _, how := range []compiler.Lowering{compiler.LowerSelect, compiler.LowerAffine} {
		if _, err := compiler.Compile(threshold, compiler.CompileOptions{Lowering: how, AllDigits: true}); err == nil {
			t.Errorf("lowering %s: a comparison is sent beside the digits", how)
		}
	}
}
