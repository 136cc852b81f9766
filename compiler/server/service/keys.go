package service

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"sync"

	"github.com/fhe-ml/fhe-ml/compiler/server"
)

// keyName names a key by the content of its file, for one model.
type keyName struct {
	model string
	sum   [sha256.Size]byte
}

// keyStore holds loaded keys within a bound of memory. The least recently used go first; those in use stay.
type keyStore struct {
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
	gone   bool // to be removed when the last user is done
}

func newKeyStore(memory int64) *keyStore {
	return &keyStore{free: memory, entries: map[keyName]*list.Element{}, recent: list.New(), changed: make(chan struct{})}
}

// errBusy is returned where memory did not become free in time.
var errBusy = errors.New("the service is busy: its memory is in use; try again later")

// reserve takes memory, for which it forgets keys that are not in use and, if that is not enough, waits.
func (s *keyStore) reserve(ctx context.Context, memory int64) error {
	for {
		s.mu.Lock()
		for at := s.recent.Back(); s.free < memory && at != nil; {
			previous := at.Prev()
			if e := at.Value.(*keyEntry); e.users == 0 {
				s.remove(at)
				s.evicted++
			}
			at = previous
		}
		if s.free >= memory {
			s.free -= memory
			s.mu.Unlock()
			return nil
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return errBusy
		}
	}
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
		at.Value.(*keyEntry).gone = false
		s.add(memory)
		return false
	}
	s.entries[name] = s.recent.PushFront(&keyEntry{name: name, server: srv, memory: memory})
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
