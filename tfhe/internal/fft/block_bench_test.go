package fft

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

// perVector runs f over and over and reports the fastest run: time per vector of 8 points, of which f does so many.
func perVector(b *testing.B, vectors int, f func()) {
	best := time.Duration(math.MaxInt64)
	for b.Loop() {
		start := time.Now()
		f()
		best = min(best, time.Since(start))
	}
	b.ReportMetric(float64(best.Nanoseconds())/float64(vectors), "min-ns/vector")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(vectors), "ns/vector")
}

func eachLevelBench(b *testing.B, f func(b *testing.B)) {
	for l, name := range levelNames {
		b.Run(name, func(b *testing.B) {
			defer setLevel(l)()
			f(b)
		})
	}
}

const benchTile = 8 // vectors of a block's key that are used on several ciphertexts before the next

// benchKey is a key of zeros, so that products stay finite however often they replace their factors.
func benchKey(size int) []float64 {
	k := make([]float64, size)
	for i := range k {
		k[i] = 0 * float64(i)
	}
	return k
}

// BenchmarkBlockProduct multiplies by one tile of key, and by keys of 64 MB, each word of which is read once.
func BenchmarkBlockProduct(b *testing.B) {
	const n = 2048
	p := For(n)
	for _, levels := range []int{1, 2} {
		for _, hot := range []bool{true, false} {
			b.Run(fmt.Sprintf("l=%d/hot=%t", levels, hot), func(b *testing.B) {
				eachLevelBench(b, func(b *testing.B) {
					size := p.BlockKeyLen(4, levels)
					keys := benchKey(64 << 20 / 8)
					var r BlockRotation
					p.SetRotation(&r, []int{5, 1234, 3333, 4000}, 1)
					d := make([]float64, 2*levels*n)
					at := 0
					perVector(b, n/16*4, func() {
						for range 4 {
							if hot {
								for range n / 16 / benchTile {
									p.BlockProduct(d, keys[:size], &r, levels, 0, benchTile, nil)
								}
								continue
							}
							p.BlockProduct(d, keys[at:at+size], &r, levels, 0, n/16, nil)
							if at += size; at+size > len(keys) {
								at = 0
							}
						}
					})
				})
			})
		}
	}
}

// BenchmarkBlockProducts multiplies eight ciphertexts by a key of one level, whole or compact, or one: the same key each time, or keys of 64 MB, each word of which is read once.
func BenchmarkBlockProducts(b *testing.B) {
	const n = 2048
	p := For(n)
	for _, compact := range []bool{false, true} {
		for _, count := range []int{1, 8} {
			for _, hot := range []bool{true, false} {
				b.Run(fmt.Sprintf("compact=%t/ciphertexts=%d/hot=%t", compact, count, hot), func(b *testing.B) {
					eachLevelBench(b, func(b *testing.B) {
						keys, size := benchKey(64<<20/8), p.BlockKeyLen(4, 1)
						words := make([]uint64, CompactLen(len(keys))+CompactPad)
						for i := range words {
							words[i] = 0 * uint64(i)
						}
						var x []BlockOperand
						for range count {
							r := new(BlockRotation)
							p.SetRotation(r, []int{5, 1234, 3333, 4000}, 1)
							x = append(x, BlockOperand{make([]float64, 2*p.BlockStride()), r})
						}
						keep := make([]float64, BatchKeepLen(4))
						at := 0
						perVector(b, n/16*count, func() {
							if compact {
								p.CompactBlockProducts(x, words[CompactLen(at):CompactLen(at+size)], 0, n/16, keep, count > 1)
							} else {
								p.BlockProducts(x, keys[at:at+size], 0, n/16, count > 1)
							}
							if at += size; hot || at+size > len(keys) {
								at = 0
							}
						})
					})
				})
			}
		}
	}
}

func BenchmarkBlockProductParts(b *testing.B) {
	const n = 2048
	p := For(n)
	for _, levels := range []int{1, 2} {
		for _, m := range []int{2, 4, 7, 18} {
			b.Run(fmt.Sprintf("l=%d/m=%d", levels, m), func(b *testing.B) {
				eachLevelBench(b, func(b *testing.B) {
					key := benchKey(p.BlockKeyLen(4, levels))
					var r BlockRotation
					p.SetRotation(&r, []int{1234, 1, 333*m + m/2, 4000*m + m - 1}, m)
					d := make([]float64, m*2*levels*n)
					scratch := make([]float64, p.BlockScratchLen(m, levels))
					perVector(b, n/16, func() {
						for i := 0; i < n/16; i += benchTile {
							p.BlockProductParts(d, key, &r, levels, i, i+benchTile, scratch, nil)
						}
					})
				})
			})
		}
	}
}

// BenchmarkBlockStream is the loop of a batched blind rotation, a group of ciphertexts and keys of 64 MB, each word of which is read once:
// forward transforms, products and inverse transforms of one block after the other. The tile of the key after the one in use is asked
// for ahead or not, or there is only one key, which the caches hold.
func BenchmarkBlockStream(b *testing.B) {
	const n = 2048
	p := For(n)
	size := p.BlockKeyLen(4, 1)
	keys := benchKey(64 << 20 / 8)
	blocks := len(keys) / size
	const tile = benchTile * 4 * 4 * 16
	for _, group := range []int{1, 2, 4, 8} {
		for _, mode := range []string{"cached", "plain", "prefetch"} {
			b.Run(fmt.Sprintf("group=%d/%s", group, mode), func(b *testing.B) {
				var r BlockRotation
				p.SetRotation(&r, []int{5, 1234, 3333, 4000}, 1)
				digits := make([]int64, n)
				d, acc := make([][]float64, group), make([][]uint64, group)
				for i := range d {
					d[i], acc[i] = make([]float64, 2*n), make([]uint64, 2*n)
				}
				var times []float64 // ns per block and ciphertext
				for b.Loop() {
					for at := range blocks {
						start := time.Now()
						if mode == "cached" {
							at = 0
						}
						for i := range d {
							for h := range 2 {
								p.ForwardInt64(d[i][h*n:(h+1)*n], digits)
							}
						}
						for v := 0; v < n/16; v += benchTile {
							next := keys[(at*size+(v/benchTile+1)*tile)%len(keys):][:tile]
							for i := range d {
								var ahead []float64
								if mode == "prefetch" {
									ahead = next[tile/group*i : tile/group*(i+1)]
								}
								p.BlockProduct(d[i], keys[at*size:][:size], &r, 1, v, v+benchTile, ahead)
							}
						}
						for i := range d {
							for h := range 2 {
								p.InverseAddTorus(acc[i][h*n:(h+1)*n], d[i][h*n:(h+1)*n])
							}
						}
						times = append(times, float64(time.Since(start).Nanoseconds())/float64(group))
					}
				}
				slices.Sort(times) // other programs disturb single blocks
				b.ReportMetric(times[len(times)/2], "median-ns/block")
			})
		}
	}
}
