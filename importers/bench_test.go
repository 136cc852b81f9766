package importers_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/importers"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// benchModel is a model of the table that BenchmarkModels prints, with rows to calibrate and to predict.
type benchModel struct {
	name string
	make func(tb testing.TB) (m models.Model, opt models.CompileOptions, rows [][]float64)
}

// benchModels are the shapes that circuits without bootstraps are measured on: trained models where there is a fixture, random ones elsewhere.
var benchModels = []benchModel{
	{"logreg30", fixtureModel("logreg_breast_cancer")},
	{"tree60", func(testing.TB) (models.Model, models.CompileOptions, [][]float64) {
		return randomForest(forestShape{trees: 1, depth: 6, features: 30, thresholds: 60, leafBits: 7})
	}},
	{"xgb20x3", fixtureModel("xgb_breast_cancer")},
	{"xgb50x4", func(testing.TB) (models.Model, models.CompileOptions, [][]float64) {
		return randomForest(forestShape{trees: 50, depth: 4, features: 30, thresholds: 400, leafBits: 4})
	}},
	{"forest_digits", fixtureModel("forest_digits")},
	{"mlp4x5-16-3", func(testing.TB) (models.Model, models.CompileOptions, [][]float64) { return randomNetwork(4, 16, 3, 5) }},
	{"mlp30x4-32-1", func(testing.TB) (models.Model, models.CompileOptions, [][]float64) {
		return randomNetwork(30, 32, 1, 4)
	}},
	{"catboost100x6", func(testing.TB) (models.Model, models.CompileOptions, [][]float64) {
		return randomForest(forestShape{trees: 100, depth: 6, features: 30, thresholds: 400, leafBits: 20, oblivious: true})
	}},
	{"forest100x8", func(testing.TB) (models.Model, models.CompileOptions, [][]float64) {
		return randomForest(forestShape{trees: 100, depth: 8, features: 10, thresholds: 2000, leafBits: 20})
	}},
}

func fixtureModel(name string) func(tb testing.TB) (models.Model, models.CompileOptions, [][]float64) {
	return func(tb testing.TB) (models.Model, models.CompileOptions, [][]float64) {
		m, _, err := importers.Open("onnx/testdata/" + name + ".onnx")
		if err != nil {
			tb.Fatal(err)
		}
		if _, tree := m.(*models.TreeEnsemble); tree {
			return m, models.CompileOptions{}, readRows(tb, "onnx/testdata/"+name+".csv")
		}
		return m, models.CompileOptions{}, readRows(tb, "onnx/testdata/"+name+".calib.csv")
	}
}

// forestShape describes a random ensemble of complete trees.
type forestShape struct {
	trees, depth, features int
	thresholds             int // distinct ones of all features together
	leafBits               int
	oblivious              bool // one test for all nodes of a level
	missing                bool // nodes route missing values either way, and rows have some
}

func randomForest(s forestShape) (models.Model, models.CompileOptions, [][]float64) {
	r := rand.New(rand.NewPCG(uint64(s.trees), uint64(s.depth)))
	m := &models.TreeEnsemble{Info: benchInfo(s.features, 1), Base: []float64{0}, Missing: s.missing}
	test := func() models.TreeNode {
		t := r.IntN(s.thresholds)
		return models.TreeNode{Feature: t % s.features, Threshold: float64(t / s.features), MissingTrue: s.missing && r.IntN(2) == 0}
	}
	for range s.trees {
		var tree models.Tree
		var levels []models.TreeNode
		for range s.depth {
			levels = append(levels, test())
		}
		var grow func(depth int) int32
		grow = func(depth int) int32 {
			if depth == s.depth {
				tree.Leaves = append(tree.Leaves, []float64{float64(r.IntN(1 << s.leafBits))})
				return ^int32(len(tree.Leaves) - 1)
			}
			n := test()
			if s.oblivious {
				n = levels[depth]
			}
			n.True, n.False = grow(depth+1), grow(depth+1)
			tree.Nodes = append(tree.Nodes, n)
			return int32(len(tree.Nodes) - 1)
		}
		tree.Root = grow(0)
		m.Trees = append(m.Trees, tree)
	}
	rows := make([][]float64, 20)
	for i := range rows {
		for range s.features {
			x := r.Float64()*float64(s.thresholds/s.features+1) - 0.5
			if s.missing && r.IntN(4) == 0 {
				x = math.NaN()
			}
			rows[i] = append(rows[i], x)
		}
	}
	return m, models.CompileOptions{}, rows
}

func randomNetwork(inputs, units, outputs, bits int) (models.Model, models.CompileOptions, [][]float64) {
	r := rand.New(rand.NewPCG(uint64(inputs), uint64(units)))
	layer := func(in, out int, a models.Activation) models.Layer {
		l := models.Layer{Activation: a}
		for range out {
			w := make([]float64, in)
			for i := range w {
				w[i] = r.NormFloat64()
			}
			l.Weights, l.Bias = append(l.Weights, w), append(l.Bias, r.NormFloat64())
		}
		return l
	}
	m := &models.Network{Info: benchInfo(inputs, outputs), Layers: []models.Layer{layer(inputs, units, models.ActReLU), layer(units, outputs, models.ActIdentity)}}
	rows := make([][]float64, 300)
	for i := range rows {
		for range inputs {
			rows[i] = append(rows[i], r.NormFloat64())
		}
	}
	return m, models.CompileOptions{Bits: bits}, rows
}

func benchInfo(features, outputs int) models.Info {
	info := models.Info{Post: quantize.Postprocessing{Outputs: outputs, Task: quantize.Regress}}
	for i := range features {
		info.Features = append(info.Features, fmt.Sprintf("x%d", i))
	}
	return info
}

// BenchmarkModels times one encrypted row on the server, for each preference, on one core and on all; ns/op is the whole row.
//
//	go test ./importers -run '^$' -bench Models
func BenchmarkModels(b *testing.B) {
	for _, bm := range benchModels {
		b.Run(bm.name, func(b *testing.B) {
			for _, prefer := range []compiler.Prefer{compiler.PreferTime, compiler.PreferBalanced, compiler.PreferUpload} {
				b.Run([]string{"balanced", "time", "upload"}[prefer], func(b *testing.B) {
					m, opt, rows := bm.make(b)
					opt.Prefer = prefer
					c, err := models.Compile(m, opt, rows)
					if err != nil {
						b.Fatal(err)
					}
					s, err := c.NewSession(context.Background(), nil)
					if err != nil {
						b.Fatal(err)
					}
					req, _, err := s.Client.Encrypt(rows[0])
					if err != nil {
						b.Fatal(err)
					}
					for _, threads := range []int{1, runtime.GOMAXPROCS(0)} {
						b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
							s.Server.SetThreads(threads)
							if _, err := s.Server.Run(context.Background(), req); err != nil { // takes the memory that later rows have
								b.Fatal(err)
							}
							for b.Loop() {
								if _, err := s.Server.Run(context.Background(), req); err != nil {
									b.Fatal(err)
								}
							}
							sum := c.Summary()
							b.ReportMetric(sum.EstimatedMs, "predicted-ms")
							b.ReportMetric(float64(sum.RequestBytes)/1024, "request-KB")
							b.ReportMetric(float64(sum.EvaluationKeyBytes)/1024, "key-KB")
						})
					}
				})
			}
		})
	}
}
