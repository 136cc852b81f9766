package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/client/remote"
	"github.com/fhe-ml/fhe-ml/compiler/server"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// newService offers a tree, which needs keys, and a linear model, which needs none.
func newService(t *testing.T, limits Limits) (s *Service, withKey, without offered) {
	t.Helper()
	withKey, without = compile(t, tree(), compiler.PreferUpload), compile(t, linear(), compiler.PreferBalanced)
	s, err := New([]Model{{"tree", withKey.circuit, []byte("tree's client file")}, {"lin", without.circuit, []byte("lin's client file")}}, limits)
	if err != nil {
		t.Fatal(err)
	}
	s.Report = func(err error) { t.Errorf("defect: %v", err) }
	return s, withKey, without
}

// TestAPI holds handlers and description to each other: the same addresses, and every described answer is given and is as described.
func TestAPI(t *testing.T) {
	s, withKey, without := newService(t, Limits{Rows: 4})
	a := newAPI(t, s)
	described, handled := map[string]bool{}, map[string]bool{}
	for op := range a.ops {
		described[op] = true
	}
	for _, r := range table {
		handled[r.method+" "+r.pattern] = true
	}
	for op := range described {
		if !handled[op] {
			t.Errorf("%s is described and not handled", op)
		}
	}
	for op := range handled {
		if !described[op] {
			t.Errorf("%s is handled and not described", op)
		}
	}

	const (
		models, clientFile, keys, key, run = "/v1/models", "/v1/models/{model}/client", "/v1/models/{model}/keys", "/v1/models/{model}/keys/{key}", "/v1/models/{model}/run"
		at                                 = "/v1/models/tree"
	)
	p, other := newParty(t, withKey), newParty(t, withKey)
	send := func(route, path string, body []byte, want int) []byte {
		t.Helper()
		return a.call("POST", route, path, bytes.NewReader(body), int64(len(body)), want)
	}
	expect := func(want string, body []byte) {
		t.Helper()
		if got := code(t, body); got != want {
			t.Errorf("code %s, want %s: %s", got, want, body)
		}
	}

	if list := string(a.call("GET", models, models, nil, 0, 200)); !strings.Contains(list, `"name":"lin"`) || !strings.Contains(list, `"name":"tree"`) {
		t.Error(list)
	}
	if file := a.call("GET", clientFile, at+"/client", nil, 0, 200); string(file) != "tree's client file" {
		t.Errorf("client file %q", file)
	}
	expect(CodeNotFound, a.call("GET", clientFile, models+"/none/client", nil, 0, 404))

	// Keys.
	requests, rows := p.requests(t, 3)
	expect(CodeUnknownKey, send(run, at+"/run?key="+p.name, requests, 404))
	expect(CodeUnknownKey, send(run, at+"/run", requests, 404))
	expect(CodeUnknownKey, a.call("GET", key, at+"/keys/"+p.name, nil, 0, 404))
	expect(CodeNotFound, send(keys, models+"/none/keys", p.file, 404))
	expect(CodeNoKey, send(keys, models+"/lin/keys", p.file, 409))
	expect(CodeNoKey, a.call("GET", key, models+"/lin/keys/"+p.name, nil, 0, 409))
	expect(CodeNoKey, a.call("DELETE", key, models+"/lin/keys/"+p.name, nil, 0, 409))
	expect(CodeLength, send(keys, at+"/keys", p.file[1:], 400))
	expect(CodeKind, send(keys, at+"/keys", append([]byte("x"), p.file[1:]...), 400))
	bad := bytes.Clone(p.file)
	bad[len(bad)/2] ^= 1
	expect(CodeDamaged, send(keys, at+"/keys", bad, 400))
	expect(CodeTooLarge, a.call("POST", keys, at+"/keys", bytes.NewReader(append(bytes.Clone(p.file), make([]byte, 10)...)), -1, 413))
	expect(CodeTruncated, a.call("POST", keys, at+"/keys", bytes.NewReader(p.file[:len(p.file)/2]), -1, 400))
	foreign := compile(t, linear(), compiler.PreferUpload)
	if wrong := newParty(t, foreign); len(wrong.file) != len(p.file) { // its length gives it away; streamed it is read and refused
		expect(CodeOtherModel, a.call("POST", keys, at+"/keys", bytes.NewReader(wrong.file), -1, 409))
	}
	if got := send(keys, at+"/keys", p.file, 201); !strings.Contains(string(got), p.name) {
		t.Errorf("%s, the hash is %s", got, p.name)
	}
	send(keys, at+"/keys", p.file, 200)
	a.call("GET", key, at+"/keys/"+p.name, nil, 0, 200)
	send(keys, at+"/keys", other.file, 201)

	// Rows.
	if err := p.check(withKey, send(run, at+"/run?key="+p.name, requests, 200), rows); err != nil {
		t.Error(err)
	}
	lin := newParty(t, without)
	linRequests, linRows := lin.requests(t, 4)
	if err := lin.check(without, send(run, models+"/lin/run", linRequests, 200), linRows); err != nil {
		t.Error(err)
	}
	expect(CodeOtherKey, send(run, at+"/run?key="+other.name, requests, 409))
	damaged := bytes.Clone(requests)
	damaged[len(damaged)-100] ^= 64
	expect(CodeDamaged, send(run, at+"/run?key="+p.name, damaged, 400))
	expect(CodeTruncated, send(run, at+"/run?key="+p.name, requests[:len(requests)-1], 400))
	row := int(withKey.circuit.Spec.RequestBatchBytes(1) - withKey.circuit.Spec.RequestBatchBytes(0))
	expect(CodeTruncated, send(run, at+"/run?key="+p.name, requests[:len(requests)-row], 400)) // a whole row less
	expect(CodeDamaged, send(run, at+"/run?key="+p.name, append(bytes.Clone(requests), requests[len(requests)-row:]...), 400))
	many, _ := p.requests(t, 5)
	expect(CodeTooLarge, send(run, at+"/run?key="+p.name, many, 413))
	expect(CodeLength, a.call("POST", run, at+"/run?key="+p.name, bytes.NewReader(requests), -1, 411))
	expect(CodeNotFound, send(run, models+"/none/run", requests, 404))
	second := compile(t, tree(), compiler.PreferUpload)
	second.circuit.Spec.Model[0] ^= 1 // the same shape under another name
	q := newParty(t, second)
	otherModel, _ := q.requests(t, 1)
	expect(CodeOtherModel, send(run, at+"/run?key="+p.name, otherModel, 409))

	// What is slow, and what has no room.
	slow := io.MultiReader(bytes.NewReader(requests[:50]), iotest.ErrReader(fmt.Errorf("read: %w", timeout{})))
	expect(CodeSlow, a.call("POST", run, at+"/run?key="+p.name, slow, int64(len(requests)), 408))
	slow = io.MultiReader(bytes.NewReader(p.file[:50]), iotest.ErrReader(fmt.Errorf("read: %w", timeout{})))
	expect(CodeSlow, a.call("POST", keys, at+"/keys", slow, int64(len(p.file)), 408))
	s.limits.RunTime = time.Millisecond
	full := s.keys
	s.keys = newKeyStore(0)
	expect(CodeBusy, send(keys, at+"/keys", p.file, 503))
	s.keys = full
	s.limits.RunTime = 300 * time.Millisecond
	late := io.MultiReader(bytes.NewReader(requests), sleeper(400*time.Millisecond))
	expect(CodeTime, a.call("POST", run, at+"/run?key="+p.name, late, int64(len(requests)), 503))

	a.call("DELETE", key, at+"/keys/"+p.name, nil, 0, 204)
	expect(CodeUnknownKey, a.call("DELETE", key, at+"/keys/"+p.name, nil, 0, 404))
	a.call("GET", "/healthz", "/healthz", nil, 0, 200)
	s.ending.Store(true)
	a.call("GET", "/healthz", "/healthz", nil, 0, 503)
	if text := string(a.call("GET", "/metrics", "/metrics", nil, 0, 200)); !strings.Contains(text, "fheml_rows_total{model=\"lin\"} 4\n") {
		t.Error(text)
	}
	a.call("GET", "/openapi.json", "/openapi.json", nil, 0, 200)
	for op, o := range a.ops {
		for status := range o.Responses {
			if !a.seen[op+" "+status] {
				t.Errorf("%s %s is described and was not given", op, status)
			}
		}
	}
}

// sleeper is a reader whose end comes late.
type sleeper time.Duration

func (s sleeper) Read([]byte) (int, error) {
	time.Sleep(time.Duration(s))
	return 0, io.EOF
}

// timeout is what a connection says after its deadline.
type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Is(e error) bool { return e.Error() == "i/o timeout" }

// serve starts the service on a free port.
func serve(t *testing.T, s *Service) (address string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	return "http://" + l.Addr().String(), func() error { cancel(); return <-done }
}

// TestRemote: clients with different keys use one service at a time while keys push each other out, and get the graph's answers.
func TestRemote(t *testing.T) {
	s, withKey, without := newService(t, Limits{})
	m := s.models["tree"].server
	s.keys = newKeyStore(m.LoadMemory() + 2*m.KeyMemory()) // of three keys one is always missing
	address, stop := serve(t, s)
	if _, err := remote.Dial(t.Context(), address, "", nil); !errors.Is(err, remote.ErrUnknownModel) {
		t.Errorf("no name where several models are offered: %v", err)
	}
	if _, err := remote.Dial(t.Context(), address, "oak", nil); !errors.Is(err, remote.ErrUnknownModel) {
		t.Errorf("a model that is not offered: %v", err)
	}
	var group sync.WaitGroup
	for i := range 5 {
		name, o := "tree", withKey
		if i > 2 {
			name, o = "lin", without
		}
		p := newParty(t, o)
		group.Go(func() {
			r, err := remote.Dial(t.Context(), address, name, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if file, err := r.ClientFile(t.Context()); err != nil || string(file) != name+"'s client file" {
				t.Errorf("client file %q, %v", file, err)
			}
			for range 2 {
				if err := r.SendKey(t.Context(), p.keys.Evaluation); err != nil {
					t.Error(err)
				}
			}
			for n := range 5 {
				requests, rows := p.requests(t, n)
				var responses bytes.Buffer
				if err := r.RunBatch(t.Context(), &responses, requests, o.circuit.Spec.ResponseBatchBytes(n)); err != nil {
					t.Errorf("client %d: %v", i, err)
				} else if err := p.check(o, responses.Bytes(), rows); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			}
			wrong := newParty(t, o) // with a key that was not sent
			requests, _ := wrong.requests(t, 1)
			if err := r.RunBatch(t.Context(), io.Discard, requests, o.circuit.Spec.ResponseBatchBytes(1)); name == "tree" && !errors.Is(err, tfhe.ErrKey) || name == "lin" && err != nil {
				t.Errorf("rows under another key: %v", err)
			}
			if err := r.DropKey(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	keys, memory, _ := s.keys.count()
	if keys != 0 || memory != 0 || s.keys.free != m.LoadMemory()+2*m.KeyMemory() {
		t.Errorf("%d keys of %d bytes are left, %d bytes are free", keys, memory, s.keys.free)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	health := httptest.NewRecorder()
	s.Handler().ServeHTTP(health, httptest.NewRequest("GET", "/healthz", nil))
	if health.Code != http.StatusServiceUnavailable || !strings.Contains(health.Body.String(), "ending") {
		t.Errorf("health at the end: %d %s", health.Code, health.Body)
	}
	if _, err := remote.Dial(t.Context(), address, "tree", nil); err == nil {
		t.Error("the service answers after its end")
	}
	if _, err := remote.Dial(t.Context(), "ftp://host", "tree", nil); err == nil {
		t.Error("an address that is none")
	}
}

// TestKeyArrives: a service that got another key than was sent, or says so, is noticed by the name of the key.
func TestKeyArrives(t *testing.T) {
	p := newParty(t, compile(t, tree(), compiler.PreferUpload))
	for name, ok := range map[string]bool{p.name: true, sumOf(p.file[1:]): false, "": false} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/v1/models":
				writeJSON(w, 200, ModelList{[]ModelInfo{{Name: "m", NeedsKey: true}}})
			case r.Method == "POST":
				if data, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(data, p.file) {
					t.Errorf("%d bytes of a key of %d arrive: %v", len(data), len(p.file), err)
				}
				writeJSON(w, 201, KeyInfo{Key: name})
			default:
				writeJSON(w, 404, Error{"send it", CodeUnknownKey})
			}
		}))
		r, err := remote.Dial(t.Context(), srv.URL, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.SendKey(t.Context(), p.keys.Evaluation); (err == nil) != ok {
			t.Errorf("key %s is called %q: %v", p.name, name, err)
		}
		srv.Close()
	}
}

// TestLimitListener: a connection beyond the limit waits until one is closed, and the end of the listener ends the wait.
func TestLimitListener(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newLimitListener(inner, 1)
	accepted := make(chan net.Conn)
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	for range 2 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	select {
	case <-accepted:
		t.Fatal("two connections where there is a place for one")
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	first.Close() // gives one place back and not two
	second := <-accepted
	defer second.Close()
	l.Close() // while Accept waits for a place
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the end of the listener: %v", err)
	}
}

// TestEviction: keys go in the order of their last use, those in use stay, and who waits for memory gets it.
func TestEviction(t *testing.T) {
	name := func(i byte) keyName { return keyName{"m", [32]byte{i}} }
	s := newKeyStore(30)
	s.firstUse = 0
	put := func(i byte) {
		t.Helper()
		if err := s.reserve(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		if !s.put(name(i), &server.Server{}, 10) {
			t.Errorf("key %d was there", i)
		}
	}
	put(1)
	put(2)
	put(3)
	_, done1 := s.use(name(1)) // 1 is the most recent now
	done1()
	put(4)
	if s.has(name(2)) || !s.has(name(1)) || !s.has(name(3)) {
		t.Error("not the key that was unused for the longest time went")
	}
	_, done3 := s.use(name(3))
	put(5)
	put(6)
	put(7)
	if !s.has(name(3)) {
		t.Error("a key in use went")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.reserve(ctx, 30); !errors.Is(err, errBusy) {
		t.Errorf("more than is not in use: %v", err)
	}
	waiting := make(chan error)
	go func() { waiting <- s.reserve(t.Context(), 30) }()
	if !s.drop(name(3)) || s.has(name(3)) || s.drop(name(3)) {
		t.Error("a dropped key is there")
	}
	done3()
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	if keys, memory, evicted := s.count(); keys != 0 || memory != 0 || s.free != 0 || evicted < 3 {
		t.Errorf("%d keys, %d bytes, %d free, %d went", keys, memory, s.free, evicted)
	}
	s.release(30)
	s.firstUse = time.Hour
	put(8) // not used yet
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.reserve(ctx, 30); !errors.Is(err, errBusy) || !s.has(name(8)) {
		t.Errorf("a key goes before it was used: %v", err)
	}
	s.firstUse = 0
	if err := s.reserve(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if s.put(name(8), &server.Server{}, 10) || s.free != 20 {
		t.Errorf("the same key twice: %d bytes free", s.free)
	}
}

// TestSlowAndGone: clients that stall are cut off by the deadline, those that disappear end what was in work for them, and others notice nothing.
func TestSlowAndGone(t *testing.T) {
	s, withKey, _ := newService(t, Limits{Slack: 300 * time.Millisecond, Connections: 20})
	address, stop := serve(t, s)
	host := strings.TrimPrefix(address, "http://")
	p := newParty(t, withKey)
	r, err := remote.Dial(t.Context(), address, "tree", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SendKey(t.Context(), p.keys.Evaluation); err != nil {
		t.Fatal(err)
	}
	requests, rows := p.requests(t, 3)
	head := "POST /v1/models/tree/run?key=" + p.name + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + strconv.Itoa(len(requests)) + "\r\n\r\n"
	dial := func(text string) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		return c
	}
	for name, c := range map[string]struct{ text, want string }{
		"a header without end": {"POST /v1/models/tree/run HT", ""},
		"half a body":          {head + string(requests[:len(requests)/2]), "408"},
		"half a key":           {"POST /v1/models/tree/keys HTTP/1.1\r\nHost: x\r\nContent-Length: " + strconv.Itoa(len(p.file)) + "\r\n\r\nFHE", "408"},
	} {
		conn := dial(c.text)
		conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.Contains(string(answer), c.want) {
			t.Errorf("%s: not cut off: %q, %v", name, answer, err)
		}
		conn.Close()
	}
	for range 30 { // more than there are places for connections
		gone := dial(head + string(requests))
		gone.(*net.TCPConn).SetLinger(0) // a reset, as of a process that was killed
		gone.Close()
	}
	var responses bytes.Buffer
	if err := r.RunBatch(t.Context(), &responses, requests, withKey.circuit.Spec.ResponseBatchBytes(3)); err != nil {
		t.Error(err)
	} else if err := p.check(withKey, responses.Bytes(), rows); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if !s.wire.TryAcquire(s.limits.Memory / 8) {
		t.Error("memory of clients that are gone is still taken")
	}
}

// TestBounds: New says what memory it needs, refuses names that are no part of an address, and the parts fit into the whole.
func TestBounds(t *testing.T) {
	o := compile(t, tree(), compiler.PreferUpload)
	for name, models := range map[string][]Model{
		"no model":   nil,
		"bad name":   {{"a/b", o.circuit, nil}},
		"twice":      {{"a", o.circuit, nil}, {"a", o.circuit, nil}},
		"no circuit": {{"a", &compiler.Circuit{}, nil}},
	} {
		if _, err := New(models, Limits{}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	_, err := New([]Model{{"a", o.circuit, nil}}, Limits{Memory: 10 << 20})
	if err == nil {
		t.Fatal("10 MB suffice")
	}
	_, text, _ := strings.Cut(err.Error(), "give ")
	mb, _, _ := strings.Cut(text, " ")
	enough, err := strconv.ParseInt(mb, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New([]Model{{"a", o.circuit, nil}}, Limits{Memory: enough << 20}); err != nil {
		t.Errorf("%d MB, as it said, do not suffice: %v", enough, err)
	}
}
