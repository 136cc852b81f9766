package numpy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/importers/numpy"
	"github.com/fhe-ml/fhe-ml/models"
)

// TestLocate: what the compiler refuses is shown at its place in the program, through helpers, lambdas and the passes, like what the parser refuses.
func TestLocate(t *testing.T) {
	for name, c := range map[string]struct {
		source, place, under, reason string
		lowering                     compiler.Lowering
	}{
		"a table of too many values": {"import numpy as np\ndef f(x):\n    s = x @ W\n    return np.where(s > 9000, x[1], 5) + x[0]\n",
			"f.py:4:23: ", "    return np.where(s > 9000, x[1], 5) + x[0]\n                      ^", "values", compiler.LowerAuto},
		"too much noise": {"def f(x):\n    h = (x * x[::-1]) % 2\n    t = (h * 1000000).sum() >> 18\n    return t * t\n",
			"f.py:3:29: ", "    t = (h * 1000000).sum() >> 18\n                            ^^", "noise", compiler.LowerAuto},
		"in a helper": {"import numpy as np\ndef g(a, k):\n    return np.maximum(a, k)\ndef f(x):\n    s = x @ W\n    return g(s, 7000)\n",
			"f.py:3:12: ", "    return np.maximum(a, k)\n           ^^^^^^^^^^", "values", compiler.LowerAuto},
		"in place":             {"def f(x):\n    s = x @ W\n    s >>= 2\n    return s\n", "f.py:3:7: ", "    s >>= 2\n      ^^^", "values", compiler.LowerAuto},
		"in a loop":            {"def f(x):\n    s = x[0]\n    for a in x:\n        s = s * a + 99971 * a\n    return s\n", "f.py:4:15: ", "        s = s * a + 99971 * a\n              ^", "values", compiler.LowerAuto},
		"a lowering asked for": {"def f(x):\n    return x * x[::-1]\n", "f.py:2:14: ", "    return x * x[::-1]\n             ^", "affine is impossible", compiler.LowerAffine},
		"a lambda":             {"import numpy as np\nf = lambda x: np.maximum(x @ W, 700)\n", "f.py:2:15: ", "f = lambda x: np.maximum(x @ W, 700)\n              ^^^^^^^^^^", "values", compiler.LowerAuto},
	} {
		p, err := numpy.ParseFile("f.py", c.source+"W = [1310, 3070, 4010, 5010, 3970, 2130]\n", numpy.Options{Function: "f", Inputs: []numpy.Input{{Name: "x", Shape: []int{6}, Hi: 15}}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m, err := models.NewProgram(p.Graph, "test")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, err = models.Compile(m, models.CompileOptions{Lowering: c.lowering}, nil)
		if err == nil {
			t.Errorf("%s: it compiles", name)
			continue
		}
		var placed *numpy.Error
		got := p.Locate(err)
		if text := got.Error(); !errors.As(got, &placed) || !strings.HasPrefix(text, c.place) || !strings.Contains(text, c.reason) ||
			!strings.Contains(strings.ReplaceAll(text, "\n    ", "\n"), c.under) {
			t.Errorf("%s: %v\nfrom %v", name, got, err)
		}
	}
}

// TestLocateOthers: errors about no place of the file stay as they are.
func TestLocateOthers(t *testing.T) {
	p, err := numpy.ParseFile("f.py", "def f(x):\n    return -x\n", numpy.Options{Inputs: []numpy.Input{{Name: "x", Hi: 15}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{nil, errors.New("other"), &compiler.LowerError{Node: 1}, &compiler.LowerError{Node: 1, Origin: 99}, &compiler.LowerError{Origin: -1}} {
		if got := p.Locate(err); got != err {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}
