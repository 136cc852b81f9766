package numpy

import (
	"strings"
	"testing"
)

// compileText compiles def f(x, y) of a text for x: uint4[3] and y: uint4[3].
func compileText(source string) (*Program, error) {
	var inputs []Input
	for _, name := range []string{"x", "y"} {
		if strings.Contains(source, "def f(x, y)") || name == "x" {
			inputs = append(inputs, Input{Name: name, Shape: []int{3}, Lo: 0, Hi: 15})
		}
	}
	return ParseFile("f.py", source, Options{Inputs: inputs})
}

// checkText compiles def f(x) of a text and compares its first result for x = [1, 2, 3].
func checkText(t *testing.T, source string, want int64) {
	t.Helper()
	p, err := compileText(source)
	if err != nil {
		t.Errorf("%s: %v", source, err)
		return
	}
	out, err := p.Graph.Eval(map[string][]int64{"x": {1, 2, 3}})
	if err != nil || out[0][0] != want {
		t.Errorf("%s: %v, %v, want %d", source, out, err, want)
	}
}

// TestRefusals holds what people read when they make a typical mistake: place, what is wrong, the way out, and the line underlined.
func TestRefusals(t *testing.T) {
	for source, want := range map[string]string{
		"def f(x):\n    return x * 0.5\n": `f.py:2:14: the result is encrypted float64 array of shape (3,); end with integers, for example with np.rint(scale * y).astype(np.int64), and divide by the scale after decryption
        return x * 0.5
                 ^`,
		"def f(x):\n    if x[0] > 3:\n        return x\n    return -x\n": `f.py:2:13: the program branches on an encrypted value; choose with np.where(condition, a, b); combine conditions with & and |, or np.logical_and and np.logical_or
        if x[0] > 3:
                ^`,
		"def f(x):\n    i = 0\n    while i < x[0]:\n        i += 1\n    return i\n": `f.py:3:5: "while" is outside the subset; loop a constant number of times with for i in range(n): a loop cannot depend on encrypted values
        while i < x[0]:
        ^^^^^`,
		"import numpy as np\ndef f(x, y):\n    return np.rint(x * 0.5 + y * 0.25).astype(np.int64)\n": `f.py:3:28: np.add in floating point of two encrypted values; combine the values as integers first, for example ((x + y) * 0.5) in place of (x * 0.5 + y * 0.5), or round each to integers with .astype(np.int64)
        return np.rint(x * 0.5 + y * 0.25).astype(np.int64)
                               ^`,
		"import numpy as np\nW = np.array([[0.5, 1.5, -2.0]])\ndef f(x):\n    return (W @ x).astype(int)\n": `f.py:4:15: a matrix product in floating point of encrypted values; quantize the weights to integers first, for example np.rint(w * 32).astype(np.int64)
        return (W @ x).astype(int)
                  ^`,
		"import numpy as np\ndef f(x):\n    return (8 * np.log(x)).astype(np.int64)\n": `f.py:3:15: the value is -Inf at x = 0, which is no integer; keep such values out of the bounds, or replace them with np.where
        return (8 * np.log(x)).astype(np.int64)
                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^`,
		"import numpy as np\ndef f(x):\n    return np.tanhh(x)\n": `f.py:3:12: there is no numpy.tanhh here; is tanh meant?
        return np.tanhh(x)
               ^^^^^^^^`,
		"import sklearn\ndef f(x):\n    return x\n": `f.py:1:8: the module sklearn is not available; numpy and math are there; constants can be loaded with np.load of a file beside the program
    import sklearn
           ^^^^^^^`,
		"def f(x):\n    return x[x[0]]\n": `f.py:2:12: an encrypted index of encrypted int64 array of shape (3,); an encrypted value can index a constant array of one axis
        return x[x[0]]
               ^^^^^^^`,
		"def f(x):\n    return 3 < x[0] < 9\n": `f.py:2:14: the program branches on an encrypted value; write (a < b) & (b < c) for encrypted values
        return 3 < x[0] < 9
                 ^`,
		"def f(x):\n    return x + unknown\n": `f.py:2:16: the name unknown is not defined
        return x + unknown
                   ^^^^^^^`,
		"def f(x):\n    return x[3]\n": `f.py:2:12: index 3 of an axis of 3
        return x[3]
               ^^^^`,
		"def f(x):\n    return x / x.sum(\n": `f.py:2:21: the bracket ( is not closed
        return x / x.sum(
                        ^`,
		"def f(x):\n  y = x\n    return y\n": `f.py:3:1: an indented line where none is expected
        return y
    ^^^^`,
		"def f(x):\n    return x // (x - 3)\n": `f.py:2:14: division by zero inside the bounds; keep 0 out of the bounds of the divisor, for example with np.maximum(x, 1)
        return x // (x - 3)
                 ^^`,
		"def f(x):\n    a = x[:2]\n    a[0] = 1\n    return a\n": `f.py:3:5: an array that shares its memory with another one is changed; assign before slices are taken, or to a copy: a = a.copy()
        a[0] = 1
        ^^^^`,
		"def f(x):\n    pass\n": `f.py:2:5: the function f returns nothing; end it with return
        pass
        ^^^^`,
		"x = 3\n": "f.py: the file defines no function; define one with def",
		"def f(x, z):\n    return x + z\n": `f.py:1:10: the parameter z has no input; say what it is, for example --input 'z: uint7[30]'
    def f(x, z):
             ^`,
	} {
		p, err := compileText(source)
		if err == nil {
			t.Errorf("accepted: %s\n%s", source, p.Graph)
			continue
		}
		if err.Error() != want {
			t.Errorf("for\n%s\ngot\n%s\nwant\n%s", source, err, want)
		}
	}
}

// TestBounded: programs that would run or grow without end are refused.
func TestBounded(t *testing.T) {
	for _, source := range []string{
		"def f(x):\n    for i in range(1000000):\n        for j in range(1000000):\n            x = x + 1\n    return x\n",
		"def f(x):\n    l = [1]\n    for i in range(100):\n        l = l + l\n    return x + l[0]\n",
		"def f(x):\n    return f(x)\n",
		"import numpy as np\ndef f(x):\n    return x[0] + np.zeros((100000, 100000)).sum().astype(int)\n",
		"import numpy as np\ndef f(x):\n    a = np.ones((1000, 1000))\n    for i in range(10000):\n        a = a @ a\n    return x\n",
		"def f(x):\n    for i in range(100):\n        x = x * x\n    return x\n",
		"def f(x):\n    for i in range(100):\n        x = x[None]\n    return x\n",
		"def f(x):\n    return x + 2**100000\n",
		"def f(x):\n    return " + strings.Repeat("(", 5000) + "x" + strings.Repeat(")", 5000) + "\n",
		"def f(x):\n    return " + strings.Repeat("-", 5000) + "x\n",
		"def f(x):\n    return x" + strings.Repeat("+x", 5000) + "\n",
		"def f(x):\n    return x" + strings.Repeat("**2", 5000) + "\n",
		"def f(x):\n    return x" + strings.Repeat("[0:1]", 5000) + "\n",
		strings.Repeat("if 1:\n ", 500),
		"l = [1]\nl.append(l)\ndef f(x):\n    return x if l == l else -x\n",
		"l = [1]\nl.append(l)\ndef f(x):\n    return x if l in [l] else -x\n",
		"l = [1]\nl[0] = l\nimport numpy as np\ndef f(x):\n    return x + np.array(l)\n",
		"l = [1]\nm = [1]\nfor i in range(60):\n    l = [l, l]\n    m = [m, m]\ndef f(x):\n    return x if l == m else -x\n",
	} {
		if _, err := compileText(source); err == nil {
			t.Errorf("accepted: %.80s", source)
		}
	}
}

// TestParseInput reads descriptions of inputs.
func TestParseInput(t *testing.T) {
	for text, want := range map[string]Input{
		"x: uint7[30]":   {"x", []int{30}, 0, 127},
		"y:int5":         {"y", nil, -16, 15},
		"z: -3..12[4,5]": {"z", []int{4, 5}, -3, 12},
	} {
		in, err := ParseInput(text)
		if err != nil || in.Name != want.Name || in.Lo != want.Lo || in.Hi != want.Hi || len(in.Shape) != len(want.Shape) {
			t.Errorf("%s: %v, %v", text, in, err)
		}
	}
	for _, text := range []string{"", "x", "x: ", "x: uint", "x: uint0", "x: uint17", "x: uint7[", "x: uint7[0]", "x: uint7[-1]", "x: uint7[2,]", "x: uint7x[3]", "x: float32", ": uint3",
		"x: 5..3", "x: 1..2..3", "x: uint7[65537]", "x: uint7[300,300]", "x: 0..99999999"} {
		if in, err := ParseInput(text); err == nil {
			t.Errorf("%q: accepted as %v", text, in)
		}
	}
}

func FuzzParseFile(f *testing.F) {
	for _, s := range []string{"import numpy as np\ndef f(x, y):\n    return np.maximum(x @ y, 3)\n", "def f(x):\n    return [a for a in x if 1][0]\n", "def f(x): return x if 1 else -x\n",
		"def f(x):\n  for i, j in zip([1], [2]):\n    x += i << j\n  return x.reshape(1, -1)[..., ::2].sum(axis=0)\n", "f = lambda x: x[None, :]\n", `def f(x):
    """doc"""
    a: int = 0x1F
    return x + a, np.where(x > 3, x, 0)
`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if len(source) > 1<<14 {
			return
		}
		p, err := compileText(source)
		if err == nil {
			if err := p.Graph.Verify(); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Graph.Optimize(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
