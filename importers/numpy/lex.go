package numpy

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind orders the tokens.
type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenNewline
	tokenIndent
	tokenDedent
	tokenName
	tokenNumber
	tokenString
	tokenPrefixed // a string with the prefix that is its text
	tokenOp
)

// place is where something stands: line and column count from 1, columns in characters.
type place struct{ line, column, width int }

type token struct {
	kind tokenKind
	text string // of a string: its contents
	at   place
}

// Limits of a program's text.
const (
	maxSource  = 1 << 20 // bytes
	maxNesting = 100     // of expressions and blocks
)

// operators, longest first.
var operators = []string{"**=", "//=", ">>=", "<<=", "...", "->", ":=", "**", "//", ">>", "<<", "<=", ">=", "==", "!=", "+=", "-=", "*=", "/=", "%=", "@=", "&=",
	"|=", "^=", "+", "-", "*", "/", "%", "@", "&", "|", "^", "~", "<", ">", "(", ")", "[", "]", "{", "}", ",", ":", ".", ";", "="}

// lexer splits a file into tokens.
type lexer struct {
	file   string
	lines  []string
	runes  [][]rune // the same lines
	tokens []token
	depth  int // open brackets
	open   []token
	indent []int
}

// errorAt returns an error at a place of the file.
func (l *lexer) errorAt(at place, hint, format string, args ...any) *Error {
	e := &Error{File: l.file, Line: at.line, Column: at.column, Width: at.width, Message: fmt.Sprintf(format, args...), Hint: hint}
	if at.line >= 1 && at.line <= len(l.lines) {
		e.Source = l.lines[at.line-1]
	}
	return e
}

func lex(file, source string) (*lexer, *Error) {
	l := &lexer{file: file, indent: []int{0}}
	if len(source) > maxSource {
		return l, &Error{File: file, Line: 1, Column: 1, Message: fmt.Sprintf("the file has %d bytes, more than %d", len(source), maxSource)}
	}
	source = strings.ReplaceAll(strings.TrimPrefix(source, "\ufeff"), "\r\n", "\n")
	l.lines = strings.Split(source, "\n")
	if !utf8.ValidString(source) {
		return l, &Error{File: file, Line: 1, Column: 1, Message: "the file is not text in UTF-8"}
	}
	for _, line := range l.lines {
		l.runes = append(l.runes, []rune(line))
	}
	joined := false // the line goes on from the one before, by a backslash
	for n := 0; n < len(l.lines); n++ {
		text := l.runes[n]
		i := 0
		if l.depth == 0 && !joined {
			var err *Error
			if i, err = l.margin(n, text); err != nil {
				return l, err
			}
			if i < 0 {
				continue // blank
			}
		}
		joined = false
		for i < len(text) {
			r := text[i]
			at := place{n + 1, i + 1, 1}
			switch {
			case r == ' ' || r == '\t' || r == '\f':
				i++
			case r == '#':
				i = len(text)
			case r == '\\' && i == len(text)-1:
				joined = true
				i++
			case r == '_' || unicode.IsLetter(r):
				j := i
				for j < len(text) && (text[j] == '_' || unicode.IsLetter(text[j]) || unicode.IsDigit(text[j])) {
					j++
				}
				word := string(text[i:j])
				if j < len(text) && (text[j] == '"' || text[j] == '\'') {
					if strings.EqualFold(word, "r") || strings.EqualFold(word, "u") {
						i = j // the quote follows
						continue
					}
					var err *Error
					at := place{n + 1, i + 1, j - i + 1}
					if n, i, err = l.str(n, j); err != nil {
						return l, err
					}
					l.tokens[len(l.tokens)-1] = token{tokenPrefixed, word, at} // refused where it is used
					text = l.runes[n]
					continue
				}
				l.put(tokenName, word, place{n + 1, i + 1, j - i})
				i = j
			case r >= '0' && r <= '9' || r == '.' && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9':
				j := i
				for j < len(text) && (text[j] == '.' || text[j] == '_' || unicode.IsLetter(text[j]) || unicode.IsDigit(text[j]) ||
					(text[j] == '-' || text[j] == '+') && (text[j-1] == 'e' || text[j-1] == 'E') && !strings.HasPrefix(strings.ToLower(string(text[i:min(i+2, len(text))])), "0x")) {
					j++
				}
				l.put(tokenNumber, string(text[i:j]), place{n + 1, i + 1, j - i})
				i = j
			case r == '"' || r == '\'':
				var err *Error
				if n, i, err = l.str(n, i); err != nil {
					return l, err
				}
				text = l.runes[n]
			default:
				op := ""
				for _, o := range operators {
					if strings.HasPrefix(string(text[i:min(i+3, len(text))]), o) {
						op = o
						break
					}
				}
				if op == "" {
					return l, l.errorAt(at, "", "unexpected character %q", r)
				}
				at.width = len(op)
				switch op {
				case "(", "[", "{":
					if l.depth++; l.depth > maxNesting {
						return l, l.errorAt(at, "use names for parts of it", "brackets nest more than %d deep", maxNesting)
					}
					l.open = append(l.open, token{tokenOp, op, at})
				case ")", "]", "}":
					if l.depth == 0 || map[string]string{"(": ")", "[": "]", "{": "}"}[l.open[l.depth-1].text] != op {
						return l, l.errorAt(at, "", "%q closes nothing", op)
					}
					l.depth--
					l.open = l.open[:l.depth]
				}
				l.put(tokenOp, op, at)
				i += len(op)
			}
		}
		if l.depth == 0 && !joined {
			l.put(tokenNewline, "", place{n + 1, len(text) + 1, 1})
		}
	}
	if l.depth > 0 {
		o := l.open[l.depth-1]
		return l, l.errorAt(o.at, "", "the bracket %s is not closed", o.text)
	}
	end := place{len(l.lines), len([]rune(l.lines[len(l.lines)-1])) + 1, 1}
	if n := len(l.tokens); n > 0 && l.tokens[n-1].kind != tokenNewline {
		l.put(tokenNewline, "", end)
	}
	for range l.indent[1:] {
		l.put(tokenDedent, "", end)
	}
	l.put(tokenEnd, "", end)
	return l, nil
}

func (l *lexer) put(k tokenKind, text string, at place) {
	l.tokens = append(l.tokens, token{k, text, at})
}

// margin reads the indentation of a line and returns where its text starts, or -1 for a blank line or a comment.
func (l *lexer) margin(n int, text []rune) (int, *Error) {
	width, i := 0, 0
	for ; i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\f'); i++ {
		switch text[i] {
		case '\t':
			width = width/8*8 + 8
		case ' ':
			width++
		}
	}
	if i == len(text) || text[i] == '#' {
		return -1, nil
	}
	at := place{n + 1, 1, max(i, 1)}
	top := l.indent[len(l.indent)-1]
	switch {
	case width > top:
		if len(l.indent) > maxNesting {
			return 0, l.errorAt(at, "use functions", "blocks nest more than %d deep", maxNesting)
		}
		l.indent = append(l.indent, width)
		l.put(tokenIndent, "", at)
	case width < top:
		for l.indent[len(l.indent)-1] > width {
			l.indent = l.indent[:len(l.indent)-1]
			l.put(tokenDedent, "", at)
		}
		if l.indent[len(l.indent)-1] != width {
			return 0, l.errorAt(at, "indent by as many spaces as a line above it", "the indentation fits no block")
		}
	}
	return i, nil
}

// str reads a string that begins at column i of line n, and returns where it ends. Escapes other than \\, \', \", \n, \t and a line's end are kept.
func (l *lexer) str(n, i int) (int, int, *Error) {
	text := l.runes[n]
	quote := string(text[i])
	at := place{n + 1, i + 1, 1}
	long := i+2 < len(text) && text[i+1] == text[i] && text[i+2] == text[i]
	if long {
		quote = strings.Repeat(quote, 3)
	}
	i += len(quote)
	var b strings.Builder
	for {
		for i < len(text) {
			if strings.HasPrefix(string(text[i:min(i+3, len(text))]), quote) {
				at.width = 1
				if at.line == n+1 {
					at.width = i + len(quote) - at.column + 1
				}
				l.put(tokenString, b.String(), at)
				return n, i + len(quote), nil
			}
			if text[i] == '\\' && i+1 < len(text) {
				switch text[i+1] {
				case 'n':
					b.WriteByte('\n')
				case 't':
					b.WriteByte('\t')
				case '\\', '\'', '"':
					b.WriteRune(text[i+1])
				default:
					b.WriteString(string(text[i : i+2]))
				}
				i += 2
				continue
			}
			b.WriteRune(text[i])
			i++
		}
		if !long || n+1 >= len(l.lines) {
			return n, i, l.errorAt(at, "close it with "+quote, "the string does not end")
		}
		b.WriteByte('\n')
		n, i = n+1, 0
		text = l.runes[n]
	}
}
