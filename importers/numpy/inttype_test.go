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
