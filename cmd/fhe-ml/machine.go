package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// osName is the operating system with its architecture.
func osName() string {
	if data, err := os.ReadFile("/etc/os-release"); err == nil && runtime.GOOS == "linux" {
		for line := range strings.Lines(string(data)) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
				return fmt.Sprintf("%s, %s/%s", strings.Trim(value, `"`), runtime.GOOS, runtime.GOARCH)
			}
		}
	}
	return runtime.GOOS + "/" + runtime.GOARCH
}

// heldBytes is what the Go runtime took from the system: a stand-in for the peak of the process's memory where the system does not tell.
func heldBytes() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}
