package tfhe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestRows expands queries of every fill, in every kind of range, and checks each row's message and number.
func TestRows(t *testing.T) {
	for _, slots := range []int{0, 1, 3, 5, 8} {
		pp := toyPacked
		pp.Log2Slots = slots
		if slots == 0 {
			pp.Expand = GadgetParams{}
		}
		k := packedKeys(t, toyTernary, pp)
		n, l := k.p.N(), pp.Select.Levels
		bound := 8 * math.Sqrt(k.noise().RowPeak(pp))
		rapid.Check(t, func(rt *rapid.T) {
			bits := rapid.SliceOfN(rapid.Int64Range(-3, 3), 1, 30).Draw(rt, "bits")
			rows := len(bits) * l
			first := rapid.IntRange(0, rows-1).Draw(rt, "first")
			count := rapid.IntRange(0, min(rows-first, 20)).Draw(rt, "count")
			q := k.query(t, bits)
			if q.Rows() != rows || q.Bits() != len(bits) {
				rt.Fatalf("%d rows of %d bits", q.Rows(), q.Bits())
			}
			next := first
			k.x.Rows(q, first, count, func(r int, ct GLWECiphertext) {
				if r != next {
					rt.Fatalf("row %d where %d was due", r, next)
				}
				next++
				want := constant(n, uint64(bits[r/l])<<(64-pp.Select.BaseLog*(r%l+1)))
				for i, v := range k.phase(ct) {
					if e := math.Abs(torus(v - want[i])); e > bound {
						rt.Fatalf("coefficient %d of row %d is off by %g, bound %g", i, r, e, bound)
					}
				}
			})
			if next != first+count {
				rt.Fatalf("rows end at %d, not %d", next, first+count)
			}
		})
	}
}

// TestExpandedNoise measures expanded rows against the prediction: their average and their peak coefficients.
func TestExpandedNoise(t *testing.T) {
	for _, c := range []struct {
		lit ParametersLiteral
		pp  PackedParams
	}{
		{ternarySet, packed7},
		{ternarySet, packed11},
		{ternarySet, PackedParams{Log2Slots: 9, Expand: GadgetParams{6, 7}, Switch: GadgetParams{11, 4}, Select: GadgetParams{7, 3}}},
		{set4, PackedParams{Log2Slots: 7, Expand: GadgetParams{8, 5}, Switch: GadgetParams{11, 4}, Select: GadgetParams{9, 2}}},
	} {
		var all, peak moments
		var v PackedNoise
		every := 1
		if c.pp.Log2Slots > 9 {
			every = 1 << (c.pp.Log2Slots - 9)
		}
		for range samples(2, 10) {
			k := packedKeys(t, c.lit, c.pp)
			v = k.noise()
			l := c.pp.Select.Levels
			bits := randomBits(1 << c.pp.Log2Slots / l)
			k.x.Rows(k.query(t, bits), 0, len(bits)*l, func(r int, ct GLWECiphertext) {
				if r%every != 0 {
					return
				}
				want := constant(k.p.N(), uint64(bits[r/l])<<(64-c.pp.Select.BaseLog*(r%l+1)))
				got := k.phase(ct)
				all.addDifference(got, want)
				for i := 0; i < len(got); i += 1 << c.pp.Log2Slots {
					peak.add(torus(got[i] - want[i]))
				}
			})
		}
		name := fmt.Sprintf(", L=%d, %v", c.pp.Log2Slots, c.pp.Expand)
		// The 2^L rows share the noise of all key switches above them, so that the mean of a coefficient hardly averages.
		checkNoise(t, "expanded row"+name, &all, v.Row(c.pp), 0.9, 1.1, 40)
		checkNoise(t, "peak of expanded row"+name, &peak, v.RowPeak(c.pp), 0.85, 1.15, 10)
	}
}

// TestKeySwitches: the count is that of the nodes above the leaves in use.
func TestKeySwitches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pp := toyPacked
		pp.Log2Slots = rapid.IntRange(1, 8).Draw(t, "L")
		pp.Select.Levels = rapid.IntRange(1, 4).Draw(t, "l")
		bits := rapid.IntRange(1, 300).Draw(t, "bits")
		nodes := map[[3]int]bool{}
		rows := bits * pp.Select.Levels
		for r := range rows {
			c := r >> pp.Log2Slots
			for i := range pp.depth(pp.countOf(rows, c)) {
				nodes[[3]int{c, i, (r - c<<pp.Log2Slots) >> (pp.depth(pp.countOf(rows, c)) - i)}] = true
			}
		}
		if got := pp.KeySwitches(bits); got != len(nodes) || got > rows+pp.Log2Slots*pp.Ciphertexts(bits) {
			t.Fatalf("%d key switches for %d nodes above %d rows", got, len(nodes), rows)
		}
	})
}

// TestExpandSelectors: all cores give what one expander gives, word for word in the Fourier domain, and a cancelled context stops it.
func TestExpandSelectors(t *testing.T) {
	k := packedKeys(t, toyTernary, toyPacked)
	q := k.query(t, randomBits(45))
	all, err := ExpandSelectors(context.Background(), k.server, q)
	if err != nil || len(all) != 45 {
		t.Fatal(err)
	}
	one := make([]*FourierGGSW, 45)
	k.x.Selectors(one, q, 0)
	for i := range one {
		for j, v := range one[i].rows {
			if all[i].rows[j] != v {
				t.Fatalf("bit %d differs", i)
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := ExpandSelectors(ctx, k.server, q); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if none, err := ExpandSelectors(context.Background(), k.server, k.query(t, nil)); err != nil || len(none) != 0 {
		t.Fatalf("a query of no bits gives %d, %v", len(none), err)
	}
}

// TestPackedTree is the whole way: random bits, packed, expanded, switched, and a tree of CMUX over random leaves. Every leaf must be the right one,
// with the predicted noise where all bits of the path are 1.
func TestPackedTree(t *testing.T) {
	for _, c := range []struct {
		lit   ParametersLiteral
		pp    PackedParams
		depth int
	}{
		{ternarySet, packed7, 4},
		{ternarySet, withForm(packed7, SwitchFused), 4},
		{ternarySet, packed11, 4},
		{ternarySet, withForm(packed11, SwitchSplit), 4},
		{set4, PackedParams{Log2Slots: 5, Expand: GadgetParams{5, 9}, Switch: GadgetParams{11, 4}, Select: GadgetParams{6, 4}}, 3},
	} {
		name := fmt.Sprintf("tree of depth %d, L=%d, %v, %v, %v", c.depth, c.pp.Log2Slots, c.pp.Select, c.pp.Form, c.lit.Key)
		var m moments
		var v PackedNoise
		for range samples(2, 8) {
			k := packedKeys(t, c.lit, c.pp)
			v = k.noise()
			for trial := range samples(24, 60) {
				bits := randomBits(c.depth)
				if trial%4 > 0 {
					for i := range bits {
						bits[i] = 1
					}
				}
				padded := append(bits, randomBits((1<<c.pp.Log2Slots)/c.pp.Select.Levels-len(bits))...)
				selectors := make([]*FourierGGSW, c.depth)
				k.x.Selectors(selectors, k.query(t, padded), 0)
				nodes := make([]GLWECiphertext, 1<<c.depth)
				want := 0
				for i := range nodes {
					nodes[i] = k.randomGLWE() // no trivial leaves: these would save the noise of the lowest level
				}
				for i, b := range bits {
					want |= int(b) << i
				}
				leaf := k.phase(nodes[want])
				for _, s := range selectors {
					for i := range len(nodes) / 2 {
						k.ev.CMUX(nodes[i], s, nodes[2*i], nodes[2*i+1])
					}
					nodes = nodes[:len(nodes)/2]
				}
				got := k.phase(nodes[0])
				bound := 8 * math.Sqrt(v.Select(c.pp).Paths(c.pp.Select, c.depth, 1))
				for i, w := range leaf {
					if e := math.Abs(torus(got[i] - w)); e > bound {
						t.Fatalf("%s: coefficient %d is off by %g, bound %g", name, i, e, bound)
					}
				}
				if trial%4 > 0 {
					m.addDifference(got, leaf)
				}
			}
		}
		checkNoise(t, name, &m, v.Select(c.pp).Paths(c.pp.Select, c.depth, 1), 0.9, 1.1, 6)
	}
}
