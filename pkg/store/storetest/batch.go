package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"ticketing/pkg/store"
)

func (s *suite) testPutMany(t *testing.T) {
	s.runSteps(t, []step{
		{"nil when every one is stored, created and changed in one batch", func(t *testing.T, c store.Collection) {
			mustPut(t, c, fullWrite("a"))
			b := fullWrite("b")
			err := c.PutMany(t.Context(), []store.Write{
				b, {ID: "a", Revision: 1, Version: 8, State: []byte("second"), Emit: event(8)}, {ID: "c"},
			})
			if err != nil {
				t.Fatalf("PutMany = %v, want success", err)
			}
			a := recordOf(fullWrite("a"))
			a.Outbox[8] = event(8)[0]
			want := []store.Record{
				{ID: "a", Revision: 2, Version: 8, Key: "a", State: []byte("second"), Outbox: a.Outbox},
				recordOf(b),
				{ID: "c", Revision: 1, Key: "c"},
			}
			wantEqual(t, "records", want, mustAll(t, c))
			wantEqual(t, "pending", want[:2], mustPending(t, c))
		}},
		{"of nothing is nothing", func(t *testing.T, c store.Collection) {
			if err := c.PutMany(t.Context(), nil); err != nil {
				t.Errorf("PutMany(nil) = %v, want success", err)
			}
		}},
		{"ErrConflict where some do not match: those never, the others whole or not at all", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a"}, store.Write{ID: "b"}, store.Write{ID: "b", Revision: 1})
			before := mustAll(t, c)
			err := c.PutMany(t.Context(), []store.Write{
				{ID: "a", Revision: 1, State: []byte("new"), Emit: event(0)},
				{ID: "b", Revision: 1, State: []byte("new"), Emit: event(0)}, // stale
				{ID: "c", Revision: 4, State: []byte("new"), Emit: event(0)}, // does not exist
				{ID: "d", State: []byte("new"), Emit: event(0)},
			})
			if !errors.Is(err, store.ErrConflict) {
				t.Errorf("PutMany = %v, want ErrConflict", err)
			}
			wantWholeOrNot(t, c, before, map[string]int64{"a": 2, "d": 1})
			wantNamed(t, c, err, []string{"b", "c"}, map[string]int64{"a": 2, "d": 1})
		}},
		{"ErrConflict where one was to be created and exists", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "b", Version: 5})
			before := mustAll(t, c)
			err := c.PutMany(t.Context(), []store.Write{
				{ID: "a", State: []byte("new"), Emit: event(0)}, {ID: "b", State: []byte("new"), Emit: event(0)},
			})
			if !errors.Is(err, store.ErrConflict) {
				t.Errorf("PutMany = %v, want ErrConflict", err)
			}
			wantWholeOrNot(t, c, before, map[string]int64{"a": 1})
		}},
		{"ErrKeyTaken where one wants a key that another record holds", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "b", Key: "k"})
			before := mustAll(t, c)
			err := c.PutMany(t.Context(), []store.Write{
				{ID: "a", State: []byte("new"), Emit: event(0)}, {ID: "c", Key: "k", State: []byte("new"), Emit: event(0)},
			})
			if !errors.Is(err, store.ErrKeyTaken) {
				t.Errorf("PutMany = %v, want ErrKeyTaken", err)
			}
			wantWholeOrNot(t, c, before, map[string]int64{"a": 1})
			wantNamed(t, c, err, []string{"c"}, map[string]int64{"a": 1})
		}},
		{"two of a batch that want one key: not both", func(t *testing.T, c store.Collection) {
			err := c.PutMany(t.Context(), []store.Write{{ID: "a", Key: "k"}, {ID: "b", Key: "k"}})
			if !errors.Is(err, store.ErrKeyTaken) {
				t.Errorf("PutMany = %v, want ErrKeyTaken", err)
			}
			if rs := mustAll(t, c); len(rs) > 1 {
				t.Errorf("both hold the key: %v", ids(rs))
			}
		}},
		{"a large batch, twice", func(t *testing.T, c store.Collection) {
			for revision := range int64(2) {
				var ws []store.Write
				for i := range s.size.Batch {
					ws = append(ws, store.Write{ID: fmt.Sprintf("id-%04d", i), Revision: revision, Version: revision})
				}
				if err := c.PutMany(t.Context(), ws); err != nil {
					t.Fatalf("PutMany at revision %d = %v, want success", revision, err)
				}
			}
			rs := mustAll(t, c)
			if len(rs) != s.size.Batch {
				t.Fatalf("%d records, want %d", len(rs), s.size.Batch)
			}
			for _, r := range rs {
				if r.Revision != 2 || r.Version != 1 {
					t.Errorf("record %s at revision %d and version %d, want 2 and 1", r.ID, r.Revision, r.Version)
				}
			}
		}},
	})
}

// wantWholeOrNot sees that a record either is as before or has been written whole, with state "new"
// and event 0, and that only those named in may (to their new revision) have been written.
func wantWholeOrNot(t *testing.T, c store.Collection, before []store.Record, may map[string]int64) {
	t.Helper()
	old := map[string]store.Record{}
	for _, r := range before {
		old[r.ID] = r
	}
	for _, r := range mustAll(t, c) {
		was, existed := old[r.ID]
		if existed && r.Revision == was.Revision {
			wantEqual(t, "record that was not written", was, r)
			continue
		}
		want := store.Record{
			ID: r.ID, Revision: may[r.ID], Key: r.ID, State: []byte("new"), Outbox: map[int64]store.Event{0: event(0)[0]},
		}
		wantEqual(t, "record that was written", want, r)
	}
}

// wantNamed sees that an error which says what was refused names just that, and that all others are stored, at
// their new revisions.
func wantNamed(t *testing.T, c store.Collection, err error, ids []string, stored map[string]int64) {
	t.Helper()
	var refused *store.Refused
	if !errors.As(err, &refused) {
		return // it does not say
	}
	got := slices.Sorted(slices.Values(refused.IDs))
	wantEqual(t, "refused", ids, got)
	for id, revision := range stored {
		if r, err := c.Get(t.Context(), id); err != nil || r.Revision != revision {
			t.Errorf("%s = revision %d, %v; it was not refused, so want %d", id, r.Revision, err, revision)
		}
	}
}
