package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// predictOptions are the flags of predict.
type predictOptions struct {
	input, mode, target, output string
	server, keys                string
	rows                        int
	seed                        uint64
	json                        bool
}

func (a *app) predictCommand() *cobra.Command {
	var o predictOptions
	cmd := &cobra.Command{
		Use:   "predict NAME.fheml --input DATA | predict [NAME] --server URL --input DATA",
		Short: "Predict rows encrypted, simulated, quantized or in floating point",
		Long: `Predict computes the model's answer for every row of DATA, in order, and writes CSV: label,score_<class>,... for
classifiers; prediction, or prediction_<i>, for regressors.

  --mode encrypted   makes fresh keys, encrypts each row, runs the program on the ciphertexts, decrypts (the default)
  --mode simulated   the encrypted program on clear numbers, with the noise that its ciphertexts would have: no keys, thousands
                     of rows a second; shows what --rounding approximate or a higher --failure of convert would cost
  --mode quantized   the same integers computed in the clear; equals encrypted exactly, unless rounding is approximate
  --mode float       the trained model as it was imported, without quantization

With --server the encrypted rows are computed by fhe-ml serve at that address, which gives the client file and gets the
evaluation key; nothing else leaves this machine in the clear. The keys are made for the occasion, or read from --keys, the
folder that keygen wrote. NAME is needed only where the server offers several models.

With a target column (--target, or a column called "target") the accuracy or R2 is printed to standard error.`,
		Example: `  fhe-ml predict model.fheml --input rows.csv
  fhe-ml predict model.fheml --input rows.csv --mode quantized --target label --output answers.csv
  fhe-ml predict model.fheml --input test.csv --mode simulated --target label --output answers.csv
  fhe-ml predict model.fheml --input rows.npy --rows 10 --json
  fhe-ml predict --server http://127.0.0.1:8000 --input rows.csv
  fhe-ml predict model --server https://example.org --keys keys --input rows.csv`,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.server != "" && len(args) == 0 {
				return nil
			}
			return one("NAME.fheml")(cmd, args)
		},
		ValidArgsFunction: fileArgument("fheml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			mode, err := models.ParseMode(o.mode)
			if err != nil {
				return usagef("--mode %q: want float, quantized, simulated or encrypted; see fhe-ml predict --help", o.mode)
			}
			if o.input == "" {
				return usagef("predict: --input is missing; give the rows as a .csv or .npy file")
			}
			if cmd.Flags().Changed("output") && o.output == "" {
				return usagef("--output \"\": is no file name; leave it out, or give - for standard output")
			}
			if o.server != "" && mode != models.ModeEncrypted {
				return usagef("--mode %s: a server computes encrypted rows only; leave --mode or --server out", o.mode)
			}
			if o.seed != 0 && mode != models.ModeSimulated {
				return usagef("--seed is for --mode simulated; keys and noise of encrypted rows are never repeated")
			}
			if o.keys != "" && o.server == "" {
				return usagef("--keys is for --server; without it keys are made for the occasion")
			}
			model := ""
			if len(args) > 0 {
				model = args[0]
			}
			return a.predict(cmd.Context(), model, mode, o)
		},
	}
	addFile(cmd, &o.input, "input", "`DATA` with the rows to predict: .csv with a header row, or .npy", "csv", "npy")
	cmd.Flags().StringVar(&o.mode, "mode", "encrypted", "float, quantized, simulated or encrypted")
	must(cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{"encrypted", "simulated", "quantized", "float"}, cobra.ShellCompDirectiveNoFileComp)))
	cmd.Flags().Var(&number{&o.rows, 1, math.MaxInt32, "all"}, "rows", "predict only the first N rows")
	cmd.Flags().StringVar(&o.target, "target", "", "`COLUMN` with the true answers; it is no feature")
	addFile(cmd, &o.output, "output", "write to `FILE`; - is standard output", "csv", "json")
	cmd.Flags().StringVar(&o.server, "server", "", "`URL` of fhe-ml serve that computes the rows")
	cmd.Flags().StringVar(&o.keys, "keys", "", "folder `DIR` of keys that keygen made, for --server (default: fresh ones)")
	must(cmd.MarkFlagDirname("keys"))
	cmd.Flags().Uint64Var(&o.seed, "seed", 0, "`N` from which --mode simulated draws its noise (default: another one each time)")
	cmd.Flags().BoolVar(&o.json, "json", false, "write one JSON object, with times")
	return cmd
}

// predicted is what predictions of a table gave.
type predicted struct {
	predictions           []quantize.Prediction
	keyGen, keyLoad       time.Duration
	encrypt, run, decrypt []time.Duration // of each row
	clippedRows           []int           // per column of the model: rows outside the calibrated range
	clippedCells          int
	simulated             *simulation // of --mode simulated
}

func (a *app) predict(ctx context.Context, path string, mode models.Mode, o predictOptions) error {
	device, err := stream(o.output)
	if err != nil {
		return err
	}
	if device != nil {
		defer device.Close()
		a.stdout, a.stdoutName = device, o.output
	} else if o.output != "" && o.output != "-" {
		if _, err := place(o.output); err != nil {
			return err
		}
		if o.server == "" && sameFile(o.output, path) || sameFile(o.output, o.input) {
			return fmt.Errorf("%s: is read by this command; give another --output", o.output)
		}
	}
	where := a.predictHere
	if o.server != "" {
		where = a.predictAt
	}
	post, r, p, err := where(ctx, path, mode, o)
	if err != nil {
		return err
	}
	s := r.score(post, p.predictions)
	a.warnClipped(r, p)
	if s != nil {
		a.note("%s", s)
	} else if r.target != "" {
		a.note("column %q is no target of %d numbers a row; no score", r.target, post.Outputs)
	}
	if p.simulated != nil {
		p.simulated.Score = r.score(post, p.simulated.quantized)
		a.note("%s", p.simulated)
	}
	write := func(w io.Writer) error { return writeCSV(w, post, p.predictions) }
	if o.json {
		write = func(w io.Writer) error { return writeJSON(w, p.json(o.mode, post, s)) }
	}
	if device != nil || o.output == "" || o.output == "-" {
		return a.emit(write)
	}
	return writeAll(ctx, output{path: o.output, write: write})
}

// predictHere predicts the rows of a file with a model that is here.
func (a *app) predictHere(ctx context.Context, path string, mode models.Mode, o predictOptions) (*quantize.Postprocessing, *rows, *predicted, error) {
	c, err := openModel(path)
	if err != nil {
		return nil, nil, nil, err
	}
	r, err := openRows(o.input, c.Model.Meta(), o.target, o.rows)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := r.checkMissing(c.Model); err != nil {
		return nil, nil, nil, err
	}
	post := &c.Quantized.Post
	if err := r.readTarget(post); err != nil { // before the slow work
		return nil, nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, nil, err
	}
	a.noteOrder(r)
	p, err := a.predictRowsSeeded(ctx, c, mode, r.x, o.seed)
	return post, r, p, err
}

// noteOrder says that column names were of no use.
func (a *app) noteOrder(r *rows) {
	if r.byOrder != "" {
		a.note("%s: %s; columns are taken in the file's order", r.path, r.byOrder)
	}
}

// mostWarnings bounds the columns that warnClipped names.
const mostWarnings = 10

// warnClipped counts the values outside the calibrated range, column by column.
func (a *app) warnClipped(r *rows, p *predicted) {
	names := r.columns
	if r.info.Pipeline != nil {
		names = r.info.Features // what the columns became
	}
	columns := 0
	for f, n := range p.clippedRows {
		if n == 0 {
			continue
		}
		if columns++; columns <= mostWarnings {
			a.note("%s: column %q: %d of %s outside the calibrated range; the nearest value inside was used", r.path, names[f], n, plural(len(r.x), "row"))
		}
	}
	if columns > mostWarnings {
		a.note("%s: and %s more with values outside the calibrated range", r.path, plural(columns-mostWarnings, "column"))
	}
}

// sameFile reports whether two names are of one file that exists.
func sameFile(a, b string) bool {
	sa, errA := os.Stat(a)
	sb, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(sa, sb)
}

// predictRows predicts rows that hold no value the model cannot take.
func (a *app) predictRows(ctx context.Context, c *models.Compiled, mode models.Mode, x [][]float64) (*predicted, error) {
	return a.predictRowsSeeded(ctx, c, mode, x, 0)
}

// predictRowsSeeded is predictRows with the seed of a simulation.
func (a *app) predictRowsSeeded(ctx context.Context, c *models.Compiled, mode models.Mode, x [][]float64, seed uint64) (*predicted, error) {
	p := &predicted{clippedRows: make([]int, len(c.Model.Meta().Features))}
	if mode == models.ModeSimulated {
		p.simulated = &simulation{Seed: seed}
	}
	predict, err := a.predictor(ctx, c, mode, len(x), p)
	if err != nil {
		return nil, err
	}
	bar := a.progress("predict", len(x))
	defer bar.done()
	start := time.Now()
	for i, row := range x {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		prediction, t, err := predict(row)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		p.predictions = append(p.predictions, prediction)
		p.encrypt, p.run, p.decrypt = append(p.encrypt, t.Encrypt), append(p.run, t.Run), append(p.decrypt, t.Decrypt)
		for _, c := range t.Clips {
			p.clippedRows[c.Feature]++
			p.clippedCells++
		}
		bar.step()
		if left := time.Since(start) * time.Duration(len(x)-1); i == 0 && mode == models.ModeEncrypted && !a.terminal && ms(left) > slowMs {
			a.note("the first row took %s: about %s for the %s left", milliseconds(ms(time.Since(start))), milliseconds(ms(left)), plural(len(x)-1, "row"))
		}
	}
	return p, nil
}

// predictor returns the function of one row, with fresh keys where the mode needs some.
func (a *app) predictor(ctx context.Context, c *models.Compiled, mode models.Mode, rows int, p *predicted) (func([]float64) (quantize.Prediction, models.Timing, error), error) {
	switch mode {
	case models.ModeSimulated:
		return p.simulated.predictor(c)
	case models.ModeFloat:
		return func(row []float64) (quantize.Prediction, models.Timing, error) {
			start := time.Now()
			prediction, err := models.Predict(c.Model, row)
			return prediction, models.Timing{Run: time.Since(start)}, err
		}, nil
	case models.ModeQuantized:
		q, err := models.NewPredictor(c.Quantized)
		if err != nil {
			return nil, err
		}
		codes := make([]int64, len(c.Quantized.Pre.Coders))
		return func(row []float64) (quantize.Prediction, models.Timing, error) {
			clipped, err := c.Quantized.Pre.Encode(codes, row)
			if err != nil {
				return quantize.Prediction{}, models.Timing{}, err
			}
			start := time.Now()
			prediction, err := q.Predict(row)
			return prediction, models.Timing{Run: time.Since(start), Clips: c.Quantized.Pre.Clips(clipped)}, err
		}, nil
	}
	a.announce(c, rows)
	bar := a.progress("keys", 0)
	session, err := c.NewSession(ctx, bar.reporter())
	bar.done()
	if err != nil {
		return nil, err
	}
	session.Server.SetThreads(a.threads)
	p.keyGen, p.keyLoad = session.KeyGen, session.KeyLoad
	return func(row []float64) (quantize.Prediction, models.Timing, error) { return session.Predict(ctx, row) }, nil
}

// slowMs is from when on work is announced.
const slowMs = 5000

// What the client's part takes, as measured on the machine of the compiler's unit costs.
const (
	encryptMsPerByte = 0.2 / (16 << 10) // of a request, on one core
	keyMsPerByte     = 800 / 29e6       // of an evaluation key
)

// expected estimates how long keys and a row take in milliseconds: the client encrypts on all cores, the server's estimate is for one.
func expected(s *models.Summary, cores int) (keys, row float64) {
	return keyMsPerByte * float64(s.EvaluationKeyBytes), encryptMsPerByte*float64(s.RequestBytes)/float64(cores) + s.EstimatedMs
}

// announce says before slow work how long it is expected to take. It is a guess for machines like the one that costs were measured on, and no bound either way.
func (a *app) announce(c *models.Compiled, rows int) {
	s := a.summary(c)
	keys, row := expected(&s, runtime.GOMAXPROCS(0))
	total := keys + row*float64(rows)
	if total <= slowMs {
		return
	}
	text := fmt.Sprintf("%s, about %s in all: %s a row", plural(rows, "encrypted row"), milliseconds(total), milliseconds(row))
	if keys > 0 {
		text += ", after " + milliseconds(keys) + " for keys"
	}
	a.note("%s", text)
}

// scoreColumns names the scores of a prediction.
func scoreColumns(post *quantize.Postprocessing) []string {
	if post.Task == quantize.Regress {
		if post.Outputs == 1 {
			return []string{"prediction"}
		}
		names := make([]string, post.Outputs)
		for i := range names {
			names[i] = "prediction_" + strconv.Itoa(i)
		}
		return names
	}
	classes := post.Classes
	if post.Outputs == 1 && post.Pair == quantize.PairNone {
		classes = classes[1:] // the one score is the second class's
	}
	var names []string
	for _, c := range classes {
		names = append(names, "score_"+c.String())
	}
	return names
}

// writeCSV writes a header and a line for each prediction.
func writeCSV(w io.Writer, post *quantize.Postprocessing, predictions []quantize.Prediction) error {
	out := csv.NewWriter(w)
	classify := post.Task == quantize.Classify
	record := scoreColumns(post)
	if classify {
		record = append([]string{"label"}, record...)
	}
	out.Write(record)
	for _, p := range predictions {
		record = record[:0]
		if classify {
			record = append(record, p.Label.String())
		}
		for _, s := range p.Scores {
			record = append(record, shortest(s))
		}
		out.Write(record)
	}
	out.Flush()
	return out.Error()
}

// predictedJSON is the JSON object of predict. Times are medians of the rows in milliseconds, but for those of the keys.
type predictedJSON struct {
	Mode        string           `json:"mode"`
	Rows        int              `json:"rows"`
	Predictions []predictionJSON `json:"predictions"`
	KeyGenMs    float64          `json:"keygen_ms"`
	KeyLoadMs   float64          `json:"keyload_ms"`
	EncryptMs   float64          `json:"encrypt_ms"`
	RunMs       float64          `json:"run_ms"`
	DecryptMs   float64          `json:"decrypt_ms"`
	Clipped     int              `json:"clipped"` // values outside the calibrated range
	Simulated   *simulation      `json:"simulated,omitempty"`
	Score       *score           `json:"score,omitempty"`
}

// predictionJSON is a label with the score of each class, or one number or several.
type predictionJSON struct {
	Label      *string     `json:"label,omitempty"`
	Scores     []jsonFloat `json:"scores,omitempty"`
	Prediction any         `json:"prediction,omitempty"`
}

func (p *predicted) json(mode string, post *quantize.Postprocessing, s *score) predictedJSON {
	out := predictedJSON{Mode: mode, Rows: len(p.predictions), Predictions: []predictionJSON{}, KeyGenMs: ms(p.keyGen), KeyLoadMs: ms(p.keyLoad),
		EncryptMs: median(p.encrypt), RunMs: median(p.run), DecryptMs: median(p.decrypt), Clipped: p.clippedCells, Simulated: p.simulated, Score: s}
	for _, prediction := range p.predictions {
		scores := make([]jsonFloat, len(prediction.Scores))
		for i, v := range prediction.Scores {
			scores[i] = jsonFloat(v)
		}
		var j predictionJSON
		switch {
		case post.Task == quantize.Classify:
			label := prediction.Label.String()
			j.Label, j.Scores = &label, scores
		case len(scores) == 1:
			j.Prediction = scores[0]
		default:
			j.Prediction = scores
		}
		out.Predictions = append(out.Predictions, j)
	}
	return out
}
