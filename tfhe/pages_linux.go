package tfhe

import (
	"syscall"
	"unsafe"
)

// adviseLargePages asks the kernel to back fresh memory with pages of 2 MB: a lookup streams through tens of megabytes of key, and page walks would take
// a tenth of its time. It is advice only: failure changes nothing.
func adviseLargePages(x []float64) {
	const large, advice = 2 << 20, 14 // MADV_HUGEPAGE
	if len(x) == 0 {
		return
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 8*len(x))
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (large - 1))
	if len(b) < skip+large {
		return
	}
	b = b[skip:]
	_ = syscall.Madvise(b[:len(b)/large*large], advice)
}
