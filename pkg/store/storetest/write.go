package storetest

import (
	"errors"
	"testing"

	"ticketing/pkg/store"
)

// wantRefused sees that a write fails with an error and that nothing was written.
func wantRefused(t *testing.T, c store.Collection, w store.Write, want error) {
	t.Helper()
	before, waiting := mustAll(t, c), mustPending(t, c)
	if err := c.Put(t.Context(), w); !errors.Is(err, want) {
		t.Errorf("Put(%s at revision %d) = %v, want %v", w.ID, w.Revision, err, want)
	}
	wantEqual(t, "records after the refusal", before, mustAll(t, c))
	wantEqual(t, "pending after the refusal", waiting, mustPending(t, c))
}

func (s *suite) testPut(t *testing.T) {
	s.runSteps(t, []step{
		{"revision 0 creates, and revisions count the writes from 1", func(t *testing.T, c store.Collection) {
			for want := int64(1); want <= 3; want++ {
				mustPut(t, c, store.Write{ID: "a", Revision: want - 1, Version: 100})
				if got := mustGet(t, c, "a").Revision; got != want {
					t.Errorf("revision after %d writes = %d", want, got)
				}
			}
		}},
		{"version, index, state and early events replace what is stored", func(t *testing.T, c store.Collection) {
			mustPut(t, c, fullWrite("a"))
			second := store.Write{
				ID: "a", Revision: 1, Version: 8, Key: "other key",
				Index: map[string]string{"status": "cancelled"},
				State: []byte("second"),
				Early: map[int64]store.Event{11: event(11)[0]},
			}
			mustPut(t, c, second)
			want := recordOf(second)
			want.Revision, want.Outbox = 2, recordOf(fullWrite("a")).Outbox
			wantEqual(t, "record", want, mustGet(t, c, "a"))

			mustPut(t, c, store.Write{ID: "a", Revision: 2, Version: 9})
			wantEqual(t, "emptied record",
				store.Record{ID: "a", Revision: 3, Version: 9, Key: "a", Outbox: want.Outbox}, mustGet(t, c, "a"))
		}},
		{"a stub stands at version -1", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a", Version: -1, Early: map[int64]store.Event{3: event(3)[0]}})
			if got := mustGet(t, c, "a").Version; got != -1 {
				t.Errorf("version = %d, want -1", got)
			}
		}},
		{"ErrConflict where the record was to be created and exists", func(t *testing.T, c store.Collection) {
			mustPut(t, c, fullWrite("a"))
			wantRefused(t, c, store.Write{ID: "a", State: []byte("again"), Emit: event(0)}, store.ErrConflict)
		}},
		{"ErrConflict where the record was to be changed and does not exist", func(t *testing.T, c store.Collection) {
			mustPut(t, c, fullWrite("a"))
			wantRefused(t, c, store.Write{ID: "b", Revision: 1, Emit: event(0)}, store.ErrConflict)
		}},
		{"ErrConflict where the stored revision is another", func(t *testing.T, c store.Collection) {
			mustPut(t, c, fullWrite("a"), store.Write{ID: "a", Revision: 1, State: []byte("second")})
			for _, revision := range []int64{1, 3, 1 << 40} {
				wantRefused(t, c, store.Write{ID: "a", Revision: revision, Version: 8, Emit: event(8)}, store.ErrConflict)
			}
		}},
		{"a write without an id, or with an index that was not named, is refused", func(t *testing.T, c store.Collection) {
			for _, w := range []store.Write{{}, {ID: "a", Index: map[string]string{"title": "x"}}} {
				if err := c.Put(t.Context(), w); err == nil {
					t.Errorf("Put(%+v) succeeded", w)
				}
				if err := c.PutMany(t.Context(), []store.Write{{ID: "b"}, w}); err == nil {
					t.Errorf("PutMany with %+v succeeded", w)
				}
			}
			wantEqual(t, "records", []store.Record(nil), mustAll(t, c))
		}},
	})
}

func (s *suite) testDelete(t *testing.T) {
	s.runSteps(t, []step{
		{"removes the record, its key, its index values and what waits", func(t *testing.T, c store.Collection) {
			mustPut(t, c, fullWrite("a"))
			if err := c.Delete(t.Context(), "a", 1); err != nil {
				t.Fatalf("Delete = %v, want success", err)
			}
			if _, err := c.Get(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Get = %v, want ErrNotFound", err)
			}
			wantEqual(t, "records", []store.Record(nil), mustAll(t, c))
			wantEqual(t, "pending", []store.Record(nil), mustPending(t, c))
			wantEqual(t, "index", []string(nil), listed(t, c, store.Query{Index: "status", Value: "created", Limit: 9}))
			mustPut(t, c, store.Write{ID: "b", Key: "key of a"})
		}},
		{"an id can be used again, from revision 1 and with an empty outbox", func(t *testing.T, c store.Collection) {
			mustPut(t, c, fullWrite("a"))
			if err := c.Delete(t.Context(), "a", 1); err != nil {
				t.Fatalf("Delete = %v, want success", err)
			}
			mustPut(t, c, store.Write{ID: "a"})
			wantEqual(t, "record", store.Record{ID: "a", Revision: 1, Key: "a"}, mustGet(t, c, "a"))
		}},
		{"ErrConflict where it stands at another revision", func(t *testing.T, c store.Collection) {
			mustPut(t, c, fullWrite("a"), store.Write{ID: "a", Revision: 1})
			before := mustAll(t, c)
			for _, revision := range []int64{0, 1, 3} {
				if err := c.Delete(t.Context(), "a", revision); !errors.Is(err, store.ErrConflict) {
					t.Errorf("Delete at revision %d = %v, want ErrConflict", revision, err)
				}
			}
			wantEqual(t, "records", before, mustAll(t, c))
		}},
		{"ErrConflict where there is no such record", func(t *testing.T, c store.Collection) {
			for _, revision := range []int64{0, 1} {
				if err := c.Delete(t.Context(), "a", revision); !errors.Is(err, store.ErrConflict) {
					t.Errorf("Delete at revision %d = %v, want ErrConflict", revision, err)
				}
			}
		}},
	})
}
