package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fhe-ml/fhe-ml/compiler/client"
	"github.com/fhe-ml/fhe-ml/compiler/client/remote"
	"github.com/fhe-ml/fhe-ml/datasets"
	"github.com/fhe-ml/fhe-ml/models"
)

// command runs a command line in this process, which must succeed, and returns its standard output.
func command(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), args, &stdout, &stderr); status != 0 {
		t.Fatalf("fhe-ml %s: status %d: %s", strings.Join(args, " "), status, stderr.String())
	}
	return stdout.String()
}

// serving is fhe-ml serve in a process of its own.
type serving struct {
	cmd     *exec.Cmd
	address string
	stderr  *bufio.Reader
}

func startServing(t *testing.T, args ...string) *serving {
	t.Helper()
	s := &serving{cmd: exec.Command("fhe-ml", append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)}
	pipe, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill(); s.cmd.Wait() })
	s.stderr = bufio.NewReader(pipe)
	line, err := s.stderr.ReadString('\n')
	m := regexp.MustCompile(`^serving .* at (https?://\S+); Ctrl-C ends\n$`).FindStringSubmatch(line)
	if m == nil {
		rest, _ := io.ReadAll(s.stderr)
		t.Fatalf("%q %s %v", line, rest, err)
	}
	s.address = m[1]
	return s
}

// stop interrupts it; it must end without an error or a message.
func (s *serving) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(s.stderr)
	if err := s.cmd.Wait(); err != nil || len(rest) > 0 {
		t.Errorf("the end of serve: %v, %q", err, rest)
	}
}

// metric reads a whole number from /metrics.
func (s *serving) metric(t *testing.T, name string) int64 {
	t.Helper()
	res, err := http.Get(s.address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	m := regexp.MustCompile(`(?m)^` + name + ` (\d+)$`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in %q, %v", name, text, err)
	}
	v, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// peakMemory is the largest resident memory of the process so far, where the system tells (Linux), else 0.
func (s *serving) peakMemory() int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(data)
	if m == nil {
		return 0
	}
	kb, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return kb << 10
}

// cancerRows writes rows of the breast cancer data to a file and returns its name.
func cancerRows(t *testing.T, dir string, n int) string {
	t.Helper()
	d, err := datasets.Load("breast_cancer")
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	w.Write(d.Columns)
	for i := range n {
		record := make([]string, len(d.Columns))
		for j, v := range d.X[i*len(d.X)/n] {
			record[j] = strconv.FormatFloat(v, 'g', -1, 64)
		}
		w.Write(record)
	}
	w.Flush()
	path := filepath.Join(dir, "rows.csv")
	if err := os.WriteFile(path, text.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// convertDemo converts the three embedded models and returns the names of the files without extension.
func convertDemo(t *testing.T, dir string, names ...string) []string {
	t.Helper()
	var out []string
	for _, name := range names {
		out = append(out, filepath.Join(dir, name))
		command(t, "convert", "demo/"+name+".onnx", "--calibration", "demo/calibration.csv", "-q", "-o", filepath.Join(dir, name))
	}
	return out
}

// TestHundredRows: what comes back through files, and from a server in another process, is on every row what --mode quantized says, byte for byte.
func TestHundredRows(t *testing.T) {
	n := 25
	switch {
	case os.Getenv("FHEML_LONG") == "1":
		n = 100
	case testing.Short():
		n = 8
	}
	dir := t.TempDir()
	names := convertDemo(t, dir, "logreg", "gboost", "mlp")
	rows := cancerRows(t, dir, n)
	s := startServing(t, names[0]+".fheml", names[1]+".fheml", names[2]+".fheml")
	for _, name := range names {
		want := command(t, "predict", name+".fheml", "--input", rows, "--mode", "quantized", "-q")
		if strings.Count(want, "\n") != n+1 {
			t.Fatalf("%d lines for %d rows", strings.Count(want, "\n"), n)
		}
		command(t, "keygen", name+".client.fheml", "-o", name+"_keys", "-q")
		command(t, "encrypt", name+".client.fheml", "--key", name+"_keys", "--input", rows, "-o", name+".request", "-q")
		command(t, "run", name+".fheml", "--key", name+"_keys", "--input", name+".request", "-o", name+".response", "-q")
		if got := command(t, "decrypt", name+".client.fheml", "--key", name+"_keys", "--input", name+".response"); got != want {
			t.Errorf("%s through files: %s", filepath.Base(name), firstDifference(got, want))
		}
		loaded := s.metric(t, "fheml_keys")
		if got := command(t, "predict", filepath.Base(name), "--server", s.address, "--input", rows, "-q"); got != want {
			t.Errorf("%s through a server: %s", filepath.Base(name), firstDifference(got, want))
		}
		if now := s.metric(t, "fheml_keys"); now != loaded {
			t.Errorf("%s: the server has %d keys after a client with keys of its own for the occasion, had %d", filepath.Base(name), now, loaded)
		}
		if got := command(t, "predict", filepath.Base(name), "--server", s.address, "--keys", name+"_keys", "--input", rows, "-q", "--rows", "3"); !strings.HasPrefix(want, got) {
			t.Errorf("%s through a server with kept keys: %s", filepath.Base(name), firstDifference(got, want))
		}
	}
	s.stop(t)
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d is %q, want %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// remoteParty is a client of a server with keys of its own, and the answers it must get.
type remoteParty struct {
	keys   *client.Keys
	client *models.Client
	server *remote.Server
}

// TestServeLoad: 200 requests at a time from clients with different keys get right answers, while other clients are killed or stall; the server's memory stays
// within what it was given.
func TestServeLoad(t *testing.T) {
	requests, parties := 200, 6
	if testing.Short() {
		requests, parties = 40, 3
	}
	dir := t.TempDir()
	name := convertDemo(t, dir, "gboost")[0]
	c, err := readFrom(name+".fheml", models.ReadCompiled)
	if err != nil {
		t.Fatal(err)
	}
	d, err := datasets.Load("breast_cancer")
	if err != nil {
		t.Fatal(err)
	}
	const memory = 250e6
	s := startServing(t, name+".fheml", "--memory", "250MB", "--timeout", "5s")
	transport := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 0, MaxIdleConnsPerHost: requests}}
	file := c.ClientFile()
	var all []*remoteParty
	for range parties {
		p := &remoteParty{}
		if p.keys, err = models.GenerateKeys(t.Context(), file, nil); err != nil {
			t.Fatal(err)
		}
		if p.client, err = models.NewClient(file, p.keys.Secret); err != nil {
			t.Fatal(err)
		}
		if p.server, err = remote.Dial(t.Context(), s.address, "", transport); err != nil {
			t.Fatal(err)
		}
		if err := p.server.SendKey(t.Context(), p.keys.Evaluation); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}

	host := strings.TrimPrefix(s.address, "http://")
	stop := make(chan struct{})
	var bad sync.WaitGroup
	bad.Go(func() { misbehave(t, host, name, all[0], d.X[0], stop) })
	slow, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprintf(slow, "POST /v1/models/gboost/run?key=%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nFHEML", all[0].server.KeyName(), file.Spec.RequestBatchBytes(1))

	var group sync.WaitGroup
	for i := range requests {
		group.Go(func() {
			row := d.X[i*7%len(d.X)]
			want, err := c.Quantized.Predict(row)
			if err != nil {
				t.Error(err)
				return
			}
			p := all[i%parties]
			var sent, got bytes.Buffer
			enc, err := p.client.EncryptRows(t.Context(), &sent, [][]float64{row}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if err := p.server.RunBatch(t.Context(), &got, sent.Bytes(), file.Spec.ResponseBatchBytes(1)); err != nil {
				t.Errorf("request %d: %v", i, err)
				return
			}
			predictions, err := p.client.DecryptRows(t.Context(), &got, enc.ID, nil)
			if err != nil || len(predictions) != 1 || !equal(predictions[0], want) {
				t.Errorf("request %d: %v encrypted, %v in the clear, %v", i, predictions, want, err)
			}
		})
	}
	group.Wait()
	close(stop)
	bad.Wait()
	slow.SetReadDeadline(time.Now().Add(time.Minute))
	if answer, err := io.ReadAll(slow); err != nil || !strings.Contains(string(answer), " 408 ") {
		t.Errorf("a slow client is not cut off: %q, %v", answer, err)
	}
	if peak := s.peakMemory(); peak > memory {
		t.Errorf("%d requests of %d clients took %d MB, the server was given %d MB", requests, parties, peak>>20, int64(memory)>>20)
	} else {
		t.Logf("%d requests of %d clients: %d MB at most of %d MB", requests, parties, peak>>20, int64(memory)>>20)
	}
	s.stop(t)
}

// misbehave plays clients that are killed: in the middle of a request, and after one while its rows are computed.
func misbehave(t *testing.T, host, name string, p *remoteParty, row []float64, stop <-chan struct{}) {
	var sent bytes.Buffer
	if _, err := p.client.EncryptRows(context.Background(), &sent, [][]float64{row, row, row}, nil); err != nil {
		t.Error(err)
		return
	}
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprintf(conn, "POST /v1/models/gboost/run?key=%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", p.server.KeyName(), sent.Len())
		conn.Write(sent.Bytes()[:sent.Len()/(1+i%2)])
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
		time.Sleep(5 * time.Millisecond)
	}
}

// TestServeErrors: what is wrong with a server, an address or a model is one line.
func TestServeErrors(t *testing.T) {
	dir := t.TempDir()
	names := convertDemo(t, dir, "logreg")
	rows := cancerRows(t, dir, 2)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + closed.Addr().String()
	closed.Close()
	other := http.Server{Handler: http.NotFoundHandler()}
	go other.Serve(busy)
	defer other.Close()
	elsewhere := "http://" + busy.Addr().String()
	s := startServing(t, names[0]+".fheml")
	for _, c := range []struct {
		status int
		want   string
		args   []string
	}{
		{1, "address already in use|Only one usage", []string{"serve", names[0] + ".fheml", "--addr", busy.Addr().String()}},
		{1, "give [0-9]+ MB or more", []string{"serve", names[0] + ".fheml", "--memory", "20MB", "--addr", "127.0.0.1:0"}},
		{1, "two models are called \"logreg\"", []string{"serve", names[0] + ".fheml", names[0] + ".fheml"}},
		{1, "is a client file", []string{"serve", names[0] + ".client.fheml"}},
		{1, "none.pem", []string{"serve", names[0] + ".fheml", "--tls-cert", "none.pem", "--tls-key", "none.key"}},
		{1, "connection refused|actively refused", []string{"predict", "--server", nobody, "--input", rows}},
		{1, "does not answer like an fhe-ml server", []string{"predict", "--server", elsewhere, "--input", rows}},
		{1, "does not offer \"oak\": give the name of one of its models: logreg", []string{"predict", "oak", "--server", s.address, "--input", rows}},
		{1, "is no address of a server", []string{"predict", "--server", "localhost:8000", "--input", rows}},
		{1, "none.csv", []string{"predict", "--server", s.address, "--input", "none.csv"}},
		{2, "serve: NAME.fheml is missing", []string{"serve"}},
		{2, "--timeout -3s: want a time above zero", []string{"serve", names[0] + ".fheml", "--timeout", "-3s"}},
		{2, "--grace 0s: want a time above zero", []string{"serve", names[0] + ".fheml", "--grace", "0s"}},
		{2, "--max-rows \"0\": want a whole number of at least 1; see", []string{"serve", names[0] + ".fheml", "--max-rows", "0"}},
		{2, "--tls-cert and --tls-key belong together", []string{"serve", names[0] + ".fheml", "--tls-cert", "cert.pem"}},
		{2, "--memory \"much\": want a size of 1MB or more", []string{"serve", names[0] + ".fheml", "--memory", "much"}},
		{2, "--mode float: a server computes encrypted rows only", []string{"predict", "--server", s.address, "--input", rows, "--mode", "float"}},
		{2, "--keys is for --server", []string{"predict", names[0] + ".fheml", "--keys", dir, "--input", rows}},
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), append(c.args, "-q"), &stdout, &stderr)
		if text := stderr.String(); status != c.status || strings.Count(text, "\n") != 1 || !regexp.MustCompile(c.want).MatchString(text) {
			t.Errorf("fhe-ml %s: status %d: %q, want %d: %q", strings.Join(c.args, " "), status, text, c.status, c.want)
		}
	}
	s.stop(t)
}

// TestInterruptedApart: a command that is interrupted while it writes leaves nothing behind and says so.
func TestInterruptedApart(t *testing.T) {
	dir := t.TempDir()
	names := convertDemo(t, dir, "gboost")
	rows := cancerRows(t, dir, 100)
	model, file, keys := names[0]+".fheml", names[0]+".client.fheml", filepath.Join(dir, "keys")
	command(t, "keygen", file, "-o", keys, "-q")
	command(t, "encrypt", file, "--key", keys, "--input", rows, "-o", filepath.Join(dir, "rows.request"), "-q")
	for _, args := range [][]string{
		{"keygen", file, "-o", filepath.Join(dir, "more")},
		{"encrypt", file, "--key", keys, "--input", rows, "-o", filepath.Join(dir, "new")},
		{"run", model, "--key", keys, "--input", filepath.Join(dir, "rows.request"), "-o", filepath.Join(dir, "new")},
	} {
		before := tree(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		if args[0] == "run" { // it takes long enough to be caught while it writes
			go func() {
				for ctx.Err() == nil {
					if found, _ := filepath.Glob(filepath.Join(dir, ".new.*.tmp")); len(found) > 0 {
						cancel()
					}
					time.Sleep(time.Millisecond)
				}
			}()
		} else {
			cancel()
		}
		var stdout, stderr bytes.Buffer
		status := run(ctx, append(args, "-q"), &stdout, &stderr)
		cancel()
		if status != exitFailed || stderr.String() != "fhe-ml: interrupted; nothing was written\n" {
			t.Errorf("%s: status %d, %q", args[0], status, stderr.String())
		}
		if after := tree(t, dir); after != before {
			t.Errorf("%s: files were %s, are %s", args[0], before, after)
		}
	}
}

// tree lists the files in a folder and those below.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

// TestServeSignals: a termination lets what is in work finish.
func TestServeSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM")
	}
	dir := t.TempDir()
	name := convertDemo(t, dir, "gboost")[0]
	rows := cancerRows(t, dir, 20) // one batch
	want := command(t, "predict", name+".fheml", "--input", rows, "--mode", "quantized", "-q")
	c, err := readFrom(name+".fheml", models.ReadCompiled)
	if err != nil {
		t.Fatal(err)
	}
	// The key may be there long before the rows: only when these have arrived too are they in work. The key is sent once, as the server has memory enough.
	srv, err := c.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	inWork := srv.Parameters().EvaluationKeyFileBytes() + c.Circuit.Spec.RequestBatchBytes(20)
	s := startServing(t, name+".fheml")
	got := make(chan string, 1)
	go func() {
		var stdout, stderr bytes.Buffer
		run(t.Context(), []string{"predict", "--server", s.address, "--input", rows, "-q"}, &stdout, &stderr)
		got <- stdout.String() + stderr.String()
	}()
	text, ended := "", false
	for received := int64(0); received < inWork && !ended; time.Sleep(time.Millisecond) {
		select {
		case text = <-got: // a fast machine, or a failure
			ended = true
			continue
		default:
		}
		received = s.metric(t, "fheml_received_bytes_total")
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if !ended {
		text = <-got
	}
	if text != want {
		t.Errorf("rows in work when the server was to end: %s", firstDifference(text, want))
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the end of serve: %v", err)
	}
}
