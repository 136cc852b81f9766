package datasets

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxBytes bounds an input of either reader. A table of that size is 2^27 float64.
const maxBytes = 1 << 30

// Table is what a file holds: n >= 1 rows of numbers, and names for the columns if it was a CSV.
//
// A CSV column may hold text. It is no mistake until somebody asks for its numbers, so that class names can stand in a target column: Labels
// gives a column as text, Numeric tells which kind it is, and every method that returns numbers reports the first cell that is none.
// A missing cell is NaN. No method returns an infinity.
type Table struct {
	name    string
	columns []column // nil names for .npy
	named   bool
	rows    int
	width   int       // columns of the file, the stride of cells; Drop leaves it
	cells   []float64 // row-major, rows x width
	raw     []byte    // the CSV text, for Labels; nil for .npy
}

// column is one column of a Table: its name, its place in the file, and why it is not all numbers, if so.
type column struct {
	name  string
	index int
	bad   error
}

// Open reads a .csv or a .npy file, told apart by the extension.
func Open(path string) (*Table, error) {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return nil, fmt.Errorf("datasets: %s: is a folder; give a .csv or a .npy file", path)
	}
	read := ReadCSV
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv":
	case ".npy":
		read = ReadNPY
	default:
		return nil, fmt.Errorf("datasets: %s: unknown kind of table; give a .csv or a .npy file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("datasets: %w", err)
	}
	defer f.Close()
	return read(f, path)
}

// OpenVector reads a .npy file of one value per row (see ReadNPYVector), such as a target.
func OpenVector(path string) ([]float64, error) {
	if strings.ToLower(filepath.Ext(path)) != ".npy" {
		return nil, fmt.Errorf("datasets: %s: unknown kind of vector; give a .npy file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("datasets: %w", err)
	}
	defer f.Close()
	return ReadNPYVector(f, path)
}

// Name is the name that the table was read under, usually a path.
func (t *Table) Name() string { return t.name }

// NumRows is the number of rows, at least 1.
func (t *Table) NumRows() int { return t.rows }

// NumColumns is the number of columns.
func (t *Table) NumColumns() int { return len(t.columns) }

// Columns lists the column names in file order; nil for a .npy file, which has none.
func (t *Table) Columns() []string {
	if !t.named {
		return nil
	}
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}

// Rows returns a copy of all columns in file order, NumRows x NumColumns.
func (t *Table) Rows() ([][]float64, error) { return t.gather(t.columns) }

// Select returns a copy of the named columns in the order of names, NumRows x len(names).
func (t *Table) Select(names []string) ([][]float64, error) {
	picked := make([]column, len(names))
	var missing []string
	for i, name := range names {
		c, err := t.find(name)
		if err != nil && !t.named {
			return nil, err
		}
		if err != nil {
			missing = append(missing, name)
			continue
		}
		picked[i] = c
	}
	if len(missing) > 0 {
		return nil, t.missing(missing)
	}
	return t.gather(picked)
}

// Column returns a copy of the numbers of one column.
func (t *Table) Column(name string) ([]float64, error) {
	c, err := t.find(name)
	if err != nil {
		return nil, err
	}
	if c.bad != nil {
		return nil, c.bad
	}
	values := make([]float64, t.rows)
	for i := range values {
		values[i] = t.cells[i*t.width+c.index]
	}
	return values, nil
}

// Labels returns the cells of one column as they are written in the CSV, without surrounding spaces; a missing cell is "".
func (t *Table) Labels(name string) ([]string, error) {
	c, err := t.find(name)
	if err != nil {
		return nil, err
	}
	return csvColumn(t.raw, c.index, t.rows), nil
}

// Numeric reports whether every cell of the column is a finite number or missing. It is false for a column that is not there.
func (t *Table) Numeric(name string) bool {
	c, err := t.find(name)
	return err == nil && c.bad == nil
}

// Drop returns the table without one column, such as the target. The two share memory.
func (t *Table) Drop(name string) (*Table, error) {
	c, err := t.find(name)
	if err != nil {
		return nil, err
	}
	rest := *t
	rest.columns = slices.DeleteFunc(slices.Clone(t.columns), func(other column) bool { return other.index == c.index })
	return &rest, nil
}

func (t *Table) find(name string) (column, error) {
	if !t.named {
		return column{}, fmt.Errorf("datasets: %s: a .npy file has no column names, so there is no column %s; use a .csv file with a header row", t.name, shorten(name))
	}
	for _, c := range t.columns {
		if c.name == name {
			return c, nil
		}
	}
	return column{}, t.missing([]string{name})
}

func (t *Table) missing(names []string) error {
	word := "column"
	if len(names) > 1 {
		word = "columns"
	}
	return fmt.Errorf("datasets: %s: no %s %s; the file has %s", t.name, word, list(names), list(t.Columns()))
}

func (t *Table) gather(columns []column) ([][]float64, error) {
	for _, c := range columns {
		if c.bad != nil {
			return nil, c.bad
		}
	}
	k := len(columns)
	flat := make([]float64, t.rows*k)
	rows := make([][]float64, t.rows)
	for i := range rows {
		rows[i] = flat[i*k : (i+1)*k : (i+1)*k]
		for j, c := range columns {
			rows[i][j] = t.cells[i*t.width+c.index]
		}
	}
	return rows, nil
}

// readBounded reads all of r, up to maxBytes.
func readBounded(r io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err // the path is in our own prefix
	}
	if err != nil {
		return nil, fmt.Errorf("datasets: %s: %w", name, err)
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("datasets: %s: larger than %d MB; split the file", name, maxBytes>>20)
	}
	if len(data) == 0 {
		return nil, fmt.Errorf("datasets: %s: the file is empty", name)
	}
	return data, nil
}

// list quotes up to twelve names and counts the rest.
func list(names []string) string {
	const most = 12
	var quoted []string
	for _, name := range names[:min(len(names), most)] {
		quoted = append(quoted, shorten(name))
	}
	s := strings.Join(quoted, ", ")
	if len(names) > most {
		s += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return s
}

// shorten quotes a piece of a file for an error, cut after 24 runes.
func shorten(s string) string {
	runes := []rune(s[:min(len(s), 200)])
	if len(runes) > 24 {
		return fmt.Sprintf("%q...", string(runes[:24]))
	}
	return fmt.Sprintf("%q", s)
}
