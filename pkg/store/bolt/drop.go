package bolt

import (
	"context"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	"go.etcd.io/bbolt"

	"ticketing/pkg/store"
)

// Drop implements store.Database. It removes a few thousand records in each transaction, so that others write in
// between: a large collection has to be read from the disk, and all at once would hold them up for seconds.
// If it ends early, the other records are as they were. The file does not become smaller: its free pages are used
// for other records, and until then each commit writes the longer list of them.
func (db *DB) Drop(ctx context.Context, name string) error {
	if err := (store.Spec{Name: name}).Check(); err != nil {
		return fmt.Errorf("drop collection: %w", err)
	}
	for gone := false; !gone; {
		err := db.write(ctx, db.cfg.group, func(tx *bbolt.Tx) (o outcome, err error) {
			gone, o.changed, err = db.codec.dropSome(tx, []byte(name), db.cfg.group)
			return o, err
		})
		if err != nil {
			return fmt.Errorf("drop collection %s: %w", name, err)
		}
	}
	return nil
}

// dropSome removes at most that many records of a collection, and with the last ones the collection.
func (c codec) dropSome(tx *bbolt.Tx, collection []byte, most int) (gone, changed bool, err error) {
	if tx.Bucket(collection) == nil {
		return true, false, nil
	}
	in, err := openBuckets(tx, collection)
	if err != nil {
		return false, false, err
	}
	ids := make([][]byte, 0, most)
	cursor := in.records.Cursor()
	for id, _ := cursor.First(); id != nil && len(ids) < most; id, _ = cursor.Next() {
		ids = append(ids, id)
	}
	if len(ids) < most {
		return true, true, tx.DeleteBucket(collection)
	}
	for _, id := range ids {
		was, err := c.decodeHead(in.records.Get(id))
		if err != nil { // an unreadable record: what it has elsewhere goes with the collection
			was = head[cbor.RawMessage]{}
		}
		if err := in.remove(id, was); err != nil {
			return false, false, err
		}
	}
	return false, true, nil
}
