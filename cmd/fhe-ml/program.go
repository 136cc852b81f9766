package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fhe-ml/fhe-ml/datasets"
	"github.com/fhe-ml/fhe-ml/importers"
	"github.com/fhe-ml/fhe-ml/importers/numpy"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// inputMargin is the part of a range by which --inputset widens it at either end: rows to come exceed what a sample shows.
const inputMargin = 0.1

// programOptions are the flags that describe the inputs of a program: a Python function, or an ONNX graph.
type programOptions struct {
	inputs   []string
	inputSet string
}

// add adds the flags to a command.
func (o *programOptions) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&o.inputs, "input", nil, "`TYPE` of an input of a Python function or an ONNX graph, like 'x: uint7[30]' or 'y: -8..7'; once for each")
	addFile(cmd, &o.inputSet, "inputset", "`DATA` of integers that shows the bounds of these inputs", "csv", "npy")
}

// given reports whether inputs are described at all.
func (o *programOptions) given() bool { return len(o.inputs) > 0 || o.inputSet != "" }

// parameter is an input of a program: its name, and its shape where that is known (nil: it is not).
type parameter struct {
	name  string
	shape []int
}

// describedInputs reads --input, and measures the parameters that it leaves open in the rows of --inputset. parameters returns the name of the program and
// the inputs that must be described.
func (o *programOptions) describedInputs(parameters func() (string, []parameter, error)) (inputs []numpy.Input, notes []string, err error) {
	for _, text := range o.inputs {
		in, err := numpy.ParseInput(text)
		if err != nil {
			return nil, nil, usagef("--input: %s", strings.TrimPrefix(err.Error(), "numpy: "))
		}
		inputs = append(inputs, in)
	}
	if o.inputSet == "" {
		return inputs, nil, nil
	}
	name, params, err := parameters()
	if err != nil {
		return nil, nil, err
	}
	open := slices.DeleteFunc(params, func(p parameter) bool {
		return slices.ContainsFunc(inputs, func(in numpy.Input) bool { return in.Name == p.name })
	})
	if len(open) == 0 {
		return nil, nil, usagef("--inputset: every parameter of %s has its --input; leave one of the two out", name)
	}
	measured, notes, err := measureInputs(o.inputSet, name, open)
	return append(inputs, measured...), notes, err
}

// measureInputs finds the bounds of inputs in rows of data: one input takes all columns, several take theirs in order, one each where shapes are not known.
func measureInputs(data, name string, open []parameter) (inputs []numpy.Input, notes []string, err error) {
	t, err := datasets.Open(data)
	if err != nil {
		return nil, nil, err
	}
	rows, err := t.Rows()
	if err != nil {
		return nil, nil, err
	}
	width := t.NumColumns()
	sizes, total := make([]int, len(open)), 0
	var names []string
	for i, p := range open {
		sizes[i] = 1
		for _, d := range p.shape {
			sizes[i] *= d
		}
		if p.shape == nil && len(open) == 1 {
			if sizes[i] = width; width > 1 {
				open[i].shape = []int{width}
			}
		}
		total += sizes[i]
		names = append(names, p.name)
	}
	switch {
	case total == width:
	case total == len(open):
		return nil, nil, fmt.Errorf("%s: has %d columns for the %d parameters of %s without --input (%s); give one column for each, or describe arrays with --input 'x: uint7[30]'",
			data, width, len(open), name, strings.Join(names, ", "))
	default:
		return nil, nil, fmt.Errorf("%s: has %d columns for the %d elements of the inputs of %s without --input (%s); give one column for each element, in their order",
			data, width, total, name, strings.Join(names, ", "))
	}
	from := 0
	for i, p := range open {
		in := numpy.Input{Name: p.name, Shape: p.shape}
		to := from + sizes[i]
		lo, hi := math.Inf(1), math.Inf(-1)
		for r, row := range rows {
			for c := from; c < to; c++ {
				v := row[c]
				if math.IsNaN(v) || v != math.Trunc(v) {
					return nil, nil, fmt.Errorf("%s: row %d, column %s: a program takes integers; quantize the column first", data, r+1, columnName(t, c))
				}
				lo, hi = min(lo, v), max(hi, v)
			}
		}
		from = to
		margin := math.Ceil((hi - lo) * inputMargin)
		low, high := lo-margin, hi+margin
		if lo >= 0 && low < 0 {
			low = 0 // counts stay counts
		}
		if most := float64(quantize.MaxIntegers - 1); high-low > most {
			if hi-lo > most {
				return nil, nil, fmt.Errorf("%s: the values of %s span %v..%v; an encrypted input has at most %d values (16 bits): scale it down first", data, p.name, lo, hi, quantize.MaxIntegers)
			}
			low, high = lo, lo+most
		}
		in.Lo, in.Hi = int64(low), int64(high)
		notes = append(notes, fmt.Sprintf("%s was measured as %d..%d, and may be %d..%d", p.name, int64(lo), int64(hi), in.Lo, in.Hi))
		inputs = append(inputs, in)
	}
	return inputs, notes, nil
}

// openGraph reads an ONNX file as a program over integers.
func (o *programOptions) openGraph(path string) (models.Model, *importers.Report, error) {
	inputs, notes, err := o.describedInputs(func() (string, []parameter, error) {
		types, err := importers.ProgramParameters(path)
		var params []parameter
		for _, p := range types {
			if !p.Bool {
				params = append(params, parameter{p.Name, p.Shape})
			}
		}
		return path, params, err
	})
	if err != nil {
		return nil, nil, err
	}
	m, r, err := importers.OpenProgram(path, inputs)
	if err != nil {
		return nil, r, err
	}
	r.Warnings = append(r.Warnings, notes...)
	return m, r, nil
}

// asProgram returns the flags with which a file that is no known model can be compiled as a program over integers; "" when it cannot.
func asProgram(path string) string {
	var flags []string
	for _, s := range importers.Suggest(path) {
		flags = append(flags, "--input "+quote(s))
	}
	return strings.Join(flags, " ")
}
