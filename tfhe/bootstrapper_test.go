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
