//go:build !linux

package tfhe

// largePages does nothing where there is no such advice.
func largePages[T byte | uint64 | float64]([]T) {}
