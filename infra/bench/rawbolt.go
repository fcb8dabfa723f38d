package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"ticketing/pkg/event"
)

// rawBolt is a service's store written by go.etcd.io/bbolt itself: the same file, pages, buckets and options,
// and values of the same length, with nothing read, decoded or decided.
type rawBolt struct {
	db         *bbolt.DB
	collection string
	record     []byte // one that is stored
	ids        []event.ID
	random     *rand.Rand
}

// openRawBolt opens a full store of the stock, copied before.
func openRawBolt(until *cleanup, path string, kind shelf, ids []event.ID) (*rawBolt, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: time.Second, FreelistType: bbolt.FreelistMapType, NoStatistics: true, // as store/bolt opens it
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	until.add(db.Close)
	r := &rawBolt{db: db, collection: kind.collection, ids: ids, random: rand.New(rand.NewPCG(5, 6))}
	err = db.View(func(tx *bbolt.Tx) error {
		r.record = slices.Clone(r.records(tx).Get([]byte(ids[0])))
		return nil
	})
	if err == nil && len(r.record) == 0 {
		err = errors.New("it lacks the first ticket")
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return r, nil
}

// records is the bucket in which store/bolt keeps a collection's records.
func (r *rawBolt) records(tx *bbolt.Tx) *bbolt.Bucket {
	bucket := tx.Bucket([]byte(r.collection)).Bucket([]byte("records"))
	bucket.FillPercent = 0.7 // as store/bolt fills it
	return bucket
}

// rewrite writes n records that exist, taken at random, that many in a transaction, each time in the order
// of the pages. It returns the rate.
func (r *rawBolt) rewrite(ctx context.Context, n, together int) (float64, error) {
	began := time.Now()
	for written := 0; written < n; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		batch := make([]string, min(together, n-written))
		for i := range batch {
			batch[i] = string(r.ids[r.random.IntN(len(r.ids))])
		}
		slices.Sort(batch)
		err := r.db.Update(func(tx *bbolt.Tx) error {
			records := r.records(tx)
			for _, id := range batch {
				if err := records.Put([]byte(id), r.record); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("write to bbolt: %w", err)
		}
		written += len(batch)
	}
	return perSecond(n, began), nil
}

// createAndForget lets writers write new records, two times each: with an event of that many bytes, and
// without. They share transactions by bbolt's Batch, which starts one as soon as every writer waits for it. It
// returns the rate of pairs.
func (r *rawBolt) createAndForget(ctx context.Context, writers, n, eventBytes int) (float64, error) {
	r.db.MaxBatchSize = writers
	withEvent := append(slices.Clone(r.record), make([]byte, eventBytes)...)
	numbers, err := race(ctx, writers, n, func(context.Context, int) error {
		id := []byte(event.NewID(time.Now()))
		for _, record := range [][]byte{withEvent, r.record} {
			err := r.db.Batch(func(tx *bbolt.Tx) error { return r.records(tx).Put(id, record) })
			if err != nil {
				return fmt.Errorf("write to bbolt: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return numbers[0], nil
}

// transactions is how many a closed file has seen.
func transactions(path string) (n int, err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, ReadOnly: true})
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", path, err)
	}
	err = db.View(func(tx *bbolt.Tx) error { n = tx.ID(); return nil })
	return n, errors.Join(err, db.Close())
}
