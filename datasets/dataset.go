// Package datasets holds five small real tables and readers for a user's own.
//
// [Load] gives iris, wine, breast_cancer, digits or diabetes, embedded in the binary with the values that scikit-learn ships.
// [Open] reads a .csv (header row) or .npy (2-D) file to a [Table], whose columns are picked by name.
//
// The readers trust nothing: any input gives a table or an error that names the file, the line and the column; memory stays
// proportional to the size of the input, whatever its header claims.
package datasets

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"math"
	"math/bits"
	"strings"
)

// The two kinds of Dataset.Task; the same words as the command line's --task.
const (
	Classify = "classify"
	Regress  = "regress"
)

// Dataset is a table of features with a target for each row.
type Dataset struct {
	Name       string
	Columns    []string    // feature names, len(Columns) = d
	X          [][]float64 // n rows of d features, finite
	Target     []float64   // n values: a class number 0..len(Classes)-1 (Classify), or the response (Regress)
	TargetName string      // what Target means, e.g. "species"
	Classes    []string    // class names in the order of their numbers; nil for Regress
	Task       string      // Classify or Regress
	Source     string      // authors and place of publication
	License    string      // licence of the data, e.g. "CC BY 4.0"
}

//go:embed data/*.csv.gz
var files embed.FS

// catalog says what the files do not: one entry without X, Target and Columns per file of data/, sorted by name.
func catalog() []Dataset {
	const uci, ccby = "UCI Machine Learning Repository, ", "CC BY 4.0"
	return []Dataset{
		{Name: "breast_cancer", Task: Classify, TargetName: "diagnosis", Classes: []string{"malignant", "benign"}, License: ccby,
			Source: uci + "Breast Cancer Wisconsin (Diagnostic), doi:10.24432/C5DW2B (Wolberg, Mangasarian, Street, Street 1993)"},
		{Name: "diabetes", Task: Regress, TargetName: "progression", License: "published with the paper; as distributed by scikit-learn",
			Source: "Efron, Hastie, Johnstone, Tibshirani: Least Angle Regression, Annals of Statistics 32(2), 2004"},
		{Name: "digits", Task: Classify, TargetName: "digit", Classes: strings.Split("0123456789", ""), License: ccby,
			Source: uci + "Optical Recognition of Handwritten Digits, doi:10.24432/C50P49 (Alpaydin, Kaynak 1998)"},
		{Name: "iris", Task: Classify, TargetName: "species", Classes: []string{"setosa", "versicolor", "virginica"}, License: ccby,
			Source: uci + "Iris, doi:10.24432/C56C76 (Fisher 1936)"},
		{Name: "wine", Task: Classify, TargetName: "cultivar", Classes: []string{"class_0", "class_1", "class_2"}, License: ccby,
			Source: uci + "Wine, doi:10.24432/C5PC7J (Aeberhard, Forina 1992)"},
	}
}

// Names lists the embedded data sets in alphabetical order.
func Names() []string {
	var names []string
	for _, d := range catalog() {
		names = append(names, d.Name)
	}
	return names
}

// Load returns a fresh copy of an embedded data set. Names says which there are; any other name is an error.
func Load(name string) (*Dataset, error) {
	for _, d := range catalog() {
		if d.Name == name {
			if err := d.fill(); err != nil {
				return nil, err
			}
			return &d, nil
		}
	}
	return nil, fmt.Errorf("datasets: no data set %q; there are %s", name, strings.Join(Names(), ", "))
}

// fill reads the embedded file: features, then the column "target".
func (d *Dataset) fill() error {
	zipped, err := files.ReadFile("data/" + d.Name + ".csv.gz")
	if err != nil {
		return fmt.Errorf("datasets: %w", err)
	}
	z, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return fmt.Errorf("datasets: %s: %w", d.Name, err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		return fmt.Errorf("datasets: %s: %w", d.Name, err)
	}
	t, err := ReadCSV(bytes.NewReader(plain), d.Name)
	if err != nil {
		return err
	}
	if d.Target, err = t.Column("target"); err != nil {
		return err
	}
	if t, err = t.Drop("target"); err != nil {
		return err
	}
	d.Columns = t.Columns()
	d.X, err = t.Rows()
	return err
}

// Split parts the rows into a training and a test set: a shuffle by seed, then the first ceil(n * testFraction) rows of it are the test set,
// at least one row and at most n-1. The same arguments give the same split on every machine and in every version.
// The parts share their rows of X with d. A fraction outside (0, 1), or fewer than two rows, is a caller's bug and panics.
//
// The shuffle is Fisher and Yates': for i = n-1 down to 1, swap entry i with entry floor(r * (i+1) / 2^64), r the next output of SplitMix64.
func (d *Dataset) Split(testFraction float64, seed uint64) (train, test *Dataset) {
	n := len(d.X)
	if !(testFraction > 0 && testFraction < 1) || n < 2 {
		panic(fmt.Sprintf("datasets: Split needs a fraction between 0 and 1 and two rows; got %v and %d", testFraction, n))
	}
	cut := min(max(int(math.Ceil(float64(n)*testFraction)), 1), n-1)
	order := shuffled(n, seed)
	return d.take(order[cut:]), d.take(order[:cut])
}

// take returns the data set of the given rows, in that order.
func (d *Dataset) take(rows []int) *Dataset {
	part := *d
	part.X = make([][]float64, len(rows))
	part.Target = make([]float64, len(rows))
	for i, r := range rows {
		part.X[i], part.Target[i] = d.X[r], d.Target[r]
	}
	return &part
}

// shuffled returns the numbers 0..n-1 in the order that Split documents. The product's high word is biased by less than n/2^64.
func shuffled(n int, seed uint64) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	rng := splitMix64(seed)
	for i := n - 1; i > 0; i-- {
		hi, _ := bits.Mul64(rng.next(), uint64(i)+1)
		order[i], order[hi] = order[hi], order[i]
	}
	return order
}

// splitMix64 is the generator of Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014). It shuffles rows;
// it is no source of secrets.
type splitMix64 uint64

func (s *splitMix64) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
