package outbox

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"ticketing/pkg/store"
)

func TestPausesGrowUntilSomethingSucceeds(t *testing.T) {
	const longest = 300 * time.Millisecond
	r := NewRelay(nil, nil, Config{MaxBackoff: longest}, slog.New(slog.DiscardHandler))
	grows := func() {
		t.Helper()
		for i, want := range []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, longest, longest} {
			r.failed(&lane{}, waitingEvent{event: store.Event{}}, errors.New("no answer"))
			if got := r.pause(); got < want/2 || got > want {
				t.Errorf("pause %d is %v, want %v to %v", i, got, want/2, want)
			}
		}
	}
	grows()
	r.succeeded(&lane{}, waitingEvent{})
	grows()
	if got := r.Status().Failures; got != 5 {
		t.Errorf("%d failures in a row, want those since the success, 5", got)
	}
}
