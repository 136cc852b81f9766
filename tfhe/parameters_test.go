package tfhe

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

// TestNewParametersRefuses breaks one rule at a time.
func TestNewParametersRefuses(t *testing.T) {
	for _, lit := range []ParametersLiteral{set4, set5, ternarySet} {
		if p, err := NewParameters(lit); err != nil || !p.Secure() {
			t.Fatalf("%+v: %v", lit, err)
		}
	}
	for _, c := range []struct {
		name   string
		base   ParametersLiteral
		change func(l *ParametersLiteral)
		want   string // in the error
	}{
		{"degree 0", ternarySet, func(l *ParametersLiteral) { l.PolyDegree = 0 }, "polynomial degree"},
		{"negative degree", ternarySet, func(l *ParametersLiteral) { l.PolyDegree = -2048 }, "polynomial degree"},
		{"degree no power of two", ternarySet, func(l *ParametersLiteral) { l.PolyDegree = 2047 }, "polynomial degree"},
		{"degree too small", ternarySet, func(l *ParametersLiteral) { l.PolyDegree = 128 }, "polynomial degree"},
		{"degree too large", ternarySet, func(l *ParametersLiteral) { l.PolyDegree = 8192 }, "polynomial degree"},
		{"least integer", ternarySet, func(l *ParametersLiteral) { l.PolyDegree = math.MinInt }, "polynomial degree"},
		{"no mask", ternarySet, func(l *ParametersLiteral) { l.GLWEDimension = 0 }, "GLWE dimension"},
		{"too many masks", ternarySet, func(l *ParametersLiteral) { l.GLWEDimension = 5 }, "GLWE dimension"},
		{"sigma NaN", ternarySet, func(l *ParametersLiteral) { l.Log2SigmaGLWE = math.NaN() }, "GLWE deviation"},
		{"sigma -Inf", ternarySet, func(l *ParametersLiteral) { l.Log2SigmaGLWE = math.Inf(-1) }, "GLWE deviation"},
		{"sigma tiny", ternarySet, func(l *ParametersLiteral) { l.Log2SigmaGLWE = -63 }, "GLWE deviation"},
		{"sigma large", ternarySet, func(l *ParametersLiteral) { l.Log2SigmaGLWE = -2 }, "GLWE deviation"},
		{"select base", ternarySet, func(l *ParametersLiteral) { l.Select = GadgetParams{31, 1} }, "select gadget"},
		{"select without levels", ternarySet, func(l *ParametersLiteral) { l.Select = GadgetParams{10, 0} }, "select gadget"},
		{"select without base", ternarySet, func(l *ParametersLiteral) { l.Select = GadgetParams{0, 3} }, "select gadget"},
		{"select levels", ternarySet, func(l *ParametersLiteral) { l.Select = GadgetParams{2, 17} }, "select gadget"},
		{"select bits", ternarySet, func(l *ParametersLiteral) { l.Select = GadgetParams{16, 4} }, "select gadget"},
		{"select overflow", ternarySet, func(l *ParametersLiteral) { l.Select = GadgetParams{math.MaxInt, 16} }, "select gadget"},
		{"binary key", ternarySet, func(l *ParametersLiteral) { l.Key = BinaryKey }, "ternary key"},
		{"unknown key", ternarySet, func(l *ParametersLiteral) { l.Key = 17 }, "ternary key"},
		{"block key without lookups", ternarySet, func(l *ParametersLiteral) { l.Key = BlockPrefixKey }, "ternary key"},
		{"parts without lookups", ternarySet, func(l *ParametersLiteral) { l.Parts = 1 }, "no bootstrap fields"},
		{"block without lookups", ternarySet, func(l *ParametersLiteral) { l.BlockLength = 4 }, "no bootstrap fields"},
		{"sigma without lookups", ternarySet, func(l *ParametersLiteral) { l.Log2SigmaLWE = -17 }, "no bootstrap fields"},
		{"rotation without lookups", ternarySet, func(l *ParametersLiteral) { l.BlindRotate = GadgetParams{22, 1} }, "no bootstrap fields"},
		{"key switch without lookups", ternarySet, func(l *ParametersLiteral) { l.KeySwitch = GadgetParams{3, 5} }, "no bootstrap fields"},
		{"ternary key below the line", ternarySet, func(l *ParametersLiteral) { l.Log2SigmaGLWE = -50.2 }, "ternary key"},
		{"ternary key of a small ring", ternarySet, func(l *ParametersLiteral) { l.PolyDegree = 1024 }, "ternary key"},

		{"packed without selects", packedTernary, func(l *ParametersLiteral) { l.Select = GadgetParams{} }, "select gadget"},
		{"packed in two masks", packedTernary, func(l *ParametersLiteral) { l.GLWEDimension, l.PolyDegree = 2, 1024 }, "GLWE dimension 1"},
		{"packed with two select gadgets", packedTernary, func(l *ParametersLiteral) { l.Packed.Select = GadgetParams{9, 3} }, "select gadget"},
		{"packed slots", packedTernary, func(l *ParametersLiteral) { l.Packed.Log2Slots = 12 }, "do not fit"},
		{"packed without switch", packedTernary, func(l *ParametersLiteral) { l.Packed.Switch = GadgetParams{} }, "scheme switch gadget"},
		{"packed without expansion", packedTernary, func(l *ParametersLiteral) { l.Packed.Expand = GadgetParams{} }, "expansion gadget"},
		{"packed rows too fine", packedTernary, func(l *ParametersLiteral) { l.Select = GadgetParams{14, 4} }, "of 62 bits"},
		{"form alone", ternarySet, func(l *ParametersLiteral) { l.Packed.Form = SwitchFused }, "scheme switch gadget"},
		{"unknown form", packedTernary, func(l *ParametersLiteral) { l.Packed.Form = 3 }, "form"},

		{"ternary key with lookups", set4, func(l *ParametersLiteral) { l.Key = TernaryKey }, "block-binary prefix"},
		{"negative small dimension", set4, func(l *ParametersLiteral) { l.SmallDimension = -4 }, "small dimension"},
		{"small dimension below a block", set4, func(l *ParametersLiteral) { l.SmallDimension = 2 }, "small dimension"},
		{"small dimension no multiple", set4, func(l *ParametersLiteral) { l.SmallDimension = 886 }, "small dimension"},
		{"small dimension too large", set4, func(l *ParametersLiteral) { l.SmallDimension = 2048 }, "small dimension"},
		{"block length 0", set4, func(l *ParametersLiteral) { l.BlockLength = 0 }, "small dimension"},
		{"block length 5", set4, func(l *ParametersLiteral) { l.BlockLength, l.SmallDimension = 5, 885 }, "small dimension"},
		{"LWE sigma NaN", set4, func(l *ParametersLiteral) { l.Log2SigmaLWE = math.NaN() }, "LWE deviation"},
		{"LWE sigma 0", set4, func(l *ParametersLiteral) { l.Log2SigmaLWE = 0 }, "LWE deviation"},
		{"no parts", set4, func(l *ParametersLiteral) { l.Parts = 0 }, "table parts"},
		{"too many parts", set4, func(l *ParametersLiteral) { l.Parts = 65 }, "table parts"},
		{"fine rotation gadget", set4, func(l *ParametersLiteral) { l.BlindRotate = GadgetParams{26, 2} }, "where accumulators end"},
		{"two masks in parts", set5, func(l *ParametersLiteral) { l.GLWEDimension, l.PolyDegree = 2, 1024 }, "one part and one rotation level"},
		{"no rotation gadget", set4, func(l *ParametersLiteral) { l.BlindRotate = GadgetParams{} }, "blind rotation gadget"},
		{"no key-switch gadget", set4, func(l *ParametersLiteral) { l.KeySwitch = GadgetParams{} }, "key switch gadget"},
		{"GLWE sigma below the line", set4, func(l *ParametersLiteral) { l.Log2SigmaGLWE -= 0.01 }, "block-prefix key"},
		{"LWE sigma below the line", set4, func(l *ParametersLiteral) { l.Log2SigmaLWE -= 0.01 }, "block-binary key"},
		{"small dimension without security", set4, func(l *ParametersLiteral) { l.SmallDimension, l.Log2SigmaLWE = 736, -5 }, "at least 740"},
		{"small dimension not checked", set4, func(l *ParametersLiteral) { l.SmallDimension = 1204 }, "above 1200"},
	} {
		lit := c.base
		c.change(&lit)
		p, err := NewParameters(lit)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		if !strings.HasPrefix(err.Error(), "tfhe: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %q does not say %q", c.name, err, c.want)
		}
		if p != (Parameters{}) {
			t.Errorf("%s: a set comes with the error", c.name)
		}
	}
}

// TestInsecureParametersAreNotParsed: a set below the rule exists in tests only.
func TestInsecureParametersAreNotParsed(t *testing.T) {
	p, err := InsecureParameters(t, toy)
	if err != nil {
		t.Fatal(err)
	}
	if p.Secure() || (Parameters{}).Secure() {
		t.Error("an insecure set is called secure")
	}
	if _, _, err := ParseParameters(AppendParameters(nil, p)); err == nil {
		t.Error("ParseParameters accepts an insecure set")
	}
	broken := toy
	broken.BlindRotate.Levels = 17
	if _, err := InsecureParameters(t, broken); err == nil {
		t.Error("InsecureParameters accepts a broken structure")
	}
	if _, err := GenerateSecretKey(Parameters{}); err == nil {
		t.Error("empty parameters have a key")
	}
}

func TestParseParameters(t *testing.T) {
	for _, lit := range []ParametersLiteral{set4, set4Levels, set5, ternarySet, packedTernary, packedLookups} {
		p := parametersOf(t, lit)
		data := append(AppendParameters([]byte("head"), p), "tail"...)
		got, rest, err := ParseParameters(data[4:])
		if err != nil || got != p || string(rest) != "tail" || !got.Secure() || got.Literal() != lit {
			t.Errorf("%s: %+v, rest %q, %v", describe(lit), got, rest, err)
		}
		body := AppendParameters(nil, p)
		for i := range body {
			if _, _, err := ParseParameters(body[:i]); err == nil {
				t.Errorf("%d of %d bytes are accepted", i, len(body))
			}
		}
	}
	for _, data := range [][]byte{nil, {0, 0, 0, 0}, {1, 0, 0, 0, 0xff}, {255, 255, 255, 255, 0}, {1, 0, 0, 0, 0xa0}, append([]byte{0, 16, 0, 0}, make([]byte, 5000)...)} {
		if _, _, err := ParseParameters(data); err == nil {
			t.Errorf("% x is accepted", data[:min(len(data), 16)])
		}
	}
}

// TestHashOfEveryField changes each number of a literal, found by reflection, and expects another hash each time.
func TestHashOfEveryField(t *testing.T) {
	packed := set4
	packed.Packed = packedLookups.Packed
	hashes := map[[32]byte]string{(Parameters{lit: set4}).Hash(): "the set without packing", (Parameters{lit: packed}).Hash(): "the set itself"}
	var walk func(path []int, typ reflect.Type)
	walk = func(path []int, typ reflect.Type) {
		for i := range typ.NumField() {
			at := append(path[:len(path):len(path)], i)
			if typ == reflect.TypeFor[PackedParams]() && typ.Field(i).Name == "Select" {
				continue // always zero in a set: ParametersLiteral.Select says it
			}
			if typ.Field(i).Type.Kind() == reflect.Struct {
				walk(at, typ.Field(i).Type)
				continue
			}
			lit := set4
			lit.Packed = packedLookups.Packed
			switch f := reflect.ValueOf(&lit).Elem().FieldByIndex(at); f.Kind() {
			case reflect.Int:
				f.SetInt(f.Int() + 1)
			case reflect.Float64:
				f.SetFloat(math.Nextafter(f.Float(), 0))
			default:
				t.Fatalf("field %v is a %v", at, f.Kind())
			}
			name := reflect.TypeFor[ParametersLiteral]().FieldByIndex(at).Name
			h := (Parameters{lit: lit}).Hash()
			if other, ok := hashes[h]; ok {
				t.Errorf("changing %s gives the hash of %s", name, other)
			}
			hashes[h] = name
		}
	}
	walk(nil, reflect.TypeFor[ParametersLiteral]())
	if len(hashes) != 22 {
		t.Errorf("%d hashes, want those of 20 numbers and of the set with and without packing", len(hashes))
	}
	if a, b := (Parameters{lit: toy}), (Parameters{lit: toy, insecure: true}); a.Hash() != b.Hash() {
		t.Error("the same numbers have two hashes")
	}
}

func TestParameterSizes(t *testing.T) {
	p := parametersOf(t, set4)
	// n GGSW of 2 rows of 2048 words, and 1164*5 rows of half a word; in memory 2 polynomials a row, and 885 words of three bytes padded to 896.
	if got, want := p.EvaluationKeyBytes(), int64(8*884*2*2048+4*1164*5); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
	if got, want := p.EvaluationKeyMemory(), int64(8*884*2*2*2048+3*1164*5*896); got != want {
		t.Errorf("%d bytes in memory, want %d", got, want)
	}
	if got := p.GGSWWords(); got != 2*2*2048 {
		t.Errorf("%d words in a GGSW of two levels", got)
	}
	if p := parametersOf(t, ternarySet); p.HasLookups() || p.EvaluationKeyBytes() != 0 || p.EvaluationKeyMemory() != 0 || p.BigDimension() != 2048 {
		t.Error("a set without lookups has an evaluation key")
	}
}
