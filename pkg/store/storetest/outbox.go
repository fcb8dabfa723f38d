package storetest

import (
	"fmt"
	"slices"
	"testing"

	"ticketing/pkg/store"
)

// emitting creates a record and changes it so that events 0..n-1 wait.
func emitting(t *testing.T, c store.Collection, id string, n int) {
	t.Helper()
	for v := range n {
		mustPut(t, c, store.Write{ID: id, Revision: int64(v), Version: int64(v), Emit: event(v)})
	}
}

func events(versions ...int64) map[int64]store.Event {
	out := map[int64]store.Event{}
	for _, v := range versions {
		out[v] = event(int(v))[0]
	}
	return out
}

func mustForget(t *testing.T, c store.Collection, sent ...store.Sent) {
	t.Helper()
	if err := c.Forget(t.Context(), sent); err != nil {
		t.Fatalf("Forget(%v) = %v, want success", sent, err)
	}
}

func (s *suite) testOutbox(t *testing.T) {
	s.runSteps(t, []step{
		{"an event joins under the version of its write", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a", Version: 4, Emit: event(4)})
			wantEqual(t, "outbox", events(4), mustGet(t, c, "a").Outbox)
		}},
		{"several events join under the versions up to that of their write", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a", Version: 2, Emit: slices.Concat(event(0), event(1), event(2))})
			mustPut(t, c, store.Write{ID: "a", Revision: 1, Version: 4, Emit: slices.Concat(event(3), event(4))})
			wantEqual(t, "outbox", events(0, 1, 2, 3, 4), mustGet(t, c, "a").Outbox)
		}},
		{"other events stay as they are", func(t *testing.T, c store.Collection) {
			emitting(t, c, "a", 3)
			wantEqual(t, "outbox", events(0, 1, 2), mustGet(t, c, "a").Outbox)
		}},
		{"a write without an event leaves the outbox alone", func(t *testing.T, c store.Collection) {
			emitting(t, c, "a", 2)
			mustPut(t, c, store.Write{ID: "a", Revision: 2, Version: 9, State: []byte("silent")})
			wantEqual(t, "outbox", events(0, 1), mustGet(t, c, "a").Outbox)
		}},
		{"early events are apart from the outbox", func(t *testing.T, c store.Collection) {
			emitting(t, c, "a", 1)
			mustPut(t, c, store.Write{ID: "a", Revision: 1, Early: events(0, 5)})
			mustForget(t, c, store.Sent{ID: "a", Versions: []int64{0}})
			r := mustGet(t, c, "a")
			wantEqual(t, "outbox", events(), r.Outbox)
			wantEqual(t, "early", events(0, 5), r.Early)
		}},
		{"as many events as may wait", func(t *testing.T, c store.Collection) {
			emitting(t, c, "a", store.MaxOutbox)
			if got := len(mustGet(t, c, "a").Outbox); got != store.MaxOutbox {
				t.Errorf("%d events wait, want %d", got, store.MaxOutbox)
			}
		}},
	})
}

func (s *suite) testPending(t *testing.T) {
	s.runSteps(t, []step{
		{"only records with events, whole", func(t *testing.T, c store.Collection) {
			wantEqual(t, "pending of nothing", []store.Record(nil), mustPending(t, c))
			mustPut(t, c, store.Write{ID: "a"}, fullWrite("b"), store.Write{ID: "c", Early: events(3)})
			wantEqual(t, "pending", []store.Record{recordOf(fullWrite("b"))}, mustPending(t, c))
		}},
		{"a record waits from its first event to its last, through silent writes", func(t *testing.T, c store.Collection) {
			waits := func(want bool, when string) {
				t.Helper()
				if got := len(mustPending(t, c)) == 1; got != want {
					t.Errorf("waits %s = %t, want %t", when, got, want)
				}
			}
			mustPut(t, c, store.Write{ID: "a"})
			waits(false, "without an event")
			mustPut(t, c, store.Write{ID: "a", Revision: 1, Version: 1, Emit: event(1)})
			mustPut(t, c, store.Write{ID: "a", Revision: 2, Version: 1})
			waits(true, "after a silent write")
			mustPut(t, c, store.Write{ID: "a", Revision: 3, Version: 2, Emit: event(2)})
			mustForget(t, c, store.Sent{ID: "a", Versions: []int64{1}})
			waits(true, "with one of two forgotten")
			mustForget(t, c, store.Sent{ID: "a", Versions: []int64{2}})
			waits(false, "with both forgotten")
			mustPut(t, c, store.Write{ID: "a", Revision: 4, Version: 3, Emit: event(3)})
			waits(true, "with the next one")
		}},
		{"pages in ascending order of id after the cursor", func(t *testing.T, c store.Collection) {
			for i := range 5 {
				mustPut(t, c, store.Write{ID: fmt.Sprint(i), Emit: event(0)}, store.Write{ID: fmt.Sprint(i, "silent")})
			}
			for _, test := range []struct {
				after string
				limit int
				want  []string
			}{
				{"", 2, []string{"0", "1"}},
				{"1", 2, []string{"2", "3"}},
				{"3", 2, []string{"4"}},
				{"4", 2, nil},
				{"2silent", 9, []string{"3", "4"}},
			} {
				rs, err := c.Pending(t.Context(), test.after, test.limit)
				if err != nil {
					t.Fatalf("Pending = %v, want a page", err)
				}
				wantEqual(t, "pending after "+test.after, test.want, ids(rs))
			}
		}},
		{"a limit below 1 is refused", func(t *testing.T, c store.Collection) {
			if _, err := c.Pending(t.Context(), "", 0); err == nil {
				t.Error("Pending with limit 0 succeeded")
			}
		}},
	})
}

func (s *suite) testForget(t *testing.T) {
	s.runSteps(t, []step{
		{"removes the named events of several records", func(t *testing.T, c store.Collection) {
			emitting(t, c, "a", 3)
			emitting(t, c, "b", 1)
			emitting(t, c, "c", 1)
			mustForget(t, c, store.Sent{ID: "b", Versions: []int64{0}}, store.Sent{ID: "a", Versions: []int64{0, 1}})
			wantEqual(t, "outbox of a", events(2), mustGet(t, c, "a").Outbox)
			wantEqual(t, "pending", []string{"a", "c"}, ids(mustPending(t, c)))
		}},
		{"changes no revision and nothing else", func(t *testing.T, c store.Collection) {
			w := fullWrite("a")
			mustPut(t, c, w)
			mustForget(t, c, store.Sent{ID: "a", Versions: []int64{7}})
			want := recordOf(w)
			want.Outbox = nil
			wantEqual(t, "record", want, mustGet(t, c, "a"))
			wantEqual(t, "by index", []string{"a"}, listed(t, c, store.Query{Index: "status", Value: "created", Limit: 9}))
			wantRefused(t, c, store.Write{ID: "b", Key: w.Key}, store.ErrKeyTaken)
		}},
		{"conflicts with no writer that has read before", func(t *testing.T, c store.Collection) {
			emitting(t, c, "a", 1)
			read := mustGet(t, c, "a")
			mustForget(t, c, store.Sent{ID: "a", Versions: []int64{0}})
			mustPut(t, c, store.Write{ID: "a", Revision: read.Revision, Version: 1, Emit: event(1)})
			wantEqual(t, "outbox", events(1), mustGet(t, c, "a").Outbox)
		}},
		{"ids and versions that are not there are skipped", func(t *testing.T, c store.Collection) {
			emitting(t, c, "a", 2)
			mustForget(t, c,
				store.Sent{ID: "missing", Versions: []int64{0}},
				store.Sent{ID: "", Versions: []int64{0}},
				store.Sent{ID: "a", Versions: []int64{-1, 0, 0, 5}},
				store.Sent{ID: "a", Versions: []int64{0}},
				store.Sent{ID: "a"},
			)
			wantEqual(t, "outbox", events(1), mustGet(t, c, "a").Outbox)
			wantEqual(t, "ids", []string{"a"}, ids(mustAll(t, c)))
		}},
		{"one record named twice loses both events", func(t *testing.T, c store.Collection) {
			emitting(t, c, "a", 2)
			mustForget(t, c, store.Sent{ID: "a", Versions: []int64{1}}, store.Sent{ID: "a", Versions: []int64{0}})
			wantEqual(t, "pending", []store.Record(nil), mustPending(t, c))
		}},
		{"of nothing is nothing", func(t *testing.T, c store.Collection) {
			mustForget(t, c)
		}},
	})
}
