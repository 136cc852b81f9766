package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/importers"
	"github.com/fhe-ml/fhe-ml/importers/numpy"
	"github.com/fhe-ml/fhe-ml/importers/onnx"
	"github.com/fhe-ml/fhe-ml/models"
)

// Extensions of the files that convert writes.
const (
	modelExt  = ".fheml"
	clientExt = ".client.fheml"
)

// convertOptions are the flags of convert.
type convertOptions struct {
	calibration, target, name        string
	prefer, task, rounding, lowering string
	bits                             int
	failureLog2                      float64
	hideThresholds, json             bool
	function                         string // of Python files
	programOptions
}

func (a *app) convertCommand() *cobra.Command {
	o := convertOptions{failureLog2: -128}
	cmd := &cobra.Command{
		Use:   "convert MODEL",
		Short: "Turn a trained model into a program for encrypted rows",
		Long: `Convert reads a trained model, an ONNX file or what golearn saves of trees, forests and LinearSVC, a function of a
Python file that uses a subset of numpy, or an ONNX graph of integers, and writes two files:

  NAME.fheml         everything: the float model, its integer form and the encrypted program. It stays on the server.
  NAME.client.fheml  what a client needs to encrypt rows and read answers. It holds no weights and no leaves.

Linear models and networks need --calibration: rows like those that the model will see, without labels. Trees need none.
DATA is a .csv file with a header row, or a two-dimensional .npy file. Columns are matched by name where the model names
its inputs, else by order, and then the header gives the model its names: predict matches by them. A column that is no
feature is named with --target (a column called "target" is known).

A Python function needs the type of its parameters, by --input or by example rows of integers (--inputset). It is not run by
Python: loops and conditions on constants are evaluated here, and what happens to the parameters becomes the program.

An ONNX graph that is no trained model (integer arithmetic, comparisons, decisions, tables, quantized layers, what torch.onnx
writes of torch.where, argmax, remainder, clamp) is compiled in the same way, node by node and exactly, when its inputs are
described by --input or --inputset. A first axis for rows may be left out. Numbers in floating point must be whole where
several encrypted ones meet; functions of one may be anything, if Round or Cast makes integers of them.

Parts of a model can be computed in several ways: affine (one weighted sum, no evaluation key), select and rotate (by bits
that the client encrypts: milliseconds), lookup (table lookups by bootstrapping: a large evaluation key, slow, but of any
value). Convert compares what is possible and takes what costs least by --prefer; it prints the choice and what the others
would have cost. --lowering takes one of them everywhere, and fails, naming the node, where that is impossible.

Values that the server computed and that are too wide for a table lose low bits first: in networks of three layers and more, and
where a Python function calls fhe.round_bit_pattern. --rounding exact takes a lookup for each bit; approximate leaves the bits where
they are: a value near the middle between two multiples may be rounded to the other one than in the clear, with the probability
that convert prints; any other value never is. Try what that does to answers with fhe-ml predict --mode simulated.

Clients of a tree ensemble learn at which values it splits, but not in which order or what follows. With --hide-thresholds they
do not: columns are coded over the range of the calibration rows, which moves thresholds a little (convert says what that costs
on these rows), and one comparison takes up to seven selects.`,
		Example: `  fhe-ml convert forest.onnx
  fhe-ml convert logreg.onnx --calibration train.csv --target label
  fhe-ml convert mlp.onnx --calibration train.npy --bits 5 --prefer upload -o build/mlp
  fhe-ml convert mlp.onnx --calibration train.csv --failure 2^-64 --json
  fhe-ml convert deep.onnx --calibration train.csv --rounding approximate
  fhe-ml convert score.py --input 'x: uint7[30]'
  fhe-ml convert rules.onnx --input 'x: uint7[30]'
  fhe-ml convert rules.py --function risk --input 'age: uint7' --input 'history: 0..3[12]'
  fhe-ml convert forest.onnx --lowering select
  fhe-ml convert forest.onnx --hide-thresholds --calibration train.csv`,
		Args:              one("MODEL"),
		ValidArgsFunction: fileArgument("onnx", "golearn", "py"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd, args[0]); err != nil {
				return err
			}
			return a.convert(cmd.Context(), args[0], o)
		},
	}
	addFile(cmd, &o.calibration, "calibration", "`DATA` with rows like those that the model will see", "csv", "npy")
	cmd.Flags().Var(&number{&o.bits, 1, 7, "auto"}, "bits", "bits of an input code (auto: as the accuracy needs)")
	cmd.Flags().Var(&failure{&o.failureLog2}, "failure", "largest probability that one prediction is wrong by noise")
	addChoice(cmd, &o.prefer, "prefer", "what to make small: time plus upload at 10 MB/s, time, or upload", "balanced", "time", "upload")
	addChoice(cmd, &o.task, "task", "what the model is, where the file leaves it open", "auto", "classify", "regress")
	cmd.Flags().StringVar(&o.target, "target", "", "`COLUMN` of the calibration data that is no feature")
	addChoice(cmd, &o.rounding, "rounding", "how computed values that are too wide for a table lose low bits", "exact", "approximate")
	addChoice(cmd, &o.lowering, "lowering", "how parts of the model are computed; auto: whatever costs least", "auto", "affine", "select", "rotate", "lookup")
	cmd.Flags().BoolVar(&o.hideThresholds, "hide-thresholds", false, "keep from clients where trees split (needs --calibration)")
	cmd.Flags().StringVar(&o.function, "function", "", "`NAME` of the function in a Python file that defines several")
	o.programOptions.add(cmd)
	cmd.Flags().StringVarP(&o.name, "output", "o", "", "write `NAME`.fheml and NAME.client.fheml (default: the model's file name, here)")
	cmd.Flags().BoolVar(&o.json, "json", false, "print the summary as one JSON object")
	return cmd
}

// isPython reports whether a model's file is Python source.
func isPython(path string) bool { return strings.EqualFold(filepath.Ext(path), ".py") }

// check refuses what no file could make right.
func (o *convertOptions) check(cmd *cobra.Command, model string) error {
	if cmd.Flags().Changed("function") && !isPython(model) {
		return usagef("--function is for Python files (.py); leave it out")
	}
	if !isPython(model) && o.given() {
		for _, flag := range []string{"calibration", "bits", "task"} {
			if cmd.Flags().Changed(flag) {
				return usagef("--%s is for trained models, --input and --inputset for programs over integers; leave one out", flag)
			}
		}
	}
	if o.hideThresholds && o.calibration == "" && !isPython(model) {
		return usagef("--hide-thresholds: columns are then coded over the range of example rows; give some with --calibration DATA (.csv or .npy, no labels needed)")
	}
	if o.hideThresholds && o.lowering != "auto" && o.lowering != "select" {
		return usagef("--hide-thresholds is possible with --lowering select only; leave --lowering out")
	}
	if cmd.Flags().Changed("output") {
		if o.name == "-" {
			return usagef("-o -: two files cannot go to standard output; give a name without an extension, like -o build/model")
		}
		base := filepath.Base(o.name)
		if o.name == "" || base == "." || base == ".." || os.IsPathSeparator(o.name[len(o.name)-1]) {
			return usagef("-o %q: is no file name; give the name without an extension, like -o build/model", o.name)
		}
	}
	if o.target != "" && o.calibration == "" {
		return usagef("--target names a column of the calibration data; give that with --calibration")
	}
	return nil
}

// paths are the files to write for a model file.
func (o *convertOptions) paths(model string) (server, client string) {
	name := o.name
	if name == "" {
		name = filepath.Base(model)
		if ext := filepath.Ext(name); (strings.EqualFold(ext, ".onnx") || strings.EqualFold(ext, ".golearn") || isPython(name)) && len(name) > len(ext) {
			name = name[:len(name)-len(ext)]
		}
	} else if trimmed := strings.TrimSuffix(strings.TrimSuffix(name, modelExt), ".client"); trimmed != "" && strings.HasSuffix(name, modelExt) {
		name = trimmed
	}
	return name + modelExt, name + clientExt
}

// compileOptions translates the flags.
func (o *convertOptions) compileOptions() models.CompileOptions {
	prefer := map[string]compiler.Prefer{"balanced": compiler.PreferBalanced, "time": compiler.PreferTime, "upload": compiler.PreferUpload}
	lowering, err := compiler.ParseLowering(o.lowering)
	must(err) // the flag takes no other
	return models.CompileOptions{Bits: o.bits, Log2PFail: o.failureLog2, Prefer: prefer[o.prefer], Lowering: lowering, HideThresholds: o.hideThresholds,
		Rounding: map[string]models.Rounding{"exact": models.RoundExact, "approximate": models.RoundApproximate}[o.rounding]}
}

// importOptions translates the flags.
func (o *convertOptions) importOptions() importers.Options {
	task := map[string]onnx.TaskChoice{"auto": onnx.TaskAuto, "classify": onnx.TaskClassify, "regress": onnx.TaskRegress}
	return importers.Options{Task: task[o.task]}
}

// converted is the JSON object of convert.
type converted struct {
	models.Summary
	Task      string   `json:"task"`
	Producer  string   `json:"producer"`
	Notes     []string `json:"notes"`
	Files     []string `json:"files"` // the server's, the client's
	FileBytes []int64  `json:"file_bytes"`
	ConvertMs float64  `json:"convert_ms"`
}

func (a *app) convert(ctx context.Context, path string, o convertOptions) error {
	start := time.Now()
	serverPath, clientPath := o.paths(path)
	if st, err := os.Stat(o.name); err == nil && !st.Mode().IsRegular() && !st.IsDir() {
		return fmt.Errorf("-o %s: is no regular file; give a name for two files, without an extension, like -o build/model", o.name)
	}
	if err := checkFolder(serverPath); err != nil {
		return err
	}
	for _, p := range []string{serverPath, clientPath} {
		if _, err := place(p); err != nil {
			return err
		}
	}
	m, imported, locate, err := a.open(path, &o)
	unsupported := (*onnx.UnsupportedError)(nil)
	if err != nil && imported != nil && !o.given() {
		if flags := asProgram(path); flags != "" {
			return fmt.Errorf("%w; it is no model that this version knows, but can be compiled as a program over integers: say what its inputs are, for example with %s", err, flags)
		}
	}
	if errors.As(err, &unsupported) && !o.given() {
		return fmt.Errorf("%w; fhe-ml inspect %s lists every operator", err, quote(path))
	}
	if err != nil {
		return err
	}
	calibration, adopted, err := a.readCalibration(m, o.calibration, o.target)
	if err != nil {
		return err
	}
	compiled, err := await(ctx, func() (*models.Compiled, error) { return models.Compile(m, o.compileOptions(), calibration) })
	if errors.Is(err, models.ErrCalibration) {
		kind, article := models.Kind(m), "a"
		if strings.HasPrefix(kind, "a") {
			article = "an"
		}
		return fmt.Errorf("%s: %s %s model needs example rows to be quantized; give some with --calibration DATA (.csv or .npy, no labels needed)", path, article, kind)
	}
	if errors.Is(err, models.ErrNoThresholds) {
		return fmt.Errorf("%s: only the thresholds of tree ensembles can be hidden, and this model's kind is %s; leave --hide-thresholds out", path, models.Kind(m))
	}
	if placed := (*numpy.Error)(nil); err != nil && errors.As(locate(err), &placed) {
		return placed // it names the file
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, lowerError(locate(err), o.lowering))
	}
	if adopted {
		compiled.Quantized.Notes = append(compiled.Quantized.Notes, "columns are matched by the names in the calibration file")
	}
	err = writeAll(ctx,
		output{path: serverPath, write: func(w io.Writer) error { _, err := compiled.WriteTo(w); return err }},
		output{path: clientPath, write: func(w io.Writer) error { _, err := compiled.ClientFile().WriteTo(w); return err }})
	if err != nil {
		return err
	}
	a.noteFailure(compiled.Summary().FailureLog2)
	a.noteRounding(o.rounding, compiled.Circuit.Rounds)
	result := converted{Summary: a.summary(compiled), Task: compiled.Quantized.Post.Task.String(), Producer: m.Meta().Producer,
		Notes: append(append([]string{}, compiled.Quantized.Notes...), imported.Warnings...), Files: []string{serverPath, clientPath},
		FileBytes: []int64{fileBytes(serverPath), fileBytes(clientPath)}, ConvertMs: ms(time.Since(start))}
	if o.json {
		return a.emit(func(w io.Writer) error { return writeJSON(w, result) })
	}
	if a.quiet {
		return nil
	}
	s := sheet{local: a.local()}
	s.line("model", "%s (%s)", path, result.Producer)
	s.summary(&result.Summary)
	s.list("notes", result.Notes)
	s.line("server file", "%s (%s): the whole model, keep it on the server", serverPath, size(result.FileBytes[0]))
	s.line("client file", "%s (%s): give it to clients", clientPath, size(result.FileBytes[1]))
	s.list("it reveals", result.Reveals)
	s.command("next", "fhe-ml predict "+quote(serverPath)+" --input DATA")
	return a.emit(func(w io.Writer) error { _, err := io.WriteString(w, s.String()); return err })
}

// mostQuietLog2 is the log2 of the failure probability above which convert warns: wrong answers are then seen within the life of a service. SECURITY.md says what they give away.
const mostQuietLog2 = -64

// noteFailure warns of a model whose answers are wrong so often that those give the key away to whoever sees them.
func (a *app) noteFailure(log2 float64) {
	if log2 > mostQuietLog2 {
		a.note("failure %s a prediction: results must not be shown to the server or to others who see encrypted rows, as wrong ones tell about the secret key; leave --failure out (2^-128) if they may be shown",
			probability(log2))
	}
}

// noteRounding warns of what approximate results give away, and says where there is nothing to approximate.
func (a *app) noteRounding(asked string, rounds []compiler.ApproximateRound) {
	switch {
	case len(rounds) > 0:
		a.note("approximate rounding: results depend on the noise and so on the secret key; they must not be shown to the server or to others who see encrypted rows, unless rounding is exact")
	case asked == "approximate":
		a.note("--rounding approximate: nothing that the server computes is rounded in this model; it is as with exact rounding")
	}
}

// open reads what convert compiles: a trained model, or a function of a Python file. locate gives errors of compiling that their places in the file, where
// they are about one.
func (a *app) open(path string, o *convertOptions) (m models.Model, report *importers.Report, locate func(error) error, err error) {
	locate = func(err error) error { return err }
	if isPython(path) {
		report = &importers.Report{}
		m, report.Warnings, locate, err = a.openPython(path, o)
		return m, report, locate, err
	}
	if err := readable(path); err != nil {
		return nil, nil, nil, err
	}
	if o.given() {
		if m, report, err = o.openGraph(path); err == nil {
			locate = report.Locate
		}
		return m, report, locate, err
	}
	m, report, err = importers.OpenWith(path, o.importOptions())
	return m, report, locate, err
}

// readCalibration reads example rows; no path gives none. Where the model's file names no columns the data's header does, and adopted is set.
func (a *app) readCalibration(m models.Model, path, target string) (rows [][]float64, adopted bool, err error) {
	if path == "" {
		return nil, false, nil
	}
	r, err := openRows(path, m.Meta(), target, 0)
	if err != nil {
		return nil, false, err
	}
	if err := r.checkMissing(m); err != nil {
		return nil, false, err
	}
	if info := m.Meta(); !info.Named && r.table.Columns() != nil {
		info.Rename(r.columns)
		info.Named, adopted = true, true
	} else {
		a.noteOrder(r)
	}
	return r.x, adopted, nil
}

// readable refuses model files of a kind that a later version reads, and those that are none.
func readable(path string) error {
	kind, err := peek(path)
	if err != nil {
		return err
	}
	if kind != 0 {
		return fmt.Errorf("%s: is a %s of fhe-ml already; convert takes the file it was made from", path, kind)
	}
	return nil
}

// summary adds what a compiled model is and costs.
func (s *sheet) summary(m *models.Summary) {
	s.line("kind", "%s", m.Kind)
	s.line("features", "%d", m.Features)
	s.line("classes", "%s", some(m.Classes, 12))
	s.list("in the clear", m.InTheClear)
	s.costs(m)
}

// costs adds what one encrypted prediction takes.
func (s *sheet) costs(m *models.Summary) {
	if m.Lookups+m.Selects+m.Affines > 0 {
		s.line("operations", "%s, %s, %s a row", plural(m.Affines, "affine"), plural(m.Selects, "select"), plural(m.Lookups, "lookup"))
	}
	s.line("input codes", "up to %s", plural(m.InputBits, "bit"))
	s.line("evaluation key", "%s", keySize(m))
	s.line("request", "%s a row%s", size(m.RequestBytes), tests(m))
	s.line("response", "%s a row", size(m.ResponseBytes))
	s.line("failure", "%s a prediction", probability(m.FailureLog2))
	for i, r := range m.ApproximateRounds {
		s.line([]string{"rounding", ""}[min(i, 1)], "approximate: %s off %s of a row; %s than an exact round (%s beside a tie)", plural(r.Drop, "bit"), plural(r.Values, "value"), differText(r), percentage(r.AtTie))
	}
	s.line("security", "%d bits", m.SecurityBits)
	if m.EstimatedMs > 0 {
		where := ""
		if s.local != nil {
			where = " of this machine"
		}
		s.line("estimated time", "%s a row on one core%s", milliseconds(m.EstimatedMs), where)
	}
	s.lowerings(m.Lowerings)
}

// differText says how often an approximate round is another than an exact one.
func differText(r compiler.ApproximateRound) string {
	if r.Differ < 1e-12 {
		return "in practice no other"
	}
	return percentage(r.Differ) + " of values give another multiple"
}

// percentage writes a small probability.
func percentage(p float64) string {
	if p < 1e-12 {
		return "under 10^-10 %"
	}
	return fmt.Sprintf("%.2g%%", 100*p)
}

// tests says how the client's yes-or-no tests travel.
func tests(m *models.Summary) string {
	switch {
	case m.Selectors == 0:
		return ""
	case m.Packed:
		return ": " + plural(m.Selectors, "test") + " of codes, packed"
	}
	return ": " + plural(m.Selectors, "test") + " of codes, one ciphertext each"
}

// keySize writes the size of the evaluation key.
func keySize(m *models.Summary) string {
	if m.EvaluationKeyBytes == 0 {
		return "none"
	}
	return size(m.EvaluationKeyBytes)
}

// quote makes a file name safe to paste into a shell.
func quote(name string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(`._-/\:+,@%`, r)
	}
	if name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !safe(r) }) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}
