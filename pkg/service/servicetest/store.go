package servicetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"ticketing/pkg/event"
	"ticketing/pkg/store"
)

// Store is a database that misbehaves on cue, as a server can and a file cannot. While it is away every call of it
// and of its collections returns store.ErrUnavailable.
type Store struct {
	store.Database
	away atomic.Bool
	put  atomic.Pointer[error]
	get  atomic.Pointer[failedGet]
}

type failedGet struct {
	id  event.ID
	err error
}

// SetAway makes it go away, or come back.
func (s *Store) SetAway(away bool) { s.away.Store(away) }

// AnswerPuts makes every Put that is stored return err, until it is called with nil.
func (s *Store) AnswerPuts(err error) { s.put.Store(&err) }

// AnswerGet makes a Get of id return err, until it is called again. An err of nil leaves the answer as it is.
func (s *Store) AnswerGet(id event.ID, err error) { s.get.Store(&failedGet{id, err}) }

func (s *Store) check() error {
	if s.away.Load() {
		return fmt.Errorf("%w: on cue", store.ErrUnavailable)
	}
	return nil
}

// Ping fails while the store is away.
func (s *Store) Ping(ctx context.Context) error { return errors.Join(s.check(), s.Database.Ping(ctx)) }

// Collection opens a collection that goes away with the store.
func (s *Store) Collection(ctx context.Context, spec store.Spec) (store.Collection, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	c, err := s.Database.Collection(ctx, spec)
	return &collection{c, s}, err
}

// Drop removes a collection, unless the store is away.
func (s *Store) Drop(ctx context.Context, name string) error {
	if err := s.check(); err != nil {
		return err
	}
	return s.Database.Drop(ctx, name)
}

// Records returns every record of a collection, without the outboxes, which the relay empties meanwhile. A
// record that was written in between has another revision.
func Records(t testing.TB, db store.Database, spec store.Spec) []store.Record {
	t.Helper()
	c, err := db.Collection(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	records, err := c.List(t.Context(), store.Query{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		records[i].Outbox = nil
	}
	return records
}

type collection struct {
	stored store.Collection
	db     *Store
}

func (c *collection) Get(ctx context.Context, id string) (store.Record, error) {
	if err := c.db.check(); err != nil {
		return store.Record{}, err
	}
	if failed := c.db.get.Load(); failed != nil && failed.err != nil && string(failed.id) == id {
		return store.Record{}, failed.err
	}
	return c.stored.Get(ctx, id)
}

func (c *collection) GetMany(ctx context.Context, ids []string) (map[string]store.Record, error) {
	if err := c.db.check(); err != nil {
		return nil, err
	}
	return c.stored.GetMany(ctx, ids)
}

func (c *collection) List(ctx context.Context, q store.Query) ([]store.Record, error) {
	if err := c.db.check(); err != nil {
		return nil, err
	}
	return c.stored.List(ctx, q)
}

func (c *collection) Pending(ctx context.Context, after string, limit int) ([]store.Record, error) {
	if err := c.db.check(); err != nil {
		return nil, err
	}
	return c.stored.Pending(ctx, after, limit)
}

func (c *collection) Put(ctx context.Context, w store.Write) error {
	if err := c.db.check(); err != nil {
		return err
	}
	err := c.stored.Put(ctx, w)
	if answer := c.db.put.Load(); answer != nil && err == nil {
		return *answer
	}
	return err
}

func (c *collection) PutMany(ctx context.Context, ws []store.Write) error {
	if err := c.db.check(); err != nil {
		return err
	}
	return c.stored.PutMany(ctx, ws)
}

func (c *collection) Delete(ctx context.Context, id string, revision int64) error {
	if err := c.db.check(); err != nil {
		return err
	}
	return c.stored.Delete(ctx, id, revision)
}

func (c *collection) Forget(ctx context.Context, sent []store.Sent) error {
	if err := c.db.check(); err != nil {
		return err
	}
	return c.stored.Forget(ctx, sent)
}
