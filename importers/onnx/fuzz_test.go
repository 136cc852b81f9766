package onnx

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhe-ml/fhe-ml/importers/numpy"
)

// allocated runs Import and returns the bytes that it allocated.
func allocated(b []byte) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, _, err := Import(b, "")
	runtime.ReadMemStats(&after)
	if (m == nil) == (err == nil) {
		panic("neither a model nor an error")
	}
	return after.TotalAlloc - before.TotalAlloc
}

// allowance is what an import may allocate in total: everything, not only what is live at once.
func allowance(n int) uint64 { return 64<<20 + 20*uint64(n) }

func seeds(tb testing.TB, limit int64) [][]byte {
	tb.Helper()
	var out [][]byte
	for _, pattern := range []string{"testdata/*.onnx", "testdata/classical/*.onnx", "testdata/classical/refused/*.onnx", "testdata/broken/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			tb.Fatal(err)
		}
		for _, f := range files {
			if st, err := os.Stat(f); err == nil && st.Size() <= limit {
				out = append(out, read(tb, f))
			}
		}
	}
	if len(out) < 10 {
		tb.Fatalf("only %d seeds", len(out))
	}
	return out
}

func FuzzImport(f *testing.F) {
	for _, b := range seeds(f, 1<<14) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := allocated(b); n > allowance(len(b)) {
			t.Fatalf("%d bytes allocated for a file of %d", n, len(b))
		}
	})
}

// TestMutations flips, cuts and copies bytes of small fixtures: no panic, bounded memory.
func TestMutations(t *testing.T) {
	all := seeds(t, 1<<14)
	const rounds = 40 // per check; rapid makes 100 checks
	rapid.Check(t, func(t *rapid.T) {
		for range rounds {
			seed := rapid.SampledFrom(all).Draw(t, "seed")
			if len(seed) == 0 {
				continue
			}
			b := append([]byte(nil), seed...)
			for range rapid.IntRange(1, 4).Draw(t, "edits") {
				at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
				switch rapid.IntRange(0, 4).Draw(t, "kind") {
				case 0:
					b[at] = rapid.Byte().Draw(t, "byte")
				case 1:
					b[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
				case 2:
					b[at] = 0xff
				case 3:
					b = append(b[:at:at], b[min(len(b), at+rapid.IntRange(1, 8).Draw(t, "cut")):]...)
				case 4:
					end := min(len(b), at+rapid.IntRange(1, 64).Draw(t, "copy"))
					b = append(b[:end:end], b[at:]...)
				}
				if len(b) == 0 {
					break
				}
			}
			if n := allocated(b); n > allowance(len(b)) {
				t.Fatalf("%d bytes allocated for a file of %d", n, len(b))
			}
		}
	})
}

// programAllowance is what the translation of a program may allocate: for the elements that it may touch, in tables and in nodes of the graph, and for each
// node of the file.
func programAllowance(n int) uint64 { return 256<<20 + 256*(fuzzWork+64*uint64(n)) }

const fuzzWork = 1 << 18

// FuzzImportProgram translates graphs as programs whose inputs are described by their own file.
func FuzzImportProgram(f *testing.F) {
	for _, b := range programSeeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := programAllocated(b); n > programAllowance(len(b)) {
			t.Fatalf("%d bytes allocated for a file of %d", n, len(b))
		}
	})
}

func programSeeds(tb testing.TB) (out [][]byte) {
	for _, c := range append(graphCases(tb), operatorCases(tb)...) {
		out = append(out, c.Model)
	}
	return out
}

// programAllocated returns what a translation allocated. A program that comes out computes what its graph computes, for its least inputs.
func programAllocated(b []byte) uint64 {
	params, err := ProgramParameters(b)
	if err != nil {
		return 0
	}
	var inputs []numpy.Input
	for _, p := range params {
		in := numpy.Input{Name: p.Name, Shape: p.Shape, Hi: 3}
		if p.Bool {
			in.Hi = 1
		}
		inputs = append(inputs, in)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, _, err := importProgram(b, "", inputs, fuzzWork+64*len(b))
	runtime.ReadMemStats(&after)
	if (m == nil) == (err == nil) {
		panic("neither a program nor an error")
	}
	if m != nil {
		m.Raw(nil, make([]float64, len(m.Features)))
	}
	return after.TotalAlloc - before.TotalAlloc
}

// TestProgramMutations flips and copies bytes of small programs: no panic, bounded memory.
func TestProgramMutations(t *testing.T) {
	all := programSeeds(t)
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			b := slices.Clone(rapid.SampledFrom(all).Draw(t, "seed"))
			for range rapid.IntRange(1, 3).Draw(t, "edits") {
				at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
				switch rapid.IntRange(0, 2).Draw(t, "kind") {
				case 0:
					b[at] = rapid.Byte().Draw(t, "byte")
				case 1:
					b[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
				case 2:
					b[at] = 0xff
				}
			}
			if n := programAllocated(b); n > programAllowance(len(b)) {
				t.Fatalf("%d bytes allocated for a file of %d", n, len(b))
			}
		}
	})
}
