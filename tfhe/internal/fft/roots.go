package fft

import "math"

// double is an unevaluated sum hi + lo of two float64 with |lo| <= ulp(hi)/2: about 106 bits.
type double struct{ hi, lo float64 }

func (a double) mul(b double) double {
	p := a.hi * b.hi
	e := math.FMA(a.hi, b.hi, -p) + (float64(a.hi*b.lo) + float64(a.lo*b.hi))
	return quickSum(p, e)
}

func (a double) add(b double) double {
	s := a.hi + b.hi
	t := s - a.hi
	e := (a.hi - (s - t)) + (b.hi - t) // Knuth's exact error of s
	return quickSum(s, e+(a.lo+b.lo))
}

func (a double) over(k float64) double {
	q := a.hi / k
	r := math.FMA(-q, k, a.hi) // exact
	return quickSum(q, (r+a.lo)/k)
}

// quickSum normalises a + b for |a| >= |b|.
func quickSum(a, b float64) double {
	s := a + b
	return double{s, b - (s - a)}
}

// unitRoots returns exp(i pi k/n), k in [0, 2n), n a power of two of at least 4. The first octant is summed from the series in twice the precision of
// float64, and the others are its reflections, so that every part is the float64 nearest to the true value (up to 2^-40 ulp)
// and the table has all symmetries of the circle exactly.
func unitRoots(n int) []complex128 {
	t := make([]complex128, 2*n)
	pi := double{math.Pi, 1.2246467991473532e-16}
	for k := 0; k <= n/4; k++ {
		x := pi.mul(double{float64(k) / float64(n), 0}) // k/n is exact
		minusSquare := x.mul(x)
		minusSquare = double{-minusSquare.hi, -minusSquare.lo}
		cos, sin := double{1, 0}, x
		c, s := cos, sin
		for j := 1; j <= 14; j++ { // (pi/4)^30/30! < 2^-118
			c = c.mul(minusSquare).over(float64((2*j - 1) * 2 * j))
			s = s.mul(minusSquare).over(float64(2 * j * (2*j + 1)))
			cos, sin = cos.add(c), sin.add(s)
		}
		a, b := cos.hi, sin.hi
		if k == n/4 {
			a, b = math.Sqrt2/2, math.Sqrt2/2
		}
		for quarter := range 4 {
			z, y := complex(a, b), complex(b, a) // angles k and n/2-k
			switch quarter {
			case 1:
				z, y = complex(-b, a), complex(-a, b)
			case 2:
				z, y = complex(-a, -b), complex(-b, -a)
			case 3:
				z, y = complex(b, -a), complex(a, -b)
			}
			t[quarter*n/2+k] = z
			if k > 0 {
				t[quarter*n/2+n/2-k] = y
			}
		}
	}
	return t
}
