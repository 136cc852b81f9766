package fft

// The pointwise operations work on polynomials in the Fourier domain. All arguments of a call have the same length, a multiple of 16,
// and a destination may be the same slice as an operand but must not overlap one otherwise.

// sameLength panics unless all polynomials are as long as the first.
func sameLength(n int, others ...int) {
	for _, m := range others {
		if m != n {
			panic("fft: polynomials of different lengths")
		}
	}
	if n%16 != 0 {
		panic("fft: not a polynomial in the Fourier domain")
	}
}

// Mul sets acc = a * b.
func Mul(acc, a, b []float64) {
	sameLength(len(acc), len(a), len(b))
	accVectors := vectors(acc)
	aVectors := vectors(a)[:len(accVectors)]
	bVectors := vectors(b)[:len(accVectors)]
	for j := range accVectors {
		c, x, y := &accVectors[j], &aVectors[j], &bVectors[j]
		for u := range 8 {
			c[u], c[u+8] = x[u]*y[u]-x[u+8]*y[u+8], x[u]*y[u+8]+x[u+8]*y[u]
		}
	}
}

// MulAdd sets acc += a * b.
func MulAdd(acc, a, b []float64) {
	sameLength(len(acc), len(a), len(b))
	accVectors := vectors(acc)
	aVectors := vectors(a)[:len(accVectors)]
	bVectors := vectors(b)[:len(accVectors)]
	for j := range accVectors {
		c, x, y := &accVectors[j], &aVectors[j], &bVectors[j]
		for u := range 8 {
			xr, xi, yr, yi := x[u], x[u+8], y[u], y[u+8]
			c[u] += xr*yr - xi*yi
			c[u+8] += xr*yi + xi*yr
		}
	}
}

// MulAdd2 sets acc0 += a * b0 and acc1 += a * b1: one digit polynomial against both halves of a key row. acc0 and acc1
// must not be the same slice.
func MulAdd2(acc0, acc1, a, b0, b1 []float64) {
	sameLength(len(acc0), len(acc1), len(a), len(b0), len(b1))
	acc0Vectors := vectors(acc0)
	acc1Vectors := vectors(acc1)[:len(acc0Vectors)]
	aVectors := vectors(a)[:len(acc0Vectors)]
	b0Vectors := vectors(b0)[:len(acc0Vectors)]
	b1Vectors := vectors(b1)[:len(acc0Vectors)]
	for j := range acc0Vectors {
		c, d, x, y, z := &acc0Vectors[j], &acc1Vectors[j], &aVectors[j], &b0Vectors[j], &b1Vectors[j]
		for u := range 8 {
			xr, xi := x[u], x[u+8]
			yr, yi := y[u], y[u+8]
			zr, zi := z[u], z[u+8]
			c[u] += xr*yr - xi*yi
			c[u+8] += xr*yi + xi*yr
			d[u] += xr*zr - xi*zi
			d[u+8] += xr*zi + xi*zr
		}
	}
}

// Sub sets dst -= x.
func Sub(dst, x []float64) {
	sameLength(len(dst), len(x))
	x = x[:len(dst)]
	for i := range dst {
		dst[i] -= x[i]
	}
}

// Add sets dst += x.
func Add(dst, x []float64) {
	sameLength(len(dst), len(x))
	x = x[:len(dst)]
	for i := range dst {
		dst[i] += x[i]
	}
}
