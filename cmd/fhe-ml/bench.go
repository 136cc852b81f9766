package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fhe-ml/fhe-ml/cmd/fhe-ml/bench"
	"github.com/fhe-ml/fhe-ml/datasets"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// benchOptions are the flags of bench.
type benchOptions struct {
	inputs, targets     []string
	output, calibration string
	mode                string
	rows                int
	seed                uint64
	quick, json         bool
}

func (a *app) benchCommand() *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench NAME.fheml... --input DATA --target COLUMN|FILE.npy",
		Short: "Measure what encryption costs in accuracy and time, as a report",
		Long: `Bench predicts the rows of DATA in floating point, quantized and encrypted, compares the answers with the true ones, and
writes REPORT.html: one page without links to anywhere, with scores and their confidence intervals, every row where answers
differ, the accuracy by bits, times, where they go, sizes and noise. REPORT.json and REPORT.md beside it hold the same as
numbers and as text.

The true answers are a column of DATA, or a one-dimensional .npy file with a number for each row. Use rows that the model was
not trained on. Several models make one page that compares them: give one --input and --target for all of them, or one for
each, in their order.

With --mode simulated nothing is encrypted and no page is written: the rows go through the encrypted program on clear numbers
with the noise that ciphertexts would have, thousands a second, and what is printed is how the answers compare with the
quantized model's: what --rounding approximate or a higher --failure of convert cost on a whole test set.`,
		Example: `  fhe-ml bench model.fheml --input heldout.csv --target label
  fhe-ml bench model.fheml --input x.npy --target y.npy --rows 100 --output report.html
  fhe-ml bench logreg.fheml forest.fheml --input heldout.csv --target label --json
  fhe-ml bench model.fheml --input heldout.csv --target label --mode simulated`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("bench: NAME.fheml is missing; see fhe-ml bench --help")
			}
			return nil
		},
		ValidArgsFunction: fileArgument("fheml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(args); err != nil {
				return err
			}
			return a.bench(cmd.Context(), args, o)
		},
	}
	cmd.Flags().StringArrayVar(&o.inputs, "input", nil, "`DATA` with rows: .csv with a header row, or .npy")
	must(cmd.RegisterFlagCompletionFunc("input", cobra.FixedCompletions([]string{"csv", "npy"}, cobra.ShellCompDirectiveFilterFileExt)))
	cmd.Flags().StringArrayVar(&o.targets, "target", nil, "`COLUMN` with the true answers, or a .npy file of them (default: a column called \"target\")")
	cmd.Flags().Var(&number{&o.rows, 1, math.MaxInt32, "all"}, "rows", "take only the first N rows")
	addFile(cmd, &o.output, "output", "write `REPORT.html`, and .json and .md beside it (default: NAME.report.html, here)", "html")
	addFile(cmd, &o.calibration, "calibration", "`DATA` to quantize with for the accuracy by bits (default: the rows of --input)", "csv", "npy")
	cmd.Flags().StringVar(&o.mode, "mode", "encrypted", "encrypted, or simulated: on clear numbers with the noise of ciphertexts, and no page")
	must(cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{"encrypted", "simulated"}, cobra.ShellCompDirectiveNoFileComp)))
	cmd.Flags().Uint64Var(&o.seed, "seed", 1, "`N` from which confidence intervals, and simulated noise, are drawn")
	cmd.Flags().BoolVar(&o.quick, "quick", false, "leave out what takes further runs: accuracy by bits, time on one core")
	cmd.Flags().BoolVar(&o.json, "json", false, "print the numbers as one JSON object too")
	return cmd
}

// check refuses what no file could make right.
func (o *benchOptions) check(args []string) error {
	if len(o.inputs) == 0 {
		return usagef("bench: --input is missing; give the rows as a .csv or .npy file")
	}
	for _, x := range []struct {
		flag string
		n    int
	}{{"input", len(o.inputs)}, {"target", len(o.targets)}} {
		if x.n > 1 && x.n != len(args) {
			return usagef("bench: --%s is given %d times for %s; give one for all, or one for each", x.flag, x.n, plural(len(args), "model"))
		}
	}
	switch {
	case o.mode != "encrypted" && o.mode != "simulated":
		return usagef("--mode %q: want encrypted or simulated; see fhe-ml bench --help", o.mode)
	case o.mode == "simulated" && o.output != "":
		return usagef("--output is for pages of encrypted rows; --mode simulated prints to the screen, or with --json as JSON")
	}
	if o.output != "" && !strings.EqualFold(filepath.Ext(o.output), ".html") {
		return usagef("--output %q: must end in .html; .json and .md files are written beside it", o.output)
	}
	return nil
}

// of picks the value of a repeated flag for a model.
func of(values []string, model int) string {
	switch len(values) {
	case 0:
		return ""
	case 1:
		return values[0]
	}
	return values[model]
}

// paths are the files to write.
func (o *benchOptions) paths(args []string) [3]string {
	page := o.output
	if page == "" {
		name := "models"
		if len(args) == 1 {
			name = modelName(args[0])
		}
		page = name + ".report.html"
	}
	stem := page[:len(page)-len(filepath.Ext(page))]
	return [3]string{page, stem + ".json", stem + ".md"}
}

// modelName is the name of a model's file without folder and extension.
func modelName(path string) string {
	name := filepath.Base(path)
	if trimmed := strings.TrimSuffix(name, modelExt); trimmed != "" {
		return trimmed
	}
	return name
}

// subject is a model with the rows to try it on.
type subject struct {
	name     string
	c        *models.Compiled
	r        *rows
	training [][]float64 // to quantize with
	clear    string      // says what training is
}

func (a *app) bench(ctx context.Context, args []string, o benchOptions) error {
	paths := o.paths(args)
	for _, p := range paths {
		if o.mode == "simulated" {
			break // nothing is written
		}
		if _, err := place(p); err != nil {
			return err
		}
		for _, in := range append(append([]string{o.calibration}, args...), append(o.inputs, o.targets...)...) {
			if in != "" && sameFile(p, in) {
				return fmt.Errorf("%s: is read by this command; give another --output", p)
			}
		}
	}
	var subjects []*subject
	for i, path := range args { // all files are read before the slow work
		s, err := a.benchSubject(path, of(o.inputs, i), of(o.targets, i), o)
		if err != nil {
			return err
		}
		subjects = append(subjects, s)
	}
	if o.mode == "simulated" {
		return a.benchSimulated(ctx, subjects, o)
	}
	out := &bench.Report{}
	for i, s := range subjects {
		if len(subjects) > 1 {
			a.note("%d/%d %s", i+1, len(subjects), s.name)
		}
		m, err := a.benchModel(ctx, s, o)
		if err != nil {
			return fmt.Errorf("%s: %w", args[i], err)
		}
		out.Models = append(out.Models, m)
	}
	out.Machine, out.Peers = a.machine(o.seed), bench.Peers()
	err := writeAll(ctx,
		output{path: paths[0], write: out.HTML},
		output{path: paths[1], write: func(w io.Writer) error { return writeJSON(w, out.JSON()) }},
		output{path: paths[2], write: out.Markdown})
	if err != nil {
		return err
	}
	wrong := 0
	for _, m := range out.Models {
		if !m.Approximate {
			wrong += m.Disagreements
		}
	}
	switch {
	case o.json:
		err = a.emit(func(w io.Writer) error { return writeJSON(w, out.JSON()) })
	case !a.quiet:
		err = a.emit(func(w io.Writer) error { _, err := io.WriteString(w, benchText(out, paths)); return err })
	}
	if err == nil && wrong > 0 {
		err = fmt.Errorf("bench: %s where encrypted and quantized differ; please report it", plural(wrong, "row"))
	}
	return err
}

// benchSubject reads a model and its rows with the true answers.
func (a *app) benchSubject(path, input, target string, o benchOptions) (*subject, error) {
	c, err := openModel(path)
	if err != nil {
		return nil, err
	}
	column, file := target, ""
	if strings.EqualFold(filepath.Ext(target), ".npy") {
		column, file = "", target
	}
	r, err := openRows(input, c.Model.Meta(), column, o.rows)
	if err != nil {
		return nil, err
	}
	if err := r.checkMissing(c.Model); err != nil {
		return nil, err
	}
	if len(r.x) == 0 {
		return nil, fmt.Errorf("%s: has no rows; give some that the model was not trained on", r.path)
	}
	post := &c.Quantized.Post
	if file != "" {
		err = r.readTargetFile(file, post)
	} else {
		err = r.readTarget(post)
	}
	if err != nil {
		return nil, err
	}
	a.noteOrder(r)
	s := &subject{name: modelName(path), c: c, r: r, training: r.x, clear: "the rows of " + filepath.Base(r.path) + " themselves"}
	if o.calibration != "" {
		t, err := openRows(o.calibration, c.Model.Meta(), column, 0)
		if err != nil {
			return nil, err
		}
		if err := t.checkMissing(c.Model); err != nil {
			return nil, err
		}
		s.training, s.clear = t.x, filepath.Base(t.path)
	}
	return s, nil
}

// readTargetFile reads the true answers from a .npy file, one for each row of the table.
func (r *rows) readTargetFile(path string, post *quantize.Postprocessing) error {
	y, err := datasets.OpenVector(path)
	if err != nil {
		return err
	}
	if len(y) != r.table.NumRows() {
		return fmt.Errorf("%s: has %d numbers for the %s of %s; give one for each", path, len(y), plural(r.table.NumRows(), "row"), r.path)
	}
	r.target = filepath.Base(path)
	if post.Task == quantize.Regress {
		if post.Outputs == 1 {
			r.y = y
		}
		return nil
	}
	r.labels = make([]string, len(y))
	for i, v := range y {
		if !math.IsNaN(v) {
			r.labels[i] = shortest(v)
		}
	}
	return nil
}

// machine describes this run.
func (a *app) machine(seed uint64) bench.Machine {
	var command []string
	for i, arg := range os.Args {
		if i == 0 {
			arg = filepath.Base(arg)
		}
		command = append(command, quote(arg))
	}
	return bench.Machine{CPU: bench.CPU(), Cores: runtime.NumCPU(), Threads: runtime.GOMAXPROCS(0), OS: osName(), Version: versionText(), Command: strings.Join(command, " "),
		Date: time.Now().UTC().Format(time.RFC3339), Seed: seed, PeakRSSBytes: peakRSS(), Calibrated: a.local() != nil}
}

// benchText is what people see at the end.
func benchText(r *bench.Report, paths [3]string) string {
	var s sheet
	for _, m := range r.Models {
		s.line("model", "%s (%s), %s of %s", m.Name, m.Kind, plural(m.Rows, "row"), m.Data)
		if m.ScoreNote == "" {
			s.line(m.Metric, "float %s, quantized %s, encrypted %s", m.FloatScore, m.QuantizedScore, m.EncryptedScore)
		} else {
			s.line("score", "%s", m.ScoreNote)
		}
		s.line("encrypted answers", "%d of %d equal the quantized ones to the last bit; %d differ from the float model's", m.Rows-m.Disagreements, m.Rows, len(m.FloatDisagreements))
		s.line("time of a row", "%s, at most %s in 95%% of rows; the server's part %s", milliseconds(float64(m.EncryptedMs.P50)), milliseconds(float64(m.EncryptedMs.P95)), milliseconds(float64(m.ServerMs.P50)))
		s.line("noise", "at most %.2g of what would make an answer wrong", m.Noise.Largest)
	}
	s.line("report", "%s", paths[0])
	s.line("the same as", "%s, %s", paths[1], paths[2])
	return s.String()
}
