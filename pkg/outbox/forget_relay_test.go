package outbox_test

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
)

func TestPublishedEventsAreForgottenWhileTheNextOneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given an entity with two events, of which the broker takes the first alone
		records := bolttest.Collection(t, store.Spec{Name: "counters"})
		leave(t, records, []string{"a"}, 2)
		publisher := &scriptedPublisher{outcome: func(n int) outcome {
			if n == 0 {
				return stored
			}
			return refused
		}}
		start(t, newRelay(records, publisher, outbox.Config{SweepEvery: time.Hour}))
		// when the second fails for a while, then the store keeps the first for a moment, as both may go in one write,
		inOutbox := func() []int64 {
			t.Helper()
			record, err := records.Get(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			return slices.Sorted(maps.Keys(record.Outbox))
		}
		time.Sleep(time.Second / 2)
		if diff := cmp.Diff([]int64{0, 1}, inOutbox()); diff != "" {
			t.Errorf("in the outbox after half a second (-want +got):\n%s", diff)
		}
		// and has forgotten it soon, without waiting for the second.
		time.Sleep(10 * time.Second)
		if diff := cmp.Diff([]int64{1}, inOutbox()); diff != "" {
			t.Errorf("in the outbox in the end (-want +got):\n%s", diff)
		}
	})
}

func TestTheEventsOfAnEntityAreForgottenInOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given an entity with several events
		records := &scriptedStore{Collection: bolttest.Collection(t, store.Spec{Name: "counters"})}
		leave(t, records, []string{"a"}, 5)
		// when a relay publishes them
		stop := start(t, newRelay(records, &scriptedPublisher{}, outbox.Config{}))
		time.Sleep(time.Minute)
		stop()
		// then it has forgotten them together.
		want := [][]store.Sent{{{ID: "a", Versions: []int64{0, 1, 2, 3, 4}}}}
		if diff := cmp.Diff(want, records.forgot); diff != "" {
			t.Errorf("forgotten (-want +got):\n%s", diff)
		}
	})
}
