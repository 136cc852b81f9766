package compiler

import "math"

// ApproximateRound says of a lookup of rounded values how often the round is not the exact one.
type ApproximateRound struct {
	Node   int `cbor:"1,keyasint" json:"node"`   // of the optimised graph, which takes the rounded values
	Values int `cbor:"2,keyasint" json:"values"` // of a row
	Drop   int `cbor:"3,keyasint" json:"dropped_bits"`
	Bits   int `cbor:"4,keyasint" json:"table_bits"` // of what is left
	// Differ is the probability that a value gives the other multiple of 2^Drop next to it than an exact round does, if its low bits are equally likely and the
	// key the heaviest there is; near 0 where low bits are mostly far from the tie.
	Differ float64 `cbor:"5,keyasint" json:"differ_probability"`
	// AtTie is the same for a value beside the tie: the largest that it is for any value.
	AtTie float64 `cbor:"6,keyasint" json:"differ_probability_at_tie"`
}

// rounds lists the approximate rounds of a circuit whose parameters are chosen.
func (p *plan) rounds(c *Circuit) {
	var v variances
	for _, vp := range p.vectors {
		if !vp.approx {
			continue
		}
		if v.bottom == nil {
			n := newSimNoise(c.Spec.Params, false)
			none := func(event) float64 { return 0 } // clear tables leave far less than ciphertexts do
			v = variances{fresh: n.fresh, cmux: n.product + n.rounding, br: sq(n.lookup), keySwitch: sq(n.beforeLookup), bottom: none,
				wideCMUX: n.wide.product + n.wide.rounding, wideBottom: none}
		}
		total := v.total(vp.events[len(vp.events)-1])
		r := ApproximateRound{Node: vp.v.node.ID, Values: len(vp.rows), Drop: vp.drop, Bits: vp.bits}
		r.Differ, r.AtTie = roundDiffers(vp.drop, math.Exp2(-float64(vp.inputWidth()))/math.Sqrt(total))
		c.Rounds = append(c.Rounds, r)
	}
}

// roundDiffers returns the probability that noise takes a value over the tie, which is at half a unit, three halves, ... from the values of 2^drop; the average,
// and that of the nearest. unit is a unit in deviations of the noise.
func roundDiffers(drop int, unit float64) (average, nearest float64) {
	tail := func(x float64) float64 { return math.Erfc(x/math.Sqrt2) / 2 }
	nearest = tail(unit / 2)
	half := math.Exp2(float64(drop - 1))
	if unit < 1e-4 { // so many values that the sum is an integral: of tail it is 1/sqrt(2 pi)
		return min(2/(unit*math.Sqrt(2*math.Pi))/(2*half), 0.5), nearest
	}
	for j := 0.0; j < half && (j+0.5)*unit < 40; j++ {
		average += tail((j + 0.5) * unit)
	}
	return average / half, nearest
}
