//go:build !race

package tfhe

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// memoryEnv is the evaluation key's file of a process that TestServerMemory starts.
const memoryEnv = "FHEML_TEST_MEMORY"

// maxServerRSS is the resident memory in bytes that a server with the default key of 4-bit lookups may have.
const maxServerRSS = 150e6

// TestServerMemory measures the resident memory of a server with the default key of 4-bit lookups: a process of its own reads the key from a file, expands
// it, keeps nothing else, returns the rest to the system and runs lookups on two goroutines. The peak is that of loading.
func TestServerMemory(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	p := defaultLookupSet(t, 4)
	k := newKeySet(t, p)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, evaluationKeyFile(t, k.ek), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(executable, "-test.run=^TestServerMemoryProcess$", "-test.v")
	cmd.Env = append(os.Environ(), memoryEnv+"="+file)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, line, ok := strings.Cut(string(out), "resident: ")
	var loaded, rss, peak float64 // bytes
	if _, err := fmt.Sscanf(line, "%g %g %g", &loaded, &rss, &peak); !ok || err != nil {
		t.Fatalf("no measurement in %q: %v", out, err)
	}
	t.Logf("key of %.1f MB (%.1f MB in the file): resident %.1f MB after loading, %.1f MB with lookups, %.1f MB at the peak",
		float64(p.EvaluationKeyMemory())/1e6, float64(p.EvaluationKeyBytes())/1e6, loaded/1e6, rss/1e6, peak/1e6)
	if rss >= maxServerRSS {
		t.Errorf("a server with the default key of 4 bits has %.1f MB resident, want less than %.0f", rss/1e6, maxServerRSS/1e6)
	}
}

// TestServerMemoryProcess is the process that TestServerMemory starts; it is nothing without it.
func TestServerMemoryProcess(t *testing.T) {
	file := os.Getenv(memoryEnv)
	if file == "" {
		t.Skip("started by TestServerMemory")
	}
	server := serverKeyOfFile(t, file)
	loaded := status(t, "VmRSS")
	debug.FreeOSMemory() // what loading left, twice the file's size, goes back to the system
	p := server.params
	b := NewBootstrapper(p, server, 2)
	defer b.Close()
	table, err := NewLookupTable(p, make([]uint64, 16))
	if err != nil {
		t.Fatal(err)
	}
	var cts []LWECiphertext
	var tables []*LookupTable
	for range 64 {
		cts, tables = append(cts, LWECiphertext{Mask: randomWords(p.BigDimension())}), append(tables, table)
	}
	for range 4 {
		b.Run(cts, cts, tables)
	}
	b.Run(cts[:1], cts[:1], tables[:1])
	fmt.Printf("resident: %g %g %g\n", loaded, status(t, "VmRSS"), status(t, "VmHWM"))
}

// status returns a line of the process's status, in bytes.
func status(t *testing.T, name string) float64 {
	t.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(data), name+":")
	var kilobytes float64
	if _, err := fmt.Sscanf(line, "%g kB", &kilobytes); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return kilobytes * 1024
}
