// Package importers opens trained models that other tools saved, by the file's content.
//
// Supported are ONNX files (package importers/onnx), and what golearn saves of trees, forests and linear classifiers (package importers/golearn, which also
// imports golearn's objects from a Go program).
package importers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fhe-ml/fhe-ml/importers/golearn"
	"github.com/fhe-ml/fhe-ml/importers/numpy"
	"github.com/fhe-ml/fhe-ml/importers/onnx"
	"github.com/fhe-ml/fhe-ml/models"
)

// MaxFileSize bounds the files that Open reads, in bytes.
const MaxFileSize = 1 << 30

// Formats of a file.
const (
	FormatONNX    = "onnx"
	FormatGolearn = "golearn"
)

// Report describes the imported file. Of a golearn file what belongs to ONNX is empty: version, operator sets, inputs and outputs, nodes.
type Report struct {
	Format string `json:"format"`          // FormatONNX or FormatGolearn
	Saved  string `json:"saved,omitempty"` // of a golearn file: the type that was saved, such as "ensemble.RandomForest"
	onnx.Report
}

// Options of an import. The zero value is the default.
type Options = onnx.Options

// Open reads the model in the file at path. Errors name the file and are one line. The report is also returned with an
// error when the file could be read but not be used.
func Open(path string) (models.Model, *Report, error) { return OpenWith(path, Options{}) }

// OpenWith is Open with options.
func OpenWith(path string, opt Options) (models.Model, *Report, error) {
	data, err := read(path)
	if err != nil {
		return nil, nil, err
	}
	m, r, err := decode(data, filepath.Dir(path), opt)
	if err != nil {
		return nil, r, fmt.Errorf("%s: %w", path, err)
	}
	return m, r, nil
}

// OpenProgram reads an ONNX file as a program over integers, whose inputs are described: see [onnx.ImportProgram]. Errors name the file.
func OpenProgram(path string, inputs []numpy.Input) (*models.Program, *Report, error) {
	data, err := read(path)
	if err != nil {
		return nil, nil, err
	}
	if err := isONNX(data); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	m, r, err := onnx.ImportProgram(data, filepath.Dir(path), inputs)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	if r == nil {
		return nil, nil, err
	}
	return m, &Report{Format: FormatONNX, Report: *r}, err
}

// ProgramParameters returns the inputs of an ONNX file, for OpenProgram.
func ProgramParameters(path string) ([]onnx.ParameterType, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	if err := isONNX(data); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	params, err := onnx.ProgramParameters(data)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return params, err
}

// isONNX refuses files that are none.
func isONNX(data []byte) error {
	if golearn.IsFile(data) {
		return errors.New("importers: the file is a trained model of golearn, whose inputs need no description: leave that out")
	}
	if what := foreign(data); what != "" {
		return fmt.Errorf("importers: the file is %s, not an ONNX model; export the model with skl2onnx, onnxmltools or torch.onnx", what)
	}
	return nil
}

// Suggest returns how the inputs of a file that Open refuses could be described for OpenProgram; nil when it is no such file: see [onnx.Suggest].
func Suggest(path string) []string {
	data, err := read(path)
	if err != nil || isONNX(data) != nil {
		return nil
	}
	return onnx.Suggest(data, filepath.Dir(path))
}

// decode reads a model; dir is the folder of the tensors that an ONNX file keeps beside itself.
func decode(data []byte, dir string, opt Options) (models.Model, *Report, error) {
	if golearn.IsFile(data) {
		return openGolearn(data, opt)
	}
	if err := isONNX(data); err != nil {
		return nil, nil, err
	}
	m, r, err := onnx.ImportWith(data, dir, opt)
	if r == nil {
		return nil, nil, err
	}
	return m, &Report{Format: FormatONNX, Report: *r}, err
}

// openGolearn reads a file of golearn.
func openGolearn(data []byte, opt Options) (models.Model, *Report, error) {
	task := map[onnx.TaskChoice]golearn.Task{onnx.TaskClassify: golearn.TaskClassify, onnx.TaskRegress: golearn.TaskRegress}[opt.Task]
	m, g, err := golearn.Read(data, golearn.Options{Task: task})
	r := &Report{Format: FormatGolearn, Saved: g.Model}
	r.Producer, r.Warnings = "golearn", g.Warnings
	if err == nil {
		r.Describe(m)
	}
	return m, r, err
}

// Read is Open for a model that comes from anywhere else. ONNX files that keep numbers in other files beside them cannot be read so.
func Read(r io.Reader, opt Options) (models.Model, *Report, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFileSize+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("importers: reading the model: %w", err)
	case len(data) == 0:
		return nil, nil, errors.New("importers: the model is empty")
	case len(data) > MaxFileSize:
		return nil, nil, fmt.Errorf("importers: the model has more than %d bytes", MaxFileSize)
	}
	return decode(data, "", opt)
}

// read returns the bytes of a regular file of bounded size.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err // names the file
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case st.IsDir():
		return nil, fmt.Errorf("%s: is a folder, not a model file; give the file", path)
	case st.Size() > MaxFileSize:
		return nil, fmt.Errorf("%s: has %d bytes, at most %d are read; export a smaller model", path, st.Size(), MaxFileSize)
	}
	var b bytes.Buffer
	b.Grow(int(st.Size()) + bytes.MinRead) // io.ReadAll would allocate several times the size
	if _, err := b.ReadFrom(io.LimitReader(f, MaxFileSize+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	data := b.Bytes()
	if len(data) > MaxFileSize {
		return nil, fmt.Errorf("%s: has more than %d bytes; export a smaller model", path, MaxFileSize)
	}
	if len(data) == 0 {
		return nil, fmt.Errorf("%s: the file is empty; export the model again", path)
	}
	return data, nil
}

// foreign recognises what people mistake for an ONNX file; "" when it may be one. An ONNX file starts with the tag of
// one of the fields of a ModelProto, in practice 0x08 (ir_version).
func foreign(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte("PK\x03\x04")):
		return "a zip archive (perhaps a PyTorch .pt file)"
	case bytes.HasPrefix(b, []byte{0x80}):
		return "a Python pickle"
	case bytes.HasPrefix(b, []byte("\x93NUMPY")):
		return "a NumPy array"
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		return "a gzip archive that golearn did not write"
	case bytes.HasPrefix(b, []byte("\x89HDF")):
		return "an HDF5 file"
	case b[0] != 0x08 && printable(b):
		return "text"
	}
	return ""
}

// printable reports whether the first bytes are text.
func printable(b []byte) bool {
	for _, c := range b[:min(len(b), 512)] {
		if c < 0x20 && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
