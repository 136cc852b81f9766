package fft

import (
	"fmt"
	"testing"
)

// TestBlockProducts compares products of one to seventeen ciphertexts with one key with as many products of one: every instruction set, all numbers of terms, extreme
// exponents, whole groups of vectors and others, padded polynomials, bands around every slice.
func TestBlockProducts(t *testing.T) {
	s := source(63)
	for l, levelName := range levelNames {
		for _, n := range []int{256, 1024, 2048, 4096} {
			for terms := 1; terms <= BlockTerms; terms++ {
				for round, count := range []int{1, 2, 3, 8, 17} {
					p := For(n)
					name := fmt.Sprintf("%s, degree %d, %d terms, %d ciphertexts", levelName, n, terms, count)
					_, key := blockOperands(s, p, 1, 1, terms)
					in := guard(key)
					from := int(s.Uint64n(uint64(n / 16)))
					to := from + int(s.Uint64n(uint64(n/16-from+1)))
					if round%2 == 0 { // whole groups
						from, to = from/8*8, (to+7)/8*8
					}
					stride := n + 32*(round%3)
					var x []BlockOperand
					var got []guarded[float64]
					want := make([][]float64, count)
					for c := range want {
						d := make([]float64, 2*stride)
						for i := range d {
							d[i] = float64(int64(s.Uint64())) * 0x1p-63
						}
						var b BlockRotation
						p.SetRotation(&b, blockExponents(s, n, 1, terms, c%3), 1)
						want[c] = append([]float64(nil), d...)
						p.blockProductGo(want[c], key[from*terms*64:], &b, 1, from, to)
						got = append(got, guard(d))
						x = append(x, BlockOperand{got[c].x(), &b})
					}
					restore := setLevel(l)
					p.BlockProducts(x, in.x(), from, to, round > 0)
					restore()
					unchanged(t, name, in, key)
					for c := range want {
						got[c].check(t, name)
						near(t, name, got[c].x(), want[c], 0x1p-52*8*float64(2*terms)*4)
					}
				}
			}
		}
	}
}

func TestBlockProductsPanics(t *testing.T) {
	p := For(256)
	var b, one, parts, unset BlockRotation
	p.SetRotation(&b, []int{1, 2}, 1)
	p.SetRotation(&one, []int{1}, 1)
	p.SetRotation(&parts, []int{1, 2}, 3)
	d, key := make([]float64, 512), make([]float64, p.BlockKeyLen(2, 1))
	for name, call := range map[string]func(){
		"digits":     func() { p.BlockProducts([]BlockOperand{{d[1:], &b}}, key, 0, 16, false) },
		"key":        func() { p.BlockProducts([]BlockOperand{{d, &b}}, key[1:], 0, 16, false) },
		"to":         func() { p.BlockProducts([]BlockOperand{{d, &b}}, key, 0, 17, false) },
		"unset":      func() { p.BlockProducts([]BlockOperand{{d, &unset}}, key, 0, 16, false) },
		"parts":      func() { p.BlockProducts([]BlockOperand{{make([]float64, 3*512), &parts}}, key, 0, 16, false) },
		"terms":      func() { p.BlockProducts([]BlockOperand{{d, &b}, {d, &one}}, key, 0, 16, false) },
		"two sizes":  func() { p.BlockProducts([]BlockOperand{{d, &b}, {make([]float64, 576), &b}}, key, 0, 16, false) },
		"other size": func() { p.BlockProducts([]BlockOperand{{d, &b}, {d[:480], &b}}, key, 0, 16, false) },
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
}

func TestBlockProductsAllocations(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		p, s := For(1024), source(64)
		d, key := blockOperands(s, p, 1, 1, 4)
		var b BlockRotation
		p.SetRotation(&b, []int{1, 2, 3, 4}, 1)
		x := []BlockOperand{{d, &b}, {d, &b}}
		_, compact, _ := compactKey(s, p, 4, 2)
		words, keep := compact.x()[:len(compact.x())-CompactPad], make([]float64, BatchKeepLen(4))
		if count := testing.AllocsPerRun(10, func() {
			p.BlockProducts(x, key, 0, 64, true)
			p.CompactBlockProducts(x, words, 0, 64, keep, true)
			p.CompactBlockProducts(x[:1], words, 0, 61, keep, false)
		}); count != 0 {
			t.Errorf("%g allocations", count)
		}
	})
}
