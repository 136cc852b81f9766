package numpy

import (
	"strings"
	"testing"
)

// TestPythonSequences: lists and tuples follow Python, not numpy. The expected numbers are CPython 3.12's with numpy 2.4.
func TestPythonSequences(t *testing.T) {
	for body, want := range map[string]int64{
		"l = [1]\n    m = l\n    l += [2, 3]\n    return x[0] * 0 + len(m)":                   3,
		"l = [1]\n    m = l\n    l += (2, 3)\n    return x[0] * 0 + sum(m)":                   6,
		"l = [1, 2]\n    m = l\n    l *= 2\n    return x[0] * 0 + len(m)":                     4,
		"return x[0] * 0 + len((1, 2) * 3)":                                                   6,
		"return x[0] * 0 + len(3 * (1, 2)) + len([1] * True)":                                 7,
		"return x[0] * 0 + ([1, 2] == [1, 2])":                                                1,
		"return x[0] * 0 + ([1, 2] == [1, 3]) + ([1, 2] != (1, 2)) * 2":                       2,
		"return x[0] * 0 + (2 in np.array([1, 2])) + ([1, 2] in [[1, 2]]) * 2":                3,
		"return x[0] * 0 + ((1, [2]) == (1, [2]))":                                            1,
		"a = np.bool_(True)\n    return x[0] * 0 + (a + a)":                                   1,
		"c = np.array([True, True])\n    return x[0] * 0 + (c[0] + c[1]) + True + True":       3,
		"a = [x[0] * 0, 2]\n    a[0] += 5\n    return a[0] + a[1]":                            7,
		"fs = [lambda v: v + i for i in range(3)]\n    return fs[0](x[0] * 0) + fs[2](0 * 1)": 4,
	} {
		checkText(t, "import numpy as np\ndef f(x):\n    "+body+"\nif __name__ == '__main__':\n    print(f'{f([1])}')\n", want)
	}
	for body, want := range map[string]string{
		"return x + len(f'{3}')":                            "strings with the prefix f are not supported",
		"for i in range(x[0]):\n        pass\n    return x": "the range of a loop depends on an encrypted value",
		"return x + max([1, 5], [2, 3])[0]":                 "the order of lists",
		"return x + (((1, 2) < (1, 3)) * 1)":                "the order of a tuple and a tuple",
		"return x + np.array([1, 2, 3] - 1)":                "Python has no - of a list",
		"return x + np.array([1, 2, 3] * [1, 2])":           "Python has no * of a list and a list",
		"return [1, 2, 3] * x[0]":                           "make an array of it first",
		"return x[0] + ([x[0]] == [3])":                     "compares lists of encrypted values",
		"return x[0] + (x[1] in [1, 2])":                    "in of an encrypted value",
		"return x[0] + (1 in np.eye(2))":                    "in among the rows of an array",
	} {
		_, err := compileText("import numpy as np\ndef f(x):\n    " + body + "\nif __name__ == '__main__':\n    print(f'{f([1])}')\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ...%s...", body, err, want)
		}
	}
}
