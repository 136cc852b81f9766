package tfhe

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestKeyAdmitted: a key at the bound is admitted, and one coefficient more is not, in the whole key and in its prefix.
func TestKeyAdmitted(t *testing.T) {
	for _, lit := range []ParametersLiteral{ternarySet, set4, toyTwo} {
		p := parametersOf(t, lit)
		coeffs := make([]int64, p.BigDimension())
		set := func(from, count int) {
			for i := range count {
				coeffs[from+i] = 1 - 2*int64(i%2)
			}
		}
		if !keyAdmitted(p, coeffs) {
			t.Errorf("%s: a light key is refused", describe(lit))
		}
		n := lit.SmallDimension
		worst := int(p.WorstKeyWeight())
		set(n, worst)
		if !keyAdmitted(p, coeffs) {
			t.Errorf("%s: weight %d is refused", describe(lit), worst)
		}
		coeffs[n+worst] = -1
		if keyAdmitted(p, coeffs) {
			t.Errorf("%s: weight %d is admitted", describe(lit), worst+1)
		}
		if n == 0 {
			continue
		}
		clear(coeffs)
		small := int(WorstBlockWeight(n, lit.BlockLength))
		set(0, small)
		if !keyAdmitted(p, coeffs) {
			t.Errorf("%s: small weight %d is refused", describe(lit), small)
		}
		coeffs[small] = 1
		if keyAdmitted(p, coeffs) {
			t.Errorf("%s: small weight %d is admitted", describe(lit), small+1)
		}
	}
}

// TestKeyDistribution draws keys: blocks of weight at most one under the public signs, the mean weights of the distribution, none above the bound.
func TestKeyDistribution(t *testing.T) {
	const keys = 400
	for _, lit := range []ParametersLiteral{toy, toySelect} {
		p := parametersOf(t, lit)
		n, dim := lit.SmallDimension, p.BigDimension()
		signs := p.Signs()
		var small, rest, plus float64
		ids := map[KeyID]bool{}
		for range keys {
			sk, err := GenerateSecretKey(p)
			if err != nil {
				t.Fatal(err)
			}
			ids[sk.ID()] = true
			if !keyAdmitted(p, sk.coeffs()) {
				t.Fatal("a generated key is too heavy")
			}
			for i, s := range sk.coeffs() {
				s *= signs[i]
				switch {
				case i < n:
					small += float64(s)
				default:
					rest += float64(s * s)
				}
				if n > 0 && s != 0 && s != 1 || s < -1 || s > 1 {
					t.Fatalf("coefficient %d is %d times its sign", i, s)
				}
				if s == 1 {
					plus++
				}
			}
			for b := 0; b < n; b += 4 {
				if w := sk.coeffs()[b]*signs[b] + sk.coeffs()[b+1]*signs[b+1] + sk.coeffs()[b+2]*signs[b+2] + sk.coeffs()[b+3]*signs[b+3]; w > 1 {
					t.Fatalf("a block of weight %d", w)
				}
			}
		}
		if len(ids) != keys {
			t.Error("key ids repeat")
		}
		// Redrawing the heaviest keys (2% of two bounds) takes less than 0.12 deviations of one key off the means.
		check := func(name string, sum, mean, deviation float64) {
			if e := sum/keys - mean; e > 6*deviation/math.Sqrt(keys) || e < -(6/math.Sqrt(keys)+0.12)*deviation {
				t.Errorf("%s: mean %.2f, want %.2f, deviation of one key %.2f", name, sum/keys, mean, deviation)
			}
		}
		if n > 0 {
			check("small weight", small, float64(n)/5, math.Sqrt(float64(n))/5)
			check("weight of the rest", rest, float64(dim-n)/2, math.Sqrt(float64(dim-n))/2)
		} else {
			check("weight", rest, float64(dim)*2/3, math.Sqrt(float64(dim)*2)/3)
			check("ones", plus, float64(dim)/3, math.Sqrt(float64(dim)*2)/3)
		}
	}
	// The signs are fixed and balanced.
	p := parametersOf(t, set4)
	signs := p.Signs()
	sum := int64(0)
	for _, s := range signs {
		if s != 1 && s != -1 {
			t.Fatalf("sign %d", s)
		}
		sum += s
	}
	if !slices.Equal(signs, p.Signs()) || sum > 200 || sum < -200 {
		t.Errorf("signs sum to %d", sum)
	}
}

// TestSecretsAreNotPrinted prints keys and what holds them by every verb, by value and by pointer, and looks for coefficients and for products with
// the key.
func TestSecretsAreNotPrinted(t *testing.T) {
	k := keysOf(t, toyTwo)
	dec, enc := NewDecryptor(k.sk), NewEncryptor(k.sk)
	ct := k.randomGLWE()
	dec.GLWE(make([]uint64, k.p.N()), ct)
	if !allZero(dec.acc) {
		t.Error("a decryptor keeps a product with the key")
	}
	product := make([]uint64, k.p.N())
	dec.MaskProduct(product, ct.Mask)
	enc.GLWE(make([]uint64, k.p.N()), make([]uint64, k.p.N()))

	// What must not appear: any run of 12 coefficients or any word of the decryptor's products, as %v, %#v or hexadecimal print it.
	var forbidden []string
	for _, verb := range []string{"%v", "%#v", "%x"} {
		for i := 0; i < len(k.sk.coeffs())-12; i += 5 {
			if !slices.ContainsFunc(k.sk.coeffs()[i:i+12], func(c int64) bool { return c != 0 }) {
				continue // as a cleared buffer prints
			}
			s := fmt.Sprintf(verb, k.sk.coeffs()[i:i+12])
			forbidden = append(forbidden, strings.TrimSuffix(s[strings.IndexAny(s, "[{")+1:], "]"))
		}
		for _, w := range product[:10] {
			forbidden = append(forbidden, strings.TrimSpace(fmt.Sprintf(verb, w)))
		}
	}
	type holder struct {
		Name   string
		Secret *SecretKey
		hidden *SecretKey
		Value  SecretKey
		inside SecretKey
	}
	type nested struct {
		H   holder
		Map map[string]*SecretKey
		Dec *Decryptor
		Enc any
		All []*SecretKey
	}
	h := holder{"holder", k.sk, k.sk, *k.sk, *k.sk}
	var none *SecretKey
	for _, x := range []any{k.sk, *k.sk, &k.sk, dec, *dec, enc, *enc, h, &h, nested{h, map[string]*SecretKey{"key": k.sk}, dec, enc, []*SecretKey{k.sk}},
		[]SecretKey{*k.sk}, struct{ d Decryptor }{*dec}, struct{ d *Decryptor }{dec}, struct{ e *Encryptor }{enc}, struct{ a []*SecretKey }{[]*SecretKey{k.sk}}, none, fmt.Errorf("key %v", k.sk)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q", "%t", "%e", "%p", "%T"} {
			out := fmt.Sprintf(verb, x)
			for _, f := range forbidden {
				if strings.Contains(out, f) {
					t.Errorf("%s of a %T shows secret %q", verb, x, f)
					break
				}
			}
		}
	}
	if got := fmt.Sprint(k.sk); got != "tfhe.SecretKey("+k.sk.ID().String()+")" || k.sk.GoString() != got || len(k.sk.ID().String()) != 32 {
		t.Errorf("a key prints as %q", got)
	}
	if got := fmt.Sprintf("%+v", *dec); got != "tfhe.Decryptor("+k.sk.ID().String()+")" {
		t.Errorf("a decryptor prints as %q", got)
	}
}
