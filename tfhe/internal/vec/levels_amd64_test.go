//go:build !purego

package vec

import "testing"

// levelNames names the instruction sets that this machine can run.
var levelNames = []string{"go", "avx2", "avx512"}[:best+1]

// setLevel makes the kernels use an instruction set, by its index in levelNames, until the returned function is called.
func setLevel(l int) (restore func()) {
	old := level
	level = l
	return func() { level = old }
}

func TestBest(t *testing.T) {
	if level != best {
		t.Errorf("level %d in use, %d available", level, best)
	}
	t.Logf("up to %s", levelNames[best])
}
