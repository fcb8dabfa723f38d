// Package memstore keeps records in memory, for tests whose subject is not durability: property tests
// with thousands of small batches, and tests in a testing/synctest bubble. It passes the suite of
// storetest, but its records end with the process. It is never the store of a service.
//
// Where the port leaves a choice, memstore takes the stricter one, so that a caller that relies on
// more than the port promises fails here:
//
//   - PutMany refuses a batch that names a record twice.
//   - A key that a batch releases is free only after the batch.
//   - A handle of a dropped collection stays unavailable, even if the collection is opened again.
//   - After Close even an empty batch is ErrUnavailable.
package memstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"ticketing/pkg/store"
)

// DB is a store.Database in memory. It is made by New. It starts no goroutine and waits only for its
// own calls.
type DB struct {
	mu     sync.Mutex // guards everything below, tables included
	closed bool
	tables map[string]*table
}

var _ store.Database = (*DB)(nil)

// New returns an empty database. It holds nothing but memory, so a test need not close it.
func New() *DB { return &DB{tables: map[string]*table{}} }

// Collection opens a collection of an empty database.
func Collection(t testing.TB, spec store.Spec) store.Collection {
	t.Helper()
	records, err := New().Collection(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// Collection implements store.Database.
func (db *DB) Collection(ctx context.Context, spec store.Spec) (store.Collection, error) {
	if err := spec.Check(); err != nil {
		return nil, fmt.Errorf("open collection: %w", err)
	}
	spec.Indexes = slices.Clone(spec.Indexes)
	c := &collection{db: db, spec: spec}
	err := db.do(ctx, func() error {
		if db.tables[spec.Name] == nil {
			db.tables[spec.Name] = newTable()
		}
		c.table = db.tables[spec.Name]
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open collection %s: %w", spec.Name, err)
	}
	return c, nil
}

// Drop implements store.Database. Every call through a handle from before returns ErrUnavailable.
func (db *DB) Drop(ctx context.Context, name string) error {
	if err := (store.Spec{Name: name}).Check(); err != nil {
		return fmt.Errorf("drop collection: %w", err)
	}
	err := db.do(ctx, func() error {
		if t := db.tables[name]; t != nil {
			*t = table{dropped: true}
			delete(db.tables, name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("drop collection %s: %w", name, err)
	}
	return nil
}

// Ping implements store.Database.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.do(ctx, func() error { return nil }); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

// Close implements store.Database. Closing twice is allowed.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.closed, db.tables = true, nil
	return nil
}

// do runs one call alone, unless ctx has ended or the database is closed.
func (db *DB) do(ctx context.Context, run func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return fmt.Errorf("%w: database is closed", store.ErrUnavailable)
	}
	return run()
}
