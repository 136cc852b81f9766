package models_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// TestRows: rows through streams give the quantized answers, warnings name columns, and errors carry row and column.
func TestRows(t *testing.T) {
	ctx := t.Context()
	c := linear(t, 1, 5)
	s, err := c.NewSession(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows := [][]float64{{0, 0}, {1, 0.5}, {-3, 7}, {0.25, 1}}
	var requests, responses bytes.Buffer
	enc, err := s.Client.EncryptRows(ctx, &requests, rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	if int64(requests.Len()) != s.Client.RequestBytes(len(rows)) {
		t.Errorf("%d bytes, announced were %d", requests.Len(), s.Client.RequestBytes(len(rows)))
	}
	for i, clips := range enc.Clips {
		if (len(clips) > 0) != (i == 2) {
			t.Errorf("row %d: warnings %v", i, clips)
		}
	}
	if w := enc.Clips[2]; len(w) != 2 || w[1].Column != "b" || w[1].Feature != 1 || !strings.Contains(w[1].String(), `column "b" lies outside the calibrated range`) {
		t.Errorf("warnings %v", w)
	}
	if _, err := s.Server.RunBatch(ctx, &responses, bytes.NewReader(requests.Bytes()), nil); err != nil {
		t.Fatal(err)
	}
	for _, id := range [][16]byte{{}, enc.ID} {
		got, err := s.Client.DecryptRows(ctx, bytes.NewReader(responses.Bytes()), id, nil)
		if err != nil || len(got) != len(rows) {
			t.Fatalf("%d rows, %v", len(got), err)
		}
		for i, row := range rows {
			want, err := c.Quantized.Predict(row)
			if err != nil || got[i].Scores[0] != want.Scores[0] {
				t.Errorf("row %d: %v encrypted, %v quantized, %v", i, got[i], want, err)
			}
		}
	}
	if _, err := s.Client.DecryptRows(ctx, bytes.NewReader(responses.Bytes()), [16]byte{1}, nil); !errors.Is(err, tfhe.ErrRequest) {
		t.Errorf("the responses to another batch: %v", err)
	}

	var column *quantize.ColumnError
	requests.Reset()
	_, err = s.Client.EncryptRows(ctx, &requests, [][]float64{{0, 0}, {1, math.NaN()}}, nil)
	if !errors.As(err, &column) || column.Row != 2 || column.Column != "b" || column.Feature != 1 || !errors.Is(err, quantize.ErrMissing) || requests.Len() > 0 {
		t.Errorf("a missing value: %v, %d bytes written", err, requests.Len())
	}
	if _, err := s.Client.EncryptRows(ctx, &requests, [][]float64{{0, 0}, {1}}, nil); err == nil || !strings.Contains(err.Error(), "row 2") {
		t.Errorf("a short row: %v", err)
	}
	for what, err := range map[string]error{
		"encrypted": func() error { _, _, err := s.Client.Encrypt([]float64{math.NaN(), 1}); return err }(),
		"quantized": func() error { _, err := c.Quantized.Predict([]float64{math.NaN(), 1}); return err }(),
		"float":     func() error { _, err := models.Predict(c.Model, []float64{math.NaN(), 1}); return err }(),
		"calibration": func() error {
			_, err := models.Compile(c.Model, models.CompileOptions{}, [][]float64{{math.NaN(), 1}})
			return err
		}(),
	} {
		if !errors.As(err, &column) || column.Column != "a" {
			t.Errorf("%s: no column in %v", what, err)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Client.EncryptRows(cancelled, &requests, rows, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := s.Client.DecryptRows(cancelled, bytes.NewReader(responses.Bytes()), [16]byte{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
