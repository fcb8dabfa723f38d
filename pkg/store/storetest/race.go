package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ticketing/pkg/store"
)

func (s *suite) testRace(t *testing.T) {
	s.runSteps(t, []step{
		{"of many that change one revision, one wins", s.raceRevision},
		{"of many that retry, none loses an update", s.raceUpdates},
		{"of many that create one id, one wins", s.raceCreate},
		{"of many that create one key, one wins", s.raceCreateKey},
		{"of many that change to one key, one wins", s.raceChangeKey},
		{"of many batches over the same records, one wins each record", s.raceBatches},
		{"of one that changes and one that deletes, one wins", s.raceDelete},
		{"who is refused can read what refused it", s.raceRead},
		{"forgetting loses no event and hinders no writer", s.raceForget},
	})
}

// wantOneWinner runs an attempt in every writer and sees that one succeeds and that the others fail
// with the given error. It returns the winner.
func (s *suite) wantOneWinner(t *testing.T, lost error, attempt func(writer int) error) int {
	t.Helper()
	var mu sync.Mutex
	var winners []int
	together(s.size.Writers, func(writer int) {
		err := attempt(writer)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			winners = append(winners, writer)
		case !errors.Is(err, lost):
			t.Errorf("writer %d lost with %v, want %v", writer, err, lost)
		}
	})
	if len(winners) != 1 {
		t.Fatalf("winners = %v, want one", winners)
	}
	return winners[0]
}

func (s *suite) raceRevision(t *testing.T, c store.Collection) {
	mustPut(t, c, store.Write{ID: "a"})
	for revision := int64(1); revision <= 5; revision++ {
		winner := s.wantOneWinner(t, store.ErrConflict, func(writer int) error {
			return c.Put(t.Context(), store.Write{
				ID: "a", Revision: revision, Version: revision, State: fmt.Append(nil, writer), Emit: event(writer),
			})
		})
		r := mustGet(t, c, "a")
		if r.Revision != revision+1 || string(r.State) != fmt.Sprint(winner) {
			t.Errorf("record has revision %d and state %s, want %d and %d", r.Revision, r.State, revision+1, winner)
		}
		wantEqual(t, "event", event(winner)[0], r.Outbox[revision])
	}
}

func (s *suite) raceUpdates(t *testing.T, c store.Collection) {
	mustPut(t, c, store.Write{ID: "a"})
	together(s.size.Writers, func(writer int) {
		for i := range s.size.Updates {
			mark := fmt.Sprintf(" %d.%d", writer, i)
			err := retry(t.Context(), c, "a", func(r store.Record) store.Write {
				return store.Write{ID: "a", Revision: r.Revision, Version: r.Version + 1, State: append(r.State, mark...)}
			})
			if err != nil {
				t.Errorf("writer %d: %v", writer, err)
				return
			}
		}
	})
	r := mustGet(t, c, "a")
	want := s.size.Writers * s.size.Updates
	if r.Revision != int64(want)+1 || r.Version != int64(want) {
		t.Errorf("record at revision %d and version %d, want %d and %d", r.Revision, r.Version, want+1, want)
	}
	marks := strings.Fields(string(r.State))
	slices.Sort(marks)
	if distinct := len(slices.Compact(marks)); distinct != want {
		t.Errorf("%d updates are in the record, want %d", distinct, want)
	}
}

// retry reads, decides and writes until no other writer comes between.
func retry(ctx context.Context, c store.Collection, id string, change func(store.Record) store.Write) error {
	for {
		r, err := c.Get(ctx, id)
		if err != nil {
			return err
		}
		if err := c.Put(ctx, change(r)); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func (s *suite) raceCreate(t *testing.T, c store.Collection) {
	winner := s.wantOneWinner(t, store.ErrConflict, func(writer int) error {
		return c.Put(t.Context(), store.Write{ID: "a", State: fmt.Append(nil, writer), Emit: event(writer)})
	})
	want := store.Record{
		ID: "a", Revision: 1, Key: "a", State: fmt.Append(nil, winner), Outbox: map[int64]store.Event{0: event(winner)[0]},
	}
	wantEqual(t, "records", []store.Record{want}, mustAll(t, c))
}

func (s *suite) raceCreateKey(t *testing.T, c store.Collection) {
	winner := s.wantOneWinner(t, store.ErrKeyTaken, func(writer int) error {
		return c.Put(t.Context(), store.Write{ID: fmt.Sprint("order-", writer), Key: "ticket", Emit: event(0)})
	})
	wantEqual(t, "ids", []string{fmt.Sprint("order-", winner)}, ids(mustAll(t, c)))
	wantEqual(t, "pending", []string{fmt.Sprint("order-", winner)}, ids(mustPending(t, c)))
}

func (s *suite) raceChangeKey(t *testing.T, c store.Collection) {
	for writer := range s.size.Writers {
		mustPut(t, c, store.Write{ID: fmt.Sprint("order-", writer)})
	}
	winner := s.wantOneWinner(t, store.ErrKeyTaken, func(writer int) error {
		return c.Put(t.Context(), store.Write{ID: fmt.Sprint("order-", writer), Revision: 1, Key: "ticket"})
	})
	for _, r := range mustAll(t, c) {
		if won := r.ID == fmt.Sprint("order-", winner); (r.Key == "ticket") != won || (r.Revision == 2) != won {
			t.Errorf("%s has key %s at revision %d; the winner is order-%d", r.ID, r.Key, r.Revision, winner)
		}
	}
}

func (s *suite) raceBatches(t *testing.T, c store.Collection) {
	const records = 10
	batch := func(revision int64, state string) []store.Write {
		ws := make([]store.Write, records)
		for i := range ws {
			ws[i] = store.Write{ID: fmt.Sprint(i), Revision: revision, Version: revision, State: []byte(state), Emit: event(i)}
		}
		return ws
	}
	for revision := range int64(3) {
		var whole atomic.Int64
		together(s.size.Writers, func(writer int) {
			err := c.PutMany(t.Context(), batch(revision, fmt.Sprint(writer)))
			if err == nil {
				whole.Add(1)
			} else if !errors.Is(err, store.ErrConflict) {
				t.Errorf("PutMany = %v, want success or ErrConflict", err)
			}
		})
		if n := whole.Load(); n > 1 {
			t.Errorf("%d batches say that all of the same records are theirs", n)
		}
		all := mustAll(t, c)
		if len(all) != records {
			t.Fatalf("%d records, want %d", len(all), records)
		}
		for _, r := range all {
			if r.Revision != revision+1 || len(r.Outbox) != int(revision)+1 {
				t.Errorf("record %s at revision %d with %d events, want %d of both", r.ID, r.Revision, len(r.Outbox), revision+1)
			}
		}
	}
}

func (s *suite) raceDelete(t *testing.T, c store.Collection) {
	mustPut(t, c, store.Write{ID: "a"})
	winner := s.wantOneWinner(t, store.ErrConflict, func(writer int) error {
		if writer%2 == 0 {
			return c.Delete(t.Context(), "a", 1)
		}
		return c.Put(t.Context(), store.Write{ID: "a", Revision: 1})
	})
	_, err := c.Get(t.Context(), "a")
	if deleted := winner%2 == 0; errors.Is(err, store.ErrNotFound) != deleted {
		t.Errorf("Get = %v, but the winner deleted it: %t", err, deleted)
	}
}

// raceRead lets every loser read at once what it lost against. The writers do not wait for each other between their
// writes, so that winners and losers come to the store together.
func (s *suite) raceRead(t *testing.T, c store.Collection) {
	sees := func(refusal error, id string, revision int64) {
		r, err := c.Get(t.Context(), id)
		if refusal != nil && (err != nil || r.Revision < revision) {
			t.Errorf("Get(%s) after %v = revision %d, %v, want at least %d", id, refusal, r.Revision, err, revision)
		}
	}
	together(s.size.Writers, func(writer int) {
		for round := range 2 * s.size.Updates {
			id, key, own := fmt.Sprint("a-", round), fmt.Sprint("ticket-", round), fmt.Sprint(writer, "-", round)
			sees(c.Put(t.Context(), store.Write{ID: id}), id, 1)
			sees(c.Put(t.Context(), store.Write{ID: id, Revision: 1}), id, 2)
			sees(c.PutMany(t.Context(), []store.Write{{ID: "b-" + own}, {ID: id, Revision: 2}}), id, 3)
			refusal := c.Put(t.Context(), store.Write{ID: "c-" + own, Key: key})
			rs, err := c.List(t.Context(), store.Query{Limit: 10_000})
			if !slices.ContainsFunc(rs, func(r store.Record) bool { return r.Key == key }) {
				t.Errorf("List after %v has no record with the key, %v", refusal, err)
			}
		}
	})
}

// raceForget lets one writer emit events while two relays publish what they find and forget it.
func (s *suite) raceForget(t *testing.T, c store.Collection) {
	mustPut(t, c, store.Write{ID: "a", Emit: event(0)})
	last := int64(s.size.Writers * s.size.Updates)
	written := make(chan struct{})
	published := make([]atomic.Int64, last+1)

	relay := func() error {
		rs, err := c.Pending(t.Context(), "", 10)
		if err != nil || len(rs) == 0 {
			return err
		}
		sent := store.Sent{ID: "a"}
		for v := range rs[0].Outbox {
			published[v].Add(1)
			sent.Versions = append(sent.Versions, v)
		}
		return c.Forget(t.Context(), []store.Sent{sent})
	}
	together(3, func(role int) {
		if role == 0 {
			defer close(written)
			for v := int64(1); v <= last; v++ {
				if err := c.Put(t.Context(), store.Write{ID: "a", Revision: v, Version: v, Emit: event(int(v))}); err != nil {
					t.Errorf("Put of version %d = %v, want success beside Forget", v, err)
					return
				}
			}
			return
		}
		for done := false; !done; {
			select {
			case <-written:
				done = true // one more round, for the last events
			default:
			}
			if err := relay(); err != nil {
				t.Errorf("relay: %v", err)
				return
			}
		}
	})

	for v := range published {
		if published[v].Load() == 0 {
			t.Errorf("event %d was never seen", v)
		}
	}
	r := mustGet(t, c, "a")
	wantEqual(t, "outbox at the end", events(), r.Outbox)
	if r.Revision != last+1 || r.Version != last {
		t.Errorf("record at revision %d and version %d, want %d and %d", r.Revision, r.Version, last+1, last)
	}
	wantEqual(t, "pending at the end", []store.Record(nil), mustPending(t, c))
}
