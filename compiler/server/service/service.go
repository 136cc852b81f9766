// Package service offers compiled circuits over HTTP: the server's end for clients in other processes and on other machines.
//
//	s, err := service.New([]service.Model{{Name: "gb", Circuit: circuit, ClientFile: file}}, service.Limits{})
//	err = s.Serve(ctx, listener) // until ctx ends, then what is in work is finished
//
// A client gets the client file, sends its evaluation key once, and then batches of requests (package compiler/client/remote does that in Go; the interface is
// described in OpenAPI by [OpenAPI], which the service also serves as /openapi.json):
//
//	GET    /v1/models                     what is offered
//	GET    /v1/models/{model}/client      the client file
//	POST   /v1/models/{model}/keys        an evaluation key; answers its SHA-256, by which it is named from then on
//	GET    /v1/models/{model}/keys/{key}  whether a key is loaded
//	DELETE /v1/models/{model}/keys/{key}  forget a key
//	POST   /v1/models/{model}/run?key=... a batch of requests; answers the batch of responses
//	GET    /healthz, /metrics, /openapi.json
//
// Like package server, of which it is a part, it has no way to a secret key.
//
// # Bounds
//
// [Limits] bounds memory, rows, time and connections, and every request has a deadline that grows with its size, so that a client which sends or reads too slowly is cut
// off. Keys are kept in memory only, named by the hash of their content, so that nobody can put another key in the place of one; where memory is short those go first that
// were not used for the longest time, and their clients send them again. There is no list of keys: who knows a key's name has sent it, or has its file.
//
// The service knows no users: put what authenticates them and limits their rates in front of it.
package service

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/server"
)

// OpenAPI describes the interface, as an OpenAPI 3.1 document in JSON.
//
//go:embed openapi.json
var OpenAPI []byte

// Model is a circuit that is offered.
type Model struct {
	Name       string // letters, digits and . _ -
	Circuit    *compiler.Circuit
	ClientFile []byte // what clients get to encrypt with; its content is not looked at
}

// Limits bound what clients can use. Zero fields take the defaults.
type Limits struct {
	Memory      int64         // bytes of keys, rows in work and what is on its way: 2 GiB. The Go runtime takes some more: see debug.SetMemoryLimit
	Threads     int           // goroutines that compute: all cores
	Rows        int           // rows of one batch: 1000, or fewer where memory is short
	Connections int           // open at a time, others wait: 1000
	Slack       time.Duration // for the header of a request, and for a body beside what MinRate gives it: 20 s
	MinRate     int64         // bytes a second that a client must send and take: 64 KiB
	RunTime     time.Duration // for waiting and computing, of one batch: 10 min
	Grace       time.Duration // for what is in work when Serve is to end: 30 s
}

// withDefaults fills in what is zero.
func (l Limits) withDefaults() Limits {
	set := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&l.Memory, 2<<30)
	set(&l.MinRate, 64<<10)
	set((*int64)(&l.Slack), int64(20*time.Second))
	set((*int64)(&l.RunTime), int64(10*time.Minute))
	set((*int64)(&l.Grace), int64(30*time.Second))
	if l.Threads <= 0 {
		l.Threads = runtime.GOMAXPROCS(0)
	}
	if l.Rows <= 0 {
		l.Rows = 1000
	}
	if l.Connections <= 0 {
		l.Connections = 1000
	}
	return l
}

// Service offers models. It is safe for concurrent use.
type Service struct {
	// Report, where not nil, is told of defects: failures that are not a client's. Set it before the first request.
	Report func(error)

	limits  Limits
	models  map[string]*model
	names   []string
	keys    *keyStore
	wire    *semaphore.Weighted // bytes of requests and responses
	loading *semaphore.Weighted // one key is expanded at a time
	metrics *counters
	handler http.Handler
	ending  atomic.Bool
}

// model is one that is offered.
type model struct {
	Model
	server *server.Server
	spec   *compiler.ClientSpec
	id     [32]byte
	rows   int // of one batch at most
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// New prepares a service. It is an error if the memory does not suffice for one key and one row of each model: it then says how much does.
func New(models []Model, limits Limits) (*Service, error) {
	s := &Service{limits: limits.withDefaults(), models: map[string]*model{}, loading: semaphore.NewWeighted(1)}
	if len(models) == 0 {
		return nil, errors.New("service: no model to offer")
	}
	for _, m := range models {
		if !nameForm.MatchString(m.Name) {
			return nil, fmt.Errorf("service: model name %q: want letters, digits and . _ - only, as it becomes part of addresses", m.Name)
		}
		if s.models[m.Name] != nil {
			return nil, fmt.Errorf("service: two models are called %q: rename one", m.Name)
		}
		srv, err := server.New(m.Circuit)
		if err != nil {
			return nil, fmt.Errorf("service: model %q: %w", m.Name, err)
		}
		s.models[m.Name] = &model{Model: m, server: srv, spec: srv.Spec(), id: srv.Spec().Hash()}
		s.names = append(s.names, m.Name)
	}
	slices.Sort(s.names)
	if err := s.divide(); err != nil {
		return nil, err
	}
	s.metrics = newMetrics(s.names)
	s.handler = s.routes()
	return s, nil
}

// base is what the program takes before it serves anything: code, runtime, buffers of connections.
const base = 64 << 20

// divide gives parts of the memory to rows in work, to what is on its way, and to keys. Rows never wait for what is on its way, and that never for keys, so that
// nobody waits in a circle.
func (s *Service) divide() error {
	var rows, row, wire, load int64 // scratch memory of every model, and the most that one row, one batch of one row and loading a key take
	for _, m := range s.models {
		m.server.SetCores(server.NewCores(s.limits.Threads, 0))
		one := m.server.RowMemory() + 2*(m.spec.RequestBytes()+m.spec.ResponseBytes())
		rows += one
		row = max(row, one)
		wire = max(wire, batchBytes(m.spec, 1))
		if m.server.NeedsKey() {
			load = max(load, m.server.LoadMemory())
		}
	}
	most := s.limits.Threads
	need := func(n int) int64 { return int64(n) * (rows + row) } // kept, and garbage that is not yet collected
	for most > 1 && need(most) > s.limits.Memory/2 {
		most--
	}
	cores := server.NewCores(s.limits.Threads, most)
	for _, m := range s.models {
		m.server.SetCores(cores)
	}
	wire = max(wire, s.limits.Memory/8)
	rest := s.limits.Memory - base - need(most) - wire
	if rest < load || rest < 0 {
		return fmt.Errorf("service: %d MB of memory do not suffice for these models: give %d MB or more", s.limits.Memory>>20, (base+need(most)+load)*8/7>>20+1)
	}
	for _, m := range s.models { // two batches of any size fit in
		m.rows = max(1, min(s.limits.Rows, int(wire/2/(batchBytes(m.spec, 1)-batchBytes(m.spec, 0)))))
	}
	s.wire = semaphore.NewWeighted(wire)
	s.keys = newKeyStore(rest)
	return nil
}

// batchBytes is what a batch takes while it is here: its requests and its responses.
func batchBytes(spec *compiler.ClientSpec, rows int) int64 {
	return spec.RequestBatchBytes(rows) + spec.ResponseBatchBytes(rows)
}

// Handler returns the service for a server of one's own. That must set ReadHeaderTimeout and IdleTimeout itself; deadlines of bodies are set here.
func (s *Service) Handler() http.Handler { return s.handler }

// Serve answers on the listener, which it closes, until ctx ends. Then it takes no new connection, and /healthz says so, but finishes what is in work within the grace
// time; what is not done by then is cut off. It returns nil after an orderly end.
func (s *Service) Serve(ctx context.Context, l net.Listener) error {
	running, cancel := context.WithCancel(context.Background())
	defer cancel()
	srv := &http.Server{Handler: s.handler, ReadHeaderTimeout: s.limits.Slack, IdleTimeout: max(s.limits.Slack, time.Minute), MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return running },
		ErrorLog:    log.New(discard{}, "", 0)} // whatever a client does wrong it gets told, and metrics count
	done := make(chan error, 1)
	go func() { done <- srv.Serve(newLimitListener(l, s.limits.Connections)) }()
	select {
	case err := <-done:
		return fmt.Errorf("service: %w", err)
	case <-ctx.Done():
	}
	s.ending.Store(true)
	grace, stop := context.WithTimeout(context.Background(), s.limits.Grace)
	defer stop()
	err := srv.Shutdown(grace)
	if err != nil {
		cancel() // ends rows in work
		srv.Close()
		return fmt.Errorf("service: work was not done after %v and was cut off", s.limits.Grace)
	}
	return nil
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
