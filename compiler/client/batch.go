package client

import (
	"crypto/rand"
	"fmt"
	"io"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// BatchEncryptor writes the encrypted rows of one batch, as a file or onto the wire.
type BatchEncryptor struct {
	c  *Client
	id [16]byte
	w  *compiler.BatchWriter
	n  int
}

// NewBatch starts a batch of so many rows and writes its head to w: [compiler.ClientSpec.RequestBatchBytes] says how many bytes it will be.
func (c *Client) NewBatch(w io.Writer, rows int) (*BatchEncryptor, error) {
	b := &BatchEncryptor{c: c}
	rand.Read(b.id[:])
	var err error
	b.w, err = compiler.NewRequestWriter(w, c.hash, c.sk.ID(), b.id, rows)
	return b, err
}

// ID names the batch; its responses have the same.
func (b *BatchEncryptor) ID() [16]byte { return b.id }

// Encrypt encrypts the next row of input codes and writes it.
func (b *BatchEncryptor) Encrypt(codes []int64) error {
	req, err := b.c.Encrypt(codes)
	if err != nil {
		return err
	}
	req.ID = compiler.RowID(b.id, b.n)
	b.n++
	return b.w.WriteRequest(req)
}

// Close reports a batch that lacks rows. It does not close the writer.
func (b *BatchEncryptor) Close() error { return b.w.Close() }

// BatchDecryptor reads the results of a batch.
type BatchDecryptor struct {
	c *Client
	r *compiler.ResponseReader
	n int
}

// OpenBatch reads the head of a batch of responses. Responses of another model or under another key are an error.
func (c *Client) OpenBatch(r io.Reader) (*BatchDecryptor, error) {
	in, err := compiler.NewResponseReader(r, c.spec)
	if err != nil {
		return nil, err
	}
	if in.Key() != c.sk.ID() {
		return nil, c.otherKey(in.Key())
	}
	return &BatchDecryptor{c: c, r: in}, nil
}

func (c *Client) otherKey(id tfhe.KeyID) error {
	return tfhe.FileErrorf(tfhe.KindSecretKey, tfhe.ErrKey, "client: response was computed under key %s, this is secret key %s: use the key that encrypted the request", id, c.sk.ID())
}

// Rows is the number of rows.
func (b *BatchDecryptor) Rows() int { return b.r.Rows() }

// ID is that of the batch of requests which the responses answer.
func (b *BatchDecryptor) ID() [16]byte { return b.r.ID() }

// Decrypt returns the integer results of the next row. After the last one it returns io.EOF.
func (b *BatchDecryptor) Decrypt() ([]int64, error) {
	res, err := b.r.Next()
	if err != nil {
		return nil, err
	}
	b.n++
	out, _, err := b.c.Open(res)
	if err != nil {
		return nil, fmt.Errorf("row %d: %w", b.n, err)
	}
	return out, nil
}
