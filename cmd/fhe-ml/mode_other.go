//go:build !unix

package main

import "os"

// readableByOthers is not known from a mode here.
func readableByOthers(os.FileInfo) bool { return false }
