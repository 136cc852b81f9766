//go:build linux || darwin

package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// peakRSS is the most memory that the process had at a time, in bytes.
func peakRSS() int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return heldBytes()
	}
	if runtime.GOOS == "darwin" {
		return int64(u.Maxrss) // bytes; Linux counts in KiB
	}
	return int64(u.Maxrss) << 10
}
