package bolt

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/store"
)

// The port lets an adapter store any of the others; this one stores them all.
func TestABatchStoresAllThatMatch(t *testing.T) {
	_, c := openTickets(t)
	if err := c.Put(t.Context(), store.Write{ID: "b"}); err != nil {
		t.Fatal(err)
	}
	err := c.PutMany(t.Context(), []store.Write{
		{ID: "d", Revision: 7}, {ID: "c"}, {ID: "b", Revision: 1, Version: 1}, {ID: "a"},
	})
	if !errors.Is(err, store.ErrConflict) {
		t.Errorf("PutMany = %v, want ErrConflict", err)
	}
	rs, err := c.List(t.Context(), store.Query{Limit: 9})
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Record{
		{ID: "a", Key: "a", Revision: 1}, {ID: "b", Key: "b", Revision: 2, Version: 1}, {ID: "c", Key: "c", Revision: 1},
	}
	if diff := cmp.Diff(want, rs); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// A caller whose context ends may use its slices and maps for something else while the writer is
// still at work.
func TestAPreparedWriteIsIndependentOfItsCaller(t *testing.T) {
	db, opened := openTickets(t)
	c := opened.(*collection)
	at := time.UnixMilli(1).UTC()
	write := func() store.Write {
		return store.Write{
			ID: "a", Version: 3, Index: map[string]string{"user": "ann"}, State: []byte("state"),
			Early: map[int64]store.Event{5: {Channel: "c", At: at, Data: []byte("early")}},
			Emit:  []store.Event{{Channel: "c", At: at, Data: []byte("event")}},
		}
	}
	w, kept := write(), write()
	p, err := c.prepare(w)
	if err != nil {
		t.Fatal(err)
	}

	w.Index["user"] = "bob"
	clear(w.State)
	clear(w.Early[5].Data)
	clear(w.Early)
	clear(w.Emit[0].Data)
	w.Emit[0].Channel = "other"
	err = c.write(t.Context(), 1, func(in buckets) (outcome, error) {
		return db.codec.put(in, p)
	})
	if err != nil {
		t.Fatal(err)
	}

	got, err := c.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	want := store.Record{
		ID: "a", Revision: 1, Version: 3, Key: "a", Index: kept.Index, State: kept.State, Early: kept.Early,
		Outbox: map[int64]store.Event{3: kept.Emit[0]},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

// A record that cannot be read keeps its events, and the others lose theirs.
func TestForgetReportsTheFirstUnreadableRecord(t *testing.T) {
	db, c := openLarge(t, 4)
	spoil(t, db, "1")
	spoil(t, db, "2")
	var sent []store.Sent
	for _, id := range []string{"3", "2", "1", "0"} {
		sent = append(sent, store.Sent{ID: id, Versions: []int64{0}})
	}
	if err := c.Forget(t.Context(), sent); err == nil || !strings.Contains(err.Error(), "record 1: ") {
		t.Errorf("Forget = %v, want the error of record 1", err)
	}
	for _, id := range []string{"0", "3"} {
		if r, err := c.Get(t.Context(), id); err != nil || len(r.Outbox) != 0 {
			t.Errorf("record %s has %d events, %v, want none", id, len(r.Outbox), err)
		}
	}
}
