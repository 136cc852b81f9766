package service

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/fhe-ml/fhe-ml/compiler/server"
)

// keyName names a key by the content of its file, for one model.
type keyName struct {
	model string
	sum   [sha256.Size]byte
}

// firstUse is how long a key that was just loaded waits for its first batch before it can be forgotten. Without it clients whose keys do not fit in together would
// push out each other's before any of them is used.
const firstUse = 5 * time.Second

// keyStore holds loaded keys within a bound of memory. The least recently used go first; those in use and those not yet used stay.
type keyStore struct {
	firstUse time.Duration

	mu      sync.Mutex
	free    int64
	entries map[keyName]*list.Element // of *keyEntry
	recent  *list.List                // the most recently used in front
	changed chan struct{}             // closed and replaced whenever memory becomes free
	evicted int
}

// keyEntry is a loaded key.
type keyEntry struct {
	name   keyName
	server *server.Server
	memory int64
	users  int
	until  time.Time // not to be forgotten before; zero after the first use
	gone   bool      // to be removed when the last user is done
}

func newKeyStore(memory int64) *keyStore {
	return &keyStore{firstUse: firstUse, free: memory, entries: map[keyName]*list.Element{}, recent: list.New(), changed: make(chan struct{})}
}

// errBusy is returned where memory did not become free in time.
var errBusy = errors.New("the service is busy: its memory is in use; try again later")

// reserve takes memory, for which it forgets keys that are not in use and, if that is not enough, waits.
func (s *keyStore) reserve(ctx context.Context, memory int64) error {
	for {
		s.mu.Lock()
		forgot, wait := s.evict(memory)
		ok := s.free >= memory
		if ok {
			s.free -= memory
		}
		changed := s.changed
		s.mu.Unlock()
		if ok {
			if forgot {
				debug.FreeOSMemory() // a new key is as large as what was forgotten, and must take its place and not one beside it
			}
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errBusy
		}
		timer.Stop()
	}
}

// evict forgets keys until there is memory, as far as it may, and tells for how long the others may stay at least. The mutex is held.
func (s *keyStore) evict(memory int64) (forgot bool, wait time.Duration) {
	now := time.Now()
	wait = time.Minute
	for at := s.recent.Back(); s.free < memory && at != nil; {
		previous := at.Prev()
		e := at.Value.(*keyEntry)
		switch {
		case e.users > 0:
		case now.Before(e.until):
			wait = min(wait, e.until.Sub(now))
		default:
			s.remove(at)
			s.evicted++
			forgot = true
		}
		at = previous
	}
	return forgot, wait
}

// release gives memory back. The mutex is held by nobody.
func (s *keyStore) release(memory int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(memory)
}

// add makes memory free and wakes those who wait. The mutex is held.
func (s *keyStore) add(memory int64) {
	s.free += memory
	close(s.changed)
	s.changed = make(chan struct{})
}

// remove forgets a key that nobody uses. The mutex is held.
func (s *keyStore) remove(at *list.Element) {
	e := s.recent.Remove(at).(*keyEntry)
	delete(s.entries, e.name)
	s.add(e.memory)
}

// put keeps a key whose memory is reserved, and tells whether it is new; if it is not, the memory is given back.
func (s *keyStore) put(name keyName, srv *server.Server, memory int64) (fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.entries[name]; ok {
		s.recent.MoveToFront(at)
		e := at.Value.(*keyEntry)
		e.gone, e.until = false, time.Now().Add(s.firstUse)
		s.add(memory)
		return false
	}
	s.entries[name] = s.recent.PushFront(&keyEntry{name: name, server: srv, memory: memory, until: time.Now().Add(s.firstUse)})
	return true
}

// has tells whether a key is loaded.
func (s *keyStore) has(name keyName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.entries[name]
	return ok && !at.Value.(*keyEntry).gone
}

// use returns a key's server and keeps it loaded until done is called; nil if it is not loaded.
func (s *keyStore) use(name keyName) (srv *server.Server, done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.entries[name]
	if !ok || at.Value.(*keyEntry).gone {
		return nil, nil
	}
	e := at.Value.(*keyEntry)
	e.users++
	s.recent.MoveToFront(at)
	return e.server, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		e.users--
		e.until = time.Time{}
		switch {
		case e.users > 0:
		case e.gone:
			s.remove(at)
		default: // it can be forgotten now, should somebody wait for memory
			s.add(0)
		}
	}
}

// drop forgets a key, once nobody uses it, and tells whether it was there.
func (s *keyStore) drop(name keyName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.entries[name]
	if !ok || at.Value.(*keyEntry).gone {
		return false
	}
	e := at.Value.(*keyEntry)
	if e.gone = true; e.users == 0 {
		s.remove(at)
	}
	return true
}

// count returns how many keys are loaded, what they take, and how many were forgotten for others.
func (s *keyStore) count() (keys int, memory int64, evicted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := s.recent.Front(); at != nil; at = at.Next() {
		keys++
		memory += at.Value.(*keyEntry).memory
	}
	return keys, memory, s.evicted
}
