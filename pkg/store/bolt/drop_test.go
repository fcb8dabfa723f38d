package bolt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"ticketing/pkg/store"
)

// A collection that takes several transactions to remove goes with all its links, and others are written meanwhile.
func TestDropOfALargeCollection(t *testing.T) {
	// given more records than go in two transactions, each with a key, an index value and an event, and one that
	// cannot be read
	db := open(t, filepath.Join(t.TempDir(), "store.db"))
	spec := store.Spec{Name: "large", Indexes: []string{"user"}}
	large := mustOpen(t, db, spec)
	other := mustOpen(t, db, store.Spec{Name: "other"})
	writes := make([]store.Write, 2*maxGroup+1)
	for i := range writes {
		id := fmt.Sprintf("%08d", i)
		writes[i] = store.Write{ID: id, Key: "key of " + id, Index: map[string]string{"user": id}, Emit: &store.Event{Channel: "c"}}
	}
	if err := large.PutMany(t.Context(), writes); err != nil {
		t.Fatal(err)
	}
	err := db.write(t.Context(), 1, func(tx *bbolt.Tx) (outcome, error) {
		in, err := openBuckets(tx, []byte("large"))
		if err == nil {
			err = in.records.Put([]byte("00000001"), []byte("no record"))
		}
		return outcome{changed: true}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	// when it is dropped while another is written
	dropped, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; dropped.Err() == nil; i++ {
			if err := other.Put(context.Background(), store.Write{ID: fmt.Sprint(i)}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	err = db.Drop(t.Context(), "large")
	stop()
	writing.Wait()
	if err != nil {
		t.Fatal(err)
	}
	// then nothing is left of it
	err = db.read(t.Context(), func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte("large")) != nil {
			t.Error("the bucket is there")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if records, err := mustOpen(t, db, spec).List(t.Context(), store.Query{Limit: 1}); err != nil || len(records) != 0 {
		t.Errorf("opened anew it has %d records, %v", len(records), err)
	}
}

func mustOpen(t *testing.T, db *DB, spec store.Spec) store.Collection {
	t.Helper()
	c, err := db.Collection(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What is opened again after a drop may have other indexes: who still has a handle from before is refused.
func TestAHandleFromBeforeADropWithOtherIndexes(t *testing.T) {
	db, before := openTickets(t)
	if err := db.Drop(t.Context(), "tickets"); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, db, store.Spec{Name: "tickets"})
	if err := before.Put(t.Context(), store.Write{ID: "a", Index: map[string]string{"user": "ann"}}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Put = %v, want ErrUnavailable", err)
	}
	if _, err := before.List(t.Context(), store.Query{Index: "user", Value: "ann", Limit: 1}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("List = %v, want ErrUnavailable", err)
	}
}
