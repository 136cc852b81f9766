package quantize

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestRankIsCount compares rank codes with a count over all thresholds, on them and next to them.
func TestRankIsCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ts := rapid.SliceOfN(rapid.Float64Range(-10, 10), 1, 400).Draw(t, "thresholds")
		missing := rapid.Bool().Draw(t, "missing")
		if rapid.Bool().Draw(t, "infinite") {
			ts = append(ts, math.Inf(1), math.Inf(-1))
		}
		distinct := map[float64]bool{}
		for _, v := range ts {
			distinct[v] = true
		}
		cs := RankCoders(3, ts, missing)
		total := 0
		for i := range cs {
			if err := cs[i].Validate(4); err != nil {
				t.Fatal(err)
			}
			if cs[i].Feature != 3 || i < len(cs)-1 && cs[i].Levels != MaxLevels {
				t.Fatalf("coder %d of %d: feature %d, %d codes", i, len(cs), cs[i].Feature, cs[i].Levels)
			}
			total += len(cs[i].Thresholds)
		}
		if total != len(distinct) {
			t.Fatalf("%d thresholds in coders, want %d", total, len(distinct))
		}
		for range 30 {
			x := rapid.SampledFrom(ts).Draw(t, "x")
			switch rapid.IntRange(0, 2).Draw(t, "side") {
			case 1:
				x = math.Nextafter(x, math.Inf(1))
			case 2:
				x = math.Nextafter(x, math.Inf(-1))
			}
			want := 0
			for v := range distinct {
				if x > v {
					want++
				}
			}
			got := 0
			for i := range cs {
				code, clipped := cs[i].Code(x)
				if clipped {
					t.Fatal("a rank was clipped")
				}
				got += int(code)
			}
			if got != want {
				t.Fatalf("%d thresholds below %g, want %d", got, x, want)
			}
		}
		for i := range cs {
			if code, _ := cs[i].Code(math.NaN()); missing && code != int64(cs[i].Levels-1) {
				t.Fatalf("missing value has code %d of %d", code, cs[i].Levels)
			}
		}
	})
	if cs := RankCoders(0, nil, true); cs != nil {
		t.Errorf("no thresholds give %v", cs)
	}
}

func TestAffineCode(t *testing.T) {
	c := Coder{Levels: 8, Min: -1, Step: 0.5} // -1 .. 2.5
	for _, k := range []struct {
		x       float64
		code    int64
		clipped bool
	}{
		{-1, 0, false}, {-1.2, 0, false}, {-1.3, 0, true}, {2.5, 7, false}, {2.7, 7, false}, {2.8, 7, true}, {0, 2, false}, {0.26, 3, false},
		{0.24, 2, false}, {math.Inf(1), 7, true}, {math.Inf(-1), 0, true}, {-0.75, 0, false}, {-0.25, 2, false}, // halves go to even
	} {
		if code, clipped := c.Code(k.x); code != k.code || clipped != k.clipped {
			t.Errorf("Code(%g) = %d, %v, want %d, %v", k.x, code, clipped, k.code, k.clipped)
		}
	}
}

// TestCalibrate holds that values within the range come back within half a step, that the range covers nearly all calibration
// values, and that grids are exact.
func TestCalibrate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vs := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 300).Draw(t, "values")
		levels := 1 << rapid.IntRange(1, 7).Draw(t, "bits")
		c, err := Calibrate(0, vs, levels, rapid.SampledFrom([]float64{0, 0.1, 0.5}).Draw(t, "margin"))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(1); err != nil {
			t.Fatal(err)
		}
		if c.Levels > levels {
			t.Fatalf("%d codes, want at most %d", c.Levels, levels)
		}
		clippedRows := 0
		for _, v := range vs {
			code, clipped := c.Code(v)
			if clipped {
				clippedRows++
			} else if math.Abs(c.Value(code)-v) > c.Step/2*(1+1e-9) {
				t.Fatalf("%g became %g, step %g", v, c.Value(code), c.Step)
			}
		}
		if clippedRows > 2+len(vs)/20 {
			t.Fatalf("%d of %d rows are clipped", clippedRows, len(vs))
		}
	})
	for _, k := range []struct {
		vs     []float64
		levels int
		want   int // codes
	}{
		{[]float64{0, 1, 1, 0}, 128, 2}, {[]float64{7, 7, 7}, 8, 1}, {[]float64{0, 16, 3, 5}, 32, 21}, {[]float64{0, 16, 3, 5}, 17, 17},
		{[]float64{float64(float32(0.1)), float64(float32(0.3)), float64(float32(0.7))}, 128, 4}, {[]float64{-2, -1, 5}, 8, 8},
	} {
		c, err := Calibrate(0, k.vs, k.levels, 0.1)
		if err != nil {
			t.Fatal(err)
		}
		if k.want != c.Levels {
			t.Errorf("%v: %d codes, want %d", k.vs, c.Levels, k.want)
		}
		for _, v := range k.vs {
			if code, clipped := c.Code(v); clipped || math.Abs(c.Value(code)-v) > 1e-6 {
				t.Errorf("%v: %g became %g", k.vs, v, c.Value(code))
			}
		}
	}
	for want, vs := range map[string][]float64{"--calibration": nil, "not a finite": {1, math.NaN()}, "range": {-math.MaxFloat64, math.MaxFloat64}} {
		if _, err := Calibrate(0, vs, 8, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestCoderValidate(t *testing.T) {
	for _, c := range []Coder{
		{Feature: 2, Levels: 1}, {Feature: -1, Levels: 1}, {Levels: 129, Step: 0.5}, {Levels: MaxIntegers + 1, Step: 1}, {Levels: 0}, {Levels: 2}, {Levels: 2, Step: math.NaN()}, {Levels: 2, Step: -1},
		{Levels: 2, Step: 1, Min: math.Inf(1)}, {Levels: 2, Step: 1, Missing: true}, {Levels: 1, Step: 1}, {Levels: 1, Kind: 5},
		{Kind: Rank, Levels: 3, Thresholds: []float64{1}}, {Kind: Rank, Levels: 3, Thresholds: []float64{1, 1}}, {Kind: Rank, Levels: 2, Thresholds: []float64{math.NaN()}},
		{Kind: Rank, Levels: 2, Thresholds: []float64{1}, Missing: true},
	} {
		if c.Validate(2) == nil {
			t.Errorf("%+v is valid", c)
		}
	}
}

func TestEncode(t *testing.T) {
	p := Preprocessing{Columns: []string{"age", "height"}, Float32: true, Coders: []Coder{{Feature: 1, Levels: 4, Min: 0, Step: 1}}}
	dst := make([]int64, 1)
	if clipped, err := p.Encode(dst, []float64{1, 2}); err != nil || dst[0] != 2 || clipped != nil {
		t.Errorf("%v %v %v", dst, clipped, err)
	}
	if clipped, err := p.Encode(dst, []float64{1, 9}); err != nil || dst[0] != 3 || len(clipped) != 1 || clipped[0] != 1 {
		t.Errorf("%v %v %v", dst, clipped, err)
	}
	if _, err := p.Encode(dst, []float64{math.NaN(), 1}); err == nil || !strings.Contains(err.Error(), `"age"`) {
		t.Errorf("missing value: error %v", err)
	}
	if _, err := p.Encode(dst, []float64{1}); err == nil || !strings.Contains(err.Error(), "1 values for 2") {
		t.Errorf("short row: error %v", err)
	}
	// Single precision: 0.1 in double is not above 0.1 in single.
	tree := Preprocessing{Columns: []string{"x"}, Float32: true, Coders: RankCoders(0, []float64{float64(float32(0.1))}, false)}
	at := math.Nextafter(float64(float32(0.1)), 1)
	if _, err := tree.Encode(dst, []float64{at}); err != nil || dst[0] != 0 {
		t.Errorf("%v %v", dst, err)
	}
	tree.Float32 = false
	if _, err := tree.Encode(dst, []float64{at}); err != nil || dst[0] != 1 {
		t.Errorf("%v %v", dst, err)
	}
	// A scaler in single precision: (x-1)*3.
	tree = Preprocessing{Columns: []string{"x"}, Float32: true, ScalerOffset: []float64{1}, ScalerScale: []float64{3}, Coders: RankCoders(0, []float64{3}, true)}
	if err := tree.Validate(); err != nil {
		t.Fatal(err)
	}
	for x, want := range map[float64]int64{2: 0, 2.1: 1, math.Inf(1): 1} {
		if _, err := tree.Encode(dst, []float64{x}); err != nil || dst[0] != want {
			t.Errorf("%g: %v %v, want %d", x, dst, err, want)
		}
	}
	if _, err := tree.Encode(dst, []float64{math.NaN()}); err != nil || dst[0] != 2 {
		t.Errorf("missing value: %v %v", dst, err)
	}
	for _, bad := range []Preprocessing{{}, {Columns: []string{"a"}}, {Columns: []string{"a"}, Coders: []Coder{{Levels: 1}}, ScalerScale: []float64{1}},
		{Columns: []string{"a"}, Coders: []Coder{{Levels: 1}}, ScalerScale: []float64{1, 2}, ScalerOffset: []float64{1}},
		{Columns: []string{"a"}, Coders: []Coder{{Levels: 1}}, ScalerScale: []float64{math.NaN()}, ScalerOffset: []float64{1}}} {
		if bad.Validate() == nil {
			t.Errorf("%+v is valid", bad)
		}
	}
}
