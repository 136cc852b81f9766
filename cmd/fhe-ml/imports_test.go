package main

import (
	"fmt"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layers is the architecture: a package may import packages of its own layer and of those to the left.
//
//	tfhe < compiler < quantize < models < importers < cmd
//
// Datasets stands aside: it imports nothing of the module, and only cmd and tests import it. A test that fails here says that the design
// is being changed. That is a decision about the project and not something to settle by editing this list until the build is green.
var layers = []string{"tfhe", "compiler", "quantize", "models", "importers", "cmd"}

// module is the path in go.mod.
const module = "github.com/fhe-ml/fhe-ml"

// TestImports reads the import lists of every Go file of the module that is no test, for all platforms and build tags.
func TestImports(t *testing.T) {
	root := moduleRoot(t)
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipDir(path, rel)
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		files++
		source, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(rel))
		if err := checkPlace(pkg); err != nil {
			t.Errorf("%s: %v", rel, err)
		}
		for _, spec := range source.Imports {
			imported := strings.Trim(spec.Path.Value, "`\"")
			err := checkImport(pkg, imported)
			if imported == "C" && err == nil {
				var lines []string
				for _, group := range source.Comments {
					for _, c := range group.List {
						lines = append(lines, c.Text)
					}
				}
				err = checkTag(lines)
			}
			if err != nil {
				t.Errorf("%s: %v", rel, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatalf("no Go files below %s", root)
	}
}

// moduleRoot walks up from the test's folder to go.mod and makes sure that it is ours.
func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil {
			if !slices.Contains(strings.Fields(string(data)), module) {
				t.Fatalf("%s is not the go.mod of %s", dir, module)
			}
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}

// skipDir leaves out what the go command leaves out: hidden and underscored folders, testdata, and other modules.
func skipDir(path, rel string) error {
	if rel == "." {
		return nil
	}
	base := filepath.Base(rel)
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	if err == nil || base[0] == '.' || base[0] == '_' || base == "testdata" {
		return fs.SkipDir
	}
	return nil
}

// top is the first element of a path below the module root.
func top(pkg string) string {
	first, _, _ := strings.Cut(pkg, "/")
	return first
}

// inside reports whether pkg is folder or below it.
func inside(pkg, folder string) bool { return pkg == folder || strings.HasPrefix(pkg, folder+"/") }

// checkPlace refuses Go code outside the seven folders.
func checkPlace(pkg string) error {
	if top(pkg) == "datasets" || slices.Contains(layers, top(pkg)) {
		return nil
	}
	return fmt.Errorf("there is no Go code outside datasets, %s", strings.Join(layers, ", "))
}

// checkImport reports why package pkg (a path below the module root) must not import a path. The go command itself
// keeps internal packages to their layer.
func checkImport(pkg, imported string) error {
	switch {
	case imported == "math/rand" || imported == "math/rand/v2":
		return fmt.Errorf("imports %s: secrets come from crypto/rand, shuffles from a generator that never changes", imported)
	case imported == "C" && !inside(pkg, "importers/golearn"):
		return fmt.Errorf("imports \"C\": cgo stays within importers/golearn, so that one static binary builds everywhere")
	case !inside(imported, module):
		return nil
	}
	to := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
	for _, ends := range [][2]string{{"compiler/client", "compiler/server"}, {"compiler/server", "compiler/client"}} {
		if inside(pkg, ends[0]) && inside(to, ends[1]) {
			return fmt.Errorf("imports %s: the client holds secret keys, the server must not know it", to)
		}
	}
	switch {
	case top(pkg) == "datasets" && top(to) == "datasets":
		return nil
	case top(pkg) == "datasets":
		return fmt.Errorf("imports %s: datasets stands on its own", to)
	case top(to) == "datasets" && top(pkg) != "cmd":
		return fmt.Errorf("imports %s: only cmd and tests do", to)
	case top(to) == "datasets":
		return nil
	case slices.Index(layers, top(to)) > slices.Index(layers, top(pkg)):
		return fmt.Errorf("imports %s: the order is %s", to, strings.Join(layers, " < "))
	}
	return nil
}

// checkTag requires a //go:build line that holds only when cgo does.
func checkTag(comments []string) error {
	for _, line := range comments {
		if !constraint.IsGoBuild(line) {
			continue
		}
		expr, err := constraint.Parse(line)
		if err != nil {
			return err
		}
		if !expr.Eval(func(tag string) bool { return tag != "cgo" }) {
			return nil
		}
	}
	return fmt.Errorf("imports \"C\" without //go:build cgo")
}

// TestCheckImport: the policy refuses what it should. Without it a mistake in checkImport would let everything pass.
func TestCheckImport(t *testing.T) {
	for _, test := range []struct {
		pkg, imported string
		ok            bool
	}{
		{"compiler", module + "/tfhe", true},
		{"tfhe", module + "/compiler", false},
		{"tfhe", module + "/tfhe/internal/fft", true},
		{"tfhe/internal/fft", module + "/compiler", false},
		{"compiler/client", module + "/compiler", true},
		{"compiler/client", module + "/compiler/server", false},
		{"compiler/server", module + "/compiler/client", false},
		{"compiler/clientele", module + "/compiler/server", true},
		{"models", module + "/compiler/client", true},
		{"quantize", module + "/models", false},
		{"importers/onnx", module + "/models", true},
		{"importers/onnx", module + "/importers", true},
		{"models", module + "/importers/onnx", false},
		{"importers", module + "/cmd/fhe-ml", false},
		{"cmd/fhe-ml", module + "/datasets", true},
		{"models", module + "/datasets", false},
		{"datasets", module + "/tfhe", false},
		{"tfhe", "math/rand", false},
		{"cmd/fhe-ml", "math/rand/v2", false},
		{"tfhe", "crypto/rand", true},
		{"tfhe", "C", false},
		{"importers/golearn", "C", true},
		{"importers/onnx", "github.com/owulveryck/onnx-go", true},
	} {
		if err := checkImport(test.pkg, test.imported); (err == nil) != test.ok {
			t.Errorf("%s imports %s: %v", test.pkg, test.imported, err)
		}
	}
	if checkPlace("util") == nil || checkPlace(".") == nil || checkPlace("tfhe/internal/fft") != nil {
		t.Error("checkPlace")
	}
	for line, ok := range map[string]bool{"//go:build cgo": true, "//go:build cgo && !js": true, "//go:build cgo || linux": false, "// go:build cgo": false} {
		if err := checkTag([]string{"// x", line}); (err == nil) != ok {
			t.Errorf("%s: %v", line, err)
		}
	}
}
