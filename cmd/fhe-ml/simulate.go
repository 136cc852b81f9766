package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// simulation is what --mode simulated found, beside the predictions. Its JSON keys are stable.
type simulation struct {
	Rows       int     `json:"rows"`
	Differ     int     `json:"rows_that_differ"`          // integer results are not those of the quantized model
	Answers    int     `json:"answers_that_differ"`       // labels, or numbers, are not
	Noise      float64 `json:"largest_noise"`             // of a decoded value, relative to what makes it wrong
	RowsPerSec float64 `json:"rows_per_second"`           //
	Seed       uint64  `json:"seed,omitempty"`            // 0: drawn
	Score      *score  `json:"quantized_score,omitempty"` // of the quantized model on the same rows

	quantized []quantize.Prediction
	spent     time.Duration
}

// predictor returns the function of one row, which counts.
func (m *simulation) predictor(c *models.Compiled) (func([]float64) (quantize.Prediction, models.Timing, error), error) {
	sim, err := c.NewSimulator(compiler.SimulateOptions{Seed: m.Seed})
	if err != nil {
		return nil, err
	}
	regress := c.Quantized.Post.Task == quantize.Regress
	return func(row []float64) (quantize.Prediction, models.Timing, error) {
		start := time.Now()
		s, err := sim.Predict(row)
		if err != nil {
			return quantize.Prediction{}, models.Timing{}, err
		}
		spent := time.Since(start)
		m.spent += spent
		m.Rows++
		m.RowsPerSec = float64(m.Rows) / max(m.spent.Seconds(), 1e-9)
		m.Noise = max(m.Noise, s.Noise)
		m.quantized = append(m.quantized, s.Quantized)
		if s.Differs {
			m.Differ++
			if regress || s.Prediction.Label != s.Quantized.Label {
				m.Answers++
			}
		}
		return s.Prediction, models.Timing{Run: spent, Clips: s.Clips}, nil
	}, nil
}

// String says it in words.
func (m *simulation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "simulated %s at %.0f rows a second: ", plural(m.Rows, "row"), m.RowsPerSec)
	switch {
	case m.Differ == 0:
		b.WriteString("all equal the quantized model")
	case m.Answers == 0:
		fmt.Fprintf(&b, "%d differ from the quantized model, no answer does", m.Differ)
	default:
		fmt.Fprintf(&b, "%d differ from the quantized model, %s", m.Differ, plural(m.Answers, "answer"))
	}
	if m.Score != nil && m.Score.Note == "" {
		fmt.Fprintf(&b, " (quantized: %s)", m.Score)
	}
	return b.String()
}

// simulatedJSON is the JSON object of bench --mode simulated for each model.
type simulatedJSON struct {
	Name      string     `json:"name"`
	Rows      int        `json:"rows"`
	Metric    string     `json:"metric,omitempty"`
	Float     jsonFloat  `json:"float_score"`
	Quantized jsonFloat  `json:"quantized_score"`
	Simulated jsonFloat  `json:"simulated_score"`
	Found     simulation `json:"simulated"`
}

// benchSimulated compares simulated rows with the quantized and the float model's. Nothing is encrypted, and no page is written.
func (a *app) benchSimulated(ctx context.Context, subjects []*subject, o benchOptions) error {
	var s sheet
	all := []simulatedJSON{}
	for _, sub := range subjects {
		post := &sub.c.Quantized.Post
		float, err := a.predictRows(ctx, sub.c, models.ModeFloat, sub.r.x)
		if err != nil {
			return err
		}
		p, err := a.predictRowsSeeded(ctx, sub.c, models.ModeSimulated, sub.r.x, o.seed)
		if err != nil {
			return err
		}
		out := simulatedJSON{Name: sub.name, Rows: len(sub.r.x), Found: *p.simulated, Float: jsonFloat(math.NaN()), Quantized: jsonFloat(math.NaN()), Simulated: jsonFloat(math.NaN())}
		s.line("model", "%s (%s), %s of %s", sub.name, models.Kind(sub.c.Model), plural(len(sub.r.x), "row"), sub.r.path)
		f, q, e := sub.r.score(post, float.predictions), sub.r.score(post, p.simulated.quantized), sub.r.score(post, p.predictions)
		switch {
		case f == nil:
			s.line("score", "the true answers are not known here (--target): no scores")
		case f.Note != "":
			s.line("score", "%s", f.Note)
		default:
			out.Metric, out.Float, out.Quantized, out.Simulated = f.Metric, f.Value, q.Value, e.Value
			s.line(f.Metric, "float %.4f, quantized %.4f, simulated %.4f", float64(f.Value), float64(q.Value), float64(e.Value))
		}
		s.line("simulated answers", "%d of %d equal the quantized ones to the last bit; %s", out.Rows-p.simulated.Differ, out.Rows,
			strings.Replace(plural(p.simulated.Answers, "answer")+" differ", "1 answer differ", "1 answer differs", 1))
		s.line("noise", "at most %.2g of what would make a result wrong", p.simulated.Noise)
		s.line("speed", "%.0f rows a second", p.simulated.RowsPerSec)
		all = append(all, out)
	}
	switch {
	case o.json:
		return a.emit(func(w io.Writer) error { return writeJSON(w, map[string]any{"models": all}) })
	case a.quiet:
		return nil
	}
	return a.emit(func(w io.Writer) error { _, err := io.WriteString(w, s.String()); return err })
}
