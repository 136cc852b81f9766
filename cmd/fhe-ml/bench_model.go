package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fhe-ml/fhe-ml/cmd/fhe-ml/bench"
	"github.com/fhe-ml/fhe-ml/compiler/client"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// benchModel predicts the rows in all three ways and measures.
func (a *app) benchModel(ctx context.Context, s *subject, o benchOptions) (*bench.Model, error) {
	sum, post := a.summary(s.c), &s.c.Quantized.Post
	m := &bench.Model{Name: s.name, Kind: sum.Kind, Task: post.Task.String(), Producer: s.c.Model.Meta().Producer, Data: filepath.Base(s.r.path), Rows: len(s.r.x),
		Bits: sum.InputBits, EstimatedMs: sum.EstimatedMs, OneCoreMs: bench.Number(math.NaN()), EvaluationKeyBytes: sum.EvaluationKeyBytes,
		RequestBytes: sum.RequestBytes, ResponseBytes: sum.ResponseBytes, CPU: bench.CPU(), FailureLog2: sum.FailureLog2, SecurityBits: sum.SecurityBits,
		Approximate: len(s.c.Circuit.Rounds) > 0, Lookups: sum.Lookups, Selects: sum.Selects, Affines: sum.Affines, Classes: sum.Classes,
		FloatDisagreements: []bench.Disagreement{}, Parts: []bench.Part{}, ByBits: []bench.BitCost{}, Confusion: [][]int{}, Metrics: bench.Metrics{}}
	var parameters sheet
	parameters.parameters(newParameters(s.c.Circuit.Spec.Params))
	m.Parameters = oneLine(parameters.String(), "parameters")
	float, err := a.predictRows(ctx, s.c, models.ModeFloat, s.r.x)
	if err != nil {
		return nil, err
	}
	quantized, err := a.predictRows(ctx, s.c, models.ModeQuantized, s.r.x)
	if err != nil {
		return nil, err
	}
	encrypted, err := a.benchEncrypted(ctx, s, m, o)
	if err != nil {
		return nil, err
	}
	m.Clipped = quantized.clippedCells
	a.compare(s, m, float.predictions, quantized.predictions, encrypted)
	a.scores(s, m, o.seed, float.predictions, quantized.predictions, encrypted)
	if err := a.benchBits(ctx, s, m, o); err != nil {
		return nil, err
	}
	m.PeakRSSBytes = peakRSS()
	return m, nil
}

// oneLine joins the values of a sheet's line that goes on below itself.
func oneLine(text, name string) string {
	var parts []string
	for line := range strings.Lines(text) {
		parts = append(parts, strings.TrimSpace(strings.TrimPrefix(line, name)))
	}
	return strings.Join(parts, "; ")
}

// mostOneCore bounds the rows and the time that the measurement on one core takes.
const (
	mostOneCoreRows = 5
	mostOneCoreTime = 5 * time.Second
)

// benchEncrypted predicts the rows encrypted, with their times and noise.
func (a *app) benchEncrypted(ctx context.Context, s *subject, m *bench.Model, o benchOptions) ([]quantize.Prediction, error) {
	a.announce(s.c, len(s.r.x))
	bar := a.progress("keys", 0)
	session, err := s.c.NewSession(ctx, bar.reporter())
	bar.done()
	if err != nil {
		return nil, err
	}
	opener, err := client.New(&s.c.Circuit.Spec, session.Keys.Secret)
	if err != nil {
		return nil, err
	}
	session.Server.SetThreads(a.threads)
	m.KeyGenMs = ms(session.KeyGen + session.KeyLoad)
	var out []quantize.Prediction
	var encrypt, server, decrypt []float64
	parts := []bench.Part{{Name: "client: encrypt"}}
	spend := func(name string, t float64) {
		i := slices.IndexFunc(parts, func(p bench.Part) bool { return p.Name == name })
		if i < 0 {
			i, parts = len(parts), append(parts, bench.Part{Name: name})
		}
		parts[i].Ms += t / float64(len(s.r.x))
	}
	bar = a.progress("encrypted", len(s.r.x))
	defer bar.done()
	for i, row := range s.r.x {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		req, _, err := session.Client.Encrypt(row)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		encrypted := time.Now()
		res, spent, err := session.Server.RunTimed(ctx, req)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		computed := time.Now()
		p, err := session.Client.Decrypt(res, req)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		end := time.Now()
		_, noise, err := opener.Open(res)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		out = append(out, p)
		encrypt, server, decrypt = append(encrypt, ms(encrypted.Sub(start))), append(server, ms(computed.Sub(encrypted))), append(decrypt, ms(end.Sub(computed)))
		m.RowMs = append(m.RowMs, ms(end.Sub(start)))
		m.Noise.PerRow = append(m.Noise.PerRow, noise)
		spend("client: encrypt", ms(encrypted.Sub(start)))
		rest := computed.Sub(encrypted)
		for _, part := range spent {
			spend("server: "+part.Name, ms(part.Duration))
			rest -= part.Duration
		}
		spend("server: rest", ms(rest))
		bar.step()
	}
	parts = append(parts, bench.Part{Name: "client: decrypt", Ms: mean(decrypt)})
	m.Parts = parts
	m.EncryptMs, m.DecryptMs = percentile(encrypt, 0.5), percentile(decrypt, 0.5)
	m.EncryptedMs, m.ServerMs = percentiles(m.RowMs), percentiles(server)
	predictNoise(s, m)
	if !o.quick {
		return out, a.benchOneCore(ctx, s, m, session)
	}
	return out, nil
}

// benchOneCore measures some rows on one core, which is what estimates are about.
func (a *app) benchOneCore(ctx context.Context, s *subject, m *bench.Model, session *models.Session) error {
	session.Server.SetThreads(1)
	defer session.Server.SetThreads(a.threads)
	var took []float64
	begin := time.Now()
	for _, row := range s.r.x[:min(len(s.r.x), mostOneCoreRows)] {
		if len(took) > 0 && time.Since(begin) > mostOneCoreTime {
			break
		}
		_, t, err := session.Predict(ctx, row)
		if err != nil {
			return err
		}
		took = append(took, ms(t.Run))
	}
	m.OneCoreMs = bench.Number(percentile(took, 0.5))
	return nil
}

// predictNoise adds what the noise was expected to be: the deviation of the noisiest result at the width of the narrowest step.
func predictNoise(s *subject, m *bench.Model) {
	spec := &s.c.Circuit.Spec
	digits, width := 0, 0
	for _, out := range spec.Outputs {
		digits += len(out.Digits)
		for _, d := range out.Digits {
			width = max(width, spec.Items[d.Item].Width)
		}
	}
	m.Noise.Values = digits * len(s.r.x)
	m.Noise.Largest = slices.Max(m.Noise.PerRow)
	m.Noise.Deviation = math.Exp2(s.c.Circuit.Costs.Log2Noise + float64(width) + 1)
	// All of n normal values stay below t with a probability of at least 1 - n*erfc(t/sqrt 2).
	m.Noise.Expected = m.Noise.Deviation * math.Sqrt2 * math.Erfcinv(0.05/float64(m.Noise.Values))
}

// compare finds the rows where answers differ.
func (a *app) compare(s *subject, m *bench.Model, float, quantized, encrypted []quantize.Prediction) {
	post := &s.c.Quantized.Post
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, p := range float {
		for _, v := range p.Scores {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	for i, e := range encrypted {
		if !equal(e, quantized[i]) {
			m.Disagreements++
		}
		f := float[i]
		m.FloatScores, m.DecryptedScores = append(m.FloatScores, f.Scores...), append(m.DecryptedScores, e.Scores...)
		d := bench.Disagreement{Row: i + 1, Truth: s.r.truthText(i)}
		if post.Task == quantize.Classify {
			if f.Label == e.Label {
				continue
			}
			d.Float, d.Encrypted, d.FloatBest, d.Best = f.Label.String(), e.Label.String(), bench.Number(best(f)), bench.Number(best(e))
			m.FloatDisagreements = append(m.FloatDisagreements, d)
			continue
		}
		for k := range f.Scores {
			if math.Abs(f.Scores[k]-e.Scores[k]) > 0.01*(hi-lo) {
				d.Float, d.Encrypted, d.FloatBest, d.Best = bench.Number(f.Scores[k]).String(), bench.Number(e.Scores[k]).String(), bench.Number(f.Scores[k]), bench.Number(e.Scores[k])
				m.FloatDisagreements = append(m.FloatDisagreements, d)
				break
			}
		}
	}
}

// best is the score of the answer, or the one score there is.
func best(p quantize.Prediction) float64 {
	if p.Class < len(p.Scores) {
		return p.Scores[p.Class]
	}
	return p.Scores[len(p.Scores)-1]
}

// truthText is the true answer of a row, empty where it is unknown.
func (r *rows) truthText(i int) string {
	switch {
	case r.labels != nil:
		return r.labels[i]
	case r.y != nil && !math.IsNaN(r.y[i]):
		return shortest(r.y[i])
	}
	return ""
}

// answers are predictions as package bench takes them.
func answers(post *quantize.Postprocessing, predictions []quantize.Prediction) *bench.Answers {
	a := &bench.Answers{}
	for _, p := range predictions {
		if post.Task == quantize.Classify {
			a.Class = append(a.Class, p.Class)
		}
		a.Scores = append(a.Scores, p.Scores)
	}
	return a
}

// classes are the true classes of the rows, -1 where there is none.
func (r *rows) classes(post *quantize.Postprocessing) []int {
	out := make([]int, len(r.x))
	for i := range out {
		out[i] = slices.IndexFunc(post.Classes, func(c quantize.Label) bool { return r.labels[i] != "" && sameLabel(r.labels[i], c) })
	}
	return out
}

// scores measures the answers against the target.
func (a *app) scores(s *subject, m *bench.Model, seed uint64, float, quantized, encrypted []quantize.Prediction) {
	post := &s.c.Quantized.Post
	for i, p := range [][]quantize.Prediction{float, quantized, encrypted} {
		value := math.NaN()
		if score := s.r.score(post, p); score == nil {
			m.ScoreNote = "The true answers are not known here (--target): no scores."
		} else {
			m.Metric, m.ScoreNote, value = score.Metric, score.Note, float64(score.Value)
		}
		*[]*bench.Number{&m.FloatScore, &m.QuantizedScore, &m.EncryptedScore}[i] = bench.Number(value)
	}
	f, q, e := answers(post, float), answers(post, quantized), answers(post, encrypted)
	switch {
	case m.ScoreNote != "":
	case post.Task == quantize.Classify:
		truth := s.r.classes(post)
		m.Metrics = bench.Classification(truth, len(post.Classes), seed, f, q, e)
		m.Confusion = bench.Confusion(truth, e.Class, len(post.Classes))
	default:
		m.Metrics = bench.Regression(s.r.y[:len(s.r.x)], seed, f, q, e)
	}
}

// The widths of the accuracy by bits.
const (
	fewestBits = 2
	mostBits   = 7
)

// benchBits quantizes the model anew to each number of bits and predicts in the clear.
func (a *app) benchBits(ctx context.Context, s *subject, m *bench.Model, o benchOptions) error {
	if o.quick {
		return nil
	}
	hidden := s.c.HidesThresholds()
	if !models.NeedsCalibration(s.c.Model) && !hidden {
		m.BitsNote = "There is no accuracy by bits: the codes of this model follow from its own thresholds or bounds, and lose nothing."
		return nil
	}
	m.BitsNote = "Quantized anew with " + s.clear + ", in the clear; cost as convert predicts it with --prefer balanced."
	bar := a.progress("bits", mostBits-fewestBits+1)
	defer bar.done()
	failure := min(max(s.c.Circuit.Spec.Log2PFail, -128), maxFailureLog2)
	rounding := models.RoundExact
	if m.Approximate {
		rounding = models.RoundApproximate
	}
	for bits := fewestBits; bits <= mostBits; bits++ {
		nan := math.NaN()
		cost := bench.BitCost{Bits: bits, Score: bench.Interval{Value: nan, Low: nan, High: nan}}
		c, err := await(ctx, func() (*models.Compiled, error) {
			return models.Compile(s.c.Model, models.CompileOptions{Bits: bits, Log2PFail: failure, HideThresholds: hidden, Rounding: rounding}, s.training)
		})
		switch {
		case ctx.Err() != nil || errors.As(err, new(*internalError)):
			return err
		case err != nil:
			cost.Note = plain(err)
		default:
			sum := a.summary(c)
			cost.EstimatedMs, cost.RequestBytes = sum.EstimatedMs, sum.RequestBytes
			p, err := a.predictRows(ctx, c, models.ModeQuantized, s.r.x)
			if err != nil {
				return err
			}
			cost.Score = a.interval(s, o.seed, p.predictions)
		}
		m.ByBits = append(m.ByBits, cost)
		bar.step()
	}
	return nil
}

// interval is the score of predictions with its interval: accuracy or R2.
func (a *app) interval(s *subject, seed uint64, predictions []quantize.Prediction) bench.Interval {
	post := &s.c.Quantized.Post
	p := answers(post, predictions)
	switch {
	case s.r.labels != nil:
		return bench.Classification(s.r.classes(post), len(post.Classes), seed, p, p, p)[0].Float
	case s.r.y != nil:
		return bench.Regression(s.r.y[:len(s.r.x)], seed, p, p, p)[0].Float
	}
	return bench.Interval{Value: math.NaN(), Low: math.NaN(), High: math.NaN()}
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

func percentile(x []float64, q float64) float64 {
	return bench.Quantile(slices.Sorted(slices.Values(x)), q)
}

func percentiles(x []float64) bench.Percentiles {
	return bench.Percentiles{P50: bench.Number(percentile(x, 0.5)), P95: bench.Number(percentile(x, 0.95))}
}
