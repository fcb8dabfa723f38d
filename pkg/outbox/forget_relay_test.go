package outbox_test

import (
	"testing"
	"time"

	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
)

func TestPublishedEventsAreForgottenWhileTheNextOneFails(t *testing.T) {
	// given an entity with two events, of which the broker takes the first alone
	records := bolttest.Collection(t, store.Spec{Name: "counters"})
	publisher := &scriptedPublisher{outcome: func(n int) outcome {
		if n == 0 {
			return stored
		}
		return refused
	}}
	relay := newRelay(records, publisher, outbox.Config{SweepEvery: time.Hour, MaxBackoff: time.Millisecond})
	counters := newCounters(records, relay)
	if _, err := counters.Create(t.Context(), "a", counter{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := counters.Change(t.Context(), "a", add(1)); err != nil {
		t.Fatal(err)
	}
	start(t, relay)
	// when the second fails for a while
	publisher.until(t, func(_ []string, calls int) bool { return calls > 3 })
	// then the store forgets the first without waiting for it
	deadline := time.Now().Add(30 * time.Second)
	for {
		record, err := records.Get(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		_, first := record.Outbox[0]
		_, second := record.Outbox[1]
		if !second {
			t.Fatal("an event that was not published has been forgotten")
		}
		if !first {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the published event is still in the outbox")
		}
		time.Sleep(10 * time.Millisecond)
	}
}
