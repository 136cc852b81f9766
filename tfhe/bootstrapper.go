package tfhe

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxGroup is the largest number of ciphertexts that one goroutine takes through the bootstrapping key together.
	maxGroup = 8
	// maxShare is the largest number that one goroutine takes through the key-switching key together: memory then gives it for less than a twentieth of the products' time.
	maxShare = 32
)

// Bootstrapper runs many lookups on persistent goroutines. All of them walk the key in step, so that what one reads from
// memory the others find in the shared cache. A single lookup is split over them. Call Close when done; methods are not for concurrent use.
type Bootstrapper struct {
	p       Parameters
	key     *ServerKey
	threads int
	workers []*bootWorker
	pace    pace
	barrier barrier
	done    sync.WaitGroup
}

// bootWorker is one goroutine: a rotator and the states of a group.
type bootWorker struct {
	rot    *rotator
	states []*rotation
	jobs   chan bootJob
}

// bootJob is a share of a batch: whole lookups, or one that is split.
type bootJob struct {
	dst, src []LWECiphertext
	tables   []*LookupTable
	id       int // of the worker in this round
	split    int // number of workers that share the one lookup; 0: not split
	groups   int // that rotate one after the other
	state    *rotation
	small    []smallLWE // of the key switch, in its half of a shared lookup
	digits   [][]int8
}

// NewBootstrapper starts the goroutines: threads of them, or as many as there are cores where threads is 0.
func NewBootstrapper(p Parameters, key *ServerKey, threads int) *Bootstrapper {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	b := &Bootstrapper{p: p, key: key, threads: threads}
	b.pace.at, b.pace.base = make([]atomic.Int64, threads), make([]int, threads)
	for range threads {
		w := &bootWorker{rot: newRotator(p, key, maxShare), jobs: make(chan bootJob)}
		for range b.group() {
			w.states = append(w.states, newRotation(p))
		}
		b.workers = append(b.workers, w)
		go b.serve(w)
	}
	return b
}

// Close ends the goroutines.
func (b *Bootstrapper) Close() {
	for _, w := range b.workers {
		close(w.jobs)
	}
}

// group is how many ciphertexts a goroutine takes together: as many as its second-level cache holds beside a block of the key.
func (b *Bootstrapper) group() int {
	return max(1, maxGroup/(b.p.lit.Parts*b.p.lit.BlindRotate.Levels))
}

// Run looks src[i] up in tables[i], for all i, and writes the results to dst, one after the other: [LookupTable.Outputs] for each i. dst and src may be the same
// where all tables have one output. It panics if dst has another length than there are results.
func (b *Bootstrapper) Run(dst, src []LWECiphertext, tables []*LookupTable) {
	results := 0
	for _, t := range tables {
		results += t.outputs
	}
	if len(tables) != len(src) || results != len(dst) {
		panic("tfhe: as many tables as inputs and as many ciphertexts as results are needed")
	}
	for len(src) > 0 {
		if len(src) == 1 && b.threads > 1 {
			b.split(dst, src, tables)
			return
		}
		// An even share for every goroutine, and as many groups of it.
		share := min(maxShare, (len(src)+b.threads-1)/b.threads)
		groups := (share + b.group() - 1) / b.group()
		users := min(b.threads, (len(src)+share-1)/share)
		b.pace.start(users)
		b.done.Add(users)
		for id := range users {
			n, out := min(share, len(src)), 0
			for _, t := range tables[:n] {
				out += t.outputs
			}
			b.workers[id].jobs <- bootJob{dst: dst[:out], src: src[:n], tables: tables[:n], id: id, groups: min(groups, n)}
			dst, src, tables = dst[out:], src[n:], tables[n:]
		}
		b.done.Wait()
	}
}

// split runs one lookup on several goroutines, as many as the accumulator has polynomials at most: each transforms its own polynomials and multiplies its share of the vectors.
func (b *Bootstrapper) split(dst, src []LWECiphertext, tables []*LookupTable) {
	users := min(b.threads, b.p.accumulators())
	s, ks := b.workers[0].states[0], &b.workers[0].rot.ks
	ks.begin(b.key, src)
	b.share(users, bootJob{split: users, small: ks.small[:1], digits: ks.digits})
	s.start(b.p, b.key.modulusSwitch(s.ahat, &ks.small[0], tables[0]), tables[0])
	b.barrier.reset(users)
	b.share(users, bootJob{split: users, state: s})
	s.results(b.p, dst, tables[0])
}

// share gives the same job to several goroutines and waits for all of them.
func (b *Bootstrapper) share(users int, job bootJob) {
	b.done.Add(users)
	for job.id = range users {
		b.workers[job.id].jobs <- job
	}
	b.done.Wait()
}

func (b *Bootstrapper) serve(w *bootWorker) {
	for job := range w.jobs {
		switch {
		case job.digits != nil:
			tiles := b.p.switchTileCount()
			w.rot.ks.switchTiles(b.key, job.small, job.digits, job.id*tiles/job.split, (job.id+1)*tiles/job.split)
		case job.split > 0:
			w.rot.rotateSplit(job.state, &b.barrier, job.id, job.split)
		default:
			w.rot.lookups(job.dst, job.src, job.tables, w.states, job.groups, &b.pace, job.id)
			b.pace.leave(job.id)
		}
		b.done.Done()
	}
}

// rotateSplit is one goroutine's part of a rotation that several share. Each transforms and accumulates its own polynomials, so that with one level two
// barriers a block are enough: before the product, which reads all of them, and after it.
//
// Barriers make all of them as slow as the slowest. Where that one has lost its core to another program, goroutine 0 finds itself waiting, tells the others to
// leave at the next barrier and goes on alone.
func (w *rotator) rotateSplit(s *rotation, bar *barrier, id, users int) {
	lit := w.p.lit
	polys, vecs := w.p.accumulators(), w.p.N()/16
	p0, p1 := id*polys/users, (id+1)*polys/users
	v0, v1 := id*vecs/users, (id+1)*vecs/users
	alone := false
	w.live = append(w.live[:0], s)
	wait := func() {
		if !alone {
			bar.wait(id == 0)
		}
	}
	for first := 0; first < lit.SmallDimension; first += lit.BlockLength {
		a := s.ahat[first : first+lit.BlockLength]
		if allZeroInts(a) {
			continue
		}
		if id == 0 {
			w.setBlock(s, first)
			if bar.waited > splitPatience {
				bar.alone.Store(true)
			}
		}
		w.transform(s, s.d, p0, p1)
		wait()
		if !alone && bar.alone.Load() {
			if id > 0 {
				return
			}
			alone, p0, p1, v0, v1 = true, 0, polys, 0, vecs
		}
		w.product(first/lit.BlockLength, v0, v1, 2*(p1-p0))
		wait()
		w.accumulate(s, s.d, p0, p1)
		if lit.BlindRotate.Levels > 1 {
			wait() // the second product lies where the first polynomial's second digit goes
		}
	}
}

// splitPatience is how long goroutine 0 waits for the others in one lookup before it goes on alone: a fraction of the lookup's time.
const splitPatience = time.Millisecond

func allZeroInts(x []int) bool {
	for _, v := range x {
		if v != 0 {
			return false
		}
	}
	return true
}

// pace keeps the goroutines of a batch within a few blocks of each other. It only saves memory traffic: a goroutine that waited long enough goes on.
type pace struct {
	at    []atomic.Int64
	base  []int // where each goroutine's key switch or rotation begins, counted on from the first
	users int
}

const (
	paceLead  = 16  // key coordinates that a goroutine may be ahead
	paceTries = 200 // yields before it goes on all the same
)

func (p *pace) start(users int) {
	p.users = users
	for i := range users {
		p.at[i].Store(0)
		p.base[i] = 0
	}
}

// step says that a goroutine is done with key coordinate first of the present rotation, and lets the others come near.
func (p *pace) step(id, first int) {
	if p == nil || p.users < 2 {
		return
	}
	at := int64(p.base[id] + first)
	p.at[id].Store(at)
	for range paceTries {
		slowest := at
		for i := range p.users {
			slowest = min(slowest, p.at[i].Load())
		}
		if at-slowest <= paceLead {
			return
		}
		runtime.Gosched()
	}
}

// next begins a goroutine's next rotation, behind one over so many key coordinates.
func (p *pace) next(id, coordinates int) {
	if p != nil {
		p.base[id] += coordinates
	}
}

// leave says that a goroutine has done its share, so that nobody waits for it.
func (p *pace) leave(id int) { p.at[id].Store(math.MaxInt64) }

// barrier lets goroutines wait for each other: they spin for a moment, since the work between two barriers is microseconds, and yield from then on.
type barrier struct {
	users   int64
	arrived atomic.Int64
	round   atomic.Int64
	alone   atomic.Bool   // goroutine 0 goes on without the others
	waited  time.Duration // that goroutine 0 spent yielding
}

const barrierSpins = 2000

func (b *barrier) reset(users int) {
	b.users, b.waited = int64(users), 0
	b.arrived.Store(0)
	b.alone.Store(false)
}

// wait returns when all goroutines have called it. One of them counts the time that it yields.
func (b *barrier) wait(count bool) {
	round := b.round.Load()
	if b.arrived.Add(1) == b.users {
		b.arrived.Store(0)
		b.round.Add(1)
		return
	}
	for range barrierSpins {
		if b.round.Load() != round {
			return
		}
	}
	start := time.Now()
	for b.round.Load() == round {
		runtime.Gosched()
	}
	if count {
		b.waited += time.Since(start)
	}
}
