package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/models"
)

// explainOptions are the flags of explain.
type explainOptions struct {
	format, output string
	all, json      bool
}

// maxExplained is up to how many nodes explain lists each of them without --all.
const maxExplained = 120

func (a *app) explainCommand() *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain FILE",
		Short: "Show how a compiled model is computed, node by node",
		Long: `Explain reads a NAME.fheml and shows the integer graph that the encrypted program computes, one line a node: what it does, the shape of its value, the
bounds and bits of that, what it costs, and which part of the program computes it. Then come the parts with the lowerings that were compared, and where
the time goes. All numbers are predictions, made when the model was compiled; nothing runs.

  bits      bits of a node's widest value, counted from the node's smallest one
  norm2     of what a table takes: the sum of its squared weights, the largest of the node's tables. Noise grows with its root
  margin    of what a table takes: by how many standard deviations the noise may be off before the table gives a wrong answer
  ms        predicted time of the node's tables for a row, on one core. Weighted sums and moved values take next to none

A graph of more than 120 nodes is summarised by operation; --all lists every node.

--format dot is for Graphviz, svg is a picture for a browser (at most 400 nodes), graph is the whole graph with all constants, which the compiler reads back.

With --json the keys are stable: file, kind, estimated_ms, failure_log2, noise_log2 (largest predicted deviation of a result, relative to the
torus), margin (of the results, null where there is no noise), known (whether the costs of nodes are known: false where another version
compiled the file); nodes: id, op, label, args (ids), shape, lo, hi, bits, role, test (of a scalar test
that the client makes), part (an index into parts, or null), lookups,
rotations, selects, norm2, margin, failure_log2 (null where no table is looked up), estimated_ms; parts: part, lowering, forced, instead (as inspect
--json has them), nodes, estimated_ms (null where it cannot be told apart); times: kind (input, lookup, bits, rotate, select, product, sum), count,
estimated_ms; outputs (ids).`,
		Example: `  fhe-ml explain model.fheml
  fhe-ml explain forest.fheml --all
  fhe-ml explain model.fheml --format svg --output model.svg
  fhe-ml explain model.fheml --format dot | dot -Tpdf > model.pdf
  fhe-ml explain model.fheml --json`,
		Args:              one("FILE"),
		ValidArgsFunction: fileArgument("fheml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.json && o.format != "text" {
				return usagef("--json and --format %s are two forms of the same; give one of them", o.format)
			}
			return a.explain(cmd.Context(), args[0], o)
		},
	}
	addChoice(cmd, &o.format, "format", "what is written", "text", "dot", "svg", "graph")
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "`FILE` to write instead of standard output")
	cmd.Flags().BoolVar(&o.all, "all", false, "list every node of a large graph")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object")
	return cmd
}

func (a *app) explain(ctx context.Context, path string, o explainOptions) error {
	if err := a.mayWrite(o.output, path); err != nil {
		return err
	}
	c, err := openModel(path)
	if err != nil {
		return err
	}
	e, err := await(ctx, func() (*compiler.Explanation, error) { return compiler.Explain(c.Quantized.Graph, c.Circuit) })
	if err != nil {
		return fmt.Errorf("%s: %w; convert the model again", path, err)
	}
	write := func(w io.Writer) error { return writeExplained(w, path, c, e, o.all, a.local()) }
	switch {
	case o.json:
		write = func(w io.Writer) error { return writeJSON(w, explainedJSON(path, c, e)) }
	case o.format == "graph":
		write = e.Graph.Print
	case o.format == "dot":
		write = e.WriteDOT
	case o.format == "svg":
		write = func(w io.Writer) error {
			if err := e.WriteSVG(w); err != nil {
				return fmt.Errorf("%s: %w: try --format text, or --format dot with Graphviz", path, err)
			}
			return nil
		}
	}
	if o.output == "" || o.output == "-" {
		return a.emitChecked(write)
	}
	return a.writeResult(ctx, o.output, write)
}

// emitChecked is emit for what may fail on its own: that is no fault of standard output.
func (a *app) emitChecked(write func(io.Writer) error) error {
	var b strings.Builder
	if err := write(&b); err != nil {
		return err
	}
	return a.emit(func(w io.Writer) error {
		_, err := io.WriteString(w, b.String())
		return err
	})
}

// writeExplained writes the explanation for people. Times are by the costs that choices are made with; the whole one also for this machine, if it was measured.
func writeExplained(w io.Writer, path string, c *models.Compiled, e *compiler.Explanation, all bool, local *calibration) error {
	var s sheet
	s.line("file", "%s: %s, %s of integers", path, models.Kind(c.Model), plural(len(e.Graph.Nodes), "node"))
	s.line("time", "%s a row on one core, predicted", milliseconds(c.Circuit.Costs.EstimatedMs))
	if local != nil {
		s.line("", "%s on this machine; the times below are those that the choice was made with", milliseconds(c.Circuit.Costs.EstimatedMs*local.factor(kindOf(c.Circuit))))
	}
	s.line("failure", "%s a row", probability(c.Circuit.Spec.Log2PFail))
	for _, r := range c.Circuit.Rounds {
		s.line("rounding", "approximate at node %%%d: %s off %s; %s than an exact round (%s beside a tie)", r.Node, plural(r.Drop, "bit"), plural(r.Values, "value"), differText(r), percentage(r.AtTie))
	}
	switch {
	case !e.Laid:
		s.line("costs of nodes", "not known: another version of fhe-ml compiled this file; convert the model again to see them")
	case math.IsInf(e.Margin, 1):
		s.line("results", "without noise")
	default:
		s.line("results", "the noise may be %s times its usual size (standard deviation) before one is wrong", digits(e.Margin))
	}
	for i, t := range e.Times {
		title := ""
		if i == 0 {
			title = "where it goes"
		}
		s.line(title, "%s in %s", milliseconds(t.Ms), kindText(t))
	}
	if len(e.Graph.Nodes) > maxExplained && !all {
		s.WriteString("\n" + summary(e) + "\n")
		s.line("more", "--all lists every node")
	} else {
		s.WriteString("\n" + nodeTable(e))
	}
	choices := c.Circuit.Choices
	for i, choice := range choices {
		if i == 0 || !alike(choices[i-1], choice) {
			s.WriteString("\n")
		}
		s.line(fmt.Sprintf("part %d", i+1), "%s: %s", choice.Part, partFacts(e.Parts[i]))
		if i == len(choices)-1 || !alike(choice, choices[i+1]) { // said once for neighbours
			s.lowering("computed by", choice, "")
		}
	}
	_, err := io.WriteString(w, s.String())
	return err
}

// alike tells whether two parts are lowered in the same way for the same reasons.
func alike(a, b compiler.Choice) bool {
	return a.Lowering == b.Lowering && a.Forced == b.Forced && slices.Equal(a.Alternatives, b.Alternatives)
}

// partFacts says how much of the graph a part is, and what it costs.
func partFacts(p compiler.PartFacts) string {
	var facts []string
	if p.Nodes > 0 {
		facts = append(facts, plural(p.Nodes, "node"))
	}
	if p.Ms > 0 {
		facts = append(facts, milliseconds(p.Ms))
	}
	if len(facts) == 0 {
		return "no work but sums"
	}
	return strings.Join(facts, ", ")
}

// kindText says what operations of a kind are, with their number.
func kindText(t compiler.KindTime) string {
	switch t.Kind {
	case "input":
		return "making " + plural(t.Count, "encrypted bit") + " of the client ready"
	case "lookup":
		return plural(t.Count, "table lookup") + " (bootstraps)"
	case "bits":
		return "making " + plural(t.Count, "bit") + " of computed values ready to choose by (circuit bootstrapping)"
	case "rotate":
		return plural(t.Count, "turn") + " of tables by encrypted bits"
	case "select":
		return plural(t.Count, "select") + " of trees and tables by encrypted bits"
	case "product":
		return "weighted sums of packed inputs"
	}
	return "weighted sums of " + plural(t.Count, "value")
}

// nodeTable has one line for each node.
func nodeTable(e *compiler.Explanation) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "node\tshape\tbounds\tbits\tnorm2\tmargin\tms\tpart\twhat becomes of it")
	for i, n := range e.Graph.Nodes {
		f := e.Nodes[i]
		lo, hi := int64(0), int64(0)
		if n.Size() > 0 {
			lo, hi = n.Range()
		}
		role := f.Role
		if slices.Contains(e.Graph.Outputs, n) {
			role = "result: " + role
		}
		fmt.Fprintf(t, "%s\t%s\t%d..%d\t%d\t%s\t%s\t%s\t%s\t%s\n", visible(e.Label(n)), compiler.ShapeText(n.Shape), lo, hi, f.Bits,
			unless0(f.Norm2), unless0(f.Margin), unless0(f.Ms), partText(f.Part), role+operations(f)+after(": ", f.Test))
	}
	t.Flush()
	return trimLines(b.String())
}

// trimLines takes white space off the ends of lines.
func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// operations counts what a node takes.
func operations(f compiler.NodeFacts) string {
	var s []string
	if f.Lookups > 0 {
		text := plural(f.Lookups, "lookup")
		if f.Extracted > 0 {
			text += fmt.Sprintf(", %d of them a bit each of values too wide for one", f.Extracted)
		}
		s = append(s, text)
	}
	if f.Rotations > 0 {
		s = append(s, plural(f.Rotations, "turned table"))
	}
	if len(s) == 0 {
		return ""
	}
	return " (" + strings.Join(s, ", ") + ")"
}

// unless0 writes a number to three digits, and a dash for none.
func unless0(v float64) string {
	switch {
	case v == 0:
		return "-"
	case math.IsInf(v, 1):
		return "no noise"
	}
	return digits(v)
}

func partText(part int) string {
	if part < 0 {
		return "-"
	}
	return fmt.Sprint(part + 1)
}

// summary has one line for each operation in each part, in the order of their first nodes.
func summary(e *compiler.Explanation) string {
	type key struct {
		part int
		op   compiler.Op
		role string
	}
	type sum struct {
		nodes, bits, lookups int
		norm2, margin, ms    float64
	}
	sums := map[key]*sum{}
	var order []key
	for i, n := range e.Graph.Nodes {
		f := e.Nodes[i]
		k := key{f.Part, n.Op, f.Role}
		s := sums[k]
		if s == nil {
			s = &sum{margin: math.Inf(1)}
			sums[k] = s
			order = append(order, k)
		}
		s.nodes++
		s.bits, s.norm2 = max(s.bits, f.Bits), max(s.norm2, f.Norm2)
		s.lookups, s.ms = s.lookups+f.Lookups, s.ms+f.Ms
		if f.Lookups > 0 {
			s.margin = min(s.margin, f.Margin)
		}
	}
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "operation\tnodes\tmost bits\tnorm2\tmargin\tlookups\tms\tpart\twhat becomes of it")
	for _, k := range order {
		s := sums[k]
		margin := 0.0
		if s.lookups > 0 {
			margin = s.margin
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", k.op, s.nodes, s.bits, unless0(s.norm2), unless0(margin), unless0(float64(s.lookups)), unless0(s.ms),
			partText(k.part), k.role)
	}
	t.Flush()
	return trimLines(b.String())
}

// explained is the JSON object of explain; its help lists the keys.
type explained struct {
	File        string          `json:"file"`
	Kind        string          `json:"kind"`
	EstimatedMs float64         `json:"estimated_ms"`
	FailureLog2 jsonFloat       `json:"failure_log2"`
	NoiseLog2   jsonFloat       `json:"noise_log2"`
	Margin      *jsonFloat      `json:"margin"`
	Known       bool            `json:"known"`
	Nodes       []explainedNode `json:"nodes"`
	Parts       []explainedPart `json:"parts"`
	Times       []explainedTime `json:"times"`
	Outputs     []int           `json:"outputs"`
	// Rounds are the approximate ones.
	Rounds []compiler.ApproximateRound `json:"approximate_rounds,omitempty"`
}

type explainedNode struct {
	ID          int        `json:"id"`
	Op          string     `json:"op"`
	Label       string     `json:"label"`
	Args        []int      `json:"args"`
	Shape       []int      `json:"shape"`
	Lo          int64      `json:"lo"`
	Hi          int64      `json:"hi"`
	Bits        int        `json:"bits"`
	Role        string     `json:"role"`
	Test        string     `json:"test,omitempty"`
	Part        *int       `json:"part"`
	Lookups     int        `json:"lookups"`
	Rotations   int        `json:"rotations"`
	Selects     int        `json:"selects"`
	Norm2       *jsonFloat `json:"norm2"`
	Margin      *jsonFloat `json:"margin"`
	FailureLog2 *jsonFloat `json:"failure_log2"`
	EstimatedMs float64    `json:"estimated_ms"`
}

type explainedPart struct {
	compiler.Choice
	Nodes       int        `json:"nodes"`
	EstimatedMs *jsonFloat `json:"estimated_ms"`
}

type explainedTime struct {
	Kind        string  `json:"kind"`
	Count       int     `json:"count"`
	EstimatedMs float64 `json:"estimated_ms"`
}

func explainedJSON(path string, c *models.Compiled, e *compiler.Explanation) *explained {
	some := func(v float64) *jsonFloat { // null for what is not there
		if v == 0 {
			return nil
		}
		f := jsonFloat(v)
		return &f
	}
	k := c.Circuit.Costs
	out := &explained{File: path, Kind: models.Kind(c.Model), EstimatedMs: k.EstimatedMs, FailureLog2: jsonFloat(c.Circuit.Spec.Log2PFail),
		NoiseLog2: jsonFloat(k.Log2Noise), Margin: some(e.Margin), Known: e.Laid, Nodes: []explainedNode{}, Parts: []explainedPart{}, Times: []explainedTime{}, Outputs: []int{}, Rounds: c.Circuit.Rounds}
	for i, n := range e.Graph.Nodes {
		f := e.Nodes[i]
		v := explainedNode{ID: i, Op: string(n.Op), Label: e.Label(n), Args: []int{}, Shape: append([]int{}, n.Shape...), Bits: f.Bits, Role: f.Role, Test: f.Test,
			Lookups: f.Lookups, Rotations: f.Rotations, Selects: f.Selects, Norm2: some(f.Norm2), Margin: some(f.Margin), EstimatedMs: f.Ms}
		if f.Lookups > 0 {
			fail := jsonFloat(f.Log2PFail)
			v.FailureLog2 = &fail
		}
		if n.Size() > 0 {
			v.Lo, v.Hi = n.Range()
		}
		for _, arg := range n.Args {
			v.Args = append(v.Args, arg.ID)
		}
		if f.Part >= 0 {
			v.Part = &f.Part
		}
		out.Nodes = append(out.Nodes, v)
	}
	for i, p := range e.Parts {
		out.Parts = append(out.Parts, explainedPart{c.Circuit.Choices[i], p.Nodes, some(p.Ms)})
	}
	for _, t := range e.Times {
		out.Times = append(out.Times, explainedTime{t.Kind, t.Count, t.Ms})
	}
	for _, n := range e.Graph.Outputs {
		out.Outputs = append(out.Outputs, n.ID)
	}
	return out
}
