package bolt

import (
	"encoding/binary"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	"go.etcd.io/bbolt"

	"ticketing/pkg/store"
)

// Buckets of a collection, inside a bucket of its name:
//
//	records   id -> record
//	keys      unique key -> id, only where the key is not the id
//	pending   id -> nothing, where the outbox is not empty
//	index     name -> bucket of: length of value | value | id -> nothing
type buckets struct {
	records, keys, pending, index *bbolt.Bucket
}

// names of the buckets, as functions so that no caller can change them.
func recordsName() []byte { return []byte("records") }
func keysName() []byte    { return []byte("keys") }
func pendingName() []byte { return []byte("pending") }
func indexName() []byte   { return []byte("index") }

// createBuckets creates what a collection lacks and says whether that was anything.
func createBuckets(tx *bbolt.Tx, spec store.Spec) (changed bool, err error) {
	create := func(in interface {
		Bucket([]byte) *bbolt.Bucket
		CreateBucket([]byte) (*bbolt.Bucket, error)
	}, name []byte) *bbolt.Bucket {
		if err != nil {
			return nil
		}
		if b := in.Bucket(name); b != nil {
			return b
		}
		changed = true
		var b *bbolt.Bucket
		if b, err = in.CreateBucket(name); err != nil {
			err = fmt.Errorf("create bucket %s: %w", name, err)
		}
		return b
	}
	root := create(tx, []byte(spec.Name))
	for _, name := range [][]byte{recordsName(), keysName(), pendingName()} {
		create(root, name)
	}
	index := create(root, indexName())
	for _, name := range spec.Indexes {
		create(index, []byte(name))
	}
	return changed, err
}

// fillPercent is how full a page of records is left when it is split. Ids rise with time, so most new
// records go to the last page: at bbolt's 0.5 the pages before it stay half empty for ever (65 MB
// instead of 48 MB for 100,000 records of 250 bytes), at 0.9 they split again on the first changes.
// With random ids 0.5 and 0.7 measured the same, 0.9 worse.
const fillPercent = 0.7

// openBuckets fails with store.ErrUnavailable where the collection was dropped.
func openBuckets(tx *bbolt.Tx, collection []byte) (buckets, error) {
	root := tx.Bucket(collection)
	if root == nil {
		return buckets{}, fmt.Errorf("%w: the collection was dropped", store.ErrUnavailable)
	}
	b := buckets{
		records: root.Bucket(recordsName()),
		keys:    root.Bucket(keysName()),
		pending: root.Bucket(pendingName()),
		index:   root.Bucket(indexName()),
	}
	b.records.FillPercent = fillPercent
	return b, nil
}

// indexPrefix begins the index entries of one value. The length in front keeps apart values of which
// one begins with the other, whatever bytes they contain.
func indexPrefix(value string) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(value))), value...)
}

func indexEntry(value string, id []byte) []byte {
	return append(indexPrefix(value), id...)
}

// keyHolder returns the id of the record that holds a unique key, nil where it is free.
func (b buckets) keyHolder(c codec, key []byte) ([]byte, error) {
	if id := b.keys.Get(key); id != nil {
		return id, nil
	}
	stored := b.records.Get(key)
	if stored == nil {
		return nil, nil
	}
	h, err := c.decodeHead(stored)
	if err != nil || h.Key != "" {
		return nil, err
	}
	return key, nil
}

// replace stores a record and brings keys, index and pending in line with it. was is the head that is
// replaced, the zero one for a new record.
func (b buckets) replace(id []byte, was, now head[cbor.RawMessage], record []byte) error {
	if err := b.records.Put(id, record); err != nil {
		return fmt.Errorf("put record: %w", err)
	}
	return b.link(id, was, now)
}

// remove deletes a record and its entries elsewhere.
func (b buckets) remove(id []byte, was head[cbor.RawMessage]) error {
	if err := b.records.Delete(id); err != nil {
		return fmt.Errorf("delete record: %w", err)
	}
	return b.link(id, was, head[cbor.RawMessage]{})
}

// link writes the difference between two heads into keys, index and pending.
func (b buckets) link(id []byte, was, now head[cbor.RawMessage]) error {
	if was.Key != now.Key {
		if err := change(b.keys, []byte(was.Key), []byte(now.Key), id); err != nil {
			return fmt.Errorf("change unique key: %w", err)
		}
	}
	if err := b.linkIndex(id, was.Index, now.Index); err != nil {
		return fmt.Errorf("change index: %w", err)
	}
	if waits := len(now.Outbox) > 0; waits != (len(was.Outbox) > 0) {
		before, after := id, []byte(nil)
		if waits {
			before, after = nil, id
		}
		if err := change(b.pending, before, after, nil); err != nil {
			return fmt.Errorf("change pending: %w", err)
		}
	}
	return nil
}

func (b buckets) linkIndex(id []byte, was, now map[string]string) error {
	for name, value := range was {
		if next, ok := now[name]; !ok || next != value {
			entries, err := b.entries(name)
			if err == nil {
				err = entries.Delete(indexEntry(value, id))
			}
			if err != nil {
				return err
			}
		}
	}
	for name, value := range now {
		if before, ok := was[name]; !ok || before != value {
			entries, err := b.entries(name)
			if err == nil {
				err = entries.Put(indexEntry(value, id), nil)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// entries is the bucket of an index. It is missing only where the collection was dropped and opened without it.
func (b buckets) entries(index string) (*bbolt.Bucket, error) {
	entries := b.index.Bucket([]byte(index))
	if entries == nil {
		return nil, fmt.Errorf("%w: the collection was dropped, and has no index %s now", store.ErrUnavailable, index)
	}
	return entries, nil
}

// change replaces one entry of a bucket by another; an empty name stands for none.
func change(in *bbolt.Bucket, before, after, value []byte) error {
	if len(before) > 0 {
		if err := in.Delete(before); err != nil {
			return err
		}
	}
	if len(after) > 0 {
		return in.Put(after, value)
	}
	return nil
}
