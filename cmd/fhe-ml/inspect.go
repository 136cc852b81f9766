package main

import (
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

func (a *app) inspectCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Describe a model file: its kind, its costs, what clients learn",
		Long: `Inspect reads an ONNX file, a NAME.fheml or a NAME.client.fheml and prints what it is. Of an ONNX file it shows the
operators one by one, and which one is the problem where the model cannot be converted; the exit status is then 1.

In JSON a key is null where the file does not tell: a client file has no operation counts, an ONNX file no costs.
failure_log2 is the base-2 logarithm of the failure probability, and -3.4e38 where noise cannot change an answer.`,
		Example: `  fhe-ml inspect model.onnx
  fhe-ml inspect model.fheml
  fhe-ml inspect model.client.fheml --json`,
		Args:              one("FILE"),
		ValidArgsFunction: fileArgument("onnx", "fheml"),
		RunE: func(_ *cobra.Command, args []string) error {
			kind, err := peek(args[0])
			if err != nil {
				return err
			}
			switch kind {
			case 0:
				return a.inspectONNX(args[0], asJSON)
			case tfhe.KindModel:
				return a.inspectModel(args[0], asJSON)
			case tfhe.KindClient:
				return a.inspectClient(args[0], asJSON)
			}
			return fmt.Errorf("%s: is a %s of fhe-ml; inspect reads .onnx, NAME.fheml and NAME.client.fheml", args[0], kind)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
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

// inspectedONNX is the JSON object of inspect for an ONNX file: the keys of models.Summary, null where only a conversion tells, and what the file holds.
type inspectedONNX struct {
	File      string   `json:"file"`
	Format    string   `json:"format"` // "onnx"
	Supported bool     `json:"supported"`
	Error     string   `json:"error,omitempty"`
	Kind      *string  `json:"kind"` // as of a model; this one and those down to Classes are null where the file is not supported
	Task      *string  `json:"task"`
	Features  *int     `json:"features"`
	Columns   []string `json:"columns"`
	Classes   []string `json:"classes"`

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

func (a *app) inspectONNX(path string, asJSON bool) error {
	m, r, err := importers.Open(path)
	if r == nil {
		if err == nil {
			err = fmt.Errorf("%s: nothing was read", path)
		}
		return err
	}
	out := inspectedONNX{File: path, Format: "onnx", Supported: err == nil, Report: r}
	if err != nil {
		out.Error = plain(err)
	} else {
		kind := models.Kind(m)
		out.Kind, out.Task, out.Features = &kind, &r.Task, &r.Features
		out.Columns, out.Classes = m.Meta().Columns(), append([]string{}, r.Classes...)
	}
	var s sheet
	s.line("file", "%s: ONNX model", path)
	s.report(r, out.Columns)
	var unsupported *onnx.UnsupportedError
	if errors.As(err, &unsupported) {
		s.line("problem", "node %s (%s)", unsupported.Node, opName(unsupported.Domain, unsupported.Op))
	}
	if err == nil {
		next := "fhe-ml convert " + quote(path)
		if models.NeedsCalibration(m) {
			next += " --calibration DATA"
		}
		s.command("next", next)
	}
	if showErr := a.show(asJSON, out, &s); showErr != nil {
		return showErr
	}
	return err
}

// report adds what an ONNX file holds.
func (s *sheet) report(r *importers.Report, columns []string) {
	s.line("producer", "%s", r.Producer)
	var opsets []string
	for _, o := range r.Opsets {
		opsets = append(opsets, fmt.Sprintf("%s %d", domainName(o.Domain), o.Version))
	}
	s.line("format", "IR version %d; opsets %s", r.IR, strings.Join(opsets, ", "))
	s.line("inputs", "%s", valueNames(r.Inputs))
	s.line("outputs", "%s", valueNames(r.Outputs))
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
		}
	}
	if len(r.Layers) > 0 {
		s.line("layers", "%s", strings.Trim(strings.ReplaceAll(fmt.Sprint(r.Layers), " ", " -> "), "[]")+" units")
	}
	s.list("warnings", r.Warnings)
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
	out := inspected{Summary: c.Summary(), File: path, Format: "model", FileBytes: fileBytes(path), Task: info.Post.Task.String(), Columns: info.Columns(),
		Parameters: newParameters(c.Circuit.Spec.Params), Producer: info.Producer, Notes: c.Quantized.Notes}
	out.Lookups, out.Selects, out.Affines, out.EstimatedMs = &out.Summary.Lookups, &out.Summary.Selects, &out.Summary.Affines, &out.Summary.EstimatedMs
	var s sheet
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
