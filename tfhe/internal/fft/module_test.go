package fft

import (
	"fmt"
	"testing"
)

// TestModuleBlockProduct compares the product of every instruction set with one monomial and one row at a time: all numbers of terms and of polynomials, extreme
// exponents, a part of the vectors, padded polynomials, bands around every slice.
func TestModuleBlockProduct(t *testing.T) {
	s := source(95)
	for l, levelName := range levelNames {
		for _, n := range []int{256, 512, 1024} {
			for _, polys := range []int{2, 3, 4, 5} {
				for terms := 1; terms <= BlockTerms; terms++ {
					for round := range 2 {
						p := For(n)
						name := fmt.Sprintf("%s, degree %d, %d polynomials, %d terms", levelName, n, polys, terms)
						random := func(n int) []float64 {
							x := make([]float64, n)
							for i := range x {
								x[i] = float64(int64(s.Uint64())) * 0x1p-63
							}
							return x
						}
						stride := n + 32*round
						d, rows := random(polys*stride), random(p.ModuleBlockLen(terms, polys))
						exponents := blockExponents(s, n, 1, terms, round)
						want := make([][]float64, polys)
						for o := range want {
							want[o] = make([]float64, n)
							for j, a := range exponents {
								for r := range polys {
									product := make([]float64, n)
									Mul(product, d[r*stride:][:n], rows[((j*polys+r)*polys+o)*n:][:n])
									p.MulXaAdd(want[o], product, a)
									Sub(want[o], product)
								}
							}
						}
						packed := make([]float64, len(rows))
						p.PackModuleBlock(packed, rows, terms, polys)
						var b BlockRotation
						p.SetRotation(&b, exponents, 1)
						from := int(s.Uint64n(uint64(n / 16)))
						to := from + int(s.Uint64n(uint64(n/16-from+1)))
						if round == 0 {
							from, to = 0, n/16
						}
						got, key := guard(d), guard(packed)
						restore := setLevel(l)
						p.ModuleBlockProduct(got.x(), key.x(), &b, polys, from, to, key.x()[:s.Uint64n(uint64(len(packed)))])
						restore()
						got.check(t, name)
						unchanged(t, name, key, packed)
						for o := range polys {
							copy(d[o*stride+16*from:o*stride+16*to], want[o][16*from:16*to])
						}
						near(t, name, got.x(), d, 0x1p-52*8*float64(polys*terms)*4)

						// A pair is two products.
						single := [2][]float64{random(polys * stride), random(polys * stride)}
						rotations := [2]BlockRotation{}
						var pair [2]guarded[float64]
						for c := range single {
							p.SetRotation(&rotations[c], blockExponents(s, n, 1, terms, round), 1)
							pair[c] = guard(single[c])
							setGo := setLevel(0)
							p.ModuleBlockProduct(single[c], packed, &rotations[c], polys, from, to, nil)
							setGo()
						}
						restore = setLevel(l)
						p.ModuleBlockProductPair(pair[0].x(), pair[1].x(), key.x(), &rotations[0], &rotations[1], polys, from, to, key.x()[:s.Uint64n(uint64(len(packed)))])
						restore()
						unchanged(t, name, key, packed)
						for c := range pair {
							pair[c].check(t, name)
							near(t, name, pair[c].x(), single[c], 0x1p-52*8*float64(polys*terms)*4)
						}
					}
				}
			}
		}
	}
}

// The bounds of a module product are checked before a kernel, and it allocates nothing.
func TestModuleBlockMisuse(t *testing.T) {
	p := For(256)
	var b, parts, unset BlockRotation
	p.SetRotation(&b, []int{1, 2, 3, 4}, 1)
	p.SetRotation(&parts, []int{1, 2, 3, 4}, 2)
	d, key := make([]float64, 4*256), make([]float64, p.ModuleBlockLen(4, 4))
	for name, call := range map[string]func(){
		"digits":       func() { p.ModuleBlockProduct(d[:1023], key, &b, 4, 0, 16, nil) },
		"short digits": func() { p.ModuleBlockProduct(d[:1008], key, &b, 4, 0, 16, nil) },
		"key":          func() { p.ModuleBlockProduct(d, key[1:], &b, 4, 0, 16, nil) },
		"from":         func() { p.ModuleBlockProduct(d, key, &b, 4, -1, 16, nil) },
		"to":           func() { p.ModuleBlockProduct(d, key, &b, 4, 0, 17, nil) },
		"reversed":     func() { p.ModuleBlockProduct(d, key, &b, 4, 3, 2, nil) },
		"one":          func() { p.ModuleBlockProduct(d[:256], key, &b, 1, 0, 16, nil) },
		"unset":        func() { p.ModuleBlockProduct(d, nil, &unset, 4, 0, 16, nil) },
		"pair":         func() { p.ModuleBlockProductPair(d, make([]float64, 8*256), key, &b, &b, 4, 0, 16, nil) },
		"pair's key":   func() { p.ModuleBlockProductPair(d, d, key[1:], &b, &b, 4, 0, 16, nil) },
		"pair unset":   func() { p.ModuleBlockProductPair(d, d, key, &b, &unset, 4, 0, 16, nil) },
		"parts":        func() { p.ModuleBlockProduct(d, key, &parts, 4, 0, 16, nil) },
		"pack":         func() { p.PackModuleBlock(key, key[1:], 4, 4) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
	eachLevel(t, func(t *testing.T) {
		if count := testing.AllocsPerRun(10, func() { p.ModuleBlockProduct(d, key, &b, 4, 0, 16, key) }); count != 0 {
			t.Errorf("%g allocations", count)
		}
		e := make([]float64, len(d))
		if count := testing.AllocsPerRun(10, func() { p.ModuleBlockProductPair(d, e, key, &b, &b, 4, 0, 16, key) }); count != 0 {
			t.Errorf("a pair: %g allocations", count)
		}
	})
}

// BenchmarkModuleBlockProduct multiplies by one tile of key, which stays in the first-level cache.
func BenchmarkModuleBlockProduct(b *testing.B) {
	for _, shape := range []struct{ n, polys int }{{1024, 3}, {512, 4}} {
		b.Run(fmt.Sprintf("N=%d/polys=%d", shape.n, shape.polys), func(b *testing.B) {
			eachLevelBench(b, func(b *testing.B) {
				const tile = 2
				p := For(shape.n)
				var r BlockRotation
				p.SetRotation(&r, []int{5, 1234 % shape.n, 333, 400}, 1)
				key, d := benchKey(p.ModuleBlockLen(4, shape.polys)), make([]float64, shape.polys*p.BlockStride())
				perVector(b, shape.n/16, func() {
					for range shape.n / 16 / tile {
						p.ModuleBlockProduct(d, key, &r, shape.polys, 0, tile, nil)
					}
				})
			})
		})
	}
}

// BenchmarkModuleBlockProductPair is BenchmarkModuleBlockProduct for two ciphertexts: the time is that of both.
func BenchmarkModuleBlockProductPair(b *testing.B) {
	for _, shape := range []struct{ n, polys int }{{1024, 3}, {512, 4}} {
		b.Run(fmt.Sprintf("N=%d/polys=%d", shape.n, shape.polys), func(b *testing.B) {
			eachLevelBench(b, func(b *testing.B) {
				const tile = 2
				p := For(shape.n)
				var r BlockRotation
				p.SetRotation(&r, []int{5, 1234 % shape.n, 333, 400}, 1)
				key, d0, d1 := benchKey(p.ModuleBlockLen(4, shape.polys)), make([]float64, shape.polys*p.BlockStride()), make([]float64, shape.polys*p.BlockStride())
				perVector(b, shape.n/16, func() {
					for range shape.n / 16 / tile {
						p.ModuleBlockProductPair(d0, d1, key, &r, &r, shape.polys, 0, tile, nil)
					}
				})
			})
		})
	}
}
