package tfhe

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// automorphismByDefinition sums the monomials (X^g)^j.
func automorphismByDefinition(src []uint64, g int) []uint64 {
	n := len(src)
	dst, x := make([]uint64, n), make([]uint64, n)
	for j, v := range src {
		mulXa(x, constant(n, v), j*g%(2*n))
		addWords(dst, x)
	}
	return dst
}

// TestAutomorphism checks the permutation against the definition, and that it is one of rings: images of products are products of images.
func TestAutomorphism(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := 1 << rapid.IntRange(3, 8).Draw(t, "log n")
		g := 2*rapid.IntRange(0, n-1).Draw(t, "g") + 1
		x := rapid.SliceOfN(rapid.Uint64(), n, n).Draw(t, "x")
		y := rapid.SliceOfN(rapid.Int64Range(-3, 3), n, n).Draw(t, "y")
		got, product := make([]uint64, n), make([]uint64, n)
		automorphism(got, x, g)
		if !slices.Equal(got, automorphismByDefinition(x, g)) {
			t.Fatal("not the automorphism")
		}
		schoolbook(product, x, y)
		image := make([]uint64, n)
		automorphism(image, product, g)
		words := make([]uint64, n)
		for i, v := range y {
			words[i] = uint64(v)
		}
		small := make([]int64, n)
		for i, v := range automorphismByDefinition(words, g) {
			small[i] = int64(v)
		}
		clear(product)
		schoolbook(product, got, small)
		if !slices.Equal(image, product) {
			t.Fatal("the image of a product is not the product of the images")
		}
	})
}

// TestExpansionExponent: on level i, X^(u 2^i) keeps its sign for even u and changes it for odd u.
func TestExpansionExponent(t *testing.T) {
	const n = 64
	for i := range 6 {
		for u := range n >> i {
			x := constant(n, 1)
			mono, image := make([]uint64, n), make([]uint64, n)
			mulXa(mono, x, u<<i)
			automorphism(image, mono, expansionExponent(n, i))
			for c, v := range mono {
				if u%2 == 1 {
					v = -v
				}
				if image[c] != v {
					t.Fatalf("level %d, X^%d", i, u<<i)
				}
			}
		}
	}
}

// TestDigits: the digits that a key switch cuts in the transform are those of decompose.
func TestDigits(t *testing.T) {
	const n = 256
	for _, g := range []GadgetParams{{1, 1}, {1, 16}, {5, 9}, {10, 4}, {13, 3}, {20, 1}, {30, 2}, {4, 15}} {
		src := randomWords(n)
		copy(src, []uint64{0, 0, 1 << 63, 1 << 63, ^uint64(0), ^uint64(0), 1<<63 - 1, 1<<63 - 1})
		s := newSwitcher(n, g.Levels)
		digits, want := make([]int64, n*g.Levels), make([]float64, n)
		decompose(digits, src, g)
		for j, d := range s.transform(&switchKey{gadget: g, offset: digitOffset(g)}, src) {
			s.plan.ForwardInt64(want, digits[j*n:(j+1)*n])
			if !slices.Equal(d, want) {
				t.Fatalf("%v: digit %d differs", g, j)
			}
		}
	}
}

// TestInverseExponent: an automorphism after its inverse moves nothing.
func TestInverseExponent(t *testing.T) {
	for _, n := range []int{4, 64, 2048, 4096} {
		for i := 0; n>>i > 1; i++ {
			g := expansionExponent(n, i)
			if inverse := inverseExponent(n, g); inverse < 1 || inverse >= 2*n || inverse*g%(2*n) != 1 {
				t.Fatalf("n = %d: %d is not the inverse of %d", n, inverse, g)
			}
		}
	}
}

// imageOf returns the images of a ciphertext's polynomials.
func imageOf(p Parameters, ct GLWECiphertext, g int) GLWECiphertext {
	image := NewGLWE(p)
	automorphism(image.Mask, ct.Mask, g)
	automorphism(image.Body, ct.Body, g)
	return image
}

// TestAutomorphismNoise measures the noise of an automorphism and its key switch. The last gadget has a rounding error that leaves nothing to the rest,
// the others none: with a mask in one part the FFT's error would be well above the prediction.
func TestAutomorphismNoise(t *testing.T) {
	for _, c := range []struct {
		lit     ParametersLiteral
		gadgets []GadgetParams
	}{
		{ternarySet, []GadgetParams{{10, 4}, {8, 5}, {5, 9}, {15, 3}, {19, 2}, {7, 3}}},
		{set4, []GadgetParams{{10, 4}, {5, 8}}},
		{toyTernary, []GadgetParams{{8, 5}}},
	} {
		for _, g := range c.gadgets {
			pp := PackedParams{Log2Slots: 2, Expand: g, Switch: GadgetParams{9, 5}, Select: GadgetParams{9, 2}}
			var m moments
			var v PackedNoise
			for range samples(3, 15) {
				k := packedKeys(t, c.lit, pp)
				v = k.noise()
				for r := range samples(4, 10) * 2048 / k.p.N() {
					ct := k.randomGLWE()
					want := make([]uint64, k.p.N())
					automorphism(want, k.phase(ct), expansionExponent(k.p.N(), r%2))
					k.x.preimage(ct, r%2)
					m.addDifference(k.phase(imageOf(k.p, k.x.turn, expansionExponent(k.p.N(), r%2))), want)
				}
			}
			checkNoise(t, "automorphism, N="+describe(c.lit)[2:6]+", "+g.String(), &m, v.Automorphism(g), 0.9, 1.1, 6)
		}
	}
}

// TestSplitIsExact: the mask of a product with a key in two parts is the exact product modulo 2^64 to within the low part's rounding.
func TestSplitIsExact(t *testing.T) {
	for _, g := range []GadgetParams{{10, 4}, {5, 9}, {13, 3}, {19, 3}} {
		pp := PackedParams{Log2Slots: 1, Expand: g, Switch: g, Select: GadgetParams{9, 2}, Form: SwitchSplit}
		k := packedKeys(t, ternarySet, pp)
		n := k.p.N()
		src, mask := randomWords(n), make([]uint64, n)
		got, want := NewGLWE(k.p), make([]uint64, n)
		k.x.sw.product(got, k.server.scheme, src)
		digits := make([]int64, n*g.Levels)
		decompose(digits, src, g)
		masks := NewMaskReader(k.key.seed).At(g.Levels)
		for j := range g.Levels {
			masks.Next(mask, n)
			k.sk.ring.MulAdd(want, mask, k.sk.ring.Prepare(digits[j*n:(j+1)*n]))
		}
		// The deviation of the low part is 2^-12.8 words times the norm of the digits.
		bound := 0x1p-9 * 64 * float64(g.Levels) * float64(uint64(1)<<g.BaseLog)
		for i, w := range want {
			if e := int64(got.Mask[i] - w); float64(max(e, -e)) > bound+2 {
				t.Fatalf("%v: coefficient %d of the mask is off by %d words, bound %g", g, i, e, bound)
			}
		}
	}
}
