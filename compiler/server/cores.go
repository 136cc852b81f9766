package server

import (
	"context"
	"math/bits"
	"runtime"

	"golang.org/x/sync/semaphore"

	"github.com/fhe-ml/fhe-ml/tfhe"
)

// Cores are the processor cores that rows run on. Servers that share them never run more rows at a time than they allow; the others wait, first come, first served.
type Cores struct {
	threads, rows int
	free          *semaphore.Weighted // of threads
	places        *semaphore.Weighted // of rows
}

// NewCores returns so many threads for at most so many rows at a time. 0 threads are all cores; 0 rows, or more rows than threads, are a row for each thread.
func NewCores(threads, rows int) *Cores {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	if rows <= 0 || rows > threads {
		rows = threads
	}
	return &Cores{threads: threads, rows: rows, free: semaphore.NewWeighted(int64(threads)), places: semaphore.NewWeighted(int64(rows))}
}

// Threads is how many goroutines compute at a time.
func (c *Cores) Threads() int { return c.threads }

// Rows is how many rows are in work at a time.
func (c *Cores) Rows() int { return c.rows }

// acquire waits for a place and a thread, and takes more threads if nobody waits for them: an even share where rows are to run at a time.
func (c *Cores) acquire(ctx context.Context, rows int) (threads int, err error) {
	if err := c.places.Acquire(ctx, 1); err != nil {
		return 0, err
	}
	if err := c.free.Acquire(ctx, 1); err != nil {
		c.places.Release(1)
		return 0, err
	}
	threads = 1
	for threads < c.threads/min(rows, c.rows) && c.free.TryAcquire(1) {
		threads++
	}
	return threads, nil
}

func (c *Cores) release(threads int) {
	c.free.Release(int64(threads))
	c.places.Release(1)
}

// KeyMemory is how many bytes a loaded key takes: expanded, with the scratch memory that belongs to it.
func (s *Server) KeyMemory() int64 {
	m := s.params.EvaluationKeyMemory()
	if s.params.HasPacked() {
		pp := s.params.Packed()
		// An expander: two polynomials a node of the tree, its images, and the transformed digits and rows.
		polys := 2*(pp.Log2Slots+1) + 3 + 5*pp.Select.Levels + 4*max(pp.Expand.Levels, pp.Switch.Levels) + 8
		m += int64(s.Cores().threads) * int64(polys) * 8 * int64(s.params.N())
	}
	return m
}

// LoadMemory is how many bytes reading and loading a key takes for the moment: its file as it arrives, what that was in before it grew, the words in it, and the loaded key.
func (s *Server) LoadMemory() int64 { return 3*s.params.EvaluationKeyFileBytes() + s.KeyMemory() }

// RowMemory is how many bytes one row in work takes, without its request and response.
func (s *Server) RowMemory() int64 {
	p := s.params
	n, k1 := int64(p.N()), int64(p.K()+1)
	poly := 8 * n
	lit, threads := p.Literal(), int64(s.Cores().threads)
	levels := int64(max(lit.Select.Levels, 1))
	memory := int64(s.circuit.Spec.Products())*k1*k1*levels*poly + int64(s.circuit.Spec.Singles)*k1*poly
	memory += int64(s.keptRows()) * k1 * poly
	memory += threads * (1 + k1 + k1*(levels+1) + k1*k1*levels) * poly // evaluators
	if len(s.circuit.Spec.Packed) > 0 {
		memory += k1 * poly
	}
	if p.HasPacked() {
		memory += (s.circuit.Spec.SelectorWords() + n) * 8 // masks of the query
	}
	if p.HasLookups() {
		m, l := int64(lit.Parts), int64(lit.BlindRotate.Levels)
		group := max(1, 8/(m*l))
		memory += threads * (group*m*2*(1+2*l) + 8*m*(1+l)) * poly // states and scratch of lookups
	}
	lwe := 8 * (int64(p.BigDimension()) + 1)
	for i, st := range s.circuit.Steps {
		switch {
		case st.Packed != nil:
			memory += 2 * k1 * poly
		case st.Select != nil:
			d := s.trees[i]
			shared, need := int64(0), int64(0)
			for i := range st.Select.Nodes {
				need = max(need, int64(d.need[i]))
				if d.users[i] > 1 {
					shared++
				}
			}
			memory += threads * (2*(need+shared+3)*k1 + 1) * poly // each value as words and in the Fourier domain; factors
		case st.Rotate != nil:
			memory += int64(len(st.Rotate.Units))*lwe + threads*rotateGroup*k1*poly
			longest := 0
			for _, u := range st.Rotate.Units {
				longest = max(longest, bits.Len(uint(len(u.Table)-1))-bits.Len(uint(p.N()-1)))
			}
			memory += threads * rotateGroup * int64(max(longest, 0)) * k1 * poly // polynomials of long tables
		case st.Affine != nil:
			memory += int64(len(st.Affine.Rows)) * lwe
		case st.Lookup != nil:
			memory += int64(len(st.Lookup.Tables)) * lwe
		case st.Extract != nil:
			x := st.Extract
			outputs := int64(x.Outputs(lit.Select.Levels))
			memory += int64(x.Count) * (2 + int64(x.Bits)*outputs) * lwe
			memory += int64(x.Count*(x.Bits-x.From))*k1*k1*levels*poly + threads*k1*k1*levels*poly // selectors; expanders
		case st.Round != nil:
			memory += 2 * int64(st.Round.Count) * lwe
		}
	}
	return memory
}

// Parameters are those of the circuit.
func (s *Server) Parameters() tfhe.Parameters { return s.params }
