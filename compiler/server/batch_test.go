package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/client"
	"github.com/fhe-ml/fhe-ml/compiler/server"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// batchRows are rows of three codes.
func batchRows(n int) [][]int64 {
	rows := make([][]int64, n)
	for i := range rows {
		rows[i] = []int64{int64(i) % 8, int64(3*i+1) % 8, int64(50*i) % 256}
	}
	return rows
}

func writeBatch(t *testing.T, c *client.Client, rows [][]int64) []byte {
	t.Helper()
	var file bytes.Buffer
	b, err := c.NewBatch(&file, len(rows))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := b.Encrypt(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// decryptBatch returns what a file of responses holds, or the first error.
func decryptBatch(c *client.Client, file []byte) (out [][]int64, err error) {
	b, err := c.OpenBatch(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	for {
		row, err := b.Decrypt()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, row)
	}
}

// TestRunBatch: a batch through files gives the graph's answers in order, whatever the number of threads and rows.
func TestRunBatch(t *testing.T) {
	for _, prefer := range []compiler.Prefer{compiler.PreferTime, compiler.PreferUpload} {
		e := newEnds(t, leveled(), prefer)
		if err := e.server.LoadKey(t.Context(), e.keys.Evaluation, nil); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 1, 2, 9} {
			e.server.SetThreads(1 + n%4)
			rows := batchRows(n)
			requests := writeBatch(t, e.client, rows)
			if want := e.circuit.Spec.RequestBatchBytes(n); int64(len(requests)) != want {
				t.Fatalf("%d rows are %d bytes, announced were %d", n, len(requests), want)
			}
			var responses bytes.Buffer
			told := 0
			done, err := e.server.RunBatch(t.Context(), &responses, bytes.NewReader(requests), func(d, total int) {
				if told++; d != told || total != n {
					t.Errorf("told of %d of %d, of which there are %d", d, total, n)
				}
			})
			if err != nil || done != n || told != n || int64(responses.Len()) != e.circuit.Spec.ResponseBatchBytes(n) {
				t.Fatalf("%d of %d rows in %d bytes, told of %d: %v", done, n, responses.Len(), told, err)
			}
			got, err := decryptBatch(e.client, responses.Bytes())
			if err != nil || len(got) != n {
				t.Fatalf("%d of %d rows: %v", len(got), n, err)
			}
			for i, row := range rows {
				want, err := e.graph.Eval(map[string][]int64{"x": row})
				if err != nil || !slices.Equal(got[i], want[0]) {
					t.Errorf("row %d: %v encrypted, %v in the clear (%v)", i, got[i], want[0], err)
				}
			}
		}
	}
}

// TestBatchDamage: what is not the whole batch, or not for these keys and this model, is refused by both ends, with the error that says which.
func TestBatchDamage(t *testing.T) {
	e := newEnds(t, leveled(), compiler.PreferUpload)
	if err := e.server.LoadKey(t.Context(), e.keys.Evaluation, nil); err != nil {
		t.Fatal(err)
	}
	const n = 3
	spec := &e.circuit.Spec
	requests, another := writeBatch(t, e.client, batchRows(n)), writeBatch(t, e.client, batchRows(n))
	answer := func(file []byte) []byte {
		var out bytes.Buffer
		if _, err := e.server.RunBatch(t.Context(), &out, bytes.NewReader(file), nil); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	responses, otherResponses := answer(requests), answer(another)
	run := func(file []byte) error {
		_, err := e.server.RunBatch(t.Context(), io.Discard, bytes.NewReader(file), nil)
		return err
	}
	open := func(file []byte) error { _, err := decryptBatch(e.client, file); return err }
	for name, end := range map[string]struct {
		file, other []byte
		head        int64
		row         int64
		take        func([]byte) error
	}{
		"requests":  {requests, another, spec.RequestBatchBytes(0), spec.RequestBatchBytes(1) - spec.RequestBatchBytes(0), run},
		"responses": {responses, otherResponses, spec.ResponseBatchBytes(0), spec.ResponseBatchBytes(1) - spec.ResponseBatchBytes(0), open},
	} {
		part := func(file []byte, i int64) []byte { return file[end.head+i*end.row : end.head+(i+1)*end.row] }
		cuts := []int64{0, 1, 50, end.head - 1, int64(len(end.file)) - 1}
		for i := range int64(n) {
			cuts = append(cuts, end.head+i*end.row, end.head+i*end.row+5, end.head+i*end.row+500) // at the borders of rows and behind them
		}
		for _, cut := range cuts {
			if err := end.take(end.file[:cut]); !errors.Is(err, tfhe.ErrTruncated) {
				t.Errorf("%s cut after %d of %d bytes: %v", name, cut, len(end.file), err)
			}
		}
		for i := 0; i < len(end.file); i += 1 + i/5 {
			bad := bytes.Clone(end.file)
			bad[i] ^= 4
			var file *tfhe.FileError
			if err := end.take(bad); !errors.As(err, &file) || file.Kind == 0 {
				t.Errorf("%s with a flipped bit in byte %d: %v", name, i, err)
			}
		}
		for what, c := range map[string]struct {
			file []byte
			want error
		}{
			"trailing byte":          {append(bytes.Clone(end.file), 1), tfhe.ErrDamaged},
			"twice":                  {append(bytes.Clone(end.file), end.file...), tfhe.ErrDamaged},
			"two rows exchanged":     {slices.Concat(end.file[:end.head], part(end.file, 1), part(end.file, 0), part(end.file, 2)), tfhe.ErrRequest},
			"a row of another batch": {slices.Concat(end.file[:end.head], part(end.file, 0), part(end.other, 1), part(end.file, 2)), tfhe.ErrRequest},
			"a row alone":            {part(end.file, 0), tfhe.ErrKind},
			"no file of fhe-ml":      {[]byte("a,b,c\n"), tfhe.ErrKind},
		} {
			if err := end.take(c.file); !errors.Is(err, c.want) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}

	same := newEnds(t, leveled(), compiler.PreferUpload) // the same circuit under another key
	if err := run(writeBatch(t, same.client, batchRows(n))); !errors.Is(err, tfhe.ErrKey) || !errors.Is(err, tfhe.ErrMismatch) {
		t.Errorf("requests under another key: %v", err)
	}
	if _, err := decryptBatch(same.client, responses); !errors.Is(err, tfhe.ErrKey) {
		t.Errorf("responses under another key: %v", err)
	}
	g := compiler.NewGraph()
	g.Output(g.SumAll(g.Input("x", []int{3}, []int64{0}, []int64{255})))
	foreign := newEnds(t, g, compiler.PreferUpload)
	if err := run(writeBatch(t, foreign.client, batchRows(n))); !errors.Is(err, tfhe.ErrModel) {
		t.Errorf("requests of another model: %v", err)
	}
	if _, err := decryptBatch(foreign.client, responses); !errors.Is(err, tfhe.ErrModel) {
		t.Errorf("responses of another model: %v", err)
	}
}

// TestBatchStops: a batch ends with the first error, be it of the reader, the writer, a row or the context, and the server goes on.
func TestBatchStops(t *testing.T) {
	e := newEnds(t, leveled(), compiler.PreferUpload)
	file := writeBatch(t, e.client, batchRows(6))
	if _, err := e.server.RunBatch(t.Context(), io.Discard, bytes.NewReader(file), nil); !errors.Is(err, server.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	if err := e.server.LoadKey(t.Context(), e.keys.Evaluation, nil); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if _, err := e.server.RunBatch(t.Context(), io.Discard, io.MultiReader(bytes.NewReader(file[:len(file)/2]), iotest.ErrReader(broken)), nil); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
	if _, err := e.server.RunBatch(t.Context(), &full{room: 40000, err: broken}, bytes.NewReader(file), nil); !errors.Is(err, broken) {
		t.Errorf("a writer that fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	rows, err := e.server.RunBatch(ctx, io.Discard, bytes.NewReader(file), func(done, _ int) {
		if done == 2 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || rows < 2 || rows == 6 {
		t.Errorf("cancelled after 2 rows: %d rows, %v", rows, err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err := e.server.RunBatch(ctx, io.Discard, bytes.NewReader(file), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no time: %v", err)
	}
	if rows, err := e.server.RunBatch(t.Context(), io.Discard, bytes.NewReader(file), nil); rows != 6 || err != nil {
		t.Errorf("afterwards: %d rows, %v", rows, err)
	}
}

// full is a writer that fails after some bytes.
type full struct {
	room int
	err  error
}

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, f.err
	}
	return len(p), nil
}

// TestForKey: servers of one circuit for several keys share it, and keep the keys apart.
func TestForKey(t *testing.T) {
	e := newEnds(t, leveled(), compiler.PreferUpload)
	if err := e.server.LoadKey(t.Context(), e.keys.Evaluation, nil); err != nil {
		t.Fatal(err)
	}
	keys, err := client.GenerateKeys(t.Context(), &e.circuit.Spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := *e
	if other.client, err = client.New(&e.circuit.Spec, keys.Secret); err != nil {
		t.Fatal(err)
	}
	if other.server, err = e.server.ForKey(t.Context(), keys.Evaluation, nil); err != nil {
		t.Fatal(err)
	}
	for i := range int64(3) {
		e.check(t, i, 5)
		other.check(t, i, 5)
	}
	if _, err := e.server.Run(t.Context(), other.encrypt(t, 1, 2)); !errors.Is(err, tfhe.ErrKey) {
		t.Errorf("a row of the other key: %v", err)
	}
	if other.server.Cores() != e.server.Cores() {
		t.Error("cores are not shared")
	}
}

// TestRowMemory holds RowMemory and KeyMemory to what the heap really grows by. Garbage is collected at 10% so that the peak is what is live.
func TestRowMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("measures the heap")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	for name, c := range map[string]struct {
		graph  *compiler.Graph
		prefer compiler.Prefer
	}{"selectors": {leveled(), compiler.PreferTime}, "packed": {leveled(), compiler.PreferUpload}, "lookups": {bootstrapped(40), compiler.PreferTime}} {
		e := newEnds(t, c.graph, c.prefer)
		live := func() int64 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		runtime.GC()
		before := live()
		if err := e.server.LoadKey(t.Context(), e.keys.Evaluation, nil); err != nil {
			t.Fatal(err)
		}
		req := e.encrypt(t, 1, 2)
		runtime.GC()
		loaded := live()
		// A tenth of the heap is garbage at most, and a little more while it is collected.
		if grown, want := loaded-before, e.server.KeyMemory()+1<<21; grown > want {
			t.Errorf("%s: a key takes %d bytes, promised are %d", name, grown, want)
		}
		stop, peak := make(chan bool), make(chan int64)
		go func() {
			most := int64(0)
			for {
				select {
				case <-stop:
					peak <- most
					return
				default:
					most = max(most, live())
				}
			}
		}()
		for range 3 {
			if _, err := e.server.Run(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		}
		stop <- true
		if grown, want := <-peak-loaded, e.server.RowMemory()+e.circuit.Spec.ResponseBytes()+loaded/4+4<<20; grown > want {
			t.Errorf("%s: a row takes %d bytes, promised are %d", name, grown, want)
		} else {
			t.Logf("%s: a row took %d bytes, promised %d of its own", name, grown, e.server.RowMemory())
		}
		runtime.KeepAlive(e)
	}
}

// FuzzRunBatch: any bytes are a batch of this key and model, or an error, and the answer has a row for each row.
func FuzzRunBatch(f *testing.F) {
	g := compiler.NewGraph()
	g.Output(g.MatMul(g.Input("x", []int{2}, []int64{0}, []int64{7}), g.Constant(compiler.Array{Shape: []int{2, 1}, Data: []int64{11, -7}})))
	c, err := compiler.Compile(g, compiler.CompileOptions{Log2PFail: -40})
	if err != nil {
		f.Fatal(err)
	}
	keys, err := client.GenerateKeys(context.Background(), &c.Spec, nil)
	if err != nil {
		f.Fatal(err)
	}
	cl, err := client.New(&c.Spec, keys.Secret)
	if err != nil {
		f.Fatal(err)
	}
	s, err := server.New(c)
	if err != nil {
		f.Fatal(err)
	}
	var file bytes.Buffer
	b, err := cl.NewBatch(&file, 2)
	if err != nil {
		f.Fatal(err)
	}
	for range 2 {
		if err := b.Encrypt([]int64{3, 5}); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(file.Bytes())
	f.Add(file.Bytes()[:c.Spec.RequestBatchBytes(0)])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		rows, err := s.RunBatch(t.Context(), &out, bytes.NewReader(data), nil)
		if err != nil {
			return
		}
		if int64(len(data)) != c.Spec.RequestBatchBytes(rows) || int64(out.Len()) != c.Spec.ResponseBatchBytes(rows) {
			t.Fatalf("%d bytes are a batch of %d rows, answered with %d bytes", len(data), rows, out.Len())
		}
		r, err := compiler.NewResponseReader(&out, &c.Spec)
		for err == nil {
			_, err = r.Next()
		}
		if err != io.EOF {
			t.Fatal(err)
		}
	})
}
