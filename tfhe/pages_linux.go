package tfhe

import (
	"syscall"
	"unsafe"
)

// Advice to the kernel about memory, from linux/mman.h: back it with pages of 2 MB when it is first used, and (Linux 6.1) move what is there to such pages now.
const (
	adviseHugePage = 14
	adviseCollapse = 25
	hugePage       = 2 << 20
)

// largePages asks for pages of 2 MB for a key once it is filled: a lookup streams through tens of megabytes, and page walks would take a tenth
// of its time. It is advice only: failure changes nothing.
func largePages[T byte | uint64 | float64](x []T) {
	if len(x) == 0 {
		return
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(x[0])))
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (hugePage - 1))
	if len(b) < skip+hugePage {
		return
	}
	b = b[skip:]
	b = b[:len(b)/hugePage*hugePage]
	_ = syscall.Madvise(b, adviseHugePage)
	_ = syscall.Madvise(b, adviseCollapse)
}
