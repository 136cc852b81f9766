package bench

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

// page is parsed once; an error would be in the program.
var page = template.Must(template.New("page").Parse(pageText))

// HTML writes the report as one page that loads nothing from anywhere.
func (r *Report) HTML(w io.Writer) error {
	type figure struct {
		Title, Caption string
		SVG            template.HTML
	}
	type section struct {
		Name, Verdict, ScoreNote, BitsNote             string
		Bad                                            bool
		Metrics, Disagreements, Bits, Confusion, Parts [][]string
		Facts                                          []fact
		Figures                                        []figure
	}
	data := struct {
		Title    string
		Overview [][]string
		Models   []section
		Machine  []fact
		Peers    []Peer
	}{Title: r.Title(), Machine: r.Machine.facts(), Peers: r.Peers}
	if len(r.Models) > 1 {
		data.Overview = r.overview()
	}
	for _, m := range r.Models {
		s := section{Name: m.Name, Verdict: m.verdict(), ScoreNote: m.ScoreNote, Bad: m.Disagreements > 0 && !m.Approximate, Facts: m.facts()}
		if m.ScoreNote == "" {
			s.Metrics = m.metricRows()
		}
		if len(m.FloatDisagreements) > 0 {
			s.Disagreements = m.disagreementRows()
		}
		if len(m.ByBits) > 0 {
			s.Bits = m.bitRows()
		}
		s.BitsNote = m.BitsNote
		if len(m.Confusion) > 0 {
			s.Confusion = m.confusionRows()
		}
		if len(m.Parts) > 0 {
			s.Parts = m.partRows()
		}
		figures, err := m.Figures()
		if err != nil {
			return err
		}
		for _, f := range figures {
			s.Figures = append(s.Figures, figure{f.Title, f.Caption, template.HTML(f.SVG)}) // drawn here; texts in it are the program's and numbers
		}
		data.Models = append(data.Models, s)
	}
	return page.Execute(w, data)
}
