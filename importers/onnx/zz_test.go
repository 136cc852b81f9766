package onnx

import (
	"math/rand"
	"path/filepath"
	"testing"
	"time"
)

func TestZZ(t *testing.T) {
	files, _ := filepath.Glob("/tmp/more/*.onnx")
	r := rand.New(rand.NewSource(1))
	start := time.Now()
	ok, n, worst, slow := 0, 0, uint64(0), time.Duration(0)
	for time.Since(start) < 45*time.Second {
		b := append([]byte(nil), read(t, files[r.Intn(len(files))])...)
		if len(b) > 40000 {
			continue
		}
		for k := 0; k < 1+r.Intn(3); k++ {
			at := r.Intn(len(b))
			switch r.Intn(3) {
			case 0:
				b[at] = byte(r.Intn(256))
			case 1:
				b[at] ^= 1 << r.Intn(8)
			case 2:
				e := min(len(b), at+1+r.Intn(80))
				b = append(b[:e:e], b[at:]...)
			}
		}
		s := time.Now()
		a := allocated(b)
		slow = max(slow, time.Since(s))
		worst = max(worst, a)
		n++
		if _, _, err := Import(b, ""); err == nil {
			ok++
		}
	}
	t.Logf("%d mutations, %d still import, worst alloc %d, slowest %v", n, ok, worst, slow)
}
