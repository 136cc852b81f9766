//go:build !amd64 || purego

package vec

// Without assembly nothing is done here.

func subMulBytes([][]uint32, [][]int8, []byte, uint, int, []byte) (done bool) { return false }

func addSub64(_, _, _, _ []uint64) (done int) { return 0 }

func sub64(_, _, _ []uint64) (done int) { return 0 }

func add64(_, _ []uint64) (done int) { return 0 }

func mulAdd64(_, _ []uint64, _ uint64) (done int) { return 0 }

func automorphism64(_, _ []uint64, _, _ int) (done bool) { return false }
