package outbox

import (
	"testing"

	"ticketing/pkg/store"
)

// The memory of a relay is bounded by what it has not published and what the store has not forgotten, together.
func TestLanesHoldWhatIsNotForgotten(t *testing.T) {
	// given lanes with room for two events, both taken
	l := newLanes(2)
	if !l.offer("a", 0, store.Event{}) || !l.offer("b", 0, store.Event{}) {
		t.Fatal("an event found no room in empty lanes")
	}
	if l.offer("c", 0, store.Event{}) {
		t.Error("a third event found room for two")
	}
	// when one is published, then it still takes its room, and is not offered twice
	l.published(<-l.ready, 0)
	if l.size() != 1 || l.offer("c", 0, store.Event{}) {
		t.Error("a published event that is not forgotten has left its room to another")
	}
	if !l.offer("a", 0, store.Event{}) || l.size() != 1 {
		t.Error("a published event was taken for a new one")
	}
	// and once it is forgotten another one has it
	l.forgotten([]store.Sent{{ID: "a", Versions: []int64{0}}, {ID: "unknown", Versions: []int64{0}}})
	if !l.offer("c", 0, store.Event{}) {
		t.Error("a forgotten event still takes room")
	}
	if len(l.byEntity) != 2 {
		t.Errorf("%d entities are in memory, want b and c", len(l.byEntity))
	}
}
