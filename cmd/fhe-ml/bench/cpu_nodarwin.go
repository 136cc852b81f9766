//go:build !darwin

package bench

import "os"

// cpuBrand is what Windows puts into the environment; empty elsewhere.
func cpuBrand() string { return os.Getenv("PROCESSOR_IDENTIFIER") }
