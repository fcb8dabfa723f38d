package outbox_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
)

func TestASweepLeavesFreshEventsToTheirOwnProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given a relay past its first sweep, which takes everything
		records := bolttest.Collection(t, store.Spec{Name: "counters"})
		var ours, theirs clock
		ours.set(noon)
		theirs.set(noon)
		publisher := &scriptedPublisher{}
		start(t, newRelay(records, publisher, outbox.Config{SweepEvery: time.Second, Grace: time.Minute, Now: ours.now}))
		other := outbox.NewEntities(outbox.Kind[counter]{Announce: counterEvent}, records,
			newRelay(records, &scriptedPublisher{}, outbox.Config{}), theirs.now)
		storedAt := func(id event.ID, at time.Time) {
			t.Helper()
			theirs.set(at)
			if _, err := other.Create(t.Context(), id, counter{}); err != nil {
				t.Fatal(err)
			}
		}
		storedAt("first", noon)
		ours.set(noon.Add(time.Hour))
		publisher.until(t, has(1))
		// when another process stores a fresh event, one by a clock that is a little ahead, one that is old, one before
		// its clock was set back, and an old one behind a fresh one of its entity
		storedAt("fresh", noon.Add(time.Hour))
		storedAt("ahead", noon.Add(time.Hour+30*time.Second))
		storedAt("old", noon)
		storedAt("set-back", noon.Add(2*time.Hour))
		storedAt("fresh-first", noon.Add(time.Hour))
		theirs.set(noon)
		if _, err := other.Change(t.Context(), "fresh-first", add(1)); err != nil {
			t.Fatal(err)
		}
		// then only the old one and that from before the clock was set back are taken
		time.Sleep(10 * time.Second)
		got := publisher.until(t, has(3))[1:]
		slices.Sort(got)
		if want := []string{"old v0 n0", "set-back v0 n0"}; !slices.Equal(got, want) {
			t.Errorf("taken: %q, want %q", got, want)
		}
	})
}

func TestAFirstSweepTakesEventsFromTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given an event of a process that has died, and a clock that was set back before the next one starts
		records := bolttest.Collection(t, store.Spec{Name: "counters"})
		var clock clock
		clock.set(noon.Add(time.Second))
		dead := outbox.NewEntities(outbox.Kind[counter]{Announce: counterEvent}, records,
			newRelay(records, &scriptedPublisher{}, outbox.Config{}), clock.now)
		if _, err := dead.Create(t.Context(), "left", counter{}); err != nil {
			t.Fatal(err)
		}
		clock.set(noon)
		// when that one starts, then it takes the event at once
		publisher := &scriptedPublisher{}
		start(t, newRelay(records, publisher, outbox.Config{SweepEvery: time.Hour, Grace: time.Minute, Now: clock.now}))
		publisher.until(t, has(1))
	})
}

// What a crash left is not fresh to anybody, also if the store was away at the first sweep.
func TestASweepAfterAFailedFirstOneTakesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given a fresh event of a process that has died, and a store that is away when the next one starts
		records := &scriptedStore{Collection: bolttest.Collection(t, store.Spec{Name: "counters"})}
		dead := newCounters(records, newRelay(records, &scriptedPublisher{}, outbox.Config{}))
		if _, err := dead.Create(t.Context(), "a", counter{}); err != nil {
			t.Fatal(err)
		}
		records.pending = func(call int) error {
			if call == 0 {
				return store.ErrUnavailable
			}
			return nil
		}
		publisher := &scriptedPublisher{}
		start(t, newRelay(records, publisher, outbox.Config{SweepEvery: time.Second, Grace: time.Hour}))
		// when it is back, then the next sweep takes the event.
		publisher.until(t, has(1))
		if n := records.sweeps(); n != 2 {
			t.Errorf("it took %d sweeps, want 2", n)
		}
	})
}

// While a sweep waits for room, events of the page that it has read may be published and forgotten.
func TestASweepThatWaitedRepeatsNoFreshEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given a relay past its first sweep, with room for one event, and a broker that is away
		records := bolttest.Collection(t, store.Spec{Name: "counters"})
		back := make(chan struct{})
		publisher := &scriptedPublisher{outcome: func(int) outcome {
			select {
			case <-back:
				return stored
			default:
				return refused
			}
		}}
		relay := newRelay(records, publisher, outbox.Config{Queue: 1, SweepEvery: time.Second, Grace: 5 * time.Second})
		start(t, relay)
		time.Sleep(time.Second / 2)
		// when the next sweep waits with an old event while a fresh one has the room, until that is old too
		leave(t, records, []string{"a"}, 1)
		time.Sleep(5 * time.Second)
		if _, err := newCounters(records, relay).Create(t.Context(), "b", counter{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		close(back)
		time.Sleep(time.Minute)
		// then each is published once.
		if diff := cmp.Diff([]string{"b v0 n0", "a v0 n0"}, publisher.until(t, has(2))); diff != "" {
			t.Errorf("published (-want +got):\n%s", diff)
		}
	})
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) set(at time.Time) { c.mu.Lock(); defer c.mu.Unlock(); c.at = at }
func (c *clock) now() time.Time   { c.mu.Lock(); defer c.mu.Unlock(); return c.at }
