//go:build unix

package main

import "os"

// readableByOthers tells whether the file's mode lets anyone but its owner read it.
func readableByOthers(st os.FileInfo) bool { return st.Mode().Perm()&0o077 != 0 }
