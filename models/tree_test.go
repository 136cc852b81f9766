package models

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/quantize"
	"pgregory.net/rapid"
)

// branch is a tree as the tests think of it: the oracle that routes a row on its own.
type branch struct {
	leaf        []float64
	feature     int
	threshold   float32
	missingTrue bool
	yes, no     *branch
}

func (b *branch) route(row []float64) []float64 {
	if b.leaf != nil {
		return b.leaf
	}
	x := float32(row[b.feature])
	yes := b.missingTrue
	if x == x {
		yes = !(x > b.threshold)
	}
	if yes {
		return b.yes.route(row)
	}
	return b.no.route(row)
}

// flatten appends the branch to t in a shuffled-looking order (parents last), and returns its index.
func (b *branch) flatten(t *Tree) int32 {
	if b.leaf != nil {
		t.Leaves = append(t.Leaves, b.leaf)
		return ^int32(len(t.Leaves) - 1)
	}
	n := TreeNode{Feature: b.feature, Threshold: float64(b.threshold), MissingTrue: b.missingTrue}
	n.False = b.no.flatten(t)
	n.True = b.yes.flatten(t)
	t.Nodes = append(t.Nodes, n)
	return int32(len(t.Nodes) - 1)
}

func drawBranch(t *rapid.T, depth, features, outputs int, thresholds []float32, leaf func() []float64) *branch {
	if depth == 0 || rapid.IntRange(0, 9).Draw(t, "stop") == 0 {
		return &branch{leaf: leaf()}
	}
	return &branch{
		feature:     rapid.IntRange(0, features-1).Draw(t, "feature"),
		threshold:   thresholds[rapid.IntRange(0, len(thresholds)-1).Draw(t, "threshold")],
		missingTrue: rapid.Bool().Draw(t, "missing"),
		yes:         drawBranch(t, depth-1, features, outputs, thresholds, leaf),
		no:          drawBranch(t, depth-1, features, outputs, thresholds, leaf),
	}
}

func names(n int) []string {
	var s []string
	for i := range n {
		s = append(s, fmt.Sprintf("x%d", i))
	}
	return s
}

func classifier(features, outputs int) Info {
	return Info{Features: names(features), Float32: true,
		Post: quantize.Postprocessing{Outputs: outputs, Classes: quantize.IntLabels(max(2, outputs))}}
}

// TestTreesRandom compares Raw and the quantized ensemble with the oracle, on rows at thresholds, one float32 to either side,
// and with missing values.
func TestTreesRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		features := rapid.IntRange(1, 5).Draw(t, "features")
		outputs := rapid.IntRange(1, 4).Draw(t, "outputs")
		missing := rapid.Bool().Draw(t, "missing")
		pool := rapid.SampledFrom([]int{1, 3, 20, 400}).Draw(t, "pool")
		thresholds := make([]float32, pool)
		for i := range thresholds {
			thresholds[i] = rapid.Float32Range(-100, 100).Draw(t, "value")
		}
		trees := rapid.IntRange(1, 8).Draw(t, "trees")
		votes := rapid.Bool().Draw(t, "votes")
		leaf := func() []float64 {
			v := make([]float64, outputs)
			if votes {
				v[rapid.IntRange(0, outputs-1).Draw(t, "vote")] = float64(1 / float32(trees))
				return v
			}
			for o := range v {
				v[o] = float64(rapid.Float32Range(-3, 3).Draw(t, "leaf"))
			}
			return v
		}
		m := &TreeEnsemble{Info: classifier(features, outputs), Base: make([]float64, outputs), Missing: missing, Average: rapid.Bool().Draw(t, "average")}
		m.Post.Threshold = rapid.SampledFrom([]float64{0, 0.5}).Draw(t, "decision")
		for o := range m.Base {
			m.Base[o] = rapid.Float64Range(-1, 1).Draw(t, "base")
		}
		if votes {
			clear(m.Base)
			m.Average = false
		}
		var oracle []*branch
		for range trees {
			b := drawBranch(t, rapid.IntRange(0, 6).Draw(t, "depth"), features, outputs, thresholds, leaf)
			tree := Tree{}
			tree.Root = b.flatten(&tree)
			m.Trees = append(m.Trees, tree)
			oracle = append(oracle, b)
		}
		q, err := m.Quantize(Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkTreeForm(t, q)
		p, err := NewPredictor(q)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			row := make([]float64, features)
			for f := range row {
				x := thresholds[rapid.IntRange(0, pool-1).Draw(t, "at")]
				switch rapid.IntRange(0, 5).Draw(t, "near") {
				case 0:
					x = math.Nextafter32(x, 1000)
				case 1:
					x = math.Nextafter32(x, -1000)
				case 2:
					x = rapid.Float32Range(-110, 110).Draw(t, "x")
				case 3:
					if missing {
						x = float32(math.NaN())
					}
				}
				row[f] = float64(x)
				if rapid.Bool().Draw(t, "double") { // a float64 that rounds to x
					row[f] = math.Nextafter(row[f], 1000)
				}
			}
			want := make([]float64, outputs)
			for _, b := range oracle {
				for o, v := range b.route(row) {
					want[o] += v
				}
			}
			size := 0.0
			for o := range want {
				if m.Average {
					want[o] /= float64(trees)
				}
				want[o] += m.Base[o]
				size = math.Max(size, math.Abs(want[o]))
			}
			raw := m.Raw(nil, row)
			float, err := Predict(m, row)
			if err != nil {
				t.Fatal(err)
			}
			quantized, err := p.Predict(row)
			if err != nil {
				t.Fatal(err)
			}
			ints, err := p.Integers(row)
			if err != nil {
				t.Fatal(err)
			}
			got := q.Post.Raw(nil, ints)
			gap := math.Inf(1) // between the two best scores, or the score and the threshold
			for o := range want {
				if math.Abs(raw[o]-want[o]) > 1e-12 {
					t.Fatalf("Raw %v, want %v", raw, want)
				}
				if math.Abs(got[o]-want[o]) > 1e-6 {
					t.Fatalf("quantized %v, want %v (row %v)", got, want, row)
				}
				if outputs == 1 {
					gap = math.Abs(want[o] - m.Post.Threshold)
				}
				for u := range o {
					gap = math.Min(gap, math.Abs(want[o]-want[u]))
				}
			}
			// Scores that are close but not equal may be told apart or not; exact ties (votes) must be the same.
			if float.Class != quantized.Class && (votes || gap > 1e-5) {
				t.Fatalf("float class %d, quantized %d: %v", float.Class, quantized.Class, want)
			}
		}
	})
}

// checkTreeForm asserts that the graph is a sum of nested where nodes over comparisons of codes.
func checkTreeForm(t rapid.TB, q *Quantized) {
	t.Helper()
	for _, c := range q.Pre.Coders {
		if c.Levels > 128 {
			t.Fatalf("%d codes", c.Levels)
		}
	}
	for _, n := range q.Graph.Nodes {
		ok := false
		switch n.Op {
		case compiler.OpInput, compiler.OpConstant:
			ok = true
		case compiler.OpGetItem:
			ok = n.Args[0].Op == compiler.OpInput
		case compiler.OpLookup, compiler.OpLessEqual:
			lo, hi := n.Range()
			ok = n.Args[0].Op == compiler.OpGetItem && lo >= 0 && hi <= 1
		case compiler.OpWhere:
			ok = n.Args[0].Op == compiler.OpLookup || n.Args[0].Op == compiler.OpLessEqual
			for _, a := range n.Args[1:] {
				ok = ok && (a.Op == compiler.OpWhere || a.Op == compiler.OpConstant)
			}
		case compiler.OpAdd:
			ok = (n.Args[0].Op == compiler.OpAdd || n.Args[0].Op == compiler.OpWhere) && n.Args[1].Op == compiler.OpWhere
		}
		if !ok {
			t.Fatalf("node %d: %s does not belong to a tree's graph", n.ID, n.Op)
		}
	}
}

// TestTreeManyThresholds checks a feature with several codes, with and without a missing code, at every threshold.
func TestTreeManyThresholds(t *testing.T) {
	for _, missing := range []bool{false, true} {
		m := &TreeEnsemble{Info: classifier(1, 1), Base: []float64{0}, Missing: missing}
		const n = 300
		for i := range n { // stumps: the score counts the thresholds below x
			m.Trees = append(m.Trees, Tree{
				Nodes:  []TreeNode{{Threshold: float64(float32(i) / 7), MissingTrue: i%3 == 0, True: ^int32(0), False: ^int32(1)}},
				Leaves: [][]float64{{0}, {1}},
			})
		}
		q := quantizeModel(t, m, 0, nil)
		if want := 3; len(q.Pre.Coders) != want || q.Bits != 7 || len(q.Notes) != 1 || !strings.Contains(q.Notes[0], "300 thresholds") {
			t.Fatalf("%d coders of %d bits, notes %q", len(q.Pre.Coders), q.Bits, q.Notes)
		}
		if q.Post.Scale[0] != 1 {
			t.Errorf("votes are in units of %g", q.Post.Scale[0])
		}
		p, err := NewPredictor(q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			at := float32(i) / 7
			for d, x := range []float32{math.Nextafter32(at, -1), at, math.Nextafter32(at, 1000)} {
				want := int64(i)
				if d == 2 {
					want++
				}
				if got, err := p.Integers([]float64{float64(x)}); err != nil || got[0] != want {
					t.Fatalf("x = %v: %d thresholds below (%v), want %d", x, got[0], err, want)
				}
			}
		}
		got, err := p.Integers([]float64{math.NaN()})
		if missing && (err != nil || got[0] != 200) {
			t.Errorf("missing value: %v, %v, want 200", got, err)
		}
		if !missing && (err == nil || !strings.Contains(err.Error(), `"x0"`)) {
			t.Errorf("missing value: error %v", err)
		}
	}
}

// TestTreeTie holds that the votes of a forest that tie on paper give class 0, in both paths: 1/10 in single precision is
// above 1/10, so five of ten votes add up to more than 0.5 in double.
func TestTreeTie(t *testing.T) {
	for _, trees := range []int{2, 6, 10, 14, 100, 300} {
		m := &TreeEnsemble{Info: classifier(1, 1), Base: []float64{0}}
		m.Post.Threshold = 0.5
		m.Post.Pair = quantize.PairComplement
		for i := range trees {
			vote := float64(1 / float32(trees))
			leaves := [][]float64{{0}, {vote}}
			if i%2 == 1 {
				leaves = [][]float64{{vote}, {0}}
			}
			if i == 1 { // a fraction among the votes, and its complement
				leaves = [][]float64{{float64(float32(vote) * (1 / float32(3)))}, {float64(float32(vote) * (2 / float32(3)))}}
			}
			m.Trees = append(m.Trees, Tree{Nodes: []TreeNode{{True: ^int32(0), False: ^int32(1)}}, Leaves: leaves})
		}
		// x <= 0: trees/2-1 votes and 1/3; make it a tie with 2/3 more of a constant tree.
		m.Trees = append(m.Trees, Tree{Root: ^int32(0), Leaves: [][]float64{{float64(float32(1/float32(trees)) * (2 / float32(3)))}}})
		q := quantizeModel(t, m, 0, nil)
		row := []float64{-1}
		float, err := Predict(m, row)
		if err != nil {
			t.Fatal(err)
		}
		quantized, err := q.Predict(row)
		if err != nil {
			t.Fatal(err)
		}
		if float.Class != 0 || quantized.Class != 0 {
			t.Errorf("%d trees: classes %d and %d of a tie, want 0 (scores %v and %v)", trees, float.Class, quantized.Class, float.Scores, quantized.Scores)
		}
	}
}

// TestTreeShapes covers trees that are not ordinary: no split at all, a decision diagram, a chain 10000 deep, a scaler.
func TestTreeShapes(t *testing.T) {
	constant := &TreeEnsemble{Info: classifier(3, 2), Base: []float64{1, 2}, Trees: []Tree{{Root: ^int32(0), Leaves: [][]float64{{0.25, 0.5}}}}}
	q := quantizeModel(t, constant, 0, nil)
	if got, err := q.Predict([]float64{1, 2, 3}); err != nil || got.Scores[0] != 1.25 || got.Scores[1] != 2.5 || len(q.Pre.Coders) != 1 {
		t.Errorf("constant model: %v, %v", got, err)
	}

	// Nodes 0 and 1 share the child 2 (a chain of category tests).
	dag := &TreeEnsemble{Info: classifier(3, 1), Base: []float64{0}, Trees: []Tree{{
		Nodes: []TreeNode{
			{Feature: 0, Threshold: 1, True: 2, False: 1},
			{Feature: 1, Threshold: 1, True: 2, False: ^0},
			{Feature: 2, Threshold: 1, True: ^1, False: ^2},
		}, Leaves: [][]float64{{1}, {2}, {4}}}}}
	q = quantizeModel(t, dag, 0, nil)
	wheres := 0
	for _, n := range q.Graph.Nodes {
		if n.Op == compiler.OpWhere {
			wheres++
		}
	}
	if wheres != 3 {
		t.Errorf("a diagram of 3 nodes became %d where nodes", wheres)
	}
	for i := range 8 {
		x := []float64{float64(i & 1 * 2), float64(i & 2), float64(i & 4)}
		want := 1.0
		if x[0] == 0 || x[1] == 0 {
			want = 2
			if x[2] > 0 {
				want = 4
			}
		}
		if got, err := q.Predict(x); err != nil || got.Scores[0] != want {
			t.Errorf("diagram of %v: %v, %v, want %g", x, got.Scores, err, want)
		}
	}

	const depth = 10000
	chain := &TreeEnsemble{Info: classifier(1, 1), Base: []float64{0}, Trees: []Tree{{}}}
	tree := &chain.Trees[0]
	for i := range depth {
		tree.Nodes = append(tree.Nodes, TreeNode{Threshold: float64(i), True: ^int32(i), False: int32(i + 1)})
		tree.Leaves = append(tree.Leaves, []float64{float64(i)})
	}
	tree.Nodes[depth-1].False = ^int32(0)
	q = quantizeModel(t, chain, 0, nil)
	for _, x := range []float64{-1, 0, 126, 127, 128, 5000.5, 9999} {
		if got, err := q.Predict([]float64{x}); err != nil || math.Abs(got.Scores[0]-math.Max(0, math.Ceil(x))) > 1e-3 {
			t.Errorf("chain at %g: %v, %v", x, got.Scores, err)
		}
	}

	scaled := &TreeEnsemble{Info: classifier(1, 1), Base: []float64{0}, ScalerOffset: []float64{10}, ScalerScale: []float64{-0.5},
		Trees: []Tree{{Nodes: []TreeNode{{Threshold: 1, True: ^int32(0), False: ^int32(1)}}, Leaves: [][]float64{{3}, {5}}}}}
	q = quantizeModel(t, scaled, 0, nil)
	for x, want := range map[float64]float64{8: 3, 7.9: 5, 20: 3} {
		f, _ := Predict(scaled, []float64{x})
		if got, err := q.Predict([]float64{x}); err != nil || got.Scores[0] != want || f.Scores[0] != want {
			t.Errorf("scaled tree at %g: %v and %v, want %g", x, f.Scores, got.Scores, want)
		}
	}
}

// TestLeafWidth checks the widths of scores: votes are counts, other leaves keep 25 bits and more, and fit in 32.
func TestLeafWidth(t *testing.T) {
	for _, trees := range []int{20, 200, 3000} {
		m := &TreeEnsemble{Info: classifier(1, 1), Base: []float64{0}}
		for i := range trees {
			leaf := float64(float32(math.Sin(float64(i + 1))))
			m.Trees = append(m.Trees, Tree{Nodes: []TreeNode{{True: ^int32(0), False: ^int32(1)}}, Leaves: [][]float64{{leaf}, {leaf / 3}}})
		}
		q := quantizeModel(t, m, 0, nil)
		_, hi := q.Graph.Outputs[0].Range()
		if hi < 1<<25 || hi >= 1<<32 {
			t.Errorf("%d trees: scores to %d", trees, hi)
		}
	}
}

func TestTreeValidate(t *testing.T) {
	ok := func() *TreeEnsemble {
		return &TreeEnsemble{Info: classifier(2, 1), Base: []float64{0}, Trees: []Tree{{
			Nodes:  []TreeNode{{Feature: 0, True: 1, False: ^int32(0)}, {Feature: 1, True: ^int32(0), False: ^int32(1)}},
			Leaves: [][]float64{{1}, {2}}}}}
	}
	if err := ok().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, breakIt := range map[string]func(m *TreeEnsemble){
		"own ancestor":      func(m *TreeEnsemble) { m.Trees[0].Nodes[1].False = 0 },
		"child":             func(m *TreeEnsemble) { m.Trees[0].Nodes[1].False = ^int32(7) },
		"feature 5":         func(m *TreeEnsemble) { m.Trees[0].Nodes[1].Feature = 5 },
		"root":              func(m *TreeEnsemble) { m.Trees[0].Root = 2 },
		"NaN":               func(m *TreeEnsemble) { m.Trees[0].Nodes[1].Threshold = math.NaN() },
		"not finite":        func(m *TreeEnsemble) { m.Trees[0].Leaves[1][0] = math.Inf(1) },
		"2 numbers, want":   func(m *TreeEnsemble) { m.Trees[0].Leaves[1] = []float64{1, 2} },
		"0 trees":           func(m *TreeEnsemble) { m.Trees = nil },
		"scaler":            func(m *TreeEnsemble) { m.ScalerScale = []float64{1, 1} },
		"base":              func(m *TreeEnsemble) { m.Base = nil },
		"classes":           func(m *TreeEnsemble) { m.Post.Classes = nil },
		"node 0 is its own": func(m *TreeEnsemble) { m.Trees[0].Nodes[0].True = 0 },
	} {
		m := ok()
		breakIt(m)
		if err := m.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
