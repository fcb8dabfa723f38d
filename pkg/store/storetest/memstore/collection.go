package memstore

import (
	"context"
	"fmt"

	"ticketing/pkg/store"
)

// collection implements store.Collection. It is one handle of a table.
type collection struct {
	db    *DB
	spec  store.Spec
	table *table
}

// do runs one call alone, unless it cannot be served.
func (c *collection) do(ctx context.Context, run func(t *table) error) error {
	return c.db.do(ctx, func() error {
		if c.table.dropped {
			return fmt.Errorf("%w: the collection was dropped", store.ErrUnavailable)
		}
		return run(c.table)
	})
}

// Get implements store.Collection.
func (c *collection) Get(ctx context.Context, id string) (store.Record, error) {
	var record store.Record
	err := c.do(ctx, func(t *table) error {
		stored, exists := t.records[id]
		if !exists {
			return store.ErrNotFound
		}
		record = copyRecord(stored)
		return nil
	})
	if err != nil {
		return store.Record{}, fmt.Errorf("get %s %s: %w", c.spec.Name, id, err)
	}
	return record, nil
}

// GetMany implements store.Collection. All records are as of the same moment.
func (c *collection) GetMany(ctx context.Context, ids []string) (map[string]store.Record, error) {
	found := make(map[string]store.Record, len(ids))
	err := c.do(ctx, func(t *table) error {
		for _, id := range ids {
			if stored, exists := t.records[id]; exists {
				found[id] = copyRecord(stored)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("get %d records of %s: %w", len(ids), c.spec.Name, err)
	}
	return found, nil
}

// Put implements store.Collection.
func (c *collection) Put(ctx context.Context, w store.Write) error {
	err := c.spec.CheckWrite(w)
	if err == nil {
		err = c.do(ctx, func(t *table) error {
			released, err := t.put(w)
			delete(t.holders, released)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("put %s %s at revision %d: %w", c.spec.Name, w.ID, w.Revision, err)
	}
	return nil
}

// PutMany implements store.Collection. A refusal of some writes is a *store.Refused.
func (c *collection) PutMany(ctx context.Context, ws []store.Write) error {
	err := c.checkBatch(ws)
	if err == nil {
		err = c.do(ctx, func(t *table) error { return t.putMany(ws) })
	}
	if err != nil {
		return fmt.Errorf("put %d records of %s: %w", len(ws), c.spec.Name, err)
	}
	return nil
}

func (c *collection) checkBatch(ws []store.Write) error {
	named := make(map[string]bool, len(ws))
	for _, w := range ws {
		if err := c.spec.CheckWrite(w); err != nil {
			return fmt.Errorf("record %s: %w", w.ID, err)
		}
		if named[w.ID] {
			return fmt.Errorf("record %s is named twice", w.ID)
		}
		named[w.ID] = true
	}
	return nil
}

// Delete implements store.Collection.
func (c *collection) Delete(ctx context.Context, id string, revision int64) error {
	err := c.do(ctx, func(t *table) error { return t.remove(id, revision) })
	if err != nil {
		return fmt.Errorf("delete %s %s at revision %d: %w", c.spec.Name, id, revision, err)
	}
	return nil
}

// List implements store.Collection.
func (c *collection) List(ctx context.Context, q store.Query) ([]store.Record, error) {
	if err := c.spec.CheckQuery(q); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	return c.page(ctx, "list", q.After, q.Limit, func(r store.Record) bool {
		value, has := r.Index[q.Index]
		return q.Index == "" || has && value == q.Value
	})
}

// Pending implements store.Collection.
func (c *collection) Pending(ctx context.Context, after string, limit int) ([]store.Record, error) {
	if err := store.CheckLimit(limit); err != nil {
		return nil, fmt.Errorf("list pending of %s: %w", c.spec.Name, err)
	}
	return c.page(ctx, "list pending of", after, limit, func(r store.Record) bool { return len(r.Outbox) > 0 })
}

func (c *collection) page(ctx context.Context, doing, after string, limit int, selected func(store.Record) bool) ([]store.Record, error) {
	var page []store.Record
	err := c.do(ctx, func(t *table) error {
		page = t.page(after, limit, selected)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", doing, c.spec.Name, err)
	}
	return page, nil
}

// Forget implements store.Collection.
func (c *collection) Forget(ctx context.Context, sent []store.Sent) error {
	err := c.do(ctx, func(t *table) error {
		for _, s := range sent {
			for _, version := range s.Versions {
				delete(t.records[s.ID].Outbox, version)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget events of %d records of %s: %w", len(sent), c.spec.Name, err)
	}
	return nil
}
