package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"

	"ticketing/pkg/store"
)

// fullWrite uses every field, with values that a careless encoding would change.
func fullWrite(id string) store.Write {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	return store.Write{
		ID:      id,
		Version: 7,
		Key:     "key of " + id,
		Index:   map[string]string{"user": "Zoë \"quoted\" $.", "status": "created"},
		State:   every,
		Early: map[int64]store.Event{
			9:  {Channel: "ticket:updated", Sequence: math.MaxInt64, At: moment(1), Data: every},
			12: {Channel: "ticket:updated", Sequence: 1, At: moment(2), Data: []byte{0}},
		},
		Emit: []store.Event{{Channel: "order:created", At: moment(3), Data: every}},
	}
}

// recordOf is what a collection holds after a write has created a record.
func recordOf(w store.Write) store.Record {
	r := store.Record{
		ID: w.ID, Revision: 1, Version: w.Version, Key: w.Key, Index: w.Index, State: w.State, Early: w.Early,
	}
	if r.Key == "" {
		r.Key = r.ID
	}
	if w.Emit != nil {
		r.Outbox = map[int64]store.Event{w.Version: w.Emit[0]}
	}
	return r
}

func (s *suite) testGet(t *testing.T) {
	s.runSteps(t, []step{
		{"ErrNotFound where there is none", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a"})
			for _, id := range []string{"b", "", "A", "a "} {
				if _, err := c.Get(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("Get(%q) = %v, want ErrNotFound", id, err)
				}
			}
		}},
		{"every field comes back as it was written, bytes and milliseconds", func(t *testing.T, c store.Collection) {
			w := fullWrite("a")
			mustPut(t, c, w)
			wantEqual(t, "record", recordOf(w), mustGet(t, c, "a"))
		}},
		{"an empty record comes back empty", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a"})
			wantEqual(t, "record", store.Record{ID: "a", Revision: 1, Key: "a"}, mustGet(t, c, "a"))
		}},
		{"a state of 1 MiB", func(t *testing.T, c store.Collection) {
			w := store.Write{ID: "a", State: bytes.Repeat([]byte{0, 1, 0xff, '$'}, 1<<18)}
			mustPut(t, c, w)
			if got := mustGet(t, c, "a").State; !bytes.Equal(got, w.State) {
				t.Errorf("state of %d bytes came back as %d bytes, or others", len(w.State), len(got))
			}
		}},
		{"256 early events", func(t *testing.T, c store.Collection) {
			w := store.Write{ID: "a", Version: -1, Early: map[int64]store.Event{}}
			for v := range 256 {
				w.Early[int64(v+1)] = event(v)[0]
			}
			mustPut(t, c, w)
			wantEqual(t, "record", recordOf(w), mustGet(t, c, "a"))
		}},
		{"a record that was read stays as it is", func(t *testing.T, c store.Collection) {
			w := fullWrite("a")
			mustPut(t, c, w)
			held := mustGet(t, c, "a")
			mustPut(t, c, store.Write{ID: "a", Revision: 1, State: []byte("other")})
			wantEqual(t, "held record", recordOf(w), held)
		}},
		{"the caller may change what it has read and what it has written", func(t *testing.T, c store.Collection) {
			w := fullWrite("a")
			mustPut(t, c, w)
			read := mustGet(t, c, "a")
			clear(w.State)
			clear(w.Index)
			clear(read.State)
			clear(read.Outbox[7].Data)
			clear(read.Early)
			wantEqual(t, "record", recordOf(fullWrite("a")), mustGet(t, c, "a"))
		}},
	})
}

func (s *suite) testGetMany(t *testing.T) {
	s.runSteps(t, []step{
		{"those that exist, by id; repeated ids are allowed", func(t *testing.T, c store.Collection) {
			a, b := fullWrite("a"), fullWrite("b")
			mustPut(t, c, a, b, store.Write{ID: "c"})
			got, err := c.GetMany(t.Context(), []string{"b", "missing", "a", "b", ""})
			if err != nil {
				t.Fatalf("GetMany = %v, want the records", err)
			}
			wantEqual(t, "records", map[string]store.Record{"a": recordOf(a), "b": recordOf(b)}, got)
		}},
		{"of nothing is nothing", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a"})
			got, err := c.GetMany(t.Context(), nil)
			if err != nil || len(got) != 0 {
				t.Errorf("GetMany(nil) = %v, %v, want no record", got, err)
			}
		}},
		{"a large batch", func(t *testing.T, c store.Collection) {
			want := map[string]store.Record{}
			var ws []store.Write
			var names []string
			for i := range s.size.Batch {
				w := store.Write{ID: fmt.Sprintf("id-%04d", i), State: fmt.Appendf(nil, "state %d", i)}
				ws, names, want[w.ID] = append(ws, w), append(names, w.ID), recordOf(w)
			}
			if err := c.PutMany(t.Context(), ws); err != nil {
				t.Fatalf("PutMany = %v, want success", err)
			}
			got, err := c.GetMany(t.Context(), names)
			if err != nil {
				t.Fatalf("GetMany = %v, want the records", err)
			}
			wantEqual(t, "records", want, got)
		}},
	})
}
