package compiler_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// linked builds a program of testdata and returns the names of the symbols that the linker keeps.
func linked(t *testing.T, program string) []string {
	t.Helper()
	if testing.Short() {
		t.Skip("links a program")
	}
	binary := filepath.Join(t.TempDir(), program)
	build(t, binary, program)
	out, err := exec.Command("go", "tool", "nm", binary).Output()
	if err != nil {
		t.Fatalf("go tool nm: %v", err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		if _, name, ok := strings.Cut(line, "github.com/fhe-ml/fhe-ml/"); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	if len(names) < 10 {
		t.Fatalf("only %d symbols: the test tests nothing", len(names))
	}
	return names
}

func build(t *testing.T, binary, program string, env ...string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-o", binary, "./testdata/"+program)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", program, err, out)
	}
}

func refuse(t *testing.T, program string, names []string, parts ...string) {
	t.Helper()
	for _, name := range names {
		for _, part := range parts {
			if strings.Contains(name, part) {
				t.Errorf("%s links %s", program, name)
			}
		}
	}
}

// TestClientLinksNoServer holds the client to what a browser needs: no floating-point FFT, no optimiser or search, nothing of the server.
func TestClientLinksNoServer(t *testing.T) {
	names := linked(t, "clientmain")
	// What package fft finds out about the processor when a program starts is all that may stay of it: no plan, no kernel.
	for _, name := range names {
		if _, fft, ok := strings.Cut(name, "tfhe/internal/fft."); ok && !strings.HasPrefix(fft, "init") && !slices.Contains([]string{".inittask", "level", "best"}, fft) {
			t.Errorf("a client links %s", name)
		}
	}
	refuse(t, "a client", names, "compiler/server", "tfhe.(*Evaluator)", "tfhe.NewServerKey",
		"compiler.Compile", "compiler.newPlan", "compiler.search", "compiler.newLowerer", "compiler.(*Graph)", "compiler.(*plan)", "compiler.(*lowerer)",
		"compiler.(*Circuit)", "compiler.ReadCircuit", "tfhe.SearchLookup", "quantize.", "models.", "importers/")
	if !slices.Contains(names, "compiler/client.(*Client).Encrypt") {
		t.Error("the client does not encrypt: the test tests nothing")
	}
	build(t, filepath.Join(t.TempDir(), "client.wasm"), "clientmain", "GOOS=js", "GOARCH=wasm")
}

// TestServerLinksNoSecret holds the server to what it may know: nothing that makes, reads or uses a secret key, or samples noise.
func TestServerLinksNoSecret(t *testing.T) {
	names := linked(t, "servermain")
	refuse(t, "a server", names, "SecretKey", "Encryptor", "Decryptor", "tfhe.GenerateEvaluationKey", "compiler/client", "tfhe/internal/rng.(*Source)",
		"compiler.Compile", "compiler.(*plan)")
	if !slices.Contains(names, "compiler/server.(*Server).run") {
		t.Error("the server does not run: the test tests nothing")
	}
}

// TestServiceLinksNoSecret holds the HTTP service to the same.
func TestServiceLinksNoSecret(t *testing.T) {
	names := linked(t, "servicemain")
	refuse(t, "a service", names, "SecretKey", "Encryptor", "Decryptor", "tfhe.GenerateEvaluationKey", "compiler/client", "tfhe/internal/rng.(*Source)",
		"compiler.Compile", "compiler.(*plan)")
	if !slices.Contains(names, "compiler/server/service.(*Service).Serve") {
		t.Error("the service does not serve: the test tests nothing")
	}
}

// TestServerNamesNoSecret reads the server's source: no file names a secret key, an encryptor or a decryptor, or imports the client.
func TestServerNamesNoSecret(t *testing.T) {
	files := 0
	err := filepath.WalkDir("server", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		for _, imp := range file.Imports {
			if p := strings.Trim(imp.Path.Value, `"`); strings.HasSuffix(p, "/client") || strings.Contains(p, "reflect") || p == "unsafe" {
				t.Errorf("%s imports %s", path, p)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				for _, bad := range []string{"Secret", "Encryptor", "Decryptor", "GenerateEvaluationKey"} {
					if strings.Contains(id.Name, bad) {
						t.Errorf("%s names %s", set.Position(id.Pos()), id.Name)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Error("no source: the test tests nothing")
	}
}
