package outbox_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"ticketing/pkg/store"
)

// scriptedStore is a collection that fails on cue and keeps book. Fields that are nil change nothing.
type scriptedStore struct {
	store.Collection
	pending func(call int) error // the error of the nth call of Pending, from 0
	put     func() error         // the error of a Put that has stored its record

	mu     sync.Mutex
	looks  int
	forgot [][]store.Sent
}

func (s *scriptedStore) Pending(ctx context.Context, after string, limit int) ([]store.Record, error) {
	s.mu.Lock()
	call := s.looks
	s.looks++
	s.mu.Unlock()
	if s.pending != nil {
		if err := s.pending(call); err != nil {
			return nil, err
		}
	}
	return s.Collection.Pending(ctx, after, limit)
}

// sweeps counts the calls of Pending.
func (s *scriptedStore) sweeps() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looks
}

func (s *scriptedStore) Put(ctx context.Context, w store.Write) error {
	if err := s.Collection.Put(ctx, w); err != nil || s.put == nil {
		return err
	}
	return s.put()
}

func (s *scriptedStore) Forget(ctx context.Context, sent []store.Sent) error {
	s.mu.Lock()
	s.forgot = append(s.forgot, sent)
	s.mu.Unlock()
	return s.Collection.Forget(ctx, sent)
}

// leave writes entities with versions 0.. and their events, as a process does that dies before it publishes any.
func leave(t testing.TB, records store.Collection, ids []string, versions int) {
	t.Helper()
	for version := range int64(versions) {
		var writes []store.Write
		for _, id := range ids {
			writes = append(writes, store.Write{
				ID: id, Revision: version, Version: version, State: fmt.Appendf(nil, `{"n":%d}`, version),
				Emit: []store.Event{{Channel: "counter:changed", At: time.Now(), Data: fmt.Appendf(nil, "%s v%d n%d", id, version, version)}},
			})
		}
		if err := records.PutMany(t.Context(), writes); err != nil {
			t.Fatal(err)
		}
	}
}

// numbered returns the ids 0000, 0001 and so on.
func numbered(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%04d", i)
	}
	return ids
}

// waiting counts the records that have events in their outbox.
func waiting(t testing.TB, records store.Collection) int {
	t.Helper()
	pending, err := records.Pending(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(pending)
}
