package tfhe

import (
	"errors"
	"fmt"
)

// What can be wrong with a file or message of fhe-ml. Test with [errors.Is]; a [FileError] wraps one of them.
var (
	ErrDamaged   = errors.New("damaged")                        // its bytes are not those that were written
	ErrTruncated = errors.New("cut short")                      // its end is missing
	ErrKind      = errors.New("another kind of file")           // a request where a key is needed, or no file of fhe-ml at all
	ErrVersion   = errors.New("another version of the format")  // a later fhe-ml wrote it
	ErrTooLarge  = errors.New("larger than what it may hold")   // announces more bytes than its kind can have
	ErrMismatch  = errors.New("files do not belong together")   // each is whole, but they are of different keys, models or requests
	ErrKey       = fmt.Errorf("%w: another key", ErrMismatch)   // made with, or for, another key
	ErrModel     = fmt.Errorf("%w: another model", ErrMismatch) // made for another model, or for other parameters
	ErrRequest   = fmt.Errorf("%w: another request", ErrMismatch)
)

// FileError is an error about a file or message of fhe-ml. [errors.As] finds it in what all packages return.
type FileError struct {
	Kind Kind   // what the file is, or what it should have been
	Err  error  // one of [ErrDamaged], [ErrTruncated], [ErrKind], [ErrVersion], [ErrTooLarge], [ErrKey], [ErrModel], [ErrRequest]
	Text string // the message, one line
}

func (e *FileError) Error() string { return e.Text }

// Unwrap returns Err.
func (e *FileError) Unwrap() error { return e.Err }

// FileErrorf returns a [FileError] with a formatted message. It is for the packages that define messages of their own.
func FileErrorf(kind Kind, err error, format string, args ...any) error {
	return &FileError{Kind: kind, Err: err, Text: fmt.Sprintf(format, args...)}
}
