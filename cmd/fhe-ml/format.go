package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/fhe-ml/fhe-ml/cmd/fhe-ml/bench"
)

// plural counts things: 1 row, 2 rows.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if thing == "leaf" {
		return fmt.Sprintf("%d leaves", n)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// size writes bytes in powers of 1000, to three digits.
func size(n int64) string { return bench.Size(n) }

// milliseconds writes a time to three digits.
func milliseconds(ms float64) string { return bench.Milliseconds(ms) }

// ms is a duration in milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// median of durations in milliseconds; 0 of none.
func median(ds []time.Duration) float64 {
	if len(ds) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(ds))
	n := len(sorted)
	return (ms(sorted[(n-1)/2]) + ms(sorted[n/2])) / 2
}

// digits writes a positive number to three digits or to its units.
func digits(v float64) string { return bench.Digits(v) }

// probability writes a probability given by its log2.
func probability(log2 float64) string { return bench.Probability(log2) }

// shortest writes a number as a result holds it: the shortest decimal that parses back.
func shortest(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// jsonFloat is a number that JSON can always hold: null for infinities and NaN.
type jsonFloat float64

func (f jsonFloat) MarshalJSON() ([]byte, error) {
	if v := float64(f); !math.IsNaN(v) && !math.IsInf(v, 0) {
		return []byte(shortest(v)), nil
	}
	return []byte("null"), nil
}

// writeJSON writes one object. encoding/json escapes the control characters of ASCII; the others that steer a terminal are escaped here, which leaves the value.
func writeJSON(w io.Writer, v any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	text := escape(b.String(), func(r rune) bool { return r > 0x7e && steers(r) }, func(r rune) string { return fmt.Sprintf(`\u%04x`, r) })
	_, err := io.WriteString(w, text)
	return err
}

// emit writes results to standard output through a buffer: byte for byte, but on a terminal what would steer that is made visible.
func (a *app) emit(write func(io.Writer) error) error {
	var b bytes.Buffer
	err := write(&b)
	if err == nil {
		out := b.Bytes()
		if isTerminal(a.stdout) {
			out = []byte(visibleLines(b.String()))
		}
		_, err = a.stdout.Write(out)
	}
	if err != nil {
		return unwritable(a.stdoutName, err)
	}
	return nil
}

// unwritable is the error of results that could not be written; no name is standard output's.
func unwritable(name string, err error) error {
	if name == "" {
		name = "standard output"
	}
	return fmt.Errorf("%s: cannot be written: %w", name, cause(err))
}

// isTerminal reports whether people read what is written to w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// steers reports whether a character changes what a terminal does or how it orders the text around it: the control characters of ASCII and Latin 1
// (a model file may hold escape sequences as names), and the marks of the bidirectional algorithm.
func steers(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// escape replaces the characters that bad picks.
func escape(s string, bad func(rune) bool, form func(rune) string) string {
	if !strings.ContainsFunc(s, bad) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if bad(r) {
			b.WriteString(form(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// visible makes text from files safe to show on one line: white space becomes a space, what would steer the terminal its escape in the notation of Go,
// bytes that are no UTF-8 the replacement character.
func visible(s string) string {
	return escape(strings.ToValidUTF8(s, "\ufffd"), steers, func(r rune) string {
		if unicode.IsSpace(r) {
			return " "
		}
		return strings.Trim(strconv.QuoteRuneToASCII(r), "'")
	})
}

// visibleLines is visible for text of several lines.
func visibleLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = visible(lines[i])
	}
	return strings.Join(lines, "\n")
}

// sheet is text of aligned "name  value" lines, for people.
type sheet struct {
	strings.Builder
	local *calibration // what estimates are for, nil: the machine of the program's costs
}

// sheetIndent is where values start.
const sheetIndent = 20

// line adds a value under a name; an empty value is left out. A long value goes on below itself.
func (s *sheet) line(name, format string, args ...any) {
	value := visible(fmt.Sprintf(format, args...))
	if value == "" {
		return
	}
	for _, part := range wrap(value, 100-sheetIndent) {
		fmt.Fprintf(&s.Builder, "%-*s%s\n", sheetIndent, name, part)
		name = ""
	}
}

// command adds a line that is to be typed, and so is never broken.
func (s *sheet) command(name, command string) {
	fmt.Fprintf(&s.Builder, "%-*s%s\n", sheetIndent, name, visible(command))
}

// list adds a line for each item.
func (s *sheet) list(name string, items []string) {
	for _, item := range items {
		for i, part := range wrap(visible(item), 98-sheetIndent) {
			mark := "- "
			if i > 0 {
				mark = "  "
			}
			fmt.Fprintf(&s.Builder, "%-*s%s%s\n", sheetIndent, name, mark, part)
			name = ""
		}
	}
}

// wrap breaks text between words.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// some lists names, the first most of them.
func some(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s, ... (%d in all)", strings.Join(names[:most], ", "), len(names))
}

// grid is text in aligned columns, the first one to the left and the others to the right.
func grid(rows [][]string) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString(cell + pad)
			} else {
				b.WriteString("  " + pad + cell)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}
