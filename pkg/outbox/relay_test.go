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

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
)

// start runs the relay until the test ends or stop is called.
func start(t testing.TB, relay *outbox.Relay) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := relay.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}

// waiting counts the records that have events in their outbox.
func waiting(t testing.TB, records store.Collection) int {
	t.Helper()
	pending, err := records.Pending(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(pending)
}

func TestAnEventIsPublishedWithoutWaitingForASweep(t *testing.T) {
	// given a relay that will not sweep again within this test
	records := bolttest.Collection(t, store.Spec{Name: "counters"})
	publisher := &scriptedPublisher{}
	relay := newRelay(records, publisher, outbox.Config{SweepEvery: time.Hour})
	counters := newCounters(records, relay)
	stop := start(t, relay)
	// when an entity changes
	if _, err := counters.Create(t.Context(), "a", counter{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := counters.Change(t.Context(), "a", add(1)); err != nil {
		t.Fatal(err)
	}
	// then its events come, in order, and the store forgets them
	got := publisher.until(t, has(2))
	if diff := cmp.Diff([]string{"a v0 n1", "a v1 n2"}, got); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	stop()
	if n := waiting(t, records); n != 0 {
		t.Errorf("%d outboxes are not empty", n)
	}
}

func TestASweepFindsWhatACrashLeft(t *testing.T) {
	// given events whose process ended before it could publish them, more than a page of them and than
	// the next relay has room for in memory
	const entities = 600
	records := bolttest.Collection(t, store.Spec{Name: "counters"})
	crashed := newCounters(records, newRelay(records, &scriptedPublisher{}, outbox.Config{}))
	var writing sync.WaitGroup
	for i := range entities {
		writing.Go(func() {
			if _, err := crashed.Create(t.Context(), event.ID(fmt.Sprintf("%04d", i)), counter{i}); err != nil {
				t.Error(err)
			}
		})
	}
	writing.Wait()
	// when another process starts its relay
	publisher := &scriptedPublisher{}
	stop := start(t, newRelay(records, publisher, outbox.Config{Queue: 50, SweepEvery: time.Hour}))
	// then it publishes every one of them, once
	got := publisher.until(t, has(entities))
	distinct := map[string]bool{}
	for _, data := range got {
		distinct[data] = true
	}
	if len(distinct) != entities || len(got) != entities {
		t.Errorf("%d events published, %d different; want %d of each", len(got), len(distinct), entities)
	}
	stop()
	if n := waiting(t, records); n != 0 {
		t.Errorf("%d outboxes are not empty", n)
	}
}

func TestNothingIsLostWhileTheBrokerIsAway(t *testing.T) {
	// given a broker that is away
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
	relay := newRelay(records, publisher, outbox.Config{MaxBackoff: 20 * time.Millisecond})
	counters := newCounters(records, relay)
	stop := start(t, relay)
	// when entities change meanwhile
	for i := range 20 {
		id := event.ID(fmt.Sprintf("%02d", i))
		if _, err := counters.Create(t.Context(), id, counter{}); err != nil {
			t.Fatal(err)
		}
		if _, err := counters.Change(t.Context(), id, add(1)); err != nil {
			t.Fatal(err)
		}
	}
	publisher.until(t, func(_ []string, calls int) bool { return calls > 50 })
	status := relay.Status()
	if status.Failures == 0 || status.Waiting != 40 || !errors.Is(status.LastError, bus.ErrUnavailable) || status.Failing.IsZero() {
		t.Errorf("status does not tell: %+v", status)
	}
	// then everything comes by itself once it is back, each entity in order
	close(back)
	got := publisher.until(t, has(40))
	checkFirstCopiesInOrder(t, got, 20, 2)
	stop()
	if n, status := waiting(t, records), relay.Status(); n != 0 || status.Failures != 0 || status.Waiting != 0 {
		t.Errorf("%d outboxes are not empty, status %+v", n, status)
	}
}

func TestWhatCannotBePublishedAtTheEndStaysInTheStore(t *testing.T) {
	records := bolttest.Collection(t, store.Spec{Name: "counters"})
	publisher := &scriptedPublisher{outcome: func(int) outcome { return refused }}
	relay := newRelay(records, publisher, outbox.Config{})
	counters := newCounters(records, relay)
	stop := start(t, relay)
	if _, err := counters.Create(t.Context(), "a", counter{}); err != nil {
		t.Fatal(err)
	}
	publisher.until(t, func(_ []string, calls int) bool { return calls > 0 })
	stop()
	if n := waiting(t, records); n != 1 {
		t.Errorf("%d outboxes wait, want the one", n)
	}
}

// Whatever the broker answers, every event gets there, and the first copies of each entity's events in
// version order.
func TestFirstCopiesComeInVersionOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const entities, versions = 3, 6
		script := rapid.SliceOfN(rapid.SampledFrom([]outcome{stored, refused, storedUnknown}), 0, 30).Draw(rt, "script")
		var answering sync.WaitGroup
		defer answering.Wait()
		publisher := &scriptedPublisher{answer: answering.Go, outcome: func(n int) outcome {
			if n < len(script) {
				return script[n]
			}
			return stored
		}}
		records := bolttest.Collection(t, store.Spec{Name: "counters"})
		relay := newRelay(records, publisher, outbox.Config{MaxBackoff: time.Millisecond})
		counters := newCounters(records, relay)
		stop := start(t, relay)
		defer stop()
		var writing sync.WaitGroup
		for i := range entities {
			writing.Go(func() {
				id := event.ID(fmt.Sprintf("%02d", i))
				if _, err := counters.Create(t.Context(), id, counter{}); err != nil {
					t.Error(err)
				}
				for range versions - 1 {
					if _, err := counters.Change(t.Context(), id, add(1)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writing.Wait()
		got := publisher.until(t, func(stored []string, _ int) bool { return len(unique(stored)) == entities*versions })
		checkFirstCopiesInOrder(rt, got, entities, versions)
	})
}

func unique(stored []string) map[string]bool {
	set := map[string]bool{}
	for _, data := range stored {
		set[data] = true
	}
	return set
}

type fataler interface{ Fatalf(string, ...any) }

// checkFirstCopiesInOrder finds that each entity's versions 0.. have come, the first copies in order.
func checkFirstCopiesInOrder(t fataler, got []string, entities, versions int) {
	next := map[string]int{}
	for _, data := range got {
		var id string
		var version, n int
		if _, err := fmt.Sscanf(data, "%s v%d n%d", &id, &version, &n); err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		if version > next[id] {
			t.Fatalf("%s came before version %d of it: %q", data, next[id], got)
		}
		if version == next[id] {
			next[id]++
		}
	}
	if len(next) != entities {
		t.Fatalf("events of %d entities came, want %d", len(next), entities)
	}
	for id, n := range next {
		if n != versions {
			t.Fatalf("%d versions of %s came, want %d", n, id, versions)
		}
	}
}
