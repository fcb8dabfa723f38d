package outbox_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
)

// One relay at a time: the first died with events unpublished, and the entity changes as soon as the next one runs.
func TestAChangeDoesNotOvertakeWhatACrashLeft(t *testing.T) {
	for name, pending := range map[string]func(int) error{
		"the first sweep passes": nil,
		"sweeps fail at first": func(call int) error {
			if call < 5 {
				return store.ErrUnavailable
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, queue int) {
				records := &scriptedStore{Collection: bolttest.Collection(t, store.Spec{Name: "counters"}), pending: pending}
				leave(t, records, []string{"a"}, 4)
				publisher := &scriptedPublisher{}
				relay := newRelay(records, publisher, outbox.Config{Queue: queue})
				if _, err := newCounters(records, relay).Change(t.Context(), "a", add(1)); err != nil {
					t.Fatal(err)
				}
				start(t, relay)
				time.Sleep(time.Minute)
				want := []string{"a v0 n0", "a v1 n1", "a v2 n2", "a v3 n3", "a v4 n4"}
				if diff := cmp.Diff(want, publisher.until(t, has(5))); diff != "" {
					t.Errorf("published (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestAChangeDoesNotOvertakeAnEventThatFoundNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given a relay with room for one event, and an entity with two while the broker is away
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
		relay := newRelay(records, publisher, outbox.Config{Queue: 1, SweepEvery: 20 * time.Second})
		counters := newCounters(records, relay)
		start(t, relay)
		time.Sleep(time.Second)
		if _, err := counters.Create(t.Context(), "a", counter{}); err != nil {
			t.Fatal(err)
		}
		if _, err := counters.Change(t.Context(), "a", add(1)); err != nil {
			t.Fatal(err)
		}
		// when it is back, and the entity changes again before a sweep
		close(back)
		publisher.until(t, has(1))
		time.Sleep(time.Second)
		if _, err := counters.Change(t.Context(), "a", add(1)); err != nil {
			t.Fatal(err)
		}
		// then all come in order.
		if diff := cmp.Diff([]string{"a v0 n0", "a v1 n1", "a v2 n2"}, publisher.until(t, has(3))); diff != "" {
			t.Errorf("published (-want +got):\n%s", diff)
		}
	})
}

func TestAChangeDoesNotOvertakeOneWithAnUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given a relay past its first sweep, and a change that was stored though its writer got an error
		records := &scriptedStore{Collection: bolttest.Collection(t, store.Spec{Name: "counters"})}
		publisher := &scriptedPublisher{}
		relay := newRelay(records, publisher, outbox.Config{SweepEvery: time.Hour})
		counters := newCounters(records, relay)
		start(t, relay)
		time.Sleep(time.Second)
		if _, err := counters.Create(t.Context(), "a", counter{}); err != nil {
			t.Fatal(err)
		}
		records.put = func() error { return fmt.Errorf("%w: no answer", store.ErrUnavailable) }
		if _, err := counters.Change(t.Context(), "a", add(1)); err == nil {
			t.Fatal("the change got no error")
		}
		records.put = nil
		// when the entity changes again, then both events come in order.
		time.Sleep(time.Second)
		if _, err := counters.Change(t.Context(), "a", add(1)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"a v0 n0", "a v1 n1", "a v2 n2"}, publisher.until(t, has(3))); diff != "" {
			t.Errorf("published (-want +got):\n%s", diff)
		}
	})
}

func TestAChangeTakesOldEventsOfADeadInstanceAlong(t *testing.T) {
	const grace = 5 * time.Second
	for name, tt := range map[string]struct {
		age, sweepEvery time.Duration
		want            []string
	}{
		"old":                        {grace, time.Hour, []string{"a v0 n0", "a v1 n1", "a v2 n2"}},
		"young: it comes by a sweep": {grace / 2, time.Second, []string{"a v0 n0", "a v2 n2", "a v1 n1"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// given two instances, of which one dies after a change, before it publishes the event
				records := bolttest.Collection(t, store.Spec{Name: "counters"})
				publisher := &scriptedPublisher{}
				relay := newRelay(records, publisher, outbox.Config{SweepEvery: tt.sweepEvery, Grace: grace})
				counters := newCounters(records, relay)
				dead := newCounters(records, newRelay(records, &scriptedPublisher{}, outbox.Config{}))
				start(t, relay)
				time.Sleep(time.Second) // the first sweep, which takes everything, has passed
				if _, err := counters.Create(t.Context(), "a", counter{}); err != nil {
					t.Fatal(err)
				}
				if _, err := dead.Change(t.Context(), "a", add(1)); err != nil {
					t.Fatal(err)
				}
				// when the other one changes the same entity
				time.Sleep(tt.age)
				if _, err := counters.Change(t.Context(), "a", add(1)); err != nil {
					t.Fatal(err)
				}
				// then all events come.
				if diff := cmp.Diff(tt.want, publisher.until(t, has(3))); diff != "" {
					t.Errorf("published (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A change offers older events again only if they have not been in memory, however long its write takes.
func TestAChangeRepeatsNoEventThatIsForgottenMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given a relay whose first sweep has not passed, so that a change leaves no older event to others
		records := &scriptedStore{Collection: bolttest.Collection(t, store.Spec{Name: "counters"})}
		records.pending = func(int) error { return store.ErrUnavailable }
		publisher := &scriptedPublisher{}
		relay := newRelay(records, publisher, outbox.Config{})
		counters := newCounters(records, relay)
		start(t, relay)
		if _, err := counters.Create(t.Context(), "a", counter{}); err != nil {
			t.Fatal(err)
		}
		// when an event is published and forgotten while the next change is being written
		records.put = func() error { time.Sleep(time.Minute); return nil }
		if _, err := counters.Change(t.Context(), "a", add(1)); err != nil {
			t.Fatal(err)
		}
		// then it is not published again.
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]string{"a v0 n0", "a v1 n1"}, publisher.until(t, has(2))); diff != "" {
			t.Errorf("published (-want +got):\n%s", diff)
		}
	})
}

func TestTwoInstancesInTurnPublishEachEventOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given two instances on one store, past their first sweeps
		records := bolttest.Collection(t, store.Spec{Name: "counters"})
		publisher := &scriptedPublisher{}
		var instances []*outbox.Entities[counter]
		for range 2 {
			relay := newRelay(records, publisher, outbox.Config{})
			start(t, relay)
			instances = append(instances, newCounters(records, relay))
		}
		time.Sleep(time.Second)
		// when they change the same entity in turn
		const versions = 50
		var want []string
		if _, err := instances[0].Create(t.Context(), "a", counter{}); err != nil {
			t.Fatal(err)
		}
		for version := range versions {
			want = append(want, fmt.Sprintf("a v%d n%d", version, version))
			if version == 0 {
				continue
			}
			time.Sleep(time.Millisecond)
			if _, err := instances[version%2].Change(t.Context(), "a", add(1)); err != nil {
				t.Fatal(err)
			}
		}
		// then each event is published once, in order.
		time.Sleep(time.Minute)
		if diff := cmp.Diff(want, publisher.until(t, has(versions))); diff != "" {
			t.Errorf("published (-want +got):\n%s", diff)
		}
	})
}
