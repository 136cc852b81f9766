package models_test
import ("testing";"fmt";"os";"encoding/csv";"encoding/json";"strconv";"path/filepath";"strings";"math"
 "github.com/fhe-ml/fhe-ml/importers/onnx";"github.com/fhe-ml/fhe-ml/models")
func read(p string) [][]float64 {
	f, err := os.Open(p); if err != nil { return nil }
	defer f.Close()
	recs, _ := csv.NewReader(f).ReadAll()
	var out [][]float64
	for _, r := range recs[1:] { row := make([]float64, len(r)); for i, s := range r { v, err := strconv.ParseFloat(s, 64); if err != nil { v = math.NaN() }; row[i] = v }; out = append(out, row) }
	return out
}
func TestExt(t *testing.T) {
	dir := "../importers/onnx/testdata/"
	fs, _ := filepath.Glob(dir + "*.json")
	for _, f := range fs {
		base := strings.TrimSuffix(f, ".json")
		data, err := os.ReadFile(base + ".onnx"); if err != nil { continue }
		m, _, err := onnx.Import(data, dir)
		if err != nil { fmt.Println(base, err); continue }
		var want struct { Labels []string; Scores any; Predictions any }
		js, _ := os.ReadFile(f); json.Unmarshal(js, &want)
		q, err := m.Quantize(models.Options{}, read(base+".calib.csv"))
		if err != nil { fmt.Println(base, err); continue }
		og, err := q.Graph.Optimize()
		if err != nil { fmt.Println("OPT", err); continue }
		q2 := *q; q2.Graph = og
		d, dq, dd := 0, 0, 0
		rows := read(base+".csv")
		var e, s, mean, worst float64
		var fp []float64
		for i, r := range rows {
			a, err := models.Predict(m, r); if err != nil { fmt.Println(err); break }
			b, err := q.Predict(r); if err != nil { fmt.Println(err); break }
			c, err := q2.Predict(r); if err != nil { fmt.Println("opt", err); break }
			if fmt.Sprint(b) != fmt.Sprint(c) { dd++ }
			if len(want.Labels) > 0 { if a.Label.String() != want.Labels[i] { d++ }; if b.Label != a.Label { dq++ } }
			for o := range a.Scores { fp = append(fp, a.Scores[o]); e += (a.Scores[o]-b.Scores[o])*(a.Scores[o]-b.Scores[o]); worst = math.Max(worst, math.Abs(a.Scores[o]-b.Scores[o])) }
		}
		for _, v := range fp { mean += v/float64(len(fp)) }
		for _, v := range fp { s += (v-mean)*(v-mean) }
		lo, hi := og.Outputs[0].Range()
		fmt.Printf("%-36s rows %d float!=ort %d quant!=float %d opt!=q %d relrms %.4f worst %.2g bits %d coders %d out [%d,%d] nodes %d %v\n", filepath.Base(base), len(rows), d, dq, dd, math.Sqrt(e/s), worst, q.Bits, len(q.Pre.Coders), lo, hi, len(og.Nodes), q.Notes)
	}
}
