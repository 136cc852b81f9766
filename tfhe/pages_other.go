//go:build !linux

package tfhe

// adviseLargePages does nothing where there is no such advice.
func adviseLargePages([]float64) {}
