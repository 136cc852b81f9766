package tfhe

import (
	"math"
	"runtime"
	"testing"
)

// TestBootstrapper looks all messages up in batches of every size, on one to three goroutines, and compares the words with those of one lookup at a
// time: the kernels are the same, so are the words.
func TestBootstrapper(t *testing.T) {
	for _, lit := range []ParametersLiteral{toy, toyParts, toyTwo} {
		k := keysOf(t, lit)
		for _, threads := range []int{1, 2, 3} {
			b := NewBootstrapper(k.p, k.server, threads)
			for _, count := range []int{1, 2, 3, 8, 9, 17, 40} {
				src, want := make([]LWECiphertext, count), make([]LWECiphertext, count)
				tables := make([]*LookupTable, count)
				for i := range src {
					src[i] = k.encryptLWE(messageOf(i%4, 2))
					want[i] = NewLWE(k.p.BigDimension())
					var err error
					if tables[i], err = NewLookupTable(k.p, randomWords(4)); err != nil {
						t.Fatal(err)
					}
					k.ev.Bootstrap(&want[i], &src[i], tables[i])
				}
				b.Run(src, src, tables)
				for i := range src {
					if e := torus(k.dec.LWE(&src[i]) - k.dec.LWE(&want[i])); math.Abs(e) > 1e-7 {
						t.Fatalf("%s, %d goroutines: lookup %d of %d differs by %g", describe(lit), threads, i, count, e)
					}
				}
			}
			b.Close()
		}
	}
}

// TestBootstrapperOneCore: barriers and pace let others run where there is one core only.
func TestBootstrapperOneCore(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	k := keysOf(t, toy)
	b := NewBootstrapper(k.p, k.server, 2)
	defer b.Close()
	entries := randomWords(4)
	table, err := NewLookupTable(k.p, entries)
	if err != nil {
		t.Fatal(err)
	}
	for _, count := range []int{1, 5} {
		src := make([]LWECiphertext, count)
		tables := make([]*LookupTable, count)
		for i := range src {
			src[i], tables[i] = k.encryptLWE(messageOf(3, 2)), table
		}
		b.Run(src, src, tables)
		for i := range src {
			if e := torus(k.dec.LWE(&src[i]) - entries[3]); math.Abs(e) > 1e-4 {
				t.Errorf("lookup %d of %d is off by %g", i, count, e)
			}
		}
	}
}

// TestBootstrapperAllocations: nothing is allocated for a lookup once the goroutines are there.
func TestBootstrapperAllocations(t *testing.T) {
	k := keysOf(t, toy)
	b := NewBootstrapper(k.p, k.server, 1)
	defer b.Close()
	table, err := NewLookupTable(k.p, randomWords(4))
	if err != nil {
		t.Fatal(err)
	}
	src := []LWECiphertext{k.encryptLWE(0), k.encryptLWE(0)}
	tables := []*LookupTable{table, table}
	if n := testing.AllocsPerRun(5, func() { b.Run(src, src, tables) }); n > 0 {
		t.Errorf("%g allocations for two lookups", n)
	}
}

// TestManyOutputs: one rotation answers with two and four functions of its input.
func TestManyOutputs(t *testing.T) {
	for _, lit := range []ParametersLiteral{toy, toyParts, toyTwo} {
		k := keysOf(t, lit)
		b := NewBootstrapper(k.p, k.server, 2)
		for _, outputs := range []int{1, 2, 4} {
			for _, count := range []int{1, 6} {
				var dst, src []LWECiphertext
				var tables []*LookupTable
				var want []uint64
				for i := range count {
					entries := make([][]uint64, outputs)
					for o := range entries {
						entries[o] = randomWords(4)
						want = append(want, entries[o][i%4])
						dst = append(dst, NewLWE(k.p.BigDimension()))
					}
					table, err := NewLookupTables(k.p, entries)
					if err != nil {
						t.Fatal(err)
					}
					tables = append(tables, table)
					src = append(src, k.encryptLWE(messageOf(i%4, 2)))
				}
				b.Run(dst, src, tables)
				for i, w := range want {
					if e := torus(k.dec.LWE(&dst[i]) - w); math.Abs(e) > 1e-4 {
						t.Fatalf("%s, %d outputs: result %d of %d is off by %g", describe(lit), outputs, i, len(want), e)
					}
				}
			}
		}
		b.Close()
	}
	p := parametersOf(t, toy)
	for _, entries := range [][][]uint64{nil, {{1, 2}, {1, 2}, {1, 2}}, {{1, 2}, {1}}, {{1, 2, 3}}} {
		if _, err := NewLookupTables(p, entries); err == nil {
			t.Errorf("tables %v are accepted", entries)
		}
	}
}

// TestSignedTable looks up all signed messages of three bits.
func TestSignedTable(t *testing.T) {
	for _, lit := range []ParametersLiteral{toy, toyParts} {
		k := keysOf(t, lit)
		entries := randomWords(8)
		table, err := NewSignedLookupTable(k.p, entries)
		if err != nil {
			t.Fatal(err)
		}
		out := NewLWE(k.p.BigDimension())
		for v := -4; v < 4; v++ {
			in := k.encryptLWE(messageOf(v, 3))
			k.ev.Bootstrap(&out, &in, table)
			if e := torus(k.dec.LWE(&out) - entries[v+4]); math.Abs(e) > 1e-4 {
				t.Errorf("%s: entry of %d is off by %g", describe(lit), v, e)
			}
		}
	}
}
