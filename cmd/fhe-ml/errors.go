package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fhe-ml/fhe-ml/importers/numpy"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a command line that is wrong whatever the files hold.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// internalError is a panic that somebody recovered.
type internalError struct {
	value any
	stack []byte
}

func (e *internalError) Error() string {
	return fmt.Sprintf("internal error: %v; this is a bug: please report it with the command line (FHEML_DEBUG=1 prints the stack)", e.value)
}

// recovered wraps the value of a panic. Call it from the deferred function, while the stack is still there.
func recovered(value any) error { return &internalError{value, debug.Stack()} }

// report prints an error as one line and returns the exit status.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(stderr, "fhe-ml: %s\n", plain(err))
	var internal *internalError
	if errors.As(err, &internal) && os.Getenv("FHEML_DEBUG") == "1" {
		stderr.Write(internal.stack)
	}
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// packagePrefix is where an error came from, which helps nobody at a command line.
var packagePrefix = regexp.MustCompile(`(^|: )(?:datasets|models|quantize|compiler|importers|onnx|numpy|tfhe|client|server|service|remote): `)

// plain returns the text of an error for people: one line (three for a mistake in a program, with the place underlined), without the names of packages and system calls, and nothing that steers a terminal.
func plain(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted; nothing was written"
	}
	s := err.Error()
	if program := (*numpy.Error)(nil); errors.As(err, &program) && program.Source != "" { // the place in a program, shown below the line
		return visibleLines(s)
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		s = strings.Replace(s, path.Op+" "+path.Path+": ", path.Path+": ", 1)
	}
	for packagePrefix.MatchString(s) {
		s = packagePrefix.ReplaceAllString(s, "$1")
	}
	return visible(strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; "))
}

// flagError turns what pflag says about a flag into wrong use.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		reason := invalid.Unwrap()
		var ours *valueError
		if !errors.As(reason, &ours) {
			reason = &valueError{"a " + invalid.GetFlag().Value.Type()}
		}
		return usagef("--%s %q: %v; see %s --help", invalid.GetFlag().Name, invalid.GetValue(), reason, cmd.CommandPath())
	}
	return usagef("%v; see %s --help", err, cmd.CommandPath())
}

// valueError says what a flag takes.
type valueError struct{ want string }

func (e *valueError) Error() string { return "want " + e.want }

// one is the argument check of commands that take one file.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usagef("%s: %s is missing; see %s --help", cmd.Name(), what, cmd.CommandPath())
		case len(args) > 1:
			return usagef("%s: one %s at a time, %q is too much; see %s --help", cmd.Name(), what, args[1], cmd.CommandPath())
		case args[0] == "":
			return usagef("%s: the name of %s is empty; see %s --help", cmd.Name(), what, cmd.CommandPath())
		}
		return nil
	}
}

// await runs work, which cannot be interrupted itself, and returns early when ctx ends. Abandoned work must have no effect outside.
func await[T any](ctx context.Context, work func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r.err = recovered(p)
			}
			done <- r
		}()
		r.value, r.err = work()
	}()
	select {
	case r := <-done:
		if err := ctx.Err(); err != nil {
			return r.value, err
		}
		return r.value, r.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}
