//go:build cgo

package liblinear

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/sjwhitworth/golearn/linear_models"

	"github.com/fhe-ml/fhe-ml/importers/golearn"
	"github.com/fhe-ml/fhe-ml/models"
)

// Import reads a trained *linear_models.LogisticRegression or *linear_models.LinearSVC. opt.Columns names its columns: the float attributes of the training grid
// that are no class, in its order. The numbers go through liblinear's text format, which holds 16 digits.
func Import(model any, opt golearn.Options) (models.Model, *golearn.Report, error) {
	switch model.(type) {
	case *linear_models.LogisticRegression, *linear_models.LinearSVC:
	default:
		return nil, nil, fmt.Errorf("liblinear: cannot import a %T; give a *linear_models.LogisticRegression or *linear_models.LinearSVC", model)
	}
	text, err := export(model)
	if err != nil {
		return nil, nil, fmt.Errorf("liblinear: %w", err)
	}
	parsed, err := golearn.ParseLiblinear(text)
	if err != nil {
		return nil, nil, fmt.Errorf("liblinear: %w", err)
	}
	return parsed.Model(opt)
}

// export writes the model as liblinear does and reads that back.
func export(model any) ([]byte, error) {
	v := reflect.ValueOf(model).Elem().FieldByName("model")
	if !v.IsValid() || v.Type() != reflect.TypeFor[*linear_models.Model]() {
		return nil, fmt.Errorf("%T has no model: this release of golearn is not known", model)
	}
	if v.IsNil() || v.Elem().FieldByName("c_model").Pointer() == 0 {
		return nil, fmt.Errorf("the model is not fitted; fit it first")
	}
	dir, err := os.MkdirTemp("", "fheml")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model")
	// The field is unexported but its type is not: the pointer is golearn's own.
	if err := linear_models.Export((*linear_models.Model)(v.UnsafePointer()), path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}
