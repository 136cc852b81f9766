//go:build !linux && !darwin

package main

// peakRSS is the most memory that the process had at a time, in bytes, as far as the Go runtime knows.
func peakRSS() int64 { return heldBytes() }
