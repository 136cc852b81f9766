// Package server runs a compiled circuit on encrypted rows. It is the side that sees nothing: it takes requests and an evaluation
// key, gives responses, and has no way to a secret key: none of its types or functions mentions one.
//
//	s, err := server.New(circuit)
//	err = s.LoadKey(ctx, evaluationKey, nil) // the client's; another one takes its place
//	response, err := s.Run(ctx, request)     // a row, on the cores that are free
//	rows, err := s.RunBatch(ctx, file, requests, nil) // a file or transfer of rows, on all cores
//
// A [Server] serves one key at a time. [Server.ForKey] gives servers of the same circuit for other clients, which share the prepared circuit, the
// scratch memory and the [Cores]. All are safe for concurrent use: however many rows are asked for at a time, Cores decides how many are in work,
// and so memory stays below [Server.KeyMemory] for each key, [Server.RowMemory] for each row in work, and the requests and responses that callers hold.
//
// Rows share what was prepared once: tables, weights and diagrams with the circuit, the transformed rows of the evaluation key, and scratch memory. Within a
// row a selector is made once for all nodes and units. Beyond that there is nothing to gain from doing rows together: walking 2 or 4 of them through an expansion
// in step, so that a row of the key is read once for all, was measured on queries of 128 and 512 rows, on one core and on two, to take between 5% less and 3% more
// time, mostly within 2%, for what is used most of the key stays in the second-level cache (one level's rows for all would save 1 to 5% of an expansion, 10%
// with 8 digits on two cores). 16 rows of one batch take as long as 16 requests, within 5%.
//
// Package service, below this one, offers circuits over HTTP.
package server

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// Server executes one circuit for the holder of one key.
type Server struct {
	*program

	mu        sync.Mutex // guards loaded, keyID, key and expanders
	loaded    bool
	keyID     tfhe.KeyID
	key       *tfhe.ServerKey
	expanders []*tfhe.Expander // of key
}

// program is what servers of one circuit share.
type program struct {
	circuit *compiler.Circuit
	params  tfhe.Parameters
	hash    [32]byte
	tables  [][]*tfhe.LookupTable     // per step: of a lookup or a round
	weights [][]*tfhe.PlainPolynomial // per step: of a product, one for each packed ciphertext that it reads
	trees   []*diagram                // per step: of selects
	stages  [][]int                   // the steps in the order in which they run, lookups together that can be
	clear   []int                     // per GGSW ciphertext: the rows of it that lowest selects of trees use

	coresMu sync.RWMutex
	cores   *Cores

	poolMu    sync.Mutex // guards the free ones
	free      []*tfhe.Evaluator
	freeBits  []clientBits // memory of the selectors of finished rows
	freeWalks []*walkMemory
}

// ErrNoKey is returned by Run before LoadKey for a circuit with lookups or packed selectors.
var ErrNoKey = errors.New("server: this model needs the client's evaluation key: load it first")

// New prepares a circuit, which it validates. Its rows run on all cores.
func New(c *compiler.Circuit) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p, err := c.Spec.Parameters()
	if err != nil {
		return nil, err
	}
	s := &program{circuit: c, params: p, hash: c.Spec.Hash(), tables: make([][]*tfhe.LookupTable, len(c.Steps)), weights: make([][]*tfhe.PlainPolynomial, len(c.Steps)),
		trees: make([]*diagram, len(c.Steps)), stages: stages(c.Steps), cores: NewCores(0, 0)}
	for i, st := range c.Steps {
		if s.tables[i], err = stepTables(p, st); err != nil {
			return nil, fmt.Errorf("server: step %d: %w", i, err)
		}
		s.weights[i] = stepWeights(p, st)
	}
	s.clear = make([]int, c.Spec.Products())
	for i, st := range c.Steps {
		if st.Select == nil {
			continue
		}
		s.trees[i] = newDiagram(st.Select)
		for _, nd := range st.Select.Nodes {
			if nd.Lowest() && int(nd.Selector) < len(s.clear) {
				s.clear[nd.Selector] = tfhe.ClearRows(p.Literal().Select, st.Select.Width)
			}
		}
	}
	return &Server{program: s}, nil
}

// ForKey returns a server of the same circuit for another client, whose key it loads. The two share the prepared circuit and the cores.
func (s *Server) ForKey(ctx context.Context, ek *tfhe.EvaluationKey, progress tfhe.Progress) (*Server, error) {
	other := &Server{program: s.program}
	return other, other.LoadKey(ctx, ek, progress)
}

// Spec is the public part of the circuit.
func (s *Server) Spec() *compiler.ClientSpec { return &s.circuit.Spec }

// keptRows is how many rows of GGSW ciphertexts lowest selects use.
func (s *program) keptRows() int {
	rows := 0
	for _, n := range s.clear {
		rows += n
	}
	return rows
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
	if x := st.Extract; x != nil {
		for b := range x.Bits {
			tables = append(tables, tfhe.NewSignTables(p, extractOnes(p, x, b)))
		}
	}
	if r := st.Round; r != nil {
		for bit := range r.Drop {
			tables = append(tables, tfhe.NewSignTable(p, 1<<(64-r.Width+bit)))
		}
	}
	return tables, nil
}

// stepWeights prepares the weights of a product once.
func stepWeights(p tfhe.Parameters, st compiler.Step) []*tfhe.PlainPolynomial {
	var out []*tfhe.PlainPolynomial
	if st.Packed != nil {
		for w := range slices.Chunk(st.Packed.Weights, p.N()) {
			out = append(out, tfhe.NewPlainPolynomial(p, w))
		}
	}
	return out
}

// SetThreads bounds the goroutines that compute at a time; 0 means all cores.
func (s *Server) SetThreads(n int) { s.SetCores(NewCores(n, 0)) }

// SetCores makes servers share cores, also those of other circuits. Rows in work keep what they have.
func (s *Server) SetCores(c *Cores) {
	s.coresMu.Lock()
	defer s.coresMu.Unlock()
	s.cores = c
}

// Cores returns what the server's rows run on.
func (s *program) Cores() *Cores {
	s.coresMu.RLock()
	defer s.coresMu.RUnlock()
	return s.cores
}

// NeedsKey tells whether the circuit needs an evaluation key that is more than a header: it has lookups or packed selectors.
func (s *Server) NeedsKey() bool { return s.params.HasLookups() || s.params.HasPacked() }

// LoadKey expands an evaluation key; requests under another secret key are then refused. progress may be nil.
func (s *Server) LoadKey(ctx context.Context, ek *tfhe.EvaluationKey, progress tfhe.Progress) error {
	if ek == nil {
		return errors.New("server: no evaluation key")
	}
	if ek.Parameters().Hash() != s.params.Hash() {
		return tfhe.FileErrorf(tfhe.KindEvaluationKey, tfhe.ErrModel, "server: evaluation key was made for another model: its parameters are not this one's")
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
	s.key, s.keyID, s.loaded, s.expanders = key, ek.ID(), true, nil
	return nil
}

// Run computes the response to one request: on all cores if they are free, else on those that are, once there is one. It stops early with ctx's error.
func (s *Server) Run(ctx context.Context, req *compiler.Request) (*compiler.Response, error) {
	return s.run(ctx, req, 1, nil)
}

// run computes one of several rows that are to share the cores. It adds how long each part took to spent, unless that is nil.
func (s *Server) run(ctx context.Context, req *compiler.Request, rows int, spent *clock) (*compiler.Response, error) {
	key, err := s.check(req)
	if err != nil {
		return nil, err
	}
	cores := s.Cores()
	threads, err := cores.acquire(ctx, rows)
	if err != nil {
		return nil, fmt.Errorf("server: waiting for a core: %w", err)
	}
	defer cores.release(threads)
	r := &run{s: s, key: key, ctx: ctx, req: req, threads: threads, values: make([]value, len(s.circuit.Steps))}
	defer r.release()
	spent.start()
	if err := r.selectors(); err != nil {
		return nil, err
	}
	spent.stop("client bits")
	for _, steps := range s.stages {
		if err := r.stage(steps); err != nil {
			return nil, err
		}
		spent.stop(kind(s.circuit.Steps[steps[0]]))
	}
	res := &compiler.Response{Spec: req.Spec, Key: req.Key, ID: req.ID}
	for i, it := range s.circuit.Spec.Items {
		res.Items = append(res.Items, r.result(s.circuit.Results[i], it))
	}
	return res, nil
}

// check refuses a request that is not for this circuit and the key that is loaded, which it returns.
func (s *Server) check(req *compiler.Request) (*tfhe.ServerKey, error) {
	spec := &s.circuit.Spec
	if req == nil {
		return nil, errors.New("server: no request")
	}
	if req.Spec != s.hash {
		return nil, tfhe.FileErrorf(tfhe.KindRequest, tfhe.ErrModel, "server: request was encrypted for another model than this one")
	}
	if int64(len(req.Packed)) != spec.PackedWords() || int64(len(req.Selectors)) != spec.SelectorWords() {
		return nil, tfhe.FileErrorf(tfhe.KindRequest, tfhe.ErrDamaged, "server: request has the wrong size")
	}
	return s.checkKey(req.Key)
}

// checkKey returns the key that is loaded, if it belongs to the secret key id.
func (s *Server) checkKey(id tfhe.KeyID) (*tfhe.ServerKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.NeedsKey() && !s.loaded {
		return nil, ErrNoKey
	}
	if s.loaded && id != s.keyID {
		return nil, tfhe.FileErrorf(tfhe.KindEvaluationKey, tfhe.ErrKey, "server: request was encrypted under key %s, the evaluation key belongs to key %s: use the two that were made together", id, s.keyID)
	}
	return s.key, nil
}

// value is what a step gives: a GLWE ciphertext, or a vector of LWE ciphertexts under the big key, or of GGSW ciphertexts of bits.
type value struct {
	glwe tfhe.GLWECiphertext
	lwe  []tfhe.LWECiphertext
	ggsw []*tfhe.FourierGGSW // nil for bits that are no selectors
}

// run is the state of one row.
type run struct {
	s       *Server
	key     *tfhe.ServerKey
	ctx     context.Context
	req     *compiler.Request
	threads int
	packed  []tfhe.GLWECiphertext
	product []*tfhe.PreparedGLWE // of the packed ciphertexts, once a product needs them
	bits    clientBits
	values  []value
	mu      sync.Mutex
	evs     []*tfhe.Evaluator
	boot    *tfhe.Bootstrapper // nil until the first lookup
}

// evaluator takes an evaluator for one goroutine, from the free ones if it can. It does no lookups and so belongs to no key.
func (r *run) evaluator() *tfhe.Evaluator {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.evs); n > 0 {
		ev := r.evs[n-1]
		r.evs = r.evs[:n-1]
		return ev
	}
	r.s.poolMu.Lock()
	defer r.s.poolMu.Unlock()
	if n := len(r.s.free); n > 0 {
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

// release ends the goroutines for lookups and gives scratch memory back, as much as the rows that run at a time can use.
func (r *run) release() {
	if r.boot != nil {
		r.boot.Close()
	}
	cores := r.s.Cores()
	r.s.poolMu.Lock()
	defer r.s.poolMu.Unlock()
	if n := cores.threads - len(r.s.free); n > 0 {
		r.s.free = append(r.s.free, r.evs[:min(n, len(r.evs))]...)
	}
	if len(r.bits.ggsw)+len(r.bits.singles) > 0 && len(r.s.freeBits) < cores.rows {
		r.s.freeBits = append(r.s.freeBits, r.bits)
	}
}

// each calls f for 0..n-1 on all cores, each goroutine with an evaluator of its own.
func (r *run) each(n int, f func(ev *tfhe.Evaluator, i int)) error {
	return r.spread(n, func() (func(int), func()) {
		ev := r.evaluator()
		return func(i int) { f(ev, i) }, func() { r.put(ev) }
	})
}

// spread shares 0..n-1 out among goroutines. Each takes the function that it calls from begin, with another that it calls at its end.
func (r *run) spread(n int, begin func() (f func(i int), end func())) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(r.ctx)
	for range min(r.threads, n) {
		group.Go(func() error {
			f, end := begin()
			defer end()
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				f(i)
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
