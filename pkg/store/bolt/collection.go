package bolt

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"ticketing/pkg/store"
)

// collection implements store.Collection.
type collection struct {
	db     *DB
	spec   store.Spec
	name   string
	bucket []byte
}

func newCollection(db *DB, spec store.Spec) *collection {
	spec.Indexes = slices.Clone(spec.Indexes)
	return &collection{db: db, spec: spec, name: spec.Name, bucket: []byte(spec.Name)}
}

// read runs fn on a snapshot of the collection.
func (c *collection) read(ctx context.Context, fn func(in buckets) error) error {
	return c.db.read(ctx, func(tx *bbolt.Tx) error {
		in, err := openBuckets(tx, c.bucket)
		if err != nil {
			return err
		}
		return fn(in)
	})
}

// write hands an operation on the collection to the writer; size is the number of records it may write.
func (c *collection) write(ctx context.Context, size int, run func(in buckets) (outcome, error)) error {
	return c.db.write(ctx, size, func(tx *bbolt.Tx) (outcome, error) {
		in, err := openBuckets(tx, c.bucket)
		if err != nil {
			return outcome{err: err}, nil
		}
		return run(in)
	})
}

// Get implements store.Collection.
func (c *collection) Get(ctx context.Context, id string) (store.Record, error) {
	var record store.Record
	err := c.read(ctx, func(in buckets) error {
		stored := in.records.Get([]byte(id))
		if stored == nil {
			return store.ErrNotFound
		}
		var err error
		record, err = c.db.codec.decode(id, stored)
		return err
	})
	if err != nil {
		return store.Record{}, fmt.Errorf("get %s %s: %w", c.name, id, err)
	}
	return record, nil
}

// GetMany implements store.Collection. All records are as of the same moment.
func (c *collection) GetMany(ctx context.Context, ids []string) (map[string]store.Record, error) {
	sorted := slices.Clone(ids) // in the order of the pages
	slices.Sort(sorted)
	found := make(map[string]store.Record, len(ids))
	err := c.read(ctx, func(in buckets) error {
		for _, id := range slices.Compact(sorted) {
			stored := in.records.Get([]byte(id))
			if stored == nil {
				continue
			}
			record, err := c.decode(ctx, id, stored)
			if err != nil {
				return err
			}
			found[id] = record
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("get %d records of %s: %w", len(ids), c.name, err)
	}
	return found, nil
}

// List implements store.Collection.
func (c *collection) List(ctx context.Context, q store.Query) ([]store.Record, error) {
	if err := c.spec.CheckQuery(q); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	var page []store.Record
	err := c.read(ctx, func(in buckets) error {
		ids, prefix, err := in.records, []byte(nil), error(nil)
		if q.Index != "" {
			prefix = indexPrefix(q.Value)
			if ids, err = in.entries(q.Index); err != nil {
				return err
			}
		}
		page, err = c.page(ctx, in.records, ids, prefix, q.After, q.Limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", c.name, err)
	}
	return page, nil
}

// Pending implements store.Collection.
func (c *collection) Pending(ctx context.Context, after string, limit int) ([]store.Record, error) {
	if err := store.CheckLimit(limit); err != nil {
		return nil, fmt.Errorf("list pending of %s: %w", c.name, err)
	}
	var page []store.Record
	err := c.read(ctx, func(in buckets) error {
		var err error
		page, err = c.page(ctx, in.records, in.pending, nil, after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list pending of %s: %w", c.name, err)
	}
	return page, nil
}

// page reads the records whose ids follow the prefix in a bucket, after the cursor.
func (c *collection) page(ctx context.Context, records, ids *bbolt.Bucket, prefix []byte, after string, limit int) ([]store.Record, error) {
	var page []store.Record
	start := append(slices.Clone(prefix), after...)
	cursor := ids.Cursor()
	key, _ := cursor.Seek(start)
	if after != "" && bytes.Equal(key, start) {
		key, _ = cursor.Next()
	}
	for ; len(page) < limit && key != nil && bytes.HasPrefix(key, prefix); key, _ = cursor.Next() {
		id := key[len(prefix):]
		record, err := c.decode(ctx, string(id), records.Get(id))
		if err != nil {
			return nil, err
		}
		page = append(page, record)
	}
	return page, nil
}

// decode is one step of a read of many records: it ends with the context.
func (c *collection) decode(ctx context.Context, id string, stored []byte) (store.Record, error) {
	if err := ctx.Err(); err != nil {
		return store.Record{}, err
	}
	record, err := c.db.codec.decode(id, stored)
	if err != nil {
		return store.Record{}, fmt.Errorf("record %s: %w", id, err)
	}
	return record, nil
}
