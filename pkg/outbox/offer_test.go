package outbox

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// noSender publishes nothing.
type noSender struct{}

func (noSender) Send(context.Context, string, []byte, func(error)) {}

// Once an event of a write finds no room in memory, the later ones of that write stay out of it too, even if room
// becomes free meanwhile: else they would be published before it.
func TestLaterEventsOfAWriteDoNotOvertakeOneThatFoundNoRoom(t *testing.T) {
	// given a relay that is full, and gets room right after an event has found none
	var relay *Relay
	looks, full := 0, false
	now := func() time.Time { // the relay looks at the clock before an offer, and when it notes that an event is not in memory
		if looks++; full && looks == 2 {
			full = false
			relay.lanes.published(<-relay.lanes.ready, 0)
			relay.lanes.forgotten([]store.Sent{{ID: "other", Versions: []int64{0}}})
		}
		return time.Now()
	}
	records := memstore.Collection(t, store.Spec{Name: "things"})
	relay = NewRelay(records, noSender{}, Config{Queue: 1, Now: now}, slog.New(slog.DiscardHandler))
	entities := NewEntities(Kind[struct{}]{}, records, relay, time.Now)
	relay.offer("other", 0, store.Event{}, nil)
	looks, full = 0, true
	// when three events of one write are offered
	entities.offer(store.Write{ID: "a", Version: 2, Emit: make([]store.Event, 3)}, nil)
	// then none of them is in memory without those before it
	if full {
		t.Fatal("the relay was not full")
	}
	if versions := relay.inMemory("a"); len(versions) > 0 {
		t.Errorf("versions %v are in memory without version 0", versions)
	}
}
