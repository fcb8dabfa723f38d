package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// tally is an own entity that notes which events it was changed by.
type tally struct {
	Seen []int `json:"seen"`
}

func tallyEvent(e outbox.Entity[tally]) (event.Subject, []byte, error) {
	return "tally:changed", fmt.Appendf(nil, "%s v%d", e.ID, e.Version), nil
}

// note is the reaction to an event with this number about a source.
func note(own, source event.ID, number int) outbox.Reaction[tally] {
	return outbox.Reaction[tally]{ID: own, Source: source, Rule: func(e outbox.Entity[tally]) (tally, error) {
		for _, seen := range e.State.Seen {
			if seen == number {
				return e.State, outbox.ErrNoChange
			}
		}
		return tally{append(e.State.Seen[:len(e.State.Seen):len(e.State.Seen)], number)}, nil
	}}
}

var errRule = errors.New("the rule says no")

// no is a reaction that its rule refuses.
func no(own, source event.ID) outbox.Reaction[tally] {
	return outbox.Reaction[tally]{ID: own, Source: source, Rule: func(e outbox.Entity[tally]) (tally, error) { return e.State, errRule }}
}

func newTallies(records store.Collection, relay *outbox.Relay) *outbox.Entities[tally] {
	return outbox.NewEntities(outbox.Kind[tally]{Announce: tallyEvent}, records, relay, time.Now)
}

func mustReact(t testing.TB, tallies *outbox.Entities[tally], reactions ...outbox.Reaction[tally]) map[int]error {
	t.Helper()
	refused, err := tallies.React(t.Context(), reactions)
	if err != nil {
		t.Fatal(err)
	}
	return refused
}

// tallyOf returns what is stored of an entity: its version, what it has seen and the versions in its outbox.
func tallyOf(t testing.TB, records store.Collection, id string) string {
	t.Helper()
	record, err := records.Get(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	waiting := ""
	for version := range int64(100) {
		if ev, ok := record.Outbox[version]; ok {
			waiting += fmt.Sprintf(" %s", ev.Data)
		}
	}
	return fmt.Sprintf("%d %s%s", record.Version, record.State, waiting)
}

func TestReact(t *testing.T) {
	for name, tt := range map[string]struct {
		reactions []outbox.Reaction[tally]
		refused   map[int]error
		want      map[string]string
	}{
		"creates what is missing": {
			[]outbox.Reaction[tally]{note("new", "x", 1)}, map[int]error{},
			map[string]string{"new": `0 {"seen":[1]} new v0`},
		},
		"changes what is there": {
			[]outbox.Reaction[tally]{note("a", "x", 1)}, map[int]error{},
			map[string]string{"a": `1 {"seen":[0,1]} a v0 a v1`},
		},
		"several of one entity make a version and an event each": {
			[]outbox.Reaction[tally]{note("new", "x", 1), note("a", "y", 2), note("new", "x", 3), note("new", "y", 4)}, map[int]error{},
			map[string]string{"new": `2 {"seen":[1,3,4]} new v0 new v1 new v2`, "a": `1 {"seen":[0,2]} a v0 a v1`},
		},
		"what was reacted to before changes nothing": {
			[]outbox.Reaction[tally]{note("a", "x", 0), note("a", "x", 0)}, map[int]error{},
			map[string]string{"a": `0 {"seen":[0]} a v0`},
		},
		"a refused one leaves those of its source behind it alone, and no others": {
			[]outbox.Reaction[tally]{note("a", "x", 1), no("a", "x"), note("a", "x", 2), note("new", "x", 3), note("a", "y", 4)}, map[int]error{1: errRule},
			map[string]string{"a": `2 {"seen":[0,1,4]} a v0 a v1 a v2`, "new": "none"},
		},
		"nothing": {nil, map[int]error{}, map[string]string{"a": `0 {"seen":[0]} a v0`}},
	} {
		t.Run(name, func(t *testing.T) {
			records := memstore.Collection(t, store.Spec{Name: "tallies"})
			tallies := newTallies(records, newRelay(records, &scriptedPublisher{}, outbox.Config{}))
			mustReact(t, tallies, note("a", "", 0))
			if diff := cmp.Diff(tt.refused, mustReact(t, tallies, tt.reactions...), cmp.Comparer(errors.Is)); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
			for id, want := range tt.want {
				if want == "none" {
					if _, err := records.Get(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
						t.Errorf("%s: %v, want none", id, err)
					}
				} else if got := tallyOf(t, records, id); got != want {
					t.Errorf("%s is %s, want %s", id, got, want)
				}
			}
		})
	}
}

// Reactions are published in version order, by a relay that has them in memory.
func TestReactionsArePublished(t *testing.T) {
	records := memstore.Collection(t, store.Spec{Name: "tallies"})
	publisher := &scriptedPublisher{}
	relay := newRelay(records, publisher, outbox.Config{SweepEvery: time.Hour})
	start(t, relay)
	mustReact(t, newTallies(records, relay), note("a", "x", 1), note("a", "x", 2), note("a", "x", 3))
	got := publisher.until(t, has(3))
	if diff := cmp.Diff([]string{"a v0", "a v1", "a v2"}, got); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

// A kind without events has reactions all the same.
func TestReactionsWithoutEvents(t *testing.T) {
	records := memstore.Collection(t, store.Spec{Name: "tallies"})
	tallies := outbox.NewEntities(outbox.Kind[tally]{}, records, nil, time.Now)
	mustReact(t, tallies, note("a", "x", 1), note("a", "x", 2))
	if got := tallyOf(t, records, "a"); got != `1 {"seen":[1,2]}` {
		t.Errorf("a is %s", got)
	}
}

// While an entity's events wait in too great a number, reactions to it wait too, and are refused for no reason of their own.
func TestReactionsWaitForRoomInTheOutbox(t *testing.T) {
	records := memstore.Collection(t, store.Spec{Name: "tallies"})
	tallies := newTallies(records, newRelay(records, &scriptedPublisher{}, outbox.Config{}))
	var all []outbox.Reaction[tally]
	for i := range store.MaxOutbox - 1 {
		all = append(all, note("a", "x", i))
	}
	mustReact(t, tallies, all...)
	two := []outbox.Reaction[tally]{note("a", "x", store.MaxOutbox-1), note("a", "x", store.MaxOutbox)}
	if _, err := tallies.React(t.Context(), two); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("two at once with room for one: %v, want unavailable", err)
	}
	mustReact(t, tallies, two[0])
	if _, err := tallies.React(t.Context(), two[1:]); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("one more: %v, want unavailable", err)
	}
	if refused := mustReact(t, tallies, note("a", "x", 0)); len(refused) > 0 {
		t.Errorf("one that changes nothing: %v", refused)
	}
}

// racedStore lets other writers be first between a reading and the writing behind it.
type racedStore struct {
	store.Collection
	between func()
	read    [][]string
}

func (s *racedStore) GetMany(ctx context.Context, ids []string) (map[string]store.Record, error) {
	s.read = append(s.read, ids)
	found, err := s.Collection.GetMany(ctx, ids)
	if between := s.between; between != nil {
		s.between = nil
		between()
	}
	return found, err
}

// Another writer that is first costs a new decision for its entity alone, and nothing is lost or done twice.
func TestReactionsBesideOtherWriters(t *testing.T) {
	raced := &racedStore{Collection: memstore.Collection(t, store.Spec{Name: "tallies"})}
	tallies := newTallies(raced, newRelay(raced, &scriptedPublisher{}, outbox.Config{}))
	other := newTallies(raced.Collection, newRelay(raced.Collection, &scriptedPublisher{}, outbox.Config{}))
	mustReact(t, other, note("a", "", 0), note("b", "", 0))
	raced.between = func() { mustReact(t, other, note("b", "", 7)) }
	mustReact(t, tallies, note("a", "x", 1), note("b", "x", 1), note("c", "x", 1), note("b", "x", 2))
	for id, want := range map[string]string{
		"a": `1 {"seen":[0,1]} a v0 a v1`, "b": `3 {"seen":[0,7,1,2]} b v0 b v1 b v2 b v3`, "c": `0 {"seen":[1]} c v0`,
	} {
		if got := tallyOf(t, raced, id); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
	if diff := cmp.Diff([][]string{{"a", "b", "c"}, {"b"}}, raced.read); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

// A crowd that is always first ends the attempts with a conflict.
func TestReactionsGiveUp(t *testing.T) {
	raced := &racedStore{Collection: memstore.Collection(t, store.Spec{Name: "tallies"})}
	other := newTallies(raced.Collection, newRelay(raced.Collection, &scriptedPublisher{}, outbox.Config{}))
	tallies := outbox.NewEntities(outbox.Kind[tally]{Announce: tallyEvent, MaxAttempts: 3}, raced,
		newRelay(raced, &scriptedPublisher{}, outbox.Config{}), time.Now)
	n := 100
	var first func()
	first = func() {
		n++
		mustReact(t, other, note("a", "", n))
		raced.between = first
	}
	raced.between = first
	if _, err := tallies.React(t.Context(), []outbox.Reaction[tally]{note("a", "x", 1)}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("error is %v, want a conflict", err)
	}
	if len(raced.read) != 3 {
		t.Errorf("tried %d times, want 3", len(raced.read))
	}
}

// unknownStore stores a batch and fails it: nobody knows whether it was.
type unknownStore struct {
	store.Collection
	err error
}

func (s *unknownStore) PutMany(ctx context.Context, ws []store.Write) error {
	err := s.Collection.PutMany(ctx, ws)
	if s.err != nil {
		err, s.err = s.err, nil
	}
	return err
}

// A batch of unknown outcome is repeated without effect, and its events are published, whichever error it had.
func TestReactionsOfUnknownOutcome(t *testing.T) {
	for name, tt := range map[string]struct {
		err   error
		again bool // the caller repeats
	}{
		"the store is away":              {store.ErrUnavailable, true},
		"a conflict, nobody knows which": {store.ErrConflict, false},
	} {
		t.Run(name, func(t *testing.T) {
			records := &unknownStore{Collection: memstore.Collection(t, store.Spec{Name: "tallies"})}
			publisher := &scriptedPublisher{}
			relay := newRelay(records, publisher, outbox.Config{SweepEvery: time.Hour})
			tallies := newTallies(records, relay)
			start(t, relay)
			mustReact(t, tallies, note("a", "x", 0))
			publisher.until(t, has(1))
			records.err = tt.err
			reactions := []outbox.Reaction[tally]{note("a", "x", 1), note("b", "x", 1)}
			_, err := tallies.React(t.Context(), reactions)
			if tt.again != errors.Is(err, store.ErrUnavailable) {
				t.Errorf("error is %v", err)
			}
			if tt.again {
				mustReact(t, tallies, reactions...)
			}
			got := map[string]int{}
			for _, ev := range publisher.until(t, has(3)) {
				got[ev]++
			}
			if diff := cmp.Diff(map[string]int{"a v0": 1, "a v1": 1, "b v0": 1}, got); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever batches several callers apply at once, to the same entities, each reaction takes effect once.
func TestReactionsAtOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		records, err := memstore.New().Collection(t.Context(), store.Spec{Name: "tallies"})
		if err != nil {
			rt.Fatal(err)
		}
		tallies := newTallies(records, newRelay(records, &scriptedPublisher{}, outbox.Config{}))
		want, number := map[event.ID]int{}, 0
		var callers sync.WaitGroup
		for range rapid.IntRange(1, 4).Draw(rt, "callers") {
			var reactions []outbox.Reaction[tally]
			for range rapid.IntRange(0, 6).Draw(rt, "reactions") {
				number++
				own := event.ID(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "own"))
				reactions = append(reactions, note(own, "x", number))
				want[own]++
			}
			callers.Go(func() {
				if refused, err := tallies.React(context.Background(), reactions); err != nil || len(refused) > 0 {
					t.Errorf("refused %v, %v", refused, err)
				}
			})
		}
		callers.Wait()
		for id, n := range want {
			got, err := tallies.Get(t.Context(), id)
			if err != nil || len(got.State.Seen) != n || int(got.Version) != n-1 {
				rt.Fatalf("%s is %+v, %v; want %d reactions", id, got, err, n)
			}
		}
	})
}
