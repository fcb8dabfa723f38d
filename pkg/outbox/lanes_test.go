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

// An entity of which some events are forgotten leaves the room of those, and no more.
func TestForgottenEventsLeaveTheirOwnRoom(t *testing.T) {
	// given lanes with room for three events, all of one entity and published
	l := newLanes(3)
	for version := range int64(3) {
		l.offer("a", version, store.Event{})
	}
	entity := <-l.ready
	for version := range int64(3) {
		l.published(entity, version)
	}
	// when one is forgotten, then one other has room
	l.forgotten([]store.Sent{{ID: "a", Versions: []int64{1}}})
	if !l.offer("b", 0, store.Event{}) {
		t.Error("a forgotten event still takes room")
	}
	if l.offer("c", 0, store.Event{}) {
		t.Error("two events have the room of one that was forgotten")
	}
}

func TestARefusedEventLeavesItsRoom(t *testing.T) {
	// given lanes with room for two events, taken by one entity
	l := newLanes(2)
	l.offer("a", 0, store.Event{})
	l.offer("a", 1, store.Event{})
	// when the first is refused for good, then there is room, and the second is next
	entity := <-l.ready
	l.refused(entity, 0)
	if !l.offer("b", 0, store.Event{}) {
		t.Error("a refused event still takes room")
	}
	if next := l.next(<-l.behind); next.version != 1 {
		t.Errorf("version %d is next, want 1", next.version)
	}
	// and when the second is refused too, then nothing of the entity is left.
	l.refused(entity, 1)
	if len(l.byEntity) != 1 || l.size() != 1 {
		t.Errorf("%d entities and %d events are in memory, want b alone", len(l.byEntity), l.size())
	}
}
