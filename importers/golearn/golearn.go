package golearn

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// Task overrides what is assumed of a model that does not tell its task: a MultiLayerNet.
type Task int

const (
	TaskAuto     Task = iota // several outputs named Class_value, or Options.Classes, mean a classifier
	TaskClassify             // the outputs are scores of classes
	TaskRegress              // the outputs are numbers
)

// Options of an import. The zero value is the default.
type Options struct {
	// Columns names the features of a row in their order. It must hold every attribute that the model reads and may hold more. Where nil, the features are the
	// attributes that the model names, in alphabetical order. CART trees and liblinear's models hold no names: for them Columns are the class-free float
	// attributes of the training grid in its order (base.NonClassFloatAttributes), and where nil x0, x1, ...
	Columns []string
	// Class is the name of a MultiLayerNet's categorical class attribute, which precedes the values in the names of its outputs. Where "" it is what all
	// outputs begin with.
	Class string
	// Classes are the two values of a MultiLayerNet's class attribute, in its order, for a network with one output.
	Classes []string
	Task    Task
}

// Report says what was imported.
type Report struct {
	Model    string   // golearn's type, such as "trees.ID3DecisionTree"; of a file, what its content shows
	Warnings []string // sentences that the user should read
}

func (r *Report) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(r.Warnings, text) {
		r.Warnings = append(r.Warnings, text)
	}
}

// producer is models.Info.Producer of everything imported here.
const producer = "golearn"

// Import reads a trained golearn model, a pointer to one of the types in the package's description. The result is a *models.Linear, *models.TreeEnsemble or
// *models.Network with an own copy of all numbers. An object that is not fitted, or of another type, is an error.
func Import(model any, opt Options) (models.Model, *Report, error) {
	v := reflect.ValueOf(model)
	for v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, nil, fmt.Errorf("golearn: cannot import a %T; give a pointer to a trained golearn model", model)
	}
	v = v.Elem()
	name := typeName(v.Type())
	r := &Report{Model: name}
	read, ok := map[string]func(reflect.Value, Options, *Report) (models.Model, error){
		"trees.ID3DecisionTree":            importTree,
		"trees.RandomTree":                 importTree,
		"trees.DecisionTreeNode":           importTree,
		"trees.CARTDecisionTreeClassifier": importCART,
		"trees.CARTDecisionTreeRegressor":  importCART,
		"ensemble.RandomForest":            importForest,
		"meta.BaggedModel":                 importForest,
		"linear_models.LinearRegression":   importLinearRegression,
		"neural.MultiLayerNet":             importNetwork,
	}[name]
	if !ok {
		return nil, r, fmt.Errorf("golearn: %s is not supported: %s", name, wayOut(name))
	}
	m, err := read(v, opt, r)
	if err == nil {
		err = m.Validate()
	}
	if err != nil {
		return nil, r, fmt.Errorf("golearn: %s: %w", name, err)
	}
	return m, r, nil
}

// typeName is the package's last element and the name of a golearn type; "" is part of no golearn type.
func typeName(t reflect.Type) string {
	_, sub, ok := strings.Cut(t.PkgPath(), "golearn/")
	if !ok {
		return t.String()
	}
	return sub + "." + t.Name()
}

// wayOut advises what to do instead of an unsupported type.
func wayOut(name string) string {
	switch name {
	case "linear_models.LogisticRegression", "linear_models.LinearSVC":
		return "its numbers are in C memory; import it with package importers/golearn/liblinear, in a program built with cgo"
	case "knn.KNNClassifier", "knn.KNNRegressor":
		return "nearest neighbours cannot be evaluated on encrypted data; train a tree, a forest or a linear model"
	case "ensemble.MultiLinearSVC", "meta.OneVsAllModel":
		return "it decides by yes or no of one classifier per class, ties undefined; train a forest or a MultiLayerNet, or import its classifiers one by one"
	}
	return "supported are ID3, random and CART trees, RandomForest, BaggedModel, LinearRegression, LogisticRegression, LinearSVC and MultiLayerNet"
}

// featureNames fixes the features of a model that names the attributes it reads (used, each once). It returns the names and, for each used attribute, its
// position in them.
func featureNames(used []string, opt Options) (names []string, position []int, err error) {
	names = opt.Columns
	if names == nil {
		names = slices.Sorted(slices.Values(used))
	}
	at := make(map[string]int, len(names))
	for i, n := range names {
		if _, ok := at[n]; ok {
			return nil, nil, fmt.Errorf("two columns are named %q; golearn finds attributes by name, so give them different ones", n)
		}
		at[n] = i
	}
	position = make([]int, len(used))
	for i, n := range used {
		p, ok := at[n]
		if !ok {
			return nil, nil, fmt.Errorf("the model reads attribute %q, which is none of the columns %q", n, opt.Columns)
		}
		position[i] = p
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("the model reads no attribute: its answer is always the same, and there is nothing to encrypt")
	}
	return slices.Clone(names), position, nil
}

// unnamed returns the names of n features of a model that holds none, and whether they are the user's.
func unnamed(n int, opt Options, r *Report) (names []string, named bool, err error) {
	if opt.Columns != nil {
		if len(opt.Columns) < n {
			return nil, false, fmt.Errorf("the model reads %d columns, %d are named", n, len(opt.Columns))
		}
		return slices.Clone(opt.Columns), true, nil
	}
	r.warn("the model holds no names of its columns: they are the float attributes of the training data that are no class, in its order")
	names = make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("x%d", i)
	}
	return names, false, nil
}

// classifier returns the postprocessing of one raw score per class, or of one for two classes: the score of the second.
func classifier(labels []string, link quantize.Link, threshold float64) (quantize.Postprocessing, error) {
	p := quantize.Postprocessing{Task: quantize.Classify, Link: link, Outputs: len(labels)}
	if len(labels) < 2 {
		return p, fmt.Errorf("the class attribute has %d values; a classifier needs two", len(labels))
	}
	if len(labels) > maxClasses {
		return p, fmt.Errorf("the class attribute has %d values, more than %d", len(labels), maxClasses)
	}
	if len(labels) == 2 {
		p.Outputs, p.Pair, p.Threshold = 1, quantize.PairComplement, threshold
	}
	for _, l := range labels {
		p.Classes = append(p.Classes, quantize.Label{Text: l})
	}
	return p, nil
}

// maxClasses bounds the labels: a leaf holds a number for each.
const maxClasses = 1 << 10
