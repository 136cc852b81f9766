package quantize

import (
	"fmt"
	"math"
)

// Bounds of a decoded Preprocessing.
const (
	MaxColumns = 1 << 16
	MaxCoders  = 1 << 18
)

// Preprocessing turns a row of raw features into codes.
type Preprocessing struct {
	// Pipeline, where not nil, computes the features of a row in the clear: rows then have its columns.
	Pipeline *Pipeline `cbor:"x,omitempty"`
	Columns  []string  `cbor:"c"`           // names of the features, in order
	Named    bool      `cbor:"n,omitempty"` // the model's file names its columns
	Float32  bool      `cbor:"s,omitempty"` // features are rounded to float32 first, as the file's producer does
	// ScalerOffset and ScalerScale, where not nil, hold a number per column: x = (x-offset)*scale, in float32, comes first.
	ScalerOffset []float64 `cbor:"o,omitempty"`
	ScalerScale  []float64 `cbor:"a,omitempty"`
	Integers     bool      `cbor:"g,omitempty"` // features are integers: other numbers are refused, not rounded
	// Coders in the order of their codes. A column may have none (the model does not use it) or several.
	Coders []Coder `cbor:"d"`
}

// Validate reports the first inconsistency of p.
func (p *Preprocessing) Validate() error {
	if len(p.Columns) == 0 || len(p.Columns) > MaxColumns {
		return fmt.Errorf("quantize: preprocessing: %d columns, want 1..%d", len(p.Columns), MaxColumns)
	}
	if len(p.Coders) == 0 || len(p.Coders) > MaxCoders {
		return fmt.Errorf("quantize: preprocessing: %d coders, want 1..%d", len(p.Coders), MaxCoders)
	}
	if p.Pipeline != nil {
		if err := p.Pipeline.Validate(); err != nil {
			return err
		}
		if len(p.Pipeline.Outputs) != len(p.Columns) {
			return fmt.Errorf("quantize: preprocessing: a pipeline of %d features for %d", len(p.Pipeline.Outputs), len(p.Columns))
		}
	}
	if (p.ScalerOffset == nil) != (p.ScalerScale == nil) {
		return fmt.Errorf("quantize: preprocessing: a scaler has offsets and scales")
	}
	if p.ScalerScale != nil {
		if len(p.ScalerScale) != len(p.Columns) || len(p.ScalerOffset) != len(p.Columns) {
			return fmt.Errorf("quantize: preprocessing: a scaler of %d offsets and %d scales for %d columns", len(p.ScalerOffset), len(p.ScalerScale), len(p.Columns))
		}
		for i := range p.ScalerScale {
			if !finite(p.ScalerScale[i]) || !finite(p.ScalerOffset[i]) {
				return fmt.Errorf("quantize: preprocessing: scaler of column %q is not finite", p.Columns[i])
			}
		}
	}
	for i := range p.Coders {
		if err := p.Coders[i].Validate(len(p.Columns)); err != nil {
			return err
		}
	}
	return nil
}

// Names returns the names of the columns of a row.
func (p *Preprocessing) Names() []string {
	if p.Pipeline != nil {
		return p.Pipeline.Names()
	}
	return p.Columns
}

// Missing reports whether rows may hold missing values (NaN).
func (p *Preprocessing) Missing() bool {
	for i := range p.Coders {
		if p.Coders[i].Missing {
			return true
		}
	}
	return false
}

// value returns the column as the coders read it.
func (p *Preprocessing) value(row []float64, f int) float64 {
	x := row[f]
	if p.Float32 {
		x = float64(float32(x))
	}
	if p.ScalerScale != nil {
		x = float64((float32(x) - float32(p.ScalerOffset[f])) * float32(p.ScalerScale[f]))
	}
	return x
}

// Encode writes the codes of one row to dst, which has the length of Coders. clipped lists the features (indices into
// Columns) whose value lies outside the calibrated range (its code is the nearest). A row of another length than Names is
// an error, and so is a missing value (NaN) in any feature where the model has no code for it.
func (p *Preprocessing) Encode(dst []int64, row []float64) (clipped []int, err error) {
	if p.Pipeline != nil {
		if row, err = p.Pipeline.Apply(row); err != nil {
			return nil, err
		}
	}
	return p.EncodeFeatures(dst, row)
}

// EncodeFeatures is Encode for a row of features, which Pipeline has been applied to.
func (p *Preprocessing) EncodeFeatures(dst []int64, row []float64) (clipped []int, err error) {
	if len(dst) != len(p.Coders) {
		panic(fmt.Sprintf("quantize: room for %d codes, want %d", len(dst), len(p.Coders)))
	}
	if len(row) != len(p.Columns) {
		return nil, fmt.Errorf("quantize: a row of %d values for %d columns", len(row), len(p.Columns))
	}
	missing := p.Missing()
	for f, x := range row {
		if math.IsNaN(x) && !missing {
			return nil, p.missingError(f)
		}
		if p.Integers && x != math.Trunc(x) {
			return nil, &ColumnError{Feature: f, Column: p.columnOf(f), Err: ErrFraction}
		}
	}
	for i := range p.Coders {
		c := &p.Coders[i]
		x := p.value(row, c.Feature)
		if math.IsNaN(x) && !c.Missing {
			return nil, p.missingError(c.Feature)
		}
		code, out := c.Code(x)
		dst[i] = code
		if out {
			clipped = append(clipped, c.Feature)
		}
	}
	return clipped, nil
}

func (p *Preprocessing) missingError(f int) error {
	return &ColumnError{Feature: f, Column: p.columnOf(f), Err: ErrMissing}
}

// columnOf names the column of a row that feature f comes from; the feature's own name where it comes from several.
func (p *Preprocessing) columnOf(f int) string {
	if p.Pipeline != nil {
		if c := p.Pipeline.Column(p.Pipeline.Outputs[f]); c >= 0 {
			return p.Pipeline.Inputs[c].Name
		}
	}
	return p.Columns[f]
}
