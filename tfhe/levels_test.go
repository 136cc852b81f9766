//go:build amd64 && !purego

package tfhe

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/cpu"
)

// levelsEnv is the folder of keys and inputs of a process that TestInstructionSets starts.
const levelsEnv = "FHEML_TEST_LEVELS"

// levelsResult is what such a process answers: the words of its outputs, and what it found of the processor.
type levelsResult struct {
	AVX2, AVX512 bool
	Outputs      []LWECiphertext
}

// levelsInputs are the inputs of all its lookups and the entries of the table.
type levelsInputs struct {
	Inputs  []LWECiphertext
	Entries []uint64
}

// TestInstructionSets runs lookups of one and two parts, in a batch, split and alone, in processes that see the whole processor, no AVX-512, and neither
// AVX-512 nor AVX2: the kernels of each and the pure Go code. Keys and inputs are the same; words may differ by roundings, messages may not.
func TestInstructionSets(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	for _, bits := range []int{4, 5} {
		k := newKeySet(t, defaultLookupSet(t, bits))
		var in levelsInputs
		var want []uint64
		in.Entries = randomWords(1 << bits)
		for i := range 6 {
			v := (5*i + 1) % len(in.Entries)
			in.Inputs = append(in.Inputs, k.encryptLWE(messageOf(v, bits)))
			want = append(want, in.Entries[v])
		}
		dir := t.TempDir()
		write := func(name string, data []byte) {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("key", evaluationKeyFile(t, k.ek))
		data, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		write("inputs", data)
		model, shape := k.model()
		bound := 8 * math.Sqrt(model.BlindRotation(shape))
		for _, c := range []struct {
			godebug      string
			avx2, avx512 bool // that it leaves
		}{{"", true, true}, {"cpu.avx512f=off", true, false}, {"cpu.all=off", false, false}} {
			cmd := exec.Command(executable, "-test.run=^(TestInstructionSetsProcess|TestClientVectors)$", "-test.v")
			cmd.Env = append(os.Environ(), levelsEnv+"="+dir, "GODEBUG="+strings.Trim(os.Getenv("GODEBUG")+","+c.godebug, ","))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("GODEBUG=%s: %v\n%s", c.godebug, err, out)
				continue
			}
			data, err := os.ReadFile(filepath.Join(dir, "result"))
			if err != nil {
				t.Fatal(err)
			}
			var result levelsResult
			if err := json.Unmarshal(data, &result); err != nil {
				t.Fatal(err)
			}
			if result.AVX2 && !c.avx2 || result.AVX512 && !c.avx512 {
				t.Errorf("GODEBUG=%s: AVX2 %v, AVX-512 %v", c.godebug, result.AVX2, result.AVX512)
			}
			if len(result.Outputs) != len(want) {
				t.Fatalf("GODEBUG=%s: %d results of %d", c.godebug, len(result.Outputs), len(want))
			}
			worst := 0.0
			for i := range want {
				e := math.Abs(torus(k.dec.LWE(&result.Outputs[i]) - want[i]))
				worst = max(worst, e)
				if e > bound {
					t.Errorf("%d bits, GODEBUG=%s: lookup %d is off by %g, bound %g", bits, c.godebug, i, e, bound)
				}
			}
			t.Logf("%d bits, GODEBUG=%-16s AVX2 %-5v AVX-512 %-5v: off by 2^%.1f at most, bound 2^%.1f", bits, c.godebug, result.AVX2, result.AVX512,
				math.Log2(worst), math.Log2(bound))
		}
	}
}

// TestInstructionSetsProcess is the process that TestInstructionSets starts; it is nothing without it.
func TestInstructionSetsProcess(t *testing.T) {
	dir := os.Getenv(levelsEnv)
	if dir == "" {
		t.Skip("started by TestInstructionSets")
	}
	data, err := os.ReadFile(filepath.Join(dir, "inputs"))
	if err != nil {
		t.Fatal(err)
	}
	var in levelsInputs
	if err := json.Unmarshal(data, &in); err != nil {
		t.Fatal(err)
	}
	server := serverKeyOfFile(t, filepath.Join(dir, "key"))
	p := server.params
	table, err := NewLookupTable(p, in.Entries)
	if err != nil {
		t.Fatal(err)
	}
	result := levelsResult{AVX2: cpu.X86.HasAVX2, AVX512: cpu.X86.HasAVX512F}
	n := len(in.Inputs)
	tables := make([]*LookupTable, n)
	for i := range n {
		result.Outputs, tables[i] = append(result.Outputs, NewLWE(p.BigDimension())), table
	}
	out := result.Outputs
	b := NewBootstrapper(p, server, 2)
	defer b.Close()
	b.Run(out[:n-2], in.Inputs[:n-2], tables[:n-2])
	b.Run(out[n-2:n-1], in.Inputs[n-2:n-1], tables[:1])
	NewEvaluator(p, server).Bootstrap(&out[n-1], &in.Inputs[n-1], table)
	if data, err = json.Marshal(result); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "result"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}
