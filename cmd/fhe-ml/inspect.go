package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fhe-ml/fhe-ml/importers"
	"github.com/fhe-ml/fhe-ml/importers/onnx"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// inspectOptions are the flags of inspect.
type inspectOptions struct {
	calibration, target string
	json                bool
	programOptions
}

func (a *app) inspectCommand() *cobra.Command {
	var o inspectOptions
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Describe a model file: its kind, its costs, what clients learn",
		Long: `Inspect reads a trained model (an ONNX file, or one that golearn saved), a NAME.fheml or a NAME.client.fheml and prints what it is.

Of a trained model it shows what the file holds, each operator and what becomes of it, and what one encrypted prediction costs: inspect compiles the
model as convert does, with its default settings. Trees need no data for that. For linear models and networks give example rows with --calibration;
without, made-up ones take their place (normal numbers of mean 0 and deviation 1), sizes and times are close to the real ones, and the sheet says so.
An ONNX graph that is no trained model is inspected as a program over integers when its inputs are described by --input or --inputset, as for convert; then
each operator is shown with what it became.

Where the model cannot be converted, inspect shows which operator is the problem and the way out, and the exit status is 1.

With --json the keys are stable, and null where the file does not tell: a client file has no operation counts, an unsupported model no costs.
Of a trained model: file, format (onnx, golearn), supported, error; kind, task, features, columns, classes; calibration (not needed, made up, or the
file's name); lookups, selects, affines (operations a row), estimated_ms (a row on one core), input_bits, failure_log2 (base-2 logarithm of the
failure probability, -3.4e38 where noise cannot change an answer), security_bits, evaluation_key_bytes, request_bytes, response_bytes, reveals (what a
client learns); report: saved (golearn's type), producer, ir, opsets, inputs, outputs, nodes (name, op, domain, use), raw_scores, trees, tree_nodes,
leaves, thresholds (per feature), layers (units), warnings.`,
		Example: `  fhe-ml inspect model.onnx
  fhe-ml inspect mlp.onnx --calibration train.csv --target label
  fhe-ml inspect rules.onnx --input 'x: uint7[30]'
  fhe-ml inspect model.fheml
  fhe-ml inspect model.client.fheml --json`,
		Args:              one("FILE"),
		ValidArgsFunction: fileArgument("onnx", "golearn", "fheml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.target != "" && o.calibration == "" {
				return usagef("--target names a column of the calibration data; give that with --calibration")
			}
			kind, err := peek(args[0])
			if err != nil {
				return err
			}
			if kind != 0 && o.calibration != "" {
				return usagef("--calibration is for trained models; %s is compiled already", args[0])
			}
			if kind != 0 && o.given() {
				return usagef("--input and --inputset are for ONNX graphs; %s is compiled already", args[0])
			}
			if o.given() && o.calibration != "" {
				return usagef("--calibration is for trained models, --input and --inputset for programs over integers; leave one out")
			}
			asJSON := o.json
			switch kind {
			case 0:
				return a.inspectTrained(cmd.Context(), args[0], o)
			case tfhe.KindModel:
				return a.inspectModel(args[0], asJSON)
			case tfhe.KindClient:
				return a.inspectClient(args[0], asJSON)
			}
			return fmt.Errorf("%s: is a %s of fhe-ml; inspect reads trained models, NAME.fheml and NAME.client.fheml", args[0], kind)
		},
	}
	addFile(cmd, &o.calibration, "calibration", "`DATA` with rows like those that the model will see", "csv", "npy")
	cmd.Flags().StringVar(&o.target, "target", "", "`COLUMN` of the calibration data that is no feature")
	o.programOptions.add(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object")
	return cmd
}

// show prints a JSON object or the sheet.
func (a *app) show(asJSON bool, object any, s *sheet) error {
	return a.emit(func(w io.Writer) error {
		if asJSON {
			return writeJSON(w, object)
		}
		_, err := io.WriteString(w, s.String())
		return err
	})
}

// inspectedTrained is the JSON object of inspect for a trained model: the keys of models.Summary, null where the model is not supported, and what the file
// holds. The help of inspect lists the keys.
type inspectedTrained struct {
	File      string   `json:"file"`
	Format    string   `json:"format"` // "onnx" or "golearn"
	Supported bool     `json:"supported"`
	Error     string   `json:"error,omitempty"`
	Kind      *string  `json:"kind"`
	Task      *string  `json:"task"`
	Features  *int     `json:"features"`
	Columns   []string `json:"columns"`
	Classes   []string `json:"classes"`

	Calibration        *string           `json:"calibration"` // "not needed", "made up", or a file
	Lookups            *int              `json:"lookups"`
	Selects            *int              `json:"selects"`
	Affines            *int              `json:"affines"`
	EstimatedMs        *float64          `json:"estimated_ms"`
	InputBits          *int              `json:"input_bits"`
	FailureLog2        *float64          `json:"failure_log2"`
	SecurityBits       *int              `json:"security_bits"`
	EvaluationKeyBytes *int64            `json:"evaluation_key_bytes"`
	RequestBytes       *int64            `json:"request_bytes"`
	ResponseBytes      *int64            `json:"response_bytes"`
	Reveals            []string          `json:"reveals"`
	Report             *importers.Report `json:"report"`
}

// Sources of the rows behind an estimate.
const (
	calibrationNone   = "not needed"
	calibrationMadeUp = "made up"
)

func (a *app) inspectTrained(ctx context.Context, path string, o inspectOptions) error {
	var m models.Model
	var r *importers.Report
	var err error
	if o.given() {
		m, r, err = o.openGraph(path)
	} else {
		m, r, err = importers.Open(path)
	}
	if r == nil {
		if err == nil {
			err = fmt.Errorf("%s: nothing was read", path)
		}
		return err
	}
	out := inspectedTrained{File: path, Format: r.Format, Report: r}
	var cost *models.Summary
	if err == nil {
		kind := models.Kind(m)
		out.Kind, out.Task, out.Features = &kind, &r.Task, &r.Features
		out.Classes = append([]string{}, r.Classes...)
		var source string
		if cost, source, err = a.cost(ctx, path, m, r, o); cost == nil && errors.Is(err, context.Canceled) {
			return err
		}
		out.Columns = m.Meta().Columns()
		if cost != nil {
			out.charge(cost, source)
		}
	}
	if out.Supported = err == nil; err != nil {
		out.Error = plain(err)
	}
	s := sheet{local: a.local()}
	s.line("file", "%s: %s", path, map[string]string{importers.FormatONNX: "ONNX model", importers.FormatGolearn: "model saved by golearn"}[r.Format])
	s.report(r, out.Columns)
	var unsupported *onnx.UnsupportedError
	if errors.As(err, &unsupported) {
		s.line("problem", "node %s (%s)", unsupported.Node, opName(unsupported.Domain, unsupported.Op))
		s.line("way out", "%s", unsupported.Hint)
	}
	if out.Kind == nil && !o.given() {
		if flags := asProgram(path); flags != "" {
			s.line("or", "as a program over integers, with the bounds of its inputs:")
			s.command("", "fhe-ml inspect "+quote(path)+" "+flags)
		}
	}
	if cost != nil {
		s.cost(cost, *out.Calibration)
	}
	if err == nil {
		next := "fhe-ml convert " + quote(path)
		for _, text := range o.inputs {
			next += " --input " + quote(text)
		}
		if o.inputSet != "" {
			next += " --inputset " + quote(o.inputSet)
		}
		if models.NeedsCalibration(m) {
			data := "DATA"
			if o.calibration != "" {
				data = quote(o.calibration)
			}
			next += " --calibration " + data
		}
		if o.target != "" {
			next += " --target " + quote(o.target)
		}
		s.command("next", next)
	}
	if showErr := a.show(o.json, out, &s); showErr != nil {
		return showErr
	}
	return err
}

// cost compiles the model, with the user's rows or made-up ones where it needs some, and says where they are from.
func (a *app) cost(ctx context.Context, path string, m models.Model, r *importers.Report, o inspectOptions) (*models.Summary, string, error) {
	rows, _, err := a.readCalibration(m, o.calibration, o.target)
	if err != nil {
		return nil, "", err
	}
	source := calibrationNone
	if models.NeedsCalibration(m) {
		if source = o.calibration; source == "" {
			source = calibrationMadeUp
		}
	}
	compiled, err := await(ctx, func() (*models.Compiled, error) {
		if rows == nil {
			return models.Estimate(m, models.CompileOptions{})
		}
		return models.Compile(m, models.CompileOptions{}, rows)
	})
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, r.Locate(err))
	}
	summary := a.summary(compiled)
	return &summary, source, nil
}

// charge fills in what the model costs.
func (out *inspectedTrained) charge(c *models.Summary, source string) {
	out.Calibration = &source
	out.Lookups, out.Selects, out.Affines, out.EstimatedMs = &c.Lookups, &c.Selects, &c.Affines, &c.EstimatedMs
	out.InputBits, out.FailureLog2, out.SecurityBits = &c.InputBits, &c.FailureLog2, &c.SecurityBits
	out.EvaluationKeyBytes, out.RequestBytes, out.ResponseBytes = &c.EvaluationKeyBytes, &c.RequestBytes, &c.ResponseBytes
	out.Reveals = c.Reveals
}

// cost adds what one encrypted prediction takes.
func (s *sheet) cost(c *models.Summary, source string) {
	switch source {
	case calibrationNone:
		s.line("encrypted", "with the default settings of convert:")
	case calibrationMadeUp:
		s.line("encrypted", "an estimate from made-up rows (normal numbers); --calibration DATA makes it exact:")
	default:
		s.line("encrypted", "with the default settings of convert and the rows of %s:", source)
	}
	s.costs(c)
}

// report adds what a file holds.
func (s *sheet) report(r *importers.Report, columns []string) {
	s.line("producer", "%s", r.Producer)
	s.line("saved", "%s", r.Saved)
	var opsets []string
	for _, o := range r.Opsets {
		opsets = append(opsets, fmt.Sprintf("%s %d", domainName(o.Domain), o.Version))
	}
	if r.Format == importers.FormatONNX {
		s.line("format", "IR version %d; opsets %s", r.IR, strings.Join(opsets, ", "))
		s.line("inputs", "%s", valueNames(r.Inputs))
		s.line("outputs", "%s", valueNames(r.Outputs))
	}
	for i, n := range r.Nodes {
		title := ""
		if i == 0 {
			title = "operators"
		}
		s.line(title, "%s %s: %s", opName(n.Domain, n.Op), n.Name, n.Use)
	}
	s.line("kind", "%s", r.Kind)
	s.line("task", "%s", r.Task)
	if r.Features > 0 {
		s.line("features", "%d", r.Features)
	}
	s.line("columns", "%s", some(columns, 8))
	s.list("in the clear", r.InTheClear)
	s.line("classes", "%s", some(r.Classes, 12))
	if r.Trees > 0 {
		s.line("trees", "%d, with %s and %s", r.Trees, plural(r.TreeNodes, "node"), plural(r.Leaves, "leaf"))
		total, used := 0, 0
		for _, n := range r.Thresholds {
			total += n
			if n > 0 {
				used++
			}
		}
		if total > 0 {
			s.line("thresholds", "%d distinct ones on %s, at most %d on one", total, plural(used, "feature"), slices.Max(r.Thresholds))
			s.line("", "%s", some(perFeature(r.Thresholds, columns), 12))
		}
	}
	if len(r.Layers) > 0 {
		s.line("layers", "%s", strings.Trim(strings.ReplaceAll(fmt.Sprint(r.Layers), " ", " -> "), "[]")+" units")
	}
	s.list("warnings", r.Warnings)
}

// perFeature lists the thresholds of each feature that has some, the most first.
func perFeature(thresholds []int, columns []string) []string {
	order := make([]int, len(thresholds))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return thresholds[b] - thresholds[a] })
	var out []string
	for _, f := range order {
		name := fmt.Sprintf("feature %d", f)
		if len(columns) == len(thresholds) {
			name = columns[f]
		}
		if thresholds[f] > 0 {
			out = append(out, fmt.Sprintf("%s: %d", name, thresholds[f]))
		}
	}
	return out
}

func domainName(domain string) string {
	if domain == "" {
		return "ai.onnx"
	}
	return domain
}

func opName(domain, op string) string {
	if domain == "" || domain == "ai.onnx" {
		return op
	}
	return domain + "." + op
}

func valueNames(values []onnx.Value) string {
	var names []string
	for _, v := range values {
		names = append(names, strings.TrimSpace(v.Name+" "+v.Type))
	}
	return some(names, 8)
}

// inspected is the JSON object of inspect for what convert writes.
type inspected struct {
	models.Summary
	// These hide Summary's: a client file does not tell them.
	Lookups     *int     `json:"lookups"`
	Selects     *int     `json:"selects"`
	Affines     *int     `json:"affines"`
	EstimatedMs *float64 `json:"estimated_ms"`

	File       string     `json:"file"`
	Format     string     `json:"format"` // "model" or "client"
	FileBytes  int64      `json:"file_bytes"`
	Task       string     `json:"task"`
	Columns    []string   `json:"columns"`
	Parameters parameters `json:"parameters"`
	// Of a model alone.
	Producer string   `json:"producer,omitempty"`
	Notes    []string `json:"notes,omitempty"`
}

// parameters are those of the scheme, under the names of the literature.
type parameters struct {
	N           int     `json:"poly_degree"`
	K           int     `json:"glwe_dimension"`
	Log2Sigma   float64 `json:"log2_sigma_glwe"`
	Select      string  `json:"select_gadget,omitempty"`
	Slots       int     `json:"packed_rows,omitempty"` // rows of selectors in a packed ciphertext
	Expand      string  `json:"expand_gadget,omitempty"`
	Switch      string  `json:"scheme_switch_gadget,omitempty"`
	SwitchForm  string  `json:"scheme_switch_form,omitempty"`
	Small       int     `json:"small_dimension,omitempty"`
	Block       int     `json:"block_length,omitempty"`
	Log2SigmaN  float64 `json:"log2_sigma_lwe,omitempty"`
	Parts       int     `json:"table_parts,omitempty"`
	BlindRotate string  `json:"blind_rotate_gadget,omitempty"`
	KeySwitch   string  `json:"key_switch_gadget,omitempty"`
}

func newParameters(p tfhe.ParametersLiteral) parameters {
	gadget := func(g tfhe.GadgetParams) string {
		if g.Levels == 0 {
			return ""
		}
		return g.String()
	}
	out := parameters{N: p.PolyDegree, K: p.GLWEDimension, Log2Sigma: p.Log2SigmaGLWE, Select: gadget(p.Select), Small: p.SmallDimension, Block: p.BlockLength,
		Log2SigmaN: p.Log2SigmaLWE, Parts: p.Parts, BlindRotate: gadget(p.BlindRotate), KeySwitch: gadget(p.KeySwitch)}
	if packed, ok := p.PackedQuery(); ok {
		out.Slots, out.Expand, out.Switch, out.SwitchForm = 1<<packed.Log2Slots, gadget(packed.Expand), gadget(packed.Switch), packed.Form.String()
	}
	return out
}

func (s *sheet) parameters(p parameters) {
	s.line("parameters", "N = %d, k = %d, log2 sigma = %.2f%s", p.N, p.K, p.Log2Sigma, after(", select gadget ", p.Select))
	if p.Slots > 0 {
		s.line("", "packed query: up to %s a ciphertext%s, %s scheme switch gadget %s", plural(p.Slots, "row"), after(", expansion gadget ", p.Expand), p.SwitchForm, p.Switch)
	}
	if p.Small > 0 {
		s.line("", "lookups: n = %d in blocks of %d, log2 sigma = %.2f, tables over %s", p.Small, p.Block, p.Log2SigmaN, plural(p.Parts, "part"))
		s.line("", "blind rotation gadget %s, key switch gadget %s", p.BlindRotate, p.KeySwitch)
	}
}

// after puts a prefix before a text that is not empty.
func after(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func (a *app) inspectModel(path string, asJSON bool) error {
	c, err := openModel(path)
	if err != nil {
		return err
	}
	info := c.Model.Meta()
	out := inspected{Summary: a.summary(c), File: path, Format: "model", FileBytes: fileBytes(path), Task: info.Post.Task.String(), Columns: info.Columns(),
		Parameters: newParameters(c.Circuit.Spec.Params), Producer: info.Producer, Notes: c.Quantized.Notes}
	out.Lookups, out.Selects, out.Affines, out.EstimatedMs = &out.Summary.Lookups, &out.Summary.Selects, &out.Summary.Affines, &out.Summary.EstimatedMs
	s := sheet{local: a.local()}
	s.line("file", "%s (%s): model of a server", path, size(out.FileBytes))
	s.line("producer", "%s", info.Producer)
	s.inspected(&out)
	s.line("graph", "%s of integers; the widest code has %s", plural(len(c.Quantized.Graph.Nodes), "node"), plural(c.Quantized.Bits, "bit"))
	s.list("notes", out.Notes)
	s.list("its client reads", out.Reveals)
	return a.show(asJSON, out, &s)
}

func (a *app) inspectClient(path string, asJSON bool) error {
	f, err := readFrom(path, models.ReadClientFile)
	if err != nil {
		return err
	}
	out := inspected{Summary: f.Summary(), File: path, Format: "client", FileBytes: fileBytes(path), Task: f.Post.Task.String(), Columns: f.Pre.Names(),
		Parameters: newParameters(f.Spec.Params)}
	var s sheet
	s.line("file", "%s (%s): client file", path, size(out.FileBytes))
	s.inspected(&out)
	s.list("reveals", out.Reveals)
	return a.show(asJSON, out, &s)
}

func (s *sheet) inspected(out *inspected) {
	s.summary(&out.Summary)
	s.line("task", "%s", out.Task)
	s.line("columns", "%s", some(out.Columns, 8))
	s.parameters(out.Parameters)
}

// fileBytes is the size of a file that was just read.
func fileBytes(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}
