package onnx

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"pgregory.net/rapid"
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
