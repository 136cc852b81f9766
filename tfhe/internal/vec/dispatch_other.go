//go:build !amd64 || purego

package vec

// Without assembly no columns are done here.

func subMul64([][]uint64, [][]int64, []uint64, int) (done int) { return 0 }

func subMul32([][]uint32, [][]int32, []uint32, int) (done int) { return 0 }
