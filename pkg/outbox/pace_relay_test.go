package outbox

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"ticketing/pkg/outbox/internal/pace"
	"ticketing/pkg/store"
)

// instantBus answers each event when it is sent.
type instantBus struct{ sent func() }

func (b instantBus) Send(_ context.Context, _ string, _ []byte, answered func(error)) {
	b.sent()
	answered(nil)
}

func TestAnEntityWithMoreIsNotHeldUpWithEachVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		relay := NewRelay(nil, instantBus{func() { at = append(at, time.Since(began)) }}, Config{}, slog.New(slog.DiscardHandler))
		// given others that have used up what goes in a stretch at once
		go relay.publish(t.Context())
		synctest.Wait()
		for i := range pace.Few {
			relay.offer(string(rune('a'+i)), 0, store.Event{}, nil)
			synctest.Wait()
		}
		// when a hundred events of one entity come
		const versions = 100
		for version := range versions {
			relay.offer("hot", int64(version), store.Event{}, nil)
		}
		// then they all go when its first one does, in the next stretch.
		time.Sleep(pace.Stretch)
		synctest.Wait()
		if len(at) != pace.Few+versions {
			t.Fatalf("%d events were sent, want %d", len(at), pace.Few+versions)
		}
		if at[pace.Few-1] != 0 || at[pace.Few] != pace.Stretch || at[pace.Few+versions-1] != pace.Stretch {
			t.Errorf("the others went until %v, the entity's from %v to %v; want at 0, and all at %v",
				at[pace.Few-1], at[pace.Few], at[pace.Few+versions-1], pace.Stretch)
		}
	})
}
