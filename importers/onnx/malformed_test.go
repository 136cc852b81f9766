package onnx

import (
	"strings"
	"testing"
)

// TestMalformedNodes: attributes that contradict each other or the input give one line that names the node and the fault.
func TestMalformedNodes(t *testing.T) {
	svm := func(change attrList) attrList {
		a := attrList{"kernel_type": "LINEAR", "classlabels_ints": []int64{0, 1}, "coefficients": []float32{1, -1}, "support_vectors": []float32{1, 2, 3, 4},
			"rho": []float32{0.5}, "vectors_per_class": []int64{1, 1}}
		for k, v := range change {
			a[k] = v
		}
		return a
	}
	for name, c := range map[string]struct {
		node  msg
		words string
	}{
		"one-hot without categories":  {nodeOf("OneHotEncoder", domainML, []string{"X"}, []string{"Y"}, nil), "no categories"},
		"texts for numbers":           {nodeOf("OneHotEncoder", domainML, []string{"X"}, []string{"Y"}, attrList{"cats_strings": []string{"a"}}), `column "x0"`},
		"imputer of other width":      {nodeOf("Imputer", domainML, []string{"X"}, []string{"Y"}, attrList{"imputed_value_floats": []float32{1, 2, 3}}), "3 fill values for 2 columns"},
		"label encoder":               {nodeOf("LabelEncoder", domainML, []string{"X"}, []string{"Y"}, attrList{"keys_int64s": []int64{1, 2}, "values_int64s": []int64{1}}), "2 keys and 1 values"},
		"norm":                        {nodeOf("Normalizer", domainML, []string{"X"}, []string{"Y"}, attrList{"norm": "L7"}), `norm "L7"`},
		"support vectors of a class":  {nodeOf("SVMClassifier", domainML, []string{"X"}, []string{"L", "Y"}, svm(attrList{"vectors_per_class": []int64{1}})), "support vectors of 1 classes"},
		"many support vectors":        {nodeOf("SVMClassifier", domainML, []string{"X"}, []string{"L", "Y"}, svm(attrList{"vectors_per_class": []int64{1, 1 << 60}})), "support vectors of class 1"},
		"coefficients":                {nodeOf("SVMClassifier", domainML, []string{"X"}, []string{"L", "Y"}, svm(attrList{"coefficients": []float32{1}})), "1 coefficients"},
		"uneven support vectors":      {nodeOf("SVMClassifier", domainML, []string{"X"}, []string{"L", "Y"}, svm(attrList{"support_vectors": []float32{1, 2, 3}})), "3 numbers for 2 support vectors"},
		"support vectors of 1 column": {nodeOf("SVMClassifier", domainML, []string{"X"}, []string{"L", "Y"}, svm(attrList{"support_vectors": []float32{1, 2}})), "of 1 features, there are 2"},
		"regression without constant": {nodeOf("SVMRegressor", domainML, []string{"X"}, []string{"Y"}, attrList{"coefficients": []float32{1, 2}}), "constants (rho)"},
		"kernel":                      {nodeOf("SVMRegressor", domainML, []string{"X"}, []string{"Y"}, attrList{"kernel_type": "PLAIN"}), `kernel_type "PLAIN"`},
		"trees without nodes":         {nodeOf("TreeEnsemble", domainML, []string{"X"}, []string{"Y"}, attrList{"tree_roots": []int64{0}}), "no tree nodes"},
	} {
		_, _, err := Import(modelOf([]msg{c.node}, xInput(2), nil, "Y"), "")
		if err == nil {
			t.Errorf("%s: imported", name)
			continue
		}
		if s := err.Error(); strings.Contains(s, "\n") || !strings.Contains(s, c.words) || !strings.Contains(s, "export") || !strings.Contains(s, `node "the_`) {
			t.Errorf("%s: %q, want %q", name, s, c.words)
		}
	}
	// TreeEnsemble of version 5 whose tensors and lists contradict each other.
	tensor := func(typ int, dims int64, raw []byte) msg { return rawTensor("", typ, []int64{dims}, raw) }
	attr := func(name string, x msg) msg { return msg{}.str(1, name).bytes(5, x).num(20, attrTensor) }
	for name, c := range map[string]struct {
		roots, yes []int64
		mode       byte
		words      string
	}{
		"root out of range": {[]int64{5}, []int64{0}, 0, "node 5 of 1"}, "leaf out of range": {[]int64{0}, []int64{3}, 0, "leaf 3 of 1"},
		"set without members": {[]int64{0}, []int64{0}, 6, "membership_values"}, "mode": {[]int64{0}, []int64{0}, 9, "mode 9"},
		"lengths": {[]int64{0}, []int64{0, 0}, 0, "2 elements"},
	} {
		n := nodeOf("TreeEnsemble", domainML, []string{"X"}, []string{"Y"}, attrList{
			"tree_roots": c.roots, "nodes_featureids": []int64{0}, "nodes_truenodeids": c.yes, "nodes_falsenodeids": []int64{0},
			"nodes_trueleafs": []int64{1}, "nodes_falseleafs": []int64{1}, "leaf_targetids": []int64{0}, "n_targets": 1})
		n = n.bytes(5, attr("nodes_modes", tensor(typeUint8, 1, []byte{c.mode}))).bytes(5, attr("nodes_splits", tensor(typeFloat, 1, make([]byte, 4)))).
			bytes(5, attr("leaf_weights", tensor(typeFloat, 1, make([]byte, 4))))
		_, _, err := Import(modelOf([]msg{n}, xInput(2), nil, "Y"), "")
		if err == nil || !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), `node "the_TreeEnsemble"`) {
			t.Errorf("%s: error %v, want %q", name, err, c.words)
		}
	}
}

// TestMixedBranches: features beside an activation, and then beside trees, are refused by name.
func TestMixedBranches(t *testing.T) {
	b := modelOf([]msg{
		nodeOf("Relu", "", []string{"X"}, []string{"R"}, nil), nodeOf("Concat", "", []string{"X", "R"}, []string{"C"}, attrList{"axis": 1}),
		nodeOf("TreeEnsembleRegressor", domainML, []string{"X"}, []string{"T"}, attrList{"n_targets": 1, "nodes_treeids": []int64{0}, "nodes_nodeids": []int64{0},
			"nodes_featureids": []int64{0}, "nodes_modes": []string{"LEAF"}, "nodes_values": []float32{0}, "nodes_truenodeids": []int64{0}, "nodes_falsenodeids": []int64{0},
			"target_treeids": []int64{0}, "target_nodeids": []int64{0}, "target_ids": []int64{0}, "target_weights": []float32{1}}),
		nodeOf("Concat", "", []string{"C", "T"}, []string{"Y"}, attrList{"axis": 1}),
	}, xInput(2), nil, "Y")
	if _, _, err := Import(b, ""); err == nil || !strings.Contains(err.Error(), `trees "the_TreeEnsembleRegressor"`) {
		t.Errorf("error %v", err)
	}
}
