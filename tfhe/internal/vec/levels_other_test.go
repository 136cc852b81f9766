//go:build !amd64 || purego

package vec

// levelNames names the implementations.
var levelNames = []string{"go"}

func setLevel(int) (restore func()) { return func() {} }
