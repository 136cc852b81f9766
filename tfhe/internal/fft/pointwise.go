package fft

// The pointwise operations work on polynomials in the Fourier domain. All arguments of a call have the same length, a positive multiple of
// 16, and a destination may be the same slice as an operand but must not overlap one otherwise.

// sameLength panics unless all polynomials are as long as the first.
func sameLength(n int, others ...int) {
	for _, m := range others {
		if m != n {
			panic("fft: polynomials of different lengths")
		}
	}
	if n == 0 || n%16 != 0 {
		panic("fft: not a polynomial in the Fourier domain")
	}
}

// Mul sets acc = a * b.
func Mul(acc, a, b []float64) {
	sameLength(len(acc), len(a), len(b))
	mul(acc, a, b)
}

// MulAdd sets acc += a * b.
func MulAdd(acc, a, b []float64) {
	sameLength(len(acc), len(a), len(b))
	mulAdd(acc, a, b)
}

// MulAdd2 sets acc0 += a * b0 and acc1 += a * b1: one digit polynomial against both halves of a key row. acc0 and acc1
// must not be the same slice.
func MulAdd2(acc0, acc1, a, b0, b1 []float64) {
	sameLength(len(acc0), len(acc1), len(a), len(b0), len(b1))
	mulAdd2(acc0, acc1, a, b0, b1)
}

// MulRows2 sets acc0 to the sum of d[r] * b[r][0] over the rows r of a key and acc1 to that of d[r] * b[r][1], with the rows b in key
// as [InterleaveRows2] wrote them. acc0, acc1 and the digits d, at least one, are different slices.
func MulRows2(acc0, acc1 []float64, d [][]float64, key []float64) {
	checkRows2(acc0, acc1, d, key)
	mulRows2(acc0, acc1, d, key, false)
}

// MulAddRows2 is MulRows2 added to acc0 and acc1.
func MulAddRows2(acc0, acc1 []float64, d [][]float64, key []float64) {
	checkRows2(acc0, acc1, d, key)
	mulRows2(acc0, acc1, d, key, true)
}

func checkRows2(acc0, acc1 []float64, d [][]float64, key []float64) {
	sameLength(len(acc0), len(acc1))
	for _, x := range d {
		if len(x) != len(acc0) {
			panic("fft: polynomials of different lengths")
		}
	}
	if len(d) == 0 || len(key) != 2*len(d)*len(acc0) {
		panic("fft: key rows do not match the digits")
	}
}

// InterleaveRows2 writes rows of two polynomials of n elements, [r][2][n], to dst, of the same length, in the order that [MulRows2] reads
// them as one sequential stream: [n/16][r][2][16].
func InterleaveRows2(dst, rows []float64, n int) {
	sameLength(n)
	sameLength(len(dst), len(rows))
	if len(rows)%(2*n) != 0 {
		panic("fft: not whole rows of two polynomials")
	}
	r := len(rows) / (2 * n)
	out, in := vectors(dst), vectors(rows)
	for j := range n / 16 {
		for k := range 2 * r {
			out[2*r*j+k] = in[k*n/16+j]
		}
	}
}

// Sub sets dst -= x.
func Sub(dst, x []float64) {
	sameLength(len(dst), len(x))
	sub(dst, x)
}

// Add sets dst += x.
func Add(dst, x []float64) {
	sameLength(len(dst), len(x))
	add(dst, x)
}

func mulGo(acc, a, b []float64) {
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

func mulAddGo(acc, a, b []float64) {
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

func mulAdd2Go(acc0, acc1, a, b0, b1 []float64) {
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

func mulRows2Go(acc0, acc1 []float64, d [][]float64, key []float64, add bool) {
	acc0Vectors, acc1Vectors, rows := vectors(acc0), vectors(acc1), vectors(key)
	for j := range acc0Vectors {
		c, e := &acc0Vectors[j], &acc1Vectors[j]
		if !add {
			*c, *e = vector{}, vector{}
		}
		for _, x := range d {
			x, y, z := (*vector)(x[16*j:]), &rows[0], &rows[1]
			rows = rows[2:]
			for u := range 8 {
				xr, xi := x[u], x[u+8]
				yr, yi := y[u], y[u+8]
				zr, zi := z[u], z[u+8]
				c[u] += xr*yr - xi*yi
				c[u+8] += xr*yi + xi*yr
				e[u] += xr*zr - xi*zi
				e[u+8] += xr*zi + xi*zr
			}
		}
	}
}

func subGo(dst, x []float64) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] -= x[i]
	}
}

func addGo(dst, x []float64) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] += x[i]
	}
}
