package onnx

import (
	"github.com/fhe-ml/fhe-ml/quantize"
)

// linear reads coefficients and intercepts of LinearRegressor and LinearClassifier: rows of weights over v.
func (t *translator) linear(o *operation, v *vector, rows int) (*vector, error) {
	coef := o.floats("coefficients")
	if rows < 1 || len(coef) == 0 || len(coef)%rows != 0 {
		return nil, malformed("%d coefficients for %d outputs", len(coef), rows)
	}
	k := len(coef) / rows
	if err := t.widen(v, k); err != nil {
		return nil, err
	}
	if len(v.cols) != k {
		return nil, malformed("%d coefficients for %d outputs of %d features", len(coef), rows, len(v.cols))
	}
	bias := o.floats("intercepts")
	if len(bias) == 0 {
		bias = nil
	} else if len(bias) != rows {
		return nil, malformed("%d intercepts for %d outputs", len(bias), rows)
	}
	if err := finite("coefficient", coef); err != nil {
		return nil, err
	}
	if err := finite("intercept", bias); err != nil {
		return nil, err
	}
	w := make([]float64, len(coef)) // [k][rows]
	for r := range rows {
		for i := range k {
			w[i*rows+r] = coef[r*k+i]
		}
	}
	return t.matmul(v, w, rows, bias)
}

func linearRegressor(t *translator, o *operation, in []value) ([]value, error) {
	v, err := computed(in)
	if err != nil {
		return nil, err
	}
	n := o.int("targets", 1)
	if n < 1 || n > maxFeatures {
		return nil, malformed("%d targets", n)
	}
	raw, err := t.linear(o, v, int(n))
	if err != nil {
		return nil, err
	}
	t.regress = true
	out, err := t.postTransform(o, raw)
	return one(out), err
}

// linearClassifier: as many rows of coefficients as classes, or one row for two classes, whose score is the one of the
// second class (onnxruntime: [-s, s] without a transform, [1-p, p] with LOGISTIC).
func linearClassifier(t *translator, o *operation, in []value) ([]value, error) {
	v, err := computed(in)
	if err != nil {
		return nil, err
	}
	classes, err := classLabels(o, "classlabels_ints")
	if err != nil {
		return nil, err
	}
	rows := len(classes)
	coef := len(o.floats("coefficients"))
	if rows == 2 && (v.open && len(o.floats("intercepts")) == 1 || !v.open && coef == len(v.cols)) {
		rows = 1
	}
	raw, err := t.linear(o, v, rows)
	if err != nil {
		return nil, err
	}
	if rows == 1 {
		c := raw.cols[0]
		raw = raw.with([]column{c.scaled(-1, 0), c}, []int{2})
	}
	scores, err := t.postTransform(o, raw)
	return []value{&labels{raw, classes, false}, scores}, err
}

// classLabels reads the class list; ints names the attribute of the integer form.
func classLabels(o *operation, ints string) ([]quantize.Label, error) {
	if n := max(len(o.texts("classlabels_strings")), len(o.ints(ints))); n > quantize.MaxClasses {
		return nil, malformed("%d class labels, want 2 to %d", n, quantize.MaxClasses)
	}
	var out []quantize.Label
	if s := o.texts("classlabels_strings"); len(s) > 0 {
		for _, x := range s {
			out = append(out, quantize.Label{Text: x})
		}
	} else {
		for _, x := range o.ints(ints) {
			out = append(out, quantize.Label{Int: x, IsInt: true})
		}
	}
	if len(out) < 2 || len(out) > quantize.MaxClasses {
		return nil, malformed("%d class labels, want 2 to %d", len(out), quantize.MaxClasses)
	}
	return out, nil
}

// postTransform applies the attribute post_transform.
func (t *translator) postTransform(o *operation, raw *vector) (*vector, error) {
	return t.transformed(o, raw, o.string("post_transform", "NONE"))
}

// transformed applies a transform by its name. (onnxruntime applies none but PROBIT to a single target of a regressor; this
// importer follows the specification.)
func (t *translator) transformed(o *operation, raw *vector, p string) (*vector, error) {
	switch p {
	case "NONE":
		return raw, nil
	case "LOGISTIC":
		return newVector(&basis{kind: basisFunction, fn: "Sigmoid", n: len(raw.cols), arg: raw, node: o}), nil
	case "SOFTMAX":
		return newVector(&basis{kind: basisSoftmax, n: len(raw.cols), arg: raw, node: o}), nil
	case "PROBIT":
		return newVector(&basis{kind: basisFunction, fn: "Probit", n: len(raw.cols), arg: raw, node: o}), nil
	case "SOFTMAX_ZERO":
		return newVector(&basis{kind: basisSoftmaxZero, n: len(raw.cols), arg: raw, node: o}), nil
	}
	return nil, malformed("post_transform %q", p)
}
