package compiler_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/client"
	"github.com/fhe-ml/fhe-ml/compiler/server"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// samples are one graph for each lowering, and one that mixes the three without bootstraps.
func samples() map[string]*compiler.Graph {
	r := rand.New(rand.NewPCG(21, 100))
	out := map[string]*compiler.Graph{}
	add := func(name string, build func(g *compiler.Graph, x *compiler.Node) *compiler.Node) {
		g := compiler.NewGraph()
		g.Output(build(g, g.Input("x", []int{4}, []int64{0}, []int64{7})))
		out[name] = g
	}
	linear := func(g *compiler.Graph, x *compiler.Node) *compiler.Node {
		return g.MatMul(x, g.Constant(randomArray(r, -1000, 1000, 4, 3)))
	}
	trees := func(g *compiler.Graph, x *compiler.Node) *compiler.Node {
		return g.Add(randomTree(r, g, x, 4, 3), randomTree(r, g, x, 4, 3))
	}
	layer := func(g *compiler.Graph, x *compiler.Node) *compiler.Node {
		z := g.MatMul(g.Reshape(g.Bits(x, 3), 12), g.Constant(randomArray(r, -40, 40, 12, 3)))
		return g.MatMul(g.Lookup(z, randomTable(r, z, -500, 500)), g.Constant(randomArray(r, -9, 9, 3, 3)))
	}
	add("linear", linear)
	add("wide linear", func(g *compiler.Graph, x *compiler.Node) *compiler.Node { // several products
		return g.MatMul(x, g.Constant(randomArray(r, -1000, 1000, 4, 700)))
	})
	add("trees", trees)
	add("layer", layer)
	add("mixed", func(g *compiler.Graph, x *compiler.Node) *compiler.Node {
		return g.Add(linear(g, x), g.Add(trees(g, x), layer(g, x)))
	})
	add("lookups", func(g *compiler.Graph, x *compiler.Node) *compiler.Node {
		z := g.MatMul(g.Reshape(g.Bits(x, 3), 12), g.Constant(randomArray(r, -20, 20, 12, 2)))
		z2 := small(g, g.MatMul(g.Lookup(z, randomTable(r, z, 0, 15)), g.Constant(randomArray(r, -3, 3, 2, 2))))
		return g.MatMul(g.Lookup(z2, randomTable(r, z2, 0, 15)), g.Constant(randomArray(r, -99, 99, 2, 3)))
	})
	return out
}

func compile(t testing.TB, g *compiler.Graph) *compiler.Circuit {
	t.Helper()
	c, err := compiler.Compile(g, compiler.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestResponseHoldsResultsOnly counts the words of every lowering's response: a mask an item, and exactly the body coefficients that an output
// reads. What else a product or rotation computes mixes weights or table entries in ways that no result does, and stays on the server.
func TestResponseHoldsResultsOnly(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 101))
	for name, g := range samples() {
		h := newHarness(t, g, compiler.CompileOptions{Prefer: compiler.Prefer(r.IntN(3))})
		spec := &h.circuit.Spec
		used := make([]map[int32]bool, len(spec.Items))
		for i := range used {
			used[i] = map[int32]bool{}
		}
		digits := 0
		for _, o := range spec.Outputs {
			for _, d := range o.Digits {
				used[d.Item][d.Coeff] = true
				digits++
			}
		}
		results := 0
		for i, it := range spec.Items {
			if len(used[i]) != len(it.Coeffs) {
				t.Errorf("%s: item %d sends %d coefficients, the outputs read %d of them", name, i, len(it.Coeffs), len(used[i]))
			}
			distinct := map[int32]bool{}
			for _, c := range it.Coeffs {
				distinct[c] = true
			}
			if len(distinct) != len(it.Coeffs) {
				t.Errorf("%s: item %d sends a coefficient twice", name, i)
			}
			results += len(it.Coeffs)
		}
		if results != digits {
			t.Errorf("%s: %d coefficients for %d digits of results", name, results, digits)
		}

		res := h.run(randomRow(r, g.Inputs()[0]))
		var file, empty bytes.Buffer
		if _, err := res.WriteTo(&file); err != nil {
			t.Fatal(err)
		}
		if _, err := tfhe.WriteFile(&empty, tfhe.Header{}); err != nil {
			t.Fatal(err)
		}
		p := h.keys.Secret.Parameters()
		words := len(spec.Items)*p.K()*p.N() + results
		if got := file.Len() - empty.Len(); got != 8*words || spec.ResponseBytes() != int64(got) {
			t.Errorf("%s: a response of %d bytes for %d words, ResponseBytes says %d", name, got, words, spec.ResponseBytes())
		}
	}
}

func TestCircuitRoundTrip(t *testing.T) {
	for name, g := range samples() {
		c := compile(t, g)
		var file, again bytes.Buffer
		if _, err := c.WriteTo(&file); err != nil {
			t.Fatal(err)
		}
		data := slices.Clone(file.Bytes())
		back, err := compiler.ReadCircuit(&file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c, back); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if c.Spec.Hash() != back.Spec.Hash() {
			t.Errorf("%s: another hash", name)
		}
		if _, err := compile(t, g).WriteTo(&again); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, again.Bytes()) {
			t.Errorf("%s: compiling twice gives two circuits", name)
		}
	}
}

// TestLargeForestFile reads back a circuit with more nodes than small decoders' limits.
func TestLargeForestFile(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	c := compile(t, samples()["trees"])
	var st *compiler.SelectStep
	for _, s := range c.Steps {
		if s.Select != nil {
			st = s.Select
		}
	}
	for len(st.Nodes) < 200_000 {
		st.Nodes = append(st.Nodes, st.Nodes[0])
	}
	var file bytes.Buffer
	if _, err := c.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	if _, err := compiler.ReadCircuit(&file); err != nil {
		t.Error(err)
	}
}

// refit gives a damaged payload a header and a hash that fit, so that decoders meet it.
func refit(t testing.TB, kind tfhe.Kind, like, payload []byte) []byte {
	t.Helper()
	h, _, err := tfhe.ReadFile(bytes.NewReader(like), kind, 1, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := tfhe.WriteFile(&out, h, payload); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestDamagedFiles checks that files that are cut short or changed in any byte are refused.
func TestDamagedFiles(t *testing.T) {
	g := samples()["linear"]
	h := newHarness(t, g, compiler.CompileOptions{})
	spec := &h.circuit.Spec
	var files [3]bytes.Buffer
	req, err := h.client.Encrypt([]int64{1, 2, 3, 4})
	if err != nil {
		t.Fatal(err)
	}
	req.WriteTo(&files[0])
	h.run([]int64{1, 2, 3, 4}).WriteTo(&files[1])
	h.circuit.WriteTo(&files[2])
	read := []func(r io.Reader) error{
		func(r io.Reader) error { _, err := compiler.ReadRequest(r, spec); return err },
		func(r io.Reader) error { _, err := compiler.ReadResponse(r, spec); return err },
		func(r io.Reader) error { _, err := compiler.ReadCircuit(r); return err },
	}
	r := rand.New(rand.NewPCG(23, 102))
	for i := range files {
		data := files[i].Bytes()
		if err := read[i](bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if err := read[i](bytes.NewReader(nil)); err != io.EOF {
			t.Errorf("file %d: %v at the end of a stream", i, err)
		}
		for _, n := range []int{1, 8, 50, 87, 88, len(data) / 2, len(data) - 1} {
			if err := read[i](bytes.NewReader(data[:n])); err == nil || err == io.EOF {
				t.Errorf("file %d cut to %d bytes: %v", i, n, err)
			}
		}
		for range 50 {
			bad := slices.Clone(data)
			at := r.IntN(len(bad))
			bad[at] ^= byte(1 + r.IntN(255))
			if err := read[i](bytes.NewReader(bad)); err == nil {
				t.Errorf("file %d is read with byte %d changed", i, at)
			}
		}
		if err := read[i](bytes.NewReader(files[(i+1)%3].Bytes())); err == nil {
			t.Errorf("file %d is read in place of another kind", i)
		}
	}
	// The hash fits, the size does not.
	for i, kind := range []tfhe.Kind{tfhe.KindRequest, tfhe.KindResponse} {
		for _, n := range []int{0, 1, 31, 32, 40, 1000} {
			if err := read[i](bytes.NewReader(refit(t, kind, files[i].Bytes(), make([]byte, n)))); err == nil {
				t.Errorf("file %d is read with a payload of %d bytes", i, n)
			}
		}
	}
	other := compile(t, samples()["trees"])
	if _, err := compiler.ReadRequest(bytes.NewReader(files[0].Bytes()), &other.Spec); !errors.Is(err, tfhe.ErrMismatch) {
		t.Errorf("another model's request: %v", err)
	}
	if _, err := compiler.ReadResponse(bytes.NewReader(files[1].Bytes()), &other.Spec); !errors.Is(err, tfhe.ErrMismatch) {
		t.Errorf("another model's response: %v", err)
	}
}

// mutate changes one place of an encoded circuit or of a value in it.
func mutate(r *rand.Rand, c *compiler.Circuit) {
	s := &c.Spec
	num := func() int64 {
		return []int64{-1, 0, 1, 2, 63, 64, 127, 128, 2047, 2048, 4096, 1 << 20, 1 << 31, -1 << 31, 1 << 40, 1<<63 - 1, -1 << 63}[r.IntN(17)]
	}
	if len(s.Lo) == 0 || len(s.Hi) == 0 || len(s.Outputs) == 0 {
		return // an earlier change cut it
	}
	switch r.IntN(27) {
	case 0:
		s.Lo[r.IntN(len(s.Lo))] = num()
	case 1:
		s.Hi[r.IntN(len(s.Hi))] = num()
	case 2:
		s.Lo = s.Lo[:r.IntN(len(s.Lo))]
	case 3:
		s.PackedWidth = int(num())
	case 4:
		s.Packed = append(s.Packed, int32(num()))
	case 5:
		s.Selectors = append(s.Selectors, compiler.Selector{Code: int32(num())})
	case 6:
		s.Items = append(s.Items, compiler.Item{Width: int(num()), Coeffs: []int32{int32(num())}})
	case 7:
		if len(s.Items) > 0 {
			s.Items[r.IntN(len(s.Items))].Width = int(num())
		}
	case 8:
		if len(s.Items) > 0 {
			i := r.IntN(len(s.Items))
			s.Items[i].Coeffs = append(s.Items[i].Coeffs, int32(num()))
		}
	case 9:
		if len(s.Items) > 0 {
			s.Items = s.Items[:r.IntN(len(s.Items))]
		}
	case 10:
		s.Outputs[r.IntN(len(s.Outputs))].Digits = append(s.Outputs[r.IntN(len(s.Outputs))].Digits,
			compiler.Digit{Item: int32(num()), Coeff: int32(num()), Lo: num(), Weight: num()})
	case 11:
		s.Outputs = s.Outputs[:r.IntN(len(s.Outputs))]
	case 12:
		s.Params.PolyDegree = int(num())
	case 13:
		s.Params.GLWEDimension = int(num())
	case 14:
		s.Params.Select.Levels = int(num())
	case 15:
		s.Params.Select.BaseLog = int(num())
	case 16:
		s.Params.SmallDimension = int(num())
	case 17:
		s.Packed = nil
	case 18:
		s.Selectors = nil
	case 19:
		if len(c.Results) > 0 {
			c.Results[r.IntN(len(c.Results))] = compiler.Result{Step: int32(num()), Element: int32(num())}
		}
	case 21:
		s.Params.Packed = tfhe.PackedParams{}
	case 22:
		field := []*int{&s.Params.Packed.Log2Slots, &s.Params.Packed.Expand.Levels, &s.Params.Packed.Switch.Levels, &s.Params.Packed.Switch.BaseLog}
		*field[r.IntN(len(field))] = int(num())
	case 23:
		s.Params.Packed.Form = tfhe.SwitchForm(num())
	case 20:
		if len(c.Steps) > 0 {
			c.Steps = c.Steps[:r.IntN(len(c.Steps))]
		}
	default:
		if len(c.Steps) == 0 {
			return
		}
		switch st := &c.Steps[r.IntN(len(c.Steps))]; {
		case st.Packed != nil:
			st.Packed.Width = int(num())
		case st.Select != nil && r.IntN(2) == 0:
			st.Select.Roots[0] = int32(num())
		case st.Select != nil && len(st.Select.Nodes) > 0:
			st.Select.Nodes[r.IntN(len(st.Select.Nodes))].Lo = int32(num())
		case st.Extract != nil:
			x := st.Extract
			*[]*int{&x.Count, &x.Bits, &x.Width, &x.From}[r.IntN(4)] = int(num())
		case st.Rotate != nil && r.IntN(3) == 0:
			st.Rotate.Units[r.IntN(len(st.Rotate.Units))].From = int32(num())
		case st.Rotate != nil && r.IntN(2) == 0:
			st.Rotate.Units[0].Start = int32(num())
		case st.Rotate != nil && len(st.Rotate.Units[0].Table) > 0:
			st.Rotate.Units[0].Table = st.Rotate.Units[0].Table[:r.IntN(len(st.Rotate.Units[0].Table))]
		case st.Affine != nil && len(st.Affine.Rows[0].Refs) > 0:
			st.Affine.Rows[0].Refs[0] = compiler.Ref{Step: int32(num()), Element: int32(num())}
		case st.Lookup != nil:
			st.Lookup.Source.Element = int32(num())
		case st.Round != nil:
			st.Round.Drop = int(num())
		}
	}
}

// runAnything drives a circuit that passed validation through both ends: it must not panic, whatever its results are.
func runAnything(t tester, c *compiler.Circuit) {
	if c.Spec.RequestBytes()+c.Spec.ResponseBytes() > 1<<24 {
		return
	}
	if c.Spec.Params.SmallDimension != 0 { // a key with lookups takes too long
		if _, err := server.New(c); err != nil {
			return
		}
		s, err := compiler.NewSimulator(c, compiler.SimulateOptions{Seed: 1})
		if err != nil {
			t.Fatalf("the server takes the circuit, the simulator does not: %v", err)
		}
		if _, _, err := s.Run(c.Spec.Lo); err != nil {
			t.Fatal(err)
		}
		return
	}
	s, err := server.New(c)
	if err != nil {
		return
	}
	keys, err := client.GenerateKeys(t.Context(), &c.Spec, nil)
	if err != nil {
		return
	}
	if err := s.LoadKey(t.Context(), keys.Evaluation, nil); err != nil {
		t.Fatal(err)
	}
	cl, err := client.New(&c.Spec, keys.Secret)
	if err != nil {
		t.Fatalf("the server takes the circuit, the client does not: %v", err)
	}
	req, err := cl.Encrypt(c.Spec.Lo)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Run(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cl.Decrypt(res, req); err != nil {
		t.Fatalf("a valid circuit gives a response that its client refuses: %v", err)
	}
}

// extractGraph has a computed value of 9 bits that a table and a comparison take: a step that takes it apart, and tables that its bits turn.
func extractGraph() *compiler.Graph {
	r := rand.New(rand.NewPCG(24, 103))
	g := compiler.NewGraph()
	_, z := wideValue(r, g, -100, 300)
	g.Output(g.Lookup(z, randomTable(r, g.Reshape(z, 1), -100, 100)))
	g.Output(g.Greater(z, g.Scalar(150)))
	return g
}

// TestDamagedExtract: values that are taken apart, and tables turned by their bits, with fields that do not fit are refused, whatever the file says; what is
// not refused runs.
func TestDamagedExtract(t *testing.T) {
	h := newHarness(t, extractGraph(), compiler.CompileOptions{})
	var file bytes.Buffer
	if _, err := h.circuit.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	read := func() (c *compiler.Circuit, extract, rotate int) {
		c, err := compiler.ReadCircuit(bytes.NewReader(file.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		extract, rotate = -1, -1
		for i, st := range c.Steps {
			if st.Extract != nil && st.Extract.From < st.Extract.Bits {
				extract = i
			}
			if st.Rotate != nil && st.Rotate.Units[0].From != 0 {
				rotate = i
			}
		}
		if extract < 0 || rotate < 0 {
			t.Fatal("the circuit takes nothing apart, or no bits turn a table")
		}
		return c, extract, rotate
	}
	for _, bad := range []struct {
		name   string
		damage func(c *compiler.Circuit, at int, x *compiler.ExtractStep, u *compiler.RotateUnit)
	}{
		{"count -1", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, _ *compiler.RotateUnit) { x.Count = -1 }},
		{"count 2^62", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, _ *compiler.RotateUnit) { x.Count = 1 << 62 }},
		{"count beyond the source", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, _ *compiler.RotateUnit) { x.Count += 1000 }},
		{"no values, whose bits are used", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, _ *compiler.RotateUnit) { x.Count = 0 }},
		{"element -1", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, _ *compiler.RotateUnit) {
			x.Source.Element = -1
		}},
		{"element 2^31-1", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, _ *compiler.RotateUnit) {
			x.Source.Element = 1<<31 - 1
		}},
		{"source -1", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, _ *compiler.RotateUnit) { x.Source.Step = -1 }},
		{"itself as source", func(_ *compiler.Circuit, at int, x *compiler.ExtractStep, _ *compiler.RotateUnit) {
			x.Source.Step = int32(at)
		}},
		{"no bits", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, _ *compiler.RotateUnit) {
			x.Bits, x.From = 0, 0
		}},
		{"-1 bits", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, _ *compiler.RotateUnit) { x.Bits = -1 }},
		{"25 bits", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, _ *compiler.RotateUnit) { x.Bits = 25 }},
		{"selectors from -1", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, _ *compiler.RotateUnit) { x.From = -1 }},
		{"selectors beyond the bits", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, _ *compiler.RotateUnit) { x.From = x.Bits + 1 }},
		{"no selectors, which are used", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, _ *compiler.RotateUnit) { x.From = x.Bits }},
		{"width -1", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, _ *compiler.RotateUnit) { x.Width = -1 }},
		{"width 61", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, _ *compiler.RotateUnit) { x.Width = 61 }},
		{"no expansion key", func(c *compiler.Circuit, _ int, _ *compiler.ExtractStep, _ *compiler.RotateUnit) {
			c.Spec.Params.Packed = tfhe.PackedParams{}
		}},
		{"an expansion key of fewer slots", func(c *compiler.Circuit, _ int, _ *compiler.ExtractStep, _ *compiler.RotateUnit) {
			c.Spec.Params.Packed.Log2Slots--
		}},
		{"selectors that only pretend to be the client's", func(_ *compiler.Circuit, _ int, _ *compiler.ExtractStep, u *compiler.RotateUnit) { u.From = 0 }},
		{"turned by step -2", func(_ *compiler.Circuit, _ int, _ *compiler.ExtractStep, u *compiler.RotateUnit) { u.From = -1 }},
		{"turned by step -2^31", func(_ *compiler.Circuit, _ int, _ *compiler.ExtractStep, u *compiler.RotateUnit) { u.From = -1 << 31 }},
		{"turned by a later step", func(_ *compiler.Circuit, _ int, _ *compiler.ExtractStep, u *compiler.RotateUnit) { u.From = 1<<31 - 1 }},
		{"turned by a step of another kind", func(_ *compiler.Circuit, at int, _ *compiler.ExtractStep, u *compiler.RotateUnit) { u.From = int32(at) }},
		{"bit -1", func(_ *compiler.Circuit, _ int, _ *compiler.ExtractStep, u *compiler.RotateUnit) { u.Selectors[0] = -1 }},
		{"bit 2^31-1", func(_ *compiler.Circuit, _ int, _ *compiler.ExtractStep, u *compiler.RotateUnit) {
			u.Selectors[0] = 1<<31 - 1
		}},
		{"a bit of the value after the last", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, u *compiler.RotateUnit) {
			u.Selectors[0] = int32(x.Count*x.Bits + x.Bits - 1)
		}},
		{"a bit below the selectors", func(_ *compiler.Circuit, _ int, x *compiler.ExtractStep, u *compiler.RotateUnit) {
			x.From, u.Selectors[0] = 1, 0
		}},
		{"too many selectors", func(c *compiler.Circuit, at int, x *compiler.ExtractStep, _ *compiler.RotateUnit) {
			affine := c.Steps[x.Source.Step].Affine
			x.Count = 1 << 14 // each of 9 bits and more
			for len(affine.Rows) < int(x.Source.Element)+x.Count {
				affine.Rows = append(affine.Rows, compiler.AffineRow{})
			}
		}},
	} {
		c, extract, rotate := read()
		bad.damage(c, extract, c.Steps[extract].Extract, &c.Steps[rotate].Rotate.Units[0])
		if c.Validate() == nil {
			t.Errorf("%s: accepted", bad.name)
			continue
		}
		if _, err := server.New(c); err == nil {
			t.Errorf("%s: the server takes it", bad.name)
		}
	}
	// Results are wrong, and nothing else is.
	for name, damage := range map[string]func(x *compiler.ExtractStep, u *compiler.RotateUnit){
		"fewer selectors":           func(x *compiler.ExtractStep, u *compiler.RotateUnit) { u.Selectors[0] = int32(x.From) },
		"one bit for all":           func(x *compiler.ExtractStep, u *compiler.RotateUnit) { u.Selectors[1] = u.Selectors[0] },
		"bits as values of width 1": func(x *compiler.ExtractStep, u *compiler.RotateUnit) { x.Width = 1 },
		"selectors of all bits":     func(x *compiler.ExtractStep, u *compiler.RotateUnit) { x.From = 0 },
	} {
		c, extract, rotate := read()
		damage(c.Steps[extract].Extract, &c.Steps[rotate].Rotate.Units[0])
		s, err := server.New(c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := s.LoadKey(t.Context(), h.keys.Evaluation, nil); err != nil {
			t.Fatal(err)
		}
		req, err := h.client.Encrypt([]int64{1, 2, 3})
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Run(t.Context(), req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := h.client.Decrypt(res, req); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMutatedCircuits changes circuits in ways that files could: validation refuses them or they run without a panic.
func TestMutatedCircuits(t *testing.T) {
	var files [][]byte
	graphs := samples()
	graphs["extract"] = extractGraph()
	for _, name := range []string{"linear", "trees", "layer", "mixed", "lookups", "extract"} {
		var file bytes.Buffer
		compile(t, graphs[name]).WriteTo(&file)
		files = append(files, file.Bytes())
	}
	rapid.Check(t, func(t *rapid.T) {
		r := seeded(t)
		c, err := compiler.ReadCircuit(bytes.NewReader(files[r.IntN(len(files))]))
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + r.IntN(2) {
			mutate(r, c)
		}
		if c.Validate() == nil {
			runAnything(t, c)
		}
	})
}

func FuzzReadRequest(f *testing.F) {
	specs := []*compiler.ClientSpec{&compile(f, samples()["linear"]).Spec, &compile(f, samples()["mixed"]).Spec}
	for _, spec := range specs {
		req := &compiler.Request{Spec: spec.Hash(), Packed: make([]uint64, 2048), Selectors: make([]uint64, spec.SelectorWords())}
		var file bytes.Buffer
		req.WriteTo(&file)
		f.Add(file.Bytes())
		f.Add(file.Bytes()[:100])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, spec := range specs {
			req, err := compiler.ReadRequest(bytes.NewReader(data), spec)
			if err != nil {
				continue
			}
			if int64(len(req.Selectors)) != spec.SelectorWords() {
				t.Error("a request of the wrong size is read")
			}
			var out bytes.Buffer
			if _, err := req.WriteTo(&out); err != nil || !bytes.HasPrefix(data[16:], out.Bytes()[16:]) {
				t.Error("request does not write back")
			}
		}
	})
}

func FuzzReadResponse(f *testing.F) {
	c := compile(f, samples()["linear"])
	res := &compiler.Response{Spec: c.Spec.Hash()}
	for _, it := range c.Spec.Items {
		res.Items = append(res.Items, compiler.ResponseItem{Mask: make([]uint64, 2048), Bodies: make([]uint64, len(it.Coeffs))})
	}
	var file bytes.Buffer
	res.WriteTo(&file)
	f.Add(file.Bytes())
	f.Add(file.Bytes()[:100])
	f.Fuzz(func(t *testing.T, data []byte) {
		res, err := compiler.ReadResponse(bytes.NewReader(data), &c.Spec)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if _, err := res.WriteTo(&out); err != nil || !bytes.HasPrefix(data[16:], out.Bytes()[16:]) {
			t.Error("response does not write back")
		}
	})
}

// FuzzReadCircuit decodes payloads (their hash is made to fit); what passes validation runs.
func FuzzReadCircuit(f *testing.F) {
	var like []byte
	graphs := samples()
	graphs["extract"] = extractGraph()
	for _, name := range []string{"linear", "trees", "layer", "lookups", "extract"} {
		var file bytes.Buffer
		compile(f, graphs[name]).WriteTo(&file)
		like = file.Bytes()
		_, payload, err := tfhe.ReadFile(&file, tfhe.KindCircuit, 1, 1<<30)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	var again bytes.Buffer
	compile(f, samples()["linear"]).WriteTo(&again)
	like = again.Bytes()
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := compiler.ReadCircuit(bytes.NewReader(refit(t, tfhe.KindCircuit, like, payload)))
		if err == nil {
			runAnything(t, c)
		}
	})
}
