package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fhe-ml/fhe-ml/datasets"
	"github.com/fhe-ml/fhe-ml/importers/onnx"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// demoFiles are three models that scikit-learn trained on the breast cancer data, rows of its training set without labels, and held-out rows with them.
//
//go:embed demo/*.onnx demo/*.csv
var demoFiles embed.FS

// demoModels in the order of the story.
var demoModels = []struct{ file, title string }{
	{"logreg.onnx", "logistic regression"},
	{"gboost.onnx", "20 boosted trees"},
	{"mlp.onnx", "neural network"},
}

func (a *app) demoCommand() *cobra.Command {
	var rows int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Convert and run three models that come with the program",
		Long: `Demo converts three embedded ONNX models (a logistic regression, 20 boosted trees and a neural network, all trained
on the breast cancer data), predicts held-out rows in floating point, quantized and encrypted, and compares. It writes no
file. The exit status is 1 if any encrypted answer differs from the quantized one.`,
		Example: `  fhe-ml demo
  fhe-ml demo --rows 5 --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("demo: takes no arguments, not %q; see fhe-ml demo --help", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), rows, asJSON) },
	}
	cmd.Flags().Var(&number{&rows, 1, math.MaxInt32, "all"}, "rows", "predict only the first N of the 40 held-out rows")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// demoResult is what one model of the demo showed. Times are medians of the rows in milliseconds, but for those of the conversion and the keys.
type demoResult struct {
	models.Summary
	Name           string  `json:"name"`
	Producer       string  `json:"producer"`
	Rows           int     `json:"rows"`
	FloatScore     float64 `json:"float_score"` // accuracy: share of right labels
	QuantizedScore float64 `json:"quantized_score"`
	EncryptedScore float64 `json:"encrypted_score"`
	Agreement      int     `json:"agreement"` // rows whose encrypted scores equal the quantized ones exactly
	ConvertMs      float64 `json:"convert_ms"`
	KeyGenMs       float64 `json:"keygen_ms"` // both keys, and expanding the evaluation key
	EncryptMs      float64 `json:"encrypt_ms"`
	RunMs          float64 `json:"run_ms"`
	DecryptMs      float64 `json:"decrypt_ms"`
}

func (a *app) demo(ctx context.Context, rows int, asJSON bool) error {
	var results []demoResult
	start := time.Now()
	for i, m := range demoModels {
		a.note("%d/%d %s: convert, then predict float, quantized and encrypted", i+1, len(demoModels), m.title)
		r, err := a.demoModel(ctx, m.file, rows)
		if err != nil {
			return fmt.Errorf("demo: %s: %w", m.file, err)
		}
		r.Name = m.title
		results = append(results, *r)
	}
	wrong := 0
	for _, r := range results {
		wrong += r.Rows - r.Agreement
	}
	err := a.emit(func(w io.Writer) error {
		if asJSON {
			return writeJSON(w, map[string]any{"rows": results[0].Rows, "models": results, "disagreements": wrong, "total_ms": ms(time.Since(start))})
		}
		_, err := io.WriteString(w, demoText(results, time.Since(start)))
		return err
	})
	if err == nil && wrong > 0 {
		err = fmt.Errorf("demo: %s where encrypted and quantized differ; please report it", plural(wrong, "row"))
	}
	return err
}

// demoModel converts one embedded model and predicts held-out rows in all three ways.
func (a *app) demoModel(ctx context.Context, file string, rows int) (*demoResult, error) {
	start := time.Now()
	m, r, calibration, err := loadDemo(file, rows)
	if err != nil {
		return nil, err
	}
	c, err := await(ctx, func() (*models.Compiled, error) { return models.Compile(m, models.CompileOptions{}, calibration) })
	if err != nil {
		return nil, err
	}
	out := &demoResult{Summary: a.summary(c), Producer: m.Meta().Producer, Rows: len(r.x), ConvertMs: ms(time.Since(start))}
	if err := r.readTarget(&c.Quantized.Post); err != nil {
		return nil, err
	}
	modes := []models.Mode{models.ModeFloat, models.ModeQuantized, models.ModeEncrypted}
	accuracies := []*float64{&out.FloatScore, &out.QuantizedScore, &out.EncryptedScore}
	byMode := make([]*predicted, len(modes))
	for i, mode := range modes {
		p, err := a.predictRows(ctx, c, mode, r.x)
		if err != nil {
			return nil, err
		}
		s := r.score(&c.Quantized.Post, p.predictions)
		if s == nil {
			return nil, errors.New("the held-out rows have no target")
		}
		byMode[i], *accuracies[i] = p, float64(s.Value)
	}
	quantized, encrypted := byMode[1], byMode[2]
	for i := range encrypted.predictions {
		if equal(quantized.predictions[i], encrypted.predictions[i]) {
			out.Agreement++
		}
	}
	out.KeyGenMs = ms(encrypted.keyGen + encrypted.keyLoad)
	out.EncryptMs, out.RunMs, out.DecryptMs = median(encrypted.encrypt), median(encrypted.run), median(encrypted.decrypt)
	return out, nil
}

// equal compares two predictions to the last bit.
func equal(a, b quantize.Prediction) bool {
	return a.Label == b.Label && a.Class == b.Class && slices.Equal(a.Scores, b.Scores)
}

// loadDemo reads an embedded model, the held-out rows and, for models that need some, the calibration rows.
func loadDemo(file string, most int) (m models.Model, held *rows, calibration [][]float64, err error) {
	data, err := demoFiles.ReadFile("demo/" + file)
	if err != nil {
		return nil, nil, nil, err
	}
	if m, _, err = onnx.Import(data, ""); err != nil {
		return nil, nil, nil, err
	}
	table := func(name string, most int) (*rows, error) {
		data, err := demoFiles.ReadFile("demo/" + name)
		if err != nil {
			return nil, err
		}
		t, err := datasets.ReadCSV(bytes.NewReader(data), name)
		if err != nil {
			return nil, err
		}
		return pick(t, m.Meta(), "", most)
	}
	if held, err = table("heldout.csv", most); err != nil {
		return nil, nil, nil, err
	}
	if models.NeedsCalibration(m) {
		r, err := table("calibration.csv", 0)
		if err != nil {
			return nil, nil, nil, err
		}
		calibration = r.x
	}
	return m, held, calibration, nil
}

// demoText is the story, with a column for each model.
func demoText(results []demoResult, total time.Duration) string {
	cells := func(name string, value func(r *demoResult) string) []string {
		row := []string{name}
		for i := range results {
			row = append(row, value(&results[i]))
		}
		return row
	}
	percent := func(v float64) string { return fmt.Sprintf("%.1f%%", 100*v) }
	table := grid([][]string{
		cells("", func(r *demoResult) string { return r.Name }),
		cells("kind", func(r *demoResult) string { return r.Kind }),
		cells("accuracy in floating point", func(r *demoResult) string { return percent(r.FloatScore) }),
		cells("accuracy quantized", func(r *demoResult) string { return percent(r.QuantizedScore) }),
		cells("accuracy encrypted", func(r *demoResult) string { return percent(r.EncryptedScore) }),
		cells("encrypted equals quantized", func(r *demoResult) string { return fmt.Sprintf("%d of %d", r.Agreement, r.Rows) }),
		cells("keys, once", func(r *demoResult) string { return milliseconds(r.KeyGenMs) }),
		cells("client encrypts a row", func(r *demoResult) string { return milliseconds(r.EncryptMs) }),
		cells("server computes a row", func(r *demoResult) string { return milliseconds(r.RunMs) }),
		cells("client decrypts a row", func(r *demoResult) string { return milliseconds(r.DecryptMs) }),
		cells("evaluation key", func(r *demoResult) string { return keySize(&r.Summary) }),
		cells("request, a row", func(r *demoResult) string { return size(r.RequestBytes) }),
		cells("response, a row", func(r *demoResult) string { return size(r.ResponseBytes) }),
		cells("lookups, selects, affines", func(r *demoResult) string { return fmt.Sprintf("%d, %d, %d", r.Lookups, r.Selects, r.Affines) }),
		cells("failure probability", func(r *demoResult) string { return probability(r.FailureLog2) }),
		cells("security", func(r *demoResult) string { return fmt.Sprintf("%d bits", r.SecurityBits) }),
	})
	agree, all := 0, 0
	for _, r := range results {
		agree, all = agree+r.Agreement, all+r.Rows
	}
	var s strings.Builder
	s.WriteString("Three models that scikit-learn trained on the Wisconsin breast cancer data (30 measurements of cell nuclei;\n" +
		"benign or malignant), read from their ONNX files, predict " + plural(results[0].Rows, "row") + " that no model has seen.\n\n")
	s.WriteString(table)
	fmt.Fprintf(&s, `
What happened, for each model:
  1. convert: numbers became integers of at most 7 bits, the model an integer program, and that a program for ciphertexts.
  2. The client drew a secret key that never leaves it, and encrypted each row with it.
  3. The server ran the program on ciphertexts. It never saw a measurement, a value on the way, or the answer.
  4. The client decrypted. %d of %d encrypted answers equal those of the integer program in the clear, to the last bit.

It took %s. Now your own: fhe-ml convert model.onnx --calibration rows.csv
`, agree, all, milliseconds(ms(total)))
	return s.String()
}
