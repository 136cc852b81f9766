package compiler

import (
	"io"

	"github.com/fhe-ml/fhe-ml/tfhe"
)

// messageVersion is the format version of requests and responses.
const messageVersion = 1

// Request is one encrypted row. Masks are not in it: they are expanded from the seed, the packed codes' first, then those of the selectors.
type Request struct {
	Spec   [32]byte // hash of the ClientSpec
	Key    tfhe.KeyID
	ID     [16]byte
	Seed   tfhe.Seed
	Packed []uint64 // bodies of the packed ciphertexts: ClientSpec.PackedWords words
	// Selectors are the bodies of a packed query ([tfhe.Encryptor.PackQuery]), or of one GGSW ciphertext or single row a selector: ClientSpec.SelectorWords words.
	Selectors []uint64
}

// Response is one encrypted answer: for each item of the specification a mask of kN words and its body coefficients.
type Response struct {
	Spec  [32]byte
	Key   tfhe.KeyID
	ID    [16]byte // the request's
	Items []ResponseItem
}

// ResponseItem is a GLWE mask and the few body coefficients that are results.
type ResponseItem struct {
	Mask   []uint64
	Bodies []uint64
}

// WriteTo writes the request as one file; rows of a stream follow each other.
func (r *Request) WriteTo(w io.Writer) (int64, error) {
	data := append([]byte(nil), r.Seed[:]...)
	data = tfhe.AppendWords(data, r.Packed)
	data = tfhe.AppendWords(data, r.Selectors)
	h := tfhe.Header{Kind: tfhe.KindRequest, Version: messageVersion, Params: r.Spec, Key: r.Key, Request: r.ID}
	return tfhe.WriteFile(w, h, data)
}

// ReadRequest reads the next request of a stream for a circuit with the given specification; io.EOF at its end.
func ReadRequest(r io.Reader, spec *ClientSpec) (*Request, error) {
	return readRequest(r, spec, spec.Hash())
}

func readRequest(r io.Reader, spec *ClientSpec, hash [32]byte) (*Request, error) {
	h, data, err := tfhe.ReadFile(r, tfhe.KindRequest, messageVersion, spec.RequestBytes())
	if err != nil {
		return nil, err
	}
	if h.Params != hash {
		return nil, tfhe.FileErrorf(tfhe.KindRequest, tfhe.ErrModel, "request was encrypted for another model than this one")
	}
	if int64(len(data)) != spec.RequestBytes() {
		return nil, tfhe.FileErrorf(tfhe.KindRequest, tfhe.ErrDamaged, "request is damaged: it has %d bytes where the model needs %d", len(data), spec.RequestBytes())
	}
	req := &Request{Spec: h.Params, Key: h.Key, ID: h.Request}
	copy(req.Seed[:], data)
	data = data[32:]
	if words := spec.PackedWords(); words > 0 {
		req.Packed, data, _ = tfhe.Words(data, int(words))
	}
	req.Selectors, _, _ = tfhe.Words(data, len(data)/8)
	return req, nil
}

// WriteTo writes the response as one file.
func (r *Response) WriteTo(w io.Writer) (int64, error) {
	var data []byte
	for _, it := range r.Items {
		data = tfhe.AppendWords(data, it.Mask)
		data = tfhe.AppendWords(data, it.Bodies)
	}
	h := tfhe.Header{Kind: tfhe.KindResponse, Version: messageVersion, Params: r.Spec, Key: r.Key, Request: r.ID}
	return tfhe.WriteFile(w, h, data)
}

// ReadResponse reads the next response of a stream; io.EOF at its end.
func ReadResponse(r io.Reader, spec *ClientSpec) (*Response, error) {
	return readResponse(r, spec, spec.Hash())
}

func readResponse(r io.Reader, spec *ClientSpec, hash [32]byte) (*Response, error) {
	h, data, err := tfhe.ReadFile(r, tfhe.KindResponse, messageVersion, spec.ResponseBytes())
	if err != nil {
		return nil, err
	}
	if h.Params != hash {
		return nil, tfhe.FileErrorf(tfhe.KindResponse, tfhe.ErrModel, "response comes from another model than this client file's")
	}
	if int64(len(data)) != spec.ResponseBytes() {
		return nil, tfhe.FileErrorf(tfhe.KindResponse, tfhe.ErrDamaged, "response is damaged: it has %d bytes where the model gives %d", len(data), spec.ResponseBytes())
	}
	res := &Response{Spec: h.Params, Key: h.Key, ID: h.Request}
	for _, it := range spec.Items {
		var item ResponseItem
		item.Mask, data, _ = tfhe.Words(data, spec.maskWords())
		item.Bodies, data, _ = tfhe.Words(data, len(it.Coeffs))
		res.Items = append(res.Items, item)
	}
	return res, nil
}
