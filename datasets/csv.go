package datasets

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ReadCSV reads a comma-separated table with a header row (RFC 4180; LF or CRLF, with or without a byte order mark). name goes into
// the errors, usually a path. A cell is a decimal number, or missing (empty, nan in any case, or NA), or text: see Table for what becomes of that.
// Refused at once: an empty file, a header alone, a header of numbers, empty or repeated column names, rows of another length than the header,
// separators other than the comma, and in a file of one column empty lines, which could be missing values.
func ReadCSV(r io.Reader, name string) (*Table, error) {
	raw, err := readBounded(r, name)
	if err != nil {
		return nil, err
	}
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	switch {
	case bytes.HasPrefix(raw, []byte("\xff\xfe")), bytes.HasPrefix(raw, []byte("\xfe\xff")):
		return nil, fmt.Errorf("datasets: %s: the file is UTF-16; save it as UTF-8", name)
	case bytes.IndexByte(raw, 0) >= 0:
		return nil, fmt.Errorf("datasets: %s: not a CSV: it holds zero bytes", name)
	case len(bytes.TrimSpace(raw)) == 0:
		return nil, fmt.Errorf("datasets: %s: the file is empty", name)
	}
	records := newCSV(raw)
	record, err := records.Read()
	if err != nil {
		return nil, csvError(name, err)
	}
	columns, err := header(record, name)
	if err != nil {
		return nil, err
	}
	t := &Table{name: name, named: true, columns: columns, width: len(columns), raw: raw}
	if err := t.readRecords(records); err != nil {
		return nil, err
	}
	if t.rows == 0 {
		return nil, fmt.Errorf("datasets: %s: there is a header row but no data below it", name)
	}
	return t, nil
}

func newCSV(raw []byte) *csv.Reader {
	r := csv.NewReader(bytes.NewReader(raw))
	r.ReuseRecord = true
	r.FieldsPerRecord = -1 // our own check names the line and both lengths
	r.TrimLeadingSpace = true
	return r
}

// csvError turns an error of encoding/csv, which names line and column but not the file, into ours.
func csvError(name string, err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return fmt.Errorf("datasets: %s: line %d: %w", name, parse.Line, parse.Err)
	}
	return fmt.Errorf("datasets: %s: %w", name, err)
}

// header checks the first record and makes the columns of it.
func header(record []string, name string) ([]column, error) {
	if len(record) == 1 {
		for _, sep := range []struct{ char, word string }{{";", "semicolons"}, {"\t", "tabs"}, {"|", "bars"}} {
			if strings.Contains(record[0], sep.char) {
				return nil, fmt.Errorf("datasets: %s: the columns are separated by %s; save the file with commas (and decimal points)", name, sep.word)
			}
		}
	}
	columns := make([]column, len(record))
	seen := make(map[string]int, len(record))
	numbers, notText := 0, 0
	for i, cell := range record {
		cell = strings.TrimSpace(cell)
		if _, kind := parseCell(cell); kind != text && cell != "" {
			notText++
			if kind == number {
				numbers++
			}
		}
		if other, ok := seen[cell]; ok && cell != "" {
			return nil, fmt.Errorf("datasets: %s: columns %d and %d are both named %s", name, other+1, i+1, shorten(cell))
		}
		seen[cell] = i
		columns[i] = column{name: strings.Clone(cell), index: i}
	}
	if notText == len(record) && numbers > 0 {
		return nil, fmt.Errorf("datasets: %s: the first line is all numbers (%s); it must be a header row with the column names", name, list(record))
	}
	if i, ok := seen[""]; ok {
		return nil, fmt.Errorf("datasets: %s: column %d has no name in the header row (from pandas: to_csv(..., index=False))", name, i+1)
	}
	return columns, nil
}

// readRecords fills the cells of t.
func (t *Table) readRecords(records *csv.Reader) error {
	for end := records.InputOffset(); ; end = records.InputOffset() {
		record, err := records.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return csvError(t.name, err)
		}
		line, _ := records.FieldPos(0)
		// encoding/csv skips empty lines. Between columns they mean nothing; alone they could be missing values, and rows must keep their place.
		if t.width == 1 && (t.raw[end] == '\n' || t.raw[end] == '\r') {
			return fmt.Errorf("datasets: %s: line %d follows an empty line; in a file of one column write nan for a missing value", t.name, line)
		}
		if len(record) != t.width {
			return fmt.Errorf("datasets: %s: line %d has %d cells, the header has %d", t.name, line, len(record), t.width)
		}
		for i, cell := range record {
			cell = strings.TrimSpace(cell)
			value, kind := parseCell(cell)
			if bad := &t.columns[i].bad; kind > missing && *bad == nil {
				line, _ := records.FieldPos(i)
				*bad = fmt.Errorf("datasets: %s: line %d, column %s: %s is %s", t.name, line, shorten(t.columns[i].name), shorten(cell), kind)
			}
			t.cells = append(t.cells, value)
		}
		t.rows++
	}
}

// csvColumn returns column index of a file that ReadCSV has accepted.
func csvColumn(raw []byte, index, rows int) []string {
	records := newCSV(raw)
	labels := make([]string, 0, rows)
	for first := true; ; first = false {
		record, err := records.Read()
		if err != nil {
			return labels // the end: ReadCSV has read to it without an error
		}
		if !first {
			labels = append(labels, strings.Clone(strings.TrimSpace(record[index])))
		}
	}
}

// cellKind is what a cell holds.
type cellKind int

const (
	number cellKind = iota
	missing
	infinite
	text
)

// String completes the sentence "<cell> is ...".
func (k cellKind) String() string {
	return [...]string{"a number", "missing", "not a finite number", "not a number"}[k]
}

// parseCell reads a cell without surrounding spaces. The value of anything but a number is NaN.
func parseCell(cell string) (float64, cellKind) {
	switch strings.ToLower(cell) {
	case "", "nan", "-nan", "+nan", "na":
		return math.NaN(), missing
	case "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity":
		return math.NaN(), infinite
	}
	// ParseFloat would also take hexadecimal numbers and underscores.
	if len(cell) > 400 || !utf8.ValidString(cell) || strings.Trim(cell, "0123456789+-.eE") != "" {
		return math.NaN(), text
	}
	value, err := strconv.ParseFloat(cell, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return math.NaN(), infinite
	case err != nil:
		return math.NaN(), text
	}
	return value, number
}
