// Package client is the side that holds the secret: it encrypts the input codes of a circuit and decrypts its results. It knows
// a circuit only by its [compiler.ClientSpec], and needs neither the optimiser nor a floating-point FFT: it also builds for js/wasm.
//
//	keys, err := client.GenerateKeys(ctx, spec, nil)
//	c, err := client.New(spec, keys.Secret)
//	request, err := c.Encrypt(codes)
//	integers, err := c.Decrypt(response, request)
//
// Codes are what the model's preprocessing makes of a row; see package models for rows of floats.
package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// Keys are a client's two keys. The evaluation key goes to the server; the secret key never leaves the client.
type Keys struct {
	Secret     *tfhe.SecretKey
	Evaluation *tfhe.EvaluationKey // a header only where the circuit has neither lookups nor packed selectors
}

// GenerateKeys draws a fresh pair for circuits with this specification's parameters. progress may be nil.
func GenerateKeys(ctx context.Context, spec *compiler.ClientSpec, progress tfhe.Progress) (*Keys, error) {
	p, err := spec.Parameters()
	if err != nil {
		return nil, err
	}
	sk, err := tfhe.GenerateSecretKey(p)
	if err != nil {
		return nil, err
	}
	ek, err := tfhe.GenerateEvaluationKey(ctx, sk, progress)
	if err != nil {
		return nil, err
	}
	return &Keys{Secret: sk, Evaluation: ek}, nil
}

// Client encrypts and decrypts for one circuit under one key. It is safe for concurrent use.
type Client struct {
	spec *compiler.ClientSpec
	hash [32]byte
	p    tfhe.Parameters
	sk   *tfhe.SecretKey
}

// New returns a client. The key must have been made for the specification's parameters.
func New(spec *compiler.ClientSpec, sk *tfhe.SecretKey) (*Client, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	p, err := spec.Parameters()
	if err != nil {
		return nil, err
	}
	if sk == nil {
		return nil, errors.New("client: no secret key: make one with GenerateKeys")
	}
	if sk.Parameters().Hash() != p.Hash() {
		return nil, tfhe.FileErrorf(tfhe.KindSecretKey, tfhe.ErrModel, "client: secret key was made for another model: its parameters are not this one's")
	}
	return &Client{spec: spec, hash: spec.Hash(), p: p, sk: sk}, nil
}

// Encrypt encrypts one row of input codes. A code outside its bounds is an error that names its number, not its value.
func (c *Client) Encrypt(codes []int64) (*compiler.Request, error) {
	if len(codes) != len(c.spec.Lo) {
		return nil, fmt.Errorf("client: %d codes where the model takes %d", len(codes), len(c.spec.Lo))
	}
	for i, v := range codes {
		if v < c.spec.Lo[i] || v > c.spec.Hi[i] {
			return nil, fmt.Errorf("client: code %d is outside its range %d..%d", i, c.spec.Lo[i], c.spec.Hi[i])
		}
	}
	enc := tfhe.NewEncryptor(c.sk)
	req := &compiler.Request{Spec: c.hash, Key: c.sk.ID(), Seed: enc.Seed()}
	rand.Read(req.ID[:])
	if words := c.spec.PackedWords(); words > 0 {
		req.Packed = make([]uint64, words)
		c.spec.Pack(req.Packed, codes)
		for n, rest := c.p.N(), req.Packed; len(rest) > 0; rest = rest[n:] {
			enc.GLWE(rest[:n], rest[:n])
		}
	}
	bits := make([]int64, len(c.spec.Selectors))
	for i, sel := range c.spec.Selectors {
		bits[i] = sel.Bit(codes[sel.Code] - c.spec.Lo[sel.Code])
	}
	req.Selectors = make([]uint64, c.spec.SelectorWords())
	bits, singles := bits[:c.spec.Products()], bits[c.spec.Products():]
	if c.p.HasPacked() {
		enc.PackQuery(req.Selectors, bits, singles, c.spec.SingleWidth, c.p.Packed())
		return req, nil
	}
	first := len(bits) * c.p.GGSWWords()
	enc.GGSWs(req.Selectors[:first], bits, c.p.Literal().Select)
	for i, bit := range singles {
		body := req.Selectors[first+i*c.p.N():][:c.p.N()]
		body[0] = uint64(bit) << (64 - c.spec.SingleWidth)
		enc.GLWE(body, body)
	}
	return req, nil
}

// Decrypt returns the circuit's integer results. A response to another request or under another key is an error.
func (c *Client) Decrypt(res *compiler.Response, req *compiler.Request) ([]int64, error) {
	if res == nil || req == nil {
		return nil, errors.New("client: no response, or no request that it answers")
	}
	if res.ID != req.ID {
		return nil, tfhe.FileErrorf(tfhe.KindResponse, tfhe.ErrRequest, "client: response answers another request")
	}
	out, _, err := c.Open(res)
	return out, err
}

// Open decrypts a response whose request is not at hand, and measures the noise that it carried: the largest distance of a decoded value from
// its exact place, relative to the distance at which it would decode wrongly (0: none, 1: wrong).
func (c *Client) Open(res *compiler.Response) (out []int64, noise float64, err error) {
	if res.Spec != c.hash {
		return nil, 0, tfhe.FileErrorf(tfhe.KindResponse, tfhe.ErrModel, "client: response comes from another model than this client file's")
	}
	if res.Key != c.sk.ID() {
		return nil, 0, c.otherKey(res.Key)
	}
	if len(res.Items) != len(c.spec.Items) {
		return nil, 0, fmt.Errorf("client: response has %d ciphertexts where the model gives %d", len(res.Items), len(c.spec.Items))
	}
	phases := make([][]uint64, len(res.Items))
	dec := tfhe.NewDecryptor(c.sk)
	product := make([]uint64, c.p.N())
	for i, it := range res.Items {
		want := c.spec.Items[i]
		if len(it.Mask) != c.p.BigDimension() || len(it.Bodies) != len(want.Coeffs) {
			return nil, 0, fmt.Errorf("client: response ciphertext %d has the wrong size", i)
		}
		dec.MaskProduct(product, it.Mask)
		phases[i] = make([]uint64, len(it.Bodies))
		for j, b := range it.Bodies {
			phases[i][j] = b - product[want.Coeffs[j]]
		}
	}
	out, noise = c.spec.Read(phases)
	return out, noise, nil
}
