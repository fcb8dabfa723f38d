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
}

func TestALaneThatFailedWaitsForRetry(t *testing.T) {
	l := newLanes(10)
	l.offer("a", 0, store.Event{})
	l.failed(<-l.ready)
	l.offer("a", 1, store.Event{})
	select {
	case <-l.ready:
		t.Fatal("a lane that failed is ready before its time")
	default:
	}
	<-l.stuck
	l.retry()
	if next := l.next(<-l.ready); next.version != 0 {
		t.Errorf("version %d is next, want the one that failed", next.version)
	}
	l.retry() // with none that failed
	select {
	case <-l.ready:
		t.Error("a lane is ready twice")
	default:
	}
}
