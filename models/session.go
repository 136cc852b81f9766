package models

import (
	"context"
	"fmt"
	"time"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/client"
	"github.com/fhe-ml/fhe-ml/compiler/server"
	"github.com/fhe-ml/fhe-ml/quantize"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// Client encrypts rows of features and decrypts predictions. It holds the secret key and is safe for concurrent use.
type Client struct {
	file *ClientFile
	c    *client.Client
}

// GenerateKeys draws a fresh secret key and its evaluation key for the model. progress may be nil.
func GenerateKeys(ctx context.Context, f *ClientFile, progress tfhe.Progress) (*client.Keys, error) {
	return client.GenerateKeys(ctx, &f.Spec, progress)
}

// NewClient returns a client for the file's model. The key must have been made for its parameters.
func NewClient(f *ClientFile, sk *tfhe.SecretKey) (*Client, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	c, err := client.New(&f.Spec, sk)
	if err != nil {
		return nil, err
	}
	return &Client{file: f, c: c}, nil
}

// Encrypt encrypts one row of raw features. clips are warnings: the columns whose value lies outside the calibrated range, where the nearest value inside
// was used. A missing value (NaN) that the model does not route is a [quantize.ColumnError].
func (c *Client) Encrypt(row []float64) (req *compiler.Request, clips []quantize.Clip, err error) {
	codes, clips, err := c.encode(row)
	if err != nil {
		return nil, nil, err
	}
	req, err = c.c.Encrypt(codes)
	return req, clips, err
}

// Decrypt returns the prediction that a response to req holds.
func (c *Client) Decrypt(res *compiler.Response, req *compiler.Request) (quantize.Prediction, error) {
	ints, err := c.c.Decrypt(res, req)
	if err != nil {
		return quantize.Prediction{}, err
	}
	return c.file.Post.Integer(ints), nil
}

// Session is both ends of a compiled model in one process, with fresh keys: for trying, testing and measuring. A service keeps them apart.
type Session struct {
	Client   *Client
	Server   *server.Server
	Keys     *client.Keys
	KeyGen   time.Duration // of both keys
	KeyLoad  time.Duration // of expanding the evaluation key
	compiled *Compiled
}

// NewSession generates keys and loads the evaluation key. progress, which may be nil, is told of both.
func (c *Compiled) NewSession(ctx context.Context, progress tfhe.Progress) (*Session, error) {
	f := c.ClientFile()
	start := time.Now()
	keys, err := GenerateKeys(ctx, f, progress)
	if err != nil {
		return nil, err
	}
	s := &Session{Keys: keys, KeyGen: time.Since(start), compiled: c}
	if s.Client, err = NewClient(f, keys.Secret); err != nil {
		return nil, err
	}
	if s.Server, err = c.NewServer(); err != nil {
		return nil, err
	}
	start = time.Now()
	err = s.Server.LoadKey(ctx, keys.Evaluation, progress)
	s.KeyLoad = time.Since(start)
	return s, err
}

// Timing says how long each part of one encrypted prediction took, and what it moved.
type Timing struct {
	Encrypt, Run, Decrypt time.Duration
	Clips                 []quantize.Clip // columns outside the calibrated range
}

// Predict encrypts one row, runs the circuit on the ciphertexts and decrypts the answer.
func (s *Session) Predict(ctx context.Context, row []float64) (quantize.Prediction, Timing, error) {
	var t Timing
	start := time.Now()
	req, clips, err := s.Client.Encrypt(row)
	if err != nil {
		return quantize.Prediction{}, t, err
	}
	t.Clips = clips
	t.Encrypt = time.Since(start)
	start = time.Now()
	res, err := s.Server.Run(ctx, req)
	if err != nil {
		return quantize.Prediction{}, t, err
	}
	t.Run = time.Since(start)
	start = time.Now()
	pred, err := s.Client.Decrypt(res, req)
	t.Decrypt = time.Since(start)
	return pred, t, err
}

// Mode says how a prediction is computed.
type Mode int

// The modes of predict.
const (
	ModeEncrypted Mode = iota // on ciphertexts, with fresh keys
	ModeQuantized             // the quantized model in the clear: Graph.Eval
	ModeFloat                 // the imported model in floating point
	ModeSimulated             // the circuit on clear numbers with the noise of ciphertexts: Simulator
)

// ParseMode reads a mode's name.
func ParseMode(s string) (Mode, error) {
	switch s {
	case "encrypted":
		return ModeEncrypted, nil
	case "quantized":
		return ModeQuantized, nil
	case "float":
		return ModeFloat, nil
	case "simulated":
		return ModeSimulated, nil
	}
	return 0, fmt.Errorf("models: mode %q is none of float, quantized, simulated, encrypted", s)
}
