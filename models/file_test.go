package models_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// linear returns a compiled regression over two columns.
func linear(t *testing.T, w0, w1 float64) *models.Compiled {
	t.Helper()
	m := &models.Linear{Info: models.Info{Features: []string{"a", "b"}, Named: true, Post: quantize.Postprocessing{Task: quantize.Regress, Outputs: 1}},
		Weights: [][]float64{{w0, w1}}, Bias: []float64{0.25}}
	c, err := models.Compile(m, models.CompileOptions{}, [][]float64{{0, 0}, {1, 1}, {0.25, 0.25}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestOtherModel: two models with the same encodings and widths are told apart, so that an answer never comes from the wrong one.
func TestOtherModel(t *testing.T) {
	ctx := context.Background()
	mine, other := linear(t, 1, 5), linear(t, 5, 1)
	a, b := mine.Circuit.Spec, other.Circuit.Spec
	a.Model, b.Model = [32]byte{}, [32]byte{}
	if a.Hash() != b.Hash() {
		t.Fatal("the two models differ in more than their names: the test shows nothing")
	}
	s, err := mine.NewSession(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	req, _, err := s.Client.Encrypt([]float64{1, 0})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := foreign.Run(ctx, req); !errors.Is(err, tfhe.ErrMismatch) {
		t.Errorf("another model's server answers: %v", err)
	}
	var wire bytes.Buffer
	if _, err := req.WriteTo(&wire); err != nil {
		t.Fatal(err)
	}
	if _, err := compiler.ReadRequest(&wire, &other.Circuit.Spec); !errors.Is(err, tfhe.ErrMismatch) {
		t.Errorf("another model's server reads the request: %v", err)
	}
	again := linear(t, 1, 5)
	if again.Circuit.Spec.Hash() != mine.Circuit.Spec.Hash() {
		t.Error("the same model compiled twice has two names")
	}
}

// TestFiles: model and client files read back, say how long they are, and refuse what does not belong to them.
func TestFiles(t *testing.T) {
	c := linear(t, 1, 5)
	f := c.ClientFile()
	var model, client bytes.Buffer
	n, err := c.WriteTo(&model)
	if err != nil || n != int64(model.Len()) {
		t.Fatalf("%d of %d bytes, %v", n, model.Len(), err)
	}
	if n, err = f.WriteTo(&client); err != nil || n != int64(client.Len()) {
		t.Fatalf("%d of %d bytes, %v", n, client.Len(), err)
	}
	back, err := models.ReadCompiled(bytes.NewReader(model.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range [][]float64{{0, 0}, {1, 0}, {0.3, 0.9}} {
		a, err := c.Quantized.Predict(row)
		if err != nil {
			t.Fatal(err)
		}
		b, err := back.Quantized.Predict(row)
		if err != nil || a.Scores[0] != b.Scores[0] {
			t.Errorf("row %v: %v and %v after reading, %v", row, a, b, err)
		}
	}
	fileBack, err := models.ReadClientFile(bytes.NewReader(client.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(fileBack.Reveals, "\n") != strings.Join(f.Reveals, "\n") || len(f.Reveals) == 0 {
		t.Errorf("reveals %q, then %q", f.Reveals, fileBack.Reveals)
	}
	for name, data := range map[string][]byte{
		"trailing byte": append(bytes.Clone(model.Bytes()), 'x'),
		"doubled":       append(bytes.Clone(model.Bytes()), model.Bytes()...),
		"client file":   client.Bytes(),
		"empty":         nil,
		"cut":           model.Bytes()[:model.Len()/2],
	} {
		if _, err := models.ReadCompiled(bytes.NewReader(data)); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := 0; i < client.Len(); i += 1 + client.Len()/97 {
		bad := bytes.Clone(client.Bytes())
		bad[i] ^= 0x20
		if _, err := models.ReadClientFile(bytes.NewReader(bad)); err == nil {
			t.Errorf("a flipped bit in byte %d goes unnoticed", i)
		}
	}
}
