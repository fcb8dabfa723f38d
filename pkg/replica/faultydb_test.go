package replica

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"ticketing/pkg/store"
)

// faultyDB is a store that goes away on cue, which a file on a disk cannot be made to do.
type faultyDB struct {
	store.Database
	away atomic.Bool
}

func (db *faultyDB) check() error {
	if db.away.Load() {
		return fmt.Errorf("%w: on cue", store.ErrUnavailable)
	}
	return nil
}

func (db *faultyDB) Ping(ctx context.Context) error {
	return errors.Join(db.check(), db.Database.Ping(ctx))
}

func (db *faultyDB) Collection(ctx context.Context, spec store.Spec) (store.Collection, error) {
	c, err := db.Database.Collection(ctx, spec)
	return &faultyCollection{Collection: c, db: db}, err
}

type faultyCollection struct {
	store.Collection
	db *faultyDB
}

func (c *faultyCollection) Put(ctx context.Context, w store.Write) error {
	if err := c.db.check(); err != nil {
		return err
	}
	return c.Collection.Put(ctx, w)
}

func (c *faultyCollection) PutMany(ctx context.Context, ws []store.Write) error {
	if err := c.db.check(); err != nil {
		return err
	}
	return c.Collection.PutMany(ctx, ws)
}
