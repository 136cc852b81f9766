package onnx

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// inputs makes the feature vector of the graph inputs: their columns one after the other, in the file's order.
func (t *translator) inputs() error {
	base := &basis{kind: basisFeatures}
	t.clear.base = base
	var ins []fileValue
	for _, v := range t.file.inputs {
		if t.rec.constants[v.name] == nil {
			ins = append(ins, v)
		}
	}
	if len(ins) == 0 {
		return fmt.Errorf("the graph has no input")
	}
	var vecs []*vector
	for _, v := range ins {
		switch {
		case v.kind != "tensor":
			return fmt.Errorf("input %q is a %s, not a tensor", v.name, v.describe())
		case v.elem != typeFloat && v.elem != typeDouble && v.elem != typeString && !isIntegerType(v.elem):
			return fmt.Errorf("input %q holds %s, which is not supported", v.name, typeName(v.elem))
		}
		if v.elem == typeFloat {
			t.single = true
		}
		x := &vector{base: base, integer: isIntegerType(v.elem)}
		known := v.rank
		n := 1
		for i, d := range v.dims {
			if i == 0 {
				continue // rows
			}
			if !d.known {
				known = false
				continue
			}
			if d.size <= 0 || d.size > int64(maxFeatures/n) {
				return fmt.Errorf("input %q is declared as %s; a row must have 1 to %d numbers", v.name, v.describe(), maxFeatures)
			}
			n *= int(d.size)
			x.shape = append(x.shape, int(d.size))
		}
		if !known {
			if len(ins) > 1 {
				return fmt.Errorf("input %q is declared as %s: the number of its columns is missing", v.name, v.describe())
			}
			x.open, x.shape = true, nil
			t.openKind = v.elem
			n = 0
		}
		if base.n+n > maxFeatures {
			return fmt.Errorf("the inputs have more than %d columns", maxFeatures)
		}
		for i := range n {
			x.cols = append(x.cols, column{idx: []int32{int32(base.n + i)}, w: []float64{1}})
			t.kinds = append(t.kinds, v.elem)
		}
		if len(ins) > 1 && n == 1 {
			t.names = append(t.names, v.name)
		} else {
			for i := range n {
				t.names = append(t.names, fmt.Sprintf("%s%d", v.name, i))
			}
		}
		t.named = len(ins) > 1 && base.n+n == len(vecs)+1
		base.n += n
		vecs = append(vecs, x)
		t.values[v.name] = x
	}
	t.input = vecs[0]
	return nil
}

// widen gives an input whose number of columns the file leaves open the n columns that its first use needs.
func (t *translator) widen(v *vector, n int) error {
	if !v.open {
		return nil
	}
	if n < 1 || n > maxFeatures {
		return malformed("%d columns, want 1 to %d", n, maxFeatures)
	}
	v.open = false
	v.base.n = n
	for range n {
		t.kinds = append(t.kinds, t.openKind)
	}
	full := newVector(v.base)
	v.cols, v.shape = full.cols, full.shape
	return nil
}

// features returns the names of the features.
func (t *translator) features() ([]string, error) {
	if t.input.open {
		return nil, fmt.Errorf("the file does not say how many columns the input has; export it with a fixed number of features")
	}
	n := len(t.kinds) // columns of a row; steps add features
	more := func(names []string) []string {
		names = slices.Clone(names)
		for _, s := range t.clear.slots[min(n, len(t.clear.slots)):] {
			name := s.name
			if s.origin >= 0 && strings.HasPrefix(name, t.clear.slots[s.origin].name) {
				name = names[s.origin] + name[len(t.clear.slots[s.origin].name):]
			}
			names = append(names, name)
		}
		return names
	}
	if names := metadataNames(t.file.metadata, n); names != nil {
		t.named = true
		return more(names), nil
	}
	if !t.named {
		t.names = make([]string, n)
		for i := range t.names {
			t.names[i] = "x" + strconv.Itoa(i)
		}
	}
	return more(t.names), nil
}

// metadataNames reads the columns' names from metadata_props "feature_names", a JSON list or a comma-separated one;
// nil when there are none that fit.
func metadataNames(meta map[string]string, n int) []string {
	s, ok := meta["feature_names"]
	if !ok {
		return nil
	}
	var names []string
	if json.Unmarshal([]byte(s), &names) != nil {
		names = strings.Split(s, ",")
	}
	seen := map[string]bool{}
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
		if names[i] == "" || seen[names[i]] {
			return nil
		}
		seen[names[i]] = true
	}
	if len(names) != n {
		return nil
	}
	return names
}
