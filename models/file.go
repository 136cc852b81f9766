package models

import (
	"fmt"
	"io"
	"strings"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/quantize"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// fileVersion is the format version of model and client files.
const fileVersion = 1

// modelFile is the payload of NAME.fheml. Exactly one of the models is set; the graph is its printed form.
type modelFile struct {
	Linear  *Linear                 `cbor:"l,omitempty"`
	Trees   *TreeEnsemble           `cbor:"t,omitempty"`
	Network *Network                `cbor:"n,omitempty"`
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
	default:
		return 0, fmt.Errorf("models: a %T cannot be written", m)
	}
	return writePayload(w, tfhe.KindModel, c.Circuit.Spec.Hash(), f)
}

// ReadCompiled reads and checks what [Compiled.WriteTo] wrote.
func ReadCompiled(r io.Reader) (*Compiled, error) {
	var f modelFile
	if err := readPayload(r, tfhe.KindModel, &f); err != nil {
		return nil, err
	}
	c := &Compiled{Circuit: f.Circuit}
	switch {
	case f.Linear != nil && f.Trees == nil && f.Network == nil:
		c.Model = f.Linear
	case f.Trees != nil && f.Linear == nil && f.Network == nil:
		c.Model = f.Trees
	case f.Network != nil && f.Linear == nil && f.Trees == nil:
		c.Model = f.Network
	default:
		return nil, fmt.Errorf("models: file holds not exactly one model")
	}
	if f.Circuit == nil {
		return nil, fmt.Errorf("models: file holds no circuit")
	}
	g, err := compiler.Parse(strings.NewReader(f.Graph))
	if err != nil {
		return nil, fmt.Errorf("models: graph: %w", err)
	}
	c.Quantized = &Quantized{Pre: f.Pre, Graph: g, Post: f.Post, Bits: f.Bits, Notes: f.Notes}
	return c, c.validate()
}

// WriteTo writes the client's file.
func (f *ClientFile) WriteTo(w io.Writer) (int64, error) {
	return writePayload(w, tfhe.KindClient, f.Spec.Hash(), f)
}

// ReadClientFile reads and checks what [ClientFile.WriteTo] wrote.
func ReadClientFile(r io.Reader) (*ClientFile, error) {
	f := new(ClientFile)
	if err := readPayload(r, tfhe.KindClient, f); err != nil {
		return nil, err
	}
	return f, f.Validate()
}

func writePayload(w io.Writer, kind tfhe.Kind, hash [32]byte, v any) (int64, error) {
	data, err := tfhe.EncodePayload(v)
	if err != nil {
		return 0, fmt.Errorf("models: %w", err)
	}
	return int64(len(data)), tfhe.WriteFile(w, tfhe.Header{Kind: kind, Version: fileVersion, Params: hash}, data)
}

func readPayload(r io.Reader, kind tfhe.Kind, v any) error {
	_, data, err := tfhe.ReadFile(r, kind, fileVersion)
	if err == io.EOF {
		return fmt.Errorf("not a %s of fhe-ml: it is empty", kind)
	}
	if err != nil {
		return err
	}
	if err := tfhe.DecodePayload(data, v); err != nil {
		return fmt.Errorf("models: %s: %w", kind, err)
	}
	return nil
}
