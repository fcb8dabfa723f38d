package decide

import (
	"errors"
	"fmt"
	"slices"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/store"
)

// Delivery is one event that is decided on, and what was decided.
type Delivery[T any] struct {
	Change Change[T]
	Event  store.Event
	// Again reports that the broker may have sent it before.
	Again bool
	// Limit is how often the event may fail before it is parked; 0 stands for the replica's.
	Limit int

	Verdict Verdict
	// InLot reports that it came early and that not the record keeps it but the lot. Parked reports that it was so at
	// an earlier decision: then the lot has it, whatever is decided now.
	InLot, Parked bool
	// Released are the events that were kept or parked until this one came.
	Released []Released
	// Outcome is what it is settled with once the decision is stored: nil acknowledges it.
	Outcome error
}

// Group is the deliveries of one entity, in the order they came.
type Group[T any] struct {
	ID         event.ID
	Deliveries []*Delivery[T]
	// GoesOn reports that they were stored, and that parked events behind them are applied now. Last is the delivery
	// that made those next, and Released what it has released before; Last is nil if it is none of this batch.
	GoesOn   bool
	Last     *Delivery[T]
	Released []Released
}

// MayRelease reports whether the group may make a parked event of its entity the next one.
func (g Group[T]) MayRelease(img *Image[T]) bool {
	return g.GoesOn || img.HasNext() || slices.ContainsFunc(g.Deliveries, func(d *Delivery[T]) bool {
		return d.Change.Version <= img.version || isNext(img.version, d.Change.Version, terminal(d.Event))
	})
}

// Decision is what one entity's deliveries make of its image, and what that asks of the lot. Nothing of it is stored
// yet.
type Decision[T any] struct {
	Image *Image[T]
	// Turns are the events that were applied, to be reacted to; none if nobody does.
	Turns []Turn[T]
	// Aside is what to park before the record is written.
	Aside []parking.Entry
	// Attempts are the failures to count before the record is written.
	Attempts []Attempt[T]
	// Settled are events that the lot may hold a note of, which is out of date once the record is written.
	Settled []parking.Entry
	// Dirty reports that the record is to be written.
	Dirty bool

	last *Delivery[T] // what a failure among the kept and parked events keeps un-acked
}

// Attempt is one failure of one event: of a delivery, or of an event that was kept or parked.
type Attempt[T any] struct {
	Entry parking.Entry
	Cause error
	// Delivery stays un-acked unless the event is parked; it may be nil.
	Delivery *Delivery[T]
	// Kept reports that the record is to lose the event if it is parked.
	Kept bool
}

// Decide applies a group to its image and sets the verdicts of its deliveries.
func (g Group[T]) Decide(img *Image[T]) Decision[T] {
	d := Decision[T]{Image: img, last: g.Last}
	for _, delivered := range g.Deliveries {
		before := len(img.released)
		d.take(delivered)
		delivered.Released = slices.Clone(img.released[before:])
	}
	if g.GoesOn {
		img.drain()
	}
	if g.Last != nil {
		g.Last.Outcome, g.Last.Released = nil, append(slices.Clone(g.Released), img.released...)
	}
	d.finish()
	return d
}

// take takes one delivery and then the kept and parked events that have become next.
func (d *Decision[T]) take(delivered *Delivery[T]) {
	img := d.Image
	verdict, cause := img.take(delivered.Change, delivered.Event)
	delivered.Verdict, delivered.Outcome, delivered.InLot = verdict, nil, errors.Is(cause, errNoRoom)
	switch {
	case verdict == Conflict:
		d.Aside = append(d.Aside, conflict(img.entry(delivered.Change.Version, delivered.Event)))
		return
	case delivered.InLot:
		return
	case verdict == Failed:
		delivered.Outcome = cause
		d.Attempts = append(d.Attempts, Attempt[T]{Entry: img.entry(delivered.Change.Version, delivered.Event), Cause: cause, Delivery: delivered})
		return
	case verdict == Apply || verdict == Stale:
		d.last = delivered
	}
	if delivered.Parked || delivered.Again { // a crash may have left a note
		d.Settled = append(d.Settled, img.entry(delivered.Change.Version, delivered.Event))
	}
	img.drain()
}

// finish takes over what became of the events that were kept or parked.
func (d *Decision[T]) finish() {
	img := d.Image
	for _, entry := range img.conflicts {
		d.Aside = append(d.Aside, conflict(entry))
	}
	d.Aside = append(d.Aside, img.waiting.fresh()...)
	d.Settled = append(d.Settled, img.waiting.passed...)
	if img.kind.Reacts { // else no attempt at a kept event can have failed
		for _, early := range img.released {
			d.Settled = append(d.Settled, img.entry(early.Version, early.Event))
		}
	}
	if f := img.failing; f != nil {
		if d.last != nil {
			d.last.Outcome = f.cause
		}
		d.Attempts = append(d.Attempts, Attempt[T]{Entry: img.entry(f.version, f.event), Cause: f.cause, Delivery: d.last, Kept: true})
	}
	if img.overflow && img.waiting.none() {
		img.overflow, img.dirty = false, true
	}
	d.Turns, d.Dirty = img.turns, img.dirty
}

// Park takes note that a failed event that the record kept is parked now.
func (d *Decision[T]) Park(a Attempt[T]) {
	if a.Delivery != nil {
		a.Delivery.Outcome = nil
	}
	if a.Kept {
		d.Image.drop(int64(a.Entry.Version))
		d.Dirty = true
	}
}

// Rest returns what is left to do of a group once its decision is stored: parked events may be next that were not
// read yet.
func (d Decision[T]) Rest() (rest Group[T], more bool) {
	if d.Image.failing != nil || !d.Image.waiting.unread() {
		return rest, false
	}
	rest = Group[T]{ID: d.Image.id, GoesOn: true, Last: d.last}
	if d.last != nil {
		rest.Released = d.last.Released
	}
	return rest, true
}

// entry is an event of the image's entity as the lot knows it.
func (img *Image[T]) entry(version event.Version, ev store.Event) parking.Entry {
	return EntryOf(img.kind.Name, img.id, version, ev)
}

// EntryOf is an event of an entity as the lot knows it.
func EntryOf(kind string, id event.ID, version event.Version, ev store.Event) parking.Entry {
	return parking.Entry{Channel: ev.Channel, Sequence: ev.Sequence, Entity: EntityName(kind, id), Version: version, Data: ev.Data}
}

// conflict is the entry of an event whose version was seen with other content.
func conflict(entry parking.Entry) parking.Entry {
	entry.Reason = parking.Conflict
	entry.Error = fmt.Sprintf("version %d was seen with other content", entry.Version)
	return entry
}
