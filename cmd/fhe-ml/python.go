package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/fhe-ml/fhe-ml/datasets"
	"github.com/fhe-ml/fhe-ml/importers/numpy"
	"github.com/fhe-ml/fhe-ml/models"
)

// maxProgram bounds a Python file and the arrays that it loads, in bytes.
const maxProgram = 64 << 20

// inputMargin is the part of a range by which --inputset widens it at either end: rows to come exceed what a sample shows.
const inputMargin = 0.1

// openPython reads a function of a Python file as a model. locate gives errors of compiling that their places in the file.
func (a *app) openPython(path string, o *convertOptions) (m models.Model, notes []string, locate func(error) error, err error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, nil, nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > 1<<20 {
		return nil, nil, nil, fmt.Errorf("%s: is no Python file of at most 1 MB", path)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, nil, err
	}
	opt := numpy.Options{Function: o.function, Load: loadFrom(filepath.Dir(path))}
	for _, text := range o.inputs {
		in, err := numpy.ParseInput(text)
		if err != nil {
			return nil, nil, nil, usagef("--input: %s", strings.TrimPrefix(err.Error(), "numpy: "))
		}
		opt.Inputs = append(opt.Inputs, in)
	}
	if o.inputSet != "" {
		if opt.Inputs, notes, err = a.measureInputs(path, string(source), o, opt.Inputs); err != nil {
			return nil, nil, nil, err
		}
	}
	p, err := numpy.ParseFile(path, string(source), opt)
	if err != nil {
		return nil, nil, nil, err
	}
	program, err := models.NewProgram(p.Graph, fmt.Sprintf("function %s of %s", p.Function, filepath.Base(path)))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "models: "))
	}
	return program, notes, p.Locate, nil
}

// measureInputs finds the bounds of the inputs that are not described by --input in the rows of --inputset: one array parameter takes all columns, several
// parameters take a column each.
func (a *app) measureInputs(path, source string, o *convertOptions, known []numpy.Input) ([]numpy.Input, []string, error) {
	name, params, err := numpy.Parameters(path, source, o.function)
	if err != nil {
		return nil, nil, err
	}
	var open []string
	for _, p := range params {
		described := false
		for _, in := range known {
			described = described || in.Name == p
		}
		if !described {
			open = append(open, p)
		}
	}
	if len(open) == 0 {
		return nil, nil, usagef("--inputset: every parameter of %s has its --input; leave one of the two out", name)
	}
	t, err := datasets.Open(o.inputSet)
	if err != nil {
		return nil, nil, err
	}
	rows, err := t.Rows()
	if err != nil {
		return nil, nil, err
	}
	width := t.NumColumns()
	if len(open) > 1 && len(open) != width {
		return nil, nil, fmt.Errorf("%s: has %d columns for the %d parameters of %s without --input (%s); give one column for each, or describe arrays with --input 'x: uint7[30]'",
			o.inputSet, width, len(open), name, strings.Join(open, ", "))
	}
	var notes []string
	for i, p := range open {
		in := numpy.Input{Name: p}
		from, to := i, i+1
		if len(open) == 1 && width > 1 {
			in.Shape = []int{width}
			from, to = 0, width
		}
		lo, hi := math.Inf(1), math.Inf(-1)
		for r, row := range rows {
			for c := from; c < to; c++ {
				v := row[c]
				if math.IsNaN(v) || v != math.Trunc(v) {
					return nil, nil, fmt.Errorf("%s: row %d, column %s: a program takes integers; quantize the column first", o.inputSet, r+1, columnName(t, c))
				}
				lo, hi = min(lo, v), max(hi, v)
			}
		}
		margin := math.Ceil((hi - lo) * inputMargin)
		low, high := lo-margin, hi+margin
		if lo >= 0 && low < 0 {
			low = 0 // counts stay counts
		}
		if high-low > 127 {
			if hi-lo > 127 {
				return nil, nil, fmt.Errorf("%s: the values of %s span %v..%v; an encrypted input has at most 128 values (7 bits): scale it down first", o.inputSet, p, lo, hi)
			}
			low, high = lo, lo+127
		}
		in.Lo, in.Hi = int64(low), int64(high)
		notes = append(notes, fmt.Sprintf("%s was measured as %d..%d, and may be %d..%d", p, int64(lo), int64(hi), in.Lo, in.Hi))
		known = append(known, in)
	}
	return known, notes, nil
}

// columnName names a column in messages.
func columnName(t *datasets.Table, c int) string {
	if names := t.Columns(); names != nil {
		return names[c]
	}
	return fmt.Sprint(c)
}

// loadFrom returns np.load for a program in a folder: it reads .npy files there and below, and nothing else.
func loadFrom(dir string) func(name string) (*numpy.Value, error) {
	return func(name string) (*numpy.Value, error) {
		if !filepath.IsLocal(name) {
			return nil, fmt.Errorf("np.load(%q): the file must be in the program's folder", name)
		}
		root, err := os.OpenRoot(dir) // follows no link out of the folder
		if err != nil {
			return nil, err
		}
		defer root.Close()
		f, err := root.Open(name)
		if err != nil {
			return nil, fmt.Errorf("np.load: %w", err)
		}
		defer f.Close()
		if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() || st.Size() > maxProgram {
			return nil, errors.Join(fmt.Errorf("np.load(%q): is no regular file of at most %d MB", name, maxProgram>>20), err)
		}
		a, err := datasets.ReadNPYArray(f, name)
		if err != nil {
			return nil, err
		}
		if !a.Integer {
			return numpy.FloatArray(a.Shape, a.Values), nil
		}
		ints := make([]int64, len(a.Values))
		for i, v := range a.Values {
			ints[i] = int64(v)
		}
		return numpy.Array(a.Shape, ints), nil
	}
}
