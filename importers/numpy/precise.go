package numpy

import "math"

// The power and the hyperbolic tangent of package math are off by units in the last place, also where the exact value is a float64: 8**(1/3) would truncate to 1.
// Here both are calculated with twice the precision and rounded once. numpy's own results differ by a unit between processors.

// double is the sum of two float64, of which lo is below half a unit in the last place of hi: about 106 bits (Dekker 1971).
type double struct{ hi, lo float64 }

// ln2 is the natural logarithm of 2.
var ln2 = double{0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56}

func twoSum(a, b float64) double {
	s := a + b
	t := s - a
	return double{s, (a - (s - t)) + (b - t)}
}

func twoProduct(a, b float64) double {
	p := float64(a * b)
	return double{p, math.FMA(a, b, -p)}
}

func (x double) add(y double) double {
	s := twoSum(x.hi, y.hi)
	return twoSum(s.hi, s.lo+(x.lo+y.lo))
}

func (x double) mul(y double) double {
	p := twoProduct(x.hi, y.hi)
	return twoSum(p.hi, p.lo+(float64(x.hi*y.lo)+float64(x.lo*y.hi)))
}

func (x double) scale(f float64) double { return double{x.hi * f, x.lo * f} } // f is a power of 2

func (x double) div(y double) double {
	q := x.hi / y.hi
	r := x.add(y.mul(double{-q, 0}))
	return twoSum(q, r.hi/y.hi)
}

// expm1 returns e^x - 1 for |x| <= 0.7: the series of x/256, squared eight times.
func (x double) expm1() double {
	r := x.scale(0x1p-8)
	term, sum := r, r
	for n := 2.0; n <= 12; n++ { // (0.7/256)^12/12! is below 2^-130
		term = term.mul(r).div(double{n, 0})
		sum = sum.add(term)
	}
	for range 8 { // (1+s)^2 - 1 = 2s + s^2
		sum = sum.scale(2).add(sum.mul(sum))
	}
	return sum
}

// exp returns e^x as a factor in double precision and a power of 2, for |x| < 2^20.
func (x double) exp() (double, int) {
	k := math.RoundToEven(x.hi / math.Ln2)
	r := x.add(ln2.mul(double{-k, 0}))
	return r.expm1().add(double{1, 0}), int(k)
}

// logarithm returns the natural logarithm of a positive finite number: math.Log, corrected by one step of Newton's method.
func logarithm(x float64) double {
	m, e := math.Frexp(x) // 0.5 <= m < 1
	if m < math.Sqrt2/2 {
		m, e = 2*m, e-1
	}
	l := math.Log(m)
	d := double{-l, 0}.expm1().add(double{1, 0}).mul(double{m, 0}).add(double{-1, 0}) // m e^-l - 1, near 2^-53
	d = d.add(double{-d.hi * d.hi / 2, 0})
	return double{l, 0}.add(d).add(ln2.mul(double{float64(e), 0}))
}

// pow is x**y of numpy for float64.
func pow(x, y float64) float64 {
	rough := math.Pow(x, y) // settles signs, special values, and what overflows or is subnormal
	size := math.Abs(rough)
	switch {
	case math.IsNaN(rough) || math.IsInf(rough, 0) || size < 0x1p-1000 || size > 0x1p1000 || math.IsInf(x, 0) || x == 0 || x == 1 || y == 0:
		return rough
	case y == 1:
		return x
	case y == 2:
		return x * x
	case y == 0.5:
		return math.Sqrt(x)
	case y == -1:
		return 1 / x
	}
	f, k := logarithm(math.Abs(x)).mul(double{y, 0}).exp()
	return math.Copysign(math.Ldexp(f.hi, k), rough)
}

// tanh is the hyperbolic tangent.
func tanh(x float64) float64 {
	a := math.Abs(x)
	switch {
	case math.IsNaN(x) || a < 0x1p-20: // x - x^3/3 + 2x^5/15: the rest is below 2^-120
		return x - float64(x*x)*x/3
	case a > 20:
		return math.Copysign(1, x)
	}
	f, k := double{2 * a, 0}.exp()
	e := double{math.Ldexp(f.hi, k), math.Ldexp(f.lo, k)}
	if a < 0.3 {
		e = double{2 * a, 0}.expm1()
		return math.Copysign(e.div(e.add(double{2, 0})).hi, x)
	}
	return math.Copysign(e.add(double{-1, 0}).div(e.add(double{1, 0})).hi, x)
}
