package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
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

func TestAnEventIsPublishedWithoutWaitingForASweep(t *testing.T) {
	forEachQueue(t, func(t *testing.T, queue int) {
		// given a relay that will not sweep again within this test
		records := bolttest.Collection(t, store.Spec{Name: "counters"})
		publisher := &scriptedPublisher{}
		relay := newRelay(records, publisher, outbox.Config{Queue: queue, SweepEvery: time.Hour})
		counters := newCounters(records, relay)
		stop := start(t, relay)
		// when an entity changes
		if _, err := counters.Create(t.Context(), "a", counter{1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // there is room in memory again
		if _, err := counters.Change(t.Context(), "a", add(1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		// then its events come, in order, and the store forgets them
		if diff := cmp.Diff([]string{"a v0 n1", "a v1 n2"}, publisher.until(t, has(2))); diff != "" {
			t.Errorf("published (-want +got):\n%s", diff)
		}
		stop()
		if n := waiting(t, records); n != 0 {
			t.Errorf("%d outboxes are not empty", n)
		}
	})
}

func TestASweepFindsWhatACrashLeft(t *testing.T) {
	for _, tt := range []struct{ queue, entities, versions int }{
		{queue: 1, entities: 8, versions: 4},
		{queue: 2, entities: 8, versions: 4},
		{queue: 3, entities: 8, versions: 4},
		{queue: 50, entities: 600, versions: 1}, // more than a page
	} {
		t.Run(fmt.Sprintf("queue %d", tt.queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// given more events of a process that crashed than the next relay has room for in memory
				records := bolttest.Collection(t, store.Spec{Name: "counters"})
				leave(t, records, numbered(tt.entities), tt.versions)
				// when another process starts its relay
				publisher := &scriptedPublisher{}
				stop := start(t, newRelay(records, publisher, outbox.Config{Queue: tt.queue, SweepEvery: 24 * time.Hour}))
				time.Sleep(time.Hour)
				stop()
				// then it publishes every one of them once, each entity in order
				got := publisher.until(t, has(tt.entities*tt.versions))
				if len(got) != tt.entities*tt.versions {
					t.Errorf("%d events published, want %d", len(got), tt.entities*tt.versions)
				}
				checkFirstCopiesInOrder(t, got, tt.entities, tt.versions)
				if n := waiting(t, records); n != 0 {
					t.Errorf("%d outboxes are not empty", n)
				}
			})
		})
	}
}

func TestNothingIsLostWhileTheBrokerIsAway(t *testing.T) {
	forEachQueue(t, func(t *testing.T, queue int) {
		// given a broker that is away
		const entities, versions = 5, 3
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
		relay := newRelay(records, publisher, outbox.Config{Queue: queue})
		counters := newCounters(records, relay)
		stop := start(t, relay)
		// when entities change meanwhile
		for _, id := range numbered(entities) {
			if _, err := counters.Create(t.Context(), event.ID(id), counter{}); err != nil {
				t.Fatal(err)
			}
			for range versions - 1 {
				if _, err := counters.Change(t.Context(), event.ID(id), add(1)); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(time.Minute)
		inMemory := entities * versions
		if queue != 0 {
			inMemory = queue
		}
		status := relay.Status()
		if status.Failures == 0 || status.Waiting != inMemory || !errors.Is(status.LastError, bus.ErrUnavailable) || status.Failing.IsZero() {
			t.Errorf("status is %+v, want failures and %d events", status, inMemory)
		}
		// then everything comes by itself once it is back, each entity in order
		close(back)
		time.Sleep(time.Minute)
		checkFirstCopiesInOrder(t, publisher.until(t, has(entities*versions)), entities, versions)
		stop()
		if n, status := waiting(t, records), relay.Status(); n != 0 || status.Failures != 0 || status.Waiting != 0 {
			t.Errorf("%d outboxes are not empty, status %+v", n, status)
		}
	})
}

func TestTheEndDoesNotWaitForABrokerThatIsAway(t *testing.T) {
	forEachQueue(t, func(t *testing.T, queue int) {
		// given an event that the broker does not take
		const drainTimeout = time.Hour
		records := bolttest.Collection(t, store.Spec{Name: "counters"})
		publisher := &scriptedPublisher{outcome: func(int) outcome { return refused }}
		relay := newRelay(records, publisher, outbox.Config{Queue: queue, DrainTimeout: drainTimeout})
		stop := start(t, relay)
		if _, err := newCounters(records, relay).Create(t.Context(), "a", counter{}); err != nil {
			t.Fatal(err)
		}
		publisher.until(t, func(_ []string, calls int) bool { return calls > 0 })
		// when the relay ends, then it does so at once, and the event stays in the store
		ending := time.Now()
		stop()
		if took := time.Since(ending); took >= drainTimeout {
			t.Errorf("the end took %v, all the time there is for draining", took)
		}
		if n := waiting(t, records); n != 1 {
			t.Errorf("%d outboxes wait, want the one", n)
		}
	})
}

// Whatever the broker answers, whatever a crash has left and however little room there is in memory, every event
// comes, and the first copies of each entity's events come in version order.
func TestFirstCopiesComeInVersionOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const entities, versions = 2, 4
		records := bolttest.Collection(t, store.Spec{Name: "counters"})
		checks := 0
		rapid.Check(struct{ rapid.TB }{t}, func(rt *rapid.T) { // a bubble has no deadline that rapid could ask for
			script := rapid.SliceOfN(rapid.SampledFrom([]outcome{stored, refused, storedUnknown}), 0, 30).Draw(rt, "script")
			left := rapid.IntRange(1, versions-1).Draw(rt, "versions that a crash left")
			queue := rapid.SampledFrom([]int{1, 2, 3, 0}).Draw(rt, "queue")
			var answering sync.WaitGroup
			defer answering.Wait()
			publisher := &scriptedPublisher{answer: answering.Go, outcome: func(n int) outcome {
				if n < len(script) {
					return script[n]
				}
				return stored
			}}
			var ids []string // of this check alone: a new collection for each would take longer
			for i := range entities {
				ids = append(ids, fmt.Sprintf("%04d-%d", checks, i))
			}
			checks++
			leave(t, records, ids, left)
			relay := newRelay(records, publisher, outbox.Config{Queue: queue, MaxBackoff: 100 * time.Millisecond})
			counters := newCounters(records, relay)
			stop := start(t, relay)
			defer stop()
			var writing sync.WaitGroup
			for _, id := range ids {
				writing.Go(func() {
					for range versions - left {
						if _, err := counters.Change(t.Context(), event.ID(id), add(1)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			writing.Wait()
			got := publisher.until(t, func(stored []string, _ int) bool { return len(unique(stored)) == entities*versions })
			checkFirstCopiesInOrder(rt, got, entities, versions)
			time.Sleep(30 * time.Second) // what was stored with no answer is sent again
			if n := waiting(t, records); n != 0 {
				rt.Fatalf("%d outboxes are not empty", n)
			}
		})
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

// checkFirstCopiesInOrder fails the test unless each entity's versions 0.. have come, the first copies in order.
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
