package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// scoresOf imports a file with one input of the given row shape and one output, and returns its raw scores for a row.
func scoresOf(t rapid.TB, file []byte, row []float64) []float64 {
	t.Helper()
	m, _, err := ImportWith(file, "", Options{Task: TaskRegress})
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw(nil, row)
}

func intTensor(name string, v ...int64) msg {
	var raw []byte
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(x))
	}
	return rawTensor(name, typeInt64, []int64{int64(len(v))}, raw)
}

func toFloat32(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// same compares to single precision of the weights, which quarters have exactly.
func same(t rapid.TB, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d scores, want %d", len(got), len(want))
	}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-5*math.Max(1, math.Abs(want[i])) {
			t.Fatalf("score %d is %g, want %g", i, got[i], want[i])
		}
	}
}

// plane is one channel [h][w] of a row.
func plane(row []float64, c, h, w int) [][]float64 {
	out := make([][]float64, h)
	for y := range out {
		out[y] = row[(c*h+y)*w : (c*h+y+1)*w]
	}
	return out
}

func at(p [][]float64, y, x int) (v float64, inside bool) {
	if y < 0 || y >= len(p) || x < 0 || x >= len(p[0]) {
		return 0, false
	}
	return p[y][x], true
}

// TestConvAndPools compares Conv, AveragePool, Pad and ReduceMean with loops over the definition, for every attribute.
func TestConvAndPools(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(lo, hi int, what string) int { return rapid.IntRange(lo, hi).Draw(t, what) }
		groups, cg, og := draw(1, 2, "groups"), draw(1, 2, "channels"), draw(1, 2, "outputs")
		c, h, w := groups*cg, draw(1, 5, "h"), draw(2, 5, "w")
		kh, kw := draw(1, min(h, 3), "kh"), draw(1, min(w, 3), "kw")
		sh, sw := draw(1, 2, "sh"), draw(1, 2, "sw")
		top, left, bottom, right := draw(0, kh-1, "top"), draw(0, kw-1, "left"), draw(0, kh-1, "bottom"), draw(0, kw-1, "right")
		quarter := rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(-12, 12).Draw(t, "quarters")) / 4 })
		row := rapid.SliceOfN(quarter, c*h*w, c*h*w).Draw(t, "row")
		attrs := attrList{"strides": []int64{int64(sh), int64(sw)}, "pads": []int64{int64(top), int64(left), int64(bottom), int64(right)}}
		auto := rapid.SampledFrom([]string{"", "VALID", "SAME_UPPER", "SAME_LOWER"}).Draw(t, "auto_pad")
		if auto != "" {
			delete(attrs, "pads")
			attrs["auto_pad"] = auto
			top, left, bottom, right = 0, 0, 0, 0
			if auto != "VALID" { // results are as many as strides fit, paddings halved, the odd one after or before
				half := func(n, k, s int) (a, b int) {
					all := max(((n+s-1)/s-1)*s+k-n, 0)
					if auto == "SAME_UPPER" {
						return all / 2, all - all/2
					}
					return all - all/2, all / 2
				}
				top, bottom = half(h, kh, sh)
				left, right = half(w, kw, sw)
			}
		}
		ph, pw := (h+top+bottom-kh)/sh+1, (w+left+right-kw)/sw+1
		in := []msg{inputOf("X", typeFloat, -1, int64(c), int64(h), int64(w))}

		kernel := rapid.SliceOfN(quarter, groups*og*cg*kh*kw, groups*og*cg*kh*kw).Draw(t, "kernel")
		bias := rapid.SliceOfN(quarter, groups*og, groups*og).Draw(t, "bias")
		conv := attrList{"group": groups, "kernel_shape": []int64{int64(kh), int64(kw)}}
		pool := attrList{"kernel_shape": []int64{int64(kh), int64(kw)}}
		padded := rapid.Bool().Draw(t, "count_include_pad")
		if padded {
			pool["count_include_pad"] = 1
		}
		for k, v := range attrs {
			conv[k], pool[k] = v, v
		}
		inits := []msg{floatTensor("W", []int64{int64(groups * og), int64(cg), int64(kh), int64(kw)}, toFloat32(kernel)...), floatTensor("B", []int64{int64(groups * og)}, toFloat32(bias)...)}
		flat := nodeOf("Flatten", "", []string{"Z"}, []string{"Y"}, nil)
		var want []float64
		for o := range groups * og {
			for y := range ph {
				for x := range pw {
					s := bias[o]
					for k := range cg {
						p := plane(row, o/og*cg+k, h, w)
						for i := range kh {
							for j := range kw {
								v, _ := at(p, y*sh+i-top, x*sw+j-left)
								s += v * kernel[((o*cg+k)*kh+i)*kw+j]
							}
						}
					}
					want = append(want, s)
				}
			}
		}
		same(t, scoresOf(t, modelOf([]msg{nodeOf("Conv", "", []string{"X", "W", "B"}, []string{"Z"}, conv), flat}, in, inits, "Y"), row), want)

		want = want[:0]
		for k := range c {
			p := plane(row, k, h, w)
			for y := range ph {
				for x := range pw {
					s, n := 0.0, 0
					for i := range kh {
						for j := range kw {
							v, inside := at(p, y*sh+i-top, x*sw+j-left)
							if s += v; inside || padded {
								n++
							}
						}
					}
					want = append(want, s/float64(n))
				}
			}
		}
		same(t, scoresOf(t, modelOf([]msg{nodeOf("AveragePool", "", []string{"X"}, []string{"Z"}, pool), flat}, in, nil, "Y"), row), want)

		want = want[:0]
		for k := range c {
			s := 0.0
			for _, line := range plane(row, k, h, w) {
				for _, v := range line {
					s += v / float64(h*w)
				}
			}
			want = append(want, s)
		}
		same(t, scoresOf(t, modelOf([]msg{nodeOf("GlobalAveragePool", "", []string{"X"}, []string{"Z"}, nil), flat}, in, nil, "Y"), row), want)
		same(t, scoresOf(t, modelOf([]msg{nodeOf("ReduceMean", "", []string{"X"}, []string{"Y"}, attrList{"axes": []int64{-1, 2}, "keepdims": 0})}, in, nil, "Y"), row), want)

		want = want[:0]
		for k := range c {
			p := plane(row, k, h, w)
			for y := -1; y < h+2; y++ {
				for x := 0; x < w+1; x++ {
					v, _ := at(p, y, x)
					want = append(want, v)
				}
			}
		}
		pads := []msg{intTensor("P", 0, 0, 1, 0, 0, 0, 2, 1)}
		same(t, scoresOf(t, modelOf([]msg{nodeOf("Pad", "", []string{"X", "P"}, []string{"Z"}, nil), flat}, in, pads, "Y"), row), want)
	})
}

// TestActivations compares operators with their definitions in the ONNX specification.
func TestActivations(t *testing.T) {
	const alpha = float32(0.375)
	a := float64(alpha)
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	relu := func(x float64) float64 { return math.Max(x, 0) }
	if a != 0.375 {
		t.Fatal("not exact")
	}
	for name, k := range map[string]struct {
		attrs attrList
		want  func(x float64) float64
	}{
		"Relu":      {nil, relu},
		"Sigmoid":   {nil, sigmoid},
		"Tanh":      {nil, math.Tanh},
		"Exp":       {nil, math.Exp},
		"LeakyRelu": {attrList{"alpha": alpha}, func(x float64) float64 { return math.Max(x, a*x) }},
		"Elu":       {attrList{"alpha": alpha}, func(x float64) float64 { return relu(x) + a*(math.Exp(math.Min(x, 0))-1) }},
		"Celu":      {attrList{"alpha": alpha}, func(x float64) float64 { return relu(x) + math.Min(0, a*(math.Exp(x/a)-1)) }},
		"Selu": {nil, func(x float64) float64 {
			return 1.0507009873554805 * (relu(x) + 1.6732632423543772*(math.Exp(math.Min(x, 0))-1))
		}},
		"ThresholdedRelu": {attrList{"alpha": alpha}, func(x float64) float64 { return map[bool]float64{true: x}[x > a] }},
		"HardSigmoid":     {attrList{"alpha": alpha}, func(x float64) float64 { return math.Max(0, math.Min(1, a*x+0.5)) }},
		"HardSwish":       {nil, func(x float64) float64 { return x * math.Max(0, math.Min(1, x/6+0.5)) }},
		"Mish":            {nil, func(x float64) float64 { return x * math.Tanh(math.Log(1+math.Exp(x))) }},
		"Gelu":            {nil, func(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) }},
		"Swish":           {attrList{"alpha": alpha}, func(x float64) float64 { return x * sigmoid(a*x) }},
		"Softplus":        {nil, func(x float64) float64 { return math.Log(1 + math.Exp(x)) }},
		"Softsign":        {nil, func(x float64) float64 { return x / (1 + math.Abs(x)) }},
		"Erf":             {nil, math.Erf},
		"Sign":            {nil, func(x float64) float64 { return map[bool]float64{true: 1, false: -1}[x > 0] }},
		"Abs":             {nil, math.Abs},
		"PRelu":           {nil, func(x float64) float64 { return math.Max(x, a*x) }},
		"Max":             {nil, func(x float64) float64 { return math.Max(x, a) }},
		"Min":             {nil, func(x float64) float64 { return math.Min(x, a) }},
		"Clip":            {nil, func(x float64) float64 { return math.Max(x, a) }},
		"Square":          {nil, func(x float64) float64 { return x * x }},
		"Inverse":         {nil, func(x float64) float64 { return a / (x * x) }},
		"Shrink":          {nil, func(x float64) float64 { return map[bool]float64{true: x - a}[x > a] }},
	} {
		// The pre-activation is a sum of two columns and a constant, so that nothing of it is computed by the client.
		nodes := []msg{nodeOf("Gemm", "", []string{"X", "W", "C"}, []string{"Z"}, nil)}
		add := func(op, out string, in ...string) { nodes = append(nodes, nodeOf(op, "", in, []string{out}, nil)) }
		switch name {
		case "PRelu", "Max", "Min", "Clip":
			add(name, "A", "Z", "a")
		case "Square":
			add("Mul", "A", "Z", "Z")
		case "Inverse": // a / z^2, the square as a power
			add("Pow", "S", "Z", "two")
			add("Div", "A", "a", "S")
		case "Shrink": // where(z > a, z - a, 0)
			add("Greater", "G", "Z", "a")
			add("Sub", "D", "Z", "a")
			add("Where", "A", "G", "D", "zero")
		default:
			nodes = append(nodes, nodeOf(name, "", []string{"Z"}, []string{"A"}, k.attrs))
		}
		nodes = append(nodes, nodeOf("Gemm", "", []string{"A", "V"}, []string{"Y"}, nil))
		file := modelOf(nodes, []msg{inputOf("X", typeFloat, -1, 2)}, []msg{
			floatTensor("W", []int64{2, 1}, 1, -1), floatTensor("C", []int64{1}, 0.25), floatTensor("V", []int64{1, 1}, 2),
			floatTensor("a", nil, alpha), floatTensor("two", nil, 2), floatTensor("zero", nil, 0)}, "Y")
		for _, x := range []float64{-4.5, -1.25, -0.5, 0.5, 2.5, 7} {
			m, _, err := ImportWith(file, "", Options{Task: TaskRegress})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
			if m.Meta().Pipeline != nil {
				t.Errorf("%s: the client computes a part", name)
			}
			got, want := m.Meta().Post.Float(m.Raw(nil, []float64{x, 1})).Scores[0], 2*k.want(x-0.75)
			if math.Abs(got-want) > 1e-6*math.Max(1, math.Abs(want)) {
				t.Errorf("%s(%g) gives %g, want %g", name, x-0.75, got, want)
			}
		}
	}
}

// TestNetworkRefusals: each names the node, its domain and opset, and a way out.
func TestNetworkRefusals(t *testing.T) {
	square := []int64{2, 2}
	one := floatTensor("W", []int64{1, 1, 2, 2}, 1, 2, 3, 4)
	for name, k := range map[string]struct {
		nodes []msg
		way   string
	}{
		"max pool":        {[]msg{nodeOf("MaxPool", "", []string{"X"}, []string{"Y"}, attrList{"kernel_shape": square})}, "AveragePool"},
		"global max pool": {[]msg{nodeOf("GlobalMaxPool", "", []string{"X"}, []string{"Y"}, nil)}, "GlobalAveragePool"},
		"ceil mode":       {[]msg{nodeOf("AveragePool", "", []string{"X"}, []string{"Y"}, attrList{"kernel_shape": square, "strides": []int64{2, 2}, "ceil_mode": 1})}, "ceil_mode 0"},
		"transposed":      {[]msg{nodeOf("ConvTranspose", "", []string{"X", "W"}, []string{"Y"}, nil)}, "train the model"},
		"layer norm":      {[]msg{nodeOf("LayerNormalization", "", []string{"X", "W"}, []string{"Y"}, nil)}, "BatchNormalization"},
		"product": {[]msg{nodeOf("Conv", "", []string{"X", "W"}, []string{"Z"}, nil), nodeOf("Transpose", "", []string{"Z"}, []string{"T"}, attrList{"perm": []int64{0, 1, 3, 2}}),
			nodeOf("Relu", "", []string{"T"}, []string{"R"}, nil), nodeOf("Mul", "", []string{"Z", "R"}, []string{"Y"}, nil)}, "product of two encrypted values"},
		"larger of two": {[]msg{nodeOf("Conv", "", []string{"X", "W"}, []string{"Z"}, nil), nodeOf("Transpose", "", []string{"Z"}, []string{"T"}, attrList{"perm": []int64{0, 1, 3, 2}}),
			nodeOf("Max", "", []string{"Z", "T"}, []string{"Y"}, nil)}, "use a sum or an average"},
	} {
		_, report, err := Import(modelOf(k.nodes, []msg{inputOf("X", typeFloat, -1, 1, 5, 5)}, []msg{one}, "Y"), "")
		var u *UnsupportedError
		if !errors.As(err, &u) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Logf("%s: %v", name, err)
		for _, want := range []string{"the_", "domain ai.onnx", "opset 17", k.way} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q lacks %q", name, err, want)
			}
		}
		if strings.Contains(err.Error(), "\n") || report == nil {
			t.Errorf("%s: %q", name, err)
		}
	}
}

// TestMaxPoolOfOne: windows of one element only pick.
func TestMaxPoolOfOne(t *testing.T) {
	file := modelOf([]msg{nodeOf("MaxPool", "", []string{"X"}, []string{"Z"}, attrList{"kernel_shape": []int64{1}, "strides": []int64{2}}), nodeOf("Flatten", "", []string{"Z"}, []string{"Y"}, nil)},
		[]msg{inputOf("X", typeFloat, -1, 1, 5)}, nil, "Y")
	same(t, scoresOf(t, file, []float64{1, 2, 3, 4, 5}), []float64{1, 3, 5})
}

// TestBranches adds branches of different depth, and joins some: skips pass the layers between unchanged.
func TestBranches(t *testing.T) {
	names := func(s ...string) []string { return s }
	var nodes []msg
	add := func(op, out string, attrs attrList, in ...string) {
		nodes = append(nodes, nodeOf(op, "", in, names(out), attrs))
	}
	add("Gemm", "a", nil, "X", "W", "C")
	add("Relu", "b", nil, "a")
	add("Gemm", "c", nil, "b", "W", "C")
	add("Tanh", "d", nil, "c")
	add("Gemm", "e", nil, "d", "W", "C")
	add("Add", "f", nil, "e", "b")                         // over one layer
	add("Sub", "g", nil, "f", "X")                         // over two
	add("Concat", "Y", attrList{"axis": 1}, "g", "b", "X") // and all side by side
	w, c := [2][2]float64{{1, -2}, {0.5, 1}}, [2]float64{0.25, -0.5}
	file := modelOf(nodes, []msg{inputOf("X", typeFloat, -1, 2)}, []msg{floatTensor("W", []int64{2, 2}, 1, -2, 0.5, 1), floatTensor("C", []int64{2}, 0.25, -0.5)}, "Y")
	gemm := func(x [2]float64) (y [2]float64) {
		for j := range y {
			y[j] = c[j] + x[0]*w[0][j] + x[1]*w[1][j]
		}
		return y
	}
	each := func(x [2]float64, f func(float64) float64) [2]float64 { return [2]float64{f(x[0]), f(x[1])} }
	for _, x := range [][2]float64{{1, 2}, {-1, 0.5}, {3, -2}} {
		b := each(gemm(x), func(v float64) float64 { return math.Max(v, 0) })
		e := gemm(each(gemm(b), math.Tanh))
		want := []float64{e[0] + b[0] - x[0], e[1] + b[1] - x[1], b[0], b[1], x[0], x[1]}
		got := scoresOf(t, file, x[:])
		if fmt.Sprintf("%.9f", got) != fmt.Sprintf("%.9f", want) {
			t.Errorf("%v: %v, want %v", x, got, want)
		}
	}
}
