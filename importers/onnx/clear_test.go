package onnx

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/models"
)

func int64Tensor(name string, dims []int64, v ...int64) msg {
	var raw []byte
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(x))
	}
	return rawTensor(name, typeInt64, dims, raw)
}

// behind is a linear regressor with weights 1, 10, 100, ... on the value Z, so that its columns show in one number.
func behind(n int) msg {
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(math.Pow10(i))
	}
	return nodeOf("LinearRegressor", domainML, []string{"Z"}, []string{"Y"}, attrList{"coefficients": w})
}

// TestClearOperators compares what the client computes with the specification's formulas, on single columns.
func TestClearOperators(t *testing.T) {
	nan := math.NaN()
	flag := func(b bool) float64 { return truth(b) }
	f32 := func(x float64) float64 { return float64(float32(x)) }
	rows := [][]float64{{0.25, 2}, {-1.5, 3}, {2, 0.5}, {0, 0}}
	for _, c := range []struct {
		name  string
		nodes []msg
		inits []msg
		cols  int
		want  func(a, b float64) []float64
	}{
		{"Binarizer", []msg{nodeOf("Binarizer", domainML, []string{"X"}, []string{"Z"}, attrList{"threshold": float32(0.25)})}, nil, 2,
			func(a, b float64) []float64 { return []float64{flag(a > 0.25), flag(b > 0.25)} }},
		{"Less", []msg{nodeOf("Less", "", []string{"X", "c"}, []string{"L"}, nil), nodeOf("Cast", "", []string{"L"}, []string{"Z"}, attrList{"to": typeFloat})},
			[]msg{floatTensor("c", []int64{1, 2}, 0, 2)}, 2, func(a, b float64) []float64 { return []float64{flag(a < 0), flag(b < 2)} }},
		{"GreaterOrEqual, constant first", []msg{nodeOf("GreaterOrEqual", "", []string{"c", "X"}, []string{"L"}, nil), nodeOf("Cast", "", []string{"L"}, []string{"Z"}, attrList{"to": typeFloat})},
			[]msg{floatTensor("c", nil, 0.25)}, 2, func(a, b float64) []float64 { return []float64{flag(0.25 >= a), flag(0.25 >= b)} }},
		{"Equal, Not", []msg{nodeOf("Equal", "", []string{"X", "c"}, []string{"E"}, nil), nodeOf("Not", "", []string{"E"}, []string{"L"}, nil), nodeOf("Cast", "", []string{"L"}, []string{"Z"}, attrList{"to": typeFloat})},
			[]msg{floatTensor("c", []int64{2}, 2, 3)}, 2, func(a, b float64) []float64 { return []float64{flag(a != 2), flag(b != 3)} }},
		{"Where", []msg{nodeOf("Greater", "", []string{"X", "c"}, []string{"L"}, nil), nodeOf("Where", "", []string{"L", "c", "d"}, []string{"Z"}, nil)},
			[]msg{floatTensor("c", []int64{2}, 0, 1), floatTensor("d", nil, -7)}, 2, func(a, b float64) []float64 {
				z := []float64{-7, -7}
				if a > 0 {
					z[0] = 0
				}
				if b > 1 {
					z[1] = 1
				}
				return z
			}},
		{"Clip", []msg{nodeOf("Clip", "", []string{"X", "lo", "hi"}, []string{"Z"}, nil)}, []msg{floatTensor("lo", nil, -1), floatTensor("hi", nil, 1.5)}, 2,
			func(a, b float64) []float64 {
				return []float64{math.Min(math.Max(a, -1), 1.5), math.Min(math.Max(b, -1), 1.5)}
			}},
		{"Pow 3", []msg{nodeOf("Pow", "", []string{"X", "c"}, []string{"Z"}, nil)}, []msg{floatTensor("c", nil, 3)}, 2,
			func(a, b float64) []float64 { return []float64{f32(a * a * a), f32(b * b * b)} }},
		{"ReduceProd", []msg{nodeOf("ReduceProd", "", []string{"X"}, []string{"Z"}, attrList{"axes": []int64{1}})}, nil, 1,
			func(a, b float64) []float64 { return []float64{f32(a * b)} }},
		{"Mul of columns", []msg{nodeOf("Gather", "", []string{"X", "i"}, []string{"A"}, attrList{"axis": 1}), nodeOf("Mul", "", []string{"X", "A"}, []string{"Z"}, nil)},
			[]msg{int64Tensor("i", []int64{2}, 1, 1)}, 2, func(a, b float64) []float64 { return []float64{f32(a * b), f32(b * b)} }},
		{"Abs, Sqrt", []msg{nodeOf("Abs", "", []string{"X"}, []string{"A"}, nil), nodeOf("Sqrt", "", []string{"A"}, []string{"Z"}, nil)}, nil, 2,
			func(a, b float64) []float64 {
				return []float64{f32(math.Sqrt(math.Abs(a))), f32(math.Sqrt(math.Abs(b)))}
			}},
		{"L1", []msg{nodeOf("Normalizer", domainML, []string{"X"}, []string{"Z"}, attrList{"norm": "L1"})}, nil, 2, func(a, b float64) []float64 {
			n := math.Abs(a) + math.Abs(b)
			if n == 0 {
				n = 1
			}
			return []float64{a / n, b / n}
		}},
		{"LpNormalization 2", []msg{nodeOf("LpNormalization", "", []string{"X"}, []string{"Z"}, nil)}, nil, 2, func(a, b float64) []float64 {
			n := math.Hypot(a, b)
			if n == 0 {
				n = 1
			}
			return []float64{a / n, b / n}
		}},
		{"Scaler, Binarizer", []msg{nodeOf("Scaler", domainML, []string{"X"}, []string{"S"}, attrList{"offset": []float32{0.1, 0.2}, "scale": []float32{3, -1}}),
			nodeOf("Binarizer", domainML, []string{"S"}, []string{"Z"}, attrList{"threshold": float32(0.45)})}, nil, 2, func(a, b float64) []float64 {
			return []float64{flag((float32(a)-float32(0.1))*3 > float32(0.45)), flag(-(float32(b) - float32(0.2)) > float32(0.45))}
		}},
		{"OneHotEncoder of numbers", []msg{nodeOf("OneHotEncoder", domainML, []string{"X"}, []string{"O"}, attrList{"cats_int64s": []int64{0, 2, 3}}), nodeOf("Flatten", "", []string{"O"}, []string{"Z"}, nil)}, nil, 6,
			func(a, b float64) []float64 {
				a, b = math.Trunc(a), math.Trunc(b)
				return []float64{flag(a == 0), flag(a == 2), flag(a == 3), flag(b == 0), flag(b == 2), flag(b == 3)}
			}},
		{"LabelEncoder", []msg{nodeOf("LabelEncoder", domainML, []string{"X"}, []string{"Z"}, attrList{"keys_floats": []float32{0.25, 3}, "values_floats": []float32{5, 6}, "default_float": float32(-2)})}, nil, 2,
			func(a, b float64) []float64 {
				m := func(x float64) float64 {
					switch x {
					case 0.25:
						return 5
					case 3:
						return 6
					}
					return -2
				}
				return []float64{m(a), m(b)}
			}},
		{"Imputer of a value", []msg{nodeOf("Imputer", domainML, []string{"X"}, []string{"Z"}, attrList{"imputed_value_floats": []float32{9, 8}, "replaced_value_float": float32(2)})}, nil, 2,
			func(a, b float64) []float64 {
				if a == 2 {
					a = 9
				}
				if b == 2 {
					b = 8
				}
				return []float64{a, b}
			}},
	} {
		m, r, err := Import(modelOf(append(c.nodes, behind(c.cols)), xInput(2), c.inits, "Y"), "")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if m.Meta().Pipeline == nil || len(r.InTheClear) == 0 {
			t.Errorf("%s: nothing runs in the clear", c.name)
		}
		for _, row := range rows {
			p, err := models.Predict(m, row)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				break
			}
			want := 0.0
			for i, z := range c.want(row[0], row[1]) {
				want += z * math.Pow10(i)
			}
			if math.Abs(p.Scores[0]-want) > 1e-5*math.Max(1, math.Abs(want)) {
				t.Errorf("%s of %v: %v, want %v", c.name, row, p.Scores[0], want)
			}
		}
		if !strings.HasPrefix(c.name, "Imputer") {
			if _, err := models.Predict(m, []float64{nan, 1}); err == nil || !strings.Contains(err.Error(), "x0") {
				t.Errorf("%s: a missing value: %v", c.name, err)
			}
		}
	}
}

// TestMissingValues: without an imputer a linear model refuses a missing value by the column's name, with one it fills it.
func TestMissingValues(t *testing.T) {
	in := []msg{inputOf("age", typeFloat, -1, 1), inputOf("height", typeFloat, -1, 1)}
	joined := nodeOf("Concat", "", []string{"age", "height"}, []string{"C"}, attrList{"axis": 1})
	plain := modelOf([]msg{joined, nodeOf("Identity", "", []string{"C"}, []string{"Z"}, nil), behind(2)}, in, nil, "Y")
	m, _ := importOK(t, plain)
	if _, err := models.Predict(m, []float64{1, math.NaN()}); err == nil || !strings.Contains(err.Error(), `"height"`) {
		t.Errorf("error %v", err)
	}
	filled := modelOf([]msg{joined, nodeOf("Imputer", domainML, []string{"C"}, []string{"Z"}, attrList{"imputed_value_floats": []float32{4, 5}, "replaced_value_float": float32(math.NaN())}), behind(2)}, in, nil, "Y")
	m, r := importOK(t, filled)
	p, err := models.Predict(m, []float64{1, math.NaN()})
	if err != nil || p.Scores[0] != 51 {
		t.Errorf("%v %v", p, err)
	}
	if names := m.Meta().Columns(); len(names) != 2 || names[1] != "height" {
		t.Errorf("columns %v", names)
	}
	if len(r.InTheClear) != 1 || !strings.Contains(r.InTheClear[0], `"age", "height"`) {
		t.Errorf("in the clear: %v", r.InTheClear)
	}
}

// TestTexts: a text column is looked up, an unknown text is refused where the encoder says so, and large integers keep apart.
func TestTexts(t *testing.T) {
	in := []msg{inputOf("colour", typeString, -1, 1), inputOf("code", typeInt64, -1, 1), inputOf("x", typeFloat, -1, 1)}
	file := func(zeros int) []byte {
		return modelOf([]msg{
			nodeOf("OneHotEncoder", domainML, []string{"colour"}, []string{"o"}, attrList{"cats_strings": []string{"red", "green"}, "zeros": zeros}),
			nodeOf("OneHotEncoder", domainML, []string{"code"}, []string{"p"}, attrList{"cats_int64s": []int64{16777216, 16777217}}),
			nodeOf("Concat", "", []string{"o", "p"}, []string{"op"}, attrList{"axis": -1}),
			nodeOf("Reshape", "", []string{"op", "shape"}, []string{"flat"}, nil),
			nodeOf("Concat", "", []string{"flat", "x"}, []string{"Z"}, attrList{"axis": 1}), behind(5),
		}, in, []msg{int64Tensor("shape", []int64{2}, -1, 4)}, "Y")
	}
	m, _ := importOK(t, file(0))
	pipe := m.Meta().Pipeline
	green, _ := pipe.Word(0, "green")
	p, err := models.Predict(m, []float64{green, 16777217, 3})
	if err != nil || p.Scores[0] != 10+1000+30000 {
		t.Errorf("%v %v", p, err)
	}
	unknown, known := pipe.Word(0, "blue")
	if _, err = models.Predict(m, []float64{unknown, 16777217, 3}); known || err == nil || !strings.Contains(err.Error(), `"colour"`) {
		t.Errorf("error %v", err)
	}
	m, _ = importOK(t, file(1))
	if p, err = models.Predict(m, []float64{-1, 16777216, 3}); err != nil || p.Scores[0] != 100+30000 {
		t.Errorf("%v %v", p, err)
	}
	if names := m.Meta().Features; len(names) != 5 || names[0] != "x" || names[2] != "colour=green" {
		t.Errorf("features %v", names)
	}
}

// TestSumsStayEncrypted: weighted sums of several columns are no columns that a client may compute with.
func TestSumsStayEncrypted(t *testing.T) {
	for name, n := range map[string]msg{
		"Binarizer": nodeOf("Binarizer", domainML, []string{"H"}, []string{"Z"}, nil),
		"Imputer":   nodeOf("Imputer", domainML, []string{"H"}, []string{"Z"}, attrList{"imputed_value_floats": []float32{1}}),
		"Greater":   nodeOf("Greater", "", []string{"H", "c"}, []string{"Z"}, nil),
	} {
		b := modelOf([]msg{nodeOf("MatMul", "", []string{"X", "W"}, []string{"H"}, nil), n, behind(2)}, xInput(2),
			[]msg{floatTensor("W", []int64{2, 2}, 1, 2, 3, 4), floatTensor("c", nil, 0)}, "Y")
		m, _, err := Import(b, "")
		if name == "Greater" { // a layer of a network, looked up on encrypted sums
			if err != nil || m.Meta().Pipeline != nil {
				t.Errorf("%s: %v, or computed by the client", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "single columns") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestUnusedSteps: what the model does not read is not computed, but an unknown category is still refused.
func TestUnusedSteps(t *testing.T) {
	b := modelOf([]msg{
		nodeOf("Binarizer", domainML, []string{"X"}, []string{"B"}, nil), nodeOf("Abs", "", []string{"X"}, []string{"A"}, nil),
		nodeOf("Concat", "", []string{"B", "A"}, []string{"Z"}, attrList{"axis": 1}),
		nodeOf("LinearRegressor", domainML, []string{"Z"}, []string{"Y"}, attrList{"coefficients": []float32{0, 2, 0, 0}}),
	}, xInput(2), nil, "Y")
	m, _ := importOK(t, b)
	if p := m.Meta().Pipeline; len(p.Steps) != 1 || len(p.Outputs) != 1 || len(p.Inputs) != 2 {
		t.Errorf("%+v", p)
	}
	if p, err := models.Predict(m, []float64{-1, 5}); err != nil || p.Scores[0] != 2 {
		t.Errorf("%v %v", p, err)
	}
}
