package models

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// Program is an integer function that a user wrote, as a graph: no trained model, but compiled, encrypted and predicted with in the same way. A feature
// is an element of an input, an integer within the input's bounds; the raw scores are the elements of the outputs.
type Program struct {
	Info `cbor:"i"`
	Lo   []int64 `cbor:"l"` // bounds of each feature
	Hi   []int64 `cbor:"h"`
	Text string  `cbor:"g"` // the joined graph, printed

	graph   *compiler.Graph // Text, once parsed
	origins []int           // of its nodes, which the text does not say; none where the program comes from a file
}

var _ Model = (*Program)(nil)

// NewProgram returns g as a model. Features are named after the inputs: x for a scalar, x[2] and x[1,3] for elements. Inputs have at most 7 bits. Errors
// of compiling it have the origins of g's nodes.
func NewProgram(g *compiler.Graph, producer string) (*Program, error) {
	m := &Program{Info: Info{Producer: producer}}
	for _, n := range g.Inputs() {
		m.Lo, m.Hi = append(m.Lo, n.Lo...), append(m.Hi, n.Hi...)
		at := make([]int, len(n.Shape))
		for range n.Lo {
			name := n.Name
			if len(at) > 0 {
				name += strings.ReplaceAll(fmt.Sprint(at), " ", ",")
			}
			m.Features = append(m.Features, name)
			for d := len(at) - 1; d >= 0; d-- {
				if at[d]++; at[d] < n.Shape[d] {
					break
				}
				at[d] = 0
			}
		}
		if lo, hi := n.Range(); hi-lo >= quantize.MaxIntegers {
			return nil, fmt.Errorf("models: input %s takes %d values; an encrypted input has at most %d (16 bits): split it into parts", n.Name, hi-lo+1, quantize.MaxIntegers)
		}
	}
	h, err := g.Join()
	if err != nil {
		return nil, err
	}
	m.Post = quantize.Postprocessing{Task: quantize.Regress, Outputs: h.Outputs[0].Size()}
	m.Text = h.String()
	for _, n := range h.Nodes {
		m.origins = append(m.origins, n.Origin)
	}
	return m, m.Validate()
}

// Meta returns the program's Info.
func (m *Program) Meta() *Info { return &m.Info }

// coder returns how feature f becomes a code: itself, counted from its least value.
func (m *Program) coder(f int) quantize.Coder {
	c := quantize.Coder{Feature: f, Levels: int(m.Hi[f]-m.Lo[f]) + 1, Min: float64(m.Lo[f])}
	if c.Levels > 1 {
		c.Step = 1
	}
	return c
}

// Raw appends the program's results for the row x to dst. Features are integers (Predict refuses others); those outside their bounds count as the nearest one inside.
func (m *Program) Raw(dst []float64, x []float64) []float64 {
	codes := make([]int64, len(m.Lo))
	for f := range codes {
		c := m.coder(f)
		codes[f], _ = c.Code(x[f])
	}
	out, err := m.graph.Eval(map[string][]int64{"x": codes})
	if err != nil {
		panic("models: internal error: " + err.Error()) // codes are within the bounds, and Validate has seen the graph
	}
	for _, v := range out[0] {
		dst = append(dst, float64(v))
	}
	return dst
}

// Validate reports the first inconsistency of m.
func (m *Program) Validate() error {
	if err := m.Info.validate(); err != nil {
		return err
	}
	if len(m.Lo) != len(m.Features) || len(m.Hi) != len(m.Features) {
		return errors.New("models: program: not one pair of bounds for each feature")
	}
	for f, lo := range m.Lo {
		if hi := m.Hi[f]; lo > hi || lo < -1<<32 || hi > 1<<32 || hi-lo >= quantize.MaxIntegers {
			return fmt.Errorf("models: program: the bounds of feature %s are empty, or wider than 7 bits", m.Features[f])
		}
	}
	g, err := compiler.Parse(strings.NewReader(m.Text))
	if err != nil {
		return fmt.Errorf("models: program: %w", err)
	}
	in := g.Inputs()
	if len(in) != 1 || in[0].Name != "x" || len(in[0].Shape) != 1 || len(in[0].Lo) != len(m.Lo) || len(g.Outputs) != 1 || g.Outputs[0].Size() != m.Post.Outputs {
		return errors.New("models: program: the graph does not fit its inputs and outputs")
	}
	for f := range m.Lo {
		if in[0].Lo[f] != 0 || in[0].Hi[f] != m.Hi[f]-m.Lo[f] {
			return fmt.Errorf("models: program: the graph has other bounds for feature %s", m.Features[f])
		}
	}
	if lo, hi := g.Outputs[0].Range(); lo < -1<<53 || hi > 1<<53 {
		return fmt.Errorf("models: program: results of %d..%d are beyond 2^53", lo, hi)
	}
	if len(m.origins) == len(g.Nodes) {
		for i, n := range g.Nodes {
			n.Origin = m.origins[i]
		}
	}
	m.graph = g
	return nil
}

// Quantize returns m as it is: a program is made of integers. It needs no calibration.
func (m *Program) Quantize(Options, [][]float64) (*Quantized, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	q := &Quantized{Graph: m.graph, Post: m.Post}
	q.Pre = quantize.Preprocessing{Columns: m.Features, Named: m.Named, Integers: true}
	levels := 1
	for f := range m.Lo {
		q.Pre.Coders = append(q.Pre.Coders, m.coder(f))
		levels = max(levels, q.Pre.Coders[f].Levels)
	}
	q.Bits = max(1, int(math.Ceil(math.Log2(float64(levels)))))
	q.Post.Scale, q.Post.Offset = make([]float64, m.Post.Outputs), make([]float64, m.Post.Outputs)
	for o := range q.Post.Scale {
		q.Post.Scale[o] = 1
	}
	return q, nil
}
