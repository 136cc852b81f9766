package numpy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// fixtures are numpy's own results; testdata/README.md says how they are made.
type fixtures struct {
	Scale     int64
	Functions []functionFixture
	Programs  []programFixture
}

type functionFixture struct {
	Name        string
	Lo, Hi      int64
	Want        []int64
	Ties        []int64
	Right, Left *float64
	Float       bool
}

type programFixture struct {
	File, Function string
	Inputs         []string
	Cases          []struct {
		Inputs  map[string][]int64
		Outputs [][]int64
	}
}

func readFixtures(t testing.TB) fixtures {
	data, err := os.ReadFile("testdata/fixtures.json")
	if err != nil {
		t.Fatal(err)
	}
	var f fixtures
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFunctions: every function, exhaustively over -64..127 where it is finite, is numpy's after scaling and rounding, but where the scaled value is
// within 4 units in the last place of a tie.
func TestFunctions(t *testing.T) {
	f := readFixtures(t)
	seen := map[string]bool{}
	for _, c := range f.Functions {
		seen[c.Name] = true
		b := NewBuilder()
		x := b.Input("x", nil, c.Lo, c.Hi)
		constant := func(v float64) any {
			if c.Float {
				return v
			}
			return int64(v)
		}
		args := []any{x}
		if c.Right != nil {
			args = append(args, constant(*c.Right))
		}
		if c.Left != nil {
			args = []any{constant(*c.Left), x}
		}
		y := b.Call("multiply", b.Call(c.Name, args...), f.Scale)
		if y != nil && y.kind == kindBool {
			t.Errorf("%s: a scaled bool is bool", c.Name)
		}
		b.Output(b.Call("method.astype", b.Call("rint", y), dtype{kind: kindInt}))
		g, err := b.Graph()
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		ties := 0
		for i, want := range c.Want {
			v := c.Lo + int64(i)
			out, err := g.Eval(map[string][]int64{"x": {v}})
			if err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			if got := out[0][0]; got != want {
				if slices.Contains(c.Ties, v) && max(got-want, want-got) == 1 {
					ties++
					continue
				}
				t.Errorf("%s(%d), right %v, left %v: %d, numpy %d", c.Name, v, c.Right, c.Left, got, want)
			}
		}
		if ties > 0 {
			t.Logf("%s: %d of %d values at a tie are rounded to the other side", c.Name, ties, len(c.Want))
		}
	}
	for name := range ufuncs {
		if !seen[name] {
			t.Errorf("%s has no fixture", name)
		}
	}
}

// load returns a program of the test data.
func load(t testing.TB, p programFixture) *Program {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("testdata/programs", p.File))
	if err != nil {
		t.Fatal(err)
	}
	opt := Options{Function: p.Function}
	for _, text := range p.Inputs {
		in, err := ParseInput(text)
		if err != nil {
			t.Fatal(err)
		}
		opt.Inputs = append(opt.Inputs, in)
	}
	// Functions of one file take different inputs.
	taken := opt.Inputs[:0]
	for _, in := range opt.Inputs {
		if _, ok := p.Cases[0].Inputs[in.Name]; ok {
			taken = append(taken, in)
		}
	}
	opt.Inputs = taken
	program, err := ParseFile(p.File, string(source), opt)
	if err != nil {
		t.Fatalf("%s %s: %v", p.File, p.Function, err)
	}
	return program
}

// TestPrograms compares graphs of whole files with what CPython and numpy answer for the same functions.
func TestPrograms(t *testing.T) {
	f := readFixtures(t)
	for _, p := range f.Programs {
		t.Run(p.File+"/"+p.Function, func(t *testing.T) {
			program := load(t, p)
			optimized, err := program.Graph.Optimize()
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range p.Cases {
				got, err := program.Graph.Eval(c.Inputs)
				if err != nil {
					t.Fatal(err)
				}
				if len(got) != len(c.Outputs) {
					t.Fatalf("%d outputs, want %d", len(got), len(c.Outputs))
				}
				after, err := optimized.Eval(c.Inputs)
				if err != nil {
					t.Fatal(err)
				}
				for i := range got {
					if !slices.Equal(got[i], c.Outputs[i]) {
						t.Fatalf("output %d of %v: %v, numpy %v", i, c.Inputs, got[i], c.Outputs[i])
					}
					if !slices.Equal(after[i], got[i]) {
						t.Fatalf("output %d after the passes: %v, before %v", i, after[i], got[i])
					}
				}
			}
		})
	}
}
