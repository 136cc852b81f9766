//go:build ignore

// Run makes the report over a table of models: make report. It converts ONNX files of this repository, finds the true answers of their held-out rows in the
// embedded data sets, and lets fhe-ml bench write one page about all of them.
//
//	go run cmd/fhe-ml/testdata/report/run.go [-fheml bin/fhe-ml] [-dir bin/report] [-rows N]
package main

import (
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/fhe-ml/fhe-ml/datasets"
)

// From the module's root.
const (
	fixtures = "importers/onnx/testdata"
	demo     = "cmd/fhe-ml/demo"
)

// model is a row of the table. The rows of a fixture have no answers: those come from the data set.
type model struct{ title, onnx, calibration, input, set string }

// fixture is a model of the importer's tests.
func fixture(title, name, set string, calibrated bool) model {
	base := filepath.Join(fixtures, name)
	m := model{title: title, onnx: base + ".onnx", input: base + ".csv", set: set}
	if calibrated {
		m.calibration = base + ".calib.csv"
	}
	return m
}

var table = []model{
	{title: "logistic-regression", onnx: demo + "/logreg.onnx", calibration: demo + "/calibration.csv", input: demo + "/heldout.csv"},
	fixture("linear-regression", "linreg_diabetes", "diabetes", true),
	fixture("decision-tree", "tree_breast_cancer", "breast_cancer", false),
	fixture("random-forest", "forest_digits", "digits", false),
	{title: "boosted-trees", onnx: demo + "/gboost.onnx", input: demo + "/heldout.csv"},
	fixture("xgboost", "xgb_breast_cancer", "breast_cancer", false),
	fixture("xgboost-regressor", "xgb_regressor_diabetes", "diabetes", false),
	{title: "network", onnx: demo + "/mlp.onnx", calibration: demo + "/calibration.csv", input: demo + "/heldout.csv"},
	fixture("network-with-bootstraps", "mlp2_iris", "iris", true),
}

func main() {
	program := flag.String("fheml", "bin/fhe-ml", "the program")
	dir := flag.String("dir", "bin/report", "where files go")
	rows := flag.Int("rows", 0, "rows of each model (all)")
	flag.Parse()
	if err := run(*program, *dir, *rows); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(program, dir string, rows int) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	bench := []string{"bench"}
	var inputs []string
	for _, m := range table {
		input := m.input
		if m.set != "" {
			input = filepath.Join(dir, m.title+".csv")
			if err := label(input, m.input, m.set); err != nil {
				return fmt.Errorf("%s: %w", m.title, err)
			}
		}
		convert := []string{"convert", m.onnx, "--quiet", "-o", filepath.Join(dir, m.title)}
		if m.calibration != "" {
			convert = append(convert, "--calibration", m.calibration)
		}
		if err := execute(program, convert); err != nil {
			return fmt.Errorf("%s: %w", m.title, err)
		}
		bench = append(bench, filepath.Join(dir, m.title+".fheml"))
		inputs = append(inputs, "--input", input)
	}
	bench = append(append(bench, inputs...), "--target", "target", "--output", filepath.Join(dir, "report.html"))
	if rows > 0 {
		bench = append(bench, "--rows", strconv.Itoa(rows))
	}
	return execute(program, bench)
}

func execute(program string, args []string) error {
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// label writes the rows of a fixture with their true answers: the row of the data set whose features are the same in single
// precision.
func label(path, fixture, set string) error {
	d, err := datasets.Load(set)
	if err != nil {
		return err
	}
	t, err := datasets.Open(fixture)
	if err != nil {
		return err
	}
	x, err := t.Rows()
	if err != nil {
		return err
	}
	records := [][]string{append(slices.Clone(t.Columns()), "target")}
	for i, row := range x {
		found := -1
		for j, have := range d.X {
			if same(row, have) {
				if found >= 0 && d.Target[j] != d.Target[found] {
					return fmt.Errorf("%s: row %d occurs twice in %s, with different answers", fixture, i+1, set)
				}
				found = j
			}
		}
		if found < 0 {
			return fmt.Errorf("%s: row %d is not in the data set %s", fixture, i+1, set)
		}
		var record []string
		for _, v := range row {
			record = append(record, strconv.FormatFloat(v, 'g', -1, 64))
		}
		records = append(records, append(record, strconv.FormatFloat(d.Target[found], 'g', -1, 64)))
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	w.WriteAll(records) // flushes
	if err := w.Error(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// same compares features in single precision.
func same(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return float32(x) == float32(y) })
}
