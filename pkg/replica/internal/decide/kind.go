// Package decide compares events with replicas: which is next, which was seen, which came early, and what becomes of
// those that waited. It is pure. Whoever calls it reads records and parked events before, and stores what was decided
// after.
//
//	record, parked early events ──> Image ──> Group.Decide(deliveries) ──> Decision ──> what to park, write, settle
package decide

import (
	"ticketing/pkg/event"
)

// Change is what one event does to one entity.
type Change[T any] struct {
	// ID and Version are the event's.
	ID      event.ID
	Version event.Version
	// Apply returns the state after the event, given the one before it. It is pure, and applied to its own result it
	// changes nothing: that is how an event is recognised as the same again.
	Apply func(before T) T
	// Whole reports that the event carries the whole entity, so that Apply needs no state before. It is given the zero
	// T then, and the stored state need not be decoded.
	Whole bool
}

// Kind is how the events of one kind of entity become replicas with state T.
type Kind[T any] struct {
	// Name is the entity's: "ticket".
	Name string
	// Subjects are the channels that together carry every version of these entities.
	Subjects []event.Subject
	// Decode reads an event; an error makes it poison. It is pure.
	Decode func(subject event.Subject, data []byte) (Change[T], error)
	// Reacts reports that somebody reacts to these events.
	Reacts bool
}

// Turn is one event at its turn: what a reaction is given.
type Turn[T any] struct {
	ID      event.ID
	Version event.Version
	// After is the state after the event.
	After T
}
