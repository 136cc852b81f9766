package numpy

import (
	"math"
	"math/bits"
	"slices"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// Limits of going through all inputs: values of all rivals, and comparisons of pairs of them.
const (
	maxPoints = 1 << 24
	maxPairs  = 1 << 31
)

// essential drops what no input needs, where all inputs can be gone through: rivals that never win, and duels whose loser loses to someone else of those kept
// whenever it loses there. What is left of a duel may count for one of the two alone. (Of stored points, few are neighbours of each other.)
func essential(rivals []rival, duels []duel) ([]rival, []duel) {
	values, words, ok := everywhere(rivals, duels)
	if !ok {
		return rivals, duels
	}
	n := len(rivals)
	beats := func(j, i, x int) bool { // of equal values the first one
		a, b := values[j][x], values[i][x]
		return a < b || a == b && j < i
	}
	points := len(values[0])
	never := slices.Repeat([]bool{true}, n)
	for x := range points {
		best := 0
		for i := range n {
			if beats(i, best, x) {
				best = i
			}
		}
		never[best] = false
	}
	at := make([][]int, n) // the duel of each pair
	for i := range at {
		at[i] = make([]int, n)
	}
	for k := range duels {
		duels[k].forFirst, duels[k].forSecond = false, false
		at[duels[k].first][duels[k].second], at[duels[k].second][duels[k].first] = k, k
	}
	lost := make([][]uint64, n) // where the rival of the round loses to each other one
	for j := range lost {
		lost[j] = make([]uint64, words)
	}
	for i := range rivals {
		if never[i] {
			continue
		}
		open := make([]uint64, words) // where it loses, and no duel kept says so
		for j := range rivals {
			clear(lost[j])
			if j == i || never[j] {
				continue
			}
			for x := range points {
				if beats(j, i, x) {
					lost[j][x>>6] |= 1 << (x & 63)
				}
			}
			for w, l := range lost[j] {
				open[w] |= l
			}
		}
		for {
			best, most, used := -1, 0, false
			for j := range rivals {
				if j == i || never[j] {
					continue
				}
				d := &duels[at[i][j]]
				c, taken := both(open, lost[j]), d.forFirst || d.forSecond
				if c > most || c == most && c > 0 && taken && !used { // rather one that is there already
					best, most, used = j, c, taken
				}
			}
			if best < 0 {
				break
			}
			d := &duels[at[i][best]]
			d.forFirst, d.forSecond = d.forFirst || d.first == i, d.forSecond || d.second == i
			for w, l := range lost[best] {
				open[w] &^= l
			}
		}
	}
	return without(rivals, duels, never)
}

// everywhere returns the values of all rivals at all inputs, up to what they have in common, if they are not too many, and the words of a set of inputs.
func everywhere(rivals []rival, duels []duel) (values [][]int32, words int, ok bool) {
	elements := duelElements(duels)
	points := 1
	for _, e := range elements {
		size := e.Node.Hi[e.Index] - e.Node.Lo[e.Index] + 1
		if points > maxPoints/int(size)/len(rivals) {
			return nil, 0, false
		}
		points *= int(size)
	}
	if len(rivals)*len(rivals) > maxPairs/points {
		return nil, 0, false
	}
	weights := make([][]int64, len(rivals))
	for i, r := range rivals {
		most := max(r.bias, -r.bias)
		for _, e := range elements {
			w := r.weights[e]
			weights[i] = append(weights[i], w)
			most += max(w, -w) * max(e.Node.Hi[e.Index], -e.Node.Lo[e.Index], 0)
		}
		if most > math.MaxInt32 {
			return nil, 0, false
		}
		values = append(values, make([]int32, points))
	}
	x := make([]int64, len(elements))
	for k, e := range elements {
		x[k] = e.Node.Lo[e.Index]
	}
	for p := range points {
		for i, r := range rivals {
			v := r.bias
			for k, w := range weights[i] {
				v += w * x[k]
			}
			values[i][p] = int32(v)
		}
		for k, e := range elements {
			if x[k]++; x[k] <= e.Node.Hi[e.Index] {
				break
			}
			x[k] = e.Node.Lo[e.Index]
		}
	}
	return values, (points + 63) / 64, true
}

// duelElements are the input elements that duels depend on, in the order of their nodes.
func duelElements(duels []duel) []compiler.InputElement {
	met := map[compiler.InputElement]bool{}
	var elements []compiler.InputElement
	for _, d := range duels {
		for e := range d.weights {
			if !met[e] {
				met[e] = true
				elements = append(elements, e)
			}
		}
	}
	slices.SortFunc(elements, func(x, y compiler.InputElement) int {
		if x.Node != y.Node {
			return x.Node.ID - y.Node.ID
		}
		return x.Index - y.Index
	})
	return elements
}

// without drops rivals, and the duels that are theirs or that nobody needs.
func without(rivals []rival, duels []duel, dropped []bool) ([]rival, []duel) {
	place := make([]int, len(rivals))
	var kept []rival
	for i, r := range rivals {
		if place[i] = len(kept); !dropped[i] {
			kept = append(kept, r)
		}
	}
	var left []duel
	for _, d := range duels {
		if (d.forFirst || d.forSecond) && !dropped[d.first] && !dropped[d.second] {
			d.first, d.second = place[d.first], place[d.second]
			left = append(left, d)
		}
	}
	return kept, left
}

// both counts the inputs in two sets.
func both(x, y []uint64) int {
	n := 0
	for i, w := range x {
		n += bits.OnesCount64(w & y[i])
	}
	return n
}
