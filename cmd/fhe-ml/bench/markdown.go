package bench

import (
	"fmt"
	"io"
	"strings"
)

// cell makes text safe for a cell of a Markdown table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ", "<", "&lt;", "`", "'").Replace(s)
}

// table writes a Markdown table with a header.
func table(b *strings.Builder, rows ...[]string) {
	for i, row := range rows {
		b.WriteString("|")
		for _, c := range row {
			b.WriteString(" " + cell(c) + " |")
		}
		b.WriteString("\n")
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		}
	}
	b.WriteString("\n")
}

// factTable writes facts.
func factTable(b *strings.Builder, facts []fact) {
	rows := [][]string{{"", ""}}
	for _, f := range facts {
		rows = append(rows, []string{f.Name, f.Value})
	}
	table(b, rows...)
}

// Markdown writes the report as Markdown, without figures.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# " + cell(r.Title()) + "\n\n")
	if len(r.Models) > 1 {
		table(&b, r.overview()...)
	}
	for _, m := range r.Models {
		if len(r.Models) > 1 {
			fmt.Fprintf(&b, "## %s\n\n", cell(m.Name))
		}
		b.WriteString(m.verdict() + "\n\n")
		if m.ScoreNote != "" {
			b.WriteString(cell(m.ScoreNote) + "\n\n")
		} else {
			table(&b, m.metricRows()...)
		}
		if len(m.FloatDisagreements) > 0 {
			table(&b, m.disagreementRows()...)
		}
		factTable(&b, m.facts())
		if len(m.ByBits) > 0 {
			table(&b, m.bitRows()...)
		}
		if m.BitsNote != "" {
			b.WriteString(cell(m.BitsNote) + "\n\n")
		}
		if len(m.Confusion) > 0 {
			table(&b, m.confusionRows()...)
		}
		if len(m.Parts) > 0 {
			table(&b, m.partRows()...)
		}
	}
	b.WriteString("## Machine\n\n")
	factTable(&b, r.Machine.facts())
	for _, p := range r.Peers {
		fmt.Fprintf(&b, "## %s\n\nMeasured on this machine, %s.\n\n```\n%s\n```\n", cell(p.Title), cell(p.Date), strings.ReplaceAll(p.Text, "```", "'''"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Title names the report.
func (r *Report) Title() string {
	if len(r.Models) == 1 {
		return r.Models[0].Name + ": float, quantized, encrypted"
	}
	return fmt.Sprintf("%d models: float, quantized, encrypted", len(r.Models))
}

// verdict is the first sentence about a model.
func (m *Model) verdict() string {
	if m.Disagreements > 0 && m.Approximate {
		return fmt.Sprintf("Rounding is approximate: in %d of %s encrypted scores differ from the quantized ones.", m.Disagreements, plural(m.Rows, "row"))
	}
	if m.Disagreements > 0 {
		return fmt.Sprintf("In %d of %s the encrypted answer differs from the quantized one: please report it.", m.Disagreements, plural(m.Rows, "row"))
	}
	n, float := len(m.FloatDisagreements), "the float model answers the same in all of them"
	switch {
	case m.Task == "regress":
		float = fmt.Sprintf("in %d it is farther from the float model's than a hundredth of the range of those", n)
	case n > 0:
		float = fmt.Sprintf("the float model answers otherwise in %d of them", n)
	}
	return fmt.Sprintf("The encrypted answer equals the quantized one to the last bit in %d of %s; %s.", m.Rows, plural(m.Rows, "row"), float)
}

// overview compares models.
func (r *Report) overview() [][]string {
	rows := [][]string{{"model", "kind", "measure", "float", "quantized", "encrypted", "server, a row", "request", "response", "evaluation key"}}
	for _, m := range r.Models {
		key := "none"
		if m.EvaluationKeyBytes > 0 {
			key = Size(m.EvaluationKeyBytes)
		}
		rows = append(rows, []string{m.Name, m.Kind, m.Metric, m.FloatScore.String(), m.QuantizedScore.String(), m.EncryptedScore.String(),
			Milliseconds(float64(m.ServerMs.P50)), Size(m.RequestBytes), Size(m.ResponseBytes), key})
	}
	return rows
}

// metricRows is the table of measures.
func (m *Model) metricRows() [][]string {
	rows := [][]string{{"measure (95% interval)", "float", "quantized", "encrypted"}}
	for _, x := range m.Metrics {
		rows = append(rows, []string{x.Name, x.Float.String(), x.Quantized.String(), x.Encrypted.String()})
	}
	return rows
}

// disagreementRows lists where float and encrypted answer differently.
func (m *Model) disagreementRows() [][]string {
	rows := [][]string{{"row", "truth", "float", "encrypted", "float score", "encrypted score"}}
	for _, d := range m.FloatDisagreements {
		rows = append(rows, []string{fmt.Sprint(d.Row), d.Truth, d.Float, d.Encrypted, d.FloatBest.String(), d.Best.String()})
	}
	return rows
}

// bitRows is the table by bits.
func (m *Model) bitRows() [][]string {
	rows := [][]string{{"bits", m.Metric, "predicted server time", "request"}}
	for _, b := range m.ByBits {
		row := []string{fmt.Sprint(b.Bits), b.Score.String(), Milliseconds(b.EstimatedMs), Size(b.RequestBytes)}
		if b.Note != "" {
			row[2], row[3] = b.Note, "–"
		}
		rows = append(rows, row)
	}
	return rows
}

// confusionRows has a row for each true class.
func (m *Model) confusionRows() [][]string {
	head := []string{"true class, answered →"}
	head = append(head, m.Classes...)
	rows := [][]string{head}
	for k, counts := range m.Confusion {
		row := []string{m.Classes[k]}
		for _, n := range counts {
			row = append(row, fmt.Sprint(n))
		}
		rows = append(rows, row)
	}
	return rows
}

// partRows says where time goes.
func (m *Model) partRows() [][]string {
	total := 0.0
	for _, p := range m.Parts {
		total += p.Ms
	}
	rows := [][]string{{"where the time of a row goes", "mean", "share"}}
	for _, p := range m.Parts {
		rows = append(rows, []string{p.Name, Milliseconds(p.Ms), fmt.Sprintf("%.0f%%", 100*p.Ms/max(total, 1e-12))})
	}
	return rows
}
