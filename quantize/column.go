package quantize

import (
	"errors"
	"fmt"
)

// ErrFraction is what [ColumnError] wraps for a number that is no integer, in a row of a model that takes integers ([Preprocessing].Integers).
var ErrFraction = errors.New("holds a number that is no integer, and this program takes integers; round or scale the column first")

// ErrMissing is what [ColumnError] wraps for a missing value in a column that the model has no code for.
var ErrMissing = errors.New("holds a missing value (NaN), which this model does not handle; fill it in first")

var errNotFinite = errors.New("is not a finite number")

// ColumnError is an error about one column of a row or of calibration data. It names the column and never shows a value.
type ColumnError struct {
	Feature int    // index of the feature, from 0
	Column  string // name of the column that it comes from, "" if it is not known
	Row     int    // row of a table, from 1; 0 where there is one row only
	Err     error
}

func (e *ColumnError) Error() string {
	where := fmt.Sprintf("column %q", e.Column)
	if e.Column == "" {
		where = fmt.Sprintf("column %d (from 0)", e.Feature)
	}
	if e.Row > 0 {
		where = fmt.Sprintf("row %d, %s", e.Row, where)
	}
	return fmt.Sprintf("quantize: %s %v", where, e.Err)
}

// Unwrap returns Err.
func (e *ColumnError) Unwrap() error { return e.Err }

// Clip is a value of a row that lies outside the range which its column was calibrated for, so that the nearest value inside took its place.
type Clip struct {
	Feature int     // index of the feature, from 0
	Column  string  // name of the column that it comes from
	Lo, Hi  float64 // the calibrated range
}

// String returns a warning for people.
func (c Clip) String() string {
	if c.Lo == c.Hi {
		return fmt.Sprintf("column %q is not %g as in all calibration rows; that was used", c.Column, c.Lo)
	}
	return fmt.Sprintf("column %q lies outside the calibrated range %.4g to %.4g; the nearest value inside was used", c.Column, c.Lo, c.Hi)
}

// Clips describes the columns that [Preprocessing.Encode] found to be clipped, each once.
func (p *Preprocessing) Clips(clipped []int) []Clip {
	var clips []Clip
	for i := range p.Coders {
		c := &p.Coders[i]
		for _, f := range clipped {
			if f != c.Feature || c.Kind != Affine {
				continue
			}
			if n := len(clips); n > 0 && clips[n-1].Feature == f {
				break
			}
			clips = append(clips, Clip{Feature: f, Column: p.columnOf(f), Lo: c.Min, Hi: c.Value(int64(c.Levels - 1))})
			break
		}
	}
	return clips
}
