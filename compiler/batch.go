package compiler

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fhe-ml/fhe-ml/tfhe"
)

// A batch is what a file or a transfer holds: a head that says how many rows follow, and the rows, each with its own hash. Row i has the batch's id plus i, so
// that a row that is missing, moved or of another batch is noticed: a batch is read whole or not at all.

// MaxBatch bounds the rows of a batch.
const MaxBatch = 1 << 24

// batchBytes is the payload of a head: the number of rows.
const batchBytes = 8

// RowID is the id of row i of a batch.
func RowID(batch [16]byte, i int) [16]byte {
	n := binary.LittleEndian.Uint32(batch[12:])
	binary.LittleEndian.PutUint32(batch[12:], n+uint32(i))
	return batch
}

// RequestBatchBytes is the size of a batch of so many requests, as a file.
func (s *ClientSpec) RequestBatchBytes(rows int) int64 {
	return tfhe.FramingBytes + batchBytes + int64(rows)*(tfhe.FramingBytes+s.RequestBytes())
}

// ResponseBatchBytes is the size of a batch of so many responses, as a file.
func (s *ClientSpec) ResponseBatchBytes(rows int) int64 {
	return tfhe.FramingBytes + batchBytes + int64(rows)*(tfhe.FramingBytes+s.ResponseBytes())
}

// BatchWriter writes a batch of requests or of responses.
type BatchWriter struct {
	w      io.Writer
	kind   tfhe.Kind
	header tfhe.Header
	rows   int
	next   int
}

// NewRequestWriter writes the head of a batch of requests under one key.
func NewRequestWriter(w io.Writer, spec [32]byte, key tfhe.KeyID, batch [16]byte, rows int) (*BatchWriter, error) {
	return newBatchWriter(w, tfhe.KindRequests, spec, key, batch, rows)
}

// NewResponseWriter writes the head of the batch of responses to what b reads.
func NewResponseWriter(w io.Writer, b *RequestReader) (*BatchWriter, error) {
	return newBatchWriter(w, tfhe.KindResponses, b.header.Params, b.header.Key, b.header.Request, b.rows)
}

func newBatchWriter(w io.Writer, kind tfhe.Kind, spec [32]byte, key tfhe.KeyID, batch [16]byte, rows int) (*BatchWriter, error) {
	if rows < 0 || rows > MaxBatch {
		return nil, fmt.Errorf("compiler: a batch of %d rows, where 0..%d are possible: divide it", rows, MaxBatch)
	}
	b := &BatchWriter{w: w, kind: kind, rows: rows,
		header: tfhe.Header{Kind: kind, Version: messageVersion, Params: spec, Key: key, Request: batch}}
	_, err := tfhe.WriteFile(w, b.header, binary.LittleEndian.AppendUint64(nil, uint64(rows)))
	return b, err
}

// check takes the next place in the batch for a row.
func (b *BatchWriter) check(kind tfhe.Kind, spec [32]byte, key tfhe.KeyID, id [16]byte) error {
	if b.kind != kind || spec != b.header.Params || key != b.header.Key || b.next >= b.rows || id != RowID(b.header.Request, b.next) {
		return fmt.Errorf("compiler: row %d of %d does not belong to the batch", b.next+1, b.rows)
	}
	b.next++
	return nil
}

// WriteRequest writes the next row. Its id must be [RowID] of its place.
func (b *BatchWriter) WriteRequest(r *Request) error {
	if err := b.check(tfhe.KindRequests, r.Spec, r.Key, r.ID); err != nil {
		return err
	}
	_, err := r.WriteTo(b.w)
	return err
}

// WriteResponse writes the next row. Its id must be [RowID] of its place.
func (b *BatchWriter) WriteResponse(r *Response) error {
	if err := b.check(tfhe.KindResponses, r.Spec, r.Key, r.ID); err != nil {
		return err
	}
	_, err := r.WriteTo(b.w)
	return err
}

// Close reports a batch that lacks rows. It does not close the writer.
func (b *BatchWriter) Close() error {
	if b.next != b.rows {
		return fmt.Errorf("compiler: a batch of %d rows was announced and %d were written", b.rows, b.next)
	}
	return nil
}

// batchReader is what both readers do.
type batchReader struct {
	r      io.Reader
	spec   *ClientSpec
	header tfhe.Header
	row    tfhe.Kind
	rows   int
	next   int
}

// Rows is the number of rows that the head announces.
func (b *batchReader) Rows() int { return b.rows }

// Key names the key of all rows.
func (b *batchReader) Key() tfhe.KeyID { return b.header.Key }

// ID is the batch's; [RowID] gives those of its rows.
func (b *batchReader) ID() [16]byte { return b.header.Request }

func openBatch(r io.Reader, spec *ClientSpec, kind, row tfhe.Kind) (*batchReader, error) {
	h, data, err := tfhe.ReadFile(r, kind, messageVersion, batchBytes)
	if err == io.EOF {
		return nil, tfhe.FileErrorf(kind, tfhe.ErrTruncated, "%s is empty", kind)
	}
	if err != nil {
		return nil, err
	}
	hash := spec.Hash()
	if h.Params != hash {
		if kind == tfhe.KindRequests {
			return nil, tfhe.FileErrorf(kind, tfhe.ErrModel, "request file was encrypted for another model than this one")
		}
		return nil, tfhe.FileErrorf(kind, tfhe.ErrModel, "response file comes from another model than this client file's")
	}
	if len(data) != batchBytes || binary.LittleEndian.Uint64(data) > MaxBatch {
		return nil, tfhe.FileErrorf(kind, tfhe.ErrDamaged, "%s is damaged: its head is not one of a batch", kind)
	}
	return &batchReader{r: r, spec: spec, header: h, row: row, rows: int(binary.LittleEndian.Uint64(data))}, nil
}

// end is what follows the last row: nothing.
func (b *batchReader) end() error {
	if err := tfhe.AtEnd(b.r, b.header.Kind); err != nil {
		return err
	}
	return io.EOF
}

// check says which row is wrong, and compares the row that was read with its place.
func (b *batchReader) check(err error, key tfhe.KeyID, id [16]byte) error {
	n := b.next + 1
	var file *tfhe.FileError
	switch {
	case err == io.EOF:
		return tfhe.FileErrorf(b.header.Kind, tfhe.ErrTruncated, "%s is cut short: row %d of %d is missing", b.header.Kind, n, b.rows)
	case errors.As(err, &file):
		return tfhe.FileErrorf(file.Kind, file.Err, "row %d of %d: %s", n, b.rows, file.Text)
	case err != nil:
		return fmt.Errorf("row %d of %d: %w", n, b.rows, err)
	case key != b.header.Key:
		return tfhe.FileErrorf(b.row, tfhe.ErrKey, "row %d of %d: %s is of another key than its batch", n, b.rows, b.row)
	case id != RowID(b.header.Request, b.next):
		return tfhe.FileErrorf(b.row, tfhe.ErrRequest, "row %d of %d: %s belongs to another place or another batch", n, b.rows, b.row)
	}
	b.next++
	return nil
}

// RequestReader reads a batch of requests.
type RequestReader struct {
	batchReader
}

// NewRequestReader reads the head of a batch of requests for a circuit with this specification.
func NewRequestReader(r io.Reader, spec *ClientSpec) (*RequestReader, error) {
	b, err := openBatch(r, spec, tfhe.KindRequests, tfhe.KindRequest)
	if err != nil {
		return nil, err
	}
	return &RequestReader{*b}, nil
}

// Next returns the next request. After the last one it returns io.EOF, and an error if the file goes on.
func (b *RequestReader) Next() (*Request, error) {
	if b.next == b.rows {
		return nil, b.end()
	}
	req, err := readRequest(b.r, b.spec, b.header.Params)
	if err != nil {
		return nil, b.check(err, b.header.Key, [16]byte{})
	}
	if err := b.check(nil, req.Key, req.ID); err != nil {
		return nil, err
	}
	return req, nil
}

// ResponseReader reads a batch of responses.
type ResponseReader struct {
	batchReader
}

// NewResponseReader reads the head of a batch of responses from a circuit with this specification.
func NewResponseReader(r io.Reader, spec *ClientSpec) (*ResponseReader, error) {
	b, err := openBatch(r, spec, tfhe.KindResponses, tfhe.KindResponse)
	if err != nil {
		return nil, err
	}
	return &ResponseReader{*b}, nil
}

// Next returns the next response. After the last one it returns io.EOF, and an error if the file goes on.
func (b *ResponseReader) Next() (*Response, error) {
	if b.next == b.rows {
		return nil, b.end()
	}
	res, err := readResponse(b.r, b.spec, b.header.Params)
	if err != nil {
		return nil, b.check(err, b.header.Key, [16]byte{})
	}
	if err := b.check(nil, res.Key, res.ID); err != nil {
		return nil, err
	}
	return res, nil
}
