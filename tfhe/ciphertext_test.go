package tfhe

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// ringLiteral is a set that no key is needed for.
func ringLiteral(n, k int) ParametersLiteral {
	return ParametersLiteral{PolyDegree: n, GLWEDimension: k, Key: TernaryKey, Log2SigmaGLWE: -50}
}

// TestSampleExtract compares the LWE phase of every coefficient with the phase of the ring, by schoolbook arithmetic.
func TestSampleExtract(t *testing.T) {
	for _, k := range []int{1, 2, 3} {
		p := parametersOf(t, ringLiteral(256, k))
		sk, err := GenerateSecretKey(p)
		if err != nil {
			t.Fatal(err)
		}
		ct := GLWECiphertext{Mask: randomWords(k * 256), Body: randomWords(256)}
		lwe := NewLWE(k * 256)
		for i, want := range schoolbookPhase(sk, ct.Mask, ct.Body) {
			SampleExtract(p, &lwe, ct, i)
			if got := lwePhase(sk, lwe.Mask, lwe.Body); got != want {
				t.Fatalf("k=%d: coefficient %d has phase %#x, want %#x", k, i, got, want)
			}
		}
		// Both ways round between a mask and an LWE ciphertext.
		SampleExtract(p, &lwe, ct, 0)
		if !slices.Equal(EmbedLWE(p, &lwe), ct.Mask) {
			t.Fatalf("k=%d: EmbedLWE does not undo SampleExtract at 0", k)
		}
		in, out := LWECiphertext{Mask: randomWords(k * 256), Body: 7}, NewLWE(k*256)
		before := slices.Clone(in.Mask)
		embedded := GLWECiphertext{Mask: EmbedLWE(p, &in), Body: make([]uint64, 256)}
		embedded.Body[0] = in.Body
		SampleExtract(p, &out, embedded, 0)
		if !slices.Equal(out.Mask, before) || !slices.Equal(in.Mask, before) || out.Body != 7 {
			t.Fatalf("k=%d: SampleExtract at 0 does not undo EmbedLWE", k)
		}
	}
}

// TestMulXa compares monomial products with the ring's definition.
func TestMulXa(t *testing.T) {
	const n = 256
	x := randomWords(n)
	monomial := func(a int) []int64 {
		m := make([]int64, n)
		m[a%n] = 1
		if a >= n {
			m[a%n] = -1
		}
		return m
	}
	got := make([]uint64, n)
	for a := range 2 * n {
		want := make([]uint64, n)
		schoolbook(want, x, monomial(a))
		mulXa(got, x, a)
		if !slices.Equal(got, want) {
			t.Fatalf("X^%d x is wrong", a)
		}
		for i := range want {
			want[i] -= x[i]
		}
		mulXaMinus1(got, x, a)
		if !slices.Equal(got, want) {
			t.Fatalf("(X^%d - 1) x is wrong", a)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.IntRange(0, 2*n-1).Draw(t, "a"), rapid.IntRange(0, 2*n-1).Draw(t, "b")
		y, z, w := make([]uint64, n), make([]uint64, n), make([]uint64, n)
		mulXa(y, x, a)
		mulXa(z, y, b)
		mulXa(w, x, (a+b)%(2*n))
		if !slices.Equal(z, w) {
			t.Fatalf("X^%d X^%d is not X^%d", b, a, a+b)
		}
	})
}

// TestMulPlainAdd compares products with clear polynomials with schoolbook arithmetic, word for word.
func TestMulPlainAdd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := rapid.IntRange(1, 3).Draw(rt, "k")
		const n = 256
		p := parametersOf(t, ringLiteral(n, k))
		w := rapid.SliceOfN(rapid.Int64Range(-1<<47, 1<<47), 0, n).Draw(rt, "w")
		ct := GLWECiphertext{Mask: randomWords(k * n), Body: randomWords(n)}
		dst := GLWECiphertext{Mask: randomWords(k * n), Body: randomWords(n)}
		want := GLWECiphertext{Mask: slices.Clone(dst.Mask), Body: slices.Clone(dst.Body)}
		for i := range k {
			schoolbook(want.Mask[i*n:(i+1)*n], ct.Mask[i*n:(i+1)*n], w)
		}
		schoolbook(want.Body, ct.Body, w)
		MulPlainAdd(p, dst, ct, w)
		if !slices.Equal(dst.Mask, want.Mask) || !slices.Equal(dst.Body, want.Body) {
			rt.Fatal("product differs from the schoolbook's")
		}
	})
}

// TestMulPlainSum: a sum of prepared products is the sum of the products.
func TestMulPlainSum(t *testing.T) {
	const n, k = 256, 2
	p := parametersOf(t, ringLiteral(n, k))
	dst := GLWECiphertext{Mask: randomWords(k * n), Body: randomWords(n)}
	want := GLWECiphertext{Mask: slices.Clone(dst.Mask), Body: slices.Clone(dst.Body)}
	var cts []*PreparedGLWE
	var ws []*PlainPolynomial
	for j := range 3 {
		ct := GLWECiphertext{Mask: randomWords(k * n), Body: randomWords(n)}
		w := make([]int64, n-j)
		for i := range w {
			w[i] = int64(i*i%2001) - 1000
		}
		MulPlainAdd(p, want, ct, w)
		x := NewPreparedGLWE(p)
		for i := range k + 1 {
			x.Prepare(p, ct, i)
		}
		cts, ws = append(cts, x), append(ws, NewPlainPolynomial(p, w))
	}
	for i := range k + 1 {
		MulPlainSum(p, dst, cts, ws, i)
	}
	if !slices.Equal(dst.Mask, want.Mask) || !slices.Equal(dst.Body, want.Body) {
		t.Fatal("the sum differs")
	}
}

// TestMulPlainPhase: the phase of a product is the product of the phase.
func TestMulPlainPhase(t *testing.T) {
	k := keysOf(t, toyTwo)
	n := k.p.N()
	w := make([]int64, n)
	for i := range w {
		w[i] = int64(i%7) - 3
	}
	ct := k.randomGLWE()
	want := make([]uint64, n)
	schoolbook(want, k.phase(ct), w)
	dst := NewGLWE(k.p)
	MulPlainAdd(k.p, dst, ct, w)
	if !slices.Equal(k.phase(dst), want) {
		t.Fatal("phase of the product is not the product of the phase")
	}
}

func TestCiphertextArithmetic(t *testing.T) {
	p := parametersOf(t, ringLiteral(256, 2))
	x, y := GLWECiphertext{Mask: randomWords(512), Body: randomWords(256)}, GLWECiphertext{Mask: randomWords(512), Body: randomWords(256)}
	sum := NewGLWE(p)
	if len(sum.Mask) != 512 || len(sum.Body) != 256 || cap(sum.Mask) != 512 {
		t.Fatalf("a ciphertext has %d and %d words", len(sum.Mask), len(sum.Body))
	}
	sum.Copy(x)
	sum.Add(y)
	for i := range sum.Mask {
		if sum.Mask[i] != x.Mask[i]+y.Mask[i] {
			t.Fatal("mask of a sum")
		}
	}
	for i := range sum.Body {
		if sum.Body[i] != x.Body[i]+y.Body[i] {
			t.Fatal("body of a sum")
		}
	}
	sum.Clear()
	if !allZero(sum.Mask) || !allZero(sum.Body) {
		t.Fatal("not cleared")
	}
	a, b := LWECiphertext{Mask: randomWords(10), Body: 3}, LWECiphertext{Mask: randomWords(10), Body: 5}
	c := NewLWE(10)
	c.Copy(&a)
	c.AddScaled(-7, &b)
	for i := range c.Mask {
		if c.Mask[i] != a.Mask[i]-7*b.Mask[i] {
			t.Fatal("mask of a combination")
		}
	}
	if int64(c.Body) != 3-35 {
		t.Fatal("body of a combination")
	}
	c.Clear()
	if !allZero(c.Mask) || c.Body != 0 {
		t.Fatal("not cleared")
	}
	defer func() {
		if recover() == nil {
			t.Error("LWE ciphertexts of different dimensions were added")
		}
	}()
	wrong := NewLWE(11)
	c.AddScaled(1, &wrong)
}
