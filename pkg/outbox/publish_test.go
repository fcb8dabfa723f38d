package outbox_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
)

func TestAnEventThatFailsHoldsUpNoOtherEntity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given an event that the broker never takes
		records := bolttest.Collection(t, store.Spec{Name: "counters"})
		publisher := &scriptedPublisher{refuses: ofBad(errNoAnswer)}
		relay := newRelay(records, publisher, outbox.Config{SweepEvery: time.Hour})
		counters := newCounters(records, relay)
		start(t, relay)
		if _, err := counters.Create(t.Context(), "bad", counter{}); err != nil {
			t.Fatal(err)
		}
		refusals := func(n int) {
			publisher.until(t, func([]string, int) bool { return publisher.refused() >= n })
		}
		refusals(1)
		// when others change, then their events come,
		const others = 50
		for i := range others {
			if _, err := counters.Create(t.Context(), event.ID(fmt.Sprintf("%02d", i)), counter{}); err != nil {
				t.Fatal(err)
			}
		}
		publisher.until(t, has(others))
		// and that one is tried again and again.
		refusals(publisher.refused() + 2)
	})
}

// A channel name that the bus refuses is refused for ever.
func TestARefusedChannelHoldsUpNobody(t *testing.T) {
	forEachQueue(t, func(t *testing.T, queue int) {
		// given more events on refused channels than there is room for in memory, left by a crash
		const sweepEvery = time.Minute
		records := bolttest.Collection(t, store.Spec{Name: "counters"})
		leave(t, records, []string{"bad0", "bad1", "bad2"}, 2)
		publisher := &scriptedPublisher{refuses: func(data string) error {
			if strings.HasPrefix(data, "bad") && !strings.Contains(data, " v1 ") {
				return fmt.Errorf("publish: %w", bus.ErrChannel)
			}
			return nil
		}}
		relay := newRelay(records, publisher, outbox.Config{Queue: queue, SweepEvery: sweepEvery})
		counters := newCounters(records, relay)
		start(t, relay)
		time.Sleep(sweepEvery / 2)
		// when another entity changes, and one of those
		if _, err := counters.Create(t.Context(), "good", counter{}); err != nil {
			t.Fatal(err)
		}
		if _, err := counters.Change(t.Context(), "bad0", add(1)); err != nil {
			t.Fatal(err)
		}
		// then everything comes but what is refused, which stays in the store and is tried with each sweep.
		time.Sleep(10 * sweepEvery)
		got := publisher.until(t, has(4))
		slices.Sort(got)
		if diff := cmp.Diff([]string{"bad0 v1 n1", "bad1 v1 n1", "bad2 v1 n1", "good v0 n0"}, got); diff != "" {
			t.Errorf("published (-want +got):\n%s", diff)
		}
		if n := waiting(t, records); n != 3 {
			t.Errorf("%d outboxes wait, want three", n)
		}
		if status := relay.Status(); status.Waiting != 0 {
			t.Errorf("%d events wait in memory", status.Waiting)
		}
		if n := publisher.refused(); n < 30 || n > 60 {
			t.Errorf("%d attempts at 4 events in 10 sweeps", n)
		}
	})
}

func TestARelayThatEndsForgetsWhatIsAnsweredMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given a broker that answers nothing until it has the events of all entities
		const entities = 1000
		records := bolttest.Collection(t, store.Spec{Name: "counters"})
		bring := make(chan func(), entities)
		publisher := &scriptedPublisher{answer: func(answer func()) { bring <- answer }}
		relay := newRelay(records, publisher, outbox.Config{SweepEvery: time.Hour, DrainTimeout: time.Minute})
		var writes []store.Write
		for i := range entities {
			id := fmt.Sprintf("%04d", i)
			data := fmt.Appendf(nil, "%s v0 n0", id)
			writes = append(writes, store.Write{ID: id, State: []byte(`{}`), Emit: []store.Event{{Channel: "counter:changed", At: noon, Data: data}}})
		}
		if err := records.PutMany(t.Context(), writes); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- relay.Run(ctx) }()
		publisher.until(t, has(entities)) // all at once are on their way
		// when the relay is to end, and they are answered only then, from anywhere
		cancel()
		var answering sync.WaitGroup
		for range entities {
			answering.Go(<-bring)
		}
		answering.Wait()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		// then it has waited for the answers, and none is published again by the next one
		if n := waiting(t, records); n != 0 {
			t.Errorf("%d outboxes are not empty", n)
		}
	})
}

func TestAnAnswerAfterTheEndLeavesTheEventInTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given an event that is on its way when the relay's time is over
		records := bolttest.Collection(t, store.Spec{Name: "counters"})
		bring := make(chan func(), 1)
		publisher := &scriptedPublisher{answer: func(answer func()) { bring <- answer }}
		relay := newRelay(records, publisher, outbox.Config{DrainTimeout: 50 * time.Millisecond})
		if _, err := newCounters(records, relay).Create(t.Context(), "a", counter{}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- relay.Run(ctx) }()
		answer := <-bring
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		// when the answer comes, then nothing happens: the next relay publishes the event once more
		answer()
		if n := waiting(t, records); n != 1 {
			t.Errorf("%d outboxes wait, want the one", n)
		}
		next := &scriptedPublisher{}
		start(t, newRelay(records, next, outbox.Config{}))
		next.until(t, has(1))
	})
}
