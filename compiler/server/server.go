// Package server runs a compiled circuit on encrypted rows. It is the side that sees nothing: it takes requests and an evaluation
// key, gives responses, and has no way to a secret key: none of its types or functions mentions one.
//
//	s, err := server.New(circuit)
//	err = s.LoadKey(ctx, evaluationKey, nil) // the client's; another one takes its place
//	response, err := s.Run(ctx, request)
//
// A [Server] serves one key at a time: make one for each client. It is safe for concurrent use, and Run uses all cores for one row.
package server

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// Server executes one circuit for the holder of one key.
type Server struct {
	circuit *compiler.Circuit
	params  tfhe.Parameters
	hash    [32]byte
	tables  [][]*tfhe.LookupTable // per step: of a lookup or a round

	mu      sync.Mutex // guards loaded, keyID, key, free, freeBits, expanders
	loaded  bool
	keyID   tfhe.KeyID
	key     *tfhe.ServerKey
	free    []*tfhe.Evaluator
	threads int

	freeBits  [][]*tfhe.FourierGGSW // memory of the selectors of finished rows
	expanders []*tfhe.Expander      // of key
}

// ErrNoKey is returned by Run before LoadKey for a circuit with lookups or packed selectors.
var ErrNoKey = errors.New("server: the circuit has lookups or packed selectors: load the client's evaluation key first")

// New prepares a circuit, which it validates.
func New(c *compiler.Circuit) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p, err := c.Spec.Parameters()
	if err != nil {
		return nil, err
	}
	s := &Server{circuit: c, params: p, hash: c.Spec.Hash(), tables: make([][]*tfhe.LookupTable, len(c.Steps)), threads: runtime.GOMAXPROCS(0)}
	for i, st := range c.Steps {
		if s.tables[i], err = stepTables(p, st); err != nil {
			return nil, fmt.Errorf("server: step %d: %w", i, err)
		}
	}
	return s, nil
}

// stepTables builds the test polynomials of a step once.
func stepTables(p tfhe.Parameters, st compiler.Step) ([]*tfhe.LookupTable, error) {
	var tables []*tfhe.LookupTable
	if st.Lookup != nil {
		for _, t := range st.Lookup.Tables {
			entries := make([]uint64, len(t))
			for v, y := range t {
				entries[v] = uint64(y) << (64 - st.Lookup.Width)
			}
			table, err := tfhe.NewLookupTable(p, entries)
			if err != nil {
				return nil, err
			}
			tables = append(tables, table)
		}
	}
	if r := st.Round; r != nil {
		for bit := range r.Drop {
			tables = append(tables, tfhe.NewSignTable(p, 1<<(64-r.Width+bit)))
		}
	}
	return tables, nil
}

// SetThreads bounds the goroutines that one Run uses; 0 means all cores. Call it before the first Run.
func (s *Server) SetThreads(n int) {
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	s.threads = n
}

// NeedsKey tells whether the circuit needs an evaluation key that is more than a header: it has lookups or packed selectors.
func (s *Server) NeedsKey() bool { return s.params.HasLookups() || s.params.HasPacked() }

// LoadKey expands an evaluation key; requests under another secret key are then refused. progress may be nil.
func (s *Server) LoadKey(ctx context.Context, ek *tfhe.EvaluationKey, progress tfhe.Progress) error {
	if ek == nil {
		return errors.New("server: no evaluation key")
	}
	if ek.Parameters().Hash() != s.params.Hash() {
		return fmt.Errorf("server: evaluation key was made for other parameters: %w", tfhe.ErrMismatch)
	}
	key, err := tfhe.NewServerKey(ctx, ek, progress)
	if err != nil {
		return err
	}
	if key != nil {
		debug.FreeOSMemory() // reading and expanding a key left as much garbage as the key is large
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key, s.keyID, s.loaded, s.free, s.expanders = key, ek.ID(), true, nil, nil
	return nil
}

// Run computes the response to one request. It stops early with ctx's error.
func (s *Server) Run(ctx context.Context, req *compiler.Request) (*compiler.Response, error) {
	spec := &s.circuit.Spec
	if req == nil {
		return nil, errors.New("server: no request")
	}
	if req.Spec != s.hash {
		return nil, fmt.Errorf("server: request was encrypted for another model: %w", tfhe.ErrMismatch)
	}
	packed := 0
	if len(spec.Packed) > 0 {
		packed = s.params.N()
	}
	if len(req.Packed) != packed || int64(len(req.Selectors)) != spec.SelectorWords() {
		return nil, fmt.Errorf("server: request has the wrong size")
	}
	s.mu.Lock()
	loaded, id, key := s.loaded, s.keyID, s.key
	s.mu.Unlock()
	if s.NeedsKey() && !loaded {
		return nil, ErrNoKey
	}
	if loaded && req.Key != id {
		return nil, fmt.Errorf("server: request was encrypted under key %s, the evaluation key belongs to key %s: %w", req.Key, id, tfhe.ErrMismatch)
	}
	r := &run{s: s, key: key, ctx: ctx, req: req, values: make([]value, len(s.circuit.Steps))}
	defer r.release()
	if err := r.selectors(); err != nil {
		return nil, err
	}
	for i, st := range s.circuit.Steps {
		v, err := r.step(i, st)
		if err != nil {
			return nil, err
		}
		r.values[i] = v
	}
	res := &compiler.Response{Spec: req.Spec, Key: req.Key, ID: req.ID}
	for i, it := range spec.Items {
		res.Items = append(res.Items, r.result(s.circuit.Results[i], it))
	}
	return res, nil
}

// value is what a step gives: a GLWE ciphertext, or a vector of LWE ciphertexts under the big key.
type value struct {
	glwe tfhe.GLWECiphertext
	lwe  []tfhe.LWECiphertext
}

// run is the state of one row.
type run struct {
	s      *Server
	key    *tfhe.ServerKey
	ctx    context.Context
	req    *compiler.Request
	packed tfhe.GLWECiphertext
	bits   []*tfhe.FourierGGSW
	values []value
	mu     sync.Mutex
	evs    []*tfhe.Evaluator
	boot   *tfhe.Bootstrapper // nil until the first lookup
}

// evaluator takes an evaluator for one goroutine, from the server's free ones if it can.
func (r *run) evaluator() *tfhe.Evaluator {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.evs); n > 0 {
		ev := r.evs[n-1]
		r.evs = r.evs[:n-1]
		return ev
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if n := len(r.s.free); n > 0 && r.s.key == r.key {
		ev := r.s.free[n-1]
		r.s.free = r.s.free[:n-1]
		return ev
	}
	return tfhe.NewEvaluator(r.s.params, nil)
}

func (r *run) put(ev *tfhe.Evaluator) {
	r.mu.Lock()
	r.evs = append(r.evs, ev)
	r.mu.Unlock()
}

// release ends the goroutines for lookups and gives the evaluators back to the server.
func (r *run) release() {
	if r.boot != nil {
		r.boot.Close()
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.s.key == r.key && len(r.s.free) < r.s.threads {
		r.s.free = append(r.s.free, r.evs...)
	}
	if len(r.bits) > 0 && len(r.s.freeBits) < r.s.threads {
		r.s.freeBits = append(r.s.freeBits, r.bits)
	}
}

// each calls f for 0..n-1 on all cores, each goroutine with an evaluator of its own.
func (r *run) each(n int, f func(ev *tfhe.Evaluator, i int)) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(r.ctx)
	for range min(r.s.threads, n) {
		group.Go(func() error {
			ev := r.evaluator()
			defer r.put(ev)
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				f(ev, i)
			}
		})
	}
	return group.Wait()
}

// result turns a step's value into a response item. Bodies of coefficients that the specification does not list stay here: they hold other
// combinations of the model's numbers. An LWE ciphertext is written as the GLWE mask whose coefficient 0 it is.
func (r *run) result(ref compiler.Result, it compiler.Item) compiler.ResponseItem {
	v := r.values[ref.Step]
	if ref.Element < 0 {
		out := compiler.ResponseItem{Mask: v.glwe.Mask}
		for _, c := range it.Coeffs {
			out.Bodies = append(out.Bodies, v.glwe.Body[c])
		}
		return out
	}
	lwe := v.lwe[ref.Element]
	return compiler.ResponseItem{Mask: tfhe.EmbedLWE(r.s.params, &lwe), Bodies: []uint64{lwe.Body}}
}
