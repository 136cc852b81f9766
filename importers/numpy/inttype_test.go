package numpy

import (
	"strings"
	"testing"
)

// TestNarrowIntegers: where numpy 2.4 would wrap around in int8 and the like, or calculate in less than float64, the program is refused; the rest has its
// results.
func TestNarrowIntegers(t *testing.T) {
	const head = "import numpy as np\nC = np.array([100, 20, 3], dtype=np.int8)\nU = np.array([200, 20, 3], dtype=np.uint8)\ndef f(x):\n    "
	for body, want := range map[string]string{
		"return x + (C + C)":              "values of 6 to 200 in an array of np.int8, which holds -128 to 127",
		"return (x * 20).astype(np.int8)": "values of 0 to 300 in an array of np.int8",
		"return x + U + (U + U)":          "np.uint8",
		"return x + (-U)":                 "np.uint8",
		"return ~x.astype(np.uint8)":      "np.uint8",
		"return x.astype('uint8') << 5":   "np.uint8",
		"return x.astype(np.int8) @ C":    "np.int8",
		"a = np.zeros(3, dtype=np.uint8)\n    a[0] = x[0] - 8\n    return a": "values of -8 to 7 in an array of np.uint8",
		"a = C.copy()\n    a += 100\n    return x + a":                       "np.int8",
		"return x[0] + (np.int8(100) + np.int8(100))":                        "np.int8",
		"return x[0] + sum([C[0], C[0]])":                                    "np.int8",
		"return x[0] + np.int8(300)":                                         "values of 300 to 300",
		"return (np.sqrt(x.astype(np.uint8)) * 9).astype(int)":               "np.sqrt of np.uint8 is less precise",
		"return x + U.sum()":                                                 "np.uint64 with signed integers",
		"return x.astype(np.int)":                                            "use int or numpy.int64",
		"return x.astype(np.int128)":                                         "there is no numpy.int128",
		"return np.interp(x, [0, 1], [0, 1])":                                "there is no numpy.interp",
		"return x + np.stack([C, C]).reshape(6)[:3] * 2":                     "np.int8",
		"return x + np.where(C > 5, C, 0) * 2":                               "np.int8",
		"y = x.astype(np.int8)\n    y *= 20\n    return y":                   "np.int8",
		"return x + np.zeros_like(C) + np.full_like(C, 100) * 2":             "np.int8",
	} {
		_, err := compileText(head + body + "\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ...%s...", body, err, want)
		}
	}
	for body, want := range map[string]int64{ // for x[0] = 1
		"return x * C":                                        100,
		"return x + C + 100":                                  201,
		"return C.astype(np.int64) * 2 + x":                   201,
		"return x[0] + int(U.sum())":                          224,
		"return x[0] + C.sum() + C.max()":                     224,
		"return (x.astype(np.uint8) / 2 * 10).astype(int)":    5,
		"return x.astype(np.int8) * 8 + x":                    9,
		"return x[:2] @ C.astype(np.int16).reshape(3, 1)[:2]": 140,
		"return x + U * np.int16(2)":                          401,
		"return x + (U > C) * 1":                              2,
	} {
		checkText(t, head+body+"\n", want)
	}
}

// TestTypedArray: arrays keep the types that they are loaded with: arithmetic of narrow ones stays narrow, and is refused where numpy would wrap around.
func TestTypedArray(t *testing.T) {
	load := func(name string) func(string) (*Value, error) {
		return func(string) (*Value, error) { return TypedArray([]int{3}, []int64{100, 1, 0}, name) }
	}
	inputs := []Input{{Name: "x", Shape: []int{3}, Hi: 1}}
	for source, fits := range map[string]bool{
		"w + 20": true, "w + 28": false, "w * 2": false, "w.astype(np.int16) * 2": true, "(w + x.astype(np.int8))": true, "w + x * 100": true, "x + w * w": false,
	} {
		_, err := ParseFile("f.py", "import numpy as np\nw = np.load('w.npy')\ndef f(x):\n    return x + ("+source+")\n", Options{Inputs: inputs, Load: load("int8")})
		if fits != (err == nil) {
			t.Errorf("%s with int8: %v", source, err)
		}
	}
	for name, values := range map[string][]int64{"int8": {128}, "uint8": {-1}, "bool": {2}, "int64": {1<<53 + 1}, "uint64": {-1}, "complex128": {0}, "float32": {0}} {
		if _, err := TypedArray([]int{1}, values, name); err == nil {
			t.Errorf("%v as %s is accepted", values, name)
		}
	}
	if v, err := TypedArray([]int{2}, []int64{1, 0}, "bool"); err != nil || v.kind != kindBool {
		t.Errorf("bool: %v, %v", v, err)
	}
}
