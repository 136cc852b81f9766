package ring

// Transformed is a polynomial of words modulo 2^64, taken as unsigned integers, in the form that MulSum takes. It is immutable.
type Transformed struct {
	ntt [2][]uint64
}

// Transform returns a, N words, for any number of products.
func (r *Ring) Transform(a []uint64) *Transformed {
	r.check(len(a))
	t := &Transformed{}
	for i, q := range [2]uint64{prime0, prime1} {
		x := make([]uint64, r.n)
		for j, c := range a {
			x[j] = c % q
		}
		r.sub[i].NTT(x, x)
		t.ntt[i] = x
	}
	return t
}

// MulSum adds the sum of all a[i]*s[i] mod (2^64, X^N+1) to dst, N words, exactly, provided that the absolute values of the coefficients of all s together
// sum to at most MaxNorm.
func (r *Ring) MulSum(dst []uint64, a []*Transformed, s []*Small) {
	r.check(len(dst))
	if len(a) != len(s) {
		panic("ring: a sum of products of lists of different lengths")
	}
	t := r.scratch.Get().(*[2][]uint64)
	for i := range t {
		clear(t[i])
		for j := range a {
			r.check(len(a[j].ntt[i]))
			r.check(len(s[j].ntt[i]))
			r.sub[i].MulCoeffsMontgomeryThenAdd(a[j].ntt[i], s[j].ntt[i], t[i])
		}
		r.sub[i].INTT(t[i], t[i])
	}
	r.lift(dst, t[0], t[1])
	clear(t[0])
	clear(t[1])
	r.scratch.Put(t)
}
