package numpy

import (
	"fmt"
	"strings"
)

// Error is what is wrong at one place of a program. Line and Column count from 1 (columns in characters); they are 0 for programs built in Go.
type Error struct {
	File         string
	Line, Column int
	Width        int    // characters to underline, at least 1
	Source       string // the line
	Message      string // what is wrong
	Hint         string // what to write instead; may be empty
}

// Error returns the place, the message and the way out in one line, and for programs from files the line with the place underlined below it.
func (e *Error) Error() string {
	text := e.Message
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	if e.Line == 0 {
		return "numpy: " + text
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: %s", e.File, e.Line, e.Column, text)
	if e.Source != "" {
		under := make([]rune, 0, e.Column)
		for i, r := range []rune(e.Source) {
			if i >= e.Column-1 {
				break
			}
			if r != '\t' {
				r = ' '
			}
			under = append(under, r)
		}
		fmt.Fprintf(&b, "\n    %s\n    %s%s", e.Source, string(under), strings.Repeat("^", max(e.Width, 1)))
	}
	return b.String()
}

// fail returns an error without a place; the interpreter adds it.
func fail(hint, format string, args ...any) *Error {
	return &Error{Message: fmt.Sprintf(format, args...), Hint: hint}
}
