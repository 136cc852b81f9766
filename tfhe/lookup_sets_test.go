package tfhe

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// The default sets of 1 to 8 bits: every entry of a table, and all noise of real lookups, against the formulas under each key's own weight.

// noiseRatio compares errors with the variances that were predicted for them, which may differ from one to the next: keys have different weights.
type noiseRatio struct{ n, sum, squares, want float64 }

func (r *noiseRatio) add(e, variance float64) {
	r.n++
	r.sum += e / math.Sqrt(variance)
	r.squares += float64(e*e) / variance
}

// merge adds another key's errors.
func (r *noiseRatio) merge(x noiseRatio) {
	r.n += x.n
	r.sum += x.sum
	r.squares += x.squares
}

// deviation is the measured deviation about zero over the predicted one.
func (r *noiseRatio) deviation() float64 { return math.Sqrt(r.squares / r.n) }

// check wants the deviation within a relative tolerance, and no mean: within six standard errors.
func (r *noiseRatio) check(t *testing.T, name string, tolerance float64) {
	t.Helper()
	t.Logf("%-40s deviation %.4f of the formula's, mean %+.4f of it (%.0f samples)", name, r.deviation(), r.sum/r.n, r.n)
	if math.Abs(r.deviation()-1) > tolerance {
		t.Errorf("%s: deviation is %.4f of the formula's, want 1 within %g", name, r.deviation(), tolerance)
	}
	if math.Abs(r.sum/r.n) > 6/math.Sqrt(r.n) {
		t.Errorf("%s: mean is %+.4f deviations, want 0 within %.4f", name, r.sum/r.n, 6/math.Sqrt(r.n))
	}
}

// lookupNoise are the three kinds of noise of lookups: of their outputs, of the key switch and of the modulus switch.
type lookupNoise struct{ out, ks, ms noiseRatio }

func (l *lookupNoise) merge(x lookupNoise) {
	l.out.merge(x.out)
	l.ks.merge(x.ks)
	l.ms.merge(x.ms)
}

func (l *lookupNoise) check(t *testing.T, name string, tolerance float64) {
	t.Helper()
	l.out.check(t, name+", output", tolerance)
	l.ks.check(t, name+", key switch", tolerance)
	l.ms.check(t, name+", modulus switch", tolerance)
}

// addSwitches adds what key switch and modulus switch do to an input: phases before and after them are taken in the clear. The floor of the body, which
// the boxes of a table allow for, is uniform on a slot and independent: its variance is taken off.
func (l *lookupNoise) addSwitches(k keySet, in *LWECiphertext) {
	model, shape := k.model()
	b := model.Bootstrap(shape, 1, 1, 0)
	small := k.keySwitch(in)
	phase := lwePhase(k.sk, small.Mask, small.Body)
	l.ks.add(torus(phase-lwePhase(k.sk, in.Mask, in.Body)), b.Ks)
	state := k.ev.state[0]
	table := &LookupTable{shift: 1 << 57, outputs: 1}
	z := k.switched(state.ahat, k.server.modulusSwitch(state.ahat, &k.ev.boot.ks.small[0], table))
	slots := 2 * float64(shape.Parts) * float64(shape.N)
	e := (float64(z)+0.5)/slots - float64(phase+table.shift)*0x1p-64
	l.ms.add(e-math.Round(e), b.Ms)
	l.ms.squares -= 1 / (12 * slots * slots) / b.Ms
}

// measure makes at least count lookups of bits bits on b, in chains: inputs are outputs of earlier lookups, corrected in the clear to the next message.
// Every answer is checked.
func (k keySet) measure(t *testing.T, b *Bootstrapper, bits, count int) (l lookupNoise) {
	t.Helper()
	model, shape := k.model()
	br := model.BlindRotation(shape)
	const chains = 32
	cts, tables := make([]LWECiphertext, chains), make([]*LookupTable, chains)
	last := make([]uint64, chains) // what each chain's ciphertext encrypts
	for i := range cts {
		cts[i] = k.encryptLWE(0)
	}
	for round := 0; round*chains < count+chains; round++ {
		entries := randomWords(1 << bits)
		table, err := NewLookupTable(k.p, entries)
		if err != nil {
			t.Fatal(err)
		}
		for i := range cts {
			v := (round*chains + i) % len(entries)
			cts[i].Body += messageOf(v, bits) - last[i]
			tables[i], last[i] = table, entries[v]
			if round > 0 { // from here on inputs are outputs
				l.addSwitches(k, &cts[i])
			}
		}
		b.Run(cts, cts, tables)
		for i := range cts {
			e := torus(lwePhase(k.sk, cts[i].Mask, cts[i].Body) - last[i])
			if math.Abs(e) > 10*math.Sqrt(br) {
				t.Fatalf("lookup %d of round %d is off by %g, deviation %g", i, round, e, math.Sqrt(br))
			}
			l.out.add(e, br)
		}
	}
	return l
}

// checkEntries looks messages up in a random table, together and one by one with each lookup split over the goroutines.
func (k keySet) checkEntries(t *testing.T, b *Bootstrapper, bits int, messages []int) {
	t.Helper()
	entries := randomWords(1 << bits)
	table, err := NewLookupTable(k.p, entries)
	if err != nil {
		t.Fatal(err)
	}
	src, dst, tables := make([]LWECiphertext, len(messages)), make([]LWECiphertext, len(messages)), make([]*LookupTable, len(messages))
	for i, v := range messages {
		src[i], dst[i], tables[i] = k.encryptLWE(messageOf(v, bits)), NewLWE(k.p.BigDimension()), table
	}
	model, shape := k.model()
	bound := 8 * math.Sqrt(model.BlindRotation(shape))
	check := func(how string) {
		for i, v := range messages {
			if e := math.Abs(torus(k.dec.LWE(&dst[i]) - entries[v])); e > bound {
				t.Errorf("%s, %s: entry %d is off by %g, bound %g", describe(k.p.lit), how, v, e, bound)
			}
			dst[i].Clear()
		}
	}
	b.Run(dst, src, tables)
	check("in a batch")
	for i := range src {
		b.Run(dst[i:i+1], src[i:i+1], tables[i:i+1])
	}
	check("split")
}

// sampleMessages returns all messages of bits bits, or first, last and others, count in all.
func sampleMessages(bits, count int) (messages []int) {
	size := 1 << bits
	if count >= size {
		count = size
	}
	for i := range count {
		messages = append(messages, i*(size-1)/max(count-1, 1))
	}
	return messages
}

// TestDefaultSets looks up every entry of a table of the widths 1 to 5 and 16 entries of the others, in batches on two goroutines and split over both, and
// compares the noise of 400 lookups of the widths 1 to 5 with the formulas: a deviation of 400 samples has a standard error of 3.5%, so that 18% is five of
// them. With FHEML_LONG=1 it looks up every entry of every width in a table a key, and takes 8 keys of 1000 lookups (0.8%, within 5%), or 4 of 300 for 6
// bits and more (2%, within 10%).
func TestDefaultSets(t *testing.T) {
	for bits := 1; bits <= 8; bits++ {
		t.Run(fmt.Sprintf("bits=%d", bits), func(t *testing.T) {
			if testing.Short() && bits > 5 {
				t.Skip("left out by -short")
			}
			keys, lookups, tolerance, entries := 1, 400, 0.18, 1<<bits
			switch {
			case long() && bits <= 5:
				keys, lookups, tolerance = 8, 1000, 0.05
			case long():
				keys, lookups, tolerance = 4, 300, 0.1
			case bits > 5:
				lookups, entries = 0, 16
			case testing.Short():
				lookups = 0
			}
			p := defaultLookupSet(t, bits)
			var all lookupNoise
			for key := range keys {
				k := newKeySet(t, p)
				b := NewBootstrapper(p, k.server, 2)
				k.checkEntries(t, b, bits, sampleMessages(bits, entries))
				if lookups > 0 {
					one := k.measure(t, b, bits, lookups)
					t.Logf("key %d, weights %.0f and %.0f: output %.4f, key switch %.4f, modulus switch %.4f of the formulas", key, k.smallWeight(), k.weight(),
						one.out.deviation(), one.ks.deviation(), one.ms.deviation())
					all.merge(one)
				}
				b.Close()
			}
			if lookups > 0 {
				all.check(t, fmt.Sprintf("%d bits", bits), tolerance)
			}
		})
	}
}

// failures makes count lookups of bits bits in chains, each of w times an earlier answer plus a clear correction, and returns how many take a wrong entry.
func (k keySet) failures(t *testing.T, b *Bootstrapper, bits, w, count int) (failed int) {
	t.Helper()
	entries := make([]uint64, 1<<bits)
	for v := range entries {
		entries[v] = messageOf(v, bits)
	}
	table, err := NewLookupTable(k.p, entries)
	if err != nil {
		t.Fatal(err)
	}
	// The entry nearest to a phase: output noise is far below half the distance of two.
	nearest := func(ct *LWECiphertext) int {
		return int((k.dec.LWE(ct) + messageOf(1, bits)/2) >> (63 - bits))
	}
	const chains = 64
	cts, in, tables := make([]LWECiphertext, chains), make([]LWECiphertext, chains), make([]*LookupTable, chains)
	for i := range cts {
		cts[i], in[i], tables[i] = k.encryptLWE(0), NewLWE(k.p.BigDimension()), table
	}
	b.Run(cts, cts, tables)
	for done := 0; done < count; {
		batch := min(chains, count-done)
		for i := range batch {
			in[i].Clear()
			in[i].AddScaled(int64(w), &cts[i])
			in[i].Body += messageOf((done+i)%len(entries), bits) - uint64(w)*messageOf(nearest(&cts[i]), bits)
		}
		b.Run(cts[:batch], in[:batch], tables[:batch])
		for i := range batch {
			if nearest(&cts[i]) != (done+i)%len(entries) {
				failed++
			}
		}
		done += batch
	}
	return failed
}

// TestFailureCount asks the set of four bits for six, of an input of squared norm 225: then rotation, key switch and modulus switch weigh about the same and
// one lookup in 2^8 fails. Of 20 keys and 5000 lookups each some 400 fail, give or take 20; their number must be within a factor 1.5 of the sum
// of what each key's own weight predicts.
func TestFailureCount(t *testing.T) {
	if !long() {
		t.Skip("set FHEML_LONG=1")
	}
	const bits, w, keys, lookups = 6, 15, 20, 5000
	p := defaultLookupSet(t, 4)
	predicted, failed := 0.0, 0
	for key := range keys {
		k := newKeySet(t, p)
		model, shape := k.model()
		noise := model.Bootstrap(shape, bits, w*w, 0)
		want := lookups * math.Exp2(noise.Log2PFail)
		b := NewBootstrapper(p, k.server, 2)
		got := k.failures(t, b, bits, w, lookups)
		b.Close()
		t.Logf("key %d, weights %.0f and %.0f, w^2 Br 2^%.2f, Ks 2^%.2f, Ms 2^%.2f: %d of %d failed, predicted %.1f", key, k.smallWeight(), k.weight(),
			math.Log2(w*w*noise.Br), math.Log2(noise.Ks), math.Log2(noise.Ms), got, lookups, want)
		predicted += want
		failed += got
	}
	t.Logf("%d lookups failed, predicted %.1f: ratio %.3f", failed, predicted, float64(failed)/predicted)
	if float64(failed) < predicted/1.5 || float64(failed) > predicted*1.5 {
		t.Errorf("%d lookups failed, predicted %.1f", failed, predicted)
	}
}

// TestBlockLengths: sets with blocks of one, three and four coordinates, one to three parts and one to three levels answer all messages, with one, two and
// four outputs, and their noise is that of BlockNoiseModel. 60 rotations of 256 coefficients and more give a deviation to 1%,
// 3000 switches to 1.3%.
func TestBlockLengths(t *testing.T) {
	gadgets := []GadgetParams{{20, 1}, {14, 2}, {10, 3}}
	for _, block := range []int{1, 3, 4} {
		for parts := 1; parts <= 3; parts++ {
			for _, g := range gadgets {
				lit := lookupSet(256, 1, 96, parts, g, GadgetParams{4, 5}, -55, -30)
				lit.BlockLength = block
				name := fmt.Sprintf("blocks of %d, %d parts, gadget %v", block, parts, g)
				k := newKeySet(t, parametersOf(t, lit))
				b := NewBootstrapper(k.p, k.server, 2)
				for _, c := range []struct{ bits, outputs int }{{3, 1}, {3, 2}, {2, 4}} {
					k.checkOutputs(t, b, name, c.bits, c.outputs)
				}
				b.Close()
				model, shape := k.model()
				model.FFTConstant = math.Exp2(-106.3)
				m := k.rotationNoise(samples(60, 600))
				checkNoise(t, name, &m, model.BlindRotation(shape), 0.9, 1.1, 6)
				if g != gadgets[0] {
					continue // the switches do not depend on the rotation's gadget
				}
				var l lookupNoise
				for range samples(3000, 30000) {
					in := LWECiphertext{Mask: randomWords(k.p.BigDimension()), Body: randomWords(1)[0]}
					l.addSwitches(k, &in)
				}
				l.ks.check(t, name+", key switch", 0.08)
				l.ms.check(t, name+", modulus switch", 0.08)
			}
		}
	}
}

// TestModules: sets of two and three mask polynomials with blocks of one, three and four coordinates answer all messages on one, two and four goroutines, with one,
// two and four outputs, and their noise is that of BlockNoiseModel.
func TestModules(t *testing.T) {
	for k := 2; k <= 3; k++ {
		for _, block := range []int{1, 3, 4} {
			lit := lookupSet(256, k, 96, 1, GadgetParams{20, 1}, GadgetParams{4, 5}, -55, -30)
			lit.BlockLength = block
			name := fmt.Sprintf("%d masks, blocks of %d", k, block)
			k := newKeySet(t, parametersOf(t, lit))
			for _, threads := range []int{1, 2, 4} {
				b := NewBootstrapper(k.p, k.server, threads)
				for _, c := range []struct{ bits, outputs int }{{3, 1}, {3, 2}, {2, 4}} {
					k.checkOutputs(t, b, fmt.Sprintf("%s, %d goroutines", name, threads), c.bits, c.outputs)
				}
				b.Close()
			}
			model, shape := k.model()
			model.FFTConstant = math.Exp2(-106.3)
			m := k.rotationNoise(samples(60, 600))
			checkNoise(t, name, &m, model.BlindRotation(shape), 0.9, 1.1, 6)
		}
	}
	lit := lookupSet(256, 2, 96, 2, GadgetParams{20, 1}, GadgetParams{4, 5}, -55, -30)
	if _, err := InsecureParameters(t, lit); err == nil || !strings.Contains(err.Error(), "one part and one rotation level") {
		t.Errorf("two masks and two parts: %v", err)
	}
}

// checkOutputs looks all messages of bits bits up in random tables of several outputs, in a batch, split, and one at a time.
func (k keySet) checkOutputs(t *testing.T, b *Bootstrapper, name string, bits, outputs int) {
	t.Helper()
	entries := make([][]uint64, outputs)
	for o := range entries {
		entries[o] = randomWords(1 << bits)
	}
	table, err := NewLookupTables(k.p, entries)
	if err != nil {
		t.Fatal(err)
	}
	if table.Outputs() != outputs {
		t.Fatalf("%d outputs, want %d", table.Outputs(), outputs)
	}
	var src, dst, split []LWECiphertext
	var tables []*LookupTable
	for v := range 1 << bits {
		src, tables = append(src, k.encryptLWE(messageOf(v, bits))), append(tables, table)
		for range outputs {
			dst, split = append(dst, NewLWE(k.p.BigDimension())), append(split, NewLWE(k.p.BigDimension()))
		}
	}
	b.Run(dst, src, tables)
	for v := range src {
		b.Run(split[v*outputs:(v+1)*outputs], src[v:v+1], tables[:1])
	}
	model, shape := k.model()
	bound := 8 * math.Sqrt(model.BlindRotation(shape))
	one := NewLWE(k.p.BigDimension())
	for v := range src {
		for o := range outputs {
			for how, ct := range map[string]*LWECiphertext{"in a batch": &dst[v*outputs+o], "split": &split[v*outputs+o]} {
				if e := torus(k.dec.LWE(ct) - entries[o][v]); math.Abs(e) > bound {
					t.Errorf("%s, %d bits, %s: output %d of entry %d is off by %g", name, bits, how, o, v, e)
				}
			}
		}
		k.ev.Bootstrap(&one, &src[v], table)
		if e := torus(k.dec.LWE(&one) - entries[0][v]); math.Abs(e) > bound {
			t.Errorf("%s, %d bits, alone: entry %d is off by %g", name, bits, v, e)
		}
	}
}

// TestCompactKeyNoise: with little noise of its own a key in compact storage has that of its rounding, which the secret multiplies in the masks: without that factor the
// deviation would be 0.6 of this. Machines without kernels for compact keys keep whole ones, and have less.
func TestCompactKeyNoise(t *testing.T) {
	k := newKeySet(t, parametersOf(t, lookupSet(2048, 1, 96, 1, GadgetParams{20, 1}, GadgetParams{4, 5}, -62, -30)))
	if !k.p.compactKey() {
		t.Fatal("the key of this set is not compact")
	}
	model, shape := k.model()
	m := k.rotationNoise(samples(60, 600))
	checkNoise(t, "compact key", &m, model.BlindRotation(shape), 0.9, 1.1, 6)
}

// TestSearchCompact: keys are compact where the noise leaves room for their rounding, as they are cheaper.
func TestSearchCompact(t *testing.T) {
	for nu2, compact := range map[float64]bool{1: true, 16: false} {
		p, err := SearchLookup(LookupRequirement{Bits: 4, Nu2: nu2, Log2PFail: -128, Lookups: 1}, DefaultSearchOptions())
		if err != nil || compactShape(p.Parts, p.BR) != compact {
			t.Errorf("4 bits, squared norm %g: gadget %v, %v", nu2, p.BR, err)
		}
	}
}
