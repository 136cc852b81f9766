package vec

import "testing"

// eachLevel runs a test with every instruction set of the machine.
func eachLevel(t *testing.T, f func(t *testing.T)) {
	for l, name := range levelNames {
		t.Run(name, func(t *testing.T) {
			defer setLevel(l)()
			f(t)
		})
	}
}
