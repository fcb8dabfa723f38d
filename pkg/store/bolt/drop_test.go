package bolt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"ticketing/pkg/store"
)

// openLarge opens a file whose transactions drop two records at most, with a collection of that many. Each has a key, an
// index value and an event.
func openLarge(t *testing.T, records int) (*DB, store.Collection) {
	t.Helper()
	db := openConfig(t, config{group: 2}, filepath.Join(t.TempDir(), "store.db"))
	large := mustOpen(t, db, largeSpec())
	for i := range records {
		id := fmt.Sprint(i)
		w := store.Write{ID: id, Key: "key of " + id, Index: map[string]string{"user": id}, Emit: []store.Event{{Channel: "c"}}}
		if err := large.Put(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	return db, large
}

func largeSpec() store.Spec { return store.Spec{Name: "large", Indexes: []string{"user"}} }

// spoil makes a record of the large collection unreadable.
func spoil(t *testing.T, db *DB, id string) {
	t.Helper()
	err := db.write(t.Context(), 1, func(tx *bbolt.Tx) (outcome, error) {
		in, err := openBuckets(tx, []byte("large"))
		if err == nil {
			err = in.records.Put([]byte(id), []byte("no record"))
		}
		return outcome{changed: true}, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A collection that takes several transactions to drop goes as a whole, and others are written meanwhile.
func TestDropOfALargeCollection(t *testing.T) {
	for records := range 6 {
		// Given a collection in which one record cannot be read,
		db, _ := openLarge(t, records)
		if records > 1 {
			spoil(t, db, "1")
		}
		other := mustOpen(t, db, store.Spec{Name: "other"})
		// when it is dropped while another is written,
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
		err := db.Drop(t.Context(), "large")
		stop()
		writing.Wait()
		if err != nil {
			t.Fatal(err)
		}
		// then nothing is left of it.
		err = db.read(t.Context(), func(tx *bbolt.Tx) error {
			if tx.Bucket([]byte("large")) != nil {
				t.Errorf("of %d records, the bucket is there", records)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if rs, err := mustOpen(t, db, largeSpec()).List(t.Context(), store.Query{Limit: 1}); err != nil || len(rs) != 0 {
			t.Errorf("opened again it has %d records, %v", len(rs), err)
		}
	}
}

// A drop that ends after one transaction has removed two records and every trace of them. The others are complete.
func TestADropThatEndsEarly(t *testing.T) {
	db, large := openLarge(t, 5)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	afterCommits(t, db, cancel)
	if err := db.Drop(ctx, "large"); !errors.Is(err, context.Canceled) {
		t.Fatalf("Drop = %v, want context.Canceled", err)
	}
	afterCommits(t, db, func() {})

	pending, err := large.Pending(t.Context(), "", 9)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, r := range pending {
		left = append(left, r.ID)
	}
	if diff := cmp.Diff([]string{"2", "3", "4"}, left); diff != "" {
		t.Errorf("records with events (-want +got):\n%s", diff)
	}
	for i := range 5 {
		id := fmt.Sprint(i)
		rs, err := large.List(t.Context(), store.Query{Index: "user", Value: id, Limit: 9})
		if want := min(i/2, 1); err != nil || len(rs) != want {
			t.Errorf("the index has %d records for %s, %v, want %d", len(rs), id, err, want)
		}
		err = large.Put(t.Context(), store.Write{ID: "new " + id, Key: "key of " + id})
		if taken := errors.Is(err, store.ErrKeyTaken); taken != (i > 1) {
			t.Errorf("Put with the key of %s = %v, want that it is taken: %t", id, err, i > 1)
		}
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
