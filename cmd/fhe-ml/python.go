package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fhe-ml/fhe-ml/datasets"
	"github.com/fhe-ml/fhe-ml/importers/numpy"
	"github.com/fhe-ml/fhe-ml/models"
)

// maxProgram bounds a Python file and the arrays that it loads, in bytes.
const maxProgram = 64 << 20

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
	opt.Inputs, notes, err = o.describedInputs(func() (string, []parameter, error) {
		name, names, err := numpy.Parameters(path, string(source), o.function)
		params := make([]parameter, len(names))
		for i, n := range names {
			params[i].name = n
		}
		return name, params, err
	})
	if err != nil {
		return nil, nil, nil, err
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
		return numpy.TypedArray(a.Shape, ints, a.Type)
	}
}
