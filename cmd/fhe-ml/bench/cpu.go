package bench

import (
	"os"
	"runtime"
	"strings"
)

// CPU is what the processor calls itself, or else its architecture.
func CPU() string {
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil { // linux
		for line := range strings.Lines(string(data)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				return strings.Join(strings.Fields(value), " ")
			}
		}
	}
	if name := cpuBrand(); name != "" {
		return name
	}
	return runtime.GOARCH
}
