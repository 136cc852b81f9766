package onnx

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Files whose bytes are spent on whatever costs a reader most. Each generator returns a graph of about n bytes.

// cat joins messages.
func joined(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func part(f protowire.Number, b []byte) []byte   { return appendMessage(nil, f, b) }
func label(f protowire.Number, s string) []byte  { return appendString(nil, f, s) }
func varint(f protowire.Number, v uint64) []byte { return appendUvarint(nil, f, v) }
func repeated(b []byte, n int) []byte            { return []byte(strings.Repeat(string(b), n)) }
func filled(b []byte, n int) []byte              { return repeated(b, max(1, n/len(b))) }
func zeroBytes(n int) []byte                     { return make([]byte, n) }
func oneBytes(n int) []byte                      { return repeated([]byte{1}, n) }
func attrMsg(name string, typ uint64, b []byte) []byte {
	return part(5, joined(label(1, name), varint(20, typ), b))
}

func nodeMsg(op, domain string, in []string, out string, attrs ...[]byte) []byte {
	var b []byte
	for _, s := range in {
		b = append(b, label(1, s)...)
	}
	b = append(b, joined(label(2, out), label(4, op), label(7, domain))...)
	return part(1, joined(append([][]byte{b}, attrs...)...))
}

// valueMsg declares an input (field 11) or output (12) of float[?, n]; 0 leaves the columns open.
func valueMsg(f protowire.Number, name string, n int) []byte {
	dims := joined(part(1, label(2, "N")))
	if n > 0 {
		dims = joined(dims, part(1, varint(1, uint64(n))))
	}
	return part(f, joined(label(1, name), part(2, part(1, joined(varint(1, typeFloat), part(2, dims))))))
}

func tensorMsg(name string, typ int, dims []int, b []byte) []byte {
	t := joined(varint(2, uint64(typ)), label(8, name), b)
	for _, d := range dims {
		t = append(t, varint(1, uint64(d))...)
	}
	return t
}

func graphFile(graph ...[]byte) []byte {
	return joined(varint(1, 8), part(8, joined(label(1, ""), varint(2, 17))), part(8, joined(label(1, domainML), varint(2, 3))), part(7, joined(graph...)))
}

// io are an input X of n columns and an output Y.
func ends(n int) []byte { return joined(valueMsg(11, "X", n), valueMsg(12, "Y", 0)) }

// hostile lists the files.
func hostile(n int) map[string][]byte {
	identity := nodeMsg("Identity", "", []string{"X"}, "Y")
	init := func(typ int, dims []int, b []byte) []byte { return part(5, tensorMsg("W", typ, dims, b)) }
	chain := func(typ, count int, raw []byte, ops ...string) []byte {
		var nodes []byte
		at := "W"
		for i, op := range ops {
			in := []string{at}
			var attrs [][]byte
			switch op {
			case "Cast":
				attrs = append(attrs, attrMsg("to", attrInt, varint(3, uint64([]int{typeDouble, typeFloat, typeInt64}[i%3]))))
			case "Add", "Mul":
				in = append(in, at)
			}
			at = fmt.Sprint("t", i)
			nodes = append(nodes, nodeMsg(op, "", in, at, attrs...)...)
		}
		nodes = append(nodes, nodeMsg("MatMul", "", []string{"X", at}, "Y")...)
		return graphFile(nodes, ends(count/64), init(typ, []int{count / 64, 64}, raw))
	}
	times := func(op string, n int) (ops []string) {
		for range n {
			ops = append(ops, op)
		}
		return ops
	}
	m := map[string][]byte{
		"inputs of a node":  graphFile(part(1, joined(label(2, "Y"), label(4, "Sum"), filled(label(1, "X"), n))), ends(2)),
		"nodes":             graphFile(filled(nodeMsg("I", "", []string{"X"}, ""), min(n, 1<<20)), identity, ends(2)),
		"distinct nodes":    graphFile(distinct(n), identity, ends(2)),
		"attributes":        graphFile(filled(part(1, joined(label(4, "I"), manyAttrs(250))), n), ends(2)),
		"int attribute":     graphFile(nodeMsg("LinearClassifier", domainML, []string{"X"}, "Y", attrMsg("classlabels_ints", attrInts, part(8, oneBytes(n)))), ends(2)),
		"unpacked ints":     graphFile(nodeMsg("LinearClassifier", domainML, []string{"X"}, "Y", attrMsg("classlabels_ints", attrInts, filled(varint(8, 1), n))), ends(2)),
		"split ints":        graphFile(nodeMsg("LinearClassifier", domainML, []string{"X"}, "Y", attrMsg("classlabels_ints", attrInts, filled(part(8, oneBytes(1)), n))), ends(2)),
		"float attribute":   graphFile(nodeMsg("LinearRegressor", domainML, []string{"X"}, "Y", attrMsg("coefficients", attrFloats, part(7, zeroBytes(n)))), ends(2)),
		"split floats":      graphFile(nodeMsg("LinearRegressor", domainML, []string{"X"}, "Y", attrMsg("coefficients", attrFloats, filled(part(7, zeroBytes(4)), n))), ends(2)),
		"strings":           graphFile(nodeMsg("TreeEnsembleRegressor", domainML, []string{"X"}, "Y", attrMsg("nodes_modes", attrStrings, filled(label(9, "LEAF"), n))), ends(2)),
		"empty strings":     graphFile(nodeMsg("TreeEnsembleRegressor", domainML, []string{"X"}, "Y", attrMsg("nodes_modes", attrStrings, filled(label(9, ""), n))), ends(2)),
		"string tensor":     graphFile(identity, ends(2), init(typeString, []int{n / 6}, repeated(label(6, "LEAF"), n/6))),
		"int64 tensor":      graphFile(identity, ends(2), init(typeInt64, []int{n}, part(7, oneBytes(n)))),
		"int32 tensor":      graphFile(identity, ends(2), init(typeInt32, []int{n}, part(5, oneBytes(n)))),
		"uint64 tensor":     graphFile(identity, ends(2), init(typeUint64, []int{n}, part(11, oneBytes(n)))),
		"bool tensor":       graphFile(identity, ends(2), init(typeBool, []int{n}, part(9, oneBytes(n)))),
		"uint8 tensor":      graphFile(identity, ends(2), init(typeUint8, []int{n}, part(9, oneBytes(n)))),
		"float16 tensor":    graphFile(identity, ends(2), init(typeFloat16, []int{n / 2}, part(9, zeroBytes(n)))),
		"typed float16":     graphFile(identity, ends(2), init(typeFloat16, []int{n}, part(5, oneBytes(n)))),
		"float tensor":      graphFile(identity, ends(2), init(typeFloat, []int{n / 4}, part(9, zeroBytes(n)))),
		"all kinds of data": graphFile(identity, ends(2), init(typeFloat, []int{n / 16}, joined(part(4, zeroBytes(n/4)), part(5, oneBytes(n/4)), part(7, oneBytes(n/4)), part(11, oneBytes(n/4))))),
		"uint8 attribute":   graphFile(nodeMsg("Constant", "", nil, "Y", attrMsg("value", attrTensor, part(5, tensorMsg("", typeUint8, []int{n}, part(9, oneBytes(n)))))), ends(2)),
		"small tensors":     graphFile(identity, ends(2), smallTensors(n)),
		"ranks":             graphFile(identity, ends(2), ranks(n)),
		"inputs":            graphFile(identity, ends(2), manyValues(11, n)),
		"outputs":           graphFile(identity, ends(2), manyValues(12, n)),
		"metadata":          joined(graphFile(identity, ends(2)), filled(part(14, joined(label(1, "k"), label(2, "v"))), n)),
		"opsets":            joined(graphFile(identity, ends(2)), filled(part(8, varint(2, 1)), n)),
		"functions":         joined(graphFile(identity, ends(2)), filled(part(25, nil), n)),
		"weights":           chain(typeFloat, n/4, part(9, zeroBytes(n))),
		"uint8 weights":     chain(typeUint8, n, part(9, oneBytes(n))),
		"transposed":        chain(typeFloat, n/4, part(9, zeroBytes(n)), times("Transpose", 32)...),
		"cast":              chain(typeUint8, n, part(9, oneBytes(n)), times("Cast", 30)...),
		"added":             chain(typeFloat, n/4, part(9, zeroBytes(n)), times("Add", 30)...),
		"identities":        chain(typeFloat, n/4, part(9, zeroBytes(n)), times("Identity", 3000)...),
		"trees":             graphFile(forestNode(n), ends(10)),
		"deep trees":        graphFile(chainNode(n), ends(10)),
		"classes":           graphFile(nodeMsg("LinearClassifier", domainML, []string{"X"}, "Y", attrMsg("classlabels_strings", attrStrings, filled(label(9, "class "), n))), ends(2)),
		"layers":            layers(n),
		"tall layers":       tallLayers(n),
		"activations":       activations(n, "Relu"),
		"functions of all":  activations(n, "Gelu"),
		"products":          activations(n, "Mul"),
		"convolutions":      convolutions(n),
	}
	return m
}

// activations are as many as fit, on a row of the most columns.
func activations(n int, op string) []byte {
	var b []byte
	last := "X"
	for i := 0; len(b) < n && i < 2000; i++ {
		in := []string{last}
		if op == "Mul" {
			in = append(in, last)
		}
		next := fmt.Sprint("v", i)
		b = append(b, joined(nodeMsg(op, "", in, next), nodeMsg("Add", "", []string{next, next}, next+"a"))...)
		last = next + "a"
	}
	return graphFile(b, nodeMsg("Identity", "", []string{last}, "Y"), ends(1<<15))
}

// convolutions are 3x3 on a large image, one after the other.
func convolutions(n int) []byte {
	var b []byte
	last := "I"
	for i := 0; len(b) < n && i < 2000; i++ {
		next := fmt.Sprint("v", i)
		b = append(b, joined(nodeMsg("Conv", "", []string{last, "W"}, next, attrMsg("pads", attrInts, part(8, oneBytes(4)))), nodeMsg("Relu", "", []string{next}, next+"a"))...)
		last = next + "a"
	}
	return graphFile(nodeMsg("Reshape", "", []string{"X", "S"}, "I"), b, nodeMsg("Flatten", "", []string{last}, "Y"), ends(1<<14),
		part(5, tensorMsg("W", typeFloat, []int{1, 1, 3, 3}, part(9, filled([]byte{0, 0, 128, 63}, 36)))),
		part(5, tensorMsg("S", typeInt64, []int{4}, part(7, []byte{0, 1, 128, 1, 128, 1}))))
}

func distinct(n int) []byte {
	var b []byte
	for i := 0; len(b) < n && i < maxNodes-2; i++ {
		b = append(b, nodeMsg("Identity", "", []string{"X"}, fmt.Sprint("v", i))...)
	}
	return b
}

func manyAttrs(n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, part(5, label(1, string(rune('a'+i))))...)
	}
	return b
}

func smallTensors(n int) []byte {
	var b []byte
	for i := 0; len(b) < n && i < 4*maxNodes-1; i++ {
		b = append(b, part(5, tensorMsg(fmt.Sprint("w", i), typeFloat, nil, part(9, zeroBytes(4))))...)
	}
	return b
}

func ranks(n int) []byte {
	var b []byte
	for i := 0; len(b) < n && i < 4*maxNodes-1; i++ {
		b = append(b, part(5, tensorMsg(fmt.Sprint("w", i), typeFloat, []int{1, 1, 1, 1, 1, 1, 1, 0}, nil))...)
	}
	return b
}

func manyValues(f protowire.Number, n int) []byte {
	var b []byte
	for i := 0; len(b) < n && i < maxFeatures-2; i++ {
		b = append(b, valueMsg(f, fmt.Sprint("v", i), 1)...)
	}
	return b
}

// forestNode is a TreeEnsembleRegressor of stumps, as producers write it.
func forestNode(n int) []byte {
	trees := n / 75
	var ids, tids, features, yes, no, values, tt, tn, ti []byte
	var modes []byte
	for i := range trees {
		tids = append(tids, repeated(protowire.AppendVarint(nil, uint64(i)), 3)...)
		ids = append(ids, 0, 1, 2)
		features = append(features, byte(i%10), 0, 0)
		yes = append(yes, 1, 0, 0)
		no = append(no, 2, 0, 0)
		modes = append(modes, joined(label(9, "BRANCH_LEQ"), label(9, "LEAF"), label(9, "LEAF"))...)
		values = append(values, byte(i), byte(i>>8), byte(i>>16), 0x40)
		values = append(values, zeroBytes(8)...)
		tt = append(tt, repeated(protowire.AppendVarint(nil, uint64(i)), 2)...)
		tn = append(tn, 1, 2)
		ti = append(ti, 0, 0)
	}
	ints := func(name string, b []byte) []byte { return attrMsg(name, attrInts, part(8, b)) }
	return nodeMsg("TreeEnsembleRegressor", domainML, []string{"X"}, "Y", ints("nodes_nodeids", ids), ints("nodes_treeids", tids), ints("nodes_featureids", features),
		ints("nodes_truenodeids", yes), ints("nodes_falsenodeids", no), attrMsg("nodes_modes", attrStrings, modes), attrMsg("nodes_values", attrFloats, part(7, values)),
		ints("target_treeids", tt), ints("target_nodeids", tn), ints("target_ids", ti), attrMsg("target_weights", attrFloats, part(7, zeroBytes(len(ti)*4))), attrMsg("n_targets", attrInt, varint(3, 1)))
}

// chainNode is a TreeEnsembleRegressor of trees that have a leaf at every level.
func chainNode(n int) []byte {
	const depth = 200
	var tids, ids, features, yes, no, modes, values, tt, tn []byte
	add := func(dst *[]byte, v int) { *dst = protowire.AppendVarint(*dst, uint64(v)) }
	leaves := 0
	for t := range n / (53 * depth) {
		for i := range 2*depth + 1 {
			add(&tids, t)
			add(&ids, i)
			if i%2 == 1 || i == 2*depth {
				add(&features, 0)
				add(&yes, 0)
				add(&no, 0)
				modes = append(modes, label(9, "LEAF")...)
				add(&tt, t)
				add(&tn, i)
				leaves++
			} else {
				add(&features, i%10)
				add(&yes, i+1)
				add(&no, i+2)
				modes = append(modes, label(9, "BRANCH_LEQ")...)
			}
			values = append(values, byte(i), byte(t), byte(i>>8), 0x40)
		}
	}
	ints := func(name string, b []byte) []byte { return attrMsg(name, attrInts, part(8, b)) }
	return nodeMsg("TreeEnsembleRegressor", domainML, []string{"X"}, "Y", ints("nodes_nodeids", ids), ints("nodes_treeids", tids), ints("nodes_featureids", features),
		ints("nodes_truenodeids", yes), ints("nodes_falsenodeids", no), attrMsg("nodes_modes", attrStrings, modes), attrMsg("nodes_values", attrFloats, part(7, values)),
		ints("target_treeids", tt), ints("target_nodeids", tn), ints("target_ids", zeroBytes(leaves)), attrMsg("target_weights", attrFloats, part(7, zeroBytes(4*leaves))),
		attrMsg("n_targets", attrInt, varint(3, 1)))
}

// layers is a network of wide layers, as torch exports it: weights are transposed by Gemm.
func layers(n int) []byte {
	const width = 512
	var b []byte
	at := "X"
	count := max(1, n/(4*width*width))
	for i := range count {
		w, next := fmt.Sprint("w", i), fmt.Sprint("h", i)
		b = append(b, part(5, tensorMsg(w, typeFloat, []int{width, width}, part(9, filled([]byte{0, 0, 0x80, 0x3f}, 4*width*width))))...)
		b = append(b, nodeMsg("Gemm", "", []string{at, w}, next, attrMsg("transB", attrInt, varint(3, 1)))...)
		at = next
		if i < count-1 {
			at = fmt.Sprint("r", i)
			b = append(b, nodeMsg("Relu", "", []string{next}, at)...)
		}
	}
	return graphFile(b, nodeMsg("Identity", "", []string{at}, "Y"), ends(width))
}

// tallLayers has few rows of many small weights in one byte each.
func tallLayers(n int) []byte {
	const rows = 8
	b := part(5, tensorMsg("W", typeInt8, []int{rows, n / rows}, part(9, oneBytes(n/rows*rows))))
	return graphFile(b, nodeMsg("Cast", "", []string{"W"}, "F", attrMsg("to", attrInt, varint(3, typeFloat))), nodeMsg("MatMul", "", []string{"X", "F"}, "Y"), ends(rows))
}

// TestMemory: whatever a file holds, importing it allocates at most 64 MB and 20 times its size, in all. FHEML_LONG=1 takes files of 32 MB, where the first part hides less.
func TestMemory(t *testing.T) {
	n := 4 << 20
	if os.Getenv("FHEML_LONG") == "1" {
		n = 32 << 20
	}
	for name, b := range hostile(n) {
		start := time.Now()
		got := allocated(b)
		if got > allowance(len(b)) {
			t.Errorf("%s: %d bytes allocated for a file of %d, %.1f times", name, got, len(b), float64(got)/float64(len(b)))
		} else if testing.Verbose() {
			t.Logf("%s: %.1f times a file of %d kB in %v", name, float64(got)/float64(len(b)), len(b)>>10, time.Since(start).Round(time.Millisecond))
		}
	}
}
