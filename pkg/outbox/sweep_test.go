package outbox_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
)

func TestASweepLeavesFreshEventsToTheirOwnProcess(t *testing.T) {
	// given a relay past its first sweep, which takes everything
	records := bolttest.Collection(t, store.Spec{Name: "counters"})
	var ours, theirs clock
	ours.set(noon)
	theirs.set(noon)
	publisher := &scriptedPublisher{}
	start(t, newRelay(records, publisher, outbox.Config{SweepEvery: time.Millisecond, Grace: time.Minute, Now: ours.now}))
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
	// when another process stores a fresh event, one by a clock that is a little ahead, and one that is old,
	// and another one before its clock was set back
	storedAt("fresh", noon.Add(time.Hour))
	storedAt("ahead", noon.Add(time.Hour+30*time.Second))
	storedAt("old", noon)
	storedAt("set-back", noon.Add(2*time.Hour))
	// then only the last two are taken
	got := publisher.until(t, has(3))[1:]
	slices.Sort(got)
	if want := []string{"old v0 n0", "set-back v0 n0"}; !slices.Equal(got, want) {
		t.Errorf("taken: %q, want %q", got, want)
	}
}

func TestAFirstSweepTakesEventsFromTheFuture(t *testing.T) {
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
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) set(at time.Time) { c.mu.Lock(); defer c.mu.Unlock(); c.at = at }
func (c *clock) now() time.Time   { c.mu.Lock(); defer c.mu.Unlock(); return c.at }
