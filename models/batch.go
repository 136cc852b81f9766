package models

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/fhe-ml/fhe-ml/quantize"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// Encrypted says what [Client.EncryptRows] wrote.
type Encrypted struct {
	ID    [16]byte          // of the batch: its responses carry the same
	Clips [][]quantize.Clip // of each row: nil where all values are inside the calibrated range
}

// encode returns the codes of a row.
func (c *Client) encode(row []float64) ([]int64, []quantize.Clip, error) {
	codes := make([]int64, len(c.file.Pre.Coders))
	clipped, err := c.file.Pre.Encode(codes, row)
	if err != nil {
		return nil, nil, err
	}
	return codes, c.file.Pre.Clips(clipped), nil
}

// RequestBytes is how many bytes EncryptRows writes for so many rows.
func (c *Client) RequestBytes(rows int) int64 { return c.file.Spec.RequestBatchBytes(rows) }

// EncryptRows encrypts rows of raw features and writes them to w as one batch, row by row. A row that cannot be encoded is an error that says which; nothing is
// written before all rows are known to be good. progress, which may be nil, is told of rows.
func (c *Client) EncryptRows(ctx context.Context, w io.Writer, rows [][]float64, progress tfhe.Progress) (*Encrypted, error) {
	out := &Encrypted{Clips: make([][]quantize.Clip, len(rows))}
	for i, row := range rows {
		var err error
		if _, out.Clips[i], err = c.encode(row); err != nil {
			return nil, inRow(i, err)
		}
	}
	b, err := c.c.NewBatch(w, len(rows))
	if err != nil {
		return nil, err
	}
	out.ID = b.ID()
	for i, row := range rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		codes, _, err := c.encode(row)
		if err != nil {
			return nil, inRow(i, err)
		}
		if err := b.Encrypt(codes); err != nil {
			return nil, err
		}
		if progress != nil {
			progress(i+1, len(rows))
		}
	}
	return out, b.Close()
}

// inRow says which row an error is about.
func inRow(i int, err error) error {
	var column *quantize.ColumnError
	if errors.As(err, &column) {
		at := *column
		at.Row = i + 1
		return &at
	}
	return fmt.Errorf("models: row %d: %w", i+1, err)
}

// DecryptRows reads a batch of responses and returns the predictions in the order of the rows: all of them, or an error. progress, which may be nil, is told of rows.
//
// batch is the id in [Encrypted]: the responses to any other batch are then refused. The zero id takes those to any batch of this client's key.
func (c *Client) DecryptRows(ctx context.Context, r io.Reader, batch [16]byte, progress tfhe.Progress) ([]quantize.Prediction, error) {
	b, err := c.c.OpenBatch(r)
	if err != nil {
		return nil, err
	}
	if batch != [16]byte{} && b.ID() != batch {
		return nil, tfhe.FileErrorf(tfhe.KindResponses, tfhe.ErrRequest, "models: response file answers another request file")
	}
	var out []quantize.Prediction
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ints, err := b.Decrypt()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, c.file.Post.Integer(ints))
		if progress != nil {
			progress(len(out), b.Rows())
		}
	}
}
