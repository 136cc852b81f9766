package onnx

import (
	"fmt"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// usedFeatures marks the features that the model reads.
func usedFeatures(m models.Model) []bool {
	used := make([]bool, len(m.Meta().Features))
	switch m := m.(type) {
	case *models.Linear:
		for _, row := range m.Weights {
			for f, w := range row {
				used[f] = used[f] || w != 0
			}
		}
	case *models.Network:
		l := &m.Layers[0]
		if l.Conv != nil {
			for f := range used {
				used[f] = l.Conv.Input == nil
			}
			for _, f := range l.Conv.Input {
				used[f] = true
			}
		}
		for _, row := range l.Weights {
			for f, w := range row {
				used[f] = used[f] || w != 0
			}
		}
	case *models.TreeEnsemble:
		for i := range m.Trees {
			for _, n := range m.Trees[i].Nodes {
				used[n.Feature] = true
			}
		}
	case *models.Additive:
		for i := range m.Terms {
			used[m.Terms[i].Feature] = true
		}
	default:
		for f := range used {
			used[f] = true
		}
	}
	return used
}

// attach puts the pipeline before a model whose features are all slots, and drops those that the model does not read.
func (t *translator) attach(m models.Model) error {
	texts := false
	for _, k := range t.kinds {
		texts = texts || k == typeString
	}
	if len(t.clear.steps) == 0 && !texts {
		return nil
	}
	if err := t.openSlots(); err != nil {
		return err
	}
	used := usedFeatures(m)
	info := m.Meta()
	p := &quantize.Pipeline{Float32: t.single}
	for i, name := range info.Features[:t.clear.columns] {
		s := t.clear.slots[i]
		p.Inputs = append(p.Inputs, quantize.Input{Name: name, Text: s.text, Integer: s.integer, Words: t.clear.words[i]})
	}
	index := make([]int, len(used))
	var names []string
	for k, u := range used {
		index[k] = -1
		if !u {
			continue
		}
		if t.clear.slots[k].text {
			return t.textError(k)
		}
		index[k] = len(p.Outputs)
		p.Outputs = append(p.Outputs, k)
		names = append(names, info.Features[k])
	}
	if len(p.Outputs) == 0 { // a constant model
		for k, s := range t.clear.slots {
			if !s.text {
				index[k], p.Outputs, names = 0, []int{k}, []string{info.Features[k]}
				break
			}
		}
	}
	if len(p.Outputs) == 0 {
		return fmt.Errorf("the model does not depend on its input")
	}
	p.Steps = t.clear.steps
	prune(p)
	info.Features, info.Pipeline = names, p
	remap(m, index, len(names))
	return nil
}

// prune removes the steps that no output depends on.
func prune(p *quantize.Pipeline) {
	start := make([]int, len(p.Steps)) // first slot of each step
	n := len(p.Inputs)
	size := func(s *quantize.Step) int {
		if s.Kind >= quantize.StepNormL1 {
			return len(s.In)
		}
		return 1
	}
	for i := range p.Steps {
		start[i] = n
		n += size(&p.Steps[i])
	}
	need := make([]bool, n)
	for _, o := range p.Outputs {
		need[o] = true
	}
	keep := make([]bool, len(p.Steps))
	for i := len(p.Steps) - 1; i >= 0; i-- {
		s := &p.Steps[i]
		// A strict map refuses unknown categories whether or not its result is used.
		keep[i] = s.Strict
		for k := range size(s) {
			keep[i] = keep[i] || need[start[i]+k]
		}
		if keep[i] {
			for _, k := range s.In {
				need[k] = true
			}
		}
	}
	moved := make([]int, n)
	for i := range p.Inputs {
		moved[i] = i
	}
	at := len(p.Inputs)
	var steps []quantize.Step
	for i, s := range p.Steps {
		if !keep[i] {
			continue
		}
		in := make([]int, len(s.In))
		for j, k := range s.In {
			in[j] = moved[k]
		}
		s.In = in
		for k := range size(&s) {
			moved[start[i]+k] = at
			at++
		}
		steps = append(steps, s)
	}
	p.Steps = steps
	for i, o := range p.Outputs {
		p.Outputs[i] = moved[o]
	}
}

// remap renumbers the features of a model; index is -1 for those that it does not read.
func remap(m models.Model, index []int, n int) {
	pick := func(row []float64) []float64 {
		out := make([]float64, n)
		for k, to := range index {
			if to >= 0 {
				out[to] = row[k]
			}
		}
		return out
	}
	switch m := m.(type) {
	case *models.Linear:
		for o := range m.Weights {
			m.Weights[o] = pick(m.Weights[o])
		}
	case *models.Network:
		l := &m.Layers[0]
		if c := l.Conv; c != nil {
			input := make([]int32, c.Channels*c.Size[0]*c.Size[1])
			for e := range input {
				f := e
				if c.Input != nil {
					f = int(c.Input[e])
				}
				input[e] = int32(index[f])
			}
			c.Input = input
		}
		for o := range l.Weights {
			l.Weights[o] = pick(l.Weights[o])
		}
	case *models.TreeEnsemble:
		if m.ScalerScale != nil {
			m.ScalerOffset, m.ScalerScale = pick(m.ScalerOffset), pick(m.ScalerScale)
		}
		for i := range m.Trees {
			for k := range m.Trees[i].Nodes {
				nd := &m.Trees[i].Nodes[k]
				nd.Feature = max(index[nd.Feature], 0)
			}
		}
	case *models.Additive:
		for i := range m.Terms {
			m.Terms[i].Feature = max(index[m.Terms[i].Feature], 0)
		}
	}
}
