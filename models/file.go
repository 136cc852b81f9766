package models

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/quantize"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// fileVersion is the format version of model and client files; the others bound their payloads.
const (
	fileVersion = 1
	maxModel    = 1 << 30
	maxClient   = 1 << 24
)

// modelFile is the payload of NAME.fheml. Exactly one of the models is set; the graph is its printed form.
type modelFile struct {
	Linear  *Linear                 `cbor:"l,omitempty"`
	Trees   *TreeEnsemble           `cbor:"t,omitempty"`
	Network *Network                `cbor:"n,omitempty"`
	Add     *Additive               `cbor:"a,omitempty"`
	Program *Program                `cbor:"y,omitempty"`
	Pre     quantize.Preprocessing  `cbor:"p"`
	Post    quantize.Postprocessing `cbor:"o"`
	Bits    int                     `cbor:"b"`
	Notes   []string                `cbor:"m,omitempty"`
	Graph   string                  `cbor:"g"`
	Circuit *compiler.Circuit       `cbor:"c"`
}

// WriteTo writes the model's file: float model, graph, circuit and client section. It stays on the server.
func (c *Compiled) WriteTo(w io.Writer) (int64, error) {
	f := modelFile{Pre: c.Quantized.Pre, Post: c.Quantized.Post, Bits: c.Quantized.Bits, Notes: c.Quantized.Notes,
		Graph: c.Quantized.Graph.String(), Circuit: c.Circuit}
	switch m := c.Model.(type) {
	case *Linear:
		f.Linear = m
	case *TreeEnsemble:
		f.Trees = m
	case *Network:
		f.Network = m
	case *Additive:
		f.Add = m
	case *Program:
		f.Program = m
	default:
		return 0, fmt.Errorf("models: a %T cannot be written", m)
	}
	return writePayload(w, tfhe.KindModel, c.Circuit.Spec.Hash(), f)
}

// ReadCompiled reads and checks what [Compiled.WriteTo] wrote.
func ReadCompiled(r io.Reader) (*Compiled, error) {
	var f modelFile
	hash, err := readPayload(r, tfhe.KindModel, maxModel, &f)
	if err != nil {
		return nil, err
	}
	c := &Compiled{Circuit: f.Circuit}
	found := 0
	set := func(m Model, there bool) {
		if there {
			c.Model = m
			found++
		}
	}
	set(f.Linear, f.Linear != nil)
	set(f.Trees, f.Trees != nil)
	set(f.Network, f.Network != nil)
	set(f.Add, f.Add != nil)
	set(f.Program, f.Program != nil)
	if found != 1 {
		return nil, tfhe.FileErrorf(tfhe.KindModel, tfhe.ErrDamaged, "models: model is damaged: file holds not exactly one model")
	}
	if f.Circuit == nil {
		return nil, tfhe.FileErrorf(tfhe.KindModel, tfhe.ErrDamaged, "models: model is damaged: file holds no circuit")
	}
	g, err := compiler.Parse(strings.NewReader(f.Graph))
	if err != nil {
		return nil, fmt.Errorf("models: graph: %w", err)
	}
	c.Quantized = &Quantized{Pre: f.Pre, Graph: g, Post: f.Post, Bits: f.Bits, Notes: f.Notes}
	if err := c.validateParts(); err != nil {
		return nil, err
	}
	if c.Circuit.Spec.Hash() != hash || c.Circuit.Spec.Model != modelID(f.Pre, f.Post, f.Graph) { // over the text as it was written: printing may change, the name of a model may not
		return nil, tfhe.FileErrorf(tfhe.KindModel, tfhe.ErrDamaged, "models: model is damaged: its parts belong to different models")
	}
	return c, nil
}

// WriteTo writes the client's file.
func (f *ClientFile) WriteTo(w io.Writer) (int64, error) {
	return writePayload(w, tfhe.KindClient, f.Spec.Hash(), f)
}

// ReadClientFile reads and checks what [ClientFile.WriteTo] wrote.
func ReadClientFile(r io.Reader) (*ClientFile, error) {
	f := new(ClientFile)
	hash, err := readPayload(r, tfhe.KindClient, maxClient, f)
	if err != nil {
		return nil, err
	}
	if err := f.Validate(); err != nil {
		return nil, err
	}
	if f.Spec.Hash() != hash {
		return nil, tfhe.FileErrorf(tfhe.KindClient, tfhe.ErrDamaged, "models: client file is damaged: its header names another model")
	}
	f.Reveals = f.reveals()
	return f, nil
}

func writePayload(w io.Writer, kind tfhe.Kind, hash [32]byte, v any) (int64, error) {
	data, err := tfhe.EncodePayload(v)
	if err != nil {
		return 0, fmt.Errorf("models: %w", err)
	}
	return tfhe.WriteFile(w, tfhe.Header{Kind: kind, Version: fileVersion, Params: hash}, data)
}

// readPayload decodes a file that holds one object of the kind and returns the hash of its header.
func readPayload(r io.Reader, kind tfhe.Kind, limit int64, v any) (hash [32]byte, err error) {
	h, data, err := tfhe.ReadFile(r, kind, fileVersion, limit)
	if err == io.EOF {
		return hash, tfhe.FileErrorf(kind, tfhe.ErrTruncated, "not a %s of fhe-ml: it is empty", kind)
	}
	if err == nil {
		err = tfhe.AtEnd(r, kind)
	}
	if err != nil {
		return hash, err
	}
	if err := tfhe.DecodePayload(data, v); err != nil {
		return hash, fmt.Errorf("models: %s: %w", kind, err)
	}
	return h.Params, nil
}

// modelID is a hash over the whole quantized model: preprocessing, graph and the meaning of its results.
func modelID(pre quantize.Preprocessing, post quantize.Postprocessing, graph string) (id [32]byte) {
	data, err := tfhe.EncodePayload([]any{pre, post, graph})
	if err != nil {
		panic("models: internal error: model does not encode: " + err.Error())
	}
	return sha256.Sum256(data)
}
