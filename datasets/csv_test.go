package datasets_test

import (
	"encoding/csv"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fhe-ml/fhe-ml/datasets"
	"pgregory.net/rapid"
)

func readCSV(t testing.TB, text string) *datasets.Table {
	t.Helper()
	table, err := datasets.ReadCSV(strings.NewReader(text), "t.csv")
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// sameRows compares to the bit, any NaN equal to any other.
func sameRows(a, b [][]float64) bool {
	return slices.EqualFunc(a, b, func(x, y []float64) bool {
		return slices.EqualFunc(x, y, func(v, w float64) bool {
			return math.Float64bits(v) == math.Float64bits(w) || math.IsNaN(v) && math.IsNaN(w)
		})
	})
}

func TestReadCSV(t *testing.T) {
	nan := math.NaN()
	tests := map[string]struct {
		text    string
		columns []string
		rows    [][]float64
	}{
		"plain":          {"a,b\n1,2\n3,4\n", []string{"a", "b"}, [][]float64{{1, 2}, {3, 4}}},
		"no last LF":     {"a,b\n1,2", []string{"a", "b"}, [][]float64{{1, 2}}},
		"CRLF and BOM":   {"\ufeffa,b\r\n1,2\r\n", []string{"a", "b"}, [][]float64{{1, 2}}},
		"missing":        {"a,b,c\n,nan,NaN\nNA, ,\"\"\n", []string{"a", "b", "c"}, [][]float64{{nan, nan, nan}, {nan, nan, nan}}},
		"spaces":         {" a , b\n 1 ,\t2\n", []string{"a", "b"}, [][]float64{{1, 2}}},
		"quotes":         {"\"a,1\",\"b\"\"c\"\n\"1\",\"2\"\n", []string{"a,1", `b"c`}, [][]float64{{1, 2}}},
		"formats":        {"a,b,c,d\n1e-3,-.5,+2.,1E+2\n", []string{"a", "b", "c", "d"}, [][]float64{{0.001, -0.5, 2, 100}}},
		"empty lines":    {"\na,b\n\n1,2\n\n", []string{"a", "b"}, [][]float64{{1, 2}}},
		"one column":     {"a\n1\nnan\n\n", []string{"a"}, [][]float64{{1}, {nan}}},
		"one number":     {"a,1\n5,6\n", []string{"a", "1"}, [][]float64{{5, 6}}},
		"semicolon name": {"a;b,c\n5,6\n", []string{"a;b", "c"}, [][]float64{{5, 6}}},
	}
	for name, test := range tests {
		table := readCSV(t, test.text)
		rows, err := table.Rows()
		if err != nil || !slices.Equal(table.Columns(), test.columns) || !sameRows(rows, test.rows) {
			t.Errorf("%s: got %q %v %v", name, table.Columns(), rows, err)
		}
		if table.NumRows() != len(test.rows) || table.NumColumns() != len(test.columns) || table.Name() != "t.csv" {
			t.Errorf("%s: %s is %d x %d", name, table.Name(), table.NumRows(), table.NumColumns())
		}
	}
}

// TestReadCSVRefuses lists what is refused at once, with the whole message: it is what a user sees.
func TestReadCSVRefuses(t *testing.T) {
	tests := map[string]string{
		"":                   "the file is empty",
		"\n \n":              "the file is empty",
		"\ufeff":             "the file is empty",
		"a,b\n":              "there is a header row but no data below it",
		"1,2\n3,4\n":         `the first line is all numbers ("1", "2"); it must be a header row with the column names`,
		"1,nan\n3,4\n":       `the first line is all numbers ("1", "nan"); it must be a header row with the column names`,
		"a;b\n1;2\n":         "the columns are separated by semicolons; save the file with commas (and decimal points)",
		"a\tb\n1\t2\n":       "the columns are separated by tabs; save the file with commas (and decimal points)",
		",a\n0,1\n":          "column 1 has no name in the header row (from pandas: to_csv(..., index=False))",
		"a,\n0,1\n":          "column 2 has no name in the header row (from pandas: to_csv(..., index=False))",
		"a,b, a\n0,1,2\n":    `columns 1 and 3 are both named "a"`,
		"a,b\n1,2\n\n3\n":    "line 4 has 1 cells, the header has 2",
		"a,b\n1,2,3\n":       "line 2 has 3 cells, the header has 2",
		"a\n1\n\n2\n":        "line 4 follows an empty line; in a file of one column write nan for a missing value",
		"a\r\n1\r\n\r\n2":    "line 4 follows an empty line; in a file of one column write nan for a missing value",
		"a,b\n1,\"2\n":       `line 2: extraneous or missing " in quoted-field`,
		"a,b\n1,2\"3\n":      `line 2: bare " in non-quoted-field`,
		"a,b\n1,\x00\n":      "not a CSV: it holds zero bytes",
		"\xff\xfea\x00,\x00": "the file is UTF-16; save it as UTF-8",
	}
	for text, want := range tests {
		_, err := datasets.ReadCSV(strings.NewReader(text), "t.csv")
		if err == nil || err.Error() != "datasets: t.csv: "+want {
			t.Errorf("%q:\n got %v\nwant datasets: t.csv: %s", text, err, want)
		}
	}
	broken := errors.New("unplugged")
	if _, err := datasets.ReadCSV(iotest.ErrReader(broken), "t.csv"); !errors.Is(err, broken) {
		t.Errorf("a failing reader gives %v", err)
	}
}

// TestBadCells: a cell that is no number is an error of its own column only, and only when numbers are asked for.
func TestBadCells(t *testing.T) {
	table := readCSV(t, "x,species,y,big,hex\n1,setosa,2,1e5,1\n\n3,\"a very long name of a species\",inf,1e999,0x10\n")
	for _, test := range []struct{ column, want string }{
		{"species", `line 2, column "species": "setosa" is not a number`},
		{"y", `line 4, column "y": "inf" is not a finite number`},
		{"big", `line 4, column "big": "1e999" is not a finite number`},
		{"hex", `line 4, column "hex": "0x10" is not a number`},
	} {
		want := "datasets: t.csv: " + test.want
		_, one := table.Column(test.column)
		_, two := table.Select([]string{"x", test.column})
		for _, err := range []error{one, two} {
			if err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		}
		if table.Numeric(test.column) {
			t.Errorf("%s is said to be numeric", test.column)
		}
	}
	if _, err := table.Rows(); err == nil {
		t.Error("Rows of a table with text gives no error")
	}
	labels, err := table.Labels("species")
	if err != nil || !slices.Equal(labels, []string{"setosa", "a very long name of a species"}) {
		t.Errorf("labels %q %v", labels, err)
	}
	x, err := table.Column("x")
	if err != nil || !slices.Equal(x, []float64{1, 3}) || !table.Numeric("x") || table.Numeric("z") {
		t.Errorf("x = %v %v", x, err)
	}
	long := readCSV(t, "s\n"+strings.Repeat("long ", 100)+"\n")
	if _, err := long.Column("s"); err == nil || len(err.Error()) > 120 {
		t.Errorf("a long cell gives %v", err)
	}
}

func TestTableColumns(t *testing.T) {
	table := readCSV(t, "a,b,target,c\n1,2,yes,3\n4,5,no,6\n")
	rows, err := table.Select([]string{"c", "a", "c"})
	if err != nil || !sameRows(rows, [][]float64{{3, 1, 3}, {6, 4, 6}}) {
		t.Errorf("Select: %v %v", rows, err)
	}
	rest, err := table.Drop("target")
	if err != nil || !slices.Equal(rest.Columns(), []string{"a", "b", "c"}) || table.NumColumns() != 4 {
		t.Fatalf("Drop: %v %v", rest.Columns(), err)
	}
	rows, err = rest.Rows()
	if err != nil || !sameRows(rows, [][]float64{{1, 2, 3}, {4, 5, 6}}) {
		t.Errorf("Rows after Drop: %v %v", rows, err)
	}
	rows[0][0] = 99
	if again, _ := rest.Rows(); again[0][0] != 1 {
		t.Error("Rows gives no copy")
	}
	if labels, err := rest.Labels("c"); err != nil || !slices.Equal(labels, []string{"3", "6"}) {
		t.Errorf("Labels after Drop: %v %v", labels, err)
	}
	for _, test := range []struct {
		err  func() error
		want string
	}{
		{func() error { _, err := rest.Column("target"); return err }, `datasets: t.csv: no column "target"; the file has "a", "b", "c"`},
		{func() error { _, err := rest.Select([]string{"x", "a", "y"}); return err }, `datasets: t.csv: no columns "x", "y"; the file has "a", "b", "c"`},
		{func() error { _, err := rest.Drop("A"); return err }, `datasets: t.csv: no column "A"; the file has "a", "b", "c"`},
		{func() error { _, err := rest.Labels(""); return err }, `datasets: t.csv: no column ""; the file has "a", "b", "c"`},
	} {
		if err := test.err(); err == nil || err.Error() != test.want {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
	wide := readCSV(t, "a,b,c,d,e,f,g,h,i,j,k,l,m,n\n"+strings.Repeat("1,", 13)+"1\n")
	if _, err := wide.Column("z"); err == nil || !strings.HasSuffix(err.Error(), `"l" and 2 more`) {
		t.Errorf("a wide table gives %v", err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	csv := filepath.Join(dir, "T.CSV")
	if err := os.WriteFile(csv, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := datasets.Open(csv); err != nil {
		t.Error(err)
	}
	if _, err := datasets.Open("testdata/npy_le_f8_F.npy"); err != nil {
		t.Error(err)
	}
	if _, err := datasets.Open(filepath.Join(dir, "none.csv")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there gives %v", err)
	}
	if _, err := datasets.Open(t.TempDir()); err == nil || !strings.HasSuffix(err.Error(), ": is a folder; give a .csv or a .npy file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := datasets.Open("x.parquet"); err == nil || err.Error() != "datasets: x.parquet: unknown kind of table; give a .csv or a .npy file" {
		t.Errorf("a .parquet gives %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "d.csv"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := datasets.Open(filepath.Join(dir, "d.csv")); err == nil || strings.Count(err.Error(), "d.csv") != 1 {
		t.Errorf("a folder gives %v", err)
	}
}

// TestCSVRoundTrip: what encoding/csv writes, numbers at full precision and labels of any text, is what the reader returns.
func TestCSVRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width, n := rapid.IntRange(1, 6).Draw(t, "width"), rapid.IntRange(1, 8).Draw(t, "n")
		rows, labels := make([][]float64, n), make([]string, n)
		var out strings.Builder
		w := csv.NewWriter(&out)
		w.UseCRLF = rapid.Bool().Draw(t, "crlf")
		var names []string
		for j := range width {
			names = append(names, "f"+strconv.Itoa(j))
		}
		w.Write(append(slices.Clone(names), "label"))
		for i := range rows {
			var cells []string
			for range width {
				v := rapid.Float64().Filter(func(v float64) bool { return !math.IsInf(v, 0) }).Draw(t, "v")
				rows[i] = append(rows[i], v)
				cells = append(cells, strconv.FormatFloat(v, 'g', -1, 64))
			}
			labels[i] = rapid.StringMatching(`[a-z,;"é\n]{0,5}x`).Draw(t, "label")
			w.Write(append(cells, labels[i]))
		}
		w.Flush()
		table, err := datasets.ReadCSV(strings.NewReader(out.String()), "t")
		if err != nil {
			t.Fatal(err)
		}
		got, err := table.Select(names)
		if err != nil || !sameRows(got, rows) {
			t.Fatalf("%q gives %v %v", out.String(), got, err)
		}
		for i, l := range labels {
			labels[i] = strings.TrimSpace(l)
		}
		if text, err := table.Labels("label"); err != nil || !slices.Equal(text, labels) {
			t.Fatalf("%q gives %q, %v", out.String(), text, err)
		}
	})
}

// FuzzReadCSV: no input panics, and what is accepted keeps the promises of Table.
func FuzzReadCSV(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "a\n1\n\n2\n", "\ufeffa,\"b\nc\"\r\nnan,inf\r\n", "a;b\n1;2\n", "a,b\n\"x\"\"y\",\n", "1,2\n3,4\n", " a\n\" 1\"\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := datasets.ReadCSV(strings.NewReader(string(data)), "t.csv")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "datasets: t.csv: ") {
				t.Fatalf("the error names no file: %v", err)
			}
			return
		}
		if table.NumRows() < 1 || table.NumRows()*table.NumColumns() > len(data)+1 {
			t.Fatalf("%d x %d cells from %d bytes", table.NumRows(), table.NumColumns(), len(data))
		}
		for _, name := range table.Columns() {
			labels, err := table.Labels(name)
			if err != nil || len(labels) != table.NumRows() {
				t.Fatalf("labels of %q: %d, %v", name, len(labels), err)
			}
			values, err := table.Column(name)
			if (err == nil) != table.Numeric(name) {
				t.Fatalf("column %q: %v, Numeric %v", name, err, table.Numeric(name))
			}
			for i, v := range values {
				if want, err := strconv.ParseFloat(labels[i], 64); math.IsInf(v, 0) || !math.IsNaN(v) && (err != nil || v != want) {
					t.Fatalf("column %q: %q became %v", name, labels[i], v)
				}
			}
		}
	})
}
