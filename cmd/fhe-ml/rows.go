package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fhe-ml/fhe-ml/datasets"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// defaultTarget is the column that is taken for the target where --target does not say.
const defaultTarget = "target"

// rows are the features of a table in the model's order.
type rows struct {
	path    string
	x       [][]float64
	columns []string // names for messages: the file's where it has some, else the model's
	table   *datasets.Table
	info    *models.Info
	target  string // name of the target column, "" if there is none
	byOrder string // why the names in the file's header were not used, "" if they were or there are none

	labels []string  // the target of a classifier as text, "" where it is missing; set by readTarget
	y      []float64 // the target of a regressor, NaN where it is missing
}

// openRows reads a table and picks the model's features. Columns are matched by name where the model's file names them and the table has such names; else by order, without
// the target. most bounds the rows; 0 takes all.
func openRows(path string, info *models.Info, target string, most int) (*rows, error) {
	table, err := datasets.Open(path)
	if err != nil {
		return nil, err
	}
	return pick(table, info, target, most)
}

func pick(table *datasets.Table, info *models.Info, target string, most int) (*rows, error) {
	names := info.Columns()
	r := &rows{path: table.Name(), table: table, info: info, columns: names}
	header := table.Columns()
	if target == "" && slices.Contains(header, defaultTarget) && !(info.Named && slices.Contains(names, defaultTarget)) {
		target = defaultTarget
	}
	features := table
	if target != "" {
		if info.Named && slices.Contains(names, target) {
			return nil, fmt.Errorf("%s: column %q is a feature of the model and cannot be its target; give another --target", r.path, target)
		}
		var err error
		if features, err = table.Drop(target); err != nil {
			return nil, err
		}
		r.target = target
	}
	known := func(name string) bool { return slices.Contains(header, name) }
	var err error
	if info.Named && slices.ContainsFunc(names, known) {
		r.x, err = r.numbers(features, names)
	} else {
		if err := r.checkWidth(features.NumColumns(), len(names)); err != nil {
			return nil, err
		}
		if header != nil {
			r.columns = features.Columns()
			switch {
			case slices.Equal(r.columns, names):
			case info.Named:
				r.byOrder = "no column has a name that the model knows"
			default:
				r.byOrder = "the model has no column names"
			}
		}
		r.x, err = r.numbers(features, features.Columns())
	}
	if err != nil {
		return nil, err
	}
	if most > 0 && most < len(r.x) {
		r.x = r.x[:most]
	}
	return r, nil
}

// numbers returns the rows of the named columns (nil: all) of a table. A text that the model's preprocessing looks up becomes its number.
func (r *rows) numbers(table *datasets.Table, names []string) ([][]float64, error) {
	p := r.info.Pipeline
	switch {
	case p != nil && p.HasText() && names == nil:
		return nil, fmt.Errorf("%s: has no texts, which the model reads in some columns; give a .csv file with a header row", r.path)
	case p == nil || !p.HasText():
		if names == nil {
			return table.Rows()
		}
		return table.Select(names)
	}
	x := make([][]float64, table.NumRows())
	for i := range x {
		x[i] = make([]float64, len(names))
	}
	for j, name := range names {
		if !p.Inputs[j].Text {
			column, err := table.Column(name)
			if err != nil {
				return nil, err
			}
			for i, v := range column {
				x[i][j] = v
			}
			continue
		}
		texts, err := table.Labels(name)
		if err != nil {
			return nil, err
		}
		for i, text := range texts {
			x[i][j], _ = p.Word(j, text)
		}
	}
	return x, nil
}

// checkWidth compares the number of columns with the model's, where names do not decide.
func (r *rows) checkWidth(have, want int) error {
	switch {
	case have == want:
		return nil
	case have == want+1 && r.target == "" && r.table.Columns() == nil:
		return fmt.Errorf("%s: has one column more than the model's %s; remove the target column, or use a .csv file and --target", r.path, plural(want, "feature"))
	case have == want+1 && r.target == "":
		return fmt.Errorf("%s: has one column more than the model's %s; name the column that is no feature with --target", r.path, plural(want, "feature"))
	case r.target != "":
		return fmt.Errorf("%s: has %s beside %q, the model has %s; give a file with the model's columns", r.path, plural(have, "column"), r.target, plural(want, "feature"))
	}
	return fmt.Errorf("%s: has %s, the model has %s; give a file with the model's columns", r.path, plural(have, "column"), plural(want, "feature"))
}

// named gives an error of a column the name that the column has in the file.
func (r *rows) named(err error) error {
	var column *quantize.ColumnError
	if errors.As(err, &column) && column.Feature >= 0 && column.Feature < len(r.columns) {
		column.Column = r.columns[column.Feature]
	}
	return err
}

// checkMissing reports the first missing value where the model routes none.
func (r *rows) checkMissing(m models.Model) error {
	if m.Meta().Pipeline != nil { // it may fill values; what it leaves is refused row by row
		return nil
	}
	for i, row := range r.x {
		for j, v := range row {
			if math.IsNaN(v) && !models.AllowsMissing(m, j) {
				return fmt.Errorf("%s: row %d, column %q: the value is missing, which this %s model does not handle; fill it in first", r.path, i+1, r.columns[j], models.Kind(m))
			}
		}
	}
	return nil
}

// score is how well predictions meet a target column.
type score struct {
	Metric string    `json:"metric"`         // accuracy (share of labels) or r2 (coefficient of determination)
	Value  jsonFloat `json:"value"`          // NaN, in JSON null, where there is none
	Rows   int       `json:"rows"`           // with a target
	Note   string    `json:"note,omitempty"` // why there is no value
}

func (s *score) String() string {
	if s.Note != "" {
		return s.Note
	}
	if s.Metric == "accuracy" {
		return fmt.Sprintf("accuracy %.2f%% on %s", 100*float64(s.Value), plural(s.Rows, "row"))
	}
	return fmt.Sprintf("R2 %.4f on %s", float64(s.Value), plural(s.Rows, "row"))
}

// readTarget reads the target column, if there is one that predictions can be compared with: labels for a classifier, numbers for a regressor of one output.
func (r *rows) readTarget(post *quantize.Postprocessing) (err error) {
	switch {
	case r.target == "":
	case post.Task == quantize.Classify:
		if r.labels, err = r.table.Labels(r.target); err != nil {
			return err
		}
		if zeroOne(post.Classes) {
			for i, cell := range r.labels {
				r.labels[i] = truth(cell)
			}
		}
	case post.Outputs == 1:
		r.y, err = r.table.Column(r.target)
	}
	return err
}

// zeroOne reports whether the classes are 0 and 1.
func zeroOne(classes []quantize.Label) bool {
	return len(classes) == 2 && classes[0].String() == "0" && classes[1].String() == "1"
}

// truth writes True and False, as Python and spreadsheets do, as 1 and 0.
func truth(cell string) string {
	switch {
	case strings.EqualFold(cell, "true"):
		return "1"
	case strings.EqualFold(cell, "false"):
		return "0"
	}
	return cell
}

// score compares predictions, one a row, with the target that readTarget read; nil where there is none to compare with.
func (r *rows) score(post *quantize.Postprocessing, predictions []quantize.Prediction) *score {
	var s *score
	switch {
	case r.labels != nil:
		s = accuracy(r.target, r.labels, post.Classes, predictions)
	case r.y != nil:
		s = rSquared(r.target, r.y, predictions)
	default:
		return nil
	}
	if s.Rows == 0 {
		s.Note = fmt.Sprintf("column %q holds no value in %s; no score", r.target, plural(len(predictions), "row"))
	}
	if s.Note != "" {
		s.Value = jsonFloat(math.NaN())
	}
	return s
}

// accuracy is the share of the rows with a label whose prediction it is.
func accuracy(target string, labels []string, classes []quantize.Label, predictions []quantize.Prediction) *score {
	s := &score{Metric: "accuracy"}
	right, known := 0, false
	for i, p := range predictions {
		if labels[i] == "" {
			continue
		}
		s.Rows++
		known = known || slices.ContainsFunc(classes, func(c quantize.Label) bool { return sameLabel(labels[i], c) })
		if sameLabel(labels[i], p.Label) {
			right++
		}
	}
	if !known {
		var names []string
		for _, c := range classes {
			names = append(names, c.String())
		}
		s.Note = fmt.Sprintf("no value of column %q is a class of the model (%s); no score", target, some(names, 12))
	}
	s.Value = jsonFloat(float64(right) / float64(s.Rows))
	return s
}

// rSquared is 1 - sum (y-p)^2 / sum (y-mean)^2 over the rows with a target. A constant y has none.
func rSquared(target string, y []float64, predictions []quantize.Prediction) *score {
	var sum, residual, total float64
	s := &score{Metric: "r2"}
	for i := range predictions {
		if !math.IsNaN(y[i]) {
			sum += y[i]
			s.Rows++
		}
	}
	mean := sum / float64(s.Rows)
	for i, p := range predictions {
		if !math.IsNaN(y[i]) {
			residual += (y[i] - p.Scores[0]) * (y[i] - p.Scores[0])
			total += (y[i] - mean) * (y[i] - mean)
		}
	}
	if total == 0 {
		s.Note = fmt.Sprintf("column %q is the same in every row; no R2", target)
	}
	s.Value = jsonFloat(1 - residual/total)
	return s
}

// sameLabel compares a cell with a label; numbers by value, so that 1.0 is 1.
func sameLabel(cell string, label quantize.Label) bool {
	if cell == label.String() {
		return true
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(cell), 64)
	w, err2 := strconv.ParseFloat(label.String(), 64)
	return err == nil && err2 == nil && v == w
}
