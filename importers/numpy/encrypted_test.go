package numpy_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fhe-ml/fhe-ml/importers/numpy"
	"github.com/fhe-ml/fhe-ml/models"
)

// quick are the programs that every run computes on ciphertexts, one for each family: affine and slices, tables, comparisons, two encrypted values, a
// reduction, a tree, an image filter. FHEML_LONG=1 takes all.
var quick = map[string]bool{"main_slices": true, "main_tables": true, "main_compare": true, "main_clip": true, "neighbour.py": true, "tree.py": true, "network.py": true, "nearest.py": true}

// TestEncryptedPrograms runs the programs of the fixtures on ciphertexts: what comes back is what CPython and numpy computed, bit for bit.
func TestEncryptedPrograms(t *testing.T) {
	data, err := os.ReadFile("testdata/fixtures.json")
	if err != nil {
		t.Fatal(err)
	}
	var fixtures struct {
		Programs []struct {
			File, Function string
			Inputs         []string
			Cases          []struct {
				Inputs  map[string][]int64
				Outputs [][]int64
			}
		}
	}
	if err := json.Unmarshal(data, &fixtures); err != nil {
		t.Fatal(err)
	}
	long := os.Getenv("FHEML_LONG") == "1"
	for _, p := range fixtures.Programs {
		if !long && !quick[p.Function] && !quick[p.File] {
			continue
		}
		t.Run(p.File+"/"+p.Function, func(t *testing.T) {
			source, err := os.ReadFile(filepath.Join("testdata/programs", p.File))
			if err != nil {
				t.Fatal(err)
			}
			opt := numpy.Options{Function: p.Function}
			for _, text := range p.Inputs {
				in, err := numpy.ParseInput(text)
				if err != nil {
					t.Fatal(err)
				}
				if _, taken := p.Cases[0].Inputs[in.Name]; taken {
					opt.Inputs = append(opt.Inputs, in)
				}
			}
			program, err := numpy.ParseFile(p.File, string(source), opt)
			if err != nil {
				t.Fatal(err)
			}
			m, err := models.NewProgram(program.Graph, "test")
			if err != nil {
				t.Fatal(err)
			}
			c, err := models.Compile(m, models.CompileOptions{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			s, err := c.NewSession(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			rows := 2
			if long {
				rows = 10
			}
			for _, fixture := range p.Cases[:rows] {
				var row []float64
				for _, in := range program.Inputs {
					for _, v := range fixture.Inputs[in.Name] {
						row = append(row, float64(v))
					}
				}
				got, _, err := s.Predict(context.Background(), row)
				if err != nil {
					t.Fatal(err)
				}
				var want []float64
				for _, v := range slices.Concat(fixture.Outputs...) {
					want = append(want, float64(v))
				}
				if !slices.Equal(got.Scores, want) {
					t.Fatalf("encrypted %v, numpy %v", got.Scores, want)
				}
			}
			s2 := c.Summary()
			t.Logf("%d affines, %d selects, %d lookups, %.1f ms estimated", s2.Affines, s2.Selects, s2.Lookups, s2.EstimatedMs)
		})
	}
}
