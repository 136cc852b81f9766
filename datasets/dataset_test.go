package datasets_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/fhe-ml/fhe-ml/datasets"
)

// expected is what data/export.py printed with numpy about one table.
type expected struct {
	Rows          int       `json:"rows"`
	Columns       []string  `json:"columns"`
	ColumnSums    []float64 `json:"column_sums"`
	TargetSum     float64   `json:"target_sum"`
	ClassCounts   []int     `json:"class_counts"`
	Classes       []string  `json:"classes"`
	First         []float64 `json:"first"`
	Middle        []float64 `json:"middle"`
	Last          []float64 `json:"last"`
	TargetFirst   float64   `json:"target_first"`
	TargetMiddle  float64   `json:"target_middle"`
	TargetLast    float64   `json:"target_last"`
	ShuffledSeed7 []int     `json:"shuffled_seed_7"`
}

func readJSON[T any](t testing.TB, file string) T {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func load(t testing.TB, name string) *datasets.Dataset {
	t.Helper()
	d, err := datasets.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestLoadMatchesNumpy compares shapes, names, three whole rows (to the bit) and all sums with scikit-learn's copies.
func TestLoadMatchesNumpy(t *testing.T) {
	want := readJSON[map[string]expected](t, "testdata/expected.json")
	if len(want) != len(datasets.Names()) {
		t.Fatalf("%d tables, want %d", len(datasets.Names()), len(want))
	}
	for _, name := range datasets.Names() {
		d, w := load(t, name), want[name]
		if d.Name != name || len(d.X) != w.Rows || len(d.Target) != w.Rows || !slices.Equal(d.Columns, w.Columns) || !slices.Equal(d.Classes, w.Classes) {
			t.Fatalf("%s: got %s, %d rows, %d targets, columns %q, classes %q", name, d.Name, len(d.X), len(d.Target), d.Columns, d.Classes)
		}
		mid, last := w.Rows/2, w.Rows-1
		if !slices.Equal(d.X[0], w.First) || !slices.Equal(d.X[mid], w.Middle) || !slices.Equal(d.X[last], w.Last) {
			t.Errorf("%s: rows 0, %d or %d differ from numpy's", name, mid, last)
		}
		if d.Target[0] != w.TargetFirst || d.Target[mid] != w.TargetMiddle || d.Target[last] != w.TargetLast {
			t.Errorf("%s: targets %v %v %v", name, d.Target[0], d.Target[mid], d.Target[last])
		}
		sums, targets, counts := make([]float64, len(d.Columns)), 0.0, make([]int, len(d.Classes))
		scale := make([]float64, len(d.Columns))
		for i, row := range d.X {
			for j, v := range row {
				sums[j] += v
				scale[j] += math.Abs(v)
			}
			targets += d.Target[i]
			if d.Task == datasets.Classify {
				counts[int(d.Target[i])]++
			}
		}
		for j := range sums {
			// Naive summation of n terms is off by at most n 2^-53 times the sum of magnitudes.
			if bound := float64(w.Rows) * 0x1p-53 * scale[j]; math.Abs(sums[j]-w.ColumnSums[j]) > bound {
				t.Errorf("%s: column %q sums to %v, numpy says %v", name, d.Columns[j], sums[j], w.ColumnSums[j])
			}
		}
		if targets != w.TargetSum || !slices.Equal(counts, w.ClassCounts) {
			t.Errorf("%s: targets sum to %v (want %v), classes %v (want %v)", name, targets, w.TargetSum, counts, w.ClassCounts)
		}
		if (d.Task == datasets.Regress) != (d.Classes == nil) || d.Source == "" || d.License == "" || d.TargetName == "" {
			t.Errorf("%s: task %q, classes %q, source %q, licence %q", name, d.Task, d.Classes, d.Source, d.License)
		}
	}
}

func TestLoadUnknown(t *testing.T) {
	_, err := datasets.Load("mnist")
	want := `datasets: no data set "mnist"; there are breast_cancer, diabetes, digits, iris, wine`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestSplit holds the split to the same shuffle written in Python.
func TestSplit(t *testing.T) {
	want := readJSON[map[string]expected](t, "testdata/expected.json")
	for _, name := range datasets.Names() {
		d, order := load(t, name), want[name].ShuffledSeed7
		train, test := d.Split(0.2, 7)
		n := len(d.X)
		if cut := (n + 4) / 5; len(test.X) != cut || len(train.X) != n-cut {
			t.Fatalf("%s: %d + %d rows of %d", name, len(train.X), len(test.X), n)
		}
		for i, r := range order {
			row, target := []float64(nil), 0.0
			if i < len(test.X) {
				row, target = test.X[i], test.Target[i]
			} else {
				row, target = train.X[i-len(test.X)], train.Target[i-len(test.X)]
			}
			if !slices.Equal(row, d.X[r]) || target != d.Target[r] {
				t.Fatalf("%s: place %d is not row %d", name, i, r)
			}
		}
		if _, other := d.Split(0.2, 8); slices.EqualFunc(test.X, other.X, slices.Equal[[]float64]) {
			t.Errorf("%s: seeds 7 and 8 give the same test set", name)
		}
	}
	for _, bad := range []float64{0, 1, -1, 2, math.NaN()} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Split(%v) did not panic", bad)
				}
			}()
			load(t, "iris").Split(bad, 1)
		}()
	}
	if train, test := load(t, "iris").Split(0.999, 1); len(train.X) != 1 || len(test.X) != 149 {
		t.Errorf("Split(0.999) leaves %d training rows", len(train.X))
	}
}

func ExampleLoad() {
	d, err := datasets.Load("breast_cancer")
	if err != nil {
		fmt.Println(err)
		return
	}
	train, test := d.Split(0.2, 1)
	fmt.Println(len(d.X), "rows of", len(d.Columns), "features:", len(train.X), "to train,", len(test.X), "to test")
	// Output: 569 rows of 30 features: 455 to train, 114 to test
}
