package memstore_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest"
	"ticketing/pkg/store/storetest/memstore"
)

func TestStore(t *testing.T) {
	size := storetest.Size{Updates: 10, Batch: 1000, Walks: 100}
	storetest.RunSize(t, size, func(*testing.T) store.Database { return memstore.New() })
}

// The tests below are for what the suite leaves open.

func TestRefusedNamesAllRefusedAndNoOther(t *testing.T) {
	c := memstore.Collection(t, tickets("user"))
	put(t, c, store.Write{ID: "held", Key: "k"}, store.Write{ID: "stale"}, store.Write{ID: "stale", Revision: 1})
	err := c.PutMany(t.Context(), []store.Write{
		{ID: "new"},
		{ID: "taker", Key: "k"},
		{ID: "stale", Revision: 1},
		{ID: "held", Revision: 1, Key: "k", State: []byte("changed")},
	})
	wantRefused(t, err, store.ErrKeyTaken, "stale", "taker")
	found, err := c.GetMany(t.Context(), []string{"new", "taker", "stale", "held"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for id, r := range found {
		got[id] = r.Revision
	}
	if diff := cmp.Diff(map[string]int64{"new": 1, "stale": 2, "held": 2}, got); diff != "" {
		t.Errorf("revisions (-want +got):\n%s", diff)
	}
}

func TestBatchHandsNoKeyOn(t *testing.T) {
	for _, test := range []struct {
		name  string
		batch []store.Write
	}{
		{"release first", []store.Write{{ID: "holder", Revision: 1}, {ID: "taker", Key: "k"}}},
		{"release last", []store.Write{{ID: "taker", Key: "k"}, {ID: "holder", Revision: 1}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := memstore.Collection(t, tickets())
			put(t, c, store.Write{ID: "holder", Key: "k"})
			wantRefused(t, c.PutMany(t.Context(), test.batch), store.ErrKeyTaken, "taker")
			put(t, c, store.Write{ID: "taker", Key: "k"}) // free after the batch
		})
	}
}

func TestBatchThatNamesARecordTwiceStoresNothing(t *testing.T) {
	c := memstore.Collection(t, tickets())
	err := c.PutMany(t.Context(), []store.Write{{ID: "a"}, {ID: "b"}, {ID: "a", Revision: 1}})
	if err == nil || errors.Is(err, store.ErrConflict) {
		t.Errorf("PutMany = %v, want an error of the caller", err)
	}
	if rs := list(t, c, store.Query{Limit: 9}); len(rs) > 0 {
		t.Errorf("%d records were stored", len(rs))
	}
}

func TestCallersShareNoMemoryWithTheStore(t *testing.T) {
	for name, write := range map[string]func(store.Collection, store.Write) error{
		"Put":     func(c store.Collection, w store.Write) error { return c.Put(t.Context(), w) },
		"PutMany": func(c store.Collection, w store.Write) error { return c.PutMany(t.Context(), []store.Write{w}) },
	} {
		t.Run(name, func(t *testing.T) {
			c := memstore.Collection(t, tickets("user"))
			w := write1()
			if err := write(c, w); err != nil {
				t.Fatal(err)
			}
			scribble(store.Record{Index: w.Index, State: w.State, Early: w.Early})
			clear(w.Emit[0].Data)
			w.Emit[0].Channel = "scribbled"
			want := record1()
			for range 2 { // the second round sees what the first has scribbled on
				for how, got := range readAll(t, c) {
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("record by %s (-want +got):\n%s", how, diff)
					}
					scribble(got)
				}
			}
		})
	}
}

func TestACollectionKeepsItsIndexesWhenTheCallerReusesTheSlice(t *testing.T) {
	indexes := []string{"user"}
	c := memstore.Collection(t, tickets(indexes...))
	indexes[0] = "scribbled"
	put(t, c, store.Write{ID: "a", Index: map[string]string{"user": "ann"}})
}

// write1 fills every field; record1 is what it stores.
func write1() store.Write {
	return store.Write{
		ID: "a", Version: 3, Key: "k", Index: map[string]string{"user": "ann"}, State: []byte("state"),
		Early: map[int64]store.Event{5: event(5)}, Emit: []store.Event{event(3)},
	}
}

func record1() store.Record {
	return store.Record{
		ID: "a", Revision: 1, Version: 3, Key: "k", Index: map[string]string{"user": "ann"}, State: []byte("state"),
		Early: map[int64]store.Event{5: event(5)}, Outbox: map[int64]store.Event{3: event(3)},
	}
}

func event(n int64) store.Event {
	return store.Event{Channel: "ticket:updated", Sequence: uint64(n), At: time.UnixMilli(n).UTC(), Data: []byte("data")}
}

// readAll reads record "a" in every way that there is.
func readAll(t *testing.T, c store.Collection) map[string]store.Record {
	t.Helper()
	one, err := c.Get(t.Context(), "a")
	many, errMany := c.GetMany(t.Context(), []string{"a"})
	pending, errPending := c.Pending(t.Context(), "", 1)
	if err := errors.Join(err, errMany, errPending); err != nil || len(pending) != 1 {
		t.Fatalf("read %d pending records, %v", len(pending), err)
	}
	listed := list(t, c, store.Query{Index: "user", Value: "ann", Limit: 1})
	if len(listed) != 1 {
		t.Fatalf("List returned %d records, want 1", len(listed))
	}
	return map[string]store.Record{"Get": one, "GetMany": many["a"], "List": listed[0], "Pending": pending[0]}
}

// scribble overwrites all memory that a record refers to.
func scribble(r store.Record) {
	clear(r.State)
	for _, events := range []map[int64]store.Event{r.Early, r.Outbox} {
		for _, e := range events {
			clear(e.Data)
		}
		clear(events)
	}
	clear(r.Index)
}

func TestEventTimesAreKeptToTheMillisecondInUTC(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_999_999, time.FixedZone("", 3600))
	want := time.Date(2026, 1, 2, 2, 4, 5, 678_000_000, time.UTC)
	c := memstore.Collection(t, tickets())
	put(t, c, store.Write{ID: "a", Emit: []store.Event{{At: at}}, Early: map[int64]store.Event{2: {At: at}}})
	r := list(t, c, store.Query{Limit: 1})[0]
	if got := []time.Time{r.Outbox[0].At, r.Early[2].At}; got[0] != want || got[1] != want {
		t.Errorf("times of the outbox and of the early event = %v, want %v", got, want)
	}
}

func TestARecordWithoutAnIndexValueIsNotListedUnderTheEmptyOne(t *testing.T) {
	c := memstore.Collection(t, tickets("user"))
	put(t, c, store.Write{ID: "a"}, store.Write{ID: "b", Index: map[string]string{"user": ""}})
	if rs := list(t, c, store.Query{Index: "user", Limit: 9}); len(rs) != 1 || rs[0].ID != "b" {
		t.Errorf("listed %v, want b alone", rs)
	}
}

func TestAHandleOfADroppedCollectionStaysUnavailable(t *testing.T) {
	db := memstore.New()
	old := open(t, db)
	put(t, old, store.Write{ID: "a"})
	if err := db.Drop(t.Context(), "tickets"); err != nil {
		t.Fatal(err)
	}
	put(t, open(t, db), store.Write{ID: "b"})
	if _, err := old.Get(t.Context(), "b"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Get through the old handle = %v, want ErrUnavailable", err)
	}
	if err := old.Put(t.Context(), store.Write{ID: "c"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Put through the old handle = %v, want ErrUnavailable", err)
	}
}

func TestEmptyCallsAfterCloseAreUnavailable(t *testing.T) {
	db := memstore.New()
	c := open(t, db)
	for range 2 { // closing twice is allowed
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.GetMany(t.Context(), nil)
	for what, err := range map[string]error{
		"GetMany": err, "PutMany": c.PutMany(t.Context(), nil), "Forget": c.Forget(t.Context(), nil),
	} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s of nothing = %v, want ErrUnavailable", what, err)
		}
	}
}

// A bubble ends only when all of its goroutines have, so this fails if a database owns one.
func TestADatabaseInABubbleNeedsNoClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memstore.Collection(t, tickets())
		go func() {
			time.Sleep(time.Hour)
			put(t, c, store.Write{ID: "a"})
		}()
		time.Sleep(2 * time.Hour)
		if rs := list(t, c, store.Query{Limit: 9}); len(rs) != 1 {
			t.Errorf("%d records after two hours, want 1", len(rs))
		}
	})
}

func tickets(indexes ...string) store.Spec { return store.Spec{Name: "tickets", Indexes: indexes} }

func open(t *testing.T, db *memstore.DB) store.Collection {
	t.Helper()
	c, err := db.Collection(t.Context(), tickets())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func put(t *testing.T, c store.Collection, ws ...store.Write) {
	t.Helper()
	for _, w := range ws {
		if err := c.Put(t.Context(), w); err != nil {
			t.Errorf("Put = %v, want success", err)
		}
	}
}

func list(t *testing.T, c store.Collection, q store.Query) []store.Record {
	t.Helper()
	rs, err := c.List(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func wantRefused(t *testing.T, err, reason error, ids ...string) {
	t.Helper()
	var refused *store.Refused
	if !errors.As(err, &refused) || !errors.Is(err, reason) {
		t.Fatalf("PutMany = %v, want a refusal with the reason %v", err, reason)
	}
	if diff := cmp.Diff(ids, slices.Sorted(slices.Values(refused.IDs))); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
}
