package mongo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"ticketing/pkg/store"
)

// maxBatch bounds the documents of one answer of the server; more come in further answers.
const maxBatch = 1000

// collection implements store.Collection. This file reads; write.go and forget.go write.
type collection struct {
	db      *DB
	records *driver.Collection
	spec    store.Spec
}

func newCollection(db *DB, records *driver.Collection, spec store.Spec) *collection {
	spec.Indexes = slices.Compact(slices.Sorted(slices.Values(spec.Indexes)))
	return &collection{db: db, records: records, spec: spec}
}

// Get implements store.Collection.
func (c *collection) Get(ctx context.Context, id string) (store.Record, error) {
	end, err := c.db.begin()
	if err != nil {
		return store.Record{}, err
	}
	defer end()
	doing := fmt.Sprintf("get %s %s", c.spec.Name, id)
	raw, err := c.records.FindOne(ctx, bson.D{{Key: fieldID, Value: id}}).Raw()
	if errors.Is(err, driver.ErrNoDocuments) {
		return store.Record{}, fmt.Errorf("%s: %w", doing, store.ErrNotFound)
	}
	if err != nil {
		return store.Record{}, portError(ctx, doing, err)
	}
	record, err := decode(raw)
	if err != nil {
		return store.Record{}, fmt.Errorf("%s: %w", doing, err)
	}
	return record, nil
}

// GetMany implements store.Collection.
func (c *collection) GetMany(ctx context.Context, ids []string) (map[string]store.Record, error) {
	found := make(map[string]store.Record, len(ids))
	if len(ids) == 0 {
		return found, ctx.Err()
	}
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	filter := bson.D{{Key: fieldID, Value: bson.D{{Key: "$in", Value: slices.Compact(sorted)}}}}
	records, err := c.find(ctx, fmt.Sprintf("get %d records of %s", len(ids), c.spec.Name), filter, options.Find())
	if err != nil {
		return nil, err
	}
	for _, record := range records {
		found[record.ID] = record
	}
	return found, nil
}

// List implements store.Collection.
func (c *collection) List(ctx context.Context, q store.Query) ([]store.Record, error) {
	if err := c.spec.CheckQuery(q); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	filter := bson.D{}
	if q.Index != "" {
		filter = append(filter, bson.E{Key: fieldIndex + "." + q.Index, Value: q.Value})
	}
	return c.page(ctx, "list "+c.spec.Name, filter, q.After, q.Limit)
}

// Pending implements store.Collection. The index on the mark finds the records; the condition on the
// outbox skips those whose mark a crash has left behind.
func (c *collection) Pending(ctx context.Context, after string, limit int) ([]store.Record, error) {
	if err := store.CheckLimit(limit); err != nil {
		return nil, fmt.Errorf("list pending: %w", err)
	}
	filter := bson.D{
		{Key: fieldPending, Value: true},
		{Key: fieldOutbox, Value: bson.D{{Key: "$ne", Value: bson.D{}}}},
	}
	return c.page(ctx, "list pending of "+c.spec.Name, filter, after, limit)
}

// page finds the records after a cursor, in ascending order of id.
func (c *collection) page(ctx context.Context, doing string, filter bson.D, after string, limit int) ([]store.Record, error) {
	if after != "" {
		filter = append(filter, bson.E{Key: fieldID, Value: bson.D{{Key: "$gt", Value: after}}})
	}
	return c.find(ctx, doing, filter, options.Find().
		SetSort(bson.D{{Key: fieldID, Value: 1}}).
		SetLimit(int64(limit)).
		SetBatchSize(int32(min(limit, maxBatch))))
}

// find reads all that a query selects.
func (c *collection) find(ctx context.Context, doing string, filter bson.D, opts *options.FindOptionsBuilder) ([]store.Record, error) {
	end, err := c.db.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	cursor, err := c.records.Find(ctx, filter, opts)
	if err != nil {
		return nil, portError(ctx, doing, err)
	}
	var raws []bson.Raw
	if err := cursor.All(ctx, &raws); err != nil {
		return nil, portError(ctx, doing, err)
	}
	records := make([]store.Record, len(raws))
	for i, raw := range raws {
		if records[i], err = decode(raw); err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
	}
	return records, nil
}
